// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
)

// styleRoutes are the paths of styles and collections.
func styleRoutes() map[string][]endpoint {
	// Limits of the contract: generous for image styles' lists and collections, tight for single image styles and text
	// styles' lists.
	wide := []limit{perCall(90, minute).relaxedTo(300), perCall(2, second).relaxedTo(10)}
	tight := []limit{perCall(20, hour), perCall(2, second).relaxedTo(10)}
	named := []limit{byDefault()}
	image := func(f func(*Server, *call, horde.StyleKind) error) func(*Server, *call) error {
		return func(s *Server, c *call) error { return f(s, c, horde.StyleImage) }
	}
	text := func(f func(*Server, *call, horde.StyleKind) error) func(*Server, *call) error {
		return func(s *Server, c *call) error { return f(s, c, horde.StyleText) }
	}
	return map[string][]endpoint{
		"/styles/image": {
			{http.MethodGet, wide, image((*Server).listStyles)}, {http.MethodPost, wide, image((*Server).createStyle)},
		},
		"/styles/image/{style_id}": {
			{http.MethodGet, tight, image((*Server).showStyle)},
			{http.MethodPatch, tight, image((*Server).changeStyle)},
			{http.MethodDelete, tight, image((*Server).deleteStyle)},
		},
		"/styles/image_by_name/{style_name}": {{http.MethodGet, named, image((*Server).showStyleNamed)}},
		"/styles/image/{style_id}/example":   {{http.MethodPost, wide, (*Server).addExample}},
		"/styles/image/{style_id}/example/{example_id}": {
			{http.MethodPatch, named, (*Server).changeExample}, {http.MethodDelete, named, (*Server).deleteExample},
		},
		"/styles/text": {
			{http.MethodGet, tight, text((*Server).listStyles)}, {http.MethodPost, tight, text((*Server).createStyle)},
		},
		"/styles/text/{style_id}": {
			{http.MethodGet, wide, text((*Server).showStyle)},
			{http.MethodPatch, wide, text((*Server).changeStyle)},
			{http.MethodDelete, wide, text((*Server).deleteStyle)},
		},
		"/styles/text_by_name/{style_name}": {{http.MethodGet, named, text((*Server).showStyleNamed)}},
		"/collections": {
			{http.MethodGet, wide, (*Server).listCollections}, {http.MethodPost, wide, (*Server).createCollection},
		},
		"/collections/{collection_id}": {
			{http.MethodGet, wide, (*Server).showCollection},
			{http.MethodPatch, wide, (*Server).changeCollection},
			{http.MethodDelete, wide, (*Server).deleteCollection},
		},
		"/collection_by_name/{collection_name}": {{http.MethodGet, named, (*Server).showCollectionNamed}},
	}
}

// styleSchemas are the bodies of styles, examples and collections.
type styleSchemas struct {
	image, imagePatch, text, textPatch, example, examplePatch, collection *schema
}

func newStyleSchemas() styleSchemas {
	return styleSchemas{
		image: styleBody(imageStyleParams(), 10, 7, "name"), imagePatch: styleBody(imageStyleParams(), 1, 7),
		text: styleBody(textStyleParams(), 10, 3, "name"), textPatch: styleBody(textStyleParams(), 1, 3),
		// What is no https:// address the rules refuse, with their own code.
		example:      shape(map[string]*schema{"url": text(), "primary": truth()}, "url", "primary"),
		examplePatch: shape(map[string]*schema{"url": text(), "primary": truth()}),
		collection: shape(map[string]*schema{
			"name":   text().length(1, horde.MaxStyleName),
			"info":   text().length(1, horde.MaxStyleInfo),
			"public": truth(),
			"styles": list(text().length(1, maxStyleAddress)).atMost(maxCollectedSent),
		}),
	}
}

// Bounds of bodies that the contract leaves open.
const (
	maxStyleAddress   = 1024
	maxCollectedSent  = 1000 // the rules allow fewer, and say so
	maxStyleTextsSent = 1000
)

