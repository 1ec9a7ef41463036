package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// raced is what a racing process did.
type raced struct {
	Admitted, Other int
	Causes          map[ledger.Cause]int
	Longest         time.Duration
}

// race calls as fast as it can until it is refused for good.
func race(p part) error {
	l, err := p.open()
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println("ready")
	if _, err := io.ReadAll(os.Stdin); err != nil {
		return err
	}
	r := raced{Causes: map[ledger.Cause]int{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	errs := make(chan error, p.Callers)
	for range p.Callers {
		wg.Go(func() {
			ctx := context.Background()
			for {
				start := time.Now()
				a := ledger.Admission{Token: ledger.HashToken(p.Token), Least: p.Amount, Most: p.Amount, Wait: p.Wait}
				if p.Share {
					a.Least, a.Share = 1, func(room ledger.Micros) ledger.Micros { return min(room, p.Amount) }
				}
				h, no, err := l.Admit(ctx, a)
				if err == nil && no == nil && p.Settle {
					_, err = l.Settle(ctx, h.ID, ledger.Settlement{How: ledger.Settled, Cost: h.Amount})
				}
				if err != nil {
					errs <- err
					return
				}
				mu.Lock()
				r.Longest = max(r.Longest, time.Since(start))
				if no == nil {
					r.Admitted++
				} else {
					r.Causes[no.Cause]++
				}
				mu.Unlock()
				if no != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	// Stay until the others have finished: a process that ends gives up what
	// it holds.
	_, err = syscall.Read(3, make([]byte, 1))
	return err
}

// TestProcessesRaceForTheLast has eight processes of thirty-two callers race
// for exactly so many calls, dollars, requests of a minute and slots.
func TestProcessesRaceForTheLast(t *testing.T) {
	const amount = 100
	for _, c := range []struct {
		name   string
		agent  ledger.NewAgent
		want   int
		settle bool
		share  bool // hold what is left where it is less
		cause  ledger.Cause
	}{
		{"budget of exactly so many calls", ledger.NewAgent{Budget: micro(1000 * amount)}, 1000, true, false, ledger.CauseExhausted},
		{"calls in flight", ledger.NewAgent{Budget: micro(300*amount + amount - 1)}, 300, false, false, ledger.CauseBusy},
		{"last dollar", ledger.NewAgent{Budget: micro(500*amount + 1)}, -1, true, true, ledger.CauseExhausted},
		{"request of a minute", ledger.NewAgent{Limits: ledger.Limits{RequestsPerMinute: 70}}, 70, true, false, ledger.CauseRequests},
		{"slot", ledger.NewAgent{Limits: ledger.Limits{Concurrency: 5}}, 5, false, false, ledger.CauseConcurrency},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir)
			c.agent.Name = "shared"
			agent(t, l, c.agent)
			p := part{Dir: dir, Token: "token of shared", Callers: 32, Amount: amount, Settle: c.settle, Share: c.share, Wait: time.Minute}
			if !c.settle {
				p.Wait = 100 * time.Millisecond // nobody will make room
			}
			total, shares, longest := raceOfEight(t, l, p, c.cause)
			t.Logf("%d calls; shares %v; longest wait %v", total, shares, longest)
			if c.want >= 0 && total != c.want {
				t.Errorf("%d calls were admitted, want %d", total, c.want)
			}
			a, err := l.Agent(t.Context(), "shared")
			if err != nil || c.settle && c.agent.Budget != nil && a.Account.Spent != *c.agent.Budget {
				t.Errorf("not all of %s is spent: %+v %v", c.agent.Budget, a.Account, err)
			}
		})
	}
}

// raceOfEight has eight processes play the part at once, and returns how many
// calls were admitted, how many of them to each, and the longest wait. Who is
// refused is refused for cause.
func raceOfEight(t *testing.T, l *ledger.Ledger, p part, cause ledger.Cause) (total int, shares []int, longest time.Duration) {
	t.Helper()
	stay, done, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stay.Close()
	var children []*process
	for range 8 {
		children = append(children, startProcess(t, "race", p, nil, stay))
	}
	for _, p := range children {
		p.line(t)
	}
	for _, p := range children {
		p.in.Close()
	}
	for _, p := range children {
		var r raced
		if err := json.Unmarshal([]byte(p.line(t)), &r); err != nil {
			t.Fatal(err)
		}
		if len(r.Causes) != 1 || r.Causes[cause] != 32 {
			t.Errorf("refusals %v, want all %s", r.Causes, cause)
		}
		total, shares, longest = total+r.Admitted, append(shares, r.Admitted), max(longest, r.Longest)
	}
	verify(t, l)
	done.Close()
	for _, p := range children {
		if err := p.Wait(); err != nil {
			t.Error(err)
		}
	}
	return total, shares, longest
}
