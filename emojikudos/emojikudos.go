// SPDX-License-Identifier: AGPL-3.0-or-later

// Package emojikudos lets people thank each other with an emoji: whoever reacts to a message with a kudos emoji of the
// guild gives its author kudos, once for each message, emoji and person. On an image that the bot made, the kudos go to
// the person who asked for it.
//
// A reaction becomes a row before anything else happens. Its person must have agreed to gifts by emoji once; then the row
// waits for its grace, in which taking the reaction back undoes it, and is settled: the row's key is the idempotency key
// of the transfer, so that a crash in the middle, or a store that fails, leads to one gift and not to two. Somebody
// without an account has the gift set aside.
package emojikudos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
)

// Bounds of gifts by emoji.
const (
	quietTime   = time.Hour           // a person hears a reason once in this time
	askAgain    = 7 * 24 * time.Hour  // who did not answer is asked again
	askLife     = 24 * time.Hour      // a gift waits so long for its person to agree
	inviteAgain = 7 * 24 * time.Hour  // between two invitations of one recipient
	newsGap     = time.Minute         // gifts in it are told in one message
	keepFor     = 30 * 24 * time.Hour // a settled gift stays in the log
	giveUpAfter = 24 * time.Hour      // of trying to settle
	leastTries  = 5                   // before that
	fastPause   = time.Minute         // before a gift is tried again that came too soon after the other's
	maxFast     = 5                   // times that happens
	retryFirst  = 2 * time.Second     // before a gift is tried again that something broken kept from happening; doubles
	retryMost   = time.Minute

	maxAsking    = 20     // gifts of one person that wait for them to agree
	perHour      = 90     // gifts of one person
	perMinute    = 600    // of one guild
	allPerMinute = 3_000  // of all
	maxCounted   = 50_000 // persons and guilds counted at once; beyond it reactions of others give nothing for a while
)

// Codes of refusals by what a person or guild set, not by the core.
const (
	CodeNoConsent horde.Code = "GiftNoConsent"    // the person has not agreed to gifts by emoji
	CodeOverGift  horde.Code = "GiftOverLimit"    // more than the person's own limit for one reaction
	CodeOverDay   horde.Code = "GiftOverDay"      // more than the person's own limit for a day
	CodeOverGuild horde.Code = "GiftOverGuildDay" // more than what reactions of a guild give on a day
	CodeTooMany   horde.Code = "GiftTooMany"      // too many reactions in an hour
)

// Reaction is what Discord tells about a reaction. Texts are Discord's IDs unless they are names.
type Reaction struct {
	Guild, Channel, Message string // Guild is empty in direct messages
	Person                  string // who reacted
	PersonName              string // may be empty
	PersonBot               bool
	Roles                   []string // of the person in the guild
	EmojiID, EmojiName      string   // EmojiID is empty for a Unicode emoji
	Author                  string   // who wrote the message; empty when Discord did not say
}

// Author is who wrote a message.
type Author struct {
	ID, Name string
	Robot    bool // another bot, or a webhook
}

// Limits are what one person's reactions may give.
type Limits struct {
	Off             bool // nothing
	PerGift, PerDay kudos.Amount
	NewsGap         time.Duration // gifts in it are told in one message; default one minute
}

// Chat is what gifts need to know about Discord.
type Chat interface {
	// Self is the ID of the bot's own account.
	Self() string
	// Author reads who wrote a message.
	Author(ctx context.Context, channel, message string) (Author, error)
	// Requester finds who asked for the image in one of the bot's own messages; ok is false for its other messages.
	Requester(ctx context.Context, channel, message string) (person string, ok bool, err error)
	// Within reports whether a channel is one of some, or a thread in one.
	Within(ctx context.Context, channel string, channels []string) (bool, error)
	// Open returns a person's account. Where people need not log in first, it opens one; ok is false where they must.
	Open(ctx context.Context, person, name string) (id horde.UserID, ok bool, err error)
	// Find returns a person's account, if there is one.
	Find(ctx context.Context, person string) (id horde.UserID, ok bool, err error)
	// Limits reads what a person set beside what is in the Book. Zero fields say nothing.
	Limits(ctx context.Context, person string) (Limits, error)
	// Ask asks a person privately whether their reactions may give kudos. told is false when they cannot be reached.
	Ask(ctx context.Context, g Gift) (told bool, err error)
	// Tell explains to a person, privately, why gifts did not happen. Here and below told is false when they cannot be
	// reached, and an error says that it may be tried again.
	Tell(ctx context.Context, person string, n News) (told bool, err error)
	// Invite tells a person privately that a gift waits for them.
	Invite(ctx context.Context, person string, n News) (told bool, err error)
	// Report tells a person privately about gifts; with back about gifts of theirs that came back.
	Report(ctx context.Context, person string, n News, back bool) (told bool, err error)
	// Feeds reports whether a guild wants to read in a channel what its reactions gave, and Feed writes that.
	Feeds(ctx context.Context, guild string) (bool, error)
	Feed(ctx context.Context, guild string, n News) (told bool, err error)
}

