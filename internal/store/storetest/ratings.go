// SPDX-License-Identifier: AGPL-3.0-or-later

package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/store"
	"stablemate/ratings"
)

// ratedImage is an image to rate with every field set.
func ratedImage(n byte) ratings.Image {
	return ratings.Image{
		ID: horde.UUID{n}, Dataset: "horde", Blob: "b", Owner: 7, Request: horde.UUID{9, n}, Prompt: "a\x00b", Model: "m", Seed: 1<<32 - 1,
		Params: []byte(`{"steps":1}`), Client: "c:1", Made: time.UnixMicro(5).UTC(), Added: time.UnixMicro(6).UTC(), Place: int64(n),
	}
}

func testRatings(t *testing.T, opts store.Options) {
	t.Helper()
	ctx := t.Context()
	s := Open(t, opts)
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for n := range byte(4) {
		if added, err := s.AddRatingImage(ctx, ratedImage(n+1)); !added || err != nil {
			t.Fatalf("add: %v, %v", added, err)
		}
	}
	if added, err := s.AddRatingImage(ctx, ratedImage(1)); added || err != nil {
		t.Errorf("add again: %v, %v", added, err)
	}
	got, found, err := s.RatingImage(ctx, horde.UUID{1})
	if diff := cmp.Diff(ratedImage(1), got); diff != "" || !found || err != nil {
		t.Errorf("the image (-want +got), %v, %v:\n%s", found, err, diff)
	}
	next := func(what string, q ratings.Query, want byte) {
		t.Helper()
		img, found, err := s.NextRatingImage(ctx, q)
		if err != nil || found != (want != 0) || img.ID != (horde.UUID{want}) {
			t.Errorf("%s: image %d, %v, %v, want %d", what, img.ID[0], found, err, want)
		}
	}
	next("the first", ratings.Query{Rater: 1}, 1)
	next("from a place on", ratings.Query{Rater: 1, From: 3}, 3)
	next("of the data set", ratings.Query{Rater: 1, Dataset: "horde", From: 2}, 2)
	next("of another data set", ratings.Query{Rater: 1, Dataset: "other"}, 0)
	next("never one's own", ratings.Query{Rater: 7}, 0)
	next("with a vote", ratings.Query{Rater: 1, Votes: 1}, 0)
	next("with a known answer", ratings.Query{Rater: 1, Known: true}, 0)

	rater := ratings.Rater{User: 1, Votes: 1, Reward: 10 * kudos.One, Desk: ratings.Desk{Dataset: "x", Shown: noon}}
	vote := ratings.Vote{
		Image: horde.UUID{1}, Rater: 1, Kind: ratings.Rated, Rating: 8, Artifacts: 2, Client: "chat:1:d", Guild: "5", Shown: noon, At: noon.Add(time.Second),
		Requested: 3, Fulfilled: 4, Age: time.Hour, Roles: horde.RoleTrusted, Probe: ratings.Known, Agreed: true, Reward: 10 * kudos.One,
	}
	if err := s.SaveVote(ctx, rater, vote, "horde", 2, 2); err != nil {
		t.Fatal(err)
	}
	if back, found, err := s.Vote(ctx, vote.Image, 1, 0); cmp.Diff(vote, back) != "" || !found || err != nil {
		t.Errorf("the vote (-want +got), %v, %v:\n%s", found, err, cmp.Diff(vote, back))
	}
	if err := s.SaveVote(ctx, rater, vote, "horde", 2, 2); !errors.Is(err, ratings.ErrStale) {
		t.Errorf("a vote from an old desk: %v, want ErrStale", err)
	}
	rater.Seq = 1
	if err := s.SaveVote(ctx, rater, vote, "horde", 2, 2); !errors.Is(err, ratings.ErrVoted) {
		t.Errorf("a second vote: %v, want ErrVoted", err)
	}
	if back, err := s.Rater(ctx, 1); cmp.Diff(rater, back) != "" || err != nil {
		t.Errorf("the rater after a refused vote (-want +got), %v:\n%s", err, cmp.Diff(rater, back))
	}
	next("another one after a vote", ratings.Query{Rater: 1}, 2)
	next("one with a vote for others", ratings.Query{Rater: 2, Votes: 1}, 1)
	next("no vote twice", ratings.Query{Rater: 1, Votes: 1}, 0)
	other := vote
	other.Rater = 2
	other.Artifacts = horde.NoArtifacts
	if err := s.SaveVote(ctx, ratings.Rater{User: 2, Votes: 3}, other, "horde", 2, 2); err != nil {
		t.Fatal(err)
	}
	next("votes enough", ratings.Query{Rater: 3, Votes: 2}, 0)
	owed, err := s.OwedRatings(ctx, 5)
	want := []ratings.Owed{{ID: horde.UUID{1}, Rater: 1, Amount: 10 * kudos.One}, {ID: horde.UUID{1}, Rater: 2, Amount: 10 * kudos.One}}
	if diff := cmp.Diff(want, owed); diff != "" || err != nil {
		t.Errorf("owed (-want +got), %v:\n%s", err, diff)
	}
	if err := s.RatingPaid(ctx, want[1]); err != nil {
		t.Fatal(err)
	}
	all, err := s.RatingTally(ctx, ratings.ByAll, "")
	if all != (ratings.Tally{Votes: 2, Artifacts: 1}) || err != nil {
		t.Errorf("all votes: %+v, %v", all, err)
	}
	if err := s.UndoVote(ctx, rater, vote, "horde"); err != nil {
		t.Fatal(err)
	}
	next("open again after a vote was taken back", ratings.Query{Rater: 3, Votes: 1}, 1)
	rater.Seq++
	again := vote
	again.Rating, again.Reward = 3, 0
	if err := s.SaveVote(ctx, rater, again, "horde", 2, 2); err != nil {
		t.Fatal(err)
	}
	again.Reward = vote.Reward
	if back, _, err := s.Vote(ctx, vote.Image, 1, 0); cmp.Diff(again, back) != "" || err != nil {
		t.Errorf("the vote given anew (-want +got), %v:\n%s", err, cmp.Diff(again, back))
	}
	if owed, err = s.OwedRatings(ctx, 5); len(owed) != 1 || err != nil {
		t.Errorf("owed after the vote was given anew: %v, %v", owed, err)
	}
	clients, err := s.RatingTallies(ctx, ratings.ByClient, 5)
	if diff := cmp.Diff([]ratings.Tally{{Name: "chat", Votes: 2, Artifacts: 1}}, clients); diff != "" || err != nil {
		t.Errorf("votes by client (-want +got), %v:\n%s", err, diff)
	}
	if v, found, err := s.EarlierVote(ctx, 1, noon, noon.Add(time.Minute)); !found || v.Rating != 3 || err != nil {
		t.Errorf("an earlier vote: %+v, %v, %v", v, found, err)
	}
	turn := again
	turn.Turn, turn.Probe, turn.Guild = 1, ratings.Repeat, ""
	rater.Seq++
	if err := s.SaveVote(ctx, rater, turn, "horde", 2, 2); err != nil {
		t.Fatal(err)
	}
	if v, found, err := s.EarlierVote(ctx, 1, noon, noon.Add(time.Minute)); found || err != nil {
		t.Errorf("a vote that was asked for again: %+v, %v", v, err)
	}
	testRatedSets(t, s)
	for n, want := range []byte{3, 0} {
		report := vote
		report.Image, report.Rater, report.Kind, report.Rating = horde.UUID{3}, horde.UserID(10+n), ratings.Reported, 0
		if err := s.SaveVote(ctx, ratings.Rater{User: report.Rater, Hidden: true, Votes: 9}, report, "horde", 2, 2); err != nil {
			t.Fatal(err)
		}
		if img, found, err := s.RatingImage(ctx, horde.UUID{3}); img.ID[0] != want || found != (want != 0) || err != nil {
			t.Errorf("an image with %d reports: %v, %v", n+1, found, err)
		}
	}
	leaders, err := s.RatingLeaders(ctx, 10)
	if err != nil || len(leaders) != 2 || leaders[0].User != 2 || leaders[1].User != 1 {
		t.Errorf("leaders: %+v, %v", leaders, err)
	}
	most, err := s.Ranks(ctx, store.ByRated, noon, 10)
	if diff := cmp.Diff([]store.Rank{{User: 1, N: 1}, {User: 2, N: 1}}, most); diff != "" || err != nil {
		t.Errorf("who rated most (-want +got), %v:\n%s", err, diff)
	}
	sets, err := s.RatingDatasets(ctx)
	if diff := cmp.Diff([]ratings.Dataset{{Name: "horde", Images: 3, Open: 2}}, sets); diff != "" || err != nil {
		t.Errorf("data sets (-want +got), %v:\n%s", err, diff)
	}
	counts, err := s.ImagesByVotes(ctx)
	if diff := cmp.Diff(map[int]int64{0: 2, 2: 1}, counts); diff != "" || err != nil {
		t.Errorf("images by votes (-want +got), %v:\n%s", err, diff)
	}
}

