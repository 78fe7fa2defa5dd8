// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"stablemate/internal/discord"
)

// Guilds begin to have rules while others look whether there are any.
func TestWhichGuildsHaveRulesIsAskedAtAnyTime(t *testing.T) {
	t.Parallel()
	bot, err := discord.New(discord.Deps{Router: discord.NewRouter()}, discord.Options{Token: "token"})
	if err != nil {
		t.Fatal(err)
	}
	e := newRoleEngine(&Set{bot: bot, now: time.Now})
	if !e.noneActive() {
		t.Error("there are guilds with rules from the beginning")
	}
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() { e.startPass(strconv.Itoa(i), false) })
		group.Go(func() { _ = e.noneActive() })
	}
	group.Wait()
	if e.noneActive() {
		t.Error("no guild has rules")
	}
}
