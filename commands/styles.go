// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

// Verbs of the forms that a name is typed into before a style or collection is gone for good.
const (
	verbStyle      = "sy"
	verbCollection = "sl"
)

// Bounds of /styles.
const (
	stylePages   = 20 // of the core's lists that are looked through
	maxStyleText = 600
)

func (s *Set) stylesFamily() family {
	text := func(name string, most int, required, suggest bool) discord.OptionSpec {
		return s.opt("styles", discord.OptionSpec{Name: name, Type: discord.OptionString, MaxLength: new(most), Required: required, Autocomplete: suggest})
	}
	flag := func(name string) discord.OptionSpec {
		return s.opt("styles", discord.OptionSpec{Name: name, Type: discord.OptionBoolean})
	}
	whole := func(name string, most float64) discord.OptionSpec {
		return s.opt("styles", discord.OptionSpec{Name: name, Type: discord.OptionInteger, Min: new(1.0), Max: &most})
	}
	kind := s.opt("styles", discord.OptionSpec{Name: "kind", Type: discord.OptionString, Choices: []discord.Choice{
		s.pick(string(horde.StyleImage), "sheet.kind.image"), s.pick(string(horde.StyleText), "sheet.kind.text"),
	}})
	style := text("style", 100, true, true)
	collection := text("collection", 100, true, true)
	address := text("address", horde.MaxExampleURL, true, false)
	// What both a new and a changed style may have.
	parts := []discord.OptionSpec{
		text("tags", 300, false, false), text("info", horde.MaxStyleInfo, false, false), flag("public"), flag("nsfw"), whole("steps", float64(horde.MaxSteps)),
		s.opt("styles", discord.OptionSpec{Name: "cfg", Type: discord.OptionNumber, Min: new(0.0), Max: new(100.0)}),
		text("sampler", 30, false, false), text("size", 20, false, false),
	}
	create := append([]discord.OptionSpec{text("name", horde.MaxStyleName, true, false), text("prompt", maxPrompt, true, false), text("models", 600, true, false), kind}, parts...)
	edit := append([]discord.OptionSpec{style, text("name", horde.MaxStyleName, false, false), text("prompt", maxPrompt, false, false), text("models", 600, false, false)}, parts...)
	group := s.sub("styles", "collection")
	group.Subcommands = []discord.SubcommandSpec{
		s.sub("collection", "list"), s.sub("collection", "info", collection),
		s.sub("collection", "create", text("name", horde.MaxStyleName, true, false), text("styles", 1000, true, false), text("info", horde.MaxStyleInfo, false, false), flag("public")),
		s.sub("collection", "edit", collection, text("name", horde.MaxStyleName, false, false), text("styles", 1000, false, false), text("info", horde.MaxStyleInfo, false, false), flag("public")),
		s.sub("collection", "delete", collection),
	}
	spec := s.spec("styles",
		s.sub("styles", "list", kind, flag("mine")), s.sub("styles", "info", style),
		s.sub("styles", "search", text("text", 25, false, false), text("tag", horde.MaxStyleTag, false, false), text("model", 25, false, false),
			text("owner", 25, false, false), kind),
		s.sub("styles", "example", style, address, flag("primary"), flag("remove")),
		s.sub("styles", "create", create...), s.sub("styles", "edit", edit...), s.sub("styles", "delete", style), s.sub("styles", "favourite", style), group,
	)
	spec.DMs, spec.UserInstall = true, true
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		for path, h := range map[string]discord.HandlerFunc{
			"list": func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
				o := in.Command.Options
				return s.showSheet(ctx, in, r, "styles", o.String("kind"), o.String("mine"))
			},
			"search": func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
				o := in.Command.Options
				return s.showSheet(ctx, in, r, "styles", o.String("kind"), "", o.String("tag"), o.String("model"), o.String("text"), o.String("owner"))
			},
			"info": func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
				st, err := s.styleCalled(in, in.Command.Options.String("style"))
				if err != nil {
					return err
				}
				return s.showSheet(ctx, in, r, "style", st.ID.String())
			},
			"example": s.styleExample, "create": s.styleCreate, "edit": s.styleEdit, "delete": s.styleDelete, "favourite": s.styleFavourite,
			"collection list": func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
				return s.showSheet(ctx, in, r, "collections")
			},
			"collection info": func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
				col, err := s.collectionNamed(in, in.Command.Options.String("collection"))
				if err != nil {
					return err
				}
				return s.showSheet(ctx, in, r, "collection", col.ID.String())
			},
			"collection create": s.collectionCreate, "collection edit": s.collectionEdit, "collection delete": s.collectionDelete,
		} {
			rt.Command("styles "+path, discord.Route{Handle: s.answered(h), Autocomplete: s.suggestStyle, Private: true})
		}
		rt.Component(verbStyleFrom, discord.Route{Handle: s.answered(s.pressStyleFrom), Private: true})
		rt.Modal(verbStyleFrom, discord.Route{Handle: s.answered(s.submitStyleFrom), Private: true})
		rt.Modal(verbStyle, discord.Route{Handle: s.answered(s.typedAway(s.goneStyle)), Private: true})
		rt.Modal(verbCollection, discord.Route{Handle: s.answered(s.typedAway(s.goneCollection)), Private: true})
	}}
}

