package ledger_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// The test binary plays other processes: AEX_TEST_ROLE names the part.
func TestMain(m *testing.M) {
	roles := map[string]func(part) error{"race": race, "load": load, "hold": holdOne, "peek": peek, "fill": fillDisk, "pairs": pairs, "look": openAndClose, "grip": grip, "spend": spendAll, "steady": steady}
	role := os.Getenv("AEX_TEST_ROLE")
	if role == "" {
		os.Exit(m.Run())
	}
	var p part
	err := json.Unmarshal([]byte(os.Getenv("AEX_TEST_PART")), &p)
	if err == nil {
		err = roles[role](p)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, role+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// part is what a process of a test is told.
type part struct {
	Dir     string
	Token   string
	Callers int
	Amount  ledger.Micros
	Settle  bool
	Share   bool   // take what there is
	URL     string // of the provider
	Limit   uint64
	Wait    time.Duration
	Pairs   int
	Grip    string
	Agent   string
	Live    bool // it is not taken for dead before its time
}

func (p part) open() (*ledger.Ledger, error) {
	o := ledger.Options{Path: ledger.Place(p.Dir), Home: p.Dir}
	if !p.Live {
		o = ledger.ShortLease(o)
	}
	return ledger.Open(context.Background(), o)
}

// process is a child with its lines.
type process struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startProcess(t testing.TB, role string, p part, attr *syscall.SysProcAttr, extra ...*os.File) *process {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "AEX_TEST_ROLE="+role, "AEX_TEST_PART="+string(text))
	c.Stderr, c.SysProcAttr, c.ExtraFiles = os.Stderr, attr, extra
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return &process{c, in, bufio.NewReader(out)}
}

// line reads the next line of the child.
func (p *process) line(t testing.TB) string {
	t.Helper()
	s, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("child: %v after %q", err, s)
	}
	return strings.TrimSpace(s)
}

func micro(v int64) *ledger.Micros { m := ledger.Micros(v); return &m }

// openAndClose opens the ledger and prints what came of it.
func openAndClose(p part) error {
	l, err := p.open()
	if err != nil {
		fmt.Println(err)
		return nil
	}
	fmt.Println("opened")
	return l.Close()
}
