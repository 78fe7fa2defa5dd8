package discord

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// OptionType is the kind of value a command option takes; the numbers are Discord's.
type OptionType int

// The kinds of options.
const (
	optionSubcommand OptionType = 1
	optionGroup      OptionType = 2
	OptionString     OptionType = 3
	OptionInteger    OptionType = 4
	OptionBoolean    OptionType = 5
	OptionUser       OptionType = 6
	OptionChannel    OptionType = 7
	OptionRole       OptionType = 8
	OptionNumber     OptionType = 10
	OptionAttachment OptionType = 11
)

// MenuKind says what a context menu command is called on; the numbers are Discord's.
type MenuKind int

// The kinds of context menus. The zero value is a slash command.
const (
	UserMenu    MenuKind = 2
	MessageMenu MenuKind = 3
)

// MenuPath is the path of a context menu command, for Router.Command and in Interaction.Command.Path.
func MenuPath(kind MenuKind, name string) string {
	if kind == UserMenu {
		return "user/" + name
	}
	return "message/" + name
}

// CommandSpec defines a slash command, which has options, or sub-commands, or groups of sub-commands; or, with a Menu, an
// entry of the context menu of people or messages, which has a name alone.
type CommandSpec struct {
	Name        string // 1–32 lower case letters, digits, '-' and '_'; of a menu any 1–32 characters
	Description string // 1–100 characters; of a menu none
	Menu        MenuKind

	// Descriptions are the description in other languages, by Discord's locale names; Names the menu's name.
	Descriptions, Names map[string]string

	Options     []OptionSpec
	Subcommands []SubcommandSpec

	// DMs offers the command in direct messages with the bot too. Without it the command exists in guilds only.
	DMs bool
	// UserInstall offers the command to people who installed the app for themselves too.
	UserInstall bool
	// Guild is the one guild that has the command; empty for every guild.
	Guild string
	// Permissions hides the command from members who lack them, unless the guild's administrators decide otherwise. nil
	// shows it to everyone. Handlers must check again.
	Permissions *Permissions
}

// SubcommandSpec defines a sub-command, or a group of them when Subcommands is set (one level).
type SubcommandSpec struct {
	Name         string
	Description  string
	Descriptions map[string]string // in other languages
	Options      []OptionSpec
	Subcommands  []SubcommandSpec
}

// OptionSpec defines one option of a command.
type OptionSpec struct {
	Name         string
	Description  string
	Descriptions map[string]string // in other languages
	Type         OptionType
	ChannelTypes []int // of OptionChannel: Discord's numbers; empty allows all
	Required     bool
	Autocomplete bool // not together with Choices
	Choices      []Choice
	Min, Max     *float64 // of OptionInteger and OptionNumber
	MinLength    *int     // of OptionString, 0–6000
	MaxLength    *int     // of OptionString, 1–6000
}

// Paths returns every path of the command that can be run, as Interaction.Command.Path has them.
func (c CommandSpec) Paths() []string {
	if c.Menu != 0 {
		return []string{MenuPath(c.Menu, c.Name)}
	}
	if len(c.Subcommands) == 0 {
		return []string{c.Name}
	}
	var paths []string
	for _, s := range c.Subcommands {
		if len(s.Subcommands) == 0 {
			paths = append(paths, c.Name+" "+s.Name)
		}
		for _, ss := range s.Subcommands {
			paths = append(paths, c.Name+" "+s.Name+" "+ss.Name)
		}
	}
	return paths
}

func commandName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 32
}

