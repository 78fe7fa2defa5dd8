// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/kudos"
)

// Bounds of an export.
const (
	exportRequests = 2000    // the newest
	exportMoves    = 5000    // of kudos, likewise
	exportBytes    = 8 << 20 // what fits into a message
)

// export is everything about somebody, as they get it.
type export struct {
	Made      time.Time         `json:"made"`
	Discord   string            `json:"discord_id"`
	Account   *exportAccount    `json:"account,omitempty"`
	Documents []exportDocument  `json:"documents"`
	Requests  []exportedRequest `json:"requests"`
}

type exportAccount struct {
	Name       string        `json:"name"`
	Created    time.Time     `json:"created"`
	LastActive time.Time     `json:"last_active"`
	Kudos      string        `json:"kudos"`
	Held       string        `json:"kudos_held"`
	Evaluated  string        `json:"kudos_being_evaluated"`
	Details    horde.Details `json:"kudos_details_in_hundredths"`
	Images     horde.Records `json:"images"`
	Texts      horde.Records `json:"texts"`
	Alchemy    horde.Records `json:"alchemy"`
	Contact    string        `json:"contact,omitempty"`
	Workers    []string      `json:"workers,omitempty"`

	SharedKeys []exportedKey    `json:"shared_keys,omitempty"`
	Styles     []exportedStyle  `json:"styles,omitempty"`
	Waiting    []horde.Gift     `json:"gifts_that_wait,omitempty"`
	Aside      []horde.Purse    `json:"kudos_set_aside,omitempty"`
	Movements  []exportedMove   `json:"movements_of_kudos,omitempty"`
	Ratings    []exportedRating `json:"ratings,omitempty"`
}

// exportedKey leaves the key itself out: whoever finds the file could use it.
type exportedKey struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Used    string    `json:"kudos_used"`
}

type exportedStyle struct {
	Name    string `json:"name"`
	Info    string `json:"info,omitempty"`
	Prompt  string `json:"prompt"`
	Public  bool   `json:"public"`
	NSFW    bool   `json:"nsfw,omitempty"`
	Used    int64  `json:"used"`
	ForWhat string `json:"type"`
}

type exportedMove struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Key    string    `json:"key"`
	Amount string    `json:"kudos"`
}

type exportedRating struct {
	Image     string    `json:"image"`
	At        time.Time `json:"at"`
	Rating    int       `json:"rating,omitempty"`
	Artifacts *int      `json:"artifacts,omitempty"`
	Best      bool      `json:"best,omitempty"`
	Own       bool      `json:"own_image,omitempty"`
	Guild     string    `json:"guild,omitempty"`
	Kudos     string    `json:"kudos"`
}

type exportDocument struct {
	Kind  chat.DocKind    `json:"kind"`
	Key   string          `json:"key"`
	Guild string          `json:"guild,omitempty"`
	Value json.RawMessage `json:"value"`
}

type exportedRequest struct {
	Asked   time.Time       `json:"asked"`
	Guild   string          `json:"guild,omitempty"`
	Channel string          `json:"channel"`
	Message string          `json:"message,omitempty"`
	Request string          `json:"request,omitempty"`
	Params  json.RawMessage `json:"parameters,omitempty"`
}

