// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"stablemate/commands/chat"
	"stablemate/internal/discord"
)

// maxForget is how many requests are looked through for images of somebody who wants to be forgotten.
const maxForget = 10_000

// forgetWait is how long what runs for them is waited for.
const forgetWait = 5 * time.Second

// verbPrivacy is the verb of what is about the presser's own data.
const verbPrivacy = "pv"

func privacyID(what string) string { return discord.CustomID{Verb: verbPrivacy, Arg: what}.String() }

// privacyFamily is /privacy: what is kept about somebody, and how it goes.
func (s *Set) privacyFamily() family {
	spec := discord.CommandSpec{
		Name: "privacy", Description: s.english("privacy.cmd"), Descriptions: s.bundle.Locales("privacy.cmd"), DMs: true, UserInstall: true,
	}
	for _, name := range []string{"policy", "consent", "export", "delete"} {
		spec.Subcommands = append(spec.Subcommands, s.subcommand(name, "privacy.cmd."+name))
	}
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		for path, h := range map[string]discord.HandlerFunc{
			"policy": s.privacyPolicy, "consent": s.privacyConsent, "export": s.privacyExport, "delete": s.privacyDelete,
		} {
			rt.Command("privacy "+path, discord.Route{Handle: s.answered(h), Private: true})
		}
		rt.Component(verbPrivacy, discord.Route{Handle: s.answered(s.pressPrivacy), Private: true})
	}}
}

func (s *Set) privacyPolicy(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	m := private("")
	m.Embeds = []discord.Embed{{Title: w.T("privacy.title"), Color: embedColor, Description: w.T("privacy.policy",
		"Days", int(s.opts.Keep/(24*time.Hour)), "Export", s.cmd("privacy export"), "Delete", s.cmd("privacy delete"), "Consent", s.cmd("privacy consent"))}}
	return r.Reply(ctx, m)
}

func (s *Set) privacyConsent(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	p, _, err := s.people.get(ctx, in.User.ID)
	if err != nil {
		return fmt.Errorf("settings of a person: %w", err)
	}
	return r.Reply(ctx, s.consentPanel(in, p))
}

// consentPanel shows what somebody agreed to, and takes it back.
func (s *Set) consentPanel(in *discord.Interaction, p chat.Person) discord.Message {
	w := s.say(in)
	text := w.T("privacy.noaccount")
	if u, ok := s.engine.UserByExternal(external(in.User.ID)); ok {
		text = w.T("privacy.since", "When", day(u.Created))
	}
	sharing, style := w.T("privacy.sharing.off"), discord.Secondary
	if p.Share {
		sharing, style = w.T("privacy.sharing.on"), discord.Success
	}
	days := int(s.opts.Keep / (24 * time.Hour))
	kept := w.T("privacy.keep", "Count", days)
	if p.Prompts != "" {
		kept = sayRetention(w, p.Prompts)
	}
	m := private(lines(text, sharing, w.T("privacy.kept.now", "Kept", kept), w.T("privacy.kept.what"),
		w.T("privacy.withdraw", "Delete", s.cmd("privacy delete"))))
	m.Components = []discord.Row{{Select: s.retentionSelect(w, p)}, {Buttons: []discord.Button{{Label: w.T("settings.f.share"), Style: style, CustomID: privacyID("share")}}}}
	return m
}

// privacyExport sends everything by direct message; to somebody who takes none, right here.
func (s *Set) privacyExport(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	files, all, err := s.gather(ctx, in.User.ID)
	if err != nil {
		return err
	}
	here := false
	for i, data := range files {
		m := discord.Message{Files: []discord.File{{Name: fmt.Sprintf("stablemate-export-%d.json", i+1), ContentType: "application/json", Data: data}}}
		switch {
		case i > 0:
			m.Content = w.T("privacy.part", "Number", i+1, "Of", len(files))
		case all:
			m.Content = w.T("privacy.file")
		default:
			m.Content = lines(w.T("privacy.file"), w.T("privacy.leftout"))
		}
		if !here {
			_, err := s.bot.DM(ctx, in.User.ID, m)
			if here = discord.IsCannotDM(err); err != nil && !here {
				return fmt.Errorf("send an export: %w", err)
			}
		}
		if here {
			m.Ephemeral = true
			if err := r.Reply(ctx, m); err != nil {
				return err
			}
		}
	}
	if here {
		return nil
	}
	return r.Reply(ctx, private(w.T("privacy.sent")))
}

// privacyDelete is the first of two steps.
func (s *Set) privacyDelete(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	m := private(w.T("privacy.delete", "Days", int(graceTime/(24*time.Hour)), "Export", s.cmd("privacy export")))
	m.Components = []discord.Row{{Buttons: []discord.Button{{Label: w.T("privacy.goon"), Style: discord.Secondary, CustomID: privacyID("sure")}}}}
	return r.Reply(ctx, m)
}

