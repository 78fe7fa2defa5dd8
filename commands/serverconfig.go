// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"maps"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Bounds of what administrators write.
const (
	maxReason  = 200 // characters
	maxDays    = 3650
	maxAtOnce  = 1000 // images at once
	shownList  = 15   // entries of a list in /serverconfig show
	maxSideSet = horde.MaxSide
)

// verbServer is the verb of the panel of a guild's settings. The ID is the scope, the argument what to do.
const verbServer = "sc"

// serverConfigFamily is /serverconfig: what the administrators of a guild decide.
func (s *Set) serverConfigFamily() family {
	manage := discord.ManageGuild
	spec := discord.CommandSpec{
		Name: "serverconfig", Description: s.english("server.cmd"), Descriptions: s.bundle.Locales("server.cmd"), Permissions: &manage,
		Subcommands: []discord.SubcommandSpec{
			s.subcommand("show", "server.cmd.show"),
			s.subcommand("panel", "server.cmd.panel"),
			s.subcommand("channel", "server.cmd.channel",
				s.option("channel", "server.opt.channel", discord.OptionChannel, required),
				s.option("off", "server.opt.off", discord.OptionBoolean),
				s.option("clear", "server.opt.clear", discord.OptionBoolean)),
			s.subcommand("role", "server.cmd.role",
				s.option("role", "server.opt.role", discord.OptionRole, required),
				s.option("size", "server.opt.size", discord.OptionInteger, between(horde.MinSide, maxSideSet)),
				s.option("steps", "server.opt.steps", discord.OptionInteger, between(1, horde.MaxSteps)),
				s.option("amount", "server.opt.amount", discord.OptionInteger, between(1, maxAmount)),
				s.option("at-once", "server.opt.atonce", discord.OptionInteger, between(1, maxAtOnce)),
				s.option("text-length", "server.opt.length", discord.OptionInteger, between(horde.MinTextLength, horde.MaxTextLength)),
				s.option("clear", "server.opt.clear", discord.OptionBoolean)),
			s.subcommand("block", "server.cmd.block",
				s.option("user", "server.opt.block", discord.OptionUser, required),
				s.option("reason", "server.opt.reason", discord.OptionString, upTo(maxReason)),
				s.option("days", "server.opt.days", discord.OptionInteger, between(1, maxDays))),
			s.subcommand("unblock", "server.cmd.unblock", s.option("user", "server.opt.unblock", discord.OptionUser, required)),
			s.subcommand("log", "server.cmd.log", s.option("channel", "server.opt.log", discord.OptionChannel, func(o *discord.OptionSpec) {
				o.ChannelTypes = []int{0, 5}
			})),
			s.partyRulesCommand(),
			s.subcommand("reset", "server.cmd.reset"),
		},
	}
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		for path, h := range map[string]discord.HandlerFunc{
			"show": s.serverShow, "panel": s.serverPanelOpen, "channel": s.serverChannel, "role": s.serverRole, "block": s.serverBlock,
			"unblock": s.serverUnblock, "log": s.serverLog, "party": s.serverParty, "reset": s.serverReset,
		} {
			rt.Command("serverconfig "+path, discord.Route{Handle: s.answered(s.managed(h)), Private: true})
		}
		rt.Component(verbServer, discord.Route{Handle: s.answered(s.managed(s.pressServer)), Private: true})
		rt.Modal(verbServer, discord.Route{Handle: s.answered(s.managed(s.submitServer)), Private: true})
	}}
}

// managed lets only those through who manage the guild, on every press anew: Discord hides such commands from others, but
// guilds can show them to everybody, and components are pressed by anybody.
func (s *Set) managed(h discord.HandlerFunc) discord.HandlerFunc {
	return func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
		if err := s.needs(in, discord.ManageGuild, "permission.manageguild"); err != nil {
			return err
		}
		return h(ctx, in, r)
	}
}

// serverShow lists everything that is decided.
func (s *Set) serverShow(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	m, err := s.serverOverview(ctx, in)
	if err != nil {
		return err
	}
	return r.Reply(ctx, m)
}

