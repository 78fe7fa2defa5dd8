package discord_test

import (
	"testing"

	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

func TestMessagesArePinned(t *testing.T) {
	t.Parallel()
	sand := startSandbox(t, sandbox.Options{Validate: validator(t)})
	r := startBot(t, sand, discord.Options{}, func(*discord.Router, *discord.Bot) {})
	m, err := sand.Post(sandbox.Friend, sandbox.ChannelID, "a red apple")
	if err != nil {
		t.Fatal(err)
	}
	pinned := func() bool {
		for _, x := range sand.Messages(sandbox.ChannelID, sandbox.Friend) {
			if x.ID == m.ID {
				return x.Pinned
			}
		}
		return false
	}
	for range 2 { // the second time there is nothing to do
		if err := r.bot.PinMessage(soon(t), sandbox.ChannelID, m.ID); err != nil || !pinned() {
			t.Fatalf("PinMessage = %v, pinned: %t", err, pinned())
		}
	}
	for range 2 {
		if err := r.bot.UnpinMessage(soon(t), sandbox.ChannelID, m.ID); err != nil || pinned() {
			t.Fatalf("UnpinMessage = %v, pinned: %t", err, pinned())
		}
	}
	// Where the route of today does not exist, the older one does it.
	sand.Arm(sandbox.Fault{Kind: sandbox.Status, Code: 404, Path: "/messages/pins/", Times: -1})
	if err := r.bot.PinMessage(soon(t), sandbox.ChannelID, m.ID); err != nil || !pinned() {
		t.Errorf("PinMessage by the older route = %v, pinned: %t", err, pinned())
	}
	if err := r.bot.UnpinMessage(soon(t), sandbox.ChannelID, m.ID); err != nil || pinned() {
		t.Errorf("UnpinMessage by the older route = %v, pinned: %t", err, pinned())
	}
	sand.Disarm()
	if err := r.bot.PinMessage(soon(t), sandbox.ChannelID, "1"); !discord.IsUnknownMessage(err) {
		t.Errorf("PinMessage of nothing = %v", err)
	}
	if err := r.bot.UnpinMessage(soon(t), sandbox.ChannelID, "1"); err != nil {
		t.Errorf("UnpinMessage of nothing = %v", err)
	}
	list := sand.GuildRoles(sandbox.GuildID)
	for _, role := range list {
		if role.ID == sandbox.RoleBot {
			role.Permissions = 1<<10 | 1<<11
			if _, err := sand.SetRole(sandbox.GuildID, role); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.bot.PinMessage(soon(t), sandbox.ChannelID, m.ID); !discord.IsMissingPermission(err) {
		t.Errorf("PinMessage without the permission = %v", err)
	}
}
