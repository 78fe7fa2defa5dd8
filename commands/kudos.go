// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// Bounds of a gift by command.
const (
	maxGift      = 1_000_000_000 // whole kudos
	maxNote      = horde.MaxNoteRunes
	confirmAbove = 1000 * kudos.One // where nobody set their own
	draftLife    = 15 * time.Minute // a gift waits so long to be confirmed
	maxAlias     = 64               // characters of an account's name and number
)

// Verbs of buttons and forms about gifts.
const (
	verbGift        = "gf" // opens the form; id: the request whose person is thanked
	verbGiftForm    = "gm" // the form; id: the person
	verbGiftConfirm = "kg"
	verbGiftDrop    = "kx"
	verbWithdraw    = "kw"
)

// menuGiftUser and menuGiftAuthor are context menus.
const (
	menuGiftUser   = "Gift kudos"
	menuGiftAuthor = "Gift kudos to author"
)

func (s *Set) kudosFamily() family {
	en := s.bundle.For("en")
	opt := func(name string, o discord.OptionSpec) discord.OptionSpec {
		o.Name, o.Description, o.Descriptions = name, en.T("kudos.opt."+name), s.bundle.Locales("kudos.opt."+name)
		return o
	}
	sub := func(name string, options ...discord.OptionSpec) discord.SubcommandSpec {
		key := "kudos." + name + ".desc"
		return discord.SubcommandSpec{Name: name, Description: en.T(key), Descriptions: s.bundle.Locales(key), Options: options}
	}
	choices := func(prefix string, values ...string) (out []discord.Choice) {
		for _, v := range values {
			out = append(out, discord.Choice{Name: en.T(prefix + v), Value: v, Names: s.bundle.Locales(prefix + v)})
		}
		return out
	}
	amount := opt("amount", discord.OptionSpec{Type: discord.OptionInteger, Required: true, Min: new(1.0), Max: new(float64(maxGift))})
	specs := []discord.CommandSpec{
		{
			Name: "kudos", Description: en.T("kudos.desc"), Descriptions: s.bundle.Locales("kudos.desc"), DMs: true, UserInstall: true,
			Subcommands: []discord.SubcommandSpec{
				sub("balance", opt("private", discord.OptionSpec{Type: discord.OptionBoolean})),
				sub("gift", amount, opt("user", discord.OptionSpec{Type: discord.OptionUser}),
					opt("horde", discord.OptionSpec{Type: discord.OptionString, MaxLength: new(maxAlias)}),
					opt("note", discord.OptionSpec{Type: discord.OptionString, MaxLength: new(maxNote)}),
					opt("anonymous", discord.OptionSpec{Type: discord.OptionBoolean})),
				sub("giftrole", opt("role", discord.OptionSpec{Type: discord.OptionRole, Required: true}), amount,
					opt("mode", discord.OptionSpec{Type: discord.OptionString, Choices: choices("kudos.mode.", "each", "split")})),
				sub("leaderboard", opt("board", discord.OptionSpec{Type: discord.OptionString, Choices: choices("kudos.board.", s.boards()...)}),
					opt("scope", discord.OptionSpec{Type: discord.OptionString, Choices: choices("kudos.scope.", "horde", "guild")}),
					opt("period", discord.OptionSpec{Type: discord.OptionString, Choices: choices("kudos.period.", periods()...)})),
				sub("history", opt("type", discord.OptionSpec{Type: discord.OptionString, Choices: choices("kudos.type.", historyTypes()...)}),
					opt("page", discord.OptionSpec{Type: discord.OptionInteger, Min: new(1.0), Max: new(float64(maxHistory / historyPage))})),
				sub("pending"),
				sub("claim"),
			},
		},
		{Menu: discord.UserMenu, Name: menuGiftUser, Names: s.bundle.Locales("kudos.menu.user"), DMs: true, UserInstall: true},
		{Menu: discord.MessageMenu, Name: menuGiftAuthor, Names: s.bundle.Locales("kudos.menu.author"), DMs: true, UserInstall: true},
	}
	return family{specs: specs, register: func(rt *discord.Router) {
		private := func(path string, h discord.HandlerFunc) {
			rt.Command("kudos "+path, discord.Route{Handle: s.answered(h), Private: true})
		}
		private("balance", s.balance)
		private("history", s.kudosHistory)
		private("pending", s.pendingGifts)
		private("claim", s.claim)
		rt.Command("kudos gift", discord.Route{Handle: s.answered(s.gift)})
		rt.Command("kudos giftrole", discord.Route{Handle: s.answered(s.managed(s.giftRole))})
		rt.Command("kudos leaderboard", discord.Route{Handle: s.answered(s.leaderboard)})
		rt.Command(discord.MenuPath(discord.UserMenu, menuGiftUser), discord.Route{Handle: s.answered(s.menuGiftUser), Private: true})
		rt.Command(discord.MenuPath(discord.MessageMenu, menuGiftAuthor), discord.Route{Handle: s.answered(s.menuGiftAuthor), Private: true})
		rt.Component(verbGift, discord.Route{Handle: s.answered(s.pressGift), Private: true})
		rt.Modal(verbGiftForm, discord.Route{Handle: s.answered(s.submitGift)})
		rt.Component(verbGiftConfirm, discord.Route{Handle: s.answered(s.pressGiftConfirm), Private: true})
		rt.Component(verbGiftDrop, discord.Route{Handle: s.answered(s.pressGiftDrop), Private: true})
		rt.Component(verbWithdraw, discord.Route{Handle: s.answered(s.pressWithdraw), Private: true})
		rt.Component(verbRoleGift, discord.Route{Handle: s.answered(s.managed(s.pressRoleGift))})
	}}
}

