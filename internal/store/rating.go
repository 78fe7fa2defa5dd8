// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/ratings"
)

// Bounds of ratings.
const (
	ratingWindow = 256 // images that one look for the next one reads
	maxTallyName = 60  // bytes
)

// An image to rate is open (state 0), has votes enough (1) or is withdrawn (2).
const ratingImageColumns = `
id, dataset, blob, owner, request, prompt, model, seed, params, client, nsfw, made, added, low, high, place, votes`

// AddRatingImage files an image unless one with its ID is there.
func (s *Store) AddRatingImage(ctx context.Context, img ratings.Image) (added bool, err error) {
	const query = `
INSERT INTO rating_image (` + ratingImageColumns + `, state, reports)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, 0)
ON CONFLICT (id) DO NOTHING`
	n, err := s.db.exec(ctx, query, img.ID[:], plain(img.Dataset), img.Blob, int64(img.Owner), img.Request[:], plain(img.Prompt),
		plain(img.Model), img.Seed, notNil(img.Params), plain(img.Client), flag(img.NSFW), micros(img.Made), micros(img.Added),
		int64(img.Low), int64(img.High), img.Place, int64(img.Votes))
	return n > 0, s.wrap("add an image to rate", err)
}

// RatingImage finds an image that is not withdrawn.
func (s *Store) RatingImage(ctx context.Context, id horde.UUID) (ratings.Image, bool, error) {
	return s.ratingImage(ctx, `SELECT `+ratingImageColumns+` FROM rating_image WHERE id = $1 AND state <> 2`, id[:])
}

// NextRatingImage finds the first image at a place from q.From on that a person has neither asked for nor voted on. It
// looks at ratingWindow images at most.
func (s *Store) NextRatingImage(ctx context.Context, q ratings.Query) (ratings.Image, bool, error) {
	var inner string
	args := []any{int64(q.Rater), flag(q.Adult), q.From}
	add := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	if q.Known {
		inner = `state <> 2 AND high > 0`
	} else {
		inner = `state = 0 AND votes = ` + add(int64(q.Votes))
	}
	if q.Dataset != "" {
		inner += ` AND dataset = ` + add(plain(q.Dataset))
	}
	query := `
SELECT ` + ratingImageColumns + ` FROM (
  SELECT ` + ratingImageColumns + ` FROM rating_image WHERE ` + inner + ` AND place >= $3 ORDER BY place LIMIT ` + add(int64(ratingWindow)) + `
) AS w
WHERE owner <> $1 AND (nsfw = 0 OR nsfw = $2)
  AND NOT EXISTS (SELECT 1 FROM rating_vote v WHERE v.image = w.id AND v.rater = $1 AND v.turn = 0)
ORDER BY place LIMIT 1`
	return s.ratingImage(ctx, query, args...)
}

func (s *Store) ratingImage(ctx context.Context, query string, args ...any) (img ratings.Image, found bool, err error) {
	err = s.each(ctx, s.read, func(scan func(...any) error) error {
		var id, request []byte
		var owner, nsfw, made, added int64
		found = true
		if err := scan(&id, &img.Dataset, &img.Blob, &owner, &request, &img.Prompt, &img.Model, &img.Seed, &img.Params, &img.Client, &nsfw,
			&made, &added, &img.Low, &img.High, &img.Place, &img.Votes); err != nil {
			return err
		}
		copy(img.ID[:], id)
		copy(img.Request[:], request)
		img.Owner, img.NSFW, img.Made, img.Added = horde.UserID(owner), nsfw != 0, fromMicros(made), fromMicros(added)
		for _, text := range []*string{&img.Dataset, &img.Prompt, &img.Model, &img.Client} {
			var err error
			if *text, err = unplain(*text); err != nil {
				return err
			}
		}
		return nil
	}, query, args...)
	return img, found, s.wrap("read an image to rate", err)
}

// WithdrawRatingImage takes an image out of what is shown.
func (s *Store) WithdrawRatingImage(ctx context.Context, id horde.UUID) error {
	_, err := s.db.exec(ctx, `UPDATE rating_image SET state = 2 WHERE id = $1`, id[:])
	return s.wrap("withdraw an image", err)
}

const voteColumns = `
image, rater, turn, kind, rating, artifacts, best, own, client, guild, shown, at, requested, fulfilled, age, roles, probe, agreed,
reward, paid`

// Vote finds a vote.
func (s *Store) Vote(ctx context.Context, image horde.UUID, rater horde.UserID, turn int) (ratings.Vote, bool, error) {
	return s.vote(ctx, `SELECT `+voteColumns+` FROM rating_vote WHERE image = $1 AND rater = $2 AND turn = $3`,
		image[:], int64(rater), int64(turn))
}

