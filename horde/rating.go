// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"time"

	"stablemate/horde/kudos"
)

// Return codes about ratings. The last ones say what went wrong with the ratings themselves.
const (
	CodeProcGenNotFound         Code = "ProcGenNotFound"
	CodeAestheticsNotCompleted  Code = "AestheticsNotCompleted"
	CodeAestheticsNotPublic     Code = "AestheticsNotPublic"
	CodeAestheticsDuplicate     Code = "AestheticsDuplicate"
	CodeAestheticsMissing       Code = "AestheticsMissing"
	CodeAestheticsSolo          Code = "AestheticsSolo"
	CodeAestheticsConfused      Code = "AestheticsConfused"
	CodeAestheticsAlreadyExist  Code = "AestheticsAlreadyExist"
	CodeAestheticsServerDown    Code = "AestheticsServerDown"
	CodeInvalidAestheticAttempt Code = "InvalidAestheticAttempt"
)

// Bounds of a rating.
const (
	MinRating    = 1
	MaxRating    = 10
	MaxArtifacts = 5
	NoArtifacts  = -1 // artifacts were not rated
)

// goodRating makes a single rated image the best of its set.
const goodRating = 7

// Rating is what somebody thinks of one image of a set. Artifacts is NoArtifacts when they did not say.
type Rating struct {
	Generation GenerationID
	Rating     int
	Artifacts  int
}

// RatedSet is a request as far as rating its images matters.
type RatedSet struct {
	Request  RequestID
	User     UserID // who asked, and is thanked
	Done     bool
	Shared   bool
	Consumed kudos.Amount // what the request cost so far
	Images   []SetImage   // delivered and not censored
}

// SetImage is one image that may be rated.
type SetImage struct {
	Generation GenerationID
	Blob       string // key of the stored image
	Image      Image
	Seed       uint32
	Model      string
	Client     string // Client-Agent of the program that asked
	NSFW       bool   // the request allowed it
	Finished   time.Time
}

// SetJudgement is what the ratings of a set come to.
type SetJudgement struct {
	Best   GenerationID // zero when nothing says which
	Reward kudos.Amount
}

// JudgeSet holds ratings of one's own set against the rules. Best is zero when nobody named one.
func JudgeSet(set *RatedSet, ratings []Rating, best GenerationID) (SetJudgement, error) {
	switch {
	case !set.Done:
		return SetJudgement{}, refuse(CodeAestheticsNotCompleted, "only the images of a finished request can be rated")
	case !set.Shared:
		return SetJudgement{}, refuse(CodeAestheticsNotPublic, "only images that are shared can be rated")
	}
	there := make(map[GenerationID]bool, len(set.Images))
	for i := range set.Images {
		there[set.Images[i].Generation] = true
	}
	rated, most := make(map[GenerationID]int, len(ratings)), 0
	out := SetJudgement{Best: best}
	for _, r := range ratings {
		switch _, twice := rated[r.Generation]; {
		case !there[r.Generation]:
			return SetJudgement{}, refuse(CodeProcGenNotFound, "no image with ID %s in this request", r.Generation)
		case twice:
			return SetJudgement{}, refuse(CodeAestheticsDuplicate, "image %s is rated twice", r.Generation)
		case r.Rating < MinRating || r.Rating > MaxRating || r.Artifacts != NoArtifacts && (r.Artifacts < 0 || r.Artifacts > MaxArtifacts):
			return SetJudgement{}, refuse(CodeInvalidAestheticAttempt, "a rating is %d to %d, artifacts are 0 to %d", MinRating, MaxRating, MaxArtifacts)
		}
		rated[r.Generation] = r.Rating
		most = max(most, r.Rating)
		out.Reward += kudos.RewardRating
		if r.Artifacts != NoArtifacts {
			out.Reward += kudos.RewardArtifacts
		}
	}
	named := !best.IsZero()
	switch {
	case named && !there[best]:
		return SetJudgement{}, refuse(CodeProcGenNotFound, "no image with ID %s in this request", best)
	case !named && len(ratings) == 0:
		return SetJudgement{}, refuse(CodeAestheticsMissing, "please rate images, or say which is the best")
	case len(ratings) == 0 && len(set.Images) < 2:
		return SetJudgement{}, refuse(CodeAestheticsSolo, "the best of a single image says nothing")
	case len(ratings) == 0:
		out.Reward = kudos.RewardBest
	case len(ratings) == 1 && named && most < goodRating:
		out.Reward += kudos.RewardBest
	case len(ratings) == 1 && !named && most >= goodRating:
		out.Best = ratings[0].Generation
	case len(ratings) > 1 && named && rated[best] != most:
		return SetJudgement{}, refuse(CodeAestheticsConfused, "the best image is not among those that were rated highest")
	case len(ratings) > 1 && !named:
		out.Best = onlyBest(ratings, most)
	}
	out.Reward = max(0, min(out.Reward, set.Consumed-kudos.One))
	return out, nil
}

