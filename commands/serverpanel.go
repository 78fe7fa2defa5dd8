// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Sections of the panel.
const (
	sectionLimits  = "limits"
	sectionContent = "content"
	sectionLists   = "lists"
	sectionAccess  = "access" // with "/" and a feature behind it
	sectionGeneral = "general"
)

// limitsOfTexts is the form with the limits of texts.
const limitsOfTexts = "texts"

// unset is the value of a select that leaves the decision to the wider rule.
const unset = "unset"

func serverID(scope, arg string) string {
	return discord.CustomID{Verb: verbServer, ID: scope, Arg: arg}.String()
}

func (s *Set) serverPanelOpen(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	g, _, err := s.guilds.get(ctx, in.GuildID)
	if err != nil {
		return fmt.Errorf("settings of a guild: %w", err)
	}
	return r.Reply(ctx, s.serverPanel(s.say(in), g, wholeGuild, sectionLimits))
}

// serverPanel shows the rules of a scope, with what changes one section of them.
func (s *Set) serverPanel(w words.Words, g chat.Guild, scope, section string) discord.Message {
	rules := rulesOf(g, scope)
	embed := discord.Embed{Title: w.T("server.title"), Color: embedColor, Fields: fitEmbed(ruleFields(w, rules))}
	if scope != wholeGuild {
		embed.Description = w.T("server.channel", "Channel", "<#"+scope+">")
	}
	for _, f := range placeLines(w, g) {
		if scope == wholeGuild && f.Value != "" && len(embed.Fields) < discord.MaxEmbedFields {
			f.Inline = true
			embed.Fields = append(embed.Fields, f)
		}
	}
	if len(embed.Fields) == 0 {
		embed.Description = lines(embed.Description, w.T("server.empty"))
	}
	m := private("")
	m.Embeds = []discord.Embed{embed}
	head, _, _ := strings.Cut(section, "/")
	choose := &discord.Select{CustomID: serverID(scope, "section"), Placeholder: w.T("server.section")}
	for _, name := range sections(scope) {
		choose.Options = append(choose.Options, discord.SelectOption{
			Label: w.T("server.s." + name), Value: name, Description: discord.Clip(w.T("server.s."+name+".about"), 100), Default: name == head,
		})
	}
	m.Components = append([]discord.Row{{Select: choose}}, s.serverRows(w, g, rules, scope, section)...)
	return m
}

// serverRows are the controls of a section.
func (s *Set) serverRows(w words.Words, g chat.Guild, rules chat.Rules, scope, section string) []discord.Row {
	head, feature, _ := strings.Cut(section, "/")
	button := func(label, arg string, style discord.ButtonStyle) discord.Button {
		return discord.Button{Label: discord.Clip(w.T(label), discord.MaxLabel), CustomID: serverID(scope, arg), Style: style}
	}
	toggle := func(label, arg string, v *bool, otherwise bool) discord.Button {
		style := discord.Secondary
		if v != nil && *v || v == nil && otherwise {
			style = discord.Success
		}
		return button(label, arg, style)
	}
	switch head {
	case sectionContent:
		return []discord.Row{
			pickOne(w, serverID(scope, "content/adult"), "server.f.adult", "server.adult.", string(rules.Adult), "never", "restricted"),
			pickOne(w, serverID(scope, "content/answers"), "server.f.answers", "server.answers.", string(rules.Answers), "chosen", "public", "private"),
			pickOne(w, serverID(scope, "content/sources"), "server.f.sources", "server.sources.", string(rules.Sources), "on", "linked", "restricted", "off"),
			{Buttons: []discord.Button{
				toggle("server.f.spoiler", "content/spoiler", rules.Spoiler, false),
				toggle("server.f.share", "content/share", rules.Share, true),
			}},
		}
	case sectionLists:
		return []discord.Row{{Buttons: []discord.Button{
			button("server.f.models", "lists/models", discord.Primary), button("server.f.nomodels", "lists/nomodels", discord.Primary),
			button("server.f.nostyles", "lists/nostyles", discord.Primary), button("server.f.words", "lists/words", discord.Primary),
			button("server.f.negative", "lists/negative", discord.Primary),
		}}}
	case sectionAccess:
		if !slices.Contains(chat.Features(), chat.Feature(feature)) {
			feature = string(chat.Images)
		}
		var buttons []discord.Button
		for _, f := range chat.Features() {
			style := discord.Secondary
			if string(f) == feature {
				style = discord.Primary
			}
			buttons = append(buttons, button("server.access."+string(f), "access/"+string(f), style))
		}
		rows := []discord.Row{
			{Buttons: buttons},
			{Select: &discord.Select{
				Kind: discord.SelectRoles, CustomID: serverID(scope, "roles/"+feature), Min: 0, Max: discord.MaxSelectOptions,
				Placeholder: discord.Clip(w.T("server.roles", "Feature", w.T("server.access."+feature)), 150),
			}},
			{Buttons: []discord.Button{
				button("server.everybody", "everybody/"+feature, discord.Secondary),
				toggle("server.f.strict", "content/strict", rules.Strict, false),
				toggle("server.f.strange", "content/strange", rules.Strange, true),
			}},
		}
		if scope != wholeGuild {
			rows[2].Buttons = append(rows[2].Buttons, toggle("server.f.off", "content/off", rules.Off, false))
		} else {
			rows[2].Buttons = append(rows[2].Buttons, toggle("server.f.installed", "content/installed", rules.Installed, true))
		}
		return rows
	case sectionPlaces:
		if scope == wholeGuild {
			return placeRows(w, g)
		}
	case sectionGeneral:
		choose := &discord.Select{CustomID: serverID(scope, "general/language"), Placeholder: w.T("server.f.language")}
		choose.Options = append(choose.Options, discord.SelectOption{Label: w.T("server.v.default"), Value: unset, Default: rules.Language == ""})
		for _, l := range languages() {
			choose.Options = append(choose.Options, discord.SelectOption{Label: l.name, Value: l.locale, Default: l.locale == rules.Language})
		}
		rows := []discord.Row{{Select: choose}}
		if scope == wholeGuild {
			rows = append(rows, discord.Row{Select: &discord.Select{
				Kind: discord.SelectChannels, CustomID: serverID(scope, "general/log"), Placeholder: w.T("server.f.log"),
			}})
			if g.Log != "" {
				hear := discord.Secondary
				if !g.NoNews {
					hear = discord.Success
				}
				rows = append(rows, discord.Row{Buttons: []discord.Button{
					button("server.f.news", "general/news", hear), button("server.nologs", "general/nolog", discord.Secondary),
				}})
			}
		}
		return rows
	}
	return []discord.Row{{Buttons: []discord.Button{
		button("server.edit", "limits/edit", discord.Primary), button("server.edittexts", "limits/texts", discord.Primary),
	}}}
}

