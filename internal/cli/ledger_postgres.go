package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
)

func (a *app) ledgerInitPostgresCommand() *cobra.Command {
	var print, ifMissing bool
	cmd := a.jsonFlag(&cobra.Command{
		Use: "init-postgres", Short: "make a ledger in the PostgreSQL database that AEX_LEDGER names",
		Long: `init-postgres makes the tables of a ledger in a PostgreSQL database (14 or
later), in a schema named aex, and the roles that may use it: aex_gateway books
calls and neither gives a budget nor touches an event, aex_budget gives budgets,
aex_read reads, aex_owner has the tables. AEX_LEDGER names the database and a user
who may create roles and schemas there. See docs/fleet.md.`,
		Example: "  AEX_LEDGER=postgres://postgres@db.example/aex aex ledger init-postgres\n  aex ledger init-postgres --print | psql -v ON_ERROR_STOP=1 aex",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.initPostgres(cmd.Context(), print, ifMissing) },
	})
	cmd.Flags().BoolVar(&ifMissing, "if-missing", false, "where there is a ledger already, leave it as it is and exit 0")
	cmd.Flags().BoolVar(&print, "print", false, "print the SQL and do nothing")
	return cmd
}

func (a *app) initPostgres(ctx context.Context, print, ifMissing bool) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	place := s.ledgerPath
	if print {
		if !ledger.OnServer(place) {
			place = "postgres:///aex"
		}
		text, err := ledger.ServerSchema(place)
		if err != nil {
			return err
		}
		a.printf("%s", strings.TrimSuffix(text, "\n"))
		return nil
	}
	if !ledger.OnServer(place) {
		return &failure{err: errors.New("AEX_LEDGER names no PostgreSQL database"), hint: "for example: AEX_LEDGER=postgres://postgres@db.example/aex aex ledger init-postgres", code: exitUsage}
	}
	made, err := ledger.InitServer(ctx, place)
	switch {
	case errors.Is(err, ledger.ErrExists) && ifMissing:
		fmt.Fprintf(a.stderr, "aex: %v; nothing was changed\n", err)
		return nil
	case errors.Is(err, ledger.ErrExists):
		return hinted(err, "it is ready to be used; nothing was changed")
	case err != nil:
		return err
	}
	if a.json {
		return a.printJSON(map[string]string{"ledger": made})
	}
	a.printf("made a ledger at %s; let gateways in with: GRANT aex_gateway TO their user, and operators with: GRANT aex_budget", made)
	return nil
}

// database tells what of the ledger's server is not as it should be.
func (c *checkup) database(ctx context.Context, l *ledger.Ledger) {
	if ledger.OnServer(l.Place()) {
		c.passwords()
	}
	found, err := l.ServerState(ctx)
	if err != nil {
		c.add("broken", "server", err.Error(), "see docs/fleet.md")
	}
	for _, f := range found {
		if f.Wrong {
			c.add("warning", "server", f.Says, f.Hint)
		} else {
			c.add("ok", "server", f.Says, "")
		}
	}
}

// passwords are to be read by their user alone. PostgreSQL's own programs leave a
// file out that others can read; aex does not, and says so here.
func (c *checkup) passwords() {
	env := environment(c.app.environ)
	path := cmp.Or(env["PGPASSFILE"], filepath.Join(env["HOME"], ".pgpass"))
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		c.add("warning", "permissions", fmt.Sprintf("%s can be read by others (%s)", path, info.Mode().Perm()), "chmod 600 "+path)
	}
}
