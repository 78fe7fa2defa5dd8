// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// verbRoleSync is the button that begins a pass, or shows how far it is.
const verbRoleSync = "rs"

// Bounds of /autorole.
const (
	maxRuleText = 100
	syncShown   = 20    // people named in a dry run
	syncLooked  = 5_000 // people a dry run looks at
)

func (s *Set) autoroleFamily() family {
	number := func(name string) discord.OptionSpec {
		return s.opt("autorole", discord.OptionSpec{Name: name, Type: discord.OptionString, MaxLength: new(maxRuleText)})
	}
	condition := func(name string, required bool) discord.OptionSpec {
		o := discord.OptionSpec{Name: name, Type: discord.OptionString, Required: required}
		for _, t := range s.roles.tests() {
			o.Choices = append(o.Choices, s.pick(string(t), "autorole.choice."+string(t)))
		}
		return s.opt("autorole", o)
	}
	rule := s.opt("autorole", discord.OptionSpec{Name: "rule", Type: discord.OptionInteger, Required: true, Autocomplete: true})
	role := s.opt("autorole", discord.OptionSpec{Name: "role", Type: discord.OptionRole, Required: true})
	grace := s.opt("autorole", discord.OptionSpec{
		Name: "grace_days", Type: discord.OptionInteger, Min: new(0.0), Max: new(float64(chat.MaxGraceDays)),
	})
	remove := s.opt("autorole", discord.OptionSpec{Name: "remove", Type: discord.OptionBoolean})
	user := s.opt("autorole", discord.OptionSpec{Name: "user", Type: discord.OptionUser, Required: true})
	spec := s.spec("autorole",
		s.sub("autorole", "add", role, condition("condition", true), number("value"), condition("condition2", false), number("value2"),
			condition("condition3", false), number("value3"), grace, remove),
		s.sub("autorole", "edit", rule, condition("condition", false), number("value"), grace, remove),
		s.sub("autorole", "remove", rule),
		s.sub("autorole", "list"),
		s.sub("autorole", "test", user),
		s.sub("autorole", "sync"),
	)
	spec.Permissions = new(discord.ManageRoles)
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		for path, h := range map[string]func(context.Context, *roleCommand) error{
			"add": s.roleAdd, "edit": s.roleEdit, "remove": s.roleRemove, "list": s.roleList, "test": s.roleTest, "sync": s.roleSync,
		} {
			rt.Command("autorole "+path, discord.Route{Handle: s.answered(s.rolesManaged(h)), Autocomplete: s.completeRule, Private: true})
		}
		rt.Component(verbRoleSync, discord.Route{Handle: s.answered(s.rolesManaged(s.pressRoleSync)), Private: true})
	}}
}

// roleCommand is one use of /autorole by somebody who may.
type roleCommand struct {
	in    *discord.Interaction
	r     *discord.Responder
	w     words.Words
	rules chat.Roles
}

func (c *roleCommand) tell(ctx context.Context, parts ...string) error {
	return c.r.Reply(ctx, private(lines(parts...)))
}

// rolesManaged lets only people in who manage roles, also when they press a button.
func (s *Set) rolesManaged(h func(context.Context, *roleCommand) error) discord.HandlerFunc {
	return func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
		if err := s.needs(in, discord.ManageRoles, "permission.manageroles"); err != nil {
			return err
		}
		rules, _, err := s.roles.rules.get(ctx, in.GuildID)
		if err != nil {
			return fmt.Errorf("read the rules: %w", err)
		}
		return h(ctx, &roleCommand{in, r, s.say(in), rules})
	}
}

// ruleError is a reason why a rule cannot be, as the key of a text with its values.
type ruleError struct {
	key    string
	values []any
}

func (e *ruleError) Error() string { return e.key }

func badRule(key string, values ...any) error { return &ruleError{"autorole.no." + key, values} }

