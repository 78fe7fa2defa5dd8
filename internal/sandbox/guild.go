package sandbox

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Channel types.
const (
	channelText   = 0
	channelDM     = 1
	channelThread = 11
	channelForum  = 15
)

// person is an account of the world.
type person struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Name     string `json:"name"`
	Bot      bool   `json:"bot,omitempty"`
	Locale   string `json:"locale"`           // of the person's client
	NoDMs    bool   `json:"no_dms,omitempty"` // takes no direct messages
}

// guild is a community. Server.mu guards it.
type guild struct {
	ID       string             `json:"id"`
	Name     string             `json:"name"`
	Owner    string             `json:"owner"`
	Locale   string             `json:"locale"`
	Level    int                `json:"nsfw_level"`
	Channels []*channel         `json:"channels"`
	Roles    []*role            `json:"roles"`
	Members  map[string]*member `json:"members"`
	Emojis   []*guildEmoji      `json:"emojis,omitempty"`
	System   string             `json:"system,omitempty"`  // channel that Discord writes into
	Inviter  string             `json:"inviter,omitempty"` // who added the bot
	Joined   time.Time          `json:"joined,omitzero"`   // when the bot was added; zero: before there was a sandbox
}

// channel is a text channel, a forum, or a thread with a parent.
type channel struct {
	ID     string `json:"id"`
	Type   int    `json:"type"`
	Name   string `json:"name"`
	NSFW   bool   `json:"nsfw,omitempty"`
	Parent string `json:"parent,omitempty"`
}

// role is a role of a guild; a higher position is mightier.
type role struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Position    int    `json:"position"`
	Permissions int64  `json:"permissions"`
	Managed     bool   `json:"managed,omitempty"`
}

// member is a person in a guild.
type member struct {
	Roles []string `json:"roles"`
	Nick  string   `json:"nick,omitempty"`
}

// defaultPeople are the accounts of a new world.
func defaultPeople() []*person {
	return []*person{
		{ID: BotID, Username: "stablemate", Name: "Stablemate", Bot: true, Locale: defaultLocale},
		{ID: Newcomer, Username: "newcomer", Name: "Newcomer", Locale: defaultLocale},
		{ID: Friend, Username: "friend", Name: "Friend", Locale: defaultLocale},
		{ID: Admin, Username: "admin", Name: "Admin", Locale: defaultLocale},
	}
}

const defaultLocale = "en-US"

// defaultGuilds are the communities of a new world. Everybody is in the first one; Friend is not in the second.
func defaultGuilds() []*guild {
	return []*guild{
		{
			ID: GuildID, Name: guildName, Owner: Admin, Locale: defaultLocale,
			Channels: []*channel{
				{ID: ChannelID, Type: channelText, Name: "stable"},
				{ID: ThreadID, Type: channelThread, Name: "foals", Parent: ChannelID},
				{ID: AdultChannelID, Type: channelText, Name: "after-dark", NSFW: true},
				{ID: AdultThreadID, Type: channelThread, Name: "moonlight", Parent: AdultChannelID},
				{ID: ForumID, Type: channelForum, Name: "showroom"},
				{ID: ForumPostID, Type: channelThread, Name: "best in show", Parent: ForumID},
			},
			Roles: []*role{
				{ID: GuildID, Name: "@everyone", Permissions: permMember},
				{ID: RoleTrusted, Name: "Trusted", Position: 1},
				{ID: RoleWorker, Name: "Worker", Position: 2},
				{ID: RoleBooster, Name: "Booster", Position: 3, Managed: true},
				{ID: RoleBot, Name: "Stablemate", Position: 4, Permissions: permBot, Managed: true},
				{ID: RoleAdmin, Name: "Admin", Position: 5, Permissions: permAdministrator},
			},
			Members: map[string]*member{
				BotID: {Roles: []string{RoleBot}}, Admin: {Roles: []string{RoleAdmin}}, Newcomer: {}, Friend: {},
			},
		},
		{
			ID: OtherGuildID, Name: "The Paddock", Owner: Admin, Locale: "de",
			Channels: []*channel{{ID: OtherChannelID, Type: channelText, Name: "paddock"}},
			Roles: []*role{
				{ID: OtherGuildID, Name: "@everyone", Permissions: permMember},
				{ID: OtherRole, Name: "Rider", Position: 1},
				{ID: otherBotRole, Name: "Stablemate", Position: 2, Permissions: permBot, Managed: true},
				{ID: otherAdminRole, Name: "Owner", Position: 3, Permissions: permAdministrator},
			},
			Members: map[string]*member{
				BotID: {Roles: []string{otherBotRole}}, Admin: {Roles: []string{otherAdminRole}}, Newcomer: {},
			},
		},
	}
}

