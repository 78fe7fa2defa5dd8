// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"encoding/json"
	"fmt"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

// workerOffer is the JSON of a worker's offer. It converts from and to horde.Offer, so a field missing here does not
// compile; the names in the JSON never change.
type workerOffer struct {
	Name         string   `json:"name"`
	Models       []string `json:"models"`
	BridgeAgent  string   `json:"bridge_agent"`
	NSFW         bool     `json:"nsfw,omitempty"`
	Threads      int      `json:"threads"`
	MaxPixels    int      `json:"max_pixels"`
	Blacklist    []string `json:"blacklist,omitempty"`
	Img2Img      bool     `json:"img2img,omitempty"`
	Painting     bool     `json:"painting,omitempty"`
	UnsafeIP     bool     `json:"unsafe_ip,omitempty"`
	Post         bool     `json:"post,omitempty"`
	ControlNet   bool     `json:"controlnet,omitempty"`
	SDXLControl  bool     `json:"sdxl_control,omitempty"`
	Lora         bool     `json:"lora,omitempty"`
	LimitSteps   bool     `json:"limit_steps,omitempty"`
	ExtraSlow    bool     `json:"extra_slow,omitempty"`
	NeedsUpfront bool     `json:"needs_upfront,omitempty"`
	MaxLength    int      `json:"max_length,omitempty"`
	MaxContext   int      `json:"max_context,omitempty"`
	Softprompts  []string `json:"softprompts,omitempty"`
	Forms        []string `json:"forms,omitempty"`
	MaxTiles     int      `json:"max_tiles,omitempty"`
}

// workerRecord is the JSON of what a worker did and what its owner says about it.
type workerRecord struct {
	Info        string        `json:"info,omitempty"`
	Maintenance bool          `json:"maintenance,omitempty"`
	MaintReason string        `json:"maintenance_reason,omitempty"`
	Paused      bool          `json:"paused,omitempty"`
	Suspicion   int           `json:"suspicion,omitempty"`
	Reasons     horde.Reasons `json:"reasons,omitempty"`
	Team        horde.TeamID  `json:"team,omitzero"`
	Fulfilled   int64         `json:"fulfilled,omitempty"`
	Uncompleted int64         `json:"uncompleted,omitempty"`
	Things      int64         `json:"things,omitempty"`
	Uptime      int64         `json:"uptime,omitempty"`
	Rewarded    int64         `json:"rewarded,omitempty"`
	UptimeKudos kudos.Amount  `json:"uptime_kudos,omitempty"`
	Generated   kudos.Amount  `json:"generated,omitempty"`
	Performance []float64     `json:"performance,omitempty"`
	DropSince   int64         `json:"drop_since,omitempty"` // microseconds
	Drops       int           `json:"drops,omitempty"`
}

func recordOf(w *horde.Worker) workerRecord {
	return workerRecord{
		Info: w.Info, Maintenance: w.Maintenance, MaintReason: w.MaintReason, Paused: w.Paused, Suspicion: w.Suspicion,
		Fulfilled: w.Fulfilled, Uncompleted: w.Uncompleted, Things: w.Things, Uptime: w.Uptime, Generated: w.Generated,
		Performance: w.Performance, DropSince: micros(w.DropSince), Drops: w.Drops,
		Reasons: w.Reasons, Team: w.Team, Rewarded: w.Rewarded, UptimeKudos: w.UptimeKudos,
	}
}

func (r workerRecord) into(w *horde.Worker) {
	w.Info, w.Maintenance, w.MaintReason, w.Paused, w.Suspicion = r.Info, r.Maintenance, r.MaintReason, r.Paused, r.Suspicion
	w.Fulfilled, w.Uncompleted, w.Things, w.Uptime, w.Generated = r.Fulfilled, r.Uncompleted, r.Things, r.Uptime, r.Generated
	w.Performance, w.DropSince, w.Drops = r.Performance, fromMicros(r.DropSince), r.Drops
	w.Reasons, w.Team, w.Rewarded, w.UptimeKudos = r.Reasons, r.Team, r.Rewarded, r.UptimeKudos
}

const selectWorkers = `SELECT id, owner, type, created, last_seen, origin, offer, record FROM worker`

func scanWorker(scan func(...any) error) (horde.Worker, error) {
	var (
		w                   horde.Worker
		id                  uid
		kind, from          string
		created, seen       int64
		offerText, recorded []byte
	)
	if err := scan(&id, &w.Owner, &kind, &created, &seen, &from, &offerText, &recorded); err != nil {
		return w, fmt.Errorf("read a worker: %w", err)
	}
	w.ID, w.Type = horde.WorkerID{UUID: horde.UUID(id)}, horde.WorkerType(kind)
	w.Created, w.LastSeen = fromMicros(created), fromMicros(seen)
	var (
		offer  workerOffer
		record workerRecord
		err    error
	)
	if w.Origin, err = origin.Parse(from); err != nil {
		return w, fmt.Errorf("read worker %s: %w", w.ID, err)
	}
	if err := json.Unmarshal(offerText, &offer); err != nil {
		return w, fmt.Errorf("read worker %s: its offer: %w", w.ID, err)
	}
	if err := json.Unmarshal(recorded, &record); err != nil {
		return w, fmt.Errorf("read worker %s: its record: %w", w.ID, err)
	}
	w.Offer = horde.Offer(offer)
	record.into(&w)
	return w, nil
}

// uid scans an identifier from SQLite's 16 bytes or PostgreSQL's 36 characters.
type uid horde.UUID

// Scan implements sql.Scanner.
func (u *uid) Scan(src any) error {
	switch v := src.(type) {
	case []byte:
		if len(v) == len(u) {
			copy(u[:], v)
			return nil
		}
	case string:
		id, err := horde.ParseUUID(v)
		if err != nil {
			return fmt.Errorf("read the identifier %q: %w", v, err)
		}
		*u = uid(id)
		return nil
	}
	return fmt.Errorf("read an identifier from %T: it is not 16 bytes", src)
}