// readCondition reads one condition from options; ok is false when it was not given.
func (s *Set) readCondition(o discord.OptionValues, suffix string) (c chat.RoleCondition, ok bool, err error) {
	c.Test = chat.RoleTest(o.String("condition" + suffix))
	value := strings.TrimSpace(o.String("value" + suffix))
	switch {
	case c.Test == "" && value == "":
		return c, false, nil
	case !slices.Contains(s.roles.tests(), c.Test):
		return c, false, badRule("condition")
	case c.Test == chat.RoleTeam:
		team, found := s.engine.TeamNamed(value)
		if !found {
			return c, false, badRule("team", "Team", escape(discord.Clip(value, maxRuleText)))
		}
		c.Team, c.Name = team.ID.String(), team.Name
	case c.Test.Numbered():
		n, err := strconv.ParseInt(strings.NewReplacer(",", "", "_", "", "'", "").Replace(value), 10, 64)
		if err != nil || n < 1 || n > chat.MaxRoleNumber {
			return c, false, badRule("number")
		}
		c.N = n
	}
	return c, true, nil
}

// refusedRule tells why a rule cannot be. Other errors are passed on.
func (c *roleCommand) refusedRule(ctx context.Context, err error) error {
	if bad, ok := errors.AsType[*ruleError](err); ok {
		return c.tell(ctx, c.w.T(bad.key, bad.values...))
	}
	return err
}

func (s *Set) roleAdd(ctx context.Context, c *roleCommand) error {
	o := c.in.Command.Options
	role := o.String("role")
	rule := chat.RoleRule{
		Role: role, Grace: int(min(chat.MaxGraceDays, max(0, o.Int("grace_days", 0)))), Keep: !o.Bool("remove", true),
		By: c.in.User.ID, Made: s.now(),
	}
	for _, suffix := range []string{"", "2", "3"} {
		cond, ok, err := s.readCondition(o, suffix)
		if err != nil {
			return c.refusedRule(ctx, err)
		}
		if ok {
			rule.All = append(rule.All, cond)
		}
	}
	if err := c.r.Defer(ctx, true); err != nil {
		return err
	}
	if err := s.checkRole(ctx, c.in, role); err != nil {
		return c.refusedRule(ctx, err)
	}
	after, err := s.changeRoleRules(ctx, c.in, func(v *chat.Roles) error {
		if len(v.Rules) >= chat.MaxRoleRules {
			return badRule("many", "Count", chat.MaxRoleRules)
		}
		v.Last++
		rule.ID = v.Last
		v.Rules = append(slices.Clone(v.Rules), rule)
		v.Released = slices.DeleteFunc(slices.Clone(v.Released), func(id string) bool { return id == role })
		unpause(v, role)
		return nil
	})
	if err != nil {
		return c.refusedRule(ctx, err)
	}
	s.logRule(ctx, c.in, "added", rule)
	return c.tell(ctx, c.w.T("autorole.added", "Rule", sayRule(c.w, rule)), sayPaused(c.w, after, role, s.now()), c.w.T("autorole.soon"))
}

// changeRoleRules changes a guild's rules and has its members looked at.
func (s *Set) changeRoleRules(ctx context.Context, in *discord.Interaction, f func(v *chat.Roles) error) (chat.Roles, error) {
	after, err := s.roles.rules.change(ctx, in.GuildID, about{guild: in.GuildID}, func(v *chat.Roles) error {
		v.Channel = in.ChannelID
		return f(v)
	})
	if err != nil {
		return after, err
	}
	return after, s.roles.requestPass(ctx, in.GuildID)
}

// logRule writes into a guild's log what became of a rule.
func (s *Set) logRule(ctx context.Context, in *discord.Interaction, what string, rule chat.RoleRule) {
	s.logTo(ctx, in.GuildID, func(w words.Words) string {
		return w.T("autorole.log."+what, "Who", mention(in.User.ID), "Rule", sayRule(w, rule))
	})
}

