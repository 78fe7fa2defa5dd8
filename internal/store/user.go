// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"encoding/json"
	"fmt"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// accountDetails is the JSON of an account: what nothing searches by.
type accountDetails struct {
	Details horde.Details `json:"kudos"`
	Image   horde.Records `json:"image"`
	Text    horde.Records `json:"text,omitzero"`
	Alchemy horde.Records `json:"alchemy,omitzero"`
	Contact string        `json:"contact,omitempty"`
	Comment string        `json:"comment,omitempty"`

	Reasons    horde.Reasons `json:"reasons,omitempty"`
	Monthly    kudos.Amount  `json:"monthly,omitempty"`
	MonthlyAt  int64         `json:"monthly_at,omitempty"` // microseconds
	Multiplier float64       `json:"multiplier,omitempty"`
	Passkey    []byte        `json:"passkey,omitempty"` // hashed
}

func detailsOf(u *horde.User) accountDetails {
	d := accountDetails{
		Details: u.Details, Image: u.Image, Text: u.Text, Alchemy: u.Alchemy, Contact: u.Contact, Comment: u.Comment,
		Reasons: u.Reasons, Monthly: u.Monthly, MonthlyAt: micros(u.MonthlyAt), Multiplier: u.Multiplier,
	}
	if u.Passkey != (horde.KeyHash{}) {
		d.Passkey = u.Passkey[:]
	}
	return d
}

const selectAccounts = `
SELECT id, external, key_hash, name, created, last_active, roles, concurrency, invited, suspicion, balance, held, evaluated, details
FROM account`

func scanAccount(scan func(...any) error) (horde.User, error) {
	var (
		u                           horde.User
		external, name              string
		key, details                []byte
		created, active             int64
		balance, heldOf, evaluation int64
	)
	err := scan(&u.ID, &external, &key, &name, &created, &active, &u.Roles, &u.Concurrency, &u.Invited, &u.Suspicion,
		&balance, &heldOf, &evaluation, &details)
	if err != nil {
		return u, fmt.Errorf("read an account: %w", err)
	}
	if len(key) != len(u.Key) {
		return u, fmt.Errorf("read account %d: its key has %d bytes, not %d", u.ID, len(key), len(u.Key))
	}
	copy(u.Key[:], key)
	u.Created, u.LastActive = fromMicros(created), fromMicros(active)
	u.Balance, u.Held, u.Evaluated = kudos.Amount(balance), kudos.Amount(heldOf), kudos.Amount(evaluation)
	if u.External, err = unplain(external); err != nil {
		return u, fmt.Errorf("read account %d: %w", u.ID, err)
	}
	if u.Name, err = unplain(name); err != nil {
		return u, fmt.Errorf("read account %d: %w", u.ID, err)
	}
	var d accountDetails
	if err := json.Unmarshal(details, &d); err != nil {
		return u, fmt.Errorf("read account %d: %w", u.ID, err)
	}
	u.Details, u.Image, u.Text, u.Alchemy = d.Details, d.Image, d.Text, d.Alchemy
	u.Contact, u.Comment = d.Contact, d.Comment
	u.Reasons, u.Monthly, u.MonthlyAt, u.Multiplier = d.Reasons, d.Monthly, fromMicros(d.MonthlyAt), d.Multiplier
	if len(d.Passkey) != 0 && len(d.Passkey) != len(u.Passkey) {
		return u, fmt.Errorf("read account %d: its passkey has %d bytes, not %d", u.ID, len(d.Passkey), len(u.Passkey))
	}
	copy(u.Passkey[:], d.Passkey)
	return u, nil
}
