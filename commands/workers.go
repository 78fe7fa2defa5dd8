// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

// verbWorker is the buttons and forms of a worker's panel: the ID names the worker, the argument what to do.
const verbWorker = "wk"

// What a worker's panel does.
const (
	workerRest     = "rest"
	workerWake     = "wake"
	workerRename   = "name"
	workerInfo     = "info"
	workerTeam     = "team"
	workerMessage  = "write"
	workerMessages = "read"
	workerDelete   = "drop"
	workerPause    = "pause"
	workerResume   = "resume"
)

// messagesShown is how many messages a panel shows.
const messagesShown = 5

func (s *Set) workersFamily() family {
	kind := s.opt("workers", discord.OptionSpec{Name: "type", Type: discord.OptionString, Choices: []discord.Choice{
		s.pick(string(horde.Dreamer), "sheet.kind.image"), s.pick(string(horde.Scribe), "sheet.kind.text"),
		s.pick(string(horde.Alchemist), "sheet.kind.alchemist"),
	}})
	search := s.opt("workers", discord.OptionSpec{Name: "search", Type: discord.OptionString, MaxLength: new(30)})
	all := s.opt("workers", discord.OptionSpec{Name: "offline", Type: discord.OptionBoolean})
	worker := s.opt("workers", discord.OptionSpec{
		Name: "worker", Type: discord.OptionString, Required: true, Autocomplete: true, MaxLength: new(horde.MaxWorkerNameRunes),
	})
	workers := s.spec("workers", s.sub("workers", "list", kind, search, all), s.sub("workers", "info", worker), s.sub("workers", "mine"))
	manage := s.spec("worker", s.sub("worker", "manage", worker), s.sub("worker", "pause", worker), s.sub("worker", "resume", worker))
	workers.DMs, workers.UserInstall, manage.DMs, manage.UserInstall = true, true, true, true
	return family{specs: []discord.CommandSpec{workers, manage}, register: func(rt *discord.Router) {
		rt.Command("workers list", discord.Route{Handle: s.answered(func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
			o := in.Command.Options
			return s.showSheet(ctx, in, r, "workers", o.String("type"), o.String("offline"), o.String("search"))
		}), Private: true})
		rt.Command("workers mine", discord.Route{Handle: s.answered(func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
			return s.showSheet(ctx, in, r, "workers", "mine")
		}), Private: true})
		rt.Command("workers info", discord.Route{Handle: s.answered(func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
			wk, err := s.workerNamed(s.say(in), in.Command.Options.String("worker"))
			if err != nil {
				return err
			}
			return s.showSheet(ctx, in, r, "worker", wk.ID.String())
		}), Autocomplete: s.completeWorker(false), Private: true})
		rt.Command("worker manage", discord.Route{Handle: s.answered(s.workerManage), Autocomplete: s.completeWorker(true), Private: true})
		for path, do := range map[string]string{"pause": workerPause, "resume": workerResume} {
			rt.Command("worker "+path, discord.Route{Handle: s.answered(func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
				wk, err := s.workerNamed(s.say(in), in.Command.Options.String("worker"))
				if err != nil {
					return err
				}
				by, err := s.need(ctx, in)
				if err != nil {
					return err
				}
				if wk, err = engine.Do(ctx, s.engine, horde.SetWorker{Worker: wk.ID, By: by.ID, Paused: new(do == workerPause)}); err != nil {
					return err
				}
				return r.Reply(ctx, private(s.say(in).T("worker.done."+do, "Worker", escape(wk.Offer.Name))))
			}), Autocomplete: s.completeWorker(false), Private: true})
		}
		rt.Component(verbWorker, discord.Route{Handle: s.answered(s.pressWorker), Private: true})
		rt.Modal(verbWorker, discord.Route{Handle: s.answered(s.submitWorker), Private: true})
	}}
}

// workerNamed finds a worker by its name or ID.
func (s *Set) workerNamed(w words.Words, text string) (horde.Worker, error) {
	text = strings.TrimSpace(text)
	if id, err := horde.ParseUUID(text); err == nil {
		if wk, ok := s.engine.Worker(horde.WorkerID{UUID: id}); ok {
			return wk, nil
		}
	}
	if wk, ok := s.engine.WorkerByName(text); ok {
		return wk, nil
	}
	return horde.Worker{}, tell(w.T("worker.unknown", "Worker", escape(discord.Clip(text, maxModel))))
}

