// SPDX-License-Identifier: AGPL-3.0-or-later

// Package client speaks the AI Horde's API to any server of it: ours, in tests and between machines, or
// another horde that a pool works for.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/horde/apiv2/wire"
)

// Bounds of replies.
const (
	// MaxReply is the most bytes of a JSON reply; those with images inside are the longest.
	MaxReply = 512 << 20
	// MaxImage is the most bytes of a downloaded image.
	MaxImage = 64 << 20

	maxSnippet = 300 // of a reply that is no JSON, in an error
)

// Options say how to call; zero values work.
type Options struct {
	// HTTP makes the calls; nil means a client without a timeout of its own: ctx carries the deadlines.
	HTTP *http.Client
	// Agent goes out as Client-Agent: name:version:contact.
	Agent string
}

// Client calls one server with one API key. It is safe for concurrent use.
type Client struct {
	base  string
	key   string
	agent string
	http  *http.Client
}

// New returns a client of the server at base, for example "https://horde.example"; the path of the API is
// added. An empty key calls anonymously where that is allowed.
func New(base, key string, opts Options) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("address of the horde: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("address of the horde: %q is no http or https address", base)
	}
	c := &Client{base: strings.TrimRight(base, "/") + "/api/v2", key: key, agent: opts.Agent, http: opts.HTTP}
	if c.key == "" {
		c.key = "0000000000"
	}
	if c.agent == "" {
		c.agent = "Stablemate:1:unknown"
	}
	if c.http == nil {
		c.http = &http.Client{}
	}
	return c, nil
}

// Error is what a server answered instead of a success. Code is the return code of a rule's refusal.
type Error struct {
	Status     int
	Code       string
	Message    string
	Violations map[string]string // of the body, by dotted path
	RetryAfter time.Duration     // 0 when the server named none
}

// Error says what the server said.
func (e *Error) Error() string {
	text := e.Message
	if e.Code != "" {
		text = e.Code + ": " + text
	}
	out := "the horde answered " + strconv.Itoa(e.Status) + ": " + text
	if len(e.Violations) == 0 {
		return out
	}
	parts := make([]string, 0, len(e.Violations))
	for path, why := range e.Violations {
		parts = append(parts, path+": "+why)
	}
	slices.Sort(parts)
	return out + ": " + strings.Join(parts, "; ")
}

// Code is the return code inside err, or "" when err is no answer of a server.
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// Generate asks for images.
func (c *Client) Generate(ctx context.Context, r wire.GenerateRequest) (wire.Enqueued, error) {
	var out wire.Enqueued
	return out, c.call(ctx, http.MethodPost, "/generate/async", nil, r, &out)
}

// Price asks what a request would cost. Nothing is queued.
func (c *Client) Price(ctx context.Context, r wire.GenerateRequest) (float64, error) {
	r.DryRun = true
	var out wire.Price
	err := c.call(ctx, http.MethodPost, "/generate/async", nil, r, &out)
	return float64(out.Kudos), err
}

// Check asks how far a request is.
func (c *Client) Check(ctx context.Context, id string) (wire.Check, error) {
	var out wire.Check
	return out, c.call(ctx, http.MethodGet, "/generate/check/"+url.PathEscape(id), nil, nil, &out)
}

// Status fetches what a request delivered so far.
func (c *Client) Status(ctx context.Context, id string) (wire.Status, error) {
	var out wire.Status
	return out, c.call(ctx, http.MethodGet, "/generate/status/"+url.PathEscape(id), nil, nil, &out)
}

// Cancel takes back what is not handed out and returns the status from before.
func (c *Client) Cancel(ctx context.Context, id string) (wire.Status, error) {
	var out wire.Status
	return out, c.call(ctx, http.MethodDelete, "/generate/status/"+url.PathEscape(id), nil, nil, &out)
}

// Pop asks for work. With a wait, our servers hold the call until there is some or the wait, at most a
// minute, is over; others ignore it.
func (c *Client) Pop(ctx context.Context, r wire.PopRequest, wait time.Duration) (wire.PopReply, error) {
	if r.Models == nil {
		r.Models = []string{}
	}
	path := "/generate/pop"
	if wait > 0 {
		path += "?wait=" + strconv.Itoa(int((wait+time.Second-1)/time.Second))
	}
	var out wire.PopReply
	return out, c.call(ctx, http.MethodPost, path, nil, r, &out)
}

