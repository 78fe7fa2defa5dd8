// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/emojikudos"
	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// Bounds of gifts to roles.
const (
	beginWait  = 30 * time.Second       // until a gift begins whose message cannot be told to be there
	lookGap    = 500 * time.Millisecond // between two members whose roles are asked for
	giveGap    = 100 * time.Millisecond // between two gifts
	tellEvery  = 20                     // recipients between two words on the progress
	roleWait   = 15 * time.Minute       // for the giver's word
	roleRetry  = 5 * time.Second        // after something broke
	roleLife   = 24 * time.Hour         // then a gift that does not get on is given up
	rolesAtOne = 1                      // gifts to roles that one person may have under way
	roundIdle  = time.Minute            // the loop looks at least this often
	roundBatch = 16                     // rows of one look
)

// verbRoleGift is about a gift to a role; its argument is what to do.
const verbRoleGift = "kr"

const roleYes = "yes"

// rounds goes on with gifts to roles, one step after the other, tells of gifts by command that were broken off, and forgets
// drafts that nobody confirmed.
type rounds struct {
	s     *Set
	rows  *memory[chat.RoleGift]
	began time.Time     // what is older and under way was left by another process
	wake  chan struct{} // holds 1: something became due
}

func newRounds(s *Set) *rounds {
	return &rounds{s: s, rows: newMemory[chat.RoleGift](s.deps.Docs, chat.KindRoleGift), began: s.now(), wake: make(chan struct{}, 1)}
}

func (o *rounds) ring() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// change changes a row; its Due is the document's.
func (o *rounds) change(ctx context.Context, key string, f func(g *chat.RoleGift) error) (chat.RoleGift, error) {
	return o.rows.changeAs(ctx, key, func(g *chat.RoleGift) about { return about{person: g.Person, guild: g.Guild, due: g.Due} }, f)
}

