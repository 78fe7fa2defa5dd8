// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"stablemate/horde/kudos"
)

// Return codes of styles and collections. The spaces are the protocol's own.
const (
	CodeStyleNotFound            Code = "StyleNotFound"
	CodeImageStyleNotFound       Code = "Image styleNotFound"
	CodeTextStyleNotFound        Code = "Text styleNotFound"
	CodeStyleExampleNotFound     Code = "Style exampleNotFound"
	CodeCollectionNotFound       Code = "CollectionNotFound"
	CodeStylesAnonForbidden      Code = "StylesAnonForbidden"
	CodeStylesRequiresCustomizer Code = "StylesRequiresCustomizer"
)

// Bounds of styles and collections. Names and infos are counted in characters.
const (
	MaxStyleName       = 100
	MaxStyleInfo       = 1000
	MaxStyleModels     = 5
	MaxStyleModelBytes = 255
	MaxStyleTags       = 10
	MaxStyleTag        = 25
	MaxStyleExamples   = 4
	MaxExampleURL      = 2048 // bytes
	MaxStylesPerUser   = 500  // our own bounds: one account cannot fill the horde's memory
	MaxCollections     = 100  // per account
	MaxCollected       = 100  // styles in a collection
	StylesPerPage      = 25   // of styles and of collections
)

// Kinds of records that styles and collections are kept as.
const (
	KindStyle      RecordKind = "style"
	KindCollection RecordKind = "collection"
)

// StyleKind says what a style is for. The names are stored and are the API's.
type StyleKind string

// Kinds of styles.
const (
	StyleImage StyleKind = "image"
	StyleText  StyleKind = "text"
)

// Placeholders of a style's prompt.
const (
	placePositive = "{p}"
	placeNegative = "{np}"
	splitNegative = "###"
)

// DefaultStylePrompt is the prompt of a style that is made without one.
const DefaultStylePrompt = placePositive + placeNegative

// Identifiers of styles and what belongs to them.
type (
	// StyleID names a style.
	StyleID struct{ UUID }
	// ExampleID names an example of a style.
	ExampleID struct{ UUID }
	// CollectionID names a collection.
	CollectionID struct{ UUID }
)

// ImageStyle holds the parameters that an image style sets; nil, empty and zero ones it leaves to the defaults.
// The JSON names are the API's, and are stored.
type ImageStyle struct {
	Sampler        string   `json:"sampler_name,omitempty"`
	CFG            *float64 `json:"cfg_scale,omitempty"`
	Denoising      *float64 `json:"denoising_strength,omitempty"`
	HiresDenoising *float64 `json:"hires_fix_denoising_strength,omitempty"`
	Height         int      `json:"height,omitempty"`
	Width          int      `json:"width,omitempty"`
	Steps          int      `json:"steps,omitempty"`
	Karras         *bool    `json:"karras,omitempty"`
	Tiling         *bool    `json:"tiling,omitempty"`
	HiresFix       *bool    `json:"hires_fix,omitempty"`
	Transparent    *bool    `json:"transparent,omitempty"`
	ClipSkip       int      `json:"clip_skip,omitempty"`
	FaceFixer      *float64 `json:"facefixer_strength,omitempty"`
	Post           []string `json:"post_processing,omitempty"`
	Loras          []Lora   `json:"loras,omitempty"`
	TIs            []TI     `json:"tis,omitempty"`

	Workflow string          `json:"workflow,omitempty"`
	Special  json.RawMessage `json:"special,omitempty"`
}

// Example is a picture that shows what an image style does. It lies somewhere else; the horde only knows its address.
type Example struct {
	ID      ExampleID `json:"id"`
	URL     string    `json:"url"`
	Primary bool      `json:"primary,omitempty"`
}

// Style is a prompt with places for what a person asks for, and the models and parameters that go with it.
type Style struct {
	ID        StyleID       `json:"id"`
	Owner     UserID        `json:"owner"`
	Kind      StyleKind     `json:"kind"`
	Created   time.Time     `json:"created"`
	Name      string        `json:"name"` // unique among its owner's styles
	Info      string        `json:"info,omitempty"`
	Prompt    string        `json:"prompt"`
	Image     *ImageStyle   `json:"image,omitempty"` // of image styles
	Text      *TextSettings `json:"text,omitempty"`  // of text styles
	Models    []string      `json:"models"`
	Tags      []string      `json:"tags"`
	Public    bool          `json:"public,omitempty"` // in the lists; who knows its name or ID finds any
	NSFW      bool          `json:"nsfw,omitempty"`
	SharedKey string        `json:"shared_key,omitempty"`
	Examples  []Example     `json:"examples,omitempty"` // of image styles; one of them is primary
	Uses      int64         `json:"uses,omitempty"`
}

