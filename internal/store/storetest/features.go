// SPDX-License-Identifier: AGPL-3.0-or-later

package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
	"stablemate/internal/store"
)

func cloneOf[K comparable, V any](m map[K]V) map[K]V { return maps.Clone(m) }

// filler gives every exported field a value of its own, so that a field that a store forgets or mixes up shows.
type filler struct{ n int64 }

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch v.Interface().(type) {
	case []byte, json.RawMessage:
		v.SetBytes(fmt.Appendf(nil, `{"n":%d}`, f.n))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(f.n) * time.Microsecond)))
		return
	case origin.Origin:
		v.Set(reflect.ValueOf(origin.FromAddr(netip.AddrFrom4([4]byte{10, 0, byte(f.n >> 8), byte(f.n)}))))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				f.fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(f.n>>(8*(i%4))) & 0xff)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d ✓", f.n))
	case reflect.Bool:
		v.SetBool(f.n%2 == 0)
	case reflect.Int8:
		v.SetInt(f.n%2 + 1)
	case reflect.Int16:
		v.SetInt(f.n)
	case reflect.Int:
		v.SetInt(1_000_000 + f.n)
	case reflect.Int64:
		v.SetInt(1<<52 + f.n)
	case reflect.Uint32:
		v.SetUint(1<<32 - uint64(f.n))
	case reflect.Float64:
		v.SetFloat(float64(f.n) + 0.1)
	default:
		panic("storetest: rows have a field of a new kind: " + v.Kind().String())
	}
}

func testFields(t *testing.T, opts store.Options) {
	t.Helper()
	s, term := Lead(t, opts)
	rows := NewRows()
	f := &filler{}
	for range 2 { // booleans come out the other way round the second time
		f.n++
		b := &horde.Batch{
			Users: make([]horde.User, 2), Workers: make([]horde.Worker, 2), NewRequests: make([]horde.Request, 2),
			NewGens: make([]horde.Generation, 3), Modes: &horde.Modes{},
			System: map[kudos.Account]kudos.Amount{kudos.Treasury: kudos.Amount(f.n), kudos.Burn: -5},
			Ledger: []kudos.Event{{}, {}}, Records: make([]horde.Record, 3),
		}
		f.fill(reflect.ValueOf(b.Modes).Elem())
		for _, list := range []any{b.Users, b.Workers, b.NewRequests, b.NewGens, b.Ledger, b.Records} {
			for i := range reflect.ValueOf(list).Len() {
				f.fill(reflect.ValueOf(list).Index(i))
			}
		}
		for i := range b.Ledger {
			b.Ledger[i].ID = rows.LastEvent() + int64(i) + 1
		}
		commit(t, s, &term, b)
		rows.Apply(b)
		same(t, s, rows, time.Time{})

		// Now every row changes, as far as rows can change.
		change := &horde.Batch{Users: make([]horde.User, 2), Workers: make([]horde.Worker, 2)}
		for i := range change.Users {
			f.fill(reflect.ValueOf(change.Users).Index(i))
			change.Users[i].ID = b.Users[i].ID
			f.fill(reflect.ValueOf(change.Workers).Index(i))
			change.Workers[i].ID = b.Workers[i].ID
		}
		change.Records = []horde.Record{{Kind: b.Records[0].Kind, ID: b.Records[0].ID, Value: []byte(`{"a": 1}`)}, {Kind: b.Records[1].Kind, ID: b.Records[1].ID}}
		var filled struct {
			R horde.Request
			G horde.Generation
		}
		for _, r := range b.NewRequests {
			f.fill(reflect.ValueOf(&filled).Elem())
			r.N, r.Jobs, r.Faults, r.State = filled.R.N, filled.R.Jobs, filled.R.Faults, filled.R.State
			r.Expiry, r.Consumed, r.Held = filled.R.Expiry, filled.R.Consumed, filled.R.Held
			change.Requests = append(change.Requests, r)
		}
		for _, g := range b.NewGens {
			f.fill(reflect.ValueOf(&filled).Elem())
			g.Seed, g.State, g.Finished, g.Blob = filled.G.Seed, filled.G.State, filled.G.Finished, filled.G.Blob
			g.Text, g.Censored, g.Meta, g.Reward = filled.G.Text, filled.G.Censored, filled.G.Meta, filled.G.Reward
			change.Generations = append(change.Generations, g)
		}
		commit(t, s, &term, change)
		rows.Apply(change)
		same(t, s, rows, time.Time{})
	}
	var gone horde.Batch
	for id := range rows.requests {
		gone.GoneRequests = append(gone.GoneRequests, id)
		break
	}
	for id := range rows.workers {
		gone.GoneWorkers = append(gone.GoneWorkers, id)
		break
	}
	commit(t, s, &term, &gone)
	rows.Apply(&gone)
	same(t, s, rows, time.Time{})
}

