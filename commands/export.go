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
	exportRequests = 10_000  // the newest
	exportMoves    = 1000    // of kudos, likewise
	exportBytes    = 7 << 20 // of one file; with what stands around it fits into a message
	exportFiles    = 10
)

// export is everything about somebody, as they get it, or one part of it.
type export struct {
	Made      time.Time         `json:"made"`
	Discord   string            `json:"discord_id"`
	Part      int               `json:"part"`
	Parts     int               `json:"parts"`
	LeftOut   *exportLeftOut    `json:"left_out,omitempty"`
	Account   *exportAccount    `json:"account,omitempty"`
	Documents []exportDocument  `json:"documents,omitempty"`
	Requests  []exportedRequest `json:"requests,omitempty"`
}

// exportLeftOut says what an export does not hold because there is too much of it.
type exportLeftOut struct {
	Documents int       `json:"documents,omitempty"`
	Requests  time.Time `json:"requests_before,omitzero"`
	Movements time.Time `json:"movements_of_kudos_before,omitzero"`
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

// gather collects everything about a person that this process can find, in files that fit into messages. all is false when
// there is more. Tokens are secrets of the bot, and not theirs.
func (s *Set) gather(ctx context.Context, person string) (files [][]byte, all bool, err error) {
	whole := export{LeftOut: &exportLeftOut{}}
	if u, ok := s.engine.UserByExternal(external(person)); ok {
		if whole.Account, err = s.gatherAccount(ctx, &u); err != nil {
			return nil, false, err
		}
		if n := len(whole.Account.Movements); n >= exportMoves {
			whole.LeftOut.Movements = whole.Account.Movements[n-1].At
		}
	}
	docs, err := s.deps.Docs.DocsOfPerson(ctx, "", person)
	if err != nil {
		return nil, false, fmt.Errorf("documents of a person: %w", err)
	}
	for _, d := range docs {
		if d.Kind != chat.KindFuse {
			whole.Documents = append(whole.Documents, exportDocument{Kind: d.Kind, Key: d.Key, Guild: d.Guild, Value: unsealed(d.Value)})
		}
	}
	rows, err := s.deps.Docs.MessagesOfPerson(ctx, person, exportRequests)
	if err != nil {
		return nil, false, fmt.Errorf("requests of a person: %w", err)
	}
	for _, row := range rows {
		e := exportedRequest{Asked: row.Created, Guild: row.Guild, Channel: row.Channel, Message: row.Message, Request: row.Request}
		if json.Valid(row.Params) && !isGone(row) {
			e.Params = unsealed(row.Params)
		}
		whole.Requests = append(whole.Requests, e)
	}
	if n := len(rows); n >= exportRequests {
		whole.LeftOut.Requests = rows[n-1].Created
	}
	parts, err := whole.split(exportBytes, exportFiles)
	if err != nil {
		return nil, false, err
	}
	all = *parts[0].LeftOut == exportLeftOut{}
	if all {
		parts[0].LeftOut = nil
	}
	for i, part := range parts {
		part.Made, part.Discord, part.Part, part.Parts = s.now().UTC(), person, i+1, len(parts)
		data, err := json.MarshalIndent(part, "", "  ")
		if err != nil {
			return nil, false, fmt.Errorf("write an export: %w", err)
		}
		files = append(files, data)
	}
	return files, all, nil
}

// split makes parts of an export, each of about so many bytes at most. The requests come last, the newest first, and what
// does not go into the most parts is noted as left out.
func (e export) split(bytes, most int) ([]*export, error) {
	first := &export{LeftOut: e.LeftOut, Account: e.Account}
	parts, room := []*export{first}, bytes
	weigh := func(v any) (int, error) {
		data, err := json.MarshalIndent(v, "    ", "  ")
		if err != nil {
			return 0, fmt.Errorf("write an export: %w", err)
		}
		return len(data) + len(",\n    "), nil
	}
	// into is the part that something goes into, or nil when there is no room any more.
	into := func(v any) (*export, error) {
		n, err := weigh(v)
		if err != nil {
			return nil, err
		}
		if n > room && room < bytes {
			if len(parts) == most {
				return nil, nil
			}
			parts, room = append(parts, &export{}), bytes
		}
		room -= n
		return parts[len(parts)-1], nil
	}
	if _, err := into(e.Account); err != nil {
		return nil, err
	}
	for _, d := range e.Documents {
		part, err := into(d)
		if err != nil {
			return nil, err
		}
		if part == nil {
			first.LeftOut.Documents++
			continue
		}
		part.Documents = append(part.Documents, d)
	}
	for _, q := range e.Requests {
		part, err := into(q)
		if err != nil {
			return nil, err
		}
		if part == nil {
			first.LeftOut.Requests = q.Asked.Add(time.Microsecond)
			break
		}
		part.Requests = append(part.Requests, q)
	}
	return parts, nil
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
