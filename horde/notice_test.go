// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

// abuse is what a worker says about an image that shows it.
func abuse() []horde.Meta { return []horde.Meta{{Type: horde.MetaCensorship, Value: horde.MetaCSAM}} }

// report lets somebody ask for an image, and the owner's worker report it.
func (w *world) report(n horde.NewImage) {
	w.t.Helper()
	do(w, horde.Enqueue{NewImage: n})
	o := offer("gpu")
	o.BridgeAgent, o.Lora = "AI Horde Worker reGen:13:x", true
	job := do(w, horde.Pop{Owner: w.owner, Offer: o, Amount: 1})
	do(w, horde.Submit{Owner: w.owner, Generation: job.Generations[0], Blob: "x", Meta: abuse()})
}

// topics lists what operators were told, in order.
func (w *world) topics() (out []horde.NoticeTopic) {
	for _, n := range w.s.Notices(0) {
		out = append(out, n.Topic)
	}
	return out
}

func TestOperatorsHearOfAWorkerThatBecomesSuspicious(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asker := w.user("asker", kudos.Whole(1_000_000))
	worker := w.pop("gpu").Worker
	for range horde.MaxSuspicion + 1 {
		if n := w.s.Notices(0); len(n) > 0 && w.s.Notices(n[0].ID) != nil {
			t.Fatalf("told twice: %+v", n)
		}
		n := apple(asker)
		n.Image.Width, n.Image.Height, n.Image.Steps = 512, 512, 500
		do(w, horde.Enqueue{NewImage: n})
		job := w.pop("gpu")
		if len(job.Generations) == 0 {
			break
		}
		w.now = w.now.Add(time.Second)
		do(w, horde.Submit{Owner: w.owner, Generation: job.Generations[0], Blob: "x"})
	}
	got := w.s.Notices(0)
	if len(got) != 1 || got[0].Topic != horde.NoticeWorkerPaused || got[0].Worker != worker || got[0].User != w.owner ||
		!strings.Contains(got[0].Text, `"gpu"`) || !strings.Contains(got[0].Text, "faster than any machine") {
		t.Fatalf("operators were told %+v", got)
	}
	if back := restored(t, w, horde.Settings{}).Notices(0); len(back) != 1 || back[0] != got[0] {
		t.Errorf("after a restart operators read %+v, want %+v", back, got)
	}
	w.pass(horde.NoticeKept + 2*time.Hour)
	if left := w.topics(); len(left) != 0 {
		t.Errorf("after a month operators still read %v", left)
	}
}

func TestOperatorsHearOfManyReportedImages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asker := w.user("asker", kudos.Whole(1_000_000))
	n := apple(asker)
	n.Origin = address("8.8.8.8")
	n.Image.Loras = []horde.Lora{{Name: "wool\x1b", Model: 1, Clip: 1}}
	for range horde.ReportsAnHour {
		w.report(n)
	}
	if got := w.topics(); len(got) != 0 {
		t.Fatalf("told of %v too early", got)
	}
	for range 5 {
		w.report(n)
	}
	got := w.s.Notices(0)
	if len(got) != 2 || !strings.Contains(got[0].Text, "the account asker#2") || !strings.Contains(got[1].Text, "the address 8.8.8.8") {
		t.Fatalf("told %+v, want once of the account and once of the address", got)
	}
	kept := w.s.Rejected()
	if len(kept) != 1 || kept[0].Prompt != "red apple" || !strings.HasSuffix(kept[0].Reason, `LoRAs "wool\x1b"`) {
		t.Errorf("operators find %+v, want the prompt once", kept)
	}
	if st := w.s.TimedOut(n.Origin, w.now); st != 0 {
		t.Errorf("the address is barred for %s: reports alone bar nobody", st)
	}
	w.now = w.now.Add(time.Hour)
	for range horde.ReportsAnHour + 1 {
		w.report(n)
	}
	if got := w.topics(); len(got) != 4 {
		t.Errorf("told %v, want the account and the address again in the next hour", got)
	}
	// The sum of a day is told even when no hour holds enough.
	for range 3 {
		w.now = w.now.Add(time.Hour)
		for range horde.ReportsAnHour {
			w.report(n)
		}
	}
	if got := w.topics(); len(got) != 6 {
		t.Errorf("told %v, want the day as well", got)
	}
}

func TestReportsFallOnWhomeverTheyAreAbout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	service := w.special(w.user("service", kudos.Whole(1_000_000)), horde.RoleService)
	moderator := w.special(w.user("moderator", kudos.Whole(1_000_000)), horde.RoleModerator)
	for i := range horde.ReportsAnHour + 1 {
		n := apple(service)
		n.Proxied = fmt.Sprintf("person %d", i%2)
		w.report(n)
		w.report(apple(moderator))
		w.report(apple(horde.Anonymous))
	}
	if got := w.topics(); len(got) != 0 {
		t.Errorf("told %v of two people, a moderator and everybody", got)
	}
	for range horde.ReportsAnHour {
		n := apple(service)
		n.Proxied = "person 1"
		w.report(n)
	}
	if got := w.s.Notices(0); len(got) != 1 || !strings.Contains(got[0].Text, `"person 1" of service#`) {
		t.Errorf("told %+v, want one proxied account", got)
	}
}

func TestOperatorsHearOfAServiceWhosePromptsAreRefused(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	service := f.user("bot", horde.RoleService)
	ask := func(n *horde.NewImage) {
		n.User, n.Service, n.Origin, n.KeepPrompt = service, service, origin.Origin{}, true
	}
	reject := func(times int) {
		t.Helper()
		for range times {
			if _, _, err := attempt(f, f.ask("a quimp, flarn", ask)); codeOf(err) != horde.CodeCorruptPrompt {
				t.Fatalf("refused with %v", err)
			}
		}
	}
	reject(horde.ProxyStrikes)
	if got := f.s.Notices(0); len(got) != 0 {
		t.Fatalf("told %+v too early", got)
	}
	reject(5)
	got := f.s.Notices(0)
	if len(got) != 1 || got[0].Topic != horde.NoticeProxy || got[0].User != service || strings.Contains(got[0].Text, "quimp") {
		t.Errorf("told %+v, want once, without the prompt", got)
	}
}
