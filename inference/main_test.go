// SPDX-License-Identifier: AGPL-3.0-or-later

package inference_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"stablemate/inference"
	"stablemate/inference/inferencetest"
)

// parentArgument makes the test binary a parent with a runner, for the test that kills it.
const parentArgument = "stablemate-test-parent"

func TestMain(m *testing.M) {
	switch {
	case inferencetest.RunChild(time.Now):
	case len(os.Args) == 2 && os.Args[1] == parentArgument:
		runParent()
	default:
		goleak.VerifyTestMain(m)
	}
}

// runParent starts a runner, prints its process ID and waits to be killed.
func runParent() {
	s, err := inference.NewSupervisor(inference.SupervisorOptions{Command: inferencetest.Command(), Now: time.Now, Log: zerolog.Nop()})
	if err != nil {
		panic(err)
	}
	go func() { _ = s.Run(context.Background()) }()
	for s.Status().PID == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println(s.Status().PID)
	select {}
}

// eventually polls until ok, for as long as a busy machine may need.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// supervise runs a supervisor until the test ends.
func supervise(t *testing.T, change func(*inference.SupervisorOptions)) *inference.Supervisor {
	t.Helper()
	o := inference.SupervisorOptions{Name: t.Name(), Command: inferencetest.Command(), Now: time.Now, Log: zerolog.Nop()}
	if change != nil {
		change(&o)
	}
	s, err := inference.NewSupervisor(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1) // holds Run's only answer
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if err := s.Load(context.Background(), inference.Folder{Dir: "x"}); !errors.Is(err, inference.ErrStopped) {
			t.Errorf("Load after Run = %v, want %v", err, inference.ErrStopped)
		}
	})
	return s
}
