// SPDX-License-Identifier: AGPL-3.0-or-later

package contain_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"stablemate/internal/contain"
)

func TestCall(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(context.Background())
	end()
	broken := errors.New("a disk is full")
	cases := map[string]struct {
		ctx     context.Context
		f       func() error
		err     string
		says    []string
		nothing bool
	}{
		"nothing happens":             {context.Background(), func() error { return nil }, "", nil, true},
		"an error is logged":          {context.Background(), func() error { return broken }, "a disk is full", []string{"warn", "counting did not work", "a disk is full"}, false},
		"no error of the end is":      {ended, func() error { return broken }, "a disk is full", nil, true},
		"a panic is an error":         {context.Background(), func() error { panic("no row") }, "counting panicked: no row", []string{"error", "no row", "contain_test.go"}, false},
		"a panic at the end is, too":  {ended, func() error { panic("no row") }, "counting panicked: no row", []string{"no row"}, false},
		"what is no text is written":  {context.Background(), func() error { panic(7) }, "counting panicked: 7", []string{"7"}, false},
		"an error in a panic is seen": {context.Background(), func() error { panic(broken) }, "counting panicked: a disk is full", nil, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said strings.Builder
			err := contain.Call(c.ctx, zerolog.New(&said), "counting", c.f)
			if got := ""; err != nil && err.Error() != c.err || err == nil && c.err != got {
				t.Errorf("Call = %v, want %q", err, c.err)
			}
			for _, text := range c.says {
				if !strings.Contains(said.String(), text) {
					t.Errorf("the log %q does not say %q", said.String(), text)
				}
			}
			if c.nothing && said.Len() > 0 {
				t.Errorf("the log says %q", said.String())
			}
		})
	}
}
