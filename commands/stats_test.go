// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"bytes"
	"image/png"
	"strings"
	"testing"
	"time"

	"stablemate/internal/sandbox"
)

// charted waits for a message with a chart, and checks that it is one and that it is described.
func (r *rig) charted(who string, public bool, alt string, texts ...string) sandbox.Message {
	r.t.Helper()
	m := r.see(who, "chart with "+strings.Join(texts, ", "), func(m sandbox.Message) bool {
		return m.Ephemeral != public && len(m.Attachments) == 1 && holds(m, texts)
	})
	a := m.Attachments[0]
	if img, err := png.Decode(bytes.NewReader(a.Data)); err != nil || img.Bounds().Dx() < 400 {
		r.t.Errorf("the chart is no picture: %v", err)
	}
	if !strings.Contains(a.Description, alt) {
		r.t.Errorf("the description of the chart is %q, want %q in it", a.Description, alt)
	}
	return m
}

func TestStatisticsAreShownAndPublished(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.run(sandbox.Friend, "stats me", nil)
	r.whisper(sandbox.Friend, "For this you need an account")
	r.run(sandbox.Newcomer, "stats models", nil)
	r.whisper(sandbox.Newcomer, "Nothing was made in this time")
	r.run(sandbox.Newcomer, "stats totals", map[string]any{"kind": "texts"})
	r.charted(sandbox.Newcomer, false, "Bar chart, empty", "Made by the horde: Texts", "Ever: 0")

	r.worker(nil)
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, map[string]any{"amount": 3}), 3)
	r.run(sandbox.Newcomer, "stats totals", map[string]any{"kind": "images", "span": "hour"})
	r.charted(sandbox.Newcomer, false, "60 minutes (UTC): 3 in all", "Made by the horde: Images", "Last hour: 3")
	r.run(sandbox.Newcomer, "stats models", map[string]any{"span": "ever"})
	m := r.charted(sandbox.Newcomer, false, model+" 3", "1. "+model+" · 3")
	r.click(sandbox.Newcomer, m.ID, "Publish")
	if m := r.charted(sandbox.Friend, true, model+" 3", "1. "+model+" · 3", "Shown by <@"+sandbox.Newcomer+">"); len(m.Buttons) > 0 {
		t.Errorf("what is published has buttons: %+v", m.Buttons)
	}

	// What was made is counted for its person and the guild, and known after a restart.
	r.eventually("the images are counted", func() bool {
		r.run(sandbox.Newcomer, "stats guild", nil)
		for _, m := range r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer) {
			if m.Ephemeral && holds(m, []string{"Statistics of this server", "Images: 3 · Requests: 1"}) {
				return true
			}
		}
		return false
	})
	r.restart(48 * time.Hour)
	r.run(sandbox.Newcomer, "stats me", nil)
	m = r.charted(sandbox.Newcomer, false, "30 days (UTC): 3 in all", "Statistics of ", "Your requests: Images: 1", "Last 30 days: Images: 3 · Requests: 1", model+" · 3")
	r.click(sandbox.Newcomer, m.ID, "Publish")
	r.charted(sandbox.Friend, true, "3 in all", "Your requests: Images: 1")
	r.restart(40 * 24 * time.Hour)
	r.run(sandbox.Newcomer, "stats guild", nil)
	r.charted(sandbox.Newcomer, false, "empty", "Last 30 days: Images: 0 · Requests: 0", "Images: 3 · Requests: 1")
}

func TestStatisticsOfOtherPlaces(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.sand.SetLocale(sandbox.Newcomer, "de")
	dm := sandbox.DMChannel(sandbox.Newcomer)
	if _, err := r.sand.RunCommand(r.ctx(), sandbox.Newcomer, dm, "stats guild", nil); err != nil {
		t.Fatal(err)
	}
	r.see(sandbox.Newcomer, "the refusal", func(m sandbox.Message) bool {
		return m.ChannelID == dm && holds(m, []string{"Das geht nur auf Servern."})
	})
	if _, err := r.sand.RunCommand(r.ctx(), sandbox.Newcomer, dm, "stats totals", nil); err != nil {
		t.Fatal(err)
	}
	r.see(sandbox.Newcomer, "the totals", func(m sandbox.Message) bool {
		return m.ChannelID == dm && len(m.Attachments) == 1 && holds(m, []string{"Von der Horde gemacht: Bilder", "Insgesamt: 0"})
	})

	// Where answers are private, nothing is published.
	r.run(sandbox.Admin, "stats totals", nil)
	m := r.charted(sandbox.Admin, false, "empty", "Made by the horde: Images")
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "content")
	r.pick(sandbox.Admin, panel, "Answers", "private")
	r.message(sandbox.Admin, panel, "only the person sees them")
	r.click(sandbox.Admin, m.ID, "Publish")
	r.whisper(sandbox.Admin, "Answers are private here")
}
