// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/getkin/kin-openapi/openapi3"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/internal/browsertest"
)

func TestTheDoorDescribesItself(t *testing.T) {
	t.Parallel()
	h := build(t, plan{options: apiv2.Options{RateLimits: true}})
	for _, path := range []string{"/api/v2/openapi.json", "/api/swagger.json"} {
		got := h.send(t, "GET", path, "", "X-Fields", "{")
		if got.status != 200 || got.head.Get("Content-Type") != "application/json; charset=utf-8" || got.head.Get("X-RateLimit-Limit") != "90" {
			t.Fatalf("%s answers %d %v", path, got.status, got.head)
		}
		doc, err := openapi3.NewLoader().LoadFromData(got.body)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, route := range apiv2.Routes() {
			method, path, _ := strings.Cut(route, " ")
			if item := doc.Paths.Value("/v2" + path); item == nil || item.GetOperation(method) == nil {
				t.Errorf("%s is served but not described", route)
			}
		}
	}
	for path, kind := range map[string]string{
		"/api/": "text/html; charset=utf-8", "/api/docs.js": "text/javascript; charset=utf-8", "/api/docs.css": "text/css; charset=utf-8",
	} {
		got := h.send(t, "GET", path, "")
		if got.status != 200 || got.head.Get("Content-Type") != kind || !strings.Contains(got.head.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s answers %d %v", path, got.status, got.head)
		}
		for _, outside := range []string{"http://", "https://", "//cdn"} {
			if bytes.Contains(got.body, []byte(outside)) {
				t.Errorf("%s takes something from elsewhere: %q", path, outside)
			}
		}
		if head := h.send(t, "HEAD", path, ""); head.status != 200 || len(head.body) != 0 {
			t.Errorf("HEAD %s answers %d %q", path, head.status, head.body)
		}
		if wrong := h.send(t, "POST", path, "{}"); wrong.status != 405 || wrong.head.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("POST %s answers %d with Allow %q", path, wrong.status, wrong.head.Get("Allow"))
		}
	}
}

// raw makes a call without Go's own decompression.
func (h *house) raw(t *testing.T, path, accept string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		req.Header.Set("Accept-Encoding", accept)
	}
	res, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, data
}

func TestLongRepliesShrinkForThoseWhoCanReadThem(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	for i := range 5 {
		h.account(t, "person"+strconv.Itoa(i), 0, 0)
	}
	_, plain := h.raw(t, "/api/v2/users", "")
	if len(plain) < apiv2.MinGzip {
		t.Fatalf("the list of users has %d bytes, too few for this test", len(plain))
	}
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip;q=0.8": true, "GZIP": true, "gzip;q=0": false, "gzip; q=0.0, *": false, "identity": false, "deflate": false,
	} {
		res, data := h.raw(t, "/api/v2/users", accept)
		shrunk := res.Header.Get("Content-Encoding") == "gzip"
		if shrunk != want || res.Header.Get("Vary") != "Accept-Encoding" || res.ContentLength != int64(len(data)) {
			t.Errorf("Accept-Encoding %q: gzip %v, Vary %q, %d bytes said and %d sent", accept, shrunk, res.Header.Get("Vary"), res.ContentLength, len(data))
		}
		if !shrunk {
			continue
		}
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := io.ReadAll(r); err != nil || !bytes.Equal(back, plain) || len(data) >= len(plain) {
			t.Errorf("Accept-Encoding %q: %d bytes become %d, %v", accept, len(data), len(back), err)
		}
	}
	for _, path := range []string{"/api/v2/generate/check/x", "/api/v2/status/performance", "/api/v2/find_user"} {
		if res, _ := h.raw(t, path, "gzip"); res.Header.Get("Content-Encoding") != "" || res.Header.Get("Vary") != "" {
			t.Errorf("%s: a short reply has the encoding %q", path, res.Header.Get("Content-Encoding"))
		}
	}
}

