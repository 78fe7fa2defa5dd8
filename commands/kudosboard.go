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
}

// historyTypes lists what history can be narrowed to.
func historyTypes() []string {
	return []string{"generation", "uptime", "transfer", "award", "style", "evaluation"}
}

// typeOf says which of them a movement is.
func typeOf(k kudos.Kind) string {
	switch k {
	case kudos.KindUptime:
		return "uptime"
	case kudos.KindTransfer, kudos.KindReserve, kudos.KindClaim, kudos.KindReturn:
		return "transfer"
	case kudos.KindAward, kudos.KindWelcome, kudos.KindMonthly:
		return "award"
	case kudos.KindStyle:
		return "style"
	case kudos.KindPromotion:
		return "evaluation"
	default:
		return "generation"
	}
}

func (s *Set) kudosHistory(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, o := s.say(in), in.Command.Options
	u, ok := s.find(in.User.ID)
	if !ok {
		return r.Reply(ctx, private(w.T("common.needsaccount", "Login", s.cmd("login"))))
	}
	pocket := kudos.Spendable
	kind := o.String("type")
	if kind == "evaluation" {
		pocket = kudos.Evaluated
	}
	moves, err := s.deps.History(ctx, kudos.Of(int64(u.ID), pocket), maxHistory)
	if err != nil {
		return fmt.Errorf("read the history of an account: %w", err)
	}
	if kind != "" && kind != "evaluation" {
		moves = slices.DeleteFunc(moves, func(m Movement) bool { return typeOf(m.Kind) != kind })
	}
	if len(moves) == 0 {
		return r.Reply(ctx, private(w.T("kudos.history.none")))
	}
	pages := int64((len(moves) + historyPage - 1) / historyPage)
	page := min(max(o.Int("page", 1), 1), pages)
	var out []string
	for _, m := range moves[(page-1)*historyPage : min(page*historyPage, int64(len(moves)))] {
		line, err := s.historyLine(ctx, w, m)
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

// historyLine is one movement, with a link to the message that a gift by emoji was for while that is remembered.
func (s *Set) historyLine(ctx context.Context, w words.Words, m Movement) (string, error) {
	sign := ""
	if m.Amount > 0 {
		sign = "+"
	}
	line := fmt.Sprintf("%s **%s%s** · %s", stamp(m.At), sign, m.Amount, w.T("kudos.kind."+kindName(m.Kind)))
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

// kindName names a kind of movement in texts.
func kindName(k kudos.Kind) string {
	switch k {
	case kudos.KindWelcome:
		return "welcome"
	case kudos.KindHold:
		return "hold"
	case kudos.KindRelease:
		return "release"
	case kudos.KindSettle:
		return "settle"
	case kudos.KindActivation:
		return "activation"
	case kudos.KindTransfer:
		return "transfer"
	case kudos.KindAward:
		return "award"
	case kudos.KindUptime:
		return "uptime"
	case kudos.KindPromotion:
		return "promotion"
	case kudos.KindMonthly:
		return "monthly"
	case kudos.KindStyle:
		return "style"
	case kudos.KindReserve:
		return "reserve"
	case kudos.KindClaim:
		return "claim"
	case kudos.KindReturn:
		return "return"
	default:
		return "other"
	}
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
