// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"net/http"
	"strconv"
	"strings"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/filter"
)

// guardRoutes are the paths of moderators: filters, blocks of addresses.
func guardRoutes() map[string][]endpoint {
	usual := []limit{byDefault()}
	return map[string][]endpoint{
		"/filters": {
			{http.MethodGet, usual, (*Server).listFilters},
			{http.MethodPut, usual, (*Server).addFilter},
			{http.MethodPost, usual, (*Server).tryFilters},
		},
		"/filters/regex": {{http.MethodGet, usual, (*Server).filterExpressions}},
		"/filters/{filter_id}": {
			{http.MethodGet, usual, (*Server).showFilter},
			{http.MethodPatch, usual, (*Server).changeFilter},
			{http.MethodDelete, usual, (*Server).deleteFilter},
		},
		"/operations/ipaddr": {
			{http.MethodGet, usual, (*Server).listBlocks},
			{http.MethodPost, usual, (*Server).addBlock},
			{http.MethodDelete, usual, (*Server).liftBlock},
		},
		"/operations/ipaddr/{ipaddr}": {{http.MethodGet, usual, (*Server).showBlocks}},
		"/operations/block_worker_ipaddr/{worker_id}": {
			{http.MethodPut, usual, (*Server).blockWorker}, {http.MethodDelete, usual, (*Server).unblockWorker},
		},
	}
}

// guardSchemas are the bodies of filters and operations.
type guardSchemas struct {
	newFilter, filterPatch, block, unblock, blockWorker *schema
}

func newGuardSchemas() guardSchemas {
	kind := func() *schema { return integer().between(filter.MinType, filter.MaxType) }
	address := func() *schema { return text().length(7, 40) }
	return guardSchemas{
		newFilter: shape(map[string]*schema{
			"regex": text(), "filter_type": kind(), "description": text(), "replacement": text(),
		}, "regex", "filter_type"),
		filterPatch: shape(map[string]*schema{
			"regex": text(), "filter_type": kind(), "description": text(), "replacement": text(),
		}),
		block: shape(map[string]*schema{
			"ipaddr": address(), "hours": integer().between(horde.MinBlock.Hours(), horde.MaxBlock.Hours()),
		}, "ipaddr", "hours"),
		unblock:     shape(map[string]*schema{"ipaddr": address()}, "ipaddr"),
		blockWorker: shape(map[string]*schema{"days": integer().between(1, horde.MaxBlock.Hours()/24)}, "days"),
	}
}

// moderatorCalling is the account of the call's key, which must be a moderator's.
func (s *Server) moderatorCalling(c *call) (horde.User, error) {
	u, err := s.caller(c)
	if err == nil && !u.Has(horde.RoleModerator) {
		err = horde.Refuse(horde.CodeNotModerator, "Only moderators may do this.")
	}
	return u, err
}

// filterType reads a type of filters from a query; 0 means all.
func (c *call) filterType() (int, error) {
	text := c.r.URL.Query().Get("filter_type")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, missing("filter_type", show(text)+" is not an integer")
	}
	return n, nil
}

// listFilters is GET /filters.
func (s *Server) listFilters(c *call) error {
	kind, err := c.filterType()
	if err != nil {
		return err
	}
	if _, err := s.moderatorCalling(c); err != nil {
		return err
	}
	contains := c.r.URL.Query().Get("contains")
	out := []wire.Filter{}
	all, authors := s.deps.Engine.Filters()
	for i, f := range all {
		if (kind == 0 || f.Type == kind) && (strings.Contains(f.Regex, contains) || strings.Contains(f.Description, contains)) {
			out = append(out, filterOf(f, authors[i]))
		}
	}
	return c.reply(http.StatusOK, out)
}

func filterOf(f horde.Filter, author string) wire.Filter {
	return wire.Filter{
		ID: strconv.FormatInt(f.ID, 10), Regex: f.Regex, FilterType: f.Type, Description: f.Description, Replacement: f.Replacement, User: author,
	}
}

// replyFilter answers a change.
func (c *call) replyFilter(f horde.Filter, author string) error {
	short := filterOf(f, author)
	out := wire.FilterKept{
		ID: short.ID, Regex: f.Regex, FilterType: f.Type, Replacement: f.Replacement, User: author, Description: unlessEmpty(f.Description),
	}
	return c.reply(http.StatusOK, out)
}

