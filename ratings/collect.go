// SPDX-License-Identifier: AGPL-3.0-or-later

package ratings

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"stablemate/horde"
)

// Bounds of Run.
const (
	newsBuffer  = 4096 // events waiting to be heard; when it overflows, all live requests are looked through
	lookEvery   = time.Minute
	maxOwed     = 500      // debts paid in one go
	maxShared   = 32 << 20 // bytes of a delivered image
	maxParams   = 16 << 10 // bytes of what came with an imported image
	maxDataset  = 40       // characters
	maxImported = 8 << 10  // bytes of a prompt
)

// Run collects shared images as they are delivered, and pays what is owed, until ctx ends. A crash loses nothing: what is
// live is looked through at the start.
func (r *Ratings) Run(ctx context.Context) error {
	news := r.deps.Engine.Events(newsBuffer)
	defer news.Close()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	hints, again := news.Hints(), r.lookAll(ctx)
	r.payAll(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-hints:
			if !open {
				hints = nil
				continue
			}
			again = !r.hear(ctx, news.Events()) || again
		case <-tick.C:
			r.payAll(ctx)
			if again {
				again = r.lookAll(ctx)
			}
		}
	}
}

// hear collects what there is news of. It reports whether nothing was missed.
func (r *Ratings) hear(ctx context.Context, events <-chan horde.Event) (all bool) {
	all = true
	for heard := 0; ; heard++ {
		select {
		case ev := <-events:
			switch ev.Kind {
			case horde.GenerationDone:
				all = r.collect(ctx, ev.Generation) && all
			case horde.UserChanged:
				if u, ok := r.deps.Engine.User(ev.User); ok && u.Has(horde.RoleDeleted) {
					all = r.farewell(ctx, u.ID) && all
				}
			default:
			}
		default:
			return all && heard > 0 && heard < newsBuffer // a hint without news says that the horde was loaded anew
		}
	}
}

// lookAll does what news would have asked for. It reports whether it must be done again.
func (r *Ratings) lookAll(ctx context.Context) (again bool) {
	again = r.forgetAll(ctx)
	return r.collectAll(ctx) || again
}

// collectAll looks through all live requests. It reports whether it must be done again.
func (r *Ratings) collectAll(ctx context.Context) (again bool) {
	for _, id := range r.deps.Engine.Ratables() {
		if ctx.Err() != nil {
			return true
		}
		again = !r.collect(ctx, id) || again
	}
	return again
}

// collect offers one delivered image to be rated, if it is shared. It reports whether that is done with.
func (r *Ratings) collect(ctx context.Context, id horde.GenerationID) bool {
	set, ok := r.deps.Engine.Ratable(id)
	if !ok || len(set.Images) == 0 {
		return true
	}
	if u, ok := r.deps.Engine.User(set.User); !ok || u.Has(horde.RoleDeleted) {
		return true // what was on its way when they left is not shared any more
	}
	if err := r.offer(ctx, &set, &set.Images[0]); err != nil {
		if ctx.Err() == nil {
			r.deps.Log.Error().Err(err).Msg("cannot collect a shared image")
		}
		return false
	}
	return true
}

// offer copies an image to the shelf and files it.
func (r *Ratings) offer(ctx context.Context, set *horde.RatedSet, from *horde.SetImage) error {
	id := from.Generation.UUID
	if _, found, err := r.deps.Store.RatingImage(ctx, id); err != nil || found {
		return err
	}
	key := id.String() + ".webp"
	if _, err := r.deps.Shelf.Read(ctx, key, maxShared); err != nil {
		data, err := r.deps.Images.Read(ctx, from.Blob, maxShared)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // swept before we came
		}
		if err != nil {
			return fmt.Errorf("read a shared image: %w", err)
		}
		if err := r.deps.Shelf.PutBytes(ctx, key, data); err != nil {
			return fmt.Errorf("keep a shared image: %w", err)
		}
	}
	i := &from.Image
	params, err := json.Marshal(Params{
		Width: i.Width, Height: i.Height, Steps: i.Steps, Sampler: i.Sampler, CFG: i.CFG, Karras: i.Karras, HiresFix: i.HiresFix,
		Tiling: i.Tiling, ClipSkip: i.ClipSkip, FaceFixer: i.FaceFixer, Post: i.Post, Loras: i.Loras, TIs: i.TIs, Workflow: i.Workflow,
	})
	if err != nil {
		return fmt.Errorf("write the parameters of a shared image: %w", err)
	}
	_, err = r.deps.Store.AddRatingImage(ctx, Image{
		ID: id, Dataset: Horde, Blob: key, Owner: set.User, Request: set.Request.UUID, Prompt: i.Prompt, Model: from.Model,
		Seed: int64(from.Seed), Params: params, Client: from.Client, NSFW: from.NSFW, Made: from.Finished, Added: r.deps.Now(),
		Place: r.place(),
	})
	return err
}

