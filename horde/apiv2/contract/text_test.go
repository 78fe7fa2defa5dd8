// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"fmt"
	"strings"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2/apitest"
)

const (
	generateText = "POST /v2/generate/text/async"
	textStatus   = "GET /v2/generate/text/status/{id}"
	cancelText   = "DELETE /v2/generate/text/status/{id}"
	popText      = "POST /v2/generate/text/pop"
	submitText   = "POST /v2/generate/text/submit"

	writer = "koboldcpp/Test-7B"
	kobold = "KoboldCppEmbedWorker:2:https://github.com/LostRuins/koboldcpp"
)

// short is a text request that any scribe of these tests can do.
const short = `{"prompt": "Once upon a time", "models": ["koboldcpp/Test-7B"], "params": {"n": 2, "max_length": 50}}`

// everyText is a text request with most of what one can hold.
const everyText = `{"prompt": "Once ünder", "models": ["koboldcpp/Test-7B"], "trusted_workers": false, "validated_backends": true, "slow_workers": true,
	"extra_slow_workers": false, "workers": [], "worker_blacklist": false, "extra_source_images": [], "disable_batching": false, "allow_downgrade": true,
	"softprompt": "x", "params": {"n": 1, "max_length": 60, "max_context_length": 1024, "rep_pen": 1.1, "rep_pen_range": 256, "rep_pen_slope": 1,
	"temperature": 0.7, "tfs": 1, "top_a": 0, "top_k": 40, "top_p": 0.9, "typical": 1, "min_p": 0.05, "smoothing_factor": 0, "dynatemp_range": 0,
	"dynatemp_exponent": 1, "sampler_order": [6, 0, 1, 2, 3, 4, 5], "stop_sequence": ["\n"], "singleline": false, "use_default_badwordsids": true,
	"frmtadsnsp": false, "frmtrmblln": false, "frmtrmspch": false, "frmttriminc": false}}`

// writes is the body of a pop by a scribe of the owner.
func writes(model string) string {
	return fmt.Sprintf(`{"name": "scribe ö", "models": [%q], "bridge_agent": %q, "max_length": 512, "max_context_length": 4096,
		"priority_usernames": [], "softprompts": []}`, model, kobold)
}

// scribe lets the owner's scribe check in while there is nothing to do, and keeps its ID as $worker.
func scribe(s *stage) {
	s.t.Helper()
	s.do("owner", popText, writes(writer))
	w, ok := s.WorkerByName("scribe ö")
	if !ok {
		s.t.Fatal("setup: the scribe is not there")
	}
	s.vars["worker"] = w.ID.String()
}

// asked asks for a text as $request.
func asked(body string) func(*stage) {
	return func(s *stage) { s.do("asker", generateText, body, "request=id") }
}

// writing hands a text to the owner's scribe, as $generation.
func writing(s *stage) { s.do("owner", popText, writes(writer), "generation=id") }

// wrote brings it.
func wrote(s *stage) {
	s.do("owner", submitText, `{"id": "$generation", "generation": " there was ünïcode"}`)
}

// unwritten gives it up.
func unwritten(s *stage) {
	s.do("owner", submitText, `{"id": "$generation", "generation": "", "state": "faulted"}`)
}

