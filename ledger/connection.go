package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// fileID tells whether a path still names the file that was opened.
type fileID struct{ dev, ino uint64 }

func identify(path string) (fileID, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return fileID{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return fileID{uint64(st.Dev), st.Ino}, nil //nolint:unconvert // Dev is narrower on darwin
}

// open connects, migrates and reads which ledger this is.
func (w *writer) open(ctx context.Context) error {
	if err := w.takeFirst(ctx); errors.Is(err, ErrHeld) {
		return err
	} else if err != nil {
		return fmt.Errorf("locking %s: %w", w.lock.file.Name(), err)
	}
	defer w.lock.release()
	kind, err := w.connect(ctx)
	if err != nil {
		return err
	}
	if err := w.migrate(ctx, kind); err != nil {
		return err
	}
	if w.inode, err = identify(w.l.path); err != nil {
		return err
	}
	if err := w.conn.QueryRowContext(ctx, `SELECT id, chain FROM ledger`).Scan(&w.l.id, &w.l.chain); err != nil {
		return err
	}
	return w.turnsBusy()
}

// connect opens the file, whatever there is in it.
func (w *writer) connect(ctx context.Context) (schemaKind, error) {
	db, err := sql.Open("sqlite", dsn(w.l.path, "rw", "busy_timeout(5000)", "foreign_keys(1)", "synchronous(FULL)")+"&_txlock=immediate")
	if err != nil {
		return 0, err
	}
	db.SetMaxOpenConns(1)
	w.db, w.stmts = db, make(map[string]*sql.Stmt)
	if w.conn, err = db.Conn(ctx); err != nil {
		return 0, err
	}
	// Refuse a foreign file before anything in it is changed.
	kind, err := kindOf(ctx, w.conn)
	if err != nil {
		return 0, err
	}
	var mode string
	if err := w.conn.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return 0, err
	}
	if mode != "wal" {
		return 0, fmt.Errorf("%w: no write-ahead log here (journal mode %s)", ErrUnsound, mode)
	}
	return kind, nil
}

// turnsBusy has a turn find out at once that SQLite's own lock is not free: it
// waits outside, where it keeps nobody else from the ledger.
func (w *writer) turnsBusy() error { return w.exec(`PRAGMA busy_timeout = 20`) }

func (w *writer) disconnect() error {
	if w.db == nil {
		return nil
	}
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	if w.conn != nil {
		errs = append(errs, w.conn.Close())
	}
	errs = append(errs, w.db.Close())
	w.db, w.conn, w.stmts = nil, nil, nil
	return errors.Join(errs...)
}

// reopenAndCheck tells whether a group whose commit failed is in the file
// nevertheless. Closing the connection rolls back what was not committed.
func (w *writer) reopenAndCheck(g *group) (there bool, err error) {
	w.rows = newRows()
	closeErr := w.disconnect()
	if _, err := w.connect(context.Background()); err != nil {
		return false, errors.Join(closeErr, err)
	}
	if err := w.turnsBusy(); err != nil {
		return false, err
	}
	if g == nil || !g.committing {
		return false, nil
	}
	return g.isThere()
}

// exec runs a statement without arguments.
func (w *writer) exec(query string) error {
	_, err := w.run1(query)
	return err
}

// run1 runs one statement, prepared once.
func (w *writer) run1(query string, args ...any) (sql.Result, error) {
	s, err := w.prepare(query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(context.Background(), args...)
}

func (w *writer) prepare(query string) (*sql.Stmt, error) {
	if w.conn == nil {
		return nil, ErrClosed
	}
	if s := w.stmts[query]; s != nil {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), query)
	if err == nil {
		w.stmts[query] = s
	}
	return s, err
}
