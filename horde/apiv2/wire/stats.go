// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

// ImageTotals answers GET stats/img/totals.
type ImageTotals struct {
	Minute ImageTotal `json:"minute"`
	Hour   ImageTotal `json:"hour"`
	Day    ImageTotal `json:"day"`
	Month  ImageTotal `json:"month"`
	Total  ImageTotal `json:"total"`
}

// ImageTotal counts images and pixelsteps.
type ImageTotal struct {
	Images int64 `json:"images"`
	PS     int64 `json:"ps"`
}

// TextTotals answers GET stats/text/totals.
type TextTotals struct {
	Minute TextTotal `json:"minute"`
	Hour   TextTotal `json:"hour"`
	Day    TextTotal `json:"day"`
	Month  TextTotal `json:"month"`
	Total  TextTotal `json:"total"`
}

// TextTotal counts requests and tokens.
type TextTotal struct {
	Requests int64 `json:"requests"`
	Tokens   int64 `json:"tokens"`
}

// ModelStats answers GET stats/img/models and stats/text/models: deliveries by model.
type ModelStats struct {
	Day   map[string]int64 `json:"day"`
	Month map[string]int64 `json:"month"`
	Total map[string]int64 `json:"total"`
}

// Document answers GET documents/{name} in one of its two forms.
type Document struct {
	HTML     string `json:"html,omitempty"`
	Markdown string `json:"markdown,omitempty"`
}
