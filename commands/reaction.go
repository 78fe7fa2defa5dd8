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
	"stablemate/commands/words"
	"stablemate/emojikudos"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// Bounds of direct messages.
const (
	deafTime = 24 * time.Hour // somebody who takes no direct messages is left alone for so long
	maxDeaf  = 10_000         // people remembered as such

	digestTime = 24 * time.Hour // between two messages about gifts, for those who want few
)

// Codes of refusals by the chat door itself.
const (
	codeYoung   horde.Code = "GiftTooYoung" // the giver's Discord account is young
	codeNotHere horde.Code = "GiftNotHere"  // the guild keeps gifts for others; the message is in the giver's language
)

// reacted hands a reaction to the kudos emoji.
func (s *Set) reacted(ctx context.Context, ev discord.ReactionAdd) error {
	s.roles.seen(ev.GuildID, ev.UserID, ev.MemberRoles)
	if ours, err := s.gifts.Gives(ctx, ev.GuildID, ev.Emoji.ID, ev.Emoji.Name); err != nil || !ours {
		return err // most reactions are nothing of ours
	}
	_, barred, err := s.banOf(ctx, ev.GuildID, ev.UserID)
	if off, failed := s.shut(ctx); barred || err != nil || failed != nil || slices.Contains(off, chat.Gifts) {
		return errors.Join(err, failed)
	}
	if ev.GuildID != "" {
		if ok, err := s.mayReact(ctx, ev); err != nil || !ok {
			return err
		}
	}
	if !s.youngUntil(ev.UserID).IsZero() {
		return s.gifts.Explain(ctx, ev.UserID, horde.Refuse(codeYoung, "their Discord account is too young"))
	}
	ending, err := s.gifts.React(ctx, emojikudos.Reaction{
		Guild: ev.GuildID, Channel: ev.ChannelID, Message: ev.MessageID, Person: ev.UserID, PersonName: ev.UserName,
		PersonBot: ev.UserBot, Roles: ev.MemberRoles, EmojiID: ev.Emoji.ID, EmojiName: ev.Emoji.Name, Author: ev.MessageAuthorID,
	})
	if err != nil {
		return fmt.Errorf("kudos emoji: %w", err)
	}
	if ending == emojikudos.Planned {
		s.log.Debug().Str("message", ev.MessageID).Msg("kudos by emoji planned")
	}
	return nil
}

// unreacted undoes a gift whose reaction is taken back in time.
func (s *Set) unreacted(ctx context.Context, ev discord.ReactionRemove) error {
	if _, err := s.gifts.Unreact(ctx, ev.MessageID, ev.Emoji.ID, ev.Emoji.Name, ev.UserID); err != nil {
		return fmt.Errorf("kudos emoji: %w", err)
	}
	return nil
}

// mayReact reports whether a guild lets a member use the bot and give kudos, in this channel.
func (s *Set) mayReact(ctx context.Context, ev discord.ReactionAdd) (bool, error) {
	rules, _, err := s.guilds.get(ctx, ev.GuildID)
	if err != nil {
		return false, fmt.Errorf("settings of a guild: %w", err)
	}
	_, barred, err := s.blockOf(ctx, ev.GuildID, ev.UserID)
	if err != nil || barred {
		return false, err
	}
	at := place{guild: ev.GuildID, channel: ev.ChannelID, roles: ev.MemberRoles}
	if len(rules.Channels) > 0 { // reactions do not tell what a thread belongs to
		if at.parent, err = s.parents.above(ctx, s.bot, ev.ChannelID, s.now()); err != nil {
			return false, err
		}
	}
	e := resolve(s.opts.Ceiling, rules, chat.Person{}, at)
	if e.off {
		return false, nil
	}
	e.say = s.wordsFor(ctx, ev.UserID)
	refused := e.admit(chat.Gifts)
	if refused == nil {
		return true, nil
	}
	if e.manager, err = s.roles.allow.manages(ctx, s.bot, ev, s.now()); err != nil {
		return false, err
	}
	if refused = e.admit(chat.Gifts); refused == nil {
		return true, nil
	}
	return false, s.gifts.Explain(ctx, ev.UserID, horde.Refuse(codeNotHere, "%s", refused))
}

// reactions is what emoji gifts see of Discord.
type reactions struct{ s *Set }

// Self is the ID of the bot's own account.
func (c reactions) Self() string { return c.s.bot.UserID() }

