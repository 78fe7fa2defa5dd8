// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/commands/chat"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

// mute keeps the bot from saying anything, but for acknowledgements.
func (r *rig) mute() {
	for _, f := range []sandbox.Fault{
		{Method: http.MethodPatch, Path: "/webhooks/"}, {Method: http.MethodPost, Path: "/webhooks/"}, {Method: http.MethodPost, Path: "/users/@me/channels"},
	} {
		f.Kind, f.Code, f.Times = sandbox.Status, 503, -1
		r.sand.Arm(f)
	}
}

// large begins a gift that is asked back and returns the question.
func (r *rig) large(amount int) sandbox.Message {
	r.t.Helper()
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Friend, "amount": amount})
	return r.whisper(sandbox.Newcomer, "to <@"+sandbox.Friend+">?")
}

func rich(o *commands.Options) { o.Welcome = 5000 * kudos.One }

func TestAGiftThatMovedIsNotToldAsAFailure(t *testing.T) {
	t.Parallel()
	r := newRig(t, rich)
	r.login(sandbox.Newcomer, sandbox.Friend)
	had := r.user(sandbox.Friend).Balance
	sure := r.large(1500)
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Forbidden, Method: http.MethodPatch, Path: "/webhooks/"})
	r.click(sandbox.Newcomer, sure.ID, "Give")
	r.see(sandbox.Newcomer, "word of the gift", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && holds(m, []string{"gave <@" + sandbox.Friend + "> **1500 kudos**"})
	})
	r.balance(sandbox.Friend, had+1500*kudos.One)
	for _, m := range r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer) {
		if strings.Contains(m.Content, "went wrong") {
			t.Errorf("a failure is told: %q", m.Content)
		}
	}
}

func TestAGiftThatIsConfirmedTwiceIsToldOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, rich)
	r.login(sandbox.Newcomer, sandbox.Friend)
	had := r.user(sandbox.Friend).Balance
	sure := r.large(1500)
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Slow, Path: "/callback", Times: 2, Delay: 400 * time.Millisecond})
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			if _, err := r.sand.Click(r.ctx(), sandbox.Newcomer, sure.ID, "Give"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	r.message(sandbox.Newcomer, sure.ID, "Done.")
	r.balance(sandbox.Friend, had+1500*kudos.One)
	r.eventually("both are answered", func() bool {
		docs, err := r.p.store.DocsOfPerson(r.ctx(), chat.KindGiftOrder, sandbox.Newcomer)
		return err == nil && len(docs) == 0
	})
	r.stays(sandbox.Friend, had+1500*kudos.One)
	if n := r.count(sandbox.ChannelID, "gave <@"+sandbox.Friend+">"); n != 1 {
		t.Errorf("the gift is told %d times", n)
	}
}

// count counts the messages of a channel that hold one of some texts.
func (r *rig) count(channel string, texts ...string) (n int) {
	for _, m := range r.sand.Messages(channel, sandbox.Admin) {
		for _, text := range texts {
			if strings.Contains(m.Content, text) {
				n++
				break
			}
		}
	}
	return n
}

