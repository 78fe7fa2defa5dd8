// SPDX-License-Identifier: AGPL-3.0-or-later

package inference_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stablemate/inference"
	"stablemate/inference/inferencetest"
)

func params(prompt string) inference.Params {
	return inference.Params{Prompt: prompt, Width: 64, Height: 64, Steps: 6, Sampler: "k_euler"}
}

// draw asks for pictures and returns them.
func draw(ctx context.Context, s *inference.Supervisor, f inference.Folder, prompt string, seeds ...uint32) ([]inference.Picture, error) {
	var out []inference.Picture
	err := s.Generate(ctx, f, params(prompt), seeds, func(i int, pic inference.Picture) error {
		if i != len(out) {
			return errors.New("out of order")
		}
		out = append(out, pic)
		return nil
	}, nil)
	return out, err
}

// wantColour checks that a picture is what the test's model draws for a seed; WebP may round.
func wantColour(t *testing.T, data []byte, want color.RGBA) {
	t.Helper()
	img, err := inference.DecodeWebP(data)
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); size.X != 64 || size.Y != 64 {
		t.Errorf("the picture is %v, want 64×64", size)
	}
	r, g, b, _ := img.At(30, 30).RGBA()
	for i, c := range []struct{ have, want int }{{int(r >> 8), int(want.R)}, {int(g >> 8), int(want.G)}, {int(b >> 8), int(want.B)}} {
		if d := c.have - c.want; d < -6 || d > 6 {
			t.Errorf("channel %d is %d, want %d", i, c.have, c.want)
		}
	}
}

// mustDraw checks that the runner works.
func mustDraw(t *testing.T, s *inference.Supervisor, f inference.Folder) {
	t.Helper()
	pics, err := draw(t.Context(), s, f, "apple", 5)
	if err != nil || len(pics) != 1 {
		t.Fatalf("Generate = %d pictures, %v", len(pics), err)
	}
	wantColour(t, pics[0].WebP, inferencetest.Colour(5))
}

func TestRunnerDrawsOnePicturePerSeed(t *testing.T) {
	t.Parallel()
	s, f := supervise(t, nil), inferencetest.Folder(t, "toy")
	pics, err := draw(t.Context(), s, f, "apple", 1, 2, 4294967295)
	if err != nil || len(pics) != 3 {
		t.Fatalf("Generate = %d pictures, %v, want 3", len(pics), err)
	}
	for i, seed := range []uint32{1, 2, 4294967295} {
		if pics[i].Seed != seed || pics[i].Timing.UNetRuns != 6 || pics[i].Timing.Total <= 0 {
			t.Errorf("picture %d: seed %d, timing %+v", i, pics[i].Seed, pics[i].Timing)
		}
		wantColour(t, pics[i].WebP, inferencetest.Colour(seed))
	}
	st := s.Status()
	if st.Starts != 1 || st.PID == 0 || len(st.Loaded) != 1 || st.Loaded[0] != f.Dir || st.Memory.Resident == 0 {
		t.Errorf("Status() = %+v", st)
	}
}

func TestCallsShareARunner(t *testing.T) {
	t.Parallel()
	s, f := supervise(t, nil), inferencetest.Folder(t, "toy")
	var all sync.WaitGroup
	for seed := range uint32(12) {
		all.Go(func() {
			pics, err := draw(t.Context(), s, f, "slow apple", seed, seed+100)
			if err != nil || len(pics) != 2 {
				t.Errorf("seed %d: %d pictures, %v", seed, len(pics), err)
				return
			}
			wantColour(t, pics[1].WebP, inferencetest.Colour(seed+100))
		})
	}
	all.Wait()
	if st := s.Status(); st.Starts != 1 {
		t.Errorf("%d processes for it, want 1", st.Starts)
	}
}

