// SPDX-License-Identifier: AGPL-3.0-or-later

package chat_test

import (
	"encoding/json"
	"testing"

	"stablemate/commands/chat"
)

func TestRulesOfEarlierTimesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]chat.SourceRule{
		`{}`: "", `{"sources": null}`: "", `{"sources": true}`: chat.SourcesOn, `{"sources": false}`: chat.SourcesOff,
		`{"sources": "linked"}`: chat.SourcesLinked, `{"sources": ""}`: "",
	} {
		var r chat.Rules
		if err := json.Unmarshal([]byte(text), &r); err != nil || r.Sources != want {
			t.Errorf("%s is %q, %v, want %q", text, r.Sources, err, want)
		}
	}
	if err := json.Unmarshal([]byte(`{"sources": 3}`), new(chat.Rules)); err == nil {
		t.Error("a number is taken for a rule")
	}
}
