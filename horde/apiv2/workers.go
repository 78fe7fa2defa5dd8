// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
)

// listWorkers is GET /workers: those online. A key that is unknown counts as none.
func (s *Server) listWorkers(c *call) error {
	by, _, err := s.optionalCaller(c, false)
	if err != nil {
		return err
	}
	query := c.r.URL.Query()
	name, kind := query.Get("name"), query.Get("type")
	out := []wire.Worker{}
	for _, w := range s.deps.Engine.Workers(true) {
		if name != "" && !strings.EqualFold(name, w.Offer.Name) || name == "" && kind != "" && kind != string(w.Type) {
			continue
		}
		out = append(out, s.workerOf(&w, by.Has(horde.RoleModerator)))
	}
	return c.reply(http.StatusOK, out)
}

// pathWorker finds the worker a path names by ID.
func (s *Server) pathWorker(c *call) (horde.Worker, error) {
	text := c.r.PathValue("worker_id")
	if id, err := horde.ParseUUID(text); err == nil {
		if w, ok := s.deps.Engine.Worker(horde.WorkerID{UUID: id}); ok {
			return w, nil
		}
	}
	return horde.Worker{}, horde.Refuse(horde.CodeWorkerNotFound, "Worker with ID %s not found.", show(text))
}

// showWorker is GET /workers/{worker_id}.
func (s *Server) showWorker(c *call) error {
	w, err := s.pathWorker(c)
	if err != nil {
		return err
	}
	return s.replyWorker(c, &w)
}

// showWorkerNamed is GET /workers/name/{worker_name}.
func (s *Server) showWorkerNamed(c *call) error {
	name := c.r.PathValue("worker_name")
	w, ok := s.deps.Engine.WorkerByName(name)
	if !ok {
		return horde.Refuse(horde.CodeWorkerNotFound, "Worker with name %s not found.", show(name))
	}
	return s.replyWorker(c, &w)
}

func (s *Server) replyWorker(c *call, w *horde.Worker) error {
	by, _, err := s.optionalCaller(c, false)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, s.workerOf(w, by.Has(horde.RoleModerator)))
}

func (s *Server) workerOf(w *horde.Worker, privileged bool) wire.Worker {
	owner, _ := s.deps.Engine.User(w.Owner)
	o, can := &w.Offer, horde.Capabilities(w.Offer.BridgeAgent)
	out := wire.Worker{
		RequestsFulfilled: w.Fulfilled, KudosRewards: amount(w.Generated),
		KudosDetails: wire.WorkerKudosDetails{Generated: new(amount(w.Generated)), Uptime: new(int64(0))},
		Performance:  speedOf(w),
		Threads:      o.Threads, Uptime: w.Uptime, MaintenanceMode: w.Maintenance, Info: w.Info, NSFW: o.NSFW,
		Trusted: owner.Has(horde.RoleTrusted), Flagged: owner.Has(horde.RoleFlagged), UncompletedJobs: w.Uncompleted,
		Models: o.Models, BridgeAgent: o.BridgeAgent, MaxPixels: o.MaxPixels,
		MegapixelstepsGenerated: wire.Float(math.Round(float64(w.Things) / 1e6)),
		Img2Img:                 o.Img2Img && can.Has(horde.CanImg2Img), Painting: o.Painting && can.Has(horde.CanInpainting),
		PostProcessing: o.Post, Lora: o.Lora, ControlNet: o.ControlNet, SDXLControlNet: o.SDXLControl,
		Type: string(w.Type), Name: o.Name, ID: w.ID.String(), Online: w.Online(s.deps.Now()),
	}
	if out.Models == nil {
		out.Models = []string{}
	}
	switch w.Type {
	case horde.Scribe:
		out.MaxLength, out.MaxContextLength, out.TokensGenerated = &o.MaxLength, &o.MaxContext, new(wire.Float(w.Things))
	case horde.Alchemist:
		out.Forms = append([]string{}, o.Forms...)
	case horde.Dreamer:
	}
	if privileged || owner.Has(horde.RolePublicWorkers) {
		out.Owner, out.Messages = owner.Alias(), []wire.WorkerMessage{}
	}
	if privileged {
		out.Paused, out.Suspicious = &w.Paused, &w.Suspicion
		out.IPAddr, out.Contact = w.Origin.String(), owner.Contact
	}
	return out
}

// speedOf says how fast a worker is, in the words of its type.
func speedOf(w *horde.Worker) string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }
	switch w.Type {
	case horde.Scribe:
		return number(w.Speed()) + " tokens per second"
	case horde.Alchemist:
		if len(w.Performance) == 0 {
			return "No requests fulfilled yet"
		}
		return number(w.Speed()) + " seconds per form"
	case horde.Dreamer:
	}
	return number(w.Speed()/1e6) + " megapixelsteps per second"
}

// changeWorker is PUT /workers/{worker_id}.
func (s *Server) changeWorker(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.worker)
	if err != nil {
		return err
	}
	w, err := s.pathWorker(c)
	if err != nil {
		return err
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	mod := u.Has(horde.RoleModerator)
	switch {
	case w.Owner != u.ID && !mod && (body.has("maintenance") || body.has("info")):
		return horde.Refuse(codeNotOwner, "Only the owner of a worker may change it.")
	case !mod && (body.has("paused") || w.Owner != u.ID && body.has("team")):
		return horde.Refuse(codeNotModerator, "Only moderators may do this.")
	case u.ID == horde.Anonymous:
		return horde.Refuse(horde.CodeAnonForbiddenWorker, "Anonymous callers may not change workers.")
	case body.text("team", "") != "":
		return horde.Refuse(codeTeamNotFound, "There is no such team.")
	case !body.has("maintenance") && !body.has("info") && !body.has("paused") && !body.has("team"):
		return horde.Refuse(codeNoWorkerMod, "No change was asked for.")
	case nul(body):
		return horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	op := horde.SetWorker{Worker: w.ID, By: u.ID, Reason: body.text("maintenance_msg", "")}
	var out wire.WorkerChanged
	if body.has("maintenance") {
		op.Maintenance = new(body.truth("maintenance", false))
		out.Maintenance = op.Maintenance
	}
	if body.has("paused") {
		op.Paused = new(body.truth("paused", false))
		out.Paused = op.Paused
	}
	if body.has("info") {
		op.Info = new(strings.TrimSpace(body.text("info", "")))
		out.Info = op.Info
	}
	if body.has("team") {
		out.Team = new("None") // the protocol's word for having left
	}
	if _, err := do(s, c, op); err != nil {
		return err
	}
	return c.reply(http.StatusOK, out)
}
