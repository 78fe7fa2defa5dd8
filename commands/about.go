// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"strconv"

	"stablemate/internal/discord"
)

// aboutFamily is /help and /about.
func (s *Set) aboutFamily() family {
	spec := func(name string, options ...discord.OptionSpec) discord.CommandSpec {
		return discord.CommandSpec{
			Name: name, Description: s.english("help.cmd." + name), Descriptions: s.bundle.Locales("help.cmd." + name),
			DMs: true, UserInstall: true, Options: options,
		}
	}
	return family{
		specs: []discord.CommandSpec{
			spec("help", s.option("topic", "help.opt.topic", discord.OptionString, s.oneOf("help.t.", topicNames()...))), spec("about"),
		},
		register: func(rt *discord.Router) {
			rt.Command("help", discord.Route{Handle: s.answered(s.help), Private: true})
			rt.Command("about", discord.Route{Handle: s.answered(s.about), Private: true})
			rt.Component(verbHelp, discord.Route{Handle: s.answered(s.pressHelp), Private: true})
		},
	}
}

// about tells what runs here.
func (s *Set) about(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	perf, models := s.engine.Performance(), 0
	for _, m := range s.engine.Models() {
		if m.Threads > 0 {
			models++
		}
	}
	embed := discord.Embed{Title: "Stablemate", Color: embedColor, Description: w.T("about.text"), Fields: []discord.Field{
		{Name: w.T("about.workers"), Value: strconv.Itoa(perf.Workers), Inline: true},
		{Name: w.T("about.models"), Value: strconv.Itoa(models), Inline: true},
		{Name: w.T("about.waiting"), Value: strconv.Itoa(perf.QueuedRequests), Inline: true},
	}}
	add := func(key, value string) {
		if value != "" {
			embed.Fields = append(embed.Fields, discord.Field{Name: w.T(key), Value: discord.Clip(value, discord.MaxFieldValue), Inline: true})
		}
	}
	add("about.horde", escape(s.opts.HordeName))
	add("about.version", s.opts.Version)
	st := s.bot.Stats()
	add("about.servers", strconv.Itoa(s.bot.GuildCount()))
	add("about.shards", strconv.Itoa(st.ShardsUp)+" / "+strconv.Itoa(st.Shards))
	add("about.api", s.opts.APIURL)
	add("about.source", s.opts.Source)
	add("about.support", s.opts.Support)
	add("about.license", "AGPL-3.0-or-later")
	m := private("")
	m.Embeds = []discord.Embed{embed}
	return r.Reply(ctx, m)
}
