package ledger_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// doubts tells what a ledger says is in doubt: in all, by agent, model and group.
func doubts(t *testing.T, l *ledger.Ledger) (all string) {
	t.Helper()
	for _, by := range []ledger.Grouping{"", ledger.ByAgent, ledger.ByModel, ledger.ByRun, ledger.ByGroup, ledger.ByKind} {
		spends, err := l.Spend(t.Context(), ledger.SpendFilter{By: by})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range spends {
			all += fmt.Sprintf("%s %s%s: %d of %d, %d of %d calls\n", by, s.Key, s.Model, s.Doubt, s.Cost, s.Doubtful, s.Calls)
		}
	}
	return all
}

// broken makes a call that holds 1,000 and is booked as an estimate.
func (h *history) broken(token, model string, cost ledger.Micros, asks bool) ledger.HoldID {
	h.t.Helper()
	id := h.hold(token, model)
	out, err := h.Settle(h.t.Context(), id, ledger.Settlement{How: ledger.Estimated, Cost: cost, ModelServed: model, Ending: "cut", Asks: asks})
	if err != nil || out.Late {
		h.t.Fatal(out, err)
	}
	return id
}

func (h *history) hold(token, model string) ledger.HoldID {
	h.t.Helper()
	hold, no, err := h.Admit(h.t.Context(), ledger.Admission{Token: ledger.HashToken(token), Least: 1000, Most: 1000, Call: ledger.CallInfo{Wire: "chat", ModelAsked: model, Provider: "openai"}})
	if err != nil || no != nil {
		h.t.Fatal(no, err)
	}
	return hold.ID
}

func (h *history) in(want string) {
	h.t.Helper()
	all, err := h.Spend(h.t.Context(), ledger.SpendFilter{})
	if err != nil || len(all) != 1 {
		h.t.Fatal(all, err)
	}
	if got := fmt.Sprintf("%d of %d, %d of %d calls", all[0].Doubt, all[0].Cost, all[0].Doubtful, all[0].Calls); got != want {
		h.t.Errorf("in doubt %s, want %s", got, want)
	}
}

// What is in doubt is what was estimated and not corrected since.
func TestDoubtEndsWithTheRealCost(t *testing.T) {
	h := newHistory(t, time.Date(2026, 1, 31, 22, 10, 0, 0, time.UTC))
	agent(t, h.Ledger, ledger.NewAgent{Name: "a", Budget: usd(t, "1")})
	run := "token of the run"
	h.run("a", run)
	settle := func(id ledger.HoldID, s ledger.Settlement) (ledger.Outcome, error) {
		return h.Settle(t.Context(), id, s)
	}
	h.call(run, "m", 10, 0)
	h.in("0 of 10, 0 of 1 calls")
	first, second := h.broken(run, "m", 700, true), h.broken(run, "m", 300, true)
	final := h.broken(run, "m", 50, false)
	h.in("1050 of 1060, 3 of 4 calls")
	if _, err := settle(final, ledger.Settlement{How: ledger.Settled, Cost: 1}); !errors.Is(err, ledger.ErrHoldEnded) {
		t.Errorf("what nobody asks for was settled again: %v", err)
	}
	if out, err := settle(first, ledger.Settlement{How: ledger.Settled, Cost: 120, ModelServed: "m"}); err != nil || !out.Late || out.Was != 700 {
		t.Error(out, err)
	}
	h.in("350 of 480, 2 of 4 calls")
	// It can have cost more than was booked, too.
	if out, err := settle(second, ledger.Settlement{How: ledger.Settled, Cost: 420, ModelServed: "m"}); err != nil || !out.Late {
		t.Error(out, err)
	}
	h.in("50 of 600, 1 of 4 calls")
	if _, err := settle(first, ledger.Settlement{How: ledger.Settled, Cost: 120}); !errors.Is(err, ledger.ErrHoldEnded) {
		t.Errorf("a cost came twice: %v", err)
	}
	// Of a call that nobody owned, and whose answer then came after all.
	orphan := h.hold(run, "m")
	for range 2 {
		if _, err := h.Sweep(t.Context(), func(ledger.HoldID) bool { return false }); err != nil {
			t.Fatal(err)
		}
	}
	h.in("1050 of 1600, 2 of 5 calls")
	if _, err := settle(orphan, ledger.Settlement{How: ledger.Cancelled}); err != nil {
		t.Error(err)
	}
	h.in("50 of 600, 1 of 5 calls")
	a, err := h.Agent(t.Context(), "a")
	if err != nil || a.Account.Spent != 600 || a.Account.Reserved != 0 {
		t.Errorf("%+v, %v", a.Account, err)
	}
}

// A ledger of the schema before learns what is in doubt from its trail, and is
// left beside as it was.
func TestDoubtOfAnOlderLedger(t *testing.T) {
	ledger.InFile(t)
	dir := t.TempDir()
	l := open(t, dir)
	for _, name := range []string{"g", "g/inner"} {
		if _, err := l.CreateGroup(t.Context(), ledger.NewGroup{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	agent(t, l, ledger.NewAgent{Name: "a", Group: "g/inner"})
	agent(t, l, ledger.NewAgent{Name: "b"})
	h := &history{Ledger: l, t: t, now: time.Now()}
	h.run("a", "of a")
	h.run("b", "of b")
	h.call("of a", "m", 10, 0)
	h.broken("of a", "m", 70, false)
	h.broken("of b", "m2", 80, false)
	late := h.broken("of b", "m", 90, true)
	if _, err := h.Settle(t.Context(), late, ledger.Settlement{How: ledger.Settled, Cost: 9, ModelServed: "m"}); err != nil {
		t.Fatal(err)
	}
	h.hold("of b", "m3")
	for range 2 {
		if _, err := l.Sweep(t.Context(), func(ledger.HoldID) bool { return false }); err != nil {
			t.Fatal(err)
		}
	}
	want := doubts(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, dir, func(db *sql.DB) {
		for _, column := range []string{"in_doubt_calls", "in_doubt_micro", "within_micro", "twice_calls", "twice_micro"} {
			must(t, db, `ALTER TABLE tally DROP COLUMN `+column)
		}
		for _, column := range []string{"joint", "within", "only_accounts"} {
			must(t, db, `ALTER TABLE hold DROP COLUMN `+column)
		}
		for _, column := range []string{"remote", "adrift_at"} {
			must(t, db, `ALTER TABLE run DROP COLUMN `+column)
		}
		must(t, db, `ALTER TABLE token DROP COLUMN max_run_micro`)
		must(t, db, `DROP TABLE zone`)
		must(t, db, `PRAGMA user_version = 4`)
	})
	l = open(t, dir)
	if got := doubts(t, l); got != want {
		t.Errorf("after the migration\n%s\nit was\n%s", got, want)
	}
	verify(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "aex.db.schema4")); err != nil {
		t.Errorf("the ledger as it was: %v", err)
	}
	sameSchema(t, dir)
}