func (s *Set) balance(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	u, opened, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	w := s.say(in)
	switch {
	case err != nil:
		return err
	case !ok:
		return r.Reply(ctx, private(w.T("common.needsaccount", "Login", s.cmd("login"))))
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	if !in.Command.Options.Bool("private", true) && e.answers != chat.AnswersPrivate {
		return r.Reply(ctx, discord.Message{Content: s.sayAloud(in).T("kudos.public", "Who", mention(in.User.ID), "Amount", u.Balance.String())})
	}
	out := []string{w.T("kudos.balance", "Amount", u.Balance.String())}
	add := func(key string, a kudos.Amount) {
		if a != 0 {
			out = append(out, "-# "+w.T(key, "Amount", a.String()))
		}
	}
	if free := u.Available(); free != u.Balance {
		out = append(out, w.T("kudos.free", "Amount", free.String()))
	}
	add("kudos.held", u.Held)
	add("kudos.evaluated", u.Evaluated)
	add("kudos.reserved", sumGifts(s.engine.GiftsFrom(u.ID)))
	add("kudos.monthly", u.Monthly)
	d := u.Details
	out = append(out, "-# "+w.T("kudos.breakdown", "Earned", d.Accumulated.String(), "Given", givenBy(&u).String(), "Received", d.Received.String()))
	out = append(out, s.welcome(w, u, opened))
	m := private(lines(out...))
	p, err := s.book.Person(ctx, in.User.ID)
	if err != nil {
		return err
	}
	if p.Owed { // the question could not be delivered
		q := s.consentQuestion(ctx, w, in.User.ID)
		m.Content, m.Components = lines(m.Content, w.T("kudos.owed")+" "+q.Content), q.Components
	}
	return r.Reply(ctx, m)
}

// givenBy is what somebody gave to others.
func givenBy(u *horde.User) kudos.Amount { return -(u.Details.Gifted + u.Details.Donated) }

func sumGifts(gifts []horde.Gift) (sum kudos.Amount) {
	for _, g := range gifts {
		sum += g.Amount
	}
	return sum
}

func (s *Set) gift(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	o, w := in.Command.Options, s.say(in)
	to, named := o.User("user")
	alias := strings.TrimSpace(o.String("horde"))
	d := chat.GiftDraft{
		Person: in.User.ID, Amount: int64(kudos.Whole(min(o.Int("amount", 0), maxGift+1))), Note: plain(o.String("note")),
		Anonymous: o.Bool("anonymous", false),
	}
	switch {
	case named == (alias != ""):
		return tell(w.T("kudos.oneto"))
	case named && (to.Bot || to.ID == s.bot.UserID()):
		return r.Reply(ctx, private(w.T("kudos.robot")))
	case named:
		d.To = to.ID
	default:
		u, err := s.findAlias(w, alias)
		if err != nil {
			return err
		}
		d.Account = int64(u.ID)
	}
	return s.beginGift(ctx, in, r, d, in.ID)
}

// findAlias finds an account by number, by name and number, or by a name that one account has.
func (s *Set) findAlias(w words.Words, text string) (horde.User, error) {
	id, ok := horde.ParseUserID(text)
	if !ok {
		id, ok = horde.ParseAlias(text)
	}
	if ok {
		if u, found := s.engine.User(id); found && !u.Wiped() {
			return u, nil
		}
		return horde.User{}, tell(w.T("kudos.noaccount"))
	}
	var found []horde.User
	for _, u := range s.engine.Users() {
		if strings.EqualFold(u.Name, text) && !u.Wiped() {
			found = append(found, u)
		}
	}
	switch len(found) {
	case 0:
		return horde.User{}, tell(w.T("kudos.noaccount"))
	case 1:
		return found[0], nil
	}
	return horde.User{}, tell(w.T("kudos.several", "Count", len(found)))
}

// checkGift refuses what no gift may be, before anything is promised.
func (s *Set) checkGift(in *discord.Interaction, d chat.GiftDraft) error {
	switch amount := kudos.Amount(d.Amount); {
	case d.To == in.User.ID:
		return horde.Refuse(horde.CodeTransferToSelf, "you cannot give kudos to yourself")
	case amount < kudos.One || amount > kudos.Whole(maxGift):
		return horde.Refuse(horde.CodeInvalidTransferAmount, "a gift is 1 to %d kudos", maxGift)
	case utf8.RuneCountInString(d.Note) > maxNote:
		return horde.Refuse(horde.CodeBadRequest, "%s", s.say(in).T("refused.longnote", "Most", maxNote))
	}
	return nil
}

// beginGift gives at once, or asks back when it is more than its person gives without being asked. A key gives once.
func (s *Set) beginGift(ctx context.Context, in *discord.Interaction, r *discord.Responder, d chat.GiftDraft, key string) error {
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	if err := e.admit(chat.Gifts); err != nil {
		return err
	}
	if err := s.checkGift(in, d); err != nil {
		return err
	}
	if asked, err := s.askBack(ctx, in, r, &e, d, key); asked || err != nil {
		return err
	}
	return s.giveNow(ctx, in, r, d, key, d.Anonymous || e.answers == chat.AnswersPrivate)
}

// askBack asks whether kudos shall really be given when they are more than their person gives without being asked. What
// was asked is answered by pressGiftConfirm.
func (s *Set) askBack(ctx context.Context, in *discord.Interaction, r *discord.Responder, e *Effective, d chat.GiftDraft, key string) (asked bool, err error) {
	limit := confirmAbove
	if e.person.GiftConfirm > 0 {
		limit = kudos.Whole(e.person.GiftConfirm)
	}
	if kudos.Amount(d.Amount) <= limit {
		return false, nil
	}
	d.Due = s.now().Add(draftLife)
	_, err = s.giftDrafts.change(ctx, key, about{person: in.User.ID, guild: in.GuildID, due: d.Due}, func(v *chat.GiftDraft) error {
		*v = d
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("keep a gift to confirm: %w", err)
	}
	w := s.say(in)
	m := private(w.T("kudos.sure", "Amount", kudos.Amount(d.Amount).String(), "To", s.recipientText(d)))
	m.Components = []discord.Row{{Buttons: []discord.Button{
		button(w.T("kudos.give"), "🙏", verbGiftConfirm, key, discord.Primary), button(w.T("common.cancel"), "", verbGiftDrop, key, discord.Secondary),
	}}}
	return true, r.Reply(ctx, m)
}

// giveNow gives when somebody will see it: what is refused is refused first, and kudos move only once the interaction is
// acknowledged. Who sees a command fail gives again, and that must not be twice.
func (s *Set) giveNow(ctx context.Context, in *discord.Interaction, r *discord.Responder, d chat.GiftDraft, key string, hidden bool) error {
	early, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	from, opened, ok, err := s.account(early, in.User.ID, in.User.DisplayName())
	if err == nil && !ok {
		return r.Reply(ctx, private(s.say(in).T("common.needsaccount", "Login", s.cmd("login"))))
	}
	if err == nil {
		_, _, err = s.moveGift(early, from.ID, d, giftKey(d, key), true)
	}
	if slow := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil; err != nil && !slow {
		return err
	}
	if err := r.Defer(ctx, hidden); err != nil {
		return err
	}
	return s.fulfil(ctx, in, r, d, key, opened, func(m discord.Message) error {
		m.Ephemeral = m.Ephemeral || hidden
		return r.Reply(ctx, m)
	})
}

// recipientText names who a gift is for.
func (s *Set) recipientText(d chat.GiftDraft) string {
	switch {
	case d.Name != "":
		return "**" + escape(d.Name) + "**"
	case d.To != "":
		return mention(d.To)
	}
	u, _ := s.engine.User(horde.UserID(d.Account))
	return "**" + escape(u.Alias()) + "**"
}

// sendGift gives, once for a key, and says what to answer; opened tells that the giver's account is new, and again that it
// was given before, perhaps without a word to anybody.
func (s *Set) sendGift(ctx context.Context, in *discord.Interaction, d chat.GiftDraft, key string, opened, again bool) (discord.Message, error) {
	w, aloud := s.say(in), s.sayAloud(in)
	from, fresh, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	opened = opened || fresh
	switch {
	case err != nil:
		return discord.Message{}, err
	case !ok:
		return private(w.T("common.needsaccount", "Login", s.cmd("login"))), nil
	}
	given, person, err := s.moveGift(ctx, from.ID, d, giftKey(d, key), false)
	if err != nil {
		return discord.Message{}, err
	}
	amount := kudos.Amount(d.Amount)
	line := emojikudos.Line{Key: "gift:" + key, From: in.User.ID, Amount: amount, Text: d.Note}
	if d.Anonymous {
		line.From = ""
	}
	if !given.Repeated || again {
		s.tellGift(ctx, person, line, given.Waiting != nil)
	}
	note := ""
	if d.Note != "" {
		note = "> " + escape(d.Note)
	}
	values := []any{"From", mention(in.User.ID), "To", s.recipientText(d), "Amount", amount.String()}
	switch {
	case d.Anonymous && given.Waiting != nil:
		return private(lines(w.T("kudos.waits.you", append(values, "Until", stamp(given.Waiting.Expiry))...), note, s.welcome(w, from, opened))), nil
	case d.Anonymous:
		return private(lines(w.T("kudos.gave.you", values...), note, s.welcome(w, from, opened))), nil
	case given.Waiting != nil:
		text := aloud.T("kudos.waits", append(values, "Until", stamp(given.Waiting.Expiry), "Login", s.cmd("login"))...)
		return discord.Message{Content: lines("🎁 "+text, note, s.welcome(w, from, opened))}, nil
	}
	return discord.Message{Content: lines("🙏 "+aloud.T("kudos.gave", values...), note, s.welcome(w, from, opened))}, nil
}

// unnamedGift begins the ledger's keys of gifts whose recipients do not learn who gave them.
const unnamedGift = "gift:unnamed:"

// giftKey is the ledger's key of a gift by command.
func giftKey(d chat.GiftDraft, key string) string {
	if d.Anonymous {
		return unnamedGift + keyOf(key)
	}
	return "gift:" + keyOf(key)
}

// tellGift tells a person privately of a gift that was not given by emoji, as far as they want to hear of gifts. The kudos
// have moved: that is what counts, and a word that cannot be kept is only logged.
func (s *Set) tellGift(ctx context.Context, person string, line emojikudos.Line, waits bool) {
	var err error
	switch {
	case person == "": // the account is nobody's in Discord
	case waits:
		err = s.gifts.Invite(ctx, person, emojikudos.Gift{Person: line.From, Amount: line.Amount})
	default:
		err = s.gifts.Note(ctx, person, line)
	}
	if err != nil {
		s.log.Warn().Err(err).Msg("cannot tell somebody about a gift")
	}
}

// moveGift moves kudos to whom a draft names, or sets them aside for them; with try it only finds out whether that is
// refused. person is the recipient in Discord, if known.
func (s *Set) moveGift(ctx context.Context, from horde.UserID, d chat.GiftDraft, key string, try bool) (given horde.Given, person string, err error) {
	amount := kudos.Amount(d.Amount)
	to := horde.UserID(d.Account)
	if d.To != "" {
		u, has, err := s.accountOf(ctx, d.To)
		if err != nil {
			return given, "", err
		}
		if !has {
			given, err = s.engine.Give(ctx, horde.Give{From: from, To: external(d.To), Amount: amount, Key: key, Note: d.Note, Unnamed: d.Anonymous, DryRun: try})
			return given, d.To, err
		}
		to = u.ID
	}
	done, err := s.engine.Transfer(ctx, horde.Transfer{From: from, To: to, Amount: amount, Key: key, DryRun: try})
	u, _ := s.engine.User(to)
	person, _ = strings.CutPrefix(u.External, "d_")
	if d.To != "" {
		person = d.To
	} else if person == u.External {
		person = ""
	}
	return horde.Given{Amount: done.Amount, Repeated: done.Repeated}, person, err
}

// draft reads the gift that a button is about, and refuses everybody but its giver.
func (s *Set) draft(ctx context.Context, in *discord.Interaction) (chat.GiftDraft, error) {
	w := s.say(in)
	d, found, err := s.giftDrafts.get(ctx, in.Component.ID.ID)
	switch {
	case err != nil:
		return d, err
	case !found || s.now().After(d.Due):
		return d, tell(w.T("kudos.late"))
	case d.Person != in.User.ID:
		return d, tell(w.T("common.notyours"))
	}
	return d, nil
}

func (s *Set) pressGiftConfirm(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	d, err := s.draft(ctx, in)
	if err != nil {
		return err
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	if err := e.admit(chat.Gifts); err != nil {
		return err
	}
	if err := r.DeferUpdate(ctx); err != nil { // as in giveNow
		return err
	}
	key := in.Component.ID.ID // the first interaction's: a second press gives nothing more
	return s.fulfil(ctx, in, r, d, key, false, func(m discord.Message) error {
		done := private(s.say(in).T("kudos.done"))
		mine, err := s.giftDrafts.drop(ctx, key)
		switch {
		case err != nil:
			s.log.Warn().Err(err).Msg("cannot forget a gift that was given")
		case !mine: // it was pressed twice, and the other press tells
			return r.Update(ctx, done)
		}
		if m.Ephemeral || d.Party == "" && e.answers == chat.AnswersPrivate {
			return r.Update(ctx, m)
		}
		if err := r.Update(ctx, done); err != nil {
			return err
		}
		_, err = r.Followup(ctx, m)
		return err
	})
}

func (s *Set) pressGiftDrop(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if _, err := s.draft(ctx, in); err != nil {
		return err
	}
	if _, err := s.giftDrafts.drop(ctx, in.Component.ID.ID); err != nil {
		return err
	}
	return r.Update(ctx, private(s.say(in).T("kudos.dropped")))
}

func (s *Set) menuGiftUser(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	to := in.Command.TargetUser
	if to.Bot || to.ID == s.bot.UserID() {
		return r.Reply(ctx, private(s.say(in).T("kudos.robot")))
	}
	return s.giftForm(ctx, in, r, to.ID)
}

// menuGiftAuthor thanks who wrote a message, or who asked for the image in one of ours.
func (s *Set) menuGiftAuthor(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	m := in.Command.TargetMessage
	to := m.Author.ID
	if to == s.bot.UserID() {
		person, ok, err := reactions{s}.Requester(ctx, in.ChannelID, m.ID)
		if err != nil {
			return err
		}
		if !ok {
			return r.Reply(ctx, private(s.say(in).T("kudos.robot")))
		}
		return s.giftForm(ctx, in, r, person)
	}
	if m.Author.Bot || m.WebhookID != "" || to == "" {
		return r.Reply(ctx, private(s.say(in).T("kudos.robot")))
	}
	return s.giftForm(ctx, in, r, to)
}

// giftButton is the button under a result that thanks who asked for it.
func giftButton(w words.Words, row chat.Message) discord.Button {
	return button(w.T("request.gift"), "🙏", verbGift, strings.TrimPrefix(row.Key, keyPrefix), discord.Secondary)
}

func (s *Set) pressGift(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, _, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	return s.giftForm(ctx, in, r, row.Person)
}

// giftForm asks how much to give somebody.
func (s *Set) giftForm(ctx context.Context, in *discord.Interaction, r *discord.Responder, person string) error {
	w := s.say(in)
	if person == in.User.ID {
		return horde.Refuse(horde.CodeTransferToSelf, "you cannot give kudos to yourself")
	}
	usual := discord.Input{Kind: discord.InputSelect, CustomID: "usual", Label: discord.Clip(w.T("kudos.form.amount"), discord.MaxInputLabel)}
	for i, n := range usualGifts() {
		usual.Options = append(usual.Options, discord.SelectOption{Label: kudosWord(kudos.Whole(n)), Value: strconv.FormatInt(n, 10), Default: i == 0})
	}
	err := r.Modal(ctx, discord.Modal{
		CustomID: discord.CustomID{Verb: verbGiftForm, ID: person, Arg: in.ID}.String(), Title: discord.Clip(w.T("kudos.form.title"), discord.MaxModalTitle),
		Inputs: []discord.Input{
			usual,
			{CustomID: "amount", Label: discord.Clip(w.T("kudos.form.other"), discord.MaxInputLabel), Max: 12},
			{CustomID: "note", Label: discord.Clip(w.T("kudos.form.note"), discord.MaxInputLabel), Paragraph: true, Max: maxNote},
		},
	})
	if errors.Is(err, discord.ErrTooLate) {
		return r.Reply(ctx, private(w.T("kudos.slow")))
	}
	return err
}

// usualGifts are the amounts of kudos that the form of a gift offers.
func usualGifts() []int64 { return []int64{10, 50, 100} }

func (s *Set) submitGift(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	amount, err := kudos.Parse(cmp.Or(strings.TrimSpace(in.Modal.Values["amount"]), in.Modal.Values["usual"]))
	if err != nil {
		return tell(w.T("kudos.nonumber"))
	}
	to, key := in.Modal.ID.ID, in.ID
	if opened := in.Modal.ID.Arg; opened != "" { // the same form gives once, however often it is sent
		key = opened + "-" + in.User.ID
	}
	if _, err := strconv.ParseUint(to, 10, 64); err != nil || to == s.bot.UserID() {
		return r.Reply(ctx, private(w.T("kudos.robot")))
	}
	return s.beginGift(ctx, in, r, chat.GiftDraft{Person: in.User.ID, To: to, Amount: int64(amount), Note: plain(in.Modal.Values["note"])}, key)
}

func (s *Set) pendingGifts(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	m, err := s.pendingPanel(ctx, in)
	if err != nil {
		return err
	}
	seen, err := s.untold(ctx, in, &m)
	if err != nil {
		return err
	}
	if err := r.Reply(ctx, m); err != nil {
		return err
	}
	return seen(ctx)
}

// untold adds what its reader could not be told to a panel; seen is for when they have it.
func (s *Set) untold(ctx context.Context, in *discord.Interaction, m *discord.Message) (seen func(context.Context) error, err error) {
	w := s.say(in)
	list, err := s.book.untold(ctx, in.User.ID)
	if err != nil {
		return nil, fmt.Errorf("read what somebody was not told: %w", err)
	}
	var out []string
	for _, d := range list {
		back := d.To.Kind == emojikudos.NewsBack
		if d.To.Kind == emojikudos.NewsRefused {
			out = append(out, w.T("gifts.nothing"))
			out = append(out, s.whys(ctx, w, in.User.ID, d.News)...)
			continue
		}
		out = append(append(out, newsHead(w, d.News, back)), newsLines(w, d.News, back)...)
	}
	if len(out) > 0 {
		m.Embeds = append(m.Embeds, discord.Embed{
			Title: w.T("kudos.pending.untold"), Color: embedColor, Description: discord.Clip(strings.Join(out, "\n"), discord.MaxEmbedDescription),
		})
	}
	return func(ctx context.Context) (err error) {
		for _, d := range list {
			err = errors.Join(err, s.gifts.Heard(ctx, d.To, d.News))
		}
		return err
	}, nil
}

// shownGifts is how many waiting gifts of a kind are listed.
const shownGifts = 10

// pendingPanel lists what waits for somebody and what they gave that waits.
func (s *Set) pendingPanel(ctx context.Context, in *discord.Interaction) (discord.Message, error) {
	w := s.say(in)
	list := func(gifts []horde.Gift, who func(horde.Gift) string) string {
		var out []string
		for _, g := range gifts[:min(len(gifts), shownGifts)] {
			out = append(out, "• "+w.T("kudos.pending.line", "Who", who(g), "Amount", g.Amount.String(), "Until", stamp(g.Expiry)))
		}
		if len(gifts) > shownGifts {
			out = append(out, w.T("gifts.more", "Count", len(gifts)-shownGifts))
		}
		if len(out) == 0 {
			return w.T("common.none")
		}
		return discord.Clip(strings.Join(out, "\n"), discord.MaxFieldValue)
	}
	mine := s.engine.GiftsFor(external(in.User.ID))
	var given []horde.Gift
	if u, ok := s.find(in.User.ID); ok {
		given = s.engine.GiftsFrom(u.ID)
	}
	m := private("")
	m.Embeds = []discord.Embed{{Title: w.T("kudos.pending.title"), Color: embedColor, Fields: []discord.Field{
		{Name: w.T("kudos.pending.for", "Amount", sumGifts(mine).String()), Value: list(mine, func(g horde.Gift) string {
			if g.Unnamed {
				return w.T("gifts.somebody")
			}
			u, _ := s.engine.User(g.From)
			return escape(u.Alias())
		})},
		{Name: w.T("kudos.pending.from", "Amount", sumGifts(given).String()), Value: list(given, func(g horde.Gift) string {
			return mention(strings.TrimPrefix(g.To, "d_"))
		})},
	}}}
	if len(mine) > 0 {
		m.Content = w.T("kudos.pending.hint", "Login", s.cmd("login"))
	}
	p, err := s.book.Person(ctx, in.User.ID)
	if err != nil {
		return m, err
	}
	if p.Owed {
		q := s.consentQuestion(ctx, w, in.User.ID)
		m.Content, m.Components = lines(m.Content, w.T("kudos.owed")+" "+q.Content), q.Components
	}
	if len(given) > 0 {
		pick := &discord.Select{CustomID: discord.CustomID{Verb: verbWithdraw, ID: "mine"}.String(), Placeholder: w.T("kudos.withdraw")}
		for _, g := range given[:min(len(given), discord.MaxSelectOptions)] {
			pick.Options = append(pick.Options, discord.SelectOption{
				Label: w.T("kudos.pending.option", "Amount", g.Amount.String()), Value: g.ID.String(),
				Description: discord.Clip(g.Created.Format(time.DateOnly)+" "+plain(g.Note), 100),
			})
		}
		m.Components = append(m.Components, discord.Row{Select: pick})
	}
	return m, nil
}

// pressWithdraw takes a gift back. The core checks that it is the presser's.
func (s *Set) pressWithdraw(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	u, ok, err := s.accountOf(ctx, in.User.ID)
	if err != nil {
		return err
	}
	if !ok || len(in.Component.Values) != 1 {
		return tell(s.say(in).T("common.notyours"))
	}
	id, err := horde.ParseUUID(in.Component.Values[0])
	if err != nil {
		return horde.Refuse(horde.CodeGiftNotFound, "this gift does not wait any more")
	}
	if _, err := engine.Do(ctx, s.engine, horde.Withdraw{By: u.ID, Gift: horde.GiftID{UUID: id}}); err != nil {
		return err
	}
	m, err := s.pendingPanel(ctx, in)
	if err != nil {
		return err
	}
	m.Content = lines(s.say(in).T("kudos.withdrawn"), m.Content)
	return r.Update(ctx, m)
}

func (s *Set) claim(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	_, ok, err := s.accountOf(ctx, in.User.ID)
	switch {
	case err != nil:
		return err
	case !ok:
		return r.Reply(ctx, private(w.T("common.needsaccount", "Login", s.cmd("login"))))
	}
	claimed, err := s.claimGifts(ctx, in.User.ID)
	switch {
	case err != nil:
		return err
	case len(claimed.Gifts) == 0:
		return r.Reply(ctx, private(w.T("kudos.nothing")))
	}
	return r.Reply(ctx, private(w.T("gifts.claimed", "Count", len(claimed.Gifts), "Amount", claimed.Amount.String())))
}
