// SPDX-License-Identifier: AGPL-3.0-or-later

package emojikudos_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"stablemate/commands/chat"
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
	mu        sync.Mutex // guards what follows
	engine    *engine.Engine
	authors   map[string]emojikudos.Author // by message
	asked     map[string]string            // by message of the bot: who asked for it
	closed    map[string]bool              // people without an account, who get none silently
	deaf      map[string]bool
	limits    map[string]emojikudos.Limits
	away      bool
	panics    map[string]bool // messages that nobody can read
	meanwhile func()          // happens while a report is told
	reading   func()          // happens while a message is read
	unheard   func()          // happens while somebody takes no report
	told      []string        // person:code
	asks      []string
	invites   []string
	reports   []string // person:count:amount
	feeds     bool
	fed       []string // guild:from>to:amount
	fetched   int
	withins   int
}

func (d *discord) Self() string { return "self" }

func (d *discord) Author(_ context.Context, _, message string) (emojikudos.Author, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fetched++
	if d.reading != nil {
		d.reading()
	}
	if d.panics[message] {
		panic("unreadable")
	}
	if d.away {
		return emojikudos.Author{}, errors.New("Discord is away")
	}
	return d.authors[message], nil
}

func (d *discord) Requester(_ context.Context, _, message string) (string, bool, error) {
	person, ok := d.asked[message]
	return person, ok, nil
}

func (d *discord) Within(_ context.Context, channel string, channels []string) (bool, error) {
	d.withins++
	return slices.Contains(channels, strings.TrimPrefix(channel, "thread of ")), nil
}

func (d *discord) Open(ctx context.Context, person, name string) (horde.UserID, bool, error) {
	if d.closed[person] {
		return 0, false, nil
	}
	if name == "" {
		name = "Somebody"
	}
	d.mu.Lock()
	eng := d.engine
	d.mu.Unlock()
	u, err := engine.Do(ctx, eng, horde.CreateUser{
		External: emojikudos.Identity(person), Name: name, Key: sha256.Sum256([]byte(person)), Welcome: 100 * kudos.One, Ensure: true,
	})
	return u.ID, err == nil, err
}

func (d *discord) Find(_ context.Context, person string) (horde.UserID, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, ok := d.engine.UserByExternal(emojikudos.Identity(person))
	return u.ID, ok, nil
}

func (d *discord) Limits(_ context.Context, person string) (emojikudos.Limits, error) {
	return d.limits[person], nil
}

func (d *discord) note(at *[]string, what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*at = append(*at, what)
}

func (d *discord) Ask(_ context.Context, g emojikudos.Gift) (bool, error) {
	d.note(&d.asks, g.Person)
	return !d.deaf[g.Person], nil
}

func (d *discord) Tell(_ context.Context, person string, n emojikudos.News) (bool, error) {
	return d.say(person, func() {
		for _, l := range n.Lines {
			d.told = append(d.told, person+":"+l.Key)
		}
	})
}

func (d *discord) Invite(_ context.Context, person string, n emojikudos.News) (bool, error) {
	return d.say(person, func() { d.invites = append(d.invites, person+":"+n.Lines[0].Amount.String()) })
}

func (d *discord) Feeds(_ context.Context, _ string) (bool, error) { return d.feeds, nil }

func (d *discord) Feed(_ context.Context, guild string, n emojikudos.News) (bool, error) {
	return d.say(guild, func() {
		for _, l := range n.Lines {
			d.fed = append(d.fed, guild+":"+l.From+">"+l.To+":"+l.Amount.String())
		}
	})
}

func (d *discord) Report(_ context.Context, person string, n emojikudos.News, back bool) (bool, error) {
	return d.say(person, func() {
		d.reports = append(d.reports, fmt.Sprintf("%s:%d:%s:%v", person, len(n.Lines)+n.More, n.Amount, back))
		if d.meanwhile != nil {
			d.meanwhile()
		}
	})
}

