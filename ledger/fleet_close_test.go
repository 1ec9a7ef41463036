package ledger

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"
)

// owing is a gateway that owes a settlement to its server, which was killed in the
// middle of that commit.
func owing(t *testing.T) (c *cluster, l *Ledger, settled func() (Outcome, error)) {
	c = newCluster(t)
	l = c.gateway(time.Second)
	agentOn(t, l, "x")
	h, no, err := l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 1000, Most: 1000})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	var once sync.Once
	killed := make(chan struct{})
	l.write.commit = func(commit func() error) error {
		once.Do(func() {
			c.signal(syscall.SIGKILL)
			close(killed)
		})
		return commit()
	}
	settled = l.SettleLater(context.Background(), h.ID, Settlement{How: Settled, Cost: 7})
	<-killed
	return c, l, settled
}

// TestWhatIsOwedIsWrittenAtTheEnd: a gateway that closes while it owes to a server
// that is away waits for it, and writes.
func TestWhatIsOwedIsWrittenAtTheEnd(t *testing.T) {
	c, l, settled := owing(t)
	closed := make(chan error, 1)
	go func() { closed <- l.Close() }()
	select {
	case <-closed:
		t.Fatal("it has closed, and did not write what it owes")
	case <-time.After(patience + 3*time.Second): // it has given up the commit by then
	}
	c.start()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if out, err := settled(); err != nil || out.Cost != 7 || out.Late {
		t.Errorf("%+v %v", out, err)
	}
	bookedOnce(t, c, 7)
}

// TestWhatIsOwedIsRecovered: where the server does not come back in time, the
// gateway closes, and who comes after books the hold in full.
func TestWhatIsOwedIsRecovered(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT TESTED in short: it takes a minute")
	}
	c, l, settled := owing(t)
	_ = l.Close() // it cannot say farewell either
	if _, err := settled(); !errors.Is(err, ErrHeld) {
		t.Errorf("settled: %v", err)
	}
	c.start()
	bookedOnce(t, c, 1000)
}

// bookedOnce waits until nothing is open, and looks what was booked.
func bookedOnce(t *testing.T, c *cluster, want Micros) {
	t.Helper()
	l := c.gateway(time.Second)
	AwaitRecovery(t, l)
	if a, err := l.Agent(t.Context(), "x"); err != nil || a.Account.Spent != want || a.Account.Reserved != 0 {
		t.Errorf("%+v %v", a.Account, err)
	}
	audited(t, l)
	closed(t, l)
}
