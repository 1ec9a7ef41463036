package ledger

import (
	"fmt"
	"math/bits"
	"strings"
)

// load has nothing to do: a row in a file is read as quickly as it is asked for.
func (s *sqlite) load(*commitGroup, []*op) error { return nil }

func (s *sqlite) loadPaths(*commitGroup, []int64) error { return nil }

func (s *sqlite) query(query string, args, dest []any) error {
	st, err := s.prepare(query)
	if err != nil {
		return err
	}
	return st.QueryRow(args...).Scan(dest...)
}

func (s *sqlite) each(query string, args []any, row func(scan func(...any) error) error) error {
	st, err := s.prepare(query)
	if err != nil {
		return err
	}
	rs, err := st.Query(args...)
	if err != nil {
		return err
	}
	defer rs.Close()
	for rs.Next() {
		if err := row(rs.Scan); err != nil {
			return err
		}
	}
	return rs.Err()
}

func (s *sqlite) exec(query string, args []any) error {
	_, err := s.run1(query, args...)
	return err
}

func (s *sqlite) execRows(query string, args []any, rows int64) error {
	res, err := s.run1(query, args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != rows {
		return fmt.Errorf("%w: %d rows were written instead of %d (%v)", ErrCorrupt, n, rows, err)
	}
	return nil
}

func (s *sqlite) insert(query, _ string, args []any) (int64, error) {
	res, err := s.run1(query, args...)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

func (s *sqlite) flush(g *commitGroup) error {
	holds, ended := g.unstored()
	if err := writeRows(s, holds, `INSERT INTO hold (owner, n, state, agent_id, run_no, account_id, window_id, group_id, group_accounts, amount_micro, tokens, at, call, joint, within, only_accounts) VALUES `,
		`(?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, "", (*hold).values); err != nil {
		return err
	}
	if err := writeRows(s, ended, `DELETE FROM hold WHERE (owner, n) IN (VALUES `, `(?, ?)`, `)`,
		func(h *hold, args []any) []any { return append(args, int64(h.key.owner), h.key.n) }); err != nil {
		return err
	}
	for _, a := range g.dirty {
		if err := s.exec(`UPDATE account SET target_micro = ?, budget_micro = ?, spent_micro = ?, reserved_micro = ?, overrun_micro = ?, calls = ?, last_at = ? WHERE id = ?`,
			[]any{orNull(a.limited, int64(a.target)), orNull(a.limited, int64(a.budget)), int64(a.spent), int64(a.reserved), int64(a.overrun), a.calls, orNull(a.last != 0, a.last), a.id}); err != nil {
			return err
		}
	}
	if err := writeRows(s, g.events[g.stored.events:], `INSERT INTO event_log (seq, body, hash) VALUES `, `(?, ?, ?)`, "",
		func(e event, args []any) []any { return append(args, e.seq, string(e.body), e.hash[:]) }); err != nil {
		return err
	}
	for k, t := range g.tallies {
		if err := s.exec(addTally(), t.values(k, make([]any, 0, 53))); err != nil {
			return err
		}
	}
	if g.identity {
		return s.exec(identityChanged, nil)
	}
	return nil
}

func (h *hold) values(args []any) []any {
	return append(args, int64(h.key.owner), h.key.n, h.agent, orNull(h.run != 0, h.run), h.account, orNull(h.window != 0, h.window),
		h.group, groupsText(h.groups), int64(h.amount), h.tokens, h.at, h.callText(), h.joint.orNull(), string(h.within), groupsText(h.only))
}

// writeRows runs one statement for many rows, in pieces whose sizes are powers
// of two, so that few statements need to be prepared. Every row must count.
func writeRows[T any](s *sqlite, all []T, before, one, after string, values func(T, []any) []any) error {
	for len(all) > 0 {
		n := min(1<<(bits.Len(uint(len(all)))-1), 64)
		args := s.args[:0]
		for _, v := range all[:n] {
			args = values(v, args)
		}
		s.args = args
		if err := s.execRows(s.rowsQuery(before, one, after, n), args, int64(n)); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// rowsQuery is the text of a statement for n rows, made once.
func (s *sqlite) rowsQuery(before, one, after string, n int) string {
	key := rowsQuery{before, n}
	q := s.texts[key]
	if q == "" {
		q = before + strings.TrimSuffix(strings.Repeat(one+", ", n), ", ") + after
		s.texts[key] = q
	}
	return q
}

type rowsQuery struct {
	before string
	n      int
}
