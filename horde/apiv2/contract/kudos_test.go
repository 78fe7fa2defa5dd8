// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2/apitest"
)

const transfer = "POST /v2/kudos/transfer"

// given lets the asker give the owner ten kudos under a key.
func given(s *stage) {
	s.t.Helper()
	got := s.Send(s.t, "POST", "/api/v2/kudos/transfer", s.text(`{"username": "$owner_alias", "amount": 10}`), s.keyOf("asker", []string{"Idempotency-Key", "1"})...)
	if got.Status != 200 {
		s.t.Fatalf("setup: a gift: %d %s", got.Status, got.Body)
	}
	s.clock.Advance(2 * time.Second)
}

// suspect makes an account suspicious: its worker drops many jobs.
func suspect(s *stage) {
	s.t.Helper()
	for i := range 5 * (horde.MaxDropped + 1) {
		if i%horde.FaultsPerFailed == 0 {
			s.do("asker", generate, tiny)
		}
		if w, ok := s.WorkerByName("dreamer ö"); ok && w.Maintenance {
			s.do("owner", "PUT /v2/workers/"+w.ID.String(), `{"maintenance": false}`)
		}
		popped(s)
		failed(s)
	}
}

func kudosRows() []row {
	const ten = `{"username": "$owner_alias", "amount": 10}`
	key := []string{"Idempotency-Key", "1"}
	return []row{
		{op: transfer, name: "gift", as: "asker", body: ten, want: 200},
		{op: transfer, name: "default", as: "asker", body: `{"username": "$owner_alias"}`, loose: true, want: 200},
		{op: transfer, name: "lenient", as: "asker", body: `{"username": "whoever#$owner", "amount": "7"}`, loose: true, head: []string{"Content-Type", "text/plain"}, want: 200},
		{op: transfer, name: "fraction", as: "asker", body: `{"username": "$owner_alias", "amount": 1.9}`, loose: true, want: 200},
		{op: transfer, name: "again", as: "asker", setup: given, body: ten, head: key, want: 200},

		{op: transfer, name: "nothing_sent", body: ``, want: 400, bad: []string{"apikey", "username"}},
		{op: transfer, name: "null", as: "asker", body: `{"username": "$owner_alias", "amount": null}`, want: 400, bad: []string{"amount"}},
		{op: transfer, name: "wrong_key", as: wrong, body: ten, want: 401, rc: "InvalidAPIKey"},
		{op: transfer, name: "from_anonymous", as: anonymous, body: ten, want: 400, rc: "KudosTransferFromAnon"},
		{op: transfer, name: "to_nobody", as: "asker", body: `{"username": "owner#99", "amount": 1}`, want: 400, rc: "InvalidTargetUsername"},
		{op: transfer, name: "to_anonymous", as: "asker", body: `{"username": "Anonymous#0", "amount": 1}`, want: 400, rc: "KudosTransferToAnon"},
		{op: transfer, name: "to_oneself", as: "asker", body: `{"username": "$asker_alias", "amount": 1}`, want: 400, rc: "KudosTransferToSelf"},
		{op: transfer, name: "back_too_fast", as: "owner", setup: given, body: `{"username": "$asker_alias", "amount": 1}`, want: 400, rc: "TooFastKudosTransfers"},
		{op: transfer, name: "from_flagged", as: "flagged", body: ten, want: 400, rc: "SourceAccountFlagged"},
		{op: transfer, name: "from_education", as: "education", body: ten, want: 400, rc: "EducationCannotSendKudos"},
		{op: transfer, name: "to_flagged", as: "asker", body: `{"username": "$flagged_alias", "amount": 1}`, want: 400, rc: "TargetAccountFlagged"},
		{op: transfer, name: "to_deleted", as: "asker", body: `{"username": "$deleted_alias", "amount": 1}`, want: 400, rc: "DeletedUser"},
		{op: transfer, name: "below_zero", as: "asker", body: `{"username": "$owner_alias", "amount": -5}`, want: 400, rc: "NegativeKudosTransfer"},
		{op: transfer, name: "of_nothing", as: "asker", body: `{"username": "$owner_alias", "amount": 0}`, want: 400, rc: "InvalidKudosTransferAmount"},
		{op: transfer, name: "beyond_measure", as: "asker", body: `{"username": "$owner_alias", "amount": 99999999999999999999}`, want: 400, rc: "InvalidKudosTransferAmount"},
		{op: transfer, name: "not_enough", as: "asker", body: `{"username": "$owner_alias", "amount": 5000}`, want: 400, rc: "KudosTransferNotEnough"},
		{op: transfer, name: "other_gift", as: "asker", setup: given, body: `{"username": "$owner_alias", "amount": 11}`, head: key, want: 400, rc: "IdempotencyKeyConflict"},
		{op: transfer, name: "switched_off", as: "asker", plan: apitest.Plan{NoTransfers: true}, body: ten, want: 403, rc: "KudosTransfersDisabled"},
		{op: transfer, name: "from_suspicious", as: "owner", setup: suspect, body: `{"username": "$stranger_alias", "amount": 1}`, want: 400, rc: "FaultWhenKudosSending"},
		{op: transfer, name: "to_suspicious", as: "stranger", setup: suspect, body: `{"username": "$owner_alias", "amount": 1}`, want: 400, rc: "FaultWhenKudosReceiving"},
	}
}
