package ledger

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// acknowledged is what gateways told their callers: what must be in the ledger,
// whatever became of the server.
type acknowledged struct {
	mu      sync.Mutex
	held    map[HoldID]Micros
	settled map[HoldID]Micros
	more    chan struct{} // there is another settlement
}

func newAcknowledged() *acknowledged {
	return &acknowledged{held: map[HoldID]Micros{}, settled: map[HoldID]Micros{}, more: make(chan struct{}, 1)}
}

// load calls on a gateway until it is told to stop.
func (a *acknowledged) load(ctx context.Context, l *Ledger, token TokenHash) {
	for ctx.Err() == nil {
		h, no, err := l.Admit(context.Background(), Admission{Token: token, Least: 1000, Most: 1000})
		if err != nil || no != nil {
			select { // the server is away: a client tries again in a while
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
			continue
		}
		a.mu.Lock()
		a.held[h.ID] = h.Amount
		a.mu.Unlock()
		cost := Micros(rand.Int64N(1001))
		if _, err := l.Settle(context.Background(), h.ID, Settlement{How: Settled, Cost: cost}); err == nil {
			a.mu.Lock()
			a.settled[h.ID] = cost
			a.mu.Unlock()
			select {
			case a.more <- struct{}{}:
			default:
			}
		}
	}
}

// check looks for everything that was acknowledged.
func (a *acknowledged) check(t *testing.T, l *Ledger) {
	t.Helper()
	there, ended := map[HoldID]bool{}, map[HoldID]Micros{}
	open, err := l.OpenHolds(t.Context(), 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range open {
		there[h.ID] = true
	}
	page, err := l.Events(t.Context(), EventFilter{Action: "usage.", Limit: 10_000_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		if _, hold, ok := strings.Cut(string(e.Body), `"hold":"`); ok {
			hold, _, _ = strings.Cut(hold, `"`)
			there[HoldID(hold)] = true
			ended[HoldID(hold)] += e.Cost
		}
	}
	lost := 0
	for id := range a.held {
		if !there[id] {
			lost++
		}
	}
	for id, cost := range a.settled {
		if got, ok := ended[id]; !ok || got != cost {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d holds and %d settlements that were acknowledged are lost", lost, len(a.held), len(a.settled))
	}
	t.Logf("%d holds and %d settlements were acknowledged", len(a.held), len(a.settled))
	audited(t, l)
}

// TestServerIsKilled kills all of the server's processes at once, again and again,
// under the load of two gateways. Nothing that was acknowledged is lost, and what
// was under way is booked once when the server is back.
func TestServerIsKilled(t *testing.T) {
	c := newCluster(t)
	a, b := c.gateway(0), c.gateway(0)
	agentOn(t, a, "x")
	token := HashToken("x")
	ack := newAcknowledged()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { ack.load(ctx, a, token) })
		wg.Go(func() { ack.load(ctx, b, token) })
	}
	kills := 20
	if testing.Short() {
		kills = 4
	}
	for range kills {
		ack.reach(t, ack.count()+50+rand.IntN(100))
		c.signal(syscall.SIGKILL)
		c.start()
	}
	stop()
	wg.Wait()
	ack.check(t, a)
	closed(t, b)
	closed(t, a)
}

// reach waits for so many settlements.
func (a *acknowledged) reach(t *testing.T, n int) {
	t.Helper()
	for limit := time.After(time.Minute); a.count() < n; {
		select {
		case <-a.more:
		case <-limit:
			t.Fatalf("only %d calls were settled, not %d", a.count(), n)
		}
	}
}

func (a *acknowledged) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.settled)
}

func agentOn(t *testing.T, l *Ledger, name string) {
	t.Helper()
	b := Micros(1_000_000_000)
	if _, err := l.CreateAgent(t.Context(), NewAgent{Name: name, Budget: &b}); err != nil {
		t.Fatal(err)
	}
	if err := l.AddToken(t.Context(), NewToken{Agent: name, Hash: HashToken(name), Scope: Execution}); err != nil {
		t.Fatal(err)
	}
}

// TestServerIsAway: while there is none, nobody is let through, and after a while
// is told so at once; what has happened waits, and is booked when the server is back.
func TestServerIsAway(t *testing.T) {
	c := newCluster(t)
	l := c.gateway(0)
	agentOn(t, l, "x")
	h, no, err := l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 1000, Most: 1000})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	c.run("pg_ctl", "-D", c.dir+"/data", "-m", "immediate", "-w", "stop")
	settled := l.SettleLater(context.Background(), h.ID, Settlement{How: Settled, Cost: 7})
	for range 3 {
		if _, no, err := l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 1000, Most: 1000}); !errors.Is(err, ErrHeld) || no != nil {
			t.Fatalf("admitted without a server: %+v %v", no, err)
		}
	}
	wake := l.Rest()
	if wait := l.write.engine.patience(false); wait > 0 {
		t.Errorf("the server has been away for long, and the next call would wait for %v", wait)
	}
	wake()
	if _, err := l.Authenticate(t.Context(), HashToken("nobody")); !errors.Is(err, ErrHeld) {
		t.Errorf("a stranger is told %v", err)
	}
	c.start()
	if out, err := settled(); err != nil || out.Cost != 7 || out.Late {
		t.Errorf("%+v %v", out, err)
	}
	select {
	case <-l.Broken():
		t.Error("the ledger took it for its end")
	default:
	}
	if a, err := l.Agent(t.Context(), "x"); err != nil || a.Account.Spent != 7 || a.Account.Reserved != 0 {
		t.Errorf("%+v %v", a.Account, err)
	}
	audited(t, l)
	closed(t, l)
}

