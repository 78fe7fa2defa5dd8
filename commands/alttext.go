// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"strconv"
	"strings"

	"stablemate/internal/discord"
)

// verbSetAlt is the verb of the button that makes a description the alt text of an image of ours.
const verbSetAlt = "sa"

// ownImage reads the name of a file as results have it: which request it is of, and which of its images. Both are empty for
// other files. Anybody may name a file so: it is looked up before anything is done with it.
func ownImage(name string) (id string, number int) {
	name = strings.TrimPrefix(name, "SPOILER_")
	id, n, ok := strings.Cut(strings.TrimSuffix(name, path.Ext(name)), "-")
	number, err := strconv.Atoi(n)
	if _, bad := strconv.ParseUint(id, 10, 64); !ok || err != nil || bad != nil || number < 1 || number > maxAmount {
		return "", 0
	}
	return id, number
}

// pressSetAlt makes a description the alt text of the image that it is about, for whoever may change that message.
func (s *Set) pressSetAlt(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	w := s.say(in)
	if row.Person != in.User.ID {
		return r.Reply(ctx, private(w.T("request.private")))
	}
	if p.Forms == nil || p.Forms.Of == "" {
		return r.Reply(ctx, private(w.T("request.old")))
	}
	of, known, err := s.deps.Messages.MessageByKey(ctx, keyOf(p.Forms.Of))
	if err != nil {
		return fmt.Errorf("find message: %w", err)
	}
	text := ""
	for _, g := range p.Made {
		if t := altWords(answer(w, g)); t != "" {
			text = t
		}
	}
	var q params
	switch {
	case !known || text == "" || isGone(of) || json.Unmarshal(of.Params, &q) != nil:
		return r.Reply(ctx, private(w.T("request.gone")))
	case of.Person != in.User.ID && (of.Channel != in.ChannelID || !governs(in, of)):
		return r.Reply(ctx, private(w.T("request.notyours")))
	case of.Open:
		return r.Reply(ctx, private(w.T("request.notyet")))
	}
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	q.Alts = maps.Clone(q.Alts)
	if q.Alts == nil {
		q.Alts = make(map[int]string)
	}
	q.Alts[p.Forms.Number] = text
	if of.Params, err = json.Marshal(q); err != nil {
		return fmt.Errorf("encode parameters: %w", err)
	}
	if err := s.deps.Messages.SaveMessage(ctx, of); err != nil {
		return fmt.Errorf("save message: %w", err)
	}
	ref := discord.MessageRef{ChannelID: of.Channel, MessageID: of.Message, AppID: of.App, Ephemeral: of.Ephemeral}
	_, err = s.bot.DescribeFiles(ctx, ref, func(name string) (string, bool) {
		id, number := ownImage(name)
		return text, id == p.Forms.Of && number == p.Forms.Number
	})
	switch {
	case errors.Is(err, discord.ErrUnreachable), discord.IsUnknownMessage(err), discord.IsMissingPermission(err):
		return r.Reply(ctx, private(w.T("tools.altlater")))
	case err != nil:
		return err
	}
	return r.Reply(ctx, private(w.T("tools.altset")))
}
