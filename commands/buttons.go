// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// pressed finds the row of the button's request. The id in a button is no authority: the row must belong to the channel
// that the press comes from, to whoever presses, or to what they keep, and a private one to its person. A row that is
// unknown is answered here, and ok is false.
func (s *Set) pressed(ctx context.Context, in *discord.Interaction, r *discord.Responder) (row chat.Message, p params, ok bool, err error) {
	key := keyOf(in.Component.ID.ID)
	row, ok, err = s.deps.Messages.MessageByKey(ctx, key)
	if err != nil {
		return row, p, false, fmt.Errorf("find message: %w", err)
	}
	if !ok || row.Channel != in.ChannelID && row.Person != in.User.ID {
		kept, mine, err := s.favourites.get(ctx, in.User.ID+":"+key)
		if err != nil {
			return row, p, false, fmt.Errorf("favourite: %w", err)
		}
		if !ok { // the row goes sooner than what somebody keeps
			row = kept.Message
		}
		ok = mine
	}
	if !ok || json.Unmarshal(row.Params, &p) != nil {
		return row, p, false, r.Reply(ctx, private(s.say(in).T("request.old")))
	}
	if row.Ephemeral && row.Person != in.User.ID {
		return row, p, false, r.Reply(ctx, private(s.say(in).T("request.private")))
	}
	if isGone(row) && in.Component.ID.Verb != verbDelete {
		return row, p, false, r.Reply(ctx, private(s.say(in).T("request.gone")))
	}
	if by := s.follow.canceller(row.Key); by != "" {
		p.CancelledBy = by
	}
	s.look(ctx, &row, &p)
	return row, p, true, nil
}

// look fills in what was made, for a press that was quicker than the row.
func (s *Set) look(ctx context.Context, row *chat.Message, p *params) {
	if len(p.Made) > 0 || row.Request == "" {
		return
	}
	uuid, err := horde.ParseUUID(row.Request)
	if err != nil {
		return
	}
	st, err := s.status(horde.RequestID{UUID: uuid}, p)
	switch {
	case err != nil || !st.Done:
	case row.Open:
		p.end(*row, st, s.now())
	default:
		s.noteEnd(ctx, row, p, st)
	}
}

// governs reports whether the presser may change the message: its person, or whoever manages messages in its channel.
func governs(in *discord.Interaction, row chat.Message) bool {
	return in.User.ID == row.Person || in.GuildID != "" && in.ChannelID == row.Channel && in.MemberPermissions.Has(discord.ManageMessages)
}

func (s *Set) pressCancel(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	if !governs(in, row) {
		return r.Reply(ctx, private(s.say(in).T("request.notyours")))
	}
	id, live, placed := s.follow.requestOf(row.Key)
	switch {
	case !live, in.Component.MessageID != row.Message:
		return s.cancelUnfollowed(ctx, in, r, row, p)
	case !placed:
		return r.Reply(ctx, private(s.say(in).T("request.notyet")))
	}
	if err := r.DeferUpdate(ctx); err != nil {
		return err
	}
	undo := s.follow.cancelling(row.Key, in.User.ID) // before the news of it are out
	_, err = s.cancel(ctx, p, id)
	if refusal, ok := errors.AsType[*horde.Error](err); ok && refusal.Code == horde.CodeRequestNotFound {
		return nil // the message is about to say so
	}
	if err != nil {
		undo()
		return fmt.Errorf("cancel: %w", err)
	}
	return nil
}

// cancelUnfollowed cancels a private request whose message was left because its token ended, and says so in this one.
func (s *Set) cancelUnfollowed(ctx context.Context, in *discord.Interaction, r *discord.Responder, row chat.Message, p params) error {
	uuid, err := horde.ParseUUID(row.Request)
	if err != nil {
		return r.Reply(ctx, private(s.say(in).T("request.finished")))
	}
	undo := s.follow.cancelling(row.Key, in.User.ID)
	done, err := s.cancel(ctx, p, horde.RequestID{UUID: uuid})
	if err != nil || done {
		undo()
	}
	refusal, refused := errors.AsType[*horde.Error](err)
	switch {
	case refused && refusal.Code == horde.CodeRequestNotFound, err == nil && done:
		return r.Reply(ctx, private(s.say(in).T("request.finished")))
	case err != nil:
		return fmt.Errorf("cancel: %w", err)
	}
	m := discord.Message{Content: lines("**"+shown(p.Prompt)+"**", s.voiceOf(&p).T("request.cancelled"))}
	m.Components = []discord.Row{{Buttons: []discord.Button{showButton(s.voiceOf(&p), row)}}}
	if _, live, _ := s.follow.requestOf(row.Key); live {
		return r.Update(ctx, m) // whoever follows it writes the row
	}
	if err := s.noteCancel(ctx, row.Key, in.User.ID); err != nil {
		s.log.Warn().Err(err).Str("key", row.Key).Msg("cannot note who cancelled a request")
	}
	return r.Update(ctx, m)
}

