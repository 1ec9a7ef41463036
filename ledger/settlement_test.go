package ledger_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// TestAnEventTellsAllOfACall: what a settlement knows stands in its event.
func TestAnEventTellsAllOfACall(t *testing.T) {
	l := open(t, t.TempDir())
	agent(t, l, ledger.NewAgent{Name: "x", Budget: micro(1000)})
	token := ledger.HashToken("r")
	if _, err := l.OpenRun(t.Context(), ledger.NewRun{Agent: "x", Budget: micro(5000), Token: token, Expires: time.Now().Add(time.Hour), Metered: true}); err != nil {
		t.Fatal(err)
	}
	h, _ := admit(t, l, ledger.Admission{Token: token, Most: 700, Call: ledger.CallInfo{
		Wire: "chat", ModelAsked: "asked", ModelSent: "sent", Provider: "openai", Stream: true, Price: "held"}})
	s := ledger.Settlement{
		How: ledger.Estimated, Cost: 1200, ModelServed: "served", Tier: "flex", Price: "billed", Status: 200, Ending: "cut", RequestID: "req_1", Clamped: 77, Changed: "less output",
		FirstToken: 20 * time.Millisecond, Latency: 1500 * time.Millisecond, Usage: ledger.Usage{Input: 1, CacheRead: 2, Output: 3},
	}
	out, err := l.Settle(t.Context(), h.ID, s)
	if err != nil || out.Overrun != 200 || out.Cost != 1200 || out.Late {
		t.Fatalf("%+v, %v", out, err)
	}
	body := func(action string) (fields map[string]any) {
		all := events(t, l, ledger.EventFilter{Action: action})
		if len(all) != 1 {
			t.Fatalf("%d events %s", len(all), action)
		}
		if err := json.Unmarshal(all[0].Body, &fields); err != nil {
			t.Fatal(err)
		}
		return fields
	}
	commit := body("usage.commit")
	for key, want := range map[string]any{
		"hold": string(h.ID), "held_micro": 700.0, "how": "estimated", "cost_micro": 1200.0, "wire": "chat", "model_asked": "asked", "model_sent": "sent", "model_served": "served",
		"provider": "openai", "tier": "flex", "price": "billed", "status": 200.0, "ending": "cut", "request_id": "req_1", "clamped": 77.0, "changed": "less output",
		"first_token_ms": 20.0, "latency_ms": 1500.0,
	} {
		if commit[key] != want {
			t.Errorf("%s is %v, want %v", key, commit[key], want)
		}
	}
	if u, ok := commit["usage"].(map[string]any); !ok || u["input"] != 1.0 || u["cache_read"] != 2.0 || u["output"] != 3.0 {
		t.Errorf("usage: %v", commit["usage"])
	}
	over := body("usage.overrun")
	accounts, _ := over["overrun_accounts"].([]any) // the agent's, and not that of its run, whose budget took all
	amounts, _ := over["overrun_micro"].([]any)
	if over["hold"] != string(h.ID) || len(accounts) != 1 || len(amounts) != 1 || amounts[0] != 200.0 {
		t.Errorf("overrun: %v", over)
	}
	verify(t, l)
}

