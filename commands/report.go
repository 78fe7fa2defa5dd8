// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// menuReport is the entry of the context menu of messages.
const menuReport = "Report image"

// verbReport is the verb of its form; the id is the message.
const verbReport = "re"

// Bounds of reports.
const (
	hideAfter       = 3 // people's reports hide an image
	maxReportReason = 500
	reportLife      = 90 * 24 * time.Hour // since the first report of a message
	reportsAtOnce   = 500                 // forgotten in one go
)

// reportFamily is "Report image".
func (s *Set) reportFamily() family {
	return family{
		specs: []discord.CommandSpec{{Name: menuReport, Menu: discord.MessageMenu, Names: s.bundle.Locales("report.menu")}},
		register: func(rt *discord.Router) {
			rt.Command(discord.MenuPath(discord.MessageMenu, menuReport), discord.Route{Handle: s.answered(s.report), Private: true})
			rt.Modal(verbReport, discord.Route{Handle: s.answered(s.submitReport), Private: true})
		},
	}
}

func (s *Set) report(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	if in.GuildID == "" {
		return tell(w.T("common.guildonly"))
	}
	if len(picturesOf(in.Command.TargetMessage)) == 0 {
		return tell(w.T("report.noimage"))
	}
	return r.Modal(ctx, discord.Modal{
		CustomID: discord.CustomID{Verb: verbReport, ID: in.Command.TargetMessage.ID}.String(), Title: discord.Clip(w.T("report.title"), discord.MaxModalTitle),
		Inputs: []discord.Input{{CustomID: "reason", Label: w.T("report.reason"), Paragraph: true, Max: maxReportReason}},
	})
}

// submitReport counts a report, once for each person, tells the guild's log and the horde's moderators, and hides an image
// of ours when enough people say so.
func (s *Set) submitReport(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, message := s.say(in), in.Modal.ID.ID
	if in.GuildID == "" {
		return tell(w.T("common.guildonly"))
	}
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	// The channel is where the presser is; a message that is not there is nobody's business here.
	msg, err := s.bot.FetchMessage(ctx, in.ChannelID, message)
	if err != nil || len(picturesOf(msg)) == 0 {
		return tell(w.T("report.noimage"))
	}
	row, ours, err := s.deps.Messages.MessageByDiscord(ctx, in.ChannelID, message)
	if err != nil {
		return fmt.Errorf("find message: %w", err)
	}
	again, hide := false, false
	a := about{guild: in.GuildID, due: s.now().Add(reportLife)}
	rep, err := s.reports.change(ctx, in.ChannelID+":"+message, a, func(v *chat.Report) error {
		again, hide = slices.Contains(v.People, in.User.ID), false
		if again || len(v.People) >= chat.MaxReporters {
			return nil
		}
		if len(v.People) == 0 {
			v.Guild, v.Channel, v.Message, v.At = in.GuildID, in.ChannelID, message, s.now()
		}
		if ours {
			v.Key = row.Key
		}
		v.People = append(slices.Clone(v.People), in.User.ID)
		if said := discord.Clip(plain(in.Modal.Values["reason"]), maxReportReason); said != "" && len(v.Reasons) < chat.MaxReasons {
			v.Reasons = append(slices.Clone(v.Reasons), said)
		}
		hide = ours && !v.Hidden && len(v.People) >= hideAfter
		return nil
	})
	if err != nil {
		return err
	}
	if again {
		return r.Reply(ctx, private(w.T("report.twice")))
	}
	if hide {
		if err := s.veil(ctx, row); err != nil {
			s.log.Warn().Err(err).Str("key", row.Key).Msg("cannot hide a reported image; the next report tries again")
			hide = false
		} else if rep, err = s.reports.change(ctx, in.ChannelID+":"+message, a, func(v *chat.Report) error {
			v.Hidden = true
			return nil
		}); err != nil {
			return err
		}
	}
	s.tellReport(ctx, in, rep, hide)
	s.tellModerators(ctx, rep, row)
	return r.Reply(ctx, private(w.T("report.thanks")))
}

// tellReport writes to the guild's log, when it has one.
func (s *Set) tellReport(ctx context.Context, in *discord.Interaction, rep chat.Report, hidden bool) {
	said := escape(discord.Clip(in.Modal.Values["reason"], maxReportReason))
	s.logTo(ctx, in.GuildID, func(w words.Words) string {
		text := w.T("report.log", "Person", mention(in.User.ID), "Link", messageLink(rep.Guild, rep.Channel, rep.Message),
			"Reason", cmp.Or(said, w.T("report.none")), "Count", len(rep.People))
		if hidden {
			text = lines(text, w.T("report.hidden"))
		}
		return text
	})
}

// tellModerators writes to the log of the operators' guild about images that the horde made: the request, its account and
// what was said, and not who said it.
func (s *Set) tellModerators(ctx context.Context, rep chat.Report, row chat.Message) {
	var p params
	if rep.Key == "" || s.opts.OperatorGuild == "" || s.opts.OperatorGuild == rep.Guild || json.Unmarshal(row.Params, &p) != nil {
		return
	}
	account := strconv.FormatUint(uint64(p.User), 10)
	if u, ok := s.engine.User(p.User); ok {
		account = escape(u.Alias())
	}
	from := ""
	if at, err := originOf(row.Guild, row.Person); err == nil {
		from = at.String()
	}
	s.logTo(ctx, s.opts.OperatorGuild, func(w words.Words) string {
		said := w.T("report.none")
		if len(rep.Reasons) > 0 {
			said = escape(strings.Join(rep.Reasons, " / "))
		}
		return w.T("report.moderators", "Link", messageLink(rep.Guild, rep.Channel, rep.Message), "Request", escape(row.Request),
			"Account", account, "From", from, "Reason", discord.Clip(said, maxReportReason), "Count", len(rep.People))
	})
}

// veil shows a result anew with its images behind spoilers.
func (s *Set) veil(ctx context.Context, row chat.Message) error {
	var p params
	if err := json.Unmarshal(row.Params, &p); err != nil {
		return fmt.Errorf("read parameters: %w", err)
	}
	s.look(ctx, &row, &p)
	p.Veiled, p.Spoil = true, true
	if !row.Open { // else its follower writes it
		done, err := s.replaceParams(ctx, &row, &p)
		switch {
		case err != nil:
			return err
		case !done:
			return errors.New("it was changed in this moment")
		}
	}
	m, err := s.result(ctx, row, p, p.ended(row), showing{})
	if err != nil {
		return err
	}
	return s.bot.EditMessage(ctx, discord.MessageRef{ChannelID: row.Channel, MessageID: row.Message, AppID: row.App}, m)
}

// sweepReports forgets old reports.
func (s *Set) sweepReports(ctx context.Context) {
	now := s.now()
	list, err := s.reports.due(ctx, now, reportsAtOnce)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("cannot read old reports")
		}
		return
	}
	for _, d := range list {
		if err := s.reports.dropDue(ctx, d.key, now); err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("cannot forget a report")
		}
	}
}
