// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	encoder "github.com/chai2010/webp"
	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/client"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/blob"
	"stablemate/internal/clock"
	"stablemate/internal/idgen"
	"stablemate/internal/store"
)

// secret of the test's API keys and links.
const secret = "a secret of the tests alone, 32 bytes"

// house is a whole horde behind a real HTTP server on a loopback address.
type house struct {
	*engine.Engine
	url   string
	blobs *blob.Store
	door  *apiv2.Server

	accounts int
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
}

type ids struct{ *idgen.Source }

func (s ids) UUID() horde.UUID { return horde.UUID(s.V4()) }

func (s ids) Uint32() uint32 {
	u := s.V4()
	return binary.BigEndian.Uint32(u[:])
}

func build(tb testing.TB, p plan) *house {
	tb.Helper()
	if p.clock == nil {
		p.clock = clock.System{}
	}
	if p.random == nil {
		p.random = idgen.Replay(1)
	}
	if p.store.Engine == "" {
		p.store = store.Options{Engine: store.SQLite, Path: filepath.Join(tb.TempDir(), "horde.db")}
	}
	log := zerolog.Nop()
	if p.log != nil {
		log = zerolog.New(p.log)
	}
	source := ids{idgen.New(p.random, p.clock.Now)}

	db, err := store.Open(tb.Context(), p.store)
	if err != nil {
		tb.Fatal(err)
	}
	var memory engine.Store = db
	if p.wrap != nil {
		memory = p.wrap(db)
	}
	e, err := engine.Open(tb.Context(), memory, engine.Options{
		Settings: horde.Settings{
			AnonymousAllowed: true, AnonymousKey: apiv2.HashKey([]byte(secret), apiv2.AnonymousKey),
			TransfersAllowed: true, KnownModels: p.models, Models: horde.ReferenceModels(),
		},
		Now: p.clock.Now, IDs: source, Log: log,
	})
	if err != nil {
		tb.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1) // holds Run's only answer
	go func() { ended <- e.Run(running) }()

	blobs, err := blob.NewStore(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := blob.NewSigner([]byte(secret), "http://links.invalid", p.clock.Now)
	if err != nil {
		tb.Fatal(err)
	}
	var (
		images blob.Images = blobs
		links  blob.Links  = signer
	)
	if p.bucket != nil {
		images, links = p.bucket, p.bucket
	}
	door, err := apiv2.New(apiv2.Deps{
		Engine: e, Blobs: images, Signer: links, Secret: []byte(secret), IDs: source, NewKey: source.APIKey, Now: p.clock.Now, Log: log,
	}, p.options)
	if err != nil {
		tb.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(blob.PathPrefix, blob.Handler(blobs, signer, blob.HandlerOptions{}))
	handler := door.Before(mux)
	if p.before != nil {
		handler = p.before(handler)
	}
	server := httptest.NewServer(handler)
	tb.Cleanup(func() {
		server.Close()
		stop()
		if err := <-ended; err != nil {
			tb.Errorf("the engine ended with %v", err)
		}
		if err := db.Close(); err != nil {
			tb.Errorf("close the store: %v", err)
		}
	})
	return &house{Engine: e, url: server.URL, blobs: blobs, door: door}
}

// account opens one with kudos and roles and returns its number and key.
func (h *house) account(tb testing.TB, name string, roles horde.Role, award int64) (horde.UserID, string) {
	tb.Helper()
	h.accounts++
	key := (name + "-key-0000000000000000000000")[:idgen.KeyLength]
	u, err := engine.Do(tb.Context(), h.Engine, horde.CreateUser{
		External: "d_" + name, Name: name, Key: apiv2.HashKey([]byte(secret), key), Roles: roles,
	})
	if err != nil {
		tb.Fatal(err)
	}
	if award != 0 {
		if _, err := engine.Do(tb.Context(), h.Engine, horde.SetUser{User: u.ID, Award: kudos.Whole(award), AwardKey: "test:" + name}); err != nil {
			tb.Fatal(err)
		}
	}
	return u.ID, key
}

func (h *house) client(tb testing.TB, key string) *client.Client {
	tb.Helper()
	c, err := client.New(h.url, key, client.Options{Agent: "tests:1:nobody"})
	if err != nil {
		tb.Fatal(err)
	}
	return c
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
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, in)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
		if head[i+1] == "" {
			req.Header[http.CanonicalHeaderKey(head[i])] = []string{""}
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, data}
}

// picture is a small real WebP image.
func picture(tb testing.TB, side int) []byte {
	tb.Helper()
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			img.Set(x, y, color.RGBA{uint8(x * 255 / side), uint8(y * 255 / side), 80, 255})
		}
	}
	var buf bytes.Buffer
	if err := encoder.Encode(&buf, img, &encoder.Options{Quality: 80}); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

const reGen = "AI Horde Worker reGen:14.0.0:https://github.com/Haidra-Org/horde-worker-reGen"

// offer is what a test's worker says of itself.
func offer(name string, models ...string) wire.PopRequest {
	return wire.PopRequest{Name: name, Models: models, BridgeAgent: reGen, MaxPixels: 4 << 20, AllowLora: true, AllowControlNet: true}
}

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
