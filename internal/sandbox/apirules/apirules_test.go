package apirules_test

import (
	"net/http"
	"strings"
	"testing"

	"stablemate/internal/sandbox"
	"stablemate/internal/sandbox/apirules"
)

func post(body string) sandbox.Exchange {
	return sandbox.Exchange{Method: http.MethodPost, Path: "/channels/1/messages", Body: []byte(body), Status: http.StatusBadRequest}
}

func callback(body string) sandbox.Exchange {
	return sandbox.Exchange{Method: http.MethodPost, Path: "/interactions/1/t/callback", Body: []byte(body), Status: http.StatusNoContent}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	rules, err := apirules.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ex   sandbox.Exchange
		want string // part of the finding; "" for none
	}{
		"a plain message":                    {post(`{"content":"hello"}`), ""},
		"a deferral":                         {callback(`{"type":5}`), ""},
		"an unknown callback type":           {callback(`{"type":77}`), "request:"},
		"an embed title that is too long":    {post(`{"embeds":[{"title":"` + strings.Repeat("x", 257) + `"}]}`), "request:"},
		"a route that Discord does not have": {sandbox.Exchange{Method: http.MethodGet, Path: "/horses", Status: http.StatusOK}, "not in the API description"},
		"an answer that lacks everything":    {sandbox.Exchange{Method: http.MethodGet, Path: "/users/@me", Status: http.StatusOK, Answer: []byte(`{}`)}, "answer:"},
		"a misspelt field":                   {post(`{"content":"x","embeds":[{"titel":"y"}]}`), "/embeds/0/titel: unknown field"},
		"a field inside of a button":         {post(`{"components":[{"type":1,"components":[{"type":2,"style":1,"label":"x","custom_id":"y","colour":1}]}]}`), "colour"},
		"permissions as a text, as Discord takes them": {sandbox.Exchange{
			Method: http.MethodPut, Path: "/applications/1/commands", Status: http.StatusBadRequest,
			Body: []byte(`[{"name":"x","description":"y","default_member_permissions":"32"}]`),
		}, ""},
	} {
		found := strings.Join(rules.Check(c.ex), "\n")
		if (found == "") != (c.want == "") || !strings.Contains(found, c.want) {
			t.Errorf("%s: findings %q, want %q", name, found, c.want)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	rules, err := apirules.Load()
	if err != nil {
		b.Fatal(err)
	}
	ex := post(`{"content":"hello","embeds":[{"title":"t","description":"d","fields":[{"name":"a","value":"b"}]}]}`)
	for b.Loop() {
		rules.Check(ex)
	}
}
