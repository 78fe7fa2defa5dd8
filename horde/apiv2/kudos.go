// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/kudos"
)

// defaultGift is what a transfer without an amount moves, in whole kudos.
const defaultGift = 100

// maxKeySent bounds the header Idempotency-Key in bytes; with our prefix it stays under the rules' bound.
const maxKeySent = 150

// transfer is POST /kudos/transfer. Its body is read leniently.
func (s *Server) transfer(c *call) error {
	body, err := s.lenientBody(c)
	if err != nil {
		return err
	}
	bad := make(map[string]string)
	if _, sent := c.key(); !sent {
		bad["apikey"] = "the header apikey is required"
	}
	to, ok := coerceText(body["username"])
	if !ok {
		bad["username"] = "the recipient's name and number are required"
	}
	whole, ok := coerceInteger(body, "amount", defaultGift)
	if !ok {
		bad["amount"] = show(body["amount"]) + " is not an integer"
	}
	if len(bad) > 0 {
		return invalid(bad)
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	op := horde.Transfer{From: u.ID, To: noUser, Amount: kudos.MaxAmount + 1}
	if id, ok := horde.ParseAlias(to); ok {
		op.To = id
	} else if id, err := horde.ParseUUID(to); err == nil {
		if k, owner, ok := s.deps.Engine.SharedKey(horde.SharedKeyID{UUID: id}); ok {
			op.To, op.SharedKey = owner.ID, k.ID
		}
	}
	switch most := int64(kudos.MaxAmount / kudos.One); {
	case whole < -most:
		op.Amount = -kudos.MaxAmount
	case whole <= most:
		op.Amount = kudos.Whole(whole)
	}
	if op.Key, err = c.idempotencyKey(u.ID, ""); err != nil {
		return err
	}
	out, err := s.deps.Engine.Transfer(c.r.Context(), op)
	if err != nil {
		refusal, ok := errors.AsType[*horde.Error](err)
		if ok && (refusal.Code == horde.CodeDeletedUser || refusal.Code == horde.CodeSharedKeyExpired) {
			// Here the protocol has 400 for codes that are 403 elsewhere.
			return &httpError{status: http.StatusBadRequest, body: errorBody{Message: refusal.Message, RC: string(refusal.Code)}}
		}
		return err
	}
	return c.reply(http.StatusOK, wire.TransferReply{Transferred: amount(out.Amount)})
}

// idempotencyKey is the caller's own key for what moves kudos, if one was sent, made unlike everybody else's. What tells
// calls of one kind from those of another.
func (c *call) idempotencyKey(by horde.UserID, what string) (string, error) {
	key := c.r.Header.Get("Idempotency-Key")
	switch {
	case key == "":
		return "", nil
	case len(key) > maxKeySent:
		return "", horde.Refuse(horde.CodeBadRequest, "an idempotency key has at most %d bytes", maxKeySent)
	}
	return "http:" + what + strconv.FormatInt(int64(by), 10) + ":" + strings.ToValidUTF8(key, "?"), nil
}

// award is POST /kudos/award: an admin's thanks. Its body is read leniently.
func (s *Server) award(c *call) error {
	body, err := s.lenientBody(c)
	if err != nil {
		return err
	}
	bad := make(map[string]string)
	if _, sent := c.key(); !sent {
		bad["apikey"] = "the header apikey is required"
	}
	to, ok := coerceText(body["username"])
	if !ok {
		bad["username"] = "the recipient's name and number are required"
	}
	whole, ok := coerceInteger(body, "amount", defaultGift)
	if !ok {
		bad["amount"] = show(body["amount"]) + " is not an integer"
	}
	if len(bad) > 0 {
		return invalid(bad)
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	op := horde.Award{By: u.ID, To: noUser, Amount: wholeKudos(whole)}
	if id, ok := horde.ParseAlias(to); ok {
		op.To = id
	}
	if op.Key, err = c.idempotencyKey(u.ID, "award:"); err != nil {
		return err
	}
	if op.Key == "" {
		op.Key = "http:" + s.deps.IDs.UUID().String()
	}
	out, err := s.deps.Engine.Award(c.r.Context(), op)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, wire.AwardReply{Awarded: amount(out.Amount)})
}

// wholeKudos is an amount of whole kudos. What is beyond measure is more than the rules take.
func wholeKudos(n int64) kudos.Amount {
	const most = int64(kudos.MaxAmount/kudos.One) + 1
	return kudos.Whole(min(most, max(-most, n)))
}

// noUser is nobody's number; the rules refuse it with the right code.
const noUser horde.UserID = -1

// coerceText reads texts, and numbers and booleans as texts.
func coerceText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// coerceInteger reads integers leniently: 1.5 is 1, "7" is 7, true is 1.
func coerceInteger(body object, name string, otherwise int64) (int64, bool) {
	v, there := body[name]
	if !there {
		return otherwise, true
	}
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil || math.IsInf(f, 0) {
			return 0, false
		}
		return body.integer(name, otherwise), true
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		if errors.Is(err, strconv.ErrRange) {
			return n, true // held at the ends of int64
		}
		return n, err == nil
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}
