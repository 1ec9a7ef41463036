package ledger

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"sync"
	"time"
)

// leaseWithin is how long an owner may be without a beat before the others take it
// for dead. A process that was stopped for longer becomes another owner (rebirth):
// its holds have been booked in full, and settling one books the difference.
const leaseWithin = time.Minute

// lease is how processes on a server tell who of them lives: each has a row whose
// beat changes with every commit and at least every five seconds. An owner is dead
// when this process itself has seen its beat unchanged for leaseWithin, by its own
// clock and from a server that was there all the time. So no clock is compared with
// another, and an owner that comes back together with the server has time to beat.
type lease struct {
	l *Ledger
	p *postgres

	mu     sync.Mutex
	within time.Duration
	server string // since when it has been running
	seen   map[ownerID]sighting
}

type sighting struct {
	beat  int64
	gone  bool
	since time.Time
}

func ownerRow(id ownerID) statement {
	return statement{query: `INSERT INTO owner (id, beat_at, host, process) VALUES (?, ` + serverMillis + `, ?, ?)`,
		args: []any{int64(id), hostName(), ownName()}}
}

// newLease makes this process an owner.
func newLease(ctx context.Context, l *Ledger, p *postgres) (*owner, error) {
	id, err := l.newOwnerID()
	if err != nil {
		return nil, err
	}
	row := ownerRow(id)
	if _, err := p.conn.Exec(ctx, numbered(row.query), row.args...); err != nil {
		return nil, err
	}
	o := &owner{life: &lease{l: l, p: p, within: l.lease, seen: make(map[ownerID]sighting)}}
	o.current.Store(int64(id))
	return o, nil
}

// keep beats, and looks at the beats of the others.
func (e *lease) keep() error {
	err := e.l.commitOne(context.Background(), beat)
	return errors.Join(err, e.look())
}

// beat has the barrier commit, and looks at the trail: a process that has nothing to
// book notices, too, when the trail is cut off.
func beat(g *commitGroup) error {
	g.wrote = true
	if len(g.events) == 0 { // else this turn has read the end of the trail already
		g.rows.lastRead = false
		g.last()
	}
	return g.err
}

func (e *lease) look() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen, now := make(map[ownerID]sighting), time.Now()
	ctx, stop := e.l.lookingOnce()
	defer stop()
	rs, err := e.l.read.QueryContext(ctx, `SELECT id, beat, gone, CAST(pg_postmaster_start_time() AS text) FROM owner`)
	if err != nil {
		clear(e.seen) // the server is away: nobody can beat
		return err
	}
	defer rs.Close()
	var server string
	for rs.Next() {
		var id ownerID
		s := sighting{since: now}
		if err := rs.Scan(&id, &s.beat, &s.gone, &server); err != nil {
			clear(e.seen)
			return err
		}
		if was, ok := e.seen[id]; ok && was.beat == s.beat && server == e.server {
			s.since = was.since
		}
		seen[id] = s
	}
	if err := rs.Err(); err != nil {
		clear(e.seen)
		return err
	}
	e.seen, e.server = seen, server
	return nil
}

// dead is asked inside a turn. Whoever is dead is forgotten in it, so that it
// finds out at its own next turn, and nobody books the same twice.
func (e *lease) dead(id ownerID) (io.Closer, bool, error) {
	e.mu.Lock()
	was, seen := e.seen[id]
	within := e.within
	e.mu.Unlock()
	late := seen && time.Since(was.since) >= within
	if seen && !late && !was.gone {
		return nil, false, nil
	}
	var beat int64
	var gone bool
	err := e.p.query(`SELECT beat, gone FROM owner WHERE id = ?`, []any{int64(id)}, []any{&beat, &gone})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, true, nil
	case err != nil:
		return nil, false, err
	case !gone && (!late || beat != was.beat):
		return nil, false, nil
	}
	return nil, true, e.p.exec(`DELETE FROM owner WHERE id = ?`, []any{int64(id)})
}

// suspect also takes an owner for dead that is adrift, or that has no row.
func (e *lease) suspect(id ownerID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	was, seen := e.seen[id]
	return !seen || was.gone || time.Since(was.since) >= e.within
}

// silent tells whether an owner has missed a beat or two, which is too early to
// take it for dead.
func (e *lease) silent(id ownerID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	was, seen := e.seen[id]
	return seen && time.Since(was.since) >= e.within/6
}

// clear has nothing to do: an owner takes its row away, and the row of one that was
// killed while it had nothing open does no harm.
func (e *lease) clear(map[ownerID]bool) error { return nil }

// close has nothing to do: the engine, whose connection is the last one, signs off.
func (e *lease) close() error { return nil }

// signOff hands to the others at once what this process still has open.
func (p *postgres) signOff() {
	if p.l.owner == nil || p.conn == nil {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), answerWithin)
	defer stop()
	id := int64(p.l.owner.id())
	// It does not matter when this fails: the others find out.
	_, _ = p.conn.Exec(ctx, `UPDATE owner SET gone = true WHERE id = $1
		AND (EXISTS (SELECT 1 FROM hold WHERE hold.owner = $1 AND state = 'open') OR EXISTS (SELECT 1 FROM run WHERE run.owner = $1 AND state <> 'ended'))`, id)
	_, _ = p.conn.Exec(ctx, `DELETE FROM owner WHERE id = $1 AND NOT gone`, id)
}
