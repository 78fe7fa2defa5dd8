package idgen_test

import (
	"bytes"
	"encoding/base64"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"stablemate/internal/idgen"
)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 654_321_000, time.UTC)

func TestIdentifiersAreWhatTheStandardSays(t *testing.T) {
	t.Parallel()
	s := idgen.Secure(at(noon))
	for name, c := range map[string]struct {
		made idgen.UUID
		want uuid.Version
	}{
		"a random one":       {s.V4(), 4},
		"one that has order": {s.V7(), 7},
	} {
		read, err := uuid.Parse(c.made.String())
		if err != nil {
			t.Fatalf("%s: Parse(%q): %v", name, c.made, err)
		}
		if read != uuid.UUID(c.made) || read.Version() != c.want || read.Variant() != uuid.RFC4122 {
			t.Errorf("%s: %v reads as %v, version %v, variant %v", name, c.made, read, read.Version(), read.Variant())
		}
	}
	ms, _ := uuid.UUID(s.V7()).Time().UnixTime()
	if ms != noon.Unix() {
		t.Errorf("V7 holds second %d, want %d", ms, noon.Unix())
	}
}

func TestOrderedIdentifiersStrictlyIncrease(t *testing.T) {
	t.Parallel()
	now := noon
	s := idgen.New(idgen.Replay(1), func() time.Time { return now })
	var last idgen.UUID
	for i := range 20_000 {
		switch {
		case i == 10_000:
			now = now.Add(-time.Hour)
		case i > 15_000:
			now = now.Add(time.Microsecond)
		}
		u := s.V7()
		if bytes.Compare(u[:], last[:]) <= 0 {
			t.Fatalf("number %d: %v comes after %v", i, u, last)
		}
		last = u
	}
}

func TestTheSameSeedReplaysTheSameIdentifiers(t *testing.T) {
	t.Parallel()
	draw := func(seed uint64) [3]string {
		s := idgen.New(idgen.Replay(seed), at(noon))
		return [3]string{s.V4().String(), s.V7().String(), s.APIKey()}
	}
	if a, b := draw(7), draw(7); a != b {
		t.Errorf("seed 7 gave %v, then %v", a, b)
	}
	if a, b := draw(7), draw(8); a == b {
		t.Errorf("seeds 7 and 8 both gave %v", a)
	}
}

func TestKeysAreURLSafeAndDiffer(t *testing.T) {
	t.Parallel()
	s := idgen.Secure(at(noon))
	seen := map[string]bool{}
	for range 1000 {
		k := s.APIKey()
		raw, err := base64.RawURLEncoding.DecodeString(k)
		if err != nil || len(k) != idgen.KeyLength || len(raw) != idgen.KeyBytes {
			t.Fatalf("APIKey() = %q: %d characters, %d bytes, %v", k, len(k), len(raw), err)
		}
		if seen[k] {
			t.Fatalf("APIKey() gave %q twice", k)
		}
		seen[k] = true
	}
}

func TestSourceIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	s := idgen.New(idgen.Replay(3), at(noon))
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex // guards seen
		seen = map[idgen.UUID]bool{}
	)
	for range 8 {
		wg.Go(func() {
			for range 200 {
				u := s.V7()
				mu.Lock()
				seen[u] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 1600 {
		t.Errorf("1600 draws gave %d different identifiers", len(seen))
	}
}
