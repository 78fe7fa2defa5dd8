// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"stablemate/horde"
	"stablemate/horde/apiv2/apitest"
	"stablemate/horde/origin"
)

const (
	pop    = "POST /v2/generate/pop"
	submit = "POST /v2/generate/submit"
)

// offer is the body of a pop by a worker of the owner that can do everything.
func offer(models ...string) string {
	list, _ := json.Marshal(models)
	return fmt.Sprintf(`{"name": "dreamer ö", "models": %s, "bridge_agent": %q, "max_pixels": 1048576, "threads": 2, "amount": 1, "nsfw": true,
		"allow_img2img": true, "allow_painting": true, "allow_post_processing": true, "allow_controlnet": true, "allow_lora": true}`, list, apitest.ReGen)
}

// idle lets the owner's worker check in while there is nothing to do, and keeps its ID as $worker.
func idle(models ...string) func(*stage) {
	return func(s *stage) {
		s.t.Helper()
		s.do("owner", pop, offer(models...))
		w, ok := s.WorkerByName("dreamer ö")
		if !ok {
			s.t.Fatal("setup: the worker is not there")
		}
		s.vars["worker"] = w.ID.String()
	}
}

// popped hands a generation to the owner's worker, as $generation.
func popped(s *stage) { s.do("owner", pop, offer("tiny"), "generation=id") }

// delivered brings its image.
func delivered(s *stage) {
	s.do("owner", submit, `{"id": "$generation", "generation": "$image", "seed": 5, "gen_metadata": [{"type": "censorship", "value": "nsfw", "ref": "x"}]}`)
}

// failed gives it up.
func failed(s *stage) {
	s.do("owner", submit, `{"id": "$generation", "generation": "", "seed": 0, "state": "faulted"}`)
}

// working leaves a generation in the hands of the owner's worker.
func working() func(*stage) { return then(idle("tiny"), queued(tiny), popped) }

// crowd gives an account a number of workers, each with an address of its own unless all are to have one.
func crowd(who string, count int, same bool) func(*stage) {
	return func(s *stage) {
		s.t.Helper()
		id, err := strconv.ParseInt(s.text("$"+who), 10, 64)
		if err != nil {
			s.t.Fatal(err)
		}
		for i := range count {
			last := byte(1)
			if !same {
				last = byte(i + 2)
			}
			raw(s, horde.Pop{
				Owner: horde.UserID(id), Origin: origin.FromAddr(netip.AddrFrom4([4]byte{203, 0, 113, last})),
				Offer: horde.Offer{Name: "worker " + strconv.Itoa(i), Models: []string{"tiny"}, Threads: 1, MaxPixels: 1 << 20},
			})
		}
	}
}

