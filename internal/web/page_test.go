// SPDX-License-Identifier: AGPL-3.0-or-later

package web_test

import (
	"context"
	"encoding/json"
	"html/template"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/browsertest"
	"stablemate/internal/web"
)

const patience = 60 * time.Second

// browser is one tab of a real browser.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string
}

func openBrowser(t *testing.T, address string) *browser {
	t.Helper()
	b := &browser{t, browsertest.Open(t), address}
	b.do(chromedp.EmulateViewport(1100, 900))
	return b
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

func (b *browser) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.url + path))
	b.until("document.readyState === 'complete'")
}

func (b *browser) text(expression string) string {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return got
}

// until waits for a JavaScript expression to become true.
func (b *browser) until(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("not true: %s (%v)\npage: %s", expression, err, b.text("document.body.innerText"))
		}
	}
}

// shot keeps a picture of the page where PAGE_SHOTS names a folder.
func (b *browser) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("PAGE_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/"+name+".png", png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// tabTo presses Tab until an element has the focus, and checks that one sees where it is.
func (b *browser) tabTo(selector string) {
	b.t.Helper()
	quoted, _ := json.Marshal(selector)
	for range 80 {
		b.do(chromedp.KeyEvent("\t"))
		if b.text("String(document.activeElement?.matches("+string(quoted)+"))") == "true" {
			if outline := b.text("getComputedStyle(document.activeElement).outlineStyle"); outline == "none" {
				b.t.Errorf("the focus on %s cannot be seen", selector)
			}
			return
		}
	}
	b.t.Fatalf("the keyboard does not reach %s", selector)
}

// lively is a horde with two people, a worker, and some images made.
func lively(t *testing.T) *house {
	t.Helper()
	h := build(t, web.Options{
		Name: "Test horde", Registration: true, Source: "https://example.com/source",
		Document: func(name string) (string, bool) {
			return "<h1>" + strings.ToUpper(name) + "</h1>\n<p>Kudos are <strong>thanks</strong>.</p>", true
		},
		News: func() []web.NewsPiece {
			return []web.NewsPiece{{
				Date: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Title: "Open", Importance: "Information", HTML: template.HTML("<p>We are <em>here</em>.</p>"),
			}}
		},
		Discord: &web.DiscordLogin{ClientID: "1", ClientSecret: "2", Base: "http://127.0.0.1:1"},
	})
	anna, bert := h.account(t, "Anna", kudos.Whole(5000)), h.account(t, "Bert", 0)
	for range 3 {
		deliver(t, h, anna, bert)
		h.clock.Advance(20 * time.Minute)
	}
	deliver(t, h, anna, bert)
	if _, err := engine.Do(t.Context(), h.Engine, enqueue(anna)); err != nil {
		t.Fatal(err)
	}
	return h
}

func enqueue(user horde.UserID) horde.Enqueue {
	return horde.Enqueue{NewImage: horde.NewImage{
		User: user, N: 1, SlowWorkers: true, R2: true, Models: []string{"tiny"},
		Image: horde.Image{Prompt: "hay", Sampler: "k_euler", CFG: 5, Width: 512, Height: 512, Steps: 20},
	}}
}

// deliver has one image asked for and made.
func deliver(t *testing.T, h *house, asker, owner horde.UserID) {
	t.Helper()
	if _, err := engine.Do(t.Context(), h.Engine, enqueue(asker)); err != nil {
		t.Fatal(err)
	}
	job, err := engine.Do(t.Context(), h.Engine, horde.Pop{Owner: owner, Amount: 1, Offer: horde.Offer{
		Name: "Stable mate", Models: []string{"tiny"}, BridgeAgent: "Stablemate:1:x", MaxPixels: 1 << 20, Threads: 1,
	}})
	if err != nil || len(job.Generations) != 1 {
		t.Fatalf("pop: %+v, %v", job, err)
	}
	h.clock.Advance(2 * time.Second)
	if _, err := engine.Do(t.Context(), h.Engine, horde.Submit{Owner: owner, Generation: job.Generations[0], Blob: "x"}); err != nil {
		t.Fatal(err)
	}
}

// audit looks at a page as those do who cannot see it, or not well: everything it finds is one line.
const audit = `(() => {
  const found = [];
  const say = (what, node) => found.push(what + ": " + (node?.outerHTML ?? "").slice(0, 120));
  const visible = (n) => n.getClientRects().length > 0 && getComputedStyle(n).visibility !== "hidden";
  const named = (n) => (n.getAttribute("aria-label") || (n.getAttribute("aria-labelledby") || "").split(" ").map((i) => document.getElementById(i)?.textContent ?? "").join("")
    || n.textContent || n.querySelector?.("img")?.alt || "").trim();
  if (!document.documentElement.lang) say("no language");
  if (!document.title) say("no title");
  if (document.querySelectorAll("main").length !== 1) say("not one main");
  for (const tag of ["header", "footer", "nav"]) if (!document.querySelector(tag)) say("no " + tag);
  for (const n of document.querySelectorAll("nav")) if (!n.getAttribute("aria-label")) say("nav without a name", n);
  const heads = [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")];
  if (heads.filter((h) => h.tagName === "H1").length !== 1) say("not one h1");
  let last = 0;
  for (const h of heads) { const level = Number(h.tagName[1]); if (level > last + 1) say("heading skips a level", h); if (!named(h)) say("empty heading", h); last = level; }
  const ids = new Set();
  for (const n of document.querySelectorAll("[id]")) { if (ids.has(n.id)) say("id twice", n); ids.add(n.id); }
  for (const n of document.querySelectorAll("[aria-labelledby],[aria-describedby]"))
    for (const a of ["aria-labelledby", "aria-describedby"]) for (const i of (n.getAttribute(a) ?? "").split(" ").filter(Boolean)) if (!document.getElementById(i)) say(a + " of nothing", n);
  for (const n of document.querySelectorAll("input:not([type=hidden]),select,textarea")) if (!n.labels?.length) say("field without a label", n);
  for (const n of document.querySelectorAll("a[href],button")) if (visible(n) && !named(n)) say("nothing to call it", n);
  for (const n of document.querySelectorAll("img")) if (n.getAttribute("alt") === null) say("image without words", n);
  for (const n of document.querySelectorAll("svg")) if (n.getAttribute("role") !== "img" || !named(n)) say("drawing without words", n);
  for (const n of document.querySelectorAll("th")) if (!n.scope) say("table head without scope", n);
  for (const n of document.querySelectorAll("body [style],[onclick]")) say("inline style or script", n);
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) say("page wider than the window");

  const parse = (c) => (c.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => { const f = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const ground = (n) => { for (; n; n = n.parentElement) { const c = parse(getComputedStyle(n).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const n = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !visible(n) || ["SCRIPT", "STYLE", "TITLE"].includes(n.tagName)) continue;
    const style = getComputedStyle(n);
    const a = light(parse(n.closest("svg") ? style.fill : style.color)), b = light(ground(n));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) say("contrast " + ratio.toFixed(2), n);
  }
  return found.join("\n");
})()`

func TestPagesServeEverybody(t *testing.T) {
	t.Parallel()
	h := lively(t)
	b := openBrowser(t, h.url)
	check := func(path string) {
		t.Helper()
		b.open(path)
		for _, scheme := range []string{"light", "dark"} {
			b.text(`document.documentElement.style.colorScheme = "` + scheme + `"`)
			if found := b.text(audit); found != "" {
				t.Errorf("%s in %s:\n%s", path, scheme, found)
			}
		}
		b.shot(strings.Trim(strings.NewReplacer("/", "-", "?", "-").Replace("page"+path), "-"))
		b.do(chromedp.EmulateViewport(360, 700))
		if found := b.text(audit); found != "" {
			t.Errorf("%s on a phone:\n%s", path, found)
		}
		b.do(chromedp.EmulateViewport(1100, 900))
	}
	for _, path := range []string{"/", "/dashboard", "/dashboard?span=hour", "/dashboard?span=month", "/register", "/news", "/terms", "/privacy", "/sponsors", "/profile", "/transfer", "/nothing"} {
		check(path)
	}
	b.open("/profile")
	b.do(chromedp.SendKeys(chromedp.CSS("#key"), "AnnaAnna\r"))
	b.until(`document.querySelector("#kudos")`)
	check("/profile")
	check("/transfer")

	// The front page keeps its figures fresh, and stops when told to.
	b.open("/dashboard")
	if got := b.text(`String(document.querySelectorAll("svg .bar").length)`); got == "0" {
		t.Error("the plots have no bars")
	}
	deliverWaiting(t, h)
	b.do(chromedp.Evaluate[chromedp.Void](`document.dispatchEvent(new Event("visibilitychange")); undefined`))
	b.until(`document.body.dataset.refreshed >= 1`)
	b.until(`document.querySelector("#figures dd").textContent === "0"`)
	b.do(chromedp.Click(chromedp.CSS("#pause")))
	b.until(`document.querySelector("#pause").textContent.startsWith("Keep")`)
}

// deliverWaiting makes the image that waits.
func deliverWaiting(t *testing.T, h *house) {
	t.Helper()
	bert, _ := h.UserByKey(hash("BertBert"))
	job, err := engine.Do(t.Context(), h.Engine, horde.Pop{Owner: bert.ID, Amount: 1, Offer: horde.Offer{
		Name: "Stable mate", Models: []string{"tiny"}, BridgeAgent: "Stablemate:1:x", MaxPixels: 1 << 20, Threads: 1,
	}})
	if err != nil || len(job.Generations) != 1 {
		t.Fatalf("pop: %+v, %v", job, err)
	}
	if _, err := engine.Do(t.Context(), h.Engine, horde.Submit{Owner: bert.ID, Generation: job.Generations[0], Blob: "x"}); err != nil {
		t.Fatal(err)
	}
}

func TestTheKeyboardAloneSignsInReplacesTheKeyAndGives(t *testing.T) {
	t.Parallel()
	h := lively(t)
	b := openBrowser(t, h.url)
	b.open("/")
	b.tabTo(".skip")
	b.tabTo(`a[href="/profile"]`)
	b.do(chromedp.KeyEvent("\r"))
	b.until(`document.querySelector("#key")`)
	b.tabTo("#key")
	b.do(chromedp.KeyEvent("AnnaAnna"))
	b.do(chromedp.KeyEvent("\r"))
	b.until(`document.querySelector("#kudos")`)
	b.tabTo("#rotate")
	b.do(chromedp.KeyEvent("\r"))
	b.until(`document.querySelector("code.key")`)
	key := b.text(`document.querySelector("code.key").textContent`)
	if u, ok := h.UserByKey(hash(key)); !ok || u.Name != "Anna" {
		t.Errorf("the key on the page belongs to %+v, %v", u, ok)
	}
	b.shot("keyboard-key")
	b.tabTo(`main a[href="/profile"]`)
	b.do(chromedp.KeyEvent("\r"))
	b.until(`document.querySelector("#to")`)
	b.tabTo("#to")
	b.do(chromedp.KeyEvent("Bert#2"))
	b.tabTo("#amount")
	b.do(chromedp.KeyEvent("12"))
	bert, _ := h.UserByKey(hash("BertBert"))
	b.do(chromedp.KeyEvent("\r"))
	b.until(`document.querySelector('[role="status"].done')?.textContent.includes("You gave 12 kudos to Bert#2")`)
	after, _ := h.User(bert.ID)
	if after.Balance-bert.Balance != kudos.Whole(12) {
		t.Errorf("Bert got %s", after.Balance-bert.Balance)
	}
	b.shot("keyboard-given")
}
