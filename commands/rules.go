// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// wholeGuild is the scope of rules that are not a channel's.
const wholeGuild = "-"

// rulesOf are the rules of a scope: of the guild, or of one of its channels.
func rulesOf(g chat.Guild, scope string) chat.Rules {
	if scope == wholeGuild {
		return g.Rules
	}
	return g.Channels[scope]
}

// ruleLine is one line of what a guild decided: its name by key, and how its value reads; empty where nothing is decided.
type ruleLine struct {
	key  string
	show func(w words.Words, r chat.Rules) string
}

// ruleLines lists all lines in the order they are shown.
func ruleLines() []ruleLine {
	number := func(of func(l chat.Limits) int) func(words.Words, chat.Rules) string {
		return func(_ words.Words, r chat.Rules) string {
			if n := of(r.Limits); n != 0 {
				return strconv.Itoa(n)
			}
			return ""
		}
	}
	list := func(of func(r chat.Rules) []string) func(words.Words, chat.Rules) string {
		return func(_ words.Words, r chat.Rules) string {
			return discord.Clip(escape(strings.Join(of(r), ", ")), 300)
		}
	}
	truth := func(of func(r chat.Rules) *bool, yes, no string) func(words.Words, chat.Rules) string {
		return func(w words.Words, r chat.Rules) string {
			switch v := of(r); {
			case v == nil:
				return ""
			case *v:
				return w.T(yes)
			}
			return w.T(no)
		}
	}
	out := []ruleLine{
		{"server.f.off", truth(func(r chat.Rules) *bool { return r.Off }, "server.v.off", "server.v.on")},
		{"server.f.size", func(_ words.Words, r chat.Rules) string {
			if r.Limits.Pixels == 0 {
				return ""
			}
			side := sideOf(r.Limits.Pixels)
			return fmt.Sprintf("%d×%d", side, side)
		}},
		{"server.f.steps", number(func(l chat.Limits) int { return l.Steps })},
		{"server.f.amount", number(func(l chat.Limits) int { return l.Amount })},
		{"server.f.atonce", number(func(l chat.Limits) int { return l.AtOnce })},
		{"server.f.inguild", number(func(l chat.Limits) int { return l.InGuild })},
		{"server.f.length", number(func(l chat.Limits) int { return l.Length })},
		{"server.f.texts", number(func(l chat.Limits) int { return l.Texts })},
		{"server.f.adult", func(w words.Words, r chat.Rules) string {
			if r.Adult == "" {
				return ""
			}
			return w.T("server.adult." + string(r.Adult))
		}},
		{"server.f.spoiler", truth(func(r chat.Rules) *bool { return r.Spoiler }, "server.v.always", "server.v.chosen")},
		{"server.f.sources", func(w words.Words, r chat.Rules) string {
			if r.Sources == "" {
				return ""
			}
			return w.T("server.sources." + string(r.Sources))
		}},
		{"server.f.share", truth(func(r chat.Rules) *bool { return r.Share }, "server.v.allowed", "server.v.forbidden")},
		{"server.f.answers", func(w words.Words, r chat.Rules) string {
			if r.Answers == "" {
				return ""
			}
			return w.T("server.answers." + string(r.Answers))
		}},
		{"server.f.models", list(func(r chat.Rules) []string { return r.Models })},
		{"server.f.nomodels", list(func(r chat.Rules) []string { return r.NoModels })},
		{"server.f.nostyles", list(func(r chat.Rules) []string { return r.NoStyles })},
		{"server.f.words", func(w words.Words, r chat.Rules) string { // never repeated where others read along
			if len(r.Words) == 0 {
				return ""
			}
			return w.T("server.v.entries", "Count", len(r.Words))
		}},
		{"server.f.negative", func(_ words.Words, r chat.Rules) string { return discord.Clip(escape(r.Negative), 300) }},
		{"server.f.strict", truth(func(r chat.Rules) *bool { return r.Strict }, "server.v.owner", "server.v.everybody")},
		{"server.f.strange", truth(func(r chat.Rules) *bool { return r.Strange }, "server.v.allowed", "server.v.forbidden")},
		{"server.f.installed", truth(func(r chat.Rules) *bool { return r.Installed }, "server.v.allowed", "server.v.forbidden")},
		{"server.f.language", func(_ words.Words, r chat.Rules) string { return languageName(r.Language) }},
	}
	for _, f := range chat.Features() {
		out = append(out, ruleLine{"server.access." + string(f), func(w words.Words, r chat.Rules) string {
			roles, set := r.Access[f]
			switch {
			case len(roles) > 0:
				return roleList(roles)
			case set:
				return w.T("server.v.everybody")
			}
			return ""
		}})
	}
	return out
}

