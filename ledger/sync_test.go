package ledger_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/need"
	"github.com/Auro-rium/aex/v3/ledger"
)

// TestHoldIsSyncedBeforeItIsAnswered watches a process that takes a hold: what
// it wrote to the write-ahead log is synced before it says that it has the hold.
func TestHoldIsSyncedBeforeItIsAnswered(t *testing.T) {
	ledger.InFile(t)
	strace := need.Tool(t, "strace")
	dir := t.TempDir()
	l, err := part{Dir: dir}.open()
	if err != nil {
		t.Fatal(err)
	}
	agent(t, l, ledger.NewAgent{Name: "shared", Budget: usd(t, "1")})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(part{Dir: dir, Token: "token of shared", Amount: 500})
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	c := exec.Command(strace, "-f", "-y", "-qq", "-e", "trace=write,pwrite64,fsync,fdatasync", "-o", trace, os.Args[0])
	c.Env = append(os.Environ(), "AEX_TEST_ROLE=hold", "AEX_TEST_PART="+string(text))
	out, err := c.CombinedOutput()
	if err != nil {
		need.Missing(t, "no process can be traced here: %v: %s", err, out)
	}
	said := strings.Fields(string(out)) // its id, the hold, and then what it settled
	if len(said) < 2 {
		t.Fatalf("the process said %q", out)
	}
	checkSynced(t, trace, said[1])
}

// checkSynced reads a trace up to the answer that names the hold.
func checkSynced(t *testing.T, trace, hold string) {
	t.Helper()
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	written := regexp.MustCompile(`pwrite64\(\d+<[^>]*aex\.db-wal>`)
	synced := regexp.MustCompile(`f(data)?sync\(\d+<[^>]*aex\.db-wal>`)
	var writes int
	var dirty bool
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		switch line := lines.Text(); {
		case written.MatchString(line):
			writes++
			dirty = true
		case synced.MatchString(line):
			dirty = false
		case strings.Contains(line, "write(1<") && strings.Contains(line, hold):
			if writes == 0 || dirty {
				t.Errorf("the hold was answered after %d writes to the log, synced: %t", writes, !dirty)
			}
			return
		}
	}
	t.Fatalf("the trace does not show the answer: %v", lines.Err())
}
