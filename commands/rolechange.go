// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// facts gathers what the conditions of some rules look at.
func (e *roleEngine) facts(ctx context.Context, rules *chat.Roles, guild, person string) (chat.RoleFacts, error) {
	u, ok, err := e.s.accountOf(ctx, person)
	if err != nil {
		return chat.RoleFacts{}, err
	}
	if !ok || u.Has(horde.RoleDeleted) {
		return chat.RoleFacts{}, nil
	}
	f := chat.RoleFacts{
		Linked: true, Trusted: u.Has(horde.RoleTrusted), Moderator: u.Has(horde.RoleModerator), Created: u.Created,
		Workers: make(map[chat.RoleTest]int), Numbers: map[chat.RoleTest]int64{
			chat.RoleGenerated: u.Image.Fulfilments, chat.RoleRequested: u.Image.Requests,
			chat.RoleGiven: whole(-u.Details.Gifted),
		},
	}
	kinds := map[horde.WorkerType]chat.RoleTest{
		horde.Dreamer: chat.RoleDreamer, horde.Scribe: chat.RoleScribe, horde.Alchemist: chat.RoleAlchemist,
	}
	var earned kudos.Amount
	for _, id := range e.s.engine.WorkersOf(u.ID) {
		w, ok := e.s.engine.Worker(id)
		if !ok {
			continue
		}
		f.Workers[kinds[w.Type]]++
		earned += w.Generated + w.UptimeKudos
		if w.LastSeen.After(f.LastOnline) {
			f.LastOnline = w.LastSeen
		}
		if !w.Team.IsZero() {
			f.Teams = append(f.Teams, w.Team.String())
		}
	}
	f.Numbers[chat.RoleEarned] = whole(earned)
	if e.s.deps.Ratings != nil && rules.Uses(chat.RoleRated) {
		mine, err := e.s.deps.Ratings.Mine(ctx, u.ID)
		if err != nil {
			return f, fmt.Errorf("count ratings: %w", err)
		}
		f.Numbers[chat.RoleRated] = mine.Votes
	}
	if rules.Uses(chat.RoleWinner) {
		wins, _, err := e.s.partyWins.get(ctx, guild+":"+person)
		if err != nil {
			return f, fmt.Errorf("count parties: %w", err)
		}
		f.Numbers[chat.RoleWinner] = wins.Count
	}
	return f, nil
}

// whole is an amount in kudos, rounded down.
func whole(a kudos.Amount) int64 { return int64(a / kudos.One) }

// tests lists the conditions that there is something to look at for.
func (e *roleEngine) tests() []chat.RoleTest {
	return slices.DeleteFunc(chat.RoleTests(), func(t chat.RoleTest) bool {
		return t == chat.RoleRated && e.s.deps.Ratings == nil
	})
}

// look compares a person's roles with the rules, and changes them. It reports whether Discord was asked.
func (e *roleEngine) look(ctx context.Context, guild, person string, how roleLook, run *passRun) (asked bool, err error) {
	key, now := memberKey(guild, person), e.s.now()
	if _, leaving, err := e.s.farewells.get(ctx, person); err != nil || leaving {
		return false, err
	}
	r, err := e.members.read(ctx, key)
	if err != nil {
		return false, fmt.Errorf("read a member: %w", err)
	}
	m, found := r.value, r.found
	c := &roleChange{e: e, guild: guild, person: person, m: m, has: how.roles, run: run}
	rules, _, err := e.rules.get(ctx, guild)
	if err != nil {
		return false, fmt.Errorf("read the rules: %w", err)
	}
	if !found {
		c.m.Seen = now
		if err := c.save(ctx, time.Time{}); err != nil {
			return false, err
		}
	}
	if len(rules.Rules) == 0 && len(c.m.Grants) == 0 {
		return false, nil
	}
	facts, err := e.facts(ctx, &rules, guild, person)
	if err != nil {
		return false, err
	}
	c.m.Grants = maps.Clone(c.m.Grants)
	if c.m.Grants == nil {
		c.m.Grants = make(map[string]chat.RoleGrant)
	}
	c.rules = rules
	if how.whole && (facts.Linked || len(c.m.Grants) > 0) {
		done, err := c.read(ctx)
		if err == nil && !done && c.misses() {
			done, err = c.readAnew(ctx)
		}
		if done || err != nil {
			return c.asked, c.failed(ctx, err)
		}
		c.forgetTaken()
		c.m.ByHand = nil
	}
	plan := rules.Plan(c.m, &facts, now)
	due := plan.Next.Truncate(time.Microsecond)
	if plan.Empty() && c.m.Tries == 0 && !c.dirty && due.Equal(r.doc.Due.Truncate(time.Microsecond)) {
		return c.asked, nil
	}
	done, err := c.apply(ctx, plan, now)
	switch {
	case done:
		return c.asked, nil
	case err != nil:
		return c.asked, c.failed(ctx, err)
	}
	c.m.Tries = 0
	return c.asked, c.save(ctx, due)
}

