// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/contain"
)

// Bounds of the roles that follow people.
const (
	maxRoleQueue   = 10_000           // people waiting to be looked at; whom it loses, the next pass finds
	maxRoleGuilds  = 32               // guilds worked on at once
	maxRolePending = 10_000           // accounts with news
	maxMet         = 20_000           // people remembered as seen lately
	metGap         = 10 * time.Minute // until somebody seen is looked at again
	newsEvery      = time.Second      // between two looks at accounts with news
	newsAtOnce     = 20               // accounts looked up in one of them
	newsGap        = time.Minute      // least time between two looks because kudos moved
	rolePage       = 200              // members read at once in a pass
	roleCursor     = 10               // people after whom a pass notes where it is
	rolePauseTime  = 24 * time.Hour   // before a role that could not be given is tried again
	roleRetryFirst = time.Minute      // before somebody is tried again; doubles
	roleRetryMost  = 6 * time.Hour
	roleSlowest    = 7 // times that the pace of a guild halves while nothing works there
	passHour       = 2 // UTC: passes begin from then on
	passSpread     = 6 * time.Hour
	tickEvery      = time.Minute
	dueAtOnce      = 200
)

// roleEngine gives roles to people by their guild's rules, and takes back those it gave. Every guild has at most one
// goroutine, which looks at one person after the other and then at the next of a pass; it alone writes their documents.
type roleEngine struct {
	s       *Set
	rules   *memory[chat.Roles]
	members *memory[chat.Member]
	passes  *memory[chat.RolePass]
	allow   guildRoles
	news    chan struct{} // holds 1: a guild waits for a goroutine

	mu      sync.Mutex // guards what follows
	active  map[string]bool
	queues  map[string]*roleQueue
	ready   []string // guilds with work and no goroutine
	queued  int      // people in all queues
	met     map[string]meeting
	actsFor map[horde.UserID]string // who acts for an account that is not their own
	pending map[horde.UserID]bool   // accounts with news; true for those that cannot wait
	heard   map[horde.UserID]time.Time
	slot    time.Time            // when Discord may be asked next, for any guild
	shut    map[string]time.Time // guilds that are left alone until then: Discord says that the bot is not there
}

// meeting is when somebody was seen, and with which account; 0 for none.
type meeting struct {
	at   time.Time
	user horde.UserID
}

// roleQueue is the work of one guild. The engine's mutex guards it.
type roleQueue struct {
	order   []string // people
	looks   map[string]roleLook
	passing bool
	anew    bool // another pass begins after this one
	running bool
}

// roleLook says how to look at somebody.
type roleLook struct {
	roles []string // what they have, when known
	whole bool     // compare with what they have, not only with what the bot remembers
}

func newRoleEngine(s *Set) *roleEngine {
	return &roleEngine{
		s: s, news: make(chan struct{}, 1), allow: guildRoles{known: make(map[string]knownRoles)}, rules: newMemory[chat.Roles](s.deps.Docs, chat.KindRoles),
		members: newMemory[chat.Member](s.deps.Docs, chat.KindMember), passes: newMemory[chat.RolePass](s.deps.Docs, chat.KindRolePass),
		active: make(map[string]bool), queues: make(map[string]*roleQueue), met: make(map[string]meeting), actsFor: make(map[horde.UserID]string),
		pending: make(map[horde.UserID]bool), heard: make(map[horde.UserID]time.Time), shut: make(map[string]time.Time),
	}
}

func memberKey(guild, person string) string { return guild + ":" + person }

// personOf finds whose account it is on Discord.
func personOf(u horde.User) (string, bool) {
	id, ok := strings.CutPrefix(u.External, external(""))
	return id, ok && id != ""
}

// RoleTick begins the passes that are due and looks at people whose grace or pause ended. It is to be called every minute;
// the work itself happens in Run.
func (s *Set) RoleTick(ctx context.Context) error { return s.roles.tick(ctx) }

func (e *roleEngine) tick(ctx context.Context) error {
	now := e.s.now()
	passes, err := e.passes.due(ctx, now, dueAtOnce)
	if err != nil {
		return fmt.Errorf("read role passes: %w", err)
	}
	var wrong error
	for _, p := range passes {
		if e.away(p.key) {
			wrong = errors.Join(wrong, e.putOffPass(ctx, p.key))
			continue
		}
		e.startPass(p.key, false)
	}
	members, err := e.members.due(ctx, now, dueAtOnce)
	if err != nil {
		return errors.Join(wrong, fmt.Errorf("read members whose roles are due: %w", err))
	}
	for _, m := range members {
		guild, person, ok := strings.Cut(m.key, ":")
		switch {
		case !ok:
		case e.away(guild): // others wait behind them
			wrong = errors.Join(wrong, e.putOffMember(ctx, guild, person))
		default:
			e.enqueue(guild, person, roleLook{whole: true})
		}
	}
	return wrong
}

