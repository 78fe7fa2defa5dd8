package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// Role is a role of a guild.
type Role struct {
	ID          string // empty when SetRole should make a new one
	Name        string
	Position    int // higher is mightier
	Permissions int64
	Managed     bool // by an integration: nobody can give it
}

var errNoGuild = errors.New("there is no such guild")

// withGuild calls do with a guild that exists, under the lock.
func (s *Server) withGuild(id string, do func(*guild) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.w.byGuild[id]
	if g == nil {
		return errNoGuild
	}
	defer s.touch()
	return do(g)
}

// GuildRoles lists the roles of a guild.
func (s *Server) GuildRoles(guildID string) []Role {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Role
	if g := s.w.byGuild[guildID]; g != nil {
		for _, r := range g.Roles {
			out = append(out, Role(*r))
		}
	}
	return out
}

// SetRole makes a role, or changes the one with its ID, and returns its id.
func (s *Server) SetRole(guildID string, r Role) (string, error) {
	err := s.withGuild(guildID, func(g *guild) error {
		name := "GUILD_ROLE_UPDATE"
		if r.ID == "" {
			r.ID, name = s.w.snowflake(s.opts.Now()), "GUILD_ROLE_CREATE"
			g.Roles = append(g.Roles, &role{})
			*g.Roles[len(g.Roles)-1] = role(r)
		}
		old := g.role(r.ID)
		if old == nil {
			return fmt.Errorf("there is no role %s", r.ID)
		}
		*old = role(r)
		s.emit(name, intentGuilds, obj{"guild_id": g.ID, "role": old.api()})
		return nil
	})
	return r.ID, err
}

// DeleteRole removes a role; its members lose it.
func (s *Server) DeleteRole(guildID, roleID string) error {
	return s.withGuild(guildID, func(g *guild) error {
		if g.role(roleID) == nil {
			return fmt.Errorf("there is no role %s", roleID)
		}
		g.Roles = slices.DeleteFunc(g.Roles, func(r *role) bool { return r.ID == roleID })
		for _, m := range g.Members {
			m.Roles = slices.DeleteFunc(m.Roles, func(id string) bool { return id == roleID })
		}
		s.emit("GUILD_ROLE_DELETE", intentGuilds, obj{"guild_id": g.ID, "role_id": roleID})
		return nil
	})
}

// GiveRole gives a member a role as an administrator would, and TakeRole takes it away.
func (s *Server) GiveRole(guildID, userID, roleID string) error {
	return s.moderate(guildID, userID, roleID, true)
}

// TakeRole takes a role from a member as an administrator would.
func (s *Server) TakeRole(guildID, userID, roleID string) error {
	return s.moderate(guildID, userID, roleID, false)
}

func (s *Server) moderate(guildID, userID, roleID string, give bool) error {
	return s.withGuild(guildID, func(g *guild) error {
		p, ok := s.w.person(userID)
		if !ok || g.Members[userID] == nil || g.role(roleID) == nil {
			return errors.New("there is no such member or role")
		}
		s.setRole(g, p, roleID, give)
		return nil
	})
}

// Leave takes a person out of a guild. When it is BotID, the bot was removed from it.
func (s *Server) Leave(guildID, userID string) error {
	return s.withGuild(guildID, func(g *guild) error {
		p, ok := s.w.person(userID)
		if !ok || g.Members[userID] == nil {
			return errors.New("there is no such member")
		}
		delete(g.Members, userID)
		if userID == BotID {
			s.emit("GUILD_DELETE", intentGuilds, obj{"id": g.ID})
		} else {
			s.emit("GUILD_MEMBER_REMOVE", intentMembers, obj{"guild_id": g.ID, "user": p.api()})
		}
		s.tellStatus()
		return nil
	})
}

// Join brings a person into a guild, without roles. When it is BotID, the bot was added to it, with its own role.
func (s *Server) Join(guildID, userID string) error {
	return s.withGuild(guildID, func(g *guild) error {
		p, ok := s.w.person(userID)
		if !ok || g.Members[userID] != nil {
			return errors.New("there is no such person, or they are there already")
		}
		g.Members[userID] = &member{}
		if userID == BotID {
			for _, r := range g.Roles {
				if r.Managed && r.Permissions&permManageRoles != 0 {
					g.Members[userID].Roles = []string{r.ID}
				}
			}
			g.Joined, g.Inviter = s.opts.Now(), Admin
			s.emit("GUILD_CREATE", intentGuilds, s.guildCreate(g))
		} else {
			m := s.w.member(g, p, s.started)
			m["guild_id"] = g.ID
			s.emit("GUILD_MEMBER_ADD", intentMembers, m)
		}
		s.tellStatus()
		return nil
	})
}

// SetSystemChannel says into which channel Discord writes what concerns a whole guild.
func (s *Server) SetSystemChannel(guildID, channelID string) error {
	return s.withGuild(guildID, func(g *guild) error {
		g.System = channelID
		if g.Members[BotID] != nil {
			s.emit("GUILD_UPDATE", intentGuilds, g.api())
		}
		return nil
	})
}

