// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

import "encoding/json"

// AlchemyRequest is the body of POST interrogate/async.
type AlchemyRequest struct {
	SourceImage    string `json:"source_image"` // an address, or base64
	Forms          []Form `json:"forms"`
	TrustedWorkers bool   `json:"trusted_workers,omitempty"`
	SlowWorkers    *bool  `json:"slow_workers,omitempty"`
	Webhook        string `json:"webhook,omitempty"` // https address to call with each finished form
}

// Form is one thing to do with an image.
type Form struct {
	Name    string            `json:"name"`
	Payload map[string]string `json:"payload,omitempty"`
}

// AlchemyEnqueued answers POST interrogate/async with 202.
type AlchemyEnqueued struct {
	ID string `json:"id"`
}

// AlchemyStatus answers GET and DELETE interrogate/status/{id}.
type AlchemyStatus struct {
	State string       `json:"state"` // waiting, processing, done, faulted or partial
	Forms []FormStatus `json:"forms"`
}

// FormStatus is how far a form is. Result is there once there is one.
type FormStatus struct {
	Form   string          `json:"form"`
	State  string          `json:"state"` // waiting, processing, done, cancelled or faulted
	Result json.RawMessage `json:"result,omitempty"`
}

// AlchemyPopRequest is the body of POST interrogate/pop.
type AlchemyPopRequest struct {
	Name              string   `json:"name"`
	Forms             []string `json:"forms,omitempty"`
	Amount            int      `json:"amount,omitempty"`
	BridgeAgent       string   `json:"bridge_agent,omitempty"`
	Threads           int      `json:"threads,omitempty"`
	MaxTiles          int      `json:"max_tiles,omitempty"` // of 512 × 512 pixels
	PriorityUsernames []string `json:"priority_usernames,omitempty"`
}

// AlchemyPopReply answers POST interrogate/pop. Without work Forms is null, not empty.
type AlchemyPopReply struct {
	Forms   []FormJob      `json:"forms"`
	Skipped map[string]int `json:"skipped"`
}

// FormJob is one form to fill in. It omits what does not apply.
type FormJob struct {
	ID          string            `json:"id"`
	Form        string            `json:"form"`
	Payload     map[string]string `json:"payload,omitempty"`
	SourceImage string            `json:"source_image"`
	R2Upload    string            `json:"r2_upload,omitempty"` // of post-processors
}

// AlchemySubmitRequest is the body of POST interrogate/submit.
type AlchemySubmitRequest struct {
	ID     string         `json:"id"`
	Result map[string]any `json:"result"` // the value Uploaded stands for the image at the upload link
	State  string         `json:"state,omitempty"`
}