// TestServerWithoutItsStandby: with a synchronous standby that is not there no
// call goes out, also when somebody cancels the wait for it.
func TestServerWithoutItsStandby(t *testing.T) {
	c := newCluster(t)
	l := c.gateway(0)
	agentOn(t, l, "x")
	c.psql("ALTER SYSTEM SET synchronous_standby_names = 'other'")
	c.psql("SELECT pg_reload_conf()")
	// The server takes a moment to read its settings.
	answers := make(chan error)
	go func() {
		defer close(answers)
		for {
			_, _, err := l.Admit(context.Background(), Admission{Token: HashToken("x"), Least: 1, Most: 1})
			if answers <- err; err != nil {
				return
			}
		}
	}()
	cancelled, through := 0, 0
	for more := true; more; {
		select {
		case err, ok := <-answers:
			if more = ok; ok && err == nil && cancelled > 0 {
				through++
			}
		case <-time.After(50 * time.Millisecond):
			if c.psql("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "0" {
				cancelled++
			}
		}
	}
	if through > 1 { // one may have been answered before anybody waited
		t.Errorf("%d calls were let through", through)
	}
	if cancelled == 0 {
		t.Fatal("nobody waited for the standby")
	}
	h, no, err := l.Admit(context.Background(), Admission{Token: HashToken("x"), Least: 500, Most: 500})
	if err == nil {
		t.Fatalf("let through without a standby: %+v %+v", h, no)
	}
	c.psql("ALTER SYSTEM RESET synchronous_standby_names")
	c.psql("SELECT pg_reload_conf()")
	c.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	h, no, err = l.Admit(context.Background(), Admission{Token: HashToken("x"), Least: 500, Most: 500})
	if err != nil || no != nil {
		t.Fatalf("after it was given up: %+v %v", no, err)
	}
	if _, err := l.Settle(context.Background(), h.ID, Settlement{How: Settled, Cost: 7}); err != nil {
		t.Error(err)
	}
	audited(t, l)
	closed(t, l)
}

// TestServerIsStopped: a server that is stopped, or away, keeps nobody from
// closing, also with refusals that were only counted.
func TestServerIsStopped(t *testing.T) {
	for name, halt := range map[string]func(c *cluster){
		"stopped": func(c *cluster) { c.signal(syscall.SIGSTOP) },
		"away":    func(c *cluster) { c.signal(syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			l := c.gateway(0)
			agentOn(t, l, "x")
			for range 3 {
				if _, no, err := l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 2_000_000_000, Most: 2_000_000_000}); err != nil || no == nil {
					t.Fatal(no, err)
				}
			}
			halt(c)
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				_ = l.Close() // there is nothing that it could write to
			}()
			select {
			case <-closed:
			case <-time.After(5 * time.Minute):
				t.Error("it does not close")
			}
		})
	}
}

// TestServerComesBackAsAnother: a ledger that breaks while a settlement waits
// for its server answers it once, and goes on to say that it is broken.
func TestServerComesBackAsAnother(t *testing.T) {
	c := newCluster(t)
	l := c.gateway(0)
	agentOn(t, l, "x")
	h, no, err := l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 1000, Most: 1000})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	var once sync.Once
	killed := make(chan struct{})
	l.write.commit = func(commit func() error) error {
		once.Do(func() {
			c.psql("UPDATE aex.ledger SET version = 99")
			c.signal(syscall.SIGKILL)
			close(killed)
		})
		return commit()
	}
	settled := l.SettleLater(context.Background(), h.ID, Settlement{How: Settled, Cost: 7})
	<-killed
	if _, _, err := l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 1, Most: 1}); !errors.Is(err, ErrHeld) {
		t.Errorf("admitted without a server: %v", err)
	}
	c.start()
	if _, err := settled(); !errors.Is(err, ErrBroken) {
		t.Errorf("settled: %v", err)
	}
	for range 3 {
		if _, _, err := l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 1, Most: 1}); !errors.Is(err, ErrBroken) {
			t.Errorf("admitted: %v", err)
		}
	}
	_ = l.Close() // it says again that it is broken
}
