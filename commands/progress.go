// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
)

const (
	newsBuffer  = 4096        // events of the core waiting to be heard; when it overflows, all messages are looked at
	lookAllGap  = time.Second // least time between two looks at all messages
	idleWait    = time.Minute // the follower wakes up at least this often
	pruneEvery  = time.Hour   // old rows are forgotten
	resumeFirst = time.Second // pause before the open rows are read again after an error; doubles
	resumeMost  = 30 * time.Second
)

// follower keeps the messages of running requests true. One loop knows when each message is due, by its own pace or
// because the core has news of it; a few editors look at what is due and edit it. A message is with one editor at a time.
type follower struct {
	s    *Set
	wake chan struct{} // holds 1: something became due earlier than the loop thinks

	mu        sync.Mutex // guards what follows, and the shared part of each live
	byKey     map[string]*live
	byRequest map[horde.RequestID]*live
	due       dueHeap
	lookedAll time.Time
}

// live is the message of a request that runs.
type live struct {
	// Guarded by follower.mu.
	at          time.Time // when it is due
	index       int       // in the heap, or -1
	busy        bool      // with an editor
	again       bool      // news came meanwhile
	request     horde.RequestID
	cancelledBy string
	forgotten   bool      // its person wants nothing of it kept; for good
	ended       time.Time // what has ended waits to be shown since then; zero while it runs

	// These never change.
	guild, person string
	images        int
	describes     bool // says in words what is in an image

	// Only the editor that has it touches these.
	row      chat.Message
	p        params
	token    string
	shown    string    // what it says, so that it is not said twice
	files    int       // images it shows
	ready    time.Time // the countdown it shows
	lastEdit time.Time
	tries    int // in a row that went wrong
	end      *ending
	how      showing
	mute     bool // Discord refuses its progress here: only the end is tried
	known    bool // the core had it when this process looked
	strayed  bool // the result is elsewhere, or nowhere: the message is out of reach
	landed   bool // the result is shown, or never will be; only the row is left to close
}

func newFollower(s *Set) *follower {
	return &follower{
		s: s, wake: make(chan struct{}, 1), byKey: make(map[string]*live), byRequest: make(map[horde.RequestID]*live),
	}
}

// following counts the requests that are followed.
func (f *follower) following() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.byKey)
}

// full reports whether no more requests can be followed.
func (f *follower) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.byKey) >= f.s.opts.Following
}

// add begins to follow a row's request. A row that is followed already is left alone.
func (f *follower) add(row chat.Message, p params, token string) {
	l := &live{
		row: row, p: p, token: token, at: f.s.now(), cancelledBy: p.CancelledBy, forgotten: p.Forgotten, guild: row.Guild, person: row.Person, images: p.load(), describes: p.Forms != nil && p.Forms.Aim == aimDescribe,
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byKey[row.Key] != nil {
		return
	}
	f.byKey[row.Key] = l
	if uuid, err := horde.ParseUUID(row.Request); err == nil && p.Again == "" { // the first may still be followed
		l.request = horde.RequestID{UUID: uuid}
		f.byRequest[l.request] = l
	}
	heap.Push(&f.due, l)
	f.ring()
}

// running counts the images of a person, and of everybody in a guild, that are waiting or being made.
func (f *follower) running(guild, person string) (mine, all int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.byKey {
		if l.person == person {
			mine += l.images
		}
		if l.guild == guild {
			all += l.images
		}
	}
	return mine, all
}

// describing reports whether alchemists look at something for a person already.
func (f *follower) describing(person string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.byKey {
		if l.person == person && l.describes {
			return true
		}
	}
	return false
}

// of lists what is followed for a person, oldest first.
func (f *follower) of(person string) []following {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []following
	for key, l := range f.byKey {
		if l.person == person {
			out = append(out, following{key: key, request: l.request})
		}
	}
	slices.SortFunc(out, func(a, b following) int {
		return cmp.Or(cmp.Compare(len(a.key), len(b.key)), strings.Compare(a.key, b.key))
	})
	return out
}

// keyOf finds the row of a request that is followed; empty when none is.
func (f *follower) keyOf(id horde.RequestID) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.byRequest[id]; l != nil {
		return l.row.Key // a row's key never changes
	}
	return ""
}

