package ledger

import (
	"context"
	"time"
)

// engine keeps the rows of a ledger. What is decided about them is the same
// whichever it is: engines differ in how a turn begins and ends, and in how rows
// are loaded and stored. Once the ledger is open only the writer uses it.
type engine interface {
	// open connects, brings the ledger up to date, and reads which one it is.
	open(ctx context.Context) error
	close() error

	turns
	rowStore
}

// turns is how the processes of a ledger take turns in writing.
type turns interface {
	// enter takes the turn, if no other process has it, and begins its transaction.
	enter() (entered bool, err error)
	// await is what to wait for where the turn is not free: a value on free, which is to
	// be passed to came. After pause at the latest, enter is to be called again.
	await() (free <-chan error, pause time.Duration)
	came(err error)
	// stray yields the answer of a wait for a turn that nobody wants any more.
	stray() <-chan error
	// patience is how long an operation waits for the turn, and how long one that books
	// what has happened already. Below 0: for as long as the turn's holder lives.
	patience(happened bool) time.Duration
	// refusal says why the turn does not come, to those who do not wait any longer.
	refusal() error
	leave() error

	// begin begins the turn's transaction, unless that has begun.
	begin() error
	// unchanged tells whether no other process has written since the turn before.
	unchanged() (bool, error)
	// changed tells the same without a turn, and true where it cannot be told.
	changed() bool
	// lingers tells whether a transaction may wait for another operation where
	// nobody is known to wait for the turn.
	lingers() bool

	commit() error
	rollback() error
	// reopen begins anew with another connection. What was not committed is gone.
	reopen() error
	// secure makes durable what reopen has found committed.
	secure() error
}

// rowStore loads and stores rows inside a turn.
type rowStore interface {
	// load reads at once what operations are likely to ask for.
	load(g *commitGroup, ops []*op) error
	// loadPaths reads at once accounts and all that they are parts of.
	loadPaths(g *commitGroup, accounts []int64) error
	// query reads one row; sql.ErrNoRows where there is none.
	query(query string, args, dest []any) error
	each(query string, args []any, row func(scan func(...any) error) error) error
	exec(query string, args []any) error
	// execRows is exec of what must change so many rows.
	execRows(query string, args []any, rows int64) error
	// insert is exec of what makes one row, whose key it returns.
	insert(query, key string, args []any) (int64, error)
	// flush writes what a group has decided since it was last called.
	flush(g *commitGroup) error
}
