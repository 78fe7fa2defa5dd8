// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

// What is done in the background, and how often somebody looks.
const (
	choreGap   = 2 * time.Second
	choreTime  = 30 * time.Second // for one round
	choreBatch = 50
	choreRow   = 5 * time.Second    // for one thing of a round
	partTime   = time.Minute        // for one step of deleting an account, with all that its person leaves
	burnAgain  = 20 * time.Second   // before a message is removed that did not let itself be
	choreAgain = 10 * time.Minute   // before anything else is tried again
	keyShown   = time.Minute        // a key is shown
	graceTime  = 7 * 24 * time.Hour // an account can be kept after all
	wipeLater  = horde.WipeAfter + 24*time.Hour
	againLater = 24 * time.Hour // after the core said that it is too early
)

// lightFuse lets the private message that an interaction was answered with go after a while, also when the process is
// another by then.
func (s *Set) lightFuse(ctx context.Context, in *discord.Interaction, r *discord.Responder, after time.Duration) error {
	ref, err := r.Message(ctx)
	if err != nil {
		return fmt.Errorf("find the message: %w", err)
	}
	f := chat.Fuse{App: ref.AppID, Channel: ref.ChannelID, Message: ref.MessageID, Ends: ref.Expires}
	if f.Sealed, err = s.deps.Seal([]byte(ref.Token), []byte(in.ID)); err != nil {
		return fmt.Errorf("seal token: %w", err)
	}
	_, err = s.fuses.change(ctx, in.ID, about{person: in.User.ID, due: s.now().Add(after)}, func(v *chat.Fuse) error {
		*v = f
		return nil
	})
	if err != nil {
		return fmt.Errorf("remember to remove a message: %w", err)
	}
	return nil
}

// chores removes what has been shown for long enough, and so on, until ctx ends.
func (s *Set) chores(ctx context.Context) {
	s.onAndOn(ctx, "chores are not done", func() error {
		round, cancel := context.WithTimeout(ctx, choreTime)
		defer cancel()
		return errors.Join(s.burn(round), s.forgetGuilds(round), s.renewFavourites(round), s.greetGuilds(round))
	})
}

// sayFarewell says goodbye to accounts until ctx ends. It takes its time beside the other chores.
func (s *Set) sayFarewell(ctx context.Context) {
	s.onAndOn(ctx, "accounts are not deleted", func() error { return s.farewell(ctx) })
}

// onAndOn does something every [choreGap] until ctx ends, and logs what fails.
func (s *Set) onAndOn(ctx context.Context, failed string, do func() error) {
	tick := time.NewTicker(choreGap)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := do(); err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg(failed)
		}
	}
}

// eachDue does something for every document that is due, each within a time. What does not work is put off, and the others go on.
func eachDue[V any](ctx context.Context, s *Set, docs *memory[V], what string, within, again time.Duration, do func(context.Context, entry[V]) error) error {
	now := s.now()
	list, err := docs.due(ctx, now, choreBatch)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for _, e := range list {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // they are still due in the next round
		}
		failed := s.contained(ctx, what, func() error {
			row, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			return do(row, e)
		})
		if failed == nil || ctx.Err() != nil {
			continue
		}
		if err := docs.putOff(ctx, e.key, now.Add(again)); err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg(what + " is not put off")
		}
	}
	return nil
}

// burn removes the messages whose time is over.
func (s *Set) burn(ctx context.Context) error {
	return eachDue(ctx, s, s.fuses, "removing a message", choreRow, burnAgain, func(ctx context.Context, e entry[chat.Fuse]) error {
		f := e.value
		token, err := s.deps.Unseal(f.Sealed, []byte(e.key))
		if err == nil && s.now().Before(f.Ends) {
			ref := discord.MessageRef{ChannelID: f.Channel, MessageID: f.Message, AppID: f.App, Token: string(token), Expires: f.Ends, Ephemeral: true}
			if err := s.bot.DeleteMessage(ctx, ref); err != nil && !errors.Is(err, discord.ErrUnreachable) {
				return fmt.Errorf("remove a private message: %w", err)
			}
		}
		if _, err := s.fuses.drop(ctx, e.key); err != nil {
			return fmt.Errorf("forget a message: %w", err)
		}
		return nil
	})
}

// farewell deletes the accounts whose time of grace is over, and wipes them when the core lets it.
func (s *Set) farewell(ctx context.Context) error {
	return eachDue(ctx, s, s.farewells, "deleting an account", partTime, choreAgain, func(ctx context.Context, e entry[chat.Farewell]) error {
		now := s.now()
		next, err := s.goodbye(ctx, e.value)
		if err != nil {
			return fmt.Errorf("delete account %d: %w", e.value.User, err)
		}
		if next == 0 {
			_, err = s.farewells.drop(ctx, e.key)
		} else {
			_, err = s.farewells.change(ctx, e.key, about{due: now.Add(next)}, func(f *chat.Farewell) error {
				f.Deleted = true
				return nil
			})
		}
		if err != nil {
			return fmt.Errorf("note a deleted account: %w", err)
		}
		return nil
	})
}

// goodbye takes the next step of deleting an account, and tells when the one after it is due; zero: there is none.
func (s *Set) goodbye(ctx context.Context, f chat.Farewell) (next time.Duration, err error) {
	id := horde.UserID(f.User)
	if u, ok := s.engine.User(id); !ok || u.External != external(f.Person) {
		return 0, nil // it is gone, or somebody else's
	}
	if !f.Deleted {
		if err := s.forgetPerson(ctx, f.Person); err != nil { // what came together in the meantime
			return 0, err
		}
		if _, err := engine.Do(ctx, s.engine, horde.SetKey{User: id, Key: s.deps.HashKey(s.deps.NewKey())}); err != nil {
			return 0, err
		}
	}
	done, err := engine.Do(ctx, s.engine, horde.DeleteUser{By: id, User: id})
	refusal, refused := errors.AsType[*horde.Error](err)
	switch {
	case refused && refusal.Code == horde.CodeCannotWipeActive:
		return againLater, nil
	case refused:
		s.log.Info().Str("code", string(refusal.Code)).Int64("account", f.User).Msg("an account is not deleted")
		return 0, nil
	case err != nil:
		return 0, err
	case done.Wiped:
		return 0, nil
	}
	return wipeLater, nil
}
