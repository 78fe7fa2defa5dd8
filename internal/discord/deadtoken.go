package discord

import (
	"errors"
	"maps"
	"net/http"
	"sync"
	"time"
)

// maxDeadTokens are remembered; beyond it each costs a refused request again.
const maxDeadTokens = 10_000

// deadTokens remembers which interaction tokens Discord does not take any more, before their time is over: each further
// use would be refused, and Discord counts refusals. It is safe for concurrent use.
type deadTokens struct {
	mu    sync.Mutex
	known map[string]time.Time // when nobody would use it any more
}

// note takes notice of what became of a call with a token.
func (d *deadTokens) note(ref MessageRef, err error, now time.Time) {
	api, ok := errors.AsType[*APIError](err)
	if !ok || api.Code != codeInvalidToken && api.Status != http.StatusUnauthorized {
		return // an unknown webhook may be known in a moment
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) >= maxDeadTokens {
		maps.DeleteFunc(d.known, func(_ string, ends time.Time) bool { return !now.Before(ends) })
	}
	if d.known == nil || len(d.known) >= maxDeadTokens {
		d.known = make(map[string]time.Time)
	}
	d.known[ref.Token] = ref.Expires
}

func (d *deadTokens) has(token string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.known[token]
	return ok
}
