// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// Bounds of the leaderboard.
const (
	boardTop  = 10
	boardTime = time.Minute // ranks that had to be counted are that old at most
)

// Rank is how much an account has of what a Board compares.
type Rank struct {
	User   horde.UserID
	N      int64 // hundredths of kudos, results or ratings
	Hidden bool  // it wants no place on the list of ratings
}

// Board is what a leaderboard compares. The names are options of the command.
type Board string

// The boards.
const (
	BoardBalance   Board = "balance"
	BoardGiven     Board = "given"
	BoardReceived  Board = "received"
	BoardGenerated Board = "generated"
	BoardRated     Board = "rated"
)

// boards lists what people are compared by.
func (s *Set) boards() []string {
	all := []string{string(BoardBalance), string(BoardGiven), string(BoardReceived), string(BoardGenerated)}
	if s.deps.Ratings != nil {
		all = append(all, string(BoardRated))
	}
	return all
}

// periods are the spans of leaderboards; the first is all of time.
func periods() []string { return []string{"ever", "month", "week", "day"} }

// sinceOf is when a period began; zero for all of time.
func sinceOf(period string, now time.Time) time.Time {
	days := map[string]int{"month": 30, "week": 7, "day": 1}[period]
	if days == 0 {
		return time.Time{}
	}
	return now.AddDate(0, 0, -days)
}

// score is what an account has on a board in all of time; ok is false where the store has to say it.
func score(board Board, u *horde.User) (n int64, ok bool) {
	switch board {
	case BoardBalance:
		return int64(u.Balance), true
	case BoardGiven:
		return int64(givenBy(u)), true
	case BoardReceived:
		return int64(u.Details.Received), true
	case BoardGenerated:
		return u.Image.Fulfilments + u.Text.Fulfilments + u.Alchemy.Fulfilments, true
	case BoardRated:
	}
	return 0, false
}

// ranking keeps ranks that had to be counted for a while. There are no more of them than boards and periods.
type ranking struct {
	mu   sync.Mutex // guards kept
	kept map[string]keptRanks
}

type keptRanks struct {
	ranks []Rank
	at    time.Time
}

// ranks lists who has what on a board, most first.
func (s *Set) ranks(ctx context.Context, board Board, period string) ([]Rank, error) {
	now := s.now()
	since := sinceOf(period, now)
	if _, ok := score(board, &horde.User{}); ok && (since.IsZero() || board == BoardBalance) {
		var out []Rank
		for _, u := range s.engine.Users() {
			if n, _ := score(board, &u); n > 0 {
				out = append(out, Rank{User: u.ID, N: n})
			}
		}
		return out, nil
	}
	key := string(board) + period
	s.ranking.mu.Lock()
	k, ok := s.ranking.kept[key]
	s.ranking.mu.Unlock()
	if ok && now.Sub(k.at) < boardTime && !now.Before(k.at) {
		return k.ranks, nil
	}
	ranks, err := s.deps.Ranks(ctx, board, since)
	if err != nil {
		return nil, fmt.Errorf("read the leaderboard: %w", err)
	}
	s.ranking.mu.Lock()
	defer s.ranking.mu.Unlock()
	s.ranking.kept[key] = keptRanks{ranks, now}
	return ranks, nil
}

// leader is a line of a leaderboard.
type leader struct {
	user   horde.User
	n      int64
	hidden bool
}

func (s *Set) leaderboard(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, o := s.sayAloud(in), in.Command.Options
	board := Board(o.String("board"))
	if !slices.Contains(s.boards(), string(board)) {
		board = BoardBalance
	}
	period := o.String("period")
	if !slices.Contains(periods(), period) || board == BoardBalance {
		period = periods()[0]
	}
	scope := "horde"
	if o.String("scope") == "guild" {
		scope = "guild"
	}
	if scope == "guild" && in.GuildID == "" {
		return tell(s.say(in).T("common.guildonly"))
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	hidden := e.answers == chat.AnswersPrivate
	if err := r.Defer(ctx, hidden); err != nil {
		return err
	}
	leaders, err := s.leaders(ctx, in, board, period, scope == "guild")
	if err != nil {
		return err
	}
	title := []string{w.T("kudos.board." + string(board)), w.T("kudos.scope." + scope)}
	if period != periods()[0] {
		title = append(title, w.T("kudos.period."+period))
	}
	lines := make([]string, 0, boardTop+1)
	for i := range leaders[:min(len(leaders), boardTop)] {
		line, err := s.leaderLine(ctx, w, board, i+1, &leaders[i])
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	mine, _ := s.find(in.User.ID)
	if i := slices.IndexFunc(leaders, func(l leader) bool { return l.user.ID == mine.ID }); i >= boardTop {
		line, err := s.leaderLine(ctx, w, board, i+1, &leaders[i])
		if err != nil {
			return err
		}
		lines = append(lines, "…", line)
	}
	if len(lines) == 0 {
		lines = append(lines, w.T("kudos.noboard"))
	}
	return r.Reply(ctx, discord.Message{Ephemeral: hidden, Embeds: []discord.Embed{{
		Title: strings.Join(title, " · "), Color: embedColor, Description: discord.Clip(strings.Join(lines, "\n"), discord.MaxEmbedDescription),
		Footer: w.T("kudos.boardfooter"),
	}}})
}

// leaders lists the accounts of a board, best first.
func (s *Set) leaders(ctx context.Context, in *discord.Interaction, board Board, period string, guild bool) ([]leader, error) {
	ranks, err := s.ranks(ctx, board, period)
	if err != nil {
		return nil, err
	}
	var known []string
	if guild {
		if known, err = s.knownIn(ctx, in.GuildID); err != nil {
			return nil, err
		}
	}
	var out []leader
	for _, rank := range ranks {
		u, ok := s.engine.User(rank.User)
		if !ok || u.ID == horde.Anonymous || u.Wiped() || u.Has(horde.RoleDeleted) {
			continue
		}
		if person, _ := personOf(u); guild && person != in.User.ID {
			if _, here := slices.BinarySearch(known, person); !here {
				continue
			}
		}
		out = append(out, leader{user: u, n: rank.N, hidden: rank.Hidden})
	}
	slices.SortFunc(out, func(a, b leader) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.user.ID, b.user.ID)) })
	return out, nil
}

// leaderLine is a place on a board. Who does not want to be named is not.
func (s *Set) leaderLine(ctx context.Context, w words.Words, board Board, place int, l *leader) (string, error) {
	hidden := l.hidden
	if person, ok := personOf(l.user); ok {
		p, _, err := s.people.get(ctx, person)
		if err != nil {
			return "", fmt.Errorf("settings of a person: %w", err)
		}
		hidden = hidden || p.Unlisted
	}
	name := escape(l.user.Alias())
	if hidden {
		name = "*" + w.T("kudos.hidden") + "*"
	}
	shown := kudos.Amount(l.n).String()
	switch board {
	case BoardGenerated:
		shown = w.T("kudos.results", "Count", l.n)
	case BoardRated:
		shown = w.T("kudos.ratings", "Count", l.n)
	case BoardBalance, BoardGiven, BoardReceived:
	}
	return fmt.Sprintf("%d. %s · **%s**", place, name, shown), nil
}
