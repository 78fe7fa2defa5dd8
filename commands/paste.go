// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stablemate/horde"
	"stablemate/internal/discord"
)

// maxUnknown bounds what is listed of a part that nobody understands, in characters.
const maxUnknown = 40

// paste reads parameters as other programs write them: "Steps: 30, Sampler: Euler a, Seed: 7", flags, or the horde's own
// JSON. What it does not know it lists.
func (s *Set) paste(p *params, text string) (unknown []string, err error) {
	var found []flag
	switch {
	case strings.HasPrefix(text, "{"):
		found, unknown, err = pastedJSON(p, text)
		if err != nil {
			return nil, err
		}
	case flagPattern.MatchString(text):
		var rest string
		if rest, found = flags(text, func(string) bool { return true }); rest != "" {
			unknown = append(unknown, discord.Clip(rest, maxUnknown))
		}
	default:
		found, unknown = s.pastedLine(text)
	}
	for _, f := range found {
		p.says(f.name)
		known, err := s.set(p, f, escape(discord.Clip(f.name, maxUnknown)))
		switch {
		case errors.Is(err, errUnknownSampler):
			unknown = append(unknown, discord.Clip(f.name+": "+f.value, maxUnknown))
		case err != nil:
			return nil, err
		case !known:
			unknown = append(unknown, f.name)
		}
	}
	return unknown, nil
}

// pastedLine takes a line with names and values apart: "Negative prompt: worms, mud Steps: 30, Sampler: Euler a". Prompts go
// on over commas, up to the next name that is known.
func (s *Set) pastedLine(text string) (found []flag, unknown []string) {
	names := s.setters()
	prompt := -1 // of found, when it is one that goes on
	for _, part := range parts(text) {
		name, value, named := strings.Cut(part, ":")
		head, known := "", false
		if named {
			head, name, known = knownEnd(names, name)
		}
		switch {
		case known:
			if head != "" && prompt >= 0 {
				found[prompt].value += ", " + head
			} else if head != "" {
				unknown = append(unknown, discord.Clip(head, maxUnknown))
			}
			found = append(found, flag{strings.ToLower(name), strings.TrimSpace(value)})
			prompt = -1
			if n := plainName(name); n == "prompt" || strings.HasPrefix(n, "negative") {
				prompt = len(found) - 1
			}
		case prompt >= 0:
			found[prompt].value += ", " + part
		case named && strings.TrimSpace(name) != "":
			unknown = append(unknown, discord.Clip(strings.ToLower(strings.TrimSpace(name)), maxUnknown))
		case !named:
			unknown = append(unknown, discord.Clip(part, maxUnknown))
		}
	}
	return found, unknown
}

// parts splits a line at commas and line breaks that no pair of quotation marks surrounds.
func parts(text string) []string {
	var out []string
	from, quoted, pairs := 0, false, strings.Count(text, `"`)%2 == 0
	take := func(to int) {
		if part := strings.TrimSpace(text[from:to]); part != "" {
			out = append(out, part)
		}
		from = to + 1
	}
	for i, r := range text {
		switch {
		case r == '"':
			quoted = !quoted && pairs
		case r == '\n', r == ',' && !quoted:
			take(i)
		}
	}
	take(len(text))
	return out
}

// knownEnd finds the longest end of a text that names a parameter, and what stands before it. Without one the name is all of
// the text.
func knownEnd(names map[string]setter, text string) (head, name string, known bool) {
	const most = 3 // words of a name
	words := strings.Fields(text)
	for i := max(0, len(words)-most); i < len(words); i++ {
		name = strings.Join(words[i:], " ")
		if _, known = names[plainName(name)]; known {
			return strings.Join(words[:i], " "), name, true
		}
	}
	return "", text, false
}

// pastedJSON reads a request of the horde's API; its "params" are one level down. Lists of networks are taken as they are.
func pastedJSON(p *params, text string) (found []flag, unknown []string, err error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber() // seeds are larger than a float64 tells apart
	var body map[string]any
	if dec.Decode(&body) != nil {
		return nil, nil, tellPlain("refused.json")
	}
	var level func(map[string]any) error
	level = func(body map[string]any) error {
		for _, name := range slices.Sorted(maps.Keys(body)) {
			switch v := body[name].(type) {
			case nil:
			case map[string]any:
				if name != "params" {
					unknown = append(unknown, discord.Clip(name, maxUnknown))
				} else if err := level(v); err != nil {
					return err
				}
			case []any:
				if name == "loras" || name == "tis" {
					if err := networks(p, name, v); err != nil {
						return err
					}
					continue
				}
				if name == "models" && len(v) > 1 { // one of them, or any: there is nothing between
					unknown = append(unknown, discord.Clip("models: "+commaed(v[1:]), maxUnknown))
					v = v[:1]
				}
				if len(v) > 0 {
					found = append(found, flag{name, commaed(v)})
				}
			default:
				found = append(found, flag{name, fmt.Sprint(v)})
			}
		}
		return nil
	}
	return found, unknown, level(body)
}

// commaed writes values with commas in between.
func commaed(values []any) string {
	var out []string
	for _, v := range values {
		out = append(out, fmt.Sprint(v))
	}
	return strings.Join(out, ",")
}

// networks reads the LoRAs or the textual inversions of a request of the horde's API.
func networks(p *params, name string, values []any) error {
	bad := tellPlain("refused.behind", "Value", "…", "Name", escape(name))
	data, err := json.Marshal(values)
	if err != nil {
		return bad
	}
	if name == "tis" {
		var all []horde.TI
		if json.Unmarshal(data, &all) != nil {
			return bad
		}
		for i := range all {
			t := &all[i]
			if t.Strength == 0 {
				t.Strength = 1
			}
			if t.Name == "" || !strongEnough(t.Strength) || !slices.Contains([]string{"", injectPrompt, injectNegative}, t.InjectTI) {
				return bad
			}
		}
		p.detail().TIs = all
		return nil
	}
	all := make([]struct {
		horde.Lora
		Model *float64 `json:"model"`
		Clip  *float64 `json:"clip"`
	}, len(values))
	if len(values) > horde.MaxLoras {
		return tellPlain("refused.loras", "Most", horde.MaxLoras)
	}
	if json.Unmarshal(data, &all) != nil {
		return bad
	}
	var out []horde.Lora
	for _, l := range all {
		l.Lora.Model, l.Lora.Clip = 1, 1
		if l.Model != nil {
			l.Lora.Model = *l.Model
		}
		if l.Clip != nil {
			l.Lora.Clip = *l.Clip
		}
		if l.Name == "" || !strongEnough(l.Lora.Model) || !strongEnough(l.Lora.Clip) {
			return bad
		}
		out = append(out, l.Lora)
	}
	p.detail().Loras = out
	return nil
}

// strongEnough reports whether a strength is one that networks have.
func strongEnough(v float64) bool { return v >= -loraStrength && v <= loraStrength }