func textRows() []row {
	out := []row{
		{op: generateText, name: "queued", as: "asker", setup: scribe, body: short, want: 202},
		{op: generateText, name: "everything", as: "asker", setup: scribe, body: everyText, want: 202},
		{op: generateText, name: "anonymous", as: anonymous, setup: scribe, body: `{"prompt": "Once"}`, want: 202},
		{op: generateText, name: "no_worker", as: "asker", body: `{"prompt": "Once", "models": ["koboldcpp/Other-7B"]}`, want: 202},
		{op: generateText, name: "dry_run", as: "asker", body: `{"prompt": "Once", "dry_run": true, "params": {"n": 2}, "models": ["never heard of"]}`, want: 200},
		{op: generateText, name: "targeted", as: "asker", setup: scribe, body: `{"prompt": "Once", "workers": ["$worker"]}`, want: 202},
		{op: generateText, name: "long_for_those_who_pay", as: "asker", setup: scribe, body: `{"prompt": "Once", "models": ["koboldcpp/Test-7B"], "params": {"max_length": 1024}}`, want: 202},
		{op: generateText, name: "downgraded", as: anonymous, body: `{"prompt": "Once", "slow_workers": false, "allow_downgrade": true, "params": {"max_length": 1024}}`, want: 202},
		{op: generateText, name: "unknown_properties", as: "asker", body: `{"prompt": "Once", "nsfw": true, "quiet": null, "params": {"max_content_length": "x"}}`, want: 202},
		{op: generateText, name: "masked", as: "asker", body: `{"prompt": "Once"}`, head: []string{"X-Fields", "{id}"}, want: 202},

		{op: generateText, name: "no_key", body: short, want: 400, bad: []string{"apikey"}},
		{op: generateText, name: "wrong_key", as: wrong, body: short, want: 401, rc: "InvalidAPIKey"},
		{op: generateText, name: "deleted", as: "deleted", body: short, want: 403, rc: "DeletedUser"},
		{
			op: generateText, name: "invalid", as: "asker", want: 400, bad: []string{"prompt", "params.n", "params.max_length", "params.temperature", "params.stop_sequence"},
			body: `{"params": {"n": 21, "max_length": 15, "temperature": null, "stop_sequence": "x"}}`,
		},
		{op: generateText, name: "truncated", as: "asker", body: `{"prompt": "On`, want: 400, says: "JSON"},
		{op: generateText, name: "maintenance", as: "asker", setup: modes(horde.Modes{Maintenance: true}), body: short, want: 400, rc: "MaintenanceMode"},
		{op: generateText, name: "unknown_style", as: "asker", body: `{"prompt": "Once", "style": "$nothing"}`, want: 404, rc: "StyleNotFound"},
		{op: generateText, name: "webhook_http", as: "asker", body: `{"prompt": "Once", "webhook": "http://example.com/"}`, want: 400, rc: "BadRequest"},
		{op: generateText, name: "proxied_account", as: "asker", body: `{"prompt": "Once", "proxied_account": "x"}`, want: 400, rc: "OnlyServiceAccountProxy"},
		{op: generateText, name: "six_images", as: "asker", body: `{"prompt": "Once", "extra_source_images": [` + images(6) + `]}`, want: 400, rc: "TooManyExtraSourceImages."},
		{op: generateText, name: "two_images", as: "asker", body: `{"prompt": "Once", "extra_source_images": [` + images(2) + `]}`, want: 400, rc: "MoreThanMinExtraSourceImage."},
		{op: generateText, name: "an_image", as: "asker", body: `{"prompt": "Once", "extra_source_images": [` + images(1) + `]}`, want: 400, rc: "InvalidExtraSourceImages."},
		{op: generateText, name: "blank", as: "asker", body: `{"prompt": ""}`, want: 400, rc: "MissingPrompt"},
		{op: generateText, name: "unknown_worker", as: "asker", body: `{"prompt": "Once", "workers": ["$nothing"]}`, want: 404, rc: "WorkerNotFound"},
		{op: generateText, name: "batching", as: "asker", body: `{"prompt": "Once", "disable_batching": true, "params": {"n": 2}}`, want: 400, rc: "RequiresTrust"},
		{op: generateText, name: "too_many", as: "asker", setup: asked(`{"prompt": "Once", "params": {"n": 20}}`), body: `{"prompt": "Once", "params": {"n": 20}}`, want: 429, rc: "TooManyPrompts"},
		{op: generateText, name: "barred", as: "asker", plan: behindProxy(), head: fromAfar, setup: barred, body: short, want: 403, rc: "TimeoutIP"},
		{op: generateText, name: "corrupt", as: "flagged", setup: filters, body: `{"prompt": "zorp"}`, want: 400, rc: "CorruptPrompt"},
		{op: generateText, name: "upfront", as: anonymous, body: `{"prompt": "Once", "params": {"max_length": 513}, "models": ["big-70B"]}`, want: 403, rc: "KudosUpfront"},
		{op: generateText, name: "nul", as: "asker", body: `{"prompt": "On\u0000ce"}`, want: 400, rc: "NulByteInPayload"},
		{op: generateText, name: "overflow", as: "asker", body: `{"prompt": "Once", "params": {"max_length": 100, "max_context_length": 99}}`, want: 400, rc: "TokenOverflow"},
		{op: generateText, name: "half_an_order", as: "asker", body: `{"prompt": "Once", "params": {"sampler_order": [1]}}`, want: 400, rc: "MissingFullSamplerOrder"},
		{op: generateText, name: "many_stops", as: "asker", body: `{"prompt": "Once", "params": {"stop_sequence": [` + numbered(129) + `]}}`, want: 400, rc: "TooManyStopSequences"},
		{op: generateText, name: "long_stops", as: "asker", body: `{"prompt": "Once", "params": {"stop_sequence": ["` + strings.Repeat("x", 2001) + `"]}}`, want: 400, rc: "ExcessiveStopSequence"},
	}
	for _, view := range []struct {
		name  string
		setup func(*stage)
	}{
		{"waiting", then(scribe, asked(short))},
		{"unheard", asked(`{"prompt": "Once", "models": ["unheard of"]}`)},
		{"processing", then(scribe, asked(short), writing)},
		{"partly", then(scribe, asked(short), writing, wrote)},
		{"done", then(scribe, asked(everyText), writing, wrote)},
		{"withheld", then(scribe, asked(everyText), writing, func(s *stage) {
			s.do("owner", submitText, `{"id": "$generation", "generation": "", "state": "csam", "seed": "7", "gen_metadata": []}`)
		})},
		{"restarted", then(scribe, asked(short), writing, unwritten)},
		{"cancelled", then(scribe, asked(short), func(s *stage) { s.do(nobody, "DELETE /v2/generate/text/status/$request", "") })},
	} {
		out = append(out,
			row{op: textStatus, name: view.name, setup: view.setup, where: []string{"$request"}, want: 200},
			row{op: cancelText, name: view.name, setup: view.setup, where: []string{"$request"}, want: 200})
	}
	for _, op := range []string{textStatus, cancelText} {
		out = append(out,
			row{op: op, name: "unknown", where: []string{"$nothing"}, want: 404, rc: "RequestNotFound"},
			row{op: op, name: "no_id", where: []string{"a/ö"}, want: 404, rc: "RequestNotFound"},
			row{op: op, name: "an_image", setup: queued(tiny), where: []string{"$request"}, want: 404, rc: "RequestNotFound"},
			row{op: op, name: "expired", setup: then(asked(short), later(time.Hour), expired), where: []string{"$request"}, want: 404, rc: "RequestNotFound"})
	}
	for _, op := range []string{check, status, cancel} {
		out = append(out, row{op: op, name: "a_text", setup: asked(short), where: []string{"$request"}, want: 404, rc: "RequestNotFound"})
	}
	return append(out, row{
		op: textStatus, name: "masked", setup: then(scribe, asked(everyText), writing, wrote), where: []string{"$request"},
		head: []string{"X-Fields", "done,generations{text}"}, want: 200,
	})
}

