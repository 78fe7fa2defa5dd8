// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"maps"
	"slices"
	"sync"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

// Bounds of descriptions that people want for each of their images.
const (
	captionLife   = time.Hour        // after the result; whatever is not described by then stays as it is
	captionGap    = 2 * time.Second  // between two looks at what is due
	captionAgain  = 20 * time.Second // when an alchemist is waited for without news
	captionTurn   = 5 * time.Second  // when another result of the person is being described
	captionTime   = 30 * time.Second // one step of one result
	captionBatch  = 50
	maxCaptioning = 20 // results of a person that wait to be described; further ones are not
	captionEvents = 1024
)

// captioner has alchemists say in words what is in the images of people who want that, and makes it the alt text of the
// image. What is under way is a document for each result, so it survives a restart. Nobody has more than one image looked
// at this way at a time, and each image is looked at once.
type captioner struct {
	s    *Set
	wake chan struct{} // holds 1: a form that is waited for has news

	mu      sync.Mutex
	waiting map[horde.RequestID]string // what is waited for, and the key of its document; at most one for each person
}

func newCaptioner(s *Set) *captioner {
	return &captioner{s: s, wake: make(chan struct{}, 1), waiting: make(map[horde.RequestID]string)}
}

// begin takes down that the images of a result should be described, when its person wants that and somebody can. It may
// be called again for the same result.
func (c *captioner) begin(ctx context.Context, e *editor) error {
	p := &e.p
	if !p.Caption || p.Left || !p.pictures() || p.User == horde.Anonymous || len(p.there()) == 0 || e.strayed || !c.served() {
		return nil
	}
	mine, err := c.s.captions.ofPerson(ctx, e.row.Person)
	if err != nil {
		return fmt.Errorf("images to describe: %w", err)
	}
	if len(mine) >= maxCaptioning {
		return nil
	}
	now := c.s.now()
	_, err = c.s.captions.change(ctx, e.row.Key, about{person: e.row.Person, guild: e.row.Guild, due: now.Add(captionGap)}, func(v *chat.Captions) error {
		if !v.Since.IsZero() {
			return nil
		}
		*v = chat.Captions{Person: e.row.Person, Guild: e.row.Guild, Since: now}
		if e.token != "" {
			sealed, err := c.s.deps.Seal([]byte(e.token), []byte(captionBind(e.row.Key)))
			if err != nil {
				return fmt.Errorf("seal token: %w", err)
			}
			v.Sealed = sealed
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remember to describe images: %w", err)
	}
	return nil
}

func captionBind(key string) string { return "captions:" + key }

// served reports whether an alchemist is there who says what is in an image.
func (c *captioner) served() bool {
	return slices.ContainsFunc(c.s.engine.Workers(true), func(w horde.Worker) bool {
		return w.Type == horde.Alchemist && !w.Maintenance && slices.Contains(w.Offer.Forms, formCaption)
	})
}

// run describes until ctx ends.
func (c *captioner) run(ctx context.Context) {
	news := c.s.engine.Events(captionEvents)
	defer news.Close()
	tick := time.NewTicker(captionGap)
	defer tick.Stop()
	hints := news.Hints()
	for {
		var keys []string
		select {
		case <-ctx.Done():
			return
		case _, open := <-hints:
			if !open {
				hints = nil
				continue
			}
			if keys = c.hear(news.Events()); len(keys) == 0 {
				continue
			}
		case <-tick.C:
			list, err := c.s.captions.due(ctx, c.s.now(), captionBatch)
			if err != nil {
				if ctx.Err() == nil {
					c.s.log.Warn().Err(err).Msg("cannot read which images to describe")
				}
				continue
			}
			for _, x := range list {
				keys = append(keys, x.key)
			}
		}
		for _, key := range keys {
			err := c.s.contained(ctx, "describing an image", func() error { c.look(ctx, key); return nil })
			if err != nil && ctx.Err() == nil {
				_ = c.s.captions.putOff(ctx, key, c.s.now().Add(captionAgain)) // best effort: it is due again at once otherwise
			}
		}
	}
}

// hear lists the documents that there is news for.
func (c *captioner) hear(events <-chan horde.Event) (keys []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range captionEvents {
		select {
		case ev := <-events:
			if key := c.waiting[ev.Request]; key != "" && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		default:
			return keys
		}
	}
	return keys
}

// look takes the next steps for one result, and notes when to look again, or that it is done with.
func (c *captioner) look(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(ctx, captionTime)
	defer cancel()
	v, found, err := c.s.captions.get(ctx, key)
	if err == nil && !found {
		c.mu.Lock()
		maps.DeleteFunc(c.waiting, func(_ horde.RequestID, of string) bool { return of == key })
		c.mu.Unlock()
	}
	if err != nil || !found {
		return
	}
	next, err := c.step(ctx, key, &v)
	if err != nil && ctx.Err() == nil {
		c.s.log.Warn().Err(err).Str("key", key).Msg("an image is not described")
	}
	if err == nil && next == 0 {
		if _, err := c.s.captions.drop(ctx, key); err != nil && ctx.Err() == nil {
			c.s.log.Warn().Err(err).Str("key", key).Msg("cannot forget a result that is described")
		}
		return
	}
	if next == 0 {
		next = captionAgain
	}
	if err := c.save(ctx, key, v, next); err != nil && ctx.Err() == nil {
		c.s.log.Warn().Err(err).Str("key", key).Msg("cannot note how far a result is described")
	}
}

// save notes how far a result is described, even while the process stops.
func (c *captioner) save(ctx context.Context, key string, v chat.Captions, next time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	_, err := c.s.captions.change(ctx, key, about{person: v.Person, guild: v.Guild, due: c.s.now().Add(next)}, func(to *chat.Captions) error {
		if to.Since.IsZero() {
			return errNoCaptions // its person was forgotten meanwhile
		}
		*to = v
		return nil
	})
	if errors.Is(err, errNoCaptions) {
		return nil
	}
	return err
}

var errNoCaptions = errors.New("there is nothing to describe any more")

// step goes on with one result. It returns in how long to look again; zero means that it is done with.
func (c *captioner) step(ctx context.Context, key string, v *chat.Captions) (next time.Duration, err error) {
	person, _, err := c.s.people.get(ctx, v.Person)
	if err != nil {
		return 0, fmt.Errorf("settings of a person: %w", err)
	}
	row, known, err := c.s.deps.Messages.MessageByKey(ctx, key)
	switch {
	case err != nil:
		return 0, fmt.Errorf("find message: %w", err)
	case !known, isGone(row), !person.AltCaption, c.s.now().Sub(v.Since) > captionLife:
		c.done(v)
		return 0, nil
	case row.Open:
		return captionGap, nil // its follower writes the row
	}
	var p params
	if err := json.Unmarshal(row.Params, &p); err != nil {
		return 0, nil //nolint:nilerr // such a row is of no use
	}
	if v.Request != "" {
		said, over, err := c.answer(v, &p)
		switch {
		case err != nil:
			c.done(v)
			return 0, nil //nolint:nilerr // it is gone, and nobody asks twice
		case !over:
			c.expect(key, v.Request)
			return captionAgain, nil
		}
		if said != "" && p.Alts[v.Number] == "" {
			done, err := c.s.noteAlt(ctx, row, &p, v.Number, said)
			if err != nil {
				return 0, err
			}
			if !done { // somebody deleted or described it just now, or its words were erased
				return captionGap, nil
			}
			v.Tell = true
			if p.Erased { // the message has it soon, and then nobody else
				v.Said = said
			}
		}
		c.done(v)
	}
	if v.Tell {
		if err := c.tell(ctx, row, &p, v); err != nil {
			return 0, err
		}
		v.Tell, v.Said = false, ""
	}
	return c.ask(ctx, key, row, &p, v)
}

// expect waits for news of a request to alchemists.
func (c *captioner) expect(key, request string) {
	if uuid, err := horde.ParseUUID(request); err == nil {
		c.mu.Lock()
		c.waiting[horde.RequestID{UUID: uuid}] = key
		c.mu.Unlock()
	}
}

// done stops waiting for a form.
func (c *captioner) done(v *chat.Captions) {
	if uuid, err := horde.ParseUUID(v.Request); err == nil {
		c.mu.Lock()
		delete(c.waiting, horde.RequestID{UUID: uuid})
		c.mu.Unlock()
	}
	v.Request = ""
}

// answer reads what an alchemist says; over reports that nothing more will come.
func (c *captioner) answer(v *chat.Captions, p *params) (said string, over bool, err error) {
	uuid, err := horde.ParseUUID(v.Request)
	if err != nil {
		return "", false, fmt.Errorf("request: %w", err)
	}
	a, err := c.s.engine.Alchemy(horde.RequestID{UUID: uuid})
	if err != nil {
		return "", false, fmt.Errorf("form: %w", err)
	}
	for _, f := range a.Forms {
		switch f.State {
		case horde.FormWaiting, horde.FormProcessing:
			return "", false, nil
		case horde.FormDone:
			said = altWords(answer(c.s.bundle.For(p.Locale), outcome{Model: f.Name, Text: string(f.Result)}))
		case horde.FormFaulted, horde.FormCancelled, horde.AlchemyPartial: // the description stays as it is
		}
	}
	return said, true, nil
}

// tell changes the descriptions in the message. What cannot be reached any more keeps those that it has.
func (c *captioner) tell(ctx context.Context, row chat.Message, p *params, v *chat.Captions) error {
	ref := discord.MessageRef{
		ChannelID: row.Channel, MessageID: row.Message, AppID: row.App, Expires: row.TokenEnds, Ephemeral: row.Ephemeral || p.Guest,
	}
	if ref.MessageID == "" {
		ref.MessageID = "@original"
	}
	if len(v.Sealed) > 0 {
		if token, err := c.s.deps.Unseal(v.Sealed, []byte(captionBind(row.Key))); err == nil {
			ref.Token = string(token)
		}
	}
	_, err := c.s.bot.DescribeFiles(ctx, ref, func(name string) (string, bool) {
		id, number := ownImage(name)
		text := p.Alts[number]
		if number == v.Number && v.Said != "" {
			text = v.Said
		}
		return text, text != "" && id == short(row)
	})
	if errors.Is(err, discord.ErrUnreachable) || discord.IsUnknownMessage(err) || discord.IsMissingPermission(err) {
		return nil
	}
	return err
}

// ask has the next image looked at, when it is the person's turn.
func (c *captioner) ask(ctx context.Context, key string, row chat.Message, p *params, v *chat.Captions) (next time.Duration, err error) {
	v.Number = 0
	for _, n := range p.there() {
		if p.Alts[n] == "" && !slices.Contains(v.Tried, n) {
			v.Number = n
			break
		}
	}
	if v.Number == 0 || !c.served() {
		return 0, nil
	}
	mine, err := c.s.captions.ofPerson(ctx, v.Person)
	if err != nil {
		return 0, fmt.Errorf("images to describe: %w", err)
	}
	for _, other := range mine {
		if other.key != key && other.value.Request != "" {
			return captionTurn, nil
		}
	}
	// Before it is asked for: rather not at all than twice.
	v.Tried = append(slices.Clone(v.Tried), v.Number)
	if err := c.save(ctx, key, *v, captionAgain); err != nil {
		return 0, err
	}
	n, err := c.form(ctx, row, p, v.Number)
	if err != nil {
		return captionGap, nil // on to the next one
	}
	placing, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime) // it should be known what became of it
	defer cancel()
	out, err := engine.Do(placing, c.s.engine, horde.EnqueueForms{NewAlchemy: n})
	if _, refused := errors.AsType[*horde.Error](err); refused {
		return 0, nil // the person may not, or has too many of them
	}
	if err != nil {
		return captionAgain, fmt.Errorf("ask what is in an image: %w", err)
	}
	v.Request = out.ID.String()
	c.expect(key, v.Request)
	if out.Waiting == 0 {
		return time.Millisecond, nil // somebody asked for the same before
	}
	return captionAgain, nil // look saves it
}

// form is what is asked of alchemists, paid by and counted for whoever asked for the image.
func (c *captioner) form(ctx context.Context, row chat.Message, p *params, number int) (n horde.NewAlchemy, err error) {
	from, err := originOf(row.Guild, row.Person)
	if err != nil {
		return n, err
	}
	key := p.Made[number-1].Blob
	data, err := c.s.deps.Images.Read(ctx, key, maxDelivered)
	if err != nil {
		return n, fmt.Errorf("read image: %w", err)
	}
	cfg, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return n, fmt.Errorf("read image: %w", err)
	}
	sum := sha256.Sum256(data)
	ask := params{User: p.User, Source: key, Forms: &formAsk{
		Names: []string{formCaption}, Aim: aimDescribe, Identity: "sha256:" + hex.EncodeToString(sum[:]), Tiles: tilesOf(cfg.Width, cfg.Height),
	}}
	return ask.newForms(from), nil
}

// tilesOf counts the tiles of an image as alchemists do.
func tilesOf(width, height int) int {
	return ((width + tileSide - 1) / tileSide) * ((height + tileSide - 1) / tileSide)
}
