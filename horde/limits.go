// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"time"

	"stablemate/horde/kudos"
)

// Bounds of the rules. Where a number is the protocol's, clients depend on it.
const (
	MaxPromptWords      = 7500
	MaxPromptBytes      = 64 << 10 // our own second bound: no language needs more for 7500 words
	MaxNameRunes        = 30
	MinWorkerNameRunes  = 5 // when a worker is renamed; its first name may be shorter
	MaxWorkerNameRunes  = 100
	MaxInfoRunes        = 1000 // about a worker or team
	MaxReasonRunes      = 300  // of maintenance
	MaxModelsPerWorker  = 300
	MaxModelsPerScribe  = 200
	MaxSoftprompts      = 200
	MaxSoftpromptRunes  = 100
	MaxBlacklist        = 200
	MaxBlacklistRunes   = 15
	MaxListedWorkers    = 5
	MaxMetadata         = 50
	MaxImagesPerRequest = 20
	MinSide             = 64
	MaxSide             = 3072
	SideStep            = 64
	MinTextLength       = 16
	MaxTextLength       = 4096
	MinTextContext      = 80
	MaxTextContext      = 1 << 20
	MaxTextPromptBytes  = 512 << 10
	MaxLivePromptBytes  = 64 << 20  // of text prompts that one account has in memory
	MaxTextBytes        = 128 << 10 // of a delivered text
	MaxStopSequences    = 128
	MaxStopCharacters   = 2000 // together
	MaxFormsPerPop      = 100
	MaxSourceTiles      = 255       // of an image for alchemists
	MaxFormPayload      = 4 << 10   // bytes of keys and values
	MaxFormResult       = 128 << 10 // bytes of JSON
	FormsPerConcurrency = 10        // an account may have this many times its concurrency of forms open
	MaxFormsPerOrigin   = 100       // open forms from one address
	MaxFormsPerClient   = 1000      // open forms of one program, all its users together
	MaxOpenForms        = 20_000
	MaxResults          = 10_000   // results of forms that are remembered
	MaxResultBytes      = 64 << 20 // of all of them
	MaxSteps            = 500
	MaxLoras            = 5
	MaxTIs              = 20
	MaxThreads          = 50
	MaxAlchemistThreads = 100
	MaxFormTiles        = 256 // of an alchemist
	MaxIdempotencyKey   = 200

	RequestTTL      = 20 * time.Minute // from creation, each pop and each delivery
	ExtraSlowTTL    = 60 * time.Minute
	MinJobTTL       = 150 * time.Second
	TextJobTTL      = 150 * time.Second
	FormTTL         = 3 * time.Minute
	FaultsPerForm   = 4
	ResultLife      = 5 * 24 * time.Hour // how long the result of a form is remembered
	ResultImageLife = 20 * time.Minute   // likewise of one that is an image: those are deleted early
	WorkerOnline    = 300 * time.Second  // since the last check-in
	CheckInEvery    = 30 * time.Second
	FaultsPerFailed = 3 // faulted generations until a request fails for good
	ReverseGiftGap  = time.Minute

	DefaultConcurrency   = 30
	AnonymousConcurrency = 500
	EducationConcurrency = 200
	ProxiedConcurrency   = DefaultConcurrency // of each person that a service account stands for
	MaxWorkersUntrusted  = 4
	MaxWorkersTrusted    = 20
	MaxSameOrigin        = 3
	MaxSameOriginTrusted = 20
	MaxPerformance       = 20 // samples kept per worker
	SlowWorkerSpeed      = 500_000.0
	SlowFormSeconds      = 10.0        // per form; alchemists that take longer are slow
	UnknownSpeed         = 1_000_000.0 // pixelsteps per second of a dreamer without samples
	UnknownTextSpeed     = 1.0         // tokens per second of a scribe, seconds per form of an alchemist

	DropWindow = time.Hour // in which dropped jobs are counted
	MaxDropped = 20        // above this many, a worker goes into maintenance
	// MaxDroppedInRaid and MaxDroppedForms are the same during a raid, and for alchemists.
	MaxDroppedInRaid = 10
	MaxDroppedForms  = 100

	ReceiptWindow = time.Hour // how long idempotency keys are remembered in memory

	// candidatesPerClass bounds how deep a pop looks past requests it may not have. A short one would let a few of
	// them hide all that wait behind.
	candidatesPerClass = 256
)

// Balance floors by class of account. A debit stops at the floor, and what it could not take is posted
// against the subsidy account.
const (
	FloorAnonymous    = -50 * kudos.One
	FloorPseudonymous = 14 * kudos.One
	FloorRegistered   = 25 * kudos.One
)
