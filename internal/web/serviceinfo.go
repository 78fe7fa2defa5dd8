// SPDX-License-Identifier: AGPL-3.0-or-later

package web

import (
	"encoding/json"
	"net/http"
)

// Versions that programs read before they speak to a horde.
const (
	serviceInfoVersion = "0.2"
	apiVersion         = "2.5"
)

// serviceInfo says what serves here and where its API is, for programs that only know the host.
type serviceInfo struct {
	Version  string              `json:"version"`
	Software software            `json:"software"`
	API      map[string]apiAbout `json:"api"`
}

type software struct {
	Name       string `json:"name"`
	Version    string `json:"version"`
	Repository string `json:"repository"`
	Homepage   string `json:"homepage"`
	Logo       string `json:"logo"`
}

type apiAbout struct {
	Name          string `json:"name"`
	Version       string `json:"version"`
	BaseURL       string `json:"base_url"`
	RelURL        string `json:"rel_url"`
	Documentation string `json:"documentation"`
}

// discover is GET /.well-known/serviceinfo.
func (s *site) discover(w http.ResponseWriter, r *http.Request) {
	base := s.opts.PublicURL
	if base == "" {
		base = "http://" + r.Host
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Access-Control-Allow-Origin", "*")
	_ = json.NewEncoder(w).Encode(serviceInfo{ // an error means the caller left
		Version:  serviceInfoVersion,
		Software: software{Name: s.opts.Name, Version: s.opts.Version, Repository: s.opts.Source, Homepage: base, Logo: base + "/assets/icon.svg"},
		API: map[string]apiAbout{"aihorde": {
			Name: "AI Horde API", Version: apiVersion, BaseURL: base + "/api", RelURL: "/v2", Documentation: base + "/api/",
		}},
	})
}
