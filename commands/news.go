// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// NewsPiece is one piece of news, in Markdown of the operators' own.
type NewsPiece struct {
	Date     time.Time
	Title    string
	Markdown string
}

// Bounds of the feed of news.
const (
	newsShown    = 25               // pieces in the list
	newsText     = 300              // characters of one in the list
	newsAtATime  = 3                // pieces that a channel hears in one round
	newsRound    = 10 * time.Minute // between two rounds
	maxFeeds     = 10               // of one guild
	feedsAtOnce  = 200
	maxFeedTries = 50 // in a row that went wrong; then a channel hears nothing more
)

func (s *Set) newsFamily() family {
	if s.deps.News == nil {
		return family{register: func(*discord.Router) {}}
	}
	channel := s.opt("news", discord.OptionSpec{
		Name: "channel", Type: discord.OptionChannel, Required: true, ChannelTypes: []int{0, 5, 10, 11, 12},
	})
	spec := s.spec("news", s.sub("news", "latest"), s.sub("news", "subscribe", channel), s.sub("news", "unsubscribe", channel))
	spec.DMs, spec.UserInstall = true, true
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		rt.Command("news latest", discord.Route{Handle: s.answered(func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
			return s.showSheet(ctx, in, r, "news")
		}), Private: true})
		rt.Command("news subscribe", discord.Route{Handle: s.answered(s.newsSubscribe), Private: true})
		rt.Command("news unsubscribe", discord.Route{Handle: s.answered(s.newsUnsubscribe), Private: true})
	}}
}

func (s *Set) newsList(_ context.Context, _ *discord.Interaction, w words.Words, _ string) (sheet, error) {
	sh := sheet{title: w.T("news.title")}
	if s.deps.News == nil {
		return sh, nil
	}
	pieces := s.deps.News()
	for _, p := range pieces[:min(len(pieces), newsShown)] {
		sh.rows = append(sh.rows, "**"+escape(p.Title)+"** · "+day(p.Date)+"\n"+escape(discord.Clip(plain(p.Markdown), newsText-maxModel)))
	}
	return sh, nil
}

var errNoFeed = errors.New("there is no such feed")

func feedKey(guild, channel string) string { return guild + ":" + channel }

// newsSubscribe makes a channel hear of news from now on. Its first message shows that the bot may write there.
func (s *Set) newsSubscribe(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	if err := s.needs(in, discord.ManageGuild, "permission.manageguild"); err != nil {
		return err
	}
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	id := in.Command.Options.String("channel")
	channel, err := s.bot.Channel(ctx, id)
	if discord.IsUnknownMessage(err) || discord.IsMissingPermission(err) || err == nil && channel.GuildID != in.GuildID {
		return tell(w.T("news.nochannel"))
	}
	if err != nil {
		return fmt.Errorf("read a channel: %w", err)
	}
	feeds, err := s.feeds.ofGuild(ctx, in.GuildID)
	if err != nil {
		return fmt.Errorf("read the feeds: %w", err)
	}
	if slices.ContainsFunc(feeds, func(f entry[chat.NewsFeed]) bool { return f.key == feedKey(in.GuildID, id) }) {
		return tell(w.T("news.already", "Channel", "<#"+id+">"))
	}
	if len(feeds) >= maxFeeds {
		return tell(w.T("news.many", "Count", maxFeeds))
	}
	_, err = s.bot.SendMessage(ctx, id, discord.Message{Content: s.sayAloud(in).T("news.hello")})
	if discord.IsMissingPermission(err) || discord.IsUnknownMessage(err) {
		return tell(w.T("news.nochannel"))
	}
	if err != nil {
		return fmt.Errorf("write into a channel: %w", err)
	}
	feed := chat.NewsFeed{Guild: in.GuildID, Channel: id, By: in.User.ID}
	for _, p := range s.deps.News() { // what is there already is no news
		feed.Note(p.Date, p.Title)
	}
	a := about{guild: in.GuildID, due: s.now().Add(newsRound)}
	if _, err := s.feeds.change(ctx, feedKey(in.GuildID, id), a, func(v *chat.NewsFeed) error { *v = feed; return nil }); err != nil {
		return fmt.Errorf("note a feed: %w", err)
	}
	s.logTo(ctx, in.GuildID, func(w words.Words) string {
		return w.T("news.log.on", "Who", mention(in.User.ID), "Channel", "<#"+id+">")
	})
	return r.Reply(ctx, private(w.T("news.subscribed", "Channel", "<#"+id+">")))
}

