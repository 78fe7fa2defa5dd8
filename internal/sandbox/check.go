package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The rules that Discord applies to what bots send and that its API description does not hold. Each function returns ""
// or what is wrong.

// body is the part of a message that create, edit, callback and follow-up have in common.
type body struct {
	Content    *string         `json:"content"`
	Embeds     *[]obj          `json:"embeds"`
	Components *[]obj          `json:"components"`
	Flags      int             `json:"flags"`
	Nonce      any             `json:"nonce"`
	Enforce    bool            `json:"enforce_nonce"`
	Null       map[string]bool `json:"-"` // fields given as null: they are cleared
	Mentions   struct {
		Roles []string `json:"roles"`
	} `json:"allowed_mentions"`
	Attachments *[]struct {
		ID          any    `json:"id"`
		Filename    string `json:"filename"`
		Description string `json:"description"`
		Spoiler     *bool  `json:"is_spoiler"`
	} `json:"attachments"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *body) UnmarshalJSON(text []byte) error {
	type plain body // without this method
	if err := json.Unmarshal(text, (*plain)(b)); err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	b.Null = map[string]bool{}
	for name, value := range fields {
		if string(value) == "null" {
			b.Null[name] = true
		}
	}
	return nil
}

func checkMessage(b body, layout bool) string {
	if b.Content != nil {
		if n := utf8.RuneCountInString(*b.Content); n > 2000 {
			return fmt.Sprintf("content: must be 2000 or fewer in length, has %d", n)
		}
	}
	if b.Attachments != nil {
		for i, a := range *b.Attachments {
			if utf8.RuneCountInString(a.Description) > 1024 {
				return fmt.Sprintf("attachments[%d].description: must be 1024 or fewer in length", i)
			}
		}
		if len(*b.Attachments) > 10 {
			return "attachments: must be 10 or fewer in length"
		}
	}
	if b.Embeds != nil {
		if text := checkEmbeds(*b.Embeds); text != "" {
			return text
		}
	}
	if b.Components != nil && !layout {
		return checkComponents(*b.Components)
	}
	return ""
}

func checkEmbeds(embeds []obj) string {
	if len(embeds) > 10 {
		return fmt.Sprintf("embeds: must be 10 or fewer in length, has %d", len(embeds))
	}
	total := 0
	for i, e := range embeds {
		footer, _ := e["footer"].(obj)
		author, _ := e["author"].(obj)
		fields := objects(e["fields"])
		if len(fields) > 25 {
			return fmt.Sprintf("embeds[%d].fields: must be 25 or fewer in length", i)
		}
		parts := []struct {
			name, text string
			limit      int
		}{
			{"title", str(e["title"]), 256},
			{"description", str(e["description"]), 4096},
			{"footer.text", str(footer["text"]), 2048},
			{"author.name", str(author["name"]), 256},
		}
		for _, f := range fields {
			if str(f["name"]) == "" || str(f["value"]) == "" {
				return fmt.Sprintf("embeds[%d].fields: name and value are required", i)
			}
			parts = append(parts, struct {
				name, text string
				limit      int
			}{"field name", str(f["name"]), 256}, struct {
				name, text string
				limit      int
			}{"field value", str(f["value"]), 1024})
		}
		for _, p := range parts {
			n := utf8.RuneCountInString(p.text)
			total += n
			if n > p.limit {
				return fmt.Sprintf("embeds[%d].%s: must be %d or fewer in length, has %d", i, p.name, p.limit, n)
			}
		}
	}
	if total > 6000 {
		return fmt.Sprintf("embeds: must be 6000 or fewer characters in all, have %d", total)
	}
	return ""
}

func checkComponents(rows []obj) string {
	if len(rows) > 5 {
		return fmt.Sprintf("components: must be 5 or fewer rows, has %d", len(rows))
	}
	seen := map[string]bool{}
	for i, row := range rows {
		if num(row["type"]) != componentRow {
			return fmt.Sprintf("components[%d]: type %d cannot stand outside of a row", i, num(row["type"]))
		}
		inner := objects(row["components"])
		if len(inner) == 0 || len(inner) > 5 {
			return fmt.Sprintf("components[%d]: must have 1 to 5 components, has %d", i, len(inner))
		}
		for _, c := range inner {
			if text := checkComponent(c, len(inner), seen); text != "" {
				return fmt.Sprintf("components[%d]: %s", i, text)
			}
		}
	}
	return ""
}

func checkComponent(c obj, beside int, seen map[string]bool) string {
	id := str(c["custom_id"])
	switch kind := num(c["type"]); kind {
	case componentButton:
		style := num(c["style"])
		url := str(c["url"])
		_, hasEmoji := c["emoji"].(obj)
		switch {
		case style < 1 || style > 6:
			return fmt.Sprintf("button style %d is unknown", style)
		case style == 5 && (url == "" || id != ""):
			return "a link button needs a url and no custom_id"
		case style < 5 && (id == "" || url != ""):
			return "a button needs a custom_id and no url"
		case utf8.RuneCountInString(str(c["label"])) > 80:
			return "label must be 80 or fewer in length"
		case str(c["label"]) == "" && !hasEmoji && style != 6:
			return "a button needs a label or an emoji"
		}
		if style >= 5 {
			return ""
		}
	case componentSelect, 5, 6, 7, 8:
		options := objects(c["options"])
		switch {
		case beside > 1:
			return "a select fills its row"
		case kind == componentSelect && (len(options) == 0 || len(options) > 25):
			return fmt.Sprintf("a select must have 1 to 25 options, has %d", len(options))
		case utf8.RuneCountInString(str(c["placeholder"])) > 150:
			return "placeholder must be 150 or fewer in length"
		}
		values := map[string]bool{}
		for _, o := range options {
			label, value := str(o["label"]), str(o["value"])
			if label == "" || utf8.RuneCountInString(label) > 100 || value == "" || utf8.RuneCountInString(value) > 100 {
				return "option label and value must have 1 to 100 characters"
			}
			if values[value] {
				return "option value " + value + " is used twice"
			}
			values[value] = true
		}
	default:
		return fmt.Sprintf("type %d is not allowed in a row of a message", kind)
	}
	switch n := utf8.RuneCountInString(id); {
	case n < 1 || n > 100:
		return fmt.Sprintf("custom_id must have 1 to 100 characters, has %d", n)
	case seen[id]:
		return "custom_id " + id + " is used twice"
	}
	seen[id] = true
	return ""
}

// modal is a form.
type modal struct {
	CustomID   string `json:"custom_id"`
	Title      string `json:"title"`
	Components []obj  `json:"components"`
}

func checkModal(m modal) string {
	if n := utf8.RuneCountInString(m.Title); n < 1 || n > 45 {
		return fmt.Sprintf("title: must have 1 to 45 characters, has %d", n)
	}
	if n := utf8.RuneCountInString(m.CustomID); n < 1 || n > 100 {
		return fmt.Sprintf("custom_id: must have 1 to 100 characters, has %d", n)
	}
	if n := len(m.Components); n < 1 || n > 5 {
		return fmt.Sprintf("components: must have 1 to 5 entries, has %d", n)
	}
	seen := map[string]bool{}
	for i, c := range m.Components {
		switch num(c["type"]) {
		case componentRow:
			inner := objects(c["components"])
			if len(inner) != 1 || num(inner[0]["type"]) != componentTextInput {
				return fmt.Sprintf("components[%d]: a row of a form holds exactly one text input", i)
			}
			if n := utf8.RuneCountInString(str(inner[0]["label"])); n < 1 || n > 45 {
				return fmt.Sprintf("components[%d]: label must have 1 to 45 characters, has %d", i, n)
			}
		case componentLabel:
			if n := utf8.RuneCountInString(str(c["label"])); n < 1 || n > 45 {
				return fmt.Sprintf("components[%d]: label must have 1 to 45 characters, has %d", i, n)
			}
			inner, _ := c["component"].(obj)
			if text := checkField(inner); text != "" {
				return fmt.Sprintf("components[%d]: %s", i, text)
			}
		case 10: // text display
		default:
			return fmt.Sprintf("components[%d]: type %d is not allowed in a form", i, num(c["type"]))
		}
	}
	text := ""
	walkComponents(m.Components, func(c obj) {
		switch num(c["type"]) {
		case componentTextInput, componentSelect, componentUpload:
		default:
			return
		}
		id := str(c["custom_id"])
		switch n := utf8.RuneCountInString(id); {
		case n < 1 || n > 100:
			text = "input custom_id must have 1 to 100 characters"
		case seen[id]:
			text = "input custom_id " + id + " is used twice"
		case num(c["max_length"]) > 4000 || num(c["min_length"]) > 4000:
			text = "text input length must be 4000 or less"
		case utf8.RuneCountInString(str(c["value"])) > 4000:
			text = "text input value must be 4000 or fewer in length"
		case utf8.RuneCountInString(str(c["placeholder"])) > 100:
			text = "text input placeholder must be 100 or fewer in length"
		}
		seen[id] = true
	})
	return text
}

// checkField checks what stands below a label of a form.
func checkField(c obj) string {
	least, most := num(c["min_values"]), num(c["max_values"])
	if _, ok := c["max_values"]; !ok {
		most = 1
	}
	if required := c["required"] != false; required && least == 0 && c["min_values"] != nil {
		return "min_values of a required field must be 1 or more"
	}
	switch num(c["type"]) {
	case componentTextInput:
	case componentSelect:
		n := len(objects(c["options"]))
		if n < 1 || n > 25 || least < 0 || most < 1 || least > most || most > n {
			return "a select of a form has 1 to 25 options and lets people choose no more than these"
		}
	case componentUpload:
		if least < 0 || most < 1 || most > 10 || least > most {
			return "a file upload takes 0 to 10 files"
		}
	default:
		return fmt.Sprintf("a label cannot hold type %d", num(c["type"]))
	}
	return ""
}

func checkChoices(choices []choice) string {
	if len(choices) > 25 {
		return fmt.Sprintf("choices: must be 25 or fewer in length, has %d", len(choices))
	}
	for _, c := range choices {
		if n := utf8.RuneCountInString(c.Name); n < 1 || n > 100 {
			return fmt.Sprintf("choices: name must have 1 to 100 characters, has %d", n)
		}
		for locale, text := range c.Names {
			if !slices.Contains(locales(), locale) || !short(text, 100) {
				return "choices: name_localizations of " + c.Name + ": unknown locale, or not 1 to 100 characters"
			}
		}
		if v, ok := c.Value.(string); ok && utf8.RuneCountInString(v) > 100 {
			return "choices: value must be 100 or fewer in length"
		}
	}
	return ""
}

// nameOK holds names of commands and options to letters, numbers and a few signs, 1 to 32 of them, all in lower case.
func nameOK(s string) bool {
	strange := func(c rune) bool {
		return !strings.ContainsRune("-_'", c) && !unicode.IsLetter(c) && !unicode.IsNumber(c)
	}
	return short(s, 32) && strings.IndexFunc(s, strange) < 0 && s == lower(s)
}

func checkCommands(list []*command) string {
	if len(list) > 130 {
		return "commands: must be 130 or fewer"
	}
	seen, counts := map[string]bool{}, map[int]int{}
	for _, c := range list {
		key := fmt.Sprint(c.Type, c.Name)
		if seen[key] {
			return "command " + c.Name + " is defined twice"
		}
		seen[key] = true
		if c.Type > 1 {
			if n := utf8.RuneCountInString(c.Name); n < 1 || n > 32 || c.Description != "" || len(c.Options) > 0 {
				return "context command " + c.Name + ": name must have 1 to 32 characters, and there are no description and options"
			}
			if text := checkTexts(c.Name, c.texts, func(s string) bool { return short(s, 32) }); text != "" {
				return text
			}
			if counts[c.Type]++; counts[c.Type] > 15 {
				return "commands: must be 15 or fewer for each kind of context menu"
			}
			continue
		}
		if counts[c.Type]++; counts[c.Type] > 100 {
			return "commands: must be 100 or fewer slash commands"
		}
		if text := checkNames(c.Name, c.Description); text != "" {
			return text
		}
		if text := checkTexts(c.Name, c.texts, nameOK); text != "" {
			return text
		}
		if text := checkOptions(c.Name, c.Options, 0); text != "" {
			return text
		}
		if n := commandSize(c.Name, c.Description, c.texts, c.Options); n > 8000 {
			return fmt.Sprintf("command %s has %d characters, limit 8000", c.Name, n)
		}
	}
	return ""
}

func checkNames(name, description string) string {
	if !nameOK(name) {
		return fmt.Sprintf("name %q must be 1 to 32 lower case letters, digits, - and _", name)
	}
	if n := utf8.RuneCountInString(description); n < 1 || n > 100 {
		return fmt.Sprintf("description of %q must have 1 to 100 characters, has %d", name, n)
	}
	return ""
}

// locales are the languages of Discord's client.
func locales() []string {
	return strings.Fields("id da de en-GB en-US es-ES es-419 fr hr it lt hu nl no pl pt-BR ro fi sv-SE vi tr cs el bg ru uk hi th zh-CN ja zh-TW ko")
}

// short reports whether a text has 1 to most characters.
func short(s string, most int) bool {
	return s != "" && utf8.RuneCountInString(s) <= most
}

// checkTexts checks the texts of a command or an option in other languages.
func checkTexts(where string, t texts, nameOK func(string) bool) string {
	for locale, text := range t.Names {
		if !slices.Contains(locales(), locale) || !nameOK(text) {
			return fmt.Sprintf("%s: name_localizations: %q in %q is no name or no language", where, text, locale)
		}
	}
	for locale, text := range t.Descriptions {
		if !slices.Contains(locales(), locale) || !short(text, 100) {
			return fmt.Sprintf("%s: description_localizations: %q must be a language and its text have 1 to 100 characters", where, locale)
		}
	}
	return ""
}

func longest(text string, others map[string]string) int {
	n := utf8.RuneCountInString(text)
	for _, o := range others {
		n = max(n, utf8.RuneCountInString(o))
	}
	return n
}

func checkOptions(path string, list []option, depth int) string {
	if len(list) > 25 {
		return fmt.Sprintf("%s: must have 25 or fewer options, has %d", path, len(list))
	}
	optional, sub := false, false
	seen := map[string]bool{}
	for i, o := range list {
		where := path + " " + o.Name
		if text := checkNames(o.Name, o.Description); text != "" {
			return path + ": " + text
		}
		if text := checkTexts(where, o.texts, nameOK); text != "" {
			return text
		}
		isSub := o.Type == optionSub || o.Type == optionGroup
		switch {
		case seen[o.Name]:
			return where + ": is defined twice"
		case o.Type < optionSub || o.Type > optionAttachment:
			return fmt.Sprintf("%s: unknown type %d", where, o.Type)
		case i > 0 && isSub != sub:
			return where + ": options and sub-commands cannot be mixed"
		case o.Type == optionGroup && depth > 0, isSub && depth > 1:
			return where + ": nested too deeply"
		case o.Required && optional:
			return where + ": required options must come before optional ones"
		case (o.MinValue != nil || o.MaxValue != nil) && o.Type != optionInteger && o.Type != optionNumber:
			return where + ": min_value and max_value are for numbers"
		case (o.MinLength != nil || o.MaxLength != nil) && o.Type != optionString:
			return where + ": min_length and max_length are for texts"
		case len(o.ChannelTypes) > 0 && o.Type != optionChannel:
			return where + ": channel_types are for channels"
		case len(o.Choices) > 0 && o.Autocomplete:
			return where + ": choices and autocomplete exclude each other"
		}
		seen[o.Name] = true
		sub = isSub
		if text := checkChoices(o.Choices); text != "" {
			return where + ": " + text
		}
		for _, ch := range o.Choices {
			if _, text := ch.Value.(string); text != (o.Type == optionString) {
				return where + ": a choice has the wrong type"
			}
		}
		if isSub {
			if text := checkOptions(where, o.Options, depth+1); text != "" {
				return text
			}
			continue
		}
		optional = optional || !o.Required
	}
	return ""
}

// commandSize counts the characters that Discord limits over a whole command.
// Of several languages the longest counts.
func commandSize(name, description string, others texts, options []option) int {
	n := longest(name, others.Names) + longest(description, others.Descriptions)
	for _, o := range options {
		n += commandSize(o.Name, o.Description, o.texts, o.Options)
		for _, c := range o.Choices {
			n += longest(c.Name, c.Names) + utf8.RuneCountInString(fmt.Sprint(c.Value))
		}
	}
	return n
}