// pickOne is a select of a few values and of none.
func pickOne(w words.Words, id, placeholder, prefix, now string, values ...string) discord.Row {
	choose := &discord.Select{CustomID: id, Placeholder: w.T(placeholder)}
	choose.Options = append(choose.Options, discord.SelectOption{
		Label: w.T(placeholder) + ": " + w.T("server.v.default"), Value: unset, Default: now == "",
	})
	for _, v := range values {
		choose.Options = append(choose.Options, discord.SelectOption{
			Label: discord.Clip(w.T(placeholder)+": "+w.T(prefix+v), 100), Value: v, Default: v == now,
		})
	}
	return discord.Row{Select: choose}
}

// flip makes a decision of none, and the opposite of one.
func flip(v *bool, otherwise bool) *bool {
	if v == nil {
		return new(!otherwise)
	}
	return new(!*v)
}

// picked is what a select was set to; empty for none.
func picked(in *discord.Interaction) string {
	if len(in.Component.Values) == 0 || in.Component.Values[0] == unset {
		return ""
	}
	return in.Component.Values[0]
}

// pressServer handles the panel of a guild's settings.
func (s *Set) pressServer(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, scope := s.say(in), in.Component.ID.ID
	head, tail, _ := strings.Cut(in.Component.ID.Arg, "/")
	switch {
	case head == sectionLimits, head == sectionLists:
		g, _, err := s.guilds.get(ctx, in.GuildID)
		if err != nil {
			return fmt.Errorf("settings of a guild: %w", err)
		}
		return r.Modal(ctx, serverForm(w, rulesOf(g, scope), scope, head, tail))
	case head == pressLift:
		return s.liftPauses(ctx, in, r)
	case head == sectionPlaces:
		return s.pressPlace(ctx, in, r, tail)
	case head == sectionGeneral && tail == "log":
		return s.setPlace(ctx, in, r, placeLog, picked(in))
	case head == sectionGeneral && tail == "nolog":
		return s.setPlace(ctx, in, r, placeLog, "")
	}
	done, err := s.panels.take(ctx, verbServer+":"+in.GuildID)
	if err != nil {
		return err
	}
	defer done()
	switch head {
	case "reset":
		if _, err := s.changeGuild(ctx, in, func(g *chat.Guild) error {
			*g = chat.Guild{Log: g.Log}
			return nil
		}); err != nil {
			return err
		}
		return r.Update(ctx, discord.Message{Content: w.T("server.reset.done")})
	case sectionGeneral:
		if tail == "news" {
			g, err := s.changeGuild(ctx, in, func(g *chat.Guild) error {
				g.NoNews = !g.NoNews
				return nil
			})
			if err != nil {
				return err
			}
			return r.Update(ctx, s.serverPanel(w, g, wholeGuild, sectionGeneral))
		}
	}
	section := head
	if head == "section" {
		section = picked(in)
	}
	if head == sectionAccess {
		section = in.Component.ID.Arg
	}
	change, back := serverChange(in, head, tail)
	if back != "" {
		section = back
	}
	var g chat.Guild
	if change == nil {
		g, _, err = s.guilds.get(ctx, in.GuildID)
	} else {
		g, err = s.changeRules(ctx, in, w, scope, change)
	}
	if err != nil {
		return err
	}
	return r.Update(ctx, s.serverPanel(w, g, scope, section))
}

