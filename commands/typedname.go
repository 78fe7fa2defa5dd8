// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"strings"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// goner is what goes for good once its name was typed.
type goner struct {
	name string
	drop func(ctx context.Context, by horde.UserID) error
	said string // once it is gone
}

// typedName is the form that something is named in before it goes.
func (s *Set) typedName(w words.Words, verb, id, title string) discord.Modal {
	return discord.Modal{
		CustomID: discord.CustomID{Verb: verb, ID: id}.String(), Title: discord.Clip(w.T(title), discord.MaxModalTitle),
		Inputs: []discord.Input{{CustomID: "v", Label: discord.Clip(w.T("sheet.typename"), discord.MaxInputLabel), Required: true, Max: 100}},
	}
}

// typedAway takes the form: it finds the thing by the form's ID, and lets it go when the name is right. Whether the person
// may do that is the core's to say.
func (s *Set) typedAway(find func(in *discord.Interaction, id string) (goner, error)) discord.HandlerFunc {
	return func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
		by, err := s.need(ctx, in)
		if err != nil {
			return err
		}
		g, err := find(in, in.Modal.ID.ID)
		switch {
		case err != nil:
			return err
		case !typed(in, g.name):
			return tell(s.say(in).T("sheet.nottyped"))
		}
		if err := g.drop(ctx, by.ID); err != nil {
			return err
		}
		return r.Reply(ctx, private(g.said))
	}
}

// typed reports whether a form holds a name.
func typed(in *discord.Interaction, name string) bool {
	return strings.TrimSpace(in.Modal.Values["v"]) == strings.TrimSpace(name)
}
