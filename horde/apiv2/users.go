// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/kudos"
)

// Pages of GET users.
const (
	usersPerPage = 25
	maxPage      = 10_000
	rankingFresh = 10 * time.Second
)

// privilege is how much of an account a caller may see.
type privilege int8

const (
	public privilege = iota
	self
	moderator
)

// findUser is GET /find_user: the account behind a key.
func (s *Server) findUser(c *call) error {
	key, _ := c.key()
	if key == "" {
		return wrongKey()
	}
	if id, err := horde.ParseUUID(key); err == nil {
		if k, owner, ok := s.deps.Engine.SharedKey(horde.SharedKeyID{UUID: id}); ok {
			return c.reply(http.StatusOK, s.behindSharedKey(&k, &owner))
		}
	}
	u, ok := s.deps.Engine.UserByKey(HashKey(s.deps.Secret, key))
	if !ok {
		return horde.Refuse(horde.CodeUserNotFound, "No user matching sent API Key was found.")
	}
	return c.reply(http.StatusOK, s.userOf(&u, self))
}

// behindSharedKey is what whoever holds a shared key may see of its owner.
func (s *Server) behindSharedKey(k *horde.SharedKey, owner *horde.User) wire.User {
	out := s.userOf(owner, public)
	out.Username += " (Shared Key"
	if k.Name != "" {
		out.Username += ": " + k.Name
	}
	out.Username += ")"
	return out
}

// showUser is GET /users/{user_id}.
func (s *Server) showUser(c *call) error {
	u, err := s.pathUser(c)
	if err != nil {
		return err
	}
	by, known, err := s.optionalCaller(c, true)
	if err != nil {
		return err
	}
	see := public
	switch {
	case known && by.Moderates():
		see = moderator
	case known && by.ID == u.ID && u.ID != horde.Anonymous:
		see = self
	}
	return c.reply(http.StatusOK, s.userOf(&u, see))
}

// pathUser finds the account a path names. While this horde takes nobody anonymous, there is no account of everybody.
func (s *Server) pathUser(c *call) (horde.User, error) {
	text := c.r.PathValue("user_id")
	id, ok := horde.ParseUserID(text)
	if ok && id == horde.Anonymous {
		_, ok = s.deps.Engine.UserByKey(HashKey(s.deps.Secret, AnonymousKey))
	}
	if ok {
		if u, found := s.deps.Engine.User(id); found {
			return u, nil
		}
	}
	return horde.User{}, horde.Refuse(horde.CodeUserNotFound, "User with id %s not found.", show(text))
}

// listUsers is GET /users.
func (s *Server) listUsers(c *call) error {
	query := c.r.URL.Query()
	page := 1
	if text := query.Get("page"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return missing("page", show(text)+" is not an integer")
		}
		page = max(1, n)
	}
	rows := []wire.UserRow{}
	if page <= maxPage {
		all := s.users.by(s, query.Get("sort") == "age")
		from := min(len(all), (page-1)*usersPerPage)
		for _, u := range all[from:min(len(all), from+usersPerPage)] {
			rows = append(rows, wire.UserRow(s.userOf(&u, public)))
		}
	}
	return c.reply(http.StatusOK, rows)
}

// ranking keeps the sorted list of all accounts for a few seconds.
type ranking struct {
	mu  sync.Mutex // guards what follows
	at  time.Time
	age []horde.User
	top []horde.User
}

// by returns all accounts, oldest or richest first. Nobody changes what it returns.
func (k *ranking) by(s *Server, age bool) []horde.User {
	now := s.deps.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.age == nil || now.Sub(k.at) >= rankingFresh || now.Before(k.at) {
		k.at, k.age = now, s.deps.Engine.Users()
		k.top = slices.Clone(k.age)
		slices.SortStableFunc(k.top, func(a, b horde.User) int { return cmp.Compare(b.Balance, a.Balance) })
		slices.SortStableFunc(k.age, func(a, b horde.User) int { return a.Created.Compare(b.Created) })
	}
	if age {
		return k.age
	}
	return k.top
}

