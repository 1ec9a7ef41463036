package ledger_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// spendAll has every caller call, one call after the other, in a run of this
// process, from when it is told to until there is no money for another. It stays
// until its input ends.
func spendAll(p part) error {
	l, err := p.open()
	if err != nil {
		return err
	}
	ctx := context.Background()
	token := ledger.HashToken(fmt.Sprint("spend ", os.Getpid(), time.Now()))
	if _, err := l.OpenRun(ctx, ledger.NewRun{Agent: p.Agent, Program: "spend", Token: token, Metered: true}); err != nil {
		return err
	}
	fmt.Println("ready")
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make(chan error, p.Callers)
	for range p.Callers {
		wg.Go(func() { errs <- p.callUntilRefused(ctx, l, token) })
	}
	wg.Wait()
	for range p.Callers {
		err = errors.Join(err, <-errs)
	}
	if err != nil {
		return err
	}
	fmt.Println("no more")
	if _, err := io.ReadAll(in); err != nil {
		return err
	}
	return l.Close()
}

// callUntilRefused calls, and pays what the provider says, until a call is refused
// for good.
func (p part) callUntilRefused(ctx context.Context, l *ledger.Ledger, token ledger.TokenHash) error {
	for {
		h, no, err := l.Admit(ctx, ledger.Admission{Token: token, Least: p.Amount, Most: p.Amount, Wait: p.Wait})
		switch {
		case err != nil:
			return err
		case no != nil && no.Cause == ledger.CauseBusy:
			continue
		case no != nil && no.Cause != ledger.CauseExhausted:
			return fmt.Errorf("refused: %+v", *no)
		case no != nil:
			return nil
		}
		cost, err := charged(fmt.Sprint(p.URL, h.ID, "?", os.Getpid()))
		if err != nil {
			return err
		}
		if _, err := l.Settle(ctx, h.ID, ledger.Settlement{How: ledger.Settled, Cost: cost}); err != nil {
			return err
		}
	}
}

// spenders are gateways in processes of their own.
type spenders struct {
	t    *testing.T
	part part
	all  []*process
	over chan *process // whose callers were all refused for good
}

// start starts some at once.
func (s *spenders) start(agents ...string) (started []*process) {
	for _, agent := range agents {
		s.part.Agent = agent
		started = append(started, startProcess(s.t, "spend", s.part, nil))
	}
	for _, p := range started {
		p.line(s.t)
	}
	for _, p := range started {
		if _, err := io.WriteString(p.in, "\n"); err != nil {
			s.t.Fatal(err)
		}
		go func() {
			if text, _ := p.out.ReadString('\n'); text != "" {
				s.over <- p
			}
		}()
	}
	return started
}

// TestFleetOnATightBudget: eight gateways of 125 callers spend one group's budget
// to the last call, also while they are killed and started all the time. What the
// provider bills is never over it, less than one call is left of it, and accounts
// and events agree.
func TestFleetOnATightBudget(t *testing.T) {
	calls := 2000
	if os.Getenv("AEX_TEST_POSTGRES") != "" && !testing.Short() {
		calls = 10_000
	}
	for name, kills := range map[string]int{"alive": 0, "killed and started": 1 + calls/500} {
		t.Run(name, func(t *testing.T) { spendTightly(t, ledger.Micros(calls), kills) })
	}
}

func spendTightly(t *testing.T, calls ledger.Micros, kills int) {
	const amount = 1000
	dir := t.TempDir()
	budget := calls * amount
	l := open(t, dir)
	if _, err := l.CreateGroup(t.Context(), ledger.NewGroup{Name: "company", Budgets: map[ledger.Window]ledger.Micros{ledger.Total: budget}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"even", "odd"} {
		agent(t, l, ledger.NewAgent{Name: name, Group: "company"})
	}
	provider := newBiller(t, dir, amount)
	s := &spenders{t: t, over: make(chan *process, 8+kills)}
	s.part = part{Dir: dir, Callers: 125, Amount: amount, URL: provider.URL + "/", Wait: time.Minute, Live: kills == 0}
	s.all = s.start("even", "odd", "even", "odd", "even", "odd", "even", "odd")
	kills = s.kill(provider, kills)
	for _, p := range s.all {
		p.in.Close() // it ends when it has no more
		if err := p.Wait(); err != nil {
			t.Error(err)
		}
	}
	checker, err := part{Dir: dir}.open() // which books what the dead left
	if err != nil {
		t.Fatal(err)
	}
	defer checker.Close()
	checkSpent(t, checker, provider, budget, amount, kills)
}

// kill kills a gateway in the middle of a call and starts another, so many times or
// until nothing is left.
func (s *spenders) kill(provider *biller, kills int) (done int) {
	for ; done < kills; done++ {
		for range 100 + rand.IntN(200) {
			select {
			case <-provider.charged:
			case <-s.over:
				return done
			}
		}
		var pid string
		select {
		case pid = <-provider.caught:
		case <-s.over:
			return done
		}
		i := slices.IndexFunc(s.all, func(p *process) bool { return strconv.Itoa(p.Process.Pid) == pid })
		if i < 0 { // of one that was killed before
			provider.letGo <- struct{}{}
			continue
		}
		if err := s.all[i].Process.Kill(); err != nil {
			s.t.Fatal(err)
		}
		_ = s.all[i].Wait()
		provider.letGo <- struct{}{}
		s.all[i] = s.start([]string{"even", "odd"}[done%2])[0]
	}
	return done
}

func checkSpent(t *testing.T, l *ledger.Ledger, provider *biller, budget, amount ledger.Micros, kills int) {
	t.Helper()
	ledger.AwaitRecovery(t, l)
	verify(t, l)
	g, err := l.Group(t.Context(), "company")
	if err != nil {
		t.Fatal(err)
	}
	var events, lost ledger.Micros
	recovered := 0
	page, err := l.Events(t.Context(), ledger.EventFilter{Action: "usage.", Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		if events += e.Cost; e.Action == "usage.recovered" {
			lost += e.Cost
			recovered++
		}
	}
	bill, spent := ledger.Micros(provider.bill.Load()), g.Account.Spent
	t.Logf("of %d: billed %d, spent %d; %d kills with %d calls in flight, booked with %d", budget, bill, spent, kills, recovered, lost)
	switch {
	case bill > budget || spent > budget || spent < bill || g.Account.Overrun != 0:
		t.Errorf("of %d the provider has billed %d and %+v is booked", budget, bill, g.Account)
	case kills == 0 && spent != bill:
		t.Errorf("%d is booked, %d was billed", spent, bill)
	case spent-bill > lost:
		t.Errorf("%d is booked, %d was billed, and only %d was in flight", spent, bill, lost)
	case budget-spent >= amount || g.Account.Reserved != 0:
		t.Errorf("%d is left, and %d reserved", budget-spent, g.Account.Reserved)
	case events != spent:
		t.Errorf("the events are %d, and %d is spent", events, spent)
	case provider.unheld.Load() > 0:
		t.Errorf("%d calls went before their holds", provider.unheld.Load())
	case kills > 0 && recovered == 0:
		t.Error("nothing was in flight at any kill")
	}
}
