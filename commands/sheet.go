// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// Sheets are what people look things up in: lists in pages, and cards about one thing. They are private, and a button
// shows them to everybody. What they show is read anew for each page.

// Verbs of the buttons of sheets.
const (
	verbSheet    = "ls" // another page, or the same anew
	verbSheetOut = "lp" // for everybody to see
)

// Bounds of sheets.
const (
	sheetRows   = 10  // on a page
	sheetRow    = 350 // characters of a row
	maxFilter   = 72  // bytes that a button carries about what is looked for
	maxSheets   = 500 // rows that are looked at
	sheetFields = 20
)

// sheet is what a list or card shows. A card has fields, and no rows.
type sheet struct {
	title, text string
	fields      []discord.Field
	rows        []string
	image       string
	buttons     []discord.Button
}

// lookup reads what a sheet shows; filter says what is looked for.
type lookup func(ctx context.Context, in *discord.Interaction, w words.Words, filter string) (sheet, error)

// look is a place in a sheet, as buttons carry it.
type look struct {
	name   string
	page   int // from 0
	filter string
}

func (l look) id(verb string) string {
	return discord.CustomID{Verb: verb, ID: l.name, Arg: strconv.Itoa(l.page) + "|" + l.filter}.String()
}

func lookOf(id discord.CustomID) look {
	page, filter, _ := strings.Cut(id.Arg, "|")
	n, err := strconv.Atoi(page)
	if err != nil || n < 0 {
		n = 0
	}
	return look{id.ID, n, filter}
}

// filterOf makes what is looked for fit into a button.
func filterOf(parts ...string) string {
	for i := range parts {
		parts[i] = strings.ReplaceAll(plain(parts[i]), "|", "/")
	}
	text := strings.Join(parts, "|")
	for len(text) > maxFilter {
		r := []rune(text)
		text = string(r[:len(r)-1])
	}
	return text
}

// part is one of what filterOf joined.
func part(filter string, i int) string {
	parts := strings.Split(filter, "|")
	if i >= len(parts) {
		return ""
	}
	return parts[i]
}

// sheets lists all of them by name.
func (s *Set) sheets() map[string]lookup {
	all := map[string]lookup{
		"models": s.modelList, "model": s.modelCard, "workers": s.workerList, "worker": s.workerCard, "teams": s.teamList,
		"team": s.teamCard, "styles": s.styleList, "style": s.styleCard, "collections": s.collectionList, "collection": s.collectionCard,
		"news": s.newsList, "status": s.hordeStatus, "performance": s.hordePerformance, "modes": s.hordeModes,
		"party": s.partySheet, "parties": s.partiesSheet,
	}
	if s.deps.Ratings != nil {
		maps.Copy(all, map[string]lookup{"ratings": s.ratingSheet, "raters": s.raterSheet, "datasets": s.datasetSheet})
	}
	return all
}

// sheetFamily is the buttons of sheets.
func (s *Set) sheetFamily() family {
	return family{register: func(rt *discord.Router) {
		rt.Component(verbSheet, discord.Route{Handle: s.answered(s.pressSheet), Private: true})
		rt.Component(verbSheetOut, discord.Route{Handle: s.answered(s.pressSheetOut)})
	}}
}

// showSheet answers with a page of a sheet.
func (s *Set) showSheet(ctx context.Context, in *discord.Interaction, r *discord.Responder, name string, filter ...string) error {
	m, err := s.sheetMessage(ctx, in, s.say(in), look{name: name, filter: filterOf(filter...)}, false)
	if err != nil {
		return err
	}
	m.Ephemeral = true
	return r.Reply(ctx, m)
}

func (s *Set) pressSheet(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	m, err := s.sheetMessage(ctx, in, s.say(in), lookOf(in.Component.ID), false)
	if err != nil {
		return err
	}
	return r.Update(ctx, m)
}

// publisher resolves what holds for somebody who shows an answer to everybody, and refuses where answers are private.
func (s *Set) publisher(ctx context.Context, in *discord.Interaction) (Effective, error) {
	e, err := s.effective(ctx, in)
	if err != nil {
		return e, err
	}
	if err := e.admit(""); err != nil {
		return e, err
	}
	if e.answers == chat.AnswersPrivate {
		return e, tell(e.say.T("sheet.private"))
	}
	return e, nil
}

// pressSheetOut shows a sheet to everybody, where answers for everybody are allowed.
func (s *Set) pressSheetOut(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.publisher(ctx, in)
	if err != nil {
		return err
	}
	m, err := s.sheetMessage(ctx, in, e.aloud, lookOf(in.Component.ID), true)
	if err != nil {
		return err
	}
	if err := r.DeferUpdate(ctx); err != nil {
		return err
	}
	_, err = r.Followup(ctx, m)
	return err
}

