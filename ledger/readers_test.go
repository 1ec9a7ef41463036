package ledger

import (
	"context"
	"runtime"
	"testing"
	"time"
)

// A glance in the middle of a group sees all of what those before it have
// done, as a reader after the commit would.
func TestAGlanceSeesWholeOperations(t *testing.T) {
	l, _ := openInside(t)
	ctx := context.Background()
	token := HashToken("r")
	run, err := l.OpenRun(ctx, NewRun{Agent: "x", Token: token, Expires: time.Now().Add(time.Hour), Metered: true})
	if err != nil {
		t.Fatal(err)
	}
	h, no, err := l.Admit(ctx, Admission{Token: token, Least: 1, Most: 1000, Call: CallInfo{Wire: "chat", ModelAsked: "m"}})
	if err != nil || no != nil {
		t.Fatal(err, no)
	}
	l.read.used.Store(false)
	var seen Run
	inOneGroup(t, l,
		func(*group) error { return nil },
		func() error {
			_, err := l.Settle(ctx, h.ID, Settlement{How: Settled, Cost: 900, Status: 200})
			return err
		},
		func() error { _, err := l.EndRun(ctx, run.ID, RunEnd{Outcome: "exited"}); return err },
		func() (err error) { seen, err = l.Run(ctx, string(run.ID)); return err },
	)
	if seen.State != RunEnded || seen.Account.Spent != 900 || seen.Account.Reserved != 0 {
		t.Errorf("%s with %s spent and %s reserved", seen.State, seen.Account.Spent, seen.Account.Reserved)
	}
	audited(t, l)
}

// inOneGroup has operations done in this order in one transaction: they come
// while the writer is busy with another one before them.
func inOneGroup(t *testing.T, l *Ledger, before func(g *group) error, operations ...func() error) {
	t.Helper()
	in, out := make(chan struct{}), make(chan struct{})
	results := make(chan error)
	go func() {
		results <- l.commitOne(context.Background(), func(g *group) error {
			close(in)
			<-out
			return before(g)
		})
	}()
	<-in
	for i, do := range operations {
		go func() { results <- do() }()
		for len(l.write.queue) <= i {
			runtime.Gosched()
		}
	}
	close(out)
	for range len(operations) + 1 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
