package discord_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

// echo defines /say, which answers at once.
func echo(rt *discord.Router, _ *discord.Bot) {
	rt.Define(spec("say", text("text")))
	rt.Command("say", discord.Route{Handle: func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
		return r.Reply(ctx, discord.Message{Content: in.Command.Options.String("text")})
	}})
}

// TestRefusedRequests shows what happens to a request when Discord misbehaves, and how long it takes.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		fault       sandbox.Fault
		limit       time.Duration // of the context
		least, most time.Duration
		status      int // 0: it succeeds
	}{
		{"a rate limit is waited out", sandbox.Fault{Kind: sandbox.RateLimited, Delay: 300 * time.Millisecond, Times: 2}, wait, 600 * time.Millisecond, wait, 0},
		{"a shared one too", sandbox.Fault{Kind: sandbox.RateLimitedShared, Delay: 300 * time.Millisecond}, wait, 300 * time.Millisecond, wait, 0},
		{"a rate limit beyond the deadline is an error at once", sandbox.Fault{Kind: sandbox.RateLimited, Delay: wait}, wait / 4, 0, wait / 5, 429},
		{"a page instead of JSON is waited out", sandbox.Fault{Kind: sandbox.RateLimitedHTML}, wait, time.Second, wait, 0},
		{"an endless rate limit ends after some attempts", sandbox.Fault{Kind: sandbox.RateLimited, Delay: 10 * time.Millisecond, Times: -1}, wait, 0, wait, 429},
		{"502 is repeated", sandbox.Fault{Kind: sandbox.Status, Code: 502, Times: 2}, wait, 0, wait, 0},
		{"503 is repeated", sandbox.Fault{Kind: sandbox.Status, Code: 503}, wait, 0, wait, 0},
		{"an endless 500 ends after some attempts", sandbox.Fault{Kind: sandbox.Status, Code: 500, Times: -1}, wait, 0, wait, 500},
		{"a cut connection is repeated", sandbox.Fault{Kind: sandbox.Cut}, wait, 0, wait, 0},
		{"403 is final", sandbox.Fault{Kind: sandbox.Forbidden}, wait, 0, wait, 403},
		{"a file too large is final", sandbox.Fault{Kind: sandbox.TooLarge}, wait, 0, wait, 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sand := startSandbox(t, sandbox.Options{})
			r := startBot(t, sand, discord.Options{}, echo)
			ref, err := r.bot.SendMessage(soon(t), sandbox.ChannelID, discord.Message{Content: "before"})
			if err != nil {
				t.Fatal(err)
			}
			c.fault.Method = http.MethodPatch
			sand.Arm(c.fault)
			ctx, cancel := context.WithTimeout(soon(t), c.limit)
			defer cancel()
			begin := time.Now()
			err = r.bot.EditMessage(ctx, ref, discord.Message{Content: c.name})
			took := time.Since(begin)
			api, refused := errors.AsType[*discord.APIError](err)
			switch {
			case c.status == 0 && err != nil:
				t.Error(err)
			case c.status != 0 && (!refused || api.Status != c.status):
				t.Errorf("%v, want status %d", err, c.status)
			}
			if took < c.least || took > c.most {
				t.Errorf("took %s, want %s to %s", took, c.least, c.most)
			}
		})
	}
}

