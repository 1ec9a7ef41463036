package ledger_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

func TestPathListsTheRunThenItsAgent(t *testing.T) {
	ctx, home := t.Context(), t.TempDir()
	l, err := ledger.Open(ctx, ledger.Options{Path: filepath.Join(home, "aex.db"), Home: home})
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
