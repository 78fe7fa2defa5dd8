// SPDX-License-Identifier: AGPL-3.0-or-later

package emojikudos

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Bounds of telling.
const (
	tellFirst = time.Minute // before news are told again that something broken kept from being told; doubles
	tellMost  = time.Hour
	tellTries = 12                  // then they wait until somebody looks for them
	tellTime  = 30 * time.Second    // for one message
	keepNews  = 30 * 24 * time.Hour // news that could not be told
)

// put notes a line for somebody, who hears of all of them together after a while. Nothing is told that is not written down.
func (g *Gifts) put(ctx context.Context, to Address, gap time.Duration, l Line) error {
	now := g.deps.Now()
	_, err := g.deps.Book.ChangeNews(ctx, to, func(n *News) error {
		switch {
		case n.Empty():
			*n = News{Since: now, Due: now.Add(gap)}
		case n.Kept: // perhaps they can be reached by now
			n.Since, n.Due = now, now.Add(gap)
		}
		n.Add(l)
		return nil
	})
	if err != nil {
		return fmt.Errorf("note what somebody will hear: %w", err)
	}
	g.ring()
	return nil
}

// report tells somebody their news, and forgets them then. Should this process end meanwhile, it is done again.
func (g *Gifts) report(ctx context.Context, d Due) error {
	now := g.deps.Now()
	if d.News.Empty() || d.News.Kept && now.Sub(d.News.Since) >= keepNews {
		return g.Heard(ctx, d.To, d.News)
	}
	n, err := g.deps.Book.ChangeNews(ctx, d.To, func(n *News) error {
		if n.Empty() || n.Due.After(now) {
			return ErrSame
		}
		n.Tries++
		n.Due = now.Add(min(tellMost, tellFirst<<min(n.Tries-1, 6)))
		return nil
	})
	switch {
	case errors.Is(err, ErrSame):
		return nil
	case err != nil:
		return fmt.Errorf("note that somebody is told: %w", err)
	}
	told, err := func() (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, tellTime)
		defer cancel()
		return g.say(ctx, d.To, n)
	}()
	switch {
	case told:
		return g.Heard(ctx, d.To, n)
	case ctx.Err() != nil:
		return nil //nolint:nilerr // the next process tells
	case err != nil:
		g.deps.Log.Debug().Err(err).Msg("cannot tell somebody about gifts")
		if n.Tries < tellTries {
			return nil
		}
	}
	if d.To.Kind == NewsFeed || d.To.Kind == NewsInvite {
		return g.Heard(ctx, d.To, n) // nobody looks for it, or they find the gift itself
	}
	_, err = g.deps.Book.ChangeNews(ctx, d.To, func(n *News) error {
		if n.Empty() { // it went with all that is known of its person
			return ErrSame
		}
		n.Kept, n.Tries, n.Due = true, 0, n.Since.Add(keepNews)
		return nil
	})
	if err != nil && !errors.Is(err, ErrSame) {
		return fmt.Errorf("note that somebody cannot be told: %w", err)
	}
	return nil
}

// say tells news in the way of their kind.
func (g *Gifts) say(ctx context.Context, to Address, n News) (told bool, err error) {
	switch to.Kind {
	case NewsGot, NewsBack:
	case NewsFeed:
		return g.deps.Chat.Feed(ctx, to.Who, n)
	case NewsInvite:
		return g.deps.Chat.Invite(ctx, to.Who, n)
	case NewsRefused:
		return g.deps.Chat.Tell(ctx, to.Who, n)
	}
	return g.deps.Chat.Report(ctx, to.Who, n, to.Kind == NewsBack)
}

// Heard forgets news that somebody has heard, or seen. What was added to them meanwhile will be told.
func (g *Gifts) Heard(ctx context.Context, to Address, told News) error {
	now := g.deps.Now()
	left, err := g.deps.Book.ChangeNews(ctx, to, func(n *News) error {
		if n.Empty() {
			return ErrSame
		}
		if n.without(told); n.Kept || n.Tries > 0 {
			n.Kept, n.Tries, n.Since, n.Due = false, 0, now, now.Add(newsGap)
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrSame) {
		return fmt.Errorf("forget news: %w", err)
	}
	if err == nil && !left.Empty() {
		return nil
	}
	if err := g.deps.Book.DropNews(ctx, to); err != nil {
		return fmt.Errorf("forget news: %w", err)
	}
	return nil
}