// Submit delivers a generation, or reports that it failed.
func (c *Client) Submit(ctx context.Context, r wire.SubmitRequest) (reward float64, err error) {
	var out wire.SubmitReply
	err = c.call(ctx, http.MethodPost, "/generate/submit", nil, r, &out)
	return float64(out.Reward), err
}

// FindUser reads the account of the client's key.
func (c *Client) FindUser(ctx context.Context) (wire.User, error) {
	var out wire.User
	return out, c.call(ctx, http.MethodGet, "/find_user", nil, nil, &out)
}

// User reads an account by its number.
func (c *Client) User(ctx context.Context, id int64) (wire.User, error) {
	var out wire.User
	return out, c.call(ctx, http.MethodGet, "/users/"+strconv.FormatInt(id, 10), nil, nil, &out)
}

// Users reads a page of accounts, from page 1; byAge lists the oldest first, else the richest.
func (c *Client) Users(ctx context.Context, page int, byAge bool) ([]wire.UserRow, error) {
	path := "/users?page=" + strconv.Itoa(page)
	if byAge {
		path += "&sort=age"
	}
	var out []wire.UserRow
	return out, c.call(ctx, http.MethodGet, path, nil, nil, &out)
}

// Workers lists the workers that are online.
func (c *Client) Workers(ctx context.Context) ([]wire.Worker, error) {
	var out []wire.Worker
	return out, c.call(ctx, http.MethodGet, "/workers", nil, nil, &out)
}

// Worker reads a worker by its ID.
func (c *Client) Worker(ctx context.Context, id string) (wire.Worker, error) {
	var out wire.Worker
	return out, c.call(ctx, http.MethodGet, "/workers/"+url.PathEscape(id), nil, nil, &out)
}

// WorkerNamed reads a worker by its exact name.
func (c *Client) WorkerNamed(ctx context.Context, name string) (wire.Worker, error) {
	var out wire.Worker
	return out, c.call(ctx, http.MethodGet, "/workers/name/"+url.PathEscape(name), nil, nil, &out)
}

// ChangeWorker changes a worker of the client's account.
func (c *Client) ChangeWorker(ctx context.Context, id string, change wire.WorkerChange) (wire.WorkerChanged, error) {
	var out wire.WorkerChanged
	return out, c.call(ctx, http.MethodPut, "/workers/"+url.PathEscape(id), nil, change, &out)
}

// DeleteWorker removes a worker of the client's account. It is refused while live requests refer to it.
func (c *Client) DeleteWorker(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/workers/"+url.PathEscape(id), nil, nil, new(wire.Deleted))
}

// Teams lists all teams, those with the most kudos first.
func (c *Client) Teams(ctx context.Context) ([]wire.Team, error) {
	var out []wire.Team
	return out, c.call(ctx, http.MethodGet, "/teams", nil, nil, &out)
}

// NewTeam founds a team. Only trusted accounts may.
func (c *Client) NewTeam(ctx context.Context, team wire.TeamChange) (wire.TeamChanged, error) {
	var out wire.TeamChanged
	return out, c.call(ctx, http.MethodPost, "/teams", nil, team, &out)
}

// ChangeTeam changes a team that the client's account founded.
func (c *Client) ChangeTeam(ctx context.Context, id string, change wire.TeamChange) (wire.TeamChanged, error) {
	var out wire.TeamChanged
	return out, c.call(ctx, http.MethodPatch, "/teams/"+url.PathEscape(id), nil, change, &out)
}

// DeleteTeam disbands a team that the client's account founded.
func (c *Client) DeleteTeam(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/teams/"+url.PathEscape(id), nil, nil, new(wire.Deleted))
}

// NewMessage tells something to a worker of the client's account; a moderator's may go to any worker, or to all.
func (c *Client) NewMessage(ctx context.Context, m wire.MessageRequest) (wire.WorkerMessage, error) {
	var out wire.WorkerMessage
	return out, c.call(ctx, http.MethodPost, "/workers/messages", nil, m, &out)
}

