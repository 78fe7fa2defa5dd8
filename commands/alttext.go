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

	"stablemate/commands/chat"
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
	done, err := s.noteAlt(ctx, of, &q, p.Forms.Number, text)
	switch {
	case err != nil:
		return err
	case !done:
		return r.Reply(ctx, private(w.T("request.gone")))
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

// noteAlt notes what an image of a request shows that is not open. done is false when the request was changed or deleted
// since it was read: that counts. One whose words were erased gets none anew: only its message has them.
func (s *Set) noteAlt(ctx context.Context, row chat.Message, p *params, number int, text string) (done bool, err error) {
	p.Alts = maps.Clone(p.Alts)
	if p.Alts == nil {
		p.Alts = make(map[int]string)
	}
	p.Alts[number] = text
	if p.Erased {
		return true, nil
	}
	return s.replaceParams(ctx, &row, p)
}
