// SPDX-License-Identifier: AGPL-3.0-or-later

package chat

import (
	"encoding/json"
	"time"
)

// Kinds of documents about guilds and people. The key of a guild's is its ID, of a person's theirs.
const (
	KindGuild    DocKind = "guild"    // Guild
	KindPerson   DocKind = "person"   // Person
	KindPreset   DocKind = "preset"   // Preset; the key is the person's ID, a colon and the preset's own
	KindBlock    DocKind = "block"    // Block; the key is the guild's ID, a colon and the person's. It is the guild's alone.
	KindLink     DocKind = "link"     // Link, by person
	KindKeyMade  DocKind = "keymade"  // KeyMade, by person
	KindFarewell DocKind = "farewell" // Farewell, by person; it is due when the account goes, and about nobody
	KindMade     DocKind = "made"     // Tally, by "p" and a person's ID or "g" and a guild's
	KindLeft     DocKind = "left"     // LeftGuild, by guild; it is due when the guild is forgotten, and about nobody
	KindGreeting DocKind = "greeting" // Greeting, by guild; it is due while it is not sent
	KindErase    DocKind = "erase"    // Erase, by person; it is due when their prompts are looked at again
	KindFuse     DocKind = "fuse"     // Fuse, by interaction; it is due when the message goes
)

// Bounds of settings.
const (
	MaxList     = 100 // entries of a list of models, styles or words
	MaxPlaces   = 100 // channels, or roles, with rules of their own in a guild
	MaxPresets  = 50  // of a person
	MaxListName = 100 // characters of an entry
)

// Feature is what a guild may keep for some roles.
type Feature string

// The features. The names are stored.
const (
	Images  Feature = "images" // making images from words
	Tools   Feature = "tools"  // working on images that are there: upscaling, describing, remixing
	Texts   Feature = "texts"
	Gifts   Feature = "gifts"
	Parties Feature = "parties"
)

// Features lists all features.
func Features() []Feature { return []Feature{Images, Tools, Texts, Gifts, Parties} }

// Answers says whether answers with images are for everybody.
type Answers string

// The choices. Empty leaves it to the wider rule.
const (
	AnswersChosen  Answers = "chosen" // by the person
	AnswersPublic  Answers = "public"
	AnswersPrivate Answers = "private"
)

// Adult says where images for adults may be made.
type Adult string

// The choices. Empty leaves it to the wider rule.
const (
	AdultNever      Adult = "never"
	AdultRestricted Adult = "restricted" // in channels that Discord restricts by age
)

// SourceRule says who may make images from images, and where.
type SourceRule string

// The choices. Empty leaves it to the wider rule.
const (
	SourcesOn         SourceRule = "on"
	SourcesOff        SourceRule = "off"
	SourcesLinked     SourceRule = "linked"     // people who have an account
	SourcesRestricted SourceRule = "restricted" // in channels that Discord restricts by age
)

// SourceRules lists the choices.
func SourceRules() []SourceRule {
	return []SourceRule{SourcesOn, SourcesLinked, SourcesRestricted, SourcesOff}
}

// UnmarshalJSON reads a rule, and the yes or no that it was once.
func (r *SourceRule) UnmarshalJSON(data []byte) error {
	var yes bool
	if json.Unmarshal(data, &yes) == nil && string(data) != "null" {
		if *r = SourcesOff; yes {
			*r = SourcesOn
		}
		return nil
	}
	return json.Unmarshal(data, (*string)(r))
}

// Limits are numbers that a guild, a channel or a role may set. Zero leaves a number to the wider rule.
type Limits struct {
	Pixels  int `json:"pixels,omitempty"` // of one image
	Steps   int `json:"steps,omitempty"`
	Amount  int `json:"amount,omitempty"`   // images of one request
	AtOnce  int `json:"at_once,omitempty"`  // images of a person that are waiting or being made
	InGuild int `json:"in_guild,omitempty"` // images of everybody in the guild that are
	Length  int `json:"length,omitempty"`   // of one text, in tokens
	Texts   int `json:"texts,omitempty"`    // of one request
}

// Zero reports whether nothing is set.
func (l Limits) Zero() bool { return l == Limits{} }

