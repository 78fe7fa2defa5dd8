// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chart"
	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// verbPublish is the verb of the button that shows statistics to everybody.
const verbPublish = "stp"

// topModels is how many models a list of the most used ones has.
const topModels = 10

// statsFile is the name of a chart.
const statsFile = "statistics.png"

// statsView is what statistics are looked at, as commands and buttons name it.
type statsView struct{ what, kind, span string }

func (s *Set) statsFamily() family {
	kinds, spans := []string{"images", "texts", "alchemy"}, []string{"hour", "day", "month"}
	spec := discord.CommandSpec{
		Name: "stats", Description: s.english("stats.desc"), Descriptions: s.bundle.Locales("stats.desc"), DMs: true, UserInstall: true,
		Subcommands: []discord.SubcommandSpec{
			s.subcommand("totals", "stats.totals.desc",
				s.option("kind", "stats.opt.kind", discord.OptionString, s.oneOf("stats.kind.", kinds...)),
				s.option("span", "stats.opt.span", discord.OptionString, s.oneOf("stats.span.", spans...))),
			s.subcommand("models", "stats.models.desc",
				s.option("kind", "stats.opt.kind", discord.OptionString, s.oneOf("stats.kind.", "images", "texts")),
				s.option("span", "stats.opt.span", discord.OptionString, s.oneOf("stats.span.", "day", "month", "ever"))),
			s.subcommand("me", "stats.me.desc"),
			s.subcommand("guild", "stats.guild.desc"),
		},
	}
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		for _, sub := range spec.Subcommands {
			rt.Command("stats "+sub.Name, discord.Route{Handle: s.answered(s.stats), Private: true})
		}
		rt.Component(verbPublish, discord.Route{Handle: s.answered(s.publishStats), Private: true})
	}}
}

func (s *Set) stats(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	o := in.Command.Options
	view := statsView{
		what: strings.TrimPrefix(in.Command.Path, "stats "), kind: cmp.Or(o.String("kind"), "images"), span: cmp.Or(o.String("span"), "day"),
	}
	m, err := s.statistics(ctx, in, view, s.say(in))
	if err != nil {
		return err
	}
	m.Ephemeral = true
	m.Components = []discord.Row{{Buttons: []discord.Button{{
		Label: s.say(in).T("common.publish"), Style: discord.Secondary,
		CustomID: discord.CustomID{Verb: verbPublish, ID: view.what, Arg: view.kind + "." + view.span}.String(),
	}}}}
	return r.Reply(ctx, m)
}

// publishStats shows everybody the statistics of now. What it shows is about the presser, or about what all may see.
func (s *Set) publishStats(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.publisher(ctx, in)
	if err != nil {
		return err
	}
	kind, span, _ := strings.Cut(in.Component.ID.Arg, ".")
	m, err := s.statistics(ctx, in, statsView{in.Component.ID.ID, kind, span}, e.aloud)
	if err != nil {
		return err
	}
	m.Content = e.aloud.T("stats.shownby", "Person", mention(in.User.ID))
	return r.Reply(ctx, m)
}

// statistics makes a message of a view. A view that no version knows is refused.
func (s *Set) statistics(ctx context.Context, in *discord.Interaction, view statsView, w words.Words) (discord.Message, error) {
	kind, known := map[string]horde.StatKind{"images": horde.StatImage, "texts": horde.StatText, "alchemy": horde.StatAlchemy}[view.kind]
	switch {
	case !known:
	case view.what == "totals":
		return s.statsTotals(w, view, kind)
	case view.what == "models" && kind != horde.StatAlchemy:
		return s.statsModels(w, view, kind)
	case view.what == "me":
		return s.statsMe(ctx, w, in.User)
	case view.what == "guild" && in.GuildID == "":
		return discord.Message{}, tell(w.T("common.guildonly"))
	case view.what == "guild":
		return s.statsGuild(ctx, w, in.GuildID)
	}
	return discord.Message{}, tell(w.T("request.old"))
}

