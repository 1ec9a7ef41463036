package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

func TestPathListsTheRunThenItsAgent(t *testing.T) {
	ctx, home := t.Context(), t.TempDir()
	l, err := ledger.Open(ctx, ledger.Options{Path: ledger.Place(home), Home: home})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	budget, share := ledger.Micros(5_000_000), ledger.Micros(1_000_000)
	if _, err := l.CreateAgent(ctx, ledger.NewAgent{Name: "x", Budget: &budget, Window: ledger.Daily}); err != nil {
		t.Fatal(err)
	}
	agent, run := ledger.HashToken("agent"), ledger.HashToken("run")
	if err := l.AddToken(ctx, ledger.NewToken{Hash: agent, Agent: "x", Scope: ledger.ReadOnly}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.OpenRun(ctx, ledger.NewRun{Agent: "x", Budget: &share, Program: "p", Token: run, Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		token ledger.TokenHash
		want  []ledger.AccountKind
	}{
		{"agent", agent, []ledger.AccountKind{ledger.WindowAccount}},
		{"run", run, []ledger.AccountKind{ledger.RunAccount, ledger.WindowAccount}},
	} {
		path, err := l.Path(ctx, c.token)
		if err != nil || len(path) != len(c.want) {
			t.Fatalf("%s: %+v, %v", c.name, path, err)
		}
		for i, kind := range c.want {
			if path[i].Kind != kind || path[i].Budget == nil {
				t.Errorf("%s: account %d is %+v, want a %s with a budget", c.name, i, path[i], kind)
			}
		}
	}
	if _, err := l.Path(ctx, ledger.HashToken("other")); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an unknown token: %v", err)
	}
}

// TestPathOfAGroupsAgent goes up to the root, by the account and the window of
// each group, and an agent that was deleted, or made anew under its name, is not
// on the path of the runs that it left.
func TestPathOfAGroupsAgent(t *testing.T) {
	l := open(t, t.TempDir())
	for _, g := range []ledger.NewGroup{{Name: "all"}, {Name: "all/team", Budgets: map[ledger.Window]ledger.Micros{ledger.Total: 5000, ledger.Daily: 500}}} {
		if _, err := l.CreateGroup(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	agent(t, l, ledger.NewAgent{Name: "x", Group: "all/team", Budget: micro(1000)})
	token := ledger.HashToken("r")
	run, err := l.OpenRun(t.Context(), ledger.NewRun{Agent: "x", Budget: micro(100), Token: token, Expires: time.Now().Add(time.Hour), Metered: true})
	if err != nil {
		t.Fatal(err)
	}
	names := func() (names []string) {
		t.Helper()
		path, err := l.Path(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range path {
			names = append(names, a.Name)
		}
		return names
	}
	if got, want := names(), []string{string(run.ID), "x", "all/team", "all/team", "all"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := l.DeleteAgent(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if got := names(); !slices.Equal(got, []string{string(run.ID)}) {
		t.Errorf("after the agent was deleted: %v", got)
	}
	if _, err := l.CreateAgent(t.Context(), ledger.NewAgent{Name: "x", Budget: micro(7)}); err != nil {
		t.Fatal(err)
	}
	if got := names(); !slices.Equal(got, []string{string(run.ID)}) {
		t.Errorf("beside a new agent of its name: %v", got)
	}
}

// TestWhoMayOpenARun decides by the agent's account and those of its groups, the
// lowest first; a window that was not used yet has all of its budget.
func TestWhoMayOpenARun(t *testing.T) {
	l := open(t, t.TempDir())
	for _, g := range []ledger.NewGroup{
		{Name: "all", Budgets: map[ledger.Window]ledger.Micros{ledger.Total: 9000}},
		{Name: "all/team", Budgets: map[ledger.Window]ledger.Micros{ledger.Daily: 500, ledger.Monthly: 700}},
	} {
		if _, err := l.CreateGroup(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	token := agent(t, l, ledger.NewAgent{Name: "x", Group: "all/team", Budget: micro(1000), Window: ledger.Weekly})
	told := func(want ...string) {
		t.Helper()
		var got []string
		_, err := l.OpenRun(t.Context(), ledger.NewRun{Agent: "x", Token: ledger.HashToken("r"), Expires: time.Now().Add(time.Hour), May: func(path []ledger.Account) error {
			got = nil // it may be asked again
			for _, a := range path {
				left, limited := a.Left()
				got = append(got, fmt.Sprintf("%s: %d %v", a.Whose(), left, limited))
			}
			return errNotNow
		}})
		if !errors.Is(err, errNotNow) || !slices.Equal(got, want) {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	told("agent x's weekly window: 1000 true", "group all/team: 0 false", "group all/team's daily window: 500 true", "group all/team's monthly window: 700 true", "group all: 9000 true")
	h, _ := admit(t, l, ledger.Admission{Token: token, Most: 100})
	if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: 100}); err != nil {
		t.Fatal(err)
	}
	told("agent x's weekly window: 900 true", "group all/team: 0 false", "group all/team's daily window: 400 true", "group all/team's monthly window: 600 true", "group all: 8900 true")
}

var errNotNow = errors.New("not now")
