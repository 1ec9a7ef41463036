//go:build linux

package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// A run whose group is out of money asks for the group's, by name, and goes on
// when it gets some.
func TestAskForTheGroupsMoney(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	s.do("group", "create", "acme", "--budget", "5/month")
	s.do("group", "create", "acme/search", "--budget", "0.01/day")
	s.do("agent", "create", "x", "none", "none", "--group", "acme/search")
	k := s.talk(append([]string{"run", "--agent", "x", "--on-exhausted", "ask", "--price", price, "--"}, bot("worker", "12")...)...)
	m := k.await(`^aex: group acme/search's daily window.*; aex group topup acme/search (\d+\.\d+)/day$`)
	if r := s.do("group", "topup", "acme/search", "0.50/day"); r.code != 0 {
		t.Errorf("topup by %s: exit %d %s", m[1], r.code, r.stderr)
	}
	code, said := k.end()
	if code != 0 || !strings.Contains(k.out.String(), "done 12 calls") || strings.Count(said, "aex group topup") != 1 {
		t.Errorf("exit %d, the bot says %q\n%s", code, k.out.String(), said)
	}
	if !strings.Contains(said, " of $0.51, 12 calls, ") {
		t.Errorf("the end line does not tell of the group's top-up:\n%s", said)
	}
	s.audit()
}

// A call that a group around has too little for, or that a pause of it keeps
// back, is asked for once, and not again and again.
func TestAskForAGroupOnce(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	s.do("group", "create", "tiny", "--budget", "0.0002")
	s.do("group", "create", "tiny/inside")
	s.do("agent", "create", "x", "none", "none", "--group", "tiny/inside")
	s.do("agent", "create", "poor", "0.0002", "none")
	args := func(agent string) []string {
		once := bot("once", filepath.Join(t.TempDir(), "pid"))
		return append([]string{"run", "--agent", agent, "--budget", "1", "--on-exhausted", "ask", "--ask-timeout", "700ms", "--timeout", "30s", "--grace", "100ms", "--price", price, "--"}, once...)
	}
	for agent, asks := range map[string]string{"x": "aex: group tiny: the next call can cost $", "poor": "aex: poor: the next call can cost $"} {
		if r := s.do(args(agent)...); r.code != 121 || strings.Count(r.stderr, asks) != 1 {
			t.Errorf("%s: exit %d\n%s", agent, r.code, r.stderr)
		}
	}
	s.do("group", "topup", "tiny", "1")
	s.do("group", "pause", "tiny")
	r := s.do(args("x")...)
	if !strings.HasPrefix(r.stdout, "403 ") || strings.Count(r.stderr, "aex: x waits: group tiny is paused; aex group resume tiny") != 1 {
		t.Errorf("exit %d %s\n%s", r.code, r.stdout, r.stderr)
	}
	s.audit()
}
