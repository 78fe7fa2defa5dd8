// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

func TestAPromptBecomesAnImageInChat(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	gate := make(chan struct{})
	r.worker(gate)
	id := r.generate(sandbox.Newcomer, map[string]any{"prompt": "red *apple* @everyone <@1> https://a.b", "seed": "7", "size": "wide", "steps": 12})
	running := r.message(sandbox.Friend, id, "Being made", "384×256", "I opened an account for you, with 125 kudos")
	if len(running.Buttons) != 1 || running.Buttons[0].Label != "Cancel" {
		t.Errorf("a running request shows the buttons %+v, want Cancel", running.Buttons)
	}
	gate <- struct{}{}
	m := r.result(sandbox.Friend, id, 1)
	if !holds(m, []string{`red \*apple\* \@everyone \<\@1> https\://a.b`, model + " · 384×256", "seed 7", " s · ", " kudos", "<@" + sandbox.Newcomer + ">"}) {
		t.Errorf("the result says %q", m.Content)
	}
	a := m.Attachments[0]
	if a.ContentType != "image/webp" || !strings.HasSuffix(a.Filename, ".webp") || !bytes.Equal(a.Data, webp()) {
		t.Errorf("attached %s of type %s with %d bytes", a.Filename, a.ContentType, len(a.Data))
	}
	if want := "AI image: red *apple* @everyone <@1> https://a.b"; a.Description != want {
		t.Errorf("alt text is %q, want %q", a.Description, want)
	}
	u := r.user(sandbox.Newcomer)
	if spent := 125*kudos.One - u.Balance; spent <= kudos.ActivationImage {
		t.Errorf("the image cost %s kudos in all", spent)
	}
	if u.Image.Requests != 1 || u.Name != "Newcomer" {
		t.Errorf("account %q has %d requests, want 1", u.Name, u.Image.Requests)
	}
	r.eventually("the row is closed", func() bool {
		rows, err := r.p.store.OpenMessages(r.ctx())
		return err == nil && len(rows) == 0
	})
}

func TestSeveralImagesArriveOneByOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	gate := make(chan struct{})
	r.worker(gate)
	id := r.generate(sandbox.Newcomer, map[string]any{"amount": 2})
	gate <- struct{}{}
	r.see(sandbox.Newcomer, "the first of two", func(m sandbox.Message) bool {
		return m.ID == id && len(m.Attachments) == 1 && holds(m, []string{"1 of 2 done"}) && len(m.Buttons) == 1
	})
	gate <- struct{}{}
	m := r.result(sandbox.Newcomer, id, 2)
	if !holds(m, []string{"seeds "}) {
		t.Errorf("the result says %q", m.Content)
	}
}

func TestStepsOfAWorkerInThisProcessAreShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	gate := make(chan struct{})
	r.worker(gate)
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "Being made right now")
	requests := r.p.engine.RequestsOf(r.user(sandbox.Newcomer).ID)
	r.p.engine.Drawing(requests[0], horde.GenerationID{UUID: horde.UUID{1}}, 7, 20)
	r.message(sandbox.Newcomer, id, "step 7 of 20")
	gate <- struct{}{}
	r.result(sandbox.Newcomer, id, 1)
}

func TestWithoutAWorkerTheReasonComesAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "⚠️ No worker is online right now", "Its time in line ends <t:")
	// It waits all the same, and a worker that comes makes it.
	r.worker(nil)
	r.result(sandbox.Newcomer, id, 1)

	id = r.generate(sandbox.Newcomer, map[string]any{"model": "nobody_has *this*"})
	r.message(sandbox.Newcomer, id, `⚠️ No worker offers the model nobody\_has \*this\* right now`)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "No worker is online")
	r.click(sandbox.Friend, id, "Cancel")
	r.whisper(sandbox.Friend, "Only the person who asked")
	if m := r.message(sandbox.Newcomer, id); len(m.Buttons) != 2 { // the other one is about the model
		t.Errorf("after a stranger's press the message shows %+v", m.Buttons)
	}
	r.click(sandbox.Newcomer, id, "Cancel")
	m := r.message(sandbox.Newcomer, id, "Cancelled by <@"+sandbox.Newcomer+">", "3 kudos went into it")
	if len(m.Attachments) != 0 || len(m.Buttons) != 2 {
		t.Errorf("a cancelled request shows %d images and the buttons %+v", len(m.Attachments), m.Buttons)
	}

	id = r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "No worker is online")
	r.click(sandbox.Admin, id, "Cancel")
	r.message(sandbox.Newcomer, id, "Cancelled by <@"+sandbox.Admin+">")
}

