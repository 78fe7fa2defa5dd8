package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// MaxKeyLength is the most characters a key may have.
	MaxKeyLength = 120

	incomingDir = "incoming" // files still being written; a sweep takes those a crash left
)

var (
	// ErrNotFound says that no image has the key. It is also an fs.ErrNotExist.
	ErrNotFound = fmt.Errorf("no such image: %w", fs.ErrNotExist)
	// ErrKey says that the text is no key.
	ErrKey = errors.New("an image key is 1 to 120 letters, digits, '-', '_' and '.', and begins with a letter or digit")
)

// Store keeps images in a folder of 256 shards. It is safe for concurrent use, by several processes too, as long as they
// share the folder.
type Store struct {
	dir    string
	shards [256]shard
}

// shard is one of the folders that images are spread over. It is made when the first image goes there.
type shard struct {
	path string

	mu   sync.Mutex
	made bool // and its name is durable
}

// NewStore opens the folder, making it where it is missing. Only the process's own account may read it.
func NewStore(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open image folder %q: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Join(abs, incomingDir), 0o700); err != nil {
		return nil, fmt.Errorf("open image folder: %w", err)
	}
	if err := syncDir(abs); err != nil {
		return nil, fmt.Errorf("open image folder: %w", err)
	}
	s := &Store{dir: abs}
	for i := range s.shards {
		s.shards[i].path = filepath.Join(abs, hex.EncodeToString([]byte{byte(i)}))
	}
	return s, nil
}

// ready makes the shard if need be. The folder above is synced at the first use even of a shard that is there: another
// process may have made it a moment ago.
func (s *shard) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made {
		return nil
	}
	if err := os.Mkdir(s.path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncDir(filepath.Dir(s.path)); err != nil {
		return err
	}
	s.made = true
	return nil
}

// CheckKey returns ErrKey unless key may name an image. No key can leave the folder: keys hold no path separator and do
// not begin with a dot.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKeyLength {
		return ErrKey
	}
	for i := range len(key) {
		c := key[i]
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && (c == '-' || c == '_' || c == '.'):
		default:
			return ErrKey
		}
	}
	return nil
}

// path spreads keys over the shards. It hashes, since keys of one kind begin alike.
func (s *Store) path(key string) (in *shard, file string, err error) {
	if err := CheckKey(key); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256([]byte(key))
	in = &s.shards[sum[0]]
	return in, filepath.Join(in.path, key), nil
}

// Put stores all of r under key, replacing what was there, and returns the number of bytes. When it returns nil the
// image survives any crash. After an error the key holds what it held before, or all of r when only the very last step
// failed; never a part. It does not bound r: that is the caller's. A full disk passes through (errors.Is with
// syscall.ENOSPC). ctx is looked at before the image appears, not while r blocks.
func (s *Store) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	in, file, err := s.path(key)
	if err != nil {
		return 0, err
	}
	n, err := s.put(ctx, in, file, r)
	if err != nil {
		return 0, fmt.Errorf("store image %s: %w", key, err)
	}
	return n, nil
}

// PutBytes is Put for bytes at hand.
func (s *Store) PutBytes(ctx context.Context, key string, data []byte) error {
	_, err := s.Put(ctx, key, bytes.NewReader(data))
	return err
}

func (s *Store) put(ctx context.Context, in *shard, file string, r io.Reader) (n int64, err error) {
	if err := in.ready(); err != nil {
		return 0, err
	}
	tmp, err := os.CreateTemp(filepath.Join(s.dir, incomingDir), "*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name()) // what stays behind all the same falls to the sweep
		}
	}()
	n, err = io.Copy(tmp, r)
	if err == nil {
		err = tmp.Sync() // the bytes must be down before a name points at them
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return 0, err
	}
	return n, syncDir(in.path)
}

// Open returns the image for reading, with its size in bytes and the time it was stored. The caller closes it. An image
// that is deleted or replaced meanwhile stays readable to the end. It returns ErrNotFound when there is none.
func (s *Store) Open(ctx context.Context, key string) (*Image, error) {
	_, file, err := s.path(key)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open image %s: %w", key, err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open image %s: %w", key, err)
	}
	return &Image{File: f, Size: info.Size(), Stored: info.ModTime()}, nil
}

// Stat tells about an image without opening it, or returns ErrNotFound.
func (s *Store) Stat(ctx context.Context, key string) (Info, error) {
	_, file, err := s.path(key)
	if err != nil {
		return Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, ErrNotFound
	}
	if err != nil {
		return Info{}, fmt.Errorf("look for image %s: %w", key, err)
	}
	return Info{Size: info.Size(), Stored: info.ModTime()}, nil
}

// Accept tells the format of an uploaded image. Handler has held it against the limits before it was stored.
func (s *Store) Accept(ctx context.Context, key string) (Format, error) {
	img, err := s.Open(ctx, key)
	if err != nil {
		return "", err
	}
	defer func() { _ = img.Close() }()
	var head [sniffBytes]byte
	n, err := img.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read image %s: %w", key, err)
	}
	return Sniff(head[:n]), nil
}

// Image is an open image. Size is in bytes.
type Image struct {
	*os.File
	Size   int64
	Stored time.Time
}

// Read returns the bytes of an image of at most limit bytes. It returns ErrNotFound when there is none and ErrTooLong
// when it is longer.
func (s *Store) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	img, err := s.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = img.Close() }()
	if img.Size > limit {
		return nil, ErrTooLong
	}
	data := make([]byte, img.Size)
	if _, err := io.ReadFull(img, data); err != nil {
		return nil, fmt.Errorf("read image %s: %w", key, err)
	}
	return data, nil
}

// Delete removes the image. That none is there is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	_, file, err := s.path(key)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Not synced: an image that comes back after a power cut is deleted by the next sweep.
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete image %s: %w", key, err)
	}
	return nil
}

// Sweep deletes every image stored before olderThan, and what interrupted writes left, and returns how many files went.
// It goes on past what it cannot delete and then returns the first such error; it stops early when ctx ends. It reads one
// shard at a time, so its memory does not grow with the folder.
func (s *Store) Sweep(ctx context.Context, olderThan time.Time) (int, error) {
	shards, err := os.ReadDir(s.dir)
	if err != nil {
		return 0, fmt.Errorf("sweep images: %w", err)
	}
	var (
		gone  int
		first error
	)
	note := func(err error) {
		if first == nil && err != nil && !errors.Is(err, fs.ErrNotExist) {
			first = fmt.Errorf("sweep images: %w", err)
		}
	}
	for _, shard := range shards {
		if !shard.IsDir() {
			continue
		}
		files, err := os.ReadDir(filepath.Join(s.dir, shard.Name()))
		note(err)
		for _, file := range files {
			if err := ctx.Err(); err != nil {
				return gone, err
			}
			info, err := file.Info()
			if err != nil {
				note(err)
				continue
			}
			if !info.Mode().IsRegular() || !info.ModTime().Before(olderThan) {
				continue
			}
			if err := os.Remove(filepath.Join(s.dir, shard.Name(), file.Name())); err != nil {
				note(err)
				continue
			}
			gone++
		}
	}
	return gone, first
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}
