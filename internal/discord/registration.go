package discord

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// maxDifferences of one command are told.
const maxDifferences = 5

// Registration is what a comparison of our commands with those that Discord had of one guild came to.
type Registration struct {
	Guild         string // "" for the commands of all guilds
	Before, After int    // commands that Discord has
	Added         []string
	Removed       []string
	Changed       []CommandChange
	// Written is false when nothing differed, so that nothing was sent.
	Written bool
	// Err says why Discord did not take the commands of this guild; the others' were registered all the same.
	Err error
}

// CommandChange names a command that Discord knew otherwise, and what of it was different, as paths like
// "options.size.description"; the first few of them.
type CommandChange struct {
	Name string
	What []string
	More int // that are not listed
}

// register makes the commands that Discord knows equal to the router's. It writes only when something differs, and
// remembers the ids for mentions.
func (b *Bot) register(ctx context.Context, appID string) ([]Registration, error) {
	sets := map[string][]wireCommand{b.opts.GuildID: {}}
	for _, spec := range b.router.specs {
		guild := spec.Guild
		if guild == "" {
			guild = b.opts.GuildID
		}
		sets[guild] = append(sets[guild], spec.wire())
	}
	ids := map[string]string{}
	var out []Registration
	for _, guild := range slices.Sorted(maps.Keys(sets)) {
		done, err := b.registerIn(ctx, appID, guild, sets[guild], ids)
		if err != nil && (guild == b.opts.GuildID || ctx.Err() != nil) {
			return out, err
		}
		if err != nil { // the bot may not be in that one guild
			b.log.Error().Err(err).Str("guild", guild).Msg("cannot register the commands of a guild")
			done.Err = err
		}
		out = append(out, done)
	}
	b.commandIDs.Store(&ids)
	return out, nil
}

// Reload makes the commands that Discord knows equal to the router's again, and tells for each set of them what differed.
func (b *Bot) Reload(ctx context.Context) ([]Registration, error) { return b.register(ctx, b.AppID()) }

func (b *Bot) registerIn(ctx context.Context, appID, guild string, wanted []wireCommand, ids map[string]string) (Registration, error) {
	out := Registration{Guild: guild}
	path := "/applications/" + appID + "/commands"
	if guild != "" {
		path = "/applications/" + appID + "/guilds/" + guild + "/commands"
	}
	body, err := b.rest.do(ctx, call{method: "GET", path: path, query: "with_localizations=true", route: "GET commands", bot: true})
	if err != nil {
		return out, fmt.Errorf("read registered commands: %w", err)
	}
	var current []wireCommand
	if err := json.Unmarshal(body, &current); err != nil {
		return out, fmt.Errorf("read registered commands: %w", err)
	}
	out.Before, out.After = len(current), len(current)
	if err := out.compare(current, wanted, guild != ""); err != nil {
		return out, fmt.Errorf("compare commands: %w", err)
	}
	if len(out.Added)+len(out.Removed)+len(out.Changed) > 0 {
		body, err := b.rest.do(ctx, call{method: "PUT", path: path, route: "PUT commands", bot: true, json: wanted})
		if err != nil {
			return out, fmt.Errorf("register %d commands: %w", len(wanted), err)
		}
		current = nil
		if err := json.Unmarshal(body, &current); err != nil {
			return out, fmt.Errorf("register %d commands: %w", len(wanted), err)
		}
		out.Written, out.After = true, len(current)
		b.log.Info().Int("commands", len(wanted)).Msg("commands registered")
	}
	for _, c := range current {
		if c.Type == 1 {
			ids[c.Name] = c.ID
		}
	}
	return out, nil
}

// compare notes what is different by meaning: order of commands, ids and what Discord adds by itself do not count. Discord
// does not keep contexts of guild commands.
func (r *Registration) compare(current, wanted []wireCommand, guild bool) error {
	had, err := asValues(current, guild)
	if err != nil {
		return err
	}
	want, err := asValues(wanted, guild)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		old, ok := had[key]
		if !ok {
			r.Added = append(r.Added, key)
			continue
		}
		var paths []string
		differences(old, want[key], "", &paths)
		if len(paths) > 0 {
			most := min(len(paths), maxDifferences)
			r.Changed = append(r.Changed, CommandChange{Name: key, What: paths[:most], More: len(paths) - most})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(had)) {
		if _, ok := want[key]; !ok {
			r.Removed = append(r.Removed, key)
		}
	}
	return nil
}

// asValues are commands as values of JSON, by how people call them.
func asValues(list []wireCommand, guild bool) (map[string]any, error) {
	out := make(map[string]any, len(list))
	for _, c := range list {
		c.ID = ""
		if guild {
			c.Contexts, c.IntegrationTypes = nil, nil
		}
		c.Contexts, c.IntegrationTypes = slices.Sorted(slices.Values(c.Contexts)), slices.Sorted(slices.Values(c.IntegrationTypes))
		b, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			return nil, err
		}
		name := "/" + c.Name
		if c.Type != 1 {
			name = MenuPath(MenuKind(c.Type), c.Name)
		}
		out[name] = v
	}
	return out, nil
}

// differences collects the paths below which two values of JSON differ, in order.
func differences(a, b any, path string, into *[]string) {
	below := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			keys := map[string]bool{}
			for k := range x {
				keys[k] = true
			}
			for k := range y {
				keys[k] = true
			}
			for _, k := range slices.Sorted(maps.Keys(keys)) {
				differences(x[k], y[k], below(k), into)
			}
			return
		}
	case []any:
		y, ok := b.([]any)
		if ok && len(x) == len(y) {
			for i := range x {
				differences(x[i], y[i], below(nameOf(x[i], y[i], i)), into)
			}
			return
		}
	}
	if !reflect.DeepEqual(a, b) {
		*into = append(*into, path)
	}
}

// nameOf calls an element of a list by its name when both sides have the same, else by its place.
func nameOf(a, b any, at int) string {
	x, _ := a.(map[string]any)
	y, _ := b.(map[string]any)
	if name, ok := x["name"].(string); ok && name != "" && name == y["name"] {
		return name
	}
	return strconv.Itoa(at)
}
