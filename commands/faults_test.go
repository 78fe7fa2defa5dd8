// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/commands/chat"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

// trouble is a way in which Discord misbehaves while an image is asked for, another one is finished, a gift is made by
// command and one by emoji, and roles are given.
type trouble struct {
	faults    []sandbox.Fault
	tune      tuning
	meanwhile func(*scenes) // happens right after the faults are armed

	forgets  bool          // what happens while the bot is away is never told to it
	stops    bool          // Discord refuses the bot for good: it ends, and is started again
	lifted   time.Duration // the trouble is endless, but for this
	direct   bool          // the new image and the gift are asked for in direct messages
	goes     string        // where the running image ends: "" its message, "direct" its person's direct messages, "history"
	role     time.Duration // roles are tried again after so long
	unheard  bool          // the recipient may miss the news of the gift, not the gift
	repeated int           // times more that a role may be given: an answer was lost, or the process ended right then
	picture  []byte        // that workers deliver
	forgiven string        // finding that is part of it
	most     int           // REST requests at most; default mostRequests
}

const (
	mostRequests = 70                     // of all scenes together; without trouble they take about 25
	quiet        = 300 * time.Millisecond // in which nothing happens any more
	byEmoji      = 10 * kudos.One
	byCommand    = 7 * kudos.One
	price        = 921 // of each image, in hundredths
)

// everywhere arms a fault for each kind of request that the scenes make.
func everywhere(f sandbox.Fault) []sandbox.Fault {
	var out []sandbox.Fault
	for _, x := range []struct {
		method, path string
		times        int
	}{
		{http.MethodPost, "/callback", 3},
		{http.MethodPatch, "/webhooks/", 3},
		{http.MethodPost, "/users/@me/channels", 1},
		{http.MethodPost, "/messages", 1},
		{http.MethodGet, "/members/", 1},
		{http.MethodPut, "/roles/", 1},
	} {
		f := f
		f.Method, f.Path = x.method, x.path
		if f.Times == 0 {
			f.Times = x.times
		}
		out = append(out, f)
	}
	return out
}

// gatewayPace makes the gateway's own times short, though not shorter than what a busy machine needs.
func gatewayPace(s *sandbox.Options, d *discord.Options) {
	s.Heartbeat, d.OpenTimeout, d.GatewaySilence = 400*time.Millisecond, 4*time.Second, 5*time.Second
}

func cut(more ...sandbox.Fault) []sandbox.Fault {
	return append(more, sandbox.Fault{Kind: sandbox.CutGateway})
}

func closed(code int) []sandbox.Fault {
	return []sandbox.Fault{{Kind: sandbox.CloseGateway, Code: code}}
}

func refusedFor(code int) []sandbox.Fault {
	return append([]sandbox.Fault{{Kind: sandbox.RefuseIdentify, Code: code, Times: -1}}, closed(code)...)
}

