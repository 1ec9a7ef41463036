package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// load calls for ever: a hold, a request to the provider, a settlement by what
// the provider says.
func load(p part) error {
	l, err := p.open()
	if err != nil {
		return err
	}
	ctx := context.Background()
	token := ledger.HashToken("load " + strconv.Itoa(os.Getpid()) + time.Now().String())
	if _, err := l.OpenRun(ctx, ledger.NewRun{Agent: "shared", Program: "load", Token: token, Metered: true}); err != nil {
		return err
	}
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for range p.Callers {
		wg.Go(func() {
			for {
				h, no, err := l.Admit(ctx, ledger.Admission{Token: token, Least: p.Amount, Most: p.Amount})
				if err == nil && no != nil {
					err = fmt.Errorf("refused: %+v", *no)
				}
				var cost ledger.Micros
				if err == nil {
					cost, err = charged(p.URL + string(h.ID))
				}
				if err == nil {
					_, err = l.Settle(ctx, h.ID, ledger.Settlement{How: ledger.Settled, Cost: cost})
				}
				if err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	return *failed.Load()
}

// charged asks the provider, and returns what it says the call cost.
func charged(url string) (cost ledger.Micros, err error) {
	r, err := http.Get(url)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fscan(r.Body, &cost)
	return cost, errors.Join(err, r.Body.Close())
}

// biller is a provider: it charges what it likes up to most for each request,
// keeps its own bill, and looks whether the hold was on disk before.
type biller struct {
	*httptest.Server
	most    int64
	bill    atomic.Int64
	unheld  atomic.Int64 // requests that came before their hold
	charged chan struct{}
	caught  chan string   // a call of a process that somebody waits for; it is answered
	letGo   chan struct{} // when it is let go
}

func newBiller(t *testing.T, dir string, most int64) *biller {
	db, err := ledger.OpenToLook(dir)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(16)
	b := &biller{most: most, charged: make(chan struct{}, 1), caught: make(chan string), letGo: make(chan struct{})}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		owner, n, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "-")
		number, _ := strconv.ParseInt(owner, 36, 64)
		held := 0
		err := db.QueryRow(ledger.RawText(`SELECT count(*) FROM hold WHERE owner = ? AND n = ?`), number, n).Scan(&held)
		if err != nil {
			t.Errorf("looking for hold %s: %v", r.URL.Path, err)
		}
		if err == nil && held != 1 {
			b.unheld.Add(1)
		}
		select {
		case b.caught <- r.URL.RawQuery:
			<-b.letGo
		default:
		}
		cost := rand.Int64N(b.most + 1)
		b.bill.Add(cost)
		fmt.Fprintln(w, cost)
		select {
		case b.charged <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(func() { b.Close(); db.Close() })
	return b
}

// TestCrashAtAnyInstant kills loaded processes with signal 9 again and again,
// one or two at a time, also while they recover what the one before left.
// AEX_CRASH=500 for the long form.
func TestCrashAtAnyInstant(t *testing.T) {
	rounds := 12
	if n, err := strconv.Atoi(os.Getenv("AEX_CRASH")); err == nil {
		rounds = n
	}
	const amount, callers = 1000, 8
	dir := t.TempDir()
	func() {
		l, err := part{Dir: dir}.open()
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		agent(t, l, ledger.NewAgent{Name: "shared", Budget: usd(t, "100000")})
	}()
	c := &crashes{dir: dir, provider: newBiller(t, dir, amount)}
	p := part{Dir: dir, Callers: callers, Amount: amount, URL: c.provider.URL + "/"}
	for round := range rounds {
		running := []*process{startProcess(t, "load", p, nil)}
		if round%3 == 2 {
			running = append(running, startProcess(t, "load", p, nil))
		}
		for _, child := range running {
			if rand.IntN(4) == 0 { // most likely while it opens the ledger
				<-time.After(rand.N(60 * time.Millisecond))
			} else {
				for range 1 + rand.IntN(200) {
					<-c.provider.charged
				}
			}
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		for _, child := range running {
			child.Wait()
		}
		c.inFlight += ledger.Micros(len(running)) * callers * amount
		if round%4 != 3 || round == rounds-1 { // else the next one finds it as it is
			c.check(t, round)
		}
	}
	t.Logf("%d kills: billed %d, booked %d; %d calls were in flight", rounds, c.provider.bill.Load(), c.booked, c.recovered)
	if c.recovered == 0 || c.provider.bill.Load() == 0 {
		t.Error("nothing was in flight at any kill")
	}
}

// crashes is what is known over all kills.
type crashes struct {
	dir       string
	provider  *biller
	inFlight  ledger.Micros // the most that can have been held at all kills
	seq       int64         // of the newest event that was looked at
	lost      ledger.Micros // booked for calls in flight
	recovered int           // calls in flight
	booked    ledger.Micros
}

func (c *crashes) check(t *testing.T, round int) {
	t.Helper()
	l, err := part{Dir: c.dir}.open()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ledger.AwaitRecovery(t, l)
	bill := ledger.Micros(c.provider.bill.Load())
	verify(t, l)
	a, err := l.Agent(t.Context(), "shared")
	if err != nil {
		t.Fatal(err)
	}
	found, err := l.Events(t.Context(), ledger.EventFilter{After: c.seq, Action: "usage.recovered", Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found.Events {
		c.lost += e.Cost
		c.recovered++
	}
	if c.seq, err = l.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.booked = a.Account.Spent
	switch {
	case a.Account.Reserved != 0:
		t.Fatalf("round %d: %s stay reserved by the dead", round, a.Account.Reserved)
	case c.booked < bill || c.booked > bill+c.lost || c.lost > c.inFlight:
		t.Fatalf("round %d: the provider billed %d, the ledger says %d, of which %d were in flight", round, bill, c.booked, c.lost)
	case c.provider.unheld.Load() > 0:
		t.Fatalf("round %d: %d requests went before their holds were on disk", round, c.provider.unheld.Load())
	}
	if runs, err := l.Runs(t.Context(), ledger.RunFilter{Open: true}); err != nil || len(runs) != 0 {
		t.Fatalf("round %d: runs of the dead are open: %v %v", round, runs, err)
	}
}
