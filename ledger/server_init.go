package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// serverSchema is the version of the tables on a server that this aex reads and
// writes.
const serverSchema = 1

// ServerSchema is the SQL that makes a ledger on a PostgreSQL server, with its
// roles and what they may do. address is only looked at for its search_path.
func ServerSchema(address string) (string, error) {
	s, err := parseServer(address)
	if err != nil {
		return "", err
	}
	return s.schemaText()
}

func (s *server) schemaText() (string, error) {
	text, err := schemaFiles.ReadFile("schema/postgres.sql")
	if err != nil {
		return "", err
	}
	sums := make([]string, len(sumColumns))
	for i, c := range sumColumns {
		sums[i] = c + " BIGINT NOT NULL DEFAULT 0,"
	}
	name := pgx.Identifier{s.schema}.Sanitize()
	return strings.NewReplacer(
		"@SUMS@", strings.Join(sums, "\n\t"), "@VERSION@", strconv.Itoa(serverSchema),
		"SCHEMA aex", "SCHEMA "+name, "search_path = aex", "search_path = "+name,
	).Replace(string(text)), nil
}

// InitServer makes a ledger on a PostgreSQL server: ErrExists where there is one.
// It needs somebody who may create roles and schemas.
func InitServer(ctx context.Context, address string) (place string, err error) {
	s, err := parseServer(address)
	if err != nil {
		return "", err
	}
	text, err := s.schemaText()
	if err != nil {
		return "", err
	}
	config := s.config.Copy()
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	delete(config.RuntimeParams, "idle_in_transaction_session_timeout")
	conn, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		_, err = conn.Exec(ctx, text)
		err = errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "42P06":
		return "", fmt.Errorf("ledger %s: %w", s.place, ErrExists)
	case errors.As(err, &pg) && pg.Code == "42501":
		return "", fmt.Errorf("ledger %s: this user may not create roles and schemas there; give the SQL to who may, with --print: %w", s.place, err)
	case err != nil:
		return "", (&Ledger{path: s.place}).explainServer(err)
	}
	return s.place, nil
}
