// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"net/http"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/kudos"
)

func userBody() *schema {
	return shape(map[string]*schema{
		"kudos": number(), "monthly_kudos": integer(), "usage_multiplier": number().between(horde.MinMultiplier, horde.MaxMultiplier),
		"moderator": truth(), "concurrency": integer().between(0, horde.MaxConcurrency), "worker_invited": integer(),
		"trusted": truth(), "flagged": truth(), "customizer": truth(), "vpn": truth(), "service": truth(), "special": truth(),
		"education": truth(), "reset_suspicion": truth(), "filtered": truth(), "generate_proxy_passkey": truth(), "undelete": truth(),
		"admin_comment": text().length(5, horde.MaxContactRunes), "public_workers": truth(),
		"username": text().length(3, 100), "contact": text().length(5, horde.MaxContactRunes),
	})
}

// userRoles are the roles that a body may give or take, by the names of their fields.
func userRoles() map[string]horde.Role {
	return map[string]horde.Role{
		"moderator": horde.RoleModerator, "trusted": horde.RoleTrusted, "flagged": horde.RoleFlagged, "customizer": horde.RoleCustomizer,
		"vpn": horde.RoleVPN, "service": horde.RoleService, "special": horde.RoleSpecial, "education": horde.RoleEducation,
	}
}

// changeUser is PUT /users/{user_id}. Unlike elsewhere, either all of it happens or nothing.
func (s *Server) changeUser(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.user)
	if err != nil {
		return err
	}
	u, err := s.pathUser(c)
	if err != nil {
		return err
	}
	by, err := s.caller(c)
	if err != nil {
		return err
	}
	op, passkey, err := s.userChange(c, by.ID, u.ID, body)
	if err != nil {
		return err
	}
	after, err := s.deps.Engine.ChangeUser(c.r.Context(), op)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, userChanged(body, &u, &after, passkey))
}

// userChange reads a body. A new passkey is made when it asks for one; only its hash goes into the horde.
func (s *Server) userChange(c *call, by, of horde.UserID, body object) (op horde.ChangeUser, passkey string, err error) {
	op = horde.ChangeUser{By: by, User: of, ResetSuspicion: body.has("reset_suspicion"), Undelete: body.has("undelete")}
	for field, role := range userRoles() {
		switch {
		case !body.has(field):
		case body.truth(field, false):
			op.Grant |= role
		default:
			op.Revoke |= role
		}
	}
	for field, to := range map[string]**string{"admin_comment": &op.Comment, "username": &op.Name, "contact": &op.Contact} {
		if body.has(field) {
			*to = new(body.text(field, ""))
		}
	}
	for field, to := range map[string]**int{"concurrency": &op.Concurrency, "worker_invited": &op.Invited} {
		if body.has(field) {
			const beyond = horde.MaxInvited + 1
			*to = new(int(min(beyond, max(-1, body.integer(field, 0)))))
		}
	}
	if body.has("kudos") {
		op.Adjust = new(wholeKudos(body.integer("kudos", 0))) // what is behind the point does not count
	}
	if body.has("monthly_kudos") {
		op.Monthly = new(wholeKudos(body.integer("monthly_kudos", 0)))
	}
	if body.has("usage_multiplier") {
		op.Multiplier = new(body.number("usage_multiplier", 1))
	}
	if body.has("public_workers") {
		op.PublicWorkers = new(body.truth("public_workers", false))
	}
	if body.has("generate_proxy_passkey") {
		passkey = s.deps.NewKey()
		op.Passkey = new(HashKey(s.deps.Secret, passkey))
	}
	if op.Key, err = c.idempotencyKey(by, "user:"); err != nil {
		return op, "", err
	}
	if op.Key == "" {
		op.Key = "http:" + s.deps.IDs.UUID().String()
	}
	return op, passkey, nil
}

// userChanged tells what a body changed.
func userChanged(body object, before, after *horde.User, passkey string) wire.UserChanged {
	var out wire.UserChanged
	for field, to := range map[string]**bool{
		"moderator": &out.Moderator, "trusted": &out.Trusted, "flagged": &out.Flagged, "customizer": &out.Customizer, "vpn": &out.VPN,
		"service": &out.Service, "special": &out.Special, "education": &out.Education,
	} {
		if body.has(field) {
			*to = new(after.Has(userRoles()[field]))
		}
	}
	if body.has("kudos") {
		out.NewKudos = new(amount(after.Balance))
	}
	if body.has("monthly_kudos") {
		out.MonthlyKudos = new(int64(after.Monthly / kudos.One))
	}
	if body.has("usage_multiplier") {
		out.UsageMultiplier = new(wire.Float(after.Multiplier))
	}
	if body.has("concurrency") || after.Concurrency != before.Concurrency {
		out.Concurrency = &after.Concurrency
	}
	if body.has("worker_invited") {
		out.WorkerInvited = &after.Invited
	}
	if body.has("reset_suspicion") {
		out.NewSuspicion = &after.Suspicion
	}
	if body.has("admin_comment") {
		out.AdminComment = &after.Comment
	}
	if body.has("public_workers") {
		out.PublicWorkers = new(after.Has(horde.RolePublicWorkers))
	}
	if body.has("username") {
		out.Username = &after.Name
	}
	if body.has("contact") {
		out.Contact = &after.Contact
	}
	if passkey != "" {
		out.ProxyPasskey = &passkey
	}
	if body.has("undelete") {
		out.Undeleted = new(!after.Has(horde.RoleDeleted))
	}
	return out
}

// deleteUser is DELETE /users/{user_id}: it marks an account as deleted, and later wipes it.
func (s *Server) deleteUser(c *call) error {
	id, ok := horde.ParseUserID(c.r.PathValue("user_id"))
	if !ok {
		return horde.Refuse(horde.CodeUserNotFound, "User with id %s not found.", show(c.r.PathValue("user_id")))
	}
	by, err := s.caller(c)
	if err != nil {
		return err
	}
	if _, err := do(s, c, horde.DeleteUser{By: by.ID, User: id}); err != nil {
		return err
	}
	return c.reply(http.StatusOK, wire.Done{Message: "OK"})
}
