// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/emojikudos"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// verbSettings is the verb of the panel of somebody's own settings. They are always the presser's.
const verbSettings = "st"

// settingsFamily is /settings: what somebody decides for themselves.
func (s *Set) settingsFamily() family {
	name := func(change ...func(*discord.OptionSpec)) discord.OptionSpec {
		return s.option("name", "settings.opt.name", discord.OptionString, append(change, required, upTo(maxPresetName))...)
	}
	presets := s.subcommand("preset", "settings.cmd.preset")
	presets.Subcommands = []discord.SubcommandSpec{
		s.subcommand("save", "settings.cmd.save", name(), s.option("from", "settings.opt.from", discord.OptionString, suggested, upTo(maxModel))),
		s.subcommand("text", "settings.cmd.text", name(suggested)),
		s.subcommand("list", "settings.cmd.list"),
		s.subcommand("delete", "settings.cmd.delete", name(suggested)),
		s.subcommand("share", "settings.cmd.share", name(suggested)),
	}
	spec := discord.CommandSpec{
		Name: "settings", Description: s.english("settings.cmd"), Descriptions: s.bundle.Locales("settings.cmd"), DMs: true, UserInstall: true,
		Subcommands: []discord.SubcommandSpec{
			s.subcommand("show", "settings.cmd.show"),
			s.subcommand("panel", "settings.cmd.panel"),
			presets,
			s.subcommand("notifications", "settings.cmd.notifications",
				s.option("gifts", "settings.opt.gifts", discord.OptionString, s.oneOf("settings.notice.", "each", "digest", "none")),
				s.option("done", "settings.opt.done", discord.OptionBoolean),
				s.option("roles", "settings.opt.roles", discord.OptionBoolean),
				s.option("parties", "settings.opt.parties", discord.OptionBoolean)),
			s.subcommand("reset", "settings.cmd.reset"),
		},
	}
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		for path, route := range map[string]discord.Route{
			"show": {Handle: s.settingsShow}, "panel": {Handle: s.settingsShow}, "reset": {Handle: s.settingsReset},
			"notifications": {Handle: s.settingsNotices}, "preset list": {Handle: s.presetList},
			"preset save":   {Handle: s.presetSave, Autocomplete: s.completePreset},
			"preset text":   {Handle: s.presetForText, Autocomplete: s.completePreset},
			"preset delete": {Handle: s.presetDelete, Autocomplete: s.completePreset},
			"preset share":  {Handle: s.presetShare, Autocomplete: s.completePreset},
		} {
			route.Handle, route.Private = s.answered(route.Handle), path != "preset share"
			rt.Command("settings "+path, route)
		}
		rt.Component(verbSettings, discord.Route{Handle: s.answered(s.pressSettings), Private: true})
		rt.Modal(verbSettings, discord.Route{Handle: s.answered(s.submitSettings), Private: true})
		rt.Modal(verbTextPreset, discord.Route{Handle: s.answered(s.submitTextPreset), Private: true})
		rt.Component(verbPreset, discord.Route{Handle: s.answered(s.pressPreset), Private: true})
	}}
}

// changePerson saves a change of somebody's own settings.
func (s *Set) changePerson(ctx context.Context, person string, f func(*chat.Person) error) (chat.Person, error) {
	return s.people.change(ctx, person, about{person: person}, f)
}

// settingsShow shows the panel, or without buttons what it would change.
func (s *Set) settingsShow(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	p, _, err := s.people.get(ctx, in.User.ID)
	if err != nil {
		return fmt.Errorf("settings of a person: %w", err)
	}
	m, err := s.settingsPanel(ctx, in, p)
	if err != nil {
		return err
	}
	if in.Command.Path == "settings show" {
		m.Components = nil
	}
	return r.Reply(ctx, m)
}

