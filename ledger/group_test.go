package ledger

import (
	"context"
	"runtime"
	"testing"
	"time"
)

// What follows in a group sees all of what those before it have done: a run is
// ended after its last settlement, and not with a call that is not settled.
func TestAGroupSeesItsOwnWork(t *testing.T) {
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
	var ended EndedRun
	inOneGroup(t, l,
		func(*commitGroup) error { return nil },
		func() error {
			_, err := l.Settle(ctx, h.ID, Settlement{How: Settled, Cost: 900, Status: 200})
			return err
		},
		func() error { return l.Refused(ctx, RefusedCall{Run: run.ID, Code: "model_not_allowed"}) },
		func() error { return l.Refused(ctx, RefusedCall{Run: run.ID, Code: "model_not_allowed"}) },
		func() (err error) { ended, err = l.EndRun(ctx, run.ID, RunEnd{Outcome: "exited"}); return err },
	)
	if ended.State != RunEnded || ended.Account.Spent != 900 || ended.Account.Reserved != 0 || ended.Refused != 2 {
		t.Errorf("ended %+v", ended)
	}
	audited(t, l)
}

// inOneGroup has operations done in this order in one transaction: they come
// while the writer is busy with another one before them.
func inOneGroup(t *testing.T, l *Ledger, before func(g *commitGroup) error, operations ...func() error) {
	t.Helper()
	in, out := make(chan struct{}), make(chan struct{})
	results := make(chan error)
	go func() {
		results <- l.commitOne(context.Background(), func(g *commitGroup) error {
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
