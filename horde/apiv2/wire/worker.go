// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

import "encoding/json"

// Worker is what GET workers and its kin answer. It omits what the caller may not see, and what is not about its type.
type Worker struct {
	RequestsFulfilled       int64              `json:"requests_fulfilled"`
	KudosRewards            Float              `json:"kudos_rewards"`
	KudosDetails            WorkerKudosDetails `json:"kudos_details"`
	Performance             string             `json:"performance"`
	Threads                 int                `json:"threads"`
	Uptime                  int64              `json:"uptime"` // seconds
	MaintenanceMode         bool               `json:"maintenance_mode"`
	Paused                  *bool              `json:"paused,omitempty"`
	Info                    string             `json:"info,omitempty"`
	NSFW                    bool               `json:"nsfw"`
	Owner                   string             `json:"owner,omitempty"`
	IPAddr                  string             `json:"ipaddr,omitempty"`
	Trusted                 bool               `json:"trusted"`
	Flagged                 bool               `json:"flagged"`
	Suspicious              *int               `json:"suspicious,omitempty"`
	UncompletedJobs         int64              `json:"uncompleted_jobs"`
	Models                  []string           `json:"models"`
	Team                    WorkerTeam         `json:"team"`
	Contact                 string             `json:"contact,omitempty"`
	BridgeAgent             string             `json:"bridge_agent"`
	MaxPixels               int                `json:"max_pixels"`
	MegapixelstepsGenerated Float              `json:"megapixelsteps_generated"` // whole
	Img2Img                 bool               `json:"img2img"`
	Painting                bool               `json:"painting"`
	PostProcessing          bool               `json:"post-processing"`
	Lora                    bool               `json:"lora"`
	ControlNet              bool               `json:"controlnet"`
	SDXLControlNet          bool               `json:"sdxl_controlnet"`
	MaxLength               *int               `json:"max_length,omitempty"` // of a scribe, in tokens, as is the next
	MaxContextLength        *int               `json:"max_context_length,omitempty"`
	TokensGenerated         *Float             `json:"tokens_generated,omitempty"`
	Forms                   []string           `json:"forms,omitzero"` // of an alchemist
	Messages                []WorkerMessage    `json:"messages,omitzero"`
	Type                    string             `json:"type"`
	Name                    string             `json:"name"`
	ID                      string             `json:"id"`
	Online                  bool               `json:"online"`
}

// WorkerMessage is a word to a worker as others may read it.
type WorkerMessage struct {
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
	Team               *string `json:"team,omitempty"`
}

// WorkerChanged answers PUT workers/{id} with what was changed.
type WorkerChanged struct {
	Maintenance *bool   `json:"maintenance,omitempty"`
	Paused      *bool   `json:"paused,omitempty"`
	Info        *string `json:"info,omitempty"`
	Team        *string `json:"team,omitempty"`
}

// MarshalJSON leaves out what only workers of other types have.
func (w Worker) MarshalJSON() ([]byte, error) {
	type whole Worker // without this method
	type absent *struct{}
	type scribe struct {
		whole
		MaxPixels               absent `json:"max_pixels,omitempty"` // these hide the fields of the same names
		MegapixelstepsGenerated absent `json:"megapixelsteps_generated,omitempty"`
		Img2Img                 absent `json:"img2img,omitempty"`
		Painting                absent `json:"painting,omitempty"`
		PostProcessing          absent `json:"post-processing,omitempty"`
		Lora                    absent `json:"lora,omitempty"`
		ControlNet              absent `json:"controlnet,omitempty"`
		SDXLControlNet          absent `json:"sdxl_controlnet,omitempty"`
	}
	switch w.Type {
	case "text":
		return json.Marshal(scribe{whole: whole(w)})
	case "interrogation":
		return json.Marshal(struct {
			scribe
			NSFW   absent `json:"nsfw,omitempty"`
			Models absent `json:"models,omitempty"`
		}{scribe: scribe{whole: whole(w)}})
	}
	return json.Marshal(whole(w))
}
