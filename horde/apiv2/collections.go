// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"net/http"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
)

// listCollections is GET /collections: the public ones.
func (s *Server) listCollections(c *call) error {
	order, page, err := listPage(c)
	if err != nil {
		return err
	}
	q := horde.CollectionQuery{Sort: order, Page: page}
	switch kind := c.r.URL.Query().Get("type"); kind {
	case "", "all":
	case string(horde.StyleImage), string(horde.StyleText):
		q.Kind = horde.StyleKind(kind)
	default:
		return horde.Refuse(horde.CodeBadRequest, "The type %s is none of all, image and text.", show(kind))
	}
	found := s.deps.Engine.Collections(q)
	rows := make([]wire.Collection, 0, len(found))
	for i := range found {
		rows = append(rows, collectionOf(&found[i]))
	}
	return c.reply(http.StatusOK, rows)
}

func collectionOf(v *horde.CollectionView) wire.Collection {
	out := wire.Collection{
		ID: v.ID.String(), Name: v.Name, Type: string(v.Kind), Info: unlessEmpty(v.Info), Public: v.Public,
		Styles: make([]wire.NamedStyle, 0, len(v.Styles)), UseCount: v.Uses,
	}
	for i, id := range v.Styles {
		out.Styles = append(out.Styles, wire.NamedStyle{Name: v.Names[i], ID: id.String()})
	}
	return out
}

// showCollection is GET /collections/{collection_id}.
func (s *Server) showCollection(c *call) error {
	id, err := c.collectionID()
	if err != nil {
		return err
	}
	v, ok := s.deps.Engine.Collection(id)
	if !ok {
		return horde.Refuse(horde.CodeCollectionNotFound, "Collection with ID %s not found.", id)
	}
	return c.reply(http.StatusOK, collectionOf(&v))
}

// showCollectionNamed is GET /collection_by_name/{collection_name}.
func (s *Server) showCollectionNamed(c *call) error {
	name := c.r.PathValue("collection_name")
	v, ok := s.deps.Engine.CollectionNamed(name)
	if !ok {
		return horde.Refuse(horde.CodeCollectionNotFound, "Collection with name %s not found.", show(name))
	}
	return c.reply(http.StatusOK, collectionOf(&v))
}

// collectionID reads the path's collection. What is no UUID is simply not found.
func (c *call) collectionID() (horde.CollectionID, error) {
	text := c.r.PathValue("collection_id")
	id, err := horde.ParseUUID(text)
	if err != nil {
		return horde.CollectionID{}, horde.Refuse(horde.CodeCollectionNotFound, "Collection with ID %s not found.", show(text))
	}
	return horde.CollectionID{UUID: id}, nil
}

// createCollection is POST /collections.
func (s *Server) createCollection(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.styles.collection)
	if err != nil {
		return err
	}
	absent := make(map[string]string)
	if _, sent := c.key(); !sent {
		absent["apikey"] = "the header apikey is required"
	}
	for _, name := range []string{"name", "styles"} {
		if !body.has(name) {
			absent[name] = "'" + name + "' is required"
		}
	}
	if len(absent) > 0 {
		return invalid(absent)
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	col, err := do(s, c, horde.CreateCollection{
		By: u.ID, Name: body.text("name", ""), Info: body.text("info", ""), Public: body.truth("public", true), Styles: body.texts("styles"),
	})
	if err != nil {
		return err
	}
	return c.replyChanged(col.ID.String(), true)
}

// changeCollection is PATCH /collections/{collection_id}. What is not sent stays.
func (s *Server) changeCollection(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.styles.collection)
	if err != nil {
		return err
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	id, err := c.collectionID()
	if err != nil {
		return err
	}
	col, err := do(s, c, horde.ChangeCollection{
		By: u.ID, ID: id, Name: body.given("name"), Info: body.given("info"), Public: body.givenTruth("public"), Styles: body.texts("styles"),
	})
	if err != nil {
		return err
	}
	return c.replyChanged(col.ID.String(), true)
}

// deleteCollection is DELETE /collections/{collection_id}.
func (s *Server) deleteCollection(c *call) error {
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	id, err := c.collectionID()
	if err != nil {
		return err
	}
	if _, err := do(s, c, horde.DeleteCollection{By: u.ID, ID: id}); err != nil {
		return err
	}
	return c.reply(http.StatusOK, wire.StyleDone{Message: "OK"})
}
