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
func (c reactions) Feed(ctx context.Context, guild string, n emojikudos.News) error {
	g, _, err := c.s.guilds.get(ctx, guild)
	if err != nil || g.Feed == "" {
		return err
	}
	w := c.s.bundle.For(g.Language)
	out := []string{"🙏 " + w.T("gifts.feed", "Count", len(n.Lines)+n.More, "Amount", n.Amount.String())}
	for _, l := range n.Lines {
		line := "• " + l.Show + " " + mention(l.From) + " → " + mention(l.To) + " · **" + l.Amount.String() + "**"
		if l.Title != "" {
			line += " · " + escape(l.Title)
		}
		out = append(out, line+" · "+messageLink(l.Guild, l.Channel, l.Message))
	}
	if n.More > 0 {
		out = append(out, w.T("gifts.more", "Count", n.More))
	}
	_, err = c.s.bot.SendMessage(ctx, g.Feed, discord.Message{Content: discord.Clip(lines(out...), discord.MaxContent)})
	return err
}
