// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// english gives rules a voice.
func english(t *testing.T, e Effective) Effective {
	t.Helper()
	b, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	e.say, e.aloud = b.For("en-US"), b.For("de")
	return e
}

func TestImagesForAdultsNeedEverybodysConsent(t *testing.T) {
	t.Parallel()
	never := chat.Guild{Rules: chat.Rules{Adult: chat.AdultNever}}
	calm := chat.Guild{Channels: map[string]chat.Rules{"c": {Adult: chat.AdultNever}}}
	said := chat.Person{Adult: time.Unix(1, 0)}
	adult := Ceiling{Adult: true}
	flagged := place{guild: "g", channel: "c", restricted: true}
	for name, c := range map[string]struct {
		ceiling Ceiling
		guild   chat.Guild
		person  chat.Person
		at      place
		want    bool
	}{
		"a restricted channel":                    {adult, chat.Guild{}, chat.Person{}, flagged, true},
		"a channel that is not":                   {adult, chat.Guild{}, said, place{guild: "g", channel: "c"}, false},
		"a restricted channel, without operator":  {Ceiling{}, chat.Guild{}, said, flagged, false},
		"a guild that never wants them":           {adult, never, said, flagged, false},
		"a channel that never wants them":         {adult, calm, said, flagged, false},
		"a person who does not":                   {adult, chat.Guild{}, chat.Person{Mild: true, Adult: said.Adult}, flagged, false},
		"a direct message":                        {adult, chat.Guild{}, chat.Person{}, place{direct: true}, false},
		"a direct message of an adult":            {adult, chat.Guild{}, said, place{direct: true}, true},
		"an adult's, without operator":            {Ceiling{}, chat.Guild{}, said, place{direct: true}, false},
		"direct messages with others":             {adult, chat.Guild{}, said, place{}, false},
		"a foreign guild, where only a person is": {adult, chat.Guild{}, said, place{guild: "h", channel: "d"}, false},
	} {
		e := resolve(c.ceiling, c.guild, c.person, c.at)
		if e.adult != c.want {
			t.Errorf("%s: %v, want %v", name, e.adult, c.want)
		}
	}
	if e := resolve(adult, chat.Guild{}, said, place{direct: true}); !e.spoiler {
		t.Error("what is for adults is not hidden in direct messages")
	}
}

