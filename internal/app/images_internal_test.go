// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"errors"
	"testing"
	"time"

	"stablemate/internal/blob"
	"stablemate/internal/config"
)

// links stand for a signer.
type links struct{ blob.Links }

func (links) ReadLink(key string, _ time.Duration) (string, error) {
	if key == "" {
		return "", errors.New("no key")
	}
	return "https://horde.example/blob/" + key, nil
}

func TestPeopleGetLinksOnlyToWhatTheyReach(t *testing.T) {
	t.Parallel()
	chat := config.Discord{Token: "t"}
	for name, c := range map[string]struct {
		cfg    config.Config
		bucket bool
		want   bool
	}{
		"a public address":                {config.Config{Discord: chat, Server: config.Server{PublicURL: "https://horde.example"}}, false, true},
		"none":                            {config.Config{Discord: chat}, false, false},
		"one of this machine":             {config.Config{Discord: chat, Server: config.Server{PublicURL: "http://127.0.0.1:7001"}}, false, false},
		"another one of this machine":     {config.Config{Discord: chat, Server: config.Server{PublicURL: "http://localhost"}}, false, false},
		"every address":                   {config.Config{Discord: chat, Server: config.Server{PublicURL: "http://[::]:7001"}}, false, false},
		"the sandbox of this machine":     {config.Config{Sandbox: config.Sandbox{Enabled: "on"}}, false, true},
		"a bucket's service":              {config.Config{Discord: chat, S3: config.S3{Endpoint: "https://s3.example"}}, true, true},
		"a bucket that only we reach":     {config.Config{Discord: chat, S3: config.S3{Endpoint: "http://127.0.0.1:9000"}}, true, false},
		"a bucket with another way to it": {config.Config{Discord: chat, S3: config.S3{Endpoint: "http://127.0.0.1:9000", PublicEndpoint: "https://s3.example"}}, true, true},
	} {
		a := &assembly{core: &core{cfg: c.cfg}}
		if c.bucket {
			a.bucket = new(blob.Bucket)
		}
		link := a.chatLink(links{})
		if got := link != nil; got != c.want {
			t.Errorf("%s: a link is given: %v, want %v", name, got, c.want)
			continue
		}
		if link == nil {
			continue
		}
		if address, ok := link("k.webp", time.Hour); !ok || address != "https://horde.example/blob/k.webp" {
			t.Errorf("%s: the link is %q, %v", name, address, ok)
		}
		if address, ok := link("", time.Hour); ok {
			t.Errorf("%s: nothing has the link %q", name, address)
		}
	}
}
