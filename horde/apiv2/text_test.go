// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"stablemate/horde"
)

// koboldCpp behaves as the worker inside KoboldCpp does: it names two parts of itself, posts its own fields, takes a
// falsy id for "no job", hands the payload on as it came, submits neither seed nor failures, and counts errors.
type koboldCpp struct {
	url, key, name string
	write          func(payload map[string]any) (text string, ok bool)

	mu     sync.Mutex // guards what follows
	errors int
	reward float64
}

func (k *koboldCpp) post(ctx context.Context, path string, body map[string]any) (map[string]any, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, k.url+"/api/v2"+path, strings.NewReader(string(data)))
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"apikey": k.key, "Content-Type": "application/json", "Client-Agent": "KoboldCppEmbedWorker:2",
		"User-Agent": "KoboldCppEmbeddedWorkerV2",
	} {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 400 {
		return nil, fmt.Errorf("%s answers %d: %s", path, res.StatusCode, text)
	}
	var out map[string]any
	return out, json.Unmarshal(text, &out)
}

func (k *koboldCpp) failed(ctx context.Context) {
	if ctx.Err() == nil {
		k.mu.Lock()
		k.errors++
		k.mu.Unlock()
	}
}

func (k *koboldCpp) run(ctx context.Context) {
	for ctx.Err() == nil {
		job, err := k.post(ctx, "/generate/text/pop", map[string]any{
			"name": k.name, "models": []string{"koboldcpp/Tale-7B-Q4_K_M"}, "max_length": 200, "max_context_length": 4096,
			"priority_usernames": []string{}, "softprompts": []string{}, "bridge_agent": kobold,
		})
		if err != nil {
			k.failed(ctx)
			continue
		}
		id, _ := job["id"].(string)
		if id == "" {
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
			continue
		}
		payload, _ := job["payload"].(map[string]any)
		text, ok := k.write(payload)
		if !ok {
			continue // it drops what fails
		}
		reply, err := k.post(ctx, "/generate/text/submit", map[string]any{"id": id, "generation": text, "state": "ok"})
		reward, numeric := reply["reward"].(float64)
		if err != nil || !numeric {
			k.failed(ctx)
			continue
		}
		k.mu.Lock()
		k.reward += reward
		k.mu.Unlock()
	}
}

func TestKoboldCppWorks(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, asker := h.account(t, "asker", 0, 1000)
	_, owner := h.account(t, "owner", 0, 0)
	dropped := false
	k := &koboldCpp{url: h.url, key: owner, name: "kobold of the cellar", write: func(payload map[string]any) (string, bool) {
		if !dropped {
			dropped = true
			return "", false
		}
		for _, old := range []string{"width", "length", "steps"} {
			if _, there := payload[old]; there {
				t.Errorf("the payload holds %q, which old software refuses", old)
			}
		}
		if payload["max_length"] != 60.0 || payload["n"] != 1.0 || payload["temperature"] != 0.5 || payload["top_k"] != nil {
			t.Errorf("payload %v", payload)
		}
		prompt, _ := payload["prompt"].(string)
		return " and they read " + prompt, true
	}}
	ctx, stop := context.WithCancel(context.Background())
	var worker sync.WaitGroup
	worker.Go(func() { k.run(ctx) })
	t.Cleanup(func() { stop(); worker.Wait() })

	// As KoboldAI Lite asks.
	a := h.send(t, http.MethodPost, "/api/v2/generate/text/async", `{"prompt": "Once", "params": {"n": 2, "max_context_length": 2048,
		"max_length": 60, "rep_pen": 1.1, "temperature": 0.5, "top_p": 0.92, "quiet": true}, "models": ["koboldcpp/Tale-7B-Q4_K_M"],
		"workers": [], "trusted_workers": false, "extra_slow_worker": true}`, "apikey", asker, "Client-Agent", "KoboldAiLite:17")
	id, ok := jsonString(a.body, "id")
	if a.status != http.StatusAccepted || !ok {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	// The first text was dropped, so that one is left until its time is over.
	var st struct {
		Generations []struct{ Text, State string }
		Finished    int
		Processing  int
	}
	eventually(t, "a text", func() bool {
		if err := json.Unmarshal(h.send(t, http.MethodGet, "/api/v2/generate/text/status/"+id, "").body, &st); err != nil {
			t.Fatal(err)
		}
		return st.Finished == 1
	})
	if st.Processing != 1 || st.Generations[0].Text != " and they read Once" || st.Generations[0].State != "ok" {
		t.Errorf("status %+v", st)
	}
	eventually(t, "the reward", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.reward > 0 })
	if w, ok := h.WorkerByName(k.name); !ok || w.Type != horde.Scribe || w.Offer.MaxContext != 4096 || w.Fulfilled != 1 {
		t.Errorf("the worker is %+v", w)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.errors != 0 {
		t.Errorf("the worker met %d errors", k.errors)
	}
}

func TestAPopForTextOrFormsMayWait(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, owner := h.account(t, "owner", 0, 0)
	for name, c := range map[string]struct{ pop, offer, ask, body string }{
		"text": {
			"/generate/text/pop", `{"name": "patient scribe", "models": ["tale"]}`,
			"/generate/text/async", `{"prompt": "Once", "models": ["tale"]}`,
		},
		"forms": {
			"/interrogate/pop", `{"name": "patient alchemist", "forms": ["nsfw"]}`,
			"/interrogate/async", `{"source_image": "https://example.com/a.png", "forms": [{"name": "nsfw"}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan answer, 1) // holds the only reply
			go func() { got <- h.send(t, http.MethodPost, "/api/v2"+c.pop+"?wait=30", c.offer, "apikey", owner) }()
			eventually(t, "the worker to check in", func() bool {
				for _, w := range h.Workers(true) {
					if strings.HasPrefix(c.offer, `{"name": "`+w.Offer.Name) {
						return true
					}
				}
				return false
			})
			if a := h.send(t, http.MethodPost, "/api/v2"+c.ask, c.body, "apikey", "0000000000"); a.status != http.StatusAccepted {
				t.Fatalf("%d: %s", a.status, a.body)
			}
			if a := <-got; !strings.Contains(string(a.body), `"id": "`) && !strings.Contains(string(a.body), `"id":"`) {
				t.Errorf("the waiting pop got %d: %s", a.status, a.body)
			}
		})
	}
}

