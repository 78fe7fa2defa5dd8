// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/origin"
	"stablemate/internal/discord"
)

func TestAStyleOfTextsComesBeforeWhatThePersonSays(t *testing.T) {
	t.Parallel()
	styled := &worn{Style: horde.Style{
		Kind: horde.StyleText, Prompt: "Tell a tale: {p}. Go!\n", Text: &horde.TextSettings{
			Temperature: new(1.5), TopP: new(0.9), StopSequence: []string{"END"},
		},
	}}
	for name, c := range map[string]struct {
		p    params
		want horde.Text
	}{
		"the style alone": {
			params{Prompt: "apple", Text: &textAsk{Length: 50}, Styled: styled}, horde.Text{
				Prompt: "Tell a tale: apple. Go!\n", Settings: horde.TextSettings{Temperature: new(1.5), TopP: new(0.9), StopSequence: []string{"END"}},
			},
		},
		"with a temperature, a format, and what is written already": {
			params{Prompt: "apple", Text: &textAsk{Length: 50, Temperature: new(0.2), Format: formatChat, SoFar: " Once", Details: map[string]float64{"top_p": 0.5, "top_k": 9}}, Styled: styled}, horde.Text{
				Prompt:   "Tell a tale: You: apple\nAssistant:. Go!\n Once",
				Settings: horde.TextSettings{Temperature: new(0.2), TopP: new(0.5), TopK: new(9), StopSequence: []string{"END", "\nYou:"}},
			},
		},
		"without a style": {
			params{Prompt: "apple", Text: &textAsk{Length: 50, Format: formatInstruct, SoFar: "Once"}}, horde.Text{
				Prompt: "### Instruction:\napple\n\n### Response:\nOnce", Settings: horde.TextSettings{StopSequence: []string{"### Instruction:"}},
			},
		},
	} {
		got := c.p.newText("", origin.Origin{}).Text
		c.want.MaxLength, c.want.MaxContext, c.want.Style = 50, leastContext, got.Style
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func TestALongPromptIsEditedWhole(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, discord.MaxInputValue, discord.MaxInputValue + 1, maxTextPrompt} {
		prompt, back := strings.Repeat("é", n-1)+"!", ""
		for _, field := range promptInputs(set(t).bundle.For("de"), prompt) {
			back += field.Value
			if utf8.RuneCountInString(field.Value) > discord.MaxInputValue {
				t.Errorf("of %d characters a field has too many", n)
			}
		}
		if back != prompt {
			t.Errorf("of %d characters %d come back", n, utf8.RuneCountInString(back))
		}
	}
}
