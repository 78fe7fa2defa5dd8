// SPDX-License-Identifier: AGPL-3.0-or-later

// Command server is the horde with its HTTP door and the local GPU pool, without a bot; its sub-commands
// are for operators.
package main

import (
	"os"

	"stablemate/internal/app"
)

func main() {
	os.Exit(app.Main(app.Server, os.Args[1:], os.Stdout, os.Stderr))
}
