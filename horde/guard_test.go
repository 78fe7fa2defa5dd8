// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/filter"
	"stablemate/horde/origin"
)

// fort is a horde whose rows are kept, so that it can be started anew.
type fort struct {
	t        *testing.T
	s        *horde.State
	now      time.Time
	source   *ids
	settings horde.Settings
	records  map[[2]string]horde.Record
	rows     rows
	mod      horde.UserID
	asker    horde.UserID
}

// newFort has a moderator, a person and rules about invented words.
func newFort(t *testing.T) *fort {
	t.Helper()
	f := &fort{
		t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), source: &ids{rand.New(rand.NewPCG(3, 4))},
		records: make(map[[2]string]horde.Record), rows: newRows(),
		settings: horde.Settings{AnonymousAllowed: true, TransfersAllowed: true, Models: []horde.Model{
			{Name: "mini", Family: horde.SD1}, {Name: "bare", Family: horde.SD1, NSFW: true}, {Name: "Hentai Diffusion", Family: horde.SD1, NSFW: true},
		}},
	}
	f.restart()
	must(f, horde.CreateUser{External: horde.ExternalAnonymous, Name: "Anonymous"})
	f.mod = f.user("mod", horde.RoleModerator)
	f.asker = f.user("asker", 0)
	must(f, horde.AddFilter{By: f.mod, Regex: `\bzorbles?\b`, Type: 10, Replacement: "teapot"})
	must(f, horde.AddFilter{By: f.mod, Regex: `\bquimp\b`, Type: 11})
	must(f, horde.AddFilter{By: f.mod, Regex: `\bflarn\b`, Type: 20})
	return f
}

func (f *fort) user(name string, roles horde.Role) horde.UserID {
	f.t.Helper()
	return must(f, horde.CreateUser{External: "d_" + name, Name: name, Key: horde.KeyHash{byte(len(f.rows.users)), 9}, Roles: roles}).ID
}

// restart builds the horde anew from its rows.
func (f *fort) restart() {
	f.t.Helper()
	snap := f.rows.snapshot()
	snap.Records = slices.Collect(maps.Values(f.records))
	s, err := horde.NewState(f.settings, snap)
	if err != nil {
		f.t.Fatal(err)
	}
	f.s = s
}

// attempt applies an operation and keeps what it wrote, also when it refused.
func attempt[R any](f *fort, op horde.Op[R]) (R, int, error) {
	f.t.Helper()
	c := horde.NewChange(f.now, f.source)
	r, err := horde.Apply(f.s, c, op)
	b, _, failed := c.Cut(f.s)
	if failed != nil {
		f.t.Fatal(failed)
	}
	f.rows.take(b)
	for _, r := range b.Records {
		if key := [2]string{string(r.Kind), r.ID}; r.Value == nil {
			delete(f.records, key)
		} else {
			f.records[key] = r
		}
	}
	return r, c.Writes(), err
}

func must[R any](f *fort, op horde.Op[R]) R {
	f.t.Helper()
	r, _, err := attempt(f, op)
	if err != nil {
		f.t.Fatalf("%T: %v", op, err)
	}
	return r
}

// refused expects a code, and nothing written.
func refused[R any](f *fort, op horde.Op[R], want horde.Code) {
	f.t.Helper()
	if _, writes, err := attempt(f, op); codeOf(err) != want || writes != 0 {
		f.t.Errorf("%T = %v with %d writes, want %s and none", op, err, writes, want)
	}
}

// ask is a request for an image of a prompt.
func (f *fort) ask(prompt string, change ...func(*horde.NewImage)) horde.Enqueue {
	n := apple(f.asker)
	n.Image.Prompt, n.Origin = prompt, address("203.0.113.7")
	for _, x := range change {
		x(&n)
	}
	return horde.Enqueue{NewImage: n}
}

func address(text string) origin.Origin { return origin.FromAddr(netip.MustParseAddr(text)) }

func strict(n *horde.NewImage) { n.KeepPrompt = true }

func by(u horde.UserID) func(*horde.NewImage) { return func(n *horde.NewImage) { n.User = u } }

