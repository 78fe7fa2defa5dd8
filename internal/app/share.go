// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/blob"
)

// Bounds of the collector of shared images.
const (
	collectEvery  = 10 * time.Second // at most so often it looks for new ones
	maxSharedNote = 64 << 10         // bytes of the note beside an image
	maxShared     = 32 << 20         // bytes of an image
)

// shelf keeps images and notes by key.
type shelf interface {
	Read(ctx context.Context, key string, limit int64) ([]byte, error)
	PutBytes(ctx context.Context, key string, data []byte) error
}

// collector copies the images that people share into the public collection, each with a note of how it came about. It
// forgets nothing in a crash: what is live is looked through again.
type collector struct {
	engine   *engine.Engine
	from, to shelf
	log      zerolog.Logger
	done     map[horde.GenerationID]bool // what is collected, of what is live
}

// collect adds the collector when the horde shares.
func (a *assembly) collect() error {
	if !a.cfg.Horde.Sharing {
		return nil
	}
	folder, err := blob.NewStore(filepath.Join(a.cfg.Server.DataDir, sharedFolder))
	if err != nil {
		return fmt.Errorf("open the folder of shared images: %w", err)
	}
	c := &collector{engine: a.engine, from: a.images, to: folder, log: a.log.With().Str("component", "collector").Logger()}
	a.add(1, "collector", c.run)
	return nil
}

// run collects until ctx ends.
func (c *collector) run(ctx context.Context) error {
	news := c.engine.Events(1)
	defer news.Close()
	for {
		c.look(ctx)
		wait := time.NewTimer(collectEvery)
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-news.Hints():
			if !open {
				return nil
			}
		}
	}
}

// look collects what is new. What fails is tried again the next time, while it is live.
func (c *collector) look(ctx context.Context) {
	live := c.engine.SharedImages()
	done := make(map[horde.GenerationID]bool, len(live))
	for i := range live {
		g := &live[i]
		if !c.done[g.Generation] {
			if err := c.keep(ctx, g); err != nil {
				c.log.Error().Err(err).Msg("cannot collect a shared image")
				continue
			}
		}
		done[g.Generation] = true
	}
	c.done = done
}

// sharedNote is what is told about a shared image.
type sharedNote struct {
	Request        string    `json:"request_id"`
	Prompt         string    `json:"prompt"`
	Width          int       `json:"width"`
	Height         int       `json:"height"`
	Steps          int       `json:"steps"`
	Sampler        string    `json:"sampler_name"`
	CFG            float64   `json:"cfg_scale"`
	Karras         bool      `json:"karras"`
	PostProcessing []string  `json:"post_processing,omitempty"`
	Seed           uint32    `json:"seed"`
	Model          string    `json:"model"`
	Client         string    `json:"client"`
	UserType       string    `json:"user_type"`
	Made           time.Time `json:"made"`
}

// keep stores an image and then its note; a note says that both are there.
func (c *collector) keep(ctx context.Context, g *horde.SharedImage) error {
	name := g.Generation.String()
	if _, err := c.to.Read(ctx, name+".json", maxSharedNote); err == nil {
		return nil
	}
	data, err := c.from.Read(ctx, g.Blob, maxShared)
	if errors.Is(err, blob.ErrNotFound) {
		return nil // swept before we came
	}
	if err != nil {
		return fmt.Errorf("read a shared image: %w", err)
	}
	i := &g.Image
	note := sharedNote{
		Request: g.Request.String(), Prompt: i.Prompt, Width: i.Width, Height: i.Height, Steps: i.Steps, Sampler: i.Sampler, CFG: i.CFG,
		Karras: i.Karras, PostProcessing: i.Post, Seed: g.Seed, Model: g.Model, Client: g.Client, UserType: "registered", Made: g.Finished,
	}
	if g.Anonymous {
		note.UserType = "anonymous"
	}
	text, err := json.Marshal(note)
	if err != nil {
		return fmt.Errorf("write the note of a shared image: %w", err)
	}
	if err := c.to.PutBytes(ctx, name+".webp", data); err != nil {
		return fmt.Errorf("keep a shared image: %w", err)
	}
	if err := c.to.PutBytes(ctx, name+".json", text); err != nil {
		return fmt.Errorf("keep the note of a shared image: %w", err)
	}
	return nil
}

// upkeep gives what the months bring and trusts those who earned it.
func (c *core) upkeep(ctx context.Context) error {
	if _, err := engine.Do(ctx, c.engine, horde.PayMonthly{}); err != nil {
		return fmt.Errorf("pay monthly kudos: %w", err)
	}
	if _, err := engine.Do(ctx, c.engine, horde.Promote{}); err != nil {
		return fmt.Errorf("trust who earned it: %w", err)
	}
	return nil
}
