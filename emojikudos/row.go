// SPDX-License-Identifier: AGPL-3.0-or-later

package emojikudos

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stablemate/horde/kudos"
)

// Bounds of what a guild may set up.
const (
	MaxRules    = 50  // kudos emoji of a guild
	MaxChannels = 25  // that one emoji is kept to
	MaxTitle    = 80  // characters
	MaxMessage  = 300 // characters
)

// Rule is an emoji that gives kudos. Its JSON is stored.
type Rule struct {
	Emoji    string       `json:"emoji"` // a Key
	Show     string       `json:"show"`  // as people see it in chat
	Amount   kudos.Amount `json:"amount"`
	Title    string       `json:"title,omitempty"`   // of the recipient's notice
	Message  string       `json:"message,omitempty"` // of the recipient's notice
	Role     string       `json:"role,omitempty"`    // only members with it give; empty: everybody
	Channels []string     `json:"channels,omitempty"`
	By       string       `json:"by,omitempty"` // who set it up
	At       time.Time    `json:"at,omitzero"`
	Batch    string       `json:"batch,omitempty"` // the starter set that it came with
	Ours     bool         `json:"ours,omitempty"`  // the bot uploaded the emoji
	First    bool         `json:"first,omitempty"` // the guild had none of its own before
}

// Guild is what the administrators of a guild set up. Its JSON is stored.
type Guild struct {
	Own     bool         `json:"own"` // they set up emoji, or took the default away; otherwise the defaults hold
	Rules   []Rule       `json:"rules,omitempty"`
	Changes []RuleChange `json:"changes,omitempty"` // the last ones, newest first, at most MaxChanges
}

// MaxChanges is how many changes of its kudos emoji a guild is shown.
const MaxChanges = 30

// RuleChange says who changed which kudos emoji of a guild.
type RuleChange struct {
	By     string       `json:"by"`
	At     time.Time    `json:"at"`
	What   string       `json:"what"` // add, edit, remove, default, starter, undo
	Show   string       `json:"show,omitempty"`
	Amount kudos.Amount `json:"amount,omitempty"`
}

// State says how far a gift is. The names are stored.
type State string

// The states. Those from Paid on are final.
const (
	Asking    State = "asking"    // its person has not agreed to gifts by emoji yet
	Waiting   State = "waiting"   // for its grace to pass
	Paid      State = "paid"      // the recipient has it
	Reserved  State = "reserved"  // it waits for the recipient to open an account
	Cancelled State = "cancelled" // the reaction was taken back in time
	Refused   State = "refused"
	Nobody    State = "nobody"   // there is nobody to thank, or only oneself
	Lapsed    State = "lapsed"   // its person never agreed
	Returned  State = "returned" // nobody came for what was reserved
)

// Gift is a reaction with a kudos emoji, and what became of it. Its JSON is stored.
type Gift struct {
	Key string `json:"-"` // the row's own, and the idempotency key of the transfer

	Guild      string       `json:"guild"`
	Channel    string       `json:"channel"`
	Message    string       `json:"message"`
	Emoji      string       `json:"emoji"`
	Show       string       `json:"show"`
	Person     string       `json:"person"` // who reacted
	PersonName string       `json:"person_name,omitempty"`
	Author     string       `json:"author,omitempty"` // of the message, as Discord said
	To         string       `json:"to,omitempty"`     // who is thanked
	Amount     kudos.Amount `json:"amount"`
	Title      string       `json:"title,omitempty"`
	Text       string       `json:"text,omitempty"`

	State State     `json:"state"`
	Why   string    `json:"why,omitempty"` // code of a refusal
	Gift  string    `json:"gift,omitempty"`
	At    time.Time `json:"at"`
	Ended time.Time `json:"ended,omitzero"`
	Due   time.Time `json:"due"`             // when somebody should look again
	Tried bool      `json:"tried,omitempty"` // something broke while it was settled: it may have happened
	Tries int       `json:"tries,omitempty"`
}

// Final reports whether nothing more happens by itself, but forgetting.
func (g *Gift) Final() bool { return g.State != Asking && g.State != Waiting && g.State != "" }

// moved reports whether kudos went somewhere, so that the reaction can never count again.
func (g *Gift) moved() bool { return g.State == Paid || g.State == Reserved || g.State == Returned }

// Consent is whether somebody agreed that their reactions give kudos. The names are stored.
type Consent string

// The answers. Empty is none yet.
const (
	Agreed   Consent = "yes"
	Declined Consent = "no"
)

// Person is what is remembered about somebody. Its JSON is stored.
type Person struct {
	Consent Consent      `json:"consent,omitempty"`
	Asked   time.Time    `json:"asked,omitzero"`
	Owed    bool         `json:"owed,omitempty"` // the question could not be delivered: show it at the next command
	PerGift kudos.Amount `json:"-"`              // the limits that hold for them
	PerDay  kudos.Amount `json:"-"`
	Day     string       `json:"day,omitempty"` // that Spent is about
	Spent   kudos.Amount `json:"spent,omitempty"`
	Locale  string       `json:"locale,omitempty"`
	Invited time.Time    `json:"invited,omitzero"` // last invitation to claim something

	Told map[string]time.Time `json:"told,omitempty"` // when they last heard a reason
}

