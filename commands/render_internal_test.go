// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/emojikudos"
	"stablemate/horde"
	"stablemate/internal/discord"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"red apple":             "red apple",
		"**bold** _it_ ~~x~~":   `\*\*bold\*\* \_it\_ \~\~x\~\~`,
		"<@1> @here <:a:1>":     `\<\@1> \@here \<:a:1>`,
		"# head":                `\# head`,
		"name#5":                "name#5",
		"[x](https://a.b)":      `\[x\](https\://a.b)`,
		"a\nb\t c\r\n":          "a b c",
		"\u202egnp.exe\u202c\a": "gnp.exe",
		"👩‍🚀 ratio 3:2":         "👩‍🚀 ratio 3:2",
		"bad \xff byte":         "bad byte",
	} {
		if got := escape(in); got != want {
			t.Errorf("escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzShown(f *testing.F) {
	for _, s := range []string{"red apple", "**", "```", "<@1>", "\u202e", "\xff", strings.Repeat("*", 5000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, prompt string) {
		s := shown(prompt)
		if n := utf8.RuneCountInString(s); n > 2*promptShown || !utf8.ValidString(s) || strings.ContainsAny(s, "\n\r\x00") {
			t.Errorf("shown(%q) = %q with %d characters", prompt, s, n)
		}
		for i, r := range s {
			if r == '<' && s[i-1] != '\\' {
				t.Errorf("shown(%q) = %q can mention somebody", prompt, s)
			}
		}
	})
}

func set(t *testing.T) *Set {
	t.Helper()
	b, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := &Set{now: time.Now, bundle: b, gifts: &emojikudos.Gifts{}}
	s.opts.defaults()
	return s
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"square", "512x768", "512 × 768", "64", "99999x1", "x", "-1x5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sizes := set(t).opts.Sizes
		z, ok := sizeOf(sizes, text)
		if ok && (z.Width < 0 || z.Height < 0 || z.Width > 9999 || z.Height > 9999) {
			t.Errorf("size(%q) = %+v", text, z)
		}
		for _, c := range suggestSizes(sizes, text) {
			if z, ok := sizeOf(sizes, c.Value.(string)); !ok || z.Width%horde.SideStep != 0 || z.Height%horde.SideStep != 0 {
				t.Errorf("typing %q suggests %+v", text, c)
			}
		}
	})
}

func TestLongTextsAreRefusedBeforeTheCoreSeesThem(t *testing.T) {
	t.Parallel()
	text := func(n int) discord.OptionValue {
		return discord.OptionValue{Type: discord.OptionString, Value: strings.Repeat("é", n)}
	}
	for name, c := range map[string]struct {
		options discord.OptionValues
		want    horde.Code
	}{
		"a prompt of 4,000 characters":   {discord.OptionValues{"prompt": text(4000)}, ""},
		"a prompt of 100,000 characters": {discord.OptionValues{"prompt": text(100_000)}, horde.CodeInvalidPromptSize},
		"a long negative prompt":         {discord.OptionValues{"prompt": text(1), "negative": text(2001)}, horde.CodeInvalidPromptSize},
		"a long seed":                    {discord.OptionValues{"prompt": text(1), "seed": text(101)}, horde.CodeBadRequest},
		"a long model name":              {discord.OptionValues{"prompt": text(1), "model": text(101)}, horde.CodeBadRequest},
		"eleven images": {
			discord.OptionValues{"prompt": text(1), "amount": {Type: discord.OptionInteger, Value: 11.0}}, horde.CodeBadRequest,
		},
	} {
		_, err := set(t).read(set(t).bundle.For(), c.options, chat.Defaults{Width: 512, Height: 512})
		refusal, _ := errors.AsType[*horde.Error](err)
		if (refusal == nil) != (c.want == "") || refusal != nil && refusal.Code != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestTheCountdownStaysWhileTheEstimateAgrees(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		shown, wait time.Duration // from now
		keep        bool
	}{
		"a fifth off":     {100 * time.Second, 120 * time.Second, true},
		"more than that":  {100 * time.Second, 121 * time.Second, false},
		"much sooner":     {100 * time.Second, 10 * time.Second, false},
		"a second or two": {4 * time.Second, 2 * time.Second, true},
		"long over":       {-5 * time.Second, 30 * time.Second, false},
	} {
		e := editor{live: &live{ready: now.Add(c.shown)}, now: now}
		got := e.countdown(horde.Status{Progress: horde.Progress{Wait: c.wait}})
		if kept := got.Equal(e.ready); kept != c.keep {
			t.Errorf("%s: shows %s from now", name, got.Sub(now))
		}
	}
}

func TestThePaceSlowsDown(t *testing.T) {
	t.Parallel()
	last := time.Duration(0)
	for age := time.Duration(0); age < time.Hour; age += time.Second {
		p := pace(age)
		if p < last || p < 5*time.Second || p > time.Minute {
			t.Fatalf("pace(%v) = %v after %v", age, p, last)
		}
		last = p
	}
}

// Every message we make fits Discord's limits, with the longest texts there are.
func TestMessagesFit(t *testing.T) {
	t.Parallel()
	v := voice{set(t).bundle.For("de")}
	for _, text := range []string{
		textBadSize, v.queued(3, "soon"), v.impossible(strings.Repeat("x", 300), time.Now()), v.T("account.key.new", "Key", strings.Repeat("k", 22), "When", "soon"),
	} {
		if err := (discord.Message{Content: text}).Validate(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
