package ledger

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// query reads at most one row. A failed read fails the whole group.
func (g *commitGroup) query(query string, args []any, dest ...any) (found bool) {
	err := g.w.engine.query(query, args, dest)
	if err == sql.ErrNoRows { //nolint:errorlint // engines return it bare
		return false
	}
	g.fail(err)
	return err == nil
}

// each reads all rows.
func (g *commitGroup) each(query string, args []any, row func(scan func(...any) error) error) {
	g.fail(g.w.engine.each(query, args, row))
}

const accountColumns = `id, coalesce(agent_id, 0), coalesce(group_id, 0), coalesce(parent, 0), kind, "window", start_at, budget_micro IS NOT NULL,
	coalesce(target_micro, 0), coalesce(budget_micro, 0), spent_micro, reserved_micro, overrun_micro, calls, coalesce(last_at, 0)`

func (a *account) fields() []any {
	return []any{&a.id, &a.agent, &a.group, &a.parent, &a.kind, &a.window, &a.start, &a.limited,
		&a.target, &a.budget, &a.spent, &a.reserved, &a.overrun, &a.calls, &a.last}
}

// account finds an account by id. If there is none, the file is damaged.
func (g *commitGroup) account(id int64) *account {
	if a := g.rows.accounts[id]; a != nil {
		return a
	}
	a := g.accountWhere(`id = ?`, id)
	if a == nil {
		g.fail(fmt.Errorf("%w: account %d is missing", ErrCorrupt, id))
		return new(account)
	}
	return a
}

// accountWhere reads the account for which a condition is true; nil where there is none.
func (g *commitGroup) accountWhere(where string, args ...any) *account {
	a := new(account)
	if !g.query(`SELECT `+accountColumns+` FROM account WHERE `+where, args, a.fields()...) {
		return nil
	}
	if kept := g.rows.accounts[a.id]; kept != nil {
		return kept
	}
	g.rows.keepAccount(a)
	g.saw("budget of account", a.id, a.setting())
	return a
}

func (r *rows) keepAccount(a *account) {
	r.accounts[a.id] = a
	switch a.kind {
	case AgentAccount:
		r.totals[a.agent] = a
	case WindowAccount:
		r.windows[windowKey{a.agent, a.window, a.start}] = a
	case GroupAccount:
		r.groupAccounts[windowKey{a.group, a.window, a.start}] = a
	}
}

// total is an agent's account for its whole life.
func (g *commitGroup) total(agent int64) *account {
	if a := g.rows.totals[agent]; a != nil {
		return a
	}
	a := g.accountWhere(`agent_id = ? AND kind = 'agent'`, agent)
	if a == nil {
		g.fail(fmt.Errorf("%w: agent %d has no account", ErrCorrupt, agent))
		return new(account)
	}
	return a
}

// windowAccount is the account of the agent's current window; nil
// when there is none yet.
func (g *commitGroup) windowAccount(ag *agent) *account {
	key := windowKey{ag.id, ag.window, g.start(ag.window).UnixMilli()}
	if a := g.rows.windows[key]; a != nil {
		return a
	}
	return g.accountWhere(`agent_id = ? AND kind = 'window' AND "window" = ? AND start_at = ?`, key.of, key.window, key.start)
}

const agentColumns = `id, name, budget_micro, "window", rpm_limit, tpm_limit, concurrency_limit, paused, deleted_at IS NOT NULL, coalesce(group_id, 0)`

func (a *agent) fields() []any {
	return []any{&a.id, &a.name, &a.budget, &a.window, &a.limits.RequestsPerMinute, &a.limits.TokensPerMinute,
		&a.limits.Concurrency, &a.paused, &a.deleted, &a.group}
}

// agentByID finds an agent that a row names.
func (g *commitGroup) agentByID(id int64) *agent {
	if a := g.rows.agents[id]; a != nil {
		return a
	}
	a := new(agent)
	if !g.query(`SELECT `+agentColumns+` FROM agent WHERE id = ?`, []any{id}, a.fields()...) {
		g.fail(fmt.Errorf("%w: agent %d is missing", ErrCorrupt, id))
		return a
	}
	g.rows.keepAgent(a)
	g.saw("setting of agent", a.id, a.setting())
	return a
}

func (r *rows) keepAgent(a *agent) {
	r.agents[a.id] = a
	if !a.deleted {
		r.names[a.name] = a
	}
}

// agentNamed finds a living agent.
func (g *commitGroup) agentNamed(name string) (*agent, error) {
	if a := g.rows.names[name]; a != nil {
		return a, nil
	}
	a := new(agent)
	if !g.query(`SELECT `+agentColumns+` FROM agent WHERE name = ? AND deleted_at IS NULL`, []any{name}, a.fields()...) {
		return nil, fmt.Errorf("agent %q: %w", name, ErrNotFound)
	}
	g.rows.keepAgent(a)
	g.saw("setting of agent", a.id, a.setting())
	return a, nil
}

const runColumns = `no, id, agent_id, coalesce(parent, 0), account_id, owner, state, max_calls, first_seq, remote`

func (r *run) fields() []any {
	return []any{&r.no, &r.id, &r.agent, &r.parent, &r.account, &r.owner, &r.state, &r.maxCalls, &r.firstSeq, &r.remote}
}

