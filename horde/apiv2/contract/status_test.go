// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import "stablemate/horde"

const (
	heartbeat   = "GET /v2/status/heartbeat"
	performance = "GET /v2/status/performance"
	models      = "GET /v2/status/models"
	model       = "GET /v2/status/models/{model_name}"
	news        = "GET /v2/status/news"
	getModes    = "GET /v2/status/modes"
)

func statusRows() []row {
	busy := then(idle("tiny", "other/model"), queued(tiny))
	return []row{
		{op: heartbeat, name: "ok", hide: []string{"threads"}, want: 200},
		{op: heartbeat, name: "half_a_mask", hide: []string{"threads"}, head: []string{"X-Fields", "{"}, want: 200},

		{op: performance, name: "empty", want: 200},
		{op: performance, name: "busy", setup: busy, want: 200},
		{op: performance, name: "after", setup: then(working(), delivered), want: 200},

		{op: models, name: "empty", want: 200},
		{op: models, name: "all", setup: busy, want: 200},
		{op: models, name: "of_text", setup: busy, query: "type=text", want: 200},
		{op: models, name: "bounded", setup: busy, query: "min_count=3&max_count=9&model_state=known", want: 200},
		{op: models, name: "strange_state", query: "model_state=x", want: 400, rc: "BadRequest"},
		{op: models, name: "strange_bounds", query: "min_count=x&max_count=y", want: 400, bad: []string{"min_count", "max_count"}},

		{op: model, name: "one", setup: busy, where: []string{"tiny"}, want: 200},
		{op: model, name: "slash", setup: busy, where: []string{"other/model"}, want: 200},
		{op: model, name: "escaped_twice", setup: busy, where: []string{"other%2Fmodel"}, want: 200},
		{op: model, name: "unknown", where: []string{"unheard of"}, want: 200},

		{op: news, name: "none", want: 200},

		{op: getModes, name: "public", want: 200},
		{op: getModes, name: "public_busy", setup: modes(horde.Modes{Maintenance: true, InviteOnly: true, Raid: true}), want: 200},
		{op: getModes, name: "moderator", as: "moderator", setup: modes(horde.Modes{Raid: true}), want: 200},
		{op: getModes, name: "ordinary_key", as: "asker", want: 403, rc: "NotModerator"},
		{op: getModes, name: "wrong_key", as: wrong, want: 401, rc: "InvalidAPIKey"},
	}
}
