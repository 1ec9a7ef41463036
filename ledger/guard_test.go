package ledger

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestWriterSyncsEveryCommit: what the writer's connection was told, seen from
// inside. That a hold is on disk before Admit returns is seen from outside, in
// TestHoldIsSyncedBeforeItIsAnswered.
func TestWriterSyncsEveryCommit(t *testing.T) {
	InFile(t)
	l, _ := openInside(t)
	var sync, keys int
	var journal string
	read := func(g *commitGroup) error {
		g.query(`PRAGMA synchronous`, nil, &sync)
		g.query(`PRAGMA foreign_keys`, nil, &keys)
		g.query(`PRAGMA journal_mode`, nil, &journal)
		return g.err
	}
	if err := l.commitOne(t.Context(), read); err != nil {
		t.Fatal(err)
	}
	if sync != 2 || keys != 1 || journal != "wal" {
		t.Errorf("synchronous %d, foreign_keys %d, journal_mode %s", sync, keys, journal)
	}
}

// TestEveryRowOfAGroupCounts: a group of which fewer rows were written than it
// was given is not committed.
func TestEveryRowOfAGroupCounts(t *testing.T) {
	for name, triggers := range map[string][]string{
		"a hold that does not go":  keepingRows("stay", "DELETE", "hold"),
		"an event that is not put": keepingRows("lost", "INSERT", "event_log"),
	} {
		t.Run(name, func(t *testing.T) {
			l, token := openInside(t)
			h, no, err := l.Admit(t.Context(), Admission{Token: token, Least: 10, Most: 10})
			if err != nil || no != nil {
				t.Fatal(no, err)
			}
			if err := l.commitOne(t.Context(), func(g *commitGroup) error {
				for _, trigger := range triggers {
					g.exec(trigger)
				}
				return g.err
			}); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 7}); !errors.Is(err, ErrBroken) || !errors.Is(err, ErrCorrupt) {
				t.Errorf("settled: %v", err)
			}
			a, err := l.Agent(t.Context(), "x")
			if err != nil || a.Account.Spent != 0 || a.Account.Reserved != 10 {
				t.Errorf("of a group that was not whole the ledger has %+v, %v", a.Account, err)
			}
		})
	}
}

