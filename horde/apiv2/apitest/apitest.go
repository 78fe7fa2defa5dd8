// SPDX-License-Identifier: AGPL-3.0-or-later

// Package apitest builds a whole horde behind a real HTTP server on a loopback address, for tests: a real store,
// the engine, images in a folder and the door. Nothing in it is a mock. Whatever breaks fails the test it was
// given, and everything ends with that test.
package apitest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"image"
	"image/color"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

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
	"stablemate/ratings"
)

// Secret of the tests' API keys and links.
const Secret = "a secret of the tests alone, 32 bytes"

// ReGen is the agent of worker software that can do everything.
const ReGen = "AI Horde Worker reGen:14.0.0:https://github.com/Haidra-Org/horde-worker-reGen"

// Plan says what a house is made of; zero values work.
type Plan struct {
	Options apiv2.Options
	Clock   clock.Clock // nil: the machine's
	Random  io.Reader   // nil: the same stream for every test
	// Store is by default a new SQLite file.
	Store store.Options
	// Models are those that workers may serve; none means any.
	Models []string
	// Sharing lets requesters share their images.
	Sharing bool
	// NoTransfers switches gifts off.
	NoTransfers bool
	// Profane says which texts no name may hold; nil: those of the built-in list.
	Profane func(text string) bool
	Log     io.Writer
	// Before stands in front of everything the server answers.
	Before func(http.Handler) http.Handler
	// Wrap stands between engine and store.
	Wrap func(engine.Store) engine.Store
	// Bucket keeps the images; nil: a folder does.
	Bucket *blob.Bucket
}

// House is a whole horde. It is as safe for concurrent use as its parts, except Account.
type House struct {
	*engine.Engine
	URL   string // of the server, without a slash at the end
	Blobs *blob.Store
	Door  *apiv2.Server
}

type ids struct{ *idgen.Source }

// UUID is the next one.
func (s ids) UUID() horde.UUID { return horde.UUID(s.V4()) }

// Uint32 is a random number.
func (s ids) Uint32() uint32 {
	u := s.V4()
	return binary.BigEndian.Uint32(u[:])
}

// Build starts a house that lives as long as the test.
func Build(tb testing.TB, p Plan) *House {
	tb.Helper()
	if p.Clock == nil {
		p.Clock = clock.System{}
	}
	if p.Random == nil {
		p.Random = idgen.Replay(1)
	}
	if p.Store.Engine == "" {
		p.Store = store.Options{Engine: store.SQLite, Path: filepath.Join(tb.TempDir(), "horde.db")}
	}
	log := zerolog.Nop()
	if p.Log != nil {
		log = zerolog.New(p.Log)
	}
	if p.Profane == nil {
		p.Profane = horde.ProfanityList()
	}
	source := ids{idgen.New(p.Random, p.Clock.Now)}

	db, err := store.Open(tb.Context(), p.Store)
	if err != nil {
		tb.Fatal(err)
	}
	var memory engine.Store = db
	if p.Wrap != nil {
		memory = p.Wrap(db)
	}
	e, err := engine.Open(tb.Context(), memory, engine.Options{
		Settings: horde.Settings{
			AnonymousAllowed: true, AnonymousKey: apiv2.HashKey([]byte(Secret), apiv2.AnonymousKey),
			TransfersAllowed: !p.NoTransfers, Sharing: p.Sharing, KnownModels: p.Models, Models: horde.ReferenceModels(), Profane: p.Profane,
		},
		Now: p.Clock.Now, IDs: source, Log: log,
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
	signer, err := blob.NewSigner([]byte(Secret), "http://links.invalid", p.Clock.Now)
	if err != nil {
		tb.Fatal(err)
	}
	var (
		images blob.Images = blobs
		links  blob.Links  = signer
	)
	if p.Bucket != nil {
		images, links = p.Bucket, p.Bucket
	}
	shelf, err := blob.NewStore(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	p.Options.Ratings, err = ratings.New(ratings.Deps{
		Engine: e, Store: db, Shelf: shelf, Images: images, Random: func() uint64 { return uint64(source.Uint32()) << 31 }, Now: p.Clock.Now, Log: log,
	}, ratings.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	door, err := apiv2.New(apiv2.Deps{
		Engine: e, Blobs: images, Signer: links, Secret: []byte(Secret), IDs: source, NewKey: source.APIKey, Now: p.Clock.Now,
		Log: log,
	}, p.Options)
	if err != nil {
		tb.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(blob.PathPrefix, blob.Handler(blobs, signer, blob.HandlerOptions{}))
	handler := door.Before(mux)
	if p.Before != nil {
		handler = p.Before(handler)
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
	return &House{Engine: e, URL: server.URL, Blobs: blobs, Door: door}
}

// Key is the API key that Account gives to a name.
func Key(name string) string { return (name + "-key-0000000000000000000000")[:idgen.KeyLength] }

// Account opens one with roles and, beside what every account starts with, an award of whole kudos. It returns
// its number and key.
func (h *House) Account(tb testing.TB, name string, roles horde.Role, award int64) (horde.UserID, string) {
	tb.Helper()
	u, err := engine.Do(tb.Context(), h.Engine, horde.CreateUser{
		External: "d_" + name, Name: name, Key: apiv2.HashKey([]byte(Secret), Key(name)), Roles: roles,
	})
	if err != nil {
		tb.Fatal(err)
	}
	if award != 0 {
		if _, err := engine.Do(tb.Context(), h.Engine, horde.SetUser{User: u.ID, Award: kudos.Whole(award), AwardKey: "test:" + name}); err != nil {
			tb.Fatal(err)
		}
	}
	return u.ID, Key(name)
}

// Client speaks to the house with a key.
func (h *House) Client(tb testing.TB, key string) *client.Client {
	tb.Helper()
	c, err := client.New(h.URL, key, client.Options{Agent: "tests:1:nobody"})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// Answer is what came back from one call.
type Answer struct {
	Status int
	Head   http.Header
	Body   []byte
}

// Send makes one call; head holds pairs of header name and value. A body goes as JSON unless head says otherwise.
func (h *House) Send(tb testing.TB, method, path, body string, head ...string) Answer {
	tb.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(tb.Context(), method, h.URL+path, in)
	if err != nil {
		tb.Fatal(err)
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
	res, err := http.DefaultTransport.RoundTrip(req) // a client would follow where it is sent
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return Answer{res.StatusCode, res.Header, data}
}

// Picture is a small real WebP image of side × side pixels.
func Picture(tb testing.TB, side int) []byte {
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

// Base64 is how an image travels inside JSON.
func Base64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// Offer is what a worker says of itself that takes any image.
func Offer(name string, models ...string) wire.PopRequest {
	return wire.PopRequest{Name: name, Models: models, BridgeAgent: ReGen, MaxPixels: 4 << 20, AllowLora: true, AllowControlNet: true}
}