// noteCancel notes who cancelled a request that nobody follows any more. What was delivered before stands in its row, which
// is read anew for that; an open one is left to whoever will follow it.
func (s *Set) noteCancel(ctx context.Context, key, person string) error {
	row, found, err := s.deps.Messages.MessageByKey(ctx, key)
	if err != nil {
		return fmt.Errorf("find message: %w", err)
	}
	if !found || row.Open || isGone(row) {
		return nil
	}
	var p params
	if err := json.Unmarshal(row.Params, &p); err != nil {
		return fmt.Errorf("read parameters: %w", err)
	}
	if p.CancelledBy != "" {
		return nil
	}
	p.CancelledBy = person
	_, err = s.replaceParams(ctx, &row, &p)
	return err
}

// pressAgain asks for the same image with a new seed. Whoever presses, pays.
func (s *Set) pressAgain(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	if err := s.mayPress(ctx, &e, row.Person); err != nil {
		return err
	}
	p = p.fresh()
	p.Seed, p.Styled = "", nil
	return s.start(ctx, in, r, p, row.Ephemeral || e.answers == chat.AnswersPrivate)
}

// closed waits a moment for the row of a result that was shown just now and is about to be closed.
func (s *Set) closed(ctx context.Context, row chat.Message) chat.Message {
	tick := time.NewTicker(closeLook)
	defer tick.Stop()
	for range closeLooks {
		if !row.Open {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return row
		}
		if now, found, err := s.deps.Messages.MessageByKey(ctx, row.Key); err == nil && found {
			row = now
		}
	}
	return row
}

// How often a row is looked at that is about to be closed, and how many times.
const (
	closeLook  = 100 * time.Millisecond
	closeLooks = 20
)

func (s *Set) pressDelete(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	if !governs(in, row) {
		return r.Reply(ctx, private(s.say(in).T("request.notyours")))
	}
	if err := r.DeferUpdate(ctx); err != nil {
		return err
	}
	if in.Component.MessageID == row.Message {
		if err := s.discard(ctx, s.closed(ctx, row), p); err != nil {
			return err
		}
	}
	ref, err := r.Message(ctx)
	if err != nil {
		return fmt.Errorf("find the message: %w", err)
	}
	err = s.bot.DeleteMessage(ctx, ref)
	if discord.IsMissingPermission(err) || errors.Is(err, discord.ErrUnreachable) {
		return r.Reply(ctx, private(s.say(in).T("request.cannotdel")))
	}
	return err
}

// pressShow answers with the present state of a private request, whose message Discord does not let us edit any more.
func (s *Set) pressShow(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	if row.Person != in.User.ID {
		return r.Reply(ctx, private(s.say(in).T("request.private")))
	}
	if len(p.Made) > 0 {
		return s.showMade(ctx, in, r, row, p)
	}
	uuid, err := horde.ParseUUID(row.Request)
	if err != nil {
		return r.Reply(ctx, private(s.say(in).T("request.gone")))
	}
	st, err := s.status(horde.RequestID{UUID: uuid}, &p)
	if refusal, ok := errors.AsType[*horde.Error](err); ok && refusal.Code == horde.CodeRequestNotFound {
		return r.Reply(ctx, private(s.say(in).T("request.gone")))
	}
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	var m discord.Message
	if st.Done {
		m, err = s.result(ctx, row, p, ending{kind: endDone, status: st, at: s.now()}, showing{})
	} else {
		m = s.progress(row, p, st, s.now().Add(st.Wait), true, showing{})
		// Nothing edits this message: the button looks again.
		if len(m.Components) == 0 {
			m.Components = []discord.Row{{}}
		}
		m.Components[0].Buttons = append([]discord.Button{showButton(s.voiceOf(&p), row)}, m.Components[0].Buttons...)
	}
	if err != nil {
		return err
	}
	m.Ephemeral, m.KeepFiles = true, false
	return r.Reply(ctx, m)
}
