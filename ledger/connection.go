package ledger

import (
	"cmp"
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

// sqlite is the engine of a ledger in a file.
type sqlite struct {
	l     *Ledger
	lock  *turnLock
	busy  bool // it is SQLite's own lock that is not free
	began bool // there is a transaction

	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	texts map[rowsQuery]string
	args  []any // of the statement being run
	inode fileID

	version int64 // PRAGMA data_version
	alone   int   // turns since another process has written
}

func newSQLite(l *Ledger, lock *os.File) *sqlite {
	return &sqlite{l: l, lock: newTurnLock(lock), texts: make(map[rowsQuery]string)}
}

// open connects, migrates and reads which ledger this is.
func (s *sqlite) open(ctx context.Context) error {
	if err := s.takeFirst(ctx); errors.Is(err, ErrHeld) {
		return err
	} else if err != nil {
		return fmt.Errorf("locking %s: %w", s.lock.file.Name(), err)
	}
	defer s.lock.release()
	kind, err := s.connect(ctx)
	if err != nil {
		return err
	}
	if was, err := movedFrom(ctx, s.conn, s.l.path); err != nil || was != nil {
		return cmp.Or(err, error(was))
	}
	if err := s.migrate(ctx, kind); err != nil {
		return err
	}
	if s.inode, err = identify(s.l.path); err != nil {
		return err
	}
	if err := s.conn.QueryRowContext(ctx, `SELECT id, chain FROM ledger`).Scan(&s.l.id, &s.l.chain); err != nil {
		return err
	}
	return s.turnsBusy()
}

func (s *sqlite) close() error { return errors.Join(s.disconnect(), s.lock.file.Close()) }

// connect opens the file, whatever there is in it.
func (s *sqlite) connect(ctx context.Context) (schemaKind, error) {
	db, err := sql.Open("sqlite", dsn(s.l.path, "rw", "busy_timeout(5000)", "foreign_keys(1)", "synchronous(FULL)")+"&_txlock=immediate")
	if err != nil {
		return 0, err
	}
	db.SetMaxOpenConns(1)
	s.db, s.stmts = db, make(map[string]*sql.Stmt)
	if s.conn, err = db.Conn(ctx); err != nil {
		return 0, err
	}
	// Refuse a foreign file before anything in it is changed.
	kind, err := kindOf(ctx, s.conn)
	if err != nil {
		return 0, err
	}
	var mode string
	if err := s.conn.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return 0, err
	}
	if mode != "wal" {
		return 0, fmt.Errorf("%w: no write-ahead log here (journal mode %s)", ErrUnsound, mode)
	}
	return kind, nil
}

// turnsBusy has a turn find out at once that SQLite's own lock is not free: it
// waits outside, where it keeps nobody else from the ledger.
func (s *sqlite) turnsBusy() error { return s.say(`PRAGMA busy_timeout = 20`) }

func (s *sqlite) disconnect() error {
	if s.db == nil {
		return nil
	}
	var errs []error
	for _, st := range s.stmts {
		errs = append(errs, st.Close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	errs = append(errs, s.db.Close())
	s.db, s.conn, s.stmts = nil, nil, nil
	return errors.Join(errs...)
}

// reopen closes the connection, which rolls back what was not committed, and
// opens another.
func (s *sqlite) reopen() error {
	closeErr := s.disconnect()
	if _, err := s.connect(context.Background()); err != nil {
		return errors.Join(closeErr, err)
	}
	return s.turnsBusy()
}

// say runs a statement without arguments.
func (s *sqlite) say(query string) error {
	_, err := s.run1(query)
	return err
}

// run1 runs one statement, prepared once.
func (s *sqlite) run1(query string, args ...any) (sql.Result, error) {
	st, err := s.prepare(query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(context.Background(), args...)
}

func (s *sqlite) prepare(query string) (*sql.Stmt, error) {
	if s.conn == nil {
		return nil, ErrClosed
	}
	if st := s.stmts[query]; st != nil {
		return st, nil
	}
	st, err := s.conn.PrepareContext(context.Background(), query)
	if err == nil {
		s.stmts[query] = st
	}
	return st, err
}
