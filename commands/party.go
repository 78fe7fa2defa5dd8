// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"errors"
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
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// Verbs of a party's buttons.
const (
	verbPartyStart = "pys"
	verbPartyEnd   = "pye"
	verbPartyVote  = "pyv" // in a list; the ID is the thread's
)

// Bounds of parties.
const (
	maxPartyBudget  = 1_000_000 // whole kudos
	maxPartyDays    = 30        // from now on
	maxPartyPer     = 50
	maxPartyWords   = 200 // characters of required words
	maxPartyTheme   = 500
	maxPartyName    = 100
	maxPartyRunning = 5 // in a guild
	partyDays       = 3 // when nobody says more

	partyDraftLife = time.Hour
	partyWait      = 7 * 24 * time.Hour  // for the host to pick, and later for questions about a party that is over
	partySpare     = 14 * 24 * time.Hour // after which what is set aside goes back in any case
	partyShown     = 5                   // entries in a list
	partyEmoji     = "❤️"
)

func (s *Set) partyFamily() family {
	whole := func(o *discord.OptionSpec) { o.Min, o.Max = new(0.0), new(float64(maxPartyBudget)) }
	spec := discord.CommandSpec{
		Name: "party", Description: s.english("party.desc"), Descriptions: s.bundle.Locales("party.desc"),
		Subcommands: []discord.SubcommandSpec{
			s.subcommand("start", "party.start.desc",
				s.option("name", "party.opt.name", discord.OptionString, required, upTo(maxPartyName)),
				s.option("budget", "party.opt.budget", discord.OptionInteger, required, whole),
				s.option("theme", "party.opt.theme", discord.OptionString, upTo(maxPartyTheme)),
				s.option("style", "party.opt.style", discord.OptionString, suggested, upTo(horde.MaxStyleName+100)),
				s.option("model", "party.opt.model", discord.OptionString, suggested, upTo(maxModel)),
				s.option("words", "party.opt.words", discord.OptionString, upTo(maxPartyWords)),
				s.option("award", "party.opt.award", discord.OptionInteger, whole),
				s.option("per_person", "party.opt.per", discord.OptionInteger, between(1, maxPartyPer)),
				s.option("prize", "party.opt.prize", discord.OptionInteger, whole),
				s.option("pay", "party.opt.pay", discord.OptionInteger, whole),
				s.option("winner", "party.opt.winner", discord.OptionString, s.oneOf("party.winner.", "none", "host", "emoji", "poll")),
				s.option("emoji", "party.opt.emoji", discord.OptionString, upTo(60)),
				s.option("days", "party.opt.days", discord.OptionInteger, between(1, maxPartyDays)),
				s.option("hours", "party.opt.hours", discord.OptionInteger, between(1, 24*maxPartyDays)),
				s.option("ping", "party.opt.ping", discord.OptionRole)),
			s.subcommand("info", "party.info.desc"),
			s.subcommand("list", "party.list.desc"),
			s.subcommand("extend", "party.extend.desc", s.option("days", "party.opt.more", discord.OptionInteger, required, between(1, maxPartyDays))),
			s.subcommand("topup", "party.topup.desc",
				s.option("kudos", "party.opt.kudos", discord.OptionInteger, required, between(1, maxPartyBudget)),
				s.option("prize", "party.opt.forprize", discord.OptionBoolean)),
			s.subcommand("winner", "party.winner.desc",
				s.option("entry", "party.opt.entry", discord.OptionInteger, between(1, chat.MaxPartyEntries)),
				s.option("user", "party.opt.user", discord.OptionUser)),
			s.subcommand("end", "party.end.desc"),
		},
	}
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		for sub, h := range map[string]discord.HandlerFunc{
			"start": s.partyStart, "info": s.partyInfo, "list": s.partyList, "extend": s.partyExtend, "topup": s.partyTopUp,
			"winner": s.partyWinner, "end": s.partyEnd,
		} {
			route := discord.Route{Handle: s.answered(h), Private: true}
			if sub == "start" {
				route.Autocomplete = s.complete
			}
			rt.Command("party "+sub, route)
		}
		rt.Component(verbPartyStart, discord.Route{Handle: s.answered(s.partyConfirmed), Private: true})
		rt.Component(verbPartyVote, discord.Route{Handle: s.answered(s.partyVote), Private: true})
		rt.Component(verbPartyEnd, discord.Route{Handle: s.answered(s.partyEndConfirmed), Private: true})
	}}
}

