// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"fmt"
	"strings"
)

// A style of either kind, as the body that makes it.
const (
	pencil = `{"name": "pencil", "info": "made with a pencil", "prompt": "{p}, pencil drawing ### {np}", "params": {"steps": 20, "cfg_scale": 7.5,
		"sampler_name": "k_euler", "width": 512, "loras": [{"name": "x", "model": 0.5}]}, "models": ["tiny"], "tags": ["sketch"], "public": true, "nsfw": false}`
	story = `{"name": "story", "info": "tells a story", "prompt": "Tell: {p}", "params": {"temperature": 0.7, "top_k": 40, "stop_sequence": ["end"]},
		"models": ["writer"], "tags": ["prose"]}`
)

// drawn leaves an image style of the customizer as $style; written leaves a text style as $style.
func drawn(s *stage)   { s.do("customizer", "POST /v2/styles/image", pencil, "style=id") }
func written(s *stage) { s.do("customizer", "POST /v2/styles/text", story, "style=id") }

// shown adds an example to the image style, as $example.
func shown(s *stage) {
	s.do("customizer", "POST /v2/styles/image/$style/example", `{"url": "https://example.com/1.webp", "primary": true}`, "example=id")
}

func styleRows() []row {
	var out []row
	its := []string{"$style"}
	for _, k := range []struct {
		kind, body      string
		make, makeOther func(*stage)
		unknown, other  string
	}{
		{"image", pencil, drawn, written, "Image styleNotFound", "text"},
		{"text", story, written, drawn, "Text styleNotFound", "image"},
	} {
		list, create := "GET /v2/styles/"+k.kind, "POST /v2/styles/"+k.kind
		one, change, remove := "GET /v2/styles/"+k.kind+"/{style_id}", "PATCH /v2/styles/"+k.kind+"/{style_id}", "DELETE /v2/styles/"+k.kind+"/{style_id}"
		named := "GET /v2/styles/" + k.kind + "_by_name/{style_name}"
		out = append(out,
			row{op: list, name: "none", want: 200},
			row{op: list, name: "one", setup: k.make, want: 200},
			row{op: list, name: "by_age", setup: k.make, query: "sort=age&page=0&tag=nothing", want: 200},
			row{op: list, name: "strange_order", query: "sort=x", want: 400, rc: "BadRequest"},
			row{op: list, name: "no_page", query: "page=x", want: 400, bad: []string{"page"}},

			row{op: create, name: "made", as: "customizer", body: k.body, want: 200},
			row{op: create, name: "trusted", as: "trusted", body: k.body, want: 200},
			row{op: create, name: "few_words", as: "trusted", body: `{"name": "plain", "models": ["tiny"]}`, want: 200},
			row{op: create, name: "no_key", body: k.body, want: 400, bad: []string{"apikey"}},
			row{op: create, name: "wrong_key", as: wrong, body: k.body, want: 401, rc: "InvalidAPIKey"},
			row{op: create, name: "ordinary", as: "asker", body: k.body, want: 403, rc: "StylesRequiresCustomizer"},
			row{op: create, name: "deleted", as: "customizer", setup: parted, body: k.body, want: 403, rc: "DeletedUser"},
			row{op: create, name: "no_models", as: "customizer", body: `{"name": "plain"}`, want: 400, rc: "BadRequest"},
			row{op: create, name: "many_models", as: "customizer", body: `{"name": "plain", "models": ["a", "b", "c", "d", "e", "f"]}`, want: 400, rc: "BadRequest"},
			row{op: create, name: "taken", as: "customizer", setup: k.make, body: k.body, want: 400, rc: "BadRequest"},
			row{op: create, name: "no_place", as: "customizer", body: `{"name": "plain", "models": ["tiny"], "prompt": "no place for words"}`, want: 400, rc: "BadRequest"},
			row{op: create, name: "nul", as: "customizer", body: `{"name": "a\u0000b", "models": ["tiny"]}`, want: 400, rc: "NulByteInPayload"},
			row{op: create, name: "somebody_elses_sharedkey", as: "customizer", setup: sharing(`{}`), body: `{"name": "plain", "models": ["tiny"], "sharedkey": "$key"}`, want: 400, rc: "BadRequest"},
			row{op: create, name: "unknown_sharedkey", as: "customizer", body: `{"name": "plain", "models": ["tiny"], "sharedkey": "$nothing"}`, want: 400, rc: "BadRequest"},
			row{
				op: create, name: "invalid", as: "customizer", body: `{"info": "short", "models": "x", "tags": [5], "public": 1}`, want: 400,
				bad: []string{"name", "info", "models", "tags.0", "public"},
			},

			row{op: one, name: "found", setup: k.make, where: its, want: 200},
			row{op: one, name: "unknown", where: []string{"$nothing"}, want: 404, rc: k.unknown},
			row{op: one, name: "no_id", where: []string{"a/b"}, want: 404, rc: k.unknown},
			row{op: one, name: "other_kind", setup: k.makeOther, where: its, want: 400, rc: "BadRequest"},

			row{op: named, name: "found", setup: k.make, where: []string{style(k.kind)}, want: 200},
			row{op: named, name: "full", setup: k.make, where: []string{"$customizer_alias::style::" + style(k.kind)}, want: 200},
			row{op: named, name: "other_kind", setup: k.makeOther, where: []string{style(k.other)}, want: 400, rc: "BadRequest"},
			row{op: named, name: "unknown", where: []string{"a/b::c"}, want: 404, rc: "StyleNotFound"},

			row{op: change, name: "name", setup: k.make, as: "customizer", where: its, body: `{"name": "renamed"}`, want: 200},
			row{op: change, name: "tags", setup: k.make, as: "customizer", where: its, body: `{"name": "renamed", "tags": [], "info": "x", "public": false}`, want: 200},
			row{op: change, name: "no_key", setup: k.make, where: its, body: `{"name": "renamed"}`, want: 400, bad: []string{"apikey"}},
			row{op: change, name: "wrong_key", setup: k.make, as: wrong, where: its, body: `{"name": "renamed"}`, want: 401, rc: "InvalidAPIKey"},
			row{op: change, name: "moderator", setup: k.make, as: "moderator", where: its, body: `{"name": "renamed"}`, want: 403, rc: "Forbidden"},
			row{op: change, name: "no_models", setup: k.make, as: "customizer", where: its, body: `{"models": []}`, want: 400, rc: "BadRequest"},
			row{op: change, name: "unknown", as: "customizer", where: []string{"$nothing"}, body: `{"name": "renamed"}`, want: 404, rc: "StyleNotFound"},

			row{op: remove, name: "owner", setup: k.make, as: "customizer", where: its, want: 200},
			row{op: remove, name: "moderator", setup: k.make, as: "moderator", where: its, want: 200},
			row{op: remove, name: "no_key", setup: k.make, where: its, want: 400, bad: []string{"apikey"}},
			row{op: remove, name: "wrong_key", setup: k.make, as: wrong, where: its, want: 401, rc: "InvalidAPIKey"},
			row{op: remove, name: "anonymous", setup: k.make, as: anonymous, where: its, want: 403, rc: "StylesAnonForbidden"},
			row{op: remove, name: "stranger", setup: k.make, as: "trusted", where: its, want: 403, rc: "Forbidden"},
			row{op: remove, name: "unknown", as: "customizer", where: []string{"$nothing"}, want: 404, rc: "StyleNotFound"})
	}
	for _, c := range []struct{ name, as, body, rc string }{
		{"words", "customizer", `{"name": "plain", "models": ["tiny"], "prompt": "{p} ### {np} ` + strings.Repeat("a ", 8000) + `"}`, "InvalidPromptSize"},
		{"post_processor_as_model", "customizer", `{"name": "plain", "models": ["GFPGAN"]}`, "UnexpectedModelName"},
		{"hires_fix", "customizer", `{"name": "plain", "models": ["Z-Image-Turbo"], "params": {"hires_fix": true}}`, "HiResMismatch"},
		{"special", "customizer", `{"name": "plain", "models": ["horde_special_x::$customizer_alias"]}`, "Forbidden"},
		{"special_of_nobody", "special", `{"name": "plain", "models": ["horde_special_x"]}`, "SpecialMissingUsername"},
		{"special_without", "special", `{"name": "plain", "models": ["horde_special_x::$special_alias"]}`, "SpecialMissingPayload"},
		{"transparent_model", "customizer", `{"name": "plain", "models": ["Qwen-Image_fp8"], "params": {"transparent": true}}`, "InvalidTransparencyModel"},
	} {
		r := row{op: "POST /v2/styles/image", name: c.name, as: c.as, body: c.body, want: 400, rc: c.rc}
		if c.rc == "Forbidden" {
			r.want = 403
		}
		if c.as == "special" {
			r.setup = func(s *stage) { s.do("moderator", "PUT /v2/users/$special", `{"customizer": true}`) }
		}
		out = append(out, r)
	}
	out = append(out, styleParamRows()...)
	return append(out, exampleRows()...)
}