func testTexts(t *testing.T, opts store.Options) {
	t.Helper()
	s, term := Lead(t, opts)
	rows := NewRows()
	hostile := []string{"nul\x00nul", "broken \xff\xfe", `\x41`, `\x`, "", "'; DROP TABLE event; --", strings.Repeat("long ", 50), "\u202e🍎"}
	b := &horde.Batch{}
	f := &filler{}
	for i, text := range hostile {
		u := horde.User{ID: horde.UserID(i), External: text, Name: text, Contact: "nul\x00nul", Key: horde.KeyHash{byte(i + 1)}}
		g := horde.Generation{Model: text, Blob: text, Meta: []horde.Meta{{Value: "\x00"}}}
		f.fill(reflect.ValueOf(&g.ID).Elem())
		r := horde.Request{User: u.ID, Kind: horde.Dreamer, Client: "nul\x00nul", Key: text, Image: horde.Image{Prompt: "\x00 </script> \u2028"}, Models: []string{"\x00"}}
		f.fill(reflect.ValueOf(&r.ID).Elem())
		g.Request = r.ID
		b.Users, b.NewRequests, b.NewGens = append(b.Users, u), append(b.NewRequests, r), append(b.NewGens, g)
		b.Ledger = append(b.Ledger, kudos.Event{
			ID: int64(i + 1), Key: text, Kind: kudos.KindTransfer, At: time.UnixMicro(1).UTC(), Postings: kudos.Move(0, 8, 1),
		})
	}
	commit(t, s, &term, b)
	rows.Apply(b)
	same(t, s, rows, time.Time{})
	for i, text := range hostile {
		e, err := s.LedgerEvent(t.Context(), text)
		if err != nil || e == nil || e.ID != int64(i+1) {
			t.Errorf("LedgerEvent(%q) = %v, %v, want event %d", text, e, err, i+1)
		}
	}
}

func testAudit(t *testing.T, opts store.Options) {
	t.Helper()
	s, term := Lead(t, opts)
	if r := audited(t, s); !r.OK() {
		t.Errorf("the audit of an empty store found %+v", r)
	}
	w, err := NewWorld(4)
	if err != nil {
		t.Fatal(err)
	}
	for range 30 {
		commit(t, s, &term, live(t, w, 20))
	}
	if r := audited(t, s); !r.OK() {
		t.Fatalf("the audit of an honest horde found %+v", r)
	}
	finds := func(part string, b *horde.Batch) {
		t.Helper()
		commit(t, s, &term, b)
		r := audited(t, s)
		for _, sentence := range r.Differences {
			if strings.Contains(sentence, part) {
				return
			}
		}
		t.Errorf("the audit found %q, nothing about %q", r.Differences, part)
	}
	u, _ := w.State.User(w.users[1])
	u.Balance += 5
	finds(fmt.Sprintf("account user %d/0 has a balance of %s kudos", u.ID, u.Balance), &horde.Batch{Users: []horde.User{u}})
	finds("all balances sum to 0.05 kudos", &horde.Batch{})
	u.Held += 7
	finds(fmt.Sprintf("account %d has %s kudos held", u.ID, u.Held), &horde.Batch{Users: []horde.User{u}})

	at, last := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), w.Rows.LastEvent()
	finds(fmt.Sprintf("the postings of event %d sum to -0.01 kudos", last+1), &horde.Batch{Ledger: []kudos.Event{
		{ID: last + 1, Key: "uneven", Kind: kudos.KindAward, At: at, Postings: []kudos.Posting{{Account: kudos.Treasury, Amount: -1}}},
	}})
	finds("account user 900000/0 has postings of", &horde.Batch{Ledger: []kudos.Event{
		{ID: last + 2, Key: "nobody", Kind: kudos.KindAward, At: at, Postings: kudos.Move(kudos.Treasury, kudos.Of(900_000, kudos.Spendable), 1)},
	}})
	finds(fmt.Sprintf("event %d has no postings", last+3), &horde.Batch{Ledger: []kudos.Event{{ID: last + 3, Key: "empty", At: at}}})
	finds(fmt.Sprintf("no event follows %d", last+3), &horde.Batch{Ledger: []kudos.Event{
		{ID: last + 5, Key: "gap", Kind: kudos.KindAward, At: at, Postings: kudos.Move(kudos.Treasury, kudos.Burn, 1)},
	}})
	g := horde.Generation{Model: "lost"}
	g.ID.UUID[0] = 1
	finds("which is gone", &horde.Batch{NewGens: []horde.Generation{g}})

	var many []horde.User
	for i := range horde.UserID(40) {
		x := horde.User{ID: 1000 + i, External: fmt.Sprint("many", i), Balance: 1}
		x.Key[0], x.Key[1] = 255, byte(i)
		many = append(many, x)
	}
	commit(t, s, &term, &horde.Batch{Users: many})
	if r := audited(t, s); r.Wrong < 40 || len(r.Differences) != store.MaxDifferences {
		t.Errorf("the audit counts %d differences and spells %d out, want at least 40 and %d", r.Wrong, len(r.Differences), store.MaxDifferences)
	}
}

