// SPDX-License-Identifier: AGPL-3.0-or-later

package chat

import "slices"

// KindFavourites are documents of Favourites, by person.
const KindFavourites DocKind = "favourites"

// MaxFirst bounds each list of what somebody wants to see first.
const MaxFirst = 50

// Favourites are what somebody wants to see first.
type Favourites struct {
	Models []string `json:"models,omitempty"`
	Styles []string `json:"styles,omitempty"` // IDs
}

// Toggle adds an entry to a list of favourites, or takes it out. It returns a new list, and whether the entry is in it now;
// of a full list the oldest entry goes.
func Toggle(list []string, entry string) (after []string, in bool) {
	after = slices.DeleteFunc(slices.Clone(list), func(x string) bool { return x == entry })
	if len(after) < len(list) {
		return after, false
	}
	after = append(after, entry)
	return after[max(0, len(after)-MaxFirst):], true
}
