// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// verbTextPreset is the verb of the form of a preset for texts; its ID is free, since the name is in the form.
const verbTextPreset = "pt"

// maxDetails bounds the details of sampling in a form, in characters.
const maxDetails = 500

// textDetail is one number about how a text is drawn that /text has no option for.
type textDetail struct {
	name        string
	least, most float64
	of          func(*horde.TextSettings) **float64 // one of these two
	whole       func(*horde.TextSettings) **int
}

// textDetails lists them with the bounds of the API.
func textDetails() []textDetail {
	number := func(name string, least, most float64, of func(*horde.TextSettings) **float64) textDetail {
		return textDetail{name: name, least: least, most: most, of: of}
	}
	whole := func(name string, most float64, of func(*horde.TextSettings) **int) textDetail {
		return textDetail{name: name, most: most, whole: of}
	}
	return []textDetail{
		number("top_p", 0.001, 1, func(t *horde.TextSettings) **float64 { return &t.TopP }),
		whole("top_k", 200, func(t *horde.TextSettings) **int { return &t.TopK }),
		number("min_p", 0, 1, func(t *horde.TextSettings) **float64 { return &t.MinP }),
		number("rep_pen", 1, 3, func(t *horde.TextSettings) **float64 { return &t.RepPen }),
		whole("rep_pen_range", 4096, func(t *horde.TextSettings) **int { return &t.RepPenRange }),
		number("rep_pen_slope", 0, 10, func(t *horde.TextSettings) **float64 { return &t.RepPenSlope }),
		number("top_a", 0, 1, func(t *horde.TextSettings) **float64 { return &t.TopA }),
		number("tfs", 0, 1, func(t *horde.TextSettings) **float64 { return &t.TFS }),
		number("typical", 0, 1, func(t *horde.TextSettings) **float64 { return &t.Typical }),
		number("smoothing_factor", 0, 10, func(t *horde.TextSettings) **float64 { return &t.SmoothingFactor }),
		number("dynatemp_range", 0, 5, func(t *horde.TextSettings) **float64 { return &t.DynatempRange }),
		number("dynatemp_exponent", 0, 5, func(t *horde.TextSettings) **float64 { return &t.DynatempExponent }),
	}
}

// takeDetails puts details over what a style says.
func takeDetails(into *horde.TextSettings, details map[string]float64) {
	for _, d := range textDetails() {
		v, said := details[d.name]
		switch {
		case !said:
		case d.whole != nil:
			*d.whole(into) = new(int(v))
		default:
			*d.of(into) = &v
		}
	}
}

// readDetails reads lines such as "top_p: 0.9".
func readDetails(text string) (map[string]float64, error) {
	out := make(map[string]float64)
	for _, part := range parts(text) {
		name, value, _ := strings.Cut(strings.ReplaceAll(part, "=", ":"), ":")
		name = strings.ToLower(strings.TrimSpace(name))
		all := textDetails()
		i := slices.IndexFunc(all, func(d textDetail) bool { return plainName(d.name) == plainName(name) })
		if i < 0 {
			return nil, tellPlain("preset.nodetail", "Name", escape(discord.Clip(name, maxUnknown)), "Names", escape(detailNames()))
		}
		d := all[i]
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(v >= d.least && v <= d.most) || d.whole != nil && v != float64(int(v)) {
			return nil, tellPlain("preset.baddetail", "Name", escape(d.name), "Least", d.least, "Most", d.most)
		}
		out[d.name] = v
	}
	return out, nil
}

// detailNames lists the names of all details.
func detailNames() string {
	var out []string
	for _, d := range textDetails() {
		out = append(out, d.name)
	}
	return strings.Join(out, ", ")
}

// writeDetails writes details as readDetails reads them.
func writeDetails(details map[string]float64, between string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(details)) {
		out = append(out, name+": "+strconv.FormatFloat(details[name], 'f', -1, 64))
	}
	return strings.Join(out, between)
}

// presetNamed is what a preset of somebody's says, or nothing where they have none of that name.
func (s *Set) presetNamed(ctx context.Context, person, name string) (chat.Defaults, error) {
	list, err := s.presetsOf(ctx, person)
	for _, e := range list {
		if strings.EqualFold(e.value.Name, name) {
			return e.value.Defaults, err
		}
	}
	return chat.Defaults{}, err
}

