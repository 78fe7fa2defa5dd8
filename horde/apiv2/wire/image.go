// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

import "strconv"

// GenerateRequest is the body of POST generate/async. Only Prompt is required.
type GenerateRequest struct {
	Prompt           string       `json:"prompt"` // the negative part follows ###
	Params           *ImageParams `json:"params,omitempty"`
	NSFW             *bool        `json:"nsfw,omitempty"`
	CensorNSFW       *bool        `json:"censor_nsfw,omitempty"`
	TrustedWorkers   *bool        `json:"trusted_workers,omitempty"`
	SlowWorkers      *bool        `json:"slow_workers,omitempty"`
	ExtraSlowWorkers *bool        `json:"extra_slow_workers,omitempty"`
	Workers          []string     `json:"workers,omitempty"`
	WorkerBlacklist  bool         `json:"worker_blacklist,omitempty"`
	Models           []string     `json:"models,omitempty"` // none: the server's default model
	SourceImage      string       `json:"source_image,omitempty"`
	SourceProcessing string       `json:"source_processing,omitempty"`
	SourceMask       string       `json:"source_mask,omitempty"`
	R2               *bool        `json:"r2,omitempty"`
	Webhook          string       `json:"webhook,omitempty"` // https address to call with each delivered image

	ExtraSourceImages []ExtraSourceImage `json:"extra_source_images,omitempty"` // of a remix
	Shared            *bool              `json:"shared,omitempty"`
	ReplacementFilter *bool              `json:"replacement_filter,omitempty"`
	DryRun            bool               `json:"dry_run,omitempty"`
	DisableBatching   bool               `json:"disable_batching,omitempty"`
	AllowDowngrade    bool               `json:"allow_downgrade,omitempty"`
}

// ImageParams say how an image is made. Nil and empty fields take the server's defaults.
type ImageParams struct {
	Sampler           string   `json:"sampler_name,omitempty"`
	CFGScale          *float64 `json:"cfg_scale,omitempty"`
	DenoisingStrength *float64 `json:"denoising_strength,omitempty"`
	HiresFixDenoising *float64 `json:"hires_fix_denoising_strength,omitempty"`
	Height            int      `json:"height,omitempty"`
	Width             int      `json:"width,omitempty"`
	Steps             int      `json:"steps,omitempty"`
	N                 int      `json:"n,omitempty"`
	Seed              string   `json:"seed,omitempty"`
	SeedVariation     int      `json:"seed_variation,omitempty"`
	Karras            *bool    `json:"karras,omitempty"`
	Tiling            bool     `json:"tiling,omitempty"`
	HiresFix          bool     `json:"hires_fix,omitempty"`
	Transparent       bool     `json:"transparent,omitempty"`
	ClipSkip          int      `json:"clip_skip,omitempty"`
	FacefixerStrength *float64 `json:"facefixer_strength,omitempty"`
	PostProcessing    []string `json:"post_processing,omitempty"`
	ControlType       string   `json:"control_type,omitempty"`
	ImageIsControl    bool     `json:"image_is_control,omitempty"`
	ReturnControlMap  bool     `json:"return_control_map,omitempty"`
	Loras             []Lora   `json:"loras,omitempty"`
	TextualInversions []TI     `json:"tis,omitempty"`
}

// Lora asks for an add-on network.
type Lora struct {
	Name          string `json:"name"`
	Model         Float  `json:"model"`
	Clip          Float  `json:"clip"`
	InjectTrigger string `json:"inject_trigger,omitempty"`
	IsVersion     bool   `json:"is_version"`
}

// TI asks for a textual inversion.
type TI struct {
	Name     string `json:"name"`
	InjectTI string `json:"inject_ti,omitempty"`
	Strength Float  `json:"strength"`
}

// Enqueued answers POST generate/async with 202. It omits what is empty.
type Enqueued struct {
	ID       string    `json:"id"`
	Kudos    Float     `json:"kudos"` // expected price of one image
	Message  string    `json:"message,omitempty"`
	Warnings []Warning `json:"warnings,omitempty"`
}

// Price answers a dry run with 200: what the whole request would cost.
type Price struct {
	Kudos Float `json:"kudos"`
}

// Warning is advice that did not stop a request.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Check answers GET generate/check/{id}. It keeps every field.
type Check struct {
	Finished      int   `json:"finished"`
	Processing    int   `json:"processing"`
	Restarted     int   `json:"restarted"`
	Waiting       int   `json:"waiting"`
	Done          bool  `json:"done"`
	Faulted       bool  `json:"faulted"`
	WaitTime      int   `json:"wait_time"` // seconds
	QueuePosition int   `json:"queue_position"`
	Kudos         Float `json:"kudos"` // spent so far
	IsPossible    bool  `json:"is_possible"`
}

// AppendJSON appends the ten fields as one object. Everybody who waits asks for this, so it costs no
// reflection and no memory.
func (c *Check) AppendJSON(b []byte) []byte {
	number := func(name string, n int) {
		b = append(b, name...)
		b = strconv.AppendInt(b, int64(n), 10)
	}
	truth := func(name string, v bool) {
		b = append(b, name...)
		b = strconv.AppendBool(b, v)
	}
	number(`{"finished": `, c.Finished)
	number(`, "processing": `, c.Processing)
	number(`, "restarted": `, c.Restarted)
	number(`, "waiting": `, c.Waiting)
	truth(`, "done": `, c.Done)
	truth(`, "faulted": `, c.Faulted)
	number(`, "wait_time": `, c.WaitTime)
	number(`, "queue_position": `, c.QueuePosition)
	b = append(b, `, "kudos": `...)
	b = AppendFloat(b, float64(c.Kudos))
	truth(`, "is_possible": `, c.IsPossible)
	return append(b, '}')
}

// Status answers GET and DELETE generate/status/{id}. It keeps every field.
type Status struct {
	Generations []Generation `json:"generations"`
	Shared      bool         `json:"shared"`
	Check
}

// Gone stands in Generation.Img for an image that is not kept any more.
const Gone = "N/A"

// Generation is one delivered image. It keeps every field.
type Generation struct {
	Img         string     `json:"img"`  // a link when the request asked for r2, else base64 WebP; or Gone
	Seed        string     `json:"seed"` // digits
	ID          string     `json:"id"`
	Censored    bool       `json:"censored"`
	GenMetadata []Metadata `json:"gen_metadata"`
	WorkerID    string     `json:"worker_id"`
	WorkerName  string     `json:"worker_name"`
	Model       string     `json:"model"`
	State       string     `json:"state"` // always "ok"
}

// Metadata tells something about a generation.
type Metadata struct {
	Type  string `json:"type"`
	Value string `json:"value"`
	Ref   string `json:"ref,omitempty"`
}
