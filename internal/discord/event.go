package discord

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// InteractionType says what a person did.
type InteractionType int

// The kinds of interactions that reach handlers; the numbers are Discord's.
const (
	CommandRun      InteractionType = 2
	ComponentPress  InteractionType = 3
	CommandComplete InteractionType = 4 // autocomplete
	ModalSubmit     InteractionType = 5
)

// The places of an interaction, as Interaction.Context has them; the numbers are Discord's.
const (
	InGuild    = 0
	WithBot    = 1 // direct messages with the bot
	WithOthers = 2 // other direct messages, where a person brought the bot along
)

// DefaultAttachmentLimit is the upload limit per file, in bytes, when an interaction does not name one.
const DefaultAttachmentLimit = 10 << 20

// Permissions is the bit set of what a member may do in a channel.
type Permissions uint64

// The permissions handlers ask for; the numbers are Discord's.
const (
	KickMembers    Permissions = 1 << 1
	BanMembers     Permissions = 1 << 2
	Administrator  Permissions = 1 << 3
	ManageChannels Permissions = 1 << 4
	ManageGuild    Permissions = 1 << 5
	ViewChannel    Permissions = 1 << 10
	SendMessages   Permissions = 1 << 11
	ManageMessages Permissions = 1 << 13
	AttachFiles    Permissions = 1 << 15
	ReadHistory    Permissions = 1 << 16
	MentionAll     Permissions = 1 << 17
	MuteMembers    Permissions = 1 << 22
	MoveMembers    Permissions = 1 << 24
	ManageNames    Permissions = 1 << 27
	ManageRoles    Permissions = 1 << 28
	ManageWebhooks Permissions = 1 << 29
	ManageEmoji    Permissions = 1 << 30
	ManageThreads  Permissions = 1 << 34
	CreateThreads  Permissions = 1 << 35 // public ones
	SendInThreads  Permissions = 1 << 38
	TimeoutMembers Permissions = 1 << 40

	PinMessages       Permissions = 1 << 51
	CreateExpressions Permissions = 1 << 43 // emoji of the guild, and remove those that one made oneself
)

// Has reports whether every bit of want is set. An administrator has them all.
func (p Permissions) Has(want Permissions) bool {
	return p&Administrator != 0 || p&want == want
}

// User is a Discord account.
type User struct {
	ID         string `json:"id"`
	Username   string `json:"username"`
	GlobalName string `json:"global_name"`
	Bot        bool   `json:"bot"`
	Avatar     string `json:"avatar"` // hash of the picture; empty for a standard one
	Locale     string `json:"-"`      // of the interaction, such as "en-US"; empty elsewhere
}

// DisplayName is the name to show: the global name, or the user name without one.
func (u User) DisplayName() string {
	if u.GlobalName != "" {
		return u.GlobalName
	}
	return u.Username
}

