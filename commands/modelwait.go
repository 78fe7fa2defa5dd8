// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Verbs of being told when a model is served again.
const (
	verbNotify = "nw" // the ID is the request's interaction, or the arg the model
	verbQuiet  = "nq" // no more of them
)

// Bounds of telling people that a model is served again.
const (
	servedEvery = time.Minute            // between two looks, whatever the core says
	servedGap   = 500 * time.Millisecond // in which news of workers are gathered
	servedTime  = 2 * time.Minute        // one look
	waitPage    = 200
)

// modelWaits tells people, once, that a model is served again which they wait for. One loop looks at what is served; who
// waits for a model is only looked up when that has become so.
type modelWaits struct {
	s     *Set
	docs  *memory[chat.ModelWait]
	notes *memory[chat.Notes]
	ours  turns // people who change their waits

	telling turns // people who are told what waited for them

	was map[string]bool // prefixes of the models that were served at the last look; only run touches it
}

func newModelWaits(s *Set) *modelWaits {
	return &modelWaits{
		s: s, docs: newMemory[chat.ModelWait](s.deps.Docs, chat.KindModelWait), notes: newMemory[chat.Notes](s.deps.Docs, chat.KindNotes),
	}
}

func (s *Set) modelWaitFamily() family {
	return family{register: func(rt *discord.Router) {
		rt.Component(verbNotify, discord.Route{Handle: s.answered(s.pressNotify), Private: true})
		rt.Component(verbQuiet, discord.Route{Handle: s.answered(s.pressQuiet), Private: true})
	}}
}

// serves reports whether workers of a kind serve a model now.
func (s *Set) serves(kind horde.WorkerType, model string) bool {
	return slices.ContainsFunc(s.engine.ModelsOf(kind), func(m horde.ModelStatus) bool { return m.Threads > 0 && strings.EqualFold(m.Name, model) })
}

// modelKind is which workers a request is for.
func (p *params) modelKind() horde.WorkerType {
	if p.Text != nil {
		return horde.Scribe
	}
	return horde.Dreamer
}

// notifyButtons offer to tell when the model of a request is served again; none where somebody serves it.
func (s *Set) notifyButtons(v voice, p *params, id string) []discord.Button {
	if p.Forms != nil || p.Model == "" || len(p.Model) > maxModel || s.serves(p.modelKind(), p.Model) {
		return nil
	}
	return []discord.Button{pickButton(v.T("models.notify"), "🔔", verbNotify, id, "")}
}

// pressNotify notes that the presser wants to hear when a model is served again.
func (s *Set) pressNotify(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	if err := e.admit(""); err != nil {
		return err
	}
	var model string
	var kind horde.WorkerType
	if in.Component.ID.ID != "" {
		_, p, ok, err := s.pressed(ctx, in, r)
		if err != nil || !ok {
			return err
		}
		model, kind = p.Model, p.modelKind()
	} else if m, ok := s.servedNamed(in.Component.ID.Arg); ok {
		model, kind = m.Name, m.kind
	}
	w := e.say
	if model == "" || len(model) > maxModel {
		return r.Reply(ctx, private(w.T("request.old")))
	}
	until := s.now().Add(chat.ModelWaitLife)
	err = s.waits.ours.inTurn(ctx, in.User.ID, func() error { return s.waits.add(ctx, in, kind, model, until) })
	if errors.Is(err, errManyWaits) {
		m := private(w.T("models.manywaits", "Most", chat.MaxModelWaits))
		m.Components = []discord.Row{{Buttons: []discord.Button{quietButton(w.T("models.quiet"))}}}
		return r.Reply(ctx, m)
	}
	if err != nil {
		return err
	}
	if s.serves(kind, model) { // the look may have come before the note
		if _, err := s.waits.docs.drop(ctx, chat.ModelWaitKey(string(kind), model, in.User.ID)); err != nil {
			return err
		}
		return tell(w.T("models.servednow", "Model", escape(model)))
	}
	m := private(w.T("models.waiting", "Model", escape(model), "Until", day(until)))
	m.Components = []discord.Row{{Buttons: []discord.Button{quietButton(w.T("models.quiet"))}}}
	return r.Reply(ctx, m)
}

