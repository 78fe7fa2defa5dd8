package discord_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

// nap is longer than the router waits for a handler.
const nap = 2300 * time.Millisecond

func slowly(h discord.HandlerFunc) discord.HandlerFunc {
	return func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
		time.Sleep(nap)
		return h(ctx, in, r)
	}
}

func reply(m discord.Message) discord.HandlerFunc {
	return func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error { return r.Reply(ctx, m) }
}

// TestSlowHandlers shows that the router acknowledges for slow handlers, once, and that their answers still arrive.
func TestSlowHandlers(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{Validate: validator(t)})
	late := make(chan error, 2)
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
		for _, name := range []string{"public", "private", "hidden", "file", "form", "complete", "buttons"} {
			rt.Define(spec(name, discord.OptionSpec{Name: "text", Description: "some text", Type: discord.OptionString, Autocomplete: true}))
		}
		rt.Command("public", discord.Route{Handle: slowly(reply(discord.Message{Content: "public answer"}))})
		rt.Command("private", discord.Route{Handle: slowly(reply(discord.Message{Content: "private answer", Ephemeral: true}))})
		rt.Command("hidden", discord.Route{Private: true, Handle: slowly(reply(discord.Message{Content: "hidden answer", Ephemeral: true}))})
		rt.Command("file", discord.Route{Handle: slowly(reply(discord.Message{Files: []discord.File{{Name: "a.png", Data: png()}}}))})
		rt.Command("form", discord.Route{Handle: slowly(func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			err := r.Modal(ctx, discord.Modal{CustomID: "1:x::", Title: "x", Inputs: []discord.Input{{CustomID: "x", Label: "x"}}})
			late <- err
			if !r.Deferred() {
				return errors.New("not deferred")
			}
			return r.Reply(ctx, discord.Message{Content: "too late for a form"})
		})})
		rt.Command("complete", discord.Route{Handle: reply(discord.Message{Content: "x"}), Autocomplete: slowly(func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			late <- r.Autocomplete(ctx, []discord.Choice{{Name: "x", Value: "x"}})
			return nil
		})})
		rt.Command("buttons", discord.Route{Handle: reply(discord.Message{Content: "press", Components: []discord.Row{{Buttons: []discord.Button{
			{Label: "change", CustomID: "1:change::"}, {Label: "answer", CustomID: "1:answer::"},
		}}}})})
		rt.Component("change", discord.Route{Handle: slowly(func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			return r.Update(ctx, discord.Message{Content: "changed"})
		})})
		rt.Component("answer", discord.Route{Handle: slowly(reply(discord.Message{Content: "answered", Ephemeral: true}))})
	})

	var wg sync.WaitGroup
	defer wg.Wait()
	for name, c := range map[string]struct {
		line      string
		kind      int
		answer    func(sandbox.Message) bool
		ephemeral bool
		same      bool // the answer is the deferred message itself
	}{
		"a public answer fills the deferred message":                   {"/public", 5, content("public answer"), false, true},
		"a private answer replaces the public deferred message":        {"/private", 5, content("private answer"), true, false},
		"a private answer fills the deferred message of its own route": {"/hidden", 5, content("hidden answer"), true, true},
		"a file fills the deferred message":                            {"/file", 5, func(m sandbox.Message) bool { return len(m.Attachments) == 1 }, false, true},
		"a form comes too late":                                        {"/form", 5, content("too late for a form"), false, true},
	} {
		wg.Go(func() {
			out := r.run(c.line)
			if out.Kind != c.kind || out.After < 1500*time.Millisecond || out.After > wait/4 {
				t.Errorf("%s: %s was acknowledged with %d after %s", name, c.line, out.Kind, out.After)
			}
			m := r.see(c.line, c.answer)
			if m.Ephemeral != c.ephemeral || m.Loading || (m.ID == out.MessageID) != c.same {
				t.Errorf("%s: the answer is %+v, the deferred message was %s", name, m, out.MessageID)
			}
		})
	}
	wg.Go(func() {
		choices, err := sand.Autocomplete(soon(t), sandbox.Newcomer, sandbox.ChannelID, "complete", map[string]any{"text": "x"}, "text")
		if err != nil || len(choices) != 0 {
			t.Errorf("slow suggestions: %v, %v", choices, err)
		}
	})
	wg.Go(func() {
		out := r.run("/buttons")
		if out, err := sand.Click(soon(t), sandbox.Friend, out.MessageID, "answer"); err != nil || out.Kind != 6 {
			t.Errorf("answer was acknowledged with %+v, %v", out, err)
		}
		if m, err := sand.WaitMessage(soon(t), sandbox.Friend, content("answered")); err != nil || !m.Ephemeral {
			t.Errorf("the answer is %+v, %v", m, err)
		}
		if out, err := sand.Click(soon(t), sandbox.Friend, out.MessageID, "change"); err != nil || out.Kind != 6 {
			t.Errorf("change was acknowledged with %+v, %v", out, err)
		}
		if m := r.see("the change", content("changed")); m.ID != out.MessageID {
			t.Error("the update went into another message")
		}
	})
	wg.Wait()
	for range 2 {
		if err := <-late; !errors.Is(err, discord.ErrTooLate) {
			t.Errorf("late first answer: %v, want ErrTooLate", err)
		}
	}
	for _, m := range sand.Messages(sandbox.ChannelID, sandbox.Newcomer) {
		if m.Loading {
			t.Errorf("%s is thinking for ever", m.Command)
		}
	}
	if s := r.bot.Stats(); s.AutoDeferred != 8 || s.AckFailed != 0 || s.AckMax > wait/4 {
		t.Errorf("stats are %+v", s)
	}
	r.clean()
}

