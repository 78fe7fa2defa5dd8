package discord_test

import (
	"context"
	"errors"
	"flag"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

func TestMain(m *testing.M) {
	// The tests mostly wait: for two seconds of a slow handler, for the second that the library needs to disconnect.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	// Some tests drive the library into the states from which its Open never returns; such a session is given up.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/bwmarrin/discordgo.(*Session).Open"))
}

// wait bounds everything that should happen soon.
const wait = 60 * time.Second

// logs collects what is logged, to be shown when a test fails and searched for secrets.
type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// rig is a bot beside its own Discord.
type rig struct {
	t    *testing.T
	sand *sandbox.Server
	bot  *discord.Bot
	logs *logs
	stop func()
}

// startSandbox runs a Discord until the test ends.
func startSandbox(t *testing.T, opts sandbox.Options) *sandbox.Server {
	t.Helper()
	if opts.AnswerWindow == 0 {
		opts.AnswerWindow = wait / 2 // a busy machine is no failure
	}
	s, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("sandbox ended with %v", err)
		}
	})
	return s
}

// startBot runs a bot with these routes until the test ends, or until rig.stop.
func startBot(t *testing.T, sand *sandbox.Server, opts discord.Options, fill func(*discord.Router, *discord.Bot)) *rig {
	t.Helper()
	r := &rig{t: t, sand: sand, logs: &logs{}}
	opts.Token, opts.BaseURL = sand.Token(), sand.APIURL()
	switch opts.GuildID {
	case "":
		opts.GuildID = sandbox.GuildID
	case "-": // everywhere
		opts.GuildID = ""
	}
	opts.Log = zerolog.New(r.logs)
	if opts.AnswerWindow == 0 {
		opts.AnswerWindow = wait / 2
	}
	if opts.IdentifyWindow == 0 {
		opts.IdentifyWindow = 200 * time.Millisecond
	}
	router := discord.NewRouter()
	bot, err := discord.New(discord.Deps{Router: router}, opts)
	if err != nil {
		t.Fatal(err)
	}
	fill(router, bot)
	r.bot = bot
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- bot.Run(ctx) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("bot ended with %v", err)
			}
		})
	}
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Log(r.logs.String())
		}
		if strings.Contains(r.logs.String(), sand.Token()) || strings.Contains(r.logs.String(), "aW50ZXJhY3Rpb24-") {
			t.Error("the log contains a token")
		}
	})
	select {
	case <-bot.Ready():
	case err := <-done:
		done <- nil
		t.Fatalf("bot ended before it was ready: %v", err)
	case <-time.After(wait):
		t.Fatalf("bot is not ready\n%s", r.logs)
	}
	return r
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	t.Cleanup(cancel)
	return ctx
}

// run types a command as Newcomer.
func (r *rig) run(line string) sandbox.Outcome {
	r.t.Helper()
	out, err := r.sand.RunLine(soon(r.t), sandbox.Newcomer, sandbox.ChannelID, line, nil)
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", line, err, r.logs)
	}
	return out
}

// see waits until Newcomer sees a message like this.
func (r *rig) see(what string, ok func(sandbox.Message) bool) sandbox.Message {
	r.t.Helper()
	m, err := r.sand.WaitMessage(soon(r.t), sandbox.Newcomer, ok)
	if err != nil {
		r.t.Fatalf("no message with %s: %v\nmessages: %+v\n%s", what, err, r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer), r.logs)
	}
	return m
}

func content(text string) func(sandbox.Message) bool {
	return func(m sandbox.Message) bool { return m.Content == text }
}

// clean fails the test when the bot sent something that Discord would not have accepted.
func (r *rig) clean() {
	r.t.Helper()
	for _, f := range r.sand.Findings() {
		r.t.Errorf("finding: %s: %s", f.Where, f.Text)
	}
}

// eventually waits for a condition that nothing announces.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(wait)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func spec(name string, options ...discord.OptionSpec) discord.CommandSpec {
	return discord.CommandSpec{Name: name, Description: "for a test", Options: options, DMs: true}
}

func text(name string) discord.OptionSpec {
	return discord.OptionSpec{Name: name, Description: "some text", Type: discord.OptionString}
}

// png is the smallest picture, a red pixel.
func png() []byte {
	return []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00\x90wS\xde" +
		"\x00\x00\x00\fIDATx\x9cc\xf8\xcf\xc0\x00\x00\x03\x01\x01\x00\xc9\xfe\x92\xef\x00\x00\x00\x00IEND\xaeB`\x82")
}

var errSomething = errors.New("something broke")
