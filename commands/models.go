// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

const verbWith = "gw" // asks for the prompt of an image with a model, and makes it

// caller is an account whose person asked.
type caller struct{ horde.User }

func (c caller) moderates() bool { return c.Has(horde.RoleModerator) }

func (s *Set) modelsFamily() family {
	kind := discord.OptionSpec{Name: "type", Type: discord.OptionString, Choices: []discord.Choice{
		s.pick("image", "sheet.kind.image"), s.pick("text", "sheet.kind.text"),
	}}
	model := s.opt("models", discord.OptionSpec{Name: "model", Type: discord.OptionString, Required: true, Autocomplete: true, MaxLength: new(maxModel)})
	optional := model
	optional.Required = false
	whole := func(name string, most int) discord.OptionSpec {
		return s.opt("horde", discord.OptionSpec{Name: name, Type: discord.OptionInteger, Min: new(1.0), Max: new(float64(most))})
	}
	models := s.spec("models",
		s.sub("models", "list", s.opt("models", kind), s.opt("models", discord.OptionSpec{Name: "family", Type: discord.OptionString, Choices: s.modelFamilies()}),
			s.opt("models", discord.OptionSpec{Name: "search", Type: discord.OptionString, MaxLength: new(30)})),
		s.sub("models", "info", model),
		s.sub("models", "favourite", model),
	)
	hordeSpec := s.spec("horde",
		s.sub("horde", "status"),
		s.sub("horde", "performance"),
		s.sub("horde", "modes"),
		s.sub("horde", "eta", optional,
			s.opt("horde", discord.OptionSpec{Name: "size", Type: discord.OptionString, Autocomplete: true, MaxLength: new(maxModel)}),
			whole("steps", horde.MaxSteps), whole("amount", maxAmount)),
	)
	models.DMs, models.UserInstall, hordeSpec.DMs, hordeSpec.UserInstall = true, true, true, true
	return family{specs: []discord.CommandSpec{models, hordeSpec}, register: func(rt *discord.Router) {
		rt.Command("models list", discord.Route{Handle: s.answered(func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
			o := in.Command.Options
			return s.showSheet(ctx, in, r, "models", o.String("type"), o.String("family"), o.String("search"))
		}), Private: true})
		rt.Command("models info", discord.Route{Handle: s.answered(s.modelInfo), Autocomplete: s.completeAnyModel, Private: true})
		rt.Command("models favourite", discord.Route{Handle: s.answered(s.modelFavourite), Autocomplete: s.completeAnyModel, Private: true})
		for _, name := range []string{"status", "performance", "modes"} {
			rt.Command("horde "+name, discord.Route{Handle: s.answered(func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
				return s.showSheet(ctx, in, r, name)
			}), Private: true})
		}
		rt.Command("horde eta", discord.Route{Handle: s.answered(s.hordeETA), Autocomplete: s.completeAnyModel, Private: true})
		rt.Component(verbWith, discord.Route{Handle: s.answered(s.pressWith)})
		rt.Modal(verbWith, discord.Route{Handle: s.answered(s.submitWith)})
	}}
}

// modelFamilies are the choices of model families.
func (s *Set) modelFamilies() []discord.Choice {
	var out []discord.Choice
	for _, f := range []horde.Family{horde.SD1, horde.SD2, horde.SD2x512, horde.SDXL, horde.Cascade, horde.Flux, horde.Qwen, horde.ZImage} {
		out = append(out, discord.Choice{Name: familyName(f), Value: string(f)})
	}
	return out
}

// familyName is what people call a family of image models.
func familyName(f horde.Family) string {
	switch f {
	case horde.SD1:
		return "Stable Diffusion 1.5"
	case horde.SD2:
		return "Stable Diffusion 2 (768)"
	case horde.SD2x512:
		return "Stable Diffusion 2 (512)"
	case horde.SDXL:
		return "Stable Diffusion XL"
	case horde.Cascade:
		return "Stable Cascade"
	case horde.Flux:
		return "Flux"
	case horde.Qwen:
		return "Qwen-Image"
	case horde.ZImage:
		return "Z-Image Turbo"
	}
	return string(f)
}

// firsts reads what somebody wants to see first; none when that cannot be read.
func (s *Set) firsts(ctx context.Context, who string) chat.Favourites {
	f, _, err := s.liked.get(ctx, who)
	if err != nil {
		s.log.Warn().Err(err).Msg("cannot read favourites")
	}
	return f
}

