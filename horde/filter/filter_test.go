// SPDX-License-Identifier: AGPL-3.0-or-later

package filter_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/quick"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde/filter"
)

func compile(tb testing.TB, rules ...filter.Rule) *filter.Set {
	tb.Helper()
	for i := range rules {
		rules[i].ID = int64(i + 1)
	}
	s, err := filter.Compile(rules)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// harmless are invented words in both groups.
func harmless(tb testing.TB) *filter.Set {
	tb.Helper()
	return compile(tb,
		filter.Rule{Type: 10, Regex: `\bzorbles?\b`, Replacement: "teapot"},
		filter.Rule{Type: 11, Regex: `\bquimp(ing|ed)?\b`},
		filter.Rule{Type: 20, Regex: `\bflarn(s|y)?\b`},
		filter.Rule{Type: 20, Regex: `vrang.*mip`},
		filter.Rule{Type: 15, Regex: `\bunused\b`},
	)
}

func TestAPromptIsBlockedWhenBothContextsMeet(t *testing.T) {
	t.Parallel()
	set := harmless(t)
	for name, tc := range map[string]struct {
		prompt string
		want   filter.Verdict
	}{
		"nothing found":                       {"a lighthouse at dusk", filter.Verdict{}},
		"one group only":                      {"a zorble and a quimp", filter.Verdict{Score: 1, First: true, Matches: []string{"zorble", "quimp"}}},
		"the other group only":                {"flarn flarny", filter.Verdict{Score: 1, Second: true, Matches: []string{"flarn"}}},
		"both groups":                         {"a Zorble, very FLARNY", filter.Verdict{Score: 2, First: true, Second: true, Matches: []string{"Zorble", "FLARNY"}}},
		"a hit in the negative part":          {"a zorble ### flarn", filter.Verdict{Score: 1, First: true, Matches: []string{"zorble"}}},
		"a word inside another":               {"zorbleton flarn", filter.Verdict{Score: 1, Second: true, Matches: []string{"flarn"}}},
		"a type that is not in use":           {"unused flarn", filter.Verdict{Score: 1, Second: true, Matches: []string{"flarn"}}},
		"hidden behind weights":               {"(zor:1.1)ble, ((flarn:1.2) x:0.5)", filter.Verdict{Score: 2, First: true, Second: true, Matches: []string{"zorble", "flarn"}}},
		"hidden behind blanks and points":     {"z.o.r.b.l.e __ f l a r n", filter.Verdict{}},
		"spaced out among other words":        {"one z o r b l e with f-l-a-r-n", filter.Verdict{Score: 2, First: true, Second: true, Matches: []string{"zorble", "flarn"}}},
		"hidden behind accents and alphabets": {"zörblé ｆｌａｒｎ", filter.Verdict{Score: 2, First: true, Second: true, Matches: []string{"zorble", "flarn"}}},
		"look-alikes of another script":       {"zоrblе flаrn", filter.Verdict{Score: 2, First: true, Second: true, Matches: []string{"zorble", "flarn"}}},
		"invisible characters":                {"zor\u200bble fl\u00adarn", filter.Verdict{Score: 2, First: true, Second: true, Matches: []string{"zorble", "flarn"}}},
		"an expression that runs":             {"quimping vrang and mip", filter.Verdict{Score: 2, First: true, Second: true, Matches: []string{"quimping", "vrang and mip"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := set.Score(tc.prompt)
			if name == "hidden behind blanks and points" { // one long run of letters is one word
				if got.Blocked() {
					t.Errorf("Score(%q) = %+v", tc.prompt, got)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Score(%q) (-want +got):\n%s", tc.prompt, diff)
			}
			if got.Blocked() != (tc.want.Score == 2) {
				t.Errorf("Blocked() = %v with score %d", got.Blocked(), got.Score)
			}
		})
	}
}

func TestEmojiThatDepictMinorsCountForTheFirstGroup(t *testing.T) {
	t.Parallel()
	got := harmless(t).Score("flarn \U0001F476\U0001F3FD")
	if !got.Blocked() || !got.First {
		t.Errorf("Score = %+v, want both groups", got)
	}
	if got := harmless(t).Score("\U0001F476 \U0001F476"); got.Score != 1 {
		t.Errorf("score of emoji alone = %d, want 1", got.Score)
	}
}

func TestOneTypeOfRulesCanBeTried(t *testing.T) {
	t.Parallel()
	set := harmless(t)
	for typ, want := range map[int]int{0: 2, 10: 1, 11: 0, 20: 1, 15: 0} {
		if got := set.ScoreType("zorble flarn", typ); got.Score != want {
			t.Errorf("ScoreType(%d) = %+v, want score %d", typ, got, want)
		}
	}
}

func TestASetWithoutRulesBlocksNothing(t *testing.T) {
	t.Parallel()
	var none *filter.Set
	for _, set := range []*filter.Set{none, compile(t)} {
		if got := set.Score("anything at all"); got.Score != 0 {
			t.Errorf("Score = %+v, want none", got)
		}
		if set.Len() != 0 || set.Expression(10) != "" {
			t.Errorf("Len() = %d, Expression = %q", set.Len(), set.Expression(10))
		}
	}
	if got, err := none.Replace("a  b ### c", filter.Options{}); err != nil || !strings.HasPrefix(got, "a b ### ") {
		t.Errorf("Replace without a set = %q, %v", got, err)
	}
}

func TestARuleThatCannotBeUsedIsNamed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rule filter.Rule
		want string
	}{
		"an open bracket":            {filter.Rule{Type: 10, Regex: "(zorble"}, "missing closing )"},
		"look-ahead":                 {filter.Rule{Type: 10, Regex: "zorble(?!x)"}, "look-ahead"},
		"a back-reference":           {filter.Rule{Type: 10, Regex: `(zorble)\1`}, "back-reference"},
		"a possessive repetition":    {filter.Rule{Type: 10, Regex: "zo++rble"}, "possessive"},
		"nothing":                    {filter.Rule{Type: 10}, "empty"},
		"what matches nothing":       {filter.Rule{Type: 10, Regex: "(zorble)?"}, "almost every prompt"},
		"any word":                   {filter.Rule{Type: 10, Regex: `\w+`}, "almost every prompt"},
		"a boundary":                 {filter.Rule{Type: 10, Regex: `\b`}, "almost every prompt"},
		"punctuation":                {filter.Rule{Type: 10, Regex: `zor-ble`}, "can never match"},
		"a type that is too low":     {filter.Rule{Type: 9, Regex: "zorble"}, "between 10 and 29"},
		"a type of the house":        {filter.Rule{Type: 30, Regex: "zorble"}, "between 10 and 29"},
		"a long expression":          {filter.Rule{Type: 10, Regex: strings.Repeat("z", 5000)}, "bytes"},
		"a huge repetition":          {filter.Rule{Type: 10, Regex: "((zorble){20}){40}"}, "too large"},
		"a repetition of repetition": {filter.Rule{Type: 10, Regex: "(((zo){900}){900}){900}"}, "compile"},
		"a long replacement":         {filter.Rule{Type: 10, Regex: "zorble", Replacement: strings.Repeat("z", 300)}, "replacement"},
		"a replacement with ###":     {filter.Rule{Type: 10, Regex: "zorble", Replacement: "a ### b"}, "###"},
		"a long description":         {filter.Rule{Type: 10, Regex: "zorble", Description: strings.Repeat("z", 2000)}, "description"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.rule.ID = 7
			_, err := filter.Compile([]filter.Rule{{ID: 3, Type: 20, Regex: "flarn"}, tc.rule})
			var bad *filter.RuleError
			if !errors.As(err, &bad) || bad.ID != 7 || !strings.Contains(bad.Reason, tc.want) {
				t.Errorf("Compile = %v, want rule 7 and %q", err, tc.want)
			}
			if err := filter.Check(tc.rule); err == nil {
				t.Error("Check found nothing wrong")
			}
		})
	}
	if _, err := filter.Compile(make([]filter.Rule, filter.MaxRules+1)); err == nil {
		t.Error("Compile took too many rules")
	}
	big := make([]filter.Rule, 100)
	for i := range big {
		big[i] = filter.Rule{ID: int64(i), Type: 10, Regex: strings.Repeat("zorble|q[aeiou]{9}x|", 100) + "zorble"}
	}
	if _, err := filter.Compile(big); err == nil || !strings.Contains(err.Error(), "together") {
		t.Errorf("Compile of a huge set = %v", err)
	}
}

