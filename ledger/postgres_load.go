package ledger

import (
	"slices"

	"github.com/jackc/pgx/v5"
)

// load reads in two messages what the operations of a group will ask for one by one:
// everybody waits for the turn, and each further message would make it a round trip
// longer. It decides nothing: what it leaves out is read when it is asked for, and
// what it reads needlessly does no harm.
func (p *postgres) load(g *commitGroup, ops []*op) error {
	tokens, holds := wanted(g, ops)
	if len(tokens)+len(holds) == 0 {
		return nil
	}
	if err := p.loadWho(g, tokens, holds); err != nil {
		return err
	}
	return p.loadAccounts(g, ops)
}

// wanted are the tokens and holds of operations that are not known yet.
func wanted(g *commitGroup, ops []*op) (tokens [][]byte, holds []holdKey) {
	seen := make(map[TokenHash]bool)
	for _, o := range ops {
		switch {
		case o.admit != nil && !seen[o.admit.Token] && g.rows.tokens[o.admit.Token] == nil:
			seen[o.admit.Token] = true
			tokens = append(tokens, o.admit.Token[:])
		case o.hold.n != 0 && g.rows.holds[o.hold] == nil:
			holds = append(holds, o.hold)
		}
	}
	return tokens, holds
}

// readAll sends queries together.
func (p *postgres) readAll(all ...statement) error {
	last := len(all) - 1
	p.pending = append(p.pending, all[:last]...)
	return p.send(all[last], nil)
}

