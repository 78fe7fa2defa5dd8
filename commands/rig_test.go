// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"stablemate/commands"
	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/blob"
	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
	"stablemate/internal/store"
	"stablemate/ratings"
)

func TestMain(m *testing.M) {
	// These tests wait for Discord's pace more than they compute: more of them than cores go side by side.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	// Some tests drive discordgo into the states from which its Open never returns; such a session is given up.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/bwmarrin/discordgo.(*Session).Open"))
}

// soon bounds everything that should happen.
const soon = 60 * time.Second

// patience is how long people wait for an answer, and Discord: a busy machine is no failure.
const patience = 15 * time.Second

// hasty has the router acknowledge for slow handlers as soon as it does beside Discord itself.
func hasty(_ *sandbox.Options, d *discord.Options) { d.DeferAfter = 2 * time.Second }

// deferral is the kind of an acknowledgement that promises a message.
const deferral = 5

// model is what the test's worker serves.
const model = "tiny"

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

// ids are random, as the product's are.
type ids struct{}

func (ids) UUID() (u horde.UUID) {
	_, _ = rand.Read(u[:])
	return u
}

func (ids) Uint32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return binary.LittleEndian.Uint32(b[:])
}

func hashKey(key string) horde.KeyHash { return sha256.Sum256([]byte("test" + key)) }

// makeKey makes an API key, which no log may contain.
func (r *rig) makeKey() string {
	key := rand.Text()
	select {
	case r.keys <- key:
	default: // enough of them
	}
	return key
}

// rig is everything around a bot: a Discord, a folder with the store and the images, and a clock that can jump.
type rig struct {
	t        testing.TB
	sand     *sandbox.Server
	images   *blob.Store
	album    *blob.Album // images and what is kept of them
	shelf    *blob.Store // of images to rate
	dir      string
	aead     cipher.AEAD
	logs     *logs
	jumped   atomic.Int64
	opts     commands.Options
	p        *process
	database string       // of PostgreSQL, see storeOptions
	web      sync.Map     // files elsewhere, by address
	harsh    atomic.Bool  // processes end in the middle of what they do
	unsafe   atomic.Bool  // rows of messages cannot be saved
	public   atomic.Bool  // people reach the horde: there are links to images
	slow     atomic.Int64 // nanoseconds that reading takes longer
	stiff    atomic.Int64 // nanoseconds that writing takes longer
	trip     tripwire
	stuck    sync.Map    // keys of images that cannot be deleted
	keys     chan string // API keys that were made
	news     atomic.Pointer[[]commands.NewsPiece]
	tune     []tuning
	picture  []byte     // that workers deliver; webp when nil
	forgiven string     // findings with this are no failure
	ended    chan error // when not nil, takes the error with which Discord ended the bot; otherwise that fails the test
}

// tuning changes how the rig's Discord and the bot's way to it are.
type tuning func(*sandbox.Options, *discord.Options)

// messages is the store, or one that has trouble.
type messages struct {
	*store.Store
	broken *atomic.Bool
	slow   *atomic.Int64
	stiff  *atomic.Int64
}

// docs is the store, or a slow one.
type docs struct {
	*store.Store
	slow *atomic.Int64 // nanoseconds that a read takes longer
	trip *tripwire
}

// shelves are the album, of which some images cannot be deleted now.
type shelves struct {
	*blob.Album
	stuck *sync.Map
}

func (a shelves) Delete(ctx context.Context, key string) error {
	if _, stuck := a.stuck.Load(key); stuck {
		return errors.New("the bucket is away")
	}
	return a.Album.Delete(ctx, key)
}

func (d docs) Doc(ctx context.Context, kind chat.DocKind, key string) (chat.Doc, bool, error) {
	if err := dawdle(ctx, d.slow); err != nil {
		return chat.Doc{}, false, err
	}
	if err := d.trip.read(kind); err != nil {
		return chat.Doc{}, false, err
	}
	return d.Store.Doc(ctx, kind, key)
}

func (m messages) MessageByKey(ctx context.Context, key string) (chat.Message, bool, error) {
	if err := dawdle(ctx, m.slow); err != nil {
		return chat.Message{}, false, err
	}
	return m.Store.MessageByKey(ctx, key)
}

// dawdle takes its time.
func dawdle(ctx context.Context, slow *atomic.Int64) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(slow.Load())):
		return nil
	}
}

func (m messages) SaveMessage(ctx context.Context, row chat.Message) error {
	if m.broken.Load() {
		return errors.New("disk full")
	}
	if err := dawdle(ctx, m.stiff); err != nil {
		return err
	}
	return m.Store.SaveMessage(ctx, row)
}

// process is what a restart replaces.
type process struct {
	store  *store.Store
	engine *engine.Engine
	bot    *discord.Bot
	set    *commands.Set
	stop   func()
}

