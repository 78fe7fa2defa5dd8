// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestErasingTakesAllOfSomebodysWords(t *testing.T) {
	t.Parallel()
	shared := &fine{QR: "secret", ClipSkip: 2}
	p := params{
		Prompt: "secret", Negative: "secret", Alts: map[int]string{1: "secret"}, Text: &textAsk{SoFar: "secret"}, Fine: shared, Model: "kept",
	}
	if !p.erase() || p.erase() {
		t.Error("it is erased once")
	}
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if said := string(data); strings.Contains(said, "secret") || !strings.Contains(said, "kept") {
		t.Errorf("left: %s", said)
	}
	if shared.QR == "" {
		t.Error("what others have was changed")
	}
}
