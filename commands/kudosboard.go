// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// Bounds of lists about kudos.
const (
	historyPage = 10
	maxHistory  = 1000 // movements that can be paged through
	maxKnown    = 1000 // members of a guild that are looked at
)

// Movement is what an account gained or lost in one event of the ledger.
type Movement struct {
	Key    string
	Kind   kudos.Kind
	At     time.Time
	Amount kudos.Amount
	Other  kudos.Account // of a transfer, where it came from or went; of others the treasury
}

// Types of movements that history can be narrowed to.
const (
	typeGeneration = "generation"
	typeTransfer   = "transfer"
	typeAward      = "award"
	typeAdjustment = "adjustment"
	typeEvaluation = "evaluation" // everything in a pocket of its own
)

// historyTypes lists them as people choose them. Rating, uptime and style are kinds too.
func historyTypes() []string {
	return []string{typeGeneration, "uptime", typeTransfer, typeAward, "rating", "style", typeAdjustment, typeEvaluation}
}

// movementKind says what a kind of movement is called: its type, and its text under "kudos.kind.".
type movementKind struct {
	kind       kudos.Kind
	typ, named string
}

func movementKinds() []movementKind {
	return []movementKind{
		{kudos.KindHold, typeGeneration, "hold"},
		{kudos.KindRelease, typeGeneration, "release"},
		{kudos.KindSettle, typeGeneration, "settle"},
		{kudos.KindActivation, typeGeneration, "activation"},
		{kudos.KindUptime, "uptime", "uptime"},
		{kudos.KindTransfer, typeTransfer, "transfer"},
		{kudos.KindReserve, typeTransfer, "reserve"},
		{kudos.KindClaim, typeTransfer, "claim"},
		{kudos.KindReturn, typeTransfer, "return"},
		{kudos.KindWelcome, typeAward, "welcome"},
		{kudos.KindMonthly, typeAward, "monthly"},
		{kudos.KindAward, typeAward, "award"},
		{kudos.KindRating, "rating", "rating"},
		{kudos.KindStyle, "style", "style"},
		{kudos.KindPromotion, typeEvaluation, "promotion"},
	}
}

// kindsOf lists the kinds of a type; nil means that all count.
func kindsOf(typ string) (out []kudos.Kind) {
	if typ == typeAdjustment { // what operators change is kept with what they award
		typ = typeAward
	}
	for _, k := range movementKinds() {
		if k.typ == typ && typ != typeEvaluation {
			out = append(out, k.kind)
		}
	}
	return out
}

// names says what a movement is called. Some kinds are of two types, which their keys tell apart.
func (m *Movement) names() (typ, named string) {
	typ, named = typeGeneration, "other"
	for _, k := range movementKinds() {
		if k.kind == m.Kind {
			typ, named = k.typ, k.named
		}
	}
	party := strings.HasPrefix(m.Key, partyUse)
	switch {
	case m.Kind == kudos.KindAward && !strings.HasPrefix(m.Key, horde.AwardKey("")):
		return typeAdjustment, "adjustment"
	case m.Kind == kudos.KindReserve && party:
		return typ, "partyput"
	case m.Kind == kudos.KindClaim && party:
		return typ, "partywon"
	}
	return typ, named
}