// Validate reports the first rule of Discord that the definition breaks.
func (c CommandSpec) Validate() error {
	if c.Menu != 0 {
		switch n := utf8.RuneCountInString(c.Name); {
		case n < 1 || n > 32:
			return fmt.Errorf("menu name %q has %d characters, want 1 to 32", c.Name, n)
		case c.Description != "" || len(c.Options) > 0 || len(c.Subcommands) > 0:
			return fmt.Errorf("menu %q has a description or options", c.Name)
		}
		return nil
	}
	if n := c.length(); n > maxCommandText {
		return fmt.Errorf("command %q has %d characters in its longest language, limit %d", c.Name, n, maxCommandText)
	}
	if err := validateNames(c.Name, c.Description); err != nil {
		return err
	}
	if len(c.Options) > 0 && len(c.Subcommands) > 0 {
		return fmt.Errorf("command %q has options and sub-commands", c.Name)
	}
	if err := validateOptions(c.Name, c.Options); err != nil {
		return err
	}
	return validateSubcommands(c.Name, c.Subcommands, 1)
}

// maxCommandText is how many characters names, descriptions and values of one command may have together, each in its
// longest language.
const maxCommandText = 8000

// length counts what maxCommandText bounds.
func (c CommandSpec) length() int {
	longest := func(text string, others map[string]string) int {
		n := utf8.RuneCountInString(text)
		for _, o := range others {
			n = max(n, utf8.RuneCountInString(o))
		}
		return n
	}
	options := func(list []OptionSpec) int {
		n := 0
		for _, o := range list {
			n += len(o.Name) + longest(o.Description, o.Descriptions)
			for _, ch := range o.Choices {
				n += longest(ch.Name, ch.Names) + len(fmt.Sprint(ch.Value))
			}
		}
		return n
	}
	var subs func(list []SubcommandSpec) int
	subs = func(list []SubcommandSpec) int {
		n := 0
		for _, s := range list {
			n += len(s.Name) + longest(s.Description, s.Descriptions) + options(s.Options) + subs(s.Subcommands)
		}
		return n
	}
	return len(c.Name) + longest(c.Description, c.Descriptions) + options(c.Options) + subs(c.Subcommands)
}

