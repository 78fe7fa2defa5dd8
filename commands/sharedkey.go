// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/emojikudos"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// Bounds of shared keys in chat.
const (
	minKeyName    = 3
	maxKeyBudget  = 50_000_000 // whole kudos
	maxKeyLimit   = 1 << 30    // of pixels, steps and tokens
	keyHandle     = 8          // characters of a key that name it to its owner
	maxKeyTyped   = 36
	maxListedKeys = 20
)

// Verbs of buttons and forms about shared keys.
const (
	verbKeyUse    = "ku" // the form; id: where it holds
	verbKeyDelete = "kq" // id: the handle
)

// paidBy is the shared key that a request is paid through, as the row of its message keeps it.
type paidBy struct {
	Use    string `json:"use"` // the document that says so; the seal is bound to it
	Sealed []byte `json:"sealed"`
	Name   string `json:"name,omitempty"`
}

func (s *Set) sharedKeyFamily() family {
	en := s.bundle.For("en")
	opt := func(name string, o discord.OptionSpec) discord.OptionSpec {
		o.Name, o.Description, o.Descriptions = name, en.T("sharedkey.opt."+name), s.bundle.Locales("sharedkey.opt."+name)
		return o
	}
	sub := func(name string, options ...discord.OptionSpec) discord.SubcommandSpec {
		key := "sharedkey." + name + ".desc"
		return discord.SubcommandSpec{Name: name, Description: en.T(key), Descriptions: s.bundle.Locales(key), Options: options}
	}
	number := func(name string, least, most float64) discord.OptionSpec {
		return opt(name, discord.OptionSpec{Type: discord.OptionInteger, Min: new(least), Max: new(most)})
	}
	name := opt("name", discord.OptionSpec{Type: discord.OptionString, MinLength: new(minKeyName), MaxLength: new(horde.MaxSharedKeyRunes)})
	needed := name
	needed.Required = true
	key := opt("key", discord.OptionSpec{Type: discord.OptionString, Required: true, Autocomplete: true, MaxLength: new(maxKeyTyped)})
	terms := []discord.OptionSpec{
		number("kudos", horde.Unlimited, maxKeyBudget), number("days", -1, horde.MaxSharedKeyDays), number("max_pixels", horde.Unlimited, maxKeyLimit),
		number("max_steps", horde.Unlimited, maxKeyLimit), number("max_tokens", horde.Unlimited, maxKeyLimit),
	}
	typed := opt("key", discord.OptionSpec{Type: discord.OptionString, Required: true, MaxLength: new(maxKeyTyped)})
	amount := number("amount", 1, maxKeyBudget)
	amount.Required = true
	scope := opt("scope", discord.OptionSpec{Type: discord.OptionString, Required: true})
	for _, v := range []string{"me", "channel", "guild"} {
		scope.Choices = append(scope.Choices, discord.Choice{Name: en.T("sharedkey.scope." + v), Value: v, Names: s.bundle.Locales("sharedkey.scope." + v)})
	}
	spec := discord.CommandSpec{
		Name: "sharedkey", Description: en.T("sharedkey.desc"), Descriptions: s.bundle.Locales("sharedkey.desc"), DMs: true, UserInstall: true,
		Subcommands: []discord.SubcommandSpec{
			sub("create", append([]discord.OptionSpec{needed}, terms...)...),
			sub("list"),
			sub("info", key),
			sub("edit", append([]discord.OptionSpec{key, name}, terms...)...),
			sub("delete", key),
			sub("topup", typed, amount),
			sub("show"),
			sub("use", scope, opt("off", discord.OptionSpec{Type: discord.OptionBoolean})),
		},
	}
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		for path, h := range map[string]discord.HandlerFunc{
			"create": s.keyCreate, "list": s.keyList, "info": s.sharedKeyInfo, "edit": s.keyEdit, "delete": s.keyDelete, "topup": s.keyTopUp, "use": s.keyUse, "show": s.keyShow,
		} {
			rt.Command("sharedkey "+path, discord.Route{Handle: s.answered(h), Autocomplete: s.completeKey, Private: true})
		}
		rt.Modal(verbKeyUse, discord.Route{Handle: s.answered(s.submitKeyUse), Private: true})
		rt.Component(verbKeyDelete, discord.Route{Handle: s.answered(s.pressKeyDelete), Private: true})
	}}
}

// keyOwner is the presser's account, or a refusal.
func (s *Set) keyOwner(ctx context.Context, in *discord.Interaction) (horde.User, error) {
	u, ok, err := s.accountOf(ctx, in.User.ID)
	if err != nil {
		return u, err
	}
	if !ok {
		return u, tell(s.say(in).T("common.needsaccount", "Login", s.cmd("login")))
	}
	return u, nil
}