func styleBody(params *schema, infoLeast, promptLeast int, required ...string) *schema {
	return shape(map[string]*schema{
		"name":      text().length(1, horde.MaxStyleName),
		"info":      text().length(infoLeast, horde.MaxStyleInfo),
		"prompt":    text().length(promptLeast, 0),
		"params":    params,
		"public":    truth(),
		"nsfw":      truth(),
		"tags":      list(text().length(1, horde.MaxStyleTag)).atMost(maxStyleTextsSent),
		"models":    list(text().length(1, maxModelName)).atMost(maxStyleTextsSent),
		"sharedkey": text().length(36, 36),
	}, required...)
}

// imageStyleParams are those of requests without what only a request has.
func imageStyleParams() *schema {
	fields := maps.Clone(generateBody().fields["params"].fields)
	for _, name := range []string{
		"n", "seed", "seed_variation", "control_type", "image_is_control", "return_control_map", "extra_texts",
	} {
		delete(fields, name)
	}
	return shape(fields)
}

// textStyleParams are those of requests without how many and how long.
func textStyleParams() *schema {
	return shape(map[string]*schema{
		"rep_pen":                 number().between(1, 3),
		"rep_pen_range":           integer().between(0, 4096),
		"rep_pen_slope":           number().between(0, 10),
		"temperature":             number().between(0, 5),
		"tfs":                     number().between(0, 1),
		"top_a":                   number().between(0, 1),
		"top_k":                   integer().between(0, 200),
		"top_p":                   number().between(0.001, 1),
		"typical":                 number().between(0, 1),
		"min_p":                   number().between(0, 1),
		"smoothing_factor":        number().between(0, 10),
		"dynatemp_range":          number().between(0, 5),
		"dynatemp_exponent":       number().between(0, 5),
		"sampler_order":           list(integer().between(0, 100)).atMost(100),
		"stop_sequence":           list(text()).atMost(maxStyleTextsSent),
		"use_default_badwordsids": truth(),
		"singleline":              truth(),
		"frmtadsnsp":              truth(),
		"frmtrmblln":              truth(),
		"frmtrmspch":              truth(),
		"frmttriminc":             truth(),
	})
}

// chooseStyle finds the style that a request names; it is nil without one.
func (s *Server) chooseStyle(c *call, body object, kind horde.StyleKind) (*horde.StyleChoice, error) {
	if !body.has("style") {
		return nil, nil //nolint:nilnil // no style is an answer
	}
	choice, err := do(s, c, horde.ChooseStyle{Name: body.text("style", ""), Kind: kind})
	if err != nil {
		return nil, err
	}
	return &choice, nil
}

// unstyled is a body without what a style replaces. How many images and, unless the style says it, their size stay; so
// do the texts that a style's workflow needs from its user.
func unstyled(body object, style *horde.StyleChoice) object {
	out, params := maps.Clone(body), make(map[string]any)
	keep := []string{"n", "width", "height"}
	if style.Image != nil && style.Image.Workflow != "" {
		keep = append(keep, "extra_texts")
	}
	for _, name := range keep {
		if v, there := body.object("params")[name]; there {
			params[name] = v
		}
	}
	out["params"] = params
	delete(out, "models")
	return out
}

// listPage reads the query of a list: its order and page.
func listPage(c *call) (horde.StyleSort, int, error) {
	query := c.r.URL.Query()
	page := 1
	if text := query.Get("page"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, 0, missing("page", show(text)+" is not an integer")
		}
		page = max(1, n)
	}
	switch query.Get("sort") {
	case "", "popular":
		return horde.SortPopular, page, nil
	case "age":
		return horde.SortAge, page, nil
	}
	return 0, 0, horde.Refuse(horde.CodeBadRequest, "The order %s is neither popular nor age.", show(query.Get("sort")))
}