// noise is a picture that is smaller with less quality.
func noise() []byte {
	img := image.NewNRGBA(image.Rect(0, 0, 128, 128))
	from := rand.NewChaCha8([32]byte{})
	_, _ = from.Read(img.Pix) // never fails
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func troubles() map[string]trouble {
	const short = 100 * time.Millisecond
	return map[string]trouble{
		"a calm day": {most: 40},

		"a limit for the bot":    {faults: everywhere(sandbox.Fault{Kind: sandbox.RateLimited, Delay: short})},
		"a shared limit":         {faults: everywhere(sandbox.Fault{Kind: sandbox.RateLimitedShared, Delay: short})},
		"a limit for everything": {faults: everywhere(sandbox.Fault{Kind: sandbox.RateLimitedGlobal, Delay: short})},
		"a page instead of JSON": {faults: everywhere(sandbox.Fault{Kind: sandbox.RateLimitedHTML, Times: 1})},
		"an endless limit": {
			faults: everywhere(sandbox.Fault{Kind: sandbox.RateLimited, Delay: 20 * time.Millisecond, Times: -1}),
			lifted: 2 * time.Second, role: 2 * time.Minute, unheard: true, most: 160,
		},

		"500": {faults: everywhere(sandbox.Fault{Kind: sandbox.Status, Code: 500})},
		"502": {faults: everywhere(sandbox.Fault{Kind: sandbox.Status, Code: 502})},
		"503": {faults: everywhere(sandbox.Fault{Kind: sandbox.Status, Code: 503})},
		"504": {faults: everywhere(sandbox.Fault{Kind: sandbox.Status, Code: 504})},
		"an endless 500": {
			faults: everywhere(sandbox.Fault{Kind: sandbox.Status, Code: 500, Times: -1}),
			lifted: 1200 * time.Millisecond, role: 2 * time.Minute, unheard: true, most: 160,
		},

		"slow requests":                       {faults: everywhere(sandbox.Fault{Kind: sandbox.Slow, Delay: time.Second})},
		"slow answers, the events come first": {faults: everywhere(sandbox.Fault{Kind: sandbox.SlowAnswer, Delay: time.Second})},
		"lost requests":                       {faults: everywhere(sandbox.Fault{Kind: sandbox.Cut})},
		"lost answers": {
			faults: everywhere(sandbox.Fault{Kind: sandbox.CutAnswer}), repeated: 1, forgiven: "acknowledged twice",
		},

		"interactions that are unknown": {faults: []sandbox.Fault{{Kind: sandbox.UnknownInteraction, Path: "/callback", Times: 3}}},
		"tokens that have died":         {faults: []sandbox.Fault{{Kind: sandbox.Expired, Method: http.MethodPatch, Path: "/webhooks/", Times: 3}}},
		"missing permissions": {
			faults: []sandbox.Fault{
				{Kind: sandbox.Expired, Method: http.MethodPatch, Path: "/webhooks/", Times: -1},
				{Kind: sandbox.Forbidden, Method: http.MethodPatch, Path: "/channels/", Times: -1},
				{Kind: sandbox.Forbidden, Method: http.MethodPut, Path: "/roles/"},
			},
			lifted: 4 * time.Second, goes: "direct", role: 25 * time.Hour,
		},
		"deleted messages": {
			meanwhile: func(s *scenes) {
				s.thank()
				for _, id := range []string{s.running, s.post} {
					if err := s.r.sand.Delete(id); err != nil {
						s.r.t.Error(err)
					}
				}
			},
			goes: "history",
		},
		"uploads too large": {
			faults: []sandbox.Fault{{Kind: sandbox.TooLarge, Method: http.MethodPatch, Path: "/webhooks/", Times: 2}}, picture: noise(),
		},

		"connection cut":               {faults: cut()},
		"closed with 1000":             {faults: closed(1000)},
		"closed with 4000":             {faults: closed(4000)},
		"closed with 4009":             {faults: closed(4009), forgets: true},
		"closed and refused with 4004": {faults: refusedFor(4004), stops: true, forgets: true, repeated: 1},
		"closed and refused with 4014": {faults: refusedFor(4014), stops: true, forgets: true, repeated: 1},
		"asked to reconnect":           {faults: []sandbox.Fault{{Kind: sandbox.Reconnect}}},
		"session ended":                {faults: []sandbox.Fault{{Kind: sandbox.InvalidSession}}, forgets: true},
		"session to be resumed":        {faults: []sandbox.Fault{{Kind: sandbox.InvalidSession, Code: 1}}, forgets: true},
		"asked for a heartbeat":        {faults: []sandbox.Fault{{Kind: sandbox.AskHeartbeat}}},
		"heartbeats not acknowledged":  {faults: []sandbox.Fault{{Kind: sandbox.MuteAcks, Times: 20}}, tune: gatewayPace},
		"no ready":                     {faults: cut(sandbox.Fault{Kind: sandbox.MuteReady}), tune: gatewayPace, forgets: true},
		"reconnect right after a resume": {
			faults: cut(sandbox.Fault{Kind: sandbox.FirstAfterResume, Code: 7}), tune: gatewayPace, forgets: true,
		},
		"acknowledgement right after a resume": {
			faults: cut(sandbox.Fault{Kind: sandbox.FirstAfterResume, Code: 11}), tune: gatewayPace, forgets: true,
		},

		"events that come twice":          {faults: []sandbox.Fault{{Kind: sandbox.Duplicate, Times: 6}}},
		"events out of order":             {faults: []sandbox.Fault{{Kind: sandbox.Swap, Times: 2}}},
		"an unknown event":                {faults: []sandbox.Fault{{Kind: sandbox.UnknownEvent}}},
		"unknown components":              {faults: []sandbox.Fault{{Kind: sandbox.UnknownComponent}}},
		"a reaction without member":       {faults: []sandbox.Fault{{Kind: sandbox.ReactionWithoutMember}}},
		"interactions in direct messages": {direct: true},
	}
}

// TestNothingIsLostAndNothingDoneTwice goes through all troubles with all scenes under way at once.
func TestNothingIsLostAndNothingDoneTwice(t *testing.T) {
	t.Parallel()
	for name, c := range troubles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, c)
			s.disturb()
			s.images()
			s.gifts()
			s.roles()
			s.news()
			s.calm()
		})
	}
}

