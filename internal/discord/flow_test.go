package discord_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

// TestFlow goes the whole way once: registration, a command that defers and ends with a picture, buttons, a select, a
// form, suggestions, private answers, reactions, roles, direct messages.
func TestFlow(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{Validate: validator(t)})
	added := make(chan discord.ReactionAdd, 10)
	removed := make(chan discord.ReactionRemove, 10)
	var bot *discord.Bot
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, b *discord.Bot) {
		bot = b
		least, most := 1.0, 4.0
		rt.Define(discord.CommandSpec{Name: "generate", Description: "makes a picture", Options: []discord.OptionSpec{
			{Name: "prompt", Description: "what to paint", Type: discord.OptionString, Required: true},
			{Name: "amount", Description: "how many", Type: discord.OptionInteger, Min: &least, Max: &most},
			{Name: "model", Description: "which", Type: discord.OptionString, Autocomplete: true},
			{Name: "size", Description: "how large", Type: discord.OptionString, Choices: []discord.Choice{{Name: "Square", Value: "1:1"}, {Name: "Wide", Value: "3:2"}}},
			{Name: "tiling", Description: "repeats", Type: discord.OptionBoolean},
			{Name: "image", Description: "to begin with", Type: discord.OptionAttachment},
		}})
		rt.Command("generate", discord.Route{
			Handle: func(ctx context.Context, in *discord.Interaction, re *discord.Responder) error {
				if err := re.Defer(ctx, false); err != nil {
					return err
				}
				ref, err := re.Message(ctx)
				if err != nil {
					return err
				}
				o := in.Command.Options
				if err := b.EditMessage(ctx, ref, discord.Message{Content: "working", Optional: true}); err != nil {
					return err
				}
				description := o.String("prompt") + "/" + o.String("amount") + "/" + o.String("model") + "/" + o.String("size")
				if a, ok := o.Attachment("image"); ok {
					data, err := b.Download(ctx, a.URL, 1000)
					if err != nil {
						return err
					}
					description += "/" + string(data)
				}
				return re.Edit(ctx, discord.Message{
					Embeds: []discord.Embed{{Title: "done", Description: description, Fields: []discord.Field{{Name: "seed", Value: "7"}}}},
					Files:  []discord.File{{Name: "apple.png", ContentType: "image/png", Data: png(), Description: "AI image: red apple"}},
					Components: []discord.Row{
						{Buttons: []discord.Button{
							{Label: "Again", CustomID: discord.CustomID{Verb: "rr", ID: "1"}.String(), Style: discord.Primary},
							{Label: "Note", Emoji: "📝", CustomID: discord.CustomID{Verb: "nt", ID: "1", Arg: "a:b"}.String()},
							{Label: "Docs", URL: "https://example.org/"},
						}},
						{Select: &discord.Select{CustomID: discord.CustomID{Verb: "up"}.String(), Placeholder: "Upscale", Options: []discord.SelectOption{{Label: "one", Value: "1"}, {Label: "two", Value: "2"}}}},
					},
				})
			},
			Autocomplete: func(ctx context.Context, in *discord.Interaction, re *discord.Responder) error {
				typed := in.Command.Options.String(in.Command.Focused)
				return re.Autocomplete(ctx, []discord.Choice{{Name: "Model " + typed, Value: "model-" + typed}})
			},
		})
		rt.Component("rr", discord.Route{Handle: func(ctx context.Context, in *discord.Interaction, re *discord.Responder) error {
			return re.Update(ctx, discord.Message{Content: "again", KeepFiles: true})
		}})
		rt.Component("nt", discord.Route{Handle: func(ctx context.Context, in *discord.Interaction, re *discord.Responder) error {
			return re.Modal(ctx, discord.Modal{
				CustomID: discord.CustomID{Verb: "form", ID: in.Component.ID.ID, Arg: in.Component.ID.Arg}.String(), Title: "A note",
				Inputs: []discord.Input{{CustomID: "text", Label: "Text", Required: true, Max: 10}, {CustomID: "more", Label: "More", Paragraph: true, Value: "old"}},
			})
		}})
		rt.Component("up", discord.Route{Handle: func(ctx context.Context, in *discord.Interaction, re *discord.Responder) error {
			return re.Reply(ctx, discord.Message{Content: "chosen " + strings.Join(in.Component.Values, ","), Ephemeral: true})
		}})
		rt.Modal("form", discord.Route{Handle: func(ctx context.Context, in *discord.Interaction, re *discord.Responder) error {
			v := in.Modal.Values
			return re.Reply(ctx, discord.Message{Content: in.Modal.ID.Arg + " " + v["text"] + " " + v["more"]})
		}})
		rt.ReactionAdd(func(_ context.Context, ev discord.ReactionAdd) error { added <- ev; return nil })
		rt.ReactionRemove(func(_ context.Context, ev discord.ReactionRemove) error { removed <- ev; return nil })
	})
	ctx := soon(t)

	out, err := sand.RunLine(ctx, sandbox.Newcomer, sandbox.ChannelID, "/generate prompt: red apple: shiny amount: 2 size: Wide",
		map[string]sandbox.File{"image": {Name: "a.txt", ContentType: "text/plain", Data: []byte("bytes")}})
	if err != nil || out.Kind != 5 {
		t.Fatalf("generate was answered with %+v, %v", out, err)
	}
	m := r.see("a picture", func(m sandbox.Message) bool { return len(m.Attachments) == 1 })
	if m.ID != out.MessageID || m.Loading || m.Ephemeral || m.Content != "" || m.Command != "generate" {
		t.Errorf("message is %+v", m)
	}
	if got, want := m.Embeds[0].Description, "red apple: shiny/2//3:2/bytes"; got != want {
		t.Errorf("options arrived as %q, want %q", got, want)
	}
	a := m.Attachments[0]
	if a.Filename != "apple.png" || a.Description != "AI image: red apple" || string(a.Data) != string(png()) {
		t.Errorf("attachment is %+v", a)
	}
	over, end := context.WithCancel(ctx)
	end()
	if _, err := bot.Download(over, a.URL+"?ex=1&hm=signature", 1000); err == nil || strings.Contains(err.Error(), "signature") {
		t.Errorf("Download without time = %v", err)
	}
	if _, err := bot.Download(ctx, a.URL, 10); err == nil {
		t.Error("a file larger than the limit was downloaded")
	}

	choices, err := sand.Autocomplete(ctx, sandbox.Newcomer, sandbox.ChannelID, "generate", map[string]any{"model": "x"}, "model")
	if diff := cmp.Diff([]sandbox.Choice{{Name: "Model x", Value: "model-x"}}, choices); diff != "" || err != nil {
		t.Errorf("suggestions (-want +got):\n%s%v", diff, err)
	}

	out, err = sand.Click(ctx, sandbox.Friend, m.ID, "Note")
	if err != nil || out.Modal == nil {
		t.Fatalf("no form: %+v, %v", out, err)
	}
	if _, err = sand.SubmitModal(ctx, sandbox.Friend, out.InteractionID, map[string]string{"text": "hello"}); err != nil {
		t.Fatal(err)
	}
	r.see("the note", content("a:b hello old"))

	if _, err = sand.Choose(ctx, sandbox.Newcomer, m.ID, "Upscale", "2"); err != nil {
		t.Fatal(err)
	}
	if m := r.see("the choice", content("chosen 2")); !m.Ephemeral {
		t.Error("a private answer was public")
	}
	for _, m := range sand.Messages(sandbox.ChannelID, sandbox.Friend) {
		if m.Ephemeral {
			t.Errorf("Friend sees %q", m.Content)
		}
	}

	if out, err = sand.Click(ctx, sandbox.Newcomer, m.ID, "Again"); err != nil || out.Kind != 7 {
		t.Fatalf("again was answered with %+v, %v", out, err)
	}
	m = r.see("the update", content("again"))
	if len(m.Attachments) != 1 || len(m.Buttons) != 0 {
		t.Errorf("after the update the message has %d files and %d buttons, want 1 and 0", len(m.Attachments), len(m.Buttons))
	}

	if err := sand.React(sandbox.Friend, m.ID, "❤️"); err != nil {
		t.Fatal(err)
	}
	ev := <-added
	if ev.UserID != sandbox.Friend || ev.MessageAuthorID != sandbox.BotID || ev.Emoji.Name != "❤️" || ev.UserName != "Friend" || ev.GuildID != sandbox.GuildID {
		t.Errorf("reaction arrived as %+v", ev)
	}
	if err := sand.Unreact(sandbox.Friend, m.ID, "❤️"); err != nil {
		t.Fatal(err)
	}
	if ev := <-removed; ev.UserID != sandbox.Friend {
		t.Errorf("removal arrived as %+v", ev)
	}
	for _, emoji := range []string{"👍", "kudos:110000000000000099", "#️⃣"} {
		if err := bot.AddReaction(ctx, m.ChannelID, m.ID, emoji); err != nil {
			t.Errorf("AddReaction(%s): %v", emoji, err)
		}
		if ev := <-added; ev.Emoji.APIName() != emoji || ev.UserID != bot.UserID() {
			t.Errorf("own reaction arrived as %+v", ev)
		}
		if err := bot.RemoveReaction(ctx, m.ChannelID, m.ID, emoji, ""); err != nil {
			t.Errorf("RemoveReaction(%s): %v", emoji, err)
		}
	}

	if err := bot.AddRole(ctx, sandbox.GuildID, sandbox.Friend, sandbox.RoleWorker, "has a worker"); err != nil {
		t.Error(err)
	}
	if err := bot.AddRole(ctx, sandbox.GuildID, sandbox.Friend, sandbox.RoleAdmin, "mischief"); !discord.IsMissingPermission(err) {
		t.Errorf("a role above the bot's was given: %v", err)
	}
	if diff := cmp.Diff([]string{sandbox.RoleWorker}, sand.Roles(sandbox.Friend)); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}

	ref, err := bot.DM(ctx, sandbox.Newcomer, discord.Message{Content: "psst @everyone"})
	if err != nil {
		t.Fatal(err)
	}
	if m := r.see("the direct message", content("psst @everyone")); m.ChannelID != sandbox.DMChannel(sandbox.Newcomer) {
		t.Errorf("direct message went to %s", m.ChannelID)
	}
	if got, err := bot.FetchMessage(ctx, ref.ChannelID, ref.MessageID); err != nil || got.Author.ID != sandbox.BotID || !got.Author.Bot {
		t.Errorf("FetchMessage = %+v, %v", got, err)
	}
	if err := bot.DeleteMessage(ctx, ref); err != nil {
		t.Error(err)
	}
	if err := bot.EditMessage(ctx, ref, discord.Message{Content: "gone"}); !discord.IsUnknownMessage(err) {
		t.Errorf("edit of a deleted message: %v", err)
	}
	if err := bot.DeleteMessage(ctx, ref); err != nil {
		t.Errorf("deleting twice: %v", err)
	}
	if s := bot.Stats(); s.Acknowledged != s.Interactions || s.AutoDeferred != 0 || s.Panics != 0 || s.HandlerErrors != 0 || !s.Connected {
		t.Errorf("stats are %+v", s)
	}
	if !strings.HasPrefix(bot.CommandMention("generate"), "</generate:") {
		t.Errorf("mention is %s", bot.CommandMention("generate"))
	}
	r.clean()
}

