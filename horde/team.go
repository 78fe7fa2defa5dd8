// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"stablemate/horde/kudos"
)

// KindTeam marks the documents of teams.
const KindTeam RecordKind = "team"

// Bounds of teams.
const (
	MinTeamNameRunes = 3
	MaxTeamNameRunes = 100
	MaxTeams         = 10_000
	MaxTeamsPerOwner = 50
)

// Team is a name under which owners gather workers. What its dreamers do while they are in it adds up.
type Team struct {
	ID            TeamID       `json:"id"`
	Name          string       `json:"name"` // unique, whatever the case
	Info          string       `json:"info,omitempty"`
	Owner         UserID       `json:"owner"`
	Created       time.Time    `json:"created"`
	Kudos         kudos.Amount `json:"kudos,omitempty"`
	Contributions int64        `json:"contributions,omitempty"` // pixelsteps
	Fulfilments   int64        `json:"fulfilments,omitempty"`
	Uptime        int64        `json:"uptime,omitempty"` // seconds
}

// Member is a worker of a team.
type Member struct {
	ID     WorkerID
	Type   WorkerType
	Name   string
	Online bool
}

// ModelCount is how many workers of a team serve a model.
type ModelCount struct {
	Name    string
	Workers int
}

// TeamView is a team as others see it. Members and Models are sorted by name.
type TeamView struct {
	Team
	Creator string // alias
	Members []Member
	Models  []ModelCount
	Online  int
	// Total is the speed of the dreamers that are online together, Mean that of one, in pixelsteps per second.
	Total, Mean float64
}

func errNoTeam(id string) error { return refuse(CodeTeamNotFound, "Team with ID '%s' not found.", id) }

// indexTeams finds teams by name, after a start.
func (s *State) indexTeams() {
	s.teamByName = make(map[string]TeamID, len(s.teams.pages))
	for _, t := range s.teams.pages {
		s.teamByName[strings.ToLower(t.Name)] = t.ID
	}
}

// creditTeam adds one delivery to the worker's team.
func (s *State) creditTeam(c *Change, w *Worker, reward kudos.Amount, things int64) {
	if w.Team.IsZero() || w.Type != Dreamer {
		return
	}
	t, ok := s.teams.pages[w.Team.String()]
	if !ok {
		return
	}
	t.Kudos += reward
	t.Contributions += things
	t.Fulfilments++
	c.saveRecord(KindTeam, t.ID.String())
}

// creditTeamUptime adds one rewarded span online to the worker's team.
func (s *State) creditTeamUptime(c *Change, w *Worker) {
	if w.Team.IsZero() {
		return
	}
	if t, ok := s.teams.pages[w.Team.String()]; ok {
		t.Uptime += UptimeSpan
		c.saveRecord(KindTeam, t.ID.String())
	}
}

// NewTeam founds a team. Trusted accounts may.
type NewTeam struct {
	By   UserID
	Name string
	Info string
}

