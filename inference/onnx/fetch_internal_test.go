package onnx

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// These tests look inside the package: the real sources are pinned, and a test needs its own.

func tarball(t *testing.T, members map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for name, content := range members {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// sources is a pretended npm and a pretended release server.
type sources struct {
	fetcher
	release
	log []string
}

func pretend(t *testing.T, npmContent, archiveContent string) *sources {
	t.Helper()
	packed := tarball(t, map[string]string{"package/package.json": "{}", "package/bin/lib.so": npmContent})
	archive := tarball(t, map[string]string{"ort/include/lib.so": "not this", "ort/lib/lib.so": archiveContent})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ort.tgz" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(archive)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	npm := filepath.Join(dir, "npm")
	if err := os.WriteFile(filepath.Join(dir, "packed.tgz"), packed, 0o644); err != nil {
		t.Fatal(err)
	}
	// A link, as a program that was just written may not be started while another test forks.
	script, err := filepath.Abs("testdata/npm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(script, npm); err != nil {
		t.Fatal(err)
	}
	return &sources{
		fetcher: fetcher{npm: npm, releases: server.URL + "/"},
		release: release{
			file: "lib.so", npmMember: "package/bin/lib.so", npmSHA256: sum([]byte("from npm")),
			archive: "ort.tgz", archiveSHA256: sum(archive), archiveMember: "lib.so", memberSHA256: sum([]byte("from the archive")),
		},
	}
}

func (s *sources) get(ctx context.Context, dir string) (string, error) {
	return s.fetch(ctx, s.release, dir, func(line string) { s.log = append(s.log, line) })
}

func TestFetch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(s *sources)
		npm    string
		want   string // content of the file
		refuse string // or a part of the error
	}{
		{name: "npm comes first", npm: "from npm", want: "from npm"},
		{name: "without npm the archive serves", npm: "from npm", change: func(s *sources) { s.npm = "/does/not/exist" }, want: "from the archive"},
		{name: "what npm gives is checked", npm: "tampered", want: "from the archive"},
		{name: "a package without the member", npm: "from npm", change: func(s *sources) { s.npmMember = "package/other" }, want: "from the archive"},
		{name: "the archive is checked", npm: "tampered", change: func(s *sources) { s.archiveSHA256 = sum(nil) }, refuse: "SHA-256"},
		{name: "the member is checked", npm: "tampered", change: func(s *sources) { s.memberSHA256 = sum(nil) }, refuse: "SHA-256"},
		{name: "no such archive", npm: "tampered", change: func(s *sources) { s.archive = "gone.tgz" }, refuse: "404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := pretend(t, c.npm, "from the archive")
			if c.change != nil {
				c.change(s)
			}
			dir := filepath.Join(t.TempDir(), "deep", "down")
			path, err := s.get(t.Context(), dir)
			if c.refuse != "" {
				if err == nil || !strings.Contains(err.Error(), c.refuse) {
					t.Errorf("error %v, want one with %q", err, c.refuse)
				}
			} else {
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := os.ReadFile(path); string(got) != c.want {
					t.Errorf("the file holds %q, want %q", got, c.want)
				}
			}
			left, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range left {
				if c.refuse != "" || e.Name() != "lib.so" {
					t.Errorf("%s is left behind", e.Name())
				}
			}
		})
	}
}

func TestFetchTwiceStaysHome(t *testing.T) {
	t.Parallel()
	s := pretend(t, "from npm", "from the archive")
	dir := t.TempDir()
	first, err := s.get(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	npm := s.npm
	s.npm, s.releases = "/does/not/exist", "http://127.0.0.1:1/"
	again, err := s.get(t.Context(), dir)
	if err != nil || again != first {
		t.Errorf("the second time gives %q, %v", again, err)
	}
	if err := os.WriteFile(first, []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.npm = npm
	if _, err := s.get(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(first); string(got) != "from npm" {
		t.Errorf("a damaged library is left as %q", got)
	}
	if all := strings.Join(s.log, "\n"); !strings.Contains(all, "damaged") {
		t.Errorf("nothing is said about the damage: %s", all)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := pretend(t, "from npm", "from the archive")
	s.npm = "testdata/npm-asleep"
	if path, err := filepath.Abs(s.npm); err == nil {
		s.npm = path
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := s.get(ctx, t.TempDir()); err == nil || time.Since(begin) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
}

func TestPinsAreComplete(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"linux-x64", "linux-arm64", "darwin-arm64"} {
		r, ok := releases(p)
		if !ok || len(r.npmSHA256) != 64 || len(r.archiveSHA256) != 64 || len(r.memberSHA256) != 64 || !strings.Contains(r.archive, Version) || !isLibraryOf(p, r.file) {
			t.Errorf("%s: %+v", p, r)
		}
	}
}

func isLibraryOf(platform, name string) bool {
	if strings.HasPrefix(platform, "darwin") {
		return strings.HasSuffix(name, ".dylib")
	}
	return isLibrary(name)
}
