// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"stablemate/internal/discord"
)

// english is a text for definitions, which are English with other languages beside them.
func (s *Set) english(key string) string { return s.bundle.For().T(key) }

// subcommand defines a sub-command whose description is a text by key.
func (s *Set) subcommand(name, key string, options ...discord.OptionSpec) discord.SubcommandSpec {
	return discord.SubcommandSpec{Name: name, Description: s.english(key), Descriptions: s.bundle.Locales(key), Options: options}
}

// option defines an option whose description is a text by key.
func (s *Set) option(name, key string, kind discord.OptionType, change ...func(*discord.OptionSpec)) discord.OptionSpec {
	o := discord.OptionSpec{Name: name, Description: s.english(key), Descriptions: s.bundle.Locales(key), Type: kind}
	for _, f := range change {
		f(&o)
	}
	return o
}

// required, between, upTo, suggested and oneOf change an option.
func required(o *discord.OptionSpec) { o.Required = true }

func suggested(o *discord.OptionSpec) { o.Autocomplete = true }

func between(least, most int) func(*discord.OptionSpec) {
	return func(o *discord.OptionSpec) { o.Min, o.Max = new(float64(least)), new(float64(most)) }
}

func upTo(characters int) func(*discord.OptionSpec) {
	return func(o *discord.OptionSpec) { o.MaxLength = new(characters) }
}

// oneOf lists the values of an option; the text of each is prefix and value.
func (s *Set) oneOf(prefix string, values ...string) func(*discord.OptionSpec) {
	return func(o *discord.OptionSpec) {
		for _, v := range values {
			o.Choices = append(o.Choices, discord.Choice{Name: s.english(prefix + v), Value: v, Names: s.bundle.Locales(prefix + v)})
		}
	}
}

// languages are the ones people may choose, by Discord's names.
func languages() []struct{ locale, name string } {
	return []struct{ locale, name string }{
		{"en-US", "English"}, {"de", "Deutsch"}, {"es-ES", "Español"}, {"fr", "Français"}, {"ja", "日本語"},
	}
}

// languageName is a language in its own words; empty for one that nobody can choose.
func languageName(locale string) string {
	for _, l := range languages() {
		if l.locale == locale {
			return l.name
		}
	}
	return ""
}

// translated puts the descriptions in other languages beside those that have none. Their keys are "commands.", the
// command, and the option.
func (s *Set) translated(specs []discord.CommandSpec) []discord.CommandSpec {
	for i := range specs {
		c := &specs[i]
		key := "commands." + c.Name
		if c.Descriptions == nil {
			c.Descriptions = s.bundle.Locales(key)
		}
		for j := range c.Options {
			if o := &c.Options[j]; o.Descriptions == nil {
				o.Descriptions = s.bundle.Locales(key + "." + o.Name)
			}
		}
	}
	return specs
}
