// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
	"stablemate/internal/discord"
)

// Bounds of a request from chat, beside those of the core. Lengths are in characters.
const (
	maxPrompt   = 4000
	maxNegative = 2000
	maxSeed     = 100
	maxModel    = 100 // what Discord lets a suggestion have
	maxAmount   = 10  // Discord shows no more; defaultAmount counts where nobody says more
)

// checkTime is how long checks may take before the acknowledgement; what is slower goes on after it.
const checkTime = 1200 * time.Millisecond

// clientAgent is how the chat door names itself to the core.
const clientAgent = "stablemate-chat:1:discord"

// keyPrefix begins the idempotency keys of requests from chat; the interaction's ID follows.
const keyPrefix = "discord:"

func keyOf(interaction string) string { return keyPrefix + interaction }

// params are the parameters of a request, as kept in its row. They are not for logs: prompts are private.
type params struct {
	Prompt   string  `json:"prompt"`
	Negative string  `json:"negative,omitempty"`
	Model    string  `json:"model,omitempty"` // empty means any
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Steps    int     `json:"steps"`
	Seed     string  `json:"seed,omitempty"`
	Amount   int     `json:"amount"`
	CFG      float64 `json:"cfg"`
	Sampler  string  `json:"sampler"`
	Karras   bool    `json:"karras,omitempty"`

	Style    string   `json:"style,omitempty"`    // as it was asked for
	Styled   *worn    `json:"styled,omitempty"`   // what that was
	Source   string   `json:"source,omitempty"`   // key of the image that it is made from
	Mask     string   `json:"mask,omitempty"`     // key of what may change in it
	Strength float64  `json:"strength,omitempty"` // of the change, above 0 to 1
	Fine     *fine    `json:"fine,omitempty"`
	Sharing  *bool    `json:"sharing,omitempty"` // what was said about it this time
	Spoil    bool     `json:"spoil,omitempty"`
	Forms    *formAsk `json:"forms,omitempty"` // of a request to alchemists
	Text     *textAsk `json:"text,omitempty"`  // of a request to scribes

	from, mask *photo   // images that are still to be kept
	extra      []*photo // further ones

	// What the rules of the place made of it when it was asked for.
	Models []string `json:"models,omitempty"` // those that any model may be
	Added  string   `json:"added,omitempty"`  // to the negative prompt
	Adult  bool     `json:"adult,omitempty"`
	Veiled bool     `json:"veiled,omitempty"` // shown as a spoiler
	Share  bool     `json:"share,omitempty"`
	NoAlt  bool     `json:"no_alt,omitempty"`
	Locale string   `json:"locale,omitempty"` // language of the message
	Party  string   `json:"party,omitempty"`  // thread of the party that it is an entry of
	Guest  bool     `json:"guest,omitempty"`  // the bot itself is not there: its message is out of reach with the interaction's token

	Alts map[int]string `json:"alts,omitempty"` // what images show, in somebody's words, by their number from 1

	// What happened to the request, beside its parameters.
	User        horde.UserID  `json:"user"`                   // who pays
	Opened      *kudos.Amount `json:"opened,omitempty"`       // balance of the account that was opened on the way
	CancelledBy string        `json:"cancelled_by,omitempty"` // Discord ID
	Left        bool          `json:"left,omitempty"`         // its message says goodbye; a button shows the result
	Paid        *paidBy       `json:"paid,omitempty"`         // the shared key that pays instead; nil: none
	shared      horde.SharedKeyID
	alone       bool // the party cannot pay for it

	// How it ended.
	Made  []outcome     `json:"made,omitempty"`
	Spent kudos.Amount  `json:"spent,omitempty"`
	Took  time.Duration `json:"took,omitempty"`
}

// outcome is one delivered image, text or form.
type outcome struct {
	ID       string `json:"id"`              // of the generation; the form's own for a form
	Model    string `json:"model,omitempty"` // a form's name
	Worker   string `json:"worker,omitempty"`
	Seed     uint32 `json:"seed,omitempty"`
	Blob     string `json:"blob,omitempty"`
	Text     string `json:"text,omitempty"`
	Censored bool   `json:"censored,omitempty"`
}

