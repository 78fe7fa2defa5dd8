// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/openapi"
	"stablemate/horde/apiv2/wire"
	"stablemate/internal/clock"
)

var update = flag.Bool("update", false, "write the golden files anew")

// description is the contract's machine-readable form.
func description(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.YAML())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// fits holds a reply against the description.
func fits(t *testing.T, doc *openapi3.T, route string, got answer) {
	t.Helper()
	method, path, _ := strings.Cut(route, " ")
	item := doc.Paths.Find("/v2" + path)
	if item == nil {
		t.Errorf("%s is not described", route)
		return
	}
	op := item.GetOperation(method)
	if op == nil {
		t.Errorf("%s is not described", route)
		return
	}
	response := op.Responses.Status(got.status)
	if response == nil {
		t.Errorf("%s: the status %d is not described", route, got.status)
		return
	}
	content := response.Value.Content.Get("application/json")
	if content == nil {
		t.Errorf("%s: no JSON is described for %d", route, got.status)
		return
	}
	var v any
	if err := json.Unmarshal(got.body, &v); err != nil {
		t.Errorf("%s: the reply is no JSON: %v", route, err)
		return
	}
	if err := content.Schema.Value.VisitJSON(v); err != nil {
		t.Errorf("%s: the reply does not fit its description: %v\n%s", route, err, got.body)
	}
}

// normal hides what differs from run to run: identifiers by the order in which they come, and links.
type normal struct{ seen map[string]string }

var (
	uuidForm = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	passForm = regexp.MustCompile(`"proxy_passkey": "[-_0-9A-Za-z]{22}"`)
	linkForm = regexp.MustCompile(`http://[^"]*/blob/([^"?]*)\?op=(get|put)&exp=\d+&sig=[-_0-9A-Za-z]+`)
)

func (n *normal) text(body []byte) string {
	out := linkForm.ReplaceAllString(string(body), "<link to $2 $1>")
	out = passForm.ReplaceAllString(out, `"proxy_passkey": "<passkey>"`)
	return uuidForm.ReplaceAllStringFunc(out, func(id string) string {
		if _, ok := n.seen[id]; !ok {
			n.seen[id] = fmt.Sprintf("<id %d>", len(n.seen)+1)
		}
		return n.seen[id]
	})
}

// folder is where the golden files of a route are.
func folder(route string) string {
	method, path, _ := strings.Cut(route, " ")
	name := strings.NewReplacer("/", "_", "{", "", "}", "").Replace(strings.Trim(path, "/"))
	return filepath.Join("testdata", "golden", name+"."+strings.ToLower(method))
}

// shelf is a few texts of an operator.
type shelf struct{}

func (shelf) Document(name string) (html, markdown string, ok bool) {
	return "<p><em>" + name + "</em></p>\n", "*" + name + "*\n", true
}

func (shelf) News() []wire.News {
	return []wire.News{
		{DatePublished: "2026-11-22", Newspiece: "*More*", Importance: "Workshop", Tags: []string{"x"}, Title: "Second", MoreInfoURLs: []string{"https://horde.example/2"}},
		{DatePublished: "2026-11-21", Newspiece: "Open", Importance: "Information", Tags: []string{}, Title: "First", MoreInfoURLs: []string{}},
	}
}

