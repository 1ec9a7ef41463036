package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/Auro-rium/aex/v3/internal/owned"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/supervisor"
)

// tellWithin is how long who reads the end of a run is waited for once aex is
// asked to stop then, or was asked twice before.
const tellWithin = 9 * time.Second

// soon waits for tell, and no longer than that: the reader of a pipe may be
// stopped. What hangs then ends with this process.
func soon(insisted <-chan struct{}, tell func() error) (err error, done bool) {
	asked := make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) {
			signal.Notify(asked, s)
		}
	}
	defer func() {
		if done { // else aex ends now, and one more signal does not change how
			signal.Stop(asked)
		}
	}()
	over := make(chan error, 1)
	go func() { over <- tell() }()
	select {
	case err := <-over:
		return err, true
	case <-insisted:
	case <-asked:
	}
	late := time.NewTimer(tellWithin)
	defer late.Stop()
	select {
	case err := <-over:
		return err, true
	case <-late.C:
		return nil, false
	}
}

// tellEnd prints how a run ended, and writes its report.
func (a *app) tellEnd(f *runFlags, spec supervisor.Spec, rep *supervisor.Report) (err error) {
	if rep.Outcome != "not_started" && rep.RunID != "" && !f.quiet {
		for _, line := range rep.Lines() {
			fmt.Fprintln(a.stderr, printable(line))
		}
		if who := rep.Unmetered(); who != "" {
			fmt.Fprintf(a.stderr, "aex: no call of %s came to aex: what it did was not metered\n", printable(who))
		}
	}
	a.hintSandbox(f, spec.Ledger.Home)
	if f.report != "" {
		err = a.writeReport(f.report, rep)
	}
	return errors.Join(err, a.stepSummary(rep))
}

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
	case ofDescriptor(path), err != nil && isLink(path):
		return writeTo(path, b)
	case err == nil:
		path = target
	}
	return replaceFile(path, b)
}

// ofDescriptor tells of /dev/stdout, /proc/self/fd/3 and the like: whoever has that
// file open would not see another one in its place.
func ofDescriptor(path string) bool {
	return strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/")
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
	return reportError(0, errors.Join(writeSoon(f, b), f.Close()))
}

// writeSoon does not wait for ever for who reads a pipe.
func writeSoon(f *os.File, b []byte) error {
	_, err := soonWriter{f}.Write(b)
	return err
}

// soonWriter gives whoever reads a pipe readWithin to go on reading, however much there is and however long all takes.
type soonWriter struct{ file deadlineFile }

// deadlineFile is an os.File.
type deadlineFile interface {
	io.Writer
	Name() string
	SetWriteDeadline(time.Time) error
}

func (w soonWriter) Write(b []byte) (all int, err error) {
	for {
		// What is no pipe has no deadline, and needs none.
		if err := w.file.SetWriteDeadline(time.Now().Add(readWithin)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
			return all, err
		}
		n, err := w.file.Write(b[all:])
		all += n
		switch late := errors.Is(err, os.ErrDeadlineExceeded); {
		case late && n > 0: // it is read, and slowly
		case late:
			return all, fmt.Errorf("%s: its reader has not read it for %s", w.file.Name(), readWithin)
		default:
			return all, err
		}
	}
}

const readWithin = 5 * time.Second

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

// checkOwn finds out before a run that its end would be written over one of aex's
// own files.
func (a *app) checkOwn(f *runFlags, s *settings) error {
	for named, path := range map[string]string{"--report": f.report, "GITHUB_STEP_SUMMARY": environment(a.environ)["GITHUB_STEP_SUMMARY"]} {
		if path == "" {
			continue
		}
		if err := s.refuseOwn(named, path); err != nil {
			return err
		}
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
	return errors.Join(writeSoon(file, []byte(rep.Markdown())), file.Close())
}