// EarlierVote finds the first vote of a person in a span that was not asked for again. It looks at ratingWindow votes.
func (s *Store) EarlierVote(ctx context.Context, rater horde.UserID, from, until time.Time) (ratings.Vote, bool, error) {
	const query = `
SELECT ` + voteColumns + ` FROM (
  SELECT ` + voteColumns + ` FROM rating_vote WHERE rater = $1 AND at >= $2 AND at <= $3 ORDER BY at LIMIT $4
) AS w
WHERE kind = 0 AND turn = 0 AND own = 0
  AND NOT EXISTS (SELECT 1 FROM rating_vote v WHERE v.image = w.image AND v.rater = $1 AND v.turn > 0)
ORDER BY at LIMIT 1`
	return s.vote(ctx, query, int64(rater), micros(from), micros(until), int64(ratingWindow))
}

// VotesOf lists what a person said, the newest first.
func (s *Store) VotesOf(ctx context.Context, rater horde.UserID, limit int) ([]ratings.Vote, error) {
	const query = `SELECT ` + voteColumns + ` FROM rating_vote WHERE rater = $1 ORDER BY at DESC LIMIT $2`
	return s.votes(ctx, query, int64(rater), int64(limit))
}

// ForgetRater takes a person out of everything but the votes themselves.
func (s *Store) ForgetRater(ctx context.Context, rater, alias horde.UserID, limit int) (blobs []string, err error) {
	const (
		some   = `SELECT id, blob FROM rating_image WHERE owner = $1 ORDER BY id LIMIT $2`
		image  = `UPDATE rating_image SET state = 2, owner = $2, request = $3, prompt = '', blob = '', params = $4, client = '' WHERE id = $1`
		votes  = `UPDATE rating_vote SET rater = $2, guild = '', client = '', paid = 1 WHERE rater = $1`
		sets   = `UPDATE rating_set SET rater = $2, client = '', paid = 1 WHERE rater = $1`
		person = `DELETE FROM rating_rater WHERE rater = $1`
	)
	var ids [][]byte
	err = s.each(ctx, s.read, func(scan func(...any) error) error {
		var id []byte
		var blob string
		err := scan(&id, &blob)
		ids, blobs = append(ids, id), append(blobs, blob)
		return err
	}, some, int64(rater), int64(limit))
	if err != nil {
		return nil, s.wrap("find the images of who rated", err)
	}
	steps := []step{
		{query: votes, args: []any{int64(rater), int64(alias)}},
		{query: sets, args: []any{int64(rater), int64(alias)}},
		{query: person, args: []any{int64(rater)}},
	}
	for _, id := range ids {
		steps = append(steps, step{query: image, args: []any{id, int64(ratings.Nobody), make([]byte, len(horde.UUID{})), []byte("{}")}})
	}
	return blobs, s.ratingSteps(ctx, "forget who rated", steps...)
}

func (s *Store) vote(ctx context.Context, query string, args ...any) (ratings.Vote, bool, error) {
	out, err := s.votes(ctx, query, args...)
	if err != nil || len(out) == 0 {
		return ratings.Vote{}, false, err
	}
	return out[0], true, nil
}

func (s *Store) votes(ctx context.Context, query string, args ...any) (out []ratings.Vote, err error) {
	err = s.each(ctx, s.read, func(scan func(...any) error) error {
		var v ratings.Vote
		var image []byte
		var rater, best, own, shown, at, age, roles, agreed, reward, paid int64
		if err := scan(&image, &rater, &v.Turn, &v.Kind, &v.Rating, &v.Artifacts, &best, &own, &v.Client, &v.Guild, &shown, &at,
			&v.Requested, &v.Fulfilled, &age, &roles, &v.Probe, &agreed, &reward, &paid); err != nil {
			return err
		}
		copy(v.Image[:], image)
		v.Rater, v.Best, v.Own, v.Shown, v.At = horde.UserID(rater), best != 0, own != 0, fromMicros(shown), fromMicros(at)
		v.Age, v.Roles, v.Agreed = time.Duration(age)*time.Microsecond, horde.Role(roles), agreed != 0
		v.Reward, v.Paid = kudos.Amount(reward), paid != 0
		var err error
		v.Client, err = unplain(v.Client)
		out = append(out, v)
		return err
	}, query, args...)
	return out, s.wrap("read a vote", err)
}

