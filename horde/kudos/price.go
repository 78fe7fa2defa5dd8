// SPDX-License-Identifier: AGPL-3.0-or-later

package kudos

import "math"

// ImageJob is what the price of one image depends on. Names are those of the API; CFG costs nothing.
type ImageJob struct {
	Width, Height, Steps int
	Sampler              string // a name without a price counts as k_euler
	Karras, HiresFix     bool
	Source, Mask         bool     // with a source image, with a mask for it; Mask and Processing need Source
	Processing           string   // inpainting, outpainting, or anything else for image to image
	Denoising            float64  // strength on the source image, up to 1; 0 counts as 1
	Control              string   // ControlNet type, empty or None for none
	Post                 []string // post-processors, in any order
	LoRAs                int
	TIs                  bool
}

// Times is an amount times a model family's factor: 1 for Stable Diffusion 1, 2 for XL and so on.
func Times(a Amount, factor float64) Amount { return FromFloat(a.Float() * factor) }

// Image is what one image is worth to the worker that makes it; never negative.
//
// The price is our own fit to the horde's published prices, within 5 % of each (see fit/fit.py):
//
//   - the basis is read from a table by area and steps, linear between its knots in the side of a square
//     of that area and in the steps, and never less for more of either; a sampler that works harder in
//     a step counts as more steps;
//   - factors for karras off, hires fix, the source image by kind, mask and denoising strength, and each
//     post-processor, with a surcharge for every one after the first;
//   - a ControlNet adds an amount of its own, and denoising strength does not matter then;
//   - to the result, rounded to hundredths, +3 for each LoRA and +1 with textual inversions.
//
// The factor of the model's family comes on top: see Times.
func Image(j ImageJob) Amount {
	side := math.Sqrt(float64(max(j.Width, 0)) * float64(max(j.Height, 0)))
	steps := float64(max(j.Steps, 0)) * samplerSteps(j.Sampler)
	added, controlled := 0.0, j.Control != "" && j.Control != "None"

	cost := basis(side, steps)
	if !j.Karras {
		cost *= priceNoKarras
	}
	if j.HiresFix {
		cost *= priceHires
	}
	if j.Source {
		cost *= sourceFactor(j, controlled)
	}
	for i, name := range j.Post {
		cost *= postFactor(name) * crowd(i)
	}
	if controlled {
		amount, known := controlAmount(j.Control)
		if !known {
			amount = 2 * cost // the old rule: three times the price
		}
		added = amount
	}
	cost = max(0, round2(cost+added)) + 3*float64(max(j.LoRAs, 0))
	if j.TIs {
		cost++
	}
	return FromFloat(cost)
}

// basis is the price of a plain image.
func basis(side, steps float64) float64 {
	i, u := piece(priceSides[:], side)
	k, v := piece(priceSteps[:], steps)
	small := along(priceKnots[i][k], priceKnots[i][k+1], v)
	large := along(priceKnots[i+1][k], priceKnots[i+1][k+1], v)
	return along(small, large, u)
}

// piece finds where x lies among ascending knots: after knot i, the part u of the way to the next. Outside,
// the first and last pieces go on in a straight line.
func piece(knots []float64, x float64) (i int, u float64) {
	for i < len(knots)-2 && x > knots[i+1] {
		i++
	}
	return i, (x - knots[i]) / (knots[i+1] - knots[i])
}

func along(a, b, u float64) float64 { return a + (b-a)*u }

// sourceFactor is what a source image does to the price.
func sourceFactor(j ImageJob, controlled bool) float64 {
	factor := 1.0
	switch j.Processing {
	case "inpainting":
		factor = priceInpainting
	case "outpainting":
		factor = priceOutpainting
	}
	if j.Mask {
		factor *= priceMask
	}
	if controlled {
		return factor // the published prices of ControlNets hold it already
	}
	strength := j.Denoising
	if strength <= 0 || strength > 1 || math.IsNaN(strength) {
		strength = 1
	}
	return factor * denoisingFactor(strength)
}

func denoisingFactor(strength float64) float64 {
	i := 0
	for i < len(priceDenoising)-2 && strength > priceDenoising[i+1].strength {
		i++
	}
	a, b := priceDenoising[i], priceDenoising[i+1]
	return along(a.factor, b.factor, (strength-a.strength)/(b.strength-a.strength))
}

// crowd turns the surcharge of n post-processors, 1 + priceCrowd·(n−1), into a factor for the one at i.
func crowd(i int) float64 {
	if i == 0 {
		return 1
	}
	return (1 + priceCrowd*float64(i)) / (1 + priceCrowd*float64(i-1))
}

// ImageDebit is what the requester pays for an image worth g: more for a source image and for each
// upscaler among the post-processors, a surcharge of 1 that is burned, and of that sum more for refusing
// slow workers and for excluding workers. A censored image is worth 0 here, without source and post-processors.
func ImageDebit(g Amount, source, refuseSlow, exclude bool, post ...string) Amount {
	f := g.Float()
	if source {
		f *= 1.3
	}
	for _, name := range post {
		f *= debitFactor(name)
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

// debitFactor makes upscalers, which take the most of a worker's memory, dearer to the requester.
func debitFactor(post string) float64 {
	switch post {
	case "RealESRGAN_x4plus", "RealESRGAN_x2plus", "RealESRGAN_x4plus_anime_6B", "NMKD_Siax", "4x_AnimeSharp",
		"4xNomos8kSC", "4xLSDIRplus", "4xNomosWebPhoto_RealPLKSR", "4xNomos2_realplksr_dysample",
		"4xNomos2_hq_dat2", "2xModernSpanimationV1":
		return 1.05
	}
	return 1
}

// ActivationImage is charged once when an image request enters the queue, and never refunded.
const ActivationImage = 3 * One

// ActivationShared is charged instead when the requester gives the images to the public collection.
const ActivationShared = 1 * One

// Activation is what queueing an image request costs: less when its images are shared, unless the maker of somebody
// else's style is to be thanked out of it.
func Activation(shared, foreignStyle bool) Amount {
	switch {
	case shared && foreignStyle:
		return ActivationShared + StyleFee
	case shared:
		return ActivationShared
	}
	return ActivationImage
}

// StyleFee is the part of an activation that goes on to the maker of the style, when it is somebody else's. Image
// requests always pay it.
const StyleFee = 2 * One

// ActivationExtra is charged on top for each extra source image.
const ActivationExtra = 5 * One

func round2(f float64) float64 { return math.RoundToEven(f*100) / 100 }
