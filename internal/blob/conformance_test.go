package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"stablemate/internal/blob"
	"stablemate/internal/s3test"
)

// place is one kind of image store with its links, as a program would set it up.
type place struct {
	blob.Images
	blob.Links
}

// limits of uploads in these tests.
func uploadLimits() blob.Limits { return blob.Limits{Bytes: 64 << 10, Side: 512, Pixels: 512 * 512} }

func inFolder(t *testing.T) place {
	t.Helper()
	store, err := blob.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var door http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { door.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	signer, err := blob.NewSigner([]byte("sixteen bytes or more"), server.URL, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	l := uploadLimits()
	door = blob.Handler(store, signer, blob.HandlerOptions{MaxUpload: l.Bytes, MaxSide: l.Side, MaxPixels: l.Pixels})
	return place{store, signer}
}

func bucketOptions(t *testing.T) blob.BucketOptions {
	t.Helper()
	b := s3test.New(t)
	return blob.BucketOptions{
		Endpoint: b.Endpoint, Region: s3test.Region, Bucket: b.Name, Prefix: "stablemate", AccessKey: s3test.AccessKey,
		SecretKey: s3test.SecretKey, PathStyle: true, Upload: uploadLimits(),
	}
}

func inBucket(t *testing.T) place {
	t.Helper()
	b, err := blob.NewBucket(t.Context(), bucketOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	return place{b, b}
}

// everywhere runs a test on each kind of store.
func everywhere(t *testing.T, test func(*testing.T, place)) {
	t.Helper()
	for name, open := range map[string]func(*testing.T) place{"folder": inFolder, "bucket": inBucket} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// call sends one request along a link.
func call(t *testing.T, method, link string, body []byte) (status int, got []byte, kind string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, link, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPut {
		req.Header.Set("Content-Type", "image/webp") // workers always say so
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if got, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, got, res.Header.Get("Content-Type")
}

func link(t *testing.T, p place, op blob.Op, key string) string {
	t.Helper()
	l, err := p.Link(op, key)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func aPNG(t *testing.T, side int) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestEveryStoreKeepsWhatIsPut(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p place) {
		t.Helper()
		const key = "0b25cf11-6a5d-4b2c-9d0e-0f1f5f6a7b8c.webp"
		if _, err := p.Read(t.Context(), key, 100); !errors.Is(err, blob.ErrNotFound) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Read before the put: %v, want ErrNotFound", err)
		}
		if _, err := p.Stat(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Stat before the put: %v, want ErrNotFound", err)
		}
		if _, err := p.Accept(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Accept before the put: %v, want ErrNotFound", err)
		}
		for _, text := range []string{"first", "the second replaces the first", ""} {
			if err := p.PutBytes(t.Context(), key, []byte(text)); err != nil {
				t.Fatalf("PutBytes(%q): %v", text, err)
			}
			if got, err := p.Read(t.Context(), key, 100); err != nil || string(got) != text {
				t.Errorf("Read after PutBytes(%q) = %q, %v", text, got, err)
			}
			if info, err := p.Stat(t.Context(), key); err != nil || info.Size != int64(len(text)) || info.Stored.IsZero() {
				t.Errorf("Stat after PutBytes(%q) = %+v, %v", text, info, err)
			}
		}
		if err := p.PutBytes(t.Context(), key, make([]byte, 101)); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Read(t.Context(), key, 100); !errors.Is(err, blob.ErrTooLong) {
			t.Errorf("Read of 101 bytes, at most 100: %v, want ErrTooLong", err)
		}
		for range 2 {
			if err := p.Delete(t.Context(), key); err != nil {
				t.Errorf("Delete: %v", err)
			}
		}
		if _, err := p.Stat(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Stat after the delete: %v, want ErrNotFound", err)
		}
	})
}

func TestEveryStoreTakesKeysOnly(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p place) {
		t.Helper()
		for _, key := range []string{"", ".", "..", ".netrc", "../../etc/passwd", "a/b", "incoming/a", `a\b`, "a\x00b", "a\nb", strings.Repeat("k", blob.MaxKeyLength+1)} {
			err1 := p.PutBytes(t.Context(), key, []byte("x"))
			_, err2 := p.Read(t.Context(), key, 1)
			_, err3 := p.Stat(t.Context(), key)
			_, err4 := p.Accept(t.Context(), key)
			err5 := p.Delete(t.Context(), key)
			_, err6 := p.Link(blob.OpGet, key)
			for i, err := range []error{err1, err2, err3, err4, err5, err6} {
				if !errors.Is(err, blob.ErrKey) {
					t.Errorf("%q: call %d: %v, want ErrKey", key, i, err)
				}
			}
		}
		if _, err := p.Link("delete", "k"); err == nil {
			t.Error("a link allows to delete")
		}
	})
}

func TestAnUploadIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p place) {
		t.Helper()
		key := "5f0e3c1a.webp"
		up, first, second := link(t, p, blob.OpPut, key), aPNG(t, 64), aPNG(t, 65)
		for _, data := range [][]byte{second, first} { // a worker that tries again
			if status, said, _ := call(t, http.MethodPut, up, data); status != http.StatusOK {
				t.Fatalf("PUT: %d %s", status, said)
			}
		}
		for range 2 { // a submit that is repeated
			if format, err := p.Accept(t.Context(), key); err != nil || format != blob.PNG {
				t.Fatalf("Accept = %q, %v, want png", format, err)
			}
		}
		if got, err := p.Read(t.Context(), key, 1<<20); err != nil || !bytes.Equal(got, first) {
			t.Errorf("Read = %d bytes, %v, want what was uploaded last", len(got), err)
		}
		status, got, kind := call(t, http.MethodGet, link(t, p, blob.OpGet, key), nil)
		if status != http.StatusOK || !bytes.Equal(got, first) || kind != "image/png" {
			t.Errorf("GET: %d, %d bytes of %s, want the image as image/png", status, len(got), kind)
		}
	})
}

