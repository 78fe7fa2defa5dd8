// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// service is something that runs until its context ends.
type service struct {
	name string
	run  func(context.Context) error
}

// stage is a set of services that start and stop together.
type stage []service

// runStages starts stages in order and runs them until ctx ends or a service fails, then stops them in
// the opposite order, each one fully before the next: doors close before the pool drains, the engine
// outlives both.
func runStages(ctx context.Context, stages []stage) error {
	failed, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	type running struct {
		stop context.CancelFunc
		wait func() error
	}
	var up []running
	for _, st := range stages {
		inner, stop := context.WithCancel(context.WithoutCancel(ctx))
		g, gctx := errgroup.WithContext(inner)
		for _, s := range st {
			g.Go(func() error {
				err := s.run(gctx)
				switch {
				case err != nil && !errors.Is(err, context.Canceled):
					err = fmt.Errorf("%s: %w", s.name, err)
				case inner.Err() == nil && gctx.Err() == nil:
					err = fmt.Errorf("%s ended by itself", s.name)
				default:
					err = nil
				}
				if err != nil {
					fail(err)
				}
				return err
			})
		}
		up = append(up, running{stop, g.Wait})
	}
	<-failed.Done()
	errs := []error{}
	if cause := context.Cause(failed); cause != nil && !errors.Is(cause, context.Canceled) {
		errs = append(errs, cause)
	}
	for _, r := range slices.Backward(up) {
		r.stop()
		if err := r.wait(); err != nil && (len(errs) == 0 || !errors.Is(errs[0], err)) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
