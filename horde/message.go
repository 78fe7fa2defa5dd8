// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// KindMessage marks the documents of messages to workers.
const KindMessage RecordKind = "message"

// Bounds of messages.
const (
	MaxMessageRunes = 10_240
	MaxOriginRunes  = 255
	MessageLife     = 12 * time.Hour // where the sender says nothing
	MaxMessageLife  = 30 * 24 * time.Hour
	// MessageKept is how long a message can still be read after it expired.
	MessageKept = 7 * 24 * time.Hour
	// MaxMessagesActive bounds what one worker is told with each pop: so many to itself, and so many to everybody.
	MaxMessagesActive = 20
	// maxMessagesKept bounds one inbox; when it is full, what expired first leaves early.
	maxMessagesKept = 100

	// MessagesPerPage is how many messages one read returns.
	MessagesPerPage = 50
)

// OriginModerators is where messages of moderators come from when they do not say.
const OriginModerators = "AI Horde Moderators"

// Message is a word to a worker's operator, or to all of them.
type Message struct {
	ID      MessageID `json:"id"`
	Worker  WorkerID  `json:"worker"` // zero: to all
	Sender  UserID    `json:"sender"`
	Text    string    `json:"text"`
	Origin  string    `json:"origin"`
	Created time.Time `json:"created"`
	Expiry  time.Time `json:"expiry"`
}

// Active reports whether workers are still told.
func (m *Message) Active(now time.Time) bool { return now.Before(m.Expiry) }

// Broadcast reports whether the message is for all workers.
func (m *Message) Broadcast() bool { return m.Worker.IsZero() }

// indexMessages files what was loaded at a start.
func (s *State) indexMessages() {
	s.inbox = make(map[WorkerID][]*Message)
	for _, m := range s.messages.pages {
		s.fileMessage(m)
	}
	for _, in := range s.inbox {
		slices.SortFunc(in, older)
	}
}

func older(a, b *Message) int {
	if !a.Created.Equal(b.Created) {
		return a.Created.Compare(b.Created)
	}
	return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:])
}

func (s *State) fileMessage(m *Message) {
	s.inbox[m.Worker] = append(s.inbox[m.Worker], m)
	s.deadlines.push(m.Expiry.Add(MessageKept), deadline{message: m.ID})
}

// expireMessage forgets a message that is long over.
func (s *State) expireMessage(c *Change, id MessageID) bool {
	if id.IsZero() {
		return false
	}
	m, ok := s.messages.pages[id.String()]
	if !ok {
		return false
	}
	s.dropMessage(c, m)
	return true
}

func (s *State) dropMessage(c *Change, m *Message) {
	in := slices.DeleteFunc(s.inbox[m.Worker], func(x *Message) bool { return x == m })
	s.inbox[m.Worker] = in
	if len(in) == 0 {
		delete(s.inbox, m.Worker)
	}
	s.messages.drop(c, m.ID.String())
}

// messagesFor lists what a worker is told now, oldest first: its own messages and those to all.
func (s *State) messagesFor(id WorkerID, now time.Time) []Message {
	return append(s.activeIn(id, now), s.activeIn(WorkerID{}, now)...)
}

func (s *State) activeIn(id WorkerID, now time.Time) []Message {
	var out []Message
	for _, m := range s.inbox[id] {
		if m.Active(now) {
			out = append(out, *m)
		}
	}
	return out
}

// NewMessage tells a worker's operator something. Moderators may write to any worker or to all; others to their own.
type NewMessage struct {
	By     UserID
	Worker WorkerID // zero: to all
	Text   string
	Origin string        // who speaks, of moderators only; empty means OriginModerators
	Life   time.Duration // up to MaxMessageLife; 0 means MessageLife
}

