//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// disturb does what operators do, over and over. Each agent has its own trouble.
func (s *soak) disturb(length time.Duration) {
	until := time.Now().Add(length)
	rotated, paused, gone, short := s.agents[5], s.agents[10], s.agents[15], s.agents[1]
	expect := func(what, token, model, code string) {
		_, got, answer, err := s.post(token, fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"now"}]}`, model))
		if err != nil || got != code {
			s.report("%s: %q instead of %q: %v %.200s", what, got, code, err, answer)
		}
	}
	must := func(args ...string) result {
		r := s.do(args...)
		if r.code != 0 {
			s.report("aex %v: %d %s", args, r.code, r.stderr)
		}
		return r
	}
	for turn := 0; turn == 0 || time.Now().Before(until); turn++ {
		old := *rotated.token.Load()
		s.learn(rotated, must("agent", "rotate-token", rotated.name))
		expect("an old token", old, rotated.model, "invalid_token")
		expect("a new token", *rotated.token.Load(), rotated.model, "")
		must("agent", "pause", paused.name)
		expect("a paused agent", *paused.token.Load(), paused.model, "agent_paused")
		must("agent", "resume", paused.name)
		expect("a resumed agent", *paused.token.Load(), paused.model, "")
		must("topup", short.name, "0.001")
		models := "version: 1\nmodels:\n  extra: {provider: openai, pricing: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}\n"
		if turn%2 == 1 {
			models = "version: 1\nmodels: [broken"
		}
		if err := os.WriteFile(filepath.Join(s.home, "models.yaml"), []byte(models), 0o600); err != nil {
			s.report("%v", err)
		}
		if err := s.server.Process.Signal(syscall.SIGHUP); err != nil {
			s.report("reloading: %v", err)
		}
		if turn == 1 && gone.other.Load() == 0 {
			must("agent", "delete", gone.name)
			expect("a deleted agent", *gone.token.Load(), gone.model, "invalid_token")
		}
	}
	_ = os.Remove(filepath.Join(s.home, "models.yaml"))
}

// footprint is what a process that nobody calls still takes: descriptors, and
// memory in KiB.
type footprint struct{ files, resident int }

// settle ends the connections on both sides, and waits until the server has
// let go of them.
func (s *soak) settle() (f footprint) {
	s.t.Helper()
	for _, a := range s.agents[:1] { // the parts that the first call makes are there
		s.call(a, 0)
	}
	deadline, calm := time.Now().Add(20*time.Second), 0
	for last := -1; calm < 20 && time.Now().Before(deadline); last = f.files {
		s.client.CloseIdleConnections()
		s.front.CloseClientConnections()
		pause()
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.server.Process.Pid))
		must(s.t, err)
		if f.files = len(files); f.files == last {
			calm++
		} else {
			calm = 0
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.server.Process.Pid))
	must(s.t, err)
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	_, err = fmt.Sscan(rest, &f.resident)
	must(s.t, err)
	return f
}

// pause is a short wait that is none of the test's conditions.
func pause() { _, _ = syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 10_000}) }

// check holds the ledger against the provider's own bill, agent by agent.
func (s *soak) check(length time.Duration) {
	s.t.Helper()
	_, price, err := fakeprovider.ParsePrice(s.prices[0])
	must(s.t, err)
	bill := map[string]int64{}
	for _, e := range s.provider.Bill() {
		if e.Charged {
			bill[e.Model] += price.Micros(e.Usage) * max(e.Calls, 1)
		}
	}
	for _, a := range s.agents {
		good, other := a.good.Load(), a.other.Load()
		s.t.Logf("%-10s %6d answered, %5d refused, %8d micro-dollars", a.name, good, other, bill[a.model])
		limited := length >= 30*time.Second || a.kind == 3                                                                                    // a slow machine needs that long to reach the others
		if good == 0 || limited && len(soakKinds[a.kind].codes) > 1 && other == 0 && soakKinds[a.kind].name != "narrow" && a != s.agents[1] { // that one is topped up
			s.t.Errorf("%s: %d answered, %d refused: the load does not reach its limit", a.name, good, other)
		}
		if soakKinds[a.kind].name == "paced" && good > int64(60*(2+length/time.Minute)) {
			s.t.Errorf("%s made %d calls in %s at 60 a minute", a.name, good, length)
		}
		r := s.do("agent", "inspect", a.name, "--json")
		if a == s.agents[15] && r.code != 0 {
			continue // deleted
		}
		var got struct {
			Budget   int64 `json:"budget_micro"`
			Spent    int64 `json:"spent_micro"`
			Reserved int64 `json:"reserved_micro"`
			Overrun  int64 `json:"overrun_micro"`
		}
		must(s.t, json.Unmarshal([]byte(r.stdout), &got))
		if got.Spent != bill[a.model] || got.Reserved != 0 || got.Overrun != 0 || got.Spent > got.Budget {
			s.t.Errorf("%s: booked %+v, billed %d", a.name, got, bill[a.model])
		}
	}
}
