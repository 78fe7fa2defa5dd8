// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// Verbs of the buttons and selects of /history.
const (
	verbHistory     = "hs" // arg: page, kind, favourites; the id is free
	verbHistoryShow = "hv"
	verbForget      = "hd" // arg: yes
)

// Bounds of histories.
const (
	pastsPerPage = 10
	maxPasts     = 1000             // requests that are looked through
	forgetAtOnce = 200              // requests that are read at once to be deleted
	forgetTime   = 40 * time.Second // for deleting everything in one go; a handler has a minute
)

// past is an earlier request of a person, or a favourite.
type past struct {
	row       chat.Message
	p         params
	favourite bool
}

// historyFamily is /history.
func (s *Set) historyFamily() family {
	sub := func(name string, options ...discord.OptionSpec) discord.SubcommandSpec {
		key := "jobs.history" + name
		return discord.SubcommandSpec{Name: name, Description: s.bundle.For("en").T(key), Descriptions: s.bundle.Locales(key), Options: options}
	}
	one := s.optionOf("jobs.optwhich", discord.OptionSpec{Name: "job", Type: discord.OptionString, Required: true, Autocomplete: true, MaxLength: new(100)})
	some := one
	some.Required = false
	kind := func(k jobKind) discord.Choice {
		key := "jobs.kind" + string(k)
		return discord.Choice{Name: s.bundle.For("en").T(key), Value: string(k), Names: s.bundle.Locales(key)}
	}
	spec := discord.CommandSpec{
		Name: "history", Description: s.bundle.For("en").T("jobs.history"), Descriptions: s.bundle.Locales("jobs.history"), DMs: true, UserInstall: true,
		Subcommands: []discord.SubcommandSpec{
			sub("list",
				s.optionOf("jobs.optkind", discord.OptionSpec{Name: "kind", Type: discord.OptionString, Choices: []discord.Choice{kind(jobImage), kind(jobText), kind(jobForms)}}),
				s.optionOf("jobs.optfavourites", discord.OptionSpec{Name: "favourites", Type: discord.OptionBoolean}),
				s.optionOf("jobs.optsearch", discord.OptionSpec{Name: "search", Type: discord.OptionString, MaxLength: new(40)}),
				s.optionOf("jobs.optpage", discord.OptionSpec{Name: "page", Type: discord.OptionInteger, Min: new(1.0), Max: new(float64(maxPasts / pastsPerPage))}),
			),
			sub("show", one), sub("repost", one),
			sub("delete", some, s.optionOf("jobs.optall", discord.OptionSpec{Name: "all", Type: discord.OptionBoolean})),
		},
	}
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		quiet := func(h discord.HandlerFunc) discord.Route {
			return discord.Route{Handle: s.answered(h), Autocomplete: s.completeHistory, Private: true}
		}
		rt.Command("history list", quiet(s.listHistory))
		rt.Command("history show", quiet(s.showHistory))
		rt.Command("history repost", discord.Route{Handle: s.answered(s.repost), Autocomplete: s.completeHistory})
		rt.Command("history delete", quiet(s.deleteHistory))
		rt.Component(verbHistory, quiet(s.pressHistory))
		rt.Component(verbHistoryShow, quiet(s.pressHistoryShow))
		rt.Component(verbForget, quiet(s.pressForget))
	}}
}

// query is which part of a history somebody wants. It fits into a custom id.
type query struct {
	page       int
	kind       jobKind
	favourites bool
	search     string
}

// arg is the query in a custom id.
func (q query) arg() string {
	f := "0"
	if q.favourites {
		f = "1"
	}
	return strings.Join([]string{strconv.Itoa(q.page), string(q.kind), f, discord.Clip(q.search, 20)}, "|")
}

// queryOf reads arg. What it cannot read is the first page of everything.
func queryOf(arg string) query {
	parts := strings.SplitN(arg, "|", 4)
	if len(parts) != 4 {
		return query{}
	}
	page, _ := strconv.Atoi(parts[0])
	return query{page: page, kind: jobKind(parts[1]), favourites: parts[2] == "1", search: strings.TrimSuffix(parts[3], "…")}
}

// pasts lists what a person asked for, newest first, and what they keep of others'.
func (s *Set) pasts(ctx context.Context, person string, q query) ([]past, error) {
	kept, err := s.favourites.ofPerson(ctx, person)
	if err != nil {
		return nil, fmt.Errorf("favourites: %w", err)
	}
	rows, err := s.deps.Docs.PastMessages(ctx, person, maxPasts)
	if err != nil {
		return nil, fmt.Errorf("messages of a person: %w", err)
	}
	mine := make(map[string]bool)
	for _, k := range kept {
		mine[k.value.Message.Key] = true
	}
	if q.favourites {
		rows = rows[:0]
		for _, k := range kept {
			rows = append(rows, k.value.Message)
		}
		slices.SortStableFunc(rows, func(a, b chat.Message) int { return b.Created.Compare(a.Created) })
	}
	var out []past
	for _, row := range rows {
		var p params
		if isGone(row) || row.Open || inGallery(row) || json.Unmarshal(row.Params, &p) != nil || p.Prompt == "" && !p.Erased {
			continue
		}
		if q.kind != "" && p.kind() != q.kind || !strings.Contains(strings.ToLower(p.Prompt), strings.ToLower(q.search)) {
			continue
		}
		out = append(out, past{row: row, p: p, favourite: mine[row.Key]})
	}
	return out, nil
}

