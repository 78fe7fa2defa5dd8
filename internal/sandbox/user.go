package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// What can go wrong for a person. Everything else is a mistake of the caller, in plain words.
var (
	// ErrNoAnswer says that the bot did not answer within three seconds: "The application did not respond".
	ErrNoAnswer = errors.New("the application did not respond")
	// ErrNoSuchMessage says that the person sees no such message.
	ErrNoSuchMessage = errors.New("no such message")
)

// File is a file given with a command.
type File struct {
	Name, ContentType string
	Data              []byte
}

// Choice is a suggestion of the bot.
type Choice struct {
	Name  string
	Value any
}

// Modal is a form that the bot opened for one person.
type Modal struct {
	InteractionID string // names the form in SubmitModal
	CustomID      string
	Title         string
	Inputs        []Input
}

// Input is a field of a Modal.
type Input struct {
	CustomID, Label, Description, Placeholder, Value string
	Paragraph, Required                              bool
	MinLength, MaxLength                             int // of a text; choices or files of other fields
	Files                                            bool
	Options                                          []Choice // of a select; Value is what is chosen at first
}

// Outcome is how the bot answered an interaction.
type Outcome struct {
	InteractionID string
	Kind          int           // Discord's callback type: 4 reply, 5 deferred reply, 6 deferred update, 7 update, 8 choices, 9 form
	After         time.Duration // from the event to the answer
	MessageID     string        // the reply, or the message with the component
	Modal         *Modal        // of kind 9
	Choices       []Choice      // of kind 8
}

const maxUploads = 50

// RunCommand runs a command as a person and waits for the bot's first answer. path is the command with its sub-commands,
// such as "kudos gift". options hold string, bool, int, int64, float64 or File by option name, a person's id for user
// options; they are checked as Discord's client would.
func (s *Server) RunCommand(ctx context.Context, userID, channelID, path string, options map[string]any) (Outcome, error) {
	s.mu.Lock()
	data, it, err := s.buildCommand(interactionCommand, userID, channelID, path, options, "")
	if err != nil {
		s.mu.Unlock()
		return Outcome{}, err
	}
	return s.deliverAndWait(ctx, it, data, nil)
}

// Autocomplete asks the bot for suggestions, as typing does. options hold what was typed so far, focused names the option
// with the cursor.
func (s *Server) Autocomplete(ctx context.Context, userID, channelID, path string, options map[string]any, focused string) ([]Choice, error) {
	s.mu.Lock()
	data, it, err := s.buildCommand(interactionComplete, userID, channelID, path, options, focused)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	out, err := s.deliverAndWait(ctx, it, data, nil)
	return out.Choices, err
}

// buildCommand makes the interaction and its data. s.mu is held.
func (s *Server) buildCommand(kind int, userID, channelID, path string, options map[string]any, focused string) (obj, *interaction, error) {
	p, err := s.at(userID, channelID)
	if err != nil {
		return nil, nil, err
	}
	list := s.runnables(p, channelID)
	i := slices.IndexFunc(list, func(r runnable) bool { return r.Path == path })
	if i < 0 {
		return nil, nil, fmt.Errorf("there is no command /%s here", path)
	}
	r := list[i]
	resolved := obj{}
	values := []any{}
	for _, o := range r.Options {
		v, given := options[o.Name]
		if !given {
			if o.Required && kind == interactionCommand {
				return nil, nil, fmt.Errorf("%s is required", o.Name)
			}
			continue
		}
		if kind == interactionCommand {
			if v, err = s.optionValue(o, v, channelID, resolved); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", o.Name, err)
			}
		}
		entry := obj{"name": o.Name, "type": o.Type, "value": v}
		if o.Name == focused {
			entry["focused"] = true
		}
		values = append(values, entry)
	}
	for name := range options {
		if !slices.ContainsFunc(r.Options, func(o option) bool { return o.Name == name }) {
			return nil, nil, fmt.Errorf("/%s has no option %s", path, name)
		}
	}
	words := strings.Fields(path)
	for j := len(words) - 1; j > 0; j-- {
		sub := optionSub
		if len(words) == 3 && j == 1 {
			sub = optionGroup
		}
		values = []any{obj{"name": words[j], "type": sub, "options": values}}
	}
	data := obj{"id": r.Command.ID, "name": r.Command.Name, "type": 1, "options": values}
	if r.Guild != "" {
		data["guild_id"] = r.Guild
	}
	if len(resolved) > 0 {
		data["resolved"] = resolved
	}
	it := s.newInteraction(kind, userID, channelID)
	it.Command = path
	return data, it, nil
}

