// Package pgtest gives tests a PostgreSQL of their own. The first test of a process that asks starts one cluster in a
// temporary folder; each test gets an empty database in it. The cluster ends with the process, however that ends, and
// takes its folder along. Nothing is ever asked of a server that somebody else started.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 60 * time.Second
	superuser    = "stablemate"
	// connections bounds all tests of a process together.
	connections = 200
)

// Options say how a cluster runs; the zero value is the fast one for tests.
type Options struct {
	// Durable makes the cluster flush every commit to the disk, as a real one does: for measuring. Otherwise it may lose
	// data when the machine goes down, which no test survives anyway.
	Durable bool
}

// URL returns the address of an empty database that belongs to the test alone, in the process's shared cluster, and
// starts that cluster when it is the first to ask (a second or two). The database is dropped when the test ends. A
// machine without PostgreSQL's server fails the test. It is safe for concurrent use.
func URL(tb testing.TB) string {
	tb.Helper()
	c, err := shared()
	if err != nil {
		tb.Fatalf("PostgreSQL for tests: %v", err)
	}
	name, err := c.create()
	if err != nil {
		tb.Fatalf("PostgreSQL for tests: %v", err)
	}
	tb.Cleanup(func() {
		if err := c.drop(name); err != nil {
			tb.Errorf("PostgreSQL for tests: %v", err)
		}
	})
	return c.URL(name)
}

//nolint:gochecknoglobals // one cluster per process is the point; it is made once and never changes
var shared = sync.OnceValues(func() (*Cluster, error) { return Start(Options{}) })

// Cluster is a running PostgreSQL. It is safe for concurrent use.
type Cluster struct {
	bin   string // folder of PostgreSQL's programs
	dir   string // holds data, socket and log
	watch *exec.Cmd
	leash *os.File // the watcher ends the server when this closes, at the latest with our process

	mu   sync.Mutex // guards next
	next int
}

// Start makes and starts a cluster of its own and returns when it takes connections. The caller stops it. Most tests want
// URL instead.
func Start(opts Options) (*Cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	// Not under TMPDIR's deep folders: a socket's path has at most 107 bytes.
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	c := &Cluster{bin: bin, dir: dir}
	if err := c.start(opts); err != nil {
		c.Stop()
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return c, nil
}

// URL returns the address of one of the cluster's databases; "postgres" is always there.
func (c *Cluster) URL(database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.User(superuser), Host: "", Path: "/" + database,
		RawQuery: url.Values{"host": {c.dir}, "sslmode": {"disable"}}.Encode(),
	}).String()
}

// Stop ends the server, cutting its connections, and removes its folder. It may be called again.
func (c *Cluster) Stop() {
	if c.leash == nil {
		return
	}
	_ = c.leash.Close()
	_ = c.watch.Wait() // it reports how it was ended, which is of no interest
	c.leash = nil
}

// The watcher is a shell beside the server: it waits for our end of a pipe to close, be it by Stop, by exit or by kill -9,
// then ends the server (SIGQUIT: at once) and removes the folder. So not even a crashed test leaves a server behind.
const watcher = `
"$1" -D "$2/data" &
server=$!
read -r _
kill -QUIT $server
wait $server
cd / && rm -rf "$2"
`

func (c *Cluster) start(opts Options) error {
	identity, err := c.giveAway()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()

	data := filepath.Join(c.dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), "--pgdata="+data, "--username="+superuser,
		"--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.Env, initdb.SysProcAttr = c.dir, environment(), identity
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	if err := c.configure(data, opts); err != nil {
		return err
	}

	log, err := os.Create(filepath.Join(c.dir, "log"))
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	held, leash, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer func() { _ = held.Close() }()
	watch := exec.Command("/bin/sh", "-c", watcher, "pgtest", filepath.Join(c.bin, "postgres"), c.dir) //nolint:noctx // it outlives every context
	watch.Dir, watch.Env, watch.SysProcAttr = c.dir, environment(), identity
	watch.Stdin, watch.Stdout, watch.Stderr = held, log, log
	if err := watch.Start(); err != nil {
		_ = leash.Close()
		return fmt.Errorf("start the server: %w", err)
	}
	c.watch, c.leash = watch, leash
	return c.ready(ctx, data)
}

