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
	pythonSchema                    // of the Python aex 1.2
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
	var app, version, tables, python, executions int
	err = db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema WHERE type = 'table'),
		(SELECT count(*) FROM pragma_table_info('agents') WHERE name = 'api_token'),
		(SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'executions')`).
		Scan(&app, &version, &tables, &python, &executions)
	switch {
	case err != nil:
		return 0, err
	case app == 0 && python == 1 && (version > 0 || executions > 0):
		return 0, ErrPythonTwo
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
func (w *writer) migrate(ctx context.Context, kind schemaKind) error {
	if kind == emptyFile || kind == pythonSchema {
		if err := w.l.missingHere(); err != nil {
			return err
		}
	}
	switch kind {
	case emptyFile:
		return w.apply(ctx, 0, step{})
	case olderSchema:
		var version int
		if err := w.conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
			return err
		}
		if err := w.backupAs(ctx, fmt.Sprintf(".schema%d", version)); err != nil {
			return fmt.Errorf("backing up before the ledger is brought from schema %d to this version's: %w", version, err)
		}
		return w.apply(ctx, version, step{})
	case pythonSchema:
		return w.importPython(ctx)
	}
	return nil
}

// step is what else happens in the transaction of the first migration.
type step struct{ before, after func() error }

// apply runs the migrations after version.
func (w *writer) apply(ctx context.Context, version int, first step) error {
	texts, err := migrations()
	if err != nil {
		return err
	}
	for i := version; i < len(texts); i++ {
		if _, err := w.conn.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
			return err
		}
		do := step{}
		if i == version {
			do = first
		}
		err := w.applyOne(ctx, texts[i], i+1, do)
		if err == nil {
			_, err = w.conn.ExecContext(ctx, `COMMIT`)
		}
		if err != nil {
			// Closing the connection would roll back too; this keeps it usable.
			_, rollback := w.conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
			return errors.Join(fmt.Errorf("migrating to schema %d: %w", i+1, err), rollback)
		}
	}
	return nil
}

func (w *writer) applyOne(ctx context.Context, text string, version int, do step) error {
	if do.before != nil {
		if err := do.before(); err != nil {
			return err
		}
	}
	if _, err := w.conn.ExecContext(ctx, text); err != nil {
		return err
	}
	if version == 1 {
		id, err := w.l.random(8)
		if err != nil {
			return err
		}
		w.l.id, w.l.chain = hex.EncodeToString(id), 1
		if _, err := w.conn.ExecContext(ctx, `INSERT INTO ledger (one, id, chain, created_at) VALUES (1, ?, ?, ?)`,
			w.l.id, w.l.chain, w.l.now().UnixMilli()); err != nil {
			return err
		}
	}
	if do.after != nil {
		if err := do.after(); err != nil {
			return err
		}
	}
	_, err := w.conn.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = %d`, applicationID, version))
	return err
}