// fresh is the same request, not asked for yet. It gets images of its own to begin with: those of the earlier one go with
// that.
func (p params) fresh() params {
	p.Paid, p.shared, p.alone = nil, horde.SharedKeyID{}, false
	p.Opened, p.CancelledBy, p.Made, p.Spent, p.Took = nil, "", nil, 0, 0
	p.Alts = nil
	if p.Source != "" && p.from == nil {
		p.from, p.Source = &photo{blob: p.Source}, ""
	}
	if p.Mask != "" && p.mask == nil {
		p.mask, p.Mask = &photo{blob: p.Mask}, ""
	}
	if p.Fine != nil && len(p.Fine.Extra) > 0 && p.extra == nil {
		for _, key := range p.Fine.Extra {
			p.extra = append(p.extra, &photo{blob: key})
		}
		p.detail().Extra = nil
	}
	return p
}

// begin makes it a request that begins with another image, or with none. What was done with an earlier one does not go
// with it.
func (p *params) begin(pic *photo, strength float64) {
	p.from, p.mask, p.extra, p.Source, p.Mask, p.Strength = pic, nil, nil, "", "", strength
	if f := p.Fine; f != nil && (f.Mode != "" || f.Control != "" || len(f.Extra) > 0) {
		f = p.detail()
		f.Mode, f.Control, f.Extra = "", "", nil
	}
}

// sourced reports whether something is made from an image.
func (p *params) sourced() bool { return p.Source != "" || p.from != nil }

// read turns the options of /generate into parameters, beginning with somebody's defaults. It refuses what the core would
// not notice.
func (s *Set) read(w words.Words, o discord.OptionValues, d chat.Defaults) (params, error) {
	p := params{
		Prompt: strings.TrimSpace(o.String("prompt")), Negative: strings.TrimSpace(o.String("negative")),
		Model: s.opts.Model, Seed: strings.TrimSpace(o.String("seed")), Steps: s.opts.Steps, Amount: 1,
		CFG: s.opts.CFG, Sampler: s.opts.Sampler, Karras: s.opts.Karras,
	}
	setIf(&p.Model, d.Model)
	setIf(&p.Steps, d.Steps)
	setIf(&p.Amount, d.Amount)
	setIf(&p.CFG, d.CFG)
	setIf(&p.Sampler, d.Sampler)
	p.Steps, p.Amount = int(o.Int("steps", int64(p.Steps))), int(o.Int("amount", int64(p.Amount)))
	if !o.Has("negative") {
		p.Negative = d.Negative
	}
	if o.Has("model") {
		p.Model = strings.TrimSpace(o.String("model"))
		if strings.EqualFold(p.Model, choiceAny) || strings.EqualFold(p.Model, "any") {
			p.Model = ""
		}
	}
	p.Style = strings.TrimSpace(o.String("style"))
	if !o.Has("style") {
		p.Style = d.Style
	}
	if o.Has("share") {
		p.Sharing = new(o.Bool("share", false))
	}
	p.Spoil = o.Bool("spoiler", false)
	if n := utf8.RuneCountInString(p.Prompt); n > maxPrompt {
		return p, horde.Refuse(horde.CodeInvalidPromptSize, "%s", w.T("refused.longprompt", "Number", n, "Most", maxPrompt))
	}
	if n := utf8.RuneCountInString(p.Negative); n > maxNegative {
		return p, horde.Refuse(horde.CodeInvalidPromptSize, "%s", w.T("refused.longnegative", "Number", n, "Most", maxNegative))
	}
	switch {
	case utf8.RuneCountInString(p.Seed) > maxSeed:
		return p, horde.Refuse(horde.CodeBadRequest, "%s", w.T("refused.longseed", "Most", maxSeed))
	case utf8.RuneCountInString(p.Model) > maxModel:
		return p, horde.Refuse(horde.CodeBadRequest, "%s", w.T("refused.longmodel", "Most", maxModel))
	case p.Amount < 1 || p.Amount > maxAmount:
		return p, horde.Refuse(horde.CodeBadRequest, "%s", w.T("refused.amount", "Most", maxAmount))
	}
	size, ok := s.size(o.String("size"))
	if w, h, shaped := ratio(o.String("size")); shaped {
		base := s.opts.Sizes[0]
		size.Width, size.Height = shape(w, h, base.Width*base.Height)
		ok = true
	}
	if !o.Has("size") && d.Width > 0 && d.Height > 0 {
		size = Size{Width: d.Width, Height: d.Height}
	}
	if !ok {
		return p, horde.Refuse(horde.CodeInvalidSize, "%s", w.T("refused.badsize"))
	}
	p.Width, p.Height = size.Width, size.Height
	if err := s.sourceOption(o, &p); err != nil {
		return p, err
	}
	return p, s.shorthand(&p)
}

