// SPDX-License-Identifier: AGPL-3.0-or-later

package storetest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/internal/store"
)

// childVariable tells a test binary that it is a child process, and what to do.
const childVariable = "STABLEMATE_STORETEST_CHILD"

// childSpec is what a child process is told.
type childSpec struct {
	Engine  string `json:"engine"`
	Path    string `json:"path"`
	URL     string `json:"url"`
	Seed    uint64 `json:"seed"`
	Batches int    `json:"batches"` // how many to commit; then it waits to be killed
}

// Child does the work of a child process that Run started, and reports whether this process is one. TestMain calls it
// first and returns at once when it is true.
func Child() bool {
	text := os.Getenv(childVariable)
	if text == "" {
		return false
	}
	if err := child(context.Background(), text, os.Stdin, os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// child leads a store and commits a world's batches, telling the last event's number after each acknowledgement.
func child(ctx context.Context, text string, in io.Reader, out io.Writer) error {
	var spec childSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return err
	}
	s, err := store.Open(ctx, store.Options{Engine: spec.Engine, Path: spec.Path, URL: spec.URL})
	if err != nil {
		return err
	}
	term, _, err := s.Lead(ctx)
	if err != nil {
		return err
	}
	w, err := NewWorld(spec.Seed)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "leads"); err != nil {
		return err
	}
	for range spec.Batches {
		b, err := w.Live(1 + w.rng.IntN(30))
		if err != nil {
			return err
		}
		term.Seq++
		if err := s.Commit(ctx, term, b); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, w.Rows.LastEvent()); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, in) // until killed, or the parent is gone
	runtime.KeepAlive(s)             // else its lock may be collected as garbage meanwhile, and so be given up
	return err
}

// start runs this test binary as a child.
func start(t *testing.T, opts store.Options, seed uint64, batches int) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	text, err := json.Marshal(childSpec{Engine: opts.Engine, Path: opts.Path, URL: opts.URL, Seed: seed, Batches: batches})
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self) //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // it closes with this process, and the child ends
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed, as it says
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "leads" {
		t.Fatalf("the child said %q, want that it leads", lines.Text())
	}
	return cmd, lines
}

// lead waits until the store can be led, as a standby does after the leader died.
func lead(t *testing.T, s *store.Store) horde.Term {
	t.Helper()
	limited, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for {
		term, _, err := s.Lead(t.Context())
		if err == nil {
			return term
		}
		select {
		case <-again.C:
		case <-limited.Done():
		}
		if !errors.Is(err, horde.ErrLed) || limited.Err() != nil {
			t.Fatal(err)
		}
	}
}

func testSecondProcess(t *testing.T, opts store.Options) {
	t.Helper()
	cmd, _ := start(t, opts, 1, 0)
	s := Open(t, opts)
	if _, _, err := s.Lead(t.Context()); !errors.Is(err, horde.ErrLed) {
		t.Fatalf("Lead beside another process = %v, want %v", err, horde.ErrLed)
	}
	// Reading and what is beside the core work all the same.
	if _, err := s.Load(t.Context(), time.Time{}); err != nil {
		t.Error(err)
	}
	if err := s.SetSetting(t.Context(), "beside", []byte("yes")); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if term := lead(t, s); term.Epoch != 2 {
		t.Errorf("after the first leader comes epoch %d, want 2", term.Epoch)
	}
}

// kills is how many processes are killed, each with a store and a life of its own.
const kills = 4

func testKill(t *testing.T, opts store.Options, seed uint64) {
	t.Helper()
	const batches = 100_000               // more than it gets done
	rng := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // decides when to kill
	cmd, lines := start(t, opts, seed, batches)
	acknowledged := int64(0)
	read := func() bool {
		if !lines.Scan() {
			return false
		}
		n, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			t.Fatalf("the child said %q", lines.Text())
		}
		acknowledged = n
		return true
	}
	for range 20 + rng.IntN(200) {
		if !read() {
			t.Fatal("the child ended by itself")
		}
	}
	time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond) // somewhere in a commit
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for read() { // what it said before it died counts as acknowledged
	}

	s := Open(t, opts)
	term := lead(t, s)
	snap, err := s.Load(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if snap.LastEvent < acknowledged {
		t.Errorf("event %d was acknowledged, the store ends with %d", acknowledged, snap.LastEvent)
	}
	// Live the same life again up to there: the store must hold exactly what it held after one of the batches.
	w, err := NewWorld(seed)
	if err != nil {
		t.Fatal(err)
	}
	diff := "it ends between two batches"
	for w.Rows.LastEvent() <= snap.LastEvent {
		if w.Rows.LastEvent() == snap.LastEvent {
			if diff = Diff(w.Rows.Snapshot(time.Time{}), snap); diff == "" {
				break
			}
		}
		live(t, w, 1+w.rng.IntN(30))
	}
	if diff != "" {
		t.Fatalf("the store does not hold a prefix of what was committed (-want +got):\n%s", diff)
	}
	if r := audited(t, s); !r.OK() {
		t.Errorf("the audit after the kill found %+v", r)
	}
	commit(t, s, &term, live(t, w, 10)) // and life goes on
	same(t, s, w.Rows, time.Time{})
}
