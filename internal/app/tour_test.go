// SPDX-License-Identifier: AGPL-3.0-or-later

package app_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// tour is a walk through the bot in a real browser, with the real program behind the page.
type tour struct {
	*tab
	p    *program
	into string // the folder for pictures; empty: none are taken
}

// shot takes the picture of a step.
func (w *tour) shot(name string) {
	w.t.Helper()
	if w.into == "" {
		return
	}
	png, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.into, name+".png"), png, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// tidy dismisses what only this person sees.
func (w *tour) tidy() {
	w.t.Helper()
	w.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll('[data-key="dismiss"]').forEach((b) => b.click())`))
	w.until(`!document.querySelector('[data-key="dismiss"]')`, w.p)
}

// says sends a command and waits until the last message holds a text and nothing on the page waits for an answer.
func (w *tour) says(line, answer string) {
	w.t.Helper()
	before := w.value(lastMessage + "?.dataset.id")
	w.command(line)
	text, _ := json.Marshal(answer)
	w.until(fmt.Sprintf(`%[1]s && %[1]s.dataset.id !== %[2]q && !%[1]s.querySelector('[data-testid="thinking"]') && %[1]s.innerText.includes(%[3]s)`,
		lastMessage, before, text), w.p)
}

// press clicks a button of the last message.
func (w *tour) press(label string) {
	w.t.Helper()
	text, _ := json.Marshal(label)
	button := fmt.Sprintf(`[...%s.querySelectorAll('[data-testid="button"]')].find((b) => b.innerText.includes(%s))`, lastMessage, text)
	w.until(button, w.p)
	w.do(chromedp.Evaluate[chromedp.Void](button + ".click()"))
}

// TestTour walks through what a community does with the bot, and looks at each answer. STABLEMATE_SCREENS names a folder
// to put pictures into.
func TestTour(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.toml")
	data, _ := json.Marshal(filepath.Join(dir, "data"))
	text := fmt.Sprintf("[server]\nlisten = %q\ndata_dir = %s\n[horde]\nsharing = true\n[sandbox]\nlisten = %q\n", anyPort, data, anyPort)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startBot(t, config)
	w := &tour{openTab(t), p, os.Getenv("STABLEMATE_SCREENS")}
	w.do(chromedp.EmulateViewport(1000, 860), chromedp.Navigate(p.page))
	w.until("document.body.dataset.ready", p)
	w.until(`document.querySelector('[data-testid="bot-state"]').innerText.includes("online")`, p)
	w.become("Newcomer", p)
	for _, step := range []struct {
		name string
		walk func(*tour)
	}{
		{"generate", (*tour).generate},
		{"advanced", (*tour).advanced},
		{"kudosemoji", (*tour).kudosEmoji},
		{"gift", (*tour).gift},
		{"autorole", (*tour).autoRole},
		{"serverconfig", (*tour).serverConfig},
		{"party", (*tour).party},
		{"rate", (*tour).rate},
		{"stats", (*tour).stats},
		{"settings", (*tour).settings},
	} {
		w.tidy()
		step.walk(w)
		w.until(`[...document.images].every((i) => i.complete)`, p)
		w.shot(step.name)
	}
	if findings := w.value(`document.querySelectorAll('#log .finding, #log .bad').length`); findings != "0" {
		t.Errorf("Discord would have refused %s of the bot's requests", findings)
	}
	p.stop()
}

func (w *tour) generate() {
	w.command("/generate prompt: a red apple amount: 2 seed: 7 size: small share: true")
	w.until(`[...`+lastMessage+`.querySelectorAll('img')].filter((i) => i.naturalWidth >= 256).length === 2`, w.p)
	w.until(lastMessage+`.querySelectorAll('[data-testid="button"]').length > 4`, w.p)
	for alt := range strings.SplitSeq(w.value(`[...`+lastMessage+`.querySelectorAll('img[alt]')].map((i) => i.alt).filter(Boolean).join("|")`), "|") {
		if !strings.Contains(alt, "red apple") {
			w.t.Errorf("an image's alternative text is %q", alt)
		}
	}
}

func (w *tour) advanced() { w.says("/advanced prompt: a yellow star review: true", "star") }

func (w *tour) kudosEmoji() {
	w.become("Admin", w.p)
	w.says("/kudosemoji add emoji: 🍪 amount: 25 title: A cookie", "25")
	w.says("/kudosemoji list", "🍪")
}

func (w *tour) gift() {
	w.become("Friend", w.p)
	w.says("/login", "Welcome")
	w.tidy()
	w.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-testid="message"] [data-testid="reaction-add"]').click()`))
	w.do(chromedp.SendKeys(chromedp.CSS(`[data-testid="reaction-input"]`), "🍪\r"))
	w.until(`document.querySelector('[data-testid="reaction"][data-emoji="🍪"]')`, w.p)
	deadline := time.Now().Add(patience)
	for { // the reaction can be taken back for a second
		w.says("/kudos history", "opening")
		if strings.Contains(w.value(lastMessage+".innerText"), "-25") || strings.Contains(w.value(lastMessage+".innerText"), "−25") {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("no gift of 25: %s", w.value(lastMessage+".innerText"))
		}
		w.tidy()
	}
}

func (w *tour) autoRole() {
	w.become("Admin", w.p)
	w.says("/autorole add role: worker condition: owns a worker", "worker")
	w.says("/autorole list", "worker")
}

func (w *tour) serverConfig() { w.says("/serverconfig panel", "") }

func (w *tour) party() {
	w.says("/party start name: Fruit night budget: 20 award: 5 theme: fruit of all kinds", "Fruit night")
	w.press("Begin")
	w.until(`[...document.querySelectorAll('.channel')].some((c) => c.innerText.includes("Fruit night"))`, w.p)
	w.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll('.channel')].find((c) => c.innerText.includes("Fruit night")).click()`))
	w.until(`document.querySelector('[data-testid="message"]')`, w.p)
	w.become("Newcomer", w.p)
	w.command("/generate prompt: a green pear, fruit size: small")
	w.until(`[...document.querySelectorAll('[data-testid="message"] img[data-src]')].some((i) => i.naturalWidth >= 256)`, w.p)
	w.until(lastMessage+`.innerText.includes("Entry 1 by @Newcomer")`, w.p)
}

func (w *tour) rate() {
	w.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll('.channel')].find((c) => c.innerText.includes("# stable")).click()`))
	w.become("Friend", w.p)
	w.says("/rate", "")
	w.until(`[...`+lastMessage+`.querySelectorAll('img')].some((i) => i.naturalWidth >= 256)`, w.p)
}

func (w *tour) stats() {
	w.says("/stats totals", "")
	w.until(lastMessage+`.querySelector('img[data-src]')?.naturalWidth > 100`, w.p)
}

func (w *tour) settings() { w.says("/settings panel", "") }
