// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
	"stablemate/ratings"
)

// Verbs of the rating panel. Their ID is the panel's number; what is on the desk decides, not the button.
const (
	verbRating    = "ratenum" // Arg: the rating
	verbArtifacts = "rateart" // Arg: rating and artifacts, with a point between
	verbRateDo    = "ratedo"  // Arg: one of the following
	verbRateSet   = "rateset" // opens the panel for one's own images; ID: the interaction that asked for them
	verbRateOwn   = "rateown" // Arg: what was said so far, see rateown.go
	doSkip        = "skip"
	doReport      = "report"
	doUndo        = "undo"
	doStop        = "stop"
	doChange      = "change"
	doAgain       = "again"
	anyDataset    = "*"
	ratingsAgent  = clientAgent
	maxDatasetOpt = 40
)

// rateFamily is /rate, /ratings and the buttons of rating panels. Without ratings there is none of it.
func (s *Set) rateFamily() family {
	if s.deps.Ratings == nil {
		return family{register: func(*discord.Router) {}}
	}
	en := s.bundle.For("en")
	say := func(key string) (string, map[string]string) { return en.T(key), s.bundle.Locales(key) }
	option := func(name, key string, o discord.OptionSpec) discord.OptionSpec {
		o.Name = name
		o.Description, o.Descriptions = say(key)
		return o
	}
	sub := func(name, key string, options ...discord.OptionSpec) discord.SubcommandSpec {
		out := discord.SubcommandSpec{Name: name, Options: options}
		out.Description, out.Descriptions = say(key)
		return out
	}
	rate := discord.CommandSpec{Name: "rate", DMs: true, UserInstall: true, Options: []discord.OptionSpec{
		option("dataset", "rate.opt.dataset", discord.OptionSpec{Type: discord.OptionString, Autocomplete: true, MaxLength: new(maxDatasetOpt)}),
		option("artifacts", "rate.opt.artifacts", discord.OptionSpec{Type: discord.OptionBoolean}),
	}}
	rate.Description, rate.Descriptions = say("rate.desc")
	list := discord.CommandSpec{Name: "ratings", DMs: true, UserInstall: true, Subcommands: []discord.SubcommandSpec{
		sub("stats", "rate.list.stats"),
		sub("leaderboard", "rate.list.leaderboard", option("hide", "rate.opt.hide", discord.OptionSpec{Type: discord.OptionBoolean})),
		sub("datasets", "rate.list.datasets"),
	}}
	list.Description, list.Descriptions = say("rate.list")
	return family{
		specs: []discord.CommandSpec{rate, list},
		register: func(rt *discord.Router) {
			rt.Command("rate", discord.Route{Handle: s.answered(s.rate), Autocomplete: s.completeDataset, Private: true})
			rt.Command("ratings stats", discord.Route{Handle: s.answered(s.ratingStats), Private: true})
			rt.Command("ratings leaderboard", discord.Route{Handle: s.answered(s.ratingLeaders), Private: true})
			rt.Command("ratings datasets", discord.Route{Handle: s.answered(s.ratingDatasets), Private: true})
			rt.Component(verbRating, discord.Route{Handle: s.answered(s.pressRating), Private: true})
			rt.Component(verbArtifacts, discord.Route{Handle: s.answered(s.pressArtifacts), Private: true})
			rt.Component(verbRateDo, discord.Route{Handle: s.answered(s.pressRateDo), Private: true})
			rt.Component(verbRateSet, discord.Route{Handle: s.answered(s.pressRateSet), Private: true})
			rt.Component(verbRateOwn, discord.Route{Handle: s.answered(s.pressRateOwn), Private: true})
		},
	}
}

// rates finds out who rates, and refuses who may not do so here.
func (s *Set) rates(ctx context.Context, in *discord.Interaction) (ratings.Person, Effective, error) {
	e, err := s.effective(ctx, in)
	if err != nil {
		return ratings.Person{}, e, err
	}
	if err := e.admit(""); err != nil {
		return ratings.Person{}, e, err
	}
	u, _, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	switch {
	case err != nil:
		return ratings.Person{}, e, err
	case !ok:
		return ratings.Person{}, e, tell(e.say.T("common.needsaccount", "Login", s.cmd("login")))
	}
	return ratings.Person{User: u.ID, Client: ratingsAgent, Guild: in.GuildID, Adult: e.adult}, e, nil
}

