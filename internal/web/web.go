// SPDX-License-Identifier: AGPL-3.0-or-later

package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/engine"
)

// Bounds of the pages.
const (
	maxForm   = 8 << 10 // bytes of a form
	maxModels = 50      // shown on the front page
	maxRows   = 100     // of a table on the dashboard
	maxBoard  = 25      // of the leaderboard
	boardLife = 30 * time.Second
)

// Deps are what the pages work with. All are required.
type Deps struct {
	Engine *engine.Engine
	// HashKey is what the horde knows of an API key.
	HashKey func(key string) horde.KeyHash
	// NewKey makes an API key, and NewIdentity the identity of an account that came without one: a UUID.
	NewKey      func() string
	NewIdentity func() string
	// Seal encrypts what a cookie holds, and Unseal is its inverse. Both bind it to what it is used for. Whoever can seal
	// can sign in as anybody.
	Seal, Unseal func(text, use []byte) ([]byte, error)
	// Give gives kudos, an amount as a person typed it. It happens once per key. Refusals are *horde.Error.
	Give func(ctx context.Context, from, to horde.UserID, amount, key string) (given string, err error)
	// Caller names who a request comes from, for limits.
	Caller func(*http.Request) string
	Now    func() time.Time
	Log    zerolog.Logger
}

// Options say how the pages look and what they allow; zero values work.
type Options struct {
	Name string // of this horde, as people see it
	// Registration lets anybody make an account.
	Registration bool
	// RateLimits switches the limits per caller on.
	RateLimits bool
	// PublicURL is where others reach this horde; empty: the host each visitor used.
	PublicURL string
	Version   string
	// Source is the address of the program's source code, which its licence has us offer.
	Source string
	// Discord lets people sign in with Discord; nil: they cannot.
	Discord *DiscordLogin
	// Document returns terms, privacy or sponsors as safe HTML; nil: there are none.
	Document func(name string) (html string, ok bool)
	// News lists what happened, newest first; nil: nothing.
	News func() []NewsPiece
}

// NewsPiece is one piece of news.
type NewsPiece struct {
	Date              time.Time
	Title, Importance string
	HTML              template.HTML // safe
}

//go:embed page
var files embed.FS

// Handler serves the pages. It is safe for concurrent use.
func Handler(deps Deps, opts Options) (http.Handler, error) {
	if deps.Engine == nil || deps.HashKey == nil || deps.NewKey == nil || deps.NewIdentity == nil || deps.Caller == nil || deps.Now == nil ||
		deps.Seal == nil || deps.Unseal == nil || deps.Give == nil {
		return nil, errors.New("the pages need an engine, keys, identities, seals, gifts, callers and a clock")
	}
	if opts.Name == "" {
		opts.Name = "Stablemate"
	}
	pages, err := template.New("").Funcs(helpers()).ParseFS(files, "page/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the pages: %w", err)
	}
	s := &site{deps: deps, opts: opts, pages: pages}
	if opts.RateLimits {
		s.views = newTally(viewsPerMinute, time.Minute, deps.Now)
		s.accounts = newTally(accountsPerHour, time.Hour, deps.Now)
		s.signins = newTally(signinsPerMinute, time.Minute, deps.Now)
		s.gifts = newTally(giftsPerHour, time.Hour, deps.Now)
		s.changes = newTally(changesPerHour, time.Hour, deps.Now)
	}
	if err := s.openLogin(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.front)
	mux.HandleFunc("GET /register", s.form)
	mux.HandleFunc("POST /register", s.register)
	mux.HandleFunc("GET /dashboard", s.dashboard)
	mux.HandleFunc("GET /news", s.news)
	for _, name := range []string{"terms", "privacy", "sponsors"} {
		mux.HandleFunc("GET /"+name, s.document(name))
	}
	mux.HandleFunc("GET /profile", s.profile)
	mux.HandleFunc("POST /signin", s.signin)
	mux.HandleFunc("POST /signout", s.signout)
	mux.HandleFunc("POST /profile/name", s.rename)
	mux.HandleFunc("POST /profile/key", s.rotate)
	mux.HandleFunc("POST /profile/workers", s.publish)
	mux.HandleFunc("GET /transfer", s.transferForm)
	mux.HandleFunc("POST /transfer", s.transfer)
	if s.login != nil {
		mux.HandleFunc("GET /discord/{page}", s.toDiscord)
		mux.HandleFunc("GET /finish_dance", s.fromDiscord)
	}
	mux.HandleFunc("GET /assets/{name}", s.asset)
	mux.HandleFunc("GET /.well-known/serviceinfo", s.discover)
	mux.HandleFunc("/", s.missing)
	s.next = mux
	return s, nil
}