func aboutParty(p *chat.Party) about { return about{person: p.Host, guild: p.Guild, due: p.Due} }

// changeParty changes a party that is there.
func (s *Set) changeParty(ctx context.Context, id string, f func(p *chat.Party) error) (chat.Party, error) {
	return s.parties.changeAs(ctx, id, aboutParty, func(p *chat.Party) error {
		if p.Host == "" {
			return errNoParty
		}
		return f(p)
	})
}

var errNoParty = errors.New("there is no such party")

// hundredths writes an amount of a party.
func hundredths(n int64) string { return kudos.Amount(n).String() }

// partyStart checks what is asked for and shows what will be set aside.
func (s *Set) partyStart(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	p, err := s.readParty(ctx, in)
	if err != nil {
		return err
	}
	u, _, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	w := s.say(in)
	switch {
	case err != nil:
		return err
	case !ok:
		return tell(w.T("common.needsaccount", "Login", s.cmd("login")))
	case int64(u.Available()) < p.Budget+p.Pay:
		return tell(w.T("party.poor", "Budget", hundredths(p.Budget+p.Pay), "Have", u.Available().String()))
	}
	p.User, p.Begins, p.Due = int64(u.ID), true, s.now().Add(partyDraftLife)
	if _, err := s.partyDrafts.changeAs(ctx, in.ID, aboutParty, func(d *chat.Party) error { *d = p; return nil }); err != nil {
		return fmt.Errorf("party draft: %w", err)
	}
	m := discord.Message{Ephemeral: true, Embeds: []discord.Embed{s.partyCard(w, &p)}, Content: w.T("party.confirm", "Budget", hundredths(p.Budget))}
	if p.Pay > 0 {
		m.Content = lines(m.Content, w.T("party.payconfirm", "Amount", hundredths(p.Pay)))
	}
	m.Components = []discord.Row{{Buttons: []discord.Button{button(w.T("party.begin"), "🎉", verbPartyStart, in.ID, discord.Success)}}}
	return r.Reply(ctx, m)
}

// readParty reads the options, and refuses what cannot be.
func (s *Set) readParty(ctx context.Context, in *discord.Interaction) (p chat.Party, err error) {
	o, w := in.Command.Options, s.say(in)
	if err := s.mayParty(ctx, in); err != nil {
		return p, err
	}
	p = chat.Party{
		Name: plain(o.String("name")), Theme: plain(o.String("theme")), Guild: in.GuildID, Channel: in.ChannelID, Host: in.User.ID,
		Locale: s.sayAloud(in).Locale(), Model: strings.TrimSpace(o.String("model")), Style: strings.TrimSpace(o.String("style")),
		Award: int64(kudos.Whole(o.Int("award", 0))), Pay: int64(kudos.Whole(o.Int("pay", 0))),
		Prize: int64(kudos.Whole(o.Int("prize", 0))), Budget: int64(kudos.Whole(o.Int("budget", 0))),
		Per: int(min(max(o.Int("per_person", 1), 1), maxPartyPer)), Picks: chat.PartyWinner(cmp.Or(o.String("winner"), string(chat.WinnerNone))),
		Emoji: cmp.Or(o.String("emoji"), partyEmoji), Stage: chat.PartyRunning,
		Hours: int(o.Int("hours", 24*o.Int("days", 0))),
	}
	for word := range strings.SplitSeq(o.String("words"), ",") {
		if word = plain(word); word != "" {
			p.Words = append(p.Words, word)
		}
	}
	if strings.EqualFold(p.Model, choiceAny) {
		p.Model = ""
	}
	if role, ok := o.Role("ping"); ok {
		p.Ping = role.ID
	}
	_, show, own, err := emojikudos.Parse(p.Emoji)
	if err != nil {
		return p, tell(w.T("party.bademoji"))
	}
	if p.Emoji = show; own != "" { // a guild's own emoji is <:name:id>, Discord's routes want name:id
		p.Moving = strings.HasPrefix(show, "<a:")
		p.Emoji = strings.Trim(strings.TrimPrefix(show, "<a"), "<:>")
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return p, err
	}
	rules, err := s.partyRules(ctx, in.GuildID)
	if err != nil {
		return p, err
	}
	if p.Hours == 0 && !o.Has("hours") && !o.Has("days") {
		p.Hours = 24 * min(partyDays, rules.Days)
	}
	look := ask{model: p.Model, style: p.Style, texts: append([]string{p.Name, p.Theme}, p.Words...)}
	if p.Style != "" {
		if look.styleModels, look.styleTag, err = s.partyStyle(ctx, in, &p); err != nil {
			return p, err
		}
	}
	if err := e.allows(look); err != nil {
		return p, err
	}
	switch {
	case p.Hours > 24*rules.Days:
		return p, tell(w.T("party.long", "Days", rules.Days))
	case p.Ping != "" && !slices.Contains(rules.Pings, p.Ping):
		return p, tell(w.T("party.noping", "Role", roleMention(p.Ping)))
	case p.Style != "" && p.Model != "":
		return p, tell(w.T("party.styleormodel"))
	case p.Name == "" || utf8.RuneCountInString(p.Name) > maxPartyName, utf8.RuneCountInString(p.Theme) > maxPartyTheme,
		p.Award < 0, p.Prize < 0, p.Pay < 0, p.Budget < 0, max(p.Budget, p.Pay) > int64(kudos.Whole(maxPartyBudget)), p.Hours < 1,
		!slices.Contains([]chat.PartyWinner{chat.WinnerNone, chat.WinnerHost, chat.WinnerEmoji, chat.WinnerPoll}, p.Picks):
		return p, tell(w.T("party.wrong"))
	case p.Prize > 0 && p.Picks == chat.WinnerNone:
		return p, tell(w.T("party.nowinner"))
	case p.Prize+p.Award > p.Budget:
		return p, tell(w.T("party.small", "Budget", hundredths(p.Budget), "Needed", hundredths(p.Prize+p.Award)))
	}
	if p.Award == 0 {
		p.Budget = p.Prize // more could never be given
	}
	return p, nil
}