func (op NewTeam) apply(s *State, c *Change) (Team, error) {
	by, ok := s.users[op.By]
	switch {
	case !ok:
		return Team{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	case by.ID == Anonymous:
		return Team{}, refuse(CodeAnonForbidden, "Anonymous callers may not found teams.")
	case by.Has(RoleDeleted):
		return Team{}, refuse(CodeDeletedUser, "this account is marked as deleted")
	case !by.Has(RoleTrusted) && !by.Has(RoleModerator):
		return Team{}, refuse(CodeUntrustedTeam, "Only trusted accounts may found teams.")
	}
	op.Name, op.Info = plainName(op.Name), SafeText(op.Info)
	if err := s.mayNameTeam(op.Name, TeamID{}); err != nil {
		return Team{}, err
	}
	if err := s.mayDescribeTeam(op.Info); err != nil {
		return Team{}, err
	}
	own := 0
	for _, t := range s.teams.pages {
		if t.Owner == by.ID {
			own++
		}
	}
	if own >= MaxTeamsPerOwner || len(s.teams.pages) >= MaxTeams {
		return Team{}, refuse(CodeBadRequest, "there are too many teams already: %d of yours, at most %d are allowed", own, MaxTeamsPerOwner)
	}
	t := &Team{ID: TeamID{c.IDs.UUID()}, Name: op.Name, Info: op.Info, Owner: by.ID, Created: c.Now}
	s.teams.put(c, t.ID.String(), t)
	s.teamByName[strings.ToLower(t.Name)] = t.ID
	return *t, nil
}

// mayNameTeam refuses names that are unfit, or that another team has.
func (s *State) mayNameTeam(name string, id TeamID) error {
	if n := utf8.RuneCountInString(name); n < MinTeamNameRunes || n > MaxTeamNameRunes {
		return refuse(CodeBadRequest, "a team's name has %d to %d characters", MinTeamNameRunes, MaxTeamNameRunes)
	}
	if s.profane(name) {
		return refuse(CodeProfaneTeamName, "this name is not fit for a team; please choose another one")
	}
	if other, taken := s.teamByName[strings.ToLower(name)]; taken && other != id {
		return refuse(CodeTeamNameExists, "there is already a team of this name")
	}
	return nil
}

func (s *State) mayDescribeTeam(info string) error {
	switch {
	case utf8.RuneCountInString(info) > MaxInfoRunes:
		return refuse(CodeBadRequest, "info has at most %d characters", MaxInfoRunes)
	case s.profane(info):
		return refuse(CodeProfaneTeamInfo, "this info is not fit for a team; please choose other words")
	}
	return nil
}

// SetTeam changes a team. Its founder and moderators may. Nil fields stay as they are.
type SetTeam struct {
	Team TeamID
	By   UserID
	Name *string
	Info *string
}

func (op SetTeam) apply(s *State, c *Change) (Team, error) {
	t, ok := s.teams.pages[op.Team.String()]
	if !ok {
		return Team{}, errNoTeam(op.Team.String())
	}
	by, ok := s.users[op.By]
	if !ok {
		return Team{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	}
	switch stranger := t.Owner != by.ID && !by.Has(RoleModerator); {
	case stranger && op.Info != nil:
		return Team{}, refuse(CodeNotOwner, "Only the founder of a team may change it.")
	case stranger && op.Name != nil:
		return Team{}, refuse(CodeNotModerator, "Only moderators may change the name of somebody else's team.")
	case op.Name == nil && op.Info == nil:
		return Team{}, refuse(CodeNoTeamMod, "No change was asked for.")
	}
	after := *t
	if op.Info != nil {
		after.Info = SafeText(*op.Info)
		if err := s.mayDescribeTeam(after.Info); err != nil {
			return Team{}, err
		}
	}
	if op.Name != nil {
		after.Name = plainName(*op.Name)
		if err := s.mayNameTeam(after.Name, t.ID); err != nil {
			return Team{}, err
		}
		delete(s.teamByName, strings.ToLower(t.Name))
		s.teamByName[strings.ToLower(after.Name)] = t.ID
	}
	s.teams.put(c, t.ID.String(), &after)
	return after, nil
}

// DeleteTeam disbands a team: its workers leave it. Its founder and moderators may.
type DeleteTeam struct {
	Team TeamID
	By   UserID
}

func (op DeleteTeam) apply(s *State, c *Change) (Team, error) {
	t, ok := s.teams.pages[op.Team.String()]
	if !ok {
		return Team{}, errNoTeam(op.Team.String())
	}
	by, ok := s.users[op.By]
	switch {
	case !ok:
		return Team{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	case t.Owner != by.ID && !by.Has(RoleModerator):
		return Team{}, refuse(CodeNotModerator, "Only the founder of a team, or a moderator, may disband it.")
	}
	for _, w := range s.members(t.ID) {
		w.Team = TeamID{}
		c.saveWorker(w)
	}
	delete(s.teamByName, strings.ToLower(t.Name))
	s.teams.drop(c, t.ID.String())
	return *t, nil
}

// members lists the workers of a team by name.
func (s *State) members(id TeamID) []*Worker {
	var out []*Worker
	for _, w := range s.workers {
		if w.Team == id {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b *Worker) int { return cmp.Compare(a.Offer.Name, b.Offer.Name) })
	return out
}

// Team reads a team without its members.
func (s *State) Team(id TeamID) (Team, bool) {
	t, ok := s.teams.pages[id.String()]
	if !ok {
		return Team{}, false
	}
	return *t, true
}

// TeamNamed finds a team by its name, whatever the case.
func (s *State) TeamNamed(name string) (Team, bool) {
	id, ok := s.teamByName[strings.ToLower(plainName(name))]
	if !ok {
		return Team{}, false
	}
	return s.Team(id)
}

// TeamView reads a team with its members.
func (s *State) TeamView(id TeamID, now time.Time) (TeamView, bool) {
	t, ok := s.teams.pages[id.String()]
	if !ok {
		return TeamView{}, false
	}
	return s.teamView(t, s.members(id), now), true
}

// Teams lists all teams with their members, those with the most kudos first.
func (s *State) Teams(now time.Time) []TeamView {
	members := make(map[TeamID][]*Worker)
	for _, w := range s.workers {
		if !w.Team.IsZero() {
			members[w.Team] = append(members[w.Team], w)
		}
	}
	out := make([]TeamView, 0, len(s.teams.pages))
	for _, t := range s.teams.pages {
		of := members[t.ID]
		slices.SortFunc(of, func(a, b *Worker) int { return cmp.Compare(a.Offer.Name, b.Offer.Name) })
		out = append(out, s.teamView(t, of, now))
	}
	slices.SortFunc(out, func(a, b TeamView) int {
		return cmp.Or(cmp.Compare(b.Kudos, a.Kudos), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (s *State) teamView(t *Team, of []*Worker, now time.Time) TeamView {
	v := TeamView{Team: *t, Members: make([]Member, 0, len(of)), Models: []ModelCount{}}
	if owner := s.users[t.Owner]; owner != nil {
		v.Creator = owner.Alias()
	}
	models := make(map[string]int)
	dreamers := 0
	for _, w := range of {
		online := w.Online(now)
		v.Members = append(v.Members, Member{ID: w.ID, Type: w.Type, Name: w.Offer.Name, Online: online})
		for _, m := range w.Offer.Models {
			models[m]++
		}
		if !online {
			continue
		}
		v.Online++
		if w.Type == Dreamer { // the speeds of other types have other units
			dreamers++
			v.Total += w.speed
		}
	}
	if dreamers > 0 {
		v.Mean = v.Total / float64(dreamers)
	}
	for name, n := range models {
		v.Models = append(v.Models, ModelCount{name, n})
	}
	slices.SortFunc(v.Models, func(a, b ModelCount) int { return cmp.Compare(a.Name, b.Name) })
	return v
}
