// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"net/http"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
)

// teamBody is the body of POST teams and PATCH teams/{team_id}.
func teamBody(required ...string) *schema {
	return shape(map[string]*schema{
		"name": text().length(horde.MinTeamNameRunes, horde.MaxTeamNameRunes),
		"info": text().length(3, horde.MaxInfoRunes),
	}, required...)
}

// listTeams is GET /teams: those with the most kudos first.
func (s *Server) listTeams(c *call) error {
	teams := s.deps.Engine.Teams()
	out := make([]wire.Team, 0, len(teams))
	for i := range teams {
		out = append(out, teamOf(&teams[i]))
	}
	return c.reply(http.StatusOK, out)
}

// pathTeam finds the team a path names by ID.
func (s *Server) pathTeam(c *call) (horde.TeamID, error) {
	text := c.r.PathValue("team_id")
	if id, err := horde.ParseUUID(text); err == nil {
		if _, ok := s.deps.Engine.Team(horde.TeamID{UUID: id}); ok {
			return horde.TeamID{UUID: id}, nil
		}
	}
	return horde.TeamID{}, noTeam(text)
}

func noTeam(id string) error {
	return horde.Refuse(horde.CodeTeamNotFound, "Team with ID %s not found.", show(id))
}

// showTeam is GET /teams/{team_id}. A key, if there is one, must be a moderator's; it shows nothing more.
func (s *Server) showTeam(c *call) error {
	id, err := s.pathTeam(c)
	if err != nil {
		return err
	}
	by, known, err := s.optionalCaller(c, true)
	switch {
	case err != nil:
		return err
	case known && !by.Has(horde.RoleModerator):
		return horde.Refuse(codeNotModerator, "Only moderators may ask with a key.")
	}
	team, ok := s.deps.Engine.TeamView(id)
	if !ok {
		return noTeam(id.String())
	}
	return c.reply(http.StatusOK, teamOf(&team))
}

func teamOf(t *horde.TeamView) wire.Team {
	out := wire.Team{
		ID: t.ID.String(), Name: t.Name, Creator: t.Creator, Info: t.Info, RequestsFulfilled: t.Fulfilments,
		Kudos: amount(t.Kudos), Uptime: t.Uptime, WorkerCount: len(t.Members),
		Workers: make([]wire.TeamWorker, 0, len(t.Members)), Models: make([]wire.TeamModel, 0, len(t.Models)),
	}
	for _, w := range t.Members {
		out.Workers = append(out.Workers, wire.TeamWorker{Type: string(w.Type), Name: w.Name, ID: w.ID.String(), Online: w.Online})
	}
	for _, m := range t.Models {
		out.Models = append(out.Models, wire.TeamModel{Name: m.Name, Count: m.Workers})
	}
	return out
}

// newTeam is POST /teams.
func (s *Server) newTeam(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.newTeam)
	if err != nil {
		return err
	}
	u, err := s.caller(c)
	switch {
	case err != nil:
		return err
	case nul(body):
		return horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	team, err := do(s, c, horde.NewTeam{By: u.ID, Name: body.text("name", ""), Info: body.text("info", "")})
	if err != nil {
		return err
	}
	out := wire.TeamChanged{ID: team.ID.String(), Name: &team.Name}
	if body.has("info") {
		out.Info = &team.Info
	}
	return c.reply(http.StatusOK, out)
}

// changeTeam is PATCH /teams/{team_id}.
func (s *Server) changeTeam(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.team)
	if err != nil {
		return err
	}
	id, err := s.pathTeam(c)
	if err != nil {
		return err
	}
	u, err := s.caller(c)
	switch {
	case err != nil:
		return err
	case nul(body):
		return horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	op := horde.SetTeam{Team: id, By: u.ID, Name: body.maybe("name"), Info: body.maybe("info")}
	team, err := do(s, c, op)
	if err != nil {
		return err
	}
	var out wire.TeamChanged
	if op.Name != nil {
		out.Name = &team.Name
	}
	if op.Info != nil {
		out.Info = &team.Info
	}
	return c.reply(http.StatusOK, out)
}

// deleteTeam is DELETE /teams/{team_id}.
func (s *Server) deleteTeam(c *call) error {
	id, err := s.pathTeam(c)
	if err != nil {
		return err
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	team, err := do(s, c, horde.DeleteTeam{Team: id, By: u.ID})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, wire.Deleted{ID: team.ID.String(), Name: team.Name})
}

// maybe reads a text that may be absent.
func (o object) maybe(name string) *string {
	if s, ok := o[name].(string); ok {
		return &s
	}
	return nil
}
