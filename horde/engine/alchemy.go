// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import (
	"context"
	"time"

	"stablemate/horde"
)

// Alchemy reads a request for forms. Results in it are shared and not to be changed.
func (e *Engine) Alchemy(id horde.RequestID) (horde.AlchemyStatus, error) {
	now := e.opts.Now()
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.down {
		return horde.AlchemyStatus{}, ErrUnavailable
	}
	st, ok := e.state.Alchemy(id, now)
	if !ok {
		return st, notFound(id)
	}
	return st, nil
}

// Form reads a form, and who owns the worker that has it: -1 when none has.
func (e *Engine) Form(id horde.FormID) (st horde.FormStatus, owner horde.UserID, ok bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.state.Form(id)
}

// FormHook reads whom to tell of a finished form, and what.
func (e *Engine) FormHook(id horde.FormID) (horde.FormHook, bool) {
	return read(e, func(s *horde.State) (horde.FormHook, bool) { return s.FormHook(id) })
}

// PopForms asks for forms, and waits for some up to a limit, as Pop does.
func (e *Engine) PopForms(ctx context.Context, op horde.PopForms, wait time.Duration) (horde.FormJob, error) {
	news := e.WatchQueue()
	defer news.Close()
	timeout := time.NewTimer(min(wait, maxPopWait))
	defer timeout.Stop()
	for {
		job, err := Do(ctx, e, op)
		if err != nil || len(job.Forms) > 0 || wait <= 0 {
			return job, err
		}
		select {
		case <-ctx.Done():
			return job, nil
		case <-timeout.C:
			return job, nil
		case _, open := <-news.Hints():
			if !open {
				return job, nil
			}
		}
	}
}
