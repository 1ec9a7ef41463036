package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/owned"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/supervisor"
)

// writeReport puts the report where no reader sees half of it. A pipe, a device
// and a link stay what they are; what is aex's own standard output or error,
// whatever its name, is written to where it stands.
func (a *app) writeReport(path string, rep *supervisor.Report) error {
	b, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	b = append(ledger.PlainJSON(b), '\n')
	if info, err := os.Stat(path); err == nil {
		for _, f := range []*os.File{a.stdout.file, a.stderr} {
			if own, err := f.Stat(); err == nil && os.SameFile(info, own) {
				return reportError(f.Write(b))
			}
		}
		if !info.Mode().IsRegular() {
			return writeTo(path, b)
		}
	}
	switch target, err := filepath.EvalSymlinks(path); {
	case strings.HasPrefix(path, "/dev/"), strings.HasPrefix(path, "/proc/"), err != nil && isLink(path):
		return writeTo(path, b)
	case err == nil:
		path = target
	}
	return replaceFile(path, b)
}

// replaceFile puts b at path in one step.
func replaceFile(path string, b []byte) error {
	tmp, err := owned.Temp(filepath.Dir(path), ".aex-report-*")
	if err != nil {
		return hinted(fmt.Errorf("writing the report: %w", err), "give --report a file in a directory that exists")
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	return reportError(0, err)
}

// writeTo adds b to what is there.
func writeTo(path string, b []byte) error {
	f, err := owned.Open(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return reportError(0, err)
	}
	_, err = f.Write(b)
	return reportError(0, errors.Join(err, f.Close()))
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&os.ModeSymlink != 0
}

func reportError(_ int, err error) error {
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// checkFiles finds out before a run, and what it costs, that a file it needs is
// not there.
func checkFiles(f *runFlags) error {
	if f.report != "" {
		if info, err := os.Stat(filepath.Dir(f.report)); err != nil || !info.IsDir() {
			return hinted(fmt.Errorf("--report %s: there is no directory %s", f.report, filepath.Dir(f.report)), "make it, or name another file")
		}
		if info, err := os.Stat(f.report); err == nil && info.IsDir() {
			return hinted(fmt.Errorf("--report %s is a directory", f.report), "name a file in it")
		}
	}
	return checkCA(f.caFile)
}

// stepSummary adds the run to the summary of a GitHub Actions job.
func (a *app) stepSummary(rep *supervisor.Report) error {
	path := environment(a.environ)["GITHUB_STEP_SUMMARY"]
	if path == "" || rep.RunID == "" {
		return nil
	}
	file, err := owned.Open(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("writing the job summary: %w", err)
	}
	_, err = file.WriteString(rep.Markdown())
	return errors.Join(err, file.Close())
}
