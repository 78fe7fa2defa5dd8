// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"strings"
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/internal/sandbox"
)

// leave takes the bot out of the second guild, and waits until it knows.
func (r *rig) leave() {
	r.t.Helper()
	if err := r.sand.Leave(sandbox.OtherGuildID, sandbox.BotID); err != nil {
		r.t.Fatal(err)
	}
	r.eventually("it is noted that the guild was left", func() bool {
		_, found, err := r.p.store.Doc(r.ctx(), chat.KindLeft, sandbox.OtherGuildID)
		return err == nil && found
	})
}

// join brings it back, and waits until it knows.
func (r *rig) join() {
	r.t.Helper()
	if err := r.sand.Join(sandbox.OtherGuildID, sandbox.BotID); err != nil {
		r.t.Fatal(err)
	}
	r.eventually("it is noted that the guild is there", func() bool {
		_, left, err := r.p.store.Doc(r.ctx(), chat.KindLeft, sandbox.OtherGuildID)
		return err == nil && !left && r.p.bot.InGuild(sandbox.OtherGuildID)
	})
}

// hellos counts the greetings that Admin sees in a channel.
func (r *rig) hellos(channel string) (n int) {
	for _, m := range r.sand.Messages(channel, sandbox.Admin) {
		if strings.Contains(m.Content, "The Paddock") {
			if lines := strings.Split(m.Content, "\n"); len(lines) != 3 {
				r.t.Errorf("the greeting has %d lines: %q", len(lines), m.Content)
			}
			n++
		}
	}
	return n
}

func TestANewGuildIsGreetedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.leave()
	if err := r.sand.SetSystemChannel(sandbox.OtherGuildID, sandbox.OtherChannelID); err != nil {
		t.Fatal(err)
	}
	r.join()
	r.see(sandbox.Admin, "the greeting", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.OtherChannelID && holds(m, []string{"The Paddock", "Danke", "</serverconfig panel:", "</help:"})
	})
	// Neither a restart, nor an outage, nor coming back is new.
	r.restart(time.Minute)
	for _, down := range []bool{true, false} {
		if err := r.sand.GuildOutage(sandbox.OtherGuildID, down); err != nil {
			t.Fatal(err)
		}
	}
	r.leave()
	r.join()
	r.restart(time.Minute)
	r.runIn(sandbox.Admin, sandbox.OtherChannelID, "about", nil)
	if n := r.hellos(sandbox.OtherChannelID) + r.hellos(sandbox.DMChannel(sandbox.Admin)); n != 1 {
		t.Errorf("greeted %d times", n)
	}
}

func TestWhoAddedTheBotIsGreetedWhereThatIsKnown(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.leave()
	if err := r.sand.SetSystemChannel(sandbox.OtherGuildID, sandbox.OtherChannelID); err != nil {
		t.Fatal(err)
	}
	for _, role := range r.sand.GuildRoles(sandbox.OtherGuildID) {
		if role.Name == "Stablemate" {
			role.Permissions |= 1 << 7 // it may read the audit log
			if _, err := r.sand.SetRole(sandbox.OtherGuildID, role); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Status, Code: 502, Method: "GET", Path: "/audit-logs", Times: -1}) // Discord is in trouble at first
	r.join()
	r.eventually("it is put off", func() bool {
		d, found, err := r.p.store.Doc(r.ctx(), chat.KindGreeting, sandbox.OtherGuildID)
		return err == nil && found && d.Due.After(r.now())
	})
	r.sand.Disarm()
	r.restart(2 * time.Minute)
	r.see(sandbox.Admin, "the greeting", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Admin) && holds(m, []string{"The Paddock"})
	})
	if n := r.hellos(sandbox.OtherChannelID); n != 0 {
		t.Errorf("the channel was greeted %d times as well", n)
	}
}

func TestAGuildWithoutAPlaceForItIsNotGreeted(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.leave()
	r.join()
	r.eventually("it is noted", func() bool {
		d, found, err := r.p.store.Doc(r.ctx(), chat.KindGreeting, sandbox.OtherGuildID)
		return err == nil && found && d.Due.IsZero()
	})
	if n := r.hellos(sandbox.OtherChannelID) + r.hellos(sandbox.DMChannel(sandbox.Admin)); n != 0 {
		t.Errorf("greeted %d times", n)
	}
}
