// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

const (
	operatorCommand = "operator"
	verbAnnounce    = "oa" // the form, and the button that sends what it says
	verbDrain       = "od" // looks again how much is running
	maxAnnounce     = 3000 // characters
	maxBanDays      = 30   // as long as the core takes
)

// operatorFamily is there where the operators' own guild is known.
func (s *Set) operatorFamily() family {
	if s.opts.OperatorGuild == "" {
		return family{register: func(*discord.Router) {}}
	}
	user := s.opt("operator", discord.OptionSpec{Name: "user", Type: discord.OptionUser})
	guild := s.opt("operator", discord.OptionSpec{Name: "guild", Type: discord.OptionString, MaxLength: new(20)})
	feature := discord.OptionSpec{Name: "feature", Type: discord.OptionString}
	for _, f := range s.switchable() {
		feature.Choices = append(feature.Choices, s.pick(string(f), "operator.feature."+string(f)))
	}
	spec := s.spec(operatorCommand,
		s.sub("operator", "announce"),
		s.sub("operator", "block", user, guild,
			s.opt("operator", discord.OptionSpec{Name: "days", Type: discord.OptionInteger, Min: new(1.0), Max: new(float64(maxBanDays))}),
			s.opt("operator", discord.OptionSpec{Name: "reason", Type: discord.OptionString, MaxLength: new(maxNote)})),
		s.sub("operator", "unblock", user, guild),
		s.sub("operator", "pauses", user, guild),
		s.sub("operator", "flags", s.opt("operator", feature), s.opt("operator", discord.OptionSpec{Name: "on", Type: discord.OptionBoolean})),
		s.sub("operator", "drain", s.opt("operator", discord.OptionSpec{Name: "stop", Type: discord.OptionBoolean})),
		s.sub("operator", "reload"),
		s.sub("operator", "stats"),
	)
	spec.Permissions, spec.Guild = new(discord.Permissions(0)), s.opts.OperatorGuild
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		for path, h := range map[string]func(context.Context, *operatorCall) error{
			"announce": s.opAnnounce, "block": s.opBlock, "unblock": s.opUnblock, "pauses": s.opPauses, "flags": s.opFlags,
			"drain": s.opDrain, "reload": s.opReload, "stats": s.opStats,
		} {
			rt.Command(operatorCommand+" "+path, discord.Route{Handle: s.answered(s.operators(h)), Private: true})
		}
		rt.Modal(verbAnnounce, discord.Route{Handle: s.answered(s.operators(s.opPreview)), Private: true})
		rt.Component(verbDrain, discord.Route{Handle: s.answered(s.operators(s.pressDrain)), Private: true})
		rt.Component(verbAnnounce, discord.Route{Handle: s.answered(s.operators(s.opSend)), Private: true})
	}}
}

// switchable lists the features with a switch.
func (s *Set) switchable() []chat.Feature {
	return append(chat.Features(), chat.Sources, chat.Installed)
}

// operatorCall is one use of /operator by an operator.
type operatorCall struct {
	in *discord.Interaction
	r  *discord.Responder
	w  words.Words
	by horde.User
}

func (c *operatorCall) tell(ctx context.Context, parts ...string) error {
	return c.r.Reply(ctx, private(lines(parts...)))
}

// operators lets only accounts in that administer or moderate the horde, in their own guild.
func (s *Set) operators(h func(context.Context, *operatorCall) error) discord.HandlerFunc {
	return func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
		u, ok := s.find(in.User.ID)
		if !ok || in.GuildID != s.opts.OperatorGuild || !u.Has(horde.RoleAdmin) && !u.Has(horde.RoleModerator) {
			return tell(s.say(in).T("operator.not"))
		}
		c := &operatorCall{in, r, s.say(in), u}
		err := h(ctx, c)
		if k, ok := errors.AsType[*keyedError](err); ok {
			return tell(c.w.T(k.key, k.args...))
		}
		return err
	}
}

