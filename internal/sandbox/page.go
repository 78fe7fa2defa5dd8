package sandbox

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

//go:embed page
var pageFiles embed.FS

const (
	pageDepth     = 512              // updates waiting for a slow page; beyond it the page starts anew
	maxShown      = 60               // people, channels and guilds on a page
	maxPages      = 50               // open at the same time
	pageKeepAlive = 15 * time.Second // a comment, so that proxies and browsers keep the stream
	maxPageBody   = 40 << 20         // of a request: files arrive as base64
	pagePolicy    = "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// page is one open web page of one person.
type page struct {
	user string
	out  chan []byte // pageDepth deep, never blocks the world
	done chan struct{}
	once sync.Once
}

func (p *page) close() { p.once.Do(func() { close(p.done) }) }

func (s *Server) pageRoutes(mux *http.ServeMux) {
	for path, file := range map[string][2]string{
		"GET /{$}":         {"page/index.html", "text/html; charset=utf-8"},
		"GET /app.js":      {"page/app.js", "text/javascript; charset=utf-8"},
		"GET /render.js":   {"page/render.js", "text/javascript; charset=utf-8"},
		"GET /app.css":     {"page/app.css", "text/css; charset=utf-8"},
		"GET /favicon.svg": {"page/favicon.svg", "image/svg+xml"},
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			b, err := pageFiles.ReadFile(file[0])
			if err != nil || !localRequest(r) {
				http.NotFound(w, r)
				return
			}
			h := w.Header()
			h.Set("Content-Type", file[1])
			h.Set("Content-Security-Policy", pagePolicy)
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cache-Control", "no-cache")
			_, _ = w.Write(b) // the browser is gone, nobody to tell
		})
	}
	mux.HandleFunc("GET /page/events", s.pageEvents)
	mux.HandleFunc("POST /page/{action}", s.pageAction)
}

// localRequest keeps other web pages from driving this one: the request must be addressed to loopback by name (a name
// that was rebound does not pass), and a browser must not have started it elsewhere.
func localRequest(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return false
	}
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "http://"+r.Host
}