// onlyBest is the image with the highest rating; of several there is none.
func onlyBest(ratings []Rating, most int) (best GenerationID) {
	for _, r := range ratings {
		switch {
		case r.Rating != most:
		case !best.IsZero():
			return GenerationID{}
		default:
			best = r.Generation
		}
	}
	return best
}

// RewardRating thanks somebody for ratings. A key that was used moves nothing. Accounts that are flagged, suspicious or
// deleted, and the one that strangers share, get nothing.
type RewardRating struct {
	User   UserID
	Amount kudos.Amount
	Key    string // unique for ever; see RatingKey
	// Prior is the ledger's event for the key when it is older than what memory holds.
	Prior *kudos.Event
}

// RatingKey is a reward's key in the ledger.
func RatingKey(key string) string { return "rating:" + key }

func (op RewardRating) apply(s *State, c *Change) (kudos.Amount, error) {
	u, ok := s.users[op.User]
	key := RatingKey(op.Key)
	switch {
	case !ok:
		return 0, refuse(CodeUserNotFound, "there is no account to thank")
	case op.Amount < 0 || op.Amount > kudos.MaxRatingReward:
		return 0, refuse(CodeBadRequest, "a reward for ratings is at most %s kudos", kudos.MaxRatingReward)
	case op.Amount == 0 || s.knows(key, op.Prior) || !u.ratingCounts():
		return 0, nil
	}
	u.Details.Awarded += op.Amount
	c.post(s, key, kudos.KindRating, kudos.Move(kudos.Treasury, spendable(u.ID), op.Amount))
	s.remember(key, receipt{UserID(kudos.Treasury), u.ID, op.Amount}, c.Now)
	return op.Amount, nil
}

// ratingCounts reports whether the account is thanked for ratings.
func (u *User) ratingCounts() bool {
	return u.ID != Anonymous && !u.Has(RoleFlagged) && !u.Has(RoleDeleted) && !u.Suspicious()
}

// RatedSet reads a request as far as rating its images matters; false when there is none.
func (s *State) RatedSet(id RequestID, now time.Time) (RatedSet, bool) {
	r, ok := s.requests[id]
	if !ok || r.lane() != imageLane || !now.Before(r.Expiry) {
		return RatedSet{}, false
	}
	return s.ratedSet(r), true
}

func (s *State) ratedSet(r *Request) RatedSet {
	set := RatedSet{Request: r.ID, User: r.User, Done: r.Done(), Shared: r.Shared, Consumed: r.Consumed}
	for _, g := range r.generations {
		if g.State != GenerationCompleted || g.Censored || g.Blob == "" {
			continue
		}
		set.Images = append(set.Images, SetImage{
			Generation: g.ID, Blob: g.Blob, Image: r.Image, Seed: g.Seed, Model: g.Model, Client: r.Client,
			NSFW: r.NSFW, Finished: g.Finished,
		})
	}
	return set
}

// Ratable reads the set of a delivered image that anybody may rate: its requester shares it, and it shows nothing of an
// image that somebody brought along.
func (s *State) Ratable(id GenerationID) (RatedSet, bool) {
	g, ok := s.generations[id]
	if !ok || g.State != GenerationCompleted || !g.request.ratable() {
		return RatedSet{}, false
	}
	set := s.ratedSet(g.request)
	for i := range set.Images {
		if set.Images[i].Generation == id {
			set.Images = set.Images[i : i+1]
			return set, true
		}
	}
	return RatedSet{}, false
}

// Ratables lists what may be rated of the live requests, in no order.
func (s *State) Ratables() []GenerationID {
	var out []GenerationID
	for _, r := range s.requests {
		if !r.ratable() {
			continue
		}
		for _, g := range r.generations {
			if g.State == GenerationCompleted && !g.Censored && g.Blob != "" {
				out = append(out, g.ID)
			}
		}
	}
	return out
}

func (r *Request) ratable() bool {
	return r.Shared && r.lane() == imageLane && r.Image.Source == "" && len(r.Image.Extra) == 0
}