func TestWhatIsBeingMadeWhenItIsCancelledIsShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	gate := make(chan struct{})
	r.worker(gate)
	id := r.generate(sandbox.Newcomer, map[string]any{"amount": 3})
	r.message(sandbox.Newcomer, id, "1 being made")
	r.click(sandbox.Newcomer, id, "Cancel")
	r.message(sandbox.Newcomer, id, "Waiting for what is being made")
	gate <- struct{}{}
	m := r.result(sandbox.Newcomer, id, 1)
	if !holds(m, []string{"Cancelled by", "1 of 3 images made"}) {
		t.Errorf("the result says %q", m.Content)
	}
}

func TestAgainIsPaidByWhoPresses(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"seed": "7"})
	r.result(sandbox.Newcomer, id, 1)
	before := r.user(sandbox.Newcomer).Balance
	out := r.click(sandbox.Friend, id, "Again")
	if out.MessageID == "" || out.MessageID == id {
		t.Fatalf("Again answered with message %q, want a new one beside %q", out.MessageID, id)
	}
	m := r.result(sandbox.Newcomer, out.MessageID, 1)
	if !holds(m, []string{"red apple", "<@" + sandbox.Friend + ">", "I opened an account for you"}) || holds(m, []string{"seed 7 "}) {
		t.Errorf("the second result says %q", m.Content)
	}
	if after := r.user(sandbox.Newcomer).Balance; after != before {
		t.Errorf("the first person's balance went from %s to %s", before, after)
	}
	if r.user(sandbox.Friend).Balance >= 125*kudos.One {
		t.Error("who pressed paid nothing")
	}
	r.result(sandbox.Newcomer, id, 1)
}

func TestDeleteIsForItsPersonAndModerators(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	first, second := r.generate(sandbox.Newcomer, nil), r.generate(sandbox.Newcomer, nil)
	r.result(sandbox.Newcomer, first, 1)
	r.result(sandbox.Newcomer, second, 1)
	r.click(sandbox.Friend, first, "Delete")
	r.whisper(sandbox.Friend, "Only the person who asked")
	r.result(sandbox.Newcomer, first, 1)
	gone := func(id string) func() bool {
		return func() bool {
			for _, m := range r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer) {
				if m.ID == id {
					return false
				}
			}
			return true
		}
	}
	r.click(sandbox.Newcomer, first, "Delete")
	r.eventually("the message is deleted by its person", gone(first))
	r.click(sandbox.Admin, second, "Delete")
	r.eventually("the message is deleted by a moderator", gone(second))
}

func TestFaultsAreTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	w := r.worker(nil)
	w.fault.Store(true)
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "could not make it")
}

func TestAnExpiredRequestIsTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "No worker is online")
	r.jump(horde.RequestTTL + time.Minute) // the interaction token is dead by then, too
	r.message(sandbox.Newcomer, id, "before its time was up")
}

func TestBadParametersAreRefusedInPrivate(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	cases := map[string]struct {
		options map[string]any
		want    string
	}{
		"a side of 63":                    {map[string]any{"size": "63"}, "multiple of 64 between 64 and 3072"},
		"a size in words":                 {map[string]any{"size": "huge"}, "width × height"},
		"a prompt of blanks":              {map[string]any{"prompt": "   "}, "what the image should show"},
		"a NUL character":                 {map[string]any{"prompt": "red\x00apple"}, "characters in it that no text should have"},
		"a post-processor as model":       {map[string]any{"model": "GFPGAN"}, "is a post-processor"},
		"more steps than kudos can cover": {map[string]any{"steps": 500, "size": "1024"}, "kudos up front"},
	}
	for name, c := range cases {
		if c.options["prompt"] == nil {
			c.options["prompt"] = "red apple"
		}
		r.run(sandbox.Friend, "generate", c.options)
		m := r.whisper(sandbox.Friend, c.want)
		t.Logf("%s: %s", name, m.Content)
	}
	if _, err := r.sand.RunCommand(r.ctx(), sandbox.Friend, sandbox.ChannelID, "generate", map[string]any{"prompt": strings.Repeat("x", 100_000)}); err == nil {
		t.Error("Discord's client let a prompt of 100,000 characters through")
	}
	for _, m := range r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer) {
		t.Errorf("somebody else sees %q", m.Content)
	}
	if rows, err := r.p.store.OpenMessages(r.ctx()); err != nil || len(rows) > 0 {
		t.Errorf("%d rows are open (%v)", len(rows), err)
	}
}

