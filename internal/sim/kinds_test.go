// SPDX-License-Identifier: AGPL-3.0-or-later

package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/origin"
)

// What communities ask of scribes and alchemists.

type form struct {
	owner horde.UserID
	id    horde.FormID
}

func (c *community) askText() {
	n := horde.NewText{
		User: c.person(), N: 1 + c.r.IntN(4), SlowWorkers: c.r.IntN(4) > 0, AllowDowngrade: c.r.IntN(2) == 0,
		Models: [][]string{nil, {"tale-7B"}, {"epic-70B"}, {"tale-7B", "mystery"}}[c.r.IntN(4)],
		Text: horde.Text{
			Prompt: strings.Repeat("once ", 1+c.r.IntN(500)), MaxLength: 16 + c.r.IntN(700), MaxContext: 1024 << c.r.IntN(4),
			Validated: c.r.IntN(3) == 0,
		},
	}
	if c.r.IntN(5) == 0 {
		n.User = horde.Anonymous
	}
	got, err := try(c, horde.EnqueueText{NewText: n})
	c.mind(err)
	if err == nil {
		c.requests = append(c.requests, got.ID)
	}
}

func (c *community) popText() {
	owner := c.r.IntN(3)
	op := horde.Pop{Owner: c.people[owner], Type: horde.Scribe, Amount: 1 + c.r.IntN(3), Offer: horde.Offer{
		Name: fmt.Sprintf("pen %d", owner), BridgeAgent: []string{"KoboldCppEmbedWorker:2:x", "odd:1:x", "TabbyAPI:1:x"}[owner],
		Models: [][]string{{"tale-7B"}, {"tale-7B", "mystery"}, {"epic-70B"}}[owner], Threads: 1, MaxLength: 256 << owner, MaxContext: 2048 << owner,
	}}
	got, err := try(c, op)
	c.mind(err)
	for _, id := range got.Generations {
		c.texts = append(c.texts, job{op.Owner, id})
	}
}

func (c *community) submitText() {
	if len(c.texts) == 0 {
		return
	}
	j := c.texts[c.r.IntN(len(c.texts))]
	op := horde.Submit{
		Owner: j.owner, Type: horde.Scribe, Generation: j.id, Text: strings.Repeat("word ", c.r.IntN(600)),
		Faulted: c.r.IntN(6) == 0, Censored: c.r.IntN(9) == 0, CSAM: c.r.IntN(20) == 0,
	}
	got, err := engine.Do(context.Background(), c.engine, op)
	if errors.Is(err, engine.ErrUnavailable) {
		return // the worker does not know whether it counted; it may ask again later
	}
	c.mind(err)
	if err == nil && !op.Faulted && got.Reward > 0 {
		c.accepted[j.id]++
	}
}

func (c *community) askForms() {
	image := fmt.Sprintf("https://example.com/%d.png", c.r.IntN(20)) // some again and again
	n := horde.NewAlchemy{
		User: c.person(), Source: image, Linked: true, Identity: image, Tiles: 1 + c.r.IntN(20), Client: "sim",
		Origin:         origin.FromAddr(netip.AddrFrom4([4]byte{10, 0, 0, byte(c.r.IntN(3))})),
		TrustedWorkers: c.r.IntN(5) == 0, SlowWorkers: c.r.IntN(3) > 0,
	}
	for range 1 + c.r.IntN(4) {
		all := horde.AllForms()
		n.Forms = append(n.Forms, horde.NewForm{Name: all[c.r.IntN(len(all))]})
	}
	got, err := try(c, horde.EnqueueForms{NewAlchemy: n})
	c.mind(err)
	if err == nil {
		c.alchemies = append(c.alchemies, got.ID)
	}
}

func (c *community) popForms() {
	owner := c.r.IntN(3)
	op := horde.PopForms{Pop: horde.Pop{Owner: c.people[owner], Amount: 1 + c.r.IntN(4), Offer: horde.Offer{
		Name: fmt.Sprintf("still %d", owner), Forms: horde.AllForms()[:8+owner*4], BridgeAgent: "AI Horde Worker:24:x", Threads: 1, MaxTiles: 8 << owner,
	}}}
	got, err := try(c, op)
	c.mind(err)
	for _, f := range got.Forms {
		c.forms = append(c.forms, form{op.Owner, f.ID})
	}
}

func (c *community) submitForm() {
	if len(c.forms) == 0 {
		return
	}
	f := c.forms[c.r.IntN(len(c.forms))]
	_, err := engine.Do(context.Background(), c.engine, horde.SubmitForm{
		Owner: f.owner, Form: f.id, Result: json.RawMessage(`{"said": "something"}`), Faulted: c.r.IntN(5) == 0,
	})
	if !errors.Is(err, engine.ErrUnavailable) {
		c.mind(err)
	}
}

func (c *community) cancelForms() {
	if len(c.alchemies) > 0 {
		_, err := try(c, horde.CancelForms{Request: c.alchemies[c.r.IntN(len(c.alchemies))]})
		c.mind(err)
	}
}

// one of several things happens.
func (c *community) one(of ...func()) { of[c.r.IntN(len(of))]() }
