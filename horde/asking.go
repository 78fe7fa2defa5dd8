// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"strings"
	"unicode/utf8"

	"stablemate/horde/origin"
)

// MaxProxiedRunes bounds what a service account calls the people it asks for.
const MaxProxiedRunes = 255

// checkAsker refuses accounts that may not ask for anything, and names of others from those who speak for nobody.
func checkAsker(u *User, proxied string) error {
	switch {
	case proxied != "" && !u.Has(RoleService):
		return refuse(CodeServiceOnly, "only service accounts may name a proxied account")
	case u.Has(RoleDeleted):
		return refuse(CodeDeletedUser, "this account is marked as deleted")
	case strings.ContainsRune(proxied, 0):
		return refuse(CodeNulByte, "texts may not hold NUL characters")
	case utf8.RuneCountInString(proxied) > MaxProxiedRunes:
		return refuse(CodeBadRequest, "a proxied account has at most %d characters", MaxProxiedRunes)
	}
	return nil
}

// mayBring refuses more source images beside the first than an account may send.
func mayBring(u *User, images int) error {
	switch {
	case images > MaxExtraSources:
		return refuse(CodeTooManyExtraSources, "%d extra source images, at most %d are allowed", images, MaxExtraSources)
	case images > MaxExtraSourcesUsual && !u.Has(RoleTrusted):
		return refuse(CodeMoreExtraSources, "only trusted accounts may send more than one extra source image")
	}
	return nil
}

// mayComeFrom refuses unsafe addresses during a raid. Clients look for these very words.
func (s *State) mayComeFrom(u *User, at Address) error {
	if s.modes.Raid && at == AddressUnsafe && ChecksAddress(u) {
		return refuse(CodeUntrustedUnsafeIP, "Only Trusted users are allowed to perform this operation")
	}
	return nil
}

// bend makes a request what its account may ask for: safe and for trusted workers alone from schools, and shared or not
// as this horde has it.
func (s *State) bend(u *User, n *NewImage) {
	if u.Has(RoleEducation) {
		n.NSFW, n.CensorNSFW, n.TrustedWorkers = false, true, true
	}
	n.Shared = s.shares(u, n)
}

// shares reports whether the images of a request go to the public collection: when it asks for it, or comes from
// everybody's account; never what was made from somebody's picture, and never what a school made.
func (s *State) shares(u *User, n *NewImage) bool {
	return s.settings.Sharing && n.Image.Source == "" && !u.Has(RoleEducation) && (n.Shared || u.ID == Anonymous)
}

// mayWait holds a request for n generations against how many of its account may wait in the queue.
func (s *State) mayWait(u *User, at lane, n int, models []string, from origin.Origin, proxied string) error {
	limit := u.Concurrency
	if u.ID == Anonymous && s.settings.AnonymousWaiting > 0 {
		limit = s.settings.AnonymousWaiting
	}
	if waiting := s.waitingFor(u, at, models); waiting+n > limit {
		return refuse(CodeTooManyPrompts,
			"%s has %d %s waiting and may have %d; please wait for some to be handed out", u.Name, waiting, at.noun(), limit)
	}
	if most := s.settings.AnonymousPerOrigin; u.ID == Anonymous && most > 0 {
		waiting := s.waitingWhere(u, at, func(r *Request) bool { return r.Origin == from })
		if waiting+n > most {
			return refuse(CodeTooManyPrompts,
				"you have %d %s waiting and without an account may have %d; please wait for some to be handed out", waiting, at.noun(), most)
		}
	}
	if proxied != "" {
		waiting := s.waitingWhere(u, at, func(r *Request) bool { return r.Proxied == proxied })
		if waiting+n > ProxiedConcurrency {
			return refuse(CodeTooManyPrompts,
				"the proxied account has %d %s waiting and may have %d; please wait for some to be handed out", waiting, at.noun(), ProxiedConcurrency)
		}
	}
	return nil
}

// noun is what people wait for.
func (l lane) noun() string {
	if l == textLane {
		return "texts"
	}
	return "images"
}

// waitingWhere counts the generations of an account that are not handed out, over the requests that count.
func (s *State) waitingWhere(u *User, at lane, counts func(*Request) bool) int {
	sum := 0
	if d := s.desks[u.ID]; d != nil {
		for _, r := range d.waiting {
			if r.lane() == at && r.State != RequestFaulted && counts(r) {
				sum += r.N
			}
		}
	}
	return sum
}

// listed refuses workers that there are not, and keeps the first of the others.
func (s *State) listed(workers *[]WorkerID) error {
	for _, id := range *workers {
		if _, ok := s.workers[id]; !ok {
			return refuse(CodeWorkerNotFound, "no worker with ID %s", id)
		}
	}
	*workers = (*workers)[:min(len(*workers), MaxListedWorkers)]
	return nil
}
