// SPDX-License-Identifier: AGPL-3.0-or-later

package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// Kinds of documents about what people want to be told.
const (
	KindModelWait DocKind = "model_wait" // ModelWait; the key is ModelWaitKey's. It is due when it is forgotten.
	KindNotes     DocKind = "notes"      // Notes, by person; they are due when they are forgotten
)

// Bounds of what people want to be told.
const (
	MaxModelWaits = 10                  // of a person
	ModelWaitLife = 30 * 24 * time.Hour // then nobody waits any more
	MaxNotes      = 10                  // that wait for a person
)

// ModelWait says that a person wants to hear, once, when a model is served again.
type ModelWait struct {
	Model  string    `json:"model"`
	Kind   string    `json:"kind"` // of the workers that serve it
	Person string    `json:"person"`
	At     time.Time `json:"at"`
	Told   time.Time `json:"told,omitzero"` // before they were: nobody hears it twice
}

// ModelWaitPrefix begins the keys of all who wait for a model.
func ModelWaitPrefix(kind, model string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + strings.ToLower(model)))
	return hex.EncodeToString(sum[:16]) + ":"
}

// ModelWaitKey is the key of a person's.
func ModelWaitKey(kind, model, person string) string { return ModelWaitPrefix(kind, model) + person }

// Notes are what somebody could not be told in a direct message. They read it with their next command.
type Notes struct {
	Models []string `json:"models,omitempty"` // that are served again
}

// Served adds a model, once. Of a full list the oldest goes.
func (n *Notes) Served(model string) {
	if slices.Contains(n.Models, model) {
		return
	}
	list := append(slices.Clip(n.Models), model)
	n.Models = list[max(0, len(list)-MaxNotes):]
}
