// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"stablemate/horde"
	"stablemate/internal/discord"
)

// How messages are edited. A countdown in the message moves by itself, so most edits are not needed.
const (
	urgentGap    = 2 * time.Second  // least time between an edit and one that shows an image or the end
	progressTime = 10 * time.Second // one edit that shows progress, its retries included
	resultTime   = 45 * time.Second // one edit that shows the end
	saveTime     = 5 * time.Second
	retryFirst   = 2 * time.Second // pause after a result did not land; doubles
	retryMost    = time.Minute
	giveUpAfter  = 24 * time.Hour // of trying to show a result
	maxReads     = 5              // attempts to read images before the result is shown without them
	maxBroken    = 3              // attempts at a result that Discord calls malformed
	handOverLead = 30 * time.Second
)

// Discord's codes that a result goes around.
const (
	codeOldMessage  = 30046  // too many edits of a message that is older than an hour
	codeBlockedText = 200000 // the guild's filter
	codeBlockedLink = 240000 // likewise, for links
	codeArchived    = 50083  // the thread
	codeCloudflare  = 40333  // not Discord itself refuses, and not for ever
)

// pace is the least time between two edits that show progress, by the age of the request.
func pace(age time.Duration) time.Duration {
	switch {
	case age < time.Minute:
		return 5 * time.Second
	case age < 5*time.Minute:
		return 10 * time.Second
	case age < 15*time.Minute:
		return 20 * time.Second
	}
	return time.Minute
}

// editor brings one message up to date, once.
type editor struct {
	*follower
	*live
	now time.Time
}

// step looks at the request and changes the message where needed. It returns when to look again, or that all is done.
func (e *editor) step(ctx context.Context) (next time.Time, over bool) {
	if e.landed {
		return e.finish(ctx)
	}
	e.takeNotes(ctx)
	if e.end == nil && e.p.Again != "" { // it ended before
		end := e.p.ended(e.row)
		e.end = &end
	}
	if e.end == nil && e.p.Forgotten && !e.drop(ctx) {
		return e.retry(), false
	}
	if e.end == nil && e.row.Request == "" {
		if next, ok := e.place(ctx); !ok {
			return next, false
		}
	}
	if e.end == nil {
		st, err := e.s.status(e.request, &e.p)
		refusal, refused := errors.AsType[*horde.Error](err)
		switch {
		case refused && refusal.Code == horde.CodeRequestNotFound:
			e.end = &ending{kind: endExpired, at: e.now}
			if !e.known { // it may even have been made while nobody was here to show it
				e.end.kind = endLost
			}
		case err != nil:
			return e.retry(), false
		case st.Done:
			if err := e.s.ownImages(ctx, e.row, &e.p, &st); err != nil && e.tries < maxReads {
				e.s.log.Warn().Err(err).Str("key", e.row.Key).Msg("cannot keep what alchemists made")
				return e.retry(), false
			}
			e.end = &ending{kind: endDone, status: st, at: e.now}
			e.p.end(e.row, st, e.now)
			if params, err := json.Marshal(e.p); err == nil {
				e.row.Params = params
			}
		default:
			return e.report(ctx, st)
		}
		e.tries = 0
	}
	return e.deliver(ctx)
}

// takeNotes brings what others left for this message into its row.
func (e *editor) takeNotes(ctx context.Context) {
	e.mu.Lock()
	by, forgotten := e.cancelledBy, e.forgotten
	e.mu.Unlock()
	dirty := false
	if by != e.p.CancelledBy || forgotten != e.p.Forgotten {
		e.p.CancelledBy, e.p.Forgotten = by, forgotten
		if params, err := json.Marshal(e.p); err == nil {
			e.row.Params, dirty = params, true
		}
	}
	if e.token != "" && !e.now.Before(e.row.TokenEnds) {
		e.token, e.row.Sealed, dirty = "", []byte{}, true
	}
	if dirty {
		e.save(ctx, e.row)
	}
}

// place asks the core for a request that it may or may not have got before: the key makes it one. It reports whether
// there is something to look at now.
func (e *editor) place(ctx context.Context) (next time.Time, ok bool) {
	if e.now.Sub(e.row.Created) >= horde.RequestTTL {
		// Whether the core had it once cannot be told any more, and nobody should pay twice.
		e.end = &ending{kind: endLost, at: e.now}
		return next, true
	}
	from, err := originOf(e.row.Guild, e.row.Person)
	if err != nil {
		e.s.log.Error().Err(err).Str("key", e.row.Key).Msg("unreadable row of a message")
		e.end = &ending{kind: endLost, at: e.now}
		return next, true
	}
	out, err := e.s.enqueue(ctx, e.p, e.row.Key, from, false)
	id := out.id
	refusal, refused := errors.AsType[*horde.Error](err)
	switch {
	case refused:
		w := e.s.bundle.For(e.p.Locale)
		e.end = &ending{kind: endRefused, words: e.s.refusal(w, refusal), at: e.now}
		err := e.s.blamed(ctx, w, blame{guild: e.row.Guild, person: e.row.Person, from: from}, err)
		if told, ok := errors.AsType[*toldError](err); ok {
			e.end.words = told.text
		}
		return next, true
	case err != nil:
		return e.retry(), false
	}
	e.tries = 0
	e.row.Request = id.String()
	e.mu.Lock()
	e.request = id
	e.byRequest[id] = e.live
	e.mu.Unlock()
	e.save(ctx, e.row)
	return next, true
}