// copy shares what never changes in place: parameters are replaced as a whole.
func (st *Style) copy() Style {
	out := *st
	out.Models, out.Tags, out.Examples = slices.Clone(st.Models), slices.Clone(st.Tags), slices.Clone(st.Examples)
	return out
}

// StyleView is a style as doors show it.
type StyleView struct {
	Style
	Creator string // alias of its owner
}

// FullName is the address that finds exactly this style.
func (v *StyleView) FullName() string { return v.Creator + "::style::" + v.Name }

// AppliedStyle says which style a request was made with. It is kept with the request.
type AppliedStyle struct {
	Style      StyleID      `json:"style"`
	Owner      UserID       `json:"owner"`
	Collection CollectionID `json:"collection,omitzero"` // that the style was drawn from
}

// StyleChoice is a style that was found, or drawn from a collection, for a request. Nobody changes it.
type StyleChoice struct {
	Style
	Collection CollectionID // zero without one
}

// Applied is what a request keeps of the choice.
func (ch *StyleChoice) Applied() *AppliedStyle {
	return &AppliedStyle{Style: ch.ID, Owner: ch.Owner, Collection: ch.Collection}
}

// Fill puts a person's prompt into the style's. For images what follows ### is the negative part: it goes where the
// style wants it, and behind ### when the style has none of its own. The whole prompt of a text request is its
// positive part, since there ### is ordinary text.
func (st *Style) Fill(prompt string) string {
	if st.Kind == StyleText {
		return strings.NewReplacer(placePositive, prompt, placeNegative, "").Replace(st.Prompt)
	}
	positive, negative, _ := strings.Cut(prompt, splitNegative)
	if strings.TrimSpace(negative) == "" {
		negative = ""
	}
	if negative != "" && !strings.Contains(st.Prompt, splitNegative) {
		negative = splitNegative + negative
	}
	out := strings.NewReplacer(placePositive, positive, placeNegative, negative).Replace(st.Prompt)
	if head, tail, split := strings.Cut(out, splitNegative); split && strings.TrimSpace(tail) == "" {
		out = strings.TrimRight(head, " ")
	}
	return out
}

// ApplyImageStyle makes a request in a style. The request comes with its prompt, n, size and the door's defaults for
// all other parameters: what the style sets replaces them, and its models replace those asked for.
func ApplyImageStyle(ch *StyleChoice, n *NewImage) {
	i := &n.Image
	i.Prompt, i.Style = ch.Fill(i.Prompt), ch.Applied()
	n.Models = slices.Clone(ch.Models)
	p := ch.Image
	if p == nil {
		return
	}
	i.Sampler = cmp.Or(p.Sampler, i.Sampler)
	i.Height, i.Width, i.Steps = cmp.Or(p.Height, i.Height), cmp.Or(p.Width, i.Width), cmp.Or(p.Steps, i.Steps)
	i.ClipSkip = cmp.Or(p.ClipSkip, i.ClipSkip)
	replace(&i.CFG, p.CFG)
	replace(&i.Denoising, p.Denoising)
	replace(&i.HiresDenoising, p.HiresDenoising)
	replace(&i.FaceFixer, p.FaceFixer)
	replace(&i.Karras, p.Karras)
	replace(&i.Tiling, p.Tiling)
	replace(&i.HiresFix, p.HiresFix)
	replace(&i.Transparent, p.Transparent)
	if p.Post != nil {
		i.Post = slices.Clone(p.Post)
	}
	if p.Loras != nil {
		i.Loras = slices.Clone(p.Loras)
	}
	if p.TIs != nil {
		i.TIs = slices.Clone(p.TIs)
	}
	i.Workflow = cmp.Or(p.Workflow, i.Workflow)
	if p.Special != nil {
		i.Special = p.Special
	}
}

// ApplyTextStyle makes a text request in a style. The request comes with its prompt and its lengths: the style's
// settings replace all of the request's, and its models replace those asked for.
func ApplyTextStyle(ch *StyleChoice, t *Text, models *[]string) {
	t.Prompt, t.Style = ch.Fill(t.Prompt), ch.Applied()
	*models = slices.Clone(ch.Models)
	t.Settings = TextSettings{}
	if ch.Text != nil {
		t.Settings = *ch.Text
	}
}

// replace sets a value that somebody gave.
func replace[V any](to *V, given *V) {
	if given != nil {
		*to = *given
	}
}

// styleRack finds styles and collections without looking through all of them.
type styleRack struct {
	named     map[string][]StyleID
	byOwner   map[UserID][]StyleID
	colNamed  map[string][]CollectionID
	colOwners map[UserID]int
}

func newStyleRack() styleRack {
	return styleRack{
		named: make(map[string][]StyleID), byOwner: make(map[UserID][]StyleID),
		colNamed: make(map[string][]CollectionID), colOwners: make(map[UserID]int),
	}
}