// parted marks the customizer's account as deleted.
func parted(s *stage) { s.do("customizer", "DELETE /v2/users/$customizer", "") }

// style is the name of the style of a kind.
func style(kind string) string {
	if kind == "image" {
		return "pencil"
	}
	return "story"
}

// styleParamRows are the refusals of parameters.
func styleParamRows() []row {
	var out []row
	for _, c := range []struct{ kind, name, params, rc string }{
		{"image", "loras", `"loras": [{"name": "1"}, {"name": "2"}, {"name": "3"}, {"name": "4"}, {"name": "5"}, {"name": "6"}]`, "TooManyLoras"},
		{"image", "lora_version", `"loras": [{"name": "x", "is_version": true}]`, "BadLoraVersion"},
		{"image", "upscalers", `"post_processing": ["NMKD_Siax", "4x_AnimeSharp"]`, "TooManyUpscalers"},
		{"image", "decimals", `"cfg_scale": 7.123`, "BadCFGDecimals"},
		{"image", "tis", `"tis": [` + strings.TrimSuffix(strings.Repeat(`{"name": "x"},`, 21), ",") + `]`, "TooManyTIs"},
		{"text", "sampler_order", `"sampler_order": [1, 2]`, "MissingFullSamplerOrder"},
		{"text", "many_stops", `"stop_sequence": [` + numbered(129) + `]`, "TooManyStopSequences"},
		{"text", "long_stops", `"stop_sequence": ["` + strings.Repeat("x", 2001) + `"]`, "ExcessiveStopSequence"},
	} {
		out = append(out, row{
			op: "POST /v2/styles/" + c.kind, name: c.name, as: "customizer", want: 400, rc: c.rc,
			body: fmt.Sprintf(`{"name": "plain", "models": ["tiny"], "params": {%s}}`, c.params),
		})
	}
	return out
}

