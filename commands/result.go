// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Bounds of a result's files, in bytes.
const (
	maxImage     = 8 << 20
	maxDelivered = 24 << 20 // one image as it was delivered, before it is made small enough
	maxFiles     = 32 << 20 // all files of a message; Discord's own limit is for each
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
	noFiles bool // too large, however small they are made
	barred  bool // no files may be attached in that place
	noLinks bool // the guild's filter forbids them
	room    int  // bytes that all images may have; 0 is maxFiles
	noWords bool // the guild's filter forbids the prompt
	noRead  bool // images cannot be read, and were tried often enough
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
	if p.Tamed {
		through = lines("-# "+s.bundle.For(p.Locale).T("request.tamed"), through)
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
func (s *Set) progress(row chat.Message, p params, st horde.Status, ready time.Time, hasFiles bool, how showing) discord.Message {
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
	title := "**" + shown(p.Prompt) + "**"
	if how.noWords {
		title = v.T("request.blocked")
	}
	m := discord.Message{
		Content:   lines(title, state, "-# "+p.look()+" · "+mention(row.Person), s.notes(&p)),
		KeepFiles: hasFiles,
	}
	if p.CancelledBy == "" {
		m.Components = []discord.Row{{Buttons: []discord.Button{
			button(v.T("common.cancel"), "", verbCancel, short(row), discord.Secondary),
		}}}
		if !st.Possible && p.Forms == nil && p.Model != "" && len(s.otherModels(&p)) > 0 {
			m.Components[0].Buttons = append(m.Components[0].Buttons, newModelButton(v, short(row)))
		}
		if !st.Possible {
			m.Components[0].Buttons = append(m.Components[0].Buttons, s.notifyButtons(v, &p, short(row))...)
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
	got, err := s.images(ctx, row, p, st, how)
	if err != nil {
		return discord.Message{}, err
	}
	files, large := got.files, got.large
	if (how.noFiles || how.barred) && len(files) > 0 {
		files, large = nil, got.all
	}
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
	if got.censored > 0 {
		state = append(state, v.T("request.censored", "Count", got.censored))
	}
	if got.missing > 0 {
		state = append(state, v.T("request.missing", "Count", got.missing))
	}
	if len(large) > 0 {
		state = append(state, s.apart(v, large, how, p.Veiled))
	}
	if made == 0 && st.Kudos > 0 {
		state = append(state, v.spent(st.Kudos))
	}
	title := p.title(v.Words)
	if how.noWords {
		title = v.T("request.blocked")
		wordless(v, files)
	}
	parts := []string{title, strings.Join(state, "\n")}
	if made > 0 {
		q := p
		q.Model = got.model
		detail := []string{q.look(), v.seeds(got.seeds), textSeconds(end.at.Sub(row.Created)), kudosWord(st.Kudos), mention(row.Person)}
		parts = append(parts, "-# "+strings.Join(append(detail, v.origin(&p)...), " · "))
	} else {
		parts = append(parts, "-# "+p.look()+" · "+mention(row.Person))
	}
	rows := s.resultRows(row, &p)
	if last := &rows[len(rows)-1]; s.mayRateOwn(row, st, len(files)) && len(last.Buttons) < discord.MaxButtons {
		last.Buttons = append(last.Buttons, s.rateSetButton(row, p))
	}
	if p.Brought && len(files) > 0 && len(files) < discord.MaxFiles {
		files = append(files, s.sourceFile(ctx, row, &p, cmp.Or(how.room, maxFiles)-weight(files))...)
	}
	return discord.Message{
		Content: lines(append(parts, s.notes(&p))...), Files: files, Components: rows,
	}, nil
}

// wordless gives images a text without the prompt.
func wordless(v voice, files []discord.File) {
	for i := range files {
		files[i].Description = v.alt("")
	}
}

// direct is a result as a direct message to its person. The buttons belong to the channel; what is for adults goes only to
// whom it may, and hidden.
func (s *Set) direct(ctx context.Context, person string, p *params, m discord.Message) (discord.Message, error) {
	m.Components = nil
	if !p.Adult {
		return m, nil
	}
	may, err := s.adultDirectly(ctx, person)
	if err != nil {
		return m, err
	}
	if !may {
		w := s.wordsFor(ctx, person)
		return discord.Message{Content: w.T("request.adultdirect", "Settings", s.cmd("settings panel"), "History", s.cmd("history list"))}, nil
	}
	for i := range m.Files {
		m.Files[i].Spoiler = true
	}
	return m, nil
}

// adultDirectly reports whether somebody may get what is for adults as a direct message: between the two of us other rules
// hold than in a channel.
func (s *Set) adultDirectly(ctx context.Context, person string) (bool, error) {
	mine, _, err := s.people.get(ctx, person)
	if err != nil {
		return false, fmt.Errorf("settings of a person: %w", err)
	}
	return !mine.Adult.IsZero() && !mine.Mild && s.opts.Ceiling.Adult, nil
}

// handOver is the last state of a message that cannot be edited much longer.
func (s *Set) handOver(row chat.Message, p params) discord.Message {
	key := "request.handover"
	if !row.Ephemeral {
		key = "request.handoverhere"
	}
	return discord.Message{
		Content:    lines(p.title(s.voiceOf(&p).Words), s.voiceOf(&p).T(key), "-# "+p.look()),
		Components: []discord.Row{{Buttons: []discord.Button{showButton(s.voiceOf(&p), row)}}},
	}
}

// showButton makes the button that shows where a request stands.
func showButton(v voice, row chat.Message) discord.Button {
	return button(v.T("request.show"), "👀", verbShow, strings.TrimPrefix(row.Key, keyPrefix), discord.Primary)
}

// found is what was delivered: the files to attach, and what there is to say about them.
type found struct {
	files    []discord.File
	seeds    []string
	model    string
	censored int    // not shown
	missing  int    // not kept any more
	all      []kept // that are kept
	large    []kept // of these: too large for Discord, however small they are made
}

// images reads what was delivered, and makes it as small as Discord wants it here.
func (s *Set) images(ctx context.Context, row chat.Message, p params, st horde.Status, how showing) (out found, err error) {
	v := s.voiceOf(&p)
	var images [][]byte
	total := 0
	for i, g := range st.Generations {
		out.model = g.Model
		if g.Censored {
			out.censored++
			continue
		}
		data, err := s.deps.Images.Read(ctx, g.Blob, maxDelivered)
		switch {
		case errors.Is(err, fs.ErrNotExist), err != nil && how.noRead:
			out.missing++
			continue
		case err != nil:
			return out, fmt.Errorf("read image: %w", err)
		}
		out.seeds = append(out.seeds, strconv.FormatUint(uint64(g.Seed), 10))
		images, out.all = append(images, data), append(out.all, kept{i + 1, g.Blob})
		total += len(data)
	}
	room, each := cmp.Or(how.room, maxFiles), int(s.bot.UploadLimit(row.Guild, 0))
	if total > room {
		each = min(each, room/len(images))
	}
	for i, x := range out.all {
		data, err := s.shrink(ctx, images[i], each)
		switch {
		case err != nil:
			return out, fmt.Errorf("make an image smaller: %w", err)
		case data == nil:
			out.large = append(out.large, x)
			continue
		}
		kind, ending := imageKind(data)
		out.files = append(out.files, discord.File{
			Name: short(row) + "-" + strconv.Itoa(x.number) + ending, ContentType: kind, Data: data, Description: v.altOf(&p, x.number),
			Spoiler: p.Veiled,
		})
	}
	if len(out.seeds) == 0 {
		for _, g := range st.Generations {
			out.seeds = append(out.seeds, strconv.FormatUint(uint64(g.Seed), 10))
		}
	}
	return out, nil
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
