package discord

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Guild is a community that the bot is in.
type Guild struct {
	ID, Name, OwnerID string
	Locale            string // preferred, such as "en-US"
	Restricted        bool   // age-restricted as a whole, whatever its channels say
	SystemChannel     string // where Discord itself writes; may be empty
	Joined            time.Time
}

// guilds knows which communities the bot is in. It is safe for concurrent use.
type guilds struct {
	mu     sync.RWMutex
	known  map[string]guildState // no larger than what Discord lets a bot join
	listed map[int]bool          // shards that have told their guilds
}

type guildState struct{ restricted bool }

// InGuild reports whether the bot is in a guild, as far as its shard has heard: before the connection it says no.
func (b *Bot) InGuild(guildID string) bool {
	b.guilds.mu.RLock()
	defer b.guilds.mu.RUnlock()
	_, ok := b.guilds.known[guildID]
	return ok
}

// OutOf reports whether the bot is known not to be in a guild: its shard has told its guilds, and this is none of them.
func (b *Bot) OutOf(guildID string) bool {
	b.guilds.mu.RLock()
	defer b.guilds.mu.RUnlock()
	_, in := b.guilds.known[guildID]
	return !in && b.guilds.listed[ShardOf(guildID, int(b.shards.Load()))]
}

// GuildCount is how many guilds the bot is in.
func (b *Bot) GuildCount() int {
	b.guilds.mu.RLock()
	defer b.guilds.mu.RUnlock()
	return len(b.guilds.known)
}

// GuildRestricted reports whether a guild is age-restricted as a whole: then all of its channels are, whatever they say.
func (b *Bot) GuildRestricted(guildID string) bool {
	b.guilds.mu.RLock()
	defer b.guilds.mu.RUnlock()
	return b.guilds.known[guildID].restricted
}

// ready takes the list of guilds that a shard's new session begins with, and returns those that it had and are gone. The
// first list is no news; guilds that a later one adds were joined meanwhile, as their GUILD_CREATE will tell.
func (g *guilds) ready(shard, of int, ids []string) (gone []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known == nil {
		g.known, g.listed = map[string]guildState{}, map[int]bool{}
	}
	if !g.listed[shard] {
		g.listed[shard] = true
		for _, id := range ids {
			g.known[id] = guildState{}
		}
		return nil
	}
	for id := range g.known {
		if ShardOf(id, of) == shard && !slices.Contains(ids, id) {
			delete(g.known, id)
			gone = append(gone, id)
		}
	}
	slices.Sort(gone)
	return gone
}

// ShardOf returns which of several shards hears of a guild; direct messages, with an empty id, belong to the first.
func ShardOf(guildID string, shards int) int {
	n, err := strconv.ParseUint(guildID, 10, 64)
	if err != nil || shards < 2 {
		return 0
	}
	return int((n >> 22) % uint64(shards))
}

type wireGuild struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	OwnerID     string `json:"owner_id"`
	Locale      string `json:"preferred_locale"`
	Level       int    `json:"nsfw_level"`
	System      string `json:"system_channel_id"`
	Joined      string `json:"joined_at"`
	Unavailable bool   `json:"unavailable"`
}

func (w wireGuild) restricted() bool { return w.Level == 1 || w.Level == 3 }

// receiveGuild handles GUILD_CREATE, GUILD_UPDATE and GUILD_DELETE. An outage of Discord looks like them as well; it is
// neither joining nor leaving.
func (b *Bot) receiveGuild(kind string, raw []byte) {
	var w wireGuild
	if err := json.Unmarshal(raw, &w); err != nil || w.ID == "" {
		b.undecodable(fmt.Errorf("decode %s: no guild: %w", kind, err))
		return
	}
	if w.Unavailable {
		return
	}
	b.guilds.mu.Lock()
	if b.guilds.known == nil {
		b.guilds.known, b.guilds.listed = map[string]guildState{}, map[int]bool{}
	}
	_, known := b.guilds.known[w.ID]
	switch {
	case kind == "GUILD_DELETE":
		delete(b.guilds.known, w.ID)
	case known || kind == "GUILD_CREATE": // a change is no arrival
		b.guilds.known[w.ID] = guildState{restricted: w.restricted()}
	}
	b.guilds.mu.Unlock()
	switch {
	case kind == "GUILD_CREATE" && !known && b.router.guildJoined != nil:
		g := Guild{ID: w.ID, Name: w.Name, OwnerID: w.OwnerID, Locale: w.Locale, Restricted: w.restricted(), SystemChannel: w.System}
		g.Joined, _ = time.Parse(time.RFC3339, w.Joined) // zero when Discord does not say
		b.inLane("guild "+w.ID, func(ctx context.Context) error { return b.router.guildJoined(ctx, g) })
	case kind == "GUILD_DELETE" && known:
		b.left(w.ID)
	}
}

func (b *Bot) left(guildID string) {
	if b.router.guildLeft != nil {
		b.inLane("guild "+guildID, func(ctx context.Context) error { return b.router.guildLeft(ctx, guildID) })
	}
}

// receiveMemberRemoved handles GUILD_MEMBER_REMOVE.
func (b *Bot) receiveMemberRemoved(raw []byte) {
	var w struct {
		GuildID string `json:"guild_id"`
		User    User   `json:"user"`
	}
	if err := json.Unmarshal(raw, &w); err != nil || w.GuildID == "" || w.User.ID == "" {
		b.undecodable(fmt.Errorf("decode member: incomplete: %w", err))
		return
	}
	if b.router.memberRemoved != nil {
		b.inLane("member "+w.GuildID+w.User.ID, func(ctx context.Context) error {
			return b.router.memberRemoved(ctx, w.GuildID, w.User.ID)
		})
	}
}

// inLane runs a handler after all others with the same key. When too much waits, it is lost: such news are made good by
// whatever pass looks at the whole from time to time.
func (b *Bot) inLane(key string, h func(context.Context) error) {
	if !b.pool.enter() {
		return
	}
	defer b.pool.leave()
	lane := b.pool.lane[maphash.String(b.pool.seed, key)%lanes]
	if !b.pool.offer(lane, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, b.opts.HandlerTimeout)
		defer cancel()
		if err := b.contain(func() error { return h(ctx) }); err != nil {
			b.stats.HandlerErrors.Add(1)
			b.log.Error().Err(err).Str("event", key).Msg("event failed")
		}
	}) {
		b.stats.Dropped.Add(1)
		b.log.Warn().Str("event", key).Msg("event dropped, its queue is full")
	}
}
