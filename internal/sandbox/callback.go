package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Callback types.
const (
	callbackReply       = 4
	callbackDefer       = 5
	callbackDeferUpdate = 6
	callbackUpdate      = 7
	callbackChoices     = 8
	callbackModal       = 9
)

// Interaction types.
const (
	interactionCommand   = 2
	interactionComponent = 3
	interactionComplete  = 4
	interactionModal     = 5
)

// interaction is something a person did with the bot, and how the bot answered.
type interaction struct {
	ID       string    `json:"id"`
	Token    string    `json:"token"`
	Type     int       `json:"type"`
	Created  time.Time `json:"created"`
	User     string    `json:"user"`
	Channel  string    `json:"channel"`
	Command  string    `json:"command"`          // path, for commands
	Menu     int       `json:"menu,omitempty"`   // of a context menu: its kind
	Target   string    `json:"target,omitempty"` // and the person or message
	Source   string    `json:"source"`           // the message with the component
	Kind     int       `json:"kind"`             // callback type, 0 before the answer
	Answered time.Time `json:"answered,omitzero"`
	Failed   bool      `json:"failed"`   // nobody answered in time
	Original string    `json:"original"` // message that @original means
	Followed int       `json:"followed"` // follow-ups sent
	Modal    *modal    `json:"modal,omitempty"`
	Choices  []choice  `json:"choices,omitempty"`
	Trigger  obj       `json:"trigger,omitempty"` // of a submitted form: the metadata of what opened it
}

// metadata is how a message names the interaction that it answers.
func (s *Server) metadata(it *interaction) obj {
	p, _ := s.w.person(it.User)
	out := obj{"id": it.ID, "type": it.Type, "user": p.api(), "authorizing_integration_owners": s.owners(it)}
	switch it.Type {
	case interactionCommand:
		out["name"], out["command_type"] = it.Command, max(it.Menu, 1)
		switch it.Menu {
		case menuUser:
			target, _ := s.w.person(it.Target)
			out["target_user"] = target.api()
		case menuMessage:
			out["target_message_id"] = it.Target
		}
	case interactionComponent:
		out["interacted_message_id"] = it.Source
	case interactionModal:
		out["triggering_interaction_metadata"] = it.Trigger
	}
	return out
}

// replyTo makes a message that answers the interaction.
func (s *Server) replyTo(it *interaction) *message {
	m := s.newMessage(it.Channel, BotID)
	m.Interaction, m.Invoker, m.Command, m.Meta = it.ID, it.User, it.Command, s.metadata(it)
	return m
}

// newInteraction makes one and forgets the oldest beyond the bound. s.mu is held.
func (s *Server) newInteraction(kind int, user, channel string) *interaction {
	now := s.opts.Now()
	in := &interaction{ID: s.w.snowflake(now), Token: "aW50ZXJhY3Rpb24-" + randomHex(32), Type: kind, Created: now, User: user, Channel: channel}
	for len(s.w.order) >= s.opts.Interactions {
		oldest := s.w.order[0]
		s.w.order = s.w.order[1:]
		if old := s.w.Interactions[oldest]; old != nil {
			delete(s.w.byToken, old.Token)
		}
		delete(s.w.Interactions, oldest)
		delete(s.waiting, oldest)
	}
	s.w.Interactions[in.ID], s.w.byToken[in.Token] = in, in
	s.w.order = append(s.w.order, in.ID)
	s.waiting[in.ID] = make(chan struct{})
	return in
}

// answered ends the waiting for an answer. s.mu is held.
func (s *Server) answered(in *interaction) {
	if c := s.waiting[in.ID]; c != nil {
		close(c)
		delete(s.waiting, in.ID)
	}
}

