// SPDX-License-Identifier: AGPL-3.0-or-later

// Package emojikudos lets people thank each other with an emoji: whoever reacts to a message with the kudos emoji gives
// its author kudos, once for each message, emoji and person. On an image that the bot made, the kudos go to the person
// who asked for it.
package emojikudos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
)

// Bounds of what is remembered about explanations.
const (
	quietTime = time.Hour // a person hears a reason once in this time
	maxTold   = 10_000    // persons and reasons remembered; beyond it nobody is told anything new
)

// Rule is an emoji that gives kudos. Emoji is a Key.
type Rule struct {
	Emoji  string
	Amount kudos.Amount
}

// Reaction is what Discord tells about a reaction that was added. Texts are Discord's IDs unless they are names.
type Reaction struct {
	Guild, Channel, Message string // Guild is empty in direct messages
	Person                  string // who reacted
	PersonName              string // may be empty
	PersonBot               bool
	EmojiID, EmojiName      string // EmojiID is empty for a Unicode emoji
	Author                  string // who wrote the message; empty when Discord did not say
}

// Author is who wrote a message.
type Author struct {
	ID, Name string
	Robot    bool // another bot, or a webhook
}

// Chat is what gifts need to know about Discord.
type Chat interface {
	// Self is the ID of the bot's own account.
	Self() string
	// Author reads who wrote a message.
	Author(ctx context.Context, channel, message string) (Author, error)
	// Requester finds who asked for the image in one of the bot's own messages; ok is false for its other messages.
	Requester(ctx context.Context, channel, message string) (person string, ok bool, err error)
	// Account returns a person's account. Where people need not log in first, it opens one; ok is false where they must.
	Account(ctx context.Context, person, name string) (id horde.UserID, ok bool, err error)
	// Tell explains to a person, privately, why a gift did not happen.
	Tell(ctx context.Context, person string, why *horde.Error) error
}

// Ending says how a reaction ended.
type Ending int

// Endings of a reaction.
const (
	Ignored  Ending = iota // not ours, or not to be paid: other emoji, robots, oneself
	Paid                   // kudos moved
	Repeated               // this person had paid with this emoji on this message before
	Refused                // the rules forbade it; Outcome.Why says why
)

// Outcome is what a reaction led to.
type Outcome struct {
	Ending Ending
	To     string // Discord ID of the recipient, when there is one
	Amount kudos.Amount
	Why    *horde.Error // of Refused
	Told   bool         // the person was told why just now
}

// Deps is what Gifts needs.
type Deps struct {
	Engine *engine.Engine
	Chat   Chat
	Now    func() time.Time
}

// Options say which emoji give how much. Without rules nothing does.
type Options struct {
	Rules []Rule
}

// Gifts turns reactions into gifts. It is safe for concurrent use; callers bring reactions of one person to one message
// in their order.
type Gifts struct {
	deps  Deps
	rules map[string]kudos.Amount

	mu   sync.Mutex // guards told
	told map[reason]time.Time
}

// reason is what somebody was told.
type reason struct {
	person string
	code   horde.Code
}

// New checks the rules.
func New(deps Deps, opts Options) (*Gifts, error) {
	if deps.Engine == nil || deps.Chat == nil || deps.Now == nil {
		return nil, errors.New("emojikudos: engine, chat and clock are needed")
	}
	g := &Gifts{deps: deps, rules: make(map[string]kudos.Amount, len(opts.Rules)), told: make(map[reason]time.Time)}
	for _, r := range opts.Rules {
		if r.Emoji == "" || r.Amount <= 0 || r.Amount > kudos.MaxAmount {
			return nil, fmt.Errorf("emojikudos: rule %q gives %s kudos", r.Emoji, r.Amount)
		}
		g.rules[r.Emoji] = r.Amount
	}
	return g, nil
}

