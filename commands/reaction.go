// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stablemate/commands/chat"
	"stablemate/emojikudos"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Bounds of direct messages.
const (
	deafTime = 24 * time.Hour // somebody who takes no direct messages is left alone for so long
	maxDeaf  = 10_000         // people remembered as such
)

// reacted hands a reaction to the kudos emoji.
func (s *Set) reacted(ctx context.Context, ev discord.ReactionAdd) error {
	s.roles.seen(ev.GuildID, ev.UserID, nil)
	_, barred, err := s.banOf(ctx, ev.GuildID, ev.UserID)
	if off, failed := s.shut(ctx); barred || err != nil || failed != nil || slices.Contains(off, chat.Gifts) {
		return errors.Join(err, failed)
	}
	out, err := s.gifts.React(ctx, emojikudos.Reaction{
		Guild: ev.GuildID, Channel: ev.ChannelID, Message: ev.MessageID, Person: ev.UserID, PersonName: ev.UserName,
		PersonBot: ev.UserBot, EmojiID: ev.Emoji.ID, EmojiName: ev.Emoji.Name, Author: ev.MessageAuthorID,
	})
	if err != nil {
		return fmt.Errorf("kudos emoji: %w", err)
	}
	switch out.Ending {
	case emojikudos.Paid:
		s.log.Debug().Str("message", ev.MessageID).Str("kudos", out.Amount.String()).Msg("kudos given by emoji")
	case emojikudos.Refused:
		s.log.Debug().Str("message", ev.MessageID).Str("code", string(out.Why.Code)).Msg("kudos by emoji refused")
	case emojikudos.Ignored, emojikudos.Repeated:
	}
	return nil
}

// reactions is what emoji gifts see of Discord.
type reactions struct{ s *Set }

// Self is the ID of the bot's own account.
func (c reactions) Self() string { return c.s.bot.UserID() }

// Author reads who wrote a message. One that is gone, or that the bot may not see, was written by nobody to be paid.
func (c reactions) Author(ctx context.Context, channel, message string) (emojikudos.Author, error) {
	m, err := c.s.bot.FetchMessage(ctx, channel, message)
	if discord.IsUnknownMessage(err) || discord.IsMissingPermission(err) {
		return emojikudos.Author{Robot: true}, nil
	}
	if err != nil {
		return emojikudos.Author{}, err
	}
	robot := m.Author.Bot || m.WebhookID != "" && m.WebhookID != c.s.bot.AppID()
	return emojikudos.Author{ID: m.Author.ID, Name: m.Author.DisplayName(), Robot: robot}, nil
}

// Requester finds who asked for an image.
func (c reactions) Requester(ctx context.Context, channel, message string) (person string, ok bool, err error) {
	row, ok, err := c.s.deps.Messages.MessageByDiscord(ctx, channel, message)
	if err != nil {
		return "", false, fmt.Errorf("find message: %w", err)
	}
	return row.Person, ok, nil
}

// Account returns a person's account, opening it where that is allowed.
func (c reactions) Account(ctx context.Context, person, name string) (id horde.UserID, ok bool, err error) {
	u, _, ok, err := c.s.account(ctx, person, name)
	return u.ID, ok, err
}

// Tell explains a refused gift in a direct message.
func (c reactions) Tell(ctx context.Context, person string, why *horde.Error) error {
	return c.s.dm(ctx, person, discord.Message{Content: textGiftRefused(c.s.words(why))})
}

// dm sends a direct message, unless the person has shown that they take none.
func (s *Set) dm(ctx context.Context, person string, m discord.Message) error {
	now := s.now()
	s.mu.Lock()
	until, deaf := s.deaf[person]
	if deaf && now.After(until) {
		delete(s.deaf, person)
		deaf = false
	}
	s.mu.Unlock()
	if deaf {
		return nil
	}
	_, err := s.bot.DM(ctx, person, m)
	if !discord.IsCannotDM(err) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.deaf) >= maxDeaf {
		clear(s.deaf) // they will show it again
	}
	s.deaf[person] = now.Add(deafTime)
	return nil
}