// payAll pays what is owed, the oldest first.
func (r *Ratings) payAll(ctx context.Context) {
	owed, err := r.deps.Store.OwedRatings(ctx, maxOwed)
	if err != nil {
		if ctx.Err() == nil {
			r.deps.Log.Error().Err(err).Msg("cannot read the rewards that are owed")
		}
		return
	}
	for _, o := range owed {
		if err := r.pay(ctx, o); err != nil {
			if ctx.Err() == nil {
				r.deps.Log.Warn().Err(err).Msg("a reward for rating waits to be paid")
			}
			return
		}
	}
}

// NewImage is an image that an operator brings along.
type NewImage struct {
	Data    []byte
	Ending  string // of the file's name: ".webp", ".png" or ".jpg"
	Dataset string
	Prompt  string
	Model   string
	Seed    int64
	Params  []byte // JSON; may be nil
	NSFW    bool
	// Low and High bound the right rating of an image whose quality is known; 0, 0 for any other.
	Low, High int
}

// Importer files images that did not come from the horde. It needs no engine, so that it works beside a running horde.
type Importer struct {
	Store  Store
	Shelf  Shelf
	Random func() uint64
	Now    func() time.Time
}

var errImport = errors.New("not an image to import")

// Add files an image under an ID made of its data set and content. added is false for one that is there already.
func (im *Importer) Add(ctx context.Context, n NewImage) (added bool, err error) {
	n.Dataset = strings.TrimSpace(n.Dataset)
	switch {
	case len(n.Data) == 0 || len(n.Data) > maxImage:
		return false, fmt.Errorf("%w: it has %d bytes, at most %d are shown", errImport, len(n.Data), maxImage)
	case !GoodDataset(n.Dataset):
		return false, fmt.Errorf("%w: a data set's name has 1 to %d small letters, digits and dashes, and is not %q", errImport, maxDataset, Horde)
	case n.Low != 0 || n.High != 0:
		if n.Low < horde.MinRating || n.High > horde.MaxRating || n.Low > n.High {
			return false, fmt.Errorf("%w: the right answer lies between %d and %d", errImport, horde.MinRating, horde.MaxRating)
		}
	case len(n.Params) > maxParams || len(n.Prompt) > maxImported:
		return false, fmt.Errorf("%w: its description is too long", errImport)
	}
	h := sha256.New()
	_, _ = h.Write([]byte(n.Dataset + "\x00")) // a hash takes everything
	_, _ = h.Write(n.Data)
	var id horde.UUID
	copy(id[:], h.Sum(nil))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // a UUID of its own making
	if _, found, err := im.Store.RatingImage(ctx, id); err != nil || found {
		return false, err
	}
	key := "set-" + id.String() + n.Ending
	if err := im.Shelf.PutBytes(ctx, key, n.Data); err != nil {
		return false, fmt.Errorf("keep an imported image: %w", err)
	}
	params := n.Params
	if len(params) == 0 {
		params = []byte("{}")
	}
	return im.Store.AddRatingImage(ctx, Image{
		ID: id, Dataset: n.Dataset, Blob: key, Owner: Nobody, Prompt: n.Prompt, Model: n.Model, Seed: n.Seed, Params: params,
		NSFW: n.NSFW, Added: im.Now(), Low: n.Low, High: n.High, Place: int64(im.Random() >> 1),
	})
}

// GoodDataset reports whether images may be imported under a name.
func GoodDataset(name string) bool {
	if name == "" || len(name) > maxDataset || name == Horde {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
