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
	"runtime/debug"
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
// connection, in the same run: what the machine can do varies by the minute, the ratio does not. The caller is Go's own
// HTTP client, as in the measurements the targets come from, where its part of each call counts on both sides; the
// benchmarks called lean use a caller of a few lines instead, so that nearly all the time is the server's. That is the
// harder comparison.

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

// line is one connection to the server, with one call on it at a time.
type line interface {
	// ask sends one call and keeps the reply's body until the next one.
	ask(method, path, key string, body []byte) (status int, err error)
	reply() []byte
	close()
}

// goClient is Go's own.
type goClient struct {
	http *http.Client
	base string
	body bytes.Buffer
}

func dialClient(host string) (line, error) {
	return &goClient{http: &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}, base: "http://" + host}, nil
}

func (c *goClient) ask(method, path, key string, body []byte) (status int, err error) {
	req, err := http.NewRequest(method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header["Client-Agent"] = []string{"bench:1:nobody"}
	if key != "" {
		req.Header["Apikey"] = []string{key}
	}
	if body != nil {
		req.Header["Content-Type"] = []string{"application/json"}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err
	}
	c.body.Reset()
	_, err = c.body.ReadFrom(resp.Body)
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

func (c *goClient) reply() []byte { return c.body.Bytes() }
func (c *goClient) close()        { c.http.CloseIdleConnections() }

// lean does nothing needless.
type lean struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	body []byte
}

func dialLean(host string) (line, error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	return &lean{conn: conn, in: bufio.NewReaderSize(conn, 8<<10)}, nil
}

func (l *lean) reply() []byte { return l.body }
func (l *lean) close()        { _ = l.conn.Close() }

func (l *lean) ask(method, path, key string, body []byte) (status int, err error) {
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

// roomy collects garbage as seldom as the program itself does (app.GCPercent).
func roomy(b *testing.B) {
	b.Helper()
	before := debug.SetGCPercent(300)
	b.Cleanup(func() { debug.SetGCPercent(before) })
}

// dialer opens a line.
type dialer func(host string) (line, error)

// rate runs f on some connections until it was called n times and returns calls per second.
func rate(b *testing.B, dial dialer, host string, count, n int, f func(l line, i int) error) float64 {
	b.Helper()
	lines := make([]line, count)
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
		l.close()
	}
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
	return float64(n) / spent
}

func hello(l line, _ int) error { return must(l, http.StatusOK, http.MethodGet, "/hello", "", nil) }

// rounds interleaves two measurements, so that a neighbour's noise falls on both, and returns both rates.
func rounds(b *testing.B, dial dialer, host string, total int, f func(l line, i int) error) (ours, limit float64) {
	b.Helper()
	const parts, least = 8, 20_000 // calls of a part: shorter ones measure the warming-up
	n := max(least, total/parts)
	rate(b, dial, host, connections, least, f)
	var spentOurs, spentHello float64
	for range parts {
		spentHello += 1 / rate(b, dial, host, connections, n, hello)
		spentOurs += 1 / rate(b, dial, host, connections, n, f)
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
	b.Run("client", func(b *testing.B) { check(b, dialClient) })
	b.Run("lean", func(b *testing.B) { check(b, dialLean) })
}

func check(b *testing.B, dial dialer) {
	b.Helper()
	roomy(b)
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
			b.Fatalf("generate answers %d, %v: %s", status, err, l.reply())
		}
		id, _ := jsonString(l.reply(), "id")
		paths = append(paths, "/api/v2/generate/check/"+id)
	}
	l.close()
	check := func(l line, i int) error { return must(l, http.StatusOK, http.MethodGet, paths[i%len(paths)], "", nil) }
	b.ResetTimer()
	ours, limit := rounds(b, dial, host, b.N, check)
	b.ReportMetric(ours, "checks/s")
	b.ReportMetric(limit, "hello/s")
	b.ReportMetric(ours/limit, "x_hello")
}

