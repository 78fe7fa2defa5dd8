// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/internal/config"
	"stablemate/internal/webhook"
)

// noticesEvery is how often operators are told what is new.
const noticesEvery = 2 * time.Second

// noticeHook is what a notice looks like to whoever the operator lets call: a webhook of a Discord channel takes it as it is.
type noticeHook struct {
	Username string         `json:"username"`
	Content  string         `json:"content"`
	Mentions noticeMentions `json:"allowed_mentions"`
	Topic    string         `json:"topic"`
	User     int64          `json:"user_id"`
	Worker   string         `json:"worker_id,omitempty"`
	At       time.Time      `json:"at"`
}

// noticeMentions of nothing lets no name in a text call anybody.
type noticeMentions struct {
	Parse []string `json:"parse"`
}

// notices tells operators what happens: in the log, and at the address they named.
func (a *assembly) notices(hooks *webhook.Sender) {
	to := a.cfg.Horde.NoticesURL.Reveal()
	last := int64(0)
	for _, n := range a.engine.Notices(0) { // what was there before was told before
		last = n.ID
	}
	a.add(1, "notices", func(ctx context.Context) error {
		tick := time.NewTicker(noticesEvery)
		defer tick.Stop()
		for {
			for _, n := range a.engine.Notices(last) {
				last = n.ID
				a.log.Warn().Str("topic", string(n.Topic)).Int64("user", int64(n.User)).Int64("notice", n.ID).Msg("operators should look at a notice")
				if to != "" {
					hooks.Enqueue(wire.Delivery{URL: to, ID: "notice-" + strconv.FormatInt(n.ID, 10), Body: a.noticeHook(n)})
				}
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
}

func (a *assembly) noticeHook(n horde.Notice) noticeHook {
	out := noticeHook{
		Username: a.cfg.Horde.Name, Content: n.Text, Mentions: noticeMentions{Parse: []string{}}, Topic: string(n.Topic), User: int64(n.User), At: n.At,
	}
	if !n.Worker.IsZero() {
		out.Worker = n.Worker.String()
	}
	return out
}

// orderNotices asks for what operators were told lately.
const orderNotices = "notices"

type noticeLine struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

func (c *core) noticed() (out []noticeLine) {
	for _, n := range c.engine.Notices(0) {
		out = append(out, noticeLine{At: n.At, Text: n.Text})
	}
	return out
}

// notices shows an operator what to look at, through the running horde when there is one.
func notices(ctx context.Context, cfg config.Config, out io.Writer) error {
	reply, err := command(ctx, cfg, userOrder{Do: orderNotices, Concurrency: -1})
	if err != nil {
		return err
	}
	if reply.Error != "" {
		return errors.New(reply.Error)
	}
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "when\twhat")
	for _, n := range reply.Notices {
		_, _ = fmt.Fprintf(t, "%s\t%s\n", n.At.Format(time.DateTime), plain(n.Text))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// plain takes out what a terminal would obey.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, text)
}
