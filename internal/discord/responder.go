package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	answerWindow = 2900 * time.Millisecond // Discord forgets an interaction that is not acknowledged within 3 s
	autoDefer    = 2 * time.Second         // from the creation of the interaction
	maxClockSkew = time.Second             // larger differences between our clock and Discord's are not believed
	tokenLife    = 14 * time.Minute        // Discord says 15; the last minute is left alone
)

// Responder answers one interaction. Whatever is called, Discord receives exactly one acknowledgement; when no method was
// called within Options.DeferAfter the router acknowledges for the handler (a command then shows "thinking…", a pressed
// component just stops waiting, a completion gets no suggestions), and later answers become edits or follow-ups by
// themselves. It is safe for concurrent use.
type Responder struct {
	bot     *Bot
	in      *Interaction
	private bool // the automatic deferral is ephemeral
	timer   *time.Timer
	acked   chan struct{} // closed when the acknowledgement has succeeded or failed

	mu        sync.Mutex // guards the fields below
	claimed   bool
	kind      int  // callback type that was sent
	auto      bool // the router acknowledged, and the handler has not taken that over
	waiting   bool // the deferred reply is still empty
	ephemeral bool // the reply is
	ackErr    error
	ref       MessageRef // of the reply, or of the message with the component; MessageID may be still unknown
}

// newResponder starts the clock of an interaction.
func (b *Bot) newResponder(in *Interaction, private bool) *Responder {
	r := &Responder{bot: b, in: in, private: private, acked: make(chan struct{})}
	r.ref = MessageRef{ChannelID: in.ChannelID, AppID: in.AppID, Token: in.Token, Expires: in.Created.Add(tokenLife)}
	b.timers.Add(1)
	r.timer = time.AfterFunc(max(b.opts.DeferAfter-in.Received.Sub(in.Created), 0), func() {
		defer b.timers.Done()
		r.acknowledgeForHandler()
	})
	return r
}

// Interaction returns what is being answered.
func (r *Responder) Interaction() *Interaction { return r.in }