func from(o origin.Origin) func(*horde.NewImage) { return func(n *horde.NewImage) { n.Origin = o } }

func models(names ...string) func(*horde.NewImage) {
	return func(n *horde.NewImage) { n.Models = names }
}

// prompt is what workers get of a request.
func (f *fort) prompt(id horde.RequestID) string {
	f.t.Helper()
	r, ok := f.rows.requests[id]
	if !ok {
		f.t.Fatalf("no request %s", id)
	}
	return r.Image.Prompt
}

func TestAPromptIsServedRewrittenOrRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prompt string
		role   horde.Role
		change []func(*horde.NewImage)
		begins string // of the prompt that workers get
		code   horde.Code
		says   string
		marks  bool // it is reported
	}{
		"one context alone":                        {prompt: "a zorble, red ### x", begins: "a zorble, red ### x"},
		"both contexts are rewritten":              {prompt: "a zorble, flarn ### x", begins: "a teapot flarn ### "},
		"both contexts, rewriting not wanted":      {prompt: "a zorble, flarn", change: []func(*horde.NewImage){strict}, code: horde.CodeCorruptPrompt, says: "reported", marks: true},
		"both contexts, rewriting forced":          {prompt: "a zorble, flarn", role: horde.RoleEducation, change: []func(*horde.NewImage){strict}, begins: "a teapot flarn ### "},
		"both contexts, no substitution":           {prompt: "a quimp, flarn", code: horde.CodeCorruptPrompt, says: "reported", marks: true},
		"both contexts, too long to rewrite":       {prompt: "zorble flarn" + strings.Repeat(" a", 3500), code: horde.CodeBadRequest, says: "7000"},
		"both contexts from a moderator":           {prompt: "a zorble, flarn", role: horde.RoleModerator, change: []func(*horde.NewImage){strict}, code: horde.CodeCorruptPrompt, says: "would be reported"},
		"a model for nudity, nobody young":         {prompt: "a lighthouse, flarn", change: []func(*horde.NewImage){models("bare")}, begins: "a lighthouse, flarn"},
		"a model for nudity, a word for the young": {prompt: "a zorble, red", change: []func(*horde.NewImage){models("mini", "bare")}, begins: "a teapot red ### "},
		"a model for nudity, one of our own words": {prompt: "a youthful king", change: []func(*horde.NewImage){models("bare")}, begins: "a adult king ### "},
		"a model for nudity, a count tag":          {prompt: "1girl, king", change: []func(*horde.NewImage){models("bare")}, begins: "adult woman king ### "},
		"the model that needs count tags":          {prompt: "1girl, king", change: []func(*horde.NewImage){models("Hentai Diffusion")}, begins: "1girl, king"},
		"an ordinary model, one of our own words":  {prompt: "a youthful king", begins: "a youthful king"},
		"a flagged account":                        {prompt: "a youthful, bold king", role: horde.RoleFlagged, begins: "a adult bold king ### "},
		"a flagged account, nothing left":          {prompt: "?!", role: horde.RoleFlagged, code: horde.CodeCorruptPrompt, says: "unethical images"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFort(t)
			who := f.user("someone", tc.role)
			got, writes, err := attempt(f, f.ask(tc.prompt, append(tc.change, by(who))...))
			if codeOf(err) != tc.code {
				t.Fatalf("Enqueue = %v, want %q", err, tc.code)
			}
			if tc.code == "" {
				if p := f.prompt(got.ID); !strings.HasPrefix(p, tc.begins) {
					t.Errorf("workers get %q, want it to begin with %q", p, tc.begins)
				}
				return
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("refused with %q, want it to say %q", err, tc.says)
			}
			u, _ := f.s.User(who)
			if marked := writes > 0; marked != tc.marks || (u.Suspicion == 1) != tc.marks || (len(f.s.Rejected()) == 1) != tc.marks ||
				(f.s.TimedOut(address("203.0.113.7"), f.now) > 0) != tc.marks {
				t.Errorf("%d writes, suspicion %d, %d kept, timed out for %v; want marks %v", writes, u.Suspicion, len(f.s.Rejected()),
					f.s.TimedOut(address("203.0.113.7"), f.now), tc.marks)
			}
		})
	}
}

