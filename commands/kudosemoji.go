// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/words"
	"stablemate/emojikudos"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// Bounds of what administrators see of gifts by emoji.
const (
	logDays     = 7  // when nobody says how many
	mostLogDays = 30 // as long as gifts are remembered
	logPage     = 10 // gifts of a page
	listPage    = 20 // emoji of a page
	maxEmoji    = 64 // characters of the option

	maxTable = 20_000 // gifts of the table, the latest ones
)

// verbEmojiDefault goes back to the emoji that servers have which set up none.
const verbEmojiDefault = "kd"

func (s *Set) kudosEmojiFamily() family {
	w := s.bundle.For("en")
	manage := discord.ManageGuild
	text := func(key string) (string, map[string]string) { return w.T(key), s.bundle.Locales(key) }
	opt := func(o discord.OptionSpec) discord.OptionSpec {
		o.Description, o.Descriptions = text("kudosemoji.opt." + o.Name)
		return o
	}
	emoji := opt(discord.OptionSpec{Name: "emoji", Type: discord.OptionString, Required: true, MaxLength: new(maxEmoji)})
	known := emoji
	known.Autocomplete = true
	amount := opt(discord.OptionSpec{
		Name: "amount", Type: discord.OptionInteger, Min: new(1.0), Max: new((s.opts.EmojiMost / kudos.One * kudos.One).Float()),
	})
	terms := []discord.OptionSpec{
		opt(discord.OptionSpec{Name: "title", Type: discord.OptionString, MaxLength: new(emojikudos.MaxTitle)}),
		opt(discord.OptionSpec{Name: "message", Type: discord.OptionString, MaxLength: new(emojikudos.MaxMessage)}),
		opt(discord.OptionSpec{Name: "who", Type: discord.OptionRole}),
		opt(discord.OptionSpec{Name: "channel", Type: discord.OptionChannel}),
		opt(discord.OptionSpec{Name: "channel_2", Type: discord.OptionChannel}),
		opt(discord.OptionSpec{Name: "channel_3", Type: discord.OptionChannel}),
	}
	needed := amount
	needed.Required = true
	sub := func(name string, options ...discord.OptionSpec) discord.SubcommandSpec {
		d, ds := text("kudosemoji." + name + ".desc")
		return discord.SubcommandSpec{Name: name, Description: d, Descriptions: ds, Options: options}
	}
	d, ds := text("kudosemoji.desc")
	spec := discord.CommandSpec{
		Name: "kudosemoji", Description: d, Descriptions: ds, Permissions: &manage,
		Subcommands: []discord.SubcommandSpec{
			sub("add", append([]discord.OptionSpec{emoji, needed}, terms...)...),
			sub("edit", append(append([]discord.OptionSpec{known, amount}, terms...),
				opt(discord.OptionSpec{Name: "anywhere", Type: discord.OptionBoolean}),
				opt(discord.OptionSpec{Name: "anyone", Type: discord.OptionBoolean}),
				opt(discord.OptionSpec{Name: "untitled", Type: discord.OptionBoolean}),
				opt(discord.OptionSpec{Name: "silent", Type: discord.OptionBoolean}))...),
			sub("remove", known),
			sub("list", opt(discord.OptionSpec{
				Name: "page", Type: discord.OptionInteger, Min: new(1.0), Max: new(float64((emojikudos.MaxRules + listPage - 1) / listPage)),
			})),
			sub("starter", opt(discord.OptionSpec{Name: "pack", Type: discord.OptionString, Choices: s.starterPacks()})),
			sub("test", known, opt(discord.OptionSpec{Name: "user", Type: discord.OptionUser, Required: true})),
			sub("log", opt(discord.OptionSpec{Name: "user", Type: discord.OptionUser}),
				opt(discord.OptionSpec{Name: "days", Type: discord.OptionInteger, Min: new(1.0), Max: new(float64(mostLogDays))}),
				opt(discord.OptionSpec{Name: "page", Type: discord.OptionInteger, Min: new(1.0), Max: new(1000.0)})),
		},
	}
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		for path, h := range map[string]discord.HandlerFunc{
			"add": s.emojiAdd, "edit": s.emojiEdit, "remove": s.emojiRemove, "list": s.emojiList, "starter": s.emojiStarter, "test": s.emojiTest, "log": s.emojiLog,
		} {
			rt.Command("kudosemoji "+path, discord.Route{Handle: s.answered(s.managed(h)), Autocomplete: s.completeEmoji, Private: true})
		}
		rt.Component(verbConsent, discord.Route{Handle: s.answered(s.pressConsent), Private: true})
		rt.Component(verbStarter, discord.Route{Handle: s.answered(s.managed(s.pressStarter)), Private: true})
		rt.Component(verbEmojiDefault, discord.Route{Handle: s.answered(s.managed(s.pressEmojiDefault)), Private: true})
	}}
}