func validateSubcommands(path string, subs []SubcommandSpec, depth int) error {
	if len(subs) > 25 {
		return fmt.Errorf("command %q has %d sub-commands, limit 25", path, len(subs))
	}
	for _, s := range subs {
		if err := validateNames(s.Name, s.Description); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if len(s.Subcommands) > 0 && (depth > 1 || len(s.Options) > 0) {
			return fmt.Errorf("%s %s: groups nest once and have no options", path, s.Name)
		}
		if err := validateOptions(path+" "+s.Name, s.Options); err != nil {
			return err
		}
		if err := validateSubcommands(path+" "+s.Name, s.Subcommands, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func validateNames(name, description string) error {
	if !commandName(name) {
		return fmt.Errorf("name %q must be 1 to 32 of a-z, 0-9, _ and -", name)
	}
	if n := utf8.RuneCountInString(description); n < 1 || n > 100 {
		return fmt.Errorf("description of %q has %d characters, want 1 to 100", name, n)
	}
	return nil
}

func validateOptions(path string, options []OptionSpec) error {
	if len(options) > 25 {
		return fmt.Errorf("command %q has %d options, limit 25", path, len(options))
	}
	optional := false
	for _, o := range options {
		if err := validateNames(o.Name, o.Description); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		switch {
		case o.Required && optional:
			return fmt.Errorf("%s: required option %q comes after an optional one", path, o.Name)
		case len(o.Choices) > MaxChoices:
			return fmt.Errorf("%s: option %q has %d choices, limit %d", path, o.Name, len(o.Choices), MaxChoices)
		case len(o.Choices) > 0 && o.Autocomplete:
			return fmt.Errorf("%s: option %q has choices and autocomplete", path, o.Name)
		case (o.Min != nil || o.Max != nil) && o.Type != OptionInteger && o.Type != OptionNumber:
			return fmt.Errorf("%s: option %q has a range but is no number", path, o.Name)
		case (o.MinLength != nil || o.MaxLength != nil) && o.Type != OptionString:
			return fmt.Errorf("%s: option %q has lengths but is no text", path, o.Name)
		}
		optional = optional || !o.Required
	}
	return nil
}

type wireCommand struct {
	ID               string              `json:"id,omitempty"`
	Type             int                 `json:"type"`
	Name             string              `json:"name"`
	Description      string              `json:"description"`
	Options          []wireCommandOption `json:"options,omitempty"`
	Permissions      *string             `json:"default_member_permissions"`
	Contexts         []int               `json:"contexts,omitempty"`
	IntegrationTypes []int               `json:"integration_types,omitempty"`
	Descriptions     map[string]string   `json:"description_localizations,omitempty"`
	Names            map[string]string   `json:"name_localizations,omitempty"`
}

type wireCommandOption struct {
	Type         OptionType          `json:"type"`
	Name         string              `json:"name"`
	Description  string              `json:"description"`
	Required     bool                `json:"required,omitempty"`
	Autocomplete bool                `json:"autocomplete,omitempty"`
	Choices      []wireChoice        `json:"choices,omitempty"`
	Options      []wireCommandOption `json:"options,omitempty"`
	Min          *float64            `json:"min_value,omitempty"`
	Max          *float64            `json:"max_value,omitempty"`
	MinLength    *int                `json:"min_length,omitempty"`
	MaxLength    *int                `json:"max_length,omitempty"`
	Descriptions map[string]string   `json:"description_localizations,omitempty"`
	ChannelTypes []int               `json:"channel_types,omitempty"`
}

type wireChoice struct {
	Name  string            `json:"name"`
	Value any               `json:"value"`
	Names map[string]string `json:"name_localizations,omitempty"`
}

func (c CommandSpec) wire() wireCommand {
	w := wireCommand{
		Type: 1, Name: c.Name, Description: c.Description, Contexts: []int{0}, IntegrationTypes: []int{0},
		Descriptions: c.Descriptions, Names: c.Names,
	}
	if c.Menu != 0 {
		w.Type = int(c.Menu)
	}
	if c.DMs {
		w.Contexts = append(w.Contexts, 1)
	}
	if c.UserInstall {
		w.Contexts = append(w.Contexts, 2)
		w.IntegrationTypes = append(w.IntegrationTypes, 1)
	}
	if c.Permissions != nil {
		bits := strconv.FormatUint(uint64(*c.Permissions), 10)
		w.Permissions = &bits
	}
	w.Options = wireOptions(c.Options)
	for _, s := range c.Subcommands {
		w.Options = append(w.Options, s.wire())
	}
	return w
}

func (s SubcommandSpec) wire() wireCommandOption {
	w := wireCommandOption{Type: optionSubcommand, Name: s.Name, Description: s.Description, Descriptions: s.Descriptions, Options: wireOptions(s.Options)}
	for _, ss := range s.Subcommands {
		w.Type = optionGroup
		w.Options = append(w.Options, ss.wire())
	}
	return w
}

func wireOptions(options []OptionSpec) []wireCommandOption {
	var out []wireCommandOption
	for _, o := range options {
		w := wireCommandOption{
			Type: o.Type, Name: o.Name, Description: o.Description, Required: o.Required, Autocomplete: o.Autocomplete,
			Min: o.Min, Max: o.Max, MinLength: o.MinLength, MaxLength: o.MaxLength, Descriptions: o.Descriptions, ChannelTypes: o.ChannelTypes,
		}
		for _, ch := range o.Choices {
			w.Choices = append(w.Choices, wireChoice(ch))
		}
		out = append(out, w)
	}
	return out
}

// CommandMention returns text that shows as a clickable command, or plain text before the commands are registered.
func (b *Bot) CommandMention(path string) string {
	name := path
	for i, r := range path {
		if r == ' ' {
			name = path[:i]
			break
		}
	}
	if ids := b.commandIDs.Load(); ids != nil && (*ids)[name] != "" {
		return "</" + path + ":" + (*ids)[name] + ">"
	}
	return "`/" + path + "`"
}
