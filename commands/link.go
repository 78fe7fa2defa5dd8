// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

// linkTime is how long a link that is not at hand may take to be read.
const linkTime = time.Second

// maxKey bounds what people paste as an API key, in characters.
const maxKey = 100

// markOf is a fingerprint of a key's hash: it tells that the key is another, and nothing about the key.
func markOf(k horde.KeyHash) string {
	sum := sha256.Sum256(k[:])
	return hex.EncodeToString(sum[:8])
}

// linkReader reads links where no context is at hand, to show something that belongs to an account.
func (s *Set) linkReader() func(person string) (chat.Link, bool, error) {
	return func(person string) (chat.Link, bool, error) {
		ctx, cancel := context.WithTimeout(context.Background(), linkTime)
		defer cancel()
		return s.links.get(ctx, person)
	}
}

// linked is the account that a person showed a key of, while that key works. It fails where nobody can tell whether there
// is one: no other account may stand in for it then.
func (s *Set) linked(ctx context.Context, person string) (u horde.User, ok bool, err error) {
	l, found, err := s.links.get(ctx, person)
	if err != nil {
		return u, false, fmt.Errorf("%w: read whether a person acts for another account: %w", engine.ErrUnavailable, err)
	}
	u, ok = s.linkedBy(l, found)
	return u, ok, nil
}

// linkedBy is the account of a link, while the key works that it was made by.
func (s *Set) linkedBy(l chat.Link, found bool) (horde.User, bool) {
	if !found {
		return horde.User{}, false
	}
	u, ok := s.engine.User(horde.UserID(l.User))
	if !ok {
		return horde.User{}, false
	}
	mark := markOf(u.Key)
	return u, mark == l.Mark || mark == l.Next
}

// askKey opens the form for an API key. It never holds one.
func (s *Set) askKey(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	return r.Modal(ctx, discord.Modal{
		CustomID: loginID("key"), Title: discord.Clip(w.T("account.key.title"), discord.MaxModalTitle),
		Inputs: []discord.Input{{
			CustomID: "key", Label: discord.Clip(w.T("account.key.label"), discord.MaxInputLabel), Placeholder: w.T("account.key.hint"),
			Required: true, Min: 1, Max: maxKey,
		}},
	})
}

// submitKey links the account of a key. The key is looked up once and forgotten.
func (s *Set) submitKey(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	u, ok := s.engine.UserByKey(s.deps.HashKey(strings.TrimSpace(in.Modal.Values["key"])))
	switch {
	case !ok || u.ID == horde.Anonymous:
		return tell(w.T("account.key.unknown"))
	case u.Has(horde.RoleDeleted):
		return horde.Refuse(horde.CodeDeletedUser, "this account is marked as deleted")
	case u.External == external(in.User.ID):
		return r.Reply(ctx, private(w.T("account.key.own", "Name", escape(u.Alias()))))
	}
	l := chat.Link{User: int64(u.ID), Mark: markOf(u.Key), At: s.now()}
	if _, err := s.links.change(ctx, in.User.ID, about{person: in.User.ID}, func(v *chat.Link) error {
		*v = l
		return nil
	}); err != nil {
		return fmt.Errorf("link an account: %w", err)
	}
	m := private(w.T("account.linked", "Name", escape(u.Alias()), "Kudos", kudosWord(u.Balance), "Unlink", s.cmd("apikey unlink")))
	if own, ok := s.engine.UserByExternal(external(in.User.ID)); ok && own.Available() > 0 {
		m.Content = lines(m.Content, w.T("account.linked.own", "Name", escape(own.Alias()), "Kudos", kudosWord(own.Available())))
		m.Components = []discord.Row{{Buttons: []discord.Button{{
			Label: w.T("account.move"), Style: discord.Secondary, CustomID: loginID("move"),
		}}}}
	}
	return r.Reply(ctx, m)
}

// moveKudos gives what somebody's own account has to the account that they act for, as an ordinary gift.
func (s *Set) moveKudos(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	to, linked, err := s.linked(ctx, in.User.ID)
	if err != nil {
		return err
	}
	from, ok := s.engine.UserByExternal(external(in.User.ID))
	if !linked || !ok || from.Available() <= 0 {
		return tell(w.T("account.move.nothing"))
	}
	done, err := s.engine.Transfer(ctx, horde.Transfer{From: from.ID, To: to.ID, Amount: from.Available(), Key: "move:" + keyOf(in.ID)})
	if err != nil {
		return err
	}
	return r.Update(ctx, discord.Message{Content: w.T("account.moved", "Kudos", kudosWord(done.Amount), "Name", escape(to.Alias()))})
}

// unlink ends a link. It reports whether there was one.
func (s *Set) unlink(ctx context.Context, person string) (bool, error) {
	there, err := s.links.drop(ctx, person)
	if err != nil {
		return there, fmt.Errorf("unlink an account: %w", err)
	}
	return there, nil
}
