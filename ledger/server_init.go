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

// serverSteps are the files of SQL that bring the tables on a server from one
// version to the next: the first from 1 to 2. A new ledger has them all.
var serverSteps = []string{"postgres_2.sql"}

// serverSchema is the version of the tables on a server that this aex makes, and
// the newest that it uses. It uses those from serverNeeds on.
var serverSchema = 1 + len(serverSteps)

// serverNeeds is the oldest version that this aex works with, so that gateways
// can be replaced one after the other before the tables are brought up to date.
const serverNeeds = 1

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
	newer, err := stepsFrom(1)
	if err != nil {
		return "", err
	}
	sums := make([]string, len(sumColumns))
	for i, c := range sumColumns {
		sums[i] = c + " BIGINT NOT NULL DEFAULT 0,"
	}
	name := pgx.Identifier{s.schema}.Sanitize()
	return strings.NewReplacer(
		"@SUMS@", strings.Join(sums, "\n\t"), "@VERSION@", strconv.Itoa(serverSchema), "@NEWER@", newer,
		"SCHEMA aex", "SCHEMA "+name, "search_path = aex", "search_path = "+name,
	).Replace(string(text)), nil
}

// stepsFrom is the SQL of the steps that follow a version.
func stepsFrom(version int) (string, error) {
	var all strings.Builder
	for _, name := range serverSteps[version-1:] {
		text, err := schemaFiles.ReadFile("schema/" + name)
		if err != nil {
			return "", err
		}
		all.WriteString("\n" + string(text))
	}
	return all.String(), nil
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
