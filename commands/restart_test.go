// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"strings"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/internal/sandbox"
)

func TestARestartContinuesTheSameMessage(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		options map[string]any
		later   time.Duration
	}{
		"soon, with the interaction token":                  {nil, 0},
		"after the token's life, with the token of the bot": {nil, 16 * time.Minute},
		"a private one, with the interaction token":         {map[string]any{"private": true}, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			gate := make(chan struct{})
			r.worker(gate)
			id := r.generate(sandbox.Newcomer, c.options)
			r.message(sandbox.Newcomer, id, "Being made")
			r.restart(c.later) // the image that was being made is lost with its worker's process
			r.worker(nil)
			r.jump(horde.MinJobTTL + time.Second) // so the core takes it back and hands it out anew
			r.result(sandbox.Newcomer, id, 1)
			if n := len(r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer)); n != 1 {
				t.Errorf("there are %d messages, want 1", n)
			}
			if n := r.user(sandbox.Newcomer).Image.Requests; n != 1 {
				t.Errorf("%d requests were made, want 1", n)
			}
		})
	}
}

func TestAResultThatWasNotShownBeforeTheRestartIsShownAfterIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	gate := make(chan struct{})
	r.worker(gate)
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "Being made")
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Status, Code: 503, Method: "PATCH", Times: -1}) // Discord is away
	gate <- struct{}{}
	r.eventually("the image is made", func() bool { return r.user(sandbox.Newcomer).Image.UsageThings > 0 })
	r.p.stop()
	r.sand.Disarm()
	r.start()
	r.result(sandbox.Newcomer, id, 1)
}

// A private message is out of reach when its token ended while the process was away: the person hears of it all the same.
func TestAPrivateResultAfterALongRestartComesAsADirectMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"private": true})
	r.message(sandbox.Newcomer, id, "No worker is online")
	r.restart(16 * time.Minute)
	time.Sleep(100 * time.Millisecond) // in which it could be given up
	r.worker(nil)
	r.see(sandbox.Newcomer, "the image", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && len(m.Attachments) == 1
	})
	if seen := r.sand.Messages(sandbox.ChannelID, sandbox.Friend); len(seen) > 0 {
		t.Errorf("somebody else sees %+v", seen)
	}
}

// What the core has forgotten while nobody was here may have been made: nothing false is said about it.
func TestARequestThatEndedWhileWeWereAwayIsSaidToBeGone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "No worker is online")
	r.restart(horde.RequestTTL + time.Minute)
	r.message(sandbox.Newcomer, id, "this request is gone")
}

// Somebody tidies up while an image is made: it is paid for, and is in the history.
func TestARequestWhoseMessageIsDeletedIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	gate := make(chan struct{})
	r.worker(gate)
	id := r.generate(sandbox.Newcomer, map[string]any{"amount": 2})
	r.message(sandbox.Newcomer, id, "being made")
	if err := r.sand.Delete(id); err != nil {
		t.Fatal(err)
	}
	gate <- struct{}{} // the next progress finds no message
	r.jump(10 * time.Second)
	gate <- struct{}{}
	r.closed()
	if keys := r.madeBy(sandbox.Newcomer); len(keys) != 2 {
		t.Errorf("the history has the images %q", keys)
	}
	if strings.Contains(r.logs.String(), "panicked") {
		t.Error("following it panicked")
	}
}

// The process may die after the row was written and before the core was asked, or right after: the row has no request
// then. The row's key makes both one request.
func TestACrashAroundTheRequestMakesOneRequest(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		forget bool // the core never heard of it
		later  time.Duration
		want   string
		made   int64
	}{
		"the core had it":                 {false, 0, "", 1},
		"the core never heard of it":      {true, 0, "", 2}, // one of them is the trial that made the row
		"too long ago for anyone to tell": {true, horde.RequestTTL + time.Minute, "this request is gone", 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			id := r.generate(sandbox.Newcomer, nil)
			r.message(sandbox.Newcomer, id, "No worker is online")
			rows, err := r.p.store.OpenMessages(r.ctx())
			if err != nil || len(rows) != 1 {
				t.Fatalf("open rows: %v %v", rows, err)
			}
			row := rows[0]
			if c.forget {
				r.click(sandbox.Newcomer, id, "Cancel")
				r.message(sandbox.Newcomer, id, "Cancelled by")
				r.closed() // nobody else writes the row from now on
				r.jump(horde.RequestTTL + time.Minute)
				r.eventually("the core has forgotten it", func() bool {
					return len(r.p.engine.RequestsOf(r.user(sandbox.Newcomer).ID)) == 0
				})
				row.Created = r.now()
			}
			row.Request, row.Open = "", true
			if err := r.p.store.SaveMessage(r.ctx(), row); err != nil {
				t.Fatal(err)
			}
			r.restart(c.later)
			r.worker(nil)
			if c.want != "" {
				r.message(sandbox.Newcomer, id, c.want)
			} else {
				r.result(sandbox.Newcomer, id, 1)
			}
			if n := r.user(sandbox.Newcomer).Image.Requests; n != c.made {
				t.Errorf("%d requests were made, want %d", n, c.made)
			}
		})
	}
}

// Discord may send an event twice, after a lost connection for example.
func TestACommandThatArrivesTwiceIsOneRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Duplicate})
	id := r.generate(sandbox.Newcomer, nil)
	r.worker(nil)
	r.result(sandbox.Newcomer, id, 1)
	if n := r.user(sandbox.Newcomer).Image.Requests; n != 1 {
		t.Errorf("%d requests were made, want 1", n)
	}
	if n := len(r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer)); n != 1 {
		t.Errorf("there are %d messages, want 1", n)
	}
}
