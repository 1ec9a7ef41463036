package ledger

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
)

// initTestPlace makes a ledger on the test's server unless there is one: other
// processes of a test come to a place that was made.
func initTestPlace(place string) error {
	if _, err := InitServer(context.Background(), place); !errors.Is(err, ErrExists) {
		return err
	}
	return nil
}

// openRawServer takes away all that the tables check.
func openRawServer(place string) (*sql.DB, error) {
	s, err := parseServer(place)
	if err != nil {
		return nil, err
	}
	delete(s.config.RuntimeParams, "idle_in_transaction_session_timeout")
	db := stdlib.OpenDB(*s.config)
	_, err = db.Exec(`DO $$
		DECLARE c record;
		BEGIN
			FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint
				WHERE connamespace = current_schema()::regnamespace AND contype IN ('c', 'f') LOOP
				EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname);
			END LOOP;
		END $$`)
	return db, err
}

// administrator is a connection as who may do everything.
func administrator(t testing.TB, place string) *sql.DB {
	t.Helper()
	s, err := parseServer(place)
	if err != nil {
		t.Fatal(err)
	}
	delete(s.config.RuntimeParams, "idle_in_transaction_session_timeout")
	db := stdlib.OpenDB(*s.config)
	t.Cleanup(func() { _ = db.Close() })
	return db
}
