// SPDX-License-Identifier: AGPL-3.0-or-later

package chat

import (
	"slices"
	"time"
)

// Kinds of documents of the operators of the whole network.
const (
	KindBan      DocKind = "ban"      // Ban, by BanKey
	KindSwitches DocKind = "switches" // Switches; there is one, under SwitchesKey
	KindAnnounce DocKind = "announce" // Announcement, by the interaction that made it; it is due until all have it
	KindNewsFeed DocKind = "newsfeed" // NewsFeed, by guild and channel; it is due when news are to be looked for
)

// SwitchesKey names the one document of switches.
const SwitchesKey = "all"

// Ban keeps a person out everywhere, or everybody in a guild.
type Ban struct {
	Person string    `json:"person,omitempty"`
	Guild  string    `json:"guild,omitempty"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Review bool      `json:"review,omitempty"` // nobody decided it yet: it ends when an operator has looked at it
}

// BanKey is the key of a ban: of the person, or else of the guild.
func BanKey(person, guild string) string {
	if person != "" {
		return "p:" + person
	}
	return "g:" + guild
}

// Switches are the features that operators switched off for everybody.
type Switches struct {
	Off []Feature `json:"off,omitempty"`
}

// Sources is making images from images. It can be switched off like a feature.
const Sources Feature = "sources"

// Installed is the bot as people bring it along who installed it for themselves. It can be switched off like a feature; a
// guild decides by Rules.Installed.
const Installed Feature = "installed"

// Announcement is a word of the operators to the log channels of all guilds that have one.
type Announcement struct {
	Title  string    `json:"title"`
	Text   string    `json:"text"`
	By     string    `json:"by"`
	Made   time.Time `json:"made"`
	After  string    `json:"after,omitempty"` // the last guild that was told
	Sent   int       `json:"sent,omitempty"`
	Failed int       `json:"failed,omitempty"`
}

// NewsFeed is a channel that hears of news.
type NewsFeed struct {
	Guild   string    `json:"guild"`
	Channel string    `json:"channel"`
	By      string    `json:"by"`
	Last    time.Time `json:"last"`           // date of the newest piece that was told
	Told    []string  `json:"told,omitempty"` // titles of that date that were told
	Tries   int       `json:"tries,omitempty"`
}

// Heard reports whether a piece was told, or is older than what was.
func (f *NewsFeed) Heard(date time.Time, title string) bool {
	return date.Before(f.Last) || date.Equal(f.Last) && slices.Contains(f.Told, title)
}

// Note notes that a piece was told.
func (f *NewsFeed) Note(date time.Time, title string) {
	switch {
	case date.After(f.Last):
		f.Last, f.Told = date, []string{title}
	case date.Equal(f.Last) && !slices.Contains(f.Told, title):
		f.Told = append(slices.Clone(f.Told), title)
	}
}