func TestGlobalRateLimitStopsEverything(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	r := startBot(t, sand, discord.Options{}, echo)
	sand.Arm(sandbox.Fault{Kind: sandbox.RateLimitedGlobal, Method: http.MethodPost, Path: "/users/@me/channels", Delay: 700 * time.Millisecond})
	begin := time.Now()
	done := make(chan error, 1)
	go func() {
		_, err := r.bot.DM(soon(t), sandbox.Friend, discord.Message{Content: "hi"})
		done <- err
	}()
	eventually(t, "the global limit is noticed", func() bool { return r.bot.Stats().GlobalLimits == 1 })
	if _, err := r.bot.SendMessage(soon(t), sandbox.ChannelID, discord.Message{Content: "another route"}); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took < 650*time.Millisecond {
		t.Errorf("another route went on after %s", took)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	// Interactions are not bound to the global limit.
	sand.Arm(sandbox.Fault{Kind: sandbox.RateLimitedGlobal, Method: http.MethodPost, Path: "/messages", Delay: 5 * time.Second})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.bot.SendMessage(ctx, sandbox.ChannelID, discord.Message{Content: "x"}); err == nil {
		t.Error("the message was sent in spite of the limit")
	}
	if out := r.run("/say text: hello"); out.After > 4*time.Second {
		t.Errorf("an interaction was answered after %s", out.After)
	}
}

// TestLostAnswers shows that a call whose answer is lost happens once.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	r := startBot(t, sand, discord.Options{}, echo)
	sand.Arm(sandbox.Fault{Kind: sandbox.CutAnswer, Method: http.MethodPost, Path: "/messages"})
	ref, err := r.bot.SendMessage(soon(t), sandbox.ChannelID, discord.Message{Content: "once"})
	if err != nil {
		t.Fatal(err)
	}
	sand.Arm(sandbox.Fault{Kind: sandbox.CutAnswer, Path: "/callback"})
	r.run("/say text: also once")
	sand.Arm(sandbox.Fault{Kind: sandbox.CutAnswer, Method: http.MethodDelete})
	if err := r.bot.DeleteMessage(soon(t), ref); err != nil {
		t.Error(err)
	}
	var got []string
	for _, m := range sand.Messages(sandbox.ChannelID, sandbox.Newcomer) {
		got = append(got, m.Content)
	}
	if len(got) != 1 || got[0] != "also once" {
		t.Errorf("messages are %q", got)
	}
	// The only finding is the second acknowledgement, sent because the answer to the first was lost.
	for _, f := range sand.Findings() {
		if !strings.Contains(f.Text, "acknowledged twice") {
			t.Errorf("finding: %+v", f)
		}
	}
}

func TestSlowAnswerToCallback(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{AnswerWindow: 3 * time.Second})
	r := startBot(t, sand, discord.Options{AnswerWindow: 2900 * time.Millisecond}, echo)
	sand.Arm(sandbox.Fault{Kind: sandbox.Slow, Path: "/callback", Delay: 5 * time.Second})
	if _, err := sand.RunLine(soon(t), sandbox.Newcomer, sandbox.ChannelID, "/say text: x", nil); !errors.Is(err, sandbox.ErrNoAnswer) {
		t.Errorf("RunLine = %v, want ErrNoAnswer", err)
	}
	eventually(t, "the handler gave up", func() bool { return r.bot.Stats().InFlight == 0 })
	if s := r.bot.Stats(); s.AckFailed != 1 {
		t.Errorf("stats are %+v", s)
	}
	r.run("/say text: still here")
}

// TestAnAcknowledgementWhoseAnswerIsLostCounts shows that nobody is left with "thinking…": Discord did the work, only its
// answer came after the window.
func TestAnAcknowledgementWhoseAnswerIsLostCounts(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{AnswerWindow: 3 * time.Second})
	r := startBot(t, sand, discord.Options{AnswerWindow: 2900 * time.Millisecond}, func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(discord.CommandSpec{Name: "wait", Description: "for a test"})
		rt.Command("wait", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			if err := r.Defer(ctx, false); err != nil {
				return err
			}
			return r.Edit(ctx, discord.Message{Content: "at last"})
		}})
	})
	sand.Arm(sandbox.Fault{Kind: sandbox.SlowAnswer, Path: "/callback", Delay: 4 * time.Second})
	if _, err := sand.RunLine(soon(t), sandbox.Newcomer, sandbox.ChannelID, "/wait", nil); err != nil {
		t.Fatal(err)
	}
	r.see("the end of it", content("at last"))
	if s := r.bot.Stats(); s.AckFailed != 0 {
		t.Errorf("stats are %+v", s)
	}
}

