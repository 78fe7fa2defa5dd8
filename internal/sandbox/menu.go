package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Kinds of commands beside slash commands.
const (
	commandSlash = 1
	menuUser     = 2
	menuMessage  = 3
)

// Menu is an entry of the context menu of people or messages.
type Menu struct {
	Name    string
	Message bool // of messages; otherwise of people
}

// Menus lists the entries that a person sees in a channel.
func (s *Server) Menus(userID, channelID string) []Menu {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Menu
	for _, c := range s.w.offered(userID, channelID) {
		if c.Type != commandSlash {
			out = append(out, Menu{Name: c.Name, Message: c.Type == menuMessage})
		}
	}
	return out
}

// RunUserMenu chooses an entry of the context menu of a person, target, and waits for the bot's first answer.
func (s *Server) RunUserMenu(ctx context.Context, userID, channelID, name, target string) (Outcome, error) {
	s.mu.Lock()
	resolved := obj{}
	if err := s.resolve(optionUser, target, channelID, resolved); err != nil {
		s.mu.Unlock()
		return Outcome{}, err
	}
	return s.runMenu(ctx, userID, channelID, name, menuUser, target, resolved)
}

// RunMessageMenu chooses an entry of the context menu of a message and waits for the bot's first answer.
func (s *Server) RunMessageMenu(ctx context.Context, userID, messageID, name string) (Outcome, error) {
	s.mu.Lock()
	m := s.w.findAnywhere(messageID)
	if m == nil || !m.visible(userID) {
		s.mu.Unlock()
		return Outcome{}, ErrNoSuchMessage
	}
	if m.Viewer != "" {
		s.mu.Unlock()
		return Outcome{}, errors.New("a message that only one person sees has no menu")
	}
	shown := s.apiMessage(m, BotID)
	return s.runMenu(ctx, userID, m.Channel, name, menuMessage, m.ID, obj{"messages": obj{m.ID: shown}})
}

// runMenu is called with s.mu held, and releases it.
func (s *Server) runMenu(ctx context.Context, userID, channelID, name string, kind int, target string, resolved obj) (Outcome, error) {
	if _, err := s.at(userID, channelID); err != nil {
		s.mu.Unlock()
		return Outcome{}, err
	}
	list := s.w.offered(userID, channelID)
	i := slices.IndexFunc(list, func(c offer) bool { return c.Type == kind && c.Name == name })
	if i < 0 {
		s.mu.Unlock()
		return Outcome{}, fmt.Errorf("there is no menu entry %q here", name)
	}
	data := obj{"id": list[i].ID, "name": name, "type": kind, "target_id": target, "resolved": resolved}
	if list[i].scope != "" {
		data["guild_id"] = list[i].scope
	}
	it := s.newInteraction(interactionCommand, userID, channelID)
	it.Command, it.Menu, it.Target = name, kind, target
	return s.deliverAndWait(ctx, it, data, nil)
}

// offer is a command that somebody may use.
type offer struct {
	*command
	scope string // guild it is registered in, "" for everywhere
}

// offered lists the commands that a person sees in a channel, in the order of registration.
func (w *world) offered(userID, channelID string) []offer {
	id, _ := w.guildOf(channelID)
	present := id == "" || w.guild(id) != nil
	context := 1
	if id != "" {
		context = 0
	}
	var out []offer
	add := func(scope string) {
		for _, c := range w.Commands[scope] {
			switch {
			case scope == "" && c.Contexts != nil && !slices.Contains(c.Contexts, context):
			case !present && !slices.Contains(c.IntegrationTypes, 1): // the person installed the app, the guild did not
			case c.Permissions != nil && *c.Permissions != "" && !w.permitted(userID, channelID, *c.Permissions):
			default:
				out = append(out, offer{command: c, scope: scope})
			}
		}
	}
	if id != "" && present {
		add(id)
	}
	add("")
	return out
}

// owners says for whom the app is installed, where an interaction happens.
func (s *Server) owners(it *interaction) obj {
	switch id, _ := s.w.guildOf(it.Channel); {
	case id == "":
		return obj{"0": "0"}
	case s.w.guild(id) == nil:
		return obj{"1": it.User}
	default:
		return obj{"0": id}
	}
}

// resolve puts what an id stands for into the resolved data of an interaction. s.mu is held.
func (s *Server) resolve(kind int, id, channelID string, resolved obj) error {
	put := func(key string, v obj) {
		if v == nil {
			return
		}
		in, ok := resolved[key].(obj)
		if !ok {
			in = obj{}
			resolved[key] = in
		}
		in[id] = v
	}
	g := s.w.byChannel[channelID]
	switch kind {
	case optionMentionable:
		if g != nil && g.role(id) != nil {
			return s.resolve(optionRole, id, channelID, resolved)
		}
		return s.resolve(optionUser, id, channelID, resolved)
	case optionUser:
		p, ok := s.w.person(id)
		if !ok {
			return errors.New("is nobody here")
		}
		put("users", p.api())
		put("members", s.resolvedMember(p, channelID))
	case optionRole:
		if g == nil || g.role(id) == nil {
			return errors.New("is no role here")
		}
		put("roles", g.role(id).api())
	case optionChannel:
		if g == nil || g.channel(id) == nil {
			return errors.New("is no channel here")
		}
		c := g.channelAPI(g.channel(id))
		c["permissions"] = s.w.permissions(BotID, id)
		put("channels", c)
	}
	return nil
}

// selectKinds says what the ids of a select's values stand for.
func selectKind(component int) int {
	switch component {
	case 5:
		return optionUser
	case 6:
		return optionRole
	case 7:
		return optionMentionable
	case 8:
		return optionChannel
	}
	return 0
}