// saveFeed notes what a channel has heard, unless it does not want to hear more.
func (s *Set) saveFeed(ctx context.Context, f chat.NewsFeed) error {
	a := about{guild: f.Guild, due: s.now().Add(newsRound)}
	_, err := s.feeds.change(ctx, feedKey(f.Guild, f.Channel), a, func(v *chat.NewsFeed) error {
		if v.Channel == "" {
			return errNoFeed
		}
		*v = f
		return nil
	})
	if errors.Is(err, errNoFeed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("note a feed: %w", err)
	}
	return nil
}

func (s *Set) newsUnsubscribe(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	if err := s.needs(in, discord.ManageGuild, "permission.manageguild"); err != nil {
		return err
	}
	id := in.Command.Options.String("channel")
	there, err := s.feeds.drop(ctx, feedKey(in.GuildID, id))
	if err != nil {
		return fmt.Errorf("forget a feed: %w", err)
	}
	key := "news.notsubscribed"
	if there {
		key = "news.unsubscribed"
		s.logTo(ctx, in.GuildID, func(w words.Words) string {
			return w.T("news.log.off", "Who", mention(in.User.ID), "Channel", "<#"+id+">")
		})
	}
	return r.Reply(ctx, private(w.T(key, "Channel", "<#"+id+">")))
}

// NewsTick tells the channels that follow the news what they have not heard. It is to be called every ten minutes.
func (s *Set) NewsTick(ctx context.Context) error {
	if s.deps.News == nil {
		return nil
	}
	due, err := s.feeds.due(ctx, s.now(), feedsAtOnce)
	if err != nil {
		return fmt.Errorf("read the feeds of news: %w", err)
	}
	pieces := s.deps.News()
	slices.SortStableFunc(pieces, func(a, b NewsPiece) int { return a.Date.Compare(b.Date) })
	for _, f := range due {
		err = errors.Join(err, s.feed(ctx, f.value, pieces))
		if ctx.Err() != nil {
			break
		}
	}
	return err
}

// feed tells one channel; a piece is noted before it is told, so that nobody hears it twice.
func (s *Set) feed(ctx context.Context, f chat.NewsFeed, pieces []NewsPiece) error {
	told := 0
	for _, p := range pieces {
		if told >= newsAtATime || f.Heard(p.Date, p.Title) {
			continue
		}
		before := f
		f.Note(p.Date, p.Title)
		f.Tries = 0
		if err := s.saveFeed(ctx, f); err != nil {
			return err
		}
		told++
		_, err := s.bot.SendMessage(ctx, f.Channel, discord.Message{Embeds: []discord.Embed{{
			Title: discord.Clip("📰 "+p.Title, discord.MaxEmbedTitle), Description: discord.Clip(p.Markdown, discord.MaxEmbedDescription),
			Color: embedColor, Time: p.Date,
		}}, Nonce: discord.NonceOf("news", f.Channel, p.Date.Format(time.RFC3339), p.Title)})
		if err == nil {
			continue
		}
		if discord.IsUnknownMessage(err) || before.Tries+1 >= maxFeedTries {
			_, err = s.feeds.drop(ctx, feedKey(f.Guild, f.Channel))
			return err
		}
		before.Tries++
		return errors.Join(s.saveFeed(ctx, before), fmt.Errorf("tell news: %w", err))
	}
	if told == 0 {
		return s.saveFeed(ctx, f)
	}
	return nil
}
