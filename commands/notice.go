// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/internal/discord"
)

// Messages that people may want or not: when something took long, and when their roles change.

const (
	longWait   = 10 * time.Minute // from then on somebody has turned to other things
	noticeTime = 20 * time.Second // for one message
)

// tellDone tells somebody that what they waited long for is there, unless they do not want to hear of it. The picture
// itself stays where it was asked for: a direct message has other rules about what may be shown.
func (s *Set) tellDone(ctx context.Context, row chat.Message, p *params, end *ending) {
	if end == nil || end.kind != endDone || len(end.status.Generations) == 0 || p.CancelledBy != "" || end.at.Sub(row.Created) < longWait {
		return
	}
	own, _, err := s.people.get(ctx, row.Person)
	if err != nil || own.QuietJobs {
		return
	}
	w := s.wordsFor(ctx, row.Person)
	where := w.T("settings.donehistory", "History", s.cmd("history list"))
	if link := messageLink(row.Guild, row.Channel, row.Message); link != "" && !row.Ephemeral {
		where = w.T("settings.donewhere", "Link", link)
	}
	s.tellQuietly(ctx, row.Person, lines(w.T("settings.done", "Time", textSeconds(end.at.Sub(row.Created)), "Prompt", shown(p.Prompt)), where))
}

// tellRole tells somebody that the rules gave them a role or took it back, if they want to hear of that.
func (s *Set) tellRole(ctx context.Context, guild, person, role string, given bool) {
	own, _, err := s.people.get(ctx, person)
	if err != nil || !own.TellRoles {
		return
	}
	roles, err := s.bot.Roles(ctx, guild)
	if err != nil {
		return
	}
	server, err := s.bot.Guild(ctx, guild)
	if err != nil {
		return
	}
	for _, r := range roles {
		if r.ID != role {
			continue
		}
		key := "settings.roles.taken"
		if given {
			key = "settings.roles.given"
		}
		s.tellQuietly(ctx, person, s.wordsFor(ctx, person).T(key, "Role", escape(r.Name), "Server", escape(server.Name)))
	}
}

// tellQuietly sends a direct message with the way to stop such messages. It is best effort.
func (s *Set) tellQuietly(ctx context.Context, person, text string) {
	ctx, cancel := context.WithTimeout(ctx, noticeTime)
	defer cancel()
	w := s.wordsFor(ctx, person)
	text = strings.TrimSpace(discord.Clip(text, discord.MaxContent-200))
	m := discord.Message{Content: lines(text, w.T("settings.stop", "Settings", s.cmd("settings notifications"))), Optional: true}
	if err := s.dm(ctx, person, m); err != nil {
		s.log.Debug().Err(err).Msg("somebody is not told")
	}
}
