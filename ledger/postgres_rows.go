package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

func (p *postgres) query(query string, args, dest []any) error {
	err := p.send(statement{query: query, args: args}, func(rows pgx.Rows) error { return scanOne(rows, dest...) })
	if errors.Is(err, pgx.ErrNoRows) {
		return sql.ErrNoRows
	}
	return err
}

func (p *postgres) each(query string, args []any, row func(scan func(...any) error) error) error {
	return p.send(statement{query: query, args: args, row: row}, nil)
}

// exec does not wait: what it finds comes with the next answer, or the commit.
func (p *postgres) exec(query string, args []any) error {
	p.pending = append(p.pending, statement{query: query, args: args})
	return nil
}

// execRows has the server count: a commit that goes out in the same message must
// not come about where the rows are others.
func (p *postgres) execRows(query string, args []any, rows int64) error {
	args = append(slices.Clip(args), rows)
	return p.exec(fmt.Sprintf(`WITH done AS (%s RETURNING 1) SELECT 1 / CAST(count(*) = $%d AS INT) FROM done`, query, len(args)), args)
}

func (p *postgres) insert(query, key string, args []any) (id int64, err error) {
	err = p.query(query+` RETURNING `+key, args, []any{&id})
	return id, err
}

// flush writes rows of a kind with one statement, each column an array.
func (p *postgres) flush(g *commitGroup) error {
	made, ended := g.unstored()
	p.write(insertHolds, len(made), holdColumnsOf(made)...)
	owners, numbers := make([]int64, len(ended)), make([]int64, len(ended))
	for i, h := range ended {
		owners[i], numbers[i] = int64(h.key.owner), h.key.n
	}
	p.write(`DELETE FROM hold h USING unnest(CAST(? AS BIGINT[]), CAST(? AS BIGINT[])) AS e (owner, n) WHERE h.owner = e.owner AND h.n = e.n`,
		len(ended), owners, numbers)
	p.writeAccounts(g.dirty)
	p.writeEvents(g.events[g.stored.events:])
	p.writeTallies(g.tallies)
	if g.identity {
		return p.exec(identityChanged, nil)
	}
	return nil
}

// write has a statement change so many rows, if any.
func (p *postgres) write(query string, rows int, args ...any) {
	if rows > 0 {
		_ = p.execRows(query, args, int64(rows)) // is told later
	}
}

const insertHolds = `INSERT INTO hold (state, owner, n, agent_id, run_no, account_id, window_id, group_id, group_accounts, amount_micro, tokens, at, call, joint, within, only_accounts)
	SELECT 'open', * FROM unnest(CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]),
		CAST(? AS TEXT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), CAST(? AS TEXT[]), CAST(? AS BYTEA[]), CAST(? AS TEXT[]), CAST(? AS TEXT[]))`

func holdColumnsOf(holds []*hold) []any {
	n := len(holds)
	owner, number, agent, account, group := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	run, window := make([]*int64, n), make([]*int64, n)
	amount, tokens, at := make([]int64, n), make([]int64, n), make([]int64, n)
	groups, call, within, only := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	joint := make([][]byte, n)
	for i, h := range holds {
		owner[i], number[i], agent[i], account[i], group[i] = int64(h.key.owner), h.key.n, h.agent, h.account, h.group
		run[i], window[i] = unlessZero(h.run), unlessZero(h.window)
		amount[i], tokens[i], at[i] = int64(h.amount), h.tokens, h.at
		groups[i], call[i], within[i], only[i] = groupsText(h.groups), h.callText(), string(h.within), groupsText(h.only)
		if h.joint != (TokenHash{}) {
			joint[i] = h.joint[:]
		}
	}
	return []any{owner, number, agent, run, account, window, group, groups, amount, tokens, at, call, joint, within, only}
}

func unlessZero(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// writeAccounts writes the budgets that were asked for only where they were
// changed: a gateway's role may not.
func (p *postgres) writeAccounts(all []*account) {
	var kept, given []*account
	for _, a := range all {
		if a.given {
			given = append(given, a)
		} else {
			kept = append(kept, a)
		}
	}
	p.write(updateAccounts(``), len(kept), accountColumnsOf(kept)[:7]...)
	p.write(updateAccounts(`, target_micro = v.target`), len(given), accountColumnsOf(given)...)
}

func updateAccounts(more string) string {
	columns, target := strings.Repeat(`, CAST(? AS BIGINT[])`, 6), ``
	if more != "" {
		columns, target = columns+`, CAST(? AS BIGINT[])`, `, target`
	}
	return `UPDATE account a SET budget_micro = v.budget, spent_micro = v.spent, reserved_micro = v.reserved, overrun_micro = v.overrun, calls = v.calls, last_at = v.last` + more + `
		FROM unnest(CAST(? AS BIGINT[])` + columns + `) AS v (id, budget, spent, reserved, overrun, calls, last` + target + `) WHERE a.id = v.id`
}

func accountColumnsOf(all []*account) []any {
	n := len(all)
	id, spent, reserved, overrun, calls := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	budget, target, last := make([]*int64, n), make([]*int64, n), make([]*int64, n)
	for i, a := range all {
		id[i], spent[i], reserved[i], overrun[i], calls[i], last[i] = a.id, int64(a.spent), int64(a.reserved), int64(a.overrun), a.calls, unlessZero(a.last)
		if a.limited {
			b, t := int64(a.budget), int64(a.target)
			budget[i], target[i] = &b, &t
		}
	}
	return []any{id, budget, spent, reserved, overrun, calls, last, target}
}

func (p *postgres) writeEvents(events []event) {
	seq, body, hash := make([]int64, len(events)), make([]string, len(events)), make([][]byte, len(events))
	for i, e := range events {
		seq[i], body[i], hash[i] = e.seq, string(e.body), e.hash[:]
	}
	p.write(`INSERT INTO event_log (seq, body, hash) SELECT * FROM unnest(CAST(? AS BIGINT[]), CAST(? AS TEXT[]), CAST(? AS BYTEA[]))`, len(events), seq, body, hash)
}

// tallyTexts are how many of a row's keys, from the fifth on, are texts.
const tallyTexts = 4

// addTallies is addTally for many rows.
var addTallies = sync.OnceValue(func() string {
	columns := make([]string, len(tallyColumns))
	for i := range columns {
		columns[i] = `CAST(? AS BIGINT[])`
		if i >= 4 && i < 4+tallyTexts {
			columns[i] = `CAST(? AS TEXT[])`
		}
	}
	return `INSERT INTO tally (` + strings.Join(tallyColumns, ", ") + `) SELECT * FROM unnest(` + strings.Join(columns, ", ") + `)` + addToTally()
})

func (p *postgres) writeTallies(all map[tallyKey]*tallySums) {
	if len(all) == 0 {
		return
	}
	columns := make([]any, len(tallyColumns))
	row := make([]any, 0, len(tallyColumns))
	for k, t := range all {
		row = t.values(k, row[:0])
		for i, v := range row {
			switch v := v.(type) {
			case string:
				texts, _ := columns[i].([]string)
				columns[i] = append(texts, v)
			case int64:
				numbers, _ := columns[i].([]int64)
				columns[i] = append(numbers, v)
			}
		}
	}
	p.write(addTallies(), len(all), columns...)
}
