// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// promptShown is how much of a prompt is repeated in a message and in an image's description, in characters.
const promptShown = 250

// plain makes one line of a text from outside: no control characters, nothing that turns the direction of the text around
// it, single blanks.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == '\u200d': // joins emoji
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// escape makes a text from outside show as it is: its markdown, mentions, custom emoji and links do nothing.
func escape(s string) string {
	s = plain(s)
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i, r := range s {
		switch {
		case strings.ContainsRune("\\*_~`|<[]@", r),
			i == 0 && strings.ContainsRune("#>-+", r),    // headings, quotes and lists begin a line
			r == ':' && strings.HasPrefix(s[i+1:], "//"): // links need no brackets
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// shown is a prompt as messages repeat it: short, and doing nothing.
func shown(prompt string) string { return escape(discord.Clip(plain(prompt), promptShown)) }

func upperFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || r == utf8.RuneError {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// sentence makes a sentence of the core's words.
func sentence(s string) string { return upperFirst(clause(s)) + "." }

// clause makes the core's words fit into a sentence.
func clause(s string) string { return strings.TrimSuffix(escape(s), ".") }

// private is an answer that nobody else sees.
func private(text string) discord.Message {
	return discord.Message{Content: discord.Clip(text, discord.MaxContent), Ephemeral: true}
}

// lines joins what is not empty.
func lines(parts ...string) string {
	kept := parts[:0:0]
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return discord.Clip(strings.Join(kept, "\n"), discord.MaxContent)
}

// listed is a message with a list between its first line and its last, which stays whole: as many items as fit, and how many
// there are beyond them and more.
func listed(w words.Words, head string, items []string, more int, last string) string {
	for n := len(items); ; n-- {
		rest := ""
		if left := more + len(items) - n; left > 0 {
			rest = w.T("gifts.more", "Count", left)
		}
		text := strings.Join(slices.DeleteFunc(slices.Concat([]string{head}, items[:n], []string{rest, last}), func(s string) bool { return s == "" }), "\n")
		if n == 0 || utf8.RuneCountInString(text) <= discord.MaxContent {
			return discord.Clip(text, discord.MaxContent)
		}
	}
}

// Verbs of buttons.
const (
	verbCancel = "cx"
	verbAgain  = "rr"
	verbDelete = "dl"
	verbShow   = "sh"
)

// button makes a button about the request of an interaction.
func button(label, emoji, verb, interaction string, style discord.ButtonStyle) discord.Button {
	return discord.Button{
		Label: label, Emoji: emoji, Style: style, CustomID: discord.CustomID{Verb: verb, ID: interaction}.String(),
	}
}