// mayParty refuses people who may not begin parties, and places without room for one.
func (s *Set) mayParty(ctx context.Context, in *discord.Interaction) error {
	e, err := s.effective(ctx, in)
	w := s.say(in)
	switch {
	case err != nil:
		return err
	case in.GuildID == "":
		return tell(w.T("common.guildonly"))
	case !in.Threaded() && in.ChannelType != discord.TextChannel && in.ChannelType != discord.AnnouncementChannel:
		return tell(w.T("party.place"))
	}
	if err := e.admit(chat.Parties); err != nil {
		return err
	}
	rules, err := s.partyRules(ctx, in.GuildID)
	if err != nil {
		return err
	}
	here := slices.Contains(rules.Channels, in.ChannelID) || in.Threaded() && slices.Contains(rules.Channels, in.ChannelParent)
	if len(rules.Channels) > 0 && !here {
		return tell(w.T("party.elsewhere", "Channels", channelList(rules.Channels)))
	}
	all, err := s.parties.ofGuild(ctx, in.GuildID)
	if err != nil {
		return fmt.Errorf("parties: %w", err)
	}
	running := 0
	for _, x := range all {
		if x.value.Stage == chat.PartyOver {
			continue
		}
		if running++; x.key == in.ChannelID {
			return tell(w.T("party.already"))
		}
	}
	if running >= rules.Most {
		return tell(w.T("party.many", "Most", rules.Most))
	}
	need := discord.ViewChannel | discord.SendInThreads | discord.AttachFiles
	if !in.Threaded() {
		need |= discord.CreateThreads
	}
	return lacks(in, w, "operator.feature.parties", need)
}