func workRows() []row {
	const result = `{"id": "$generation", "generation": "$image", "seed": 5}`
	return append([]row{
		{op: pop, name: "idle", as: "owner", body: offer("tiny"), want: 200},
		{op: pop, name: "job", as: "owner", setup: then(idle("tiny"), queued(tiny)), body: offer("tiny"), want: 200},
		{op: pop, name: "everything", as: "owner", setup: then(idle("tiny"), queued(everything)), body: strings.Replace(offer("tiny"), `"amount": 1`, `"amount": 2`, 1), want: 200},
		{op: pop, name: "source_image", as: "owner", want: 200, body: offer("tiny"), setup: then(idle("tiny"),
			queued(`{"prompt": "a", "models": ["tiny"], "source_image": "$image", "params": {"denoising_strength": 0.5}}`))},
		{op: pop, name: "other_model", as: "owner", setup: then(idle("tiny"), queued(tiny)), body: offer("other"), want: 200},
		{
			op: pop, name: "too_large", as: "owner", setup: then(idle("tiny"), queued(`{"prompt": "a", "models": ["tiny"], "params": {"width": 1024, "height": 1024}}`)),
			body: strings.Replace(offer("tiny"), "1048576", "65536", 1), want: 200,
		},
		{op: pop, name: "unknown_software", as: "owner", setup: then(idle("tiny"), queued(tiny)), body: `{"name": "dreamer ö", "models": ["tiny"], "bridge_agent": "mine:1:me"}`, want: 200},
		{op: pop, name: "few_words", as: "owner", body: `{"name": "dreamer 2", "models": ["tiny"], "priority_usernames": [], "softprompts": []}`, want: 200},
		{
			op: pop, name: "friend", as: "owner", setup: then(idle("tiny"), queued(tiny)),
			body: strings.Replace(offer("tiny"), `"amount"`, `"priority_usernames": ["$asker_alias"], "amount"`, 1), want: 200,
		},

		{
			op: pop, name: "invalid", as: "owner", body: `{"threads": 51, "amount": 0, "models": ["x"], "max_pixels": "many"}`, want: 400,
			bad: []string{"name", "threads", "amount", "models.0", "max_pixels"},
		},
		{op: pop, name: "no_models", as: "owner", body: `{"name": "w", "models": []}`, want: 400, rc: "BadRequest", says: "we cannot accept workers serving"},
		{op: pop, name: "unknown_models", as: "owner", plan: apitest.Plan{Models: []string{"known"}}, body: offer("tiny"), want: 400, rc: "BadRequest", says: "we cannot accept workers serving"},

		{op: pop, name: "special_model", as: "owner", body: offer("horde_special::lamp::asker#1"), want: 400, rc: "BadRequest", says: "we cannot accept workers serving"},

		{op: submit, name: "base64", as: "owner", setup: working(), body: result, want: 200},
		{op: submit, name: "uploaded", as: "owner", setup: then(working(), uploaded), body: `{"id": "$generation", "generation": "R2", "seed": 0, "gen_metadata": []}`, want: 200},
		{op: submit, name: "censored", as: "owner", setup: working(), body: `{"id": "$generation", "generation": "$image", "seed": 5, "state": "censored"}`, want: 200},
		{op: submit, name: "faulted", as: "owner", setup: working(), body: `{"id": "$generation", "generation": "", "seed": 0, "state": "faulted"}`, want: 200},
		{op: submit, name: "no_key", body: `{"id": "$nothing", "generation": "R2", "seed": 5}`, want: 400, bad: []string{"apikey"}},
		{op: submit, name: "wrong_key", as: wrong, setup: working(), body: result, want: 401, rc: "InvalidAPIKey"},
		{
			op: submit, name: "invalid", as: "owner", body: `{"id": 5, "state": "lost", "gen_metadata": [{"type": "x", "value": "nsfw"}]}`, want: 400,
			bad: []string{"id", "generation", "seed", "state", "gen_metadata.0.type"},
		},
		{op: submit, name: "half_a_seed", as: "owner", body: `{"id": "$nothing", "generation": "R2", "seed": 1.5}`, want: 400, bad: []string{"seed"}},
		{op: submit, name: "unknown", as: "owner", body: `{"id": "$nothing", "generation": "R2", "seed": 5}`, want: 404, rc: "InvalidJobID", says: "does not exist"},
		{op: submit, name: "no_id", as: "owner", body: `{"id": "x", "generation": "R2", "seed": 5}`, want: 404, rc: "InvalidJobID", says: "Processing Job with ID"},
		{op: submit, name: "stranger", as: "stranger", setup: working(), body: result, want: 403, rc: "WrongCredentials"},
		{op: submit, name: "again", as: "owner", setup: then(working(), delivered), body: result, want: 400, rc: "DuplicateGen", says: "already submitted"},
		{op: submit, name: "aborted", as: "owner", setup: then(working(), failed), body: result, want: 400, rc: "AbortedGen", says: "Please check your worker speed"},
		{
			op: submit, name: "metadata", as: "owner", setup: working(), want: 400, rc: "BadRequest",
			body: `{"id": "$generation", "generation": "$image", "seed": 5, "gen_metadata": [` + strings.TrimSuffix(strings.Repeat(`{"type": "lora", "value": "nsfw"},`, 51), ",") + `]}`,
		},
		{op: submit, name: "not_uploaded", as: "owner", setup: working(), body: `{"id": "$generation", "generation": "R2", "seed": 5}`, want: 400, rc: "BadRequest", says: "upload"},
		{op: submit, name: "no_image", as: "owner", setup: working(), body: `{"id": "$generation", "generation": "bm90IGFuIGltYWdl", "seed": 5}`, want: 400, rc: "ImageValidationFailed", says: "Image validation failed"},
		{op: submit, name: "broken", as: "owner", setup: then(working(), picture("bad", broken)), body: `{"id": "$generation", "generation": "$bad", "seed": 5}`, want: 400, rc: "SourceImageUnreadable"},
		{
			op: submit, name: "nul", as: "owner", setup: working(), want: 400, rc: "NulByteInPayload",
			body: `{"id": "$generation", "generation": "$image", "seed": 5, "gen_metadata": [{"type": "lora", "value": "nsfw", "ref": "a\u0000"}]}`,
		},
	}, popRefusals(pop, idle("tiny"), "dreamer ö", `"models": ["tiny"]`)...)
}

// uploaded puts the image where the upload link leads.
func uploaded(s *stage) {
	if err := s.Blobs.PutBytes(s.t.Context(), s.vars["generation"]+".webp", apitest.Picture(s.t, 64)); err != nil {
		s.t.Fatal(err)
	}
}
