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

// goldenAlchemy goes through the routes of alchemy.
func goldenAlchemy(t *testing.T, h *house, fake *clock.Fake, try tryCall, asker, owner string) {
	t.Helper()
	const (
		ask    = "POST /interrogate/async"
		status = "GET /interrogate/status/{id}"
		cancel = "DELETE /interrogate/status/{id}"
		pop    = "POST /interrogate/pop"
		submit = "POST /interrogate/submit"
	)
	offered := `{"name": "alchemist ö", "forms": ["caption", "nsfw", "GFPGAN", "interrogation"], "amount": 2, "threads": 2,
		"bridge_agent": "AI Horde Worker:24:x", "priority_usernames": []}`
	id := func(a answer) string {
		t.Helper()
		v, ok := jsonString(a.body, "id")
		if !ok {
			t.Fatalf("no id in %s", a.body)
		}
		return v
	}
	try(pop, "idle", "", offered, owner)
	img := b64(picture(t, 600)) // two by two tiles
	request := id(try(ask, "base64", "", fmt.Sprintf(`{"source_image": %q, "forms": [{"name": "caption"}, {"name": "GFPGAN", "payload": {"strength": "1"}},
		{"name": "caption"}, {"name": "vectorize"}]}`, img), asker))
	try(status, "waiting", request, "", "")
	job := try(pop, "job", "", offered, owner)
	try(status, "processing", request, "", "")
	var got wire.AlchemyPopReply
	if err := json.Unmarshal(job.body, &got); err != nil || len(got.Forms) != 2 || got.Forms[1].R2Upload == "" || got.Forms[0].R2Upload != "" {
		t.Fatalf("pop = %s, want two forms", job.body)
	}
	fake.Advance(2 * time.Second)
	post := got.Forms[1].ID
	try(submit, "caption", "", fmt.Sprintf(`{"id": %q, "result": {"caption": "a gradient & <more>"}, "state": "ok"}`, got.Forms[0].ID), owner)
	try(submit, "again", "", fmt.Sprintf(`{"id": %q, "result": {"caption": "another"}}`, got.Forms[0].ID), owner)
	try(submit, "not_uploaded", "", fmt.Sprintf(`{"id": %q, "result": {"GFPGAN": "R2"}}`, post), owner)
	if err := h.blobs.PutBytes(t.Context(), post+".webp", picture(t, 16)); err != nil {
		t.Fatal(err)
	}
	try(submit, "uploaded", "", fmt.Sprintf(`{"id": %q, "result": {"GFPGAN": "R2"}}`, post), owner)
	try(submit, "stranger", "", fmt.Sprintf(`{"id": %q, "result": {}}`, post), asker)
	try(submit, "wrong_key", "", fmt.Sprintf(`{"id": %q, "result": {}}`, post), "wrong")
	try(submit, "unknown", "", `{"id": "00000000-0000-4000-8000-000000000000", "result": {}}`, owner)
	try(submit, "no_result", "", fmt.Sprintf(`{"id": %q}`, post), owner)
	try(submit, "no_id", "", `{"result": {}}`, owner)
	try(status, "partly_done", request, "", "")
	try(cancel, "cancelled", request, "", "")
	try(status, "cancelled", request, "", "")
	try(cancel, "unknown", "x", "", "")
	try(status, "unknown", request[:35]+"x", "", "")

	// The same image again, and one at an address.
	again := id(try(ask, "seen_before", "", fmt.Sprintf(`{"source_image": %q, "forms": [{"name": "caption"}]}`, img), "0000000000"))
	try(status, "remembered", again, "", "")
	far := id(try(ask, "address", "", `{"source_image": "https://example.com/a.png", "forms": [{"name": "nsfw"}], "slow_workers": false}`, asker))
	job = try(pop, "address", "", offered, owner)
	if err := json.Unmarshal(job.body, &got); err != nil || len(got.Forms) != 1 {
		t.Fatalf("pop = %s, want a form", job.body)
	}
	try(submit, "faulted", "", fmt.Sprintf(`{"id": %q, "result": {}, "state": "faulted"}`, got.Forms[0].ID), owner)
	try(status, "back_in_the_queue", far, "", "")

	for _, c := range []struct{ name, body, key string }{
		{"no_forms", `{"source_image": "https://example.com/a.png"}`, asker},
		{"unknown_form", `{"source_image": "https://example.com/a.png", "forms": [{"name": "gold"}]}`, asker},
		{"bad_payload", `{"source_image": "https://example.com/a.png", "forms": [{"name": "nsfw", "payload": {"a": 1}}]}`, asker},
		{"private", `{"source_image": "http://127.0.0.1/a.png", "forms": [{"name": "nsfw"}]}`, asker},
		{"private_name", `{"source_image": "http://router/a.png", "forms": [{"name": "nsfw"}]}`, asker},
		{"no_image", `{"source_image": "aGVsbG8=", "forms": [{"name": "nsfw"}]}`, asker},
		{"no_key", `{"source_image": "https://example.com/a.png", "forms": [{"name": "nsfw"}]}`, ""},
		{"wrong_key", `{"source_image": "https://example.com/a.png", "forms": [{"name": "nsfw"}]}`, "wrong"},
		{"webhook", `{"source_image": "https://example.com/a.png", "forms": [{"name": "nsfw"}], "webhook": "http://example.com"}`, asker},
		{"invalid", `{"forms": "x"}`, asker},
	} {
		try(ask, c.name, "", c.body, c.key)
	}
	try(pop, "anonymous", "", offered, "0000000000")
	try(pop, "stranger", "", offered, asker)
	try(pop, "invalid", "", `{"threads": 101, "forms": ["gold"]}`, owner)
	try(pop, "a_scribes_name", "", strings.Replace(offered, "alchemist ö", "scribe ö", 1), owner)
	try("GET /workers", "alchemists", "?type=interrogation", "", "")
	try("GET /status/performance", "forms", "", "", "")
}
