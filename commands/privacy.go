// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Bounds of an export.
const (
	exportRequests = 2000    // the newest
	exportBytes    = 8 << 20 // what fits into a message
)

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
	m := private(lines(text, sharing, w.T("privacy.withdraw", "Delete", s.cmd("privacy delete"))))
	m.Components = []discord.Row{{Buttons: []discord.Button{{Label: w.T("settings.f.share"), Style: style, CustomID: privacyID("share")}}}}
	return m
}

// export is everything about somebody, as they get it.
type export struct {
	Made      time.Time         `json:"made"`
	Discord   string            `json:"discord_id"`
	Account   *exportAccount    `json:"account,omitempty"`
	Documents []exportDocument  `json:"documents"`
	Requests  []exportedRequest `json:"requests"`
}

type exportAccount struct {
	Name       string        `json:"name"`
	Created    time.Time     `json:"created"`
	LastActive time.Time     `json:"last_active"`
	Kudos      string        `json:"kudos"`
	Held       string        `json:"kudos_held"`
	Evaluated  string        `json:"kudos_being_evaluated"`
	Details    horde.Details `json:"kudos_details_in_hundredths"`
	Images     horde.Records `json:"images"`
	Contact    string        `json:"contact,omitempty"`
	Workers    []string      `json:"workers,omitempty"`
}

type exportDocument struct {
	Kind  chat.DocKind    `json:"kind"`
	Key   string          `json:"key"`
	Guild string          `json:"guild,omitempty"`
	Value json.RawMessage `json:"value"`
}

type exportedRequest struct {
	Asked   time.Time       `json:"asked"`
	Guild   string          `json:"guild,omitempty"`
	Channel string          `json:"channel"`
	Message string          `json:"message,omitempty"`
	Request string          `json:"request,omitempty"`
	Params  json.RawMessage `json:"parameters,omitempty"`
}

// gather collects everything about a person that this process can find. Tokens are secrets of the bot, and not theirs.
func (s *Set) gather(ctx context.Context, person string) ([]byte, error) {
	out := export{Made: s.now().UTC(), Discord: person}
	if u, ok := s.engine.UserByExternal(external(person)); ok {
		a := &exportAccount{
			Name: u.Alias(), Created: u.Created, LastActive: u.LastActive, Kudos: u.Balance.String(), Held: u.Held.String(),
			Evaluated: u.Evaluated.String(), Details: u.Details, Images: u.Image, Contact: u.Contact,
		}
		for _, id := range s.engine.WorkersOf(u.ID) {
			if w, ok := s.engine.Worker(id); ok {
				a.Workers = append(a.Workers, w.Offer.Name)
			}
		}
		out.Account = a
	}
	docs, err := s.deps.Docs.DocsOfPerson(ctx, "", person)
	if err != nil {
		return nil, fmt.Errorf("documents of a person: %w", err)
	}
	for _, d := range docs {
		if d.Kind != chat.KindFuse {
			out.Documents = append(out.Documents, exportDocument{Kind: d.Kind, Key: d.Key, Guild: d.Guild, Value: d.Value})
		}
	}
	rows, err := s.deps.Docs.MessagesOfPerson(ctx, person, exportRequests)
	if err != nil {
		return nil, fmt.Errorf("requests of a person: %w", err)
	}
	for _, row := range rows {
		e := exportedRequest{Asked: row.Created, Guild: row.Guild, Channel: row.Channel, Message: row.Message, Request: row.Request}
		if json.Valid(row.Params) {
			e.Params = row.Params
		}
		out.Requests = append(out.Requests, e)
	}
	for {
		data, err := json.MarshalIndent(out, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("write an export: %w", err)
		}
		if len(data) <= exportBytes || len(out.Requests) == 0 {
			return data, nil
		}
		out.Requests = out.Requests[:len(out.Requests)/2]
	}
}

// privacyExport sends everything by direct message; to somebody who takes none, right here.
func (s *Set) privacyExport(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	data, err := s.gather(ctx, in.User.ID)
	if err != nil {
		return err
	}
	m := discord.Message{Content: w.T("privacy.file"), Files: []discord.File{{Name: "stablemate-export.json", ContentType: "application/json", Data: data}}}
	_, err = s.bot.DM(ctx, in.User.ID, m)
	switch {
	case discord.IsCannotDM(err):
		m.Ephemeral = true
		return r.Reply(ctx, m)
	case err != nil:
		return fmt.Errorf("send an export: %w", err)
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

// erase forgets what the chat door knows about somebody now, and their account after a time of grace.
func (s *Set) erase(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	if err := r.DeferUpdate(ctx); err != nil {
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
	n, err := s.deps.Docs.ForgetPerson(ctx, in.User.ID)
	if err != nil {
		return fmt.Errorf("forget a person: %w", err)
	}
	s.log.Info().Int64("rows", n).Msg("a person is forgotten")
	return r.Update(ctx, discord.Message{Content: text})
}