// complete adds what a world written by an older version lacks, and what is not written at all.
func (w *world) complete() {
	for _, p := range defaultPeople() {
		if !slices.ContainsFunc(w.People, func(q *person) bool { return q.ID == p.ID }) {
			w.People = append(w.People, p)
		}
	}
	for _, g := range defaultGuilds() {
		if slices.ContainsFunc(w.Guilds, func(o *guild) bool { return o.ID == g.ID }) {
			continue
		}
		w.Guilds = append(w.Guilds, g)
		if g.ID != GuildID {
			continue
		}
		for id, roles := range w.MemberRoles { // of a world with one guild
			if m := g.Members[id]; m != nil {
				m.Roles = roles
			}
		}
	}
	w.MemberRoles = nil
	slices.SortStableFunc(w.Guilds, func(a, b *guild) int { return cmp.Compare(a.ID, b.ID) })
	w.byPerson, w.byGuild, w.byChannel = map[string]*person{}, map[string]*guild{}, map[string]*guild{}
	w.byToken = map[string]*interaction{}
	for _, p := range w.People {
		w.byPerson[p.ID] = p
	}
	for _, g := range w.Guilds {
		w.index(g)
	}
	w.order = slices.Sorted(maps.Keys(w.Interactions))
	for _, it := range w.Interactions {
		w.byToken[it.Token] = it
	}
}

func (w *world) index(g *guild) {
	w.byGuild[g.ID] = g
	for _, c := range g.Channels {
		w.byChannel[c.ID] = g
	}
}

func (w *world) person(id string) (person, bool) {
	if p := w.byPerson[id]; p != nil {
		return *p, true
	}
	return person{}, false
}

// guild returns a guild that the bot is in, or nil: to it, others do not exist.
func (w *world) guild(id string) *guild {
	if g := w.byGuild[id]; g != nil && g.Members[BotID] != nil {
		return g
	}
	return nil
}

func (g *guild) channel(id string) *channel {
	for _, c := range g.Channels {
		if c.ID == id {
			return c
		}
	}
	return nil
}

