// SPDX-License-Identifier: AGPL-3.0-or-later

package chat_test

import (
	"strconv"
	"testing"
	"time"

	"stablemate/commands/chat"
)

func TestStrikesAreForgottenAfterAMonth(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	var s chat.Strikes
	for i, want := range []int{1, 2, 3} {
		if n := s.Add(now.Add(time.Duration(i) * 24 * time.Hour)); n != want {
			t.Errorf("strike %d counts as %d", i+1, n)
		}
	}
	later := now.Add(chat.StrikeLife + 12*time.Hour) // after the first
	if n := s.Live(later); n != 2 {
		t.Errorf("%d are left, want 2", n)
	}
	if n := s.Add(later); n != 3 {
		t.Errorf("the next counts as %d, want 3", n)
	}
	for range 50 {
		s.Add(later)
	}
	if n := len(s.At); n > 10 {
		t.Errorf("%d are remembered", n)
	}
	for n, want := range map[int]struct {
		span   time.Duration
		review bool
	}{1: {0, false}, 2: {time.Hour, false}, 3: {24 * time.Hour, false}, 4: {0, true}, 9: {0, true}} {
		if span, review := chat.StrikePause(n); span != want.span || review != want.review {
			t.Errorf("StrikePause(%d) = %s, %t", n, span, review)
		}
	}
}

func TestAStormNeedsDifferentPeople(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	var s chat.Storm
	for range 20 {
		if s.Add("1", now) {
			t.Fatal("one person makes a storm")
		}
	}
	for i := 2; i <= 12; i++ {
		worse := s.Add(strconv.Itoa(i), now)
		if want := i == chat.StormSmall || i == chat.StormGreat; worse != want {
			t.Errorf("person %d: worse = %t", i, worse)
		}
	}
	if got := s.At(now.Add(chat.StormSpan - time.Second)); got != chat.StormImages {
		t.Errorf("level %d", got)
	}
	if got := s.At(now.Add(chat.StormSpan)); got != chat.StormNone {
		t.Errorf("level %d a day later", got)
	}
	if s.Add("1", now.Add(2*chat.StormSpan)) || len(s.People) != 1 {
		t.Errorf("those of yesterday count: %v", s.People)
	}
	for i := range 1000 {
		s.Add(strconv.Itoa(i), now.Add(2*chat.StormSpan))
	}
	if len(s.People) > 50 {
		t.Errorf("%d people are remembered", len(s.People))
	}
}
