package discord

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"
)

// Limits of threads and of the people who reacted.
const (
	MaxThreadName = 100 // characters
	reactorPage   = 100 // people in one answer
	MaxReactors   = 1000
)

// Types of channels, as Interaction.ChannelType and Channel.Type have them.
const (
	TextChannel         = 0
	AnnouncementChannel = 5
	ForumChannel        = 15
)

// archiveAfter is when Discord hides a thread that nobody writes in, in minutes: the longest it allows.
const archiveAfter = 10080

// StartThread makes a public thread in a text or announcement channel and returns it. The bot needs the permission for it
// there. It is tried once only: an answer that is lost may leave a thread behind.
func (b *Bot) StartThread(ctx context.Context, channel Channel, name string) (Channel, error) {
	if n := utf8.RuneCountInString(name); n < 1 || n > MaxThreadName {
		return Channel{}, errors.New("start thread: a name has 1 to 100 characters")
	}
	kind := 11
	if channel.Type == AnnouncementChannel {
		kind = 10
	}
	body, err := b.rest.do(ctx, call{
		method: http.MethodPost, path: "/channels/" + pathEscape(channel.ID) + "/threads",
		route: "POST thread", bucket: "threads " + channel.ID, bot: true, once: true,
		json: map[string]any{"name": name, "type": kind, "auto_archive_duration": archiveAfter},
	})
	if err != nil {
		return Channel{}, err
	}
	var c Channel
	if err := json.Unmarshal(body, &c); err != nil || c.ID == "" {
		return Channel{}, errors.New("start thread: unreadable answer")
	}
	return c, nil
}

// Reactors lists who put an emoji under a message, MaxReactors at most. emoji is a Unicode emoji or name:id.
func (b *Bot) Reactors(ctx context.Context, channelID, messageID, emoji string) ([]User, error) {
	var all []User
	for len(all) < MaxReactors {
		query := url.Values{"limit": {strconv.Itoa(reactorPage)}}
		if len(all) > 0 {
			query.Set("after", all[len(all)-1].ID)
		}
		body, err := b.rest.do(ctx, call{
			method: http.MethodGet, path: reactionPath(channelID, messageID, emoji), query: query.Encode(),
			route: "GET reactions", bucket: "reactors " + channelID, bot: true,
		})
		if err != nil {
			return nil, err
		}
		var page []User
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, errors.New("read reactions: unreadable answer")
		}
		all = append(all, page...)
		if len(page) < reactorPage {
			break
		}
	}
	return all, nil
}
