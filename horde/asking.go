// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"strings"
	"unicode/utf8"
)

// MaxProxiedRunes bounds what a service account calls the people it asks for.
const MaxProxiedRunes = 255

// mayAsk refuses accounts that may not ask for anything, and names of others from those who speak for nobody.
func mayAsk(u *User, proxied string) error {
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

// mayWait holds a request against how many images of its account may wait in the queue.
func (s *State) mayWait(u *User, n *NewImage) error {
	limit := u.Concurrency
	if u.ID == Anonymous && s.settings.AnonymousWaiting > 0 {
		limit = s.settings.AnonymousWaiting
	}
	if waiting := s.waitingFor(u, n.Models); waiting+n.N > limit {
		return refuse(CodeTooManyPrompts,
			"%s has %d images waiting and may have %d; please wait for some to be handed out", u.Name, waiting, limit)
	}
	if most := s.settings.AnonymousPerOrigin; u.ID == Anonymous && most > 0 {
		waiting := s.waitingWhere(u, func(r *Request) bool { return r.Origin == n.Origin })
		if waiting+n.N > most {
			return refuse(CodeTooManyPrompts,
				"you have %d images waiting and without an account may have %d; please wait for some to be handed out", waiting, most)
		}
	}
	if n.Proxied != "" {
		waiting := s.waitingWhere(u, func(r *Request) bool { return r.Proxied == n.Proxied })
		if waiting+n.N > ProxiedConcurrency {
			return refuse(CodeTooManyPrompts,
				"the proxied account has %d images waiting and may have %d; please wait for some to be handed out", waiting, ProxiedConcurrency)
		}
	}
	return nil
}

// waitingWhere counts the images of an account that are not handed out, over the requests that count.
func (s *State) waitingWhere(u *User, counts func(*Request) bool) int {
	sum := 0
	if d := s.desks[u.ID]; d != nil {
		for _, r := range d.waiting {
			if r.State != RequestFaulted && counts(r) {
				sum += r.N
			}
		}
	}
	return sum
}
