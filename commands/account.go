// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/engine"
)

// nameless is the name of an account whose person's name nobody told us, or has no characters that a name may have.
const nameless = "Somebody"

func external(person string) string { return "d_" + person }

// accountOf reads a person's account, if they have one: the one that they act for by its key, or their own. It fails where
// it cannot tell which of them it is.
func (s *Set) accountOf(ctx context.Context, person string) (u horde.User, ok bool, err error) {
	if u, ok, err = s.linked(ctx, person); ok || err != nil {
		return u, ok, err
	}
	u, ok = s.engine.UserByExternal(external(person))
	return u, ok, nil
}

// find is accountOf for what only shows something: where it cannot tell, there is none.
func (s *Set) find(person string) (horde.User, bool) {
	l, found, err := s.linkOf(person)
	if err != nil {
		s.log.Warn().Err(err).Msg("cannot read whether a person acts for another account")
		return horde.User{}, false
	}
	if u, ok := s.linkedBy(l, found); ok {
		return u, true
	}
	return s.engine.UserByExternal(external(person))
}

// open returns a person's account and opens it when there is none. Its API key is one that nobody has seen.
func (s *Set) open(ctx context.Context, person, name string) (u horde.User, opened bool, err error) {
	if u, ok, err := s.accountOf(ctx, person); ok || err != nil {
		return u, false, err
	}
	if name = horde.CleanName(name); name == "" {
		name = nameless
	}
	key := s.deps.HashKey(s.deps.NewKey())
	u, err = engine.Do(ctx, s.engine, horde.CreateUser{
		External: external(person), Name: name, Key: key, Welcome: s.opts.Welcome, Ensure: true,
	})
	if err != nil {
		return horde.User{}, false, fmt.Errorf("open account: %w", err)
	}
	if u.Key != key {
		return u, false, nil
	}
	if claimed, err := s.claimGifts(ctx, person); err != nil { // a later login tries again
		s.log.Warn().Err(err).Msg("cannot hand over what waited for a new account")
	} else if claimed.Amount > 0 {
		u.Balance += claimed.Amount
	}
	return u, true, nil
}

// account returns a person's account. With AutoAccount it opens one; ok is false where there is none.
func (s *Set) account(ctx context.Context, person, name string) (u horde.User, opened, ok bool, err error) {
	if s.opts.AutoAccount {
		u, opened, err = s.open(ctx, person, name)
		return u, opened, err == nil, err
	}
	u, ok, err = s.accountOf(ctx, person)
	return u, false, ok, err
}

// welcome is the line about an account that was opened on the way, or nothing.
func (s *Set) welcome(w words.Words, u horde.User, opened bool) string {
	if !opened {
		return ""
	}
	return voice{w}.opened(u.Balance, s.cmd("login"))
}

// embedColor is the colour of frames, 0xRRGGBB.
const embedColor = 0x8A5CF6