// picture is a message of a frame with a chart beside it; alt says what the chart shows. Within the frame, Discord would not
// show the description to anybody.
func picture(title, text, alt string, fields []discord.Field, data []byte) discord.Message {
	return discord.Message{
		Embeds: []discord.Embed{{
			Title: discord.Clip(title, discord.MaxEmbedTitle), Description: discord.Clip(text, discord.MaxEmbedDescription),
			Color: embedColor, Fields: fields,
		}},
		Files: []discord.File{{
			Name: statsFile, ContentType: "image/png", Data: data, Description: discord.Clip(plain(alt), discord.MaxDescription),
		}},
	}
}

func (s *Set) statsTotals(w words.Words, view statsView, kind horde.StatKind) (discord.Message, error) {
	span, known := map[string]horde.StatSpan{"hour": horde.LastHour, "day": horde.LastDay, "month": horde.LastMonth}[view.span]
	if !known {
		return discord.Message{}, tell(w.T("request.old"))
	}
	st := s.engine.Statistics()
	totals := st.Totals(kind)
	var fields []discord.Field
	for _, x := range []struct {
		span string
		made horde.Made
	}{{"minute", totals.Minute}, {"hour", totals.Hour}, {"day", totals.Day}, {"month", totals.Month}, {"ever", totals.Total}} {
		fields = append(fields, discord.Field{Name: w.T("stats.span." + x.span), Value: workText(w, kind, x.made), Inline: true})
	}
	var bars []chart.Bar
	var times []time.Time
	for _, p := range st.Series(kind, span) {
		bars = append(bars, chart.Bar{Label: p.At.Format(stepFormat(span)), Value: p.Count})
		times = append(times, p.At)
	}
	data, err := s.charts.Columns(bars)
	if err != nil {
		return discord.Message{}, err
	}
	what := w.T("stats.kind." + view.kind)
	title := w.T("stats.totals.title", "Kind", what)
	return picture(title, w.T("stats.chart."+view.span), columnsAlt(w, what, w.T("stats.chart."+view.span), bars, times), fields, data), nil
}

// stepFormat writes the time of a step in a chart.
func stepFormat(span horde.StatSpan) string {
	if span == horde.LastMonth {
		return "01-02"
	}
	return "15:04"
}

// workText says how much was made, and how much work that was.
func workText(w words.Words, kind horde.StatKind, m horde.Made) string {
	count := strconv.FormatInt(m.Count, 10)
	switch kind {
	case horde.StatImage:
		return count + "\n" + w.T("stats.pixelsteps", "Things", chart.Short(m.Things))
	case horde.StatText:
		return count + "\n" + w.T("stats.tokens", "Things", chart.Short(m.Things))
	case horde.StatAlchemy:
	}
	return count
}

// columnsAlt describes a chart of columns to those who cannot see it.
func columnsAlt(w words.Words, what, span string, bars []chart.Bar, times []time.Time) string {
	sum, top := int64(0), 0
	for i, b := range bars {
		sum += b.Value
		if b.Value > bars[top].Value {
			top = i
		}
	}
	if sum == 0 {
		return w.T("stats.alt.none", "What", what, "Span", span)
	}
	return w.T("stats.alt.columns", "What", what, "Span", span, "Sum", sum, "Most", bars[top].Value, "At", times[top].UTC().Format("2006-01-02 15:04"))
}

func (s *Set) statsModels(w words.Words, view statsView, kind horde.StatKind) (discord.Message, error) {
	models := s.engine.Statistics().Models(kind)
	counts, known := map[string]map[string]int64{"day": models.Day, "month": models.Month, "ever": models.Total}[view.span]
	if !known {
		return discord.Message{}, tell(w.T("request.old"))
	}
	title := w.T("stats.models.title", "Kind", w.T("stats.kind."+view.kind), "Span", w.T("stats.span."+view.span))
	bars := top(counts)
	if len(bars) == 0 {
		return discord.Message{Embeds: []discord.Embed{{Title: title, Description: w.T("stats.nothing"), Color: embedColor}}}, nil
	}
	data, err := s.charts.Rows(bars)
	if err != nil {
		return discord.Message{}, err
	}
	var list, alt []string
	for i, b := range bars {
		list = append(list, fmt.Sprintf("%d. %s · %d", i+1, escape(discord.Clip(b.Label, 80)), b.Value))
		alt = append(alt, discord.Clip(b.Label, 60)+" "+strconv.FormatInt(b.Value, 10))
	}
	return picture(title, strings.Join(list, "\n"), w.T("stats.alt.rows", "Title", title, "List", strings.Join(alt, ", ")), nil, data), nil
}

