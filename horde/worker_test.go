// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

// unfit is a word of the list that names may not hold. No test prints it.
func unfit(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("profanity.txt")
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

// staff opens an account with roles.
func (w *world) staff(name string, roles horde.Role) horde.UserID {
	w.t.Helper()
	id := w.user(name, 0)
	do(w, horde.SetUser{User: id, Grant: roles})
	return id
}

func (w *world) worker(name string) horde.Worker {
	w.t.Helper()
	got, ok := w.s.WorkerByName(name)
	if !ok {
		w.t.Fatalf("there is no worker %q", name)
	}
	return got
}

// attend pops with a worker every minute for a while.
func (w *world) attend(name string, minutes int) {
	w.t.Helper()
	for range minutes {
		w.pass(time.Minute)
		w.pop(name)
	}
}

// reloaded is the horde as it would be after a restart.
func (w *world) reloaded() *horde.State {
	w.t.Helper()
	again, err := horde.NewState(horde.Settings{AnonymousAllowed: true, TransfersAllowed: true}, w.rows.snapshot())
	if err != nil {
		w.t.Fatal(err)
	}
	return again
}

func TestWhoMayRegisterAWorker(t *testing.T) {
	t.Parallel()
	word := unfit(t)
	at := origin.FromAddr(netip.MustParseAddr("192.0.2.7"))
	for what, c := range map[string]struct {
		roles   horde.Role
		modes   horde.Modes
		name    string
		agent   string
		kind    horde.WorkerType
		address horde.Address
		want    horde.Code
	}{
		"an ordinary one":                            {name: "gpu"},
		"a deleted account":                          {roles: horde.RoleDeleted, name: "gpu", want: horde.CodeDeletedUser},
		"a flagged account":                          {roles: horde.RoleFlagged, name: "gpu", want: horde.CodeWorkerFlagged},
		"no name":                                    {name: " \t ", want: horde.CodeBadRequest},
		"a name of a free notebook":                  {name: "my Colab", want: horde.CodeBadRequest},
		"NUL in the name":                            {name: "g\x00pu", want: horde.CodeNulByte},
		"an unfit name":                              {name: "my " + word, want: horde.CodeProfaneWorkerName},
		"an unfit name in capitals":                  {name: strings.ToUpper(word) + "!", want: horde.CodeProfaneWorkerName},
		"an unfit name with a digit":                 {name: strings.Replace(word, "i", "1", 1) + "er " + word, want: horde.CodeProfaneWorkerName},
		"a word that only holds one":                 {name: "x" + word + "x"},
		"an unfit bridge agent":                      {name: "gpu", agent: word + ":1:x", want: horde.CodeProfaneBridgeAgent},
		"without an invitation":                      {name: "gpu", modes: horde.Modes{InviteOnly: true}, want: horde.CodeWorkerInviteOnly},
		"another type's name":                        {name: "taken", kind: horde.Scribe, want: horde.CodePolymorphicName},
		"somebody else's name":                       {name: "taken", want: horde.CodeWrongCredentials},
		"somebody else's name with blanks around it": {name: "  taken ", want: horde.CodeWrongCredentials},
		"from behind a proxy":                        {name: "gpu", address: horde.AddressUnsafe, want: horde.CodeUnsafeIP},
		"from behind a proxy, trusted":               {name: "gpu", address: horde.AddressUnsafe, roles: horde.RoleTrusted},
		"from behind a proxy, with the role":         {name: "gpu", address: horde.AddressUnsafe, roles: horde.RoleVPN},
		"from behind a proxy in a raid":              {name: "gpu", address: horde.AddressUnsafe, modes: horde.Modes{Raid: true}},
		"from where nobody knows":                    {name: "gpu", address: horde.AddressUnknown, want: horde.CodeTooManyNewIPs},
		"from where nobody knows in a raid":          {name: "gpu", address: horde.AddressUnknown, modes: horde.Modes{Raid: true}, want: horde.CodeTooManyNewIPs},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pop("taken")
			who := w.user("who", 0)
			if c.roles != 0 {
				do(w, horde.SetUser{User: who, Grant: c.roles})
			}
			do(w, horde.SetModes{Modes: c.modes})
			o := offer(c.name)
			if c.agent != "" {
				o.BridgeAgent = c.agent
			}
			job, err := try(w, horde.Pop{Owner: who, Origin: at, Address: c.address, Type: c.kind, Offer: o})
			if codeOf(err) != c.want || err != nil && c.want == "" {
				t.Fatalf("got the code %q, want %q", codeOf(err), c.want)
			}
			if err != nil && strings.Contains(strings.ToLower(err.Error()), word) {
				t.Error("the refusal repeats the word")
			}
			got, there := w.s.Worker(job.Worker)
			if there != (c.want == "") {
				t.Error("a refused worker was registered, or a welcome one was not")
			}
			suspicion := 0
			if there && c.modes.Raid {
				suspicion = 1 // let in, and remembered
			}
			if got.Suspicion != suspicion {
				t.Errorf("suspicion is %d, want %d", got.Suspicion, suspicion)
			}
		})
	}
}

func TestAnonymousWorkersAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := try(w, horde.Pop{Owner: horde.Anonymous, Offer: offer("gpu")}); codeOf(err) != horde.CodeAnonForbiddenWorker {
		t.Errorf("got %v", err)
	}
}

func TestHowManyWorkersAnOwnerMayHave(t *testing.T) {
	t.Parallel()
	at := func(i int) origin.Origin { return origin.FromAddr(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})) }
	for what, c := range map[string]struct {
		roles horde.Role
		from  func(int) origin.Origin
		most  int
		want  horde.Code
	}{
		"of an untrusted owner": {0, at, horde.MaxWorkersUntrusted, horde.CodeTooManyWorkers},
		"of a trusted owner":    {horde.RoleTrusted, at, horde.MaxWorkersTrusted, horde.CodeTooManyWorkersTrusted},
		"at one address":        {0, func(int) origin.Origin { return at(1) }, horde.MaxSameOrigin, horde.CodeTooManySameIPs},
	} {
		w := newWorld(t)
		who := w.staff("who", c.roles)
		for i := range c.most {
			do(w, horde.Pop{Owner: who, Origin: c.from(i), Offer: offer("gpu " + string(rune('a'+i)))})
		}
		if _, err := try(w, horde.Pop{Owner: who, Origin: c.from(c.most), Offer: offer("one more")}); codeOf(err) != c.want {
			t.Errorf("%s: number %d got %v, want %s", what, c.most+1, err, c.want)
		}
	}
}

func TestLongNamesAreCutAndSuspicious(t *testing.T) {
	t.Parallel()
	for runes, want := range map[int]int{100: 0, 101: 1, 200: 1, 201: 2} {
		w := newWorld(t)
		name := strings.Repeat("ö", runes)
		w.pop(name)
		w.pop(name) // counts once
		got := w.worker(name)
		if n := len([]rune(got.Offer.Name)); n > horde.MaxWorkerNameRunes || got.Suspicion != want {
			t.Errorf("a name of %d: kept %d characters with suspicion %d, want suspicion %d", runes, n, got.Suspicion, want)
		}
		if owner, _ := w.s.User(w.owner); owner.Suspicion != want {
			t.Errorf("a name of %d: its owner's suspicion is %d, want %d", runes, owner.Suspicion, want)
		}
	}
}

