// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stablemate/horde/apiv2/wire"
	"stablemate/internal/pgtest"
	"stablemate/internal/store"
)

// connections is how many callers are at it at once; the image store takes fewer uploads than that.
const (
	connections = 64
	uploaders   = 16
)

// The benchmarks compare with a handler that only says hello, on the same server, over the same kind of
// connection, in the same run: what the machine can do varies by the minute, the ratio does not. The caller
// is a few lines over a bare connection, so that little of the measured time is its own.

func helloPath(next http.Handler) http.Handler {
	body := bytes.Repeat([]byte("x"), 190) // as long as a check
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hello" {
			w.Header()["Content-Type"] = []string{"application/json; charset=utf-8"}
			_, _ = w.Write(body)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// line is one connection of a caller that does nothing needless.
type line struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	body []byte
}

func dial(host string) (*line, error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	return &line{conn: conn, in: bufio.NewReaderSize(conn, 8<<10)}, nil
}

// ask sends one call and reads the reply into l.body.
func (l *line) ask(method, path, key string, body []byte) (status int, err error) {
	l.out = append(l.out[:0], method...)
	l.out = append(l.out, ' ')
	l.out = append(l.out, path...)
	l.out = append(l.out, " HTTP/1.1\r\nHost: bench\r\nClient-Agent: bench:1:nobody\r\n"...)
	if key != "" {
		l.out = append(append(append(l.out, "apikey: "...), key...), "\r\n"...)
	}
	if body != nil {
		l.out = append(l.out, "Content-Type: application/json\r\nContent-Length: "...)
		l.out = append(strconv.AppendInt(l.out, int64(len(body)), 10), "\r\n"...)
	}
	l.out = append(append(l.out, "\r\n"...), body...)
	if _, err := l.conn.Write(l.out); err != nil {
		return 0, err
	}
	head, err := l.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if status, err = strconv.Atoi(string(head[9:12])); err != nil {
		return 0, err
	}
	length := -1
	for {
		head, err = l.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		head = bytes.TrimRight(head, "\r\n")
		if len(head) == 0 {
			break
		}
		if v, ok := bytes.CutPrefix(head, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(v)); err != nil {
				return 0, err
			}
		}
	}
	l.body = l.body[:0]
	if length >= 0 {
		l.body = append(l.body, make([]byte, length)...)
		_, err = io.ReadFull(l.in, l.body)
		return status, err
	}
	// Longer replies come in chunks.
	for {
		head, err := textproto.NewReader(l.in).ReadLine()
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(head, 16, 32)
		if err != nil {
			return 0, err
		}
		at := len(l.body)
		l.body = append(l.body, make([]byte, n+2)...)
		if _, err := io.ReadFull(l.in, l.body[at:]); err != nil {
			return 0, err
		}
		l.body = l.body[:at+int(n)]
		if n == 0 {
			return status, nil
		}
	}
}

