package blob_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"stablemate/internal/blob"
)

func TestMain(m *testing.M) {
	switch os.Getenv("BLOB_TEST_CHILD") {
	case "writer":
		writeForever()
	case "full":
		writeToFullDisk()
	default:
		os.Exit(m.Run())
	}
}

func open(t *testing.T) (*blob.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := blob.NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// files lists what the folder holds, at any depth.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWhatIsPutIsRead(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	key := "0b25cf11-6a5d-4b2c-9d0e-0f1f5f6a7b8c.webp"
	if _, err := s.Read(t.Context(), key, 100); !errors.Is(err, blob.ErrNotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the put: %v, want ErrNotFound", err)
	}
	for _, text := range []string{"first", "the second replaces the first", ""} {
		n, err := s.Put(t.Context(), key, strings.NewReader(text))
		if err != nil || n != int64(len(text)) {
			t.Fatalf("Put(%q) = %d, %v", text, n, err)
		}
		got, err := s.Read(t.Context(), key, 100)
		if err != nil || string(got) != text {
			t.Errorf("Read after Put(%q) = %q, %v", text, got, err)
		}
	}
	if err := s.PutBytes(t.Context(), key, make([]byte, 101)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), key, 100); !errors.Is(err, blob.ErrTooLong) {
		t.Errorf("Read of 101 bytes, at most 100: %v, want ErrTooLong", err)
	}

	again, err := blob.NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Read(t.Context(), key, 101); err != nil {
		t.Errorf("after opening the folder again: %v", err)
	}
	for range 2 {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("after the delete the folder holds %v", left)
	}
}

func TestKeysStayInTheFolder(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	for name, c := range map[string]struct {
		key string
		ok  bool
	}{
		"an image":                 {"0b25cf11-6a5d-4b2c-9d0e-0f1f5f6a7b8c.webp", true},
		"a source image":           {"0b25cf11-6a5d-4b2c-9d0e-0f1f5f6a7b8c_exra_src_1", true},
		"two dots inside":          {"a..b", true},
		"the longest":              {strings.Repeat("k", blob.MaxKeyLength), true},
		"nothing":                  {"", false},
		"the folder itself":        {".", false},
		"the folder above":         {"..", false},
		"a hidden file":            {".netrc", false},
		"a path up":                {"../../etc/passwd", false},
		"a path down":              {"a/b", false},
		"a path of another system": {`a\b`, false},
		"a NUL byte":               {"a\x00b", false},
		"a line break":             {"a\nb", false},
		"letters beyond ASCII":     {"äpfel", false},
		"too long":                 {strings.Repeat("k", blob.MaxKeyLength+1), false},
	} {
		err := s.PutBytes(t.Context(), c.key, []byte("x"))
		_, openErr := s.Read(t.Context(), c.key, 1)
		delErr := s.Delete(t.Context(), c.key)
		for _, err := range []error{err, openErr, delErr} {
			if c.ok && err != nil || !c.ok && !errors.Is(err, blob.ErrKey) {
				t.Errorf("%s: %q: %v, accepted should be %v", name, c.key, err, c.ok)
			}
		}
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("the folder holds %v", left)
	}
}

func TestABrokenPutLeavesWhatWasThere(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	if err := s.PutBytes(t.Context(), "k", []byte("old")); err != nil {
		t.Fatal(err)
	}
	torn := errors.New("the line went dead")
	_, err := s.Put(t.Context(), "k", io.MultiReader(strings.NewReader("ne"), iotest.ErrReader(torn)))
	if !errors.Is(err, torn) {
		t.Errorf("Put from a broken reader: %v, want %v", err, torn)
	}
	if got, err := s.Read(t.Context(), "k", 10); err != nil || string(got) != "old" {
		t.Errorf("afterwards Read = %q, %v, want old", got, err)
	}
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("the folder holds %v, want only k", left)
	}
}

