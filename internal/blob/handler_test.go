package blob_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"stablemate/internal/blob"
	"stablemate/internal/clock"
)

var secret = []byte("a secret of the right length....")

const imageKey = "0b25cf11-6a5d-4b2c-9d0e-0f1f5f6a7b8c.webp"

// door is a running image door over an empty folder.
type door struct {
	store  *blob.Store
	signer *blob.Signer
	clock  *clock.Fake
	url    string
}

func openDoor(t *testing.T) door {
	t.Helper()
	store, _ := open(t)
	fake := clock.NewFake(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	signer, err := blob.NewSigner(secret, server.URL, fake.Now)
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle(blob.PathPrefix, blob.Handler(store, signer, blob.HandlerOptions{Log: zerolog.Nop()}))
	return door{store: store, signer: signer, clock: fake, url: server.URL}
}

func (d door) link(t *testing.T, op blob.Op, key string) string {
	t.Helper()
	link, err := d.signer.Link(op, key)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func do(t *testing.T, method, link string, body io.Reader, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, link, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, data
}

func TestAnImageGoesInAndOutByLink(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	image := encoded(t, blob.WebP, 64, 64)
	if resp, body := do(t, http.MethodPut, d.link(t, blob.OpPut, imageKey), bytes.NewReader(image)); resp.StatusCode != http.StatusOK {
		t.Fatalf("PUT: %s %s", resp.Status, body)
	}
	link := d.link(t, blob.OpGet, imageKey)
	resp, body := do(t, http.MethodGet, link, nil)
	if resp.StatusCode != http.StatusOK || !bytes.Equal(body, image) {
		t.Fatalf("GET: %s, %d bytes, want the %d that went in", resp.Status, len(body), len(image))
	}
	for name, want := range map[string]string{
		"Content-Type": "image/webp", "X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "*",
		"Cache-Control": "private, max-age=1800", "Accept-Ranges": "bytes",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("GET: %s = %q, want %q", name, got, want)
		}
	}
	resp, body = do(t, http.MethodGet, link, nil, "Range", "bytes=8-11")
	if resp.StatusCode != http.StatusPartialContent || string(body) != "WEBP" {
		t.Errorf("GET of bytes 8 to 11: %s %q, want 206 WEBP", resp.Status, body)
	}
	resp, body = do(t, http.MethodHead, link, nil)
	if resp.StatusCode != http.StatusOK || len(body) != 0 || resp.ContentLength != int64(len(image)) {
		t.Errorf("HEAD: %s, length %d", resp.Status, resp.ContentLength)
	}
	resp, _ = do(t, http.MethodOptions, link, nil, "Origin", "https://page.example", "Access-Control-Request-Method", "PUT")
	if resp.StatusCode != http.StatusNoContent || !strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), "PUT") {
		t.Errorf("OPTIONS: %s, methods %q", resp.Status, resp.Header.Get("Access-Control-Allow-Methods"))
	}
	d.clock.Advance(blob.LinkLife - time.Second)
	if resp, _ := do(t, http.MethodGet, link, nil); resp.StatusCode != http.StatusOK {
		t.Errorf("a second before it expires: %s", resp.Status)
	}
	d.clock.Advance(time.Second)
	if resp, _ := do(t, http.MethodGet, link, nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("when it expires: %s, want 403", resp.Status)
	}
}

