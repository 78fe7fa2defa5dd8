// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/apitest"
)

const (
	second = 1
	minute = 60
)

// limit is the number of calls that replies name, and the seconds of its window: the shortest of those that hold.
type limit struct{ calls, span int }

// limits lists where the limit is not the usual one of 90 a minute.
func limits() map[string]limit {
	return map[string]limit{
		"/v2/generate/async": {2, second}, "/v2/generate/text/async": {2, second},
		"/v2/styles/image": {2, second}, "/v2/styles/image/{style_id}/example": {2, second}, "/v2/styles/text/{style_id}": {2, second},
		"/v2/collections": {2, second}, "/v2/collections/{collection_id}": {2, second},
		"/v2/styles/text": {2, second}, "/v2/styles/image/{style_id}": {2, second},
		"/v2/generate/check/{id}": {10, second}, "/v2/interrogate/status/{id}": {10, second},
		"/v2/generate/status/{id}": {10, minute}, "/v2/generate/text/status/{id}": {60, minute}, "/v2/users/{user_id}": {60, minute},
		"/v2/generate/pop": {60, second}, "/v2/generate/submit": {60, second}, "/v2/generate/text/pop": {60, second},
		"/v2/generate/text/submit": {60, second}, "/v2/interrogate/pop": {60, second}, "/v2/interrogate/submit": {60, second},
		"/v2/workers/{worker_id}": {30, minute}, "/v2/teams": {30, minute}, "/v2/teams/{team_id}": {30, minute}, "/v2/status/modes": {30, minute},
		"/v2/sharedkeys": {5, minute}, "/v2/generate/rate/{id}": {5, minute}, "/v2/kudos/transfer": {1, second},
		"/v2/status/heartbeat": {},
	}
}

// TestEveryLimitHoldsAndIsTold calls each operation until it is limited.
func TestEveryLimitHoldsAndIsTold(t *testing.T) {
	t.Parallel()
	s := raise(t, stores()["SQLite"], apitest.Plan{Options: apiv2.Options{RateLimits: true}})
	doc := description(t)
	now := s.clock.Now().Unix()
	used := make(map[string]bool) // paths whose methods are counted together
	for _, op := range operations(doc) {
		method, path, _ := strings.Cut(op, " ")
		want, special := limits()[path]
		if !special {
			want = limit{90, minute}
		}
		call := func() apitest.Answer {
			return s.Send(t, method, "/api"+brace.ReplaceAllString(path, "limited"), "", "apikey", wrongKey)
		}
		got := call()
		if want.calls == 0 {
			if got.Head.Get("X-RateLimit-Limit") != "" {
				t.Errorf("%s is limited to %s", op, got.Head.Get("X-RateLimit-Limit"))
			}
			continue
		}
		together := !special || path == "/v2/status/modes"
		if together && used[path] {
			if got.Status != http.StatusTooManyRequests {
				t.Errorf("%s has a limit apart from the other methods of its path", op)
			}
			continue
		}
		used[path] = true
		for name, text := range map[string]string{
			"X-RateLimit-Limit": strconv.Itoa(want.calls), "X-RateLimit-Remaining": strconv.Itoa(want.calls - 1),
			"X-RateLimit-Reset": strconv.FormatInt(now+int64(want.span), 10), "Retry-After": strconv.Itoa(want.span),
		} {
			if have := got.Head.Get(name); have != text {
				t.Errorf("%s: %s is %q, want %q", op, name, have, text)
			}
		}
		for range want.calls {
			got = call()
		}
		unit := map[int]string{second: "second", minute: "minute"}[want.span]
		if message := fmt.Sprintf("%d per 1 %s", want.calls, unit); got.Status != http.StatusTooManyRequests || !same(string(got.Body), fmt.Sprintf(`{"message": %q}`, message)) {
			t.Errorf("%s answers %d %s after %d calls, want 429 and %q", op, got.Status, got.Body, want.calls+1, message)
			continue
		}
		verify(t, doc, &row{op: op, want: 429}, got)
	}
}
