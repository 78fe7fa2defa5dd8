// SPDX-License-Identifier: AGPL-3.0-or-later

package emojikudos

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/contain"
)

// Bounds of settling.
const (
	atOnce     = 8           // gifts settled side by side
	batch      = 256         // rows of one look
	lookAhead  = time.Minute // the loop looks again at least this often
	pauseFirst = time.Second // after something broke; doubles
	pauseMost  = 30 * time.Second
	leastPause = 20 * time.Millisecond // between two looks that were not called for
)

// lanes keep gifts of one person one after the other.
type lanes struct {
	once sync.Once
	seed maphash.Seed
	mu   [64]sync.Mutex // held by whoever settles a gift of a person with this hash
}

func (l *lanes) lock(person string) (unlock func()) {
	l.once.Do(func() { l.seed = maphash.MakeSeed() })
	mu := &l.mu[maphash.String(l.seed, person)%uint64(len(l.mu))]
	mu.Lock()
	return mu.Unlock
}

// flying is what gifts on their way will add to their guilds' tallies, so that several at once stay under the cap. It
// holds no more entries than gifts are settled at once.
type flying struct {
	mu     sync.Mutex // guards of and landed
	of     map[string]kudos.Amount
	landed uint64 // gifts that have ended
}

// mark is taken before a tally is read, for take.
func (f *flying) mark() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.landed
}

func newFlying() flying { return flying{of: make(map[string]kudos.Amount)} }

// take adds an amount when it fits under most together with what is on its way. A tally that was read before the last gift
// ended is stale: it may lack what was on its way then and is not any more.
func (f *flying) take(mark uint64, guild string, spent, amount, most kudos.Amount) (fits, stale bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case mark != f.landed:
		return false, true
	case spent+f.of[guild]+amount > most:
		return false, false
	}
	f.of[guild] += amount
	return true, false
}

func (f *flying) drop(guild string, amount kudos.Amount) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.landed++
	if f.of[guild] -= amount; f.of[guild] <= 0 {
		delete(f.of, guild)
	}
}

