// SPDX-License-Identifier: AGPL-3.0-or-later

package ratings

import (
	"context"
	"errors"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// Horde is the data set of the images that people of this horde share.
const Horde = "horde"

// Nobody owns an image that was imported.
const Nobody horde.UserID = -1

// Image is an image to rate. Its blob lives on a shelf of our own, which nobody sweeps.
type Image struct {
	ID      horde.UUID // of the generation, or made of the content of an imported image
	Dataset string
	Blob    string // key on the shelf
	Owner   horde.UserID
	Request horde.UUID // zero for an imported image
	Prompt  string
	Model   string
	Seed    int64
	Params  []byte // Params as JSON, or what came with an imported image; never nil
	Client  string // of the program that asked for it
	NSFW    bool   // it may be one for adults
	Made    time.Time
	Added   time.Time
	// Low and High bound the right answer of an image whose quality is known; both are 0 for any other.
	Low, High int
	Place     int64 // among images of equal votes; random, never negative
	Votes     int   // counted ones
}

// Params are how an image of the horde was made, without anything about who asked.
type Params struct {
	Width     int          `json:"width"`
	Height    int          `json:"height"`
	Steps     int          `json:"steps"`
	Sampler   string       `json:"sampler_name"`
	CFG       float64      `json:"cfg_scale"`
	Karras    bool         `json:"karras"`
	HiresFix  bool         `json:"hires_fix,omitempty"`
	Tiling    bool         `json:"tiling,omitempty"`
	ClipSkip  int          `json:"clip_skip,omitempty"`
	FaceFixer float64      `json:"facefixer_strength,omitempty"`
	Post      []string     `json:"post_processing,omitempty"`
	Loras     []horde.Lora `json:"loras,omitempty"`
	TIs       []horde.TI   `json:"tis,omitempty"`
	Workflow  string       `json:"workflow,omitempty"`
}

// VoteKind says what somebody did with an image. The numbers are stored.
type VoteKind int

// Kinds of votes.
const (
	Rated    VoteKind = 0
	Skipped  VoteKind = 1
	Reported VoteKind = 2
	Undone   VoteKind = 3 // taken back, to be given anew
)

// Probe says why an image was shown whose answer tells something about the person. The numbers are stored.
type Probe int

// Kinds of probes.
const (
	NoProbe Probe = 0
	Repeat  Probe = 1 // the person had rated it before
	Known   Probe = 2 // its quality is known
)

// Vote is what one person said about one image, with every fact that tells how much it is worth. There is one for each
// person and image; those with a Turn are answers to repeats and never count as votes.
type Vote struct {
	Image     horde.UUID
	Rater     horde.UserID
	Turn      int
	Kind      VoteKind
	Rating    int // 1 to 10; 0 unless Rated
	Artifacts int // 0 to 5, or horde.NoArtifacts
	Best      bool
	Own       bool // the person asked for the image
	Client    string
	Guild     string // Discord ID of where it happened; empty elsewhere

	Shown, At time.Time // when the image was shown (zero: not known), and when the vote came

	// What is known of the person at that time.
	Requested, Fulfilled int64 // image requests placed, images made for others
	Age                  time.Duration
	Roles                horde.Role

	Probe  Probe
	Agreed bool // of a probe

	Reward kudos.Amount
	Paid   bool
}

// Rater is a person who rates: totals, and the desk they sit at. Seq counts the changes.
type Rater struct {
	User   horde.UserID
	Seq    int64
	Votes  int64
	Reward kudos.Amount // promised so far
	Hidden bool         // not on the leaderboard
	Desk   Desk
}

// Desk is what is in front of a person, and what is needed to judge their next answer.
type Desk struct {
	Image   horde.UUID `json:"image,omitzero"` // zero: none is shown
	Turn    int        `json:"turn,omitempty"`
	Probe   Probe      `json:"probe,omitempty"`
	Low     int        `json:"low,omitempty"` // of the right answer to a probe
	High    int        `json:"high,omitempty"`
	Redo    bool       `json:"redo,omitempty"` // the vote was taken back, its reward was not
	Shown   time.Time  `json:"shown,omitzero"`
	Ready   time.Time  `json:"ready,omitzero"`    // before, nobody has looked at it
	Dataset string     `json:"dataset,omitempty"` // empty: any
	Bare    bool       `json:"bare,omitempty"`    // artifacts are not asked for

	Last     horde.UUID `json:"last,omitzero"` // the vote that may be taken back
	LastTurn int        `json:"last_turn,omitempty"`
	LastAt   time.Time  `json:"last_at,omitzero"`

	Value  int       `json:"value,omitempty"` // of the last answer
	Same   int       `json:"same,omitempty"`  // answers like it in a row
	Fast   int       `json:"fast,omitempty"`  // hasty answers in a row
	Why    Why       `json:"why,omitempty"`   // of the last pause
	Until  time.Time `json:"until,omitzero"`
	Pauses int       `json:"pauses,omitempty"`

	Day   string       `json:"day,omitempty"`   // in UTC
	Today int          `json:"today,omitempty"` // answers of that day
	Given kudos.Amount `json:"given,omitempty"` // promised that day

	Streak  int    `json:"streak,omitempty"`   // days in a row with a rating
	RatedOn string `json:"rated_on,omitempty"` // the last of them, in UTC

	Artifacts int64  `json:"artifacts,omitempty"` // votes that rated them
	Checks    int64  `json:"checks,omitempty"`    // probes answered
	Agreed    int64  `json:"agreed,omitempty"`
	Recent    uint32 `json:"recent,omitempty"` // the last probes, one bit each
	Known     int    `json:"known,omitempty"`  // how many bits of it count
}

// Set says that a person has rated their own request. There is one for each request.
type Set struct {
	Request horde.UUID
	Rater   horde.UserID
	Best    horde.UUID // zero: none
	Images  int        // of the whole set
	Client  string
	At      time.Time
	Reward  kudos.Amount
}

// Owed is a reward that was promised and perhaps not paid yet.
type Owed struct {
	Set    bool // for a set: ID is its request; otherwise for a vote: ID is its image
	ID     horde.UUID
	Rater  horde.UserID
	Turn   int
	Amount kudos.Amount
}

// Query asks for an image that somebody has neither asked for nor seen.
type Query struct {
	Rater   horde.UserID
	Dataset string // empty: any
	Adult   bool   // images for adults too
	Votes   int    // exactly as many
	From    int64  // first Place
	Known   bool   // only images whose quality is known, with any number of votes
}

// Tally counts votes.
type Tally struct {
	Name             string
	Votes, Artifacts int64
}

// TallyScope says by what votes are counted. The names are stored.
type TallyScope string

// Scopes of tallies.
const (
	ByAll     TallyScope = "all"
	ByClient  TallyScope = "client"
	ByGuild   TallyScope = "guild"
	ByDataset TallyScope = "dataset"
)

// Dataset tells about a data set.
type Dataset struct {
	Name   string
	Images int64 // that may be rated, or have enough votes
	Open   int64 // that lack votes
}

// What a store says no to.
var (
	// ErrStale says that somebody else has changed the rater meanwhile.
	ErrStale = errors.New("the person's desk was changed in the meantime")
	// ErrVoted says that there is a vote, or a rated set, already.
	ErrVoted = errors.New("there is a vote already")
)

// Store keeps images and votes. It is safe for concurrent use.
type Store interface {
	// AddRatingImage files an image unless one with its ID is there.
	AddRatingImage(ctx context.Context, img Image) (added bool, err error)
	RatingImage(ctx context.Context, id horde.UUID) (Image, bool, error)
	// NextRatingImage finds an image at a Place from Query.From on, looking at a bounded number of them.
	NextRatingImage(ctx context.Context, q Query) (Image, bool, error)
	// WithdrawRatingImage takes an image out of what is shown.
	WithdrawRatingImage(ctx context.Context, id horde.UUID) error
	// EarlierVote finds a vote of a person's own that was given in a span and not been asked for again.
	EarlierVote(ctx context.Context, rater horde.UserID, from, until time.Time) (Vote, bool, error)
	Vote(ctx context.Context, image horde.UUID, rater horde.UserID, turn int) (Vote, bool, error)

	// Rater reads a person; one who never rated is all zero but for User.
	Rater(ctx context.Context, user horde.UserID) (Rater, error)
	// SaveRater writes a person based on the Seq it names, which grows by one; ErrStale says that another one is there.
	SaveRater(ctx context.Context, r Rater) error
	// SaveVote writes a vote and its person as SaveRater does, and counts it. enough is how many votes an image needs,
	// reports how many take it out. ErrVoted says that there is one which was not taken back. A vote that is given anew
	// keeps the reward of the first.
	SaveVote(ctx context.Context, r Rater, v Vote, dataset string, enough, reports int) error
	// UndoVote takes a vote back, and writes its person as SaveRater does.
	UndoVote(ctx context.Context, r Rater, v Vote, dataset string) error
	// SaveSet files the ratings of somebody's own set, all or none; ErrVoted says that it was rated before.
	SaveSet(ctx context.Context, set Set, votes []Vote) error

	// VotesOf lists what a person said, the newest first.
	VotesOf(ctx context.Context, rater horde.UserID, limit int) ([]Vote, error)
	// ForgetRater takes a person out of all that is kept: their votes stay, as those of alias, who is nobody, and without the
	// guild; their images go. It returns the blobs of those, at most limit; there are more while it returns as many.
	ForgetRater(ctx context.Context, rater, alias horde.UserID, limit int) (blobs []string, err error)

	// OwedRatings lists rewards that are not paid, the oldest first.
	OwedRatings(ctx context.Context, limit int) ([]Owed, error)
	RatingPaid(ctx context.Context, o Owed) error

	// RatingTallies lists the largest counts of a scope.
	RatingTallies(ctx context.Context, scope TallyScope, limit int) ([]Tally, error)
	// RatingTally reads one; it is zero when nothing was counted.
	RatingTally(ctx context.Context, scope TallyScope, name string) (Tally, error)
	// RatingLeaders lists who rated most and does not hide it.
	RatingLeaders(ctx context.Context, limit int) ([]Rater, error)
	// RatingDatasets reads all images; callers keep the answer for a while.
	RatingDatasets(ctx context.Context) ([]Dataset, error)
	// ImagesByVotes counts images by their number of votes; it reads all of them, too.
	ImagesByVotes(ctx context.Context) (map[int]int64, error)
}
