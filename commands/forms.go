// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/origin"
	"stablemate/internal/discord"
)

// aim says what somebody wants of alchemists, for the words around the answer.
type aim string

// The aims.
const (
	aimUpscale     aim = "upscale"
	aimDescribe    aim = "describe"
	aimInterrogate aim = "interrogate"
)

// Forms that answer in words.
const (
	formCaption  = "caption"
	formDescribe = "describe"
	formTags     = "interrogation"
	formNSFW     = "nsfw"
)

// Bounds of what alchemists deliver, as messages show it.
const (
	maxForms      = 10   // of one request from chat, for as many files
	maxFormWords  = 1500 // characters of one form
	maxFormStates = 1200 // characters of how far all are
	maxTagsShown  = 12
	maxFormAnswer = 1000 // characters of a description that is offered for copying
)

// Verbs of the buttons under a description.
const (
	verbTellAll  = "pb"
	verbAsPrompt = "ug"
)

// formAsk is a request to alchemists.
type formAsk struct {
	Names    []string `json:"names"`
	Aim      aim      `json:"aim"`
	Identity string   `json:"identity,omitempty"`
	Tiles    int      `json:"tiles,omitempty"`
	Of       string   `json:"of,omitempty"`     // the request whose image it is about, as buttons name it
	Number   int      `json:"number,omitempty"` // which of its images, from 1
}

// forms makes a request to alchemists about a picture.
func (s *Set) forms(w words.Words, a aim, pic *photo, names ...string) params {
	return params{
		Prompt: w.T("tools.title"+string(a), "Forms", strings.Join(names, ", ")), Amount: len(names),
		Forms: &formAsk{Names: names, Aim: a}, from: pic,
	}
}

// newForms is the core's form of it.
func (p *params) newForms(from origin.Origin) horde.NewAlchemy {
	n := horde.NewAlchemy{
		User: p.User, Origin: from, Client: clientAgent, Source: p.Source, Identity: p.Forms.Identity, Tiles: p.Forms.Tiles, SlowWorkers: true,
	}
	if n.Source == "" {
		n.Source = pendingKey
	}
	for _, name := range p.Forms.Names {
		n.Forms = append(n.Forms, horde.NewForm{Name: name})
	}
	return n
}

// answer is what an alchemist says about an image, in words; empty when the answer is an image.
func answer(w words.Words, m outcome) string {
	var result map[string]any
	if m.Blob != "" || json.Unmarshal([]byte(m.Text), &result) != nil {
		return ""
	}
	v, ok := result[m.Model]
	if !ok && len(result) == 1 {
		for _, only := range result {
			v = only
		}
	}
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		if v {
			return w.T("common.yes")
		}
		return w.T("common.no")
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any:
		if m.Model == formTags {
			return strings.Join(tags(v), ", ")
		}
	}
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}

