// SPDX-License-Identifier: AGPL-3.0-or-later

package web_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/clock"
	"stablemate/internal/idgen"
	"stablemate/internal/store"
	"stablemate/internal/web"
)

type ids struct{ *idgen.Source }

func (s ids) UUID() horde.UUID { return horde.UUID(s.V4()) }
func (s ids) Uint32() uint32   { u := s.V4(); return binary.BigEndian.Uint32(u[:]) }

func hash(key string) horde.KeyHash { return sha256.Sum256([]byte("secret of a test" + key)) }

type house struct {
	*engine.Engine
	url   string
	clock *clock.Fake
	log   bytes.Buffer
}

func build(t *testing.T, opts web.Options) *house {
	t.Helper()
	return buildWith(t, opts, horde.Settings{AnonymousAllowed: true, TransfersAllowed: true})
}

func buildWith(t *testing.T, opts web.Options, settings horde.Settings) *house {
	t.Helper()
	settings.AnonymousKey = hash("0000000000")
	h := &house{clock: clock.NewFake(time.Unix(1_800_000_000, 0))}
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	source := ids{idgen.New(idgen.Replay(1), h.clock.Now)}
	db, err := store.Open(t.Context(), store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db")})
	if err != nil {
		t.Fatal(err)
	}
	h.Engine, err = engine.Open(t.Context(), db, engine.Options{
		Settings: settings, Now: h.clock.Now, IDs: source, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1) // holds Run's only answer
	go func() { ended <- h.Run(running) }()
	handler, err := web.Handler(web.Deps{
		Engine: h.Engine, HashKey: hash, NewKey: source.APIKey, NewIdentity: func() string { return source.V4().String() },
		Caller: func(r *http.Request) string { return r.Header.Get("Test-Caller") }, Now: h.clock.Now, Log: zerolog.New(&h.log),
		Seal:   func(text, use []byte) ([]byte, error) { return seal.Seal(nil, nil, text, use), nil },
		Unseal: func(text, use []byte) ([]byte, error) { return seal.Open(nil, nil, text, use) },
		Give:   h.give,
	}, opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	h.url = server.URL
	t.Cleanup(func() {
		server.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) give(ctx context.Context, from, to horde.UserID, amount, key string) (string, error) {
	n, err := kudos.Parse(amount)
	if err != nil {
		return "", horde.Refuse(horde.CodeInvalidTransferAmount, "%s", err)
	}
	gift, err := h.Transfer(ctx, horde.Transfer{From: from, To: to, Amount: n, Key: key})
	return gift.Amount.String(), err
}

// account opens one with some kudos and returns its number; its key is its name, twice.
func (h *house) account(t *testing.T, name string, welcome kudos.Amount) horde.UserID {
	t.Helper()
	u, err := engine.Do(t.Context(), h.Engine, horde.CreateUser{External: "test " + name, Name: name, Key: hash(name + name), Welcome: welcome})
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

func (h *house) do(t *testing.T, method, path string, form url.Values, head ...string) (status int, body string, header http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body = text(t, res)
	return res.StatusCode, body, res.Header
}

// text reads a reply to its end.
func text(t *testing.T, res *http.Response) string {
	t.Helper()
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestRegistrationShowsTheKeyOnce(t *testing.T) {
	t.Parallel()
	h := build(t, web.Options{Name: "Test horde", Registration: true})
	status, body, head := h.do(t, "POST", "/register", url.Values{"username": {"  Anna <b>#1  "}})
	if status != 200 {
		t.Fatalf("registration answers %d %s", status, body)
	}
	key := regexp.MustCompile(`id="key">([-_A-Za-z0-9]{22})<`).FindStringSubmatch(body)
	if key == nil {
		t.Fatalf("no key in %s", body)
	}
	u, ok := h.UserByKey(hash(key[1]))
	if !ok || u.Name != "Anna ＜b＞＃1" || !u.Pseudonymous() || u.Balance != horde.FloorPseudonymous {
		t.Errorf("the key belongs to %+v, %v", u, ok)
	}
	if strings.Contains(body, "<b>") {
		t.Error("the name is not escaped")
	}
	if head.Get("Cache-Control") != "no-store" || strings.Contains(h.log.String(), key[1]) {
		t.Error("the key is kept somewhere")
	}
	if csp := head.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || strings.Contains(csp, "unsafe") {
		t.Errorf("the policy is %q", csp)
	}
}

func TestRegistrationIsRefused(t *testing.T) {
	t.Parallel()
	open := build(t, web.Options{Registration: true, RateLimits: true})
	for _, c := range []struct {
		what, name string
		head       []string
		want       int
	}{
		{"without a name", " \t\u200b", nil, 400},
		{"with a form that is too long", strings.Repeat("a", 10_000), nil, 400},
		{"from another site", "Anna", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"from another origin", "Anna", []string{"Origin", "https://elsewhere.example"}, 403},
		{"not, from its own page", "Anna", []string{"Sec-Fetch-Site", "same-origin"}, 200},
	} {
		if status, body, _ := open.do(t, "POST", "/register", url.Values{"username": {c.name}}, c.head...); status != c.want {
			t.Errorf("registration %s answers %d %s, want %d", c.what, status, body, c.want)
		}
	}
	for i := range 20 {
		want := 200
		if i == 19 {
			want = 429
		}
		if status, _, _ := open.do(t, "POST", "/register", url.Values{"username": {"Anna"}}); status != want {
			t.Errorf("registration %d answers %d, want %d", i+2, status, want)
		}
	}
	if status, _, _ := open.do(t, "POST", "/register", url.Values{"username": {"Anna"}}, "Test-Caller", "another"); status != 200 {
		t.Errorf("somebody else's registration answers %d", status)
	}
	open.clock.Advance(time.Hour)
	if status, _, _ := open.do(t, "POST", "/register", url.Values{"username": {"Anna"}}); status != 200 {
		t.Errorf("registration after an hour answers %d", status)
	}
	if _, err := engine.Do(t.Context(), open.Engine, horde.SetModes{Modes: horde.Modes{Raid: true}}); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := open.do(t, "POST", "/register", url.Values{"username": {"Anna"}}); status != 403 {
		t.Errorf("registration during a raid answers %d", status)
	}

	closed := build(t, web.Options{})
	if status, _, _ := closed.do(t, "POST", "/register", url.Values{"username": {"Anna"}}); status != 403 {
		t.Errorf("registration at a closed horde answers %d", status)
	}
	if status, body, _ := closed.do(t, "GET", "/register", nil); status != 200 || strings.Contains(body, "<form") {
		t.Errorf("a closed horde shows %d %s", status, body)
	}
}

func TestTheFrontPageShowsHowThingsAre(t *testing.T) {
	t.Parallel()
	h := build(t, web.Options{Name: "Test & horde", Registration: true, Source: "https://example.com/source"})
	_, body, _ := h.do(t, "GET", "/", nil)
	for _, want := range []string{"<h1>Test &amp; horde</h1>", "No worker is online", `href="/register"`, "/api</code>", "https://example.com/source"} {
		if !strings.Contains(body, want) {
			t.Errorf("the empty front page lacks %q", want)
		}
	}
	owner, err := engine.Do(t.Context(), h.Engine, horde.CreateUser{External: "d_1", Name: "o", Key: hash("o")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Do(t.Context(), h.Engine, horde.Pop{Owner: owner.ID, Offer: horde.Offer{Name: "w", Models: []string{"<tiny>"}, Threads: 3, MaxPixels: 1 << 20}}); err != nil {
		t.Fatal(err)
	}
	_, body, _ = h.do(t, "GET", "/", nil)
	for _, want := range []string{"&lt;tiny&gt;</th><td class=\"number\">3</td>", "<dt>Workers online</dt><dd>1</dd>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the front page lacks %q:\n%s", want, body)
		}
	}
	for path, want := range map[string]int{"/assets/style.css": 200, "/assets/icon.svg": 200, "/assets/front.html": 404, "/nothing": 404, "/register": 200} {
		if status, _, _ := h.do(t, "GET", path, nil); status != want {
			t.Errorf("%s answers %d, want %d", path, status, want)
		}
	}
	for _, outside := range regexp.MustCompile(`(?:src|href)="(https?:)?//[^"]*"`).FindAllString(body, -1) {
		if !strings.Contains(outside, "example.com/source") {
			t.Errorf("the page takes %s from elsewhere", outside)
		}
	}
}

func TestManyViewsAreSlowedDown(t *testing.T) {
	t.Parallel()
	h := build(t, web.Options{RateLimits: true})
	for i := range 91 {
		want := 200
		if i == 90 {
			want = 429
		}
		if status, _, _ := h.do(t, "GET", "/", nil); status != want {
			t.Errorf("view %d answers %d, want %d", i+1, status, want)
		}
	}
}