func TestSweepTakesOnlyTheOld(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	cut := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	age := func(name string, at time.Time) {
		t.Helper()
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == name {
				return os.Chtimes(path, at, at)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		key := fmt.Sprintf("image-%d", i)
		if err := s.PutBytes(t.Context(), key, []byte("x")); err != nil {
			t.Fatal(err)
		}
		age(key, cut.Add(time.Duration(i-20)*time.Minute))
	}
	if err := os.WriteFile(filepath.Join(dir, "incoming", "half"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	age("half", cut.Add(-time.Minute))
	img, err := s.Open(t.Context(), "image-3")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = img.Close() }()

	gone, err := s.Sweep(t.Context(), cut)
	if err != nil || gone != 21 {
		t.Errorf("Sweep = %d, %v, want 20 images and one half-written file", gone, err)
	}
	for i := range 40 {
		_, err := s.Read(t.Context(), fmt.Sprintf("image-%d", i), 1)
		if there := err == nil; there != (i >= 20) {
			t.Errorf("image %d minutes from the cut is there: %v", i-20, there)
		}
	}
	if got, err := io.ReadAll(img); err != nil || string(got) != "x" {
		t.Errorf("an image opened before the sweep reads %q, %v", got, err)
	}
}

func TestManyWritersOfOneKey(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				if err := s.PutBytes(t.Context(), "k", bytes.Repeat([]byte{byte(i)}, 4096)); err != nil {
					t.Error(err)
				}
				got, err := s.Read(t.Context(), "k", 4096)
				if err != nil || len(got) != 4096 || bytes.Count(got, got[:1]) != 4096 {
					t.Errorf("read %d bytes that are not one write's, %v", len(got), err)
				}
			}
		})
	}
	wg.Wait()
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("the folder holds %v", left)
	}
}

// content is what the writing child stores under a key, so that the parent can tell whole from torn.
func content(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return bytes.Repeat(sum[:], 1000+int(sum[0])*8)
}

func writeForever() {
	s, err := blob.NewStore(os.Getenv("BLOB_TEST_DIR"))
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		key := os.Getenv("BLOB_TEST_ROUND") + "-" + strconv.Itoa(i)
		if err := s.PutBytes(context.Background(), key, content(key)); err != nil {
			panic(err)
		}
		if _, err := os.Stdout.WriteString(key + "\n"); err != nil { // the acknowledgement
			return
		}
	}
}

func TestAcknowledgedImagesSurviveAKill(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	acked := 0
	for round := range 10 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "BLOB_TEST_CHILD=writer", "BLOB_TEST_DIR="+dir, fmt.Sprintf("BLOB_TEST_ROUND=%d", round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop := 1 + rand.IntN(40) // how many acknowledgements to read before the kill
		var keys []string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			keys = append(keys, lines.Text())
			if len(keys) == stop {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		for _, key := range keys {
			got, err := s.Read(t.Context(), key, 1<<20)
			if err != nil || !bytes.Equal(got, content(key)) {
				t.Errorf("round %d: %s was acknowledged and reads %d bytes, %v", round, key, len(got), err)
			}
		}
		acked += len(keys)
	}
	// Whatever else has a name is whole as well.
	shards, err := filepath.Glob(filepath.Join(dir, "??", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range shards {
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, content(filepath.Base(path))) {
			t.Errorf("%s has a name and is torn: %d bytes, %v", filepath.Base(path), len(got), err)
		}
	}
	t.Logf("%d acknowledged, %d there", acked, len(shards))
}

// writeToFullDisk caps what this process may write to a file: to Put that looks like a disk that fills up half-way.
func writeToFullDisk() {
	s, err := blob.NewStore(os.Getenv("BLOB_TEST_DIR"))
	if err != nil {
		panic(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 10_000, Max: 10_000}); err != nil {
		panic(err)
	}
	err = s.PutBytes(context.Background(), "k", make([]byte, 50_000))
	fmt.Println(errors.Is(err, syscall.EFBIG), err)
}

func TestAFullDiskPassesThrough(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	if err := s.PutBytes(t.Context(), "k", []byte("old")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "BLOB_TEST_CHILD=full", "BLOB_TEST_DIR="+dir)
	out, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(out), "true") {
		t.Errorf("the child says %q, %v, want the system's own error", out, err)
	}
	if got, err := s.Read(t.Context(), "k", 10); err != nil || string(got) != "old" {
		t.Errorf("afterwards Read = %q, %v, want old", got, err)
	}
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("the folder holds %v, want only k", left)
	}
}
