// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"time"

	"stablemate/commands/chat"
)

// openParams are the parameters that anybody may read who sees the result: how it was made, and nothing about who pays.
type openParams struct {
	Prompt   string        `json:"prompt"`
	Negative string        `json:"negative,omitempty"`
	Model    string        `json:"model,omitempty"`
	Style    string        `json:"style,omitempty"`
	Width    int           `json:"width,omitempty"`
	Height   int           `json:"height,omitempty"`
	Steps    int           `json:"steps,omitempty"`
	Seed     string        `json:"seed,omitempty"`
	Amount   int           `json:"amount,omitempty"`
	CFG      float64       `json:"cfg,omitempty"`
	Sampler  string        `json:"sampler,omitempty"`
	Karras   bool          `json:"karras,omitempty"`
	Strength float64       `json:"strength,omitempty"`
	Fine     *fine         `json:"fine,omitempty"` // without images
	Text     *textAsk      `json:"text,omitempty"`
	Made     []openOutcome `json:"made,omitempty"`
}

// openOutcome is one result, as anybody may know it.
type openOutcome struct {
	ID       string `json:"id"`
	Model    string `json:"model,omitempty"`
	Worker   string `json:"worker,omitempty"`
	Seed     uint32 `json:"seed,omitempty"`
	Censored bool   `json:"censored,omitempty"`
}

// infoFile is what the file says; nothing in it names the person, or leads to an image.
func infoFile(row chat.Message, p *params) map[string]any {
	o := openParams{
		Prompt: p.Prompt, Negative: p.Negative, Model: p.Model, Style: p.Style, Width: p.Width, Height: p.Height, Steps: p.Steps, Seed: p.Seed,
		Amount: p.Amount, CFG: p.CFG, Sampler: p.Sampler, Karras: p.Karras, Strength: p.Strength, Text: p.Text,
	}
	if p.Fine != nil {
		f := *p.Fine
		f.Extra = nil
		o.Fine = &f
	}
	for _, g := range p.Made {
		o.Made = append(o.Made, openOutcome{ID: g.ID, Model: g.Model, Worker: g.Worker, Seed: g.Seed, Censored: g.Censored})
	}
	return map[string]any{"request": row.Request, "created": row.Created.UTC().Format(time.RFC3339), "parameters": o}
}
