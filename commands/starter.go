// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stablemate/commands/chart"
	"stablemate/commands/words"
	"stablemate/emojikudos"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// verbStarter is about a starter set: its ID is the set, and its argument what to do.
const verbStarter = "ks"

// What buttons about a starter set do.
const (
	starterUndo    = "undo"
	starterUnicode = "u/" // and the pack
)

// starterReason stands in the guild's audit log.
const starterReason = "/kudosemoji starter"

// starter is an emoji of a starter set.
type starter struct {
	amount  int64
	unicode string // where the guild takes no more emoji of its own
}

// starterOf lists the emoji of a pack, smallest first, as far as the operator allows their amounts.
func (s *Set) starterOf(pack chart.Shape) []starter {
	all := map[chart.Shape][]starter{
		chart.Heart:     {{1, "🤍"}, {5, "💚"}, {10, "💙"}, {50, "💜"}, {100, "🧡"}},
		chart.Star:      {{1, "✨"}, {5, "⭐"}, {10, "🌟"}, {50, "💫"}, {100, "🌠"}},
		chart.Horseshoe: {{1, "🥕"}, {5, "🍎"}, {10, "🐴"}, {50, "🦄"}, {100, "🏇"}},
	}[pack]
	return slices.DeleteFunc(all, func(x starter) bool { return kudos.Whole(x.amount) > s.opts.EmojiMost })
}

func (s *Set) starterPacks() (out []discord.Choice) {
	for _, shape := range chart.Shapes() {
		out = append(out, s.pick(string(shape), "kudosemoji.pack."+string(shape)))
	}
	return out
}

// packOf reads which pack is meant; the first where none is.
func packOf(text string) chart.Shape {
	if slices.Contains(chart.Shapes(), chart.Shape(text)) {
		return chart.Shape(text)
	}
	return chart.Shapes()[0]
}

// emojiStarter uploads a set of kudos emoji, or proposes ordinary ones where that is not possible.
func (s *Set) emojiStarter(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	w, pack := s.say(in), packOf(in.Command.Options.String("pack"))
	set := s.starterOf(pack)
	guild, err := s.bot.Guild(ctx, in.GuildID)
	if err != nil {
		return fmt.Errorf("read the guild: %w", err)
	}
	rules, own, err := s.gifts.Rules(ctx, in.GuildID)
	if err != nil {
		return err
	}
	most, free := guild.EmojiRoom()
	slots := w.T("kudosemoji.starter.slots", "Free", free, "Most", most)
	switch {
	case len(set) == 0 || len(rules)+len(set) > emojikudos.MaxRules:
		return tell(w.T("kudosemoji.many", "Most", emojikudos.MaxRules))
	case slices.ContainsFunc(rules, func(x emojikudos.Rule) bool { return x.Batch == in.ID }):
		return nil // the command arrived twice
	case !in.AppPermissions.Has(discord.CreateExpressions):
		return r.Reply(ctx, s.proposeUnicode(w, in.ID, pack, w.T("kudosemoji.starter.permission")))
	case free < len(set):
		return r.Reply(ctx, s.proposeUnicode(w, in.ID, pack, slots))
	}
	var done []emojikudos.Rule
	for _, x := range set {
		rule, err := s.uploadStarter(ctx, in, pack, x)
		if err != nil && len(done) == 0 && discord.IsMissingPermission(err) {
			return r.Reply(ctx, s.proposeUnicode(w, in.ID, pack, w.T("kudosemoji.starter.permission")))
		}
		if err != nil && len(done) == 0 && discord.IsEmojiFull(err) {
			return r.Reply(ctx, s.proposeUnicode(w, in.ID, pack, w.T("kudosemoji.starter.full")))
		}
		if err != nil { // what is there already can be undone
			s.log.Warn().Err(err).Str("guild", in.GuildID).Msg("a starter set is not complete")
			break
		}
		done = append(done, rule)
	}
	out := []string{w.T("kudosemoji.starter.done", "Count", len(done), "All", len(set)), starterLine(done)}
	out = append(out, "-# "+w.T("kudosemoji.starter.slots", "Free", free-len(done), "Most", most))
	if !own && len(done) > 0 && s.opts.KudosEmoji != "" {
		out = append(out, w.T("kudosemoji.first", "Emoji", s.opts.KudosEmoji))
	}
	return r.Reply(ctx, undoable(w, in.ID, len(done) > 0, out...))
}

