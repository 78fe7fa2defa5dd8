// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
)

func texts(all []horde.Message) []string {
	out := make([]string, 0, len(all))
	for _, m := range all {
		out = append(out, m.Text)
	}
	return out
}

func TestMessagesToWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	moderator, stranger := w.staff("moderator", horde.RoleModerator), w.user("stranger", 0)
	id := w.pop("gpu").Worker
	for _, c := range []struct {
		what string
		op   horde.NewMessage
		want horde.Code
	}{
		{"by nobody", horde.NewMessage{By: 77, Worker: id, Text: "x"}, horde.CodeInvalidAPIKey},
		{"by everybody", horde.NewMessage{By: horde.Anonymous, Worker: id, Text: "x"}, horde.CodeAnonForbidden},
		{"to no worker", horde.NewMessage{By: moderator, Worker: horde.WorkerID{UUID: horde.UUID{9}}, Text: "x"}, horde.CodeWorkerNotFound},
		{"to somebody else's", horde.NewMessage{By: stranger, Worker: id, Text: "x"}, horde.CodeMessagesOnlyOwnWork},
		{"to all by an owner", horde.NewMessage{By: w.owner, Text: "x"}, horde.CodeMessagesOnlyOwnWork},
		{"empty", horde.NewMessage{By: moderator, Worker: id}, horde.CodeBadRequest},
		{"too long", horde.NewMessage{By: moderator, Text: strings.Repeat("ö", horde.MaxMessageRunes+1)}, horde.CodeBadRequest},
		{"of a long origin", horde.NewMessage{By: moderator, Text: "x", Origin: strings.Repeat("ö", 256)}, horde.CodeBadRequest},
		{"for more than a month", horde.NewMessage{By: moderator, Text: "x", Life: horde.MaxMessageLife + 1}, horde.CodeBadRequest},
		{"from the past", horde.NewMessage{By: moderator, Text: "x", Life: -1}, horde.CodeBadRequest},
		{"with NUL", horde.NewMessage{By: moderator, Text: "x\x00"}, horde.CodeNulByte},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("a message %s: got %v, want %s", c.what, err, c.want)
		}
	}
	all := do(w, horde.NewMessage{By: moderator, Text: "to all", Life: time.Hour})
	if all.Origin != horde.OriginModerators || !all.Broadcast() || !all.Expiry.Equal(w.now.Add(time.Hour)) {
		t.Errorf("the broadcast is %+v", all)
	}
	w.now = w.now.Add(time.Second)
	own := do(w, horde.NewMessage{By: w.owner, Worker: id, Text: "to mine", Origin: "the king"})
	if own.Origin != "1" || !own.Expiry.Equal(w.now.Add(horde.MessageLife)) {
		t.Errorf("the owner's message is %+v, want their number as its origin and 12 hours", own)
	}
	told := do(w, horde.NewMessage{By: moderator, Worker: id, Text: "to you", Origin: "the team", Life: horde.MaxMessageLife})
	if told.Origin != "the team" {
		t.Errorf("the moderator's message is from %q", told.Origin)
	}

	told1, told2 := []string{"to mine", "to you", "to all"}, []string{"to you", "to mine", "to all"}
	if got := texts(w.pop("gpu").Messages); !slices.Equal(got, told1) && !slices.Equal(got, told2) {
		t.Errorf("an idle pop tells %q", got)
	}
	if got := texts(w.pop("other gpu").Messages); !slices.Equal(got, []string{"to all"}) {
		t.Errorf("another worker is told %q", got)
	}
	do(w, horde.Enqueue{NewImage: apple(horde.Anonymous)})
	if job := w.pop("gpu"); len(job.Generations) == 0 || len(job.Messages) != 3 {
		t.Errorf("a pop with work tells %q", texts(job.Messages))
	}
	if got := texts(w.s.MessagesTo(id, w.now)); len(got) != 2 {
		t.Errorf("addressed to the worker: %q", got)
	}

	list := func(q horde.MessageQuery) []string {
		out := texts(w.s.Messages(q, w.now))
		slices.Sort(out)
		return out
	}
	for what, c := range map[string]struct {
		q    horde.MessageQuery
		want []string
	}{
		"all":                   {horde.MessageQuery{}, []string{"to all", "to mine", "to you"}},
		"those of the owner":    {horde.MessageQuery{Sender: &w.owner}, []string{"to all", "to mine"}},
		"those to the worker":   {horde.MessageQuery{Worker: &id, Sender: &moderator}, []string{"to all", "to you"}},
		"those to no worker":    {horde.MessageQuery{Worker: &horde.WorkerID{UUID: horde.UUID{9}}}, []string{"to all"}},
		"those that expired":    {horde.MessageQuery{Validity: horde.MessagesExpired}, []string{}},
		"the second page":       {horde.MessageQuery{Page: 2}, []string{}},
		"a page beyond measure": {horde.MessageQuery{Page: 1 << 62}, []string{}},
		"page zero":             {horde.MessageQuery{Page: 0}, []string{"to all", "to mine", "to you"}},
	} {
		if diff := cmp.Diff(c.want, list(c.q)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	if diff := cmp.Diff(w.s.Messages(horde.MessageQuery{}, w.now), w.reloaded().Messages(horde.MessageQuery{}, w.now)); diff != "" {
		t.Errorf("after a restart (-before +after):\n%s", diff)
	}

	// They expire, can be read for a while, and leave.
	w.pass(time.Hour)
	if got := texts(w.pop("other gpu").Messages); len(got) != 0 {
		t.Errorf("an expired message is told: %q", got)
	}
	if diff := cmp.Diff([]string{"to all"}, list(horde.MessageQuery{Validity: horde.MessagesExpired})); diff != "" {
		t.Errorf("expired (-want +got):\n%s", diff)
	}
	w.pass(horde.MessageKept)
	if diff := cmp.Diff([]string{"to mine", "to you"}, list(horde.MessageQuery{Validity: horde.MessagesAll})); diff != "" {
		t.Errorf("later (-want +got):\n%s", diff)
	}

	for _, c := range []struct {
		what string
		op   horde.DeleteMessage
		want horde.Code
	}{
		{"none", horde.DeleteMessage{By: moderator}, horde.CodeMessageNotFound},
		{"by nobody", horde.DeleteMessage{Message: own.ID, By: 77}, horde.CodeInvalidAPIKey},
		{"by a stranger", horde.DeleteMessage{Message: own.ID, By: stranger}, horde.CodeForbidden},
		{"a moderator's by the owner", horde.DeleteMessage{Message: told.ID, By: w.owner}, horde.CodeForbidden},
		{"by its sender", horde.DeleteMessage{Message: own.ID, By: w.owner}, ""},
		{"by another moderator", horde.DeleteMessage{Message: told.ID, By: w.staff("second", horde.RoleModerator)}, ""},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("deleting %s: got %v, want %q", c.what, err, c.want)
		}
	}
	if again := w.reloaded(); len(again.Messages(horde.MessageQuery{Validity: horde.MessagesAll}, w.now)) != 0 {
		t.Error("messages come back after a restart")
	}
}

func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	moderator := w.staff("moderator", horde.RoleModerator)
	for range horde.MaxMessagesActive {
		do(w, horde.NewMessage{By: moderator, Text: "x", Life: time.Hour})
	}
	if _, err := try(w, horde.NewMessage{By: moderator, Text: "x"}); codeOf(err) != horde.CodeBadRequest {
		t.Errorf("one more gets %v", err)
	}
	for range 10 {
		w.pass(time.Hour)
		for range horde.MaxMessagesActive {
			do(w, horde.NewMessage{By: moderator, Text: "x", Life: time.Hour})
		}
	}
	kept := 0
	for page := 1; ; page++ {
		n := len(w.s.Messages(horde.MessageQuery{Validity: horde.MessagesAll, Page: page}, w.now))
		if kept += n; n == 0 {
			break
		}
	}
	if kept > 100 {
		t.Errorf("%d messages are kept, want at most 100", kept)
	}
}
