// Package apirules checks the traffic between a bot and the sandbox with Discord's own description of its API, both sides
// of it: what the bot sends, and what the sandbox answers.
//
// testdata/discord-openapi-subset.json is a part of that description, copied without a change to any schema; where it
// comes from, what was left out and its licence (MIT) stand in its x-subset. The description says less than Discord
// checks: the sandbox's own rules (check.go there) are applied beside it, always.
package apirules

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the description
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/sync/singleflight"

	"stablemate/internal/sandbox"
)

//go:embed testdata/discord-openapi-subset.json
var description []byte

const (
	maxText  = 600                                // of a finding
	maxFine  = 1000                               // bodies that are known to be right
	longBody = 4_096                              // bytes; shorter ones are judged each time
	source   = "https://discord.com/openapi.json" // a name; nothing is fetched
)

// Rules is the description, read. It is safe for concurrent use.
type Rules struct {
	paths []path
	ids   *regexp.Regexp // finds snowflakes: bodies that differ in those alone, as the answers to every bot's commands do, are judged once

	judging singleflight.Group // of long bodies

	mu       sync.Mutex // guards what follows
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // by place in the description; compiled when first needed
	fine     map[[sha256.Size]byte]bool    // long bodies that were right already, at most maxFine: every bot sends its commands
}

// path is one route of the description.
type path struct {
	text  string
	parts []string
	item  map[string]any
}

// Load reads the description.
func Load() (*Rules, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(description))
	if err != nil {
		return nil, fmt.Errorf("read Discord's API description: %w", err)
	}
	r := &Rules{ids: regexp.MustCompile(`"[0-9]{17,20}"`), compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}, fine: map[[sha256.Size]byte]bool{}}
	r.compiler.AssertFormat()
	if err := r.compiler.AddResource(source, doc); err != nil {
		return nil, fmt.Errorf("read Discord's API description: %w", err)
	}
	root, _ := doc.(map[string]any)
	paths, _ := root["paths"].(map[string]any)
	for text, item := range paths {
		fields, _ := item.(map[string]any)
		r.paths = append(r.paths, path{text: text, parts: strings.Split(text, "/"), item: fields})
	}
	if len(r.paths) == 0 {
		return nil, errors.New("read Discord's API description: it has no paths")
	}
	return r, nil
}

// Check returns what is wrong with an exchange. It fits sandbox.Options.Validate.
func (r *Rules) Check(ex sandbox.Exchange) []string {
	p, operation := r.find(ex)
	if operation == nil {
		return []string{"not in the API description: " + ex.Method + " " + ex.Path}
	}
	var found []string
	parts := strings.Split(ex.Path, "/")
	for i, name := range p.parts {
		if _, err := strconv.ParseUint(parts[i], 10, 64); err != nil && strings.HasSuffix(name, "_id}") {
			found = append(found, "path: "+parts[i]+" is no id")
		}
	}
	place := "#/paths/" + escape(p.text) + "/" + strings.ToLower(ex.Method)
	if body, ok := operation["requestBody"].(map[string]any); ok {
		switch {
		case len(ex.Body) > 0:
			if text := r.validate(place+"/requestBody/content/application~1json/schema", ex.Body); text != "" {
				found = append(found, "request: "+text)
			}
			for _, text := range strays(ex.Body, shapeOf(ex.Method, p.text)) {
				found = append(found, "request: "+text)
			}
		case body["required"] == true && ex.Status < http.StatusMultipleChoices: // a refusal may come before the body was read
			found = append(found, "request: a body is needed")
		}
	}
	if ex.Status >= http.StatusMultipleChoices {
		return found
	}
	responses, _ := operation["responses"].(map[string]any)
	code := strconv.Itoa(ex.Status)
	response, ok := responses[code].(map[string]any)
	if !ok {
		return append(found, "answer: there is no status "+code)
	}
	content, _ := response["content"].(map[string]any)
	switch {
	case content["application/json"] != nil:
		if text := r.validate(place+"/responses/"+code+"/content/application~1json/schema", ex.Answer); text != "" {
			found = append(found, "answer: "+text)
		}
	case len(ex.Answer) > 0:
		found = append(found, "answer: status "+code+" has no body")
	}
	return found
}

// find returns the route and operation of an exchange. Of several matching routes the one with more fixed parts wins.
func (r *Rules) find(ex sandbox.Exchange) (path, map[string]any) {
	parts := strings.Split(ex.Path, "/")
	var best path
	var operation map[string]any
	fixed := -1
	for _, p := range r.paths {
		op, ok := p.item[strings.ToLower(ex.Method)].(map[string]any)
		if !ok || len(p.parts) != len(parts) {
			continue
		}
		n, match := 0, true
		for i, part := range p.parts {
			switch {
			case strings.HasPrefix(part, "{"):
			case part == parts[i]:
				n++
			default:
				match = false
			}
		}
		if match && n > fixed {
			best, operation, fixed = p, op, n
		}
	}
	return best, operation
}

// validate returns what a schema has against a JSON text, or "".
func (r *Rules) validate(place string, text []byte) string {
	schema, err := r.schema(place)
	if err != nil {
		return err.Error()
	}
	if len(text) < longBody {
		return judge(schema, text)
	}
	key := sha256.Sum256(slices.Concat([]byte(place), []byte{0}, r.ids.ReplaceAll(text, []byte(`"0"`))))
	r.mu.Lock()
	known := r.fine[key]
	r.mu.Unlock()
	if known {
		return ""
	}
	found, _, _ := r.judging.Do(string(key[:]), func() (any, error) { // many bots begin at once
		found := judge(schema, text)
		r.mu.Lock()
		defer r.mu.Unlock()
		if found == "" && len(r.fine) < maxFine {
			r.fine[key] = true
		}
		return found, nil
	})
	return found.(string)
}

func judge(schema *jsonschema.Schema, text []byte) string {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err.Error()
	}
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](schema.Validate(v)); ok {
		s := strings.Join(reasons(invalid), "; ")
		return s[:min(len(s), maxText)]
	}
	return ""
}

func (r *Rules) schema(place string) (*jsonschema.Schema, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.schemas[place]; s != nil {
		return s, nil
	}
	s, err := r.compiler.Compile(source + place)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", place, err)
	}
	r.schemas[place] = s
	return s, nil
}

// reasons lists the innermost causes, deepest place first: of the branches of a union that are all wrong, the one that
// fits furthest is what was meant. One thing passes: the API takes permissions as text where the description says integer.
func reasons(e *jsonschema.ValidationError) []string {
	type reason struct {
		depth int
		text  string
	}
	var list []reason
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(e.Causes) == 0 {
			at := "/" + strings.Join(e.InstanceLocation, "/")
			list = append(list, reason{len(e.InstanceLocation), at + ": " + strings.ReplaceAll(e.Error(), "\n", " ")})
		}
		for _, c := range e.Causes {
			walk(c)
		}
	}
	walk(e)
	list = slices.DeleteFunc(list, func(r reason) bool { return strings.Contains(r.text, "default_member_permissions") })
	slices.SortStableFunc(list, func(a, b reason) int { return b.depth - a.depth })
	var out []string
	for _, r := range list {
		if !slices.Contains(out, r.text) {
			out = append(out, r.text)
		}
	}
	return out
}

func escape(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1") }
