package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxRequest bounds the body of a REST request, in bytes: ten files of the attachment limit would be more, Discord
// refuses such requests too.
const maxRequest = 25 << 20

// call is one REST request being answered.
type call struct {
	*http.Request
	where string          // for findings
	body  json.RawMessage // nil without a body
	files map[int]*file   // uploads by index
}

// apiError is a refusal in Discord's form.
type apiError struct {
	status, code int
	message      string
	detail       string // of a form error
}

func (e *apiError) Error() string { return e.message }

func refuse(status, code int, message string) error {
	return &apiError{status: status, code: code, message: message}
}

// invalidForm refuses a body. It is a finding as well, since the bot should not have sent it.
func invalidForm(detail string) error {
	return &apiError{status: http.StatusBadRequest, code: 50035, message: "Invalid Form Body", detail: detail}
}

// The refusals that have names.
func unknownGuild() error   { return refuse(http.StatusNotFound, 10004, "Unknown Guild") }
func unknownChannel() error { return refuse(http.StatusNotFound, 10003, "Unknown Channel") }
func unknownMessage() error { return refuse(http.StatusNotFound, 10008, "Unknown Message") }
func unknownWebhook() error { return refuse(http.StatusNotFound, 10015, "Unknown Webhook") }

// answer is what a handler returns; nil body means no content.
type handler func(c *call) (status int, body any, err error)

// limitOf is the rate limit of a route: so many calls in so much time, counted per major parameter. The numbers are
// those observed at Discord where it has such a limit.
type limitOf struct {
	calls  int
	window time.Duration
}

// routeOptions say how a route differs from an ordinary bot route.
type routeOptions struct {
	open  bool // works without the bot token: the interaction's own is in the path
	free  bool // has no rate limit
	limit limitOf
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	s.pageRoutes(mux)
	mux.HandleFunc("GET /attachments/{channel}/{id}/{name}", s.serveFile)
	mux.HandleFunc("GET /gw", s.serveGateway)
	mux.HandleFunc("GET /gw/{$}", s.serveGateway)

	message := routeOptions{limit: limitOf{5, 5 * time.Second}}
	webhook := routeOptions{open: true, limit: limitOf{5, 2 * time.Second}}
	reaction := routeOptions{limit: limitOf{1, 250 * time.Millisecond}}
	for _, route := range []struct {
		pattern string
		opts    routeOptions
		h       handler
	}{
		{"GET /gateway", routeOptions{free: true}, s.getGateway},
		{"GET /gateway/bot", routeOptions{free: true}, s.getGateway},
		{"GET /users/@me", routeOptions{}, s.getMe},
		{"GET /applications/@me", routeOptions{}, s.getApplication},
		{"POST /users/@me/channels", routeOptions{}, s.openDM},
		{"GET /applications/{app}/commands", routeOptions{}, s.getCommands},
		{"PUT /applications/{app}/commands", routeOptions{}, s.putCommands},
		{"GET /applications/{app}/guilds/{guild}/commands", routeOptions{}, s.getCommands},
		{"PUT /applications/{app}/guilds/{guild}/commands", routeOptions{}, s.putCommands},
		{"POST /interactions/{interaction}/{token}/callback", routeOptions{open: true, free: true}, s.callback},
		{"POST /webhooks/{app}/{token}", webhook, s.followup},
		{"GET /webhooks/{app}/{token}/messages/{message}", webhook, s.getWebhookMessage},
		{"PATCH /webhooks/{app}/{token}/messages/{message}", webhook, s.editWebhookMessage},
		{"DELETE /webhooks/{app}/{token}/messages/{message}", webhook, s.deleteWebhookMessage},
		{"GET /channels/{channel}", routeOptions{}, s.getChannel},
		{"GET /channels/{channel}/messages", message, s.getMessages},
		{"POST /channels/{channel}/threads", routeOptions{}, s.startThread},
		{"POST /channels/{channel}/messages", message, s.postMessage},
		{"GET /channels/{channel}/messages/{message}", message, s.getMessage},
		{"PATCH /channels/{channel}/messages/{message}", message, s.editMessage},
		{"DELETE /channels/{channel}/messages/{message}", message, s.deleteMessage},
		{"PUT /channels/{channel}/messages/{message}/reactions/{emoji}/@me", reaction, s.putReaction},
		{"DELETE /channels/{channel}/messages/{message}/reactions/{emoji}/{user}", reaction, s.deleteReaction},
		{"GET /channels/{channel}/messages/{message}/reactions/{emoji}", reaction, s.getReactions},
		{"PUT /channels/{channel}/messages/pins/{message}", message, s.putPin},
		{"DELETE /channels/{channel}/messages/pins/{message}", message, s.deletePin},
		{"PUT /channels/{channel}/pins/{message}", message, s.putPin}, // as it was until 2025
		{"DELETE /channels/{channel}/pins/{message}", message, s.deletePin},
		{"POST /channels/{channel}/typing", routeOptions{}, s.typing},
		{"GET /guilds/{guild}", routeOptions{}, s.getGuild},
		{"GET /guilds/{guild}/audit-logs", routeOptions{}, s.getAudit},
		{"POST /guilds/{guild}/emojis", routeOptions{}, s.postEmoji},
		{"DELETE /guilds/{guild}/emojis/{emoji}", routeOptions{}, s.deleteEmoji},
		{"GET /guilds/{guild}/channels", routeOptions{}, s.getGuildChannels},
		{"GET /guilds/{guild}/roles", routeOptions{}, s.getRoles},
		{"GET /guilds/{guild}/members/{user}", routeOptions{}, s.getMember},
		{"PUT /guilds/{guild}/members/{user}/roles/{role}", routeOptions{}, s.putRole},
		{"DELETE /guilds/{guild}/members/{user}/roles/{role}", routeOptions{}, s.deleteRole},
	} {
		method, path, _ := strings.Cut(route.pattern, " ")
		mux.Handle(method+" /api/{version}"+path, s.rest(path, route.opts, route.h))
	}
	mux.Handle("/api/", s.rest("", routeOptions{open: true, free: true}, func(c *call) (int, any, error) {
		s.mu.Lock()
		s.note(c.where, "the sandbox has no such route")
		s.mu.Unlock()
		return 0, nil, refuse(http.StatusNotFound, 0, "404: Not Found")
	}))
	return mux
}

