// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

// What holds for one interaction, of all that operator, guild, channel, roles and person decided.
//
//	e, err := s.effective(ctx, in)          // reads memory; the store only when a guild or person is new to this process
//	err = e.admit(chat.Tools)               // may this person use this here, now? a refusal in their language
//	err = e.allows(ask{...})                // model, style, words, size, steps, amount, source image
//	err = s.room(e, amount)                 // images at once, of the person and of the guild
//	hidden := e.hidden(in.Command.Options)  // who sees the answer
//	e.adult, e.spoiler, e.negative          // what goes with the request and its result
//	e.say, e.aloud                          // words for the person, and for everybody who sees the answer
//
// Handlers behind answered need no check for blocked people and switched off channels: commands are stopped there. Buttons
// are not, so whoever asks the core from one calls admit. All refusals are toldErrors, which answered shows.
//
// The narrower rule wins: operator → guild → category → channel (a thread has its parent's) → the most generous of the
// person's roles → their own defaults → the option they gave. Nothing passes the operator's Ceiling, and lists of what is
// blocked add up.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Ceiling is what the operator allows at most. Zero numbers leave it to the core.
type Ceiling struct {
	Limits chat.Limits
	// Adult allows images for adults where the guild, Discord's age restriction and the person allow them too.
	Adult bool
	// NoSources forbids images made from images.
	NoSources bool
	// Youth is the age below which Discord accounts make no images from images, give no kudos, and have youngAtOnce images
	// on their way at most; 0 for no such age.
	Youth time.Duration
}

// Bounds of what is known about channels.
const (
	maxParents = 10_000      // parents of threads at hand
	parentTime = time.Minute // after which a parent is asked for its age restriction again
	warmTime   = time.Second // for reading what is not at hand yet, before a command goes on without it
)

// youngAtOnce is how many images somebody may have on the way whose account is young.
const youngAtOnce = 2

// defaultAmount is how many images a request may have where nobody says more.
const defaultAmount = 4

// place is where an interaction happened, as far as rules care.
type place struct {
	guild, channel, parent string
	roles                  []string
	restricted             bool // by age, and in a guild that has the bot
	direct                 bool // with the bot alone
	known                  bool // the person has an account
	manager                bool // of the guild
	brought                bool // by the person, who installed the bot for themselves
}

// Effective is what holds for one interaction. It is a value; nobody changes its lists.
type Effective struct {
	place
	person chat.Person
	who    string // Discord ID

	off, barred bool
	block       chat.Block // of a barred person
	limits      chat.Limits
	models      []string // the only ones, when there are any
	noModels    []string
	noStyles    []string
	wordlist    []string
	negative    string
	access      map[chat.Feature][]string
	adult       bool // images for adults may be made here, now, for this person
	spoiler     bool
	forced      bool // spoiler was not the person's choice
	sources     bool // images may be made from images, here and by this person
	sourceRule  chat.SourceRule
	shutSources bool // by the operators
	share       bool // images may help research
	strict      bool
	strange     bool
	guests      bool // people may bring the bot along
	answers     chat.Answers
	shut        []chat.Feature // switched off by the operators
	draining    bool           // no new work is taken
	storm       time.Time      // until then the guild has no images: many of its people have strikes
	young       time.Time      // when the person's Discord account is old enough for everything; zero when it is

	say   words.Words // in the person's language
	aloud words.Words // in the guild's
}

// toldError is a refusal of the chat door itself, in the words of its person.
type toldError struct {
	text string
	part string // of the panel with all parameters, where it can be corrected; may be empty
}

func (e *toldError) Error() string { return e.text }

// tell makes a refusal of finished words.
func tell(text string) error { return &toldError{text: text} }

// tellOf is tell about a part of the panel with all parameters.
func tellOf(part, text string) error { return &toldError{text, part} }

