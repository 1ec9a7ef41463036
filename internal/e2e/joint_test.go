//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// ways makes a call in each way: whole, streamed, broken off, refused.
func ways() int {
	for _, body := range []string{
		chatBody(20, 50), strings.Replace(chatBody(20, 50), "{", `{"stream":true,`, 1),
		strings.Replace(chatBody(100, 50), "{", `{"stream":true,`, 1), chatBody(60, 50),
	} {
		resp, err := post(body)
		if err != nil {
			return 1
		}
		b, err := io.ReadAll(resp.Body)
		fmt.Println(resp.StatusCode, len(b) > 0, err, resp.Trailer)
		_ = resp.Body.Close()
	}
	return 0
}

// totals are those of the whole ledger, and of one agent.
type totals struct {
	Spent   int64 `json:"spent_micro"`
	Calls   int64
	Doubt   int64 `json:"in_doubt_micro"`
	Overrun int64 `json:"overrun_micro"`
}

func (s *stage) totals() (t totals) {
	s.t.Helper()
	r := s.do("status", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &t); err != nil {
		s.t.Fatalf("%v in %s%s", err, r.stdout, r.stderr)
	}
	return t
}

func (s *stage) spentBy(agent string) int64 {
	s.t.Helper()
	var a struct {
		Spent int64 `json:"spent_micro"`
	}
	r := s.do("agent", "inspect", agent, "--json")
	if err := json.Unmarshal([]byte(r.stdout), &a); err != nil {
		s.t.Fatalf("%v in %s%s", err, r.stdout, r.stderr)
	}
	return a.Spent
}

// shared starts aex serve for an agent, and exports its address as a shell would
// that has it in its profile.
func (s *stage) shared(agent, budget string) {
	s.t.Helper()
	if r := s.do("agent", "create", agent, budget, "none"); r.code != 0 {
		s.t.Fatalf("exit %d %s", r.code, r.stderr)
	}
	token := regexp.MustCompile(`[0-9a-f]{32}`).FindString(s.do("agent", "token", agent).stdout)
	url := s.serve("--price", price)
	s.env = append(s.env, "OPENAI_API_KEY="+token, "OPENAI_BASE_URL="+url+"/v1")
}

// A run whose upstream is an aex on the same ledger: each account of both paths
// is charged once, and the call is one call, whoever's agent it is.
func TestUpstreamOnTheSameLedger(t *testing.T) {
	for name, agent := range map[string]string{"the same agent": "team", "another agent": "x"} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, fakeprovider.Options{Lean: true})
			s.provider.Set(fakeprovider.Behaviour{OutputTokens: 30})
			s.shared("team", "5")
			r := s.do(append([]string{"run", "--agent", agent, "--budget", "1", "--price", price, "--"}, bot("ways")...)...)
			if r.code != 0 || strings.Count(r.stdout, "200 true <nil> map[]") != 4 || strings.Contains(r.stderr, "doubt") {
				t.Fatalf("exit %d %s\n%s", r.code, r.stdout, r.stderr)
			}
			bill := billed(t, s.provider)
			run := s.runs()[0]
			if got := s.totals(); got.Spent != bill || got.Calls != 4 || got.Overrun != 0 || run.Spent != bill || run.Calls != 4 || run.Reserved != 0 {
				t.Errorf("a bill of %d in 4 calls is %+v in all, and %+v of the run", bill, got, run)
			}
			for _, a := range []string{"team", agent} {
				if got := s.spentBy(a); got != bill {
					t.Errorf("agent %s has spent %d, the bill is %d", a, got, bill)
				}
			}
			s.audit()

			// What breaks off is one call in doubt, and never below the bill.
			s.provider.Set(fakeprovider.Behaviour{OutputTokens: 30, Fault: fakeprovider.FaultCut, After: 5})
			if r := s.do(append([]string{"run", "--agent", agent, "--budget", "1", "--price", price, "--"}, bot("ways")...)...); r.code != 0 {
				t.Fatalf("exit %d %s\n%s", r.code, r.stdout, r.stderr)
			}
			bill = billed(t, s.provider)
			got := s.totals()
			if got.Spent < bill || got.Calls != 8 || got.Doubt == 0 {
				t.Errorf("a bill of %d in 8 calls is %+v in all", bill, got)
			}
			for _, a := range []string{"team", agent} {
				if spent := s.spentBy(a); spent < bill {
					t.Errorf("agent %s has spent %d, the bill is %d", a, spent, bill)
				}
			}
			s.audit()
		})
	}
}

// Every account of both paths is checked: the money of either ends the run.
func TestUpstreamOnTheSameLedgerChecksBoth(t *testing.T) {
	for name, budget := range map[string][2]string{"of the agent there": {"0.02", "5"}, "of the run": {"5", "0.02"}} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
			s.shared("team", budget[0])
			r := s.do(append([]string{"run", "--agent", "x", "--budget", budget[1], "--price", price, "--grace", "100ms", "--"}, bot("loop", "2")...)...)
			bill := billed(t, s.provider)
			team, run := s.spentBy("team"), s.runs()[0]
			if got := s.totals(); r.code != 121 || !strings.Contains(r.stderr, "exhausted") || got.Spent < bill || bill == 0 {
				t.Errorf("exit %d: a bill of %d is %+v\n%s", r.code, bill, got, r.stderr)
			}
			if least := min(team, run.Spent); least > 20_000 || team < bill || run.Spent < bill {
				t.Errorf("a bill of %d is %d of the agent there, and %d of the run", bill, team, run.Spent)
			}
			s.audit()
		})
	}
}
