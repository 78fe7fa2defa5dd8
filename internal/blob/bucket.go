package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Bounds of the talk with a bucket.
const (
	// MaxAccepts is how many uploads may be looked at at once; each may hold MaxUpload bytes of memory.
	MaxAccepts = 32

	bucketTimeout  = 30 * time.Second // of one image's call
	bucketRetries  = 3                // of calls that may be repeated
	bucketIdle     = 64               // connections kept open
	bucketDial     = 5 * time.Second
	bucketAnswer   = 20 * time.Second // until the head of an answer
	uploadsFolder  = "incoming/"      // where upload links lead, below the prefix
	defaultRegion  = "us-east-1"
	maxPrefixBytes = 200
)

// BucketOptions say where a bucket is. Endpoint, Bucket, AccessKey and SecretKey are required.
type BucketOptions struct {
	Endpoint  string // http or https address of the service, without a path
	Public    string // the same as those who use links reach it; empty: Endpoint
	Region    string // empty: us-east-1
	Bucket    string
	Prefix    string // begins every name in the bucket; all below it belongs to this store, which sweeps it
	AccessKey string
	SecretKey string
	PathStyle bool // the bucket's name stands in the path; otherwise it begins the host's name

	Upload   Limits        // of what others upload
	LinkLife time.Duration // 0: the constant LinkLife
}

// Bucket keeps images in a bucket of an S3-compatible service. Links lead to the service itself, so that the bytes do
// not pass through this program. An upload lands beside the images, where its link may replace it until it expires;
// Accept takes it from there, and no link can change it any more. Images, links and sweeps are as those of a folder. It
// is safe for concurrent use.
type Bucket struct {
	core    minio.Core
	public  *minio.Client // signs links
	bucket  string
	prefix  string
	upload  Limits
	life    time.Duration
	accepts chan struct{} // holds one token per upload being looked at
}

// NewBucket opens a bucket. It asks the service whether the bucket is there and these keys may use it, and returns what
// was wrong.
func NewBucket(ctx context.Context, opts BucketOptions) (*Bucket, error) {
	if opts.Region == "" {
		opts.Region = defaultRegion // with a region set, signing a link asks nobody
	}
	if opts.Public == "" {
		opts.Public = opts.Endpoint
	}
	if opts.LinkLife <= 0 {
		opts.LinkLife = LinkLife
	}
	if opts.Prefix != "" && !strings.HasSuffix(opts.Prefix, "/") {
		opts.Prefix += "/"
	}
	switch {
	case opts.Bucket == "" || opts.AccessKey == "" || opts.SecretKey == "":
		return nil, errors.New("a bucket needs a name, an access key and a secret key")
	case len(opts.Prefix) > maxPrefixBytes || strings.HasPrefix(opts.Prefix, "/"):
		return nil, fmt.Errorf("the prefix in a bucket has at most %d bytes and begins with no slash", maxPrefixBytes)
	}
	private, err := opts.client(opts.Endpoint)
	if err != nil {
		return nil, err
	}
	public, err := opts.client(opts.Public)
	if err != nil {
		return nil, err
	}
	b := &Bucket{
		core: minio.Core{Client: private}, public: public, bucket: opts.Bucket, prefix: opts.Prefix,
		upload: opts.Upload.orDefault(), life: opts.LinkLife, accepts: make(chan struct{}, MaxAccepts),
	}
	ctx, cancel := context.WithTimeout(ctx, bucketTimeout)
	defer cancel()
	switch there, err := private.BucketExists(ctx, opts.Bucket); {
	case err != nil:
		return nil, fmt.Errorf("look for bucket %s: %w", opts.Bucket, err)
	case !there:
		return nil, fmt.Errorf("there is no bucket %s", opts.Bucket)
	}
	return b, nil
}

func (opts BucketOptions) client(endpoint string) (*minio.Client, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("the address of an S3 service looks like https://s3.example, not %q", endpoint)
	}
	lookup := minio.BucketLookupDNS
	if opts.PathStyle {
		lookup = minio.BucketLookupPath
	}
	c, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(opts.AccessKey, opts.SecretKey, ""), Secure: u.Scheme == "https", Region: opts.Region,
		BucketLookup: lookup, MaxRetries: bucketRetries,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: bucketDial}).DialContext,
			TLSHandshakeTimeout: bucketDial, ResponseHeaderTimeout: bucketAnswer, MaxIdleConns: bucketIdle,
			MaxIdleConnsPerHost: bucketIdle, IdleConnTimeout: time.Minute, DisableCompression: true,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("set up the S3 service: %w", err)
	}
	return c, nil
}

// told turns what the service says of a missing object into ErrNotFound.
func told(what, key string, err error) error {
	if err == nil {
		return nil
	}
	if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
		return ErrNotFound
	}
	return fmt.Errorf("%s image %s: %w", what, key, err)
}

