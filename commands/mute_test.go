// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"stablemate/internal/sandbox"
)

// edits counts the edits of a message that Discord was asked for, by interaction token and by the token of the bot.
func (r *rig) edits(id string) (byToken, byBot int) {
	for _, e := range r.sand.Log() {
		switch {
		case e.Kind != "rest" || !strings.Contains(e.Title, id):
		case strings.HasPrefix(e.Title, "PATCH /webhooks/"):
			byToken++
		case strings.HasPrefix(e.Title, "PATCH /channels/"):
			byBot++
		}
	}
	return byToken, byBot
}

// glance makes the bot look at all messages that are due after a while.
func (r *rig) glance(later time.Duration) {
	r.t.Helper()
	r.jump(later)
	id := r.generate(sandbox.Friend, nil)
	r.eventually("another message is looked at", func() bool {
		byToken, byBot := r.edits(id)
		return byToken+byBot > 0
	})
}

func TestProgressThatDiscordRefusesIsNotTriedForEver(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int{
		"no permission": 50013, "no access": 50001, "an archived thread": 50083, "a malformed body": 50035,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.sand.Arm(sandbox.Fault{Kind: sandbox.Expired, Method: http.MethodPatch, Path: "/webhooks/", Times: -1})
			r.sand.Arm(sandbox.Fault{Kind: sandbox.Refused, Code: code, Method: http.MethodPatch, Path: "/channels/", Times: -1})
			id := r.generate(sandbox.Newcomer, nil)
			r.eventually("the progress is refused", func() bool { _, n := r.edits(id); return n > 0 })
			for range 3 {
				r.glance(time.Minute)
			}
			time.Sleep(quiet)
			if byToken, byBot := r.edits(id); byToken != 1 || byBot != 1 {
				t.Errorf("tried %d times with a dead token and %d times without permission, want once each", byToken, byBot)
			}
			r.sand.Disarm()
			r.worker(nil)
			r.result(sandbox.Newcomer, id, 1)
		})
	}
}

func TestADeadTokenIsUsedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Expired, Method: http.MethodPatch, Path: "/webhooks/", Times: -1})
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "No worker is online")
	gate := make(chan struct{})
	r.worker(gate)
	r.jump(10 * time.Second)
	r.message(sandbox.Newcomer, id, "Being made")
	close(gate)
	r.result(sandbox.Newcomer, id, 1)
	r.eventually("three edits without the dead token are on record", func() bool { _, byBot := r.edits(id); return byBot >= 3 })
	if byToken, _ := r.edits(id); byToken != 1 {
		t.Errorf("%d edits with the dead token, want 1", byToken)
	}
}

func TestProgressWithoutTheWordsThatAGuildForbids(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int{"words": 200000, "links": 240000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.sand.Arm(sandbox.Fault{Kind: sandbox.Refused, Code: code, Method: http.MethodPatch, Path: "/webhooks/"})
			id := r.generate(sandbox.Newcomer, nil)
			r.eventually("the progress is refused", func() bool { n, _ := r.edits(id); return n > 0 })
			m := r.message(sandbox.Newcomer, id, "No worker is online", "does not allow the words")
			if strings.Contains(m.Content, "apple") {
				t.Errorf("the message shows %q", m.Content)
			}
			r.worker(nil)
			m = r.result(sandbox.Newcomer, id, 1)
			if strings.Contains(m.Content, "apple") || strings.Contains(m.Attachments[0].Description, "apple") {
				t.Errorf("the result shows %+v", m)
			}
		})
	}
}

// A locked thread cannot be opened by posting in it.
func TestAResultOfALockedThreadComesDirectly(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	gate := make(chan struct{})
	r.worker(gate)
	id := r.runIn(sandbox.Newcomer, sandbox.ThreadID, "generate", map[string]any{"prompt": "red apple"}).MessageID
	r.message(sandbox.Newcomer, id, "Being made")
	for _, method := range []string{http.MethodPatch, http.MethodPost} {
		path := "/messages"
		if method == http.MethodPost {
			path = sandbox.ThreadID + path
		}
		r.sand.Arm(sandbox.Fault{Kind: sandbox.Refused, Code: 50083, Method: method, Path: path, Times: -1})
	}
	close(gate)
	r.see(sandbox.Newcomer, "the image", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && len(m.Attachments) == 1
	})
}

// Nobody knows whether a message arrived when every answer is lost: the result comes once all the same.
func TestAResultComesDirectlyOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code    int
		channel string
	}{
		"as a direct message":         {50013, sandbox.DMChannel(sandbox.Newcomer)},
		"anew, as the message is old": {30046, sandbox.ChannelID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			gate := make(chan struct{})
			r.worker(gate)
			id := r.generate(sandbox.Newcomer, nil)
			r.message(sandbox.Newcomer, id, "Being made")
			r.sand.Arm(sandbox.Fault{Kind: sandbox.Refused, Code: c.code, Method: http.MethodPatch, Times: -1})
			r.sand.Arm(sandbox.Fault{Kind: sandbox.CutAnswer, Method: http.MethodPost, Path: c.channel + "/messages", Times: 5}) // as often as one sending tries
			close(gate)
			r.closed()
			shown := 0
			for _, m := range r.sand.Messages(c.channel, sandbox.Newcomer) {
				if m.ID != id && len(m.Attachments) > 0 {
					shown++
				}
			}
			if shown != 1 {
				t.Errorf("the result is shown %d times", shown)
			}
		})
	}
}
