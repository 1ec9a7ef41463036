package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
)

func (a *app) ledgerCommand() *cobra.Command {
	return group("ledger", "back up and prune the ledger, choose its time zone, or move it to PostgreSQL",
		a.ledgerBackupCommand(), a.outsideOnly(a.ledgerCopyCommand()), a.ledgerInitPostgresCommand(), a.outsideOnly(a.ledgerMigrateCommand()),
		a.outsideOnly(a.ledgerPruneCommand()), a.outsideOnly(a.ledgerTimezoneCommand()))
}

func (a *app) ledgerBackupCommand() *cobra.Command {
	return a.arguments(a.jsonFlag(&cobra.Command{
		Use: "backup FILE", Short: "copy the ledger to a new file, while it is in use", Args: exactly("FILE"),
		Example: "  aex ledger backup aex-backup.db",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.backup(cmd.Context(), args[0]) },
	}), false, takesFile)
}

func (a *app) backup(ctx context.Context, name string) (err error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	s, err := a.settings()
	if err != nil {
		return err
	}
	if ledger.OnServer(s.ledgerPath) {
		return hinted(errors.New("a ledger on PostgreSQL is backed up by the means of its server: pg_dump, or a base backup with the archived log, to which one can go back in time"),
			"for example: pg_dump --format=custom --schema=aex --file=%s DATABASE; see docs/fleet.md, Backup and recovery", name)
	}
	if err := s.refuseOwn("the backup", path); err != nil {
		return err
	}
	l, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := l.Backup(ctx, path); errors.Is(err, fs.ErrExist) {
		return hinted(fmt.Errorf("there is a file %s already", name), "name one that does not exist")
	} else if err != nil {
		return hinted(err, "name a file in a directory that exists and is yours")
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]any{"file": path, "bytes": info.Size()})
	}
	a.printf("backed up to %s, %d bytes; check it with: AEX_LEDGER=%s aex audit", printable(path), info.Size(), printable(path))
	return nil
}

func (a *app) ledgerPruneCommand() *cobra.Command {
	var before timeFlag
	cmd := a.jsonFlag(&cobra.Command{
		Use: "prune --before TIME", Short: "fold old events into a checkpoint",
		Long: `prune folds the events before a time into one that keeps their hash and their
sums: audit still proves the ledger, but not what each of those calls was. Make
a backup first; it cannot be undone.`,
		Example: "  aex ledger backup old.db && aex ledger prune --before 180d",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.prune(cmd.Context(), &before) },
	})
	cmd.Flags().Var(&before, "before", "a date, or how long ago (90d)")
	a.takes(cmd, map[string]kind{"before": {name: "TIME", complete: words("90d", "180d", "365d")}})
	return cmd
}

func (a *app) prune(ctx context.Context, before *timeFlag) (err error) {
	if before.text == "" {
		return &failure{err: errors.New("prune needs --before"), hint: "for example: aex ledger prune --before 180d", code: exitUsage}
	}
	l, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	from, _, err := a.between(ctx, l, *before, timeFlag{})
	if err != nil {
		return err
	}
	p, err := l.Prune(ctx, from)
	if err != nil {
		return notPruned(p, err)
	}
	if a.json {
		return a.printJSON(map[string]int64{"events": p.Events, "through": p.Through})
	}
	if p.Events == 0 {
		a.printf("nothing to prune before then")
		return nil
	}
	a.printf("folded %d events, up to number %d", p.Events, p.Through)
	return nil
}

// notPruned tells what became of the steps before one that failed.
func notPruned(p ledger.Pruned, err error) error {
	if p.Events > 0 {
		return hinted(err, "%d events, up to number %d, were folded before that; see: aex audit", p.Events, p.Through)
	}
	return hinted(err, "nothing was removed; see: aex audit")
}