// target reads whom a command is about: a person, or a guild by its number.
func (c *operatorCall) target() (guild, person string, err error) {
	o := c.in.Command.Options
	user, _ := o.User("user")
	guild = strings.TrimSpace(o.String("guild"))
	if n, err := strconv.ParseUint(guild, 10, 64); guild != "" && (err != nil || n == 0) {
		return "", "", tellPlain("network.noguild")
	}
	if (user.ID == "") == (guild == "") {
		return "", "", tellPlain("operator.whom")
	}
	return guild, user.ID, nil
}

func sayTarget(guild, person string) string {
	if person != "" {
		return mention(person)
	}
	return "`" + guild + "`"
}

func (s *Set) opBlock(ctx context.Context, c *operatorCall) error {
	guild, person, err := c.target()
	if err != nil {
		return err
	}
	if u, ok := s.find(person); ok && (u.Has(horde.RoleAdmin) || u.Has(horde.RoleModerator)) || guild == s.opts.OperatorGuild {
		return tell(c.w.T("operator.block.self"))
	}
	if err := c.r.Defer(ctx, true); err != nil {
		return err
	}
	days := min(maxBanDays, max(1, c.in.Command.Options.Int("days", maxBanDays)))
	span := time.Duration(days) * 24 * time.Hour
	ban := chat.Ban{
		Person: person, Guild: guild, By: c.in.User.ID, Since: s.now(), Until: s.now().Add(span),
		Reason: discord.Clip(plain(c.in.Command.Options.String("reason")), maxNote),
	}
	if _, err := s.network.bans.change(ctx, chat.BanKey(person, guild), about{}, func(v *chat.Ban) error { *v = ban; return nil }); err != nil {
		return fmt.Errorf("keep somebody out: %w", err)
	}
	if err := s.setPauses(ctx, c, guild, person, span); err != nil {
		return err
	}
	s.log.Warn().Int64("by", int64(c.by.ID)).Bool("guild", person == "").Msg("an operator keeps somebody out")
	return c.tell(ctx, c.w.T("operator.blocked", "Whom", sayTarget(guild, person), "Until", stamp(ban.Until)))
}