// top lists the most used models.
func top(counts map[string]int64) []chart.Bar {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var bars []chart.Bar
	for _, name := range names[:min(len(names), topModels)] {
		bars = append(bars, chart.Bar{Label: name, Value: counts[name]})
	}
	return bars
}

func (s *Set) statsMe(ctx context.Context, w words.Words, person discord.User) (discord.Message, error) {
	u, ok := s.find(person.ID)
	if !ok {
		return discord.Message{}, tell(w.T("common.needsaccount", "Login", s.cmd("login")))
	}
	fields := []discord.Field{
		{Name: w.T("stats.me.asked"), Value: asked(w, u.Image.Requests, u.Text.Requests, u.Alchemy.Requests), Inline: true},
		{Name: w.T("stats.me.made"), Value: asked(w, u.Image.Fulfilments, u.Text.Fulfilments, u.Alchemy.Fulfilments), Inline: true},
	}
	return s.statsTally(ctx, w, tallyOfPerson(person.ID), w.T("stats.me.title", "Name", escape(discord.Clip(person.DisplayName(), 60))), fields)
}

// asked writes three counts with their words.
func asked(w words.Words, images, texts, forms int64) string {
	return w.T("stats.kind.images") + ": " + strconv.FormatInt(images, 10) + "\n" +
		w.T("stats.kind.texts") + ": " + strconv.FormatInt(texts, 10) + "\n" +
		w.T("stats.kind.alchemy") + ": " + strconv.FormatInt(forms, 10)
}

func (s *Set) statsGuild(ctx context.Context, w words.Words, guild string) (discord.Message, error) {
	return s.statsTally(ctx, w, tallyOfGuild(guild), w.T("stats.guild.title"), nil)
}

// statsTally shows what the chat door made for somebody.
func (s *Set) statsTally(ctx context.Context, w words.Words, key, title string, fields []discord.Field) (discord.Message, error) {
	t, found, err := s.tallies.docs.get(ctx, key)
	if err != nil {
		return discord.Message{}, fmt.Errorf("tally: %w", err)
	}
	now := s.now()
	lately := t.Lately(now)
	fields = append(fields, discord.Field{
		Name: w.T("stats.span.month"), Value: w.T("stats.tally", "Images", lately.Images, "Requests", lately.Requests), Inline: true,
	})
	if found {
		fields = append(fields, discord.Field{
			Name: w.T("stats.since"), Value: day(t.Since) + "\n" + w.T("stats.tally", "Images", t.Images, "Requests", t.Requests), Inline: true,
		})
	}
	var names []string
	for _, b := range top(t.Models) {
		names = append(names, escape(discord.Clip(b.Label, 60))+" · "+strconv.FormatInt(b.Value, 10))
	}
	if len(names) > 0 {
		fields = append(fields, discord.Field{Name: w.T("stats.topmodels"), Value: discord.Clip(strings.Join(names, "\n"), discord.MaxFieldValue)})
	}
	byDay := make(map[int64]int64)
	for _, d := range t.Days {
		byDay[d.Day] += d.Images
	}
	var bars []chart.Bar
	var times []time.Time
	for d := lately.Day - chat.TallyDays + 1; d <= lately.Day; d++ {
		at := time.Unix(0, 0).UTC().AddDate(0, 0, int(d))
		bars = append(bars, chart.Bar{Label: at.Format(stepFormat(horde.LastMonth)), Value: byDay[d]})
		times = append(times, at)
	}
	data, err := s.charts.Columns(bars)
	if err != nil {
		return discord.Message{}, err
	}
	span := w.T("stats.chart.month")
	return picture(title, span, columnsAlt(w, w.T("stats.kind.images"), span, bars, times), fields, data), nil
}