// serverOverview is the message with everything that is decided, and with what is held against people here.
func (s *Set) serverOverview(ctx context.Context, in *discord.Interaction) (discord.Message, error) {
	g, _, err := s.guilds.get(ctx, in.GuildID)
	if err != nil {
		return discord.Message{}, fmt.Errorf("settings of a guild: %w", err)
	}
	w := s.say(in)
	fields := ruleFields(w, g.Rules)
	more := func(name string, values []string) {
		if len(values) > shownList {
			values = append(values[:shownList:shownList], "…")
		}
		if text := lines(values...); text != "" && len(fields) < discord.MaxEmbedFields {
			fields = append(fields, discord.Field{Name: w.T(name), Value: discord.Clip(text, discord.MaxFieldValue)})
		}
	}
	for _, f := range placeLines(w, g) {
		if f.Value != "" && len(fields) < discord.MaxEmbedFields {
			fields = append(fields, f)
		}
	}
	var channels, roles, blocks []string
	for _, id := range keys(g.Channels, nil) {
		text := ""
		for _, f := range ruleFields(w, g.Channels[id]) {
			if text != "" {
				text += " · "
			}
			text += f.Name + ": " + f.Value
		}
		channels = append(channels, "<#"+id+"> "+discord.Clip(text, 200))
	}
	for _, id := range keys(g.Roles, nil) {
		roles = append(roles, "<@&"+id+"> "+showLimits(w, g.Roles[id]))
	}
	barred, err := s.blocks.ofGuild(ctx, in.GuildID)
	if err != nil {
		return discord.Message{}, fmt.Errorf("blocks of a guild: %w", err)
	}
	paused, err := s.pausesHere(ctx, in)
	if err != nil {
		return discord.Message{}, err
	}
	var pauses []string
	liftable := false
	for _, p := range paused {
		pauses = append(pauses, s.pauseLine(w, p))
		liftable = liftable || p.mayLift(in.User.ID)
	}
	storm, err := s.strikeRows(ctx, w, in.GuildID, "")
	if err != nil {
		return discord.Message{}, err
	}
	pauses = append(storm, pauses...)
	for _, b := range barred {
		blocks = append(blocks, s.blockLine(w, b.value))
	}
	more("server.f.channels", channels)
	more("server.f.roles", roles)
	more("server.f.blocks", blocks)
	more("server.f.pauses", pauses)
	m := private("")
	m.Embeds = []discord.Embed{{Title: w.T("server.title"), Color: embedColor, Fields: fitEmbed(fields)}}
	if len(fields) == 0 {
		m.Embeds[0].Description = w.T("server.nothing", "Panel", s.cmd("serverconfig panel"))
	}
	if liftable {
		m.Components = []discord.Row{{Buttons: []discord.Button{{
			Label: w.T("server.pause.lift"), Style: discord.Primary, CustomID: serverID(wholeGuild, pressLift),
		}}}}
	}
	return m, nil
}

// ruleFields are the lines that are decided.
func ruleFields(w words.Words, r chat.Rules) []discord.Field {
	var out []discord.Field
	for _, l := range ruleLines() {
		if v := l.show(w, r); v != "" && len(out) < discord.MaxEmbedFields-5 {
			out = append(out, discord.Field{Name: w.T(l.key), Value: discord.Clip(v, discord.MaxFieldValue), Inline: true})
		}
	}
	return out
}

// fitEmbed shortens values until all of them fit into one embed.
func fitEmbed(fields []discord.Field) []discord.Field {
	const most = discord.MaxEmbedTotal - 1000
	for limit := discord.MaxFieldValue; ; limit = limit * 2 / 3 {
		total := 0
		for i := range fields {
			fields[i].Value = discord.Clip(fields[i].Value, limit)
			total += len(fields[i].Name) + len(fields[i].Value)
		}
		if total <= most || limit < 20 {
			return fields
		}
	}
}

func (s *Set) blockLine(w words.Words, b chat.Block) string {
	text := mention(b.Person)
	switch {
	case !b.Until.IsZero() && !s.now().Before(b.Until):
		text += " · " + w.T("server.over")
	case !b.Until.IsZero():
		text += " · " + stamp(b.Until)
	}
	if b.Reason != "" {
		text += " · " + escape(b.Reason)
	}
	return text
}