type site struct {
	deps     Deps
	opts     Options
	pages    *template.Template
	next     http.Handler
	views    *tally
	accounts *tally
	signins  *tally
	gifts    *tally
	changes  *tally
	login    *login // nil without
	board    board
}

// page is what the templates show.
type page struct {
	Title   string
	Horde   Options
	Message string // what went wrong, on a form
	Done    string // what went well
	Host    string // scheme and host, as the visitor reached us
	Path    string // of the page shown
	Name    string // as typed
	Open    bool   // whether accounts can be made
	Giving  bool   // whether people may give kudos
	Alias   string // of the new account
	Key     string // of an account, shown this once
	Me      *visitor
	Data    any // what this page alone shows
}

// overview is what the front page shows.
type overview struct {
	Figures figures
	Models  []horde.ModelStatus
	News    *NewsPiece
}

type figures struct {
	Workers, Threads, Queued int
	Texts, Forms             int
	Megapixelsteps           string // delivered in the last minute
	Images                   int64  // delivered ever
	Down                     bool
}

// ServeHTTP answers one request, with the headers that keep pages harmless.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy",
		"default-src 'self'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p) // the server's own way to cut a connection
			}
			s.deps.Log.Error().Interface("panic", p).Str("path", r.URL.Path).Msg("a page broke")
			http.Error(w, "This page broke. Please try again.", http.StatusInternalServerError)
		}
	}()
	if !s.views.allow(s.deps.Caller(r)) {
		h.Set("Retry-After", "60")
		s.show(w, r, http.StatusTooManyRequests, "message.html", page{Title: "Slow down", Message: "Too many pages in a minute. Please wait a little."})
		return
	}
	s.next.ServeHTTP(w, r)
}

// show renders a page whole before the first byte leaves.
func (s *site) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Horde = s.opts
	p.Open, p.Giving = s.opts.Registration, s.deps.Engine.TransfersAllowed()
	p.Path = r.URL.Path
	if p.Me == nil {
		p.Me = s.visitor(r)
	}
	p.Host = s.host(r)
	var buf bytes.Buffer
	if err := s.pages.ExecuteTemplate(&buf, name, p); err != nil {
		s.deps.Log.Error().Err(err).Str("page", name).Msg("a page cannot be made")
		http.Error(w, "This page broke. Please try again.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // an error means the visitor left
}

// host is where the visitor reached us: scheme and host.
func (s *site) host(r *http.Request) string {
	switch {
	case s.opts.PublicURL != "":
		return strings.TrimRight(s.opts.PublicURL, "/")
	case r.TLS != nil:
		return "https://" + r.Host
	default:
		return "http://" + r.Host
	}
}

// front is the front page.
func (s *site) front(w http.ResponseWriter, r *http.Request) {
	now := s.deps.Engine.Performance()
	models := s.deps.Engine.Models()
	data := overview{
		Models: models[:min(len(models), maxModels)],
		Figures: figures{
			Workers: now.Workers + now.Scribes + now.Alchemists, Threads: now.Threads + now.TextThreads + now.AlchemistThreads,
			Queued: now.QueuedRequests, Texts: now.QueuedTexts, Forms: now.QueuedForms,
			Megapixelsteps: fmt.Sprintf("%.1f", float64(now.PastMinuteThings)/1e6), Down: !s.deps.Engine.Ready(),
			Images: s.deps.Engine.Statistics().Totals(horde.StatImage).Total.Count,
		},
	}
	if s.opts.News != nil {
		if news := s.opts.News(); len(news) > 0 {
			data.News = &news[0]
		}
	}
	s.show(w, r, http.StatusOK, "front.html", page{Title: s.opts.Name, Data: data})
}

// form asks for a name.
func (s *site) form(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, "register.html", page{Title: "Register", Name: s.visitor(r).Name})
}