// readTerms puts the options that were given over a rule.
func (s *Set) readTerms(w words.Words, o discord.OptionValues, rule *emojikudos.Rule) error {
	if o.Has("amount") {
		n := o.Int("amount", 0)
		if most := s.opts.EmojiMost; n < 1 || n > int64(most/kudos.One) {
			return tell(w.T("kudosemoji.badamount", "Most", most.String()))
		}
		rule.Amount = kudos.Whole(n)
	}
	for _, t := range []struct {
		name, empty string
		at          *string
		most        int
	}{{"title", "untitled", &rule.Title, emojikudos.MaxTitle}, {"message", "silent", &rule.Message, emojikudos.MaxMessage}} {
		switch {
		case o.Has(t.name):
			*t.at = discord.Clip(plain(o.String(t.name)), t.most)
		case o.Bool(t.empty, false):
			*t.at = ""
		}
	}
	if role, ok := o.Role("who"); ok {
		rule.Role = role.ID
	}
	if o.Bool("anyone", false) {
		rule.Role = ""
	}
	var channels []string
	for _, name := range []string{"channel", "channel_2", "channel_3"} {
		if c, ok := o.Channel(name); ok && !slices.Contains(channels, c.ID) {
			channels = append(channels, c.ID)
		}
	}
	if len(channels) > 0 {
		rule.Channels = channels
	}
	if o.Bool("anywhere", false) {
		rule.Channels = nil
	}
	return nil
}

// Refusals of changes, as sentinels inside a change.
var (
	errEmojiTwice = errors.New("this emoji is there already")
	errEmojiMany  = errors.New("there are as many emoji as may be")
	errNoEmoji    = errors.New("there is no such emoji")
)

// changeEmoji changes a guild's emoji and notes who did that. What is refused is told in words.
func (s *Set) changeEmoji(ctx context.Context, in *discord.Interaction, what string, f func(g *emojikudos.Guild) (emojikudos.Rule, error)) (emojikudos.Rule, error) {
	w := s.say(in)
	var rule emojikudos.Rule
	_, err := s.book.ChangeGuild(ctx, in.GuildID, func(g *emojikudos.Guild) error {
		next := emojikudos.Guild{Own: g.Own, Rules: slices.Clone(g.Rules)}
		var err error
		if rule, err = f(&next); err != nil {
			return err
		}
		next.Changes = append([]emojikudos.RuleChange{{By: in.User.ID, At: s.now(), What: what, Show: rule.Show, Amount: rule.Amount}}, g.Changes...)
		next.Changes = next.Changes[:min(len(next.Changes), emojikudos.MaxChanges)]
		*g = next
		return nil
	})
	switch {
	case errors.Is(err, errEmojiTwice):
		return rule, tell(w.T("kudosemoji.twice"))
	case errors.Is(err, errEmojiMany):
		return rule, tell(w.T("kudosemoji.many", "Most", emojikudos.MaxRules))
	case errors.Is(err, errNoEmoji):
		return rule, tell(w.T("kudosemoji.unknown"))
	case err != nil:
		return rule, fmt.Errorf("change the kudos emoji of a guild: %w", err)
	}
	s.logTo(ctx, in.GuildID, func(w words.Words) string {
		return w.T("kudosemoji.change."+what, "Who", mention(in.User.ID), "When", stamp(s.now()), "Emoji", rule.Show, "Amount", rule.Amount.String())
	})
	return rule, nil
}

