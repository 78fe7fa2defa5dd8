// SPDX-License-Identifier: AGPL-3.0-or-later

// Package commands is the chat door: slash commands, buttons and reactions in Discord, one file per family.
//
// A command checks what is cheap, acknowledges, and asks the core. The message of a request is a row in the store from
// before the core hears of the request until its result is shown; a follower (progress.go) keeps the message true, also
// across a restart. All words stand in the package words, in five languages.
package commands

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"stablemate/commands/chart"
	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/emojikudos"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/contain"
	"stablemate/internal/discord"
	"stablemate/ratings"
)

// Messages keeps the messages of requests. Lookups report false without an error when there is none.
type Messages interface {
	// SaveMessage writes a row whole, by its Key.
	SaveMessage(ctx context.Context, m chat.Message) error
	// OpenMessages lists the rows whose result is not shown yet, oldest first.
	OpenMessages(ctx context.Context) ([]chat.Message, error)
	MessageByKey(ctx context.Context, key string) (chat.Message, bool, error)
	// MessageByDiscord finds the row of a message in a channel.
	MessageByDiscord(ctx context.Context, channel, message string) (chat.Message, bool, error)
	// MessagesBetween lists a person's rows made from one time until before another, oldest first, at most limit.
	MessagesBetween(ctx context.Context, person string, from, until time.Time, limit int) ([]chat.Message, error)
	// ReplaceParams gives a row that is not open other parameters, if it has the old ones. It reports whether.
	ReplaceParams(ctx context.Context, key string, old, params []byte) (bool, error)
	// PruneMessages forgets rows that are not open and older than a time, and tells how many.
	PruneMessages(ctx context.Context, before time.Time) (int64, error)
}

// Docs keeps what the chat door remembers beside messages. See chat.Doc.
type Docs interface {
	// SaveDoc writes a document based on the version it names; chat.ErrChanged says that another one is there.
	SaveDoc(ctx context.Context, d chat.Doc) (version int64, err error)
	Doc(ctx context.Context, kind chat.DocKind, key string) (chat.Doc, bool, error)
	DocsOfPerson(ctx context.Context, kind chat.DocKind, person string) ([]chat.Doc, error)
	DocsOfGuild(ctx context.Context, kind chat.DocKind, guild string) ([]chat.Doc, error)
	// DocsOfGuildAfter lists those whose key follows another one, at most limit.
	DocsOfGuildAfter(ctx context.Context, kind chat.DocKind, guild, after string, limit int) ([]chat.Doc, error)
	// DocsAfter lists all documents of a kind whose key follows another one, at most limit.
	DocsAfter(ctx context.Context, kind chat.DocKind, after string, limit int) ([]chat.Doc, error)
	DueDocs(ctx context.Context, kind chat.DocKind, now time.Time, limit int) ([]chat.Doc, error)
	DeleteDoc(ctx context.Context, kind chat.DocKind, key string) (bool, error)
	// DeleteDocAt forgets a document if it still has a version.
	DeleteDocAt(ctx context.Context, kind chat.DocKind, key string, version int64) (bool, error)
	ForgetPerson(ctx context.Context, person string) (int64, error)
	ForgetGuild(ctx context.Context, guild string) (int64, error)
	MessagesOfPerson(ctx context.Context, person string, limit int) ([]chat.Message, error)
	// PastMessages lists those that are neither open nor deleted, newest first.
	PastMessages(ctx context.Context, person string, limit int) ([]chat.Message, error)
}

// Images reads delivered images and keeps those that others are made from. An image that is not kept any more is an
// fs.ErrNotExist.
type Images interface {
	Read(ctx context.Context, key string, limit int64) ([]byte, error)
	// PutBytes keeps an image; it is durable when this returns nil.
	PutBytes(ctx context.Context, key string, data []byte) error
	// Keep makes sure that an image stays for as long as its message is remembered, from now on. It is limited as Read is.
	Keep(ctx context.Context, key string, limit int64) error
	// Delete removes an image; one that is gone already is no error.
	Delete(ctx context.Context, key string) error
}

