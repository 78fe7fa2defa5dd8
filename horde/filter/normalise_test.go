// SPDX-License-Identifier: AGPL-3.0-or-later

package filter_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"stablemate/horde/filter"
)

func TestNormalise(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string][2]string{
		"plain words stay":                   {"a red fox", "a red fox"},
		"case stays":                         {"A Red FOX", "A Red FOX"},
		"blanks become one":                  {"  a\t red\n\nfox ", "a red fox"},
		"punctuation becomes a blank":        {"a,red.fox!{sly}", "a red fox sly"},
		"underscores become a blank":         {"a_red__fox", "a red fox"},
		"a weight":                           {"(red fox:1.2), tree", "red fox tree"},
		"a weight inside a word":             {"f(o:1.1)x", "fox"},
		"weights inside weights":             {"((red:1.2) fox:0.8)", "red fox"},
		"a negative weight":                  {"(red:-1.5) fox", "red fox"},
		"a whole weight":                     {"(red:2) fox", "red fox"},
		"a number that may be an age":        {"(fox:12)", "fox 12"},
		"brackets without a weight":          {"((red)) [fox]", "red fox"},
		"a colon without brackets":           {"red:1.2 fox)", "red 1 2 fox"},
		"accents":                            {"rénard ÅÉÎÕÜ", "renard AEIOU"},
		"combining accents":                  {"re\u0301nard", "renard"},
		"stacked marks":                      {"f\u0334\u0352\u0301o\u0321x\u0489", "fox"},
		"full width":                         {"ｆｏｘ　ｄｅｎ", "fox den"},
		"mathematical letters":               {"𝐟𝔬𝓍 𝟏𝟐", "fox 12"},
		"letters in circles and squares":     {"ⓕⓞⓧ 🅵🅾🆇 🅕🅞🅧 🇫🇴🇽", "fox FOX FOX FOX"},
		"Cyrillic look-alikes":               {"fох", "fox"},
		"Greek look-alikes":                  {"fοχ", "fox"},
		"ligatures":                          {"ﬁne œuf straße", "fine oeuf strasse"},
		"digits of other scripts":            {"٣ १२ fox", "3 12 fox"},
		"superscripts":                       {"fox²", "fox2"},
		"invisible characters":               {"f\u200bo\u2060x\ufe0f\u00ad", "fox"},
		"direction marks":                    {"\u202ef\u202cox", "fox"},
		"emoji become a blank":               {"fox🦊den", "fox den"},
		"spaced-out letters":                 {"the f o x ran", "the fox ran"},
		"letters with points between":        {"the f.o.x. ran", "the fox ran"},
		"letters with anything between":      {"f * o _ x", "fox"},
		"two letters stay apart":             {"plan a b then", "plan a b then"},
		"spaced-out digits stay apart":       {"1 2 3 4", "1 2 3 4"},
		"spaced out at both ends":            {"f o x den f o x", "fox den fox"},
		"other scripts stay":                 {"赤い狐、森", "赤い狐 森"},
		"their marks stay":                   {"हिन्दी", "हिन्दी"},
		"marks without a letter go":          {"\u0301 fox", "fox"},
		"bytes that are no text":             {"fox\xff\xfeden", "fox den"},
		"nothing":                            {"", ""},
		"nothing but punctuation":            {"?!...", ""},
		"brackets that do not match":         {")))(((:1.2", "1 2"},
		"a weight around nothing":            {"red (:1.2) fox", "red fox"},
		"a weight with too many digits":      {"(fox:1.234567890123456789)", "fox 1 234567890123456789"},
		"a separator is only punctuation":    {"red ### fox", "red fox"},
		"apostrophes":                        {"fox's den", "fox s den"},
		"numbers with words":                 {"2foxes 3 hens", "2foxes 3 hens"},
		"enclosed numbers":                   {"⑫ ⑴", "12 1"},
		"a blank that is no ordinary one":    {"red\u00a0fox\u3000den", "red fox den"},
		"letters without look-alikes remain": {"ქართული", "ქართული"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := filter.Normalise(tc[0]); got != tc[1] {
				t.Errorf("Normalise(%q) = %q, want %q", tc[0], got, tc[1])
			}
		})
	}
}

// checkNormal holds what every normalised text is.
func checkNormal(t *testing.T, from, text string) {
	t.Helper()
	switch {
	case !utf8.ValidString(text):
		t.Errorf("Normalise(%q) = %q is not valid UTF-8", from, text)
	case len(text) > 4*len(from):
		t.Errorf("Normalise(%q) has %d bytes of %d", from, len(text), len(from))
	case strings.Contains(text, "  ") || strings.TrimSpace(text) != text:
		t.Errorf("Normalise(%q) = %q has blanks that do not divide words", from, text)
	case strings.ContainsAny(text, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\t\n\r\x00"):
		t.Errorf("Normalise(%q) = %q has punctuation", from, text)
	}
	if again := filter.Normalise(text); again != text {
		t.Errorf("Normalise(%q) = %q, and again %q", from, text, again)
	}
}

func FuzzNormalise(f *testing.F) {
	for _, seed := range []string{"(a:1.2)", "f o x", "ｆｏｘ", "f\u0334ox", "((a:1.1)b:2)", "हिन्दी", "\xff", "🇫🇴🇽", "a\u200bb", "ﷺ", "½", "a字b", "_ a _ b _ c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { checkNormal(t, text, filter.Normalise(text)) })
}

func FuzzReplace(f *testing.F) {
	set := harmless(f)
	for _, seed := range []string{"zorble flarn ### x", "a (zorble:1.2)", "quimp", "vrang x mip", "###", "zorble zorbles zorble", "1girl young"} {
		f.Add(seed, true, false)
	}
	f.Fuzz(func(t *testing.T, prompt string, adults, tags bool) {
		verdict := set.Score(prompt)
		if verdict.Score < 0 || verdict.Score > 2 || verdict.Score > 0 && len(verdict.Matches) == 0 {
			t.Errorf("Score(%q) = %+v", prompt, verdict)
		}
		got, err := set.Replace(prompt, filter.Options{Adults: adults, CountTags: tags})
		if err != nil {
			return
		}
		positive, negative := filter.Split(got)
		if strings.TrimSpace(positive) == "" || strings.TrimSpace(negative) == "" {
			t.Errorf("Replace(%q) = %q", prompt, got)
		}
		if set.Score(got).Blocked() {
			t.Errorf("Replace(%q) = %q is blocked", prompt, got)
		}
		if strings.Contains(" "+positive+" ", " zorble ") {
			t.Errorf("Replace(%q) = %q left a word in", prompt, got)
		}
	})
}