// sheetMessage makes a page of a sheet.
func (s *Set) sheetMessage(ctx context.Context, in *discord.Interaction, w words.Words, at look, aloud bool) (discord.Message, error) {
	find, ok := s.sheets()[at.name]
	if !ok {
		return discord.Message{}, tell(w.T("request.old"))
	}
	sh, err := find(ctx, in, w, at.filter)
	if err != nil {
		return discord.Message{}, err
	}
	pages := max(1, (len(sh.rows)+sheetRows-1)/sheetRows)
	at.page = min(at.page, pages-1)
	embed := discord.Embed{
		Title: discord.Clip(sh.title, discord.MaxEmbedTitle), Color: embedColor, Fields: sh.fields[:min(len(sh.fields), sheetFields)], Image: sh.image,
	}
	rows := make([]string, 0, sheetRows+1)
	if sh.text != "" {
		rows = append(rows, discord.Clip(sh.text, 1500))
	}
	for _, row := range sh.rows[at.page*sheetRows : min(len(sh.rows), (at.page+1)*sheetRows)] {
		rows = append(rows, discord.Clip(row, sheetRow))
	}
	if len(rows) == 0 && len(sh.fields) == 0 {
		rows = append(rows, w.T("sheet.empty"))
	}
	embed.Description = discord.Clip(strings.Join(rows, "\n"), discord.MaxEmbedDescription)
	if pages > 1 {
		embed.Footer = w.T("common.page", "Page", at.page+1, "Pages", pages)
	}
	m := discord.Message{Embeds: []discord.Embed{embed}}
	if aloud {
		return m, nil
	}
	turn := func(label string, to int) discord.Button {
		b := discord.Button{Label: w.T(label), Disabled: to < 0 || to >= pages}
		b.CustomID = look{at.name, to, at.filter}.id(verbSheet)
		if b.Disabled {
			b.CustomID = discord.CustomID{Verb: verbSheet, ID: at.name, Arg: label}.String()
		}
		return b
	}
	buttons := []discord.Button{
		{Label: w.T("common.refresh"), Emoji: "🔄", CustomID: at.id(verbSheet)},
		{Label: w.T("common.publish"), Emoji: "📢", CustomID: at.id(verbSheetOut)},
	}
	if pages > 1 {
		buttons = append([]discord.Button{turn("common.back", at.page-1), turn("common.next", at.page+1)}, buttons...)
	}
	m.Components = []discord.Row{{Buttons: buttons}}
	for more := range slices.Chunk(sh.buttons, discord.MaxButtons) {
		m.Components = append(m.Components, discord.Row{Buttons: more})
	}
	return m, nil
}

// field makes a field of a card; what is empty is left out.
func field(list []discord.Field, name, value string) []discord.Field {
	if value == "" {
		return list
	}
	return append(list, discord.Field{Name: discord.Clip(name, discord.MaxFieldName), Value: discord.Clip(value, discord.MaxFieldValue), Inline: true})
}

// span writes a length of time the same in all languages: 3d 4h, 5m, 20s.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd %dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// cutShort writes a large number with its unit: 12.3 k, 4.5 M.
func cutShort(n float64) string {
	for _, u := range []struct {
		at   float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if n >= u.at {
			return strconv.FormatFloat(n/u.at, 'f', 1, 64) + " " + u.name
		}
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// list names a few of many.
func list(names []string, most int) string {
	var out []string
	for _, n := range names[:min(len(names), most)] {
		out = append(out, escape(discord.Clip(n, maxModel)))
	}
	if len(names) > most {
		out = append(out, "… +"+strconv.Itoa(len(names)-most))
	}
	return strings.Join(out, ", ")
}

// splitList reads what people write with commas between.
func splitList(text string) []string {
	var out []string
	for x := range strings.SplitSeq(text, ",") {
		if x = strings.TrimSpace(x); x != "" && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// contains reports whether a text has another in it, whatever the case.
func contains(text, part string) bool {
	return part == "" || strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// need is the person's account; who has none is told how to get one.
func (s *Set) need(ctx context.Context, in *discord.Interaction) (by caller, err error) {
	u, _, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	if err != nil {
		return by, err
	}
	if !ok {
		return by, tell(s.say(in).T("common.needsaccount", "Login", s.cmd("login")))
	}
	return caller{u}, nil
}
