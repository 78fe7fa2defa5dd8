// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"testing"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/engine"
)

// unfit is a word that names may not hold. No test prints it.
func unfit(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../profanity.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return strings.Map(func(r rune) rune { return 'a' + (r-'a'+13)%26 }, line)
		}
	}
	t.Fatal("the list is empty")
	return ""
}

func TestRefusalsAboutWorkersTeamsAndMessages(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	word := unfit(t)
	_, owner := h.account(t, "owner", 0, 0)
	_, stranger := h.account(t, "stranger", 0, 0)
	_, founder := h.account(t, "founder", horde.RoleTrusted, 0)
	for _, name := range []string{"dreamer", "sleeper"} {
		if _, err := h.client(t, owner).Pop(t.Context(), offer(name, "tiny"), 0); err != nil {
			t.Fatal(err)
		}
	}
	worker, _ := h.WorkerByName("dreamer")
	found := h.send(t, "POST", "/api/v2/teams", `{"name": "The Dreamers"}`, "apikey", founder)
	team, ok := jsonString(found.body, "id")
	if !ok {
		t.Fatalf("founding a team: %d %s", found.status, found.body)
	}
	const (
		pop     = "POST /generate/pop"
		nobody  = "00000000-0000-4000-8000-000000000000"
		message = "POST /workers/messages"
	)
	change, teams := "PUT /workers/"+worker.ID.String(), "PATCH /teams/"+team
	for _, c := range []struct {
		what, call, body, key string
		status                int
		rc, field             string
	}{
		{"an unfit worker", pop, `{"name": "` + word + `", "models": ["tiny"]}`, owner, 400, "ProfaneWorkerName", ""},
		{"an unfit agent", pop, `{"name": "new", "models": ["tiny"], "bridge_agent": "` + word + `:1:x"}`, owner, 400, "ProfaneBridgeAgent", ""},
		{"an unfit name", change, `{"name": "old ` + word + `"}`, owner, 400, "ProfaneWorkerName", ""},
		{"an unfit info", change, `{"info": "` + word + `"}`, owner, 400, "ProfaneWorkerInfo", ""},
		{"another's name", change, `{"name": "sleeper"}`, owner, 400, "WorkerNameAlreadyExists", ""},
		{"a name of a stranger", change, `{"name": "slower"}`, stranger, 403, "NotModerator", ""},
		{"a team of a stranger", change, `{"team": ""}`, stranger, 403, "NotModerator", ""},
		{"a team that is no ID", change, `{"team": "x"}`, owner, 404, "TeamNotFound", ""},
		{"a long name", change, `{"name": "` + strings.Repeat("x", 101) + `"}`, owner, 400, "", "name"},
		{"a long info", change, `{"info": "` + strings.Repeat("x", 1001) + `"}`, owner, 400, "", "info"},
		{"a long reason", change, `{"maintenance": true, "maintenance_msg": "` + strings.Repeat("x", 301) + `"}`, owner, 400, "BadRequest", ""},
		{"NUL in a name", change, `{"name": "dream\u0000er"}`, owner, 400, "NulByteInPayload", ""},
		{"a wrong key", change, `{"info": "x"}`, "wrong", 401, "InvalidAPIKey", ""},
		{"no key", change, `{"info": "x"}`, "-", 400, "", "apikey"},
		{"the key of everybody", change, `{"info": "x"}`, "0000000000", 403, "NotOwner", ""},
		{"deleting with a wrong key", "DELETE /workers/" + worker.ID.String(), "", "wrong", 401, "InvalidAPIKey", ""},

		{"an unfit team", "POST /teams", `{"name": "old ` + word + `"}`, founder, 400, "ProfaneTeamName", ""},
		{"a team of unfit info", "POST /teams", `{"name": "others", "info": "old ` + word + `"}`, founder, 400, "ProfaneTeamInfo", ""},
		{"a team of a short name", "POST /teams", `{"name": "xy"}`, founder, 400, "", "name"},
		{"a team without a key", "POST /teams", `{"name": "others"}`, "-", 400, "", "apikey"},
		{"a team with a wrong key", "POST /teams", `{"name": "others"}`, "wrong", 401, "InvalidAPIKey", ""},
		{"NUL in a team", "POST /teams", `{"name": "oth\u0000ers"}`, founder, 400, "NulByteInPayload", ""},
		{"an unfit name of a team", teams, `{"name": "old ` + word + `"}`, founder, 400, "ProfaneTeamName", ""},
		{"an unfit info of a team", teams, `{"info": "old ` + word + `"}`, founder, 400, "ProfaneTeamInfo", ""},
		{"NUL in a team's info", teams, `{"info": "oth\u0000ers"}`, founder, 400, "NulByteInPayload", ""},
		{"a team changed with a wrong key", teams, `{"info": "others"}`, "wrong", 401, "InvalidAPIKey", ""},
		{"a team disbanded without a key", "DELETE /teams/" + team, "", "-", 400, "", "apikey"},
		{"a team disbanded with a wrong key", "DELETE /teams/" + team, "", "wrong", 401, "InvalidAPIKey", ""},

		{"a message without a text", message, `{}`, owner, 400, "", "message"},
		{"a message without a key", message, `{"message": "x"}`, "-", 400, "", "apikey"},
		{"a message with a wrong key", message, `{"message": "x"}`, "wrong", 401, "InvalidAPIKey", ""},
		{"NUL in a message", message, `{"message": "\u0000", "worker_id": "` + worker.ID.String() + `"}`, owner, 400, "NulByteInPayload", ""},
		{"a message to the zero worker", message, `{"message": "x", "worker_id": "00000000-0000-0000-0000-000000000000"}`, owner, 404, "WorkerNotFound", ""},
		{"messages without a key", "GET /workers/messages", "", "-", 400, "", "apikey"},
		{"messages with a wrong key", "GET /workers/messages", "", "wrong", 401, "InvalidAPIKey", ""},
		{"messages for everybody", "GET /workers/messages", "", "0000000000", 403, "Forbidden", ""},
		{"messages of no number", "GET /workers/messages?user_id=x", "", owner, 403, "Forbidden", ""},
		{"an unknown message", "GET /workers/messages/" + nobody, "", "-", 404, "WorkermessageNotFound", ""},
		{"deleting a message without a key", "DELETE /workers/messages/" + nobody, "", "-", 400, "", "apikey"},
		{"deleting an unknown message", "DELETE /workers/messages/" + nobody, "", owner, 404, "WorkermessageNotFound", ""},
		{"deleting a message of no ID", "DELETE /workers/messages/x", "", owner, 404, "WorkermessageNotFound", ""},
		{"a wrong method", "PATCH /workers/messages", "", owner, 405, "", ""},
	} {
		method, path, _ := strings.Cut(c.call, " ")
		var head []string
		if c.key != "-" {
			head = []string{"apikey", c.key}
		}
		got := h.send(t, method, "/api/v2"+path, c.body, head...)
		e := got.refusal(t)
		if _, there := e.Errors[c.field]; got.status != c.status || e.RC != c.rc || there != (c.field != "") {
			t.Errorf("%s: got %d %q, want %d %q", c.what, got.status, e.RC, c.status, c.rc)
		}
		if strings.Contains(string(got.body), word) {
			t.Errorf("%s: the refusal repeats the word", c.what)
		}
	}
}

