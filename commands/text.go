// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/origin"
	"stablemate/internal/discord"
)

// Bounds of a request for texts.
const (
	maxTextPrompt  = 6000 // characters
	usualLength    = 200  // tokens
	leastContext   = 1024 // tokens
	charsPerToken  = 3    // a careful guess, for the room a prompt needs
	maxTexts       = 4
	shortText      = 1200 // characters that stand in the message itself
	longText       = 3800 // characters that stand in a frame below it; what is longer is a file
	maxTextSoFar   = 100_000
	textPreview    = 600
	maxTemperature = 5.0
)

// Verbs of the buttons of texts.
const (
	verbContinue = "ct"
	verbEdit     = "ed"
)

// Formats of a prompt.
const (
	formatRaw      = "raw"
	formatInstruct = "instruct"
	formatChat     = "chat"
)

// textAsk is a request for texts.
type textAsk struct {
	Length      int      `json:"length"` // tokens to write, at most
	Temperature *float64 `json:"temperature,omitempty"`
	Format      string   `json:"format,omitempty"`
	SoFar       string   `json:"so_far,omitempty"` // what was written before, to go on from

	Details map[string]float64 `json:"details,omitempty"` // of sampling, see textDetails
}

// textFamily is /text and what stands under its answers.
func (s *Set) textFamily() family {
	d := func(key string) (string, map[string]string) { return s.bundle.For("en").T(key), s.bundle.Locales(key) }
	desc, others := d("text.desc")
	spec := discord.CommandSpec{Name: "text", Description: desc, Descriptions: others, DMs: true, UserInstall: true, Options: []discord.OptionSpec{
		s.optionOf("text.optprompt", discord.OptionSpec{
			Name: "prompt", Type: discord.OptionString, Required: true, MinLength: new(1), MaxLength: new(maxTextPrompt),
		}),
		s.optionOf("text.optmodel", discord.OptionSpec{Name: "model", Type: discord.OptionString, Autocomplete: true, MaxLength: new(maxModel)}),
		s.optionOf("image.optstyle", discord.OptionSpec{Name: "style", Type: discord.OptionString, Autocomplete: true, MaxLength: new(2 * horde.MaxStyleName)}),
		s.optionOf("text.optlength", discord.OptionSpec{
			Name: "length", Type: discord.OptionInteger, Min: new(float64(horde.MinTextLength)), Max: new(float64(horde.MaxTextLength)),
		}),
		s.optionOf("text.opttemperature", discord.OptionSpec{Name: "temperature", Type: discord.OptionNumber, Min: new(0.0), Max: new(maxTemperature)}),
		s.optionOf("text.optamount", discord.OptionSpec{Name: "amount", Type: discord.OptionInteger, Min: new(1.0), Max: new(float64(maxTexts))}),
		s.optionOf("text.optformat", discord.OptionSpec{Name: "format", Type: discord.OptionString, Choices: []discord.Choice{
			{Name: formatRaw, Value: formatRaw}, {Name: formatInstruct, Value: formatInstruct}, {Name: formatChat, Value: formatChat},
		}}),
		s.optionOf("text.optprivate", discord.OptionSpec{Name: "private", Type: discord.OptionBoolean}),
	}}
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		rt.Command("text", discord.Route{Handle: s.answered(s.text), Autocomplete: s.completeText})
		rt.Component(verbContinue, discord.Route{Handle: s.answered(s.pressContinue)})
		rt.Component(verbEdit, discord.Route{Handle: s.answered(s.pressEdit), Private: true})
		rt.Modal(verbEdit, discord.Route{Handle: s.answered(s.submitEdit)})
	}}
}

func (s *Set) text(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	o := in.Command.Options
	d, err := s.presetOr(ctx, in, chat.Defaults{}, horde.StyleText)
	if err != nil {
		return err
	}
	p := params{
		Prompt: strings.TrimSpace(o.String("prompt")), Style: strings.TrimSpace(o.String("style")), Model: d.Model,
		Amount: int(o.Int("amount", int64(max(d.Amount, 1)))), Text: &textAsk{Length: int(o.Int("length", 0)), Format: o.String("format")},
	}
	if o.Has("model") {
		p.Model = strings.TrimSpace(o.String("model"))
	}
	if o.Has("temperature") {
		p.Text.Temperature = new(o.Number("temperature", 1))
	}
	p.Text.take(d.Text)
	p.Text.Length = cmp.Or(p.Text.Length, usualLength)
	if n := e.limits.Length; n > 0 && !o.Has("length") {
		p.Text.Length = min(p.Text.Length, n)
	}
	if n := e.limits.Texts; n > 0 && !o.Has("amount") {
		p.Amount = min(p.Amount, n)
	}
	if err := checkText(e.say, &p); err != nil {
		return err
	}
	p.Model = modelAmong(s.engine.ModelsOf(horde.Scribe), p.Model)
	return s.start(ctx, in, r, p, e.hidden(o))
}

