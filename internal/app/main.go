// SPDX-License-Identifier: AGPL-3.0-or-later

// Package app puts the product together: it alone reads the configuration, opens the store, and starts
// and stops everything in order.
package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rs/zerolog"

	"stablemate/inference"
	"stablemate/inference/onnx"
	"stablemate/internal/clock"
	"stablemate/internal/config"
)

// Version of the product, as it tells others.
const Version = "0.1.0"

// Program says which of the two commands runs.
type Program int

// The commands.
const (
	Bot    Program = iota // everything, with Discord or its sandbox
	Server                // everything but the chat
)

const usage = `usage:
  %[1]s run [--config FILE]                start
  %[1]s fetch-runtime                      fetch the ONNX Runtime library, once
  %[1]s audit [--config FILE]              prove that the ledger balances
  %[1]s webhook-secret [--config FILE]     print what receivers of webhooks check calls with
  %[1]s user add NAME [--role R]… [--kudos N] [--concurrency N] [--config FILE]
  %[1]s user set ID [--name NAME] [--role R]… [--revoke R]… [--kudos N] [--concurrency N] [--new-key]
  %[1]s user delete ID                     mark an account as deleted; again, when it was idle for a month, wipe it
  %[1]s user list
  %[1]s ratings import DIR|FILE [--dataset NAME] [--nsfw] [--config FILE]
                                           let people rate images of a folder or list
  %[1]s rejected [--config FILE]           show the prompts that the filter refused lately
  %[1]s notices [--config FILE]            show what operators should look at
`

// Main runs a command and returns the exit status: 0 when all went well, 1 when something broke, 2 when
// the command line is wrong.
func Main(p Program, args []string, stdout, stderr io.Writer) int {
	name := "bot"
	if p == Server {
		name = "server"
	}
	if len(args) == 0 {
		args = []string{"run"}
	}
	if args[0] == runnerCommand {
		if err := runRunner(context.Background(), stderr); err != nil {
			_, _ = fmt.Fprintf(stderr, "%v\n", err)
			return 1
		}
		return 0
	}
	ctx, stop := signals()
	defer stop()
	var err error
	switch command, rest := args[0], args[1:]; command {
	case "run":
		err = withConfig(rest, func(cfg config.Config) error { return Run(ctx, p, cfg, stdout, stderr) })
	case "fetch-runtime":
		err = fetchRuntime(ctx, stdout)
	case "audit":
		err = withConfig(rest, func(cfg config.Config) error { return audit(ctx, cfg, stdout) })
	case "webhook-secret":
		err = withConfig(rest, func(cfg config.Config) error { return webhookSecret(ctx, cfg, stdout) })
	case "user":
		err = userCommand(ctx, rest, stdout)
	case "ratings":
		err = ratingsCommand(ctx, rest, stdout)
	case "rejected":
		err = withConfig(rest, func(cfg config.Config) error { return rejected(ctx, cfg, stdout) })
	case orderNotices:
		err = withConfig(rest, func(cfg config.Config) error { return notices(ctx, cfg, stdout) })
	default:
		err = errUsage
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage), errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintf(stderr, usage, name)
		return 2
	}
	_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
	return 1
}

var errUsage = errors.New("wrong command line")

// signals ends the context on the first interrupt; a second one ends the process at once.
func signals() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from then on signals do what they do by default
	return ctx, stop
}

func withConfig(args []string, do func(config.Config) error) error {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("config", "", "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return errUsage
	}
	cfg, err := config.Load(*path, os.Getenv)
	if err != nil {
		return err
	}
	return do(cfg)
}

// cacheDir holds what can be fetched or made again. STABLEMATE_CACHE moves it.
func cacheDir() (string, error) {
	if dir := os.Getenv("STABLEMATE_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder (set STABLEMATE_CACHE): %w", err)
	}
	return filepath.Join(dir, "stablemate"), nil
}

func runtimeDir() (string, error) {
	dir, err := cacheDir()
	return filepath.Join(dir, "onnxruntime"), err
}

func fetchRuntime(ctx context.Context, out io.Writer) error {
	dir, err := runtimeDir()
	if err != nil {
		return err
	}
	if path, err := onnx.Locate("", dir); err == nil {
		_, _ = fmt.Fprintln(out, "ONNX Runtime is there:", path)
		return nil
	}
	path, err := onnx.Fetch(ctx, dir, func(line string) { _, _ = fmt.Fprintln(out, line) })
	if err != nil {
		return fmt.Errorf("fetch ONNX Runtime: %w", err)
	}
	_, _ = fmt.Fprintln(out, "ONNX Runtime is fetched:", path)
	return nil
}

func newLogger(cfg config.Config, out io.Writer) zerolog.Logger {
	level, err := zerolog.ParseLevel(cfg.Server.LogLevel)
	if err != nil {
		level = zerolog.InfoLevel
	}
	console := cfg.Server.LogFormat == "console"
	if f, ok := out.(*os.File); ok && cfg.Server.LogFormat == "auto" {
		info, err := f.Stat()
		console = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if console {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: "15:04:05"}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}

// modelsOf lists the models this process offers.
func modelsOf(cfg config.Config, builtIn string, log zerolog.Logger) []inference.Folder {
	models, refused := inference.Scan(builtIn, cfg.Pool.ModelsDir)
	for _, r := range refused {
		log.Warn().Err(r.Reason).Str("folder", r.Dir).Msg("this model cannot be used")
	}
	names := make([]string, len(models))
	for i, m := range models {
		names[i] = m.Name
	}
	log.Info().Str("models", strings.Join(names, ", ")).Msg("models found")
	return models
}

var systemClock = clock.System{} //nolint:gochecknoglobals // it has no state
