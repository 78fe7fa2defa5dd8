// SPDX-License-Identifier: AGPL-3.0-or-later

package kudos

// KindRating is thanks for rating images.
const KindRating Kind = 26

// What ratings are worth.
const (
	RewardRating    = 5 * One  // one image
	RewardArtifacts = 5 * One  // saying how much is wrong with it, too
	RewardBest      = 15 * One // naming the best of a set
	// MaxRatingReward bounds one reward: a set has at most 20 images.
	MaxRatingReward = 20*(RewardRating+RewardArtifacts) + RewardBest
)