// Deps is what a Set cannot work without.
type Deps struct {
	Engine   *engine.Engine
	Bot      *discord.Bot
	Messages Messages
	Docs     Docs
	Images   Images
	// Seal encrypts an interaction token for the store, bound to the row it belongs to; Unseal is its inverse.
	Seal   func(secret, bind []byte) ([]byte, error)
	Unseal func(sealed, bind []byte) ([]byte, error)
	// NewKey makes a fresh API key; HashKey is the fingerprint that the core keeps of one.
	NewKey  func() string
	HashKey func(key string) horde.KeyHash
	// History lists the last movements of an account of the ledger, newest first, at most limit: all of them, or those of
	// some kinds.
	History func(ctx context.Context, account kudos.Account, kinds []kudos.Kind, limit int) ([]Movement, error)
	// Ranks lists who has most of what a board compares since a time, most first; all of time when it is zero. It is not asked
	// for balances.
	Ranks func(ctx context.Context, board Board, since time.Time) ([]Rank, error)
	// Fetch reads a file at a public address that somebody named, and nothing else; nil means that images come from Discord
	// alone. It has bounds of its own.
	Fetch func(ctx context.Context, address string) ([]byte, error)
	// Link makes an address at which anybody may read a kept image for so long. ok is false where people in chat cannot reach
	// this horde; nil means that they never can.
	Link func(key string, life time.Duration) (address string, ok bool)
	// News lists what happened, newest first; nil leaves /news out.
	News    func() []NewsPiece
	Log     zerolog.Logger
	Now     func() time.Time
	Ratings *ratings.Ratings // nil: nobody rates here
}

// Size is an image size with a name to pick it by. Sides are multiples of 64 pixels.
type Size struct {
	Name          string
	Width, Height int
}

// Options tune a Set. Zero values of the named defaults are replaced.
type Options struct {
	HordeName string // as people see it; may be empty
	APIURL    string // where the HTTP API is; empty leaves it out of texts

	Model   string  // used when nobody names one; empty means any
	Sizes   []Size  // offered by name; the first is used when nobody names one; default 512×512 and three more
	Steps   int     // default 20
	CFG     float64 // default 7.5
	Sampler string  // default k_euler
	Karras  bool

	KudosEmoji  string       // reacting with it gives kudos, see emojikudos.ParseEmoji; empty switches that off
	KudosAmount kudos.Amount // per reaction; default 10 kudos
	EmojiMost   kudos.Amount // most that an emoji of a guild's own may give; default 1,000 kudos
	// GiftGrace is how long a kudos reaction can be taken back; default 10 s.
	GiftGrace time.Duration
	// GiftsAgreed lets reactions give kudos without asking the person first, as in a sandbox.
	GiftsAgreed bool

	AutoAccount      bool         // the first command or reaction of a person opens their account
	Welcome          kudos.Amount // given to new accounts above the floor
	AnonymousAllowed bool         // people without an account may make images, last in line

	Keep      time.Duration // how long a finished message is known, for its buttons and its reactions; default 30 days
	Following int           // requests followed at once; beyond it people are told that we are busy; default 10,000
	Editors   int           // messages edited at the same time; default 8

	// RolePace is the least time between two people of one guild whose roles are looked at; default 500 ms.
	RolePace time.Duration
	// RoleGap is the least time between two people of all guilds, so that roles leave most of Discord's limit of 50 calls a
	// second to others, however many guilds are busy; default 100 ms, or RolePace if that is less.
	RoleGap time.Duration
	// OperatorGuild is the one guild with /operator; empty leaves the command out.
	OperatorGuild string

	Ceiling Ceiling // what guilds and people may allow themselves at most
	Version string  // of this program; may be empty
	Source  string  // where its source is; empty leaves it out of texts
	Support string  // where people find help; empty leaves it out of texts
}

