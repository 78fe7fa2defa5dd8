// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Bounds of a result's files.
const (
	maxImage   = 8 << 20 // bytes of one
	maxSmaller = 2       // attempts with smaller files when Discord refuses them, each with a quarter of the bytes
)

// endKind says how a request ended.
type endKind int

const (
	endDone    endKind = iota // finished, faulted or cancelled: the status says which
	endExpired                // the core has forgotten it
	endLost                   // it was never placed, and that was long ago
	endRefused                // the core refused it
)

// ending is how and when a request ended.
type ending struct {
	kind   endKind
	status horde.Status // of endDone
	words  string       // of endRefused
	at     time.Time
}

// showing is what a result must leave out because Discord refused it.
type showing struct {
	noFiles bool // too large
	noWords bool // the guild's filter forbids the prompt
	noRead  bool // images cannot be read, and were tried often enough
	smaller int  // how often files were too large
}

// look is the line about how an image is made.
func (p *params) look() string {
	switch {
	case p.Forms != nil:
		return escape(strings.Join(p.Forms.Names, ", "))
	case p.Text != nil:
		return escape(cmp.Or(p.Model, "any model"))
	}
	text := lookText(p.Model, p.Width, p.Height)
	if p.Style != "" {
		text += " · " + p.Style
	}
	return escape(text)
}

// notes are the lines about the account that pays.
func (s *Set) notes(p *params) string {
	through := ""
	if p.Paid != nil {
		through = "-# " + s.bundle.For(p.Locale).T("sharedkey.paid", "Name", escape(p.Paid.Name))
	}
	switch {
	case p.Opened != nil:
		return lines(s.voiceOf(p).opened(*p.Opened, s.cmd("login")), through)
	case through != "":
		return through
	case p.User == horde.Anonymous:
		return s.voiceOf(p).T("request.anonymous", "Login", s.cmd("login"))
	}
	return ""
}

// progress is the message of a request that is not finished. ready is when it should be; a time that has passed shows no
// countdown.
func (s *Set) progress(row chat.Message, p params, st horde.Status, ready time.Time, hasFiles bool) discord.Message {
	v := s.voiceOf(&p)
	countdown := v.T("request.soon")
	if ready.After(s.now().Add(time.Second)) {
		countdown = stamp(ready)
	}
	var state string
	switch {
	case p.CancelledBy != "":
		state = v.T("request.cancelled")
	case !st.Possible:
		state = v.impossible(escape(st.Why), st.Expiry)
	case st.Processing > 0 || st.Finished > 0:
		step, steps := s.engine.Steps(st.ID)
		state = v.working(st.Progress, p.Amount, countdown, step, steps)
	default:
		state = v.queued(st.Position, countdown)
	}
	if p.Forms != nil && len(p.Forms.Names) > 1 {
		state = lines(state, discord.Clip(s.formStates(v.Words, st), maxFormStates))
	}
	m := discord.Message{
		Content:   lines("**"+shown(p.Prompt)+"**", state, "-# "+p.look()+" · "+mention(row.Person), s.notes(&p)),
		KeepFiles: hasFiles,
	}
	if p.CancelledBy == "" {
		m.Components = []discord.Row{{Buttons: []discord.Button{
			button(v.T("common.cancel"), "", verbCancel, short(row), discord.Secondary),
		}}}
		if !st.Possible && p.Forms == nil && p.Model != "" && len(s.otherModels(&p)) > 0 {
			m.Components[0].Buttons = append(m.Components[0].Buttons, newModelButton(v, short(row)))
		}
	}
	return m
}

// result is the message of a request that has ended. It fails when images cannot be read now.
func (s *Set) result(ctx context.Context, row chat.Message, p params, end ending, how showing) (discord.Message, error) {
	switch {
	case end.kind != endDone:
	case p.Text != nil:
		return s.textResult(row, p, end, how), nil
	case p.Forms != nil:
		return s.formsResult(ctx, row, p, end, how)
	}
	st, v := end.status, s.voiceOf(&p)
	if len(st.Generations) > 0 {
		p.Made = madeOf(st)
	}
	pics, err := s.images(ctx, row, p, st, how)
	if err != nil {
		return discord.Message{}, err
	}
	files := pics.files
	made := len(st.Generations)
	var state []string
	switch {
	case end.kind == endExpired:
		state = append(state, v.T("request.expired"))
	case end.kind == endLost:
		state = append(state, v.T("request.lost"))
	case end.kind == endRefused:
		state = append(state, v.refused(end.words))
	case st.Faulted && made == 0:
		state = append(state, v.T("request.faulted"))
	case st.Faulted:
		state = append(state, v.T("request.faulted"), v.some(made, p.Amount))
	case p.CancelledBy != "" && made < p.Amount:
		state = append(state, v.cancelledBy(p.CancelledBy))
		if made > 0 {
			state = append(state, v.some(made, p.Amount))
		}
	case made == 0:
		state = append(state, v.T("request.nothing"))
	case made < p.Amount:
		state = append(state, v.some(made, p.Amount))
	}
	if pics.censored > 0 {
		state = append(state, v.T("request.censored", "Count", pics.censored))
	}
	if pics.missing > 0 {
		state = append(state, v.T("request.missing", "Count", pics.missing))
	}
	if pics.large > 0 && (!how.noFiles || len(files) == 0) {
		state = append(state, v.T("request.toolarge"))
	}
	if how.noFiles && len(files) > 0 {
		state = append(state, v.T("request.toolarge"))
		files = nil
	}
	if made == 0 && st.Kudos > 0 {
		state = append(state, v.spent(st.Kudos))
	}
	title := "**" + shown(p.Prompt) + "**"
	if how.noWords {
		title = v.T("request.blocked")
		for i := range files {
			files[i].Description = v.alt("")
		}
	}
	parts := []string{title, strings.Join(state, "\n")}
	if made > 0 {
		q := p
		q.Model = pics.model
		detail := []string{q.look(), v.seeds(pics.seeds), textSeconds(end.at.Sub(row.Created)), kudosWord(st.Kudos)}
		parts = append(parts, "-# "+strings.Join(append(detail, mention(row.Person)), " · "))
	} else {
		parts = append(parts, "-# "+p.look()+" · "+mention(row.Person))
	}
	rows := s.resultRows(row, &p)
	if last := &rows[len(rows)-1]; s.mayRateOwn(row, st, len(files)) && len(last.Buttons) < discord.MaxButtons {
		last.Buttons = append(last.Buttons, s.rateSetButton(row, p))
	}
	return discord.Message{
		Content: lines(append(parts, s.notes(&p))...), Files: files, Components: rows,
	}, nil
}