// startPass makes a guild's goroutine look at everybody; anew, when a pass that is under way has begun too early.
func (e *roleEngine) startPass(guild string, anew bool) {
	away := e.away(guild)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.active[guild] = true
	if away {
		return
	}
	q := e.queue(guild)
	q.passing, q.anew = true, q.anew || anew
	e.wake(guild)
}

// queue is a guild's; the caller holds mu.
func (e *roleEngine) queue(guild string) *roleQueue {
	q := e.queues[guild]
	if q == nil {
		q = &roleQueue{looks: make(map[string]roleLook)}
		e.queues[guild] = q
	}
	return q
}

// wake asks for a goroutine; the caller holds mu.
func (e *roleEngine) wake(guild string) {
	q := e.queues[guild]
	if !q.running && !slices.Contains(e.ready, guild) {
		e.ready = append(e.ready, guild)
	}
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// enqueue has somebody looked at.
func (e *roleEngine) enqueue(guild, person string, look roleLook) {
	if e.away(guild) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.queued >= maxRoleQueue {
		return
	}
	q := e.queue(guild)
	old, waiting := q.looks[person]
	if !waiting {
		q.order = append(q.order, person)
		e.queued++
	}
	look.whole = look.whole || old.whole
	if look.roles == nil {
		look.roles = old.roles
	}
	q.looks[person] = look
	e.wake(guild)
}

// seen notes that somebody is in a guild, and has them looked at. roles is what they have there, nil when it is not known.
func (e *roleEngine) seen(guild, person string, roles []string) {
	if guild == "" || person == "" {
		return
	}
	u, linked := e.s.find(person)
	key, now := memberKey(guild, person), e.s.now()
	e.mu.Lock()
	last, known := e.met[key]
	// Somebody without an account matters only when they had one.
	if !linked && (!known || last.user == 0) || known && last.user == u.ID && now.Sub(last.at) < metGap {
		e.mu.Unlock()
		return
	}
	if len(e.met) >= maxMet {
		clear(e.met) // they will be met again
	}
	e.met[key] = meeting{now, u.ID}
	if own, ok := personOf(u); linked && (!ok || own != person) {
		if len(e.actsFor) >= maxMet {
			clear(e.actsFor)
		}
		e.actsFor[u.ID] = person
	}
	e.mu.Unlock()
	e.enqueue(guild, person, roleLook{roles: roles, whole: roles != nil})
}

// run works until ctx ends.
func (e *roleEngine) run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	room := make(chan struct{}, maxRoleGuilds)
	sub := e.s.engine.Events(newsBuffer)
	defer sub.Close()
	hints := sub.Hints()
	look, tick := time.NewTicker(newsEvery), time.NewTicker(tickEvery)
	defer look.Stop()
	defer tick.Stop()
	e.begin(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-hints:
			if !open {
				hints = nil // the engine has stopped, and so shall we
				continue
			}
			e.hear(sub.Events())
		case <-look.C:
			_ = e.s.contained(ctx, "looking up accounts with news", func() error { e.lookUp(ctx); return nil })
		case <-tick.C:
			if e.noneActive() {
				e.begin(ctx)
			}
		case <-e.news:
			for _, guild := range e.waiting(cap(room) - len(room)) {
				room <- struct{}{}
				group.Go(func() {
					defer func() { <-room; e.again() }()
					e.work(ctx, guild)
				})
			}
		}
	}
}

// again looks for guilds that waited for room.
func (e *roleEngine) again() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.ready) > 0 {
		select {
		case e.news <- struct{}{}:
		default:
		}
	}
}

// waiting takes guilds that want a goroutine.
func (e *roleEngine) waiting(most int) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := min(most, len(e.ready))
	out := slices.Clone(e.ready[:n])
	e.ready = slices.Delete(e.ready, 0, n)
	for _, guild := range out {
		e.queues[guild].running = true
	}
	return out
}

// noneActive reports whether no guild is known to have rules.
func (e *roleEngine) noneActive() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.active) == 0
}