// TestDeferAfterTheRouter shows that a slow handler takes over the promise that the router made for it, where the same
// people see it.
func TestDeferAfterTheRouter(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	refs := make(chan discord.MessageRef, 1)
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(spec("same"), spec("other"))
		late := func(ctx context.Context, r *discord.Responder, ephemeral bool) error {
			for !r.Deferred() && ctx.Err() == nil {
				time.Sleep(5 * time.Millisecond)
			}
			return r.Defer(ctx, ephemeral)
		}
		rt.Command("same", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			if err := late(ctx, r, false); err != nil || r.Deferred() {
				return errors.Join(errSomething, err)
			}
			ref, err := r.Message(ctx)
			refs <- ref
			return err
		}})
		rt.Command("other", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			if err := late(ctx, r, true); err != nil || !r.Deferred() {
				return errors.Join(errSomething, err)
			}
			return r.Reply(ctx, discord.Message{Content: "just for you", Ephemeral: true})
		}})
	})
	out := r.run("/same")
	var ref discord.MessageRef
	select {
	case ref = <-refs:
	case <-time.After(wait):
		t.Fatalf("the handler did not get its promise\n%s", r.logs)
	}
	eventually(t, "the handler has returned", func() bool { return r.bot.Stats().InFlight == 0 })
	if ref.MessageID != out.MessageID || r.bot.Stats().HandlerErrors != 0 {
		t.Errorf("the promise is %+v, the deferred message %s; stats %+v", ref, out.MessageID, r.bot.Stats())
	}
	if err := r.bot.EditMessage(soon(t), ref, discord.Message{Content: "kept"}); err != nil {
		t.Fatal(err)
	}
	r.see("the kept promise", content("kept"))
	r.run("/other")
	if m := r.see("the private answer", content("just for you")); !m.Ephemeral {
		t.Error("the private answer is public")
	}
	if n := len(sand.Messages(sandbox.ChannelID, sandbox.Newcomer)); n != 2 {
		t.Errorf("there are %d messages, want 2", n)
	}
	r.clean()
}

