// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"net/http"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
)

// statsRoutes are the paths of statistics and documents.
func statsRoutes() map[string][]endpoint {
	get := func(f func(*Server, *call) error) []endpoint {
		return []endpoint{{http.MethodGet, []limit{byDefault()}, f}}
	}
	return map[string][]endpoint{
		"/stats/img/totals":   get((*Server).imageTotals),
		"/stats/img/models":   get((*Server).imageModelStats),
		"/stats/text/totals":  get((*Server).textTotals),
		"/stats/text/models":  get((*Server).textModelStats),
		"/documents/terms":    get(document("terms")),
		"/documents/privacy":  get(document("privacy")),
		"/documents/sponsors": get(document("sponsors")),
	}
}

// imageTotals is GET /stats/img/totals.
func (s *Server) imageTotals(c *call) error {
	t := s.deps.Engine.Statistics().Totals(horde.StatImage)
	of := func(m horde.Made) wire.ImageTotal { return wire.ImageTotal{Images: m.Count, PS: m.Things} }
	return c.reply(http.StatusOK, wire.ImageTotals{Minute: of(t.Minute), Hour: of(t.Hour), Day: of(t.Day), Month: of(t.Month), Total: of(t.Total)})
}

// textTotals is GET /stats/text/totals.
func (s *Server) textTotals(c *call) error {
	t := s.deps.Engine.Statistics().Totals(horde.StatText)
	of := func(m horde.Made) wire.TextTotal { return wire.TextTotal{Requests: m.Count, Tokens: m.Things} }
	return c.reply(http.StatusOK, wire.TextTotals{Minute: of(t.Minute), Hour: of(t.Hour), Day: of(t.Day), Month: of(t.Month), Total: of(t.Total)})
}

// imageModelStats is GET /stats/img/models. Unless told otherwise it counts the models this horde knows.
func (s *Server) imageModelStats(c *call) error {
	belongs, err := s.modelState(c.r.URL.Query(), "known")
	if err != nil {
		return err
	}
	m := s.deps.Engine.Statistics().Models(horde.StatImage)
	for _, counts := range []map[string]int64{m.Day, m.Month, m.Total} {
		for name := range counts {
			if !belongs(name) {
				delete(counts, name)
			}
		}
	}
	return c.reply(http.StatusOK, wire.ModelStats(m))
}

// textModelStats is GET /stats/text/models.
func (s *Server) textModelStats(c *call) error {
	return c.reply(http.StatusOK, wire.ModelStats(s.deps.Engine.Statistics().Models(horde.StatText)))
}
