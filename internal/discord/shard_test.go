package discord_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

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

// Discord says of some sessions that they may be resumed: nothing is lost then, and nothing of the day's budget is used.
func TestASessionThatMayBeResumed(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	news := make(chan string, 20)
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, b *discord.Bot) {
		echo(rt, b)
		rt.ReactionAdd(func(_ context.Context, e discord.ReactionAdd) error { news <- e.Emoji.Name; return nil })
	})
	m, err := sand.Post(sandbox.Newcomer, sandbox.ChannelID, "hello")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		sand.Arm(sandbox.Fault{Kind: sandbox.InvalidSession, Code: 1})
		eventually(t, "the connection ends", func() bool { return !r.bot.Stats().Connected })
		if err := sand.React(sandbox.Friend, m.ID, "🙏"); err != nil {
			t.Fatal(err)
		}
		if err := sand.Unreact(sandbox.Friend, m.ID, "🙏"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-news:
		case <-time.After(wait):
			t.Fatalf("the reaction is lost\n%s", r.logs)
		}
		eventually(t, "the session goes on", func() bool { return r.bot.Stats().Connected })
	}
	if _, begun := sand.Sessions(); begun != 1 {
		t.Errorf("%d sessions were begun, want 1", begun)
	}
	r.clean()
}

// A Discord that ends every session at once gets fewer and fewer of them, and in the end none.
func TestSessionsThatEndAtOnce(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{Window: time.Hour})
	r := &rig{t: t, sand: sand, logs: &logs{}}
	router := discord.NewRouter()
	bot, err := discord.New(discord.Deps{Router: router}, discord.Options{
		Token: sand.Token(), BaseURL: sand.APIURL(), Log: zerolog.New(r.logs), IdentifyWindow: 50 * time.Millisecond, GatewayDead: 3 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	echo(router, bot)
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- bot.Run(ctx) }()
	select {
	case <-bot.Ready():
	case <-ctx.Done():
		t.Fatal("the bot is not ready")
	}
	sand.Arm(sandbox.Fault{Kind: sandbox.InvalidSession})
	err = <-done
	if err == nil || !strings.Contains(err.Error(), "no gateway connection for too long") {
		t.Errorf("Run = %v", err)
	}
	if _, begun := sand.Sessions(); begun < 3 || begun > 9 {
		t.Errorf("%d sessions were begun, want 3 to 9", begun)
	}
}
