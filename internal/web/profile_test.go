// SPDX-License-Identifier: AGPL-3.0-or-later

package web_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/web"
)

// person is somebody with a browser that keeps cookies.
type person struct {
	t     *testing.T
	house *house
	http  *http.Client
}

func (h *house) person(t *testing.T) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t, h, &http.Client{Jar: jar}}
}

func (p *person) see(method, path string, form url.Values) (status int, body string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.house.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, text(p.t, res)
}

// hidden reads what a page's forms carry along.
func hidden(body, name string) string {
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(body)
	if found == nil {
		return ""
	}
	return found[1]
}

func (p *person) signin(key string) (body string) {
	p.t.Helper()
	status, body := p.see("POST", "/signin", url.Values{"key": {key}})
	if status != 200 || !strings.Contains(body, "Sign out") {
		p.t.Fatalf("signing in answers %d %s", status, body)
	}
	return body
}

func TestAProfileShowsAndChangesTheAccount(t *testing.T) {
	t.Parallel()
	h := build(t, web.Options{Name: "Test horde"})
	anna := h.account(t, "Anna", kudos.Whole(500))
	h.account(t, "Bert", 0)
	p := h.person(t)
	if status, body := p.see("GET", "/profile", nil); status != 200 || !strings.Contains(body, `type="password"`) {
		t.Errorf("a stranger's profile is %d %s", status, body)
	}
	body := p.signin("AnnaAnna")
	token := hidden(body, "token")
	if !strings.Contains(body, `id="kudos">525<`) || token == "" {
		t.Errorf("the profile shows %s", body)
	}
	status, body := p.see("POST", "/profile/name", url.Values{"name": {"Anne"}, "token": {token}})
	if u, _ := h.User(anna); status != 200 || u.Name != "Anne" || !strings.Contains(body, "You are Anne#") {
		t.Errorf("renaming answers %d, the name is %s", status, u.Name)
	}
	for _, want := range []bool{true, false} {
		answer := map[bool]string{true: "yes", false: "no"}[want]
		status, _ = p.see("POST", "/profile/workers", url.Values{"public": {answer}, "token": {token}})
		if u, _ := h.User(anna); status != 200 || u.Has(horde.RolePublicWorkers) != want {
			t.Errorf("showing workers %v answers %d", want, status)
		}
	}

	// A gift happens once, however often the form is sent.
	before, _ := h.User(anna)
	_, body = p.see("GET", "/transfer", nil)
	gift := url.Values{"username": {"Bert#2"}, "amount": {"10.5"}, "token": {token}, "nonce": {hidden(body, "nonce")}}
	for range 2 {
		if status, body = p.see("POST", "/transfer", gift); status != 200 || !strings.Contains(body, "You gave 10.5 kudos to Bert#2") {
			t.Errorf("a gift answers %d %s", status, body)
		}
	}
	if after, _ := h.User(anna); before.Balance-after.Balance != kudos.Whole(21)/2 {
		t.Errorf("the gift took %s", before.Balance-after.Balance)
	}
	for amount, want := range map[string]string{"a lot": "An amount is a number", "-5": "negative", "100000": "at most", "0": "more than 0"} {
		gift.Set("amount", amount)
		gift.Del("nonce")
		if status, body = p.see("POST", "/transfer", gift); status != 400 || !strings.Contains(body, want) {
			t.Errorf("a gift of %s answers %d, want %q in %s", amount, status, want, body)
		}
	}

	// A new key ends other sessions, and not this one.
	other := h.person(t)
	other.signin("AnnaAnna")
	status, body = p.see("POST", "/profile/key", url.Values{"token": {token}})
	key := regexp.MustCompile(`id="key">([-_A-Za-z0-9]{22})<`).FindStringSubmatch(body)
	if status != 200 || key == nil {
		t.Fatalf("a new key answers %d %s", status, body)
	}
	if _, ok := h.UserByKey(hash("AnnaAnna")); ok {
		t.Error("the old key still works")
	}
	if u, ok := h.UserByKey(hash(key[1])); !ok || u.ID != anna {
		t.Error("the new key does not work")
	}
	if _, body = other.see("GET", "/profile", nil); strings.Contains(body, "Sign out") {
		t.Error("a session outlives its key")
	}
	_, body = p.see("GET", "/profile", nil)
	if !strings.Contains(body, "Sign out") || strings.Contains(h.log.String(), key[1]) {
		t.Errorf("after the new key the profile shows %s", body)
	}
	p.see("POST", "/signout", url.Values{"token": {hidden(body, "token")}})
	if _, body = p.see("GET", "/profile", nil); strings.Contains(body, "Sign out") {
		t.Error("signing out changes nothing")
	}
}

func TestFormsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	h := build(t, web.Options{})
	h.account(t, "Anna", kudos.Whole(500))
	h.account(t, "Bert", 0)
	p, stranger := h.person(t), h.person(t)
	p.signin("AnnaAnna")
	foreign := hidden(stranger.signin("BertBert"), "token")
	for _, path := range []string{"/profile/name", "/profile/key", "/profile/workers", "/transfer", "/signout"} {
		for what, token := range map[string]string{"no": "", "another's": foreign} {
			status, _ := p.see("POST", path, url.Values{"token": {token}, "name": {"x"}, "username": {"Bert#2"}, "amount": {"1"}})
			if status != 403 {
				t.Errorf("%s with %s token answers %d", path, what, status)
			}
		}
		if status, _, _ := h.do(t, "POST", path, url.Values{}, "Sec-Fetch-Site", "cross-site"); status != 403 {
			t.Errorf("%s from another site answers %d", path, status)
		}
	}
	if status, _, _ := h.do(t, "POST", "/signin", url.Values{"key": {"AnnaAnna"}}, "Origin", "https://elsewhere.example"); status != 403 {
		t.Errorf("signing in from another site answers %d", status)
	}
	for _, path := range []string{"/profile/name", "/profile/key", "/profile/workers"} {
		if status, _ := h.person(t).see("POST", path, url.Values{}); status != 401 {
			t.Errorf("%s by nobody answers %d", path, status)
		}
	}
	if u, ok := h.UserByKey(hash("AnnaAnna")); !ok || u.Name != "Anna" {
		t.Error("a refused form changed something")
	}
}

func TestSessionsEndAndCannotBeMade(t *testing.T) {
	t.Parallel()
	h := build(t, web.Options{PublicURL: "https://horde.example"})
	id := h.account(t, "Anna", kudos.Whole(5))
	if status, _ := h.person(t).see("POST", "/signin", url.Values{"key": {"0000000000"}}); status != 403 {
		t.Errorf("everybody's key answers %d", status)
	}
	if status, _ := h.person(t).see("POST", "/signin", url.Values{"key": {"wrong"}}); status != 401 {
		t.Errorf("a wrong key answers %d", status)
	}
	noRedirect := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/signin", strings.NewReader("key=AnnaAnna"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := noRedirect.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text(t, res)
	if len(res.Cookies()) != 1 {
		t.Fatalf("signing in sets %v", res.Cookies())
	}
	c := res.Cookies()[0]
	if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || strings.Contains(c.Value, "Anna") {
		t.Errorf("the cookie is %+v", c)
	}
	in := func(cookie string) bool {
		_, body, _ := h.do(t, "GET", "/profile", nil, "Cookie", c.Name+"="+cookie)
		return strings.Contains(body, "Sign out")
	}
	if !in(c.Value) || in(c.Value[:len(c.Value)-3]+"abc") || in("") || in("????") {
		t.Error("a cookie is believed that should not be, or the other way round")
	}
	h.clock.Advance(25 * time.Hour)
	if in(c.Value) {
		t.Error("a session lasts for ever")
	}
	h.clock.Advance(-25 * time.Hour)
	if _, err := engine.Do(t.Context(), h.Engine, horde.SetUser{User: id, Grant: horde.RoleDeleted}); err != nil {
		t.Fatal(err)
	}
	if in(c.Value) {
		t.Error("a deleted account is signed in")
	}
}

func TestAGiftWithAKeyNeedsNoSession(t *testing.T) {
	t.Parallel()
	h := build(t, web.Options{RateLimits: true})
	h.account(t, "Anna", kudos.Whole(500))
	bert := h.account(t, "Bert", 0)
	before, _ := h.User(bert)
	gift := url.Values{"username": {"Bert#2"}, "amount": {"3"}, "src_api_key": {"AnnaAnna"}}
	if status, body, _ := h.do(t, "POST", "/transfer", gift); status != 200 || !strings.Contains(body, "You gave 3 kudos") {
		t.Errorf("a gift answers %d %s", status, body)
	}
	if after, _ := h.User(bert); after.Balance-before.Balance != kudos.Whole(3) {
		t.Errorf("the gift is %s", after.Balance-before.Balance)
	}
	gift.Set("username", "Bert")
	if status, body, _ := h.do(t, "POST", "/transfer", gift); status != 400 || !strings.Contains(body, "no such account") {
		t.Errorf("a gift to nobody answers %d", status)
	}
	gift.Set("src_api_key", "wrong")
	for i := range 10 {
		want := 401
		if i > 7 {
			want = 429
		}
		if status, _, _ := h.do(t, "POST", "/transfer", gift); status != want {
			t.Errorf("wrong key %d answers %d, want %d", i+1, status, want)
		}
	}
}

func TestNoFormOfferedWhileGiftsAreSwitchedOff(t *testing.T) {
	t.Parallel()
	h := buildWith(t, web.Options{}, horde.Settings{AnonymousAllowed: true})
	h.account(t, "Anna", kudos.Whole(500))
	h.account(t, "Bert", 0)
	status, body, _ := h.do(t, "GET", "/transfer", nil)
	if status != 200 || !strings.Contains(body, "has switched gifts of kudos off") || strings.Contains(body, "<form") {
		t.Errorf("the page answers %d %s", status, body)
	}
	if _, body, _ := h.do(t, "GET", "/", nil); strings.Contains(body, `href="/transfer"`) {
		t.Error("the front page leads there")
	}
	gift := url.Values{"username": {"Bert#2"}, "amount": {"3"}, "src_api_key": {"AnnaAnna"}}
	if status, body, _ := h.do(t, "POST", "/transfer", gift); status != 400 || !strings.Contains(body, "switched gifts of kudos off") || strings.Contains(body, "<form") {
		t.Errorf("a gift answers %d %s", status, body)
	}
}
