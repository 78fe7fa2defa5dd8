// SPDX-License-Identifier: AGPL-3.0-or-later

package kudos

// Form is what one form of alchemy is worth to the worker that fills it in: 1, an interrogation 3, a post-processor 3 for
// each tile of 512 × 512 pixels.
func Form(name string, post bool, tiles int) Amount {
	switch {
	case post:
		return 3 * One * Amount(max(1, tiles))
	case name == "interrogation":
		return 3 * One
	}
	return One
}

// FormDebit is what the requester pays for a form worth g: a surcharge of 1 is burned, and 1 more for refusing slow
// workers.
func FormDebit(g Amount, refuseSlow bool) Amount {
	if refuseSlow {
		return g + 2*One
	}
	return g + One
}