// begin finds the guilds that have rules, and continues what was broken off.
func (e *roleEngine) begin(ctx context.Context) {
	const ahead = 10 * 365 * 24 * time.Hour // every pass, whenever it is
	passes, err := e.passes.due(ctx, e.s.now().Add(ahead), maxRoleQueue)
	if err == nil {
		e.mu.Lock()
		for _, p := range passes {
			e.active[p.key] = true
		}
		e.mu.Unlock()
		err = e.tick(ctx)
	}
	if err != nil && ctx.Err() == nil {
		e.s.log.Error().Err(err).Msg("cannot read which guilds have rules for roles")
	}
}

// hear notes whose account has news.
func (e *roleEngine) hear(events <-chan horde.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		select {
		case ev := <-events:
			urgent := ev.Kind == horde.UserChanged || ev.Kind == horde.WorkerChanged
			if len(e.active) == 0 || ev.User <= 0 || !urgent && ev.Kind != horde.BalanceChanged {
				continue
			}
			if _, known := e.pending[ev.User]; known || len(e.pending) < maxRolePending {
				e.pending[ev.User] = e.pending[ev.User] || urgent
			}
		default:
			return
		}
	}
}

// lookUp has a few of the people with news looked at in their guilds.
func (e *roleEngine) lookUp(ctx context.Context) {
	now := e.s.now()
	var users []horde.UserID
	e.mu.Lock()
	if len(e.heard) >= maxRolePending {
		clear(e.heard)
	}
	for u, urgent := range e.pending {
		if len(users) >= newsAtOnce {
			break
		}
		if !urgent && now.Sub(e.heard[u]) < newsGap {
			continue
		}
		users = append(users, u)
		delete(e.pending, u)
		e.heard[u] = now
	}
	e.mu.Unlock()
	for _, id := range users {
		e.lookUpUser(ctx, id)
	}
}

// lookUpUser has the people who act for an account looked at, wherever they are members.
func (e *roleEngine) lookUpUser(ctx context.Context, id horde.UserID) {
	var people []string
	if u, ok := e.s.engine.User(id); ok {
		if person, ok := personOf(u); ok {
			people = append(people, person)
		}
	}
	e.mu.Lock()
	if person, ok := e.actsFor[id]; ok {
		people = append(people, person)
	}
	e.mu.Unlock()
	for _, person := range people {
		members, err := e.members.ofPerson(ctx, person)
		if err != nil {
			e.s.log.Warn().Err(err).Msg("cannot read where somebody is a member")
			return // the next pass finds them
		}
		for _, m := range members {
			guild, _, _ := strings.Cut(m.key, ":")
			if e.isActive(guild) {
				e.enqueue(guild, person, roleLook{})
			}
		}
	}
}

func (e *roleEngine) isActive(guild string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.active[guild]
}

// work is the goroutine of a guild: it ends when there is nothing left to do.
func (e *roleEngine) work(ctx context.Context, guild string) {
	var pass passRun
	log, fails := e.s.log.With().Str("guild", guild).Logger(), 0
	for ctx.Err() == nil {
		if e.away(guild) {
			e.leave(ctx, guild)
			return
		}
		person, look, ok := e.next(guild)
		asked, over := false, false
		err := contain.Call(ctx, log, "looking at somebody's roles", func() (err error) {
			switch {
			case ok:
				asked, err = e.look(ctx, guild, person, look, &pass)
			case e.passingNow(guild):
				asked, err = e.passStep(ctx, guild, &pass)
			default:
				over = e.retire(guild, false)
			}
			return err
		})
		if over {
			return
		}
		if fails++; err == nil {
			fails = 0
		}
		if (asked || err != nil) && sleepUntil(ctx, e.pause()<<min(fails, roleSlowest)) {
			break
		}
	}
	e.retire(guild, true)
}

// pause is how long a guild waits that has just asked Discord: its own pace, and longer when many guilds are busy.
func (e *roleEngine) pause() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.s.now()
	if e.slot.Before(now) {
		e.slot = now
	}
	e.slot = e.slot.Add(e.s.opts.RoleGap)
	if most := now.Add(maxRoleGuilds * e.s.opts.RoleGap); e.slot.After(most) { // also when the clock was put back
		e.slot = most
	}
	return max(e.s.opts.RolePace, e.slot.Sub(now))
}

// sleepUntil waits, and reports whether ctx ended.
func sleepUntil(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return true
	case <-t.C:
		return false
	}
}

