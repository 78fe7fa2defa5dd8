// SPDX-License-Identifier: AGPL-3.0-or-later

package kudos

import (
	"math"
	"strconv"
	"strings"
)

// TextJob is what the price of one text depends on.
type TextJob struct {
	Prompt    int     // its length in characters
	Output    int     // likewise of the text that came
	MaxLength int     // tokens asked for
	Params    float64 // size of the model in billions of parameters; 0 when it is not known
	Validated bool    // the worker's software is known to count tokens honestly
	Trusted   bool    // its owner is trusted; matters only for models of unknown size
}

// Bounds and constants of text prices.
const (
	// MaxTextParams is the largest model, in billions of parameters, whose name is believed.
	MaxTextParams = 2000

	textLeast       = 20 // tokens that count at least
	charsPerToken   = 4
	textPlainParams = 13.0 // models up to this size earn no bonus
	textUnvalidated = 0.3
)

// Text is what one text is worth to the worker that wrote it: its tokens, times the size of the model with a bonus for
// large ones, times how much of the prompt had to be read. A model of unknown size is worth little: a trusted owner's by
// its tokens, another's a flat sum.
func Text(j TextJob) Amount {
	tokens := float64(TextTokens(j.Output, j.MaxLength))
	reading := contextFactor(float64(TextTokens(j.Prompt, j.MaxLength)))
	switch {
	case j.Params > 0:
		worth := tokens * sizeBonus(j.Params) * j.Params / 125
		if !j.Validated {
			worth *= textUnvalidated
		}
		return FromFloat(worth * reading)
	case j.Trusted:
		return FromFloat(tokens * 0.027 * reading)
	}
	return FromFloat(reading)
}

// TextEstimate is the price of one text by what is asked for, before anybody knows how long it becomes. Params is the size
// of the first model named, 0 when it is not known or none is named.
func TextEstimate(maxLength, maxContext int, params float64) Amount {
	bonus := sizeBonus(params)
	if params <= 0 {
		params, bonus = textPlainParams, 1
	}
	return FromFloat(float64(maxLength) * bonus * params * contextFactor(float64(maxContext)) / 100)
}

// TextUpfront is what has to be set aside for one text whose requester must be able to pay for it. Params is the size of
// the largest model named, 0 when none is named or known.
func TextUpfront(maxLength int, params float64) Amount {
	if params <= 0 {
		return 20 * One
	}
	return FromFloat(float64(maxLength) * params / 21)
}

// TextDebit is what the requester pays for a text worth g: a surcharge of 1 is burned.
func TextDebit(g Amount) Amount { return g + One }

// ActivationText is charged once when a text request enters the queue, and never refunded; StyleFee comes on top.
const ActivationText = One

// TextTokens estimates the tokens in a number of characters; what was not asked for does not count.
func TextTokens(characters, maxLength int) int {
	return min(maxLength, max(textLeast, (characters+charsPerToken-1)/charsPerToken))
}

// contextFactor grows with the tokens that had to be read.
func contextFactor(tokens float64) float64 {
	if tokens <= 0 {
		return 1.2
	}
	return min(30, max(0.1, 1.2+math.Pow(2.2, math.Log2(tokens/1024))))
}

func sizeBonus(params float64) float64 {
	return math.Pow(max(params, textPlainParams)/textPlainParams, 0.2)
}

// TextParams reads the size of a model, in billions of parameters, from its name, where makers write it: "…-8B-…", "350m",
// "8x7b". Of several sizes the largest counts; 0 means that the name tells none. Experts share a part of their weights, so
// eight of 7B count as 46.7.
func TextParams(name string) float64 {
	if model, _, aliased := strings.Cut(name, "::"); aliased {
		name = model
	}
	largest := 0.0
	for at := 0; at < len(name); {
		if !digit(name[at]) || at > 0 && (alphanumeric(name[at-1]) || name[at-1] == '.') {
			at++
			continue
		}
		end := at
		for end < len(name) && (alphanumeric(name[end]) || name[end] == '.' && end+1 < len(name) && digit(name[end+1])) {
			end++
		}
		largest = max(largest, sizeOf(strings.ToLower(name[at:end])))
		at = end
	}
	return largest
}

// sizeOf reads one word: "7b", "1.5b", "350m", "8x22b".
func sizeOf(word string) float64 {
	experts := 1.0
	if n, rest, ok := strings.Cut(word, "x"); ok {
		count, err := strconv.Atoi(n)
		if err != nil || count < 2 || count > 1000 {
			return 0
		}
		experts, word = float64(count)*5/6, rest
	}
	var unit float64
	switch {
	case strings.HasSuffix(word, "b"):
		unit = 1
	case strings.HasSuffix(word, "m"):
		unit = 0.001
	default:
		return 0
	}
	word = word[:len(word)-1]
	if strings.Trim(word, "0123456789.") != "" {
		return 0
	}
	n, err := strconv.ParseFloat(word, 64)
	if size := n * unit * experts; err == nil && size <= MaxTextParams {
		return size
	}
	return 0
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

func alphanumeric(b byte) bool {
	return digit(b) || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}
