// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"strings"

	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// lacks refuses what the bot itself may not do where an interaction comes from, before any work for it, and names what is
// missing and for what. feature is the key of its name.
func lacks(in *discord.Interaction, w words.Words, feature string, need discord.Permissions) error {
	if in.AppPermissions.Has(need) {
		return nil
	}
	var missing []string
	for _, p := range []struct {
		bit discord.Permissions
		key string
	}{
		{discord.ViewChannel, "permission.viewchannel"},
		{discord.SendMessages, "permission.sendmessages"},
		{discord.AttachFiles, "permission.attachfiles"},
		{discord.CreateThreads, "permission.createthreads"},
		{discord.SendInThreads, "permission.sendinthreads"},
	} {
		if need&p.bit != 0 && !in.AppPermissions.Has(p.bit) {
			missing = append(missing, "**"+w.T(p.key)+"**")
		}
	}
	return tell(w.T("common.ineed", "What", w.T(feature), "Permissions", strings.Join(missing, ", ")))
}
