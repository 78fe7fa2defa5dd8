// SPDX-License-Identifier: AGPL-3.0-or-later

package web_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/web"
)

// discord is a stand-in that speaks Discord's OAuth over HTTP: one person, who always agrees.
type discord struct {
	mu        sync.Mutex // guards what follows
	challenge string
	id        string
	seen      []string
}

const (
	clientID     = "123456789012345678"
	clientSecret = "hush hush"
)

func (d *discord) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, r.Method+" "+r.URL.Path)
	q := r.URL.Query()
	switch r.Method + " " + r.URL.Path {
	case "GET /oauth2/authorize":
		if q.Get("client_id") != clientID || q.Get("scope") != "identify" || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" {
			http.Error(w, "bad request "+r.URL.RawQuery, http.StatusBadRequest)
			return
		}
		d.challenge = q.Get("code_challenge")
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"the code"}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	case "POST /api/oauth2/token":
		name, secret, _ := r.BasicAuth()
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		secret, _ = url.QueryUnescape(secret)
		if name != clientID || secret != clientSecret || r.PostFormValue("code") != "the code" ||
			base64.RawURLEncoding.EncodeToString(sum[:]) != d.challenge || !strings.HasSuffix(r.PostFormValue("redirect_uri"), "/finish_dance") {
			http.Error(w, `{"error": "invalid_grant"}`, http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "the token", "token_type": "Bearer", "expires_in": 600})
	case "GET /api/v10/users/@me":
		if r.Header.Get("Authorization") != "Bearer the token" {
			http.Error(w, "{}", http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"id": d.id, "username": "anna.b", "global_name": "Anna <B>"})
	default:
		http.NotFound(w, r)
	}
}

func TestSigningInWithDiscord(t *testing.T) {
	t.Parallel()
	d := &discord{id: "987654321098765432"}
	stand := httptest.NewServer(d)
	t.Cleanup(stand.Close)
	h := build(t, web.Options{Registration: true, Discord: &web.DiscordLogin{ClientID: clientID, ClientSecret: clientSecret, Base: stand.URL}})

	// Somebody new goes on to register, under the identity that chat would use.
	p := h.person(t)
	status, body := p.see("GET", "/discord/profile", nil)
	if status != 200 || !strings.Contains(body, `value="Anna &lt;B&gt;"`) || hidden(body, "token") == "" {
		t.Fatalf("the first login answers %d %s", status, body)
	}
	if status, body = p.see("POST", "/register", url.Values{"username": {"Anna"}, "token": {hidden(body, "token")}}); status != 200 {
		t.Fatalf("registering answers %d %s", status, body)
	}
	u, ok := h.UserByExternal("d_987654321098765432")
	if !ok || u.Name != "Anna" || u.Pseudonymous() {
		t.Errorf("the account is %+v, %v", u, ok)
	}

	// The next time the same person is signed in at once; registering leads to the name and the key.
	p = h.person(t)
	if status, body = p.see("GET", "/discord/transfer", nil); status != 200 || !strings.Contains(body, "You can give up to") {
		t.Errorf("the second login answers %d %s", status, body)
	}
	if status, body = h.person(t).see("GET", "/discord/register", nil); status != 200 || !strings.Contains(body, "Replace my key") || !strings.Contains(body, "Change my name") {
		t.Errorf("registering again answers %d %s", status, body)
	}

	// A reply that nobody here asked for is refused, as is one with another state or too late.
	if status, _ = h.person(t).see("GET", "/finish_dance?code=the+code&state=x", nil); status != 403 {
		t.Errorf("a login begun elsewhere answers %d", status)
	}
	begin := func() (cookie, state string) {
		t.Helper()
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/discord/profile", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text(t, res)
		to, err := res.Location()
		if err != nil {
			t.Fatal(err)
		}
		c := res.Cookies()[0]
		if !c.HttpOnly || c.Path != "/finish_dance" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("the cookie of a login is %+v", c)
		}
		return c.Name + "=" + c.Value, to.Query().Get("state")
	}
	cookie, state := begin()
	if status, _, _ = h.do(t, "GET", "/finish_dance?code=the+code&state="+state+"x", nil, "Cookie", cookie); status != 403 {
		t.Errorf("another state answers %d", status)
	}
	if status, _, _ = h.do(t, "GET", "/finish_dance?error=access_denied&state="+state, nil, "Cookie", cookie); status != 403 {
		t.Errorf("a login that the person refused answers %d", status)
	}
	if status, _, _ = h.do(t, "GET", "/finish_dance?code=wrong&state="+state, nil, "Cookie", cookie); status != 502 {
		t.Errorf("a wrong code answers %d", status)
	}
	h.clock.Advance(11 * time.Minute)
	if status, _, _ = h.do(t, "GET", "/finish_dance?code=the+code&state="+state, nil, "Cookie", cookie); status != 403 {
		t.Errorf("a login that took too long answers %d", status)
	}
	if status, _ = h.person(t).see("GET", "/discord/elsewhere", nil); status != 404 {
		t.Errorf("a landing that is none answers %d", status)
	}
	if strings.Contains(h.log.String(), "the token") || strings.Contains(h.log.String(), clientSecret) {
		t.Errorf("the log holds a secret: %s", &h.log)
	}

	// In a raid nobody gets an account, with Discord or without.
	d.mu.Lock()
	d.id = "987654321098765433"
	d.mu.Unlock()
	if _, err := engine.Do(t.Context(), h.Engine, horde.SetModes{Modes: horde.Modes{Raid: true}}); err != nil {
		t.Fatal(err)
	}
	p = h.person(t)
	_, body = p.see("GET", "/discord/register", nil)
	if status, _ = p.see("POST", "/register", url.Values{"username": {"New"}, "token": {hidden(body, "token")}}); status != 403 {
		t.Errorf("registering in a raid answers %d", status)
	}
}