// Author reads who wrote a message. One that is gone, or that the bot may not see, was written by nobody to be paid.
func (c reactions) Author(ctx context.Context, channel, message string) (emojikudos.Author, error) {
	m, err := c.s.bot.FetchMessage(ctx, channel, message)
	if discord.IsUnknownMessage(err) || discord.IsMissingPermission(err) {
		return emojikudos.Author{Robot: true}, nil
	}
	if err != nil {
		return emojikudos.Author{}, err
	}
	robot := m.Author.Bot || m.WebhookID != "" && m.WebhookID != c.s.bot.AppID()
	return emojikudos.Author{ID: m.Author.ID, Name: m.Author.DisplayName(), Robot: robot}, nil
}

// Requester finds who asked for an image.
func (c reactions) Requester(ctx context.Context, channel, message string) (person string, ok bool, err error) {
	row, ok, err := c.s.deps.Messages.MessageByDiscord(ctx, channel, message)
	if err != nil {
		return "", false, fmt.Errorf("find message: %w", err)
	}
	return row.Person, ok, nil
}

// Within reports whether a channel is one of some, or a thread in one.
func (c reactions) Within(ctx context.Context, channel string, channels []string) (bool, error) {
	if slices.Contains(channels, channel) {
		return true, nil
	}
	above, err := c.s.parents.above(ctx, c.s.bot, channel, c.s.now())
	return err == nil && above != "" && slices.Contains(channels, above), err
}

// Open returns a person's account, opening it where that is allowed.
func (c reactions) Open(ctx context.Context, person, name string) (id horde.UserID, ok bool, err error) {
	u, _, ok, err := c.s.account(ctx, person, name)
	return u.ID, ok, err
}

// Find returns a person's account, if there is one.
func (c reactions) Find(ctx context.Context, person string) (id horde.UserID, ok bool, err error) {
	u, ok, err := c.s.accountOf(ctx, person)
	return u.ID, ok, err
}

// Limits reads what a person decided in their settings.
func (c reactions) Limits(ctx context.Context, person string) (emojikudos.Limits, error) {
	p, _, err := c.s.people.get(ctx, person)
	l := emojikudos.Limits{Off: p.NoGifts, PerGift: kudos.Whole(p.GiftOne), PerDay: kudos.Whole(p.GiftLimit)}
	if p.NoticeGifts == chat.NoticeDigest {
		l.NewsGap = digestTime
	}
	return l, err
}

// wordsFor picks the language of somebody who is written to: the one they chose, or the one they last used.
func (s *Set) wordsFor(ctx context.Context, person string) words.Words {
	p, _, err := s.people.get(ctx, person)
	if err != nil {
		return s.bundle.For()
	}
	g, err := s.book.Person(ctx, person)
	if err != nil {
		return s.bundle.For(p.Language)
	}
	return s.bundle.For(p.Language, g.Locale)
}

// Verbs of buttons about gifts by emoji.
const verbConsent = "ke"

// consentButtons ask for consent, or offer to take it back.
func consentButtons(w words.Words, agreed emojikudos.Consent) []discord.Button {
	on := button(w.T("gifts.enable"), "🙏", verbConsent, string(emojikudos.Agreed), discord.Primary)
	off := button(w.T("gifts.disable"), "", verbConsent, string(emojikudos.Declined), discord.Secondary)
	switch agreed {
	case emojikudos.Agreed:
		return []discord.Button{off}
	case emojikudos.Declined:
		return []discord.Button{on}
	}
	return []discord.Button{on, off}
}

// Ask asks a person whether their reactions may give kudos.
func (c reactions) Ask(ctx context.Context, g emojikudos.Gift) (told bool, err error) {
	w := c.s.wordsFor(ctx, g.Person)
	m := c.s.consentQuestion(ctx, w, g.Person)
	m.Content = lines(w.T("gifts.ask", "Emoji", g.Show, "Amount", g.Amount.String(), "Link", messageLink(g.Guild, g.Channel, g.Message)), m.Content)
	told, err = c.s.reach(ctx, g.Person, m)
	return told, err
}

// consentQuestion is what somebody should know before they agree, with the buttons.
func (s *Set) consentQuestion(ctx context.Context, w words.Words, person string) discord.Message {
	p, err := s.gifts.Person(ctx, person)
	if err != nil {
		s.log.Warn().Err(err).Msg("cannot read somebody's limits")
	}
	return discord.Message{
		Content:    w.T("gifts.terms", "PerGift", p.PerGift.String(), "PerDay", p.PerDay.String()),
		Components: []discord.Row{{Buttons: consentButtons(w, "")}},
	}
}

