// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

// collected leaves a collection of the asker as $collection, with the customizer's image style in it.
func collected(s *stage) {
	drawn(s)
	s.do("asker", "POST /v2/collections", `{"name": "drawings", "info": "by hand", "styles": ["$style"]}`, "collection=id")
}

func collectionRows() []row {
	const (
		list   = "GET /v2/collections"
		create = "POST /v2/collections"
		one    = "GET /v2/collections/{collection_id}"
		change = "PATCH /v2/collections/{collection_id}"
		remove = "DELETE /v2/collections/{collection_id}"
		named  = "GET /v2/collection_by_name/{collection_name}"
	)
	its := []string{"$collection"}
	return []row{
		{op: list, name: "none", want: 200},
		{op: list, name: "one", setup: collected, query: "type=image&sort=age&page=0", want: 200},
		{op: list, name: "of_text", setup: collected, query: "type=text", want: 200},
		{op: list, name: "strange_order", query: "sort=x", want: 400, rc: "BadRequest"},
		{op: list, name: "strange_type", query: "type=x", want: 400, rc: "BadRequest"},

		{op: create, name: "by_id", setup: drawn, as: "asker", body: `{"name": "drawings", "info": "by hand", "styles": ["$style"]}`, want: 200},
		{op: create, name: "by_name", setup: drawn, as: "asker", body: `{"name": "drawings", "styles": ["pencil"], "public": false}`, want: 200},
		{op: create, name: "no_key", body: `{"name": "drawings", "styles": ["pencil"]}`, want: 400, bad: []string{"apikey"}},
		{op: create, name: "wrong_key", as: wrong, body: `{"name": "drawings", "styles": ["pencil"]}`, want: 401, rc: "InvalidAPIKey"},
		{op: create, name: "anonymous", as: anonymous, setup: drawn, body: `{"name": "drawings", "styles": ["pencil"]}`, want: 403, rc: "StylesAnonForbidden"},
		{op: create, name: "deleted", as: "deleted", setup: drawn, body: `{"name": "drawings", "styles": ["pencil"]}`, want: 403, rc: "DeletedUser"},
		{op: create, name: "nul", as: "asker", setup: drawn, body: `{"name": "a\u0000b", "styles": ["pencil"]}`, want: 400, rc: "NulByteInPayload"},
		{op: create, name: "unknown_style", as: "asker", body: `{"name": "drawings", "styles": ["$nothing"]}`, want: 400, rc: "BadRequest"},
		{op: create, name: "mixed", as: "asker", setup: then(written, drawn), body: `{"name": "drawings", "styles": ["pencil", "story"]}`, want: 400, rc: "BadRequest"},
		{op: create, name: "taken", as: "asker", setup: collected, body: `{"name": "drawings", "styles": ["pencil"]}`, want: 400, rc: "BadRequest"},

		{op: one, name: "found", setup: collected, where: its, want: 200},
		{op: one, name: "unknown", where: []string{"a/b"}, want: 404, rc: "CollectionNotFound"},
		{op: named, name: "found", setup: collected, where: []string{"drawings"}, want: 200},
		{op: named, name: "style_of_that_name", setup: drawn, where: []string{"pencil"}, want: 404, rc: "CollectionNotFound"},

		{op: change, name: "info", setup: collected, as: "asker", where: its, body: `{"info": "by other hands"}`, want: 200},
		{op: change, name: "no_key", setup: collected, where: its, body: `{"info": "by other hands"}`, want: 400, bad: []string{"apikey"}},
		{op: change, name: "wrong_key", setup: collected, as: wrong, where: its, body: `{"info": "x"}`, want: 401, rc: "InvalidAPIKey"},
		{op: change, name: "stranger", setup: collected, as: "stranger", where: its, body: `{"info": "x"}`, want: 403, rc: "Forbidden"},
		{op: change, name: "unknown_style", setup: collected, as: "asker", where: its, body: `{"styles": ["$nothing"]}`, want: 400, rc: "BadRequest"},
		{op: change, name: "unknown", as: "asker", where: []string{"$nothing"}, body: `{"info": "x"}`, want: 404, rc: "CollectionNotFound"},

		{op: remove, name: "owner", setup: collected, as: "asker", where: its, want: 200},
		{op: remove, name: "moderator", setup: collected, as: "moderator", where: its, want: 200},
		{op: remove, name: "no_key", setup: collected, where: its, want: 400, bad: []string{"apikey"}},
		{op: remove, name: "wrong_key", setup: collected, as: wrong, where: its, want: 401, rc: "InvalidAPIKey"},
		{op: remove, name: "stranger", setup: collected, as: "stranger", where: its, want: 403, rc: "Forbidden"},
		{op: remove, name: "unknown", as: "asker", where: []string{"$nothing"}, want: 404, rc: "CollectionNotFound"},
	}
}
