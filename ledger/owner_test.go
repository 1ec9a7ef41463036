package ledger_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/need"
	"github.com/Auro-rium/aex/v3/ledger"
)

// holdOne takes a hold, tells its id, and settles it when told.
func holdOne(p part) error {
	l, err := p.open()
	if err != nil {
		return err
	}
	defer l.Close()
	h, no, err := l.Admit(context.Background(), ledger.Admission{Token: ledger.HashToken(p.Token), Least: p.Amount, Most: p.Amount})
	if err != nil || no != nil {
		return fmt.Errorf("refused %+v: %w", no, err)
	}
	fmt.Println(os.Getpid(), h.ID)
	if _, err := io.ReadAll(os.Stdin); err != nil {
		return err
	}
	out, err := l.Settle(context.Background(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: 7})
	if err != nil {
		return err
	}
	fmt.Println(out.Cost, out.Late)
	return nil
}

// peek opens the ledger and tells what it finds of shared's holds.
func peek(p part) error {
	l, err := p.open()
	if err != nil {
		return err
	}
	defer l.Close()
	a, err := l.Agent(context.Background(), "shared")
	if err != nil {
		return err
	}
	fmt.Println(os.Getpid(), a.Account.Reserved, len(l.Recovered()))
	return nil
}

// TestLivingOwnersAreNeverRecovered stops an owner, steps the clock a day both
// ways, and looks from another home.
func TestLivingOwnersAreNeverRecovered(t *testing.T) {
	ledger.InFile(t)
	dir := t.TempDir()
	l := open(t, dir)
	agent(t, l, ledger.NewAgent{Name: "shared", Budget: usd(t, "1")})
	p := startProcess(t, "hold", part{Dir: dir, Token: "token of shared", Amount: 500}, nil)
	p.line(t)
	if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	link := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "aex.db"), filepath.Join(link, "aex.db")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path, home string
		step       time.Duration
	}{
		"as usual":              {dir, dir, 0},
		"a day ahead":           {dir, dir, 24 * time.Hour},
		"a day behind":          {dir, dir, -24 * time.Hour},
		"from another home":     {dir, t.TempDir(), 0},
		"by another name of it": {link, t.TempDir(), 0},
	} {
		other, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(c.path, "aex.db"), Home: c.home, Now: func() time.Time { return time.Now().Add(c.step) }})
		if err != nil {
			t.Fatal(err)
		}
		a, err := other.Agent(t.Context(), "shared")
		if err != nil || a.Account.Reserved != 500 || len(other.Recovered()) != 0 {
			t.Fatalf("%s: a living owner's hold was taken: %+v %v %v", name, a.Account, other.Recovered(), err)
		}
		verify(t, other)
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	settleHeld(t, p)
	verify(t, l)
}

// settleHeld lets a process that holds settle, and end.
func settleHeld(t *testing.T, p *process) {
	t.Helper()
	p.in.Close()
	if got := p.line(t); got != "$0.000007 false" {
		t.Fatalf("settled %s", got)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
}

// TestNamespacesOfOneHome: two containers' processes have the same id, and
// neither can see the other's; yet only the dead one's hold is recovered.
func TestNamespacesOfOneHome(t *testing.T) {
	ledger.InFile(t)
	if pidNamespace() == nil {
		need.Missing(t, "this system has no pid namespaces")
	}
	probe := exec.Command("true")
	probe.SysProcAttr = pidNamespace()
	if err := probe.Run(); err != nil {
		need.Missing(t, "no pid namespace can be made here: %v", err)
	}
	dir := t.TempDir()
	l := open(t, dir)
	agent(t, l, ledger.NewAgent{Name: "shared", Budget: usd(t, "1")})
	mine := part{Dir: dir, Token: "token of shared", Amount: 500}
	look := func(want string) {
		t.Helper()
		p := startProcess(t, "peek", mine, pidNamespace())
		if got := p.line(t); got != want {
			t.Fatalf("another container found %q, want %q", got, want)
		}
		if err := p.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	live, dies := startProcess(t, "hold", mine, pidNamespace()), startProcess(t, "hold", mine, pidNamespace())
	for _, p := range []*process{live, dies} {
		if got := p.line(t); !strings.HasPrefix(got, "1 ") {
			t.Fatalf("not in a namespace of its own: %q", got)
		}
	}
	look("1 $0.0010 0")
	if err := dies.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	dies.Wait()
	look("1 $0.0005 1")
	settleHeld(t, live)
	verify(t, l)
}