// rest wraps a handler with everything that is the same for all routes.
func (s *Server) rest(route string, opts routeOptions, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if rest, ok := strings.CutPrefix(path, "/api/"); ok {
			if _, below, ok := strings.Cut(rest, "/"); ok {
				path = "/" + below
			}
		}
		c := &call{Request: r, where: r.Method + " " + mask(path)}
		ex := Exchange{Method: r.Method, Path: path, Route: route}
		s.mu.Lock()
		s.requests++
		s.mu.Unlock()
		fault := s.takeFault(r.Method, path)
		if fault != nil && fault.before(w, r) {
			s.record(Entry{Kind: "rest", Title: c.where, Status: "fault: " + string(fault.Kind)})
			return
		}
		status, body, err := s.answer(c, opts, route, h, fault, w.Header())
		ex.Body, ex.Status = c.body, status
		s.finish(w, c, ex, body, err, fault)
	})
}

// answer authenticates, counts, reads the body and calls the handler.
func (s *Server) answer(c *call, opts routeOptions, route string, h handler, fault *Fault, header http.Header) (status int, body any, err error) {
	defer func() {
		if v := recover(); v != nil {
			s.log.Error().Str("stack", string(debug.Stack())).Msgf("sandbox handler panicked: %v", v)
			status, body, err = 0, nil, refuse(http.StatusInternalServerError, 0, "500: Internal Server Error")
		}
	}()
	if version := c.PathValue("version"); version != "" && version != "v9" && version != "v10" {
		return 0, nil, refuse(http.StatusBadRequest, 50041, "Invalid API version")
	}
	if !opts.open && c.Header.Get("Authorization") != "Bot "+s.Token() {
		return 0, nil, refuse(http.StatusUnauthorized, 0, "401: Unauthorized")
	}
	if fault != nil {
		if err := fault.refusal(header); err != nil {
			return 0, nil, err
		}
	}
	if !opts.free {
		if err := s.count(c, opts.limit, route, header); err != nil {
			return 0, nil, err
		}
	}
	if err := s.readBody(c); err != nil {
		return 0, nil, err
	}
	return h(c)
}

