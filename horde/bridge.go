// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"slices"
	"strconv"
	"strings"

	"stablemate/horde/kudos"
)

// Capability is a bit set of what a worker's software can do, told by its name and version.
type Capability uint64

// Capabilities of bridges. Those named after post-processors mean that one alone.
const (
	CanImg2Img Capability = 1 << iota
	CanInpainting
	CanKarras
	CanPostProcess
	CanR2
	CanR2Source
	CanControlNet
	CanImageIsControl
	CanReturnControl
	CanHiresFix
	CanTiling
	CanClipSkip
	CanLora
	CanTI
	CanLoraVersions
	CanExtraSources
	CanCascade2Pass
	CanWorkflows
	CanTransparent
	CanFlux
	CanGFPGAN
	CanCodeFormers
	CanStripBackground
	CanX4Plus
	CanX4PlusAnime
	CanX2Plus
	CanSiaxAndSharp
	CanNewPost // the eight post-processors of 2025
)

// Has reports whether all of the given capabilities are there.
func (c Capability) Has(x Capability) bool { return c&x == x }

// PoolAgent is the bridge name of our own worker.
const PoolAgent = "Stablemate"

// Names of worker software whose abilities are known.
const (
	bridgeReGen  = "AI Horde Worker reGen"
	bridgeLegacy = "AI Horde Worker"
	bridgeWebUI  = "SD-WebUI Stable Horde Worker Bridge"
	bridgeAuto   = "HordeAutoWebBridge"
)

// bridgeLevel is what a version of worker software added.
type bridgeLevel struct {
	from int
	can  Capability
}

func bridgeLevels(name string) []bridgeLevel {
	switch name {
	case PoolAgent:
		return []bridgeLevel{{1, CanR2 | CanR2Source | CanKarras}}
	case bridgeReGen:
		return []bridgeLevel{
			{1, CanImg2Img | CanInpainting | CanKarras | CanPostProcess | CanR2 | CanR2Source | CanControlNet | CanImageIsControl |
				CanReturnControl | CanHiresFix | CanTiling | CanClipSkip | CanGFPGAN | CanCodeFormers | CanStripBackground |
				CanX4Plus | CanX4PlusAnime | CanX2Plus | CanSiaxAndSharp},
			{2, CanLora | CanTI},
			{3, CanLoraVersions},
			{5, CanExtraSources},
			{6, CanCascade2Pass},
			{7, CanWorkflows},
			{8, CanTransparent},
			{9, CanFlux},
			{13, CanNewPost},
		}
	case bridgeLegacy:
		return []bridgeLevel{
			{3, CanImg2Img},
			{4, CanInpainting},
			{6, CanKarras},
			{7, CanPostProcess | CanGFPGAN | CanX4Plus},
			{8, CanR2},
			{9, CanCodeFormers},
			{13, CanHiresFix | CanClipSkip},
			{14, CanR2Source},
			{15, CanControlNet},
			{18, CanStripBackground | CanReturnControl | CanX4PlusAnime},
			{19, CanSiaxAndSharp},
			{21, CanX2Plus},
			{22, CanLora},
			{23, CanImageIsControl},
			{24, CanTI},
		}
	case bridgeWebUI:
		return []bridgeLevel{{1, CanInpainting | CanKarras | CanR2 | CanCodeFormers}, {2, CanTiling}, {3, CanR2Source}, {4, CanClipSkip}}
	case bridgeAuto:
		return []bridgeLevel{{1, CanImg2Img | CanKarras}, {2, CanTiling}}
	}
	return nil
}

// Capabilities reads "name:version:url". An unknown name can do nothing that needs a capability; our
// own pool can do what this version of it does.
func Capabilities(agent string) Capability {
	name, version := splitAgent(agent)
	var can Capability
	for _, l := range bridgeLevels(name) {
		if version >= l.from {
			can |= l.can
		}
	}
	return can
}

// canPost is the capability that a post-processor needs.
func canPost(name string) Capability {
	switch name {
	case "GFPGAN":
		return CanGFPGAN
	case "CodeFormers":
		return CanCodeFormers
	case "strip_background":
		return CanStripBackground
	case "RealESRGAN_x4plus":
		return CanX4Plus
	case "RealESRGAN_x4plus_anime_6B":
		return CanX4PlusAnime
	case "RealESRGAN_x2plus":
		return CanX2Plus
	case "NMKD_Siax", "4x_AnimeSharp":
		return CanSiaxAndSharp
	}
	return CanNewPost
}

// versionOfStrangers is the legacy version as which software that nobody knows is judged by its samplers.
const versionOfStrangers = 23

// samplesWith reports whether worker software knows a sampler, with the karras schedule or without.
func samplesWith(agent, sampler string, karras bool) bool {
	name, version := splitAgent(agent)
	switch name {
	case PoolAgent:
		return true
	case bridgeReGen:
		return sampler != "lcm" && version >= 2 || version >= 3 || version == 1 && oneOf(sampler, []string{"k_euler", "k_euler_a"})
	case bridgeWebUI:
		return sampler != "lcm" && (sampler != "DDIM" || !karras)
	case bridgeAuto:
		with := []string{"k_lms", "k_dpm_2", "k_dpm_2_a", "k_dpmpp_2s_a", "k_dpmpp_2m", "dpmsolver"}
		without := []string{"k_heun", "k_euler", "k_euler_a", "k_dpm_fast", "k_dpm_adaptive"}
		return slices.Contains(with, sampler) && karras || slices.Contains(without, sampler) && !karras
	case bridgeLegacy:
	default:
		version = versionOfStrangers
	}
	switch sampler {
	case "k_euler", "k_euler_a":
		return true
	case "lcm":
		return false
	case "DDIM":
		return version >= 17 && !karras
	case "k_dpmpp_sde":
		return version >= 12
	}
	return version >= 11
}

// payShare is the part of an image's worth that its maker's software earns, in hundredths.
func payShare(agent string) int64 {
	name, version := splitAgent(agent)
	switch {
	case name == PoolAgent, name == bridgeReGen && version >= 13, name == bridgeLegacy && version >= 24:
		return 100
	case name == bridgeReGen, name == bridgeLegacy:
		return 90
	}
	return 75
}

// kudosShare is payShare of a worker.
func kudosShare(w *Worker) kudos.Amount { return kudos.Amount(payShare(w.Offer.BridgeAgent)) }

// splitAgent reads the name and major version; all three parts are needed to be recognised.
func splitAgent(agent string) (name string, major int) {
	parts := strings.SplitN(agent, ":", 3)
	if len(parts) < 3 {
		return "", 0
	}
	v, _, _ := strings.Cut(parts[1], ".")
	major, err := strconv.Atoi(v)
	if err != nil || major < 0 {
		return "", 0
	}
	return parts[0], major
}
