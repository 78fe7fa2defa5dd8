package discord

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// MaxEmojiBytes is how large the picture of an emoji may be.
const MaxEmojiBytes = 256 << 10

// GuildEmoji is an emoji of a guild's own.
type GuildEmoji struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Animated bool   `json:"animated"`
	Managed  bool   `json:"managed"` // by an integration: it takes no place
}

// Show is how the emoji is written so that chat shows it.
func (e GuildEmoji) Show() string {
	if e.Animated {
		return "<a:" + e.Name + ":" + e.ID + ">"
	}
	return "<:" + e.Name + ":" + e.ID + ">"
}

// EmojiRoom is how many emoji that do not move a guild may have, and how many it could still take.
func (g GuildInfo) EmojiRoom() (most, free int) {
	most = 50
	switch g.Tier {
	case 1:
		most = 100
	case 2:
		most = 150
	case 3:
		most = 250
	}
	free = most
	for _, e := range g.Emojis {
		if !e.Animated && !e.Managed {
			free--
		}
	}
	return most, max(free, 0)
}

// CreateEmoji uploads a PNG as an emoji of a guild, which needs CreateExpressions. The reason is shown in the guild's audit
// log.
func (b *Bot) CreateEmoji(ctx context.Context, guildID, name string, png []byte, reason string) (GuildEmoji, error) {
	if len(png) == 0 || len(png) > MaxEmojiBytes {
		return GuildEmoji{}, fmt.Errorf("create an emoji: a picture of %d bytes", len(png))
	}
	body, err := b.rest.do(ctx, call{
		method: http.MethodPost, path: "/guilds/" + pathEscape(guildID) + "/emojis", route: "POST emoji", bucket: "emoji " + guildID,
		bot: true, optional: true, once: true, reason: reason,
		json: map[string]any{"name": name, "image": "data:image/png;base64," + base64.StdEncoding.EncodeToString(png), "roles": []string{}},
	})
	if err != nil {
		return GuildEmoji{}, err
	}
	var e GuildEmoji
	if err := json.Unmarshal(body, &e); err != nil || e.ID == "" {
		return e, errors.New("create an emoji: unreadable answer")
	}
	return e, nil
}

// DeleteEmoji removes an emoji from a guild. The bot may always remove what it made itself while it has CreateExpressions.
func (b *Bot) DeleteEmoji(ctx context.Context, guildID, emojiID, reason string) error {
	_, err := b.rest.do(ctx, call{
		method: http.MethodDelete, path: "/guilds/" + pathEscape(guildID) + "/emojis/" + pathEscape(emojiID), route: "DELETE emoji",
		bucket: "emoji " + guildID, bot: true, optional: true, reason: reason,
	})
	return err
}

// IsUnknownEmoji reports that an emoji is gone.
func IsUnknownEmoji(err error) bool { return hasCode(err, codeUnknownEmoji) }

// IsEmojiFull reports that a guild has as many emoji as it may.
func IsEmojiFull(err error) bool { return hasCode(err, codeMaxEmoji) }