func TestEveryCallHasAName(t *testing.T) {
	t.Parallel()
	plainly, behind := build(t, plan{}), build(t, plan{options: apiv2.Options{TrustedProxy: true}})
	seen := make(map[string]bool)
	for _, call := range []string{"GET /api/v2/status/heartbeat", "GET /api/v2/nothing", "PUT /api/v2/users", "OPTIONS /api/v2/users", "GET /api/v2/find_user", "GET /api/", "GET /api/v2//users"} {
		method, path, _ := strings.Cut(call, " ")
		id := plainly.send(t, method, path, "", "X-Request-Id", "theirs").head.Get("X-Request-Id")
		if id == "" || id == "theirs" || seen[id] {
			t.Errorf("%s is called %q", call, id)
		}
		seen[id] = true
	}
	for sent, kept := range map[string]bool{"4f2a-11.b_C": true, "a b": false, "{}": false, strings.Repeat("a", 65): false} {
		if id := behind.send(t, "GET", "/api/v2/status/heartbeat", "", "X-Request-Id", sent).head.Get("X-Request-Id"); (id == sent) != kept {
			t.Errorf("behind a proxy that says %q a call is called %q", sent, id)
		}
	}
}

func TestStrangePathsAreNotFound(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	for _, path := range []string{
		"/api/v2//users", "/api/v2/./users", "/api/v2/users/..", "/api/v2/../v2/users", "/api/v2/users/", "/api/v2/workers/name/", "/api/v1/users", "/api/latest/users",
		"/api/v2/generate/sync", "/api/x", "/api/docs.html",
	} {
		got := h.send(t, "GET", path, "")
		if got.status != 404 || got.refusal(t).RC != "" || got.head.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s answers %d %s", path, got.status, got.body)
		}
	}
	// What is escaped belongs to a name.
	for path, name := range map[string]string{"a%2Fb": "a/b", "%2E%2E": "..", "a%20%C3%B6%3F": "a ö?", "a+b": "a+b", ".hidden": ".hidden"} {
		if got := h.send(t, "GET", "/api/v2/workers/name/"+path, ""); got.refusal(t).RC != "WorkerNotFound" || !strings.Contains(got.refusal(t).Message, "'"+name+"'") {
			t.Errorf("the worker %s answers %d %s", path, got.status, got.body)
		}
	}
}

func TestOneLimitHoldsForAllMethodsOfAnEndpoint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, one, other string
		by               int
		same             bool
	}{
		{"by address", "GET", "PUT", 0, true}, {"by call", "GET", "DELETE", 1, false}, {"by key", "GET", "DELETE", 2, false},
	} {
		if got := apiv2.SameWindow(c.one, c.other, c.by); got != c.same {
			t.Errorf("a limit counted %s is shared between %s and %s: %v, want %v", c.what, c.one, c.other, got, c.same)
		}
	}
}

