// SPDX-License-Identifier: AGPL-3.0-or-later

package chat

import "time"

// Kinds of documents about parties.
const (
	KindParty      DocKind = "party"       // Party, by its thread
	KindPartyDraft DocKind = "party_draft" // Party, by the interaction that asked for it
)

// MaxPartyEntries is how many entries a party takes.
const MaxPartyEntries = 300

// PartyStage says how far a party is. The names are stored.
type PartyStage string

// The stages.
const (
	PartyRunning PartyStage = "running"
	PartyEnding  PartyStage = "ending"  // no more entries; what is owed is given, the results are told
	PartyWaiting PartyStage = "waiting" // for the host, who picks the favourite
	PartyOver    PartyStage = "over"
)

// PartyWinner says who finds the favourite picture.
type PartyWinner string

// The choices.
const (
	WinnerNone  PartyWinner = "none"
	WinnerHost  PartyWinner = "host"
	WinnerEmoji PartyWinner = "emoji" // most people who reacted with the party's emoji
)

// Party is pictures made together on a theme. Amounts are hundredths of a kudos.
type Party struct {
	Name    string `json:"name"`
	Theme   string `json:"theme,omitempty"`
	Guild   string `json:"guild"`
	Channel string `json:"channel"` // where it was begun
	Host    string `json:"host"`
	User    int64  `json:"user"` // the host's account
	Locale  string `json:"locale,omitempty"`

	Model  string   `json:"model,omitempty"`
	Words  []string `json:"words,omitempty"` // that every prompt has
	Award  int64    `json:"award,omitempty"` // for each entry
	Per    int      `json:"per"`             // rewards of one person
	Prize  int64    `json:"prize,omitempty"`
	Budget int64    `json:"budget,omitempty"` // set aside so far
	Purse  string   `json:"purse,omitempty"`  // that holds it

	Picks  PartyWinner `json:"picks"`
	Emoji  string      `json:"emoji,omitempty"`
	Winner int         `json:"winner,omitempty"` // number of the entry
	Ended  string      `json:"ended,omitempty"`  // who ended it early

	Stage   PartyStage   `json:"stage"`
	Asked   time.Time    `json:"asked,omitzero"` // when the host was asked to pick
	Hours   int          `json:"hours"`
	Begun   time.Time    `json:"begun"`
	Ends    time.Time    `json:"ends"`
	Due     time.Time    `json:"due"`
	Entries []PartyEntry `json:"entries,omitempty"`
}

// PartyEntry is one picture of a party; entries are numbered from 1.
type PartyEntry struct {
	Key     string    `json:"key"` // of the request
	Person  string    `json:"person"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
	Reward  int64     `json:"reward,omitempty"`
	Given   bool      `json:"given,omitempty"` // the reward
	Votes   int       `json:"votes,omitempty"` // counted at the end
}

// Promised adds up the rewards, given or on their way.
func (p *Party) Promised() int64 {
	sum := int64(0)
	for _, e := range p.Entries {
		sum += e.Reward
	}
	return sum
}

// Left is what there is for rewards of further entries: the prize is kept back.
func (p *Party) Left() int64 { return max(p.Budget-p.Prize-p.Promised(), 0) }

// Enter adds an entry, once for each key, and promises its reward where there is one: not to the host, not beyond what a
// person may have, not beyond what is left. It returns the entry's number, and whether it is new; 0 says that the party
// takes no more.
func (p *Party) Enter(e PartyEntry) (number int, fresh bool) {
	rewards := 0
	for i, x := range p.Entries {
		if x.Key == e.Key {
			return i + 1, false
		}
		if x.Person == e.Person && x.Reward > 0 {
			rewards++
		}
	}
	if p.Stage != PartyRunning || len(p.Entries) >= MaxPartyEntries {
		return 0, false
	}
	e.Reward, e.Given = 0, false
	if p.Award > 0 && e.Person != p.Host && rewards < p.Per && p.Left() >= p.Award {
		e.Reward = p.Award
	}
	p.Entries = append(p.Entries, e)
	return len(p.Entries), true
}

// Favourite is the number of the entry with most votes, the earliest of several; 0 when nobody voted.
func (p *Party) Favourite() int {
	best := 0
	for i, e := range p.Entries {
		if e.Votes > 0 && (best == 0 || e.Votes > p.Entries[best-1].Votes) {
			best = i + 1
		}
	}
	return best
}
