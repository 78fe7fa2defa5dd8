package blob

import (
	"context"
	"time"
)

// Images keeps images under keys: in a folder (Store) or in an S3-compatible bucket (Bucket). What is put is there for
// good once PutBytes has returned, until it is deleted or swept. All of it is safe for concurrent use, and by several
// processes.
type Images interface {
	// PutBytes stores data under key and replaces what was there. After an error the key holds what it held before or
	// all of data, never a part.
	PutBytes(ctx context.Context, key string, data []byte) error
	// Read returns an image of at most limit bytes, ErrNotFound, or ErrTooLong.
	Read(ctx context.Context, key string, limit int64) ([]byte, error)
	// Stat tells about an image without reading it, or returns ErrNotFound.
	Stat(ctx context.Context, key string) (Info, error)
	// Accept takes what somebody uploaded through a link to key, and tells its format. From then on it is an image like
	// any other, which Read finds. It returns ErrNotFound when nothing was uploaded, and ErrTooLong, ErrNotImage or
	// ErrTooLarge for what is outside the limits on uploads. To accept again is no error.
	Accept(ctx context.Context, key string) (Format, error)
	// Delete removes an image. That none is there is no error.
	Delete(ctx context.Context, key string) error
	// Sweep deletes what was stored before a time, uploads that nobody accepted included, and tells how many went.
	Sweep(ctx context.Context, olderThan time.Time) (int, error)
}

// Info is what is known of an image without reading it. Size is in bytes.
type Info struct {
	Size   int64
	Stored time.Time
}

// Links makes links to images that anybody may use for one thing until LinkLife from now: a *Signer to the door's own
// Handler, a *Bucket to the bucket itself.
type Links interface {
	Link(op Op, key string) (string, error)
	// Own reports whether the links lead to this program's door, below PathPrefix.
	Own() bool
}

// Limits bound an uploaded image; zero values mean the constants of this package.
type Limits struct {
	Bytes  int64
	Side   int // pixels
	Pixels int
}

func (l Limits) orDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = MaxUpload
	}
	if l.Side <= 0 {
		l.Side = MaxSide
	}
	if l.Pixels <= 0 {
		l.Pixels = MaxPixels
	}
	return l
}