// arrangeStyles fills the rack from the books.
func (s *State) arrangeStyles() error {
	for _, id := range s.styles.ids() {
		s.shelve(s.styles.pages[id])
	}
	for _, id := range s.collections.ids() {
		col := s.collections.pages[id]
		for _, style := range col.Styles {
			if _, ok := s.styles.pages[style.String()]; !ok {
				return fmt.Errorf("collection %s holds the unknown style %s", id, style)
			}
		}
		s.shelveCollection(col)
	}
	return nil
}

func (s *State) shelve(st *Style) {
	s.rack.named[st.Name] = append(s.rack.named[st.Name], st.ID)
	s.rack.byOwner[st.Owner] = append(s.rack.byOwner[st.Owner], st.ID)
}

func (s *State) unshelve(st *Style) {
	takeFrom(s.rack.named, st.Name, st.ID)
	takeFrom(s.rack.byOwner, st.Owner, st.ID)
}

func takeFrom[K, V comparable](m map[K][]V, key K, v V) {
	left := slices.DeleteFunc(slices.Clone(m[key]), func(x V) bool { return x == v })
	if len(left) == 0 {
		delete(m, key)
		return
	}
	m[key] = left
}

// styleAddress is what a name for a style or a collection says: the kind of thing and the owner, where it names them.
type styleAddress struct {
	name       string
	owner      UserID
	owned      bool
	style      bool // may be a style
	collection bool // may be a collection
}

// readStyleAddress reads the forms of names: name, style::name, user#id::name, style::user#id::name and
// user#id::style::name; the same with collection. A name may hold :: itself.
func readStyleAddress(text string) styleAddress {
	a := styleAddress{name: text, style: true, collection: true}
	kind, owner := false, false
	for {
		head, tail, ok := strings.Cut(a.name, "::")
		if !ok {
			return a
		}
		id, isUser := ParseAlias(head)
		switch {
		case !kind && head == "style":
			kind, a.collection = true, false
		case !kind && head == "collection":
			kind, a.style = true, false
		case !owner && isUser:
			owner, a.owned, a.owner = true, true, id
		default:
			return a
		}
		a.name = tail
	}
}

// findStyle looks a style up by ID or name. Among those of one name one of the wanted kind comes first, then public
// ones, then the oldest.
func (s *State) findStyle(text string, want StyleKind) (*Style, bool) {
	if id, err := ParseUUID(text); err == nil {
		st, ok := s.styles.pages[id.String()]
		return st, ok
	}
	a := readStyleAddress(text)
	if !a.style {
		return nil, false
	}
	var best *Style
	for _, id := range s.rack.named[cleanStyleName(a.name)] {
		st := s.styles.pages[id.String()]
		if a.owned && st.Owner != a.owner {
			continue
		}
		if best == nil || cmp.Or(
			first(st.Kind == want, best.Kind == want), first(st.Public, best.Public),
			st.Created.Compare(best.Created), cmp.Compare(st.ID.String(), best.ID.String())) < 0 {
			best = st
		}
	}
	return best, best != nil
}

// first orders what holds before what does not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// ChooseStyle finds the style that a request names, by ID or name; of a collection it draws one. It writes nothing:
// uses are counted when the request is queued. An unknown one is refused with CodeStyleNotFound, one for another
// kind of request with CodeBadRequest.
type ChooseStyle struct {
	Name string
	Kind StyleKind
}

func (op ChooseStyle) apply(s *State, c *Change) (StyleChoice, error) {
	if st, ok := s.findStyle(op.Name, op.Kind); ok {
		if st.Kind != op.Kind {
			return StyleChoice{}, wrongStyleKind(op.Kind)
		}
		return StyleChoice{Style: st.copy()}, nil
	}
	col, ok := s.findCollection(op.Name, op.Kind)
	switch {
	case !ok:
		return StyleChoice{}, refuse(CodeStyleNotFound, "This horde has no style or collection of that name.")
	case col.Kind != op.Kind:
		return StyleChoice{}, wrongStyleKind(op.Kind)
	case len(col.Styles) == 0:
		return StyleChoice{}, refuse(CodeStyleNotFound, "The collection holds no styles any more.")
	}
	drawn := col.Styles[int(c.IDs.Uint32()%uint32(len(col.Styles)))]
	return StyleChoice{Style: s.styles.pages[drawn.String()].copy(), Collection: col.ID}, nil
}

func wrongStyleKind(want StyleKind) error {
	return refuse(CodeBadRequest, "This is not a style for %s requests.", want)
}

// style is the style that a request was made with, or nil.
func (r *Request) style() *AppliedStyle {
	if r.Text != nil {
		return r.Text.Style
	}
	return r.Image.Style
}