func (s *Set) roleEdit(ctx context.Context, c *roleCommand) error {
	o := c.in.Command.Options
	id := int(o.Int("rule", 0))
	cond, given, err := s.readCondition(o, "")
	if err != nil {
		return c.refusedRule(ctx, err)
	}
	i := slices.IndexFunc(c.rules.Rules, func(r chat.RoleRule) bool { return r.ID == id })
	if i < 0 {
		return c.tell(ctx, c.w.T("autorole.no.rule"))
	}
	if err := c.r.Defer(ctx, true); err != nil {
		return err
	}
	role := c.rules.Rules[i].Role
	if err := s.checkRole(ctx, c.in, role); err != nil {
		return c.refusedRule(ctx, err)
	}
	var changed chat.RoleRule
	after, err := s.changeRoleRules(ctx, c.in, func(v *chat.Roles) error {
		i := slices.IndexFunc(v.Rules, func(r chat.RoleRule) bool { return r.ID == id })
		if i < 0 {
			return badRule("rule")
		}
		v.Rules = slices.Clone(v.Rules)
		rule := v.Rules[i]
		if given { // a condition that the rule has gets the new value, any other comes on top
			rule.All = slices.Clone(rule.All)
			j := slices.IndexFunc(rule.All, func(x chat.RoleCondition) bool { return x.Test == cond.Test })
			switch {
			case j >= 0:
				rule.All[j] = cond
			case len(rule.All) >= chat.MaxRoleConditions:
				return badRule("conditions", "Count", chat.MaxRoleConditions)
			default:
				rule.All = append(rule.All, cond)
			}
		}
		rule.Grace = int(min(chat.MaxGraceDays, max(0, o.Int("grace_days", int64(rule.Grace)))))
		rule.Keep = !o.Bool("remove", !rule.Keep)
		v.Rules[i], changed = rule, rule
		unpause(v, role)
		return nil
	})
	if err != nil {
		return c.refusedRule(ctx, err)
	}
	s.logRule(ctx, c.in, "edited", changed)
	return c.tell(ctx, c.w.T("autorole.edited", "Rule", sayRule(c.w, changed)), sayPaused(c.w, after, role, s.now()), c.w.T("autorole.soon"))
}

func (s *Set) roleRemove(ctx context.Context, c *roleCommand) error {
	id := int(c.in.Command.Options.Int("rule", 0))
	i := slices.IndexFunc(c.rules.Rules, func(r chat.RoleRule) bool { return r.ID == id })
	if i < 0 {
		return c.tell(ctx, c.w.T("autorole.no.rule"))
	}
	if err := c.r.Defer(ctx, true); err != nil {
		return err
	}
	if err := s.checkBelow(ctx, c.in, c.rules.Rules[i].Role); err != nil {
		return c.refusedRule(ctx, err)
	}
	var gone chat.RoleRule
	_, err := s.changeRoleRules(ctx, c.in, func(v *chat.Roles) error {
		i := slices.IndexFunc(v.Rules, func(r chat.RoleRule) bool { return r.ID == id })
		if i < 0 {
			return badRule("rule")
		}
		gone = v.Rules[i]
		v.Rules = slices.Delete(slices.Clone(v.Rules), i, i+1)
		if len(v.Of(gone.Role)) > 0 {
			return nil
		}
		unpause(v, gone.Role)
		if gone.Keep && !slices.Contains(v.Released, gone.Role) {
			v.Released = append(slices.Clone(v.Released), gone.Role)
			v.Released = v.Released[max(0, len(v.Released)-chat.MaxRoleRules):]
		}
		return nil
	})
	if err != nil {
		return c.refusedRule(ctx, err)
	}
	s.logRule(ctx, c.in, "removed", gone)
	what := "autorole.takes"
	if gone.Keep {
		what = "autorole.keeps"
	}
	return c.tell(ctx, c.w.T("autorole.removed", "Rule", sayRule(c.w, gone)), c.w.T(what, "Role", roleMention(gone.Role)))
}

func (s *Set) roleList(ctx context.Context, c *roleCommand) error {
	if len(c.rules.Rules) == 0 {
		return c.tell(ctx, c.w.T("autorole.none", "Add", s.cmd("autorole add")))
	}
	var rows []string
	for _, role := range c.rules.Named() {
		for _, rule := range c.rules.Of(role) {
			rows = append(rows, sayRule(c.w, rule))
		}
		if p := sayPaused(c.w, c.rules, role, s.now()); p != "" {
			rows = append(rows, p)
		}
	}
	m := private("")
	m.Embeds = []discord.Embed{{
		Title: c.w.T("autorole.title"), Color: embedColor, Description: discord.Clip(strings.Join(rows, "\n"), discord.MaxEmbedDescription),
		Footer: c.w.T("autorole.footer"),
	}}
	return c.r.Reply(ctx, m)
}