func exampleRows() []row {
	const (
		add    = "POST /v2/styles/image/{style_id}/example"
		change = "PATCH /v2/styles/image/{style_id}/example/{example_id}"
		remove = "DELETE /v2/styles/image/{style_id}/example/{example_id}"
		first  = `{"url": "https://example.com/1.webp", "primary": true}`
		second = `{"url": "https://example.com/2.webp", "primary": false}`
	)
	its, both := []string{"$style"}, []string{"$style", "$example"}
	with := then(drawn, shown)
	four := func(s *stage) {
		for i := range 4 {
			s.do("customizer", "POST /v2/styles/image/$style/example", fmt.Sprintf(`{"url": "https://example.com/%d.webp", "primary": false}`, i+10))
		}
	}
	return []row{
		{op: add, name: "first", setup: drawn, as: "customizer", where: its, body: first, want: 200},
		{op: add, name: "second", setup: with, as: "customizer", where: its, body: second, want: 200},
		{op: add, name: "moderator", setup: drawn, as: "moderator", where: its, body: second, want: 200},
		{op: add, name: "no_key", setup: drawn, where: its, body: first, want: 400, bad: []string{"apikey"}},
		{op: add, name: "wrong_key", setup: drawn, as: wrong, where: its, body: first, want: 401, rc: "InvalidAPIKey"},
		{op: add, name: "stranger", setup: drawn, as: "trusted", where: its, body: first, want: 403, rc: "Forbidden"},
		{op: add, name: "five", setup: then(drawn, four), as: "customizer", where: its, body: first, want: 403, rc: "Forbidden"},
		{op: add, name: "again", setup: with, as: "customizer", where: its, body: first, want: 400, rc: "BadRequest"},
		{op: add, name: "http", setup: drawn, as: "customizer", where: its, body: `{"url": "http://example.com/1.webp", "primary": true}`, want: 400, rc: "BadRequest"},
		{op: add, name: "of_text", setup: written, as: "customizer", where: its, body: first, want: 400, rc: "BadRequest"},
		{op: add, name: "unknown", as: "customizer", where: []string{"$nothing"}, body: first, want: 404, rc: "StyleNotFound"},
		{op: add, name: "invalid", as: "customizer", where: []string{"$nothing"}, body: `{}`, want: 400, bad: []string{"url", "primary"}},

		{op: change, name: "url", setup: with, as: "customizer", where: both, body: `{"url": "https://example.com/3.webp"}`, want: 200},
		{op: change, name: "nothing", setup: with, as: "customizer", where: both, body: `{}`, want: 200},
		{op: change, name: "wrong_key", setup: with, as: wrong, where: both, body: first, want: 401, rc: "InvalidAPIKey"},
		{op: change, name: "stranger", setup: with, as: "trusted", where: both, body: second, want: 403, rc: "Forbidden"},
		{op: change, name: "last_primary", setup: with, as: "customizer", where: both, body: `{"primary": false}`, want: 400, rc: "BadRequest"},
		{op: change, name: "unknown_style", as: "customizer", where: []string{"$nothing", "$nothing"}, body: first, want: 404, rc: "StyleNotFound"},
		{op: change, name: "unknown", setup: with, as: "customizer", where: []string{"$style", "a/b"}, body: second, want: 404, rc: "Style exampleNotFound"},

		{op: remove, name: "owner", setup: with, as: "customizer", where: both, want: 200},
		{op: remove, name: "no_key", setup: with, where: both, want: 400, bad: []string{"apikey"}},
		{op: remove, name: "wrong_key", setup: with, as: wrong, where: both, want: 401, rc: "InvalidAPIKey"},
		{op: remove, name: "stranger", setup: with, as: "trusted", where: both, want: 403, rc: "Forbidden"},
		{op: remove, name: "unknown_style", as: "customizer", where: []string{"$nothing", "$nothing"}, want: 404, rc: "StyleNotFound"},
		{op: remove, name: "unknown", setup: with, as: "customizer", where: []string{"$style", "a/b"}, want: 404, rc: "Style exampleNotFound"},
	}
}