func (s *Server) userOf(u *horde.User, see privilege) wire.User {
	workers := s.deps.Engine.WorkersOf(u.ID)
	d := &u.Details
	out := wire.User{
		Username: u.Alias(), ID: int64(u.ID), Kudos: amount(u.Balance), Concurrency: u.Concurrency, WorkerInvited: u.Invited,
		Moderator: u.Has(horde.RoleModerator),
		KudosDetails: wire.KudosDetails{
			Accumulated: amount(d.Accumulated), Gifted: amount(d.Gifted), Donated: amount(d.Donated), Admin: amount(d.Admin),
			Received: amount(d.Received), Recurring: amount(d.Recurring), Awarded: amount(d.Awarded), Styled: amount(d.Styled),
		},
		WorkerCount: len(workers), Styles: s.userStyles(u.ID, see),
		Trusted: u.Has(horde.RoleTrusted), Flagged: u.Has(horde.RoleFlagged), Service: u.Has(horde.RoleService),
		Education: u.Has(horde.RoleEducation), Customizer: u.Has(horde.RoleCustomizer), Deleted: u.Has(horde.RoleDeleted),
		Pseudonymous: u.Pseudonymous(), AccountAge: int64(s.deps.Now().Sub(u.Created) / time.Second),
		Records: wire.Records{
			Usage:        wire.ThingRecord{Megapixelsteps: megapixelsteps(u.Image.UsageThings), Tokens: u.Text.UsageThings},
			Contribution: wire.ThingRecord{Megapixelsteps: megapixelsteps(u.Image.ContributionThings), Tokens: u.Text.ContributionThings},
			Fulfillment:  wire.AmountRecord{Image: u.Image.Fulfilments, Text: u.Text.Fulfilments, Interrogation: u.Alchemy.Fulfilments},
			Request:      wire.AmountRecord{Image: u.Image.Requests, Text: u.Text.Requests, Interrogation: u.Alchemy.Requests},
			Style:        wire.AmountRecord{Image: u.Image.Styled, Text: u.Text.Styled},
		},
	}
	if see >= self || u.Has(horde.RolePublicWorkers) {
		out.WorkerIDs = make([]string, 0, len(workers))
		for _, id := range workers {
			out.WorkerIDs = append(out.WorkerIDs, id.String())
		}
	}
	if see >= self {
		out.SharedKeyIDs = []string{}
		for _, id := range s.deps.Engine.SharedKeysOf(u.ID) {
			out.SharedKeyIDs = append(out.SharedKeyIDs, id.String())
		}
		out.VPN, out.Special = new(u.Has(horde.RoleVPN)), new(u.Has(horde.RoleSpecial))
		out.Contact = unlessEmpty(u.Contact)
		out.ActiveGenerations = s.activeOf(u)
	}
	if see >= moderator {
		out.EvaluatingKudos = new(amount(u.Evaluated))
		out.MonthlyKudos = wire.MonthlyKudos{Amount: new(int64(u.Entitled() / kudos.One))}
		if !u.MonthlyAt.IsZero() {
			out.MonthlyKudos.LastReceived = mailDate(u.MonthlyAt)
		}
		out.Suspicious = &u.Suspicion
		out.AdminComment = unlessEmpty(u.Comment)
	}
	return out
}

// activeOf lists a person's live requests: of everybody's account only that there may be some.
func (s *Server) activeOf(u *horde.User) wire.ActiveGenerations {
	if u.ID == horde.Anonymous {
		return wire.ActiveGenerations{Image: []string{}, Text: []string{}}
	}
	var out wire.ActiveGenerations
	for _, id := range s.deps.Engine.RequestsOf(u.ID, horde.Dreamer) {
		out.Image = append(out.Image, id.String())
	}
	for _, id := range s.deps.Engine.RequestsOf(u.ID, horde.Scribe) {
		out.Text = append(out.Text, id.String())
	}
	return out
}

func unlessEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func amount(a kudos.Amount) wire.Float { return wire.Float(a.Float()) }

// megapixelsteps rounds to two decimals.
func megapixelsteps(things int64) wire.Float {
	return wire.Float(float64((things+5_000)/10_000) / 100)
}

// mailDate is how the API writes most dates.
func mailDate(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05") + " -0000" }