// resolve finds what holds at a place.
func resolve(c Ceiling, g chat.Guild, p chat.Person, at place) Effective {
	e := Effective{
		place: at, person: p, limits: chat.Limits{Amount: defaultAmount}, sourceRule: chat.SourcesOn, share: true, strange: true, guests: true,
		answers: chat.AnswersChosen,
		access:  map[chat.Feature][]string{},
	}
	rule := chat.AdultRestricted
	if at.guild != "" {
		e.roles = append(slices.Clone(at.roles), at.guild) // everybody's role, which Discord does not list with members
		layers := []chat.Rules{g.Rules}
		for _, id := range []string{at.parent, at.channel} {
			if r, ok := g.Channels[id]; ok && id != "" {
				layers = append(layers, r)
			}
		}
		for _, r := range layers {
			e.layer(r, &rule)
		}
		e.limits = mostGenerous(e.limits, g.Roles, e.roles)
	}
	e.limits = atMost(e.limits, c.Limits)
	e.sources = e.sourceRule != chat.SourcesOff && !c.NoSources
	switch e.sourceRule {
	case chat.SourcesLinked:
		e.sources = e.sources && at.known
	case chat.SourcesRestricted:
		e.sources = e.sources && at.restricted
	case chat.SourcesOn, chat.SourcesOff:
	}
	switch {
	case !c.Adult || p.Mild:
	case at.direct:
		e.adult = !p.Adult.IsZero()
	default:
		e.adult = at.restricted && rule == chat.AdultRestricted
	}
	if p.Spoiler || at.direct && e.adult {
		e.spoiler = true
	}
	return e
}

// layer puts narrower rules over what is there.
func (e *Effective) layer(r chat.Rules, adult *chat.Adult) {
	replace(&e.off, r.Off)
	setIf(&e.sourceRule, r.Sources)
	replace(&e.share, r.Share)
	replace(&e.strict, r.Strict)
	replace(&e.strange, r.Strange)
	replace(&e.guests, r.Installed)
	if r.Spoiler != nil {
		e.spoiler, e.forced = *r.Spoiler, *r.Spoiler
	}
	setIf(&e.answers, r.Answers)
	setIf(adult, r.Adult)
	if len(r.Models) > 0 {
		e.models = r.Models
	}
	e.noModels = slices.Concat(e.noModels, r.NoModels)
	e.noStyles = slices.Concat(e.noStyles, r.NoStyles)
	e.wordlist = slices.Concat(e.wordlist, r.Words)
	setIf(&e.negative, r.Negative)
	maps.Copy(e.access, r.Access)
	e.limits = overlay(e.limits, r.Limits)
}

// replace takes a decision when there is one.
func replace(p, v *bool) {
	if v != nil {
		*p = *v
	}
}

// setIf takes a value when there is one.
func setIf[T comparable](p *T, v T) {
	var zero T
	if v != zero {
		*p = v
	}
}

// numbers lists the numbers of limits, in one order.
func numbers(l *chat.Limits) []*int {
	return []*int{&l.Pixels, &l.Steps, &l.Amount, &l.AtOnce, &l.InGuild, &l.Length, &l.Texts}
}

// overlay puts the numbers that a narrower rule sets over the wider ones.
func overlay(wide, narrow chat.Limits) chat.Limits {
	for i, n := range numbers(&narrow) {
		setIf(numbers(&wide)[i], *n)
	}
	return wide
}

// mostGenerous applies the roles: where some of a person's roles set a number, the largest counts, be it more or less than
// without.
func mostGenerous(l chat.Limits, rules map[string]chat.Limits, roles []string) chat.Limits {
	var best chat.Limits
	for _, id := range roles {
		r := rules[id]
		for i, n := range numbers(&r) {
			b := numbers(&best)[i]
			*b = max(*b, *n)
		}
	}
	return overlay(l, best)
}

// atMost holds limits under a ceiling; 0 is no limit.
func atMost(l, ceiling chat.Limits) chat.Limits {
	for i, c := range numbers(&ceiling) {
		n := numbers(&l)[i]
		if *c > 0 && (*n == 0 || *n > *c) {
			*n = *c
		}
	}
	return l
}

// effective finds what holds for an interaction. Its errors are faults of the store.
func (s *Set) effective(ctx context.Context, in *discord.Interaction) (Effective, error) {
	p, _, err := s.people.get(ctx, in.User.ID)
	if err != nil {
		return Effective{}, fmt.Errorf("settings of a person: %w", err)
	}
	at := place{
		guild: in.GuildID, channel: in.ChannelID, parent: in.ChannelParent, roles: in.MemberRoles,
		direct:  in.GuildID == "" && in.Context == discord.WithBot,
		manager: in.MemberPermissions.Has(discord.ManageGuild), brought: brought(in),
	}
	var g chat.Guild
	var b chat.Block
	barred := false
	if in.GuildID != "" {
		if g, _, err = s.guilds.get(ctx, in.GuildID); err != nil {
			return Effective{}, fmt.Errorf("settings of a guild: %w", err)
		}
		if b, barred, err = s.blockOf(ctx, in.GuildID, in.User.ID); err != nil {
			return Effective{}, err
		}
		if usesSources(g, chat.SourcesLinked) {
			_, at.known = s.find(in.User.ID)
		}
		at.restricted = in.GuildInstalled && (s.opts.Ceiling.Adult || usesSources(g, chat.SourcesRestricted)) && s.restricted(ctx, in)
	}
	e := resolve(s.opts.Ceiling, g, p, at)
	e.who, e.barred, e.block = in.User.ID, barred, b
	e.say, e.aloud = s.say(in), s.sayAloud(in)
	e.draining = s.network.draining.Load()
	if e.shut, err = s.shut(ctx); err != nil {
		return Effective{}, err
	}
	if err := s.stormAt(ctx, &e); err != nil {
		return Effective{}, err
	}
	e.shutSources = s.opts.Ceiling.NoSources || slices.Contains(e.shut, chat.Sources)
	e.sources = e.sources && !e.shutSources
	if e.young = s.youngUntil(in.User.ID); !e.young.IsZero() {
		e.limits = atMost(e.limits, chat.Limits{AtOnce: youngAtOnce})
	}
	return e, nil
}

