// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"os"
	"syscall"
	"testing"
)

// TestMain keeps the hundreds of hordes that these tests build in memory, where the machine has a place for that:
// their stores flush every commit, which other tests look at, and a disk would make them wait for nothing.
func TestMain(m *testing.M) {
	const place, room = "/dev/shm", 2 << 30
	var fs syscall.Statfs_t
	if os.Getenv("TMPDIR") == "" && syscall.Statfs(place, &fs) == nil && fs.Bavail*uint64(fs.Bsize) >= room {
		_ = os.Setenv("TMPDIR", place) // if not, it only takes longer
	}
	os.Exit(m.Run())
}
