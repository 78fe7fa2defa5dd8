// SPDX-License-Identifier: AGPL-3.0-or-later

package chat

import "time"

// Kinds of documents about gifts of kudos. The first five hold what emojikudos keeps.
const (
	KindGuildEmoji DocKind = "gift_emoji"  // a guild's kudos emoji, by guild
	KindGift       DocKind = "gift"        // a kudos reaction, by its idempotency key
	KindGiver      DocKind = "gift_person" // what somebody decided about gifts, by person
	KindTally      DocKind = "gift_tally"  // what a guild's reactions gave today, by guild
	KindGiftNews   DocKind = "gift_news"   // what somebody will hear about gifts, by person; "back:" goes before those that came back
	KindGiftDraft  DocKind = "gift_draft"  // GiftDraft, by interaction
	KindGiftOrder  DocKind = "gift_order"  // GiftOrder, by the key of its draft
	KindRoleGift   DocKind = "gift_role"   // RoleGift, by interaction
	KindKeyUse     DocKind = "key_use"     // KeyUse, by what it holds for: "person:", "channel:" or "guild:" and an ID
)

// GiftDraft is a gift by command that its giver has to confirm. It is due when it is forgotten.
type GiftDraft struct {
	Person    string    `json:"person"`
	To        string    `json:"to,omitempty"`      // Discord ID, or
	Account   int64     `json:"account,omitempty"` // number of an account, or
	Sealed    []byte    `json:"sealed,omitempty"`  // shared key that may spend as much more, or
	Party     string    `json:"party,omitempty"`   // channel of a party
	Prize     bool      `json:"prize,omitempty"`   // of the party
	Name      string    `json:"name,omitempty"`    // of the shared key or party
	Amount    int64     `json:"amount"`            // hundredths
	Note      string    `json:"note,omitempty"`
	Anonymous bool      `json:"anonymous,omitempty"`
	Due       time.Time `json:"due"`
}

// GiftOrder is a gift by command whose giver has not been told yet what became of it. It is due when somebody should do
// that who is not the one that gives it.
type GiftOrder struct {
	Draft   GiftDraft `json:"draft"`
	Name    string    `json:"name,omitempty"` // the giver's
	Locale  string    `json:"locale,omitempty"`
	Guild   string    `json:"guild,omitempty"`
	Aloud   string    `json:"aloud,omitempty"` // locale of the guild
	App     string    `json:"app,omitempty"`
	Channel string    `json:"channel,omitempty"`
	Message string    `json:"message,omitempty"` // the answer; empty when it is not known
	Sealed  []byte    `json:"sealed,omitempty"`  // token of the interaction
	Ends    time.Time `json:"ends,omitzero"`     // of the token's life
	Made    time.Time `json:"made"`
	Due     time.Time `json:"due"`
	Tries   int       `json:"tries,omitempty"`
}

// RoleGift is a gift to everybody who has a role. It is due when somebody should go on with it.
type RoleGift struct {
	Guild   string `json:"guild"`
	Channel string `json:"channel"`
	Message string `json:"message"`
	Person  string `json:"person"` // who gives
	Role    string `json:"role"`
	Amount  int64  `json:"amount"` // hundredths, for each, or for all together with Split
	Split   bool   `json:"split,omitempty"`
	Locale  string `json:"locale,omitempty"`

	Stage   RoleStage `json:"stage"`
	Look    []string  `json:"look,omitempty"` // people whose roles are still to be looked at
	To      []string  `json:"to,omitempty"`   // recipients
	Given   int       `json:"given"`          // how many of To had their turn
	Moved   int64     `json:"moved"`          // hundredths that were given
	Missed  int       `json:"missed"`         // recipients who could not be given anything
	Why     string    `json:"why,omitempty"`  // what was said of the last of those
	Due     time.Time `json:"due"`
	Created time.Time `json:"created"`
}

// RoleStage says how far a RoleGift is. The names are stored.
type RoleStage string

// The stages.
const (
	RoleLooking RoleStage = "looking"
	RoleAsking  RoleStage = "asking" // for the giver's word
	RoleGiving  RoleStage = "giving"
	RoleOver    RoleStage = "over"
)

// KeyUse says that a shared key pays for what is asked for in a place or by a person. The key is sealed.
type KeyUse struct {
	Sealed []byte    `json:"sealed"`
	By     string    `json:"by"` // who said so
	Name   string    `json:"name,omitempty"`
	At     time.Time `json:"at"`
}
