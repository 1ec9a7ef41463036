package ledger_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// grouped is a ledger with acme, which may spend $1 in all, acme/search in it,
// which may spend $0.50 a month and $0.30 a day, and an agent x in that.
func grouped(t *testing.T) (h *history, token ledger.TokenHash) {
	t.Helper()
	h = newHistory(t, time.Date(2026, 3, 30, 12, 0, 0, 0, time.UTC))
	for _, n := range []ledger.NewGroup{
		{Name: "acme", Budgets: map[ledger.Window]ledger.Micros{ledger.Total: 1_000_000}},
		{Name: "acme/search", Budgets: map[ledger.Window]ledger.Micros{ledger.Monthly: 500_000, ledger.Daily: 300_000}},
	} {
		if _, err := h.CreateGroup(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	return h, agent(t, h.Ledger, ledger.NewAgent{Name: "x", Group: "acme/search"})
}

func (h *history) spendUSD(token ledger.TokenHash, most ledger.Micros) *ledger.Refusal {
	h.t.Helper()
	hold, no, err := h.Admit(h.t.Context(), ledger.Admission{Token: token, Least: most, Most: most})
	if err != nil {
		h.t.Fatal(err)
	}
	if no == nil {
		if _, err := h.Settle(h.t.Context(), hold.ID, ledger.Settlement{How: ledger.Settled, Cost: most}); err != nil {
			h.t.Fatal(err)
		}
	}
	return no
}

// A refusal names the account that had no room, whichever it is.
func TestGroupThatHasNoRoomIsNamed(t *testing.T) {
	h, token := grouped(t)
	refused := func(amount ledger.Micros, name string, w ledger.Window) {
		t.Helper()
		if no := h.spendUSD(token, amount); no == nil || no.Account != ledger.GroupAccount || no.Name != name || no.Window != w {
			t.Errorf("%d: %+v", amount, no)
		}
	}
	refused(300_001, "acme/search", ledger.Daily)
	if no := h.spendUSD(token, 290_000); no != nil {
		t.Fatalf("%+v", no)
	}
	h.now = h.now.Add(24 * time.Hour) // the 31st: another day of the month
	refused(210_001, "acme/search", ledger.Monthly)
	h.now = h.now.Add(24 * time.Hour) // April
	for range 2 {
		if no := h.spendUSD(token, 300_000); no != nil {
			t.Fatalf("%+v", no)
		}
		h.now = h.now.Add(24 * time.Hour)
		budgets := map[ledger.Window]*ledger.Micros{ledger.Monthly: nil}
		if _, err := h.SetGroup(t.Context(), "acme/search", ledger.GroupChange{Budgets: budgets}); err != nil {
			t.Fatal(err)
		}
	}
	refused(110_001, "acme", "")
	path, err := h.Path(t.Context(), token)
	if err != nil || len(path) != 4 || path[0].Kind != ledger.AgentAccount || path[1].Name != "acme/search" || path[2].Window != ledger.Daily || path[3].Name != "acme" {
		t.Errorf("path %+v, %v", path, err)
	}
}

// Moving an agent leaves what it spent with its old group, and a hold settles
// where it was taken.
func TestMovingLeavesWhatWasSpent(t *testing.T) {
	h, token := grouped(t)
	if _, err := h.CreateGroup(t.Context(), ledger.NewGroup{Name: "other"}); err != nil {
		t.Fatal(err)
	}
	if no := h.spendUSD(token, 1000); no != nil {
		t.Fatal(no)
	}
	hold, no, err := h.Admit(t.Context(), ledger.Admission{Token: token, Least: 500, Most: 500, Call: ledger.CallInfo{ModelAsked: "m"}})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	to := "other"
	if _, err := h.SetAgent(t.Context(), "x", ledger.AgentChange{Group: &to}); err != nil {
		t.Fatal(err)
	}
	if no := h.spendUSD(token, 70); no != nil {
		t.Fatal(no)
	}
	if err := h.DeleteGroup(t.Context(), "acme"); !errors.Is(err, ledger.ErrNotEmpty) {
		t.Errorf("deleted a group with another in it: %v", err)
	}
	if err := h.DeleteGroup(t.Context(), "acme/search"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Settle(t.Context(), hold.ID, ledger.Settlement{How: ledger.Settled, Cost: 400}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]ledger.Micros{"acme": 1400, "other": 70} {
		if g, err := h.Group(t.Context(), name); err != nil || g.Account.Spent != want || g.Account.Reserved != 0 {
			t.Errorf("%s has %+v, %v", name, g.Account, err)
		}
	}
	if got := h.spend(ledger.SpendFilter{By: ledger.ByGroup}); got != "acme/search 2/1400, other 1/70" {
		t.Errorf("by group: %s", got)
	}
	if got := h.spend(ledger.SpendFilter{Group: "acme"}); got != " 2/1400" {
		t.Errorf("of acme: %s", got)
	}
	none := "none such"
	if _, err := h.SetAgent(t.Context(), "x", ledger.AgentChange{Group: &none}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("moved to where nothing is: %v", err)
	}
}

// A run ends at its group's budget, and a top-up of the group lets it go on.
func TestGroupsBudgetEndsARun(t *testing.T) {
	h, _ := grouped(t)
	run := h.run("x", "r")
	token := ledger.HashToken("r")
	if no := h.spendUSD(token, 290_000); no != nil {
		t.Fatal(no)
	}
	no := h.spendUSD(token, 20_000)
	if no == nil || no.Cause != ledger.CauseExhausted || !no.RunEnds || no.Name != "acme/search" {
		t.Fatalf("%+v", no)
	}
	if _, err := h.TopUpGroup(t.Context(), "acme/search", "", 1); !errors.Is(err, ledger.ErrNoBudget) {
		t.Errorf("topped up one of two: %v", err)
	}
	if _, err := h.TopUpGroup(t.Context(), "acme/search", ledger.Daily, 100_000); err != nil {
		t.Fatal(err)
	}
	if r, err := h.Run(t.Context(), string(run)); err != nil || r.State != ledger.RunOpen {
		t.Fatalf("%+v %v", r, err)
	}
	if no := h.spendUSD(token, 20_000); no != nil {
		t.Fatalf("%+v", no)
	}
	paused := true
	if _, err := h.SetGroup(t.Context(), "acme", ledger.GroupChange{Paused: &paused}); err != nil {
		t.Fatal(err)
	}
	if no := h.spendUSD(token, 1); no == nil || no.Cause != ledger.CausePaused || no.Name != "acme" || no.Account != ledger.GroupAccount {
		t.Errorf("%+v", no)
	}
}

func TestGroupsThatCannotBe(t *testing.T) {
	h, _ := grouped(t)
	for _, n := range []ledger.NewGroup{
		{Name: ""}, {Name: "/"}, {Name: "acme/"}, {Name: "/acme"}, {Name: "a//b"}, {Name: "acme/ b"}, {Name: "a\nb"},
		{Name: "b", Budgets: map[ledger.Window]ledger.Micros{"hourly": 1}}, {Name: "b", Budgets: map[ledger.Window]ledger.Micros{ledger.Daily: -1}},
	} {
		if _, err := h.CreateGroup(t.Context(), n); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("%+v: %v", n, err)
		}
	}
	if _, err := h.CreateGroup(t.Context(), ledger.NewGroup{Name: "nobody/inside"}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("made inside of nothing: %v", err)
	}
}

// The path, a pause and the pace of spending are told of the groups that an
// agent is in, lowest first; what it spent elsewhere stays there.
func TestGroupsAroundAnAgent(t *testing.T) {
	h, token := grouped(t)
	if _, err := h.CreateGroup(t.Context(), ledger.NewGroup{Name: "acme-too"}); err != nil {
		t.Fatal(err)
	}
	all, err := h.Groups(t.Context())
	if err != nil || len(all) != 3 || all[0].Name != "acme" || all[1].Name != "acme/search" || all[2].Name != "acme-too" || len(all[1].Agents) != 1 {
		t.Errorf("a group is not followed by its own: %+v, %v", all, err)
	}
	around, err := h.GroupsAround(t.Context(), "acme/search")
	if err != nil || len(around) != 2 || around[0].Name != "acme/search" || around[1].Name != "acme" || len(around[0].Windows) != 2 || around[0].Agents != nil {
		t.Errorf("around: %+v, %v", around, err)
	}
	if _, err := h.GroupsAround(t.Context(), "nobody"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("around nobody: %v", err)
	}
	run, err := h.Run(t.Context(), string(h.run("x", "r")))
	if err != nil {
		t.Fatal(err)
	}
	path, err := h.RunPath(t.Context(), run)
	if err != nil || len(path) != 6 || path[0].Kind != ledger.RunAccount || path[3].Window != ledger.Daily || path[5].Name != "acme" {
		t.Errorf("path of a run: %+v, %v", path, err)
	}
	if no := h.spendUSD(token, 1000); no != nil {
		t.Fatal(no)
	}
	to := "acme-too"
	if _, err := h.SetAgent(t.Context(), "x", ledger.AgentChange{Group: &to}); err != nil {
		t.Fatal(err)
	}
	if no := h.spendUSD(token, 70); no != nil {
		t.Fatal(no)
	}
	burn, err := h.Burn(t.Context(), ledger.BurnWindow)
	for i, want := range []ledger.Micros{1000, 1000, 70} {
		if got := burn.ByAccount[all[i].Account.ID]; err != nil || got != want {
			t.Errorf("%s burns %d, not %d, %v", all[i].Name, got, want, err)
		}
	}
}

// Who is paused is told: the agent itself, or the lowest group that is.
func TestPausedAtAGroup(t *testing.T) {
	h, token := grouped(t)
	paused, is := true, func(want string) {
		t.Helper()
		by, paused, err := h.PausedAt(t.Context(), "x")
		if err != nil || paused != (want != "") || paused && by.Whose() != want {
			t.Errorf("paused at %q, %t, %v; want %q", by.Whose(), paused, err, want)
		}
	}
	is("")
	if _, err := h.SetGroup(t.Context(), "acme", ledger.GroupChange{Paused: &paused}); err != nil {
		t.Fatal(err)
	}
	is("group acme")
	if no := h.spendUSD(token, 1); no == nil || no.Cause != ledger.CausePaused {
		t.Fatalf("%+v", no)
	}
	if _, err := h.SetAgent(t.Context(), "x", ledger.AgentChange{Paused: &paused}); err != nil {
		t.Fatal(err)
	}
	is("agent x")
}

// The trail tells of a refusal what the caller was told, and is searched by
// the group that it was for.
func TestRefusalInTheTrail(t *testing.T) {
	h, token := grouped(t)
	no := h.spendUSD(token, 300_001)
	if no == nil {
		t.Fatal("let through")
	}
	h.now = h.now.Add(time.Minute)
	if no := h.spendUSD(token, 1000); no != nil {
		t.Fatal(no)
	}
	page, err := h.Events(t.Context(), ledger.EventFilter{Group: "acme/search"})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range page.Events {
		actions = append(actions, e.Action)
		if told, ok := e.Refusal(); ok != (e.Action == "budget.deny") || ok && (told.Of().Whose() != "group acme/search's daily window" || told.Budget != no.Budget || told.Needed != 300_001) {
			t.Errorf("%s tells of %+v, the caller was told %+v", e.Action, told, no)
		}
	}
	if got := strings.Join(actions, " "); got != "group.create agent.create window.open window.open budget.deny" {
		t.Errorf("of the group: %s", got)
	}
}

// The audit finds what was changed of groups behind the ledger's back, also
// where the events that tell of it were folded.
func TestAuditOfGroups(t *testing.T) {
	for _, prune := range []bool{false, true} {
		dir := t.TempDir()
		l := open(t, dir)
		for _, n := range []ledger.NewGroup{
			{Name: "acme", Budgets: map[ledger.Window]ledger.Micros{ledger.Total: 9000, ledger.Daily: 0}}, {Name: "acme/a"}, {Name: "acme/b"}, {Name: "gone"},
		} {
			if _, err := l.CreateGroup(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		agent(t, l, ledger.NewAgent{Name: "x", Group: "acme/a"})
		agent(t, l, ledger.NewAgent{Name: "free"})
		to := "acme/b"
		if _, err := l.SetAgent(t.Context(), "x", ledger.AgentChange{Group: &to}); err != nil {
			t.Fatal(err)
		}
		if err := l.DeleteGroup(t.Context(), "gone"); err != nil {
			t.Fatal(err)
		}
		if prune {
			if p, err := l.Prune(t.Context(), time.Now().Add(time.Hour)); err != nil || p.Events == 0 {
				t.Fatalf("%+v, %v", p, err)
			}
		}
		verify(t, l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for _, edit := range []struct{ do, undo string }{
			{`UPDATE agent SET group_id = 2 WHERE name = 'x'`, `UPDATE agent SET group_id = 3 WHERE name = 'x'`},
			{`UPDATE agent SET group_id = NULL WHERE name = 'x'`, `UPDATE agent SET group_id = 3 WHERE name = 'x'`},
			{`UPDATE agent SET group_id = 1 WHERE name = 'free'`, `UPDATE agent SET group_id = NULL WHERE name = 'free'`},
			{`UPDATE agent_group SET parent = NULL WHERE id = 3`, `UPDATE agent_group SET parent = 1 WHERE id = 3`},
			{`UPDATE agent_group SET paused = 1 WHERE id = 2`, `UPDATE agent_group SET paused = 0 WHERE id = 2`},
			{`UPDATE agent_group SET deleted_at = NULL WHERE id = 4`, `UPDATE agent_group SET deleted_at = 1 WHERE id = 4`},
			{`UPDATE agent_group SET name = 'acme/c' WHERE id = 2`, `UPDATE agent_group SET name = 'acme/a' WHERE id = 2`},
			{`UPDATE group_budget SET budget_micro = 1 WHERE "window" = 'daily'`, `UPDATE group_budget SET budget_micro = 0 WHERE "window" = 'daily'`},
			{`UPDATE group_budget SET budget_micro = 1 WHERE "window" = 'total'`, `UPDATE group_budget SET budget_micro = 9000 WHERE "window" = 'total'`},
			{`INSERT INTO group_budget VALUES (2, 'weekly', 5)`, `DELETE FROM group_budget WHERE group_id = 2`},
		} {
			raw(t, dir, func(db *sql.DB) { must(t, db, edit.do) })
			if failed, what := auditFails(t, dir); !failed || !strings.HasPrefix(what, "groups: ") {
				t.Errorf("folded %t: after %s the audit says %q", prune, edit.do, what)
			}
			raw(t, dir, func(db *sql.DB) { must(t, db, edit.undo) })
		}
		if failed, what := auditFails(t, dir); failed {
			t.Errorf("in the end %s", what)
		}
	}
}