// countStyle counts the use of a style, and of the collection it was drawn from, by a request that was queued.
func (s *State) countStyle(c *Change, a *AppliedStyle) {
	if a == nil {
		return
	}
	if st, ok := s.styles.pages[a.Style.String()]; ok {
		st.Uses++
		c.saveRecord(s.styles.kind, a.Style.String())
	}
	if col, ok := s.collections.pages[a.Collection.String()]; ok {
		col.Uses++
		c.saveRecord(s.collections.kind, a.Collection.String())
	}
}

// Foreign reports whether a style is somebody else's than this requester's. It is false without a style.
func (a *AppliedStyle) Foreign(requester UserID) bool { return a != nil && a.Owner != requester }

// thankStyler gives the owner of a style the fee that its user paid at activation, once per request: with its first
// delivery, so that nothing is earned by requests that come to nothing. The fee was burned; here it is made anew.
// Nobody is thanked for using an own style, and neither are the anonymous account and deleted ones.
func (s *State) thankStyler(c *Change, a *AppliedStyle, requester UserID, request RequestID) (*User, bool) {
	if !a.Foreign(requester) || a.Owner == Anonymous {
		return nil, false
	}
	owner, ok := s.users[a.Owner]
	if !ok || owner.Has(RoleDeleted) {
		return nil, false
	}
	c.post(s, "style:"+request.String(), kudos.KindStyle, kudos.Move(kudos.Treasury, spendable(owner.ID), kudos.StyleFee))
	owner.Details.Styled += kudos.StyleFee
	c.saveUser(owner)
	return owner, true
}

// StyleSort is an order of lists of styles and collections.
type StyleSort int8

// Orders of lists.
const (
	SortPopular StyleSort = iota // most used first
	SortAge                      // oldest first
)

// StyleQuery asks for a page of the public styles of a kind. Pages begin at 1; Tag and Model match exactly when set.
type StyleQuery struct {
	Kind       StyleKind
	Sort       StyleSort
	Page       int
	Tag, Model string
}

// Styles lists a page of public styles.
func (s *State) Styles(q StyleQuery) []StyleView {
	var found []*Style
	for _, st := range s.styles.pages {
		if st.Public && st.Kind == q.Kind && (q.Tag == "" || slices.Contains(st.Tags, q.Tag)) &&
			(q.Model == "" || slices.Contains(st.Models, q.Model)) {
			found = append(found, st)
		}
	}
	slices.SortFunc(found, func(a, b *Style) int {
		popular := 0
		if q.Sort == SortPopular {
			popular = cmp.Compare(b.Uses, a.Uses)
		}
		return cmp.Or(popular, a.Created.Compare(b.Created), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	out := []StyleView{}
	for _, st := range pageOf(found, q.Page) {
		out = append(out, s.viewStyle(st))
	}
	return out
}

// pageOf cuts a page out of a list; pages before the first count as the first.
func pageOf[V any](all []V, page int) []V {
	page = max(1, page)
	if page-1 > len(all)/StylesPerPage {
		return nil
	}
	from := min(len(all), (page-1)*StylesPerPage)
	return all[from:min(len(all), from+StylesPerPage)]
}

func (s *State) viewStyle(st *Style) StyleView {
	return StyleView{Style: st.copy(), Creator: s.aliasOf(st.Owner)}
}

func (s *State) aliasOf(id UserID) string {
	if u, ok := s.users[id]; ok {
		return u.Alias()
	}
	return ""
}

// Style reads a style, public or not.
func (s *State) Style(id StyleID) (StyleView, bool) {
	st, ok := s.styles.pages[id.String()]
	if !ok {
		return StyleView{}, false
	}
	return s.viewStyle(st), true
}

// StyleNamed finds a style by one of the forms of its name, or by its ID. When several have the name, one of the wanted kind comes
// first.
func (s *State) StyleNamed(name string, want StyleKind) (StyleView, bool) {
	st, ok := s.findStyle(name, want)
	if !ok {
		return StyleView{}, false
	}
	return s.viewStyle(st), true
}

// StylesOf lists a person's styles, private ones included, in the order in which they were made.
func (s *State) StylesOf(u UserID) []StyleView {
	out := make([]StyleView, 0, len(s.rack.byOwner[u]))
	for _, id := range s.rack.byOwner[u] {
		out = append(out, s.viewStyle(s.styles.pages[id.String()]))
	}
	slices.SortFunc(out, func(a, b StyleView) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	return out
}

// StylesWithKey counts the styles that a shared key is bound to. Such a key works through them alone.
func (s *State) StylesWithKey(key string) int {
	n := 0
	for _, st := range s.styles.pages {
		if st.SharedKey != "" && st.SharedKey == key {
			n++
		}
	}
	return n
}
