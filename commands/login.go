// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/emojikudos"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

// verbLogin is the verb of what is about the presser's own account. The argument says what to do.
const verbLogin = "lg"

const maxGiftLimit = 1_000_000 // kudos that somebody may set as a limit of theirs

func loginID(what string) string { return discord.CustomID{Verb: verbLogin, Arg: what}.String() }

// loginFamily is /login, /logout and /apikey: somebody and their account.
func (s *Set) loginFamily() family {
	spec := func(name string, options ...discord.OptionSpec) discord.CommandSpec {
		return discord.CommandSpec{
			Name: name, Description: s.english("account.cmd." + name), Descriptions: s.bundle.Locales("account.cmd." + name),
			DMs: true, UserInstall: true, Options: options,
		}
	}
	key := spec("apikey")
	for _, name := range []string{"info", "new", "link", "unlink"} {
		key.Subcommands = append(key.Subcommands, s.subcommand(name, "account.cmd.apikey."+name))
	}
	return family{
		specs: []discord.CommandSpec{
			spec("login"), spec("logout", s.option("erase", "account.opt.erase", discord.OptionBoolean)), key,
		},
		register: func(rt *discord.Router) {
			for path, h := range map[string]discord.HandlerFunc{
				"login": s.login, "logout": s.logout, "apikey info": s.keyInfo, "apikey new": s.keyNew, "apikey link": s.askKey,
				"apikey unlink": s.keyUnlink,
			} {
				rt.Command(path, discord.Route{Handle: s.answered(h), Private: true})
			}
			rt.Component(verbLogin, discord.Route{Handle: s.answered(s.pressLogin), Private: true})
			rt.Modal(verbLogin, discord.Route{Handle: s.answered(s.submitLogin), Private: true})
		},
	}
}

// login shows somebody's account. Where accounts open by themselves it opens theirs; otherwise it says what is kept, and
// opens it at the press of a button.
func (s *Set) login(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	_, known, err := s.accountOf(ctx, in.User.ID)
	switch {
	case err != nil:
		return err
	case !known && !s.opts.AutoAccount:
		return r.Reply(ctx, s.consent(s.say(in)))
	}
	m, err := s.enter(ctx, in)
	if err != nil {
		return err
	}
	return r.Reply(ctx, m)
}

// consent says what an account is and what is kept for it.
func (s *Set) consent(w words.Words) discord.Message {
	m := private(w.T("account.consent", "Policy", s.cmd("privacy policy")))
	m.Components = []discord.Row{{Buttons: []discord.Button{
		{Label: w.T("account.create"), Style: discord.Success, CustomID: loginID("create")},
		{Label: w.T("account.havekey"), Style: discord.Secondary, CustomID: loginID("havekey")},
		{Label: w.T("account.why"), Style: discord.Secondary, CustomID: loginID("why")},
	}}}
	return m
}

// enter opens somebody's account where there is none, and shows it.
func (s *Set) enter(ctx context.Context, in *discord.Interaction) (discord.Message, error) {
	from, err := originOf(in.GuildID, in.User.ID)
	if err != nil {
		return discord.Message{}, err
	}
	_, known, err := s.accountOf(ctx, in.User.ID)
	switch {
	case err != nil:
		return discord.Message{}, err
	case !known && s.engine.TimedOut(from) > 0:
		return discord.Message{}, horde.Refuse(horde.CodeTimeoutIP, "no account can be opened from here for now")
	}
	u, opened, err := s.open(ctx, in.User.ID, in.User.DisplayName())
	if err != nil {
		return discord.Message{}, err
	}
	if opened {
		if _, err := s.changePerson(ctx, in.User.ID, func(p *chat.Person) error {
			p.Agreed = s.now()
			return nil
		}); err != nil {
			return discord.Message{}, fmt.Errorf("note a new account: %w", err)
		}
	}
	return s.loginPanel(ctx, in, u, opened)
}

