// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"stablemate/internal/config"
)

// orderRejected asks for the prompts that the filter refused. No door shows them.
const orderRejected = "rejected"

type rejectedLine struct {
	At     time.Time `json:"at"`
	Alias  string    `json:"alias"`
	Origin string    `json:"origin"`
	Reason string    `json:"reason"`
	Prompt string    `json:"prompt"`
}

func (c *core) rejected() (out []rejectedLine) {
	for _, r := range c.engine.Rejected() {
		u, _ := c.engine.User(r.User)
		out = append(out, rejectedLine{At: r.At, Alias: u.Alias(), Origin: r.Origin, Reason: r.Reason, Prompt: r.Prompt})
	}
	return out
}

// rejected shows an operator the refused prompts, through the running horde when there is one.
func rejected(ctx context.Context, cfg config.Config, out io.Writer) error {
	reply, err := command(ctx, cfg, userOrder{Do: orderRejected, Concurrency: -1})
	if err != nil {
		return err
	}
	if reply.Error != "" {
		return errors.New(reply.Error)
	}
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "when\taccount\torigin\twhy\tprompt")
	for _, r := range reply.Rejected {
		// Quoted: a terminal obeys what others wrote otherwise.
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.At.Format(time.DateTime), strconv.Quote(r.Alias), r.Origin, r.Reason, strconv.Quote(r.Prompt))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
