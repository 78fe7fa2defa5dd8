package discord_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

func apples() discord.Message {
	return discord.Message{
		Files: []discord.File{{Name: "a.png", ContentType: "image/png", Data: png(), Description: "a red apple"}},
		Layout: discord.Layout{
			discord.Text("## Apples"),
			discord.Container{Color: 0xAA0000, Blocks: []discord.Block{
				discord.Section{Texts: []string{"one", "two"}, Picture: &discord.Picture{URL: "attachment://a.png", Description: "small"}},
				discord.Divider{Large: true},
				discord.Gallery{{URL: "attachment://a.png", Description: "a red apple", Spoiler: true}},
			}},
			discord.Row{Buttons: []discord.Button{{Label: "Again", CustomID: discord.CustomID{Verb: "again"}.String()}}},
		},
	}
}

func TestLayout(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{Validate: validator(t)})
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(spec("apples"), spec("later"))
		rt.Command("apples", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			return r.Reply(ctx, apples())
		}})
		rt.Command("later", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			if err := r.Reply(ctx, discord.Message{Content: "wait", Embeds: []discord.Embed{{Title: "wait"}}}); err != nil {
				return err
			}
			return r.Edit(ctx, discord.Message{Layout: discord.Layout{discord.Text("done")}})
		}})
		rt.Component("again", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			return r.Update(ctx, discord.Message{KeepFiles: true, Layout: discord.Layout{
				discord.Text("pressed"), discord.Gallery{{URL: "attachment://a.png"}},
			}})
		}})
	})
	shows := func(texts ...string) func(sandbox.Message) bool {
		return func(m sandbox.Message) bool { return cmp.Equal(m.Texts, texts) }
	}
	r.run("/apples")
	m := r.see("a layout", shows("## Apples", "one", "two"))
	if len(m.Pictures) != 2 || !m.Pictures[1].Spoiler || m.Pictures[1].Description != "a red apple" || !strings.HasPrefix(m.Pictures[1].URL, sand.APIURL()) {
		t.Errorf("pictures are %+v", m.Pictures)
	}
	if len(m.Attachments) != 1 || m.Attachments[0].Description != "a red apple" {
		t.Errorf("attachments are %+v", m.Attachments)
	}
	if _, err := sand.Click(soon(t), sandbox.Newcomer, m.ID, "Again"); err != nil {
		t.Fatal(err)
	}
	if m = r.see("the changed layout", shows("pressed")); len(m.Attachments) != 1 || len(m.Pictures) != 1 {
		t.Errorf("after the edit: %+v", m)
	}
	r.run("/later")
	if m = r.see("the former message", shows("done")); m.Content != "" || len(m.Embeds) != 0 {
		t.Errorf("content and embeds are still there: %+v", m)
	}
	r.clean()
}

func TestLayoutLimits(t *testing.T) {
	t.Parallel()
	blocks := func(n int) (l discord.Layout) {
		for range n {
			l = append(l, discord.Divider{})
		}
		return l
	}
	button := discord.Button{Label: "x", CustomID: "same"}
	for name, c := range map[string]struct {
		m    discord.Message
		want string
	}{
		"all kinds":                {apples(), ""},
		"forty components":         {discord.Message{Layout: blocks(40)}, ""},
		"one too many":             {discord.Message{Layout: blocks(41)}, "more than 40"},
		"nested ones count":        {discord.Message{Layout: discord.Layout{discord.Container{Blocks: blocks(40)}}}, "more than 40"},
		"content beside it":        {discord.Message{Content: "x", Layout: blocks(1)}, "beside it"},
		"texts that are too long":  {discord.Message{Layout: discord.Layout{discord.Text(strings.Repeat("x", 2001)), discord.Text(strings.Repeat("x", 2000))}}, "4000 characters"},
		"an empty text":            {discord.Message{Layout: discord.Layout{discord.Text("")}}, "empty"},
		"a picture that is absent": {discord.Message{Layout: discord.Layout{discord.Gallery{{URL: "attachment://b.png"}}}}, "no file"},
		"too many pictures":        {discord.Message{Layout: discord.Layout{make(discord.Gallery, 11)}}, "11 pictures"},
		"long alt text":            {discord.Message{Layout: discord.Layout{discord.Gallery{{URL: "https://x", Description: strings.Repeat("x", 1025)}}}}, "longer than"},
		"a box in a box":           {discord.Message{Layout: discord.Layout{discord.Container{Blocks: []discord.Block{discord.Container{Blocks: blocks(1)}}}}}, "another one"},
		"a section without a side": {discord.Message{Layout: discord.Layout{discord.Section{Texts: []string{"x"}}}}, "a picture or a button"},
		"a custom id twice": {discord.Message{Layout: discord.Layout{
			discord.Row{Buttons: []discord.Button{button}}, discord.Section{Texts: []string{"x"}, Button: &button},
		}}, "used twice"},
	} {
		err := c.m.Validate()
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: Validate = %v, want %q", name, err, c.want)
		}
	}
}

func TestLadder(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	r := startBot(t, sand, discord.Options{}, echo)
	made := 0
	rung := func(name string, size int) discord.Rung {
		return func(context.Context) (discord.Message, error) {
			made++
			m := discord.Message{Content: name}
			if size > 0 {
				m.Files = []discord.File{{Name: name, Data: make([]byte, size)}}
			}
			return m, nil
		}
	}
	rungs := []discord.Rung{rung("original", 3<<20), rung("smaller", 1<<20), rung("link", 0)}
	send := func(ctx context.Context, m discord.Message) error {
		_, err := r.bot.SendMessage(ctx, sandbox.ChannelID, m)
		return err
	}
	climb := func(guild string, named int64) string {
		t.Helper()
		made = 0
		last := ""
		if err := r.bot.Ladder(soon(t), guild, named, rungs, func(ctx context.Context, m discord.Message) error {
			last = m.Content
			return send(ctx, m)
		}); err != nil {
			t.Fatal(err)
		}
		return last
	}
	if got := climb("1", 0); got != "original" || made != 1 {
		t.Errorf("with the usual limit: %s after %d rungs", got, made)
	}
	if got := climb("1", 2<<20); got != "smaller" {
		t.Errorf("with a small limit: %s", got)
	}
	sand.Arm(sandbox.Fault{Kind: sandbox.TooLarge, Path: "/messages"})
	if got := climb("2", 0); got != "smaller" || made != 2 {
		t.Errorf("after a refusal: %s after %d rungs", got, made)
	}
	if got := climb("2", 0); got != "smaller" {
		t.Errorf("the refusal was forgotten: %s", got)
	}
	if got := climb("1", 0); got != "original" {
		t.Errorf("another guild: %s", got)
	}
	r.run("/say text: hello") // its interaction names the limit
	if got := r.bot.UploadLimit(sandbox.GuildID, 0); got != 10<<20-256<<10 {
		t.Errorf("UploadLimit = %d", got)
	}
}
