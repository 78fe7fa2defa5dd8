// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"strconv"
	"time"

	"stablemate/horde/kudos"
)

// UptimeSpan is how many seconds online earn one reward.
const UptimeSpan = 600

// countUptime adds the time since the last check-in and rewards each full span. Time in maintenance or paused does not
// count, and like a gap it makes the span begin anew.
func (s *State) countUptime(c *Change, owner *User, w *Worker, gap time.Duration) {
	if gap > WorkerOnline || w.Maintenance || w.Paused {
		w.Rewarded = w.Uptime
		return
	}
	w.Uptime += int64(gap / time.Second)
	if w.Uptime-w.Rewarded <= UptimeSpan {
		return
	}
	w.Rewarded = w.Uptime
	amount := s.uptimeReward(w)
	w.UptimeKudos += amount
	// Until an owner is trusted all of it waits in escrow, as it takes no work to be online. Alchemists are paid at once.
	pocket := evaluated(owner.ID)
	if owner.Has(RoleTrusted) || w.Type == Alchemist {
		pocket = spendable(owner.ID)
		owner.Details.Accumulated += amount
	}
	key := "uptime:" + w.ID.String() + ":" + strconv.FormatInt(w.Uptime, 10)
	c.post(s, key, kudos.KindUptime, kudos.Move(kudos.Treasury, pocket, amount))
	c.saveUser(owner)
	s.maybeTrust(c, owner)
}

// uptimeReward is what one span online is worth.
func (s *State) uptimeReward(w *Worker) kudos.Amount {
	switch w.Type {
	case Dreamer:
		return kudos.UptimeImage(len(w.Offer.Models), w.Offer.Lora)
	case Scribe:
		params := 0.0
		if len(w.Offer.Models) > 0 {
			params = s.believed(s.users[w.Owner], w.Offer.Models[0])
		}
		return kudos.UptimeText(w.Offer.MaxContext, params, ValidatedBackend(w.Offer.BridgeAgent))
	case Alchemist:
		return kudos.UptimeAlchemy
	}
	return kudos.UptimeOther
}
