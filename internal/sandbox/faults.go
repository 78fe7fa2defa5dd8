package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FaultKind is a way in which Discord can misbehave.
type FaultKind string

// Faults of REST requests: they hit the next requests that match.
const (
	RateLimited        FaultKind = "429"                 // user scope, for Delay
	RateLimitedShared  FaultKind = "429-shared"          // shared scope, for Delay
	RateLimitedGlobal  FaultKind = "429-global"          // global scope, for Delay, without Reset-After as Discord does it
	RateLimitedHTML    FaultKind = "429-html"            // from the proxy in front of Discord: no JSON
	Status             FaultKind = "status"              // answers with Code, such as 502
	Slow               FaultKind = "slow"                // does the work after Delay
	SlowAnswer         FaultKind = "slow-answer"         // does the work, events included, and answers after Delay
	Cut                FaultKind = "cut"                 // drops the connection without doing the work
	CutAnswer          FaultKind = "cut-answer"          // does the work, then drops the connection
	Forbidden          FaultKind = "forbidden"           // 403, code 50013
	Expired            FaultKind = "expired"             // 401, code 50027: the interaction token is dead
	UnknownInteraction FaultKind = "unknown-interaction" // 404, code 10062
	TooLarge           FaultKind = "too-large"           // 413, code 40005
	Refused            FaultKind = "refused"             // Discord's own Code, with the status that goes with it
)

// Faults of the gateway.
const (
	CloseGateway   FaultKind = "close"         // at once: closes every connection with Code
	CutGateway     FaultKind = "cut-gateway"   // at once: drops every connection without a word
	Reconnect      FaultKind = "op7"           // at once: asks to reconnect
	InvalidSession FaultKind = "op9"           // at once: ends the session; Code 1 says that it may be resumed
	AskHeartbeat   FaultKind = "op1"           // at once: asks for a heartbeat
	UnknownEvent   FaultKind = "unknown-event" // at once: sends an event that does not exist

	MuteAcks              FaultKind = "mute-acks"          // heartbeats are not acknowledged
	MuteReady             FaultKind = "mute-ready"         // Identify and Resume are not answered
	RefuseIdentify        FaultKind = "refuse"             // Identify and Resume are answered by closing with Code
	FirstAfterResume      FaultKind = "first-after-resume" // a Resume is first answered by the opcode in Code (7, 9 or 11)
	Duplicate             FaultKind = "duplicate"          // events arrive twice
	Swap                  FaultKind = "swap"               // an event arrives after the next one
	Drop                  FaultKind = "drop"               // events do not arrive
	ReactionWithoutMember FaultKind = "bare-reaction"      // a reaction without member and author
	UnknownComponent      FaultKind = "unknown-component"  // an interaction with a component type from the future
)

// Fault is misbehaviour to come. It never happens by chance.
type Fault struct {
	Kind   FaultKind
	Method string        // REST only: "" matches all
	Path   string        // REST only: part of the path below the API root, such as "/callback"; "" matches all
	Times  int           // how often it happens: 0 is once, -1 for ever
	Delay  time.Duration // of Slow and SlowAnswer; retry_after of the rate limits
	Code   int           // of Status, Refused, CloseGateway, RefuseIdentify, InvalidSession, FirstAfterResume
}

// Arm makes a fault happen at the next occasions, or at once where its kind says so.
func (s *Server) Arm(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.atOnce(f) {
		s.faults = append(s.faults, &f)
	}
}

// Disarm forgets the faults that have not happened yet.
func (s *Server) Disarm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Armed counts the faults that have not happened yet, or not often enough.
func (s *Server) Armed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.faults)
}

// endsSession reports whether Discord forgets the session of a connection that it closes with this code.
func endsSession(code int) bool {
	return code == 4004 || code == 4007 || code == 4009 || code >= 4010 && code <= 4014
}

// take returns the first armed fault that matches and counts it. s.mu is held.
func (s *Server) take(match func(*Fault) bool) *Fault {
	i := slices.IndexFunc(s.faults, match)
	if i < 0 {
		return nil
	}
	f := *s.faults[i]
	if s.faults[i].Times > 0 {
		if s.faults[i].Times--; s.faults[i].Times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
	}
	return &f
}

func (s *Server) takeGatewayFault(kind FaultKind) *Fault {
	return s.take(func(f *Fault) bool { return f.Kind == kind })
}

func (f *Fault) rest() bool {
	switch f.Kind {
	case RateLimited, RateLimitedShared, RateLimitedGlobal, RateLimitedHTML, Status, Slow, SlowAnswer, Cut, CutAnswer,
		Forbidden, Expired, UnknownInteraction, TooLarge, Refused:
		return true
	default:
		return false
	}
}

func (s *Server) takeFault(method, path string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take(func(f *Fault) bool {
		return f.rest() && (f.Method == "" || f.Method == method) && strings.Contains(path, f.Path)
	})
}

// before happens instead of a request, or before it. It reports whether the request is over.
func (f *Fault) before(w http.ResponseWriter, r *http.Request) bool {
	switch f.Kind {
	case Cut:
		hangUp(w)
		return true
	case RateLimitedHTML:
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte("<html><body>error code: 1015</body></html>")) // nobody to tell
		return true
	case Status:
		w.WriteHeader(f.Code)
		_, _ = w.Write([]byte("upstream connect error")) // nobody to tell
		return true
	case Slow:
		pause(r, f.Delay)
	default:
	}
	return false
}

// statusOf is the HTTP status that Discord sends one of its codes with.
func statusOf(code int) int {
	switch {
	case code/1000 == 10:
		return http.StatusNotFound
	case code == 20028:
		return http.StatusTooManyRequests
	case code == 50027:
		return http.StatusUnauthorized
	case code == 50001, code == 50007, code == 50013, code == 40333, code == 50278:
		return http.StatusForbidden
	case code == 40005, code == 50045:
		return http.StatusRequestEntityTooLarge
	default:
		return http.StatusBadRequest
	}
}

// refusal happens instead of the handler.
func (f *Fault) refusal(header http.Header) error {
	switch f.Kind {
	case RateLimited:
		header.Set("X-RateLimit-Reset-After", "0")
		return tooMany(header, "user", f.Delay.Seconds())
	case RateLimitedShared:
		return tooMany(header, "shared", f.Delay.Seconds())
	case RateLimitedGlobal:
		return tooMany(header, "global", f.Delay.Seconds())
	case Forbidden:
		return refuse(http.StatusForbidden, 50013, "Missing Permissions")
	case Expired:
		return refuse(http.StatusUnauthorized, 50027, "Invalid Webhook Token")
	case UnknownInteraction:
		return refuse(http.StatusNotFound, 10062, "Unknown interaction")
	case TooLarge:
		return refuse(http.StatusRequestEntityTooLarge, 40005, "Request entity too large")
	case Refused:
		return refuse(statusOf(f.Code), f.Code, "refused with "+strconv.Itoa(f.Code))
	default:
		return nil
	}
}

// after happens when the work is done. It reports whether the answer is over.
func (f *Fault) after(w http.ResponseWriter, r *http.Request) bool {
	switch f.Kind {
	case SlowAnswer:
		pause(r, f.Delay)
	case CutAnswer:
		hangUp(w)
		return true
	default:
	}
	return false
}

func pause(r *http.Request, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}

func hangUp(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}