// listStyles is GET /styles/image and /styles/text: the public ones.
func (s *Server) listStyles(c *call, kind horde.StyleKind) error {
	order, page, err := listPage(c)
	if err != nil {
		return err
	}
	query := c.r.URL.Query()
	found := s.deps.Engine.Styles(horde.StyleQuery{Kind: kind, Sort: order, Page: page, Tag: query.Get("tag"), Model: query.Get("model")})
	rows := make([]any, 0, len(found))
	for i := range found {
		rows = append(rows, s.styleOf(&found[i]))
	}
	return c.reply(http.StatusOK, rows)
}

// showStyle is GET /styles/image/{style_id} and its twin.
func (s *Server) showStyle(c *call, kind horde.StyleKind) error {
	unknown := horde.CodeImageStyleNotFound
	if kind == horde.StyleText {
		unknown = horde.CodeTextStyleNotFound
	}
	id, err := c.styleID(unknown)
	if err != nil {
		return err
	}
	v, ok := s.deps.Engine.Style(id)
	if !ok {
		return horde.Refuse(unknown, "Style with ID %s not found.", id)
	}
	return s.replyStyle(c, &v, kind)
}

// showStyleNamed is GET /styles/image_by_name/{style_name} and its twin.
func (s *Server) showStyleNamed(c *call, kind horde.StyleKind) error {
	name := c.r.PathValue("style_name")
	v, ok := s.deps.Engine.StyleNamed(name, kind)
	if !ok {
		return horde.Refuse(horde.CodeStyleNotFound, "Style with name %s not found.", show(name))
	}
	return s.replyStyle(c, &v, kind)
}

func (s *Server) replyStyle(c *call, v *horde.StyleView, kind horde.StyleKind) error {
	if v.Kind != kind {
		return horde.Refuse(horde.CodeBadRequest, "This is a style for %s requests.", v.Kind)
	}
	return c.reply(http.StatusOK, s.styleOf(v))
}

// styleID reads the path's style. What is no UUID is simply not found.
func (c *call) styleID(unknown horde.Code) (horde.StyleID, error) {
	text := c.r.PathValue("style_id")
	id, err := horde.ParseUUID(text)
	if err != nil {
		return horde.StyleID{}, horde.Refuse(unknown, "Style with ID %s not found.", show(text))
	}
	return horde.StyleID{UUID: id}, nil
}

// createStyle is POST /styles/image and /styles/text.
func (s *Server) createStyle(c *call, kind horde.StyleKind) error {
	sch := s.schemas.styles.image
	if kind == horde.StyleText {
		sch = s.schemas.styles.text
	}
	body, err := s.body(c, MaxBody, sch)
	if err != nil {
		return err
	}
	u, err := s.styler(c, body, true)
	if err != nil {
		return err
	}
	op := horde.CreateStyle{By: u.ID, StyleDraft: horde.StyleDraft{
		Kind: kind, Name: body.text("name", ""), Info: body.text("info", ""), Prompt: body.text("prompt", ""),
		Models: body.texts("models"), Tags: body.texts("tags"), Public: body.truth("public", true),
		NSFW: body.truth("nsfw", false), SharedKey: body.text("sharedkey", ""),
	}}
	op.Image, op.Text = paramsOfStyle(kind, body)
	st, err := do(s, c, op)
	if err != nil {
		return err
	}
	return c.replyChanged(st.ID.String(), kind == horde.StyleImage)
}

// changeStyle is PATCH /styles/image/{style_id} and its twin. What is not sent stays.
func (s *Server) changeStyle(c *call, kind horde.StyleKind) error {
	sch := s.schemas.styles.imagePatch
	if kind == horde.StyleText {
		sch = s.schemas.styles.textPatch
	}
	body, err := s.body(c, MaxBody, sch)
	if err != nil {
		return err
	}
	u, err := s.styler(c, body, false)
	if err != nil {
		return err
	}
	id, err := c.styleID(horde.CodeStyleNotFound)
	if err != nil {
		return err
	}
	op := horde.ChangeStyle{
		By: u.ID, ID: id, Kind: kind, Name: body.given("name"), Info: body.given("info"), Prompt: body.given("prompt"),
		Models: body.texts("models"), Tags: body.texts("tags"), Public: body.givenTruth("public"),
		NSFW: body.givenTruth("nsfw"), SharedKey: body.given("sharedkey"),
	}
	if body.has("params") {
		op.Image, op.Text = paramsOfStyle(kind, body)
	}
	st, err := do(s, c, op)
	if err != nil {
		return err
	}
	return c.replyChanged(st.ID.String(), kind == horde.StyleImage)
}

