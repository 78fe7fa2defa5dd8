package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Completion is what the command box shows for a half typed line.
type Completion struct {
	Suggestions []Suggestion `json:"suggestions"`
	Hint        string       `json:"hint"`  // what is being typed
	Pick        bool         `json:"pick"`  // the line cannot be sent as it is: Enter takes a suggestion
	Files       []string     `json:"files"` // attachment options of the command
}

// Suggestion replaces the line by Insert.
type Suggestion struct {
	Label  string `json:"label"`
	Detail string `json:"detail"`
	Insert string `json:"insert"`
}

const (
	maxSuggestions = 25
	maxRemembered  = 500
)

// given is an option in a typed line.
type given struct {
	opt   option
	start int // of the value
	text  string
}

// findCommand returns the command of a line and where its options begin. Without a command r is nil.
func findCommand(line string, list []runnable) (r *runnable, rest int) {
	body, ok := strings.CutPrefix(line, "/")
	if !ok {
		return nil, 0
	}
	for i := range list {
		path := list[i].Path
		if (body == path || strings.HasPrefix(body, path+" ")) && (r == nil || len(path) > len(r.Path)) {
			r, rest = &list[i], min(len(path)+2, len(line))
		}
	}
	return r, rest
}

// splitOptions finds "name: value" pairs. A name counts when it is an option of the command that was not given before, so
// that colons in a prompt do no harm. lead is the text before the first of them.
func splitOptions(line string, from int, options []option) (lead string, list []given) {
	end := func(at int) {
		if len(list) > 0 {
			last := &list[len(list)-1]
			last.text = strings.TrimSpace(line[last.start:at])
		} else {
			lead = strings.TrimSpace(line[from:at])
		}
	}
	for i := from; i < len(line); i++ {
		if i > from && line[i-1] != ' ' && line[i-1] != '\n' {
			continue
		}
		for _, o := range options {
			n := len(o.Name) + 1
			if i+n > len(line) || !strings.EqualFold(line[i:i+n], o.Name+":") ||
				slices.ContainsFunc(list, func(g given) bool { return g.opt.Name == o.Name }) {
				continue
			}
			end(i)
			list = append(list, given{opt: o, start: i + n})
			break
		}
	}
	end(len(line))
	return lead, list
}

// RunLine runs what a person typed into the command box: "/name option: value option: value". Text before the first
// option goes into the first text option. files hold what attachment options were given.
func (s *Server) RunLine(ctx context.Context, userID, channelID, line string, files map[string]File) (Outcome, error) {
	s.mu.Lock()
	p, err := s.at(userID, channelID)
	if err != nil {
		s.mu.Unlock()
		return Outcome{}, err
	}
	path, options, err := s.parseLine(p, channelID, strings.TrimSpace(line), files)
	s.mu.Unlock()
	if err != nil {
		return Outcome{}, err
	}
	return s.RunCommand(ctx, userID, channelID, path, options)
}

// parseLine turns a typed line into a command and its options. s.mu is held.
func (s *Server) parseLine(p person, channelID, line string, files map[string]File) (string, map[string]any, error) {
	r, rest := findCommand(line, s.runnables(p, channelID))
	if r == nil {
		if !s.online() {
			return "", nil, errors.New("the bot is offline, so there are no commands")
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "/"), " ")
		return "", nil, fmt.Errorf("there is no command /%s", name)
	}
	lead, list := splitOptions(line, rest, r.Options)
	if lead != "" {
		i := slices.IndexFunc(r.Options, func(o option) bool { return o.Type == optionString })
		if i < 0 || slices.ContainsFunc(list, func(g given) bool { return g.opt.Name == r.Options[i].Name }) {
			return "", nil, fmt.Errorf("which option is %q?", lead)
		}
		list = append(list, given{opt: r.Options[i], text: lead})
	}
	options := map[string]any{}
	for _, g := range list {
		if g.text == "" && g.opt.Type != optionAttachment {
			continue
		}
		v, err := s.typed(p, channelID, r.Path, g)
		if err != nil {
			return "", nil, fmt.Errorf("%s %w", g.opt.Name, err)
		}
		if v != nil {
			options[g.opt.Name] = v
		}
	}
	for name, f := range files {
		options[name] = f
	}
	return r.Path, options, nil
}