// keyTerms reads the options of a shared key.
func keyTerms(o discord.OptionValues) horde.SharedKeyTerms {
	var t horde.SharedKeyTerms
	if o.Has("name") {
		t.Name = new(plain(o.String("name")))
	}
	if o.Has("kudos") {
		budget := kudos.Whole(o.Int("kudos", 0))
		if budget < 0 {
			budget = horde.Unlimited
		}
		t.Budget = &budget
	}
	for _, x := range []struct {
		name string
		at   **int
	}{{"days", &t.Days}, {"max_pixels", &t.MaxPixels}, {"max_steps", &t.MaxSteps}, {"max_tokens", &t.MaxTokens}} {
		if o.Has(x.name) {
			*x.at = new(int(o.Int(x.name, horde.Unlimited)))
		}
	}
	return t
}

func (s *Set) keyCreate(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	u, err := s.keyOwner(ctx, in)
	if err != nil {
		return err
	}
	w, terms := s.say(in), keyTerms(in.Command.Options)
	if terms.Name == nil || utf8.RuneCountInString(*terms.Name) < minKeyName {
		return tell(w.T("sharedkey.badname", "Least", minKeyName, "Most", horde.MaxSharedKeyRunes))
	}
	k, err := engine.Do(ctx, s.engine, horde.CreateSharedKey{Owner: u.ID, SharedKeyTerms: terms})
	if err != nil {
		return err
	}
	return r.Reply(ctx, private(lines(
		w.T("sharedkey.created", "Name", escape(k.Name), "Key", "||`"+k.ID.String()+"`||"), w.T("sharedkey.warning"), s.keyLine(w, &k),
	)))
}

// keyLine describes a shared key without giving it away.
func (s *Set) keyLine(w words.Words, k *horde.SharedKey) string {
	limit := func(n int) string {
		if n == horde.Unlimited {
			return "∞"
		}
		return strconv.Itoa(n)
	}
	left := "∞"
	if k.Budget != horde.Unlimited {
		left = k.Budget.String()
	}
	until := w.T("sharedkey.never")
	switch {
	case k.Expired(s.now()):
		until = w.T("sharedkey.expired")
	case !k.Expiry.IsZero():
		until = stamp(k.Expiry)
	}
	return w.T("sharedkey.line", "Name", escape(k.Name), "Handle", handle(k.ID), "Left", left, "Used", k.Used.String(), "Until", until,
		"Pixels", limit(k.MaxPixels), "Steps", limit(k.MaxSteps), "Tokens", limit(k.MaxTokens))
}

// handle names a key to its owner without being it.
func handle(id horde.SharedKeyID) string { return id.String()[:keyHandle] }

// ownKeys lists a person's shared keys.
func (s *Set) ownKeys(u horde.UserID) []horde.SharedKey {
	var out []horde.SharedKey
	for _, id := range s.engine.SharedKeysOf(u) {
		if k, _, ok := s.engine.SharedKey(id); ok {
			out = append(out, k)
		}
	}
	return out
}

// ownKey finds the presser's key by its handle, or by the key itself.
func (s *Set) ownKey(ctx context.Context, in *discord.Interaction, text string) (horde.User, horde.SharedKey, error) {
	u, err := s.keyOwner(ctx, in)
	if err != nil {
		return u, horde.SharedKey{}, err
	}
	text = strings.ToLower(strings.TrimSpace(text))
	for _, k := range s.ownKeys(u.ID) {
		if text == handle(k.ID) || text == k.ID.String() {
			return u, k, nil
		}
	}
	return u, horde.SharedKey{}, tell(s.say(in).T("sharedkey.notyours"))
}

func (s *Set) keyList(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	u, err := s.keyOwner(ctx, in)
	if err != nil {
		return err
	}
	w := s.say(in)
	keys := s.ownKeys(u.ID)
	var out []string
	for i := range keys[:min(len(keys), maxListedKeys)] {
		out = append(out, discord.Clip(s.keyLine(w, &keys[i]), 190))
	}
	if len(keys) > maxListedKeys {
		out = append(out, w.T("gifts.more", "Count", len(keys)-maxListedKeys))
	}
	if len(out) == 0 {
		out = append(out, w.T("sharedkey.none", "Create", s.cmd("sharedkey create")))
	}
	m := private("")
	m.Embeds = []discord.Embed{{Title: w.T("sharedkey.title"), Color: embedColor, Description: discord.Clip(strings.Join(out, "\n"), discord.MaxEmbedDescription)}}
	return r.Reply(ctx, m)
}

