// SPDX-License-Identifier: AGPL-3.0-or-later

package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"stablemate/horde"
)

// dash is what the dashboard shows.
type dash struct {
	Span    string
	Spans   []spanLink
	Now     horde.Performance
	Plots   []plot
	Totals  []totalRow
	Models  []modelRow
	Workers []workerRow
	Leaders []leader
	More    int // workers not shown
}

type spanLink struct {
	Name, Label string
	Here        bool
}

type totalRow struct {
	Name                                          string
	Minute, Hour, Day, Month, Total, TotalOfThing string
}

type modelRow struct {
	horde.ModelStatus
	Kind, Speed, Month string
}

type workerRow struct {
	Name, Kind, Models, Speed, Owner, State, Online string
	Threads                                         int
	Fulfilled                                       int64
}

type leader struct {
	Place             int
	Name, Kudos       string
	Made, Asked       int64
	MadeMegapixelstep string
}

// board keeps the leaderboard for a while: it looks at every account.
type board struct {
	mu   sync.Mutex // guards what follows
	at   time.Time
	rows []leader
}

// spans are what the dashboard can look back on.
func spans() map[string]horde.StatSpan {
	return map[string]horde.StatSpan{"hour": horde.LastHour, "day": horde.LastDay, "month": horde.LastMonth}
}

// dashboard shows queue, workers, models and leaders, with plots of a span.
func (s *site) dashboard(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("span")
	span, ok := spans()[name]
	if !ok {
		name, span = "day", horde.LastDay
	}
	stats, now := s.deps.Engine.Statistics(), s.deps.Now()
	d := dash{Span: name, Now: s.deps.Engine.Performance(), Leaders: s.leaders(now)}
	for _, link := range []spanLink{{Name: "hour", Label: "Last hour"}, {Name: "day", Label: "Last day"}, {Name: "month", Label: "Last 30 days"}} {
		link.Here = link.Name == name
		d.Spans = append(d.Spans, link)
	}
	d.Plots, d.Totals = plotsOf(stats, span)
	d.Models = s.modelRows(stats)
	workers := s.deps.Engine.Workers(true)
	d.More = max(0, len(workers)-maxRows)
	for i := range workers[:min(len(workers), maxRows)] {
		owner, _ := s.deps.Engine.User(workers[i].Owner)
		alias := ""
		if owner.Has(horde.RolePublicWorkers) {
			alias = owner.Alias()
		}
		d.Workers = append(d.Workers, rowOf(&workers[i], alias, now))
	}
	s.show(w, r, http.StatusOK, "dashboard.html", page{Title: "Dashboard", Data: d})
}

func plotsOf(stats horde.Statistics, span horde.StatSpan) (plots []plot, totals []totalRow) {
	count := func(m horde.Made) float64 { return float64(m.Count) }
	for _, kind := range []struct {
		kind                            horde.StatKind
		id, name, unit, thingID, things string
		thingTitle                      string
		per                             float64
		always                          bool
	}{
		{horde.StatImage, "images", "Images", "images", "pixelsteps", "megapixelsteps", "Work in images", 1e6, true},
		{horde.StatText, "texts", "Texts", "texts", "tokens", "tokens", "Work in texts", 1, false},
		{horde.StatAlchemy, "forms", "Forms of alchemy", "forms", "", "", "", 1, false},
	} {
		t := stats.Totals(kind.kind)
		if t.Total.Count == 0 && !kind.always {
			continue
		}
		series := stats.Series(kind.kind, span)
		plots = append(plots, newPlot(kind.id, kind.name, kind.unit, span, series, count))
		row := totalRow{
			Name: kind.name, Minute: short(count(t.Minute)), Hour: short(count(t.Hour)), Day: short(count(t.Day)),
			Month: short(count(t.Month)), Total: short(count(t.Total)),
		}
		totals = append(totals, row)
		if kind.things == "" {
			continue
		}
		things := func(m horde.Made) float64 { return float64(m.Things) / kind.per }
		plots = append(plots, newPlot(kind.thingID, kind.thingTitle, kind.things, span, series, things))
		totals = append(totals, totalRow{
			Name: kind.thingTitle + " (" + kind.things + ")", Minute: short(things(t.Minute)), Hour: short(things(t.Hour)), Day: short(things(t.Day)),
			Month: short(things(t.Month)), Total: short(things(t.Total)),
		})
	}
	return plots, totals
}

// modelRows lists the models of every kind, each kind with the most rows that fit.
func (s *site) modelRows(stats horde.Statistics) []modelRow {
	var out []modelRow
	for _, kind := range []struct {
		workers horde.WorkerType
		stats   horde.StatKind
		name    string
	}{{horde.Dreamer, horde.StatImage, "image"}, {horde.Scribe, horde.StatText, "text"}} {
		month := stats.Models(kind.stats).Month
		models := s.deps.Engine.ModelsOf(kind.workers)
		for _, m := range models[:min(len(models), maxRows)] {
			out = append(out, modelRow{
				ModelStatus: m, Kind: kind.name, Speed: speed(kind.workers, m.Speed), Month: short(float64(month[m.Name])),
			})
		}
	}
	return out
}

// speed is how fast a worker of a type is, for people.
func speed(t horde.WorkerType, v float64) string {
	switch t {
	case horde.Scribe:
		return trim(v) + " tokens/s"
	case horde.Alchemist:
		return trim(v) + " s per form"
	case horde.Dreamer:
	}
	return mega(int64(v)) + " MPS/s"
}

// rowOf is a worker in a table. Owner is empty when it is nobody's business.
func rowOf(w *horde.Worker, owner string, now time.Time) workerRow {
	row := workerRow{
		Name: w.Offer.Name, Kind: string(w.Type), Models: strconv.Itoa(len(w.Offer.Models)), Owner: owner, Threads: w.Offer.Threads,
		Fulfilled: w.Fulfilled, State: "working", Online: "online",
	}
	row.Speed = speed(w.Type, w.Speed())
	if w.Type == horde.Alchemist {
		row.Kind = "alchemy"
	}
	if len(w.Performance) == 0 {
		row.Speed = "not known yet"
	}
	switch {
	case !w.Online(now):
		row.State, row.Online = "offline", "offline"
	case w.Paused:
		row.State = "paused"
	case w.Maintenance:
		row.State = "in maintenance"
	}
	return row
}

// leaders are the accounts with the most kudos: those who gave the horde more than they took.
func (s *site) leaders(now time.Time) []leader {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	if s.board.rows != nil && now.Sub(s.board.at) < boardLife && !now.Before(s.board.at) {
		return s.board.rows
	}
	users := slices.DeleteFunc(s.deps.Engine.Users(), func(u horde.User) bool {
		return u.ID == horde.Anonymous || u.Has(horde.RoleDeleted) || u.Has(horde.RoleFlagged) || u.Available() == 0
	})
	slices.SortFunc(users, func(a, b horde.User) int {
		return cmp.Or(cmp.Compare(b.Balance, a.Balance), cmp.Compare(a.ID, b.ID))
	})
	rows := make([]leader, 0, maxBoard)
	for i := range users[:min(len(users), maxBoard)] {
		u := &users[i]
		rows = append(rows, leader{
			Place: i + 1, Name: u.Alias(), Kudos: u.Balance.Round().String(), Made: u.Image.Fulfilments, Asked: u.Image.Requests,
			MadeMegapixelstep: mega(u.Image.ContributionThings),
		})
	}
	s.board.at, s.board.rows = now, rows
	return rows
}