// Attachment is a file that a person uploaded with a command. URL expires within a day; see Bot.Download.
type Attachment struct {
	ID          string `json:"id"`
	Filename    string `json:"filename"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size"`
	URL         string `json:"url"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Description string `json:"description"` // alt text
}

// Interaction is one thing a person did with the bot. Exactly one of Command, Component and Modal is meaningful, as Type
// says. Fields that Discord left out are empty: GuildID in direct messages, for example.
type Interaction struct {
	ID    string
	AppID string
	Token string // a secret: whoever has it can answer for the bot
	Type  InteractionType

	GuildID       string
	ChannelID     string
	ChannelNSFW   bool // the age restriction of the channel itself; a thread's parent is not looked at
	ChannelParent string
	ChannelType   int    // Discord's number; see Threaded
	Locale        string // of the person, such as "en-US"
	GuildLocale   string // the guild's own; empty in direct messages

	// Context says where the interaction happened: InGuild, WithBot or WithOthers.
	Context int
	// GuildInstalled reports whether the guild itself has the app, and not only the person.
	GuildInstalled bool

	User                User
	MemberPermissions   Permissions // of the person in this channel; 0 in direct messages
	MemberRoles         []string
	AppPermissions      Permissions // of the bot in this channel
	AttachmentSizeLimit int64       // bytes per file

	Command   Command
	Component Component
	Modal     ModalValues

	Received time.Time // when the event arrived here
	Created  time.Time // when Discord made the interaction, from its id; Received when the clocks disagree
}

// Threaded reports whether the channel is a thread or a forum's post; ChannelParent is then what it belongs to. The parent
// of another channel is its category.
func (in *Interaction) Threaded() bool { return in.ChannelType >= 10 && in.ChannelType <= 12 }

// Command is what a person typed, for CommandRun and CommandComplete.
type Command struct {
	ID       string
	Name     string
	Path     string // the name with sub-command group and sub-command, separated by spaces: "kudos gift"
	Options  OptionValues
	Focused  string // CommandComplete: the option being typed
	TargetID string // the user or message of a context menu command
	// TargetUser and TargetMessage are what a context menu command was called on.
	TargetUser    User
	TargetMessage FetchedMessage
}

// Component is a pressed button or a changed select, for ComponentPress.
type Component struct {
	CustomID  string
	ID        CustomID // CustomID parsed; zero when it is not one of ours
	Values    []string // what was selected
	MessageID string   // the message with the component
}

// ModalValues is a submitted form, for ModalSubmit.
type ModalValues struct {
	CustomID  string
	ID        CustomID // CustomID parsed; zero when it is not one of ours
	Values    map[string]string
	Files     map[string][]Attachment // what was uploaded, by field
	MessageID string                  // the message whose component opened the form, if one did
}

// OptionValues holds the options given with a command by name.
type OptionValues map[string]OptionValue

// OptionValue is one option given with a command. It was typed by a person: a value of an option with autocomplete is
// free text, whatever was suggested.
type OptionValue struct {
	Type  OptionType
	Value any // string, float64 or bool, as JSON has it

	user       User
	attachment Attachment
	role       Role
	channel    Channel
}

// Has reports whether the option was given.
func (o OptionValues) Has(name string) bool { _, ok := o[name]; return ok }

// String returns the text of an option, or "" when it was not given. For users, channels, roles and attachments it is
// their id.
func (o OptionValues) String(name string) string {
	switch v := o[name].Value.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// Int returns the integer value of an option, or fallback when it was not given or is no integer.
func (o OptionValues) Int(name string, fallback int64) int64 {
	switch v := o[name].Value.(type) {
	case float64:
		if v >= -1<<53 && v <= 1<<53 {
			return int64(v)
		}
	case string: // a half typed integer during autocomplete
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return n
		}
	}
	return fallback
}

// Number returns the numeric value of an option, or fallback when it was not given or is no number.
func (o OptionValues) Number(name string, fallback float64) float64 {
	if v, ok := o[name].Value.(float64); ok {
		return v
	}
	return fallback
}

// Bool returns the truth value of an option, or fallback when it was not given.
func (o OptionValues) Bool(name string, fallback bool) bool {
	if v, ok := o[name].Value.(bool); ok {
		return v
	}
	return fallback
}

// User returns the person an option names. Its name is known only when Discord sent it along; the id always is.
func (o OptionValues) User(name string) (User, bool) {
	v, ok := o[name]
	return v.user, ok && v.user.ID != ""
}

// Attachment returns the file given for an option.
func (o OptionValues) Attachment(name string) (Attachment, bool) {
	v, ok := o[name]
	return v.attachment, ok && v.attachment.ID != ""
}

// Role returns the role chosen for an option.
func (o OptionValues) Role(name string) (Role, bool) {
	v, ok := o[name]
	return v.role, ok && v.role.ID != ""
}

// Channel returns the channel chosen for an option.
func (o OptionValues) Channel(name string) (Channel, bool) {
	v, ok := o[name]
	return v.channel, ok && v.channel.ID != ""
}

// Role is a role of a guild.
type Role struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Position    int    `json:"position"`
	Permissions string `json:"permissions"`
	Managed     bool   `json:"managed"` // by an integration: nobody can give it
}

// Grants is what members with the role may do.
func (r Role) Grants() Permissions { return parsePermissions(r.Permissions) }

// Channel is a channel or thread.
type Channel struct {
	ID       string `json:"id"`
	Type     int    `json:"type"`
	Name     string `json:"name"`
	NSFW     bool   `json:"nsfw"`
	ParentID string `json:"parent_id"`
	GuildID  string `json:"guild_id"`

	Overwrites []Overwrite `json:"permission_overwrites"` // of threads, their parent's count
}

// Threaded reports whether the channel is a thread or a forum's post.
func (c Channel) Threaded() bool { return c.Type >= 10 && c.Type <= 12 }

// Overwrite changes what a role (Type 0) or a member (Type 1) may do in a channel.
type Overwrite struct {
	ID    string `json:"id"`
	Type  int    `json:"type"`
	Allow string `json:"allow"`
	Deny  string `json:"deny"`
}

// MemberPermissions is what a member with some roles may do in a channel, as Discord counts it: the roles of the guild, of
// which that of everybody has the guild's own ID, then the channel's overwrites for everybody, for the roles and for the
// member.
func MemberPermissions(guild GuildInfo, channel Channel, memberID string, roles []string) Permissions {
	var p Permissions
	for _, r := range guild.Roles {
		if r.ID == guild.ID || slices.Contains(roles, r.ID) {
			p |= r.Grants()
		}
	}
	if guild.OwnerID == memberID {
		return ^Permissions(0)
	}
	if p&Administrator != 0 {
		return ^Permissions(0)
	}
	apply := func(is func(Overwrite) bool) {
		var allow, deny Permissions
		for _, o := range channel.Overwrites {
			if is(o) {
				allow, deny = allow|parsePermissions(o.Allow), deny|parsePermissions(o.Deny)
			}
		}
		p = p&^deny | allow
	}
	apply(func(o Overwrite) bool { return o.Type == 0 && o.ID == guild.ID })
	apply(func(o Overwrite) bool { return o.Type == 0 && o.ID != guild.ID && slices.Contains(roles, o.ID) })
	apply(func(o Overwrite) bool { return o.Type == 1 && o.ID == memberID })
	return p
}

// Emoji names an emoji: a Unicode one has only a Name, a guild's own has an ID too.
type Emoji struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// APIName is the emoji as routes and configuration write it: the character itself, or name:id.
func (e Emoji) APIName() string {
	if e.ID == "" {
		return e.Name
	}
	return e.Name + ":" + e.ID
}

// ReactionAdd says that somebody reacted to a message. GuildID is empty in direct messages. MessageAuthorID is empty when
// Discord does not name the author; Bot.FetchMessage finds it. UserBot is known in guilds only.
type ReactionAdd struct {
	GuildID, ChannelID, MessageID, UserID string
	Emoji                                 Emoji
	MessageAuthorID                       string
	UserBot                               bool
	UserName                              string // display name, known in guilds only
	MemberRoles                           []string
	Received                              time.Time
}

// ReactionRemove says that somebody took a reaction back.
type ReactionRemove struct {
	GuildID, ChannelID, MessageID, UserID string
	Emoji                                 Emoji
	Received                              time.Time
}

// discordEpoch is the first millisecond that a snowflake can name.
const discordEpoch = 1420070400000

// Made is when an account, a message or anything else with an ID was made; the zero time if it is no ID.
func Made(id string) time.Time { return snowflakeTime(id) }

// snowflakeTime returns when an id was made; the zero time if s is no snowflake.
func snowflakeTime(s string) time.Time {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(n>>22) + discordEpoch)
}

type wireInteraction struct {
	ID        string `json:"id"`
	AppID     string `json:"application_id"`
	Type      int    `json:"type"`
	Token     string `json:"token"`
	GuildID   string `json:"guild_id"`
	ChannelID string `json:"channel_id"`
	Channel   *struct {
		ID       string `json:"id"`
		Type     int    `json:"type"`
		NSFW     bool   `json:"nsfw"`
		ParentID string `json:"parent_id"`
	} `json:"channel"`
	Member *struct {
		User        *User    `json:"user"`
		Roles       []string `json:"roles"`
		Permissions string   `json:"permissions"`
	} `json:"member"`
	User           *User           `json:"user"`
	Locale         string          `json:"locale"`
	GuildLocale    string          `json:"guild_locale"`
	Context        *int            `json:"context"`
	Owners         map[string]any  `json:"authorizing_integration_owners"` // by kind of installation; "0" is the guild's
	AppPermissions string          `json:"app_permissions"`
	AttachmentSize int64           `json:"attachment_size_limit"`
	Data           json.RawMessage `json:"data"`
	Message        *struct {
		ID        string `json:"id"`
		ChannelID string `json:"channel_id"`
	} `json:"message"`
}

type wireOption struct {
	Name    string       `json:"name"`
	Type    OptionType   `json:"type"`
	Value   any          `json:"value"`
	Options []wireOption `json:"options"`
	Focused bool         `json:"focused"`
}

type wireData struct {
	ID         any             `json:"id"` // text for commands, a number for components
	Name       string          `json:"name"`
	TargetID   string          `json:"target_id"`
	Options    []wireOption    `json:"options"`
	CustomID   string          `json:"custom_id"`
	Values     []string        `json:"values"`
	Components json.RawMessage `json:"components"`
	Type       int             `json:"type"`
	Resolved   struct {
		Users       map[string]User           `json:"users"`
		Attachments map[string]Attachment     `json:"attachments"`
		Roles       map[string]Role           `json:"roles"`
		Channels    map[string]Channel        `json:"channels"`
		Messages    map[string]FetchedMessage `json:"messages"`
	} `json:"resolved"`
}

// decodeInteraction reads the event. With an error it still returns what is needed to answer the person, unless id and
// token are missing.
func decodeInteraction(raw []byte, received time.Time) (*Interaction, error) {
	var w wireInteraction
	if err := json.Unmarshal(raw, &w); err != nil && (w.ID == "" || w.Token == "") {
		return nil, fmt.Errorf("decode interaction: %w", err)
	}
	if w.ID == "" || w.Token == "" {
		return nil, errors.New("decode interaction: no id or no token")
	}
	in := &Interaction{
		ID: w.ID, AppID: w.AppID, Token: w.Token, Type: InteractionType(w.Type),
		GuildID: w.GuildID, ChannelID: w.ChannelID, Locale: w.Locale, GuildLocale: w.GuildLocale, Context: WithBot,
		AppPermissions: parsePermissions(w.AppPermissions), AttachmentSizeLimit: w.AttachmentSize,
		Received: received, Created: received,
	}
	if age := received.Sub(snowflakeTime(w.ID)); age > 0 && age < maxClockSkew {
		in.Created = received.Add(-age)
	}
	if in.AttachmentSizeLimit <= 0 {
		in.AttachmentSizeLimit = DefaultAttachmentLimit
	}
	switch {
	case w.Context != nil:
		in.Context = *w.Context
	case w.GuildID != "":
		in.Context = InGuild
	}
	_, installed := w.Owners["0"]
	in.GuildInstalled = w.GuildID != "" && (installed || w.Owners == nil)
	if w.Channel != nil {
		in.ChannelNSFW, in.ChannelParent, in.ChannelType = w.Channel.NSFW, w.Channel.ParentID, w.Channel.Type
		if in.ChannelID == "" {
			in.ChannelID = w.Channel.ID
		}
	}
	switch {
	case w.Member != nil && w.Member.User != nil:
		in.User, in.MemberRoles = *w.Member.User, w.Member.Roles
		in.MemberPermissions = parsePermissions(w.Member.Permissions)
	case w.User != nil:
		in.User = *w.User
	default:
		return in, fmt.Errorf("decode interaction %s: nobody did it", w.ID)
	}
	in.User.Locale = w.Locale

	var d wireData
	if len(w.Data) > 0 {
		if err := json.Unmarshal(w.Data, &d); err != nil {
			return in, fmt.Errorf("decode data of interaction %s: %w", w.ID, err)
		}
	}
	message := ""
	if w.Message != nil {
		message = w.Message.ID
	}
	switch in.Type {
	case CommandRun, CommandComplete:
		in.Command = decodeCommand(d)
	case ComponentPress:
		in.Component = Component{CustomID: d.CustomID, Values: d.Values, MessageID: message}
		in.Component.ID, _ = ParseCustomID(d.CustomID)
	case ModalSubmit:
		in.Modal = ModalValues{CustomID: d.CustomID, Values: map[string]string{}, MessageID: message}
		in.Modal.ID, _ = ParseCustomID(d.CustomID)
		collectInputs(d.Components, in.Modal.Values, 0)
		in.Modal.Files = uploaded(in.Modal.Values, d.Resolved.Attachments)
	default:
		return in, fmt.Errorf("interaction %s has unknown type %d", w.ID, w.Type)
	}
	return in, nil
}

func decodeCommand(d wireData) Command {
	c := Command{Name: d.Name, Path: d.Name, TargetID: d.TargetID, Options: OptionValues{}}
	c.ID, _ = d.ID.(string)
	switch kind := MenuKind(d.Type); kind {
	case UserMenu:
		c.Path = MenuPath(kind, d.Name)
		c.TargetUser = d.Resolved.Users[d.TargetID]
		c.TargetUser.ID = d.TargetID
	case MessageMenu:
		c.Path = MenuPath(kind, d.Name)
		c.TargetMessage = d.Resolved.Messages[d.TargetID]
		c.TargetMessage.ID = d.TargetID
	}
	options := d.Options
	for len(options) == 1 && (options[0].Type == optionSubcommand || options[0].Type == optionGroup) {
		c.Path += " " + options[0].Name
		options = options[0].Options
	}
	for _, o := range options {
		v := OptionValue{Type: o.Type, Value: o.Value}
		if id, ok := o.Value.(string); ok {
			switch o.Type {
			case OptionUser:
				v.user = d.Resolved.Users[id]
				v.user.ID = id
			case OptionAttachment:
				v.attachment = d.Resolved.Attachments[id]
			case OptionRole:
				v.role = d.Resolved.Roles[id]
				v.role.ID = id
			case OptionChannel:
				v.channel = d.Resolved.Channels[id]
				v.channel.ID = id
			default: // the value says it all
			}
		}
		c.Options[o.Name] = v
		if o.Focused {
			c.Focused = o.Name
		}
	}
	return c
}

// maxComponentDepth bounds the walk through nested components: rows and labels nest once, nothing known nests deeper than three.
const maxComponentDepth = 8

// collectInputs gathers the values of all inputs, however Discord nests them and whatever types it invents.
func collectInputs(raw json.RawMessage, into map[string]string, depth int) {
	if depth > maxComponentDepth || len(raw) == 0 {
		return
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	for _, item := range list {
		var c struct {
			CustomID   string          `json:"custom_id"`
			Value      any             `json:"value"`
			Values     []string        `json:"values"`
			Component  json.RawMessage `json:"component"`
			Components json.RawMessage `json:"components"`
		}
		if json.Unmarshal(item, &c) != nil {
			continue
		}
		if c.CustomID != "" {
			switch v := c.Value.(type) {
			case string:
				into[c.CustomID] = v
			case nil:
				into[c.CustomID] = strings.Join(c.Values, ",")
			default:
				into[c.CustomID] = fmt.Sprint(v)
			}
		}
		collectInputs(c.Component, into, depth+1)
		collectInputs(c.Components, into, depth+1)
	}
}

// uploaded finds the fields whose values are files.
func uploaded(values map[string]string, files map[string]Attachment) map[string][]Attachment {
	out := map[string][]Attachment{}
	for field, ids := range values {
		for id := range strings.SplitSeq(ids, ",") {
			if a, ok := files[id]; ok {
				out[field] = append(out[field], a)
			}
		}
	}
	return out
}

func parsePermissions(s string) Permissions {
	n, _ := strconv.ParseUint(s, 10, 64) // nothing allowed when unreadable
	return Permissions(n)
}

type wireReaction struct {
	UserID    string `json:"user_id"`
	ChannelID string `json:"channel_id"`
	MessageID string `json:"message_id"`
	GuildID   string `json:"guild_id"`
	Emoji     Emoji  `json:"emoji"`
	AuthorID  string `json:"message_author_id"`
	Member    *struct {
		Nick  string   `json:"nick"`
		User  *User    `json:"user"`
		Roles []string `json:"roles"`
	} `json:"member"`
}

func decodeReaction(raw []byte) (wireReaction, error) {
	var w wireReaction
	if err := json.Unmarshal(raw, &w); err != nil {
		return w, fmt.Errorf("decode reaction: %w", err)
	}
	if w.UserID == "" || w.MessageID == "" || w.Emoji.ID+w.Emoji.Name == "" {
		return w, errors.New("decode reaction: no user, message or emoji")
	}
	return w, nil
}

func (w wireReaction) added(received time.Time) ReactionAdd {
	ev := ReactionAdd{
		GuildID: w.GuildID, ChannelID: w.ChannelID, MessageID: w.MessageID, UserID: w.UserID,
		Emoji: w.Emoji, MessageAuthorID: w.AuthorID, Received: received,
	}
	if w.Member != nil && w.Member.User != nil {
		ev.UserBot, ev.UserName = w.Member.User.Bot, w.Member.User.DisplayName()
		ev.MemberRoles = w.Member.Roles
		if w.Member.Nick != "" {
			ev.UserName = w.Member.Nick
		}
	}
	return ev
}

func (w wireReaction) removed(received time.Time) ReactionRemove {
	return ReactionRemove{
		GuildID: w.GuildID, ChannelID: w.ChannelID, MessageID: w.MessageID, UserID: w.UserID,
		Emoji: w.Emoji, Received: received,
	}
}
