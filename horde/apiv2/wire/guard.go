// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

// Filter is a rule of the prompt filter. Lists and GET leave an empty description out.
type Filter struct {
	ID          string `json:"id"` // a number, as text
	Regex       string `json:"regex"`
	FilterType  int    `json:"filter_type"`
	Description string `json:"description,omitempty"`
	Replacement string `json:"replacement"`
	User        string `json:"user"`
}

// FilterKept is a Filter as PUT and PATCH answer it: every field is there.
type FilterKept struct {
	ID          string  `json:"id"`
	Regex       string  `json:"regex"`
	FilterType  int     `json:"filter_type"`
	Description *string `json:"description"`
	Replacement string  `json:"replacement"`
	User        string  `json:"user"`
}

// FilterVerdict answers POST filters.
type FilterVerdict struct {
	Suspicion string   `json:"suspicion"` // a number, as text; 2 and more block
	Matches   []string `json:"matches"`
}

// FilterRegex is one joined expression of GET filters/regex.
type FilterRegex struct {
	FilterType int    `json:"filter_type"`
	Regex      string `json:"regex,omitempty"`
}

// IPTimeout is an address or range that is barred.
type IPTimeout struct {
	IPAddr  string `json:"ipaddr"`
	Seconds int    `json:"seconds"`
}

// ModesChanged answers PUT status/modes: the modes that were set.
type ModesChanged struct {
	MaintenanceMode *bool `json:"maintenance_mode,omitempty"`
	InviteOnlyMode  *bool `json:"invite_only_mode,omitempty"`
	RaidMode        *bool `json:"raid_mode,omitempty"`
}