// typed turns the text of an option into its value.
func (s *Server) typed(p person, channelID, path string, g given) (any, error) {
	if v, ok := s.suggestions[p.ID+" "+path+" "+g.opt.Name][g.text]; ok && g.opt.Autocomplete {
		return v, nil
	}
	if i := slices.IndexFunc(g.opt.Choices, func(c choice) bool { return strings.EqualFold(c.Name, g.text) }); i >= 0 {
		return g.opt.Choices[i].Value, nil
	}
	switch g.opt.Type {
	case optionInteger, optionNumber:
		n, err := strconv.ParseFloat(g.text, 64)
		if err != nil {
			return nil, errors.New("must be a number")
		}
		return n, nil
	case optionBoolean:
		switch strings.ToLower(g.text) {
		case "true", "yes":
			return true, nil
		case "false", "no":
			return false, nil
		}
		return nil, errors.New("must be true or false")
	case optionUser:
		name := strings.TrimPrefix(g.text, "@")
		for _, q := range s.w.People {
			if q.ID == name || strings.EqualFold(q.Name, name) || strings.EqualFold(q.Username, name) {
				return q.ID, nil
			}
		}
		return nil, errors.New("is nobody here")
	case optionRole, optionChannel, optionMentionable:
		return s.named(g.opt.Type, channelID, g.text)
	case optionAttachment:
		return nil, nil //nolint:nilnil // the file comes beside the line
	}
	return g.text, nil
}

// name is a person, a role or a channel as people type it.
type name struct{ id, shown, detail string }

// names lists what an option can be. s.mu is held.
func (s *Server) names(o option, channelID string) []name {
	var out []name
	g := s.w.byChannel[channelID]
	if o.Type == optionUser || o.Type == optionMentionable {
		for _, p := range s.w.People {
			if g == nil || g.Members[p.ID] != nil {
				out = append(out, name{p.ID, "@" + p.Name, p.Username})
			}
		}
	}
	if g == nil {
		return out
	}
	if o.Type == optionRole || o.Type == optionMentionable {
		for _, r := range g.Roles {
			out = append(out, name{r.ID, "@" + strings.TrimPrefix(r.Name, "@"), "role"})
		}
	}
	if o.Type == optionChannel {
		for _, c := range g.Channels {
			if len(o.ChannelTypes) == 0 || slices.Contains(o.ChannelTypes, c.Type) {
				out = append(out, name{c.ID, "#" + c.Name, ""})
			}
		}
	}
	return out
}

// named finds what a person typed among names. s.mu is held.
func (s *Server) named(kind int, channelID, text string) (any, error) {
	for _, n := range s.names(option{Type: kind}, channelID) {
		if n.id == text || strings.EqualFold(strings.TrimLeft(n.shown, "@#"), strings.TrimLeft(text, "@#")) {
			return n.id, nil
		}
	}
	return nil, errors.New("is not here")
}

// Complete suggests how a typed line could go on. It asks the bot where an option has autocomplete.
func (s *Server) Complete(ctx context.Context, userID, channelID, line string) (Completion, error) {
	s.mu.Lock()
	p, err := s.at(userID, channelID)
	if err != nil {
		s.mu.Unlock()
		return Completion{}, err
	}
	list := s.runnables(p, channelID)
	s.mu.Unlock()
	if !strings.HasPrefix(line, "/") {
		return Completion{}, nil
	}
	r, rest := findCommand(line, list)
	if r == nil || line == "/"+r.Path {
		return completeCommand(line, r, list), nil
	}
	out := Completion{Hint: r.Description}
	for _, o := range r.Options {
		if o.Type == optionAttachment {
			out.Files = append(out.Files, o.Name)
		}
	}
	lead, gave := splitOptions(line, rest, r.Options)
	if len(gave) == 0 {
		for _, o := range r.Options {
			if strings.HasPrefix(o.Name, strings.ToLower(lead)) {
				out.Suggestions = append(out.Suggestions, optionSuggestion(line[:rest], o))
			}
		}
		return out, nil
	}
	last := gave[len(gave)-1]
	out.Hint = last.opt.Name + ": " + last.opt.Description
	head := line[:last.start] + " "
	switch {
	case len(last.opt.Choices) > 0:
		for _, c := range last.opt.Choices {
			out.add(last.text, c.Name, "", head+c.Name+" ")
		}
	case last.opt.Type == optionBoolean:
		out.add(last.text, "true", "", head+"true ")
		out.add(last.text, "false", "", head+"false ")
	case last.opt.Type == optionUser, last.opt.Type == optionRole, last.opt.Type == optionChannel, last.opt.Type == optionMentionable:
		s.mu.Lock()
		for _, n := range s.names(last.opt, channelID) {
			out.add(last.text, n.shown, n.detail, head+n.shown+" ")
		}
		s.mu.Unlock()
	case last.opt.Autocomplete:
		if err := s.completeByBot(ctx, p, channelID, r.Path, gave, head, &out); err != nil {
			return out, err
		}
	}
	if len(out.Suggestions) > 0 && !last.opt.Autocomplete {
		out.Pick = !slices.ContainsFunc(out.Suggestions, func(g Suggestion) bool { return strings.EqualFold(g.Label, last.text) })
	}
	out.addOptions(line, r.Options, gave)
	out.Suggestions = out.Suggestions[:min(len(out.Suggestions), maxSuggestions)]
	return out, nil
}