func (g *commitGroup) run(no int64) *run {
	if r := g.rows.runs[no]; r != nil {
		return r
	}
	r := new(run)
	if !g.query(`SELECT `+runColumns+` FROM run WHERE no = ?`, []any{no}, r.fields()...) {
		g.fail(fmt.Errorf("%w: run number %d is missing", ErrCorrupt, no))
		return r
	}
	g.rows.keepRun(r)
	g.saw("run", r.no, r.setting())
	return r
}

// runsWhere reads the rows of many runs at once. It returns none if the read fails.
func (g *commitGroup) runsWhere(where string, args ...any) (runs []*run) {
	var read []*run
	g.each(`SELECT `+runColumns+` FROM run WHERE `+where, args, func(scan func(...any) error) error {
		r := new(run)
		err := scan(r.fields()...)
		if kept := g.rows.runs[r.no]; kept != nil {
			r = kept
		} else {
			read = append(read, r)
		}
		runs = append(runs, r)
		return err
	})
	if g.err != nil {
		return nil
	}
	for _, r := range read {
		g.rows.keepRun(r)
		g.saw("run", r.no, r.setting())
	}
	return runs
}

func (r *rows) keepRun(n *run) {
	r.runs[n.no] = n
	r.runNos[n.id] = n.no
}

func (g *commitGroup) runNamed(id RunID) (*run, error) {
	if no, ok := g.rows.runNos[id]; ok {
		return g.run(no), nil
	}
	r := new(run)
	if !g.query(`SELECT `+runColumns+` FROM run WHERE id = ?`, []any{id}, r.fields()...) {
		return nil, fmt.Errorf("run %q: %w", id, ErrNotFound)
	}
	g.rows.keepRun(r)
	g.saw("run", r.no, r.setting())
	return r, nil
}

// token finds a token that is not revoked; nil when there is none.
func (g *commitGroup) token(h TokenHash) *token {
	t := g.rows.tokens[h]
	if t == nil {
		t = new(token)
		if !g.query(`SELECT agent_id, coalesce(run_no, 0), scope, coalesce(expires_at, 0), revoked_at IS NOT NULL FROM token WHERE hash = ?`,
			[]any{h[:]}, &t.agent, &t.run, &t.scope, &t.expires, &t.revoked) {
			return nil
		}
		g.rows.tokens[h] = t
	}
	if t.revoked {
		return nil
	}
	return t
}

const holdColumns = `owner, n, state = 'recovered', agent_id, coalesce(run_no, 0), account_id, coalesce(window_id, 0), group_id, group_accounts, amount_micro, tokens, at, call, joint, within, only_accounts`

func scanHold(scan func(...any) error) (*hold, error) {
	h := new(hold)
	var groups, call, joint, only []byte
	if err := scan(&h.key.owner, &h.key.n, &h.recovered, &h.agent, &h.run, &h.account, &h.window, &h.group, &groups, &h.amount, &h.tokens, &h.at, &call, &joint, &h.within, &only); err != nil {
		return nil, err
	}
	if err := errors.Join(json.Unmarshal(groups, &h.groups), json.Unmarshal(call, &h.call), json.Unmarshal(only, &h.only)); err != nil {
		return nil, fmt.Errorf("%w: hold %s: %w", ErrCorrupt, h.key.id(), err)
	}
	copy(h.joint[:], joint)
	return h, nil
}

// hold finds a hold that is in its table; nil when it is not.
func (g *commitGroup) hold(k holdKey) *hold {
	if h := g.rows.holds[k]; h != nil {
		return h
	}
	var h *hold
	g.each(`SELECT `+holdColumns+` FROM hold WHERE owner = ? AND n = ?`, []any{k.owner, k.n}, func(scan func(...any) error) (err error) {
		h, err = scanHold(scan)
		return err
	})
	if h != nil {
		g.rows.holds[k] = h
	}
	return h
}

const openCounts = `SELECT agent_id, count(*) FROM hold WHERE state = 'open' GROUP BY agent_id`

// openHolds is how many holds of the agent are open, in all processes.
func (g *commitGroup) openHolds(agent int64) int64 {
	if g.rows.open == nil {
		g.rows.open = make(map[int64]int64)
		g.each(openCounts, nil, g.rows.takeOpen)
		made, ended := g.unstored()
		for _, h := range made {
			g.rows.open[h.agent]++
		}
		for _, h := range ended {
			if !h.recovered {
				g.rows.open[h.agent]--
			}
		}
	}
	return g.rows.open[agent]
}

// path is every account that a hold or a call is charged to: the lowest one,
// its parents, the window's and those of groups.
func (g *commitGroup) path(leaf, window int64, groups []int64) []*account {
	p := make([]*account, 0, 4)
	for id := leaf; id != 0; {
		a := g.account(id)
		if g.err != nil {
			return nil
		}
		p = append(p, a)
		id = a.parent
		if len(p) > 64 {
			g.fail(fmt.Errorf("%w: account %d has itself for a parent", ErrCorrupt, leaf))
			return nil
		}
	}
	if window != 0 {
		p = append(p, g.account(window))
	}
	for _, id := range groups {
		p = append(p, g.account(id))
	}
	return p
}
