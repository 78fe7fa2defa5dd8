// SPDX-License-Identifier: AGPL-3.0-or-later

package chat_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"stablemate/commands/chat"
)

func TestAPartyNeverPromisesMoreThanItHas(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := chat.Party{
			Host: "0", Stage: chat.PartyRunning, Award: r.Int64N(5), Per: 1 + r.IntN(3), Prize: r.Int64N(10), Budget: r.Int64N(60),
		}
		for range 400 {
			e := chat.PartyEntry{Key: strconv.Itoa(r.IntN(350)), Person: strconv.Itoa(r.IntN(20))}
			first, fresh := p.Enter(e)
			if again, twice := p.Enter(e); first > 0 && (again != first || twice) {
				t.Fatalf("seed %d: an entry is number %d and then %d", seed, first, again)
			}
			if first > 0 && fresh && first != len(p.Entries) {
				t.Fatalf("seed %d: entry %d of %d", seed, first, len(p.Entries))
			}
		}
		rewards := make(map[string]int)
		for _, e := range p.Entries {
			if e.Reward > 0 {
				rewards[e.Person]++
			}
		}
		if len(p.Entries) > chat.MaxPartyEntries || rewards["0"] > 0 || p.Promised() > max(p.Budget-p.Prize, 0) {
			t.Errorf("seed %d: %d entries, %d rewards of the host, %d promised", seed, len(p.Entries), rewards["0"], p.Promised())
		}
		for who, n := range rewards {
			if n > p.Per {
				t.Errorf("seed %d: %s has %d rewards, at most %d", seed, who, n, p.Per)
			}
		}
		p.Stage = chat.PartyEnding
		if n, _ := p.Enter(chat.PartyEntry{Key: "late"}); n != 0 {
			t.Errorf("seed %d: a party that ends takes an entry", seed)
		}
	}
}

func TestTheFavouriteHasMostVotes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		votes []int
		want  int
	}{
		"no entries":              {nil, 0},
		"no votes":                {[]int{0, 0}, 0},
		"one is ahead":            {[]int{1, 3, 2}, 2},
		"the earliest of several": {[]int{0, 2, 2}, 2},
	} {
		var p chat.Party
		for _, n := range c.votes {
			p.Entries = append(p.Entries, chat.PartyEntry{Votes: n})
		}
		if got := p.Favourite(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
