// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"math"
	"net/http"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/kudos"
)

// asker is who asks for images or texts: an account, or through a shared key its owner.
type asker struct {
	user   horde.User
	shared horde.SharedKeyID // zero: the account's own key
}

// asker finds who is behind the call's key: shared keys first, then accounts.
func (s *Server) asker(c *call) (asker, error) {
	if key, sent := c.key(); sent {
		if id, err := horde.ParseUUID(key); err == nil {
			if k, owner, ok := s.deps.Engine.SharedKey(horde.SharedKeyID{UUID: id}); ok {
				return asker{user: owner, shared: k.ID}, nil
			}
		}
	}
	u, err := s.caller(c)
	return asker{user: u}, err
}

// relaxFor gives the address of a call the wider limits when its account has earned them. Whoever shows a shared key does
// not profit from its owner's.
func (s *Server) relaxFor(c *call, who asker) {
	if who.shared.IsZero() && who.user.Roles&(horde.RoleTrusted|horde.RoleEducation|horde.RoleService) != 0 {
		s.limits.relax(s.Origin(c.r))
	}
}

// lend lets a style's shared key take the place of the caller's, while it works. What it may not pay for the rules refuse.
func (s *Server) lend(who asker, style *horde.StyleChoice) asker {
	if style == nil || style.SharedKey == "" {
		return who
	}
	id, err := horde.ParseUUID(style.SharedKey)
	if err != nil {
		return who
	}
	k, owner, ok := s.deps.Engine.SharedKey(horde.SharedKeyID{UUID: id})
	if !ok || k.Budget == 0 || k.Expired(s.deps.Now()) {
		return who
	}
	return asker{user: owner, shared: k.ID}
}

// createSharedKey is PUT /sharedkeys. Its body is read leniently.
func (s *Server) createSharedKey(c *call) error {
	terms, u, err := s.sharedKeyTerms(c)
	if err != nil {
		return err
	}
	k, err := do(s, c, horde.CreateSharedKey{Owner: u.ID, SharedKeyTerms: terms})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, sharedKeyOf(&k, &u))
}

// sharedKeyTerms reads the body and the caller of a call about shared keys.
func (s *Server) sharedKeyTerms(c *call) (t horde.SharedKeyTerms, u horde.User, err error) {
	body, err := s.lenientBody(c)
	if err != nil {
		return t, u, err
	}
	bad := make(map[string]string)
	if _, sent := c.key(); !sent {
		bad["apikey"] = "the header apikey is required"
	}
	number := func(name string) *int {
		v, there := body[name]
		if !there || v == nil {
			return nil
		}
		n, ok := coerceInteger(body, name, 0)
		if !ok {
			bad[name] = show(v) + " is not an integer"
			return nil
		}
		return new(int(min(math.MaxInt32, max(math.MinInt32, n)))) // the rules refuse what is beyond
	}
	if v, there := body["name"]; there && v != nil {
		name, ok := coerceText(v)
		if !ok {
			bad["name"] = show(v) + " is not a string"
		}
		t.Name = &name
	}
	if n := number("kudos"); n != nil {
		t.Budget = new(kudos.Whole(int64(*n)))
		if *n == horde.Unlimited {
			*t.Budget = horde.Unlimited
		}
	}
	t.Days, t.MaxPixels = number("expiry"), number("max_image_pixels")
	t.MaxSteps, t.MaxTokens = number("max_image_steps"), number("max_text_tokens")
	if len(bad) > 0 {
		return t, u, invalid(bad)
	}
	u, err = s.caller(c)
	return t, u, err
}

// pathSharedKey finds the shared key a path names. An unknown one is a wrong key, not a thing that is missing.
func (s *Server) pathSharedKey(c *call) (k horde.SharedKey, owner horde.User, err error) {
	if id, err := horde.ParseUUID(c.r.PathValue("sharedkey_id")); err == nil {
		if k, owner, ok := s.deps.Engine.SharedKey(horde.SharedKeyID{UUID: id}); ok {
			return k, owner, nil
		}
	}
	return k, owner, horde.Refuse(horde.CodeInvalidAPIKey, "Shared Key not found.")
}

// showSharedKey is GET /sharedkeys/{sharedkey_id}. Who knows the key may read it.
func (s *Server) showSharedKey(c *call) error {
	k, owner, err := s.pathSharedKey(c)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, sharedKeyOf(&k, &owner))
}

// changeSharedKey is PATCH /sharedkeys/{sharedkey_id}.
func (s *Server) changeSharedKey(c *call) error {
	k, owner, err := s.pathSharedKey(c)
	if err != nil {
		return err
	}
	terms, u, err := s.sharedKeyTerms(c)
	if err != nil {
		return err
	}
	if k, err = do(s, c, horde.ChangeSharedKey{By: u.ID, Key: k.ID, SharedKeyTerms: terms}); err != nil {
		return err
	}
	return c.reply(http.StatusOK, sharedKeyOf(&k, &owner))
}

// deleteSharedKey is DELETE /sharedkeys/{sharedkey_id}.
func (s *Server) deleteSharedKey(c *call) error {
	k, _, err := s.pathSharedKey(c)
	if err != nil {
		return err
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	if _, err := do(s, c, horde.DeleteSharedKey{By: u.ID, Key: k.ID}); err != nil {
		return err
	}
	return c.reply(http.StatusOK, wire.Done{Message: "OK"})
}

func sharedKeyOf(k *horde.SharedKey, owner *horde.User) wire.SharedKey {
	out := wire.SharedKey{
		ID: k.ID.String(), Username: owner.Alias(), Name: k.Name, Kudos: horde.Unlimited, Utilized: wholeUp(k.Used),
		MaxImagePixels: k.MaxPixels, MaxImageSteps: k.MaxSteps, MaxTextTokens: k.MaxTokens,
	}
	if k.Budget != horde.Unlimited {
		out.Kudos = wholeUp(k.Budget)
	}
	if !k.Expiry.IsZero() {
		out.Expiry = mailDate(k.Expiry)
	}
	return out
}

// wholeUp rounds up to whole kudos, so that only an empty budget reads 0.
func wholeUp(a kudos.Amount) int64 { return int64((a + kudos.One - 1) / kudos.One) }
