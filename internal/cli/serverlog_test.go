package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// TestServerLogIsBounded writes four times what the log may hold: what stays is
// the newest, in three files, none much larger than the bound.
func TestServerLogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "daemon.log")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	log := &serverLog{file: file, path: path, now: time.Now}
	line := strings.Repeat("x", 64<<10)
	for n := range 4 * logSize / len(line) {
		log.printf("%d %s", n, line)
	}
	log.printf("the last line \x1b[31m")
	for _, name := range []string{path, path + ".1", path + ".2"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > logSize+2*int64(len(line)) || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has %d bytes, mode %s", name, info.Size(), info.Mode())
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("a third old log is kept")
	}
	newest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(newest); !strings.HasSuffix(text, "aex: the last line �[31m\n") {
		t.Errorf("the log ends in %q", text[max(0, len(text)-80):])
	}
}

// TestServerLogKeepsLinesApart: a message cannot pass for another one, nor fill
// the log.
func TestServerLogKeepsLinesApart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "daemon.log")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	noError(t, err)
	defer file.Close()
	log := &serverLog{file: file, path: path, now: time.Now}
	log.printf("http: panic serving: %s", evil+strings.Repeat("z", 2*linesMax))
	text, err := os.ReadFile(path)
	noError(t, err)
	harmless(t, "the log", string(text))
	if !strings.Contains(string(text), "\n\t2026-11-20T00:00:00Z aex: forged") || len(text) > linesMax+100 {
		t.Errorf("the log has %d bytes: %.300q", len(text), text)
	}
}

// TestServerLogCountsWhatIsMissing: whoever reads the lines late sees them in order,
// and how many had no room, also where no line comes after those.
func TestServerLogCountsWhatIsMissing(t *testing.T) {
	reader, writer, err := os.Pipe()
	noError(t, err)
	defer reader.Close()
	log := &serverLog{file: writer, now: time.Now}
	log.unhurried()
	const lines = 3 * queued
	text := strings.Repeat("x", 1<<10) // so that a pipe holds fewer than are queued
	for n := range lines {
		log.printf("%d %s", n, text)
	}
	missed := log.missed
	said := make(chan string)
	go func() {
		all, _ := io.ReadAll(reader)
		said <- string(all)
	}()
	written := log.written
	log.end()
	<-written
	noError(t, writer.Close())
	got := strings.Split(strings.TrimSpace(<-said), "\n")
	for n, line := range got[:len(got)-1] {
		if !strings.HasPrefix(line, fmt.Sprintf("aex: %d x", n)) {
			t.Fatalf("line %d is %.40q", n, line)
		}
	}
	last := fmt.Sprintf("aex: %d lines are missing here: nobody read them", missed)
	if missed == 0 || got[len(got)-1] != last || len(got)-1+missed != lines {
		t.Errorf("%d of %d lines, %d missed, and then %.80q", len(got)-1, lines, missed, got[len(got)-1])
	}
}

// slowPipe is a pipe of which something is read within the time of each write, and in
// the end nothing more.
type slowPipe struct {
	bytes.Buffer
	reads []int // how much of each write
}

func (p *slowPipe) Name() string                     { return "slow" }
func (p *slowPipe) SetWriteDeadline(time.Time) error { return nil }

func (p *slowPipe) Write(b []byte) (int, error) {
	n := 0
	if len(p.reads) > 0 {
		n, p.reads = min(len(b), p.reads[0]), p.reads[1:]
	}
	p.Buffer.Write(b[:n])
	if n < len(b) {
		return n, os.ErrDeadlineExceeded
	}
	return n, nil
}

// TestSlowReaderIsNotCutOff: whoever reads slowly gets all of a long line, and only
// who has stopped reading ends it.
func TestSlowReaderIsNotCutOff(t *testing.T) {
	text := strings.Repeat("a long line ", 100)
	slow := &slowPipe{reads: []int{100, 1, 500, 5000}}
	if n, err := (soonWriter{slow}).Write([]byte(text)); err != nil || n != len(text) || slow.String() != text {
		t.Errorf("%d of %d bytes: %v", n, len(text), err)
	}
	stopped := &slowPipe{reads: []int{100, 1}}
	if n, err := (soonWriter{stopped}).Write([]byte(text)); err == nil || n != 101 {
		t.Errorf("%d bytes: %v", n, err)
	}
}

// TestPruneTellsWhatWasDone: after a step that failed, those before it stand.
func TestPruneTellsWhatWasDone(t *testing.T) {
	for p, hint := range map[ledger.Pruned]string{
		{}:                           "nothing was removed; see: aex audit",
		{Events: 100, Through: 1000}: "100 events, up to number 1000, were folded before that; see: aex audit",
	} {
		var f *failure
		if err := notPruned(p, errors.New("full")); !errors.As(err, &f) || f.hint != hint {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
