// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"embed"
	"fmt"
	"net/http"

	"stablemate/horde/apiv2/openapi"
)

//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page of the API load its own files and call its own server, nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pages are the door's own description: for programs as OpenAPI, for people as a page to try calls on. They take
// nothing from elsewhere.
func pages() (map[string][]endpoint, error) {
	description, err := openapi.JSON()
	if err != nil {
		return nil, err
	}
	show := func(kind string, data []byte) []endpoint {
		header := []string{kind}
		return []endpoint{{http.MethodGet, []limit{byDefault()}, func(_ *Server, c *call) error {
			h := c.w.Header()
			h.Set("Content-Security-Policy", pagePolicy)
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Referrer-Policy", "same-origin")
			h.Set("Cache-Control", "no-cache") // the next version of the program may say something else
			c.send(http.StatusOK, header, data)
			return nil
		}}}
	}
	out := map[string][]endpoint{
		Prefix + "/openapi.json": show(contentJSON[0], description),
		"/api/swagger.json":      show(contentJSON[0], description),
	}
	for path, file := range map[string][2]string{
		"/api/{$}":      {"docs.html", "text/html; charset=utf-8"},
		"/api/docs.css": {"docs.css", "text/css; charset=utf-8"},
		"/api/docs.js":  {"docs.js", "text/javascript; charset=utf-8"},
	} {
		data, err := pageFiles.ReadFile("page/" + file[0])
		if err != nil {
			return nil, fmt.Errorf("read the page of the API: %w", err)
		}
		out[path] = show(file[1], data)
	}
	return out, nil
}