func (s *Set) emojiAdd(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, o := s.say(in), in.Command.Options
	key, show, name, err := emojikudos.Parse(o.String("emoji"))
	if err != nil {
		return tell(w.T("kudosemoji.bad"))
	}
	rule := emojikudos.Rule{Emoji: key, Show: show, By: in.User.ID, At: s.now()}
	if err := s.readTerms(w, o, &rule); err != nil {
		return err
	}
	foreign := false
	if name != "" {
		if err := r.Defer(ctx, true); err != nil {
			return err
		}
		if foreign, err = s.foreignEmoji(ctx, in.GuildID, key); err != nil {
			return err
		}
	}
	first := false
	_, err = s.changeEmoji(ctx, in, "add", func(g *emojikudos.Guild) (emojikudos.Rule, error) {
		first, g.Own = !g.Own, true
		if slices.ContainsFunc(g.Rules, func(x emojikudos.Rule) bool { return x.Emoji == key }) {
			return rule, errEmojiTwice
		}
		if len(g.Rules) >= emojikudos.MaxRules {
			return rule, errEmojiMany
		}
		g.Rules = append(g.Rules, rule)
		return rule, nil
	})
	if err != nil {
		return err
	}
	out := []string{w.T("kudosemoji.added"), emojiLine(w, rule)}
	if first && s.opts.KudosEmoji != "" {
		out = append(out, w.T("kudosemoji.first", "Emoji", s.opts.KudosEmoji))
	}
	out = append(out, nameWarning(w, name, rule.Amount))
	if foreign {
		out = append(out, w.T("kudosemoji.foreign"))
	}
	return r.Reply(ctx, private(lines(append(out, preview(w, in, rule)...)...)))
}

var digits = regexp.MustCompile(`\d+`)

// nameWarning warns when an emoji's name promises another number.
func nameWarning(w words.Words, name string, amount kudos.Amount) string {
	for _, n := range digits.FindAllString(name, 5) {
		if n != amount.String() {
			return w.T("kudosemoji.number", "Number", n, "Amount", amount.String())
		}
	}
	return ""
}

// preview is what a recipient will read.
func preview(w words.Words, in *discord.Interaction, rule emojikudos.Rule) []string {
	line := newsLine(w, emojikudos.Line{From: in.User.ID, Show: rule.Show, Amount: rule.Amount, Title: rule.Title, Text: rule.Message}, false)
	return []string{w.T("kudosemoji.preview"), "> " + line}
}

// emojiLine describes an emoji.
func emojiLine(w words.Words, rule emojikudos.Rule) string {
	parts := []string{rule.Show + " **" + rule.Amount.String() + "**"}
	if rule.Title != "" {
		parts = append(parts, escape(rule.Title))
	}
	if rule.Message != "" {
		parts = append(parts, "“"+escape(discord.Clip(rule.Message, 80))+"”")
	}
	if rule.Role != "" {
		parts = append(parts, w.T("kudosemoji.only", "Role", "<@&"+rule.Role+">"))
	}
	var places []string
	for _, c := range rule.Channels[:min(len(rule.Channels), 5)] {
		places = append(places, "<#"+c+">")
	}
	if len(places) > 0 {
		parts = append(parts, w.T("kudosemoji.in", "Channels", strings.Join(places, ", ")))
	}
	return strings.Join(parts, " · ")
}

