// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Names of context menu entries. Discord shows them as they stand, or in the person's language.
const (
	menuDescribe      = "Describe image (alt text)"
	menuRemix         = "Remix image"
	menuUpscale       = "Upscale image"
	menuDetails       = "Image details"
	menuRemixAvatar   = "Remix avatar"
	menuCaptionAvatar = "Caption avatar"
)

// Verbs of the selects and forms that context menus open. The id is the message or the person, the arg the number of
// the image.
const (
	verbMenuDescribe = "md"
	verbMenuRemix    = "mr"
	verbMenuUpscale  = "mu"
	verbMenuScaler   = "mq"
	verbMenuDetails  = "mi"
	verbAvatar       = "av"
)

// The kinds of a description.
const (
	describeAlt     = "alt"
	describeCaption = "caption"
	describePrompt  = "prompt"
	describeTags    = "tags"
)

var linkPattern = regexp.MustCompile(`^https://(?:\w+\.)?discord(?:app)?\.com/channels/(\d{1,20}|@me)/(\d{1,20})/(\d{1,20})$`)

// toolFamily is what works on images that are there.
func (s *Set) toolFamily() family {
	image := s.optionOf("tools.optimage", discord.OptionSpec{Name: "image", Type: discord.OptionAttachment})
	link := s.optionOf("tools.optlink", discord.OptionSpec{Name: "link", Type: discord.OptionString, MaxLength: new(400)})
	hidden := s.optionOf("tools.optprivate", discord.OptionSpec{Name: "private", Type: discord.OptionBoolean})
	spec := func(name string, options ...discord.OptionSpec) discord.CommandSpec {
		return discord.CommandSpec{
			Name: name, Description: s.bundle.For("en").T("tools.desc" + name), Descriptions: s.bundle.Locales("tools.desc" + name),
			DMs: true, UserInstall: true, Options: options,
		}
	}
	var upscale []discord.Choice
	for _, name := range horde.PostProcessors() {
		upscale = append(upscale, discord.Choice{Name: name, Value: name})
	}
	kind := func(value string) discord.Choice {
		return discord.Choice{Name: s.bundle.For("en").T("tools.kind" + value), Value: value, Names: s.bundle.Locales("tools.kind" + value)}
	}
	specs := []discord.CommandSpec{
		spec("remix",
			discord.OptionSpec{Name: "prompt", Description: descPrompt, Type: discord.OptionString, Required: true, MinLength: new(1), MaxLength: new(maxPrompt)},
			image, link, s.optionOf("tools.optuser", discord.OptionSpec{Name: "user", Type: discord.OptionUser}),
			s.optionOf("image.optstrength", discord.OptionSpec{Name: "strength", Type: discord.OptionInteger, Min: new(1.0), Max: new(100.0)}),
			discord.OptionSpec{Name: "model", Description: descModel, Type: discord.OptionString, Autocomplete: true, MaxLength: new(maxModel)},
			discord.OptionSpec{Name: "negative", Description: descNegative, Type: discord.OptionString, MaxLength: new(maxNegative)}, hidden),
		spec("upscale", image, link, s.optionOf("tools.optupscaler", discord.OptionSpec{Name: "upscaler", Type: discord.OptionString, Choices: upscale}), hidden),
		spec("describe", image, link,
			s.optionOf("tools.optkind", discord.OptionSpec{Name: "kind", Type: discord.OptionString, Choices: []discord.Choice{
				kind(describeAlt), kind(describeCaption), kind(describePrompt), kind(describeTags),
			}}),
			s.optionOf("tools.optpublic", discord.OptionSpec{Name: "public", Type: discord.OptionBoolean})),
		spec("interrogate",
			s.optionOf("tools.optimage", discord.OptionSpec{Name: "image", Type: discord.OptionAttachment, Required: true}),
			s.optionOf("tools.optforms", discord.OptionSpec{Name: "forms", Type: discord.OptionString, Autocomplete: true, MaxLength: new(300)}), hidden),
	}
	menu := func(kind discord.MenuKind, name, key string) {
		specs = append(specs, discord.CommandSpec{Name: name, Menu: kind, Names: s.bundle.Locales(key), DMs: true, UserInstall: true})
	}
	menu(discord.MessageMenu, menuDescribe, "tools.menudescribe")
	menu(discord.MessageMenu, menuRemix, "tools.menuremix")
	menu(discord.MessageMenu, menuUpscale, "tools.menuupscale")
	menu(discord.MessageMenu, menuDetails, "tools.menudetails")
	menu(discord.UserMenu, menuRemixAvatar, "tools.menuremixavatar")
	menu(discord.UserMenu, menuCaptionAvatar, "tools.menucaptionavatar")
	return family{specs: specs, register: s.registerTools}
}

