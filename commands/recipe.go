// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"stablemate/horde/origin"
)

// knownSampler is what other programs call a sampler.
func knownSampler(name string) string {
	switch name {
	case "k_lms":
		return "LMS"
	case "k_heun":
		return "Heun"
	case "k_euler":
		return "Euler"
	case "k_euler_a":
		return "Euler a"
	case "k_dpm_2":
		return "DPM2"
	case "k_dpm_2_a":
		return "DPM2 a"
	case "k_dpm_fast":
		return "DPM fast"
	case "k_dpm_adaptive":
		return "DPM adaptive"
	case "k_dpmpp_2s_a":
		return "DPM++ 2S a"
	case "k_dpmpp_2m", "dpmsolver":
		return "DPM++ 2M"
	case "k_dpmpp_sde":
		return "DPM++ SDE"
	case "lcm":
		return "LCM"
	}
	return name
}

// recipe writes how one image was made in the form that programs for images read: the prompt, what the image should not
// show, and the rest in one line. Nothing in it says who asked, where, or through whom.
func recipe(p params, made outcome, version string) string {
	p.Added = "" // what the server adds is its own matter
	n := p.newImage("", origin.Origin{})
	i := &n.Image
	prompt, negative, _ := strings.Cut(i.Prompt, "###")
	words := []string{strings.TrimSpace(prompt)}
	for _, l := range i.Loras {
		words = append(words, "<lora:"+l.Name+":"+decimal(l.Model)+">")
	}
	prompt = strings.Join(words, " ")
	parts := []string{
		"Steps: " + strconv.Itoa(i.Steps), "Sampler: " + recipeValue(knownSampler(i.Sampler)),
	}
	if i.Karras {
		parts = append(parts, "Schedule type: Karras")
	}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+": "+recipeValue(value))
		}
	}
	add("CFG scale", decimal(i.CFG))
	add("Seed", strconv.FormatUint(uint64(made.Seed), 10))
	add("Size", fmt.Sprintf("%dx%d", i.Width, i.Height))
	add("Model", made.Model)
	if i.Source != "" {
		add("Denoising strength", decimal(i.Denoising))
	}
	if i.ClipSkip > 0 {
		add("Clip skip", strconv.Itoa(i.ClipSkip))
	}
	if i.Tiling {
		add("Tiling", "True")
	}
	if i.HiresFix {
		add("Hires fix", "True")
	}
	add("ControlNet", i.Control)
	var faces, others []string
	for _, name := range i.Post {
		if strings.HasPrefix(name, "GFPGAN") || name == "CodeFormers" || name == "RestoreFormer" {
			faces = append(faces, name)
		} else {
			others = append(others, name)
		}
	}
	add("Face restoration", strings.Join(faces, ", "))
	add("Post-processing", strings.Join(others, ", "))
	var embeddings []string
	for _, t := range i.TIs {
		embeddings = append(embeddings, t.Name)
	}
	add("Embeddings", strings.Join(embeddings, ", "))
	if p.Styled != nil {
		add("Style", p.Styled.Name)
	}
	add("Version", strings.TrimSpace("stablemate "+version))
	text := prompt + "\n"
	if negative = strings.TrimSpace(negative); negative != "" {
		text += "Negative prompt: " + negative + "\n"
	}
	return text + strings.Join(parts, ", ")
}

// recipeValue keeps a value apart from those beside it.
func recipeValue(value string) string {
	if !strings.ContainsAny(value, ",:\n\"") {
		return value
	}
	quoted, err := json.Marshal(value)
	if err != nil {
		return value
	}
	return string(quoted)
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