// settingsPanel shows what somebody decided, with what changes it.
func (s *Set) settingsPanel(ctx context.Context, in *discord.Interaction, p chat.Person) (discord.Message, error) {
	w := s.say(in)
	gives, err := s.gifts.Person(ctx, in.User.ID)
	if err != nil {
		return discord.Message{}, err
	}
	var fields []discord.Field
	add := func(key, value string) {
		if value != "" {
			fields = append(fields, discord.Field{Name: w.T(key), Value: discord.Clip(value, 300), Inline: true})
		}
	}
	truth := func(v bool) string {
		if v {
			return w.T("common.yes")
		}
		return w.T("common.no")
	}
	add("settings.f.defaults", showDefaults(w, p.Defaults))
	add("settings.f.language", languageName(p.Language))
	add("settings.f.private", truth(p.Private))
	add("settings.f.spoiler", truth(p.Spoiler))
	add("settings.f.share", truth(p.Share))
	add("settings.f.alt", w.T("settings.alt."+altOf(p)))
	giving := s.gives(gives.Consent)
	switch {
	case giving || gives.Consent != "":
		add("settings.f.gifts", truth(giving))
	default:
		add("settings.f.gifts", w.T("settings.gifts.asked"))
	}
	add("settings.f.avatar", truth(!p.NoAvatar))
	add("settings.f.board", truth(!p.Unlisted))
	add("settings.f.public", truth(p.Public))
	add("settings.f.strict", truth(p.Strict))
	for _, x := range []struct {
		key string
		n   int64
	}{{"settings.f.giftlimit", p.GiftLimit}, {"settings.f.giftone", p.GiftOne}, {"settings.f.giftconfirm", p.GiftConfirm}} {
		if x.n > 0 {
			add(x.key, strconv.FormatInt(x.n, 10))
		}
	}
	if s.opts.Ceiling.Adult {
		add("settings.f.mild", truth(p.Mild))
		add("settings.f.adult", truth(!p.Adult.IsZero()))
	}
	add("settings.f.notices", w.T("settings.notice."+string(noticeOf(p))))
	m := private("")
	m.Embeds = []discord.Embed{{Title: w.T("settings.title"), Color: embedColor, Fields: fields}}
	language := &discord.Select{CustomID: settingsID("language"), Placeholder: w.T("settings.f.language")}
	language.Options = append(language.Options, discord.SelectOption{Label: w.T("settings.follow"), Value: unset, Default: p.Language == ""})
	for _, l := range languages() {
		language.Options = append(language.Options, discord.SelectOption{Label: l.name, Value: l.locale, Default: l.locale == p.Language})
	}
	toggle := func(what string, on bool) discord.Button {
		style := discord.Secondary
		if on {
			style = discord.Success
		}
		return discord.Button{Label: discord.Clip(w.T("settings.f."+what), discord.MaxLabel), CustomID: settingsID(what), Style: style}
	}
	m.Components = []discord.Row{
		{Select: language},
		{Buttons: []discord.Button{
			{Label: w.T("settings.edit"), CustomID: settingsID("defaults"), Style: discord.Primary},
			{Label: w.T("settings.fine"), CustomID: settingsID("fine"), Style: discord.Primary},
			toggle("public", p.Public), toggle("strict", p.Strict),
		}},
		{Buttons: []discord.Button{
			toggle("private", p.Private), toggle("spoiler", p.Spoiler), toggle("share", p.Share), toggle("gifts", giving),
		}},
		{Buttons: []discord.Button{toggle("avatar", !p.NoAvatar), toggle("board", !p.Unlisted)}},
	}
	if s.opts.Ceiling.Adult {
		last := &m.Components[len(m.Components)-1]
		last.Buttons = append(last.Buttons, toggle("mild", p.Mild), toggle("adult", !p.Adult.IsZero()))
	}
	m.Components = append(m.Components, discord.Row{Select: altSelect(w, p)})
	return m, nil
}

// What somebody's images are described with, for those who do not see them.
const (
	altOff     = "off"
	altPrompt  = "prompt"
	altCaption = "caption"
)