// sideOf is the side of the largest square within so many pixels.
func sideOf(pixels int) int {
	side := horde.MinSide
	for (side+horde.SideStep)*(side+horde.SideStep) <= pixels {
		side += horde.SideStep
	}
	return side
}

// changeRules lets f change the rules of a scope, saves them, and tells the guild's log what is different now. f gets maps
// of its own, and may run more than once.
func (s *Set) changeRules(ctx context.Context, in *discord.Interaction, w words.Words, scope string, f func(*chat.Rules) error) (chat.Guild, error) {
	return s.changeGuild(ctx, in, func(g *chat.Guild) error {
		r := rulesOf(*g, scope)
		r.Access = maps.Clone(r.Access)
		if err := f(&r); err != nil {
			return err
		}
		if scope == wholeGuild {
			g.Rules = r
			return nil
		}
		g.Channels = maps.Clone(g.Channels)
		if g.Channels == nil {
			g.Channels = make(map[string]chat.Rules)
		}
		if _, there := g.Channels[scope]; !there && len(g.Channels) >= chat.MaxPlaces {
			return tell(w.T("server.toomany", "Most", chat.MaxPlaces))
		}
		if g.Channels[scope] = r; !decided(r) {
			delete(g.Channels, scope)
		}
		return nil
	})
}

// decided reports whether rules decide anything.
func decided(r chat.Rules) bool {
	return r.Off != nil || r.Spoiler != nil || r.Sources != "" || r.Share != nil || r.Strict != nil || r.Strange != nil || r.Installed != nil || len(r.Access) > 0 ||
		len(r.Models)+len(r.NoModels)+len(r.NoStyles)+len(r.Words) > 0 || !r.Limits.Zero() ||
		r.Negative != "" || r.Adult != "" || r.Answers != "" || r.Language != ""
}

// changeGuild saves a change of a guild's settings and tells its log. f changes no map that it found: it puts new ones in
// their place.
func (s *Set) changeGuild(ctx context.Context, in *discord.Interaction, f func(*chat.Guild) error) (chat.Guild, error) {
	var before chat.Guild
	after, err := s.guilds.change(ctx, in.GuildID, about{guild: in.GuildID}, func(g *chat.Guild) error {
		before = *g
		return f(g)
	})
	if err != nil {
		return after, err
	}
	s.logTo(ctx, in.GuildID, func(w words.Words) string { return lines(differences(w, in.User.ID, before, after)...) })
	return after, nil
}

// differences says line by line what somebody changed.
func differences(w words.Words, by string, before, after chat.Guild) []string {
	var out []string
	say := func(what, value string) {
		if value == "" {
			value = w.T("server.v.default")
		}
		out = append(out, w.T("server.changed", "Who", mention(by), "What", what, "Value", value))
	}
	compare := func(scope string) {
		was, is := rulesOf(before, scope), rulesOf(after, scope)
		for _, l := range ruleLines() {
			if v := l.show(w, is); v != l.show(w, was) {
				name := w.T(l.key)
				if scope != wholeGuild {
					name += " · <#" + scope + ">"
				}
				say(name, v)
			}
		}
		if len(was.Words) == len(is.Words) && !slices.Equal(was.Words, is.Words) {
			say(w.T("server.f.words"), w.T("server.v.entries", "Count", len(is.Words)))
		}
	}
	compare(wholeGuild)
	for _, scope := range keys(before.Channels, after.Channels) {
		compare(scope)
	}
	for _, role := range keys(before.Roles, after.Roles) {
		if is := after.Roles[role]; is != before.Roles[role] {
			say("<@&"+role+">", showLimits(w, is))
		}
	}
	was, is := placeLines(w, before), placeLines(w, after)
	for i := range is {
		if is[i].Value != was[i].Value {
			say(is[i].Name, is[i].Value)
		}
	}
	return out
}

// keys are the keys of both maps, in order.
func keys[V any](a, b map[string]V) []string {
	out := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(out)
	return slices.Compact(out)
}

// showLimits writes limits in one line; empty when there are none.
func showLimits(w words.Words, l chat.Limits) string {
	var parts []string
	for _, line := range ruleLines() {
		switch line.key {
		case "server.f.size", "server.f.steps", "server.f.amount", "server.f.atonce", "server.f.inguild", "server.f.length", "server.f.texts":
			if v := line.show(w, chat.Rules{Limits: l}); v != "" {
				parts = append(parts, w.T(line.key)+": "+v)
			}
		}
	}
	return strings.Join(parts, " · ")
}
