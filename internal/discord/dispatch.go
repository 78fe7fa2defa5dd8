package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"
)

const (
	lanes      = 16               // goroutines that handle reactions; one key always meets the same lane
	tellBudget = 10 * time.Second // to tell a person that something went wrong
	laneDepth  = 256              // reactions waiting in one lane; beyond it they are lost, as they are during an outage
	seenKept   = 4096             // interactions remembered, so that one that arrives again is not handled again
)

// pool runs handlers. Interactions share workers; reactions have lanes of their own, so that order is kept and neither
// kind starves the other.
type pool struct {
	bot      *Bot
	work     chan func(context.Context)   // Options.Queue deep
	lane     []chan func(context.Context) // laneDepth deep
	seed     maphash.Seed
	inFlight atomic.Int64
	group    sync.WaitGroup
	cancel   context.CancelFunc // ends the handlers' contexts

	mu     sync.RWMutex // held for reading while events are taken in, so that nothing is queued on a closed channel
	closed bool         // guarded by mu
}

func newPool(b *Bot) *pool {
	p := &pool{bot: b, work: make(chan func(context.Context), b.opts.Queue), seed: maphash.MakeSeed()}
	for range lanes {
		p.lane = append(p.lane, make(chan func(context.Context), laneDepth))
	}
	return p
}

// start begins work. Handlers outlive ctx by the grace that stop is given.
func (p *pool) start(ctx context.Context) {
	ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	run := func(queue <-chan func(context.Context)) {
		for f := range queue {
			f(ctx)
		}
	}
	for range p.bot.opts.Workers {
		p.group.Go(func() { run(p.work) })
	}
	for _, l := range p.lane {
		p.group.Go(func() { run(l) })
	}
}

// stop lets everything queued run, cancels what is still running after grace, and returns when all has ended.
func (p *pool) stop(grace time.Duration) {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	close(p.work)
	for _, l := range p.lane {
		close(l)
	}
	defer time.AfterFunc(grace, p.cancel).Stop()
	p.group.Wait()
	p.cancel()
}

// enter reports whether events are still taken in. If so, the caller must call leave.
func (p *pool) enter() bool {
	p.mu.RLock()
	if p.closed || p.bot.stopping.Load() {
		p.mu.RUnlock()
		return false
	}
	return true
}

func (p *pool) leave() { p.mu.RUnlock() }

// offer queues f without blocking: the gateway's reader calls it, between enter and leave.
func (p *pool) offer(queue chan<- func(context.Context), f func(context.Context)) bool {
	select {
	case queue <- f:
		return true
	default:
		return false
	}
}

// seen remembers the last interactions. Discord repeats events after a lost connection, and two sessions may overlap.
type seen struct {
	mu   sync.Mutex // guards what follows
	ids  map[string]bool
	ring [seenKept]string
	next int
}

// again notes an interaction and reports whether it was noted before.
func (s *seen) again(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids[id] {
		return true
	}
	if s.ids == nil {
		s.ids = make(map[string]bool, seenKept)
	}
	delete(s.ids, s.ring[s.next])
	s.ids[id], s.ring[s.next] = true, id
	s.next = (s.next + 1) % seenKept
	return false
}

// receive takes every packet from the library's reader. It must not block.
func (b *Bot) receive(s *session, e *discordgo.Event) {
	switch e.Type {
	case "READY":
		var ready struct {
			User struct {
				ID       string `json:"id"`
				Username string `json:"username"`
			} `json:"user"`
			Application struct {
				ID string `json:"id"`
			} `json:"application"`
			Guilds []struct {
				ID string `json:"id"`
			} `json:"guilds"`
		}
		if err := json.Unmarshal(e.RawData, &ready); err != nil {
			b.undecodable(fmt.Errorf("decode READY: %w", err))
			return
		}
		id := &identity{appID: ready.Application.ID, userID: ready.User.ID, name: ready.User.Username}
		if id.appID == "" {
			id.appID = id.userID // they are equal for every application made since 2016
		}
		b.identity.Store(id)
		ids := make([]string, 0, len(ready.Guilds))
		for _, g := range ready.Guilds {
			ids = append(ids, g.ID)
		}
		for _, gone := range b.guilds.ready(s.shard, s.of, ids) {
			b.left(gone)
		}
		b.log.Info().Str("user", id.name).Msg("connected to Discord")
		signal(s.up)
	case "RESUMED":
		b.log.Info().Msg("gateway connection resumed")
		signal(s.up)
	case "GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE":
		b.receiveGuild(e.Type, e.RawData)
	case "GUILD_MEMBER_REMOVE":
		b.receiveMemberRemoved(e.RawData)
	case "INTERACTION_CREATE":
		b.receiveInteraction(e.RawData)
	case "MESSAGE_REACTION_ADD":
		b.receiveReaction(e.RawData, true)
	case "MESSAGE_REACTION_REMOVE":
		b.receiveReaction(e.RawData, false)
	}
}

