package sandbox

import (
	"slices"
	"strconv"
	"time"
)

// The ids of the default world. They never change, so that accounts derived from them survive a restart.
const (
	GuildID   = "110000000000000001"
	ChannelID = "110000000000000002"
	BotID     = "110000000000000010" // the bot's account and its application

	Newcomer = "110000000000000021" // an ordinary member
	Friend   = "110000000000000022" // another ordinary member
	Admin    = "110000000000000023" // an administrator of the guild

	RoleBot     = "110000000000000031" // the bot's own, above the others
	RoleWorker  = "110000000000000032" // the bot may give it
	RoleTrusted = "110000000000000033" // the bot may give it
	RoleAdmin   = "110000000000000034" // above the bot's
)

// Permission bits used here.
const (
	permAdministrator   = 1 << 3
	permAddReactions    = 1 << 6
	permViewChannel     = 1 << 10
	permSendMessages    = 1 << 11
	permManageMessages  = 1 << 13
	permEmbedLinks      = 1 << 14
	permAttachFiles     = 1 << 15
	permReadHistory     = 1 << 16
	permExternalEmoji   = 1 << 18
	permUseCommands     = 1 << 31
	permManageRoles     = 1 << 28
	permMember          = permAddReactions | permViewChannel | permSendMessages | permEmbedLinks | permAttachFiles | permReadHistory | permExternalEmoji | permUseCommands
	permBot             = permMember | permManageRoles | permManageMessages
	attachmentSizeLimit = 10 << 20
)

// Bounds of what the sandbox remembers.
const (
	maxMessages     = 500       // per channel; older ones are forgotten
	maxFileBytes    = 256 << 20 // of all files; the oldest are forgotten
	maxInteractions = 1000
	maxFindings     = 1000
	maxLog          = 300
	tokenLife       = 15 * time.Minute
)

// obj is a JSON object.
type obj = map[string]any

// person is an account of the world.
type person struct {
	ID, Username, Name string
	Bot, Admin         bool
}

// people returns the accounts. Each call makes a new list.
func people() []person {
	return []person{
		{ID: BotID, Username: "stablemate", Name: "Stablemate", Bot: true},
		{ID: Newcomer, Username: "newcomer", Name: "Newcomer"},
		{ID: Friend, Username: "friend", Name: "Friend"},
		{ID: Admin, Username: "admin", Name: "Admin", Admin: true},
	}
}

func personByID(id string) (person, bool) {
	list := people()
	i := slices.IndexFunc(list, func(p person) bool { return p.ID == id })
	if i < 0 {
		return person{}, false
	}
	return list[i], true
}

// role is a role of the guild; a higher position is mightier.
type role struct {
	ID, Name    string
	Position    int
	Permissions int64
	Managed     bool
}

func roles() []role {
	return []role{
		{ID: GuildID, Name: "@everyone", Permissions: permMember},
		{ID: RoleTrusted, Name: "Trusted", Position: 1},
		{ID: RoleWorker, Name: "Worker", Position: 2},
		{ID: RoleBot, Name: "Stablemate", Position: 3, Permissions: permBot, Managed: true},
		{ID: RoleAdmin, Name: "Admin", Position: 4, Permissions: permAdministrator},
	}
}

// world is everything that is kept, on disk too when Options.DataDir is set. Server.mu guards it.
type world struct {
	LastID       uint64                  `json:"last_id"`
	Token        string                  `json:"token"`
	Messages     map[string][]*message   `json:"messages"` // by channel, oldest first
	Commands     map[string][]*command   `json:"commands"` // by guild, "" for global ones
	Interactions map[string]*interaction `json:"interactions"`
	MemberRoles  map[string][]string     `json:"member_roles"`
}

func newWorld() *world {
	return &world{
		Messages: map[string][]*message{}, Commands: map[string][]*command{}, Interactions: map[string]*interaction{},
		MemberRoles: map[string][]string{BotID: {RoleBot}, Admin: {RoleAdmin}, Newcomer: {}, Friend: {}},
	}
}

const discordEpoch = 1420070400000

// snowflake makes a new id; each is larger than all before.
func (w *world) snowflake(now time.Time) string {
	id := uint64(max(now.UnixMilli()-discordEpoch, 1)) << 22
	w.LastID = max(id, w.LastID+1)
	return strconv.FormatUint(w.LastID, 10)
}