// giveAway hands the folder to the account that the server will run as: PostgreSQL refuses to run as root.
func (c *Cluster) giveAway() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the test; the watcher follows in its own time
	if os.Geteuid() != 0 {
		return attr, nil
	}
	var last error
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			last = err
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		if err := os.Chown(c.dir, int(uid), int(gid)); err != nil {
			return nil, fmt.Errorf("give the folder to %s: %w", name, err)
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attr, nil
	}
	return nil, fmt.Errorf("no account to run PostgreSQL as: %w", last)
}

func (c *Cluster) configure(data string, opts Options) error {
	lines := []string{
		"listen_addresses = ''",
		"unix_socket_directories = '" + strings.ReplaceAll(c.dir, "'", "''") + "'",
		"max_connections = " + strconv.Itoa(connections),
		"shared_buffers = 64MB",
		"jit = off",
		"log_min_messages = warning",
		"timezone = 'UTC'",
	}
	if !opts.Durable {
		lines = append(lines, "fsync = off", "full_page_writes = off", "autovacuum = off")
	}
	f, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("configure the server: %w", err)
	}
	_, err = f.WriteString("\n" + strings.Join(lines, "\n") + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("configure the server: %w", err)
	}
	return nil
}

// ready waits until the server says so in the last line of its pid file.
func (c *Cluster) ready(ctx context.Context, data string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		pid, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
		if err == nil && bytes.HasSuffix(bytes.TrimSpace(pid), []byte("\nready")) {
			return nil
		}
		log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		if bytes.Contains(log, []byte("FATAL:")) {
			return fmt.Errorf("the server did not start: %s", bytes.TrimSpace(log))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready after %v: %s", startTimeout, bytes.TrimSpace(log))
		case <-tick.C:
		}
	}
}

func (c *Cluster) create() (string, error) {
	c.mu.Lock()
	c.next++
	name := "test" + strconv.Itoa(c.next)
	c.mu.Unlock()
	return name, c.client("createdb", name)
}

func (c *Cluster) drop(name string) error {
	return c.client("dropdb", "--force", name)
}

func (c *Cluster) client(program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, program), append([]string{"--host=" + c.dir, "--username=" + superuser}, args...)...)
	cmd.Env = environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(out))
	}
	return nil
}

// environment leaves out the PG… variables, which would point the programs elsewhere, and other languages' messages.
func environment() []string {
	env := []string{"LC_ALL=C"}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "LC_") && !strings.HasPrefix(v, "LANG") {
			env = append(env, v)
		}
	}
	return env
}

// programs finds the folder with PostgreSQL's own programs: the newest of those that packages install, since they are
// seldom on the PATH, or else the one that the PATH's initdb really lies in.
func programs() (string, error) {
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/pgsql/bin"} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("look for PostgreSQL: %w", err)
		}
		sort.Slice(dirs, func(i, j int) bool { return version(dirs[i]) > version(dirs[j]) })
		found = append(found, dirs...)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = append(found, filepath.Dir(path))
		}
	}
	for _, dir := range found {
		if complete(dir) {
			return dir, nil
		}
	}
	return "", errors.New("its server is not installed; run: make setup")
}

func complete(dir string) bool {
	for _, program := range []string{"initdb", "postgres", "createdb", "dropdb"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			return false
		}
	}
	return true
}

// version reads the number in a path like /usr/lib/postgresql/15/bin.
func version(dir string) int {
	digits := strings.FieldsFunc(dir, func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0
	}
	n, err := strconv.Atoi(digits[0])
	if err != nil {
		return 0
	}
	return n
}
