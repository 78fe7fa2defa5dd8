package discord

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// HandlerFunc handles one interaction. It should answer through r and return; work that takes longer than a few seconds
// belongs to the caller's own goroutine, which edits the message named by r.Message. The context ends with
// Options.HandlerTimeout and when the bot stops. A returned error (or a panic) goes to the router's error handler.
//
// r may be used after the handler has returned only if the handler answered or deferred itself.
type HandlerFunc func(ctx context.Context, in *Interaction, r *Responder) error

// Route is what the router knows about one command path, component verb or modal verb.
type Route struct {
	Handle HandlerFunc
	// Autocomplete answers while options are typed (command routes only).
	Autocomplete HandlerFunc
	// Private makes the automatic deferral of a slow command or form visible to its person only. Set it where the answer
	// is usually ephemeral.
	Private bool
}

// Router finds the handler of each event. Fill it before Bot.Run; after that it must not change.
type Router struct {
	specs          []CommandSpec
	commands       map[string]Route
	components     map[string]Route
	modals         map[string]Route
	reactionAdd    func(ctx context.Context, ev ReactionAdd) error
	reactionRemove func(ctx context.Context, ev ReactionRemove) error
	guildJoined    func(ctx context.Context, g Guild) error
	guildLeft      func(ctx context.Context, guildID string) error
	memberRemoved  func(ctx context.Context, guildID, userID string) error
	onError        func(ctx context.Context, in *Interaction, r *Responder, err error)
	unknown        HandlerFunc
}

// NewRouter returns an empty router.
func NewRouter() *Router {
	return &Router{commands: map[string]Route{}, components: map[string]Route{}, modals: map[string]Route{}}
}

// Define adds a command to the set that is registered with Discord. Each of its paths needs a Command route.
func (rt *Router) Define(specs ...CommandSpec) { rt.specs = append(rt.specs, specs...) }

// Specs returns the commands defined so far.
func (rt *Router) Specs() []CommandSpec { return slices.Clone(rt.specs) }

// Command routes a command path: the name alone, or with sub-command group and sub-command separated by spaces.
func (rt *Router) Command(path string, route Route) { rt.commands[path] = route }

// Component routes buttons and selects by the verb of their CustomID.
func (rt *Router) Component(verb string, route Route) { rt.components[verb] = route }

// Modal routes submitted forms by the verb of their CustomID.
func (rt *Router) Modal(verb string, route Route) { rt.modals[verb] = route }

// ReactionAdd sets the handler of added reactions, the bot's own included. Events of one person, message and emoji come
// one after the other in the order they happened, together with ReactionRemove; different ones run in parallel. After a
// reconnect the same event may come twice.
func (rt *Router) ReactionAdd(h func(ctx context.Context, ev ReactionAdd) error) { rt.reactionAdd = h }

// ReactionRemove sets the handler of removed reactions; see ReactionAdd.
func (rt *Router) ReactionRemove(h func(ctx context.Context, ev ReactionRemove) error) {
	rt.reactionRemove = h
}

// GuildJoined sets what is done when the bot is added to a guild. Guilds it is in already when it connects do not count;
// what was missed while it was away does not come later.
func (rt *Router) GuildJoined(h func(ctx context.Context, g Guild) error) { rt.guildJoined = h }

// GuildLeft sets what is done when the bot is removed from a guild, or the guild is deleted. An outage of Discord is
// neither. Compare with Bot.InGuild for what was missed while the bot was away.
func (rt *Router) GuildLeft(h func(ctx context.Context, guildID string) error) { rt.guildLeft = h }

// MemberRemoved sets what is done when a person leaves a guild or is removed from it. Without Options.Members Discord does
// not tell.
func (rt *Router) MemberRemoved(h func(ctx context.Context, guildID, userID string) error) {
	rt.memberRemoved = h
}

// OnError sets what is done with the error of a handler; the default tells the person in neutral words. Either way the
// error has been logged before. Panics arrive here as errors too.
func (rt *Router) OnError(h func(ctx context.Context, in *Interaction, r *Responder, err error)) {
	rt.onError = h
}

// Unknown sets the handler of interactions without a route, such as a button of an older version. The default says so.
func (rt *Router) Unknown(h HandlerFunc) { rt.unknown = h }

// check reports definitions without a handler.
func (rt *Router) check() error {
	for _, spec := range rt.specs {
		if err := spec.Validate(); err != nil {
			return err
		}
		for _, path := range spec.Paths() {
			if rt.commands[path].Handle == nil {
				return fmt.Errorf("command %q has no handler", path)
			}
		}
	}
	return nil
}

// find returns the route of an interaction and the function to call. Its Handle is never nil.
func (rt *Router) find(in *Interaction) (Route, HandlerFunc) {
	var route Route
	switch in.Type {
	case CommandRun:
		route = rt.commands[in.Command.Path]
	case CommandComplete:
		route = rt.commands[in.Command.Path]
		if route.Autocomplete == nil {
			return route, noChoices
		}
		return route, route.Autocomplete
	case ComponentPress:
		route = rt.components[in.Component.ID.Verb]
	case ModalSubmit:
		route = rt.modals[in.Modal.ID.Verb]
	}
	switch {
	case route.Handle != nil:
		return route, route.Handle
	case rt.unknown != nil:
		return Route{Private: true}, rt.unknown
	}
	return Route{Private: true}, tellUnknown
}

func noChoices(ctx context.Context, _ *Interaction, r *Responder) error {
	return r.Autocomplete(ctx, nil)
}

func tellUnknown(ctx context.Context, in *Interaction, r *Responder) error {
	text := "This command is not known to me any more."
	if in.Type != CommandRun {
		text = "This button is from an older version. Please start again with a command."
	}
	return r.Reply(ctx, Message{Content: text, Ephemeral: true})
}

// tellFault is the default error handler.
func tellFault(ctx context.Context, in *Interaction, r *Responder, _ error) {
	if in.Type == CommandComplete {
		_ = r.Autocomplete(ctx, nil) // best effort, the fault itself is logged
		return
	}
	_ = r.Reply(ctx, Message{Content: "Something went wrong on my side. Please try again in a moment.", Ephemeral: true}) // as above
}

// label names an interaction in logs and metrics without naming anybody.
func label(in *Interaction) string {
	switch in.Type {
	case CommandRun:
		return "/" + in.Command.Path
	case CommandComplete:
		return "complete /" + in.Command.Path
	case ComponentPress:
		return "component " + in.Component.ID.Verb
	case ModalSubmit:
		return "modal " + in.Modal.ID.Verb
	}
	return strings.TrimSpace(fmt.Sprintf("type %d", in.Type))
}