func TestWhatGoesWrongCostsOneCall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prompt string
		want   error
		starts int // processes after the next picture
	}{
		"a runner that crashes is replaced":                    {inferencetest.Crash, inference.ErrRunnerGone, 2},
		"a runner that is silent for too long is replaced":     {inferencetest.Stuck, inference.ErrStuck, 2},
		"a runner that leaves the protocol is replaced":        {inferencetest.Garble, inference.ErrRunnerGone, 2},
		"an error of the model leaves the runner as it is":     {inferencetest.Fail, nil, 1},
		"a model that draws nothing wrong keeps its runner":    {"apple", nil, 1},
		"a prompt larger than a frame never leaves this house": {strings.Repeat("<", 1<<20), nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := supervise(t, func(o *inference.SupervisorOptions) { o.StepLimit = time.Second })
			f := inferencetest.Folder(t, "toy")
			_, err := draw(t.Context(), s, f, c.prompt, 1)
			var said *inference.RunnerError
			switch {
			case c.want != nil && !errors.Is(err, c.want):
				t.Errorf("Generate = %v, want %v", err, c.want)
			case c.prompt == inferencetest.Fail && !errors.As(err, &said):
				t.Errorf("Generate = %v, want what the model said", err)
			case c.prompt == "apple" && err != nil:
				t.Error(err)
			}
			mustDraw(t, s, f)
			if st := s.Status(); st.Starts != c.starts {
				t.Errorf("%d processes, want %d; the last went by %v", st.Starts, c.starts, st.Last)
			}
		})
	}
}

func TestKilledRunnerIsReplaced(t *testing.T) {
	t.Parallel()
	s, f := supervise(t, nil), inferencetest.Folder(t, "toy")
	mustDraw(t, s, f)
	failed := make(chan error, 1) // holds the one answer
	go func() {
		_, err := draw(context.Background(), s, f, "slow "+strings.Repeat("x", 10), make([]uint32, 20)...)
		failed <- err
	}()
	time.Sleep(50 * time.Millisecond) // into the drawing
	if err := syscall.Kill(s.Status().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, inference.ErrRunnerGone) {
		t.Errorf("Generate = %v, want %v", err, inference.ErrRunnerGone)
	}
	mustDraw(t, s, f)
}

func TestCancelKeepsTheRunnerUnlessItIsDeaf(t *testing.T) {
	t.Parallel()
	s := supervise(t, func(o *inference.SupervisorOptions) { o.CancelLimit = 300 * time.Millisecond })
	f := inferencetest.Folder(t, "toy")
	mustDraw(t, s, f)
	for i, prompt := range []string{inferencetest.Slow, inferencetest.Stubborn} {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
		_, err := draw(ctx, s, f, prompt, 1, 2, 3, 4, 5, 6, 7, 8)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: Generate = %v, want the context's error", prompt, err)
		}
		mustDraw(t, s, f)
		if st := s.Status(); st.Starts != i+1 {
			t.Errorf("%s: %d processes, want %d", prompt, st.Starts, i+1)
		}
	}
}

func TestCallerMayEndACall(t *testing.T) {
	t.Parallel()
	s, f := supervise(t, nil), inferencetest.Folder(t, "toy")
	enough := errors.New("enough")
	got, beats := 0, 0
	err := s.Generate(t.Context(), f, params("slow"), []uint32{1, 2, 3, 4}, func(int, inference.Picture) error {
		if got++; got == 2 {
			return enough
		}
		return nil
	}, func(i, step, total int) {
		beats++
		if i < got || i > 3 || step < 0 || step > total {
			t.Errorf("step %d of %d of picture %d, when %d are drawn", step, total, i, got)
		}
	})
	if !errors.Is(err, enough) || got != 2 || beats == 0 {
		t.Errorf("Generate = %v after %d pictures and %d signs of steps, want %v after 2 and some", err, got, beats, enough)
	}
	mustDraw(t, s, f)
}

func TestModelsThatCannotBeLoaded(t *testing.T) {
	t.Parallel()
	s := supervise(t, nil)
	var said *inference.RunnerError
	if err := s.Load(t.Context(), inferencetest.Folder(t, "broken")); !errors.As(err, &said) {
		t.Errorf("Load of a broken model = %v, want what the runner said", err)
	}
	if err := s.Load(t.Context(), inferencetest.Folder(t, "deadly")); !errors.Is(err, inference.ErrRunnerGone) {
		t.Errorf("Load of a deadly model = %v, want %v", err, inference.ErrRunnerGone)
	}
	mustDraw(t, s, inferencetest.Folder(t, "toy"))
}