// partyConfirmed begins the party of a draft. First the kudos are set aside, for an hour; a thread is made; and only when
// the party is saved do they stay. What is interrupted before gives them back, and afterwards the host goes on with it.
func (s *Set) partyConfirmed(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, draft := s.say(in), in.Component.ID.ID
	p, found, err := s.partyDrafts.get(ctx, draft)
	switch {
	case err != nil:
		return fmt.Errorf("party draft: %w", err)
	case !found || p.Channel != in.ChannelID || s.now().After(p.Due):
		return tell(w.T("request.old"))
	case p.Host != in.User.ID:
		return tell(w.T("common.notyours"))
	}
	if err := s.mayParty(ctx, in); err != nil {
		return err
	}
	if err := r.DeferUpdate(ctx); err != nil {
		return err
	}
	done, err := s.panels.take(ctx, verbPartyStart+":"+in.GuildID) // a guild has so many parties, and a thread one
	if err != nil {
		return err
	}
	defer done()
	if err := s.mayParty(ctx, in); err != nil {
		return err
	}
	if mine, err := s.partyDrafts.drop(ctx, draft); err != nil || !mine {
		return err // somebody pressed twice
	}
	var purse horde.Purse
	if p.Budget > 0 {
		purse, err = s.engine.FillPurse(ctx, horde.FillPurse{
			Owner: horde.UserID(p.User), Amount: kudos.Amount(p.Budget), Life: partyDraftLife, Key: "party:" + draft,
		})
		if err != nil {
			return err
		}
		p.Purse = purse.ID.String()
	}
	undo := func() {
		if _, back := engine.Do(ctx, s.engine, horde.ClosePurse{Owner: purse.Owner, Purse: purse.ID}); back != nil {
			s.log.Warn().Err(back).Msg("kudos of a party that did not begin go back later")
		}
		if err := s.dropPartyKey(ctx, &p); err != nil {
			s.log.Warn().Err(err).Msg("the shared key of a party that did not begin stays until it expires")
		}
	}
	if err := s.makePartyKey(ctx, w, &p, draft); err != nil {
		undo()
		return err
	}
	id := in.ChannelID
	if !in.Threaded() {
		thread, err := s.bot.StartThread(ctx, discord.Channel{ID: in.ChannelID, Type: in.ChannelType}, discord.Clip("🎉 "+p.Name, discord.MaxThreadName))
		if err != nil {
			undo()
			if discord.IsMissingPermission(err) {
				return tell(w.T("party.nothread"))
			}
			return fmt.Errorf("party thread: %w", err)
		}
		id = thread.ID
	}
	p.Begun, p.Ends = s.now(), s.now().Add(time.Duration(p.Hours)*time.Hour)
	p.Due = s.now().Add(partyAgain) // should the process end before it has begun in full
	_, err = s.parties.changeAs(ctx, id, aboutParty, func(x *chat.Party) error {
		if x.Stage != "" && x.Stage != chat.PartyOver {
			return tell(w.T("party.already"))
		}
		*x = p
		return nil
	})
	if err != nil {
		undo()
		return err
	}
	if err := s.host.begin(ctx, id, p); err != nil {
		s.log.Warn().Err(err).Str("party", id).Msg("a party has not begun in full yet")
	}
	return r.Edit(ctx, discord.Message{Content: w.T("party.begun", "Thread", "<#"+id+">")})
}

func (s *Set) partyWords(p *chat.Party) words.Words {
	return s.bundle.For(s.guildLanguage(p.Guild), p.Locale)
}

// partyCard shows the rules of a party, and how far it is.
func (s *Set) partyCard(w words.Words, p *chat.Party) discord.Embed {
	e := discord.Embed{Title: discord.Clip("🎉 "+escape(p.Name), discord.MaxEmbedTitle), Description: escape(p.Theme), Color: embedColor}
	add := func(key, value string) {
		if value != "" {
			e.Fields = append(e.Fields, discord.Field{Name: w.T("party.f." + key), Value: discord.Clip(value, discord.MaxFieldValue), Inline: true})
		}
	}
	add("host", mention(p.Host))
	if p.Ends.IsZero() {
		add("length", w.T("party.hours", "Hours", p.Hours))
	} else {
		add("ends", stamp(p.Ends))
	}
	add("style", escape(p.Style))
	add("model", escape(p.Model))
	add("words", escape(strings.Join(p.Words, ", ")))
	if p.Award > 0 {
		add("award", w.T("party.award", "Amount", hundredths(p.Award), "Per", p.Per))
		add("left", w.T("party.kudos", "Amount", hundredths(p.Left())))
	}
	if p.Pay > 0 {
		left := kudos.Amount(p.Pay)
		if k, ok := s.partyKey(p); ok {
			left = k.Budget
		} else if !p.Begun.IsZero() {
			left = 0
		}
		add("pay", w.T("party.kudos", "Amount", left.String()))
	}
	if p.Picks != chat.WinnerNone {
		text := w.T("party.winner." + string(p.Picks))
		if p.Picks == chat.WinnerEmoji {
			text += " " + shownEmoji(p)
		}
		add("winner", text)
		if p.Prize > 0 {
			add("prize", w.T("party.kudos", "Amount", hundredths(p.Prize)))
		}
	}
	var funders []string
	for _, f := range p.Funds {
		funders = append(funders, mention(f.Person)+" · "+hundredths(f.Amount))
	}
	add("funders", lines(funders...))
	if !p.Begun.IsZero() {
		add("entries", strconv.Itoa(len(p.Entries)))
	}
	return e
}

