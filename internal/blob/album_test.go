// SPDX-License-Identifier: AGPL-3.0-or-later

package blob_test

import (
	"errors"
	"testing"
	"time"

	"stablemate/internal/blob"
)

func TestAnAlbumOutlivesTheHordesImages(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	open := func() *blob.Store {
		s, err := blob.NewStore(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	live, kept := open(), open()
	album := blob.NewAlbum(live, kept)
	put := func(key string) {
		if err := album.PutBytes(ctx, key, []byte("image "+key)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(key string) string {
		data, err := album.Read(ctx, key, 100)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			t.Fatal(err)
		}
		return string(data)
	}
	later := time.Now().Add(time.Hour)

	put("loved.webp")
	put("passing.webp")
	for range 2 {
		if err := album.Keep(ctx, "loved.webp", 100); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := live.Sweep(ctx, later); n != 2 || err != nil {
		t.Fatalf("the horde's images: swept %d, %v, want 2", n, err)
	}
	if got := read("loved.webp"); got != "image loved.webp" {
		t.Errorf("a kept image is %q", got)
	}
	if got := read("passing.webp"); got != "" {
		t.Errorf("an image that nobody kept is still %q", got)
	}
	if err := album.Keep(ctx, "passing.webp", 100); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("keeping what is gone: %v, want ErrNotFound", err)
	}
	if err := album.Keep(ctx, "loved.webp", 100); err != nil {
		t.Errorf("keeping what only the album has: %v", err)
	}

	put("unwanted.webp")
	if err := errors.Join(album.Keep(ctx, "unwanted.webp", 100), album.Delete(ctx, "unwanted.webp")); err != nil {
		t.Fatal(err)
	}
	if got := read("unwanted.webp"); got != "" {
		t.Errorf("a deleted image is still %q", got)
	}
	if n, err := album.Sweep(ctx, later); n != 1 || err != nil {
		t.Errorf("the album: swept %d, %v, want 1", n, err)
	}
	if got := read("loved.webp"); got != "" {
		t.Errorf("an image swept from the album is still %q", got)
	}
}
