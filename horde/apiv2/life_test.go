// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"stablemate/horde"
	"stablemate/horde/apiv2/client"
	"stablemate/horde/apiv2/wire"
)

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// start runs a worker until the test ends.
func (h *house) start(t *testing.T, key string, o wire.PopRequest, img []byte) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1) // holds the worker's only answer
	worker := h.client(t, key)
	go func() { ended <- work(ctx, worker, o, img) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the worker ended with %v", err)
		}
	})
}

func TestARequestLivesFromEnqueueUntilDownload(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		how string
		r2  bool
	}{{"by link", true}, {"as base64", false}} {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			h := build(t, plan{})
			_, owner := h.account(t, "owner", 0, 0)
			_, key := h.account(t, "asker", 0, 1000)
			img := picture(t, 64)
			h.start(t, owner, offer("dreamer one", "tiny"), img)
			asker := h.client(t, key)

			got, err := asker.Generate(t.Context(), wire.GenerateRequest{
				Prompt: "red apple ### blue", Models: []string{"tiny"}, R2: &c.r2,
				Params: &wire.ImageParams{Width: 64, Height: 64, Steps: 4, N: 3, Seed: "42"},
			})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "three images", func() bool {
				p, err := asker.Check(t.Context(), got.ID)
				if err != nil {
					t.Fatal(err)
				}
				return p.Done && p.Finished == 3
			})
			st, err := asker.Status(t.Context(), got.ID)
			if err != nil {
				t.Fatal(err)
			}
			if len(st.Generations) != 3 || !st.Done || st.Kudos <= 0 {
				t.Fatalf("status = %+v, want three generations, done, paid", st)
			}
			for _, g := range st.Generations {
				var data []byte
				if c.r2 {
					if !strings.HasPrefix(g.Img, h.url+"/blob/") {
						t.Fatalf("img = %q, want a link to this server", g.Img)
					}
					data, err = asker.Download(t.Context(), g.Img)
				} else {
					data, err = base64.StdEncoding.DecodeString(g.Img)
				}
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(data, img) {
					t.Errorf("got %d bytes of image, want the %d that the worker made", len(data), len(img))
				}
				if g.WorkerName != "dreamer one" || g.Model != "tiny" || g.State != "ok" {
					t.Errorf("generation = %+v", g)
				}
			}
			me, err := asker.FindUser(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if me.Kudos >= 1025 || me.Records.Request.Image != 1 || me.KudosDetails.Accumulated >= 0 {
				t.Errorf("the asker has %v kudos and %+v, want less than before and one request", me.Kudos, me.Records)
			}
		})
	}
}

func TestAGiftMovesOnceUnderOneKey(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, key := h.account(t, "giver", 0, 1000)
	friend, _ := h.account(t, "friend", 0, 0)
	giver := h.client(t, key)
	for range 3 {
		moved, err := giver.Transfer(t.Context(), "whoever#2", 30, "gift-1")
		if err != nil || moved != 30 {
			t.Fatalf("Transfer = %v, %v, want 30", moved, err)
		}
	}
	u, _ := h.User(friend)
	if want := horde.FloorRegistered + 3000; u.Balance != want {
		t.Errorf("the friend has %s kudos, want %s", u.Balance, want)
	}
	if _, err := giver.Transfer(t.Context(), "whoever#2", 31, "gift-1"); client.Code(err) != "IdempotencyKeyConflict" {
		t.Errorf("the same key for another gift gives %v", err)
	}
	// Another person's key of the same text is another key.
	_, other := h.account(t, "other", 0, 1000)
	if moved, err := h.client(t, other).Transfer(t.Context(), "whoever#2", 5, "gift-1"); err != nil || moved != 5 {
		t.Errorf("another giver's Transfer = %v, %v, want 5", moved, err)
	}
}

func TestAPopMayWaitForWork(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, owner := h.account(t, "owner", 0, 0)
	got := make(chan wire.PopReply, 1) // holds the only reply
	failed := make(chan error, 1)      // likewise
	worker := h.client(t, owner)
	go func() {
		job, err := worker.Pop(context.Background(), offer("patient", "tiny"), 30e9)
		failed <- err
		got <- job
	}()
	eventually(t, "the worker to check in", func() bool { _, ok := h.WorkerByName("patient"); return ok })
	if _, err := h.client(t, "").Generate(t.Context(), wire.GenerateRequest{
		Prompt: "dog", Models: []string{"tiny"}, Params: &wire.ImageParams{Width: 64, Height: 64},
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if job := <-got; len(job.IDs) != 1 || job.Model == nil || *job.Model != "tiny" || len(job.R2Uploads) != 1 {
		t.Errorf("the waiting pop got %+v, want one job", job)
	}
}

func TestACancelAnswersTheStatusFromBefore(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	anyone := h.client(t, "")
	got, err := anyone.Generate(t.Context(), wire.GenerateRequest{Prompt: "dog", Models: []string{"tiny"}, Params: &wire.ImageParams{N: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Message == "" || !strings.HasPrefix(got.Message, "Warning") || len(got.Warnings) != 1 || got.Warnings[0].Code != "NoAvailableWorker" {
		t.Errorf("generate without workers answers %+v, want a warning that says so", got)
	}
	before, err := anyone.Cancel(t.Context(), got.ID)
	if err != nil {
		t.Fatal(err)
	}
	if before.Waiting != 2 || before.Done || before.QueuePosition != 1 {
		t.Errorf("cancel answers %+v, want the two images still waiting in place 1", before.Check)
	}
	after, err := anyone.Check(t.Context(), got.ID)
	if err != nil || !after.Done || after.Waiting != 0 {
		t.Errorf("check after cancel = %+v, %v, want done", after, err)
	}
}