// undoable is a message with a button that takes a starter set back.
func undoable(w words.Words, batch string, can bool, text ...string) discord.Message {
	m := private(lines(text...))
	if can {
		m.Components = []discord.Row{{Buttons: []discord.Button{{
			Label: w.T("kudosemoji.starter.undo"), Style: discord.Secondary,
			CustomID: discord.CustomID{Verb: verbStarter, ID: batch, Arg: starterUndo}.String(),
		}}}}
	}
	return m
}

// uploadStarter uploads an emoji and makes it give kudos. The row is written right after, so that what is there can be undone.
func (s *Set) uploadStarter(ctx context.Context, in *discord.Interaction, pack chart.Shape, x starter) (emojikudos.Rule, error) {
	picture, err := s.charts.Emoji(pack, x.amount)
	if err != nil {
		return emojikudos.Rule{}, err
	}
	made, err := s.bot.CreateEmoji(ctx, in.GuildID, "kudos"+strconv.FormatInt(x.amount, 10), picture, starterReason)
	if err != nil {
		return emojikudos.Rule{}, fmt.Errorf("upload an emoji: %w", err)
	}
	rule := emojikudos.Rule{
		Emoji: emojikudos.Key(made.ID, made.Name), Show: made.Show(), Amount: kudos.Whole(x.amount), By: in.User.ID, At: s.now(),
		Batch: in.ID, Ours: true,
	}
	if _, err = s.changeEmoji(ctx, in, "starter", addRule(rule)); err != nil {
		if gone := s.bot.DeleteEmoji(ctx, in.GuildID, made.ID, starterReason); gone != nil {
			s.log.Warn().Err(gone).Str("guild", in.GuildID).Msg("an emoji stays that gives nothing")
		}
	}
	return rule, err
}

// addRule adds a rule to a guild's own.
func addRule(rule emojikudos.Rule) func(g *emojikudos.Guild) (emojikudos.Rule, error) {
	return func(g *emojikudos.Guild) (emojikudos.Rule, error) {
		rule.First, g.Own = !g.Own, true
		switch {
		case slices.ContainsFunc(g.Rules, func(x emojikudos.Rule) bool { return x.Emoji == rule.Emoji }):
			return rule, errEmojiTwice
		case len(g.Rules) >= emojikudos.MaxRules:
			return rule, errEmojiMany
		}
		g.Rules = append(g.Rules, rule)
		return rule, nil
	}
}

// proposeUnicode offers ordinary emoji, and says why there are no others.
func (s *Set) proposeUnicode(w words.Words, batch string, pack chart.Shape, why string) discord.Message {
	var rules []emojikudos.Rule
	for _, x := range s.starterOf(pack) {
		rules = append(rules, emojikudos.Rule{Show: x.unicode, Amount: kudos.Whole(x.amount)})
	}
	m := private(lines(why, w.T("kudosemoji.starter.propose"), starterLine(rules)))
	m.Components = []discord.Row{{Buttons: []discord.Button{{
		Label: w.T("kudosemoji.starter.add"), Style: discord.Primary,
		CustomID: discord.CustomID{Verb: verbStarter, ID: batch, Arg: starterUnicode + string(pack)}.String(),
	}}}}
	return m
}

// starterLine shows emoji with what they give.
func starterLine(rules []emojikudos.Rule) string {
	parts := make([]string, len(rules))
	for i, rule := range rules {
		parts[i] = rule.Show + " **" + rule.Amount.String() + "**"
	}
	return strings.Join(parts, " · ")
}