// findRule finds the emoji that an option names. Autocomplete gives its key; people may also type it.
func findRule(rules []emojikudos.Rule, text string) int {
	key := strings.TrimSpace(text)
	if parsed, err := emojikudos.ParseEmoji(text); err == nil {
		key = parsed
	}
	return slices.IndexFunc(rules, func(x emojikudos.Rule) bool { return x.Emoji == key || x.Emoji == strings.TrimSpace(text) })
}

// own makes a guild's emoji its own before they are changed.
func (s *Set) own(ctx context.Context, in *discord.Interaction, g *emojikudos.Guild) error {
	if g.Own {
		return nil
	}
	rules, _, err := s.gifts.Rules(ctx, in.GuildID)
	if err != nil {
		return err
	}
	g.Own, g.Rules = true, slices.Clone(rules)
	return nil
}

func (s *Set) emojiEdit(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, o := s.say(in), in.Command.Options
	rule, err := s.changeEmoji(ctx, in, "edit", func(g *emojikudos.Guild) (emojikudos.Rule, error) {
		if err := s.own(ctx, in, g); err != nil {
			return emojikudos.Rule{}, err
		}
		i := findRule(g.Rules, o.String("emoji"))
		if i < 0 {
			return emojikudos.Rule{}, errNoEmoji
		}
		if err := s.readTerms(w, o, &g.Rules[i]); err != nil {
			return emojikudos.Rule{}, err
		}
		return g.Rules[i], nil
	})
	if err != nil {
		return err
	}
	out := []string{w.T("kudosemoji.edited"), emojiLine(w, rule)}
	if _, _, name, err := emojikudos.Parse(rule.Show); err == nil {
		out = append(out, nameWarning(w, name, rule.Amount))
	}
	return r.Reply(ctx, private(lines(append(out, preview(w, in, rule)...)...)))
}

func (s *Set) emojiRemove(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	left := 0
	rule, err := s.changeEmoji(ctx, in, "remove", func(g *emojikudos.Guild) (emojikudos.Rule, error) {
		if err := s.own(ctx, in, g); err != nil {
			return emojikudos.Rule{}, err
		}
		i := findRule(g.Rules, in.Command.Options.String("emoji"))
		if i < 0 {
			return emojikudos.Rule{}, errNoEmoji
		}
		rule := g.Rules[i]
		g.Rules = slices.Delete(g.Rules, i, i+1)
		left = len(g.Rules)
		return rule, nil
	})
	if err != nil {
		return err
	}
	out := w.T("kudosemoji.removed", "Emoji", rule.Show)
	if left == 0 {
		out = lines(out, w.T("kudosemoji.noneleft"))
	}
	return r.Reply(ctx, private(out))
}

func (s *Set) emojiList(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	m, err := s.emojiPanel(ctx, in, int(in.Command.Options.Int("page", 1)))
	if err != nil {
		return err
	}
	return r.Reply(ctx, m)
}