// addFilter is PUT /filters.
func (s *Server) addFilter(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.guard.newFilter)
	if err != nil {
		return err
	}
	u, err := s.moderatorCalling(c)
	if err != nil {
		return err
	}
	f, err := do(s, c, horde.AddFilter{
		By: u.ID, Regex: body.text("regex", ""), Type: int(body.integer("filter_type", 0)),
		Description: body.text("description", ""), Replacement: body.text("replacement", ""),
	})
	if err != nil {
		return err
	}
	_, author, _ := s.deps.Engine.Filter(f.ID)
	return c.replyFilter(f, author)
}

// tryFilters is POST /filters: what the filter says about a prompt. Nobody is held to account for it.
func (s *Server) tryFilters(c *call) error {
	body, err := s.lenientBody(c)
	if err != nil {
		return err
	}
	bad := make(map[string]string)
	if _, sent := c.key(); !sent {
		bad["apikey"] = "the header apikey is required"
	}
	prompt, ok := coerceText(body["prompt"])
	if !ok {
		bad["prompt"] = "the prompt is required"
	}
	kind := int64(0)
	if body["filter_type"] != nil {
		if kind, ok = coerceInteger(body, "filter_type", 0); !ok {
			bad["filter_type"] = show(body["filter_type"]) + " is not an integer"
		}
	}
	if len(bad) > 0 {
		return invalid(bad)
	}
	if _, err := s.moderatorCalling(c); err != nil {
		return err
	}
	if len(prompt) > horde.MaxPromptBytes {
		return horde.Refuse(horde.CodeBadRequest, "The prompt has %d bytes, at most %d are allowed.", len(prompt), horde.MaxPromptBytes)
	}
	verdict := s.deps.Engine.FilterSet().ScoreType(prompt, int(max(0, min(kind, filter.MaxType+1))))
	out := wire.FilterVerdict{Suspicion: itoa(verdict.Score), Matches: verdict.Matches}
	if out.Matches == nil {
		out.Matches = []string{}
	}
	return c.reply(http.StatusOK, out)
}

// filterExpressions is GET /filters/regex.
func (s *Server) filterExpressions(c *call) error {
	kind, err := c.filterType()
	if err != nil {
		return err
	}
	if _, err := s.moderatorCalling(c); err != nil {
		return err
	}
	set := s.deps.Engine.FilterSet()
	out := []wire.FilterRegex{}
	for _, typ := range []int{filter.TypeReplaced, filter.TypeContext, filter.TypeSecond} {
		if kind == 0 || kind == typ {
			out = append(out, wire.FilterRegex{FilterType: typ, Regex: set.Expression(typ)})
		}
	}
	return c.reply(http.StatusOK, out)
}

// filterID reads the path's filter. What is no number is simply not found.
func (c *call) filterID() (int64, error) {
	text := c.r.PathValue("filter_id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, noFilter(text)
	}
	return id, nil
}

func noFilter(text string) error {
	return horde.Refuse(horde.CodeFilterNotFound, "Filter with ID %s not found.", show(text))
}

// showFilter is GET /filters/{filter_id}.
func (s *Server) showFilter(c *call) error {
	if _, err := s.moderatorCalling(c); err != nil {
		return err
	}
	id, err := c.filterID()
	if err != nil {
		return err
	}
	f, author, ok := s.deps.Engine.Filter(id)
	if !ok {
		return noFilter(c.r.PathValue("filter_id"))
	}
	return c.reply(http.StatusOK, filterOf(f, author))
}

// changeFilter is PATCH /filters/{filter_id}.
func (s *Server) changeFilter(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.guard.filterPatch)
	if err != nil {
		return err
	}
	u, err := s.moderatorCalling(c)
	if err != nil {
		return err
	}
	id, err := c.filterID()
	if err != nil {
		return err
	}
	f, err := do(s, c, horde.PatchFilter{
		By: u.ID, ID: id, Regex: body.text("regex", ""), Type: int(body.integer("filter_type", 0)),
		Description: body.text("description", ""), Replacement: body.text("replacement", ""),
	})
	if err != nil {
		return err
	}
	return c.replyFilter(f, u.Alias())
}

// deleteFilter is DELETE /filters/{filter_id}.
func (s *Server) deleteFilter(c *call) error {
	u, err := s.moderatorCalling(c)
	if err != nil {
		return err
	}
	id, err := c.filterID()
	if err != nil {
		return err
	}
	if _, err := do(s, c, horde.DeleteFilter{By: u.ID, ID: id}); err != nil {
		return err
	}
	return c.done()
}

// done answers what has nothing more to say.
func (c *call) done() error { return c.reply(http.StatusOK, wire.Done{Message: "OK"}) }
