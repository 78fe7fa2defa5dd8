// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"strings"
	"testing"
	"time"

	"stablemate/internal/blob"
	"stablemate/internal/config"
)

func TestPeopleGetLinksOnlyToWhatTheyReach(t *testing.T) {
	t.Parallel()
	chat := config.Discord{Token: "t"}
	signer, err := blob.NewSigner([]byte("sixteen bytes or more"), "https://horde.example", systemClock.Now)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg  config.Config
		want bool
	}{
		"a public address":            {config.Config{Discord: chat, Server: config.Server{PublicURL: "https://horde.example"}}, true},
		"none":                        {config.Config{Discord: chat}, false},
		"one of this machine":         {config.Config{Discord: chat, Server: config.Server{PublicURL: "http://127.0.0.1:7001"}}, false},
		"another one of this machine": {config.Config{Discord: chat, Server: config.Server{PublicURL: "http://localhost"}}, false},
		"every address":               {config.Config{Discord: chat, Server: config.Server{PublicURL: "http://[::]:7001"}}, false},
		"the sandbox of this machine": {config.Config{Sandbox: config.Sandbox{Enabled: "on"}}, true},
	} {
		a := &assembly{core: &core{cfg: c.cfg}, signer: signer}
		link := a.chatLink()
		if got := link != nil; got != c.want {
			t.Errorf("%s: a link is given: %v, want %v", name, got, c.want)
			continue
		}
		if link == nil {
			continue
		}
		if address, ok := link("k.webp", time.Hour); !ok || !strings.HasPrefix(address, "https://horde.example/blob/k.webp?op=get&exp=") {
			t.Errorf("%s: the link is %q, %v", name, address, ok)
		}
		if address, ok := link("", time.Hour); ok {
			t.Errorf("%s: nothing has the link %q", name, address)
		}
	}
}
