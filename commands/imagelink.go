// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"stablemate/commands/chat"
	"stablemate/internal/discord"
)

// Links to images that are not attached.
const (
	linkLife = 24 * time.Hour // as long as Discord's own addresses of files work
	maxLinks = 1100           // characters of them in a message

	maxLinkField = 900 // and in a field of an embed
)

// kept is an image of a request that is kept: its number, from 1, and its key.
type kept struct {
	number int
	key    string
}

// imageLinks writes a link to each image in a line, as many as fit into so many characters, and tells when they end. It is
// empty where people cannot reach this horde. What is to be hidden until it is clicked stands behind spoilers.
func (s *Set) imageLinks(v voice, images []kept, veiled bool, most int) (line string, ends time.Time) {
	if s.deps.Link == nil {
		return "", ends
	}
	var parts []string
	for _, x := range images {
		address, ok := s.deps.Link(x.key, linkLife)
		if !ok {
			break
		}
		one := "[" + v.T("image.number", "Number", x.number) + "](" + address + ")"
		if veiled {
			one = "||" + one + " ||" // the blank keeps the bars out of the address
		}
		if most -= utf8.RuneCountInString(one) + len(" · "); most < 0 {
			break
		}
		parts = append(parts, one)
	}
	return strings.Join(parts, " · "), s.now().Add(linkLife)
}

// mayLink reports whether images can be shown by link.
func (s *Set) mayLink() bool {
	if s.deps.Link == nil {
		return false
	}
	_, ok := s.deps.Link(pendingKey, linkLife)
	return ok
}

// apart is the line of a result about images that are not attached to it.
func (s *Set) apart(v voice, images []kept, how showing, veiled bool) string {
	why := "request.toolarge"
	if how.barred {
		why = "request.barred"
	}
	if how.noLinks {
		return v.T(why)
	}
	line, ends := s.imageLinks(v, images, veiled, maxLinks)
	if line == "" {
		return v.T(why)
	}
	return lines(v.T(why), "🔗 "+line, "-# "+v.T("request.linksend", "Ends", stamp(ends), "Info", "**"+v.T("image.info")+"**"))
}

// goAround leaves out what Discord does not take in that place, and reports whether another try may help.
func (e *editor) goAround(err error, m discord.Message) bool {
	code := 0
	if api, ok := errors.AsType[*discord.APIError](err); ok {
		code = api.Code
	}
	switch {
	case discord.IsTooLarge(err) && !e.how.noFiles:
		e.smaller(m.Files)
	case discord.IsMissingPermission(err) && len(m.Files) > 0 && e.s.mayLink():
		e.how.barred = true
	case code == codeBlockedLink && !e.how.noLinks:
		e.how.noLinks, e.how.noWords = true, true
	case code == codeBlockedText && !e.how.noWords:
		e.how.noWords = true
	case code == codeBlockedText && !e.how.noLinks:
		e.how.noLinks = true
	default:
		return false
	}
	return true
}

// sourceFile is the image that a result began with, where it is still kept and fits beside the result; else there is none.
func (s *Set) sourceFile(ctx context.Context, row chat.Message, p *params, room int) []discord.File {
	data, err := s.deps.Images.Read(ctx, p.Source, maxDelivered)
	if err == nil {
		data, err = s.shrink(ctx, data, min(room, int(s.bot.UploadLimit(row.Guild, 0))))
	}
	if err != nil || data == nil {
		return nil // the result counts
	}
	kind, ending := imageKind(data)
	return []discord.File{{
		Name: short(row) + "-source" + ending, ContentType: kind, Data: data, Description: s.voiceOf(p).T("image.source"), Spoiler: p.Veiled,
	}}
}

// weight is how many bytes files have.
func weight(files []discord.File) (total int) {
	for _, f := range files {
		total += len(f.Data)
	}
	return total
}
