// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import (
	"testing"
	"time"

	"stablemate/horde"
)

func TestWorkersOfThisProcessSayHowFarTheyAre(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	e := &Engine{opts: Options{Now: func() time.Time { return now }}}
	request, other := horde.RequestID{UUID: horde.UUID{1}}, horde.RequestID{UUID: horde.UUID{2}}
	first, second := horde.GenerationID{UUID: horde.UUID{3}}, horde.GenerationID{UUID: horde.UUID{4}}
	want := func(r horde.RequestID, done, total int) {
		t.Helper()
		if d, n := e.Steps(r); d != done || n != total {
			t.Errorf("Steps = %d of %d, want %d of %d", d, n, done, total)
		}
	}
	want(request, 0, 0)
	e.Drawing(request, first, 3, 20)
	e.Drawing(request, second, 30, 20)
	want(request, 23, 40)
	want(other, 0, 0)
	e.Drawing(request, second, 0, 0)
	want(request, 3, 20)
	now = now.Add(drawingLife + time.Second)
	want(request, 0, 0)
	for i := range maxDrawings + 10 {
		e.Drawing(other, horde.GenerationID{UUID: horde.UUID{9, byte(i), byte(i >> 8)}}, 1, 2)
	}
	if n := len(e.drawn.of); n > maxDrawings {
		t.Errorf("%d images are remembered, at most %d should be", n, maxDrawings)
	}
}