// styler holds the counts of a style's body against their bounds, and then asks whose key it is, in the order of the
// contract.
func (s *Server) styler(c *call, body object, whole bool) (horde.User, error) {
	if _, sent := c.key(); !sent {
		return s.caller(c)
	}
	models := body.texts("models")
	if !whole && !body.has("models") {
		models = []string{""} // those it has stay
	}
	if err := horde.CheckStyleCounts(models, body.texts("tags")); err != nil {
		return horde.User{}, err
	}
	u, err := s.caller(c)
	switch {
	case err != nil:
		return horde.User{}, err
	case nul(body):
		return horde.User{}, horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	return u, nil
}

// deleteStyle is DELETE /styles/image/{style_id} and its twin.
func (s *Server) deleteStyle(c *call, kind horde.StyleKind) error {
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	id, err := c.styleID(horde.CodeStyleNotFound)
	if err != nil && u.ID != horde.Anonymous {
		return err
	}
	if _, err := do(s, c, horde.DeleteStyle{By: u.ID, ID: id, Kind: kind}); err != nil {
		return err
	}
	return c.reply(http.StatusOK, wire.StyleDone{Message: "OK"})
}

// addExample is POST /styles/image/{style_id}/example.
func (s *Server) addExample(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.styles.example)
	if err != nil {
		return err
	}
	u, id, err := s.exampler(c, body)
	if err != nil {
		return err
	}
	ex, err := do(s, c, horde.AddExample{By: u.ID, Style: id, URL: body.text("url", ""), Primary: body.truth("primary", false)})
	if err != nil {
		return err
	}
	return c.replyChanged(ex.ID.String(), true)
}

// exampler reads who acts on the examples of which style. A wrong address is refused before anything is looked up.
func (s *Server) exampler(c *call, body object) (horde.User, horde.StyleID, error) {
	if _, sent := c.key(); sent && body.has("url") {
		if err := horde.CheckExampleURL(body.text("url", "")); err != nil {
			return horde.User{}, horde.StyleID{}, err
		}
	}
	u, err := s.caller(c)
	if err != nil {
		return horde.User{}, horde.StyleID{}, err
	}
	id, err := c.styleID(horde.CodeStyleNotFound)
	return u, id, err
}

// changeExample is PATCH /styles/image/{style_id}/example/{example_id}. What is not sent stays.
func (s *Server) changeExample(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.styles.examplePatch)
	if err != nil {
		return err
	}
	u, id, err := s.exampler(c, body)
	if err != nil {
		return err
	}
	ex, err := do(s, c, horde.ChangeExample{
		By: u.ID, Style: id, Example: c.exampleID(), URL: body.given("url"), Primary: body.givenTruth("primary"),
	})
	if err != nil {
		return err
	}
	return c.replyChanged(ex.ID.String(), true)
}

// deleteExample is DELETE /styles/image/{style_id}/example/{example_id}.
func (s *Server) deleteExample(c *call) error {
	u, id, err := s.exampler(c, nil)
	if err != nil {
		return err
	}
	if _, err := do(s, c, horde.DeleteExample{By: u.ID, Style: id, Example: c.exampleID()}); err != nil {
		return err
	}
	return c.reply(http.StatusOK, wire.StyleDone{Message: "OK"})
}

// exampleID reads the path's example. What is no UUID becomes one that nothing has.
func (c *call) exampleID() horde.ExampleID {
	id, _ := horde.ParseUUID(c.r.PathValue("example_id"))
	return horde.ExampleID{UUID: id}
}

// replyChanged answers what makes or changes something. Styles for texts never had warnings.
func (c *call) replyChanged(id string, warnings bool) error {
	answer := wire.StyleChanged{ID: id, Message: "OK"}
	if warnings {
		answer.Warnings = []wire.Warning{}
	}
	return c.reply(http.StatusOK, answer)
}