// DMChannel returns the id of the direct message channel between a person and the bot.
func DMChannel(userID string) string {
	if len(userID) < 2 {
		return ""
	}
	return "12" + userID[2:]
}

// dmUser returns who talks to the bot in a direct message channel.
func dmUser(channelID string) (string, bool) {
	for _, p := range people() {
		if !p.Bot && DMChannel(p.ID) == channelID {
			return p.ID, true
		}
	}
	return "", false
}

// guildOf returns the guild of a channel, and whether the channel exists; direct messages have no guild.
func guildOf(channelID string) (guild string, ok bool) {
	if channelID == ChannelID {
		return GuildID, true
	}
	_, ok = dmUser(channelID)
	return "", ok
}

func (p person) api() obj {
	return obj{
		"id": p.ID, "username": p.Username, "global_name": p.Name, "discriminator": "0", "avatar": nil, "bot": p.Bot,
		"system": false, "public_flags": 0, "flags": 0, "primary_guild": nil, "banner": nil, "accent_color": nil,
		"avatar_decoration_data": nil, "collectibles": nil, "clan": nil, "display_name_styles": nil,
	}
}

// member is a guild member as the API shows it.
func (w *world) member(p person, joined time.Time) obj {
	ids := w.MemberRoles[p.ID]
	if ids == nil {
		ids = []string{}
	}
	return obj{
		"user": p.api(), "nick": nil, "avatar": nil, "banner": nil, "roles": ids, "joined_at": stamp(joined), "deaf": false,
		"mute": false, "flags": 0, "pending": false, "premium_since": nil, "communication_disabled_until": nil,
	}
}

func permissionsOf(p person) string {
	switch {
	case p.Bot:
		return strconv.FormatInt(permBot, 10)
	case p.Admin:
		return strconv.FormatInt(permMember|permAdministrator|permManageMessages|permManageRoles|1<<5, 10)
	}
	return strconv.FormatInt(permMember, 10)
}

func (r role) api() obj {
	return obj{
		"id": r.ID, "name": r.Name, "color": 0, "colors": obj{"primary_color": 0, "secondary_color": nil, "tertiary_color": nil},
		"hoist": false, "icon": nil, "unicode_emoji": nil, "position": r.Position, "flags": 0, "managed": r.Managed,
		"permissions": strconv.FormatInt(r.Permissions, 10), "mentionable": false, "description": nil,
	}
}

func channelAPI(id string) obj {
	if user, ok := dmUser(id); ok {
		p, _ := personByID(user)
		return obj{"id": id, "type": 1, "flags": 0, "last_message_id": nil, "recipients": []any{p.api()}}
	}
	return obj{
		"id": id, "type": 0, "guild_id": GuildID, "name": "stable", "position": 0, "topic": nil, "nsfw": false, "flags": 0,
		"parent_id": nil, "last_message_id": nil, "rate_limit_per_user": 0, "permission_overwrites": []any{},
	}
}

func guildAPI() obj {
	list := []any{}
	for _, r := range roles() {
		list = append(list, r.api())
	}
	return obj{
		"id": GuildID, "name": guildName, "icon": nil, "owner_id": Admin, "description": nil, "home_header": nil, "splash": nil,
		"discovery_splash": nil, "features": []any{}, "banner": nil, "application_id": nil, "region": "local",
		"afk_channel_id": nil, "afk_timeout": 300, "system_channel_id": nil, "system_channel_flags": 0, "widget_enabled": false,
		"widget_channel_id": nil, "verification_level": 0, "roles": list, "default_message_notifications": 0, "mfa_level": 0,
		"explicit_content_filter": 0, "max_presences": nil, "max_members": 1000, "max_stage_video_channel_users": 0,
		"max_video_channel_users": 0, "vanity_url_code": nil, "premium_tier": 0, "premium_subscription_count": 0,
		"preferred_locale": "en-US", "rules_channel_id": nil, "safety_alerts_channel_id": nil, "public_updates_channel_id": nil,
		"premium_progress_bar_enabled": false, "nsfw": false, "nsfw_level": 0, "emojis": []any{}, "stickers": []any{},
		"incidents_data": nil, "embed_enabled": false, "embed_channel_id": nil, "hub_type": nil,
	}
}

const guildName = "The Stable"

// stamp formats a time as the API does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000+00:00") }
