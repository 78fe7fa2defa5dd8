// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2/apitest"
	"stablemate/internal/fetch"
)

// familyRows are the refusals of image requests that look at what models can do, at who asks and from where.
func familyRows() []row {
	raid := modes(horde.Modes{Raid: true})
	bound := func(s *stage) { // a shared key of the customizer that works through a style alone
		s.do("customizer", newKey, `{"name": "for the style"}`, "key=id")
		s.do("customizer", "POST /v2/styles/image", `{"name": "plain", "models": ["tiny"], "sharedkey": "$key"}`, "style=id")
	}
	near := apitest.Plan{}
	near.Options.Fetch = fetch.New(fetch.Options{AllowLoopback: true})
	return []row{
		{op: generate, name: "six_images", as: "trusted", body: `{"prompt": "a", "extra_source_images": [` + images(6) + `]}`, want: 400, rc: "TooManyExtraSourceImages."},
		{op: generate, name: "two_images", as: "asker", body: `{"prompt": " ", "extra_source_images": [` + images(2) + `]}`, want: 400, rc: "MoreThanMinExtraSourceImage."},
		{op: generate, name: "barred", as: "asker", plan: behindProxy(), head: fromAfar, setup: barred, body: tiny, want: 403, rc: "TimeoutIP"},
		{op: generate, name: "unsafe_address", as: "asker", plan: calledFrom(horde.AddressUnsafe), setup: raid, body: tiny, want: 403, rc: "UntrustedUnsafeIP", says: "Only Trusted users are allowed to perform this operation"},
		{op: generate, name: "unsafe_in_peace", as: "asker", plan: calledFrom(horde.AddressUnsafe), body: tiny, want: 202, head: []string{"X-Fields", "{kudos}"}},
		{op: interrogate, name: "unsafe_address", as: "asker", plan: calledFrom(horde.AddressUnsafe), setup: raid, body: oneForm, want: 403, rc: "UntrustedUnsafeIP"},
		{op: generate, name: "placeholder", as: "asker", head: []string{"Client-Agent", "My-Project:v0.0.1:My-Contact"}, body: tiny, want: 403, rc: "BannedClientAgent"},
		{op: generate, name: "corrupt", as: "asker", setup: filters, body: `{"prompt": "a quimp, flarn", "replacement_filter": false}`, want: 400, rc: "CorruptPrompt"},
		{op: generate, name: "rewritten", as: "asker", setup: then(idle("tiny"), filters), body: `{"prompt": "a quimp, flarn", "models": ["tiny"]}`, want: 202},
		{op: generate, name: "shared_key_styles", as: "$key", setup: bound, body: tiny, want: 403, rc: "SharedKeyAssignedStyles"},
		{op: generate, name: "shared_key_in_style", as: "$key", setup: then(idle("tiny"), bound), body: `{"prompt": "a", "style": "$style"}`, want: 202},

		{op: generate, name: "hires_fix", as: "asker", body: `{"prompt": "a", "models": ["Z-Image-Turbo"], "params": {"hires_fix": true}}`, want: 400, rc: "HiResMismatch"},
		{op: generate, name: "transparent_model", as: "asker", body: `{"prompt": "a", "models": ["stable_diffusion_2.1"], "params": {"transparent": true}}`, want: 400, rc: "InvalidTransparencyModel"},
		{op: generate, name: "transparent_extra", as: "asker", body: `{"prompt": "a", "extra_source_images": [{"image": "$image"}], "params": {"transparent": true}}`, want: 400, rc: "InvalidTransparencyImg2Img"},
		{op: generate, name: "transparent_control", as: "asker", body: `{"prompt": "a", "source_image": "$image", "params": {"transparent": true, "control_type": "canny"}}`, want: 400, rc: "InvalidTransparencyCN"},
		{op: generate, name: "workflow_model", as: "asker", body: `{"prompt": "a", "models": ["Qwen-Image_fp8"], "params": {"workflow": "qr_code"}}`, want: 400, rc: "ControlNetMismatch."},
		{op: generate, name: "control_model", as: "asker", body: `{"prompt": "a", "models": ["SDXL 1.0"], "source_image": "$image", "params": {"control_type": "canny"}}`, want: 400, rc: "ControlNetMismatch"},
		{op: generate, name: "control_unsupported", as: "asker", body: `{"prompt": "a", "models": ["pix2pix"], "source_image": "$image", "params": {"control_type": "canny"}}`, want: 400, rc: "ControlNetUnsupported"},
		{op: generate, name: "control_both", as: "asker", body: `{"prompt": "a", "source_image": "$image", "params": {"control_type": "canny", "image_is_control": true, "return_control_map": true}}`, want: 400, rc: "ControlNetInvalidPayload"},
		{op: generate, name: "no_source", as: "asker", body: `{"prompt": "a", "models": ["pix2pix"]}`, want: 400, rc: "SourceImageRequiredForModel"},
		{op: generate, name: "special", as: "asker", body: `{"prompt": "a", "models": ["horde_special_x::$special_alias"]}`, want: 403, rc: "Forbidden"},
		{op: generate, name: "special_of_another", as: "special", body: `{"prompt": "a", "models": ["horde_special_x::$asker_alias"]}`, want: 403, rc: "Forbidden"},
		{op: generate, name: "special_of_nobody", as: "special", body: `{"prompt": "a", "models": ["horde_special_x"]}`, want: 400, rc: "SpecialMissingUsername"},
		{op: generate, name: "special_without", as: "special", body: `{"prompt": "a", "models": ["horde_special_x::$special_alias"]}`, want: 400, rc: "SpecialMissingPayload"},
		{op: generate, name: "special_with", as: "special", body: `{"prompt": "a", "models": ["horde_special_x::$special_alias"], "params": {"special": {"any": 1}}}`, want: 202},
		{op: generate, name: "image_bytes", as: "asker", plan: near, setup: long, body: `{"prompt": "a", "source_image": "$long"}`, want: 400, rc: "SourceImageSizeExceeded", says: "Image validation failed"},

		{op: check, name: "barred", plan: behindProxy(), head: fromAfar, setup: barred, where: []string{"$nothing"}, want: 403, rc: "Forbidden"},
		{op: check, name: "barred_with_a_name", plan: behindProxy(), head: append([]string{"Client-Agent", "mine:1:me"}, fromAfar...), setup: barred, where: []string{"$nothing"}, want: 404, rc: "RequestNotFound"},
	}
}