func (b *Bot) undecodable(err error) {
	b.stats.Undecodable.Add(1)
	b.log.Warn().Err(err).Msg("unreadable event")
}

func (b *Bot) receiveInteraction(raw []byte) {
	if !b.pool.enter() {
		return // a restarted bot cannot answer it either: better that the person tries again
	}
	defer b.pool.leave()
	in, err := decodeInteraction(raw, b.opts.Now())
	if err != nil {
		b.undecodable(err)
	}
	if in == nil || b.seen.again(in.ID) {
		return
	}
	b.stats.Interactions.Add(1)
	b.heardLimit(in.GuildID, in.AttachmentSizeLimit)
	route, handle := b.router.find(in)
	if err != nil {
		broken := err
		handle = func(context.Context, *Interaction, *Responder) error { return broken }
	}
	r := b.newResponder(in, route.Private)
	b.pool.inFlight.Add(1)
	if b.pool.offer(b.pool.work, func(ctx context.Context) {
		defer b.pool.inFlight.Add(-1)
		b.handle(ctx, in, r, handle)
	}) {
		return
	}
	b.pool.inFlight.Add(-1)
	b.stats.Dropped.Add(1)
	b.log.Warn().Str("interaction", label(in)).Msg("interaction dropped, all workers are busy")
	// The armed timer acknowledges it at two seconds, and afterwards nobody would answer: say so instead, now.
	b.timers.Go(func() {
		_ = r.Reply(context.Background(), Message{Content: "I am very busy right now. Please try again in a minute.", Ephemeral: true})
	})
}

// handle runs a handler and makes sure that its person is told something.
func (b *Bot) handle(ctx context.Context, in *Interaction, r *Responder, h HandlerFunc) {
	ctx, cancel := context.WithTimeout(ctx, b.opts.HandlerTimeout)
	defer cancel()
	err := b.contain(func() error { return h(ctx, in, r) })
	if err == nil {
		if r.pending() {
			err = errors.New("handler returned without an answer")
		} else {
			return
		}
	}
	b.stats.HandlerErrors.Add(1)
	b.log.Error().Err(err).Str("interaction", label(in)).Str("id", in.ID).Msg("interaction failed")
	tell := b.router.onError
	if tell == nil {
		tell = tellFault
	}
	// The handler's context may be what failed.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), tellBudget)
	defer cancel()
	if err := b.contain(func() error { tell(ctx, in, r, err); return nil }); err != nil {
		b.log.Error().Err(err).Msg("error handler failed")
	}
	if r.pending() {
		tellFault(ctx, in, r, err)
	}
}

// pending reports that nothing was shown to the person and that nobody but the router has promised anything.
func (r *Responder) pending() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.claimed || (r.auto && r.waiting)
}

// contain calls f and turns a panic into an error.
func (b *Bot) contain(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			b.stats.Panics.Add(1)
			b.log.Error().Str("stack", string(debug.Stack())).Msgf("handler panicked: %v", v)
			err = fmt.Errorf("handler panicked: %v", v)
		}
	}()
	return f()
}

func (b *Bot) receiveReaction(raw []byte, added bool) {
	if !b.pool.enter() {
		return
	}
	defer b.pool.leave()
	w, err := decodeReaction(raw)
	if err != nil {
		b.undecodable(err)
		return
	}
	received := b.opts.Now()
	var h func(context.Context) error
	switch {
	case added && b.router.reactionAdd != nil:
		h = func(ctx context.Context) error { return b.router.reactionAdd(ctx, w.added(received)) }
	case !added && b.router.reactionRemove != nil:
		h = func(ctx context.Context) error { return b.router.reactionRemove(ctx, w.removed(received)) }
	default:
		return
	}
	b.stats.Reactions.Add(1)
	key := w.MessageID + "/" + w.UserID + "/" + w.Emoji.APIName()
	lane := b.pool.lane[maphash.String(b.pool.seed, key)%lanes]
	if !b.pool.offer(lane, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, b.opts.HandlerTimeout)
		defer cancel()
		if err := b.contain(func() error { return h(ctx) }); err != nil {
			b.stats.HandlerErrors.Add(1)
			b.log.Error().Err(err).Str("message", w.MessageID).Msg("reaction failed")
		}
	}) {
		b.stats.Dropped.Add(1)
		b.log.Warn().Msg("reaction dropped, its queue is full")
	}
}
