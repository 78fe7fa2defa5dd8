// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"slices"
	"strings"
)

// WorkflowQRCode is the one workflow of the protocol: an image around a code that cameras can read.
const WorkflowQRCode = "qr_code"

// Bounds of the parts that only some models take.
const (
	MaxExtraSources        = 5
	MaxExtraSourcesUsual   = 1 // for accounts without trust
	MaxExtraTexts          = 20
	MaxSpecialBytes        = 16 << 10
	stepsBeforeUpfront     = 40
	stepsBeforeUpfrontLCM  = 10
	stepsBeforeUpfrontCN   = 20
	stepsAfterDowngrade    = 30
	stepsLimitedMin        = 20 // of a model without requirements, for workers that limit steps
	stepsLimitedMax        = 40
	placeholderClientAgent = "My-Project:v0.0.1:My-Contact"
)

// checkFamilies holds the rules about what the models of a request can do, in the order in which the protocol reports them.
func (s *State) checkFamilies(u *User, n *NewImage) error {
	i := &n.Image
	var families []Family
	for _, name := range n.Models {
		families = append(families, s.model(name).Family)
	}
	some := func(of ...Family) bool {
		return slices.ContainsFunc(families, func(f Family) bool { return slices.Contains(of, f) })
	}
	switch {
	case i.HiresFix && some(Flux, Qwen, ZImage):
		return refuse(CodeHiResMismatch, "hires fix does not go with Flux, Qwen or Z-Image models")
	case i.Transparent && some(SD2, SD2x512, Cascade, Flux, Qwen, ZImage):
		return refuse(CodeTransparencyModel, "transparent images are made by Stable Diffusion 1.5 and XL models only")
	case i.Workflow == WorkflowQRCode && some(SD2, SD2x512, Cascade, Flux, Qwen, ZImage):
		return refuse(CodeControlNetMismatchDot, "the qr_code workflow runs on Stable Diffusion 1.5 and XL models only")
	}
	if err := s.checkSpecial(u, n); err != nil {
		return err
	}
	switch {
	case i.SourceMask != "" && i.Source == "":
		return refuse(CodeSourceMaskUnnecessary, "a source_mask needs a source_image")
	case i.Control != "" && s.anyModel(n.Models, func(m Model) bool { return m.NoControl }),
		oneOf(i.Control, []string{"normal", "hough"}) && some(SD2, SD2x512):
		return refuse(CodeControlNetUnsupported, "one of the models cannot be guided by the control_type %s", i.Control)
	case i.Control != "" && i.Source == "":
		return refuse(CodeControlNetSource, "a control_type needs a source_image")
	case i.Control != "" && i.Processing == "inpainting":
		return refuse(CodeControlNetInpainting, "a control_type does not go with inpainting")
	case i.Control != "" && some(SDXL, Cascade, Flux, Qwen, ZImage):
		return refuse(CodeControlNetMismatch, "a control_type does not go with these models")
	case i.Transparent && len(i.Extra) > 0:
		return refuse(CodeTransparencyImg2Img, "transparent images are not made from extra source images")
	case i.Transparent && i.Control != "":
		return refuse(CodeTransparencyCN, "transparent images cannot be guided by a ControlNet")
	case i.Processing == "remix" && (len(families) == 0 || some(SD1, SD2, SD2x512, SDXL, Flux, Qwen, ZImage)):
		return refuse(CodeInvalidRemix, "remix needs a Stable Cascade model")
	case len(i.Extra) > 0 && i.Processing != "remix":
		return refuse(CodeExtraSourceImages, "extra source images need source_processing to be remix")
	case len(i.ExtraTexts) > 0 && i.Workflow == "":
		return refuse(CodeInvalidExtraTexts, "extra texts need a workflow")
	case i.Workflow == WorkflowQRCode && !slices.ContainsFunc(i.ExtraTexts, func(t ExtraText) bool { return t.Reference == WorkflowQRCode }):
		return refuse(CodeMissingExtraTexts, "the qr_code workflow needs an extra text whose reference is qr_code")
	case i.ImageIsControl && i.ReturnControl:
		return refuse(CodeControlNetPayload, "a control map cannot be both what is sent and what is asked for")
	case i.Source == "" && s.anyModel(n.Models, func(m Model) bool { return m.NeedsSource }):
		return refuse(CodeSourceRequired, "one of the models needs a source image")
	case i.Source == "" && s.anyModel(n.Models, func(m Model) bool { return m.ControlNet }):
		return refuse(CodeUnexpectedModelName, "one of the models is a ControlNet, which needs a source image")
	}
	return nil
}