// say tells somebody something, if they can be reached.
func (d *discord) say(to string, f func()) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away {
		return false, errors.New("Discord is away")
	}
	if d.deaf[to] {
		if d.unheard != nil {
			d.unheard()
		}
		return false, nil
	}
	f()
	return true, nil
}

func (d *discord) heard(at *[]string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(*at)
}

// rig is gifts over a real engine and a real store.
type rig struct {
	t     *testing.T
	chat  *discord
	book  *book
	gifts *emojikudos.Gifts
	clock *clock.Fake
	path  string
	opts  emojikudos.Options
	stop  func()
}

func newRig(t *testing.T, change ...func(*emojikudos.Options)) *rig {
	t.Helper()
	r := &rig{
		t: t, clock: clock.NewFake(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)), path: filepath.Join(t.TempDir(), "horde.db"),
		chat: &discord{
			authors: map[string]emojikudos.Author{}, asked: map[string]string{}, closed: map[string]bool{}, deaf: map[string]bool{},
			limits: map[string]emojikudos.Limits{},
		},
		opts: emojikudos.Options{Default: []emojikudos.Rule{
			{Emoji: "u:🙏", Show: "🙏", Amount: 10 * kudos.One}, {Emoji: "c:77", Show: "<:kudos:77>", Amount: 30 * kudos.One},
		}},
	}
	for _, f := range change {
		f(&r.opts)
	}
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

// start opens everything over the file.
func (r *rig) start() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	st, err := store.Open(ctx, store.Options{Engine: store.SQLite, Path: r.path, Log: zerolog.Nop(), Now: r.clock.Now})
	if err != nil {
		r.t.Fatal(err)
	}
	eng, err := engine.Open(ctx, st, engine.Options{Settings: horde.Settings{TransfersAllowed: true}, Now: r.clock.Now, IDs: ids{}, Log: zerolog.Nop()})
	if err != nil {
		r.t.Fatal(err)
	}
	r.chat.mu.Lock()
	r.chat.engine = eng
	r.chat.mu.Unlock()
	r.book = &book{st: st}
	r.gifts, err = emojikudos.New(emojikudos.Deps{Engine: eng, Chat: r.chat, Book: r.book, Now: r.clock.Now, Log: zerolog.Nop()}, r.opts)
	if err != nil {
		r.t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		if err := eng.Run(ctx); err != nil {
			r.t.Error(err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		group.Wait()
		if err := st.Close(); err != nil {
			r.t.Error(err)
		}
	})
}

func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

// agree lets people's reactions give kudos.
func (r *rig) agree(people ...string) {
	r.t.Helper()
	for _, p := range people {
		if _, err := r.gifts.Consent(context.Background(), p, "", emojikudos.Agreed); err != nil {
			r.t.Fatal(err)
		}
	}
}

// settle lets time pass and does what is due then, until nothing is.
func (r *rig) settle(d time.Duration) {
	r.t.Helper()
	r.clock.Advance(d)
	r.pass()
}

