// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/origin"
)

// reviewTime is how long somebody waits at most for an operator to look.
const reviewTime = 10 * 365 * 24 * time.Hour

// strikesAtOnce is how many old strikes are forgotten in one round.
const strikesAtOnce = 500

// blame is whom a refusal falls on.
type blame struct {
	guild, person string
	from          origin.Origin
}

// blamed follows up on a refusal by the core: a prompt that the filter refuses for good is a strike on its person. The core
// pauses the address for a few minutes itself; here it adds up for a month. err comes back in the words of the person.
func (s *Set) blamed(ctx context.Context, w words.Words, b blame, err error) error {
	refusal, refused := errors.AsType[*horde.Error](err)
	if !refused || refusal.Code != horde.CodeCorruptPrompt || s.engine.TimedOut(b.from) == 0 {
		return err // of the refusals with this code, only those for good leave a mark
	}
	ban, n, failed := s.strike(ctx, b)
	if failed != nil {
		s.log.Error().Err(failed).Msg("cannot note a strike")
		return err
	}
	text := w.T("strikes.warning", "Count", n)
	switch {
	case ban.Review:
		text = w.T("strikes.review", "Count", n)
	case !ban.Until.IsZero():
		text = w.T("strikes.paused", "Count", n, "Until", stamp(ban.Until))
	}
	return tell(lines(s.refusal(w, refusal), text))
}

// strike notes a strike, pauses its person as they have earned it, takes back what waits for them, and tells who has to
// know.
func (s *Set) strike(ctx context.Context, b blame) (ban chat.Ban, n int, err error) {
	now, person, guild := s.now(), b.person, b.guild
	_, err = s.strikes.change(ctx, person, about{due: now.Add(chat.StrikeLife)}, func(v *chat.Strikes) error {
		v.At = slices.Clone(v.At)
		n = v.Add(now)
		return nil
	})
	if err != nil {
		return ban, n, fmt.Errorf("note a strike: %w", err)
	}
	if span, review := chat.StrikePause(n); span > 0 || review {
		ban = chat.Ban{Person: person, Since: now, Until: now.Add(span), Review: review}
		if review {
			ban.Until = now.Add(reviewTime)
		}
		ban, err = s.network.bans.change(ctx, chat.BanKey(person, ""), about{}, func(v *chat.Ban) error {
			if v.Until.Before(ban.Until) { // what operators decided for longer stays
				*v = ban
			}
			return nil
		})
		if err != nil {
			return ban, n, fmt.Errorf("pause somebody: %w", err)
		}
	}
	s.cancelAllOf(ctx, person)
	said := func(w words.Words) string {
		switch {
		case ban.Review:
			return w.T("strikes.state.review")
		case !ban.Until.IsZero():
			return w.T("strikes.state.paused", "Until", stamp(ban.Until))
		}
		return w.T("strikes.state.warned")
	}
	if guild != "" {
		s.logTo(ctx, guild, func(w words.Words) string {
			return w.T("strikes.log", "Person", mention(person), "Count", n, "State", said(w))
		})
	}
	if s.opts.OperatorGuild != "" && s.opts.OperatorGuild != guild {
		s.logTo(ctx, s.opts.OperatorGuild, func(w words.Words) string {
			return lines(w.T("strikes.operators", "Person", mention(person), "From", b.from.String(), "Count", n, "State", said(w)))
		})
	}
	s.log.Warn().Int("strikes", n).Str("from", b.from.String()).Msg("somebody has a strike for a refused prompt")
	if guild != "" {
		if err := s.stormy(ctx, guild, person); err != nil {
			return ban, n, err
		}
	}
	return ban, n, nil
}