func testRatedSets(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	set := ratings.Set{Request: horde.UUID{8}, Rater: 7, Best: horde.UUID{2}, Images: 2, Client: "x", At: time.UnixMicro(1).UTC(), Reward: kudos.One}
	votes := []ratings.Vote{{Image: horde.UUID{2}, Rater: 7, Rating: 9, Artifacts: horde.NoArtifacts, Own: true, Best: true, Client: "x", Paid: true}}
	if err := s.SaveSet(ctx, set, votes); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveSet(ctx, set, nil); !errors.Is(err, ratings.ErrVoted) {
		t.Errorf("a set twice: %v, want ErrVoted", err)
	}
	owed, err := s.OwedRatings(ctx, 5)
	if err != nil || len(owed) == 0 || owed[len(owed)-1] != (ratings.Owed{Set: true, ID: set.Request, Rater: 7, Amount: kudos.One}) {
		t.Errorf("owed for a set: %+v, %v", owed, err)
	}
	for _, o := range owed {
		if err := s.RatingPaid(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	if owed, err = s.OwedRatings(ctx, 5); len(owed) != 0 || err != nil {
		t.Errorf("owed after all was paid: %v, %v", owed, err)
	}
}

func testRaterForgotten(t *testing.T, opts store.Options) {
	t.Helper()
	ctx, s := t.Context(), Open(t, opts)
	const who, alias, other = horde.UserID(7), horde.UserID(-77), horde.UserID(8)
	for n := range byte(3) {
		img := ratedImage(n + 1)
		if img.Owner = who; n == 2 {
			img.Owner = 9
		}
		if _, err := s.AddRatingImage(ctx, img); err != nil {
			t.Fatal(err)
		}
	}
	vote := func(rater horde.UserID, image byte) {
		t.Helper()
		r, err := s.Rater(ctx, rater)
		if err != nil {
			t.Fatal(err)
		}
		r.Votes++
		v := ratings.Vote{Image: horde.UUID{image}, Rater: rater, Kind: ratings.Rated, Rating: 5, Artifacts: 1, Guild: "1", Client: "x", At: time.Unix(int64(image), 0), Reward: 5}
		if err := s.SaveVote(ctx, r, v, "horde", 9, 9); err != nil {
			t.Fatal(err)
		}
	}
	vote(who, 3)
	vote(other, 1)
	vote(other, 2)
	if got, err := s.VotesOf(ctx, other, 10); err != nil || len(got) != 2 || got[0].Image != (horde.UUID{2}) {
		t.Errorf("VotesOf = %+v, %v", got, err)
	}
	for _, want := range []int{1, 1, 0} {
		if blobs, err := s.ForgetRater(ctx, who, alias, 1); err != nil || len(blobs) != want {
			t.Fatalf("ForgetRater = %q, %v, want %d", blobs, err, want)
		}
	}
	if r, err := s.Rater(ctx, who); err != nil || r.Votes != 0 || r.Seq != 0 {
		t.Errorf("the person is still there: %+v, %v", r, err)
	}
	if got, err := s.VotesOf(ctx, who, 10); err != nil || len(got) != 0 {
		t.Errorf("votes of theirs: %+v, %v", got, err)
	}
	if got, err := s.VotesOf(ctx, alias, 10); err != nil || len(got) != 1 || got[0].Guild != "" || got[0].Rating != 5 || !got[0].Paid {
		t.Errorf("votes of nobody: %+v, %v", got, err)
	}
	for n, want := range map[byte]bool{1: false, 2: false, 3: true} {
		if _, found, err := s.RatingImage(ctx, horde.UUID{n}); err != nil || found != want {
			t.Errorf("image %d: found %v, %v", n, found, err)
		}
	}
	if got, err := s.RatingTally(ctx, ratings.ByAll, ""); err != nil || got.Votes != 3 {
		t.Errorf("the count is %+v, %v", got, err)
	}
}