func TestTheBuiltInFilterGuardsANewHorde(t *testing.T) {
	t.Parallel()
	s, err := horde.NewState(horde.Settings{}, &horde.Snapshot{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Filters()); n != len(filter.Defaults()) || s.FilterSet().Len() != n {
		t.Errorf("a new horde has %d filters and %d compiled, want %d", n, s.FilterSet().Len(), len(filter.Defaults()))
	}
	if s, err = horde.NewState(horde.Settings{NoPromptFilter: true}, &horde.Snapshot{}); err != nil || s.FilterSet() != nil {
		t.Errorf("with the filter off there is a set: %v, %v", s.FilterSet(), err)
	}
}

func TestModeratorsChangeTheFilterWhileItRuns(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	builtIn := len(filter.Defaults())
	got := must(f, horde.AddFilter{By: f.mod, Regex: `\bvrang\b`, Type: 20, Description: "a word"})
	want := horde.Filter{ID: int64(builtIn + 4), Regex: `\bvrang\b`, Type: 20, Description: "a word", Author: f.mod}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("AddFilter (-want +got):\n%s", diff)
	}
	if again, writes, err := attempt(f, horde.AddFilter{By: f.mod, Regex: `\bvrang\b`, Type: 20, Description: "other"}); err != nil || writes != 0 || again != got {
		t.Errorf("the same again = %+v, %v with %d writes, want the first and none", again, err, writes)
	}
	if !f.s.FilterSet().Score("quimp vrang").Blocked() {
		t.Error("the new rule does not count yet")
	}
	f.restart()
	if !f.s.FilterSet().Score("quimp vrang").Blocked() || len(f.s.Filters()) != builtIn+4 {
		t.Errorf("after a restart there are %d rules, want %d", len(f.s.Filters()), builtIn+4)
	}
	changed := must(f, horde.PatchFilter{By: f.mod, ID: got.ID, Regex: `\bmip\b`})
	if changed.Regex != `\bmip\b` || changed.Type != 20 || changed.Description != "a word" {
		t.Errorf("PatchFilter = %+v", changed)
	}
	if f.s.FilterSet().Score("quimp vrang").Blocked() || !f.s.FilterSet().Score("quimp mip").Blocked() {
		t.Error("the changed rule does not count yet")
	}
	must(f, horde.DeleteFilter{By: f.mod, ID: got.ID})
	if f.s.FilterSet().Score("quimp mip").Blocked() {
		t.Error("the deleted rule still counts")
	}
	if next := must(f, horde.AddFilter{By: f.mod, Regex: `\bmip\b`, Type: 20}); next.ID != got.ID+1 {
		t.Errorf("a number was used twice: %d", next.ID)
	}
	// The built-in rules are the moderators' as well.
	for _, x := range f.s.Filters() {
		if name := f.s.FilterAuthor(x); x.BuiltIn != (name == filter.Author) {
			t.Errorf("rule %d is by %q", x.ID, name)
		}
		must(f, horde.DeleteFilter{By: f.mod, ID: x.ID})
	}
	f.restart()
	if n := len(f.s.Filters()); n != 0 {
		t.Errorf("%d rules came back after a restart", n)
	}
	if f.s.FilterSet().Score("quimp flarn").Blocked() {
		t.Error("a filter without rules blocks")
	}
}