// TestRepliesKeepTheirShape goes through journeys and compares each reply with a file. That every operation is covered,
// package contract looks after.
func TestRepliesKeepTheirShape(t *testing.T) {
	t.Parallel()
	doc := description(t)
	fake := clock.NewFake(time.Date(2026, 11, 22, 1, 24, 48, 0, time.UTC))
	h := build(t, plan{clock: fake, options: apiv2.Options{Node: "node:7788", Version: "1.2.3", PublicURL: "http://horde.example", Papers: shelf{}}})
	askerID, asker := h.account(t, "asker", 0, 1000)
	_, owner := h.account(t, "öwner", 0, 500)
	_, mod := h.account(t, "moderator", horde.RoleModerator|horde.RoleTrusted|horde.RolePublicWorkers, 0)
	_, admin := h.account(t, "chief", horde.RoleAdmin, 0)
	hide := normal{seen: make(map[string]string)}
	written := make(map[string]bool)

	// try makes a call and compares; where holds what replaces the braces of the route.
	try := func(route, name, where, body, key string, more ...string) answer {
		t.Helper()
		method, path, _ := strings.Cut(route, " ")
		if at := strings.IndexByte(path, '{'); at >= 0 {
			path = path[:at] + where
		} else {
			path += where
		}
		if key != "" {
			more = append(more, "apikey", key)
		}
		got := h.send(t, method, "/api/v2"+path, body, more...)
		if !slices.Contains(more, "X-Fields") {
			fits(t, doc, route, got)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, bytes.TrimSpace(got.body), "", "  "); err != nil {
			t.Fatalf("%s %s: %v: %s", route, name, err, got.body)
		}
		text := fmt.Sprintf("{\n\"status\": %d,\n\"body\": %s\n}\n", got.status, hide.text(pretty.Bytes()))
		file := filepath.Join(folder(route), name+".json")
		written[file] = true
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			return got
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s %s: %v; run the tests with -update to write it", route, name, err)
			return got
		}
		if diff := cmp.Diff(string(want), text); diff != "" {
			t.Errorf("%s %s: the reply moved (-want +got):\n%s", route, name, diff)
		}
		return got
	}
	id := func(a answer) string {
		t.Helper()
		v, ok := jsonString(a.body, "id")
		if !ok {
			t.Fatalf("no id in %s", a.body)
		}
		return v
	}
	const (
		generate = "POST /generate/async"
		check    = "GET /generate/check/{id}"
		status   = "GET /generate/status/{id}"
		pop      = "POST /generate/pop"
		submit   = "POST /generate/submit"
		transfer = "POST /kudos/transfer"
	)
	offered := fmt.Sprintf(`{"name": "dreamer ö", "models": ["tiny"], "bridge_agent": %q, "max_pixels": 1048576, "allow_lora": true, "amount": 2}`, reGen)

	// Before there is anything.
	try("GET /status/performance", "empty", "", "", "")
	try("GET /status/models", "empty", "", "", "")
	try("GET /stats/img/totals", "empty", "", "", "")
	try("GET /stats/img/models", "empty", "", "", "")
	try("GET /workers", "none", "", "", "")
	try(pop, "idle", "", offered, owner)

	// One request from start to end, with everything a payload can hold.
	full := `{"prompt": "a cat ### bad", "models": ["tiny"], "nsfw": false, "censor_nsfw": true, "params": {"sampler_name": "k_euler",
		"cfg_scale": 7, "width": 64, "height": 128, "steps": 20, "n": 2, "seed": "12351", "karras": false, "clip_skip": 2,
		"loras": [{"name": "x", "model": 0.5, "inject_trigger": "any"}], "tis": [{"name": "y", "inject_ti": "prompt"}], "hires_fix": true}}`
	try(generate, "dry_run", "", `{"prompt": "a cat", "models": ["tiny"], "dry_run": true}`, asker)
	request := id(try(generate, "queued", "", full, asker))
	try(check, "waiting", request, "", "")
	try(status, "waiting", request, "", "")
	try("GET /status/performance", "busy", "", "", "")
	fake.Advance(time.Second)
	job := try(pop, "job", "", offered, owner)
	try(check, "processing", request, "", "")
	var got wire.PopReply
	if err := json.Unmarshal(job.body, &got); err != nil || len(got.IDs) != 2 {
		t.Fatalf("pop = %s, want two images", job.body)
	}
	fake.Advance(3 * time.Second)
	img := b64(picture(t, 16))
	try(submit, "base64", "", fmt.Sprintf(`{"id": %q, "generation": %q, "seed": 5, "gen_metadata": [{"type": "censorship", "value": "nsfw", "ref": "x"}]}`, got.IDs[0], img), owner)
	if err := h.blobs.PutBytes(t.Context(), got.IDs[1]+".webp", picture(t, 16)); err != nil {
		t.Fatal(err)
	}
	try(submit, "uploaded", "", fmt.Sprintf(`{"id": %q, "generation": "R2", "seed": 6}`, got.IDs[1]), owner)
	try(submit, "again", "", fmt.Sprintf(`{"id": %q, "generation": "R2", "seed": 6}`, got.IDs[1]), owner)
	try(submit, "stranger", "", fmt.Sprintf(`{"id": %q, "generation": "R2", "seed": 6}`, got.IDs[1]), asker)
	try(submit, "unknown", "", `{"id": "00000000-0000-4000-8000-000000000000", "generation": "R2", "seed": 6}`, owner)
	try(submit, "invalid", "", `{"id": 5, "state": "lost"}`, owner)
	try(check, "done", request, "", "")
	try(status, "done", request, "", "")
	if err := h.blobs.Delete(t.Context(), got.IDs[1]+".webp"); err != nil {
		t.Fatal(err)
	}
	try(status, "image_gone", request, "", "")
	try(status, "masked", request, "", "", "X-Fields", "done,generations{id,seed}")
	try(status, "unknown", "00000000-0000-4000-8000-000000000000", "", "")
	try(check, "unknown", "nonsense", "", "")

	// One with a source image, that fails once and is cancelled.
	source := id(try(generate, "source_image", "", fmt.Sprintf(`{"prompt": "a cat", "models": ["tiny"], "source_image": %q, "params": {"width": 64, "height": 64, "n": 3, "denoising_strength": 0.5}}`, img), asker))
	job = try(pop, "source_image", "", strings.Replace(offered, `"amount": 2`, `"amount": 1`, 1), owner)
	try(submit, "faulted", "", fmt.Sprintf(`{"id": %q, "generation": "", "seed": 0, "state": "faulted"}`, id(job)), owner)
	try(submit, "aborted", "", fmt.Sprintf(`{"id": %q, "generation": "R2", "seed": 0}`, id(job)), owner)
	try(check, "restarted", source, "", "")
	try("DELETE /generate/status/{id}", "cancelled", source, "", "")
	try("DELETE /generate/status/{id}", "unknown", "x", "", "")
	try(check, "cancelled", source, "", "")

	// Refusals.
	try(generate, "no_worker", "", `{"prompt": "a cat", "models": ["unheard"]}`, "0000000000")
	try(generate, "invalid", "", `{"params": {"steps": 501, "width": 63}}`, asker)
	try(generate, "no_key", "", `{"prompt": "a cat"}`, "")
	try(generate, "wrong_key", "", `{"prompt": "a cat"}`, "wrong")
	try(generate, "truncated", "", `{"prompt": "a c`, asker)
	try(generate, "too_long", "", `{"prompt": "`+strings.Repeat("a", 100_000)+`"}`, asker)
	try(generate, "upfront", "", `{"prompt": "a cat", "slow_workers": false, "params": {"steps": 100, "width": 1024, "height": 1024}}`, "0000000000")
	try(pop, "anonymous", "", offered, "0000000000")
	try(pop, "stranger", "", offered, asker)
	try(pop, "no_models", "", `{"name": "dreamer 2"}`, owner)
	try(pop, "invalid", "", `{"threads": 0}`, owner)

	// People.
	try("GET /find_user", "self", "", "", asker)
	try("GET /find_user", "anonymous", "", "", "0000000000")
	try("GET /find_user", "no_key", "", "", "")
	try("GET /find_user", "wrong_key", "", "", "wrong")
	try("GET /users", "all", "", "", "")
	try("GET /users", "by_age", "?sort=age&page=0", "", "")
	try("GET /users", "beyond", "?page=10001", "", "")
	me := fmt.Sprint(int64(askerID))
	try("GET /users/{user_id}", "public", me, "", "")
	try("GET /users/{user_id}", "self", me, "", asker)
	try("GET /users/{user_id}", "moderator", me, "", mod)
	try("GET /users/{user_id}", "unknown", "77", "", "")
	try("GET /users/{user_id}", "wrong_key", me, "", "wrong")
	try(transfer, "gift", "", `{"username": "owner#2", "amount": 10}`, asker, "Idempotency-Key", "1")
	try(transfer, "again", "", `{"username": "owner#2", "amount": "10"}`, asker, "Idempotency-Key", "1")
	try(transfer, "conflict", "", `{"username": "owner#2", "amount": 11}`, asker, "Idempotency-Key", "1")
	try(transfer, "default", "", `{"username": "owner#2"}`, asker)
	try(transfer, "back", "", `{"username": "asker#1", "amount": 1}`, owner)
	try(transfer, "too_much", "", `{"username": "owner#2", "amount": 100000}`, asker)
	try(transfer, "unknown", "", `{"username": "owner#99", "amount": 1}`, asker)
	try(transfer, "no_recipient", "", `{"amount": 1}`, asker)

	// Accounts, and what their owners share.
	const account, award = "PUT /users/{user_id}", "POST /kudos/award"
	try(account, "self", me, `{"username": "Asker Ö", "contact": "me@example.org", "public_workers": true}`, asker)
	try(account, "moderator", me, `{"education": true, "vpn": true, "worker_invited": 2, "admin_comment": "well known", "reset_suspicion": true}`, mod)
	try(account, "admin", me, `{"kudos": 10.5, "monthly_kudos": 100, "usage_multiplier": 1.5, "education": false, "service": true}`, admin)
	try(account, "passkey", me, `{"generate_proxy_passkey": true}`, asker)
	try(account, "nothing", me, `{"filtered": true}`, asker)
	try(account, "not_moderator", me, `{"trusted": true}`, asker)
	try(account, "not_admin", me, `{"kudos": 5}`, mod)
	try(account, "invalid", me, `{"username": "x", "concurrency": 501}`, mod)
	try(account, "unknown", "77", `{"trusted": true}`, "")
	try("GET /users/{user_id}", "rich", me, "", mod)
	try(award, "given", "", `{"username": "asker#1", "amount": "5"}`, admin)
	try(award, "not_allowed", "", `{"username": "asker#1"}`, mod)
	try(award, "no_recipient", "", `{}`, admin)
	const shared = "/sharedkeys/{sharedkey_id}"
	key := id(try("PUT /sharedkeys", "terms", "", `{"name": "friends", "kudos": 100, "expiry": 2, "max_image_pixels": 262144, "max_image_steps": "20"}`, asker))
	try("PUT /sharedkeys", "default", "", "", asker)
	try("PUT /sharedkeys", "anonymous", "", `{}`, "0000000000")
	try("GET "+shared, "one", key, "", "")
	try("GET "+shared, "unknown", "x", "", "")
	try("PATCH "+shared, "changed", key, `{"kudos": -1, "expiry": -1, "name": ""}`, asker)
	try("PATCH "+shared, "nothing", key, `{}`, asker)
	try("PATCH "+shared, "stranger", key, `{"kudos": 1}`, owner)
	try("GET /find_user", "shared_key", "", "", key)
	try("DELETE "+shared, "deleted", key, "", asker)
	try("DELETE "+shared, "unknown", key, "", asker)
	try("DELETE /users/{user_id}", "moderator", "3", "", mod)
	try("DELETE /users/{user_id}", "deleted", me, "", asker)
	try("DELETE /users/{user_id}", "too_early", me, "", mod)
	try("DELETE /users/{user_id}", "stranger", me, "", owner)
	try(account, "undeleted", me, `{"undelete": true}`, asker)

	// Workers.
	worker, ok := h.WorkerByName("dreamer ö")
	if !ok {
		t.Fatal("the worker is gone")
	}
	try("GET /workers", "one", "", "", "")
	try("GET /workers", "other_type", "?type=text", "", "wrong")
	try("GET /workers", "by_name", "?name=DREAMER%20%C3%96", "", "")
	try("GET /workers/{worker_id}", "public", worker.ID.String(), "", "")
	try("GET /workers/{worker_id}", "moderator", worker.ID.String(), "", mod)
	try("GET /workers/{worker_id}", "unknown", "x", "", "")
	try("GET /workers/name/{worker_name}", "found", "dreamer%20%C3%B6", "", "")
	try("GET /workers/name/{worker_name}", "unknown", "DREAMER", "", "")
	const change = "PUT /workers/{worker_id}"
	try(change, "info", worker.ID.String(), `{"info": " made of dreams ", "team": ""}`, owner)
	try(change, "maintenance", worker.ID.String(), `{"maintenance": true, "maintenance_msg": "back soon, maintenance mode"}`, owner)
	try(change, "stranger", worker.ID.String(), `{"maintenance": false}`, asker)
	try(change, "paused_by_owner", worker.ID.String(), `{"paused": true}`, owner)
	try(change, "paused", worker.ID.String(), `{"paused": true}`, mod)
	try(change, "nothing", worker.ID.String(), `{}`, owner)
	try(change, "unknown", "x", `{"maintenance": true}`, "")
	try(change, "unknown_team", worker.ID.String(), `{"team": "00000000-0000-4000-8000-000000000000"}`, owner)
	try(pop, "maintenance", "", offered, owner)
	try(change, "name", worker.ID.String(), `{"name": " dreamer   seven "}`, owner)
	try(change, "short_name", worker.ID.String(), `{"name": "dre"}`, owner)
	const remove = "DELETE /workers/{worker_id}"
	try(remove, "stranger", worker.ID.String(), "", asker)
	try(remove, "locked", worker.ID.String(), "", owner)
	try(remove, "unknown", "x", "", "")
	try(remove, "no_key", worker.ID.String(), "", "")
	second := strings.Replace(offered, "dreamer ö", "dreamer eight", 1)
	h.send(t, "POST", "/api/v2/generate/pop", second, "apikey", owner)
	other, ok := h.WorkerByName("dreamer eight")
	if !ok {
		t.Fatal("the second worker is gone")
	}
	try(change, "taken", other.ID.String(), `{"name": "dreamer seven"}`, owner)

	// Teams.
	const (
		found   = "POST /teams"
		improve = "PATCH /teams/{team_id}"
		disband = "DELETE /teams/{team_id}"
	)
	try("GET /teams", "none", "", "", "")
	try(found, "invalid", "", `{"info": "it"}`, mod)
	try(found, "untrusted", "", `{"name": "Dreamers"}`, owner)
	try(found, "anonymous", "", `{"name": "Dreamers"}`, "0000000000")
	team := id(try(found, "founded", "", `{"name": "Dreamers", "info": "we dream"}`, mod))
	try(found, "taken", "", `{"name": "dreamers"}`, mod)
	try(change, "team", other.ID.String(), `{"team": "`+team+`"}`, owner)
	try("GET /workers/{worker_id}", "in_a_team", other.ID.String(), "", "")
	try("GET /teams", "one", "", "", "")
	try("GET /teams/{team_id}", "public", team, "", "")
	try("GET /teams/{team_id}", "ordinary_key", team, "", asker)
	try("GET /teams/{team_id}", "wrong_key", team, "", "wrong")
	try("GET /teams/{team_id}", "unknown", "x", "", "")
	try(improve, "info", team, `{"info": "we dream on"}`, mod)
	try(improve, "stranger", team, `{"info": "we do not"}`, asker)
	try(improve, "strange_name", team, `{"name": "Sleepers"}`, asker)
	try(improve, "nothing", team, `{}`, mod)
	try(improve, "no_key", team, `{"info": "we do not"}`, "")
	try(improve, "unknown", "x", `{"info": "we do not"}`, mod)
	try(disband, "stranger", team, "", asker)
	try(disband, "disbanded", team, "", mod)
	try(disband, "unknown", team, "", mod)

	// Messages.
	const (
		write    = "POST /workers/messages"
		messages = "GET /workers/messages"
		message  = "GET /workers/messages/{message_id}"
		takeBack = "DELETE /workers/messages/{message_id}"
	)
	try(messages, "none", "", "", owner)
	toAll := id(try(write, "broadcast", "", `{"message": "be well", "expiry": 24}`, mod))
	own := id(try(write, "own", "", `{"message": "note to self", "worker_id": "`+other.ID.String()+`", "origin": "ignored"}`, owner))
	try(write, "strange_worker", "", `{"message": "hm", "worker_id": "`+other.ID.String()+`"}`, asker)
	try(write, "broadcast_by_owner", "", `{"message": "hm"}`, owner)
	try(write, "unknown_worker", "", `{"message": "hm", "worker_id": "00000000-0000-4000-8000-000000000000"}`, owner)
	try(write, "anonymous", "", `{"message": "hm"}`, "0000000000")
	try(write, "invalid", "", `{"message": "", "expiry": 721, "worker_id": "x"}`, owner)
	try(pop, "messages", "", second, owner)
	try("GET /workers/{worker_id}", "with_messages", other.ID.String(), "", mod)
	try(messages, "own", "", "", owner)
	try(messages, "to_all", "", "", asker)
	try(messages, "of_others", "?user_id=2", "", asker)
	try(messages, "moderator", "?user_id=2&worker_id="+other.ID.String(), "", mod)
	try(messages, "expired", "?validity=expired&page=0", "", mod)
	try(messages, "strange_validity", "?validity=both", "", mod)
	try(messages, "strange_page", "?page=x", "", mod)
	try(message, "one", toAll, "", "")
	try(message, "unknown", "x", "", "")
	try(takeBack, "stranger", own, "", asker)
	try(takeBack, "own", own, "", owner)
	try(takeBack, "unknown", own, "", owner)
	try(takeBack, "by_moderator", toAll, "", mod)
	try(remove, "deleted", other.ID.String(), "", owner)

	// The horde.
	try("GET /status/performance", "after", "", "", "")
	try("GET /status/models", "all", "", "", "")
	try("GET /status/models", "text", "?type=text", "", "")
	try("GET /status/models", "bounded", "?min_count=x", "", "")
	try("GET /status/models/{model_name}", "one", "unheard", "", "")
	try("GET /status/models/{model_name}", "unknown", "a%252Fb", "", "")
	try("GET /status/modes", "public", "", "", "")
	try("GET /status/modes", "moderator", "", "", mod)
	try("GET /status/modes", "ordinary_key", "", "", asker)
	try("GET /status/models", "state", "?model_state=old", "", "")
	try("GET /status/news", "two", "", "", "")
	try("GET /stats/img/totals", "two", "", "", "")
	try("GET /stats/img/models", "two", "", "", "")
	try("GET /stats/img/models", "custom", "?model_state=custom", "", "")
	try("GET /stats/img/models", "state", "?model_state=old", "", "")
	try("GET /stats/text/totals", "empty", "", "", "")
	try("GET /stats/text/models", "empty", "", "", "")
	for _, name := range []string{"terms", "privacy", "sponsors"} {
		try("GET /documents/"+name, "html", "", "", "")
		try("GET /documents/"+name, "markdown", "?format=markdown", "", "")
		try("GET /documents/"+name, "format", "?format=pdf", "", "")
	}

	clear(hide.seen) // so that what comes before does not renumber what follows
	styleReplies(t, h, try, asker, mod)
	clear(hide.seen)
	tryGuard(t, h, worker.ID.String(), asker, mod, try)
	clear(hide.seen)
	goldenText(t, fake, try, asker, owner)
	clear(hide.seen)
	goldenAlchemy(t, h, fake, try, asker, owner)

	files, err := filepath.Glob("testdata/golden/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !written[file] {
			t.Errorf("%s belongs to no call", file)
		}
	}
}