// earlier finds a request that a person may look at again: their own, or one they keep.
func (s *Set) earlier(ctx context.Context, in *discord.Interaction, id string) (past, error) {
	w, key := s.say(in), keyOf(strings.TrimSpace(id))
	row, ok, err := s.deps.Messages.MessageByKey(ctx, key)
	if err != nil {
		return past{}, fmt.Errorf("find message: %w", err)
	}
	if !ok || row.Person != in.User.ID {
		f, kept, err := s.favourites.get(ctx, in.User.ID+":"+key)
		if err != nil {
			return past{}, fmt.Errorf("favourite: %w", err)
		}
		if row, ok = f.Message, kept; !ok {
			return past{}, tell(w.T("jobs.unknown"))
		}
	}
	x := past{row: row}
	if isGone(row) || json.Unmarshal(row.Params, &x.p) != nil {
		return past{}, tell(w.T("jobs.unknown"))
	}
	s.look(ctx, &x.row, &x.p)
	if len(x.p.Made) == 0 {
		return past{}, tell(w.T("jobs.nothing"))
	}
	return x, nil
}

func (s *Set) showHistory(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	return s.showAgain(ctx, in, r, in.Command.Options.String("job"))
}

func (s *Set) pressHistoryShow(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if len(in.Component.Values) != 1 {
		return r.Reply(ctx, private(s.say(in).T("request.old")))
	}
	return s.showAgain(ctx, in, r, in.Component.Values[0])
}

// allowedHere refuses results for adults where there may be none, also to one person alone.
func (s *Set) allowedHere(ctx context.Context, in *discord.Interaction, x past) (Effective, error) {
	e, err := s.effective(ctx, in)
	switch {
	case err != nil:
		return e, err
	case x.p.Adult && !e.adult:
		return e, tell(e.say.T("jobs.adult"))
	}
	return e, nil
}

func (s *Set) showAgain(ctx context.Context, in *discord.Interaction, r *discord.Responder, id string) error {
	x, err := s.earlier(ctx, in, id)
	if err != nil {
		return err
	}
	if _, err := s.allowedHere(ctx, in, x); err != nil {
		return err
	}
	return s.showMade(ctx, in, r, x.row, x.p)
}

// repost shows a result again, for everybody here. The rules of this place count, not those of the place it came from.
func (s *Set) repost(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	x, err := s.earlier(ctx, in, in.Command.Options.String("job"))
	if err != nil {
		return err
	}
	if x.row.Person != in.User.ID {
		return r.Reply(ctx, private(s.say(in).T("request.notyours"))) // thanks for it belong to somebody else
	}
	e, err := s.allowedHere(ctx, in, x)
	if err != nil {
		return err
	}
	if err := e.admit(x.p.feature()); err != nil {
		return err
	}
	if err := e.allows(ask{style: x.p.Style, texts: []string{x.p.Prompt, x.p.Negative}}); err != nil {
		return err
	}
	if e.answers == chat.AnswersPrivate {
		return tell(e.say.T("tools.privatehere"))
	}
	if s.follow.full() {
		return r.Reply(ctx, private(e.say.T("request.busy")))
	}
	ref, _, err := s.promise(ctx, in, r, e, false)
	if err != nil {
		return err
	}
	x.p.Brought, x.p.Left, x.p.Guest = false, false, foreign(in) // here the source may not be wanted
	x.p.Again = cmp.Or(x.p.Again, x.row.Key)
	x.p.Veiled, x.p.Locale = x.p.Veiled || e.spoiler, e.words(false).Locale()
	row := chat.Message{
		Key: keyOf(in.ID), Request: x.row.Request, App: ref.AppID, Guild: in.GuildID, Channel: ref.ChannelID, Message: ref.MessageID,
		Person: in.User.ID, TokenEnds: ref.Expires, Created: s.now(), Open: true,
	}
	if err := s.keepImages(ctx, &x.p, x.p.Made); err != nil { // their time there may be almost over
		return fmt.Errorf("keep what is shown again: %w", err)
	}
	if row.Params, err = json.Marshal(x.p); err != nil {
		return fmt.Errorf("encode parameters: %w", err)
	}
	if row.Sealed, err = s.deps.Seal([]byte(ref.Token), []byte(row.Key)); err != nil {
		return fmt.Errorf("seal token: %w", err)
	}
	if err := s.deps.Messages.SaveMessage(ctx, row); err != nil {
		return fmt.Errorf("save message: %w", err)
	}
	s.follow.add(row, x.p, ref.Token) // shows it, as often as it takes
	return nil
}

