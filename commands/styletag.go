// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"stablemate/horde"
	"stablemate/internal/discord"
)

// tagMark begins a tag in the option "style": any style that has it.
const tagMark = "🏷️ "

// Bounds of tags in suggestions.
const (
	maxTagsOffered = 5
	leastTagged    = 2   // styles that have a tag, for it to be worth choosing from
	maxTagged      = 100 // styles that are drawn from
)

// styleTags lists the tags that most of some styles have.
func styleTags(list []horde.StyleView) []string {
	count := make(map[string]int)
	for _, v := range list {
		for _, t := range v.Tags {
			count[t]++
		}
	}
	var out []string
	for t, n := range count {
		if n >= leastTagged {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), strings.Compare(a, b)) })
	return out
}

// drawStyle picks one of the styles with a tag that may be used here. Which one depends on the interaction: asking again
// draws anew.
func (s *Set) drawStyle(ctx context.Context, in *discord.Interaction, kind horde.StyleKind, tag string) (string, error) {
	e, err := s.effective(ctx, in)
	if err != nil {
		return "", err
	}
	var list []horde.StyleView
	for page := 1; len(list) < maxTagged; page++ {
		got := s.engine.Styles(horde.StyleQuery{Kind: kind, Sort: horde.SortPopular, Page: page, Tag: tag})
		for _, v := range got {
			if (!v.NSFW || e.adult) && !slices.ContainsFunc(append(slices.Clone(v.Tags), v.Name, v.FullName()), e.blockedStyle) &&
				!slices.ContainsFunc(v.Models, func(m string) bool { return kind == horde.StyleImage && !e.serves(m) }) {
				list = append(list, v)
			}
		}
		if len(got) < horde.StylesPerPage {
			break
		}
	}
	if len(list) == 0 {
		return "", tell(e.say.T("effective.style", "Style", escape(tagMark+tag)))
	}
	id, _ := strconv.ParseUint(in.ID, 10, 64)
	id ^= id >> 22 // the time in it differs most
	return list[id%uint64(len(list))].FullName(), nil
}
