package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/Auro-rium/aex/v3/internal/owned"
)

// openServer is openForWriting of a ledger on a server.
func (l *Ledger) openServer(ctx context.Context) error {
	if l.home == "" {
		return fmt.Errorf("%w: a ledger needs a home", ErrInvalid)
	}
	if err := owned.MkdirAll(l.home, 0o700); err != nil {
		return fmt.Errorf("making %s: %w", l.home, err)
	}
	p := &postgres{l: l}
	l.write = newWriter(l, p)
	if err := p.open(ctx); err != nil {
		return l.explain(err)
	}
	err := p.rights(ctx)
	if err != nil {
		return l.explain(err)
	}
	if l.owner, err = newLease(ctx, l, p); err != nil {
		return l.explain(err)
	}
	l.read = l.server.readers()
	l.head = openHead(l)
	if err := l.head.check(ctx, l.read); err != nil {
		return err
	}
	var others bool
	if err := l.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM hold) OR EXISTS (SELECT 1 FROM run WHERE state <> 'ended')`).Scan(&others); err != nil {
		return l.explain(err)
	}
	l.write.start()
	if others {
		return l.explain(l.recoverDead(ctx))
	}
	return nil
}

// openServerToRead is openForReading of a ledger on a server, or on a standby.
func (l *Ledger) openServerToRead(ctx context.Context) error {
	l.read = l.server.readers()
	var version int
	if err := l.read.QueryRowContext(ctx, `SELECT id, chain, version FROM ledger`).Scan(&l.id, &l.chain, &version); err != nil {
		return l.explain(err)
	}
	return usable(version)
}

// rights finds out what this process's role may do, so that what it may not do is
// refused early and does not spoil a group of operations.
func (p *postgres) rights(ctx context.Context) error {
	var book bool
	err := p.conn.QueryRow(ctx, `SELECT has_column_privilege('account', 'target_micro', 'UPDATE'),
		has_table_privilege('event_log', 'DELETE'), has_table_privilege('hold', 'INSERT')`).Scan(&p.l.mayBudget, &p.l.mayPrune, &book)
	if err == nil && !book {
		err = fmt.Errorf("%w: this role may only read the ledger", ErrReadOnly)
	}
	return err
}

// ErrNotAllowed is for what the database's role of this process may not do.
var ErrNotAllowed = errors.New("the database does not let this user do that")

// budgetsAllowed refuses a change of budgets where this process's role on the server
// may not make one.
func (l *Ledger) budgetsAllowed() error {
	if l.server != nil && !l.mayBudget && l.write != nil {
		return fmt.Errorf("%w: budgets, agents and groups are changed by users that have the role aex_budget (docs/fleet.md)", ErrNotAllowed)
	}
	return nil
}

// hostName is shown to people who look at the table of owners.
func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return "?"
	}
	return host
}