// callback is the bot's first answer to an interaction.
func (s *Server) callback(c *call) (int, any, error) {
	var in struct {
		Type int             `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := decode(c, &in); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.w.Interactions[c.PathValue("interaction")]
	now := s.opts.Now()
	switch {
	case it == nil || it.Token != c.PathValue("token"):
		return 0, nil, refuse(http.StatusNotFound, 10062, "Unknown interaction")
	case it.Kind != 0:
		s.note(c.where, "the interaction was acknowledged twice")
		return 0, nil, refuse(http.StatusBadRequest, 40060, "Interaction has already been acknowledged.")
	case it.Failed || now.Sub(it.Created) > s.opts.AnswerWindow:
		return 0, nil, refuse(http.StatusNotFound, 10062, "Unknown interaction")
	}
	var text string
	switch in.Type {
	case callbackReply, callbackDefer:
		text = s.callbackMessage(c, it, in.Type, in.Data)
	case callbackUpdate, callbackDeferUpdate:
		text = s.callbackUpdate(c, it, in.Type, in.Data)
	case callbackChoices:
		text = callbackChoose(it, in.Data)
	case callbackModal:
		text = callbackOpen(it, in.Data)
	default:
		text = "type: unknown callback type"
	}
	if text != "" {
		return 0, nil, s.badLocked(c, text)
	}
	it.Kind, it.Answered = in.Type, now
	s.answered(it)
	s.touch()
	if c.URL.Query().Get("with_response") != "true" {
		return http.StatusNoContent, nil, nil
	}
	said := obj{"id": it.ID, "type": it.Type}
	out := obj{"interaction": said}
	if m := s.w.find(it.Channel, it.Original); m != nil {
		said["response_message_id"] = m.ID
		said["response_message_loading"] = m.Flags&flagLoading != 0
		said["response_message_ephemeral"] = m.Viewer != ""
		if in.Type == callbackReply || in.Type == callbackUpdate {
			out["resource"] = obj{"type": in.Type, "message": s.apiMessage(m, BotID)}
		}
	}
	return http.StatusOK, out, nil
}

func (s *Server) callbackMessage(c *call, it *interaction, kind int, data json.RawMessage) string {
	if it.Type == interactionComplete {
		return "type: autocomplete is answered with suggestions"
	}
	var b body
	if len(data) > 0 {
		if err := json.Unmarshal(data, &b); err != nil {
			return err.Error()
		}
	}
	m := s.replyTo(it)
	if b.Flags&flagEphemeral != 0 {
		m.Viewer, m.Flags = it.User, flagEphemeral
	}
	if kind == callbackDefer {
		m.Flags |= flagLoading
	} else if text := s.fill(m, b, c.files); text != "" {
		return text
	}
	it.Original = m.ID
	s.add(m)
	return ""
}

func (s *Server) callbackUpdate(c *call, it *interaction, kind int, data json.RawMessage) string {
	m := s.w.find(it.Channel, it.Source)
	if it.Source == "" || (it.Type != interactionComponent && it.Type != interactionModal) {
		return "type: only components can update their message"
	}
	it.Original = it.Source
	if kind == callbackDeferUpdate {
		return ""
	}
	if m == nil {
		return "" // deleted in the meantime: Discord accepts it and shows nothing
	}
	var b body
	if len(data) > 0 {
		if err := json.Unmarshal(data, &b); err != nil {
			return err.Error()
		}
	}
	if text := s.fill(m, b, c.files); text != "" {
		return text
	}
	s.updated(m)
	return ""
}

func callbackChoose(it *interaction, data json.RawMessage) string {
	if it.Type != interactionComplete {
		return "type: suggestions answer autocomplete only"
	}
	var in struct {
		Choices []choice `json:"choices"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err.Error()
	}
	it.Choices = in.Choices
	return checkChoices(in.Choices)
}

func callbackOpen(it *interaction, data json.RawMessage) string {
	if it.Type == interactionComplete || it.Type == interactionModal {
		return "type: a form cannot answer this"
	}
	var m modal
	if err := json.Unmarshal(data, &m); err != nil {
		return err.Error()
	}
	if text := checkModal(m); text != "" {
		return text
	}
	it.Modal = &m
	return ""
}