// Rater reads a person; one who never rated is all zero but for User.
func (s *Store) Rater(ctx context.Context, user horde.UserID) (ratings.Rater, error) {
	found, err := s.raters(ctx, `WHERE rater = $1`, int64(user))
	if err != nil || len(found) == 0 {
		return ratings.Rater{User: user}, err
	}
	return found[0], nil
}

// RatingLeaders lists who rated most and does not hide it.
func (s *Store) RatingLeaders(ctx context.Context, limit int) ([]ratings.Rater, error) {
	return s.raters(ctx, `WHERE hidden = 0 AND votes > 0 ORDER BY votes DESC, rater LIMIT $1`, int64(limit))
}

func (s *Store) raters(ctx context.Context, where string, args ...any) ([]ratings.Rater, error) {
	var out []ratings.Rater
	err := s.each(ctx, s.read, func(scan func(...any) error) error {
		var r ratings.Rater
		var user, reward, hidden int64
		var desk []byte
		if err := scan(&user, &r.Seq, &r.Votes, &reward, &hidden, &desk); err != nil {
			return err
		}
		r.User, r.Reward, r.Hidden = horde.UserID(user), kudos.Amount(reward), hidden != 0
		if err := json.Unmarshal(desk, &r.Desk); err != nil {
			return fmt.Errorf("read the desk of %d: %w", user, err)
		}
		out = append(out, r)
		return nil
	}, `SELECT rater, seq, votes, reward, hidden, desk FROM rating_rater `+where, args...)
	return out, s.wrap("read who rates", err)
}

// SaveRater writes a person based on the Seq it names, which grows by one.
func (s *Store) SaveRater(ctx context.Context, r ratings.Rater) error {
	one, err := saveRater(&r)
	if err != nil {
		return err
	}
	return s.ratingSteps(ctx, "keep who rates", one)
}

func saveRater(r *ratings.Rater) (step, error) {
	const (
		insert = `
INSERT INTO rating_rater (rater, seq, votes, reward, hidden, desk) VALUES ($1, 1, $2, $3, $4, $5) ON CONFLICT (rater) DO NOTHING`
		update = `
UPDATE rating_rater SET seq = seq + 1, votes = $2, reward = $3, hidden = $4, desk = $5 WHERE rater = $1 AND seq = $6`
	)
	desk, err := json.Marshal(r.Desk)
	if err != nil {
		return step{}, fmt.Errorf("write the desk of %d: %w", r.User, err)
	}
	one := step{query: insert, args: []any{int64(r.User), r.Votes, int64(r.Reward), flag(r.Hidden), desk}, must: ratings.ErrStale}
	if r.Seq != 0 {
		one.query, one.args = update, append(one.args, r.Seq)
	}
	return one, nil
}

// ratingSteps is a transaction whose refusals pass through.
func (s *Store) ratingSteps(ctx context.Context, doing string, steps ...step) error {
	err := s.db.all(ctx, steps...)
	for _, refusal := range []error{ratings.ErrStale, ratings.ErrVoted} {
		if errors.Is(err, refusal) {
			return fmt.Errorf("%s: %w", doing, refusal)
		}
	}
	return s.wrap(doing, err)
}

// insertVote writes a vote. One that was taken back is replaced, but for the reward it brought.
func insertVote(v *ratings.Vote) step {
	const query = `
INSERT INTO rating_vote (` + voteColumns + `)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
ON CONFLICT (image, rater, turn) DO UPDATE SET kind = excluded.kind, rating = excluded.rating, artifacts = excluded.artifacts,
  best = excluded.best, own = excluded.own, client = excluded.client, guild = excluded.guild, shown = excluded.shown,
  at = excluded.at, requested = excluded.requested, fulfilled = excluded.fulfilled, age = excluded.age,
  roles = excluded.roles, probe = excluded.probe, agreed = excluded.agreed,
  paid = CASE WHEN rating_vote.reward > 0 THEN rating_vote.paid ELSE excluded.paid END,
  reward = CASE WHEN rating_vote.reward > 0 THEN rating_vote.reward ELSE excluded.reward END
WHERE rating_vote.kind = 3`
	return step{query: query, args: []any{
		v.Image[:], int64(v.Rater), int64(v.Turn), int64(v.Kind), int64(v.Rating), int64(v.Artifacts), flag(v.Best), flag(v.Own),
		plain(v.Client), v.Guild, micros(v.Shown), micros(v.At), v.Requested, v.Fulfilled, v.Age.Microseconds(), int64(v.Roles),
		int64(v.Probe), flag(v.Agreed), int64(v.Reward), flag(v.Paid || v.Reward == 0),
	}, must: ratings.ErrVoted}
}