func (s *Set) completeRule(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	var all []discord.Choice
	if in.GuildID != "" && in.MemberPermissions.Has(discord.ManageRoles) {
		rules, _, err := s.roles.rules.get(ctx, in.GuildID)
		if err != nil {
			return fmt.Errorf("read the rules: %w", err)
		}
		names := make(map[string]string)
		if guild, err := s.bot.Guild(ctx, in.GuildID); err == nil { // names are a kindness
			for _, role := range guild.Roles {
				names[role.ID] = role.Name
			}
		}
		w := s.say(in)
		for _, rule := range rules.Rules {
			all = append(all, discord.Choice{
				Name: "#" + strconv.Itoa(rule.ID) + " " + plain(names[rule.Role]) + ": " + plain(sayConditions(w, rule.All)), Value: int64(rule.ID),
			})
		}
	}
	return r.Autocomplete(ctx, suggest(in.Command.Options.String("rule"), all))
}

// sayCondition says what a condition asks for.
func sayCondition(w words.Words, c chat.RoleCondition) string {
	values := []any{"N", c.N, "Count", c.N}
	if c.Test == chat.RoleTeam {
		values = []any{"Team", escape(c.Name)}
	}
	return w.T("autorole.if."+string(c.Test), values...)
}

func sayConditions(w words.Words, all []chat.RoleCondition) string {
	parts := make([]string, len(all))
	for i, c := range all {
		parts[i] = sayCondition(w, c)
	}
	return strings.Join(parts, " "+w.T("autorole.and")+" ")
}

func sayRule(w words.Words, rule chat.RoleRule) string {
	text := fmt.Sprintf("`#%d` %s: %s", rule.ID, roleMention(rule.Role), sayConditions(w, rule.All))
	switch {
	case rule.Keep:
		text += " · " + w.T("autorole.kept")
	case rule.Grace > 0:
		text += " · " + w.T("autorole.grace", "Count", rule.Grace)
	}
	return text
}

// sayPaused says why nothing happens with a role, or nothing.
func sayPaused(w words.Words, rules chat.Roles, role string, now time.Time) string {
	p, ok := rules.Paused[role]
	switch {
	case !ok || !rules.Resting(role, now):
		return ""
	case p.Gone:
		return "⏸ " + w.T("autorole.gone")
	case p.Unsafe:
		return "⏸ " + w.T("autorole.no.dangerous", "Role", roleMention(role))
	}
	return "⏸ " + w.T("autorole.paused", "Role", roleMention(role), "When", stamp(p.Until))
}

// roleTest explains, for each rule and condition, why somebody has a role or not.
func (s *Set) roleTest(ctx context.Context, c *roleCommand) error {
	user, _ := c.in.Command.Options.User("user")
	if len(c.rules.Rules) == 0 {
		return c.tell(ctx, c.w.T("autorole.none", "Add", s.cmd("autorole add")))
	}
	facts, err := s.roles.facts(ctx, &c.rules, c.in.GuildID, user.ID)
	if err != nil {
		return err
	}
	m, _, err := s.roles.members.get(ctx, memberKey(c.in.GuildID, user.ID))
	if err != nil {
		return fmt.Errorf("read a member: %w", err)
	}
	now := s.now()
	rows := []string{c.w.T("autorole.test", "Person", mention(user.ID))}
	if !facts.Linked {
		rows = append(rows, c.w.T("autorole.test.unlinked"))
	}
	for _, role := range c.rules.Named() {
		rows = append(rows, "**"+roleMention(role)+"** "+sayHas(c.w, m, role))
		for _, rule := range c.rules.Of(role) {
			rows = append(rows, fmt.Sprintf("%s `#%d`", mark(facts.Earns(rule, now)), rule.ID))
			for _, cond := range rule.All {
				row := "　" + mark(facts.Meets(cond, now)) + " " + sayCondition(c.w, cond)
				if cond.Test.Numbered() && facts.Linked {
					if has := facts.Has(cond, now); has >= 0 {
						row += " – " + c.w.T("autorole.test.now", "N", has)
					}
				}
				rows = append(rows, row)
			}
		}
		if p := sayPaused(c.w, c.rules, role, now); p != "" {
			rows = append(rows, p)
		}
	}
	m2 := private("")
	m2.Embeds = []discord.Embed{{Color: embedColor, Description: discord.Clip(strings.Join(rows, "\n"), discord.MaxEmbedDescription)}}
	return c.r.Reply(ctx, m2)
}

func mark(ok bool) string {
	if ok {
		return "✅"
	}
	return "❌"
}

