package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// Copied tells what Copy has made.
type Copied struct {
	Place  string           `json:"ledger"` // without a user
	Rows   map[string]int64 `json:"rows"`   // by table; nil where an earlier Copy had made them
	Events int64            `json:"events"`
	Head   string           `json:"head"` // hex of the last hash
}

// Copy copies a ledger in a file, with its whole trail, into an empty one on a
// server, whose roles and tables InitServer has made. It needs a user there
// that has the role aex_owner.
//
// Copy takes one turn of the file and one transaction on the server. The transaction is
// committed only when the copy has passed the audit and has the same rows, sums and hashes
// as the file. Then the file is marked: nobody books in it any more, and Open says where the
// ledger is. If Copy is cut off in between, the next Copy to the same place finds out what
// became of it.
func Copy(ctx context.Context, from Options, to string, progress func(done, all int64)) (Copied, error) {
	if OnServer(from.Path) || !OnServer(to) {
		return Copied{}, fmt.Errorf("%w: a ledger is copied from a file to an address like postgres://owner@db.example/aex", ErrInvalid)
	}
	target, err := newLedger(Options{Path: to, Home: from.Home})
	if err != nil {
		return Copied{}, err
	}
	c := &copying{ctx: ctx, to: target, progress: progress}
	if made, err := c.resume(from); err != nil || made.Place != "" {
		return made, err
	}
	if c.l, err = Open(ctx, from); err != nil {
		return Copied{}, err
	}
	made, err := c.copy()
	return made, errors.Join(err, c.l.Close())
}

// copying is a Copy under way.
type copying struct {
	ctx      context.Context
	l        *Ledger // that is copied
	to       *Ledger // where it goes; it is not open
	progress func(done, all int64)

	from *snapshot // of l
	db   *sql.DB   // the server
	conn *sql.Conn // to it
	tx   *snapshot // there
	made Copied
}

// resume finishes a copy that was cut off, or tells that it has to be made again. It refuses
// a file that has moved, and one that is not there.
func (c *copying) resume(from Options) (Copied, error) {
	l, err := OpenReadOnly(c.ctx, from)
	if errors.Is(err, errOlder) {
		return Copied{}, nil // Open brings it up to date
	}
	if err != nil {
		return Copied{}, err
	}
	defer l.Close() // it only reads
	was, err := movedFrom(c.ctx, l.read, l.path)
	if err != nil || was == nil {
		return Copied{}, err
	}
	if was.Done || was.Place != c.to.path {
		return Copied{}, was
	}
	now, err := l.place(c.ctx, l.read)
	if err != nil {
		return Copied{}, err
	}
	there, err := c.isThere(now)
	if err != nil {
		return Copied{}, fmt.Errorf("looking for what was copied: %w", err)
	}
	if err := setMoved(c.ctx, l.path, there); err != nil || !there {
		return Copied{}, err
	}
	return Copied{Place: c.to.path, Events: now.seq, Head: hex.EncodeToString(now.hash[:])}, nil
}

func (c *copying) copy() (made Copied, err error) {
	defer func() { err = errors.Join(err, c.disconnect()) }()
	// If the commit fails, the operation is decided again, and everything is copied again.
	if err := c.l.commitOne(c.ctx, c.inTurn); err != nil {
		// Whether it is marked or not: on the server there is nothing.
		return Copied{}, errors.Join(fmt.Errorf("copying: %w", err), c.disconnect(), setMoved(context.WithoutCancel(c.ctx), c.l.path, false))
	}
	ctx := context.WithoutCancel(c.ctx) // from here on it is finished
	if err := c.tx.Commit(); err != nil {
		return c.foundOut(ctx, err)
	}
	return c.finish(ctx)
}

// foundOut finds out whether a server has committed that did not say so, and goes on.
func (c *copying) foundOut(ctx context.Context, failed error) (Copied, error) {
	now, err := c.l.place(ctx, c.l.read)
	if err != nil {
		return Copied{}, errors.Join(failed, err)
	}
	there, err := c.isThere(now)
	switch {
	case err != nil:
		return Copied{}, fmt.Errorf("copying: %w; whether the copy is there is not known; run the same command again when the server answers", c.to.explain(failed))
	case !there:
		return Copied{}, errors.Join(fmt.Errorf("copying: %w", c.to.explain(failed)), setMoved(ctx, c.l.path, false))
	}
	return c.finish(ctx)
}