// readBody takes JSON, or multipart with payload_json and files[n].
func (s *Server) readBody(c *call) error {
	if c.Method == http.MethodGet {
		return nil
	}
	raw, err := io.ReadAll(http.MaxBytesReader(nil, c.Body, maxRequest))
	if err != nil {
		return refuse(http.StatusRequestEntityTooLarge, 40005, "Request entity too large")
	}
	if len(raw) == 0 {
		return nil
	}
	kind, params, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return invalidForm("unreadable content type")
	case kind == "application/json":
		c.body = raw
	case kind == "multipart/form-data":
		if err := s.readParts(c, multipart.NewReader(bytes.NewReader(raw), params["boundary"])); err != nil {
			return err
		}
	default:
		return invalidForm("content type " + kind)
	}
	if c.body != nil && !json.Valid(c.body) {
		return refuse(http.StatusBadRequest, 50109, "The request body contains invalid JSON.")
	}
	return nil
}

func (s *Server) readParts(c *call, r *multipart.Reader) error {
	c.files = map[int]*file{}
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return invalidForm("broken multipart body")
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return invalidForm("broken multipart body")
		}
		name := part.FormName()
		if name == "payload_json" {
			c.body = data
			continue
		}
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(name, "files["), "]"))
		if err != nil || n < 0 || n > 9 || part.FileName() == "" {
			return invalidForm("unknown part " + name)
		}
		if len(data) > attachmentSizeLimit {
			return refuse(http.StatusRequestEntityTooLarge, 40005, "Request entity too large")
		}
		c.files[n] = newFile(part.FileName(), part.Header.Get("Content-Type"), data)
	}
}

// finish writes the answer and records the exchange.
func (s *Server) finish(w http.ResponseWriter, c *call, ex Exchange, body any, err error, fault *Fault) {
	if s.opts.Validate != nil {
		s.mu.Lock()
		s.validating++
		s.mu.Unlock()
	}
	header := w.Header()
	entry := Entry{Kind: "rest", Title: c.where, Body: string(c.body)}
	for _, n := range slices.Sorted(maps.Keys(c.files)) {
		entry.Body += fmt.Sprintf("\n+ %s, %s, %d bytes", c.files[n].Name, c.files[n].ContentType, c.files[n].Size)
	}
	if err != nil {
		var api *apiError
		if !errors.As(err, &api) {
			api = &apiError{status: http.StatusInternalServerError, message: err.Error()}
		}
		ex.Status = api.status
		out := obj{"code": api.code, "message": api.message}
		if api.status == http.StatusTooManyRequests {
			after, _ := strconv.ParseFloat(header.Get("Sandbox-Retry-After"), 64)
			header.Del("Sandbox-Retry-After")
			out = obj{"message": api.message, "retry_after": after, "global": header.Get("X-RateLimit-Global") != ""}
		}
		if api.detail != "" {
			out["errors"] = obj{"_errors": []any{obj{"code": "INVALID", "message": api.detail}}}
			entry.Findings = append(entry.Findings, api.detail)
		}
		body = out
	}
	if body != nil {
		ex.Answer, _ = json.Marshal(body) // made of plain maps
		header.Set("Content-Type", "application/json")
	} else if ex.Status == http.StatusOK {
		ex.Status = http.StatusNoContent
	}
	entry.Status = strconv.Itoa(ex.Status)
	entry.Answer = string(ex.Answer)
	s.record(entry)
	if fault == nil || !fault.after(w, c.Request) {
		header.Set("Content-Length", strconv.Itoa(len(ex.Answer)))
		if ex.Status == http.StatusNoContent {
			header.Del("Content-Length")
		}
		w.WriteHeader(ex.Status)
		_, _ = w.Write(ex.Answer)                 // the bot is gone, nobody to tell
		_ = http.NewResponseController(w).Flush() // checking takes its time, the bot need not wait for it
	}
	if s.opts.Validate != nil {
		s.validate(c.where, ex)
	}
}

