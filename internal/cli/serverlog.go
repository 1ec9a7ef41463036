package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A daemon keeps its log and two older ones of this size each.
const (
	logSize = 4 << 20
	logKept = 2
)

// serverLog writes a server's lines. In a daemon file is the standard error,
// opened for appending to path, so that a panic's trace lands there too; the
// log is therefore copied away and truncated, not renamed.
type serverLog struct {
	file *os.File
	path string // "": a terminal or whatever standard error is; not rotated
	now  func() time.Time

	mu sync.Mutex
}

// linesMax is how much of one message a log takes: the traces of a few
// goroutines.
const linesMax = 64 << 10

// printf writes a message. Lines after its first are set in, so that no text
// within can pass for a message of its own.
func (l *serverLog) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	text = strings.Join(printableLines(text[:min(len(text), linesMax)]), "\n\t")
	if l.path == "" {
		fmt.Fprintln(l.file, "aex: "+text)
		return
	}
	if err := l.rotate(); err != nil {
		fmt.Fprintf(l.file, "%s aex: rotating the log: %v\n", l.now().UTC().Format(time.RFC3339), err)
	}
	fmt.Fprintf(l.file, "%s aex: %s\n", l.now().UTC().Format(time.RFC3339), text)
}

// rotate makes room when the log is full.
func (l *serverLog) rotate() error {
	info, err := l.file.Stat()
	if err != nil || info.Size() < logSize {
		return err
	}
	older := func(n int) string { return fmt.Sprintf("%s.%d", l.path, n) }
	for n := logKept; n > 1; n-- {
		if err := os.Rename(older(n-1), older(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	from, err := os.OpenFile(l.path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for a writer
	if err != nil {
		return err
	}
	defer from.Close() // only read
	err = writeWhole(older(1), 0o600, func(w io.Writer) error {
		_, err := io.Copy(w, io.LimitReader(from, 2*logSize))
		return err
	})
	if err != nil {
		return err
	}
	return l.file.Truncate(0)
}