// pass runs the loop for one look at what is due.
func (r *rig) pass() {
	r.t.Helper()
	if err := r.gifts.Pass(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

// reaction is one of ann's to a message that bob wrote, unless a test changes it.
func reaction(message string) emojikudos.Reaction {
	return emojikudos.Reaction{
		Guild: "g", Channel: "2", Message: message, Person: "ann", PersonName: "Ann", EmojiName: "🙏", Author: "bob",
	}
}

func (r *rig) react(x emojikudos.Reaction) emojikudos.Ending {
	r.t.Helper()
	out, err := r.gifts.React(context.Background(), x)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) unreact(x emojikudos.Reaction) bool {
	r.t.Helper()
	ok, err := r.gifts.Unreact(context.Background(), x.Message, x.EmojiID, x.EmojiName, x.Person)
	if err != nil {
		r.t.Fatal(err)
	}
	return ok
}

// row reads what became of a reaction.
func (r *rig) row(x emojikudos.Reaction) emojikudos.Gift {
	r.t.Helper()
	g, err := one[emojikudos.Gift](context.Background(), r.book, chat.KindGift, emojikudos.KeyOf(x.Message, emojikudos.Key(x.EmojiID, x.EmojiName), x.Person))
	if err != nil {
		r.t.Fatal(err)
	}
	return g
}

func (r *rig) open(people ...string) {
	r.t.Helper()
	for _, p := range people {
		if _, _, err := r.chat.Open(context.Background(), p, p); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) has(person string, want kudos.Amount) {
	r.t.Helper()
	u, _ := r.chat.engine.UserByExternal(emojikudos.Identity(person))
	if u.Balance != want {
		r.t.Errorf("%s has %s kudos, want %s", person, u.Balance, want)
	}
}

const (
	grace = 10 * time.Second
	full  = 125 * kudos.One // floor and welcome
)

func TestReactionsThatGiveNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.agree("ann", "r2", "self")
	r.open("ann")
	r.chat.authors["by bob"] = emojikudos.Author{ID: "bob", Name: "Bob"}
	r.chat.authors["by ann"] = emojikudos.Author{ID: "ann", Name: "Ann"}
	r.chat.authors["by a bot"] = emojikudos.Author{ID: "r2", Name: "R2", Robot: true}
	r.chat.asked["made for ann"] = "ann"
	n := 0
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
		"a message of one's own":         func(x *emojikudos.Reaction) { x.Message, x.Author = "by ann", "ann" },
	} {
		x := reaction("by bob")
		change(&x)
		if out := r.react(x); out == emojikudos.Planned {
			n++
			r.settle(grace)
			if got := r.row(x); got.State != emojikudos.Nobody {
				t.Errorf("%s ended with %+v", name, got)
			}
		}
	}
	if n != 5 {
		t.Errorf("%d of them were looked at closely, want 5", n)
	}
	r.has("ann", full)
	if users := r.chat.engine.Users(); len(users) != 2 {
		t.Errorf("%d accounts were opened", len(users)-1)
	}
}

func TestAGiftHappensOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.agree("ann", "carol")
	r.open("bob")
	if out := r.react(reaction("m1")); out != emojikudos.Planned {
		t.Errorf("the first reaction: %v", out)
	}
	r.settle(grace - time.Second)
	r.has("bob", full)
	r.settle(time.Second)
	r.has("bob", full+10*kudos.One)
	if got := r.gifts.Counts(); got[emojikudos.Paid] != 1 || len(got) != 1 {
		t.Errorf("gifts by their end: %v", got)
	}
	if got := r.row(reaction("m1")); got.State != emojikudos.Paid || got.To != "bob" {
		t.Errorf("the first reaction ended with %+v", got)
	}
	toned := reaction("m1")
	toned.EmojiName = "🙏🏾" // the same emoji in another tone
	r.clock.Advance(3 * time.Hour)
	for name, x := range map[string]emojikudos.Reaction{"the same": reaction("m1"), "another tone": toned} {
		if out := r.react(x); out != emojikudos.Repeated {
			t.Errorf("%s: %v", name, out)
		}
	}
	// The log forgets it, the ledger does not.
	for range 3 {
		r.settle(31 * 24 * time.Hour)
	}
	if got := r.row(reaction("m1")); got.State != "" {
		t.Errorf("after a month it is still known: %+v", got)
	}
	if out := r.react(reaction("m1")); out != emojikudos.Planned {
		t.Errorf("after a month: %v", out)
	}
	reports := len(r.chat.heard(&r.chat.reports))
	r.settle(grace)
	r.settle(2 * time.Minute)
	r.has("bob", full+10*kudos.One)
	if now := r.chat.heard(&r.chat.reports); len(now) != reports {
		t.Errorf("bob heard of what he has had for a month: %v", now)
	}

	other, carol := reaction("m1"), reaction("m1")
	other.EmojiID, other.EmojiName = "77", "kudos"
	carol.Person = "carol"
	r.react(other)
	r.react(carol)
	r.settle(grace)
	r.has("bob", full+50*kudos.One)
	r.settle(time.Minute)
	if got := r.chat.heard(&r.chat.reports); !slices.Contains(got, "bob:2:40:false") {
		t.Errorf("bob heard %v", got)
	}
}

func TestAReactionCanBeTakenBackForAWhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.agree("ann")
	r.open("bob")
	r.react(reaction("m1"))
	r.clock.Advance(grace - time.Second)
	if !r.unreact(reaction("m1")) {
		t.Error("it was not taken back in time")
	}
	r.settle(grace)
	r.has("bob", full)
	r.restart()
	if out := r.react(reaction("m1")); out != emojikudos.Planned {
		t.Errorf("adding it again: %v", out)
	}
	r.restart() // in the middle of the grace
	r.clock.Advance(grace)
	if r.unreact(reaction("m1")) {
		t.Error("it was taken back too late")
	}
	r.pass()
	r.has("bob", full+10*kudos.One)
	if r.unreact(reaction("m1")) || r.unreact(reaction("never")) {
		t.Error("what was paid, or never there, was taken back")
	}
}

func TestPeopleAreAskedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open("bob")
	for i := range 3 {
		if out := r.react(reaction("m" + strconv.Itoa(i))); out != emojikudos.Asked {
			t.Errorf("reaction %d: %v", i, out)
		}
	}
	r.settle(time.Hour)
	r.has("bob", full)
	if asks := r.chat.heard(&r.chat.asks); len(asks) != 1 {
		t.Errorf("asked %v", asks)
	}
	r.unreact(reaction("m2"))
	if n, err := r.gifts.Consent(context.Background(), "ann", "de", emojikudos.Agreed); n != 2 || err != nil {
		t.Errorf("%d gifts are released, %v", n, err)
	}
	r.pass()
	r.has("bob", full+20*kudos.One)

	if _, err := r.gifts.Consent(context.Background(), "ann", "", emojikudos.Declined); err != nil {
		t.Fatal(err)
	}
	if out := r.react(reaction("m9")); out != emojikudos.Stopped {
		t.Errorf("after saying no: %v", out)
	}
	zoe := reaction("m1")
	zoe.Person = "zoe"
	r.chat.deaf["zoe"] = true
	r.react(zoe)
	if p, err := r.gifts.Person(context.Background(), "zoe"); err != nil || !p.Owed {
		t.Errorf("nobody remembers that zoe is still to be asked: %+v, %v", p, err)
	}
	r.settle(25 * time.Hour)
	if got := r.row(zoe); got.State != emojikudos.Lapsed {
		t.Errorf("without an answer it ended with %+v", got)
	}
	off := reaction("m1")
	off.Person = "off"
	r.chat.limits["off"] = emojikudos.Limits{Off: true}
	if out := r.react(off); out != emojikudos.Stopped {
		t.Errorf("switched off in the settings: %v", out)
	}
}

func TestAGiftWaitsForWhoHasNoAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.agree("ann")
	for _, m := range []string{"m1", "m2", "m3"} {
		r.chat.authors[m] = emojikudos.Author{ID: "new", Name: "New"}
		x := reaction(m)
		x.Author = "new"
		r.react(x)
	}
	r.settle(grace)
	r.has("ann", full-30*kudos.One)
	if got := r.row(reaction("m1")); got.State != emojikudos.Reserved {
		t.Errorf("it ended with %+v", got)
	}
	if got := r.chat.heard(&r.chat.invites); len(got) != 1 {
		t.Errorf("invited %v", got)
	}
	r.open("new")
	u, _ := r.chat.engine.UserByExternal("d_new")
	if _, err := engine.Do(context.Background(), r.chat.engine, horde.Claim{User: u.ID}); err != nil {
		t.Fatal(err)
	}
	r.has("new", full+30*kudos.One)
	x := reaction("m4")
	x.Author = "lost"
	r.chat.authors["m4"] = emojikudos.Author{ID: "lost", Name: "Lost"}
	r.react(x)
	r.settle(grace)
	if _, err := engine.Do(context.Background(), r.chat.engine, horde.Expire{}); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(8 * 24 * time.Hour)
	if _, err := engine.Do(context.Background(), r.chat.engine, horde.Expire{}); err != nil {
		t.Fatal(err)
	}
	r.has("ann", full-30*kudos.One)
	r.pass()
	if got := r.row(x); got.State != emojikudos.Returned {
		t.Errorf("after a week it is %+v", got)
	}
	if got := r.row(reaction("m1")); got.State != emojikudos.Paid {
		t.Errorf("what was claimed is %+v", got)
	}
	r.settle(2 * time.Minute)
	if got := r.chat.heard(&r.chat.reports); !slices.Contains(got, "ann:1:10:true") {
		t.Errorf("ann heard %v", got)
	}
}

