// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"stablemate/internal/discord"
	"stablemate/internal/pgtest"
	"stablemate/internal/sandbox"
	"stablemate/internal/sandbox/apirules"
	"stablemate/internal/store"
)

// loadRules reads Discord's own API description once for all tests.
var loadRules = sync.OnceValues(apirules.Load)

// discordOptions say how the rig's Discord is: strict, and under load (benchmarks) with a longer memory instead.
func (r *rig) discordOptions() sandbox.Options {
	opts := sandbox.Options{Now: r.now, Interactions: 20_000}
	if _, load := r.t.(*testing.B); !load {
		opts = sandbox.Options{Now: r.now, Validate: rules(r.t), AnswerWindow: patience}
	}
	for _, f := range r.tune {
		f(&opts, &discord.Options{})
	}
	return opts
}

// rules checks everything that the bot sends with Discord's API description.
func rules(tb testing.TB) func(sandbox.Exchange) []string {
	tb.Helper()
	r, err := loadRules()
	if err != nil {
		tb.Fatal(err)
	}
	return r.Check
}

// makeDatabase gives the rig a PostgreSQL database of its own, that outlives its restarts, when STABLEMATE_TEST_STORE
// says so, as `make bot-test` does. It is called before anything that uses the database, to be undone after it.
func (r *rig) makeDatabase() {
	if os.Getenv("STABLEMATE_TEST_STORE") == "postgres" {
		r.database = pgtest.URL(r.t)
	}
}

// storeOptions say where the rig's store is: a SQLite file unless there is a database.
func (r *rig) storeOptions(log zerolog.Logger) store.Options {
	if r.database == "" {
		return store.Options{Engine: store.SQLite, Path: filepath.Join(r.dir, "horde.db"), Log: log, Now: r.now}
	}
	return store.Options{Engine: store.Postgres, URL: r.database, Log: log, Now: r.now}
}

// runIn runs a command in some channel and expects an answer in time.
func (r *rig) runIn(who, channel, path string, options map[string]any) sandbox.Outcome {
	r.t.Helper()
	out, err := r.sand.RunCommand(r.ctx(), who, channel, path, options)
	if err != nil {
		r.t.Fatalf("/%s: %v", path, err)
	}
	return out
}

// userMenu chooses an entry of a person's context menu.
func (r *rig) userMenu(who, entry, target string) sandbox.Outcome {
	r.t.Helper()
	out, err := r.sand.RunUserMenu(r.ctx(), who, sandbox.ChannelID, entry, target)
	if err != nil {
		r.t.Fatalf("menu %s: %v", entry, err)
	}
	return out
}

// menu chooses an entry of a message's context menu.
func (r *rig) menu(who, message, entry string) sandbox.Outcome {
	r.t.Helper()
	out, err := r.sand.RunMessageMenu(r.ctx(), who, message, entry)
	if err != nil {
		r.t.Fatalf("menu %s: %v", entry, err)
	}
	return out
}

// pick changes a select of a message; which is its custom id or its placeholder.
func (r *rig) pick(who, message, which string, values ...string) sandbox.Outcome {
	r.t.Helper()
	out, err := r.sand.Choose(r.ctx(), who, message, which, values...)
	if err != nil {
		r.t.Fatalf("pick %s: %v", which, err)
	}
	return out
}

// fillIn submits the form that an answer opened.
func (r *rig) fillIn(who string, form sandbox.Outcome, values map[string]string) sandbox.Outcome {
	r.t.Helper()
	if form.Modal == nil {
		r.t.Fatalf("the answer opened no form: %+v", form)
	}
	out, err := r.sand.SubmitModal(r.ctx(), who, form.InteractionID, values)
	if err != nil {
		r.t.Fatalf("submit %s: %v", form.Modal.Title, err)
	}
	return out
}

// suggest asks for autocompletion of an option.
func (r *rig) suggest(who, path, option, typed string) []sandbox.Choice {
	r.t.Helper()
	list, err := r.sand.Autocomplete(r.ctx(), who, sandbox.ChannelID, path, map[string]any{option: typed}, option)
	if err != nil {
		r.t.Fatalf("complete /%s %s: %v", path, option, err)
	}
	return list
}

// hasRole reports whether a member of the first guild has a role.
func (r *rig) hasRole(who, role string) bool { return slices.Contains(r.sand.Roles(who), role) }

// setRole makes a role of the first guild, or changes it, and returns its id.
func (r *rig) setRole(role sandbox.Role) string {
	r.t.Helper()
	id, err := r.sand.SetRole(sandbox.GuildID, role)
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// permissionsOfBot replaces what the bot may do in the first guild.
func (r *rig) permissionsOfBot(bits int64) {
	r.t.Helper()
	list := r.sand.GuildRoles(sandbox.GuildID)
	i := slices.IndexFunc(list, func(role sandbox.Role) bool { return role.ID == sandbox.RoleBot })
	list[i].Permissions = bits
	r.setRole(list[i])
}

func TestTheRigsRolesAreKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	role := r.setRole(sandbox.Role{Name: "Patron", Position: 1})
	give := func() error {
		return r.p.bot.AddRole(r.ctx(), sandbox.GuildID, sandbox.Newcomer, role, "a test")
	}
	if err := give(); err != nil || !r.hasRole(sandbox.Newcomer, role) {
		t.Errorf("AddRole = %v, has it: %t", err, r.hasRole(sandbox.Newcomer, role))
	}
	r.permissionsOfBot(0)
	if err := give(); !discord.IsMissingPermission(err) {
		t.Errorf("AddRole without the permission = %v", err)
	}
}