// Words with endings and numbers are decided without running their expression; both ways have to agree.
func TestTheAutomatonAgreesWithTheExpressions(t *testing.T) {
	t.Parallel()
	expressions := []string{
		`zorble`, `\bzorble\b`, `zorbles?`, `\b(zorble|quimp)(s|ed)?\b`, `zo[rst]ble`, `zo\s*rb`, `\bz\b`, `(zo){2,3}\b`,
		`zo ?rb`, `\bq (a|b)\b`, `b\b \bq`, `[1-3] ?zo`, `zo.rb`, `z+o`, `rb\w{2}`, `\Bzo`, `^zo`, `zo$`, `(?-i:zo)`, `[^z]o`, `aо`, `q[абв]`,
		`(zo|rb)+`, `k[s]k`, `\bx?zo\b`, `(zo|zor|zorb)`, `o{1,2}r`, `a|b|zo`,
	}
	words := []string{
		"zorble", "zo", "rb", "zorb", "ble", "quimp", "s", "ed", "zosble", "ZO", "Zorbles", "q", "a", "b", "1", "2zo", "z", "o", "oor",
		"字", "é", "k", "sk", "x", "zozo", "zozozo",
	}
	sets, plain := map[string]*filter.Set{}, map[string]*regexp.Regexp{}
	for _, e := range expressions {
		set, err := filter.Compile([]filter.Rule{{Type: 10, Regex: e}})
		if err != nil {
			continue // too broad for a rule
		}
		sets[e], plain[e] = set, regexp.MustCompile("(?i)"+e)
	}
	if len(sets) < 20 {
		t.Fatalf("only %d expressions can be rules", len(sets))
	}
	agree := func(picks []uint8) bool {
		var text strings.Builder
		for _, p := range picks {
			text.WriteString(words[int(p>>1)%len(words)])
			if p&1 == 0 {
				text.WriteByte(' ')
			}
		}
		normal := filter.Normalise(text.String())
		for e, set := range sets {
			want := plain[e].MatchString(normal)
			if got := set.Score(normal).First; got != want {
				t.Errorf("%q in %q = %v, want %v", e, normal, got, want)
				return false
			}
		}
		return true
	}
	if err := quick.Check(agree, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}

func TestAPromptIsRewritten(t *testing.T) {
	t.Parallel()
	set := compile(t,
		filter.Rule{Type: 10, Regex: `\bzorbles?\b`, Replacement: "teapot"},
		filter.Rule{Type: 10, Regex: `\bteapot of\b`, Replacement: "kettle from"},
		filter.Rule{Type: 10, Regex: `gr[aeiou]+nk`, Replacement: ""},
		filter.Rule{Type: 11, Regex: `\bquimp\b`},
		filter.Rule{Type: 20, Regex: `\bflarn\b`},
	)
	for name, tc := range map[string]struct {
		prompt, want string
		err          error
	}{
		"a word":                      {"a (zorble:1.2), flarn", "a teapot flarn", nil},
		"what one rule wrote":         {"a ZORBLE of iron", "a kettle from iron", nil},
		"an expression and nothing":   {"one greenk, flarn", "one flarn", nil},
		"a negative part":             {"zorble flarn ### blurry", "teapot flarn", nil},
		"a rule without substitution": {"quimp zorble flarn", "", filter.ErrStillBlocked},
		"nothing is left":             {"groonk!", "", filter.ErrNothingLeft},
		"nothing was there":           {"?!", "", filter.ErrNothingLeft},
		"just short enough":           {strings.Repeat("zo ", 2333) + "a", strings.Repeat("zo ", 2333) + "a", nil},
		"too long":                    {strings.Repeat("zo ", 2334), "", filter.ErrTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := set.Replace(tc.prompt, filter.Options{})
			if !errors.Is(err, tc.err) {
				t.Fatalf("Replace(%q) = %q, %v, want %v", tc.prompt, got, err, tc.err)
			}
			if err != nil {
				return
			}
			positive, negative := filter.Split(got)
			if strings.TrimSpace(positive) != tc.want || strings.TrimSpace(negative) == "" {
				t.Errorf("Replace(%q) = %q, want %q and a negative part", tc.prompt, got, tc.want)
			}
			if _, own := filter.Split(tc.prompt); !strings.HasSuffix(got, strings.TrimSpace(own)) {
				t.Errorf("Replace(%q) = %q lost the caller's negative part", tc.prompt, got)
			}
		})
	}
}