// tallies counts a vote n times, by everything that votes are counted by.
func tallies(v *ratings.Vote, dataset string, n int64) []step {
	const query = `
INSERT INTO rating_tally (scope, name, votes, artifacts) VALUES ($1, $2, $3, $4)
ON CONFLICT (scope, name) DO UPDATE SET votes = rating_tally.votes + excluded.votes,
  artifacts = rating_tally.artifacts + excluded.artifacts`
	if v.Kind != ratings.Rated || v.Turn != 0 || v.Rating == 0 {
		return nil
	}
	artifacts := n
	if v.Artifacts == horde.NoArtifacts {
		artifacts = 0
	}
	var out []step
	add := func(scope ratings.TallyScope, name string) {
		out = append(out, step{query: query, args: []any{string(scope), plain(name), n, artifacts}})
	}
	// Always in this order, so that two transactions never wait for each other.
	add(ratings.ByAll, "")
	add(ratings.ByClient, clientName(v.Client))
	add(ratings.ByDataset, dataset)
	if v.Guild != "" {
		add(ratings.ByGuild, v.Guild)
	}
	return out
}

// clientName is the program's name in a Client-Agent, which is name:version:contact.
func clientName(agent string) string {
	name, _, _ := strings.Cut(agent, ":")
	if len(name) > maxTallyName {
		name = strings.ToValidUTF8(name[:maxTallyName], "")
	}
	return name
}

// SaveVote writes a vote with its person, and counts it.
func (s *Store) SaveVote(ctx context.Context, r ratings.Rater, v ratings.Vote, dataset string, enough, reports int) error {
	const (
		count = `
UPDATE rating_image SET votes = votes + 1, state = CASE WHEN state = 0 AND votes + 1 >= $2 THEN 1 ELSE state END WHERE id = $1`
		report = `
UPDATE rating_image SET reports = reports + 1, state = CASE WHEN reports + 1 >= $2 THEN 2 ELSE state END WHERE id = $1`
	)
	first, err := saveRater(&r)
	if err != nil {
		return err
	}
	steps := []step{first, insertVote(&v)}
	if v.Turn == 0 {
		switch v.Kind {
		case ratings.Rated:
			steps = append(steps, step{query: count, args: []any{v.Image[:], int64(enough)}})
		case ratings.Reported:
			steps = append(steps, step{query: report, args: []any{v.Image[:], int64(reports)}})
		case ratings.Skipped, ratings.Undone:
		}
	}
	return s.ratingSteps(ctx, "keep a vote", append(steps, tallies(&v, dataset, 1)...)...)
}

// UndoVote takes a vote back, with its counts.
func (s *Store) UndoVote(ctx context.Context, r ratings.Rater, v ratings.Vote, dataset string) error {
	const (
		undo = `
UPDATE rating_vote SET kind = 3 WHERE image = $1 AND rater = $2 AND turn = $3 AND kind = $4`
		count = `
UPDATE rating_image SET votes = votes - 1, state = CASE WHEN state = 1 THEN 0 ELSE state END WHERE id = $1 AND votes > 0`
		report = `
UPDATE rating_image SET reports = reports - 1 WHERE id = $1 AND reports > 0`
	)
	first, err := saveRater(&r)
	if err != nil {
		return err
	}
	steps := []step{
		first,
		{query: undo, args: []any{v.Image[:], int64(v.Rater), int64(v.Turn), int64(v.Kind)}, must: ratings.ErrStale},
	}
	if v.Turn == 0 {
		switch v.Kind {
		case ratings.Rated:
			steps = append(steps, step{query: count, args: []any{v.Image[:]}})
		case ratings.Reported:
			steps = append(steps, step{query: report, args: []any{v.Image[:]}})
		case ratings.Skipped, ratings.Undone:
		}
	}
	return s.ratingSteps(ctx, "take a vote back", append(steps, tallies(&v, dataset, -1)...)...)
}

// SaveSet files the ratings of somebody's own set.
func (s *Store) SaveSet(ctx context.Context, set ratings.Set, votes []ratings.Vote) error {
	const query = `
INSERT INTO rating_set (request, rater, best, images, client, at, reward, paid) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (request) DO NOTHING`
	steps := []step{{query: query, args: []any{
		set.Request[:], int64(set.Rater), set.Best[:], int64(set.Images), plain(set.Client), micros(set.At), int64(set.Reward),
		flag(set.Reward == 0),
	}, must: ratings.ErrVoted}}
	for i := range votes {
		one := insertVote(&votes[i])
		one.must = nil
		steps = append(steps, one)
	}
	for i := range votes {
		steps = append(steps, tallies(&votes[i], ratings.Horde, 1)...)
	}
	return s.ratingSteps(ctx, "keep a rated set", steps...)
}

