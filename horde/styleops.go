// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// StyleDraft is what the maker of a style decides.
type StyleDraft struct {
	Kind      StyleKind
	Name      string
	Info      string
	Prompt    string        // empty means DefaultStylePrompt
	Image     *ImageStyle   // of image styles; nil sets nothing
	Text      *TextSettings // of text styles; nil sets nothing
	Models    []string
	Tags      []string
	Public    bool
	NSFW      bool
	SharedKey string
}

// CheckStyleCounts refuses a style with no models, or with more models or tags than a style may have.
func CheckStyleCounts(models, tags []string) error {
	switch {
	case len(models) == 0:
		return refuse(CodeBadRequest, "A style needs at least one model.")
	case len(models) > MaxStyleModels:
		return refuse(CodeBadRequest, "A style has at most %d models.", MaxStyleModels)
	case len(tags) > MaxStyleTags:
		return refuse(CodeBadRequest, "A style has at most %d tags.", MaxStyleTags)
	}
	return nil
}

// CreateStyle makes a style. Its maker is trusted or a customizer.
type CreateStyle struct {
	By UserID
	StyleDraft
}

func (op CreateStyle) apply(s *State, c *Change) (Style, error) {
	if err := CheckStyleCounts(op.Models, op.Tags); err != nil {
		return Style{}, err
	}
	u, ok := s.users[op.By]
	switch {
	case !ok:
		return Style{}, errNoKey()
	case !u.Has(RoleTrusted) && !u.Has(RoleCustomizer):
		return Style{}, refuse(CodeStylesRequiresCustomizer, "Only trusted accounts and customizers may make styles.")
	case u.ID == Anonymous:
		return Style{}, refuse(CodeStylesAnonForbidden, "The anonymous account cannot make styles.")
	}
	st := &Style{
		ID: StyleID{c.IDs.UUID()}, Owner: u.ID, Kind: op.Kind, Created: c.Now, Name: op.Name, Info: op.Info,
		Prompt: op.Prompt, Image: op.Image, Text: op.Text, Models: op.Models, Tags: op.Tags,
		Public: op.Public, NSFW: op.NSFW, SharedKey: op.SharedKey,
	}
	if st.Prompt == "" {
		st.Prompt = DefaultStylePrompt
	}
	if err := s.bindSharedKey(st, c.Now); err != nil {
		return Style{}, err
	}
	if err := s.checkStyle(st); err != nil {
		return Style{}, err
	}
	switch {
	case len(s.rack.byOwner[u.ID]) >= MaxStylesPerUser:
		return Style{}, refuse(CodeManyStyles, "An account has at most %d styles.", MaxStylesPerUser)
	case u.Has(RoleDeleted):
		return Style{}, errDeleted()
	}
	s.styles.put(c, st.ID.String(), st)
	s.shelve(st)
	return st.copy(), nil
}

// ChangeStyle changes what its owner sends. Nil fields stay as they are.
type ChangeStyle struct {
	By        UserID
	ID        StyleID
	Kind      StyleKind
	Name      *string
	Info      *string
	Prompt    *string
	Image     *ImageStyle   // replaces all parameters of an image style
	Text      *TextSettings // replaces all parameters of a text style
	Models    []string
	Tags      []string // not nil and empty: none any more
	Public    *bool
	NSFW      *bool
	SharedKey *string // empty: none any more
}

func (op ChangeStyle) apply(s *State, c *Change) (Style, error) {
	u, st, err := s.styleFor(op.By, op.ID)
	switch {
	case err != nil:
		return Style{}, err
	case st.Owner != u.ID:
		return Style{}, errNotStyler()
	case st.Kind != op.Kind:
		return Style{}, wrongStyleKind(op.Kind)
	case u.Has(RoleDeleted):
		return Style{}, errDeleted()
	}
	next := st.copy()
	replace(&next.Name, op.Name)
	replace(&next.Info, op.Info)
	replace(&next.Prompt, op.Prompt)
	replace(&next.Public, op.Public)
	replace(&next.NSFW, op.NSFW)
	replace(&next.SharedKey, op.SharedKey)
	if op.Image != nil {
		next.Image = op.Image
	}
	if op.Text != nil {
		next.Text = op.Text
	}
	if op.Models != nil {
		next.Models = op.Models
	}
	if op.Tags != nil {
		next.Tags = op.Tags
	}
	if op.SharedKey != nil {
		if err := s.bindSharedKey(&next, c.Now); err != nil {
			return Style{}, err
		}
	}
	if err := s.checkStyle(&next); err != nil {
		return Style{}, err
	}
	s.unshelve(st)
	*st = next
	s.shelve(st)
	c.saveRecord(s.styles.kind, st.ID.String())
	return st.copy(), nil
}

