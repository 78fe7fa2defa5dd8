// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Verbs of asking for the same of another model. The id is the interaction of the request.
const (
	verbNewModel  = "nm"
	verbPickModel = "np"
)

// newModelFamily is "Change model" under requests that nobody could serve.
func (s *Set) newModelFamily() family {
	return family{register: func(rt *discord.Router) {
		rt.Component(verbNewModel, discord.Route{Handle: s.answered(s.pressNewModel), Private: true})
		rt.Component(verbPickModel, discord.Route{Handle: s.answered(s.pressPickModel)})
	}}
}

// newModelButton offers another model for a request.
func newModelButton(v voice, id string) discord.Button {
	return pickButton(v.T("request.changemodel"), "🔀", verbNewModel, id, "")
}

// otherModels are served now, beside the one that a request names, those most like it first.
func (s *Set) otherModels(p *params) []horde.ModelStatus {
	kind := horde.Dreamer
	if p.Text != nil {
		kind = horde.Scribe
	}
	out := slices.DeleteFunc(s.engine.ModelsOf(kind), func(m horde.ModelStatus) bool {
		return m.Threads == 0 || m.Name == p.Model || len(m.Name) > maxModel
	})
	if p.Model == "" {
		return out
	}
	like := func(m horde.ModelStatus) int {
		n := 2 * alike(p.Model, m.Name)
		if kind == horde.Dreamer {
			asked, _ := s.engine.Model(p.Model)
			if is, _ := s.engine.Model(m.Name); is.Family == asked.Family {
				n++
			}
		}
		return n
	}
	slices.SortStableFunc(out, func(a, b horde.ModelStatus) int {
		return cmp.Or(cmp.Compare(like(b), like(a)), cmp.Compare(b.Threads, a.Threads))
	})
	return out
}

// alike counts the words that the names of two models share, whatever separates them.
func alike(a, b string) (n int) {
	words := func(name string) []string {
		return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	}
	other := words(b)
	for _, w := range words(a) {
		if slices.Contains(other, w) {
			n++
		}
	}
	return n
}

// mayChangeModel finds a request that the presser may ask for again.
func (s *Set) mayChangeModel(ctx context.Context, in *discord.Interaction, r *discord.Responder) (row chat.Message, p params, e Effective, ok bool, err error) {
	row, p, e, ok, err = s.remakes(ctx, in, r)
	if ok && p.Forms != nil {
		return row, p, e, false, r.Reply(ctx, private(e.say.T("request.old")))
	}
	return row, p, e, ok, err
}

// pressNewModel lists the models that could make it now.
func (s *Set) pressNewModel(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, e, ok, err := s.mayChangeModel(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	w := e.say
	sel := &discord.Select{CustomID: discord.CustomID{Verb: verbPickModel, ID: short(row)}.String(), Placeholder: w.T("advanced.model")}
	for _, m := range s.otherModels(&p) {
		if (p.Text != nil || e.serves(m.Name)) && len(sel.Options) < discord.MaxSelectOptions-1 {
			sel.Options = append(sel.Options, discord.SelectOption{Label: discord.Clip(plain(voice{w}.model(m)), 100), Value: m.Name})
		}
	}
	if len(sel.Options) > 0 && p.Model != "" {
		sel.Options = append([]discord.SelectOption{{Label: w.T("request.anymodel"), Value: anyModel}}, sel.Options...)
	}
	if len(sel.Options) == 0 {
		return tell(w.T("request.nomodels"))
	}
	m := private(w.T("request.whichmodel"))
	m.Components = []discord.Row{{Select: sel}}
	return r.Reply(ctx, m)
}

// pressPickModel asks the chosen one. Whoever presses, pays; their own request that still waits is taken back first.
func (s *Set) pressPickModel(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, e, ok, err := s.mayChangeModel(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	if len(in.Component.Values) != 1 {
		return r.Reply(ctx, private(e.say.T("request.old")))
	}
	model := in.Component.Values[0]
	if model == anyModel {
		model = ""
	}
	if p.Text == nil {
		if err := e.allowsModel(ask{model: model}); err != nil {
			return err
		}
	}
	if id, live, placed := s.follow.requestOf(row.Key); live && placed && row.Person == in.User.ID {
		undo := s.follow.cancelling(row.Key, in.User.ID)
		_, err := s.cancel(ctx, p, id)
		if refusal, refused := errors.AsType[*horde.Error](err); err != nil && (!refused || refusal.Code != horde.CodeRequestNotFound) {
			undo()
			return fmt.Errorf("cancel: %w", err)
		}
	}
	p = p.fresh()
	if p.Model = model; p.Styled != nil && len(p.Styled.Models) > 0 && !slices.Contains(p.Styled.Models, model) {
		p.Style = "" // a style brings its own models
	}
	p.Styled = nil
	return s.start(ctx, in, r, p, row.Ephemeral || e.answers == chat.AnswersPrivate)
}
