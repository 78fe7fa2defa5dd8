// SPDX-License-Identifier: AGPL-3.0-or-later

package web

import (
	"html/template"
	"net/http"
	"strings"
)

// document shows terms, privacy or sponsors.
func (s *site) document(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.opts.Document != nil {
			if html, ok := s.opts.Document(name); ok {
				s.show(w, r, http.StatusOK, "document.html", page{
					Title: strings.ToUpper(name[:1]) + name[1:], Data: template.HTML(html), //nolint:gosec // safe by what Options ask for
				})
				return
			}
		}
		s.missing(w, r)
	}
}

// news shows what happened, newest first.
func (s *site) news(w http.ResponseWriter, r *http.Request) {
	var pieces []NewsPiece
	if s.opts.News != nil {
		pieces = s.opts.News()
	}
	s.show(w, r, http.StatusOK, "news.html", page{Title: "News", Data: pieces})
}

// missing says that there is nothing here.
func (s *site) missing(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusNotFound, "message.html", page{Title: "Not here", Message: "There is no page at this address."})
}
