//go:build linux

package e2e

import (
	"bufio"
	"cmp"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// gate is an aex serve at a port of its own, which can be killed and started
// again. Several share the ledger of their stage.
type gate struct {
	t    *testing.T
	s    *stage
	port int
	home string
	cmd  *exec.Cmd

	name, listen, cert, key string // where it is reached from elsewhere; "": on loopback
	behind                  int    // its own port, of a gateway behind a proxy at port; 0: there is none
	place                   string // of the ledger, by another way than the stage's; "": by the same
}

// onServer has the stage keep its ledger on the PostgreSQL server that make
// postgres starts, where there is one.
func (s *stage) onServer() {
	server := os.Getenv("AEX_TEST_POSTGRES")
	if server == "" {
		return
	}
	s.place = fmt.Sprintf("%s?search_path=e%d_%d", server, os.Getpid(), time.Now().UnixNano())
	s.env = append(s.env, "AEX_LEDGER="+s.place)
	s.do("ledger", "init-postgres")
}

// ledger is where the stage has its ledger.
func (s *stage) ledger() string { return cmp.Or(s.place, filepath.Join(s.home, "aex.db")) }

// gate is a gateway of the stage, not yet started.
func (s *stage) gate() *gate {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(s.t, err)
	defer l.Close()
	g := &gate{t: s.t, s: s, port: l.Addr().(*net.TCPAddr).Port, home: s.t.TempDir()}
	s.t.Cleanup(g.stop)
	return g
}

func (g *gate) url() string {
	if g.name != "" {
		return fmt.Sprintf("https://%s:%d", g.name, g.port)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", g.port)
}

func (g *gate) start() {
	g.t.Helper()
	args := []string{"serve", "--port", fmt.Sprint(g.port), "--price", price}
	switch {
	case g.behind != 0:
		args = []string{"serve", "--port", fmt.Sprint(g.behind), "--price", price, "--allow-host", g.name}
	case g.name != "":
		args = append(args, "--listen", g.listen, "--allow-host", g.name, "--tls-cert", g.cert, "--tls-key", g.key)
	}
	g.cmd = g.s.aex(args...)
	g.cmd.Env = append(g.cmd.Env, "AEX_HOME="+g.home, "AEX_LEDGER="+cmp.Or(g.place, g.s.ledger()))
	r, err := g.cmd.StderrPipe()
	must(g.t, err)
	must(g.t, g.cmd.Start())
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "serving on ") {
			go func() {
				for lines.Scan() {
				}
			}()
			return
		}
		g.t.Log(lines.Text())
	}
	g.t.Fatal("aex serve does not say where it serves")
}

func (g *gate) end(sig syscall.Signal) {
	g.t.Helper()
	must(g.t, g.cmd.Process.Signal(sig))
	_ = g.cmd.Wait()
	g.cmd = nil
}

func (g *gate) stop() {
	if g.cmd != nil {
		g.end(syscall.SIGTERM)
	}
}

// token mints a token of an agent.
func (s *stage) token(args ...string) string {
	s.t.Helper()
	r := s.do(append([]string{"agent", "token"}, args...)...)
	token := regexp.MustCompile(`[0-9a-f]{32}`).FindString(r.stdout)
	if r.code != 0 || token == "" {
		s.t.Fatalf("exit %d\n%s", r.code, r.stderr)
	}
	return token
}

// runner is another machine: a home without keys, and what leads to the gates.
func (s *stage) runner(token string, gates ...*gate) *stage {
	other := &stage{t: s.t, home: filepath.Join(s.t.TempDir(), "home"), provider: s.provider, url: s.url}
	var urls []string
	for _, g := range gates {
		urls = append(urls, g.url())
	}
	other.env = []string{"OPENAI_API_KEY=", "OPENAI_BASE_URL=", "AEX_GATEWAY=" + strings.Join(urls, ","), "AEX_TOKEN=" + token}
	return other
}