// completeWorker suggests one's own workers, and with own false all others after them; moderators get all.
func (s *Set) completeWorker(own bool) discord.HandlerFunc {
	return func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
		u, known := s.find(in.User.ID)
		var mine, others []discord.Choice
		for _, wk := range s.engine.Workers(false) {
			if utf := len([]rune(wk.Offer.Name)); utf > maxModel {
				continue
			}
			c := discord.Choice{Name: workerIcon(wk, s.now()) + " " + plain(wk.Offer.Name), Value: wk.ID.String()}
			switch {
			case known && wk.Owner == u.ID:
				mine = append(mine, c)
			case !own || known && u.Has(horde.RoleModerator):
				others = append(others, c)
			}
		}
		return r.Autocomplete(ctx, suggest(in.Command.Options.String(in.Command.Focused), append(mine, others...)))
	}
}

func workerIcon(wk horde.Worker, now time.Time) string {
	switch {
	case !wk.Online(now):
		return "⚫"
	case wk.Maintenance:
		return "🔧"
	}
	return "🟢"
}

func kindKey(k horde.WorkerType) string {
	if k == horde.Alchemist {
		return "sheet.kind.alchemist"
	}
	return "sheet.kind." + string(k)
}

func (s *Set) workerList(_ context.Context, in *discord.Interaction, w words.Words, filter string) (sheet, error) {
	kind, offline, search := part(filter, 0), part(filter, 1) == "true", part(filter, 2)
	now := s.now()
	sh := sheet{title: w.T("workers.title")}
	mine := kind == "mine"
	u, known := s.find(in.User.ID)
	if mine {
		kind, offline, sh.title = "", true, w.T("workers.mine")
	}
	all := s.engine.Workers(!offline)
	slices.SortStableFunc(all, func(a, b horde.Worker) int {
		return cmp.Or(strings.Compare(workerIcon(b, now), workerIcon(a, now)), cmp.Compare(b.Fulfilled, a.Fulfilled))
	})
	for _, wk := range all {
		if kind != "" && string(wk.Type) != kind || !contains(wk.Offer.Name, search) || mine && (!known || wk.Owner != u.ID) || len(sh.rows) >= maxSheets {
			continue
		}
		parts := []string{workerIcon(wk, now) + " **" + escape(wk.Offer.Name) + "**", w.T(kindKey(wk.Type))}
		if len(wk.Offer.Models) > 0 {
			parts = append(parts, list(wk.Offer.Models, 2))
		}
		parts = append(parts, w.T("workers.row", "Done", wk.Fulfilled, "Uptime", span(time.Duration(wk.Uptime)*time.Second)))
		if t, ok := s.engine.Team(wk.Team); ok {
			parts = append(parts, "👥 "+escape(t.Name))
		}
		sh.rows = append(sh.rows, strings.Join(parts, " · "))
	}
	if mine && len(sh.rows) == 0 {
		sh.text = w.T("workers.none", "Login", s.cmd("login"))
	}
	return sh, nil
}

