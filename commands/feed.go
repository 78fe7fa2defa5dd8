// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"

	"stablemate/emojikudos"
	"stablemate/internal/discord"
)

// Feeds reports whether a guild wants to read in a channel what its reactions gave.
func (c reactions) Feeds(ctx context.Context, guild string) (bool, error) {
	g, _, err := c.s.guilds.get(ctx, guild)
	if err != nil {
		return false, fmt.Errorf("settings of a guild: %w", err)
	}
	return g.Feed != "", nil
}

// Feed tells a guild in one message what its reactions gave. Nobody is pinged.
func (c reactions) Feed(ctx context.Context, guild string, n emojikudos.News) (told bool, err error) {
	g, _, err := c.s.guilds.get(ctx, guild)
	if err != nil || g.Feed == "" {
		return err == nil, err
	}
	w := c.s.bundle.For(g.Language)
	var out []string
	for _, l := range n.Lines {
		line := "• " + l.Show + " " + mention(l.From) + " → " + mention(l.To) + " · **" + l.Amount.String() + "**"
		if l.Title != "" {
			line += " · " + escape(l.Title)
		}
		out = append(out, line+" · "+messageLink(l.Guild, l.Channel, l.Message))
	}
	head := "🙏 " + w.T("gifts.feed", "Count", len(n.Lines)+n.More, "Amount", n.Amount.String())
	_, err = c.s.bot.SendMessage(ctx, g.Feed, discord.Message{
		Content: listed(w, head, out, n.More, ""), Nonce: newsNonce(emojikudos.NewsFeed, guild, n),
	})
	return err == nil, err
}