func (r *rig) now() time.Time { return time.Now().Add(time.Duration(r.jumped.Load())) }

func (r *rig) jump(d time.Duration) { r.jumped.Add(int64(d)) }

// newRig starts a Discord and a bot beside it. change may alter the options.
func newRig(t testing.TB, change func(*commands.Options), tune ...tuning) *rig { //nolint:thelper // a test mostly, at times a benchmark
	t.Helper()
	r := &rig{t: t, tune: tune, dir: t.TempDir(), logs: &logs{}, keys: make(chan string, 100), opts: commands.Options{
		HordeName: "Test stable", APIURL: "http://127.0.0.1:1/api", Model: model, KudosEmoji: "🙏", GiftGrace: 50 * time.Millisecond, AutoAccount: true,
		Welcome: 100 * kudos.One, AnonymousAllowed: true, RolePace: time.Millisecond, OperatorGuild: sandbox.GuildID,
		Sizes: []commands.Size{{Name: "square", Width: 256, Height: 256}, {Name: "wide", Width: 384, Height: 256}},
	}}
	if change != nil {
		change(&r.opts)
	}
	r.makeDatabase()
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	if r.aead, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	if r.images, err = blob.NewStore(filepath.Join(r.dir, "images")); err != nil {
		t.Fatal(err)
	}
	kept, err := blob.NewStore(filepath.Join(r.dir, "album"))
	if err != nil {
		t.Fatal(err)
	}
	r.album = blob.NewAlbum(r.images, kept)
	if r.shelf, err = blob.NewStore(filepath.Join(r.dir, "shared")); err != nil {
		t.Fatal(err)
	}
	if r.sand, err = sandbox.New(r.discordOptions()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.sand.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("sandbox ended with %v", err)
		}
	})
	t.Cleanup(func() {
		if r.p != nil {
			r.p.stop()
		}
		for _, f := range r.sand.Findings() {
			if r.forgiven == "" || !strings.Contains(f.Text, r.forgiven) {
				t.Errorf("finding: %s: %s", f.Where, f.Text)
			}
		}
		said := r.logs.String()
		secrets := []string{r.sand.Token(), "aW50ZXJhY3Rpb24-", "red apple"}
		for range len(r.keys) {
			secrets = append(secrets, <-r.keys)
		}
		for _, secret := range secrets {
			if strings.Contains(said, secret) {
				t.Errorf("the log contains %q", secret)
			}
		}
		if t.Failed() {
			t.Log(said)
			for _, who := range []string{sandbox.Newcomer, sandbox.Friend} {
				for _, m := range r.sand.Messages(sandbox.ChannelID, who) {
					t.Logf("seen by %s: %s of %s: %q, %d files, buttons %q", who, m.ID, m.AuthorID, m.Content, len(m.Attachments), labels(m))
				}
			}
		}
	})
	r.start()
	return r
}

