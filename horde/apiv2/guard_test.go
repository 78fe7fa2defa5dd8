// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/engine"
	"stablemate/internal/clock"
)

// guarded is a house whose filter knows invented words, with a moderator's key.
func guarded(t *testing.T, p plan) (h *house, mod string) {
	t.Helper()
	h = build(t, p)
	id, mod := h.account(t, "moderator", horde.RoleModerator, 0)
	for _, op := range []horde.AddFilter{
		{Regex: `\bzorble\b`, Type: 10, Replacement: "teapot"}, {Regex: `\bquimp\b`, Type: 11}, {Regex: `\bflarn\b`, Type: 20},
	} {
		op.By = id
		if _, err := engine.Do(t.Context(), h.Engine, op); err != nil {
			t.Fatal(err)
		}
	}
	return h, mod
}

// said is the message and code of a refusal.
func said(t *testing.T, got answer) (message, rc string) {
	t.Helper()
	var v struct{ Message, RC string }
	if err := json.Unmarshal(got.body, &v); err != nil {
		t.Fatalf("%v: %s", err, got.body)
	}
	return v.Message, v.RC
}

func TestARefusedPromptIsReportedAndPausesItsAddress(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 11, 22, 1, 24, 48, 0, time.UTC))
	var log bytes.Buffer
	h, mod := guarded(t, plan{clock: fake, log: &log, options: apiv2.Options{TrustedProxy: true}})
	who, asker := h.account(t, "asker", 0, 0)
	ask := func(prompt, key, from string, more ...string) answer {
		t.Helper()
		body := fmt.Sprintf(`{"prompt": %q, "models": ["tiny"]%s}`, prompt, strings.Join(more, ""))
		return h.send(t, "POST", "/api/v2/generate/async", body, "apikey", key, "X-Forwarded-For", from)
	}
	if got := ask("a zorble, flarn", asker, "203.0.113.7"); got.status != 202 {
		t.Fatalf("a prompt that can be rewritten: %d %s", got.status, got.body)
	}
	pop := fmt.Sprintf(`{"name": "gpu", "models": ["tiny"], "bridge_agent": %q}`, reGen)
	if got := h.send(t, "POST", "/api/v2/generate/pop", pop, "apikey", asker, "X-Forwarded-For", "203.0.113.8"); got.status != 200 || !strings.Contains(string(got.body), "teapot flarn ###") {
		t.Fatalf("a worker gets %d %s", got.status, got.body)
	}
	got := ask("a zorble, flarn", mod, "203.0.113.7", `, "replacement_filter": false`)
	if message, rc := said(t, got); got.status != 400 || rc != "CorruptPrompt" || !strings.Contains(message, "reported") {
		t.Errorf("a moderator's test: %d %s", got.status, got.body)
	}
	got = ask("a zorble, flarn", asker, "203.0.113.7", `, "replacement_filter": false`)
	if message, rc := said(t, got); got.status != 400 || rc != "CorruptPrompt" || !strings.Contains(message, "reported") {
		t.Errorf("a prompt that may not be rewritten: %d %s", got.status, got.body)
	}
	if u, _ := h.User(who); u.Suspicion != 1 {
		t.Errorf("suspicion is %d, want 1", u.Suspicion)
	}
	if kept := h.Rejected(); len(kept) != 1 || kept[0].User != who || kept[0].Origin != "203.0.113.7" {
		t.Errorf("%d refused prompts are kept", len(kept))
	}

	got = ask("red apple", asker, "203.0.113.7")
	if message, rc := said(t, got); got.status != 403 || rc != "TimeoutIP" || !strings.Contains(message, "180 seconds") {
		t.Errorf("generate while paused: %d %s", got.status, got.body)
	}
	got = h.send(t, "POST", "/api/v2/generate/pop", pop, "apikey", asker, "X-Forwarded-For", "203.0.113.7")
	if _, rc := said(t, got); got.status != 403 || rc != "TimeoutIP" {
		t.Errorf("pop while paused: %d %s", got.status, got.body)
	}
	fresh := ask("red apple", asker, "203.0.113.9")
	id, _ := jsonString(fresh.body, "id")
	if fresh.status != 202 {
		t.Fatalf("another address: %d %s", fresh.status, fresh.body)
	}
	for agent, want := range map[string]int{"": 403, "unknown:0:unknown": 403, "mine:1:me": 200} {
		head := []string{"X-Forwarded-For", "203.0.113.7"}
		if agent != "" {
			head = append(head, "Client-Agent", agent)
		}
		if got := h.send(t, "GET", "/api/v2/generate/check/"+id, "", head...); got.status != want {
			t.Errorf("check by %q while paused: %d %s, want %d", agent, got.status, got.body, want)
		}
	}
	if got := h.send(t, "GET", "/api/v2/generate/status/"+id, "", "X-Forwarded-For", "203.0.113.7"); got.status != 200 {
		t.Errorf("status while paused: %d %s", got.status, got.body)
	}
	fake.Advance(3 * time.Minute)
	if got := ask("red apple", asker, "203.0.113.7"); got.status != 202 {
		t.Errorf("after the pause: %d %s", got.status, got.body)
	}
	for _, word := range []string{"zorble", "quimp", "flarn"} {
		if strings.Contains(log.String(), word) {
			t.Errorf("the log holds %q", word)
		}
	}
}