var sizePattern = regexp.MustCompile(`^(\d{1,4})(?: ?[x×X*] ?(\d{1,4}))?$`)

// size reads a size: a name of ours, or width and height. Whether the sides are allowed is the core's to say.
func (s *Set) size(text string) (Size, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return s.opts.Sizes[0], true
	}
	for _, z := range s.opts.Sizes {
		if strings.EqualFold(text, z.Name) || text == sizeChoice(z) {
			return z, true
		}
	}
	m := sizePattern.FindStringSubmatch(text)
	if m == nil {
		return Size{}, false
	}
	if m[2] == "" {
		m[2] = m[1]
	}
	w, err1 := strconv.Atoi(m[1])
	h, err2 := strconv.Atoi(m[2])
	return Size{Width: w, Height: h}, err1 == nil && err2 == nil
}

// newImage is the core's form of a request.
func (p *params) newImage(key string, from origin.Origin) horde.NewImage {
	prompt := p.Prompt
	if negative := strings.Trim(p.Negative+", "+p.Added, ", "); negative != "" {
		prompt += " ### " + negative
	}
	n := horde.NewImage{
		User: p.User, Origin: from, Client: clientAgent, Key: key, N: p.Amount,
		Image: horde.Image{
			Prompt: prompt, Sampler: p.Sampler, CFG: p.CFG, Width: p.Width, Height: p.Height, Steps: p.Steps,
			Seed: p.Seed, Karras: p.Karras,
		},
		NSFW: p.Adult, CensorNSFW: !p.Adult, SlowWorkers: true, Shared: p.Share, Models: p.Models, SharedKey: p.shared,
	}
	if p.Model != "" {
		n.Models = []string{p.Model}
	}
	p.Fine.into(&n)
	if p.sourced() {
		n.Image.Source, n.Image.SourceMask, n.Shared = cmp.Or(p.Source, pendingKey), p.Mask, false
		n.Image.Denoising, n.Image.Processing = p.Strength, processing
		if p.mask != nil {
			n.Image.SourceMask = pendingKey
		}
		if n.Image.SourceMask != "" {
			n.Image.Processing = "inpainting"
		}
		if p.Fine != nil && p.Fine.Mode != "" {
			n.Image.Processing = p.Fine.Mode
		}
		if p.Fine != nil {
			for _, key := range p.Fine.Extra {
				n.Image.Extra = append(n.Image.Extra, horde.ExtraSource{Blob: key, Strength: 1})
			}
		}
		for range p.extra {
			n.Image.Extra = append(n.Image.Extra, horde.ExtraSource{Blob: pendingKey, Strength: 1})
		}
	}
	if p.Styled != nil {
		width, height := n.Image.Width, n.Image.Height
		horde.ApplyImageStyle(p.Styled.choice(), &n)
		n.Image.Width, n.Image.Height = width, height // a style's own are in p already
		if len(n.Models) == 0 {
			n.Models = p.Models
		}
	}
	return n
}