// start opens the store and runs the bot until stop. hold, when given, is closed before the engine commits anything.
func (r *rig) start(hold ...<-chan struct{}) {
	t := r.t
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	log := zerolog.New(r.logs)
	st, err := store.Open(ctx, r.storeOptions(log))
	if err != nil {
		t.Fatal(err)
	}
	eng, err := engine.Open(ctx, ledger{st, &r.trip}, engine.Options{
		Settings: horde.Settings{AnonymousAllowed: true, AnonymousKey: hashKey("0000000000"), TransfersAllowed: true, Sharing: true},
		Now:      r.now, IDs: ids{}, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	router := discord.NewRouter()
	away := discord.Options{Token: r.sand.Token(), BaseURL: r.sand.APIURL(), GuildID: "", Log: log, Now: r.now}
	if _, load := r.t.(*testing.B); !load {
		away.AnswerWindow, away.DeferAfter = patience-100*time.Millisecond, patience/3
	}
	for _, f := range r.tune {
		f(&sandbox.Options{}, &away)
	}
	bot, err := discord.New(discord.Deps{Router: router}, away)
	if err != nil {
		t.Fatal(err)
	}
	rated, err := ratings.New(ratings.Deps{
		Engine: eng, Store: st, Shelf: r.shelf, Images: r.images, Random: func() uint64 { return uint64(ids{}.Uint32()) << 31 }, Now: r.now, Log: log,
	}, ratings.Options{Probes: -1})
	if err != nil {
		t.Fatal(err)
	}
	set, err := commands.New(commands.Deps{
		Ratings: rated,
		History: func(ctx context.Context, account kudos.Account, kinds []kudos.Kind, limit int) (out []commands.Movement, err error) {
			entries, err := st.History(ctx, account, kinds, limit)
			for _, e := range entries {
				out = append(out, commands.Movement{Key: e.Key, Kind: e.Kind, At: e.At, Amount: e.Amount, Other: e.Other})
			}
			return out, err
		},
		Ranks: func(ctx context.Context, board commands.Board, since time.Time) (out []commands.Rank, err error) {
			by := map[commands.Board]store.RankBy{
				commands.BoardGiven: store.ByGiven, commands.BoardReceived: store.ByReceived, commands.BoardGenerated: store.ByMade,
				commands.BoardRated: store.ByRated,
			}
			ranks, err := st.Ranks(ctx, by[board], since, 100)
			for _, r := range ranks {
				out = append(out, commands.Rank(r))
			}
			return out, err
		},
		Engine: eng, Bot: bot, Messages: messages{st, &r.unsafe, &r.slow, &r.stiff}, Docs: docs{st, &r.slow, &r.trip}, Images: shelves{r.album, &r.stuck}, NewKey: r.makeKey, HashKey: hashKey, Log: log, Now: r.now,
		News: func() []commands.NewsPiece {
			if list := r.news.Load(); list != nil {
				return slices.Clone(*list)
			}
			return nil
		},
		Link: func(key string, life time.Duration) (string, bool) {
			return "https://horde.example/blob/" + key + "?exp=" + strconv.FormatInt(r.now().Add(life).Unix(), 10), r.public.Load()
		},
		Fetch: func(_ context.Context, address string) ([]byte, error) {
			if data, ok := r.web.Load(address); ok {
				return data.([]byte), nil //nolint:forcetypeassert // tests store nothing else
			}
			return nil, errors.New("there is nothing")
		},
		Seal: func(secret, bind []byte) ([]byte, error) {
			nonce := make([]byte, r.aead.NonceSize())
			_, _ = rand.Read(nonce)
			return r.aead.Seal(nonce, nonce, secret, bind), nil
		},
		Unseal: func(sealed, bind []byte) ([]byte, error) {
			n := r.aead.NonceSize()
			return r.aead.Open(nil, sealed[:n], sealed[n:], bind)
		},
	}, r.opts)
	if err != nil {
		t.Fatal(err)
	}
	set.Register(router)
	engineCtx, stopEngine := context.WithCancel(context.Background())
	var doors, core sync.WaitGroup
	run := func(group *sync.WaitGroup, what string, f func() error) {
		group.Go(func() {
			if err := f(); err != nil {
				t.Errorf("%s ended with %v", what, err)
			}
		})
	}
	run(&core, "engine", func() error {
		for _, c := range hold {
			<-c
		}
		return eng.Run(engineCtx)
	})
	run(&doors, "bot", func() error {
		err := bot.Run(ctx)
		if err != nil && r.ended != nil {
			r.ended <- err
			return nil
		}
		return err
	})
	run(&doors, "ratings", func() error { return rated.Run(ctx) })
	run(&doors, "commands", func() error { return set.Run(ctx) })
	r.p = &process{store: st, engine: eng, bot: bot, set: set, stop: sync.OnceFunc(func() {
		if r.harsh.Load() { // the core goes first: whatever is under way breaks off
			stopEngine()
			core.Wait()
		}
		cancel()
		doors.Wait()
		stopEngine()
		core.Wait()
		if err := st.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})}
	select {
	case <-bot.Ready():
	case <-time.After(soon):
		t.Fatal("the bot is not ready")
	}
}

// restart ends the process and begins another, later.
func (r *rig) restart(later time.Duration) {
	r.t.Helper()
	r.p.stop()
	r.jump(later)
	r.start()
}

func (r *rig) ctx() context.Context {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	r.t.Cleanup(cancel)
	return ctx
}

// run runs a command and expects an answer in time.
func (r *rig) run(who, path string, options map[string]any) sandbox.Outcome {
	r.t.Helper()
	out, err := r.sand.RunCommand(r.ctx(), who, sandbox.ChannelID, path, options)
	if err != nil {
		r.t.Fatalf("/%s: %v", path, err)
	}
	return out
}

// generate asks for an image and returns the ID of its message.
func (r *rig) generate(who string, options map[string]any) string {
	r.t.Helper()
	if options == nil {
		options = map[string]any{}
	}
	if options["prompt"] == nil {
		options["prompt"] = "red apple"
	}
	out := r.run(who, "generate", options)
	if out.MessageID == "" {
		r.t.Fatalf("/generate was not acknowledged with a message: %+v", out)
	}
	return out.MessageID
}

func (r *rig) click(who, message, button string) sandbox.Outcome {
	r.t.Helper()
	out, err := r.sand.Click(r.ctx(), who, message, button)
	if err != nil {
		r.t.Fatalf("press %s: %v", button, err)
	}
	return out
}

// see waits until somebody sees a message like this.
func (r *rig) see(who, what string, ok func(sandbox.Message) bool) sandbox.Message {
	r.t.Helper()
	m, err := r.sand.WaitMessage(r.ctx(), who, ok)
	if err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	return m
}

// message waits until a message holds all texts.
func (r *rig) message(who, id string, texts ...string) sandbox.Message {
	r.t.Helper()
	return r.see(who, "message "+id+" with "+strings.Join(texts, ", "), func(m sandbox.Message) bool {
		return m.ID == id && holds(m, texts)
	})
}

// whisper waits for a message that only one person sees.
func (r *rig) whisper(who string, texts ...string) sandbox.Message {
	r.t.Helper()
	return r.see(who, "private message with "+strings.Join(texts, ", "), func(m sandbox.Message) bool {
		return m.Ephemeral && holds(m, texts)
	})
}

func holds(m sandbox.Message, texts []string) bool {
	all := m.Content
	for _, e := range m.Embeds {
		all += "\n" + e.Title + "\n" + e.Description
		for _, f := range e.Fields {
			all += "\n" + f[0] + ": " + f[1]
		}
	}
	all += "\n" + strings.Join(m.Texts, "\n")
	for _, text := range texts {
		if !strings.Contains(all, text) {
			return false
		}
	}
	return true
}

// result waits for the images of a message.
func (r *rig) result(who, id string, images int) sandbox.Message {
	r.t.Helper()
	return r.see(who, "result", func(m sandbox.Message) bool {
		return m.ID == id && len(m.Attachments) == images && len(m.Buttons) >= 2
	})
}

func (r *rig) user(who string) horde.User {
	r.t.Helper()
	u, ok := r.p.engine.UserByExternal("d_" + who)
	if !ok {
		r.t.Fatalf("%s has no account", who)
	}
	return u
}

// eventually waits for a condition that nothing announces.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(soon)
	for !ok() {
		if time.Now().After(deadline) {
			r.t.Fatalf("did not happen: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// worker is a real one as far as the core can tell; its pictures are all alike.
type worker struct {
	r     *rig
	owner horde.User
	fault atomic.Bool
	adult atomic.Bool   // it takes requests for adults
	gate  chan struct{} // one value for each image it may deliver; nil for all
}

// owner is a trusted account for a worker.
func (r *rig) owner(external, name string) horde.User {
	r.t.Helper()
	u, err := engine.Do(r.ctx(), r.p.engine, horde.CreateUser{
		External: external, Name: name, Key: hashKey(name), Roles: horde.RoleTrusted, Ensure: true,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return u
}

// beside runs work until the process of now stops.
func (r *rig) beside(work func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { work(ctx) })
	before := r.p.stop
	r.p.stop = sync.OnceFunc(func() {
		cancel()
		group.Wait()
		before()
	})
}

func (r *rig) worker(gate chan struct{}) *worker {
	r.t.Helper()
	w := &worker{r: r, owner: r.owner("d_999", "Owner"), gate: gate}
	r.beside(func(ctx context.Context) { w.work(ctx, r.p.engine) })
	return w
}

func (w *worker) offer() horde.Pop {
	return horde.Pop{Owner: w.owner.ID, Amount: 1, Offer: horde.Offer{
		Name: "Pony", Models: []string{model}, BridgeAgent: "AI Horde Worker reGen:13:test", Threads: 1, MaxPixels: 1 << 20, Lora: true, Img2Img: true, Painting: true, NSFW: w.adult.Load(),
	}}
}

func (w *worker) work(ctx context.Context, eng *engine.Engine) {
	for ctx.Err() == nil {
		job, err := eng.Pop(ctx, w.offer(), time.Second)
		if err != nil {
			if ctx.Err() == nil {
				w.r.t.Errorf("pop: %v", err)
			}
			return
		}
		for i, id := range job.Generations {
			if w.gate != nil {
				select {
				case <-w.gate:
				case <-ctx.Done():
					return
				}
			}
			submit := horde.Submit{Owner: w.owner.ID, Generation: id, Faulted: w.fault.Load()}
			if !submit.Faulted {
				submit.Blob = id.String() + ".webp"
				picture := w.r.picture
				if picture == nil {
					picture = webp()
				}
				if err := w.r.images.PutBytes(ctx, submit.Blob, picture); err != nil && ctx.Err() == nil {
					w.r.t.Errorf("store image: %v", err)
				}
				submit.Seed, submit.HasSeed = job.Seeds[i], true
			}
			if _, err := engine.Do(ctx, eng, submit); err != nil && ctx.Err() == nil {
				w.r.t.Errorf("submit: %v", err)
			}
		}
	}
}

// webp is the smallest picture of its kind.
func webp() []byte {
	b, err := base64.StdEncoding.DecodeString("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
	if err != nil {
		panic(err)
	}
	return b
}
