// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
	copied := chat.Message{
		Key: galleryPrefix + row.Key, Request: row.Request, App: s.bot.AppID(), Guild: row.Guild, Channel: g.Gallery,
		Person: row.Person, Created: s.now(), Sealed: []byte{},
	}
	if copied.Params, err = json.Marshal(p); err != nil {
		return fmt.Errorf("encode parameters: %w", err)
	}
	if err := s.stillShown(ctx, row); err != nil {
		return err
	}
	if err := s.deps.Messages.SaveMessage(ctx, copied); err != nil {
		return fmt.Errorf("save message: %w", err)
	}
	ref, err := s.bot.SendMessage(ctx, g.Gallery, m)
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), exhibitTime) // what is public is known, or goes
	defer cancel()
	if err != nil {
		s.forgetCopy(after, row)
		return fmt.Errorf("post in the gallery: %w", err)
	}
	copied.Channel, copied.Message = ref.ChannelID, ref.MessageID
	err = s.deps.Messages.SaveMessage(after, copied)
	if err == nil {
		_, err = s.shown.change(after, row.Key, about{person: row.Person, guild: row.Guild}, func(v *chat.Shown) error {
			if v.Begun.IsZero() {
				return errNotShown
			}
			v.Channel, v.Message = ref.ChannelID, ref.MessageID
			return nil
		})
	}
	if err == nil {
		return nil
	}
	if gone := s.bot.DeleteMessage(after, ref); gone != nil && !discord.IsUnknownMessage(gone) {
		err = errors.Join(err, fmt.Errorf("take it back: %w", gone))
	}
	s.forgetCopy(after, row)
	return fmt.Errorf("note where an image is shown: %w", err)
}

// Bounds of what is shown in galleries.
const (
	exhibitTime = 30 * time.Second // to note a post, or to take it back
	takeDowns   = 3                // looks at where a result is shown, while that changes
)

var errNotShown = errors.New("it was deleted meanwhile")

// stillShown fails when a result that is about to be shown was deleted since.
func (s *Set) stillShown(ctx context.Context, row chat.Message) error {
	now, found, err := s.deps.Messages.MessageByKey(ctx, row.Key)
	if err != nil {
		return fmt.Errorf("find message: %w", err)
	}
	v, _, err := s.shown.get(ctx, row.Key)
	if err != nil {
		return fmt.Errorf("read who keeps an image: %w", err)
	}
	if found && isGone(now) || v.Begun.IsZero() {
		return errNotShown
	}
	return nil
}

// forgetCopy forgets what was asked for in the copy of a result that is in no gallery any more.
func (s *Set) forgetCopy(ctx context.Context, row chat.Message) {
	copied, there, err := s.deps.Messages.MessageByKey(ctx, galleryPrefix+row.Key)
	if err == nil && there && !isGone(copied) {
		copied.Params = []byte(chat.Deleted)
		err = s.deps.Messages.SaveMessage(ctx, copied)
	}
	if err != nil {
		s.log.Warn().Err(err).Str("key", row.Key).Msg("cannot forget what is in the gallery")
	}
}

// takeDown removes a result from the gallery, when it is deleted. One that is just being posted is taken back by whoever
// posts it.
func (s *Set) takeDown(ctx context.Context, row chat.Message) {
	for range takeDowns {
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
		s.forgetCopy(ctx, row)
		if !found {
			return
		}
		switch dropped, err := s.shown.dropIf(ctx, row.Key, func(v *chat.Shown) bool { return v.Message == shown.Message }); {
		case err != nil:
			s.log.Warn().Err(err).Str("key", row.Key).Msg("cannot forget who keeps an image")
			return
		case dropped:
			return
		}
	}
}
