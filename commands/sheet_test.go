// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/sandbox"
)

// pony makes a worker somebody's, without any work being done.
func (r *rig) pony(who, name string) horde.Worker {
	r.t.Helper()
	_, err := engine.Do(r.ctx(), r.p.engine, horde.Pop{Owner: r.user(who).ID, Amount: 1, Offer: horde.Offer{
		Name: name, Models: []string{model}, BridgeAgent: horde.PoolAgent + ":1:test", Threads: 2, MaxPixels: 1 << 20,
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	wk, ok := r.p.engine.WorkerByName(name)
	if !ok {
		r.t.Fatalf("there is no worker %s", name)
	}
	return wk
}

func TestModelsAndTheHordeAreShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	r.worker(nil)
	r.eventually("the worker is online", func() bool { return len(r.p.engine.Models()) == 1 })
	out := r.run(sandbox.Newcomer, "models list", nil)
	r.message(sandbox.Newcomer, out.MessageID, "**tiny**", "1 threads")
	r.run(sandbox.Newcomer, "models list", map[string]any{"search": "large"})
	r.whisper(sandbox.Newcomer, "Nothing was found")

	// To everybody.
	r.click(sandbox.Newcomer, out.MessageID, "Publish")
	r.see(sandbox.Friend, "the list", func(m sandbox.Message) bool { return !m.Ephemeral && holds(m, []string{"**tiny**"}) })

	r.run(sandbox.Newcomer, "models favourite", map[string]any{"model": model})
	r.whisper(sandbox.Newcomer, "⭐ tiny is one of your favourites")
	if list := r.suggest(sandbox.Newcomer, "models info", "model", "ti"); len(list) != 1 || list[0].Name != "⭐ tiny" {
		t.Errorf("suggested %v", list)
	}
	r.run(sandbox.Newcomer, "models info", map[string]any{"model": "nosuch"})
	r.whisper(sandbox.Newcomer, "no model called nosuch")
	out = r.run(sandbox.Newcomer, "models info", map[string]any{"model": model})
	r.message(sandbox.Newcomer, out.MessageID, "Family: Stable Diffusion 1.5")
	form := r.click(sandbox.Newcomer, out.MessageID, "Generate with this")
	made := r.fillIn(sandbox.Newcomer, form, map[string]string{"prompt": "red apple"})
	r.result(sandbox.Newcomer, made.MessageID, 1)

	for path, want := range map[string]string{
		"horde status": "Test stable: status", "horde performance": "Images in the last minute", "horde modes": "❌ **Maintenance**",
	} {
		r.run(sandbox.Newcomer, path, nil)
		r.whisper(sandbox.Newcomer, want)
	}
	r.run(sandbox.Newcomer, "horde eta", map[string]any{"model": model, "size": "wide", "steps": 30})
	r.whisper(sandbox.Newcomer, "384×256, 30 steps, tiny", "of work", "kudos.")
}

func TestWorkersAreShownAndLookedAfter(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.trust(sandbox.Newcomer, true)
	wk := r.pony(sandbox.Newcomer, "Pony")
	r.run(sandbox.Friend, "workers list", nil)
	r.whisper(sandbox.Friend, "🟢 **Pony**", "tiny")
	r.run(sandbox.Friend, "workers mine", nil)
	r.whisper(sandbox.Friend, "You have no workers")
	r.run(sandbox.Friend, "workers info", map[string]any{"worker": "Pony"})
	r.whisper(sandbox.Friend, "Owner: Newcomer#1", "Threads: 2")
	r.run(sandbox.Friend, "worker manage", map[string]any{"worker": "Pony"})
	r.whisper(sandbox.Friend, "belongs to somebody else")

	out := r.run(sandbox.Newcomer, "worker manage", map[string]any{"worker": wk.ID.String()})
	panel := out.MessageID
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Maintenance on"), map[string]string{"v": "new *shoes*"})
	r.message(sandbox.Newcomer, panel, "Pony rests now", `In maintenance: new \*shoes\*`)
	r.click(sandbox.Newcomer, panel, "Maintenance off")
	r.message(sandbox.Newcomer, panel, "Pony works again")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Rename"), map[string]string{"v": "Mustang"})
	r.message(sandbox.Newcomer, panel, "It is called Mustang now")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Describe"), map[string]string{"v": "likes oats"})
	r.message(sandbox.Newcomer, panel, "likes oats")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Send a message"), map[string]string{"v": "hoof care at noon"})
	r.message(sandbox.Newcomer, panel, "The message waits")
	r.click(sandbox.Newcomer, panel, "Messages")
	r.message(sandbox.Newcomer, panel, "1 message:", "hoof care at noon")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Delete"), map[string]string{"v": "Pony"})
	r.message(sandbox.Newcomer, panel, "nothing was deleted")

	r.run(sandbox.Newcomer, "worker pause", map[string]any{"worker": "Mustang"})
	r.whisper(sandbox.Newcomer, "moderators")
	r.operator(sandbox.Admin)
	r.run(sandbox.Admin, "worker pause", map[string]any{"worker": "Mustang"})
	r.whisper(sandbox.Admin, "Mustang is paused")

	// Teams.
	r.run(sandbox.Friend, "teams create", map[string]any{"name": "Mules"})
	r.whisper(sandbox.Friend, "trusted")
	r.run(sandbox.Newcomer, "teams create", map[string]any{"name": "Herd", "info": "all of us"})
	r.whisper(sandbox.Newcomer, "The team Herd is founded")
	r.run(sandbox.Newcomer, "teams join", map[string]any{"team": "herd"})
	r.whisper(sandbox.Newcomer, "Mustang is in the team Herd")
	r.run(sandbox.Friend, "teams list", nil)
	r.whisper(sandbox.Friend, "**Herd** · 1 workers (1 🟢)")
	r.run(sandbox.Friend, "teams info", map[string]any{"team": "Herd"})
	r.whisper(sandbox.Friend, "all of us", "Members: Mustang")
	r.run(sandbox.Friend, "teams edit", map[string]any{"team": "Herd", "name": "Mine"})
	r.whisper(sandbox.Friend, "moderators")
	r.run(sandbox.Newcomer, "teams leave", nil)
	r.whisper(sandbox.Newcomer, "Mustang is in no team")
	form := r.run(sandbox.Newcomer, "teams delete", map[string]any{"team": "Herd"})
	r.fillIn(sandbox.Newcomer, form, map[string]string{"v": "Herd"})
	r.whisper(sandbox.Newcomer, "The team Herd is disbanded")

	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Delete"), map[string]string{"v": "Mustang"})
	r.message(sandbox.Newcomer, panel, "Mustang is deleted")
	if got := r.p.engine.Workers(false); len(got) != 0 {
		t.Errorf("workers: %v", got)
	}
}

func TestStylesAreMadeAndFound(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.trust(sandbox.Newcomer, true)
	r.run(sandbox.Friend, "styles create", map[string]any{"name": "ink", "prompt": "{p}", "models": model})
	r.whisper(sandbox.Friend, "customizer")
	r.run(sandbox.Newcomer, "styles create", map[string]any{
		"name": "ink", "prompt": "{p}, ink drawing{np}", "models": model, "tags": "drawing, black", "info": "pen and ink", "public": true, "steps": 12, "size": "wide",
	})
	r.whisper(sandbox.Newcomer, "The style ink is there")
	r.run(sandbox.Friend, "styles search", map[string]any{"tag": "Drawing"})
	r.whisper(sandbox.Friend, "🎨 **ink** · Newcomer#1 · used 0 times")
	r.run(sandbox.Friend, "styles info", map[string]any{"style": "ink"})
	r.whisper(sandbox.Friend, "pen and ink", "Steps: 12", "Size: 384×256", "Tags: drawing, black")
	r.run(sandbox.Friend, "styles favourite", map[string]any{"style": "ink"})
	r.whisper(sandbox.Friend, "⭐ ink is one of your favourites")
	r.run(sandbox.Friend, "styles edit", map[string]any{"style": "ink", "steps": 20})
	r.whisper(sandbox.Friend, "belongs to somebody else")
	r.run(sandbox.Newcomer, "styles edit", map[string]any{"style": "ink", "steps": 20})
	r.whisper(sandbox.Newcomer, "The style ink is changed")
	if st, ok := r.p.engine.StyleNamed("ink", horde.StyleImage); !ok || st.Image.Steps != 20 || st.Image.Width != 384 {
		t.Errorf("the style is %+v", st.Image)
	}
	r.run(sandbox.Friend, "styles search", map[string]any{"owner": "friend"})
	r.whisper(sandbox.Friend, "Nothing was found")
	r.run(sandbox.Newcomer, "styles create", map[string]any{"name": "prose", "prompt": "{p}", "models": model, "kind": "text", "steps": 12})
	r.whisper(sandbox.Newcomer, "a style for texts has none of them")
	const picture = "https://pictures.example/ink.webp"
	r.run(sandbox.Newcomer, "styles example", map[string]any{"style": "ink", "address": picture, "remove": true})
	r.whisper(sandbox.Newcomer, "shows no picture of this address")
	r.run(sandbox.Newcomer, "styles example", map[string]any{"style": "ink", "address": picture})
	r.whisper(sandbox.Newcomer, "ink shows one picture now")
	r.run(sandbox.Friend, "styles example", map[string]any{"style": "ink", "address": picture, "remove": true})
	r.whisper(sandbox.Friend, "belongs to somebody else")
	r.run(sandbox.Newcomer, "styles example", map[string]any{"style": "ink", "address": picture, "remove": true})
	r.whisper(sandbox.Newcomer, "ink shows 0 pictures now")

	r.run(sandbox.Newcomer, "styles collection create", map[string]any{"name": "papers", "styles": "ink", "public": true})
	r.whisper(sandbox.Newcomer, "The collection papers is there, with 1 style.")
	r.run(sandbox.Friend, "styles collection list", nil)
	r.whisper(sandbox.Friend, "📚 **papers**")
	r.run(sandbox.Friend, "styles collection info", map[string]any{"collection": "papers"})
	r.whisper(sandbox.Friend, "Newcomer#1::style::ink")
	form := r.run(sandbox.Newcomer, "styles collection delete", map[string]any{"collection": "papers"})
	r.fillIn(sandbox.Newcomer, form, map[string]string{"v": "papers"})
	r.whisper(sandbox.Newcomer, "The collection papers is deleted")
	form = r.run(sandbox.Newcomer, "styles delete", map[string]any{"style": "ink"})
	r.fillIn(sandbox.Newcomer, form, map[string]string{"v": "ink"})
	r.whisper(sandbox.Newcomer, "The style ink is deleted")
	r.run(sandbox.Friend, "styles list", nil)
	r.whisper(sandbox.Friend, "Nothing was found")
}

func TestAStyleIsMadeOfAResult(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.trust(sandbox.Newcomer, true)
	r.worker(nil)
	id := r.generate(sandbox.Friend, map[string]any{"prompt": "red apple in ink", "negative": "green", "steps": 14, "size": "wide"})
	r.result(sandbox.Friend, id, 1)
	r.click(sandbox.Friend, id, "Info")
	r.see(sandbox.Friend, "everything about it", func(m sandbox.Message) bool {
		return m.Ephemeral && len(m.Attachments) > 0 && !slices.Contains(labels(m), "Save as style") // who may not make styles is not asked to
	})
	r.click(sandbox.Newcomer, id, "Info")
	info := r.see(sandbox.Newcomer, "the button", func(m sandbox.Message) bool { return slices.Contains(labels(m), "Save as style") })
	form := r.click(sandbox.Newcomer, info.ID, "Save as style")
	if form.Modal == nil || form.Modal.Inputs[1].Value != "{p}, red apple in ink ### {np}, green" {
		t.Fatalf("the form is %+v", form.Modal)
	}
	r.fillIn(sandbox.Newcomer, form, map[string]string{"name": "inked", "prompt": "{p} in ink ### {np}, green", "tags": "drawn, black"})
	r.whisper(sandbox.Newcomer, "The style inked is there")
	st, ok := r.p.engine.StyleNamed("inked", horde.StyleImage)
	if !ok || st.Image.Steps != 14 || st.Image.Width != 384 || st.Prompt != "{p} in ink ### {np}, green" || st.Public || !slices.Equal(st.Models, []string{model}) ||
		!slices.Equal(st.Tags, []string{"drawn", "black"}) {
		t.Errorf("the style is %+v with %+v", st, st.Image)
	}
}

func TestLongListsHavePages(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	r.trust(sandbox.Newcomer, true)
	for i := range 24 {
		if _, err := engine.Do(r.ctx(), r.p.engine, horde.NewTeam{By: r.user(sandbox.Newcomer).ID, Name: fmt.Sprintf("Team %02d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	out := r.run(sandbox.Friend, "teams list", nil)
	r.message(sandbox.Friend, out.MessageID, "Team 00", "Team 09")
	r.click(sandbox.Friend, out.MessageID, "Next")
	r.message(sandbox.Friend, out.MessageID, "Team 10", "Team 19")
	r.click(sandbox.Friend, out.MessageID, "Next")
	r.message(sandbox.Friend, out.MessageID, "Team 20", "Team 23")
	if _, err := r.sand.Click(r.ctx(), sandbox.Friend, out.MessageID, "Next"); err == nil {
		t.Error("there is a page after the last")
	}
	r.click(sandbox.Friend, out.MessageID, "Back")
	r.message(sandbox.Friend, out.MessageID, "Team 10")
	if list := r.suggest(sandbox.Friend, "teams info", "team", ""); len(list) != 24 {
		t.Errorf("%d suggestions", len(list))
	}
}

func TestNewsReachTheirChannelsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	pieces := []commands.NewsPiece{{Date: day(1), Title: "Old oats", Markdown: "They are gone."}}
	r.news.Store(&pieces)
	r.run(sandbox.Newcomer, "news latest", nil)
	r.whisper(sandbox.Newcomer, "Old oats", "They are gone")
	r.run(sandbox.Newcomer, "news subscribe", map[string]any{"channel": sandbox.ChannelID})
	r.whisper(sandbox.Newcomer, "Manage Server")
	r.run(sandbox.Admin, "news subscribe", map[string]any{"channel": sandbox.ChannelID})
	r.whisper(sandbox.Admin, "hears of news now")
	r.run(sandbox.Admin, "news subscribe", map[string]any{"channel": sandbox.ChannelID})
	r.whisper(sandbox.Admin, "hears of news already")

	told := func() (titles []string) {
		for _, m := range r.sand.Messages(sandbox.ChannelID, sandbox.Admin) {
			if !m.Ephemeral && len(m.Embeds) == 1 && strings.HasPrefix(m.Embeds[0].Title, "📰") {
				titles = append(titles, m.Embeds[0].Title)
			}
		}
		return titles
	}
	tick := func(want ...string) {
		t.Helper()
		r.jump(11 * time.Minute)
		if err := r.p.set.NewsTick(r.ctx()); err != nil {
			t.Fatal(err)
		}
		if got := told(); !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	}
	tick()
	newer := []commands.NewsPiece{{Date: day(3), Title: "Hay", Markdown: "h"}, {Date: day(2), Title: "Oats", Markdown: "o"}, pieces[0]}
	r.news.Store(&newer)
	tick("📰 Oats", "📰 Hay")
	same := append([]commands.NewsPiece{{Date: day(3), Title: "Straw", Markdown: "s"}}, newer...)
	r.news.Store(&same)
	r.restart(0)
	tick("📰 Oats", "📰 Hay", "📰 Straw")
	tick("📰 Oats", "📰 Hay", "📰 Straw")
	r.run(sandbox.Admin, "news unsubscribe", map[string]any{"channel": sandbox.ChannelID})
	r.whisper(sandbox.Admin, "hears of no more news")
}

func TestCommandsKeepDiscordsRules(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	chat := 0
	for _, spec := range r.p.set.Commands() {
		if err := spec.Validate(); err != nil {
			t.Error(err)
		}
		if spec.Menu == 0 {
			chat++
		}
	}
	if chat > 100 {
		t.Errorf("%d commands, Discord takes 100", chat)
	}
}