// shownEmoji writes a party's emoji for a message.
func shownEmoji(p *chat.Party) string {
	switch name, id, own := strings.Cut(p.Emoji, ":"); {
	case !own || name == "" || id == "":
		return escape(p.Emoji)
	case p.Moving:
		return "<a:" + p.Emoji + ">"
	}
	return "<:" + p.Emoji + ">"
}

// partyHere finds the party of the thread that an interaction comes from.
func (s *Set) partyHere(ctx context.Context, in *discord.Interaction) (chat.Party, error) {
	p, found, err := s.parties.get(ctx, in.ChannelID)
	switch {
	case err != nil:
		return p, fmt.Errorf("party: %w", err)
	case !found || p.Guild != in.GuildID:
		return p, tell(s.say(in).T("party.none", "List", s.cmd("party list")))
	}
	return p, nil
}

// funded is partyHere for what the host, and whoever added kudos, may do while a party runs.
func (s *Set) funded(ctx context.Context, in *discord.Interaction) (chat.Party, error) {
	p, err := s.partyHere(ctx, in)
	switch {
	case err != nil:
		return p, err
	case !p.Funder(in.User.ID):
		return p, tell(s.say(in).T("party.funder"))
	case p.Stage != chat.PartyRunning:
		return p, tell(s.say(in).T("party.isover"))
	}
	return p, nil
}

func (s *Set) partyInfo(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if err := r.Defer(ctx, true); err != nil { // reactions are counted
		return err
	}
	return s.showSheet(ctx, in, r, "party")
}

// partySheet is what /party info shows.
func (s *Set) partySheet(ctx context.Context, in *discord.Interaction, w words.Words, _ string) (sheet, error) {
	p, err := s.partyHere(ctx, in)
	if err != nil {
		return sheet{}, err
	}
	card := s.partyCard(w, &p)
	sh := sheet{title: card.Title, text: card.Description, fields: card.Fields}
	if top := s.host.leading(ctx, in.ChannelID, &p); len(top) > 0 {
		sh.fields = append(sh.fields, discord.Field{
			Name: w.T("party.f.top"), Value: discord.Clip(lines(s.host.gallery(w, in.ChannelID, &p, top)...), discord.MaxFieldValue),
		})
	}
	last := p.Entries[max(len(p.Entries)-partyShown, 0):]
	for i, e := range last {
		sh.rows = append(sh.rows, entryLine(w, &p, in.ChannelID, len(p.Entries)-len(last)+i+1, e))
	}
	if p.Stage != chat.PartyRunning {
		sh.rows = append(sh.rows, w.T("party.isover"))
	}
	return sh, nil
}

// entryLine names an entry with a link to it.
func entryLine(w words.Words, p *chat.Party, thread string, number int, e chat.PartyEntry) string {
	return w.T("party.entry", "Number", number, "Person", mention(e.Person), "Link", messageLink(p.Guild, thread, e.Message))
}

func (s *Set) partyList(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	return s.showSheet(ctx, in, r, "parties")
}

// partiesSheet is what /party list shows.
func (s *Set) partiesSheet(ctx context.Context, in *discord.Interaction, w words.Words, _ string) (sheet, error) {
	if in.GuildID == "" {
		return sheet{}, tell(w.T("common.guildonly"))
	}
	all, err := s.parties.ofGuild(ctx, in.GuildID)
	if err != nil {
		return sheet{}, fmt.Errorf("parties: %w", err)
	}
	sh := sheet{title: w.T("party.title")}
	for _, x := range all {
		if x.value.Stage != chat.PartyOver {
			sh.rows = append(sh.rows, w.T("party.listed", "Thread", "<#"+x.key+">", "Host", mention(x.value.Host), "Entries", len(x.value.Entries), "Ends", stamp(x.value.Ends)))
		}
	}
	if len(sh.rows) == 0 {
		sh.text = w.T("party.nothing")
	}
	return sh, nil
}

