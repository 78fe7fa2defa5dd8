// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"time"

	"stablemate/horde"
)

const (
	changeUser = "PUT /v2/users/{user_id}"
	deleteUser = "DELETE /v2/users/{user_id}"
	award      = "POST /v2/kudos/award"
	newKey     = "PUT /v2/sharedkeys"
	oneKey     = "GET /v2/sharedkeys/{sharedkey_id}"
	changeKey  = "PATCH /v2/sharedkeys/{sharedkey_id}"
	deleteKey  = "DELETE /v2/sharedkeys/{sharedkey_id}"
)

// sharing lets the asker make a shared key, $key.
func sharing(body string) func(*stage) {
	return func(s *stage) {
		s.t.Helper()
		s.do("asker", newKey, body, "key=id")
	}
}

// leaving marks the asker's account as deleted.
func leaving(s *stage) {
	s.t.Helper()
	s.do("asker", "DELETE /v2/users/"+s.text("$asker"), "")
}

func accountRows() []row {
	asker, key := []string{"$asker"}, []string{"$key"}
	const small = `{"prompt": "a cat", "models": ["tiny"], "params": {"width": 64, "height": 64, "steps": 1}}`
	friends := sharing(`{"name": "friends", "kudos": 100, "expiry": 2, "max_image_pixels": 262144, "max_image_steps": 20, "max_text_tokens": 80}`)
	empty := then(friends, func(s *stage) {
		s.t.Helper()
		s.do("asker", "PATCH /v2/sharedkeys/"+s.text("$key"), `{"kudos": 0}`)
	})
	late := then(friends, func(s *stage) {
		s.t.Helper()
		s.clock.Advance(48 * time.Hour)
	})
	many := func(s *stage) {
		s.t.Helper()
		for range horde.MaxSharedKeys {
			s.clock.Advance(time.Minute) // five a minute
			s.do("asker", newKey, `{}`)
		}
	}
	return []row{
		{op: changeUser, name: "self", as: "asker", where: asker, body: `{"username": "Asker Ö", "contact": "me@example.org", "public_workers": true}`, want: 200},
		{op: changeUser, name: "moderator", as: "moderator", where: asker, want: 200, body: `{"trusted": true, "customizer": true, "vpn": true, "service": true,
			"special": true, "education": true, "flagged": false, "worker_invited": 3, "reset_suspicion": true, "admin_comment": "well known"}`},
		{op: changeUser, name: "admin", as: "admin", where: asker, body: `{"kudos": 10.0, "monthly_kudos": 100, "usage_multiplier": 1.5, "moderator": true}`, want: 200},
		{op: changeUser, name: "passkey", as: "service", where: []string{"$service"}, body: `{"generate_proxy_passkey": true}`, want: 200, hide: []string{"proxy_passkey"}},
		{op: changeUser, name: "undeleted", as: "asker", setup: leaving, where: asker, body: `{"undelete": true}`, want: 200},
		{op: changeUser, name: "unknown", where: []string{"77"}, body: `{"trusted": true}`, want: 404, rc: "UserNotFound"},
		{op: changeUser, name: "no_key", where: asker, body: `{"trusted": true}`, want: 400, bad: []string{"apikey"}},
		{op: changeUser, name: "wrong_key", as: wrong, where: asker, body: `{"trusted": true}`, want: 401, rc: "InvalidAPIKey"},
		{op: changeUser, name: "not_admin", as: "moderator", where: asker, body: `{"kudos": 5}`, want: 403, rc: "NotAdmin"},
		{op: changeUser, name: "not_moderator", as: "asker", where: asker, body: `{"trusted": true}`, want: 403, rc: "NotModerator"},
		{op: changeUser, name: "markup", as: "asker", where: asker, body: `{"username": "<b>Asker</b>", "contact": "<me@example.org>"}`, want: 200},
		{op: changeUser, name: "stranger", as: "stranger", where: asker, body: `{"username": "mine now"}`, want: 403, rc: "NotModerator"},
		{op: changeUser, name: "anonymous", as: anonymous, where: asker, body: `{"username": "mine now"}`, want: 403, rc: "AnonForbiddenUserMod"},
		{op: changeUser, name: "long_name", as: "asker", where: asker, body: `{"username": "0123456789012345678901234567890"}`, want: 400, rc: "TooLongUserName"},
		{op: changeUser, name: "no_service", as: "asker", where: asker, body: `{"generate_proxy_passkey": true}`, want: 403, rc: "NonServiceForbidden"},
		{op: changeUser, name: "not_deleted", as: "asker", where: asker, body: `{"undelete": true}`, want: 400, rc: "UserNotDeleted"},
		{op: changeUser, name: "nothing", as: "asker", where: asker, body: `{"filtered": true}`, want: 400, rc: "NoUserModSelected"},
		{
			op: changeUser, name: "invalid", as: "moderator", where: asker, body: `{"concurrency": 501, "username": "x", "usage_multiplier": 0}`, want: 400,
			bad: []string{"concurrency", "username", "usage_multiplier"},
		},

		{op: deleteUser, name: "self", as: "asker", where: asker, want: 200},
		{op: deleteUser, name: "by_moderator", as: "moderator", where: asker, want: 200},
		{op: deleteUser, name: "wiped", as: "moderator", where: asker, want: 200, setup: then(leaving, func(s *stage) {
			s.t.Helper()
			s.clock.Advance(horde.WipeAfter + time.Minute)
		})},
		{op: deleteUser, name: "too_early", as: "asker", setup: leaving, where: asker, want: 403, rc: "CannotWipeActiveUser"},
		{op: deleteUser, name: "no_number", as: "asker", where: []string{"x"}, want: 404, rc: "UserNotFound"},
		{op: deleteUser, name: "wrong_key", as: wrong, where: asker, want: 401, rc: "InvalidAPIKey"},
		{op: deleteUser, name: "unknown", as: "asker", where: []string{"77"}, want: 404, rc: "UserNotFound"},
		{op: deleteUser, name: "anonymous", as: anonymous, where: asker, want: 403, rc: "AnonForbiddenUser"},
		{op: deleteUser, name: "of_moderator", as: "moderator", where: []string{"$moderator"}, want: 403, rc: "CannotDeleteMod"},
		{op: deleteUser, name: "stranger", as: "stranger", where: asker, want: 403, rc: "NotUserOrMod"},

		{op: award, name: "given", as: "admin", body: `{"username": "$asker_alias", "amount": 5}`, want: 200},
		{op: award, name: "default", as: "admin", body: `{"username": "$asker_alias"}`, want: 200},
		{op: award, name: "wrong_key", as: wrong, body: `{"username": "$asker_alias"}`, want: 401, rc: "InvalidAPIKey"},
		{op: award, name: "not_allowed", as: "moderator", body: `{"username": "$asker_alias"}`, want: 403, rc: "NotAllowedAwards"},
		{op: award, name: "deleted", as: "deleted", body: `{"username": "$asker_alias"}`, want: 403, rc: "DeletedUser"},
		{op: award, name: "unknown", as: "admin", body: `{"username": "x#77"}`, want: 400, rc: "InvalidAwardUsername"},
		{op: award, name: "anonymous", as: "admin", body: `{"username": "Anonymous#0"}`, want: 400, rc: "KudosAwardToAnon"},
		{op: award, name: "flagged", as: "admin", body: `{"username": "$flagged_alias", "amount": 5}`, want: 400, rc: "TargetAccountFlagged"},
		{op: award, name: "no_body", as: "admin", want: 400, bad: []string{"username"}},

		{op: newKey, name: "terms", as: "asker", want: 200, body: `{"name": "friends", "kudos": 100, "expiry": 2, "max_image_pixels": 262144, "max_image_steps": 20, "max_text_tokens": 80}`},
		{op: newKey, name: "no_body", as: "asker", want: 200},
		{op: newKey, name: "lenient", as: "asker", body: `{"kudos": "7", "name": 5, "expiry": null}`, want: 200, loose: true},
		{op: newKey, name: "wrong_key", as: wrong, body: `{}`, want: 401, rc: "InvalidAPIKey"},
		{op: newKey, name: "anonymous", as: anonymous, body: `{}`, want: 403, rc: "AnonForbidden"},
		{op: newKey, name: "too_many", as: "asker", setup: many, body: `{}`, want: 403, rc: "Forbidden"},
		{op: oneKey, name: "one", setup: friends, where: key, want: 200},
		{op: oneKey, name: "unknown", where: []string{noID}, want: 401, rc: "InvalidAPIKey"},
		{op: oneKey, name: "no_id", where: []string{"x"}, want: 401, rc: "InvalidAPIKey"},
		{op: changeKey, name: "changed", as: "asker", setup: friends, where: key, body: `{"kudos": -1, "expiry": -1, "max_image_pixels": -1}`, want: 200},
		{op: changeKey, name: "unknown", as: "asker", where: []string{noID}, body: `{"kudos": 1}`, want: 401, rc: "InvalidAPIKey"},
		{op: changeKey, name: "wrong_key", as: wrong, setup: friends, where: key, body: `{"kudos": 1}`, want: 401, rc: "InvalidAPIKey"},
		{op: changeKey, name: "stranger", as: "stranger", setup: friends, where: key, body: `{"kudos": 1}`, want: 403, rc: "Forbidden"},
		{op: changeKey, name: "nothing", as: "asker", setup: friends, where: key, body: `{}`, want: 400, rc: "NoSharedKeyModSelected"},
		{op: deleteKey, name: "deleted", as: "asker", setup: friends, where: key, want: 200},
		{op: deleteKey, name: "unknown", as: "asker", where: []string{noID}, want: 401, rc: "InvalidAPIKey"},
		{op: deleteKey, name: "wrong_key", as: wrong, setup: friends, where: key, want: 401, rc: "InvalidAPIKey"},
		{op: deleteKey, name: "stranger", as: "moderator", setup: friends, where: key, want: 403, rc: "Forbidden"},

		{op: findUser, name: "shared_key", as: "$key", setup: friends, want: 200},
		{op: generate, name: "shared_key", as: "$key", setup: then(idle("tiny"), friends), body: small, want: 202},
		{op: generate, name: "shared_key_empty", as: "$key", setup: empty, body: small, want: 403, rc: "SharedKeyEmpty"},
		{op: generate, name: "shared_key_expired", as: "$key", setup: late, body: small, want: 403, rc: "SharedKeyExpired"},
		{op: generate, name: "shared_key_short", as: "$key", setup: sharing(`{"kudos": 1}`), body: small, want: 403, rc: "SharedKeyInsufficientKudos"},
		{op: generate, name: "shared_key_limit", as: "$key", setup: sharing(`{"max_image_steps": 0}`), body: small, want: 400, rc: "BadRequest"},
		{op: generate, name: "shared_key_unknown", as: wrong, body: small, want: 401, rc: "InvalidAPIKey"},
		{op: transfer, name: "shared_key", as: "stranger", setup: then(friends, func(s *stage) {
			s.t.Helper()
			s.do("admin", award, `{"username": "$stranger_alias", "amount": 50}`)
		}), body: `{"username": "$key", "amount": 5}`, want: 200},
		{op: transfer, name: "shared_key_expired", as: "owner", setup: late, body: `{"username": "$key", "amount": 5}`, want: 400, rc: "SharedKeyExpired"},
	}
}