// styleCalled finds a style by its ID, or one of the forms of its name.
func (s *Set) styleCalled(in *discord.Interaction, text string) (horde.StyleView, error) {
	st, ok := s.engine.StyleNamed(strings.TrimSpace(text), horde.StyleImage)
	if !ok {
		return st, tell(s.say(in).T("styles.unknown", "Style", escape(discord.Clip(text, maxModel))))
	}
	return st, nil
}

func (s *Set) collectionNamed(in *discord.Interaction, text string) (horde.CollectionView, error) {
	col, ok := s.engine.CollectionNamed(strings.TrimSpace(text))
	if !ok {
		return col, tell(s.say(in).T("styles.nocollection", "Collection", escape(discord.Clip(text, maxModel))))
	}
	return col, nil
}

// publicStyles lists them, most used first, of one kind or of both.
func (s *Set) publicStyles(kind horde.StyleKind) []horde.StyleView {
	var out []horde.StyleView
	for _, k := range []horde.StyleKind{horde.StyleImage, horde.StyleText} {
		if kind != "" && k != kind {
			continue
		}
		for page := 1; page <= stylePages; page++ {
			some := s.engine.Styles(horde.StyleQuery{Kind: k, Sort: horde.SortPopular, Page: page})
			out = append(out, some...)
			if len(some) < horde.StylesPerPage {
				break
			}
		}
	}
	return out
}

func (s *Set) ownStyles(in *discord.Interaction) []horde.StyleView {
	if u, ok := s.find(in.User.ID); ok {
		return s.engine.StylesOf(u.ID)
	}
	return nil
}

// suggestStyle suggests favourites, then the person's own, then public ones. Who changes a style gets their own alone.
func (s *Set) suggestStyle(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	focused := in.Command.Focused
	typed := in.Command.Options.String(focused)
	if focused == "collection" {
		var all []discord.Choice
		for page := 1; page <= stylePages && len(all) < maxSheets; page++ {
			some := s.engine.Collections(horde.CollectionQuery{Page: page})
			for _, col := range some {
				all = append(all, discord.Choice{Name: plain(col.Name + " · " + col.Creator), Value: col.ID.String()})
			}
			if len(some) < horde.StylesPerPage {
				break
			}
		}
		return r.Autocomplete(ctx, suggest(typed, all))
	}
	liked := s.firsts(ctx, in.User.ID).Styles
	all := s.ownStyles(in)
	if in.Command.Path != "styles edit" && in.Command.Path != "styles delete" {
		all = append(all, s.publicStyles("")...)
	}
	var choices []discord.Choice
	seen := make(map[horde.StyleID]bool, len(all))
	for _, st := range all {
		if seen[st.ID] {
			continue
		}
		seen[st.ID] = true
		choices = append(choices, discord.Choice{Name: plain(st.Name + " · " + st.Creator), Value: st.ID.String()})
	}
	return r.Autocomplete(ctx, suggest(typed, likedFirst(choices, liked)))
}

