// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Verbs of the buttons and selects of /jobs.
const (
	verbJobs      = "jb" // arg: what to do
	verbCancelJob = "jx"
)

// Args of verbJobs.
const (
	jobsRefresh = "r"
	jobsAsk     = "a" // whether all should be cancelled
	jobsAll     = "y"
)

// maxJobs is how many running requests a list shows, and how many cancel-all takes back at once. There may be more from
// other programs.
const maxJobs = 25

// job is a running request of an account.
type job struct {
	id     horde.RequestID
	p      params // empty when it is from another program
	status horde.Status
	link   string // to its message; empty without one
}

// jobFamily is /jobs.
func (s *Set) jobFamily() family {
	d := func(name string, options ...discord.OptionSpec) discord.SubcommandSpec {
		key := "jobs.desc" + strings.ReplaceAll(name, "-", "")
		return discord.SubcommandSpec{Name: name, Description: s.bundle.For("en").T(key), Descriptions: s.bundle.Locales(key), Options: options}
	}
	spec := discord.CommandSpec{
		Name: "jobs", Description: s.bundle.For("en").T("jobs.desc"), Descriptions: s.bundle.Locales("jobs.desc"), DMs: true, UserInstall: true,
		Subcommands: []discord.SubcommandSpec{
			d("list"),
			d("cancel", s.optionOf("jobs.optjob", discord.OptionSpec{Name: "job", Type: discord.OptionString, Required: true, Autocomplete: true, MaxLength: new(100)})),
			d("cancel-all"),
		},
	}
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		quiet := func(h discord.HandlerFunc) discord.Route { return discord.Route{Handle: s.answered(h), Private: true} }
		rt.Command("jobs list", quiet(s.listJobs))
		rt.Command("jobs cancel", discord.Route{Handle: s.answered(s.cancelJob), Autocomplete: s.completeJobs, Private: true})
		rt.Command("jobs cancel-all", quiet(s.askCancelAll))
		rt.Component(verbJobs, quiet(s.pressJobs))
		rt.Component(verbCancelJob, quiet(s.pressCancelJob))
	}}
}

// jobs lists what runs for a person, oldest first: what is followed here, and what other programs asked for with their
// account.
func (s *Set) jobs(ctx context.Context, person string) ([]job, error) {
	var out []job
	seen := make(map[horde.RequestID]bool)
	add := func(id horde.RequestID, p params, link string) {
		if seen[id] || len(out) >= maxJobs {
			return
		}
		st, err := s.status(id, &p)
		if err != nil || st.Done {
			return
		}
		seen[id] = true
		out = append(out, job{id: id, p: p, status: st, link: link})
	}
	for _, f := range s.follow.of(person) {
		if f.request.IsZero() || len(out) >= maxJobs {
			continue
		}
		row, ok, err := s.deps.Messages.MessageByKey(ctx, f.key)
		if err != nil {
			return nil, fmt.Errorf("find message: %w", err)
		}
		var p params
		if !ok || json.Unmarshal(row.Params, &p) != nil {
			continue
		}
		add(f.request, p, messageLink(row.Guild, row.Channel, row.Message))
	}
	if u, ok := s.find(person); ok {
		for _, id := range s.engine.RequestsOf(u.ID) {
			add(id, params{}, "")
		}
	}
	return out, nil
}

// messageLink is where a message is, or empty while that is not known.
func messageLink(guild, channel, message string) string {
	if message == "" {
		return ""
	}
	if guild == "" {
		guild = "@me"
	}
	return "https://discord.com/channels/" + guild + "/" + channel + "/" + message
}

// name is how a list calls a request.
func (j *job) name(w words.Words) string {
	if j.p.Prompt == "" {
		return w.T("jobs.elsewhere", "ID", j.id.String()[:8])
	}
	return discord.Clip(plain(j.p.Prompt), 80)
}

// state is where it stands, in a few words.
func (j *job) state(w words.Words, now time.Time) string {
	st := j.status
	switch {
	case j.p.CancelledBy != "":
		return w.T("jobs.cancelling")
	case !st.Possible:
		return w.T("jobs.impossible")
	case st.Processing > 0:
		return w.T("jobs.making", "Ready", stamp(now.Add(st.Wait)))
	case st.Position > 0:
		return w.T("jobs.waiting", "Position", st.Position, "Ready", stamp(now.Add(st.Wait)))
	}
	return w.T("jobs.inline")
}

// jobList is the private message with what runs.
func (s *Set) jobList(ctx context.Context, w words.Words, person string) (discord.Message, error) {
	all, err := s.jobs(ctx, person)
	if err != nil {
		return discord.Message{}, err
	}
	refresh := pickButton(w.T("common.refresh"), "🔄", verbJobs, "", jobsRefresh)
	if len(all) == 0 {
		m := private(w.T("jobs.none", "Generate", s.cmd("generate")))
		m.Components = []discord.Row{{Buttons: []discord.Button{refresh}}}
		return m, nil
	}
	var text strings.Builder
	sel := &discord.Select{CustomID: discord.CustomID{Verb: verbCancelJob}.String(), Placeholder: w.T("jobs.cancelwhich")}
	for i := range all {
		j := &all[i]
		name := "**" + escape(j.name(w)) + "**"
		if j.link != "" {
			name += " [↗](" + j.link + ")"
		}
		fmt.Fprintf(&text, "%d. %s · %s\n", i+1, name, j.state(w, s.now()))
		sel.Options = append(sel.Options, discord.SelectOption{Label: discord.Clip(strconv.Itoa(i+1)+". "+j.name(w), 100), Value: j.id.String()})
	}
	cancelAll := pickButton(w.T("jobs.all"), "🛑", verbJobs, "", jobsAsk)
	return discord.Message{
		Ephemeral: true, Embeds: []discord.Embed{{Title: w.T("jobs.title"), Description: discord.Clip(text.String(), discord.MaxEmbedDescription)}},
		Components: []discord.Row{{Select: sel}, {Buttons: []discord.Button{refresh, cancelAll}}},
	}, nil
}