func TestReplacementsCannotGrowWithoutBound(t *testing.T) {
	t.Parallel()
	var rules []filter.Rule
	for range 20 {
		rules = append(rules, filter.Rule{Type: 10, Regex: `\bzo\b`, Replacement: strings.Repeat("zo ", 60)})
	}
	if _, err := compile(t, rules...).Replace("zo zo", filter.Options{}); !errors.Is(err, filter.ErrTooLong) {
		t.Errorf("Replace = %v, want %v", err, filter.ErrTooLong)
	}
}

// The words come from the data, so that none stands here.
func TestTheBuiltInRulesBlockOneWordOfEachGroupTogether(t *testing.T) {
	t.Parallel()
	rules := filter.Defaults()
	set, err := filter.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	if set.Exact() != set.All() {
		t.Errorf("%d of %d built-in rules need to run their expression; a check should not", set.All()-set.Exact(), set.All())
	}
	words := map[int][]string{}
	for i, r := range rules {
		texts, ok := filter.Texts(r.Regex)
		if !ok || len(texts) == 0 || texts[0] == "" {
			t.Fatalf("built-in rule %d has no texts", i+1)
		}
		words[r.Type] = append(words[r.Type], texts...)
	}
	if len(words[10]) < 10 || len(words[20]) < 10 {
		t.Fatalf("%d and %d words in the two groups", len(words[10]), len(words[20]))
	}
	for i, first := range words[10] {
		second := words[20][i%len(words[20])]
		prompt := "a " + first + ", with " + second
		if got := set.Score(prompt); !got.Blocked() {
			t.Errorf("word %d of the first group beside a word of the second scores %d", i, got.Score)
		}
		if got := set.Score("a " + first); got.Score != 1 || !got.First {
			t.Errorf("word %d of the first group alone scores %d", i, got.Score)
		}
		rewritten, err := set.Replace(prompt, filter.Options{})
		if err != nil || set.Score(rewritten).Blocked() {
			t.Errorf("word %d of the first group was not rewritten: %v", i, err)
		}
		if !set.Young(first, filter.Options{}) {
			t.Errorf("word %d of the first group does not count as young", i)
		}
	}
	for i, second := range words[20] {
		if got := set.Score(second + " statue"); got.Score != 1 || !got.Second {
			t.Errorf("word %d of the second group alone scores %d", i, got.Score)
		}
	}
	for _, prompt := range []string{"a lighthouse at dusk, oil painting", "portrait of a woman, 45 years old, smiling", "castle ruins, 19 years later"} {
		if got := set.Score(prompt); got.Score != 0 {
			t.Errorf("Score(%q) = %d, want 0", prompt, got.Score)
		}
		if set.Young(prompt, filter.Options{}) {
			t.Errorf("Young(%q)", prompt)
		}
	}
}

