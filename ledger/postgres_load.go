package ledger

import (
	"github.com/jackc/pgx/v5"
)

// load reads together, in three messages, what the operations of a group will ask
// for one by one. It decides nothing: what it leaves out is read when it is asked
// for, and what it reads for nothing does no harm.
func (p *postgres) load(g *group, ops []*op) error {
	tokens, holds := wanted(g, ops)
	if len(tokens)+len(holds) == 0 {
		return nil
	}
	if err := p.loadFirst(g, tokens, holds); err != nil {
		return err
	}
	agents, runs := g.namedByThose(ops)
	if err := p.loadSecond(g, agents, runs); err != nil {
		return err
	}
	return p.loadAccounts(g, ops)
}

// wanted are the tokens and holds of operations that are not known yet.
func wanted(g *group, ops []*op) (tokens [][]byte, holds []holdKey) {
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

// loadFirst reads tokens and holds, and the end of the trail.
func (p *postgres) loadFirst(g *group, tokens [][]byte, holds []holdKey) error {
	owners, numbers := make([]int64, len(holds)), make([]int64, len(holds))
	for i, k := range holds {
		owners[i], numbers[i] = int64(k.owner), k.n
	}
	return p.readAll(
		statement{query: `SELECT hash, agent_id, coalesce(run_no, 0), scope, coalesce(expires_at, 0), revoked_at IS NOT NULL FROM token WHERE hash = ANY(?)`, args: []any{tokens}, row: func(scan func(...any) error) error {
			t, hash := new(token), []byte(nil)
			err := scan(&hash, &t.agent, &t.run, &t.scope, &t.expires, &t.revoked)
			if err == nil {
				g.rows.tokens[TokenHash(hash)] = t
			}
			return err
		}},
		statement{query: `SELECT ` + holdColumns + ` FROM hold WHERE (owner, n) IN (SELECT * FROM unnest(CAST(? AS BIGINT[]), CAST(? AS BIGINT[])))`, args: []any{owners, numbers}, row: func(scan func(...any) error) error {
			h, err := scanHold(scan)
			if err == nil && g.rows.holds[h.key] == nil {
				g.rows.holds[h.key] = h
			}
			return err
		}},
		statement{query: endOfTrail, args: []any{g.w.known.seq}, row: func(scan func(...any) error) error {
			if g.rows.lastRead {
				return nil
			}
			var end mark
			var hash, there []byte
			if err := scan(&end.seq, &hash, &there); err != nil {
				return err
			}
			copy(end.hash[:], hash)
			g.tookEnd(end, there)
			return g.err
		}},
	)
}

// namedByThose are the agents and runs of what the operations name, so far as
// that is known now.
func (g *group) namedByThose(ops []*op) (agents, runs []int64) {
	add := func(agent, run int64) {
		if g.rows.agents[agent] == nil {
			agents = append(agents, agent)
		}
		if run != 0 && g.rows.runs[run] == nil {
			runs = append(runs, run)
		}
	}
	for _, o := range ops {
		if o.admit != nil {
			if t := g.rows.tokens[o.admit.Token]; t != nil {
				add(t.agent, t.run)
			}
		} else if h := g.rows.holds[o.hold]; h != nil {
			add(h.agent, h.run)
		}
	}
	return agents, runs
}

// loadSecond reads agents, runs with those that they are inside of, and groups.
func (p *postgres) loadSecond(g *group, agents, runs []int64) error {
	if len(agents)+len(runs) == 0 {
		return nil
	}
	return p.readAll(
		statement{query: `SELECT ` + agentColumns + ` FROM agent WHERE id = ANY(?)`, args: []any{agents}, row: func(scan func(...any) error) error {
			a := new(agent)
			err := scan(a.fields()...)
			if err == nil && g.rows.agents[a.id] == nil {
				g.rows.keepAgent(a)
			}
			return err
		}},
		statement{query: `WITH RECURSIVE outer_runs AS (SELECT * FROM run WHERE no = ANY(?) UNION SELECT run.* FROM run JOIN outer_runs o ON run.no = o.parent)
			SELECT ` + runColumns + ` FROM outer_runs`, args: []any{runs}, row: func(scan func(...any) error) error {
			r := new(run)
			err := scan(r.fields()...)
			if err == nil && g.rows.runs[r.no] == nil {
				g.rows.keepRun(r)
			}
			return err
		}},
	)
}

// loadAccounts reads every account that the operations charge, so far as that can
// be told before they are decided.
func (p *postgres) loadAccounts(g *group, ops []*op) error {
	ids, agents := make(map[int64]bool), make(map[int64]bool)
	for _, o := range ops {
		if o.admit != nil {
			t := g.rows.tokens[o.admit.Token]
			if t == nil {
				continue
			}
			agents[t.agent] = true
			if r := g.rows.runs[t.run]; r != nil {
				ids[r.account] = true
			}
		} else if h := g.rows.holds[o.hold]; h != nil {
			ids[h.account], ids[h.window] = true, true
			for _, id := range append(h.groups, h.only...) {
				ids[id] = true
			}
		}
	}
	var missing, of []int64
	for id := range ids {
		if id != 0 && g.rows.accounts[id] == nil {
			missing = append(missing, id)
		}
	}
	for agent := range agents {
		if g.rows.totals[agent] == nil {
			of = append(of, agent)
		}
	}
	if len(missing)+len(of) == 0 {
		return nil
	}
	return p.each(`WITH RECURSIVE path AS (SELECT * FROM account WHERE id = ANY(?) OR agent_id = ANY(?) AND kind = 'agent'
			UNION SELECT account.* FROM account JOIN path p ON account.id = p.parent)
		SELECT `+accountColumns+` FROM path`, []any{missing, of}, func(scan func(...any) error) error {
		a := new(account)
		err := scan(a.fields()...)
		if err == nil && g.rows.accounts[a.id] == nil {
			g.rows.keepAccount(a)
		}
		return err
	})
}