func (s *Set) styleList(ctx context.Context, in *discord.Interaction, w words.Words, filter string) (sheet, error) {
	kind, mine := horde.StyleKind(part(filter, 0)), part(filter, 1) == "true"
	tag, model, text, owner := part(filter, 2), part(filter, 3), part(filter, 4), part(filter, 5)
	sh := sheet{title: w.T("styles.title")}
	all := s.publicStyles(kind)
	if mine {
		sh.title, all = w.T("styles.mine"), s.ownStyles(in)
	}
	liked := s.firsts(ctx, in.User.ID).Styles
	for _, st := range all {
		tagged := tag == "" || slices.ContainsFunc(st.Tags, func(t string) bool { return strings.EqualFold(t, tag) })
		modelled := model == "" || slices.ContainsFunc(st.Models, func(m string) bool { return contains(m, model) })
		if !tagged || !modelled || kind != "" && st.Kind != kind || !contains(st.Name+" "+st.Info+" "+st.Creator, text) || !contains(st.Creator, owner) || len(sh.rows) >= maxSheets {
			continue
		}
		sh.rows = append(sh.rows, sayStyle(w, st, slices.Contains(liked, st.ID.String())))
	}
	return sh, nil
}

func sayStyle(w words.Words, st horde.StyleView, liked bool) string {
	icon := "🎨"
	if st.Kind == horde.StyleText {
		icon = "📝"
	}
	if liked {
		icon = "⭐"
	}
	row := icon + " **" + escape(st.Name) + "** · " + escape(st.Creator) + " · " + w.T("styles.uses", "Count", st.Uses)
	if len(st.Tags) > 0 {
		row += " · " + list(st.Tags, 4)
	}
	if !st.Public {
		row += " · 🔒"
	}
	if st.NSFW {
		row += " · 🔞"
	}
	return row
}

func (s *Set) styleCard(_ context.Context, in *discord.Interaction, w words.Words, filter string) (sheet, error) {
	st, err := s.styleCalled(in, filter)
	if err != nil {
		return sheet{}, err
	}
	sh := sheet{title: escape(st.Name), text: lines(escape(st.Info), "`"+strings.ReplaceAll(discord.Clip(plain(st.Prompt), maxStyleText), "`", "ˋ")+"`")}
	sh.fields = field(sh.fields, w.T("sheet.owner"), escape(st.Creator))
	sh.fields = field(sh.fields, w.T("sheet.kind"), w.T("sheet.kind."+string(st.Kind)))
	sh.fields = field(sh.fields, w.T("sheet.models"), list(st.Models, horde.MaxStyleModels))
	sh.fields = field(sh.fields, w.T("styles.tags"), list(st.Tags, horde.MaxStyleTags))
	sh.fields = field(sh.fields, w.T("styles.used"), w.T("styles.uses", "Count", st.Uses))
	sh.fields = field(sh.fields, "NSFW", mark(st.NSFW))
	if p := st.Image; p != nil {
		if p.Steps > 0 {
			sh.fields = field(sh.fields, w.T("models.steps"), strconv.Itoa(p.Steps))
		}
		if p.CFG != nil {
			sh.fields = field(sh.fields, w.T("models.cfg"), strconv.FormatFloat(*p.CFG, 'f', -1, 64))
		}
		sh.fields = field(sh.fields, w.T("models.samplers"), escape(p.Sampler))
		if p.Width > 0 && p.Height > 0 {
			sh.fields = field(sh.fields, w.T("models.size"), fmt.Sprintf("%d×%d", p.Width, p.Height))
		}
	}
	e := s.restrictedHere(in)
	for _, ex := range st.Examples {
		if ex.Primary && (!st.NSFW || e) {
			sh.image = ex.URL
		}
	}
	sh.fields = field(sh.fields, w.T("styles.fullname"), "`"+strings.ReplaceAll(plain(st.FullName()), "`", "ˋ")+"`")
	return sh, nil
}

// restrictedHere reports whether the channel itself is for adults, so that pictures of styles for adults may be shown.
func (s *Set) restrictedHere(in *discord.Interaction) bool {
	return in.GuildID != "" && in.ChannelNSFW && s.opts.Ceiling.Adult
}

