// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// Bounds of erasing prompts.
const (
	eraseEvery = pruneEvery // somebody's requests are looked at
	eraseBatch = 200        // requests that are looked at in one go
	eraseGoes  = 100        // goes through the requests of one person, and batches of persons, in one round
)

// erase takes somebody's own words out of a request: what the image should show and what not, a text to go on from, the
// text of a QR code, and descriptions. What was made, and what the buttons need besides, stays. It reports whether there was anything.
func (p *params) erase() bool {
	if p.Erased || p.Forms != nil { // those to alchemists have no words
		return false
	}
	p.Prompt, p.Negative, p.Alts, p.Erased = "", "", nil, true
	if p.Text != nil && p.Text.SoFar != "" {
		text := *p.Text
		text.SoFar = ""
		p.Text = &text
	}
	if p.Fine != nil && p.Fine.QR != "" {
		p.detail().QR = ""
	}
	return true
}

// name is what a list calls a request by.
func (p *params) name(w words.Words) string {
	if p.Erased {
		return w.T("privacy.noprompt")
	}
	return plain(p.Prompt)
}

// title is the first line of a result.
func (p *params) title(w words.Words) string {
	if p.Erased {
		return "*" + w.T("privacy.noprompt") + "*"
	}
	return "**" + shown(p.Prompt) + "**"
}

// retention is how long the prompts of a person's requests are kept, when they chose a time.
func (s *Set) retention(ctx context.Context, person string) (time.Duration, bool, error) {
	p, _, err := s.people.get(ctx, person)
	if err != nil {
		return 0, false, fmt.Errorf("settings of a person: %w", err)
	}
	span, chosen := p.Prompts.Span()
	return span, chosen, nil
}

// wantsErased reports whether somebody wants prompts of theirs erased earlier than the operator does.
func (s *Set) wantsErased(ctx context.Context, person string) bool {
	_, chosen, err := s.retention(ctx, person)
	return err == nil && chosen
}

// tooOld reports whether the words of a request that ends now are to be erased at once. When that cannot be told, the next
// round tells.
func (s *Set) tooOld(ctx context.Context, row chat.Message) bool {
	span, chosen, err := s.retention(ctx, row.Person)
	return err == nil && chosen && s.now().Sub(row.Created) >= span
}

// sweepPrompts erases what people want kept no longer. It looks at those who are due.
func (s *Set) sweepPrompts(ctx context.Context) {
	for range eraseGoes {
		list, err := s.erasures.due(ctx, s.now(), eraseBatch)
		if err != nil {
			if ctx.Err() == nil {
				s.log.Warn().Err(err).Msg("cannot tell whose prompts to erase")
			}
			return
		}
		for _, e := range list {
			n, err := s.erasePrompts(ctx, e.key)
			if err != nil {
				if ctx.Err() == nil {
					s.log.Warn().Err(err).Msg("cannot erase prompts yet")
				}
				return // the same would happen to the others
			}
			if n > 0 {
				s.log.Debug().Int("requests", n).Msg("prompts are erased")
			}
		}
		if len(list) < eraseBatch {
			return
		}
	}
}

// erasePrompts erases the prompts of one person that are kept for too long, and notes when to look again. It tells how many
// requests it changed.
func (s *Set) erasePrompts(ctx context.Context, person string) (erased int, err error) {
	span, chosen, err := s.retention(ctx, person)
	if err != nil {
		return 0, err
	}
	if !chosen {
		_, err := s.erasures.drop(ctx, person)
		return 0, err
	}
	done, _, err := s.erasures.get(ctx, person)
	if err != nil {
		return 0, err
	}
	before, from, until := s.now().Add(-span), done.Until, time.Time{}
	for range eraseGoes {
		rows, err := s.deps.Messages.MessagesBetween(ctx, person, from, before, eraseBatch)
		if err != nil {
			return erased, fmt.Errorf("requests of a person: %w", err)
		}
		for _, row := range rows {
			n, over, err := s.erasePrompt(ctx, row)
			if err != nil {
				return erased, err
			}
			erased += n
			if !over && until.IsZero() {
				until = row.Created // the next round begins here
			}
			from = row.Created
		}
		if len(rows) < eraseBatch {
			from = before
			break
		}
	}
	if until.IsZero() {
		until = from
	}
	_, err = s.erasures.change(ctx, person, about{person: person, due: s.now().Add(eraseEvery)}, func(e *chat.Erase) error {
		e.Until = until
		return nil
	})
	return erased, err
}

// erasePrompt erases the words of one request. over says that nothing is left to do about it.
func (s *Set) erasePrompt(ctx context.Context, row chat.Message) (n int, over bool, err error) {
	if row.Open {
		return 0, false, nil
	}
	var p params
	if isGone(row) {
		return 0, true, nil
	}
	if err := json.Unmarshal(row.Params, &p); err != nil {
		return 0, true, nil //nolint:nilerr // what cannot be read is of no use to anybody, and goes with its row
	}
	if !p.erase() {
		return 0, true, nil
	}
	done, err := s.replaceParams(ctx, &row, &p)
	if err != nil || !done { // somebody changed it in this moment
		return 0, false, err
	}
	return 1, true, nil
}

// keepPrompts is a person's choice of how long their prompts are kept. It holds at once, for older requests too.
func (s *Set) keepPrompts(ctx context.Context, person string, choice chat.Retention) (p chat.Person, erased int, err error) {
	p, err = s.changePerson(ctx, person, func(p *chat.Person) error {
		p.Prompts = choice
		return nil
	})
	if err != nil {
		return p, 0, err
	}
	// It begins anew: a shorter time concerns requests that the longer one left alone, and a restart in between goes on.
	_, err = s.erasures.change(ctx, person, about{person: person, due: s.now()}, func(e *chat.Erase) error {
		e.Until = time.Time{}
		return nil
	})
	if err != nil {
		return p, 0, fmt.Errorf("note whose prompts to erase: %w", err)
	}
	erased, err = s.erasePrompts(ctx, person)
	return p, erased, err
}

// retentionSelect lets somebody choose.
func (s *Set) retentionSelect(w words.Words, p chat.Person) *discord.Select {
	days := int(s.opts.Keep / (24 * time.Hour))
	sel := &discord.Select{CustomID: privacyID("prompts"), Placeholder: w.T("privacy.prompts")}
	sel.Options = append(sel.Options, discord.SelectOption{Label: w.T("privacy.keep", "Count", days), Value: unset, Default: p.Prompts == ""})
	for _, r := range chat.Retentions(s.opts.Keep) {
		sel.Options = append(sel.Options, discord.SelectOption{Label: sayRetention(w, r), Value: string(r), Default: r == p.Prompts})
	}
	return sel
}

func sayRetention(w words.Words, r chat.Retention) string {
	if span, _ := r.Span(); span > 0 {
		return w.T("privacy.keep", "Count", int(span/(24*time.Hour)))
	}
	return w.T("privacy.keepnone")
}