func testLedger(t *testing.T, opts store.Options) {
	t.Helper()
	s, term := Lead(t, opts)
	w, err := NewWorld(5)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := s.LedgerEvent(t.Context(), "nothing"); e != nil || err != nil {
		t.Errorf("LedgerEvent of an unknown key = %v, %v, want nothing", e, err)
	}
	for range 40 {
		commit(t, s, &term, live(t, w, 20))
	}
	account := kudos.Of(int64(w.users[1]), kudos.Spendable)
	var want []store.Entry
	for i, e := range slices.Backward(w.Rows.events) {
		if i%10 == 0 {
			got, err := s.LedgerEvent(t.Context(), e.Key)
			if diff := cmp.Diff(&e, got); diff != "" || err != nil {
				t.Errorf("LedgerEvent(%q): %v (-want +got):\n%s", e.Key, err, diff)
			}
		}
		for _, p := range slices.Backward(e.Postings) {
			if p.Account == account {
				line := store.Entry{Event: e.ID, Key: e.Key, Kind: e.Kind, At: e.At, Amount: p.Amount, Other: kudos.Treasury}
				for _, other := range e.Postings {
					if e.Kind == kudos.KindTransfer && other.Account != account {
						line.Other = other.Account
					}
				}
				want = append(want, line)
			}
		}
	}
	for _, limit := range []int{3, store.MaxHistory, -1} {
		for _, kinds := range [][]kudos.Kind{nil, {kudos.KindTransfer}, {kudos.KindSettle, kudos.KindReserve, kudos.KindReturn}} {
			want := slices.Clone(want)
			if kinds != nil {
				want = slices.DeleteFunc(want, func(e store.Entry) bool { return !slices.Contains(kinds, e.Kind) })
			}
			got, err := s.History(t.Context(), account, kinds, limit)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want[:min(len(want), max(limit, 0))], got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("History(%s, %v, %d) (-want +got):\n%s", account, kinds, limit, diff)
			}
		}
	}
	ranks(t, s, w)
	// Load finds the beginning of recent events wherever it is.
	for _, at := range []int{0, 1, len(w.Rows.events) / 2, len(w.Rows.events) - 1} {
		same(t, s, w.Rows, w.Rows.events[at].At)
	}
	same(t, s, w.Rows, w.now.Add(time.Hour))
}

// ranks compares what the store says of accounts with what the events say, from the middle of the ledger on.
func ranks(t *testing.T, s *store.Store, w *World) {
	t.Helper()
	recent := w.Rows.events[len(w.Rows.events)/2:]
	since := recent[0].At
	for len(recent) > 0 && recent[0].At.Before(since) {
		recent = recent[1:]
	}
	for i := len(w.Rows.events)/2 - 1; i >= 0 && !w.Rows.events[i].At.Before(since); i-- {
		recent = w.Rows.events[i:]
	}
	want := map[store.RankBy]map[horde.UserID]int64{store.ByGiven: {}, store.ByReceived: {}, store.ByMade: {}}
	for _, e := range recent {
		made := map[horde.UserID]bool{}
		for _, p := range e.Postings {
			id, _, ok := p.Account.User()
			user := horde.UserID(id)
			if !ok {
				continue
			}
			switch {
			case e.Kind == kudos.KindTransfer && p.Amount < 0, e.Kind == kudos.KindReserve, e.Kind == kudos.KindReturn:
				want[store.ByGiven][user] -= int64(p.Amount)
			case e.Kind == kudos.KindTransfer, e.Kind == kudos.KindClaim && p.Amount > 0:
				want[store.ByReceived][user] += int64(p.Amount)
			case e.Kind == kudos.KindSettle && p.Amount > 0 && !made[user]:
				made[user] = true
				want[store.ByMade][user]++
			}
		}
	}
	for by, accounts := range want {
		got, err := s.Ranks(t.Context(), by, since, 1000)
		if err != nil {
			t.Fatal(err)
		}
		found, last := map[horde.UserID]int64{}, int64(math.MaxInt64)
		for _, r := range got {
			if r.N > last {
				t.Errorf("Ranks(%d) is out of order: %d after %d", by, r.N, last)
			}
			found[r.User], last = r.N, r.N
		}
		maps.DeleteFunc(accounts, func(_ horde.UserID, n int64) bool { return n <= 0 })
		if diff := cmp.Diff(accounts, found, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("Ranks(%d) (-want +got):\n%s", by, diff)
		}
	}
	if got, err := s.Ranks(t.Context(), store.ByMade, w.now.Add(time.Hour), 10); err != nil || len(got) > 0 {
		t.Errorf("Ranks of the future = %v, %v", got, err)
	}
}

