// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"net/http"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
)

// Papers are the operator's texts for people. Both methods must be safe for concurrent use and quick.
type Papers interface {
	// Document returns terms, privacy or sponsors in both forms.
	Document(name string) (html, markdown string, ok bool)
	// News lists what happened, newest first.
	News() []wire.News
}

// document answers GET /documents/{name}.
func document(name string) func(*Server, *call) error {
	return func(s *Server, c *call) error {
		format := c.r.URL.Query().Get("format")
		if format != "" && format != "html" && format != "markdown" {
			return horde.Refuse(horde.CodeBadRequest, "format is html or markdown, not %s", show(format))
		}
		var html, markdown string
		if s.opts.Papers != nil {
			html, markdown, _ = s.opts.Papers.Document(name)
		}
		if format == "markdown" {
			return c.reply(http.StatusOK, wire.Document{Markdown: markdown})
		}
		return c.reply(http.StatusOK, wire.Document{HTML: html})
	}
}

// news is GET /status/news.
func (s *Server) news(c *call) error {
	out := []wire.News{}
	if s.opts.Papers != nil {
		out = append(out, s.opts.Papers.News()...)
	}
	return c.reply(http.StatusOK, out)
}
