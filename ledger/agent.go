package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Agent is a name with accounts, limits and capabilities. ID is stable: a
// name deleted and made again is another agent.
type Agent struct {
	ID           string
	Name         string
	Budget       *Micros // of its window; nil: no limit
	Window       Window
	Limits       Limits
	Capabilities json.RawMessage // the policy package's; opaque here
	Group        string          // that it is in; "": none
	Paused       bool
	CreatedAt    time.Time
	LastActivity time.Time
	Account      Account // the current window's account, or the total one
}

// In tells whether the agent is in a group, or in one inside it.
func (a Agent) In(group string) bool {
	return a.Group == group || strings.HasPrefix(a.Group, group+"/")
}

// Limits bound the pace of an agent's calls. 0 means no limit.
type Limits struct {
	RequestsPerMinute int64
	TokensPerMinute   int64
	Concurrency       int64
}

// NewAgent is what CreateAgent needs.
type NewAgent struct {
	Name         string
	Budget       *Micros
	Window       Window // "": Total
	Limits       Limits
	Capabilities json.RawMessage
	Group        string // that it is in; "": none
}

// CreateAgent makes an agent and its account. ErrExists when a living agent
// has the name.
func (l *Ledger) CreateAgent(ctx context.Context, n NewAgent) (Agent, error) {
	if err := l.budgetsAllowed(); err != nil {
		return Agent{}, err
	}
	if n.Window == "" {
		n.Window = Total
	}
	if err := errors.Join(CheckName(n.Name), validBudget(n.Budget), n.Limits.valid(), n.Window.check(), validJSON(n.Capabilities)); err != nil {
		return Agent{}, fmt.Errorf("creating agent %q: %w", n.Name, err)
	}
	err := l.commitOne(ctx, func(g *commitGroup) error {
		switch _, err := g.agentNamed(n.Name); {
		case g.err != nil:
			return g.err
		case err == nil:
			return ErrExists
		}
		in, err := g.groupFor(n.Group)
		if err != nil {
			return err
		}
		g.createAgent(n, in)
		return g.err
	})
	if err != nil {
		return Agent{}, fmt.Errorf("creating agent %q: %w", n.Name, err)
	}
	return l.Agent(context.WithoutCancel(ctx), n.Name)
}

