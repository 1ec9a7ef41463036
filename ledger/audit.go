package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Audit is Verify's result.
type Audit struct {
	Checks []Check `json:"checks"`
	Events int64   `json:"events"`
	Head   string  `json:"head"` // hex of the last hash
}

// Check is one verified property.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // the first bad place
}

// OK reports whether every check passed.
func (a Audit) OK() bool {
	for _, c := range a.Checks {
		if !c.OK {
			return false
		}
	}
	return true
}

// bad is the first check that did not pass, "" if all did.
func (a Audit) bad() string {
	for _, c := range a.Checks {
		if !c.OK {
			return c.Name + ": " + c.Detail
		}
	}
	return ""
}

// audit is one Verify under way, in one read transaction.
type audit struct {
	l      *Ledger
	tx     *snapshot
	heads  headLines
	replay replay
	result Audit
}

// Verify checks every invariant and reports the first bad place of each.
// progress may be nil.
func (l *Ledger) Verify(ctx context.Context, progress func(done, all int64)) (Audit, error) {
	heads, err := readHead(headPath(l.home))
	if err != nil {
		return Audit{}, fmt.Errorf("auditing: %w", err)
	}
	tx, err := l.read.snapshot(ctx)
	if err != nil {
		return Audit{}, fmt.Errorf("auditing: %w", l.explain(err))
	}
	defer tx.Rollback() // it has only read
	return l.verify(ctx, tx, heads, progress)
}

// verify is Verify of what one transaction sees. heads were read before it began.
func (l *Ledger) verify(ctx context.Context, tx *snapshot, heads headLines, progress func(done, all int64)) (Audit, error) {
	a := &audit{l: l, tx: tx, heads: heads, replay: newReplay()}
	for _, c := range []struct {
		name  string
		check func(context.Context) (string, error)
	}{
		{"file", a.file},
		{"chain", func(ctx context.Context) (string, error) { return a.chain(ctx, progress) }},
		{"head", a.head},
		{"sums", a.sums},
		{"budgets", a.budgets},
		{"reserved", a.reserved},
		{"runs", a.runs},
		{"tally", a.tally},
		{"groups", a.groups},
	} {
		bad, err := c.check(ctx)
		if ctx.Err() != nil {
			return a.result, ctx.Err()
		}
		if err != nil { // what cannot be read cannot be right
			bad = err.Error()
		}
		a.result.Checks = append(a.result.Checks, Check{Name: c.name, OK: bad == "", Detail: bad})
	}
	return a.result, nil
}

// first returns the first row's only column, "" when there is none.
func (a *audit) first(ctx context.Context, query string, args ...any) (string, error) {
	var s sql.NullString
	err := a.tx.QueryRowContext(ctx, query, args...).Scan(&s)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return s.String, err
}

// file asks the database whether its pages, CHECKs and references hold.
func (a *audit) file(ctx context.Context) (string, error) {
	for _, query := range a.l.dialect.soundRows {
		if found, err := a.first(ctx, query); err != nil || found != "" && found != "ok" {
			return found, err
		}
	}
	return "", nil
}

// chain reads the trail from its beginning and recomputes every hash.
func (a *audit) chain(ctx context.Context, progress func(done, all int64)) (string, error) {
	var first, last, all sql.NullInt64
	if err := a.tx.QueryRowContext(ctx, `SELECT min(seq), max(seq), count(*) FROM event_log`).Scan(&first, &last, &all); err != nil {
		return "", err
	}
	prev, bad, err := a.beginning(ctx, first.Int64)
	if err != nil || bad != "" {
		return bad, err
	}
	rs, err := a.tx.QueryContext(ctx, `SELECT seq, body, hash FROM event_log ORDER BY seq`)
	if err != nil {
		return "", err
	}
	defer rs.Close()
	var body, hash []byte
	for rs.Next() {
		var seq int64
		if err := rs.Scan(&seq, &body, &hash); err != nil {
			return "", err
		}
		if bad := a.link(&prev, seq, body, hash); bad != "" {
			return bad, nil
		}
		a.result.Events++
		if progress != nil && a.result.Events%4096 == 0 {
			progress(a.result.Events, all.Int64)
		}
	}
	if progress != nil {
		progress(a.result.Events, all.Int64)
	}
	a.result.Head = hex.EncodeToString(prev.hash[:])
	return "", rs.Err()
}

