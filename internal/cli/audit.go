package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/owned"
	"github.com/Auro-rium/aex/v3/ledger"
)

func (a *app) auditCommand() *cobra.Command {
	var export string
	cmd := a.jsonFlag(&cobra.Command{
		Use: "audit", Short: "check that the ledger keeps its promises",
		Long: `audit checks every invariant of the ledger and the hash chain of its events.
It exits 1 when one does not hold, and names the place.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.audit(cmd.Context(), export) },
	})
	cmd.Flags().StringVar(&export, "export", "", "also write the trail to this file as JSON lines; - is standard output")
	a.takes(cmd, fileFlags("export"))
	return cmd
}

// audit only reads, so that it can verify a copy, and a ledger that nothing may
// write to. Only an older one it makes anew first.
func (a *app) audit(ctx context.Context, export string) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	if err := s.elsewhere(); err != nil {
		return err
	}
	if export != "" && export != "-" {
		if err := s.refuseOwn("--export", export); err != nil {
			return err
		}
	}
	l, err := ledger.OpenReadOnly(ctx, s.ledgerOptions())
	if errors.Is(err, ledger.ErrNotFound) {
		return hinted(err, "there is nothing to check; if there was a ledger, its home is gone: restore a backup")
	}
	if err != nil && !errors.Is(err, ledger.ErrCorrupt) {
		l, err = a.open(ctx)
	}
	if err != nil {
		return err
	}
	defer l.Close() // it has only read
	if export != "" {
		if err := a.export(ctx, l, export); err != nil {
			return err
		}
		if export == "-" {
			a.stdout = &results{file: a.stderr} // the trail alone stands on standard output
		}
	}
	result, err := l.Verify(ctx, a.auditProgress())
	if err != nil {
		return fmt.Errorf("checking the ledger: %w", err)
	}
	return a.printAudit(result)
}

// auditProgress tells a person how far a long check is.
func (a *app) auditProgress() func(done, all int64) {
	if !isTerminal(a.stderr) || a.json {
		return nil
	}
	shown := int64(-1)
	return func(done, all int64) {
		if all < 100_000 {
			return
		}
		if percent := done * 100 / all; percent != shown {
			shown = percent
			fmt.Fprintf(a.stderr, "\raex: %d%% of %d events ", percent, all)
			if done == all {
				fmt.Fprint(a.stderr, "\r\033[K")
			}
		}
	}
}

func (a *app) printAudit(result ledger.Audit) error {
	failed := 0
	for _, c := range result.Checks {
		if !c.OK {
			failed++
		}
	}
	if a.json {
		if err := a.printJSON(struct {
			OK bool `json:"ok"`
			ledger.Audit
		}{result.OK(), result}); err != nil {
			return err
		}
	} else {
		for _, c := range result.Checks {
			mark, verdict := "✅", "PASS"
			if !c.OK {
				mark, verdict = "❌", "FAIL"
			}
			a.printf("%s %s: %s", mark, c.Name, verdict)
			if c.Detail != "" {
				a.printf("   %s", printable(c.Detail))
			}
		}
	}
	if failed > 0 {
		return hinted(fmt.Errorf("%d/%d invariant check(s) FAILED", failed, len(result.Checks)),
			"keep a copy of the ledger as it is; a backup made with aex ledger backup can take its place")
	}
	if !a.json {
		a.printf("All %d invariant checks passed. %d events, head %.12s", len(result.Checks), result.Events, result.Head)
	}
	return nil
}

// export writes the trail where no reader sees half of it. A pipe and a device
// stay what they are; whoever reads a pipe has to come on, unless it is aex's own
// standard output.
func (a *app) export(ctx context.Context, l *ledger.Ledger, name string) error {
	if name == "-" {
		return l.Export(ctx, a.stdout)
	}
	info, err := os.Stat(name)
	if own, ownErr := a.stdout.file.Stat(); err == nil && ownErr == nil && os.SameFile(info, own) && !info.Mode().IsRegular() {
		return l.Export(ctx, a.stdout)
	}
	if err == nil && !info.IsDir() && (!info.Mode().IsRegular() || ofDescriptor(name)) {
		f, err := owned.Open(name, os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		return errors.Join(l.Export(ctx, soonWriter{f}), f.Close())
	}
	return writeWhole(name, 0o600, func(w io.Writer) error { return l.Export(ctx, w) })
}

// writeWhole puts a file in its place only when all of it is written.
func writeWhole(name string, mode os.FileMode, write func(io.Writer) error) error {
	tmp, err := owned.Temp(filepath.Dir(name), ".aex-*")
	if at, is := errors.AsType[*fs.PathError](err); is { // the name of the file for now says nothing
		err = at.Err
	}
	if err != nil {
		return hinted(fmt.Errorf("writing %s: %w", name, err), "name a file in a directory that exists and is yours")
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	err = errors.Join(tmp.Chmod(mode), write(tmp), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
