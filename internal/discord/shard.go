package discord

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"
)

// Errors of Run.
var (
	errDead      = errors.New("no gateway connection for too long")
	errStuck     = errors.New("gateway library is stuck")
	errReadyLost = errors.New("gateway did not become ready")
	errInvalid   = errors.New("gateway ended the session") // opcode 9
)

// shard is one gateway connection: it hears of the guilds with (id >> 22) % of == shard, shard 0 of direct messages too.
type shard struct {
	*Bot
	id, of    int
	conn      atomic.Pointer[wire]
	connected atomic.Bool
	heart     *heart
}

// runShards asks Discord how many connections there should be, unless Options say so, and keeps them.
func (b *Bot) runShards(ctx context.Context) error {
	count, err := b.planShards(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	failed := make(chan error, count) // one result each
	all := make([]*shard, 0, count)
	for id := range count {
		all = append(all, &shard{Bot: b, id: id, of: count, heart: newHeart()})
	}
	b.shardList.Store(&all)
	for id, sh := range all {
		group.Go(func() {
			err := sh.stayConnected(ctx)
			if err != nil && ctx.Err() == nil && count > 1 {
				err = fmt.Errorf("shard %d of %d: %w", id, count, err)
			}
			if sh.connected.Swap(false) {
				b.up.Add(-1)
			}
			failed <- err
			cancel() // one that cannot go on ends them all
		})
	}
	err = <-failed
	group.Wait()
	return err
}

// planShards reads the identify budget and the number of shards. It tries for Options.GatewayDead.
func (b *Bot) planShards(ctx context.Context) (int, error) {
	begin := b.opts.Now()
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		advice, err := b.gate.refresh(ctx)
		if err == nil {
			b.shards.Store(int32(max(advice, 1)))
			if b.opts.Shards > 0 {
				b.shards.Store(int32(b.opts.Shards))
			}
			return int(b.shards.Load()), nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if api, ok := errors.AsType[*APIError](err); ok && api.Status == http.StatusUnauthorized {
			return 0, fmt.Errorf("gateway refused the bot: the token is wrong: %w", err)
		}
		if b.opts.Now().Sub(begin)+wait > b.opts.GatewayDead {
			return 0, fmt.Errorf("%w (%s): %w", errDead, b.opts.GatewayDead, err)
		}
		b.log.Warn().Err(err).Dur("wait", wait).Msg("cannot ask for the gateway, trying again")
		if err := sleep(ctx, wait); err != nil {
			return 0, err
		}
	}
}

// stayConnected opens the gateway again and again. discordgo's own reconnecting is off: it tries for ever where it must
// not, and has states from which it never returns; a session in such a state is abandoned here.
func (b *shard) stayConnected(ctx context.Context) error {
	s := b.newSession() //nolint:contextcheck // events come without a context
	defer func() { b.close(s) }()
	lost := b.opts.Now() // since when there is no connection
	ended := 0           // how often Discord ended a session at once, one after the other
	for wait := time.Duration(0); ; {
		if wait > 0 {
			if err := sleep(ctx, wait); err != nil {
				return err
			}
		}
		err := b.open(ctx, s)
		switch {
		case err == nil:
			wait = 0
			begin := b.opts.Now()
			if err := b.serve(ctx, s); err != nil {
				return err
			}
			lost = b.opts.Now()
			if lost.Sub(begin) > steadyAfter*b.opts.IdentifyWindow {
				ended = 0
			}
			if s.invalid.Load() {
				s, wait = b.goOn(s, ended), b.politely(ended) //nolint:contextcheck // as above
				ended++
			}
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case fatal(err):
			return fmt.Errorf("gateway refused the bot: %s: %w", reason(err), err)
		case errors.Is(err, errStuck), errors.Is(err, errReadyLost):
			b.abandon()
			s = b.newSession() //nolint:contextcheck // as above
		case isClose(err):
			// Whatever Discord dislikes about resuming, it cannot dislike about a new session.
			s = b.newSession() //nolint:contextcheck // as above
		}
		if wait = min(max(2*wait, time.Second), time.Minute); errors.Is(err, errInvalid) {
			s, wait = b.goOn(s, ended), b.politely(ended) //nolint:contextcheck // as above
			ended++
		}
		if b.opts.Now().Sub(lost) > b.opts.GatewayDead {
			return fmt.Errorf("%w (%s): %w", errDead, b.opts.GatewayDead, err)
		}
		wait = min(wait, b.opts.GatewayDead)
		b.log.Warn().Err(err).Int("shard", b.id).Dur("wait", wait).Msg("cannot open the gateway, trying again")
	}
}

// serve lets a connected shard work until its connection is lost.
func (b *shard) serve(ctx context.Context, s *session) error {
	b.connected.Store(true)
	b.up.Add(1)
	b.stats.Connections.Add(1)
	if b.id == 0 {
		if err := b.registerOnce(ctx); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.lost:
	}
	if b.connected.Swap(false) {
		b.up.Add(-1)
	}
	b.log.Info().Int("shard", b.id).Msg("gateway connection lost, reconnecting")
	return nil
}

// Sessions that Discord ends.
const (
	steadyAfter = 10          // identify windows that a session lasts, for Discord to have been content with it
	resumeTries = 3           // sessions ended in a row that are resumed, where Discord says that this works
	mostPolite  = time.Minute // pause
)

// goOn returns the session to go on with when Discord ended one, ended having been ended at once before it: the same where
// it may be resumed.
func (b *shard) goOn(s *session, ended int) *session {
	s.invalid.Store(false)
	if s.again.Load() && !s.fresh && ended < resumeTries {
		return s
	}
	return b.newSession()
}

// politely is the pause that Discord asks for before a new session when it ended one: 1 to 5 seconds, by chance. It doubles
// with each session that was ended at once: there are a thousand of them in a day.
func (b *shard) politely(ended int) time.Duration {
	window := b.opts.IdentifyWindow
	pause := window/5 + time.Duration(rand.Int64N(int64(window-window/5)+1)) //nolint:gosec // no secret
	return max(window/5, min(pause<<min(ended, 10), mostPolite))
}

// session is one discordgo session and what we keep beside it.
type session struct {
	dg        *discordgo.Session
	shard, of int
	fresh     bool          // it has to identify itself; false once Discord said ready
	invalid   atomic.Bool   // Discord ended it
	again     atomic.Bool   // and says that it may be resumed
	lost      chan struct{} // 1: the connection ended; more news of the same kind is no news
	up        chan struct{} // 1: READY or RESUMED arrived
}

func (b *shard) newSession() *session {
	dg, err := discordgo.New("Bot " + b.opts.Token)
	if err != nil {
		panic(err) // it only returns errors for parameters we do not pass
	}
	s := &session{dg: dg, shard: b.id, of: b.of, fresh: true, lost: make(chan struct{}, 1), up: make(chan struct{}, 1)}
	dg.Client = &http.Client{Transport: b.rest.client.Transport, Timeout: attemptTimeout}
	dg.Dialer = b.dialer(s)
	dg.Identify.Intents = intents
	if b.opts.Members {
		dg.Identify.Intents |= discordgo.IntentsGuildMembers
	}
	if b.of > 1 {
		dg.Identify.Shard = &[2]int{b.id, b.of}
	}
	dg.StateEnabled = false // our events carry what we need; the library's cache is shared and racy
	dg.SyncEvents = true    // keeps the order; our handler only queues
	dg.ShouldReconnectOnError = false
	dg.ShouldReconnectVoiceOnSessionError = false
	dg.ShouldRetryOnRateLimit = false
	dg.LogLevel = -1 // its log quotes packets, tokens included
	dg.AddHandler(func(_ *discordgo.Session, e *discordgo.Event) { b.receive(s, e) })
	dg.AddHandler(func(*discordgo.Session, *discordgo.Disconnect) { signal(s.lost) })
	return s
}

// dialer makes a session's connections. discordgo answers opcode 9 by identifying at once, outside of every budget; so
// the connection is read along, and ends where Discord ends the session. Behind a proxy that is not possible, there the
// bytes are encrypted already.
func (b *shard) dialer(s *session) *websocket.Dialer {
	ended := func(again bool) {
		s.again.Store(again)
		s.invalid.Store(true)
	}
	d := &websocket.Dialer{HandshakeTimeout: b.opts.OpenTimeout}
	if b.base == nil {
		d.Proxy = http.ProxyFromEnvironment
		gateway := &http.Request{URL: &url.URL{Scheme: "https", Host: "gateway.discord.gg"}}
		if proxy, err := http.ProxyFromEnvironment(gateway); err != nil || proxy != nil {
			d.NetDialContext = b.dial(nil)
			return d
		}
	}
	d.NetDialContext, d.NetDialTLSContext = b.dial(ended), b.dialTLS(ended)
	return d
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// open connects or resumes a session and waits until Discord says that it is ready. It never blocks for longer than
// Options.OpenTimeout and a moment, unless it waits for its turn to identify.
func (b *shard) open(ctx context.Context, s *session) error {
	if s.fresh {
		if err := b.gate.wait(ctx, b.id); err != nil {
			return err
		}
		defer b.gate.done(b.id)
	}
	drain(s.lost)
	drain(s.up)
	done := make(chan error, 1) // the library cannot be interrupted: its goroutine may outlive this call
	go func() { done <- s.dg.Open() }()
	limit := time.NewTimer(b.opts.OpenTimeout)
	defer limit.Stop()
	cut := func() {
		if c := b.conn.Load(); c != nil {
			_ = c.Close() // makes the reads inside Open fail
		}
	}
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		cut()
		return ctx.Err()
	case <-limit.C:
		cut()
		patience := time.NewTimer(2 * time.Second)
		defer patience.Stop()
		select {
		case err = <-done:
			if err == nil {
				err = errReadyLost
			}
			return err
		case <-patience.C:
			return errStuck
		}
	}
	if s.invalid.Load() {
		return errInvalid
	}
	if err != nil && !errors.Is(err, discordgo.ErrWSAlreadyOpen) {
		return err
	}
	select {
	case <-s.up:
	case <-s.lost:
		if s.invalid.Load() {
			return errInvalid
		}
		return errors.New("gateway closed before it was ready")
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		cut()
		return errReadyLost
	}
	s.fresh = false
	return nil
}

func isClose(err error) bool {
	_, ok := errors.AsType[*websocket.CloseError](err)
	return ok
}

// fatal reports errors that trying again cannot mend.
func fatal(err error) bool {
	if websocket.IsCloseError(err, 4004, 4010, 4011, 4012, 4013, 4014) {
		return true
	}
	rest, ok := errors.AsType[*discordgo.RESTError](err)
	return ok && rest.Response != nil && rest.Response.StatusCode == http.StatusUnauthorized
}

// reason says what an operator can do about a fatal error.
func reason(err error) string {
	switch {
	case websocket.IsCloseError(err, 4010):
		return "the shard number is invalid"
	case websocket.IsCloseError(err, 4011):
		return "it is in too many guilds for so few shards, raise their number"
	case websocket.IsCloseError(err, 4012):
		return "this version of the gateway is gone, the program is too old"
	case websocket.IsCloseError(err, 4013):
		return "the intents are invalid"
	case websocket.IsCloseError(err, 4014):
		return "a privileged intent is not switched on for this application in Discord's developer portal"
	default:
		return "the token is wrong"
	}
}

// close disconnects. The library takes a second for it; one that is stuck is left behind.
func (b *shard) close(s *session) {
	b.stopping.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.dg.Close() // nothing to be done about it
	}()
	t := time.NewTimer(3 * time.Second)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		b.abandon()
	}
}

// abandon gives a session up that may be stuck: its connection is cut; a goroutine that waits for itself is lost.
func (b *shard) abandon() {
	if c := b.conn.Load(); c != nil {
		_ = c.Close()
	}
	b.log.Warn().Int("shard", b.id).Msg("gateway session is stuck and was given up")
}
