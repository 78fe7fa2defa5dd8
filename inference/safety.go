// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	_ "embed" // for the picture below
	"fmt"
	"image"

	"golang.org/x/image/draw"
)

// Class is what the safety network tells apart.
type Class int

// The classes, in the order of its output.
const (
	Drawing Class = iota
	Hentai
	Neutral
	Porn
	Sexy
	classes
)

const (
	// ClassifierSide is the width and height in pixels of what the network looks at.
	ClassifierSide = 224
	// ExplicitLimit is the probability of Hentai and Porn together above which a picture is held back.
	ExplicitLimit = 0.5
	// SuggestiveLimit is the same for Hentai, Porn and Sexy together.
	SuggestiveLimit = 0.75
)

// Scores are the probabilities of the classes.
type Scores [classes]float32

// Unsafe reports whether a picture with these scores is held back. A pool for pictures that are not safe for work
// holds back only for requests that ask for it.
func (s Scores) Unsafe() bool {
	explicit := s[Hentai] + s[Porn]
	return explicit > ExplicitLimit || explicit+s[Sexy] > SuggestiveLimit
}

// readScores refuses what no working network says, so that nothing passes because a check went wrong.
func readScores(in []float32) (Scores, error) {
	var s Scores
	if len(in) != len(s) {
		return s, fmt.Errorf("the safety network gave %d scores, want %d", len(in), len(s))
	}
	var sum float32
	for i, p := range in {
		if !(p >= 0 && p <= 1.001) { // the negation also catches what is no number
			return s, fmt.Errorf("the safety network gave a probability of %v", p)
		}
		s[i] = p
		sum += p
	}
	if sum < 0.99 || sum > 1.01 {
		return s, fmt.Errorf("the probabilities of the safety network sum to %v", sum)
	}
	return s, nil
}

// classifierInput decodes a picture and brings it into the form the network looks at. What is checked is the very file
// that will be delivered.
func classifierInput(data []byte) ([]float32, error) {
	img, err := decodeWebP(data)
	if err != nil {
		return nil, fmt.Errorf("look at the picture: %w", err)
	}
	small := image.NewRGBA(image.Rect(0, 0, ClassifierSide, ClassifierSide))
	draw.BiLinear.Scale(small, small.Rect, img, img.Rect, draw.Src, nil)
	pixels := make([]float32, 0, ClassifierSide*ClassifierSide*3)
	for i := 0; i < len(small.Pix); i += 4 {
		for _, c := range small.Pix[i : i+3] {
			pixels = append(pixels, float32(c)/255)
		}
	}
	return pixels, nil
}

// heldBack is the picture delivered in place of one that is held back.
//
//go:embed held_back.webp
var heldBack []byte