// byToken finds the interaction of a webhook route and checks that it may still be used. s.mu is held.
func (s *Server) byToken(c *call) (*interaction, error) {
	if c.PathValue("app") != BotID {
		return nil, unknownWebhook()
	}
	it := s.w.byToken[c.PathValue("token")]
	switch {
	case it == nil:
		return nil, unknownWebhook()
	case s.opts.Now().Sub(it.Created) > tokenLife:
		return nil, refuse(http.StatusUnauthorized, 50027, "Invalid Webhook Token")
	case it.Kind == 0 || it.Kind == callbackChoices:
		return nil, unknownWebhook()
	}
	return it, nil
}

// webhookMessage finds the message of a webhook route. s.mu is held.
func (s *Server) webhookMessage(c *call) (*interaction, *message, error) {
	it, err := s.byToken(c)
	if err != nil {
		return nil, nil, err
	}
	id := c.PathValue("message")
	if id == "@original" {
		id = it.Original
	}
	m := s.w.find(it.Channel, id)
	if m == nil || (m.Interaction != it.ID && m.ID != it.Original) {
		return nil, nil, unknownMessage()
	}
	return it, m, nil
}

func (s *Server) followup(c *call) (int, any, error) {
	var b body
	if err := decode(c, &b); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it, err := s.byToken(c)
	if err != nil {
		return 0, nil, err
	}
	// Right after a deferral Discord treats a follow-up as the awaited message.
	if m := s.w.find(it.Channel, it.Original); it.Kind == callbackDefer && m != nil && m.Flags&flagLoading != 0 {
		return s.edit(c, m, b)
	}
	m := s.replyTo(it)
	if b.Flags&flagEphemeral != 0 {
		m.Viewer, m.Flags = it.User, flagEphemeral
	}
	if text := s.fill(m, b, c.files); text != "" {
		return 0, nil, s.badLocked(c, text)
	}
	it.Followed++
	s.add(m)
	if strings.EqualFold(c.URL.Query().Get("wait"), "true") {
		return http.StatusOK, s.apiMessage(m, BotID), nil
	}
	return http.StatusNoContent, nil, nil
}

func (s *Server) getWebhookMessage(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, m, err := s.webhookMessage(c)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.apiMessage(m, BotID), nil
}

func (s *Server) editWebhookMessage(c *call) (int, any, error) {
	var b body
	if err := decode(c, &b); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, m, err := s.webhookMessage(c)
	if err != nil {
		return 0, nil, err
	}
	return s.edit(c, m, b)
}

func (s *Server) deleteWebhookMessage(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, m, err := s.webhookMessage(c)
	if err != nil {
		return 0, nil, err
	}
	if it.Original == m.ID {
		it.Original = ""
	}
	s.remove(m)
	return http.StatusNoContent, nil, nil
}

// expire fails an interaction that nobody answered.
func (s *Server) expire(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it := s.w.Interactions[id]; it != nil && it.Kind == 0 && !it.Failed {
		it.Failed = true
		s.answered(it)
		s.touch()
	}
}

// modalInputs lists the fields of a form.
func modalInputs(m modal) []obj {
	var out []obj
	label, description := "", ""
	walkComponents(m.Components, func(c obj) {
		switch num(c["type"]) {
		case componentLabel:
			label, description = str(c["label"]), str(c["description"])
		case componentTextInput:
			field := obj{
				"custom_id": c["custom_id"], "label": c["label"], "placeholder": c["placeholder"], "value": c["value"],
				"paragraph": num(c["style"]) == 2, "required": c["required"] != false, "min_length": num(c["min_length"]),
				"max_length": max(num(c["max_length"]), 0), "description": description,
			}
			if str(c["label"]) == "" {
				field["label"] = label
			}
			out = append(out, field)
		case componentSelect, componentUpload:
			out = append(out, obj{
				"custom_id": c["custom_id"], "label": label, "description": description, "placeholder": c["placeholder"], "type": c["type"],
				"required": c["required"] != false, "min_length": num(c["min_values"]), "max_length": max(num(c["max_values"]), 1), "options": c["options"],
			})
		}
	})
	return slices.Clip(out)
}