func quietButton(label string) discord.Button {
	return pickButton(discord.Clip(label, discord.MaxLabel), "🔕", verbQuiet, "", "")
}

// add notes it, unless the person waits for too many.
func (m *modelWaits) add(ctx context.Context, in *discord.Interaction, kind horde.WorkerType, model string, until time.Time) error {
	mine, err := m.docs.ofPerson(ctx, in.User.ID)
	if err != nil {
		return fmt.Errorf("models that somebody waits for: %w", err)
	}
	key := chat.ModelWaitKey(string(kind), model, in.User.ID)
	if len(mine) >= chat.MaxModelWaits && !slices.ContainsFunc(mine, func(e entry[chat.ModelWait]) bool { return e.key == key }) {
		return errManyWaits
	}
	_, err = m.docs.change(ctx, key, about{person: in.User.ID, due: until}, func(v *chat.ModelWait) error {
		*v = chat.ModelWait{Model: model, Kind: string(kind), Person: in.User.ID, At: m.s.now()}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note who waits for a model: %w", err)
	}
	return nil
}

// pressQuiet forgets everything that the presser waits for.
func (s *Set) pressQuiet(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	n := 0
	err := s.waits.ours.inTurn(ctx, in.User.ID, func() error {
		mine, err := s.waits.docs.ofPerson(ctx, in.User.ID)
		for _, e := range mine {
			there, dropped := s.waits.docs.drop(ctx, e.key)
			if err = errors.Join(err, dropped); there {
				n++
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.Reply(ctx, private(s.say(in).T("models.quieted", "Count", n)))
}

// run looks at what is served until ctx ends.
func (m *modelWaits) run(ctx context.Context) {
	sub := m.s.engine.Events(newsBuffer)
	defer sub.Close()
	hints := sub.Hints()
	tick, soon := time.NewTicker(servedEvery), time.NewTimer(0)
	defer tick.Stop()
	defer soon.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-hints:
			if !open {
				hints = nil // the engine has stopped, and so shall we
				continue
			}
			if heard(sub.Events(), horde.WorkerChanged) {
				soon.Reset(servedGap)
			}
			continue
		case <-soon.C:
		case <-tick.C:
		}
		round, cancel := context.WithTimeout(ctx, servedTime)
		err := m.s.contained(round, "telling which models are served again", func() error { return m.look(round) })
		cancel()
		if err != nil && ctx.Err() == nil {
			m.s.log.Warn().Err(err).Msg("not everybody is told which models are served again")
		}
	}
}

// heard takes the news that are there and reports whether some are of a kind. No news at all, or a full buffer, may mean
// anything.
func heard(events <-chan horde.Event, kind horde.EventKind) (found bool) {
	for n := 0; ; n++ {
		select {
		case ev := <-events:
			found = found || ev.Kind == kind
		default:
			return found || n == 0 || n >= newsBuffer
		}
	}
}

// look tells whoever waits for a model that is served now and was not before.
func (m *modelWaits) look(ctx context.Context) error {
	now := m.s.now()
	failed := errors.Join(sweep(ctx, m.docs, now), sweep(ctx, m.notes, now))
	is := make(map[string]bool)
	if one, err := m.docs.after(ctx, "", 1); err != nil || len(one) == 0 {
		m.was = nil // who waits from now on is looked up anew
		return errors.Join(failed, err)
	}
	for _, kind := range []horde.WorkerType{horde.Dreamer, horde.Scribe} {
		for _, model := range m.s.engine.ModelsOf(kind) {
			prefix := chat.ModelWaitPrefix(string(kind), model.Name)
			if model.Threads == 0 || is[prefix] {
				continue
			}
			if !m.was[prefix] {
				if err := m.announce(ctx, prefix); err != nil {
					failed = errors.Join(failed, err)
					continue // the next look tries again
				}
			}
			is[prefix] = true
		}
	}
	m.was = is
	return failed
}

// announce tells everybody who waits for a model.
func (m *modelWaits) announce(ctx context.Context, prefix string) (failed error) {
	after := prefix
	for {
		page, err := m.docs.after(ctx, after, waitPage)
		if err != nil {
			return errors.Join(failed, err)
		}
		for _, e := range page {
			if !strings.HasPrefix(e.key, prefix) {
				return failed
			}
			after = e.key
			failed = errors.Join(failed, m.tell(ctx, e.key, e.value))
		}
		if len(page) < waitPage {
			return failed
		}
	}
}

var (
	errNobodyWaits = errors.New("nobody waits for it any more")
	errManyWaits   = errors.New("somebody waits for many models already")
)

// tell tells one person. It is noted before, so that nobody hears it twice; who cannot be reached, or was perhaps not when
// a process ended, reads it with their next command.
func (m *modelWaits) tell(ctx context.Context, key string, w chat.ModelWait) error {
	fresh := false
	a := about{person: w.Person, due: w.At.Add(chat.ModelWaitLife)}
	note := func(told time.Time) error {
		_, err := m.docs.change(ctx, key, a, func(v *chat.ModelWait) error {
			if v.Person == "" {
				return errNobodyWaits
			}
			fresh, v.Told = v.Told.IsZero(), told
			return nil
		})
		return err
	}
	if err := note(m.s.now()); err != nil {
		if errors.Is(err, errNobodyWaits) {
			return nil
		}
		return err
	}
	reached := false
	if fresh {
		var err error
		if reached, err = m.s.reach(ctx, w.Person, m.message(ctx, w)); err != nil {
			if undo := note(time.Time{}); undo != nil && !errors.Is(undo, errNobodyWaits) {
				return errors.Join(err, undo)
			}
			return fmt.Errorf("tell that a model is served: %w", err)
		}
	}
	if !reached {
		if _, err := m.notes.change(ctx, w.Person, about{person: w.Person, due: m.s.now().Add(chat.ModelWaitLife)}, func(n *chat.Notes) error {
			n.Served(w.Model)
			return nil
		}); err != nil {
			return err
		}
	}
	_, err := m.docs.drop(ctx, key)
	return err
}

func (m *modelWaits) message(ctx context.Context, wait chat.ModelWait) discord.Message {
	w := m.s.wordsFor(ctx, wait.Person)
	command := m.s.cmd("generate")
	if wait.Kind == string(horde.Scribe) {
		command = m.s.cmd("text")
	}
	return discord.Message{
		Content:    w.T("models.back", "Model", escape(wait.Model), "Command", command),
		Components: []discord.Row{{Buttons: []discord.Button{quietButton(w.T("models.quiet"))}}}, Optional: true,
	}
}

// handNotes tells somebody who runs a command what they could not be told before. What does not arrive waits for the
// command after that: rather twice than not at all.
func (s *Set) handNotes(ctx context.Context, in *discord.Interaction, r *discord.Responder) {
	notes := s.waits.notes
	if n, found, err := notes.get(ctx, in.User.ID); err != nil || !found || len(n.Models) == 0 {
		return
	}
	done, err := s.waits.telling.take(ctx, in.User.ID)
	if err != nil {
		return
	}
	defer done()
	n, found, err := notes.get(ctx, in.User.ID)
	if err != nil || !found || len(n.Models) == 0 {
		return // told with another command
	}
	var list []string
	for _, model := range n.Models {
		list = append(list, "🔔 "+s.say(in).T("models.backnote", "Model", escape(model)))
	}
	if _, err := r.Followup(ctx, private(lines(list...))); err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	dropped, err := notes.dropIf(ctx, in.User.ID, func(v *chat.Notes) bool { return slices.Equal(v.Models, n.Models) })
	if err == nil && !dropped { // there is more by now
		_, err = notes.change(ctx, in.User.ID, about{person: in.User.ID, due: s.now().Add(chat.ModelWaitLife)}, func(v *chat.Notes) error {
			v.Models = slices.DeleteFunc(slices.Clone(v.Models), func(model string) bool { return slices.Contains(n.Models, model) })
			if len(v.Models) == 0 {
				return errNobodyWaits
			}
			return nil
		})
	}
	if err != nil && !errors.Is(err, errNobodyWaits) {
		s.log.Warn().Err(err).Msg("somebody is told again what waited for them")
	}
}
