// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import "stablemate/horde"

// Style reads a style, public or not.
func (e *Engine) Style(id horde.StyleID) (horde.StyleView, bool) {
	return read(e, func(s *horde.State) (horde.StyleView, bool) { return s.Style(id) })
}

// StyleNamed finds a style by one of the forms of its name, or by its ID.
func (e *Engine) StyleNamed(name string, want horde.StyleKind) (horde.StyleView, bool) {
	return read(e, func(s *horde.State) (horde.StyleView, bool) { return s.StyleNamed(name, want) })
}

// Styles lists a page of public styles.
func (e *Engine) Styles(q horde.StyleQuery) []horde.StyleView {
	out, _ := read(e, func(s *horde.State) ([]horde.StyleView, bool) { return s.Styles(q), true })
	return out
}

// StylesOf lists a person's styles, private ones included.
func (e *Engine) StylesOf(u horde.UserID) []horde.StyleView {
	out, _ := read(e, func(s *horde.State) ([]horde.StyleView, bool) { return s.StylesOf(u), true })
	return out
}

// Collection reads a collection, public or not.
func (e *Engine) Collection(id horde.CollectionID) (horde.CollectionView, bool) {
	return read(e, func(s *horde.State) (horde.CollectionView, bool) { return s.Collection(id) })
}

// CollectionNamed finds a collection by one of the forms of its name, or by its ID.
func (e *Engine) CollectionNamed(name string) (horde.CollectionView, bool) {
	return read(e, func(s *horde.State) (horde.CollectionView, bool) { return s.CollectionNamed(name) })
}

// Collections lists a page of public collections.
func (e *Engine) Collections(q horde.CollectionQuery) []horde.CollectionView {
	out, _ := read(e, func(s *horde.State) ([]horde.CollectionView, bool) { return s.Collections(q), true })
	return out
}
