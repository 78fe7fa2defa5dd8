// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stablemate/horde/filter"
)

// Codes of the filter.
const (
	CodeFilterNotFound Code = "FilterNotFound"
	CodeNoFilterMod    Code = "NoFilterModSelected"
)

// Filter is a rule of the prompt filter. Moderators change them while the horde runs.
type Filter struct {
	ID          int64  `json:"id"`
	Regex       string `json:"regex"`
	Type        int    `json:"type"`
	Description string `json:"description,omitempty"`
	Replacement string `json:"replacement,omitempty"`
	Author      UserID `json:"author,omitempty"`
	BuiltIn     bool   `json:"built_in,omitempty"` // came with the program; nobody is its author
}

// filterList says that moderators took over a list of filters, and which number comes next. Numbers are never used
// twice.
type filterList struct {
	Next int64 `json:"next"`
}

// promptList is the only list so far.
const promptList = "prompt"

func filterKey(id int64) string { return strconv.FormatInt(id, 10) }

func builtInFilters() []Filter {
	rules := filter.Defaults()
	out := make([]Filter, len(rules))
	for i, r := range rules {
		out[i] = Filter{ID: r.ID, Regex: r.Regex, Type: r.Type, Description: r.Description, Replacement: r.Replacement, BuiltIn: true}
	}
	return out
}

func (f *Filter) rule() filter.Rule {
	return filter.Rule{ID: f.ID, Regex: f.Regex, Type: f.Type, Description: f.Description, Replacement: f.Replacement}
}

func rulesOf(all []Filter) []filter.Rule {
	out := make([]filter.Rule, len(all))
	for i := range all {
		out[i] = all[i].rule()
	}
	return out
}

// Filters lists the rules of the prompt filter by number.
func (s *State) Filters() []Filter {
	out := make([]Filter, 0, len(s.guard.filters.pages))
	for _, f := range s.guard.filters.pages {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b Filter) int { return int(min(1, max(-1, a.ID-b.ID))) })
	return out
}

// Filter reads one rule.
func (s *State) Filter(id int64) (Filter, bool) {
	f, ok := s.guard.filters.pages[filterKey(id)]
	if !ok {
		return Filter{}, false
	}
	return *f, true
}

// FilterSet is the compiled filter; it never changes. It is nil when prompts are not judged.
func (s *State) FilterSet() *filter.Set { return s.guard.set }

// FilterAuthor is whom a rule is by, as the API shows it.
func (s *State) FilterAuthor(f Filter) string {
	if u, ok := s.users[f.Author]; ok && !f.BuiltIn {
		return u.Alias()
	}
	return filter.Author
}

// mustModerate refuses whoever is no moderator.
func (s *State) mustModerate(by UserID) error {
	u, ok := s.users[by]
	switch {
	case !ok:
		return refuse(CodeInvalidAPIKey, "no user matches this API key")
	case !u.Has(RoleModerator):
		return refuse(CodeNotModerator, "only moderators may do this")
	}
	return nil
}

// recompile makes a set of the rules as they would be and puts both in place, or refuses and changes nothing.
func (s *State) recompile(c *Change, all []Filter) error {
	set, err := filter.Compile(rulesOf(all))
	if err != nil {
		if bad, ok := errors.AsType[*filter.RuleError](err); ok {
			return refuse(CodeBadRequest, "%s", bad.Reason)
		}
		return refuse(CodeBadRequest, "%s", err)
	}
	g := &s.guard
	if !s.settings.NoPromptFilter {
		g.set = set
	}
	if g.lists.pages[promptList] == nil { // the first change: from now on the list is the moderators'
		g.lists.put(c, promptList, &filterList{Next: s.nextFilter()})
		for _, id := range g.filters.ids() {
			c.saveRecord(KindFilter, id)
		}
	}
	return nil
}

func (s *State) nextFilter() int64 {
	if list := s.guard.lists.pages[promptList]; list != nil {
		return list.Next
	}
	next := int64(1)
	for _, f := range s.guard.filters.pages {
		next = max(next, f.ID+1)
	}
	return next
}

// AddFilter adds a rule. One with the same expression and type that is there already is returned as it is.
type AddFilter struct {
	By          UserID
	Regex       string
	Type        int
	Description string
	Replacement string
}

func (op AddFilter) apply(s *State, c *Change) (Filter, error) {
	if err := s.mustModerate(op.By); err != nil {
		return Filter{}, err
	}
	f := Filter{
		ID: s.nextFilter(), Regex: op.Regex, Type: op.Type, Description: op.Description, Replacement: op.Replacement, Author: op.By,
	}
	if err := checkFilter(&f); err != nil {
		return Filter{}, err
	}
	all := s.Filters()
	for _, there := range all {
		if there.Regex == f.Regex && there.Type == f.Type {
			return there, nil
		}
	}
	if err := s.recompile(c, append(all, f)); err != nil {
		return Filter{}, err
	}
	s.guard.lists.put(c, promptList, &filterList{Next: f.ID + 1})
	s.guard.filters.put(c, filterKey(f.ID), &f)
	return f, nil
}

func checkFilter(f *Filter) error {
	for _, text := range []string{f.Regex, f.Description, f.Replacement} {
		if strings.ContainsRune(text, 0) {
			return refuse(CodeNulByte, "texts may not hold NUL characters")
		}
		if !utf8.ValidString(text) {
			return refuse(CodeBadRequest, "texts must be valid UTF-8")
		}
	}
	return nil
}

// PatchFilter changes a rule; fields that are nil or empty stay as they are.
type PatchFilter struct {
	By                              UserID
	ID                              int64
	Regex, Description, Replacement string
	Type                            int
}

func (op PatchFilter) apply(s *State, c *Change) (Filter, error) {
	if err := s.mustModerate(op.By); err != nil {
		return Filter{}, err
	}
	f, ok := s.Filter(op.ID)
	switch {
	case !ok:
		return Filter{}, errNoFilter(op.ID)
	case op.Regex == "" && op.Description == "" && op.Replacement == "" && op.Type == 0:
		return Filter{}, refuse(CodeNoFilterMod, "no change was asked for")
	}
	for _, x := range []struct {
		from string
		to   *string
	}{{op.Regex, &f.Regex}, {op.Description, &f.Description}, {op.Replacement, &f.Replacement}} {
		if x.from != "" {
			*x.to = x.from
		}
	}
	if op.Type != 0 {
		f.Type = op.Type
	}
	if err := checkFilter(&f); err != nil {
		return Filter{}, err
	}
	f.Author, f.BuiltIn = op.By, false
	all := s.Filters()
	all[slices.IndexFunc(all, func(x Filter) bool { return x.ID == f.ID })] = f
	if err := s.recompile(c, all); err != nil {
		return Filter{}, err
	}
	s.guard.filters.put(c, filterKey(f.ID), &f)
	return f, nil
}

// DeleteFilter takes a rule out.
type DeleteFilter struct {
	By UserID
	ID int64
}

func (op DeleteFilter) apply(s *State, c *Change) (Filter, error) {
	if err := s.mustModerate(op.By); err != nil {
		return Filter{}, err
	}
	f, ok := s.Filter(op.ID)
	if !ok {
		return Filter{}, errNoFilter(op.ID)
	}
	all := slices.DeleteFunc(s.Filters(), func(x Filter) bool { return x.ID == op.ID })
	if err := s.recompile(c, all); err != nil {
		return Filter{}, err
	}
	s.guard.filters.drop(c, filterKey(op.ID))
	return f, nil
}

func errNoFilter(id int64) error {
	return refuse(CodeFilterNotFound, "Filter with ID '%d' not found.", id)
}