// rate shows the panel.
func (s *Set) rate(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	who, e, err := s.rates(ctx, in)
	if err != nil {
		return err
	}
	var wish ratings.Wish
	if o := in.Command.Options; o.Has("dataset") {
		name, err := s.datasetOf(ctx, e.say, o.String("dataset"))
		if err != nil {
			return err
		}
		wish.Dataset = &name
	}
	if in.Command.Options.Has("artifacts") {
		wish.Bare = new(!in.Command.Options.Bool("artifacts", true))
	}
	v, err := s.deps.Ratings.Show(ctx, who, wish)
	if err != nil {
		return err
	}
	m := s.ratePanel(e, v, "")
	m.Ephemeral = true
	return r.Reply(ctx, m)
}

// datasetOf finds a data set that somebody typed or chose.
func (s *Set) datasetOf(ctx context.Context, w words.Words, typed string) (string, error) {
	typed = strings.TrimSpace(typed)
	if typed == "" || typed == anyDataset || strings.EqualFold(typed, w.T("rate.any")) {
		return "", nil
	}
	sets, _, err := s.deps.Ratings.Datasets(ctx)
	if err != nil {
		return "", err
	}
	for _, d := range sets {
		if strings.EqualFold(d.Name, typed) {
			return d.Name, nil
		}
	}
	return "", tell(w.T("rate.unknown", "Command", s.cmd("ratings datasets")))
}

func (s *Set) completeDataset(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, typed := s.say(in), strings.ToLower(strings.TrimSpace(in.Command.Options.String("dataset")))
	choices := []discord.Choice{{Name: w.T("rate.any"), Value: anyDataset}}
	sets, _, err := s.deps.Ratings.Datasets(ctx)
	if err != nil {
		s.log.Warn().Err(err).Msg("cannot list the data sets")
	}
	for _, d := range sets {
		if name := datasetTitle(w, d.Name); strings.Contains(strings.ToLower(name+" "+d.Name), typed) {
			choices = append(choices, discord.Choice{Name: name, Value: d.Name})
		}
	}
	return late(r.Autocomplete(ctx, choices[:min(len(choices), discord.MaxChoices)]))
}

// datasetTitle is a data set's name for people.
func datasetTitle(w words.Words, name string) string {
	if name == ratings.Horde {
		return plain(w.T("rate.sets.horde"))
	}
	return plain(name)
}

// rateButton makes a button of a panel.
func rateButton(label, verb string, seq int64, arg string, style discord.ButtonStyle) discord.Button {
	return discord.Button{
		Label: discord.Clip(label, discord.MaxLabel), Style: style,
		CustomID: discord.CustomID{Verb: verb, ID: strconv.FormatInt(seq, 10), Arg: arg}.String(),
	}
}

// moment is a time in the reader's own language and zone.
func moment(t time.Time) string { return "<t:" + strconv.FormatInt(t.Unix(), 10) + ":f>" }

// thanks says an amount of kudos.
func thanks(w words.Words, a kudos.Amount) string {
	n := 2
	if a == kudos.One {
		n = 1
	}
	return w.T("common.kudos", "Amount", a.String(), "Count", n)
}

// ratePanel shows an image with its buttons, or why there is none. note is about what came before.
func (s *Set) ratePanel(e Effective, v ratings.View, note string) discord.Message {
	w := e.say
	today := "-# " + w.T("rate.today", "Today", v.Today, "Daily", v.Daily, "Votes", v.Votes)
	if v.Why != ratings.WhyNot {
		key := map[ratings.Why]string{
			ratings.Streak: "rate.streak", ratings.Pace: "rate.pace", ratings.Disagree: "rate.disagree", ratings.Enough: "rate.enough",
			ratings.Empty: "rate.empty",
		}[v.Why]
		row := discord.Row{Buttons: []discord.Button{rateButton(w.T("rate.again"), verbRateDo, v.Seq, doAgain, discord.Secondary)}}
		if v.Undo {
			row.Buttons = append(row.Buttons, rateButton(w.T("rate.undo"), verbRateDo, v.Seq, doUndo, discord.Secondary))
		}
		return discord.Message{Content: lines(note, w.T(key, "Time", moment(v.Until)), today), Components: []discord.Row{row}}
	}
	kind, ending := imageKind(v.Data)
	m := discord.Message{
		Content: lines(note, w.T("rate.ask"), today),
		Files: []discord.File{{
			Name: "rate-" + strconv.FormatInt(v.Seq, 10) + ending, ContentType: kind, Data: v.Data, Description: w.T("rate.alt"), Spoiler: v.Image.NSFW || e.spoiler,
		}},
	}
	m.Components = append(ratingRows(func(n int) discord.Button {
		if v.Bare {
			return rateButton(strconv.Itoa(n), verbArtifacts, v.Seq, strconv.Itoa(n)+"."+strconv.Itoa(horde.NoArtifacts), discord.Primary)
		}
		return rateButton(strconv.Itoa(n), verbRating, v.Seq, strconv.Itoa(n), discord.Primary)
	}), rateControls(w, v.Seq, v.Undo))
	return m
}

