// SPDX-License-Identifier: AGPL-3.0-or-later

package chat_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/commands/chat"
)

func TestATallyRemembersAMonth(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 23, 0, 0, 0, time.UTC)
	var tally chat.Tally
	for i := range 100 {
		tally.Add(start.AddDate(0, 0, i/2), 2, map[string]int{"common": 1, "model " + strconv.Itoa(i): 1})
	}
	end := start.AddDate(0, 0, 49)
	tally.Add(end.AddDate(0, 0, -5), 1, nil) // a clock that went back
	if tally.Requests != 101 || tally.Images != 201 || !tally.Since.Equal(start) {
		t.Errorf("the tally is %+v", tally)
	}
	if len(tally.Days) != chat.TallyDays || len(tally.Models) != chat.TallyModels || tally.Models["common"] != 100 {
		t.Errorf("it has %d days, %d models, %d of the common one", len(tally.Days), len(tally.Models), tally.Models["common"])
	}
	if diff := cmp.Diff(chat.TallyDay{Day: chat.DayOf(end), Requests: 61, Images: 121}, tally.Lately(end)); diff != "" {
		t.Error(diff)
	}
	if got := tally.Lately(end.AddDate(0, 0, 60)); got.Images != 0 {
		t.Errorf("two months later: %+v", got)
	}
}