// long leaves the address of more bytes than are taken as $long.
func long(s *stage) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, fetch.MaxBytes+1))
	}))
	s.t.Cleanup(server.Close)
	s.vars["long"] = server.URL + "/long.png"
}

// primRows are the refusals of words in a horde that takes one amiss.
func primRows() []row {
	its, worker, asker := []string{"$team"}, []string{"$worker"}, []string{"$asker"}
	var out []row
	for _, r := range []row{
		{op: newTeam, name: "profane_name", as: "trusted", body: `{"name": "the quimps"}`, rc: "ProfaneTeamName"},
		{op: newTeam, name: "profane_info", as: "trusted", body: `{"name": "dream team", "info": "we quimp"}`, rc: "ProfaneTeamInfo"},
		{op: changeTeam, name: "profane_name", as: "trusted", setup: founded, where: its, body: `{"name": "the quimps"}`, rc: "ProfaneTeamName"},
		{op: changeTeam, name: "profane_info", as: "trusted", setup: founded, where: its, body: `{"info": "we quimp"}`, rc: "ProfaneTeamInfo"},
		{op: changeWorker, name: "profane_name", as: "owner", setup: idle("tiny"), where: worker, body: `{"name": "the quimp"}`, rc: "ProfaneWorkerName"},
		{op: changeWorker, name: "profane_info", as: "owner", setup: idle("tiny"), where: worker, body: `{"info": "we quimp"}`, rc: "ProfaneWorkerInfo"},
		{op: changeUser, name: "profane_name", as: "asker", where: asker, body: `{"username": "the quimp"}`, rc: "ProfaneUserName"},
		{op: changeUser, name: "profane_contact", as: "asker", where: asker, body: `{"contact": "quimp@example.org"}`, rc: "ProfaneUserContact"},
		{op: changeUser, name: "profane_comment", as: "moderator", where: asker, body: `{"admin_comment": "a quimp"}`, rc: "ProfaneAdminComment"},
	} {
		r.plan, r.want = prim(), 400
		out = append(out, r)
	}
	return out
}

