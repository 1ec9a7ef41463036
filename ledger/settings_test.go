package ledger_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// TestWhatEventsTellIsNoFault: a run of this process ends well when another one has
// changed what its calls are decided by, in every way that aex has, also to nothing.
func TestWhatEventsTellIsNoFault(t *testing.T) {
	ledger.InFile(t)
	dir := t.TempDir()
	l, other := open(t, dir), open(t, dir)
	for _, name := range []string{"team", "team/search"} {
		if _, err := l.CreateGroup(t.Context(), ledger.NewGroup{Name: name, Budgets: map[ledger.Window]ledger.Micros{ledger.Daily: 5000}}); err != nil {
			t.Fatal(err)
		}
	}
	agent(t, l, ledger.NewAgent{Name: "x", Budget: micro(1000), Group: "team", Capabilities: json.RawMessage(`{"allow_tools": true}`)})
	token := ledger.HashToken("r")
	run, err := l.OpenRun(t.Context(), ledger.NewRun{Agent: "x", Budget: micro(100), Token: token, Expires: time.Now().Add(time.Hour), Metered: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range everyChange() {
		if err := c.make(other); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if _, err := l.Authenticate(t.Context(), token); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		h, no, err := l.Admit(t.Context(), ledger.Admission{Token: token, Least: 1, Most: 1})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if no == nil {
			if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: 1}); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		if err := l.SettingsChanged(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	if _, err := l.EndOwnRun(t.Context(), run.ID, ledger.RunEnd{Outcome: "exited"}); err != nil {
		t.Error(err)
	}
	verify(t, l)
}

type change struct {
	name string
	make func(l *ledger.Ledger) error
}

func everyChange() (all []change) {
	agent := func(name string, c ledger.AgentChange) {
		all = append(all, change{name, func(l *ledger.Ledger) error { _, err := l.SetAgent(context.Background(), "x", c); return err }})
	}
	group := func(name string, c ledger.GroupChange) {
		all = append(all, change{name, func(l *ledger.Ledger) error { _, err := l.SetGroup(context.Background(), "team", c); return err }})
	}
	none, nothing, some := (*ledger.Micros)(nil), micro(0), micro(700)
	daily, weekly, total := ledger.Daily, ledger.Weekly, ledger.Total
	inner, out := "team/search", ""
	yes, no := true, false
	agent("limits", ledger.AgentChange{Limits: &ledger.Limits{RequestsPerMinute: 100, TokensPerMinute: 1000, Concurrency: 5}})
	agent("no limits", ledger.AgentChange{Limits: &ledger.Limits{}})
	agent("paused", ledger.AgentChange{Paused: &yes})
	agent("not paused", ledger.AgentChange{Paused: &no})
	agent("a budget by day", ledger.AgentChange{Window: &daily, Budget: &some})
	agent("nothing a day", ledger.AgentChange{Budget: &nothing})
	agent("no budget by day", ledger.AgentChange{Budget: &none})
	agent("by week", ledger.AgentChange{Window: &weekly, Budget: &some})
	agent("in all, nothing", ledger.AgentChange{Window: &total, Budget: &nothing})
	agent("in all", ledger.AgentChange{Budget: &some})
	agent("capabilities", ledger.AgentChange{Capabilities: json.RawMessage(`{"allow_tools": false, "allowed_models": ["\u202e"]}`)})
	agent("capabilities of nothing", ledger.AgentChange{Capabilities: json.RawMessage(`null`)})
	agent("an inner group", ledger.AgentChange{Group: &inner})
	group("budgets", ledger.GroupChange{Budgets: map[ledger.Window]*ledger.Micros{daily: nothing, weekly: some, total: some}})
	group("other budgets", ledger.GroupChange{Budgets: map[ledger.Window]*ledger.Micros{daily: some, weekly: nil}})
	group("paused", ledger.GroupChange{Paused: &yes})
	group("not paused", ledger.GroupChange{Paused: &no})
	all = append(all,
		change{"the group is topped up", func(l *ledger.Ledger) error {
			_, err := l.TopUpGroup(context.Background(), "team", daily, 5)
			return err
		}},
		change{"the agent is topped up", func(l *ledger.Ledger) error { _, err := l.TopUpAgent(context.Background(), "x", 5); return err }},
		change{"the trail is pruned", func(l *ledger.Ledger) error { _, err := l.Prune(context.Background(), time.Now()); return err }})
	agent("out of all groups", ledger.AgentChange{Group: &out})
	return all
}
