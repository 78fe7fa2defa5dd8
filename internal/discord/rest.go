package discord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	userAgent      = "DiscordBot (https://github.com/bwmarrin/discordgo, 0.29.0) stablemate"
	callBudget     = 60 * time.Second // a call whose context has no deadline, retries included
	attemptTimeout = 20 * time.Second // one attempt, upload included
	maxAttempts    = 5
	maxAnswer      = 4 << 20 // bytes of an answer
	firstBackoff   = 250 * time.Millisecond
)

// rest is our own client for Discord's REST interface. discordgo's queues the edits of all people behind each other,
// keeps a bucket per interaction for ever and ignores contexts while it waits.
type rest struct {
	client *http.Client
	quick  *http.Client // acknowledgements: they do not wait behind uploads and edits
	token  string
	limit  *limiter
	stats  *counters
	log    zerolog.Logger
}

// call is one request.
type call struct {
	method string
	path   string // below the API root, escaped; may contain a token
	query  string
	route  string // names the call in logs and errors; contains no token
	bucket string // rate-limit key; the route when empty
	json   any
	files  []File
	reason string // for the guild's audit log
	paced  string // the channel of an edit that counts against editsPerChannel
	bot    bool   // carries the bot token and counts against the global limit

	quick    bool // the answer to an interaction, see rest.quick
	optional bool // dropped first when the breaker counts up
	vital    bool // sent whatever the breaker says
	once     bool // repeating it after a lost answer would do it twice
}

// do sends a call, waits for limits and retries what is worth retrying. The body of the answer is returned for 2xx only;
// other answers are an *APIError.
func (c *rest) do(ctx context.Context, req call) ([]byte, error) {
	if refused := c.limit.refused(); (req.optional && refused >= invalidOptional) || (!req.vital && refused >= invalidHard) {
		c.stats.BreakerDrops.Add(1)
		return nil, fmt.Errorf("%s: %w", req.route, ErrBreaker)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callBudget)
		defer cancel()
	}
	if req.bucket == "" {
		req.bucket = req.route
	}
	body, contentType, err := encode(req.json, req.files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", req.route, err)
	}
	for attempt := 1; ; attempt++ {
		if err := c.limit.pace(ctx, req.paced); err != nil {
			return nil, fmt.Errorf("%s: wait for the channel: %w", req.route, err)
		}
		if err := c.limit.wait(ctx, req.bucket, req.bot); err != nil {
			return nil, fmt.Errorf("%s: wait for rate limit: %w", req.route, err)
		}
		answer, err := c.send(ctx, req, body, contentType)
		if err == nil {
			return answer, nil
		}
		pause, again := retry(err, req.once, attempt)
		if !again || attempt >= maxAttempts {
			return nil, err
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause { //nolint:forbidigo // contexts live by the real clock
			return nil, err // it would only end in "deadline exceeded"; this says more
		}
		c.stats.Retries.Add(1)
		c.log.Debug().Err(err).Int("attempt", attempt).Dur("pause", pause).Msg("retrying a Discord call")
		if sleep(ctx, pause) != nil {
			return nil, err
		}
	}
}

// retry decides whether a failed attempt is repeated, and after which pause. After a 429 the limiter holds the pause.
func retry(err error, once bool, attempt int) (time.Duration, bool) {
	backoff := firstBackoff << (attempt - 1)
	api, ok := errors.AsType[*APIError](err)
	switch {
	case !ok:
		return backoff, !once && !errors.Is(err, context.Canceled)
	case api.Status == http.StatusTooManyRequests:
		return api.RetryAfter, true
	case api.Status >= 500:
		// A gateway that waited in vain, or lost the answer, may have passed the request on.
		done := api.Status != http.StatusInternalServerError && api.Status != http.StatusServiceUnavailable
		return backoff, !once || !done
	}
	return 0, false
}

func (c *rest) send(ctx context.Context, req call, body []byte, contentType string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	target := "https://" + discordHost + "/api/" + apiVersion + req.path
	if req.query != "" {
		target += "?" + req.query
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, req.method, target, reader)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot build the request", req.route) // the error would show the token
	}
	r.Header.Set("User-Agent", userAgent)
	if body != nil {
		r.Header.Set("Content-Type", contentType)
	}
	if req.bot {
		r.Header.Set("Authorization", "Bot "+c.token)
	}
	if req.reason != "" {
		r.Header.Set("X-Audit-Log-Reason", url.QueryEscape(req.reason))
	}
	c.stats.Requests.Add(1)
	client := c.client
	if req.quick {
		client = c.quick
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", req.route, bare(err))
	}
	defer resp.Body.Close() //nolint:errcheck // nothing was written
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s: read answer: %w", req.route, err)
	}
	c.limit.learn(req.bucket, resp.Header)
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return answer, nil
	}
	return nil, c.refused(req, resp, answer)
}