func (s *Set) deleteHistory(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, o := s.say(in), in.Command.Options
	if o.Bool("all", false) {
		m := private(w.T("jobs.forgetall"))
		m.Components = forgetButton(w)
		return r.Reply(ctx, m)
	}
	if !o.Has("job") {
		return tell(w.T("jobs.whichone"))
	}
	key := keyOf(strings.TrimSpace(o.String("job")))
	row, ok, err := s.deps.Messages.MessageByKey(ctx, key)
	if err != nil {
		return fmt.Errorf("find message: %w", err)
	}
	if !ok || row.Person != in.User.ID || isGone(row) || row.Open {
		kept, err := s.favourites.drop(ctx, in.User.ID+":"+key)
		if err != nil {
			return err
		}
		if !kept {
			return tell(w.T("jobs.unknown"))
		}
		return r.Reply(ctx, private(w.T("jobs.forgotten", "Count", 1)))
	}
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	if err := s.forget(ctx, row); err != nil {
		return err
	}
	return r.Reply(ctx, private(w.T("jobs.forgotten", "Count", 1)))
}

// forget removes a result: its files, what was asked for, and our message where we still reach it.
func (s *Set) forget(ctx context.Context, row chat.Message) error {
	var p params
	if json.Unmarshal(row.Params, &p) == nil {
		if err := s.discard(ctx, row, p); err != nil {
			return err
		}
	}
	if _, err := s.favourites.drop(ctx, row.Person+":"+row.Key); err != nil {
		s.log.Warn().Err(err).Msg("cannot drop a favourite")
	}
	if row.Message == "" || row.Ephemeral {
		return nil
	}
	if err := s.bot.DeleteMessage(ctx, discord.MessageRef{ChannelID: row.Channel, MessageID: row.Message, AppID: row.App}); err != nil {
		s.log.Debug().Err(err).Str("key", row.Key).Msg("message of a forgotten result stays")
	}
	return nil
}

func (s *Set) pressForget(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	if err := r.DeferUpdate(ctx); err != nil {
		return err
	}
	n, all, err := s.forgetPast(ctx, in.User.ID)
	switch {
	case err != nil:
		return err
	case !all:
		m := private(w.T("jobs.forgetmore", "Count", n))
		m.Components = forgetButton(w)
		return r.Update(ctx, m)
	}
	return r.Update(ctx, private(w.T("jobs.forgotten", "Count", n)))
}

// forgetPast deletes what a person asked for and keeps, and tells how many results that were. all is false when the time of
// a press was not enough: Discord takes messages away slowly.
func (s *Set) forgetPast(ctx context.Context, person string) (n int, all bool, err error) {
	enough, cancel := context.WithTimeout(ctx, forgetTime)
	defer cancel()
	seen := make(map[string]bool) // what could not be deleted comes again
	var left error
	for {
		rows, err := s.deps.Docs.PastMessages(ctx, person, forgetAtOnce)
		if err != nil {
			return n, false, fmt.Errorf("past messages of a person: %w", err)
		}
		rows = slices.DeleteFunc(rows, func(row chat.Message) bool { return seen[row.Key] })
		if len(rows) == 0 {
			return n, left == nil, nil
		}
		for _, row := range rows {
			if enough.Err() != nil {
				return n, false, nil // the rest follows with the next press
			}
			seen[row.Key] = true
			if err := s.forget(ctx, row); err != nil {
				s.log.Warn().Err(err).Str("key", row.Key).Msg("cannot delete a result")
				left = err
			} else if !inGallery(row) {
				n++
			}
		}
	}
}

// forgetButton deletes everything.
func forgetButton(w words.Words) []discord.Row {
	yes := pickButton(w.T("jobs.forget"), "🗑️", verbForget, "", "yes")
	yes.Style = discord.Danger
	return []discord.Row{{Buttons: []discord.Button{yes}}}
}

// completeHistory suggests earlier requests by their prompts.
func (s *Set) completeHistory(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if in.Command.Focused != "job" {
		return late(r.Autocomplete(ctx, nil))
	}
	all, err := s.pasts(ctx, in.User.ID, query{search: strings.TrimSpace(in.Command.Options.String("job"))})
	if err != nil {
		return late(r.Autocomplete(ctx, nil))
	}
	w := s.say(in)
	var choices []discord.Choice
	for _, x := range all[:min(len(all), discord.MaxChoices)] {
		choices = append(choices, discord.Choice{Name: discord.Clip(x.p.name(w), 100), Value: short(x.row)})
	}
	return late(r.Autocomplete(ctx, choices))
}