func TestAGiftThatARestartBreaksOffIsToldAfterIt(t *testing.T) {
	t.Parallel()
	t.Run("the answer can be reached", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		r.login(sandbox.Friend, sandbox.Newcomer)
		r.mute()
		id := r.run(sandbox.Newcomer, "kudos gift", map[string]any{"user": sandbox.Friend, "amount": 40}).MessageID
		r.balance(sandbox.Friend, start+40*kudos.One)
		r.p.stop()
		r.sand.Disarm()
		r.start()
		r.message(sandbox.Newcomer, id, "gave <@"+sandbox.Friend+"> **40 kudos**")
		r.stays(sandbox.Friend, start+40*kudos.One)
	})
	t.Run("its token has ended", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, rich)
		r.login(sandbox.Newcomer, sandbox.Friend)
		had := r.user(sandbox.Friend).Balance
		sure := r.large(1500)
		r.mute()
		r.click(sandbox.Newcomer, sure.ID, "Give")
		r.balance(sandbox.Friend, had+1500*kudos.One)
		r.p.stop()
		r.sand.Disarm()
		r.jump(20 * time.Minute)
		r.start()
		r.see(sandbox.Newcomer, "word of the gift", func(m sandbox.Message) bool {
			return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && holds(m, []string{"gave <@" + sandbox.Friend + "> **1500 kudos**"})
		})
		r.stays(sandbox.Friend, had+1500*kudos.One)
	})
	t.Run("the kudos had not moved yet", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		r.login(sandbox.Friend, sandbox.Newcomer)
		o := chat.GiftOrder{
			Draft: chat.GiftDraft{Person: sandbox.Newcomer, To: sandbox.Friend, Amount: int64(40 * kudos.One)}, Guild: sandbox.GuildID,
			Made: r.now(), Due: r.now().Add(time.Minute),
		}
		r.put(chat.Doc{Kind: chat.KindGiftOrder, Key: "123", Person: sandbox.Newcomer, Due: o.Due}, o)
		r.restart(time.Second)
		r.see(sandbox.Newcomer, "word that nothing was given", func(m sandbox.Message) bool {
			return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && holds(m, []string{"gift of **40 kudos** to <@" + sandbox.Friend + "> did not happen"})
		})
		r.stays(sandbox.Friend, start)
	})
}

// put writes a document that another process may have left.
func (r *rig) put(d chat.Doc, value any) {
	r.t.Helper()
	var err error
	if d.Value, err = json.Marshal(value); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.p.store.SaveDoc(r.ctx(), d); err != nil {
		r.t.Fatal(err)
	}
}

func TestOneGiftToARoleThatDoesNotGetOnStallsNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Welcome = 1000 * kudos.One })
	r.login(sandbox.Admin, sandbox.Friend)
	r.known(sandbox.Friend)
	if err := r.p.bot.AddRole(r.ctx(), sandbox.GuildID, sandbox.Friend, sandbox.RoleWorker, "test"); err != nil {
		t.Fatal(err)
	}
	long := r.now().Add(-time.Hour)
	for key, g := range map[string]chat.RoleGift{
		"1": {Guild: "999999999999999999", Stage: chat.RoleLooking, Look: []string{sandbox.Newcomer, sandbox.Friend}}, // we have left it
		"2": {Guild: sandbox.GuildID, Stage: chat.RoleGiving, To: []string{sandbox.Friend}, Given: -1},                // a row that makes us panic
	} {
		g.Person, g.Due, g.Created = sandbox.Newcomer, long, long
		r.put(chat.Doc{Kind: chat.KindRoleGift, Key: key, Due: long}, g)
	}
	had := r.user(sandbox.Friend).Balance
	r.run(sandbox.Admin, "kudos giftrole", map[string]any{"role": sandbox.RoleWorker, "amount": 30})
	m := r.see(sandbox.Newcomer, "a preview", func(m sandbox.Message) bool { return holds(m, []string{"give 30 kudos to one person"}) })
	r.click(sandbox.Admin, m.ID, "Give")
	r.balance(sandbox.Friend, had+30*kudos.One)
	r.eventually("who is in a guild without us is no member", func() bool {
		_, found, err := r.p.store.Doc(r.ctx(), chat.KindRoleGift, "1")
		return err == nil && !found
	})
	if !strings.Contains(r.logs.String(), "a gift to a role panicked") {
		t.Error("the panic is not logged")
	}
}

// readDoc reads a document that is there.
func (r *rig) readDoc(kind chat.DocKind, key string, into any) {
	r.t.Helper()
	d, found, err := r.p.store.Doc(r.ctx(), kind, key)
	if err != nil || !found {
		r.t.Fatalf("read %s %s: %v, %v", kind, key, found, err)
	}
	if err := json.Unmarshal(d.Value, into); err != nil {
		r.t.Fatal(err)
	}
}