// at checks that a person may be in a channel. s.mu is held.
func (s *Server) at(userID, channelID string) (person, error) {
	p, ok := s.w.person(userID)
	if !ok || p.Bot {
		return p, fmt.Errorf("there is no person %s", userID)
	}
	guild, ok := s.w.guildOf(channelID)
	if !ok || (guild == "" && channelID != DMChannel(userID)) || (guild != "" && s.w.byGuild[guild].Members[userID] == nil) {
		return p, fmt.Errorf("%s sees no channel %s", p.Name, channelID)
	}
	return p, nil
}

// optionValue checks a value against the definition of its option, and resolves what Discord resolves.
func (s *Server) optionValue(o option, v any, channelID string, resolved obj) (any, error) {
	switch n := v.(type) {
	case int:
		v = float64(n)
	case int64:
		v = float64(n)
	}
	if len(o.Choices) > 0 {
		i := slices.IndexFunc(o.Choices, func(c choice) bool { return c.Value == v || c.Name == v })
		if i < 0 {
			return nil, errors.New("is none of the choices")
		}
		return o.Choices[i].Value, nil
	}
	switch o.Type {
	case optionString:
		text, ok := v.(string)
		n := utf8.RuneCountInString(text)
		switch {
		case !ok:
			return nil, errors.New("must be a text")
		case n > 6000 || (o.MaxLength != nil && n > *o.MaxLength):
			return nil, fmt.Errorf("is too long (%d characters)", n)
		case o.MinLength != nil && n < *o.MinLength:
			return nil, fmt.Errorf("is too short (%d characters)", n)
		}
		return text, nil
	case optionInteger, optionNumber:
		return numberValue(o, v)
	case optionBoolean:
		if _, ok := v.(bool); !ok {
			return nil, errors.New("must be true or false")
		}
		return v, nil
	case optionUser:
		id, _ := v.(string)
		return id, s.resolve(o.Type, id, channelID, resolved)
	case optionRole, optionMentionable:
		id, _ := v.(string)
		return id, s.resolve(o.Type, id, channelID, resolved)
	case optionChannel:
		id, _ := v.(string)
		if err := s.resolve(o.Type, id, channelID, resolved); err != nil {
			return nil, err
		}
		if g := s.w.byChannel[channelID]; len(o.ChannelTypes) > 0 && !slices.Contains(o.ChannelTypes, g.channel(id).Type) {
			return nil, errors.New("is a channel of another kind")
		}
		return id, nil
	case optionAttachment:
		f, ok := v.(File)
		if !ok {
			return nil, errors.New("must be a file")
		}
		if len(f.Data) > attachmentSizeLimit {
			return nil, errors.New("is too large")
		}
		up := newFile(f.Name, f.ContentType, f.Data)
		up.ID, up.Channel = s.w.snowflake(s.opts.Now()), channelID
		if len(s.uploads) >= maxUploads {
			clear(s.uploads)
		}
		s.uploads[up.ID] = up
		files, ok := resolved["attachments"].(obj)
		if !ok {
			files = obj{}
			resolved["attachments"] = files
		}
		files[up.ID] = s.apiFile(up)
		return up.ID, nil
	}
	id, ok := v.(string)
	if !ok {
		return nil, errors.New("must be an id")
	}
	return id, nil
}

func numberValue(o option, v any) (any, error) {
	n, ok := v.(float64)
	switch {
	case !ok:
		return nil, errors.New("must be a number")
	case o.Type == optionInteger && (n != math.Trunc(n) || math.Abs(n) > 1<<53):
		return nil, errors.New("must be a whole number")
	case o.MinValue != nil && n < *o.MinValue:
		return nil, fmt.Errorf("must be %v or more", *o.MinValue)
	case o.MaxValue != nil && n > *o.MaxValue:
		return nil, fmt.Errorf("must be %v or less", *o.MaxValue)
	}
	return n, nil
}

