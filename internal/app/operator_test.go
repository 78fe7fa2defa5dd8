// SPDX-License-Identifier: AGPL-3.0-or-later

package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stablemate/internal/app"
	"stablemate/internal/config"
)

// configAt writes a configuration without a pool, whose data folder has the given name.
func configAt(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	data, err := json.Marshal(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "config.toml")
	text := fmt.Sprintf("[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = %s\n[pool]\nenabled = false\n", data)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOperatorsCommands(t *testing.T) {
	t.Parallel()
	path := configAt(t, "data")
	for _, tc := range []struct {
		what string
		args []string
		code int
		says string
	}{
		{"no account named", []string{"set"}, 1, "not the number of an account"},
		{"no name for the new one", []string{"add"}, 1, "needs a name"},
		{"a name of two words", []string{"add", "Big", "Name", "--kudos", "5"}, 2, "usage"},
		{"options behind the name", []string{"add", "--kudos", "5", "ann", "--role", "trusted"}, 2, "usage"},
		{"an account", []string{"add", "ann", "--kudos", "5", "--role", "trusted"}, 0, "ann#1"},
		{"a refusal after the account was opened", []string{"add", "bob", "--concurrency", "501"}, 1, "shown this once"},
		{"all", []string{"list"}, 0, "bob#2"},
		{"nobody to delete", []string{"delete", "99"}, 1, "there is no account 99"},
		{"everybody's account", []string{"delete", "0"}, 1, "cannot"},
		{"somebody to delete", []string{"delete", "bob#2"}, 0, "deleted"},
		{"the same again, too early", []string{"delete", "2"}, 1, "cannot be wiped yet"},
	} {
		var out bytes.Buffer
		args := append([]string{"user"}, tc.args...)
		if tc.code != 2 {
			args = append(args, "--config", path)
		}
		if code := app.Main(app.Server, args, &out, &out); code != tc.code || !strings.Contains(out.String(), tc.says) {
			t.Errorf("%s: exit %d, want %d saying %q:\n%s", tc.what, code, tc.code, tc.says, &out)
		}
	}
}

// A socket's address holds about a hundred bytes; the name of a folder may be longer.
func TestOperatorsReachAHordeInADeepFolder(t *testing.T) {
	t.Parallel()
	path := configAt(t, strings.Repeat("deep/", 30))
	cfg, err := config.Load(path, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1) // one run, one end
	go func() { ended <- app.Run(ctx, app.Server, cfg, io.Discard, io.Discard) }()
	var out bytes.Buffer
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		out.Reset()
		if _, err := os.Stat(filepath.Join(cfg.Server.DataDir, "control.sock")); err == nil &&
			app.Main(app.Server, []string{"user", "list", "--config", path}, &out, &out) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("the horde does not answer its operator: %s", &out)
			break
		}
	}
	if !strings.Contains(out.String(), "Anonymous#0") {
		t.Errorf("listed %s", &out)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the horde ended with %v", err)
	}
}
