// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/blob"
	"stablemate/internal/idgen"
	"stablemate/internal/store"
)

// must does an operation and fails the test when it is refused.
func must[R any](t *testing.T, e *engine.Engine, op horde.Op[R]) R {
	t.Helper()
	r, err := engine.Do(t.Context(), e, op)
	if err != nil {
		t.Fatalf("%T: %v", op, err)
	}
	return r
}

func folder(t *testing.T) *blob.Store {
	t.Helper()
	s, err := blob.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSharedImagesAreCollectedOnce(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db")})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(t.Context(), db, engine.Options{
		Settings: horde.Settings{AnonymousAllowed: true, Sharing: true}, Now: systemClock.Now, IDs: ids{idgen.Secure(systemClock.Now)}, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2) // of the engine and of the collector
	go func() { ended <- e.Run(ctx) }()
	images, public := folder(t), folder(t)
	owner := must(t, e, horde.CreateUser{External: "d_1", Name: "owner", Key: horde.KeyHash{1}, Roles: horde.RoleTrusted}).ID
	asker := must(t, e, horde.CreateUser{External: "d_2", Name: "asker", Key: horde.KeyHash{2}, Welcome: kudos.Whole(100)}).ID
	// deliver makes an image and returns the name it is collected under.
	deliver := func(user horde.UserID, shared bool) string {
		t.Helper()
		must(t, e, horde.Enqueue{NewImage: horde.NewImage{
			User: user, N: 1, SlowWorkers: true, R2: true, Shared: shared, Client: "tests:1:",
			Image: horde.Image{Prompt: "red apple", Sampler: "k_euler", CFG: 5, Width: 64, Height: 64, Steps: 1},
		}})
		job := must(t, e, horde.Pop{Owner: owner, Amount: 1, Offer: horde.Offer{
			Name: "gpu", Models: []string{"mini"}, BridgeAgent: "Stablemate:1:x", NSFW: true, MaxPixels: 1 << 20, Threads: 1,
		}})
		id := job.Generations[0].String()
		if err := images.PutBytes(t.Context(), id+".webp", []byte("image "+id)); err != nil {
			t.Fatal(err)
		}
		must(t, e, horde.Submit{Owner: owner, Generation: job.Generations[0], Blob: id + ".webp"})
		return id
	}
	mine, everybodys, private := deliver(asker, true), deliver(horde.Anonymous, false), deliver(asker, false)

	first := &collector{engine: e, from: images, to: public, log: zerolog.Nop()}
	go func() { ended <- first.run(ctx) }()
	deadline := time.Now().Add(20 * time.Second)
	for id, kind := range map[string]string{mine: "registered", everybodys: "anonymous"} {
		var text []byte
		for {
			if text, err = public.Read(t.Context(), id+".json", maxSharedNote); err == nil || time.Now().After(deadline) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		var note sharedNote
		if err := errors.Join(err, json.Unmarshal(text, &note)); err != nil {
			t.Fatalf("the note of %s: %v", id, err)
		}
		if note.Prompt != "red apple" || note.UserType != kind || note.Model != "mini" || note.Client != "tests:1:" {
			t.Errorf("the note says %+v, want a %s user's red apple", note, kind)
		}
		if data, err := public.Read(t.Context(), id+".webp", maxShared); err != nil || string(data) != "image "+id {
			t.Errorf("the collected image is %q, %v", data, err)
		}
	}
	if _, err := public.Read(t.Context(), private+".webp", maxShared); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("what nobody shared is collected: %v", err)
	}
	// After a restart it knows what is there already, and does without what is gone.
	if err := errors.Join(images.Delete(t.Context(), mine+".webp"), images.Delete(t.Context(), everybodys+".webp")); err != nil {
		t.Fatal(err)
	}
	gone := deliver(asker, true)
	if err := images.Delete(t.Context(), gone+".webp"); err != nil {
		t.Fatal(err)
	}
	second := &collector{engine: e, from: images, to: public, log: zerolog.Nop()}
	second.look(t.Context())
	if len(second.done) != 3 {
		t.Errorf("%d images are done with, want 3", len(second.done))
	}
	stop()
	if err := errors.Join(<-ended, <-ended, db.Close()); err != nil {
		t.Errorf("the end: %v", err)
	}
}
