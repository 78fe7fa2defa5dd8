package discord

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"
)

// Deps is what a Bot cannot work without.
type Deps struct {
	Router *Router // may be filled until Run is called
}

// Options tune a Bot. Only Token is needed; zero values of the others are replaced by the named defaults.
type Options struct {
	Token   string // bot token, without "Bot "
	BaseURL string // "" is Discord; otherwise http(s)://loopback[:port] of a stand-in, any other address is refused
	GuildID string // commands are registered in this guild only; "" registers them globally

	Log zerolog.Logger
	Now func() time.Time // clock for rate limits, token ages and statistics; default time.Now

	Workers        int           // interactions handled at the same time; default 64
	Queue          int           // interactions waiting for a worker; beyond it people are told that we are busy; default 1024
	HandlerTimeout time.Duration // context of a handler; default 1 min

	AnswerWindow   time.Duration // from an interaction until Discord forgets it; default 2.9 s, larger only beside a patient stand-in
	OpenTimeout    time.Duration // one attempt to connect until Discord says ready; default 30 s
	GatewaySilence time.Duration // a connection that sends nothing for so long is dropped; default 100 s, over two heartbeats
	GatewayDead    time.Duration // Run gives up after so long without a connection; default 5 min
	Grace          time.Duration // running handlers may finish for so long after the stop; default 5 s
}

func (o *Options) defaults() {
	setDefault(&o.Workers, 64)
	setDefault(&o.Queue, 1024)
	setDefault(&o.HandlerTimeout, time.Minute)
	setDefault(&o.AnswerWindow, answerWindow)
	setDefault(&o.OpenTimeout, 30*time.Second)
	setDefault(&o.GatewaySilence, 100*time.Second)
	setDefault(&o.GatewayDead, 5*time.Minute)
	setDefault(&o.Grace, 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default for callers that hand in no clock
	}
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// intents: guilds, reactions in guilds and in direct messages. None of them is privileged; interactions need none.
const intents = discordgo.IntentsGuilds | discordgo.IntentsGuildMessageReactions | discordgo.IntentsDirectMessageReactions

// Bot is one connection to Discord. Its methods are safe for concurrent use.
type Bot struct {
	opts   Options
	log    zerolog.Logger
	router *Router
	base   *url.URL // nil for Discord
	rest   *rest
	files  *http.Client // downloads, never with a token
	limit  *limiter
	stats  counters

	started  atomic.Bool
	stopping atomic.Bool
	ready    chan struct{} // closed when the gateway is ready and the commands are registered
	identity atomic.Pointer[identity]

	conn       atomic.Pointer[wire]
	connected  atomic.Bool
	commandIDs atomic.Pointer[map[string]string]
	nonces     atomic.Uint64

	pool   *pool
	seen   seen
	timers sync.WaitGroup // automatic acknowledgements that are armed or under way
}

// identity is who the gateway says we are.
type identity struct{ appID, userID, name string }

// New checks the options and prepares a bot; Run connects it.
func New(deps Deps, opts Options) (*Bot, error) {
	opts.defaults()
	if deps.Router == nil {
		return nil, errors.New("discord: no router")
	}
	if opts.Token == "" {
		return nil, errors.New("discord: no bot token")
	}
	base, err := parseBase(opts.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("discord: %w", err)
	}
	b := &Bot{opts: opts, log: opts.Log, router: deps.Router, base: base, ready: make(chan struct{})}
	b.limit = newLimiter(opts.Now)
	next := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, MaxConnsPerHost: 64, ForceAttemptHTTP2: true,
		IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
	}
	if base != nil {
		next.Proxy = nil
	}
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.rest = &rest{
		client: &http.Client{Transport: &transport{base: base, next: next}, CheckRedirect: noRedirect},
		token:  opts.Token, limit: b.limit, stats: &b.stats, log: opts.Log,
	}
	b.files = &http.Client{Transport: next, CheckRedirect: noRedirect}
	b.nonces.Store(uint64(opts.Now().UnixNano()))
	b.pool = newPool(b)
	return b, nil
}

// Ready is closed when the bot is connected for the first time and its commands are registered.
func (b *Bot) Ready() <-chan struct{} { return b.ready }

// AppID returns the application's id, or "" before the first connection.
func (b *Bot) AppID() string {
	if id := b.identity.Load(); id != nil {
		return id.appID
	}
	return ""
}

// UserID returns the id of the bot's own account, or "" before the first connection.
func (b *Bot) UserID() string {
	if id := b.identity.Load(); id != nil {
		return id.userID
	}
	return ""
}

// Stats returns the counters.
func (b *Bot) Stats() Stats {
	c := &b.stats
	s := Stats{
		Requests: c.Requests.Load(), Retries: c.Retries.Load(), RouteLimits: c.RouteLimits.Load(),
		GlobalLimits: c.GlobalLimits.Load(), Invalid: c.Invalid.Load(), BreakerDrops: c.BreakerDrops.Load(),
		Interactions: c.Interactions.Load(), AutoDeferred: c.AutoDeferred.Load(), Acknowledged: c.Acknowledged.Load(),
		AckFailed: c.AckFailed.Load(), AckMax: time.Duration(c.ackMax.Load()), Reactions: c.Reactions.Load(),
		Dropped: c.Dropped.Load(), HandlerErrors: c.HandlerErrors.Load(), Panics: c.Panics.Load(),
		Undecodable: c.Undecodable.Load(), Connections: c.Connections.Load(),
		Connected: b.connected.Load(), InFlight: int(b.pool.inFlight.Load()), RefusedLately: b.limit.refused(),
	}
	if s.Acknowledged > 0 {
		s.AckMean = time.Duration(c.ackNanos.Load() / s.Acknowledged)
	}
	return s
}

