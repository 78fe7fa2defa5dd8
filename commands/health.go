// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// maxShardRows is how many shards /operator stats lists: those that are away first, then the slowest.
const maxShardRows = 10

// outbox is what has ended and is not shown yet.
type outbox struct {
	results int           // that their messages do not show yet
	oldest  time.Duration // since the first of them ended
	behind  time.Duration // that the editors are late
}

// outbox counts what waits to be shown.
func (f *follower) outbox() outbox {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.s.now()
	var o outbox
	for _, l := range f.byKey {
		if !l.ended.IsZero() {
			o.results++
			o.oldest = max(o.oldest, now.Sub(l.ended))
		}
	}
	if len(f.due) > 0 {
		o.behind = max(0, now.Sub(f.due[0].at))
	}
	return o
}

// exact is a duration as operators compare them: in milliseconds below ten seconds, else in seconds.
func exact(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// opStats shows how everything between Discord and the core does.
func (s *Set) opStats(ctx context.Context, c *operatorCall) error {
	st := s.bot.Stats()
	ops, commits := s.engine.Counters()
	p := s.engine.Performance()
	out := s.follow.outbox()
	row := func(key string, values ...any) string { return c.w.T("operator.stats."+key, values...) }
	rows := []string{
		row("gateway", "State", mark(st.Connected), "N", st.Connections, "Up", st.ShardsUp, "Shards", st.Shards, "Guilds", s.bot.GuildCount()),
	}
	rows = append(rows, shardRows(c.w, st.Gateway)...)
	rows = append(rows,
		row("ack", "Half", exact(st.AckHalf), "Most", exact(st.AckMost), "Max", exact(st.AckMax), "Failed", st.AckFailed, "Deferred", st.AutoDeferred),
		row("events", "Interactions", st.Interactions, "Reactions", st.Reactions, "Dropped", st.Dropped, "Errors", st.HandlerErrors, "Panics", st.Panics),
		row("edits", "Sent", st.EditsSent, "Dropped", st.EditsDropped, "Failed", st.EditsFailed),
		row("rest", "Requests", st.Requests, "Retries", st.Retries, "Drops", st.BreakerDrops),
		row("limits", "User", st.UserLimits, "Shared", st.SharedLimits, "Global", st.GlobalLimits, "Proxy", st.ProxyLimits),
		row("invalid", "Invalid", st.Invalid, "Lately", st.RefusedLately),
		row("core", "Ops", ops, "Commits", commits, "Ready", mark(s.engine.Ready())),
		row("queue", "Images", p.QueuedRequests, "Texts", p.QueuedTexts, "Forms", p.QueuedForms),
		row("followed", "N", s.follow.following(), "Draining", mark(s.network.draining.Load())),
		row("outbox", "N", out.results, "Oldest", exact(out.oldest), "Behind", exact(out.behind)),
		row("gifts", "Ends", s.giftEnds(c.w)),
	)
	return c.tell(ctx, discord.Clip(lines(rows...), discord.MaxContent))
}

// shardRows say how each gateway connection does, one line each, as many as fit.
func shardRows(w words.Words, shards []discord.ShardStats) []string {
	list := slices.Clone(shards)
	slices.SortStableFunc(list, func(a, b discord.ShardStats) int {
		if a.Connected != b.Connected {
			if a.Connected {
				return 1
			}
			return -1
		}
		return cmp.Compare(b.Latency, a.Latency)
	})
	var rows []string
	for _, sh := range list[:min(len(list), maxShardRows)] {
		latency := w.T("operator.stats.unknown")
		if sh.Latency > 0 {
			latency = exact(sh.Latency)
		}
		text := w.T("operator.stats.shard", "State", mark(sh.Connected), "N", sh.ID, "Latency", latency)
		if sh.Closed != 0 {
			text += w.T("operator.stats.closed", "Code", sh.Closed)
		}
		rows = append(rows, text)
	}
	if more := len(list) - maxShardRows; more > 0 {
		rows = append(rows, w.T("operator.stats.more", "Count", more))
	}
	return rows
}

// giftEnds says how many gifts by emoji ended in which way since the start.
func (s *Set) giftEnds(w words.Words) string {
	counts := s.gifts.Counts()
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, w.T("kudosemoji.state."+string(state))+": "+strconv.FormatInt(counts[state], 10))
	}
	if len(parts) == 0 {
		return w.T("common.none")
	}
	return strings.Join(parts, " · ")
}

// opReload registers the commands anew, when they differ from what Discord has, and tells what differed.
func (s *Set) opReload(ctx context.Context, c *operatorCall) error {
	if err := c.r.Defer(ctx, true); err != nil {
		return err
	}
	sets, err := s.bot.Reload(ctx)
	if err != nil {
		s.log.Error().Err(err).Msg("cannot register the commands")
		return c.tell(ctx, c.w.T("operator.reload.failed"))
	}
	s.people.forgetAll()
	s.guilds.forgetAll()
	s.blocks.forgetAll()
	s.book.guilds.forgetAll()
	s.book.persons.forgetAll()
	s.roles.rules.forgetAll()
	s.network.bans.forgetAll()
	s.network.switches.forgetAll()
	rows := []string{c.w.T("operator.reloaded")}
	for _, set := range sets {
		rows = append(rows, registered(c.w, set)...)
	}
	return c.tell(ctx, rows...)
}

// maxNamed is how many commands a line of /operator reload names.
const maxNamed = 15

// registered says what one set of commands came to.
func registered(w words.Words, set discord.Registration) []string {
	where := w.T("operator.reload.all")
	if set.Guild != "" {
		where = w.T("operator.reload.guild", "Guild", "`"+set.Guild+"`")
	}
	switch {
	case set.Err != nil:
		return []string{"❌ " + w.T("operator.reload.refused", "Where", where)}
	case !set.Written:
		return []string{"· " + w.T("operator.reload.same", "Where", where, "Count", set.After)}
	}
	rows := []string{"· " + w.T("operator.reload.written", "Where", where, "Before", set.Before, "After", set.After)}
	for _, part := range []struct {
		key   string
		names []string
	}{{"operator.reload.added", set.Added}, {"operator.reload.removed", set.Removed}} {
		if n := len(part.names); n > 0 {
			rows = append(rows, "  "+w.T(part.key, "Count", n, "Names", named(part.names)))
		}
	}
	var changed []string
	for _, ch := range set.Changed {
		what := strings.Join(ch.What, ", ")
		if ch.More > 0 {
			what += ", …"
		}
		changed = append(changed, ch.Name+" ("+what+")")
	}
	if n := len(changed); n > 0 {
		rows = append(rows, "  "+w.T("operator.reload.changed", "Count", n, "Names", named(changed)))
	}
	return rows
}

// named lists what operators know by name, in a form that shows it as it is.
func named(list []string) string {
	more := ""
	if len(list) > maxNamed {
		list, more = list[:maxNamed], ", …"
	}
	return "`" + strings.ReplaceAll(strings.Join(list, ", "), "`", "'") + "`" + more
}
