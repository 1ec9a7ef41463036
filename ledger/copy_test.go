package ledger

import (
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// lived makes a ledger in a file with something in every table, and closes it.
func lived(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	at := Options{Path: filepath.Join(dir, "aex.db"), Home: filepath.Join(dir, "home")}
	l, err := Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, l)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	berlin, err := ParseZone("Europe/Berlin")
	do(err)
	_, err = l.SetZone(t.Context(), berlin, false)
	do(err)
	_, err = l.CreateGroup(t.Context(), NewGroup{Name: "acme", Budgets: map[Window]Micros{Total: 1_000_000, Daily: 900_000}})
	do(err)
	_, err = l.CreateAgent(t.Context(), NewAgent{Name: "daily", Window: Daily, Budget: new(Micros(500_000)), Group: "acme", Limits: Limits{RequestsPerMinute: 100},
		Capabilities: json.RawMessage(`{"allow_tools":true}`)})
	do(err)
	do(l.AddToken(t.Context(), NewToken{Agent: "daily", Hash: HashToken("daily"), Scope: Execution}))
	for _, name := range []string{"gone", "x"} {
		agentOn(t, l, name)
	}
	opened, err := l.OpenRun(t.Context(), NewRun{Agent: "daily", Program: "p\xff", Budget: new(Micros(5000)), Token: HashToken("run"), Expires: time.Now().Add(time.Hour), Metered: true})
	do(err)
	// Two models that are one for a server, which takes neither.
	for i, token := range []string{"daily", "gone", "x", "run", "run"} {
		h, no, err := l.Admit(t.Context(), Admission{Token: HashToken(token), Least: 10, Most: 100, Call: CallInfo{Wire: "chat", ModelAsked: "m" + []string{"\x00", "\ufffd"}[i%2]}})
		if err != nil || no != nil {
			t.Fatal(no, err)
		}
		_, err = l.Settle(t.Context(), h.ID, Settlement{How: []How{Settled, Estimated}[i%2], Cost: Micros(50 * (i + 1)), Usage: Usage{Input: 3, Output: 4}})
		do(err)
	}
	_, err = l.EndRun(t.Context(), opened.ID, RunEnd{Outcome: "exited"})
	do(err)
	do(l.DeleteAgent(t.Context(), "gone"))
	if _, no, err := l.Admit(t.Context(), Admission{Token: HashToken("run"), Least: 10, Most: 10}); err != nil || no == nil {
		t.Fatal(no, err)
	}
	_, _, err = l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 10, Most: 10}) // nobody's: it is recovered
	do(err)
	swept, err := l.Sweep(t.Context(), func(HoldID) bool { return false })
	if err == nil && len(swept) == 0 {
		swept, err = l.Sweep(t.Context(), func(HoldID) bool { return false })
	}
	if err != nil || len(swept) != 1 {
		t.Fatalf("%+v %v", swept, err)
	}
	return at
}

// TestCopyToAServer: all that is in a ledger is in its copy, which goes on where
// it ended; the file is for reading.
func TestCopyToAServer(t *testing.T) {
	onServer(t)
	from, dir := lived(t), t.TempDir()
	made, err := Copy(t.Context(), from, Place(dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	for table, rows := range made.Rows {
		if rows == 0 {
			t.Errorf("the test copies no row of %s", table)
		}
	}
	old, err := OpenReadOnly(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, old)
	now, err := Open(t.Context(), Options{Path: Place(dir), Home: from.Home})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, now)
	for name, ask := range map[string]func(l *Ledger) (any, error){
		"agents": func(l *Ledger) (any, error) { return l.Agents(t.Context()) },
		"groups": func(l *Ledger) (any, error) { return l.Groups(t.Context()) },
		"runs": func(l *Ledger) (any, error) {
			runs, err := l.Runs(t.Context(), RunFilter{})
			for i := range runs {
				runs[i].Program = strings.ReplaceAll(runs[i].Program, "\xff", "\ufffd") // as a server takes it
			}
			return runs, err
		},
		"events": func(l *Ledger) (any, error) { return l.Events(t.Context(), EventFilter{}) },
		"spend":  func(l *Ledger) (any, error) { return l.Spend(t.Context(), SpendFilter{By: ByAgent}) },
	} {
		was, err := ask(old)
		is, isErr := ask(now)
		if err != nil || isErr != nil || !reflect.DeepEqual(was, is) {
			t.Errorf("%s: was %+v, is %+v (%v, %v)", name, was, is, err, isErr)
		}
	}
	audited(t, old)
	audited(t, now)
	agentOn(t, now, "new")
	h, no, err := now.Admit(t.Context(), Admission{Token: HashToken("daily"), Least: 10, Most: 10})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	if _, err := now.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 10}); err != nil {
		t.Error(err)
	}
	audited(t, now)
	if _, err := Open(t.Context(), from); !isMoved(err, now.path) {
		t.Errorf("the file is opened for writing: %v", err)
	}
	if _, err := Copy(t.Context(), from, Place(t.TempDir()), nil); !isMoved(err, now.path) {
		t.Errorf("copied again: %v", err)
	}
}

func isMoved(err error, to string) bool {
	was, is := errors.AsType[*Moved](err)
	return is && was.Done && was.Place == to
}