func (c *copying) finish(ctx context.Context) (Copied, error) {
	if err := setMoved(ctx, c.l.path, true); err != nil {
		return Copied{}, fmt.Errorf("the copy is made, the mark in the file is not; run the same command again: %w", err)
	}
	// This home knows from now on how far the ledger there had come.
	now, err := c.l.place(ctx, c.l.read)
	if err == nil {
		now.path = c.to.path
		err = c.l.head.locked(func() error { return c.l.head.write(now) })
	}
	return c.made, err
}

// isThere tells whether the server has the ledger that ends at this place. false means that
// it has no ledger.
func (c *copying) isThere(now headLine) (bool, error) {
	defer c.disconnect() // it only looks
	if err := errors.Join(c.disconnect(), c.connect()); err != nil {
		return false, err
	}
	var id string
	var hash []byte
	err := c.tx.QueryRowContext(c.ctx, `SELECT id, (SELECT hash FROM event_log WHERE seq = ?) FROM ledger`, now.seq).Scan(&id, &hash)
	if err != nil {
		return false, c.to.explain(err)
	}
	if id == now.id && slices.Equal(hash, now.hash[:]) {
		return true, nil
	}
	return false, c.empty()
}

// inTurn does the copy while nobody else has the file.
func (c *copying) inTurn(g *commitGroup) error {
	if err := c.disconnect(); err != nil {
		return err
	}
	if err := c.quiet(g); err != nil {
		return err
	}
	var err error
	if c.from, err = c.l.read.snapshot(c.ctx); err != nil {
		return c.l.explain(err)
	}
	was, err := c.l.verify(c.ctx, c.from, nil, nil)
	if err != nil {
		return err
	}
	if bad := was.bad(); bad != "" {
		return fmt.Errorf("%w, and a copy would be, too: %s; see: aex audit", ErrCorrupt, bad)
	}
	if err := c.connect(); err != nil {
		return err
	}
	if err := c.empty(); err != nil {
		return err
	}
	if err := c.rows(); err != nil {
		return c.to.explain(err)
	}
	if err := c.compare(was); err != nil {
		return err
	}
	for _, q := range movedMark(c.to.path) {
		g.exec(q)
	}
	return g.err
}

// quiet refuses a ledger in which something is under way, or may be soon.
func (c *copying) quiet(g *commitGroup) error {
	var open []string
	g.each(`SELECT r.id, a.name FROM run r JOIN agent a ON a.id = r.agent_id WHERE r.state <> 'ended' ORDER BY r.no`, nil, func(scan func(...any) error) error {
		var id, agent string
		err := scan(&id, &agent)
		open = append(open, fmt.Sprintf("run %.4s of %s", id, agent))
		return err
	})
	g.each(`SELECT a.name, count(*) FROM hold h JOIN agent a ON a.id = h.agent_id WHERE h.state = 'open' GROUP BY a.name ORDER BY a.name`, nil, func(scan func(...any) error) error {
		var agent string
		var n int
		err := scan(&agent, &n)
		open = append(open, fmt.Sprintf("%d calls of %s under way", n, agent))
		return err
	})
	if g.err != nil {
		return g.err
	}
	if len(open) > 0 {
		more := ""
		if len(open) > 5 {
			open, more = open[:5], fmt.Sprintf(" and %d more", len(open)-5)
		}
		return fmt.Errorf("%w: %s%s; wait for them, or stop runs with: aex runs stop RUN", ErrInUse, strings.Join(open, ", "), more)
	}
	if n, err := c.l.livingOwners(); err != nil || n > 0 {
		return errors.Join(err, fmt.Errorf("%w: %d other aex processes have the ledger open; end them first (aex daemon stop)", ErrInUse, n))
	}
	return nil
}

// ErrInUse reports a ledger that is not to be moved now.
var ErrInUse = errors.New("the ledger is in use")

