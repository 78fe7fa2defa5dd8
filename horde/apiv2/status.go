// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"math"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/kudos"
)

// specialModel begins the names of models that lists do not show.
const specialModel = "horde_special"

// heartbeat is GET /status/heartbeat. It answers 200 also when the horde is not well.
func (s *Server) heartbeat(c *call) error {
	ready := s.deps.Engine.Ready()
	out := wire.Heartbeat{
		Message: "OK", Version: s.opts.Version, Threads: runtime.GOMAXPROCS(0),
		ActiveCount: int(s.active.Load()) - 1, DBConnection: ready,
	}
	if !ready {
		out.Message = "DOWN"
	}
	return c.reply(http.StatusOK, out)
}

// performance is GET /status/performance.
func (s *Server) performance(c *call) error {
	p := s.deps.Engine.Performance()
	return c.reply(http.StatusOK, wire.Performance{
		QueuedRequests: p.QueuedRequests, WorkerCount: p.Workers, ThreadCount: p.Threads,
		QueuedMegapixelsteps: megapixelsteps(p.QueuedThings), PastMinuteMegapixelsteps: megapixelsteps(p.PastMinuteThings),
		QueuedTextRequests: p.QueuedTexts, TextWorkerCount: p.Scribes, TextThreadCount: p.TextThreads,
		QueuedTokens: wire.Float(p.QueuedTokens), PastMinuteTokens: wire.Float(p.PastMinuteTokens),
		QueuedForms: wire.Float(p.QueuedForms), InterrogatorCount: p.Alchemists, InterrogatorThreadCount: p.AlchemistThreads,
	})
}

// models is GET /status/models.
func (s *Server) models(c *call) error {
	query := c.r.URL.Query()
	least, most, err := threadBounds(query)
	if err != nil {
		return err
	}
	state := query.Get("model_state")
	switch state {
	case "", "all", "known", "custom":
	default:
		return horde.Refuse(horde.CodeBadRequest, "model_state is known, custom or all, not %s", show(state))
	}
	out := []wire.Model{}
	kind := horde.WorkerType(query.Get("type"))
	if kind == "" {
		kind = horde.Dreamer
	}
	if kind == horde.Dreamer || kind == horde.Scribe {
		for _, m := range s.deps.Engine.ModelsOf(kind) {
			known := len(s.known) == 0 || s.known[m.Name]
			if kind == horde.Scribe {
				known = kudos.TextParams(m.Name) > 0 // its price is
			}
			if strings.HasPrefix(m.Name, specialModel) || m.Threads < least || m.Threads > most ||
				state == "known" && !known || state == "custom" && known {
				continue
			}
			out = append(out, modelOf(m, kind))
		}
	}
	return c.reply(http.StatusOK, out)
}

func threadBounds(query url.Values) (least, most int, err error) {
	least, most = 0, math.MaxInt
	bad := make(map[string]string)
	for name, bound := range map[string]*int{"min_count": &least, "max_count": &most} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			bad[name] = show(text) + " is not an integer"
			continue
		}
		*bound = n
	}
	if len(bad) > 0 {
		return 0, 0, invalid(bad)
	}
	return least, most, nil
}

// modelNamed is GET /status/models/{model_name}: zero or one entry. The name is percent-decoded twice, so
// that a model with a slash can be asked for.
func (s *Server) modelNamed(c *call) error {
	name := c.r.PathValue("model_name")
	if again, err := url.PathUnescape(name); err == nil {
		name = again
	}
	out := []wire.Model{}
	for _, kind := range []horde.WorkerType{horde.Dreamer, horde.Scribe} {
		for _, m := range s.deps.Engine.ModelsOf(kind) {
			if m.Name == name && len(out) == 0 {
				out = append(out, modelOf(m, kind))
			}
		}
	}
	return c.reply(http.StatusOK, out)
}

func modelOf(m horde.ModelStatus, kind horde.WorkerType) wire.Model {
	return wire.Model{
		Performance: wire.Float(m.Speed), Queued: wire.Float(m.Queued), Jobs: wire.Float(m.Jobs), ETA: m.ETA,
		Type: string(kind), Name: m.Name, Count: m.Threads,
	}
}

// modes is GET /status/modes. A moderator's key shows one more; any other key is refused.
func (s *Server) modes(c *call) error {
	by, known, err := s.optionalCaller(c, true)
	if err != nil {
		return err
	}
	if known && !by.Has(horde.RoleModerator) {
		return horde.Refuse(codeNotModerator, "Only moderators may send a key here.")
	}
	m := s.deps.Engine.Modes()
	out := wire.Modes{MaintenanceMode: m.Maintenance, InviteOnlyMode: m.InviteOnly}
	if known {
		out.RaidMode = &m.Raid
	}
	return c.reply(http.StatusOK, out)
}

// news is GET /status/news.
func (s *Server) news(c *call) error { return c.reply(http.StatusOK, []wire.News{}) }