// serverChannel opens the panel of a channel, after switching it on or off.
func (s *Set) serverChannel(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	channel, _ := in.Command.Options.Channel("channel")
	w := s.say(in)
	o := in.Command.Options
	g, _, err := s.guilds.get(ctx, in.GuildID)
	if err == nil && (o.Has("off") || o.Bool("clear", false)) {
		g, err = s.changeRules(ctx, in, w, channel.ID, func(rules *chat.Rules) error {
			if o.Bool("clear", false) {
				*rules = chat.Rules{}
			}
			switch {
			case o.Has("off") && o.Bool("off", false):
				rules.Off = new(true)
			case o.Has("off"):
				rules.Off = new(false)
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	return r.Reply(ctx, s.serverPanel(w, g, channel.ID, sectionLimits))
}

// serverRole sets the limits of a role.
func (s *Set) serverRole(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	role, _ := in.Command.Options.Role("role")
	o, w := in.Command.Options, s.say(in)
	set := chat.Limits{Steps: int(o.Int("steps", 0)), Amount: int(o.Int("amount", 0)), AtOnce: int(o.Int("at-once", 0)), Length: int(o.Int("text-length", 0))}
	if side := int(o.Int("size", 0)); side > 0 {
		set.Pixels = side * side
	}
	clearAll := o.Bool("clear", false)
	g, _, err := s.guilds.get(ctx, in.GuildID)
	if err == nil && (clearAll || !set.Zero()) {
		g, err = s.changeGuild(ctx, in, func(g *chat.Guild) error {
			g.Roles = maps.Clone(g.Roles)
			if g.Roles == nil {
				g.Roles = make(map[string]chat.Limits)
			}
			l, there := g.Roles[role.ID]
			if clearAll {
				l = chat.Limits{}
			}
			if !there && len(g.Roles) >= chat.MaxPlaces {
				return tell(w.T("server.toomany", "Most", chat.MaxPlaces))
			}
			if g.Roles[role.ID] = overlay(l, set); g.Roles[role.ID].Zero() {
				delete(g.Roles, role.ID)
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	text := showLimits(w, g.Roles[role.ID])
	if text == "" {
		text = w.T("server.v.default")
	}
	return r.Reply(ctx, private("<@&"+role.ID+">: "+text))
}

func (s *Set) serverBlock(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	who, _ := in.Command.Options.User("user")
	w := s.say(in)
	if who.ID == in.User.ID || who.ID == s.bot.UserID() || who.ID == "" {
		return tell(w.T("server.notthem"))
	}
	b := chat.Block{Person: who.ID, By: in.User.ID, Since: s.now(), Reason: discord.Clip(plain(in.Command.Options.String("reason")), maxReason)}
	if days := in.Command.Options.Int("days", 0); days > 0 {
		b.Until = b.Since.Add(time.Duration(days) * 24 * time.Hour)
	}
	// It is the guild's document: who is blocked cannot forget it with their own.
	if _, err := s.blocks.change(ctx, in.GuildID+":"+who.ID, about{guild: in.GuildID}, func(v *chat.Block) error {
		*v = b
		return nil
	}); err != nil {
		return fmt.Errorf("block a person: %w", err)
	}
	if err := r.Reply(ctx, private(w.T("server.blocked", "Line", s.blockLine(w, b)))); err != nil {
		return err
	}
	s.logTo(ctx, in.GuildID, func(w words.Words) string {
		return w.T("server.log.blocked", "Who", mention(in.User.ID), "Line", s.blockLine(w, b))
	})
	return nil
}

func (s *Set) serverUnblock(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	who, _ := in.Command.Options.User("user")
	w := s.say(in)
	there, err := s.blocks.drop(ctx, in.GuildID+":"+who.ID)
	switch {
	case err != nil:
		return fmt.Errorf("unblock a person: %w", err)
	case !there:
		return tell(w.T("server.notblocked", "Who", mention(who.ID)))
	}
	if err := r.Reply(ctx, private(w.T("server.unblocked", "Who", mention(who.ID)))); err != nil {
		return err
	}
	s.logTo(ctx, in.GuildID, func(w words.Words) string {
		return w.T("server.log.unblocked", "Who", mention(in.User.ID), "Whom", mention(who.ID))
	})
	return nil
}

// serverLog chooses the channel that hears of changes, after trying whether the bot may write there.
func (s *Set) serverLog(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	channel, _ := in.Command.Options.Channel("channel")
	return s.setPlace(ctx, in, r, placeLog, channel.ID)
}

func (s *Set) serverReset(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	m := private(w.T("server.reset"))
	m.Components = []discord.Row{{Buttons: []discord.Button{{
		Label: w.T("server.reset.yes"), Style: discord.Danger, CustomID: discord.CustomID{Verb: verbServer, ID: wholeGuild, Arg: "reset"}.String(),
	}}}}
	return r.Reply(ctx, m)
}