func completeCommand(line string, exact *runnable, list []runnable) Completion {
	typed := strings.ToLower(strings.TrimPrefix(line, "/"))
	out := Completion{Pick: true}
	matching := slices.DeleteFunc(slices.Clone(list), func(r runnable) bool { return !strings.Contains(r.Path, typed) })
	slices.SortStableFunc(matching, func(a, b runnable) int {
		return cmp.Compare(strings.Index(a.Path, typed), strings.Index(b.Path, typed))
	})
	for _, r := range matching[:min(len(matching), maxSuggestions)] {
		insert := "/" + r.Path + " "
		if len(r.Options) > 0 && r.Options[0].Required {
			insert += r.Options[0].Name + ": "
		}
		out.Suggestions = append(out.Suggestions, Suggestion{Label: "/" + r.Path, Detail: r.Description, Insert: insert})
	}
	if exact != nil {
		out.Hint = exact.Description
		out.Pick = slices.ContainsFunc(exact.Options, func(o option) bool { return o.Required })
	}
	return out
}

// add offers a value whose name contains what was typed.
func (c *Completion) add(typed, name, detail, insert string) {
	if typed == "" || strings.Contains(strings.ToLower(name), strings.ToLower(typed)) {
		c.Suggestions = append(c.Suggestions, Suggestion{Label: name, Detail: detail, Insert: insert})
	}
}

// addOptions offers the options not given yet, when the last value is complete or its last word begins one of them.
func (c *Completion) addOptions(line string, options []option, gave []given) {
	last := gave[len(gave)-1]
	if last.text == "" {
		return
	}
	cut := strings.LastIndexAny(line, " \n") + 1
	word := strings.ToLower(line[cut:])
	if cut <= last.start+1 && word != "" {
		return // the first word of the value
	}
	for _, o := range options {
		if strings.HasPrefix(o.Name, word) && !slices.ContainsFunc(gave, func(g given) bool { return g.opt.Name == o.Name }) {
			c.Suggestions = append(c.Suggestions, optionSuggestion(line[:cut], o))
		}
	}
}

func optionSuggestion(head string, o option) Suggestion {
	if head != "" && !strings.HasSuffix(head, " ") {
		head += " "
	}
	detail := o.Description
	if o.Required {
		detail += " (required)"
	}
	return Suggestion{Label: o.Name + ":", Detail: detail, Insert: head + o.Name + ": "}
}

// completeByBot asks the bot, and remembers which value each suggested name stands for.
func (s *Server) completeByBot(ctx context.Context, p person, channelID, path string, gave []given, head string, out *Completion) error {
	last := gave[len(gave)-1]
	typed := map[string]any{}
	s.mu.Lock()
	for _, g := range gave {
		if v, err := s.typed(p, channelID, path, g); err == nil && v != nil && g.opt.Name != last.opt.Name {
			typed[g.opt.Name] = v
		}
	}
	s.mu.Unlock()
	typed[last.opt.Name] = last.text
	choices, err := s.Autocomplete(ctx, p.ID, channelID, path, typed, last.opt.Name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := p.ID + " " + path + " " + last.opt.Name
	if len(s.suggestions[key]) > maxRemembered || s.suggestions[key] == nil {
		s.suggestions[key] = map[string]any{}
	}
	for _, c := range choices {
		s.suggestions[key][c.Name] = c.Value
		out.Suggestions = append(out.Suggestions, Suggestion{Label: c.Name, Insert: head + c.Name + " "})
	}
	return nil
}
