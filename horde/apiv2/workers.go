// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/kudos"
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

// addressOf judges where a worker calls from, if its owner's may not call from anywhere.
func (s *Server) addressOf(c *call, owner *horde.User) horde.Address {
	if s.opts.Addresses == nil || !horde.ChecksAddress(owner) {
		return horde.AddressSafe
	}
	return s.opts.Addresses(c.r.Context(), CallerAddr(c.r, s.opts.TrustedProxy))
}

// askerAddress judges where a request comes from, while there is a raid.
func (s *Server) askerAddress(c *call, u *horde.User) horde.Address {
	if s.opts.Addresses == nil || !s.deps.Engine.Modes().Raid || !horde.ChecksAddress(u) {
		return horde.AddressSafe
	}
	return s.opts.Addresses(c.r.Context(), s.clientOrigin(c.r).Addr())
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
	o := &w.Offer
	out := wire.Worker{
		RequestsFulfilled: w.Fulfilled, KudosRewards: amount(w.Generated + w.UptimeKudos),
		KudosDetails: wire.WorkerKudosDetails{Generated: new(amount(w.Generated)), Uptime: new(int64(w.UptimeKudos / kudos.One))},
		Performance:  performanceOf(w),
		Threads:      o.Threads, Uptime: w.Uptime, MaintenanceMode: w.Maintenance, Info: w.Info, NSFW: o.NSFW,
		Trusted: owner.Has(horde.RoleTrusted), Flagged: owner.Has(horde.RoleFlagged), UncompletedJobs: w.Uncompleted,
		BridgeAgent: o.BridgeAgent, Type: string(w.Type), Name: o.Name, ID: w.ID.String(), Online: w.Online(s.deps.Now()),
	}
	switch w.Type {
	case horde.Dreamer:
		can := horde.Capabilities(o.BridgeAgent)
		out.Models = orEmpty(o.Models)
		out.DreamerDetails = &wire.DreamerDetails{
			MaxPixels: o.MaxPixels, MegapixelstepsGenerated: wire.Float(math.Round(float64(w.Things) / 1e6)),
			Img2Img: o.Img2Img && can.Has(horde.CanImg2Img), Painting: o.Painting && can.Has(horde.CanInpainting),
			PostProcessing: o.Post, Lora: o.Lora, ControlNet: o.ControlNet, SDXLControlNet: o.SDXLControl,
		}
	case horde.Scribe:
		out.Models = orEmpty(o.Models)
		out.ScribeDetails = &wire.ScribeDetails{MaxLength: o.MaxLength, MaxContextLength: o.MaxContext}
	case horde.Alchemist:
		out.Forms = orEmpty(o.Forms)
	}
	if team, ok := s.deps.Engine.Team(w.Team); ok {
		out.Team = wire.WorkerTeam{Name: &team.Name, ID: new(team.ID.String())}
	}
	if privileged || owner.Has(horde.RolePublicWorkers) {
		out.Owner, out.Messages = owner.Alias(), []wire.WorkerMessage{}
		for _, m := range s.deps.Engine.MessagesTo(w.ID) {
			word := messageOf(&m)
			word.ID = "" // the protocol leaves it out here
			out.Messages = append(out.Messages, word)
		}
	}
	if privileged {
		out.Paused, out.Suspicious = &w.Paused, &w.Suspicion
		out.IPAddr, out.Contact = w.Origin.String(), owner.Contact
	}
	return out
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// performanceOf tells a worker's speed in the words that clients know.
func performanceOf(w *horde.Worker) string {
	speed, unit := w.Speed()/1e6, " megapixelsteps per second"
	switch w.Type {
	case horde.Dreamer:
	case horde.Scribe:
		speed, unit = w.Speed(), " tokens per second"
	case horde.Alchemist:
		if len(w.Performance) == 0 {
			return "No forms yet"
		}
		speed, unit = w.Speed(), " seconds per form"
	}
	return strconv.FormatFloat(speed, 'f', 1, 64) + unit
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
	switch {
	case err != nil:
		return err
	case nul(body):
		return horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	op := horde.SetWorker{
		Worker: w.ID, By: u.ID, Reason: body.text("maintenance_msg", ""), Info: body.maybe("info"), Name: body.maybe("name"),
	}
	if body.has("maintenance") {
		op.Maintenance = new(body.truth("maintenance", false))
	}
	if body.has("paused") {
		op.Paused = new(body.truth("paused", false))
	}
	if text := body.maybe("team"); text != nil {
		op.Team = new(teamNamed(*text))
	}
	w, err = do(s, c, op)
	if err != nil {
		return err
	}
	out := wire.WorkerChanged{Maintenance: op.Maintenance, Paused: op.Paused}
	if op.Info != nil {
		out.Info = &w.Info
	}
	if op.Name != nil {
		out.Name = &w.Offer.Name
	}
	if op.Team != nil {
		out.Team = new("None") // the protocol's word for having left
		if team, ok := s.deps.Engine.Team(w.Team); ok {
			out.Team = &team.Name
		}
	}
	return c.reply(http.StatusOK, out)
}

// noSuchTeam is an ID that no team ever has.
const noSuchTeam = 1

// teamNamed reads the ID of a team. An empty one leaves the team; what cannot be read names none that there is.
func teamNamed(text string) horde.TeamID {
	if text == "" {
		return horde.TeamID{}
	}
	id, err := horde.ParseUUID(text)
	if err != nil || id.IsZero() {
		return horde.TeamID{UUID: horde.UUID{noSuchTeam}}
	}
	return horde.TeamID{UUID: id}
}

// deleteWorker is DELETE /workers/{worker_id}.
func (s *Server) deleteWorker(c *call) error {
	w, err := s.pathWorker(c)
	if err != nil {
		return err
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	w, err = do(s, c, horde.DeleteWorker{Worker: w.ID, By: u.ID})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, wire.Deleted{ID: w.ID.String(), Name: w.Offer.Name})
}
