// SPDX-License-Identifier: AGPL-3.0-or-later

package emojikudos_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/emojikudos"
	"stablemate/horde/kudos"
)

// news reads what somebody will hear.
func (r *rig) news(to emojikudos.Address) emojikudos.News {
	r.t.Helper()
	n, err := one[emojikudos.News](context.Background(), r.book, chat.KindGiftNews, to.Key())
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *rig) note(person, key string) {
	r.t.Helper()
	if err := r.gifts.Note(context.Background(), person, emojikudos.Line{Key: key, From: "ann", Amount: 10 * kudos.One}); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) reports(want ...string) {
	r.t.Helper()
	if got := r.chat.heard(&r.chat.reports); !slices.Equal(got, want) {
		r.t.Errorf("reported %v, want %v", got, want)
	}
}

func TestNewsStayUntilTheyAreTold(t *testing.T) {
	t.Parallel()
	bob := emojikudos.Address{Who: "bob"}
	t.Run("while Discord is away, and over a restart", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.note("bob", "k1")
		r.chat.away = true
		r.settle(time.Minute)
		mark := func() string { n := r.news(bob); return n.Mark(bob) }
		first := mark()
		r.restart()
		r.settle(time.Minute)
		if again := mark(); again != first || r.news(bob).Tries != 2 {
			t.Errorf("the news are %q and then %q after %d tries: Discord would show them twice", first, again, r.news(bob).Tries)
		}
		r.reports()
		r.chat.away = false
		r.settle(2 * time.Minute)
		r.settle(time.Hour)
		r.reports("bob:1:10:false")
		if n := r.news(bob); !n.Since.IsZero() {
			t.Errorf("left: %+v", n)
		}
	})
	t.Run("to who takes no direct messages for now", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.chat.deaf["bob"] = true
		r.note("bob", "k1")
		r.settle(time.Minute)
		r.settle(time.Hour)
		if n := r.news(bob); !n.Kept || len(n.Lines) != 1 {
			t.Errorf("not kept: %+v", n)
		}
		delete(r.chat.deaf, "bob")
		r.note("bob", "k2")
		r.settle(time.Minute)
		r.reports("bob:2:20:false")
	})
	t.Run("or for a month", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.chat.deaf["bob"] = true
		r.note("bob", "k1")
		r.settle(time.Minute)
		r.settle(30*24*time.Hour + time.Minute)
		if n := r.news(bob); !n.Since.IsZero() {
			t.Errorf("left: %+v", n)
		}
	})
	t.Run("with what is added while they are told", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.note("bob", "k1")
		r.chat.meanwhile = func() {
			r.chat.meanwhile = nil
			r.note("bob", "k2")
		}
		r.settle(time.Minute)
		r.settle(2 * time.Minute)
		r.reports("bob:1:10:false", "bob:1:10:false")
	})
	t.Run("invitations and explanations, too", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.agree("ann")
		r.chat.closed["ann"] = true
		r.chat.authors["m"] = emojikudos.Author{ID: "bob"}
		r.react(reaction("m"))
		r.chat.away = true
		if err := r.gifts.Invite(context.Background(), "zoe", emojikudos.Gift{Amount: 10 * kudos.One}); err != nil {
			t.Fatal(err)
		}
		r.settle(grace)
		r.chat.away = false
		r.restart()
		r.settle(time.Minute)
		r.settle(time.Minute)
		r.pass()
		if got := r.chat.heard(&r.chat.invites); !slices.Equal(got, []string{"zoe:10"}) {
			t.Errorf("invited %v", got)
		}
		if got := r.chat.heard(&r.chat.told); !slices.Equal(got, []string{"ann:AnonForbidden"}) {
			t.Errorf("told %v", got)
		}
	})
}

// Somebody may be forgotten while a gift of theirs, or news for them, are on the way.
func TestForgottenPeopleStayForgotten(t *testing.T) {
	t.Parallel()
	docs := func(r *rig, person string) (keys []string) {
		t.Helper()
		for _, kind := range []chat.DocKind{chat.KindGift, chat.KindGiftNews} {
			all, err := r.book.st.DocsAfter(context.Background(), kind, "", 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range all {
				if strings.Contains(d.Key, person) {
					keys = append(keys, d.Key)
				}
			}
		}
		return keys
	}
	gone := func(r *rig, person string) func() {
		return func() {
			if _, err := r.book.st.ForgetPerson(context.Background(), person); err != nil {
				t.Error(err)
			}
		}
	}
	for name, away := range map[string]bool{"while Discord answers": false, "while Discord is away": true} {
		t.Run("a gift "+name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.agree("ann")
			r.open("ann", "bob")
			x := reaction("m")
			x.Author = ""
			r.chat.authors["m"] = emojikudos.Author{ID: "bob"}
			r.react(x)
			r.chat.reading, r.chat.away = gone(r, "ann"), away
			r.settle(grace)
			if got := docs(r, "ann"); len(got) > 0 {
				t.Errorf("left: %v", got)
			}
		})
	}
	t.Run("news", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.note("bob", "k1")
		r.chat.deaf["bob"] = true
		r.chat.unheard = gone(r, "bob")
		r.settle(time.Minute)
		if got := docs(r, "bob"); len(got) > 0 {
			t.Errorf("left: %v", got)
		}
	})
	t.Run("and what came back once goes", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		key := emojikudos.KeyOf("m", "u:🙏", "ann")
		if _, err := r.book.ChangeGift(context.Background(), key, func(x *emojikudos.Gift) error {
			x.Tries, x.Due = 1, r.clock.Now()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		r.settle(time.Minute)
		if got := docs(r, "ann"); len(got) > 0 {
			t.Errorf("left: %v", got)
		}
	})
}

// A row that makes us panic, or cannot be saved, is alone with that.
func TestOneGiftThatBreaksStallsNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.agree("ann", "cat")
	r.open("bob")
	r.chat.panics = map[string]bool{"m0": true}
	bad := reaction("m0")
	bad.Author = ""
	r.react(bad)
	for i := range 18 {
		x := reaction("m" + strconv.Itoa(i+1))
		if i%2 == 0 {
			x.Person = "cat"
		}
		r.react(x)
	}
	r.settle(grace)
	r.has("bob", full+180*kudos.One)
	if got := r.row(bad); got.State != emojikudos.Waiting || !got.Due.After(r.clock.Now()) || !got.Tried {
		t.Errorf("it is not put off: %+v", got)
	}
	r.chat.panics = nil
	r.chat.authors["m0"] = emojikudos.Author{ID: "bob"}
	r.settle(time.Minute)
	r.has("bob", full+190*kudos.One)
}

func TestConsentInTheMomentOfLapsingCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open("ann", "bob")
	r.react(reaction("m"))
	r.pass()
	r.book.trouble = func(after bool) bool {
		if !after {
			r.book.trouble = nil
			r.agree("ann")
		}
		return false
	}
	r.settle(24 * time.Hour)
	r.pass()
	r.has("bob", full+10*kudos.One)
}

// Discord is asked what a channel belongs to only for as many reactions as may count.
func TestAStormDoesNotAskDiscord(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *emojikudos.Options) { o.Default[0].Channels = []string{"elsewhere"} })
	r.agree("ann")
	for i := range 200 {
		r.react(reaction("m" + strconv.Itoa(i)))
	}
	if r.chat.withins > 90 {
		t.Errorf("Discord was asked %d times", r.chat.withins)
	}
}
