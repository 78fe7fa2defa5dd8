// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// Names of /userinfo in menus, and of the button that shows a profile to everybody; its ID is the account's number.
const (
	menuUserInfo = "User info"
	verbProfile  = "pf"
)

// maxHordeName bounds how somebody names an account, in characters.
const maxHordeName = 100

// profileFamily is /userinfo and the menu entry of people.
func (s *Set) profileFamily() family {
	return family{
		specs: []discord.CommandSpec{
			{
				Name: "userinfo", Description: s.english("commands.userinfo"), Descriptions: s.bundle.Locales("commands.userinfo"), DMs: true, UserInstall: true,
				Options: []discord.OptionSpec{
					s.option("user", "commands.userinfo.user", discord.OptionUser),
					s.option("horde", "commands.userinfo.horde", discord.OptionString, upTo(maxHordeName)),
				},
			},
			{Menu: discord.UserMenu, Name: menuUserInfo, Names: s.bundle.Locales("profile.menu"), DMs: true, UserInstall: true},
		},
		register: func(rt *discord.Router) {
			rt.Command("userinfo", discord.Route{Handle: s.answered(s.userInfo), Private: true})
			rt.Command(discord.MenuPath(discord.UserMenu, menuUserInfo), discord.Route{Handle: s.answered(s.userInfo), Private: true})
			rt.Component(verbProfile, discord.Route{Handle: s.answered(s.publishProfile)})
		},
	}
}

// userInfo shows an account: one's own, a person's, or one that is named as the horde names it.
func (s *Set) userInfo(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, other := s.say(in), in.Command.TargetUser
	if u, named := in.Command.Options.User("user"); named {
		other = u
	}
	name := strings.TrimSpace(in.Command.Options.String("horde"))
	switch {
	case name != "":
		u, ok := s.accountNamed(name)
		if !ok {
			return tell(w.T("profile.unknown", "Name", escape(discord.Clip(plain(name), maxHordeName))))
		}
		return s.showProfile(ctx, in, r, u, "")
	case other.ID != "" && other.ID != in.User.ID:
		u, ok := s.find(other.ID)
		if !ok {
			return r.Reply(ctx, private(w.T("profile.othernone", "Who", mention(other.ID))))
		}
		shown, err := s.showsAccount(ctx, in, other.ID)
		switch {
		case err != nil:
			return err
		case !shown: // nor whether there is one
			return r.Reply(ctx, private(w.T("profile.othernone", "Who", mention(other.ID))))
		}
		return s.showProfile(ctx, in, r, u, other.ID)
	}
	u, opened, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	switch {
	case err != nil:
		return err
	case !ok:
		return r.Reply(ctx, private(w.T("account.none", "Login", s.cmd("login"))))
	}
	return s.showProfile(ctx, in, r, u, in.User.ID, s.welcome(w, u, opened))
}

// showsAccount reports whether somebody lets whoever asks see which account is theirs.
func (s *Set) showsAccount(ctx context.Context, in *discord.Interaction, person string) (bool, error) {
	if mine, known := s.find(in.User.ID); known && mine.Has(horde.RoleModerator) {
		return true, nil
	}
	p, _, err := s.people.get(ctx, person)
	if err != nil {
		return false, fmt.Errorf("settings of a person: %w", err)
	}
	return p.Public, nil
}

// accountNamed finds an account by its number, name#number or name; names are not unique, and the oldest account has it.
func (s *Set) accountNamed(text string) (found horde.User, ok bool) {
	number := text
	if i := strings.LastIndexByte(text, '#'); i >= 0 {
		number = text[i+1:]
	}
	if id, err := strconv.ParseInt(number, 10, 64); err == nil {
		found, ok = s.engine.User(horde.UserID(id))
		named, _, _ := strings.Cut(text, "#")
		if ok && (number == text || strings.EqualFold(named, found.Name) || named == "") {
			return found, found.ID != horde.Anonymous
		}
	}
	for _, u := range s.engine.Users() {
		if strings.EqualFold(u.Name, text) && u.ID != horde.Anonymous && (!ok || u.ID < found.ID) {
			found, ok = u, true
		}
	}
	return found, ok && strings.EqualFold(found.Name, text)
}

