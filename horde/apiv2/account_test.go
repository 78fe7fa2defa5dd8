// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/engine"
	"stablemate/internal/clock"
)

// want sends a call and fails the test unless the status, and for a refusal the code, are right.
func (h *house) want(t *testing.T, what, call, body, key string, status int, rc string, head ...string) answer {
	t.Helper()
	method, path, _ := strings.Cut(call, " ")
	if key != "-" {
		head = append(head, "apikey", key)
	}
	got := h.send(t, method, "/api/v2"+path, body, head...)
	if got.status != status {
		t.Errorf("%s: got %d %s, want %d %s", what, got.status, got.body, status, rc)
		return got
	}
	if status >= 400 {
		if e := got.refusal(t); e.RC != rc {
			t.Errorf("%s: got %s, want rc %q", what, got.body, rc)
		}
	}
	return got
}

func into[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

func TestAccountsAreChangedByThoseWhoMay(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
	h := build(t, plan{clock: fake})
	uID, u := h.account(t, "u", 0, 0)
	_, stranger := h.account(t, "stranger", 0, 0)
	modID, mod := h.account(t, "mod", horde.RoleModerator, 0)
	_, admin := h.account(t, "admin", horde.RoleAdmin, 0)
	me := fmt.Sprintf("/users/%d", uID)

	for _, c := range []struct {
		what, call, body, key string
		status                int
		rc                    string
	}{
		{"a user that is none", "PUT /users/x", `{"trusted": true}`, "-", 404, "UserNotFound"},
		{"no key", "PUT " + me, `{"trusted": true}`, "-", 400, ""},
		{"a wrong key", "PUT " + me, `{"trusted": true}`, "wrong", 401, "InvalidAPIKey"},
		{"everybody", "PUT " + me, `{"username": "xyz"}`, "0000000000", 403, "AnonForbiddenUserMod"},
		{"everybody's account", "PUT /users/0", `{"trusted": true}`, mod, 403, "AnonForbiddenUserMod"},
		{"nothing", "PUT " + me, `{}`, u, 400, "NoUserModSelected"},
		{"kudos by a moderator", "PUT " + me, `{"kudos": 1}`, mod, 403, "NotAdmin"},
		{"a moderator by a moderator", "PUT " + me, `{"moderator": true}`, mod, 403, "NotAdmin"},
		{"concurrency for oneself", "PUT " + me, `{"concurrency": 100}`, u, 403, "NotModerator"},
		{"a stranger's name", "PUT " + me, `{"username": "mine now"}`, stranger, 403, "NotModerator"},
		{"a name of 31", "PUT " + me, `{"username": "` + strings.Repeat("x", 31) + `"}`, u, 400, "TooLongUserName"},
		{"a name of 101", "PUT " + me, `{"username": "` + strings.Repeat("x", 101) + `"}`, u, 400, ""},
		{"a multiplier of 11", "PUT " + me, `{"usage_multiplier": 11}`, admin, 400, ""},
		{"a passkey for ordinary people", "PUT " + me, `{"generate_proxy_passkey": true}`, u, 403, "NonServiceForbidden"},
		{"undeleting what is not", "PUT " + me, `{"undelete": true}`, u, 400, "UserNotDeleted"},
		{"NUL in a contact", "PUT " + me, `{"contact": "a\u0000bcde"}`, u, 400, "NulByteInPayload"},

		{"a deletion without a key", "DELETE " + me, "", "-", 400, ""},
		{"a deletion with a wrong key", "DELETE " + me, "", "wrong", 401, "InvalidAPIKey"},
		{"a deletion of nobody", "DELETE /users/99", "", u, 404, "UserNotFound"},
		{"a deletion of no number", "DELETE /users/x", "", "wrong", 404, "UserNotFound"},
		{"a deletion by everybody", "DELETE " + me, "", "0000000000", 403, "AnonForbiddenUser"},
		{"a deletion by a stranger", "DELETE " + me, "", stranger, 403, "NotUserOrMod"},
		{"a deletion of a moderator", fmt.Sprintf("DELETE /users/%d", modID), "", mod, 403, "CannotDeleteMod"},
	} {
		h.want(t, c.what, c.call, c.body, c.key, c.status, c.rc)
	}

	// A retry with the same key gives once.
	for range 2 {
		got := into[wire.UserChanged](t, h.want(t, "kudos", "PUT "+me, `{"kudos": 40, "monthly_kudos": 60}`, admin, 200, "", "Idempotency-Key", "1"))
		if got.NewKudos == nil || *got.NewKudos != 125 || *got.MonthlyKudos != 60 {
			t.Errorf("a gift of 40 and 60 a month makes %+v", got)
		}
	}
	h.want(t, "beyond measure", "PUT "+me, `{"kudos": 1e300}`, admin, 400, "BadRequest")
	seen := into[wire.User](t, h.want(t, "the moderator's view", "GET "+me, "", mod, 200, ""))
	if seen.MonthlyKudos.Amount == nil || *seen.MonthlyKudos.Amount != 60 || seen.MonthlyKudos.LastReceived != "Sun, 22 Nov 2026 00:00:00 -0000" ||
		seen.KudosDetails.Admin != 40 || seen.KudosDetails.Recurring != 60 {
		t.Errorf("a moderator sees %+v", seen)
	}

	h.want(t, "deleting", "DELETE "+me, "", u, 200, "")
	h.want(t, "asking while deleted", "POST /generate/async", `{"prompt": "a"}`, u, 403, "DeletedUser")
	h.want(t, "giving while deleted", "POST /kudos/transfer", `{"username": "x#2", "amount": 1}`, u, 400, "DeletedUser")
	h.want(t, "wiping too early", "DELETE "+me, "", mod, 403, "CannotWipeActiveUser")
	h.want(t, "undeleting", "PUT "+me, `{"undelete": true}`, u, 200, "")
	h.want(t, "deleting again", "DELETE "+me, "", u, 200, "")
	fake.Advance(horde.WipeAfter)
	h.want(t, "wiping", "DELETE "+me, "", mod, 200, "")
	h.want(t, "a wiped account", "GET "+me, "", "-", 404, "UserNotFound")
	h.want(t, "a wiped account's key", "GET /find_user", "", u, 404, "UserNotFound")
	if list := string(h.want(t, "the list", "GET /users", "", "-", 200, "").body); strings.Contains(list, "Wiped") {
		t.Errorf("the list shows the wiped account: %s", list)
	}
}

func TestSharedKeysOverHTTP(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
	h := build(t, plan{clock: fake})
	uID, u := h.account(t, "u", 0, 1000)
	_, giver := h.account(t, "giver", 0, 1000)
	shared := into[wire.SharedKey](t, h.want(t, "making a key", "PUT /sharedkeys",
		`{"kudos": 10.9, "name": "friends", "max_image_pixels": 262144, "expiry": 1}`, u, 200, ""))
	path := "/sharedkeys/" + shared.ID
	if shared.Kudos != 10 || shared.Name != "friends" || shared.MaxImagePixels != 262144 || shared.MaxImageSteps != -1 || shared.Username != fmt.Sprintf("u#%d", uID) {
		t.Errorf("the new key is %+v", shared)
	}
	const small = `{"prompt": "a cat", "params": {"width": 64, "height": 64, "steps": 1}}`
	for _, c := range []struct {
		what, call, body, key string
		status                int
		rc                    string
	}{
		{"a key without a key", "PUT /sharedkeys", `{}`, "-", 400, ""},
		{"a key of a wrong one", "PUT /sharedkeys", `{}`, "wrong", 401, "InvalidAPIKey"},
		{"everybody's key", "PUT /sharedkeys", `{}`, "0000000000", 403, "AnonForbidden"},
		{"kudos that are none", "PUT /sharedkeys", `{"kudos": "many"}`, u, 400, ""},
		{"an unknown key", "GET /sharedkeys/00000000-0000-4000-8000-000000000000", "", "-", 401, "InvalidAPIKey"},
		{"a key that is none", "GET /sharedkeys/x", "", "-", 401, "InvalidAPIKey"},
		{"a change of an unknown key", "PATCH /sharedkeys/x", `{"kudos": 1}`, u, 401, "InvalidAPIKey"},
		{"a change without a key", "PATCH " + path, `{"kudos": 1}`, "-", 400, ""},
		{"a change with a wrong key", "PATCH " + path, `{"kudos": 1}`, "wrong", 401, "InvalidAPIKey"},
		{"a change by a stranger", "PATCH " + path, `{"kudos": 1}`, giver, 403, "Forbidden"},
		{"a change by the key itself", "PATCH " + path, `{"kudos": 1}`, shared.ID, 401, "InvalidAPIKey"},
		{"no change", "PATCH " + path, `{}`, u, 400, "NoSharedKeyModSelected"},
		{"a deletion by a stranger", "DELETE " + path, "", giver, 403, "Forbidden"},

		{"an unknown key asks", "POST /generate/async", small, "00000000-0000-4000-8000-000000000000", 401, "InvalidAPIKey"},
		{"too many pixels", "POST /generate/async", `{"prompt": "a", "params": {"width": 576, "height": 512, "steps": 1}}`, shared.ID, 400, "BadRequest"},
		{"too little left", "POST /generate/async", `{"prompt": "a", "params": {"n": 5}}`, shared.ID, 403, "SharedKeyInsufficientKudos"},
		{"a shared key gives", "POST /kudos/transfer", `{"username": "giver#2", "amount": 1}`, shared.ID, 401, "InvalidAPIKey"},
		{"a shared key works", "POST /generate/pop", `{"name": "w", "models": ["tiny"]}`, shared.ID, 401, "InvalidAPIKey"},
		{"a gift to no key", "POST /kudos/transfer", `{"username": "00000000-0000-4000-8000-000000000000", "amount": 1}`, giver, 400, "InvalidTargetUsername"},
	} {
		h.want(t, c.what, c.call, c.body, c.key, c.status, c.rc)
	}
	request := into[wire.Enqueued](t, h.want(t, "the key asks", "POST /generate/async", small, shared.ID, 202, ""))
	mine := into[wire.User](t, h.want(t, "the owner looks", "GET /find_user", "", u, 200, ""))
	if len(mine.SharedKeyIDs) != 1 || mine.SharedKeyIDs[0] != shared.ID || len(mine.ActiveGenerations.Image) != 1 || mine.ActiveGenerations.Image[0] != request.ID {
		t.Errorf("the owner sees %+v, want the key and the request", mine)
	}
	friend := into[wire.User](t, h.want(t, "the key looks", "GET /find_user", "", shared.ID, 200, ""))
	if friend.Username != mine.Username+" (Shared Key: friends)" || friend.SharedKeyIDs != nil || friend.Contact != nil {
		t.Errorf("who holds the key sees %+v", friend)
	}
	if got := into[wire.SharedKey](t, h.want(t, "the key after asking", "GET "+path, "", "-", 200, "")); got.Utilized != 3 || got.Kudos != 7 {
		t.Errorf("after 3 kudos the key is %+v", got)
	}
	h.want(t, "a gift to the key", "POST /kudos/transfer", `{"username": "`+shared.ID+`", "amount": 5}`, giver, 200, "")
	if got := into[wire.SharedKey](t, h.want(t, "the key after a gift", "GET "+path, "", "-", 200, "")); got.Kudos != 12 {
		t.Errorf("after a gift of 5 the key is %+v", got)
	}
	h.want(t, "emptying the key", "PATCH "+path, `{"kudos": 0}`, u, 200, "")
	h.want(t, "an empty key asks", "POST /generate/async", small, shared.ID, 403, "SharedKeyEmpty")
	h.want(t, "an empty key asks for less", "POST /generate/async", strings.Replace(small, "{", `{"allow_downgrade": true, `, 1), shared.ID, 202, "")
	fake.Advance(24 * time.Hour)
	h.want(t, "an expired key asks", "POST /generate/async", small, shared.ID, 403, "SharedKeyExpired")
	h.want(t, "a gift to an expired key", "POST /kudos/transfer", `{"username": "`+shared.ID+`", "amount": 5}`, giver, 400, "SharedKeyExpired")
	for range 2 {
		h.want(t, "more keys", "PUT /sharedkeys", "", u, 200, "")
	}
	h.want(t, "a fourth key", "PUT /sharedkeys", "", u, 403, "Forbidden")
	h.want(t, "deleting the key", "DELETE "+path, "", u, 200, "")
	h.want(t, "the deleted key", "GET "+path, "", "-", 401, "InvalidAPIKey")
}

func TestAwardsOverHTTP(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, admin := h.account(t, "admin", horde.RoleAdmin, 0)
	uID, u := h.account(t, "u", 0, 0)
	flagged, _ := h.account(t, "flagged", horde.RoleFlagged, 0)
	to := func(id horde.UserID, more string) string { return fmt.Sprintf(`{"username": "x#%d"%s}`, id, more) }
	const award = "POST /kudos/award"
	h.want(t, "without a key", award, to(uID, ""), "-", 400, "")
	h.want(t, "with a wrong key", award, to(uID, ""), "wrong", 401, "InvalidAPIKey")
	h.want(t, "by an ordinary account", award, to(uID, ""), u, 403, "NotAllowedAwards")
	h.want(t, "to nobody", award, to(99, ""), admin, 400, "InvalidAwardUsername")
	h.want(t, "to everybody", award, to(0, ""), admin, 400, "KudosAwardToAnon")
	h.want(t, "to a flagged account", award, to(flagged, ""), admin, 400, "TargetAccountFlagged")
	h.want(t, "of a text", award, to(uID, `, "amount": "much"`), admin, 400, "")
	for range 2 {
		got := into[wire.AwardReply](t, h.want(t, "an award", award, to(uID, ""), admin, 200, "", "Idempotency-Key", "k"))
		if got.Awarded != 100 {
			t.Errorf("awarded %v, want 100", got.Awarded)
		}
	}
	if got, _ := h.User(uID); got.Balance != 12_500 || got.Details.Awarded != 10_000 {
		t.Errorf("after an award of 100, told twice, the account is %+v", got)
	}
	h.want(t, "the key for more", award, to(uID, `, "amount": 7`), admin, 400, "IdempotencyKeyConflict", "Idempotency-Key", "k")
}

func TestServicesSpeakForOthers(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
	h := build(t, plan{clock: fake, options: apiv2.Options{RateLimits: true}})
	serviceID, service := h.account(t, "service", horde.RoleService, 1000)
	path := fmt.Sprintf("PUT /users/%d", serviceID)
	passkey := *into[wire.UserChanged](t, h.want(t, "a passkey", path, `{"generate_proxy_passkey": true}`, service, 200, "")).ProxyPasskey
	if len(passkey) != 22 {
		t.Errorf("the passkey %q has %d characters, want 22", passkey, len(passkey))
	}
	// The first call relaxes the service's own address: from then on 10 calls of one client pass in a second.
	h.want(t, "the first call", "POST /generate/async", `{"prompt": "a"}`, service, 202, "")
	const calls, most = 14, 10
	for _, c := range []struct {
		what, passkey, from string
		passed              int
	}{
		{"many people", passkey, "203.0.113.%d", calls},
		{"one person", passkey, "203.0.113.100", most},
		{"stand-ins of many people", passkey, "fd00:0:0:1::%d", calls},
		{"many people in one network", passkey, "2001:db8::%d", most},
		{"a person without an address", passkey, "you", most},
		{"a guess of the passkey", passkey[:21] + "!", "198.51.100.%d", most},
	} {
		fake.Advance(2 * time.Second)
		passed := 0
		for i := range calls {
			from := strings.Replace(c.from, "%d", fmt.Sprint(i+1), 1)
			got := h.send(t, "POST", "/api/v2/generate/async", `{"prompt": "a", "dry_run": true, "proxied_account": "anna"}`,
				"apikey", service, "Proxy-Authorization", c.passkey, "Proxied-For", from)
			if got.status == 200 {
				passed++
			}
		}
		if passed != c.passed {
			t.Errorf("%s: %d of %d calls passed, want %d", c.what, passed, calls, c.passed)
		}
	}
	if _, ok := h.ProxyAccount(apiv2.HashKey([]byte(secret), passkey)); !ok {
		t.Error("the passkey is not kept under its hash")
	}
	if _, err := engine.Do(t.Context(), h.Engine, horde.SetUser{User: serviceID, Grant: horde.RoleFlagged}); err != nil {
		t.Fatal(err)
	}
	if _, ok := h.ProxyAccount(apiv2.HashKey([]byte(secret), passkey)); ok {
		t.Error("a flagged service still speaks for others")
	}
}