// validate asks Options.Validate about an exchange. Findings waits for it.
func (s *Server) validate(where string, ex Exchange) {
	found := s.opts.Validate(ex)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range found {
		s.note(where, text)
	}
	if len(found) > 0 {
		s.recordLocked(Entry{Kind: "rest", Title: where, Status: "check", Findings: found})
	}
	s.validating--
	s.touch()
}

// bucket counts the calls of one route and major parameter.
type bucket struct {
	used  int
	reset time.Time
}

const maxBuckets = 5000

// count enforces the rate limit of a route and writes its headers.
func (s *Server) count(c *call, limit limitOf, route string, header http.Header) error {
	if limit.calls == 0 {
		limit = limitOf{50, time.Second}
	}
	major := c.PathValue("channel") + c.PathValue("guild") + c.PathValue("token")
	key := c.Method + " " + route + " " + major
	now := s.opts.Now()
	s.mu.Lock()
	b := s.buckets[key]
	if b == nil || !b.reset.After(now) {
		if len(s.buckets) >= maxBuckets {
			clear(s.buckets)
		}
		b = &bucket{reset: now.Add(limit.window)}
		s.buckets[key] = b
	}
	b.used++
	used, after := b.used, b.reset.Sub(now).Seconds()
	s.mu.Unlock()
	header.Set("X-RateLimit-Limit", strconv.Itoa(limit.calls))
	header.Set("X-RateLimit-Remaining", strconv.Itoa(max(limit.calls-used, 0)))
	header.Set("X-RateLimit-Reset", strconv.FormatFloat(float64(now.UnixMilli())/1000+after, 'f', 3, 64))
	header.Set("X-RateLimit-Reset-After", strconv.FormatFloat(after, 'f', 3, 64))
	header.Set("X-RateLimit-Bucket", strconv.FormatUint(hash(c.Method+route), 16))
	if used > limit.calls {
		return tooMany(header, "user", after)
	}
	return nil
}

// tooMany is a 429 of one of Discord's scopes: user, shared or global.
func tooMany(header http.Header, scope string, after float64) error {
	header.Set("X-RateLimit-Scope", scope)
	header.Set("Retry-After", strconv.Itoa(int(after)+1))
	header.Set("Sandbox-Retry-After", strconv.FormatFloat(after, 'f', 3, 64)) // for finish, which removes it
	if scope == "global" {
		header.Set("X-RateLimit-Global", "true")
	}
	return refuse(http.StatusTooManyRequests, 0, "You are being rate limited.")
}

func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(s) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// mask hides interaction tokens in a path.
func mask(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) > 3 && (parts[1] == "webhooks" || parts[1] == "interactions") {
		parts[3] = "…"
	}
	return strings.Join(parts, "/")
}

func decode(c *call, into any) error {
	if c.body == nil {
		return invalidForm("a body is needed")
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		return invalidForm(err.Error())
	}
	return nil
}

func (s *Server) getGateway(c *call) (int, any, error) {
	out := obj{"url": "ws" + strings.TrimPrefix(s.origin, "http") + "/gw"}
	if strings.HasSuffix(c.URL.Path, "/bot") {
		s.mu.Lock()
		defer s.mu.Unlock()
		out["shards"] = s.opts.Shards
		out["session_start_limit"] = obj{
			"total": s.opts.Identifies, "remaining": max(s.opts.Identifies-s.identified, 0),
			"reset_after": (24 * time.Hour).Milliseconds(), "max_concurrency": s.opts.Concurrency,
		}
	}
	return http.StatusOK, out, nil
}

// bot is the bot's account.
func (s *Server) bot() person {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, _ := s.w.person(BotID)
	return p
}

func (s *Server) getMe(*call) (int, any, error) {
	p := s.bot()
	me := p.api()
	maps.Copy(me, obj{"mfa_enabled": true, "locale": "en-US", "verified": true, "email": nil, "premium_type": 0})
	return http.StatusOK, me, nil
}

