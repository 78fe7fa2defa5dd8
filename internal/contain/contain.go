// SPDX-License-Identifier: AGPL-3.0-or-later

// Package contain keeps what goes wrong with one thing from the others: loops over rows call it for each of them.
package contain

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/rs/zerolog"
)

// Call runs f and returns its error; a panic is one, too. What went wrong is logged, unless ctx ended: with the stack where it
// was a panic. what says what f does, in the log's words.
func Call(ctx context.Context, log zerolog.Logger, what string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%s panicked: %v", what, v)
			log.Error().Str("stack", string(debug.Stack())).Msg(err.Error())
		}
	}()
	if err = f(); err != nil && ctx.Err() == nil {
		log.Warn().Err(err).Msg(what + " did not work")
	}
	return err
}
