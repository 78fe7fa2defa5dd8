// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

// Delivery is news for the webhook of a request. Body becomes the JSON of the call.
type Delivery struct {
	URL  string // https
	ID   string // of the generation or form: the same in every attempt
	Body any    // ImageHook, TextHook or AlchemyHook
}

// ImageHook tells a webhook of a delivered image. It keeps every field.
type ImageHook struct {
	Img         string     `json:"img"`  // as in the status: a link, or base64 WebP
	Seed        int64      `json:"seed"` // a number here, unlike in the status
	WorkerID    string     `json:"worker_id"`
	WorkerName  string     `json:"worker_name"`
	Model       string     `json:"model"`
	ID          string     `json:"id"`
	Censored    bool       `json:"censored"`
	GenMetadata []Metadata `json:"gen_metadata"`
	Request     string     `json:"request"`
	Kudos       Float      `json:"kudos"` // what the image is worth
}

// TextHook tells a webhook of a delivered text. It keeps every field.
type TextHook struct {
	Text        string     `json:"text"`
	Seed        int64      `json:"seed"`
	WorkerID    string     `json:"worker_id"`
	WorkerName  string     `json:"worker_name"`
	Model       string     `json:"model"`
	ID          string     `json:"id"`
	State       string     `json:"state"`
	GenMetadata []Metadata `json:"gen_metadata"`
	Request     string     `json:"request"`
	Kudos       Float      `json:"kudos"`
}

// AlchemyHook tells a webhook of a finished form. It keeps every field.
type AlchemyHook struct {
	Form       string `json:"form"`
	State      string `json:"state"`
	Result     any    `json:"result"`
	WorkerID   string `json:"worker_id"`
	WorkerName string `json:"worker_name"`
	ID         string `json:"id"`
	Request    string `json:"request"`
	Kudos      Float  `json:"kudos"`
}
