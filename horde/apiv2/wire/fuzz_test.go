// SPDX-License-Identifier: AGPL-3.0-or-later

package wire_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"testing"

	"stablemate/horde/apiv2/wire"
)

// A number is printed so that it reads as the same number, always with a fraction.
func FuzzFloat(f *testing.F) {
	for _, seed := range []float64{0, math.Copysign(0, -1), 1, -1.5, 10, 1e-7, 1e-6, 123456789.25, 1e21, 1e300, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(-1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, n float64) {
		text, err := json.Marshal(wire.Float(n))
		if err != nil {
			t.Fatalf("%v cannot be printed: %v", n, err)
		}
		back, err := strconv.ParseFloat(string(text), 64)
		want := n
		if math.IsNaN(n) || math.IsInf(n, 0) {
			want = 0
		}
		if err != nil || back != want || !json.Valid(text) || !bytes.ContainsAny(text, ".e") {
			t.Errorf("%v is printed as %s", n, text)
		}
	})
}

// The check that is put together by hand says what encoding/json says.
func FuzzCheck(f *testing.F) {
	f.Add(1, 2, 3, 4, 5, 6, 10.5, true, false, true)
	f.Add(-1, 0, math.MaxInt, math.MinInt, 0, 0, -1e-9, false, true, false)
	f.Fuzz(func(t *testing.T, finished, processing, restarted, waiting, wait, position int, kudos float64, done, faulted, possible bool) {
		c := wire.Check{
			Finished: finished, Processing: processing, Restarted: restarted, Waiting: waiting, Done: done, Faulted: faulted,
			WaitTime: wait, QueuePosition: position, Kudos: wire.Float(kudos), IsPossible: possible,
		}
		want, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := json.Compact(&got, c.AppendJSON(nil)); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("by hand it is %s, %v, want %s", got.Bytes(), err, want)
		}
	})
}

// What another server answers is read without harm, and says the same when it is written again.
func FuzzReplies(f *testing.F) {
	for _, seed := range []string{
		`{"generations": [{"img": "x", "seed": "5", "gen_metadata": [{"type": "lora", "value": "nsfw"}]}], "done": true, "kudos": 1.5}`,
		`{"payload": {"prompt": "a", "seed": "7", "loras": [{"name": "x", "model": 1}]}, "ids": ["x"], "skipped": {"models": 3}, "ttl": 150}`,
		`{"id": "x", "kudos": 10, "warnings": [{"code": "x"}]}`, `{"message": "no", "rc": "x", "errors": {"a": "b"}}`, `{"kudos": 1e999}`, `null`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		again[wire.Status](t, data)
		again[wire.PopReply](t, data)
		again[wire.Enqueued](t, data)
		again[wire.Error](t, data)
		again[wire.User](t, data)
		again[wire.Worker](t, data)
	})
}

func again[T any](t *testing.T, data []byte) {
	t.Helper()
	var v T
	if json.Unmarshal(data, &v) != nil {
		return
	}
	once, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%T cannot be written: %v", v, err)
	}
	var back T
	if err := json.Unmarshal(once, &back); err != nil {
		t.Fatalf("%T cannot be read again: %v: %s", v, err, once)
	}
	if twice, err := json.Marshal(back); err != nil || !bytes.Equal(once, twice) {
		t.Errorf("%T moves: %s, then %s, %v", v, once, twice, err)
	}
}