func TestTheDecoyOfAPausedWorkerLooksLikeAJob(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, asker := h.account(t, "asker", 0, 1000)
	_, owner := h.account(t, "owner", 0, 0)
	_, mod := h.account(t, "moderator", horde.RoleModerator, 0)
	dreamer := h.client(t, owner)
	if _, err := dreamer.Pop(t.Context(), offer("dreamer", "tiny"), 0); err != nil {
		t.Fatal(err)
	}
	worker, _ := h.WorkerByName("dreamer")
	if got := h.send(t, "PUT", "/api/v2/workers/"+worker.ID.String(), `{"paused": true}`, "apikey", mod); got.status != 200 {
		t.Fatalf("pausing gets %d %s", got.status, got.body)
	}
	queued, err := h.client(t, asker).Generate(t.Context(), wire.GenerateRequest{
		Prompt: "apple", Models: []string{"tiny"}, R2: new(true), Params: &wire.ImageParams{Width: 64, Height: 64},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, upload := range []bool{true, false} {
		o := offer("dreamer", "tiny")
		if i > 0 { // a second paused worker, since nobody gets the same decoy twice
			o.Name = "second"
			if _, err := dreamer.Pop(t.Context(), wire.PopRequest{Name: o.Name, Models: []string{"other"}}, 0); err != nil {
				t.Fatal(err)
			}
			w, _ := h.WorkerByName(o.Name)
			moderator, _ := h.UserByExternal("d_moderator")
			if _, err := engine.Do(t.Context(), h.Engine, horde.SetWorker{Worker: w.ID, By: moderator.ID, Paused: new(true)}); err != nil {
				t.Fatal(err)
			}
		}
		job, err := dreamer.Pop(t.Context(), o, 0)
		if err != nil || len(job.IDs) != 1 || job.Payload.Prompt != "apple" || job.R2Upload == nil || job.Model == nil {
			t.Fatalf("pop = %+v, %v, want what looks like a job", job, err)
		}
		result := b64(picture(t, 64))
		if upload {
			if err := dreamer.Upload(t.Context(), *job.R2Upload, "image/webp", picture(t, 64)); err != nil {
				t.Fatal(err)
			}
			result = wire.Uploaded
		}
		reward, err := dreamer.Submit(t.Context(), wire.SubmitRequest{ID: job.IDs[0], Generation: result, Seed: 1})
		if err != nil || reward <= 0 {
			t.Errorf("submit = %v, %v, want a reward on paper", reward, err)
		}
		if _, err := h.blobs.Open(t.Context(), job.IDs[0]+".webp"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the result is still there: %v", err)
		}
	}
	if check, err := h.client(t, asker).Check(t.Context(), queued.ID); err != nil || check.Waiting != 1 || check.Finished+check.Processing+check.Restarted != 0 {
		t.Errorf("the request is %+v, %v, want it untouched", check, err)
	}
	if w, _ := h.WorkerByName("dreamer"); w.Fulfilled != 0 || w.Generated != 0 {
		t.Errorf("the worker is %+v, want nothing counted", w)
	}
}

func TestAddressesOfWorkersAreJudged(t *testing.T) {
	t.Parallel()
	asked := make(chan netip.Addr, 16) // room for every call of the test
	verdict := horde.AddressUnsafe
	h := build(t, plan{options: apiv2.Options{Addresses: func(_ context.Context, a netip.Addr) horde.Address {
		asked <- a
		return verdict
	}}})
	_, owner := h.account(t, "owner", 0, 0)
	_, trusted := h.account(t, "trusted", horde.RoleTrusted, 0)
	pop := func(name, key string) string {
		t.Helper()
		return h.send(t, "POST", "/api/v2/generate/pop", `{"name": "`+name+`", "models": ["tiny"]}`, "apikey", key).refusalCode(t)
	}
	if rc := pop("a", owner); rc != "UnsafeIP" {
		t.Errorf("from an unsafe address: %q", rc)
	}
	if a := <-asked; !a.IsLoopback() {
		t.Errorf("judged %s, want the caller's address", a)
	}
	if rc := pop("b", trusted); rc != "" || len(asked) != 0 {
		t.Errorf("a trusted owner: %q after %d questions", rc, len(asked))
	}
	verdict = horde.AddressUnknown
	if rc := pop("a", owner); rc != "TooManyNewIPs" {
		t.Errorf("from an address that nobody knows: %q", rc)
	}
	verdict = horde.AddressSafe
	if rc := pop("a", owner); rc != "" {
		t.Errorf("from a safe address: %q", rc)
	}
}

// refusalCode is the code of a refusal, or nothing for a success.
func (a answer) refusalCode(t *testing.T) string {
	t.Helper()
	if a.status == 200 {
		return ""
	}
	return a.refusal(t).RC
}

func TestWhatIsSaidOfWorkersOfEachType(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	id, _ := h.account(t, "owner", horde.RoleTrusted|horde.RolePublicWorkers, 0)
	for kind, o := range map[horde.WorkerType]horde.Offer{
		horde.Dreamer:   {Name: "dreamer", Models: []string{"tiny"}, MaxPixels: 4096},
		horde.Scribe:    {Name: "scribe", Models: []string{"letters-7B"}, MaxLength: 80, MaxContext: 1024},
		horde.Alchemist: {Name: "alchemist", Forms: []string{"caption"}},
	} {
		if _, err := engine.Do(t.Context(), h.Engine, horde.Pop{Owner: id, Type: kind, Offer: o}); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	for name, fields := range map[string]struct{ has, lacks []string }{
		"dreamer":   {[]string{"models", "max_pixels", "img2img", "nsfw", "owner", "messages"}, []string{"forms", "max_length", "paused", "ipaddr"}},
		"scribe":    {[]string{"models", "max_length", "max_context_length", "nsfw"}, []string{"forms", "max_pixels", "img2img"}},
		"alchemist": {[]string{"forms"}, []string{"models", "max_pixels", "max_length"}},
	} {
		got := h.send(t, "GET", "/api/v2/workers/name/"+name, "")
		var w map[string]any
		if err := json.Unmarshal(got.body, &w); err != nil {
			t.Fatal(err)
		}
		for _, field := range fields.has {
			if _, there := w[field]; !there {
				t.Errorf("%s: %s is not in %s", name, field, got.body)
			}
		}
		for _, field := range fields.lacks {
			if _, there := w[field]; there {
				t.Errorf("%s: %s is in %s", name, field, got.body)
			}
		}
		unit := map[string]string{"dreamer": "megapixelsteps per second", "scribe": "tokens per second", "alchemist": "forms"}[name]
		if text, _ := w["performance"].(string); !strings.Contains(text, unit) {
			t.Errorf("%s: its performance reads %q", name, text)
		}
	}
	for query, want := range map[string]int{"": 3, "?type=text": 1, "?type=interrogation": 1, "?type=image": 1, "?type=other": 0, "?type=text&name=DREAMER": 1} {
		var all []wire.Worker
		got := h.send(t, "GET", "/api/v2/workers"+query, "")
		if err := json.Unmarshal(got.body, &all); err != nil || len(all) != want {
			t.Errorf("GET /workers%s lists %d, %v, want %d", query, len(all), err, want)
		}
	}
}

// TestTeamsAndMessagesThroughTheClient is one way through all of it with Go's own client.
func TestTeamsAndMessagesThroughTheClient(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, ownerKey := h.account(t, "owner", 0, 0)
	_, founderKey := h.account(t, "founder", horde.RoleTrusted, 0)
	owner, founder := h.client(t, ownerKey), h.client(t, founderKey)
	if _, err := owner.Pop(t.Context(), offer("dreamer", "tiny"), 0); err != nil {
		t.Fatal(err)
	}
	worker, err := owner.WorkerNamed(t.Context(), "dreamer")
	if err != nil {
		t.Fatal(err)
	}
	team, err := founder.NewTeam(t.Context(), wire.TeamChange{Name: new("Dreamers"), Info: new("we dream")})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := owner.ChangeWorker(t.Context(), worker.ID, wire.WorkerChange{Team: &team.ID, Name: new("dreamer two")}); err != nil || *got.Team != "Dreamers" || *got.Name != "dreamer two" {
		t.Errorf("ChangeWorker = %+v, %v", got, err)
	}
	if got, err := founder.ChangeTeam(t.Context(), team.ID, wire.TeamChange{Name: new("Sleepers")}); err != nil || *got.Name != "Sleepers" || got.Info != nil {
		t.Errorf("ChangeTeam = %+v, %v", got, err)
	}
	teams, err := owner.Teams(t.Context())
	if err != nil || len(teams) != 1 || teams[0].Name != "Sleepers" || len(teams[0].Workers) != 1 || teams[0].Workers[0].Name != "dreamer two" {
		t.Errorf("Teams = %+v, %v", teams, err)
	}
	message, err := owner.NewMessage(t.Context(), wire.MessageRequest{WorkerID: worker.ID, Message: "go on", Expiry: 1})
	if err != nil {
		t.Fatal(err)
	}
	o := offer("dreamer two", "tiny")
	if job, err := owner.Pop(t.Context(), o, 0); err != nil || len(job.Messages) != 1 || job.Messages[0].Message != "go on" || job.Messages[0].ID != message.ID {
		t.Errorf("Pop = %+v, %v, want the message", job, err)
	}
	if all, err := owner.Messages(t.Context()); err != nil || len(all) != 1 || all[0].WorkerID != worker.ID {
		t.Errorf("Messages = %+v, %v", all, err)
	}
	if err := errors.Join(
		owner.DeleteMessage(t.Context(), message.ID), founder.DeleteTeam(t.Context(), team.ID), owner.DeleteWorker(t.Context(), worker.ID),
	); err != nil {
		t.Error(err)
	}
	if all, err := owner.Workers(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("Workers = %+v, %v, want none", all, err)
	}
}