// rate runs f on some connections until it was called n times and returns calls per second.
func rate(b *testing.B, host string, count, n int, f func(l *line, i int) error) float64 {
	b.Helper()
	lines := make([]*line, count)
	for i := range lines {
		l, err := dial(host)
		if err != nil {
			b.Fatal(err)
		}
		if err := hello(l, 0); err != nil { // the connection is up and served before the clock starts
			b.Fatal(err)
		}
		lines[i] = l
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	failed := make(chan error, count) // each line fails at most once
	start := time.Now()
	for _, l := range lines {
		wait.Go(func() {
			for {
				i := int(next.Add(1))
				if i > n {
					return
				}
				if err := f(l, i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wait.Wait()
	spent := time.Since(start).Seconds()
	for _, l := range lines {
		_ = l.conn.Close()
	}
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
	return float64(n) / spent
}

func hello(l *line, _ int) error { return l.must(http.StatusOK, http.MethodGet, "/hello", "", nil) }

// rounds interleaves two measurements, so that a neighbour's noise falls on both, and returns both rates.
func rounds(b *testing.B, host string, total int, f func(l *line, i int) error) (ours, limit float64) {
	b.Helper()
	const parts, least = 6, 5000 // calls of a part: shorter ones measure the warming-up
	n := max(least, total/parts)
	rate(b, host, connections, least, f)
	var spentOurs, spentHello float64
	for range parts {
		spentHello += 1 / rate(b, host, connections, n, hello)
		spentOurs += 1 / rate(b, host, connections, n, f)
	}
	return parts / spentOurs, parts / spentHello
}

func jsonString(body []byte, name string) (string, bool) {
	for _, form := range []string{`"` + name + `": "`, `"` + name + `":"`} {
		if _, rest, ok := bytes.Cut(body, []byte(form)); ok {
			value, _, ok := bytes.Cut(rest, []byte(`"`))
			return string(value), ok
		}
	}
	return "", false
}

const benchRequest = `{"prompt":"a small red apple ### blue","models":["tiny"],"r2":false,"params":{"width":64,"height":64,"steps":4,"seed":"1"}}`

func BenchmarkCheck(b *testing.B) {
	h := build(b, plan{before: helloPath})
	host := h.url[len("http://"):]
	_, key := h.account(b, "asker", 0, 100_000)
	l, err := dial(host)
	if err != nil {
		b.Fatal(err)
	}
	var paths []string
	for range 20 { // some requests wait, as on any evening
		status, err := l.ask(http.MethodPost, "/api/v2/generate/async", key, []byte(benchRequest))
		if err != nil || status != http.StatusAccepted {
			b.Fatalf("generate answers %d, %v: %s", status, err, l.body)
		}
		id, _ := jsonString(l.body, "id")
		paths = append(paths, "/api/v2/generate/check/"+id)
	}
	_ = l.conn.Close()
	check := func(l *line, i int) error { return l.must(http.StatusOK, http.MethodGet, paths[i%len(paths)], "", nil) }
	b.ResetTimer()
	ours, limit := rounds(b, host, b.N, check)
	b.ReportMetric(ours, "checks/s")
	b.ReportMetric(limit, "hello/s")
	b.ReportMetric(ours/limit, "x_hello")
}

var errNoJob = errors.New("the pop got no job")

func BenchmarkCycle(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		cycle(b, store.Options{Engine: store.SQLite, Path: b.TempDir() + "/horde.db"}, false)
	})
	b.Run("sqlite-inline", func(b *testing.B) {
		cycle(b, store.Options{Engine: store.SQLite, Path: b.TempDir() + "/horde.db"}, true)
	})
	b.Run("postgres", func(b *testing.B) {
		cluster, err := pgtest.Start(pgtest.Options{Durable: true})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(cluster.Stop)
		cycle(b, store.Options{Engine: store.Postgres, URL: cluster.URL("postgres")}, false)
	})
}

// cycle is what one image costs the horde: one generate, one pop, four checks, one submit, all durable. The
// image travels by its upload link, as workers send it; those uploads are timed for themselves. With inline
// it travels inside the submit instead.
func cycle(b *testing.B, where store.Options, inline bool) {
	b.Helper()
	h := build(b, plan{before: helloPath, store: where})
	host := h.url[len("http://"):]
	// As many people and workers as connections: one account's limits are not what is measured.
	keys, offers := make([]string, connections), make([][]byte, connections)
	for i := range keys {
		_, keys[i] = h.account(b, "p"+strconv.Itoa(i)+"-", 0, 1_000_000)
		offers[i] = fmt.Appendf(nil, `{"name":"worker %d","models":["tiny"],"bridge_agent":"%s","max_pixels":4194304}`, i, reGen)
	}
	image := picture(b, 8)
	result := wire.Uploaded
	request := strings.Replace(benchRequest, `"r2":false`, `"r2":true`, 1)
	if inline {
		result, request = b64(image), benchRequest
	}
	const calls, n = 7, 1536 // cycles of a round
	paths, jobs, links := make([]string, n), make([]string, n), make([]string, n)

	begin := func(l *line, i int) error {
		i--
		me := i % connections
		if err := l.must(http.StatusAccepted, http.MethodPost, "/api/v2/generate/async", keys[me], []byte(request)); err != nil {
			return err
		}
		id, _ := jsonString(l.body, "id")
		paths[i] = "/api/v2/generate/check/" + id
		for range 2 {
			if err := l.must(http.StatusOK, http.MethodGet, paths[i], "", nil); err != nil {
				return err
			}
		}
		if err := l.must(http.StatusOK, http.MethodPost, "/api/v2/generate/pop", keys[me], offers[me]); err != nil {
			return err
		}
		var ok bool
		if jobs[i], ok = jsonString(l.body, "id"); !ok {
			return errNoJob
		}
		if link, ok := jsonString(l.body, "r2_upload"); ok {
			links[i] = link[strings.Index(link, "/blob/"):]
		}
		return l.must(http.StatusOK, http.MethodGet, paths[i], "", nil)
	}
	upload := func(l *line, i int) error { return l.must(http.StatusOK, http.MethodPut, links[i-1], "", image) }
	end := func(l *line, i int) error {
		i--
		body := []byte(`{"id":"` + jobs[i] + `","generation":"` + result + `","seed":1}`)
		if err := l.must(http.StatusOK, http.MethodPost, "/api/v2/generate/submit", keys[i%connections], body); err != nil {
			return err
		}
		return l.must(http.StatusOK, http.MethodGet, paths[i], "", nil)
	}

	round := func() (cycles, uploads float64) {
		cycles = n / rate(b, host, connections, n, begin)
		if !inline {
			uploads = n / rate(b, host, uploaders, n, upload)
		}
		return cycles + n/rate(b, host, connections, n, end), uploads
	}
	round() // warm caches, prepared statements, connections to the database
	ops0, commits0 := h.Counters()
	b.ResetTimer()
	var spent, spentHello, spentUploads float64
	done := 0
	for done < b.N || done == 0 {
		spentHello += float64(n*calls) / rate(b, host, connections, n*calls, hello)
		cycles, uploads := round()
		spent += cycles
		spentUploads += uploads
		done += n
	}
	ops, commits := h.Counters()
	ours, limit := float64(done*calls)/spent, float64(done*calls)/spentHello
	b.ReportMetric(ours, "calls/s")
	b.ReportMetric(limit, "hello/s")
	b.ReportMetric(ours/limit, "x_hello")
	b.ReportMetric(float64(ops-ops0)/float64(max(1, commits-commits0)), "ops/commit")
	if !inline {
		b.ReportMetric(float64(done)/spentUploads, "uploads/s")
	}
}

// must asks and takes only one status.
func (l *line) must(want int, method, path, key string, body []byte) error {
	status, err := l.ask(method, path, key, body)
	if err == nil && status != want {
		err = fmt.Errorf("%s %s answers %d: %s", method, path, status, l.body)
	}
	return err
}
