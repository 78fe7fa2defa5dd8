// SPDX-License-Identifier: AGPL-3.0-or-later

package web

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// DiscordLogin is an application at Discord that people may sign in through. Its redirect address is /finish_dance below
// the public address.
type DiscordLogin struct {
	ClientID, ClientSecret string
	// Base is the address of a stand-in for Discord; empty: Discord itself.
	Base string
	// Client calls Discord; nil: one with a time limit.
	Client *http.Client
}

const (
	discordBase    = "https://discord.com"
	loginCookie    = "stablemate_login"
	loginPath      = "/finish_dance"
	loginLife      = 10 * time.Minute
	loginTimeout   = 10 * time.Second
	maxLoginAnswer = 64 << 10 // bytes
)

// login signs people in with Discord.
type login struct {
	config oauth2.Config // without the redirect address
	me     string        // address that tells who somebody is
	client *http.Client
}

// dance is what the browser keeps during one login. Each login has its own, with where to go afterwards.
type dance struct {
	State    string `json:"s"`
	Verifier string `json:"v"`
	Page     string `json:"p"`
	Ends     int64  `json:"e"`
}

// landings are the pages that a login may end at.
func landings(page string) (path string, ok bool) {
	switch page {
	case "register", "profile", "transfer":
		return "/" + page, true
	default:
		return "", false
	}
}

func (s *site) openLogin() error {
	d := s.opts.Discord
	if d == nil {
		return nil
	}
	if d.ClientID == "" || d.ClientSecret == "" {
		return errors.New("signing in with Discord needs the application's number and its secret")
	}
	base := strings.TrimRight(d.Base, "/")
	if base == "" {
		base = discordBase
	}
	s.login = &login{
		config: oauth2.Config{
			ClientID: d.ClientID, ClientSecret: d.ClientSecret, Scopes: []string{"identify"},
			Endpoint: oauth2.Endpoint{AuthURL: base + "/oauth2/authorize", TokenURL: base + "/api/oauth2/token", AuthStyle: oauth2.AuthStyleInHeader},
		},
		me: base + "/api/v10/users/@me", client: d.Client,
	}
	if s.login.client == nil {
		s.login.client = &http.Client{Timeout: loginTimeout}
	}
	return nil
}

// application is the application with the address that Discord sends people back to.
func (s *site) application(r *http.Request) *oauth2.Config {
	c := s.login.config
	c.RedirectURL = s.host(r) + loginPath
	return &c
}

// toDiscord sends somebody to Discord, to come back to a page.
func (s *site) toDiscord(w http.ResponseWriter, r *http.Request) {
	page := r.PathValue("page")
	if _, ok := landings(page); !ok {
		s.missing(w, r)
		return
	}
	d := dance{State: s.deps.NewKey(), Verifier: oauth2.GenerateVerifier(), Page: page, Ends: s.deps.Now().Add(loginLife).Unix()}
	s.seal(w, r, loginCookie, loginPath, d, loginLife)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, s.application(r).AuthCodeURL(d.State, oauth2.S256ChallengeOption(d.Verifier)), http.StatusFound) //nolint:gosec // always at Discord; it knows which addresses it may send people back to
}

// fromDiscord signs in whoever Discord says it is. Somebody without an account goes on to register.
func (s *site) fromDiscord(w http.ResponseWriter, r *http.Request) {
	var d dance
	begun := s.unseal(r, loginCookie, &d) && s.deps.Now().Unix() < d.Ends
	s.cookie(w, r, loginCookie, loginPath, "", -1) // good for one try
	again := func(status int, why string) {
		s.showProfile(w, r, status, &visitor{}, page{Message: why})
	}
	query := r.URL.Query()
	switch {
	case !begun || subtle.ConstantTimeCompare([]byte(d.State), []byte(query.Get("state"))) != 1:
		again(http.StatusForbidden, "This login was not begun here, or long ago. Please try again.")
		return
	case query.Get("error") != "" || query.Get("code") == "":
		again(http.StatusForbidden, "Discord did not sign you in. You can try again, or use an API key.")
		return
	case !s.signins.allow(s.deps.Caller(r)):
		w.Header().Set("Retry-After", "60")
		again(http.StatusTooManyRequests, "That was often. Please wait a minute before you try again.")
		return
	}
	id, name, err := s.identify(r.Context(), s.application(r), query.Get("code"), d.Verifier)
	if err != nil {
		s.deps.Log.Warn().Err(err).Msg("sign in with Discord")
		again(http.StatusBadGateway, "Discord could not be asked who you are. Please try again in a moment.")
		return
	}
	external := "d_" + id
	if u, ok := s.deps.Engine.UserByExternal(external); ok {
		s.admit(w, r, &u)
		to, _ := landings(d.Page)
		if d.Page == "register" {
			to = "/profile" // rename, and replace the key
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	s.keep(w, r, &visitor{session: session{External: external, Name: name, Token: s.deps.NewKey()}})
	http.Redirect(w, r, "/register", http.StatusSeeOther)
}

// identify trades the code for who somebody is. The token is used for that and forgotten.
func (s *site) identify(ctx context.Context, app *oauth2.Config, code, verifier string) (id, name string, err error) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, s.login.client), loginTimeout)
	defer cancel()
	token, err := app.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
			return "", "", fmt.Errorf("trade the code: status %d %s", refused.Response.StatusCode, refused.ErrorCode)
		}
		if broken, ok := errors.AsType[*url.Error](err); ok {
			return "", "", fmt.Errorf("trade the code: %w", broken.Err)
		}
		return "", "", fmt.Errorf("trade the code: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.login.me, http.NoBody)
	if err != nil {
		return "", "", fmt.Errorf("ask who it is: %w", err)
	}
	token.SetAuthHeader(req)
	res, err := s.login.client.Do(req)
	if err != nil {
		return "", "", fmt.Errorf("ask who it is: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("ask who it is: status %d", res.StatusCode)
	}
	var me struct {
		ID         string `json:"id"`
		Username   string `json:"username"`
		GlobalName string `json:"global_name"`
		Bot        bool   `json:"bot"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxLoginAnswer)).Decode(&me); err != nil {
		return "", "", fmt.Errorf("ask who it is: %w", err)
	}
	if n, err := strconv.ParseUint(me.ID, 10, 64); err != nil || n == 0 || me.Bot {
		return "", "", errors.New("ask who it is: the answer names no person")
	}
	if me.GlobalName != "" {
		me.Username = me.GlobalName
	}
	return me.ID, me.Username, nil
}