// deliverAndWait sends an interaction to the bot and waits for its first answer. s.mu is held, and released.
func (s *Server) deliverAndWait(ctx context.Context, it *interaction, data obj, m *message) (Outcome, error) {
	done := s.waiting[it.ID]
	ev := s.interactionEvent(it, data, m)
	s.emit("INTERACTION_CREATE", intentAlways, ev)
	id := it.ID
	s.mu.Unlock()

	limit := time.NewTimer(s.opts.AnswerWindow)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		s.expire(id)
	case <-ctx.Done(): // the bot may still answer, nobody looks
		return Outcome{InteractionID: id}, ctx.Err()
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	out := Outcome{InteractionID: id, Kind: it.Kind, MessageID: it.Original, After: it.Answered.Sub(it.Created)}
	if it.Kind == 0 {
		return out, ErrNoAnswer
	}
	if it.Modal != nil {
		out.Modal = it.Modal.export(it.ID)
	}
	for _, c := range it.Choices {
		out.Choices = append(out.Choices, Choice{Name: c.Name, Value: c.Value})
	}
	return out, nil
}

func (m *modal) export(interactionID string) *Modal {
	out := &Modal{InteractionID: interactionID, CustomID: m.CustomID, Title: m.Title}
	for _, f := range modalInputs(*m) {
		var options []Choice
		value := str(f["value"])
		for _, o := range objects(f["options"]) {
			options = append(options, Choice{Name: str(o["label"]), Value: str(o["value"])})
			if o["default"] == true {
				value = strings.TrimPrefix(value+","+str(o["value"]), ",")
			}
		}
		paragraph, _ := f["paragraph"].(bool)
		required, _ := f["required"].(bool)
		out.Inputs = append(out.Inputs, Input{
			CustomID: str(f["custom_id"]), Label: str(f["label"]), Description: str(f["description"]),
			Placeholder: str(f["placeholder"]), Value: value, Paragraph: paragraph, Required: required,
			MinLength: num(f["min_length"]), MaxLength: num(f["max_length"]), Files: num(f["type"]) == componentUpload, Options: options,
		})
	}
	return out
}

// interactionEvent is the event as Discord sends it. s.mu is held.
func (s *Server) interactionEvent(it *interaction, data obj, m *message) obj {
	p, _ := s.w.person(it.User)
	ev := obj{
		"version": 1, "id": it.ID, "application_id": BotID, "type": it.Type, "token": it.Token, "channel_id": it.Channel,
		"channel": s.w.channelAPI(it.Channel), "locale": p.Locale, "data": data,
		"app_permissions": s.w.permissions(BotID, it.Channel), "authorizing_integration_owners": s.owners(it),
		"attachment_size_limit": attachmentSizeLimit, "entitlements": []any{}, "entitlement_sku_ids": []any{},
	}
	if guild, _ := s.w.guildOf(it.Channel); guild != "" {
		member := s.resolvedMember(p, it.Channel)
		member["user"] = p.api()
		locale := s.w.byGuild[guild].Locale
		ev["member"], ev["guild_id"], ev["guild_locale"], ev["context"] = member, guild, locale, 0
		ev["guild"] = obj{"id": guild, "features": []any{}, "locale": locale}
	} else {
		ev["user"], ev["context"] = p.api(), 1
	}
	if m != nil {
		ev["message"] = s.apiMessage(m, BotID)
	}
	if it.Type != interactionCommand && it.Type != interactionComplete && s.takeGatewayFault(UnknownComponent) != nil {
		future := obj{"type": 99, "id": 99, "custom_id": "from-the-future", "value": "?"}
		if list := objects(data["components"]); it.Type == interactionModal {
			data["components"] = append(list, future)
		} else if m != nil {
			ev["message"].(obj)["components"] = []any{future} //nolint:forcetypeassert // made above
		}
	}
	return ev
}

// Click presses a button of a message as a person and waits for the bot's first answer. which is the button's custom id,
// or its label.
func (s *Server) Click(ctx context.Context, userID, messageID, which string) (Outcome, error) {
	return s.press(ctx, userID, messageID, which, componentButton, nil)
}

// Choose changes a select of a message as a person. which is its custom id, or its placeholder.
func (s *Server) Choose(ctx context.Context, userID, messageID, which string, values ...string) (Outcome, error) {
	return s.press(ctx, userID, messageID, which, componentSelect, values)
}

