package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
