// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/internal/sandbox"
)

// registered is a command as Discord has it.
type registered struct {
	Type         int      `json:"type"`
	Name         string   `json:"name"`
	Description  string   `json:"description"`
	Options      []option `json:"options"`
	Permissions  *string  `json:"default_member_permissions"`
	Contexts     []int    `json:"contexts"`
	Integrations []int    `json:"integration_types"`
}

type option struct {
	Type         int      `json:"type"`
	Name         string   `json:"name"`
	Description  string   `json:"description"`
	Required     bool     `json:"required"`
	Autocomplete bool     `json:"autocomplete"`
	Options      []option `json:"options"`
	Min          *float64 `json:"min_value"`
	Max          *float64 `json:"max_value"`
	MaxLength    *int     `json:"max_length"`
	Choices      []struct {
		Name string `json:"name"`
	} `json:"choices"`
}

// TestCommandsPage holds docs/commands.md up to date with what the bot registers. `make docs` writes it.
func TestCommandsPage(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	list, own := r.registered("commands"), r.registered("guilds/"+sandbox.GuildID+"/commands")
	if len(list) == 0 || len(own) == 0 {
		t.Fatalf("%d commands everywhere, %d in the operators' guild", len(list), len(own))
	}
	http.DefaultClient.CloseIdleConnections()
	page := commandsPage(list, own)
	path := filepath.Join("..", "docs", "commands.md")
	if os.Getenv("STABLEMATE_WRITE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(page, string(have)); diff != "" {
		t.Errorf("docs/commands.md is not what the bot registers; `make docs` writes it (-want +got):\n%s", diff)
	}
}

// registered asks the sandbox for the commands of a scope.
func (r *rig) registered(scope string) []registered {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.ctx(), http.MethodGet, r.sand.APIURL()+"/api/v10/applications/"+sandbox.BotID+"/"+scope, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bot "+r.sand.Token())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing was written
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	var list []registered
	if err := json.Unmarshal(body, &list); err != nil {
		r.t.Fatalf("%s: %v", scope, err)
	}
	return list
}

func commandsPage(list, own []registered) string {
	slices.SortStableFunc(list, func(a, b registered) int { return strings.Compare(a.Name, b.Name) })
	var b strings.Builder
	b.WriteString("# Commands\n\nEverything the bot offers in Discord. This page is written by `make docs` from the commands that it registers.\n")
	for _, group := range []struct {
		title, text string
		in          func(registered) bool
	}{
		{"For everybody", "", func(c registered) bool { return c.Type == 1 && c.Permissions == nil }},
		{
			"For those who run a guild", "Hidden from members without the permission, unless the guild's administrators decide otherwise.",
			func(c registered) bool { return c.Type == 1 && c.Permissions != nil },
		},
		{"On people", "In the menu of a person, under *Apps*.", func(c registered) bool { return c.Type == 2 }},
		{"On messages", "In the menu of a message, under *Apps*.", func(c registered) bool { return c.Type == 3 }},
	} {
		var members []registered
		for _, c := range list {
			if group.in(c) {
				members = append(members, c)
			}
		}
		if len(members) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n", group.title)
		if group.text != "" {
			fmt.Fprintf(&b, "\n%s\n", group.text)
		}
		for _, c := range members {
			c.write(&b)
		}
	}
	b.WriteString("\n## For operators\n\nIn the operators' guild alone, where the configuration names one.\n")
	for _, c := range own {
		c.write(&b)
	}
	return b.String()
}

func (c registered) write(b *strings.Builder) {
	name := "/" + c.Name
	if c.Type != 1 {
		name = c.Name
	}
	fmt.Fprintf(b, "\n### %s\n\n", name)
	var says []string
	if c.Description != "" {
		says = append(says, strings.TrimSuffix(c.Description, ".")+".")
	}
	if places := c.places(); places != "" { // commands of one guild name none
		says = append(says, "Works in "+places+".")
	}
	if c.Permissions != nil {
		says = append(says, "Needs "+permissions(*c.Permissions)+".")
	}
	b.WriteString(strings.Join(says, " "))
	b.WriteString("\n")
	if len(c.Options) > 0 && c.Options[0].Type > 2 {
		writeOptions(b, c.Options)
		return
	}
	for _, sub := range c.Options {
		if sub.Type == 1 {
			writeSub(b, name+" "+sub.Name, sub)
			continue
		}
		for _, inner := range sub.Options {
			writeSub(b, name+" "+sub.Name+" "+inner.Name, inner)
		}
	}
}

func writeSub(b *strings.Builder, path string, o option) {
	fmt.Fprintf(b, "\n**%s**: %s.\n", path, strings.TrimSuffix(o.Description, "."))
	writeOptions(b, o.Options)
}

func writeOptions(b *strings.Builder, options []option) {
	if len(options) == 0 {
		return
	}
	b.WriteString("\n| option | takes | |\n|---|---|---|\n")
	for _, o := range options {
		name := "`" + o.Name + "`"
		if o.Required {
			name += " (required)"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, o.takes(), strings.ReplaceAll(o.Description, "|", "\\|"))
	}
}

func (o option) takes() string {
	kind := map[int]string{
		3: "text", 4: "whole number", 5: "yes or no", 6: "person", 7: "channel", 8: "role", 9: "person or role", 10: "number", 11: "file",
	}[o.Type]
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	switch {
	case len(o.Choices) > 0:
		var names []string
		for _, c := range o.Choices {
			names = append(names, c.Name)
		}
		return strings.ReplaceAll(strings.Join(names, ", "), "|", "\\|")
	case o.Min != nil && o.Max != nil:
		kind += ", " + number(*o.Min) + " to " + number(*o.Max)
	case o.Min != nil:
		kind += ", from " + number(*o.Min)
	case o.Max != nil:
		kind += ", up to " + number(*o.Max)
	case o.MaxLength != nil:
		kind += fmt.Sprintf(", up to %d characters", *o.MaxLength)
	}
	if o.Autocomplete {
		kind += ", with suggestions"
	}
	return kind
}

func (c registered) places() string {
	names := []string{"guilds", "direct messages with the bot", "other direct messages"}
	var out []string
	for _, n := range c.Contexts {
		if n >= 0 && n < len(names) {
			out = append(out, names[n])
		}
	}
	text := strings.Join(out, ", ")
	if slices.Contains(c.Integrations, 1) {
		text += ", and wherever a person installed it for themselves"
	}
	return text
}

func permissions(bits string) string {
	n, err := strconv.ParseUint(bits, 10, 64)
	if err != nil || n == 0 {
		return "an administrator"
	}
	var out []string
	for _, p := range []struct {
		bit  uint64
		name string
	}{{1 << 3, "Administrator"}, {1 << 5, "Manage Server"}, {1 << 13, "Manage Messages"}, {1 << 28, "Manage Roles"}} {
		if n&p.bit != 0 {
			out = append(out, p.name)
			n &^= p.bit
		}
	}
	if n != 0 {
		out = append(out, fmt.Sprintf("permission %d", n))
	}
	return strings.Join(out, " and ")
}