// retry counts a failure and says when to try again.
func (e *editor) retry() time.Time {
	pause := min(retryFirst<<min(e.tries, 10), retryMost)
	e.tries++
	return e.now.Add(pause)
}

// report shows how far the request is, when that is news and the pace allows it.
func (e *editor) report(ctx context.Context, st horde.Status) (next time.Time, over bool) {
	gap := pace(e.now.Sub(e.row.Created))
	e.known = true
	if e.mute {
		return e.now.Add(gap), false
	}
	if e.row.Ephemeral || e.p.Guest {
		if e.p.Left || !e.now.Before(e.row.TokenEnds) {
			return e.now.Add(gap), false // out of reach; deliver finds another way
		}
		if last := e.row.TokenEnds.Add(-handOverLead); !e.now.Before(last) {
			return e.leave(ctx)
		} else if e.now.Add(gap).After(last) {
			gap = last.Sub(e.now)
		}
	}
	ready := e.countdown(st)
	m := e.s.progress(e.row, e.p, st, ready, e.files > 0, e.how)
	more := len(st.Generations) > e.files && e.p.Amount > 1 && e.p.pictures()
	if m.Content == e.shown && !more {
		return e.now.Add(gap), false
	}
	least := gap
	if more || e.p.CancelledBy != "" {
		least = min(gap, urgentGap)
	}
	if at := e.lastEdit.Add(least); e.now.Before(at) {
		return at, false
	}
	m.Optional = !e.lastEdit.IsZero()
	if more {
		if got, err := e.s.images(ctx, e.row, e.p, st, showing{noRead: true}); err == nil {
			m.Files, m.KeepFiles = got.files, false
			if e.how.noWords {
				wordless(e.s.voiceOf(&e.p), m.Files)
			}
		}
	}
	limited, cancel := context.WithTimeout(ctx, progressTime)
	defer cancel()
	err := e.s.bot.EditMessage(limited, e.ref(), m)
	e.lastEdit = e.s.now()
	switch {
	case err == nil:
		e.shown, e.ready, e.tries = m.Content, ready, 0
		if more {
			e.files = len(st.Generations)
		}
	case discord.IsUnknownMessage(err):
		// Somebody tidied up. The request itself goes on: it is paid for, and may be looked up by other means once it ends.
		e.mute = true
	case blocksWords(err) && !e.how.noWords:
		e.how.noWords = true
		return e.now.Add(urgentGap), false
	case discord.IsTooLarge(err): // the end is made smaller
		e.files = len(st.Generations)
	case ctx.Err() == nil:
		// What is refused for good would be refused at every pace, and Discord counts that.
		e.mute = errors.Is(err, discord.ErrUnreachable) || refusedForGood(err)
		e.s.log.Debug().Err(err).Bool("mute", e.mute).Str("key", e.row.Key).Msg("progress not shown")
	}
	return e.now.Add(gap), false
}

// blocksWords reports that the guild's filter does not let a message pass.
func blocksWords(err error) bool {
	api, ok := errors.AsType[*discord.APIError](err)
	return ok && (api.Code == codeBlockedText || api.Code == codeBlockedLink)
}

// refusedForGood reports that the same message would be refused again.
func refusedForGood(err error) bool {
	api, ok := errors.AsType[*discord.APIError](err)
	return ok && api.Status >= 400 && api.Status < 500 && api.Status != 429 && api.Code != 0 && api.Code != codeCloudflare
}

// countdown keeps the shown time while the estimate agrees with it to a fifth, so that the message is left alone.
func (e *editor) countdown(st horde.Status) time.Time {
	ready := e.now.Add(max(st.Wait, time.Second))
	if st.Wait <= 0 {
		ready = e.now
	}
	if e.ready.After(e.now) {
		if off := ready.Sub(e.ready).Abs(); off <= max(e.ready.Sub(e.now)/5, 2*time.Second) {
			return e.ready
		}
	}
	return ready
}

// leave says goodbye, in a message that cannot be reached without its token, while that lives: a button shows the result from then on.
func (e *editor) leave(ctx context.Context) (next time.Time, over bool) {
	limited, cancel := context.WithTimeout(ctx, progressTime)
	defer cancel()
	err := e.s.bot.EditMessage(limited, e.ref(), e.s.handOver(e.row, e.p))
	if err != nil && !discord.IsUnknownMessage(err) {
		return e.now.Add(urgentGap), false
	}
	// It is followed on, to tell when it is done.
	e.p.Left = true
	if params, err := json.Marshal(e.p); err == nil {
		e.row.Params = params
	}
	e.save(ctx, e.row)
	return e.now.Add(pace(e.now.Sub(e.row.Created))), false
}

