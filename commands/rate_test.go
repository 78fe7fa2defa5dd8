// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/commands/chat"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
	"stablemate/ratings"
)

// stock imports images to rate.
func (r *rig) stock(n int) {
	r.t.Helper()
	r.early()
	im := ratings.Importer{Store: r.p.store, Shelf: r.shelf, Random: func() uint64 { return uint64(ids{}.Uint32()) }, Now: r.now}
	for i := range n {
		data := append(webp(), byte(i)) // what follows a picture is not looked at
		if added, err := im.Add(r.ctx(), ratings.NewImage{Data: data, Ending: ".webp", Dataset: "old-ones"}); !added || err != nil {
			r.t.Fatalf("import: %v, %v", added, err)
		}
	}
}

// panel waits for the rating panel of somebody with some texts.
func (r *rig) panel(who string, texts ...string) sandbox.Message {
	r.t.Helper()
	return r.whisper(who, texts...)
}

// early sees to it that no new day begins soon: what people rated is counted by days.
func (r *rig) early() {
	const day = 24 * time.Hour
	if now := r.now().UTC(); now.Truncate(day).Add(day).Sub(now) < time.Hour {
		r.jump(2 * time.Hour)
	}
}

// vote looks at an image for a while and rates it.
func (r *rig) vote(who, panel, rating, artifacts string) {
	r.t.Helper()
	r.jump(4 * time.Second)
	r.click(who, panel, rating)
	r.message(who, panel, "How much is wrong")
	r.click(who, panel, artifacts)
}

func TestPeopleRateOneImageAfterTheOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stock(3)
	r.run(sandbox.Newcomer, "rate", map[string]any{"dataset": "old-ones"})
	m := r.panel(sandbox.Newcomer, "How do you like this image?", "0 of 500 today")
	if len(m.Attachments) != 1 || m.Attachments[0].Description != "Image to rate" {
		t.Errorf("the image has no description: %+v", m.Attachments)
	}
	r.jump(-10 * time.Second) // however long the presses take, the moment is not over
	before := r.user(sandbox.Newcomer).Balance
	r.click(sandbox.Newcomer, m.ID, "7")
	r.message(sandbox.Newcomer, m.ID, "You chose **7** of 10")
	r.click(sandbox.Newcomer, m.ID, "1 · hardly anything")
	r.message(sandbox.Newcomer, m.ID, "look at the image for a moment", "You chose **7** of 10")
	r.jump(14 * time.Second)
	r.click(sandbox.Newcomer, m.ID, "1 · hardly anything")
	r.message(sandbox.Newcomer, m.ID, "★★★★★★★☆☆☆ 7 · +10 kudos", "1 of 500 today")
	if got := r.user(sandbox.Newcomer).Balance - before; got != 10*kudos.One {
		t.Errorf("a rating brought %s kudos, want 10", got)
	}
	// The first message's token is long gone; each press brings another.
	r.jump(20 * time.Minute)
	r.click(sandbox.Newcomer, m.ID, "Skip")
	r.message(sandbox.Newcomer, m.ID, "Skipped.", "2 of 500 today")
	r.click(sandbox.Newcomer, m.ID, "Undo last")
	r.message(sandbox.Newcomer, m.ID, "Your last answer is taken back", "1 of 500 today")
	r.vote(sandbox.Newcomer, m.ID, "10", "0 · nothing")
	r.message(sandbox.Newcomer, m.ID, "★★★★★★★★★★ 10 · +10 kudos")
	r.click(sandbox.Newcomer, m.ID, "Report")
	r.message(sandbox.Newcomer, m.ID, "Thank you for telling", "You have rated everything")
	r.click(sandbox.Newcomer, m.ID, "Look again")
	r.message(sandbox.Newcomer, m.ID, "You have rated everything")

	r.run(sandbox.Newcomer, "ratings stats", nil)
	r.whisper(sandbox.Newcomer, "You: 2 images, 2 of them with artifacts\n20 kudos in all\n3 of 500 today", "1 day with ratings", "This server: 2 ratings", "stablemate-chat: 2")
	r.run(sandbox.Newcomer, "ratings datasets", nil)
	r.whisper(sandbox.Newcomer, "**old-ones**: 3 images", "2 ratings")
	r.run(sandbox.Newcomer, "ratings leaderboard", nil)
	r.whisper(sandbox.Newcomer, "Who rated most", "1. ", ": 2")
	r.run(sandbox.Newcomer, "ratings leaderboard", map[string]any{"hide": true})
	r.whisper(sandbox.Newcomer, "Nobody has rated yet.", "You are not shown here")
}

func TestAnOldPanelShowsWhatIsOnTheDesk(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stock(3)
	r.run(sandbox.Newcomer, "rate", map[string]any{"artifacts": false})
	first := r.panel(sandbox.Newcomer, "0 of 500 today")
	r.jump(4 * time.Second)
	r.click(sandbox.Newcomer, first.ID, "3")
	r.message(sandbox.Newcomer, first.ID, "+5 kudos", "1 of 500 today")
	r.run(sandbox.Newcomer, "rate", nil)
	second := r.see(sandbox.Newcomer, "the second panel", func(m sandbox.Message) bool {
		return m.Ephemeral && m.ID != first.ID && holds(m, []string{"1 of 500 today"})
	})
	r.jump(4 * time.Second)
	r.click(sandbox.Newcomer, second.ID, "4")
	r.message(sandbox.Newcomer, second.ID, "2 of 500 today")
	r.jump(4 * time.Second)
	r.click(sandbox.Newcomer, first.ID, "9")
	r.message(sandbox.Newcomer, first.ID, "Another image was shown", "2 of 500 today")
	r.click(sandbox.Newcomer, first.ID, "Stop")
	r.message(sandbox.Newcomer, first.ID, "Today you answered 2 times and got 10 kudos")
}