func TestRestartRegistersNothingNewAndContinuesTheSameMessage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after     func(*discord.MessageRef) // what happens to the reference between the two lives
		ephemeral bool
		want      error
	}{
		"with the interaction token while it lives":        {after: func(*discord.MessageRef) {}},
		"an ephemeral one with the interaction token":      {after: func(*discord.MessageRef) {}, ephemeral: true},
		"with the bot token when the other one is too old": {after: func(r *discord.MessageRef) { r.Expires = r.Expires.AddDate(0, 0, -1) }},
		"with the bot token when the other one is refused": {after: func(r *discord.MessageRef) { r.Token = "nonsense" }},
		"not when it is ephemeral and too old": {
			after:     func(r *discord.MessageRef) { r.Expires = r.Expires.AddDate(0, 0, -1) },
			ephemeral: true, want: discord.ErrUnreachable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sand := startSandbox(t, sandbox.Options{Validate: validator(t)})
			refs := make(chan discord.MessageRef, 1)
			fill := func(rt *discord.Router, _ *discord.Bot) {
				rt.Define(spec("slow"))
				rt.Command("slow", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, re *discord.Responder) error {
					if err := re.Defer(ctx, c.ephemeral); err != nil {
						return err
					}
					ref, err := re.Message(ctx)
					refs <- ref
					return err
				}})
			}
			first := startBot(t, sand, discord.Options{}, fill)
			out := first.run("/slow")
			ref := <-refs
			first.stop()
			c.after(&ref)
			second := startBot(t, sand, discord.Options{}, fill)
			err := second.bot.EditMessage(soon(t), ref, discord.Message{Content: "finished"})
			if !errors.Is(err, c.want) {
				t.Fatalf("EditMessage = %v, want %v", err, c.want)
			}
			if c.want == nil {
				if m := second.see("the result", content("finished")); m.ID != out.MessageID || m.Ephemeral != c.ephemeral || m.Loading {
					t.Errorf("the result is in %+v", m)
				}
			}
			if puts := strings.Count(first.logs.String()+second.logs.String(), "commands registered"); puts != 1 {
				t.Errorf("commands were registered %d times, want 1", puts)
			}
			second.clean()
		})
	}
}