func (o *Options) defaults() {
	if len(o.Sizes) == 0 {
		o.Sizes = []Size{{"square", 512, 512}, {"portrait", 512, 768}, {"landscape", 768, 512}, {"small", 256, 256}}
	}
	setDefault(&o.Steps, 20)
	setDefault(&o.CFG, 7.5)
	setDefault(&o.Sampler, "k_euler")
	setDefault(&o.KudosAmount, 10*kudos.One)
	setDefault(&o.EmojiMost, 1000*kudos.One)
	setDefault(&o.Keep, 30*24*time.Hour)
	setDefault(&o.Following, 10_000)
	setDefault(&o.Editors, 8)
	setDefault(&o.RolePace, 500*time.Millisecond)
	setDefault(&o.RoleGap, min(o.RolePace, 100*time.Millisecond))
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Set is all commands of the bot. It is safe for concurrent use.
type Set struct {
	deps   Deps
	opts   Options
	engine *engine.Engine
	bot    *discord.Bot
	log    zerolog.Logger
	now    func() time.Time
	gifts  *emojikudos.Gifts
	book   *giftBook
	rounds *rounds

	giftDrafts *memory[chat.GiftDraft]
	giftOrders *memory[chat.GiftOrder]
	keyUses    *memory[chat.KeyUse]

	bundle  *words.Bundle
	specs   func() []discord.CommandSpec // Commands, once
	follow  *follower
	roles   *roleEngine
	network *network
	liked   *memory[chat.Favourites]
	feeds   *memory[chat.NewsFeed]

	// What guilds and people decided; see effective.go.
	people      *memory[chat.Person]
	guilds      *memory[chat.Guild]
	blocks      *memory[chat.Block]
	presets     *memory[chat.Preset]
	links       *memory[chat.Link]
	linkOf      func(person string) (chat.Link, bool, error) // links, where no context is at hand
	made        *memory[chat.KeyMade]
	fuses       *memory[chat.Fuse]
	farewells   *memory[chat.Farewell]
	erasures    *memory[chat.Erase]
	left        *memory[chat.LeftGuild]
	greetings   *memory[chat.Greeting]
	parents     *parents
	diary       *diary
	tallies     *tallies
	charts      *chart.Painter
	ranking     ranking
	host        *host
	parties     *memory[chat.Party]
	partyDrafts *memory[chat.Party]
	partyVotes  *memory[chat.PartyVote]
	partyWins   *memory[chat.PartyWins]

	panels     turns // presses of one panel, by what it is about
	favourites *memory[chat.Favourite]
	drafts     *memory[chat.Draft]
	offers     *memory[chat.Offer]
	waits      *modelWaits
	reports    *memory[chat.Report]
	captions   *memory[chat.Captions]
	captioner  *captioner
	strikes    *memory[chat.Strikes]
	storms     *memory[chat.Storm]
	glances    *glances
	sentTwice  *twice
	shown      *memory[chat.Shown]
	decoding   chan struct{} // holds maxDecoding: pictures that are being decoded

	mu   sync.Mutex           // guards deaf
	deaf map[string]time.Time // people who take no direct messages, and until when they are left alone
}

// New checks the options. Register makes the set answer, Run makes it follow requests.
func New(deps Deps, opts Options) (*Set, error) {
	opts.defaults()
	switch {
	case deps.Engine == nil, deps.Bot == nil, deps.Messages == nil, deps.Docs == nil, deps.Images == nil:
		return nil, errors.New("commands: engine, bot, messages, documents and images are needed")
	case deps.Seal == nil, deps.Unseal == nil, deps.NewKey == nil, deps.HashKey == nil, deps.History == nil, deps.Ranks == nil, deps.Now == nil:
		return nil, errors.New("commands: seal, keys, history, ranks and clock are needed")
	}
	deps.Docs = &watchedDocs{Docs: deps.Docs, log: deps.Log}
	s := &Set{
		deps: deps, opts: opts, engine: deps.Engine, bot: deps.Bot, log: deps.Log, now: deps.Now, deaf: make(map[string]time.Time),
		ranking: ranking{kept: make(map[string]keptRanks)},
	}
	bundle, err := words.Load()
	if err != nil {
		return nil, fmt.Errorf("commands: %w", err)
	}
	s.bundle, s.specs = bundle, sync.OnceValue(s.Commands)
	s.people, s.guilds = newMemory[chat.Person](deps.Docs, chat.KindPerson), newMemory[chat.Guild](deps.Docs, chat.KindGuild)
	s.blocks, s.parents = newMemory[chat.Block](deps.Docs, chat.KindBlock), &parents{known: make(map[string]parent)}
	s.favourites, s.drafts = newMemory[chat.Favourite](deps.Docs, chat.KindFavourite), newMemory[chat.Draft](deps.Docs, chat.KindDraft)
	s.offers = newMemory[chat.Offer](deps.Docs, chat.KindOffer)
	s.reports, s.decoding = newMemory[chat.Report](deps.Docs, chat.KindReport), make(chan struct{}, maxDecoding)
	s.strikes, s.storms = newMemory[chat.Strikes](deps.Docs, chat.KindStrikes), newMemory[chat.Storm](deps.Docs, chat.KindStorm)
	s.glances = newGlances()
	s.captions, s.captioner = newMemory[chat.Captions](deps.Docs, chat.KindCaptions), newCaptioner(s)
	s.shown = newMemory[chat.Shown](deps.Docs, chat.KindShown)
	s.presets = newMemory[chat.Preset](deps.Docs, chat.KindPreset)
	s.diary, s.tallies, s.host = newDiary(s), newTallies(s), newHost(s)
	s.parties, s.partyDrafts = newMemory[chat.Party](deps.Docs, chat.KindParty), newMemory[chat.Party](deps.Docs, chat.KindPartyDraft)
	s.partyVotes, s.partyWins = newMemory[chat.PartyVote](deps.Docs, chat.KindPartyVote), newMemory[chat.PartyWins](deps.Docs, chat.KindPartyWins)
	if s.charts, err = chart.New(); err != nil {
		return nil, fmt.Errorf("commands: %w", err)
	}
	s.links, s.made = newMemory[chat.Link](deps.Docs, chat.KindLink), newMemory[chat.KeyMade](deps.Docs, chat.KindKeyMade)
	s.fuses, s.farewells = newMemory[chat.Fuse](deps.Docs, chat.KindFuse), newMemory[chat.Farewell](deps.Docs, chat.KindFarewell)
	s.left, s.greetings = newMemory[chat.LeftGuild](deps.Docs, chat.KindLeft), newMemory[chat.Greeting](deps.Docs, chat.KindGreeting)
	s.erasures = newMemory[chat.Erase](deps.Docs, chat.KindErase)
	s.linkOf = s.linkReader()
	s.follow, s.waits = newFollower(s), newModelWaits(s)
	s.roles, s.sentTwice = newRoleEngine(s), newTwice(s.now)
	s.network = newNetwork(deps.Docs)
	s.liked, s.feeds = newMemory[chat.Favourites](deps.Docs, chat.KindFavourites), newMemory[chat.NewsFeed](deps.Docs, chat.KindNewsFeed)
	var rules []emojikudos.Rule
	if opts.KudosEmoji != "" {
		key, show, _, err := emojikudos.Parse(opts.KudosEmoji)
		if err != nil {
			return nil, fmt.Errorf("commands: kudos emoji: %w", err)
		}
		rules = append(rules, emojikudos.Rule{Emoji: key, Show: show, Amount: opts.KudosAmount})
	}
	s.book, s.rounds = newGiftBook(deps.Docs), newRounds(s)
	s.keyUses = newMemory[chat.KeyUse](deps.Docs, chat.KindKeyUse)
	s.giftDrafts = newMemory[chat.GiftDraft](deps.Docs, chat.KindGiftDraft)
	s.giftOrders = newMemory[chat.GiftOrder](deps.Docs, chat.KindGiftOrder)
	gifts, err := emojikudos.New(
		emojikudos.Deps{Engine: deps.Engine, Chat: reactions{s}, Book: s.book, Now: deps.Now, Log: deps.Log},
		emojikudos.Options{Default: rules, Grace: opts.GiftGrace, Agreed: opts.GiftsAgreed},
	)
	if err != nil {
		return nil, fmt.Errorf("commands: %w", err)
	}
	s.gifts = gifts
	return s, nil
}

// Register defines the commands and puts their handlers, and those of buttons and reactions, into the router of the bot.
// It must happen before the bot runs.
func (s *Set) Register(rt *discord.Router) {
	rt.Define(s.Commands()...)
	for _, f := range s.families() {
		f.register(rt)
	}
	rt.Command("generate", discord.Route{Handle: s.answered(s.generate), Autocomplete: s.complete})
	rt.Component(verbCancel, discord.Route{Handle: s.answered(s.pressCancel), Private: true})
	rt.Component(verbAgain, discord.Route{Handle: s.answered(s.pressAgain)})
	rt.Component(verbDelete, discord.Route{Handle: s.answered(s.pressDelete), Private: true})
	rt.Component(verbShow, discord.Route{Handle: s.answered(s.pressShow), Private: true})
	rt.ReactionAdd(s.reacted)
	rt.ReactionRemove(s.unreacted)
	rt.OnError(s.fault)
	rt.Unknown(func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
		if in.Type == discord.CommandRun {
			return r.Reply(ctx, private(s.say(in).T("request.unknown")))
		}
		return r.Reply(ctx, private(s.say(in).T("request.old")))
	})
}