// tab is a page in a real browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func browse(t *testing.T, address string) *tab {
	t.Helper()
	b := &tab{t: t, ctx: browsertest.Open(t)}
	b.do(chromedp.EmulateViewport(1180, 820), chromedp.Navigate(address))
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// until waits for a JavaScript expression to become true.
func (b *tab) until(expression string) {
	b.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText.slice(0, 3000)`))
			b.t.Fatalf("not true: %s (%v)\npage: %s", expression, err, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// press sends keys to what has the focus.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		b.do(chromedp.KeyEvent(k))
	}
}

// TestThePageOfTheAPI goes through it in a real browser, with the keyboard alone.
func TestThePageOfTheAPI(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, key := h.account(t, "visitor", horde.RoleTrusted, 1000)
	b := browse(t, h.url+"/api/")
	b.until("document.body.dataset.ready")
	b.until(`document.getElementById("found").textContent === "90 operations"`)

	// By keyboard to the search box, then to the only operation that is left.
	const tabKey, enter = "\t", "\r"
	b.press(tabKey)
	b.until(`document.activeElement.className === "skip"`)
	b.press(tabKey, tabKey, tabKey)
	b.until(`document.activeElement.id === "key"`)
	b.do(chromedp.SetValue(chromedp.CSS("#key"), key))
	b.press(tabKey)
	b.until(`document.activeElement.id === "find"`)
	b.press("queue images")
	b.until(`document.getElementById("found").textContent === "1 operation"`)
	b.press(tabKey)
	b.until(`document.activeElement.matches("#imageGenerate > summary")`)
	b.press(enter)
	b.until(`document.getElementById("imageGenerate").open && document.getElementById("imageGenerate-body")`)

	// The example fits; the call is made and told to screen readers.
	b.do(chromedp.SetValue(chromedp.CSS("#imageGenerate-body"), `{"prompt": "a <b>cat</b>", "dry_run": true}`))
	b.do(chromedp.Focus(chromedp.CSS("#imageGenerate button")))
	b.press(enter)
	b.until(`document.querySelector("#imageGenerate .outcome").textContent.startsWith("200 ")`)
	b.until(`JSON.parse(document.querySelector("#imageGenerate pre").textContent).kudos > 0`)
	b.until(`document.querySelector("#imageGenerate [aria-label^='Headers']").textContent.includes("x-request-id")`)
	b.until(`![...document.querySelectorAll("#imageGenerate pre")].some((n) => n.textContent.includes(` + strconv.Quote(key) + `))`)
	b.do(chromedp.SetValue(chromedp.CSS("#imageGenerate-body"), `{`))
	b.press(enter)
	b.until(`document.querySelector("#imageGenerate .outcome").textContent.startsWith("400 ")`)

	// Parameters in a path are escaped, and an operation has an address.
	b.do(chromedp.Navigate(h.url + "/api/#getWorkerByName"))
	b.until(`document.getElementById("getWorkerByName")?.open && document.activeElement.matches("#getWorkerByName > summary")`)
	b.do(chromedp.SetValue(chromedp.CSS("#getWorkerByName-worker_name"), "no/body ö"))
	b.do(chromedp.Click(chromedp.CSS("#getWorkerByName button")))
	b.until(`document.querySelector("#getWorkerByName pre").textContent.includes("WorkerNotFound")`)
	b.until(`document.querySelector("#getWorkerByName pre").textContent.includes("no/body")`)

	// Every field has a label, every button a name, headings go down one by one, nothing came from elsewhere.
	faults, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`(() => {
		for (const op of document.querySelectorAll(".op")) op.open = true;
		return new Promise((done) => setTimeout(() => {
			const bad = [];
			for (const box of document.querySelectorAll("input, select, textarea")) {
				if (box.labels.length !== 1 || !box.labels[0].textContent) bad.push("no label: " + box.id);
				for (const id of (box.getAttribute("aria-describedby") ?? "").split(" ")) if (id && !document.getElementById(id)) bad.push("no hint: " + id);
			}
			const ids = [...document.querySelectorAll("[id]")].map((n) => n.id);
			if (new Set(ids).size !== ids.length) bad.push("an id twice");
			let level = 0;
			for (const h of document.querySelectorAll("h1, h2, h3, h4")) {
				const next = Number(h.tagName[1]);
				if (next > level + 1) bad.push("heading jumps: " + h.textContent);
				level = next;
			}
			for (const n of document.querySelectorAll("pre")) if (n.tabIndex !== 0 || !n.getAttribute("aria-label")) bad.push("a region without a name");
			for (const e of performance.getEntriesByType("resource")) if (!e.name.startsWith(location.origin) && !e.name.startsWith("data:")) bad.push("from elsewhere: " + e.name);
			if (document.documentElement.scrollWidth > innerWidth) bad.push("wider than the window");
			done(JSON.stringify(bad));
		}, 300));
	})()`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	var bad []string
	if err := json.Unmarshal([]byte(faults), &bad); err != nil || len(bad) > 0 {
		t.Errorf("the page has faults: %s %v", faults, err)
	}
	if dir := os.Getenv("API_SHOTS"); dir != "" {
		b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(h.url+"/api/#imageGenerate"))
		b.until(`document.getElementById("imageGenerate")?.open`)
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/api.png", png, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
