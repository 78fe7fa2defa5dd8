// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

// RateReply answers POST generate/rate/{id}.
type RateReply struct {
	Reward Float `json:"reward"`
}