// following names a request that is followed.
type following struct {
	key     string
	request horde.RequestID
}

// requestOf tells whether a row is followed, and its request once the core has it.
func (f *follower) requestOf(key string) (id horde.RequestID, followed, placed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.byKey[key]
	if l == nil {
		return id, false, false
	}
	return l.request, true, !l.request.IsZero()
}

// cancelling notes who cancels a request, for its message. undo takes the note back and lets the message say so.
func (f *follower) cancelling(key, person string) (undo func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.byKey[key]
	if l == nil || l.cancelledBy != "" {
		return func() {}
	}
	l.cancelledBy = person
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		l.cancelledBy = ""
		if f.byKey[key] == l {
			f.nudge(l)
		}
	}
}

// forget notes that nothing is to be kept of what is followed for a person, asked for at the core or not, and lists it.
func (f *follower) forget(person string) []following {
	f.mu.Lock()
	for _, l := range f.byKey {
		if l.person != person {
			continue
		}
		l.forgotten = true
		if l.cancelledBy == "" {
			l.cancelledBy = person
		}
		f.nudge(l)
	}
	f.mu.Unlock()
	return f.of(person)
}

// canceller tells who cancelled a request that is followed; empty for nobody.
func (f *follower) canceller(key string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.byKey[key]; l != nil {
		return l.cancelledBy
	}
	return ""
}

// nudge makes a message due now. mu is held.
func (f *follower) nudge(l *live) {
	if l.busy {
		l.again = true
		return
	}
	if now := f.s.now(); l.at.After(now) {
		l.at = now
		heap.Fix(&f.due, l.index)
		f.ring()
	}
}

func (f *follower) ring() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run follows until ctx ends. What is open then is continued by the next process.
func (f *follower) run(ctx context.Context) error {
	news := f.s.engine.Events(newsBuffer)
	defer news.Close()
	work := make(chan *live)
	var editors sync.WaitGroup
	defer editors.Wait()
	defer close(work)
	for range f.s.opts.Editors {
		editors.Go(func() {
			for l := range work {
				f.look(ctx, l)
			}
		})
	}
	alarm, prune := time.NewTimer(0), time.NewTicker(pruneEvery)
	defer alarm.Stop()
	defer prune.Stop()
	resume := time.NewTimer(0)
	defer resume.Stop()
	pause := resumeFirst
	hints := news.Hints()
	f.prune(ctx)
	var ready *live
	for {
		var out chan<- *live
		if ready == nil {
			var wait time.Duration
			ready, wait = f.take()
			alarm.Reset(wait)
		}
		if ready != nil {
			out = work
		}
		select {
		case <-ctx.Done():
			return nil
		case out <- ready:
			ready = nil
		case <-alarm.C:
		case <-f.wake:
		case _, open := <-hints:
			if !open {
				hints = nil // the engine has stopped, and so shall we
				continue
			}
			f.hear(news.Events())
		case <-resume.C:
			if f.s.contained(ctx, "reading the open messages", func() error { return f.resume(ctx) }) != nil { // it is tried again
				resume.Reset(pause)
				pause = min(2*pause, resumeMost)
			}
		case <-prune.C:
			f.prune(ctx)
		}
	}
}

// take hands out what is due, or says how long to wait.
func (f *follower) take() (*live, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.due) == 0 {
		return nil, idleWait
	}
	if wait := f.due[0].at.Sub(f.s.now()); wait > 0 {
		return nil, min(wait, idleWait)
	}
	l := heap.Pop(&f.due).(*live) //nolint:forcetypeassert // the heap holds nothing else
	l.busy, l.again = true, false
	return l, idleWait
}

// hear makes due what there is news of.
func (f *follower) hear(events <-chan horde.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for heard := 0; ; heard++ {
		select {
		case ev := <-events:
			if l := f.byRequest[ev.Request]; l != nil {
				f.nudge(l)
			}
			continue
		default:
		}
		// A hint without news says that the core was loaded anew; a full buffer, that news were lost.
		if now := f.s.now(); (heard == 0 || heard >= newsBuffer) && now.Sub(f.lookedAll) >= lookAllGap {
			f.lookedAll = now
			for _, l := range f.byKey {
				f.nudge(l)
			}
		}
		return
	}
}

