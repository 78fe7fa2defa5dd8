// SPDX-License-Identifier: AGPL-3.0-or-later

package emojikudos_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"stablemate/emojikudos"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/clock"
	"stablemate/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type ids struct{}

func (ids) UUID() (u horde.UUID) {
	_, _ = rand.Read(u[:])
	return u
}

func (ids) Uint32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return binary.LittleEndian.Uint32(b[:])
}

// discord is a fake: who wrote which message, and who was told what.
type discord struct {
	engine  *engine.Engine
	authors map[string]emojikudos.Author // by message
	asked   map[string]string            // by message of the bot: who asked for it
	closed  map[string]bool              // people without an account, who get none silently
	away    bool

	mu      sync.Mutex // guards what follows
	told    []string   // person:code
	fetched int
}

func (d *discord) Self() string { return "self" }

func (d *discord) Author(_ context.Context, _, message string) (emojikudos.Author, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fetched++
	if d.away {
		return emojikudos.Author{}, errors.New("Discord is away")
	}
	return d.authors[message], nil
}

func (d *discord) Requester(_ context.Context, _, message string) (string, bool, error) {
	person, ok := d.asked[message]
	return person, ok, nil
}

func (d *discord) Account(ctx context.Context, person, name string) (horde.UserID, bool, error) {
	if d.closed[person] {
		return 0, false, nil
	}
	if name == "" {
		name = "Somebody"
	}
	u, err := engine.Do(ctx, d.engine, horde.CreateUser{
		External: "d_" + person, Name: name, Key: sha256.Sum256([]byte(person)), Welcome: 100 * kudos.One, Ensure: true,
	})
	return u.ID, err == nil, err
}

func (d *discord) Tell(_ context.Context, person string, why *horde.Error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, person+":"+string(why.Code))
	return nil
}

type rig struct {
	t     *testing.T
	chat  *discord
	gifts *emojikudos.Gifts
	clock *clock.Fake
}

