package ledger_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// steady calls until its input ends, and then tells how long its longest
// admission took.
func steady(p part) error {
	l, err := p.open()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.ReadAll(os.Stdin)
		stop()
	}()
	var mu sync.Mutex
	var longest time.Duration
	var failed error
	var wg sync.WaitGroup
	for range p.Callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				h, no, err := l.Admit(context.Background(), ledger.Admission{Token: ledger.HashToken(p.Token), Least: p.Amount, Most: p.Amount})
				took := time.Since(start)
				var cost ledger.Micros
				switch {
				case err == nil && no != nil:
					err = fmt.Errorf("refused: %+v", *no)
				case err == nil:
					cost, err = charged(p.URL + string(h.ID))
				}
				if err == nil {
					_, err = l.Settle(context.Background(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: cost})
				}
				mu.Lock()
				if longest = max(longest, took); err != nil {
					failed = err
				}
				mu.Unlock()
				if err != nil {
					stop()
				}
			}
		})
	}
	wg.Wait()
	fmt.Println(longest)
	if failed != nil {
		return failed
	}
	return l.Close()
}

// TestFleetGoesOnWithoutWhoIsStopped: the process of a gateway is stopped for
// longer than it is taken for alive. Another one books what it held; when it goes
// on it writes nothing as who it was, begins anew, and what it settles late
// balances. AEX_STOPPED=90s is the true length, with the true lease.
func TestFleetGoesOnWithoutWhoIsStopped(t *testing.T) {
	if os.Getenv("AEX_TEST_POSTGRES") == "" {
		t.Skip("NOT TESTED here: make postgres runs it, on a PostgreSQL server")
	}
	least, long := time.ParseDuration(os.Getenv("AEX_STOPPED"))
	dir := t.TempDir()
	l := open(t, dir)
	agent(t, l, ledger.NewAgent{Name: "x", Budget: usd(t, "1000")})
	provider := newBiller(t, dir, 1000)
	p := part{Dir: dir, Token: "token of x", Callers: 16, Amount: 1000, URL: provider.URL + "/", Live: long == nil}
	stopped := startProcess(t, "steady", p, nil)
	await(t, provider, 100)
	was := ownersOf(t, l)
	if len(was) != 1 {
		t.Fatalf("holds are of %v", was)
	}
	if err := stopped.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	other := startProcess(t, "steady", p, nil)
	for slices.Contains(ownersOf(t, l), was[0]) { // until the other one has booked its holds
		await(t, provider, 20)
		if time.Since(began) > 5*time.Minute {
			t.Fatal("its holds were not booked")
		}
	}
	for time.Since(began) < least {
		await(t, provider, 20)
	}
	away := time.Since(began)
	end, err := l.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stopped.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for owners := was; len(owners) < 2 || owners[0] == was[0] || owners[1] == was[0]; owners = ownersOf(t, l) {
		await(t, provider, 20)
	}
	for _, child := range []*process{other, stopped} {
		child.in.Close()
		t.Logf("longest admission: %s (stopped for %v)", child.line(t), away.Round(time.Millisecond))
		if err := child.Wait(); err != nil {
			t.Error(err)
		}
	}
	checkStopped(t, l, provider, was[0], end)
}

// checkStopped looks at what became of the calls of a gateway that was stopped,
// whose owner is dead since the event end.
func checkStopped(t *testing.T, l *ledger.Ledger, provider *biller, owner string, end int64) {
	t.Helper()
	recovered, late := eventsOf(t, l, "usage.recovered", owner), eventsOf(t, l, "usage.late", owner)
	t.Logf("%d holds were booked in full, and %d settled late", len(recovered), len(late))
	if len(recovered) == 0 || len(late) == 0 {
		t.Error("nothing was on its way when it was stopped")
	}
	for _, e := range eventsOf(t, l, "usage.commit", owner) {
		if e.Seq > end {
			t.Errorf("it wrote as who it was: %s", e.Body)
		}
	}
	a, err := l.Agent(t.Context(), "x")
	if bill := ledger.Micros(provider.bill.Load()); err != nil || a.Account.Spent != bill || a.Account.Reserved != 0 {
		t.Errorf("billed %d, booked %+v, %v", bill, a.Account, err)
	}
	verify(t, l)
}

// await waits for so many more calls.
func await(t *testing.T, provider *biller, calls int) {
	t.Helper()
	for range calls {
		select {
		case <-provider.charged:
		case <-time.After(time.Minute):
			t.Fatal("nobody calls")
		}
	}
}

// ownersOf are the beginnings of the ids of all open holds, one for each owner.
func ownersOf(t *testing.T, l *ledger.Ledger) (owners []string) {
	t.Helper()
	holds, err := l.OpenHolds(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, h := range holds {
		owner, _, _ := strings.Cut(string(h.ID), "-")
		if !seen[owner] {
			seen[owner] = true
			owners = append(owners, owner)
		}
	}
	return owners
}

// eventsOf are those about holds of an owner.
func eventsOf(t *testing.T, l *ledger.Ledger, action, owner string) (found []ledger.Event) {
	t.Helper()
	page, err := l.Events(t.Context(), ledger.EventFilter{Action: action, Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		if strings.Contains(string(e.Body), `"hold":"`+owner+`-`) {
			found = append(found, e)
		}
	}
	return found
}