func (s *State) anyModel(names []string, is func(Model) bool) bool {
	return slices.ContainsFunc(names, func(name string) bool { return is(s.model(name)) })
}

// checkSpecial guards models that belong to one account, and the payload that only they read.
func (s *State) checkSpecial(u *User, n *NewImage) error {
	for _, name := range n.Models {
		if !special(name) {
			continue
		}
		owner, named := specialOwner(name)
		switch {
		case !u.Has(RoleSpecial):
			return refuse(CodeNotSpecial, "only special accounts may ask for special models")
		case !named:
			return refuse(CodeSpecialUsername, "a special model's name ends with ::name#id of its owner")
		case owner != u.ID:
			return refuse(CodeForbidden, "this special model belongs to somebody else")
		case len(n.Image.Special) == 0:
			return refuse(CodeSpecialPayload, "a special model needs a special payload")
		}
	}
	if err := s.mayComeFrom(u, n.Address); err != nil {
		return err
	}
	if len(n.Image.Special) > 0 && !u.Has(RoleSpecial) {
		return refuse(CodeBadRequest, "only special accounts may send a special payload")
	}
	if len(n.Image.Special) > MaxSpecialBytes {
		return refuse(CodeBadRequest, "a special payload has at most %d bytes", MaxSpecialBytes)
	}
	return nil
}

// modelWarnings compares a request with what its models were made for. They never stop it.
func (s *State) modelWarnings(n *NewImage) []Warning {
	i := &n.Image
	var out []Warning
	warn := func(code, text string) {
		if !slices.ContainsFunc(out, func(w Warning) bool { return w.Code == code }) {
			out = append(out, Warning{code, text})
		}
	}
	for _, name := range n.Models {
		m := s.model(name)
		if m.ClipSkip > 0 && m.ClipSkip != max(1, i.ClipSkip) {
			warn("ClipSkipMismatch", name+" works best with clip_skip "+itoa(m.ClipSkip)+".")
		}
		if m.MinSteps > 0 && i.Steps < m.MinSteps {
			warn("StepsTooFew", name+" works best with at least "+itoa(m.MinSteps)+" steps.")
		}
		if m.MaxSteps > 0 && i.Steps > m.MaxSteps {
			warn("StepsTooMany", name+" works best with at most "+itoa(m.MaxSteps)+" steps.")
		}
		if m.MinCFG > 0 && m.MinCFG == m.MaxCFG && i.CFG != m.MinCFG {
			warn("CfgScaleMismatch", name+" works best with one cfg_scale only.")
		} else if m.MinCFG > 0 && i.CFG < m.MinCFG {
			warn("CfgScaleTooSmall", name+" works best with a larger cfg_scale.")
		} else if m.MaxCFG > 0 && i.CFG > m.MaxCFG {
			warn("CfgScaleTooLarge", name+" works best with a smaller cfg_scale.")
		}
		if len(m.Samplers) > 0 && !slices.Contains(m.Samplers, i.Sampler) {
			warn("SamplerMismatch", name+" works best with the samplers "+strings.Join(m.Samplers, ", ")+".")
		}
		scheduler := "simple"
		if i.Karras {
			scheduler = "karras"
		}
		if len(m.Schedulers) > 0 && !slices.Contains(m.Schedulers, scheduler) {
			warn("SchedulerMismatch", name+" works best with the scheduler "+strings.Join(m.Schedulers, ", ")+".")
		}
	}
	return out
}

// stepLimit is how many effective steps a request for some models may have before it needs kudos up front, and how
// many it is cut to instead.
func (s *State) stepLimit(models []string) (free, cut int) {
	free, cut = stepsBeforeUpfront, stepsAfterDowngrade
	for _, name := range models {
		if most := s.model(name).MaxSteps; most > 0 {
			free, cut = min(free, most), min(cut, most)
		}
	}
	return free, cut
}

// limitedSteps is what a worker that limits steps takes at most: the mean of the least and the most steps of the models.
func (s *State) limitedSteps(models []string) int {
	if len(models) == 0 {
		return (stepsLimitedMin + stepsLimitedMax) / 2
	}
	sum := 0
	for _, name := range models {
		m := s.model(name)
		least, most := stepsLimitedMin, stepsLimitedMax
		if m.MinSteps > 0 {
			least = m.MinSteps
		}
		if m.MaxSteps > 0 {
			most = m.MaxSteps
		}
		sum += (least + most) / 2
	}
	return sum / len(models)
}
