package discord_test

import (
	"errors"
	"strings"
	"testing"

	"stablemate/internal/discord"
)

func TestMessageValidate(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("é", n) }
	button := func(b discord.Button) discord.Message {
		return discord.Message{Components: []discord.Row{{Buttons: []discord.Button{b}}}}
	}
	choose := func(s discord.Select, options ...discord.SelectOption) discord.Message {
		s.CustomID, s.Options = "x", options
		return discord.Message{Components: []discord.Row{{Select: &s}}}
	}
	fields := func(n int) []discord.Field {
		list := make([]discord.Field, n)
		for i := range list {
			list[i] = discord.Field{Name: "n", Value: "v"}
		}
		return list
	}
	for name, c := range map[string]struct {
		m  discord.Message
		ok bool
	}{
		"nothing":                       {discord.Message{}, true},
		"content at its limit":          {discord.Message{Content: long(2000)}, true},
		"content beyond":                {discord.Message{Content: long(2001)}, false},
		"ten embeds":                    {discord.Message{Embeds: make([]discord.Embed, 10)}, true},
		"eleven embeds":                 {discord.Message{Embeds: make([]discord.Embed, 11)}, false},
		"title beyond":                  {discord.Message{Embeds: []discord.Embed{{Title: long(257)}}}, false},
		"25 fields":                     {discord.Message{Embeds: []discord.Embed{{Fields: fields(25)}}}, true},
		"26 fields":                     {discord.Message{Embeds: []discord.Embed{{Fields: fields(26)}}}, false},
		"field without value":           {discord.Message{Embeds: []discord.Embed{{Fields: []discord.Field{{Name: "x"}}}}}, false},
		"all embeds together at 6000":   {discord.Message{Embeds: []discord.Embed{{Description: long(4000)}, {Description: long(2000)}}}, true},
		"all embeds together beyond":    {discord.Message{Embeds: []discord.Embed{{Description: long(4000)}, {Description: long(2001)}}}, false},
		"six rows":                      {discord.Message{Components: make([]discord.Row, 6)}, false},
		"an empty row":                  {discord.Message{Components: make([]discord.Row, 1)}, false},
		"a button":                      {button(discord.Button{Label: "x", CustomID: "x"}), true},
		"a link":                        {button(discord.Button{Label: "x", URL: "https://example.org"}), true},
		"a button that does nothing":    {button(discord.Button{Label: "x"}), false},
		"a button that does two things": {button(discord.Button{Label: "x", CustomID: "x", URL: "x"}), false},
		"a button without face":         {button(discord.Button{CustomID: "x"}), false},
		"a label beyond":                {button(discord.Button{Label: long(81), CustomID: "x"}), false},
		"a custom id beyond":            {button(discord.Button{Label: "x", CustomID: long(101)}), false},
		"the same custom id twice":      {discord.Message{Components: []discord.Row{{Buttons: []discord.Button{{Label: "x", CustomID: "x"}, {Label: "y", CustomID: "x"}}}}}, false},
		"a select at its limits":        {choose(discord.Select{Placeholder: long(150)}, discord.SelectOption{Label: long(100), Value: long(100), Description: long(100)}), true},
		"a placeholder beyond":          {choose(discord.Select{Placeholder: long(151)}, discord.SelectOption{Label: "x", Value: "x"}), false},
		"an option's label beyond":      {choose(discord.Select{}, discord.SelectOption{Label: long(101), Value: "x"}), false},
		"an option's value beyond":      {choose(discord.Select{}, discord.SelectOption{Label: "x", Value: long(101)}), false},
		"an option's words beyond":      {choose(discord.Select{}, discord.SelectOption{Label: "x", Value: "x", Description: long(101)}), false},
		"an option without label":       {choose(discord.Select{}, discord.SelectOption{Value: "x"}), false},
		"an option without value":       {choose(discord.Select{}, discord.SelectOption{Label: "x"}), false},
		"two options of one value":      {choose(discord.Select{}, discord.SelectOption{Label: "x", Value: "x"}, discord.SelectOption{Label: "y", Value: "x"}), false},
		"more to choose than there may": {choose(discord.Select{Max: 26}, discord.SelectOption{Label: "x", Value: "x"}), false},
		"a select without options":      {discord.Message{Components: []discord.Row{{Select: &discord.Select{CustomID: "x"}}}}, false},
		"eleven files":                  {discord.Message{Files: make([]discord.File, 11)}, false},
		"a file without name":           {discord.Message{Files: make([]discord.File, 1)}, false},
		"an alt text beyond":            {discord.Message{Files: []discord.File{{Name: "x", Description: long(1025)}}}, false},
	} {
		if err := c.m.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: Validate = %v", name, err)
		}
	}
}

func TestModalValidate(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("é", n) }
	for name, c := range map[string]struct {
		in discord.Input
		ok bool
	}{
		"a text":                     {discord.Input{}, true},
		"a text at its limits":       {discord.Input{Value: long(10), Max: 10, Placeholder: long(100)}, true},
		"a text beyond its limit":    {discord.Input{Value: long(11), Max: 10}, false},
		"a text beyond every limit":  {discord.Input{Value: long(4001)}, false},
		"a hint beyond":              {discord.Input{Placeholder: long(101)}, false},
		"a choice":                   {discord.Input{Kind: discord.InputSelect, Options: []discord.SelectOption{{Label: "x", Value: "x"}}, Placeholder: long(150)}, true},
		"a choice with a long hint":  {discord.Input{Kind: discord.InputSelect, Options: []discord.SelectOption{{Label: "x", Value: "x"}}, Placeholder: long(151)}, false},
		"a choice with long labels":  {discord.Input{Kind: discord.InputSelect, Options: []discord.SelectOption{{Label: long(101), Value: "x"}}}, false},
		"a choice of the same twice": {discord.Input{Kind: discord.InputSelect, Options: []discord.SelectOption{{Label: "x", Value: "x"}, {Label: "y", Value: "x"}}}, false},
	} {
		c.in.CustomID, c.in.Label = "x", "x"
		m := discord.Modal{CustomID: "x", Title: "x", Inputs: []discord.Input{c.in}}
		if err := m.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: Validate = %v", name, err)
		}
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		max  int
		want string
	}{{"short", 5, "short"}, {"longer", 5, "long…"}, {"a b c", 3, "a…"}, {"ééé", 2, "é…"}, {"x", 0, ""}, {"", 0, ""}} {
		if got := discord.Clip(c.in, c.max); got != c.want {
			t.Errorf("Clip(%q, %d) = %q, want %q", c.in, c.max, got, c.want)
		}
	}
}

func TestCustomID(t *testing.T) {
	t.Parallel()
	id := discord.CustomID{Verb: "cx", ID: "01JD", Arg: "a:b"}
	if got, err := discord.ParseCustomID(id.String()); err != nil || got != id {
		t.Errorf("ParseCustomID(%q) = %+v, %v", id, got, err)
	}
	for _, s := range []string{"", "x", "2:cx:1:2", "1:cx:1", "1:Cx:1:2", "1::1:2", "1:" + strings.Repeat("x", 500) + ":1:2"} {
		if got, err := discord.ParseCustomID(s); !errors.Is(err, discord.ErrOldCustomID) {
			t.Errorf("ParseCustomID(%q) = %+v, %v", s, got, err)
		}
	}
}