func newRig(t *testing.T) *rig {
	t.Helper()
	fake := clock.NewFake(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	ctx, cancel := context.WithCancel(context.Background())
	st, err := store.Open(ctx, store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db"), Log: zerolog.Nop(), Now: fake.Now})
	if err != nil {
		t.Fatal(err)
	}
	eng, err := engine.Open(ctx, st, engine.Options{Settings: horde.Settings{TransfersAllowed: true}, Now: fake.Now, IDs: ids{}, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- eng.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, st.Close()); err != nil {
			t.Error(err)
		}
	})
	chat := &discord{
		engine: eng, authors: map[string]emojikudos.Author{}, asked: map[string]string{}, closed: map[string]bool{},
	}
	gifts, err := emojikudos.New(emojikudos.Deps{Engine: eng, Chat: chat, Now: fake.Now}, emojikudos.Options{Rules: []emojikudos.Rule{
		{Emoji: "u:🙏", Amount: 10 * kudos.One}, {Emoji: "c:77", Amount: 30 * kudos.One},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, chat: chat, gifts: gifts, clock: fake}
}

// reaction is one of ann's to a message that bob wrote, unless a test changes it.
func reaction(message string) emojikudos.Reaction {
	return emojikudos.Reaction{
		Guild: "1", Channel: "2", Message: message, Person: "ann", PersonName: "Ann", EmojiName: "🙏", Author: "bob",
	}
}

func (r *rig) react(x emojikudos.Reaction) emojikudos.Outcome {
	r.t.Helper()
	out, err := r.gifts.React(context.Background(), x)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) balance(person string) kudos.Amount {
	u, _ := r.chat.engine.UserByExternal("d_" + person)
	return u.Balance
}

func TestReactionsThatGiveNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.chat.authors["by bob"] = emojikudos.Author{ID: "bob", Name: "Bob"}
	r.chat.authors["by a bot"] = emojikudos.Author{ID: "r2", Name: "R2", Robot: true}
	r.chat.asked["made for ann"] = "ann"
	for name, change := range map[string]func(*emojikudos.Reaction){
		"another emoji":                  func(x *emojikudos.Reaction) { x.EmojiName = "🐴" },
		"an emoji of another guild":      func(x *emojikudos.Reaction) { x.EmojiID, x.EmojiName = "78", "kudos" },
		"a direct message":               func(x *emojikudos.Reaction) { x.Guild = "" },
		"a reaction of a bot":            func(x *emojikudos.Reaction) { x.PersonBot = true },
		"our own reaction":               func(x *emojikudos.Reaction) { x.Person = "self" },
		"a message of another bot":       func(x *emojikudos.Reaction) { x.Message, x.Author = "by a bot", "r2" },
		"a webhook's, without an author": func(x *emojikudos.Reaction) { x.Message, x.Author = "by a bot", "" },
		"our own message without image":  func(x *emojikudos.Reaction) { x.Message, x.Author = "help", "self" },
		"an image of one's own":          func(x *emojikudos.Reaction) { x.Message, x.Author = "made for ann", "self" },
		"a message of one's own":         func(x *emojikudos.Reaction) { x.Author = "ann" },
	} {
		x := reaction("by bob")
		change(&x)
		if name == "a message of one's own" {
			r.chat.authors["by bob"] = emojikudos.Author{ID: "ann"}
		}
		if out := r.react(x); out.Ending != emojikudos.Ignored {
			t.Errorf("%s ended with %+v", name, out)
		}
		r.chat.authors["by bob"] = emojikudos.Author{ID: "bob", Name: "Bob"}
	}
	if users := r.chat.engine.Users(); len(users) != 1 {
		t.Errorf("%d accounts were opened", len(users)-1)
	}
}

func TestAGiftHappensOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.chat.authors["m1"] = emojikudos.Author{ID: "bob", Name: "Bob"}
	first := r.react(reaction("m1"))
	if first.Ending != emojikudos.Paid || first.To != "bob" || first.Amount != 10*kudos.One {
		t.Errorf("the first reaction ended with %+v", first)
	}
	toned := reaction("m1")
	toned.EmojiName = "🙏🏾" // the same emoji in another tone
	r.clock.Advance(3 * time.Hour)
	for name, x := range map[string]emojikudos.Reaction{"the same": reaction("m1"), "another tone": toned} {
		if out := r.react(x); out.Ending != emojikudos.Repeated {
			t.Errorf("%s ended with %+v", name, out)
		}
	}
	if got := r.balance("bob"); got != 135*kudos.One {
		t.Errorf("bob has %s kudos, want 135", got)
	}

	other := reaction("m1")
	other.EmojiID, other.EmojiName = "77", "kudos"
	if out := r.react(other); out.Ending != emojikudos.Paid || out.Amount != 30*kudos.One {
		t.Errorf("another emoji ended with %+v", out)
	}
	carol := reaction("m1")
	carol.Person = "carol"
	if out := r.react(carol); out.Ending != emojikudos.Paid {
		t.Errorf("another person ended with %+v", out)
	}
	if got := r.balance("bob"); got != 175*kudos.One {
		t.Errorf("bob has %s kudos, want 175", got)
	}
	if r.chat.fetched != 1 {
		t.Errorf("the author was looked up %d times, want once, before the account was known", r.chat.fetched)
	}
}

func TestManyTapsAtOnceAreOneGift(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.chat.authors["m1"] = emojikudos.Author{ID: "bob", Name: "Bob"}
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			if _, err := r.gifts.React(context.Background(), reaction("m1")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := r.balance("bob"); got != 135*kudos.One {
		t.Errorf("bob has %s kudos, want 135", got)
	}
}

func TestRefusalsAreToldOnceAnHourAndReason(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 12 { // ann can give 100
		r.chat.authors["m"+strconv.Itoa(i)] = emojikudos.Author{ID: "bob", Name: "Bob"}
	}
	r.chat.closed["zoe"] = true
	for i := range 12 {
		out := r.react(reaction("m" + strconv.Itoa(i)))
		switch {
		case i < 10 && out.Ending != emojikudos.Paid:
			t.Errorf("reaction %d ended with %+v", i, out)
		case i >= 10 && (out.Ending != emojikudos.Refused || out.Why.Code != horde.CodeTransferNotEnough || out.Told != (i == 10)):
			t.Errorf("reaction %d ended with %+v", i, out)
		}
	}
	zoe := reaction("m1")
	zoe.Person = "zoe"
	if out := r.react(zoe); out.Ending != emojikudos.Refused || out.Why.Code != horde.CodeAnonForbidden || !out.Told {
		t.Errorf("without an account it ended with %+v", out)
	}
	r.clock.Advance(time.Hour)
	if out := r.react(reaction("m11")); !out.Told {
		t.Errorf("an hour later it ended with %+v", out)
	}
	want := []string{"ann:KudosTransferNotEnough", "zoe:AnonForbidden", "ann:KudosTransferNotEnough"}
	if len(r.chat.told) != len(want) {
		t.Errorf("told %v, want %v", r.chat.told, want)
	}
}

func TestWhatBreaksIsAnErrorAndNothingMoves(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.chat.away = true
	if _, err := r.gifts.React(context.Background(), reaction("m1")); err == nil {
		t.Error("no error while Discord is away")
	}
	r.chat.away = false
	r.chat.authors["m1"] = emojikudos.Author{ID: "bob", Name: "Bob"}
	if out := r.react(reaction("m1")); out.Ending != emojikudos.Paid {
		t.Errorf("afterwards it ended with %+v", out)
	}
}

func TestRulesAreChecked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, rule := range []emojikudos.Rule{{Emoji: "u:🙏"}, {Emoji: "u:🙏", Amount: -1}, {Amount: 1}, {Emoji: "u:🙏", Amount: kudos.MaxAmount + 1}} {
		_, err := emojikudos.New(emojikudos.Deps{Engine: r.chat.engine, Chat: r.chat, Now: r.clock.Now}, emojikudos.Options{Rules: []emojikudos.Rule{rule}})
		if err == nil {
			t.Errorf("rule %+v was accepted", rule)
		}
	}
}
