// SPDX-License-Identifier: AGPL-3.0-or-later

package blob

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"
)

// Album is how chat sees images: those of the horde, which are gone after hours, and copies of what people may come back
// to, which stay until they are swept from the album. It is safe for concurrent use.
type Album struct {
	live, kept Images
	lanes      [64]sync.Mutex // by key: what is deleted while it is copied stays deleted
}

// NewAlbum returns an album that copies from live images into kept ones.
func NewAlbum(live, kept Images) *Album { return &Album{live: live, kept: kept} }

// Read returns an image of at most limit bytes, wherever it is, ErrNotFound, or ErrTooLong.
func (a *Album) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	data, err := a.live.Read(ctx, key, limit)
	if errors.Is(err, ErrNotFound) {
		return a.kept.Read(ctx, key, limit)
	}
	return data, err
}

// PutBytes stores an image of the horde.
func (a *Album) PutBytes(ctx context.Context, key string, data []byte) error {
	return a.live.PutBytes(ctx, key, data)
}

// Keep copies an image into the album. To keep again starts its time there anew. Limit and errors are those of Read.
func (a *Album) Keep(ctx context.Context, key string, limit int64) error {
	lane := a.lane(key)
	lane.Lock()
	defer lane.Unlock()
	data, err := a.Read(ctx, key, limit)
	if err != nil {
		return err
	}
	if err := a.kept.PutBytes(ctx, key, data); err != nil {
		return fmt.Errorf("keep an image: %w", err)
	}
	return nil
}

// Delete removes an image from everywhere. That none is there is no error.
func (a *Album) Delete(ctx context.Context, key string) error {
	lane := a.lane(key)
	lane.Lock()
	defer lane.Unlock()
	return errors.Join(a.live.Delete(ctx, key), a.kept.Delete(ctx, key))
}

// lane is the lock of a key, and of others.
func (a *Album) lane(key string) *sync.Mutex {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	return &a.lanes[h.Sum32()%uint32(len(a.lanes))]
}

// Sweep deletes from the album what was kept before a time, and tells how many went.
func (a *Album) Sweep(ctx context.Context, olderThan time.Time) (int, error) {
	return a.kept.Sweep(ctx, olderThan)
}
