// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"slices"
	"strings"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// verbHelp is the verb of the list of topics under /help, and of its buttons; the argument says which.
const verbHelp = "hp"

// helpTopic is what /help knows under one name: a text, and the commands it is about. A topic without commands that its
// reader may use is left out; the first has none and is always there.
type helpTopic struct {
	name     string
	commands []string
}

// helpTopics lists them, the first at first.
func helpTopics() []helpTopic {
	return []helpTopic{
		{"start", nil},
		{"images", []string{"generate", "advanced", "remix", "upscale", "describe", "interrogate", "jobs", "history"}},
		{"text", []string{"text"}},
		{"account", []string{"login", "logout", "apikey", "userinfo"}},
		{"kudos", []string{"kudos", "sharedkey"}},
		{"party", []string{"party"}},
		{"rate", []string{"rate", "ratings"}},
		{"horde", []string{"horde", "models", "styles", "workers", "worker", "teams", "stats", "news"}},
		{"settings", []string{"settings"}},
		{"server", []string{"serverconfig", "kudosemoji", "autorole", operatorCommand}},
		{"privacy", []string{"privacy", "help", "about"}},
	}
}

func topicNames() []string {
	var out []string
	for _, t := range helpTopics() {
		out = append(out, t.name)
	}
	return out
}

// needs are the features that a guild may keep for some, by command.
func needs(command string) chat.Feature {
	switch command {
	case "generate", "advanced":
		return chat.Images
	case "remix", "upscale", "describe", "interrogate":
		return chat.Tools
	case "text":
		return chat.Texts
	case "kudos":
		return chat.Gifts
	case "party":
		return chat.Parties
	}
	return ""
}

func (s *Set) help(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	m, err := s.helpPage(ctx, in, in.Command.Options.String("topic"))
	if err != nil {
		return err
	}
	return r.Reply(ctx, m)
}

func (s *Set) pressHelp(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	switch in.Component.ID.Arg {
	case "login":
		return s.login(ctx, in, r)
	case "settings":
		return s.settingsShow(ctx, in, r)
	}
	m, err := s.helpPage(ctx, in, picked(in))
	if err != nil {
		return err
	}
	return r.Update(ctx, m)
}

// mayUse lists the commands that somebody may use where they are, as far as that can be told: Discord lets administrators
// change who sees a command, and does not tell bots.
func (s *Set) mayUse(in *discord.Interaction, e *Effective) map[string]discord.CommandSpec {
	u, known := s.find(in.User.ID)
	out := make(map[string]discord.CommandSpec)
	for _, c := range s.specs() {
		switch {
		case c.Menu != 0:
			continue
		case in.GuildID == "" && !c.DMs, c.Guild != "" && c.Guild != in.GuildID:
			continue
		case c.Name == operatorCommand:
			if !known || !u.Has(horde.RoleAdmin) && !u.Has(horde.RoleModerator) {
				continue
			}
		case c.Permissions != nil && !in.MemberPermissions.Has(*c.Permissions):
			continue
		}
		if !slices.Contains(alwaysHere(), c.Name) && e.admit(needs(c.Name)) != nil {
			continue
		}
		out[c.Name] = c
	}
	return out
}

// helpPage is what /help says about a topic, with the list of the others that there are for its reader.
func (s *Set) helpPage(ctx context.Context, in *discord.Interaction, topic string) (discord.Message, error) {
	e, err := s.effective(ctx, in)
	if err != nil {
		return discord.Message{}, err
	}
	w, usable := e.say, s.mayUse(in, &e)
	var there []helpTopic
	for _, t := range helpTopics() {
		t.commands = slices.DeleteFunc(t.commands, func(name string) bool { _, ok := usable[name]; return !ok })
		if t.name == "start" || len(t.commands) > 0 {
			there = append(there, t)
		}
	}
	chosen := there[0]
	if i := slices.IndexFunc(there, func(t helpTopic) bool { return t.name == topic }); i > 0 {
		chosen = there[i]
	}
	title := w.T("help.t." + chosen.name)
	if chosen.name == "start" {
		title = w.T("help.hello")
		if s.opts.HordeName != "" {
			title = w.T("help.hellofrom", "Horde", escape(s.opts.HordeName))
		}
	}
	text := w.T("help."+chosen.name,
		"Generate", s.cmd("generate"), "Login", s.cmd("login"), "Logout", s.cmd("logout"), "Balance", s.cmd("kudos balance"), "Gift", s.cmd("kudos gift"),
		"Info", s.cmd("userinfo"), "Key", s.cmd("apikey new"), "Link", s.cmd("apikey link"), "Panel", s.cmd("settings panel"),
		"Save", s.cmd("settings preset save"), "Notices", s.cmd("settings notifications"), "Server", s.cmd("serverconfig panel"),
		"Channel", s.cmd("serverconfig channel"), "Role", s.cmd("serverconfig role"), "Block", s.cmd("serverconfig block"), "Log", s.cmd("serverconfig log"),
		"Policy", s.cmd("privacy policy"), "Export", s.cmd("privacy export"), "Delete", s.cmd("privacy delete"),
		"Start", s.cmd("party start"), "Rate", s.cmd("rate"), "Text", s.cmd("text"))
	if chosen.name == "kudos" || chosen.name == "start" {
		if rule, found := s.emojiOf(ctx, in.GuildID); found {
			text = lines(text, "", w.T("help.emoji", "Emoji", rule.Show, "Kudos", kudosWord(rule.Amount)))
		}
	}
	if len(chosen.commands) > 0 {
		text += "\n"
	}
	for _, name := range chosen.commands {
		text = lines(text, s.commandHelp(w, usable[name]))
	}
	m := private("")
	m.Embeds = []discord.Embed{{
		Title: discord.Clip(title, discord.MaxEmbedTitle), Color: embedColor, Description: discord.Clip(text, discord.MaxEmbedDescription),
	}}
	choose := &discord.Select{CustomID: discord.CustomID{Verb: verbHelp}.String(), Placeholder: w.T("help.choose")}
	for _, t := range there {
		choose.Options = append(choose.Options, discord.SelectOption{Label: w.T("help.t." + t.name), Value: t.name, Default: t.name == chosen.name})
	}
	m.Components = []discord.Row{{Select: choose}, {Buttons: []discord.Button{
		{Label: w.T("help.t.account"), Emoji: "👋", Style: discord.Secondary, CustomID: discord.CustomID{Verb: verbHelp, Arg: "login"}.String()},
		{Label: w.T("help.t.settings"), Emoji: "⚙️", Style: discord.Secondary, CustomID: discord.CustomID{Verb: verbHelp, Arg: "settings"}.String()},
	}}}
	return m, nil
}

// commandHelp is a command with what it does, and its sub-commands to click on.
func (s *Set) commandHelp(w words.Words, c discord.CommandSpec) string {
	what := c.Description
	if text, ok := c.Descriptions[w.Locale()]; ok {
		what = text
	}
	if len(c.Subcommands) == 0 {
		return s.cmd(c.Name) + " — " + what
	}
	var subs []string
	for _, sub := range c.Subcommands {
		path := c.Name + " " + sub.Name
		if len(sub.Subcommands) == 0 {
			subs = append(subs, s.cmd(path))
		}
		for _, inner := range sub.Subcommands {
			subs = append(subs, s.cmd(path+" "+inner.Name))
		}
	}
	return "**/" + c.Name + "** — " + what + "\n-# " + strings.Join(subs, " · ")
}
