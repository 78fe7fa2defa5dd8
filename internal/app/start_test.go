// SPDX-License-Identifier: AGPL-3.0-or-later

package app_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

func TestASecondProcessOnTheSameDataIsTurnedAway(t *testing.T) {
	t.Parallel()
	first := startServer(t, "")
	second := exec.Command(compiled(t, "server"), "run", "--config", first.config)
	var said bytes.Buffer
	second.Stdout, second.Stderr = &said, &said
	err := second.Run()
	if second.ProcessState.ExitCode() != 1 || strings.Contains(said.String(), "panic") || !strings.Contains(said.String(), "another process leads this store") {
		t.Errorf("the second process ends with %v and says:\n%s", err, said.String())
	}
}
