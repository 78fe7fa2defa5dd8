// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Samplers returns the sampler names a request may carry.
func Samplers() []string {
	return []string{
		"k_lms", "k_heun", "k_euler", "k_euler_a", "k_dpm_2", "k_dpm_2_a", "k_dpm_fast", "k_dpm_adaptive",
		"k_dpmpp_2s_a", "k_dpmpp_2m", "dpmsolver", "k_dpmpp_sde", "DDIM", "lcm",
	}
}

// Upscaler reports whether a post-processor enlarges the image; a request may have one of them.
func Upscaler(name string) bool {
	switch name {
	case "RealESRGAN_x4plus", "RealESRGAN_x2plus", "RealESRGAN_x4plus_anime_6B", "NMKD_Siax", "4x_AnimeSharp",
		"4xNomos8kSC", "4xLSDIRplus", "4xNomosWebPhoto_RealPLKSR", "4xNomos2_realplksr_dysample",
		"4xNomos2_hq_dat2", "2xModernSpanimationV1":
		return true
	}
	return false
}

// PostProcessors returns the names a request may ask for.
func PostProcessors() []string {
	return []string{
		"GFPGAN", "RealESRGAN_x4plus", "RealESRGAN_x2plus", "RealESRGAN_x4plus_anime_6B", "NMKD_Siax", "4x_AnimeSharp",
		"CodeFormers", "strip_background", "4xNomos8kSC", "4xLSDIRplus", "4xNomosWebPhoto_RealPLKSR",
		"4xNomos2_realplksr_dysample", "4xNomos2_hq_dat2", "2xModernSpanimationV1", "GFPGANv1.3", "RestoreFormer",
	}
}

// heavy post-processors take more memory than others.
func heavy(name string) bool {
	switch name {
	case "RealESRGAN_x4plus", "RealESRGAN_x4plus_anime_6B", "NMKD_Siax", "4x_AnimeSharp", "CodeFormers", "4xNomos8kSC",
		"4xLSDIRplus", "4xNomos2_hq_dat2", "RestoreFormer":
		return true
	}
	return false
}

// ControlTypes lists the ways in which a ControlNet guides an image.
func ControlTypes() []string {
	return []string{"canny", "hed", "depth", "normal", "openpose", "seg", "scribble", "fakescribbles", "hough"}
}

// checkImage holds the rules about parameters that need no state.
func checkImage(n *NewImage) error {
	i := &n.Image
	positive, _, _ := strings.Cut(i.Prompt, "###")
	switch {
	case strings.ContainsRune(i.Prompt, 0) || strings.ContainsRune(i.Seed, 0) || strings.ContainsRune(n.Client, 0):
		return refuse(CodeNulByte, "texts may not hold NUL characters")
	case !utf8.ValidString(i.Prompt):
		return refuse(CodeBadRequest, "the prompt is not valid UTF-8")
	case strings.TrimSpace(i.Prompt) == "":
		return refuse(CodeMissingPrompt, "you cannot specify an empty prompt")
	case strings.TrimSpace(positive) == "":
		return refuse(CodeMissingPrompt, "the prompt before ### is empty")
	case len(i.Prompt) > MaxPromptBytes:
		return refuse(CodeInvalidPromptSize, "the prompt has %d bytes, at most %d are allowed", len(i.Prompt), MaxPromptBytes)
	case wordCount(i.Prompt) > MaxPromptWords:
		return refuse(CodeInvalidPromptSize, "the prompt has more than %d words", MaxPromptWords)
	case n.N < 1 || n.N > MaxImagesPerRequest:
		return refuse(CodeBadRequest, "n is %d, it must be between 1 and %d", n.N, MaxImagesPerRequest)
	case i.Steps < 1 || i.Steps > MaxSteps:
		return refuse(CodeBadRequest, "steps is %d, it must be between 1 and %d", i.Steps, MaxSteps)
	case math.IsNaN(i.CFG) || i.CFG < 0 || i.CFG > 100:
		return refuse(CodeBadCFGNumber, "cfg_scale must be between 0 and 100")
	case math.Abs(i.CFG*100-math.Round(i.CFG*100)) > 1e-6:
		return refuse(CodeBadCFGDecimals, "cfg_scale may have at most two decimals")
	case len(i.Loras) > MaxLoras:
		return refuse(CodeTooManyLoras, "%d LoRAs, at most %d are allowed", len(i.Loras), MaxLoras)
	case len(i.TIs) > MaxTIs:
		return refuse(CodeTooManyTIs, "%d textual inversions, at most %d are allowed", len(i.TIs), MaxTIs)
	case len(i.ExtraTexts) > MaxExtraTexts:
		return refuse(CodeBadRequest, "%d extra texts, at most %d are allowed", len(i.ExtraTexts), MaxExtraTexts)
	case i.Workflow != "" && i.Workflow != WorkflowQRCode:
		return refuse(CodeBadRequest, "unknown workflow %q", i.Workflow)
	case i.Control != "" && !oneOf(i.Control, ControlTypes()):
		return refuse(CodeBadRequest, "unknown control_type %q", i.Control)
	}
	for _, side := range []struct {
		name   string
		pixels int
	}{{"width", i.Width}, {"height", i.Height}} {
		if side.pixels < MinSide || side.pixels > MaxSide || side.pixels%SideStep != 0 {
			return refuse(CodeInvalidSize, "%s is %d, it must be a multiple of %d between %d and %d",
				side.name, side.pixels, SideStep, MinSide, MaxSide)
		}
	}
	if !oneOf(i.Sampler, Samplers()) {
		return refuse(CodeBadRequest, "unknown sampler %q", i.Sampler)
	}
	upscalers := 0
	for _, p := range i.Post {
		if !oneOf(p, PostProcessors()) {
			return refuse(CodeBadRequest, "unknown post-processor %q", p)
		}
		if Upscaler(p) {
			upscalers++
		}
	}
	if upscalers > 1 {
		return refuse(CodeTooManyUpscalers, "at most one upscaler may be used")
	}
	for _, l := range i.Loras {
		if l.IsVersion && strings.Trim(l.Name, "0123456789") != "" {
			return refuse(CodeBadLoraVersion, "a LoRA version is a number, not %q", l.Name)
		}
	}
	for _, m := range n.Models {
		if strings.ContainsRune(m, 0) {
			return refuse(CodeNulByte, "texts may not hold NUL characters")
		}
		if oneOf(m, PostProcessors()) {
			return refuse(CodeUnexpectedModelName, "%s is a post-processor, not a model", m)
		}
	}
	return nil
}

