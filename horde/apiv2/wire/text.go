// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

// TextRequest is the body of POST generate/text/async. Only Prompt is required.
type TextRequest struct {
	Prompt            string      `json:"prompt"`
	Params            *TextParams `json:"params,omitempty"`
	Models            []string    `json:"models,omitempty"` // none means any
	TrustedWorkers    bool        `json:"trusted_workers,omitempty"`
	ValidatedBackends bool        `json:"validated_backends,omitempty"`
	SlowWorkers       *bool       `json:"slow_workers,omitempty"`
	Workers           []string    `json:"workers,omitempty"`
	WorkerBlacklist   bool        `json:"worker_blacklist,omitempty"`
	DryRun            bool        `json:"dry_run,omitempty"`
	DisableBatching   bool        `json:"disable_batching,omitempty"`
	AllowDowngrade    bool        `json:"allow_downgrade,omitempty"`
}

// TextParams are the parameters of a text; zero values are the server's defaults.
type TextParams struct {
	N                int `json:"n,omitempty"`
	MaxLength        int `json:"max_length,omitempty"`         // tokens to write
	MaxContextLength int `json:"max_context_length,omitempty"` // tokens to read and write
	TextSettings
}

// TextSettings are settings of sampling and of the text's shape. It omits what is not set.
type TextSettings struct {
	RepPen               *Float   `json:"rep_pen,omitempty"`
	RepPenRange          *int     `json:"rep_pen_range,omitempty"`
	RepPenSlope          *Float   `json:"rep_pen_slope,omitempty"`
	Temperature          *Float   `json:"temperature,omitempty"`
	TFS                  *Float   `json:"tfs,omitempty"`
	TopA                 *Float   `json:"top_a,omitempty"`
	TopK                 *int     `json:"top_k,omitempty"`
	TopP                 *Float   `json:"top_p,omitempty"`
	Typical              *Float   `json:"typical,omitempty"`
	MinP                 *Float   `json:"min_p,omitempty"`
	SmoothingFactor      *Float   `json:"smoothing_factor,omitempty"`
	DynatempRange        *Float   `json:"dynatemp_range,omitempty"`
	DynatempExponent     *Float   `json:"dynatemp_exponent,omitempty"`
	SamplerOrder         []int    `json:"sampler_order,omitempty"`
	StopSequence         []string `json:"stop_sequence,omitempty"`
	SingleLine           *bool    `json:"singleline,omitempty"`
	UseDefaultBadWordIDs *bool    `json:"use_default_badwordsids,omitempty"`
	FrmtAdSnSp           *bool    `json:"frmtadsnsp,omitempty"`
	FrmtRmBlLn           *bool    `json:"frmtrmblln,omitempty"`
	FrmtRmSpch           *bool    `json:"frmtrmspch,omitempty"`
	FrmtTrimInc          *bool    `json:"frmttriminc,omitempty"`
}

// TextEnqueued answers POST generate/text/async with 202.
type TextEnqueued struct {
	ID      string `json:"id"`
	Kudos   Float  `json:"kudos"` // expected price of one text
	Message string `json:"message,omitempty"`
}

// TextStatus answers GET and DELETE generate/text/status/{id}. It keeps every field.
type TextStatus struct {
	Generations []TextGeneration `json:"generations"`
	Check
}

// TextGeneration is one delivered text. It keeps every field.
type TextGeneration struct {
	Text        string     `json:"text"`
	Seed        int64      `json:"seed"`
	GenMetadata []Metadata `json:"gen_metadata"`
	WorkerID    string     `json:"worker_id"`
	WorkerName  string     `json:"worker_name"`
	Model       string     `json:"model"`
	State       string     `json:"state"` // ok, censored or csam
}

// TextPopRequest is the body of POST generate/text/pop.
type TextPopRequest struct {
	Name                string   `json:"name"`
	Models              []string `json:"models"`
	BridgeAgent         string   `json:"bridge_agent,omitempty"`
	PriorityUsernames   []string `json:"priority_usernames,omitempty"`
	NSFW                *bool    `json:"nsfw,omitempty"`
	Threads             int      `json:"threads,omitempty"`
	RequireUpfrontKudos bool     `json:"require_upfront_kudos,omitempty"`
	Amount              int      `json:"amount,omitempty"`
	MaxLength           int      `json:"max_length,omitempty"`
	MaxContextLength    int      `json:"max_context_length,omitempty"`
	Softprompts         []string `json:"softprompts,omitempty"`
}

// TextPopReply answers POST generate/text/pop, with work or without: then ID and Model are nil and Skipped says why. It
// keeps every field.
type TextPopReply struct {
	Payload           TextPayload        `json:"payload"`
	ID                *string            `json:"id"`
	IDs               []string           `json:"ids"`
	Messages          []Message          `json:"messages"`
	TTL               *int               `json:"ttl"` // seconds to deliver
	ExtraSourceImages []ExtraSourceImage `json:"extra_source_images"`
	Skipped           map[string]int     `json:"skipped"`
	Softprompt        *string            `json:"softprompt"`
	Model             *string            `json:"model"`
}

// TextPayload says what to write. It omits what is not asked for, but six fields always have a value.
type TextPayload struct {
	Prompt           string `json:"prompt,omitempty"`
	N                int    `json:"n,omitempty"`
	MaxContextLength int    `json:"max_context_length"`
	MaxLength        int    `json:"max_length"`
	TextSettings
}

// IdleTextPayload is what a pop without work shows as payload.
func IdleTextPayload() TextPayload {
	p := TextPayload{MaxContextLength: 2048, MaxLength: 80}
	p.Fill()
	return p
}

// Fill gives the settings that are always sent their defaults where they are not set.
func (s *TextSettings) Fill() {
	for _, f := range []**Float{&s.MinP, &s.SmoothingFactor, &s.DynatempRange} {
		if *f == nil {
			*f = new(Float)
		}
	}
	if s.DynatempExponent == nil {
		s.DynatempExponent = new(Float(1))
	}
}

// TextSubmitRequest is the body of POST generate/text/submit.
type TextSubmitRequest struct {
	ID          string     `json:"id"`
	Generation  string     `json:"generation"` // may be empty
	Seed        int64      `json:"seed,omitempty"`
	State       string     `json:"state,omitempty"`
	GenMetadata []Metadata `json:"gen_metadata,omitempty"`
}
