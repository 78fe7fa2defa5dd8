// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"stablemate/horde"
	"stablemate/internal/discord"
)

// complete suggests models and sizes.
func (s *Set) complete(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	typed := in.Command.Options.String(in.Command.Focused)
	var choices []discord.Choice
	switch in.Command.Focused {
	case "model":
		if e, err := s.effective(ctx, in); err == nil {
			choices = s.completeModel(&e, typed, s.firsts(ctx, in.User.ID).Models)
		}
	case "size":
		choices = suggestSizes(s.sizes(in.Command.Options.String("model")), typed)
	case "style":
		choices = s.completeStyle(ctx, in, horde.StyleImage, typed)
	case "preset":
		return s.completePreset(ctx, in, r)
	}
	return late(r.Autocomplete(ctx, choices))
}

// late forgives suggestions that nobody waits for any more.
func late(err error) error {
	if errors.Is(err, discord.ErrTooLate) {
		return nil
	}
	return err
}

// completeModel suggests the models that may be used here, those that somebody likes first.
func (s *Set) completeModel(e *Effective, typed string, liked []string) []discord.Choice {
	w := e.say
	typed = strings.ToLower(strings.TrimSpace(typed))
	var favourites, served, others []discord.Choice
	for _, m := range s.engine.Models() {
		if utf8.RuneCountInString(m.Name) > maxModel || !strings.Contains(strings.ToLower(m.Name), typed) || !e.serves(m.Name) {
			continue
		}
		c := discord.Choice{Name: plain(voice{w}.model(m)), Value: m.Name}
		switch {
		case slices.Contains(liked, m.Name):
			c.Name = discord.Clip("⭐ "+c.Name, maxModel)
			favourites = append(favourites, c)
		case m.Threads > 0:
			served = append(served, c)
		default:
			others = append(others, c)
		}
	}
	choices := append(favourites, served...)
	if strings.Contains(strings.ToLower(w.T("request.anymodel")), typed) {
		choices = append([]discord.Choice{{Name: w.T("request.anymodel"), Value: choiceAny}}, choices...)
	}
	choices = append(choices, others...)
	return choices[:min(len(choices), discord.MaxChoices)]
}

// completeList suggests the next of some names for an option that lists them with commas in between.
func completeList(ctx context.Context, in *discord.Interaction, r *discord.Responder, names []string) error {
	all := make([]discord.Choice, len(names))
	for i, name := range names {
		all[i] = discord.Choice{Name: name, Value: name}
	}
	return late(r.Autocomplete(ctx, inList(all, in.Command.Options.String(in.Command.Focused))))
}