// TestAnInteractionThatArrivesTwice is handled once.
func TestAnInteractionThatArrivesTwice(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	var calls atomic.Int64
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(spec("once"))
		rt.Command("once", discord.Route{Handle: func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
			calls.Add(1)
			return reply(discord.Message{Content: "done"})(ctx, in, r)
		}})
	})
	sand.Arm(sandbox.Fault{Kind: sandbox.Duplicate})
	r.run("/once")
	r.run("/once")
	eventually(t, "all is handled", func() bool { return r.bot.Stats().InFlight == 0 })
	if n := calls.Load(); n != 2 {
		t.Errorf("the handler was called %d times for two commands", n)
	}
	r.clean()
}

// TestFailingHandlers shows that a person is told something whatever a handler does, and that the bot lives on.
func TestFailingHandlers(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{Validate: validator(t)})
	const apology = "Something went wrong on my side. Please try again in a moment."
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
		define := func(name string, h discord.HandlerFunc) {
			rt.Define(spec(name))
			rt.Command(name, discord.Route{Handle: h})
		}
		define("fine", reply(discord.Message{Content: "fine"}))
		define("error", func(context.Context, *discord.Interaction, *discord.Responder) error { return errSomething })
		define("panic", func(context.Context, *discord.Interaction, *discord.Responder) error {
			panic(errSomething)
		})
		define("nothing", func(context.Context, *discord.Interaction, *discord.Responder) error { return nil })
		define("invalid", reply(discord.Message{Content: strings.Repeat("x", 2001)}))
		define("deferred", func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			if err := r.Defer(ctx, false); err != nil {
				return err
			}
			panic("after the deferral")
		})
		define("old", reply(discord.Message{Content: "old", Components: []discord.Row{{Buttons: []discord.Button{
			{Label: "gone", CustomID: "1:gone::"}, {Label: "older", CustomID: "0:x"},
		}}}}))
	})
	for _, name := range []string{"error", "panic", "nothing", "invalid", "deferred"} {
		out := r.run("/" + name)
		m := r.see("an apology for "+name, func(m sandbox.Message) bool { return m.Content == apology && m.Command == name })
		if !m.Ephemeral {
			t.Errorf("/%s: everybody sees the apology", name)
		}
		if name == "deferred" && m.ID == out.MessageID {
			t.Errorf("/%s: the public message became private", name)
		}
	}
	out := r.run("/old")
	for _, label := range []string{"gone", "older"} {
		if _, err := sand.Click(soon(t), sandbox.Newcomer, out.MessageID, label); err != nil {
			t.Error(err)
		}
		r.see("a word about old buttons", func(m sandbox.Message) bool { return m.Ephemeral && strings.Contains(m.Content, "older version") })
	}
	r.run("/fine")
	if s := r.bot.Stats(); s.Panics != 2 || s.HandlerErrors != 5 {
		t.Errorf("stats are %+v", s)
	}
	r.clean()
}

func TestErrorHandlerOfTheRouter(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(spec("fail"))
		rt.Command("fail", discord.Route{Handle: func(context.Context, *discord.Interaction, *discord.Responder) error { return errSomething }})
		rt.OnError(func(ctx context.Context, in *discord.Interaction, r *discord.Responder, err error) {
			_ = r.Reply(ctx, discord.Message{Content: fmt.Sprint(in.Command.Name, " ", errors.Is(err, errSomething))})
		})
	})
	r.run("/fail")
	r.see("our own words", content("fail true"))
}

