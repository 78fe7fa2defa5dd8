package discord

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// heart measures a shard's heartbeats by the bytes of its connection: the library's own times are not guarded against being
// read from outside. It is safe for concurrent use.
type heart struct {
	began  time.Time     // what the times below count from
	sent   atomic.Int64  // when the heartbeat that waits for its answer went out; 0 when none does
	took   atomic.Int64  // how long the last one that was answered waited
	closed atomic.Uint32 // the code that Discord closed the last connection with; 0 when it said none
}

func newHeart() *heart {
	return &heart{began: time.Now()} //nolint:forbidigo // the network knows the real clock only
}

func (h *heart) now() int64 {
	return max(int64(time.Since(h.began)), 1) //nolint:forbidigo // as above
}

// connecting begins with a connection that nothing was sent on.
func (h *heart) connecting() { h.sent.Store(0) }

// beat notes a heartbeat. One that is sent while another waits does not make the wait shorter.
func (h *heart) beat() { h.sent.CompareAndSwap(0, h.now()) }

func (h *heart) acked() {
	if sent := h.sent.Swap(0); sent > 0 {
		h.took.Store(max(h.now()-sent, 1))
	}
}

func (h *heart) closes(code int) { h.closed.Store(uint32(code)) }

// latency is how long the last answered heartbeat took, or what the one under way has taken when that is more; 0 before the
// first.
func (h *heart) latency() time.Duration {
	waits := int64(0)
	if sent := h.sent.Load(); sent > 0 {
		waits = h.now() - sent
	}
	took := h.took.Load()
	if took == 0 {
		return 0
	}
	return time.Duration(max(took, waits))
}

// ShardStats is the state of one gateway connection.
type ShardStats struct {
	ID        int
	Connected bool
	// Latency is from the last heartbeat to its acknowledgement, or what one that still waits has taken if that is more. It is
	// 0 before the first, and behind a proxy, where the bytes cannot be read.
	Latency time.Duration
	Closed  int // the code that Discord closed its last connection with; 0 when it never said one
}

// shardStats lists the shards by their number.
func (b *Bot) shardStats() []ShardStats {
	list := b.shardList.Load()
	if list == nil {
		return nil
	}
	out := make([]ShardStats, 0, len(*list))
	for _, sh := range *list {
		out = append(out, ShardStats{
			ID: sh.id, Connected: sh.connected.Load(), Latency: sh.heart.latency(), Closed: int(sh.heart.closed.Load()),
		})
	}
	slices.SortFunc(out, func(a, b ShardStats) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
