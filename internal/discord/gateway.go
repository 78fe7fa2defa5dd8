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

	Workers        int           // interactions handled at the same time; default 256
	Queue          int           // interactions waiting for a worker; beyond it people are told that we are busy; default 1024
	HandlerTimeout time.Duration // context of a handler; default 1 min

	AnswerWindow   time.Duration // from an interaction until Discord forgets it; default 2.9 s, larger only beside a patient stand-in
	DeferAfter     time.Duration // from an interaction until the router acknowledges for a slow handler; default 2 s, larger only beside one
	Shards         int           // gateway connections; 0 takes Discord's advice
	Members        bool          // hear of people who leave; needs the privileged intent for members
	IdentifyWindow time.Duration // between new sessions, default Discord's 5 s
	OpenTimeout    time.Duration // one attempt to connect until Discord says ready; default 30 s
	GatewaySilence time.Duration // a connection that sends nothing for so long is dropped; default 100 s, over two heartbeats
	GatewayDead    time.Duration // Run gives up after so long without a connection; default 5 min
	Grace          time.Duration // running handlers may finish for so long after the stop; default 5 s
}

func (o *Options) defaults() {
	setDefault(&o.Workers, 256)
	setDefault(&o.Queue, 1024)
	setDefault(&o.HandlerTimeout, time.Minute)
	setDefault(&o.AnswerWindow, answerWindow)
	setDefault(&o.DeferAfter, autoDefer)
	setDefault(&o.IdentifyWindow, 5*time.Second)
	setDefault(&o.OpenTimeout, 30*time.Second)
	setDefault(&o.GatewaySilence, 100*time.Second)
	setDefault(&o.GatewayDead, 5*time.Minute)
	setDefault(&o.Grace, 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default for callers that hand in no clock
	}
}

// maxConnections to one host, all of them kept while they are idle: opening one takes longer than most calls. A thousand
// interactions a second need about a hundred at Discord's usual answering times, where HTTP/2 does not share them.
const maxConnections = 256

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// intents: guilds, reactions in guilds and in direct messages. None of them is privileged; interactions need none.
const intents = discordgo.IntentsGuilds | discordgo.IntentsGuildMessageReactions | discordgo.IntentsDirectMessageReactions

// Bot is the bot's connection to Discord, of one or more shards. Its methods are safe for concurrent use.
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

	gate       *gate
	shards     atomic.Int32 // how many there are, 0 before that is known
	up         atomic.Int32 // and how many of them are connected
	shardList  atomic.Pointer[[]*shard]
	guilds     guilds
	uploads    uploads
	dead       deadTokens
	noDMs      atomic.Int64 // until then no direct messages are sent, in nanoseconds since 1970
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
	connections := func() *http.Transport {
		next := &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: maxConnections, MaxConnsPerHost: maxConnections, ForceAttemptHTTP2: true,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		}
		if base != nil {
			next.Proxy = nil
		}
		return next
	}
	next := connections()
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.rest = &rest{
		client: &http.Client{Transport: &transport{base: base, next: next}, CheckRedirect: noRedirect},
		quick:  &http.Client{Transport: &transport{base: base, next: connections()}, CheckRedirect: noRedirect},
		token:  opts.Token, limit: b.limit, stats: &b.stats, log: opts.Log,
	}
	b.files = &http.Client{Transport: next, CheckRedirect: noRedirect}
	b.nonces.Store(uint64(opts.Now().UnixNano()))
	b.gate = newGate(b)
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
		Requests: c.Requests.Load(), Retries: c.Retries.Load(), UserLimits: c.UserLimits.Load(), SharedLimits: c.SharedLimits.Load(),
		GlobalLimits: c.GlobalLimits.Load(), ProxyLimits: c.ProxyLimits.Load(),
		EditsSent: c.EditsSent.Load(), EditsDropped: c.EditsDropped.Load(), EditsFailed: c.EditsFailed.Load(), Invalid: c.Invalid.Load(), BreakerDrops: c.BreakerDrops.Load(),
		Interactions: c.Interactions.Load(), AutoDeferred: c.AutoDeferred.Load(), Acknowledged: c.Acknowledged.Load(),
		AckFailed: c.AckFailed.Load(), AckMax: time.Duration(c.ackMax.Load()), Reactions: c.Reactions.Load(),
		Dropped: c.Dropped.Load(), HandlerErrors: c.HandlerErrors.Load(), Panics: c.Panics.Load(),
		Undecodable: c.Undecodable.Load(), Connections: c.Connections.Load(),
		Connected: b.shards.Load() > 0 && b.up.Load() == b.shards.Load(), Shards: int(b.shards.Load()), ShardsUp: int(b.up.Load()),
		Gateway: b.shardStats(), InFlight: int(b.pool.inFlight.Load()), RefusedLately: b.limit.refused(),
	}
	if s.Acknowledged > 0 {
		s.AckMean = time.Duration(c.ackNanos.Load() / s.Acknowledged)
		s.AckHalf, s.AckMost = quantile(&c.acks, 0.5), quantile(&c.acks, 0.99)
	}
	return s
}

func (b *Bot) nonce() string { return strconv.FormatUint(b.nonces.Add(1), 36) }

// Run connects, registers the commands when they differ from what Discord has, and handles events until ctx ends; then it
// disconnects, lets running handlers finish within Options.Grace and returns nil. It returns an error when Discord
// refuses the bot for good (wrong token, forbidden intents, invalid commands) and when a shard had no connection for
// Options.GatewayDead. It can be called once.
func (b *Bot) Run(ctx context.Context) error {
	if !b.started.CompareAndSwap(false, true) {
		return errors.New("discord: Run was called before")
	}
	if err := b.router.check(); err != nil {
		return fmt.Errorf("discord: %w", err)
	}
	b.pool.start(ctx)
	err := b.runShards(ctx)
	b.stopping.Store(true)
	b.pool.stop(b.opts.Grace)
	b.timers.Wait()
	b.rest.client.CloseIdleConnections()
	b.rest.quick.CloseIdleConnections()
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("discord: %w", err)
	}
	return nil
}

// registerOnce registers the commands after the first connection. Discord being unwell is waited out.
func (b *Bot) registerOnce(ctx context.Context) error {
	select {
	case <-b.ready:
		return nil
	default:
	}
	for attempt := 0; ; attempt++ {
		_, err := b.register(ctx, b.AppID())
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