// React pays for a reaction, at most once for ever. A refusal is told to the person, each reason at most once an hour,
// and is an outcome, not an error. An error means that nothing was decided; the person may take the reaction back and
// add it again.
func (g *Gifts) React(ctx context.Context, r Reaction) (Outcome, error) {
	emoji := Key(r.EmojiID, r.EmojiName)
	amount, ours := g.rules[emoji]
	if !ours || r.Guild == "" || r.PersonBot || r.Person == "" || r.Person == g.deps.Chat.Self() {
		return Outcome{}, nil
	}
	to, err := g.recipient(ctx, r)
	if err != nil {
		return Outcome{}, err
	}
	if to.ID == "" || to.ID == r.Person {
		return Outcome{}, nil
	}
	out := Outcome{To: to.ID, Amount: amount}
	sender, ok, err := g.deps.Chat.Account(ctx, r.Person, r.PersonName)
	if err != nil {
		return Outcome{}, fmt.Errorf("account of the giver: %w", err)
	}
	if !ok {
		return g.refused(ctx, r.Person, out, horde.Refuse(horde.CodeAnonForbidden, "giving kudos needs an account"))
	}
	receiver, ok, err := g.deps.Chat.Account(ctx, to.ID, to.Name)
	if err != nil {
		return Outcome{}, fmt.Errorf("account of the recipient: %w", err)
	}
	if !ok {
		return g.refused(ctx, r.Person, out, horde.Refuse(horde.CodeInvalidTargetUsername, "the author of this message has no account yet"))
	}
	done, err := g.deps.Engine.Transfer(ctx, horde.Transfer{
		From: sender, To: receiver, Amount: amount, Key: "emoji:" + r.Message + ":" + emoji + ":" + r.Person,
	})
	if why, ok := errors.AsType[*horde.Error](err); ok {
		switch why.Code {
		case horde.CodeTransferToSelf: // two identities of one account
			return Outcome{}, nil
		case horde.CodeIdempotencyKeyConflict: // paid when the emoji was worth something else
			out.Ending = Repeated
			return out, nil
		default:
			return g.refused(ctx, r.Person, out, why)
		}
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("give kudos: %w", err)
	}
	out.Ending = Paid
	if done.Repeated {
		out.Ending = Repeated
	}
	return out, nil
}

// recipient finds whom a reaction thanks. An empty ID means nobody.
func (g *Gifts) recipient(ctx context.Context, r Reaction) (Author, error) {
	author := Author{ID: r.Author}
	self := g.deps.Chat.Self()
	if author.ID != self && !g.known(author.ID) {
		// Only the message itself tells a person from a robot.
		var err error
		if author, err = g.deps.Chat.Author(ctx, r.Channel, r.Message); err != nil {
			return Author{}, fmt.Errorf("author of the message: %w", err)
		}
	}
	switch {
	case author.ID == self:
		person, ok, err := g.deps.Chat.Requester(ctx, r.Channel, r.Message)
		if err != nil {
			return Author{}, fmt.Errorf("who asked for the image: %w", err)
		}
		if !ok {
			return Author{}, nil
		}
		return Author{ID: person}, nil
	case author.Robot:
		return Author{}, nil
	}
	return author, nil
}

// known reports whether an ID has an account: then it is a person's.
func (g *Gifts) known(person string) bool {
	if person == "" {
		return false
	}
	_, ok := g.deps.Engine.UserByExternal("d_" + person)
	return ok
}

func (g *Gifts) refused(ctx context.Context, person string, out Outcome, why *horde.Error) (Outcome, error) {
	out.Ending, out.Why = Refused, why
	if !g.mayTell(reason{person, why.Code}) {
		return out, nil
	}
	if err := g.deps.Chat.Tell(ctx, person, why); err != nil {
		return out, fmt.Errorf("explain a refused gift: %w", err)
	}
	out.Told = true
	return out, nil
}

// mayTell reports whether a person has not heard this reason lately, and notes that they hear it now.
func (g *Gifts) mayTell(what reason) bool {
	now := g.deps.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if at, ok := g.told[what]; ok && now.Sub(at) < quietTime {
		return false
	}
	if len(g.told) >= maxTold {
		for k, at := range g.told {
			if now.Sub(at) >= quietTime {
				delete(g.told, k)
			}
		}
		if len(g.told) >= maxTold {
			return false
		}
	}
	g.told[what] = now
	return true
}
