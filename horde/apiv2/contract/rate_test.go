// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"net/http"

	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/apitest"
)

const rate = "POST /v2/generate/rate/{id}"

// pair is a request for two images that are shared.
const pair = `{"prompt": "a cat", "models": ["tiny"], "shared": true, "params": {"width": 512, "height": 512, "steps": 30, "n": 2}}`

// bothMade delivers two images, as $first and $second.
func bothMade(s *stage) {
	for _, name := range []string{"first", "second"} {
		s.do("owner", pop, offer("tiny"), name+"=id")
		s.do("owner", submit, `{"id": "$`+name+`", "generation": "$image", "seed": 5}`)
	}
}

// rateRows are the calls about rating one's own images.
func rateRows() []row {
	shared := apitest.Plan{Sharing: true}
	done := then(idle("tiny"), queued(pair), bothMade)
	out := []row{
		{
			op: rate, name: "both", plan: shared, setup: done, want: 200,
			body:  `{"ratings": [{"id": "$first", "rating": 8, "artifacts": 1}, {"id": "$second", "rating": 3}]}`,
			check: rewarded,
		},
		{op: rate, name: "best", plan: shared, setup: done, want: 200, body: `{"best": "$second"}`},
		{op: rate, name: "one_and_best", plan: shared, setup: done, want: 200, body: `{"best": "$second", "ratings": [{"id": "$first", "rating": 4}]}`},
		{op: rate, name: "tie", plan: shared, setup: done, want: 200, body: `{"best": "$first", "ratings": [{"id": "$first", "rating": 4}, {"id": "$second", "rating": 4, "artifacts": 0}]}`},
		{op: rate, name: "masked", plan: shared, setup: done, want: 200, body: `{"best": "$second"}`, head: []string{"X-Fields", "nothing"}},
		{
			op: rate, name: "anonymous", plan: shared, want: 200, body: `{"best": "$first"}`,
			setup: then(idle("tiny"), func(s *stage) { s.do(anonymous, generate, pair, "request=id") }, bothMade),
		},

		{op: rate, name: "unfinished", plan: shared, setup: then(idle("tiny"), queued(pair)), body: `{"best": "$nothing"}`, want: 400, rc: "AestheticsNotCompleted"},
		{op: rate, name: "not_shared", setup: then(idle("tiny"), queued(pair), bothMade), body: `{"best": "$second"}`, want: 400, rc: "AestheticsNotPublic"},
		{op: rate, name: "unknown_image", plan: shared, setup: done, body: `{"ratings": [{"id": "$nothing", "rating": 8}]}`, want: 400, rc: "ProcGenNotFound"},
		{op: rate, name: "unknown_best", plan: shared, setup: done, body: `{"best": "123456789012345678901234567890123456"}`, want: 400, rc: "ProcGenNotFound"},
		{op: rate, name: "duplicate", plan: shared, setup: done, body: `{"ratings": [{"id": "$first", "rating": 8}, {"id": "$first", "rating": 8}]}`, want: 400, rc: "AestheticsDuplicate"},
		{op: rate, name: "missing", plan: shared, setup: done, body: `{}`, want: 400, rc: "AestheticsMissing"},
		{
			op: rate, name: "solo", plan: shared, body: `{"best": "$generation"}`, want: 400, rc: "AestheticsSolo",
			setup: then(idle("tiny"), queued(`{"prompt": "a cat", "models": ["tiny"], "shared": true, "params": {"width": 64, "height": 64}}`), popped,
				func(s *stage) { s.do("owner", submit, `{"id": "$generation", "generation": "$image", "seed": 5}`) }),
		},
		{
			op: rate, name: "confused", plan: shared, setup: done, want: 400, rc: "AestheticsConfused",
			body: `{"best": "$second", "ratings": [{"id": "$first", "rating": 8}, {"id": "$second", "rating": 3}]}`,
		},
		{
			op: rate, name: "again", plan: shared, body: `{"best": "$first"}`, want: 400, rc: "AestheticsAlreadyExist",
			setup: then(done, func(s *stage) { s.do(nobody, "POST /v2/generate/rate/$request", `{"best": "$first"}`) }),
		},
		{
			op: rate, name: "invalid", plan: shared, setup: done, want: 400,
			body: `{"best": "x", "ratings": [{"id": "$first", "rating": 11, "artifacts": 6}, {"rating": 1.5}]}`,
			bad:  []string{"best", "ratings.0.rating", "ratings.0.artifacts", "ratings.1.id", "ratings.1.rating"},
		},
	}
	for i := range out {
		out[i].where = []string{"$request"}
	}
	return append(out,
		row{op: rate, name: "unknown", where: []string{"$nothing"}, body: `{}`, want: 404, rc: "RequestNotFound"},
		row{op: rate, name: "no_id", where: []string{"a/ö"}, body: `{}`, want: 404, rc: "RequestNotFound"},
		row{
			op: rate, name: "limit", where: []string{"$nothing"}, body: `{}`, want: http.StatusTooManyRequests,
			plan: apitest.Plan{Sharing: true, Options: apiv2.Options{RateLimits: true}},
			setup: func(s *stage) {
				for range 5 {
					s.Send(s.t, http.MethodPost, "/api/v2/generate/rate/"+noID, `{}`)
				}
			},
		})
}

// rewarded looks whether the reward arrived.
func rewarded(s *stage, _ apitest.Answer) {
	s.t.Helper()
	for _, u := range s.Users() {
		if u.Name == "asker" && u.Details.Awarded.String() == "15" {
			return
		}
	}
	s.t.Error("the asker got no 15 kudos")
}
