// SPDX-License-Identifier: AGPL-3.0-or-later

package chat

import (
	"encoding/json"
	"time"
)

// Kinds of documents about images.
const (
	KindFavourite DocKind = "favourite" // Favourite; the key is the person's ID, a colon and the key of the request's message
	KindDraft     DocKind = "draft"     // Draft; the key is the person's ID, a colon and the channel's. It is due when it goes.
	KindOffer     DocKind = "offer"     // Offer, by the person's ID, a colon and the channel's. It is due when it goes.
	KindShown     DocKind = "shown"     // Shown; the key is that of the request's message
	KindCaptions  DocKind = "captions"  // Captions; the key is that of the request's message. It is due when somebody should look at it.
	KindReport    DocKind = "report"    // Report; the key is the channel's ID, a colon and the message's
)

// Bounds of what is kept about images.
const (
	MaxFavourites = 200            // of a person
	DraftLife     = 24 * time.Hour // since its last change
	OfferLife     = time.Hour      // of an offer: Discord's addresses of files live no longer for sure
	MaxReporters  = 50             // people remembered with a reported message
	MaxReasons    = 5              // of a reported message, the first
)

// Favourite is a result that somebody wants to find again. It outlives the message's row.
type Favourite struct {
	Message Message   `json:"message"` // as it was; its interaction token is left out
	At      time.Time `json:"at"`
}

// Draft is a request that is being put together.
type Draft struct {
	Params  json.RawMessage `json:"params"`
	Private bool            `json:"private,omitempty"`
	At      time.Time       `json:"at"`
}

// Offer is a request that was refused, for its person to correct.
type Offer struct {
	ID      string          `json:"id"` // the interaction that it was refused to
	Params  json.RawMessage `json:"params"`
	Private bool            `json:"private,omitempty"`
	Upfront bool            `json:"upfront,omitempty"` // it was refused for want of kudos
	Images  []OfferImage    `json:"images,omitempty"`
	At      time.Time       `json:"at"`
}

// OfferImage is an image that a refused request begins with, which is not kept yet.
type OfferImage struct {
	Part   string `json:"part"` // image, mask or extra
	URL    string `json:"url,omitempty"`
	Blob   string `json:"blob,omitempty"`
	Name   string `json:"name,omitempty"`
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
}

// Report says who finds that an image should not be here.
type Report struct {
	Guild   string    `json:"guild"`
	Channel string    `json:"channel"`
	Message string    `json:"message"`
	Key     string    `json:"key,omitempty"` // of the request, when the image is ours
	People  []string  `json:"people"`
	Reasons []string  `json:"reasons,omitempty"` // what they said, at most MaxReasons
	At      time.Time `json:"at"`                // of the first
	Hidden  bool      `json:"hidden,omitempty"`
}

// Shown says who keeps an image, and where in its guild's gallery it is.
type Shown struct {
	People  []string  `json:"people"`         // who keep it, without who asked for it; at most MaxStars
	Begun   time.Time `json:"begun,omitzero"` // when it was to be posted: nothing is posted twice
	Channel string    `json:"channel,omitempty"`
	Message string    `json:"message,omitempty"` // in the gallery
}

// Captions is a result whose images are being described in words, one after the other.
type Captions struct {
	Person string    `json:"person"`
	Guild  string    `json:"guild,omitempty"`
	Since  time.Time `json:"since"`
	// Sealed is the token of the result's interaction, encrypted for this document; empty when there is none any more.
	Sealed  []byte `json:"sealed,omitempty"`
	Tried   []int  `json:"tried,omitempty"`   // numbers of the images that were asked about, from 1
	Number  int    `json:"number,omitempty"`  // the one that is waited for
	Request string `json:"request,omitempty"` // to alchemists, about that; empty: nothing is waited for
	Tell    bool   `json:"tell,omitempty"`    // the message does not show all that is known yet
	Said    string `json:"said,omitempty"`    // about that image, until the message shows it; only of a request that keeps no words
}