// pressStarter adds the ordinary emoji that were proposed, or undoes a set.
func (s *Set) pressStarter(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if err := r.DeferUpdate(ctx); err != nil {
		return err
	}
	id := in.Component.ID
	if pack, ok := strings.CutPrefix(id.Arg, starterUnicode); ok {
		return s.addUnicode(ctx, in, r, packOf(pack))
	}
	return s.undoStarter(ctx, in, r, id.ID)
}

func (s *Set) addUnicode(ctx context.Context, in *discord.Interaction, r *discord.Responder, pack chart.Shape) error {
	w, batch := s.say(in), in.Component.ID.ID
	var added []emojikudos.Rule
	for _, x := range s.starterOf(pack) {
		rule := emojikudos.Rule{
			Emoji: emojikudos.Key("", x.unicode), Show: x.unicode, Amount: kudos.Whole(x.amount), By: in.User.ID, At: s.now(), Batch: batch,
		}
		there := false
		_, err := s.changeEmoji(ctx, in, "starter", func(g *emojikudos.Guild) (emojikudos.Rule, error) {
			there = slices.ContainsFunc(g.Rules, func(x emojikudos.Rule) bool { return x.Emoji == rule.Emoji })
			return addRule(rule)(g)
		})
		if there {
			continue // it gives already what somebody decided
		}
		if err != nil {
			return err
		}
		added = append(added, rule)
	}
	return r.Update(ctx, undoable(w, batch, len(added) > 0,
		w.T("kudosemoji.starter.done", "Count", len(added), "All", len(added)), starterLine(added)))
}

// undoStarter takes back what came with a starter set: the rules, and the emoji that were uploaded for them. Where that was
// all, the guild has the default again.
func (s *Set) undoStarter(ctx context.Context, in *discord.Interaction, r *discord.Responder, batch string) error {
	w := s.say(in)
	guild, err := s.book.Guild(ctx, in.GuildID)
	if err != nil {
		return err
	}
	gone, stay := 0, 0
	first := slices.ContainsFunc(guild.Rules, func(x emojikudos.Rule) bool { return x.Batch == batch && x.First })
	for _, rule := range guild.Rules {
		if rule.Batch == "" || rule.Batch != batch {
			continue
		}
		if id, custom := strings.CutPrefix(rule.Emoji, "c:"); custom && rule.Ours {
			err := s.bot.DeleteEmoji(ctx, in.GuildID, id, starterReason)
			if err != nil && !discord.IsUnknownEmoji(err) {
				s.log.Warn().Err(err).Str("guild", in.GuildID).Msg("cannot remove an emoji of a starter set")
				stay++
				continue
			}
		}
		_, err := s.changeEmoji(ctx, in, "remove", func(g *emojikudos.Guild) (emojikudos.Rule, error) {
			i := slices.IndexFunc(g.Rules, func(x emojikudos.Rule) bool { return x.Emoji == rule.Emoji && x.Batch == batch })
			if i < 0 {
				return rule, errNoEmoji
			}
			g.Rules = slices.Delete(g.Rules, i, i+1)
			g.Own = len(g.Rules) > 0 || !first
			return rule, nil
		})
		if err != nil {
			return err
		}
		gone++
	}
	text := w.T("kudosemoji.starter.undone", "Count", gone)
	if stay > 0 {
		text = lines(text, w.T("kudosemoji.starter.stay", "Count", stay))
	}
	return r.Update(ctx, private(text))
}

// foreignEmoji reports whether an emoji is not one of the guild's own.
func (s *Set) foreignEmoji(ctx context.Context, guild, key string) (bool, error) {
	g, err := s.bot.Guild(ctx, guild)
	if err != nil {
		return false, fmt.Errorf("read the emoji of a guild: %w", err)
	}
	return !slices.ContainsFunc(g.Emojis, func(e discord.GuildEmoji) bool { return emojikudos.Key(e.ID, e.Name) == key }), nil
}
