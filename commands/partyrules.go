// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// Bounds of what a guild decides about parties.
const (
	maxPartyPlaces = 25 // channels, or roles
	mostParties    = 20
)

// partyRulesCommand is /serverconfig party.
func (s *Set) partyRulesCommand() discord.SubcommandSpec {
	return s.subcommand("party", "server.cmd.party",
		s.option("most", "server.opt.partymost", discord.OptionInteger, between(1, mostParties)),
		s.option("days", "server.opt.partydays", discord.OptionInteger, between(1, maxPartyDays)),
		s.option("channel", "server.opt.partychannel", discord.OptionChannel, func(o *discord.OptionSpec) {
			o.ChannelTypes = []int{discord.TextChannel, discord.AnnouncementChannel, discord.ForumChannel} // parties are in their posts
		}),
		s.option("ping", "server.opt.partyping", discord.OptionRole),
		s.option("clear", "server.opt.clear", discord.OptionBoolean))
}

// partyRules are what a guild decided about parties, with the bot's numbers where it decided nothing.
func (s *Set) partyRules(ctx context.Context, guild string) (chat.PartyRules, error) {
	g, _, err := s.guilds.get(ctx, guild)
	if err != nil {
		return chat.PartyRules{}, fmt.Errorf("settings of a guild: %w", err)
	}
	rules := g.Parties
	rules.Most, rules.Days = cmp.Or(rules.Most, maxPartyRunning), cmp.Or(rules.Days, maxPartyDays)
	return rules, nil
}

// serverParty changes the rules of parties: a channel or role that is named is added, or taken away again.
func (s *Set) serverParty(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	o, w := in.Command.Options, s.say(in)
	channel, named := o.Channel("channel")
	role, pinged := o.Role("ping")
	g, _, err := s.guilds.get(ctx, in.GuildID)
	if err == nil && len(o) > 0 {
		g, err = s.changeGuild(ctx, in, func(g *chat.Guild) error {
			p := &g.Parties
			if o.Bool("clear", false) {
				*p = chat.PartyRules{}
			}
			setIf(&p.Most, int(o.Int("most", 0)))
			setIf(&p.Days, int(o.Int("days", 0)))
			if named {
				p.Channels = toggled(p.Channels, channel.ID)
			}
			if pinged && role.ID != in.GuildID { // that would be everybody
				p.Pings = toggled(p.Pings, role.ID)
			}
			if max(len(p.Channels), len(p.Pings)) > maxPartyPlaces {
				return tell(w.T("server.toomany", "Most", maxPartyPlaces))
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	return r.Reply(ctx, private(w.T("server.parties")+": "+cmp.Or(showParties(w, g.Parties), w.T("server.v.default"))))
}

// toggled is a list with a value, or without it when it was there.
func toggled(list []string, value string) []string {
	if slices.Contains(list, value) {
		return slices.DeleteFunc(slices.Clone(list), func(v string) bool { return v == value })
	}
	return append(slices.Clone(list), value)
}

// channelList names channels.
func channelList(channels []string) string {
	out := make([]string, 0, len(channels))
	for _, id := range channels {
		out = append(out, "<#"+id+">")
	}
	return discord.Clip(strings.Join(out, ", "), 300)
}

// showParties writes the rules of parties in one line; empty when nothing is decided.
func showParties(w words.Words, p chat.PartyRules) string {
	var parts []string
	if p.Most > 0 {
		parts = append(parts, w.T("server.p.most")+": "+strconv.Itoa(p.Most))
	}
	if p.Days > 0 {
		parts = append(parts, w.T("server.p.days")+": "+strconv.Itoa(p.Days))
	}
	if len(p.Channels) > 0 {
		parts = append(parts, w.T("server.p.channels")+": "+channelList(p.Channels))
	}
	if len(p.Pings) > 0 {
		parts = append(parts, w.T("server.p.pings")+": "+roleList(p.Pings))
	}
	return strings.Join(parts, " · ")
}
