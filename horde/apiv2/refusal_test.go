// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"strings"
	"testing"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
)

// hugePNG is a header that claims a size and holds nothing more.
func hugePNG(side uint32) []byte {
	var buf bytes.Buffer
	buf.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(name string, data []byte) {
		_ = binary.Write(&buf, binary.BigEndian, uint32(len(data)))
		body := append([]byte(name), data...)
		buf.Write(body)
		_ = binary.Write(&buf, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, side), side)
	chunk("IHDR", append(head, 8, 2, 0, 0, 0))
	chunk("IDAT", []byte{1, 2, 3})
	chunk("IEND", nil)
	return buf.Bytes()
}

func (a answer) refusal(t *testing.T) wire.Error {
	t.Helper()
	var e wire.Error
	if err := json.Unmarshal(a.body, &e); err != nil {
		t.Fatalf("%d: the refusal is no JSON: %v: %s", a.status, err, a.body)
	}
	if e.Message == "" {
		t.Errorf("%d: the refusal says nothing: %s", a.status, a.body)
	}
	return e
}

// TestBadInputIsRefusedAsTheContractSays sends what nobody should, and then asks whether the horde is well.
func TestBadInputIsRefusedAsTheContractSays(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, key := h.account(t, "asker", 0, 1000)
	_, stranger := h.account(t, "stranger", 0, 0)
	_, owner := h.account(t, "owner", 0, 0)
	_, flagged := h.account(t, "flagged", horde.RoleFlagged, 0)

	// A generation of the owner's worker is in flight.
	if _, err := h.client(t, key).Generate(t.Context(), wire.GenerateRequest{
		Prompt: "apple", Models: []string{"tiny"}, R2: new(true), Params: &wire.ImageParams{Width: 64, Height: 64, N: 2},
	}); err != nil {
		t.Fatal(err)
	}
	job, err := h.client(t, owner).Pop(t.Context(), offer("owner's dreamer", "tiny"), 0)
	if err != nil || len(job.IDs) == 0 {
		t.Fatalf("pop = %+v, %v, want a job", job, err)
	}
	id := job.IDs[0]
	submit := func(generation string) string {
		return `{"id": "` + id + `", "seed": 1, "generation": "` + generation + `"}`
	}
	small := b64(picture(t, 64))

	const (
		generate = "POST /api/v2/generate/async"
		pop      = "POST /api/v2/generate/pop"
		deliver  = "POST /api/v2/generate/submit"
		transfer = "POST /api/v2/kudos/transfer"
	)
	for _, c := range []struct {
		what, call, body, key string
		status                int
		rc, field, says       string // field: a path among the violations; says: part of the message
	}{
		{"a prompt of 100,000 characters", generate, `{"prompt": "` + strings.Repeat("a", 100_000) + `"}`, key, 400, "InvalidPromptSize", "", ""},
		{"a prompt of 8,000 words", generate, `{"prompt": "` + strings.Repeat("a ", 8000) + `"}`, key, 400, "InvalidPromptSize", "", ""},
		{"size 63", generate, `{"prompt": "a", "params": {"width": 63, "height": 512}}`, key, 400, "", "params.width", ""},
		{"size 100", generate, `{"prompt": "a", "params": {"height": 100}}`, key, 400, "", "params.height", ""},
		{"501 steps", generate, `{"prompt": "a", "params": {"steps": 501}}`, key, 400, "", "params.steps", ""},
		{"no prompt", generate, `{"params": {}}`, key, 400, "", "prompt", ""},
		{"a null", generate, `{"prompt": "a", "params": null}`, key, 400, "", "params", ""},
		{"a number as text", generate, `{"prompt": "a", "params": {"steps": "20"}}`, key, 400, "", "params.steps", ""},
		{"one as true", generate, `{"prompt": "a", "nsfw": 1}`, key, 400, "", "nsfw", ""},
		{"a LoRA without a name", generate, `{"prompt": "a", "params": {"loras": [{"model": 1}]}}`, key, 400, "", "params.loras.0.name", ""},
		{"a post-processor twice", generate, `{"prompt": "a", "params": {"post_processing": ["GFPGAN", "GFPGAN"]}}`, key, 400, "", "params.post_processing", ""},
		{"a list for a body", generate, `[1]`, key, 400, "", "", "Input payload"},
		{"six LoRAs", generate, `{"prompt": "a", "params": {"loras": [` + strings.TrimSuffix(strings.Repeat(`{"name": "x"},`, 6), ",") + `]}}`, key, 400, "TooManyLoras", "", ""},
		{"a scale of three decimals", generate, `{"prompt": "a", "params": {"cfg_scale": 7.123}}`, key, 400, "BadCFGDecimals", "", ""},
		{"a prompt of blanks", generate, `{"prompt": "   "}`, key, 400, "MissingPrompt", "", ""},
		{"NUL in the prompt", generate, `{"prompt": "a\u0000b"}`, key, 400, "NulByteInPayload", "", ""},
		{"NUL in a LoRA", generate, `{"prompt": "a", "params": {"loras": [{"name": "a\u0000"}]}}`, key, 400, "NulByteInPayload", "", ""},
		{"a raw NUL", generate, "{\"prompt\": \"a\x00b\"}", key, 400, "", "", "JSON"},
		{"truncated JSON", generate, `{"prompt": "a`, key, 400, "", "", "JSON"},
		{"two bodies", generate, `{"prompt": "a"}{}`, key, 400, "", "", "JSON"},
		{"a wrong key", generate, `{"prompt": "a"}`, "0123456789012345678901", 401, "InvalidAPIKey", "", ""},
		{"an empty key", generate, `{"prompt": "a"}`, "", 401, "InvalidAPIKey", "", ""},
		{"no key", generate, `{"prompt": "a"}`, "-", 400, "", "apikey", ""},
		{"an unknown worker", generate, `{"prompt": "a", "workers": ["x"]}`, key, 404, "WorkerNotFound", "", ""},
		{"a style", generate, `{"prompt": "a", "style": "mine"}`, key, 404, "StyleNotFound", "", ""},
		{"a webhook over http", generate, `{"prompt": "a", "webhook": "http://example.com/"}`, key, 400, "BadRequest", "", ""},
		{"a mask without an image", generate, `{"prompt": "a", "source_mask": "` + small + `"}`, key, 400, "SourceMaskUnnecessary", "", ""},
		{"control without an image", generate, `{"prompt": "a", "params": {"control_type": "canny"}}`, key, 400, "ControlNetSourceMissing", "", ""},
		{"a source image that is none", generate, `{"prompt": "a", "source_image": "bm90IGFuIGltYWdl"}`, key, 400, "ImageValidationFailed", "", "Image validation failed"},
		{"a source image of no base64", generate, `{"prompt": "a", "source_image": "%%%"}`, key, 400, "ImageValidationFailed", "", "Image validation failed"},
		{"a source image of 50,000 × 50,000", generate, `{"prompt": "a", "source_image": "` + b64(hugePNG(50_000)) + `"}`, key, 400, "SourceImageResolutionExceeded", "", "Image validation failed"},
		{"a source image by address", generate, `{"prompt": "a", "source_image": "http://127.0.0.1/x.png"}`, key, 400, "SourceImageUrlInvalid", "", "Image validation failed"},
		{"a source image of a private address", generate, `{"prompt": "a", "source_image": "http://10.0.0.1/x.png"}`, key, 400, "SourceImageUrlInvalid", "", "Image validation failed"},
		{"a source image of a file", generate, `{"prompt": "a", "source_image": "file:///etc/passwd"}`, key, 400, "SourceImageUrlInvalid", "", "Image validation failed"},
		{"a mask by address", generate, `{"prompt": "a", "source_image": "` + small + `", "source_mask": "http://[::1]/x.png"}`, key, 400, "SourceImageUrlInvalid", "", "Image validation failed"},
		{"an extra image without remix", generate, `{"prompt": "a", "source_image": "` + small + `", "extra_source_images": [{"image": "` + small + `"}]}`, key, 400, "InvalidExtraSourceImages.", "", ""},
		{"two extra images without trust", generate, `{"prompt": "a", "models": ["Stable Cascade 1.0"], "source_processing": "remix", "extra_source_images": [{"image": "a"}, {"image": "b"}]}`, key, 400, "MoreThanMinExtraSourceImage.", "", ""},
		{"six extra images", generate, `{"prompt": "a", "extra_source_images": [` + strings.TrimSuffix(strings.Repeat(`{"image": "x"},`, 6), ",") + `]}`, key, 400, "TooManyExtraSourceImages.", "", ""},
		{"a remix of another model", generate, `{"prompt": "a", "source_processing": "remix", "source_image": "` + small + `"}`, key, 400, "InvalidRemix", "", ""},
		{"inpainting without a mask", generate, `{"prompt": "a", "source_processing": "inpainting", "source_image": "` + small + `"}`, key, 400, "InpaintingMissingMask", "", ""},
		{"special without the role", generate, `{"prompt": "a", "params": {"special": {}}}`, key, 400, "BadRequest", "", ""},
		{"somebody else's account", generate, `{"prompt": "a", "proxied_account": "x"}`, key, 400, "OnlyServiceAccountProxy", "", ""},
		{"batching off without trust", generate, `{"prompt": "a", "disable_batching": true, "params": {"n": 2}}`, key, 400, "RequiresTrust", "", ""},
		{"a size for the rich", generate, `{"prompt": "a", "slow_workers": false, "params": {"steps": 100, "width": 1024, "height": 1024}}`, "0000000000", 403, "KudosUpfront", "", ""},

		{"a pop without a name", pop, `{"models": ["tiny"]}`, owner, 400, "", "name", ""},
		{"a pop with 51 threads", pop, `{"name": "w", "threads": 51}`, owner, 400, "", "threads", ""},
		{"a friend without a number", pop, `{"name": "w", "priority_usernames": ["joe"]}`, "wrong", 400, "InvalidPriorityUsername", "", ""},
		{"an anonymous worker", pop, `{"name": "w", "models": ["tiny"]}`, "0000000000", 403, "AnonForbiddenWorker", "", ""},
		{"somebody else's worker", pop, `{"name": "owner's dreamer", "models": ["tiny"]}`, stranger, 403, "WrongCredentials", "", "Wrong credentials"},
		{"a worker without models", pop, `{"name": "w", "models": []}`, owner, 400, "BadRequest", "", "we cannot accept workers serving"},
		{"a worker of a flagged account", pop, `{"name": "w", "models": ["tiny"]}`, flagged, 403, "WorkerFlaggedMaintenance", "", "maintenance mode"},
		{"NUL in a worker's name", pop, `{"name": "w\u0000", "models": ["tiny"]}`, owner, 400, "NulByteInPayload", "", ""},
		{"a pop that waits an hour", pop + "?wait=3600", `{"name": "w", "models": ["tiny"]}`, owner, 400, "", "wait", ""},

		{"a submit for somebody else's generation", deliver, submit(small), stranger, 403, "WrongCredentials", "", ""},
		{"a submit with a wrong key", deliver, submit(small), "wrong", 401, "InvalidAPIKey", "", ""},
		{"a submit for nothing", deliver, `{"id": "x", "seed": 1, "generation": "R2"}`, owner, 404, "InvalidJobID", "", "does not exist"},
		{"a submit without a seed", deliver, `{"id": "` + id + `", "generation": "R2"}`, owner, 400, "", "seed", ""},
		{"a submit with half a seed", deliver, `{"id": "` + id + `", "generation": "R2", "seed": 1.5}`, owner, 400, "", "seed", ""},
		{"R2 without an upload", deliver, submit("R2"), owner, 400, "BadRequest", "", "upload"},
		{"a submit of no image", deliver, submit("bm90IGFuIGltYWdl"), owner, 400, "ImageValidationFailed", "", "Image validation failed"},
		{"an image of 50,000 × 50,000", deliver, submit(b64(hugePNG(50_000))), owner, 400, "ImageValidationFailed", "", "Image validation failed"},
		{"an image that breaks off", deliver, submit(b64(hugePNG(64))), owner, 400, "SourceImageUnreadable", "", "Image validation failed"},
		{"metadata of a strange kind", deliver, `{"id": "` + id + `", "generation": "R2", "seed": 1, "gen_metadata": [{"type": "x", "value": "nsfw"}]}`, owner, 400, "", "gen_metadata.0.type", ""},

		{"a gift without a body", transfer, "", key, 400, "", "username", ""},
		{"a gift of null", transfer, `{"username": "a#1", "amount": null}`, key, 400, "", "amount", ""},
		{"a gift to nobody", transfer, `{"username": "a#99", "amount": 1}`, key, 400, "InvalidTargetUsername", "", ""},
		{"a gift to no name", transfer, `{"username": "a", "amount": 1}`, key, 400, "InvalidTargetUsername", "", ""},
		{"a gift from nobody", transfer, `{"username": "a#1", "amount": 1}`, "0000000000", 400, "KudosTransferFromAnon", "", ""},
		{"a gift to oneself", transfer, `{"username": "a#1", "amount": 1}`, key, 400, "KudosTransferToSelf", "", ""},
		{"a gift to everybody", transfer, `{"username": "a#0", "amount": 1}`, key, 400, "KudosTransferToAnon", "", ""},
		{"a gift below zero", transfer, `{"username": "a#2", "amount": -5}`, key, 400, "NegativeKudosTransfer", "", ""},
		{"a gift of nothing", transfer, `{"username": "a#2", "amount": 0.9}`, key, 400, "InvalidKudosTransferAmount", "", ""},
		{"a gift beyond measure", transfer, `{"username": "a#2", "amount": 99999999999999999999}`, key, 400, "InvalidKudosTransferAmount", "", ""},
		{"a gift of more than there is", transfer, `{"username": "a#2", "amount": 5000}`, key, 400, "KudosTransferNotEnough", "", ""},

		{"a check of no id", "GET /api/v2/generate/check/x", "", "-", 404, "RequestNotFound", "", ""},
		{"a status of an unknown id", "GET /api/v2/generate/status/00000000-0000-4000-8000-000000000000", "", "-", 404, "RequestNotFound", "", ""},
		{"a cancel of an unknown id", "DELETE /api/v2/generate/status/00000000-0000-4000-8000-000000000000", "", "-", 404, "RequestNotFound", "", ""},
		{"a user that is none", "GET /api/v2/users/me", "", "-", 404, "UserNotFound", "", ""},
		{"a user with a wrong key", "GET /api/v2/users/1", "", "wrong", 401, "InvalidAPIKey", "", ""},
		{"find_user without a key", "GET /api/v2/find_user", "", "-", 401, "InvalidAPIKey", "", ""},
		{"find_user with a wrong key", "GET /api/v2/find_user", "", "wrong", 404, "UserNotFound", "", ""},
		{"a page that is no number", "GET /api/v2/users?page=x", "", "-", 400, "", "page", ""},
		{"a worker that is none", "GET /api/v2/workers/x", "", "-", 404, "WorkerNotFound", "", ""},
		{"a worker's name that is none", "GET /api/v2/workers/name/x", "", "-", 404, "WorkerNotFound", "", ""},
		{"modes with an ordinary key", "GET /api/v2/status/modes", "", key, 403, "NotModerator", "", ""},
		{"models of a strange state", "GET /api/v2/status/models?model_state=x", "", "-", 400, "BadRequest", "", ""},
		{"a bad mask", "GET /api/v2/status/performance", "", "mask", 400, "", "", "mask"},
		{"an unknown path", "GET /api/v2/nothing", "", "-", 404, "", "", "not found"},
		{"a slash too many", "GET /api/v2/users/", "", "-", 404, "", "", "not found"},
		{"a wrong method", "GET /api/v2/generate/async", "", "-", 405, "", "", "not allowed"},
	} {
		method, path, _ := strings.Cut(c.call, " ")
		head := []string{"apikey", c.key}
		switch c.key {
		case "-":
			head = nil
		case "mask":
			head = []string{"X-Fields", "a{b"}
		}
		got := h.send(t, method, path, c.body, head...)
		if got.status != c.status {
			t.Errorf("%s: got %d %s, want %d", c.what, got.status, got.body, c.status)
			continue
		}
		if kind := got.head.Get("Content-Type"); kind != "application/json; charset=utf-8" {
			t.Errorf("%s: Content-Type is %q", c.what, kind)
		}
		e := got.refusal(t)
		if e.RC != c.rc || !strings.Contains(e.Message, c.says) {
			t.Errorf("%s: got %s, want rc %q and %q in the message", c.what, got.body, c.rc, c.says)
		}
		if _, there := e.Errors[c.field]; c.field != "" && !there {
			t.Errorf("%s: got %s, want a violation at %q", c.what, got.body, c.field)
		}
		if c.field == "" && c.says != "Input payload" && e.Errors != nil {
			t.Errorf("%s: got violations %v, want none", c.what, e.Errors)
		}
	}

	// What was refused left nothing behind, and what is right still works.
	if _, err := h.blobs.Open(t.Context(), id+".webp"); err == nil {
		t.Error("an image was stored for a refused submit")
	}
	if beat := h.send(t, "GET", "/api/v2/status/heartbeat", ""); beat.status != 200 || !strings.Contains(string(beat.body), `"OK"`) {
		t.Errorf("the heartbeat says %d %s", beat.status, beat.body)
	}
	if got := h.send(t, "POST", "/api/v2/generate/submit", submit(small), "apikey", owner); got.status != 200 {
		t.Errorf("the right submit gets %d %s", got.status, got.body)
	}
	if got := h.send(t, "POST", "/api/v2/generate/submit", submit(small), "apikey", owner); got.refusal(t).RC != "DuplicateGen" ||
		!strings.Contains(string(got.body), "already submitted") {
		t.Errorf("the same submit again gets %d %s", got.status, got.body)
	}
}