// register makes an account and shows its key, this once. The key is never logged nor kept.
func (s *site) register(w http.ResponseWriter, r *http.Request) {
	again := func(status int, name, why string) {
		s.show(w, r, status, "register.html", page{Title: "Register", Name: name, Message: why})
	}
	me, status, why := s.readForm(w, r)
	if why != "" {
		again(status, "", why)
		return
	}
	name := strings.ToValidUTF8(r.PostForm.Get("username"), "")
	clean := horde.CleanName(name)
	switch {
	case !s.opts.Registration:
		again(http.StatusForbidden, name, "This horde makes no accounts here. Please ask its operator for one.")
		return
	case s.deps.Engine.Modes().Raid:
		again(http.StatusForbidden, name, "Registration is closed for the moment. Please come back later.")
		return
	case s.deps.Engine.AddressTimedOut(s.deps.Caller(r)) > 0:
		again(http.StatusForbidden, name, "Your address is paused for a while. Please come back later.")
		return
	case clean == "":
		again(http.StatusBadRequest, name, "Please choose a name with at least one letter or digit.")
		return
	case !s.accounts.allow(s.deps.Caller(r)):
		w.Header().Set("Retry-After", "3600")
		again(http.StatusTooManyRequests, name, "Many accounts were made from your address lately. Please come back in an hour.")
		return
	}
	key := s.deps.NewKey()
	u, err := s.create(r.Context(), me, clean, key)
	if refusal, ok := errors.AsType[*horde.Error](err); ok {
		again(http.StatusBadRequest, name, refusal.Message)
		return
	}
	if err != nil {
		s.fault(w, r, err, "register an account")
		again(http.StatusServiceUnavailable, name, "The horde cannot make an account just now. Please try again in a moment.")
		return
	}
	s.show(w, r, http.StatusOK, "registered.html", page{Title: "Welcome", Alias: u.Alias(), Key: key, Me: s.admit(w, r, &u)})
}

// create opens an account: for the identity that somebody signed in with, or for none.
func (s *site) create(ctx context.Context, me *visitor, name, key string) (horde.User, error) {
	external := me.External
	if external == "" {
		external = s.deps.NewIdentity()
	}
	return engine.Do(ctx, s.deps.Engine, horde.CreateUser{External: external, Name: name, Key: s.deps.HashKey(key)})
}

// fault logs what broke, unless the store is known to be away or the visitor left, and says when to come back.
func (s *site) fault(w http.ResponseWriter, r *http.Request, err error, doing string) {
	if !errors.Is(err, engine.ErrUnavailable) && r.Context().Err() == nil {
		s.deps.Log.Error().Err(err).Msg(doing)
	}
	w.Header().Set("Retry-After", "5")
}

// asset serves the style sheet, the script and the icon.
func (s *site) asset(w http.ResponseWriter, r *http.Request) {
	kinds := map[string]string{"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml", "page.js": "text/javascript; charset=utf-8"}
	name := r.PathValue("name")
	data, err := files.ReadFile("page/" + name)
	if kinds[name] == "" || err != nil {
		s.missing(w, r)
		return
	}
	w.Header().Set("Content-Type", kinds[name])
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(data) //nolint:gosec // one of our own few files; an error means the visitor left
}