func (s *Set) modelFavourite(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	name, w := in.Command.Options.String("model"), s.say(in)
	if _, ok := s.servedNamed(name); !ok {
		return tell(w.T("models.unknown", "Model", escape(name)))
	}
	added := false
	_, err := s.liked.change(ctx, in.User.ID, about{person: in.User.ID}, func(v *chat.Favourites) error {
		v.Models, added = chat.Toggle(v.Models, name)
		return nil
	})
	if err != nil {
		return fmt.Errorf("note a favourite: %w", err)
	}
	key := "sheet.favourite.gone"
	if added {
		key = "sheet.favourite"
	}
	return r.Reply(ctx, private(w.T(key, "Name", escape(name))))
}

// servedModel is a model with what it makes.
type servedModel struct {
	horde.ModelStatus
	kind horde.WorkerType
}

// allModels lists what is served or waited for, most threads first, then by name.
func (s *Set) allModels() []servedModel {
	var out []servedModel
	for _, kind := range []horde.WorkerType{horde.Dreamer, horde.Scribe} {
		for _, m := range s.engine.ModelsOf(kind) {
			out = append(out, servedModel{m, kind})
		}
	}
	slices.SortStableFunc(out, func(a, b servedModel) int {
		return cmp.Or(cmp.Compare(b.Threads, a.Threads), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// servedNamed finds a model that is served, waited for, or in the reference.
func (s *Set) servedNamed(name string) (servedModel, bool) {
	for _, m := range s.allModels() {
		if strings.EqualFold(m.Name, name) {
			return m, true
		}
	}
	if m, known := s.engine.Model(name); known {
		return servedModel{horde.ModelStatus{Name: m.Name}, horde.Dreamer}, true
	}
	return servedModel{}, false
}

// completeAnyModel suggests models, favourites first, and sizes where a size is asked for.
func (s *Set) completeAnyModel(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	typed := in.Command.Options.String(in.Command.Focused)
	if in.Command.Focused == "size" {
		return r.Autocomplete(ctx, suggestSizes(s.sizes(in.Command.Options.String("model")), typed))
	}
	liked := s.firsts(ctx, in.User.ID).Models
	var all []discord.Choice
	for _, m := range s.allModels() {
		all = append(all, discord.Choice{Name: plain(m.Name), Value: discord.Clip(m.Name, maxModel)})
	}
	return r.Autocomplete(ctx, suggest(typed, likedFirst(all, liked)))
}

// likedFirst puts the choices whose values somebody likes in front of the others, with a star.
func likedFirst(all []discord.Choice, liked []string) []discord.Choice {
	var first, rest []discord.Choice
	for _, c := range all {
		if value, ok := c.Value.(string); ok && slices.Contains(liked, value) {
			c.Name = "⭐ " + c.Name
			first = append(first, c)
		} else {
			rest = append(rest, c)
		}
	}
	return append(first, rest...)
}

func (s *Set) modelList(ctx context.Context, in *discord.Interaction, w words.Words, filter string) (sheet, error) {
	kind, fam, search := horde.WorkerType(part(filter, 0)), horde.Family(part(filter, 1)), part(filter, 2)
	liked := s.firsts(ctx, in.User.ID).Models
	sh := sheet{title: w.T("models.title")}
	for _, m := range s.allModels() {
		if kind != "" && m.kind != kind || !contains(m.Name, search) || len(sh.rows) >= maxSheets {
			continue
		}
		if fam != "" {
			if ref, _ := s.engine.Model(m.Name); m.kind != horde.Dreamer || ref.Family != fam {
				continue
			}
		}
		icon := "🖼️"
		if m.kind == horde.Scribe {
			icon = "📝"
		}
		if slices.Contains(liked, m.Name) {
			icon = "⭐"
		}
		row := icon + " **" + escape(discord.Clip(m.Name, maxModel)) + "** · " + w.T("models.row", "Threads", m.Threads, "Jobs", m.Jobs)
		if m.Threads == 0 {
			row += " · " + w.T("models.unserved")
		} else if m.ETA > 0 {
			row += " · ~" + span(time.Duration(m.ETA)*time.Second)
		}
		sh.rows = append(sh.rows, row)
	}
	return sh, nil
}

func (s *Set) modelInfo(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	return s.showSheet(ctx, in, r, "model", in.Command.Options.String("model"))
}

func (s *Set) modelCard(_ context.Context, _ *discord.Interaction, w words.Words, filter string) (sheet, error) {
	m, ok := s.servedNamed(filter)
	if !ok { // a long name that a button cut
		all := s.allModels()
		i := slices.IndexFunc(all, func(x servedModel) bool { return len(filter) > 20 && strings.HasPrefix(x.Name, filter) })
		if i < 0 {
			return sheet{}, tell(w.T("models.unknown", "Model", escape(filter)))
		}
		m = all[i]
	}
	sh := sheet{title: escape(m.Name)}
	sh.fields = field(sh.fields, w.T("models.threads"), strconv.Itoa(m.Threads))
	sh.fields = field(sh.fields, w.T("models.jobs"), strconv.Itoa(m.Jobs))
	if m.Threads > 0 {
		sh.fields = field(sh.fields, w.T("models.eta"), "~"+span(time.Duration(m.ETA)*time.Second))
	}
	serving := 0
	for _, x := range s.engine.Workers(true) {
		if slices.Contains(x.Offer.Models, m.Name) {
			serving++
		}
	}
	sh.fields = field(sh.fields, w.T("sheet.workers"), strconv.Itoa(serving))
	if m.Threads == 0 && len(m.Name) <= maxFilter {
		sh.buttons = append(sh.buttons, pickButton(w.T("models.notify"), "🔔", verbNotify, "", m.Name))
	}
	if m.kind == horde.Scribe {
		sh.fields = field(sh.fields, w.T("sheet.kind"), w.T("sheet.kind.text"))
		return sh, nil
	}
	ref, known := s.engine.Model(m.Name)
	sh.fields = field(sh.fields, w.T("models.family"), familyName(ref.Family))
	if known {
		sh.fields = field(sh.fields, w.T("models.nsfw"), mark(ref.NSFW))
		sh.fields = field(sh.fields, w.T("models.steps"), stepRange(ref.MinSteps, ref.MaxSteps))
		if ref.MaxCFG > 0 || ref.MinCFG > 0 {
			sh.fields = field(sh.fields, w.T("models.cfg"), fmt.Sprintf("%g – %g", ref.MinCFG, ref.MaxCFG))
		}
		sh.fields = field(sh.fields, w.T("models.samplers"), list(ref.Samplers, 5))
		if ref.NeedsSource || ref.Inpainting {
			sh.text = w.T("models.needssource")
		}
	}
	sh.fields = field(sh.fields, w.T("models.size"), nativeSize(ref.Family))
	if len(m.Name) <= maxFilter && !ref.NeedsSource {
		sh.buttons = append(sh.buttons, discord.Button{
			Label: w.T("models.with"), Emoji: "🎨", Style: discord.Primary, CustomID: discord.CustomID{Verb: verbWith, Arg: m.Name}.String(),
		})
	}
	return sh, nil
}

// nativeSize is the size that a family makes best; empty for models that are not known.
func nativeSize(f horde.Family) string {
	switch f {
	case horde.SD1, horde.SD2x512:
		return "512×512"
	case horde.SD2:
		return "768×768"
	case horde.SDXL, horde.Cascade, horde.Flux, horde.Qwen, horde.ZImage:
		return "1024×1024"
	}
	return ""
}

// stepRange writes a range of which either end may be open.
func stepRange(least, most int) string {
	switch {
	case least == 0 && most == 0:
		return ""
	case most == 0:
		return fmt.Sprintf("≥ %d", least)
	}
	return fmt.Sprintf("%d – %d", max(1, least), most)
}

// pressWith asks for a prompt.
func (s *Set) pressWith(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	return r.Modal(ctx, discord.Modal{
		CustomID: in.Component.CustomID, Title: discord.Clip(w.T("models.with"), discord.MaxModalTitle),
		Inputs: []discord.Input{{
			CustomID: "prompt", Label: discord.Clip(w.T("models.prompt"), discord.MaxInputLabel), Paragraph: true, Required: true, Max: maxPrompt,
		}},
	})
}

func (s *Set) submitWith(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	o := discord.OptionValues{
		"prompt": {Type: discord.OptionString, Value: in.Modal.Values["prompt"]},
		"model":  {Type: discord.OptionString, Value: in.Modal.ID.Arg},
	}
	p, err := s.read(e.say, o, e.person.Defaults)
	if err != nil {
		return err
	}
	e.fit(&p, o)
	return s.start(ctx, in, r, p, e.hidden(o))
}

func (s *Set) hordeStatus(_ context.Context, _ *discord.Interaction, w words.Words, _ string) (sheet, error) {
	p, m, st := s.engine.Performance(), s.engine.Modes(), s.bot.Stats()
	name := s.opts.HordeName
	if name == "" {
		name = "AI Horde"
	}
	sh := sheet{title: w.T("horde.status", "Name", escape(name))}
	sh.fields = field(sh.fields, "🖼️ "+w.T("sheet.kind.image"), w.T("horde.kind", "Workers", p.Workers, "Threads", p.Threads, "Jobs", p.QueuedRequests))
	sh.fields = field(sh.fields, "📝 "+w.T("sheet.kind.text"), w.T("horde.kind", "Workers", p.Scribes, "Threads", p.TextThreads, "Jobs", p.QueuedTexts))
	sh.fields = field(sh.fields, "🧪 "+w.T("sheet.kind.alchemist"), w.T("horde.kind", "Workers", p.Alchemists, "Threads", p.AlchemistThreads, "Jobs", p.QueuedForms))
	sh.fields = field(sh.fields, w.T("horde.modes"), sayModes(w, m))
	sh.fields = field(sh.fields, w.T("horde.answers"), st.AckMean.Round(time.Millisecond).String())
	sh.fields = field(sh.fields, w.T("horde.connection"), mark(st.Connected && s.engine.Ready())+" "+strconv.Itoa(st.ShardsUp)+" / "+strconv.Itoa(st.Shards))
	return sh, nil
}

// sayModes names the modes that are on.
func sayModes(w words.Words, m horde.Modes) string {
	var on []string
	for _, x := range []struct {
		on  bool
		key string
	}{{m.Maintenance, "horde.maintenance"}, {m.InviteOnly, "horde.invite"}, {m.Raid, "horde.raid"}} {
		if x.on {
			on = append(on, w.T(x.key))
		}
	}
	if len(on) == 0 {
		return w.T("horde.normal")
	}
	return strings.Join(on, ", ")
}

func (s *Set) hordePerformance(_ context.Context, _ *discord.Interaction, w words.Words, _ string) (sheet, error) {
	p := s.engine.Performance()
	sh := sheet{title: w.T("horde.performance")}
	sh.fields = field(sh.fields, w.T("horde.queue.images"), fmt.Sprintf("%d · %s px", p.QueuedRequests, cutShort(float64(p.QueuedThings))))
	sh.fields = field(sh.fields, w.T("horde.queue.texts"), fmt.Sprintf("%d · %s", p.QueuedTexts, w.T("horde.tokens", "N", cutShort(float64(p.QueuedTokens)))))
	sh.fields = field(sh.fields, w.T("horde.queue.forms"), strconv.Itoa(p.QueuedForms))
	sh.fields = field(sh.fields, w.T("horde.minute.images"), cutShort(float64(p.PastMinuteThings))+" px")
	sh.fields = field(sh.fields, w.T("horde.minute.texts"), w.T("horde.tokens", "N", cutShort(float64(p.PastMinuteTokens))))
	sh.fields = field(sh.fields, w.T("sheet.workers"), fmt.Sprintf("🖼️ %d · 📝 %d · 🧪 %d", p.Workers, p.Scribes, p.Alchemists))
	return sh, nil
}

func (s *Set) hordeModes(_ context.Context, _ *discord.Interaction, w words.Words, _ string) (sheet, error) {
	m := s.engine.Modes()
	return sheet{title: w.T("horde.modes"), rows: []string{
		mark(m.Maintenance) + " **" + w.T("horde.maintenance") + "** – " + w.T("horde.maintenance.what"),
		mark(m.InviteOnly) + " **" + w.T("horde.invite") + "** – " + w.T("horde.invite.what"),
		mark(m.Raid) + " **" + w.T("horde.raid") + "** – " + w.T("horde.raid.what"),
	}}, nil
}

// hordeETA says how long an image would take, and what it would cost, without asking for it.
func (s *Set) hordeETA(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, o := s.say(in), in.Command.Options
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	values := discord.OptionValues{"prompt": {Type: discord.OptionString, Value: "a horse"}}
	maps.Copy(values, o)
	p, err := s.read(e.say, values, e.person.Defaults)
	if err != nil {
		return err
	}
	e.fit(&p, values)
	var best *horde.ModelStatus
	for _, m := range s.engine.Models() {
		if m.Threads > 0 && (p.Model == "" || strings.EqualFold(m.Name, p.Model)) && (best == nil || m.ETA < best.ETA) {
			best = &m
		}
	}
	name := p.Model
	if name == "" {
		name = w.T("horde.anymodel")
	}
	title := w.T("horde.eta", "Model", escape(name), "Width", p.Width, "Height", p.Height, "Steps", p.Steps, "Amount", p.Amount)
	if best == nil {
		return r.Reply(ctx, private(lines(title, w.T("models.unserved"))))
	}
	if u, ok := s.find(in.User.ID); ok {
		p.User = u.ID
	}
	from, err := originOf(in.GuildID, in.User.ID)
	if err != nil {
		return err
	}
	try := p.newImage("", from)
	try.DryRun = true
	price := ""
	if asked, err := engine.Do(ctx, s.engine, horde.Enqueue{NewImage: try}); err == nil {
		price = w.T("horde.price", "Kudos", asked.Kudos.String())
	}
	own := float64(try.Image.Things()) * float64(p.Amount) / max(1, best.Speed*float64(min(best.Threads, p.Amount)))
	wait := time.Duration(best.ETA) * time.Second
	return r.Reply(ctx, private(lines(title,
		w.T("horde.eta.time", "Wait", span(wait), "Own", span(time.Duration(own*float64(time.Second))), "When", stamp(s.now().Add(wait+time.Duration(own*float64(time.Second))))), price)))
}