func eachRow(rows pgx.Rows, row func(scan func(...any) error) error) error {
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// What the tokens ?1 and the holds with the owners ?2 and the numbers ?3 lead to.
// Keys are told in arrays, which the server looks up one by one, however many rows
// it believes that there are.
const (
	holdsAsked  = `owner = ANY(?2) AND n = ANY(?3)`
	agentsNamed = `ANY(ARRAY(SELECT agent_id FROM token WHERE hash = ANY(?1) UNION SELECT agent_id FROM hold WHERE ` + holdsAsked + `))`
	runsNamed   = `ANY(ARRAY(SELECT run_no FROM token WHERE hash = ANY(?1) UNION SELECT run_no FROM hold WHERE ` + holdsAsked + `))`
	runsAsked   = `WITH RECURSIVE outer_runs AS (
			SELECT * FROM run WHERE no = ` + runsNamed + ` UNION SELECT run.* FROM run JOIN outer_runs o ON run.no = o.parent)
		SELECT ` + runColumns + ` FROM outer_runs`
	agentsAsked = `SELECT ` + agentColumns + ` FROM agent WHERE id = ` + agentsNamed
	around      = `WITH RECURSIVE around AS (
			SELECT * FROM agent_group WHERE id = ANY(ARRAY(SELECT group_id FROM agent WHERE id = ` + agentsNamed + `))
			UNION SELECT g.* FROM agent_group g JOIN around a ON g.id = a.parent) `
	groupsAsked  = around + `SELECT ` + groupColumns + ` FROM around`
	budgetsAsked = around + `SELECT group_id, "window", budget_micro FROM group_budget WHERE group_id = ANY(ARRAY(SELECT id FROM around))`
)

// loadWho reads tokens and holds with their agents, groups, and runs with those
// that they are inside of; also the end of the trail, and the zones of windows.
func (p *postgres) loadWho(g *commitGroup, tokens [][]byte, holds []holdKey) error {
	owners, numbers := make([]int64, 0, 1), make([]int64, len(holds)) // nearly all are this process's own
	for i, k := range holds {
		numbers[i] = k.n
		if !slices.Contains(owners, int64(k.owner)) {
			owners = append(owners, int64(k.owner))
		}
	}
	args := func() []any { return []any{tokens, owners, numbers} }
	more := make(map[int64]*agentGroup) // groups that were not known
	all := []statement{
		{query: `SELECT hash, agent_id, coalesce(run_no, 0), scope, coalesce(expires_at, 0), revoked_at IS NOT NULL FROM token WHERE hash = ANY(?)`, args: []any{tokens}, row: g.rows.takeToken},
		{query: `SELECT ` + holdColumns + ` FROM hold WHERE owner = ANY(?) AND n = ANY(?)`, args: []any{owners, numbers}, row: g.rows.takeHold},
		{query: agentsAsked, args: args(), row: g.rows.takeAgent},
		{query: runsAsked, args: args(), row: g.rows.takeRun},
		{query: groupsAsked, args: args(), row: func(scan func(...any) error) error {
			a := &agentGroup{budgets: make(map[Window]Micros)}
			err := scan(a.fields()...)
			if err == nil && g.rows.groups[a.id] == nil {
				more[a.id] = a
			}
			return err
		}},
		{query: budgetsAsked, args: args(), row: func(scan func(...any) error) error {
			var id int64
			var w Window
			var b Micros
			err := scan(&id, &w, &b)
			if a := more[id]; a != nil {
				a.budgets[w] = b
			}
			return err
		}},
	}
	if !g.rows.zonesRead {
		g.rows.zones = nil
		all = append(all, statement{query: zonesQuery, row: g.rows.zones.add})
	}
	if !g.rows.lastRead {
		all = append(all, statement{query: endOfTrail, args: []any{g.w.known.seq}, row: g.takeEnd})
	}
	if err := p.readAll(all...); err != nil {
		return err
	}
	g.rows.zonesRead = true
	for id, a := range more {
		g.rows.groups[id] = a
	}
	return nil
}

// A row that is known already is not replaced by one that a load has read: this turn
// may have changed it.

func (r *rows) takeToken(scan func(...any) error) error {
	t, hash := new(token), []byte(nil)
	err := scan(&hash, &t.agent, &t.run, &t.scope, &t.expires, &t.revoked)
	if err == nil {
		r.tokens[TokenHash(hash)] = t
	}
	return err
}

func (r *rows) takeHold(scan func(...any) error) error {
	h, err := scanHold(scan)
	if err == nil && r.holds[h.key] == nil {
		r.holds[h.key] = h
	}
	return err
}

func (r *rows) takeAgent(scan func(...any) error) error {
	a := new(agent)
	err := scan(a.fields()...)
	if err == nil && r.agents[a.id] == nil {
		r.keepAgent(a)
	}
	return err
}

func (r *rows) takeRun(scan func(...any) error) error {
	n := new(run)
	err := scan(n.fields()...)
	if err == nil && r.runs[n.no] == nil {
		r.keepRun(n)
	}
	return err
}

func (r *rows) takeAccount(scan func(...any) error) error {
	a := new(account)
	err := scan(a.fields()...)
	if err == nil && r.accounts[a.id] == nil {
		r.keepAccount(a)
	}
	return err
}

func (g *commitGroup) takeEnd(scan func(...any) error) error {
	var end mark
	var hash, there []byte
	if err := scan(&end.seq, &hash, &there); err != nil {
		return err
	}
	copy(end.hash[:], hash)
	g.tookEnd(end, there)
	return g.err
}

func (r *rows) takePaced(scan func(...any) error) error {
	var agent int64
	var c paced
	err := scan(&agent, &c.key.owner, &c.key.n, &c.at, &c.tokens)
	if err == nil {
		r.paces[agent].calls = append(r.paces[agent].calls, c)
	}
	return err
}

func (r *rows) takeOpen(scan func(...any) error) error {
	var agent, n int64
	err := scan(&agent, &n)
	r.open[agent] = n
	return err
}

// charged collects what the accounts of a path are found by.
type charged struct {
	accounts, totals, windows, groups []int64 // accounts; agents; agents with a window; groups
	seen                              map[[2]int64]bool
}

func (c *charged) add(list *[]int64, kind, id int64, known bool) {
	if key := [2]int64{kind, id}; id != 0 && !known && !c.seen[key] {
		c.seen[key] = true
		*list = append(*list, id)
	}
}

// accountsCharged are those with the ids ?1, of the agents ?2, of the windows of
// agents ?3 and of groups ?5 that begin at ?4, and all that they are parts of.
const accountsCharged = `WITH RECURSIVE lowest AS (
		SELECT * FROM account WHERE id = ANY(?1)
		UNION ALL SELECT * FROM account WHERE kind = 'agent' AND agent_id = ANY(?2)
		UNION ALL SELECT * FROM account WHERE kind = 'window' AND agent_id = ANY(?3) AND start_at = ANY(?4)
		UNION ALL SELECT * FROM account WHERE kind = 'group' AND group_id = ANY(?5) AND (start_at = 0 OR start_at = ANY(?4))),
	path AS (SELECT * FROM lowest UNION SELECT account.* FROM account JOIN path p ON account.id = p.parent)
	SELECT ` + accountColumns + ` FROM path`

// loadAccounts reads every account that the operations charge, as far as that is known
// before they decide, and what limits the pace of their agents.
func (p *postgres) loadAccounts(g *commitGroup, ops []*op) error {
	c := &charged{seen: make(map[[2]int64]bool)}
	paced, counted := make([]int64, 0), false
	for _, o := range ops {
		agent, of := int64(0), []int64(nil)
		if o.admit != nil {
			t := g.rows.tokens[o.admit.Token]
			if t == nil {
				continue
			}
			agent = t.agent
			if r := g.rows.runs[t.run]; r != nil {
				of = append(of, r.account)
			}
			c.add(&c.totals, 1, agent, g.rows.totals[agent] != nil)
		} else if h := g.rows.holds[o.hold]; h != nil {
			agent = h.agent
			of = append(append(append(of, h.account, h.window), h.groups...), h.only...)
		}
		for _, id := range of {
			c.add(&c.accounts, 0, id, g.rows.accounts[id] != nil)
		}
		a := g.rows.agents[agent]
		if a == nil {
			continue
		}
		if a.limits.paced() {
			c.add(&paced, 4, a.id, g.rows.paces[a.id] != nil)
		}
		if o.admit == nil {
			continue
		}
		counted = counted || a.limits.Concurrency > 0
		if a.window != Total {
			c.add(&c.windows, 2, a.id, false)
		}
		for id := a.group; id != 0; {
			c.add(&c.groups, 3, id, false)
			in := g.rows.groups[id]
			if in == nil {
				break
			}
			id = in.parent
		}
	}
	return p.readCharged(g, c, paced, counted)
}

func (p *postgres) loadPaths(g *commitGroup, accounts []int64) error {
	c := &charged{seen: make(map[[2]int64]bool)}
	for _, id := range accounts {
		c.add(&c.accounts, 0, id, g.rows.accounts[id] != nil)
	}
	return p.readCharged(g, c, nil, false)
}

func (p *postgres) readCharged(g *commitGroup, c *charged, paced []int64, counted bool) error {
	var all []statement
	if len(c.accounts)+len(c.totals)+len(c.windows)+len(c.groups) > 0 {
		starts := []int64{g.start(Daily).UnixMilli(), g.start(Weekly).UnixMilli(), g.start(Monthly).UnixMilli()}
		all = append(all, statement{query: accountsCharged, args: []any{c.accounts, c.totals, c.windows, starts, c.groups}, row: g.rows.takeAccount})
	}
	if len(paced) > 0 {
		for _, id := range paced {
			g.rows.paces[id] = new(pace)
		}
		all = append(all, statement{query: `SELECT agent_id, owner, n, at, tokens FROM pace WHERE agent_id = ANY(?) ORDER BY at`, args: []any{paced}, row: g.rows.takePaced})
	}
	if counted && g.rows.open == nil {
		g.rows.open = make(map[int64]int64)
		all = append(all, statement{query: openCounts, row: g.rows.takeOpen})
	}
	if len(all) == 0 {
		return nil
	}
	return p.readAll(all...)
}