func (s *Set) workerCard(_ context.Context, in *discord.Interaction, w words.Words, filter string) (sheet, error) {
	wk, err := s.workerNamed(w, filter)
	if err != nil {
		return sheet{}, err
	}
	now := s.now()
	sh := sheet{title: workerIcon(wk, now) + " " + escape(wk.Offer.Name), text: escape(wk.Info)}
	if wk.Maintenance {
		sh.text = lines(sh.text, "🔧 "+w.T("worker.resting")+" "+escape(discord.Clip(wk.MaintReason, horde.MaxReasonRunes)))
	}
	if u, ok := s.find(in.User.ID); ok && wk.Paused && u.Has(horde.RoleModerator) { // its owner is not told
		sh.text = lines(sh.text, "⏸️ "+w.T("worker.paused"))
	}
	sh.fields = field(sh.fields, w.T("sheet.kind"), w.T(kindKey(wk.Type)))
	if owner, ok := s.engine.User(wk.Owner); ok {
		sh.fields = field(sh.fields, w.T("sheet.owner"), escape(owner.Alias()))
	}
	sh.fields = field(sh.fields, w.T("sheet.models"), list(wk.Offer.Models, 10))
	sh.fields = field(sh.fields, w.T("worker.forms"), list(wk.Offer.Forms, 15))
	sh.fields = field(sh.fields, w.T("models.threads"), strconv.Itoa(wk.Offer.Threads))
	switch wk.Type {
	case horde.Dreamer:
		sh.fields = field(sh.fields, w.T("worker.largest"), cutShort(float64(wk.Offer.MaxPixels))+" px")
		sh.fields = field(sh.fields, w.T("worker.speed"), cutShort(float64(int64(wk.Speed())))+" px/s")
	case horde.Scribe:
		sh.fields = field(sh.fields, w.T("worker.largest"), fmt.Sprintf("%d / %d", wk.Offer.MaxLength, wk.Offer.MaxContext))
		sh.fields = field(sh.fields, w.T("worker.speed"), w.T("horde.tokens", "N", cutShort(float64(int64(wk.Speed()))))+"/s")
	case horde.Alchemist:
	}
	sh.fields = field(sh.fields, w.T("worker.made"), fmt.Sprintf("%d (–%d)", wk.Fulfilled, wk.Uncompleted))
	sh.fields = field(sh.fields, w.T("worker.kudos"), (wk.Generated + wk.UptimeKudos).String())
	sh.fields = field(sh.fields, w.T("worker.uptime"), span(time.Duration(wk.Uptime)*time.Second))
	sh.fields = field(sh.fields, w.T("worker.seen"), stamp(wk.LastSeen))
	if t, ok := s.engine.Team(wk.Team); ok {
		sh.fields = field(sh.fields, w.T("sheet.team"), escape(t.Name))
	}
	sh.fields = field(sh.fields, "NSFW", mark(wk.Offer.NSFW))
	if u, ok := s.find(in.User.ID); ok && (u.ID == wk.Owner || u.Has(horde.RoleModerator)) {
		sh.buttons = append(sh.buttons, discord.Button{
			Label: w.T("worker.manage"), Emoji: "⚙️", CustomID: discord.CustomID{Verb: verbWorker, ID: wk.ID.String(), Arg: "panel"}.String(),
		})
	}
	return sh, nil
}

// mine finds a worker that the caller may change. The core checks again.
func (s *Set) mine(ctx context.Context, in *discord.Interaction, id string) (horde.Worker, caller, error) {
	w := s.say(in)
	by, err := s.need(ctx, in)
	if err != nil {
		return horde.Worker{}, by, err
	}
	wk, err := s.workerNamed(w, id)
	if err == nil && wk.Owner != by.ID && !by.moderates() {
		err = tell(w.T("worker.notyours"))
	}
	return wk, by, err
}

func (s *Set) workerManage(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	wk, by, err := s.mine(ctx, in, in.Command.Options.String("worker"))
	if err != nil {
		return err
	}
	return r.Reply(ctx, s.workerPanel(s.say(in), wk, by, ""))
}

// workerPanel shows a worker with what can be done about it.
func (s *Set) workerPanel(w words.Words, wk horde.Worker, by caller, done string) discord.Message {
	button := func(do, emoji string, style discord.ButtonStyle) discord.Button {
		return discord.Button{
			Label: discord.Clip(w.T("worker.do."+do), discord.MaxLabel), Emoji: emoji, Style: style,
			CustomID: discord.CustomID{Verb: verbWorker, ID: wk.ID.String(), Arg: do}.String(),
		}
	}
	rest := button(workerRest, "🔧", discord.Secondary)
	if wk.Maintenance {
		rest = button(workerWake, "▶️", discord.Success)
	}
	rows := []discord.Row{
		{Buttons: []discord.Button{rest, button(workerRename, "✏️", 0), button(workerInfo, "📝", 0), button(workerTeam, "👥", 0)}},
		{Buttons: []discord.Button{button(workerMessage, "✉️", 0), button(workerMessages, "📬", 0), button(workerDelete, "🗑️", discord.Danger)}},
	}
	if by.moderates() {
		if wk.Paused {
			rows[1].Buttons = append(rows[1].Buttons, button(workerResume, "⏯️", 0))
		} else {
			rows[1].Buttons = append(rows[1].Buttons, button(workerPause, "⏸️", 0))
		}
	}
	text := workerIcon(wk, s.now()) + " **" + escape(wk.Offer.Name) + "** · " + w.T(kindKey(wk.Type))
	if wk.Maintenance {
		text = lines(text, "🔧 "+w.T("worker.resting")+" "+escape(wk.MaintReason))
	}
	if t, ok := s.engine.Team(wk.Team); ok {
		text = lines(text, "👥 "+escape(t.Name))
	}
	m := private(lines(done, text, escape(discord.Clip(wk.Info, 500))))
	m.Components = rows
	return m
}

