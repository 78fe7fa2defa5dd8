// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"strconv"
	"strings"

	"stablemate/horde/kudos"
)

// Capability is a bit set of what a worker's software can do, told by its name and version.
type Capability uint32

// Capabilities of bridges.
const (
	CanImg2Img Capability = 1 << iota
	CanInpainting
	CanKarras
	CanPostProcess
	CanR2
	CanR2Source
	CanControlNet
	CanReturnControl
	CanHiresFix
	CanTiling
	CanClipSkip
	CanLora
	CanTI
	CanLoraVersions
	CanTransparent
	CanAllSamplers
)

// Has reports whether all of the given capabilities are there.
func (c Capability) Has(x Capability) bool { return c&x == x }

// PoolAgent is the bridge name of our own worker.
const PoolAgent = "Stablemate"

// Capabilities reads "name:version:url". An unknown name can do nothing that needs a capability; our
// own pool can do what this version of it does.
func Capabilities(agent string) Capability {
	name, version := splitAgent(agent)
	type level struct {
		from int
		can  Capability
	}
	var levels []level
	switch name {
	case PoolAgent:
		levels = []level{{1, CanR2 | CanR2Source | CanKarras | CanAllSamplers}}
	case "AI Horde Worker reGen":
		levels = []level{
			{1, CanImg2Img | CanInpainting | CanKarras | CanPostProcess | CanR2 | CanR2Source | CanControlNet |
				CanReturnControl | CanHiresFix | CanTiling | CanClipSkip},
			{2, CanLora | CanTI | CanAllSamplers},
			{3, CanLoraVersions},
			{8, CanTransparent},
		}
	case "AI Horde Worker":
		levels = []level{
			{3, CanImg2Img},
			{4, CanInpainting},
			{6, CanKarras},
			{7, CanPostProcess},
			{8, CanR2},
			{11, CanAllSamplers},
			{13, CanHiresFix | CanClipSkip},
			{14, CanR2Source},
			{15, CanControlNet},
			{18, CanReturnControl},
			{22, CanLora},
			{24, CanTI},
		}
	case "SD-WebUI Stable Horde Worker Bridge":
		levels = []level{{1, CanInpainting | CanKarras | CanR2 | CanAllSamplers}, {2, CanTiling}, {3, CanR2Source}, {4, CanClipSkip}}
	case "HordeAutoWebBridge":
		levels = []level{{1, CanImg2Img | CanKarras | CanAllSamplers}, {2, CanTiling}}
	}
	var can Capability
	for _, l := range levels {
		if version >= l.from {
			can |= l.can
		}
	}
	return can
}

// payShare is the part of an image's worth that its maker's software earns, in hundredths.
func payShare(agent string) int64 {
	name, version := splitAgent(agent)
	switch {
	case name == PoolAgent, name == "AI Horde Worker reGen" && version >= 13, name == "AI Horde Worker" && version >= 24:
		return 100
	case name == "AI Horde Worker reGen", name == "AI Horde Worker":
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
