// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"image"
	"strconv"
	"strings"

	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// Small pictures of a history.
const (
	thumbSide    = 256 // pixels of the longer side
	thumbQuality = 75
)

// Bounds of one entry of a history, in characters after escaping: all of a page are to fit into one message.
const (
	maxPastName = 160
	maxPastLook = 140
)

// clipped is discord.Clip for a text that is escaped already: no half of an escape is left.
func clipped(escaped string, most int) string {
	short, cut := strings.CutSuffix(discord.Clip(escaped, most), "…")
	if !cut {
		return short
	}
	return strings.TrimRight(short, `\ `) + "…"
}

// historyPage is the private message with one page of a history, each entry with a small picture where there is one that
// may be shown here.
func (s *Set) historyPage(ctx context.Context, in *discord.Interaction, w words.Words, q query, pictures bool) (discord.Message, error) {
	all, err := s.pasts(ctx, in.User.ID, q)
	if err != nil {
		return discord.Message{}, err
	}
	if len(all) == 0 {
		return discord.Message{Ephemeral: true, Layout: discord.Layout{discord.Text(w.T("jobs.historynone"))}}, nil
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return discord.Message{}, err
	}
	pages := (len(all) + pastsPerPage - 1) / pastsPerPage
	q.page = min(max(q.page, 1), pages)
	all = all[(q.page-1)*pastsPerPage : min(len(all), q.page*pastsPerPage)]
	m := discord.Message{Ephemeral: true, Layout: discord.Layout{discord.Text("### " + w.T("jobs.historytitle"))}}
	sel := &discord.Select{CustomID: discord.CustomID{Verb: verbHistoryShow}.String(), Placeholder: w.T("jobs.showwhich")}
	for i, x := range all {
		star := ""
		if x.favourite {
			star = "⭐ "
		}
		number := (q.page-1)*pastsPerPage + i + 1
		text := fmt.Sprintf("%d. %s**%s**\n-# %s · %s", number, star, clipped(escape(discord.Clip(x.p.name(w), 120)), maxPastName), clipped(x.p.look(), maxPastLook), stamp(x.row.Created))
		sel.Options = append(sel.Options, discord.SelectOption{Label: discord.Clip(strconv.Itoa(number)+". "+x.p.name(w), 100), Value: short(x.row)})
		var file *discord.File
		if pictures && (!x.p.Adult || e.adult) {
			file = s.thumbOf(ctx, voice{w}, number, &x)
		}
		if file == nil {
			m.Layout = append(m.Layout, discord.Text(text))
			continue
		}
		m.Files = append(m.Files, *file)
		m.Layout = append(m.Layout, discord.Section{Texts: []string{text}, Picture: &discord.Picture{
			URL: file.Address(), Description: file.Description, Spoiler: file.Spoiler,
		}})
	}
	turn := func(key, emoji string, page int, usable bool) discord.Button {
		to := q
		to.page = page
		b := pickButton(w.T(key), emoji, verbHistory, strconv.Itoa(page), to.arg())
		b.Disabled = !usable
		return b
	}
	m.Layout = append(m.Layout, discord.Text("-# "+w.T("common.page", "Page", q.page, "Pages", pages)), discord.Row{Select: sel},
		discord.Row{Buttons: []discord.Button{
			turn("common.back", "◀️", q.page-1, q.page > 1), turn("common.next", "▶️", q.page+1, q.page < pages),
		}})
	return m, nil
}

// thumbOf is a small picture of a result's first image; nil when there is none.
func (s *Set) thumbOf(ctx context.Context, v voice, number int, x *past) *discord.File {
	there := x.p.there()
	if len(there) == 0 {
		return nil
	}
	data, err := s.deps.Images.Read(ctx, x.p.Made[there[0]-1].Blob, maxDelivered)
	if err == nil {
		data, err = s.thumb(ctx, data)
	}
	if err != nil {
		return nil // the words tell enough
	}
	return &discord.File{
		Name: "past-" + strconv.Itoa(number) + ".webp", ContentType: "image/webp", Data: data, Description: v.altOf(&x.p, there[0]), Spoiler: x.p.Veiled,
	}
}

// thumb makes a small picture of an image.
func (s *Set) thumb(ctx context.Context, data []byte) (out []byte, err error) {
	err = s.decoded(ctx, data, func(img image.Image) (err error) {
		out, err = asWebP(within(img, thumbSide), thumbQuality)
		return err
	})
	return out, err
}

// showPage brings a page, without pictures where Discord takes none.
func (s *Set) showPage(ctx context.Context, in *discord.Interaction, q query, send, again func(context.Context, discord.Message) error) error {
	m, err := s.historyPage(ctx, in, s.say(in), q, true)
	if err != nil {
		return err
	}
	err = send(ctx, m)
	if len(m.Files) == 0 || !discord.IsTooLarge(err) && !discord.IsMissingPermission(err) {
		return err
	}
	if m, err = s.historyPage(ctx, in, s.say(in), q, false); err != nil {
		return err
	}
	return again(ctx, m)
}

func (s *Set) listHistory(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	o := in.Command.Options
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	return s.showPage(ctx, in, query{
		page: int(o.Int("page", 1)), kind: jobKind(o.String("kind")), favourites: o.Bool("favourites", false), search: strings.TrimSpace(o.String("search")),
	}, r.Reply, r.Edit)
}

func (s *Set) pressHistory(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if err := r.DeferUpdate(ctx); err != nil {
		return err
	}
	return s.showPage(ctx, in, queryOf(in.Component.ID.Arg), r.Update, r.Update)
}