func (s *Set) registerTools(rt *discord.Router) {
	public := func(h discord.HandlerFunc) discord.Route {
		return discord.Route{Handle: s.answered(h), Autocomplete: s.complete}
	}
	quiet := func(h discord.HandlerFunc) discord.Route { return discord.Route{Handle: s.answered(h), Private: true} }
	rt.Command("remix", public(s.remix))
	rt.Command("upscale", public(s.upscale))
	rt.Command("describe", quiet(s.describe))
	rt.Command("interrogate", discord.Route{Handle: s.answered(s.interrogate), Autocomplete: s.completeForms})
	for name, verb := range map[string]string{menuDescribe: verbMenuDescribe, menuRemix: verbMenuRemix, menuUpscale: verbMenuUpscale} {
		rt.Command(discord.MenuPath(discord.MessageMenu, name), quiet(s.onMessage(verb)))
		rt.Component(verb, quiet(s.onPicked))
	}
	rt.Command(discord.MenuPath(discord.MessageMenu, menuDetails), quiet(s.details))
	rt.Command(discord.MenuPath(discord.UserMenu, menuRemixAvatar), quiet(s.remixAvatar))
	rt.Command(discord.MenuPath(discord.UserMenu, menuCaptionAvatar), quiet(s.captionAvatar))
	rt.Component(verbMenuDetails, quiet(s.onPicked))
	rt.Component(verbMenuScaler, public(s.pressMenuScaler))
	rt.Modal(verbMenuRemix, public(s.submitMenuRemix))
	rt.Modal(verbAvatar, public(s.submitAvatar))
	rt.Component(verbTellAll, quiet(s.pressPublish))
	rt.Component(verbSetAlt, quiet(s.pressSetAlt))
	rt.Component(verbAsPrompt, quiet(s.pressAsPrompt))
	rt.Modal(verbAsPrompt, public(s.submitPrompt))
}

// given finds the one image that a command is about: a file, a message behind a link, or a person's avatar.
func (s *Set) given(ctx context.Context, in *discord.Interaction, w words.Words) (*photo, error) {
	o := in.Command.Options
	n := 0
	for _, name := range []string{"image", "link", "user"} {
		if o.Has(name) {
			n++
		}
	}
	if n != 1 {
		return nil, tell(w.T("tools.oneimage"))
	}
	if a, ok := o.Attachment("image"); ok {
		pic, ok := ofAttachment(a)
		switch {
		case !ok:
			return nil, tell(w.T("tools.noimage"))
		case a.Size > maxPicture:
			return nil, tell(w.T("tools.toolarge", "MiB", maxPicture>>20))
		}
		return pic, nil
	}
	if u, ok := o.User("user"); ok {
		return avatar(u), s.lendsAvatar(ctx, in, w, u.ID)
	}
	return s.behind(ctx, in, w, strings.TrimSpace(o.String("link")))
}

// behind finds the image behind a link: a message that the person can read, or a file.
func (s *Set) behind(ctx context.Context, in *discord.Interaction, w words.Words, link string) (*photo, error) {
	m := linkPattern.FindStringSubmatch(link)
	if m == nil {
		u, err := url.Parse(link)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" {
			return nil, tell(w.T("tools.badlink"))
		}
		return &photo{url: link}, nil // readPicture minds where it leads
	}
	// A person sees the channel they are in; about others of this server its roles tell.
	if m[2] != in.ChannelID && (m[1] != in.GuildID || !s.mayRead(ctx, in, m[2])) {
		return nil, tell(w.T("tools.otherchannel"))
	}
	msg, err := s.bot.FetchMessage(ctx, m[2], m[3])
	if err != nil {
		return nil, tell(w.T("tools.unreadable"))
	}
	if all := picturesOf(msg); len(all) > 0 {
		return all[0], nil
	}
	return nil, tell(w.T("tools.noimage"))
}

// mayRead reports whether whoever caused an interaction can read another channel of the same server. Private threads are
// for their members, whom nobody lists here.
func (s *Set) mayRead(ctx context.Context, in *discord.Interaction, channel string) bool {
	const privateThread = 12
	if in.GuildID == "" || !in.GuildInstalled {
		return false
	}
	c, err := s.bot.Channel(ctx, channel)
	if err != nil || c.GuildID != in.GuildID || c.Type == privateThread {
		return false
	}
	if c.Threaded() {
		if c, err = s.bot.Channel(ctx, c.ParentID); err != nil || c.GuildID != in.GuildID {
			return false
		}
	}
	guild, err := s.bot.Guild(ctx, in.GuildID)
	if err != nil {
		return false
	}
	return discord.MemberPermissions(guild, c, in.User.ID, in.MemberRoles).Has(discord.ViewChannel | discord.ReadHistory)
}

