// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	_ "embed" // the reference of models
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Family is the architecture that an image model was trained from; prices and rules follow it. The names are the model
// reference's own.
type Family string

// Families of image models.
const (
	SD1     Family = "stable diffusion 1"
	SD2     Family = "stable diffusion 2"
	SD2x512 Family = "stable diffusion 2 512"
	SDXL    Family = "stable_diffusion_xl"
	Cascade Family = "stable_cascade"
	Flux    Family = "flux_1"
	Qwen    Family = "qwen_image"
	ZImage  Family = "z_image_turbo"
)

// Pixels is how many pixels the images have that models of a family were made for: width times height.
func (f Family) Pixels() int {
	switch f {
	case SDXL, Cascade, Flux, Qwen, ZImage:
		return 1024 * 1024
	case SD2:
		return 768 * 768
	default: // SD1, SD2x512, and what nobody knows
		return 512 * 512
	}
}

// Model is what the reference says about an image model. Zero values state no requirement.
type Model struct {
	Name        string   `json:"name"`
	Family      Family   `json:"family"`
	NSFW        bool     `json:"nsfw,omitempty"`         // trained for it: prompts for it are held to stricter words
	Inpainting  bool     `json:"inpainting,omitempty"`   // made to repaint parts of an image
	NeedsSource bool     `json:"needs_source,omitempty"` // makes nothing without a source image
	ControlNet  bool     `json:"controlnet,omitempty"`   // guides other models by a source image
	NoControl   bool     `json:"no_control,omitempty"`   // cannot be guided by a ControlNet
	ClipSkip    int      `json:"clip_skip,omitempty"`
	MinSteps    int      `json:"min_steps,omitempty"`
	MaxSteps    int      `json:"max_steps,omitempty"`
	MinCFG      float64  `json:"min_cfg,omitempty"`
	MaxCFG      float64  `json:"max_cfg,omitempty"`
	Samplers    []string `json:"samplers,omitempty"`
	Schedulers  []string `json:"schedulers,omitempty"` // karras, simple
}

//go:embed models.json
var modelReference []byte

// ParseModels reads a reference of image models: a JSON array of Model. Names must be unique and families known.
func ParseModels(data []byte) ([]Model, error) {
	var out []Model
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("read the reference of models: %w", err)
	}
	families := []Family{SD1, SD2, SD2x512, SDXL, Cascade, Flux, Qwen, ZImage}
	seen := make(map[string]bool, len(out))
	for i := range out {
		m := &out[i]
		switch {
		case m.Name == "":
			return nil, fmt.Errorf("model %d of the reference has no name", i+1)
		case seen[m.Name]:
			return nil, fmt.Errorf("model %q is in the reference twice", m.Name)
		case !slices.Contains(families, m.Family):
			return nil, fmt.Errorf("model %q has the unknown family %q", m.Name, m.Family)
		}
		seen[m.Name] = true
	}
	return out, nil
}

// ReferenceModels is the reference that the program brings along: models that many hordes serve. Operators add theirs.
func ReferenceModels() []Model {
	out, err := ParseModels(modelReference)
	if err != nil {
		panic("horde: " + err.Error()) // the embedded file is wrong
	}
	return out
}

// model is what is known about an image model. A name that the reference lacks tells its family by a tag, or counts as
// Stable Diffusion 1.
func (s *State) model(name string) Model {
	if m, ok := s.models[name]; ok {
		return *m
	}
	m := Model{Name: name, Family: SD1}
	for _, tag := range []struct {
		text   string
		family Family
	}{{"[SDXL]", SDXL}, {"[Flux]", Flux}, {"[Qwen]", Qwen}, {"[ZModel]", ZImage}, {"[ZImage]", ZImage}} {
		if strings.Contains(name, tag.text) {
			m.Family = tag.family
		}
	}
	return m
}

// familyFactor multiplies the price of an image by what its model's family takes to run.
func familyFactor(f Family, i *Image) float64 {
	switch f {
	case SDXL:
		if i.Workflow == WorkflowQRCode {
			return 4
		}
		return 2
	case Cascade:
		if i.HiresFix {
			return 7
		}
		return 4
	case Flux, ZImage:
		return 8
	case Qwen:
		return 12
	case SD1, SD2, SD2x512:
	}
	return 1
}

// factorFor is the factor of the model used, and of the dearest of several that may be used.
func (s *State) factorFor(i *Image, models ...string) float64 {
	factor := 1.0
	for _, name := range models {
		factor = max(factor, familyFactor(s.model(name).Family, i))
	}
	return factor
}

// batchFactor is how much more memory a family takes for each image of a batch.
func batchFactor(f Family) float64 {
	switch f {
	case Flux:
		return 5
	case Qwen:
		return 10
	case ZImage:
		return 8
	case SD1, SD2, SD2x512, SDXL, Cascade:
	}
	return 1
}

// slow families take three times as long.
func slow(f Family) bool { return f == Flux || f == Qwen || f == ZImage }

// SpecialPrefix begins the names of models that belong to one account: horde_special::name#id.
const SpecialPrefix = "horde_special"

// special reports whether a model belongs to one account.
func special(name string) bool { return strings.HasPrefix(name, SpecialPrefix) }

// specialOwner is the account that a special model's name ends with.
func specialOwner(name string) (UserID, bool) {
	at := strings.LastIndex(name, "::")
	if at < 0 {
		return 0, false
	}
	return ParseAlias(name[at+2:])
}
