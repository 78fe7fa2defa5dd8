// SPDX-License-Identifier: AGPL-3.0-or-later

// Package engine runs the horde: one writer applies operations in order to the state in memory, gathers
// them while a commit is on its way to the disk, and answers each when its rows are durable. It alone
// owns a horde.State; what it hands out are copies.
package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
)

// Bounds of the engine.
const (
	MaxGroup      = 1024             // operations in one commit
	commitTimeout = 30 * time.Second // then the commit counts as failed and the state is loaded anew
	reloadFirst   = 100 * time.Millisecond
	reloadMost    = 5 * time.Second
	placesFresh   = time.Second          // how old queue places may be
	placesLeast   = 5 * time.Millisecond // a burst of checks shares one look at a short queue
	perEntryFresh = 5 * time.Microsecond
)

// ErrUnavailable says that nothing can be decided now: the store does not answer. Nothing was done.
var ErrUnavailable = errors.New("the horde's store does not answer; please try again in a moment")

// Options say how an engine runs.
type Options struct {
	Settings horde.Settings
	Now      func() time.Time
	IDs      horde.IDSource
	Log      zerolog.Logger
}

// Engine is safe for concurrent use. Run must be running for operations to be answered.
type Engine struct {
	store Store
	opts  Options
	bell  chan struct{} // holds 1: there is something to commit
	news  *exchange

	mu      sync.RWMutex // guards what follows
	state   *horde.State
	pending *group
	flying  *group // on its way to the disk, or nil
	down    bool
	term    horde.Term
	lost    <-chan struct{}

	drawn   drawings
	places  atomic.Pointer[places]
	sorting atomic.Bool
	commits atomic.Int64
	ops     atomic.Int64
}

// group is what one commit will carry, and what its callers wait for.
type group struct {
	change *horde.Change
	ops    int
	cut    chan struct{} // closed when it takes no more
	done   chan struct{} // closed when err is set
	err    error
}

// Open takes the lead of a store, loads the horde and returns an engine ready to Run. A store that was
// never used gets its anonymous account.
func Open(ctx context.Context, store Store, opts Options) (*Engine, error) {
	e := &Engine{store: store, opts: opts, bell: make(chan struct{}, 1), news: newExchange()}
	install, err := e.load(ctx)
	if err != nil {
		return nil, err
	}
	install()
	if _, ok := e.state.User(horde.Anonymous); !ok {
		if _, err := horde.Apply(e.state, e.pending.change, horde.CreateUser{
			External: horde.ExternalAnonymous, Name: "Anonymous", Key: opts.Settings.AnonymousKey, Roles: horde.RolePublicWorkers,
		}); err != nil {
			return nil, fmt.Errorf("create the anonymous account: %w", err)
		}
		e.ring()
	}
	return e, nil
}

// load takes the lead and rebuilds the state from the store. What it returns puts the state in place; that alone
// needs mu, so that callers are refused at once while a store is slow to answer.
func (e *Engine) load(ctx context.Context) (install func(), err error) {
	term, lost, err := e.store.Lead(ctx)
	if err != nil {
		return nil, fmt.Errorf("lead the store: %w", err)
	}
	snap, err := e.store.Load(ctx, e.opts.Now().Add(-horde.ReceiptWindow))
	if err != nil {
		return nil, fmt.Errorf("load the horde: %w", err)
	}
	state, err := horde.NewState(e.opts.Settings, snap)
	if err != nil {
		return nil, fmt.Errorf("rebuild the horde: %w", err)
	}
	if total := state.Total(); total != 0 {
		return nil, fmt.Errorf("the ledger does not balance: all accounts together hold %s kudos", total)
	}
	return func() {
		e.state, e.term, e.lost = state, term, lost
		e.pending, e.down = e.newGroup(), false
		e.places.Store(nil)
	}, nil
}

func (e *Engine) newGroup() *group {
	return &group{change: horde.NewChange(e.opts.Now(), e.opts.IDs), cut: make(chan struct{}), done: make(chan struct{})}
}

func (e *Engine) ring() {
	select {
	case e.bell <- struct{}{}:
	default:
	}
}

// Do applies an operation and returns its result once it is durable. A refusal is an *horde.Error and
// changed nothing but what its rule says it writes down. ErrUnavailable means the store failed and nothing was done; when ctx ends first, the
// operation may still happen.
func Do[R any](ctx context.Context, e *Engine, op horde.Op[R]) (R, error) {
	r, wait, err := apply(ctx, e, op)
	if wait == nil {
		return r, err
	}
	select {
	case <-wait.done:
		if wait.err != nil {
			var zero R
			return zero, wait.err
		}
		return r, err
	case <-ctx.Done():
		var zero R
		return zero, ctx.Err()
	}
}

// apply decides an operation and says which commit to wait for, if any.
func apply[R any](ctx context.Context, e *Engine, op horde.Op[R]) (r R, wait *group, err error) {
	e.mu.Lock()
	for e.pending.ops >= MaxGroup && !e.down {
		full := e.pending
		e.mu.Unlock()
		select {
		case <-full.cut:
		case <-ctx.Done():
			return r, nil, ctx.Err()
		}
		e.mu.Lock()
	}
	defer e.mu.Unlock()
	if e.down {
		return r, nil, ErrUnavailable
	}
	g := e.pending
	g.change.At(e.opts.Now())
	before := g.change.Writes()
	defer func() {
		if p := recover(); p != nil {
			// The state may be half-changed: throw it away and load the last durable one.
			e.opts.Log.Error().Interface("panic", p).Msg("a rule broke; loading the horde anew")
			e.fail(g)
			wait, err = nil, ErrUnavailable
		}
	}()
	r, err = horde.Apply(e.state, g.change, op)
	e.ops.Add(1)
	switch {
	case g.change.Writes() > before: // a refusal, too, may leave a mark
		g.ops++
		e.ring()
		return r, g, err
	case err != nil:
		return r, nil, err
	}
	// Nothing was written, but the answer may rest on what is still on its way. An idle pop promises nothing.
	switch any(op).(type) {
	case horde.Pop, horde.PopForms:
		return r, nil, nil
	}
	if g.ops > 0 {
		return r, g, nil
	}
	return r, e.flying, nil
}

// fail gives up the state in memory; Run loads it anew. The caller holds mu.
func (e *Engine) fail(groups ...*group) {
	e.down = true
	for _, g := range groups {
		select {
		case <-g.done:
		default:
			g.err = ErrUnavailable
			close(g.done)
		}
		select {
		case <-g.cut:
		default:
			close(g.cut) // whoever waits for room in the next group learns that there is none
		}
	}
	e.ring()
}

// Counters tells how many operations were decided and how many commits carried them.
func (e *Engine) Counters() (ops, commits int64) { return e.ops.Load(), e.commits.Load() }

// Ready reports whether operations can be decided now.
func (e *Engine) Ready() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return !e.down
}
