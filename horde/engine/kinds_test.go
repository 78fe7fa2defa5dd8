// SPDX-License-Identifier: AGPL-3.0-or-later

package engine_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
)

func scribe(owner horde.UserID) horde.Pop {
	return horde.Pop{Owner: owner, Type: horde.Scribe, Amount: 1, Offer: horde.Offer{
		Name: "pen", Models: []string{"tale-7B"}, BridgeAgent: "KoboldCppEmbedWorker:2:x", Threads: 1, MaxLength: 512, MaxContext: 4096,
	}}
}

func alchemist(owner horde.UserID) horde.PopForms {
	return horde.PopForms{Pop: horde.Pop{Owner: owner, Amount: 1, Offer: horde.Offer{
		Name: "still", Forms: horde.AllForms(), BridgeAgent: "AI Horde Worker:24:x", Threads: 1, MaxTiles: 80,
	}}}
}

func TestTextsAndFormsSurviveARestart(t *testing.T) {
	t.Parallel()
	for name, so := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, so, nil)
			asker, owner := person(t, e.Engine, "asker", kudos.Whole(1000)), person(t, e.Engine, "owner", 0)
			text, err := engine.Do(t.Context(), e.Engine, horde.EnqueueText{NewText: horde.NewText{
				User: asker, N: 3, Models: []string{"tale-7B"}, Webhook: "https://example.com/told",
				SlowWorkers: true, Text: horde.Text{
					Prompt: "Once \u2028 </script>", MaxLength: 80, MaxContext: 2048, Validated: true,
					Settings: horde.TextSettings{Temperature: new(0.7), TopK: new(40), SingleLine: new(false), StopSequence: []string{"\n"}},
				},
			}})
			if err != nil {
				t.Fatal(err)
			}
			forms, err := engine.Do(t.Context(), e.Engine, horde.EnqueueForms{NewAlchemy: horde.NewAlchemy{
				User: asker, Source: "x_src.webp", Identity: "sha256:x", Tiles: 4, SlowWorkers: true, Webhook: "https://example.com/told",
				Forms: []horde.NewForm{{Name: "caption"}, {Name: "GFPGAN", Payload: map[string]string{"a": "b"}}, {Name: "nsfw"}},
			}})
			if err != nil {
				t.Fatal(err)
			}
			var flying horde.Job
			for range 2 {
				job, err := e.Pop(t.Context(), scribe(owner), 0)
				if err != nil || len(job.Generations) != 1 {
					t.Fatalf("pop: %+v, %v", job, err)
				}
				if flying.Generations == nil {
					if _, err := engine.Do(t.Context(), e.Engine, horde.Submit{
						Owner: owner, Type: horde.Scribe, Generation: job.Generations[0], Text: `\x there "was" ✓`, CSAM: true,
					}); err != nil {
						t.Fatal(err)
					}
				}
				flying = job
			}
			caption, err := e.PopForms(t.Context(), alchemist(owner), 0)
			if err != nil || len(caption.Forms) != 1 {
				t.Fatalf("pop: %+v, %v", caption, err)
			}
			if _, err := engine.Do(t.Context(), e.Engine, horde.SubmitForm{Owner: owner, Form: caption.Forms[0].ID, Result: json.RawMessage(`{"caption":"a ✓"}`)}); err != nil {
				t.Fatal(err)
			}
			post, err := e.PopForms(t.Context(), alchemist(owner), 0)
			if err != nil || len(post.Forms) != 1 {
				t.Fatalf("pop: %+v, %v", post, err)
			}
			told, err := e.Status(text.ID)
			if err != nil {
				t.Fatal(err)
			}
			seen, err := e.Alchemy(forms.ID)
			if err != nil {
				t.Fatal(err)
			}
			hook, _ := e.FormHook(caption.Forms[0].ID)
			person, _ := e.User(asker)
			sums := e.Performance()
			sums.PastMinuteTokens = 0 // is not kept
			e.stop()

			e = start(t, so, nil)
			if st, err := e.Status(text.ID); err != nil || !cmp.Equal(told, st) {
				t.Errorf("the text request after the restart, %v:\n%s", err, cmp.Diff(told, st))
			}
			if st, err := e.Alchemy(forms.ID); err != nil || !cmp.Equal(seen, st) {
				t.Errorf("the alchemy after the restart, %v:\n%s", err, cmp.Diff(seen, st))
			}
			if after, _ := e.FormHook(caption.Forms[0].ID); !cmp.Equal(hook, after) {
				t.Errorf("whom to tell, after the restart:\n%s", cmp.Diff(hook, after))
			}
			if after, _ := e.User(asker); !cmp.Equal(person, after) {
				t.Errorf("the account after the restart:\n%s", cmp.Diff(person, after))
			}
			if after := e.Performance(); !cmp.Equal(sums, after) {
				t.Errorf("the sums after the restart:\n%s", cmp.Diff(sums, after))
			}
			if r, err := engine.Do(t.Context(), e.Engine, horde.Submit{Owner: owner, Type: horde.Scribe, Generation: flying.Generations[0], Text: "the end"}); err != nil || r.Reward == 0 {
				t.Errorf("a text in flight: %+v, %v", r, err)
			}
			if r, err := engine.Do(t.Context(), e.Engine, horde.SubmitForm{Owner: owner, Form: post.Forms[0].ID, Result: json.RawMessage(`{"GFPGAN":"R2"}`), Blob: "y.webp"}); err != nil || r.Reward != kudos.Whole(12) {
				t.Errorf("a form in flight: %+v, %v", r, err)
			}
			job, err := e.Pop(t.Context(), scribe(owner), 0)
			if err != nil || job.Request != text.ID || !cmp.Equal(job.Text, flying.Text) {
				t.Errorf("the last text, %v:\n%s", err, cmp.Diff(flying.Text, job.Text))
			}
			if last, err := e.PopForms(t.Context(), alchemist(owner), 0); err != nil || len(last.Forms) != 1 || last.Forms[0].Name != "nsfw" {
				t.Errorf("the last form: %+v, %v", last, err)
			}
			report, err := e.store.Audit(t.Context())
			if err != nil || !report.OK() {
				t.Errorf("audit: %v, %v", report.Differences, err)
			}
		})
	}
}