// DeleteStyle takes a style away, and out of every collection. Its owner and moderators may.
type DeleteStyle struct {
	By   UserID
	ID   StyleID
	Kind StyleKind
}

func (op DeleteStyle) apply(s *State, c *Change) (Style, error) {
	if op.By == Anonymous {
		return Style{}, refuse(CodeStylesAnonForbidden, "The anonymous account has no styles.")
	}
	u, st, err := s.styleFor(op.By, op.ID)
	switch {
	case err != nil:
		return Style{}, err
	case st.Owner != u.ID && !u.Has(RoleModerator):
		return Style{}, errNotStyler()
	case st.Kind != op.Kind:
		return Style{}, wrongStyleKind(op.Kind)
	}
	gone := st.copy()
	s.unshelve(st)
	s.styles.drop(c, st.ID.String())
	for _, id := range s.collections.ids() {
		col := s.collections.pages[id]
		if at := slices.Index(col.Styles, gone.ID); at >= 0 {
			col.Styles = slices.Delete(slices.Clone(col.Styles), at, at+1)
			c.saveRecord(s.collections.kind, id)
		}
	}
	return gone, nil
}

// styleFor finds who acts and on which style.
func (s *State) styleFor(by UserID, id StyleID) (*User, *Style, error) {
	u, ok := s.users[by]
	if !ok {
		return nil, nil, errNoKey()
	}
	st, ok := s.styles.pages[id.String()]
	if !ok {
		return nil, nil, refuse(CodeStyleNotFound, "Style with ID %s not found.", id)
	}
	return u, st, nil
}

func errNoKey() error { return refuse(CodeInvalidAPIKey, "no user matches this API key") }

func errDeleted() error { return refuse(CodeDeletedUser, "this account is marked as deleted") }

func errNotStyler() error { return refuse(CodeForbidden, "This style belongs to somebody else.") }

// checkStyle holds the rules about a whole style and cleans its texts. Its parameters are held against the rules of
// requests: a style that no request could be made with is refused here, not when somebody uses it.
func (s *State) checkStyle(st *Style) error {
	name, err := s.checkStyleName("style", st.Name)
	if err != nil {
		return err
	}
	if st.Info, err = s.checkStyleInfo(st.Info); err != nil {
		return err
	}
	st.Name = name
	if err := CheckStyleCounts(st.Models, st.Tags); err != nil {
		return err
	}
	tags := make([]string, 0, len(st.Tags))
	for _, tag := range st.Tags {
		if n := utf8.RuneCountInString(tag); n > MaxStyleTag {
			return refuse(CodeBadRequest, "A tag has at most %d characters.", MaxStyleTag)
		}
		if tag = SafeText(tag); tag != "" {
			tags = append(tags, tag)
		}
	}
	st.Tags = unique(tags)
	st.Models = slices.DeleteFunc(unique(st.Models), func(m string) bool { return strings.TrimSpace(m) == "" })
	if len(st.Models) == 0 {
		return refuse(CodeBadRequest, "A style needs at least one model.")
	}
	for _, m := range st.Models {
		if len(m) > MaxStyleModelBytes || !utf8.ValidString(m) {
			return refuse(CodeBadRequest, "A model's name has at most %d bytes.", MaxStyleModelBytes)
		}
	}
	for _, id := range s.rack.named[st.Name] {
		if other := s.styles.pages[id.String()]; other.Owner == st.Owner && other.ID != st.ID {
			return refuse(CodeBadRequest, "You have another style of this name.")
		}
	}
	if !strings.Contains(st.Prompt, placePositive) {
		return refuse(CodeBadRequest, "The prompt of a style must contain {p}, where its user's prompt goes.")
	}
	switch st.Kind {
	case StyleImage:
		st.Text = nil
		if !strings.Contains(st.Prompt, placeNegative) {
			return refuse(CodeBadRequest, "The prompt of an image style must contain {np}, where its user's negative prompt goes.")
		}
		return s.checkImageStyle(st)
	case StyleText:
		st.Image = nil
		return checkTextStyle(st)
	}
	return refuse(CodeBadRequest, "A style is for images or for texts.")
}