// run works until ctx ends.
func (o *rounds) run(ctx context.Context) error {
	for {
		next, err := o.pass(ctx)
		if err != nil && ctx.Err() == nil {
			o.s.log.Warn().Err(err).Msg("a gift to a role does not get on")
			next = o.s.now().Add(roleRetry)
		}
		timer := time.NewTimer(min(max(next.Sub(o.s.now()), giveGap), roundIdle))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-o.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// pass takes every row that is due one step further and tells when the next is. A row that does not get on waits a while,
// and the others go on.
func (o *rounds) pass(ctx context.Context) (time.Time, error) {
	now := o.s.now()
	next := now.Add(roundIdle)
	told, err := o.tellOrders(ctx, now)
	if err != nil {
		return next, err
	}
	next = earlier(next, told)
	if err := sweep(ctx, o.s.giftDrafts, now); err != nil {
		return next, err
	}
	docs, err := o.s.deps.Docs.DueDocs(ctx, chat.KindRoleGift, next, roundBatch)
	if err != nil {
		return next, err
	}
	for _, d := range docs {
		due := d.Due
		if !due.After(now) {
			due = o.advance(ctx, d.Key)
		}
		next = earlier(next, due)
	}
	return next, nil
}

// earlier is the earlier one of two times.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// advance takes a row one step further, or puts it off.
func (o *rounds) advance(ctx context.Context, key string) (due time.Time) {
	failed := o.s.contained(ctx, "a gift to a role", func() (err error) {
		due, err = o.step(ctx, key)
		return err
	})
	if failed == nil {
		return due
	}
	due = o.s.now().Add(roleRetry)
	if err := o.rows.putOff(ctx, key, due); err != nil && ctx.Err() == nil {
		o.s.log.Warn().Err(err).Msg("a gift to a role is not put off")
	}
	return due
}

var errStale = errors.New("somebody was faster")

// step does the next thing for a gift to a role.
func (o *rounds) step(ctx context.Context, key string) (due time.Time, err error) {
	g, found, err := o.rows.get(ctx, key)
	now := o.s.now()
	switch {
	case err != nil:
		return now, err
	case !found:
		return now.Add(roundIdle), nil
	case g.Stage == chat.RoleOver:
		_, err := o.rows.drop(ctx, key)
		return now.Add(roundIdle), err
	case now.Sub(g.Created) > roleLife && g.Stage != chat.RoleGiving:
		return o.end(ctx, key, g.Stage)
	case g.Stage == chat.RoleLooking && len(g.Look) > 0:
		return o.look(ctx, key, g)
	case g.Stage == chat.RoleLooking:
		return o.save(ctx, key, true, func(x *chat.RoleGift) {
			x.Stage, x.Due = chat.RoleAsking, now.Add(roleWait)
			if len(x.To) == 0 {
				x.Stage, x.Due = chat.RoleOver, now
			}
		})
	case g.Stage == chat.RoleAsking, g.Given >= len(g.To):
		return o.end(ctx, key, g.Stage)
	}
	return o.give(ctx, key, g)
}

// end shows the last state, unless somebody took the gift to another stage just now. The row goes with the next step.
func (o *rounds) end(ctx context.Context, key string, from chat.RoleStage) (time.Time, error) {
	return o.save(ctx, key, true, func(x *chat.RoleGift) {
		if x.Stage == from {
			x.Stage, x.Due = chat.RoleOver, o.s.now()
		}
	})
}

// save changes a row and shows it.
func (o *rounds) save(ctx context.Context, key string, show bool, f func(x *chat.RoleGift)) (time.Time, error) {
	g, err := o.change(ctx, key, func(x *chat.RoleGift) error { f(x); return nil })
	if err != nil {
		return o.s.now(), fmt.Errorf("save a gift to a role: %w", err)
	}
	if show {
		o.show(ctx, key, g)
	}
	return g.Due, nil
}

// show makes the message true, as far as it can be reached.
func (o *rounds) show(ctx context.Context, key string, g chat.RoleGift) {
	if g.Message == "" {
		return
	}
	err := o.s.bot.EditMessage(ctx, discord.MessageRef{ChannelID: g.Channel, MessageID: g.Message}, o.s.roleMessage(key, g))
	if err != nil && !discord.IsUnknownMessage(err) {
		o.s.log.Debug().Err(err).Msg("cannot show how a gift to a role gets on")
	}
}

// look asks for the roles of one member.
func (o *rounds) look(ctx context.Context, key string, g chat.RoleGift) (time.Time, error) {
	who := g.Look[0]
	m, err := o.s.bot.Member(ctx, g.Guild, who)
	switch {
	case discord.IsUnknownMember(err), discord.IsMissingPermission(err), vanished(err): // or we are not in the guild any more
	case err != nil:
		return o.s.now(), fmt.Errorf("read a member: %w", err)
	}
	has := err == nil && slices.Contains(m.Roles, g.Role) && !m.User.Bot
	return o.save(ctx, key, len(g.Look)%tellEvery == 0, func(x *chat.RoleGift) {
		if len(x.Look) == 0 || x.Look[0] != who {
			return
		}
		x.Look, x.Due = slices.Clone(x.Look[1:]), o.s.now().Add(lookGap)
		if has {
			x.To = append(slices.Clone(x.To), who)
		}
	})
}

// give gives one recipient theirs, once for ever.
func (o *rounds) give(ctx context.Context, key string, g chat.RoleGift) (time.Time, error) {
	who := g.To[g.Given]
	from, ok, err := o.s.accountOf(ctx, g.Person)
	if err != nil {
		return o.s.now(), err
	}
	if !ok {
		return o.end(ctx, key, g.Stage)
	}
	if g.Given == 0 {
		o.show(ctx, key, g) // without the buttons
	}
	amount := roleShare(g)
	once := "role:" + key + ":" + who
	given, person, err := o.s.moveGift(ctx, from.ID, chat.GiftDraft{To: who, Amount: int64(amount)}, once, false)
	why, refused := errors.AsType[*horde.Error](err)
	switch {
	case refused && why.Code == horde.CodeTooFastTransfers && o.s.now().Sub(g.Created) < roleLife:
		return o.save(ctx, key, false, func(x *chat.RoleGift) { x.Due = o.s.now().Add(horde.ReverseGiftGap) })
	case refused && why.Code == horde.CodeIdempotencyKeyConflict:
		refused = false
	case err != nil && !refused:
		return o.s.now(), fmt.Errorf("give to a member: %w", err)
	case err == nil: // also when it was given just before a crash
		o.s.tellGift(ctx, person, emojikudos.Line{
			Key: once, From: g.Person, Amount: amount, Guild: g.Guild, Channel: g.Channel, Message: g.Message,
		}, given.Waiting != nil)
	}
	last := g.Given+1 >= len(g.To)
	return o.save(ctx, key, !last && (g.Given+1)%tellEvery == 0, func(x *chat.RoleGift) {
		if x.Given != g.Given {
			return
		}
		x.Given, x.Due = x.Given+1, o.s.now().Add(giveGap)
		if refused {
			x.Missed, x.Why = x.Missed+1, string(why.Code)
			return
		}
		x.Moved += int64(amount)
	})
}

// roleShare is what each recipient gets.
func roleShare(g chat.RoleGift) kudos.Amount {
	if !g.Split || len(g.To) == 0 {
		return kudos.Amount(g.Amount)
	}
	return kudos.Amount(g.Amount / int64(len(g.To)))
}

func roleTotal(g chat.RoleGift) kudos.Amount { return roleShare(g) * kudos.Amount(len(g.To)) }

// roleMessage shows how far a gift to a role is.
func (s *Set) roleMessage(key string, g chat.RoleGift) discord.Message {
	w := s.bundle.For(g.Locale)
	values := []any{
		"Who", mention(g.Person), "Role", "<@&" + g.Role + ">", "Count", len(g.To), "Each", roleShare(g).String(), "Total", roleTotal(g).String(),
		"Left", len(g.Look), "Given", g.Given - g.Missed, "Missed", g.Missed, "Moved", kudos.Amount(g.Moved).String(),
	}
	switch {
	case g.Stage == chat.RoleLooking:
		return discord.Message{Content: "🔎 " + w.T("kudos.role.looking", values...)}
	case g.Stage == chat.RoleAsking:
		m := discord.Message{Content: "🎁 " + w.T("kudos.role.asking", values...)}
		if g.Split && roleShare(g) < 1 {
			return discord.Message{Content: w.T("kudos.role.toosmall")}
		}
		m.Components = []discord.Row{{Buttons: []discord.Button{
			{Label: w.T("kudos.give"), Emoji: "🙏", Style: discord.Primary, CustomID: discord.CustomID{Verb: verbRoleGift, ID: key, Arg: roleYes}.String()},
			{Label: w.T("common.cancel"), CustomID: discord.CustomID{Verb: verbRoleGift, ID: key, Arg: "no"}.String()},
		}}}
		return m
	case g.Stage == chat.RoleGiving:
		return discord.Message{Content: "🎁 " + w.T("kudos.role.giving", values...)}
	case len(g.To) == 0:
		return discord.Message{Content: w.T("kudos.role.nobody", values...)}
	case g.Given == 0:
		return discord.Message{Content: w.T("kudos.role.dropped", values...)}
	}
	text := "🙏 " + w.T("kudos.role.done", values...)
	if g.Missed > 0 {
		text = lines(text, w.T("kudos.role.missed", values...))
	}
	return discord.Message{Content: text}
}

func (s *Set) giftRole(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, o := s.say(in), in.Command.Options
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	if err := e.admit(chat.Gifts); err != nil {
		return err
	}
	role, ok := o.Role("role")
	amount := o.Int("amount", 0)
	switch {
	case !in.GuildInstalled: // a person brought the bot along, who has which role is not told
		return tell(w.T("common.guildonly"))
	case !ok || role.ID == in.GuildID:
		return tell(w.T("kudos.role.everyone"))
	case amount < 1 || amount > maxGift:
		return horde.Refuse(horde.CodeInvalidTransferAmount, "a gift is 1 to %d kudos", maxGift)
	}
	if _, _, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName()); err != nil || !ok {
		if err != nil {
			return err
		}
		return r.Reply(ctx, private(w.T("common.needsaccount", "Login", s.cmd("login"))))
	}
	under, err := s.rounds.rows.ofPerson(ctx, in.User.ID)
	if err != nil {
		return err
	}
	under = slices.DeleteFunc(under, func(x entry[chat.RoleGift]) bool {
		return x.value.Stage == chat.RoleOver || x.value.Stage == chat.RoleAsking
	})
	if len(under) >= rolesAtOne {
		return tell(w.T("kudos.role.busy"))
	}
	if err := r.Defer(ctx, false); err != nil {
		return err
	}
	known, err := s.knownIn(ctx, in.GuildID)
	if err != nil {
		return err
	}
	known = slices.DeleteFunc(known, func(id string) bool {
		_, ok, failed := s.accountOf(ctx, id)
		err = cmp.Or(err, failed)
		return !ok || id == in.User.ID
	})
	if err != nil {
		return err
	}
	ref, err := r.Message(ctx)
	if err != nil {
		return fmt.Errorf("find the reply: %w", err)
	}
	now := s.now()
	g := chat.RoleGift{
		Guild: in.GuildID, Channel: ref.ChannelID, Message: ref.MessageID, Person: in.User.ID, Role: role.ID, Amount: int64(kudos.Whole(amount)),
		Split: o.String("mode") == "split", Locale: cmp.Or(s.guildLanguage(in.GuildID), in.GuildLocale), Stage: chat.RoleLooking, Look: known,
		Due: now.Add(beginWait), Created: now,
	}
	if _, err := s.rounds.change(ctx, in.ID, func(x *chat.RoleGift) error {
		if !x.Created.IsZero() {
			return errStale // Discord told us twice
		}
		*x = g
		return nil
	}); err != nil {
		if errors.Is(err, errStale) {
			return nil
		}
		return fmt.Errorf("begin a gift to a role: %w", err)
	}
	failed := r.Reply(ctx, s.roleMessage(in.ID, g)) // before anybody edits it
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	if failed != nil {
		if _, err := s.rounds.rows.drop(after, in.ID); err != nil {
			failed = errors.Join(failed, fmt.Errorf("drop a gift to a role: %w", err))
		}
		return failed
	}
	if _, err := s.rounds.change(after, in.ID, func(x *chat.RoleGift) error {
		if x.Stage != chat.RoleLooking {
			return errStale
		}
		x.Due = s.now()
		return nil
	}); err != nil && !errors.Is(err, errStale) {
		s.log.Warn().Err(err).Msg("a gift to a role begins late")
	}
	s.rounds.ring()
	return nil
}

// pressRoleGift begins to give, or lets it be.
func (s *Set) pressRoleGift(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, key := s.say(in), in.Component.ID.ID
	g, found, err := s.rounds.rows.get(ctx, key)
	switch {
	case err != nil:
		return err
	case !found || g.Guild != in.GuildID || g.Stage != chat.RoleAsking || s.now().After(g.Due):
		return tell(w.T("kudos.late"))
	case g.Person != in.User.ID:
		return tell(w.T("common.notyours"))
	}
	yes := in.Component.ID.Arg == roleYes
	if yes {
		if err := s.affords(ctx, w, g); err != nil {
			return err
		}
	}
	g, err = s.rounds.change(ctx, key, func(x *chat.RoleGift) error {
		if x.Stage != chat.RoleAsking {
			return errStale
		}
		x.Stage, x.Due = chat.RoleOver, s.now()
		if yes {
			x.Stage = chat.RoleGiving
		}
		return nil
	})
	switch {
	case errors.Is(err, errStale):
		return r.DeferUpdate(ctx) // whoever was faster shows it
	case err != nil:
		return fmt.Errorf("confirm a gift to a role: %w", err)
	case !yes:
		return r.Update(ctx, s.roleMessage(key, g))
	}
	s.rounds.ring()
	return r.DeferUpdate(ctx) // the loop shows it: an answer of ours might come after, and undo, the word on how it ended
}

// affords refuses a gift to a role that its giver has not enough for.
func (s *Set) affords(ctx context.Context, w words.Words, g chat.RoleGift) error {
	u, ok, err := s.accountOf(ctx, g.Person)
	if err != nil {
		return err
	}
	if total := roleTotal(g); !ok || u.Available() < total || roleShare(g) < 1 {
		return tell(w.T("kudos.role.short", "Total", total.String(), "Have", u.Available().String()))
	}
	return nil
}
