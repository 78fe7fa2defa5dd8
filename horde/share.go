// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"sort"
	"time"
)

// SharedImage is a delivered image that its requester gives to the public collection, and how it came about. Who asked
// for it is not in it.
type SharedImage struct {
	Generation GenerationID
	Request    RequestID
	Blob       string // key of the stored image
	Image      Image
	Seed       uint32
	Model      string
	Client     string // Client-Agent of the requester's program
	Anonymous  bool
	Finished   time.Time
}

// SharedImages lists what is to be collected of the requests that are live, oldest first. Censored images are left out.
func (s *State) SharedImages() []SharedImage {
	var out []SharedImage
	for _, r := range s.requests {
		if !r.Shared || r.lane() != imageLane {
			continue
		}
		for _, g := range r.generations {
			if g.State != GenerationCompleted || g.Censored || g.Blob == "" {
				continue
			}
			out = append(out, SharedImage{
				Generation: g.ID, Request: r.ID, Blob: g.Blob, Image: r.Image, Seed: g.Seed, Model: g.Model, Client: r.Client,
				Anonymous: r.User == Anonymous, Finished: g.Finished,
			})
		}
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := &out[i], &out[j]
		if !a.Finished.Equal(b.Finished) {
			return a.Finished.Before(b.Finished)
		}
		return string(a.Generation.UUID[:]) < string(b.Generation.UUID[:])
	})
	return out
}
