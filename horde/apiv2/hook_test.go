// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/wire"
	"stablemate/internal/fetch"
	"stablemate/internal/webhook"
)

// hooked is a receiver over https, and a sender that may reach it.
func hooked(t *testing.T) (at string, calls <-chan []byte, sender *webhook.Sender) {
	t.Helper()
	told := make(chan []byte, 16) // more than any test delivers
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		told <- body
	}))
	t.Cleanup(receiver.Close)
	roots := x509.NewCertPool()
	roots.AddCert(receiver.Certificate())
	sender, err := webhook.New(webhook.Deps{
		Dial: fetch.NewDialer(true).DialContext, Secret: []byte(secret), Now: time.Now, Log: zerolog.Nop(),
	}, webhook.Options{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1) // holds Run's only answer
	go func() { ended <- sender.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return receiver.URL + "/hook", told, sender
}

func TestAWebhookHearsOfEachImage(t *testing.T) {
	t.Parallel()
	at, calls, sender := hooked(t)
	h := build(t, plan{options: apiv2.Options{Webhooks: sender}})
	_, asker := h.account(t, "asker", 0, 1000)
	_, owner := h.account(t, "owner", horde.RoleTrusted, 0)
	worker := h.client(t, owner)
	for _, inline := range []bool{false, true} {
		id, job := h.job(t, asker, owner, reGen, wire.GenerateRequest{
			Prompt: "a", Webhook: at, R2: new(!inline), Params: &wire.ImageParams{Width: 64, Height: 64},
		})
		if _, err := worker.Submit(t.Context(), wire.SubmitRequest{
			ID: job.IDs[0], Generation: b64(picture(t, 48)), Seed: 7,
			GenMetadata: []wire.Metadata{{Type: "information", Value: "see_ref", Ref: "x"}},
		}); err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		select {
		case body := <-calls:
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the webhook heard nothing")
		}
		img, _ := got["img"].(string)
		delete(got, "img")
		want := map[string]any{
			"seed": 7.0, "worker_name": "dreamer AI Horde", "model": "tiny", "id": job.IDs[0], "censored": false, "request": id,
			"gen_metadata": []any{map[string]any{"type": "information", "value": "see_ref", "ref": "x"}},
			"worker_id":    got["worker_id"], "kudos": got["kudos"],
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the body (-want +got):\n%s", diff)
		}
		if n, ok := got["kudos"].(float64); !ok || n <= 0 {
			t.Errorf("kudos is %v, want a number", got["kudos"])
		}
		if data, err := base64.StdEncoding.DecodeString(img); inline && (err != nil || len(data) == 0) {
			t.Errorf("the image is %.30q, want base64", img)
		}
		if !inline && !strings.HasPrefix(img, "http://links.invalid/blob/"+job.IDs[0]) {
			t.Errorf("the image is %.60q, want a link", img)
		}
		// What is delivered already is told no second time, nor is a fault.
		h.send(t, "POST", "/api/v2/generate/submit", `{"id": "`+job.IDs[0]+`", "seed": 1, "generation": "`+b64(picture(t, 8))+`"}`, "apikey", owner)
	}
	_, job := h.job(t, asker, owner, reGen, wire.GenerateRequest{Prompt: "a", Webhook: at, Params: &wire.ImageParams{Width: 64, Height: 64}})
	if _, err := worker.Submit(t.Context(), wire.SubmitRequest{ID: job.IDs[0], Generation: "faulted", State: wire.StateFaulted}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "two deliveries", func() bool { return sender.Stats() == webhook.Stats{Delivered: 2} })
	if len(calls) != 0 {
		t.Errorf("%d calls too many", len(calls))
	}
}

func TestWebhooksAreHTTPSAlone(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	for what, c := range map[string]struct {
		hook, rc string
		status   int
	}{
		"an https address":       {"https://hook.example/x?y=z", "", 202},
		"an http address":        {"http://hook.example/", "BadRequest", 400},
		"another protocol":       {"gopher://hook.example/", "BadRequest", 400},
		"no host":                {"https:///hook", "BadRequest", 400},
		"credentials":            {"https://user:pw@hook.example/", "BadRequest", 400},
		"nine characters":        {"https://a", "", 400},
		"more than 1024 of them": {"https://hook.example/" + strings.Repeat("a", 1024), "", 400},
	} {
		got := h.send(t, "POST", "/api/v2/generate/async", `{"prompt": "a", "webhook": "`+c.hook+`"}`, "apikey", apiv2.AnonymousKey)
		var e wire.Error
		if err := json.Unmarshal(got.body, &e); err != nil || got.status != c.status || e.RC != c.rc {
			t.Errorf("%s: got %d %s, want %d %s", what, got.status, got.body, c.status, c.rc)
		}
	}
}