func TestTooManyDropsAreMaintenanceAndSuspicious(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		raid        bool
		drops       int
		gap         time.Duration
		maintenance bool
		suspicion   int
	}{
		"as many as allowed":                   {drops: horde.MaxDropped},
		"one more":                             {drops: horde.MaxDropped + 1, maintenance: true, suspicion: 1},
		"one more, over two hours":             {drops: horde.MaxDropped + 1, gap: 6 * time.Minute},
		"as many as allowed in a raid":         {raid: true, drops: horde.MaxDroppedInRaid},
		"one more in a raid, and nobody knows": {raid: true, drops: horde.MaxDroppedInRaid + 1, suspicion: 1},
	} {
		w := newWorld(t)
		do(w, horde.SetModes{Modes: horde.Modes{Raid: c.raid}})
		for range c.drops {
			do(w, horde.Enqueue{NewImage: apple(horde.Anonymous)})
			job := w.pop("gpu")
			do(w, horde.Submit{Owner: w.owner, Generation: job.Generations[0], Faulted: true})
			do(w, horde.Cancel{Request: job.Request})
			w.pass(c.gap)
		}
		got := w.worker("gpu")
		if got.Maintenance != c.maintenance || got.Suspicion != c.suspicion || got.Uncompleted != int64(c.drops) {
			t.Errorf("%s: maintenance %t, suspicion %d, %d uncompleted; want %t, %d, %d",
				what, got.Maintenance, got.Suspicion, got.Uncompleted, c.maintenance, c.suspicion, c.drops)
		}
		if c.maintenance {
			if _, err := try(w, horde.Pop{Owner: w.owner, Offer: offer("gpu")}); codeOf(err) != horde.CodeWorkerMaintenance || !strings.Contains(err.Error(), "maintenance mode") {
				t.Errorf("%s: the next pop gets %v", what, err)
			}
		}
	}
}

func TestUnreasonableSpeedPausesAWorkerInTheEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what   string
		roles  horde.Role
		took   time.Duration
		paused bool
	}{
		{"beyond belief", 0, 100 * time.Millisecond, true},
		{"fast", 0, time.Second, false},
		{"beyond belief and trusted", horde.RoleTrusted, 100 * time.Millisecond, false},
	} {
		w := newWorld(t)
		do(w, horde.SetUser{User: w.owner, Grant: c.roles})
		for range horde.MaxSuspicion {
			do(w, horde.Enqueue{NewImage: apple(horde.Anonymous)}) // 5.2 megapixelsteps
			job := w.pop("gpu")
			w.now = w.now.Add(c.took)
			w.deliver(job)
		}
		if got := w.worker("gpu"); got.Paused != c.paused {
			t.Errorf("%s: paused is %t with suspicion %d", c.what, got.Paused, got.Suspicion)
		}
		if owner, _ := w.s.User(w.owner); (owner.Suspicion >= horde.MaxSuspicion) != c.paused {
			t.Errorf("%s: the owner's suspicion is %d", c.what, owner.Suspicion)
		}
	}
}