// resume follows what was open when the last process ended.
func (f *follower) resume(ctx context.Context) error {
	rows, err := f.s.deps.Messages.OpenMessages(ctx)
	if err != nil {
		return fmt.Errorf("open messages: %w", err)
	}
	resumed := 0
	for _, row := range rows {
		var p params
		if err := json.Unmarshal(row.Params, &p); err != nil {
			f.s.log.Error().Err(err).Str("key", row.Key).Msg("unreadable parameters of an open message")
			f.close(ctx, row)
			continue
		}
		token := ""
		if len(row.Sealed) > 0 {
			if plain, err := f.s.deps.Unseal(row.Sealed, []byte(row.Key)); err == nil {
				token = string(plain)
			} else {
				f.s.log.Warn().Str("key", row.Key).Msg("cannot unseal the token of an open message")
			}
		}
		f.add(row, p, token)
		resumed++
	}
	if resumed > 0 {
		f.s.log.Info().Int("messages", resumed).Msg("following the requests of earlier")
	}
	return nil
}

func (f *follower) prune(ctx context.Context) {
	f.s.sweepDrafts(ctx)
	f.s.sweepReports(ctx)
	f.s.sweepPrompts(ctx)
	f.s.sweepStrikes(ctx)
	n, err := f.s.deps.Messages.PruneMessages(ctx, f.s.now().Add(-f.s.opts.Keep))
	switch {
	case err != nil && ctx.Err() == nil:
		f.s.log.Warn().Err(err).Msg("cannot forget old messages")
	case n > 0:
		f.s.log.Debug().Int64("messages", n).Msg("old messages forgotten")
	}
}

// look lets an editor bring a message up to date, and files it for its next time.
func (f *follower) look(ctx context.Context, l *live) {
	next, over := f.step(ctx, l)
	f.mu.Lock()
	defer f.mu.Unlock()
	l.busy = false
	if l.end != nil && !l.landed {
		l.ended = l.end.at
	}
	if over {
		delete(f.byKey, l.row.Key)
		delete(f.byRequest, l.request)
		return
	}
	l.at = next
	if l.again {
		l.at = f.s.now()
	}
	heap.Push(&f.due, l)
	f.ring()
}

// step contains what goes wrong in a message: the others go on.
func (f *follower) step(ctx context.Context, l *live) (next time.Time, over bool) {
	defer func() {
		if v := recover(); v != nil {
			f.s.log.Error().Str("stack", string(debug.Stack())).Str("key", l.row.Key).Msgf("following a request panicked: %v", v)
			over = true
		}
	}()
	e := editor{follower: f, live: l, now: f.s.now()}
	return e.step(ctx)
}

// close marks a row as done with. It reports whether that is on disk.
func (f *follower) close(ctx context.Context, row chat.Message) bool {
	row.Open, row.Sealed = false, []byte{}
	return f.save(ctx, row)
}

// save writes a row even while the process stops: what is shown should be known.
func (f *follower) save(ctx context.Context, row chat.Message) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	if err := f.s.deps.Messages.SaveMessage(ctx, row); err != nil {
		f.s.log.Warn().Err(err).Str("key", row.Key).Msg("cannot save a message")
		return false
	}
	return true
}

// ref names the message to Discord.
func (l *live) ref() discord.MessageRef {
	ref := discord.MessageRef{
		ChannelID: l.row.Channel, MessageID: l.row.Message, AppID: l.row.App, Token: l.token, Expires: l.row.TokenEnds,
		Ephemeral: l.row.Ephemeral || l.p.Guest,
	}
	if ref.MessageID == "" {
		ref.MessageID = "@original"
	}
	return ref
}

// dueHeap orders messages by when they are due.
type dueHeap []*live

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is heap.Interface's.
func (h *dueHeap) Push(x any) {
	l := x.(*live) //nolint:forcetypeassert // the heap holds nothing else
	l.index = len(*h)
	*h = append(*h, l)
}

// Pop is heap.Interface's.
func (h *dueHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	l.index = -1
	return l
}
