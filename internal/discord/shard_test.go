package discord_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

func TestShards(t *testing.T) {
	t.Parallel()
	const window = 300 * time.Millisecond
	sand := startSandbox(t, sandbox.Options{Shards: 3, Window: window})
	begin := time.Now()
	r := startBot(t, sand, discord.Options{GuildID: "-", IdentifyWindow: window + 50*time.Millisecond}, func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(discord.CommandSpec{Name: "where", Description: "for a test", DMs: true})
		rt.Command("where", saying(func(in *discord.Interaction) string { return "in " + in.ChannelID }))
	})
	eventually(t, "all shards are up", func() bool { return r.bot.Stats().Connected })
	if took := time.Since(begin); took < 2*window {
		t.Errorf("three shards were up after %s, in less than two windows", took)
	}
	if s := r.bot.Stats(); s.Shards != 3 || s.ShardsUp != 3 {
		t.Errorf("shards are %d of %d", s.ShardsUp, s.Shards)
	}
	if discord.ShardOf(sandbox.GuildID, 3) == discord.ShardOf(sandbox.OtherGuildID, 3) {
		t.Error("both guilds are in one shard, this test shows nothing")
	}
	for _, channel := range []string{sandbox.ChannelID, sandbox.OtherChannelID, sandbox.DMChannel(sandbox.Newcomer)} {
		if _, err := sand.RunCommand(soon(t), sandbox.Newcomer, channel, "where", nil); err != nil {
			t.Fatal(err)
		}
		r.see("an answer", content("in "+channel))
	}
	if n := r.bot.GuildCount(); n != 2 {
		t.Errorf("the bot is in %d guilds, want 2", n)
	}
	// Discord ends all sessions at once: the new ones wait for their turns.
	sand.Arm(sandbox.Fault{Kind: sandbox.InvalidSession})
	eventually(t, "new sessions", func() bool {
		connected, begun := sand.Sessions()
		return connected == 3 && begun >= 6 && r.bot.Stats().Connected
	})
	r.clean()
}

func TestIdentifyBudget(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{Identifies: 7}) // five are kept in reserve
	r := startBot(t, sand, discord.Options{IdentifyWindow: 20 * time.Millisecond}, echo)
	for range 4 {
		sand.Arm(sandbox.Fault{Kind: sandbox.InvalidSession})
		time.Sleep(1500 * time.Millisecond) // the library takes a second to let go
	}
	if _, begun := sand.Sessions(); begun != 2 {
		t.Errorf("%d sessions were begun, want 2", begun)
	}
	eventually(t, "it is said", func() bool { return strings.Contains(r.logs.String(), "budget of gateway sessions is used up") })
	r.clean()
}

func TestGuildEvents(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{Members: true})
	news := make(chan string, 20)
	told := func(text string) error { news <- text; return nil }
	r := startBot(t, sand, discord.Options{Members: true}, func(rt *discord.Router, b *discord.Bot) {
		echo(rt, b)
		rt.GuildJoined(func(_ context.Context, g discord.Guild) error { return told("joined " + g.Name) })
		rt.GuildLeft(func(_ context.Context, id string) error { return told("left " + id) })
		rt.MemberRemoved(func(_ context.Context, guild, user string) error { return told("gone " + guild + " " + user) })
	})
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-news:
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("news (-want +got):\n%s", diff)
			}
		case <-time.After(wait):
			t.Fatalf("no news of %q\n%s", want, r.logs)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(sand.GuildOutage(sandbox.GuildID, true))
	do(sand.GuildOutage(sandbox.GuildID, false))
	do(sand.Leave(sandbox.OtherGuildID, sandbox.BotID))
	expect("left " + sandbox.OtherGuildID)
	if r.bot.InGuild(sandbox.OtherGuildID) || !r.bot.InGuild(sandbox.GuildID) {
		t.Error("InGuild does not know")
	}
	do(sand.Join(sandbox.OtherGuildID, sandbox.BotID))
	expect("joined The Paddock")
	do(sand.Leave(sandbox.GuildID, sandbox.Friend))
	expect("gone " + sandbox.GuildID + " " + sandbox.Friend)
	if _, err := r.bot.Member(soon(t), sandbox.GuildID, sandbox.Friend); !discord.IsUnknownMember(err) {
		t.Errorf("Member(left) = %v", err)
	}
	do(sand.SetGuildLevel(sandbox.GuildID, 3))
	eventually(t, "the guild is restricted", func() bool { return r.bot.GuildRestricted(sandbox.GuildID) })
	// What happens while the bot is away is told by the next session's list.
	sand.Arm(sandbox.Fault{Kind: sandbox.Drop, Times: 1})
	do(sand.Leave(sandbox.OtherGuildID, sandbox.BotID))
	sand.Arm(sandbox.Fault{Kind: sandbox.InvalidSession})
	expect("left " + sandbox.OtherGuildID)
	r.clean()
}