func someMessage(key string) chat.Message {
	return chat.Message{
		Key: key, Request: "r" + key, App: "1", Guild: "2", Channel: "3", Message: "m" + key, Person: "5", Sealed: []byte{0, 255},
		TokenEnds: time.Date(2026, 1, 1, 0, 15, 0, 0, time.UTC), Ephemeral: true, Params: []byte(`{"prompt":"🍎"}`),
		Created: time.Date(2026, 1, 1, 0, 0, 0, 1000, time.UTC), Open: true,
	}
}

func testMessages(t *testing.T, opts store.Options) {
	t.Helper()
	s := Open(t, opts)
	ctx := t.Context()
	a, b, c := someMessage("a"), someMessage("b"), someMessage("c")
	b.Created, b.Open, b.Ephemeral = b.Created.Add(time.Minute), false, false
	c = chat.Message{Key: "c", Created: c.Created.Add(-time.Minute), Open: true} // accepted a moment ago, nothing known yet
	for _, m := range []chat.Message{a, b, c} {
		if err := s.SaveMessage(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	find := func(what string, want *chat.Message, look func() (chat.Message, bool, error)) {
		t.Helper()
		got, found, err := look()
		switch {
		case err != nil:
			t.Errorf("%s: %v", what, err)
		case found != (want != nil):
			t.Errorf("%s: found %v, want %v", what, found, want != nil)
		case found:
			if diff := cmp.Diff(*want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
	}
	byKey := func(key string) func() (chat.Message, bool, error) {
		return func() (chat.Message, bool, error) { return s.MessageByKey(ctx, key) }
	}
	open := func(want ...chat.Message) {
		t.Helper()
		got, err := s.OpenMessages(ctx)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("OpenMessages: %v (-want +got):\n%s", err, diff)
		}
	}
	find("by key", &a, byKey("a"))
	find("by key, hardly filled", &c, byKey("c"))
	find("by an unknown key", nil, byKey("z"))
	find("by request", &b, func() (chat.Message, bool, error) { return s.MessageByRequest(ctx, "rb") })
	find("by no request", nil, func() (chat.Message, bool, error) { return s.MessageByRequest(ctx, "") })
	find("by place", &b, func() (chat.Message, bool, error) { return s.MessageByDiscord(ctx, "3", "mb") })
	find("by another channel", nil, func() (chat.Message, bool, error) { return s.MessageByDiscord(ctx, "4", "mb") })
	find("by no message", nil, func() (chat.Message, bool, error) { return s.MessageByDiscord(ctx, "", "") })
	open(c, a)
	a.Open, a.Sealed, a.TokenEnds = false, nil, time.Time{}
	if err := s.SaveMessage(ctx, a); err != nil {
		t.Fatal(err)
	}
	find("after it changed", &a, byKey("a"))
	open(c)
	n, err := s.PruneMessages(ctx, b.Created)
	if n != 1 || err != nil {
		t.Errorf("PruneMessages = %d, %v, want 1: the old one that is not open", n, err)
	}
	find("after it was pruned", nil, byKey("a"))
	find("not old enough to be pruned", &b, byKey("b"))
	open(c)
}

func testSettings(t *testing.T, opts store.Options) {
	t.Helper()
	s, other := Open(t, opts), Open(t, opts)
	ctx := t.Context()
	if v, err := s.Setting(ctx, "none"); v != nil || err != nil {
		t.Errorf("a setting that was never set = %q, %v", v, err)
	}
	for _, value := range [][]byte{{0, 1, 255}, {}} {
		if err := s.SetSetting(ctx, "a", value); err != nil {
			t.Fatal(err)
		}
		if v, err := other.Setting(ctx, "a"); !bytes.Equal(v, value) || v == nil || err != nil {
			t.Errorf("Setting = %q, %v, want %q", v, err, value)
		}
	}
	const racers = 8
	got := make(chan []byte, racers)
	for i := range racers {
		from := []*store.Store{s, other}[i%2]
		go func() {
			v, err := from.EnsureSetting(ctx, "secret", func() ([]byte, error) { return []byte{byte(i)}, nil })
			if err != nil {
				t.Error(err)
			}
			got <- v
		}()
	}
	first := <-got
	for range racers - 1 {
		if v := <-got; !bytes.Equal(v, first) || len(v) != 1 {
			t.Errorf("EnsureSetting gave %v and %v", first, v)
		}
	}
}

var _ engine.Store = (*store.Store)(nil)