// deliver shows how the request ended, however long that takes.
func (e *editor) deliver(ctx context.Context) (next time.Time, over bool) {
	if e.p.Left { // a button shows it
		return e.finish(ctx)
	}
	if at := e.lastEdit.Add(urgentGap); e.now.Before(at) && !e.p.Forgotten {
		return at, false
	}
	m, err := e.s.result(ctx, e.row, e.p, *e.end, e.how)
	if err != nil {
		e.s.log.Warn().Err(err).Str("key", e.row.Key).Msg("cannot read the images of a result")
		if e.tries+1 >= maxReads {
			e.how.noRead = true
		}
		return e.retry(), false
	}
	limited, cancel := context.WithTimeout(ctx, resultTime)
	defer cancel()
	err = e.s.bot.EditMessage(limited, e.ref(), m)
	e.lastEdit = e.s.now()
	if err == nil {
		return e.finish(ctx)
	}
	if ctx.Err() != nil {
		return e.now.Add(retryMost), false // the next process shows it
	}
	api, _ := errors.AsType[*discord.APIError](err)
	switch {
	case discord.IsUnknownMessage(err):
		return e.finish(ctx)
	case e.goAround(err, m):
		return e.now.Add(urgentGap), false
	case api != nil && api.Code == codeArchived && e.anew(limited, m) == nil: // which opens the thread again
		err = nil
	case errors.Is(err, discord.ErrUnreachable), discord.IsMissingPermission(err), api != nil && api.Code == codeArchived:
		// The message cannot be reached any more; its person can.
		if e.how.barred {
			how := e.how
			how.barred = false
			if whole, err := e.s.result(ctx, e.row, e.p, *e.end, how); err == nil {
				m = whole
			}
		}
		e.strayed = true
		if m, err = e.s.direct(limited, e.row.Person, &e.p, m); err == nil {
			m.Nonce = discord.NonceOf("direct", e.row.Key)
			err = e.s.dm(limited, e.row.Person, m)
		}
	case api != nil && api.Code == codeOldMessage:
		err = e.anew(limited, m)
	}
	broken := refusedForGood(err)
	switch {
	case err == nil:
		return e.finish(ctx)
	case broken && e.tries+1 >= maxBroken, e.now.Sub(e.end.at) > giveUpAfter:
		e.s.log.Error().Err(err).Str("key", e.row.Key).Msg("a result cannot be shown")
		return e.finish(ctx)
	}
	e.s.log.Warn().Err(err).Str("key", e.row.Key).Msg("result not shown yet")
	return e.retry(), false
}

// anew posts the result as another message.
func (e *editor) anew(ctx context.Context, m discord.Message) error {
	m.Nonce = discord.NonceOf("anew", e.row.Key)
	ref, err := e.s.bot.SendMessage(ctx, e.row.Channel, m)
	if err != nil {
		return err
	}
	e.row.Message = ref.MessageID // reactions to it thank the right person
	return nil
}

// smaller notes that Discord refused files for their size: the next result has less, down to none.
func (e *editor) smaller(files []discord.File) {
	total, largest := 0, 0
	for _, f := range files {
		total, largest = total+len(f.Data), max(largest, len(f.Data))
	}
	if total <= 1 || e.p.Text != nil || e.how.room > 0 && total > e.how.room { // what could not be made smaller is left out
		e.how.noFiles = true
		return
	}
	e.how.room = total * 3 / 4
	e.s.bot.RefusedUpload(e.row.Guild, int64(largest))
}

// finish closes the row, as often as it takes.
func (e *editor) finish(ctx context.Context) (next time.Time, over bool) {
	if !e.landed {
		e.landed, e.tries = true, 0
	}
	if e.isForgotten() {
		return e.vanish(ctx)
	}
	if e.p.Again != "" { // what follows a result has followed the first one
		if !e.close(ctx, e.row) {
			return e.retry(), false
		}
		if e.isForgotten() {
			return e.vanish(ctx)
		}
		return next, true
	}
	if err := e.s.captioner.begin(ctx, e); err != nil {
		e.s.log.Warn().Err(err).Str("key", e.row.Key).Msg("images will not be described") // the result itself is complete
	}
	if err := e.s.host.enter(ctx, e.row, e.p, e.end); err != nil {
		e.s.log.Warn().Err(err).Str("key", e.row.Key).Msg("a result is not part of its party yet")
		return e.retry(), false
	}
	if err := e.s.keepImages(ctx, &e.p, madeOf(e.end.status)); err != nil && e.tries < maxReads {
		e.s.log.Warn().Err(err).Str("key", e.row.Key).Msg("cannot keep the images of a result")
		return e.retry(), false
	}
	row := e.row
	if q := e.p; e.s.tooOld(ctx, row) && q.erase() {
		if params, err := json.Marshal(q); err == nil {
			row.Params = params
		}
	}
	if e.close(ctx, row) {
		if e.isForgotten() { // just now: whoever forgets has not found the row closed
			return e.vanish(ctx)
		}
		e.s.tellDone(ctx, e.row, &e.p, e.end)
		e.s.tallies.count(e.row, e.end)
		return next, true
	}
	return e.retry(), false
}
