package ledger

import (
	"context"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
)

// applicationID marks an SQLite file as ours ("aexL").
const applicationID = 0x6165784c

//go:embed schema/*.sql
var schemaFiles embed.FS

// migration is a file of SQL that brings a ledger to a schema.
type migration struct {
	to   int // user_version, afterwards
	file string
}

// migrations are those of a new ledger, in order.
var migrations = []migration{{2, "001.sql"}, {3, "003.sql"}, {4, "004.sql"}, {5, "005.sql"}, {6, "006.sql"}, {7, "007.sql"}, {8, "008.sql"}}

// oneTally is what ledgers of schema 1 need, and those of schema 2 that were
// made when it had two tables of sums.
var oneTally = migration{2, "one_tally.sql"}

// schemaVersion is what this aex reads and writes.
var schemaVersion = migrations[len(migrations)-1].to

// schemaKind is what a database file turned out to be.
type schemaKind int

const (
	emptyFile     schemaKind = iota // nothing in it yet
	currentSchema                   // ours, and up to date
	olderSchema                     // ours, to be migrated
	pythonSchema                    // of the Python aex 1.2
)

// querier is what kindOf needs: a pool, a connection or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// kindOf tells what a database is, and refuses those that aex cannot use.
func kindOf(ctx context.Context, db querier) (schemaKind, error) {
	var app, version, tables, python, tallies, executions int
	err := db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema WHERE type = 'table'),
		(SELECT count(*) FROM pragma_table_info('agents') WHERE name = 'api_token'),
		(SELECT count(*) FROM sqlite_schema WHERE name = 'call_tally'),
		(SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'executions')`).
		Scan(&app, &version, &tables, &python, &tallies, &executions)
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
	case version > schemaVersion:
		return 0, fmt.Errorf("%w (schema %d, this one knows %d); update aex", ErrNewerSchema, version, schemaVersion)
	case version < schemaVersion || tallies > 0:
		return olderSchema, nil
	}
	return currentSchema, nil
}

// migrate brings the file up to date. The caller holds the writers' lock.
func (s *sqlite) migrate(ctx context.Context, kind schemaKind) error {
	if kind == emptyFile || kind == pythonSchema {
		if err := s.l.missingHere(); err != nil {
			return err
		}
	}
	switch kind {
	case emptyFile:
		return s.apply(ctx, migrations, step{})
	case olderSchema:
		return s.migrateOlder(ctx)
	case pythonSchema:
		return s.importPython(ctx)
	}
	return nil
}

// migrateOlder leaves a copy of the ledger as it was beside it.
func (s *sqlite) migrateOlder(ctx context.Context) error {
	var version int
	var twoTallies bool
	if err := s.conn.QueryRowContext(ctx, `SELECT user_version, EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'call_tally') FROM pragma_user_version`).
		Scan(&version, &twoTallies); err != nil {
		return err
	}
	if err := s.backupAs(ctx, fmt.Sprintf(".schema%d", version)); err != nil {
		return fmt.Errorf("backing up the ledger before it is migrated: %w", err)
	}
	var steps []migration
	if version < oneTally.to || twoTallies {
		steps = append(steps, oneTally)
	}
	for _, m := range migrations {
		if m.to > max(version, oneTally.to) {
			steps = append(steps, m)
		}
	}
	return s.apply(ctx, steps, step{})
}

// step is what else happens in the transaction of the migrations, before and
// after them.
type step struct{ before, after func() error }

// apply runs migrations in one transaction: a ledger is migrated as a whole or
// left as it was.
func (s *sqlite) apply(ctx context.Context, all []migration, also step) error {
	// A table that others refer to is made anew; what refers is checked at the end.
	if _, err := s.conn.ExecContext(ctx, `PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := s.applyAll(ctx, all, also)
	if err == nil {
		err = s.checkReferences(ctx)
	}
	if err == nil {
		_, err = s.conn.ExecContext(ctx, `COMMIT`)
	}
	if err != nil {
		// Closing the connection would roll back too; this keeps it usable.
		_, rollback := s.conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
		return errors.Join(fmt.Errorf("migrating to schema %d: %w", schemaVersion, err), rollback)
	}
	_, err = s.conn.ExecContext(ctx, `PRAGMA foreign_keys = ON`)
	return err
}

func (s *sqlite) checkReferences(ctx context.Context) error {
	var table, parent string
	err := s.conn.QueryRowContext(ctx, `SELECT "table", parent FROM pragma_foreign_key_check LIMIT 1`).Scan(&table, &parent)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return errors.Join(err, fmt.Errorf("%w: a row of %s refers to a missing one of %s", ErrCorrupt, table, parent))
}

func (s *sqlite) applyAll(ctx context.Context, all []migration, also step) error {
	if also.before != nil {
		if err := also.before(); err != nil {
			return err
		}
	}
	for _, m := range all {
		text, err := schemaFiles.ReadFile("schema/" + m.file)
		if err != nil {
			return err
		}
		if _, err := s.conn.ExecContext(ctx, string(text)); err != nil {
			return err
		}
		if m == migrations[0] {
			if err := s.nameLedger(ctx); err != nil {
				return err
			}
		}
	}
	if also.after != nil {
		if err := also.after(); err != nil {
			return err
		}
	}
	_, err := s.conn.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = %d`, applicationID, schemaVersion))
	return err
}

// nameLedger gives a new ledger its id, which every event of it names.
func (s *sqlite) nameLedger(ctx context.Context) error {
	id, err := s.l.random(8)
	if err != nil {
		return err
	}
	s.l.id, s.l.chain = hex.EncodeToString(id), 1
	_, err = s.conn.ExecContext(ctx, `INSERT INTO ledger (one, id, chain, created_at) VALUES (1, ?, ?, ?)`, s.l.id, s.l.chain, s.l.now().UnixMilli())
	return err
}