// scenes are what is under way.
type scenes struct {
	trouble

	r       *rig
	gate    chan struct{}
	running string // message of an image that is being made for Newcomer
	asked   string // message of the image that Friend asks for meanwhile
	post    string // message of Newcomer, which Friend thanks for
	panel   string // message with the button that begins a pass over the roles
	before  int    // requests
	thanked bool   // Friend has reacted
}

// begin prepares everything on a calm day.
func begin(t *testing.T, c trouble) *scenes {
	t.Helper()
	r := newRig(t, func(o *commands.Options) { o.GiftGrace = time.Second }, func(s *sandbox.Options, d *discord.Options) {
		hasty(s, d)
		d.IdentifyWindow = 50 * time.Millisecond
		if c.forgets || len(c.faults) > 0 && c.faults[0].Path != "" { // people see that, and do it again
			s.AnswerWindow, d.AnswerWindow = 6*time.Second, 5900*time.Millisecond
		}
		if c.tune != nil {
			c.tune(s, d)
		}
	})
	s := &scenes{trouble: c, r: r, gate: make(chan struct{})}
	r.forgiven, r.picture = c.forgiven, c.picture
	r.login(sandbox.Newcomer, sandbox.Friend, sandbox.Admin)
	r.worker(s.gate)
	s.running = r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, s.running, "Being made")
	r.rule(sandbox.RoleTrusted, "trusted", nil)
	r.pass()
	s.panel = r.run(sandbox.Admin, "autorole sync", nil).MessageID
	r.see(sandbox.Admin, "the button", func(m sandbox.Message) bool { return m.ID == s.panel && len(m.Buttons) > 0 })
	s.post = r.post(sandbox.Newcomer)
	s.before = r.sand.Requests()
	return s
}

// disturb lets everything happen at once, in trouble. People do again what was not answered.
func (s *scenes) disturb() {
	r := s.r
	r.t.Helper()
	if s.stops {
		r.ended = make(chan error, 1)
	}
	if s.forgets {
		s.thank()
	}
	for _, f := range s.faults {
		r.sand.Arm(f)
	}
	r.trust(sandbox.Newcomer, true)
	if s.meanwhile != nil {
		s.meanwhile(s)
	}
	var people sync.WaitGroup
	var again []func()
	persist := func(what string, do func(context.Context) (sandbox.Outcome, error)) {
		try := func() { people.Go(func() { s.persist(what, do) }) }
		if s.stops {
			again = append(again, try)
			return
		}
		try()
	}
	persist("/generate", func(ctx context.Context) (sandbox.Outcome, error) {
		out, err := r.sand.RunCommand(ctx, sandbox.Friend, s.place(sandbox.Friend), "generate", map[string]any{"prompt": "red apple"})
		s.asked = out.MessageID
		return out, err
	})
	s.thank()
	persist("/kudos gift", func(ctx context.Context) (sandbox.Outcome, error) {
		return r.sand.RunCommand(ctx, sandbox.Admin, s.place(sandbox.Admin), "kudos gift", map[string]any{"user": sandbox.Friend, "amount": 7})
	})
	persist("the button", func(ctx context.Context) (sandbox.Outcome, error) {
		return r.sand.Click(ctx, sandbox.Admin, s.panel, "Do it now")
	})
	close(s.gate)
	if s.lifted > 0 {
		time.Sleep(s.lifted)
		r.sand.Disarm()
	}
	if s.stops {
		select {
		case err := <-r.ended:
			if !strings.Contains(err.Error(), "gateway refused the bot") {
				r.t.Errorf("the bot ended with %v", err)
			}
		case <-time.After(soon):
			r.t.Fatal("the bot does not end")
		}
		r.sand.Disarm()
		r.ended = nil
		r.restart(0)
		r.worker(nil)
		for _, f := range again {
			f()
		}
	}
	people.Wait()
	if len(s.faults) > 0 && s.faults[0].Path == "" { // of the gateway; requests meet theirs until the end
		r.eventually("the trouble is over", func() bool { return r.sand.Armed() == 0 && r.p.bot.Stats().Connected })
	}
}