func TestBusy(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	release := make(chan struct{})
	r := startBot(t, sand, discord.Options{Workers: 1, Queue: 1}, func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(spec("wait"))
		rt.Command("wait", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			<-release
			return r.Reply(ctx, discord.Message{Content: "done"})
		}})
		completed := text("place")
		completed.Autocomplete = true
		rt.Define(spec("find", completed))
		rt.Command("find", discord.Route{
			Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
				return r.Reply(ctx, discord.Message{Content: "found"})
			},
			Autocomplete: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
				return r.Autocomplete(ctx, []discord.Choice{{Name: "here", Value: "here"}})
			},
		})
	})
	var wg sync.WaitGroup
	for range 2 { // one works, one waits; both are acknowledged by the router
		wg.Go(func() { r.run("/wait") })
	}
	eventually(t, "both are taken", func() bool { return r.bot.Stats().InFlight == 2 })
	if out := r.run("/wait"); out.Kind != 4 || out.After > wait/4 {
		t.Errorf("the third was answered with %+v", out)
	}
	r.see("that we are busy", func(m sandbox.Message) bool { return m.Ephemeral && strings.Contains(m.Content, "busy") })
	list, err := sand.Autocomplete(soon(t), sandbox.Newcomer, sandbox.ChannelID, "find", map[string]any{"place": "h"}, "place")
	if err != nil || len(list) > 0 {
		t.Errorf("a completion got %v, %v", list, err)
	}
	wg.Wait()
	close(release)
	eventually(t, "both are answered", func() bool { return r.bot.Stats().InFlight == 0 })
	r.clean()
	if s := r.bot.Stats(); s.Dropped != 2 || s.AutoDeferred != 2 {
		t.Errorf("stats are %+v", s)
	}
}

func TestStopLetsHandlersFinish(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	begun := make(chan struct{})
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(spec("slow"))
		rt.Command("slow", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			if err := r.Defer(ctx, false); err != nil {
				return err
			}
			close(begun)
			time.Sleep(1500 * time.Millisecond)
			return r.Edit(ctx, discord.Message{Content: "finished after the stop"})
		}})
	})
	r.run("/slow")
	<-begun
	r.stop()
	r.see("the answer", content("finished after the stop"))
}

