// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stablemate/horde"
)

// TestThePublicSDK calls every method of the unmodified TypeScript SDK against a real server and a real worker.
// make setup installs the package.
func TestThePublicSDK(t *testing.T) {
	t.Parallel()
	entry, err := filepath.Abs("../../build/npm/node_modules/@zeldafan0225/ai_horde/index.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(entry); err != nil {
		t.Fatalf("the SDK is not there (make setup installs it): %v", err)
	}
	h := build(t, plan{sharing: true})
	_, key := h.account(t, "asker", 0, 1000)
	_, owner := h.account(t, "owner", 0, 0)
	h.account(t, "friend", 0, 0)
	_, admin := h.account(t, "admin", horde.RoleAdmin|horde.RoleModerator|horde.RoleTrusted, 0)
	h.start(t, owner, offer("dreamer", "tiny"), picture(t, 64))
	eventually(t, "the worker to check in", func() bool { _, ok := h.WorkerByName("dreamer"); return ok })

	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "testdata/sdk.mjs")
	node.Env = append(os.Environ(),
		"SDK="+entry, "ROUTE="+h.url+"/api/v2", "KEY="+key, "WORKER_KEY="+owner, "ADMIN_KEY="+admin, "FRIEND=friend#3", "IMAGE="+b64(picture(t, 64)),
		"NO_PROXY=127.0.0.1")
	out, err := node.CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "ok") {
		t.Errorf("the SDK ended with %v:\n%s", err, out[max(0, len(out)-2000):]) // before that it prints itself
	}
}