func (s *Set) listJobs(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	m, err := s.jobList(ctx, s.say(in), in.User.ID)
	if err != nil {
		return err
	}
	return r.Reply(ctx, m)
}

// takeBack cancels a request if it is the person's own. What it says is for them.
func (s *Set) takeBack(ctx context.Context, w words.Words, person, id string) (string, error) {
	uuid, err := horde.ParseUUID(id)
	if err != nil {
		return w.T("jobs.unknown"), nil //nolint:nilerr // it is told to the person
	}
	request := horde.RequestID{UUID: uuid}
	all, err := s.jobs(ctx, person)
	if err != nil {
		return "", err
	}
	for i := range all {
		if j := &all[i]; j.id == request {
			return s.takeBackJob(ctx, w, person, j)
		}
	}
	return w.T("jobs.unknown"), nil
}

func (s *Set) takeBackJob(ctx context.Context, w words.Words, person string, j *job) (string, error) {
	undo := func() {}
	if key := s.follow.keyOf(j.id); key != "" {
		undo = s.follow.cancelling(key, person)
	}
	done, err := s.cancel(ctx, j.p, j.id)
	refusal, refused := errors.AsType[*horde.Error](err)
	if err != nil && (!refused || refusal.Code != horde.CodeRequestNotFound) {
		undo()
		return "", fmt.Errorf("cancel: %w", err)
	}
	if err != nil || done {
		return w.T("jobs.unknown"), nil //nolint:nilerr // gone already, which is what was wanted
	}
	return w.T("jobs.cancelled", "Name", escape(j.name(w))), nil
}

func (s *Set) cancelJob(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	text, err := s.takeBack(ctx, s.say(in), in.User.ID, strings.TrimSpace(in.Command.Options.String("job")))
	if err != nil {
		return err
	}
	return r.Reply(ctx, private(text))
}

func (s *Set) pressCancelJob(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if len(in.Component.Values) != 1 {
		return r.Reply(ctx, private(s.say(in).T("request.old")))
	}
	w := s.say(in)
	text, err := s.takeBack(ctx, w, in.User.ID, in.Component.Values[0])
	if err != nil {
		return err
	}
	m, err := s.jobList(ctx, w, in.User.ID)
	if err != nil {
		return err
	}
	m.Content = lines(text, m.Content)
	return r.Update(ctx, m)
}

// completeJobs suggests the running requests by their prompts.
func (s *Set) completeJobs(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, typed := s.say(in), strings.ToLower(strings.TrimSpace(in.Command.Options.String("job")))
	all, err := s.jobs(ctx, in.User.ID)
	if err != nil {
		return late(r.Autocomplete(ctx, nil))
	}
	var choices []discord.Choice
	for i := range all {
		if name := all[i].name(w); strings.Contains(strings.ToLower(name), typed) {
			choices = append(choices, discord.Choice{Name: name, Value: all[i].id.String()})
		}
	}
	return late(r.Autocomplete(ctx, choices[:min(len(choices), discord.MaxChoices)]))
}

// confirmAll asks before everything is taken back.
func confirmAll(w words.Words, n int) discord.Message {
	m := private(w.T("jobs.sure", "Count", n))
	yes := pickButton(w.T("jobs.all"), "🛑", verbJobs, "", jobsAll)
	yes.Style = discord.Danger
	m.Components = []discord.Row{{Buttons: []discord.Button{yes, pickButton(w.T("common.back"), "", verbJobs, "", jobsRefresh)}}}
	return m
}

func (s *Set) askCancelAll(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	all, err := s.jobs(ctx, in.User.ID)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return r.Reply(ctx, private(w.T("jobs.none", "Generate", s.cmd("generate"))))
	}
	return r.Reply(ctx, confirmAll(w, len(all)))
}

func (s *Set) pressJobs(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	switch in.Component.ID.Arg {
	case jobsAsk:
		all, err := s.jobs(ctx, in.User.ID)
		if err != nil {
			return err
		}
		if len(all) > 0 {
			return r.Update(ctx, confirmAll(w, len(all)))
		}
	case jobsAll:
		if err := r.DeferUpdate(ctx); err != nil {
			return err
		}
		all, err := s.jobs(ctx, in.User.ID)
		if err != nil {
			return err
		}
		for i := range all {
			if _, err := s.takeBackJob(ctx, w, in.User.ID, &all[i]); err != nil {
				return err
			}
		}
	}
	m, err := s.jobList(ctx, w, in.User.ID)
	if err != nil {
		return err
	}
	return r.Update(ctx, m)
}
