// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"context"
	"net/netip"
	"strings"

	"stablemate/horde"
	"stablemate/horde/apiv2/apitest"
)

const (
	listFilters  = "GET /v2/filters"
	addFilter    = "PUT /v2/filters"
	tryFilters   = "POST /v2/filters"
	expressions  = "GET /v2/filters/regex"
	oneFilter    = "GET /v2/filters/{filter_id}"
	changeFilter = "PATCH /v2/filters/{filter_id}"
	deleteFilter = "DELETE /v2/filters/{filter_id}"

	blocks        = "GET /v2/operations/ipaddr"
	block         = "POST /v2/operations/ipaddr"
	unblock       = "DELETE /v2/operations/ipaddr"
	blocksOf      = "GET /v2/operations/ipaddr/{ipaddr}"
	blockWorker   = "PUT /v2/operations/block_worker_ipaddr/{worker_id}"
	unblockWorker = "DELETE /v2/operations/block_worker_ipaddr/{worker_id}"

	setModes = "PUT /v2/status/modes"
)

// filters adds two rules about invented words that together refuse a prompt, the first as $filter, one about a word that is taken
// out, and a context. The words that a
// horde comes with appear in no test.
func filters(s *stage) {
	s.do("moderator", addFilter, `{"regex": "\\bquimp\\b", "filter_type": 10, "description": "an invented word", "replacement": "teapot"}`, "filter=id")
	s.do("moderator", addFilter, `{"regex": "\\bflarn\\b", "filter_type": 20}`)
	s.do("moderator", addFilter, `{"regex": "\\bzorp\\b", "filter_type": 10, "replacement": ""}`)
	s.do("moderator", addFilter, `{"regex": "\\bgrimble\\b", "filter_type": 11}`)
}

// prim is a horde that takes an invented word amiss in names.
func prim() apitest.Plan {
	return apitest.Plan{Profane: func(text string) bool { return strings.Contains(strings.ToLower(text), "quimp") }}
}

// calledFrom is a horde where every address is found to be so.
func calledFrom(at horde.Address) apitest.Plan {
	p := apitest.Plan{}
	p.Options.Addresses = func(context.Context, netip.Addr) horde.Address { return at }
	return p
}

// barred bars fromAfar.
func barred(s *stage) { s.do("moderator", block, `{"ipaddr": "203.0.113.77", "hours": 2}`) }

// barredRange bars a range around fromAfar as well.
func barredRange(s *stage) {
	barred(s)
	s.do("moderator", block, `{"ipaddr": "203.0.113.0/24", "hours": 720}`)
}

// afar lets the owner's worker call from fromAfar.
func afar(s *stage) {
	s.t.Helper()
	s.text("$owner")
	got := s.Send(s.t, "POST", "/api/v2/generate/pop", offer("tiny"), s.keyOf("owner", append([]string(nil), fromAfar...))...)
	if got.Status != 200 {
		s.t.Fatalf("setup: a pop: %d %s", got.Status, got.Body)
	}
	w, _ := s.WorkerByName("dreamer ö")
	s.vars["worker"] = w.ID.String()
}

// moderators are the refusals of operations for moderators alone; extra is what the call needs to be well formed.
func moderators(extra row) []row {
	extra.setup, extra.bad, extra.check = nil, nil, nil
	var out []row
	for _, who := range []row{
		{name: "no_key", want: 400, bad: []string{"apikey"}},
		{name: "wrong_key", as: wrong, want: 401, rc: "InvalidAPIKey"},
		{name: "stranger", as: "asker", want: 403, rc: "NotModerator"},
	} {
		who.op, who.where, who.query, who.body = extra.op, extra.where, extra.query, extra.body
		out = append(out, who)
	}
	return out
}