func TestModelsForNudityGetAdultsOnly(t *testing.T) {
	t.Parallel()
	set, err := filter.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		prompt string
		tags   bool
		young  bool
		want   string
	}{
		"an adjective":            {"a young man with a hat", false, true, "a adult man with a hat"},
		"a count tag":             {"1girl, hat", false, true, "adult woman hat"},
		"a count tag that counts": {"1girl, hat", true, false, "1girl hat"},
		"a word with a count tag": {"1girl, a girl, hat", true, true, "1girl a adult woman hat"},
		"boys":                    {"two boys, hat", true, true, "two adult man hat"},
		"nobody young":            {"an old woman", false, false, "an old woman"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := filter.Options{Adults: true, CountTags: tc.tags}
			if got := set.Young(tc.prompt, o); got != tc.young {
				t.Errorf("Young(%q) = %v, want %v", tc.prompt, got, tc.young)
			}
			got, err := set.Replace(tc.prompt, o)
			positive, _ := filter.Split(got)
			if err != nil || strings.TrimSpace(positive) != tc.want {
				t.Errorf("Replace(%q) = %q, %v, want %q", tc.prompt, got, err, tc.want)
			}
			plain, err := set.Replace(tc.prompt, filter.Options{})
			positive, _ = filter.Split(plain)
			if err != nil || strings.TrimSpace(positive) != filter.Normalise(tc.prompt) {
				t.Errorf("without the option, Replace(%q) = %q, %v", tc.prompt, plain, err)
			}
		})
	}
}

func TestExpressionsOfATypeAreJoined(t *testing.T) {
	t.Parallel()
	set := compile(t, filter.Rule{Type: 10, Regex: "zorble"}, filter.Rule{Type: 20, Regex: "flarn"}, filter.Rule{Type: 10, Regex: "quimp"})
	if got := set.Expression(10); got != "(zorble|quimp)" {
		t.Errorf("Expression(10) = %q", got)
	}
	if got := set.Expression(11); got != "" {
		t.Errorf("Expression(11) = %q, want none", got)
	}
	if set.Len() != 3 {
		t.Errorf("Len() = %d, want 3", set.Len())
	}
}

func TestCompilingLeavesTheRulesAlone(t *testing.T) {
	t.Parallel()
	rules := []filter.Rule{{ID: 9, Type: 20, Regex: "flarn"}, {ID: 2, Type: 10, Regex: "zorble"}}
	before := slices.Clone(rules)
	if _, err := filter.Compile(rules); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, rules); diff != "" {
		t.Errorf("Compile changed its argument:\n%s", diff)
	}
}
