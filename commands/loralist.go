// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"stablemate/horde"
	"stablemate/internal/discord"
)

// loraStyles is how many pages of the most used styles are looked through for LoRAs.
const loraStyles = 4

// inList suggests what goes on a list of which some is typed: each choice stands behind the entries before the last comma.
func inList(all []discord.Choice, typed string) []discord.Choice {
	i := strings.LastIndex(typed, ",")
	before, last := typed[:i+1], strings.ToLower(strings.TrimSpace(typed[i+1:]))
	if before != "" {
		before += " "
	}
	const most = 100 // characters that Discord lets a suggestion have
	var out []discord.Choice
	for _, c := range all {
		value, _ := c.Value.(string)
		if strings.Contains(before, value+",") {
			continue // once is enough
		}
		if !strings.Contains(strings.ToLower(c.Name), last) && !strings.Contains(strings.ToLower(value), last) || utf8.RuneCountInString(before+value) > most {
			continue
		}
		if out = append(out, discord.Choice{Name: discord.Clip(before+c.Name, most), Value: before + value}); len(out) == discord.MaxChoices {
			break
		}
	}
	return out
}

// knownNetworks lists LoRAs, or textual inversions, that made something here: those of somebody's own results, newest
// first, and those of public styles. What others ask for stays theirs. Nothing is looked up elsewhere.
func (s *Set) knownNetworks(ctx context.Context, in *discord.Interaction, loras bool) []discord.Choice {
	e, err := s.effective(ctx, in)
	if err != nil {
		return nil
	}
	var out []discord.Choice
	seen := make(map[string]bool)
	add := func(from, name string, strength float64) {
		if name == "" || seen[name] || strings.ContainsAny(name, ",:\n") {
			return
		}
		seen[name] = true
		value := name + ":" + strconv.FormatFloat(strength, 'f', -1, 64)
		out = append(out, discord.Choice{Name: plain(value + " · " + from), Value: value})
	}
	take := func(from string, f []horde.Lora, t []horde.TI) {
		if loras {
			for _, l := range f {
				add(from, l.Name, l.Model)
			}
			return
		}
		for _, x := range t {
			add(from, x.Name, x.Strength)
		}
	}
	recent, err := s.recent(ctx, in.User.ID)
	if err != nil {
		s.log.Warn().Err(err).Msg("cannot read what somebody made lately")
	}
	for _, r := range recent {
		if f := r.value.Fine; f != nil && len(r.value.Made) > 0 {
			take("⭐", f.Loras, f.TIs)
		}
	}
	for page := 1; page <= loraStyles; page++ {
		list := s.engine.Styles(horde.StyleQuery{Kind: horde.StyleImage, Sort: horde.SortPopular, Page: page})
		for _, v := range list {
			if v.Image != nil && (!v.NSFW || e.adult) && !e.blockedStyle(v.Name) {
				take(v.Name, v.Image.Loras, v.Image.TIs)
			}
		}
		if len(list) < horde.StylesPerPage {
			break
		}
	}
	return out
}

// textReach is how many tokens the workers of a model for texts read and write at most.
type textReach struct{ context, length int }

// textReaches finds what the workers that are online now offer, by model.
func (s *Set) textReaches() map[string]textReach {
	out := make(map[string]textReach)
	for _, w := range s.engine.Workers(true) {
		if w.Type != horde.Scribe || w.Maintenance {
			continue
		}
		for _, m := range w.Offer.Models {
			r := out[m]
			out[m] = textReach{max(r.context, w.Offer.MaxContext), max(r.length, w.Offer.MaxLength)}
		}
	}
	return out
}