func TestUnknownModelsAreAcceptedAndTheirRequestsSayWhyTheyWait(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, owner := h.account(t, "owner", 0, 0)
	if _, err := h.client(t, owner).Pop(t.Context(), offer("dreamer", "tiny"), 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, body, says string }{
		{"the model", `{"prompt": "a", "models": ["never heard of"]}`, "never heard of"},
		{"the size", `{"prompt": "a", "models": ["tiny"], "params": {"width": 3072, "height": 3072}, "allow_downgrade": true}`, ""},
		{"the feature", `{"prompt": "a", "models": ["tiny"], "trusted_workers": true}`, "trusted"},
	} {
		got := h.send(t, "POST", "/api/v2/generate/async", c.body, "apikey", "0000000000")
		var e wire.Enqueued
		if err := json.Unmarshal(got.body, &e); err != nil || got.status != http.StatusAccepted {
			t.Errorf("%s: got %d %s", c.what, got.status, got.body)
			continue
		}
		if c.says == "" {
			continue // shrunk until it fits
		}
		if !strings.HasPrefix(e.Message, "Warning") || !strings.Contains(e.Message, c.says) || len(e.Warnings) != 1 || e.Warnings[0].Code != "NoAvailableWorker" {
			t.Errorf("%s: got %s, want a warning with %q", c.what, got.body, c.says)
		}
	}
}