func TestRequestsOfOneKindAreNotThoseOfAnother(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	ids := make(map[string]string)
	for path, body := range map[string]string{
		"generate":      `{"prompt": "apple"}`,
		"generate/text": `{"prompt": "Once"}`,
		"interrogate":   `{"source_image": "https://example.com/a.png", "forms": [{"name": "nsfw"}]}`,
	} {
		a := h.send(t, http.MethodPost, "/api/v2/"+path+"/async", body, "apikey", "0000000000")
		id, ok := jsonString(a.body, "id")
		if !ok {
			t.Fatalf("%s: %d: %s", path, a.status, a.body)
		}
		ids[path] = id
	}
	for path := range ids {
		for other, id := range ids {
			for _, method := range []string{http.MethodGet, http.MethodDelete} {
				want := http.StatusNotFound
				if path == other {
					want = http.StatusOK
				}
				if a := h.send(t, method, "/api/v2/"+path+"/status/"+id, ""); a.status != want {
					t.Errorf("%s %s of a request made at %s answers %d, want %d", method, path, other, a.status, want)
				}
			}
		}
	}
}

func TestFloodsOfOneAddressAreRefused(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	asked := 0
	for i := range horde.MaxFormsPerOrigin + 1 {
		a := h.send(t, http.MethodPost, "/api/v2/interrogate/async",
			fmt.Sprintf(`{"source_image": "https://example.com/%d.png", "forms": [{"name": "caption"}]}`, i), "apikey", "0000000000")
		if a.status != http.StatusAccepted {
			if e := a.refusal(t); a.status != http.StatusTooManyRequests || e.RC != "TooManyPrompts" {
				t.Fatalf("%d: %+v", a.status, e)
			}
			break
		}
		asked++
	}
	if asked != horde.MaxFormsPerOrigin {
		t.Errorf("%d forms were taken, want %d", asked, horde.MaxFormsPerOrigin)
	}
}

func TestAddressesOfSomebodysOwnNetworkAreRefused(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	for _, address := range []string{
		"http://localhost/a", "http://127.0.0.1/a", "http://[::1]/a", "http://10.1.2.3/a", "http://169.254.169.254/latest",
		"http://2130706433/a", "http://0x7f000001/a", "http://127.1/a", "http://router/a", "http://nas.local/a", "https://a.internal./x",
		"ftp://example.com/a", "https://user:word@example.com/a", "https:///a", "https://" + strings.Repeat("a", 5000) + ".com",
	} {
		a := h.send(t, http.MethodPost, "/api/v2/interrogate/async",
			fmt.Sprintf(`{"source_image": %q, "forms": [{"name": "nsfw"}]}`, address), "apikey", "0000000000")
		if e := a.refusal(t); a.status != http.StatusBadRequest || !strings.HasPrefix(e.Message, "Image validation failed") {
			t.Errorf("%s: %d %+v", address[:min(len(address), 40)], a.status, e)
		}
	}
}
