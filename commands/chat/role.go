// SPDX-License-Identifier: AGPL-3.0-or-later

package chat

import (
	"slices"
	"time"
)

// Kinds of documents about roles that follow people.
const (
	KindRoles    DocKind = "roles"    // Roles, by guild
	KindMember   DocKind = "member"   // Member, by guild, a colon and the person; it is due when roles are to be looked at
	KindRolePass DocKind = "rolepass" // RolePass, by guild; it is due when the next pass begins or goes on
)

// Bounds of rules about roles.
const (
	MaxRoleRules      = 50 // in a guild
	MaxRoleConditions = 3  // in a rule
	MaxGraceDays      = 90
	MaxRoleNumber     = 1_000_000_000 // that a condition may ask for
)

// RoleTest names what a condition looks at. The names are stored.
type RoleTest string

// What conditions look at. Those that end a comment with N ask for at least that much.
const (
	RoleLinked    RoleTest = "linked"  // has an account
	RoleTrusted   RoleTest = "trusted" // the account is trusted
	RoleModerator RoleTest = "moderator"
	RoleWorker    RoleTest = "worker" // owns a worker of any kind
	RoleDreamer   RoleTest = "worker_image"
	RoleScribe    RoleTest = "worker_text"
	RoleAlchemist RoleTest = "worker_alchemist"
	RoleOnline    RoleTest = "online"    // one of the workers was online in the last N days
	RoleGenerated RoleTest = "generated" // N images or texts made by the workers
	RoleRequested RoleTest = "requested" // N images or texts asked for
	RoleRated     RoleTest = "rated"     // N images
	RoleGiven     RoleTest = "given"     // N kudos, to others
	RoleEarned    RoleTest = "earned"    // N kudos, with the workers
	RoleAge       RoleTest = "age"       // N days since the account was opened
	RoleTeam      RoleTest = "team"      // a worker is in the team
	RoleWinner    RoleTest = "party"     // won N parties in the guild
)

// RoleTests lists all tests in the order in which people choose them.
func RoleTests() []RoleTest {
	return []RoleTest{
		RoleLinked, RoleTrusted, RoleWorker, RoleDreamer, RoleScribe, RoleAlchemist, RoleOnline, RoleGenerated, RoleRequested,
		RoleRated, RoleGiven, RoleEarned, RoleAge, RoleTeam, RoleModerator, RoleWinner,
	}
}

// Numbered reports whether a test asks for a number.
func (t RoleTest) Numbered() bool {
	switch t {
	case RoleOnline, RoleGenerated, RoleRequested, RoleRated, RoleGiven, RoleEarned, RoleAge, RoleWinner:
		return true
	case RoleLinked, RoleTrusted, RoleModerator, RoleWorker, RoleDreamer, RoleScribe, RoleAlchemist, RoleTeam:
	}
	return false
}

// RoleCondition is one condition of a rule.
type RoleCondition struct {
	Test RoleTest `json:"test"`
	N    int64    `json:"n,omitempty"`
	Team string   `json:"team,omitempty"` // ID
	Name string   `json:"name,omitempty"` // of the team, when the rule was made
}

// RoleRule gives a role to people who meet all its conditions. Several rules may give the same role: one of them is enough.
type RoleRule struct {
	ID    int             `json:"id"` // unique in the guild
	Role  string          `json:"role"`
	All   []RoleCondition `json:"all"`
	Grace int             `json:"grace,omitempty"` // days before the role is taken back
	Keep  bool            `json:"keep,omitempty"`  // never taken back
	By    string          `json:"by"`
	Made  time.Time       `json:"made"`
}

// RolePause says why nothing happens with a role for now.
type RolePause struct {
	Until time.Time `json:"until,omitzero"` // zero: until somebody changes the rules, since the role is gone
	Gone  bool      `json:"gone,omitempty"`
	Told  bool      `json:"told,omitempty"` // the guild was told
	// Unsafe says that the role became one that no rule may hand out.
	Unsafe bool `json:"unsafe,omitempty"`
}

// Roles are a guild's rules.
type Roles struct {
	Last     int                  `json:"last"` // number of the newest rule
	Rules    []RoleRule           `json:"rules"`
	Paused   map[string]RolePause `json:"paused,omitempty"`   // by role
	Released []string             `json:"released,omitempty"` // roles without rules that people keep
	Channel  string               `json:"channel,omitempty"`  // where rules were changed last
}

// Of lists the rules of a role.
func (r *Roles) Of(role string) []RoleRule {
	var out []RoleRule
	for _, rule := range r.Rules {
		if rule.Role == role {
			out = append(out, rule)
		}
	}
	return out
}

// Named lists the roles that there are rules for, each once.
func (r *Roles) Named() []string {
	var out []string
	for _, rule := range r.Rules {
		if !slices.Contains(out, rule.Role) {
			out = append(out, rule.Role)
		}
	}
	return out
}

// Uses reports whether a condition of some rule looks at something.
func (r *Roles) Uses(t RoleTest) bool {
	return slices.ContainsFunc(r.Rules, func(rule RoleRule) bool {
		return slices.ContainsFunc(rule.All, func(c RoleCondition) bool { return c.Test == t })
	})
}

// Resting reports whether nothing happens with a role now.
func (r *Roles) Resting(role string, now time.Time) bool {
	p, ok := r.Paused[role]
	return ok && (p.Gone || now.Before(p.Until))
}

// RoleGrant is a role that the bot gave somebody.
type RoleGrant struct {
	Rule  int       `json:"rule"`
	Since time.Time `json:"since"`
	Given bool      `json:"given,omitempty"` // false while it is being given
	Lost  time.Time `json:"lost,omitzero"`   // when the conditions ceased to hold
}

