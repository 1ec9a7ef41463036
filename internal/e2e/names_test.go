//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/internal/need"
)

// A ledger that is reached by two names of its file would have two locks and two
// logs: the second name is refused, while the first is in use and afterwards.
func TestLedgerByAnotherName(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	if r := s.do("agent", "create", "x", "0.02", "none"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	other := filepath.Join(filepath.Dir(s.home), "other")
	must(t, os.Mkdir(other, 0o700))
	db, second := filepath.Join(s.home, "aex.db"), filepath.Join(other, "aex.db")
	refused := func(t *testing.T, say string, cmd func(args ...string) *exec.Cmd, env ...string) {
		t.Helper()
		for _, args := range [][]string{{"run", "--agent", "x", "--", "true"}, {"topup", "x", "1"}, {"status"}, {"audit"}} {
			aex := cmd(args...)
			aex.Env = append(aex.Env, env...)
			if r := finish(t, aex); r.code == 0 || !strings.Contains(r.stderr, say) {
				t.Errorf("%s: exit %d\n%s%s", args[0], r.code, r.stdout, r.stderr)
			}
		}
	}
	attack := func(t *testing.T) {
		t.Run("hard link", func(t *testing.T) {
			must(t, os.Link(db, second))
			refused(t, "2 names", s.aex, "AEX_HOME="+other)
			if r := s.do("agent", "list"); r.code == 0 {
				t.Errorf("the first name is not refused: %s", r.stdout)
			}
			must(t, os.Remove(second))
		})
		t.Run("bind mount", func(t *testing.T) {
			unshare := need.Unshare(t, "-Urm")
			must(t, os.WriteFile(second, nil, 0o600))
			refused(t, "mount its directory", func(args ...string) *exec.Cmd {
				aex := s.aex(args...)
				script := `mount --bind "$1" "$2"; shift 2; exec "$@"`
				aex.Path, aex.Args = unshare, append([]string{unshare, "-Urm", "sh", "-c", script, "sh", db, second, binary}, args...)
				return aex
			}, "AEX_HOME="+other)
			must(t, os.Remove(second))
		})
	}
	t.Run("at rest", attack)
	aex, step, stop := stepping(t, s)
	if got := step(); got != "200" {
		t.Fatalf("the call got %s", got)
	}
	t.Run("in use", attack)
	if got := step(); got != "200" {
		t.Errorf("the call after that got %s", got)
	}
	if said := stop(); aex.ProcessState.ExitCode() != 0 {
		t.Errorf("%v\n%s", aex.ProcessState, said)
	}
	s.audit()

	must(t, syscall.Mkfifo(second, 0o600))
	refused(t, "is no file", s.aex, "AEX_HOME="+other)
}
