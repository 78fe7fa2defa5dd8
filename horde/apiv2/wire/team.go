// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

// Team is what GET teams and teams/{id} answer.
type Team struct {
	ID                string       `json:"id"`
	Name              string       `json:"name"`
	Creator           string       `json:"creator"` // name#id
	Info              string       `json:"info,omitempty"`
	RequestsFulfilled int64        `json:"requests_fulfilled"`
	Kudos             Float        `json:"kudos"`
	Uptime            int64        `json:"uptime"` // seconds
	WorkerCount       int          `json:"worker_count"`
	Workers           []TeamWorker `json:"workers"`
	Models            []TeamModel  `json:"models"`
}

// TeamWorker is a member of a team.
type TeamWorker struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	ID     string `json:"id"`
	Online bool   `json:"online"`
}

// TeamModel counts the workers of a team that serve a model.
type TeamModel struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// TeamChange is the body of POST teams, where Name is required, and of PATCH teams/{id}; nil leaves a field as it is.
type TeamChange struct {
	Name *string `json:"name,omitempty"`
	Info *string `json:"info,omitempty"`
}

// TeamChanged answers POST teams and PATCH teams/{id}; the latter without ID.
type TeamChanged struct {
	ID   string  `json:"id,omitempty"`
	Name *string `json:"name,omitempty"`
	Info *string `json:"info,omitempty"`
}

// Deleted answers DELETE teams/{id} and workers/{id}.
type Deleted struct {
	ID   string `json:"deleted_id"`
	Name string `json:"deleted_name"`
}
