package ledger

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"
)

// An end whose row cannot be read because SQLite took the transaction back, as
// it does after an I/O error, takes nothing of its group with it.
func TestAnEndThatCannotBeReadIsDoneAgain(t *testing.T) {
	l, token := openInside(t)
	ctx := context.Background()
	open := func(token string) Run {
		run, err := l.OpenRun(ctx, NewRun{Agent: "x", Token: HashToken(token), Expires: time.Now().Add(time.Hour), Metered: true})
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	if _, err := l.EndRun(ctx, open("first").ID, RunEnd{Outcome: "exited"}); err != nil {
		t.Fatal(err)
	}
	run := open("second")
	h, no, err := l.Admit(ctx, Admission{Token: token, Least: 10, Most: 1000, Call: CallInfo{Wire: "chat", ModelAsked: "m"}})
	if err != nil || no != nil {
		t.Fatal(err, no)
	}
	in, out := make(chan struct{}), make(chan struct{})
	results := make(chan error, 4)
	go func() {
		results <- l.commitOne(ctx, func(g *group) (err error) {
			close(in)
			<-out
			for query := range g.w.stmts {
				if strings.Contains(query, "FROM run r JOIN agent a") {
					g.w.stmts[query], err = g.w.conn.PrepareContext(ctx, "ROLLBACK")
				}
			}
			return err
		})
	}()
	<-in
	budget := Micros(5)
	for i, do := range []func() error{
		func() error {
			_, err := l.Settle(ctx, h.ID, Settlement{How: Settled, Cost: 777, Status: 200})
			return err
		},
		func() error { _, err := l.EndRun(ctx, run.ID, RunEnd{Outcome: "exited"}); return err },
		func() error { _, err := l.CreateAgent(ctx, NewAgent{Name: "later", Budget: &budget}); return err },
	} {
		go func() { results <- do() }()
		for len(l.write.queue) <= i {
			runtime.Gosched()
		}
	}
	close(out)
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	ended, err := l.Run(ctx, string(run.ID))
	if err != nil || ended.State != RunEnded {
		t.Errorf("%s, %v", ended.State, err)
	}
	x, err := l.Agent(ctx, "x")
	if err != nil || x.Account.Spent != 777 || x.Account.Reserved != 0 {
		t.Errorf("%+v, %v", x.Account, err)
	}
	audited(t, l)
}
