package sandbox

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Bounds of a guild's emoji, as Discord has them without boosts.
const (
	maxGuildEmoji = 50
	maxEmojiBytes = 256 << 10
)

// guildEmoji is an emoji of a guild's own.
type guildEmoji struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	By    string `json:"by"`
	Image string `json:"image"` // base64
}

func (e *guildEmoji) api() obj {
	return obj{
		"id": e.ID, "name": e.Name, "roles": []any{}, "require_colons": true, "managed": false, "animated": false, "available": true,
	}
}

var emojiName = regexp.MustCompile(`^[A-Za-z0-9_]{2,32}$`)

// Emoji is an emoji of a guild's own, for tests.
type Emoji struct {
	ID, Name string
	Image    []byte
}

// GuildEmojis lists the emoji of a guild.
func (s *Server) GuildEmojis(guildID string) (out []Emoji) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.w.byGuild[guildID]; g != nil {
		for _, e := range g.Emojis {
			image, _ := base64.StdEncoding.DecodeString(e.Image) // checked when it came
			out = append(out, Emoji{e.ID, e.Name, image})
		}
	}
	return out
}

// AddEmoji gives a guild an emoji as an administrator would, and returns its id.
func (s *Server) AddEmoji(guildID, name string) (id string, err error) {
	err = s.withGuild(guildID, func(g *guild) error {
		if len(g.Emojis) >= maxGuildEmoji || !emojiName.MatchString(name) {
			return fmt.Errorf("the guild takes no emoji %q", name)
		}
		id = s.w.snowflake(s.opts.Now())
		g.Emojis = append(g.Emojis, &guildEmoji{ID: id, Name: name, By: Admin})
		s.tellEmojis(g)
		return nil
	})
	return id, err
}

// tellEmojis says which emoji a guild has now. s.mu is held.
func (s *Server) tellEmojis(g *guild) {
	s.emit("GUILD_EMOJIS_UPDATE", intentEmojis, obj{"guild_id": g.ID, "emojis": g.api()["emojis"]})
	s.touch()
}

func (s *Server) postEmoji(c *call) (int, any, error) {
	var in struct {
		Name  string `json:"name"`
		Image string `json:"image"`
	}
	if err := decode(c, &in); err != nil {
		return 0, nil, err
	}
	kind, data, _ := strings.Cut(in.Image, ";base64,")
	image, err := base64.StdEncoding.DecodeString(data)
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.w.guild(c.PathValue("guild"))
	switch {
	case g == nil:
		return 0, nil, unknownGuild()
	case g.permissions(BotID)&permCreateEmoji == 0:
		return 0, nil, refuse(http.StatusForbidden, 50013, "Missing Permissions")
	case !emojiName.MatchString(in.Name):
		return 0, nil, invalidForm("name: 2 to 32 letters, digits and underscores")
	case err != nil || len(image) == 0 || kind != "data:"+http.DetectContentType(image) || !strings.HasPrefix(kind, "data:image/"):
		return 0, nil, invalidForm("image: no picture")
	case len(image) > maxEmojiBytes:
		return 0, nil, invalidForm("image: larger than 256 KiB")
	case len(g.Emojis) >= maxGuildEmoji:
		return 0, nil, refuse(http.StatusBadRequest, 30008, "Maximum number of emojis reached (50)")
	}
	e := &guildEmoji{ID: s.w.snowflake(s.opts.Now()), Name: in.Name, By: BotID, Image: data}
	g.Emojis = append(g.Emojis, e)
	s.tellEmojis(g)
	return http.StatusCreated, e.api(), nil
}

func (s *Server) deleteEmoji(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.w.guild(c.PathValue("guild"))
	if g == nil {
		return 0, nil, unknownGuild()
	}
	i := slices.IndexFunc(g.Emojis, func(e *guildEmoji) bool { return e.ID == c.PathValue("emoji") })
	switch {
	case i < 0:
		return 0, nil, refuse(http.StatusNotFound, 10014, "Unknown Emoji")
	case g.permissions(BotID)&permCreateEmoji == 0 || g.Emojis[i].By != BotID:
		return 0, nil, refuse(http.StatusForbidden, 50013, "Missing Permissions")
	}
	g.Emojis = slices.Delete(g.Emojis, i, i+1)
	s.tellEmojis(g)
	return http.StatusNoContent, nil, nil
}
