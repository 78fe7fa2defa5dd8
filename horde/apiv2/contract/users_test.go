// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

const (
	findUser = "GET /v2/find_user"
	users    = "GET /v2/users"
	user     = "GET /v2/users/{user_id}"
)

func userRows() []row {
	busy := then(idle("tiny"), queued(tiny))
	return []row{
		{op: findUser, name: "self", as: "asker", want: 200},
		{op: findUser, name: "busy", as: "asker", setup: busy, want: 200},
		{op: findUser, name: "owner", as: "owner", setup: idle("tiny"), want: 200},
		{op: findUser, name: "anonymous", as: anonymous, want: 200},
		{op: findUser, name: "no_key", want: 401, rc: "InvalidAPIKey"},
		{op: findUser, name: "empty_key", as: empty, want: 401, rc: "InvalidAPIKey"},
		{op: findUser, name: "wrong_key", as: wrong, want: 404, rc: "UserNotFound"},
		{op: findUser, name: "json_on_get", as: "asker", head: []string{"Content-Type", "application/json"}, want: 200},

		{op: users, name: "all", setup: everybody, want: 200},
		{op: users, name: "by_age", setup: everybody, query: "sort=age&page=0", want: 200},
		{op: users, name: "second_page", query: "page=2&sort=strange", want: 200},
		{op: users, name: "beyond", query: "page=99999", want: 200},
		{op: users, name: "no_page", query: "page=x", want: 400, bad: []string{"page"}},

		{op: user, name: "public", where: []string{"$asker"}, want: 200},
		{op: user, name: "other", as: "stranger", where: []string{"$asker"}, want: 200},
		{op: user, name: "self", as: "asker", setup: busy, where: []string{"$asker"}, want: 200},
		{op: user, name: "moderator", as: "moderator", setup: busy, where: []string{"$asker"}, want: 200},
		{op: user, name: "public_workers", setup: idle("tiny"), where: []string{"$moderator"}, want: 200},
		{op: user, name: "anonymous", where: []string{"0"}, want: 200},
		{op: user, name: "unknown", where: []string{"77"}, want: 404, rc: "UserNotFound"},
		{op: user, name: "no_number", as: wrong, where: []string{"a/b"}, want: 404, rc: "UserNotFound"},
		{op: user, name: "wrong_key", as: wrong, where: []string{"$asker"}, want: 401, rc: "InvalidAPIKey"},
	}
}