// PutBytes stores data under key, with the media type of its format.
func (b *Bucket) PutBytes(ctx context.Context, key string, data []byte) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, bucketTimeout)
	defer cancel()
	_, err := b.core.Client.PutObject(ctx, b.bucket, b.prefix+key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{
		ContentType: Sniff(data).ContentType(), DisableMultipart: true,
	})
	if err != nil {
		return fmt.Errorf("store image %s: %w", key, err)
	}
	return nil
}

// Read returns the bytes of an image of at most limit bytes, ErrNotFound, or ErrTooLong.
func (b *Bucket) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	return b.read(ctx, "", key, limit)
}

func (b *Bucket) read(ctx context.Context, folder, key string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, bucketTimeout)
	defer cancel()
	body, info, _, err := b.core.GetObject(ctx, b.bucket, b.prefix+folder+key, minio.GetObjectOptions{})
	if err != nil {
		return nil, told("read", key, err)
	}
	defer func() { _ = body.Close() }()
	if info.Size < 0 || info.Size > limit {
		return nil, ErrTooLong
	}
	data := make([]byte, info.Size)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, fmt.Errorf("read image %s: %w", key, err)
	}
	return data, nil
}

// Stat tells about an image, or returns ErrNotFound.
func (b *Bucket) Stat(ctx context.Context, key string) (Info, error) {
	if err := CheckKey(key); err != nil {
		return Info{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, bucketTimeout)
	defer cancel()
	info, err := b.core.StatObject(ctx, b.bucket, b.prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return Info{}, told("look for", key, err)
	}
	return Info{Size: info.Size, Stored: info.LastModified}, nil
}

// Accept reads what was uploaded, holds it against the limits and stores it out of reach of the link. What is refused is
// left to be replaced by a better upload, or to be swept.
func (b *Bucket) Accept(ctx context.Context, key string) (Format, error) {
	if err := CheckKey(key); err != nil {
		return "", err
	}
	select {
	case b.accepts <- struct{}{}:
		defer func() { <-b.accepts }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	data, err := b.read(ctx, uploadsFolder, key, b.upload.Bytes)
	if errors.Is(err, ErrNotFound) {
		return b.accepted(ctx, key)
	}
	if err != nil {
		return "", err
	}
	format, _, _, err := CheckLimits(data, b.upload.Side, b.upload.Pixels)
	if err != nil {
		return "", err
	}
	if err := b.PutBytes(ctx, key, data); err != nil {
		return "", err
	}
	if err := b.remove(ctx, uploadsFolder, key); err != nil {
		return "", err
	}
	return format, nil
}

// accepted tells the format of what was accepted before.
func (b *Bucket) accepted(ctx context.Context, key string) (Format, error) {
	data, err := b.read(ctx, "", key, b.upload.Bytes)
	if err != nil {
		return "", err
	}
	return Sniff(data), nil
}

// Delete removes the image. That none is there is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	return b.remove(ctx, "", key)
}

func (b *Bucket) remove(ctx context.Context, folder, key string) error {
	ctx, cancel := context.WithTimeout(ctx, bucketTimeout)
	defer cancel()
	err := told("delete", key, b.core.RemoveObject(ctx, b.bucket, b.prefix+folder+key, minio.RemoveObjectOptions{}))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Sweep deletes every object below the prefix that was stored before olderThan, by the service's clock. It goes on past
// what it cannot delete and then returns the first such error; it stops early when ctx ends. It lists a page at a time.
func (b *Bucket) Sweep(ctx context.Context, olderThan time.Time) (int, error) {
	ctx, stop := context.WithCancel(ctx) // ends the listing with the sweep
	defer stop()
	var (
		gone  int
		first error
	)
	for object := range b.core.Client.ListObjects(ctx, b.bucket, minio.ListObjectsOptions{Prefix: b.prefix, Recursive: true}) {
		if object.Err != nil {
			return gone, fmt.Errorf("sweep images: %w", object.Err)
		}
		if !object.LastModified.Before(olderThan) || strings.HasSuffix(object.Key, "/") {
			continue
		}
		if err := b.remove(ctx, "", strings.TrimPrefix(object.Key, b.prefix)); err != nil {
			if first == nil {
				first = fmt.Errorf("sweep images: %w", err)
			}
			continue
		}
		gone++
	}
	if err := ctx.Err(); err != nil {
		return gone, err
	}
	return gone, first
}

// Link signs a link to the service that allows op on key. An upload's link leads beside the images.
func (b *Bucket) Link(op Op, key string) (string, error) {
	if err := CheckKey(key); err != nil {
		return "", err
	}
	var (
		u   *url.URL
		err error
		ctx = context.Background() // signing asks nobody: the region is known
	)
	switch op {
	case OpGet:
		u, err = b.public.PresignedGetObject(ctx, b.bucket, b.prefix+key, b.life, nil)
	case OpPut:
		u, err = b.public.PresignedPutObject(ctx, b.bucket, b.prefix+uploadsFolder+key, b.life)
	default:
		return "", fmt.Errorf("no link allows %q", op)
	}
	if err != nil {
		return "", fmt.Errorf("sign a link: %w", err)
	}
	return u.String(), nil
}

// Own is false: links lead to the service.
func (b *Bucket) Own() bool { return false }
