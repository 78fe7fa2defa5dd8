// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"cmp"
	"slices"
	"time"
)

// Collection is a named set of styles of one kind. Used as a style, it stands for one of them at random.
type Collection struct {
	ID      CollectionID `json:"id"`
	Owner   UserID       `json:"owner"`
	Kind    StyleKind    `json:"kind"`
	Created time.Time    `json:"created"`
	Name    string       `json:"name"` // unique among its owner's collections
	Info    string       `json:"info,omitempty"`
	Public  bool         `json:"public,omitempty"` // in the lists; who knows its name or ID finds any
	Styles  []StyleID    `json:"styles"`
	Uses    int64        `json:"uses,omitempty"`
}

func (col *Collection) copy() Collection {
	out := *col
	out.Styles = slices.Clone(col.Styles)
	return out
}

// CollectionView is a collection as doors show it.
type CollectionView struct {
	Collection
	Creator string   // alias of its owner
	Names   []string // full names of its styles, in their order
}

func (s *State) shelveCollection(col *Collection) {
	s.rack.colNamed[col.Name] = append(s.rack.colNamed[col.Name], col.ID)
	s.rack.colOwners[col.Owner]++
}

func (s *State) unshelveCollection(col *Collection) {
	takeFrom(s.rack.colNamed, col.Name, col.ID)
	if s.rack.colOwners[col.Owner]--; s.rack.colOwners[col.Owner] == 0 {
		delete(s.rack.colOwners, col.Owner)
	}
}

// findCollection looks a collection up by ID or name, in the order of findStyle. Without a wanted kind none comes
// first for it.
func (s *State) findCollection(text string, want StyleKind) (*Collection, bool) {
	if id, err := ParseUUID(text); err == nil {
		col, ok := s.collections.pages[id.String()]
		return col, ok
	}
	a := readStyleAddress(text)
	if !a.collection {
		return nil, false
	}
	var best *Collection
	for _, id := range s.rack.colNamed[cleanStyleName(a.name)] {
		col := s.collections.pages[id.String()]
		if a.owned && col.Owner != a.owner {
			continue
		}
		if best == nil || cmp.Or(
			first(col.Kind == want, best.Kind == want), first(col.Public, best.Public),
			col.Created.Compare(best.Created), cmp.Compare(col.ID.String(), best.ID.String())) < 0 {
			best = col
		}
	}
	return best, best != nil
}

// CreateCollection makes a collection. Everybody with an account may. Styles are named by ID or name; all are of one
// kind, which the collection's is.
type CreateCollection struct {
	By     UserID
	Name   string
	Info   string
	Public bool
	Styles []string
}

func (op CreateCollection) apply(s *State, c *Change) (Collection, error) {
	u, ok := s.users[op.By]
	switch {
	case !ok:
		return Collection{}, errNoKey()
	case u.Has(RoleDeleted):
		return Collection{}, errDeleted()
	case u.ID == Anonymous:
		return Collection{}, refuse(CodeStylesAnonForbidden, "The anonymous account cannot make collections.")
	}
	col := &Collection{
		ID: CollectionID{c.IDs.UUID()}, Owner: u.ID, Created: c.Now, Name: op.Name, Info: op.Info, Public: op.Public,
	}
	if err := s.gather(col, op.Styles); err != nil {
		return Collection{}, err
	}
	if err := s.checkCollection(col); err != nil {
		return Collection{}, err
	}
	if s.rack.colOwners[u.ID] >= MaxCollections {
		return Collection{}, refuse(CodeManyCollections, "An account has at most %d collections.", MaxCollections)
	}
	s.collections.put(c, col.ID.String(), col)
	s.shelveCollection(col)
	return col.copy(), nil
}

// ChangeCollection changes what its owner sends. Nil fields stay as they are.
type ChangeCollection struct {
	By     UserID
	ID     CollectionID
	Name   *string
	Info   *string
	Public *bool
	Styles []string // not nil: replaces all
}

func (op ChangeCollection) apply(s *State, c *Change) (Collection, error) {
	u, col, err := s.collectionFor(op.By, op.ID)
	switch {
	case err != nil:
		return Collection{}, err
	case col.Owner != u.ID:
		return Collection{}, refuse(CodeForbidden, "This collection belongs to somebody else.")
	case u.Has(RoleDeleted):
		return Collection{}, errDeleted()
	}
	next := col.copy()
	replace(&next.Name, op.Name)
	replace(&next.Info, op.Info)
	replace(&next.Public, op.Public)
	if op.Styles != nil {
		if err := s.gather(&next, op.Styles); err != nil {
			return Collection{}, err
		}
	}
	if err := s.checkCollection(&next); err != nil {
		return Collection{}, err
	}
	s.unshelveCollection(col)
	*col = next
	s.shelveCollection(col)
	c.saveRecord(s.collections.kind, col.ID.String())
	return col.copy(), nil
}

