// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/kudos"
	"stablemate/internal/clock"
)

// styleReplies goes through the routes of styles and collections for TestRepliesKeepTheirShape.
func styleReplies(t *testing.T, h *house, try func(route, name, where, body, key string, more ...string) answer, stranger, mod string) {
	t.Helper()
	_, maker := h.account(t, "maker", horde.RoleTrusted, 0)
	id := func(a answer) string {
		t.Helper()
		v, ok := jsonString(a.body, "id")
		if !ok {
			t.Fatalf("no id in %s", a.body)
		}
		return v
	}
	const (
		images   = "/styles/image"
		image    = "/styles/image/{style_id}"
		named    = "/styles/image_by_name/{style_name}"
		examples = "/styles/image/{style_id}/example"
		example  = "/styles/image/{style_id}/example/{example_id}"
		texts    = "/styles/text"
		text     = "/styles/text/{style_id}"
		cols     = "/collections"
		col      = "/collections/{collection_id}"
		full     = `{"name": "öl <b>!</b>", "info": "made of <i>oil</i> <script>", "prompt": "{p}, oil###{np}, blurry", "tags": ["old"],
			"models": ["tiny"], "params": {"cfg_scale": 7, "steps": 12, "karras": false, "width": 128, "loras": [{"name": "x"}],
			"tis": [{"name": "y"}], "post_processing": ["GFPGAN"], "n": 3}}`
	)
	try("GET "+images, "none", "", "", "")
	try("GET "+texts, "none", "", "", "")
	try("GET "+cols, "none", "", "", "")
	style := id(try("POST "+images, "made", "", full, maker))
	try("POST "+images, "plain", "", `{"name": "plain", "models": ["tiny"], "public": false}`, maker)
	try("POST "+images, "untrusted", "", full, stranger)
	try("POST "+images, "anonymous", "", full, "0000000000")
	try("POST "+images, "no_models", "", `{"name": "x"}`, "")
	try("POST "+images, "taken", "", full, maker)
	try("POST "+images, "invalid", "", `{"info": "short", "prompt": "{p}", "params": {"steps": 501}}`, maker)
	story := id(try("POST "+texts, "made", "", `{"name": "story", "prompt": "Once {p}", "models": ["llm"], "params": {"temperature": 1, "top_k": 40,
		"sampler_order": [6, 0, 1, 3, 4, 2, 5], "stop_sequence": ["\n"], "singleline": true}}`, maker))
	try("POST "+texts, "invalid", "", `{"name": 5, "models": ["llm"], "params": {"min_p": 2}}`, maker)
	try("GET "+images, "one", "", "", "")
	try("GET "+images, "order", "?sort=best", "", "")
	try("GET "+texts, "one", "?sort=age&page=0", "", "")
	first := id(try("POST "+examples, "first", style+"/example", `{"url": "https://pictures.example/1.webp", "primary": true}`, maker))
	second := id(try("POST "+examples, "second", style+"/example", `{"url": "https://pictures.example/2.webp", "primary": false}`, mod))
	try("POST "+examples, "not_https", style+"/example", `{"url": "http://pictures.example/2.webp", "primary": false}`, maker)
	try("POST "+examples, "invalid", style+"/example", `{"url": "https://pictures.example/2.webp"}`, maker)
	try("PATCH "+example, "primary", style+"/example/"+second, `{"primary": true}`, maker)
	try("PATCH "+example, "last_primary", style+"/example/"+second, `{"primary": false}`, maker)
	try("PATCH "+example, "malformed", style+"/example/x", `{"primary": true}`, maker)
	try("GET "+image, "shown", style, "", "")
	try("GET "+image, "unknown", "x", "", "")
	try("GET "+image, "other_kind", story, "", "")
	try("GET "+named, "found", "style::%C3%B6l%20%3Cb%3E!%3C%2Fb%3E", "", "")
	try("GET "+named, "private", "plain", "", "")
	try("GET "+named, "unknown", "plane", "", "")
	try("DELETE "+example, "done", style+"/example/"+first, "", mod)
	try("DELETE "+example, "again", style+"/example/"+first, "", maker)
	try("PATCH "+image, "changed", style, `{"info": "x", "nsfw": true}`, maker)
	try("PATCH "+image, "stranger", style, `{"nsfw": false}`, mod)
	try("GET "+text, "shown", story, "", "")
	try("GET "+text, "unknown", "00000000-0000-4000-8000-000000000000", "", "")
	try("GET /styles/text_by_name/{style_name}", "found", "story", "", "")
	try("GET /styles/text_by_name/{style_name}", "unknown", "tale", "", "")
	try("PATCH "+text, "changed", story, `{"prompt": "Twice {p}"}`, maker)
	try("PATCH "+text, "unknown", "x", `{"prompt": "Twice {p}"}`, maker)

	gathered := id(try("POST "+cols, "made", "", fmt.Sprintf(`{"name": "paint", "info": "all of it", "styles": [%q, "plain"]}`, style), stranger))
	try("POST "+cols, "anonymous", "", `{"name": "paint", "styles": ["plain"]}`, "0000000000")
	try("POST "+cols, "mixed", "", `{"name": "mixed", "styles": ["plain", "story"]}`, maker)
	try("POST "+cols, "incomplete", "", `{}`, maker)
	try("GET "+cols, "one", "?type=image", "", "")
	try("GET "+cols, "type", "?type=sound", "", "")
	try("GET "+col, "shown", gathered, "", "")
	try("GET "+col, "unknown", "x", "", "")
	try("GET /collection_by_name/{collection_name}", "found", "collection::paint", "", "")
	try("GET /collection_by_name/{collection_name}", "no_style", "plain", "", "")
	try("PATCH "+col, "changed", gathered, `{"public": false}`, stranger)
	try("PATCH "+col, "stranger", gathered, `{"public": true}`, mod)
	try("DELETE "+col, "stranger", gathered, "", maker)
	try("DELETE "+col, "done", gathered, "", mod)
	try("DELETE "+col, "again", gathered, "", mod)
	try("DELETE "+image, "anonymous", style, "", "0000000000")
	try("DELETE "+image, "stranger", style, "", stranger)
	try("DELETE "+image, "done", style, "", mod)
	try("DELETE "+image, "again", style, "", mod)
	try("DELETE "+text, "done", story, "", maker)
}