// TestSettlementsThatMakeNoSense are errors and leave the hold as it is, for one
// that does; both ways to settle tell the same.
func TestSettlementsThatMakeNoSense(t *testing.T) {
	l := open(t, t.TempDir())
	h, _ := admit(t, l, ledger.Admission{Token: agent(t, l, ledger.NewAgent{Name: "x"}), Most: 700})
	for name, c := range map[string]struct {
		id   ledger.HoldID
		s    ledger.Settlement
		want error
	}{
		"no end":                   {h.ID, ledger.Settlement{Cost: 5}, ledger.ErrInvalid},
		"another end":              {h.ID, ledger.Settlement{How: "lost", Cost: 5}, ledger.ErrInvalid},
		"less than nothing":        {h.ID, ledger.Settlement{How: ledger.Settled, Cost: -1}, ledger.ErrInvalid},
		"more than any call costs": {h.ID, ledger.Settlement{How: ledger.Settled, Cost: largest + 1}, ledger.ErrInvalid},
		"no hold":                  {"x", ledger.Settlement{How: ledger.Settled}, ledger.ErrNotFound},
	} {
		if _, err := l.Settle(t.Context(), c.id, c.s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := l.SettleLater(t.Context(), c.id, c.s)(); !errors.Is(err, c.want) {
			t.Errorf("%s, later: %v", name, err)
		}
	}
	out, err := l.SettleLater(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: largest})()
	if err != nil || out.Cost != largest {
		t.Errorf("the dearest call: %+v, %v", out, err)
	}
	if _, err := l.SettleLater(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: 1})(); !errors.Is(err, ledger.ErrHoldEnded) {
		t.Errorf("once more: %v", err)
	}
	if _, err := l.Settle(t.Context(), h.ID+"0", ledger.Settlement{How: ledger.Settled, Cost: 1}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a hold that this process has not made: %v", err)
	}
	known, _ := admit(t, l, ledger.Admission{Token: ledger.HashToken("token of x"), Most: 700})
	for _, want := range []error{nil, ledger.ErrHoldEnded} { // a cost that is known is asked for by nobody
		if _, err := l.Settle(t.Context(), known.ID, ledger.Settlement{How: ledger.Settled, Cost: 5, Asks: true}); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// TestARunIsWhatThisProcessBooked: the file is held against it at the run's end.
func TestARunIsWhatThisProcessBooked(t *testing.T) {
	for name, change := range map[string]string{
		"as it was written":        ``,
		"a cheaper run":            `UPDATE account SET spent_micro = 1000 WHERE kind = 'run'`,
		"an event that was edited": `UPDATE event_log SET hash = zeroblob(32) WHERE seq = (SELECT seq FROM event_log WHERE json_extract(body, '$.action') = 'usage.commit' LIMIT 1)`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir)
			agent(t, l, ledger.NewAgent{Name: "x"})
			token := ledger.HashToken("r")
			run, err := l.OpenRun(t.Context(), ledger.NewRun{Agent: "x", Token: token, Expires: time.Now().Add(time.Hour), Metered: true})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				h, _ := admit(t, l, ledger.Admission{Token: token, Most: 700})
				if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: 600}); err != nil {
					t.Fatal(err)
				}
			}
			if change != "" {
				raw(t, dir, func(db *sql.DB) {
					if _, err := db.ExecContext(t.Context(), ledger.RawText(change)); err != nil {
						t.Fatal(err)
					}
				})
			}
			ended, err := l.EndOwnRun(t.Context(), run.ID, ledger.RunEnd{Outcome: "exited"})
			if (err == nil) != (change == "") || err != nil && !errors.Is(err, ledger.ErrChanged) || ended.State != ledger.RunEnded {
				t.Errorf("%+v, %v", ended, err)
			}
		})
	}
}

// TestToppedUpAndPruned: what was said of a budget after what a checkpoint keeps
// counts, also where both happened during the run.
func TestToppedUpAndPruned(t *testing.T) {
	ledger.InFile(t)
	l := open(t, t.TempDir())
	agent(t, l, ledger.NewAgent{Name: "x", Budget: micro(1000)})
	run, err := l.OpenRun(t.Context(), ledger.NewRun{Agent: "x", Token: ledger.HashToken("r"), Expires: time.Now().Add(time.Hour), Metered: true})
	if err != nil {
		t.Fatal(err)
	}
	topUp := func() time.Time {
		if _, err := l.TopUpAgent(t.Context(), "x", 5); err != nil {
			t.Fatal(err)
		}
		return time.Now()
	}
	between := topUp()
	topUp()
	if p, err := l.Prune(t.Context(), between); err != nil || p.Events == 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := l.EndOwnRun(t.Context(), run.ID, ledger.RunEnd{Outcome: "exited"}); err != nil {
		t.Error(err)
	}
}

// TestAReservationThatIsGone: a hold of which its account knows nothing is not
// booked, because then no sum of this file is to be believed.
func TestAReservationThatIsGone(t *testing.T) {
	ledger.InFile(t)
	dir := t.TempDir()
	l := open(t, dir)
	h, _ := admit(t, l, ledger.Admission{Token: agent(t, l, ledger.NewAgent{Name: "x", Budget: micro(1000)}), Most: 700})
	raw(t, dir, func(db *sql.DB) { must(t, db, `UPDATE account SET reserved_micro = 0`) })
	if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: 5}); !errors.Is(err, ledger.ErrCorrupt) {
		t.Errorf("%v", err)
	}
	if got, err := l.Agent(t.Context(), "x"); err != nil || got.Account.Spent != 0 {
		t.Errorf("%+v, %v", got.Account, err)
	}
}
