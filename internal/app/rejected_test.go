// SPDX-License-Identifier: AGPL-3.0-or-later

package app_test

import (
	"bytes"
	"strings"
	"testing"

	"stablemate/internal/app"
)

func TestOperatorsReadRefusedPrompts(t *testing.T) {
	t.Parallel()
	path := configAt(t, "data")
	var out bytes.Buffer
	if code := app.Main(app.Server, []string{"rejected", "--config", path}, &out, &out); code != 0 || !strings.Contains(out.String(), "prompt") {
		t.Errorf("exit %d:\n%s", code, &out)
	}
	out.Reset()
	if code := app.Main(app.Server, []string{"notices", "--config", path}, &out, &out); code != 0 || !strings.Contains(out.String(), "what") {
		t.Errorf("notices: exit %d:\n%s", code, &out)
	}
	if code := app.Main(app.Server, []string{"rejected", "word"}, &out, &out); code != 2 {
		t.Errorf("a second word: exit %d", code)
	}
}
