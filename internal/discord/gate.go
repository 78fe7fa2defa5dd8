package discord

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// identifyReserve is how many new sessions of the daily budget are never used: at zero Discord resets the bot's token.
const identifyReserve = 5

// gate lets shards identify as Discord wants it: within the budget of a day, and max_concurrency of them in a window,
// each with its own remainder of the shard number. It is safe for concurrent use.
type gate struct {
	bot *Bot

	mu          sync.Mutex // guards what follows
	remaining   int
	reset       time.Time // when the budget is whole again
	concurrency int
	next        map[int]time.Time // by shard % concurrency: when the next one may identify
}

func newGate(b *Bot) *gate { return &gate{bot: b, concurrency: 1, next: map[int]time.Time{}} }

// refresh asks Discord for the budget and returns how many shards it recommends.
func (g *gate) refresh(ctx context.Context) (shards int, err error) {
	body, err := g.bot.rest.do(ctx, call{method: http.MethodGet, path: "/gateway/bot", route: "GET gateway", bot: true})
	if err != nil {
		return 0, err
	}
	var answer struct {
		Shards int `json:"shards"`
		Limit  struct {
			Remaining   int   `json:"remaining"`
			ResetAfter  int64 `json:"reset_after"` // milliseconds
			Concurrency int   `json:"max_concurrency"`
		} `json:"session_start_limit"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, fmt.Errorf("read gateway advice: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.remaining, g.concurrency = answer.Limit.Remaining, max(answer.Limit.Concurrency, 1)
	g.reset = g.bot.opts.Now().Add(time.Duration(answer.Limit.ResetAfter) * time.Millisecond)
	return answer.Shards, nil
}

// maxBudgetWait is how long the gate sleeps before it asks again whether the budget is whole.
const maxBudgetWait = 10 * time.Minute

// wait blocks until a shard may identify, and counts it. The shard must call done when it has identified, or has not.
func (g *gate) wait(ctx context.Context, shard int) error {
	for {
		pause, spent := g.take(shard)
		if pause <= 0 {
			return nil
		}
		if spent {
			g.bot.log.Error().Dur("wait", pause).Msg("today's budget of gateway sessions is used up, waiting for the next")
		}
		if !spent { // whoever is at it may be done sooner
			pause = min(pause, max(g.bot.opts.IdentifyWindow/10, time.Millisecond))
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		if spent {
			if _, err := g.refresh(ctx); err != nil && ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
}

// take lets a shard through, or returns how long to wait; spent says that the budget is used up.
func (g *gate) take(shard int) (pause time.Duration, spent bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.bot.opts.Now()
	if g.remaining <= identifyReserve {
		if g.reset.After(now) {
			return min(g.reset.Sub(now), maxBudgetWait), true
		}
		return time.Second, true // it should be whole: ask
	}
	key := shard % g.concurrency
	if d := g.next[key].Sub(now); d > 0 {
		return d, false
	}
	// Discord counts from when the packet arrives, which is not before done at the latest.
	g.next[key] = now.Add(g.bot.opts.OpenTimeout + g.bot.opts.IdentifyWindow)
	g.remaining--
	return 0, false
}

// done begins the window after a shard's identify.
func (g *gate) done(shard int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next[shard%g.concurrency] = g.bot.opts.Now().Add(g.bot.opts.IdentifyWindow)
}
