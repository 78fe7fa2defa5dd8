package discord_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	const window = 50 * time.Millisecond
	sand := startSandbox(t, sandbox.Options{Shards: 2, Window: window, Heartbeat: 200 * time.Millisecond})
	r := startBot(t, sand, discord.Options{GuildID: "-", IdentifyWindow: window + 50*time.Millisecond}, echo)
	measured := func() bool {
		gateway := r.bot.Stats().Gateway
		for i, sh := range gateway {
			if sh.ID != i || !sh.Connected || sh.Latency <= 0 || sh.Latency > wait {
				return false
			}
		}
		return len(gateway) == 2
	}
	eventually(t, "heartbeats of both shards are measured", measured)
	for _, sh := range r.bot.Stats().Gateway {
		if sh.Closed != 0 {
			t.Errorf("shard %d was closed with %d", sh.ID, sh.Closed)
		}
	}
	// A heartbeat without an answer makes the latency grow.
	sand.Arm(sandbox.Fault{Kind: sandbox.MuteAcks, Times: -1})
	eventually(t, "the wait shows", func() bool {
		gateway := r.bot.Stats().Gateway
		return gateway[0].Latency > 300*time.Millisecond || gateway[1].Latency > 300*time.Millisecond
	})
	sand.Disarm()
	sand.Arm(sandbox.Fault{Kind: sandbox.CloseGateway, Code: 4000})
	eventually(t, "the code is known and both are back", func() bool {
		gateway := r.bot.Stats().Gateway
		return gateway[0].Closed == 4000 && gateway[1].Closed == 4000 && r.bot.Stats().Connected
	})
	eventually(t, "heartbeats are measured anew", func() bool { return measured() && r.bot.Stats().Gateway[0].Latency < 300*time.Millisecond })
}

func TestLimitsByScope(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	r := startBot(t, sand, discord.Options{}, echo)
	ref, err := r.bot.SendMessage(soon(t), sandbox.ChannelID, discord.Message{Content: "first"})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []sandbox.FaultKind{
		sandbox.RateLimited, sandbox.RateLimitedShared, sandbox.RateLimitedShared, sandbox.RateLimitedGlobal, sandbox.RateLimitedHTML,
	} {
		sand.Arm(sandbox.Fault{Kind: kind, Method: http.MethodPatch, Delay: 10 * time.Millisecond})
		if err := r.bot.EditMessage(soon(t), ref, discord.Message{Content: string(kind)}); err != nil {
			t.Fatal(err)
		}
	}
	sand.Arm(sandbox.Fault{Kind: sandbox.Forbidden, Method: http.MethodPatch, Times: 2})
	if err := r.bot.EditMessage(soon(t), ref, discord.Message{Content: "progress", Optional: true}); !discord.IsMissingPermission(err) {
		t.Errorf("%v, want a missing permission", err)
	}
	var api *discord.APIError
	if err := r.bot.EditMessage(soon(t), ref, discord.Message{Content: "result"}); !errors.As(err, &api) {
		t.Errorf("%v, want Discord's refusal", err)
	}
	st := r.bot.Stats()
	got := [...]int64{st.UserLimits, st.SharedLimits, st.GlobalLimits, st.ProxyLimits, st.Invalid, int64(st.RefusedLately), st.EditsSent, st.EditsDropped, st.EditsFailed}
	// Shared limits are nobody's fault and do not count as refused.
	if want := [...]int64{1, 2, 1, 1, 2, 5, 5, 1, 1}; got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
}
