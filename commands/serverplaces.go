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
	"stablemate/internal/discord"
)

// sectionPlaces is where things are shown, which the whole guild decides alone.
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
	news := discord.Field{Name: w.T("server.f.news")}
	if g.NoNews {
		news.Value = w.T("server.v.forbidden")
	}
	return append(out, news, discord.Field{Name: w.T("server.parties"), Value: showParties(w, g.Parties)})
}

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
	value := ""
	if g.Stars > 0 {
		value = strconv.Itoa(g.Stars)
	}
	form.Inputs = []discord.Input{{
		CustomID: "stars", Label: discord.Clip(w.T("server.i.stars"), discord.MaxInputLabel), Value: value, Max: 3, Placeholder: w.T("server.number"),
	}}
	return r.Modal(ctx, form)
}

// submitPlaces takes the form of the section.
func (s *Set) submitPlaces(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	least := 0
	if text := strings.TrimSpace(in.Modal.Values["stars"]); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > chat.MaxStars {
			return tell(w.T("server.badnumber", "What", w.T("server.i.stars"), "Least", 1, "Most", chat.MaxStars))
		}
		least = n
	}
	done, err := s.panels.take(ctx, verbServer+":"+in.GuildID)
	if err != nil {
		return err
	}
	defer done()
	g, err := s.changeGuild(ctx, in, func(g *chat.Guild) error {
		g.Stars = least
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
