// SPDX-License-Identifier: AGPL-3.0-or-later

// Command bot is the whole product: Discord bot, horde and local GPU pool in one process.
package main

import (
	"os"

	"stablemate/internal/app"
)

func main() {
	os.Exit(app.Main(app.Bot, os.Args[1:], os.Stdout, os.Stderr))
}