// tags are the surest ones of an interrogation, over all its kinds.
func tags(kinds map[string]any) []string {
	type tag struct {
		text string
		sure float64
	}
	var all []tag
	for _, list := range kinds {
		items, _ := list.([]any)
		for _, item := range items {
			if o, ok := item.(map[string]any); ok {
				text, _ := o["text"].(string)
				sure, _ := o["confidence"].(float64)
				if text != "" {
					all = append(all, tag{text, sure})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b tag) int {
		switch {
		case a.sure > b.sure:
			return -1
		case a.sure < b.sure:
			return 1
		}
		return strings.Compare(a.text, b.text)
	})
	var out []string
	for _, t := range all[:min(len(all), maxTagsShown)] {
		out = append(out, t.text)
	}
	return out
}

// altWords makes a sentence for people who do not see the image: no filler about it being one.
func altWords(text string) string {
	text = plain(text)
	for _, filler := range []string{"an image of ", "a picture of ", "a photo of ", "a photograph of ", "there is ", "arafed "} {
		if len(text) > len(filler) && strings.EqualFold(text[:len(filler)], filler) {
			text = text[len(filler):]
		}
	}
	text = upperFirst(text)
	if text != "" && !strings.ContainsAny(text[len(text)-1:], ".!?") {
		text += "."
	}
	return discord.Clip(text, discord.MaxDescription)
}

// formsResult is the message of a request to alchemists that has ended.
func (s *Set) formsResult(ctx context.Context, row chat.Message, p params, end ending, how showing) (discord.Message, error) {
	w, id, st := s.bundle.For(p.Locale), short(row), end.status
	p.Made = madeOf(st)
	parts := []string{"**" + escape(p.Prompt) + "**"}
	m := discord.Message{}
	total, spoken := 0, ""
	var large []kept
	for i, g := range p.Made {
		text := answer(w, g)
		switch {
		case text != "" && p.Forms.Aim == aimDescribe:
			spoken = describeWords(w, g)
			parts = append(parts, spoken)
		case text != "":
			parts = append(parts, "**"+escape(g.Model)+"** "+escape(discord.Clip(text, maxFormWords/max(1, len(p.Made)))))
		case g.Blob != "" && (how.noFiles || how.barred):
			large = append(large, kept{i + 1, g.Blob})
		case g.Blob != "":
			f, err := s.formFile(ctx, id, i, g, min(cmp.Or(how.room, maxFiles)-total, int(s.bot.UploadLimit(row.Guild, 0))))
			switch {
			case errors.Is(err, fs.ErrNotExist), err != nil && how.noRead:
				parts = append(parts, w.T("image.gone"))
				continue
			case err != nil:
				return m, err
			case f == nil:
				large = append(large, kept{i + 1, g.Blob})
				continue
			}
			f.Spoiler = p.Veiled
			if said := p.Alts[i+1]; said != "" {
				f.Description = said
			}
			total += len(f.Data)
			m.Files = append(m.Files, *f)
		}
	}
	if len(large) > 0 {
		parts = append(parts, s.apart(voice{w}, large, how, p.Veiled))
	}
	if lost := p.Amount - len(p.Made); lost > 0 && p.CancelledBy == "" {
		parts = append(parts, w.T("tools.failed", "Count", lost))
	} else if lost > 0 {
		parts = append(parts, voice{w}.cancelledBy(p.CancelledBy))
	}
	if p.Forms.Aim == aimInterrogate && len(p.Made) > 0 {
		if data, err := json.MarshalIndent(formsFile(p.Made), "", "  "); err == nil && len(m.Files) < discord.MaxFiles {
			m.Files = append(m.Files, discord.File{Name: id + ".json", ContentType: "application/json", Data: data})
		}
	}
	foot := append([]string{mention(row.Person), textSeconds(end.at.Sub(row.Created))}, voice{w}.origin(&p)...)
	parts = append(parts, "-# "+strings.Join(foot, " · "), s.notes(&p))
	m.Content = lines(parts...)
	m.Components = []discord.Row{{Buttons: formButtons(w, row, &p, spoken)}}
	return m, nil
}

// formStates lists how far each form is, with what is known already.
func (s *Set) formStates(w words.Words, st horde.Status) string {
	a, err := s.engine.Alchemy(st.ID)
	if err != nil {
		return ""
	}
	var out []string
	for _, f := range a.Forms {
		mark, text := "⏳", ""
		switch f.State {
		case horde.FormProcessing:
			mark = "⚗️"
		case horde.FormDone:
			mark = "✅"
			text = answer(w, outcome{Model: f.Name, Blob: f.Blob, Text: string(f.Result)})
		case horde.FormFaulted, horde.FormCancelled:
			mark = "❌"
		case horde.FormWaiting, horde.AlchemyPartial:
		}
		out = append(out, strings.TrimSpace(mark+" **"+escape(f.Name)+"** "+escape(discord.Clip(text, maxFormWords/max(1, len(a.Forms))))))
	}
	return strings.Join(out, "\n")
}

// describeWords shows a description so that it can be copied.
func describeWords(w words.Words, g outcome) string {
	text := answer(w, g)
	if g.Model == formCaption {
		text = altWords(text)
	}
	return codeBlock(plain(discord.Clip(text, maxFormAnswer)), maxFormAnswer)
}

// formButtons are those under what alchemists made.
func formButtons(w words.Words, row chat.Message, p *params, spoken string) []discord.Button {
	id := short(row)
	var out []discord.Button
	if spoken != "" {
		if row.Ephemeral {
			out = append(out, button(w.T("common.publish"), "📢", verbTellAll, id, discord.Primary))
		}
		out = append(out, button(w.T("tools.asprompt"), "🎨", verbAsPrompt, id, discord.Secondary))
		if p.Forms.Of != "" && row.Ephemeral {
			out = append(out, button(w.T("tools.setalt"), "♿", verbSetAlt, id, discord.Secondary))
		}
	}
	if len(p.there()) > 0 {
		out = append(out, button(w.T("image.send"), "📨", verbSend, id, discord.Secondary))
	}
	return append(out, button(w.T("image.info"), "ℹ️", verbInfo, id, discord.Secondary), button(w.T("request.delete"), "🗑️", verbDelete, id, discord.Secondary))
}

// formsFile is the answers as a file.
func formsFile(all []outcome) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage)
	for _, g := range all {
		var result map[string]json.RawMessage
		if g.Blob == "" && json.Unmarshal([]byte(g.Text), &result) == nil {
			maps.Copy(out, result)
		}
	}
	return out
}

