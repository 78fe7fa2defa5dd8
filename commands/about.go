// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"

	"stablemate/internal/discord"
)

func (s *Set) help(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
	m := private("")
	m.Embeds = []discord.Embed{{
		Title: discord.Clip(helpTitle(escape(s.opts.HordeName)), discord.MaxEmbedTitle), Color: embedColor,
		Description: helpText(s.cmd, s.opts.KudosEmoji, s.opts.KudosAmount),
	}}
	return r.Reply(ctx, m)
}