// emojiPanel lists a page of a guild's kudos emoji and who changed them last.
func (s *Set) emojiPanel(ctx context.Context, in *discord.Interaction, page int) (discord.Message, error) {
	w := s.say(in)
	rules, own, err := s.gifts.Rules(ctx, in.GuildID)
	if err != nil {
		return discord.Message{}, err
	}
	set, err := s.book.Guild(ctx, in.GuildID)
	if err != nil {
		return discord.Message{}, err
	}
	pages := max(1, (len(rules)+listPage-1)/listPage)
	page = min(max(page, 1), pages)
	var out []string
	for _, rule := range rules[(page-1)*listPage : min(page*listPage, len(rules))] {
		out = append(out, discord.Clip(emojiLine(w, rule), 200))
	}
	if len(out) == 0 {
		out = append(out, w.T("kudosemoji.none", "Add", s.cmd("kudosemoji add")))
	}
	embed := discord.Embed{
		Title: w.T("kudosemoji.title", "Count", len(rules), "Most", emojikudos.MaxRules), Color: embedColor,
		Description: discord.Clip(strings.Join(out, "\n"), discord.MaxEmbedDescription),
	}
	switch {
	case !own:
		embed.Footer = w.T("kudosemoji.isdefault")
	case pages > 1:
		embed.Footer = w.T("common.page", "Page", page, "Pages", pages)
	}
	var changes []string
	for _, c := range set.Changes[:min(len(set.Changes), 5)] {
		changes = append(changes, w.T("kudosemoji.change."+c.What, "Who", mention(c.By), "When", stamp(c.At), "Emoji", c.Show, "Amount", c.Amount.String()))
	}
	if len(changes) > 0 {
		embed.Fields = []discord.Field{{Name: w.T("kudosemoji.changes"), Value: discord.Clip(strings.Join(changes, "\n"), discord.MaxFieldValue)}}
	}
	m := private("")
	m.Embeds = []discord.Embed{embed}
	if own {
		m.Components = []discord.Row{{Buttons: []discord.Button{button(w.T("kudosemoji.usedefault"), "", verbEmojiDefault, "all", discord.Secondary)}}}
	}
	return m, nil
}

func (s *Set) pressEmojiDefault(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	_, err := s.changeEmoji(ctx, in, "default", func(g *emojikudos.Guild) (emojikudos.Rule, error) {
		g.Own, g.Rules = false, nil
		return emojikudos.Rule{}, nil
	})
	if err != nil {
		return err
	}
	m, err := s.emojiPanel(ctx, in, 1)
	if err != nil {
		return err
	}
	return r.Update(ctx, m)
}

func (s *Set) emojiTest(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	who, _ := in.Command.Options.User("user")
	rules, _, err := s.gifts.Rules(ctx, in.GuildID)
	if err != nil {
		return err
	}
	i := findRule(rules, in.Command.Options.String("emoji"))
	if i < 0 {
		return tell(w.T("kudosemoji.unknown"))
	}
	if who.Bot || who.ID == s.bot.UserID() {
		return r.Reply(ctx, private(w.T("kudosemoji.testbot")))
	}
	member, err := s.bot.Member(ctx, in.GuildID, who.ID)
	if err != nil && !discord.IsUnknownMember(err) {
		return fmt.Errorf("read a member: %w", err)
	}
	id, name, _ := strings.Cut(rules[i].Emoji, ":")
	reaction := emojikudos.Reaction{Guild: in.GuildID, Channel: in.ChannelID, Person: who.ID, Roles: member.Roles, EmojiName: name}
	if id == "c" {
		reaction.EmojiID = name
	}
	t, err := s.gifts.Try(ctx, reaction, in.User.ID)
	if err != nil {
		return err
	}
	var said string
	switch {
	case !t.Fits:
		said = w.T("kudosemoji.test.unfit")
	case t.To == "":
		said = w.T("kudosemoji.test.self")
	case t.Why != nil:
		said = w.T("kudosemoji.test.refused", "Why", s.why(ctx, w, who.ID, t.Why))
	case !t.Account:
		said = w.T("kudosemoji.test.waits", "From", mention(who.ID), "To", mention(t.To), "Amount", t.Rule.Amount.String())
	default:
		said = w.T("kudosemoji.test.gives", "From", mention(who.ID), "To", mention(t.To), "Amount", t.Rule.Amount.String())
	}
	return r.Reply(ctx, private(lines(w.T("kudosemoji.test.head", "From", mention(who.ID), "Emoji", t.Rule.Show), said)))
}

