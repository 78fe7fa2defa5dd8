// SPDX-License-Identifier: AGPL-3.0-or-later

package kudos

import "math"

// ImageJob is what the price of one image depends on.
type ImageJob struct {
	Width, Height, Steps int
	PostProcessors       int
	LoRAs                int
	TIs                  bool
	ControlNet           bool
	Source               bool    // image to image, inpainting, outpainting
	Baseline             float64 // factor of the model's family: 1 for Stable Diffusion 1, 2 for XL …
}

// imageArea0 and imageArea1 are the areas between which the cost of a pixel grows: 64×64 and 1024×1024.
const (
	imageArea0 = 64 * 64
	imageArea1 = 1024 * 1024
)

// Image is what one image is worth to the worker that makes it.
//
// Formula: the horde's published closed form, with A the area in pixels and s the steps,
// r = ((A−4096)/(1048576−4096))^1.75 and cost = 0.1232·s + r·0.1232·s·8.75; ×1.2 for each
// post-processor, ×3 with a ControlNet, +3 for each LoRA, +1 with textual inversions; then the
// factor of the model's family. 512²×50 is 10.83 and 1024²×50 is 60.06.
func Image(j ImageJob) Amount {
	area := float64(max(j.Width*j.Height, imageArea0))
	r := math.Pow((area-imageArea0)/(imageArea1-imageArea0), 1.75)
	perStep := 0.1232 * float64(j.Steps)
	cost := round2(perStep + r*perStep*8.75)
	for range j.PostProcessors {
		cost = round2(cost * 1.2)
	}
	if j.ControlNet {
		cost = round2(cost * 3)
	}
	cost += 3 * float64(j.LoRAs)
	if j.TIs {
		cost++
	}
	factor := j.Baseline
	if factor == 0 {
		factor = 1
	}
	return FromFloat(cost * factor)
}

// ImageDebit is what the requester pays for an image worth g: a surcharge of 1 that is burned, more
// for a source image, for refusing slow workers and for excluding workers.
func ImageDebit(g Amount, source, refuseSlow, exclude bool) Amount {
	f := g.Float()
	if source {
		f *= 1.3
	}
	f++
	if refuseSlow {
		f *= 1.2
	}
	if exclude {
		f *= 1.1
	}
	return FromFloat(f)
}

// ActivationImage is charged once when an image request enters the queue, and never refunded.
const ActivationImage = 3 * One

func round2(f float64) float64 { return math.RoundToEven(f*100) / 100 }
