// SPDX-License-Identifier: AGPL-3.0-or-later

package emojikudos_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/emojikudos"
	"stablemate/internal/store"
)

var errDisk = errors.New("disk full")

// book keeps rows as documents of the real store, and breaks when it is told to.
type book struct {
	st *store.Store
	// trouble is asked before and after each save; true makes that save fail there.
	trouble func(after bool) bool
}

func change[V any](ctx context.Context, b *book, kind chat.DocKind, key, person, guild string, due func(*V) time.Time, f func(*V) error) (V, error) {
	for {
		var v V
		d, found, err := b.st.Doc(ctx, kind, key)
		if err != nil {
			return v, err
		}
		if found {
			if err := json.Unmarshal(d.Value, &v); err != nil {
				return v, err
			}
		}
		if err := f(&v); err != nil {
			return v, err
		}
		if b.trouble != nil && b.trouble(false) {
			return v, errDisk
		}
		value, err := json.Marshal(v)
		if err != nil {
			return v, err
		}
		_, err = b.st.SaveDoc(ctx, chat.Doc{Kind: kind, Key: key, Person: person, Guild: guild, Value: value, Due: due(&v), Version: d.Version})
		if errors.Is(err, chat.ErrChanged) {
			continue
		}
		if err == nil && b.trouble != nil && b.trouble(true) {
			err = errDisk
		}
		return v, err
	}
}

func never[V any](*V) time.Time { return time.Time{} }

func read[V any](docs []chat.Doc, err error, take func(key string, v V)) error {
	for _, d := range docs {
		var v V
		if err := json.Unmarshal(d.Value, &v); err != nil {
			return err
		}
		take(d.Key, v)
	}
	return err
}

func one[V any](ctx context.Context, b *book, kind chat.DocKind, key string) (v V, err error) {
	d, found, err := b.st.Doc(ctx, kind, key)
	if err != nil || !found {
		return v, err
	}
	return v, json.Unmarshal(d.Value, &v)
}

func (b *book) Guild(ctx context.Context, guild string) (emojikudos.Guild, error) {
	return one[emojikudos.Guild](ctx, b, chat.KindGuildEmoji, guild)
}

func (b *book) ChangeGuild(ctx context.Context, guild string, f func(*emojikudos.Guild) error) (emojikudos.Guild, error) {
	return change(ctx, b, chat.KindGuildEmoji, guild, "", guild, never, f)
}

func (b *book) Person(ctx context.Context, person string) (emojikudos.Person, error) {
	return one[emojikudos.Person](ctx, b, chat.KindGiver, person)
}

func (b *book) ChangePerson(ctx context.Context, person string, f func(*emojikudos.Person) error) (emojikudos.Person, error) {
	return change(ctx, b, chat.KindGiver, person, person, "", never, f)
}

func (b *book) ChangeTally(ctx context.Context, guild string, f func(*emojikudos.Tally) error) (emojikudos.Tally, error) {
	return change(ctx, b, chat.KindTally, guild, "", guild, never, f)
}

func (b *book) ChangeGift(ctx context.Context, key string, f func(*emojikudos.Gift) error) (emojikudos.Gift, error) {
	person := key[strings.LastIndexByte(key, ':')+1:]
	g, err := change(ctx, b, chat.KindGift, key, person, "g", func(g *emojikudos.Gift) time.Time { return g.Due }, f)
	g.Key = key
	return g, err
}

func (b *book) DropGift(ctx context.Context, key string) error {
	_, err := b.st.DeleteDoc(ctx, chat.KindGift, key)
	return err
}

func (b *book) gifts(docs []chat.Doc, err error) (out []emojikudos.Gift, _ error) {
	err = read(docs, err, func(key string, g emojikudos.Gift) { g.Key = key; out = append(out, g) })
	return out, err
}

func (b *book) DueGifts(ctx context.Context, until time.Time, limit int) ([]emojikudos.Gift, error) {
	return b.gifts(b.st.DueDocs(ctx, chat.KindGift, until, limit))
}

func (b *book) GiftsOf(ctx context.Context, person string) ([]emojikudos.Gift, error) {
	return b.gifts(b.st.DocsOfPerson(ctx, chat.KindGift, person))
}

func (b *book) GiftsIn(ctx context.Context, guild string) ([]emojikudos.Gift, error) {
	return b.gifts(b.st.DocsOfGuild(ctx, chat.KindGift, guild))
}

func (b *book) ChangeNews(ctx context.Context, to emojikudos.Address, f func(*emojikudos.News) error) (emojikudos.News, error) {
	return change(ctx, b, chat.KindGiftNews, to.Key(), to.Who, "", func(n *emojikudos.News) time.Time { return n.Due }, f)
}

func (b *book) DueNews(ctx context.Context, until time.Time, limit int) (out []emojikudos.Due, err error) {
	docs, err := b.st.DueDocs(ctx, chat.KindGiftNews, until, limit)
	for _, d := range docs {
		var n emojikudos.News
		err = errors.Join(err, json.Unmarshal(d.Value, &n))
		out = append(out, emojikudos.Due{To: emojikudos.ParseAddress(d.Key), News: n})
	}
	return out, err
}

func (b *book) DropNews(ctx context.Context, to emojikudos.Address) error {
	d, found, err := b.st.Doc(ctx, chat.KindGiftNews, to.Key())
	if err != nil || !found {
		return err
	}
	var n emojikudos.News
	if err := json.Unmarshal(d.Value, &n); err != nil || !n.Empty() {
		return err
	}
	_, err = b.st.DeleteDocAt(ctx, chat.KindGiftNews, to.Key(), d.Version)
	return err
}