func TestChangesOfTheFilterAreRefused(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	before := f.s.Filters()
	refused(f, horde.AddFilter{By: f.asker, Regex: "vrang", Type: 10}, "NotModerator")
	refused(f, horde.AddFilter{By: 99, Regex: "vrang", Type: 10}, horde.CodeInvalidAPIKey)
	refused(f, horde.AddFilter{By: f.mod, Regex: "(vrang", Type: 10}, horde.CodeBadRequest)
	refused(f, horde.AddFilter{By: f.mod, Regex: "vrang(?=x)", Type: 10}, horde.CodeBadRequest)
	refused(f, horde.AddFilter{By: f.mod, Regex: "vrang", Type: 30}, horde.CodeBadRequest)
	refused(f, horde.AddFilter{By: f.mod, Regex: "vrang\x00", Type: 10}, horde.CodeNulByte)
	refused(f, horde.AddFilter{By: f.mod, Regex: "vrang\xff", Type: 10}, horde.CodeBadRequest)
	id := before[len(before)-1].ID
	refused(f, horde.PatchFilter{By: f.asker, ID: id, Regex: "vrang"}, "NotModerator")
	refused(f, horde.PatchFilter{By: f.mod, ID: 9999, Regex: "vrang"}, horde.CodeFilterNotFound)
	refused(f, horde.PatchFilter{By: f.mod, ID: id}, horde.CodeNoFilterMod)
	refused(f, horde.PatchFilter{By: f.mod, ID: id, Regex: ".*"}, horde.CodeBadRequest)
	refused(f, horde.DeleteFilter{By: f.asker, ID: id}, "NotModerator")
	refused(f, horde.DeleteFilter{By: f.mod, ID: 9999}, horde.CodeFilterNotFound)
	if diff := cmp.Diff(before, f.s.Filters()); diff != "" {
		t.Errorf("a refusal changed the rules:\n%s", diff)
	}
	if _, err := horde.NewState(horde.Settings{}, &horde.Snapshot{Records: []horde.Record{
		{Kind: horde.KindFilterList, ID: "prompt", Value: []byte(`{"next": 2}`)},
		{Kind: horde.KindFilter, ID: "1", Value: []byte(`{"id": 1, "regex": "(", "type": 10}`)},
	}}); err == nil {
		t.Error("a filter that does not compile is loaded")
	}
}

func TestTimeoutsGrow(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	here := address("203.0.113.7")
	for k, want := range []time.Duration{3, 9, 15, 21, 27} {
		_, _, err := attempt(f, f.ask("quimp flarn"))
		if codeOf(err) != horde.CodeCorruptPrompt {
			t.Fatalf("strike %d: %v", k+1, err)
		}
		if got := f.s.TimedOut(here, f.now); got != want*time.Minute {
			t.Errorf("strike %d bars for %v, want %v", k+1, got, want*time.Minute)
		}
		f.restart()
		if got := f.s.TimedOut(here, f.now); got != want*time.Minute {
			t.Errorf("strike %d bars for %v after a restart, want %v", k+1, got, want*time.Minute)
		}
		refused(f, f.ask("red apple"), horde.CodeTimeoutIP)
		refused(f, horde.Pop{Owner: f.mod, Origin: here, Offer: offer("gpu"), Amount: 1}, horde.CodeTimeoutIP)
		must(f, f.ask("red apple", from(address("203.0.113.8"))))
		must(f, f.ask("red apple", from(origin.Origin{})))
		f.now = f.now.Add(want * time.Minute)
	}
	u, _ := f.s.User(f.asker)
	if u.Suspicion != 1 {
		t.Errorf("suspicion is %d, want 1 however many prompts were refused", u.Suspicion)
	}
	f.now = f.now.Add(horde.StrikeWindow)
	if _, _, err := attempt(f, f.ask("quimp flarn")); codeOf(err) != horde.CodeCorruptPrompt {
		t.Fatal(err)
	}
	if got := f.s.TimedOut(here, f.now); got != 3*time.Minute {
		t.Errorf("a day after the last strike one bars for %v, want 3m", got)
	}
}

func TestTheRestOfATimeoutIsToldUnlessItIsLong(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	for hours, want := range map[time.Duration]string{1: "3600 seconds", 96: "345600 seconds", 97: ""} {
		must(f, horde.SetBlock{By: f.mod, Address: "203.0.113.7", For: hours * time.Hour})
		_, _, err := attempt(f, f.ask("red apple"))
		if codeOf(err) != horde.CodeTimeoutIP || !strings.Contains(err.Error(), want) || want == "" && strings.Contains(err.Error(), "second") {
			t.Errorf("%v hours: %v, want it to say %q", hours, err, want)
		}
	}
}

