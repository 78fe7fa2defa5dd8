// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"errors"
	"slices"
	"strings"
	"time"

	"stablemate/horde/filter"
)

// maxRejectedPrompt is how much of a refused prompt is kept, in bytes.
const maxRejectedPrompt = 4000

// Rejected is a prompt that was refused, kept for operators to look at. No door shows it.
type Rejected struct {
	At     time.Time `json:"at"`
	User   UserID    `json:"user"`
	Origin string    `json:"origin,omitempty"`
	Client string    `json:"client,omitempty"`
	Reason string    `json:"reason"`
	Prompt string    `json:"prompt"`
	Models []string  `json:"models,omitempty"`
}

// Rejected lists refused prompts, the oldest first.
func (s *State) Rejected() []Rejected {
	out := make([]Rejected, 0, len(s.guard.rejected.pages))
	for _, id := range s.guard.rejected.ids() {
		out = append(out, *s.guard.rejected.pages[id])
	}
	slices.SortStableFunc(out, func(a, b Rejected) int { return a.At.Compare(b.At) })
	return out
}

// countTagModel is the one model meant for nudity whose prompts need tags that count people.
const countTagModel = "Hentai Diffusion"

// judge holds the prompt of an image request against the filter, and rewrites it where it may. What it refuses because
// both contexts meet leaves a mark on whoever asked: that refusal alone writes.
func (s *State) judge(c *Change, u *User, n *NewImage) error {
	set := s.guard.set
	if set == nil {
		return nil
	}
	if !set.Score(n.Image.Prompt).Blocked() {
		prompt, err := s.tame(u, n.Models, n.Image.Prompt)
		if err == nil {
			n.Image.Prompt = prompt
		}
		return err
	}
	if n.KeepPrompt && !u.Has(RoleEducation) {
		return s.reject(c, u, n, "both contexts")
	}
	prompt, err := set.Replace(n.Image.Prompt, s.replacing(u, n.Models))
	switch {
	case errors.Is(err, filter.ErrTooLong):
		return errTooLongToRewrite()
	case err != nil:
		return s.reject(c, u, n, "both contexts, cannot be rewritten")
	}
	n.Image.Prompt = prompt
	return nil
}

// tame rewrites a prompt that speaks of young people where the model is meant for nudity, and every prompt of a flagged
// account. Its refusals leave no mark, so that nobody learns the filter's words from what these models refuse.
func (s *State) tame(u *User, models []string, prompt string) (string, error) {
	set, how := s.guard.set, s.replacing(u, models)
	if set == nil || !how.Adults || !u.Has(RoleFlagged) && !set.Young(prompt, how) {
		return prompt, nil
	}
	out, err := set.Replace(prompt, how)
	switch {
	case errors.Is(err, filter.ErrTooLong):
		return "", errTooLongToRewrite()
	case err != nil:
		return "", refuse(CodeCorruptPrompt, "the safety filter refuses this prompt: with this model or account it could make unethical images")
	}
	return out, nil
}

// replacing says how a prompt of an account for some models is rewritten.
func (s *State) replacing(u *User, models []string) filter.Options {
	return filter.Options{
		Adults:    u.Has(RoleFlagged) || slices.ContainsFunc(models, func(m string) bool { return s.model(m).NSFW }),
		CountTags: len(models) == 1 && models[0] == countTagModel,
	}
}

func errTooLongToRewrite() error {
	return refuse(CodeBadRequest, "the prompt before ### has to be rewritten by the safety filter, and is too long for it: at most %d characters",
		filter.MaxReplaceable)
}

// reject refuses a prompt, keeps it for the operators and holds it against the person and the origin. Moderators, who
// try the filter out, leave no mark.
func (s *State) reject(c *Change, u *User, n *NewImage, reason string) error {
	if u.Has(RoleModerator) {
		return refuse(CodeCorruptPrompt, "the safety filter refuses this prompt; others would be reported for it")
	}
	s.suspect(c, u, nil, ReasonCorruptPrompt)
	s.archive(c, Rejected{
		At: c.Now, User: u.ID, Origin: n.Origin.String(), Client: n.Client, Reason: reason,
		Prompt: strings.ToValidUTF8(n.Image.Prompt[:min(len(n.Image.Prompt), maxRejectedPrompt)], ""), Models: n.Models,
	})
	s.strike(c, n.Origin)
	s.proxied(c, n.Service)
	return refuse(CodeCorruptPrompt, "the safety filter refuses this prompt; it has been reported to the operators of this horde")
}

// archive keeps a refused prompt; the oldest makes room.
func (s *State) archive(c *Change, r Rejected) {
	b := &s.guard.rejected
	if len(b.pages) >= MaxRejected {
		oldest := ""
		for _, id := range b.ids() {
			if oldest == "" || b.pages[id].At.Before(b.pages[oldest].At) {
				oldest = id
			}
		}
		b.drop(c, oldest)
	}
	b.put(c, c.IDs.UUID().String(), &r)
}