// Ending says what a reaction led to, right away.
type Ending int

// Endings of a reaction.
const (
	Ignored  Ending = iota // not ours, or not to be paid: other emoji, robots, other roles or channels
	Planned                // it is paid when its grace is over
	Asked                  // it is paid when its person agrees
	Repeated               // it is planned or paid already
	Stopped                // too many reactions, or its person wants none of this
)

// Deps is what Gifts needs.
type Deps struct {
	Engine *engine.Engine
	Chat   Chat
	Book   Book
	Now    func() time.Time
	Log    zerolog.Logger
}

// Options tune Gifts. Zero values of the named defaults are replaced.
type Options struct {
	Default  []Rule        // of guilds that set up none
	Grace    time.Duration // in which a reaction can be taken back; default 10 s
	Agreed   bool          // nobody is asked first; who declined gives nothing all the same
	PerGift  kudos.Amount  // of a person who set no limit; default 1,000 kudos
	PerDay   kudos.Amount  // likewise; default 10,000 kudos
	GuildDay kudos.Amount  // what the reactions of a guild give on a day; default 100,000 kudos
}

func (o *Options) defaults() {
	for _, d := range []struct {
		at   *kudos.Amount
		most kudos.Amount
	}{{&o.PerGift, kudos.Whole(1000)}, {&o.PerDay, kudos.Whole(10_000)}, {&o.GuildDay, kudos.Whole(100_000)}} {
		if *d.at == 0 {
			*d.at = d.most
		}
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
}

// Gifts turns reactions into gifts. It is safe for concurrent use; callers bring reactions of one person to one message
// in their order. Run must be running for gifts to be settled.
type Gifts struct {
	deps Deps
	opts Options
	wake chan struct{} // holds 1: something became due

	lanes   lanes
	persons *window
	guilds  *window
	all     *window
	stormy  *window // what is logged of storms
	ended   ended
	flying  flying
}

// New checks the rules.
func New(deps Deps, opts Options) (*Gifts, error) {
	if deps.Engine == nil || deps.Chat == nil || deps.Book == nil || deps.Now == nil {
		return nil, errors.New("emojikudos: engine, chat, book and clock are needed")
	}
	opts.defaults()
	for _, r := range opts.Default {
		if r.Emoji == "" || r.Amount <= 0 || r.Amount > kudos.MaxAmount {
			return nil, fmt.Errorf("emojikudos: rule %q gives %s kudos", r.Emoji, r.Amount)
		}
	}
	return &Gifts{
		deps: deps, opts: opts, wake: make(chan struct{}, 1),
		persons: newWindow(time.Hour, perHour, maxCounted), guilds: newWindow(time.Minute, perMinute, maxCounted),
		all: newWindow(time.Minute, allPerMinute, 1), stormy: newWindow(time.Minute, 1, 1), flying: newFlying(), ended: ended{of: make(map[State]int64)},
	}, nil
}

// Rules lists the kudos emoji of a guild, and whether they are its own.
func (g *Gifts) Rules(ctx context.Context, guild string) (rules []Rule, own bool, err error) {
	set, err := g.deps.Book.Guild(ctx, guild)
	if err != nil {
		return nil, false, fmt.Errorf("kudos emoji of the guild: %w", err)
	}
	if !set.Own {
		return g.opts.Default, false, nil
	}
	return set.Rules, true, nil
}

// rule finds the rule for a reaction.
func (g *Gifts) rule(ctx context.Context, guild, emoji string) (Rule, bool, error) {
	rules, _, err := g.Rules(ctx, guild)
	if err != nil {
		return Rule{}, false, err
	}
	for _, r := range rules {
		if r.Emoji == emoji {
			return r, true, nil
		}
	}
	return Rule{}, false, nil
}

// Gives reports whether reactions with an emoji give kudos in a guild, wherever and for whomever.
func (g *Gifts) Gives(ctx context.Context, guild, emojiID, emojiName string) (bool, error) {
	if guild == "" {
		return false, nil
	}
	_, ours, err := g.rule(ctx, guild, Key(emojiID, emojiName))
	return ours, err
}

// KeyOf is the row and the idempotency key of a person's reaction.
func KeyOf(message, emoji, person string) string {
	return "emoji:" + message + ":" + emoji + ":" + person
}

// React writes a reaction down. An error means that nothing was decided; the person may take the reaction back and add it
// again.
func (g *Gifts) React(ctx context.Context, r Reaction) (Ending, error) {
	if r.Guild == "" || r.PersonBot || r.Person == "" || r.Person == g.deps.Chat.Self() {
		return Ignored, nil
	}
	emoji := Key(r.EmojiID, r.EmojiName)
	rule, ours, err := g.rule(ctx, r.Guild, emoji)
	if err != nil || !ours {
		return Ignored, err
	}
	if !allowed(rule, r) {
		return Ignored, nil
	}
	now := g.deps.Now()
	person, err := g.person(ctx, r.Person)
	switch {
	case err != nil:
		return Ignored, err
	case person.Consent == Declined:
		return Stopped, nil
	}
	storm := false
	switch g.persons.take(r.Person, now) {
	case spent:
		return Stopped, g.tell(ctx, r.Person, horde.Refuse(CodeTooMany, "that were more than %d kudos reactions in an hour", perHour))
	case crowded: // by others: this person is not to blame
		storm = true
	case roomy:
		storm = g.guilds.take(r.Guild, now) != roomy || g.all.take("", now) != roomy
	}
	if storm {
		if g.stormy.take("", now) == roomy { // once in a while, not for every reaction
			g.deps.Log.Warn().Str("guild", r.Guild).Msg("a storm of kudos reactions: some give nothing")
		}
		return Stopped, nil
	}
	if in, err := g.in(ctx, rule, r); err != nil || !in { // Discord may be asked: that is bounded by now
		return Ignored, err
	}
	ending := Planned
	state, due := Waiting, now.Add(g.opts.Grace)
	if person.Consent != Agreed && !g.opts.Agreed {
		ending, state, due = Asked, Asking, now.Add(askLife)
		if full, err := g.asking(ctx, r.Person); err != nil || full {
			return Stopped, err
		}
	}
	key := KeyOf(r.Message, emoji, r.Person)
	gift, err := g.deps.Book.ChangeGift(ctx, key, func(x *Gift) error {
		if x.moved() || x.State == Waiting || x.State == state {
			return ErrSame
		}
		*x = Gift{
			Guild: r.Guild, Channel: r.Channel, Message: r.Message, Emoji: emoji, Show: rule.Show,
			Person: r.Person, PersonName: r.PersonName, Author: r.Author,
			Amount: rule.Amount, Title: rule.Title, Text: rule.Message, State: state, At: now, Due: due,
		}
		return nil
	})
	switch {
	case errors.Is(err, ErrSame):
		return Repeated, nil
	case err != nil:
		return Ignored, fmt.Errorf("write a gift down: %w", err)
	case state == Asking:
		return ending, g.ask(ctx, gift)
	}
	g.ring()
	return ending, nil
}

// allowed reports whether a rule holds for a member.
func allowed(rule Rule, r Reaction) bool {
	// The role of everybody has the guild's ID; Discord does not list it with members.
	return rule.Role == "" || rule.Role == r.Guild || slices.Contains(r.Roles, rule.Role)
}

// in reports whether a rule holds in a place.
func (g *Gifts) in(ctx context.Context, rule Rule, r Reaction) (bool, error) {
	if len(rule.Channels) == 0 {
		return true, nil
	}
	in, err := g.deps.Chat.Within(ctx, r.Channel, rule.Channels)
	if err != nil {
		return false, fmt.Errorf("find the channel: %w", err)
	}
	return in, nil
}

// person reads what somebody decided, with what they set elsewhere.
func (g *Gifts) person(ctx context.Context, id string) (Person, error) {
	p, err := g.deps.Book.Person(ctx, id)
	if err != nil {
		return p, fmt.Errorf("read a person: %w", err)
	}
	l, err := g.deps.Chat.Limits(ctx, id)
	if err != nil {
		return p, fmt.Errorf("read a person's limits: %w", err)
	}
	if l.Off {
		p.Consent = Declined
	}
	for _, x := range []struct {
		at          *kudos.Amount
		set, common kudos.Amount
	}{{&p.PerGift, l.PerGift, g.opts.PerGift}, {&p.PerDay, l.PerDay, g.opts.PerDay}} {
		if x.set > 0 {
			*x.at = x.set
		}
		if *x.at == 0 {
			*x.at = x.common
		}
	}
	return p, nil
}

// Person reads what somebody decided about gifts, with the limits that hold for them.
func (g *Gifts) Person(ctx context.Context, id string) (Person, error) { return g.person(ctx, id) }

// asking reports whether as many gifts as may be wait for a person to agree.
func (g *Gifts) asking(ctx context.Context, person string) (bool, error) {
	rows, err := g.deps.Book.GiftsOf(ctx, person)
	if err != nil {
		return false, fmt.Errorf("read the gifts of a person: %w", err)
	}
	n := 0
	for i := range rows {
		if rows[i].State == Asking {
			n++
		}
	}
	return n >= maxAsking, nil
}

// ask asks a person for their consent, once in a while. Until it is certain that they were asked, they are owed the question.
func (g *Gifts) ask(ctx context.Context, gift Gift) error {
	now := g.deps.Now()
	_, err := g.deps.Book.ChangePerson(ctx, gift.Person, func(p *Person) error {
		if !p.Asked.IsZero() && now.Sub(p.Asked) < askAgain {
			return ErrSame
		}
		p.Asked, p.Owed = now, true
		return nil
	})
	switch {
	case errors.Is(err, ErrSame):
		return nil
	case err != nil:
		return fmt.Errorf("note that a person is asked: %w", err)
	}
	if told, err := g.deps.Chat.Ask(ctx, gift); err != nil || !told {
		return err
	}
	_, err = g.deps.Book.ChangePerson(ctx, gift.Person, func(p *Person) error {
		if !p.Owed {
			return ErrSame // they have answered
		}
		p.Owed = false
		return nil
	})
	if err != nil && !errors.Is(err, ErrSame) {
		return fmt.Errorf("note that a person was asked: %w", err)
	}
	return nil
}

// Consent notes what a person answered. With Agreed, what waited for the answer is given now; it tells how many gifts.
func (g *Gifts) Consent(ctx context.Context, person, locale string, answer Consent) (gifts int, err error) {
	_, err = g.deps.Book.ChangePerson(ctx, person, func(p *Person) error {
		p.Consent, p.Owed = answer, false
		if locale != "" {
			p.Locale = locale
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("note a person's consent: %w", err)
	}
	rows, err := g.deps.Book.GiftsOf(ctx, person)
	if err != nil {
		return 0, fmt.Errorf("read the gifts of a person: %w", err)
	}
	now := g.deps.Now()
	for i := range rows {
		if rows[i].State != Asking {
			continue
		}
		_, err := g.deps.Book.ChangeGift(ctx, rows[i].Key, func(x *Gift) error {
			if x.State != Asking {
				return ErrSame
			}
			x.State, x.Due = Waiting, now
			if answer != Agreed {
				x.end(Lapsed, now)
			}
			return nil
		})
		switch {
		case errors.Is(err, ErrSame):
		case err != nil:
			return gifts, fmt.Errorf("change a gift: %w", err)
		default:
			gifts++
		}
	}
	g.ring()
	return gifts, nil
}

// Unreact takes a reaction back. It reports whether that was in time.
func (g *Gifts) Unreact(ctx context.Context, message, emojiID, emojiName, person string) (bool, error) {
	now := g.deps.Now()
	key := KeyOf(message, Key(emojiID, emojiName), person)
	_, err := g.deps.Book.ChangeGift(ctx, key, func(x *Gift) error {
		// From its due time on a gift may be on its way: what is decided then is not taken back.
		if x.State != Asking && (x.State != Waiting || !now.Before(x.Due) || x.Tried) {
			return ErrSame
		}
		x.end(Cancelled, now)
		return nil
	})
	if errors.Is(err, ErrSame) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("take a gift back: %w", err)
	}
	g.ended.add(Cancelled)
	return true, nil
}

// end makes a gift final.
func (g *Gift) end(s State, now time.Time) {
	g.State, g.Ended, g.Due = s, now, now.Add(keepFor)
}

// Explain tells a person why a reaction gave nothing that the door refused by itself, each reason at most once in an hour.
// Who does not want their reactions to give anything hears nothing.
func (g *Gifts) Explain(ctx context.Context, person string, why *horde.Error) error {
	p, err := g.person(ctx, person)
	if err != nil || p.Consent == Declined {
		return err
	}
	return g.tell(ctx, person, why)
}

// tell has a refusal explained, each reason at most once in quietTime.
func (g *Gifts) tell(ctx context.Context, person string, why *horde.Error) error {
	now := g.deps.Now()
	lately := func(p *Person) bool {
		at, ok := p.Told[string(why.Code)]
		return ok && now.Sub(at) < quietTime
	}
	p, err := g.deps.Book.Person(ctx, person)
	if err != nil || lately(&p) {
		return err
	}
	if err := g.put(ctx, Address{NewsRefused, person}, 0, Line{Key: string(why.Code), Text: why.Message}); err != nil {
		return err
	}
	_, err = g.deps.Book.ChangePerson(ctx, person, func(p *Person) error {
		if lately(p) {
			return ErrSame
		}
		told := map[string]time.Time{string(why.Code): now}
		for code, at := range p.Told {
			if now.Sub(at) < quietTime {
				told[code] = max2(told[code], at)
			}
		}
		p.Told = told
		return nil
	})
	if err != nil && !errors.Is(err, ErrSame) {
		return fmt.Errorf("note what a person was told: %w", err)
	}
	return nil
}

func max2(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (g *Gifts) ring() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}