func (s *Set) sharedKeyInfo(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	_, k, err := s.ownKey(ctx, in, in.Command.Options.String("key"))
	if err != nil {
		return err
	}
	w := s.say(in)
	return r.Reply(ctx, private(lines(s.keyLine(w, &k), w.T("sharedkey.since", "When", stamp(k.Created)))))
}

func (s *Set) keyEdit(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	u, k, err := s.ownKey(ctx, in, in.Command.Options.String("key"))
	if err != nil {
		return err
	}
	w, terms := s.say(in), keyTerms(in.Command.Options)
	if terms.Name != nil && utf8.RuneCountInString(*terms.Name) < minKeyName {
		return tell(w.T("sharedkey.badname", "Least", minKeyName, "Most", horde.MaxSharedKeyRunes))
	}
	k, err = engine.Do(ctx, s.engine, horde.ChangeSharedKey{By: u.ID, Key: k.ID, SharedKeyTerms: terms})
	if err != nil {
		return err
	}
	return r.Reply(ctx, private(lines(w.T("common.saved"), s.keyLine(w, &k))))
}

func (s *Set) keyDelete(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	_, k, err := s.ownKey(ctx, in, in.Command.Options.String("key"))
	if err != nil {
		return err
	}
	w := s.say(in)
	if n := s.engine.StylesWithKey(k.ID); n > 0 {
		return tell(w.T("sharedkey.styled", "Count", n))
	}
	m := private(w.T("sharedkey.sure", "Name", escape(k.Name)))
	m.Components = []discord.Row{{Buttons: []discord.Button{button(w.T("sharedkey.delete"), "🗑️", verbKeyDelete, handle(k.ID), discord.Danger)}}}
	return r.Reply(ctx, m)
}

func (s *Set) pressKeyDelete(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	u, k, err := s.ownKey(ctx, in, in.Component.ID.ID)
	if err != nil {
		return err
	}
	if _, err := engine.Do(ctx, s.engine, horde.DeleteSharedKey{By: u.ID, Key: k.ID}); err != nil {
		return err
	}
	return r.Update(ctx, private(s.say(in).T("sharedkey.deleted", "Name", escape(k.Name))))
}

// parseKey reads a shared key that somebody typed.
func (s *Set) parseKey(w words.Words, text string) (horde.SharedKey, horde.User, error) {
	id, err := horde.ParseUUID(strings.ToLower(strings.TrimSpace(text)))
	if err == nil {
		if k, owner, ok := s.engine.SharedKey(horde.SharedKeyID{UUID: id}); ok {
			return k, owner, nil
		}
	}
	return horde.SharedKey{}, horde.User{}, tell(w.T("sharedkey.unknown"))
}

func (s *Set) keyTopUp(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, o := s.say(in), in.Command.Options
	u, err := s.keyOwner(ctx, in)
	if err != nil {
		return err
	}
	k, owner, err := s.parseKey(w, o.String("key"))
	if err != nil {
		return err
	}
	if owner.ID == u.ID {
		return tell(w.T("sharedkey.own", "Edit", s.cmd("sharedkey edit")))
	}
	amount := o.Int("amount", 0)
	if amount < 1 || amount > maxKeyBudget {
		return horde.Refuse(horde.CodeInvalidTransferAmount, "a gift is 1 to %d kudos", maxKeyBudget)
	}
	d := chat.GiftDraft{Person: in.User.ID, Amount: int64(kudos.Whole(amount)), Name: k.Name}
	if d.Sealed, err = s.deps.Seal([]byte(k.ID.String()), []byte(topUpUse+in.ID)); err != nil {
		return fmt.Errorf("seal a shared key: %w", err)
	}
	return s.topUp(ctx, in, r, d, true)
}

// topUpUse begins the name that the seal of a shared key in a draft is bound to; the draft's key follows.
const topUpUse = "topup:"