func oneOf(s string, list []string) bool {
	return slices.Contains(list, s)
}

func wordCount(s string) int {
	n, in := 0, false
	for _, r := range s {
		space := unicode.IsSpace(r)
		if !space && !in {
			n++
		}
		in = !space
	}
	return n
}

// upfrontSide is R of the protocol: images above R×R need kudos up front. It falls as the queue grows, but not under what
// the families of the models are made for.
func (s *State) upfrontSide(models []string, now time.Time) int {
	side := max(576, 1024+10*s.Fleet(Dreamer, now).Threads-int(math.RoundToEven(0.9*float64(s.queued[imageLane].jobs))))
	for _, name := range models {
		switch s.model(name).Family {
		case SD2, SD2x512:
			side = max(side, 768)
		case SDXL, Cascade, Flux:
			side = 1024
		case SD1, Qwen, ZImage:
		}
	}
	return min(1024, side)
}

// upfrontReason says why a request needs kudos up front, or "".
func (s *State) upfrontReason(n *NewImage, now time.Time) string {
	i := &n.Image
	side := s.upfrontSide(n.Models, now)
	free, _ := s.stepLimit(n.Models)
	switch steps := i.EffectiveSteps(); {
	case !n.SlowWorkers:
		return "refusing slow workers costs kudos up front"
	case i.Sampler == "lcm" && steps > stepsBeforeUpfrontLCM:
		return "more than " + itoa(stepsBeforeUpfrontLCM) + " steps with lcm"
	case i.Control != "" && steps > stepsBeforeUpfrontCN:
		return "more than " + itoa(stepsBeforeUpfrontCN) + " steps with a ControlNet"
	case steps > free:
		return "more than " + itoa(free) + " steps"
	case i.Width*i.Height > side*side:
		return "more pixels than " + itoa(side) + "×" + itoa(side) + " at the present load"
	}
	return ""
}

// downgrade shrinks a request until it needs nothing up front.
func (s *State) downgrade(n *NewImage, now time.Time) {
	i := &n.Image
	n.SlowWorkers = true
	side := s.upfrontSide(n.Models, now)
	if area := i.Width * i.Height; area > side*side {
		scale := math.Sqrt(float64(side*side) / float64(area))
		snap := func(v int) int { return max(512, int(float64(v)*scale)/SideStep*SideStep) }
		i.Width, i.Height = snap(i.Width), snap(i.Height)
		if i.Width*i.Height > side*side {
			i.Width, i.Height = 512, 512
		}
	}
	free, limit := s.stepLimit(n.Models)
	switch {
	case i.Sampler == "lcm":
		limit = min(limit, stepsBeforeUpfrontLCM)
	case i.Control != "":
		limit = min(limit, stepsBeforeUpfrontCN)
	}
	for i.EffectiveSteps() > limit && i.Steps > 5 {
		i.Steps--
	}
	if i.EffectiveSteps() > free {
		i.Sampler = "k_euler_a"
		i.Steps = min(i.Steps, limit)
	}
}

// CleanName makes a display name out of what somebody else's system calls a person: no control or
// direction-changing characters, single blanks, at most MaxNameRunes, no # (it ends the name), and no < and >, since
// programs of others show names on pages.
func CleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '#':
			return '＃'
		case r == '<':
			return '＜'
		case r == '>':
			return '＞'
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, name)
	name = strings.Join(strings.Fields(name), " ")
	if r := []rune(name); len(r) > MaxNameRunes {
		name = strings.TrimSpace(string(r[:MaxNameRunes]))
	}
	return name
}
