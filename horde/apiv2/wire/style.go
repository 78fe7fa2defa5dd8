// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

import "encoding/json"

// StyleRequest is the body of POST and PATCH styles/image and styles/text. PATCH leaves nil fields as they are. Params
// is a *StyleImageParams or a *StyleTextParams.
type StyleRequest struct {
	Name      string   `json:"name,omitempty"`
	Info      string   `json:"info,omitempty"`
	Prompt    string   `json:"prompt,omitempty"` // with {p}, and for images {np}
	Params    any      `json:"params,omitempty"`
	Models    []string `json:"models,omitempty"`
	Tags      []string `json:"tags,omitempty"`
	Public    *bool    `json:"public,omitempty"`
	NSFW      *bool    `json:"nsfw,omitempty"`
	SharedKey string   `json:"sharedkey,omitempty"`
}

// StyleImageParams are the parameters that an image style sets.
type StyleImageParams struct {
	Sampler           string   `json:"sampler_name,omitempty"`
	CFGScale          *Float   `json:"cfg_scale,omitempty"`
	DenoisingStrength *Float   `json:"denoising_strength,omitempty"`
	HiresFixDenoising *Float   `json:"hires_fix_denoising_strength,omitempty"`
	Height            int      `json:"height,omitempty"`
	Width             int      `json:"width,omitempty"`
	Steps             int      `json:"steps,omitempty"`
	Karras            *bool    `json:"karras,omitempty"`
	Tiling            *bool    `json:"tiling,omitempty"`
	HiresFix          *bool    `json:"hires_fix,omitempty"`
	Transparent       *bool    `json:"transparent,omitempty"`
	ClipSkip          int      `json:"clip_skip,omitempty"`
	FacefixerStrength *Float   `json:"facefixer_strength,omitempty"`
	PostProcessing    []string `json:"post_processing,omitempty"`
	Loras             []Lora   `json:"loras,omitempty"`
	TextualInversions []TI     `json:"tis,omitempty"`

	Workflow string          `json:"workflow,omitempty"`
	Special  json.RawMessage `json:"special,omitempty"`
}

// StyleTextParams are the parameters that a text style sets. Replies always hold those with a default.
type StyleTextParams struct {
	RepPen                *Float   `json:"rep_pen,omitempty"`
	RepPenRange           *int     `json:"rep_pen_range,omitempty"`
	RepPenSlope           *Float   `json:"rep_pen_slope,omitempty"`
	Temperature           *Float   `json:"temperature,omitempty"`
	TFS                   *Float   `json:"tfs,omitempty"`
	TopA                  *Float   `json:"top_a,omitempty"`
	TopK                  *int     `json:"top_k,omitempty"`
	TopP                  *Float   `json:"top_p,omitempty"`
	Typical               *Float   `json:"typical,omitempty"`
	MinP                  *Float   `json:"min_p,omitempty"`
	SmoothingFactor       *Float   `json:"smoothing_factor,omitempty"`
	DynatempRange         *Float   `json:"dynatemp_range,omitempty"`
	DynatempExponent      *Float   `json:"dynatemp_exponent,omitempty"`
	SamplerOrder          []int    `json:"sampler_order,omitempty"`
	StopSequence          []string `json:"stop_sequence,omitempty"`
	UseDefaultBadWordsIDs *bool    `json:"use_default_badwordsids,omitempty"`
	SingleLine            *bool    `json:"singleline,omitempty"`
	AddSentenceSpace      *bool    `json:"frmtadsnsp,omitempty"`
	RemoveBlankLines      *bool    `json:"frmtrmblln,omitempty"`
	RemoveSpecial         *bool    `json:"frmtrmspch,omitempty"`
	TrimIncomplete        *bool    `json:"frmttriminc,omitempty"`
}

// ImageStyle answers GET styles/image and its kin. Params is left out when the style sets nothing.
type ImageStyle struct {
	ID        string            `json:"id"`
	UseCount  int64             `json:"use_count"`
	Creator   string            `json:"creator"`
	Name      string            `json:"name"`
	Info      string            `json:"info"`
	Prompt    string            `json:"prompt"`
	Public    bool              `json:"public"`
	NSFW      bool              `json:"nsfw"`
	Tags      []string          `json:"tags"`
	Models    []string          `json:"models"`
	Params    *StyleImageParams `json:"params,omitempty"`
	Examples  []StyleExample    `json:"examples"`
	SharedKey any               `json:"shared_key,omitempty"` // details of the key, as GET sharedkeys/{id} answers
}

// TextStyle answers GET styles/text and its kin.
type TextStyle struct {
	ID       string          `json:"id"`
	UseCount int64           `json:"use_count"`
	Creator  string          `json:"creator"`
	Name     string          `json:"name"`
	Info     string          `json:"info"`
	Prompt   string          `json:"prompt"`
	Public   bool            `json:"public"`
	NSFW     bool            `json:"nsfw"`
	Tags     []string        `json:"tags"`
	Models   []string        `json:"models"`
	Params   StyleTextParams `json:"params"`
}

// StyleExample is a picture that shows what a style does.
type StyleExample struct {
	ID      string `json:"id"`
	URL     string `json:"url"`
	Primary bool   `json:"primary"`
}

// ExampleRequest is the body of POST and PATCH styles/image/{id}/example. PATCH leaves nil fields as they are.
type ExampleRequest struct {
	URL     string `json:"url,omitempty"` // https
	Primary *bool  `json:"primary,omitempty"`
}

// StyleChanged answers what makes or changes a style, an example or a collection. Warnings that are nil are left out.
type StyleChanged struct {
	ID       string    `json:"id"`
	Message  string    `json:"message"`
	Warnings []Warning `json:"warnings,omitzero"`
}

// Collection answers GET collections and its kin. It keeps every field.
type Collection struct {
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	Type     string       `json:"type"` // image or text
	Info     *string      `json:"info"`
	Public   bool         `json:"public"`
	Styles   []NamedStyle `json:"styles"`
	UseCount int64        `json:"use_count"`
}

// NamedStyle is a style in a collection.
type NamedStyle struct {
	Name string `json:"name"` // user#id::style::name
	ID   string `json:"id"`
}

// CollectionRequest is the body of POST and PATCH collections. PATCH leaves nil fields as they are.
type CollectionRequest struct {
	Name   string   `json:"name,omitempty"`
	Info   string   `json:"info,omitempty"`
	Public *bool    `json:"public,omitempty"`
	Styles []string `json:"styles,omitempty"` // names or IDs
}

// StyleDone answers what takes a style, an example or a collection away.
type StyleDone struct {
	Message string `json:"message"`
}
