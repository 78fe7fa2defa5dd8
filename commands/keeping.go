// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/horde"
)

// keepImages copies what belongs to a result into the album, so that its buttons and /history work as long as its message
// is remembered. What is gone already is no error.
func (s *Set) keepImages(ctx context.Context, p *params, made []outcome) error {
	keys := []string{p.Source, p.Mask}
	if p.Fine != nil {
		keys = append(keys, p.Fine.Extra...)
	}
	for _, g := range made {
		if !g.Censored && !p.lent(g.Blob) {
			keys = append(keys, g.Blob)
		}
	}
	for _, key := range keys {
		if key == "" {
			continue
		}
		if err := s.deps.Images.Keep(ctx, key, maxPicture); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// ownMark is in the keys of a request's own copies of what alchemists made, and in no key of the core.
const ownMark = "_f"

// lent reports whether an image is the core's, which gives the same one to everybody who asks alchemists the same: it is
// neither kept nor deleted here.
func (p *params) lent(key string) bool { return p.Forms != nil && !strings.Contains(key, ownMark) }

// ownImages copies what alchemists made, so that a request has images of its own, and has st tell of those.
func (s *Set) ownImages(ctx context.Context, row chat.Message, p *params, st *horde.Status) error {
	for i := range st.Generations {
		g := &st.Generations[i]
		if g.Blob == "" || !p.lent(g.Blob) {
			continue
		}
		data, err := s.deps.Images.Read(ctx, g.Blob, maxDelivered)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // the message says so
		case err != nil:
			return fmt.Errorf("read image: %w", err)
		}
		key := short(row) + ownMark + strconv.Itoa(i+1) + path.Ext(g.Blob)
		if err := s.deps.Images.PutBytes(ctx, key, data); err != nil {
			return fmt.Errorf("copy image: %w", err)
		}
		g.Blob = key
	}
	return nil
}

// renewFavourites keeps the images of favourites for another while.
func (s *Set) renewFavourites(ctx context.Context) error {
	list, err := s.favourites.due(ctx, s.now(), choreBatch)
	if err != nil {
		return fmt.Errorf("favourites to keep: %w", err)
	}
	for _, e := range list {
		err := s.renew(ctx, e.value.Message)
		if err != nil { // the others are not to wait for it
			s.log.Warn().Err(err).Str("key", e.key).Msg("cannot keep the images of a favourite")
		}
		person, _, _ := strings.Cut(e.key, ":")
		_, err = s.favourites.change(ctx, e.key, s.aboutFavourite(person), func(f *chat.Favourite) error {
			if f.At.IsZero() {
				return errNoFavourite // any more
			}
			return nil
		})
		if err != nil && !errors.Is(err, errNoFavourite) {
			return fmt.Errorf("keep a favourite: %w", err)
		}
	}
	return nil
}

// renew keeps the images of a request that somebody keeps; those of one that was deleted meanwhile go, wherever they came
// from.
func (s *Set) renew(ctx context.Context, kept chat.Message) error {
	var p params
	if err := json.Unmarshal(kept.Params, &p); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	row, found, err := s.deps.Messages.MessageByKey(ctx, kept.Key)
	switch {
	case err != nil:
		return fmt.Errorf("find message: %w", err)
	case found && isGone(row):
		return s.discardImages(ctx, kept, p)
	}
	return s.keepImages(ctx, &p, p.Made)
}

var errNoFavourite = errors.New("no favourite")

// aboutFavourite files a favourite under its person. Its images are kept anew well before the album would let go of them.
func (s *Set) aboutFavourite(person string) about {
	return about{person: person, due: s.now().Add(s.opts.Keep / 4)}
}