func (op NewMessage) apply(s *State, c *Change) (Message, error) {
	by, ok := s.users[op.By]
	if !ok {
		return Message{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	}
	if by.ID == Anonymous {
		return Message{}, refuse(CodeAnonForbidden, "Anonymous callers may not write messages.")
	}
	w, known := s.workers[op.Worker]
	moderator := by.Has(RoleModerator)
	switch {
	case !op.Worker.IsZero() && !known:
		return Message{}, errNoWorker(op.Worker)
	case !moderator && (!known || w.Owner != by.ID):
		return Message{}, refuse(CodeMessagesOnlyOwnWork, "Only moderators may write to workers other than their own.")
	case strings.ContainsRune(op.Text+op.Origin, 0):
		return Message{}, refuse(CodeNulByte, "texts may not hold NUL characters")
	case op.Life < 0 || op.Life > MaxMessageLife:
		return Message{}, refuse(CodeBadRequest, "a message lives at most %d days", MaxMessageLife/(24*time.Hour))
	case op.Text == "" || utf8.RuneCountInString(op.Text) > MaxMessageRunes:
		return Message{}, refuse(CodeBadRequest, "a message has 1 to %d characters", MaxMessageRunes)
	case utf8.RuneCountInString(op.Origin) > MaxOriginRunes:
		return Message{}, refuse(CodeBadRequest, "an origin has at most %d characters", MaxOriginRunes)
	case len(s.activeIn(op.Worker, c.Now)) >= MaxMessagesActive:
		return Message{}, refuse(CodeBadRequest, "%d messages wait there already; please delete one first", MaxMessagesActive)
	}
	if op.Life == 0 {
		op.Life = MessageLife
	}
	switch {
	case !moderator:
		op.Origin = strconv.FormatInt(int64(by.ID), 10)
	case op.Origin == "":
		op.Origin = OriginModerators
	}
	if in := s.inbox[op.Worker]; len(in) >= maxMessagesKept {
		s.dropMessage(c, slices.MinFunc(in, func(a, b *Message) int { return a.Expiry.Compare(b.Expiry) }))
	}
	m := &Message{
		ID: MessageID{c.IDs.UUID()}, Worker: op.Worker, Sender: by.ID, Text: op.Text, Origin: op.Origin,
		Created: c.Now, Expiry: c.Now.Add(op.Life),
	}
	s.messages.put(c, m.ID.String(), m)
	s.fileMessage(m)
	return *m, nil
}

// DeleteMessage takes a message back. Its sender and moderators may.
type DeleteMessage struct {
	Message MessageID
	By      UserID
}

func (op DeleteMessage) apply(s *State, c *Change) (Message, error) {
	by, ok := s.users[op.By]
	if !ok {
		return Message{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	}
	m, ok := s.messages.pages[op.Message.String()]
	switch {
	case !ok:
		return Message{}, refuse(CodeMessageNotFound, "Worker message with ID '%s' not found.", op.Message)
	case m.Sender != by.ID && !by.Has(RoleModerator):
		return Message{}, refuse(CodeForbidden, "Only the sender of a message, or a moderator, may delete it.")
	}
	s.dropMessage(c, m)
	return *m, nil
}

// Message reads one.
func (s *State) Message(id MessageID) (Message, bool) {
	m, ok := s.messages.pages[id.String()]
	if !ok {
		return Message{}, false
	}
	return *m, true
}

// Validity says which messages to list.
type Validity string

// Validities.
const (
	MessagesActive  Validity = "active"
	MessagesExpired Validity = "expired"
	MessagesAll     Validity = "all"
)

// MessageQuery says which messages to list. Those to all workers are always among them.
type MessageQuery struct {
	Sender   *UserID
	Worker   *WorkerID
	Validity Validity
	Page     int // from 1, of MessagesPerPage
}

// Messages lists messages, newest first.
func (s *State) Messages(q MessageQuery, now time.Time) []Message {
	var found []*Message
	for _, m := range s.messages.pages {
		mine := (q.Sender == nil || m.Sender == *q.Sender) && (q.Worker == nil || m.Worker == *q.Worker)
		valid := q.Validity == MessagesAll || m.Active(now) == (q.Validity != MessagesExpired)
		if valid && (mine || m.Broadcast()) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b *Message) int { return older(b, a) })
	page := min(max(1, q.Page), len(found)/MessagesPerPage+2)
	from := min(len(found), (page-1)*MessagesPerPage)
	out := make([]Message, 0, MessagesPerPage)
	for _, m := range found[from:min(len(found), from+MessagesPerPage)] {
		out = append(out, *m)
	}
	return out
}

// MessagesTo lists what is addressed to one worker and still active.
func (s *State) MessagesTo(id WorkerID, now time.Time) []Message { return s.activeIn(id, now) }
