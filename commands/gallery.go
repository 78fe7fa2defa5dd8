// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"stablemate/commands/chat"
	"stablemate/internal/discord"
)

// galleryPrefix begins the keys of messages in galleries; the key of the request's own message follows.
const galleryPrefix = "gallery:"

// inGallery reports whether a row is of a message in a gallery, which is no request of its own.
func inGallery(row chat.Message) bool { return strings.HasPrefix(row.Key, galleryPrefix) }

// noteFavourite counts who keeps a result. Once enough people of its guild do, it is shown in the guild's gallery: once, and only
// where its kind may be seen. What is private, or its person's own favourite, does not count.
func (s *Set) noteFavourite(ctx context.Context, in *discord.Interaction, row chat.Message, p params, likes bool) error {
	if row.Guild == "" || in.GuildID != row.Guild || row.Ephemeral || in.User.ID == row.Person || inGallery(row) || !p.pictures() {
		return nil
	}
	g, _, err := s.guilds.get(ctx, row.Guild)
	if err != nil {
		return fmt.Errorf("settings of a guild: %w", err)
	}
	begin := false
	shown, err := s.shown.change(ctx, row.Key, about{person: row.Person, guild: row.Guild}, func(v *chat.Shown) error {
		v.People = slices.DeleteFunc(slices.Clone(v.People), func(id string) bool { return id == in.User.ID })
		if likes && len(v.People) < chat.MaxStars {
			v.People = append(v.People, in.User.ID)
		}
		begin = likes && g.Gallery != "" && v.Begun.IsZero() && len(v.People) >= starsOf(g)
		if begin {
			v.Begun = s.now() // before it is posted: rather not at all than twice
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("count who keeps an image: %w", err)
	}
	if !begin {
		return nil
	}
	if err := s.exhibit(ctx, g, row, p, len(shown.People)); err != nil {
		s.log.Info().Err(err).Str("guild", row.Guild).Msg("an image cannot be shown in the gallery")
	}
	return nil
}

// exhibit posts a result in the gallery. Thanks for it go to who asked for it, as they do under the original.
func (s *Set) exhibit(ctx context.Context, g chat.Guild, row chat.Message, p params, people int) error {
	if p.Adult {
		c, err := s.bot.Channel(ctx, g.Gallery)
		if err != nil {
			return fmt.Errorf("read the gallery's channel: %w", err)
		}
		if !c.NSFW && !s.bot.GuildRestricted(row.Guild) {
			return nil
		}
	}
	p.Locale, p.Brought = s.bundle.For(g.Language).Locale(), false
	m, err := s.result(ctx, row, p, p.ended(row), showing{})
	if err != nil {
		return err
	}
	if len(m.Files) == 0 {
		return nil
	}
	m.Components, m.KeepFiles = nil, false
	head := s.bundle.For(g.Language).T("server.gallery.head", "Count", people, "Link", messageLink(row.Guild, row.Channel, row.Message))
	m.Content = discord.Clip(lines("⭐ "+head, m.Content), discord.MaxContent)
	ref, err := s.bot.SendMessage(ctx, g.Gallery, m)
	if err != nil {
		return fmt.Errorf("post in the gallery: %w", err)
	}
	copied := chat.Message{
		Key: galleryPrefix + row.Key, Request: row.Request, App: s.bot.AppID(), Guild: row.Guild, Channel: ref.ChannelID,
		Message: ref.MessageID, Person: row.Person, Created: s.now(), Sealed: []byte{},
	}
	if copied.Params, err = json.Marshal(p); err != nil {
		return fmt.Errorf("encode parameters: %w", err)
	}
	if err := s.deps.Messages.SaveMessage(ctx, copied); err != nil {
		return fmt.Errorf("save message: %w", err)
	}
	_, err = s.shown.change(ctx, row.Key, about{person: row.Person, guild: row.Guild}, func(v *chat.Shown) error {
		v.Channel, v.Message = ref.ChannelID, ref.MessageID
		return nil
	})
	if err != nil {
		return fmt.Errorf("note where an image is shown: %w", err)
	}
	return nil
}

// takeDown removes a result from the gallery, when it is deleted.
func (s *Set) takeDown(ctx context.Context, row chat.Message) {
	shown, found, err := s.shown.get(ctx, row.Key)
	if err == nil && found && shown.Message != "" {
		err = s.bot.DeleteMessage(ctx, discord.MessageRef{ChannelID: shown.Channel, MessageID: shown.Message, AppID: s.bot.AppID()})
		if discord.IsUnknownMessage(err) {
			err = nil
		}
	}
	if err != nil {
		s.log.Warn().Err(err).Str("key", row.Key).Msg("cannot take an image out of the gallery")
		return
	}
	copied, there, err := s.deps.Messages.MessageByKey(ctx, galleryPrefix+row.Key)
	if err == nil && there && !isGone(copied) {
		copied.Params = []byte(chat.Deleted)
		err = s.deps.Messages.SaveMessage(ctx, copied)
	}
	if err != nil {
		s.log.Warn().Err(err).Str("key", row.Key).Msg("cannot forget what is in the gallery")
	}
	if found {
		if _, err := s.shown.drop(ctx, row.Key); err != nil {
			s.log.Warn().Err(err).Str("key", row.Key).Msg("cannot forget who keeps an image")
		}
	}
}
