// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"fmt"
	"io"

	"github.com/rs/zerolog"

	"stablemate/internal/config"
	"stablemate/internal/fetch"
	"stablemate/internal/webhook"
)

// webhooks makes the sender of webhooks. It stops as late as the engine, so that what was delivered last is told as well.
func (a *assembly) webhooks() (*webhook.Sender, error) {
	sender, err := webhook.New(webhook.Deps{
		Dial: fetch.NewDialer(false).DialContext, Secret: a.secrets.hooks, Now: systemClock.Now, Log: a.log,
	}, webhook.Options{})
	if err != nil {
		return nil, fmt.Errorf("set up webhooks: %w", err)
	}
	a.add(0, "webhooks", sender.Run)
	return sender, nil
}

// webhookSecret prints what receivers check calls with.
func webhookSecret(ctx context.Context, cfg config.Config, out io.Writer) error {
	st, err := openStore(ctx, cfg, zerolog.Nop())
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	keys, err := openSecrets(ctx, st, cfg.Server.Secret.Reveal())
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, webhook.Secret(keys.hooks))
	return nil
}