func TestAPausedWorkerGetsDecoys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	moderator, friend := w.staff("moderator", horde.RoleModerator), w.user("friend", kudos.Whole(50))
	do(w, horde.SetWorker{Worker: w.pop("gpu").Worker, By: moderator, Paused: new(true)})
	request := do(w, horde.Enqueue{NewImage: apple(friend)})
	before, worker, owner := w.status(request.ID), w.worker("gpu"), w.balance(w.owner)
	asker := w.balance(friend)

	job := w.pop("gpu")
	if job.Request != request.ID || len(job.Generations) != 1 || job.Image.Prompt != "red apple" || job.TTL != horde.MinJobTTL {
		t.Fatalf("popped %+v, want what looks like any job", job)
	}
	w.pass(time.Second)
	if again := w.pop("gpu"); len(again.Generations) != 0 {
		t.Errorf("the same request was offered twice")
	} else if again.Skipped["decoy"] != 0 {
		t.Errorf("the counters %v tell of decoys", again.Skipped)
	}
	if _, err := try(w, horde.Submit{Owner: friend, Generation: job.Generations[0], Blob: "x"}); codeOf(err) != horde.CodeWrongCredentials {
		t.Errorf("somebody else's delivery gets %v", err)
	}
	if _, err := try(w, horde.Submit{Owner: w.owner, Generation: job.Generations[0]}); codeOf(err) != horde.CodeBadRequest {
		t.Errorf("a delivery of nothing gets %v", err)
	}
	g, by, ok := w.s.Generation(job.Generations[0])
	if !ok || by != w.owner || g.State != horde.GenerationProcessing {
		t.Errorf("the generation reads %+v of %d, %t", g, by, ok)
	}
	receipt := w.deliver(job)
	if receipt.Reward <= 0 || !receipt.Discard {
		t.Errorf("the delivery gets %+v, want a reward on paper and a result to throw away", receipt)
	}
	if _, err := try(w, horde.Submit{Owner: w.owner, Generation: job.Generations[0], Blob: "x"}); codeOf(err) != horde.CodeDuplicateGen {
		t.Errorf("the second delivery gets %v", err)
	}
	if w.balance(w.owner) != owner || w.balance(friend) != asker {
		t.Error("kudos moved for a decoy")
	}
	if diff := cmp.Diff(before, w.status(request.ID)); diff != "" {
		t.Errorf("the request moved:\n%s", diff)
	}
	after := w.worker("gpu")
	if after.Fulfilled != worker.Fulfilled || after.Things != worker.Things || len(after.Performance) != 0 || after.Generated != 0 {
		t.Errorf("the worker's figures moved: %+v", after)
	}

	// An honest worker delivers the real one.
	if honest := w.pop("honest gpu"); honest.Request != request.ID {
		t.Fatalf("popped %+v, want the real thing", honest)
	} else {
		w.deliver(honest)
	}
	// A late decoy is as late as a real job, one reported as failed counts nowhere, and both go with their request.
	late := do(w, horde.Enqueue{NewImage: apple(friend)})
	first := w.pop("gpu")
	w.now = w.now.Add(first.TTL + time.Second)
	if _, err := try(w, horde.Submit{Owner: w.owner, Generation: first.Generations[0], Blob: "x"}); codeOf(err) != horde.CodeAbortedGen {
		t.Errorf("a late delivery gets %v", err)
	}
	do(w, horde.Enqueue{NewImage: apple(friend)})
	failed := w.pop("gpu")
	if got := do(w, horde.Submit{Owner: w.owner, Generation: failed.Generations[0], Faulted: true}); got.Reward != 0 {
		t.Errorf("a failure gets %s", got.Reward)
	}
	if got := w.worker("gpu"); got.Uncompleted != 0 || got.Drops != 0 {
		t.Errorf("a failed decoy was counted: %+v", got)
	}
	if _, err := try(w, horde.DeleteWorker{Worker: after.ID, By: w.owner}); codeOf(err) != horde.CodeLocked {
		t.Errorf("deleting the worker gets %v, which tells a decoy from a job", err)
	}
	w.pass(horde.RequestTTL + time.Minute)
	if _, ok := w.s.Status(late.ID, w.now, nil); ok {
		t.Fatal("the request lives on")
	}
	if _, err := try(w, horde.Submit{Owner: w.owner, Generation: first.Generations[0], Blob: "x"}); codeOf(err) != horde.CodeInvalidJobID {
		t.Errorf("a decoy outlived its request: %v", err)
	}
	do(w, horde.DeleteWorker{Worker: after.ID, By: w.owner})
}

func TestDecoysAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	moderator := w.staff("moderator", horde.RoleModerator)
	do(w, horde.SetWorker{Worker: w.pop("gpu").Worker, By: moderator, Paused: new(true)})
	got := 0
	for range horde.MaxDecoys + 5 {
		do(w, horde.Enqueue{NewImage: apple(horde.Anonymous)})
		got += len(w.pop("gpu").Generations)
	}
	if got != horde.MaxDecoys {
		t.Errorf("%d decoys at once, want %d", got, horde.MaxDecoys)
	}
}

func TestUptimeIsCountedAndRewarded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pop("gpu")
	w.attend("gpu", 10)
	if got := w.worker("gpu"); got.Uptime != 600 || got.UptimeKudos != 0 {
		t.Errorf("after 10 minutes: %d s and %s", got.Uptime, got.UptimeKudos)
	}
	w.attend("gpu", 1)
	want := kudos.Whole(52) // one model
	owner, _ := w.s.User(w.owner)
	if got := w.worker("gpu"); got.Uptime != 660 || got.UptimeKudos != want || owner.Evaluated != want {
		t.Errorf("after 11 minutes: %d s and %s, the owner's escrow has %s", got.Uptime, got.UptimeKudos, owner.Evaluated)
	}
	for range 20 { // more often than a check-in counts
		w.now = w.now.Add(time.Second)
		w.pop("gpu")
	}
	if got := w.worker("gpu"); got.Uptime != 660 {
		t.Errorf("check-ins in a row count %d s", got.Uptime-660)
	}
	w.pass(horde.WorkerOnline + time.Minute) // away: not counted, and the next reward takes its whole time
	w.pop("gpu")
	w.attend("gpu", 10)
	if got := w.worker("gpu"); got.Uptime != 1260 || got.UptimeKudos != want {
		t.Errorf("after having been away: %d s and %s", got.Uptime, got.UptimeKudos)
	}
	do(w, horde.SetWorker{Worker: w.worker("gpu").ID, By: w.owner, Maintenance: new(true)})
	w.pass(time.Minute)
	if _, err := try(w, horde.Pop{Owner: w.owner, Offer: offer("gpu")}); codeOf(err) != horde.CodeWorkerMaintenance {
		t.Errorf("got %v", err)
	}
	if got := w.worker("gpu"); got.Uptime != 1260 || !got.Online(w.now) {
		t.Errorf("in maintenance: %d s, online %t", got.Uptime, got.Online(w.now))
	}
	if diff := cmp.Diff(w.worker("gpu").UptimeKudos, first(w.reloaded().WorkerByName("gpu")).UptimeKudos); diff != "" {
		t.Error(diff)
	}
}

