// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/blob"
	"stablemate/internal/config"
	"stablemate/internal/idgen"
	"stablemate/internal/store"
)

// anonymousKey is the key that everybody knows.
const anonymousKey = "0000000000"

// core is the horde with its store and images, before any door opens.
type core struct {
	cfg     config.Config
	log     zerolog.Logger
	store   *store.Store
	engine  *engine.Engine
	images  blob.Images
	folder  *blob.Store  // what images is, or nil
	bucket  *blob.Bucket // the same
	secrets *secrets
	ids     ids
	known   []string // image models that anybody's worker may serve; none: all
}

func openStore(ctx context.Context, cfg config.Config, log zerolog.Logger) (*store.Store, error) {
	path := cfg.Store.SQLitePath
	if path == "" {
		path = filepath.Join(cfg.Server.DataDir, "stablemate.db")
	}
	st, err := store.Open(ctx, store.Options{
		Engine: cfg.Store.Engine, Path: path, URL: cfg.Store.PostgresURL.Reveal(), Log: log, Now: systemClock.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return st, nil
}

// openCore opens everything a door needs and takes the lead of the store.
func openCore(ctx context.Context, cfg config.Config, log zerolog.Logger) (c *core, err error) {
	if err := os.MkdirAll(cfg.Server.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	c = &core{cfg: cfg, log: log, ids: ids{idgen.Secure(systemClock.Now)}}
	opened := c // a refusal below returns no core, but what is open is closed all the same
	defer func() {
		if err != nil {
			opened.close()
		}
	}()
	if c.store, err = openStore(ctx, cfg, log); err != nil {
		return nil, err
	}
	if c.secrets, err = openSecrets(ctx, c.store, cfg.Server.Secret.Reveal()); err != nil {
		return nil, err
	}
	if err = c.openImages(ctx); err != nil {
		return nil, err
	}
	models, err := referenceOf(cfg.Horde.ModelsFile)
	if err != nil {
		return nil, err
	}
	if cfg.Horde.KnownModelsOnly {
		for _, m := range models {
			c.known = append(c.known, m.Name)
		}
	}
	c.engine, err = engine.Open(ctx, c.store, engine.Options{
		Settings: horde.Settings{
			KnownModels:      c.known,
			AnonymousAllowed: cfg.Horde.Anonymous, AnonymousKey: apiv2.HashKey(c.secrets.keys, anonymousKey),
			TransfersAllowed: cfg.Horde.Transfers, Profane: horde.ProfanityList(), Models: models,
			TrustThreshold: kudos.Whole(int64(cfg.Horde.TrustThreshold)), Sharing: cfg.Horde.Sharing,
			AnonymousWaiting: cfg.Horde.AnonymousWaiting, AnonymousPerOrigin: cfg.Horde.AnonymousPerOrigin,
		},
		Now: systemClock.Now, IDs: c.ids, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the horde: %w", err)
	}
	return c, nil
}

// referenceOf is what is known about image models: what the program brings along, then the operator's file.
func referenceOf(file string) ([]horde.Model, error) {
	models := horde.ReferenceModels()
	if file == "" {
		return models, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read horde.models_file: %w", err)
	}
	more, err := horde.ParseModels(data)
	if err != nil {
		return nil, fmt.Errorf("horde.models_file %s: %w", file, err)
	}
	return append(models, more...), nil
}

func (c *core) close() {
	if c.store != nil {
		if err := c.store.Close(); err != nil {
			c.log.Error().Err(err).Msg("cannot close the store")
		}
	}
}

// hashKey is the fingerprint of an API key.
func (c *core) hashKey(key string) horde.KeyHash { return apiv2.HashKey(c.secrets.keys, key) }

// operatorAccount is who owns the workers of this machine.
const operatorAccount = "local"

// owner opens the account that owns the local pool. It is trusted, as it is the operator's own.
func (c *core) owner(ctx context.Context) (horde.UserID, error) {
	unused := sha256.Sum256([]byte(c.ids.APIKey())) // a key that nobody has
	u, err := engine.Do(ctx, c.engine, horde.CreateUser{
		External: operatorAccount, Name: "Local pool", Key: unused, Roles: horde.RoleTrusted | horde.RoleCustomizer, Ensure: true,
	})
	if err != nil {
		return 0, fmt.Errorf("open the pool's account: %w", err)
	}
	return u.ID, nil
}

// Bounds of the HTTP server.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	closeTimeout  = 10 * time.Second
)

// serveUntil serves until ctx ends, then lets requests under way finish within closeTimeout.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout}
	failed := make(chan error, 1) // one server, one result
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}