// beginning is the place before the first event: nothing, or what the newest
// checkpoint says it folded.
func (a *audit) beginning(ctx context.Context, first int64) (mark, string, error) {
	if first <= 1 {
		return mark{}, "", nil
	}
	var body []byte
	err := a.tx.QueryRowContext(ctx, `SELECT body FROM trail WHERE action = 'checkpoint' ORDER BY seq DESC LIMIT 1`).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return mark{}, fmt.Sprintf("events 1 to %d are missing", first-1), nil
	}
	if err != nil {
		return mark{}, "", err
	}
	var line replayedEvent
	if err := json.Unmarshal(body, &line); err != nil || line.Folded == nil || line.Folded.Through != first-1 {
		return mark{}, fmt.Sprintf("events before %d are missing, and no checkpoint tells of them", first), nil
	}
	hash, err := hex.DecodeString(line.Folded.Hash)
	if err != nil || len(hash) != len(chainHash{}) {
		return mark{}, "the checkpoint's hash is not one", nil
	}
	a.replay.startFrom(line.Folded)
	return mark{first - 1, chainHash(hash)}, "", nil
}

// link checks one event against the one before and adds it to what the trail says.
func (a *audit) link(prev *mark, seq int64, body, hash []byte) string {
	if seq != prev.seq+1 {
		return fmt.Sprintf("event %d is missing", prev.seq+1)
	}
	next := mark{seq, link(prev.hash, body)}
	if !bytes.Equal(hash, next.hash[:]) {
		return fmt.Sprintf("event %d is not the one that was written: its hash does not fit", seq)
	}
	*prev = next
	var e replayedEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Sprintf("event %d cannot be read: %v", seq, err)
	}
	if e.Seq != seq || e.Ledger != a.l.id || e.Chain != a.l.chain {
		return fmt.Sprintf("event %d says that it is event %d of ledger %s", seq, e.Seq, e.Ledger)
	}
	a.replay.add(e)
	return ""
}

// head compares with the place noted outside the database.
func (a *audit) head(ctx context.Context) (string, error) {
	was, known := a.heads.of(a.l.path, a.l.id)
	if !known { // for example a backup: it may be older than what it is of
		return "", nil
	}
	return behindHead(ctx, a.tx, was)
}

// sums checks promise 4 and, with the budgets, promise 1.
func (a *audit) sums(ctx context.Context) (string, error) {
	return a.eachAccount(ctx, func(acc *account) string {
		if told := a.replay.costs[acc.id]; told != acc.spent+acc.overrun {
			return fmt.Sprintf("account %d has spent %d and overrun %d, its events say %d", acc.id, acc.spent, acc.overrun, told)
		}
		delete(a.replay.costs, acc.id)
		return ""
	}, func() string {
		for id := range a.replay.costs {
			return fmt.Sprintf("account %d is gone, its events are not", id)
		}
		return ""
	})
}

func (a *audit) budgets(ctx context.Context) (string, error) {
	return a.eachAccount(ctx, func(acc *account) string {
		was, told := a.replay.budgets[acc.id]
		target := was.Target
		switch {
		case !told:
			return fmt.Sprintf("account %d was never given by an event", acc.id)
		case was.Agent != acc.agentID() || was.Group != acc.group || was.Kind != acc.kind || was.Window != acc.window || was.Start != acc.start:
			return fmt.Sprintf("account %d is of another owner or time than its events say", acc.id)
		case was.Parent != acc.parent:
			return fmt.Sprintf("account %d hangs under %d, its events say %d", acc.id, acc.parent, was.Parent)
		case (target != nil) != acc.limited || target != nil && *target != acc.target:
			return fmt.Sprintf("account %d has another budget than its events say", acc.id)
		case acc.limited && acc.budget != max(acc.target, acc.spent+acc.reserved):
			return fmt.Sprintf("account %d has a budget of %d; asked for were %d", acc.id, acc.budget, acc.target)
		case acc.overrun > 0 && (!acc.limited || acc.unreserved() != 0):
			return fmt.Sprintf("account %d has an overrun of %d and room to pay it", acc.id, acc.overrun)
		}
		return ""
	}, nil)
}

// eachAccount calls check for every account, then end; the first complaint wins.
func (a *audit) eachAccount(ctx context.Context, check func(*account) string, end func() string) (string, error) {
	rs, err := a.tx.QueryContext(ctx, `SELECT `+accountColumns+` FROM account ORDER BY id`)
	if err != nil {
		return "", err
	}
	defer rs.Close()
	for rs.Next() {
		acc := new(account)
		if err := rs.Scan(acc.fields()...); err != nil {
			return "", err
		}
		if bad := check(acc); bad != "" {
			return bad, nil
		}
	}
	if end != nil && rs.Err() == nil {
		return end(), nil
	}
	return "", rs.Err()
}

// openByAccount are the open holds of every account: how many, and how much.
func (d *dialect) openByAccount() string {
	return `WITH RECURSIVE charged (account, amount) AS (
			SELECT account_id, amount_micro FROM hold WHERE state = 'open'
			UNION ALL
			SELECT a.parent, c.amount FROM charged c JOIN account a ON a.id = c.account WHERE a.parent IS NOT NULL
		), held (account, amount) AS (
			SELECT * FROM charged
			UNION ALL
			SELECT window_id, amount_micro FROM hold WHERE state = 'open' AND window_id IS NOT NULL
			UNION ALL
			SELECT g.value, amount_micro FROM hold, ` + d.groupAccounts + ` WHERE state = 'open'
		), total (account, holds, amount) AS (
			SELECT account, count(*), sum(amount) FROM held GROUP BY account
		) `
}

// reserved compares every account with the open holds that name it.
func (a *audit) reserved(ctx context.Context) (string, error) {
	bad, err := a.first(ctx, a.l.dialect.openByAccount()+`SELECT 'account ' || a.id || ' has ' || a.reserved_micro || ' reserved, its open holds are ' || coalesce(t.amount, 0)
		FROM account a LEFT JOIN total t ON t.account = a.id
		WHERE a.reserved_micro <> coalesce(t.amount, 0) ORDER BY a.id LIMIT 1`)
	if err != nil || bad != "" {
		return bad, err
	}
	return a.calls(ctx)
}

// calls checks that every call an account let through has ended, with an
// event, or is open: a hold that was taken out of its table shows here.
func (a *audit) calls(ctx context.Context) (string, error) {
	open := make(map[int64]int64)
	rs, err := a.tx.QueryContext(ctx, a.l.dialect.openByAccount()+`SELECT account, holds FROM total`)
	if err != nil {
		return "", err
	}
	defer rs.Close()
	for rs.Next() {
		var id, n int64
		if err := rs.Scan(&id, &n); err != nil {
			return "", err
		}
		open[id] = n
	}
	if err := rs.Err(); err != nil {
		return "", err
	}
	return a.eachAccount(ctx, func(acc *account) string {
		if told := a.replay.calls[acc.id]; acc.calls != told+open[acc.id] {
			return fmt.Sprintf("account %d let %d calls through, its events and open holds say %d", acc.id, acc.calls, told+open[acc.id])
		}
		return ""
	}, nil)
}

// runs checks that what has ended holds nothing.
func (a *audit) runs(ctx context.Context) (string, error) {
	return a.first(ctx, `SELECT 'run ' || r.id || ' has ended and still holds ' || c.reserved_micro
		FROM run r JOIN account c ON c.id = r.account_id WHERE r.state = 'ended' AND c.reserved_micro <> 0 ORDER BY r.no LIMIT 1`)
}
