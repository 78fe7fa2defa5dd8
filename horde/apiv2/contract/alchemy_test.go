// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"strings"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2/apitest"
)

const (
	interrogate   = "POST /v2/interrogate/async"
	alchemyStatus = "GET /v2/interrogate/status/{id}"
	cancelAlchemy = "DELETE /v2/interrogate/status/{id}"
	popForms      = "POST /v2/interrogate/pop"
	submitForm    = "POST /v2/interrogate/submit"
)

// looks is the body of a pop by an alchemist of the owner.
const looks = `{"name": "alchemist ö", "forms": ["caption", "nsfw", "GFPGAN", "interrogation"], "amount": 1, "threads": 2, "max_tiles": 64,
	"bridge_agent": "AI Horde Worker:24:x", "priority_usernames": []}`

// twoForms asks for a caption and better faces.
const twoForms = `{"source_image": "$image", "forms": [{"name": "caption"}, {"name": "GFPGAN", "payload": {"strength": "1"}}, {"name": "caption"}]}`

// oneForm asks for one thing about an image somewhere else.
const oneForm = `{"source_image": "https://example.com/a.png", "forms": [{"name": "caption"}]}`

// alchemist lets the owner's alchemist check in while there is nothing to do, and keeps its ID as $worker.
func alchemist(s *stage) {
	s.t.Helper()
	s.do("owner", popForms, looks)
	w, ok := s.WorkerByName("alchemist ö")
	if !ok {
		s.t.Fatal("setup: the alchemist is not there")
	}
	s.vars["worker"] = w.ID.String()
}

// brought asks for forms as $request.
func brought(body string) func(*stage) {
	return func(s *stage) { s.do("asker", interrogate, body, "request=id") }
}

// looking hands the next form to the owner's alchemist, as $form.
func looking(s *stage) {
	s.t.Helper()
	got := s.do("owner", popForms, looks)
	forms, _ := got["forms"].([]any)
	if len(forms) != 1 {
		s.t.Fatalf("setup: popped %v", got)
	}
	form, _ := forms[0].(map[string]any)
	id, _ := form["id"].(string)
	s.vars["form"] = id
}

// captioned brings a caption.
func captioned(s *stage) {
	s.do("owner", submitForm, `{"id": "$form", "result": {"caption": "a gradient & <more>"}}`)
}

// unseen gives the form up.
func unseen(s *stage) { s.do("owner", submitForm, `{"id": "$form", "result": {}, "state": "faulted"}`) }

// improved uploads an image for the form.
func improved(s *stage) {
	if err := s.Blobs.PutBytes(s.t.Context(), s.vars["form"]+".webp", apitest.Picture(s.t, 64)); err != nil {
		s.t.Fatal(err)
	}
}

func alchemyRows() []row {
	crowded := func(s *stage) {
		s.t.Helper()
		all := strings.TrimSuffix(strings.Repeat(`{"name": "caption"},{"name": "nsfw"},{"name": "interrogation"},{"name": "GFPGAN"},{"name": "palette"},`, 1), ",")
		for range horde.MaxFormsPerOrigin / 5 {
			s.do("asker", interrogate, `{"source_image": "https://example.com/a.png", "forms": [`+all+`]}`)
		}
	}
	out := []row{
		{op: interrogate, name: "queued", as: "asker", setup: alchemist, body: twoForms, want: 202},
		{op: interrogate, name: "address", as: "asker", body: oneForm, want: 202},
		{op: interrogate, name: "anonymous", as: anonymous, body: oneForm, want: 202},
		{op: interrogate, name: "hurried", as: "asker", body: `{"source_image": "$image", "forms": [{"name": "nsfw"}], "slow_workers": false, "trusted_workers": true}`, want: 202},
		{op: interrogate, name: "no_key", body: oneForm, want: 400, bad: []string{"apikey"}},
		{op: interrogate, name: "wrong_key", as: wrong, body: oneForm, want: 401, rc: "InvalidAPIKey"},
		{op: interrogate, name: "invalid", as: "asker", body: `{"forms": [{"name": "gold"}, {}]}`, want: 400, bad: []string{"source_image", "forms.0.name", "forms.1.name"}},
		{op: interrogate, name: "payload", as: "asker", body: `{"source_image": "https://example.com/a.png", "forms": [{"name": "nsfw", "payload": {"a": 1}}]}`, want: 400, bad: []string{"forms.0.payload"}},
		{op: interrogate, name: "maintenance", as: "asker", setup: modes(horde.Modes{Maintenance: true}), body: oneForm, want: 400, rc: "MaintenanceMode"},
		{op: interrogate, name: "webhook_http", as: "asker", body: `{"source_image": "https://example.com/a.png", "forms": [{"name": "nsfw"}], "webhook": "http://example.com/"}`, want: 400, rc: "BadRequest"},
		{op: interrogate, name: "no_forms", as: "asker", body: `{"source_image": "https://example.com/a.png"}`, want: 400, rc: "BadRequest"},
		{op: interrogate, name: "too_many", as: "asker", setup: crowded, body: oneForm, want: 429, rc: "TooManyPrompts"},
		{op: interrogate, name: "no_image", as: "asker", body: `{"source_image": "bm90IGFuIGltYWdl", "forms": [{"name": "nsfw"}]}`, want: 400, rc: "ImageValidationFailed", says: "Image validation failed"},
		{op: interrogate, name: "image_size", as: "asker", setup: picture("bad", enormous), body: `{"source_image": "$bad", "forms": [{"name": "nsfw"}]}`, want: 400, rc: "SourceImageResolutionExceeded", says: "Image validation failed"},
		{op: interrogate, name: "image_broken", as: "asker", setup: picture("bad", broken), body: `{"source_image": "$bad", "forms": [{"name": "nsfw"}]}`, want: 400, rc: "SourceImageUnreadable", says: "Image validation failed"},
		{op: interrogate, name: "image_address", as: "asker", body: `{"source_image": "http://127.0.0.1/x.png", "forms": [{"name": "nsfw"}]}`, want: 400, rc: "SourceImageUrlInvalid", says: "Image validation failed"},
	}
	for _, view := range []struct {
		name  string
		setup func(*stage)
	}{
		{"waiting", then(alchemist, brought(twoForms))},
		{"processing", then(alchemist, brought(twoForms), looking)},
		{"partly", then(alchemist, brought(twoForms), looking, captioned)},
		{"done", then(alchemist, brought(twoForms), looking, captioned, looking, improved, func(s *stage) {
			s.do("owner", submitForm, `{"id": "$form", "result": {"GFPGAN": "R2"}}`)
		})},
		{"remembered", then(alchemist, brought(oneForm), looking, captioned, brought(oneForm))},
		{"again", then(alchemist, brought(twoForms), looking, unseen)},
		{"faulted", then(alchemist, brought(oneForm), looking, unseen, looking, unseen, looking, unseen, looking, unseen)},
		{"cancelled", then(alchemist, brought(twoForms), looking, func(s *stage) { s.do(nobody, "DELETE /v2/interrogate/status/$request", "") })},
	} {
		out = append(out,
			row{op: alchemyStatus, name: view.name, setup: view.setup, where: []string{"$request"}, want: 200},
			row{op: cancelAlchemy, name: view.name, setup: view.setup, where: []string{"$request"}, want: 200})
	}
	for _, op := range []string{alchemyStatus, cancelAlchemy} {
		out = append(out,
			row{op: op, name: "unknown", where: []string{"$nothing"}, want: 404, rc: "RequestNotFound"},
			row{op: op, name: "no_id", where: []string{"a/ö"}, want: 404, rc: "RequestNotFound"},
			row{op: op, name: "an_image", setup: queued(tiny), where: []string{"$request"}, want: 404, rc: "RequestNotFound"},
			row{op: op, name: "expired", setup: then(brought(oneForm), later(time.Hour), expired), where: []string{"$request"}, want: 404, rc: "RequestNotFound"})
	}
	return out
}

