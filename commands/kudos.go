// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"unicode/utf8"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// Bounds of a gift by command.
const (
	maxGift = 1_000_000_000 // whole kudos
	maxNote = 200           // characters
)

func (s *Set) balance(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	u, opened, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	switch {
	case err != nil:
		return err
	case !ok:
		return r.Reply(ctx, private(textNoAccount(s.cmd("login"))))
	}
	return r.Reply(ctx, private(lines(textBalance(u), s.welcome(u, opened))))
}

func (s *Set) gift(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	to, _ := in.Command.Options.User("user")
	amount := in.Command.Options.Int("amount", 0)
	note := in.Command.Options.String("note")
	switch {
	case to.Bot || to.ID == s.bot.UserID():
		return r.Reply(ctx, private(textGiftRobot))
	case to.ID == "":
		return horde.Refuse(horde.CodeInvalidTargetUsername, "nobody is named")
	case to.ID == in.User.ID:
		return horde.Refuse(horde.CodeTransferToSelf, "you cannot give kudos to yourself")
	case amount < 1 || amount > maxGift:
		return horde.Refuse(horde.CodeInvalidTransferAmount, "a gift is 1 to %d kudos", maxGift)
	case utf8.RuneCountInString(note) > maxNote:
		return horde.Refuse(horde.CodeBadRequest, textLongNote)
	}
	from, opened, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	switch {
	case err != nil:
		return err
	case !ok:
		return r.Reply(ctx, private(textNoAccount(s.cmd("login"))))
	}
	receiver, _, ok, err := s.account(ctx, to.ID, to.DisplayName())
	switch {
	case err != nil:
		return err
	case !ok:
		return r.Reply(ctx, private(textOtherNoAccount(to.ID)))
	}
	done, err := s.engine.Transfer(ctx, horde.Transfer{
		From: from.ID, To: receiver.ID, Amount: kudos.Whole(amount), Key: "gift:" + keyOf(in.ID),
	})
	if err != nil {
		return err
	}
	return r.Reply(ctx, discord.Message{Content: lines(textGift(in.User.ID, to.ID, done.Amount, escape(note)), s.welcome(from, opened))})
}