func TestAGuildThatHidesImagesHidesThoseToRate(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stock(3)
	value := []byte(`{"spoiler":true}`)
	if _, err := r.p.store.SaveDoc(r.ctx(), chat.Doc{Kind: chat.KindGuild, Key: sandbox.GuildID, Guild: sandbox.GuildID, Value: value}); err != nil {
		t.Fatal(err)
	}
	r.run(sandbox.Newcomer, "rate", nil)
	if m := r.panel(sandbox.Newcomer, "How do you like this image?"); len(m.Attachments) != 1 || !strings.HasPrefix(m.Attachments[0].Filename, "SPOILER_") {
		t.Errorf("the image is %+v", m.Attachments)
	}
}

func TestAPauseIsExplained(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stock(14)
	r.run(sandbox.Newcomer, "rate", map[string]any{"artifacts": false})
	m := r.panel(sandbox.Newcomer, "0 of 500 today")
	for n := range 12 {
		r.jump(4 * time.Second)
		r.click(sandbox.Newcomer, m.ID, "5")
		r.message(sandbox.Newcomer, m.ID, fmt.Sprintf("%d of 500 today", n+1))
	}
	r.message(sandbox.Newcomer, m.ID, "same answer many times", "take a break until <t:")
	r.jump(11 * time.Minute)
	r.click(sandbox.Newcomer, m.ID, "Look again")
	r.message(sandbox.Newcomer, m.ID, "How do you like this image?")
}

func TestStrangersNeedAnAccountToRate(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.AutoAccount = false })
	r.run(sandbox.Newcomer, "rate", nil)
	r.whisper(sandbox.Newcomer, "For this you need an account")
}

func TestTheRequesterRatesSharedImagesOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	if _, err := r.p.store.SaveDoc(r.ctx(), chat.Doc{Kind: chat.KindPerson, Key: sandbox.Newcomer, Person: sandbox.Newcomer, Value: []byte(`{"share":true}`)}); err != nil {
		t.Fatal(err)
	}
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"amount": 2})
	m := r.result(sandbox.Newcomer, id, 2)
	if !slices.ContainsFunc(m.Buttons, func(b sandbox.Button) bool { return b.Label == "Rate" }) {
		t.Fatalf("a shared result has no button to rate it: %+v", m.Buttons)
	}
	r.click(sandbox.Friend, id, "Rate")
	r.whisper(sandbox.Friend, "Only the person who asked for these images")
	r.click(sandbox.Newcomer, id, "Rate")
	panel := r.panel(sandbox.Newcomer, "Image 1 of 2.")
	before := r.user(sandbox.Newcomer).Balance
	r.click(sandbox.Newcomer, panel.ID, "8")
	r.message(sandbox.Newcomer, panel.ID, "You chose **8** of 10")
	r.click(sandbox.Newcomer, panel.ID, "2 · a little")
	r.message(sandbox.Newcomer, panel.ID, "Image 2 of 2.")
	r.click(sandbox.Newcomer, panel.ID, "8")
	r.message(sandbox.Newcomer, panel.ID, "You chose **8** of 10")
	r.click(sandbox.Newcomer, panel.ID, "0 · nothing")
	r.message(sandbox.Newcomer, panel.ID, "Which one is the best?")
	r.click(sandbox.Newcomer, panel.ID, "2")
	done := r.message(sandbox.Newcomer, panel.ID, "Your ratings are noted and bring")
	if got := r.user(sandbox.Newcomer).Balance - before; got <= 0 || !strings.Contains(done.Content, got.String()) {
		t.Errorf("the balance grew by %s, the panel says %q", got, done.Content)
	}
	r.click(sandbox.Newcomer, id, "Rate")
	again := r.see(sandbox.Newcomer, "a second panel", func(m sandbox.Message) bool {
		return m.Ephemeral && m.ID != panel.ID && holds(m, []string{"Image 1 of 2."})
	})
	r.click(sandbox.Newcomer, again.ID, "Skip")
	r.message(sandbox.Newcomer, again.ID, "Image 2 of 2.")
	r.click(sandbox.Newcomer, again.ID, "Skip")
	r.message(sandbox.Newcomer, again.ID, "Which one is the best?")
	r.click(sandbox.Newcomer, again.ID, "1")
	r.message(sandbox.Newcomer, again.ID, "You have rated these images already")
	// Others rate them as well, their requester does not.
	r.eventually("the images are offered", func() bool {
		sets, err := r.p.store.RatingDatasets(r.ctx())
		return err == nil && len(sets) == 1 && sets[0].Images == 2
	})
	r.run(sandbox.Newcomer, "rate", nil)
	r.whisper(sandbox.Newcomer, "You have rated everything")
	r.run(sandbox.Friend, "rate", nil)
	r.whisper(sandbox.Friend, "How do you like this image?")
}
