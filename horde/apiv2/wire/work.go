// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

import "encoding/json"

// PopRequest is the body of POST generate/pop. Only Name is required by the schema; a worker without
// models gets nothing.
type PopRequest struct {
	Name                string   `json:"name"`
	Models              []string `json:"models"`
	BridgeAgent         string   `json:"bridge_agent,omitempty"` // name:version:url
	PriorityUsernames   []string `json:"priority_usernames,omitempty"`
	NSFW                *bool    `json:"nsfw,omitempty"`
	Threads             int      `json:"threads,omitempty"`
	RequireUpfrontKudos bool     `json:"require_upfront_kudos,omitempty"`
	Amount              int      `json:"amount,omitempty"`
	ExtraSlowWorker     bool     `json:"extra_slow_worker,omitempty"`
	MaxPixels           int      `json:"max_pixels,omitempty"`
	Blacklist           []string `json:"blacklist,omitempty"`
	AllowImg2Img        *bool    `json:"allow_img2img,omitempty"`
	AllowPainting       *bool    `json:"allow_painting,omitempty"`
	AllowUnsafeIP       *bool    `json:"allow_unsafe_ipaddr,omitempty"`
	AllowPost           *bool    `json:"allow_post_processing,omitempty"`
	AllowControlNet     bool     `json:"allow_controlnet,omitempty"`
	AllowSDXLControlNet bool     `json:"allow_sdxl_controlnet,omitempty"`
	AllowLora           bool     `json:"allow_lora,omitempty"`
	LimitMaxSteps       bool     `json:"limit_max_steps,omitempty"`
}

// PopReply answers POST generate/pop, with work or without: then ID and Model are nil and Skipped says
// why. It keeps every field.
type PopReply struct {
	Payload           Payload            `json:"payload"`
	ID                *string            `json:"id"`
	IDs               []string           `json:"ids"`
	Messages          []Message          `json:"messages"`
	TTL               *int               `json:"ttl"` // seconds to deliver
	Skipped           map[string]int     `json:"skipped"`
	Model             *string            `json:"model"`
	SourceImage       *string            `json:"source_image"`
	SourceProcessing  string             `json:"source_processing"` // img2img also without a source image
	SourceMask        *string            `json:"source_mask"`
	ExtraSourceImages []ExtraSourceImage `json:"extra_source_images"`
	R2Upload          *string            `json:"r2_upload"`
	R2Uploads         []string           `json:"r2_uploads"` // one per id
}

// ExtraSourceImage is a further image to remix.
type ExtraSourceImage struct {
	Image    string `json:"image"`
	Strength Float  `json:"strength"`
}

// Message is a word to a worker. It omits what is empty.
type Message struct {
	ID      string `json:"id,omitempty"`
	Message string `json:"message,omitempty"`
	Origin  string `json:"origin,omitempty"`
	Expiry  string `json:"expiry,omitempty"`
}

// Payload says what to make. It omits what is not asked for, but some fields always have a value.
type Payload struct {
	Prompt            string   `json:"prompt,omitempty"`
	DDIMSteps         int      `json:"ddim_steps"`
	NIter             int      `json:"n_iter"`
	UseNSFWCensor     bool     `json:"use_nsfw_censor,omitempty"`
	Seed              string   `json:"seed,omitempty"` // digits, below 2^32
	ImageIsControl    bool     `json:"image_is_control"`
	ReturnControlMap  bool     `json:"return_control_map"`
	SamplerName       string   `json:"sampler_name"`
	CFGScale          Float    `json:"cfg_scale"`
	DenoisingStrength *Float   `json:"denoising_strength,omitempty"`
	HiresFixDenoising *Float   `json:"hires_fix_denoising_strength,omitempty"`
	Height            int      `json:"height"`
	Width             int      `json:"width"`
	PostProcessing    []string `json:"post_processing,omitempty"`
	Karras            bool     `json:"karras"`
	Tiling            bool     `json:"tiling"`
	HiresFix          bool     `json:"hires_fix"`
	ClipSkip          int      `json:"clip_skip,omitempty"`
	FacefixerStrength *Float   `json:"facefixer_strength,omitempty"`
	ControlType       string   `json:"control_type,omitempty"`
	Loras             []Lora   `json:"loras,omitempty"`
	TextualInversions []TI     `json:"tis,omitempty"`
	Transparent       bool     `json:"transparent"`

	Workflow   string          `json:"workflow,omitempty"`
	ExtraTexts []ExtraText     `json:"extra_texts,omitempty"`
	Special    json.RawMessage `json:"special,omitempty"`
}

// ExtraText is a text for a workflow.
type ExtraText struct {
	Text      string `json:"text"`
	Reference string `json:"reference"`
}

// IdlePayload is what a pop without work shows as payload.
func IdlePayload() Payload {
	return Payload{DDIMSteps: 30, NIter: 1, SamplerName: "k_euler_a", CFGScale: 7.5, Height: 512, Width: 512}
}

// Uploaded is the text of SubmitRequest.Generation when the image went to the upload link.
const Uploaded = "R2"

// States of a submitted generation.
const (
	StateOK       = "ok"
	StateCensored = "censored"
	StateFaulted  = "faulted"
	StateCSAM     = "csam"
)

// SubmitRequest is the body of POST generate/submit.
type SubmitRequest struct {
	ID          string     `json:"id"`
	Generation  string     `json:"generation"` // Uploaded, or a base64 image, or any text on faults
	Seed        int64      `json:"seed"`
	State       string     `json:"state,omitempty"`
	GenMetadata []Metadata `json:"gen_metadata,omitempty"`
}

// SubmitReply answers POST generate/submit.
type SubmitReply struct {
	Reward Float `json:"reward"`
}