// Run settles gifts when they are due, and tells people about them, until ctx ends. What another process left begins
// where it was.
func (g *Gifts) Run(ctx context.Context) error {
	pause := pauseFirst
	for ctx.Err() == nil {
		next, err := g.pass(ctx)
		wait := max(leastPause, next.Sub(g.deps.Now()))
		switch {
		case err != nil && ctx.Err() == nil:
			g.deps.Log.Warn().Err(err).Msg("gifts by emoji are not settled yet")
			wait, pause = pause, min(2*pause, pauseMost)
		case err == nil:
			pause = pauseFirst
		}
		timer := time.NewTimer(min(wait, lookAhead))
		if err != nil {
			select { // no bell rings through a pause
			case <-ctx.Done():
				timer.Stop()
				return nil
			case <-timer.C:
			}
			continue
		}
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-g.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// pass settles what is due and tells when something else will be.
func (g *Gifts) pass(ctx context.Context) (next time.Time, err error) {
	now := g.deps.Now()
	next = now.Add(lookAhead)
	rows, err := g.deps.Book.DueGifts(ctx, next, batch)
	if err != nil {
		return next, fmt.Errorf("read the gifts that are due: %w", err)
	}
	var group errgroup.Group // without a context: what goes wrong with one ends no other
	group.SetLimit(atOnce)
	for _, row := range rows {
		if row.Due.After(now) {
			next = earlier(next, row.Due)
			continue
		}
		group.Go(func() error { return g.attend(ctx, row) })
	}
	if len(rows) == batch && !rows[batch-1].Due.After(now) {
		next = now // there is more
	}
	err = group.Wait()
	news, failed := g.deps.Book.DueNews(ctx, now.Add(lookAhead), batch)
	for _, d := range news {
		if d.News.Due.After(now) {
			next = earlier(next, d.News.Due)
			continue
		}
		group.Go(func() error {
			return contain.Call(ctx, g.deps.Log, "telling about gifts", func() error { return g.report(ctx, d) })
		})
	}
	return next, errors.Join(err, failed, group.Wait())
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// attend settles a gift. One that does not let itself be settled waits a while, so that the others go on.
func (g *Gifts) attend(ctx context.Context, row Gift) error {
	err := contain.Call(ctx, g.deps.Log, "settling a gift", func() error { return g.settle(ctx, row) })
	if err == nil || ctx.Err() != nil {
		return nil //nolint:nilerr // the next process settles
	}
	now := g.deps.Now()
	_, err = g.deps.Book.ChangeGift(ctx, row.Key, func(x *Gift) error {
		if x.State == "" || x.Due.After(now) {
			return ErrSame
		}
		x.Tries++
		x.Tried, x.Due = x.Tried || x.State == Waiting, now.Add(retryPause(x.Tries))
		return nil
	})
	if err != nil && !errors.Is(err, ErrSame) {
		return fmt.Errorf("put a gift off: %w", err)
	}
	return nil
}

// retryPause is how long something waits that did not work so many times.
func retryPause(tries int) time.Duration { return min(retryMost, retryFirst<<min(max(tries-1, 0), 5)) }

// settle does what is due for a gift. An error means that the row could not be read or written.
func (g *Gifts) settle(ctx context.Context, row Gift) error {
	defer g.lanes.lock(row.Person)()
	now := g.deps.Now()
	key := row.Key
	gift, err := g.deps.Book.ChangeGift(ctx, key, func(*Gift) error { return ErrSame })
	if !errors.Is(err, ErrSame) {
		return fmt.Errorf("read a gift: %w", err)
	}
	gift.Key = key
	switch {
	case row.State == "" && gift.State == "": // it holds nothing, and its key names somebody
		if err := g.deps.Book.DropGift(ctx, key); err != nil {
			return fmt.Errorf("forget an empty gift: %w", err)
		}
		return nil
	case gift.State == "", gift.Due.After(now):
		return nil
	case gift.State == Asking:
		return g.lapse(ctx, gift)
	case gift.State == Reserved && gift.Gift != "":
		return g.followUp(ctx, gift)
	case gift.Final():
		if err := g.deps.Book.DropGift(ctx, key); err != nil {
			return fmt.Errorf("forget a gift: %w", err)
		}
		return nil
	}
	return g.give(ctx, gift)
}

// lapse ends a gift whose person never agreed, unless they have right now.
func (g *Gifts) lapse(ctx context.Context, gift Gift) error {
	now := g.deps.Now()
	_, err := g.deps.Book.ChangeGift(ctx, gift.Key, func(x *Gift) error {
		if x.State != Asking {
			return ErrSame
		}
		x.end(Lapsed, now)
		return nil
	})
	switch {
	case errors.Is(err, ErrSame):
		return nil
	case err != nil:
		return fmt.Errorf("note that a gift lapsed: %w", err)
	}
	g.ended.add(Lapsed)
	return nil
}

// save changes a gift's row, unless it went meanwhile with all that is known of its person.
func (g *Gifts) save(ctx context.Context, gift Gift, f func(*Gift)) error {
	after, err := g.deps.Book.ChangeGift(ctx, gift.Key, func(x *Gift) error {
		if x.State == "" {
			return ErrSame
		}
		f(x)
		return nil
	})
	switch {
	case errors.Is(err, ErrSame):
		return nil
	case err != nil:
		return fmt.Errorf("note what became of a gift: %w", err)
	}
	if after.Final() {
		g.ended.add(after.State)
	}
	return nil
}

// ended counts gifts by how they ended.
type ended struct {
	mu sync.Mutex // guards of
	of map[State]int64
}

func (e *ended) add(s State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.of[s]++
}

// Counts tells how many gifts ended in which way since the start.
func (g *Gifts) Counts() map[State]int64 {
	g.ended.mu.Lock()
	defer g.ended.mu.Unlock()
	return maps.Clone(g.ended.of)
}

// again puts a gift off after something broke, so that it may or may not have happened.
func (g *Gifts) again(ctx context.Context, gift Gift, cause error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the next process goes on
	}
	now := g.deps.Now()
	g.deps.Log.Warn().Err(cause).Str("message", gift.Message).Msg("a gift by emoji is tried again later")
	if now.Sub(gift.At) > giveUpAfter && gift.Tries >= leastTries {
		_, moved, err := g.deps.Engine.Posted(ctx, gift.Key)
		if err == nil {
			return g.save(ctx, gift, func(x *Gift) {
				if moved {
					x.end(Paid, now)
					return
				}
				x.Why = string(horde.CodeRequestNotFound)
				x.end(Refused, now)
			})
		}
	}
	return g.save(ctx, gift, func(x *Gift) {
		x.Tried, x.Tries = true, x.Tries+1
		x.Due = now.Add(retryPause(x.Tries))
	})
}

// verdict is what a gift would lead to now.
type verdict struct {
	to     Author // nobody when its ID is empty
	sender horde.UserID
	why    *horde.Error
}

// judge finds whom a gift thanks and what forbids it. With open it opens the giver's account where that is allowed.
func (g *Gifts) judge(ctx context.Context, gift Gift, to Author, open bool) (v verdict, err error) {
	v.to = to
	if to.ID == "" || to.ID == gift.Person {
		v.to.ID = ""
		return v, nil
	}
	person, err := g.person(ctx, gift.Person)
	if err != nil {
		return v, err
	}
	day := dayOf(g.deps.Now())
	if person.Day != day {
		person.Spent = 0
	}
	account := g.deps.Chat.Find
	if open {
		account = func(ctx context.Context, id string) (horde.UserID, bool, error) {
			return g.deps.Chat.Open(ctx, id, gift.PersonName)
		}
	}
	sender, ok, err := account(ctx, gift.Person)
	v.sender = sender
	switch {
	case err != nil:
		return v, fmt.Errorf("account of the giver: %w", err)
	case person.Consent != Agreed && !g.opts.Agreed:
		v.why = horde.Refuse(CodeNoConsent, "they have not agreed to give kudos by emoji")
	case !ok:
		v.why = horde.Refuse(horde.CodeAnonForbidden, "giving kudos needs an account")
	case gift.Amount > person.PerGift:
		v.why = horde.Refuse(CodeOverGift, "your own limit is %s kudos for one reaction", person.PerGift)
	case person.Spent+gift.Amount > person.PerDay:
		v.why = horde.Refuse(CodeOverDay, "your own limit is %s kudos for the reactions of a day", person.PerDay)
	}
	return v, nil
}

// give settles a gift whose grace is over.
func (g *Gifts) give(ctx context.Context, gift Gift) error {
	now := g.deps.Now()
	to, err := g.recipient(ctx, gift)
	if err != nil {
		return g.again(ctx, gift, err)
	}
	v, err := g.judge(ctx, gift, to, true)
	switch {
	case err != nil:
		return g.again(ctx, gift, err)
	case v.to.ID == "":
		return g.save(ctx, gift, func(x *Gift) { x.end(Nobody, now) })
	case v.why != nil:
		return g.refuseUnlessDone(ctx, gift, v)
	}
	fits, err := g.reserve(ctx, gift, dayOf(now))
	switch {
	case err != nil:
		return g.again(ctx, gift, fmt.Errorf("read the tally of the guild: %w", err))
	case !fits:
		v.why = horde.Refuse(CodeOverGuild, "the reactions in this server have given as much as they may on one day")
		return g.refuseUnlessDone(ctx, gift, v)
	}
	defer g.flying.drop(gift.Guild, gift.Amount)
	given, err := g.move(ctx, gift, v)
	if why, ok := errors.AsType[*horde.Error](err); ok {
		switch {
		case why.Code == horde.CodeTransferToSelf: // two identities of one account
			return g.save(ctx, gift, func(x *Gift) { x.end(Nobody, now) })
		case why.Code == horde.CodeIdempotencyKeyConflict: // given when the emoji was worth something else
			given, err = horde.Given{Repeated: true}, nil
		case why.Code == horde.CodeTooFastTransfers && gift.Tries < maxFast:
			return g.save(ctx, gift, func(x *Gift) { x.Tries, x.Due = x.Tries+1, now.Add(fastPause) })
		default:
			v.why = why
			return g.refuseUnlessDone(ctx, gift, v)
		}
	}
	if err != nil {
		return g.again(ctx, gift, err)
	}
	return g.given(ctx, gift, v, given)
}

// reserve takes a gift's amount from what its guild may still give on a day, until flying drops it. It reports whether that
// is enough.
func (g *Gifts) reserve(ctx context.Context, gift Gift, day string) (fits bool, err error) {
	for stale := true; stale; {
		mark := g.flying.mark()
		tally, err := g.deps.Book.ChangeTally(ctx, gift.Guild, func(*Tally) error { return ErrSame })
		if !errors.Is(err, ErrSame) {
			return false, err
		}
		if tally.Day != day {
			tally.Spent = 0
		}
		fits, stale = g.flying.take(mark, gift.Guild, tally.Spent, gift.Amount, g.opts.GuildDay)
	}
	return fits, nil
}

// refuseUnlessDone refuses a gift, unless the ledger says that it happened just before this process last ended.
func (g *Gifts) refuseUnlessDone(ctx context.Context, gift Gift, v verdict) error {
	_, done, err := g.deps.Engine.Posted(ctx, gift.Key)
	switch {
	case err != nil:
		return g.again(ctx, gift, err)
	case done:
		return g.given(ctx, gift, v, horde.Given{Amount: gift.Amount, Repeated: true})
	}
	return g.refuse(ctx, gift, v)
}

// move gives the kudos, or sets them aside.
func (g *Gifts) move(ctx context.Context, gift Gift, v verdict) (horde.Given, error) {
	to, has, err := g.deps.Chat.Find(ctx, v.to.ID)
	if err != nil {
		return horde.Given{}, fmt.Errorf("account of the recipient: %w", err)
	}
	if has {
		done, err := g.deps.Engine.Transfer(ctx, horde.Transfer{From: v.sender, To: to, Amount: gift.Amount, Key: gift.Key})
		return horde.Given{Amount: done.Amount, Repeated: done.Repeated}, err
	}
	return g.deps.Engine.Give(ctx, horde.Give{From: v.sender, To: Identity(v.to.ID), Amount: gift.Amount, Key: gift.Key})
}

// Identity is the core's name of a person in Discord.
func Identity(person string) string { return "d_" + person }

// given counts a gift that happened, notes it for its recipient and closes the row, in this order: a crash in between
// makes limits stricter for a day, and nothing else.
func (g *Gifts) given(ctx context.Context, gift Gift, v verdict, done horde.Given) error {
	now := g.deps.Now()
	day := dayOf(now)
	fresh := !done.Repeated
	if done.Repeated { // by this very row, before a crash, or by one that was forgotten long ago
		at, ok, err := g.deps.Engine.Posted(ctx, gift.Key)
		if err != nil {
			return g.again(ctx, gift, err)
		}
		fresh = ok && !at.Before(gift.At)
	}
	if fresh {
		_, err := g.deps.Book.ChangePerson(ctx, gift.Person, func(p *Person) error {
			if p.Day != day {
				p.Day, p.Spent = day, 0
			}
			p.Spent += gift.Amount
			return nil
		})
		if err == nil {
			_, err = g.deps.Book.ChangeTally(ctx, gift.Guild, func(t *Tally) error {
				if t.Day != day {
					*t = Tally{Day: day}
				}
				t.Spent += gift.Amount
				return nil
			})
		}
		if err == nil && done.Waiting == nil {
			err = g.news(ctx, v.to.ID, gift, false)
		}
		if err == nil {
			err = g.feed(ctx, v.to.ID, gift)
		}
		if err != nil {
			return g.again(ctx, gift, err)
		}
	}
	err := g.save(ctx, gift, func(x *Gift) {
		x.To = v.to.ID
		x.end(Paid, now)
		if done.Waiting != nil {
			x.Gift = done.Waiting.ID.String()
			x.end(Reserved, now)
			x.Due = done.Waiting.Expiry.Add(time.Minute)
		}
	})
	if err != nil || done.Waiting == nil {
		return err
	}
	return g.invite(ctx, v.to.ID, gift)
}

// feed notes a gift in what its guild will read, where it wants to. Nobody's preferences count: the reaction was public.
func (g *Gifts) feed(ctx context.Context, to string, gift Gift) error {
	on, err := g.deps.Chat.Feeds(ctx, gift.Guild)
	if err != nil {
		return fmt.Errorf("whether a guild reads of gifts: %w", err)
	}
	if !on {
		return nil
	}
	gift.To = to
	return g.put(ctx, Address{NewsFeed, gift.Guild}, newsGap, lineOf(gift))
}

func lineOf(gift Gift) Line {
	return Line{
		Key: gift.Key, From: gift.Person, To: gift.To, Show: gift.Show, Amount: gift.Amount, Title: gift.Title, Text: gift.Text,
		Guild: gift.Guild, Channel: gift.Channel, Message: gift.Message,
	}
}

// news notes a gift in what its recipient, or with back its giver, will hear.
func (g *Gifts) news(ctx context.Context, person string, gift Gift, back bool) error {
	return g.note(ctx, person, lineOf(gift), back)
}

// Note tells somebody later, together with what else comes in a while, about a gift that was not given by emoji.
func (g *Gifts) Note(ctx context.Context, person string, l Line) error {
	return g.note(ctx, person, l, false)
}

func (g *Gifts) note(ctx context.Context, person string, l Line, back bool) error {
	limits, err := g.deps.Chat.Limits(ctx, person)
	if err != nil {
		return fmt.Errorf("read a person's limits: %w", err)
	}
	gap := limits.NewsGap
	if gap == 0 {
		gap = newsGap
	}
	to := Address{NewsGot, person}
	if back {
		to.Kind = NewsBack
	}
	return g.put(ctx, to, gap, l)
}

// Invite tells somebody without an account, once in a while, that a gift waits for them.
func (g *Gifts) Invite(ctx context.Context, person string, gift Gift) error {
	return g.invite(ctx, person, gift)
}

func (g *Gifts) invite(ctx context.Context, person string, gift Gift) error {
	now := g.deps.Now()
	lately := func(p *Person) bool { return !p.Invited.IsZero() && now.Sub(p.Invited) < inviteAgain }
	p, err := g.deps.Book.Person(ctx, person)
	if err != nil || lately(&p) {
		return err
	}
	if err := g.put(ctx, Address{NewsInvite, person}, 0, lineOf(gift)); err != nil {
		return err
	}
	_, err = g.deps.Book.ChangePerson(ctx, person, func(p *Person) error {
		if lately(p) {
			return ErrSame
		}
		p.Invited = now
		return nil
	})
	if err != nil && !errors.Is(err, ErrSame) {
		return fmt.Errorf("note that a person is invited: %w", err)
	}
	return nil
}

// followUp looks whether a reserved gift was claimed or went back.
func (g *Gifts) followUp(ctx context.Context, gift Gift) error {
	now := g.deps.Now()
	id, err := horde.ParseUUID(gift.Gift)
	if err != nil {
		return g.save(ctx, gift, func(x *Gift) { x.end(Paid, now) })
	}
	_, back, err := g.deps.Engine.Posted(ctx, horde.ReturnKey(horde.GiftID{UUID: id}))
	switch {
	case err != nil:
		return err
	case !back:
		return g.save(ctx, gift, func(x *Gift) { x.end(Paid, now) })
	}
	if err := g.news(ctx, gift.Person, gift, true); err != nil {
		return fmt.Errorf("note that a gift came back: %w", err)
	}
	return g.save(ctx, gift, func(x *Gift) { x.end(Returned, now) })
}

// refuse closes a gift that the rules forbid, and tells its person.
func (g *Gifts) refuse(ctx context.Context, gift Gift, v verdict) error {
	now := g.deps.Now()
	err := g.save(ctx, gift, func(x *Gift) {
		x.To, x.Why = v.to.ID, string(v.why.Code)
		x.end(Refused, now)
	})
	if err != nil {
		return err
	}
	if err := g.tell(ctx, gift.Person, v.why); err != nil {
		g.deps.Log.Debug().Err(err).Msg("cannot explain a refused gift")
	}
	return nil
}

// recipient finds whom a gift thanks. An empty ID means nobody.
func (g *Gifts) recipient(ctx context.Context, gift Gift) (Author, error) {
	author, self := Author{ID: gift.Author}, g.deps.Chat.Self()
	if author.ID != self {
		known := false
		if author.ID != "" {
			var err error
			if _, known, err = g.deps.Chat.Find(ctx, author.ID); err != nil {
				return Author{}, fmt.Errorf("account of the author: %w", err)
			}
		}
		if !known { // only the message itself tells a person from a robot
			var err error
			if author, err = g.deps.Chat.Author(ctx, gift.Channel, gift.Message); err != nil {
				return Author{}, fmt.Errorf("author of the message: %w", err)
			}
		}
	}
	switch {
	case author.ID == self:
		person, ok, err := g.deps.Chat.Requester(ctx, gift.Channel, gift.Message)
		if err != nil {
			return Author{}, fmt.Errorf("who asked for the image: %w", err)
		}
		if !ok {
			return Author{}, nil
		}
		return Author{ID: person}, nil
	case author.Robot:
		return Author{}, nil
	}
	return author, nil
}

// Trial is what a reaction would lead to.
type Trial struct {
	Rule    Rule
	Found   bool // there is such an emoji
	Fits    bool // its rule holds here and for this member
	To      string
	Account bool         // the recipient has an account; otherwise the gift would wait
	Why     *horde.Error // what forbids it, if anything
}

// Try tells what a reaction to a message of somebody would lead to, and does nothing.
func (g *Gifts) Try(ctx context.Context, r Reaction, to string) (Trial, error) {
	var t Trial
	var err error
	emoji := Key(r.EmojiID, r.EmojiName)
	if t.Rule, t.Found, err = g.rule(ctx, r.Guild, emoji); err != nil || !t.Found {
		return t, err
	}
	if !allowed(t.Rule, r) {
		return t, nil
	}
	if t.Fits, err = g.in(ctx, t.Rule, r); err != nil || !t.Fits {
		return t, err
	}
	v, err := g.judge(ctx, Gift{Guild: r.Guild, Person: r.Person, Amount: t.Rule.Amount}, Author{ID: to}, false)
	if err != nil || v.to.ID == "" {
		return t, err
	}
	t.To, t.Why = v.to.ID, v.why
	if _, t.Account, err = g.deps.Chat.Find(ctx, t.To); err != nil {
		return t, fmt.Errorf("account of the recipient: %w", err)
	}
	if u, ok := g.deps.Engine.User(v.sender); ok && t.Why == nil && u.Available() < t.Rule.Amount {
		t.Why = horde.Refuse(horde.CodeTransferNotEnough, "you can give %s kudos at most", u.Available())
	}
	return t, nil
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }
