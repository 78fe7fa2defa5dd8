// SPDX-License-Identifier: AGPL-3.0-or-later

package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stablemate/internal/pgtest"
)

// served is bin/server in a process of its own.
type served struct {
	t      *testing.T
	url    string
	config string
	cmd    *exec.Cmd
	log    *logTail
}

func startServer(t *testing.T, store string) *served {
	t.Helper()
	dir := t.TempDir()
	s := &served{t: t, config: filepath.Join(dir, "config.toml"), log: &logTail{}}
	data, _ := json.Marshal(filepath.Join(dir, "data"))
	text := fmt.Sprintf("[server]\nlisten = %q\ndata_dir = %s\nrate_limits = false\n%s\n", anyPort, data, store)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(compiled(t, "server"), "run", "--config", s.config)
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "API:  "); ok {
			s.url, _, _ = strings.Cut(rest, "/api/v2")
			return s
		}
	}
	t.Fatalf("the server printed no address; its log:\n%s", s.log)
	return nil
}

// operate runs an operator's command beside the running server.
func (s *served) operate(args ...string) string {
	s.t.Helper()
	out, err := exec.Command(compiled(s.t, "server"), append(args, "--config", s.config)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("server %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// addUser opens an account and returns its key.
func (s *served) addUser(args ...string) string {
	s.t.Helper()
	out := s.operate(append([]string{"user", "add"}, args...)...)
	_, key, ok := strings.Cut(out, "shown this once: ")
	if !ok {
		s.t.Fatalf("no key in %q", out)
	}
	return strings.TrimSpace(key)
}

// call sends a request and returns status and body.
func (s *served) call(method, path, key, body string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+"/api/v2"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("apikey", key)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v; log: %s", method, path, err, s.log)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// await polls until the local pool has checked in.
func (s *served) await() {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if _, body := s.call("GET", "/workers", "", ""); strings.Contains(body, "stablemate-mini") {
			return
		}
	}
	s.t.Fatalf("the local pool did not check in; log: %s", s.log)
}

func sdkEntry(t *testing.T) string {
	t.Helper()
	entry, err := filepath.Abs("../../build/npm/node_modules/@zeldafan0225/ai_horde/index.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(entry); err != nil {
		t.Fatalf("the SDK is not installed, `make setup` does it: %v", err)
	}
	return entry
}

// TestServerAndPool makes an image with the public SDK through the real server and its local pool, on both stores, and
// treats the server badly: each bad input gets its refusal and the process lives.
func TestServerAndPool(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]string{
		"sqlite":   "",
		"postgres": fmt.Sprintf("[store]\nengine = \"postgres\"\npostgres_url = %q\n", pgtest.URL(t)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, store)
			key := s.addUser("Ada", "--role", "trusted", "--kudos", "1000", "--concurrency", "60")
			if list := s.operate("user", "list"); !strings.Contains(list, "Ada#") || strings.Contains(list, key) {
				t.Errorf("user list: %s", list)
			}
			s.await()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			node := exec.CommandContext(ctx, "node", "testdata/sdk.mjs")
			node.Env = append(os.Environ(), "SDK="+sdkEntry(t), "ROUTE="+s.url+"/api/v2", "KEY="+key, "MODEL=stablemate-mini")
			if out, err := node.CombinedOutput(); err != nil {
				t.Fatalf("SDK: %v\n%s\nlog: %s", err, out, s.log)
			}
			badInput(t, s, key)
			if code, body := s.call("GET", "/status/heartbeat", "", ""); code != http.StatusOK || !strings.Contains(body, `"OK"`) {
				t.Errorf("heartbeat after all that: %d %s", code, body)
			}
			if out := s.operate("webhook-secret"); !strings.HasPrefix(out, "whsec_") || out != s.operate("webhook-secret") {
				t.Errorf("webhook-secret: %q, want the same secret each time", out)
			}
			if out := s.operate("audit"); !strings.Contains(out, "the books are right") {
				t.Errorf("audit: %s", out)
			}
			if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := s.cmd.Wait(); err != nil {
				t.Errorf("the server did not stop in good order: %v\n%s", err, s.log)
			}
		})
	}
}

