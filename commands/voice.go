// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"strings"
	"time"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// modelShown is how many characters of a model's name stand in a suggestion, beside how busy it is.
const modelShown = 60

// voice says things about requests in one language. Texts of people and workers are escaped before they come here.
type voice struct{ words.Words }

// voiceOf is the language that a request's message is in, whoever reads it later.
func (s *Set) voiceOf(p *params) voice { return voice{s.bundle.For(p.Locale)} }

// queued says where a request stands; ready is a countdown, or that it is soon.
func (v voice) queued(position int, ready string) string {
	switch {
	case position <= 0:
		return v.T("request.queued", "Ready", ready)
	case position == 1:
		return v.T("request.next", "Ready", ready)
	}
	return v.T("request.queuedat", "Position", position, "Ready", ready)
}

// working says how far what is being made is; step of steps is what a worker tells, 0 of 0 when it tells nothing.
func (v voice) working(p horde.Progress, amount int, ready string, step, steps int) string {
	if steps > 0 {
		ready += " · " + v.T("request.step", "Step", step, "Steps", steps)
	}
	if amount == 1 {
		return v.T("request.working", "Ready", ready)
	}
	parts := []string{v.T("request.done", "Made", p.Finished, "Amount", amount)}
	if p.Processing > 0 {
		parts = append(parts, v.T("request.making", "Amount", p.Processing))
	}
	if p.Waiting > 0 {
		parts = append(parts, v.T("request.waiting", "Amount", p.Waiting))
	}
	return v.T("request.several", "Parts", strings.Join(parts, ", "), "Ready", ready)
}

// impossible explains that nobody can serve a request; why is the core's sentence.
func (v voice) impossible(why string, expiry time.Time) string {
	return v.T("request.impossible", "Why", upperFirst(why), "Expiry", stamp(expiry))
}

func (v voice) cancelledBy(person string) string {
	return v.T("request.cancelledby", "Who", mention(person))
}

func (v voice) spent(a kudos.Amount) string { return v.T("request.spent", "Kudos", kudosWord(a)) }

// origin links to what an image was made from, where anybody can go there.
func (v voice) origin(p *params) []string {
	if p.After == "" {
		return nil
	}
	return []string{"[" + v.T("request.after") + "](" + p.After + ")"}
}

func (v voice) some(made, asked int) string {
	return v.T("request.some", "Made", made, "Count", asked)
}

func (v voice) refused(said string) string { return "🙅 " + said }

// opened is the one line about an account that was opened on the way.
func (v voice) opened(balance kudos.Amount, login string) string {
	return v.T("request.opened", "Kudos", kudosWord(balance), "Login", login)
}

func (v voice) seeds(seeds []string) string {
	if len(seeds) == 1 {
		return v.T("request.seed", "Seed", seeds[0])
	}
	return v.T("request.seeds", "Seeds", strings.Join(seeds, ", "))
}

// altOf describes one image of a request: in somebody's words, by the prompt, or, when that is not to be repeated, by the
// style.
func (v voice) altOf(p *params, number int) string {
	switch {
	case p.Alts[number] != "":
		return p.Alts[number]
	case !p.NoAlt:
		return v.alt(discord.Clip(plain(p.Prompt), promptShown))
	case p.Styled != nil:
		return v.alt(discord.Clip(plain(p.Styled.Name), promptShown))
	}
	return v.alt("")
}

// alt describes an image to those who do not see it. Without a prompt it says only what made it.
func (v voice) alt(prompt string) string {
	if prompt == "" {
		return v.T("request.altblank")
	}
	return v.T("request.alt", "Prompt", prompt)
}

// balance tells what somebody has, and what of it they cannot give away.
func (v voice) balance(u horde.User) string {
	text := v.T("profile.balance", "Kudos", kudosWord(u.Balance))
	if u.Available() != u.Balance {
		text = v.T("profile.balancefree", "Kudos", kudosWord(u.Balance), "Free", max(u.Available(), 0).String())
	}
	if u.Held != 0 {
		text += "\n-# " + v.T("profile.held", "Kudos", kudosWord(u.Held))
	}
	if u.Evaluated != 0 {
		text += "\n-# " + v.T("profile.evaluated", "Kudos", kudosWord(u.Evaluated))
	}
	return text
}

// model is one line of the model suggestions.
func (v voice) model(m horde.ModelStatus) string {
	name := discord.Clip(m.Name, modelShown)
	switch {
	case m.Threads == 0:
		return v.T("request.model.away", "Model", name)
	case m.Jobs == 0:
		return v.T("request.model.free", "Model", name, "Workers", m.Threads)
	}
	return v.T("request.model.waiting", "Model", name, "Workers", m.Threads, "Count", m.Jobs, "Wait", span(time.Duration(m.ETA)*time.Second))
}
