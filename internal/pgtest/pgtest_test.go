package pgtest_test

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"stablemate/internal/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv("PGTEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	c, err := pgtest.Start(pgtest.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(folder(c.URL("postgres")))
	select {} // until it is killed
}

// folder takes the cluster's folder out of an address.
func folder(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return u.Query().Get("host")
}

// query runs SQL through PostgreSQL's own client, which reads the address as any other client does.
func query(ctx context.Context, address, sql string) (string, error) {
	out, err := exec.CommandContext(ctx, "psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-Atc", sql, address).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	var (
		wg   sync.WaitGroup
		urls [3]string
	)
	for i := range urls {
		wg.Go(func() {
			urls[i] = pgtest.URL(t)
			if out, err := query(t.Context(), urls[i], "CREATE TABLE t (n int); INSERT INTO t VALUES (7); SELECT n FROM t"); err != nil || !strings.HasSuffix(out, "7") {
				t.Errorf("database %d: %q, %v", i, out, err)
			}
		})
	}
	wg.Wait()
	if urls[0] == urls[1] || urls[1] == urls[2] || folder(urls[0]) != folder(urls[2]) {
		t.Errorf("want three databases in one cluster: %v", urls)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	c, err := pgtest.Start(pgtest.Options{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	address := c.URL("postgres")
	if out, err := query(t.Context(), address, "SHOW fsync"); err != nil || out != "on" {
		t.Errorf("a durable cluster has fsync %q, %v", out, err)
	}
	c.Stop()
	c.Stop()
	if _, err := os.Stat(folder(address)); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
	if out, err := query(t.Context(), address, "SELECT 1"); err == nil {
		t.Errorf("the server still answers: %s", out)
	}
}

func TestAKilledProcessLeavesNothing(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "PGTEST_CHILD=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	dir, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	dir = strings.TrimSpace(dir)
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", dir)
		}
	}
}
