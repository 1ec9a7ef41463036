package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errDeclaredDead reports that the others took this process for dead.
var errDeclaredDead = errors.New("this process was taken for dead by the others")

// enter takes the turn, and waits for it on the server, where waiting processes
// have an order.
func (p *postgres) enter() (entered bool, err error) {
	if p.in {
		return true, nil
	}
	if p.conn == nil {
		if err := p.connect(context.Background()); err != nil {
			p.gone(err)
			return false, nil
		}
	}
	if err = p.takeTurn(); err == nil {
		p.why, p.since = nil, time.Time{}
		return true, nil
	}
	p.disconnect()
	if !passing(err) {
		return false, err
	}
	p.gone(err)
	return false, nil
}

// gone notes why the turn does not come, and since when.
func (p *postgres) gone(err error) {
	if p.why == nil {
		p.since = time.Now()
	}
	p.why = err
}

// takeTurn begins the transaction, locks the turn, and then looks: what the
// statement of a lock reads beside it is from before it waited.
func (p *postgres) takeTurn() error {
	p.pending = []statement{
		{query: `BEGIN`},
		{query: `SET LOCAL synchronous_commit = off`},
		{query: `SELECT n FROM turn FOR NO KEY UPDATE`},
	}
	own := int64(0)
	if p.l.owner != nil {
		own = int64(p.l.owner.id())
	}
	var alive bool
	var now int64
	var version int
	var id string
	look := statement{query: `SELECT (SELECT n FROM turn), CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT),
		EXISTS (SELECT 1 FROM owner WHERE id = ?), (SELECT version FROM ledger), (SELECT id FROM ledger)`, args: []any{own}}
	err := p.send(look, func(rows pgx.Rows) error { return scanOne(rows, &p.number, &now, &alive, &version, &id) })
	switch {
	case err != nil:
		return err
	case version > serverSchema: // since this process opened it
		return newerTables(version)
	case id != p.l.id:
		return fmt.Errorf("%w: what is at %s now is another ledger", ErrCorrupt, p.l.path)
	}
	p.in, p.reborn = true, false
	p.l.setClock(now)
	if own != 0 && !alive {
		return p.rebirth()
	}
	return nil
}

// rebirth makes this process another owner: the holds of the old one have been booked,
// and settling them from now on books the difference.
func (p *postgres) rebirth() error {
	id, err := p.l.newOwnerID()
	if err != nil {
		return err
	}
	p.pending = append(p.pending, ownerRow(id))
	p.reborn = true
	p.l.owner.current.Store(int64(id))
	p.l.identities.forget()
	return nil
}

func scanOne(rows pgx.Rows, dest ...any) error {
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	return rows.Scan(dest...)
}

func (p *postgres) await() (<-chan error, time.Duration) { return nil, 50 * time.Millisecond }
func (p *postgres) came(error)                           {}
func (p *postgres) stray() <-chan error                  { return nil }

// awayWithin is how long what has happened waits for the server. What was not
// booked then is a hold that the others, or this process, book in full.
const awayWithin = time.Minute

func (p *postgres) patience(happened bool) time.Duration {
	if happened {
		return awayWithin
	}
	if p.since.IsZero() {
		return p.l.patience
	}
	return max(0, p.l.patience-time.Since(p.since))
}

func (p *postgres) refusal() error {
	var pg *pgconn.PgError
	if errors.As(p.why, &pg) && pg.Code == "55P03" {
		return &Holder{Path: p.l.path, Name: "another gateway"}
	}
	return &away{p.l.path, p.why}
}

func (p *postgres) leave() error {
	if p.in {
		p.disconnect() // the turn was not used
	}
	return nil
}

func (p *postgres) begin() error { return p.comeBack() }

func (p *postgres) unchanged() (bool, error) {
	return p.number == p.own && !p.reborn, nil
}

func (p *postgres) changed() bool {
	var n int64
	err := p.send(statement{query: `SELECT n FROM turn`}, func(rows pgx.Rows) error { return scanOne(rows, &n) })
	if err != nil {
		p.disconnect()
		return true
	}
	return n != p.number
}

// lingers is false: a process that has the turn keeps all others from it.
func (p *postgres) lingers() bool { return false }

// commit ends the turn and waits for the barrier, both in one message.
func (p *postgres) commit() error {
	_ = p.execRows(`UPDATE turn SET n = n + 1`, nil, 1) // is told with the commit
	_ = p.exec(`COMMIT`, nil)
	p.in, p.number = false, p.number+1
	p.own = p.number
	return p.barrier()
}

// barrier makes durable all that was committed before it, on every synchronous
// standby too. It is the heartbeat at the same time.
func (p *postgres) barrier() error {
	var fsync string
	beat := statement{query: `UPDATE owner SET beat = beat + 1, beat_at = ` + serverMillis + ` WHERE id = ? RETURNING current_setting('fsync')`, args: []any{int64(p.l.owner.id())}}
	err := p.send(beat, func(rows pgx.Rows) error { return scanOne(rows, &fsync) })
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errDeclaredDead // and nothing was written that could have been waited for
	case err != nil:
		return err
	case fsync != "on":
		return fmt.Errorf("%w: the server does not write to its disk before it answers (fsync = %s)", ErrUnsound, fsync)
	}
	return p.warned // "the transaction might not have been replicated"
}

const serverMillis = `CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)`

func (p *postgres) rollback() error {
	p.pending, p.in = nil, false
	return p.send(statement{query: `ROLLBACK`}, nil)
}

// reopen takes the turn again by another connection. By then it is settled what became
// of the last one's transaction, since that one had the turn.
func (p *postgres) reopen() error {
	p.disconnect()
	return p.comeBack()
}

func (p *postgres) comeBack() error {
	for end := time.Now().Add(patience); ; time.Sleep(retryBusy) {
		entered, err := p.enter()
		switch {
		case entered || err != nil:
			return err
		case time.Now().After(end):
			return &away{p.l.path, p.why}
		}
	}
}

func (p *postgres) secure() error { return p.commit() }
