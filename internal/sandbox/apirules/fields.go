package apirules

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// shape is which fields an object may have, and the shapes of those that are objects or lists of objects. Discord ignores
// a field that it does not know, and its description allows them: a misspelt one would never be noticed.
type shape map[string]shape

func leaf(names string) shape {
	s := shape{}
	for n := range strings.FieldsSeq(names) {
		s[n] = nil
	}
	return s
}

func (s shape) with(name string, inner shape) shape {
	s = maps.Clone(s)
	s[name] = inner
	return s
}

// componentShape is the union of all kinds of components; what belongs to which kind the description knows.
func componentShape() shape {
	media := leaf("url")
	emoji := leaf("id name animated")
	option := leaf("label value description default").with("emoji", emoji)
	s := leaf(`type id style label custom_id url disabled placeholder min_values max_values min_length max_length required value
		content divider spacing spoiler accent_color description sku_id channel_types name size`)
	s = s.with("emoji", emoji).with("options", option).with("media", media).with("file", media)
	s = s.with("default_values", leaf("id type"))
	s = s.with("items", leaf("description spoiler").with("media", media))
	inner := s
	for range 4 { // nothing nests deeper
		inner = s.with("components", inner).with("accessory", inner).with("component", inner)
	}
	return inner
}

func messageShape() shape {
	media := leaf("url")
	embed := leaf("title type description url timestamp color").with("fields", leaf("name value inline")).
		with("image", media).with("thumbnail", media).with("footer", leaf("text icon_url")).with("author", leaf("name url icon_url"))
	return leaf("content tts flags nonce enforce_nonce sticker_ids").with("embeds", embed).
		with("components", componentShape()).with("attachments", leaf("id filename description is_spoiler")).
		with("allowed_mentions", leaf("parse roles users replied_user")).
		with("message_reference", leaf("type message_id channel_id guild_id fail_if_not_exists"))
}

func callbackShape() shape {
	data := messageShape().with("custom_id", nil).with("title", nil)
	return leaf("type").with("data", data.with("choices", shape{"name": nil, "value": nil, "name_localizations": nil}))
}

func commandShape() shape {
	texts := leaf("name description name_localizations description_localizations")
	option := texts.with("type", nil).with("required", nil).with("autocomplete", nil)
	for n := range strings.FieldsSeq("min_value max_value min_length max_length channel_types") {
		option = option.with(n, nil)
	}
	option = option.with("choices", leaf("name value name_localizations"))
	inner := option
	for range 2 { // groups and sub-commands
		inner = option.with("options", inner)
	}
	out := texts.with("options", inner)
	for n := range strings.FieldsSeq("id type default_member_permissions contexts integration_types nsfw dm_permission handler") {
		out = out.with(n, nil)
	}
	return out
}

// strays returns the fields of a JSON text that its shape lacks, up to a few.
func strays(text []byte, s shape) []string {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return nil
	}
	var out []string
	var walk func(at string, v any, s shape)
	walk = func(at string, v any, s shape) {
		if s == nil || len(out) > 5 {
			return
		}
		switch v := v.(type) {
		case []any:
			for i, item := range v {
				walk(at+"/"+strconv.Itoa(i), item, s)
			}
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				if inner, ok := s[k]; ok {
					walk(at+"/"+k, v[k], inner)
				} else {
					out = append(out, at+"/"+k+": unknown field")
				}
			}
		}
	}
	walk("", v, s)
	return out
}

// shapeOf returns the shape of what a route takes; nil for routes whose bodies are not looked at.
func shapeOf(method, route string) shape {
	switch {
	case method == "PUT" && strings.HasSuffix(route, "/commands"):
		return commandShape()
	case strings.HasSuffix(route, "/callback"):
		return callbackShape()
	case strings.HasPrefix(route, "/webhooks/"), strings.Contains(route, "/messages") && !strings.Contains(route, "/reactions"):
		return messageShape()
	case method == "POST" && strings.HasSuffix(route, "/emojis"):
		return leaf("name image roles")
	}
	return nil
}