var errNoJob = errors.New("the pop got no job")

func BenchmarkCycle(b *testing.B) {
	sqlite := func(b *testing.B) store.Options {
		b.Helper()
		return store.Options{Engine: store.SQLite, Path: b.TempDir() + "/horde.db"}
	}
	postgres := func(b *testing.B) store.Options {
		b.Helper()
		cluster, err := pgtest.Start(pgtest.Options{Durable: true})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(cluster.Stop)
		return store.Options{Engine: store.Postgres, URL: cluster.URL("postgres")}
	}
	b.Run("sqlite", func(b *testing.B) { cycle(b, dialClient, sqlite(b), false) })
	b.Run("sqlite-lean", func(b *testing.B) { cycle(b, dialLean, sqlite(b), false) })
	b.Run("sqlite-inline", func(b *testing.B) { cycle(b, dialClient, sqlite(b), true) })
	b.Run("postgres", func(b *testing.B) { cycle(b, dialClient, postgres(b), false) })
	b.Run("postgres-lean", func(b *testing.B) { cycle(b, dialLean, postgres(b), false) })
}

// cycle is what one image costs the horde: one generate, one pop, four checks, one submit, all durable. The
// image travels by its upload link, as workers send it; those uploads are timed for themselves. With inline
// it travels inside the submit instead.
func cycle(b *testing.B, dial dialer, where store.Options, inline bool) {
	b.Helper()
	roomy(b)
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
	const calls, n, least = 7, 1536, 4 // cycles of a round, rounds
	paths, jobs, links := make([]string, n), make([]string, n), make([]string, n)

	begin := func(l line, i int) error {
		i--
		me := i % connections
		if err := must(l, http.StatusAccepted, http.MethodPost, "/api/v2/generate/async", keys[me], []byte(request)); err != nil {
			return err
		}
		id, _ := jsonString(l.reply(), "id")
		paths[i] = "/api/v2/generate/check/" + id
		for range 2 {
			if err := must(l, http.StatusOK, http.MethodGet, paths[i], "", nil); err != nil {
				return err
			}
		}
		if err := must(l, http.StatusOK, http.MethodPost, "/api/v2/generate/pop", keys[me], offers[me]); err != nil {
			return err
		}
		var ok bool
		if jobs[i], ok = jsonString(l.reply(), "id"); !ok {
			return errNoJob
		}
		if link, ok := jsonString(l.reply(), "r2_upload"); ok {
			links[i] = link[strings.Index(link, "/blob/"):]
		}
		return must(l, http.StatusOK, http.MethodGet, paths[i], "", nil)
	}
	upload := func(l line, i int) error { return must(l, http.StatusOK, http.MethodPut, links[i-1], "", image) }
	end := func(l line, i int) error {
		i--
		body := []byte(`{"id":"` + jobs[i] + `","generation":"` + result + `","seed":1}`)
		if err := must(l, http.StatusOK, http.MethodPost, "/api/v2/generate/submit", keys[i%connections], body); err != nil {
			return err
		}
		return must(l, http.StatusOK, http.MethodGet, paths[i], "", nil)
	}

	round := func() (cycles, uploads float64) {
		cycles = n / rate(b, dial, host, connections, n, begin)
		if !inline {
			uploads = n / rate(b, dial, host, uploaders, n, upload)
		}
		return cycles + n/rate(b, dial, host, connections, n, end), uploads
	}
	round() // warm caches, prepared statements, connections to the database
	ops0, commits0 := h.Counters()
	b.ResetTimer()
	var spent, spentHello, spentUploads float64
	done := 0
	for done < max(b.N, least*n) {
		spentHello += float64(n*calls) / rate(b, dial, host, connections, n*calls, hello)
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
func must(l line, want int, method, path, key string, body []byte) error {
	status, err := l.ask(method, path, key, body)
	if err == nil && status != want {
		err = fmt.Errorf("%s %s answers %d: %s", method, path, status, l.reply())
	}
	return err
}