func (b *Bot) nonce() string { return strconv.FormatUint(b.nonces.Add(1), 36) }

// Errors of Run.
var (
	errDead      = errors.New("no gateway connection for too long")
	errStuck     = errors.New("gateway library is stuck")
	errReadyLost = errors.New("gateway did not become ready")
)

// Run connects, registers the commands when they differ from what Discord has, and handles events until ctx ends; then it
// disconnects, lets running handlers finish within Options.Grace and returns nil. It returns an error when Discord
// refuses the bot for good (wrong token, forbidden intents, invalid commands) and when there was no connection for
// Options.GatewayDead. It can be called once.
func (b *Bot) Run(ctx context.Context) error {
	if !b.started.CompareAndSwap(false, true) {
		return errors.New("discord: Run was called before")
	}
	if err := b.router.check(); err != nil {
		return fmt.Errorf("discord: %w", err)
	}
	b.pool.start(ctx)
	err := b.stayConnected(ctx)
	b.stopping.Store(true)
	b.connected.Store(false)
	b.pool.stop(b.opts.Grace)
	b.timers.Wait()
	b.rest.client.CloseIdleConnections()
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("discord: %w", err)
	}
	return nil
}

// stayConnected opens the gateway again and again. discordgo's own reconnecting is off: it tries for ever where it must
// not, and has states from which it never returns; a session in such a state is abandoned here.
func (b *Bot) stayConnected(ctx context.Context) error {
	s := b.newSession() //nolint:contextcheck // events come without a context
	defer func() { b.close(s) }()
	lost := b.opts.Now() // since when there is no connection
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
			if err := b.registerOnce(ctx); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-s.lost:
			}
			b.connected.Store(false)
			lost = b.opts.Now()
			b.log.Info().Msg("gateway connection lost, reconnecting")
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case fatal(err):
			return fmt.Errorf("gateway refused the bot: %w", err)
		case errors.Is(err, errStuck), errors.Is(err, errReadyLost):
			b.abandon()
			s = b.newSession() //nolint:contextcheck // as above
		case isClose(err):
			// Whatever Discord dislikes about resuming, it cannot dislike about a new session.
			s = b.newSession() //nolint:contextcheck // as above
		}
		wait = min(max(2*wait, time.Second), time.Minute)
		if b.opts.Now().Sub(lost) > b.opts.GatewayDead {
			return fmt.Errorf("%w (%s): %w", errDead, b.opts.GatewayDead, err)
		}
		wait = min(wait, b.opts.GatewayDead)
		b.log.Warn().Err(err).Dur("wait", wait).Msg("cannot open the gateway, trying again")
	}
}

// session is one discordgo session and what we keep beside it.
type session struct {
	dg   *discordgo.Session
	lost chan struct{} // 1: the connection ended; more news of the same kind is no news
	up   chan struct{} // 1: READY or RESUMED arrived
}

func (b *Bot) newSession() *session {
	dg, err := discordgo.New("Bot " + b.opts.Token)
	if err != nil {
		panic(err) // it only returns errors for parameters we do not pass
	}
	s := &session{dg: dg, lost: make(chan struct{}, 1), up: make(chan struct{}, 1)}
	dg.Client = &http.Client{Transport: b.rest.client.Transport, Timeout: attemptTimeout}
	dialer := &websocket.Dialer{NetDialContext: b.dial, HandshakeTimeout: b.opts.OpenTimeout}
	if b.base == nil {
		dialer.Proxy = http.ProxyFromEnvironment
	}
	dg.Dialer = dialer
	dg.Identify.Intents = intents
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
// Options.OpenTimeout and a moment.
func (b *Bot) open(ctx context.Context, s *session) error {
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
	if err != nil && !errors.Is(err, discordgo.ErrWSAlreadyOpen) {
		return err
	}
	select {
	case <-s.up:
	case <-s.lost:
		return errors.New("gateway closed before it was ready")
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		cut()
		return errReadyLost
	}
	b.connected.Store(true)
	b.stats.Connections.Add(1)
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

// close disconnects. The library takes a second for it; one that is stuck is left behind.
func (b *Bot) close(s *session) {
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
func (b *Bot) abandon() {
	if c := b.conn.Load(); c != nil {
		_ = c.Close()
	}
	b.log.Warn().Msg("gateway session is stuck and was given up")
}

// registerOnce registers the commands after the first connection. Discord being unwell is waited out.
func (b *Bot) registerOnce(ctx context.Context) error {
	select {
	case <-b.ready:
		return nil
	default:
	}
	for attempt := 0; ; attempt++ {
		err := b.register(ctx, b.AppID())
		if err == nil {
			close(b.ready)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if api, ok := errors.AsType[*APIError](err); (ok && api.Status < 500 && api.Status != http.StatusTooManyRequests) || attempt == 5 {
			return err
		}
		b.log.Warn().Err(err).Msg("cannot register the commands, trying again")
		if err := sleep(ctx, 2*time.Second<<attempt); err != nil {
			return err
		}
	}
}
