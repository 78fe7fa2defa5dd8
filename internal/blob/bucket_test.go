package blob_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"stablemate/internal/blob"
)

func TestABucketThatCannotBeUsedIsToldAtOnce(t *testing.T) {
	t.Parallel()
	good := bucketOptions(t)
	for what, c := range map[string]struct {
		change func(*blob.BucketOptions)
		says   string
	}{
		"no such bucket":      {func(o *blob.BucketOptions) { o.Bucket = "nowhere" }, "no bucket nowhere"},
		"a wrong secret":      {func(o *blob.BucketOptions) { o.SecretKey = "guessed" }, "look for bucket"},
		"an unknown key":      {func(o *blob.BucketOptions) { o.AccessKey = "nobody" }, "bucket"},
		"no key":              {func(o *blob.BucketOptions) { o.AccessKey = "" }, "needs a name"},
		"no address":          {func(o *blob.BucketOptions) { o.Endpoint = "s3.example" }, "looks like"},
		"an address's path":   {func(o *blob.BucketOptions) { o.Endpoint += "/path" }, "looks like"},
		"a prefix of a slash": {func(o *blob.BucketOptions) { o.Prefix = "/a" }, "no slash"},
	} {
		opts := good
		c.change(&opts)
		_, err := blob.NewBucket(t.Context(), opts)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), good.SecretKey) {
			t.Errorf("%s: %v, want %q and no secret", what, err, c.says)
		}
	}
	if _, err := blob.NewBucket(t.Context(), good); err != nil {
		t.Errorf("the good options: %v", err)
	}
}

func TestABucketsLinksLiveHalfAnHour(t *testing.T) {
	t.Parallel()
	p := inBucket(t)
	for _, op := range []blob.Op{blob.OpGet, blob.OpPut} {
		u, err := url.Parse(link(t, p, op, "k"))
		if err != nil || u.Query().Get("X-Amz-Expires") != "1800" {
			t.Errorf("%s: %v, %v, want a life of 1800 s", op, u, err)
		}
	}
	if p.Own() {
		t.Error("a bucket's links lead to the program's own door")
	}

	opts := bucketOptions(t)
	opts.LinkLife = time.Second
	b, err := blob.NewBucket(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.PutBytes(t.Context(), "k", aPNG(t, 8)); err != nil {
		t.Fatal(err)
	}
	short := link(t, place{b, b}, blob.OpGet, "k")
	deadline := time.Now().Add(20 * time.Second)
	for status := 0; status != http.StatusForbidden; {
		if time.Now().After(deadline) {
			t.Fatal("a link of one second still works")
		}
		status, _, _ = call(t, http.MethodGet, short, nil)
		time.Sleep(50 * time.Millisecond)
	}
}

// A link may lead elsewhere than this program's own calls do.
func TestABucketHasAPublicAddress(t *testing.T) {
	t.Parallel()
	opts := bucketOptions(t)
	opts.Public = strings.Replace(opts.Endpoint, "127.0.0.1", "localhost", 1)
	b, err := blob.NewBucket(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.PutBytes(t.Context(), "k", aPNG(t, 8)); err != nil {
		t.Fatal(err)
	}
	get := link(t, place{b, b}, blob.OpGet, "k")
	if !strings.HasPrefix(get, opts.Public+"/"+opts.Bucket+"/stablemate/k?") {
		t.Errorf("the link is %s, want it at %s", get, opts.Public)
	}
	if status, got, _ := call(t, http.MethodGet, get, nil); status != http.StatusOK || !bytes.Equal(got, aPNG(t, 8)) {
		t.Errorf("GET: %d, %d bytes", status, len(got))
	}
}

// What was accepted cannot be changed by whoever still holds its upload link, and nothing beside the prefix is touched.
func TestABucketKeepsWhatItAccepted(t *testing.T) {
	t.Parallel()
	opts := bucketOptions(t)
	b, err := blob.NewBucket(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	p := place{b, b}
	up := link(t, p, blob.OpPut, "k")
	call(t, http.MethodPut, up, aPNG(t, 64))
	if _, err := b.Accept(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	call(t, http.MethodPut, up, []byte("<html>something else</html>"))
	if got, err := b.Read(t.Context(), "k", 1<<20); err != nil || !bytes.Equal(got, aPNG(t, 64)) {
		t.Errorf("an upload after the acceptance changed the image: %d bytes, %v", len(got), err)
	}

	opts.Prefix = "others"
	other, err := blob.NewBucket(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.PutBytes(t.Context(), "k", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if gone, err := b.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil || gone != 2 {
		t.Errorf("Sweep = %d, %v, want the image and the late upload", gone, err)
	}
	if _, err := other.Stat(t.Context(), "k"); err != nil {
		t.Errorf("a sweep took what lies beside its prefix: %v", err)
	}
}

func TestASweepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := inBucket(t)
	if err := p.PutBytes(t.Context(), "k", []byte("x")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Sweep(ctx, time.Now().Add(time.Hour)); !errors.Is(err, context.Canceled) {
		t.Errorf("Sweep = %v, want context.Canceled", err)
	}
}
