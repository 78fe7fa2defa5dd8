package sandbox

import (
	"net/http"
	"slices"
	"strings"
)

// Option types of commands.
const (
	optionSub         = 1
	optionGroup       = 2
	optionString      = 3
	optionInteger     = 4
	optionBoolean     = 5
	optionUser        = 6
	optionChannel     = 7
	optionRole        = 8
	optionMentionable = 9
	optionNumber      = 10
	optionAttachment  = 11
)

// command is a registered command.
type command struct {
	ID               string   `json:"id"`
	Version          string   `json:"version"`
	Type             int      `json:"type"`
	Name             string   `json:"name"`
	Description      string   `json:"description"`
	Options          []option `json:"options"`
	Permissions      *string  `json:"default_member_permissions"`
	Contexts         []int    `json:"contexts"`
	IntegrationTypes []int    `json:"integration_types"`
	NSFW             bool     `json:"nsfw"`
	texts
}

// texts are a name and a description in other languages, by locale.
type texts struct {
	Names        map[string]string `json:"name_localizations,omitempty"`
	Descriptions map[string]string `json:"description_localizations,omitempty"`
}

type option struct {
	Type         int      `json:"type"`
	Name         string   `json:"name"`
	Description  string   `json:"description"`
	Required     bool     `json:"required,omitempty"`
	Autocomplete bool     `json:"autocomplete,omitempty"`
	Choices      []choice `json:"choices,omitempty"`
	Options      []option `json:"options,omitempty"`
	MinValue     *float64 `json:"min_value,omitempty"`
	MaxValue     *float64 `json:"max_value,omitempty"`
	MinLength    *int     `json:"min_length,omitempty"`
	MaxLength    *int     `json:"max_length,omitempty"`
	ChannelTypes []int    `json:"channel_types,omitempty"`
	texts
}

type choice struct {
	Name  string            `json:"name"`
	Value any               `json:"value"`
	Names map[string]string `json:"name_localizations,omitempty"`
}

func lower(s string) string { return strings.ToLower(s) }

// api is the command as the API shows it; other languages only to those who ask for them.
func (c *command) api(guild string, localized bool) obj {
	out := obj{
		"id": c.ID, "application_id": BotID, "version": c.Version, "type": c.Type, "name": c.Name, "description": c.Description,
		"default_member_permissions": c.Permissions, "dm_permission": guild == "" && (c.Contexts == nil || slices.Contains(c.Contexts, 1)),
		"contexts": c.Contexts, "integration_types": c.IntegrationTypes, "nsfw": c.NSFW,
	}
	options := c.Options
	if localized {
		out["name_localizations"], out["description_localizations"] = orNull(c.Names), orNull(c.Descriptions)
	} else {
		options = plainOptions(options)
	}
	if len(options) > 0 {
		out["options"] = options
	}
	if guild != "" {
		out["guild_id"] = guild
	}
	return out
}

func orNull(m map[string]string) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

// plainOptions are options without their texts in other languages.
func plainOptions(list []option) []option {
	out := slices.Clone(list)
	for i := range out {
		out[i].texts = texts{}
		out[i].Options = plainOptions(out[i].Options)
		out[i].Choices = slices.Clone(out[i].Choices)
		for j := range out[i].Choices {
			out[i].Choices[j].Names = nil
		}
	}
	return out
}

func (s *Server) getCommands(c *call) (int, any, error) {
	guild := c.PathValue("guild")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkApp(c, guild); err != nil {
		return 0, nil, err
	}
	localized := c.URL.Query().Get("with_localizations") == "true"
	list := []obj{}
	for _, cmd := range s.w.Commands[guild] {
		list = append(list, cmd.api(guild, localized))
	}
	return http.StatusOK, list, nil
}

func (s *Server) checkApp(c *call, guild string) error {
	if c.PathValue("app") != BotID {
		return refuse(http.StatusForbidden, 20012, "You are not authorized to perform this action on this application")
	}
	if guild != "" && s.w.guild(guild) == nil {
		return refuse(http.StatusForbidden, 50001, "Missing Access")
	}
	return nil
}

// putCommands replaces all commands of a scope. Those that keep their name keep their id.
func (s *Server) putCommands(c *call) (int, any, error) {
	guild := c.PathValue("guild")
	var list []*command
	if err := decode(c, &list); err != nil {
		return 0, nil, err
	}
	if slices.Contains(list, nil) {
		return 0, nil, s.bad(c, "a command is null")
	}
	for _, cmd := range list {
		if cmd.Type == 0 {
			cmd.Type = 1
		}
	}
	if text := checkCommands(list); text != "" {
		return 0, nil, s.bad(c, text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkApp(c, guild); err != nil {
		return 0, nil, err
	}
	old := s.w.Commands[guild]
	out := []obj{}
	for _, cmd := range list {
		i := slices.IndexFunc(old, func(o *command) bool { return o.Name == cmd.Name && o.Type == cmd.Type })
		if i >= 0 {
			cmd.ID = old[i].ID
		} else {
			cmd.ID = s.w.snowflake(s.opts.Now())
		}
		cmd.Version = s.w.snowflake(s.opts.Now())
		if guild != "" {
			cmd.Contexts = nil // as Discord does
		}
		if cmd.IntegrationTypes == nil {
			cmd.IntegrationTypes = []int{0}
		}
		out = append(out, cmd.api(guild, true))
	}
	s.w.Commands[guild] = list
	s.touch()
	s.tellStatus()
	return http.StatusOK, out, nil
}

// bad refuses a body and remembers that the bot sent it.
func (s *Server) bad(c *call, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.badLocked(c, text)
}

func (s *Server) badLocked(c *call, text string) error {
	s.note(c.where, text)
	return invalidForm(text)
}

// runnable is a command path that can be run, with its options.
type runnable struct {
	Path        string
	Description string
	Options     []option
	Command     *command
	Guild       string // where it is registered
}

// runnables lists what a person can run in a channel, in the order of registration. s.mu is held.
func (s *Server) runnables(p person, channelID string) []runnable {
	var out []runnable
	for _, c := range s.w.offered(p.ID, channelID) {
		if c.Type == commandSlash {
			out = append(out, flatten(c.command, c.scope, p.Locale)...)
		}
	}
	return out
}

// in returns a text in a language, where there is one.
func in(locale, text string, others map[string]string) string {
	if other := others[locale]; other != "" {
		return other
	}
	return text
}

// flatten lists the paths of a command.
func flatten(c *command, guild, locale string) []runnable {
	var out []runnable
	var walk func(path, description string, options []option)
	walk = func(path, description string, options []option) {
		if len(options) > 0 && (options[0].Type == optionSub || options[0].Type == optionGroup) {
			for _, o := range options {
				walk(path+" "+o.Name, in(locale, o.Description, o.Descriptions), o.Options)
			}
			return
		}
		out = append(out, runnable{Path: path, Description: description, Options: options, Command: c, Guild: guild})
	}
	walk(c.Name, in(locale, c.Description, c.Descriptions), c.Options)
	return out
}