func (g *commitGroup) createAgent(n NewAgent, in int64) (*agent, *account) {
	ag := &agent{group: in, name: n.Name, budget: n.Budget, window: n.Window, limits: n.Limits}
	ag.id = g.insert(`INSERT INTO agent (name, budget_micro, "window", rpm_limit, tpm_limit, concurrency_limit, capabilities, group_id, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, "id",
		n.Name, nullMicros(n.Budget), string(n.Window), n.Limits.RequestsPerMinute, n.Limits.TokensPerMinute, n.Limits.Concurrency, orNullText(n.Capabilities), orNull(in != 0, in), g.at)
	acc := &account{agent: ag.id, kind: AgentAccount}
	if n.Window == Total {
		acc.retarget(n.Budget)
	}
	g.insertAccount(acc)
	if g.err == nil {
		g.rows.keepAgent(ag)
	}
	g.event("agent.create", ag, "", func(e *line) {
		e.budget(acc)
		ag.describe(e)
		e.text("group", n.Group)
		e.raw("capabilities", n.Capabilities)
	})
	return ag, acc
}

// describe adds what an agent is allowed to an event.
func (ag *agent) describe(e *line) {
	e.text("window", string(ag.window))
	if ag.budget != nil && ag.window != Total {
		e.given("window_budget_micro", *ag.budget)
	}
	e.number("rpm_limit", ag.limits.RequestsPerMinute)
	e.number("tpm_limit", ag.limits.TokensPerMinute)
	e.number("concurrency_limit", ag.limits.Concurrency)
	e.flag("paused", ag.paused)
}

func nullMicros(m *Micros) any {
	if m == nil {
		return nil
	}
	return int64(*m)
}

// CheckName checks the name of a new agent. An agent that was made before there was this
// rule keeps its name.
func CheckName(name string) error { return checkName("an agent", name, nameMax) }

// Bounds of names in bytes. A group's is its whole path, of as many parts as find room:
// a thousand of a letter each.
const (
	nameMax = 100
	pathMax = 2000
)

// CheckGroupName checks the name of a new group: each part of its path by the same rule.
func CheckGroupName(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > nameMax {
			return fmt.Errorf("%w: each part of a group's name has at most %d bytes", ErrInvalid, nameMax)
		}
	}
	return checkName("a group", name, pathMax)
}

// checkName is the rule for names that people give to agents and groups.
func checkName(whose, name string, most int) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: %s needs a name", ErrInvalid, whose)
	case len(name) > most:
		return fmt.Errorf("%w: %s's name has at most %d bytes", ErrInvalid, whose, most)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }):
		return fmt.Errorf("%w: %s's name is printable text without spaces, not %q", ErrInvalid, whose, name)
	case strings.HasPrefix(name, "-"):
		return fmt.Errorf("%w: %s's name does not begin with -", ErrInvalid, whose)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("%w: %s's name is like acme or acme/search, and no path, as %q is", ErrInvalid, whose, name)
		}
	}
	return nil
}

func validJSON(j json.RawMessage) error {
	if len(j) > 0 && !json.Valid(j) {
		return fmt.Errorf("%w: capabilities are not JSON", ErrInvalid)
	}
	return nil
}

func (l Limits) valid() error {
	if l.RequestsPerMinute < 0 || l.TokensPerMinute < 0 || l.Concurrency < 0 {
		return fmt.Errorf("%w: a limit is not negative", ErrInvalid)
	}
	return nil
}

func (w Window) check() error {
	if !w.valid() {
		return fmt.Errorf("%w: window %q; it is total, daily, weekly or monthly", ErrInvalid, w)
	}
	return nil
}

// openWindow makes the account of the current window.
func (g *commitGroup) openWindow(ag *agent) *account {
	acc := &account{agent: ag.id, kind: WindowAccount, window: ag.window, start: g.start(ag.window).UnixMilli()}
	acc.retarget(ag.budget)
	g.insertAccount(acc)
	g.event("window.open", ag, "", func(e *line) {
		e.text("window", string(acc.window))
		e.text("start", fromMillis(acc.start).Format(timeFormat))
		e.budget(acc)
	})
	return acc
}

// Agent finds a living agent by its name.
func (l *Ledger) Agent(ctx context.Context, name string) (Agent, error) {
	agents, err := l.agents(ctx, `AND a.name = ?`, name)
	switch {
	case err != nil:
		return Agent{}, fmt.Errorf("agent %q: %w", name, err)
	case len(agents) == 0:
		return Agent{}, fmt.Errorf("agent %q: %w", name, ErrNotFound)
	}
	return agents[0], nil
}

// Agents lists the living agents by name.
func (l *Ledger) Agents(ctx context.Context) ([]Agent, error) {
	agents, err := l.agents(ctx, ``)
	if err != nil {
		return nil, fmt.Errorf("listing agents: %w", err)
	}
	return agents, nil
}

// AgentsIn lists the living agents that are directly in a group.
func (l *Ledger) AgentsIn(ctx context.Context, group string) ([]Agent, error) {
	agents, err := l.agents(ctx, `AND g.name = ? AND g.deleted_at IS NULL`, group)
	if err != nil {
		return nil, fmt.Errorf("listing the agents of group %q: %w", group, err)
	}
	return agents, nil
}

func (l *Ledger) agents(ctx context.Context, where string, args ...any) ([]Agent, error) {
	days, err := l.calendar(ctx)
	if err != nil {
		return nil, err
	}
	now := l.now().UTC()
	rs, err := l.read.QueryContext(ctx, `SELECT a.id, a.name, a.budget_micro, a."window", a.rpm_limit, a.tpm_limit, a.concurrency_limit,
			a.capabilities, a.paused, a.created_at, coalesce(t.last_at, 0),
			coalesce(c.id, 0), coalesce(c.parent, 0), c.budget_micro, coalesce(c.spent_micro, 0), coalesce(c.reserved_micro, 0), coalesce(c.overrun_micro, 0), coalesce(g.name, '')
		FROM agent a JOIN account t ON t.agent_id = a.id AND t.kind = 'agent'
		LEFT JOIN agent_group g ON g.id = a.group_id
		LEFT JOIN account c ON c.id = CASE a."window" WHEN 'total' THEN t.id ELSE (
			SELECT w.id FROM account w WHERE w.agent_id = a.id AND w.kind = 'window' AND w."window" = a."window"
				AND w.start_at = CASE a."window" WHEN 'daily' THEN CAST(? AS BIGINT) WHEN 'weekly' THEN CAST(? AS BIGINT) ELSE CAST(? AS BIGINT) END) END
		WHERE a.deleted_at IS NULL `+where+` ORDER BY a.name`, append(days.starts(now), args...)...)
	if err != nil {
		return nil, l.explain(err)
	}
	defer rs.Close()
	var agents []Agent
	for rs.Next() {
		var a Agent
		var id, created, last int64
		var capabilities []byte
		if err := rs.Scan(&id, &a.Name, &a.Budget, &a.Window, &a.Limits.RequestsPerMinute, &a.Limits.TokensPerMinute, &a.Limits.Concurrency,
			&capabilities, &a.Paused, &created, &last,
			&a.Account.ID, &a.Account.Parent, &a.Account.Budget, &a.Account.Spent, &a.Account.Reserved, &a.Account.Overrun, &a.Group); err != nil {
			return nil, l.explain(err)
		}
		a.ID, a.Capabilities, a.CreatedAt, a.LastActivity = publicID(id), capabilities, fromMillis(created), fromMillis(last)
		a.Account.Name, a.Account.Kind, a.Account.Window = a.Name, AgentAccount, a.Window
		if a.Window != Total {
			a.Account.Kind, a.Account.Start = WindowAccount, days.start(a.Window, now)
			if a.Account.ID == 0 {
				a.Account.Budget = a.Budget // not used yet in this window
			}
		}
		agents = append(agents, a)
	}
	return agents, l.explain(rs.Err())
}