// sharedTextRows are texts that somebody else pays for, or that a service asks for.
func sharedTextRows() []row {
	friends := sharing(`{"name": "friends", "kudos": 100, "expiry": 2, "max_text_tokens": 80}`)
	empty := then(friends, func(s *stage) { s.do("asker", "PATCH /v2/sharedkeys/$key", `{"kudos": 0}`) })
	fabled := func(s *stage) { // a shared key of the customizer that pays for texts in a style
		s.t.Helper()
		s.do("customizer", newKey, `{"name": "for the style"}`, "key=id")
		s.do("customizer", "POST /v2/styles/text", `{"name": "fable", "models": ["koboldcpp/tale-7B"], "prompt": "A fable: {p}", "sharedkey": "$key"}`)
	}
	return []row{
		{op: generateText, name: "shared_key", as: "$key", setup: then(scribe, friends), body: short, want: 202},
		{op: generateText, name: "shared_key_downgraded", as: "$key", setup: then(scribe, empty), body: `{"prompt": "Once", "allow_downgrade": true}`, want: 202},
		{op: generateText, name: "shared_key_empty", as: "$key", setup: empty, body: short, want: 403, rc: "SharedKeyEmpty"},
		{op: generateText, name: "shared_key_expired", as: "$key", setup: then(friends, later(48*time.Hour)), body: short, want: 403, rc: "SharedKeyExpired"},
		{op: generateText, name: "shared_key_short", as: "$key", setup: sharing(`{"kudos": 1}`), body: short, want: 403, rc: "SharedKeyInsufficientKudos"},
		{op: generateText, name: "shared_key_limit", as: "$key", setup: friends, body: `{"prompt": "Once", "params": {"max_length": 81}}`, want: 400, rc: "BadRequest"},
		{op: generateText, name: "shared_key_styles", as: "$key", body: short, want: 403, rc: "SharedKeyAssignedStyles", setup: func(s *stage) {
			s.do("customizer", newKey, `{"name": "for the style"}`, "key=id")
			s.do("customizer", "POST /v2/styles/image", `{"name": "plain", "models": ["tiny"], "sharedkey": "$key"}`)
		}},
		{op: generateText, name: "shared_key_in_style", as: "asker", setup: then(scribe, fabled), body: `{"prompt": "Once", "style": "fable"}`, want: 202, check: func(s *stage, _ apitest.Answer) {
			s.t.Helper()
			if got := s.do("customizer", "GET /v2/sharedkeys/$key", ""); got["utilized"] != json.Number("1") {
				s.t.Errorf("the style's key paid %v, want the activation", got["utilized"])
			}
		}},
		{op: generateText, name: "shared_key_of_style", as: "$key", setup: fabled, body: short, want: 403, rc: "SharedKeyAssignedStyles"},
		{op: generateText, name: "proxied", as: "service", setup: scribe, body: `{"prompt": "Once", "proxied_account": "somebody"}`, want: 202},
		{op: generateText, name: "proxied_too_many", as: "service", body: `{"prompt": "Once", "proxied_account": "somebody", "params": {"n": 20}}`, want: 429, rc: "TooManyPrompts", setup: func(s *stage) {
			for range horde.ProxiedConcurrency / 20 {
				s.do("service", generateText, `{"prompt": "Once", "proxied_account": "somebody", "params": {"n": 20}}`)
			}
		}},
	}
}
