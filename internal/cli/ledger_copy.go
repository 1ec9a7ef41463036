package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
)

func (a *app) ledgerCopyCommand() *cobra.Command {
	var to string
	cmd := a.jsonFlag(&cobra.Command{
		Use: "copy --to postgres://...", Short: "move the ledger, with its whole trail, from its file to PostgreSQL",
		Long: `copy copies the ledger into a new one on a PostgreSQL server, which
init-postgres has made: agents, groups, accounts, runs, tokens, sums and every
event. It ends only when the copy has passed the audit and has the same rows, sums
and hashes; before that the file is as it was, and the server has nothing. From
then on aex books in the file no more, and says where the ledger is; the file can
still be read.

No run may be open and no other aex may use the ledger meanwhile. The address
names a user who has the role aex_owner. See docs/fleet.md.`,
		Example: "  aex ledger copy --to postgres://postgres@db.example/aex",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.copyLedger(cmd.Context(), to) },
	})
	cmd.Flags().StringVar(&to, "to", "", "the address of the new ledger")
	a.takes(cmd, map[string]kind{"to": takesURL})
	return cmd
}

func (a *app) copyLedger(ctx context.Context, to string) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	const example = "for example: aex ledger copy --to postgres://postgres@db.example/aex"
	switch {
	case ledger.OnServer(s.ledgerPath):
		return &failure{err: errors.New("AEX_LEDGER names a server already"), hint: "without it, the ledger in " + s.home + " is copied", code: exitUsage}
	case !ledger.OnServer(to):
		return &failure{err: errors.New("copy needs --to with the address of a PostgreSQL database"), hint: example, code: exitUsage}
	}
	if err := s.elsewhere(); err != nil {
		return err
	}
	made, err := ledger.Copy(ctx, s.ledgerOptions(), to, a.auditProgress())
	if was, moved := errors.AsType[*ledger.Moved](err); moved {
		if !was.Done {
			return err
		}
		return hinted(err, "use it with: export AEX_LEDGER=%s", was.Place)
	}
	switch {
	case errors.Is(err, ledger.ErrInUse), errors.Is(err, ledger.ErrNotFound):
		return err
	case err != nil:
		return hinted(err, "the file is used as before, unless it says otherwise; see docs/fleet.md")
	}
	if a.json {
		return a.printJSON(made)
	}
	a.printf("copied %d events to %s, every check passed; aex books in %s no more", made.Events, made.Place, printable(s.ledgerPath))
	a.printf("from now on: export AEX_LEDGER=%s (with a user of the role aex_gateway or aex_budget: docs/fleet.md)", made.Place)
	return nil
}

func (a *app) ledgerMigrateCommand() *cobra.Command {
	var print bool
	cmd := a.jsonFlag(&cobra.Command{
		Use: "migrate", Short: "bring the tables of a ledger on PostgreSQL up to date",
		Long: `migrate brings the tables of a ledger on a PostgreSQL server to the version that
this aex knows, in one transaction, while gateways use it. Replace the gateways
first: this aex works with tables that are older, and an older one refuses tables
that are newer. AEX_LEDGER names a user who has the role aex_owner.

A ledger in a file is brought up to date by the first command that opens it.`,
		Example: "  AEX_LEDGER=postgres://postgres@db.example/aex aex ledger migrate",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.migrateLedger(cmd.Context(), print) },
	})
	cmd.Flags().BoolVar(&print, "print", false, "print the SQL and do nothing")
	return cmd
}

func (a *app) migrateLedger(ctx context.Context, print bool) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	if !ledger.OnServer(s.ledgerPath) {
		return &failure{err: errors.New("AEX_LEDGER names no PostgreSQL database, and a file is brought up to date when it is opened"),
			hint: "for example: AEX_LEDGER=postgres://postgres@db.example/aex aex ledger migrate", code: exitUsage}
	}
	m, err := ledger.MigrateServer(ctx, s.ledgerPath, print)
	switch {
	case err != nil:
		return err
	case print:
		a.printf("%s", m.SQL)
	case a.json:
		return a.printJSON(map[string]int{"from": m.From, "to": m.To})
	case m.From == m.To:
		a.printf("the tables are of version %d: there is nothing to do", m.To)
	default:
		a.printf("brought the tables from version %d to %d", m.From, m.To)
	}
	return nil
}
