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

	mu      sync.Mutex
	queue   chan string   // of lines for who reads standard error; nil: they are written at once
	written chan struct{} // closed when the queue is ended and empty
	missed  int           // lines for which it had no room
}

// queued is how many lines wait for whoever reads standard error.
const queued = 512

// unhurried keeps the server from waiting for who reads standard error, a
// terminal that was told to stop (Ctrl-S) or a pipe: lines wait in its place, and
// beyond those it has room for they are counted. It lasts until end.
func (l *serverLog) unhurried() {
	queue, written := make(chan string, queued), make(chan struct{})
	l.queue, l.written = queue, written
	go func() {
		defer close(written)
		for line := range queue {
			fmt.Fprintln(l.file, line)
		}
		if l.missed > 0 { // no line changes it once the queue is closed
			fmt.Fprintln(l.file, l.missing())
		}
	}()
}

// end waits for the lines that are still to be read, no longer than lastWords.
func (l *serverLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue == nil {
		return
	}
	close(l.queue)
	l.queue = nil
	late := time.NewTimer(lastWords)
	defer late.Stop()
	select {
	case <-l.written:
	case <-late.C:
	}
}

// line writes one, or has it wait; l.mu is held.
func (l *serverLog) line(text string) {
	if l.queue == nil {
		fmt.Fprintln(l.file, text)
		return
	}
	if l.missed > 0 {
		select {
		case l.queue <- l.missing():
			l.missed = 0
		default:
		}
	}
	select {
	case l.queue <- text:
	default:
		l.missed++
	}
}

// missing tells of the lines for which there was no room.
func (l *serverLog) missing() string {
	return fmt.Sprintf("aex: %d lines are missing here: nobody read them", l.missed)
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
		l.line("aex: " + text)
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