// originOf is where limits count a person: their stand-in within the guild.
func originOf(guild, person string) (origin.Origin, error) {
	g := uint64(0)
	if guild != "" {
		var err error
		if g, err = strconv.ParseUint(guild, 10, 64); err != nil {
			return origin.Origin{}, fmt.Errorf("guild: %w", err)
		}
	}
	p, err := strconv.ParseUint(person, 10, 64)
	if err != nil {
		return origin.Origin{}, fmt.Errorf("person: %w", err)
	}
	return origin.FromDiscord(g, p), nil
}

func (s *Set) generate(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	defaults := e.person.Defaults
	if name := in.Command.Options.String("preset"); name != "" {
		preset, err := s.preset(ctx, in, name)
		if err != nil {
			return err
		}
		defaults = over(defaults, preset.value.Defaults)
	}
	if defaults, err = s.presetOr(ctx, in, defaults); err != nil {
		return err
	}
	p, err := s.read(e.say, in.Command.Options, defaults)
	if err != nil {
		return err
	}
	e.fit(&p, in.Command.Options)
	return s.start(ctx, in, r, p, e.hidden(in.Command.Options))
}

// fit makes what nobody asked for, the defaults, fit into what is allowed here.
func (e *Effective) fit(p *params, o discord.OptionValues) {
	if !o.Has("model") && p.Model != "" && !e.serves(p.Model) {
		p.Model = ""
	}
	if n := e.limits.Steps; n > 0 && !o.Has("steps") {
		p.Steps = min(p.Steps, n)
	}
	if n := e.limits.Amount; n > 0 && !o.Has("amount") {
		p.Amount = min(p.Amount, n)
	}
	if n := e.limits.Pixels; n > 0 && !o.Has("size") {
		p.Width, p.Height = squeeze(p.Width, p.Height, n)
	}
}

// rule holds a request against what is allowed where it is asked for, and notes what the place adds to it.
func (s *Set) rule(e Effective, p *params, hidden bool) error {
	if err := e.admit(p.feature()); err != nil {
		return err
	}
	a := ask{
		model: p.Model, style: p.Style, texts: []string{p.Prompt, p.Negative}, width: p.Width, height: p.Height, steps: p.Steps,
		amount: p.Amount, source: p.sourced(),
	}
	if p.Styled != nil {
		a.styleModels, a.styleTag = p.Styled.Models, append(slices.Clone(p.Styled.Tags), p.Styled.Name) // it may have been drawn
	}
	if !p.pictures() { // the lists of models and the amounts are those of images
		a.model, a.styleModels, a.amount = "", nil, 0
	}
	if err := e.allows(a); err != nil {
		return err
	}
	p.Models = nil
	if p.Model == "" && p.pictures() {
		p.Models = e.offered(s.engine.Models())
	}
	p.Added, p.Adult, p.Veiled, p.Share, p.NoAlt = e.negative, e.adult, e.spoiler || p.Spoil, e.person.Share, e.person.NoAlt
	if p.Sharing != nil {
		p.Share = *p.Sharing
	}
	p.Share = p.Share && e.share && !p.sourced()
	p.Locale = e.words(hidden).Locale()
	if !p.pictures() {
		return nil
	}
	return s.room(e, p.Amount)
}

// start asks for images on behalf of whoever caused the interaction. Everything that can be refused in time is refused
// before the acknowledgement. Then the row comes before the request, and the request carries the row's key, so that a
// crash in between leads to one request and not to two.
func (s *Set) start(ctx context.Context, in *discord.Interaction, r *discord.Responder, p params, hidden bool) error {
	return p.correctable(s.begin(ctx, in, r, p, hidden), hidden)
}