func TestAStrikeFallsOnThePersonAndAStormOnTheGuild(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	strikes := func(guild uint64, first, people uint64) {
		for person := first; person < first+people; person++ {
			if _, _, err := attempt(f, f.ask("quimp flarn", from(origin.FromDiscord(guild, person)))); codeOf(err) != horde.CodeCorruptPrompt {
				t.Fatalf("person %d: %v", person, err)
			}
		}
	}
	neighbour, stranger := origin.FromDiscord(5, 1000), origin.FromDiscord(6, 1000)
	strikes(5, 1, horde.StormStrikes-1)
	if f.s.TimedOut(origin.FromDiscord(5, 1), f.now) == 0 || f.s.TimedOut(neighbour, f.now) != 0 {
		t.Error("strikes on people of a guild must bar them and nobody else")
	}
	strikes(5, 500, 1)
	if got := f.s.TimedOut(neighbour, f.now); got != 3*time.Minute {
		t.Errorf("a storm bars the guild for %v, want 3m", got)
	}
	if f.s.TimedOut(stranger, f.now) != 0 {
		t.Error("a storm in one guild bars another")
	}
	if got := f.s.Blocks(f.now); len(got) != 1 || !strings.HasSuffix(got[0].Address, "/80") {
		t.Errorf("Blocks() = %v, want the guild", got)
	}
	f.restart()
	if f.s.TimedOut(neighbour, f.now) == 0 {
		t.Error("the guild's time-out is forgotten after a restart")
	}
	// Direct messages have nothing in common.
	strikes(0, 1, horde.StormStrikes+5)
	if f.s.TimedOut(origin.FromDiscord(0, 1000), f.now) != 0 {
		t.Error("strikes in direct messages bar everybody who writes one")
	}
	// Strikes that come slowly are no storm.
	for person := range uint64(2 * horde.StormStrikes) {
		f.now = f.now.Add(horde.StormWindow)
		strikes(7, person+1, 1)
	}
	if f.s.TimedOut(origin.FromDiscord(7, 1000), f.now) != 0 {
		t.Error("an hour between strikes is no storm")
	}
}

func TestAGuildRelentsOnlyAboutStrikes(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	strike := func(person uint64) {
		t.Helper()
		if _, _, err := attempt(f, f.ask("quimp flarn", from(origin.FromDiscord(5, person)))); codeOf(err) != horde.CodeCorruptPrompt {
			t.Fatalf("person %d: %v", person, err)
		}
	}
	struck, decided, guild := origin.FromDiscord(5, 1), origin.FromDiscord(5, 2), origin.FromDiscord(5, 1).Group()
	strike(1)
	must(f, horde.SetBlock{By: f.mod, Address: decided.String(), For: time.Hour})
	must(f, horde.SetBlock{By: f.mod, Address: origin.FromDiscord(6, 1).String(), For: time.Hour}) // another guild's
	got := f.s.Pauses(guild, f.now)
	if len(got) != 2 {
		t.Fatalf("Pauses() = %v, want two", got)
	}
	for _, p := range got {
		if p.Decided != (p.Address == decided.String()) {
			t.Errorf("pause %v is decided: %v", p.Address, p.Decided)
		}
	}
	if !must(f, horde.Relent{Address: struck.String()}) || f.s.TimedOut(struck, f.now) != 0 {
		t.Error("the pause did not end")
	}
	if must(f, horde.Relent{Address: struck.String()}) || must(f, horde.Relent{Address: decided.String()}) || f.s.TimedOut(decided, f.now) == 0 {
		t.Error("there was nothing to relent about")
	}
	strike(1)
	if rest := f.s.TimedOut(struck, f.now); rest != 9*time.Minute {
		t.Errorf("the second strike bars for %v, want 9m", rest)
	}
	// A whole guild's pause ends as well.
	for person := range uint64(horde.StormStrikes - 2) {
		strike(100 + person)
	}
	if !must(f, horde.Relent{Address: guild.String()}) || f.s.TimedOut(origin.FromDiscord(5, 3), f.now) != 0 {
		t.Error("the guild's pause did not end")
	}
	refused(f, horde.Relent{Address: "somewhere"}, horde.CodeBadRequest)
	// A moderator's decision that is over does not make later strikes theirs.
	f.now = f.now.Add(2 * time.Hour)
	strike(2)
	if !must(f, horde.Relent{Address: decided.String()}) {
		t.Error("a strike after a moderator's block cannot be relented about")
	}
}

