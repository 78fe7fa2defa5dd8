// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"stablemate/horde/apiv2"
)

// Every schema of the door takes any body, and tells a bounded number of violations.
func FuzzSchemas(f *testing.F) {
	for _, seed := range []string{
		`{"name": "x", "info": "y", "prompt": "{p}{np}", "params": {"steps": 5}, "models": ["a"], "tags": ["b"], "public": true, "nsfw": false}`,
		`{"message": "x", "worker_id": "y", "origin": "z", "expiry": 12}`, `{"styles": ["x"], "url": "https://example.com", "primary": true}`,
		`{"name": null}`, `{"name": ["\ud800"]}`, `{"models": [[[[]]]]}`, `[]`, `1e400`, `{"a": 1, "a": 2}`, `{"params": {"n": 99999999999999999999}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, bad := range apiv2.AllViolations(data) {
			if len(bad) > 60 {
				t.Errorf("%s: %d violations are told", name, len(bad))
			}
			for path, text := range bad {
				if text == "" || len(text) > 1000 {
					t.Errorf("%s: the violation at %.100q is told in %d bytes", name, path, len(text))
				}
			}
		}
	})
}

// A mask keeps nothing it was not asked for, and what it leaves is JSON.
func FuzzMaskKeeps(f *testing.F) {
	f.Add("a,b{c}", `{"a": 1, "b": {"c": [1, null], "d": 2}}`)
	f.Add("*", `[{"a": {}}, 5, []]`)
	f.Add("{a{*}}", `{"a": {"b": "\u0000"}}`)
	f.Fuzz(func(t *testing.T, fields, text string) {
		out, err := apiv2.Masked(fields, text)
		if err != nil {
			return
		}
		if !json.Valid([]byte(out)) {
			t.Errorf("mask %q makes %q of %q", fields, out, text)
		}
		var kept map[string]any
		if json.Unmarshal([]byte(out), &kept) != nil || strings.Contains(fields, "*") {
			return
		}
		for name := range kept {
			if !strings.Contains(fields, name) {
				t.Errorf("mask %q keeps %q", fields, name)
			}
		}
	})
}

// Escaping does not change what a JSON text says.
func FuzzASCII(f *testing.F) {
	for _, seed := range []string{"", "plain", "é€😀", "\u2028", "\xff", "\\u00e9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		whole, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal(apiv2.ASCII(whole), &back); err != nil || back != text {
			t.Errorf("%q becomes %q, %v", text, back, err)
		}
		for _, c := range apiv2.ASCII(whole) {
			if c >= utf8.RuneSelf {
				t.Errorf("%q keeps a byte beyond ASCII", text)
			}
		}
	})
}

// Headers that callers and proxies write are read without harm.
func FuzzHeaders(f *testing.F) {
	f.Add("gzip, br;q=0.5", "203.0.113.9, [2001:db8::1]:80", "a-b", "/api/v2/workers/name/a%2Fb")
	f.Add("gzip;q=0", ",", "\x00", "/api/v2/../x")
	f.Add(";=,gzip", "::ffff:192.0.2.1%eth0", strings.Repeat("a", 65), "//")
	f.Fuzz(func(t *testing.T, accept, forwarded, id, path string) {
		_ = apiv2.AcceptsGzip(accept)
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Header["X-Forwarded-For"] = []string{forwarded}
		_ = apiv2.CallerAddr(r, true)
		if apiv2.NamesACall(id) && (id == "" || len(id) > 64 || strings.ContainsAny(id, " \r\n\"{}")) {
			t.Errorf("%q names a call", id)
		}
		if apiv2.Clean(path) {
			for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
				if segment == "." || segment == ".." {
					t.Errorf("%q is a clean path", path)
				}
			}
		}
	})
}
