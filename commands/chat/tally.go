// SPDX-License-Identifier: AGPL-3.0-or-later

package chat

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Bounds of a tally.
const (
	TallyDays   = 30 // days that are counted one by one, in UTC
	TallyModels = 50 // models counted by name: the most used ones
)

// Tally counts what the chat door made for a person, or for everybody in a guild.
type Tally struct {
	Since    time.Time        `json:"since"`
	Requests int64            `json:"requests"`
	Images   int64            `json:"images"`
	Days     []TallyDay       `json:"days,omitempty"` // oldest first; days without images are left out
	Models   map[string]int64 `json:"models,omitempty"`
}

// TallyDay is one day of a Tally.
type TallyDay struct {
	Day      int64 `json:"day"` // since 1970
	Requests int64 `json:"requests"`
	Images   int64 `json:"images"`
}

// DayOf numbers the days since 1970, in UTC.
func DayOf(t time.Time) int64 { return t.Unix() / int64(24*time.Hour/time.Second) }

// Add counts one request that made some images at a time, and how many of them with which model.
func (t *Tally) Add(at time.Time, images int, models map[string]int) {
	if t.Since.IsZero() {
		t.Since = at
	}
	t.Requests++
	t.Images += int64(images)
	day := DayOf(at)
	if n := len(t.Days); n > 0 && t.Days[n-1].Day >= day { // a clock that went back goes on in the later day
		t.Days[n-1].Requests++
		t.Days[n-1].Images += int64(images)
	} else {
		t.Days = append(t.Days, TallyDay{Day: day, Requests: 1, Images: int64(images)})
	}
	t.Days = slices.DeleteFunc(t.Days, func(d TallyDay) bool { return d.Day <= day-TallyDays })
	for name, n := range models {
		if t.Models == nil {
			t.Models = make(map[string]int64)
		}
		t.Models[name] += int64(n)
	}
	if len(t.Models) > TallyModels {
		names := slices.SortedFunc(maps.Keys(t.Models), func(a, b string) int {
			return cmp.Or(cmp.Compare(t.Models[b], t.Models[a]), cmp.Compare(a, b))
		})
		for _, name := range names[TallyModels:] {
			delete(t.Models, name)
		}
	}
}

// Lately adds up the days that are counted one by one.
func (t *Tally) Lately(now time.Time) TallyDay {
	sum := TallyDay{Day: DayOf(now)}
	for _, d := range t.Days {
		if d.Day > sum.Day-TallyDays {
			sum.Requests += d.Requests
			sum.Images += d.Images
		}
	}
	return sum
}