// serverChange is what a press changes, if anything, and the section that it belongs to.
func serverChange(in *discord.Interaction, head, tail string) (change func(*chat.Rules) error, section string) {
	value := picked(in)
	does := func(f func(*chat.Rules)) func(*chat.Rules) error {
		return func(r *chat.Rules) error {
			f(r)
			return nil
		}
	}
	switch head + "/" + tail {
	case "content/adult":
		if slices.Contains([]string{"", string(chat.AdultNever), string(chat.AdultRestricted)}, value) {
			return does(func(r *chat.Rules) { r.Adult = chat.Adult(value) }), sectionContent
		}
	case "content/answers":
		if slices.Contains([]string{"", string(chat.AnswersChosen), string(chat.AnswersPublic), string(chat.AnswersPrivate)}, value) {
			return does(func(r *chat.Rules) { r.Answers = chat.Answers(value) }), sectionContent
		}
	case "content/spoiler":
		return does(func(r *chat.Rules) { r.Spoiler = flip(r.Spoiler, false) }), sectionContent
	case "content/sources":
		if value == "" || slices.Contains(chat.SourceRules(), chat.SourceRule(value)) {
			return does(func(r *chat.Rules) { r.Sources = chat.SourceRule(value) }), sectionContent
		}
	case "content/share":
		return does(func(r *chat.Rules) { r.Share = flip(r.Share, true) }), sectionContent
	case "content/strict":
		return does(func(r *chat.Rules) { r.Strict = flip(r.Strict, false) }), sectionAccess
	case "content/strange":
		return does(func(r *chat.Rules) { r.Strange = flip(r.Strange, true) }), sectionAccess
	case "content/installed":
		return does(func(r *chat.Rules) { r.Installed = flip(r.Installed, true) }), sectionAccess
	case "content/off":
		return does(func(r *chat.Rules) { r.Off = flip(r.Off, false) }), sectionAccess
	case "general/language":
		if value == "" || languageName(value) != "" {
			return does(func(r *chat.Rules) { r.Language = value }), sectionGeneral
		}
	}
	feature := chat.Feature(tail)
	if !slices.Contains(chat.Features(), feature) {
		return nil, ""
	}
	switch roles := in.Component.Values; head {
	case "roles", "everybody":
		return does(func(r *chat.Rules) {
			if r.Access == nil {
				r.Access = make(map[chat.Feature][]string)
			}
			r.Access[feature] = roles[:min(len(roles), discord.MaxSelectOptions)]
		}), sectionAccess + "/" + tail
	}
	return nil, ""
}

// serverForm asks for numbers, or for a list. It holds what is there.
func serverForm(w words.Words, rules chat.Rules, scope, section, which string) discord.Modal {
	form := discord.Modal{CustomID: serverID(scope, section+"/"+which), Title: discord.Clip(w.T("server.title"), discord.MaxModalTitle)}
	if section == sectionLimits {
		l := rules.Limits
		if l.Pixels > 0 {
			l.Pixels = sideOf(l.Pixels)
		}
		for _, number := range limitNumbers(which) {
			value := ""
			if n := *number.of(&l); n > 0 {
				value = strconv.Itoa(n)
			}
			form.Inputs = append(form.Inputs, discord.Input{
				CustomID: number.key, Label: discord.Clip(w.T("server.f."+number.key), discord.MaxInputLabel), Value: value, Max: 4,
				Placeholder: w.T("server.number"),
			})
		}
		return form
	}
	input := discord.Input{
		CustomID: "list", Label: discord.Clip(w.T("server.f."+which), discord.MaxInputLabel), Paragraph: true, Placeholder: w.T("server.perline"),
	}
	if list := listOf(&rules, which); list != nil {
		input.Value = strings.Join(*list, "\n")
	} else {
		input.Value, input.Placeholder, input.Max = rules.Negative, w.T("server.negative"), maxNegative/2
	}
	if tooLongToShow(input.Value) {
		input.Value, input.Placeholder = "", discord.Clip(w.T("server.longlist"), 100)
	}
	form.Inputs = []discord.Input{input}
	return form
}

