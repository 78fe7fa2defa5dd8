package discord

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	uploadReserve  = 256 << 10      // bytes below a limit that are left alone
	refusalLasts   = 24 * time.Hour // how long a refused size is remembered
	smallestUpload = 256 << 10      // a limit is never believed to be lower, in bytes
	maxUploadNotes = 20_000         // guilds remembered; beyond it the oldest are forgotten
)

// uploads remembers how large files may be. It is safe for concurrent use.
type uploads struct {
	mu     sync.Mutex
	guilds map[string]uploadNote // at most maxUploadNotes
}

type uploadNote struct {
	limit   int64     // the last that Discord named; 0 for none
	refused int64     // the smallest that it refused in spite of that; 0 for none
	until   time.Time // when that is forgotten
	heard   time.Time
}

// UploadLimit returns how many bytes one file may have in a guild ("" is direct messages): what Discord named last, or
// less when it refused that lately; without either the least that it allows everywhere. A reserve is taken off already.
// An interaction of this moment knows better: pass its AttachmentSizeLimit as named, or 0.
func (b *Bot) UploadLimit(guildID string, named int64) int64 {
	b.uploads.mu.Lock()
	defer b.uploads.mu.Unlock()
	note := b.uploads.guilds[guildID]
	limit := named
	if limit <= 0 {
		limit = note.limit
	}
	if limit <= 0 {
		limit = DefaultAttachmentLimit
	}
	limit -= uploadReserve
	if note.refused > 0 && b.opts.Now().Before(note.until) {
		limit = min(limit, note.refused-1)
	}
	return max(limit, smallestUpload)
}

// heardLimit notes what an interaction named for a guild.
func (b *Bot) heardLimit(guildID string, limit int64) {
	if guildID == "" {
		return // it is one person's own
	}
	b.noteUpload(guildID, func(n *uploadNote) { n.limit = limit })
}

// RefusedUpload notes that Discord refused a file of so many bytes in a guild: for a day less is tried there.
func (b *Bot) RefusedUpload(guildID string, bytes int64) {
	b.noteUpload(guildID, func(n *uploadNote) {
		if now := b.opts.Now(); n.refused == 0 || bytes < n.refused || !now.Before(n.until) {
			n.refused, n.until = bytes, now.Add(refusalLasts)
		}
	})
}

func (b *Bot) noteUpload(guildID string, change func(*uploadNote)) {
	u := &b.uploads
	u.mu.Lock()
	defer u.mu.Unlock()
	note, known := u.guilds[guildID]
	if !known && len(u.guilds) >= maxUploadNotes {
		oldest := ""
		for id, n := range u.guilds {
			if oldest == "" || n.heard.Before(u.guilds[oldest].heard) {
				oldest = id
			}
		}
		delete(u.guilds, oldest)
	}
	if u.guilds == nil {
		u.guilds = map[string]uploadNote{}
	}
	change(&note)
	note.heard = b.opts.Now()
	u.guilds[guildID] = note
}

// Rung is one size of the same files, the best first: it makes them when they are needed. A rung without files, such as a
// message with a link instead, always fits.
type Rung func(ctx context.Context) (Message, error)

// ErrNoRung says that even the last rung of a ladder was too large.
var ErrNoRung = errors.New("every size is too large")

// Ladder sends the first rung whose files fit into a guild's limit (named as in UploadLimit) and that Discord takes: a
// refusal for size is remembered and the next rung tried. send is whatever sends a message. Other errors end the climb.
func (b *Bot) Ladder(ctx context.Context, guildID string, named int64, rungs []Rung, send func(context.Context, Message) error) error {
	for _, rung := range rungs {
		m, err := rung(ctx)
		if err != nil {
			return err
		}
		largest := int64(0)
		for _, f := range m.Files {
			largest = max(largest, int64(len(f.Data)))
		}
		if largest > b.UploadLimit(guildID, named) {
			continue
		}
		err = send(ctx, m)
		if largest == 0 || !IsTooLarge(err) {
			return err
		}
		b.RefusedUpload(guildID, largest)
	}
	return ErrNoRung
}