func (s *Set) partyExtend(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	done, err := s.panels.take(ctx, partyUse+in.ChannelID) // two who extend it at once both do
	if err != nil {
		return err
	}
	defer done()
	p, err := s.funded(ctx, in)
	if err != nil {
		return err
	}
	rules, err := s.partyRules(ctx, in.GuildID)
	if err != nil {
		return err
	}
	w := s.say(in)
	more := time.Duration(in.Command.Options.Int("days", 0)) * 24 * time.Hour
	ends := p.Ends.Add(more)
	if more <= 0 || ends.Sub(s.now()) > time.Duration(rules.Days)*24*time.Hour {
		return tell(w.T("party.long", "Days", rules.Days))
	}
	if id, err := horde.ParseUUID(p.Purse); err == nil { // it must not go back before
		life := ends.Sub(s.now()) + partySpare
		if _, err := s.engine.FillPurse(ctx, horde.FillPurse{Owner: horde.UserID(p.User), Purse: horde.PurseID{UUID: id}, Life: life}); err != nil {
			return err
		}
	}
	if err := s.keepPartyKey(ctx, &p, ends); err != nil {
		return err
	}
	p, err = s.changeParty(ctx, in.ChannelID, func(x *chat.Party) error {
		if x.Stage != chat.PartyRunning {
			return tell(w.T("party.isover"))
		}
		if x.Ends = ends; x.Begins {
			return nil // it is due before
		}
		x.Due = ends
		return nil
	})
	if err != nil {
		return err
	}
	return r.Reply(ctx, discord.Message{Content: s.partyWords(&p).T("party.extended", "Ends", stamp(p.Ends))})
}

// partyWinner notes the host's favourite. Its prize is given when the party ends.
func (s *Set) partyWinner(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	p, err := s.partyHere(ctx, in)
	w := s.say(in)
	number := int(in.Command.Options.Int("entry", 0))
	if who, named := in.Command.Options.User("user"); named && number == 0 { // their newest one
		for i, e := range p.Entries {
			if e.Person == who.ID {
				number = i + 1
			}
		}
	}
	switch {
	case err != nil:
		return err
	case p.Host != in.User.ID:
		return tell(w.T("party.host"))
	case p.Picks != chat.WinnerHost:
		return tell(w.T("party.notpicked"))
	case p.Stage != chat.PartyRunning && p.Stage != chat.PartyWaiting:
		return tell(w.T("party.isover"))
	case number < 1 || number > len(p.Entries):
		return tell(w.T("party.noentry", "Number", number))
	case p.Entries[number-1].Person == p.Host:
		return tell(w.T("party.ownentry"))
	}
	_, err = s.changeParty(ctx, in.ChannelID, func(x *chat.Party) error {
		if x.Stage == chat.PartyOver || x.Stage == chat.PartyEnding {
			return tell(w.T("party.isover"))
		}
		if x.Winner = number; x.Stage == chat.PartyWaiting {
			x.Stage, x.Due = chat.PartyEnding, s.now()
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.host.ring()
	return r.Reply(ctx, private(w.T("party.picked", "Number", number)))
}

// mayEnd refuses people who may not end a party.
func (s *Set) mayEnd(ctx context.Context, in *discord.Interaction) error {
	p, err := s.partyHere(ctx, in)
	switch {
	case err != nil:
		return err
	case p.Host != in.User.ID && !in.MemberPermissions.Has(discord.ManageGuild):
		return tell(s.say(in).T("party.host"))
	case p.Stage != chat.PartyRunning && p.Stage != chat.PartyWaiting:
		return tell(s.say(in).T("party.isover"))
	}
	return nil
}

func (s *Set) partyEnd(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if err := s.mayEnd(ctx, in); err != nil {
		return err
	}
	w := s.say(in)
	m := private(w.T("party.endconfirm"))
	m.Components = []discord.Row{{Buttons: []discord.Button{button(w.T("party.endnow"), "", verbPartyEnd, in.ChannelID, discord.Danger)}}}
	return r.Reply(ctx, m)
}

func (s *Set) partyEndConfirmed(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if err := s.mayEnd(ctx, in); err != nil {
		return err
	}
	_, err := s.changeParty(ctx, in.ChannelID, func(x *chat.Party) error {
		if x.Stage == chat.PartyRunning || x.Stage == chat.PartyWaiting {
			x.Stage, x.Due, x.Ended = chat.PartyEnding, s.now(), in.User.ID
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.host.ring()
	return r.Update(ctx, discord.Message{Content: s.say(in).T("party.ending")})
}
