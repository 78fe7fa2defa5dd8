// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

const verbTeam = "te" // the form that a team's name is typed into before it is disbanded

func (s *Set) teamsFamily() family {
	team := s.opt("teams", discord.OptionSpec{
		Name: "team", Type: discord.OptionString, Required: true, Autocomplete: true, MaxLength: new(horde.MaxTeamNameRunes),
	})
	worker := s.opt("teams", discord.OptionSpec{Name: "worker", Type: discord.OptionString, Autocomplete: true, MaxLength: new(horde.MaxWorkerNameRunes)})
	name := discord.OptionSpec{
		Name: "name", Type: discord.OptionString, Required: true, MinLength: new(horde.MinTeamNameRunes), MaxLength: new(horde.MaxTeamNameRunes),
	}
	other := name
	other.Required = false
	info := s.opt("teams", discord.OptionSpec{Name: "info", Type: discord.OptionString, MaxLength: new(horde.MaxInfoRunes)})
	search := s.opt("teams", discord.OptionSpec{Name: "search", Type: discord.OptionString, MaxLength: new(30)})
	spec := s.spec("teams",
		s.sub("teams", "list", search), s.sub("teams", "info", team), s.sub("teams", "create", s.opt("teams", name), info),
		s.sub("teams", "edit", team, s.opt("teams", other), info), s.sub("teams", "join", team, worker), s.sub("teams", "leave", worker),
		s.sub("teams", "delete", team),
	)
	spec.DMs, spec.UserInstall = true, true
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		for path, h := range map[string]discord.HandlerFunc{
			"list": func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
				return s.showSheet(ctx, in, r, "teams", in.Command.Options.String("search"))
			},
			"info": func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
				t, err := s.teamNamed(s.say(in), in.Command.Options.String("team"))
				if err != nil {
					return err
				}
				return s.showSheet(ctx, in, r, "team", t.ID.String())
			},
			"create": s.teamCreate, "edit": s.teamEdit, "join": s.teamJoin, "leave": s.teamJoin, "delete": s.teamDelete,
		} {
			rt.Command("teams "+path, discord.Route{Handle: s.answered(h), Autocomplete: s.completeTeam, Private: true})
		}
		rt.Modal(verbTeam, discord.Route{Handle: s.answered(s.typedAway(s.goneTeam)), Private: true})
	}}
}

// teamNamed finds a team by its name or ID.
func (s *Set) teamNamed(w words.Words, text string) (horde.Team, error) {
	text = strings.TrimSpace(text)
	if id, err := horde.ParseUUID(text); err == nil {
		if t, ok := s.engine.Team(horde.TeamID{UUID: id}); ok {
			return t, nil
		}
	}
	if t, ok := s.engine.TeamNamed(text); ok {
		return t, nil
	}
	return horde.Team{}, tell(w.T("teams.unknown", "Team", escape(discord.Clip(text, maxModel))))
}

func (s *Set) completeTeam(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if in.Command.Focused == "worker" {
		return s.completeWorker(true)(ctx, in, r)
	}
	var all []discord.Choice
	for _, t := range s.engine.Teams() {
		all = append(all, discord.Choice{Name: plain(t.Name), Value: t.ID.String()})
	}
	return r.Autocomplete(ctx, suggest(in.Command.Options.String("team"), all))
}

func (s *Set) teamList(_ context.Context, _ *discord.Interaction, w words.Words, filter string) (sheet, error) {
	sh := sheet{title: w.T("teams.title")}
	for _, t := range s.engine.Teams() {
		if !contains(t.Name, filter) || len(sh.rows) >= maxSheets {
			continue
		}
		sh.rows = append(sh.rows, "👥 **"+escape(t.Name)+"** · "+w.T("teams.row", "Workers", len(t.Members), "Online", t.Online, "Done", t.Fulfilments, "Kudos", t.Kudos.String()))
	}
	return sh, nil
}