func alchemistRows() []row {
	const result = `{"id": "$form", "result": {"caption": "a gradient"}, "state": "ok"}`
	at := then(alchemist, brought(oneForm), looking)
	return append([]row{
		{op: popForms, name: "idle", as: "owner", body: looks, want: 200},
		{op: popForms, name: "job", as: "owner", setup: then(alchemist, brought(twoForms)), body: strings.Replace(looks, `"amount": 1`, `"amount": 5`, 1), want: 200},
		{op: popForms, name: "address", as: "owner", setup: then(alchemist, brought(oneForm)), body: looks, want: 200},
		{op: popForms, name: "untrusted", as: "owner", setup: then(alchemist, brought(strings.Replace(oneForm, "{", `{"trusted_workers": true, `, 1))), body: looks, want: 200},
		{op: popForms, name: "few_words", as: "owner", body: `{"name": "alchemist 2"}`, want: 200},
		{op: popForms, name: "invalid", as: "owner", body: `{"threads": 101, "max_tiles": 0, "forms": ["gold"]}`, want: 400, bad: []string{"name", "threads", "max_tiles", "forms.0"}},

		{op: submitForm, name: "ok", as: "owner", setup: at, body: result, want: 200},
		{
			op: submitForm, name: "uploaded", as: "owner", want: 200, body: `{"id": "$form", "result": {"GFPGAN": "R2"}}`,
			setup: then(alchemist, brought(`{"source_image": "$image", "forms": [{"name": "GFPGAN"}]}`), looking, improved),
		},
		{op: submitForm, name: "bare_text", as: "owner", setup: at, body: `{"id": "$form", "result": "a gradient"}`, loose: true, want: 200},
		{op: submitForm, name: "faulted", as: "owner", setup: at, body: `{"id": "$form", "result": {}, "state": "faulted"}`, want: 200},
		{
			op: submitForm, name: "in_maintenance", as: "owner", body: result, want: 200,
			setup: then(at, captioned, func(s *stage) { s.do("owner", "PUT /v2/workers/$worker", `{"maintenance": true}`) }),
		},
		{op: submitForm, name: "no_key", body: `{"id": "$nothing", "result": {}}`, want: 400, bad: []string{"apikey"}},
		{op: submitForm, name: "no_form", as: "owner", body: `{"result": {}}`, want: 400, bad: []string{"id"}},
		{op: submitForm, name: "no_result", as: "owner", body: `{"id": "$nothing"}`, want: 400, bad: []string{"result"}},
		{op: submitForm, name: "wrong_key", as: wrong, setup: at, body: result, want: 401, rc: "InvalidAPIKey"},
		{op: submitForm, name: "unknown", as: "owner", body: `{"id": "$nothing", "result": {}}`, want: 404, rc: "InvalidJobID", says: "does not exist"},
		{op: submitForm, name: "no_id", as: "owner", body: `{"id": "x", "result": {}}`, want: 404, rc: "InvalidJobID"},
		{op: submitForm, name: "stranger", as: "stranger", setup: at, body: result, want: 403, rc: "WrongCredentials"},
		{op: submitForm, name: "again", as: "owner", setup: then(at, captioned), body: result, want: 400, rc: "DuplicateGen"},
		{op: submitForm, name: "nul", as: "owner", setup: at, body: `{"id": "$form", "result": {"caption": "a\u0000"}}`, want: 400, rc: "NulByteInPayload"},
	}, popRefusals(popForms, alchemist, "alchemist ö", `"forms": ["caption"]`)...)
}
