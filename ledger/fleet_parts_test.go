package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// gatewayAtRest looks for the dead only when it is told to.
func gatewayAtRest(t *testing.T, dir string) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), Options{Path: Place(dir), Home: t.TempDir(), lease: time.Hour, look: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, l) })
	return l
}

// dies has the others take a gateway for dead that is at rest.
func dies(t *testing.T, l *Ledger, place string) {
	t.Helper()
	t.Cleanup(l.Rest())
	if l.server == nil {
		if err := l.owner.close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	execOnServer(t, place, fmt.Sprintf(`UPDATE owner SET gone = true WHERE id = %d`, l.owner.id()))
}

// turnsOf counts the turns in which a gateway commits something.
func turnsOf(l *Ledger, does func() error) (n int, err error) {
	wake := l.Rest()
	l.write.commit = func(commit func() error) error {
		n++
		return commit()
	}
	wake()
	err = does()
	l.Rest()()
	return n, err
}

// leaves has a gateway open runs, each with a call of 10, many at a time.
func leaves(t *testing.T, l *Ledger, runs int) {
	t.Helper()
	var wg sync.WaitGroup
	for first := range 16 {
		wg.Go(func() {
			for i := first; i < runs; i += 16 {
				token := HashToken(fmt.Sprint("run ", i))
				_, err := l.OpenRun(t.Context(), NewRun{Agent: "x", Program: "p", Token: token, Metered: true, Remote: i%2 == 0})
				if err == nil {
					_, _, err = l.Admit(t.Context(), Admission{Token: token, Least: 10, Most: 10})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// actions counts the events of a ledger by what they tell; lost are runs' ends.
func actions(t *testing.T, l *Ledger) map[string]int {
	t.Helper()
	page, err := l.Events(t.Context(), EventFilter{Limit: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	times := make(map[string]int)
	for _, e := range page.Events {
		times[e.Action]++
		if strings.Contains(string(e.Body), `"outcome":"lost"`) {
			times["lost"]++
		}
	}
	return times
}

// TestFleetRecoversInParts: what a gateway that died has left is booked in parts,
// between which others have their turns: a call is booked while there is more to
// recover. Who comes goes on where somebody else ended, also where two do it at
// once, and nothing is booked twice.
func TestFleetRecoversInParts(t *testing.T) {
	const runs = 2 * turnPart
	dir := t.TempDir()
	dead, first, other := gatewayAtRest(t, dir), gatewayAtRest(t, dir), gatewayAtRest(t, dir)
	agentOn(t, dead, "x")
	agentOn(t, dead, "y")
	leaves(t, dead, runs)
	dies(t, dead, Place(dir))

	if more, err := first.recoverSome(t.Context()); err != nil || !more {
		t.Errorf("a part is all: %v", err)
	}
	left := func() (n int) {
		err := first.read.QueryRowContext(t.Context(), `SELECT count(*) FROM hold WHERE state = 'open'`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	call := func() {
		t.Helper()
		h, no, err := other.Admit(t.Context(), Admission{Token: HashToken("y"), Least: 7, Most: 7})
		if err == nil && no == nil {
			_, err = other.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 7})
		}
		if err != nil || no != nil {
			t.Error(no, err)
		}
	}
	call()
	if n := left(); n != runs-turnPart {
		t.Errorf("after a part, and another's call, %d of %d calls are not booked", n, runs)
	}
	rest := make(chan error, 1)
	go func() { rest <- first.recoverDead(t.Context()) }()
	second := gatewayAtRest(t, dir) // whose opening recovers what is left, too
	if err := <-rest; err != nil {
		t.Error(err)
	}
	if n := left(); n != 0 {
		t.Errorf("%d calls of the dead are left", n)
	}
	times := actions(t, second)
	if times["usage.recovered"] != runs || times["run.adrift"] != runs/2 || times["lost"] != runs/2 {
		t.Errorf("of %d runs and calls: %v", runs, times)
	}
	if a, err := second.Agent(t.Context(), "x"); err != nil || a.Account.Spent != 10*runs || a.Account.Reserved != 0 {
		t.Errorf("%+v %v", a.Account, err)
	}
	audited(t, second)
}

// TestRecoveryEndsWithTheLedger: a ledger that is closed while it recovers does the
// part that it is at, and leaves the rest.
func TestRecoveryEndsWithTheLedger(t *testing.T) {
	dir := t.TempDir()
	dead, other := gatewayAtRest(t, dir), gatewayAtRest(t, dir)
	l := gatewayAtRest(t, dir)
	agentOn(t, dead, "x")
	leaves(t, dead, 2*turnPart)
	dies(t, dead, Place(dir))
	ended := make(chan error, 1)
	wake := l.Rest()
	l.write.commit = func(commit func() error) error {
		if len(ended) == 0 && !l.closing() {
			go func() { ended <- l.Close() }()
			<-l.done
		}
		return commit()
	}
	l.running.Go(l.checkOwners)
	wake()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	var left int
	if err := other.read.QueryRowContext(t.Context(), `SELECT count(*) FROM hold WHERE state = 'open'`).Scan(&left); err != nil || left < turnPart {
		t.Errorf("%d calls are left: %v", left, err)
	}
}

// TestNoRefusalForWhatTheDeadHold: a call that the dead keep from going, by more
// than a turn recovers, waits for that and is not refused, though it waits for
// nobody else.
func TestNoRefusalForWhatTheDeadHold(t *testing.T) {
	dir := t.TempDir()
	dead, other := gatewayAtRest(t, dir), gatewayAtRest(t, dir)
	agentOn(t, dead, "x")
	agentOn(t, dead, "y")
	if _, err := dead.SetAgent(t.Context(), "y", AgentChange{Limits: &Limits{Concurrency: 1}}); err != nil {
		t.Fatal(err)
	}
	leaves(t, dead, turnPart)
	one := Admission{Token: HashToken("y"), Least: 1, Most: 1}
	if _, no, err := dead.Admit(t.Context(), one); err != nil || no != nil {
		t.Fatal(no, err)
	}
	dies(t, dead, Place(dir))
	if _, no, err := other.Admit(t.Context(), one); err != nil || no != nil {
		t.Errorf("refused for what the dead hold: %+v %v", no, err)
	}
}

// TestChangesOfManyRunsGoInParts: what lets many runs go on, or ends them, takes a
// turn for each part of them, and all are changed.
func TestChangesOfManyRunsGoInParts(t *testing.T) {
	const runs = turnPart + 50
	dir := t.TempDir()
	owner, l := gatewayAtRest(t, dir), gatewayAtRest(t, dir)
	if _, err := l.CreateGroup(t.Context(), NewGroup{Name: "g", Budgets: map[Window]Micros{Total: 1_000_000}}); err != nil {
		t.Fatal(err)
	}
	agentOn(t, l, "x")
	in := "g"
	if _, err := l.SetAgent(t.Context(), "x", AgentChange{Group: &in}); err != nil {
		t.Fatal(err)
	}
	leaves(t, owner, runs)
	limits, budget := Limits{Concurrency: 1000}, Micros(2_000_000)
	for _, c := range []struct {
		what string
		by   func() error
		then RunState
	}{
		{"an agent's top-up", func() error { _, err := l.TopUpAgent(t.Context(), "x", 1); return err }, RunOpen},
		{"an agent's limits", func() error { _, err := l.SetAgent(t.Context(), "x", AgentChange{Limits: &limits}); return err }, RunOpen},
		{"a group's top-up", func() error { _, err := l.TopUpGroup(t.Context(), "g", Total, 1); return err }, RunOpen},
		{"a group's budget", func() error {
			_, err := l.SetGroup(t.Context(), "g", GroupChange{Budgets: map[Window]*Micros{Total: &budget}})
			return err
		}, RunOpen},
		{"an agent's end", func() error { return l.DeleteAgent(t.Context(), "x") }, RunEnding},
	} {
		if err := owner.commitOne(t.Context(), func(g *commitGroup) error {
			for _, r := range g.runsWhere(`state = 'open'`) {
				g.setRunState(r, RunExhausted)
			}
			return g.err
		}); err != nil {
			t.Fatal(err)
		}
		if n, err := turnsOf(l, c.by); err != nil || n != 2 {
			t.Errorf("%s took %d turns: %v", c.what, n, err)
		}
		var changed int
		if err := l.read.QueryRowContext(t.Context(), `SELECT count(*) FROM run WHERE state = ?`, string(c.then)).Scan(&changed); err != nil || changed != runs {
			t.Errorf("%s: %d of %d runs are %s: %v", c.what, changed, runs, c.then, err)
		}
	}
	audited(t, l)
}

// TestAgentsEndIsFinished: an agent's end that has begun goes on where whoever asked
// for it goes away. Where somebody else ends the agent meanwhile and makes another of
// its name, that one stays.
func TestAgentsEndIsFinished(t *testing.T) {
	l := gatewayAtRest(t, t.TempDir())
	firstTurn := func(meanwhile func()) {
		wake := l.Rest()
		defer wake()
		l.write.commit = func(commit func() error) error {
			l.write.commit = func(commit func() error) error { return commit() }
			meanwhile()
			return commit()
		}
	}
	agentOn(t, l, "x")
	leaves(t, l, turnPart+1)
	ctx, goAway := context.WithCancel(t.Context())
	firstTurn(goAway)
	if err := l.DeleteAgent(ctx, "x"); err != nil {
		t.Error(err)
	}
	if _, err := l.Agent(t.Context(), "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the agent is there: %v", err)
	}

	agentOn(t, l, "z")
	for i := range turnPart {
		if _, err := l.OpenRun(t.Context(), NewRun{Agent: "z", Program: "p", Token: HashToken(fmt.Sprint("z ", i))}); err != nil {
			t.Fatal(err)
		}
	}
	firstTurn(func() {
		err := l.enqueue(t.Context(), &op{do: func(g *commitGroup) error {
			ag, err := g.agentNamed("z")
			if err == nil {
				g.deleteAgent(ag)
				g.createAgent(NewAgent{Name: "z", Window: Total}, 0)
			}
			return err
		}})
		if err != nil {
			t.Error(err)
		}
	})
	if err := l.DeleteAgent(t.Context(), "z"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := l.Agent(t.Context(), "z"); err != nil {
		t.Errorf("another agent of the name was ended: %v", err)
	}
	audited(t, l)
}

// TestPruneGoesInSteps: old events are folded some a turn, and the trail proves
// itself after each.
func TestPruneGoesInSteps(t *testing.T) {
	l := gatewayAtRest(t, t.TempDir())
	agentOn(t, l, "x")
	leaves(t, l, 20)
	var all Pruned
	n, err := turnsOf(l, func() (err error) {
		all, err = l.pruneInSteps(t.Context(), time.Now().Add(time.Hour), 8)
		return err
	})
	if err != nil || n != 3 || all.Events != 21 {
		t.Errorf("%+v in %d turns: %v", all, n, err)
	}
	audited(t, l)
	if _, err := l.TopUpAgent(t.Context(), "x", 1); err != nil {
		t.Error(err)
	}
	if last, err := l.pruneInSteps(t.Context(), time.Now().Add(time.Hour), 2); err != nil || last.Through <= all.Through {
		t.Errorf("%+v %v", last, err)
	}
	audited(t, l)
}