// gather collects everything about a person that this process can find. Tokens are secrets of the bot, and not theirs.
func (s *Set) gather(ctx context.Context, person string) ([]byte, error) {
	out := export{Made: s.now().UTC(), Discord: person}
	if u, ok := s.engine.UserByExternal(external(person)); ok {
		account, err := s.gatherAccount(ctx, &u)
		if err != nil {
			return nil, err
		}
		out.Account = account
	}
	docs, err := s.deps.Docs.DocsOfPerson(ctx, "", person)
	if err != nil {
		return nil, fmt.Errorf("documents of a person: %w", err)
	}
	for _, d := range docs {
		if d.Kind != chat.KindFuse {
			out.Documents = append(out.Documents, exportDocument{Kind: d.Kind, Key: d.Key, Guild: d.Guild, Value: unsealed(d.Value)})
		}
	}
	rows, err := s.deps.Docs.MessagesOfPerson(ctx, person, exportRequests)
	if err != nil {
		return nil, fmt.Errorf("requests of a person: %w", err)
	}
	for _, row := range rows {
		e := exportedRequest{Asked: row.Created, Guild: row.Guild, Channel: row.Channel, Message: row.Message, Request: row.Request}
		if json.Valid(row.Params) && !isGone(row) {
			e.Params = unsealed(row.Params)
		}
		out.Requests = append(out.Requests, e)
	}
	for {
		data, err := json.MarshalIndent(out, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("write an export: %w", err)
		}
		if len(data) <= exportBytes || len(out.Requests) == 0 {
			return data, nil
		}
		out.Requests = out.Requests[:len(out.Requests)/2]
	}
}

// gatherAccount is the part of an export about an account.
func (s *Set) gatherAccount(ctx context.Context, u *horde.User) (*exportAccount, error) {
	a := &exportAccount{
		Name: u.Alias(), Created: u.Created, LastActive: u.LastActive, Kudos: u.Balance.String(), Held: u.Held.String(),
		Evaluated: u.Evaluated.String(), Details: u.Details, Images: u.Image, Texts: u.Text, Alchemy: u.Alchemy, Contact: u.Contact,
		Waiting: s.engine.GiftsFrom(u.ID), Aside: s.engine.Purses(u.ID),
	}
	for _, id := range s.engine.WorkersOf(u.ID) {
		if w, ok := s.engine.Worker(id); ok {
			a.Workers = append(a.Workers, w.Offer.Name)
		}
	}
	for _, k := range s.ownKeys(u.ID) {
		a.SharedKeys = append(a.SharedKeys, exportedKey{Name: k.Name, Created: k.Created, Used: k.Used.String()})
	}
	for _, v := range s.engine.StylesOf(u.ID) {
		a.Styles = append(a.Styles, exportedStyle{
			Name: v.Name, Info: v.Info, Prompt: v.Prompt, Public: v.Public, NSFW: v.NSFW, Used: v.Uses, ForWhat: string(v.Kind),
		})
	}
	moves, err := s.deps.History(ctx, kudos.Of(int64(u.ID), kudos.Spendable), nil, exportMoves)
	if err != nil {
		return nil, fmt.Errorf("movements of an account: %w", err)
	}
	for _, m := range moves {
		a.Movements = append(a.Movements, exportedMove{At: m.At, Kind: fmt.Sprint(m.Kind), Key: m.Key, Amount: m.Amount.String()})
	}
	if s.deps.Ratings == nil {
		return a, nil
	}
	said, err := s.deps.Ratings.Said(ctx, u.ID)
	if err != nil {
		return nil, fmt.Errorf("ratings of an account: %w", err)
	}
	for _, v := range said {
		e := exportedRating{Image: v.Image.String(), At: v.At, Rating: v.Rating, Best: v.Best, Own: v.Own, Guild: v.Guild, Kudos: v.Reward.String()}
		if v.Artifacts != horde.NoArtifacts {
			e.Artifacts = &v.Artifacts
		}
		a.Ratings = append(a.Ratings, e)
	}
	return a, nil
}

// unsealed is a document without what is encrypted in it: keys are no one's to read, not even in this form.
func unsealed(data []byte) json.RawMessage {
	if !bytes.Contains(data, []byte(`"sealed"`)) {
		return data
	}
	var v any
	if json.Unmarshal(data, &v) != nil {
		return nil
	}
	strip(v)
	out, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return out
}

func strip(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "sealed")
		for _, inner := range v {
			strip(inner)
		}
	case []any:
		for _, inner := range v {
			strip(inner)
		}
	}
}