// images is so many entries of a list of source images.
func images(n int) string {
	return strings.TrimSuffix(strings.Repeat(`{"image": "$image"},`, n), ",")
}

// numbered is so many different texts of a list.
func numbered(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%q", fmt.Sprint("stop ", i)))
	}
	return strings.Join(all, ",")
}

func scribeRows() []row {
	const result = `{"id": "$generation", "generation": " there was"}`
	ready := then(scribe, asked(short))
	at := then(scribe, asked(everyText), writing)
	return append([]row{
		{op: popText, name: "idle", as: "owner", body: writes(writer), want: 200},
		{op: popText, name: "job", as: "owner", setup: ready, body: writes(writer), want: 200},
		{op: popText, name: "everything", as: "owner", setup: then(scribe, asked(everyText)), body: writes(writer), want: 200},
		{op: popText, name: "other_model", as: "owner", setup: ready, body: writes("other"), want: 200},
		{op: popText, name: "too_long", as: "owner", setup: ready, body: strings.Replace(writes(writer), `"max_length": 512`, `"max_length": 20`, 1), want: 200},
		{op: popText, name: "few_words", as: "owner", body: `{"name": "scribe 2", "models": ["any name"]}`, want: 200},

		{op: popText, name: "no_models", as: "owner", body: `{"name": "scribe 2", "models": []}`, want: 400, rc: "BadRequest", says: "we cannot accept workers serving"},
		{op: popText, name: "anothers_model", as: "owner", body: writes("theirs::asker#1"), want: 400, rc: "BadRequest", says: "we cannot accept workers serving"},
		{
			op: popText, name: "invalid", as: "owner", body: `{"threads": 51, "amount": 0, "models": ["x"], "max_length": "many"}`, want: 400,
			bad: []string{"name", "threads", "amount", "models.0", "max_length"},
		},

		{op: submitText, name: "ok", as: "owner", setup: at, body: result, want: 200},
		{op: submitText, name: "empty", as: "owner", setup: at, body: `{"id": "$generation", "generation": ""}`, want: 200},
		{op: submitText, name: "censored", as: "owner", setup: at, body: `{"id": "$generation", "generation": "x", "state": "censored"}`, want: 200},
		{op: submitText, name: "faulted", as: "owner", setup: at, body: `{"id": "$generation", "generation": "", "state": "faulted"}`, want: 200},
		{op: submitText, name: "no_key", body: `{"id": "$nothing", "generation": ""}`, want: 400, bad: []string{"apikey"}},
		{op: submitText, name: "wrong_key", as: wrong, setup: at, body: result, want: 401, rc: "InvalidAPIKey"},
		{op: submitText, name: "invalid", as: "owner", body: `{"id": 5, "state": "lost"}`, want: 400, bad: []string{"id", "generation", "state"}},
		{op: submitText, name: "no_seed", as: "owner", body: `{"id": "$nothing", "generation": "", "seed": "x"}`, want: 400, bad: []string{"seed"}},
		{op: submitText, name: "unknown", as: "owner", body: `{"id": "$nothing", "generation": ""}`, want: 404, rc: "InvalidJobID", says: "does not exist"},
		{op: submitText, name: "no_id", as: "owner", body: `{"id": "x", "generation": ""}`, want: 404, rc: "InvalidJobID", says: "Processing Job with ID"},
		{op: submitText, name: "stranger", as: "stranger", setup: at, body: result, want: 403, rc: "WrongCredentials"},
		{op: submitText, name: "again", as: "owner", setup: then(at, wrote), body: result, want: 400, rc: "DuplicateGen", says: "already submitted"},
		{op: submitText, name: "aborted", as: "owner", setup: then(at, unwritten), body: result, want: 400, rc: "AbortedGen", says: "Please check your worker speed"},
		{
			op: submitText, name: "metadata", as: "owner", setup: at, want: 400, rc: "BadRequest",
			body: `{"id": "$generation", "generation": "x", "gen_metadata": [` + strings.TrimSuffix(strings.Repeat(`{"type": "censorship", "value": "csam"},`, 51), ",") + `]}`,
		},
		{
			op: submitText, name: "nul", as: "owner", setup: at, want: 400, rc: "NulByteInPayload",
			body: `{"id": "$generation", "generation": "x", "gen_metadata": [{"type": "censorship", "value": "csam", "ref": "a\u0000"}]}`,
		},
	}, popRefusals(popText, scribe, "scribe ö", `"models": ["koboldcpp/Test-7B"]`)...)
}