func (s *Server) press(ctx context.Context, userID, messageID, which string, kind int, values []string) (Outcome, error) {
	s.mu.Lock()
	m := s.w.findAnywhere(messageID)
	if m == nil || !m.visible(userID) {
		s.mu.Unlock()
		return Outcome{}, ErrNoSuchMessage
	}
	if _, err := s.at(userID, m.Channel); err != nil {
		s.mu.Unlock()
		return Outcome{}, err
	}
	var found obj
	walkComponents(m.Components, func(c obj) {
		isSelect := num(c["type"]) == componentSelect || (num(c["type"]) >= 5 && num(c["type"]) <= 8)
		if found == nil && (num(c["type"]) == kind || (kind == componentSelect && isSelect)) &&
			(str(c["custom_id"]) == which || str(c["label"]) == which || (kind == componentSelect && str(c["placeholder"]) == which)) {
			found = c
		}
	})
	if found == nil || str(found["custom_id"]) == "" || found["disabled"] == true {
		s.mu.Unlock()
		return Outcome{}, fmt.Errorf("the message has nothing called %q to press", which)
	}
	data := obj{"custom_id": found["custom_id"], "component_type": num(found["type"]), "id": found["id"]}
	if kind == componentSelect {
		if err := checkSelected(found, values); err != nil {
			s.mu.Unlock()
			return Outcome{}, err
		}
		data["values"] = values
		if of := selectKind(num(found["type"])); of != 0 {
			resolved := obj{}
			for _, v := range values {
				if err := s.resolve(of, v, m.Channel, resolved); err != nil {
					s.mu.Unlock()
					return Outcome{}, fmt.Errorf("%s %w", v, err)
				}
			}
			data["resolved"] = resolved
		}
	}
	it := s.newInteraction(interactionComponent, userID, m.Channel)
	it.Source = m.ID
	return s.deliverAndWait(ctx, it, data, m)
}

func checkSelected(c obj, values []string) error {
	least, most := 1, 1
	if _, ok := c["min_values"]; ok {
		least = num(c["min_values"])
	}
	if n := num(c["max_values"]); n > 0 {
		most = n
	}
	if len(values) < least || len(values) > most {
		return fmt.Errorf("choose %d to %d", least, most)
	}
	if num(c["type"]) != componentSelect {
		return nil
	}
	for _, v := range values {
		if !slices.ContainsFunc(objects(c["options"]), func(o obj) bool { return str(o["value"]) == v }) {
			return fmt.Errorf("there is no option %q", v)
		}
	}
	return nil
}

// SubmitModal sends a form that the bot opened with the outcome's interaction, and waits for the bot's first answer.
// Fields without a value keep what they were opened with.
func (s *Server) SubmitModal(ctx context.Context, userID, interactionID string, values map[string]string) (Outcome, error) {
	return s.SubmitFiles(ctx, userID, interactionID, values, nil)
}

// SubmitFiles is SubmitModal for forms that take files too, by field. Values of selects are separated by commas.
func (s *Server) SubmitFiles(ctx context.Context, userID, interactionID string, values map[string]string, files map[string][]File) (Outcome, error) {
	s.mu.Lock()
	from := s.w.Interactions[interactionID]
	if from == nil || from.Modal == nil || from.User != userID {
		s.mu.Unlock()
		return Outcome{}, errors.New("there is no such form")
	}
	rows, resolved := []any{}, obj{}
	for _, in := range from.Modal.export("").Inputs {
		text, given := values[in.CustomID]
		if !given {
			text = in.Value
		}
		if in.Files || len(in.Options) > 0 {
			field, err := s.newField(in, text, files[in.CustomID], from.Channel, resolved)
			if err != nil {
				s.mu.Unlock()
				return Outcome{}, fmt.Errorf("%s: %w", in.Label, err)
			}
			rows = append(rows, obj{"type": componentLabel, "component": field})
			continue
		}
		n := utf8.RuneCountInString(text)
		limit := in.MaxLength
		if limit == 0 {
			limit = 4000
		}
		if (in.Required && n == 0) || (n > 0 && n < in.MinLength) || n > limit {
			s.mu.Unlock()
			return Outcome{}, fmt.Errorf("%s: %d characters are too few or too many", in.Label, n)
		}
		rows = append(rows, obj{"type": componentRow, "components": []any{
			obj{"type": componentTextInput, "custom_id": in.CustomID, "value": text},
		}})
	}
	data := obj{"custom_id": from.Modal.CustomID, "components": rows}
	if len(resolved) > 0 {
		data["resolved"] = resolved
	}
	it := s.newInteraction(interactionModal, userID, from.Channel)
	it.Trigger = s.metadata(from)
	var m *message
	if from.Source != "" {
		m, it.Source = s.w.find(from.Channel, from.Source), from.Source
	}
	return s.deliverAndWait(ctx, it, data, m)
}

