package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Migrated tells what MigrateServer has done, or would do.
type Migrated struct {
	From, To int    // versions of the tables; the same where there was nothing to do
	SQL      string // that does it
}

// MigrateServer brings the tables of a ledger on a server to the version of this
// aex, in one transaction; with print it only tells how. It locks the row with the
// tables' version first, and then the turn. So the second of two that migrate at the
// same time finds nothing to do, and no gateway is in the middle of anything.
func MigrateServer(ctx context.Context, address string, print bool) (m Migrated, err error) {
	s, err := parseServer(address)
	if err != nil {
		return m, err
	}
	explain := (&Ledger{path: s.place, server: s}).explain
	config := s.config.Copy()
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return m, explain(err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return m, explain(err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // what was not committed is gone with the connection
	if !print {
		if _, err := tx.Exec(ctx, `SET LOCAL ROLE aex_owner`); err != nil {
			return m, notOwner(explain, err)
		}
	}
	lock := " FOR UPDATE"
	if print {
		lock = ""
	}
	m.To = serverSchema
	if err := tx.QueryRow(ctx, `SELECT version FROM ledger`+lock).Scan(&m.From); err != nil {
		return m, notOwner(explain, err)
	}
	if m.From > serverSchema || m.From < 1 {
		return m, newerTables(m.From)
	}
	steps, err := stepsFrom(m.From)
	if err != nil {
		return m, err
	}
	m.SQL = fmt.Sprintf("BEGIN;\nSET LOCAL ROLE aex_owner;\nSET LOCAL search_path = %s;\nSELECT version FROM ledger FOR UPDATE;\nSELECT n FROM turn FOR UPDATE;\n%s\nUPDATE ledger SET version = %d WHERE version = %d;\nCOMMIT;",
		pgx.Identifier{s.schema}.Sanitize(), strings.TrimSpace(steps), m.To, m.From)
	if print || m.From == m.To {
		return m, nil
	}
	for _, q := range []string{`SELECT n FROM turn FOR UPDATE`, steps, fmt.Sprintf(`UPDATE ledger SET version = %d`, m.To)} {
		if _, err := tx.Exec(ctx, q, pgx.QueryExecModeSimpleProtocol); err != nil {
			return m, fmt.Errorf("migrating: %w", explain(err))
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return m, fmt.Errorf("migrating: %w", explain(err))
	}
	return m, nil
}

func notOwner(explain func(error) error, err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" {
		return fmt.Errorf("%w: the tables are changed by users that have the role aex_owner (docs/fleet.md): %w", ErrNotAllowed, err)
	}
	return explain(err)
}

// newerTables reports tables of a version that this aex does not know.
func newerTables(version int) error {
	return fmt.Errorf("%w (its tables are of version %d, this one knows %d); update aex", ErrNewerSchema, version, serverSchema)
}

// usable refuses tables that this aex does not know how to use.
func usable(version int) error {
	switch {
	case version > serverSchema:
		return newerTables(version)
	case version < serverNeeds:
		return fmt.Errorf("the tables of the ledger are of version %d, and this aex needs %d; their administrator brings them up to date with: aex ledger migrate", version, serverNeeds)
	}
	return nil
}
