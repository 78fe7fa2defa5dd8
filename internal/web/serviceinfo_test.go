// SPDX-License-Identifier: AGPL-3.0-or-later

package web_test

import (
	"testing"

	"stablemate/internal/web"
)

func TestProgramsFindTheAPIByTheHostAlone(t *testing.T) {
	t.Parallel()
	h := build(t, web.Options{Name: "Test horde", Version: "1.2.3", PublicURL: "https://horde.example", Source: "https://example.com/source"})
	status, body, head := h.do(t, "GET", "/.well-known/serviceinfo", nil)
	const want = `{"version":"0.2","software":{"name":"Test horde","version":"1.2.3","repository":"https://example.com/source",` +
		`"homepage":"https://horde.example","logo":"https://horde.example/assets/icon.svg"},"api":{"aihorde":{"name":"AI Horde API",` +
		`"version":"2.5","base_url":"https://horde.example/api","rel_url":"/v2","documentation":"https://horde.example/api/"}}}` + "\n"
	if status != 200 || body != want || head.Get("Content-Type") != "application/json; charset=utf-8" || head.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("answers %d %s with %v", status, body, head)
	}
}
