// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"fmt"
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

// crash ends the process for good at the tripwire, and begins another, later.
func (r *rig) crash(later time.Duration) {
	r.t.Helper()
	r.eventually("the process ends in the middle", r.trip.tripped)
	r.p.stop()
	r.trip.disarm()
	r.jump(later)
	r.start()
}

// A party that was begun has its kudos as long as it lasts, and its rules are posted, wherever the process ended meanwhile;
// one that was not gives everything back.
func TestAPartyThatACrashInterruptsBeginsOrGivesBack(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		writes int
		later  time.Duration
		begun  bool
	}{
		"before its draft is gone":                {0, 2 * time.Hour, false},
		"before it is saved":                      {1, 2 * time.Hour, false},
		"before its purse lasts, for a moment":    {2, time.Minute, true},
		"before its purse lasts, until that ends": {2, 2 * time.Hour, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.login(sandbox.Newcomer, sandbox.Friend)
			ask := r.run(sandbox.Newcomer, "party start", map[string]any{
				"name": "Apples", "budget": 50, "award": 10, "prize": 20, "winner": "host",
			}).MessageID
			r.message(sandbox.Newcomer, ask, "are set aside until it ends")
			r.trip.arm(c.writes, chat.KindParty, chat.KindPartyDraft)
			r.click(sandbox.Newcomer, ask, "Begin")
			r.crash(c.later)
			if !c.begun {
				r.balance(sandbox.Newcomer, start)
				return
			}
			threads := r.sand.Threads(sandbox.ChannelID)
			thread := threads[len(threads)-1]
			r.inThread(sandbox.Friend, thread, "Welcome!", "Apples", "Prize for the favourite: 20 kudos")
			r.jump(2 * time.Hour)
			r.worker(nil)
			r.entry(sandbox.Friend, thread, "1")
			r.inThread(sandbox.Friend, thread, "10 kudos as a reward; 20 are left")
			r.balance(sandbox.Newcomer, start-50*kudos.One)
		})
	}
}

// Whatever a party's end was at when the process ended, everybody has what they should in the end.
func TestAPartyEndsOnceWhereverACrashInterruptsIt(t *testing.T) {
	t.Parallel()
	for writes := range 6 { // its end, the favourite, what goes back, who won, that it was told, that it is over
		t.Run(fmt.Sprintf("after %d writes", writes), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.login(sandbox.Newcomer, sandbox.Friend)
			r.worker(nil)
			thread := r.party(sandbox.Newcomer, map[string]any{"name": "Apples", "budget": 50, "award": 10, "prize": 20, "winner": "emoji"})
			r.react(sandbox.Admin, r.entry(sandbox.Friend, thread, "1"), "❤️")
			r.inThread(sandbox.Friend, thread, "10 kudos as a reward")
			ask := r.runIn(sandbox.Newcomer, thread, "party end", nil).MessageID
			r.trip.arm(writes, chat.KindParty, chat.KindPartyWins)
			r.click(sandbox.Newcomer, ask, "End it")
			r.crash(73 * time.Hour)
			r.inThread(sandbox.Friend, thread, "Apples** is over", "The favourite picture: Entry 1 by", "the prize of 20 kudos", "Rewards for entries: 10 kudos", "20 kudos go back")
			r.eventually("it is written down that they are told", func() bool {
				var p chat.Party
				r.readDoc(chat.KindParty, thread, &p)
				return p.Told
			})
			r.restart(2 * time.Minute)
			r.eventually("the purse is closed", func() bool { return len(r.p.engine.Purses(r.user(sandbox.Newcomer).ID)) == 0 })
			if got := r.user(sandbox.Friend).Details.Received; got != 30*kudos.One {
				t.Errorf("the guest received %s, want 30", got)
			}
			r.balance(sandbox.Newcomer, start-30*kudos.One)
			if n := r.count(thread, "Apples** is over. Entries"); n != 1 {
				t.Errorf("the results are told %d times", n)
			}
			var won chat.PartyWins
			r.readDoc(chat.KindPartyWins, sandbox.GuildID+":"+sandbox.Friend, &won)
			if won.Count != 1 {
				t.Errorf("%d parties are won, want 1", won.Count)
			}
		})
	}
}