func first[A, B any](a A, _ B) A { return a }

func TestChangesOfAWorker(t *testing.T) {
	t.Parallel()
	word := unfit(t)
	w := newWorld(t)
	moderator, stranger := w.staff("moderator", horde.RoleModerator), w.user("stranger", 0)
	id, other := w.pop("first gpu").Worker, w.pop("second gpu").Worker
	team := do(w, horde.NewTeam{By: moderator, Name: "Dreamers"})
	for _, c := range []struct {
		what string
		op   horde.SetWorker
		want horde.Code
	}{
		{"of no worker", horde.SetWorker{Worker: horde.WorkerID{UUID: horde.UUID{9}}, By: w.owner, Info: new("x")}, horde.CodeWorkerNotFound},
		{"by nobody", horde.SetWorker{Worker: id, By: 77, Info: new("x")}, horde.CodeInvalidAPIKey},
		{"nothing", horde.SetWorker{Worker: id, By: w.owner}, horde.CodeNoWorkerMod},
		{"maintenance by a stranger", horde.SetWorker{Worker: id, By: stranger, Maintenance: new(true)}, horde.CodeNotOwner},
		{"info by a stranger", horde.SetWorker{Worker: id, By: stranger, Info: new("x")}, horde.CodeNotOwner},
		{"name by a stranger", horde.SetWorker{Worker: id, By: stranger, Name: new("third gpu")}, horde.CodeNotModerator},
		{"team by a stranger", horde.SetWorker{Worker: id, By: stranger, Team: &team.ID}, horde.CodeNotModerator},
		{"pause by its owner", horde.SetWorker{Worker: id, By: w.owner, Paused: new(true)}, horde.CodeNotModerator},
		{"by everybody", horde.SetWorker{Worker: id, By: horde.Anonymous, Info: new("x")}, horde.CodeNotOwner},
		{"a long reason", horde.SetWorker{Worker: id, By: w.owner, Maintenance: new(true), Reason: strings.Repeat("x", 301)}, horde.CodeBadRequest},
		{"a long info", horde.SetWorker{Worker: id, By: w.owner, Info: new(strings.Repeat("x", 1001))}, horde.CodeTooLongWorkerName},
		{"an unfit info", horde.SetWorker{Worker: id, By: w.owner, Info: new("it is " + word)}, horde.CodeProfaneWorkerInfo},
		{"an unfit name", horde.SetWorker{Worker: id, By: w.owner, Name: new("it is " + word)}, horde.CodeProfaneWorkerName},
		{"a long name", horde.SetWorker{Worker: id, By: w.owner, Name: new(strings.Repeat("x", 101))}, horde.CodeTooLongWorkerName},
		{"a short name", horde.SetWorker{Worker: id, By: w.owner, Name: new(" gpu  ")}, horde.CodeBadRequest},
		{"a name of a free notebook", horde.SetWorker{Worker: id, By: w.owner, Name: new("google 1")}, horde.CodeBadRequest},
		{"another's name", horde.SetWorker{Worker: id, By: w.owner, Name: new("second  gpu")}, horde.CodeWorkerNameExists},
		{"a team that is none", horde.SetWorker{Worker: id, By: w.owner, Team: &horde.TeamID{UUID: horde.UUID{9}}}, horde.CodeTeamNotFound},
		{"a new name and a bad team", horde.SetWorker{Worker: id, By: w.owner, Name: new("third gpu"), Team: &horde.TeamID{UUID: horde.UUID{9}}}, horde.CodeTeamNotFound},
		{"its own name", horde.SetWorker{Worker: id, By: w.owner, Name: new("first gpu")}, ""},
		{"a new name", horde.SetWorker{Worker: id, By: w.owner, Name: new(" third   gpu ")}, ""},
		{"info with markup", horde.SetWorker{Worker: id, By: w.owner, Info: new(" <b>fast</b>, <blink> 2\u202e\x07 ")}, ""},
		{"a team", horde.SetWorker{Worker: id, By: w.owner, Team: &team.ID}, ""},
		{"maintenance and pause by a moderator", horde.SetWorker{Worker: id, By: moderator, Maintenance: new(true), Paused: new(true), Reason: "maintenance mode, see you"}, ""},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want || err != nil && c.want == "" {
			t.Errorf("%s: got %q, want %q", c.what, codeOf(err), c.want)
		}
	}
	got := w.worker("third gpu")
	if got.ID != id || got.Info != "<b>fast</b>, &lt;blink&gt; 2" || got.Team != team.ID || !got.Paused || got.MaintReason != "maintenance mode, see you" {
		t.Errorf("the worker is %+v", got)
	}
	if _, ok := w.s.WorkerByName("first gpu"); ok {
		t.Error("the old name still leads to it")
	}
	do(w, horde.SetWorker{Worker: id, By: w.owner, Maintenance: new(false), Team: &horde.TeamID{}})
	if got := w.worker("third gpu"); got.Maintenance || got.MaintReason != "" || !got.Team.IsZero() {
		t.Errorf("the worker is %+v, want it at work and without a team", got)
	}
	if diff := cmp.Diff(w.worker("second gpu").ID, other); diff != "" {
		t.Error(diff)
	}
}

func TestDeletingAWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	moderator, stranger := w.staff("moderator", horde.RoleModerator), w.user("stranger", 0)
	id := w.pop("gpu").Worker
	do(w, horde.Enqueue{NewImage: apple(stranger)})
	job := w.pop("gpu")
	message := do(w, horde.NewMessage{By: w.owner, Worker: id, Text: "well done"})
	for _, c := range []struct {
		what string
		op   horde.DeleteWorker
		want horde.Code
	}{
		{"of no worker", horde.DeleteWorker{By: w.owner}, horde.CodeWorkerNotFound},
		{"by nobody", horde.DeleteWorker{Worker: id, By: 77}, horde.CodeInvalidAPIKey},
		{"by a stranger", horde.DeleteWorker{Worker: id, By: stranger}, horde.CodeNotModerator},
		{"by everybody", horde.DeleteWorker{Worker: id, By: horde.Anonymous}, horde.CodeNotModerator},
		{"while it works", horde.DeleteWorker{Worker: id, By: w.owner}, horde.CodeLocked},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("%s: got %v, want %s", c.what, err, c.want)
		}
	}
	w.deliver(job)
	if _, err := try(w, horde.DeleteWorker{Worker: id, By: moderator}); codeOf(err) != horde.CodeLocked {
		t.Errorf("while its result can be read: got %v", err)
	}
	w.pass(horde.RequestTTL + time.Minute)
	if got := do(w, horde.DeleteWorker{Worker: id, By: moderator}); got.Offer.Name != "gpu" {
		t.Errorf("deleted %+v", got)
	}
	if _, ok := w.s.WorkerByName("gpu"); ok || len(w.s.WorkersOf(w.owner)) != 0 {
		t.Error("the worker is still there")
	}
	if _, ok := w.s.Message(message.ID); ok {
		t.Error("a message to nobody is still there")
	}
	if again := w.reloaded(); len(again.Workers(w.now, false)) != 0 {
		t.Error("the worker comes back after a restart")
	}
	if job := w.pop("gpu"); job.Worker == id {
		t.Error("a new worker of that name is the old one")
	}
}