func (s *Server) getApplication(*call) (int, any, error) {
	p := s.bot()
	return http.StatusOK, obj{
		"id": BotID, "name": p.Name, "icon": nil, "description": "", "bot": p.api(), "flags": 0, "verify_key": "",
		"summary": "", "type": nil, "bot_public": true, "bot_require_code_grant": false,
	}, nil
}

func (s *Server) getGuild(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.w.guild(c.PathValue("guild"))
	if g == nil {
		return 0, nil, unknownGuild()
	}
	return http.StatusOK, g.api(), nil
}

func (s *Server) getGuildChannels(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.w.guild(c.PathValue("guild"))
	if g == nil {
		return 0, nil, unknownGuild()
	}
	list := []any{}
	for _, ch := range g.Channels {
		if ch.Type != channelThread {
			list = append(list, g.channelAPI(ch))
		}
	}
	return http.StatusOK, list, nil
}

func (s *Server) getChannel(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := c.PathValue("channel")
	if !s.w.reaches(id) {
		return 0, nil, unknownChannel()
	}
	return http.StatusOK, s.w.channelAPI(id), nil
}

func (s *Server) getRoles(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.w.guild(c.PathValue("guild"))
	if g == nil {
		return 0, nil, unknownGuild()
	}
	return http.StatusOK, g.api()["roles"], nil
}

func (s *Server) getMember(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, p, err := s.memberOf(c)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.w.member(g, p, s.started), nil
}

// memberOf finds the member that a route names. s.mu is held.
func (s *Server) memberOf(c *call) (*guild, person, error) {
	g := s.w.guild(c.PathValue("guild"))
	if g == nil {
		return nil, person{}, unknownGuild()
	}
	p, ok := s.w.person(c.PathValue("user"))
	if !ok || g.Members[p.ID] == nil {
		return nil, p, refuse(http.StatusNotFound, 10007, "Unknown Member")
	}
	return g, p, nil
}

func (s *Server) putRole(c *call) (int, any, error)    { return s.changeRole(c, true) }
func (s *Server) deleteRole(c *call) (int, any, error) { return s.changeRole(c, false) }

// changeRole gives or takes a role as the bot. It may do so below its own highest role only.
func (s *Server) changeRole(c *call, give bool) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, p, err := s.memberOf(c)
	if err != nil {
		return 0, nil, err
	}
	r := g.role(c.PathValue("role"))
	switch {
	case r == nil:
		return 0, nil, refuse(http.StatusNotFound, 10011, "Unknown Role")
	case r.Managed, r.ID == g.ID, r.Position >= g.highest(BotID), g.permissions(BotID)&permManageRoles == 0:
		return 0, nil, refuse(http.StatusForbidden, 50013, "Missing Permissions")
	}
	s.setRole(g, p, r.ID, give)
	return http.StatusNoContent, nil, nil
}

// setRole gives or takes a role and says so. s.mu is held.
func (s *Server) setRole(g *guild, p person, roleID string, give bool) {
	m := g.Members[p.ID]
	had := len(m.Roles)
	m.Roles = slices.DeleteFunc(slices.Clone(m.Roles), func(id string) bool { return id == roleID })
	if give {
		m.Roles = append(m.Roles, roleID)
	}
	if !give && had == len(m.Roles) {
		return
	}
	update := s.w.member(g, p, s.started)
	update["guild_id"] = g.ID
	s.emit("GUILD_MEMBER_UPDATE", intentMembers, update)
	s.touch()
}

func (s *Server) openDM(c *call) (int, any, error) {
	var in struct {
		RecipientID string `json:"recipient_id"`
	}
	if err := decode(c, &in); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.w.person(in.RecipientID)
	if !ok || p.Bot {
		return 0, nil, refuse(http.StatusBadRequest, 50007, "Cannot send messages to this user")
	}
	return http.StatusOK, s.w.channelAPI(DMChannel(p.ID)), nil
}

func (s *Server) typing(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.w.reaches(c.PathValue("channel")) {
		return 0, nil, unknownChannel()
	}
	return http.StatusNoContent, nil, nil
}
