// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
	"stablemate/ratings"
)

// What was said of one's own images travels in the buttons: for each image a rating (1 to 9, x for ten) and its artifacts
// (0 to 5), or two dashes for one that was skipped; then, when there are several best ones, a b and the number of the best
// or a dash. It is no authority over anything but the presser's own opinion.
const (
	ownTen     = 'x'
	ownSkipped = "--"
	ownBest    = 'b'
	ownNone    = "-"
)

// mayRateOwn reports whether the images of a result can be rated by who asked for them.
func (s *Set) mayRateOwn(row chat.Message, st horde.Status, shown int) bool {
	return s.deps.Ratings != nil && st.Shared && st.Done && shown > 0 && row.Request != ""
}

// rateSetButton opens the panel for one's own images.
func (s *Set) rateSetButton(row chat.Message, p params) discord.Button {
	label := s.bundle.For(p.Locale).T("rate.button")
	return button(label, "📊", verbRateSet, strings.TrimPrefix(row.Key, keyPrefix), discord.Secondary)
}

// ownSet finds the images of the request behind a button. The presser must be who asked for them.
func (s *Set) ownSet(ctx context.Context, in *discord.Interaction) (horde.RatedSet, Effective, error) {
	e, err := s.effective(ctx, in)
	if err != nil {
		return horde.RatedSet{}, e, err
	}
	if err := e.admit(""); err != nil {
		return horde.RatedSet{}, e, err
	}
	row, ok, err := s.deps.Messages.MessageByKey(ctx, keyOf(in.Component.ID.ID))
	switch {
	case err != nil:
		return horde.RatedSet{}, e, fmt.Errorf("find message: %w", err)
	case !ok:
		return horde.RatedSet{}, e, errOldButton
	case row.Person != in.User.ID:
		return horde.RatedSet{}, e, tell(e.say.T("rate.own.nobody"))
	}
	id, err := horde.ParseUUID(row.Request)
	if err != nil {
		return horde.RatedSet{}, e, tellPlain("request.gone")
	}
	set, err := s.engine.RatedSet(horde.RequestID{UUID: id})
	return set, e, err
}

func (s *Set) pressRateSet(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	set, e, err := s.ownSet(ctx, in)
	if err != nil {
		return err
	}
	m, err := s.ownPanel(ctx, e, in.Component.ID.ID, &set, "")
	if err != nil {
		return err
	}
	m.Ephemeral = true
	return r.Reply(ctx, m)
}

func (s *Set) pressRateOwn(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	set, e, err := s.ownSet(ctx, in)
	if err != nil {
		return err
	}
	said := in.Component.ID.Arg
	own, complete, err := readOwn(&set, said)
	if err != nil {
		return err
	}
	if !complete {
		m, err := s.ownPanel(ctx, e, in.Component.ID.ID, &set, said)
		if err != nil {
			return err
		}
		m.KeepFiles = len(said)%2 == 1 // the same image, for its artifacts
		if m.KeepFiles {
			m.Files = nil
		}
		return r.Update(ctx, m)
	}
	switch {
	case !set.Done:
		return tell(e.say.T("rate.own.unfinished"))
	case !set.Shared:
		return tell(e.say.T("rate.own.private"))
	case len(own.Ratings) == 0 && own.Best.IsZero():
		return r.Update(ctx, discord.Message{Content: e.say.T("rate.own.empty")})
	}
	own.Client, own.Guild = ratingsAgent, in.GuildID
	reward, err := s.deps.Ratings.RateOwn(ctx, own)
	if refusal, ok := errors.AsType[*horde.Error](err); ok && refusal.Code == horde.CodeAestheticsAlreadyExist {
		return r.Update(ctx, discord.Message{Content: e.say.T("rate.own.already")})
	}
	if err != nil {
		return err
	}
	text := e.say.T("rate.own.free")
	if reward > 0 {
		text = e.say.T("rate.own.done", "Kudos", thanks(e.say, reward))
	}
	return r.Update(ctx, discord.Message{Content: text})
}

