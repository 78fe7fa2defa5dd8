// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// sectionPlaces is where things are shown, and the rules of parties: what the whole guild decides alone.
const sectionPlaces = "places"

// place names of a guild's channels with a purpose.
const (
	placeLog     = "log"
	placeFeed    = "feed"
	placeGallery = "gallery"
)

// sections lists the sections of the panel of a scope.
func sections(scope string) []string {
	all := []string{sectionLimits, sectionContent, sectionLists, sectionAccess}
	if scope == wholeGuild {
		all = append(all, sectionPlaces)
	}
	return append(all, sectionGeneral)
}

// placeOf is the channel of a guild for a purpose; nil where there is no such purpose.
func placeOf(g *chat.Guild, what string) *string {
	switch what {
	case placeLog:
		return &g.Log
	case placeFeed:
		return &g.Feed
	case placeGallery:
		return &g.Gallery
	}
	return nil
}

// starsOf is how many people must keep an image for the gallery.
func starsOf(g chat.Guild) int {
	if g.Stars == 0 {
		return chat.DefaultStars
	}
	return g.Stars
}

// placeLines are the lines of what only the whole guild decides, always as many; empty values say that nothing is decided.
func placeLines(w words.Words, g chat.Guild) []discord.Field {
	var out []discord.Field
	for _, what := range []string{placeLog, placeFeed, placeGallery} {
		f := discord.Field{Name: w.T("server.f." + what)}
		if channel := *placeOf(&g, what); channel != "" {
			f.Value = "<#" + channel + ">"
			if what == placeGallery {
				f.Value += " · " + w.T("server.v.stars", "Count", starsOf(g))
			}
		}
		out = append(out, f)
	}
	var parties []string
	for i, n := range partyNumbers(&g.Parties) {
		if *n > 0 {
			parties = append(parties, w.T("server.party."+partyKeys()[i])+": "+strconv.Itoa(*n))
		}
	}
	return append(out, discord.Field{Name: w.T("server.f.parties"), Value: strings.Join(parties, " · ")})
}

func partyKeys() []string { return []string{"atonce", "days", "award", "prize"} }

func partyNumbers(r *chat.PartyRules) []*int { return []*int{&r.AtOnce, &r.Days, &r.Award, &r.Prize} }

// placeRows are the controls of the section.
func placeRows(w words.Words, g chat.Guild) []discord.Row {
	choose := func(what string) discord.Row {
		return discord.Row{Select: &discord.Select{
			Kind: discord.SelectChannels, CustomID: serverID(wholeGuild, sectionPlaces+"/"+what), Placeholder: discord.Clip(w.T("server.f."+what), 150),
		}}
	}
	press := func(key, what string, style discord.ButtonStyle) discord.Button {
		return discord.Button{Label: discord.Clip(w.T(key), discord.MaxLabel), CustomID: serverID(wholeGuild, sectionPlaces+"/"+what), Style: style}
	}
	last := []discord.Button{press("server.places.edit", "edit", discord.Primary)}
	if g.Feed != "" {
		last = append(last, press("server.nofeed", "nofeed", discord.Secondary))
	}
	if g.Gallery != "" {
		last = append(last, press("server.nogallery", "nogallery", discord.Secondary))
	}
	return []discord.Row{choose(placeFeed), choose(placeGallery), {Buttons: last}}
}