// checkText refuses what the core would not notice.
func checkText(w words.Words, p *params) error {
	t := p.Text
	switch n := utf8.RuneCountInString(p.Prompt); {
	case n > maxTextPrompt:
		return horde.Refuse(horde.CodeInvalidPromptSize, "%s", w.T("refused.longprompt", "Number", n, "Most", maxTextPrompt))
	case n == 0:
		return horde.Refuse(horde.CodeMissingPrompt, "there is no prompt")
	case p.Amount < 1 || p.Amount > maxTexts:
		return tellPlain("refused.texts", "Most", maxTexts)
	case t.Temperature != nil && !(*t.Temperature >= 0 && *t.Temperature <= maxTemperature):
		return tellPlain("refused.temperature")
	case utf8.RuneCountInString(p.Model) > maxModel:
		return horde.Refuse(horde.CodeBadRequest, "%s", w.T("refused.longmodel", "Most", maxModel))
	case !slices.Contains([]string{"", formatRaw, formatInstruct, formatChat}, t.Format):
		return tellPlain("refused.format")
	}
	return nil
}

// wrapped is the prompt as the model gets it. Instruct and chat are written in the plain form that most model families
// understand.
func (t *textAsk) wrapped(prompt string) (text string, stops []string) {
	switch t.Format {
	case formatInstruct:
		return "### Instruction:\n" + prompt + "\n\n### Response:\n", []string{"### Instruction:"}
	case formatChat:
		return "You: " + prompt + "\nAssistant:", []string{"\nYou:"}
	}
	return prompt, nil
}

// newText is the core's form of a request. A style comes first, over it what the person says, and what is written already
// stands behind both.
func (p *params) newText(key string, from origin.Origin) horde.NewText {
	prompt, stops := p.Text.wrapped(p.Prompt)
	n := horde.NewText{
		User: p.User, Origin: from, Client: clientAgent, Key: key, N: p.Amount, SlowWorkers: true, Models: p.Models,
		Text: horde.Text{Prompt: prompt, MaxLength: p.Text.Length},
	}
	if p.Model != "" {
		n.Models = []string{p.Model}
	}
	if p.Styled != nil {
		horde.ApplyTextStyle(p.Styled.choice(), &n.Text, &n.Models)
		if len(n.Models) == 0 {
			n.Models = p.Models
		}
	}
	if t := p.Text.Temperature; t != nil {
		n.Text.Settings.Temperature = t
	}
	takeDetails(&n.Text.Settings, p.Text.Details)
	n.Text.Settings.StopSequence = slices.Concat(n.Text.Settings.StopSequence, stops)
	n.Text.Prompt += p.Text.SoFar
	n.Text.MaxContext = leastContext
	for n.Text.MaxContext < utf8.RuneCountInString(n.Text.Prompt)/charsPerToken+p.Text.Length {
		n.Text.MaxContext *= 2
	}
	n.Text.MaxContext = min(n.Text.MaxContext, horde.MaxTextContext)
	return n
}

// escapeLong is escape for a text of many lines.
func escapeLong(text string) string {
	all := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := range all {
		all[i] = escape(all[i])
	}
	return strings.TrimSpace(strings.Join(all, "\n"))
}

// textResult is the message of a request for texts that has ended.
func (s *Set) textResult(row chat.Message, p params, end ending, how showing) discord.Message {
	w, st := s.bundle.For(p.Locale), end.status
	p.Made = madeOf(st)
	title := p.title(w)
	if how.noWords {
		title = w.T("request.blocked")
	}
	parts, m := []string{title}, discord.Message{}
	switch n := len(p.Made); {
	case n == 0 && st.Faulted:
		parts = append(parts, w.T("request.faulted"))
	case n == 0:
		parts = append(parts, w.T("text.nothing"))
	case n < p.Amount:
		parts = append(parts, w.T("text.some", "Made", n, "Asked", p.Amount))
	}
	total, model := 0, ""
	for _, g := range p.Made {
		total += utf8.RuneCountInString(escapeLong(g.Text))
		model = cmp.Or(g.Model, model)
	}
	for i, g := range p.Made {
		said := escapeLong(p.Text.SoFar + g.Text)
		file := discord.File{Name: fmt.Sprintf("%s-%d.txt", short(row), i+1), ContentType: "text/plain; charset=utf-8", Data: []byte(p.Text.SoFar + g.Text)}
		n := utf8.RuneCountInString(said)
		switch {
		case how.noWords && !how.noFiles:
			m.Files = append(m.Files, file)
		case said == "":
			parts = append(parts, w.T("text.empty"))
		case len(p.Made) == 1 && n <= shortText:
			parts = append(parts, said)
		case n+embedded(m.Embeds) <= longText:
			m.Embeds = append(m.Embeds, discord.Embed{Description: said})
		default:
			if room := longText + 1000 - embedded(m.Embeds); room > 100 {
				m.Embeds = append(m.Embeds, discord.Embed{Description: tail(said, min(textPreview, room)), Footer: w.T("text.infile")})
			}
			if !how.noFiles {
				m.Files = append(m.Files, file)
			}
		}
	}
	detail := []string{mention(row.Person)}
	if model != "" {
		detail = []string{escape(model), textSeconds(end.at.Sub(row.Created)), kudosWord(st.Kudos), mention(row.Person)}
	}
	parts = append(parts, "-# "+strings.Join(detail, " · "), s.notes(&p))
	m.Content, m.Components = lines(parts...), []discord.Row{{Buttons: s.textButtons(row, &p)}}
	return m
}

