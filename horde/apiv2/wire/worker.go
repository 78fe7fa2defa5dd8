// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

// Worker is what GET workers and its kin answer. It omits what the caller may not see.
type Worker struct {
	RequestsFulfilled int64              `json:"requests_fulfilled"`
	KudosRewards      Float              `json:"kudos_rewards"`
	KudosDetails      WorkerKudosDetails `json:"kudos_details"`
	Performance       string             `json:"performance"`
	Threads           int                `json:"threads"`
	Uptime            int64              `json:"uptime"` // seconds
	MaintenanceMode   bool               `json:"maintenance_mode"`
	Paused            *bool              `json:"paused,omitempty"`
	Info              string             `json:"info,omitempty"`
	NSFW              bool               `json:"nsfw"`
	Owner             string             `json:"owner,omitempty"`
	IPAddr            string             `json:"ipaddr,omitempty"`
	Trusted           bool               `json:"trusted"`
	Flagged           bool               `json:"flagged"`
	Suspicious        *int               `json:"suspicious,omitempty"`
	UncompletedJobs   int64              `json:"uncompleted_jobs"`
	Models            []string           `json:"models,omitzero"` // of dreamers and scribes
	Forms             []string           `json:"forms,omitzero"`  // of alchemists
	Team              WorkerTeam         `json:"team"`
	Contact           string             `json:"contact,omitempty"`
	BridgeAgent       string             `json:"bridge_agent"`
	*DreamerDetails
	*ScribeDetails
	Messages []WorkerMessage `json:"messages,omitzero"`
	Type     string          `json:"type"`
	Name     string          `json:"name"`
	ID       string          `json:"id"`
	Online   bool            `json:"online"`
}

// DreamerDetails are the fields of workers that make images.
type DreamerDetails struct {
	MaxPixels               int   `json:"max_pixels"`
	MegapixelstepsGenerated Float `json:"megapixelsteps_generated"` // whole
	Img2Img                 bool  `json:"img2img"`
	Painting                bool  `json:"painting"`
	PostProcessing          bool  `json:"post-processing"`
	Lora                    bool  `json:"lora"`
	ControlNet              bool  `json:"controlnet"`
	SDXLControlNet          bool  `json:"sdxl_controlnet"`
}

// ScribeDetails are the fields of workers that write texts, in tokens.
type ScribeDetails struct {
	MaxLength        int `json:"max_length"`
	MaxContextLength int `json:"max_context_length"`
}

// WorkerMessage is a word to a worker as others may read it. Inside a Worker it has no ID; without a worker it is for all.
type WorkerMessage struct {
	ID       string `json:"id,omitempty"`
	WorkerID string `json:"worker_id,omitempty"`
	UserID   string `json:"user_id,omitempty"`
	Created  string `json:"created,omitempty"`
	Message  string `json:"message,omitempty"`
	Origin   string `json:"origin,omitempty"`
	Expiry   string `json:"expiry,omitempty"`
}

// WorkerKudosDetails keeps its fields.
type WorkerKudosDetails struct {
	Generated *Float `json:"generated"`
	Uptime    *int64 `json:"uptime"`
}

// WorkerTeam keeps its fields: without a team both are null.
type WorkerTeam struct {
	Name *string `json:"name"`
	ID   *string `json:"id"`
}

// WorkerChange is the body of PUT workers/{id}; nil leaves a field as it is.
type WorkerChange struct {
	Maintenance        *bool   `json:"maintenance,omitempty"`
	MaintenanceMessage string  `json:"maintenance_msg,omitempty"`
	Paused             *bool   `json:"paused,omitempty"`
	Info               *string `json:"info,omitempty"`
	Name               *string `json:"name,omitempty"`
	Team               *string `json:"team,omitempty"` // an ID; empty leaves the team
}

// WorkerChanged answers PUT workers/{id} with what was changed.
type WorkerChanged struct {
	Maintenance *bool   `json:"maintenance,omitempty"`
	Paused      *bool   `json:"paused,omitempty"`
	Info        *string `json:"info,omitempty"`
	Name        *string `json:"name,omitempty"`
	Team        *string `json:"team,omitempty"` // a name, or None
}

// MessageRequest is the body of POST workers/messages.
type MessageRequest struct {
	WorkerID string `json:"worker_id,omitempty"` // empty: to all, moderators only
	Message  string `json:"message"`
	Origin   string `json:"origin,omitempty"`
	Expiry   int    `json:"expiry,omitempty"` // hours; 0 means 12
}

// Done answers a call that has nothing more to tell.
type Done struct {
	Message string `json:"message"`
}
