package discord_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

// saying answers with a line that says what arrived.
func saying(describe func(in *discord.Interaction) string) discord.Route {
	return discord.Route{Handle: func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
		return r.Reply(ctx, discord.Message{Content: describe(in)})
	}}
}

func TestMenus(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{Validate: validator(t)})
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(
			discord.CommandSpec{Name: "Who is this", Menu: discord.UserMenu, Names: map[string]string{"de": "Wer ist das"}},
			discord.CommandSpec{Name: "Describe", Menu: discord.MessageMenu},
			discord.CommandSpec{Name: "Moderate", Menu: discord.MessageMenu, Permissions: new(discord.ManageMessages)},
		)
		rt.Command(discord.MenuPath(discord.UserMenu, "Who is this"), saying(func(in *discord.Interaction) string {
			return "user " + in.Command.TargetUser.ID + " " + in.Command.TargetUser.DisplayName() + " by " + in.User.ID
		}))
		describe := saying(func(in *discord.Interaction) string {
			m := in.Command.TargetMessage
			return "message " + m.ID + " of " + m.Author.ID + ": " + m.Content
		})
		rt.Command(discord.MenuPath(discord.MessageMenu, "Describe"), describe)
		rt.Command(discord.MenuPath(discord.MessageMenu, "Moderate"), describe)
	})
	if _, err := sand.RunUserMenu(soon(t), sandbox.Newcomer, sandbox.ChannelID, "Who is this", sandbox.Friend); err != nil {
		t.Fatal(err)
	}
	r.see("the person", content("user "+sandbox.Friend+" Friend by "+sandbox.Newcomer))
	m, err := sand.Post(sandbox.Friend, sandbox.ChannelID, "a red apple")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sand.RunMessageMenu(soon(t), sandbox.Newcomer, m.ID, "Describe"); err != nil {
		t.Fatal(err)
	}
	r.see("the message", content("message "+m.ID+" of "+sandbox.Friend+": a red apple"))
	if _, err := sand.RunMessageMenu(soon(t), sandbox.Newcomer, m.ID, "Moderate"); err == nil {
		t.Error("an ordinary member could use a moderator's menu")
	}
	if _, err := sand.RunMessageMenu(soon(t), sandbox.Admin, m.ID, "Moderate"); err != nil {
		t.Errorf("the administrator could not: %v", err)
	}
	want := []sandbox.Menu{{Name: "Who is this"}, {Name: "Describe", Message: true}}
	if diff := cmp.Diff(want, sand.Menus(sandbox.Newcomer, sandbox.ChannelID)); diff != "" {
		t.Errorf("menus (-want +got):\n%s", diff)
	}
	r.clean()
}

