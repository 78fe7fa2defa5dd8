// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

func TestOperatorsReadHowHealthyItIs(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.operator(sandbox.Admin)
	r.login(sandbox.Newcomer)
	r.message(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), "No worker is online") // one is followed
	r.sand.Arm(sandbox.Fault{Kind: sandbox.RateLimitedShared, Method: http.MethodPost, Path: "/users/@me/channels", Delay: time.Millisecond})
	if _, err := r.p.bot.DM(r.ctx(), sandbox.Friend, discord.Message{Content: "hello"}); err != nil {
		t.Fatal(err)
	}
	r.eventually("the first heartbeat is answered", func() bool { return r.p.bot.Stats().Gateway[0].Latency > 0 })
	r.run(sandbox.Admin, "operator stats", nil)
	r.whisper(sandbox.Admin, "Gateway ✅: 1 of 1 shards", "Shard 0 ✅: heartbeat answered in ", "Acknowledged: half within", "Edits: ", " 0 failed",
		"Rate limits (429): 0 user, 1 shared, 0 global, 0 by Discord's proxy", "Invalid requests: 0 within ten minutes", "1 messages followed",
		"Outbox: 0 results not shown yet", "Kudos reactions since the start: none")

	// A result that Discord does not take waits in the outbox.
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Status, Method: http.MethodPatch, Path: "/messages/", Code: 502, Times: -1})
	r.worker(nil)
	r.eventually("it waits", func() bool {
		out := r.run(sandbox.Admin, "operator stats", nil)
		for _, m := range r.sand.Messages(sandbox.ChannelID, sandbox.Admin) {
			if m.ID == out.MessageID && holds(m, []string{"Outbox: 1 results not shown yet"}) {
				return true
			}
		}
		return false
	})
	r.sand.Disarm()
}

// otherProgram reads or writes the commands that Discord has of all guilds, as if another program had the token.
func (r *rig) otherProgram(method string, list []map[string]any) []map[string]any {
	r.t.Helper()
	body, err := json.Marshal(list)
	if err != nil {
		r.t.Fatal(err)
	}
	address := r.sand.APIURL() + "/api/v10/applications/" + sandbox.BotID + "/commands?with_localizations=true"
	req, err := http.NewRequestWithContext(r.ctx(), method, address, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bot "+r.sand.Token())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "DiscordBot (https://example.org, 1) test")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%s commands: %d %v %s", method, resp.StatusCode, err, data)
	}
	var out []map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		r.t.Fatal(err)
	}
	return out
}

func TestReloadTellsWhatDiffered(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.operator(sandbox.Admin)
	puts := func() (n int) {
		for _, e := range r.sand.Log() {
			if e.Kind == "rest" && e.Status != "check" && strings.HasPrefix(e.Title, "PUT /applications/") {
				n++
			}
		}
		return n
	}
	begun := puts()
	count := strconv.Itoa(len(r.otherProgram(http.MethodGet, nil)))
	r.message(sandbox.Admin, r.run(sandbox.Admin, "operator reload", nil).MessageID, "all servers: "+count+" commands, nothing differed, nothing was sent.", "server `"+sandbox.GuildID+"`: 1 command, nothing differed")
	if n := puts(); n != begun || n == 0 {
		t.Errorf("commands were sent %d times, before %d", n, begun)
	}
	var list []map[string]any
	for _, c := range r.otherProgram(http.MethodGet, nil) {
		delete(c, "application_id")
		delete(c, "version")
		switch c["name"] {
		case "about":
			continue
		case "generate":
			c["description"] = "Something else"
			options := c["options"].([]any)     //nolint:forcetypeassert // ours
			size := options[4].(map[string]any) //nolint:forcetypeassert // as above
			if size["name"] != "size" {
				t.Fatalf("the option is %v", size)
			}
			size["max_length"] = 3
		}
		list = append(list, c)
	}
	list = append(list, map[string]any{"type": 1, "name": "old", "description": "gone since"})
	r.otherProgram(http.MethodPut, list)
	begun = puts()
	r.message(sandbox.Admin, r.run(sandbox.Admin, "operator reload", nil).MessageID, "all servers: "+count+" commands before, "+count+" now.", "1 added: `/about`", "1 removed: `/old`",
		"1 changed: `/generate (description, options.size.max_length)`")
	if n := puts(); n != begun+1 {
		t.Errorf("commands were sent %d times, before %d", n, begun)
	}
	r.message(sandbox.Admin, r.run(sandbox.Admin, "operator reload", nil).MessageID, "all servers: "+count+" commands, nothing differed")
	if n := puts(); n != begun+1 {
		t.Error("commands were sent again")
	}
	for _, c := range r.otherProgram(http.MethodGet, nil) {
		if c["name"] == "generate" && c["description"] == "Something else" {
			t.Error("the command is as it was")
		}
	}
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Forbidden, Method: http.MethodGet, Path: "/guilds/" + sandbox.GuildID + "/commands"})
	r.message(sandbox.Admin, r.run(sandbox.Admin, "operator reload", nil).MessageID, "❌ server `"+sandbox.GuildID+"`: Discord did not take the commands")
}