func TestAllViolationsComeAtOnce(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	got := h.send(t, "POST", "/api/v2/generate/async", `{"nsfw": "no", "params": {"steps": 0, "width": 65, "n": 1.5, "seed": 7}}`, "apikey", "0000000000")
	e := got.refusal(t)
	for _, path := range []string{"prompt", "nsfw", "params.steps", "params.width", "params.n", "params.seed"} {
		if e.Errors[path] == "" {
			t.Errorf("no violation at %s in %s", path, got.body)
		}
	}
	if e.RC != "" || e.Message != "Input payload validation failed" {
		t.Errorf("got %s, want shape B", got.body)
	}
}

func TestWhatClientsSendThatIsEasyToRejectIsAccepted(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	for what, body := range map[string]string{
		"whole floats":       `{"prompt": "a", "params": {"steps": 20.0, "width": 512.0, "n": 1e0}}`,
		"empty lists":        `{"prompt": "a", "workers": [], "models": [], "params": {"loras": [], "tis": [], "post_processing": [], "extra_texts": []}}`,
		"an empty seed":      `{"prompt": "a", "params": {"seed": ""}}`,
		"unknown properties": `{"prompt": "a", "quiet": null, "params": {"max_content_length": "x"}}`,
	} {
		if got := h.send(t, "POST", "/api/v2/generate/async", body, "apikey", "0000000000", "Client-Agent", "two:parts"); got.status != 202 {
			t.Errorf("%s: got %d %s", what, got.status, got.body)
		}
	}
	// What a content type says beside the type does not matter.
	for _, kind := range []string{"application/json; charset", "application/json;charset=UTF-8;", "Application/JSON"} {
		if got := h.send(t, "POST", "/api/v2/generate/async", `{"prompt": "a"}`, "apikey", "0000000000", "Content-Type", kind); got.status != 202 {
			t.Errorf("%s: got %d %s", kind, got.status, got.body)
		}
	}
	// A content type without a body must not fail.
	if got := h.send(t, "GET", "/api/v2/status/performance", "", "Content-Type", "application/json"); got.status != 200 {
		t.Errorf("GET with a content type: got %d %s", got.status, got.body)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	long := strings.Repeat(" ", 2<<20)
	for call, want := range map[string]int{"/api/v2/generate/pop": 413, "/api/v2/kudos/transfer": 413, "/api/v2/generate/submit": 400} {
		got := h.send(t, "POST", call, `{"name": "x"`+long+`}`, "apikey", "0000000000")
		if got.status != want {
			t.Errorf("%s: 2 MiB get %d %s, want %d", call, got.status, got.body, want)
		}
		got.refusal(t)
	}
	got := h.send(t, "POST", "/api/v2/generate/async", `{"prompt": "`+strings.Repeat("a", 25<<20)+`"}`, "apikey", "0000000000")
	if got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("25 MiB get %d, want 413", got.status)
	}
	// Few bytes that would take much memory.
	got = h.send(t, "POST", "/api/v2/generate/async", `{"prompt": "a", "x": [`+strings.Repeat("[],", 1<<20)+`[]]}`, "apikey", "0000000000")
	if got.status != http.StatusBadRequest {
		t.Errorf("a million lists get %d, want 400", got.status)
	}
	// Separators inside texts are no values.
	got = h.send(t, "POST", "/api/v2/generate/async", `{"prompt": "a", "x": "\\\",`+strings.Repeat("[{,", 100_000)+`"}`, "apikey", "0000000000")
	if got.status != http.StatusAccepted {
		t.Errorf("a long text gets %d %s, want 202", got.status, got.body)
	}
}
