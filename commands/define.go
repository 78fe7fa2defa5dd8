// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"fmt"
	"strings"

	"stablemate/internal/discord"
)

// sub defines a sub-command whose descriptions are the text under family.name.
func (s *Set) sub(family, name string, options ...discord.OptionSpec) discord.SubcommandSpec {
	key := "cmd." + family + "." + name
	return discord.SubcommandSpec{Name: name, Description: s.english(key), Descriptions: s.bundle.Locales(key), Options: options}
}

// opt fills in an option's descriptions: the text under opt.family.name.
func (s *Set) opt(family string, o discord.OptionSpec) discord.OptionSpec {
	key := "opt." + family + "." + o.Name
	o.Description, o.Descriptions = s.english(key), s.bundle.Locales(key)
	return o
}

// spec defines a command of sub-commands; its descriptions are the text under cmd.name.
func (s *Set) spec(name string, subs ...discord.SubcommandSpec) discord.CommandSpec {
	key := "cmd." + name
	return discord.CommandSpec{
		Name: name, Description: s.english(key), Descriptions: s.bundle.Locales(key), Subcommands: subs,
	}
}

// pick is a fixed value of an option, named by a text.
func (s *Set) pick(value, key string) discord.Choice {
	return discord.Choice{Name: s.english(key), Value: value, Names: s.bundle.Locales(key)}
}

// suggest answers an autocompletion with what contains the text typed so far, at most what Discord takes.
func suggest(typed string, all []discord.Choice) []discord.Choice {
	typed = strings.ToLower(strings.TrimSpace(typed))
	var out []discord.Choice
	for _, c := range all {
		if len(out) < discord.MaxChoices && strings.Contains(strings.ToLower(c.Name), typed) {
			c.Name = discord.Clip(c.Name, maxModel)
			out = append(out, c)
		}
	}
	return out
}

// needs refuses whoever lacks a permission in the guild, or is in none. key is the text that names the permission.
func (s *Set) needs(in *discord.Interaction, p discord.Permissions, key string) error {
	switch w := s.say(in); {
	case in.GuildID == "":
		return tell(w.T("common.guildonly"))
	case !in.MemberPermissions.Has(p):
		return tell(w.T("common.needspermission", "Permission", w.T(key)))
	}
	return nil
}

// roleMention shows a role by its colour and name; mentions never ping.
func roleMention(id string) string { return fmt.Sprintf("<@&%s>", id) }