// ratingRows lays out a button for each rating.
func ratingRows(button func(n int) discord.Button) []discord.Row {
	rows := make([]discord.Row, 2)
	for n := horde.MinRating; n <= horde.MaxRating; n++ {
		at := &rows[(n-1)/discord.MaxButtons]
		at.Buttons = append(at.Buttons, button(n))
	}
	return rows
}

// artifactRows lays out a button for each amount of artifacts.
func artifactRows(w words.Words, button func(label string, n int) discord.Button) []discord.Row {
	rows := make([]discord.Row, 2)
	for n := range horde.MaxArtifacts + 1 {
		at := &rows[n/3]
		at.Buttons = append(at.Buttons, button(w.T("rate.a"+strconv.Itoa(n)), n))
	}
	return rows
}

func rateControls(w words.Words, seq int64, undo bool) discord.Row {
	row := discord.Row{Buttons: []discord.Button{
		rateButton(w.T("rate.skip"), verbRateDo, seq, doSkip, discord.Secondary),
		rateButton(w.T("rate.report"), verbRateDo, seq, doReport, discord.Danger),
	}}
	if undo {
		row.Buttons = append(row.Buttons, rateButton(w.T("rate.undo"), verbRateDo, seq, doUndo, discord.Secondary))
	}
	row.Buttons = append(row.Buttons, rateButton(w.T("rate.stop"), verbRateDo, seq, doStop, discord.Secondary))
	return row
}

// pressedSeq is the panel's number of a pressed button.
func pressedSeq(in *discord.Interaction) (int64, error) {
	seq, err := strconv.ParseInt(in.Component.ID.ID, 10, 64)
	if err != nil {
		return 0, errOldButton
	}
	return seq, nil
}

var errOldButton = tellPlain("request.old")

// pressRating asks for artifacts. It keeps the image and touches no store.
func (s *Set) pressRating(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	seq, err := pressedSeq(in)
	if err != nil {
		return err
	}
	rating, err := strconv.Atoi(in.Component.ID.Arg)
	if err != nil || rating < horde.MinRating || rating > horde.MaxRating {
		return errOldButton
	}
	return r.Update(ctx, artifactsPanel(s.say(in), seq, rating, ""))
}

func artifactsPanel(w words.Words, seq int64, rating int, note string) discord.Message {
	rows := artifactRows(w, func(label string, n int) discord.Button {
		return rateButton(label, verbArtifacts, seq, strconv.Itoa(rating)+"."+strconv.Itoa(n), discord.Primary)
	})
	return discord.Message{
		Content: lines(note, w.T("rate.chosen", "Rating", rating)), KeepFiles: true,
		Components: append(rows, discord.Row{Buttons: []discord.Button{
			rateButton(w.T("rate.change"), verbRateDo, seq, doChange, discord.Secondary),
			rateButton(w.T("rate.skip"), verbRateDo, seq, doSkip, discord.Secondary),
			rateButton(w.T("rate.stop"), verbRateDo, seq, doStop, discord.Secondary),
		}}),
	}
}

// pressArtifacts sends rating and artifacts together and shows the next image.
func (s *Set) pressArtifacts(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	seq, err := pressedSeq(in)
	if err != nil {
		return err
	}
	first, second, _ := strings.Cut(in.Component.ID.Arg, ".")
	rating, err1 := strconv.Atoi(first)
	artifacts, err2 := strconv.Atoi(second)
	if err1 != nil || err2 != nil {
		return errOldButton
	}
	return s.answerRating(ctx, in, r, ratings.Answer{Seq: seq, Kind: ratings.Rated, Rating: rating, Artifacts: artifacts})
}