func TestLinksAllowOneThingEverywhere(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p place) {
		t.Helper()
		if err := p.PutBytes(t.Context(), "mine", aPNG(t, 8)); err != nil {
			t.Fatal(err)
		}
		if err := p.PutBytes(t.Context(), "theirs", aPNG(t, 8)); err != nil {
			t.Fatal(err)
		}
		get, put := link(t, p, blob.OpGet, "mine"), link(t, p, blob.OpPut, "mine")
		for what, c := range map[string]struct{ method, link string }{
			"writing along a link to read":      {http.MethodPut, get},
			"reading along a link to write":     {http.MethodGet, put},
			"deleting along a link to read":     {http.MethodDelete, get},
			"deleting along a link to write":    {http.MethodDelete, put},
			"reading another key":               {http.MethodGet, strings.Replace(get, "mine", "theirs", 1)},
			"writing another key":               {http.MethodPut, strings.Replace(put, "mine", "theirs", 1)},
			"reading without a signature":       {http.MethodGet, strings.SplitN(get, "?", 2)[0]},
			"writing without a signature":       {http.MethodPut, strings.SplitN(put, "?", 2)[0]},
			"reading with another signature":    {http.MethodGet, get[:len(get)-6] + "000000"},
			"listing what there is":             {http.MethodGet, strings.SplitN(get, "mine", 2)[0]},
			"writing for longer than was given": {http.MethodPut, later(put)},
		} {
			status, body, _ := call(t, c.method, c.link, aPNG(t, 9))
			if status < 400 {
				t.Errorf("%s: %d %.60s, want a refusal", what, status, body)
			}
		}
		if got, err := p.Read(t.Context(), "theirs", 1<<20); err != nil || !bytes.Equal(got, aPNG(t, 8)) {
			t.Errorf("afterwards the other image has %d bytes, %v", len(got), err)
		}
	})
}

// later lengthens the life of a link, which its signature does not allow.
func later(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	q := u.Query()
	for _, name := range []string{"exp", "X-Amz-Expires"} {
		if q.Has(name) {
			q.Set(name, "9"+q.Get(name))
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func TestUploadsBeyondTheLimitsAreRefused(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p place) {
		t.Helper()
		for name, c := range map[string]struct {
			data []byte
			want error
		}{
			"no-image":  {[]byte("<html>this is no image</html>"), blob.ErrNotImage},
			"too-wide":  {aPNG(t, 513), blob.ErrTooLarge},
			"too-long":  {append(aPNG(t, 8), make([]byte, 64<<10)...), blob.ErrTooLong},
			"nothing":   {nil, blob.ErrNotImage},
			"cut-short": {aPNG(t, 8)[:20], blob.ErrNotImage},
		} {
			status, _, _ := call(t, http.MethodPut, link(t, p, blob.OpPut, name), c.data)
			format, err := p.Accept(t.Context(), name)
			// A folder's door refuses at once; a bucket takes the bytes, and they are refused when they should count.
			refused := status >= 400 && errors.Is(err, blob.ErrNotFound) || status < 400 && errors.Is(err, c.want)
			if !refused || format != "" {
				t.Errorf("%s: PUT %d, Accept = %q, %v, want %v", name, status, format, err, c.want)
			}
			if _, err := p.Stat(t.Context(), name); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%s: it is kept all the same: %v", name, err)
			}
			// A better upload makes up for it.
			if status, said, _ := call(t, http.MethodPut, link(t, p, blob.OpPut, name), aPNG(t, 16)); status != http.StatusOK {
				t.Fatalf("%s: the second upload: %d %s", name, status, said)
			}
			if _, err := p.Accept(t.Context(), name); err != nil {
				t.Errorf("%s: the second upload is refused: %v", name, err)
			}
		}
	})
}

func TestSweepsTakeTheOldEverywhere(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p place) {
		t.Helper()
		const images = 12
		for i := range images {
			if err := p.PutBytes(t.Context(), fmt.Sprintf("image-%d", i), []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if status, said, _ := call(t, http.MethodPut, link(t, p, blob.OpPut, "forgotten"), aPNG(t, 8)); status != http.StatusOK {
			t.Fatalf("PUT: %d %s", status, said)
		}
		if gone, err := p.Sweep(t.Context(), time.Now().Add(-time.Hour)); err != nil || gone != 0 {
			t.Errorf("a sweep of what is an hour old took %d, %v", gone, err)
		}
		if gone, err := p.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil || gone != images+1 {
			t.Errorf("a sweep of everything took %d, %v, want %d", gone, err, images+1)
		}
		if _, err := p.Accept(t.Context(), "forgotten"); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("after the sweep the upload is there: %v", err)
		}
	})
}

func TestManyUseEveryStoreAtOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p place) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				data := bytes.Repeat([]byte{byte('a' + i)}, 4096)
				for range 4 {
					if err := p.PutBytes(t.Context(), "k", data); err != nil {
						t.Error(err)
					}
					got, err := p.Read(t.Context(), "k", 4096)
					if err != nil || len(got) != 4096 || bytes.Count(got, got[:1]) != 4096 {
						t.Errorf("read %d bytes that are not one write's, %v", len(got), err)
					}
				}
			})
		}
		wg.Wait()
	})
}