func (s *Set) emojiLog(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	w, o := s.say(in), in.Command.Options
	days := min(max(o.Int("days", logDays), 1), mostLogDays)
	who, one := o.User("user")
	gifts, err := s.book.GiftsIn(ctx, in.GuildID)
	if err != nil {
		return fmt.Errorf("read the gifts of a guild: %w", err)
	}
	since := s.now().Add(-time.Duration(days) * 24 * time.Hour)
	gifts = slices.DeleteFunc(gifts, func(g emojikudos.Gift) bool {
		return g.At.Before(since) || one && g.Person != who.ID && g.To != who.ID
	})
	slices.SortFunc(gifts, func(a, b emojikudos.Gift) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Key, b.Key))
	})
	if len(gifts) == 0 {
		return r.Reply(ctx, private(w.T("kudosemoji.log.none", "Count", days)))
	}
	var sum kudos.Amount
	for i := range gifts {
		if gifts[i].State == emojikudos.Paid || gifts[i].State == emojikudos.Reserved {
			sum += gifts[i].Amount
		}
	}
	pages := int64((len(gifts) + logPage - 1) / logPage)
	page := min(max(o.Int("page", 1), 1), pages)
	var out []string
	for _, g := range gifts[(page-1)*logPage : min(page*logPage, int64(len(gifts)))] {
		to := "—"
		if g.To != "" {
			to = mention(g.To)
		}
		line := stamp(g.At) + " " + g.Show + " " + mention(g.Person) + " → " + to + " " + g.Amount.String() + " · " + w.T("kudosemoji.state."+string(g.State))
		if g.Why != "" {
			line += " (" + escape(g.Why) + ")"
		}
		out = append(out, line+" · "+messageLink(g.Guild, g.Channel, g.Message))
	}
	file, err := giftsCSV(gifts[:min(len(gifts), maxTable)])
	if err != nil {
		return err
	}
	m := private("")
	m.Embeds = []discord.Embed{{
		Title: w.T("kudosemoji.log.title", "Count", len(gifts), "Amount", sum.String()), Color: embedColor,
		Description: discord.Clip(strings.Join(out, "\n"), discord.MaxEmbedDescription),
		Footer:      w.T("common.page", "Page", page, "Pages", pages),
	}}
	m.Files = []discord.File{{Name: "kudos.csv", ContentType: "text/csv", Data: file, Description: w.T("kudosemoji.log.file")}}
	return r.Reply(ctx, m)
}

// giftsCSV writes gifts as a table. No cell begins like a formula.
func giftsCSV(gifts []emojikudos.Gift) ([]byte, error) {
	var b bytes.Buffer
	t := csv.NewWriter(&b)
	rows := [][]string{{"time", "emoji", "from", "to", "kudos", "state", "reason", "message"}}
	for i := range gifts {
		g := &gifts[i]
		rows = append(rows, []string{
			g.At.UTC().Format(time.RFC3339), g.Show, g.Person, g.To, strconv.FormatFloat(g.Amount.Float(), 'f', -1, 64),
			string(g.State), g.Why, messageLink(g.Guild, g.Channel, g.Message),
		})
	}
	if err := t.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("write a table of gifts: %w", err)
	}
	return b.Bytes(), nil
}

// completeEmoji suggests the emoji that a guild has.
func (s *Set) completeEmoji(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	var choices []discord.Choice
	if in.Command.Focused == "emoji" && in.GuildID != "" && in.Command.Path != "kudosemoji add" {
		rules, _, err := s.gifts.Rules(ctx, in.GuildID)
		if err != nil {
			return err
		}
		typed := strings.ToLower(strings.TrimSpace(in.Command.Options.String("emoji")))
		for _, rule := range rules {
			name := rule.Show
			if _, _, custom, err := emojikudos.Parse(rule.Show); err == nil && custom != "" {
				name = ":" + custom + ":"
			}
			if label := name + " · " + rule.Amount.String(); strings.Contains(strings.ToLower(label), typed) {
				choices = append(choices, discord.Choice{Name: discord.Clip(label, 100), Value: rule.Emoji})
			}
		}
	}
	return late(r.Autocomplete(ctx, choices[:min(len(choices), discord.MaxChoices)]))
}
