package ledger

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"time"
)

// readers are the read-only connections. They keep the prepared statements of frequent
// queries: to prepare one takes longer than to run it.
type readers struct {
	*sql.DB
	path      string // of the file; "": it is none
	bind      func(query string) string
	isolation sql.IsolationLevel // of a snapshot

	mu      sync.Mutex
	stmts   map[string]*sql.Stmt
	picture *picture   // that was taken last
	old     []*picture // before it
}

// stmtsMax bounds how many statements are kept. The texts are the package's
// own: filters make some dozens of them.
const stmtsMax = 128

func openReaders(path string, more ...string) (*readers, error) {
	db, err := openPool(path, more...)
	if err != nil {
		return nil, err
	}
	return &readers{DB: db, path: path, bind: sqliteDialect.bind, stmts: make(map[string]*sql.Stmt)}, nil
}

func openPool(path string, more ...string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, "ro", "busy_timeout(10000)", "query_only(1)")+strings.Join(more, ""))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}

// prepared is the query's prepared statement. Where it is nil the query is run as text, which
// tells what is wrong with it.
func (r *readers) prepared(ctx context.Context, query string) *sql.Stmt {
	r.mu.Lock()
	s, full := r.stmts[query], len(r.stmts) >= stmtsMax
	r.mu.Unlock()
	if s != nil || full {
		return s
	}
	made, err := r.PrepareContext(ctx, r.bind(query)) // may wait for a connection
	if err != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.stmts[query]; s != nil { // somebody else was quicker
		_ = made.Close()
		return s
	}
	r.stmts[query] = made
	return made
}

// ready connects, and prepares a query that will soon be run.
func (r *readers) ready(ctx context.Context, query string) {
	if r.still() == nil {
		r.prepared(ctx, query)
	}
}

// QueryContext is that of sql.DB.
func (r *readers) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if db := r.still(); db != nil {
		return db.QueryContext(ctx, query, args...)
	}
	if s := r.prepared(ctx, query); s != nil {
		return s.QueryContext(ctx, args...)
	}
	return r.DB.QueryContext(ctx, r.bind(query), args...)
}

// QueryRowContext is that of sql.DB.
func (r *readers) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if db := r.still(); db != nil {
		return db.QueryRowContext(ctx, query, args...)
	}
	if s := r.prepared(ctx, query); s != nil {
		return s.QueryRowContext(ctx, args...)
	}
	return r.DB.QueryRowContext(ctx, r.bind(query), args...)
}

// snapshot is a transaction that reads: all of it sees the ledger as it was at
// one moment.
type snapshot struct {
	*sql.Tx
	bind func(query string) string
}

func (r *readers) snapshot(ctx context.Context) (*snapshot, error) {
	tx, err := r.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: r.isolation})
	if err != nil {
		return nil, err
	}
	return &snapshot{tx, r.bind}, nil
}

// QueryContext is that of sql.Tx.
func (s *snapshot) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.Tx.QueryContext(ctx, s.bind(query), args...)
}

// QueryRowContext is that of sql.Tx.
func (s *snapshot) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return s.Tx.QueryRowContext(ctx, s.bind(query), args...)
}