func TestModeratorsBlockAddressesAndRanges(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	guild := origin.FromDiscord(5, 1).Group().String()
	for _, tc := range []struct {
		block  string
		barred []origin.Origin
		free   []origin.Origin
		ranged bool
	}{
		{"203.0.113.7", []origin.Origin{address("203.0.113.7")}, []origin.Origin{address("203.0.113.8")}, false},
		{"203.0.113.7/32", []origin.Origin{address("203.0.113.7")}, []origin.Origin{address("203.0.113.8")}, false},
		{"203.0.113.99/24", []origin.Origin{address("203.0.113.7")}, []origin.Origin{address("203.0.114.1")}, true},
		{"2001:db8:1:2:3::4", []origin.Origin{address("2001:db8:1:2::9")}, []origin.Origin{address("2001:db8:1:3::9")}, false},
		{"2001:db8:1:2:3::4/128", []origin.Origin{address("2001:db8:1:2::9")}, []origin.Origin{address("2001:db8:1:3::9")}, false},
		{"2001:db8:1::/48", []origin.Origin{address("2001:db8:1:3::9")}, []origin.Origin{address("2001:db8:2::9"), address("203.0.113.7")}, true},
		{"::ffff:203.0.113.7", []origin.Origin{address("203.0.113.7")}, nil, false},
		{guild, []origin.Origin{origin.FromDiscord(5, 1), origin.FromDiscord(5, 2)}, []origin.Origin{origin.FromDiscord(6, 1)}, true},
		{origin.FromDiscord(5, 1).String(), []origin.Origin{origin.FromDiscord(5, 1)}, []origin.Origin{origin.FromDiscord(5, 2)}, false},
		{"0.0.0.0/0", []origin.Origin{address("198.51.100.1")}, []origin.Origin{address("2001:db8::1"), {}}, true},
	} {
		must(f, horde.SetBlock{By: f.mod, Address: tc.block, For: 2 * time.Hour})
		f.restart()
		for _, o := range tc.barred {
			if got := f.s.TimedOut(o, f.now); got != 2*time.Hour {
				t.Errorf("%s: %s is barred for %v, want 2h", tc.block, o, got)
			}
			of, err := f.s.BlocksOf(o.String(), f.now)
			if err != nil || len(of) != 1 || (of[0].Address == o.String()) == tc.ranged || of[0].Rest != 2*time.Hour {
				t.Errorf("%s: BlocksOf(%s) = %v, %v", tc.block, o, of, err)
			}
		}
		for _, o := range tc.free {
			if got := f.s.TimedOut(o, f.now); got != 0 {
				t.Errorf("%s: %s is barred for %v", tc.block, o, got)
			}
		}
		if got := f.s.Blocks(f.now); len(got) == 1 != tc.ranged {
			t.Errorf("%s: Blocks() = %v", tc.block, got)
		}
		if got := f.s.TimedOut(tc.barred[0], f.now.Add(2*time.Hour)); got != 0 {
			t.Errorf("%s: barred for %v after its time", tc.block, got)
		}
		if lifted := must(f, horde.SetBlock{By: f.mod, Address: tc.block}); !lifted || f.s.TimedOut(tc.barred[0], f.now) != 0 {
			t.Errorf("%s is not lifted", tc.block)
		}
		if lifted := must(f, horde.SetBlock{By: f.mod, Address: tc.block}); lifted {
			t.Errorf("%s is lifted twice", tc.block)
		}
	}
	refused(f, horde.SetBlock{By: f.asker, Address: "203.0.113.7", For: time.Hour}, "NotModerator")
	refused(f, horde.SetBlock{By: f.mod, Address: "203.0.113.7", For: time.Minute}, horde.CodeBadRequest)
	refused(f, horde.SetBlock{By: f.mod, Address: "203.0.113.7", For: horde.MaxBlock + 1}, horde.CodeBadRequest)
	for _, wrong := range []string{"", "nonsense", "203.0.113", "203.0.113.7/33", "::ffff:203.0.113.0/120"} {
		refused(f, horde.SetBlock{By: f.asker, Address: wrong, For: time.Hour}, horde.CodeBadRequest)
		if _, err := f.s.BlocksOf(wrong, f.now); codeOf(err) != horde.CodeBadRequest {
			t.Errorf("BlocksOf(%q) = %v", wrong, err)
		}
	}
	if len(f.s.Blocks(f.now)) != 0 || len(f.records) == 0 {
		t.Error("something is left")
	}
}