// bare is an HTTP client's error without the address, which contains a token or a signature.
func bare(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// refused turns an answer into an error and takes note of what it means for other calls.
func (c *rest) refused(req call, resp *http.Response, answer []byte) error {
	var said struct {
		Code       int             `json:"code"`
		Message    string          `json:"message"`
		RetryAfter float64         `json:"retry_after"`
		Global     bool            `json:"global"`
		Errors     json.RawMessage `json:"errors"`
	}
	readable := json.Unmarshal(answer, &said) == nil
	if !readable {
		said.Message = http.StatusText(resp.StatusCode)
	}
	if len(said.Errors) > 0 { // a form error names the field that is wrong: our bug, so the log should say which
		said.Message = Clip(said.Message+" "+string(said.Errors), 500)
	}
	e := &APIError{Status: resp.StatusCode, Code: said.Code, Message: said.Message, Route: req.route}
	scope := resp.Header.Get("X-RateLimit-Scope")
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		e.RetryAfter = seconds(said.RetryAfter)
		if e.RetryAfter <= 0 {
			e.RetryAfter = unreadablePause
			if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
				e.RetryAfter = time.Duration(s) * time.Second
			}
		}
		// A page instead of JSON comes from the proxy in front of Discord and concerns all of our traffic.
		switch global := said.Global || scope == "global" || resp.Header.Get("X-RateLimit-Global") != ""; {
		case global:
			c.stats.GlobalLimits.Add(1)
			c.limit.block("", e.RetryAfter)
		case !readable:
			c.stats.ProxyLimits.Add(1)
			c.limit.block("", e.RetryAfter)
		case scope == "shared":
			c.stats.SharedLimits.Add(1)
			c.limit.block(req.bucket, e.RetryAfter)
		default:
			c.stats.UserLimits.Add(1)
			c.limit.block(req.bucket, e.RetryAfter)
		}
		if scope != "shared" {
			c.limit.invalid()
		}
	case http.StatusUnauthorized, http.StatusForbidden:
		c.stats.Invalid.Add(1)
		c.limit.invalid()
	}
	return e
}

// encode makes a JSON body, or a multipart one with payload_json first when there are files.
func encode(payload any, files []File) (body []byte, contentType string, err error) {
	if payload == nil && len(files) == 0 {
		return nil, "", nil
	}
	head, err := json.Marshal(payload)
	if err != nil {
		return nil, "", fmt.Errorf("encode body: %w", err)
	}
	if len(files) == 0 {
		return head, "application/json", nil
	}
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	part := func(header textproto.MIMEHeader, data []byte) {
		if p, e := w.CreatePart(header); e != nil {
			err = e
		} else if _, e := p.Write(data); e != nil {
			err = e
		}
	}
	part(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="payload_json"`},
		"Content-Type":        {"application/json"},
	}, head)
	for i, f := range files {
		ct := f.ContentType
		if ct == "" {
			ct = "application/octet-stream"
		}
		part(textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf(`form-data; name="files[%d]"; filename="%s"`, i, headerSafe(fileName(f)))},
			"Content-Type":        {headerSafe(ct)},
		}, f.Data)
	}
	if e := w.Close(); e != nil {
		err = e
	}
	if err != nil {
		return nil, "", fmt.Errorf("encode body: %w", err)
	}
	return buf.Bytes(), w.FormDataContentType(), nil
}

func headerSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' || r == 0x7f {
			return '_'
		}
		return r
	}, s)
}

// Address refers to the file from an embed or a layout of the same message.
func (f File) Address() string { return "attachment://" + fileName(f) }

func fileName(f File) string {
	if f.Spoiler {
		return "SPOILER_" + f.Name
	}
	return f.Name
}

// counters are the numbers behind Stats.
type counters struct {
	Requests, Retries, Invalid, BreakerDrops                            atomic.Int64
	UserLimits, SharedLimits, GlobalLimits, ProxyLimits                 atomic.Int64
	EditsSent, EditsDropped, EditsFailed                                atomic.Int64
	Interactions, AutoDeferred, Acknowledged, AckFailed, Late           atomic.Int64
	Reactions, Dropped, HandlerErrors, Panics, Undecodable, Connections atomic.Int64
	ackNanos, ackMax                                                    atomic.Int64
	acks                                                                [ackBuckets]atomic.Int64 // by how long they took
}

// Stats are counters since the start, and the state of now.
type Stats struct {
	Requests     int64 // REST requests sent, retries included
	Retries      int64
	UserLimits   int64 // 429 answers for what we do on one route
	SharedLimits int64 // 429 answers for what all bots do there; they do not count as refused
	GlobalLimits int64 // 429 answers for everything we do
	ProxyLimits  int64 // 429 answers of the proxy in front of Discord, which stop everything, too
	Invalid      int64 // 401 and 403 answers
	BreakerDrops int64 // calls not sent because too many were refused

	EditsSent    int64 // edits of messages that Discord took
	EditsDropped int64 // reports of progress that were left out, by the breaker or because Discord did not take them in time
	EditsFailed  int64 // other edits that did not reach their message, those that are tried again included

	Interactions  int64
	AutoDeferred  int64 // acknowledged by the router because the handler was slow
	Acknowledged  int64
	AckFailed     int64         // acknowledgements that Discord refused or that were lost
	AckMean       time.Duration // from the event to the acknowledgement
	AckMax        time.Duration
	AckHalf       time.Duration // half of them took at most so long, rounded up to a quarter more at most
	AckMost       time.Duration // 99 of 100 did
	Reactions     int64
	Dropped       int64 // events dropped because a queue was full
	HandlerErrors int64
	Panics        int64 // handlers that panicked
	Undecodable   int64 // events that could not be read
	Connections   int64 // gateway connections that became ready or resumed

	Connected     bool // every shard is
	Shards        int  // 0 before Discord was asked
	ShardsUp      int
	Gateway       []ShardStats
	InFlight      int // interactions being handled or waiting for a handler
	RefusedLately int // 401, 403 and 429 within ten minutes; Discord blocks at 10,000
}