// loginPanel shows an account, with what changes it.
func (s *Set) loginPanel(ctx context.Context, in *discord.Interaction, u horde.User, opened bool) (discord.Message, error) {
	w := s.say(in)
	p, _, err := s.people.get(ctx, in.User.ID)
	if err != nil {
		return discord.Message{}, fmt.Errorf("settings of a person: %w", err)
	}
	leaving, goes, err := s.farewells.get(ctx, in.User.ID)
	if err != nil {
		return discord.Message{}, fmt.Errorf("deletion of an account: %w", err)
	}
	hello := "account.back"
	if opened {
		hello = "account.welcome"
	}
	text := []string{w.T(hello, "Name", escape(u.Alias()), "Kudos", kudosWord(u.Balance)), w.T("account.yours"), ""}
	linked, isLinked, err := s.linked(ctx, in.User.ID)
	if err != nil {
		return discord.Message{}, err
	}
	if isLinked && linked.ID == u.ID {
		text[1] = w.T("account.linkedhere", "Unlink", s.cmd("apikey unlink"))
	}
	text = append(text, "• "+w.T("account.do.generate", "Generate", s.cmd("generate")), "• "+s.giftLine(ctx, w, in.GuildID))
	if s.opts.APIURL == "" {
		text = append(text, "• "+w.T("account.do.key", "Key", s.cmd("apikey new")))
	} else {
		text = append(text, "• "+w.T("account.do.keyat", "Key", s.cmd("apikey new"), "Address", s.opts.APIURL))
	}
	if goes {
		text = append(text, w.T("account.leaving", "When", stamp(leaving.Asked.Add(graceTime))))
	}
	m := private(strings.Join(append(text, "-# "+w.T("account.kept")), "\n"))
	limit := discord.Button{Label: w.T("account.limit.none"), Style: discord.Secondary, CustomID: loginID("limit")}
	if p.GiftLimit > 0 {
		limit.Label = w.T("account.limit", "Kudos", strconv.FormatInt(p.GiftLimit, 10))
	}
	m.Components = []discord.Row{{Buttons: []discord.Button{
		{Label: w.T("account.havekey"), Style: discord.Secondary, CustomID: loginID("havekey")}, limit,
	}}}
	if goes {
		m.Components[0].Buttons = append(m.Components[0].Buttons, discord.Button{
			Label: w.T("account.keep"), Style: discord.Success, CustomID: loginID("keep"),
		})
	}
	err = s.greetGifts(ctx, in, &m)
	return m, err
}

// giftLine tells how kudos are given in a guild, or where there is none.
func (s *Set) giftLine(ctx context.Context, w words.Words, guild string) string {
	rule, found := s.emojiOf(ctx, guild)
	if !found {
		return w.T("account.do.gift", "Gift", s.cmd("kudos gift"))
	}
	return w.T("account.do.giftemoji", "Gift", s.cmd("kudos gift"), "Emoji", rule.Show, "Kudos", kudosWord(rule.Amount))
}

// emojiOf is the first kudos emoji that everybody in a guild may give.
func (s *Set) emojiOf(ctx context.Context, guild string) (emojikudos.Rule, bool) {
	rules, _, err := s.gifts.Rules(ctx, guild)
	if err != nil {
		s.log.Warn().Err(err).Msg("cannot read the kudos emoji of a guild")
	}
	if at := slices.IndexFunc(rules, func(r emojikudos.Rule) bool { return r.Role == "" && len(r.Channels) == 0 }); at >= 0 {
		return rules[at], true
	}
	return emojikudos.Rule{}, false
}

// pressLogin handles what is about the presser's own account.
func (s *Set) pressLogin(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	switch in.Component.ID.Arg {
	case "create":
		m, err := s.enter(ctx, in)
		if err != nil {
			return err
		}
		return r.Update(ctx, m)
	case "havekey":
		return s.askKey(ctx, in, r)
	case "why":
		return r.Reply(ctx, private(w.T("account.because")))
	case "move":
		return s.moveKudos(ctx, in, r)
	case "newkey":
		return s.showKey(ctx, in, r)
	case "logout":
		return s.pressLogout(ctx, in, r)
	case "hide":
		if _, err := s.fuses.drop(ctx, in.Component.ID.ID); err != nil {
			return fmt.Errorf("forget a message: %w", err)
		}
		return r.Update(ctx, discord.Message{Content: w.T("account.hidden")})
	case "limit":
		p, _, err := s.people.get(ctx, in.User.ID)
		if err != nil {
			return fmt.Errorf("settings of a person: %w", err)
		}
		form := discord.Modal{CustomID: loginID("limit"), Title: discord.Clip(w.T("account.limit.title"), discord.MaxModalTitle)}
		for _, f := range giftLimits(&p) {
			input := discord.Input{CustomID: f.name, Label: discord.Clip(w.T(f.label), discord.MaxInputLabel), Max: 7, Placeholder: w.T("server.number")}
			if *f.at > 0 {
				input.Value = strconv.FormatInt(*f.at, 10)
			}
			form.Inputs = append(form.Inputs, input)
		}
		return r.Modal(ctx, form)
	case "keep":
		if err := s.keepAccount(ctx, in.User.ID); err != nil {
			return err
		}
	}
	return s.showLogin(ctx, in, r)
}

// giftLimit is a limit that somebody may set for their gifts, in whole kudos; 0 is none of their own.
type giftLimit struct {
	name, label string // of the input, and a text by key
	at          *int64
}

