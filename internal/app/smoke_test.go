// SPDX-License-Identifier: AGPL-3.0-or-later

package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"stablemate/internal/browsertest"
)

// patience bounds every wait of the smoke test: two busy cores under the race detector are slow.
const patience = 90 * time.Second

// program is the real bot in a process of its own.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	page string
	took time.Duration
	log  *logTail
}

// logTail keeps the end of a log for failures.
type logTail struct {
	mu   sync.Mutex // guards text
	text []byte
}

func (l *logTail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-8000):]
	return len(p), nil
}

func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// buildOnce compiles the commands the way `make build` does.
var buildOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stablemate-bin-")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir, "../../cmd/...").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := buildOnce(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func compiled(t *testing.T, name string) string {
	t.Helper()
	dir, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// startBot starts bin/bot and waits until it prints its page.
func startBot(t *testing.T, config string) *program {
	t.Helper()
	p := &program{t: t, log: &logTail{}}
	p.cmd = exec.Command(compiled(t, "bot"), "run", "--config", config)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, page, ok := strings.Cut(lines.Text(), "Page: "); ok {
			p.page, p.took = strings.TrimSpace(page), time.Since(began)
			return p
		}
	}
	t.Fatalf("the bot printed no page; its log:\n%s", p.log)
	return nil
}

// kill ends the process as kill -9 does.
func (p *program) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	_ = p.cmd.Wait()
}

// stop ends it in good order.
func (p *program) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the bot did not stop in good order: %v\n%s", err, p.log)
	}
}

// tab is one tab of a real browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func openTab(t *testing.T) *tab {
	t.Helper()
	return &tab{t, browsertest.Open(t)}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// value evaluates JavaScript to a text.
func (b *tab) value(expression string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return text
}

// until waits for a JavaScript expression to become true.
func (b *tab) until(expression string, p *program) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("main").innerText`))
			b.t.Fatalf("not true: %s (%v)\npage: %s\nlog: %s", expression, err, text, p.log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (b *tab) command(text string) {
	b.t.Helper()
	b.do(chromedp.Focus(chromedp.CSS(`[data-testid="command-box"]`)), chromedp.KeyEvent(text+"\r"))
}

func (b *tab) become(person string, p *program) {
	b.t.Helper()
	radio := fmt.Sprintf(`document.querySelector('[data-testid="user-%s"]')`, person)
	b.until(radio, p)
	b.do(chromedp.Evaluate[chromedp.Void](radio + ".click()"))
	b.until(radio+".checked && document.body.dataset.ready === "+radio+".value", p)
}

const lastMessage = `[...document.querySelectorAll('[data-testid="message"]')].at(-1)`

// balance asks for the balance of whoever the page is, and returns the first number of the answer.
func (b *tab) balance(p *program) string {
	b.t.Helper()
	before := b.value(`document.querySelectorAll('[data-testid="ephemeral"]').length`)
	b.command("/kudos balance")
	b.until(`document.querySelectorAll('[data-testid="ephemeral"]').length > `+before+` && /\d kudos/.test(`+lastMessage+`.innerText)`, p)
	text := b.value(lastMessage + ".innerText")
	found := regexp.MustCompile(`([\d.,]+)\**\s*kudos`).FindStringSubmatch(text)
	if found == nil {
		b.t.Fatalf("no balance in %q", text)
	}
	return strings.ReplaceAll(found[1], ",", "")
}

// anyPort has the program take a port that is free.
const anyPort = "127.0.0.1:0"

// TestSmoke goes a newcomer's way through the real program: an image by the local pool, a kudos reaction that moves both
// balances, kill -9 in the middle of a second image, which is finished in the same message after the restart.
// STABLEMATE_SMOKE names a PNG file to write.
func TestSmoke(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.toml")
	data, _ := json.Marshal(filepath.Join(dir, "data"))
	configure := func(page string) {
		text := fmt.Sprintf("[server]\nlisten = %q\ndata_dir = %s\n[sandbox]\nlisten = %q\n", anyPort, data, page)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure(anyPort)
	p := startBot(t, config)
	where, err := url.Parse(p.page)
	if err != nil {
		t.Fatal(err)
	}
	configure(where.Host) // the browser goes on there after the restart
	b := openTab(t)
	b.do(chromedp.EmulateViewport(1180, 900), chromedp.Navigate(p.page))
	b.until("document.body.dataset.ready", p)
	b.until(`document.querySelector('[data-testid="bot-state"]').innerText.includes("online")`, p)

	b.become("Newcomer", p)
	b.command("/generate prompt: red apple")
	image := lastMessage + `.querySelector('[data-testid="attachments"] img')`
	b.until(image+"?.naturalWidth >= 256", p)
	if alt := b.value(image + ".alt"); !strings.Contains(alt, "red apple") {
		t.Errorf("the image's alternative text is %q", alt)
	}
	first := b.balance(p)

	b.become("Friend", p)
	b.command("/login") // which agrees to gifts by emoji
	b.until(`/Welcome/.test(`+lastMessage+`.innerText)`, p)
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-testid="message"] [data-testid="reaction-add"]').click()`))
	b.do(chromedp.SendKeys(chromedp.CSS(`[data-testid="reaction-input"]`), "🙏\r"))
	b.until(`document.querySelector('[data-testid="reaction"][data-emoji="🙏"]')`, p)
	var friend string
	deadline := time.Now().Add(patience)
	for friend = b.balance(p); friend != "115" && time.Now().Before(deadline); friend = b.balance(p) {
		time.Sleep(time.Second) // the reaction can be taken back for ten
	}
	if friend != "115" {
		t.Errorf("the friend has %s kudos after giving 10 of 125", friend)
	}
	b.become("Newcomer", p)
	var had, has float64
	_, _ = fmt.Sscan(first, &had)
	second := b.balance(p)
	if _, _ = fmt.Sscan(second, &has); has != had+10 {
		t.Errorf("the author had %s kudos and has %s after a gift of 10", first, second)
	}

	// The second image takes long enough to be killed in the middle of it.
	b.command("/generate prompt: yellow star steps: 300")
	b.until(lastMessage+`.querySelector('[data-testid="button"]') && /star/.test(`+lastMessage+`.innerText)`, p)
	time.Sleep(500 * time.Millisecond) // let the runner get to work
	if b.value(image) != "null" && b.value(image) != "undefined" {
		t.Fatal("the second image was ready before it could be interrupted")
	}
	id := b.value(lastMessage + ".dataset.id")
	count := b.value(`document.querySelectorAll('[data-testid="message"]').length`)
	p.kill()

	p = startBot(t, config)
	t.Logf("second start took %v to the page's address", p.took)
	mine := fmt.Sprintf(`document.querySelector('[data-testid="message"][data-id="%s"]')`, id)
	b.until(mine+`?.querySelector('[data-testid="attachments"] img')?.naturalWidth >= 256`, p)
	if now := b.value(`document.querySelectorAll('[data-testid="message"]:not([data-testid="ephemeral"])').length`); now > count {
		t.Errorf("%s messages after the restart, %s before", now, count)
	}
	if file := os.Getenv("STABLEMATE_SMOKE"); file != "" {
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, png, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.stop()
	audit := exec.Command(compiled(t, "server"), "audit", "--config", config)
	if out, err := audit.CombinedOutput(); err != nil {
		t.Errorf("audit: %v\n%s", err, out)
	}
}