func TestAGuildMayReadWhatItsReactionsGave(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.chat.feeds = true
	r.agree("ann")
	r.open("bob")
	for i := range 3 {
		r.react(reaction("m" + strconv.Itoa(i)))
	}
	r.settle(grace)
	if got := r.chat.heard(&r.chat.fed); len(got) > 0 {
		t.Errorf("read %v before a minute was over", got)
	}
	r.settle(time.Minute + time.Second)
	want := []string{"g:ann>bob:10", "g:ann>bob:10", "g:ann>bob:10"}
	if got := r.chat.heard(&r.chat.fed); !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	r.settle(time.Hour)
	if got := r.chat.heard(&r.chat.fed); len(got) != len(want) {
		t.Errorf("read again: %v", got)
	}
}

func TestManyTapsAtOnceAreOneGift(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.agree("ann")
	r.open("bob")
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			if _, err := r.gifts.React(context.Background(), reaction("m1")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	r.settle(grace)
	r.has("bob", full+10*kudos.One)
}

func TestRefusalsAreToldOnceAnHourAndReason(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.agree("ann", "zoe")
	r.open("bob")
	r.chat.closed["zoe"] = true
	for i := range 12 { // ann can give 100
		r.react(reaction("m" + strconv.Itoa(i)))
		r.settle(grace)
	}
	r.has("bob", full+100*kudos.One)
	if got := r.row(reaction("m11")); got.State != emojikudos.Refused || got.Why != string(horde.CodeTransferNotEnough) {
		t.Errorf("the last one ended with %+v", got)
	}
	zoe := reaction("m1")
	zoe.Person = "zoe"
	r.react(zoe)
	r.settle(grace)
	r.restart() // what was told survives
	r.react(reaction("m12"))
	r.settle(grace)
	want := []string{"ann:KudosTransferNotEnough", "zoe:AnonForbidden"}
	if got := r.chat.heard(&r.chat.told); !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	r.clock.Advance(time.Hour)
	r.react(reaction("m11")) // a refused one can be tried again
	r.settle(grace)
	if got := r.chat.heard(&r.chat.told); len(got) != 3 {
		t.Errorf("an hour later told %v", got)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *emojikudos.Options) { o.GuildDay = 55 * kudos.One })
	r.open("bob")
	r.agree("ann", "carol", "dan")
	r.chat.limits["ann"] = emojikudos.Limits{PerGift: 20 * kudos.One, PerDay: 25 * kudos.One}
	big := reaction("m0")
	big.EmojiID, big.EmojiName = "77", "kudos"
	r.react(big)
	for i := range 3 {
		r.react(reaction("m" + strconv.Itoa(i)))
	}
	r.settle(grace)
	if got := r.row(big); got.Why != string(emojikudos.CodeOverGift) {
		t.Errorf("more than for one reaction: %+v", got)
	}
	r.has("bob", full+20*kudos.One)
	for i := range 4 { // 35 are left for the guild today
		x := reaction("c" + strconv.Itoa(i))
		x.Person = []string{"carol", "dan"}[i%2]
		r.react(x)
	}
	r.settle(grace)
	r.has("bob", full+50*kudos.One)
	refused := 0
	for i := range 4 {
		x := reaction("c" + strconv.Itoa(i))
		x.Person = []string{"carol", "dan"}[i%2]
		if r.row(x).Why == string(emojikudos.CodeOverGuild) {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d gifts were over the guild's day, want 1", refused)
	}
	r.clock.Advance(24 * time.Hour)
	r.react(reaction("m5"))
	r.settle(grace)
	r.has("bob", full+60*kudos.One)
}

func TestAStormIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.agree("ann")
	stopped := 0
	for i := range 120 {
		if r.react(reaction("m"+strconv.Itoa(i))) == emojikudos.Stopped {
			stopped++
		}
	}
	if stopped != 30 {
		t.Errorf("%d of 120 reactions in an hour were stopped, want 30", stopped)
	}
	r.pass()
	if got := r.chat.heard(&r.chat.told); !slices.Equal(got, []string{"ann:GiftTooMany"}) {
		t.Errorf("told %v", got)
	}
}

