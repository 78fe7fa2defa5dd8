// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

// nameless is the name of an account whose person's name nobody told us, or has no characters that a name may have.
const nameless = "Somebody"

func external(person string) string { return "d_" + person }

// find reads a person's account, if they have one: the one that they act for by its key, or their own.
func (s *Set) find(person string) (horde.User, bool) {
	if u, ok := s.linked(person); ok {
		return u, true
	}
	return s.engine.UserByExternal(external(person))
}

// open returns a person's account and opens it when there is none. Its API key is one that nobody has seen.
func (s *Set) open(ctx context.Context, person, name string) (u horde.User, opened bool, err error) {
	if u, ok := s.find(person); ok {
		return u, false, nil
	}
	if name = horde.CleanName(name); name == "" {
		name = nameless
	}
	key := s.deps.HashKey(s.deps.NewKey())
	u, err = engine.Do(ctx, s.engine, horde.CreateUser{
		External: external(person), Name: name, Key: key, Welcome: s.opts.Welcome, Ensure: true,
	})
	if err != nil {
		return horde.User{}, false, fmt.Errorf("open account: %w", err)
	}
	if u.Key != key {
		return u, false, nil
	}
	if claimed, err := s.claimGifts(ctx, person); err != nil { // a later login tries again
		s.log.Warn().Err(err).Msg("cannot hand over what waited for a new account")
	} else if claimed.Amount > 0 {
		u.Balance += claimed.Amount
	}
	return u, true, nil
}

// account returns a person's account. With AutoAccount it opens one; ok is false where there is none.
func (s *Set) account(ctx context.Context, person, name string) (u horde.User, opened, ok bool, err error) {
	if s.opts.AutoAccount {
		u, opened, err = s.open(ctx, person, name)
		return u, opened, err == nil, err
	}
	u, ok = s.find(person)
	return u, false, ok, nil
}

func (s *Set) userInfo(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	other, asked := in.Command.Options.User("user")
	if asked && other.ID != in.User.ID {
		u, ok := s.find(other.ID)
		if !ok {
			return r.Reply(ctx, private(w.T("profile.othernone", "Who", mention(other.ID))))
		}
		return r.Reply(ctx, s.profile(w, u, false, ""))
	}
	u, opened, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	switch {
	case err != nil:
		return err
	case !ok:
		return r.Reply(ctx, private(w.T("account.none", "Login", s.cmd("login"))))
	}
	return r.Reply(ctx, s.profile(w, u, true, s.welcome(w, u, opened)))
}

// welcome is the line about an account that was opened on the way, or nothing.
func (s *Set) welcome(w words.Words, u horde.User, opened bool) string {
	if !opened {
		return ""
	}
	return voice{w}.opened(u.Balance, s.cmd("login"))
}

// profile shows an account: to its person with what is set aside and waiting, to others without.
func (s *Set) profile(w words.Words, u horde.User, own bool, note string) discord.Message {
	fields := []discord.Field{
		{Name: w.T("profile.kudos"), Value: u.Balance.String(), Inline: true},
		{Name: w.T("profile.given"), Value: (-u.Details.Gifted + u.Details.Donated).String() + " / " + u.Details.Received.String(), Inline: true},
		{Name: w.T("profile.asked"), Value: strconv.FormatInt(u.Image.Requests, 10), Inline: true},
		{Name: w.T("profile.made"), Value: strconv.FormatInt(u.Image.Fulfilments, 10), Inline: true},
		{Name: w.T("profile.workers"), Value: strconv.Itoa(len(s.engine.WorkersOf(u.ID))), Inline: true},
		{Name: w.T("profile.since"), Value: day(u.Created), Inline: true},
	}
	var roles []string
	for _, x := range []struct {
		role horde.Role
		name string
	}{{horde.RoleModerator, w.T("profile.moderator")}, {horde.RoleTrusted, w.T("profile.trusted")}, {horde.RoleFlagged, w.T("profile.flagged")}} {
		if u.Has(x.role) {
			roles = append(roles, x.name)
		}
	}
	if len(roles) > 0 {
		fields = append(fields, discord.Field{Name: w.T("profile.role"), Value: strings.Join(roles, ", "), Inline: true})
	}
	m := private(note)
	embed := discord.Embed{Title: discord.Clip(escape(u.Alias()), discord.MaxEmbedTitle), Color: embedColor, Fields: fields}
	if own {
		embed.Description = voice{w}.balance(u)
	}
	m.Embeds = []discord.Embed{embed}
	return m
}

// embedColor is the colour of frames, 0xRRGGBB.
const embedColor = 0x8A5CF6
