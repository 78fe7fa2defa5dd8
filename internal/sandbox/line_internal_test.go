package sandbox

import (
	"strings"
	"testing"
)

func FuzzLine(f *testing.F) {
	for _, s := range []string{"/generate prompt: red apple size: 1:1", "/kudos gift user: @Friend", "/", "/generate", "/generate prompt:size:", "x", "/generate  prompt:é size:\n"} {
		f.Add(s)
	}
	list := []runnable{
		{Path: "generate", Options: []option{{Name: "prompt", Type: optionString}, {Name: "size", Type: optionString}}},
		{Path: "kudos gift", Options: []option{{Name: "user", Type: optionUser}}},
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, rest := findCommand(line, list)
		if r == nil {
			return
		}
		if rest > len(line) {
			t.Fatalf("options of %q begin at %d", line, rest)
		}
		lead, gave := splitOptions(line, rest, r.Options)
		seen := map[string]bool{}
		for _, g := range gave {
			if seen[g.opt.Name] || g.start > len(line) || !strings.Contains(line, g.text) {
				t.Fatalf("%q gives %+v", line, gave)
			}
			seen[g.opt.Name] = true
		}
		if !strings.Contains(line, lead) {
			t.Fatalf("%q begins with %q", line, lead)
		}
	})
}

func FuzzEmoji(f *testing.F) {
	for _, s := range []string{"❤️", "<:kudos:1>", "<a:x:2>", "kudos:3", "x", ":", "1", "#️⃣", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if e, ok := parseEmoji(s); ok && (e.Name == "" || !e.same(e)) {
			t.Fatalf("parseEmoji(%q) = %+v", s, e)
		}
	})
}
