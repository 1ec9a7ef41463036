package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Moved reports a ledger in a file that Copy has copied to a server: what is
// spent is booked there, and the file is kept for reading.
type Moved struct {
	Path  string // of the file
	Place string // where the ledger is now
	Done  bool   // Copy has seen it there
}

func (m *Moved) Error() string {
	if !m.Done {
		return fmt.Sprintf("ledger %s: a copy of it to %s was cut short just before its end; finish it with: aex ledger copy --to %s", m.Path, m.Place, m.Place)
	}
	return fmt.Sprintf("ledger %s has moved to %s, where it is used with AEX_LEDGER; the file can still be read", m.Path, m.Place)
}

// movedTables are those to which nothing is written any more.
var movedTables = []string{"ledger", "agent_group", "group_budget", "agent", "account", "run", "token", "hold", "pace", "event_log", "event_hour", "tally", "zone"}

// movedMark is how the file says that it has moved. The triggers also keep out those
// who have it open already.
func movedMark(place string) []string {
	quoted := "'" + strings.ReplaceAll(movedText+place, "'", "''") + "'"
	marks := []string{
		`CREATE TABLE IF NOT EXISTS moved (one INTEGER PRIMARY KEY CHECK (one = 1), place TEXT NOT NULL, done INTEGER NOT NULL) STRICT`,
		`INSERT INTO moved (one, place, done) VALUES (1, '` + strings.ReplaceAll(place, "'", "''") + `', 0)`,
	}
	for _, table := range movedTables {
		for _, what := range []string{"INSERT", "UPDATE", "DELETE"} {
			marks = append(marks, fmt.Sprintf(`CREATE TRIGGER moved_%s_%s BEFORE %s ON %s BEGIN SELECT RAISE(ABORT, %s); END`, table, what, what, table, quoted))
		}
	}
	return marks
}

// refusedAsMoved tells whether a file that has a mark by now has refused to be
// written to, and where the mark says it has moved.
func refusedAsMoved(err *driver.Error) (place string, is bool) {
	if err.Code() != sqlite3.SQLITE_CONSTRAINT_TRIGGER {
		return "", false
	}
	_, place, is = strings.Cut(err.Error(), movedText)
	place, _, _ = strings.Cut(place, " ")
	return place, is
}

const movedText = "aex: this ledger has moved to "

// movedFrom is the file's mark; nil: it has none.
func movedFrom(ctx context.Context, db querier, path string) (*Moved, error) {
	var marked bool
	if err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'moved')`).Scan(&marked); err != nil || !marked {
		return nil, err
	}
	m := &Moved{Path: path}
	err := db.QueryRowContext(ctx, `SELECT place, done FROM moved`).Scan(&m.Place, &m.Done)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: %s does not say where it has moved to", ErrCorrupt, path)
	}
	return m, err
}

// setMoved completes the mark of a file, or takes it off where there is no copy after
// all. Nobody else writes to a file that has a mark.
func setMoved(ctx context.Context, path string, done bool) (err error) {
	db, err := sql.Open("sqlite", dsn(path, "rw", "busy_timeout(10000)", "synchronous(FULL)")+"&_txlock=immediate")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if done {
		_, err = db.ExecContext(ctx, `UPDATE moved SET done = 1`)
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, table := range movedTables {
		for _, what := range []string{"INSERT", "UPDATE", "DELETE"} {
			if _, err := tx.ExecContext(ctx, fmt.Sprintf(`DROP TRIGGER IF EXISTS moved_%s_%s`, table, what)); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
	}
	if _, err := tx.ExecContext(ctx, `DROP TABLE IF EXISTS moved`); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