// roleChange is what happens to one person now.
type roleChange struct {
	e             *roleEngine
	guild, person string
	rules         chat.Roles
	m             chat.Member
	has           []string // nil: not known yet
	fresh         bool     // Discord was asked for it; what came with an event may be of a while ago
	run           *passRun
	asked, dirty  bool
}

func (c *roleChange) save(ctx context.Context, due time.Time) error {
	m := c.m
	m.Grants, m.ByHand = maps.Clone(m.Grants), slices.Clone(m.ByHand) // what memory has is shared
	// What Discord was told should be known, even while the process stops.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	_, err := c.e.members.change(ctx, memberKey(c.guild, c.person), about{person: c.person, guild: c.guild, due: due},
		func(v *chat.Member) error { *v = m; return nil })
	if err != nil {
		return fmt.Errorf("note somebody's roles: %w", err)
	}
	// Whoever asks to be forgotten is seen by doing so. They say it before everything about them goes: what came after
	// that is found here, what came before it goes with the rest.
	_, leaving, err := c.e.s.farewells.get(ctx, c.person)
	if err == nil && leaving {
		c.e.dismiss(ctx, c.person)
		_, err = c.e.members.drop(ctx, memberKey(c.guild, c.person))
	}
	if err != nil {
		return fmt.Errorf("forget somebody's roles: %w", err)
	}
	return nil
}

// read asks Discord what the person has. Someone who is not there any more is forgotten, and done is true.
func (c *roleChange) read(ctx context.Context) (done bool, err error) {
	if c.has != nil {
		return false, nil
	}
	c.asked = true
	m, err := c.e.s.bot.Member(ctx, c.guild, c.person)
	if discord.IsUnknownMember(err) {
		_, err = c.e.members.drop(ctx, memberKey(c.guild, c.person))
		c.e.mu.Lock()
		delete(c.e.met, memberKey(c.guild, c.person))
		c.e.mu.Unlock()
		return true, err
	}
	if err != nil {
		return false, fmt.Errorf("read a member: %w", err)
	}
	c.has, c.fresh = append(make([]string, 0, len(m.Roles)), m.Roles...), true
	return false, nil
}

// readAnew asks Discord unless that was done a moment ago: whose a role is must not hang on what an event said once.
func (c *roleChange) readAnew(ctx context.Context) (done bool, err error) {
	if !c.fresh {
		c.has = nil
	}
	return c.read(ctx)
}

// misses reports whether the person seems to lack a role that they were given.
func (c *roleChange) misses() bool {
	for role, g := range c.m.Grants {
		if g.Given && !slices.Contains(c.has, role) {
			return true
		}
	}
	return false
}

// forgetTaken forgets grants that somebody else took back; the rules decide again.
func (c *roleChange) forgetTaken() {
	for role, g := range c.m.Grants {
		if g.Given && !slices.Contains(c.has, role) {
			delete(c.m.Grants, role)
			c.dirty = true
		}
	}
}

