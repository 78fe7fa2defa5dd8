// SPDX-License-Identifier: AGPL-3.0-or-later

package chat

import (
	"slices"
	"time"
)

// Kinds of documents about parties.
const (
	KindParty      DocKind = "party"       // Party, by its thread
	KindPartyDraft DocKind = "party_draft" // Party, by the interaction that asked for it
	KindPartyVote  DocKind = "party_vote"  // PartyVote, by thread, a colon and the person; it is due when it is forgotten
	KindPartyWins  DocKind = "party_wins"  // PartyWins, by guild, a colon and the person
)

// Bounds of parties.
const (
	MaxPartyEntries   = 300 // that a party takes
	MaxPartyFinalists = 25  // that people vote between: what a list of Discord holds
	maxFilled         = 100 // additions of kudos that are told apart
	maxPartiesNamed   = 50  // of somebody's wins
)

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
	WinnerPoll  PartyWinner = "poll"  // most votes, after the party
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
	Style  string   `json:"style,omitempty"`
	Ping   string   `json:"ping,omitempty"`  // role that hears of the beginning
	Words  []string `json:"words,omitempty"` // that every prompt has
	Award  int64    `json:"award,omitempty"` // for each entry
	Per    int      `json:"per"`             // rewards of one person
	Prize  int64    `json:"prize,omitempty"`
	Budget int64    `json:"budget,omitempty"` // set aside so far
	Purse  string   `json:"purse,omitempty"`  // that holds it
	Pay    int64    `json:"pay,omitempty"`    // what pictures of guests may cost the host
	Key    *KeyUse  `json:"key,omitempty"`    // the shared key they cost it through; sealed for PayUse
	PayUse string   `json:"pay_use,omitempty"`

	Funds  []PartyFund `json:"funds,omitempty"`  // of others than the host
	Filled []string    `json:"filled,omitempty"` // keys of the last additions, so that none counts twice
	Back   []PartyFund `json:"back,omitempty"`   // what was left in the end, and whose it was

	Picks  PartyWinner `json:"picks"`
	Emoji  string      `json:"emoji,omitempty"`  // as Discord's routes want it: itself, or name:id of a guild's own
	Moving bool        `json:"moving,omitempty"` // the emoji is animated
	Finals []int       `json:"finals,omitempty"` // numbers of the entries that people vote between
	Winner int         `json:"winner,omitempty"` // number of the entry
	Ended  string      `json:"ended,omitempty"`  // who ended it early

	Rules   string       `json:"rules,omitempty"` // the message with them, which is pinned
	Stage   PartyStage   `json:"stage"`
	Begins  bool         `json:"begins,omitempty"` // its purse may end before it, or its rules are not posted
	Asked   time.Time    `json:"asked,omitzero"`   // when the host was asked to pick, or everybody to vote
	Told    bool         `json:"told,omitempty"`   // the results
	Hours   int          `json:"hours"`
	Begun   time.Time    `json:"begun"`
	Ends    time.Time    `json:"ends"`
	Due     time.Time    `json:"due"`
	Entries []PartyEntry `json:"entries,omitempty"`
}

// PartyFund is kudos of one person, in hundredths.
type PartyFund struct {
	Person string `json:"person"`
	User   int64  `json:"user"` // the account
	Amount int64  `json:"amount"`
}

// Fill reports whether an addition of kudos counts: each does once.
func (p *Party) Fill(key string) bool {
	if slices.Contains(p.Filled, key) {
		return false
	}
	list := append(slices.Clip(p.Filled), key)
	p.Filled = list[max(len(list)-maxFilled, 0):]
	return true
}

// Fund notes what somebody other than the host added.
func (p *Party) Fund(f PartyFund) {
	for i := range p.Funds {
		if p.Funds[i].User == f.User {
			p.Funds[i].Amount += f.Amount
			return
		}
	}
	p.Funds = append(p.Funds, f)
}

// Funder reports whether somebody added kudos, as the host or beside them.
func (p *Party) Funder(person string) bool {
	for _, f := range p.Funds {
		if f.Person == person {
			return true
		}
	}
	return person == p.Host
}

// Votes reports whether people may vote now. The question may be a moment older than the note that it was asked.
func (p *Party) Votes(now time.Time) bool {
	if p.Picks != WinnerPoll || len(p.Finals) == 0 || p.Winner > 0 {
		return false
	}
	return p.Asked.IsZero() && p.Stage == PartyEnding || p.Stage == PartyWaiting && now.Before(p.Due)
}

// PartyVote is the entry that somebody likes best. It is due when it is forgotten.
type PartyVote struct {
	Entry int       `json:"entry"`
	At    time.Time `json:"at"`
}

// PartyWins counts the parties of a guild in which somebody made the favourite picture.
type PartyWins struct {
	Count   int64    `json:"count"`
	Parties []string `json:"parties"` // the last ones, so that none counts twice
}

// Won counts a party, once.
func (w *PartyWins) Won(party string) {
	if slices.Contains(w.Parties, party) {
		return
	}
	w.Count++
	list := append(slices.Clip(w.Parties), party)
	w.Parties = list[max(len(list)-maxPartiesNamed, 0):]
}

// PartyRules are what a guild decides about parties. Zero numbers and empty lists leave it to the bot.
type PartyRules struct {
	Most     int      `json:"most,omitempty"`     // running at a time
	Days     int      `json:"days,omitempty"`     // of one, at most
	Channels []string `json:"channels,omitempty"` // where they may begin; empty: everywhere
	Pings    []string `json:"pings,omitempty"`    // roles that may be pinged; empty: none
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