func (s *Set) pressPrivacy(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	switch in.Component.ID.Arg {
	case "share":
		p, err := s.changePerson(ctx, in.User.ID, func(p *chat.Person) error {
			p.Share = !p.Share
			return nil
		})
		if err != nil {
			return err
		}
		return r.Update(ctx, s.consentPanel(in, p))
	case "prompts":
		return s.choosePrompts(ctx, in, r)
	case "sure":
		return r.Update(ctx, discord.Message{Content: w.T("privacy.sure"), Components: []discord.Row{{Buttons: []discord.Button{
			{Label: w.T("privacy.yes"), Style: discord.Danger, CustomID: privacyID("delete")},
			{Label: w.T("common.cancel"), Style: discord.Secondary, CustomID: privacyID("no")},
		}}}})
	case "delete":
		return s.erase(ctx, in, r)
	}
	return r.Update(ctx, discord.Message{Content: w.T("privacy.kept")})
}

// choosePrompts keeps what somebody chose of how long their prompts are kept.
func (s *Set) choosePrompts(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	var choice chat.Retention
	if v := in.Component.Values; len(v) == 1 && v[0] != unset {
		choice = chat.Retention(v[0])
	}
	if choice != "" && !slices.Contains(chat.Retentions(s.opts.Keep), choice) {
		return r.Reply(ctx, private(s.say(in).T("request.old")))
	}
	if err := r.DeferUpdate(ctx); err != nil {
		return err
	}
	p, erased, err := s.keepPrompts(ctx, in.User.ID, choice)
	if err != nil {
		return err
	}
	m := s.consentPanel(in, p)
	if erased > 0 {
		m.Content = lines(s.say(in).T("privacy.erasednow", "Count", erased), m.Content)
	}
	return r.Update(ctx, m)
}

// erase forgets what the chat door knows about somebody now, and their account after a time of grace.
func (s *Set) erase(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	if err := r.DeferUpdate(ctx); err != nil {
		return err
	}
	if err := s.forgetPerson(ctx, in.User.ID); err != nil {
		return err
	}
	text := w.T("privacy.gone")
	if u, ok := s.engine.UserByExternal(external(in.User.ID)); ok {
		now := s.now()
		// It is about nobody, so that forgetting the person does not forget this.
		f, err := s.farewells.change(ctx, in.User.ID, about{due: now.Add(graceTime)}, func(f *chat.Farewell) error {
			if f.Asked.IsZero() {
				*f = chat.Farewell{Person: in.User.ID, User: int64(u.ID), Asked: now}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("note an account to delete: %w", err)
		}
		text = lines(text, w.T("privacy.later", "When", stamp(f.Asked.Add(graceTime)), "Login", s.cmd("login")))
	}
	return r.Update(ctx, discord.Message{Content: text})
}

// forgetPerson deletes what the chat door keeps about somebody: what is running for them ends, images that wait for
// their buttons go, and so does every document. When that takes longer than ctx lasts, or something cannot be deleted now,
// it is an error, and the next call goes on from there.
func (s *Set) forgetPerson(ctx context.Context, person string) error {
	running := s.follow.forget(person)
	wait, cancel := context.WithTimeout(ctx, forgetWait) // what takes longer goes without a trace, too
	defer cancel()
	for _, f := range running {
		if row, found, err := s.deps.Messages.MessageByKey(wait, f.key); err == nil && found {
			s.closed(wait, row)
		}
	}
	s.host.leave(ctx, person)
	s.roles.dismiss(ctx, person)
	rows, err := s.deps.Docs.MessagesOfPerson(ctx, person, maxForget)
	if err != nil {
		return fmt.Errorf("requests of a person: %w", err)
	}
	var left error // what failed last
	for _, row := range rows {
		var p params
		if isGone(row) || json.Unmarshal(row.Params, &p) != nil {
			continue
		}
		if err := ctx.Err(); err != nil { // another try goes on here
			return fmt.Errorf("forget the requests of a person: %w", err)
		}
		s.takeDown(ctx, row)
		if row.Open {
			continue // the follower sees to the rest
		}
		if p.Again != "" { // what is shown again goes as well, unless somebody else made it
			first, there, err := s.deps.Messages.MessageByKey(ctx, p.Again)
			if err == nil && (!there || isGone(first) || first.Person == person) {
				p.Again = ""
			}
		}
		err := s.discardImages(ctx, row, p)
		if err == nil {
			err = s.bury(ctx, row)
		}
		if err != nil {
			left = err
		}
	}
	if left != nil { // whose keys nobody would know any more
		return fmt.Errorf("forget the requests of a person: %w", left)
	}
	n, err := s.deps.Docs.ForgetPerson(ctx, person)
	if err != nil {
		return fmt.Errorf("forget a person: %w", err)
	}
	s.log.Info().Int64("rows", n).Msg("a person is forgotten")
	return nil
}