// apply does what a plan says. done says that the person was forgotten.
func (c *roleChange) apply(ctx context.Context, plan chat.RolePlan, now time.Time) (done bool, err error) {
	for _, role := range plan.Release {
		delete(c.m.Grants, role)
	}
	for _, role := range plan.Lost {
		g := c.m.Grants[role]
		g.Lost = now
		c.m.Grants[role] = g
	}
	for _, role := range plan.Regain {
		g := c.m.Grants[role]
		g.Lost = time.Time{}
		c.m.Grants[role] = g
	}
	for _, rule := range plan.Give {
		if done, err := c.give(ctx, rule, now); done || err != nil {
			return done, err
		}
	}
	for _, role := range plan.Take {
		if err := c.take(ctx, role); err != nil {
			return false, err
		}
	}
	return false, nil
}

// give writes the grant down before Discord hears of it, so that a role is never taken for one given by hand.
func (c *roleChange) give(ctx context.Context, rule chat.RoleRule, now time.Time) (done bool, err error) {
	if done, err := c.readAnew(ctx); done || err != nil {
		return done, err
	}
	_, begun := c.m.Grants[rule.Role]
	unsafe, err := c.e.allow.unsafe(ctx, c.e.s.bot, c.guild, rule.Role, now)
	if err != nil {
		return false, err
	}
	if unsafe {
		c.e.rest(ctx, c.guild, rule.Role, chat.RolePause{Unsafe: true, Until: now.Add(rolePauseTime)})
		return false, nil
	}
	if !begun {
		if slices.Contains(c.has, rule.Role) {
			c.m.ByHand = append(c.m.ByHand, rule.Role)
			return false, nil
		}
		c.m.Grants[rule.Role] = chat.RoleGrant{Rule: rule.ID, Since: now}
		if err := c.save(ctx, now); err != nil {
			return false, err
		}
	}
	c.asked = true
	err = c.e.s.bot.AddRole(ctx, c.guild, c.person, rule.Role, "rule "+strconv.Itoa(rule.ID)+" of /autorole: its conditions hold")
	if err != nil {
		if c.e.paused(ctx, c.guild, rule.Role, err) {
			delete(c.m.Grants, rule.Role)
			return false, nil
		}
		return false, fmt.Errorf("give a role: %w", err)
	}
	g := c.m.Grants[rule.Role]
	g.Given, g.Rule, g.Lost = true, rule.ID, time.Time{}
	c.m.Grants[rule.Role] = g
	c.e.works(ctx, c.guild, rule.Role)
	c.e.s.tellRole(ctx, c.guild, c.person, rule.Role, true)
	if c.run != nil {
		c.run.doc.Given++
	}
	return false, nil
}

func (c *roleChange) take(ctx context.Context, role string) error {
	g := c.m.Grants[role]
	c.asked = true
	err := c.e.s.bot.RemoveRole(ctx, c.guild, c.person, role, "rule "+strconv.Itoa(g.Rule)+" of /autorole: its conditions do not hold any more")
	switch {
	case err == nil:
	case discord.IsUnknownRole(err) && len(c.rules.Of(role)) == 0: // nothing left to take
	case c.e.paused(ctx, c.guild, role, err):
		return nil // the grant stays until it can be taken
	case discord.IsUnknownMember(err):
	default:
		return fmt.Errorf("take a role: %w", err)
	}
	delete(c.m.Grants, role)
	if err == nil && g.Given {
		c.e.s.tellRole(ctx, c.guild, c.person, role, false)
	}
	if c.run != nil {
		c.run.doc.Taken++
	}
	return nil
}

// failed sees to it that somebody is tried again later.
func (c *roleChange) failed(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if discord.IsUnknownMember(err) {
		_, err = c.e.members.drop(ctx, memberKey(c.guild, c.person))
		return err
	}
	wait := min(roleRetryMost, roleRetryFirst<<min(c.m.Tries, 10))
	if c.e.shutOut(c.guild, err) {
		wait = awayTime
	}
	c.m.Tries++
	return errors.Join(err, c.save(ctx, c.e.s.now().Add(wait)))
}