func TestRolesAndChannels(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{Validate: validator(t)})
	r := startBot(t, sand, discord.Options{}, func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(spec("set",
			discord.OptionSpec{Name: "role", Description: "a role", Type: discord.OptionRole},
			discord.OptionSpec{Name: "channel", Description: "a channel", Type: discord.OptionChannel, ChannelTypes: []int{0}},
		), spec("ask"))
		rt.Command("set", saying(func(in *discord.Interaction) string {
			role, _ := in.Command.Options.Role("role")
			channel, _ := in.Command.Options.Channel("channel")
			return strings.Join([]string{role.ID, role.Name, channel.ID, channel.Name}, " ")
		}))
		rt.Command("ask", discord.Route{Handle: func(ctx context.Context, _ *discord.Interaction, r *discord.Responder) error {
			row := func(kind discord.SelectKind, id string) discord.Row {
				return discord.Row{Select: &discord.Select{Kind: kind, CustomID: discord.CustomID{Verb: "pick", ID: id}.String()}}
			}
			return r.Reply(ctx, discord.Message{Content: "choose", Components: []discord.Row{
				row(discord.SelectUsers, "user"), row(discord.SelectRoles, "role"), row(discord.SelectChannels, "channel"),
			}})
		}})
		rt.Component("pick", saying(func(in *discord.Interaction) string {
			return "picked " + in.Component.ID.ID + " " + strings.Join(in.Component.Values, ",")
		}))
	})
	r.run("/set role: Worker channel: #stable")
	r.see("role and channel", content(sandbox.RoleWorker+" Worker "+sandbox.ChannelID+" stable"))
	if _, err := sand.RunLine(soon(t), sandbox.Newcomer, sandbox.ChannelID, "/set channel: #foals", nil); err == nil {
		t.Error("a thread passed for a text channel")
	}
	r.run("/ask")
	m := r.see("selects", content("choose"))
	for _, c := range []struct{ id, value string }{
		{"user", sandbox.Friend}, {"role", sandbox.RoleTrusted}, {"channel", sandbox.AdultChannelID},
	} {
		if _, err := sand.Choose(soon(t), sandbox.Newcomer, m.ID, discord.CustomID{Verb: "pick", ID: c.id}.String(), c.value); err != nil {
			t.Fatal(err)
		}
		r.see("the choice", content("picked "+c.id+" "+c.value))
	}
	ctx := soon(t)
	give := func(guild, user, role string) error { return r.bot.AddRole(ctx, guild, user, role, "a test") }
	for name, c := range map[string]struct {
		err  error
		is   func(error) bool
		want bool
	}{
		"a lower role":             {give(sandbox.GuildID, sandbox.Newcomer, sandbox.RoleWorker), func(err error) bool { return err == nil }, true},
		"in the other guild":       {give(sandbox.OtherGuildID, sandbox.Newcomer, sandbox.OtherRole), func(err error) bool { return err == nil }, true},
		"a higher role":            {give(sandbox.GuildID, sandbox.Newcomer, sandbox.RoleAdmin), discord.IsMissingPermission, true},
		"a managed role":           {give(sandbox.GuildID, sandbox.Newcomer, sandbox.RoleBooster), discord.IsMissingPermission, true},
		"its own role":             {give(sandbox.GuildID, sandbox.Newcomer, sandbox.RoleBot), discord.IsMissingPermission, true},
		"a role that is gone":      {give(sandbox.GuildID, sandbox.Newcomer, "1"), discord.IsUnknownRole, true},
		"somebody who is away":     {give(sandbox.OtherGuildID, sandbox.Friend, sandbox.OtherRole), discord.IsUnknownMember, true},
		"take what nobody gave":    {r.bot.RemoveRole(ctx, sandbox.GuildID, sandbox.Friend, sandbox.RoleWorker, ""), func(err error) bool { return err == nil }, true},
		"a guild it is not a part": {give("1", sandbox.Friend, sandbox.OtherRole), func(err error) bool { return err != nil }, true},
	} {
		if c.is(c.err) != c.want {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if diff := cmp.Diff([]string{sandbox.RoleWorker}, sand.Roles(sandbox.Newcomer)); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	for _, role := range sand.GuildRoles(sandbox.GuildID) {
		if role.ID == sandbox.RoleBot { // the bot loses its permission
			role.Permissions = 0
			if _, err := sand.SetRole(sandbox.GuildID, role); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.bot.RemoveRole(ctx, sandbox.GuildID, sandbox.Newcomer, sandbox.RoleWorker, ""); !discord.IsMissingPermission(err) {
		t.Errorf("without Manage Roles: %v", err)
	}
	roles, err := r.bot.Roles(ctx, sandbox.OtherGuildID)
	if err != nil || len(roles) != 4 {
		t.Errorf("Roles(other guild) = %v, %v, want 4", roles, err)
	}
	member, err := r.bot.Member(ctx, sandbox.GuildID, sandbox.Admin)
	if err != nil || !cmp.Equal(member.Roles, []string{sandbox.RoleAdmin}) {
		t.Errorf("Member(admin) = %v, %v", member, err)
	}
	thread, err := r.bot.Channel(ctx, sandbox.AdultThreadID)
	if err != nil || thread.ParentID != sandbox.AdultChannelID || thread.NSFW {
		t.Errorf("Channel(thread) = %+v, %v, want a parent and no mark of its own", thread, err)
	}
	parent, err := r.bot.Channel(ctx, thread.ParentID)
	if err != nil || !parent.NSFW {
		t.Errorf("Channel(parent) = %+v, %v, want restricted", parent, err)
	}
	r.clean()
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{Validate: validator(t)})
	router := func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(discord.CommandSpec{Name: "where", Description: "for a test", Descriptions: map[string]string{"de": "zum Testen"}, DMs: true})
		rt.Command("where", saying(func(in *discord.Interaction) string {
			nsfw := ""
			if in.ChannelNSFW {
				nsfw = " restricted"
			}
			return strings.Join([]string{in.GuildID, in.ChannelID, in.ChannelParent, in.Locale + nsfw}, "/")
		}))
	}
	r := startBot(t, sand, discord.Options{GuildID: "-"}, router)
	sand.SetLocale(sandbox.Newcomer, "de")
	for channel, want := range map[string]string{
		sandbox.ChannelID:                   sandbox.GuildID + "/" + sandbox.ChannelID + "//de",
		sandbox.AdultChannelID:              sandbox.GuildID + "/" + sandbox.AdultChannelID + "//de restricted",
		sandbox.AdultThreadID:               sandbox.GuildID + "/" + sandbox.AdultThreadID + "/" + sandbox.AdultChannelID + "/de",
		sandbox.ForumPostID:                 sandbox.GuildID + "/" + sandbox.ForumPostID + "/" + sandbox.ForumID + "/de",
		sandbox.OtherChannelID:              sandbox.OtherGuildID + "/" + sandbox.OtherChannelID + "//de",
		sandbox.DMChannel(sandbox.Newcomer): "/" + sandbox.DMChannel(sandbox.Newcomer) + "//de",
	} {
		if _, err := sand.RunCommand(soon(t), sandbox.Newcomer, channel, "where", nil); err != nil {
			t.Fatalf("%s: %v", channel, err)
		}
		r.see("the place", content(want))
	}
	if _, err := sand.RunCommand(soon(t), sandbox.Friend, sandbox.OtherChannelID, "where", nil); err == nil {
		t.Error("Friend is in a guild that they are not in")
	}
	sand.SetDMs(sandbox.Friend, false)
	if _, err := r.bot.DM(soon(t), sandbox.Friend, discord.Message{Content: "hello"}); !discord.IsCannotDM(err) {
		t.Errorf("DM to somebody who takes none: %v", err)
	}
	r.clean()
}

// A second start finds the commands as it left them, other languages included, and writes nothing.
func TestRegistersOnce(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{})
	fill := func(rt *discord.Router, _ *discord.Bot) {
		rt.Define(discord.CommandSpec{
			Name: "paint", Description: "for a test", Descriptions: map[string]string{"de": "zum Testen", "es-ES": "para probar"}, UserInstall: true,
			Options: []discord.OptionSpec{{
				Name: "style", Description: "how", Descriptions: map[string]string{"fr": "comment"}, Type: discord.OptionString,
				Choices: []discord.Choice{{Name: "oil", Value: "oil", Names: map[string]string{"de": "Öl"}}},
			}},
		}, discord.CommandSpec{Name: "Look", Menu: discord.MessageMenu, Names: map[string]string{"de": "Ansehen"}})
		rt.Command("paint", saying(func(*discord.Interaction) string { return "" }))
		rt.Command(discord.MenuPath(discord.MessageMenu, "Look"), saying(func(*discord.Interaction) string { return "" }))
	}
	for _, guild := range []string{"-", sandbox.OtherGuildID} {
		for start := range 2 {
			before := len(writes(sand))
			startBot(t, sand, discord.Options{GuildID: guild}, fill).stop()
			if got, want := len(writes(sand))-before, 1-start; got != want {
				t.Errorf("start %d, guild %s: commands written %d times, want %d", start, guild, got, want)
			}
		}
	}
}

func writes(s *sandbox.Server) []string {
	var out []string
	for _, e := range s.Log() {
		if e.Kind == "rest" && strings.HasPrefix(e.Title, "PUT /applications/") {
			out = append(out, e.Title)
		}
	}
	return out
}