// usesSources reports whether a rule about images from images counts somewhere in a guild.
func usesSources(g chat.Guild, rule chat.SourceRule) bool {
	if g.Sources == rule {
		return true
	}
	for _, r := range g.Channels {
		if r.Sources == rule {
			return true
		}
	}
	return false
}

// brought reports whether somebody uses the bot who installed it for themselves, where it is not at home.
func brought(in *discord.Interaction) bool {
	return in.GuildID != "" && !in.GuildInstalled || in.Context == discord.WithOthers
}

// youngUntil is when a Discord account is old enough for everything; zero when it is, or when nobody asks.
func (s *Set) youngUntil(person string) time.Time {
	made := discord.Made(person)
	if until := made.Add(s.opts.Ceiling.Youth); s.opts.Ceiling.Youth > 0 && !made.IsZero() && s.now().Before(until) {
		return until
	}
	return time.Time{}
}

// blockOf finds what keeps a person from using the bot in a guild, if it still holds.
func (s *Set) blockOf(ctx context.Context, guild, person string) (chat.Block, bool, error) {
	b, found, err := s.blocks.get(ctx, guild+":"+person)
	if err != nil {
		return b, false, fmt.Errorf("block of a person: %w", err)
	}
	return b, found && (b.Until.IsZero() || s.now().Before(b.Until)), nil
}

// restricted reports whether Discord restricts the channel by age. Threads and posts of forums are what their parent is;
// one that cannot be read is not restricted.
func (s *Set) restricted(ctx context.Context, in *discord.Interaction) bool {
	if !in.Threaded() || in.ChannelParent == "" {
		return in.ChannelNSFW
	}
	return s.parents.restricted(ctx, s.bot, in.ChannelParent, s.now())
}

// parents knows for a while which parents of threads are restricted by age, and what channels belong to.
type parents struct {
	mu    sync.Mutex // guards known
	known map[string]parent
}

type parent struct {
	restricted bool
	above      string // channel of a thread, or category of a channel
	until      time.Time
}

func (p *parents) restricted(ctx context.Context, bot *discord.Bot, id string, now time.Time) bool {
	k, err := p.read(ctx, bot, id, now)
	return err == nil && k.restricted
}

// above is what a channel belongs to: the channel of a thread, else a category or nothing. A channel that the bot may not
// see belongs to nothing.
func (p *parents) above(ctx context.Context, bot *discord.Bot, id string, now time.Time) (string, error) {
	k, err := p.read(ctx, bot, id, now)
	if discord.IsMissingPermission(err) || discord.IsUnknownMessage(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find what a channel belongs to: %w", err)
	}
	return k.above, nil
}