func TestTheNarrowerRuleWinsUnderTheCeiling(t *testing.T) {
	t.Parallel()
	g := chat.Guild{
		Rules: chat.Rules{Limits: chat.Limits{Steps: 30, Amount: 2, Pixels: 1 << 18, AtOnce: 3}, NoModels: []string{"a"}, Language: "de"},
		Channels: map[string]chat.Rules{
			"category": {Limits: chat.Limits{Steps: 40}, NoModels: []string{"b"}, Spoiler: new(true)},
			"channel":  {Limits: chat.Limits{Steps: 50}, Answers: chat.AnswersPrivate},
		},
		Roles: map[string]chat.Limits{"less": {Steps: 10}, "more": {Steps: 20, Amount: 8}},
	}
	limits := func(at place) chat.Limits {
		return resolve(Ceiling{Limits: chat.Limits{Amount: 6, InGuild: 9}}, g, chat.Person{}, at).limits
	}
	for name, c := range map[string]struct {
		at   place
		want chat.Limits
	}{
		"outside of guilds":        {place{}, chat.Limits{Amount: 4, InGuild: 9}},
		"the guild":                {place{guild: "g", channel: "x"}, chat.Limits{Steps: 30, Amount: 2, Pixels: 1 << 18, AtOnce: 3, InGuild: 9}},
		"a category":               {place{guild: "g", channel: "x", parent: "category"}, chat.Limits{Steps: 40, Amount: 2, Pixels: 1 << 18, AtOnce: 3, InGuild: 9}},
		"a channel of it":          {place{guild: "g", channel: "channel", parent: "category"}, chat.Limits{Steps: 50, Amount: 2, Pixels: 1 << 18, AtOnce: 3, InGuild: 9}},
		"a role with less":         {place{guild: "g", channel: "channel", roles: []string{"less"}}, chat.Limits{Steps: 10, Amount: 2, Pixels: 1 << 18, AtOnce: 3, InGuild: 9}},
		"the most generous role":   {place{guild: "g", channel: "channel", roles: []string{"less", "more"}}, chat.Limits{Steps: 20, Amount: 6, Pixels: 1 << 18, AtOnce: 3, InGuild: 9}},
		"a role without any rules": {place{guild: "g", roles: []string{"z"}}, chat.Limits{Steps: 30, Amount: 2, Pixels: 1 << 18, AtOnce: 3, InGuild: 9}},
	} {
		if diff := cmp.Diff(c.want, limits(c.at)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	e := resolve(Ceiling{}, g, chat.Person{Private: false}, place{guild: "g", channel: "channel", parent: "category"})
	if e.serves("A") || e.serves("b") || !e.serves("c") || !e.spoiler || !e.hidden(nil) {
		t.Errorf("lists do not add up, or the channel's choices do not count: %+v", e)
	}
}

func TestRefusalsNameTheRule(t *testing.T) {
	t.Parallel()
	g := chat.Guild{Rules: chat.Rules{
		Models: []string{"tiny"}, NoStyles: []string{"dark"}, Words: []string{"quimp", "two words", "猫"}, Sources: chat.SourcesOff,
		Limits: chat.Limits{Pixels: 512 * 512, Steps: 30, Amount: 2},
	}}
	e := english(t, resolve(Ceiling{}, g, chat.Person{}, place{guild: "g", channel: "c"}))
	for name, c := range map[string]struct {
		ask  ask
		want string
	}{
		"all is well":              {ask{model: "Tiny", texts: []string{"a quimper"}, width: 512, height: 512, steps: 30, amount: 2}, ""},
		"nothing is asked":         {ask{}, ""},
		"another model":            {ask{model: "big_*"}, `big\_\*`},
		"a model of a style":       {ask{styleModels: []string{"tiny", "big"}, style: "x"}, "model big"},
		"a blocked style":          {ask{style: "Dark"}, "style Dark"},
		"a style with such a tag":  {ask{style: "x", styleTag: []string{"dark"}}, "style x"},
		"a word":                   {ask{texts: []string{"", "A Químp!"}}, "words in it"},
		"a word with invisible":    {ask{texts: []string{"qu\u200bimp"}}, "words in it"},
		"a phrase":                 {ask{texts: []string{"these TWO -  words"}}, "words in it"},
		"a word without blanks":    {ask{texts: []string{"黒猫です"}}, "words in it"},
		"too large":                {ask{width: 1024, height: 512}, "704×320 would work"},
		"too many steps":           {ask{steps: 31}, "30 steps"},
		"too many images":          {ask{amount: 3}, "2 images"},
		"an image made from a one": {ask{source: true}, "made from other images"},
	} {
		err := e.allows(c.ask)
		told, _ := errors.AsType[*toldError](err)
		if (told == nil) != (c.want == "") || told != nil && !strings.Contains(told.text, c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if told != nil && strings.Contains(strings.ToLower(told.text), "quimp") {
			t.Errorf("%s: the refusal repeats a blocked word: %s", name, told.text)
		}
	}
	if got := e.offered([]horde.ModelStatus{{Name: "tiny"}, {Name: "big"}}); !cmp.Equal(got, []string{"tiny"}) {
		t.Errorf("any model may be %v", got)
	}
	p := params{Model: "big", Steps: 99, Amount: 9, Width: 1024, Height: 512}
	e.fit(&p, discord.OptionValues{})
	if p.Model != "" || p.Steps != 30 || p.Amount != 2 || p.Width*p.Height > 512*512 || p.Width%64+p.Height%64 != 0 {
		t.Errorf("defaults do not fit: %+v", p)
	}
	p = params{Model: "big", Steps: 99, Amount: 9, Width: 1024, Height: 512}
	for _, name := range []string{"model", "steps", "n", "size"} { // flags
		p.says(name)
	}
	e.fit(&p, discord.OptionValues{})
	if p.Model != "big" || p.Steps != 99 || p.Amount != 9 || p.Width != 1024 {
		t.Errorf("what is said is changed: %+v", p)
	}
	p = params{Width: 512, Height: 512, from: &photo{width: 600, height: 530}}
	p.takeShape()
	before := p.Width * p.Height
	e.fit(&p, discord.OptionValues{})
	if before <= 512*512 || p.Width*p.Height > 512*512 {
		t.Errorf("the shape of an image is %d pixels, then %d×%d", before, p.Width, p.Height)
	}
}

func TestWhoMayUseWhat(t *testing.T) {
	t.Parallel()
	g := chat.Guild{
		Rules:    chat.Rules{Access: map[chat.Feature][]string{chat.Texts: {"r1", "r2"}}},
		Channels: map[string]chat.Rules{"off": {Off: new(true)}, "texts": {Access: map[chat.Feature][]string{chat.Texts: nil}}},
	}
	for name, c := range map[string]struct {
		at      place
		feature chat.Feature
		want    string
	}{
		"a feature for everybody":     {place{guild: "g"}, chat.Images, ""},
		"a feature for some":          {place{guild: "g"}, chat.Texts, "<@&r1>, <@&r2>"},
		"one of them":                 {place{guild: "g", roles: []string{"x", "r2"}}, chat.Texts, ""},
		"whoever manages the guild":   {place{guild: "g", manager: true}, chat.Texts, ""},
		"a channel that is more open": {place{guild: "g", channel: "texts"}, chat.Texts, ""},
		"a channel that is off":       {place{guild: "g", channel: "off"}, chat.Images, "switched me off"},
		"a thread of it":              {place{guild: "g", channel: "thread", parent: "off"}, chat.Images, "switched me off"},
		"a manager in it":             {place{guild: "g", channel: "off", manager: true}, chat.Images, ""},
	} {
		e := english(t, resolve(Ceiling{}, g, chat.Person{}, c.at))
		err := e.admit(c.feature)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	e := english(t, resolve(Ceiling{}, g, chat.Person{}, place{guild: "g", manager: true}))
	e.barred, e.block.Until = true, time.Unix(5, 0)
	if err := e.admit(""); err == nil || !strings.Contains(err.Error(), "<t:5:R>") {
		t.Errorf("a blocked person is told %v", err)
	}
}