func altOf(p chat.Person) string {
	switch {
	case p.NoAlt:
		return altOff
	case p.AltCaption:
		return altCaption
	}
	return altPrompt
}

// altSelect chooses what images are described with.
func altSelect(w words.Words, p chat.Person) *discord.Select {
	sel := &discord.Select{CustomID: settingsID("alt"), Placeholder: w.T("settings.f.alt")}
	for _, v := range []string{altPrompt, altCaption, altOff} {
		sel.Options = append(sel.Options, discord.SelectOption{
			Label: discord.Clip(w.T("settings.f.alt")+": "+w.T("settings.alt."+v), discord.MaxLabel), Value: v, Default: v == altOf(p),
			Description: discord.Clip(w.T("settings.alt."+v+"says"), discord.MaxLabel),
		})
	}
	return sel
}

// gives reports whether the kudos reactions of somebody who answered so give anything.
func (s *Set) gives(c emojikudos.Consent) bool {
	return c == emojikudos.Agreed || s.opts.GiftsAgreed && c != emojikudos.Declined
}

// switchGifts switches somebody's kudos reactions on, which is the consent to them, or off.
func (s *Set) switchGifts(ctx context.Context, in *discord.Interaction) error {
	g, err := s.gifts.Person(ctx, in.User.ID)
	if err != nil {
		return err
	}
	answer := emojikudos.Agreed
	if s.gives(g.Consent) {
		answer = emojikudos.Declined
	}
	if _, err := s.changePerson(ctx, in.User.ID, func(p *chat.Person) error {
		p.NoGifts = answer == emojikudos.Declined
		return nil
	}); err != nil {
		return err
	}
	_, err = s.gifts.Consent(ctx, in.User.ID, in.Locale, answer)
	return err
}

func settingsID(what string) string { return discord.CustomID{Verb: verbSettings, Arg: what}.String() }

func noticeOf(p chat.Person) chat.Notice {
	if p.NoticeGifts == "" {
		return chat.NoticeEach
	}
	return p.NoticeGifts
}

// showDefaults writes parameters in a few words; empty when there are none.
func showDefaults(w words.Words, d chat.Defaults) string {
	var parts []string
	add := func(text string) { parts = append(parts, text) }
	if d.Model != "" {
		add(escape(d.Model))
	}
	if d.Style != "" {
		add(escape(d.Style))
	}
	if d.Width > 0 {
		add(fmt.Sprintf("%d×%d", d.Width, d.Height))
	}
	if d.Steps > 0 {
		add(w.T("settings.d.steps", "Steps", d.Steps))
	}
	if d.Amount > 0 {
		add(w.T("settings.d.amount", "Amount", d.Amount))
	}
	if d.CFG > 0 {
		add("CFG " + strconv.FormatFloat(d.CFG, 'f', -1, 64))
	}
	if d.Sampler != "" {
		add(escape(d.Sampler))
	}
	if d.Karras != nil && *d.Karras {
		add("Karras")
	}
	if f, err := fineOf(d); err == nil && f != nil {
		add(escape(f.line()))
	}
	if t := d.Text; t != nil {
		if t.Length > 0 {
			add(w.T("settings.d.length", "Length", t.Length))
		}
		if t.Temperature != nil {
			add(w.T("preset.temperature") + " " + strconv.FormatFloat(*t.Temperature, 'f', -1, 64))
		}
		if t.Format != "" {
			add(escape(t.Format))
		}
		if len(t.Details) > 0 {
			add(escape(writeDetails(t.Details, ", ")))
		}
	}
	if d.Negative != "" {
		add(w.T("settings.d.negative", "Text", escape(discord.Clip(plain(d.Negative), 80))))
	}
	return strings.Join(parts, " · ")
}

// pressSettings handles the panel.
func (s *Set) pressSettings(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	what, w := in.Component.ID.Arg, s.say(in)
	switch what {
	case "defaults", "fine":
		p, _, err := s.people.get(ctx, in.User.ID)
		if err != nil {
			return fmt.Errorf("settings of a person: %w", err)
		}
		return r.Modal(ctx, settingsForm(w, p.Defaults, what))
	}
	return s.panels.inTurn(ctx, verbSettings+":"+in.User.ID, func() error { return s.changeSetting(ctx, in, r, what) })
}