// Reply answers with a message. After a deferral it fills the deferred message; when that one is visible to others than
// the message should be, it is deleted and the message sent anew. After a component was acknowledged, and when a reply was
// sent before, it becomes a follow-up. A completion takes no message and gets no suggestions instead.
func (r *Responder) Reply(ctx context.Context, m Message) error {
	if r.in.Type == CommandComplete { // it takes no message
		return r.Autocomplete(ctx, nil)
	}
	if err := m.Validate(); err != nil {
		return fmt.Errorf("reply: %w", err)
	}
	if len(m.Files) > 0 { // an upload may take longer than the window
		if err := r.deferFirst(ctx, m.Ephemeral); err != nil {
			return err
		}
	}
	if r.claim() {
		return r.callback(ctx, callbackReply, m.create(), m.Ephemeral)
	}
	if err := r.settled(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	kind, fill, same := r.kind, r.waiting, r.ephemeral == m.Ephemeral
	r.waiting = false
	r.mu.Unlock()
	switch {
	case kind == callbackChoices || kind == callbackModal:
		return ErrTooLate
	case fill && same:
		return r.unfilled(r.editOriginal(ctx, m))
	case fill:
		if err := r.bot.deleteOriginal(ctx, r.in); err != nil && !IsUnknownMessage(err) {
			return r.unfilled(err)
		}
		ref, err := r.followup(ctx, m)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.ref, r.ephemeral = ref, m.Ephemeral
		r.mu.Unlock()
		return nil
	default:
		_, err := r.followup(ctx, m)
		return err
	}
}

// Defer acknowledges now and promises a message: people see "thinking…" until Reply or Edit. When the router was quicker
// with a deferral that the same people see, the handler takes that promise over. After any other acknowledgement it does
// nothing.
func (r *Responder) Defer(ctx context.Context, ephemeral bool) error {
	if r.claim() {
		return r.deferReply(ctx, ephemeral)
	}
	if err := r.settled(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kind == callbackDefer && r.ephemeral == ephemeral {
		r.auto = false
	}
	return nil
}

// Update changes the message with the component that was pressed.
func (r *Responder) Update(ctx context.Context, m Message) error {
	if err := m.Validate(); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if !r.hasMessage() {
		return r.Edit(ctx, m)
	}
	if len(m.Files) > 0 {
		if err := r.DeferUpdate(ctx); err != nil {
			return err
		}
	}
	if r.claim() {
		return r.callback(ctx, callbackUpdate, m.edit(nil), false)
	}
	if err := r.settled(ctx); err != nil {
		return err
	}
	return r.editOriginal(ctx, m)
}

// DeferUpdate acknowledges a pressed component without showing anything. After an acknowledgement it does nothing.
func (r *Responder) DeferUpdate(ctx context.Context) error {
	if r.claim() {
		if !r.hasMessage() {
			return r.deferReply(ctx, r.private)
		}
		return r.callback(ctx, callbackDeferUpdate, nil, false)
	}
	return r.settled(ctx)
}

// Edit changes the message that this interaction answered with, or the message with the component. Without an
// acknowledgement it is Reply or Update.
func (r *Responder) Edit(ctx context.Context, m Message) error {
	r.mu.Lock()
	claimed := r.claimed
	r.mu.Unlock()
	if !claimed {
		if r.hasMessage() {
			return r.Update(ctx, m)
		}
		return r.Reply(ctx, m)
	}
	if err := m.Validate(); err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	if err := r.settled(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	kind, fill := r.kind, r.waiting
	r.waiting = false
	r.mu.Unlock()
	if kind == callbackChoices || kind == callbackModal {
		return ErrTooLate
	}
	err := r.editOriginal(ctx, m)
	if fill {
		return r.unfilled(err)
	}
	return err
}

// unfilled notes, after an error, that the deferred reply is still empty: what is said next has to end the "thinking…".
func (r *Responder) unfilled(err error) error {
	if err != nil && !IsUnknownMessage(err) {
		r.mu.Lock()
		r.waiting = true
		r.mu.Unlock()
	}
	return err
}

// Followup sends another message. Without an acknowledgement it is the reply.
func (r *Responder) Followup(ctx context.Context, m Message) (MessageRef, error) {
	if err := m.Validate(); err != nil {
		return MessageRef{}, fmt.Errorf("follow-up: %w", err)
	}
	r.mu.Lock()
	claimed := r.claimed
	r.mu.Unlock()
	if !claimed {
		if err := r.Reply(ctx, m); err != nil {
			return MessageRef{}, err
		}
		return r.Message(ctx)
	}
	if err := r.settled(ctx); err != nil {
		return MessageRef{}, err
	}
	return r.followup(ctx, m)
}

// Autocomplete suggests values for the focused option; more than MaxChoices are cut off. ErrTooLate says that the person
// has gone on already: nothing needs to be done.
func (r *Responder) Autocomplete(ctx context.Context, choices []Choice) error {
	if !r.claim() {
		return ErrTooLate
	}
	return r.callback(ctx, callbackChoices, map[string]any{"choices": wireChoices(choices)}, false)
}

// Modal opens a form. It must be the first answer, and cannot answer a form; ErrTooLate says that it was not the first.
func (r *Responder) Modal(ctx context.Context, m Modal) error {
	if err := m.Validate(); err != nil {
		return fmt.Errorf("modal: %w", err)
	}
	if r.in.Type == ModalSubmit {
		return errors.New("modal: a form cannot answer a form")
	}
	if !r.claim() {
		return ErrTooLate
	}
	return r.callback(ctx, callbackModal, m.wire(), false)
}

// Message returns a reference to the reply, or to the message with the component, for edits beyond this interaction's
// life. It fails before the acknowledgement and for forms and completions.
func (r *Responder) Message(ctx context.Context) (MessageRef, error) {
	r.mu.Lock()
	claimed := r.claimed
	r.mu.Unlock()
	if !claimed {
		return MessageRef{}, errors.New("message: nothing was answered yet")
	}
	if err := r.settled(ctx); err != nil {
		return MessageRef{}, err
	}
	r.mu.Lock()
	ref, kind := r.ref, r.kind
	r.mu.Unlock()
	if kind == callbackChoices || kind == callbackModal {
		return MessageRef{}, errors.New("message: the answer is no message")
	}
	if ref.MessageID != "" {
		return ref, nil
	}
	body, err := r.bot.rest.do(ctx, call{
		method: http.MethodGet, path: webhookPath(r.in.AppID, r.in.Token) + "/messages/@original",
		route: "GET original reply", bucket: "webhook " + tail(r.in.Token),
	})
	if err != nil {
		return MessageRef{}, err
	}
	var m struct {
		ID        string `json:"id"`
		ChannelID string `json:"channel_id"`
		Flags     int    `json:"flags"`
	}
	if err := json.Unmarshal(body, &m); err != nil || m.ID == "" {
		return MessageRef{}, errors.New("message: unreadable original reply")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ref.MessageID, r.ref.Ephemeral = m.ID, m.Flags&flagEphemeral != 0
	if m.ChannelID != "" {
		r.ref.ChannelID = m.ChannelID
	}
	return r.ref, nil
}

// Deferred reports whether the router had to acknowledge because the handler was slow, and the handler has not taken its
// promise over by Defer.
func (r *Responder) Deferred() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.auto
}

// hasMessage reports whether the interaction came from a component of a message.
func (r *Responder) hasMessage() bool { return r.in.Component.MessageID+r.in.Modal.MessageID != "" }

// claim takes the right to acknowledge; one caller ever gets it.
func (r *Responder) claim() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.claimed {
		return false
	}
	r.claimed = true
	if r.timer.Stop() {
		r.bot.timers.Done()
	}
	return true
}

// settled waits for the acknowledgement under way and returns its error.
func (r *Responder) settled(ctx context.Context) error {
	select {
	case <-r.acked:
	case <-ctx.Done():
		return fmt.Errorf("wait for acknowledgement: %w", ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ackErr
}

func (r *Responder) acknowledgeForHandler() {
	kind := callbackDefer
	switch {
	case r.in.Type == CommandComplete:
		kind = callbackChoices
	case r.hasMessage():
		kind = callbackDeferUpdate
	}
	r.mu.Lock()
	if r.claimed {
		r.mu.Unlock()
		return
	}
	r.claimed, r.auto, r.waiting = true, true, kind == callbackDefer
	r.mu.Unlock()
	r.bot.stats.AutoDeferred.Add(1)
	ctx := context.Background() // the handler's may be over; callback sets the deadline
	var err error
	switch kind {
	case callbackChoices:
		err = r.callback(ctx, kind, map[string]any{"choices": []wireChoice{}}, false)
	case callbackDeferUpdate:
		err = r.callback(ctx, kind, nil, false)
	default:
		err = r.deferReply(ctx, r.private)
	}
	if err != nil {
		r.bot.log.Warn().Err(err).Str("interaction", label(r.in)).Msg("automatic acknowledgement was lost")
	}
}

func (r *Responder) deferFirst(ctx context.Context, ephemeral bool) error {
	if r.claim() {
		return r.deferReply(ctx, ephemeral)
	}
	return r.settled(ctx)
}

func (r *Responder) deferReply(ctx context.Context, ephemeral bool) error {
	var data any
	if ephemeral {
		data = map[string]any{"flags": flagEphemeral}
	}
	return r.callback(ctx, callbackDefer, data, ephemeral)
}

// callback sends the acknowledgement. The caller has claimed it.
func (r *Responder) callback(ctx context.Context, kind int, data any, ephemeral bool) error {
	now := r.bot.opts.Now()
	ctx, cancel := context.WithTimeout(ctx, max(r.bot.opts.AnswerWindow-now.Sub(r.in.Created), answerWindow-autoDefer))
	defer cancel()
	payload := map[string]any{"type": kind}
	if data != nil {
		payload["data"] = data
	}
	req := call{
		method: http.MethodPost, path: "/interactions/" + r.in.ID + "/" + pathEscape(r.in.Token) + "/callback",
		route: "POST interaction callback", bucket: "callback " + r.in.ID, json: payload, vital: true, quick: true,
	}
	if kind == callbackReply || kind == callbackDefer {
		req.query = "with_response=true"
	}
	body, err := r.bot.rest.do(ctx, req)
	if hasCode(err, codeAlreadyAcknowledged) {
		err = nil // an attempt whose answer was lost had arrived; nobody else acknowledges
	}
	if err != nil && (kind == callbackReply || kind == callbackDefer) && r.arrived(ctx, err) {
		err = nil
	}
	took := r.bot.opts.Now().Sub(r.in.Received)
	r.bot.stats.ackDone(took, err)

	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(r.acked)
	r.kind, r.ephemeral = kind, ephemeral
	r.waiting = kind == callbackDefer
	if err != nil {
		r.ackErr = fmt.Errorf("acknowledge %s: %w", label(r.in), err)
		return r.ackErr
	}
	switch kind {
	case callbackReply, callbackDefer:
		r.ref.Ephemeral = ephemeral
		var answer struct {
			Interaction struct {
				ResponseMessageID string `json:"response_message_id"`
			} `json:"interaction"`
		}
		if json.Unmarshal(body, &answer) == nil { // without it the message is looked up when it is needed
			r.ref.MessageID = answer.Interaction.ResponseMessageID
		}
	case callbackUpdate, callbackDeferUpdate:
		r.ref.MessageID = r.in.Component.MessageID + r.in.Modal.MessageID // only one is set
	}
	return nil
}

// arrivedTime bounds the question whether an acknowledgement arrived whose answer did not come back.
const arrivedTime = 3 * time.Second

// arrived asks whether Discord has an acknowledgement although it seems to have failed: then the person is told that we
// are thinking, and somebody has to end that.
func (r *Responder) arrived(ctx context.Context, failure error) bool {
	if api, ok := errors.AsType[*APIError](failure); ok && api.Status < http.StatusInternalServerError {
		return false // a refusal
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), arrivedTime) // the time for the acknowledgement is over
	defer cancel()
	_, err := r.bot.rest.do(ctx, call{
		method: http.MethodGet, path: webhookPath(r.in.AppID, r.in.Token) + "/messages/@original",
		route: "GET original reply", bucket: "webhook " + tail(r.in.Token), vital: true, quick: true,
	})
	return err == nil
}

func (s *counters) ackDone(took time.Duration, err error) {
	if err != nil {
		s.AckFailed.Add(1)
		return
	}
	s.Acknowledged.Add(1)
	s.ackNanos.Add(int64(took))
	s.acks[ackBucket(took)].Add(1)
	for {
		old := s.ackMax.Load()
		if int64(took) <= old || s.ackMax.CompareAndSwap(old, int64(took)) {
			return
		}
	}
}

func (r *Responder) editOriginal(ctx context.Context, m Message) error {
	r.mu.Lock()
	ref := r.ref
	r.mu.Unlock()
	if ref.MessageID == "" {
		ref.MessageID = "@original"
	}
	return r.bot.EditMessage(ctx, ref, m)
}

func (r *Responder) followup(ctx context.Context, m Message) (MessageRef, error) {
	if m.blank() {
		return MessageRef{}, errors.New("follow-up: the message shows nothing")
	}
	body, err := r.bot.rest.do(ctx, call{
		method: http.MethodPost, path: webhookPath(r.in.AppID, r.in.Token), query: "wait=true",
		route: "POST follow-up", bucket: "webhook " + tail(r.in.Token), json: m.create(), files: m.Files, once: true,
	})
	if hasCode(err, codeMaxFollowups) { // where people alone have installed us there may be a few only
		r.mu.Lock()
		ref, same := r.ref, r.ephemeral == m.Ephemeral && (r.kind == callbackReply || r.kind == callbackDefer)
		r.mu.Unlock()
		if same {
			return ref, r.editOriginal(ctx, m)
		}
	}
	if err != nil {
		return MessageRef{}, err
	}
	ref := MessageRef{
		ChannelID: r.in.ChannelID, AppID: r.in.AppID, Token: r.in.Token,
		Expires: r.in.Created.Add(tokenLife), Ephemeral: m.Ephemeral,
	}
	return ref, readRef(body, &ref)
}