// given is a text that was sent, or nil.
func (o object) given(name string) *string {
	if t, ok := o[name].(string); ok {
		return &t
	}
	return nil
}

func (o object) givenTruth(name string) *bool {
	if b, ok := o[name].(bool); ok {
		return &b
	}
	return nil
}

func (o object) givenNumber(name string) *float64 {
	if _, ok := o[name].(json.Number); !ok {
		return nil
	}
	n := o.number(name, 0)
	return &n
}

func (o object) givenInteger(name string) *int {
	if _, ok := o[name].(json.Number); !ok {
		return nil
	}
	n := int(o.integer(name, 0))
	return &n
}

// paramsOfStyle reads what a style sets.
func paramsOfStyle(kind horde.StyleKind, body object) (*horde.ImageStyle, *horde.TextSettings) {
	p := body.object("params")
	if kind == horde.StyleText {
		t := &horde.TextSettings{
			RepPen: p.givenNumber("rep_pen"), RepPenRange: p.givenInteger("rep_pen_range"), RepPenSlope: p.givenNumber("rep_pen_slope"),
			Temperature: p.givenNumber("temperature"), TFS: p.givenNumber("tfs"), TopA: p.givenNumber("top_a"),
			TopK: p.givenInteger("top_k"), TopP: p.givenNumber("top_p"), Typical: p.givenNumber("typical"), MinP: p.givenNumber("min_p"),
			SmoothingFactor: p.givenNumber("smoothing_factor"), DynatempRange: p.givenNumber("dynatemp_range"),
			DynatempExponent: p.givenNumber("dynatemp_exponent"), StopSequence: p.texts("stop_sequence"),
			DefaultBadWords: p.givenTruth("use_default_badwordsids"), SingleLine: p.givenTruth("singleline"),
			FormatAddSpace: p.givenTruth("frmtadsnsp"), FormatBlankLines: p.givenTruth("frmtrmblln"),
			FormatRemoveSpeech: p.givenTruth("frmtrmspch"), FormatTrim: p.givenTruth("frmttriminc"),
		}
		if order, ok := p["sampler_order"].([]any); ok {
			t.SamplerOrder = []int{}
			for i := range order {
				t.SamplerOrder = append(t.SamplerOrder, int(object{"x": order[i]}.integer("x", 0)))
			}
		}
		return nil, t
	}
	made := imageOf(nil, p) // reads the lists
	return &horde.ImageStyle{
		Sampler: p.text("sampler_name", ""), CFG: p.givenNumber("cfg_scale"), Denoising: p.givenNumber("denoising_strength"),
		HiresDenoising: p.givenNumber("hires_fix_denoising_strength"), Height: int(p.integer("height", 0)),
		Width: int(p.integer("width", 0)), Steps: int(p.integer("steps", 0)), Karras: p.givenTruth("karras"),
		Tiling: p.givenTruth("tiling"), HiresFix: p.givenTruth("hires_fix"), Transparent: p.givenTruth("transparent"),
		ClipSkip: int(p.integer("clip_skip", 0)), FaceFixer: p.givenNumber("facefixer_strength"),
		Post: made.Post, Loras: made.Loras, TIs: made.TIs, Workflow: made.Workflow, Special: made.Special,
	}, nil
}