// Tally is what a guild's reactions gave on a day. Its JSON is stored.
type Tally struct {
	Day   string       `json:"day"`
	Spent kudos.Amount `json:"spent"`
}

// NewsKind says what news are about. The names are stored.
type NewsKind string

// The kinds.
const (
	NewsGot     NewsKind = ""        // gifts that somebody was given
	NewsBack    NewsKind = "back"    // gifts of theirs that came back
	NewsInvite  NewsKind = "invite"  // a gift waits for them
	NewsRefused NewsKind = "refused" // why reactions of theirs gave nothing; the key of a Line is the code, its text the message
	NewsFeed    NewsKind = "feed"    // for a guild: what its reactions gave
)

// Address is who hears which news: a person, or a guild of its feed.
type Address struct {
	Kind NewsKind
	Who  string
}

// Key names the row of the news.
func (a Address) Key() string {
	if a.Kind == NewsGot {
		return a.Who
	}
	return string(a.Kind) + ":" + a.Who
}

// ParseAddress reads a Key. Discord's IDs have no colon.
func ParseAddress(key string) Address {
	if kind, who, ok := strings.Cut(key, ":"); ok {
		return Address{NewsKind(kind), who}
	}
	return Address{NewsGot, key}
}

// News is what somebody will hear in one message. It stays until they have. Its JSON is stored.
type News struct {
	Lines  []Line       `json:"lines"`
	More   int          `json:"more,omitempty"` // gifts beyond Lines
	Amount kudos.Amount `json:"amount"`
	Since  time.Time    `json:"since"`
	Due    time.Time    `json:"due"`
	Tries  int          `json:"tries,omitempty"` // of telling, in a row
	Kept   bool         `json:"kept,omitempty"`  // they cannot be told: it waits until they look for it
}

// Line is a gift in News.
type Line struct {
	Key     string       `json:"key"`
	From    string       `json:"from,omitempty"` // empty: anonymous
	To      string       `json:"to,omitempty"`
	Show    string       `json:"show,omitempty"`
	Amount  kudos.Amount `json:"amount"`
	Title   string       `json:"title,omitempty"`
	Text    string       `json:"text,omitempty"`
	Guild   string       `json:"guild,omitempty"`
	Channel string       `json:"channel,omitempty"`
	Message string       `json:"message,omitempty"`
}

// maxLines bounds News.
const maxLines = 10

// Add notes a gift, once.
func (n *News) Add(l Line) {
	for _, x := range n.Lines {
		if x.Key == l.Key {
			return
		}
	}
	n.Amount += l.Amount
	if len(n.Lines) >= maxLines {
		n.More++
		return
	}
	n.Lines = append(n.Lines, l)
}

// without takes out what was told.
func (n *News) without(told News) {
	n.Amount, n.More = n.Amount-told.Amount, n.More-told.More
	n.Lines = slices.DeleteFunc(slices.Clone(n.Lines), func(l Line) bool {
		return slices.ContainsFunc(told.Lines, func(x Line) bool { return x.Key == l.Key })
	})
}

// Empty reports that there is nothing to tell.
func (n *News) Empty() bool { return len(n.Lines) == 0 && n.More <= 0 }

// Mark tells these news from others, so that the same are not told twice: Discord takes it as a message's nonce.
func (n *News) Mark(to Address) string {
	h := sha256.New()
	_, _ = fmt.Fprintln(h, to.Key(), n.Since.UnixMicro(), n.More) // never fails
	for _, l := range n.Lines {
		_, _ = fmt.Fprintln(h, l.Key)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))[:22]
}

// ErrSame is what the function given to a Change method returns when there is nothing to change.
var ErrSame = errors.New("nothing to change")

// Book keeps what must survive a restart. Change methods read the row, or its zero value, let f change it and save it;
// when somebody else's change comes in between they start over. An error of f comes back as it is, and nothing is saved.
type Book interface {
	Guild(ctx context.Context, guild string) (Guild, error)
	Person(ctx context.Context, person string) (Person, error)
	// ChangeGuild changes what a guild set up.
	ChangeGuild(ctx context.Context, guild string, f func(*Guild) error) (Guild, error)
	ChangePerson(ctx context.Context, person string, f func(*Person) error) (Person, error)
	ChangeTally(ctx context.Context, guild string, f func(*Tally) error) (Tally, error)
	ChangeGift(ctx context.Context, key string, f func(*Gift) error) (Gift, error)
	DropGift(ctx context.Context, key string) error
	// DueGifts lists gifts that are due until a time, the longest overdue first, final ones too.
	DueGifts(ctx context.Context, until time.Time, limit int) ([]Gift, error)
	// GiftsOf lists the gifts of a person, GiftsIn those of a guild.
	GiftsOf(ctx context.Context, person string) ([]Gift, error)
	GiftsIn(ctx context.Context, guild string) ([]Gift, error)
	ChangeNews(ctx context.Context, to Address, f func(*News) error) (News, error)
	// DueNews lists news that are due until a time, the longest overdue first.
	DueNews(ctx context.Context, until time.Time, limit int) ([]Due, error)
	// DropNews forgets news that are empty. What was added meanwhile stays.
	DropNews(ctx context.Context, to Address) error
}

// Due is news with who they are for.
type Due struct {
	To   Address
	News News
}