// checkImageStyle makes up the plainest request that a style can be used with.
func (s *State) checkImageStyle(st *Style) error {
	n := NewImage{N: 1, Image: Image{
		Prompt: "x", Sampler: "k_euler_a", CFG: 5, Width: 512, Height: 512, Steps: 30, Karras: true,
		Source: "x", Processing: "img2img", // some models ask for one, which is their user's to send
	}}
	ApplyImageStyle(&StyleChoice{Style: *st}, &n)
	if n.Image.Workflow != "" {
		n.Image.ExtraTexts = []ExtraText{{Text: "x", Reference: n.Image.Workflow}} // its user's, too
	}
	if err := checkImage(&n); err != nil {
		return err
	}
	return s.checkFamilies(s.users[st.Owner], &n)
}

// checkStyleName cleans the name of a style or collection.
func (s *State) checkStyleName(what, name string) (string, error) {
	if strings.ContainsRune(name, 0) {
		return "", refuse(CodeNulByte, "texts may not hold NUL characters")
	}
	if utf8.RuneCountInString(name) > MaxStyleName {
		return "", refuse(CodeBadRequest, "The name of a %s has at most %d characters.", what, MaxStyleName)
	}
	if name = cleanStyleName(name); name == "" {
		return "", refuse(CodeBadRequest, "A %s needs a name.", what)
	}
	if s.profane(name) {
		return "", refuse(CodeBadRequest, "The name of this %s holds a word that no name may hold.", what)
	}
	return name, nil
}

// cleanStyleName is SafeText on one line.
func cleanStyleName(name string) string { return strings.Join(strings.Fields(SafeText(name)), " ") }

func (s *State) checkStyleInfo(info string) (string, error) {
	if strings.ContainsRune(info, 0) {
		return "", refuse(CodeNulByte, "texts may not hold NUL characters")
	}
	if utf8.RuneCountInString(info) > MaxStyleInfo {
		return "", refuse(CodeBadRequest, "The description has at most %d characters.", MaxStyleInfo)
	}
	if s.profane(info) {
		return "", refuse(CodeBadRequest, "The description holds a word that no description may hold.")
	}
	return SafeText(info), nil
}

// Bounds of what a text style asks for; they are those of text requests.
const (
	samplersOfText    = 7
	maxStops          = 128
	maxStopCharacters = 2000
)

func checkTextStyle(st *Style) error {
	switch {
	case strings.ContainsRune(st.Prompt, 0):
		return refuse(CodeNulByte, "texts may not hold NUL characters")
	case !utf8.ValidString(st.Prompt):
		return refuse(CodeBadRequest, "the prompt is not valid UTF-8")
	case len(st.Prompt) > MaxPromptBytes:
		return refuse(CodeInvalidPromptSize, "the prompt has %d bytes, at most %d are allowed", len(st.Prompt), MaxPromptBytes)
	case st.Text == nil:
		return nil
	}
	if n := len(unique(st.Text.SamplerOrder)); st.Text.SamplerOrder != nil && n < samplersOfText {
		return refuse("MissingFullSamplerOrder", "a sampler order names %d samplers, not %d", samplersOfText, n)
	}
	stops := unique(st.Text.StopSequence)
	characters := 0
	for _, stop := range stops {
		if strings.ContainsRune(stop, 0) {
			return refuse(CodeNulByte, "texts may not hold NUL characters")
		}
		characters += utf8.RuneCountInString(stop)
	}
	switch {
	case len(stops) > maxStops:
		return refuse("TooManyStopSequences", "%d stop sequences, at most %d are allowed", len(stops), maxStops)
	case characters > maxStopCharacters:
		return refuse("ExcessiveStopSequence", "the stop sequences have %d characters together, at most %d are allowed",
			characters, maxStopCharacters)
	}
	return nil
}

// AddExample shows a picture with an image style. The first one becomes primary, and so does one that asks for it.
type AddExample struct {
	By      UserID
	Style   StyleID
	URL     string // https
	Primary bool
}