// embedded counts the characters of frames.
func embedded(all []discord.Embed) int {
	n := 0
	for _, e := range all {
		n += utf8.RuneCountInString(e.Description)
	}
	return n
}

// tail is the end of a text, which matters most to whoever goes on from it.
func tail(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return "…" + strings.TrimLeft(string(r[len(r)-most+1:]), " \n")
	}
	return text
}

func (s *Set) textButtons(row chat.Message, p *params) []discord.Button {
	w, id := s.bundle.For(p.Locale), short(row)
	var out []discord.Button
	switch {
	case len(p.Made) == 1 && p.Made[0].Text != "":
		out = append(out, button(w.T("text.continue"), "⏩", verbContinue, id, discord.Primary))
	case len(p.Made) == 0 && p.CancelledBy == "":
		out = append(append(out, newModelButton(voice{w}, id)), s.notifyButtons(voice{w}, p, id)...)
	}
	return append(out,
		button(w.T("text.again"), "🔁", verbAgain, id, discord.Secondary), button(w.T("text.edit"), "✏️", verbEdit, id, discord.Secondary),
		button(w.T("image.info"), "ℹ️", verbInfo, id, discord.Secondary), button(w.T("request.delete"), "🗑️", verbDelete, id, discord.Secondary),
	)
}

// textPressed finds the text that a button is about.
func (s *Set) textPressed(ctx context.Context, in *discord.Interaction, r *discord.Responder) (row chat.Message, p params, e Effective, ok bool, err error) {
	row, p, e, ok, err = s.remakes(ctx, in, r)
	if ok && p.Text == nil {
		return row, p, e, false, r.Reply(ctx, private(e.say.T("request.old")))
	}
	return row, p, e, ok, err
}

// pressContinue lets the model go on from where a text ends. Whoever presses, pays.
func (s *Set) pressContinue(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, e, ok, err := s.textPressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	if len(p.Made) != 1 {
		return r.Reply(ctx, private(s.say(in).T("request.gone")))
	}
	t := *p.Text
	t.SoFar += p.Made[0].Text
	if len(t.SoFar) > maxTextSoFar {
		return tell(e.say.T("text.toolong"))
	}
	p = p.fresh()
	p.Text = &t
	return s.start(ctx, in, r, p, row.Ephemeral || e.answers == chat.AnswersPrivate)
}

// pressEdit opens a form with the prompt.
func (s *Set) pressEdit(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, e, ok, err := s.textPressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	return r.Modal(ctx, discord.Modal{
		CustomID: discord.CustomID{Verb: verbEdit, ID: short(row)}.String(), Title: discord.Clip(e.say.T("text.edit"), discord.MaxModalTitle),
		Inputs: []discord.Input{{
			CustomID: "prompt", Label: e.say.T("image.fieldprompt"), Value: discord.Clip(p.Prompt, discord.MaxInputValue), Paragraph: true, Required: true,
		}},
	})
}

func (s *Set) submitEdit(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	in.Component.ID = in.Modal.ID
	row, p, e, ok, err := s.textPressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	t := *p.Text
	t.SoFar = ""
	p = p.fresh()
	p.Prompt, p.Text = strings.TrimSpace(in.Modal.Values["prompt"]), &t
	if err := checkText(e.say, &p); err != nil {
		return err
	}
	return s.start(ctx, in, r, p, row.Ephemeral || e.answers == chat.AnswersPrivate)
}

// completeText suggests models and styles for texts.
func (s *Set) completeText(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	typed := strings.ToLower(strings.TrimSpace(in.Command.Options.String(in.Command.Focused)))
	if in.Command.Focused == "style" {
		return late(r.Autocomplete(ctx, s.completeStyle(ctx, in, horde.StyleText, typed)))
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	e = e.ofTexts()
	var choices []discord.Choice
	w, reaches := s.say(in), s.textReaches()
	for _, m := range s.engine.ModelsOf(horde.Scribe) {
		if !e.serves(m.Name) || utf8.RuneCountInString(m.Name) > maxModel || !strings.Contains(strings.ToLower(m.Name), typed) {
			continue
		}
		name := plain(voice{w}.model(m))
		if r := reaches[m.Name]; r.context > 0 { // what a long name would push out stands first
			limits := " · " + w.T("text.reach", "Context", r.context, "Length", r.length)
			name = discord.Clip(name, 100-utf8.RuneCountInString(limits)) + limits
		}
		choices = append(choices, discord.Choice{Name: discord.Clip(name, 100), Value: m.Name})
	}
	return late(r.Autocomplete(ctx, choices[:min(len(choices), discord.MaxChoices)]))
}