// ownPanel asks the next question about one's own images.
func (s *Set) ownPanel(ctx context.Context, e Effective, id string, set *horde.RatedSet, said string) (discord.Message, error) {
	w := e.say
	switch {
	case !set.Done:
		return discord.Message{}, tell(w.T("rate.own.unfinished"))
	case !set.Shared:
		return discord.Message{}, tell(w.T("rate.own.private"))
	case len(set.Images) == 0 || len(set.Images) > maxAmount:
		return discord.Message{}, tellPlain("request.gone")
	}
	next := func(label, more string, style discord.ButtonStyle) discord.Button {
		return discord.Button{
			Label: discord.Clip(label, discord.MaxLabel), Style: style,
			CustomID: discord.CustomID{Verb: verbRateOwn, ID: id, Arg: said + more}.String(),
		}
	}
	at := len(said) / 2
	if at >= len(set.Images) {
		var rows []discord.Row
		for i, n := range tied(set, said) {
			if i%discord.MaxButtons == 0 {
				rows = append(rows, discord.Row{})
			}
			last := &rows[len(rows)-1]
			last.Buttons = append(last.Buttons, next(strconv.Itoa(n+1), string(ownBest)+strconv.Itoa(n), discord.Primary))
		}
		rows = append(rows, discord.Row{Buttons: []discord.Button{next(w.T("rate.own.none"), string(ownBest)+ownNone, discord.Secondary)}})
		return discord.Message{Content: w.T("rate.own.best"), Components: rows}, nil
	}
	if len(said)%2 == 1 {
		rating := ownRating(said[len(said)-1])
		return discord.Message{
			Content: w.T("rate.chosen", "Rating", rating),
			Components: artifactRows(w, func(label string, n int) discord.Button {
				return next(label, strconv.Itoa(n), discord.Primary)
			}),
		}, nil
	}
	data, err := s.deps.Images.Read(ctx, set.Images[at].Blob, maxImage)
	if err != nil {
		return discord.Message{}, tellPlain("request.gone")
	}
	kind, ending := imageKind(data)
	rows := ratingRows(func(n int) discord.Button {
		mark := strconv.Itoa(n)
		if n == horde.MaxRating {
			mark = string(ownTen)
		}
		return next(strconv.Itoa(n), mark, discord.Primary)
	})
	return discord.Message{
		Content: w.T("rate.own.ask", "Place", at+1, "Images", len(set.Images)),
		Files: []discord.File{{
			Name: "rate-" + strconv.Itoa(at+1) + ending, ContentType: kind, Data: data, Description: w.T("rate.alt"), Spoiler: e.spoiler,
		}},
		Components: append(rows, discord.Row{Buttons: []discord.Button{next(w.T("rate.skip"), ownSkipped, discord.Secondary)}}),
	}, nil
}

// ownRating reads one mark; 0 for what is none.
func ownRating(mark byte) int {
	switch {
	case mark == ownTen:
		return horde.MaxRating
	case mark >= '1' && mark <= '9':
		return int(mark - '0')
	}
	return 0
}

// tied lists the images that may be the best: those rated highest, or all when none was rated.
func tied(set *horde.RatedSet, said string) (out []int) {
	most := 0
	for i := range set.Images {
		most = max(most, ownRating(said[2*i]))
	}
	for i := range set.Images {
		if ownRating(said[2*i]) == most {
			out = append(out, i)
		}
	}
	return out
}

// readOwn reads what was said. complete is false while there is something to ask.
func readOwn(set *horde.RatedSet, said string) (own ratings.OwnSet, complete bool, err error) {
	own.Request = set.Request
	images := len(set.Images)
	body, best, named := strings.Cut(said, string(ownBest))
	if len(body) > 2*images || named && len(body) != 2*images {
		return own, false, errOldButton
	}
	for i := 0; i+1 < len(body); i += 2 {
		if body[i:i+2] == ownSkipped {
			continue
		}
		rating, artifacts := ownRating(body[i]), int(body[i+1])-'0'
		if rating == 0 || artifacts < 0 || artifacts > horde.MaxArtifacts {
			return own, false, errOldButton
		}
		own.Ratings = append(own.Ratings, horde.Rating{Generation: set.Images[i/2].Generation, Rating: rating, Artifacts: artifacts})
	}
	switch {
	case len(body)%2 == 1 && ownRating(body[len(body)-1]) == 0:
		return own, false, errOldButton
	case len(body) < 2*images:
		return own, false, nil
	case !named:
		// Only somebody who rated several alike, or none of several, has to say which is the best.
		return own, images == 1 || len(tied(set, body)) == 1, nil
	case best == ownNone:
		return own, true, nil
	}
	n, err := strconv.Atoi(best)
	if err != nil || n < 0 || n >= images {
		return own, false, errOldButton
	}
	own.Best = set.Images[n].Generation
	return own, true, nil
}