// A run on a machine without keys is opened, metered, booked and ended at a
// shared gateway; nothing of the token reaches the program.
func TestRunAtASharedGateway(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	s.onServer()
	s.do("group", "create", "acme", "--budget", "0.30")
	s.do("agent", "create", "team", "5.00", "none")
	s.do("agent", "set", "team", "--group", "acme")
	g := s.gate()
	g.start()
	token := s.token("team", "--scope", "runs", "--max-run", "0.10")
	r := s.runner(token, g)

	if got := r.do(append([]string{"run", "--"}, bot("steady", "3")...)...); got.code != 0 || !strings.Contains(got.stderr, "3 calls") || !strings.Contains(got.stderr, "of $0.10") {
		t.Errorf("exit %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	got := r.do("run", "--", "sh", "-c", "env; exit 7")
	if got.code != 7 || strings.Contains(got.stdout, token) || strings.Contains(got.stdout, "AEX_TOKEN") || strings.Contains(got.stdout, "AEX_GATEWAY") || strings.Contains(got.stdout, realKey) {
		t.Errorf("exit %d\n%s", got.code, got.stdout)
	}
	if _, err := os.Stat(filepath.Join(r.home, "aex.db")); err == nil {
		t.Error("the runner has a ledger")
	}
	for _, c := range []struct{ flags, says string }{{"--budget=0.02", "budget exhausted: $0.0"}, {"--budget=5", "of $0.10"}} {
		got := r.do(append([]string{"run", c.flags, "--grace", "100ms", "--"}, bot("loop", "2", t.TempDir())...)...)
		if got.code != 121 || !strings.Contains(got.stderr, c.says) {
			t.Errorf("%s: exit %d\n%s", c.flags, got.code, got.stderr)
		}
	}
	for range 4 { // until the group has nothing left
		if got = r.do(append([]string{"run", "--grace", "100ms", "--"}, bot("loop", "2", t.TempDir())...)...); got.code != 121 {
			t.Errorf("exit %d\n%s", got.code, got.stderr)
		}
	}
	s.audit()
	if spent := spentOfAll(t, s); spent > 300_000 {
		t.Errorf("a group of $0.30 was charged %d", spent)
	}
	if spent, bill := spentOfAll(t, s), billed(t, s.provider); spent < bill || bill == 0 {
		t.Errorf("booked %d, billed %d", spent, bill)
	}
}

// rounds is how often something is done: as the environment says, else few
// times.
func rounds(t *testing.T, variable string, few int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// Gateways are killed, started again and replaced in the middle of calls: what
// was under way is cut and booked once, what was not sent waits, and a program
// that tries again finishes.
func TestGatewaysAreKilledInMidCall(t *testing.T) {
	kills := rounds(t, "AEX_TEST_KILLS", 6)
	s := newStage(t, fakeprovider.Options{Lean: true})
	s.onServer()
	s.do("agent", "create", "team", "500", "none")
	a, b := s.gate(), s.gate()
	a.start()
	r := s.runner(s.token("team", "--scope", "runs"), a, b)
	cmd := r.aex(append([]string{"run", "--budget", "100", "--"}, bot("steady", fmt.Sprint(20*kills))...)...)
	out, err := cmd.StdoutPipe()
	must(t, err)
	var errs strings.Builder
	cmd.Stderr = &errs
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	at, other := a, b
	for n := 1; lines.Scan(); n++ {
		if n%20 != 10 {
			continue
		}
		switch (n / 20) % 3 {
		case 0: // killed, and started again
			at.end(syscall.SIGKILL)
			at.start()
		case 1: // killed, and the other one is there
			at.end(syscall.SIGKILL)
			other.start()
			at, other = other, at
		case 2: // drained, and the other one is there
			other.start()
			at.end(syscall.SIGTERM)
			at, other = other, at
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, errs.String())
	}
	s.audit()
	rows := s.runs()
	if len(rows) != 1 || rows[0].State != "ended" {
		t.Errorf("runs: %+v", rows)
	}
	if spent, bill := spentOfAll(t, s), billed(t, s.provider); spent < bill || bill == 0 {
		t.Errorf("booked %d, billed %d", spent, bill)
	}
}