// TestGatewayFaults shows that the bot comes back after whatever happens to its connection, and that what happened
// meanwhile is handled when Discord replays it.
func TestGatewayFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults  []sandbox.Fault
		replays bool // events of the outage arrive
		opts    discord.Options
	}{
		"connection cut":        {faults: []sandbox.Fault{{Kind: sandbox.CutGateway}}, replays: true},
		"closed with 4000":      {faults: []sandbox.Fault{{Kind: sandbox.CloseGateway, Code: 4000}}, replays: true},
		"closed with 1001":      {faults: []sandbox.Fault{{Kind: sandbox.CloseGateway, Code: 1001}}, replays: true},
		"asked to reconnect":    {faults: []sandbox.Fault{{Kind: sandbox.Reconnect}}, replays: true},
		"asked for a heartbeat": {faults: []sandbox.Fault{{Kind: sandbox.AskHeartbeat}}, replays: true},
		"session invalidated":   {faults: []sandbox.Fault{{Kind: sandbox.InvalidSession}}},
		"resume refused":        {faults: []sandbox.Fault{{Kind: sandbox.FirstAfterResume, Code: 9}, {Kind: sandbox.CutGateway}}},
		"resume closed":         {faults: []sandbox.Fault{{Kind: sandbox.RefuseIdentify, Code: 4009}, {Kind: sandbox.CutGateway}}},
		"reconnect right after a resume, where the library gets stuck": {
			faults: []sandbox.Fault{{Kind: sandbox.FirstAfterResume, Code: 7}, {Kind: sandbox.CutGateway}},
			opts:   discord.Options{OpenTimeout: 500 * time.Millisecond},
		},
		"acknowledgement right after a resume, where the library gets stuck": {
			faults: []sandbox.Fault{{Kind: sandbox.FirstAfterResume, Code: 11}, {Kind: sandbox.CutGateway}},
			opts:   discord.Options{OpenTimeout: 500 * time.Millisecond},
		},
		"no ready": {
			faults: []sandbox.Fault{{Kind: sandbox.MuteReady}, {Kind: sandbox.CutGateway}},
			opts:   discord.Options{OpenTimeout: 500 * time.Millisecond},
		},
		"heartbeats not acknowledged": {
			faults:  []sandbox.Fault{{Kind: sandbox.MuteAcks, Times: 30}},
			opts:    discord.Options{GatewaySilence: 700 * time.Millisecond},
			replays: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sand := startSandbox(t, sandbox.Options{Heartbeat: 150 * time.Millisecond, Compress: true})
			seen := make(chan string, 10)
			r := startBot(t, sand, c.opts, func(rt *discord.Router, b *discord.Bot) {
				echo(rt, b)
				rt.ReactionAdd(func(_ context.Context, ev discord.ReactionAdd) error { seen <- ev.Emoji.Name; return nil })
			})
			m, err := sand.Post(sandbox.Friend, sandbox.ChannelID, "hello")
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range c.faults {
				sand.Arm(f)
			}
			if err := sand.React(sandbox.Newcomer, m.ID, "❤️"); err != nil {
				t.Fatal(err)
			}
			if c.replays {
				select {
				case <-seen:
				case <-time.After(wait):
					t.Fatalf("the reaction was lost\n%s", r.logs)
				}
			}
			deadline := time.Now().Add(wait)
			for {
				ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
				_, err := sand.RunLine(ctx, sandbox.Newcomer, sandbox.ChannelID, "/say text: back", nil)
				cancel()
				if err == nil {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("the bot did not come back: %v\n%s", err, r.logs)
				}
			}
		})
	}
}

// TestRunGivesUp shows when Run ends by itself.
func TestRunGivesUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token string
		arm   []sandbox.Fault
		opts  discord.Options
		fill  func(*discord.Router, *discord.Bot)
		want  string
	}{
		"the token is wrong":                 {token: "wrong", want: "401"},
		"the gateway refuses the token":      {arm: []sandbox.Fault{{Kind: sandbox.RefuseIdentify, Code: 4004}}, want: "4004"},
		"an intent is forbidden":             {arm: []sandbox.Fault{{Kind: sandbox.RefuseIdentify, Code: 4014}}, want: "4014"},
		"nothing works for too long":         {arm: []sandbox.Fault{{Kind: sandbox.Cut, Path: "/gateway", Times: -1}}, opts: discord.Options{GatewayDead: time.Second}, want: "no gateway connection for too long"},
		"the gateway is silent for too long": {arm: []sandbox.Fault{{Kind: sandbox.MuteReady, Times: -1}}, opts: discord.Options{GatewayDead: 1500 * time.Millisecond, OpenTimeout: 300 * time.Millisecond}, want: "no gateway connection for too long"},
		"a command has no handler":           {fill: func(rt *discord.Router, _ *discord.Bot) { rt.Define(spec("lonely")) }, want: "no handler"},
		"a command is invalid":               {fill: func(rt *discord.Router, _ *discord.Bot) { rt.Define(spec("Shouting")) }, want: "must be 1 to 32"},
		"Discord refuses the commands":       {arm: []sandbox.Fault{{Kind: sandbox.Forbidden, Path: "/commands"}}, want: "403"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sand := startSandbox(t, sandbox.Options{})
			for _, f := range c.arm {
				sand.Arm(f)
			}
			c.opts.IdentifyWindow = 100 * time.Millisecond
			c.opts.Token, c.opts.BaseURL, c.opts.Log = sand.Token(), sand.APIURL(), zerolog.Nop()
			if c.token != "" {
				c.opts.Token = c.token
			}
			router := discord.NewRouter()
			bot, err := discord.New(discord.Deps{Router: router}, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if c.fill != nil {
				c.fill(router, bot)
			}
			err = bot.Run(soon(t))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Run = %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	router := discord.NewRouter()
	for name, opts := range map[string]discord.Options{
		"no token":                    {},
		"an address that is not here": {Token: "x", BaseURL: "http://192.0.2.1:80"},
		"a name that is not loopback": {Token: "x", BaseURL: "http://example.org"},
		"a name that looks like it":   {Token: "x", BaseURL: "http://127.0.0.1.example.org"},
		"user information in the way": {Token: "x", BaseURL: "http://127.0.0.1@example.org"},
		"another scheme":              {Token: "x", BaseURL: "ftp://127.0.0.1"},
		"no address at all":           {Token: "x", BaseURL: "://"},
	} {
		if _, err := discord.New(discord.Deps{Router: router}, opts); err == nil {
			t.Errorf("%s: New accepts it", name)
		}
	}
	for _, base := range []string{"", "http://127.0.0.1:8080", "http://[::1]:8080", "https://localhost"} {
		if _, err := discord.New(discord.Deps{Router: router}, discord.Options{Token: "x", BaseURL: base}); err != nil {
			t.Errorf("New(%q) = %v", base, err)
		}
	}
	if _, err := discord.New(discord.Deps{}, discord.Options{Token: "x"}); err == nil {
		t.Error("New accepts a missing router")
	}
}

// What would happen twice is not asked for again where a proxy may have passed it on.
func TestWhatCannotBeRepeated(t *testing.T) {
	t.Parallel()
	for code, attempts := range map[int]int{500: 2, 502: 1, 503: 2, 504: 1} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			sand := startSandbox(t, sandbox.Options{})
			r := startBot(t, sand, discord.Options{}, echo)
			before := sand.Requests()
			sand.Arm(sandbox.Fault{Kind: sandbox.Status, Code: code, Path: "/threads"})
			_, err := r.bot.StartThread(soon(t), discord.Channel{ID: sandbox.ChannelID}, "once")
			if (err == nil) != (attempts > 1) {
				t.Errorf("StartThread = %v", err)
			}
			if n := sand.Requests() - before; n != attempts {
				t.Errorf("%d requests, want %d", n, attempts)
			}
		})
	}
}

