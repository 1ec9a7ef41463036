package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// pythonTwo is the refusal of a ledger of the Python aex 2.x. Its budgets and
// reservations have other rules than 1.2's, and no release of aex reads them.
func (l *Ledger) pythonTwo() error {
	return fmt.Errorf("ledger %s: %w, which this aex does not take over; it is left as it was: move %s away, or give aex another home with AEX_HOME",
		l.path, ErrPythonTwo, filepath.Dir(l.path))
}

// refusePythonTwo looks at a file that no aex of this kind has opened yet, and
// makes nothing beside it. It reads only: SQLite would fold the write-ahead log
// of a file that is open for writing into it as it closes.
func (l *Ledger) refusePythonTwo(ctx context.Context) error {
	path := realPath(l.path)
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return nil
	}
	if _, err := os.Stat((&Ledger{path: path}).ownersPath()); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	address := dsn(path, "ro", "query_only(1)")
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		address += "&immutable=1" // else SQLite makes a log and an index, to read what it has not changed
	}
	read, err := sql.Open("sqlite", address)
	if err != nil {
		return nil //nolint:nilerr // what cannot be read is told by opening it for writing
	}
	_, err = kindOf(ctx, read)
	if err := read.Close(); err != nil {
		return l.explain(err)
	}
	if errors.Is(err, ErrPythonTwo) {
		return l.pythonTwo()
	}
	return nil
}