// pageEvents streams the world to a page: first all of it, then what changes.
func (s *Server) pageEvents(w http.ResponseWriter, r *http.Request) {
	user := r.URL.Query().Get("user")
	s.mu.Lock()
	person, ok := s.w.person(user)
	s.mu.Unlock()
	// A stream that another page embeds would take places, although that page cannot read it.
	if !ok || person.Bot || !localRequest(r) || r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		http.NotFound(w, r)
		return
	}
	p := &page{user: user, out: make(chan []byte, pageDepth), done: make(chan struct{})}
	s.mu.Lock()
	if len(s.pages) >= maxPages || s.stopped {
		s.mu.Unlock()
		http.Error(w, "too many pages", http.StatusServiceUnavailable)
		return
	}
	hello := pageEvent("hello", s.pageState(person))
	s.pages[p] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pages, p)
		s.mu.Unlock()
	}()

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	rc := http.NewResponseController(w)
	send := func(b []byte) bool {
		_, err := w.Write(b)
		return err == nil && rc.Flush() == nil
	}
	alive := time.NewTicker(pageKeepAlive)
	defer alive.Stop()
	ok = send([]byte("retry: 500\n\n")) // milliseconds until the browser tries again
	for ok = ok && send(hello); ok; {
		select {
		case b := <-p.out:
			ok = send(b)
		case <-alive.C:
			ok = send([]byte(": still here\n\n"))
		case <-p.done:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func pageEvent(kind string, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		b = []byte("null") // made of plain maps
	}
	return slices.Concat([]byte("event: "+kind+"\ndata: "), b, []byte("\n\n"))
}

// tell sends an update to the pages of one person, or of everybody when viewer is "". s.mu is held.
func (s *Server) tell(kind, viewer string, v any) {
	var b []byte
	for p := range s.pages {
		if viewer != "" && p.user != viewer {
			continue
		}
		if b == nil {
			b = pageEvent(kind, v)
		}
		p.push(b)
	}
}

// push queues an update; a page that does not read starts anew.
func (p *page) push(b []byte) {
	select {
	case p.out <- b:
	default:
		p.close()
	}
}

// tellMessage sends a message to the pages of those who see it. s.mu is held.
func (s *Server) tellMessage(m *message) {
	for p := range s.pages {
		if s.sees(p.user, m) {
			p.push(pageEvent("message", s.pageMessage(m, p.user)))
		}
	}
}

func (s *Server) sees(user string, m *message) bool {
	if g := s.w.byChannel[m.Channel]; g != nil {
		return m.visible(user) && g.Members[user] != nil
	}
	return m.visible(user) && m.Channel == DMChannel(user)
}

// tellStatus sends what has changed about the bot. s.mu is held.
func (s *Server) tellStatus() {
	for p := range s.pages {
		q, _ := s.w.person(p.user)
		p.push(pageEvent("status", s.pageStatus(q)))
	}
}

func (s *Server) pageStatus(p person) obj {
	list := []obj{}
	for _, r := range s.runnables(p, ChannelID) {
		list = append(list, obj{"path": r.Path, "description": r.Description})
	}
	menus := []obj{}
	for _, c := range s.w.offered(p.ID, ChannelID) {
		if c.Type != commandSlash {
			menus = append(menus, obj{"name": c.Name, "label": in(p.Locale, c.Name, c.Names), "message": c.Type == menuMessage})
		}
	}
	return obj{"online": s.online(), "commands": list, "menus": menus, "channels": s.pageChannels(p)}
}

// pageState is everything a page shows. s.mu is held.
func (s *Server) pageState(p person) obj {
	names := []obj{}
	for _, q := range s.w.People[:min(len(s.w.People), maxShown)] {
		admin := s.w.byGuild[GuildID].permissions(q.ID) == permAll
		names = append(names, obj{"id": q.ID, "name": q.Name, "username": q.Username, "bot": q.Bot, "admin": admin})
	}
	messages := obj{}
	for _, c := range s.pageChannels(p) {
		channel := str(c["id"])
		list := []obj{}
		for _, m := range s.w.Messages[channel] {
			if s.sees(p.ID, m) {
				list = append(list, s.pageMessage(m, p.ID))
			}
		}
		messages[channel] = list
	}
	roles := []obj{}
	for _, g := range s.w.Guilds[:min(len(s.w.Guilds), maxShown)] {
		for _, r := range g.Roles {
			roles = append(roles, obj{"id": r.ID, "name": r.Name, "guild": g.ID})
		}
	}
	return obj{
		"me": p.ID, "people": names, "guild": guildName, "messages": messages, "status": s.pageStatus(p), "log": s.journal,
		"roles": roles,
	}
}

// pageChannels lists the channels that a page shows. s.mu is held.
func (s *Server) pageChannels(p person) []obj {
	var out []obj
	for _, g := range s.w.Guilds {
		if g.Members[p.ID] == nil {
			continue
		}
		for _, c := range g.inOrder() {
			if len(out) < maxShown && c.Type != channelForum {
				kind := "more"
				if c.ID == ChannelID {
					kind = "guild"
				}
				out = append(out, obj{
					"id": c.ID, "name": c.Name, "kind": kind, "guild": g.ID, "group": g.Name, "nsfw": s.w.restricted(c.ID),
					"thread": c.Type == channelThread,
				})
			}
		}
	}
	bot, _ := s.w.person(BotID)
	return append(out, obj{"id": DMChannel(p.ID), "name": bot.Name, "kind": "dm", "guild": "", "group": ""})
}

// inOrder are the channels with each thread below the channel it is in.
func (g *guild) inOrder() []*channel {
	below := make(map[string][]*channel)
	for _, c := range g.Channels {
		if c.Type == channelThread {
			below[c.Parent] = append(below[c.Parent], c)
		}
	}
	out := make([]*channel, 0, len(g.Channels))
	for _, c := range g.Channels {
		if c.Type != channelThread {
			out = append(append(out, c), below[c.ID]...)
		}
	}
	return out
}

// pageMessage is a message with what only the page shows. s.mu is held.
func (s *Server) pageMessage(m *message, viewer string) obj {
	out := s.apiMessage(m, viewer)
	out["x_ephemeral"] = m.Viewer != ""
	out["x_loading"] = m.Flags&flagLoading != 0
	if m.Command != "" {
		out["x_command"], out["x_invoker"] = m.Command, m.Invoker
	}
	users := []any{}
	for _, r := range m.Reactions {
		users = append(users, r.Users)
	}
	out["x_reactors"] = users
	return out
}

// pageRequest is what a page asks for.
type pageRequest struct {
	User        string            `json:"user"`
	Channel     string            `json:"channel"`
	Line        string            `json:"line"`
	Message     string            `json:"message"`
	CustomID    string            `json:"custom_id"`
	Values      []string          `json:"values"`
	Interaction string            `json:"interaction"`
	Inputs      map[string]string `json:"inputs"`
	Emoji       string            `json:"emoji"`
	Name        string            `json:"name"`   // of a menu entry
	Target      string            `json:"target"` // the person it is used on
	On          bool              `json:"on"`
	Files       map[string]struct {
		Name string `json:"name"`
		Type string `json:"type"`
		Data []byte `json:"data"`
	} `json:"files"`
	Fault FaultKind `json:"fault"`
}

// pageAction does what a person did on a page. Refusals are texts for that person.
func (s *Server) pageAction(w http.ResponseWriter, r *http.Request) {
	if !localRequest(r) || r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "refused", http.StatusForbidden)
		return
	}
	var in pageRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPageBody)).Decode(&in); err != nil {
		http.Error(w, "unreadable request", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*s.opts.AnswerWindow)
	defer cancel()
	out, err := s.act(ctx, r.PathValue("action"), in)
	if err != nil {
		out = obj{"error": err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // the browser is gone, nobody to tell
}

func (s *Server) act(ctx context.Context, action string, in pageRequest) (any, error) {
	switch action {
	case "run":
		files := map[string]File{}
		for name, f := range in.Files {
			files[name] = File{Name: f.Name, ContentType: f.Type, Data: f.Data}
		}
		return pageOutcome(s.RunLine(ctx, in.User, in.Channel, in.Line, files))
	case "complete":
		return s.Complete(ctx, in.User, in.Channel, in.Line)
	case "post":
		_, err := s.Post(in.User, in.Channel, in.Line)
		return obj{}, err
	case "press":
		return pageOutcome(s.Click(ctx, in.User, in.Message, in.CustomID))
	case "choose":
		return pageOutcome(s.Choose(ctx, in.User, in.Message, in.CustomID, in.Values...))
	case "submit":
		files := map[string][]File{}
		for name, f := range in.Files { // the page takes one for each field
			files[name] = []File{{Name: f.Name, ContentType: f.Type, Data: f.Data}}
		}
		return pageOutcome(s.SubmitFiles(ctx, in.User, in.Interaction, in.Inputs, files))
	case "menu":
		if in.Message != "" {
			return pageOutcome(s.RunMessageMenu(ctx, in.User, in.Message, in.Name))
		}
		return pageOutcome(s.RunUserMenu(ctx, in.User, in.Channel, in.Name, in.Target))
	case "react":
		if in.On {
			return obj{}, s.React(in.User, in.Message, in.Emoji)
		}
		return obj{}, s.Unreact(in.User, in.Message, in.Emoji)
	case "dismiss":
		return obj{}, s.dismiss(in.User, in.Message)
	case "fault":
		return obj{}, s.pageFault(in.Fault)
	}
	return nil, fmt.Errorf("there is no action %q", action)
}

// dismiss removes an ephemeral message from its viewer's page.
func (s *Server) dismiss(userID, messageID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.w.findAnywhere(messageID)
	if m == nil || m.Viewer != userID {
		return ErrNoSuchMessage
	}
	s.remove(m)
	return nil
}

// pageFault arms one of the faults that the page offers.
func (s *Server) pageFault(kind FaultKind) error {
	f := Fault{Kind: kind}
	switch kind {
	case CutGateway, Reconnect, Cut, Duplicate:
	case RateLimited, RateLimitedGlobal, Slow:
		f.Delay = 2 * time.Second
	case Status:
		f.Code = http.StatusBadGateway
	default:
		return errors.New("unknown fault")
	}
	s.Arm(f)
	return nil
}

func pageOptions(list []Choice) []obj {
	out := []obj{}
	for _, c := range list {
		out = append(out, obj{"label": c.Name, "value": c.Value})
	}
	return out
}

func pageOutcome(out Outcome, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	answer := obj{"kind": out.Kind, "message": out.MessageID}
	if out.Modal != nil {
		inputs := []obj{}
		for _, in := range out.Modal.Inputs {
			inputs = append(inputs, obj{
				"custom_id": in.CustomID, "label": in.Label, "description": in.Description, "placeholder": in.Placeholder,
				"value": in.Value, "paragraph": in.Paragraph, "required": in.Required, "min": in.MinLength, "max": in.MaxLength,
				"files": in.Files, "options": pageOptions(in.Options),
			})
		}
		answer["modal"] = obj{"interaction": out.Modal.InteractionID, "title": out.Modal.Title, "inputs": inputs}
	}
	return answer, nil
}