// pressPlace handles the controls of the section.
func (s *Set) pressPlace(ctx context.Context, in *discord.Interaction, r *discord.Responder, what string) error {
	switch what {
	case placeFeed, placeGallery:
		return s.setPlace(ctx, in, r, what, picked(in))
	case "nofeed", "nogallery":
		return s.setPlace(ctx, in, r, strings.TrimPrefix(what, "no"), "")
	}
	g, _, err := s.guilds.get(ctx, in.GuildID)
	if err != nil {
		return fmt.Errorf("settings of a guild: %w", err)
	}
	w := s.say(in)
	form := discord.Modal{CustomID: serverID(wholeGuild, sectionPlaces+"/edit"), Title: discord.Clip(w.T("server.title"), discord.MaxModalTitle)}
	add := func(id, label string, n int) {
		value := ""
		if n > 0 {
			value = strconv.Itoa(n)
		}
		form.Inputs = append(form.Inputs, discord.Input{
			CustomID: id, Label: discord.Clip(label, discord.MaxInputLabel), Value: value, Max: 7, Placeholder: w.T("server.number"),
		})
	}
	add("stars", w.T("server.i.stars"), g.Stars)
	for i, n := range partyNumbers(&g.Parties) {
		add(partyKeys()[i], w.T("server.f.parties")+": "+w.T("server.party."+partyKeys()[i]), *n)
	}
	return r.Modal(ctx, form)
}

// submitPlaces takes the form of the section.
func (s *Set) submitPlaces(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	read := func(id, label string, most int) (int, error) {
		text := strings.TrimSpace(in.Modal.Values[id])
		if text == "" {
			return 0, nil
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > most {
			return 0, tell(w.T("server.badnumber", "What", label, "Least", 1, "Most", most))
		}
		return n, nil
	}
	least, err := read("stars", w.T("server.i.stars"), chat.MaxStars)
	if err != nil {
		return err
	}
	var rules chat.PartyRules
	most := []int{maxPartyRunning, maxPartyDays, maxPartyBudget, maxPartyBudget}
	for i, n := range partyNumbers(&rules) {
		if *n, err = read(partyKeys()[i], w.T("server.party."+partyKeys()[i]), most[i]); err != nil {
			return err
		}
	}
	g, err := s.changeGuild(ctx, in, func(g *chat.Guild) error {
		g.Stars, g.Parties = least, rules
		return nil
	})
	if err != nil {
		return err
	}
	return r.Update(ctx, s.serverPanel(w, g, wholeGuild, sectionPlaces))
}

// setPlace chooses a channel for a purpose, after trying whether the bot may write there. No channel ends the purpose.
func (s *Set) setPlace(ctx context.Context, in *discord.Interaction, r *discord.Responder, what, channel string) error {
	w := s.say(in)
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	if channel != "" {
		c, err := s.bot.Channel(ctx, channel)
		if err == nil && c.GuildID != in.GuildID {
			return tell(w.T("server.otherguild"))
		}
		if err == nil {
			_, err = s.bot.SendMessage(ctx, channel, discord.Message{Content: s.sayAloud(in).T("server." + what + ".here")})
		}
		if discord.IsMissingPermission(err) || discord.IsUnknownMessage(err) || errors.Is(err, discord.ErrUnreachable) {
			return tell(w.T("server.cannotlog", "Channel", "<#"+channel+">"))
		}
		if err != nil {
			return fmt.Errorf("try a channel: %w", err)
		}
	}
	if _, err := s.changeGuild(ctx, in, func(g *chat.Guild) error {
		*placeOf(g, what) = channel
		return nil
	}); err != nil {
		return err
	}
	if channel == "" {
		return r.Reply(ctx, private(w.T("server."+what+".none")))
	}
	return r.Reply(ctx, private(w.T("server."+what+".set", "Channel", "<#"+channel+">")))
}

// partyRules refuses parties that a guild does not allow.
func partyRules(w words.Words, rules chat.PartyRules, p *chat.Party) error {
	for i, n := range partyNumbers(&rules) {
		has := []int64{0, int64(p.Hours+23) / 24, whole(kudos.Amount(p.Award)), whole(kudos.Amount(p.Prize))}[i] // the first is counted elsewhere
		if *n > 0 && has > int64(*n) {
			return tell(w.T("server.party.no", "What", w.T("server.party."+partyKeys()[i]), "Most", *n))
		}
	}
	return nil
}
