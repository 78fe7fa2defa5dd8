package discord_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"stablemate/internal/sandbox"
)

// loadDescription reads Discord's own API description once for all tests.
var loadDescription = sync.OnceValues(func() (routers.Router, error) {
	path := os.Getenv("DISCORD_OPENAPI")
	if path == "" {
		path = filepath.Join("..", "..", "..", "shared", "reference", "discord-openapi-subset.json")
	}
	if _, err := os.Stat(path); err != nil {
		return nil, nil
	}
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromFile(path)
	if err != nil {
		return nil, err
	}
	doc.Servers = openapi3.Servers{{URL: "http://discord"}}
	return gorillamux.NewRouter(doc)
})

// validator checks every exchange, both sides of it, with Discord's own API description, where that file is at hand.
func validator(t *testing.T) func(sandbox.Exchange) []string {
	t.Helper()
	router, err := loadDescription()
	if err != nil {
		t.Fatal(err)
	}
	if router == nil {
		t.Log("Discord's API description is not at hand, only the sandbox's own rules are checked")
		return nil
	}
	return func(ex sandbox.Exchange) []string { return validate(router, ex) }
}

func validate(router routers.Router, ex sandbox.Exchange) []string {
	target := (&url.URL{Scheme: "http", Host: "discord", Path: ex.Path}).String()
	var body io.Reader
	if ex.Body != nil {
		body = bytes.NewReader(ex.Body)
	}
	req := httptest.NewRequest(ex.Method, target, body)
	if ex.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	route, params, err := router.FindRoute(req)
	if err != nil {
		return []string{fmt.Sprintf("not in the API description: %v", err)}
	}
	in := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	var found []string
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil && !known(err) {
		found = append(found, "request: "+first(err))
	}
	if ex.Status >= 300 {
		return found
	}
	header := http.Header{}
	if ex.Answer != nil {
		header.Set("Content-Type", "application/json")
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: ex.Status, Header: header, Options: in.Options}
	out.SetBodyBytes(ex.Answer)
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		found = append(found, "answer: "+first(err))
	}
	return found
}

// known lets one thing pass: the API takes permissions as text where the description says integer.
func known(err error) bool { return strings.Contains(err.Error(), "default_member_permissions") }

func first(err error) string {
	s := err.Error()
	return s[:min(len(s), 600)]
}