// handOver is the last state of a message that cannot be edited much longer.
func (s *Set) handOver(row chat.Message, p params) discord.Message {
	key := "request.handover"
	if !row.Ephemeral {
		key = "request.handoverhere"
	}
	return discord.Message{
		Content:    lines("**"+shown(p.Prompt)+"**", s.voiceOf(&p).T(key), "-# "+p.look()),
		Components: []discord.Row{{Buttons: []discord.Button{showButton(s.voiceOf(&p), row)}}},
	}
}

// showButton makes the button that shows where a request stands.
func showButton(v voice, row chat.Message) discord.Button {
	return button(v.T("request.show"), "👀", verbShow, strings.TrimPrefix(row.Key, keyPrefix), discord.Primary)
}

// pictures are the images of a result, ready to be attached, and what there is to say about the others.
type pictures struct {
	files                    []discord.File
	seeds                    []string
	model                    string
	censored, missing, large int
}

// uploadRoom is how many bytes the files of a message may have in all.
func (s *Set) uploadRoom(guild string, how showing) int {
	return int(s.bot.UploadLimit(guild, 0)) >> (2 * how.smaller)
}

// images reads what was delivered. Censored images are not shown, images that are not kept any more are counted. Where
// they are too large together, each is made smaller; where that does not help, it is left out.
func (s *Set) images(ctx context.Context, row chat.Message, p params, st horde.Status, how showing) (pictures, error) {
	var out pictures
	total := 0
	v := s.voiceOf(&p)
	alt := v.alt(discord.Clip(plain(p.Prompt), promptShown))
	if p.NoAlt {
		alt = v.alt("")
	}
	for i, g := range st.Generations {
		out.model = g.Model
		if g.Censored {
			out.censored++
			continue
		}
		data, err := s.deps.Images.Read(ctx, g.Blob, maxImage)
		switch {
		case errors.Is(err, fs.ErrNotExist), err != nil && how.noRead:
			out.missing++
			continue
		case err != nil:
			return out, fmt.Errorf("read image: %w", err)
		}
		out.seeds = append(out.seeds, strconv.FormatUint(uint64(g.Seed), 10))
		total += len(data)
		f := discord.File{Name: short(row) + "-" + strconv.Itoa(i+1), Data: data, Description: alt, Spoiler: p.Veiled}
		if said := p.Alts[i+1]; said != "" {
			f.Description = said
		}
		out.files = append(out.files, f)
	}
	if room := s.uploadRoom(row.Guild, how); total > room && !how.noFiles {
		if err := s.squash(ctx, &out, room); err != nil {
			return out, err
		}
	}
	for i := range out.files {
		f, ending := &out.files[i], ""
		f.ContentType, ending = imageKind(f.Data)
		f.Name += ending
	}
	if len(out.seeds) == 0 {
		for _, g := range st.Generations {
			out.seeds = append(out.seeds, strconv.FormatUint(uint64(g.Seed), 10))
		}
	}
	return out, nil
}

// squash makes images fit into a message: small ones stay as they are, and leave the others what they do not need.
func (s *Set) squash(ctx context.Context, pics *pictures, room int) error {
	order := make([]int, len(pics.files))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(len(pics.files[a].Data), len(pics.files[b].Data)) })
	for n, i := range order {
		data, err := s.shrink(ctx, pics.files[i].Data, room/(len(order)-n))
		if err != nil {
			return err
		}
		pics.files[i].Data = data
		room -= len(data)
	}
	before := len(pics.files)
	pics.files = slices.DeleteFunc(pics.files, func(f discord.File) bool { return f.Data == nil })
	pics.large = before - len(pics.files)
	return nil
}

// imageKind tells a file's type by its content.
func imageKind(data []byte) (contentType, ending string) {
	switch kind := http.DetectContentType(data); kind {
	case "image/webp":
		return kind, ".webp"
	case "image/png":
		return kind, ".png"
	case "image/jpeg":
		return kind, ".jpg"
	default:
		return "application/octet-stream", ".bin"
	}
}
