package discord_test

import (
	"testing"

	"stablemate/internal/discord"
)

func TestMemberPermissions(t *testing.T) {
	t.Parallel()
	const see, both = "1024", "66560" // view channel; and read history
	guild := discord.GuildInfo{ID: "1", OwnerID: "9", Roles: []discord.Role{
		{ID: "1", Permissions: both}, {ID: "2", Permissions: "0"}, {ID: "3", Permissions: "8"},
	}}
	hidden := discord.Overwrite{ID: "1", Deny: see}
	for name, c := range map[string]struct {
		member string
		roles  []string
		over   []discord.Overwrite
		want   bool
	}{
		"everybody reads an ordinary channel":     {"5", nil, nil, true},
		"nobody reads a hidden one":               {"5", []string{"2"}, []discord.Overwrite{hidden}, false},
		"but those of a role":                     {"5", []string{"2"}, []discord.Overwrite{hidden, {ID: "2", Allow: see}}, true},
		"and not those of another":                {"5", nil, []discord.Overwrite{hidden, {ID: "2", Allow: see}}, false},
		"a member's own overwrite comes last":     {"5", []string{"2"}, []discord.Overwrite{hidden, {ID: "2", Allow: see}, {ID: "5", Type: 1, Deny: see}}, false},
		"a member is no role":                     {"5", nil, []discord.Overwrite{hidden, {ID: "5", Type: 0, Allow: see}}, false},
		"administrators read everything":          {"5", []string{"3"}, []discord.Overwrite{hidden}, true},
		"so does the owner":                       {"9", nil, []discord.Overwrite{hidden}, true},
		"without the history there is no reading": {"5", nil, []discord.Overwrite{{ID: "1", Deny: "65536"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := discord.MemberPermissions(guild, discord.Channel{Overwrites: c.over}, c.member, c.roles)
			if got := p.Has(discord.ViewChannel | discord.ReadHistory); got != c.want {
				t.Errorf("MemberPermissions = %b, may read: %t, want %t", p, got, c.want)
			}
		})
	}
}