func TestPrivateImagesStayPrivate(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"private": true})
	m := r.result(sandbox.Newcomer, id, 1)
	if !m.Ephemeral {
		t.Error("a private image is public")
	}
	if seen := r.sand.Messages(sandbox.ChannelID, sandbox.Friend); len(seen) > 0 {
		t.Errorf("somebody else sees %+v", seen)
	}
}

func TestAPrivateMessageIsLeftWithAButtonBeforeItsTokenDies(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"private": true})
	r.message(sandbox.Newcomer, id, "No worker is online")
	r.jump(13*time.Minute + 31*time.Second)
	m := r.message(sandbox.Newcomer, id, "press the button to see the result")
	if len(m.Buttons) != 1 || m.Buttons[0].Label != "Show result" {
		t.Fatalf("the message shows the buttons %+v", m.Buttons)
	}
	r.click(sandbox.Newcomer, id, "Show result")
	r.see(sandbox.Newcomer, "its state", func(m sandbox.Message) bool { return m.ID != id && holds(m, []string{"No worker is online"}) })
	r.worker(nil)
	r.eventually("the image is made", func() bool { return r.user(sandbox.Newcomer).Image.UsageThings > 0 })
	r.click(sandbox.Newcomer, id, "Show result")
	r.see(sandbox.Newcomer, "the image", func(m sandbox.Message) bool { return m.Ephemeral && len(m.Attachments) == 1 })
	r.see(sandbox.Newcomer, "that it is done", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && len(m.Attachments) == 0 && holds(m, []string{"It took 14 min", "</history list:"})
	})
}

func TestSomebodyIsToldOfWhatTookLong(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	told := func(who string) bool { return len(r.sand.Messages(sandbox.DMChannel(who), who)) > 0 }
	r.run(sandbox.Friend, "settings notifications", map[string]any{"done": false})
	r.whisper(sandbox.Friend, "Long waits: **No**")
	first, second := r.generate(sandbox.Newcomer, nil), r.generate(sandbox.Friend, nil)
	r.message(sandbox.Newcomer, first, "No worker is online")
	r.message(sandbox.Friend, second, "No worker is online")
	r.jump(10*time.Minute + 35*time.Second)
	r.worker(nil)
	r.result(sandbox.Newcomer, first, 1)
	r.result(sandbox.Friend, second, 1)
	r.see(sandbox.Newcomer, "that it is done", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && holds(m, []string{"It took 11 min", sandbox.ChannelID + "/" + first, "</settings notifications:"})
	})
	if told(sandbox.Friend) {
		t.Error("who does not want to hear of it is told")
	}
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	if got := len(r.sand.Messages(sandbox.DMChannel(sandbox.Newcomer), sandbox.Newcomer)); got != 1 {
		t.Errorf("there are %d messages", got)
	}
}