// showProfile answers with an account. person is whose it is, as far as the asking knows.
func (s *Set) showProfile(ctx context.Context, in *discord.Interaction, r *discord.Responder, u horde.User, person string, notes ...string) error {
	w := s.say(in)
	mine, known := s.find(in.User.ID)
	v := profileView{own: known && mine.ID == u.ID, moderator: known && mine.Has(horde.RoleModerator)}
	m := private(lines(notes...))
	embed, err := s.profile(ctx, w, u, v, person)
	if err != nil {
		return err
	}
	m.Embeds = []discord.Embed{embed}
	m.Components = []discord.Row{{Buttons: []discord.Button{{
		Label: w.T("common.publish"), Style: discord.Secondary,
		CustomID: discord.CustomID{Verb: verbProfile, ID: strconv.FormatInt(int64(u.ID), 10)}.String(),
	}}}}
	return r.Reply(ctx, m)
}

// publishProfile shows everybody what anybody may see of an account.
func (s *Set) publishProfile(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.publisher(ctx, in)
	if err != nil {
		return err
	}
	id, err := strconv.ParseInt(in.Component.ID.ID, 10, 64)
	u, ok := s.engine.User(horde.UserID(id))
	if err != nil || !ok {
		return tell(e.say.T("request.old"))
	}
	embed, err := s.profile(ctx, e.aloud, u, profileView{}, "")
	if err != nil {
		return err
	}
	return r.Reply(ctx, discord.Message{Content: "-# " + e.aloud.T("stats.shownby", "Person", mention(in.User.ID)), Embeds: []discord.Embed{embed}})
}

// profileView says who looks at an account.
type profileView struct {
	own       bool // its person: sees what is set aside and waiting, and what is held against it
	moderator bool
}

// profile shows an account. person is known to the asker already; otherwise it is shown only where its person allows it.
func (s *Set) profile(ctx context.Context, w words.Words, u horde.User, v profileView, person string) (discord.Embed, error) {
	var fields []discord.Field
	add := func(key, value string) {
		if value != "" {
			fields = append(fields, discord.Field{Name: w.T(key), Value: discord.Clip(value, discord.MaxFieldValue), Inline: true})
		}
	}
	add("profile.kudos", u.Balance.String())
	add("profile.given", (-u.Details.Gifted+u.Details.Donated).String()+" / "+u.Details.Received.String())
	add("profile.asked", strconv.FormatInt(u.Image.Requests, 10))
	add("profile.made", strconv.FormatInt(u.Image.Fulfilments, 10))
	if n := u.Text.Requests + u.Text.Fulfilments; n > 0 {
		add("profile.texts", strconv.FormatInt(u.Text.Requests, 10)+" / "+strconv.FormatInt(u.Text.Fulfilments, 10))
	}
	add("profile.workers", strconv.Itoa(len(s.engine.WorkersOf(u.ID))))
	add("profile.since", day(u.Created))
	add("profile.role", strings.Join(standing(w, &u), ", "))
	embed := discord.Embed{Title: discord.Clip(escape(u.Alias()), discord.MaxEmbedTitle), Color: embedColor}
	if v.own {
		embed.Description = voice{w}.balance(u)
		add("profile.atonce", strconv.Itoa(u.Concurrency))
		if u.Monthly > 0 {
			add("profile.monthly", kudosWord(u.Monthly))
		}
		if waiting := s.kudosWaiting(u.ID); waiting > 0 {
			add("profile.waiting", kudosWord(waiting))
		}
	}
	if v.own || v.moderator {
		add("profile.strikes", strconv.Itoa(u.Suspicion)+" / "+strconv.Itoa(horde.MaxSuspicion))
	}
	if person == "" {
		owner, isDiscord := strings.CutPrefix(u.External, "d_")
		if isDiscord && owner != "" {
			p, _, err := s.people.get(ctx, owner)
			if err != nil {
				return embed, fmt.Errorf("settings of a person: %w", err)
			}
			if p.Public || v.moderator {
				person = owner
			}
		}
	}
	if person != "" {
		add("profile.person", mention(person))
	}
	embed.Fields = fields
	return embed, nil
}

// kudosWaiting adds up the gifts of an account that wait for people without one.
func (s *Set) kudosWaiting(u horde.UserID) (sum kudos.Amount) {
	for _, g := range s.engine.GiftsFrom(u) {
		sum += g.Amount
	}
	for _, p := range s.engine.Purses(u) {
		sum += p.Left
	}
	return sum
}

// standing names what sets an account apart.
func standing(w words.Words, u *horde.User) []string {
	var out []string
	for _, x := range []struct {
		role horde.Role
		key  string
	}{
		{horde.RoleModerator, "profile.moderator"},
		{horde.RoleTrusted, "profile.trusted"},
		{horde.RoleEducation, "profile.education"},
		{horde.RoleService, "profile.service"},
		{horde.RoleFlagged, "profile.flagged"},
		{horde.RoleDeleted, "profile.deleted"},
	} {
		if u.Has(x.role) {
			out = append(out, w.T(x.key))
		}
	}
	return out
}