// pressConsent notes what somebody answered. It is about whoever presses, whatever the message was.
func (s *Set) pressConsent(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	answer := emojikudos.Declined
	text := w.T("gifts.declined")
	if in.Component.ID.ID == string(emojikudos.Agreed) {
		from, err := originOf(in.GuildID, in.User.ID)
		if err != nil {
			return err
		}
		_, known, err := s.accountOf(ctx, in.User.ID)
		switch {
		case err != nil:
			return err
		case !known && s.engine.TimedOut(from) > 0:
			return horde.Refuse(horde.CodeTimeoutIP, "no account can be opened from here for now")
		}
		u, opened, err := s.open(ctx, in.User.ID, in.User.DisplayName())
		if err != nil {
			return err
		}
		if err := s.likesGifts(ctx, in.User.ID, true); err != nil {
			return err
		}
		answer, text = emojikudos.Agreed, lines(w.T("gifts.agreed"), s.welcome(w, u, opened))
	}
	given, err := s.gifts.Consent(ctx, in.User.ID, in.Locale, answer)
	if err != nil {
		return err
	}
	if answer == emojikudos.Agreed && given > 0 {
		text = lines(text, w.T("gifts.released", "Count", given))
	}
	m := private(text)
	m.Components = []discord.Row{{Buttons: consentButtons(w, answer)}}
	return r.Update(ctx, m)
}

// likesGifts keeps the switch in somebody's settings in step with what they said here.
func (s *Set) likesGifts(ctx context.Context, person string, yes bool) error {
	p, _, err := s.people.get(ctx, person)
	if err != nil || p.NoGifts != yes {
		return err
	}
	_, err = s.people.change(ctx, person, about{person: person}, func(p *chat.Person) error {
		p.NoGifts = !yes
		return nil
	})
	return err
}

// Tell explains refused gifts in a direct message.
func (c reactions) Tell(ctx context.Context, person string, n emojikudos.News) (told bool, err error) {
	w := c.s.wordsFor(ctx, person)
	return c.s.reach(ctx, person, discord.Message{
		Content: lines(w.T("gifts.nothing")+" "+strings.Join(c.s.whys(ctx, w, person, n), " "), w.T("gifts.retry")),
		Nonce:   newsNonce(emojikudos.NewsRefused, person, n),
	})
}

// whys says refusals of gifts by emoji.
func (s *Set) whys(ctx context.Context, w words.Words, person string, n emojikudos.News) (out []string) {
	for _, l := range n.Lines {
		out = append(out, s.why(ctx, w, person, &horde.Error{Code: horde.Code(l.Key), Message: l.Text}))
	}
	return out
}

// why says a refusal of a gift by emoji.
func (s *Set) why(ctx context.Context, w words.Words, person string, e *horde.Error) string {
	p, err := s.gifts.Person(ctx, person)
	if err != nil {
		return s.refusal(w, e)
	}
	switch e.Code {
	case emojikudos.CodeOverGift:
		return w.T("gifts.overgift", "Limit", p.PerGift.String())
	case emojikudos.CodeOverDay:
		return w.T("gifts.overday", "Limit", p.PerDay.String())
	case emojikudos.CodeOverGuild:
		return w.T("gifts.overguild")
	case emojikudos.CodeTooMany:
		return w.T("gifts.toomany")
	case codeNotHere:
		return e.Message
	case codeYoung:
		return w.T("effective.young", "Until", stamp(s.youngUntil(person)))
	case emojikudos.CodeNoConsent:
		return w.T("gifts.noconsent")
	default:
		return s.refusal(w, e)
	}
}

// Invite tells a person that a gift waits for them, the newest one.
func (c reactions) Invite(ctx context.Context, person string, n emojikudos.News) (told bool, err error) {
	w, g := c.s.wordsFor(ctx, person), n.Lines[len(n.Lines)-1]
	from := w.T("gifts.somebody")
	if g.From != "" {
		from = mention(g.From)
	}
	text := w.T("gifts.invite", "From", from, "Amount", g.Amount.String(), "Login", c.s.cmd("login"))
	if g.Message != "" {
		text = lines(text, messageLink(g.Guild, g.Channel, g.Message))
	}
	return c.s.reach(ctx, person, discord.Message{Content: lines(text, w.T("gifts.stop")), Nonce: newsNonce(emojikudos.NewsInvite, person, n)})
}

// newsNonce names the telling of news, so that after a crash nobody hears the same again.
func newsNonce(kind emojikudos.NewsKind, who string, n emojikudos.News) string {
	return discord.NonceOf("gifts", n.Mark(emojikudos.Address{Kind: kind, Who: who}))
}