// paused rests a role that is gone or that the bot may not give, and tells the guild once. It reports whether err was such
// a thing.
func (e *roleEngine) paused(ctx context.Context, guild, role string, err error) bool {
	switch {
	case discord.IsNotInGuild(err): // nothing is wrong with the role
		return false
	case discord.IsUnknownRole(err):
		e.rest(ctx, guild, role, chat.RolePause{Gone: true})
	case discord.IsMissingPermission(err):
		e.rest(ctx, guild, role, chat.RolePause{Until: e.s.now().Add(rolePauseTime)})
	default:
		return false
	}
	return true
}

// rest pauses a role, and tells the guild once why.
func (e *roleEngine) rest(ctx context.Context, guild, role string, pause chat.RolePause) {
	tell := false
	rules, err := e.rules.change(ctx, guild, about{guild: guild}, func(v *chat.Roles) error {
		paused := make(map[string]chat.RolePause, len(v.Paused)+1)
		maps.Copy(paused, v.Paused)
		was := paused[role]
		tell = !was.Told || pause.Gone != was.Gone || pause.Unsafe != was.Unsafe
		pause.Told = true
		paused[role] = pause
		v.Paused = paused
		return nil
	})
	if err != nil {
		e.s.log.Error().Err(err).Str("guild", guild).Msg("cannot pause a role")
		return
	}
	if tell {
		e.tellPaused(ctx, guild, role, pause, rules)
	}
}

func (e *roleEngine) tellPaused(ctx context.Context, guild, role string, pause chat.RolePause, rules chat.Roles) {
	g, _, err := e.s.guilds.get(ctx, guild)
	if err != nil {
		e.s.log.Warn().Err(err).Str("guild", guild).Msg("cannot read where a guild wants to hear of roles")
	}
	key, channel := "autorole.notice.permission", g.Log
	switch {
	case pause.Gone:
		key = "autorole.notice.gone"
	case pause.Unsafe:
		key = "autorole.notice.unsafe"
	}
	if channel == "" {
		channel = rules.Channel
	}
	text := e.s.bundle.For(g.Language).T(key, "Role", "<@&"+role+">", "List", e.s.cmd("autorole list"))
	if _, err := e.s.bot.SendMessage(ctx, channel, discord.Message{Content: text}); err != nil {
		e.s.log.Warn().Err(err).Str("guild", guild).Msg("cannot tell a guild that a role is paused")
	}
}

// works forgets that a role was paused.
func (e *roleEngine) works(ctx context.Context, guild, role string) {
	rules, _, err := e.rules.get(ctx, guild)
	if _, was := rules.Paused[role]; err != nil || !was {
		return
	}
	_, err = e.rules.change(ctx, guild, about{guild: guild}, func(v *chat.Roles) error {
		unpause(v, role)
		return nil
	})
	if err != nil {
		e.s.log.Warn().Err(err).Str("guild", guild).Msg("cannot note that a role works again")
	}
}

// unpause changes a copy: what memory hands out is shared.
func unpause(v *chat.Roles, role string) {
	paused := make(map[string]chat.RolePause, len(v.Paused))
	for r, p := range v.Paused {
		if r != role {
			paused[r] = p
		}
	}
	v.Paused = paused
}

// dismiss takes back what the bot gave somebody who is about to be forgotten. What fails stays with them: nobody would
// remember it afterwards.
func (e *roleEngine) dismiss(ctx context.Context, person string) {
	members, err := e.members.ofPerson(ctx, person)
	if err != nil {
		e.s.log.Warn().Err(err).Msg("cannot read the roles of somebody who leaves")
		return
	}
	for _, m := range members {
		guild, _, _ := strings.Cut(m.key, ":")
		for role := range m.value.Grants {
			if e.away(guild) {
				break
			}
			if err := e.s.bot.RemoveRole(ctx, guild, person, role, "their account is deleted"); err != nil {
				e.s.log.Info().Err(err).Str("guild", guild).Msg("cannot take a role from somebody who leaves")
			}
		}
		e.mu.Lock()
		delete(e.met, m.key)
		e.mu.Unlock()
	}
}