func TestRunnerHoldsWhatFitsTheBudget(t *testing.T) {
	t.Parallel()
	var folders []inference.Folder
	for _, name := range []string{"first", "second", "third"} {
		f := inferencetest.Folder(t, name)
		f.Bytes = 100
		folders = append(folders, f)
	}
	s := supervise(t, func(o *inference.SupervisorOptions) { o.MemoryBudget = 250 })
	for range 2 {
		for _, f := range folders {
			mustDraw(t, s, f)
		}
	}
	held := s.Status().Loaded
	if len(held) != 2 {
		t.Errorf("it holds %v, want two", held)
	}
	for _, dir := range held {
		if filepath.Base(dir) == "first" {
			t.Error("it holds the model that was not used for longest")
		}
	}
	huge := inferencetest.Folder(t, "huge")
	huge.Bytes = 1000
	mustDraw(t, s, huge)
	if held := s.Status().Loaded; len(held) != 1 || held[0] != huge.Dir {
		t.Errorf("it holds %v beside a model larger than the budget", held)
	}
}

func TestManyModelsAtOnceWithinTheBudget(t *testing.T) {
	t.Parallel()
	s := supervise(t, func(o *inference.SupervisorOptions) { o.MemoryBudget = 150 })
	var all sync.WaitGroup
	for _, name := range []string{"one", "two", "three", "four"} {
		f := inferencetest.Folder(t, name)
		f.Bytes = 100
		all.Go(func() {
			for range 3 {
				if _, err := draw(t.Context(), s, f, "slow", 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestSafetyCheckTellsScores(t *testing.T) {
	t.Parallel()
	s, f, safety := supervise(t, nil), inferencetest.Folder(t, "toy"), inferencetest.SafetyFile(t, "safety.onnx")
	for prompt, unsafe := range map[string]bool{"apple": false, inferencetest.Nude: true} {
		pics, err := draw(t.Context(), s, f, prompt, 3)
		if err != nil {
			t.Fatal(err)
		}
		scores, err := s.Check(t.Context(), safety, pics[0].WebP)
		if err != nil || scores.Unsafe() != unsafe {
			t.Errorf("Check(%s) = %v, %v; unsafe %v, want %v", prompt, scores, err, scores.Unsafe(), unsafe)
		}
	}
	for name, data := range map[string][]byte{"nothing": nil, "no picture": []byte("RIFF....WEBPVP8 "), "another format": []byte("\x89PNG\r\n\x1a\n")} {
		if _, err := s.Check(t.Context(), safety, data); err == nil {
			t.Errorf("Check of %s gave no error", name)
		}
	}
	if _, err := s.Check(t.Context(), filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Error("Check without a network gave no error")
	}
}

func TestProgramThatIsNoRunner(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{
		"does not exist":        {filepath.Join(t.TempDir(), "none")},
		"ends at once":          {"/bin/true"},
		"says something else":   {"/bin/echo", "usage: something else entirely"},
		"says nothing":          {"/bin/sleep", "60"},
		"swallows its input":    {"/bin/sh", "-c", "exec cat >/dev/null"},
		"repeats what it hears": {"/bin/cat"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := supervise(t, func(o *inference.SupervisorOptions) {
				o.Command, o.HelloLimit, o.RestartFirst, o.RestartMost = command, 100*time.Millisecond, time.Millisecond, 5*time.Millisecond
			})
			ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
			defer cancel()
			if err := s.Load(ctx, inferencetest.Folder(t, "toy")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Load = %v, want the context's error", err)
			}
			eventually(t, "Status says what went wrong", func() bool { return s.Status().Last != nil })
		})
	}
}

// A parent that dies leaves no runner behind.
func TestKilledParentLeavesNoOrphan(t *testing.T) {
	t.Parallel()
	parent := exec.CommandContext(t.Context(), os.Args[0], parentArgument)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the runner is not there: %v", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // says that it was killed
	eventually(t, "the runner ends", func() bool {
		state, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		return err != nil || bytes.Contains(state, []byte(") Z ")) // nobody may be there to bury it
	})
}