// made makes a style or a collection and returns its ID.
func (h *house) made(t *testing.T, path, body, key string) string {
	t.Helper()
	got := h.send(t, "POST", "/api/v2"+path, body, "apikey", key)
	id, ok := jsonString(got.body, "id")
	if got.status != http.StatusOK || !ok {
		t.Fatalf("POST %s answers %d %s", path, got.status, got.body)
	}
	return id
}

func TestARequestInAStyle(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	makerID, maker := h.account(t, "maker", horde.RoleTrusted, 0)
	_, asker := h.account(t, "asker", 0, 1000)
	_, owner := h.account(t, "owner", 0, 0)
	style := h.made(t, "/styles/image", `{"name": "oil", "prompt": "{p}, oil###{np}, blurry", "models": ["tiny"],
		"params": {"cfg_scale": 7, "steps": 12, "karras": false, "width": 128, "clip_skip": 2}}`, maker)
	h.made(t, "/styles/text", `{"name": "story", "models": ["llm"]}`, maker)
	h.made(t, "/collections", `{"name": "paint", "styles": ["oil"]}`, asker)

	for name, want := range map[string]string{"never": "StyleNotFound", "story": "BadRequest", "xx::oil": "StyleNotFound"} {
		got := h.send(t, "POST", "/api/v2/generate/async", fmt.Sprintf(`{"prompt": "a", "style": %q}`, name), "apikey", "unknown")
		if e := got.refusal(t); e.RC != want || got.status != map[string]int{"StyleNotFound": 404, "BadRequest": 400}[want] {
			t.Errorf("the style %s gets %d %s, want %s", name, got.status, got.body, want)
		}
	}

	before, _ := h.User(makerID)
	body := `{"prompt": "a cat###dogs", "style": "paint", "models": ["huge"], "params": {"n": 2, "width": 64, "height": 192, "steps": 400,
		"sampler_name": "k_heun", "seed": "5", "control_type": "canny", "tiling": true}, "dry_run": %t}`
	if got := h.send(t, "POST", "/api/v2/generate/async", fmt.Sprintf(body, true), "apikey", asker); got.status != http.StatusOK {
		t.Fatalf("a dry run gets %d %s", got.status, got.body)
	}
	got := h.send(t, "POST", "/api/v2/generate/async", fmt.Sprintf(body, false), "apikey", asker)
	if got.status != http.StatusAccepted {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	o := offer("dreamer", "tiny")
	o.Amount = 2
	job, err := h.client(t, owner).Pop(t.Context(), o, 0)
	if err != nil || len(job.IDs) != 2 {
		t.Fatalf("pop = %+v, %v, want two images", job, err)
	}
	p := job.Payload
	if diff := cmp.Diff([]any{"a cat, oil###dogs, blurry", 12, 128, 192, "k_euler_a", 2}, []any{p.Prompt, p.DDIMSteps, p.Width, p.Height, p.SamplerName, p.ClipSkip}); diff != "" {
		t.Errorf("the worker is told: %s", diff)
	}
	if p.Tiling || p.ControlType != "" {
		t.Errorf("the worker is told what the style replaces: %+v", p)
	}
	for i, job1 := range job.IDs {
		if err := deliver(t.Context(), h.client(t, owner), job, i, job1, picture(t, 64)); err != nil {
			t.Fatal(err)
		}
	}
	after, _ := h.User(makerID)
	if thanks := after.Balance - before.Balance; thanks != kudos.StyleFee {
		t.Errorf("the maker of the style was thanked with %s, want %s", thanks, kudos.StyleFee)
	}

	var shown wire.ImageStyle
	if err := json.Unmarshal(h.send(t, "GET", "/api/v2/styles/image/"+style, "").body, &shown); err != nil || shown.UseCount != 1 {
		t.Errorf("the style was used %d times, %v, want once", shown.UseCount, err)
	}
	var col wire.Collection
	if err := json.Unmarshal(h.send(t, "GET", "/api/v2/collection_by_name/paint", "").body, &col); err != nil || col.UseCount != 1 {
		t.Errorf("the collection was used %d times, %v, want once", col.UseCount, err)
	}
	var account wire.User
	if err := json.Unmarshal(h.send(t, "GET", fmt.Sprintf("/api/v2/users/%d", makerID), "").body, &account); err != nil {
		t.Fatal(err)
	}
	if account.KudosDetails.Styled != 2 || account.Records.Style.Image != 1 {
		t.Errorf("the maker's account shows %v styled for %d", account.KudosDetails.Styled, account.Records.Style.Image)
	}
}

func TestAnAccountShowsItsStyles(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	id, maker := h.account(t, "maker", horde.RoleCustomizer, 0)
	_, mod := h.account(t, "moderator", horde.RoleModerator|horde.RoleTrusted, 0)
	h.made(t, "/styles/image", `{"name": "oil", "models": ["tiny"]}`, maker)
	h.made(t, "/styles/text", `{"name": "hidden", "models": ["llm"], "public": false}`, maker)
	for key, want := range map[string][]string{"": {"image oil"}, maker: {"image oil", "text hidden"}, mod: {"image oil", "text hidden"}} {
		var head []string
		if key != "" {
			head = []string{"apikey", key}
		}
		var u wire.User
		if err := json.Unmarshal(h.send(t, "GET", fmt.Sprintf("/api/v2/users/%d", id), "", head...).body, &u); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range u.Styles {
			got = append(got, s.Type+" "+strings.TrimPrefix(s.Name, u.Username+"::style::"))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q sees %s", key, diff)
		}
	}
}

func TestStylesAreRefusedAsTheContractSays(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, maker := h.account(t, "maker", horde.RoleTrusted, 0)
	_, plain := h.account(t, "plain", 0, 0)
	_, gone := h.account(t, "gone", horde.RoleTrusted|horde.RoleDeleted, 0)
	_, mod := h.account(t, "moderator", horde.RoleModerator|horde.RoleTrusted, 0)
	style := h.made(t, "/styles/image", `{"name": "oil", "models": ["tiny"]}`, maker)
	story := h.made(t, "/styles/text", `{"name": "story", "models": ["llm"]}`, maker)
	col := h.made(t, "/collections", `{"name": "all", "styles": ["oil"]}`, maker)
	example := h.made(t, "/styles/image/"+style+"/example", `{"url": "https://x.example/1", "primary": false}`, maker)
	for n := range 3 {
		h.made(t, "/styles/image/"+style+"/example", fmt.Sprintf(`{"url": "https://x.example/%d", "primary": false}`, n+2), maker)
	}
	const nowhere = "00000000-0000-4000-8000-000000000000"
	const good = `{"name": "new", "models": ["tiny"]}`
	image := func(params string) string { return `{"name": "new", "models": ["tiny"], "params": ` + params + `}` }
	text := func(params string) string { return `{"name": "new", "models": ["llm"], "params": ` + params + `}` }
	for _, c := range []struct {
		what, call, body, key string
		status                int
		rc, field             string
	}{
		{"no key", "POST /styles/image", good, "-", 400, "", "apikey"},
		{"a wrong key", "POST /styles/image", good, "wrong", 401, "InvalidAPIKey", ""},
		{"no trust", "POST /styles/image", good, plain, 403, "StylesRequiresCustomizer", ""},
		{"a deleted account", "POST /styles/image", good, gone, 403, "DeletedUser", ""},
		{"no name", "POST /styles/image", `{"models": ["tiny"]}`, maker, 400, "", "name"},
		{"six models and a wrong key", "POST /styles/image", `{"name": "x", "models": ["1","2","3","4","5","6"]}`, "wrong", 400, "BadRequest", ""},
		{"eleven tags", "POST /styles/text", `{"name": "x", "models": ["1"], "tags": ["1","2","3","4","5","6","7","8","9","10","11"]}`, maker, 400, "BadRequest", ""},
		{"a long tag", "POST /styles/text", `{"name": "x", "models": ["1"], "tags": ["abcdefghijklmnopqrstuvwxyz"]}`, maker, 400, "", "tags.0"},
		{"a NUL", "POST /styles/image", `{"name": "a\u0000", "models": ["tiny"]}`, maker, 400, "NulByteInPayload", ""},
		{"no placeholders", "POST /styles/image", `{"name": "new", "models": ["tiny"], "prompt": "{p} alone"}`, maker, 400, "BadRequest", ""},
		{"an unknown shared key", "POST /styles/image", `{"name": "new", "models": ["tiny"], "sharedkey": "` + nowhere + `"}`, maker, 400, "BadRequest", ""},
		{"three decimals", "POST /styles/image", image(`{"cfg_scale": 7.125}`), maker, 400, "BadCFGDecimals", ""},
		{"six LoRAs", "POST /styles/image", image(`{"loras": [{"name":"a"},{"name":"a"},{"name":"a"},{"name":"a"},{"name":"a"},{"name":"a"}]}`), maker, 400, "TooManyLoras", ""},
		{"a LoRA version", "POST /styles/image", image(`{"loras": [{"name": "a", "is_version": true}]}`), maker, 400, "BadLoraVersion", ""},
		{"two upscalers", "POST /styles/image", image(`{"post_processing": ["NMKD_Siax", "4x_AnimeSharp"]}`), maker, 400, "TooManyUpscalers", ""},
		{"a post-processor as model", "POST /styles/image", `{"name": "new", "models": ["GFPGAN"]}`, maker, 400, "UnexpectedModelName", ""},
		{"a special payload", "POST /styles/image", image(`{"special": {"a": 1}}`), maker, 400, "BadRequest", ""},
		{"501 steps", "PATCH /styles/image/" + style, `{"params": {"steps": 501}}`, maker, 400, "", "params.steps"},
		{"a short order", "POST /styles/text", text(`{"sampler_order": [1, 2]}`), maker, 400, "MissingFullSamplerOrder", ""},
		{"a long stop", "POST /styles/text", text(`{"stop_sequence": ["` + strings.Repeat("a", 2001) + `"]}`), maker, 400, "ExcessiveStopSequence", ""},
		{"no object", "POST /styles/text", `[]`, maker, 400, "", ""},
		{"a page that is no number", "GET /styles/text?page=x", "", "-", 400, "", "page"},
		{"an order that is none", "GET /styles/text?sort=x", "", "-", 400, "BadRequest", ""},
		{"a wrong key", "PATCH /styles/image/" + style, `{}`, "wrong", 401, "InvalidAPIKey", ""},
		{"somebody else's", "PATCH /styles/image/" + style, `{}`, plain, 403, "Forbidden", ""},
		{"a moderator", "PATCH /styles/image/" + style, `{}`, mod, 403, "Forbidden", ""},
		{"an unknown style", "PATCH /styles/image/" + nowhere, `{}`, maker, 404, "StyleNotFound", ""},
		{"no models left", "PATCH /styles/image/" + style, `{"models": []}`, maker, 400, "BadRequest", ""},
		{"the other kind", "PATCH /styles/image/" + story, `{}`, maker, 400, "BadRequest", ""},
		{"the other kind", "DELETE /styles/image/" + story, "", maker, 400, "BadRequest", ""},
		{"the other kind", "GET /styles/text/" + style, "", "-", 400, "BadRequest", ""},
		{"the other kind by name", "GET /styles/text_by_name/oil", "", "-", 400, "BadRequest", ""},
		{"everybody", "DELETE /styles/image/x", "", "0000000000", 403, "StylesAnonForbidden", ""},
		{"no key", "DELETE /styles/image/" + style, "", "-", 400, "", "apikey"},
		{"an unknown style", "DELETE /styles/text/" + nowhere, "", maker, 404, "StyleNotFound", ""},
		{"somebody else's", "DELETE /styles/text/" + story, "", plain, 403, "Forbidden", ""},
		{"an example over plain http and a wrong key", "POST /styles/image/" + style + "/example", `{"url": "http://x.example", "primary": true}`, "wrong", 400, "BadRequest", ""},
		{"an example without primary", "POST /styles/image/" + style + "/example", `{"url": "https://x.example"}`, maker, 400, "", "primary"},
		{"a wrong key", "POST /styles/image/" + style + "/example", `{"url": "https://x.example", "primary": true}`, "wrong", 401, "InvalidAPIKey", ""},
		{"an unknown style", "POST /styles/image/x/example", `{"url": "https://x.example", "primary": true}`, maker, 404, "StyleNotFound", ""},
		{"a text style", "POST /styles/image/" + story + "/example", `{"url": "https://x.example", "primary": true}`, maker, 400, "BadRequest", ""},
		{"somebody else's", "POST /styles/image/" + style + "/example", `{"url": "https://x.example", "primary": true}`, plain, 403, "Forbidden", ""},
		{"an address twice", "POST /styles/image/" + style + "/example", `{"url": "https://x.example/1", "primary": true}`, maker, 400, "BadRequest", ""},
		{"a fifth example", "POST /styles/image/" + style + "/example", `{"url": "https://x.example/5", "primary": true}`, maker, 403, "Forbidden", ""},
		{"the last primary", "PATCH /styles/image/" + style + "/example/" + example, `{"primary": false}`, maker, 400, "BadRequest", ""},
		{"an unknown example", "PATCH /styles/image/" + style + "/example/" + nowhere, `{}`, maker, 404, "Style exampleNotFound", ""},
		{"somebody else's", "PATCH /styles/image/" + style + "/example/" + example, `{}`, plain, 403, "Forbidden", ""},
		{"a malformed example", "DELETE /styles/image/" + style + "/example/x", "", maker, 404, "Style exampleNotFound", ""},
		{"an unknown style", "DELETE /styles/image/" + nowhere + "/example/" + example, "", maker, 404, "StyleNotFound", ""},
		{"somebody else's", "DELETE /styles/image/" + style + "/example/" + example, "", plain, 403, "Forbidden", ""},
		{"no key", "POST /collections", `{"name": "x"}`, "-", 400, "", "apikey"},
		{"no styles", "POST /collections", `{"name": "x"}`, maker, 400, "", "styles"},
		{"an empty list", "POST /collections", `{"name": "x", "styles": []}`, maker, 400, "BadRequest", ""},
		{"an unknown style", "POST /collections", `{"name": "x", "styles": ["y"]}`, maker, 400, "BadRequest", ""},
		{"mixed kinds", "POST /collections", `{"name": "x", "styles": ["oil", "` + story + `"]}`, maker, 400, "BadRequest", ""},
		{"a taken name", "POST /collections", `{"name": "all", "styles": ["oil"]}`, maker, 400, "BadRequest", ""},
		{"a wrong key", "POST /collections", `{"name": "x", "styles": ["oil"]}`, "wrong", 401, "InvalidAPIKey", ""},
		{"a deleted account", "POST /collections", `{"name": "x", "styles": ["oil"]}`, gone, 403, "DeletedUser", ""},
		{"everybody", "POST /collections", `{"name": "x", "styles": ["oil"]}`, "0000000000", 403, "StylesAnonForbidden", ""},
		{"a type that is none", "GET /collections?type=x", "", "-", 400, "BadRequest", ""},
		{"an order that is none", "GET /collections?sort=x", "", "-", 400, "BadRequest", ""},
		{"somebody else's", "PATCH /collections/" + col, `{}`, mod, 403, "Forbidden", ""},
		{"mixed kinds", "PATCH /collections/" + col, `{"styles": ["oil", "story"]}`, maker, 400, "BadRequest", ""},
		{"an unknown collection", "PATCH /collections/" + nowhere, `{}`, maker, 404, "CollectionNotFound", ""},
		{"a wrong key", "DELETE /collections/" + col, "", "wrong", 401, "InvalidAPIKey", ""},
		{"an unknown collection", "DELETE /collections/" + nowhere, "", maker, 404, "CollectionNotFound", ""},
		{"somebody else's", "DELETE /collections/" + col, "", plain, 403, "Forbidden", ""},
		{"an unknown collection", "GET /collections/" + style, "", "-", 404, "CollectionNotFound", ""},
	} {
		method, path, _ := strings.Cut(c.call, " ")
		head := []string{"apikey", c.key}
		if c.key == "-" {
			head = nil
		}
		got := h.send(t, method, "/api/v2"+path, c.body, head...)
		e := got.refusal(t)
		if got.status != c.status || e.RC != c.rc {
			t.Errorf("%s: %s: got %d %s, want %d with %q", c.call, c.what, got.status, got.body, c.status, c.rc)
		}
		if _, there := e.Errors[c.field]; c.field != "" && !there {
			t.Errorf("%s: %s: got %s, want a violation at %q", c.call, c.what, got.body, c.field)
		}
	}
}

func TestStylesHaveTheirOwnRateLimits(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC))
	h := build(t, plan{clock: fake, options: apiv2.Options{RateLimits: true}})
	for path, want := range map[string]int{"/styles/image/x": 20, "/styles/text": 20, "/styles/image": 40, "/collections": 40, "/styles/text/x": 40} {
		served := 0
		for range 40 {
			if h.send(t, "GET", "/api/v2"+path, "").status != http.StatusTooManyRequests {
				served++
			}
			fake.Advance(time.Second)
		}
		if served != want {
			t.Errorf("of 40 calls of %s in 40 s %d were served, want %d", path, served, want)
		}
	}
}