// vastPNG is a tiny PNG that claims to be 50,000 × 50,000 pixels.
func vastPNG() []byte {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	head := append([]byte("IHDR"), 0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50, 8, 6, 0, 0, 0)
	_ = binary.Write(&b, binary.BigEndian, uint32(13))
	b.Write(head)
	_ = binary.Write(&b, binary.BigEndian, crc32.ChecksumIEEE(head))
	return b.Bytes()
}

func badInput(t *testing.T, s *served, key string) {
	t.Helper()
	ask := func(prompt string, width int, model string) string {
		body, _ := json.Marshal(map[string]any{
			"prompt": prompt, "models": []string{model}, "params": map[string]any{"width": width, "height": 256, "steps": 4},
		})
		return string(body)
	}
	vast := base64.StdEncoding.EncodeToString(vastPNG())
	cases := []struct {
		name, path, key, body string
		code                  int
		want                  string
	}{
		{"a prompt of 100,000 characters", "/generate/async", key, ask(strings.Repeat("apple ", 16_667), 256, "stablemate-mini"), 400, "InvalidPromptSize"},
		{"a size of 63", "/generate/async", key, ask("apple", 63, "stablemate-mini"), 400, `"params.width"`},
		{"an unknown model waits, with a warning", "/generate/async", key, ask("apple", 256, "nobody has this"), 202, `"NoAvailableWorker"`},
		{"a wrong key", "/generate/async", "not a key", ask("apple", 256, "stablemate-mini"), 401, "InvalidAPIKey"},
		{"no key", "/generate/async", "", ask("apple", 256, "stablemate-mini"), 400, `"apikey"`},
		{"NUL bytes", "/generate/async", key, `{"prompt": "a\u0000b"}`, 400, "NulByteInPayload"},
		{"truncated JSON", "/generate/async", key, `{"prompt": "app`, 400, `"message"`},
		{"a submit of nothing known", "/generate/submit", key, `{"id": "00000000-0000-4000-8000-000000000000", "generation": "R2", "seed": 1}`, 404, "InvalidJobID"},
		{"an image of 50,000 × 50,000 pixels", "/generate/async", key, `{"prompt": "apple", "source_image": "` + vast + `"}`, 400, "Image"},
	}
	for _, tc := range cases {
		code, body := s.call("POST", tc.path, tc.key, tc.body)
		if code != tc.code || !strings.Contains(body, tc.want) {
			t.Errorf("%s: %d %s, want %d with %s", tc.name, code, body, tc.code, tc.want)
		}
	}

	// A submit for somebody else's generation: the thief is refused, the owner's delivery counts.
	owner := s.addUser("Owner")
	if code, body := s.call("POST", "/generate/async", key, ask("apple", 256, "rare")); code != http.StatusAccepted {
		t.Fatalf("enqueue: %d %s", code, body)
	}
	_, body := s.call("POST", "/generate/pop", owner,
		`{"name": "rare gpu", "models": ["rare"], "bridge_agent": "AI Horde Worker reGen:13:x", "max_pixels": 1048576, "nsfw": true}`)
	var job struct{ ID string }
	if err := json.Unmarshal([]byte(body), &job); err != nil || job.ID == "" {
		t.Fatalf("pop: %s", body)
	}
	code, body := s.call("POST", "/generate/submit", key, `{"id": "`+job.ID+`", "generation": "`+vast+`", "seed": 1}`)
	if code != http.StatusForbidden || !strings.Contains(body, "WrongCredentials") {
		t.Errorf("a submit for somebody else's generation: %d %s", code, body)
	}
	code, body = s.call("POST", "/generate/submit", owner, `{"id": "`+job.ID+`", "generation": "`+vast+`", "seed": 1}`)
	if code != http.StatusBadRequest || !strings.Contains(body, "Image validation failed") {
		t.Errorf("a submit of 50,000 × 50,000 pixels: %d %s", code, body)
	}
}
