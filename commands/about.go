// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"slices"
	"strconv"

	"stablemate/internal/discord"
)

// verbHelp is the verb of the list of topics under /help.
const verbHelp = "hp"

// topics are what /help knows about, the first at first.
func topics() []string {
	return []string{"start", "images", "account", "kudos", "settings", "server", "privacy"}
}

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
			spec("help", s.option("topic", "help.opt.topic", discord.OptionString, s.oneOf("help.t.", topics()...))), spec("about"),
		},
		register: func(rt *discord.Router) {
			rt.Command("help", discord.Route{Handle: s.answered(s.help), Private: true})
			rt.Command("about", discord.Route{Handle: s.answered(s.about), Private: true})
			rt.Component(verbHelp, discord.Route{Handle: s.answered(s.pressHelp), Private: true})
		},
	}
}

func (s *Set) help(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	return r.Reply(ctx, s.helpPage(ctx, in, in.Command.Options.String("topic")))
}

func (s *Set) pressHelp(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	return r.Update(ctx, s.helpPage(ctx, in, picked(in)))
}

// helpPage is what /help says about a topic, with the list of the others.
func (s *Set) helpPage(ctx context.Context, in *discord.Interaction, topic string) discord.Message {
	w := s.say(in)
	if !slices.Contains(topics(), topic) {
		topic = topics()[0]
	}
	title := w.T("help.t." + topic)
	if topic == topics()[0] {
		title = w.T("help.hello")
		if s.opts.HordeName != "" {
			title = w.T("help.hellofrom", "Horde", escape(s.opts.HordeName))
		}
	}
	text := w.T("help."+topic,
		"Generate", s.cmd("generate"), "Login", s.cmd("login"), "Logout", s.cmd("logout"), "Balance", s.cmd("kudos balance"), "Gift", s.cmd("kudos gift"),
		"Info", s.cmd("userinfo"), "Key", s.cmd("apikey new"), "Link", s.cmd("apikey link"), "Panel", s.cmd("settings panel"),
		"Save", s.cmd("settings preset save"), "Notices", s.cmd("settings notifications"), "Server", s.cmd("serverconfig panel"),
		"Channel", s.cmd("serverconfig channel"), "Role", s.cmd("serverconfig role"), "Block", s.cmd("serverconfig block"), "Log", s.cmd("serverconfig log"),
		"Policy", s.cmd("privacy policy"), "Export", s.cmd("privacy export"), "Delete", s.cmd("privacy delete"))
	if topic == "kudos" || topic == topics()[0] {
		if rule, found := s.emojiOf(ctx, in.GuildID); found {
			text = lines(text, "", w.T("help.emoji", "Emoji", rule.Show, "Kudos", kudosWord(rule.Amount)))
		}
	}
	m := private("")
	m.Embeds = []discord.Embed{{
		Title: discord.Clip(title, discord.MaxEmbedTitle), Color: embedColor, Description: discord.Clip(text, discord.MaxEmbedDescription),
	}}
	choose := &discord.Select{CustomID: discord.CustomID{Verb: verbHelp}.String(), Placeholder: w.T("help.choose")}
	for _, t := range topics() {
		choose.Options = append(choose.Options, discord.SelectOption{Label: w.T("help.t." + t), Value: t, Default: t == topic})
	}
	m.Components = []discord.Row{{Select: choose}}
	return m
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
	add("about.api", s.opts.APIURL)
	add("about.source", s.opts.Source)
	add("about.license", "AGPL-3.0-or-later")
	m := private("")
	m.Embeds = []discord.Embed{embed}
	return r.Reply(ctx, m)
}
