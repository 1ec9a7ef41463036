package ledger

import (
	"context"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"sort"
)

// applicationID marks an SQLite file as ours ("aexL").
const applicationID = 0x6165784c

//go:embed schema/*.sql
var schemaFiles embed.FS

// schemaKind is what a database file turned out to be.
type schemaKind int

const (
	emptyFile     schemaKind = iota // nothing in it yet
	currentSchema                   // ours, and up to date
	olderSchema                     // ours, to be migrated
	pythonSchema                    // of aex 1.2
)

// migrations are the embedded files in order: the first makes schema 1.
func migrations() ([]string, error) {
	names, err := fs.Glob(schemaFiles, "schema/*.sql")
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	texts := make([]string, len(names))
	for i, name := range names {
		if want := fmt.Sprintf("schema/%03d.sql", i+1); name != want {
			return nil, fmt.Errorf("migration %s should be named %s", name, want)
		}
		b, err := schemaFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		texts[i] = string(b)
	}
	return texts, nil
}

// querier is what kindOf needs: a pool, a connection or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// kindOf tells what a database is, and refuses those that aex cannot use.
func kindOf(ctx context.Context, db querier) (schemaKind, error) {
	steps, err := migrations()
	if err != nil {
		return 0, err
	}
	var app, version, tables, python int
	err = db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema WHERE type = 'table'),
		(SELECT count(*) FROM pragma_table_info('agents') WHERE name = 'api_token')`).
		Scan(&app, &version, &tables, &python)
	switch {
	case err != nil:
		return 0, err
	case app == 0 && python == 1:
		return pythonSchema, nil
	case app == 0 && tables == 0:
		return emptyFile, nil
	case app != applicationID:
		return 0, errors.New("it is another program's database; move it away, or name another file with AEX_LEDGER")
	case version > len(steps):
		return 0, fmt.Errorf("%w (schema %d, this one knows %d); update aex", ErrNewerSchema, version, len(steps))
	case version < len(steps):
		return olderSchema, nil
	}
	return currentSchema, nil
}

// migrate brings the file up to date, each step in a transaction of its own.
// The caller holds the writers' lock.
func (l *Ledger) migrate(ctx context.Context, conn *sql.Conn) error {
	kind, err := kindOf(ctx, conn)
	if err != nil {
		return err
	}
	switch kind {
	case emptyFile:
		return l.applyMigrations(ctx, conn, 0, nil)
	case olderSchema:
		var version int
		if err := conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
			return err
		}
		return l.applyMigrations(ctx, conn, version, nil)
	case pythonSchema:
		return l.importPython(ctx, conn)
	}
	return nil
}

// applyMigrations runs the steps after version. before, if not nil, runs in
// the transaction of the first.
func (l *Ledger) applyMigrations(ctx context.Context, conn *sql.Conn, version int, before func(*sql.Tx) error) error {
	steps, err := migrations()
	if err != nil {
		return err
	}
	for i := version; i < len(steps); i++ {
		tx, err := conn.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		err = func() error {
			if before != nil && i == version {
				if err := before(tx); err != nil {
					return err
				}
			}
			if _, err := tx.ExecContext(ctx, steps[i]); err != nil {
				return err
			}
			if i == 0 {
				if err := l.insertLedger(ctx, tx); err != nil {
					return err
				}
			}
			_, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = %d`, applicationID, i+1))
			return err
		}()
		if err != nil {
			return errors.Join(fmt.Errorf("migrating to schema %d: %w", i+1, err), tx.Rollback())
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("migrating to schema %d: %w", i+1, err)
		}
	}
	return nil
}

func (l *Ledger) insertLedger(ctx context.Context, tx *sql.Tx) error {
	id, err := l.random(8)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO ledger (one, id, chain, created_at) VALUES (1, ?, 1, ?)`,
		hex.EncodeToString(id), l.now().UnixMilli())
	return err
}