func (s *Set) kudosHistory(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, o := s.say(in), in.Command.Options
	u, ok, err := s.accountOf(ctx, in.User.ID)
	if err != nil {
		return err
	}
	if !ok {
		return r.Reply(ctx, private(w.T("common.needsaccount", "Login", s.cmd("login"))))
	}
	pocket := kudos.Spendable
	want := o.String("type")
	if want == typeEvaluation {
		pocket = kudos.Evaluated
	}
	moves, err := s.deps.History(ctx, kudos.Of(int64(u.ID), pocket), kindsOf(want), maxHistory)
	if err != nil {
		return fmt.Errorf("read the history of an account: %w", err)
	}
	if want == typeAward || want == typeAdjustment {
		moves = slices.DeleteFunc(moves, func(m Movement) bool { typ, _ := m.names(); return typ != want })
	}
	if len(moves) == 0 {
		return r.Reply(ctx, private(w.T("kudos.history.none")))
	}
	pages := int64((len(moves) + historyPage - 1) / historyPage)
	page := min(max(o.Int("page", 1), 1), pages)
	waiting := s.engine.GiftsFrom(u.ID)
	var out []string
	for _, m := range moves[(page-1)*historyPage : min(page*historyPage, int64(len(moves)))] {
		line, err := s.historyLine(ctx, w, &m, waiting)
		if err != nil {
			return err
		}
		out = append(out, line)
	}
	reply := private("")
	reply.Embeds = []discord.Embed{{
		Title: w.T("kudos.history.title"), Color: embedColor, Description: discord.Clip(strings.Join(out, "\n"), discord.MaxEmbedDescription),
		Footer: w.T("common.page", "Page", page, "Pages", pages),
	}}
	return r.Reply(ctx, reply)
}

// historyLine is one movement: how much, when, why, with whom, and a link to the message that a gift by emoji was for
// while that is remembered. waiting are the gifts of the account that wait.
func (s *Set) historyLine(ctx context.Context, w words.Words, m *Movement, waiting []horde.Gift) (string, error) {
	sign := ""
	if m.Amount > 0 {
		sign = "+"
	}
	_, named := m.names()
	line := fmt.Sprintf("%s **%s%s** · %s", stamp(m.At), sign, m.Amount, w.T("kudos.kind."+named))
	if who := s.movedWith(w, m, waiting); who != "" {
		line += " · " + who
	}
	if !strings.HasPrefix(m.Key, "emoji:") {
		return line, nil
	}
	g, found, err := s.book.gifts.get(ctx, m.Key)
	if err != nil {
		return "", err
	}
	if found {
		line += " · " + g.Show + " " + messageLink(g.Guild, g.Channel, g.Message)
	}
	return line, nil
}

// movedWith names the other side of a gift. Who gave one without a name stays unknown to its recipient.
func (s *Set) movedWith(w words.Words, m *Movement, waiting []horde.Gift) string {
	if i := slices.IndexFunc(waiting, func(g horde.Gift) bool { return g.Key == m.Key }); i >= 0 && m.Kind == kudos.KindReserve {
		return w.T("kudos.history.to", "Who", mention(strings.TrimPrefix(waiting[i].To, external(""))))
	}
	id, _, ok := m.Other.User()
	if !ok {
		return ""
	}
	u, found := s.engine.User(horde.UserID(id))
	switch {
	case !found:
		return ""
	case m.Amount < 0:
		return w.T("kudos.history.to", "Who", escape(u.Alias()))
	case strings.HasPrefix(m.Key, unnamedGift):
		return w.T("kudos.history.from", "Who", w.T("gifts.somebody"))
	}
	return w.T("kudos.history.from", "Who", escape(u.Alias()))
}

// knownIn lists people who did something with the bot in a guild, in order, at most maxKnown.
func (s *Set) knownIn(ctx context.Context, guild string) ([]string, error) {
	docs, err := s.deps.Docs.DocsOfGuild(ctx, chat.KindMember, guild)
	if err != nil {
		return nil, fmt.Errorf("read the members of a guild: %w", err)
	}
	known := make(map[string]bool)
	for _, d := range docs {
		if _, person, ok := strings.Cut(d.Key, ":"); ok {
			known[person] = true
		}
	}
	gifts, err := s.book.GiftsIn(ctx, guild)
	if err != nil {
		return nil, fmt.Errorf("read the gifts of a guild: %w", err)
	}
	for i := range gifts {
		known[gifts[i].Person] = true
		if gifts[i].To != "" {
			known[gifts[i].To] = true
		}
	}
	out := make([]string, 0, len(known))
	for person := range known {
		out = append(out, person)
	}
	slices.Sort(out)
	return out[:min(len(out), maxKnown)], nil
}
