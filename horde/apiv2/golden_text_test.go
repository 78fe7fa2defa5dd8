// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"stablemate/horde/apiv2/wire"
	"stablemate/internal/clock"
)

// tryCall makes a call and compares its reply with a file; where holds what replaces the braces of the route.
type tryCall func(route, name, where, body, key string, more ...string) answer

const kobold = "KoboldCppEmbedWorker:2:https://github.com/LostRuins/koboldcpp"

// goldenText goes through the routes of texts.
func goldenText(t *testing.T, fake *clock.Fake, try tryCall, asker, owner string) {
	t.Helper()
	const (
		generate = "POST /generate/text/async"
		status   = "GET /generate/text/status/{id}"
		cancel   = "DELETE /generate/text/status/{id}"
		pop      = "POST /generate/text/pop"
		submit   = "POST /generate/text/submit"
		model    = "koboldcpp/Test-7B"
	)
	offered := fmt.Sprintf(`{"name": "scribe ö", "models": [%q], "bridge_agent": %q, "max_length": 512, "max_context_length": 4096,
		"priority_usernames": [], "softprompts": []}`, model, kobold)
	id := func(a answer) string {
		t.Helper()
		v, ok := jsonString(a.body, "id")
		if !ok {
			t.Fatalf("no id in %s", a.body)
		}
		return v
	}
	try(generate, "no_worker", "", `{"prompt": "Once", "models": ["koboldcpp/Other-7B"]}`, "0000000000")
	try(pop, "idle", "", offered, owner)
	try(generate, "dry_run", "", `{"prompt": "Once", "dry_run": true, "params": {"n": 2}, "models": ["never heard of"]}`, asker)
	request := id(try(generate, "queued", "", `{"prompt": "Once upon a time", "models": ["`+model+`"], "nsfw": true,
		"params": {"n": 2, "max_length": 50, "temperature": 1, "top_k": 40, "stop_sequence": ["\n"], "sampler_order": [6, 0, 1, 2, 3, 4, 5],
		"singleline": false, "max_content_length": 5}, "validated_backends": true, "extra_source_images": [], "workers": []}`, asker))
	try(status, "waiting", request, "", "")
	try("GET /status/models", "scribes", "?type=text", "", "")
	job := try(pop, "job", "", offered, owner)
	fake.Advance(2 * time.Second)
	var got wire.TextPopReply
	if err := json.Unmarshal(job.body, &got); err != nil || len(got.IDs) != 1 {
		t.Fatalf("pop = %s, want a text", job.body)
	}
	done := fmt.Sprintf(`{"id": %q, "generation": " there was ünïcode", "state": "ok"}`, got.IDs[0])
	try(submit, "ok", "", done, owner)
	try(submit, "again", "", done, owner)
	try(submit, "stranger", "", done, asker)
	try(submit, "wrong_key", "", done, "wrong")
	try(submit, "unknown", "", `{"id": "00000000-0000-4000-8000-000000000000", "generation": ""}`, owner)
	try(submit, "invalid", "", `{"id": 5, "state": "lost"}`, owner)
	job = try(pop, "second", "", offered, owner)
	try(status, "processing", request, "", "")
	try(submit, "csam", "", fmt.Sprintf(`{"id": %q, "generation": "", "state": "csam", "seed": "7", "gen_metadata": []}`, id(job)), owner)
	try(status, "done", request, "", "")
	try(status, "unknown", "nonsense", "", "")
	try("GET /generate/status/{id}", "a_text", request, "", "")
	try("GET /generate/check/{id}", "a_text", request, "", "")

	second := id(try(generate, "any_model", "", `{"prompt": "Once", "params": {"n": 2}}`, asker))
	job = try(pop, "any_model", "", offered, owner)
	try(submit, "faulted", "", fmt.Sprintf(`{"id": %q, "generation": "broken", "state": "faulted"}`, id(job)), owner)
	try(submit, "aborted", "", fmt.Sprintf(`{"id": %q, "generation": "late"}`, id(job)), owner)
	try(cancel, "cancelled", second, "", "")
	try(status, "cancelled", second, "", "")
	try(cancel, "unknown", request[:35], "", "")
	try(cancel, "image", strings.Repeat("0", 36), "", "")

	for _, c := range []struct{ name, body, key string }{
		{"no_prompt", `{"prompt": ""}`, asker},
		{"invalid", `{"params": {"max_length": 15, "temperature": null, "stop_sequence": "x"}}`, asker},
		{"no_key", `{"prompt": "Once"}`, ""},
		{"wrong_key", `{"prompt": "Once"}`, "wrong"},
		{"token_overflow", `{"prompt": "Once", "params": {"max_length": 100, "max_context_length": 99}}`, asker},
		{"sampler_order", `{"prompt": "Once", "params": {"sampler_order": [1]}}`, asker},
		{"stop_sequences", `{"prompt": "Once", "params": {"stop_sequence": ["` + strings.Repeat("x", 2001) + `"]}}`, asker},
		{"source_images", `{"prompt": "Once", "extra_source_images": [{"image": "x"}]}`, asker},
		{"upfront", `{"prompt": "Once", "params": {"max_length": 513}, "models": ["big-70B"]}`, "0000000000"},
		{"many", `{"prompt": "Once", "models": ["nobody's"], "params": {"n": 20}}`, owner},
		{"too_many", `{"prompt": "Once", "models": ["nobody's"], "params": {"n": 20}}`, owner},
		{"unknown_worker", `{"prompt": "Once", "workers": ["x"]}`, asker},
		{"proxied", `{"prompt": "Once", "proxied_account": "x"}`, asker},
		{"nul", `{"prompt": "On\u0000ce"}`, asker},
		{"batching", `{"prompt": "Once", "disable_batching": true, "params": {"n": 2}}`, asker},
		{"webhook_no_https", `{"prompt": "Once", "webhook": "http://x"}`, asker},
	} {
		try(generate, c.name, "", c.body, c.key)
	}
	try(pop, "anonymous", "", offered, "0000000000")
	try(pop, "stranger", "", offered, asker)
	try(pop, "no_models", "", `{"name": "scribe 2"}`, owner)
	try(pop, "a_dreamers_name", "", strings.Replace(offered, "scribe ö", "dreamer ö", 1), owner)
	try(pop, "invalid", "", `{"threads": 51}`, owner)
	try(pop, "no_friend", "", `{"name": "scribe 2", "models": ["some model"], "priority_usernames": ["friend"]}`, owner)
	try("GET /workers", "scribes", "?type=text", "", "")
	try("GET /status/performance", "texts", "", "", "")
}