func (g *guild) role(id string) *role {
	for _, r := range g.Roles {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// highest is the position of a member's mightiest role.
func (g *guild) highest(userID string) int {
	top := 0
	if m := g.Members[userID]; m != nil {
		for _, id := range m.Roles {
			if r := g.role(id); r != nil {
				top = max(top, r.Position)
			}
		}
	}
	return top
}

// permissions is what a member may do.
func (g *guild) permissions(userID string) int64 {
	if g.Owner == userID {
		return permAll
	}
	all := int64(0)
	if r := g.role(g.ID); r != nil {
		all = r.Permissions
	}
	if m := g.Members[userID]; m != nil {
		for _, id := range m.Roles {
			if r := g.role(id); r != nil {
				all |= r.Permissions
			}
		}
	}
	if all&permAdministrator != 0 {
		return permAll
	}
	return all
}

// permissions is what a person may do in a channel, as the API writes it.
func (w *world) permissions(userID, channelID string) string {
	bits := int64(permMember)
	if g := w.byChannel[channelID]; g != nil {
		bits = g.permissions(userID)
	} else if userID == BotID {
		bits = permBot
	}
	return strconv.FormatInt(bits, 10)
}

// permitted reports whether a person may use what needs some permissions; "0" is for administrators alone.
func (w *world) permitted(userID, channelID, bits string) bool {
	g := w.byChannel[channelID]
	want, err := strconv.ParseInt(bits, 10, 64)
	if g == nil {
		return true // there is nobody to administer direct messages
	}
	has := g.permissions(userID)
	if err != nil || want == 0 {
		return has == permAll
	}
	return has&want == want
}

// DMChannel returns the id of the direct message channel between a person and the bot.
func DMChannel(userID string) string {
	if len(userID) < 2 {
		return ""
	}
	return "12" + userID[2:]
}

// dmUser returns who talks to the bot in a direct message channel.
func (w *world) dmUser(channelID string) (string, bool) {
	if len(channelID) < 2 || channelID[:2] != "12" {
		return "", false
	}
	p := w.byPerson["11"+channelID[2:]]
	if p == nil || p.Bot {
		return "", false
	}
	return p.ID, true
}

// guildOf returns the guild of a channel, and whether the channel exists; direct messages have no guild.
func (w *world) guildOf(channelID string) (guild string, ok bool) {
	if g := w.byChannel[channelID]; g != nil {
		return g.ID, true
	}
	_, ok = w.dmUser(channelID)
	return "", ok
}

// restricted reports whether a channel, or the parent of a thread, or its guild is age-restricted.
func (w *world) restricted(channelID string) bool {
	g := w.byChannel[channelID]
	if g == nil {
		return false
	}
	c := g.channel(channelID)
	if p := g.channel(c.Parent); p != nil && p.NSFW {
		return true
	}
	return c.NSFW || g.Level == 1 || g.Level == 3
}

// reaches reports whether the bot can see a channel.
func (w *world) reaches(channelID string) bool {
	id, ok := w.guildOf(channelID)
	return ok && (id == "" || w.guild(id) != nil)
}

func (p person) api() obj {
	return obj{
		"id": p.ID, "username": p.Username, "global_name": p.Name, "discriminator": "0", "avatar": nil, "bot": p.Bot,
		"system": false, "public_flags": 0, "flags": 0, "primary_guild": nil, "banner": nil, "accent_color": nil,
		"avatar_decoration_data": nil, "collectibles": nil, "clan": nil, "display_name_styles": nil,
	}
}

// member is a guild member as the API shows it.
func (w *world) member(g *guild, p person, joined time.Time) obj {
	ids := []string{}
	var nick any
	if m := g.Members[p.ID]; m != nil {
		ids = append(ids, m.Roles...)
		if m.Nick != "" {
			nick = m.Nick
		}
	}
	return obj{
		"user": p.api(), "nick": nick, "avatar": nil, "banner": nil, "roles": ids, "joined_at": stamp(joined), "deaf": false,
		"mute": false, "flags": 0, "pending": false, "premium_since": nil, "communication_disabled_until": nil,
	}
}

// resolvedMember is a member inside an interaction: without the user, with permissions.
func (s *Server) resolvedMember(p person, channelID string) obj {
	g := s.w.byChannel[channelID]
	if g == nil || g.Members[p.ID] == nil {
		return nil
	}
	m := s.w.member(g, p, s.started)
	delete(m, "user")
	m["permissions"] = s.w.permissions(p.ID, channelID)
	return m
}

func (r *role) api() obj {
	return obj{
		"id": r.ID, "name": r.Name, "color": 0, "colors": obj{"primary_color": 0, "secondary_color": nil, "tertiary_color": nil},
		"hoist": false, "icon": nil, "unicode_emoji": nil, "position": r.Position, "flags": 0, "managed": r.Managed,
		"permissions": strconv.FormatInt(r.Permissions, 10), "mentionable": false, "description": nil,
	}
}

func (w *world) channelAPI(id string) obj {
	g := w.byChannel[id]
	if g == nil {
		user, _ := w.dmUser(id)
		p, _ := w.person(user)
		return obj{"id": id, "type": channelDM, "flags": 0, "last_message_id": nil, "recipients": []any{p.api()}}
	}
	return g.channelAPI(g.channel(id))
}

func (g *guild) channelAPI(c *channel) obj {
	out := obj{
		"id": c.ID, "type": c.Type, "guild_id": g.ID, "name": c.Name, "flags": 0, "parent_id": nil, "last_message_id": nil,
		"rate_limit_per_user": 0,
	}
	if c.Parent != "" {
		out["parent_id"] = c.Parent
	}
	switch c.Type {
	case channelThread: // threads do not say whether they are age-restricted: their parent does
		out["owner_id"], out["message_count"], out["member_count"], out["total_message_sent"] = g.Owner, 0, 1, 0
		out["thread_metadata"] = obj{
			"archived": false, "archive_timestamp": nil, "auto_archive_duration": 1440, "locked": false,
		}
	default:
		out["position"], out["topic"], out["nsfw"], out["permission_overwrites"] = 0, nil, c.NSFW, []any{}
		if c.Type == channelForum {
			out["available_tags"], out["default_reaction_emoji"] = []any{}, nil
			out["default_sort_order"], out["default_forum_layout"] = nil, 0
		}
	}
	return out
}

func (g *guild) api() obj {
	list := []any{}
	for _, r := range g.Roles {
		list = append(list, r.api())
	}
	emojis := []any{}
	for _, e := range g.Emojis {
		emojis = append(emojis, e.api())
	}
	return obj{
		"id": g.ID, "name": g.Name, "icon": nil, "owner_id": g.Owner, "description": nil, "home_header": nil, "splash": nil,
		"discovery_splash": nil, "features": []any{}, "banner": nil, "application_id": nil, "region": "local",
		"afk_channel_id": nil, "afk_timeout": 300, "system_channel_id": orNil(g.System), "system_channel_flags": 0, "widget_enabled": false,
		"widget_channel_id": nil, "verification_level": 0, "roles": list, "default_message_notifications": 0, "mfa_level": 0,
		"explicit_content_filter": 0, "max_presences": nil, "max_members": 1000, "max_stage_video_channel_users": 0,
		"max_video_channel_users": 0, "vanity_url_code": nil, "premium_tier": 0, "premium_subscription_count": 0,
		"preferred_locale": g.Locale, "rules_channel_id": nil, "safety_alerts_channel_id": nil, "public_updates_channel_id": nil,
		"premium_progress_bar_enabled": false, "nsfw": g.Level == 1 || g.Level == 3, "nsfw_level": g.Level, "emojis": emojis,
		"stickers": []any{}, "incidents_data": nil, "embed_enabled": false, "embed_channel_id": nil, "hub_type": nil,
	}
}

// orNil is an id, or null.
func orNil(id string) any {
	if id == "" {
		return nil
	}
	return id
}

const guildName = "The Stable"

// stamp formats a time as the API does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000+00:00") }