// giftLimits lists them in one order.
func giftLimits(p *chat.Person) []giftLimit {
	return []giftLimit{
		{"limit", "account.limit.label", &p.GiftLimit}, {"one", "account.limit.one", &p.GiftOne}, {"confirm", "account.limit.confirm", &p.GiftConfirm},
	}
}

// showLogin brings the panel of somebody's account up to date.
func (s *Set) showLogin(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	u, ok, err := s.accountOf(ctx, in.User.ID)
	if err != nil {
		return err
	}
	if !ok {
		return r.Update(ctx, s.consent(s.say(in)))
	}
	m, err := s.loginPanel(ctx, in, u, false)
	if err != nil {
		return err
	}
	return r.Update(ctx, m)
}

// keepAccount takes back that an account shall be deleted, or that it is marked so.
func (s *Set) keepAccount(ctx context.Context, person string) error {
	if _, err := s.farewells.drop(ctx, person); err != nil {
		return fmt.Errorf("keep an account: %w", err)
	}
	u, ok := s.engine.UserByExternal(external(person))
	if !ok || !u.Has(horde.RoleDeleted) {
		return nil
	}
	_, err := engine.Do(ctx, s.engine, horde.ChangeUser{By: u.ID, User: u.ID, Undelete: true})
	return err
}

// submitLogin takes the forms of the panel.
func (s *Set) submitLogin(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if in.Modal.ID.Arg == "key" {
		return s.submitKey(ctx, in, r)
	}
	w := s.say(in)
	var typed chat.Person
	for _, f := range giftLimits(&typed) {
		text := strings.TrimSpace(in.Modal.Values[f.name])
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 || n > maxGiftLimit {
			return tell(w.T("server.badnumber", "What", w.T(f.label), "Least", 1, "Most", maxGiftLimit))
		}
		*f.at = n
	}
	if _, err := s.changePerson(ctx, in.User.ID, func(p *chat.Person) error {
		now := giftLimits(p)
		for i, f := range giftLimits(&typed) {
			*now[i].at = *f.at
		}
		return nil
	}); err != nil {
		return err
	}
	return s.showLogin(ctx, in, r)
}

// logout leaves an account that somebody acts for by its key, or asks whether the key of their own is to end.
func (s *Set) logout(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	if in.Command.Options.Bool("erase", false) {
		return s.privacyDelete(ctx, in, r)
	}
	there, err := s.unlink(ctx, in.User.ID)
	switch {
	case err != nil:
		return err
	case there:
		return r.Reply(ctx, private(w.T("account.unlinked")))
	}
	u, ok, err := s.accountOf(ctx, in.User.ID)
	if err != nil {
		return err
	}
	if !ok {
		return r.Reply(ctx, private(w.T("account.none", "Login", s.cmd("login"))))
	}
	m := private(lines(w.T("account.logout.sure", "Name", escape(u.Alias())), s.workersNeedIt(w, u.ID)))
	m.Components = []discord.Row{{Buttons: []discord.Button{{Label: w.T("account.logout.do"), Style: discord.Danger, CustomID: loginID("logout")}}}}
	return r.Reply(ctx, m)
}

// pressLogout makes the key of somebody's own account worthless. Their account hangs on their Discord identity, so there is
// nothing else to leave.
func (s *Set) pressLogout(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	_, acting, err := s.linked(ctx, in.User.ID)
	if err != nil {
		return err
	}
	u, ok := s.engine.UserByExternal(external(in.User.ID))
	if acting || !ok {
		return tell(w.T("account.none", "Login", s.cmd("login")))
	}
	if _, err := engine.Do(ctx, s.engine, horde.SetKey{User: u.ID, Key: s.deps.HashKey(s.deps.NewKey())}); err != nil {
		return fmt.Errorf("set API key: %w", err)
	}
	return r.Update(ctx, discord.Message{Content: w.T("account.logout", "Key", s.cmd("apikey new"))})
}