// OwedRatings lists rewards that are not paid, the oldest first of votes and of sets.
func (s *Store) OwedRatings(ctx context.Context, limit int) ([]ratings.Owed, error) {
	const (
		votes = `SELECT image, rater, turn, reward FROM rating_vote WHERE paid = 0 ORDER BY at LIMIT $1`
		sets  = `SELECT request, rater, -1, reward FROM rating_set WHERE paid = 0 ORDER BY at LIMIT $1`
	)
	var out []ratings.Owed
	for _, query := range []string{votes, sets} {
		err := s.each(ctx, s.read, func(scan func(...any) error) error {
			var o ratings.Owed
			var id []byte
			var rater, amount int64
			if err := scan(&id, &rater, &o.Turn, &amount); err != nil {
				return err
			}
			copy(o.ID[:], id)
			o.Rater, o.Amount = horde.UserID(rater), kudos.Amount(amount)
			if o.Set = o.Turn < 0; o.Set {
				o.Turn = 0
			}
			out = append(out, o)
			return nil
		}, query, int64(limit))
		if err != nil {
			return nil, s.wrap("read the rewards that are owed", err)
		}
	}
	return out, nil
}

// RatingPaid notes that a reward is paid.
func (s *Store) RatingPaid(ctx context.Context, o ratings.Owed) error {
	query, args := `UPDATE rating_vote SET paid = 1 WHERE image = $1 AND rater = $2 AND turn = $3`, []any{o.ID[:], int64(o.Rater), int64(o.Turn)}
	if o.Set {
		query, args = `UPDATE rating_set SET paid = 1 WHERE request = $1`, []any{o.ID[:]}
	}
	_, err := s.db.exec(ctx, query, args...)
	return s.wrap("note a paid reward", err)
}

// RatingTallies lists the largest counts of a scope.
func (s *Store) RatingTallies(ctx context.Context, scope ratings.TallyScope, limit int) ([]ratings.Tally, error) {
	return s.ratingTallies(ctx, `WHERE scope = $1 AND votes > 0 ORDER BY votes DESC, name LIMIT $2`, string(scope), int64(limit))
}

// RatingTally reads one count; it is zero when nothing was counted.
func (s *Store) RatingTally(ctx context.Context, scope ratings.TallyScope, name string) (ratings.Tally, error) {
	found, err := s.ratingTallies(ctx, `WHERE scope = $1 AND name = $2`, string(scope), plain(name))
	if err != nil || len(found) == 0 {
		return ratings.Tally{Name: name}, err
	}
	return found[0], nil
}

func (s *Store) ratingTallies(ctx context.Context, where string, args ...any) ([]ratings.Tally, error) {
	var out []ratings.Tally
	err := s.each(ctx, s.read, func(scan func(...any) error) error {
		var t ratings.Tally
		err := scan(&t.Name, &t.Votes, &t.Artifacts)
		if err == nil {
			t.Name, err = unplain(t.Name)
		}
		out = append(out, t)
		return err
	}, `SELECT name, votes, artifacts FROM rating_tally `+where, args...)
	return out, s.wrap("read counts of ratings", err)
}

// RatingDatasets counts the images of each data set, by name. It reads all of them.
func (s *Store) RatingDatasets(ctx context.Context) ([]ratings.Dataset, error) {
	const query = `
SELECT dataset, count(*), count(CASE WHEN state = 0 THEN 1 END) FROM rating_image WHERE state <> 2
GROUP BY dataset ORDER BY dataset LIMIT 100`
	var out []ratings.Dataset
	err := s.each(ctx, s.read, func(scan func(...any) error) error {
		var d ratings.Dataset
		err := scan(&d.Name, &d.Images, &d.Open)
		if err == nil {
			d.Name, err = unplain(d.Name)
		}
		out = append(out, d)
		return err
	}, query)
	return out, s.wrap("count the images to rate", err)
}

// ImagesByVotes counts images by their number of votes. It reads all of them.
func (s *Store) ImagesByVotes(ctx context.Context) (map[int]int64, error) {
	out := make(map[int]int64)
	err := s.each(ctx, s.read, func(scan func(...any) error) error {
		var votes int
		var n int64
		err := scan(&votes, &n)
		out[votes] = n
		return err
	}, `SELECT votes, count(*) FROM rating_image WHERE state <> 2 GROUP BY votes`)
	return out, s.wrap("count the votes on images", err)
}

// flag is a truth as both engines keep it in a number.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

var _ ratings.Store = (*Store)(nil)