func TestRefusalsOfTheDoor(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	image := encoded(t, blob.WebP, 16, 16)
	if err := d.store.PutBytes(t.Context(), imageKey, image); err != nil {
		t.Fatal(err)
	}
	get, put := d.link(t, blob.OpGet, imageKey), d.link(t, blob.OpPut, imageKey)
	change := func(link string, edit func(url.Values)) string {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		edit(q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	stranger, err := blob.NewSigner([]byte("another secret of the same kind."), d.url, d.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	strange, err := stranger.Link(blob.OpGet, imageKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		method, link string
		body         []byte
		status       int
	}{
		"no signature at all":             {http.MethodGet, d.url + blob.PathPrefix + imageKey, nil, 403},
		"a link signed by a stranger":     {http.MethodGet, strange, nil, 403},
		"reading with a link for writing": {http.MethodGet, put, nil, 403},
		"writing with a link for reading": {http.MethodPut, get, image, 403},
		"a link turned into another's":    {http.MethodGet, strings.Replace(get, imageKey, "x"+imageKey[1:], 1), nil, 403},
		"a link with a longer life":       {http.MethodGet, change(get, func(q url.Values) { q.Set("exp", "99999999999") }), nil, 403},
		"a link with two lives":           {http.MethodGet, get + "&exp=99999999999", nil, 403},
		"a link with a torn query":        {http.MethodGet, get + "&%zz;=1", nil, 403},
		"a path out of the folder":        {http.MethodGet, strings.Replace(get, imageKey, "..%2f..%2fetc%2fpasswd", 1), nil, 403},
		"an image that is gone":           {http.MethodGet, d.link(t, blob.OpGet, "gone.webp"), nil, 404},
		"a method nobody has":             {http.MethodPost, get, nil, 405},
		"an upload of text":               {http.MethodPut, put, []byte("hello"), 415},
		"an upload of nothing":            {http.MethodPut, put, nil, 415},
		"an upload of a GIF":              {http.MethodPut, put, encoded(t, "gif", 4, 4), 415},
		"an upload of 50,000 × 50,000":    {http.MethodPut, put, hugePNG(50_000, 50_000), 413},
		"an upload of too many bytes":     {http.MethodPut, put, make([]byte, blob.MaxUpload+1), 413},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, body := do(t, c.method, c.link, bytes.NewReader(c.body))
			var told struct{ Message string }
			if err := json.Unmarshal(body, &told); err != nil || told.Message == "" {
				t.Errorf("body %q: %v, want a message", body, err)
			}
			if resp.StatusCode != c.status || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s %q, want %d", resp.Status, body, c.status)
			}
		})
	}
	t.Cleanup(func() {
		if got, err := d.store.Read(t.Context(), imageKey, 1<<20); err == nil && !bytes.Equal(got, image) {
			t.Error("a refused upload changed the image")
		}
	})
}

func TestAnUploadWithoutALengthIsBoundedToo(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	endless := io.LimitReader(zeros{}, 10*blob.MaxUpload)
	resp, body := do(t, http.MethodPut, d.link(t, blob.OpPut, imageKey), struct{ io.Reader }{endless})
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%s %s, want 413", resp.Status, body)
	}
}

// gate is an upload whose bytes come when it is opened. It tells when it is first read.
type gate struct {
	io.Reader
	reading, open chan struct{}
	told          bool
}

func (g *gate) Read(p []byte) (int, error) {
	if !g.told {
		g.told = true
		close(g.reading)
		<-g.open
	}
	return g.Reader.Read(p)
}

func TestUploadsBeyondTheBoundWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	h := blob.Handler(d.store, d.signer, blob.HandlerOptions{Log: zerolog.Nop()})
	image := encoded(t, blob.WebP, 16, 16)
	put := func(body io.Reader) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, d.link(t, blob.OpPut, imageKey), body)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	var group sync.WaitGroup
	defer group.Wait()
	open := make(chan struct{})
	for range blob.MaxUploads {
		g := &gate{Reader: bytes.NewReader(image), reading: make(chan struct{}), open: open}
		group.Go(func() {
			if code := put(g); code != http.StatusOK {
				t.Errorf("an upload within the bound ended with %d", code)
			}
		})
		<-g.reading
	}
	more := make(chan int, 1)
	group.Go(func() { more <- put(bytes.NewReader(image)) })
	select {
	case code := <-more:
		t.Errorf("an upload beyond the bound ended with %d before there was room", code)
		more <- code
	case <-time.After(50 * time.Millisecond):
	}
	close(open)
	if code := <-more; code != http.StatusOK {
		t.Errorf("an upload beyond the bound ended with %d, want it to get its turn", code)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestNewSignerRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret []byte
		base   string
	}{
		"a short secret":       {[]byte("short"), "http://127.0.0.1"},
		"no address":           {secret, ""},
		"an address of a file": {secret, "file:///tmp"},
		"a query":              {secret, "http://127.0.0.1/?a=b"},
		"no host":              {secret, "http:///x"},
	} {
		if _, err := blob.NewSigner(c.secret, c.base, clock.System{}.Now); err == nil {
			t.Errorf("%s was let in", name)
		}
	}
	s, err := blob.NewSigner(secret, "https://horde.example/sub/", clock.System{}.Now)
	if err != nil {
		t.Fatal(err)
	}
	if link, err := s.Link(blob.OpGet, "k"); err != nil || !strings.HasPrefix(link, "https://horde.example/sub/blob/k?op=get&exp=") {
		t.Errorf("Link = %q, %v", link, err)
	}
	for _, key := range []string{"", "../k"} {
		if link, err := s.Link(blob.OpGet, key); err == nil {
			t.Errorf("Link(%q) = %q", key, link)
		}
	}
	if link, err := s.Link("delete", "k"); err == nil {
		t.Errorf("a link to delete: %q", link)
	}
}

func TestLinksForPeopleWorkAsLongAsTheySay(t *testing.T) {
	t.Parallel()
	live, err := blob.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	kept, err := blob.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	fake := clock.NewFake(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	signer, err := blob.NewSigner(secret, "http://127.0.0.1", fake.Now)
	if err != nil {
		t.Fatal(err)
	}
	door := blob.Handler(live, signer, blob.HandlerOptions{Kept: kept})
	if err := kept.PutBytes(t.Context(), "kept.png", aPNG(t, 8)); err != nil {
		t.Fatal(err)
	}
	link, err := signer.ReadLink("kept.png", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	status := func() int {
		w := httptest.NewRecorder()
		door.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, link, nil))
		return w.Code
	}
	if got := status(); got != http.StatusOK {
		t.Errorf("what is only kept is answered with %d", got)
	}
	fake.Advance(24*time.Hour - time.Second)
	if got := status(); got != http.StatusOK {
		t.Errorf("shortly before its end the link is answered with %d", got)
	}
	fake.Advance(time.Second)
	if got := status(); got != http.StatusForbidden {
		t.Errorf("after its end the link is answered with %d", got)
	}
	for _, life := range []time.Duration{0, -time.Hour, blob.MaxLinkLife + time.Second} {
		if l, err := signer.ReadLink("k.png", life); err == nil {
			t.Errorf("a link for %s: %s", life, l)
		}
	}
	if l, err := signer.ReadLink("../k.png", time.Hour); err == nil {
		t.Errorf("a link to %s", l)
	}
}

// FuzzLink: only what the signer made is let in, whatever else arrives as a link.
func FuzzLink(f *testing.F) {
	fake := clock.NewFake(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	signer, err := blob.NewSigner(secret, "http://127.0.0.1", fake.Now)
	if err != nil {
		f.Fatal(err)
	}
	good, err := signer.Link(blob.OpGet, imageKey)
	if err != nil {
		f.Fatal(err)
	}
	_, query, _ := strings.Cut(good, "?")
	f.Add("get", imageKey, query)
	f.Add("put", imageKey, query)
	f.Add("get", "../"+imageKey, query)
	f.Add("get", imageKey, query+"&sig=")
	f.Add("get", imageKey, strings.Replace(query, "exp=", "exp=+", 1))
	f.Add("", "", "op=&exp=-1&sig=%00")
	f.Fuzz(func(t *testing.T, op, key, raw string) {
		q, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		left, err := signer.Check(blob.Op(op), key, q)
		if err != nil {
			return
		}
		want, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if op != "get" || key != imageKey || left != blob.LinkLife || q.Get("sig") != want.Get("sig") || q.Get("exp") != want.Get("exp") {
			t.Errorf("Check(%q, %q, %q) let in a link nobody made", op, key, raw)
		}
	})
}
