// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"stablemate/internal/sandbox"
)

// How much BenchmarkLoad does: little, unless `make bot-load` asks for all of it.
const (
	loadGuilds  = 500
	loadPeople  = 300
	loadRate    = 1000 // interactions a second
	loadSeconds = 30
	loadMemory  = 100_000 // interactions after which memory is looked at
	loadFill    = 20_000  // of these before it is looked at for the first time
	loadWorkers = 64      // at the same time, while memory is measured
	loadGrowth  = 24 << 20
	loadLost    = 3 * time.Second // what an interaction counts that nobody answered
	loadMaking  = 100             // of so many interactions one asks for images
)

// crowd is who sends interactions, from where.
type crowd struct {
	people, places []string
	making         bool // some ask for images, which the horde has to write down
}

// command is what one of the crowd does: what people look up most, and now and then an image.
func (c *crowd) command(i int) (who, where, path string, options map[string]any) {
	who, where = c.people[i%len(c.people)], c.places[(i/len(c.people)+i)%len(c.places)]
	if c.making && i%loadMaking == 0 {
		return who, where, "generate", map[string]any{"prompt": "red apple", "private": true}
	}
	all := []string{"help", "kudos balance", "models list", "settings panel", "help", "jobs list", "kudos leaderboard", "styles list"}
	return who, where, all[i%len(all)], nil
}

// loadSetting is a number from the environment.
func loadSetting(name string, whole, little int) int {
	if os.Getenv("STABLEMATE_LOAD") == "" {
		return little
	}
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return whole
}