func TestAWorkersAddressIsBlocked(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	for _, tc := range []struct{ addr, blocked string }{{"203.0.113.7", ""}, {"2001:db8:1:2::9", "2001:db8:1:2::/64"}} {
		o := address(tc.addr)
		w := must(f, horde.Pop{Owner: f.asker, Origin: o, Offer: offer("gpu " + tc.addr), Amount: 1}).Worker
		refused(f, horde.BlockWorker{By: f.asker, Worker: w, For: 24 * time.Hour}, "NotModerator")
		must(f, horde.BlockWorker{By: f.mod, Worker: w, For: 24 * time.Hour})
		if got := f.s.TimedOut(o, f.now); got != 24*time.Hour {
			t.Errorf("%s is barred for %v, want a day", o, got)
		}
		if got := f.s.Blocks(f.now); tc.blocked != "" && (len(got) != 1 || got[0].Address != tc.blocked) {
			t.Errorf("Blocks() = %v, want %s", got, tc.blocked)
		}
		must(f, horde.BlockWorker{By: f.mod, Worker: w})
		if got := f.s.TimedOut(o, f.now); got != 0 {
			t.Errorf("%s is still barred for %v", o, got)
		}
	}
	inside := must(f, horde.Pop{Owner: f.asker, Offer: offer("inside"), Amount: 1}).Worker
	refused(f, horde.BlockWorker{By: f.mod, Worker: inside, For: 24 * time.Hour}, horde.CodeBadRequest)
	refused(f, horde.BlockWorker{By: f.mod, For: 24 * time.Hour}, horde.CodeWorkerNotFound)
}

func TestRefusedPromptsAreKeptForOperatorsForAWhile(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	for i := range horde.MaxRejected + 3 {
		f.now = f.now.Add(time.Second)
		who := from(address(fmt.Sprintf("198.51.%d.%d", i/200, i%200+1)))
		if _, _, err := attempt(f, f.ask(fmt.Sprintf("quimp flarn %d %s", i, strings.Repeat("é", 3000)), who)); codeOf(err) != horde.CodeCorruptPrompt {
			t.Fatal(err)
		}
	}
	kept := f.s.Rejected()
	if len(kept) != horde.MaxRejected {
		t.Fatalf("%d are kept, want %d", len(kept), horde.MaxRejected)
	}
	if first := kept[0]; !strings.HasPrefix(first.Prompt, "quimp flarn 3 é") || len(first.Prompt) > 4000 || first.User != f.asker || first.Origin == "" || first.Reason == "" {
		t.Errorf("the oldest kept is of %v by %d from %q with %d bytes", first.At, first.User, first.Origin, len(first.Prompt))
	}
	f.restart()
	if diff := cmp.Diff(kept, f.s.Rejected()); diff != "" {
		t.Error("a restart changed what is kept")
	}
	count := func() (n int) {
		for key := range f.records {
			if key[0] == string(horde.KindTimeout) {
				n++
			}
		}
		return n
	}
	timeouts := count()
	if timeouts == 0 {
		t.Error("no time-out is kept")
	}
	f.now = f.now.Add(horde.StrikeWindow + time.Hour)
	must(f, horde.Expire{})
	if n := count(); n != 0 {
		t.Errorf("%d time-outs of %d outlived their time", n, timeouts)
	}
	f.now = f.now.Add(horde.RejectedKept)
	must(f, horde.Expire{})
	if n := len(f.s.Rejected()); n != 0 {
		t.Errorf("%d refused prompts outlived their time", n)
	}
}

