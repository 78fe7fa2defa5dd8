// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"slices"

	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/apitest"
	"stablemate/horde/apiv2/wire"
)

// papers are the texts of an operator.
type papers struct{}

func (papers) Document(name string) (html, markdown string, ok bool) {
	return "<h1>" + name + "</h1>\n", "# " + name + "\n", true
}

func (papers) News() []wire.News {
	return []wire.News{
		{DatePublished: "2026-11-22", Newspiece: "*More*", Importance: "Information", Tags: []string{"x"}, Title: "Second", MoreInfoURLs: []string{}},
		{DatePublished: "2026-11-21", Newspiece: "Open", Importance: "Information", Tags: []string{}, Title: "First", MoreInfoURLs: []string{"https://horde.example/1"}},
	}
}

func statsRows() []row {
	const (
		imageTotals = "GET /v2/stats/img/totals"
		imageModels = "GET /v2/stats/img/models"
		textTotals  = "GET /v2/stats/text/totals"
		textModels  = "GET /v2/stats/text/models"
	)
	made := then(working(), delivered)
	written := apitest.Plan{Options: apiv2.Options{Papers: papers{}}}
	out := []row{
		{op: imageTotals, name: "empty", want: 200},
		{op: imageTotals, name: "after", setup: made, want: 200},
		{op: imageModels, name: "empty", want: 200},
		{op: imageModels, name: "after", setup: made, want: 200},
		{op: imageModels, name: "custom", setup: made, query: "model_state=custom", want: 200},
		{op: imageModels, name: "all", setup: made, query: "model_state=all", want: 200},
		{op: imageModels, name: "strange_state", query: "model_state=x", want: 400, rc: "BadRequest"},
		{op: textTotals, name: "empty", want: 200},
		{op: textModels, name: "empty", want: 200},
		{op: news, name: "two", plan: written, want: 200},
	}
	for _, name := range []string{"terms", "privacy", "sponsors"} {
		op := "GET /v2/documents/" + name
		out = slices.Concat(out, []row{
			{op: op, name: "html", plan: written, want: 200},
			{op: op, name: "markdown", plan: written, query: "format=markdown", want: 200},
			{op: op, name: "strange_format", query: "format=pdf", want: 400, rc: "BadRequest"},
		})
	}
	return out
}