// connect begins the transaction on the server, as the role that has the tables.
func (c *copying) connect() error {
	config := c.to.server.config.Copy()
	config.RuntimeParams["synchronous_commit"] = "remote_apply"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0" // while the file is read
	var err error
	c.db = stdlib.OpenDB(*config)
	if c.conn, err = c.db.Conn(c.ctx); err != nil {
		return c.to.explain(err)
	}
	tx, err := c.conn.BeginTx(context.WithoutCancel(c.ctx), nil)
	if err != nil {
		return c.to.explain(err)
	}
	c.tx = &snapshot{tx, postgresDialect.bind}
	var fsync string
	var version int
	_, err = tx.ExecContext(c.ctx, `SET LOCAL ROLE aex_owner`)
	if err == nil {
		_, err = tx.ExecContext(c.ctx, `SELECT n FROM turn FOR UPDATE`) // also waits for an earlier copy's end
	}
	if err == nil {
		err = tx.QueryRowContext(c.ctx, `SELECT current_setting('fsync'), version FROM ledger`).Scan(&fsync, &version)
	}
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "42501":
		return fmt.Errorf("%w: who copies a ledger to it needs the role aex_owner there: %w", ErrNotAllowed, err)
	case err != nil:
		return c.to.explain(err)
	case fsync != "on":
		return fmt.Errorf("%w: the server does not write to its disk before it answers (fsync = %s)", ErrUnsound, fsync)
	case version != serverSchema:
		return fmt.Errorf("the tables there are of version %d, and this aex knows %d; bring them up to date with: aex ledger migrate", version, serverSchema)
	}
	return nil
}

// disconnect ends what was not committed.
func (c *copying) disconnect() error {
	var errs []error
	for _, tx := range []*snapshot{c.from, c.tx} {
		if tx != nil {
			if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
				errs = append(errs, err)
			}
		}
	}
	if c.conn != nil {
		errs = append(errs, c.conn.Close())
	}
	if c.db != nil {
		errs = append(errs, c.db.Close())
	}
	c.from, c.tx, c.conn, c.db = nil, nil, nil, nil
	return errors.Join(errs...)
}

// empty refuses a ledger on the server that has anything in it, or that somebody uses.
func (c *copying) empty() error {
	if _, err := c.tx.ExecContext(c.ctx, `LOCK TABLE owner IN ACCESS EXCLUSIVE MODE`); err != nil {
		return c.to.explain(err)
	}
	var users int
	if err := c.tx.QueryRowContext(c.ctx, `SELECT count(*) FROM owner WHERE NOT gone AND beat_at > `+serverMillis+` - ?`, leaseWithin.Milliseconds()).Scan(&users); err != nil {
		return c.to.explain(err)
	}
	if users > 0 {
		return fmt.Errorf("%w: %d aex processes use the one at %s; end them first", ErrInUse, users, c.to.path)
	}
	for _, table := range copiedTables {
		var some bool
		if err := c.tx.QueryRowContext(c.ctx, `SELECT EXISTS (SELECT 1 FROM `+pgx.Identifier{table}.Sanitize()+`)`).Scan(&some); err != nil {
			return c.to.explain(err)
		}
		if some {
			return fmt.Errorf("%w: the ledger at %s has rows in %s; a ledger is copied into a new one (aex ledger init-postgres)", ErrNotEmpty, c.to.path, table)
		}
	}
	return nil
}

// compare audits what has been copied, and compares it with what it was copied from.
func (c *copying) compare(was Audit) error {
	now, err := c.to.verify(c.ctx, c.tx, nil, c.progress)
	if err != nil {
		return err
	}
	if bad := now.bad(); bad != "" {
		return fmt.Errorf("%w: the copy does not pass the audit: %s", ErrCorrupt, bad)
	}
	if now.Head != was.Head || now.Events != was.Events {
		return fmt.Errorf("%w: the copy ends after %d events at %s, and not after %d at %s", ErrCorrupt, now.Events, now.Head, was.Events, was.Head)
	}
	for _, table := range copiedTables {
		before, after, err := c.sums(table)
		if err != nil {
			return err
		}
		if !maps.Equal(before, after) {
			return fmt.Errorf("%w: the copy of %s adds up to %v, and not to %v", ErrCorrupt, table, after, before)
		}
	}
	c.made.Place, c.made.Events, c.made.Head = c.to.path, now.Events, now.Head
	return nil
}
