// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

// User is an account, as GET users/{id} and find_user answer. It omits what the caller may not see.
type User struct {
	Username          string            `json:"username"` // name#id
	ID                int64             `json:"id"`
	Kudos             Float             `json:"kudos"`
	EvaluatingKudos   *Float            `json:"evaluating_kudos,omitempty"`
	Concurrency       int               `json:"concurrency"`
	WorkerInvited     int               `json:"worker_invited"`
	Moderator         bool              `json:"moderator"`
	KudosDetails      KudosDetails      `json:"kudos_details"`
	WorkerCount       int               `json:"worker_count"`
	WorkerIDs         []string          `json:"worker_ids,omitzero"`
	Styles            []UserStyle       `json:"styles"`
	SharedKeyIDs      []string          `json:"sharedkey_ids,omitzero"`
	ActiveGenerations ActiveGenerations `json:"active_generations,omitzero"`
	MonthlyKudos      MonthlyKudos      `json:"monthly_kudos,omitzero"`
	Trusted           bool              `json:"trusted"`
	Flagged           bool              `json:"flagged"`
	VPN               *bool             `json:"vpn,omitempty"`
	Service           bool              `json:"service"`
	Education         bool              `json:"education"`
	Customizer        bool              `json:"customizer"`
	Special           *bool             `json:"special,omitempty"`
	Deleted           bool              `json:"deleted"`
	Suspicious        *int              `json:"suspicious,omitempty"`
	Pseudonymous      bool              `json:"pseudonymous"`
	Contact           *string           `json:"contact,omitempty"`
	AdminComment      *string           `json:"admin_comment,omitempty"`
	ProxyPasskey      *string           `json:"proxy_passkey,omitempty"`
	AccountAge        int64             `json:"account_age"` // seconds
	Usage             OldUsage          `json:"usage"`
	Contributions     OldContributions  `json:"contributions"`
	Records           Records           `json:"records"`
}

// UserRow is an account in GET users. It keeps every field: what is not public is null.
type UserRow struct {
	Username          string            `json:"username"`
	ID                int64             `json:"id"`
	Kudos             Float             `json:"kudos"`
	EvaluatingKudos   *Float            `json:"evaluating_kudos"`
	Concurrency       int               `json:"concurrency"`
	WorkerInvited     int               `json:"worker_invited"`
	Moderator         bool              `json:"moderator"`
	KudosDetails      KudosDetails      `json:"kudos_details"`
	WorkerCount       int               `json:"worker_count"`
	WorkerIDs         []string          `json:"worker_ids"`
	Styles            []UserStyle       `json:"styles"`
	SharedKeyIDs      []string          `json:"sharedkey_ids"`
	ActiveGenerations ActiveGenerations `json:"active_generations"`
	MonthlyKudos      MonthlyKudos      `json:"monthly_kudos"`
	Trusted           bool              `json:"trusted"`
	Flagged           bool              `json:"flagged"`
	VPN               *bool             `json:"vpn"`
	Service           bool              `json:"service"`
	Education         bool              `json:"education"`
	Customizer        bool              `json:"customizer"`
	Special           *bool             `json:"special"`
	Deleted           bool              `json:"deleted"`
	Suspicious        *int              `json:"suspicious"`
	Pseudonymous      bool              `json:"pseudonymous"`
	Contact           *string           `json:"contact"`
	AdminComment      *string           `json:"admin_comment"`
	ProxyPasskey      *string           `json:"proxy_passkey"`
	AccountAge        int64             `json:"account_age"`
	Usage             OldUsage          `json:"usage"`
	Contributions     OldContributions  `json:"contributions"`
	Records           Records           `json:"records"`
}

// KudosDetails says where kudos came from and went.
type KudosDetails struct {
	Accumulated Float `json:"accumulated"`
	Gifted      Float `json:"gifted"`
	Donated     Float `json:"donated"`
	Admin       Float `json:"admin"`
	Received    Float `json:"received"`
	Recurring   Float `json:"recurring"`
	Awarded     Float `json:"awarded"`
	Styled      Float `json:"styled"`
}

// UserStyle names a style of a person.
type UserStyle struct {
	Type string `json:"type"`
	Name string `json:"name"`
	ID   string `json:"id"`
}

// ActiveGenerations are the live requests of a person by kind; nil kinds are left out, empty ones not.
type ActiveGenerations struct {
	Text  []string `json:"text,omitzero"`
	Image []string `json:"image,omitzero"`
}

// MonthlyKudos is what a person is given each month.
type MonthlyKudos struct {
	Amount       *int64 `json:"amount,omitempty"`
	LastReceived string `json:"last_received,omitempty"`
}

// OldUsage is obsolete: always there and always null inside.
type OldUsage struct {
	Megapixelsteps *Float `json:"megapixelsteps"`
	Requests       *int   `json:"requests"`
}

// OldContributions is obsolete: always there and always null inside.
type OldContributions struct {
	Megapixelsteps *Float `json:"megapixelsteps"`
	Fulfillments   *int   `json:"fulfillments"`
}

// Records count what a person asked for and gave.
type Records struct {
	Usage        ThingRecord  `json:"usage"`
	Contribution ThingRecord  `json:"contribution"`
	Fulfillment  AmountRecord `json:"fulfillment"`
	Request      AmountRecord `json:"request"`
	Style        AmountRecord `json:"style"`
}

// ThingRecord counts work.
type ThingRecord struct {
	Megapixelsteps Float `json:"megapixelsteps"`
	Tokens         int64 `json:"tokens"`
}

// AmountRecord counts pieces by kind.
type AmountRecord struct {
	Image         int64 `json:"image"`
	Text          int64 `json:"text"`
	Interrogation int64 `json:"interrogation"`
}

// TransferRequest is the body of POST kudos/transfer.
type TransferRequest struct {
	Username string `json:"username"` // name#id
	Amount   int64  `json:"amount"`   // whole kudos
}

// TransferReply answers POST kudos/transfer.
type TransferReply struct {
	Transferred Float `json:"transferred"`
}
