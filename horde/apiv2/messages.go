// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"net/http"
	"strconv"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
)

// messageBody is the body of POST workers/messages.
func messageBody() *schema {
	return shape(map[string]*schema{
		"worker_id": text().length(36, 36),
		"message":   text().length(1, horde.MaxMessageRunes),
		"origin":    text().length(1, horde.MaxOriginRunes),
		"expiry":    integer().between(1, float64(horde.MaxMessageLife/time.Hour)), // hours
	}, "message")
}

// stamp writes a time as the protocol does.
func stamp(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0000") }

func messageOf(m *horde.Message) wire.WorkerMessage {
	out := wire.WorkerMessage{
		ID: m.ID.String(), UserID: strconv.FormatInt(int64(m.Sender), 10), Created: stamp(m.Created), Message: m.Text,
		Origin: m.Origin, Expiry: stamp(m.Expiry),
	}
	if !m.Broadcast() {
		out.WorkerID = m.Worker.String()
	}
	return out
}

// messagesOf is what a pop tells its worker.
func messagesOf(all []horde.Message) []wire.Message {
	out := make([]wire.Message, 0, len(all))
	for i := range all {
		m := &all[i]
		out = append(out, wire.Message{ID: m.ID.String(), Message: m.Text, Origin: m.Origin, Expiry: stamp(m.Expiry)})
	}
	return out
}

// listMessages is GET /workers/messages. Messages to all workers are shown to everybody with a key; of the others,
// people see what they wrote themselves, and moderators what they ask for.
func (s *Server) listMessages(c *call) error {
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	query := c.r.URL.Query()
	q := horde.MessageQuery{Validity: horde.MessagesActive, Page: 1}
	moderator := u.Has(horde.RoleModerator)
	switch text := query.Get("user_id"); {
	case u.ID == horde.Anonymous:
		return horde.Refuse(horde.CodeForbidden, "Anonymous callers may not read messages.")
	case text == "" && !moderator:
		q.Sender = &u.ID
	case text != "":
		id, ok := horde.ParseUserID(text)
		if !ok {
			id = -1 // nobody's
		}
		if id != u.ID && !moderator {
			return horde.Refuse(horde.CodeForbidden, "Only moderators may read messages of others.")
		}
		q.Sender = &id
	}
	if text := query.Get("worker_id"); text != "" {
		uuid, err := horde.ParseUUID(text)
		if err != nil {
			uuid = horde.UUID{} // nobody's: only messages to all are left
		}
		q.Worker = &horde.WorkerID{UUID: uuid}
	}
	switch v := horde.Validity(query.Get("validity")); v {
	case "":
	case horde.MessagesActive, horde.MessagesExpired, horde.MessagesAll:
		q.Validity = v
	default:
		return horde.Refuse(horde.CodeBadRequest, "%s is not active, expired or all", show(string(v)))
	}
	if text := query.Get("page"); text != "" {
		if q.Page, err = strconv.Atoi(text); err != nil {
			return missing("page", show(text)+" is not a page number")
		}
	}
	found := s.deps.Engine.Messages(q)
	out := make([]wire.WorkerMessage, 0, len(found))
	for i := range found {
		out = append(out, messageOf(&found[i]))
	}
	return c.reply(http.StatusOK, out)
}

// newMessage is POST /workers/messages.
func (s *Server) newMessage(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.message)
	if err != nil {
		return err
	}
	u, err := s.caller(c)
	switch {
	case err != nil:
		return err
	case u.ID == horde.Anonymous:
		return horde.Refuse(horde.CodeAnonForbidden, "Anonymous callers may not write messages.")
	case nul(body):
		return horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	op := horde.NewMessage{
		By: u.ID, Text: body.text("message", ""), Origin: body.text("origin", ""),
		Life: time.Duration(body.integer("expiry", 0)) * time.Hour,
	}
	if text := body.text("worker_id", ""); text != "" {
		uuid, err := horde.ParseUUID(text)
		if err != nil || uuid.IsZero() {
			return horde.Refuse(horde.CodeWorkerNotFound, "Worker with ID %s not found.", show(text))
		}
		op.Worker = horde.WorkerID{UUID: uuid}
	}
	m, err := do(s, c, op)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, messageOf(&m))
}

// pathMessage finds the message a path names.
func (s *Server) pathMessage(c *call) (horde.Message, error) {
	text := c.r.PathValue("message_id")
	if id, err := horde.ParseUUID(text); err == nil {
		if m, ok := s.deps.Engine.Message(horde.MessageID{UUID: id}); ok {
			return m, nil
		}
	}
	return horde.Message{}, horde.Refuse(horde.CodeMessageNotFound, "Worker message with ID %s not found.", show(text))
}

// showMessage is GET /workers/messages/{message_id}.
func (s *Server) showMessage(c *call) error {
	m, err := s.pathMessage(c)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, messageOf(&m))
}

// deleteMessage is DELETE /workers/messages/{message_id}.
func (s *Server) deleteMessage(c *call) error {
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	m, err := s.pathMessage(c)
	if err != nil {
		return err
	}
	if _, err := do(s, c, horde.DeleteMessage{Message: m.ID, By: u.ID}); err != nil {
		return err
	}
	return c.reply(http.StatusOK, wire.Done{Message: "OK"})
}
