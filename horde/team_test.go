// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

func TestTeams(t *testing.T) {
	t.Parallel()
	word := unfit(t)
	w := newWorld(t)
	moderator, trusted, plain := w.staff("moderator", horde.RoleModerator), w.staff("founder", horde.RoleTrusted), w.user("plain", kudos.Whole(100))
	team := do(w, horde.NewTeam{By: trusted, Name: " The  Dreamers ", Info: "we dream"})
	if team.Name != "The Dreamers" || team.Owner != trusted || !team.Created.Equal(w.now) {
		t.Errorf("founded %+v", team)
	}
	for _, c := range []struct {
		what string
		op   horde.NewTeam
		want horde.Code
	}{
		{"by nobody", horde.NewTeam{By: 77, Name: "others"}, horde.CodeInvalidAPIKey},
		{"by everybody", horde.NewTeam{By: horde.Anonymous, Name: "others"}, horde.CodeAnonForbidden},
		{"by anybody", horde.NewTeam{By: plain, Name: "others"}, horde.CodeUntrustedTeam},
		{"of the same name", horde.NewTeam{By: trusted, Name: "the DREAMERS"}, horde.CodeTeamNameExists},
		{"of an unfit name", horde.NewTeam{By: trusted, Name: "the " + word}, horde.CodeProfaneTeamName},
		{"with an unfit info", horde.NewTeam{By: trusted, Name: "others", Info: word}, horde.CodeProfaneTeamInfo},
		{"of a short name", horde.NewTeam{By: trusted, Name: " x "}, horde.CodeBadRequest},
		{"of a long name", horde.NewTeam{By: trusted, Name: strings.Repeat("x", 101)}, horde.CodeBadRequest},
		{"with a long info", horde.NewTeam{By: trusted, Name: "others", Info: strings.Repeat("x", 1001)}, horde.CodeBadRequest},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("a team %s: got %q, want %q", c.what, codeOf(err), c.want)
		}
	}
	other := do(w, horde.NewTeam{By: moderator, Name: "Sleepers"})
	for _, c := range []struct {
		what string
		op   horde.SetTeam
		want horde.Code
	}{
		{"of no team", horde.SetTeam{By: trusted, Name: new("new")}, horde.CodeTeamNotFound},
		{"by nobody", horde.SetTeam{Team: team.ID, By: 77, Name: new("new")}, horde.CodeInvalidAPIKey},
		{"nothing", horde.SetTeam{Team: team.ID, By: trusted}, horde.CodeNoTeamMod},
		{"info by a stranger", horde.SetTeam{Team: team.ID, By: plain, Info: new("new")}, horde.CodeNotOwner},
		{"name by a stranger", horde.SetTeam{Team: team.ID, By: plain, Name: new("new")}, horde.CodeNotModerator},
		{"an unfit name", horde.SetTeam{Team: team.ID, By: trusted, Name: &word}, horde.CodeProfaneTeamName},
		{"an unfit info", horde.SetTeam{Team: team.ID, By: trusted, Info: &word}, horde.CodeProfaneTeamInfo},
		{"another's name", horde.SetTeam{Team: team.ID, By: trusted, Name: new("SLEEPERS"), Info: new("lost")}, horde.CodeTeamNameExists},
		{"its name in capitals", horde.SetTeam{Team: team.ID, By: trusted, Name: new("THE DREAMERS")}, ""},
		{"name and info by a moderator", horde.SetTeam{Team: team.ID, By: moderator, Name: new("Awake"), Info: new("we wake")}, ""},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want || err != nil && c.want == "" {
			t.Errorf("changing %s: got %q, want %q", c.what, codeOf(err), c.want)
		}
	}
	if got, ok := w.s.TeamNamed("aWAKE"); !ok || got.ID != team.ID || got.Info != "we wake" {
		t.Errorf("found %+v, %t by its new name", got, ok)
	}
	if _, ok := w.s.TeamNamed("the dreamers"); ok {
		t.Error("the old name still leads to the team")
	}

	// What members do adds up, from the moment they joined.
	work := func(name string) horde.Receipt {
		t.Helper()
		do(w, horde.Enqueue{NewImage: apple(plain)})
		job := w.pop(name)
		w.now = w.now.Add(5 * time.Second)
		return w.deliver(job)
	}
	work("gpu one")
	do(w, horde.SetWorker{Worker: w.worker("gpu one").ID, By: w.owner, Team: &team.ID})
	receipt := work("gpu one")
	idle := do(w, horde.Pop{Owner: w.owner, Offer: offer("gpu two")}).Worker
	do(w, horde.SetWorker{Worker: idle, By: w.owner, Team: &team.ID})
	w.attend("gpu one", 11)
	view, ok := w.s.TeamView(team.ID, w.now)
	if !ok {
		t.Fatal("no team")
	}
	want := horde.TeamView{
		Team: horde.Team{
			ID: team.ID, Name: "Awake", Info: "we wake", Owner: trusted, Created: team.Created,
			Kudos: receipt.Reward, Contributions: 512 * 512 * 20, Fulfilments: 1, Uptime: 600,
		},
		Creator: "founder#3", Online: 1,
		Members: []horde.Member{
			{ID: w.worker("gpu one").ID, Type: horde.Dreamer, Name: "gpu one", Online: true},
			{ID: idle, Type: horde.Dreamer, Name: "gpu two"},
		},
		Models: []horde.ModelCount{{Name: "mini", Workers: 2}},
		Total:  512 * 512 * 20 / 5, Mean: 512 * 512 * 20 / 5,
	}
	if diff := cmp.Diff(want, view); diff != "" {
		t.Errorf("the team (-want +got):\n%s", diff)
	}
	if all := w.s.Teams(w.now); len(all) != 2 || all[0].ID != team.ID || all[1].ID != other.ID {
		t.Errorf("the teams are %+v, want the busy one first", all)
	}
	if diff := cmp.Diff(w.s.Teams(w.now), w.reloaded().Teams(w.now)); diff != "" {
		t.Errorf("after a restart (-before +after):\n%s", diff)
	}

	for _, c := range []struct {
		what string
		op   horde.DeleteTeam
		want horde.Code
	}{
		{"no team", horde.DeleteTeam{By: trusted}, horde.CodeTeamNotFound},
		{"by nobody", horde.DeleteTeam{Team: team.ID, By: 77}, horde.CodeInvalidAPIKey},
		{"by a stranger", horde.DeleteTeam{Team: team.ID, By: plain}, horde.CodeNotModerator},
		{"by its founder", horde.DeleteTeam{Team: team.ID, By: trusted}, ""},
		{"again", horde.DeleteTeam{Team: team.ID, By: trusted}, horde.CodeTeamNotFound},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("disbanding %s: got %v, want %q", c.what, err, c.want)
		}
	}
	if got := w.worker("gpu one"); !got.Team.IsZero() {
		t.Error("a worker is in a team that is none")
	}
	work("gpu one") // in no team
	if again := w.reloaded(); len(again.Teams(w.now)) != 1 {
		t.Error("the team comes back after a restart")
	}
	do(w, horde.NewTeam{By: trusted, Name: "awake"}) // the name is free again
}

func TestTeamsPerOwnerAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trusted := w.staff("founder", horde.RoleTrusted)
	for i := range horde.MaxTeamsPerOwner {
		do(w, horde.NewTeam{By: trusted, Name: fmt.Sprintf("team %d", i)})
	}
	if _, err := try(w, horde.NewTeam{By: trusted, Name: "one more"}); codeOf(err) != horde.CodeBadRequest {
		t.Errorf("one more gets %v", err)
	}
}
