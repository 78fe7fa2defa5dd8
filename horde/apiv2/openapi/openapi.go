// SPDX-License-Identifier: AGPL-3.0-or-later

// Package openapi holds the API's own description, an OpenAPI 3.0.3 document. The door serves it, the page of
// the API is made from it in the browser, and the contract tests hold every reply against it.
package openapi

import (
	_ "embed" // of the document
	"fmt"
	"slices"
	"sync"

	"github.com/oasdiff/yaml"
)

//go:embed horde-v2.openapi.yaml
var document []byte

// YAML returns a copy of the document as it is written.
func YAML() []byte { return slices.Clone(document) }

// JSON returns a copy of the document as one JSON text, its keys in alphabetical order. It fails only when the program was
// built with a broken document.
func JSON() ([]byte, error) {
	text, err := asJSON()
	return slices.Clone(text), err
}

// asJSON translates the document once, which takes some dozen milliseconds.
var asJSON = sync.OnceValues(func() ([]byte, error) { //nolint:gochecknoglobals // a constant that is computed
	text, err := yaml.YAMLToJSON(document)
	if err != nil {
		return nil, fmt.Errorf("read the API's description: %w", err)
	}
	return text, nil
})