func TestALongPromptCannotBeRewritten(t *testing.T) {
	t.Parallel()
	h, _ := guarded(t, plan{})
	body := fmt.Sprintf(`{"prompt": "zorble flarn %s"}`, strings.Repeat("a ", 3500))
	got := h.send(t, "POST", "/api/v2/generate/async", body, "apikey", "0000000000")
	if message, rc := said(t, got); got.status != 400 || rc != "BadRequest" || !strings.Contains(message, "7000") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// The built-in rules are all there to read, and are only counted here.
func TestModeratorsReadTheWholeFilter(t *testing.T) {
	t.Parallel()
	h, mod := guarded(t, plan{})
	var all []struct{ ID, Regex, User string }
	got := h.send(t, "GET", "/api/v2/filters", "", "apikey", mod)
	if err := json.Unmarshal(got.body, &all); err != nil || got.status != 200 {
		t.Fatalf("got %d, %v", got.status, err)
	}
	rules, _ := h.Filters()
	if len(all) != len(rules) || len(all) < 10 {
		t.Errorf("%d filters are listed, %d there are", len(all), len(rules))
	}
	var joined []struct {
		Type  int `json:"filter_type"`
		Regex string
	}
	got = h.send(t, "GET", "/api/v2/filters/regex", "", "apikey", mod)
	if err := json.Unmarshal(got.body, &joined); err != nil || len(joined) != 3 {
		t.Fatalf("got %d expressions, %v", len(joined), err)
	}
	for i, typ := range []int{10, 11, 20} {
		if joined[i].Type != typ || joined[i].Regex == "" {
			t.Errorf("expression %d is of type %d with %d bytes", i, joined[i].Type, len(joined[i].Regex))
		}
	}
	long := h.send(t, "POST", "/api/v2/filters", fmt.Sprintf(`{"prompt": %q}`, strings.Repeat("a ", 40_000)), "apikey", mod)
	if long.status != 400 {
		t.Errorf("a prompt of 80,000 bytes is tried: %d", long.status)
	}
}

func TestMaintenanceTakesBackWhatWaits(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, admin := h.account(t, "admin", horde.RoleAdmin, 0)
	asked := h.send(t, "POST", "/api/v2/generate/async", `{"prompt": "red apple", "params": {"n": 3}}`, "apikey", "0000000000")
	id, _ := jsonString(asked.body, "id")
	// Texts are true whatever they say, as the protocol has it.
	if got := h.send(t, "PUT", "/api/v2/status/modes", `{"maintenance_mode": "false"}`, "apikey", admin); got.status != 200 || !h.Modes().Maintenance {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	got := h.send(t, "GET", "/api/v2/generate/check/"+id, "")
	var now struct {
		Waiting int
		Done    bool
	}
	if err := json.Unmarshal(got.body, &now); err != nil || now.Waiting != 0 || !now.Done {
		t.Errorf("what waited is now %s", got.body)
	}
	if got := h.send(t, "PUT", "/api/v2/status/modes", `not JSON`, "apikey", admin); got.status != 400 && got.status != 403 {
		t.Errorf("a body that is no JSON: %d %s", got.status, got.body)
	}
}