func (s *Set) teamCard(_ context.Context, _ *discord.Interaction, w words.Words, filter string) (sheet, error) {
	found, err := s.teamNamed(w, filter)
	if err != nil {
		return sheet{}, err
	}
	t, ok := s.engine.TeamView(found.ID)
	if !ok {
		return sheet{}, tell(w.T("teams.unknown", "Team", escape(found.Name)))
	}
	sh := sheet{title: "👥 " + escape(t.Name), text: escape(t.Info)}
	names := make([]string, len(t.Members))
	for i, m := range t.Members {
		names[i] = m.Name
	}
	models := make([]string, len(t.Models))
	for i, m := range t.Models {
		models[i] = m.Name
	}
	sh.fields = field(sh.fields, w.T("sheet.owner"), escape(t.Creator))
	sh.fields = field(sh.fields, w.T("sheet.workers"), fmt.Sprintf("%d (%d 🟢)", len(t.Members), t.Online))
	sh.fields = field(sh.fields, w.T("worker.made"), strconv.FormatInt(t.Fulfilments, 10))
	sh.fields = field(sh.fields, w.T("worker.kudos"), t.Kudos.String())
	sh.fields = field(sh.fields, w.T("worker.uptime"), span(time.Duration(t.Uptime)*time.Second))
	sh.fields = field(sh.fields, w.T("worker.speed"), cutShort(float64(int64(t.Total)))+" px/s")
	sh.fields = field(sh.fields, w.T("teams.members"), list(names, 15))
	sh.fields = field(sh.fields, w.T("sheet.models"), list(models, 10))
	return sh, nil
}

func (s *Set) teamCreate(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	by, err := s.need(ctx, in)
	if err != nil {
		return err
	}
	o := in.Command.Options
	t, err := engine.Do(ctx, s.engine, horde.NewTeam{By: by.ID, Name: o.String("name"), Info: o.String("info")})
	if err != nil {
		return err
	}
	return r.Reply(ctx, private(s.say(in).T("teams.created", "Team", escape(t.Name), "Join", s.cmd("teams join"))))
}

func (s *Set) teamEdit(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	by, err := s.need(ctx, in)
	if err != nil {
		return err
	}
	o, w := in.Command.Options, s.say(in)
	t, err := s.teamNamed(w, o.String("team"))
	if err != nil {
		return err
	}
	if t, err = engine.Do(ctx, s.engine, horde.SetTeam{Team: t.ID, By: by.ID, Name: given(o, "name"), Info: given(o, "info")}); err != nil {
		return err
	}
	return r.Reply(ctx, private(w.T("teams.edited", "Team", escape(t.Name))))
}

// given is the text of an option, or nil without one.
func given(o discord.OptionValues, name string) *string {
	if !o.Has(name) {
		return nil
	}
	return new(o.String(name))
}

// teamJoin puts a worker into a team, or takes it out of its own.
func (s *Set) teamJoin(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	by, err := s.need(ctx, in)
	if err != nil {
		return err
	}
	o, w := in.Command.Options, s.say(in)
	name, leaves := o.String("worker"), in.Command.Path == "teams leave"
	if own := s.engine.WorkersOf(by.ID); name == "" && len(own) == 1 {
		name = own[0].String()
	} else if name == "" {
		return tell(w.T("teams.whichworker", "Count", len(own)))
	}
	wk, _, err := s.mine(ctx, in, name)
	if err != nil {
		return err
	}
	var team horde.Team
	if !leaves {
		if team, err = s.teamNamed(w, o.String("team")); err != nil {
			return err
		}
	}
	if _, err := engine.Do(ctx, s.engine, horde.SetWorker{Worker: wk.ID, By: by.ID, Team: &team.ID}); err != nil {
		return err
	}
	if leaves {
		return r.Reply(ctx, private(w.T("teams.left", "Worker", escape(wk.Offer.Name))))
	}
	return r.Reply(ctx, private(w.T("teams.joined", "Worker", escape(wk.Offer.Name), "Team", escape(team.Name))))
}

// teamDelete asks for the team's name first.
func (s *Set) teamDelete(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	t, err := s.teamNamed(w, in.Command.Options.String("team"))
	if err != nil {
		return err
	}
	return r.Modal(ctx, s.typedName(w, verbTeam, t.ID.String(), "teams.delete"))
}

// goneTeam is a team that its founder lets go.
func (s *Set) goneTeam(in *discord.Interaction, id string) (goner, error) {
	w := s.say(in)
	t, err := s.teamNamed(w, id)
	return goner{t.Name, func(ctx context.Context, by horde.UserID) error {
		_, err := engine.Do(ctx, s.engine, horde.DeleteTeam{Team: t.ID, By: by})
		return err
	}, w.T("teams.deleted", "Team", escape(t.Name))}, err
}