// sayHas says whether the bot gave somebody a role.
func sayHas(w words.Words, m chat.Member, role string) string {
	g, granted := m.Grants[role]
	switch {
	case granted && !g.Lost.IsZero():
		return w.T("autorole.has.losing", "When", stamp(g.Lost))
	case granted && g.Given:
		return w.T("autorole.has.given", "When", stamp(g.Since))
	case slices.Contains(m.ByHand, role):
		return w.T("autorole.has.byhand")
	}
	return w.T("autorole.has.not")
}

// roleSync lists who would change, and offers to do it.
func (s *Set) roleSync(ctx context.Context, c *roleCommand) error {
	if err := c.r.Defer(ctx, true); err != nil {
		return err
	}
	if len(c.rules.Rules) == 0 {
		return c.tell(ctx, c.w.T("autorole.none", "Add", s.cmd("autorole add")))
	}
	pass, _, err := s.roles.passes.get(ctx, c.in.GuildID)
	if err != nil {
		return fmt.Errorf("read the pass: %w", err)
	}
	if pass.Running {
		return c.r.Reply(ctx, syncMessage(c.w, sayPass(c.w, pass), "common.refresh", "show"))
	}
	rows, looked, err := s.dryRun(ctx, c)
	if err != nil {
		return err
	}
	n := len(rows)
	if n > syncShown {
		rows = append(rows[:syncShown:syncShown], c.w.T("autorole.sync.more", "Count", n-syncShown))
	}
	text := lines(append([]string{c.w.T("autorole.sync.looked", "Count", looked), c.w.T("autorole.sync.changes", "Count", n)}, rows...)...)
	return c.r.Reply(ctx, syncMessage(c.w, text, "autorole.sync.go", "go"))
}

// dryRun says what a pass would do, as far as can be told without asking Discord about each person.
func (s *Set) dryRun(ctx context.Context, c *roleCommand) (rows []string, looked int, err error) {
	after, now := "", s.now()
	for looked < syncLooked {
		members, err := s.roles.members.ofGuildAfter(ctx, c.in.GuildID, after, rolePage)
		if err != nil {
			return nil, looked, fmt.Errorf("read the members: %w", err)
		}
		for _, m := range members {
			after = m.key
			looked++
			_, person, _ := strings.Cut(m.key, ":")
			facts, err := s.roles.facts(ctx, &c.rules, c.in.GuildID, person)
			if err != nil {
				return nil, looked, err
			}
			plan := c.rules.Plan(m.value, &facts, now)
			var parts []string
			for _, rule := range plan.Give {
				parts = append(parts, "➕ "+roleMention(rule.Role))
			}
			for _, role := range plan.Take {
				parts = append(parts, "➖ "+roleMention(role))
			}
			for _, role := range plan.Lost {
				parts = append(parts, "⏳ "+roleMention(role))
			}
			if len(parts) > 0 {
				rows = append(rows, mention(person)+": "+strings.Join(parts, ", "))
			}
		}
		if len(members) < rolePage {
			break
		}
	}
	return rows, looked, nil
}

func syncMessage(w words.Words, text, label, arg string) discord.Message {
	m := private(text)
	m.Components = []discord.Row{{Buttons: []discord.Button{{
		Label: w.T(label), Style: discord.Primary, CustomID: discord.CustomID{Verb: verbRoleSync, Arg: arg}.String(),
	}}}}
	return m
}

func sayPass(w words.Words, p chat.RolePass) string {
	if p.Running {
		return w.T("autorole.sync.running", "Count", p.Looked, "Given", p.Given, "Taken", p.Taken)
	}
	if p.Ended.IsZero() {
		return w.T("autorole.sync.queued")
	}
	return w.T("autorole.sync.done", "Count", p.Looked, "Given", p.Given, "Taken", p.Taken, "When", stamp(p.Ended))
}

func (s *Set) pressRoleSync(ctx context.Context, c *roleCommand) error {
	if c.in.Component.ID.Arg == "go" {
		if err := s.roles.requestPass(ctx, c.in.GuildID); err != nil {
			return err
		}
		return c.r.Update(ctx, syncMessage(c.w, c.w.T("autorole.sync.queued"), "common.refresh", "show"))
	}
	pass, _, err := s.roles.passes.get(ctx, c.in.GuildID)
	if err != nil {
		return fmt.Errorf("read the pass: %w", err)
	}
	return c.r.Update(ctx, syncMessage(c.w, sayPass(c.w, pass), "common.refresh", "show"))
}