// DeleteCollection takes a collection away; its styles stay. Its owner and moderators may.
type DeleteCollection struct {
	By UserID
	ID CollectionID
}

func (op DeleteCollection) apply(s *State, c *Change) (Collection, error) {
	u, col, err := s.collectionFor(op.By, op.ID)
	switch {
	case err != nil:
		return Collection{}, err
	case col.Owner != u.ID && !u.Has(RoleModerator):
		return Collection{}, refuse(CodeForbidden, "This collection belongs to somebody else.")
	}
	gone := col.copy()
	s.unshelveCollection(col)
	s.collections.drop(c, col.ID.String())
	return gone, nil
}

func (s *State) collectionFor(by UserID, id CollectionID) (*User, *Collection, error) {
	u, ok := s.users[by]
	if !ok {
		return nil, nil, errNoKey()
	}
	col, ok := s.collections.pages[id.String()]
	if !ok {
		return nil, nil, refuse(CodeCollectionNotFound, "Collection with ID %s not found.", id)
	}
	return u, col, nil
}

// gather fills a collection with the styles that somebody names.
func (s *State) gather(col *Collection, names []string) error {
	switch {
	case len(names) == 0:
		return refuse(CodeBadRequest, "A collection needs at least one style.")
	case len(names) > MaxCollected:
		return refuse(CodeBadRequest, "A collection holds at most %d styles.", MaxCollected)
	}
	kind := StyleKind("")
	ids := make([]StyleID, 0, len(names))
	for _, name := range names {
		st, ok := s.findStyle(name, kind)
		switch {
		case !ok:
			return refuse(CodeBadRequest, "One of the styles does not exist.")
		case kind != "" && st.Kind != kind:
			return refuse(CodeBadRequest, "All styles of a collection must be of one kind.")
		}
		kind = st.Kind
		ids = append(ids, st.ID)
	}
	col.Kind, col.Styles = kind, unique(ids)
	return nil
}

// checkCollection holds the rules about names and texts, and cleans them.
func (s *State) checkCollection(col *Collection) error {
	var err error
	if col.Name, err = s.checkStyleName("collection", col.Name); err != nil {
		return err
	}
	if col.Info, err = s.checkStyleInfo(col.Info); err != nil {
		return err
	}
	for _, id := range s.rack.colNamed[col.Name] {
		if other := s.collections.pages[id.String()]; other.Owner == col.Owner && other.ID != col.ID {
			return refuse(CodeBadRequest, "You have another collection of this name.")
		}
	}
	return nil
}

// CollectionQuery asks for a page of the public collections. Pages begin at 1; no Kind means all.
type CollectionQuery struct {
	Kind StyleKind
	Sort StyleSort
	Page int
}

// Collections lists a page of public collections.
func (s *State) Collections(q CollectionQuery) []CollectionView {
	var found []*Collection
	for _, col := range s.collections.pages {
		if col.Public && (q.Kind == "" || col.Kind == q.Kind) {
			found = append(found, col)
		}
	}
	slices.SortFunc(found, func(a, b *Collection) int {
		popular := 0
		if q.Sort == SortPopular {
			popular = cmp.Compare(b.Uses, a.Uses)
		}
		return cmp.Or(popular, a.Created.Compare(b.Created), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	out := []CollectionView{}
	for _, col := range pageOf(found, q.Page) {
		out = append(out, s.viewCollection(col))
	}
	return out
}

func (s *State) viewCollection(col *Collection) CollectionView {
	v := CollectionView{Collection: col.copy(), Creator: s.aliasOf(col.Owner)}
	for _, id := range col.Styles {
		st := s.viewStyle(s.styles.pages[id.String()])
		v.Names = append(v.Names, st.FullName())
	}
	return v
}

// Collection reads a collection, public or not.
func (s *State) Collection(id CollectionID) (CollectionView, bool) {
	col, ok := s.collections.pages[id.String()]
	if !ok {
		return CollectionView{}, false
	}
	return s.viewCollection(col), true
}

// CollectionNamed finds a collection by one of the forms of its name, or by its ID.
func (s *State) CollectionNamed(name string) (CollectionView, bool) {
	col, ok := s.findCollection(name, "")
	if !ok {
		return CollectionView{}, false
	}
	return s.viewCollection(col), true
}
