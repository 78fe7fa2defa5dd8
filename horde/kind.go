// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import "stablemate/horde/kudos"

// lane separates the kinds of work in the queue, so that pops of one kind never meet requests of another. Alchemy has a
// machine of its own (alchemy.go) and no lane.
type lane uint8

const (
	imageLane lane = iota
	textLane
	lanes // how many there are
)

func laneOf(kind WorkerType) lane {
	if kind == Scribe {
		return textLane
	}
	return imageLane
}

func (r *Request) lane() lane {
	if r.Text != nil {
		return textLane
	}
	return imageLane
}

// Things is the work in one generation: pixelsteps of an image, tokens of a text.
func (r *Request) Things() int64 {
	if r.Text != nil {
		return int64(r.Text.MaxLength)
	}
	return r.Image.Things()
}

// class groups a request with those that the same workers can take.
func (r *Request) class() class {
	if r.Text != nil {
		return class{r.needs, int32(r.Text.MaxLength), int32(r.Text.MaxContext)}
	}
	return class{r.needs, int32(r.Image.Width * r.Image.Height), 0}
}

// prompt is what a worker's blacklist is held against.
func (r *Request) prompt() string {
	if r.Text != nil {
		return r.Text.Prompt
	}
	return r.Image.Prompt
}

// Text is everything a text request asks of a worker. It never changes after EnqueueText.
type Text struct {
	Prompt     string       `json:"prompt"`
	MaxLength  int          `json:"max_length"`          // tokens to write, at most
	MaxContext int          `json:"max_context"`         // tokens of prompt and text together
	Validated  bool         `json:"validated,omitempty"` // only software that is known to count honestly
	Settings   TextSettings `json:"settings,omitzero"`

	Style *AppliedStyle `json:"style,omitempty"` // that the request was made with
}

// TextSettings are what a text request may set about sampling and the shape of the text; nil is left to the worker. The
// rules pass them on as they are.
type TextSettings struct {
	RepPen             *float64 `json:"rep_pen,omitempty"`
	RepPenRange        *int     `json:"rep_pen_range,omitempty"`
	RepPenSlope        *float64 `json:"rep_pen_slope,omitempty"`
	Temperature        *float64 `json:"temperature,omitempty"`
	TFS                *float64 `json:"tfs,omitempty"`
	TopA               *float64 `json:"top_a,omitempty"`
	TopK               *int     `json:"top_k,omitempty"`
	TopP               *float64 `json:"top_p,omitempty"`
	Typical            *float64 `json:"typical,omitempty"`
	MinP               *float64 `json:"min_p,omitempty"`
	SmoothingFactor    *float64 `json:"smoothing_factor,omitempty"`
	DynatempRange      *float64 `json:"dynatemp_range,omitempty"`
	DynatempExponent   *float64 `json:"dynatemp_exponent,omitempty"`
	SingleLine         *bool    `json:"singleline,omitempty"`
	DefaultBadWords    *bool    `json:"use_default_badwordsids,omitempty"`
	FormatAddSpace     *bool    `json:"frmtadsnsp,omitempty"`
	FormatBlankLines   *bool    `json:"frmtrmblln,omitempty"`
	FormatRemoveSpeech *bool    `json:"frmtrmspch,omitempty"`
	FormatTrim         *bool    `json:"frmttriminc,omitempty"`
	SamplerOrder       []int    `json:"sampler_order,omitempty"`
	StopSequence       []string `json:"stop_sequence,omitempty"`
}

// needsOfText is what a text request asks of a scribe.
func needsOfText(r *Request) need {
	n := okExtraSlow // nobody is asked about slow scribes
	if r.TrustedWorkers {
		n |= needTrusted
	}
	if r.Text.Validated {
		n |= needValidated
	}
	if !r.SlowWorkers {
		size := 0.0
		if len(r.Models) > 0 {
			size = kudos.TextParams(r.Models[0])
		}
		switch {
		case len(r.Models) == 0 || size >= 20:
			n |= needTokens3
		case size >= 13:
			n |= needTokens4
		default:
			n |= needTokens5
		}
	}
	return n
}

// deriveScribe recomputes what a scribe can do and how much it takes.
func (w *Worker) deriveScribe() {
	n := okExtraSlow
	if ValidatedBackend(w.Offer.BridgeAgent) {
		n |= needValidated
	}
	for bit, least := range map[need]float64{needTokens3: 3, needTokens4: 4, needTokens5: 5} {
		if w.speed >= least {
			n |= bit
		}
	}
	w.have = n
	w.size, w.context = w.Offer.MaxLength, w.Offer.MaxContext
}

// ValidatedBackend reports whether software for scribes is known to count tokens honestly.
func ValidatedBackend(agent string) bool {
	switch name, _ := splitAgent(agent); name {
	case "AI Horde Worker", "AI Horde Worker~aphrodite~oai", "AI Horde Worker~aphrodite~kai", "KoboldCppEmbedWorker", "TabbyAPI":
		return true
	}
	return false
}