func TestAPrivateRequestIsCancelledAfterItsTokenDied(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"private": true})
	r.message(sandbox.Newcomer, id, "No worker is online")
	r.jump(13*time.Minute + 31*time.Second)
	r.message(sandbox.Newcomer, id, "press the button to see the result")
	r.click(sandbox.Newcomer, id, "Show result")
	m := r.see(sandbox.Newcomer, "its state", func(m sandbox.Message) bool { return m.ID != id && holds(m, []string{"No worker is online"}) })
	r.click(sandbox.Newcomer, m.ID, "Cancel")
	r.message(sandbox.Newcomer, m.ID, "Cancelled")
	u := r.user(sandbox.Newcomer).ID
	for _, q := range r.p.engine.RequestsOf(u) {
		if st, err := r.p.engine.Status(q); err != nil || !st.Done {
			t.Errorf("the request is %+v (%v), want it cancelled", st.Progress, err)
		}
	}
	r.click(sandbox.Newcomer, m.ID, "Show result")
	r.see(sandbox.Newcomer, "who cancelled it", func(m sandbox.Message) bool { return holds(m, []string{"Cancelled by <@" + sandbox.Newcomer + ">"}) })
}

func TestAPublicMessageIsEditedAfterItsTokenDied(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "No worker is online")
	r.jump(16 * time.Minute)
	r.worker(nil)
	r.result(sandbox.Newcomer, id, 1)
}

func TestASlowCoreDoesNotCostTheAcknowledgement(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, hasty)
	r.p.stop()
	hold := make(chan struct{})
	r.start(hold)
	out := r.run(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple"})
	if out.Kind != deferral || out.After > patience/2 { // before the core could go on
		t.Errorf("acknowledged with %d after %v, want a deferral", out.Kind, out.After)
	}
	close(hold)
	r.worker(nil)
	r.result(sandbox.Newcomer, out.MessageID, 1)
	if n := r.user(sandbox.Newcomer).Image.Requests; n != 1 {
		t.Errorf("%d requests were made, want 1", n)
	}
}

func TestWithoutAccounts(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.AutoAccount = false })
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, nil)
	m := r.result(sandbox.Newcomer, id, 1)
	if !holds(m, []string{"without an account"}) {
		t.Errorf("the result says %q", m.Content)
	}
	r.run(sandbox.Newcomer, "kudos balance", nil)
	r.whisper(sandbox.Newcomer, "For this you need an account")
}

func TestAccountsCanBeNeeded(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.AutoAccount, o.AnonymousAllowed = false, false })
	r.run(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple"})
	r.whisper(sandbox.Newcomer, "For this you need an account", "login")
}

func TestResultsSurviveDiscordsMoods(t *testing.T) {
	t.Parallel()
	moods := map[string][]sandbox.Fault{
		"server errors, longer than one edit's patience": {{Kind: sandbox.Status, Code: 500, Method: "PATCH", Times: 7}},
		"rate limits":            {{Kind: sandbox.RateLimited, Delay: 300 * time.Millisecond, Method: "PATCH", Times: 2}},
		"an answer that is lost": {{Kind: sandbox.CutAnswer, Method: "PATCH", Times: 1}},
	}
	for name, faults := range moods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			gate := make(chan struct{})
			r.worker(gate)
			id := r.generate(sandbox.Newcomer, nil)
			r.message(sandbox.Newcomer, id, "Being made")
			for _, f := range faults {
				r.sand.Arm(f)
			}
			gate <- struct{}{}
			r.result(sandbox.Newcomer, id, 1)
			r.eventually("the row is closed", func() bool {
				rows, err := r.p.store.OpenMessages(r.ctx())
				return err == nil && len(rows) == 0
			})
			if n := len(r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer)); n != 1 {
				t.Errorf("there are %d messages, want 1", n)
			}
		})
	}
}

func TestAMessageThatSomebodyDeletedIsLetGo(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	gate := make(chan struct{})
	r.worker(gate)
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "Being made")
	if err := r.sand.Delete(id); err != nil {
		t.Fatal(err)
	}
	gate <- struct{}{}
	r.eventually("the row is closed", func() bool {
		rows, err := r.p.store.OpenMessages(r.ctx())
		return err == nil && len(rows) == 0
	})
	if n := len(r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer)); n != 0 {
		t.Errorf("there are %d messages, want none", n)
	}
}

func TestAnImageThatIsTooLargeIsSaidToBe(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	gate := make(chan struct{})
	r.worker(gate)
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "Being made")
	r.sand.Arm(sandbox.Fault{Kind: sandbox.TooLarge, Method: "PATCH"})
	gate <- struct{}{}
	r.message(sandbox.Newcomer, id, "larger than Discord takes", "seed ")
}