// newField is a select or a file upload as a person filled it in. s.mu is held.
func (s *Server) newField(in Input, text string, files []File, channelID string, resolved obj) (obj, error) {
	kind, values := componentSelect, []string{}
	for v := range strings.SplitSeq(text, ",") {
		if v == "" || in.Files {
			continue
		}
		if !slices.ContainsFunc(in.Options, func(c Choice) bool { return c.Value == v }) {
			return nil, fmt.Errorf("there is no option %q", v)
		}
		values = append(values, v)
	}
	if in.Files {
		kind = componentUpload
		for _, f := range files {
			id, err := s.optionValue(option{Type: optionAttachment}, f, channelID, resolved)
			if err != nil {
				return nil, err
			}
			values = append(values, fmt.Sprint(id))
		}
	}
	if len(values) > in.MaxLength || in.Required && len(values) == 0 || len(values) > 0 && len(values) < in.MinLength {
		return nil, fmt.Errorf("%d are too few or too many", len(values))
	}
	return obj{"type": kind, "custom_id": in.CustomID, "values": values}, nil
}

// React adds a person's reaction to a message. emoji is a Unicode emoji, or name:id.
func (s *Server) React(userID, messageID, emoji string) error {
	return s.userReaction(userID, messageID, emoji, true)
}

// Unreact takes a person's reaction back.
func (s *Server) Unreact(userID, messageID, emoji string) error {
	return s.userReaction(userID, messageID, emoji, false)
}

func (s *Server) userReaction(userID, messageID, text string, add bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.w.findAnywhere(messageID)
	if m == nil || !m.visible(userID) {
		return ErrNoSuchMessage
	}
	if _, err := s.at(userID, m.Channel); err != nil {
		return err
	}
	if m.Viewer != "" {
		return errors.New("nobody can react to a message that only one person sees")
	}
	e, ok := parseEmoji(text)
	if !ok {
		return fmt.Errorf("%q is no emoji", text)
	}
	return s.react(m, e, userID, add)
}

// Post writes a message as a person.
func (s *Server) Post(userID, channelID, text string) (Message, error) {
	return s.PostFiles(userID, channelID, text)
}

// PostFiles writes a message with files as a person.
func (s *Server) PostFiles(userID, channelID, text string, files ...File) (Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.at(userID, channelID); err != nil {
		return Message{}, err
	}
	m := s.newMessage(channelID, userID)
	attached := make(map[int]*file)
	for i, f := range files {
		attached[i] = newFile(f.Name, f.ContentType, f.Data)
	}
	if text := s.fill(m, body{Content: &text}, attached); text != "" {
		return Message{}, errors.New(text)
	}
	s.add(m)
	return s.view(m, userID), nil
}

// Delete deletes a message, as its author or a moderator would.
func (s *Server) Delete(messageID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.w.findAnywhere(messageID)
	if m == nil {
		return ErrNoSuchMessage
	}
	s.remove(m)
	return nil
}

// Messages returns what a person sees in a channel, oldest first.
func (s *Server) Messages(channelID, asUser string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	for _, m := range s.w.Messages[channelID] {
		if s.sees(asUser, m) {
			out = append(out, s.view(m, asUser))
		}
	}
	return out
}

// WaitMessage blocks until a person sees a message for which ok is true, in any channel, and returns it.
func (s *Server) WaitMessage(ctx context.Context, asUser string, ok func(Message) bool) (Message, error) {
	var found Message
	err := s.await(ctx, func() bool {
		for _, channel := range s.channelsOf(asUser) {
			for _, m := range s.w.Messages[channel] {
				if !m.visible(asUser) {
					continue
				}
				if v := s.view(m, asUser); ok(v) {
					found = v
					return true
				}
			}
		}
		return false
	})
	if err != nil {
		return Message{}, fmt.Errorf("wait for message: %w", err)
	}
	return found, nil
}

// channelsOf lists the channels that a person sees, the first guild's first. s.mu is held.
func (s *Server) channelsOf(userID string) []string {
	var out []string
	for _, g := range s.w.Guilds {
		if g.Members[userID] == nil {
			continue
		}
		for _, c := range g.Channels {
			out = append(out, c.ID)
		}
	}
	return append(out, DMChannel(userID))
}