// fillKey gives kudos to the owner of a shared key, which may spend as much more, once for a key, and tells the owner.
func (s *Set) fillKey(ctx context.Context, in *discord.Interaction, d chat.GiftDraft, key string, again bool) (discord.Message, error) {
	w := s.say(in)
	id, err := s.unsealKey(&paidBy{Use: topUpUse + key, Sealed: d.Sealed})
	if err != nil {
		return discord.Message{}, fmt.Errorf("unseal a shared key: %w", err)
	}
	u, err := s.keyOwner(ctx, in)
	if err != nil {
		return discord.Message{}, err
	}
	k, owner, ok := s.engine.SharedKey(id)
	if !ok {
		return discord.Message{}, tell(w.T("sharedkey.unknown"))
	}
	once := topUpUse + keyOf(key)
	done, err := s.engine.Transfer(ctx, horde.Transfer{From: u.ID, To: owner.ID, SharedKey: k.ID, Amount: kudos.Amount(d.Amount), Key: once})
	if err != nil {
		return discord.Message{}, err
	}
	if person, ours := strings.CutPrefix(owner.External, external("")); ours && (!done.Repeated || again) {
		s.tellGift(ctx, person, emojikudos.Line{Key: once, From: in.User.ID, Amount: done.Amount, Title: k.Name}, false)
	}
	return private(w.T("sharedkey.toppedup", "Name", escape(k.Name), "Amount", done.Amount.String(), "Owner", escape(owner.Alias()))), nil
}

// Where a shared key pays.
func usesOf(in *discord.Interaction) []string {
	out := []string{"person:" + in.User.ID}
	if in.GuildID == "" {
		return out
	}
	out = append(out, "channel:"+in.ChannelID)
	if in.Threaded() && in.ChannelParent != "" {
		out = append(out, "channel:"+in.ChannelParent)
	}
	return append(out, "guild:"+in.GuildID)
}

// useFor is the document of a scope, if the presser may decide about it.
func (s *Set) useFor(in *discord.Interaction, scope string) (string, error) {
	if scope == "me" {
		return "person:" + in.User.ID, nil
	}
	if err := s.needs(in, discord.ManageGuild, "permission.manageguild"); err != nil {
		return "", err
	}
	if scope == "channel" {
		return "channel:" + in.ChannelID, nil
	}
	return "guild:" + in.GuildID, nil
}

func (s *Set) keyUse(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, scope := s.say(in), in.Command.Options.String("scope")
	use, err := s.useFor(in, scope)
	if err != nil {
		return err
	}
	if in.Command.Options.Bool("off", false) {
		was, err := s.keyUses.drop(ctx, use)
		if err != nil {
			return err
		}
		if was {
			s.logKeyUse(ctx, in, scope, "sharedkey.log.off", "")
		}
		return r.Reply(ctx, private(w.T("sharedkey.off", "Scope", w.T("sharedkey.scope."+scope))))
	}
	err = r.Modal(ctx, discord.Modal{
		CustomID: discord.CustomID{Verb: verbKeyUse, ID: scope}.String(), Title: discord.Clip(w.T("sharedkey.form.title"), discord.MaxModalTitle),
		Inputs: []discord.Input{{CustomID: "key", Label: discord.Clip(w.T("sharedkey.form.key"), discord.MaxInputLabel), Required: true, Min: maxKeyTyped, Max: maxKeyTyped}},
	})
	if errors.Is(err, discord.ErrTooLate) {
		return r.Reply(ctx, private(w.T("kudos.slow")))
	}
	return err
}

func (s *Set) submitKeyUse(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, scope := s.say(in), in.Modal.ID.ID
	if scope != "me" && scope != "channel" && scope != "guild" {
		return tell(w.T("kudos.late"))
	}
	use, err := s.useFor(in, scope) // the right to it is looked at anew
	if err != nil {
		return err
	}
	k, _, err := s.parseKey(w, in.Modal.Values["key"])
	if err != nil {
		return err
	}
	if k.Expired(s.now()) {
		return horde.Refuse(horde.CodeSharedKeyExpired, "this shared key has expired")
	}
	if k.Budget == 0 {
		return horde.Refuse(horde.CodeSharedKeyEmpty, "this shared key has no kudos left")
	}
	sealed, err := s.deps.Seal([]byte(k.ID.String()), []byte(use))
	if err != nil {
		return fmt.Errorf("seal a shared key: %w", err)
	}
	a := about{person: in.User.ID}
	if scope != "me" {
		a = about{guild: in.GuildID}
	}
	if _, err := s.keyUses.change(ctx, use, a, func(u *chat.KeyUse) error {
		*u = chat.KeyUse{Sealed: sealed, By: in.User.ID, Name: k.Name, At: s.now()}
		return nil
	}); err != nil {
		return fmt.Errorf("keep the use of a shared key: %w", err)
	}
	s.logKeyUse(ctx, in, scope, "sharedkey.log.use", k.Name)
	return r.Reply(ctx, private(w.T("sharedkey.inuse", "Name", escape(k.Name), "Scope", w.T("sharedkey.scope."+scope))))
}