// TestCopyRefusesAndLeavesAll: where it cannot be copied the file is as it was,
// and the server has nothing.
func TestCopyRefusesAndLeavesAll(t *testing.T) {
	onServer(t)
	for name, c := range copyRefusals {
		t.Run(name, func(t *testing.T) {
			from, to := lived(t), Place(t.TempDir())
			if c.file != "" {
				execIn(t, "sqlite", "file:"+from.Path+"?_pragma=ignore_check_constraints(1)", c.file)
			}
			if c.server != "" {
				execOnServer(t, to, c.server)
			}
			if c.before != nil {
				c.before(t, from, to)
			}
			address := to
			if c.user != "" {
				_, rest, _ := strings.Cut(to, "@")
				address = "postgres://" + c.user + "@" + rest
			}
			_, err := Copy(t.Context(), from, address, nil)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("it says %v, and not %q", err, c.says)
			}
			l, err := Open(t.Context(), from)
			if err != nil {
				t.Fatalf("the file is not as it was: %v", err)
			}
			defer closed(t, l)
			if h, no, err := l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 10, Most: 10}); err != nil || no != nil {
				t.Errorf("nothing is booked in it: %v %v", no, err)
			} else if _, err := l.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 10}); err != nil {
				t.Error(err)
			}
			if n := eventsOnServer(t, to); n != 0 && !strings.HasPrefix(name, "a server that has") {
				t.Errorf("the server has %d events", n)
			}
		})
	}
}

func openAt(t *testing.T, at Options) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, l) })
	return l
}

func execIn(t *testing.T, driver, dsn, query string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err == nil {
		_, err = db.Exec(query)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// execOnServer runs a statement as the administrator.
func execOnServer(t *testing.T, place, query string) {
	t.Helper()
	db := administrator(t, place)
	if _, err := db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func eventsOnServer(t *testing.T, place string) (n int) {
	t.Helper()
	if err := administrator(t, place).QueryRow(`SELECT count(*) FROM event_log`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCopyThatWasCutOff: killed after the file was marked, it finds out the next
// time whether the server has the copy. Until then nobody books in the file.
func TestCopyThatWasCutOff(t *testing.T) {
	onServer(t)
	cut := func(t *testing.T, from Options, to *Ledger) {
		if _, err := Open(t.Context(), from); err == nil || !strings.Contains(err.Error(), "aex ledger copy --to") {
			t.Errorf("opened for writing: %v", err)
		}
		if _, err := Copy(t.Context(), from, Place(t.TempDir()), nil); err == nil || !strings.Contains(err.Error(), to.path) {
			t.Errorf("copied elsewhere: %v", err)
		}
	}
	target := func(t *testing.T) (string, *Ledger) {
		place := Place(t.TempDir())
		l, err := newLedger(Options{Path: place})
		if err != nil {
			t.Fatal(err)
		}
		return place, l
	}
	t.Run("before the server had it", func(t *testing.T) {
		from := lived(t)
		place, to := target(t)
		for _, q := range movedMark(to.path) {
			execIn(t, "sqlite", "file:"+from.Path, q)
		}
		cut(t, from, to)
		if made, err := Copy(t.Context(), from, place, nil); err != nil || made.Rows == nil {
			t.Errorf("%+v %v", made, err)
		}
	})
	t.Run("when the server had it", func(t *testing.T) {
		from := lived(t)
		place, to := target(t)
		was, err := Copy(t.Context(), from, place, nil)
		if err != nil {
			t.Fatal(err)
		}
		execIn(t, "sqlite", "file:"+from.Path, `UPDATE moved SET done = 0`)
		cut(t, from, to)
		if made, err := Copy(t.Context(), from, place, nil); err != nil || made.Head != was.Head {
			t.Errorf("%+v %v", made, err)
		}
		if _, err := Open(t.Context(), from); !isMoved(err, to.path) {
			t.Errorf("it is not marked: %v", err)
		}
	})
	t.Run("another ledger is there by now", func(t *testing.T) {
		from := lived(t)
		place, to := target(t)
		for _, q := range movedMark(to.path) {
			execIn(t, "sqlite", "file:"+from.Path, q)
		}
		agentOn(t, openAt(t, Options{Path: place, Home: t.TempDir()}), "other")
		if _, err := Copy(t.Context(), from, place, nil); err == nil {
			t.Error("copied over it")
		}
		cut(t, from, to)
	})
}

// TestOpenProcessSeesTheMove: who has the file open already books no more in it,
// and says where the ledger is. One on the server of before sees another ledger.
func TestOpenProcessSeesTheMove(t *testing.T) {
	onServer(t)
	from, to := lived(t), Place(t.TempDir())
	server := openAt(t, Options{Path: to, Home: t.TempDir()})
	file := openAt(t, from)
	if err := os.Remove(file.owner.life.(*ownerFile).path); err != nil { //nolint:forcetypeassert // of a file
		t.Fatal(err)
	}
	wake := server.Rest()
	execOnServer(t, to, `UPDATE owner SET beat_at = 0`) // as after some hours of being stopped
	if _, err := Copy(t.Context(), from, to, nil); err != nil {
		t.Fatal(err)
	}
	wake()
	if _, _, err := file.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 10, Most: 10}); !errors.Is(err, ErrBroken) || !isMoved(err, server.path) {
		t.Errorf("one that had the file open: %v", err)
	}
	if _, err := server.CreateAgent(t.Context(), NewAgent{Name: "y"}); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "another ledger") {
		t.Errorf("one that used the empty ledger: %v", err)
	}
}
