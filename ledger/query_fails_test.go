package ledger

import (
	"context"
	"strings"
	"testing"
	"time"
)

// A query that fails inside the writer's transaction, which SQLite takes back
// after an I/O error, takes nothing of its group with it.
func TestAQueryThatFailsLosesNothing(t *testing.T) {
	ctx := context.Background()
	for name, query := range map[string]func(l *Ledger, id RunID) error{
		"end":    func(l *Ledger, id RunID) error { _, err := l.EndRun(ctx, id, RunEnd{Outcome: "exited"}); return err },
		"glance": func(l *Ledger, id RunID) error { _, err := l.Run(ctx, string(id)); return err },
	} {
		t.Run(name, func(t *testing.T) {
			l, token := openInside(t)
			l.read.used.Store(false)
			open := func(token string) RunID {
				run, err := l.OpenRun(ctx, NewRun{Agent: "x", Token: HashToken(token), Expires: time.Now().Add(time.Hour), Metered: true})
				if err != nil {
					t.Fatal(err)
				}
				return run.ID
			}
			if err := query(l, open("first")); err != nil { // prepares the statement
				t.Fatal(err)
			}
			run := open("second")
			h, no, err := l.Admit(ctx, Admission{Token: token, Least: 10, Most: 1000, Call: CallInfo{Wire: "chat", ModelAsked: "m"}})
			if err != nil || no != nil {
				t.Fatal(err, no)
			}
			failing, budget := 0, Micros(5)
			inOneGroup(t, l,
				func(g *group) (err error) {
					for query := range g.w.stmts {
						if strings.Contains(query, "FROM run r JOIN agent a") {
							g.w.stmts[query], err = g.w.conn.PrepareContext(ctx, "ROLLBACK; SELECT * FROM gone")
							failing++
						}
					}
					return err
				},
				func() error {
					_, err := l.Settle(ctx, h.ID, Settlement{How: Settled, Cost: 777, Status: 200})
					return err
				},
				func() error { return query(l, run) },
				func() error { _, err := l.CreateAgent(ctx, NewAgent{Name: "later", Budget: &budget}); return err },
			)
			if failing != 1 {
				t.Fatalf("%d statements fail", failing)
			}
			if err := query(l, run); err != nil {
				t.Error(err)
			}
			x, err := l.Agent(ctx, "x")
			if err != nil || x.Account.Spent != 777 || x.Account.Reserved != 0 {
				t.Errorf("%+v, %v", x.Account, err)
			}
			audited(t, l)
		})
	}
}