// Messages lists the first page of active messages that the client's account may read.
func (c *Client) Messages(ctx context.Context) ([]wire.WorkerMessage, error) {
	var out []wire.WorkerMessage
	return out, c.call(ctx, http.MethodGet, "/workers/messages", nil, nil, &out)
}

// DeleteMessage takes a message back.
func (c *Client) DeleteMessage(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/workers/messages/"+url.PathEscape(id), nil, nil, new(wire.Done))
}

// Transfer gives whole kudos to name#id. The same idempotency key moves them once, however often it is
// tried; an empty one makes every call a new gift.
func (c *Client) Transfer(ctx context.Context, to string, amount int64, idempotencyKey string) (moved float64, err error) {
	head := http.Header{}
	if idempotencyKey != "" {
		head.Set("Idempotency-Key", idempotencyKey)
	}
	var out wire.TransferReply
	err = c.call(ctx, http.MethodPost, "/kudos/transfer", head, wire.TransferRequest{Username: to, Amount: amount}, &out)
	return float64(out.Transferred), err
}

// Performance sums up the horde.
func (c *Client) Performance(ctx context.Context) (wire.Performance, error) {
	var out wire.Performance
	return out, c.call(ctx, http.MethodGet, "/status/performance", nil, nil, &out)
}

// Models lists the image models that are served or waited for.
func (c *Client) Models(ctx context.Context) ([]wire.Model, error) {
	var out []wire.Model
	return out, c.call(ctx, http.MethodGet, "/status/models?type=image", nil, nil, &out)
}

// Heartbeat asks whether the server is well.
func (c *Client) Heartbeat(ctx context.Context) (wire.Heartbeat, error) {
	var out wire.Heartbeat
	return out, c.call(ctx, http.MethodGet, "/status/heartbeat", nil, nil, &out)
}

// Upload puts an image at an upload link of a pop. Neither key nor agent goes along: the link is the permission.
func (c *Client) Upload(ctx context.Context, link, contentType string, image []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, link, bytes.NewReader(image))
	if err != nil {
		return fmt.Errorf("upload image: %w", err)
	}
	req.Header.Set("Content-Type", contentType)
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("upload image: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	defer drain(res.Body)
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("upload image: %w", refusal(res))
	}
	return nil
}

// Download fetches an image from a link of a status or pop.
func (c *Client) Download(ctx context.Context, link string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return nil, fmt.Errorf("download image: %w", err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("download image: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	defer drain(res.Body)
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("download image: %w", refusal(res))
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, MaxImage+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("download image: %w", err)
	case len(data) > MaxImage:
		return nil, fmt.Errorf("download image: it has more than %d bytes", MaxImage)
	}
	return data, nil
}

// call sends in as JSON, when it is not nil, and reads the reply into out.
func (c *Client) call(ctx context.Context, method, path string, head http.Header, in, out any) error {
	name := method + " " + path
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	maps.Copy(req.Header, head)
	req.Header.Set("apikey", c.key)
	req.Header.Set("Client-Agent", c.agent)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = res.Body.Close() }()
	defer drain(res.Body)
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %w", name, refusal(res))
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, MaxReply)).Decode(out); err != nil {
		return fmt.Errorf("%s: read the reply: %w", name, err)
	}
	return nil
}

// maxRefusal bounds a refusal in bytes.
const maxRefusal = 1 << 20

// refusal reads what a server answered instead of a success.
func refusal(res *http.Response) error {
	out := &Error{Status: res.StatusCode}
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 {
		out.RetryAfter = time.Duration(n) * time.Second
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	var body wire.Error
	if err == nil && json.Unmarshal(data, &body) == nil && body.Message != "" {
		out.Code, out.Message, out.Violations = body.RC, body.Message, body.Errors
		return out
	}
	out.Message = strings.ToValidUTF8(string(data[:min(len(data), maxSnippet)]), "?")
	return out
}

// drain reads a little of what is left, so that the connection can be used again.
func drain(body io.Reader) {
	_, _ = io.CopyN(io.Discard, body, 64<<10) // best effort
}
