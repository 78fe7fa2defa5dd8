// SPDX-License-Identifier: AGPL-3.0-or-later

// Package s3test gives tests an S3 service of their own: VersityGW, a server that keeps buckets in a folder. The first
// test of a process that asks starts it on a loopback address; each test gets an empty bucket. The server ends with the
// process, however that ends, and takes its folder along.
package s3test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 30 * time.Second
	attempts     = 5 // to find a free port that is still free when the server takes it

	// Region is the server's.
	Region = "us-east-1"
	// AccessKey names the account that may do everything.
	AccessKey = "stablemate-tests"
	// SecretKey belongs to AccessKey, and opens a server on loopback that lives for one test.
	SecretKey = "the tests' own secret key" //nolint:gosec // it keeps no secret
)

// program is where `make setup` puts the server, from the repository's root.
const program = "build/s3/versitygw"

// Bucket is an empty bucket that belongs to one test.
type Bucket struct {
	Endpoint string // http://127.0.0.1:port
	Name     string
}

// New makes a bucket. A machine without the server fails the test. It is safe for concurrent use.
func New(tb testing.TB) Bucket {
	tb.Helper()
	s, err := shared()
	if err != nil {
		tb.Fatalf("S3 for tests: %v", err)
	}
	name := "test-" + strconv.FormatInt(s.buckets.Add(1), 10)
	if err := os.Mkdir(filepath.Join(s.dir, "data", name), 0o700); err != nil { // the server's folders are its buckets
		tb.Fatalf("S3 for tests: %v", err)
	}
	return Bucket{Endpoint: s.endpoint, Name: name}
}

//nolint:gochecknoglobals // one server per process is the point; it is made once and never changes
var shared = sync.OnceValues(start)

type server struct {
	dir      string // holds data, metadata and log
	endpoint string
	leash    *os.File // the watcher ends the server when this closes, at the latest with our process
	buckets  atomic.Int64
}

// The watcher is a shell beside the server: it waits for our end of a pipe to close, be it by exit or by kill -9, then
// ends the server and removes the folder.
const watcher = `
dir="$1"; shift
"$@" &
server=$!
read -r _
kill -KILL $server
wait $server
cd / && rm -rf "$dir"
`

func start() (*server, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	var last error
	for range attempts {
		s, err := try(path)
		if err == nil {
			return s, nil
		}
		last = err
	}
	return nil, last
}

func try(path string) (*server, error) {
	dir, err := os.MkdirTemp("", "s3test-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	for _, sub := range []string{"data", "meta"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("make a folder: %w", err)
		}
	}
	address, err := free()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	held, leash, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer func() { _ = held.Close() }()
	// Metadata lies beside the files: not every folder for temporary files knows extended attributes.
	watch := exec.Command("/bin/sh", "-c", watcher, "s3test", dir, path, "--port", address, "--region", Region, "--quiet", //nolint:noctx,gosec // its program is our own; it outlives every context
		"posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "data"))
	watch.Dir, watch.Stdin, watch.Stdout, watch.Stderr = dir, held, log, log
	watch.Env = []string{"ROOT_ACCESS_KEY=" + AccessKey, "ROOT_SECRET_KEY=" + SecretKey, "PATH=" + os.Getenv("PATH")}
	watch.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the test; the watcher follows in its own time
	if err := watch.Start(); err != nil {
		_ = leash.Close()
		return nil, fmt.Errorf("start the server: %w", err)
	}
	s := &server{dir: dir, endpoint: "http://" + address, leash: leash}
	if err := s.ready(); err != nil {
		said, _ := os.ReadFile(log.Name())
		_ = leash.Close()
		_ = watch.Wait()
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(said))
	}
	return s, nil
}

// ready waits until the server refuses an unsigned call as S3 does.
func (s *server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.endpoint+"/", nil)
		if err != nil {
			return fmt.Errorf("ask the server: %w", err)
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusForbidden {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready after %v", startTimeout)
		case <-tick.C:
		}
	}
}

// free finds a port that nobody uses.
func free() (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	address := l.Addr().String()
	return address, l.Close()
}

// find looks for the server from here up to the root of the repository.
func find() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("look for the server: %w", err)
	}
	for {
		path := filepath.Join(dir, filepath.FromSlash(program))
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		up := filepath.Dir(dir)
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || up == dir {
			return "", errors.New("its server is not built; run: make setup")
		}
		dir = up
	}
}