func (op AddExample) apply(s *State, c *Change) (Example, error) {
	if err := CheckExampleURL(op.URL); err != nil {
		return Example{}, err
	}
	st, err := s.styleToShow(op.By, op.Style)
	switch {
	case err != nil:
		return Example{}, err
	case st.Kind != StyleImage:
		return Example{}, refuse(CodeBadRequest, "Only image styles have examples.")
	case st.shows(op.URL, ExampleID{}):
		return Example{}, errShown()
	case len(st.Examples) >= MaxStyleExamples:
		return Example{}, refuse(CodeManyExamples, "A style has at most %d examples.", MaxStyleExamples)
	}
	ex := Example{ID: ExampleID{c.IDs.UUID()}, URL: op.URL, Primary: op.Primary || len(st.Examples) == 0}
	st.Examples = append(slices.Clone(st.Examples), ex)
	st.settlePrimary(len(st.Examples) - 1)
	c.saveRecord(s.styles.kind, st.ID.String())
	return ex, nil
}

// ChangeExample changes an example. Nil fields stay as they are.
type ChangeExample struct {
	By      UserID
	Style   StyleID
	Example ExampleID
	URL     *string // https
	Primary *bool
}

func (op ChangeExample) apply(s *State, c *Change) (Example, error) {
	if op.URL != nil {
		if err := CheckExampleURL(*op.URL); err != nil {
			return Example{}, err
		}
	}
	st, at, err := s.exampleFor(op.By, op.Style, op.Example)
	if err != nil {
		return Example{}, err
	}
	next := st.Examples[at]
	replace(&next.URL, op.URL)
	replace(&next.Primary, op.Primary)
	switch {
	case st.shows(next.URL, next.ID):
		return Example{}, errShown()
	case st.Examples[at].Primary && !next.Primary:
		return Example{}, refuse(CodeBadRequest, "One example must be primary: make another one primary instead.")
	}
	st.Examples = slices.Clone(st.Examples)
	st.Examples[at] = next
	st.settlePrimary(at)
	c.saveRecord(s.styles.kind, st.ID.String())
	return next, nil
}

// DeleteExample takes an example away. When it was primary the first of the others becomes it.
type DeleteExample struct {
	By      UserID
	Style   StyleID
	Example ExampleID
}

func (op DeleteExample) apply(s *State, c *Change) (Example, error) {
	st, at, err := s.exampleFor(op.By, op.Style, op.Example)
	if err != nil {
		return Example{}, err
	}
	gone := st.Examples[at]
	st.Examples = slices.Delete(slices.Clone(st.Examples), at, at+1)
	if gone.Primary && len(st.Examples) > 0 {
		st.Examples[0].Primary = true
	}
	c.saveRecord(s.styles.kind, st.ID.String())
	return gone, nil
}

// styleToShow finds a style whose examples the account may change: an own one, or any for a moderator.
func (s *State) styleToShow(by UserID, id StyleID) (*Style, error) {
	u, st, err := s.styleFor(by, id)
	switch {
	case err != nil:
		return nil, err
	case st.Owner != u.ID && !u.Has(RoleModerator):
		return nil, errNotStyler()
	case u.Has(RoleDeleted):
		return nil, errDeleted()
	}
	return st, nil
}

func (s *State) exampleFor(by UserID, style StyleID, id ExampleID) (st *Style, at int, err error) {
	if st, err = s.styleToShow(by, style); err != nil {
		return nil, 0, err
	}
	at = slices.IndexFunc(st.Examples, func(e Example) bool { return e.ID == id })
	if at < 0 {
		return nil, 0, refuse(CodeStyleExampleNotFound, "Style example with ID %s not found.", id)
	}
	return st, at, nil
}

// shows reports whether another example has the same address.
func (st *Style) shows(address string, but ExampleID) bool {
	return slices.ContainsFunc(st.Examples, func(e Example) bool { return e.URL == address && e.ID != but })
}

func errShown() error { return refuse(CodeBadRequest, "This style has an example with this address.") }

// settlePrimary leaves one primary example when the one at a place became it.
func (st *Style) settlePrimary(at int) {
	if !st.Examples[at].Primary {
		return
	}
	for i := range st.Examples {
		st.Examples[i].Primary = i == at
	}
}

// CheckExampleURL refuses what is no https:// address.
func CheckExampleURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || !strings.HasPrefix(text, "https://") || u.Host == "" || u.User != nil:
		return refuse(CodeBadRequest, "The address of an example must begin with https://.")
	case len(text) > MaxExampleURL:
		return refuse(CodeBadRequest, "The address of an example has at most %d bytes.", MaxExampleURL)
	case strings.ContainsAny(text, " \t\r\n\"'<>\\`"):
		return refuse(CodeBadRequest, "The address of an example holds characters that no address has.")
	}
	return nil
}
