//go:build linux

package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// A bot at a shared gateway is topped up there, also after that gateway was
// replaced in the middle of the question, and finishes without having seen an
// error.
func TestAskAtASharedGateway(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	s.do("agent", "create", "team", "5.00", "none")
	a, b := s.gate(), s.gate()
	a.start()
	b.start()
	r := s.runner(s.token("team", "--scope", "runs", "--max-run", "0.01"), a, b)
	k := r.talk(append([]string{"run", "--grace", "5s", "--on-exhausted", "ask", "--idle-timeout", "60s", "--"}, bot("worker", "32")...)...)
	for n := range 3 {
		m := k.await(`^aex: .*; aex topup ([0-9a-f]{4}) (\d+\.\d+), at the gateway$`)
		if n == 1 {
			a.end(syscall.SIGTERM) // the call that waits goes to the other one
		}
		if r := s.do("topup", m[1], "0.01"); r.code != 0 {
			t.Fatalf("topup: exit %d %s", r.code, r.stderr)
		}
	}
	code, heard := k.end()
	if code != 0 || !strings.Contains(heard, "32 calls") || strings.Contains(k.out.String(), "402") {
		t.Errorf("exit %d\n%s\n%s", code, heard, k.out.String())
	}
	s.audit()
}

// Who was asked there until the time ran out is not asked again by what the run
// calls in its grace: those calls are refused at once.
func TestAskAtASharedGatewayAsksOnce(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	s.do("agent", "create", "team", "5.00", "none")
	a := s.gate()
	a.start()
	r := s.runner(s.token("team", "--scope", "runs"), a)
	got := r.do(append([]string{"run", "--budget", "0.01", "--on-exhausted", "ask", "--ask-timeout", "5s", "--grace", "4s", "--"}, bot("stubborn", "3", "7")...)...)
	if asked := strings.Count(got.stderr, "; aex topup "); got.code != 121 || asked != 1 || !strings.Contains(got.stdout, "refused 3") {
		t.Errorf("exit %d, asked %d times\n%s%s", got.code, asked, got.stdout, got.stderr)
	}
	s.audit()
}
