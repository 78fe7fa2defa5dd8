// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"stablemate/commands"
	"stablemate/commands/chat"
	"stablemate/horde/apiv2"
	"stablemate/horde/kudos"
	"stablemate/inference"
	"stablemate/inference/onnx"
	"stablemate/internal/blob"
	"stablemate/internal/config"
	"stablemate/internal/discord"
	"stablemate/internal/documents"
	"stablemate/internal/fetch"
	"stablemate/internal/sandbox"
	"stablemate/internal/schedule"
	"stablemate/internal/web"
	"stablemate/ratings"
)

// sandboxWelcome is what people in the sandbox start with, so that they can try giving.
const sandboxWelcome = 100 * kudos.One

// Bounds of an image behind a link that somebody names in chat.
const (
	maxFetched = 20 << 20 // bytes
	fetchTime  = 10 * time.Second
)

// sandboxGrace is how long a kudos reaction can be taken back there.
const sandboxGrace = time.Second

// sandboxSize is asked for in the sandbox, where the built-in model draws: its own size.
const sandboxSize = 256

// Run starts everything that the configuration asks for and blocks until ctx ends or something breaks.
// Addresses for people go to out, the log to logs.
func Run(ctx context.Context, p Program, cfg config.Config, out, logs io.Writer) error {
	makeRoom()
	log := newLogger(cfg, logs)
	c, err := openCore(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer c.close()

	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", cfg.Server.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	a := &assembly{core: c, log: log, url: cfg.Server.PublicURL, node: listener.Addr().String()}
	if a.url == "" {
		a.url = "http://" + reachable(listener.Addr())
	}
	a.add(0, "engine", c.engine.Run)
	if err := a.openRatings(); err != nil {
		return errors.Join(err, listener.Close())
	}
	if p == Bot {
		if err := a.openAlbum(); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	door, err := a.door()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	a.add(2, "http", func(ctx context.Context) error { return serveUntil(ctx, listener, door) })
	a.add(2, "operators", c.serveControl)
	if err := a.schedule(); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := a.collect(); err != nil {
		return errors.Join(err, listener.Close())
	}
	if cfg.Pool.Enabled {
		if err := a.pool(); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	var lines []string
	lines = append(lines, "API:  "+a.url+"/api/v2   (register at "+a.url+"/register)")
	if p == Bot {
		page, err := a.chat() //nolint:contextcheck // what it builds reads links in the background, see commands.linkReader
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		if page != "" {
			lines = append(lines, "Page: "+page)
		}
	}
	for _, line := range lines {
		_, _ = fmt.Fprintln(out, line)
	}
	err = runStages(ctx, a.stages[:])
	if err != nil {
		return fmt.Errorf("stopped: %w", err)
	}
	return nil
}

// assembly collects what will run. Stage 0 is the engine, 1 what lives on it, 2 the doors.
type assembly struct {
	*core
	log    zerolog.Logger
	url    string
	node   string
	stages [3]stage
	models []inference.Folder
	api    *apiv2.Server
	shelf  *documents.Shelf

	ratings *ratings.Ratings
	kept    *blob.Store // the album's folder; nil without chat
	signer  *blob.Signer
}

func (a *assembly) add(at int, name string, run func(context.Context) error) {
	a.stages[at] = append(a.stages[at], service{name, run})
}

// door is everything the HTTP listener answers.
func (a *assembly) door() (http.Handler, error) {
	links, images, err := a.imageLinks()
	if err != nil {
		return nil, err
	}
	shelf, err := a.documents()
	if err != nil {
		return nil, err
	}
	a.shelf = shelf
	hooks, err := a.webhooks()
	if err != nil {
		return nil, err
	}
	a.notices(hooks)
	addresses, err := a.addresses()
	if err != nil {
		return nil, err
	}
	api, err := apiv2.New(apiv2.Deps{
		Engine: a.engine, Blobs: a.images, Signer: links, Secret: a.secrets.keys, IDs: a.ids, NewKey: a.ids.APIKey, Now: systemClock.Now,
		Log: a.log,
	}, apiv2.Options{
		RateLimits: a.cfg.Server.RateLimits, TrustedProxy: a.cfg.Server.TrustedProxy, PublicURL: a.url, Node: a.node, Version: Version,
		Papers:      papers{shelf},
		Webhooks:    hooks,
		KnownModels: a.known,
		Addresses:   addresses,
		Ratings:     a.ratings,
	})
	if err != nil {
		return nil, fmt.Errorf("open the API: %w", err)
	}
	a.api = api
	pages, err := web.Handler(web.Deps{
		Engine: a.engine, HashKey: a.hashKey, NewKey: a.ids.APIKey, NewIdentity: func() string { return a.ids.V4().String() },
		Caller: func(r *http.Request) string { return api.Origin(r).String() }, Now: systemClock.Now, Log: a.log,
		Seal: a.secrets.seal, Unseal: a.secrets.unseal, Give: a.give,
	}, web.Options{
		Name: a.cfg.Horde.Name, Registration: a.cfg.Horde.Registration, RateLimits: a.cfg.Server.RateLimits, PublicURL: a.cfg.Server.PublicURL,
		Version: Version, Document: papers{shelf}.page, News: papers{shelf}.pieces, Discord: discordLogin(a.cfg.Discord),
	})
	if err != nil {
		return nil, fmt.Errorf("open the pages: %w", err)
	}
	mux := http.NewServeMux()
	if images != nil {
		mux.Handle(blob.PathPrefix, images)
	}
	mux.Handle("/", pages)
	return api.Before(mux), nil
}

// schedule sets what happens by the clock.
func (a *assembly) schedule() error {
	s := schedule.New(a.log)
	err := errors.Join(
		s.Add("@every 10m", "sweep images", func(ctx context.Context) error {
			_, err := a.images.Sweep(ctx, systemClock.Now().Add(-a.cfg.Store.ImageLife.Span()))
			return err
		}),
		s.Add("@every 1h", "monthly kudos and trust", a.upkeep),
	)
	if err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	a.add(1, "schedule", s.Run)
	return nil
}

// keep is how long the messages of finished requests are known.
func (a *assembly) keep() time.Duration {
	return time.Duration(a.cfg.Discord.KeepDays) * 24 * time.Hour
}

// pool starts the worker of this machine: one runner for pictures and one for the safety check.
func (a *assembly) pool() error {
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	library, err := onnx.Locate(a.cfg.Pool.Library, filepath.Join(cache, "onnxruntime"))
	if err != nil {
		return fmt.Errorf("the local pool needs ONNX Runtime; `fetch-runtime` fetches it, [pool] enabled = false does without: %w", err)
	}
	builtIn, err := inference.Unpack(cache)
	if err != nil {
		return fmt.Errorf("unpack the built-in models: %w", err)
	}
	models := modelsOf(a.cfg, builtIn.Models, a.log)
	if len(models) == 0 {
		return errors.New("the local pool has no model")
	}
	self, err := ownProgram()
	if err != nil {
		return err
	}
	a.models = models
	opts := inference.Options{
		WorkerName: a.cfg.Pool.WorkerName, Command: []string{self, runnerCommand}, Models: models, Safety: builtIn.Safety,
		Devices: []inference.Device{{Provider: a.cfg.Pool.Provider, Index: a.cfg.Pool.Device, Threads: a.cfg.Pool.Threads, Library: library}},
		Slots:   a.cfg.Pool.Slots, MaxPixels: a.cfg.Pool.MaxPixels, Grace: a.cfg.Server.StopTimeout.Span(), NSFW: true,
	}
	a.add(1, "pool", func(ctx context.Context) error {
		if opts.Owner, err = a.owner(ctx); err != nil {
			return err
		}
		pool, err := inference.NewPool(inference.Deps{Engine: a.engine, Images: a.images, Now: systemClock.Now, Log: a.log, Delivered: a.api.Delivered}, opts)
		if err != nil {
			return err
		}
		return pool.Run(ctx)
	})
	return nil
}

// chat starts the bot, and the sandbox when it takes Discord's place. It returns the page's address.
func (a *assembly) chat() (page string, err error) {
	opts := discord.Options{
		Token: a.cfg.Discord.Token.Reveal(), BaseURL: a.cfg.Discord.BaseURL, GuildID: a.cfg.Discord.GuildID, Log: a.log, Now: systemClock.Now,
	}
	set := commands.Options{
		HordeName: a.cfg.Horde.Name, APIURL: a.url, KudosEmoji: a.cfg.Discord.KudosEmoji,
		KudosAmount: kudos.Whole(int64(a.cfg.Discord.KudosAmount)), AutoAccount: true, AnonymousAllowed: a.cfg.Horde.Anonymous, Version: Version,
		EmojiMost: kudos.Whole(int64(a.cfg.Discord.EmojiMost)), OperatorGuild: a.cfg.Discord.Operators,
		Keep: a.keep(), Support: a.cfg.Discord.Support,
		Ceiling: commands.Ceiling{
			Limits: chat.Limits{AtOnce: a.cfg.Discord.AtOnce}, Adult: a.cfg.Discord.Adult, NoSources: !a.cfg.Discord.Sources,
			Youth: time.Duration(a.cfg.Discord.YoungDays) * 24 * time.Hour,
		},
	}
	if len(a.models) > 0 {
		set.Model, set.CFG, set.Steps = a.models[0].Name, a.models[0].DefaultCFG, a.models[0].DefaultSteps
	}
	if a.cfg.SandboxOn() {
		box, err := sandbox.New(sandbox.Options{
			Addr: a.cfg.Sandbox.Listen, Now: systemClock.Now, Log: a.log, DataDir: filepath.Join(a.cfg.Server.DataDir, "sandbox"),
		})
		if err != nil {
			return "", fmt.Errorf("open the sandbox: %w", err)
		}
		a.add(1, "sandbox", box.Run)
		opts.Token, opts.BaseURL, opts.GuildID = box.Token(), box.APIURL(), ""
		set.Welcome, set.OperatorGuild = sandboxWelcome, sandbox.GuildID
		set.Ceiling.Youth = 0                               // everybody there is new
		set.GiftsAgreed, set.GiftGrace = true, sandboxGrace // whoever tries it out sees the kudos move
		set.Sizes = []commands.Size{
			{Name: "small", Width: sandboxSize, Height: sandboxSize},
			{Name: "square", Width: 512, Height: 512},
			{Name: "portrait", Width: 512, Height: 768},
			{Name: "landscape", Width: 768, Height: 512},
		}
		page = box.URL()
	}
	if opts.Token == "" {
		return "", errors.New("there is no Discord token and the sandbox is off: set [discord] token, or [sandbox] enabled = \"on\"")
	}
	router := discord.NewRouter()
	bot, err := discord.New(discord.Deps{Router: router}, opts)
	if err != nil {
		return "", fmt.Errorf("open Discord: %w", err)
	}
	album := blob.NewAlbum(a.images, a.kept)
	chat, err := commands.New(commands.Deps{
		Engine: a.engine, Bot: bot, Messages: a.store, Docs: a.store, Images: album, Fetch: fetch.New(fetch.Options{MaxBytes: maxFetched, Timeout: fetchTime}).Get, Seal: a.secrets.seal, Unseal: a.secrets.unseal,
		History: a.movements, Ranks: a.ranks, NewKey: a.ids.APIKey, HashKey: a.hashKey, Log: a.log, Now: systemClock.Now, News: papers{a.shelf}.chat, Ratings: a.ratings,
		Link: a.chatLink(),
	}, set)
	if err != nil {
		return "", fmt.Errorf("open the commands: %w", err)
	}
	chat.Register(router)
	if err := a.chatSchedule(chat, album); err != nil {
		return "", err
	}
	a.add(2, "discord", bot.Run)
	a.add(2, "chat", chat.Run)
	return page, nil
}

// reachable turns a listening address into one that a browser on this machine can open.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr.String()
}

// ownProgram is what to start as a runner: this very program, even when its file was replaced meanwhile.
func ownProgram() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return self, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return path, nil
}
