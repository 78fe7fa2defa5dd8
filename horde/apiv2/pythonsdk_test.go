// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPythonSDK runs the unmodified Python SDK against a real server, as two people and as their worker.
// make setup installs the package.
func TestPythonSDK(t *testing.T) {
	t.Parallel()
	runPython(t, "horde_sdk.py")
}

// TestPythonSDKTextAndAlchemy does the same with texts and alchemy.
func TestPythonSDKTextAndAlchemy(t *testing.T) {
	t.Parallel()
	runPython(t, "horde_sdk_text.py")
}

func runPython(t *testing.T, name string) {
	t.Helper()
	python, err := filepath.Abs("../../build/pip/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("the SDK is not there (make setup installs it): %v", err)
	}
	script, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	h := build(t, plan{})
	_, key := h.account(t, "asker", 0, 1000)
	_, owner := h.account(t, "owner", 0, 0)
	h.account(t, "friend", 0, 0)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, python, "-I", script)           // -I: modules come from the environment alone
	run.Dir = t.TempDir()                                           // the SDK reads a .env file where it starts
	run.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { // the SDK obeys many
		return strings.HasPrefix(v, "AI_HORDE_") || strings.HasPrefix(v, "HORDE_") || strings.HasPrefix(v, "TESTS_ONGOING=")
	})
	run.Env = append(run.Env, "AI_HORDE_URL="+h.url+"/api/", "AIWORKER_CACHE_HOME="+run.Dir, "LOGURU_LEVEL=WARNING",
		"KEY="+key, "WORKER_KEY="+owner, "FRIEND=friend#3", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	out, err := run.CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "ok") {
		t.Errorf("the SDK ended with %v:\n%s", err, out[max(0, len(out)-4000):])
	}
}