// TestReactionOrder shows that events of one person, message and emoji are handled one after the other, in order.
func TestReactionOrder(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	var mu sync.Mutex
	got := map[string][]string{}
	note := func(user, emoji, what string) {
		time.Sleep(time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		got[user+emoji] = append(got[user+emoji], what)
	}
	startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
		rt.ReactionAdd(func(_ context.Context, ev discord.ReactionAdd) error { note(ev.UserID, ev.Emoji.Name, "+"); return nil })
		rt.ReactionRemove(func(_ context.Context, ev discord.ReactionRemove) error {
			note(ev.UserID, ev.Emoji.Name, "-")
			if ev.Emoji.Name == "🍎" {
				panic("contained")
			}
			return nil
		})
	})
	m, err := sand.Post(sandbox.Admin, sandbox.ChannelID, "hello")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for range 20 {
		for _, user := range []string{sandbox.Newcomer, sandbox.Friend} {
			for _, emoji := range []string{"🍎", "🍏", "❤️"} {
				for what, do := range map[string]func(string, string, string) error{"+": sand.React} {
					if err := errors.Join(do(user, m.ID, emoji), sand.Unreact(user, m.ID, emoji)); err != nil {
						t.Fatal(err)
					}
					want[user+emoji] = append(want[user+emoji], what, "-")
				}
			}
		}
	}
	eventually(t, "all reactions are handled", func() bool {
		mu.Lock()
		defer mu.Unlock()
		n := 0
		for _, list := range got {
			n += len(list)
		}
		return n == 240
	})
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// TestOddEvents shows that events which lack what is usual, or hold what nobody knows yet, are survived.
func TestOddEvents(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	reactions := make(chan discord.ReactionAdd, 10)
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(discord.CommandSpec{Name: "where", Description: "here", DMs: true})
		rt.Command("where", discord.Route{Handle: func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
			return r.Reply(ctx, discord.Message{
				Content:    fmt.Sprintf("guild %q, %s, %v", in.GuildID, in.User.DisplayName(), in.MemberPermissions.Has(discord.ManageGuild)),
				Components: []discord.Row{{Buttons: []discord.Button{{Label: "form", CustomID: "1:form::"}}}},
			})
		}})
		rt.Component("form", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			return r.Modal(ctx, discord.Modal{CustomID: "1:form::", Title: "x", Inputs: []discord.Input{{CustomID: "x", Label: "x"}}})
		}})
		rt.Modal("form", discord.Route{Handle: func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
			return r.Reply(ctx, discord.Message{Content: "form says " + in.Modal.Values["x"]})
		}})
		rt.ReactionAdd(func(_ context.Context, ev discord.ReactionAdd) error { reactions <- ev; return nil })
	})
	ctx := soon(t)
	// In this guild the command exists once; in direct messages only global commands do, so ask as an administrator here.
	out, err := sand.RunLine(ctx, sandbox.Admin, sandbox.ChannelID, "/where", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.see("the guild", content(`guild "`+sandbox.GuildID+`", Admin, true`))
	sand.Arm(sandbox.Fault{Kind: sandbox.UnknownComponent, Times: 2})
	opened, err := sand.Click(ctx, sandbox.Newcomer, out.MessageID, "form")
	if err != nil || opened.Modal == nil {
		t.Fatalf("component beside an unknown one: %+v, %v", opened, err)
	}
	if _, err := sand.SubmitModal(ctx, sandbox.Newcomer, opened.InteractionID, map[string]string{"x": "hello"}); err != nil {
		t.Fatalf("form with an unknown component: %v", err)
	}
	r.see("the form", content("form says hello"))
	sand.Arm(sandbox.Fault{Kind: sandbox.UnknownEvent})
	sand.Arm(sandbox.Fault{Kind: sandbox.ReactionWithoutMember})
	if err := sand.React(sandbox.Friend, out.MessageID, "👍"); err != nil {
		t.Fatal(err)
	}
	if ev := <-reactions; ev.UserID != sandbox.Friend || ev.MessageAuthorID != "" || ev.UserName != "" {
		t.Errorf("bare reaction arrived as %+v", ev)
	}
	sand.Arm(sandbox.Fault{Kind: sandbox.Duplicate})
	if err := sand.React(sandbox.Friend, out.MessageID, "🎉"); err != nil {
		t.Fatal(err)
	}
	if a, b := <-reactions, <-reactions; a.Emoji != b.Emoji {
		t.Errorf("doubled event arrived as %+v and %+v", a, b)
	}
	ref, err := r.bot.DM(ctx, sandbox.Friend, discord.Message{Content: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	if err := sand.React(sandbox.Friend, ref.MessageID, "👍"); err != nil {
		t.Fatal(err)
	}
	if ev := <-reactions; ev.GuildID != "" || ev.MessageAuthorID != sandbox.BotID {
		t.Errorf("reaction in direct messages arrived as %+v", ev)
	}
	if s := r.bot.Stats(); s.Panics != 0 || s.Undecodable != 0 {
		t.Errorf("stats are %+v", s)
	}
	r.clean()
}

// A reply that Discord refuses leaves nobody waiting: what is said of it takes its place.
func TestARefusedReplyEndsTheWaiting(t *testing.T) {
	t.Parallel()
	answers := map[string]func(context.Context, *discord.Responder) error{
		"reply": func(ctx context.Context, r *discord.Responder) error {
			return r.Reply(ctx, discord.Message{Content: "done"})
		},
		"edit": func(ctx context.Context, r *discord.Responder) error {
			return r.Edit(ctx, discord.Message{Content: "done"})
		},
		"private": func(ctx context.Context, r *discord.Responder) error {
			return r.Reply(ctx, discord.Message{Content: "done", Ephemeral: true})
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sand := startSandbox(t, sandbox.Options{})
			r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
				rt.Define(spec("slow"))
				rt.Command("slow", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
					if err := r.Defer(ctx, false); err != nil {
						return err
					}
					return answer(ctx, r)
				}})
			})
			sand.Arm(sandbox.Fault{Kind: sandbox.Refused, Code: 50035, Path: "/messages/"})
			r.run("/slow")
			r.see("what went wrong", func(m sandbox.Message) bool { return strings.Contains(m.Content, "went wrong") })
			for _, m := range sand.Messages(sandbox.ChannelID, sandbox.Newcomer) {
				if m.Loading {
					t.Errorf("somebody waits for %+v", m)
				}
			}
			r.clean()
		})
	}
}
