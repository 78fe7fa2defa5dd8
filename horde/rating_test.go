// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"errors"
	"testing"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

func TestSetsAreJudgedByTheRules(t *testing.T) {
	t.Parallel()
	id := func(n byte) horde.GenerationID { return horde.GenerationID{UUID: horde.UUID{n}} }
	none, a, b, c := id(0), id(1), id(2), id(3)
	set := func(change func(*horde.RatedSet)) horde.RatedSet {
		s := horde.RatedSet{
			Done: true, Shared: true, Consumed: 1000 * kudos.One,
			Images: []horde.SetImage{{Generation: a}, {Generation: b}, {Generation: c}},
		}
		if change != nil {
			change(&s)
		}
		return s
	}
	rating := func(of horde.GenerationID, n, artifacts int) horde.Rating {
		return horde.Rating{Generation: of, Rating: n, Artifacts: artifacts}
	}
	const bare = horde.NoArtifacts
	whole := set(nil)
	single := set(func(s *horde.RatedSet) { s.Images = s.Images[:1] })
	for what, c := range map[string]struct {
		set     horde.RatedSet
		ratings []horde.Rating
		best    horde.GenerationID
		want    horde.Code
		judged  horde.SetJudgement
	}{
		"not done":            {set(func(s *horde.RatedSet) { s.Done = false }), nil, a, horde.CodeAestheticsNotCompleted, horde.SetJudgement{}},
		"not shared":          {set(func(s *horde.RatedSet) { s.Shared = false }), nil, a, horde.CodeAestheticsNotPublic, horde.SetJudgement{}},
		"an unknown image":    {whole, []horde.Rating{rating(id(9), 5, bare)}, none, horde.CodeProcGenNotFound, horde.SetJudgement{}},
		"an unknown best":     {whole, nil, id(9), horde.CodeProcGenNotFound, horde.SetJudgement{}},
		"twice":               {whole, []horde.Rating{rating(a, 5, bare), rating(a, 6, bare)}, none, horde.CodeAestheticsDuplicate, horde.SetJudgement{}},
		"nothing":             {whole, nil, none, horde.CodeAestheticsMissing, horde.SetJudgement{}},
		"the best of one":     {single, nil, a, horde.CodeAestheticsSolo, horde.SetJudgement{}},
		"a best that is not":  {whole, []horde.Rating{rating(a, 5, bare), rating(b, 6, bare)}, a, horde.CodeAestheticsConfused, horde.SetJudgement{}},
		"an unrated best":     {whole, []horde.Rating{rating(a, 5, bare), rating(b, 6, bare)}, c, horde.CodeAestheticsConfused, horde.SetJudgement{}},
		"a rating of 11":      {whole, []horde.Rating{rating(a, 11, bare)}, none, horde.CodeInvalidAestheticAttempt, horde.SetJudgement{}},
		"artifacts of 6":      {whole, []horde.Rating{rating(a, 1, 6)}, none, horde.CodeInvalidAestheticAttempt, horde.SetJudgement{}},
		"the best alone":      {whole, nil, a, "", horde.SetJudgement{Best: a, Reward: 15 * kudos.One}},
		"one bad and a best":  {whole, []horde.Rating{rating(a, 6, 0)}, b, "", horde.SetJudgement{Best: b, Reward: 25 * kudos.One}},
		"one good":            {whole, []horde.Rating{rating(a, 7, bare)}, none, "", horde.SetJudgement{Best: a, Reward: 5 * kudos.One}},
		"one good and a best": {whole, []horde.Rating{rating(a, 7, bare)}, b, "", horde.SetJudgement{Best: b, Reward: 5 * kudos.One}},
		"one bad":             {single, []horde.Rating{rating(a, 3, 5)}, none, "", horde.SetJudgement{Reward: 10 * kudos.One}},
		"several":             {whole, []horde.Rating{rating(a, 3, 5), rating(b, 9, bare)}, none, "", horde.SetJudgement{Best: b, Reward: 15 * kudos.One}},
		"a tie":               {whole, []horde.Rating{rating(a, 9, 1), rating(b, 9, 1)}, none, "", horde.SetJudgement{Reward: 20 * kudos.One}},
		"a tie decided":       {whole, []horde.Rating{rating(a, 9, 1), rating(b, 9, 1)}, a, "", horde.SetJudgement{Best: a, Reward: 20 * kudos.One}},
		"never more than it cost": {
			set(func(s *horde.RatedSet) { s.Consumed = 12 * kudos.One }),
			[]horde.Rating{rating(a, 9, 1), rating(b, 2, 1)},
			none, "",
			horde.SetJudgement{Best: a, Reward: 11 * kudos.One},
		},
		"for nothing": {set(func(s *horde.RatedSet) { s.Consumed = 0 }), nil, a, "", horde.SetJudgement{Best: a}},
	} {
		got, err := horde.JudgeSet(&c.set, c.ratings, c.best)
		refusal, refused := errors.AsType[*horde.Error](err)
		if got != c.judged || refused != (c.want != "") || refused && refusal.Code != c.want {
			t.Errorf("%s: %+v, %v, want %+v, %q", what, got, err, c.judged, c.want)
		}
	}
}