// getAudit lists who added the bot, the one thing that the sandbox's audit log knows.
func (s *Server) getAudit(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.w.guild(c.PathValue("guild"))
	switch {
	case g == nil:
		return 0, nil, unknownGuild()
	case g.permissions(BotID)&permAuditLog == 0:
		return 0, nil, refuse(http.StatusForbidden, 50013, "Missing Permissions")
	}
	entries := []any{}
	if kind := c.URL.Query().Get("action_type"); g.Inviter != "" && (kind == "" || kind == "28") {
		entries = append(entries, obj{"id": s.w.snowflake(s.opts.Now()), "action_type": 28, "user_id": g.Inviter, "target_id": BotID})
	}
	return http.StatusOK, obj{
		"audit_log_entries": entries, "users": []any{}, "integrations": []any{}, "webhooks": []any{}, "guild_scheduled_events": []any{},
		"threads": []any{}, "application_commands": []any{}, "auto_moderation_rules": []any{},
	}, nil
}

// GuildOutage makes a guild unavailable to the bot, as it happens when a part of Discord is down, or available again. The
// bot stays a member of it.
func (s *Server) GuildOutage(guildID string, down bool) error {
	return s.withGuild(guildID, func(g *guild) error {
		if down {
			s.emit("GUILD_DELETE", intentGuilds, obj{"id": g.ID, "unavailable": true})
		} else {
			s.emit("GUILD_CREATE", intentGuilds, s.guildCreate(g))
		}
		return nil
	})
}

// AddGuild makes another community with one text channel and everybody in it, the bot included.
func (s *Server) AddGuild(name string) (guildID, channelID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.w.Guilds) >= maxGuilds {
		return "", "", errors.New("too many guilds")
	}
	now := s.opts.Now()
	bot := s.w.snowflake(now)
	g := &guild{ID: s.w.snowflake(now), Name: name, Owner: Admin, Locale: defaultLocale, Members: map[string]*member{}, Joined: now, Inviter: Admin}
	c := &channel{ID: s.w.snowflake(now), Type: channelText, Name: "general"}
	g.Channels = []*channel{c}
	g.Roles = []*role{
		{ID: g.ID, Name: "@everyone", Permissions: permMember},
		{ID: bot, Name: "Stablemate", Position: 1, Permissions: permBot, Managed: true},
	}
	for _, p := range s.w.People {
		g.Members[p.ID] = &member{}
	}
	g.Members[BotID].Roles = []string{bot}
	s.w.Guilds = append(s.w.Guilds, g)
	s.w.index(g)
	s.emit("GUILD_CREATE", intentGuilds, s.guildCreate(g))
	s.touch()
	return g.ID, c.ID, nil
}

// AddPerson makes another account, a member of every guild.
func (s *Server) AddPerson(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.w.People) >= maxPeople {
		return "", errors.New("too many people")
	}
	// Ids of people begin with 11, see DMChannel.
	p := &person{ID: strconv.Itoa(110000000000500000 + len(s.w.People)), Username: lower(name), Name: name, Locale: defaultLocale}
	s.w.People = append(s.w.People, p)
	s.w.byPerson[p.ID] = p
	for _, g := range s.w.Guilds {
		g.Members[p.ID] = &member{}
	}
	s.touch()
	return p.ID, nil
}

// SetLocale sets the language of a person's client, such as "de" or "en-US".
func (s *Server) SetLocale(userID, locale string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.w.byPerson[userID]; p != nil {
		p.Locale = locale
		s.tellStatus()
	}
}

// SetDMs opens or closes a person's direct messages.
func (s *Server) SetDMs(userID string, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.w.byPerson[userID]; p != nil {
		p.NoDMs = !open
	}
}

// SetRestricted marks a channel as age-restricted, or not.
func (s *Server) SetRestricted(channelID string, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.w.byChannel[channelID]
	if g == nil || g.channel(channelID).Type == channelThread {
		return errors.New("there is no such channel, or it is a thread")
	}
	g.channel(channelID).NSFW = on
	s.emit("CHANNEL_UPDATE", intentGuilds, s.w.channelAPI(channelID))
	s.touch()
	return nil
}

// SetGuildLevel sets the nsfw_level of a guild: 0 default, 1 explicit, 2 safe, 3 age-restricted.
func (s *Server) SetGuildLevel(guildID string, level int) error {
	return s.withGuild(guildID, func(g *guild) error {
		g.Level = level
		out := g.api()
		s.emit("GUILD_UPDATE", intentGuilds, out)
		return nil
	})
}

// Roles returns the ids of a member's roles in the first guild.
func (s *Server) Roles(userID string) []string { return s.RolesIn(GuildID, userID) }

// RolesIn returns the ids of a member's roles in a guild; nil when they are not in it.
func (s *Server) RolesIn(guildID, userID string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.w.byGuild[guildID]
	if g == nil || g.Members[userID] == nil {
		return nil
	}
	return slices.Clone(g.Members[userID].Roles)
}