// Member is a person that was seen in a guild, and what the bot gave them there.
type Member struct {
	Seen   time.Time            `json:"seen"`
	Grants map[string]RoleGrant `json:"grants,omitempty"`  // by role
	ByHand []string             `json:"by_hand,omitempty"` // roles of rules that somebody else gave them
	Tries  int                  `json:"tries,omitempty"`   // in a row that went wrong
}

// RolePass is one look at all known members of a guild.
type RolePass struct {
	Running bool      `json:"running,omitempty"`
	After   string    `json:"after,omitempty"` // the last person that was looked at
	Looked  int       `json:"looked,omitempty"`
	Total   int       `json:"total,omitempty"`
	Given   int       `json:"given,omitempty"`
	Taken   int       `json:"taken,omitempty"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"` // of the last whole pass
}

// RoleFacts is what is known about a person when rules are applied.
type RoleFacts struct {
	Linked, Trusted, Moderator bool
	Workers                    map[RoleTest]int // by RoleDreamer, RoleScribe, RoleAlchemist
	LastOnline                 time.Time        // of any worker; zero: never
	Created                    time.Time        // of the account
	Numbers                    map[RoleTest]int64
	Teams                      []string // IDs
}

// Has tells how much of what a condition asks for there is: the number for tests that ask for one, else 0 or 1.
func (f *RoleFacts) Has(c RoleCondition, now time.Time) int64 {
	yes := false
	switch c.Test {
	case RoleLinked:
		yes = f.Linked
	case RoleTrusted:
		yes = f.Trusted
	case RoleModerator:
		yes = f.Moderator
	case RoleWorker:
		yes = f.Workers[RoleDreamer]+f.Workers[RoleScribe]+f.Workers[RoleAlchemist] > 0
	case RoleDreamer, RoleScribe, RoleAlchemist:
		yes = f.Workers[c.Test] > 0
	case RoleOnline:
		if f.LastOnline.IsZero() {
			return -1
		}
		return int64(now.Sub(f.LastOnline).Hours() / 24)
	case RoleAge:
		if f.Linked {
			return int64(now.Sub(f.Created).Hours() / 24)
		}
		return 0
	case RoleTeam:
		yes = slices.Contains(f.Teams, c.Team)
	case RoleGenerated, RoleRequested, RoleRated, RoleGiven, RoleEarned, RoleWinner:
		return f.Numbers[c.Test]
	}
	if yes {
		return 1
	}
	return 0
}

// Meets reports whether a condition holds.
func (f *RoleFacts) Meets(c RoleCondition, now time.Time) bool {
	has := f.Has(c, now)
	switch {
	case c.Test == RoleOnline:
		return has >= 0 && now.Sub(f.LastOnline) <= time.Duration(c.N)*24*time.Hour
	case c.Test.Numbered():
		return f.Linked && has >= c.N
	}
	return has > 0
}

// Earns reports whether all conditions of a rule hold.
func (f *RoleFacts) Earns(rule RoleRule, now time.Time) bool {
	for _, c := range rule.All {
		if !f.Meets(c, now) {
			return false
		}
	}
	return len(rule.All) > 0
}

// RolePlan is what to do about a person's roles.
type RolePlan struct {
	Give    []RoleRule // the rule that earns each role
	Take    []string
	Lost    []string // whose conditions ceased to hold just now
	Regain  []string // whose conditions hold again
	Release []string // grants to forget
	Next    time.Time
}

// Empty reports whether there is nothing to do now.
func (p *RolePlan) Empty() bool {
	return len(p.Give)+len(p.Take)+len(p.Lost)+len(p.Regain)+len(p.Release) == 0
}

// Plan compares what somebody has from the bot with what the rules give them. Roles at rest are left alone.
func (r *Roles) Plan(m Member, f *RoleFacts, now time.Time) RolePlan {
	var p RolePlan
	for _, role := range r.Named() {
		if r.Resting(role, now) {
			continue
		}
		grant, granted := m.Grants[role]
		rules := r.Of(role)
		i := slices.IndexFunc(rules, func(rule RoleRule) bool { return f.Earns(rule, now) })
		switch {
		case i >= 0 && !granted && slices.Contains(m.ByHand, role):
		case i >= 0 && (!granted || !grant.Given):
			p.Give = append(p.Give, rules[i])
		case i >= 0 && !grant.Lost.IsZero():
			p.Regain = append(p.Regain, role)
		case i >= 0 || !granted || slices.ContainsFunc(rules, func(rule RoleRule) bool { return rule.Keep }):
		default:
			grace := 0
			for _, rule := range rules {
				grace = max(grace, rule.Grace)
			}
			since := grant.Lost
			if since.IsZero() {
				since = now
			}
			ends := since.AddDate(0, 0, grace)
			switch {
			case !now.Before(ends):
				p.Take = append(p.Take, role)
			case grant.Lost.IsZero():
				p.Lost = append(p.Lost, role)
				fallthrough
			default:
				if p.Next.IsZero() || ends.Before(p.Next) {
					p.Next = ends
				}
			}
		}
	}
	for role := range m.Grants {
		switch {
		case len(r.Of(role)) > 0 || r.Resting(role, now):
		case slices.Contains(r.Released, role):
			p.Release = append(p.Release, role)
		default:
			p.Take = append(p.Take, role)
		}
	}
	slices.Sort(p.Take)
	slices.Sort(p.Release)
	return p
}