// Report tells a person about gifts, in one message.
func (c reactions) Report(ctx context.Context, person string, n emojikudos.News, back bool) (told bool, err error) {
	p, _, err := c.s.people.get(ctx, person)
	if err != nil || p.NoticeGifts == chat.NoticeNone {
		return err == nil, err // who wants to hear nothing has heard everything
	}
	w := c.s.wordsFor(ctx, person)
	text := listed(w, newsHead(w, n, back), newsLines(w, n, back), n.More, w.T("gifts.quiet", "Settings", c.s.cmd("settings notifications")))
	kind := emojikudos.NewsGot
	if back {
		kind = emojikudos.NewsBack
	}
	return c.s.reach(ctx, person, discord.Message{Content: text, Nonce: newsNonce(kind, person, n)})
}

// newsHead says what news are about.
func newsHead(w words.Words, n emojikudos.News, back bool) string {
	key := "gifts.got"
	if back {
		key = "gifts.back"
	}
	return w.T(key, "Count", len(n.Lines)+n.More, "Amount", n.Amount.String())
}

func newsLines(w words.Words, n emojikudos.News, back bool) (out []string) {
	for _, l := range n.Lines {
		out = append(out, "• "+newsLine(w, l, back))
	}
	return out
}

// newsLine is one gift of a report.
func newsLine(w words.Words, l emojikudos.Line, back bool) string {
	who := w.T("gifts.somebody")
	switch {
	case back && l.To != "":
		who = mention(l.To)
	case !back && l.From != "":
		who = mention(l.From)
	}
	parts := []string{l.Show, who, l.Amount.String()}
	if !back {
		if l.Title != "" {
			parts = append(parts, "**"+escape(l.Title)+"**")
		}
		parts = append(parts, escape(discord.Clip(l.Text, 60)))
	}
	if l.Message != "" {
		parts = append(parts, messageLink(l.Guild, l.Channel, l.Message))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " · ")
}

// dm sends a direct message, unless the person has shown that they take none.
func (s *Set) dm(ctx context.Context, person string, m discord.Message) error {
	_, err := s.reach(ctx, person, m)
	return err
}

// reach sends a direct message and reports whether the person takes any.
func (s *Set) reach(ctx context.Context, person string, m discord.Message) (bool, error) {
	now := s.now()
	s.mu.Lock()
	until, deaf := s.deaf[person]
	if deaf && now.After(until) {
		delete(s.deaf, person)
		deaf = false
	}
	s.mu.Unlock()
	if deaf {
		return false, nil
	}
	_, err := s.bot.DM(ctx, person, m)
	if !discord.IsCannotDM(err) {
		return err == nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.deaf) >= maxDeaf {
		clear(s.deaf) // they will show it again
	}
	s.deaf[person] = now.Add(deafTime)
	return false, nil
}

// greetGifts hands over what waited for somebody who logs in, and tells them that their reactions give kudos from now on;
// the panel has a button to switch that off. Who answered before is not asked again.
func (s *Set) greetGifts(ctx context.Context, in *discord.Interaction, m *discord.Message) error {
	w := s.say(in)
	claimed, err := s.claimGifts(ctx, in.User.ID)
	if _, refused := errors.AsType[*horde.Error](err); err != nil && !refused {
		return err
	}
	if claimed.Amount > 0 {
		m.Content = lines(m.Content, w.T("gifts.claimed", "Count", len(claimed.Gifts), "Amount", claimed.Amount.String()))
	}
	p, err := s.gifts.Person(ctx, in.User.ID)
	if err != nil {
		return err
	}
	if p.Consent == "" {
		if _, err := s.gifts.Consent(ctx, in.User.ID, in.Locale, emojikudos.Agreed); err != nil {
			return err
		}
		m.Content = lines(m.Content, "-# "+w.T("gifts.terms", "PerGift", p.PerGift.String(), "PerDay", p.PerDay.String()))
	}
	return nil
}

// claimGifts hands over what waits for a person who has an account. Without an account it does nothing.
func (s *Set) claimGifts(ctx context.Context, person string) (horde.Claimed, error) {
	u, ok, err := s.accountOf(ctx, person)
	if err != nil || !ok || len(s.engine.GiftsFor(external(person))) == 0 {
		return horde.Claimed{}, err
	}
	out, err := engine.Do(ctx, s.engine, horde.Claim{User: u.ID, Identity: external(person)})
	if _, refused := errors.AsType[*horde.Error](err); refused {
		return out, err
	}
	if err != nil {
		return out, fmt.Errorf("claim gifts: %w", err)
	}
	return out, nil
}
