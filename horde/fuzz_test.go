// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"strconv"
	"strings"
	"testing"

	"stablemate/horde"
)

func FuzzUUID(f *testing.F) {
	for _, seed := range []string{"", "00000000-0000-4000-8000-000000000000", "AAAAAAAA-bbbb-4ccc-8ddd-EEEEEEEEEEEE", "00000000-0000-4000-8000-00000000000g", strings.Repeat("-", 36)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := horde.ParseUUID(text); err == nil && id.String() != strings.ToLower(text) {
			t.Errorf("%q reads as %s", text, id)
		}
	})
}

func FuzzAlias(f *testing.F) {
	for _, seed := range []string{"a#1", "#", "a#", "a#b#7", "1", "#2147483648", "a#-1", "a#+1", "a# 1", "a#0x1", "a#１"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := horde.ParseAlias(text)
		if !ok {
			return
		}
		digits := text[strings.LastIndexByte(text, '#')+1:]
		if n, err := strconv.ParseInt(digits, 10, 64); err != nil || horde.UserID(n) != id || id < 0 || id > horde.MaxUserID {
			t.Errorf("%q reads as %d", text, id)
		}
	})
}

// A seed text is the same number every time, whatever it holds; digits that fit are themselves.
func FuzzSeed(f *testing.F) {
	for _, seed := range []string{"", "0", "42", "4294967295", "4294967296", "-1", "+7", "1_000", "ä", "a\x00", strings.Repeat("9", 300), " 5", "0b1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := horde.FoldSeed(text)
		if got != horde.FoldSeed(text) {
			t.Errorf("%q is two seeds", text)
		}
		if n, err := strconv.ParseUint(text, 10, 32); err == nil && uint32(n) != got {
			t.Errorf("%q is the seed %d", text, got)
		}
	})
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{"", " a  b ", "a#1", "\u202ea\u200b", "\xff", strings.Repeat("é", 50), "\t\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name := horde.CleanName(text)
		if horde.CleanName(name) != name || strings.ContainsAny(name, "<>#\x00\n\t") || len([]rune(name)) > horde.MaxNameRunes {
			t.Errorf("%q becomes %q", text, name)
		}
	})
}
