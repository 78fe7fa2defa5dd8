// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"slices"
	"time"

	"stablemate/commands/chat"
	"stablemate/emojikudos"
)

// giftBook keeps what gifts by emoji must not forget, as documents.
type giftBook struct {
	docs    Docs
	guilds  *memory[emojikudos.Guild]
	persons *memory[emojikudos.Person]
	tallies *memory[emojikudos.Tally]
	gifts   *memory[emojikudos.Gift]
	news    *memory[emojikudos.News]
}

func newGiftBook(docs Docs) *giftBook {
	return &giftBook{
		docs: docs, guilds: newMemory[emojikudos.Guild](docs, chat.KindGuildEmoji), persons: newMemory[emojikudos.Person](docs, chat.KindGiver),
		tallies: newMemory[emojikudos.Tally](docs, chat.KindTally), gifts: newMemory[emojikudos.Gift](docs, chat.KindGift),
		news: newMemory[emojikudos.News](docs, chat.KindGiftNews),
	}
}

// Guild reads what a guild set up.
func (b *giftBook) Guild(ctx context.Context, guild string) (emojikudos.Guild, error) {
	g, _, err := b.guilds.get(ctx, guild)
	return g, err
}

// ChangeGuild changes what a guild set up.
func (b *giftBook) ChangeGuild(ctx context.Context, guild string, f func(*emojikudos.Guild) error) (emojikudos.Guild, error) {
	return b.guilds.change(ctx, guild, about{guild: guild}, f)
}

// Person reads what somebody decided.
func (b *giftBook) Person(ctx context.Context, person string) (emojikudos.Person, error) {
	p, _, err := b.persons.get(ctx, person)
	return p, err
}

// ChangePerson changes what is remembered about somebody.
func (b *giftBook) ChangePerson(ctx context.Context, person string, f func(*emojikudos.Person) error) (emojikudos.Person, error) {
	return b.persons.change(ctx, person, about{person: person}, f)
}

// ChangeTally changes what a guild gave today.
func (b *giftBook) ChangeTally(ctx context.Context, guild string, f func(*emojikudos.Tally) error) (emojikudos.Tally, error) {
	return b.tallies.change(ctx, guild, about{guild: guild}, f)
}

// ChangeGift changes a gift.
func (b *giftBook) ChangeGift(ctx context.Context, key string, f func(*emojikudos.Gift) error) (emojikudos.Gift, error) {
	g, err := b.gifts.changeAs(ctx, key, func(g *emojikudos.Gift) about {
		return about{person: g.Person, guild: g.Guild, due: g.Due}
	}, f)
	g.Key = key
	return g, err
}

// DropGift forgets a gift.
func (b *giftBook) DropGift(ctx context.Context, key string) error {
	_, err := b.gifts.drop(ctx, key)
	return err
}

// DueGifts lists gifts that are due.
func (b *giftBook) DueGifts(ctx context.Context, until time.Time, limit int) ([]emojikudos.Gift, error) {
	return keyed(b.gifts.due(ctx, until, limit))
}

// GiftsOf lists the gifts of a person.
func (b *giftBook) GiftsOf(ctx context.Context, person string) ([]emojikudos.Gift, error) {
	return keyed(b.gifts.ofPerson(ctx, person))
}

// GiftsIn lists the gifts of a guild.
func (b *giftBook) GiftsIn(ctx context.Context, guild string) ([]emojikudos.Gift, error) {
	return keyed(b.gifts.ofGuild(ctx, guild))
}

func keyed(found []entry[emojikudos.Gift], err error) ([]emojikudos.Gift, error) {
	out := make([]emojikudos.Gift, len(found))
	for i, e := range found {
		out[i] = e.value
		out[i].Key = e.key
	}
	return out, err
}

// ChangeNews changes what somebody will hear.
func (b *giftBook) ChangeNews(ctx context.Context, to emojikudos.Address, f func(*emojikudos.News) error) (emojikudos.News, error) {
	return b.news.changeAs(ctx, to.Key(), func(n *emojikudos.News) about {
		if to.Kind == emojikudos.NewsFeed {
			return about{guild: to.Who, due: n.Due}
		}
		return about{person: to.Who, due: n.Due}
	}, f)
}

// DueNews lists news that are due.
func (b *giftBook) DueNews(ctx context.Context, until time.Time, limit int) ([]emojikudos.Due, error) {
	return addressed(b.news.due(ctx, until, limit))
}

// untold lists the news that somebody could not be told.
func (b *giftBook) untold(ctx context.Context, person string) ([]emojikudos.Due, error) {
	all, err := addressed(b.news.ofPerson(ctx, person))
	return slices.DeleteFunc(all, func(d emojikudos.Due) bool { return !d.News.Kept || d.News.Empty() }), err
}

func addressed(found []entry[emojikudos.News], err error) ([]emojikudos.Due, error) {
	out := make([]emojikudos.Due, len(found))
	for i, e := range found {
		out[i] = emojikudos.Due{To: emojikudos.ParseAddress(e.key), News: e.value}
	}
	return out, err
}

// DropNews forgets news that are empty.
func (b *giftBook) DropNews(ctx context.Context, to emojikudos.Address) error {
	_, err := b.news.dropIf(ctx, to.Key(), func(n *emojikudos.News) bool { return n.Empty() })
	return err
}
