// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"strings"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2/apitest"
	"stablemate/horde/engine"
)

const (
	generate = "POST /v2/generate/async"
	check    = "GET /v2/generate/check/{id}"
	status   = "GET /v2/generate/status/{id}"
	cancel   = "DELETE /v2/generate/status/{id}"
)

// tiny is a request that any worker of these tests can do.
const tiny = `{"prompt": "a cat ### a dog", "models": ["tiny"], "params": {"width": 64, "height": 64, "steps": 4, "seed": "42"}}`

// everything is a request with most of what one can hold.
const everything = `{"prompt": "a cät ### bad", "models": ["tiny"], "nsfw": false, "censor_nsfw": true, "r2": true, "shared": false,
	"trusted_workers": false, "slow_workers": true, "extra_slow_workers": false, "workers": [], "worker_blacklist": false,
	"replacement_filter": true, "disable_batching": false, "allow_downgrade": true,
	"params": {"sampler_name": "k_euler", "cfg_scale": 7.25, "width": 64, "height": 128, "steps": 20, "n": 2, "seed": "12351",
	"seed_variation": 3, "karras": false, "tiling": false, "hires_fix": true, "clip_skip": 2, "transparent": false,
	"hires_fix_denoising_strength": 0.5, "facefixer_strength": 0.75, "post_processing": ["GFPGAN", "RealESRGAN_x2plus"],
	"loras": [{"name": "x", "model": 0.5, "clip": 1, "inject_trigger": "any", "is_version": false}], "tis": [{"name": "y", "inject_ti": "prompt", "strength": 1}]}}`

// queued leaves a request of the asker as $request.
func queued(body string) func(*stage) {
	return func(s *stage) { s.do("asker", generate, body, "request=id") }
}

// raw is a call of a setup by an operation of the rules.
func raw[R any](s *stage, op horde.Op[R]) R {
	s.t.Helper()
	out, err := engine.Do(s.t.Context(), s.Engine, op)
	if err != nil {
		s.t.Fatalf("setup: %T: %v", op, err)
	}
	return out
}

// modes switches modes of the whole horde.
func modes(m horde.Modes) func(*stage) {
	return func(s *stage) { raw(s, horde.SetModes{Modes: m}) }
}

// picture leaves base64 of some bytes, which are an image or not, as a $name.
func picture(name string, data func() []byte) func(*stage) {
	return func(s *stage) { s.vars[name] = apitest.Base64(data()) }
}