// keepingRows has a table ignore what is done to its rows.
func keepingRows(name, what, table string) []string {
	if testServer == "" {
		return []string{`CREATE TRIGGER ` + name + ` BEFORE ` + what + ` ON ` + table + ` BEGIN SELECT RAISE(IGNORE); END`}
	}
	return []string{
		`CREATE FUNCTION ` + name + `() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
		`CREATE TRIGGER ` + name + ` BEFORE ` + what + ` ON ` + table + ` FOR EACH ROW EXECUTE FUNCTION ` + name + `()`,
	}
}

// TestAHoldEndsOnce, also where both settlements come in one group: the second
// is told, the first is booked, and the ledger goes on.
func TestAHoldEndsOnce(t *testing.T) {
	l, token := openInside(t)
	h, no, err := l.Admit(t.Context(), Admission{Token: token, Least: 10, Most: 10})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	var errs [2]error
	together(t, l, func() { _, errs[0] = l.Settle(context.Background(), h.ID, Settlement{How: Settled, Cost: 7}) },
		func() { _, errs[1] = l.Settle(context.Background(), h.ID, Settlement{How: Settled, Cost: 7}) })
	first, second := errs[0], errs[1]
	if first != nil {
		first, second = second, first
	}
	if first != nil || !errors.Is(second, ErrHoldEnded) {
		t.Errorf("settled twice in a group: %v, %v", errs[0], errs[1])
	}
	if _, err := l.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 7}); !errors.Is(err, ErrHoldEnded) {
		t.Errorf("settled again: %v", err)
	}
	if a, err := l.Agent(t.Context(), "x"); err != nil || a.Account.Spent != 7 || a.Account.Reserved != 0 {
		t.Errorf("%+v %v", a.Account, err)
	}
	audited(t, l)
}

// together has operations of several callers decided in one group.
func together(t *testing.T, l *Ledger, calls ...func()) {
	t.Helper()
	begun, goOn := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = l.commitOne(context.Background(), func(*commitGroup) error { close(begun); <-goOn; return nil })
	})
	<-begun
	for _, call := range calls {
		wg.Go(call)
	}
	for len(l.write.queue) < len(calls) {
		runtime.Gosched() // nothing tells that a caller has queued
	}
	close(goOn)
	wg.Wait()
}

// TestHeadNeverGoesBack: a process that read the trail before another wrote a
// newer place must not put back what it had read.
func TestHeadNeverGoesBack(t *testing.T) {
	l, _ := openInside(t)
	old, err := l.place(t.Context(), l.read)
	if err != nil || old.seq == 0 {
		t.Fatal(old, err)
	}
	newer := old
	newer.seq, newer.calls = old.seq+5, 9
	for _, now := range []headLine{newer, old} {
		if err := l.head.write(now); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := readHead(l.head.path)
	if err != nil || lines[l.path] != newer {
		t.Errorf("the head is %+v, %v; it was %+v", lines[l.path], err, newer)
	}
	if err := os.Remove(l.head.path); err != nil { // it leads, and is none of this ledger's
		t.Fatal(err)
	}
}

// TestOwnerFileIsMadeAgain by the periodic look, when somebody removed it or
// its directory, and another process then finds this one alive.
func TestOwnerFileIsMadeAgain(t *testing.T) {
	InFile(t)
	for name, remove := range map[string]func(l *Ledger) error{
		"the file":      func(l *Ledger) error { return os.Remove(l.owner.life.(*ownerFile).path) },
		"the directory": func(l *Ledger) error { return os.RemoveAll(l.ownersPath()) },
	} {
		t.Run(name, func(t *testing.T) {
			l, token := openInside(t)
			h, no, err := l.Admit(t.Context(), Admission{Token: token, Least: 10, Most: 10})
			if err != nil || no != nil {
				t.Fatal(no, err)
			}
			if err := remove(l); err != nil {
				t.Fatal(err)
			}
			l.checkOwners()
			other, err := Open(t.Context(), Options{Path: l.path, Home: l.home})
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			if r := other.Recovered(); len(r) != 0 {
				t.Errorf("a living owner was taken for dead: %+v", r)
			}
			if out, err := l.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 7}); err != nil || out.Late {
				t.Errorf("settled %+v, %v", out, err)
			}
		})
	}
}

// TestIdentitiesReadBeforeAChangeAreNotKept: what was read while this process
// changed what a token may do is neither kept nor confirmed.
func TestIdentitiesReadBeforeAChangeAreNotKept(t *testing.T) {
	var c identityCache
	h, now := HashToken("x"), time.Now()
	c.keep(h, Identity{Agent: "before"}, 1, c.epoch, now)
	began := c.epoch
	c.forget()
	c.keep(h, Identity{Agent: "before"}, 1, began, now)
	if id, known := c.known[h]; known {
		t.Errorf("kept %+v", id)
	}
	if c.confirm(1, began, now) {
		t.Error("confirmed what was known before")
	}
	c.keep(h, Identity{Agent: "after"}, 1, c.epoch, now)
	if c.known[h].Agent != "after" {
		t.Errorf("kept %+v", c.known[h])
	}
}

// TestRevokedTokenIsForgottenAtOnce: in the process that revokes it there is no
// moment at which it is still good.
func TestRevokedTokenIsForgottenAtOnce(t *testing.T) {
	l, token := openInside(t)
	for i := range 50 {
		if _, err := l.Authenticate(t.Context(), token); err != nil {
			t.Fatal(i, err)
		}
		next := HashToken("next " + string(rune('a'+i)))
		if err := l.RotateToken(t.Context(), NewToken{Agent: "x", Hash: next, Scope: Execution}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Authenticate(t.Context(), token); !errors.Is(err, ErrNotFound) {
			t.Fatalf("a token that is revoked is known: %v", err)
		}
		token = next
	}
}