// formFile reads an image that an alchemist made and makes it small enough for a message; nil when that is not possible.
func (s *Set) formFile(ctx context.Context, id string, i int, g outcome, room int) (*discord.File, error) {
	data, err := s.deps.Images.Read(ctx, g.Blob, maxDelivered)
	if err != nil {
		return nil, fmt.Errorf("read image: %w", err)
	}
	if data, err = s.shrink(ctx, data, room); err != nil || data == nil {
		return nil, err
	}
	kind, ending := imageKind(data)
	return &discord.File{
		Name: id + "-" + strconv.Itoa(i+1) + ending, ContentType: kind, Data: data, Description: discord.Clip(plain(g.Model), promptShown),
	}, nil
}

// pressPublish shows a private description to everybody.
func (s *Set) pressPublish(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	if row.Person != in.User.ID {
		return r.Reply(ctx, private(s.say(in).T("request.private")))
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	if err := e.admit(chat.Tools); err != nil {
		return err
	}
	if e.answers == chat.AnswersPrivate {
		return tell(e.say.T("tools.privatehere"))
	}
	row.Ephemeral = false
	m, err := s.formsResult(ctx, row, p, p.ended(row), showing{})
	if err != nil {
		return err
	}
	m.Components = nil
	return r.Reply(ctx, m)
}

// pressAsPrompt opens a form that makes an image of a description.
func (s *Set) pressAsPrompt(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	_, p, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	w, text := s.say(in), ""
	for _, g := range p.Made {
		if t := answer(w, g); t != "" {
			text = discord.Clip(plain(t), maxFormAnswer)
		}
	}
	return r.Modal(ctx, discord.Modal{
		CustomID: discord.CustomID{Verb: verbAsPrompt}.String(), Title: discord.Clip(w.T("tools.asprompt"), discord.MaxModalTitle),
		Inputs: []discord.Input{{CustomID: "prompt", Label: w.T("image.fieldprompt"), Value: text, Paragraph: true, Required: true, Max: maxPrompt}},
	})
}

// submitPrompt makes an image of a form with a prompt alone, as /generate would.
func (s *Set) submitPrompt(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	o := discord.OptionValues{"prompt": {Type: discord.OptionString, Value: in.Modal.Values["prompt"]}}
	p, err := s.read(e.say, o, e.person.Defaults)
	if err != nil {
		return err
	}
	e.fit(&p, o)
	return s.start(ctx, in, r, p, e.hidden(o))
}