// presetForText opens a form with a preset for texts: a new one, or the one of that name.
func (s *Set) presetForText(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	name := plain(in.Command.Options.String("name"))
	if n := utf8.RuneCountInString(name); n < 1 || n > maxPresetName {
		return tell(w.T("preset.badname", "Most", maxPresetName))
	}
	d, err := s.presetNamed(ctx, in.User.ID, name)
	if err != nil {
		return err
	}
	t := d.Text
	if t == nil {
		d, t = chat.Defaults{}, &chat.TextDefaults{}
	}
	length, temperature := "", ""
	if t.Length > 0 {
		length = strconv.Itoa(t.Length)
	}
	if t.Temperature != nil {
		temperature = strconv.FormatFloat(*t.Temperature, 'f', -1, 64)
	}
	label := func(key string) string { return discord.Clip(w.T(key), discord.MaxInputLabel) }
	return r.Modal(ctx, discord.Modal{
		CustomID: discord.CustomID{Verb: verbTextPreset}.String(), Title: discord.Clip(w.T("preset.fortext"), discord.MaxModalTitle),
		Inputs: []discord.Input{
			{CustomID: "name", Label: label("settings.opt.name"), Value: name, Required: true, Max: maxPresetName},
			{CustomID: "model", Label: label("image.fieldmodel"), Value: discord.Clip(d.Model, maxModel), Max: maxModel},
			{CustomID: "length", Label: label("preset.length"), Value: length, Max: 4},
			{CustomID: "temperature", Label: label("preset.temperature"), Value: temperature, Max: 6},
			{
				CustomID: "details", Label: label("preset.details"), Value: writeDetails(t.Details, "\n"), Paragraph: true, Max: maxDetails,
				Placeholder: discord.Clip("top_p: 0.9, top_k: 40, min_p: 0.05, rep_pen: 1.1", 100),
			},
		},
	})
}

// submitTextPreset keeps what the form says. What it does not show, the style and the format, stays as it was.
func (s *Set) submitTextPreset(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, v := s.say(in), in.Modal.Values
	get := func(id string) string { return strings.TrimSpace(v[id]) }
	name := plain(get("name"))
	if n := utf8.RuneCountInString(name); n < 1 || n > maxPresetName {
		return tell(w.T("preset.badname", "Most", maxPresetName))
	}
	d, err := s.presetNamed(ctx, in.User.ID, name)
	if err != nil {
		return err
	}
	if d.Text == nil { // one for images makes room for it
		d = chat.Defaults{}
	}
	t := chat.TextDefaults{}
	if d.Text != nil {
		t.Format = d.Text.Format
	}
	if text := get("model"); text != "" && utf8.RuneCountInString(text) > maxModel {
		return tell(w.T("server.toolong"))
	}
	d.Model = modelAmong(s.engine.ModelsOf(horde.Scribe), plain(get("model")))
	if text := get("length"); text != "" {
		if takeWhole(&t.Length, text, horde.MinTextLength, horde.MaxTextLength) != nil {
			return tell(w.T("server.badnumber", "What", w.T("preset.length"), "Least", horde.MinTextLength, "Most", horde.MaxTextLength))
		}
	}
	if text := get("temperature"); text != "" {
		t.Temperature = new(0.0)
		if takeNumber(t.Temperature, text, 0, maxTemperature) != nil {
			return tellPlain("refused.temperature")
		}
	}
	if t.Details, err = readDetails(get("details")); err != nil {
		return err
	}
	d.Text = &t
	return s.keepPreset(ctx, in, r, chat.Preset{Name: name, Made: s.now(), Defaults: d})
}

// textDefaults are the parameters of texts that a preset keeps.
func (t *textAsk) defaults() *chat.TextDefaults {
	return &chat.TextDefaults{Length: t.Length, Temperature: t.Temperature, Format: t.Format, Details: maps.Clone(t.Details)}
}

// take puts a preset's parameters of texts under what was said.
func (t *textAsk) take(d *chat.TextDefaults) {
	if d == nil {
		return
	}
	t.Length, t.Format, t.Details = cmp.Or(t.Length, d.Length), cmp.Or(t.Format, d.Format), d.Details
	if t.Temperature == nil {
		t.Temperature = d.Temperature
	}
}