// Commands lists the definitions of all commands.
func (s *Set) Commands() []discord.CommandSpec {
	specs := s.translated(s.firstCommands())
	for _, f := range s.families() {
		specs = append(specs, f.specs...)
	}
	return specs
}

// family is the commands of one file: their definitions, and what puts their handlers into the router.
type family struct {
	specs    []discord.CommandSpec
	register func(rt *discord.Router)
}

// families lists them, one line each.
func (s *Set) families() []family {
	return []family{
		s.profileFamily(),
		s.guildFamily(),
		s.rateFamily(),
		s.resultFamily(),
		s.newModelFamily(),
		s.modelWaitFamily(),
		s.toolFamily(),
		s.textFamily(),
		s.jobFamily(),
		s.historyFamily(),
		s.advancedFamily(),
		s.reportFamily(),
		s.serverConfigFamily(),
		s.settingsFamily(),
		s.kudosFamily(),
		s.sharedKeyFamily(),
		s.kudosEmojiFamily(),
		s.statsFamily(),
		s.autoroleFamily(),
		s.operatorFamily(),
		s.sheetFamily(),
		s.modelsFamily(),
		s.workersFamily(),
		s.teamsFamily(),
		s.stylesFamily(),
		s.newsFamily(),
		s.partyFamily(),
		s.loginFamily(),
		s.privacyFamily(),
		s.aboutFamily(),
	}
}

