// SPDX-License-Identifier: AGPL-3.0-or-later

package filter_test

import (
	"strings"
	"testing"
	"time"

	"stablemate/horde/filter"
)

// prompts of 7,000 characters, the most that can be rewritten, kind and hostile.
func prompts() map[string]string {
	fill := func(s string) string { return strings.Repeat(s, 7000/len([]rune(s))) }
	return map[string]string{
		"words":      fill("a lighthouse at dusk, (oil painting:1.2), "),
		"accents":    fill("ün phàre au crépuscule ｆｏｘ "),
		"letters":    fill("z o r b l e "),
		"almost":     fill("zorblezorble"),
		"brackets":   fill("("),
		"weights":    fill("(a:1.1)"),
		"marks":      fill("a\u0301"),
		"expression": fill("vrang "),
		"hits":       fill("zorble "),
	}
}

func BenchmarkScore(b *testing.B) {
	set := harmless(b)
	for name, prompt := range prompts() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				set.Score(prompt)
			}
		})
	}
	b.Run("short", func(b *testing.B) {
		for b.Loop() {
			set.Score("a lighthouse at dusk, oil painting, highly detailed ### blurry, bad hands")
		}
	})
	full, err := filter.Compile(filter.Defaults())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("built in", func(b *testing.B) {
		for b.Loop() {
			full.Score(prompts()["words"])
		}
	})
}

func BenchmarkReplace(b *testing.B) {
	full, err := filter.Compile(filter.Defaults())
	if err != nil {
		b.Fatal(err)
	}
	var every strings.Builder // one text of each rule
	for _, r := range filter.Defaults() {
		if texts, _ := filter.Texts(r.Regex); r.Type == 10 {
			every.WriteString(texts[0] + ", ")
		}
	}
	prompt := strings.Repeat(every.String(), 7000/every.Len())
	b.SetBytes(int64(len(prompt)))
	for b.Loop() {
		if _, err := full.Replace(prompt, filter.Options{Adults: true}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := filter.Compile(filter.Defaults()); err != nil {
			b.Fatal(err)
		}
	}
}

// Sixteen times the text may take about sixteen times as long, whatever it is made of; a square would be 256 times. A
// busy machine may be slow by chance, but not each time.
func TestNoPromptTakesTheSquareOfItsLength(t *testing.T) { //nolint:paralleltest // it measures
	set := harmless(t)
	score := func(text string) time.Duration {
		start := time.Now()
		set.Score(text)
		return time.Since(start)
	}
	for name, prompt := range prompts() {
		long := strings.Repeat(prompt, 16)
		once, more := time.Hour, time.Hour
		for round := 0; round < 5 || round < 100 && more > 100*once; round++ {
			once, more = min(once, score(prompt)), min(more, score(long))
		}
		if more > 100*once {
			t.Errorf("%s: %v for %d bytes, %v for %d", name, once, len(prompt), more, len(long))
		}
	}
}