func TestAGuildHasItsOwnEmoji(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.agree("ann")
	r.open("bob")
	_, err := r.book.ChangeGuild(context.Background(), "g", func(g *emojikudos.Guild) error {
		g.Own = true
		g.Rules = []emojikudos.Rule{
			{Emoji: "u:🐴", Show: "🐴", Amount: kudos.One, Role: "riders"},
			{Emoji: "u:🥕", Show: "🥕", Amount: 2 * kudos.One, Channels: []string{"stable"}},
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		emoji, channel string
		roles          []string
		want           emojikudos.Ending
	}{
		"the default emoji":       {"🙏", "2", nil, emojikudos.Ignored},
		"without the role":        {"🐴", "2", []string{"grooms"}, emojikudos.Ignored},
		"with the role":           {"🐴", "2", []string{"grooms", "riders"}, emojikudos.Planned},
		"in another channel":      {"🥕", "2", nil, emojikudos.Ignored},
		"in its channel":          {"🥕", "stable", nil, emojikudos.Planned},
		"in a thread of the same": {"🥕", "thread of stable", nil, emojikudos.Planned},
	} {
		x := reaction(name)
		x.EmojiName, x.Channel, x.Roles = c.emoji, c.channel, c.roles
		if got := r.react(x); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	r.settle(grace)
	r.has("bob", full+5*kudos.One)
	x := reaction("")
	x.EmojiName = "🐴"
	if trial, err := r.gifts.Try(context.Background(), x, "bob"); err != nil || !trial.Found || trial.Fits {
		t.Errorf("a trial without the role: %+v, %v", trial, err)
	}
	x.Roles = []string{"riders"}
	if trial, err := r.gifts.Try(context.Background(), x, "bob"); err != nil || trial.To != "bob" || !trial.Account || trial.Why != nil {
		t.Errorf("a trial: %+v, %v", trial, err)
	}
}

func TestWhatBreaksIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.agree("ann")
	r.chat.authors["m1"] = emojikudos.Author{ID: "bob", Name: "Bob"}
	r.chat.away = true
	r.react(reaction("m1"))
	r.settle(grace)
	if got := r.row(reaction("m1")); got.State != emojikudos.Waiting || got.Tries != 1 {
		t.Errorf("while Discord is away: %+v", got)
	}
	r.open("bob")
	r.settle(time.Minute)
	r.has("bob", full+10*kudos.One)
}

// TestKudosNeverAppearOrVanish plays with gifts at random while saves fail before and after they land, and processes end.
// Money-like safety: balances and what is set aside always add up to what accounts were opened with.
func TestKudosNeverAppearOrVanish(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := mathrand.New(mathrand.NewPCG(seed, 1))
	r := newRig(t)
	people := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	r.agree(people...)
	r.open(people[:4]...)
	var broken atomic.Int32 // of a hundred saves
	var dice sync.Mutex
	arm := func() {
		r.book.trouble = func(bool) bool {
			dice.Lock()
			defer dice.Unlock()
			return random.IntN(100) < int(broken.Load())
		}
	}
	arm()
	roll := func(n int) int {
		dice.Lock()
		defer dice.Unlock()
		return random.IntN(n)
	}
	ctx := context.Background()
	keys := map[string]emojikudos.Reaction{}
	sum := func() (all kudos.Amount, users int) {
		for _, u := range r.chat.engine.Users() {
			if u.ID == horde.Anonymous {
				continue
			}
			all += u.Balance
			users++
			for _, g := range r.chat.engine.GiftsFrom(u.ID) {
				all += g.Amount
			}
		}
		return all, users
	}
	for step := range 400 {
		broken.Store(int32(roll(3) * 8))
		x := reaction("m" + strconv.Itoa(roll(40)))
		x.Person = people[roll(len(people))]
		x.Author = people[len(x.Message)*int(x.Message[len(x.Message)-1])%len(people)] // one author for a message
		r.chat.mu.Lock()
		r.chat.authors[x.Message] = emojikudos.Author{ID: x.Author, Name: x.Author}
		r.chat.mu.Unlock()
		switch roll(10) {
		case 0:
			_, _ = r.gifts.Unreact(ctx, x.Message, "", x.EmojiName, x.Person)
		case 1:
			r.restart()
			arm()
		case 2:
			r.clock.Advance(time.Duration(roll(3)) * 24 * time.Hour)
			_, _ = engine.Do(ctx, r.chat.engine, horde.Expire{})
		case 3:
			r.open(x.Person)
			u, _ := r.chat.engine.UserByExternal(emojikudos.Identity(x.Person))
			_, _ = engine.Do(ctx, r.chat.engine, horde.Claim{User: u.ID})
		case 4:
			u, _ := r.chat.engine.UserByExternal(emojikudos.Identity(x.Person))
			for _, g := range r.chat.engine.GiftsFrom(u.ID) {
				_, _ = engine.Do(ctx, r.chat.engine, horde.Withdraw{By: u.ID, Gift: g.ID})
			}
		case 5:
			stopped, cancel := context.WithCancel(ctx) // a crash in the middle
			go cancel()
			_ = r.gifts.Pass(stopped)
		default:
			if _, err := r.gifts.React(ctx, x); err == nil {
				keys[emojikudos.KeyOf(x.Message, "u:🙏", x.Person)] = x
			}
			r.clock.Advance(time.Duration(roll(12)) * time.Second)
			_ = r.gifts.Pass(ctx)
		}
		if all, users := sum(); all != kudos.Amount(users)*full {
			t.Fatalf("seed %d, step %d: %d people have %s kudos together, want %s", seed, step, users, all, kudos.Amount(users)*full)
		}
	}
	broken.Store(0)
	for range 10 {
		r.clock.Advance(time.Minute)
		if err := r.gifts.Pass(ctx); err != nil {
			t.Fatal(err)
		}
	}
	// The log says what the ledger says.
	wrong := 0
	for key, x := range keys {
		_, posted, err := r.chat.engine.Posted(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		g := r.row(x)
		moved := g.State == emojikudos.Paid || g.State == emojikudos.Reserved || g.State == emojikudos.Returned
		if g.State != "" && posted != moved {
			t.Errorf("seed %d: %s is %+v, the ledger says %v", seed, key, g, posted)
			wrong++
		}
	}
	report, err := r.book.st.Audit(ctx)
	if err != nil || !report.OK() {
		t.Errorf("seed %d: audit: %+v, %v", seed, report, err)
	}
}

func TestRulesAreChecked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, rule := range []emojikudos.Rule{{Emoji: "u:🙏"}, {Emoji: "u:🙏", Amount: -1}, {Amount: 1}, {Emoji: "u:🙏", Amount: kudos.MaxAmount + 1}} {
		_, err := emojikudos.New(
			emojikudos.Deps{Engine: r.chat.engine, Chat: r.chat, Book: r.book, Now: r.clock.Now}, emojikudos.Options{Default: []emojikudos.Rule{rule}},
		)
		if err == nil {
			t.Errorf("rule %+v was accepted", rule)
		}
	}
}