// BenchmarkLoad sends interactions from many guilds at a steady rate, whether they are answered or not, first to a client
// that only acknowledges, which is what the sandbox itself takes, then to the bot; then as many as it can take, to see
// that memory does not grow. It reports milliseconds from the event to the acknowledgement.
func BenchmarkLoad(b *testing.B) {
	rate, lasting := loadSetting("LOAD_RATE", loadRate, 100), time.Duration(loadSetting("LOAD_SECONDS", loadSeconds, 1))*time.Second
	b.Run("sandbox", func(b *testing.B) {
		r := newRig(b, nil)
		all := r.crowd(loadGuilds, loadPeople)
		r.p.stop()
		r.bareClient()
		for b.Loop() {
			r.steady(b, all, rate, lasting)
		}
	})
	b.Run("bot", func(b *testing.B) {
		r := newRig(b, nil)
		r.worker(nil)
		all := r.crowd(loadGuilds, loadPeople)
		all.making = true
		for b.Loop() {
			r.steady(b, all, rate, lasting)
		}
		s := r.p.bot.Stats()
		b.ReportMetric(float64(s.AckMean.Microseconds())/1000, "bot-mean-ms")
		b.ReportMetric(float64(s.Dropped), "dropped")
	})
	b.Run("memory", func(b *testing.B) {
		r := newRig(b, nil)
		all := r.crowd(20, 10*loadPeople)
		total := loadSetting("LOAD_MEMORY", loadMemory, 2000)
		for b.Loop() {
			fill := min(loadFill, total/2)
			r.burst(b, all, fill) // fills what is bounded
			before := heap()
			begin := time.Now()
			r.burst(b, all, total-fill)
			grown := heap() - before
			b.ReportMetric(float64(total-fill)/time.Since(begin).Seconds(), "per-s")
			b.ReportMetric(float64(before)/(1<<20), "heap-MiB")
			b.ReportMetric(float64(grown)/(1<<20), "grown-MiB")
			if grown > loadGrowth {
				b.Errorf("memory grew by %d MiB over %d interactions", grown>>20, total-fill)
			}
		}
	})
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// crowd makes communities, and people who are in all of them.
func (r *rig) crowd(guilds, people int) *crowd {
	r.t.Helper()
	c := &crowd{people: []string{sandbox.Newcomer, sandbox.Friend, sandbox.Admin}}
	for i := range people - len(c.people) {
		who, err := r.sand.AddPerson(fmt.Sprintf("Rider %d", i))
		if err != nil {
			r.t.Fatal(err)
		}
		c.people = append(c.people, who)
	}
	for i := range guilds {
		_, channel, err := r.sand.AddGuild(fmt.Sprintf("Stable %d", i))
		if err != nil {
			r.t.Fatal(err)
		}
		c.places = append(c.places, channel)
	}
	return c
}

// steady runs commands at a rate and reports how long their acknowledgement took. None may be lost.
func (r *rig) steady(b *testing.B, all *crowd, rate int, lasting time.Duration) {
	b.Helper()
	total := int(lasting.Seconds() * float64(rate))
	took := make([]time.Duration, total)
	failed := make([]error, total)
	var group sync.WaitGroup
	begin := time.Now()
	for i := range total {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		group.Go(func() {
			who, where, path, options := all.command(i)
			out, err := r.sand.RunCommand(context.Background(), who, where, path, options)
			took[i], failed[i] = out.After, err
			if err != nil {
				took[i] = loadLost
			}
		})
	}
	spent := time.Since(begin)
	group.Wait()
	lost := 0
	for i, err := range failed {
		if err != nil {
			if lost++; lost < 5 {
				b.Errorf("interaction %d: %v", i, err)
			}
		}
	}
	slices.Sort(took)
	ms := func(part float64) float64 {
		return float64(took[min(int(part*float64(total)), total-1)].Microseconds()) / 1000
	}
	// A benchmark that fails shows no metrics, and here the figures matter most.
	b.Logf("acknowledged in %.2f ms (p50), %.2f ms (p99), %.2f ms at most; %d of %d lost; %.0f a second offered",
		ms(0.5), ms(0.99), ms(1), lost, total, float64(total)/spent.Seconds())
	b.ReportMetric(ms(0.50), "p50-ms")
	b.ReportMetric(ms(0.99), "p99-ms")
	b.ReportMetric(ms(1), "max-ms")
	b.ReportMetric(float64(lost), "lost")
	b.ReportMetric(float64(total)/spent.Seconds(), "per-s")
}

// burst runs as many commands as the bot can take, some at a time.
func (r *rig) burst(b *testing.B, all *crowd, total int) {
	b.Helper()
	next := make(chan int)
	var group sync.WaitGroup
	for range loadWorkers {
		group.Go(func() {
			for i := range next {
				who, where, path, options := all.command(i)
				if _, err := r.sand.RunCommand(context.Background(), who, where, path, options); err != nil {
					b.Errorf("interaction %d: %v", i, err)
				}
			}
		})
	}
	for i := range total {
		next <- i
	}
	close(next)
	group.Wait()
}

// bareClient is a bot that does nothing but acknowledge, as fast as it can, until the benchmark ends.
func (r *rig) bareClient() {
	t := r.t
	t.Helper()
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(r.sand.APIURL(), "http")+"/gw", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if err := ws.WriteJSON(map[string]any{"op": 2, "d": map[string]any{"token": r.sand.Token(), "intents": 1}}); err != nil {
		t.Fatal(err)
	}
	if err := r.sand.WaitBot(r.ctx()); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: loadWorkers, MaxConnsPerHost: loadWorkers}}
	var group sync.WaitGroup
	acknowledge := func(id, token string) {
		resp, err := client.Post(r.sand.APIURL()+"/api/v10/interactions/"+id+"/"+token+"/callback", "application/json",
			strings.NewReader(`{"type":4,"data":{"content":"yes","flags":64}}`))
		if err != nil {
			t.Errorf("acknowledge: %v", err)
			return
		}
		_ = resp.Body.Close()
	}
	group.Go(func() {
		for {
			_, text, err := ws.ReadMessage()
			if err != nil {
				return
			}
			var packet struct {
				Type string                     `json:"t"`
				D    struct{ ID, Token string } `json:"d"`
			}
			if json.Unmarshal(text, &packet) == nil && packet.Type == "INTERACTION_CREATE" {
				group.Go(func() { acknowledge(packet.D.ID, packet.D.Token) })
			}
		}
	})
	t.Cleanup(func() {
		_ = ws.Close()
		group.Wait()
		client.CloseIdleConnections()
	})
}