// avatar is a person's picture at Discord.
func avatar(u discord.User) *photo {
	const at = "https://cdn.discordapp.com/"
	if u.Avatar == "" {
		n, _ := strconv.ParseUint(u.ID, 10, 64)
		return &photo{url: at + "embed/avatars/" + strconv.FormatUint(n>>22%6, 10) + ".png", width: 1, height: 1}
	}
	return &photo{url: at + "avatars/" + url.PathEscape(u.ID) + "/" + url.PathEscape(u.Avatar) + ".png?size=1024", width: 1, height: 1}
}

// imageTools resolves what holds where somebody works on an image that is there already, and refuses where nobody may.
func (s *Set) imageTools(ctx context.Context, in *discord.Interaction) (Effective, error) {
	e, err := s.effective(ctx, in)
	if err != nil {
		return e, err
	}
	if err := e.admit(chat.Tools); err != nil {
		return e, err
	}
	if !e.sources {
		return e, e.noSources()
	}
	return e, nil
}

// tool resolves what holds for a command on an image.
func (s *Set) tool(ctx context.Context, in *discord.Interaction) (Effective, *photo, error) {
	e, err := s.imageTools(ctx, in)
	if err != nil {
		return e, nil, err
	}
	pic, err := s.given(ctx, in, e.say)
	return e, pic, err
}

func (s *Set) remix(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, pic, err := s.tool(ctx, in)
	if err != nil {
		return err
	}
	return s.startRemix(ctx, in, r, e, pic, in.Command.Options)
}

// startRemix makes an image of a picture with the options of /remix.
func (s *Set) startRemix(ctx context.Context, in *discord.Interaction, r *discord.Responder, e Effective, pic *photo, o discord.OptionValues) error {
	rest := discord.OptionValues{}
	for name, v := range o {
		if name != "image" {
			rest[name] = v
		}
	}
	p, err := s.read(e.say, rest, e.person.Defaults)
	if err != nil {
		return err
	}
	p.from, p.Strength = pic, float64(rest.Int("strength", int64(strengthUsual*100)))/100
	p.takeShape()
	e.fit(&p, rest) // its shape may have a few more pixels than what is usual
	return s.start(ctx, in, r, p, e.hidden(rest))
}

func (s *Set) upscale(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, pic, err := s.tool(ctx, in)
	if err != nil {
		return err
	}
	name := in.Command.Options.String("upscaler")
	if name == "" {
		name = "RealESRGAN_x4plus"
	}
	if !horde.PostForm(name) {
		return tell(e.say.T("tools.unknownform", "Form", escape(discord.Clip(name, 50))))
	}
	return s.start(ctx, in, r, s.forms(e.say, aimUpscale, pic, name), e.hidden(in.Command.Options))
}

func (s *Set) describe(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, pic, err := s.tool(ctx, in)
	if err != nil {
		return err
	}
	form := formCaption
	switch in.Command.Options.String("kind") {
	case describePrompt:
		form = formDescribe
	case describeTags:
		form = formTags
	}
	hidden := !in.Command.Options.Bool("public", false) || e.answers == chat.AnswersPrivate
	return s.startDescribe(ctx, in, r, e, pic, form, hidden)
}

// startDescribe asks for words about a picture, one at a time for each person.
func (s *Set) startDescribe(ctx context.Context, in *discord.Interaction, r *discord.Responder, e Effective, pic *photo, form string, hidden bool) error {
	if s.follow.describing(in.User.ID) {
		return tell(e.say.T("tools.oneatatime"))
	}
	ask := s.forms(e.say, aimDescribe, pic, form)
	ask.Forms.Of, ask.Forms.Number = ownImage(pic.name)
	return s.start(ctx, in, r, ask, hidden)
}

func (s *Set) interrogate(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, pic, err := s.tool(ctx, in)
	if err != nil {
		return err
	}
	names, bad := formNames(in.Command.Options.String("forms"))
	switch {
	case bad != "":
		return tell(e.say.T("tools.unknownform", "Form", escape(discord.Clip(bad, 50))))
	case len(names) > maxForms:
		return tell(e.say.T("tools.manyforms", "Most", maxForms))
	case len(names) == 0:
		names = []string{formCaption, formTags, formNSFW}
	}
	return s.start(ctx, in, r, s.forms(e.say, aimInterrogate, pic, names...), e.hidden(in.Command.Options))
}

// formNames reads a list of forms; bad is the first that is none.
func formNames(text string) (names []string, bad string) {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		i := slices.IndexFunc(horde.AllForms(), func(n string) bool { return strings.EqualFold(n, part) })
		switch {
		case strings.EqualFold(part, "all"):
			names = append(names, horde.FormNames()...)
		case i < 0:
			return nil, part
		case !slices.Contains(names, horde.AllForms()[i]):
			names = append(names, horde.AllForms()[i])
		}
	}
	return names, ""
}

// completeForms suggests the next form of a list.
func (s *Set) completeForms(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	return completeList(ctx, in, r, horde.AllForms())
}
