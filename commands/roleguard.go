// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"stablemate/internal/discord"
)

// Bounds of what is known about the roles of guilds.
const (
	rolesTime = time.Minute // after which a guild's roles are read again
	maxRoles  = 500         // guilds whose roles are at hand
)

// dangerous are permissions that no rule may hand out.
const dangerous = discord.Administrator | discord.ManageGuild | discord.ManageRoles | discord.ManageChannels | discord.BanMembers |
	discord.KickMembers | discord.ManageWebhooks | discord.ManageMessages | discord.MentionAll | discord.MuteMembers |
	discord.MoveMembers | discord.ManageNames | discord.ManageEmoji | discord.ManageThreads | discord.TimeoutMembers

// guildRoles knows for a while what the roles of guilds allow: a role may become mighty after its rule was made.
type guildRoles struct {
	mu    sync.Mutex // guards known
	known map[string]knownRoles
}

type knownRoles struct {
	guild discord.GuildInfo
	at    time.Time
}

// read asks Discord for a guild with its roles, once in a while.
func (g *guildRoles) read(ctx context.Context, bot *discord.Bot, guild string, now time.Time) (discord.GuildInfo, error) {
	g.mu.Lock()
	k, ok := g.known[guild]
	g.mu.Unlock()
	if ok && now.Sub(k.at) < rolesTime && !now.Before(k.at) {
		return k.guild, nil
	}
	info, err := bot.Guild(ctx, guild)
	if err != nil {
		return info, fmt.Errorf("read what roles allow: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.known) >= maxRoles {
		clear(g.known)
	}
	g.known[guild] = knownRoles{info, now}
	return info, nil
}

// unsafe reports whether a role allows by now what no rule may hand out, or became an integration's own.
func (g *guildRoles) unsafe(ctx context.Context, bot *discord.Bot, guild, role string, now time.Time) (bool, error) {
	k, err := g.read(ctx, bot, guild, now)
	i := slices.IndexFunc(k.Roles, func(r discord.Role) bool { return r.ID == role })
	return i >= 0 && (k.Roles[i].Managed || k.Roles[i].Grants()&dangerous != 0), err
}

// manages reports whether whoever reacted may manage the guild. Reactions do not tell.
func (g *guildRoles) manages(ctx context.Context, bot *discord.Bot, ev discord.ReactionAdd, now time.Time) (bool, error) {
	k, err := g.read(ctx, bot, ev.GuildID, now)
	return err == nil && discord.MemberPermissions(k, discord.Channel{}, ev.UserID, ev.MemberRoles).Has(discord.ManageGuild), err
}

// topOf is the position of the mightiest of some roles.
func topOf(roles []discord.Role, ids []string) int {
	highest := 0
	for _, r := range roles {
		if slices.Contains(ids, r.ID) {
			highest = max(highest, r.Position)
		}
	}
	return highest
}

// checkRole refuses roles that the bot cannot give, that the caller may not, or that nobody should get by itself.
func (s *Set) checkRole(ctx context.Context, in *discord.Interaction, id string) error {
	guild, err := s.bot.Guild(ctx, in.GuildID)
	if err != nil {
		return fmt.Errorf("read the guild: %w", err)
	}
	me, err := s.bot.Member(ctx, in.GuildID, s.bot.UserID())
	if err != nil {
		return fmt.Errorf("read what I may: %w", err)
	}
	i := slices.IndexFunc(guild.Roles, func(r discord.Role) bool { return r.ID == id })
	if i < 0 {
		return badRule("role")
	}
	role := guild.Roles[i]
	var mine discord.Permissions // what everybody has counts for the bot too
	for _, r := range guild.Roles {
		if r.ID == in.GuildID || slices.Contains(me.Roles, r.ID) {
			mine |= r.Grants()
		}
	}
	switch {
	case role.ID == in.GuildID:
		return badRule("everyone")
	case role.Managed:
		return badRule("managed", "Role", roleMention(id))
	case role.Grants()&dangerous != 0:
		return badRule("dangerous", "Role", roleMention(id))
	case role.Position >= topOf(guild.Roles, me.Roles):
		return badRule("above.me", "Role", roleMention(id))
	case aboveCaller(in, guild, role):
		return badRule("above.you", "Role", roleMention(id))
	case !mine.Has(discord.ManageRoles):
		return badRule("permission")
	}
	return nil
}

// aboveCaller reports whether somebody could not give or take a role by hand.
func aboveCaller(in *discord.Interaction, guild discord.GuildInfo, role discord.Role) bool {
	return guild.OwnerID != in.User.ID && role.Position >= topOf(guild.Roles, in.MemberRoles)
}

// checkBelow refuses changes that take a role from people when the caller could not do so by hand. A role that is gone is
// nobody's.
func (s *Set) checkBelow(ctx context.Context, in *discord.Interaction, id string) error {
	guild, err := s.bot.Guild(ctx, in.GuildID)
	if err != nil {
		return fmt.Errorf("read the guild: %w", err)
	}
	if i := slices.IndexFunc(guild.Roles, func(r discord.Role) bool { return r.ID == id }); i >= 0 && aboveCaller(in, guild, guild.Roles[i]) {
		return badRule("above.you", "Role", roleMention(id))
	}
	return nil
}
