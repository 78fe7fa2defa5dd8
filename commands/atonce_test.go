// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"sync"
	"testing"
	"time"

	"stablemate/internal/sandbox"
)

// together does several things at the same time, and waits for all of them.
func together(t *testing.T, all ...func() error) {
	t.Helper()
	var group sync.WaitGroup
	for _, f := range all {
		group.Go(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// press chooses values of a select, or presses a button where there are none; it may run beside others.
func (r *rig) press(who, message, which string, values ...string) func() error {
	ctx := r.ctx()
	return func() (err error) {
		if len(values) > 0 {
			_, err = r.sand.Choose(ctx, who, message, which, values...)
		} else {
			_, err = r.sand.Click(ctx, who, message, which)
		}
		return err
	}
}

func TestChangesOfADraftAtOnceAllCount(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "review": true})
	panel := r.whisper(sandbox.Newcomer, "red apple").ID
	numbers := r.click(sandbox.Newcomer, panel, "Numbers")
	r.slow.Store(int64(20 * time.Millisecond)) // so that they really meet
	ctx := r.ctx()
	together(
		t,
		r.press(sandbox.Newcomer, panel, "Sampler", "k_heun"),
		r.press(sandbox.Newcomer, panel, "Size", "384x256"),
		r.press(sandbox.Newcomer, panel, "Model", model),
		func() error {
			_, err := r.sand.SubmitModal(ctx, sandbox.Newcomer, numbers.InteractionID, map[string]string{"steps": "8", "cfg": "6.5"})
			return err
		},
	)
	r.slow.Store(0)
	m := r.message(sandbox.Newcomer, panel, "--steps 8", "k_heun", "384x256") // the panel shows the last state, not an older one
	if !holds(m, []string{"6.5", "--model " + model}) {
		t.Errorf("the panel shows %+v", m.Embeds)
	}
	r.result(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Generate").MessageID, 1)
	if p := r.latest(sandbox.Newcomer); p["steps"] != 8.0 || p["sampler"] != "k_heun" || p["width"] != 384.0 || p["model"] != model || p["cfg"] != 6.5 {
		t.Errorf("the request is %v", p)
	}
}

func TestChangesOfSettingsAtOnceAllCount(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	mine := r.run(sandbox.Newcomer, "settings panel", nil).MessageID
	theirs := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, theirs, "What to change", "content")
	r.slow.Store(int64(20 * time.Millisecond))
	together(
		t,
		r.press(sandbox.Newcomer, mine, "Only I see answers"), r.press(sandbox.Newcomer, mine, "Spoiler"), r.press(sandbox.Newcomer, mine, "Images help research"),
		r.press(sandbox.Admin, theirs, "Spoiler"), r.press(sandbox.Admin, theirs, "Source images", "off"), r.press(sandbox.Admin, theirs, "Help research"),
	)
	r.slow.Store(0)
	for who, texts := range map[string][]string{
		sandbox.Newcomer: {mine, "Only I see answers: Yes", "Spoiler: Yes", "Images help research: Yes"},
		sandbox.Admin:    {theirs, "Spoiler: ", "Source images: ", "Help research: "},
	} {
		r.message(who, texts[0], texts[1:]...)
	}
}