// logKeyUse writes into a guild's log which key pays for a channel or for all of it.
func (s *Set) logKeyUse(ctx context.Context, in *discord.Interaction, scope, key, name string) {
	if scope == "me" {
		return
	}
	where := "<#" + in.ChannelID + ">"
	s.logTo(ctx, in.GuildID, func(w words.Words) string {
		if scope == "guild" {
			where = w.T("sharedkey.scope.guild")
		}
		return w.T(key, "Who", mention(in.User.ID), "Name", escape(name), "Scope", where)
	})
}

// payThrough finds the shared key that pays for a request here, the closest one first. One that is gone, over or empty is
// passed over: then people pay for themselves.
func (s *Set) payThrough(ctx context.Context, in *discord.Interaction, p *params) error {
	p.Paid, p.shared = nil, horde.SharedKeyID{}
	if p.Forms != nil { // shared keys do not pay alchemists
		return nil
	}
	if paid, err := s.payForGuest(ctx, in.User.ID, p); err != nil || paid {
		return err
	}
	for _, use := range usesOf(in) {
		u, found, err := s.keyUses.get(ctx, use)
		if err != nil {
			return fmt.Errorf("use of a shared key: %w", err)
		}
		if !found {
			continue
		}
		paid := &paidBy{Use: use, Sealed: u.Sealed}
		if k, ok := s.paying(paid); ok {
			paid.Name = k.Name
			p.Paid, p.shared = paid, k.ID
			return nil
		}
	}
	return nil
}

// paying finds the shared key of a use, if it can pay.
func (s *Set) paying(paid *paidBy) (horde.SharedKey, bool) {
	id, err := s.unsealKey(paid)
	if err != nil {
		s.log.Warn().Err(err).Msg("a shared key cannot be read")
		return horde.SharedKey{}, false
	}
	k, _, ok := s.engine.SharedKey(id)
	return k, ok && !k.Expired(s.now()) && k.Budget != 0
}

// keyShow tells which shared keys are in use here. The first one that can pay does.
func (s *Set) keyShow(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	var out []string
	paid := false
	for _, use := range usesOf(in) {
		u, found, err := s.keyUses.get(ctx, use)
		if err != nil {
			return fmt.Errorf("use of a shared key: %w", err)
		}
		if !found {
			continue
		}
		kind, id, _ := strings.Cut(use, ":")
		where := map[string]string{"person": w.T("sharedkey.scope.me"), "channel": "<#" + id + ">", "guild": w.T("sharedkey.scope.guild")}[kind]
		line := "• " + w.T("sharedkey.show.line", "Scope", where, "Name", escape(u.Name), "Who", mention(u.By), "When", stamp(u.At))
		switch _, can := s.paying(&paidBy{Use: use, Sealed: u.Sealed}); {
		case !can:
			line += " · " + w.T("sharedkey.show.idle")
		case !paid:
			line, paid = line+" · "+w.T("sharedkey.show.pays"), true
		}
		out = append(out, line)
	}
	if len(out) == 0 {
		out = append(out, w.T("sharedkey.show.none", "Use", s.cmd("sharedkey use")))
	}
	return r.Reply(ctx, private(lines(out...)))
}

// unsealKey reads the key of a use.
func (s *Set) unsealKey(paid *paidBy) (horde.SharedKeyID, error) {
	text, err := s.deps.Unseal(paid.Sealed, []byte(paid.Use))
	if err != nil {
		return horde.SharedKeyID{}, fmt.Errorf("unseal a shared key: %w", err)
	}
	id, err := horde.ParseUUID(string(text))
	return horde.SharedKeyID{UUID: id}, err
}

// resumePaying reads the key of a request whose parameters come from its row.
func (s *Set) resumePaying(p *params) error {
	if p.Paid == nil || !p.shared.IsZero() {
		return nil
	}
	var err error
	p.shared, err = s.unsealKey(p.Paid)
	return err
}

// completeKey suggests the person's own keys, by their handles.
func (s *Set) completeKey(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	var choices []discord.Choice
	if u, ok := s.find(in.User.ID); ok && in.Command.Focused == "key" {
		typed := strings.ToLower(strings.TrimSpace(in.Command.Options.String("key")))
		for _, k := range s.ownKeys(u.ID) {
			if label := plain(k.Name) + " · " + handle(k.ID); strings.Contains(strings.ToLower(label), typed) {
				choices = append(choices, discord.Choice{Name: discord.Clip(label, 100), Value: handle(k.ID)})
			}
		}
	}
	return late(r.Autocomplete(ctx, choices[:min(len(choices), discord.MaxChoices)]))
}
