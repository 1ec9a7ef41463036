package ledger

import (
	"database/sql"
	"errors"
	"os"
	"testing"
	"time"
)

// TestReadersOfATornLog: who is stopped while it changes the head of SQLite's log
// keeps nobody from reading, whether the ledger is open or is opened then.
func TestReadersOfATornLog(t *testing.T) {
	InFile(t)
	l, _ := openInside(t)
	o := Options{Path: l.path, Home: l.home}
	before, err := OpenReadOnly(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	for round := range 2 {
		mend := tear(t, l)
		began := time.Now()
		budgetOf(t, before, Micros(100_000+round))
		anew, err := OpenToShow(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		budgetOf(t, anew, Micros(100_000+round))
		audited(t, anew)
		if err := anew.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 15*time.Second { // it took twenty where it waited
			t.Errorf("to read took %s", took)
		}
		mend()
		if _, err := l.TopUpAgent(t.Context(), "x", 1); err != nil {
			t.Fatal(err)
		}
		budgetOf(t, before, Micros(100_001+round))
	}
}

func budgetOf(t *testing.T, l *Ledger, want Micros) {
	t.Helper()
	a, err := l.Agent(t.Context(), "x")
	if err != nil || a.Budget == nil || *a.Budget != want {
		t.Errorf("%+v, %v; want a budget of %s", a, err, want)
	}
}

// tear makes the log's head what it is while somebody changes it who has the
// right to write, and returns what mends it.
func tear(t *testing.T, l *Ledger) (mend func()) {
	t.Helper()
	writer, err := sql.Open("sqlite", dsn(l.path, "rw"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	shm, err := os.OpenFile(l.path+"-shm", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	notClosed = append(notClosed, shm)
	was := make([]byte, 1)
	if _, err := shm.ReadAt(was, logHead+8); err != nil {
		t.Fatal(err)
	}
	put := func(b byte) {
		if _, err := shm.WriteAt([]byte{b}, logHead+8); err != nil {
			t.Fatal(err)
		}
	}
	put(was[0] + 1)
	return func() {
		put(was[0])
		if _, err := conn.ExecContext(t.Context(), `ROLLBACK`); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(conn.Close(), writer.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// notClosed are files beside SQLite, whose closing would drop its locks.
var notClosed []*os.File