// Rules are what a guild, or one of its channels, decides. What is empty or nil is left to the wider rule: a channel's to
// its guild, a guild's to the operator.
type Rules struct {
	Off      *bool                `json:"off,omitempty"` // no commands here
	Models   []string             `json:"models,omitempty"`
	NoModels []string             `json:"no_models,omitempty"`
	NoStyles []string             `json:"no_styles,omitempty"`
	Words    []string             `json:"words,omitempty"`    // that no prompt may have
	Negative string               `json:"negative,omitempty"` // added to what an image should not show
	Limits   Limits               `json:"limits,omitzero"`
	Access   map[Feature][]string `json:"access,omitempty"` // roles that have a feature; none means everybody
	Adult    Adult                `json:"adult,omitempty"`
	Spoiler  *bool                `json:"spoiler,omitempty"` // every image is hidden until it is clicked
	Sources  SourceRule           `json:"sources,omitempty"`
	Share    *bool                `json:"share,omitempty"`   // images may help research, where their people want that
	Strict   *bool                `json:"strict,omitempty"`  // only who asked for an image may press its buttons
	Strange  *bool                `json:"strange,omitempty"` // people without an account may ask
	// Installed says that people may bring the bot along who installed it for themselves, where the guild does not have it.
	Installed *bool   `json:"installed,omitempty"`
	Answers   Answers `json:"answers,omitempty"`
	Language  string  `json:"language,omitempty"` // Discord's name of it
}

// Guild is what the administrators of a guild decided.
type Guild struct {
	Rules
	Channels map[string]Rules  `json:"channels,omitempty"` // by channel; a category's count for its channels
	Roles    map[string]Limits `json:"roles,omitempty"`
	Log      string            `json:"log,omitempty"`     // channel that hears of changes
	NoNews   bool              `json:"no_news,omitempty"` // the log channel hears no announcements of the operators
	Feed     string            `json:"feed,omitempty"`    // channel that reads what kudos reactions gave
	Gallery  string            `json:"gallery,omitempty"` // channel that images go to which many keep
	Stars    int               `json:"stars,omitempty"`   // how many people that are; 0: DefaultStars
	Parties  PartyRules        `json:"parties,omitzero"`
}

// Bounds of a gallery.
const (
	DefaultStars = 3
	MaxStars     = 100
)

