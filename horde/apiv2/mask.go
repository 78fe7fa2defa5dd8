// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"errors"
	"strings"
)

// maxMaskDepth bounds how deep a mask may nest.
const maxMaskDepth = 16

// mask says which fields of a reply a caller wants: a,b{c,d} or the same in braces; * means all others.
type mask struct {
	fields map[string]*mask // nil: the field as it is
	rest   bool
}

var (
	errMaskBrace = errors.New("the braces do not match")
	errMaskName  = errors.New("a field name was expected")
	errMaskDeep  = errors.New("it nests too deep")
)

// parseMask reads the header X-Fields.
func parseMask(text string) (*mask, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		if !strings.HasSuffix(text, "}") {
			return nil, errMaskBrace
		}
		text = text[1 : len(text)-1]
	}
	p := maskParser{text: text}
	m, err := p.list(0)
	if err != nil {
		return nil, err
	}
	if p.at < len(p.text) {
		return nil, errMaskBrace
	}
	return m, nil
}

type maskParser struct {
	text string
	at   int
}

func (p *maskParser) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

func (p *maskParser) next() byte {
	p.space()
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

func (p *maskParser) name() string {
	p.space()
	from := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		p.at++
	}
	return p.text[from:p.at]
}

// list reads fields up to the end or a closing brace, which it leaves.
func (p *maskParser) list(depth int) (*mask, error) {
	if depth > maxMaskDepth {
		return nil, errMaskDeep
	}
	m := &mask{fields: make(map[string]*mask)}
	for {
		if p.next() == '*' {
			p.at++
			m.rest = true
		} else {
			name := p.name()
			if name == "" {
				return nil, errMaskName
			}
			m.fields[name] = nil
			if p.next() == '{' {
				p.at++
				inner, err := p.list(depth + 1)
				if err != nil {
					return nil, err
				}
				if p.next() != '}' {
					return nil, errMaskBrace
				}
				p.at++
				m.fields[name] = inner
			}
		}
		if p.next() != ',' {
			return m, nil
		}
		p.at++
	}
}

// apply keeps what the mask names, in objects and in each item of arrays. Names it does not find are no error.
func (m *mask) apply(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = m.apply(v[i])
		}
	case map[string]any:
		for name, inner := range v {
			sub, named := m.fields[name]
			switch {
			case named && sub != nil:
				v[name] = sub.apply(inner)
			case !named && !m.rest:
				delete(v, name)
			}
		}
	}
	return v
}
