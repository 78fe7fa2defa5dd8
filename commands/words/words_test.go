// SPDX-License-Identifier: AGPL-3.0-or-later

package words_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"stablemate/commands/words"
)

func load(t *testing.T) *words.Bundle {
	t.Helper()
	b, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryTextIsThereInEnglish(t *testing.T) {
	t.Parallel()
	b := load(t)
	english := b.Keys("en")
	for _, lang := range b.Languages() {
		for _, key := range b.Keys(lang) {
			if _, ok := slices.BinarySearch(english, key); !ok {
				t.Errorf("%s has %s, English has not", lang, key)
			}
		}
	}
}

func TestTextsUseTheSameValuesInEveryLanguage(t *testing.T) {
	t.Parallel()
	b := load(t)
	value := regexp.MustCompile(`{{\.(\w+)}}`)
	values := func(text string) []string {
		var out []string
		for _, m := range value.FindAllStringSubmatch(text, -1) {
			if m[1] != "Count" { // some plural forms say the number in words
				out = append(out, m[1])
			}
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	for _, key := range b.Keys("en") {
		want := values(b.For("en").T(key))
		for locale := range b.Locales(key) {
			if got := values(b.Locales(key)[locale]); strings.Contains(b.Locales(key)[locale], "{{") && len(want) > 0 && !slices.Equal(got, want) {
				t.Errorf("%s in %s uses %v, English uses %v", key, locale, got, want)
			}
		}
	}
}

func TestTheFirstKnownLanguageSpeaks(t *testing.T) {
	t.Parallel()
	b := load(t)
	for _, c := range []struct {
		locales []string
		want    string
	}{
		{[]string{"de"}, "Seite 2 von 3"},
		{[]string{"es-419"}, "Página 2 de 3"},
		{[]string{"fr"}, "Page 2 sur 3"},
		{[]string{"ja"}, "2 / 3 ページ"},
		{[]string{"en-GB"}, "Page 2 of 3"},
		{[]string{"tlh", "de"}, "Seite 2 von 3"},
		{nil, "Page 2 of 3"},
		{[]string{""}, "Page 2 of 3"},
	} {
		if got := b.For(c.locales...).T("common.page", "Page", 2, "Pages", 3); got != c.want {
			t.Errorf("%v: %q, want %q", c.locales, got, c.want)
		}
	}
	if got := b.For("de").T("no.such.text"); got != "no.such.text" {
		t.Errorf("a text that is missing: %q", got)
	}
}