func (e *roleEngine) next(guild string) (string, roleLook, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := e.queues[guild]
	if len(q.order) == 0 {
		return "", roleLook{}, false
	}
	person := q.order[0]
	look := q.looks[person]
	q.order = q.order[1:]
	delete(q.looks, person)
	e.queued--
	return person, look, true
}

func (e *roleEngine) passingNow(guild string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.queues[guild].passing
}

// retire ends a guild's goroutine, unless there is work and it need not end.
func (e *roleEngine) retire(guild string, must bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := e.queues[guild]
	if q == nil {
		return true
	}
	idle := len(q.order) == 0 && !q.passing
	if !idle && !must {
		return false
	}
	q.running = false
	if idle {
		delete(e.queues, guild)
	} else {
		e.wake(guild)
	}
	return true
}

// passRun is a pass under way.
type passRun struct {
	open bool
	doc  chat.RolePass
	page []string // people to look at
	last bool     // no page follows
}

// passStep looks at the next person of a pass. It reports whether Discord was asked.
func (e *roleEngine) passStep(ctx context.Context, guild string, run *passRun) (bool, error) {
	if !run.open {
		e.mu.Lock()
		e.queues[guild].anew = false // it begins now
		e.mu.Unlock()
		doc, found, err := e.passes.get(ctx, guild)
		if err != nil {
			return false, fmt.Errorf("read the pass: %w", err)
		}
		if !found {
			e.endPass(guild)
			return false, nil
		}
		if !doc.Running {
			doc = chat.RolePass{Running: true, Started: e.s.now(), Ended: doc.Ended}
		}
		*run = passRun{open: true, doc: doc}
		if err := e.savePass(ctx, guild, run.doc); err != nil {
			run.open = false
			return false, err
		}
	}
	if len(run.page) == 0 && !run.last {
		members, err := e.members.ofGuildAfter(ctx, guild, memberKey(guild, run.doc.After), rolePage)
		if err != nil {
			return false, fmt.Errorf("read the members: %w", err)
		}
		for _, m := range members {
			_, person, _ := strings.Cut(m.key, ":")
			run.page = append(run.page, person)
		}
		run.last = len(members) < rolePage
	}
	if len(run.page) == 0 {
		run.doc.Running, run.doc.After, run.doc.Ended = false, "", e.s.now()
		e.mu.Lock()
		if e.queues[guild].anew {
			run.doc.Ended = time.Time{} // another one was asked for
		}
		e.mu.Unlock()
		err := e.savePass(ctx, guild, run.doc)
		if err == nil {
			e.endPass(guild)
			*run = passRun{}
		}
		return err != nil, err
	}
	person := run.page[0]
	run.page = run.page[1:]
	asked, err := e.look(ctx, guild, person, roleLook{whole: true}, run)
	run.doc.After, run.doc.Looked = person, run.doc.Looked+1
	if run.doc.Looked%roleCursor == 0 {
		err = errors.Join(err, e.savePass(ctx, guild, run.doc))
	}
	return asked, err
}

func (e *roleEngine) endPass(guild string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := e.queues[guild]
	q.passing, q.anew = q.anew, false
}

func (e *roleEngine) savePass(ctx context.Context, guild string, doc chat.RolePass) error {
	a := about{guild: guild, due: e.s.now()}
	if !doc.Running && !doc.Ended.IsZero() {
		a.due = nextPass(guild, e.s.now())
	}
	_, err := e.passes.change(ctx, guild, a, func(v *chat.RolePass) error { *v = doc; return nil })
	if err != nil {
		return fmt.Errorf("note how far the pass is: %w", err)
	}
	return nil
}

// nextPass is when a guild is looked at next: once a night, guilds spread over it.
func nextPass(guild string, now time.Time) time.Time {
	h := fnv.New32a()
	_, _ = h.Write([]byte(guild)) // never fails
	now = now.UTC()
	at := time.Date(now.Year(), now.Month(), now.Day(), passHour, 0, 0, 0, time.UTC).Add(time.Duration(h.Sum32()) % passSpread)
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at
}

// requestPass has everybody of a guild looked at soon.
func (e *roleEngine) requestPass(ctx context.Context, guild string) error {
	_, err := e.passes.change(ctx, guild, about{guild: guild, due: e.s.now()}, func(v *chat.RolePass) error {
		v.Ended = time.Time{}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask for a pass: %w", err)
	}
	e.open(guild)
	e.startPass(guild, true)
	return nil
}