// answerRating gives an answer and shows what comes next.
func (s *Set) answerRating(ctx context.Context, in *discord.Interaction, r *discord.Responder, a ratings.Answer) error {
	who, e, err := s.rates(ctx, in)
	if err != nil {
		return err
	}
	out, err := s.deps.Ratings.Rate(ctx, who, a)
	switch {
	case errors.Is(err, ratings.ErrSoon) && a.Artifacts != horde.NoArtifacts:
		return r.Update(ctx, artifactsPanel(e.say, a.Seq, a.Rating, e.say.T("rate.soon")))
	case errors.Is(err, ratings.ErrSoon):
		return s.showRating(ctx, r, who, e, e.say.T("rate.soon"))
	case errors.Is(err, ratings.ErrOver):
		return s.showRating(ctx, r, who, e, e.say.T("rate.over"))
	case err != nil:
		return err
	}
	note := e.say.T("rate.skipped")
	switch {
	case a.Kind == ratings.Reported:
		note = e.say.T("rate.reported")
	case a.Kind == ratings.Rated && out.Reward > 0:
		note = e.say.T("rate.took", "Stars", stars(a.Rating), "Kudos", thanks(e.say, out.Reward))
	case a.Kind == ratings.Rated:
		note = e.say.T("rate.tookbare", "Stars", stars(a.Rating))
	}
	return r.Update(ctx, s.ratePanel(e, out.Next, note))
}

func stars(n int) string {
	n = min(max(n, 0), horde.MaxRating)
	return strings.Repeat("★", n) + strings.Repeat("☆", horde.MaxRating-n) + " " + strconv.Itoa(n)
}

// showRating puts what is on the desk into the pressed message.
func (s *Set) showRating(ctx context.Context, r *discord.Responder, who ratings.Person, e Effective, note string) error {
	v, err := s.deps.Ratings.Show(ctx, who, ratings.Wish{})
	if err != nil {
		return err
	}
	return r.Update(ctx, s.ratePanel(e, v, note))
}

// pressRateDo is every other button of the panel.
func (s *Set) pressRateDo(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	seq, err := pressedSeq(in)
	if err != nil {
		return err
	}
	switch in.Component.ID.Arg {
	case doSkip:
		return s.answerRating(ctx, in, r, ratings.Answer{Seq: seq, Kind: ratings.Skipped, Artifacts: horde.NoArtifacts})
	case doReport:
		return s.answerRating(ctx, in, r, ratings.Answer{Seq: seq, Kind: ratings.Reported, Artifacts: horde.NoArtifacts})
	}
	who, e, err := s.rates(ctx, in)
	if err != nil {
		return err
	}
	switch in.Component.ID.Arg {
	case doChange, doAgain:
		return s.showRating(ctx, r, who, e, "")
	case doUndo:
		v, err := s.deps.Ratings.Undo(ctx, who, seq)
		switch {
		case errors.Is(err, ratings.ErrNothing):
			return s.showRating(ctx, r, who, e, e.say.T("rate.nothing"))
		case errors.Is(err, ratings.ErrOver):
			return s.showRating(ctx, r, who, e, e.say.T("rate.over"))
		case err != nil:
			return err
		}
		return r.Update(ctx, s.ratePanel(e, v, e.say.T("rate.undone")))
	case doStop:
		mine, err := s.deps.Ratings.Mine(ctx, who.User)
		if err != nil {
			return err
		}
		return r.Update(ctx, discord.Message{Content: e.say.T("rate.stopped",
			"Today", mine.Today, "Kudos", thanks(e.say, mine.Given), "Command", s.cmd("rate"))})
	}
	return errOldButton
}

// ratingStats tells about one's own ratings, those of the guild and all.
func (s *Set) ratingStats(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	return s.showSheet(ctx, in, r, "ratings")
}

