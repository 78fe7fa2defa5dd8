// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

// SharedKey is what is told of a shared key to whoever knows it. The name is there even when it is empty: some clients
// insist on it.
type SharedKey struct {
	ID             string `json:"id"`
	Username       string `json:"username"` // the owner's name#id
	Name           string `json:"name"`
	Kudos          int64  `json:"kudos"` // left to spend; -1: no limit
	Expiry         string `json:"expiry,omitempty"`
	Utilized       int64  `json:"utilized"`
	MaxImagePixels int    `json:"max_image_pixels"` // -1: no limit, like the next two
	MaxImageSteps  int    `json:"max_image_steps"`
	MaxTextTokens  int    `json:"max_text_tokens"`
}

// AwardReply answers POST kudos/award.
type AwardReply struct {
	Awarded Float `json:"awarded"`
}

// UserChanged answers PUT users/{id} with what was changed.
type UserChanged struct {
	NewKudos        *Float  `json:"new_kudos,omitempty"`
	MonthlyKudos    *int64  `json:"monthly_kudos,omitempty"`
	UsageMultiplier *Float  `json:"usage_multiplier,omitempty"`
	Moderator       *bool   `json:"moderator,omitempty"`
	Concurrency     *int    `json:"concurrency,omitempty"`
	WorkerInvited   *int    `json:"worker_invited,omitempty"`
	Trusted         *bool   `json:"trusted,omitempty"`
	Flagged         *bool   `json:"flagged,omitempty"`
	Customizer      *bool   `json:"customizer,omitempty"`
	VPN             *bool   `json:"vpn,omitempty"`
	Service         *bool   `json:"service,omitempty"`
	Special         *bool   `json:"special,omitempty"`
	Education       *bool   `json:"education,omitempty"`
	NewSuspicion    *int    `json:"new_suspicion,omitempty"`
	AdminComment    *string `json:"admin_comment,omitempty"`
	PublicWorkers   *bool   `json:"public_workers,omitempty"`
	Username        *string `json:"username,omitempty"` // without #id
	Contact         *string `json:"contact,omitempty"`
	ProxyPasskey    *string `json:"proxy_passkey,omitempty"` // shown this once
	Undeleted       *bool   `json:"undeleted,omitempty"`
}
