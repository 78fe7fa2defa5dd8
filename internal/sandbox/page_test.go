package sandbox_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"stablemate/internal/browsertest"
	"stablemate/internal/sandbox"
)

// browser is one tab of a real browser.
type browser struct {
	t   *testing.T
	ctx context.Context
}

func openBrowser(t *testing.T, address string) *browser {
	t.Helper()
	b := &browser{t: t, ctx: browsertest.Open(t)}
	b.do(chromedp.EmulateViewport(1180, 820), chromedp.Navigate(address))
	return b
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, wait)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// until waits for a JavaScript expression to become true.
func (b *browser) until(expression string) {
	b.t.Helper()
	deadline := time.Now().Add(wait)
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`"box: " + document.querySelector("#box").value + "\n" + document.querySelector("main").innerText`))
			b.t.Fatalf("not true: %s (%v)\npage: %s", expression, err, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// has waits until an element exists whose text contains text.
func (b *browser) has(testid, text string) {
	b.t.Helper()
	quoted, _ := json.Marshal(text)
	b.until(`[...document.querySelectorAll('[data-testid="` + testid + `"]')].some((n) => !n.hidden && n.innerText.includes(` + string(quoted) + `))`)
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.until("document.querySelector(`" + selector + "`)")
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

func (b *browser) keys(text string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(text))
}

func (b *browser) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("SANDBOX_SHOTS")
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

// visit opens the page of a sandbox with a bot in it, whose answers Discord waits for as long as it does.
func visit(t *testing.T) (*sandbox.Server, *browser) {
	t.Helper()
	s, _ := start(t, sandbox.Options{AnswerWindow: 3 * time.Second})
	painter(t, s)
	b := openBrowser(t, s.URL())
	b.until("document.body.dataset.ready")
	b.has("bot-state", "online")
	return s, b
}

// TestPage goes a newcomer's way in a real browser, by keyboard where one can.
func TestPage(t *testing.T) {
	t.Parallel()
	s, b := visit(t)
	b.shot("1-welcome")

	b.do(chromedp.Focus(chromedp.CSS(`[data-testid="command-box"]`)))
	b.keys("/gen")
	b.has("completion", "/generate")
	b.keys("\r") // takes the suggestion
	b.until(`document.querySelector('#box').value === "/generate prompt: "`)
	b.keys("red apple mo")
	b.has("completion", "model:")
	b.shot("2-completion")
	b.keys("\t")
	b.has("completion", "Stable Diffusion 1.5")
	b.keys("mini")
	b.until(`document.querySelectorAll('#completion li').length === 1`)
	b.keys("\t")
	b.until(`document.querySelector('#box').value === "/generate prompt: red apple model: Stablemate Mini "`)
	b.keys("\r")
	b.has("content", "red apple")
	b.has("content", "stablemate mini")
	b.until(`document.querySelector('[data-testid="attachments"] img')?.naturalWidth === 256`)

	// Typed in one go, it works as well.
	b.keys("/generate prompt: slow green apple\r")
	b.has("thinking", "thinking…")
	b.shot("3-thinking")
	b.has("content", "slow green apple")

	id := `[data-testid="message"]:last-child `
	b.click(id + `[data-testid="react"][data-emoji="❤️"]`)
	b.until("document.querySelector(`" + id + `[data-testid="reaction"].mine` + "`)")
	b.click(id + `[data-testid="reaction-add"]`)
	b.do(chromedp.SendKeys(chromedp.CSS(`[data-testid="reaction-input"]`), "🍏\r"))
	b.has("reaction", "🍏")
	b.click(id + `[data-testid="reaction-add"]`)
	b.do(chromedp.SendKeys(chromedp.CSS(`[data-testid="reaction-input"]`), "apple\r"))
	b.has("failed", "is no emoji")

	b.click(id + `[data-testid="button"][data-custom="again"]`)
	b.has("content", "You pressed again")
	b.has("ephemeral", "Only you can see this")
	b.shot("4-result")

	// Another person sees the same, without the private answer, and may react too.
	b.click(`label[for="person-` + sandbox.Friend + `"]`)
	b.until(`document.body.dataset.ready === "` + sandbox.Friend + `"`)
	b.until(`document.querySelectorAll('[data-testid="ephemeral"]').length === 0`)
	b.click(`[data-testid="reaction"][data-emoji="❤️"]`)
	b.until(`document.querySelector('[data-testid="reaction"][data-emoji="❤️"] .number').textContent === "2"`)

	b.do(chromedp.Focus(chromedp.CSS(`[data-testid="command-box"]`)))
	b.keys("/form\r")
	b.until(`document.querySelector('[data-testid="modal"]').open`)
	b.keys("Fritz")
	b.shot("5-modal")
	b.keys("\r")
	b.has("content", "Hello Fritz")

	b.do(chromedp.Focus(chromedp.CSS(`[data-testid="command-box"]`)))
	b.keys("/generate\r\r")
	b.has("problem", "Prompt is required")
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#box").value = ""`))
	b.keys("/silent\r")
	b.has("notice", "did not respond")
	b.click(`[data-testid="log-toggle"]`)
	b.has("log", "INTERACTION_CREATE")
	b.click(`#theme`)
	b.shot("6-log")
	b.do(chromedp.EmulateViewport(400, 760))
	b.shot("7-phone")

	var messages []string
	for _, m := range s.Messages(sandbox.ChannelID, sandbox.Friend) {
		messages = append(messages, m.Content)
	}
	if len(messages) != 3 || !strings.Contains(messages[0], "red apple") {
		t.Errorf("Friend sees %q", messages)
	}
	for _, f := range s.Findings() {
		t.Errorf("finding: %s: %s", f.Where, f.Text)
	}
}

// TestPageTakesTheNextLineMeanwhile types on while a command waits for its answer.
func TestPageTakesTheNextLineMeanwhile(t *testing.T) {
	t.Parallel()
	_, b := visit(t)
	b.do(chromedp.Focus(chromedp.CSS(`[data-testid="command-box"]`)))
	b.keys("/silent\r")
	b.until(`document.querySelector("#composer").ariaBusy === "true"`)
	b.keys("good morning\rand good night")
	b.has("notice", "did not respond")
	b.has("content", "good morning")
	b.until(`document.querySelector("#box").value === "and good night"`)
}

// TestPageShowsTextAsDiscordDoes looks at the markdown that bots use, escaped and not.
func TestPageShowsTextAsDiscordDoes(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sandbox.Options{})
	b := openBrowser(t, s.URL())
	b.until("document.body.dataset.ready")
	for text, want := range map[string]string{
		`**red \*apple\* \@you \<\@1> https\://a.b**`: `<strong>red *apple* @you &lt;@1&gt; https://a.b</strong>`,
		`**ends in \***`:              `<strong>ends in *</strong>`,
		`snake\_case\_name`:           `snake_case_name`,
		`\# no heading \\ \🐴`:         `# no heading \ 🐴`,
		"\\`no code\\` `a\\b`":        "`no code` <code>a\\b</code>",
		`**b** *i* _x_ ~~s~~ __u__`:   `<strong>b</strong> <em>i</em> <em>x</em> <s>s</s> <u>u</u>`,
		`\[no link](https\://a.b)`:    `[no link](https://a.b)`,
		"-# small `key` and **bold**": `<div class="md-small">small <code>key</code> and <strong>bold</strong></div>`,
	} {
		quoted, _ := json.Marshal(text)
		b.do(chromedp.Evaluate[chromedp.Void](`window.shown = undefined; import("/render.js").then((m) => {
			const box = document.createElement("div");
			box.append(m.markdown(` + string(quoted) + `, { people: new Map() }));
			window.shown = box.innerHTML;
		}); undefined`))
		b.until(`window.shown !== undefined`)
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`window.shown`))
		if err != nil || got != want {
			t.Errorf("%s is shown as %s (%v), want %s", text, got, err, want)
		}
	}
}