// stormy counts who has strikes in a guild. Many different people cost it anonymous use, then images, for a day: the others
// of the network are not concerned.
func (s *Set) stormy(ctx context.Context, guild, person string) error {
	now, worse := s.now(), false
	storm, err := s.storms.change(ctx, guild, about{due: now.Add(2 * chat.StormSpan)}, func(v *chat.Storm) error {
		worse = v.Add(person, now)
		return nil
	})
	if err != nil {
		return fmt.Errorf("note who has strikes in a guild: %w", err)
	}
	if !worse {
		return nil
	}
	key := "strikes.storm.anonymous"
	if storm.Level >= chat.StormImages {
		key = "strikes.storm.images"
	}
	s.logTo(ctx, guild, func(w words.Words) string {
		return w.T(key, "Count", len(storm.People), "Until", stamp(storm.Until))
	})
	if s.opts.OperatorGuild != "" && s.opts.OperatorGuild != guild {
		s.logTo(ctx, s.opts.OperatorGuild, func(w words.Words) string {
			return w.T("strikes.storm.operators", "Guild", "`"+guild+"`", "Text", w.T(key, "Count", len(storm.People), "Until", stamp(storm.Until)))
		})
	}
	s.log.Warn().Str("guild", guild).Int("people", len(storm.People)).Msg("many people of a guild have strikes")
	return nil
}

// stormAt takes from what holds in a guild what it lost.
func (s *Set) stormAt(ctx context.Context, e *Effective) error {
	if e.guild == "" {
		return nil
	}
	storm, _, err := s.storms.get(ctx, e.guild)
	if err != nil {
		return fmt.Errorf("read who has strikes in a guild: %w", err)
	}
	level := storm.At(s.now())
	e.strange = e.strange && level < chat.StormAnonymous
	if level >= chat.StormImages {
		e.storm = storm.Until
	}
	return nil
}

// cancelAllOf takes back what waits for somebody here. What is being made is theirs.
func (s *Set) cancelAllOf(ctx context.Context, person string) {
	for _, f := range s.follow.of(person) {
		if f.request.IsZero() {
			continue
		}
		row, found, err := s.deps.Messages.MessageByKey(ctx, f.key)
		var p params
		if err != nil || !found || json.Unmarshal(row.Params, &p) != nil {
			continue
		}
		undo := s.follow.cancelling(f.key, person)
		if done, err := s.cancel(ctx, p, f.request); err != nil || done {
			undo() // it has just ended
		}
	}
}

// sweepStrikes forgets strikes that are old.
func (s *Set) sweepStrikes(ctx context.Context) {
	now := s.now()
	strikes, err := s.strikes.due(ctx, now, strikesAtOnce)
	for _, e := range strikes {
		if err == nil {
			err = s.strikes.dropDue(ctx, e.key, now)
		}
	}
	storms, failed := s.storms.due(ctx, now, strikesAtOnce)
	for _, e := range storms {
		if failed == nil {
			failed = s.storms.dropDue(ctx, e.key, now)
		}
	}
	if err := errors.Join(err, failed); err != nil && ctx.Err() == nil {
		s.log.Warn().Err(err).Msg("cannot forget old strikes")
	}
}

// pardon forgets the strikes of a person, or of the people of a guild, as operators let them in again. It reports whether
// there were any.
func (s *Set) pardon(ctx context.Context, guild, person string) (bool, error) {
	var there bool
	var err error
	if person != "" {
		there, err = s.strikes.drop(ctx, person)
	} else {
		there, err = s.storms.drop(ctx, guild)
	}
	if err != nil {
		return false, fmt.Errorf("forget strikes: %w", err)
	}
	return there, nil
}

// strikeRows tell operators what counts against a person or a guild.
func (s *Set) strikeRows(ctx context.Context, w words.Words, guild, person string) ([]string, error) {
	if person != "" {
		v, _, err := s.strikes.get(ctx, person)
		if n := v.Live(s.now()); err == nil && n > 0 {
			return []string{w.T("strikes.count", "Count", n)}, nil
		}
		return nil, err
	}
	v, _, err := s.storms.get(ctx, guild)
	if err != nil {
		return nil, err
	}
	args := []any{"Count", len(v.People), "Until", stamp(v.Until)}
	switch v.At(s.now()) {
	case chat.StormImages:
		return []string{w.T("strikes.storm.images", args...)}, nil
	case chat.StormAnonymous:
		return []string{w.T("strikes.storm.anonymous", args...)}, nil
	case chat.StormNone:
	}
	return nil, nil
}