func guardRows() []row {
	its, nothing := []string{"$filter"}, []string{"9999"}
	const rule = `{"regex": "\\bquimp\\b", "filter_type": 10, "description": "an invented word", "replacement": "teapot"}`
	const change = `{"replacement": "kettle", "description": "still invented"}`
	worker, there := []string{"$worker"}, []string{"203.0.113.77"}
	proxied := behindProxy()
	out := []row{
		{op: listFilters, name: "found", as: "moderator", setup: filters, query: "contains=quimp&filter_type=10", want: 200},
		{op: listFilters, name: "by_description", as: "moderator", setup: filters, query: "contains=invented", want: 200},
		{op: listFilters, name: "none", as: "moderator", query: "filter_type=29", want: 200},
		{op: listFilters, name: "no_number", as: "moderator", query: "filter_type=x", want: 400, bad: []string{"filter_type"}},

		{op: addFilter, name: "added", as: "moderator", body: rule, want: 200},
		{op: addFilter, name: "again", as: "admin", setup: filters, body: rule, want: 200},
		{op: addFilter, name: "short", as: "moderator", body: `{"regex": "flarn", "filter_type": 20}`, want: 200},
		{op: addFilter, name: "invalid", as: "moderator", body: `{"filter_type": 30, "description": 5}`, want: 400, bad: []string{"regex", "filter_type", "description"}},

		{op: tryFilters, name: "both", as: "moderator", setup: filters, body: `{"prompt": "a quimp, flarn"}`, want: 200},
		{op: tryFilters, name: "one_type", as: "moderator", setup: filters, body: `{"prompt": "a quimp, flarn", "filter_type": "20"}`, loose: true, want: 200},
		{op: tryFilters, name: "nothing", as: "moderator", body: `{"prompt": "a lighthouse"}`, want: 200},
		{op: tryFilters, name: "invalid", body: `{"filter_type": "x"}`, want: 400, bad: []string{"apikey", "prompt", "filter_type"}},

		{op: expressions, name: "none", as: "moderator", query: "filter_type=12", want: 200},
		{op: expressions, name: "one", as: "moderator", setup: filters, query: "filter_type=11", want: 200},
		{op: expressions, name: "no_number", as: "moderator", query: "filter_type=x", want: 400, bad: []string{"filter_type"}},

		{op: oneFilter, name: "found", as: "moderator", setup: filters, where: its, want: 200},
		{op: oneFilter, name: "unknown", as: "moderator", where: nothing, want: 404, rc: "FilterNotFound"},
		{op: oneFilter, name: "no_id", as: "moderator", where: []string{"a/b"}, want: 404, rc: "FilterNotFound"},

		{op: changeFilter, name: "changed", as: "admin", setup: filters, where: its, body: change, want: 200},
		{op: changeFilter, name: "nothing", as: "moderator", setup: filters, where: its, body: `{"regex": ""}`, want: 400, rc: "NoFilterModSelected"},
		{op: changeFilter, name: "unknown", as: "moderator", where: nothing, body: change, want: 404, rc: "FilterNotFound"},
		{op: changeFilter, name: "no_id", as: "moderator", where: []string{"a/b"}, body: change, want: 404, rc: "FilterNotFound"},
		{op: changeFilter, name: "invalid", as: "moderator", where: nothing, body: `{"filter_type": 9}`, want: 400, bad: []string{"filter_type"}},

		{op: deleteFilter, name: "deleted", as: "moderator", setup: filters, where: its, want: 200},
		{op: deleteFilter, name: "unknown", as: "moderator", where: nothing, want: 404, rc: "FilterNotFound"},
		{op: deleteFilter, name: "no_id", as: "moderator", where: []string{"a/b"}, want: 404, rc: "FilterNotFound"},

		{op: blocks, name: "none", as: "moderator", setup: barred, want: 200},
		{op: blocks, name: "one", as: "moderator", setup: barredRange, want: 200},

		{op: block, name: "address", as: "moderator", body: `{"ipaddr": "203.0.113.77", "hours": 2}`, want: 200},
		{op: block, name: "range", as: "moderator", body: `{"ipaddr": "2001:db8::/32", "hours": 720}`, want: 200},
		{op: block, name: "no_address", as: wrong, body: `{"ipaddr": "nonsense", "hours": 2}`, want: 400, rc: "BadRequest"},
		{op: block, name: "invalid", as: "moderator", body: `{"ipaddr": "1.2.3", "hours": 721}`, want: 400, bad: []string{"ipaddr", "hours"}},

		{op: unblock, name: "lifted", as: "moderator", setup: barred, body: `{"ipaddr": "203.0.113.77"}`, want: 200},
		{op: unblock, name: "not_there", as: "moderator", body: `{"ipaddr": "203.0.113.77"}`, want: 200},
		{op: unblock, name: "no_address", as: wrong, body: `{"ipaddr": "nonsense"}`, want: 400, rc: "BadRequest"},
		{op: unblock, name: "invalid", as: "moderator", body: `{}`, want: 400, bad: []string{"ipaddr"}},

		{op: blocksOf, name: "both", as: "moderator", setup: barredRange, where: there, want: 200},
		{op: blocksOf, name: "none", as: "moderator", where: there, want: 200},
		{op: blocksOf, name: "no_address", as: wrong, where: []string{"nonsense"}, want: 400, rc: "BadRequest"},

		{op: blockWorker, name: "blocked", as: "moderator", plan: proxied, setup: afar, where: worker, body: `{"days": 30}`, want: 200},
		{op: blockWorker, name: "unknown", as: "moderator", where: []string{"$nothing"}, body: `{"days": 1}`, want: 404, rc: "WorkerNotFound"},
		{op: blockWorker, name: "invalid", as: "moderator", where: []string{"$nothing"}, body: `{"days": 31}`, want: 400, bad: []string{"days"}},
		{op: unblockWorker, name: "freed", as: "moderator", plan: proxied, setup: then(afar, barred), where: worker, want: 200},
		{op: unblockWorker, name: "unknown", as: "moderator", where: []string{"$nothing"}, want: 404, rc: "WorkerNotFound"},

		{op: setModes, name: "moderator", as: "moderator", body: `{"raid_mode": true, "invite_only_mode": true}`, want: 200},
		{op: setModes, name: "lenient", as: "moderator", setup: modes(horde.Modes{Raid: true}), body: `{"raid_mode": 0, "invite_only_mode": "no"}`, loose: true, want: 200},
		{op: setModes, name: "admin", as: "admin", setup: then(queued(tiny), asked(short), brought(oneForm)), body: `{"maintenance_mode": true}`, want: 200, check: nothingWaits},
		{op: setModes, name: "maintenance_over", as: "admin", setup: modes(horde.Modes{Maintenance: true}), body: `{"maintenance_mode": false}`, want: 200},
		{op: setModes, name: "not_admin", as: "moderator", body: `{"maintenance_mode": true}`, want: 403, rc: "NotAdmin"},
		{op: setModes, name: "nothing", as: "admin", body: `{"maintenance_mode": null}`, loose: true, want: 400, rc: "NoHordeModSelected"},
	}
	for _, r := range []row{
		{op: listFilters},
		{op: addFilter, body: rule},
		{op: tryFilters, body: `{"prompt": "a quimp"}`},
		{op: expressions},
		{op: oneFilter, where: nothing},
		{op: changeFilter, where: nothing, body: change},
		{op: deleteFilter, where: nothing},
		{op: blocks},
		{op: block, body: `{"ipaddr": "203.0.113.77", "hours": 2}`},
		{op: unblock, body: `{"ipaddr": "203.0.113.77"}`},
		{op: blocksOf, where: there},
		{op: blockWorker, where: []string{"$nothing"}, body: `{"days": 1}`},
		{op: unblockWorker, where: []string{"$nothing"}},
		{op: setModes, body: `{"raid_mode": true}`},
	} {
		out = append(out, moderators(r)...)
	}
	return out
}

// nothingWaits looks whether maintenance emptied every queue.
func nothingWaits(s *stage, _ apitest.Answer) {
	got := s.Send(s.t, "GET", "/api/v2/status/performance", "")
	if got.Status != 200 || !strings.Contains(string(got.Body), `"queued_requests":0`) || !strings.Contains(string(got.Body), `"queued_text_requests":0`) ||
		!strings.Contains(string(got.Body), `"queued_forms":0`) {
		s.t.Errorf("in maintenance the queues are %s", got.Body)
	}
}