func TestAutocomplete(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.eventually("the worker is known", func() bool { return len(r.p.engine.Models()) > 0 })
	cases := map[string]struct {
		focused, typed string
		want           sandbox.Choice
	}{
		"models that are served":           {"model", "ti", sandbox.Choice{Name: model + " · 1 👷 · free", Value: model}},
		"any model":                        {"model", "", sandbox.Choice{Name: "Any model", Value: "Any model"}},
		"named sizes":                      {"size", "wid", sandbox.Choice{Name: "wide · 384×256", Value: "384x256"}},
		"a size as typed":                  {"size", "512x768", sandbox.Choice{Name: "512×768", Value: "512x768"}},
		"a size moved to the nearest step": {"size", "500*70", sandbox.Choice{Name: "512×64", Value: "512x64"}},
	}
	for name, c := range cases {
		choices, err := r.sand.Autocomplete(r.ctx(), sandbox.Newcomer, sandbox.ChannelID, "generate", map[string]any{c.focused: c.typed}, c.focused)
		found := false
		for _, got := range choices {
			found = found || got == c.want
		}
		if err != nil || !found {
			t.Errorf("%s: suggestions for %q are %+v (%v), want %+v among them", name, c.typed, choices, err, c.want)
		}
	}
}

func TestButtonsOfAnotherVersionAreAnswered(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, id := range []string{"0:cx:1:", discord.CustomID{Verb: "zz", ID: "1"}.String(), discord.CustomID{Verb: "cx", ID: "404"}.String()} {
		ref, err := r.p.bot.SendMessage(r.ctx(), sandbox.ChannelID, discord.Message{
			Content: "old", Components: []discord.Row{{Buttons: []discord.Button{{Label: "Old", CustomID: id}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		out := r.click(sandbox.Newcomer, ref.MessageID, "Old")
		r.see(sandbox.Newcomer, "a friendly word about "+id, func(m sandbox.Message) bool {
			return m.Ephemeral && m.InteractionID == out.InteractionID && holds(m, []string{"from an older message"})
		})
	}
}

func TestCommandsAreValid(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil) // registering them is the test: the sandbox checks what Discord checks
	m := r.run(sandbox.Newcomer, "help", nil)
	if m.Kind != 4 {
		t.Errorf("/help answered with %d", m.Kind)
	}
	r.whisper(sandbox.Newcomer, "Hello from Test stable!", "</generate:", "React with 🙏")
}

func TestWithoutARowNothingIsAsked(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.unsafe.Store(true)
	r.run(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple"})
	r.whisper(sandbox.Newcomer, "Something went wrong on my side", "Reference ")
	if n := r.user(sandbox.Newcomer).Image.Requests; n != 0 {
		t.Errorf("%d requests were made, want none", n)
	}
	if seen := r.sand.Messages(sandbox.ChannelID, sandbox.Friend); len(seen) > 0 {
		t.Errorf("others still see %+v", seen)
	}
}

func TestARowThatCannotBeClosedIsClosedLater(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	gate := make(chan struct{})
	r.worker(gate)
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "Being made")
	r.unsafe.Store(true)
	gate <- struct{}{}
	m := r.result(sandbox.Newcomer, id, 1)
	r.unsafe.Store(false)
	r.eventually("the row is closed", func() bool {
		rows, err := r.p.store.OpenMessages(r.ctx())
		return err == nil && len(rows) == 0
	})
	if after := r.result(sandbox.Newcomer, id, 1); after.Edits != m.Edits {
		t.Errorf("the result was shown %d times more", after.Edits-m.Edits)
	}
}

func TestBeyondTheBoundPeopleAreToldThatWeAreBusy(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Following = 1 })
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "No worker is online")
	r.run(sandbox.Friend, "generate", map[string]any{"prompt": "red apple"})
	r.whisper(sandbox.Friend, "very many requests")
	r.click(sandbox.Newcomer, id, "Cancel")
	r.message(sandbox.Newcomer, id, "Cancelled by")
	r.eventually("the place is free", func() bool {
		rows, err := r.p.store.OpenMessages(r.ctx())
		return err == nil && len(rows) == 0
	})
	r.generate(sandbox.Friend, nil)
}