func (s *Set) firstCommands() []discord.CommandSpec {
	return []discord.CommandSpec{
		{Name: "generate", Description: descGenerate, DMs: true, UserInstall: true, Options: []discord.OptionSpec{
			{
				Name: "prompt", Description: descPrompt, Type: discord.OptionString, Required: true,
				MinLength: new(1), MaxLength: new(maxPrompt),
			},
			{Name: "negative", Description: descNegative, Type: discord.OptionString, MaxLength: new(maxNegative)},
			s.optionOf("image.optstyle", discord.OptionSpec{
				Name: "style", Type: discord.OptionString, Autocomplete: true, MaxLength: new(horde.MaxStyleName + 100),
			}),
			{Name: "model", Description: descModel, Type: discord.OptionString, Autocomplete: true, MaxLength: new(maxModel)},
			{Name: "size", Description: descSize, Type: discord.OptionString, Autocomplete: true, MaxLength: new(maxModel)},
			{
				Name: "steps", Description: descSteps, Type: discord.OptionInteger,
				Min: new(1.0), Max: new(float64(horde.MaxSteps)),
			},
			{Name: "seed", Description: descSeed, Type: discord.OptionString, MaxLength: new(maxSeed)},
			{Name: "amount", Description: descAmount, Type: discord.OptionInteger, Min: new(1.0), Max: new(float64(maxAmount))},
			s.optionOf("image.optimage", discord.OptionSpec{Name: "image", Type: discord.OptionAttachment}),
			s.optionOf("image.optstrength", discord.OptionSpec{
				Name: "strength", Type: discord.OptionInteger, Min: new(1.0), Max: new(100.0),
			}),
			{Name: "private", Description: descPrivate, Type: discord.OptionBoolean},
			s.optionOf("image.optspoiler", discord.OptionSpec{Name: "spoiler", Type: discord.OptionBoolean}),
			s.optionOf("image.optshare", discord.OptionSpec{Name: "share", Type: discord.OptionBoolean}),
			s.option("preset", "preset.opt", discord.OptionString, suggested, upTo(maxPresetName)),
		}},
	}
}

// Run continues the messages that were open when the process ended, and follows requests until ctx ends.
func (s *Set) Run(ctx context.Context) error {
	outer := ctx
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.follow.run(ctx) })
	group.Go(func() error { return s.gifts.Run(ctx) })
	group.Go(func() error { return s.rounds.run(ctx) })
	group.Go(func() error { s.diary.run(ctx); return nil })
	group.Go(func() error { s.tallies.run(ctx); return nil })
	group.Go(func() error { s.roles.run(ctx); return nil })
	group.Go(func() error { s.runAnnouncements(ctx); return nil })
	group.Go(func() error { s.host.run(ctx); return nil })
	group.Go(func() error { s.waits.run(ctx); return nil })
	group.Go(func() error { s.chores(ctx); return nil })
	group.Go(func() error { s.sayFarewell(ctx); return nil })
	group.Go(func() error { s.captioner.run(ctx); return nil })
	err := group.Wait()
	s.tallies.last(outer)
	return err
}

// contained does one thing among others: what goes wrong with it, a panic too, is logged and returned, and the others go on.
func (s *Set) contained(ctx context.Context, what string, f func() error) error {
	return contain.Call(ctx, s.log, what, f)
}

// say picks the language of the person who sent an interaction: the one they chose, or Discord's.
func (s *Set) say(in *discord.Interaction) words.Words {
	p, _ := s.people.peek(in.User.ID)
	return s.bundle.For(p.Language, in.Locale)
}

// sayAloud picks the language of answers that everybody sees: the one that the guild chose, or Discord's for it; the
// person's outside of guilds.
func (s *Set) sayAloud(in *discord.Interaction) words.Words {
	if in.GuildID == "" {
		return s.say(in)
	}
	return s.bundle.For(s.guildLanguage(in.GuildID), in.GuildLocale)
}

// guildLanguage is the language that a guild chose, if its settings are at hand.
func (s *Set) guildLanguage(guild string) string {
	g, _ := s.guilds.peek(guild)
	return g.Language
}

// cmd makes a command clickable.
func (s *Set) cmd(path string) string { return s.bot.CommandMention(path) }