// workersNeedIt names the workers that stop with an account's key; empty when it has none.
func (s *Set) workersNeedIt(w words.Words, user horde.UserID) string {
	const most = 10
	var names []string
	for _, id := range s.engine.WorkersOf(user) {
		if worker, ok := s.engine.Worker(id); ok && len(names) < most {
			names = append(names, escape(worker.Offer.Name))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return w.T("account.key.workers", "Workers", strings.Join(names, ", "))
}

// keyInfo says what is known about a key, which is little.
func (s *Set) keyInfo(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	u, ok, err := s.accountOf(ctx, in.User.ID)
	if err != nil {
		return err
	}
	if !ok {
		return r.Reply(ctx, private(w.T("account.none", "Login", s.cmd("login"))))
	}
	made, found, err := s.made.get(ctx, in.User.ID)
	if err != nil {
		return fmt.Errorf("age of a key: %w", err)
	}
	text := []string{w.T("account.key.info", "Name", escape(u.Alias()), "Mark", hex.EncodeToString(u.Key[:4]), "Seen", stamp(u.LastActive))}
	linked, isLinked, err := s.linked(ctx, in.User.ID)
	switch {
	case err != nil:
		return err
	case isLinked && linked.ID == u.ID:
		text = append(text, w.T("account.linkedhere", "Unlink", s.cmd("apikey unlink")))
	case found:
		text = append(text, w.T("account.key.since", "When", day(made.At)))
	default:
		text = append(text, w.T("account.key.never", "Key", s.cmd("apikey new")))
	}
	return r.Reply(ctx, private(lines(append(text, "-# "+w.T("account.key.hash"))...)))
}

// keyNew asks whether a new key is really wanted: the old one ends.
func (s *Set) keyNew(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	u, _, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	switch {
	case err != nil:
		return err
	case !ok:
		return r.Reply(ctx, private(w.T("account.none", "Login", s.cmd("login"))))
	}
	m := private(lines(w.T("account.key.sure", "Name", escape(u.Alias())), s.workersNeedIt(w, u.ID)))
	m.Components = []discord.Row{{Buttons: []discord.Button{{Label: w.T("account.key.make"), Style: discord.Danger, CustomID: loginID("newkey")}}}}
	return r.Reply(ctx, m)
}

// makeKey gives somebody's account another key. Who acts for it by its key goes on to do so wherever this breaks off: the
// link knows the new key before the account does, and the old one until the account has another. Otherwise nobody could reach
// the account any more.
func (s *Set) makeKey(ctx context.Context, w words.Words, person string) (key string, err error) {
	u, acting, err := s.linked(ctx, person)
	if err != nil {
		return "", err
	}
	if !acting {
		var ok bool
		if u, ok = s.engine.UserByExternal(external(person)); !ok {
			return "", tell(w.T("account.none", "Login", s.cmd("login")))
		}
	}
	key = s.deps.NewKey()
	hash := s.deps.HashKey(key)
	link := func(ctx context.Context, mark, next string) error {
		_, err := s.links.change(ctx, person, about{person: person}, func(l *chat.Link) error {
			if l.User != int64(u.ID) {
				return errUnlinked
			}
			l.Mark, l.Next = mark, next
			return nil
		})
		return err
	}
	if acting {
		if err := link(ctx, markOf(u.Key), markOf(hash)); err != nil {
			return "", fmt.Errorf("announce a new key: %w", err)
		}
	}
	if _, err = engine.Do(ctx, s.engine, horde.SetKey{User: u.ID, Key: hash}); err != nil {
		return "", fmt.Errorf("set API key: %w", err)
	}
	// The old key has ended: nothing that cannot be noted now may keep the new one from being shown.
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	if acting {
		err = link(late, markOf(hash), "")
	}
	_, failed := s.made.change(late, person, about{person: person}, func(k *chat.KeyMade) error {
		k.At = s.now()
		return nil
	})
	if err = errors.Join(err, failed); err != nil {
		s.log.Warn().Err(err).Msg("cannot note a new API key")
	}
	return key, nil
}

// errUnlinked says that somebody does not act for an account any more.
var errUnlinked = errors.New("the account is linked no more")

// showKey makes a key and shows it once, for a minute.
func (s *Set) showKey(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	done, err := s.panels.take(ctx, "key "+in.User.ID) // a link knows of one new key at a time
	if err != nil {
		return fmt.Errorf("wait for another key: %w", err)
	}
	defer done()
	key, err := s.makeKey(ctx, w, in.User.ID)
	if err != nil {
		return err
	}
	text := w.T("account.key.new", "Key", key, "When", stamp(s.now().Add(keyShown)))
	if s.opts.APIURL != "" {
		text = lines(text, w.T("account.key.at", "Address", s.opts.APIURL))
	}
	err = r.Update(ctx, discord.Message{Content: text, Components: []discord.Row{{Buttons: []discord.Button{{
		Label: w.T("account.hide"), Style: discord.Primary, CustomID: discord.CustomID{Verb: verbLogin, ID: in.ID, Arg: "hide"}.String(),
	}}}}})
	if err != nil {
		return err
	}
	return s.lightFuse(ctx, in, r, keyShown)
}

func (s *Set) keyUnlink(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	there, err := s.unlink(ctx, in.User.ID)
	if err != nil {
		return err
	}
	w := s.say(in)
	if !there {
		return tell(w.T("account.notlinked"))
	}
	return r.Reply(ctx, private(w.T("account.unlinked")))
}