// changeSetting is what a button or select of the panel does.
func (s *Set) changeSetting(ctx context.Context, in *discord.Interaction, r *discord.Responder, what string) error {
	switch what {
	case "reset":
		// What somebody agreed to, and what they keep others from, is no default to go back to. That they are of age has to be
		// said again.
		if _, err := s.changePerson(ctx, in.User.ID, func(p *chat.Person) error {
			*p = chat.Person{Prompts: p.Prompts, Agreed: p.Agreed, NoGifts: p.NoGifts, NoAvatar: p.NoAvatar, Unlisted: p.Unlisted, Strict: p.Strict}
			return nil
		}); err != nil {
			return err
		}
		return r.Update(ctx, discord.Message{Content: s.say(in).T("settings.reset.done")})
	case "gifts":
		if err := s.switchGifts(ctx, in); err != nil {
			return err
		}
	}
	p, err := s.changePerson(ctx, in.User.ID, func(p *chat.Person) error {
		switch what {
		case "language":
			if v := picked(in); v == "" || languageName(v) != "" {
				p.Language = v
			}
		case "private":
			p.Private = !p.Private
		case "spoiler":
			p.Spoiler = !p.Spoiler
		case "share":
			p.Share = !p.Share
		case "alt":
			if v := picked(in); v == altOff || v == altPrompt || v == altCaption {
				p.NoAlt, p.AltCaption = v == altOff, v == altCaption
			}
		case "avatar":
			p.NoAvatar = !p.NoAvatar
		case "board":
			p.Unlisted = !p.Unlisted
		case "public":
			p.Public = !p.Public
		case "strict":
			p.Strict = !p.Strict
		case "mild":
			p.Mild = !p.Mild
		case "adult":
			if p.Adult.IsZero() {
				p.Adult = s.now()
			} else {
				p.Adult = time.Time{}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.updateSettings(ctx, in, r, p)
}

// settingsForm asks for somebody's parameters. It holds what is there.
func settingsForm(w words.Words, d chat.Defaults, which string) discord.Modal {
	form := discord.Modal{CustomID: settingsID(which), Title: discord.Clip(w.T("settings.f.defaults"), discord.MaxModalTitle)}
	add := func(id, value string, most int, paragraph bool) {
		form.Inputs = append(form.Inputs, discord.Input{
			CustomID: id, Label: discord.Clip(w.T("settings.i."+id), discord.MaxInputLabel), Value: discord.Clip(value, most), Max: most, Paragraph: paragraph,
			Placeholder: w.T("settings.asicome"),
		})
	}
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	if which == "fine" {
		cfg := ""
		if d.CFG > 0 {
			cfg = strconv.FormatFloat(d.CFG, 'f', -1, 64)
		}
		add("cfg", cfg, 6, false)
		add("sampler", d.Sampler, 30, false)
		add("style", d.Style, maxModel, false)
		return form
	}
	size := ""
	if d.Width > 0 {
		size = fmt.Sprintf("%dx%d", d.Width, d.Height)
	}
	add("model", d.Model, maxModel, false)
	add("size", size, 20, false)
	add("steps", number(d.Steps), 3, false)
	add("amount", number(d.Amount), 2, false)
	add("negative", d.Negative, maxNegative, true)
	return form
}

// submitSettings takes the forms of the panel.
func (s *Set) submitSettings(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, v := s.say(in), in.Modal.Values
	get := func(id string) string { return strings.TrimSpace(v[id]) }
	number := func(id string, most int) (int, error) {
		if get(id) == "" {
			return 0, nil
		}
		n, err := strconv.Atoi(get(id))
		if err != nil || n < 1 || n > most {
			return 0, tell(w.T("server.badnumber", "What", w.T("settings.i."+id), "Least", 1, "Most", most))
		}
		return n, nil
	}
	done, err := s.panels.take(ctx, verbSettings+":"+in.User.ID)
	if err != nil {
		return err
	}
	defer done()
	p, err := s.changePerson(ctx, in.User.ID, func(p *chat.Person) (err error) {
		d := p.Defaults
		if in.Modal.ID.Arg == "fine" {
			d.CFG, d.Sampler, d.Style = 0, plain(get("sampler")), plain(get("style"))
			if text := strings.ReplaceAll(get("cfg"), ",", "."); text != "" {
				if d.CFG, err = strconv.ParseFloat(text, 64); err != nil || !(d.CFG > 0 && d.CFG <= maxCFG) {
					return tell(w.T("server.badnumber", "What", "CFG", "Least", 1, "Most", maxCFG))
				}
			}
			if d.Sampler != "" && !slices.Contains(horde.Samplers(), d.Sampler) {
				return tell(w.T("settings.badsampler", "Samplers", escape(strings.Join(horde.Samplers(), ", "))))
			}
			p.Defaults = d
			return nil
		}
		d.Model, d.Negative, d.Width, d.Height = s.modelNamed(plain(get("model"))), get("negative"), 0, 0
		if d.Steps, err = number("steps", horde.MaxSteps); err != nil {
			return err
		}
		if d.Amount, err = number("amount", maxAmount); err != nil {
			return err
		}
		if text := get("size"); text != "" {
			z, ok := sizeOf(s.sizes(d.Model), text)
			if !ok || z.Width%horde.SideStep+z.Height%horde.SideStep != 0 || min(z.Width, z.Height) < horde.MinSide || max(z.Width, z.Height) > horde.MaxSide {
				return tell(w.T("settings.badsize", "Step", horde.SideStep, "Least", horde.MinSide, "Most", horde.MaxSide))
			}
			d.Width, d.Height = z.Width, z.Height
		}
		if utf8.RuneCountInString(d.Model) > maxModel || utf8.RuneCountInString(d.Negative) > maxNegative {
			return tell(w.T("server.toolong"))
		}
		p.Defaults = d
		return nil
	})
	if err != nil {
		return err
	}
	return s.updateSettings(ctx, in, r, p)
}

func (s *Set) updateSettings(ctx context.Context, in *discord.Interaction, r *discord.Responder, p chat.Person) error {
	m, err := s.settingsPanel(ctx, in, p)
	if err != nil {
		return err
	}
	return r.Update(ctx, m)
}

// maxCFG is the largest guidance scale that the core takes.
const maxCFG = 100

func (s *Set) settingsNotices(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	o := in.Command.Options
	p, err := s.changePerson(ctx, in.User.ID, func(p *chat.Person) error {
		switch n := chat.Notice(o.String("gifts")); n {
		case chat.NoticeEach, chat.NoticeDigest, chat.NoticeNone:
			p.NoticeGifts = n
		}
		p.QuietJobs = !o.Bool("done", !p.QuietJobs)
		p.TellRoles = o.Bool("roles", p.TellRoles)
		p.QuietParty = !o.Bool("parties", !p.QuietParty)
		return nil
	})
	if err != nil {
		return err
	}
	w := s.say(in)
	truth := func(quiet bool) string {
		if quiet {
			return w.T("common.no")
		}
		return w.T("common.yes")
	}
	return r.Reply(ctx, private(w.T("settings.notices",
		"Gifts", w.T("settings.notice."+string(noticeOf(p))), "Done", truth(p.QuietJobs), "Roles", truth(!p.TellRoles), "Parties", truth(p.QuietParty))))
}

func (s *Set) settingsReset(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	m := private(w.T("settings.reset"))
	m.Components = []discord.Row{{Buttons: []discord.Button{{Label: w.T("settings.reset.yes"), Style: discord.Danger, CustomID: settingsID("reset")}}}}
	return r.Reply(ctx, m)
}