func (s *Set) ratingSheet(ctx context.Context, in *discord.Interaction, w words.Words, _ string) (sheet, error) {
	sh := sheet{title: w.T("rate.stats.title")}
	field := func(key, value string) {
		sh.fields = append(sh.fields, discord.Field{Name: w.T(key), Value: discord.Clip(value, discord.MaxFieldValue)})
	}
	if u, ok := s.find(in.User.ID); ok {
		mine, err := s.deps.Ratings.Mine(ctx, u.ID)
		if err != nil {
			return sh, err
		}
		text := []string{w.T("rate.stats.my", "Votes", mine.Votes, "Artifacts", mine.Artifacts, "Kudos", thanks(w, mine.Reward),
			"Today", mine.Today, "Daily", mine.Daily)}
		if mine.Checks > 0 {
			text = append(text, w.T("rate.stats.checks", "Agreed", mine.Agreed, "Checks", mine.Checks))
		}
		if mine.Streak > 0 {
			text = append(text, w.T("rate.stats.streak", "Count", mine.Streak))
		}
		if mine.Why != ratings.WhyNot {
			text = append(text, w.T("rate.stats.paused", "Time", moment(mine.Until)))
		}
		field("rate.stats.mine", strings.Join(text, "\n"))
	}
	if in.GuildID != "" {
		guild, err := s.deps.Ratings.Guild(ctx, in.GuildID)
		if err != nil {
			return sh, err
		}
		field("rate.stats.guild", w.T("rate.stats.count", "Votes", guild.Votes, "Artifacts", guild.Artifacts))
	}
	all, err := s.deps.Ratings.Totals(ctx)
	if err != nil {
		return sh, err
	}
	field("rate.stats.all", w.T("rate.stats.count", "Votes", all.Votes, "Artifacts", all.Artifacts)+"\n"+
		w.T("rate.stats.images", "Images", all.Images, "Rated", all.Images-all.ByVotes[0]))
	if len(all.Clients) > 0 {
		var text []string
		for _, c := range all.Clients[:min(len(all.Clients), 10)] {
			text = append(text, escape(c.Name)+": "+strconv.FormatInt(c.Votes, 10))
		}
		field("rate.stats.clients", strings.Join(text, "\n"))
	}
	return sh, nil
}

// ratingLeaders lists who rated most, and lets people keep out of the list.
func (s *Set) ratingLeaders(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	u, known := s.find(in.User.ID)
	if in.Command.Options.Has("hide") {
		if !known {
			return tell(w.T("common.needsaccount", "Login", s.cmd("login")))
		}
		if err := s.deps.Ratings.Hide(ctx, u.ID, in.Command.Options.Bool("hide", false)); err != nil {
			return fmt.Errorf("hide from the leaderboard: %w", err)
		}
	}
	m, err := s.sheetMessage(ctx, in, w, look{name: "raters"}, false)
	if err != nil {
		return err
	}
	m.Ephemeral = true
	if known {
		if mine, err := s.deps.Ratings.Mine(ctx, u.ID); err == nil && mine.Hidden {
			m.Content = "-# " + w.T("rate.top.hidden", "Command", s.cmd("ratings leaderboard"))
		}
	}
	return r.Reply(ctx, m)
}

func (s *Set) raterSheet(ctx context.Context, _ *discord.Interaction, w words.Words, _ string) (sheet, error) {
	sh := sheet{title: w.T("rate.top.title")}
	leaders, err := s.deps.Ratings.Leaders(ctx)
	if err != nil {
		return sh, err
	}
	for _, l := range leaders {
		person, ok := s.engine.User(l.User)
		if !ok || person.Has(horde.RoleFlagged) || person.Has(horde.RoleDeleted) {
			continue
		}
		name := escape(person.Name)
		if who, ok := personOf(person); ok {
			p, _, err := s.people.get(ctx, who)
			if err != nil {
				return sh, fmt.Errorf("settings of a person: %w", err)
			}
			if p.Unlisted {
				name = "*" + w.T("kudos.hidden") + "*"
			}
		}
		sh.rows = append(sh.rows, w.T("rate.top.line", "Place", len(sh.rows)+1, "Name", name, "Votes", l.Votes))
	}
	if len(sh.rows) == 0 {
		sh.text = w.T("rate.top.none")
	}
	return sh, nil
}

// ratingDatasets lists what there is to rate.
func (s *Set) ratingDatasets(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	return s.showSheet(ctx, in, r, "datasets")
}

func (s *Set) datasetSheet(ctx context.Context, _ *discord.Interaction, w words.Words, _ string) (sheet, error) {
	sh := sheet{title: w.T("rate.sets.title")}
	sets, votes, err := s.deps.Ratings.Datasets(ctx)
	if err != nil {
		return sh, err
	}
	for _, d := range sets {
		sh.rows = append(sh.rows, w.T("rate.sets.line", "Name", escape(datasetTitle(w, d.Name)), "Images", d.Images, "Open", d.Open, "Votes", votes[d.Name].Votes))
	}
	if len(sh.rows) == 0 {
		sh.text = w.T("rate.sets.none")
	}
	return sh, nil
}
