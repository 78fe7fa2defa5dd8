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
		QueuedTextRequests: p.QueuedTexts, QueuedTokens: wire.Float(p.QueuedTokens), PastMinuteTokens: wire.Float(p.PastMinuteTokens),
		TextWorkerCount: p.Scribes, TextThreadCount: p.TextThreads,
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
	belongs, err := s.modelState(query, "all")
	if err != nil {
		return err
	}
	out := []wire.Model{}
	if kind := modelKind(query.Get("type")); kind != "" {
		for _, m := range s.deps.Engine.ModelsOf(kind) {
			if m.Threads >= least && m.Threads <= most && !strings.HasPrefix(m.Name, specialModel) && belongs(m.Name) {
				out = append(out, modelOf(m, kind))
			}
		}
	}
	return c.reply(http.StatusOK, out)
}

// modelKind is what callers may ask lists of models for; nothing asks for images, anything else for an empty list.
func modelKind(kind string) horde.WorkerType {
	switch kind {
	case "", string(horde.Dreamer):
		return horde.Dreamer
	case string(horde.Scribe):
		return horde.Scribe
	default:
		return ""
	}
}

// modelState reads which models a caller wants: those this horde knows, those somebody brought, or all.
func (s *Server) modelState(query url.Values, unset string) (belongs func(model string) bool, err error) {
	state := query.Get("model_state")
	if state == "" {
		state = unset
	}
	switch state {
	case "all":
		return func(string) bool { return true }, nil
	case "known", "custom":
		return func(m string) bool { return (len(s.known) == 0 || s.known[m]) == (state == "known") }, nil
	}
	return nil, horde.Refuse(horde.CodeBadRequest, "model_state is known, custom or all, not %s", show(state))
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
			if m.Name == name {
				out = append(out, modelOf(m, kind))
			}
		}
	}
	return c.reply(http.StatusOK, out)
}

func modelOf(m horde.ModelStatus, kind horde.WorkerType) wire.Model {
	return wire.Model{
		Performance: wire.Float(m.Speed), Queued: wire.Float(m.Queued), Jobs: wire.Float(m.Jobs + m.Working), ETA: m.ETA,
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