func TestDirectMessagesThatAreOpenedTooFast(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	var later atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	r := startBot(t, sand, discord.Options{Now: now}, echo)
	send := func() error {
		_, err := r.bot.DM(soon(t), sandbox.Friend, discord.Message{Content: "hi"})
		return err
	}
	sand.Arm(sandbox.Fault{Kind: sandbox.Refused, Code: 40003, Path: "/users/@me/channels"})
	if api, ok := errors.AsType[*discord.APIError](send()); !ok || api.Code != 40003 {
		t.Errorf("the first gets %v", api)
	}
	before := sand.Requests()
	if err := send(); !errors.Is(err, discord.ErrBreaker) || sand.Requests() != before {
		t.Errorf("the second gets %v, after %d requests", err, sand.Requests()-before)
	}
	later.Store(int64(61 * time.Second))
	if err := send(); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

func TestTooManyFollowups(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(spec("more"))
		rt.Command("more", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			if err := r.Reply(ctx, discord.Message{Content: "first"}); err != nil {
				return err
			}
			_, err := r.Followup(ctx, discord.Message{Content: "second"})
			return err
		}})
	})
	sand.Arm(sandbox.Fault{Kind: sandbox.Refused, Code: 40094, Method: http.MethodPost, Path: "/webhooks/"})
	r.run("/more")
	r.see("the second in the place of the first", content("second"))
	if n := len(sand.Messages(sandbox.ChannelID, sandbox.Newcomer)); n != 1 {
		t.Errorf("there are %d messages", n)
	}
	if n := r.bot.Stats().HandlerErrors; n != 0 {
		t.Errorf("%d handlers failed\n%s", n, r.logs)
	}
}

// The same occasion is the same message, however often it is sent.
func TestMessagesOfOneOccasion(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	r := startBot(t, sand, discord.Options{}, echo)
	var ids []string
	for _, key := range []string{"a", "a", "b"} {
		ref, err := r.bot.SendMessage(soon(t), sandbox.ChannelID, discord.Message{Content: "hi", Nonce: discord.NonceOf("test", key)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, ref.MessageID)
	}
	if ids[0] != ids[1] || ids[1] == ids[2] {
		t.Errorf("messages %q", ids)
	}
	if discord.NonceOf("ab", "c") == discord.NonceOf("a", "bc") || len(discord.NonceOf("a")) > 25 {
		t.Error("NonceOf mixes its parts up, or is too long")
	}
	r.clean()
}