// popRefusals are what the three pops refuse alike. Up registers the owner's worker of that name; more is the rest of its body.
func popRefusals(op string, up func(*stage), name, more string) []row {
	named := func(name string) string { return fmt.Sprintf(`{"name": %q, %s}`, name, more) }
	usual := named(name)
	other := idle("tiny") // of another type
	otherName := "dreamer ö"
	if op == pop {
		other, otherName = scribe, "scribe ö"
	}
	friends := func(list string) string { return strings.Replace(usual, "{", `{"priority_usernames": [`+list+`], `, 1) }
	rows := []row{
		{op: op, name: "no_key", body: usual, want: 400, bad: []string{"apikey"}},
		{op: op, name: "wrong_key", as: wrong, body: usual, want: 401, rc: "InvalidAPIKey"},
		{op: op, name: "deleted", as: "deleted", body: usual, want: 403, rc: "DeletedUser"},
		{op: op, name: "flagged", as: "flagged", body: usual, want: 403, rc: "WorkerFlaggedMaintenance", says: "maintenance mode"},
		{op: op, name: "anonymous", as: anonymous, body: usual, want: 403, rc: "AnonForbiddenWorker"},
		{op: op, name: "priority", as: "owner", body: friends(`"joe"`), want: 400, rc: "InvalidPriorityUsername"},
		{op: op, name: "half_a_friend", as: "owner", body: friends(`"joe#"`), want: 400, rc: "InvalidPriorityUsername"},
		{op: op, name: "nul", as: "owner", body: fmt.Sprintf(`{"name": "w\u0000", %s}`, more), want: 400, rc: "NulByteInPayload"},
		{op: op, name: "stranger", as: "stranger", setup: up, body: usual, want: 403, rc: "WrongCredentials", says: "Wrong credentials"},
		{op: op, name: "invite_only", as: "owner", setup: modes(horde.Modes{InviteOnly: true}), body: usual, want: 403, rc: "WorkerInviteOnly"},
		{op: op, name: "many_workers", as: "owner", setup: crowd("owner", horde.MaxWorkersUntrusted, false), body: usual, want: 403, rc: "TooManyWorkers"},
		{op: op, name: "many_workers_trusted", as: "trusted", setup: crowd("trusted", horde.MaxWorkersTrusted, false), body: usual, want: 403, rc: "TooManyWorkersTrusted"},
		{
			op: op, name: "many_at_one_address", as: "owner", plan: behindProxy(), head: []string{"X-Forwarded-For", "203.0.113.1"},
			setup: crowd("owner", horde.MaxSameOrigin, true), body: usual, want: 403, rc: "TooManySameIPs",
		},
		{
			op: op, name: "maintenance", as: "owner", body: usual, want: 403, rc: "WorkerMaintenance", says: "maintenance mode",
			setup: then(up, func(s *stage) { s.do("owner", "PUT /v2/workers/$worker", `{"maintenance": true}`) }),
		},
		{op: op, name: "other_type", as: "owner", setup: other, body: named(otherName), want: 400, rc: "PolymorphicNameConflict"},
		{op: op, name: "barred", as: "owner", plan: behindProxy(), head: fromAfar, setup: barred, body: usual, want: 403, rc: "TimeoutIP"},
		{op: op, name: "unsafe_address", as: "owner", plan: calledFrom(horde.AddressUnsafe), body: usual, want: 403, rc: "UnsafeIP"},
		{op: op, name: "unknown_address", as: "owner", plan: calledFrom(horde.AddressUnknown), body: usual, want: 403, rc: "TooManyNewIPs"},
		{op: op, name: "unsafe_but_trusted", as: "trusted", plan: calledFrom(horde.AddressUnsafe), body: usual, want: 200},
		{op: op, name: "profane_name", as: "owner", plan: prim(), body: named("a quimp of mine"), want: 400, rc: "ProfaneWorkerName"},
		{op: op, name: "profane_agent", as: "owner", plan: prim(), body: strings.Replace(usual, "{", `{"bridge_agent": "quimp:1:x", `, 1), want: 400, rc: "ProfaneBridgeAgent"},
		{op: op, name: "google", as: "owner", body: named("at google"), want: 400, rc: "BadRequest"},
		{op: op, name: "wait_too_long", as: "owner", query: "wait=3600", body: usual, want: 400, bad: []string{"wait"}},
	}
	return rows
}

// fromAfar is where a caller comes from whose address the setup barred.
var fromAfar = []string{"X-Forwarded-For", "203.0.113.77"}

// behindProxy trusts what a proxy says about addresses.
func behindProxy() apitest.Plan {
	p := apitest.Plan{}
	p.Options.TrustedProxy = true
	return p
}
