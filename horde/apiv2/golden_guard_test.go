// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"testing"

	"stablemate/horde"
)

// tryGuard goes through the routes of moderators. The built-in words appear nowhere: the rules are about invented ones.
func tryGuard(t *testing.T, h *house, worker, asker, mod string, try func(route, name, where, body, key string, more ...string) answer) {
	t.Helper()
	_, admin := h.account(t, "admin", horde.RoleAdmin|horde.RoleModerator, 0)
	const (
		list   = "GET /filters"
		add    = "PUT /filters"
		score  = "POST /filters"
		regex  = "GET /filters/regex"
		show   = "GET /filters/{filter_id}"
		patch  = "PATCH /filters/{filter_id}"
		remove = "DELETE /filters/{filter_id}"
	)
	try(regex, "none", "?filter_type=11", "", mod)
	added := try(add, "added", "", `{"regex": "\\bquimp\\b", "filter_type": 11, "description": "an invented word", "replacement": "teapot"}`, mod)
	id, _ := jsonString(added.body, "id")
	try(add, "again", "", `{"regex": "\\bquimp\\b", "filter_type": 11, "description": "other"}`, admin)
	try(add, "short", "", `{"regex": "\\bflarn\\b", "filter_type": 20}`, mod)
	try(add, "invalid", "", `{"filter_type": 30, "description": 5}`, mod)
	try(add, "broken", "", `{"regex": "(quimp", "filter_type": 10}`, mod)
	try(add, "look_ahead", "", `{"regex": "quimp(?=s)", "filter_type": 10}`, mod)
	try(add, "stranger", "", `{"regex": "quimp", "filter_type": 10}`, asker)
	try(add, "wrong_key", "", `{"regex": "quimp", "filter_type": 10}`, "wrong")
	try(list, "found", "?contains=quimp&filter_type=11", "", mod)
	try(list, "by_description", "?contains=invented", "", mod)
	try(list, "none", "?filter_type=29", "", mod)
	try(list, "no_number", "?filter_type=x", "", mod)
	try(list, "stranger", "", "", asker)
	try(list, "wrong_key", "", "", "wrong")
	try(list, "no_key", "", "", "")
	try(regex, "one", "?filter_type=11", "", mod)
	try(regex, "stranger", "", "", asker)
	try(score, "both", "", `{"prompt": "a quimp, flarn"}`, mod)
	try(score, "one_type", "", `{"prompt": "a quimp, flarn", "filter_type": "20"}`, mod)
	try(score, "nothing", "", `{"prompt": "a lighthouse"}`, mod)
	try(score, "invalid", "", `{"filter_type": "x"}`, "")
	try(score, "stranger", "", `{"prompt": "a quimp"}`, asker)
	try(show, "found", id, "", mod)
	try(show, "unknown", "9999", "", mod)
	try(show, "malformed", "x", "", mod)
	try(show, "stranger", id, "", asker)
	try(patch, "changed", id, `{"replacement": "kettle", "description": "still invented"}`, admin)
	try(patch, "nothing", id, `{"regex": ""}`, mod)
	try(patch, "broken", id, `{"regex": "quimp("}`, mod)
	try(patch, "unknown", "9999", `{"regex": "quimp"}`, mod)
	try(patch, "malformed", "x", `{"regex": "quimp"}`, mod)
	try(patch, "stranger", id, `{"regex": "quimp"}`, asker)
	try(remove, "stranger", id, "", asker)
	try(remove, "done", id, "", mod)
	try(remove, "unknown", id, "", mod)
	try(remove, "malformed", "x", "", mod)

	const (
		blocks      = "GET /operations/ipaddr"
		block       = "POST /operations/ipaddr"
		lift        = "DELETE /operations/ipaddr"
		blocksOf    = "GET /operations/ipaddr/{ipaddr}"
		blockWorker = "PUT /operations/block_worker_ipaddr/{worker_id}"
		freeWorker  = "DELETE /operations/block_worker_ipaddr/{worker_id}"
	)
	try(blocks, "none", "", "", mod)
	try(block, "address", "", `{"ipaddr": "203.0.113.7", "hours": 2}`, mod)
	try(block, "range", "", `{"ipaddr": "203.0.113.0/24", "hours": 720}`, mod)
	try(block, "invalid", "", `{"ipaddr": "1.2.3", "hours": 721}`, mod)
	try(block, "no_address", "", `{"ipaddr": "nonsense", "hours": 2}`, "wrong")
	try(block, "stranger", "", `{"ipaddr": "203.0.113.7", "hours": 2}`, asker)
	try(block, "wrong_key", "", `{"ipaddr": "203.0.113.7", "hours": 2}`, "wrong")
	try(blocks, "one", "", "", mod)
	try(blocks, "stranger", "", "", asker)
	try(blocksOf, "both", "203.0.113.7", "", mod)
	try(blocksOf, "none", "198.51.100.1", "", mod)
	try(blocksOf, "no_address", "nonsense", "", "wrong")
	try(blocksOf, "stranger", "203.0.113.7", "", asker)
	try(lift, "address", "", `{"ipaddr": "203.0.113.7"}`, mod)
	try(lift, "again", "", `{"ipaddr": "203.0.113.7"}`, mod)
	try(lift, "no_address", "", `{"ipaddr": "nonsense"}`, mod)
	try(lift, "invalid", "", `{}`, mod)
	try(lift, "stranger", "", `{"ipaddr": "203.0.113.7"}`, asker)
	try(blockWorker, "done", worker, `{"days": 30}`, mod)
	try("POST /generate/async", "timeout", "", `{"prompt": "a cat", "models": ["tiny"]}`, asker)
	try("GET /generate/check/{id}", "timeout", "00000000-0000-4000-8000-000000000000", "", "")
	try("GET /generate/check/{id}", "timeout_with_a_name", "00000000-0000-4000-8000-000000000000", "", "", "Client-Agent", "a:1:b")
	try(blockWorker, "invalid", worker, `{"days": 31}`, mod)
	try(blockWorker, "unknown", "x", `{"days": 1}`, mod)
	try(blockWorker, "stranger", worker, `{"days": 1}`, asker)
	try(freeWorker, "done", worker, "", mod)
	try(freeWorker, "unknown", "x", "", mod)
	try(freeWorker, "stranger", worker, "", asker)

	const modes = "PUT /status/modes"
	try(modes, "raid", "", `{"raid_mode": true, "invite_only_mode": 1}`, mod)
	try("GET /status/modes", "raid_public", "", "", "")
	try("GET /status/modes", "raid_moderator", "", "", mod)
	try(modes, "raid_over", "", `{"raid_mode": 0, "invite_only_mode": ""}`, mod)
	try(modes, "not_admin", "", `{"maintenance_mode": true}`, mod)
	try(modes, "not_moderator", "", `{"raid_mode": true}`, asker)
	try(modes, "nothing", "", `{"maintenance_mode": null}`, admin)
	try(modes, "wrong_key", "", `{}`, "wrong")
	try(modes, "no_key", "", `{}`, "")
	try(modes, "maintenance", "", `{"maintenance_mode": true}`, admin)
	try("POST /generate/async", "maintenance", "", `{"prompt": "a cat", "models": ["tiny"]}`, asker)
	try(modes, "maintenance_over", "", `{"maintenance_mode": false}`, admin)
}