// imageStyle puts the given parameters over those that are there.
func (s *Set) imageStyle(in *discord.Interaction, old *horde.ImageStyle) (*horde.ImageStyle, error) {
	o := in.Command.Options
	var p horde.ImageStyle
	if old != nil {
		p = *old
	}
	p.Steps = int(o.Int("steps", int64(p.Steps)))
	if o.Has("cfg") {
		p.CFG = new(o.Number("cfg", 0))
	}
	if o.Has("sampler") {
		p.Sampler = strings.TrimSpace(o.String("sampler"))
	}
	if o.Has("size") {
		z, ok := sizeOf(s.sizes(strings.TrimSpace(o.String("model"))), o.String("size"))
		if !ok {
			return nil, horde.Refuse(horde.CodeInvalidSize, textBadSize)
		}
		p.Width, p.Height = z.Width, z.Height
	}
	return &p, nil
}

func (s *Set) styleCreate(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	by, err := s.need(ctx, in)
	if err != nil {
		return err
	}
	o := in.Command.Options
	draft := horde.StyleDraft{
		Kind: horde.StyleImage, Name: o.String("name"), Info: o.String("info"), Prompt: o.String("prompt"), Models: splitList(o.String("models")),
		Tags: splitList(o.String("tags")), Public: o.Bool("public", false), NSFW: o.Bool("nsfw", false),
	}
	if o.String("kind") == string(horde.StyleText) {
		draft.Kind = horde.StyleText
		if err := s.textStyleHasNone(in); err != nil {
			return err
		}
	} else if draft.Image, err = s.imageStyle(in, nil); err != nil {
		return err
	}
	if err := horde.CheckStyleCounts(draft.Models, draft.Tags); err != nil {
		return err
	}
	st, err := engine.Do(ctx, s.engine, horde.CreateStyle{By: by.ID, StyleDraft: draft})
	if err != nil {
		return err
	}
	return r.Reply(ctx, private(s.say(in).T("styles.created", "Style", escape(st.Name), "Info", s.cmd("styles info"))))
}

func (s *Set) styleEdit(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	by, err := s.need(ctx, in)
	if err != nil {
		return err
	}
	o := in.Command.Options
	st, err := s.styleCalled(in, o.String("style"))
	if err != nil {
		return err
	}
	change := horde.ChangeStyle{
		By: by.ID, ID: st.ID, Kind: st.Kind, Name: given(o, "name"), Info: given(o, "info"), Prompt: given(o, "prompt"),
		Public: flagOf(o, "public"), NSFW: flagOf(o, "nsfw"),
	}
	if o.Has("models") {
		change.Models = splitList(o.String("models"))
	}
	if o.Has("tags") {
		change.Tags = append([]string{}, splitList(o.String("tags"))...)
	}
	if st.Kind == horde.StyleText {
		if err := s.textStyleHasNone(in); err != nil {
			return err
		}
	} else if o.Has("steps") || o.Has("cfg") || o.Has("sampler") || o.Has("size") {
		if change.Image, err = s.imageStyle(in, st.Image); err != nil {
			return err
		}
	}
	after, err := engine.Do(ctx, s.engine, change)
	if err != nil {
		return err
	}
	return r.Reply(ctx, private(s.say(in).T("styles.edited", "Style", escape(after.Name))))
}

// flagOf is the truth value of an option, or nil without one.
func flagOf(o discord.OptionValues, name string) *bool {
	if !o.Has(name) {
		return nil
	}
	return new(o.Bool(name, false))
}

func (s *Set) styleDelete(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	st, err := s.styleCalled(in, in.Command.Options.String("style"))
	if err != nil {
		return err
	}
	return r.Modal(ctx, s.typedName(s.say(in), verbStyle, st.ID.String(), "styles.delete"))
}

// goneStyle is a style that its person lets go.
func (s *Set) goneStyle(in *discord.Interaction, id string) (goner, error) {
	st, err := s.styleCalled(in, id)
	return goner{st.Name, func(ctx context.Context, by horde.UserID) error {
		_, err := engine.Do(ctx, s.engine, horde.DeleteStyle{By: by, ID: st.ID, Kind: st.Kind})
		return err
	}, s.say(in).T("styles.deleted", "Style", escape(st.Name))}, err
}