// place is where a person asks for things.
func (s *scenes) place(who string) string {
	if s.direct {
		return sandbox.DMChannel(who)
	}
	return sandbox.ChannelID
}

// thank gives by emoji.
func (s *scenes) thank() {
	r := s.r
	r.t.Helper()
	if s.thanked {
		return
	}
	s.thanked = true
	r.react(sandbox.Friend, s.post, "🙏")
	if s.forgets {
		r.eventually("the gift is written down", func() bool {
			rows, err := r.p.store.DocsOfPerson(r.ctx(), chat.KindGift, sandbox.Friend)
			return err == nil && len(rows) == 1
		})
	}
}

// persist tries until the bot answers, as people do.
func (s *scenes) persist(what string, do func(context.Context) (sandbox.Outcome, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	for {
		_, err := do(ctx)
		switch {
		case err == nil:
			return
		case !errors.Is(err, sandbox.ErrNoAnswer):
			s.r.t.Errorf("%s: %v", what, err)
			return
		}
	}
}

// images shows that each image was made and paid for once, and is shown once.
func (s *scenes) images() {
	r := s.r
	r.t.Helper()
	shows := func(channel, who string, ok func(sandbox.Message) bool) {
		r.see(who, "an image", func(m sandbox.Message) bool { return m.ChannelID == channel && len(m.Attachments) == 1 && ok(m) })
	}
	whichever := func(sandbox.Message) bool { return true }
	switch s.goes {
	case "":
		shows(sandbox.ChannelID, sandbox.Newcomer, func(m sandbox.Message) bool { return m.ID == s.running })
	case "direct":
		shows(sandbox.DMChannel(sandbox.Newcomer), sandbox.Newcomer, whichever)
	}
	if s.goes == "direct" {
		shows(sandbox.DMChannel(sandbox.Friend), sandbox.Friend, whichever)
	} else {
		shows(s.place(sandbox.Friend), sandbox.Friend, func(m sandbox.Message) bool { return m.ID == s.asked })
	}
	r.closed()
	for _, who := range []string{sandbox.Newcomer, sandbox.Friend} {
		if u := r.user(who); u.Image.Requests != 1 || u.Image.UsageThings != r.user(sandbox.Newcomer).Image.UsageThings {
			r.t.Errorf("%s: %d requests, %d pixelsteps used", u.Name, u.Image.Requests, u.Image.UsageThings)
		}
		if s.goes != "history" || who == sandbox.Friend {
			continue
		}
		out := r.run(who, "history list", nil)
		r.message(who, out.MessageID, "red apple")
	}
	want := 2
	if s.goes == "history" {
		want = 1
	}
	if n := len(s.all(func(m sandbox.Message) bool { return len(m.Attachments) > len(m.Pictures) })); n != want {
		r.t.Errorf("%d messages show images, want %d", n, want)
	}
}

// all lists messages of the bot that nobody else may see twice.
func (s *scenes) all(ok func(sandbox.Message) bool) (out []sandbox.Message) {
	for _, x := range [][2]string{
		{sandbox.ChannelID, sandbox.Admin},
		{sandbox.DMChannel(sandbox.Newcomer), sandbox.Newcomer},
		{sandbox.DMChannel(sandbox.Friend), sandbox.Friend},
		{sandbox.DMChannel(sandbox.Admin), sandbox.Admin},
	} {
		for _, m := range s.r.sand.Messages(x[0], x[1]) {
			if m.AuthorID == sandbox.BotID && ok(m) {
				out = append(out, m)
			}
		}
	}
	return out
}

// gifts shows that both moved once.
func (s *scenes) gifts() {
	r := s.r
	r.t.Helper()
	r.eventually("the gifts arrive", func() bool {
		return r.user(sandbox.Newcomer).Details.Received >= byEmoji && r.user(sandbox.Friend).Details.Received >= byCommand
	})
	for who, want := range map[string][2]kudos.Amount{sandbox.Newcomer: {byEmoji, 0}, sandbox.Friend: {byCommand, byEmoji}, sandbox.Admin: {0, byCommand}} {
		u := r.user(who)
		if u.Details.Received != want[0] || u.Details.Gifted != -want[1] {
			r.t.Errorf("%s received %s and gave %s, want %s and %s", u.Name, u.Details.Received, -u.Details.Gifted, want[0], want[1])
		}
		want := start + want[0] - want[1]
		if who != sandbox.Admin {
			want -= price
		}
		if u.Balance != want {
			r.t.Errorf("%s has %s kudos, want %s", u.Name, u.Balance, want)
		}
	}
	word := func(m sandbox.Message) bool { return strings.Contains(m.Content, "**7 kudos**") }
	r.see(sandbox.Admin, "the word of the gift", word)
	if n := len(s.all(word)); n != 1 {
		r.t.Errorf("the gift is told %d times", n)
	}
}

// roles shows that the role was given once.
func (s *scenes) roles() {
	r := s.r
	r.t.Helper()
	if s.role > 0 {
		r.eventually("somebody was looked at", func() bool {
			due, err := r.p.store.DueDocs(r.ctx(), chat.KindMember, r.now().Add(s.role), 1)
			paused := s.all(func(m sandbox.Message) bool { return strings.Contains(m.Content, "⏸") })
			return r.hasRole(sandbox.Newcomer, sandbox.RoleTrusted) || err == nil && len(due) > 0 || len(paused) > 0
		})
		r.jump(s.role)
		if err := r.p.set.RoleTick(r.ctx()); err != nil {
			r.t.Fatal(err)
		}
	}
	r.getsRole(sandbox.Newcomer, sandbox.RoleTrusted, true)
	r.pass()
	given := 0
	for _, e := range r.sand.Log() {
		if e.Kind != "rest" || !strings.Contains(e.Title, "/roles/") {
			continue
		}
		switch {
		case strings.HasPrefix(e.Title, http.MethodDelete):
			r.t.Error("the role was taken away again")
		case e.Status == "204":
			given++
		}
	}
	if given < 1 || given > 1+s.repeated {
		r.t.Errorf("the role was given %d times", given)
	}
	if r.hasRole(sandbox.Friend, sandbox.RoleTrusted) {
		r.t.Error("somebody else got the role")
	}
}

// news shows that the recipient hears of the gift by emoji once.
func (s *scenes) news() {
	r := s.r
	r.t.Helper()
	word := func(m sandbox.Message) bool { return strings.Contains(m.Content, "thanked you with 10 kudos") }
	r.restart(2 * time.Minute)
	if !s.unheard {
		r.see(sandbox.Newcomer, "word of the gift", word)
	}
	time.Sleep(quiet)
	if n := len(s.all(word)); n > 1 {
		r.t.Errorf("the recipient was told %d times", n)
	}
}

// calm shows that the faults happened, that they cost a bounded number of requests, and that nothing goes on.
func (s *scenes) calm() {
	r := s.r
	r.t.Helper()
	if n := r.sand.Armed(); n > 0 {
		r.t.Errorf("%d faults never happened", n)
	}
	most := s.most
	if most == 0 {
		most = mostRequests
	}
	all := r.sand.Requests()
	r.t.Logf("%d requests", all-s.before)
	if all-s.before > most {
		r.t.Errorf("%d requests, want %d at most", all-s.before, most)
	}
	n := 0
	for range 3 { // what was due once may still be under way on a slow machine
		all = r.sand.Requests()
		time.Sleep(quiet)
		if n = r.sand.Requests() - all; n == 0 {
			break
		}
	}
	if n > 0 {
		r.t.Errorf("%d requests although nothing is to be done", n)
	}
}