// pressWorker does what needs no words, and asks for them otherwise.
func (s *Set) pressWorker(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	id := in.Component.ID
	wk, by, err := s.mine(ctx, in, id.ID)
	if err != nil {
		return err
	}
	w := s.say(in)
	change := horde.SetWorker{Worker: wk.ID, By: by.ID}
	ask := func(label, value string, required bool, most int, paragraph bool) error {
		return r.Modal(ctx, discord.Modal{
			CustomID: in.Component.CustomID, Title: discord.Clip(w.T("worker.do."+id.Arg), discord.MaxModalTitle),
			Inputs: []discord.Input{{
				CustomID: "v", Label: discord.Clip(w.T(label), discord.MaxInputLabel), Value: value, Required: required, Max: most, Paragraph: paragraph,
			}},
		})
	}
	switch id.Arg {
	case "panel":
		return r.Reply(ctx, s.workerPanel(w, wk, by, ""))
	case workerRest:
		return ask("worker.ask.reason", "", false, horde.MaxReasonRunes, false)
	case workerRename:
		return ask("worker.ask.name", wk.Offer.Name, true, horde.MaxWorkerNameRunes, false)
	case workerInfo:
		return ask("worker.ask.info", wk.Info, false, horde.MaxInfoRunes, true)
	case workerTeam:
		t, _ := s.engine.Team(wk.Team)
		return ask("worker.ask.team", t.Name, false, horde.MaxTeamNameRunes, false)
	case workerMessage:
		return ask("worker.ask.message", "", true, 2000, true)
	case workerDelete:
		return ask("worker.ask.delete", "", true, horde.MaxWorkerNameRunes, false)
	case workerMessages:
		return r.Update(ctx, s.workerPanel(w, wk, by, s.workerInbox(w, wk)))
	case workerWake:
		change.Maintenance = new(false)
	case workerPause, workerResume:
		change.Paused = new(id.Arg == workerPause)
	default:
		return tell(w.T("request.old"))
	}
	if wk, err = engine.Do(ctx, s.engine, change); err != nil {
		return err
	}
	return r.Update(ctx, s.workerPanel(w, wk, by, "✅ "+w.T("worker.done."+id.Arg, "Worker", escape(wk.Offer.Name))))
}

// workerInbox lists the newest messages to a worker.
func (s *Set) workerInbox(w words.Words, wk horde.Worker) string {
	all := s.engine.MessagesTo(wk.ID)
	if len(all) == 0 {
		return w.T("worker.nomessages")
	}
	rows := []string{w.T("worker.messages", "Count", len(all))}
	for _, m := range all[max(0, len(all)-messagesShown):] {
		rows = append(rows, "✉️ "+stamp(m.Created)+" "+escape(discord.Clip(m.Text, 250)))
	}
	return lines(rows...)
}

func (s *Set) submitWorker(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	id, value, w := in.Modal.ID, strings.TrimSpace(in.Modal.Values["v"]), s.say(in)
	wk, by, err := s.mine(ctx, in, id.ID)
	if err != nil {
		return err
	}
	change := horde.SetWorker{Worker: wk.ID, By: by.ID}
	switch id.Arg {
	case workerRest:
		change.Maintenance, change.Reason = new(true), value
	case workerRename:
		change.Name = &value
	case workerInfo:
		change.Info = &value
	case workerTeam:
		var team horde.TeamID
		if value != "" {
			t, ok := s.engine.TeamNamed(value)
			if !ok {
				return tell(w.T("teams.unknown", "Team", escape(value)))
			}
			team = t.ID
		}
		change.Team = &team
	case workerMessage:
		if _, err := engine.Do(ctx, s.engine, horde.NewMessage{By: by.ID, Worker: wk.ID, Text: value}); err != nil {
			return err
		}
		return r.Update(ctx, s.workerPanel(w, wk, by, "✅ "+w.T("worker.done.write")))
	case workerDelete:
		if !typed(in, wk.Offer.Name) {
			return r.Update(ctx, s.workerPanel(w, wk, by, w.T("sheet.nottyped")))
		}
		if _, err := engine.Do(ctx, s.engine, horde.DeleteWorker{Worker: wk.ID, By: by.ID}); err != nil {
			return err
		}
		return r.Update(ctx, private(w.T("worker.done.drop", "Worker", escape(wk.Offer.Name))))
	default:
		return tell(w.T("request.old"))
	}
	if wk, err = engine.Do(ctx, s.engine, change); err != nil {
		return err
	}
	return r.Update(ctx, s.workerPanel(w, wk, by, "✅ "+w.T("worker.done."+id.Arg, "Worker", escape(wk.Offer.Name))))
}
