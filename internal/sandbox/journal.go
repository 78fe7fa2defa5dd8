package sandbox

import (
	"encoding/json"
	"regexp"
	"sync"
	"time"
)

// Entry is one line of the sandbox's log: a request of the bot, or an event for it. Tokens are masked.
type Entry struct {
	Number   int       `json:"number"`
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"` // rest, event or gateway
	Title    string    `json:"title"`
	Status   string    `json:"status"`
	Body     string    `json:"body"`
	Answer   string    `json:"answer"`
	Findings []string  `json:"findings"`
}

const maxEntryText = 4000

var tokenField = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`"token":"[^"]*"`) }) //nolint:gochecknoglobals // constant

// record adds an entry to the log.
func (s *Server) record(e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recordLocked(e)
}

func (s *Server) recordLocked(e Entry) {
	s.entries++
	e.Number, e.Time = s.entries, s.opts.Now()
	e.Body, e.Answer = shorten(e.Body), shorten(e.Answer)
	s.journal = append(s.journal, e)
	if len(s.journal) > maxLog {
		s.journal = s.journal[len(s.journal)-maxLog:]
	}
	s.tell("log", "", e)
}

// Requests counts the REST requests of bots so far, those that a fault hit among them.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Log returns the last requests and events.
func (s *Server) Log() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Entry(nil), s.journal...)
}

func shorten(s string) string {
	if len(s) > maxEntryText {
		return s[:maxEntryText] + " …"
	}
	return s
}

func maskTokens(b json.RawMessage) []byte {
	return tokenField().ReplaceAll(b, []byte(`"token":"…"`))
}
