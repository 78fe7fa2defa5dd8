// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/apitest"
	"stablemate/horde/apiv2/client"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/engine"
	"stablemate/internal/blob"
	"stablemate/internal/clock"
	"stablemate/internal/store"
)

// secret of the test's API keys and links.
const secret = apitest.Secret

// house is a whole horde behind a real HTTP server on a loopback address.
type house struct {
	*apitest.House
	url   string
	blobs *blob.Store
	door  *apiv2.Server
}

// plan says what a test's house is made of; zero values work.
type plan struct {
	options apiv2.Options
	clock   clock.Clock // nil: the machine's
	random  io.Reader   // nil: the same stream for every test
	store   store.Options
	log     io.Writer
	models  []string
	before  func(http.Handler) http.Handler
	wrap    func(engine.Store) engine.Store
	bucket  *blob.Bucket // nil: images are kept in a folder
	sharing bool
}

func build(tb testing.TB, p plan) *house {
	tb.Helper()
	h := apitest.Build(tb, apitest.Plan{
		Options: p.options, Clock: p.clock, Random: p.random, Store: p.store, Log: p.log, Models: p.models, Before: p.before, Wrap: p.wrap, Bucket: p.bucket,
		Sharing: p.sharing,
	})
	return &house{House: h, url: h.URL, blobs: h.Blobs, door: h.Door}
}

// account opens one with kudos and roles and returns its number and key.
func (h *house) account(tb testing.TB, name string, roles horde.Role, award int64) (horde.UserID, string) {
	tb.Helper()
	return h.Account(tb, name, roles, award)
}

func (h *house) client(tb testing.TB, key string) *client.Client {
	tb.Helper()
	return h.Client(tb, key)
}

// answer is what came back from one call.
type answer struct {
	status int
	head   http.Header
	body   []byte
}

// send makes one call; head holds pairs of header name and value.
func (h *house) send(t *testing.T, method, path, body string, head ...string) answer {
	t.Helper()
	got := h.Send(t, method, path, body, head...)
	return answer{got.Status, got.Head, got.Body}
}

func picture(tb testing.TB, side int) []byte {
	tb.Helper()
	return apitest.Picture(tb, side)
}

const reGen = apitest.ReGen

// offer is what a test's worker says of itself.
func offer(name string, models ...string) wire.PopRequest { return apitest.Offer(name, models...) }

// work pops and delivers until ctx ends, then returns what its last call said of that: every other image through its upload link, the others as base64.
func work(ctx context.Context, c *client.Client, o wire.PopRequest, img []byte) error {
	for {
		job, err := c.Pop(ctx, o, 20*time.Second)
		for i, id := range job.IDs {
			err = errors.Join(err, deliver(ctx, c, job, i, id, img))
		}
		if err != nil {
			return err
		}
	}
}

func deliver(ctx context.Context, c *client.Client, job wire.PopReply, i int, id string, img []byte) error {
	result := b64(img)
	if i < len(job.R2Uploads) {
		if err := c.Upload(ctx, job.R2Uploads[i], "image/webp", img); err != nil {
			return err
		}
		result = wire.Uploaded
	}
	_, err := c.Submit(ctx, wire.SubmitRequest{ID: id, Generation: result, Seed: int64(i) + 7})
	return err
}

// eventually asks until ok, or fails after a while.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