// read asks Discord about a channel, once in a while. After an error nothing is known but that.
func (p *parents) read(ctx context.Context, bot *discord.Bot, id string, now time.Time) (parent, error) {
	p.mu.Lock()
	k, ok := p.known[id]
	p.mu.Unlock()
	if ok && now.Before(k.until) {
		return k, nil
	}
	c, err := bot.Channel(ctx, id)
	if err != nil && ctx.Err() != nil {
		return parent{}, ctx.Err() // it had no time to answer
	}
	k = parent{restricted: err == nil && c.NSFW, above: c.ParentID, until: now.Add(parentTime)}
	if err != nil && !discord.IsMissingPermission(err) && !discord.IsUnknownMessage(err) {
		return k, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxParents {
		clear(p.known)
	}
	p.known[id] = k
	return k, nil
}

// admit refuses people and places that a feature is not for.
func (e *Effective) admit(f chat.Feature) error {
	switch roles := e.access[f]; {
	case e.barred:
		return tell(e.blockedText())
	case e.brought && !e.guests:
		return tell(e.say.T("effective.brought"))
	case e.off && !e.manager:
		return tell(e.say.T("effective.off"))
	case len(roles) > 0 && !e.manager && !slices.ContainsFunc(e.roles, func(id string) bool { return slices.Contains(roles, id) }):
		return tell(e.say.T("effective.access", "Roles", roleList(roles)))
	case f == chat.Gifts && !e.young.IsZero():
		return tell(e.say.T("effective.young", "Until", stamp(e.young)))
	}
	return e.open(f)
}

// blockedText says that, and for how long, somebody may not use the bot here.
func (e *Effective) blockedText() string {
	if e.block.Until.IsZero() {
		return e.say.T("effective.blocked")
	}
	return e.say.T("effective.blockeduntil", "Until", stamp(e.block.Until))
}

// roleList names a few roles. Mentions never ping.
func roleList(roles []string) string {
	const most = 5
	var out []string
	for _, id := range roles[:min(len(roles), most)] {
		out = append(out, "<@&"+id+">")
	}
	if len(roles) > most {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}

// ask is what a request wants, as far as rules care. Empty parts are not checked.
type ask struct {
	model, style          string
	texts                 []string // of the person: prompts, negative prompts, notes
	width, height         int
	steps, amount         int
	length, written       int // tokens of a text, and how many texts
	source                bool
	styleModels, styleTag []string // models and tags of the style
}

// allows refuses what the rules here do not allow.
func (e *Effective) allows(a ask) error {
	if err := e.allowsModel(a); err != nil {
		return err
	}
	l := e.limits
	switch {
	case a.style != "" && slices.ContainsFunc(append([]string{a.style}, a.styleTag...), e.blockedStyle):
		return tellOf(draftModel, e.say.T("effective.style", "Style", escape(a.style)))
	case slices.ContainsFunc(a.texts, func(t string) bool { return hasWord(t, e.wordlist) }):
		return tellOf(draftPrompt, e.say.T("effective.words"))
	case l.Pixels > 0 && a.width*a.height > l.Pixels:
		w, h := squeeze(a.width, a.height, l.Pixels)
		return tellOf(draftSize, e.say.T("effective.size", "Width", w, "Height", h))
	case l.Steps > 0 && a.steps > l.Steps:
		return tellOf(draftNumbers, e.say.T("effective.steps", "Steps", l.Steps))
	case l.Amount > 0 && a.amount > l.Amount:
		return tellOf(draftPrompt, e.say.T("effective.amount", "Amount", l.Amount))
	case l.Length > 0 && a.length > l.Length:
		return tell(e.say.T("effective.length", "Length", l.Length))
	case l.Texts > 0 && a.written > l.Texts:
		return tell(e.say.T("effective.texts", "Amount", l.Texts))
	case a.source && !e.young.IsZero():
		return tell(e.say.T("effective.young", "Until", stamp(e.young)))
	case a.source && !e.sources:
		return e.noSources()
	}
	return nil
}

// noSources says why there are no images from images.
func (e *Effective) noSources() error {
	key := "effective.sources"
	switch {
	case e.shutSources:
	case e.sourceRule == chat.SourcesLinked && !e.known:
		key = "effective.sources.linked"
	case e.sourceRule == chat.SourcesRestricted && !e.restricted:
		key = "effective.sources.restricted"
	}
	return tellOf(draftImage, e.say.T(key))
}

// allowsModel holds a request's model against the lists. Where only some models are allowed, any model is none of them.
func (e *Effective) allowsModel(a ask) error {
	for _, m := range append(slices.Clip(a.styleModels), a.model) {
		if m != "" && !e.serves(m) {
			return tellOf(draftModel, e.say.T("effective.model", "Model", escape(m)))
		}
	}
	return nil
}

// serves reports whether a model may be used here.
func (e *Effective) serves(model string) bool {
	same := func(m string) bool { return strings.EqualFold(m, model) }
	return !slices.ContainsFunc(e.noModels, same) && (len(e.models) == 0 || slices.ContainsFunc(e.models, same))
}

// ofTexts are the rules for texts: the list of allowed models is one of images, and what is blocked is blocked for both.
func (e Effective) ofTexts() Effective {
	e.models = nil
	return e
}

// blockedStyle reports whether a style, or everything with a tag, is not for here.
func (e *Effective) blockedStyle(name string) bool {
	return slices.ContainsFunc(e.noStyles, func(s string) bool { return strings.EqualFold(s, name) })
}

// offered names the models that a request for any model may go to; nil means that it really is any.
func (e *Effective) offered(all []horde.ModelStatus) []string {
	if len(e.models) == 0 && len(e.noModels) == 0 {
		return nil
	}
	var out []string
	for _, m := range all {
		if e.serves(m.Name) {
			out = append(out, m.Name)
		}
	}
	if len(out) == 0 {
		out = e.models
	}
	return out
}

// squeeze is the largest size of the same shape that has no more pixels, in steps of the core.
func squeeze(w, h, pixels int) (int, int) {
	const step = horde.SideStep
	if w <= 0 || h <= 0 || w*h <= pixels {
		return w, h
	}
	if w < h {
		h, w = squeeze(h, w, pixels)
		return w, h
	}
	for long := w / step * step; long > step; long -= step {
		if short := max(h*long/w/step*step, step); long*short <= pixels {
			return long, short
		}
	}
	return step, step
}

// room refuses more images at once than a person, or everybody in a guild, may have.
func (s *Set) room(e Effective, amount int) error {
	if e.limits.AtOnce == 0 && e.limits.InGuild == 0 {
		return nil
	}
	mine, all := s.follow.running(e.guild, e.who)
	switch l := e.limits; {
	case l.AtOnce > 0 && mine+amount > l.AtOnce:
		return tell(e.say.T("effective.atonce", "Running", mine, "Most", l.AtOnce))
	case l.InGuild > 0 && e.guild != "" && all+amount > l.InGuild:
		return tell(e.say.T("effective.inguild", "Running", all, "Most", l.InGuild))
	}
	return nil
}

// hidden decides who sees an answer with images: the option "private" counts where people choose.
func (e *Effective) hidden(o discord.OptionValues) bool {
	switch e.answers {
	case chat.AnswersPublic:
		return false
	case chat.AnswersPrivate:
		return true
	case chat.AnswersChosen:
	}
	return o.Bool("private", e.person.Private)
}

// may reports whether somebody may press the buttons of another person's image.
func (e *Effective) may(owner string) bool { return !e.strict || owner == e.who || e.manager }

// mayPress refuses a press on another person's image where the rules here, or what its person decided, are against it.
func (s *Set) mayPress(ctx context.Context, e *Effective, owner string) error {
	if !e.may(owner) {
		return tell(e.say.T("effective.strict"))
	}
	if owner == e.who || e.manager {
		return nil
	}
	p, _, err := s.people.get(ctx, owner)
	if err != nil {
		return fmt.Errorf("settings of a person: %w", err)
	}
	if p.Strict {
		return tell(e.say.T("effective.ownstrict"))
	}
	return nil
}

// words speaks to whoever sees an answer.
func (e *Effective) words(hidden bool) words.Words {
	if hidden || e.guild == "" {
		return e.say
	}
	return e.aloud
}

// warm brings what rules and words need to hand, so that what follows does not wait for the store. Going on without it is
// better than not answering.
func (s *Set) warm(ctx context.Context, in *discord.Interaction) {
	ctx, cancel := context.WithTimeout(ctx, warmTime)
	defer cancel()
	_, _, err := s.people.get(ctx, in.User.ID)
	if err == nil && in.GuildID != "" {
		_, _, err = s.guilds.get(ctx, in.GuildID)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Warn().Err(err).Msg("cannot read settings")
	}
}

// alwaysHere are the commands that work for blocked people and in switched off channels: what is about oneself alone, and
// what switches a channel on again.
func alwaysHere() []string {
	return []string{"serverconfig", "settings", "privacy", "help", "about", "login", "logout", "apikey"}
}

// gate refuses commands of blocked people and in switched off channels.
func (s *Set) gate(ctx context.Context, in *discord.Interaction) error {
	if in.Type != discord.CommandRun || in.GuildID == "" || slices.Contains(alwaysHere(), in.Command.Name) {
		return nil
	}
	g, _, err := s.guilds.get(ctx, in.GuildID)
	if err != nil {
		return fmt.Errorf("settings of a guild: %w", err)
	}
	b, barred, err := s.blockOf(ctx, in.GuildID, in.User.ID)
	if err != nil {
		return err
	}
	e := resolve(s.opts.Ceiling, g, chat.Person{}, place{
		guild: in.GuildID, channel: in.ChannelID, parent: in.ChannelParent, manager: in.MemberPermissions.Has(discord.ManageGuild), brought: brought(in),
	})
	e.say, e.barred, e.block = s.say(in), barred, b
	return e.admit("")
}