func (s *Set) begin(ctx context.Context, in *discord.Interaction, r *discord.Responder, p params, hidden bool) error {
	if s.follow.full() {
		return r.Reply(ctx, private(s.say(in).T("request.busy")))
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	p.Guest, p.Left = foreign(in), false
	key := keyOf(in.ID)
	from, err := originOf(in.GuildID, in.User.ID)
	if err != nil {
		return err
	}
	joined, err := s.host.join(ctx, e, &p)
	if err != nil {
		return err
	}
	hidden = hidden && (!joined || e.answers == chat.AnswersPrivate)
	early, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if err := s.dress(early, in, &p); err != nil {
		return err
	}
	if err := s.rule(e, &p, hidden); err != nil {
		return err
	}
	err = s.payer(early, in, e, &p)
	if err == nil {
		if _, err = s.enqueue(early, p, key, from, true); p.goesAlone(err) {
			if err = s.payer(early, in, e, &p); err == nil {
				_, err = s.enqueue(early, p, key, from, true)
			}
		}
	}
	slow := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	if err != nil && !slow {
		return err
	}
	ref, err := s.promise(ctx, in, r, e, hidden)
	if err != nil {
		return err
	}
	if slow {
		if err := s.payer(ctx, in, e, &p); err != nil {
			return err
		}
	}
	if _, known, err := s.deps.Messages.MessageByKey(ctx, key); err != nil || known {
		return err // Discord told us twice about it
	}
	if err := s.keepPictures(ctx, in.ID, &p); err != nil {
		return err
	}
	row := chat.Message{
		Key: key, App: ref.AppID, Guild: in.GuildID, Channel: ref.ChannelID, Message: ref.MessageID, Person: in.User.ID,
		TokenEnds: ref.Expires, Ephemeral: ref.Ephemeral, Created: s.now(), Open: true,
	}
	if row.Params, err = json.Marshal(p); err != nil {
		return fmt.Errorf("encode parameters: %w", err)
	}
	if row.Sealed, err = s.deps.Seal([]byte(ref.Token), []byte(key)); err != nil {
		return fmt.Errorf("seal token: %w", err)
	}
	if err := s.deps.Messages.SaveMessage(ctx, row); err != nil {
		return fmt.Errorf("save message: %w", err)
	}
	id, err := s.enqueue(ctx, p, key, from, false)
	if refusal, ok := errors.AsType[*horde.Error](err); ok {
		row.Open, row.Sealed = false, []byte{}
		if err := s.deps.Messages.SaveMessage(ctx, row); err != nil {
			s.log.Warn().Err(err).Str("interaction", in.ID).Msg("cannot close the message of a refused request")
		}
		return refusal
	}
	if err != nil {
		s.log.Warn().Err(err).Str("interaction", in.ID).Msg("request not placed yet, trying again")
	} else {
		row.Request = id.String()
		if err := s.deps.Messages.SaveMessage(ctx, row); err != nil {
			s.log.Warn().Err(err).Str("interaction", in.ID).Msg("cannot note the request of a message") // its key still finds it
		}
	}
	s.follow.add(row, p, ref.Token)
	return nil
}

// foreign reports whether only the token of an interaction reaches the messages that answer it: the person brought the
// bot along, or the bot cannot see the channel.
func foreign(in *discord.Interaction) bool {
	if in.GuildID == "" {
		return in.Context == discord.WithOthers
	}
	return !in.GuildInstalled || !in.AppPermissions.Has(discord.ViewChannel)
}

// payer decides which account pays: the person's own, or the shared one of strangers.
func (s *Set) payer(ctx context.Context, in *discord.Interaction, e Effective, p *params) error {
	if err := s.payThrough(ctx, in, p); err != nil {
		return err
	}
	u, opened, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	switch {
	case err != nil:
		return err
	case !ok && p.Paid == nil && (!s.opts.AnonymousAllowed || !e.strange):
		return horde.Refuse(horde.CodeAnonForbidden, "this needs an account")
	case !ok:
		p.User = horde.Anonymous
		return nil
	}
	p.User = u.ID
	if opened {
		p.Opened = &u.Balance
	}
	return nil
}

// promise acknowledges with a message of its own, which is filled later, and says which message that is.
func (s *Set) promise(ctx context.Context, in *discord.Interaction, r *discord.Responder, e Effective, hidden bool) (discord.MessageRef, error) {
	if err := r.Defer(ctx, hidden); err != nil {
		return discord.MessageRef{}, err
	}
	first := discord.Message{Content: e.words(hidden).T("request.placing"), Ephemeral: hidden}
	switch {
	case !r.Deferred():
	case in.Component.MessageID+in.Modal.MessageID != "":
		// The router was quicker and stopped the button's waiting only; our message is still to be made.
		return r.Followup(ctx, first)
	default:
		// The router was quicker with a "thinking…" that everybody sees; a private message has to take its place.
		if err := r.Reply(ctx, first); err != nil {
			return discord.MessageRef{}, err
		}
	}
	ref, err := r.Message(ctx)
	if err != nil {
		return discord.MessageRef{}, fmt.Errorf("find the reply: %w", err)
	}
	return ref, nil
}

// complete suggests models and sizes.
func (s *Set) complete(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	typed := in.Command.Options.String(in.Command.Focused)
	var choices []discord.Choice
	switch in.Command.Focused {
	case "model":
		if e, err := s.effective(ctx, in); err == nil {
			choices = s.completeModel(&e, typed, s.firsts(ctx, in.User.ID).Models)
		}
	case "size":
		choices = s.completeSize(typed)
	case "style":
		choices = s.completeStyle(ctx, in, horde.StyleImage, typed)
	case "preset":
		return s.completePreset(ctx, in, r)
	}
	return late(r.Autocomplete(ctx, choices))
}

// late forgives suggestions that nobody waits for any more.
func late(err error) error {
	if errors.Is(err, discord.ErrTooLate) {
		return nil
	}
	return err
}

// completeModel suggests the models that may be used here, those that somebody likes first.
func (s *Set) completeModel(e *Effective, typed string, liked []string) []discord.Choice {
	w := e.say
	typed = strings.ToLower(strings.TrimSpace(typed))
	var favourites, served, others []discord.Choice
	for _, m := range s.engine.Models() {
		if utf8.RuneCountInString(m.Name) > maxModel || !strings.Contains(strings.ToLower(m.Name), typed) || !e.serves(m.Name) {
			continue
		}
		c := discord.Choice{Name: plain(voice{w}.model(m)), Value: m.Name}
		switch {
		case slices.Contains(liked, m.Name):
			c.Name = discord.Clip("⭐ "+c.Name, maxModel)
			favourites = append(favourites, c)
		case m.Threads > 0:
			served = append(served, c)
		default:
			others = append(others, c)
		}
	}
	choices := append(favourites, served...)
	if strings.Contains(strings.ToLower(w.T("request.anymodel")), typed) {
		choices = append([]discord.Choice{{Name: w.T("request.anymodel"), Value: choiceAny}}, choices...)
	}
	choices = append(choices, others...)
	return choices[:min(len(choices), discord.MaxChoices)]
}

func (s *Set) completeSize(typed string) []discord.Choice {
	typed = strings.ToLower(strings.TrimSpace(typed))
	var choices []discord.Choice
	add := func(z Size) {
		text := sizeChoice(z)
		for _, c := range choices {
			if c.Name == text {
				return
			}
		}
		choices = append(choices, discord.Choice{Name: text, Value: fmt.Sprintf("%dx%d", z.Width, z.Height)})
	}
	if sizePattern.MatchString(typed) {
		if z, ok := s.size(typed); ok {
			add(Size{Width: snap(z.Width), Height: snap(z.Height)})
		}
	}
	for _, z := range s.opts.Sizes {
		if strings.Contains(strings.ToLower(sizeChoice(z)), strings.ReplaceAll(typed, "x", "×")) || strings.Contains(strings.ToLower(z.Name), typed) {
			add(z)
		}
	}
	return choices[:min(len(choices), discord.MaxChoices)]
}

// snap is the nearest side that the horde takes.
func snap(side int) int {
	return min(max((side+horde.SideStep/2)/horde.SideStep*horde.SideStep, horde.MinSide), horde.MaxSide)
}