// claims is a PNG that claims a size and holds nothing more.
func claims(side uint32) []byte {
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

func enormous() []byte { return claims(50_000) }
func broken() []byte   { return claims(64) }

func imageRows() []row {
	six := strings.TrimSuffix(strings.Repeat(`{"name": "x"},`, 6), ",")
	many := strings.TrimSuffix(strings.Repeat(`{"name": "x"},`, 21), ",")
	out := []row{
		{op: generate, name: "queued", as: "asker", setup: idle("tiny"), body: tiny, want: 202},
		{op: generate, name: "everything", as: "asker", setup: idle("tiny"), body: everything, want: 202},
		{op: generate, name: "anonymous", as: anonymous, setup: idle("tiny"), body: tiny, want: 202},
		{op: generate, name: "no_worker", as: "asker", body: `{"prompt": "a cat", "models": ["unheard of"]}`, want: 202},
		{op: generate, name: "default_model", as: "asker", body: `{"prompt": "a cat"}`, want: 202},
		{op: generate, name: "dry_run", as: "asker", body: `{"prompt": "a cat", "dry_run": true, "params": {"n": 3}}`, want: 200},
		{
			op: generate, name: "source_image", as: "asker", setup: idle("tiny"), want: 202,
			body: `{"prompt": "a cat", "models": ["tiny"], "source_image": "$image", "params": {"denoising_strength": 0.5}}`,
		},
		{
			op: generate, name: "source_mask", as: "asker", setup: idle("tiny"), want: 202,
			body: `{"prompt": "a cat", "models": ["tiny"], "source_image": "$image", "source_mask": "$image", "source_processing": "inpainting"}`,
		},
		{
			op: generate, name: "downgraded", as: anonymous, setup: idle("tiny"), want: 202,
			body: `{"prompt": "a cat", "models": ["tiny"], "allow_downgrade": true, "params": {"width": 3072, "height": 3072, "steps": 100}}`,
		},
		{
			op: generate, name: "targeted", as: "asker", setup: idle("tiny"), want: 202,
			body: `{"prompt": "a cat", "models": ["tiny"], "workers": ["$worker"]}`,
		},
		{op: generate, name: "whole_floats", as: "asker", body: `{"prompt": "a", "params": {"steps": 20.0, "width": 512.0, "n": 1e0, "seed": ""}}`, want: 202},
		{op: generate, name: "unknown_properties", as: "asker", body: `{"prompt": "a", "quiet": null, "params": {"max_content_length": "x"}}`, want: 202},
		{op: generate, name: "masked", as: "asker", setup: idle("tiny"), body: tiny, head: []string{"X-Fields", "{kudos,nothing}"}, want: 202},

		{op: generate, name: "no_key", body: tiny, want: 400, bad: []string{"apikey"}},
		{op: generate, name: "wrong_key", as: wrong, body: tiny, want: 401, rc: "InvalidAPIKey"},
		{op: generate, name: "empty_key", as: empty, body: tiny, want: 401, rc: "InvalidAPIKey"},
		{op: generate, name: "deleted", as: "deleted", body: tiny, want: 403, rc: "DeletedUser"},
		{
			op: generate, name: "invalid", as: "asker", want: 400,
			body: `{"nsfw": "no", "params": {"steps": 501, "width": 63, "height": 100, "n": 1.5, "seed": 7, "loras": [{"model": 6}], "post_processing": ["GFPGAN", "GFPGAN"]}}`,
			bad:  []string{"prompt", "nsfw", "params.steps", "params.width", "params.height", "params.n", "params.seed", "params.loras.0.name", "params.loras.0.model", "params.post_processing"},
		},
		{op: generate, name: "null", as: "asker", body: `{"prompt": "a", "params": null}`, want: 400, bad: []string{"params"}},
		{op: generate, name: "list", as: "asker", body: `[1]`, want: 400, bad: []string{""}},
		{op: generate, name: "truncated", as: "asker", body: `{"prompt": "a c`, want: 400, says: "JSON"},
		{op: generate, name: "not_json", as: "asker", body: `prompt=a`, head: []string{"Content-Type", "application/x-www-form-urlencoded"}, want: 400, says: "JSON"},
		{op: generate, name: "maintenance", as: "asker", setup: modes(horde.Modes{Maintenance: true}), body: tiny, want: 400, rc: "MaintenanceMode"},
		{op: generate, name: "blank", as: "asker", body: `{"prompt": "  ### a dog"}`, want: 400, rc: "MissingPrompt"},
		{op: generate, name: "words", as: "asker", body: `{"prompt": "` + strings.Repeat("a ", 8000) + `"}`, want: 400, rc: "InvalidPromptSize"},
		{op: generate, name: "nul", as: "asker", body: `{"prompt": "a\u0000b"}`, want: 400, rc: "NulByteInPayload"},
		{op: generate, name: "unknown_worker", as: "asker", body: `{"prompt": "a", "workers": ["$nothing"]}`, want: 404, rc: "WorkerNotFound"},
		{op: generate, name: "unknown_style", as: "asker", body: `{"prompt": "a", "style": "$nothing"}`, want: 404, rc: "StyleNotFound"},
		{op: generate, name: "webhook_http", as: "asker", body: `{"prompt": "a", "webhook": "http://example.com/"}`, want: 400, rc: "BadRequest"},
		{op: generate, name: "proxied_account", as: "asker", body: `{"prompt": "a", "proxied_account": "x"}`, want: 400, rc: "OnlyServiceAccountProxy"},
		{op: generate, name: "batching", as: "asker", body: `{"prompt": "a", "disable_batching": true, "params": {"n": 2}}`, want: 400, rc: "RequiresTrust"},
		{op: generate, name: "upfront", as: anonymous, body: `{"prompt": "a", "slow_workers": false, "params": {"steps": 100, "width": 1024, "height": 1024}}`, want: 403, rc: "KudosUpfront"},
		{
			op: generate, name: "too_many", as: "asker", want: 429, rc: "TooManyPrompts",
			setup: then(queued(`{"prompt": "a", "params": {"n": 20}}`)), body: `{"prompt": "a", "params": {"n": 20}}`,
		},
		{op: generate, name: "loras", as: "asker", body: `{"prompt": "a", "params": {"loras": [` + six + `]}}`, want: 400, rc: "TooManyLoras"},
		{op: generate, name: "lora_version", as: "asker", body: `{"prompt": "a", "params": {"loras": [{"name": "x", "is_version": true}]}}`, want: 400, rc: "BadLoraVersion"},
		{op: generate, name: "tis", as: "asker", body: `{"prompt": "a", "params": {"tis": [` + many + `]}}`, want: 400, rc: "TooManyTIs"},
		{op: generate, name: "upscalers", as: "asker", body: `{"prompt": "a", "params": {"post_processing": ["NMKD_Siax", "4x_AnimeSharp"]}}`, want: 400, rc: "TooManyUpscalers"},
		{op: generate, name: "decimals", as: "asker", body: `{"prompt": "a", "params": {"cfg_scale": 7.123}}`, want: 400, rc: "BadCFGDecimals"},
		{op: generate, name: "post_processor_as_model", as: "asker", body: `{"prompt": "a", "models": ["GFPGAN"]}`, want: 400, rc: "UnexpectedModelName"},
		{op: generate, name: "mask_alone", as: "asker", body: `{"prompt": "a", "source_mask": "$image"}`, want: 400, rc: "SourceMaskUnnecessary"},
		{op: generate, name: "control_alone", as: "asker", body: `{"prompt": "a", "params": {"control_type": "canny"}}`, want: 400, rc: "ControlNetSourceMissing"},
		{
			op: generate, name: "control_inpainting", as: "asker", want: 400, rc: "ControlNetInpaintingMismatch",
			body: `{"prompt": "a", "source_image": "$image", "source_processing": "inpainting", "params": {"control_type": "canny"}}`,
		},
		{op: generate, name: "no_image", as: "asker", body: `{"prompt": "a", "source_image": "bm90IGFuIGltYWdl"}`, want: 400, rc: "ImageValidationFailed", says: "Image validation failed"},
		{op: generate, name: "image_size", as: "asker", setup: picture("bad", enormous), body: `{"prompt": "a", "source_image": "$bad"}`, want: 400, rc: "SourceImageResolutionExceeded", says: "Image validation failed"},
		{op: generate, name: "image_broken", as: "asker", setup: picture("bad", broken), body: `{"prompt": "a", "source_image": "$bad"}`, want: 400, rc: "SourceImageUnreadable", says: "Image validation failed"},
		{op: generate, name: "image_address", as: "asker", body: `{"prompt": "a", "source_image": "http://127.0.0.1/x.png"}`, want: 400, rc: "SourceImageUrlInvalid", says: "Image validation failed"},
		{op: generate, name: "inpainting_mask", as: "asker", body: `{"prompt": "a", "source_processing": "inpainting", "source_image": "$image"}`, want: 400, rc: "InpaintingMissingMask"},
		{op: generate, name: "remix", as: "asker", body: `{"prompt": "a", "source_processing": "remix", "source_image": "$image"}`, want: 400, rc: "InvalidRemix"},
		{op: generate, name: "extra_images", as: "asker", body: `{"prompt": "a", "extra_source_images": [{"image": "$image"}]}`, want: 400, rc: "InvalidExtraSourceImages."},
		{op: generate, name: "extra_texts", as: "asker", body: `{"prompt": "a", "params": {"extra_texts": [{"text": "x", "reference": "abc"}]}}`, want: 400, rc: "InvalidExtraTexts."},
		{op: generate, name: "workflow", as: "asker", body: `{"prompt": "a", "params": {"workflow": "qr_code"}}`, want: 400, rc: "MissingExtraTexts."},
	}
	out = append(out, familyRows()...)
	for _, view := range []struct {
		name  string
		setup func(*stage)
	}{
		{"waiting", then(idle("tiny"), queued(tiny))},
		{"unheard", queued(`{"prompt": "a cat", "models": ["unheard of"]}`)},
		{"second", then(idle("tiny"), queued(tiny), queued(tiny))},
		{"processing", then(idle("tiny"), queued(everything), popped)},
		{"partly", then(idle("tiny"), queued(everything), popped, delivered)},
		{"done", then(idle("tiny"), queued(tiny), popped, delivered)},
		{"base64", then(idle("tiny"), queued(strings.Replace(tiny, `"models"`, `"r2": false, "models"`, 1)), popped, delivered)},
		{"restarted", then(idle("tiny"), queued(tiny), popped, failed)},
		{"faulted", then(idle("tiny"), queued(tiny), popped, failed, popped, failed, popped, failed)},
		{"cancelled", then(idle("tiny"), queued(tiny), func(s *stage) { s.do(nobody, "DELETE /v2/generate/status/$request", "") })},
	} {
		out = append(out,
			row{op: check, name: view.name, setup: view.setup, where: []string{"$request"}, want: 200},
			row{op: status, name: view.name, setup: view.setup, where: []string{"$request"}, want: 200},
			row{op: cancel, name: view.name, setup: view.setup, where: []string{"$request"}, want: 200, check: cancelled})
	}
	for _, op := range []string{check, status, cancel} {
		out = append(out,
			row{op: op, name: "unknown", where: []string{"$nothing"}, want: 404, rc: "RequestNotFound"},
			row{op: op, name: "no_id", where: []string{"a/ö"}, want: 404, rc: "RequestNotFound"},
			row{op: op, name: "expired", setup: then(queued(tiny), later(time.Hour), expired), where: []string{"$request"}, want: 404, rc: "RequestNotFound"})
	}
	return append(out,
		row{
			op: status, name: "masked", setup: then(idle("tiny"), queued(tiny), popped, delivered), where: []string{"$request"},
			head: []string{"X-Fields", "done,generations{id,seed}"}, want: 200,
		},
		row{op: status, name: "image_gone", setup: then(idle("tiny"), queued(tiny), popped, delivered, gone), where: []string{"$request"}, want: 200})
}

// expired runs what takes away requests whose time is over.
func expired(s *stage) { raw(s, horde.Expire{}) }

// gone takes a delivered image away, as the sweeping of old ones does.
func gone(s *stage) {
	if err := s.Blobs.Delete(s.t.Context(), s.vars["generation"]+".webp"); err != nil {
		s.t.Fatal(err)
	}
}

// cancelled looks whether a request is really over.
func cancelled(s *stage, _ apitest.Answer) {
	got := s.Send(s.t, "GET", s.text("/api/v2/generate/check/$request"), "")
	var now struct {
		Done    bool
		Waiting int
	}
	if err := json.Unmarshal(got.Body, &now); err != nil || !now.Done && now.Waiting > 0 {
		s.t.Errorf("after its end the request says %s", got.Body)
	}
}
