// SPDX-License-Identifier: AGPL-3.0-or-later

package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"stablemate/horde"
	"stablemate/horde/engine"
)

// account is what the profile shows.
type account struct {
	Roles          []string
	Workers        []workerRow
	Requests       int
	Days           int64 // since the account was made
	PublicWorkers  bool
	Pseudonymous   bool
	Nonce          string // of the form that gives kudos: sent twice, it gives once
	To, Amount     string // as typed
	MadeMega       string
	UsedMega       string
	Transferrable  string
	FromDiscord    bool
	WithoutSession bool
}

// profile shows the account, or asks for its key.
func (s *site) profile(w http.ResponseWriter, r *http.Request) {
	s.showProfile(w, r, http.StatusOK, s.visitor(r), page{})
}

// showProfile renders the account of me, or the form that asks for a key.
func (s *site) showProfile(w http.ResponseWriter, r *http.Request, status int, me *visitor, p page) {
	p.Me = me
	if !me.In {
		p.Title = "Sign in"
		s.show(w, r, status, "signin.html", p)
		return
	}
	p.Title = "Profile"
	if p.Data == nil {
		p.Data = s.account(me, "", "")
	}
	s.show(w, r, status, "profile.html", p)
}

func (s *site) account(me *visitor, to, amount string) account {
	now := s.deps.Now()
	u := &me.Account
	out := account{
		Days: int64(now.Sub(u.Created) / (24 * time.Hour)), Requests: len(s.deps.Engine.RequestsOf(u.ID)),
		PublicWorkers: u.Has(horde.RolePublicWorkers), Pseudonymous: u.Pseudonymous(), Nonce: s.deps.NewIdentity(), To: to, Amount: amount,
		MadeMega: mega(u.Image.ContributionThings), UsedMega: mega(u.Image.UsageThings), Transferrable: u.Available().String(),
		FromDiscord: len(u.External) > 2 && u.External[:2] == "d_",
	}
	for _, role := range []struct {
		bit  horde.Role
		name string
	}{
		{horde.RoleAdmin, "admin"},
		{horde.RoleModerator, "moderator"},
		{horde.RoleTrusted, "trusted"},
		{horde.RoleCustomizer, "customizer"},
		{horde.RoleService, "service"},
		{horde.RoleEducation, "education"},
		{horde.RoleFlagged, "flagged"},
	} {
		if u.Has(role.bit) {
			out.Roles = append(out.Roles, role.name)
		}
	}
	for _, id := range s.deps.Engine.WorkersOf(u.ID) {
		if worker, ok := s.deps.Engine.Worker(id); ok && len(out.Workers) < maxRows {
			out.Workers = append(out.Workers, rowOf(&worker, "", now))
		}
	}
	return out
}

// signin takes a key and begins a session.
func (s *site) signin(w http.ResponseWriter, r *http.Request) {
	again := func(status int, why string) {
		s.showProfile(w, r, status, &visitor{}, page{Message: why})
	}
	// The session that somebody may have already matters not: the form holds the key itself.
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		again(http.StatusForbidden, "This form was sent from another site. Please use the one below.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		again(http.StatusBadRequest, "The form could not be read. Please try again.")
		return
	}
	if !s.signins.allow(s.deps.Caller(r)) {
		w.Header().Set("Retry-After", "60")
		again(http.StatusTooManyRequests, "That was often. Please wait a minute before you try again.")
		return
	}
	u, ok := s.deps.Engine.UserByKey(s.deps.HashKey(field(r, "key")))
	switch {
	case !ok || u.Has(horde.RoleDeleted):
		again(http.StatusUnauthorized, "No account has this key. Please look whether all of it is there.")
		return
	case u.ID == horde.Anonymous:
		again(http.StatusForbidden, "This is everybody's key; it has no profile. Please register for one of your own.")
		return
	}
	s.admit(w, r, &u)
	http.Redirect(w, r, "/profile", http.StatusSeeOther)
}

// signout ends the session in this browser.
func (s *site) signout(w http.ResponseWriter, r *http.Request) {
	me, status, why := s.readForm(w, r)
	if why != "" {
		s.showProfile(w, r, status, me, page{Message: why})
		return
	}
	s.cookie(w, r, sessionCookie, "/", "", -1)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// owner reads a form of the profile and who may send it. When it may not go on, the page is already shown.
func (s *site) owner(w http.ResponseWriter, r *http.Request) (me *visitor, ok bool) {
	me, status, why := s.readForm(w, r)
	switch {
	case why != "":
	case !me.In:
		status, why = http.StatusUnauthorized, "Please sign in first."
	case !s.changes.allow(strconv.FormatInt(int64(me.User), 10)):
		w.Header().Set("Retry-After", "3600")
		status, why = http.StatusTooManyRequests, "That was often. Please come back in an hour."
	}
	if why != "" {
		s.showProfile(w, r, status, me, page{Message: why})
		return nil, false
	}
	return me, true
}

// refused shows why a change did not happen, and reports whether it did not.
func (s *site) refused(w http.ResponseWriter, r *http.Request, me *visitor, err error, doing string) bool {
	if err == nil {
		return false
	}
	if refusal, ok := errors.AsType[*horde.Error](err); ok {
		s.showProfile(w, r, http.StatusBadRequest, me, page{Message: sentence(refusal.Message)})
		return true
	}
	s.fault(w, r, err, doing)
	s.showProfile(w, r, http.StatusServiceUnavailable, me, page{Message: "The horde cannot do this just now. Please try again in a moment."})
	return true
}

// rename gives the account another name.
func (s *site) rename(w http.ResponseWriter, r *http.Request) {
	me, ok := s.owner(w, r)
	if !ok {
		return
	}
	u, err := engine.Do(r.Context(), s.deps.Engine, horde.SetUser{User: me.User, Name: new(field(r, "name"))})
	if s.refused(w, r, me, err, "rename an account") {
		return
	}
	me.Account, me.Alias = u, u.Alias()
	s.showProfile(w, r, http.StatusOK, me, page{Done: "You are " + u.Alias() + " now."})
}

// rotate gives the account another key, shows it this once, and ends all other sessions.
func (s *site) rotate(w http.ResponseWriter, r *http.Request) {
	me, ok := s.owner(w, r)
	if !ok {
		return
	}
	key := s.deps.NewKey()
	u, err := engine.Do(r.Context(), s.deps.Engine, horde.SetKey{User: me.User, Key: s.deps.HashKey(key)})
	if s.refused(w, r, me, err, "replace a key") {
		return
	}
	s.show(w, r, http.StatusOK, "registered.html", page{Title: "Your new key", Alias: u.Alias(), Key: key, Me: s.admit(w, r, &u), Done: "Your old key is worth nothing from now on."})
}

// publish shows the account's workers to everybody as its own, or hides that.
func (s *site) publish(w http.ResponseWriter, r *http.Request) {
	me, ok := s.owner(w, r)
	if !ok {
		return
	}
	op := horde.SetUser{User: me.User, Revoke: horde.RolePublicWorkers}
	done := "Your workers no longer show that they are yours."
	if field(r, "public") == "yes" {
		op = horde.SetUser{User: me.User, Grant: horde.RolePublicWorkers}
		done = "Everybody can see now which workers are yours."
	}
	u, err := engine.Do(r.Context(), s.deps.Engine, op)
	if s.refused(w, r, me, err, "publish workers") {
		return
	}
	me.Account = u
	s.showProfile(w, r, http.StatusOK, me, page{Done: done})
}