func TestAnonymousCallersGatherNoSuspicion(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	if _, _, err := attempt(f, f.ask("quimp flarn", by(horde.Anonymous))); codeOf(err) != horde.CodeCorruptPrompt {
		t.Fatal(err)
	}
	if u, _ := f.s.User(horde.Anonymous); u.Suspicion != 0 {
		t.Errorf("everybody's account has suspicion %d", u.Suspicion)
	}
	if f.s.TimedOut(address("203.0.113.7"), f.now) == 0 {
		t.Error("the origin is not barred")
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	admin := f.user("admin", horde.RoleAdmin)
	on, off := true, false
	refused(f, horde.ChangeModes{By: 99, Raid: &on}, horde.CodeInvalidAPIKey)
	refused(f, horde.ChangeModes{By: f.mod, Maintenance: &on}, horde.CodeNotAdmin)
	refused(f, horde.ChangeModes{By: f.asker, Raid: &on}, "NotModerator")
	refused(f, horde.ChangeModes{By: admin, Maintenance: &on, Raid: &on}, "NotModerator")
	refused(f, horde.ChangeModes{By: f.mod}, horde.CodeNoHordeMode)

	waiting := must(f, f.ask("red apple", func(n *horde.NewImage) { n.N = 3 })).ID
	got := must(f, horde.ChangeModes{By: admin, Maintenance: &on})
	if !got.Maintenance || got.Raid || f.s.Modes() != got {
		t.Errorf("modes = %+v", got)
	}
	if st, ok := f.s.Status(waiting, f.now, nil); !ok || !st.Done || st.Waiting != 0 {
		t.Errorf("what waited is %+v, want it cancelled", st)
	}
	refused(f, f.ask("red apple"), horde.CodeMaintenanceMode)
	if _, writes, err := attempt(f, horde.ChangeModes{By: admin, Maintenance: &on}); err != nil || writes != 0 {
		t.Errorf("the same again: %v with %d writes", err, writes)
	}
	must(f, horde.ChangeModes{By: admin, Maintenance: &off})

	must(f, horde.ChangeModes{By: f.mod, InviteOnly: &on})
	if _, _, err := attempt(f, horde.Pop{Owner: f.asker, Offer: offer("gpu"), Amount: 1}); codeOf(err) != "WorkerInviteOnly" {
		t.Errorf("a new worker without an invitation: %v", err)
	}
	if out := must(f, f.ask("red apple", models("unheard"))); len(out.Warnings) == 0 {
		t.Error("nothing warns that no worker has the model")
	}
	must(f, horde.ChangeModes{By: f.mod, Raid: &on})
	if out := must(f, f.ask("red apple", models("unheard"))); len(out.Warnings) != 0 || out.Possible {
		t.Errorf("a raid gets the warnings %v", out.Warnings)
	}
	if got := f.s.Modes(); !got.Raid || !got.InviteOnly || got.Maintenance {
		t.Errorf("modes = %+v", got)
	}
}

func TestRefusalsTellNothingOfTheFilter(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	for _, op := range []horde.Enqueue{
		f.ask("quimp flarn"), f.ask("zorble flarn", strict, from(address("203.0.113.8"))),
		f.ask("zorble flarn"+strings.Repeat(" a", 4000), from(address("203.0.113.9"))),
	} {
		_, _, err := attempt(f, op)
		refusal, ok := errors.AsType[*horde.Error](err)
		if !ok {
			t.Fatalf("not refused: %v", err)
		}
		for _, word := range []string{"zorble", "quimp", "flarn", "203.0"} {
			if strings.Contains(refusal.Message, word) {
				t.Errorf("%q tells what was found", refusal.Message)
			}
		}
	}
}
