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
