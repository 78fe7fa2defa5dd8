// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import "stablemate/horde"

// Bounds of lists that the contract leaves open. They keep one body from filling the horde.
const (
	maxModelsAsked   = 300
	maxModelName     = 255
	maxWorkersAsked  = 1000
	maxAddOns        = 200 // the rules allow fewer, and say so
	maxPrioritised   = 1000
	maxBlacklistSent = 5000
	maxModelsServed  = 5000 // the first 300 count
)

// schemas are the bodies that are held against one before anything else happens.
type schemas struct {
	generate, pop, submit, worker *schema
	newTeam, team, message, user  *schema
	styles                        styleSchemas
	guard                         guardSchemas

	generateText, popText, submitText *schema
	interrogate, popForms             *schema
	rate                              *schema
}

func newSchemas() schemas {
	return schemas{
		generate: generateBody(), pop: popBody(), submit: submitBody(), worker: workerBody(), user: userBody(),
		generateText: generateTextBody(), popText: popTextBody(), submitText: submitTextBody(),
		interrogate: interrogateBody(), popForms: popFormsBody(),
		newTeam: teamBody("name"), team: teamBody(), message: messageBody(),
		styles: newStyleSchemas(), guard: newGuardSchemas(), rate: rateBody(),
	}
}

func generateBody() *schema {
	const side, sideMost, sideStep = horde.MinSide, horde.MaxSide, horde.SideStep
	params := shape(map[string]*schema{
		"sampler_name":                 oneOf(horde.Samplers()...),
		"cfg_scale":                    number().between(0, 100),
		"denoising_strength":           number().between(0.01, 1),
		"hires_fix_denoising_strength": number().between(0.01, 1),
		"height":                       integer().between(side, sideMost).step(sideStep),
		"width":                        integer().between(side, sideMost).step(sideStep),
		"steps":                        integer().between(1, horde.MaxSteps),
		"n":                            integer().between(1, horde.MaxImagesPerRequest),
		"seed":                         text(),
		"seed_variation":               integer().between(1, 1000),
		"karras":                       truth(),
		"tiling":                       truth(),
		"hires_fix":                    truth(),
		"transparent":                  truth(),
		"clip_skip":                    integer().between(1, 12),
		"facefixer_strength":           number().between(0, 1),
		"post_processing":              list(oneOf(horde.PostProcessors()...)).once(),
		"control_type":                 oneOf("canny", "hed", "depth", "normal", "openpose", "seg", "scribble", "fakescribbles", "hough"),
		"image_is_control":             truth(),
		"return_control_map":           truth(),
		"workflow":                     oneOf("qr_code"),
		"special":                      shape(nil),
		"loras": list(shape(map[string]*schema{
			"name":           text().length(1, 255),
			"model":          number().between(-5, 5),
			"clip":           number().between(-5, 5),
			"inject_trigger": text().length(1, 30),
			"is_version":     truth(),
		}, "name")).atMost(maxAddOns),
		"tis": list(shape(map[string]*schema{
			"name":      text().length(1, 255),
			"inject_ti": oneOf("prompt", "negprompt"),
			"strength":  number().between(-5, 5),
		}, "name")).atMost(maxAddOns),
		"extra_texts": list(shape(map[string]*schema{
			"text": text().length(1, 0), "reference": text().length(3, 0),
		})).atMost(maxAddOns),
	})
	return shape(map[string]*schema{
		"prompt":             text().length(1, 0),
		"params":             params,
		"nsfw":               truth(),
		"censor_nsfw":        truth(),
		"trusted_workers":    truth(),
		"validated_backends": truth(),
		"slow_workers":       truth(),
		"extra_slow_workers": truth(),
		"workers":            list(text()).atMost(maxWorkersAsked),
		"worker_blacklist":   truth(),
		"models":             list(text().length(0, maxModelName)).atMost(maxModelsAsked),
		"source_image":       text(),
		"source_processing":  oneOf("img2img", "inpainting", "outpainting", "remix"),
		"source_mask":        text(),
		"extra_source_images": list(shape(map[string]*schema{
			"image": text().length(1, 0), "strength": number(),
		})).atMost(maxAddOns),
		"r2":                 truth(),
		"shared":             truth(),
		"replacement_filter": truth(),
		"dry_run":            truth(),
		"proxied_account":    text(),
		"disable_batching":   truth(),
		"allow_downgrade":    truth(),
		"webhook":            text().length(10, 1024),
		"style":              text().length(3, 1024),
	}, "prompt")
}

func popBody() *schema {
	return shape(map[string]*schema{
		"name":                  text(),
		"models":                list(text().length(3, maxModelName)).atMost(maxModelsServed),
		"bridge_agent":          text().length(0, 1000),
		"priority_usernames":    list(text()).atMost(maxPrioritised),
		"nsfw":                  truth(),
		"threads":               integer().between(1, horde.MaxThreads),
		"require_upfront_kudos": truth(),
		"amount":                integer().between(1, horde.MaxImagesPerRequest),
		"extra_slow_worker":     truth(),
		"max_pixels":            integer(),
		"blacklist":             list(text()).atMost(maxBlacklistSent),
		"allow_img2img":         truth(),
		"allow_painting":        truth(),
		"allow_unsafe_ipaddr":   truth(),
		"allow_post_processing": truth(),
		"allow_controlnet":      truth(),
		"allow_sdxl_controlnet": truth(),
		"allow_lora":            truth(),
		"limit_max_steps":       truth(),
	}, "name")
}

func submitBody() *schema {
	return shape(map[string]*schema{
		"id":         text(),
		"generation": text(),
		"seed":       integer(),
		"state":      oneOf("ok", "censored", "faulted", "csam"),
		"censored":   truth(),
		"gen_metadata": list(shape(map[string]*schema{
			"type": oneOf("lora", "ti", "censorship", "source_image", "source_mask", "extra_source_images", "batch_index",
				"information", "aesthetic_score"),
			"value": oneOf("download_failed", "parse_failed", "baseline_mismatch", "csam", "nsfw", "see_ref"),
			"ref":   text().length(0, 255),
		}, "type", "value")),
	}, "id", "generation", "seed")
}

func workerBody() *schema {
	return shape(map[string]*schema{
		"maintenance":     truth(),
		"maintenance_msg": text(),
		"paused":          truth(),
		"info":            text().length(0, horde.MaxInfoRunes),
		"name":            text().length(horde.MinWorkerNameRunes, horde.MaxWorkerNameRunes),
		"team":            text().length(0, 36),
	})
}