// tooLongToShow reports whether a text is longer than a form holds: it can only be written anew.
func tooLongToShow(text string) bool { return utf8.RuneCountInString(text) > discord.MaxInputValue }

// emptied is what somebody writes to empty a list that is too long to be shown.
const emptied = "-"

// listOf finds a list of the rules; nil where there is no such list.
func listOf(r *chat.Rules, which string) *[]string {
	switch which {
	case "models":
		return &r.Models
	case "nomodels":
		return &r.NoModels
	case "nostyles":
		return &r.NoStyles
	case "words":
		return &r.Words
	}
	return nil
}

// submitServer takes the forms of the panel.
func (s *Set) submitServer(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, scope := s.say(in), in.Modal.ID.ID
	section, which, _ := strings.Cut(in.Modal.ID.Arg, "/")
	if section == sectionPlaces {
		return s.submitPlaces(ctx, in, r)
	}
	done, err := s.panels.take(ctx, verbServer+":"+in.GuildID)
	if err != nil {
		return err
	}
	defer done()
	g, err := s.changeRules(ctx, in, w, scope, func(rules *chat.Rules) error {
		if section == sectionLimits {
			return readLimits(w, &rules.Limits, which, in.Modal.Values)
		}
		text := in.Modal.Values["list"]
		if list := listOf(rules, which); list != nil {
			switch long := tooLongToShow(strings.Join(*list, "\n")); {
			case long && strings.TrimSpace(text) == "":
				return tell(w.T("server.longkept"))
			case long && strings.TrimSpace(text) == emptied:
				text = ""
			}
			entries, err := readList(w, text)
			*list = entries
			return err
		}
		if utf8.RuneCountInString(text) > maxNegative/2 {
			return tell(w.T("server.toolong"))
		}
		rules.Negative = plain(text)
		return nil
	})
	if err != nil {
		return err
	}
	return r.Update(ctx, s.serverPanel(w, g, scope, section))
}

// limitNumber is one number of a form with limits.
type limitNumber struct {
	key         string
	least, most int
	of          func(*chat.Limits) *int
}

// limitNumbers lists the numbers of one of the forms: of images, or of texts. A form has five at most.
func limitNumbers(which string) []limitNumber {
	if which == limitsOfTexts {
		return []limitNumber{
			{"length", horde.MinTextLength, horde.MaxTextLength, func(l *chat.Limits) *int { return &l.Length }},
			{"texts", 1, maxTexts, func(l *chat.Limits) *int { return &l.Texts }},
		}
	}
	return []limitNumber{
		{"size", horde.MinSide, horde.MaxSide, func(l *chat.Limits) *int { return &l.Pixels }},
		{"steps", 1, horde.MaxSteps, func(l *chat.Limits) *int { return &l.Steps }},
		{"amount", 1, maxAmount, func(l *chat.Limits) *int { return &l.Amount }},
		{"atonce", 1, maxAtOnce, func(l *chat.Limits) *int { return &l.AtOnce }},
		{"inguild", 1, maxAtOnce, func(l *chat.Limits) *int { return &l.InGuild }},
	}
}

// readLimits takes the numbers of a form into limits. Empty ones are left to the wider rule.
func readLimits(w words.Words, l *chat.Limits, which string, values map[string]string) error {
	for _, number := range limitNumbers(which) {
		into := number.of(l)
		*into = 0
		text := strings.TrimSpace(values[number.key])
		if text == "" {
			continue
		}
		if takeWhole(into, text, number.least, number.most) != nil {
			return tell(w.T("server.badnumber", "What", w.T("server.f."+number.key), "Least", number.least, "Most", number.most))
		}
		if number.key == "size" {
			*into *= *into
		}
	}
	return nil
}

// readList reads the lines of a form.
func readList(w words.Words, text string) ([]string, error) {
	var out []string
	for line := range strings.SplitSeq(strings.ReplaceAll(text, ",", "\n"), "\n") {
		line = plain(line)
		switch {
		case line == "" || slices.ContainsFunc(out, func(s string) bool { return strings.EqualFold(s, line) }):
			continue
		case utf8.RuneCountInString(line) > chat.MaxListName, len(out) >= chat.MaxList:
			return nil, tell(w.T("server.badlist", "Most", chat.MaxList, "Long", chat.MaxListName))
		}
		out = append(out, line)
	}
	return out, nil
}