// styleOf is a style as the contract shows it.
func (s *Server) styleOf(v *horde.StyleView) any {
	if v.Kind == horde.StyleText {
		return wire.TextStyle{
			ID: v.ID.String(), UseCount: v.Uses, Creator: v.Creator, Name: v.Name, Info: v.Info, Prompt: v.Prompt,
			Public: v.Public, NSFW: v.NSFW, Tags: filled(v.Tags), Models: filled(v.Models), Params: textParamsOf(v.Text),
		}
	}
	out := wire.ImageStyle{
		ID: v.ID.String(), UseCount: v.Uses, Creator: v.Creator, Name: v.Name, Info: v.Info, Prompt: v.Prompt,
		Public: v.Public, NSFW: v.NSFW, Tags: filled(v.Tags), Models: filled(v.Models), Params: imageParamsOf(v.Image),
		Examples: make([]wire.StyleExample, 0, len(v.Examples)),
	}
	if id, err := horde.ParseUUID(v.SharedKey); err == nil {
		if k, owner, ok := s.deps.Engine.SharedKey(horde.SharedKeyID{UUID: id}); ok {
			out.SharedKey = sharedKeyOf(&k, &owner)
		}
	}
	for _, ex := range v.Examples {
		out.Examples = append(out.Examples, wire.StyleExample{ID: ex.ID.String(), URL: ex.URL, Primary: ex.Primary})
	}
	return out
}

// filled turns a missing list into an empty one.
func filled(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func imageParamsOf(p *horde.ImageStyle) *wire.StyleImageParams {
	if p == nil {
		return nil
	}
	out := wire.StyleImageParams{
		Sampler: p.Sampler, CFGScale: floatOf(p.CFG), DenoisingStrength: floatOf(p.Denoising),
		HiresFixDenoising: floatOf(p.HiresDenoising), Height: p.Height, Width: p.Width, Steps: p.Steps, Karras: p.Karras,
		Tiling: p.Tiling, HiresFix: p.HiresFix, Transparent: p.Transparent, ClipSkip: p.ClipSkip,
		FacefixerStrength: floatOf(p.FaceFixer), PostProcessing: p.Post,
		Workflow: p.Workflow, Special: p.Special,
	}
	for _, l := range p.Loras {
		out.Loras = append(out.Loras, wire.Lora{
			Name: l.Name, Model: wire.Float(l.Model), Clip: wire.Float(l.Clip), InjectTrigger: l.InjectTrigger, IsVersion: l.IsVersion,
		})
	}
	for _, ti := range p.TIs {
		out.TextualInversions = append(out.TextualInversions, wire.TI{Name: ti.Name, InjectTI: ti.InjectTI, Strength: wire.Float(ti.Strength)})
	}
	if text, err := json.Marshal(out); err == nil && string(text) == "{}" {
		return nil
	}
	return &out
}

func textParamsOf(p *horde.TextSettings) wire.StyleTextParams {
	p = cmp.Or(p, &horde.TextSettings{})
	return wire.StyleTextParams{
		RepPen: floatOf(p.RepPen), RepPenRange: p.RepPenRange, RepPenSlope: floatOf(p.RepPenSlope), Temperature: floatOf(p.Temperature),
		TFS: floatOf(p.TFS), TopA: floatOf(p.TopA), TopK: p.TopK, TopP: floatOf(p.TopP), Typical: floatOf(p.Typical),
		MinP: floatOr(p.MinP, 0), SmoothingFactor: floatOr(p.SmoothingFactor, 0), DynatempRange: floatOr(p.DynatempRange, 0),
		DynatempExponent: floatOr(p.DynatempExponent, 1), SamplerOrder: p.SamplerOrder, StopSequence: p.StopSequence,
		UseDefaultBadWordsIDs: p.DefaultBadWords, SingleLine: p.SingleLine, AddSentenceSpace: p.FormatAddSpace,
		RemoveBlankLines: p.FormatBlankLines, RemoveSpecial: p.FormatRemoveSpeech, TrimIncomplete: p.FormatTrim,
	}
}

func floatOf(f *float64) *wire.Float { return (*wire.Float)(f) }

func floatOr(f *float64, otherwise float64) *wire.Float { return floatOf(cmp.Or(f, &otherwise)) }

// userStyles lists a person's styles for their account: private ones only for who may see them.
func (s *Server) userStyles(u horde.UserID, see privilege) []wire.UserStyle {
	out := []wire.UserStyle{}
	for _, v := range s.deps.Engine.StylesOf(u) {
		if v.Public || see >= self {
			out = append(out, wire.UserStyle{Type: string(v.Kind), Name: v.FullName(), ID: v.ID.String()})
		}
	}
	return out
}
