// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"encoding/json"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/internal/config"
)

func TestANoticeFitsAWebhookOfDiscord(t *testing.T) {
	t.Parallel()
	a := &assembly{core: &core{cfg: config.Default()}}
	text, err := json.Marshal(a.noticeHook(horde.Notice{
		ID: 7, At: time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC), Topic: horde.NoticeWorkerPaused, User: 5, Text: "@everyone: look",
	}))
	const want = `{"username":"Stablemate","content":"@everyone: look","allowed_mentions":{"parse":[]},"topic":"worker_paused","user_id":5,` +
		`"at":"2026-11-22T01:02:03Z"}`
	if err != nil || string(text) != want {
		t.Errorf("a notice is sent as %s, %v, want %s", text, err, want)
	}
	if got := plain("a\x1b[31m \"ö\"\n"); got != `a·[31m "ö"·` {
		t.Errorf("a terminal gets %s", got)
	}
}
