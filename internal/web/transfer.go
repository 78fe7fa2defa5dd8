// SPDX-License-Identifier: AGPL-3.0-or-later

package web

import (
	"errors"
	"net/http"
	"strconv"
	"unicode"
	"unicode/utf8"

	"stablemate/horde"
)

// transferForm asks whom to give kudos to.
func (s *site) transferForm(w http.ResponseWriter, r *http.Request) {
	s.showTransfer(w, r, http.StatusOK, s.visitor(r), page{}, "", "")
}

func (s *site) showTransfer(w http.ResponseWriter, r *http.Request, status int, me *visitor, p page, to, amount string) {
	p.Title, p.Me = "Give kudos", me
	data := account{To: to, Amount: amount, Nonce: s.deps.NewIdentity(), WithoutSession: !me.In}
	if me.In {
		data = s.account(me, to, amount)
	}
	p.Data = data
	s.show(w, r, status, "transfer.html", p)
}

// transfer gives kudos: those of the session, or of the key in the form.
func (s *site) transfer(w http.ResponseWriter, r *http.Request) {
	me, status, why := s.readForm(w, r)
	to, amount := field(r, "username"), field(r, "amount")
	again := func(status int, why string) { s.showTransfer(w, r, status, me, page{Message: why}, to, amount) }
	if why != "" {
		again(status, why)
		return
	}
	from := me.Account
	if !me.In {
		if !s.signins.allow(s.deps.Caller(r)) {
			w.Header().Set("Retry-After", "60")
			again(http.StatusTooManyRequests, "That was often. Please wait a minute before you try again.")
			return
		}
		var known bool
		if from, known = s.deps.Engine.UserByKey(s.deps.HashKey(field(r, "src_api_key"))); !known {
			again(http.StatusUnauthorized, "No account has this key. Please look whether all of it is there.")
			return
		}
	}
	id, ok := horde.ParseAlias(to)
	if ok {
		_, ok = s.deps.Engine.User(id)
	}
	if !ok {
		again(http.StatusBadRequest, "There is no such account. A name ends with # and a number, like Anna#12.")
		return
	}
	key := ""
	if nonce, err := horde.ParseUUID(field(r, "nonce")); err == nil {
		key = "web:" + strconv.FormatInt(int64(from.ID), 10) + ":" + nonce.String()
	}
	if !s.gifts.allow(strconv.FormatInt(int64(from.ID), 10)) {
		w.Header().Set("Retry-After", "3600")
		again(http.StatusTooManyRequests, "You gave often. Please come back in an hour.")
		return
	}
	given, err := s.deps.Give(r.Context(), from.ID, id, amount, key)
	if refusal, ok := errors.AsType[*horde.Error](err); ok {
		again(http.StatusBadRequest, sentence(refusal.Message))
		return
	}
	if err != nil {
		s.fault(w, r, err, "give kudos")
		again(http.StatusServiceUnavailable, "The horde cannot do this just now. Please try again in a moment.")
		return
	}
	if u, ok := s.deps.Engine.User(me.User); ok && me.In {
		me.Account = u
	}
	target, _ := s.deps.Engine.User(id)
	s.showTransfer(w, r, http.StatusOK, me, page{Done: "You gave " + given + " kudos to " + target.Alias() + ". Thank you!"}, "", "")
}

// sentence makes a refusal of the rules look like one.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return text
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if last, _ := utf8.DecodeLastRuneInString(text); !unicode.IsPunct(last) {
		text += "."
	}
	return text
}
