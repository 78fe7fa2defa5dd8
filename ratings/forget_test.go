// SPDX-License-Identifier: AGPL-3.0-or-later

package ratings_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/pgtest"
	"stablemate/internal/store"
	"stablemate/ratings"
)

// serve runs the ratings until the returned function is called.
func (r *rig) serve() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := r.Run(ctx); err != nil {
			r.t.Errorf("ratings: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) votes(id horde.UserID) int {
	r.t.Helper()
	votes, err := r.store.VotesOf(r.t.Context(), id, 9)
	if err != nil {
		r.t.Fatal(err)
	}
	return len(votes)
}

// forgotten waits until nothing is known of what somebody said.
func (r *rig) forgotten(id horde.UserID) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); r.votes(id) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("the votes of %d are still theirs", id)
		}
	}
}

func TestDeletedAccountsAreForgottenWhoeverDeletesThem(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(t *testing.T) store.Options{
		"sqlite": func(t *testing.T) store.Options {
			t.Helper()
			return store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db")}
		},
		"postgres": func(t *testing.T) store.Options {
			t.Helper()
			return store.Options{Engine: store.Postgres, URL: pgtest.URL(t)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRigOn(t, ratings.Options{Probes: -1}, on(t))
			ann, bea, cat := r.account("ann", 0), r.account("bea", 0), r.account("cat", 0)
			mod := r.account("mod", horde.RoleModerator)
			r.fill(4, "old", nil)
			for _, id := range []horde.UserID{ann, bea, cat} {
				r.rate(id, r.show(id), 7, 1)
			}
			remove := func(by, user horde.UserID) {
				t.Helper()
				if _, err := engine.Do(t.Context(), r.engine, horde.DeleteUser{By: by, User: user}); err != nil {
					t.Fatal(err)
				}
			}
			remove(ann, ann) // while nobody listens
			stop := r.serve()
			r.forgotten(ann)
			remove(mod, bea)
			r.forgotten(bea)
			if r.votes(cat) != 1 {
				t.Error("somebody who stays was forgotten")
			}
			stop()
			remove(cat, cat)
			r.serve()
			r.forgotten(cat)
			all, err := r.store.RatingTally(t.Context(), ratings.ByAll, "")
			if err != nil || all.Votes != 3 {
				t.Errorf("what they said is gone: %+v, %v", all, err)
			}
		})
	}
}