// setPauses bars the addresses of a person or a guild in the core, or with 0 lifts whatever bars them. Who may not do that
// in the core still decides about the chat.
func (s *Set) setPauses(ctx context.Context, c *operatorCall, guild, person string, span time.Duration) error {
	addresses, err := s.standIns(ctx, guild, person)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		_, err := engine.Do(ctx, s.engine, horde.SetBlock{By: c.by.ID, Address: a, For: span})
		if refusal, ok := errors.AsType[*horde.Error](err); ok && refusal.Code == horde.CodeNotModerator {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Set) opUnblock(ctx context.Context, c *operatorCall) error {
	guild, person, err := c.target()
	if err != nil {
		return err
	}
	if err := c.r.Defer(ctx, true); err != nil {
		return err
	}
	banned, err := s.network.bans.drop(ctx, chat.BanKey(person, guild))
	if err != nil {
		return fmt.Errorf("let somebody in again: %w", err)
	}
	pardoned, err := s.pardon(ctx, guild, person)
	if err != nil {
		return err
	}
	addresses, err := s.standIns(ctx, guild, person)
	if err != nil {
		return err
	}
	paused, _ := s.pauses(addresses)
	if err := s.setPauses(ctx, c, guild, person, 0); err != nil {
		return err
	}
	if !banned && !pardoned && len(paused) == 0 {
		return c.tell(ctx, c.w.T("operator.free", "Whom", sayTarget(guild, person)))
	}
	s.log.Warn().Int64("by", int64(c.by.ID)).Bool("guild", person == "").Msg("an operator lets somebody in again")
	return c.tell(ctx, c.w.T("operator.unblocked", "Whom", sayTarget(guild, person), "Count", len(paused)))
}

// opPauses shows what holds against a person or a guild.
func (s *Set) opPauses(ctx context.Context, c *operatorCall) error {
	guild, person, err := c.target()
	if err != nil {
		return err
	}
	addresses, err := s.standIns(ctx, guild, person)
	if err != nil {
		return err
	}
	ban, banned, err := s.network.bans.get(ctx, chat.BanKey(person, guild))
	if err != nil {
		return fmt.Errorf("read who is kept out: %w", err)
	}
	paused, longest := s.pauses(addresses)
	var rows []string
	switch {
	case !banned || !s.now().Before(ban.Until):
		banned = false
	case ban.Review:
		rows = append(rows, "⛔ "+upperFirst(c.w.T("strikes.state.review")))
	case ban.By == "":
		rows = append(rows, "⏸ "+upperFirst(c.w.T("strikes.state.paused", "Until", stamp(ban.Until))))
	default:
		rows = append(rows, c.w.T("operator.pauses.ban", "Until", stamp(ban.Until), "By", mention(ban.By), "Reason", escape(ban.Reason)))
	}
	struck, err := s.strikeRows(ctx, c.w, guild, person)
	if err != nil {
		return fmt.Errorf("read strikes: %w", err)
	}
	rows = append(rows, struck...)
	if len(paused) > 0 {
		rows = append(rows, c.w.T("operator.pauses.core", "Count", len(paused), "Until", stamp(s.now().Add(longest))))
	}
	if u, ok := s.find(person); ok && person != "" {
		rows = append(rows, c.w.T("operator.pauses.suspicion", "Alias", escape(u.Alias()), "N", u.Suspicion))
	}
	if len(rows) == 0 || !banned && len(paused) == 0 && len(struck) == 0 {
		rows = append([]string{c.w.T("operator.free", "Whom", sayTarget(guild, person))}, rows...)
	}
	return c.tell(ctx, rows...)
}

func (s *Set) opFlags(ctx context.Context, c *operatorCall) error {
	o := c.in.Command.Options
	f := chat.Feature(o.String("feature"))
	if f != "" {
		if !slices.Contains(s.switchable(), f) {
			return tellPlain("operator.nofeature")
		}
		_, err := s.network.switches.change(ctx, chat.SwitchesKey, about{}, func(v *chat.Switches) error {
			off := slices.DeleteFunc(slices.Clone(v.Off), func(x chat.Feature) bool { return x == f })
			if !o.Bool("on", false) {
				off = append(off, f)
			}
			v.Off = off
			return nil
		})
		if err != nil {
			return fmt.Errorf("switch a feature: %w", err)
		}
		s.log.Warn().Int64("by", int64(c.by.ID)).Str("feature", string(f)).Bool("on", o.Bool("on", false)).Msg("an operator switched a feature")
	}
	off, err := s.shut(ctx)
	if err != nil {
		return err
	}
	rows := []string{c.w.T("operator.flags")}
	for _, f := range s.switchable() {
		rows = append(rows, mark(!slices.Contains(off, f))+" "+c.w.T("operator.feature."+string(f)))
	}
	return c.tell(ctx, rows...)
}

func (s *Set) opDrain(ctx context.Context, c *operatorCall) error {
	stop := c.in.Command.Options.Bool("stop", false)
	s.network.draining.Store(!stop)
	s.network.drained.Store(stop)
	if stop {
		return c.tell(ctx, c.w.T("operator.drain.off"))
	}
	return c.r.Reply(ctx, s.drainMessage(c.w))
}

// pressDrain looks again how much is still running.
func (s *Set) pressDrain(ctx context.Context, c *operatorCall) error {
	if !s.network.draining.Load() {
		return c.r.Update(ctx, private(c.w.T("operator.drain.off")))
	}
	return c.r.Update(ctx, s.drainMessage(c.w))
}

// drainMessage says how much is still running before a restart.
func (s *Set) drainMessage(w words.Words) discord.Message {
	n := s.follow.following()
	if n == 0 {
		s.network.drained.Store(true) // somebody knows
		return private(w.T("operator.drain.ready"))
	}
	m := private(w.T("operator.drain.on", "Count", n))
	m.Components = []discord.Row{{Buttons: []discord.Button{{
		Label: w.T("common.refresh"), Style: discord.Secondary, CustomID: discord.CustomID{Verb: verbDrain}.String(),
	}}}}
	return m
}

// tellDrained writes into the log of the operators' guild once nothing is running any more, after they asked for that.
func (s *Set) tellDrained(ctx context.Context) {
	if s.network.draining.Load() && s.follow.following() == 0 && s.network.drained.CompareAndSwap(false, true) {
		s.log.Warn().Msg("nothing is running any more: ready to restart")
		s.logTo(ctx, s.opts.OperatorGuild, func(w words.Words) string { return w.T("operator.drain.log") })
	}
}

func (s *Set) opAnnounce(ctx context.Context, c *operatorCall) error {
	return c.r.Modal(ctx, discord.Modal{
		CustomID: discord.CustomID{Verb: verbAnnounce}.String(), Title: discord.Clip(c.w.T("operator.announce"), discord.MaxModalTitle),
		Inputs: []discord.Input{
			{CustomID: "title", Label: discord.Clip(c.w.T("operator.announce.title"), discord.MaxInputLabel), Required: true, Max: 200},
			{CustomID: "text", Label: discord.Clip(c.w.T("operator.announce.text"), discord.MaxInputLabel), Required: true, Paragraph: true, Max: maxAnnounce},
		},
	})
}

// opPreview keeps the words and shows them as guilds will see them.
func (s *Set) opPreview(ctx context.Context, c *operatorCall) error {
	a := chat.Announcement{Title: strings.TrimSpace(c.in.Modal.Values["title"]), Text: strings.TrimSpace(c.in.Modal.Values["text"]), By: c.in.User.ID}
	if a.Title == "" || a.Text == "" {
		return tell(c.w.T("operator.announce.empty"))
	}
	a.Title, a.Text = discord.Clip(a.Title, discord.MaxEmbedTitle), discord.Clip(a.Text, maxAnnounce)
	if err := s.saveAnnouncement(ctx, c.in.ID, a, time.Time{}); err != nil {
		return err
	}
	if err := c.r.Defer(ctx, true); err != nil {
		return err
	}
	n, err := s.hearers(ctx)
	if err != nil {
		return err
	}
	m := private(c.w.T("operator.announce.preview", "Count", n))
	m.Embeds = []discord.Embed{{Title: a.Title, Description: a.Text, Color: embedColor}}
	m.Components = []discord.Row{{Buttons: []discord.Button{{
		Label: c.w.T("operator.announce.send"), Style: discord.Primary, CustomID: discord.CustomID{Verb: verbAnnounce, ID: c.in.ID}.String(),
	}}}}
	return c.r.Reply(ctx, m)
}

// opSend begins to tell the guilds; pressing twice tells once.
func (s *Set) opSend(ctx context.Context, c *operatorCall) error {
	a, found, err := s.network.announce.get(ctx, c.in.Component.ID.ID)
	switch {
	case err != nil:
		return fmt.Errorf("read an announcement: %w", err)
	case !found || a.By != c.in.User.ID:
		return tell(c.w.T("operator.announce.gone"))
	case a.Made.IsZero():
		a.Made = s.now()
		if err := s.saveAnnouncement(ctx, c.in.Component.ID.ID, a, s.now()); err != nil {
			return err
		}
		s.log.Info().Int64("by", int64(c.by.ID)).Msg("an operator announces something")
		select {
		case s.network.wake <- struct{}{}:
		default:
		}
	}
	m := private(c.w.T("operator.announce.sending", "Sent", a.Sent, "Failed", a.Failed))
	m.Components = []discord.Row{{Buttons: []discord.Button{{
		Label: c.w.T("common.refresh"), Style: discord.Secondary, CustomID: discord.CustomID{Verb: verbAnnounce, ID: c.in.Component.ID.ID}.String(),
	}}}}
	return c.r.Update(ctx, m)
}