func (s *Set) styleFavourite(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	st, err := s.styleCalled(in, in.Command.Options.String("style"))
	if err != nil {
		return err
	}
	added := false
	_, err = s.liked.change(ctx, in.User.ID, about{person: in.User.ID}, func(v *chat.Favourites) error {
		v.Styles, added = chat.Toggle(v.Styles, st.ID.String())
		return nil
	})
	if err != nil {
		return fmt.Errorf("note a favourite: %w", err)
	}
	key := "sheet.favourite.gone"
	if added {
		key = "sheet.favourite"
	}
	return r.Reply(ctx, private(s.say(in).T(key, "Name", escape(st.Name))))
}

func (s *Set) collectionList(_ context.Context, _ *discord.Interaction, w words.Words, _ string) (sheet, error) {
	sh := sheet{title: w.T("styles.collections")}
	for page := 1; page <= stylePages && len(sh.rows) < maxSheets; page++ {
		some := s.engine.Collections(horde.CollectionQuery{Page: page})
		for _, col := range some {
			sh.rows = append(sh.rows, "📚 **"+escape(col.Name)+"** · "+escape(col.Creator)+" · "+w.T("styles.count", "Count", len(col.Styles))+" · "+w.T("styles.uses", "Count", col.Uses))
		}
		if len(some) < horde.StylesPerPage {
			break
		}
	}
	return sh, nil
}

func (s *Set) collectionCard(_ context.Context, in *discord.Interaction, w words.Words, filter string) (sheet, error) {
	col, err := s.collectionNamed(in, filter)
	if err != nil {
		return sheet{}, err
	}
	sh := sheet{title: "📚 " + escape(col.Name), text: escape(col.Info)}
	sh.fields = field(sh.fields, w.T("sheet.owner"), escape(col.Creator))
	sh.fields = field(sh.fields, w.T("sheet.kind"), w.T("sheet.kind."+string(col.Kind)))
	sh.fields = field(sh.fields, w.T("styles.used"), w.T("styles.uses", "Count", col.Uses))
	for _, name := range col.Names {
		sh.rows = append(sh.rows, "🎨 "+escape(name))
	}
	return sh, nil
}

func (s *Set) collectionCreate(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	by, err := s.need(ctx, in)
	if err != nil {
		return err
	}
	o := in.Command.Options
	col, err := engine.Do(ctx, s.engine, horde.CreateCollection{
		By: by.ID, Name: o.String("name"), Info: o.String("info"), Public: o.Bool("public", false), Styles: splitList(o.String("styles")),
	})
	if err != nil {
		return err
	}
	return r.Reply(ctx, private(s.say(in).T("styles.collection.created", "Collection", escape(col.Name), "Count", len(col.Styles))))
}

func (s *Set) collectionEdit(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	by, err := s.need(ctx, in)
	if err != nil {
		return err
	}
	o := in.Command.Options
	col, err := s.collectionNamed(in, o.String("collection"))
	if err != nil {
		return err
	}
	change := horde.ChangeCollection{By: by.ID, ID: col.ID, Name: given(o, "name"), Info: given(o, "info"), Public: flagOf(o, "public")}
	if o.Has("styles") {
		change.Styles = append([]string{}, splitList(o.String("styles"))...)
	}
	after, err := engine.Do(ctx, s.engine, change)
	if err != nil {
		return err
	}
	return r.Reply(ctx, private(s.say(in).T("styles.collection.edited", "Collection", escape(after.Name), "Count", len(after.Styles))))
}

func (s *Set) collectionDelete(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	col, err := s.collectionNamed(in, in.Command.Options.String("collection"))
	if err != nil {
		return err
	}
	return r.Modal(ctx, s.typedName(s.say(in), verbCollection, col.ID.String(), "styles.collection.delete"))
}

// goneCollection is a collection that its person lets go.
func (s *Set) goneCollection(in *discord.Interaction, id string) (goner, error) {
	col, err := s.collectionNamed(in, id)
	return goner{col.Name, func(ctx context.Context, by horde.UserID) error {
		_, err := engine.Do(ctx, s.engine, horde.DeleteCollection{By: by, ID: col.ID})
		return err
	}, s.say(in).T("styles.collection.deleted", "Collection", escape(col.Name))}, err
}