// Block keeps a person from using the bot in a guild.
type Block struct {
	Person string    `json:"person"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // zero for ever
}

// Notice says how somebody wants to hear of gifts.
type Notice string

// The choices. Empty is NoticeEach.
const (
	NoticeEach   Notice = "each"
	NoticeDigest Notice = "digest" // once a day
	NoticeNone   Notice = "none"
)

// Retention says how long the prompts of somebody's own finished requests are kept. The names are stored.
type Retention string

// The choices. Empty keeps them for as long as the operator keeps requests.
const (
	KeepWeek Retention = "week"
	KeepDay  Retention = "day"
	KeepNone Retention = "none" // they go as soon as the result is shown
)

// Span is how long that is; false when the operator's time holds.
func (r Retention) Span() (time.Duration, bool) {
	switch r {
	case KeepWeek:
		return 7 * 24 * time.Hour, true
	case KeepDay:
		return 24 * time.Hour, true
	case KeepNone:
		return 0, true
	}
	return 0, false
}

// Retentions lists the choices that are shorter than the operator's time, the longest first.
func Retentions(operator time.Duration) []Retention {
	var out []Retention
	for _, r := range []Retention{KeepWeek, KeepDay, KeepNone} {
		if span, _ := r.Span(); span < operator {
			out = append(out, r)
		}
	}
	return out
}

// Erase remembers how far somebody's prompts are erased: in all of their requests that are older than Until.
type Erase struct {
	Until time.Time `json:"until,omitzero"`
}

// Defaults are the parameters somebody starts from, and those of a preset. Empty ones are left to the bot.
type Defaults struct {
	Model    string  `json:"model,omitempty"`
	Style    string  `json:"style,omitempty"`
	Negative string  `json:"negative,omitempty"`
	Width    int     `json:"width,omitempty"`
	Height   int     `json:"height,omitempty"`
	Steps    int     `json:"steps,omitempty"`
	Amount   int     `json:"amount,omitempty"`
	CFG      float64 `json:"cfg,omitempty"`
	Sampler  string  `json:"sampler,omitempty"`

	Karras *bool           `json:"karras,omitempty"`
	Fine   json.RawMessage `json:"fine,omitempty"` // what most people never need, as requests keep it
	Text   *TextDefaults   `json:"text,omitempty"` // of presets for texts, which alone have it
}

// TextDefaults are the parameters of texts in a preset. Empty ones are left to the bot or to a style.
type TextDefaults struct {
	Length      int                `json:"length,omitempty"` // tokens
	Temperature *float64           `json:"temperature,omitempty"`
	Format      string             `json:"format,omitempty"`
	Details     map[string]float64 `json:"details,omitempty"` // of sampling, by the API's names
}

// Person is what somebody decided for themselves.
type Person struct {
	Defaults
	Language string `json:"language,omitempty"` // Discord's name of it; empty follows Discord
	Private  bool   `json:"private,omitempty"`
	Spoiler  bool   `json:"spoiler,omitempty"`
	Share    bool   `json:"share,omitempty"`  // images help research
	NoAlt    bool   `json:"no_alt,omitempty"` // the prompt is not repeated as the image's description
	// AltCaption has alchemists say what the person's images show, in place of the prompt.
	AltCaption bool `json:"alt_caption,omitempty"`
	Mild       bool `json:"mild,omitempty"` // nothing for adults, even where it is allowed

	NoAvatar bool `json:"no_avatar,omitempty"` // nobody else may make anything of their avatar
	Unlisted bool `json:"unlisted,omitempty"`  // leaderboards do not name them
	Public   bool `json:"public,omitempty"`    // everybody may see whose account theirs is
	Strict   bool `json:"strict,omitempty"`    // nobody else may press what makes more of their images

	Prompts Retention `json:"prompts,omitempty"` // how long those of their finished requests are kept

	Adult time.Time `json:"adult,omitzero"` // when they said that they are of age; zero: never

	NoGifts   bool  `json:"no_gifts,omitempty"`   // their reactions give nothing
	GiftLimit int64 `json:"gift_limit,omitempty"` // most kudos a day that their reactions give; 0: no limit of their own

	GiftOne     int64 `json:"gift_one,omitempty"`     // most kudos that one reaction gives; 0: no limit of their own
	GiftConfirm int64 `json:"gift_confirm,omitempty"` // gifts by command above it are asked back; 0: above the usual

	NoticeGifts Notice `json:"notice_gifts,omitempty"`
	QuietJobs   bool   `json:"quiet_jobs,omitempty"` // no message when something that took long is done
	TellRoles   bool   `json:"tell_roles,omitempty"` // a message when they are given a role, or it is taken back
	QuietParty  bool   `json:"quiet_party,omitempty"`

	Agreed time.Time `json:"agreed,omitzero"` // when they opened their account by the panel
}

// Preset is a set of parameters under a name.
type Preset struct {
	Name  string    `json:"name"`
	Made  time.Time `json:"made"`
	From  string    `json:"from,omitempty"`   // who shared it
	Share bool      `json:"shared,omitempty"` // anybody may copy it
	Defaults
}

// Link makes a person act for an account that they showed the API key of. The key itself is not kept; Mark is a short
// fingerprint of its hash, so that the link ends when the key is replaced. Next is that of a key which is about to replace
// it at the person's own wish; until that is known to have happened, both count.
type Link struct {
	User int64     `json:"user"`
	Mark string    `json:"mark"`
	Next string    `json:"next,omitempty"`
	At   time.Time `json:"at"`
}

// KeyMade tells when somebody last had a key made.
type KeyMade struct {
	At time.Time `json:"at"`
}

// LeftGuild is a guild that the bot is not in any more.
type LeftGuild struct {
	At time.Time `json:"at"`
}

// Greeting is the one message that a guild gets which the bot was added to.
type Greeting struct {
	Channel string    `json:"channel,omitempty"` // where the guild wants such messages
	Locale  string    `json:"locale,omitempty"`
	Name    string    `json:"name"`
	Sent    time.Time `json:"sent,omitzero"` // noted before it is sent: nobody is greeted twice
	Tries   int       `json:"tries,omitempty"`
}

// Farewell is an account that its person wants to be deleted.
type Farewell struct {
	Person  string    `json:"person"`
	User    int64     `json:"user"`
	Asked   time.Time `json:"asked"`
	Deleted bool      `json:"deleted,omitempty"` // and only to be wiped
}

// Fuse is a private message that goes after a while. Sealed is its interaction's token, encrypted for the fuse's key.
type Fuse struct {
	App     string    `json:"app"`
	Channel string    `json:"channel"`
	Message string    `json:"message"`
	Sealed  []byte    `json:"sealed"`
	Ends    time.Time `json:"ends"`
}
