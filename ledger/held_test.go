package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/ledger"
)

// grip is a process that has the ledger and does not let go: by the lock file,
// in a transaction of its own, or in its turn.
func grip(p part) error {
	path := filepath.Join(p.Dir, "aex.db")
	switch p.Grip {
	case "lock":
		f, err := os.Open(path + ".lock")
		if err == nil {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		}
		if err != nil {
			return err
		}
		defer f.Close()
	case "sqlite":
		db, err := sql.Open("sqlite", path)
		if err != nil {
			return err
		}
		db.SetMaxOpenConns(1)
		if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
			return err
		}
	case "turn":
		l, err := p.open()
		if err != nil {
			return err
		}
		inside := make(chan struct{})
		go l.Admit(context.Background(), ledger.Admission{Token: ledger.HashToken(p.Token), Least: 1, Most: 2, Share: func(ledger.Micros) ledger.Micros {
			close(inside)
			select {}
		}})
		<-inside
	}
	if at, known := lockBytes[p.Grip]; known {
		f, err := os.OpenFile(path+at.suffix, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		uses := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart, Start: 128, Len: 1} // as who has the -shm file open
		lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: at.start, Len: at.size}
		if err := errors.Join(unix.FcntlFlock(f.Fd(), unix.F_SETLK, &uses), unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock)); err != nil {
			return err
		}
	}
	fmt.Println("gripped")
	_, err := io.ReadAll(os.Stdin)
	return err
}

// lockBytes are locks of SQLite's that keep readers out: of the last to close
// the file, of the first to open it, and of who recovers its log.
var lockBytes = map[string]struct {
	suffix      string
	start, size int64
}{"closing": {"", 0x40000002, 510}, "opening": {"-shm", 128, 1}, "recovering": {"-shm", 120, 8}}

// TestWhoIsStoppedWithTheFile: who is stopped as it opens or closes the file, or
// recovers its log, keeps nobody from reading it.
func TestWhoIsStoppedWithTheFile(t *testing.T) {
	ledger.InFile(t)
	for how := range lockBytes {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := open(t, dir)
			agent(t, l, ledger.NewAgent{Name: "atlas", Budget: usd(t, "1")})
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			p := startProcess(t, "grip", part{Dir: dir, Grip: how}, nil)
			p.line(t)
			if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			shown, err := ledger.OpenToShow(t.Context(), ledger.Options{Path: filepath.Join(dir, "aex.db"), Home: dir})
			if err != nil {
				t.Fatal(err)
			}
			defer shown.Close()
			if a, err := shown.Agent(t.Context(), "atlas"); err != nil || *a.Budget != *usd(t, "1") {
				t.Errorf("%+v, %v", a, err)
			}
			verify(t, shown)
			if took := time.Since(began); took > 15*time.Second { // it took twenty where it waited
				t.Errorf("to read took %s", took)
			}
			_, err = ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(dir, "aex.db"), Home: dir})
			var holder *ledger.Holder
			if !errors.As(err, &holder) || holder.PID != p.Process.Pid || !holder.Stopped {
				t.Errorf("to write: %v, not held by %d", err, p.Process.Pid)
			}
		})
	}
}

// TestStoppedHolder: whoever holds the ledger and does not come out of it keeps
// nobody waiting who can be refused, and what has happened is booked as soon as
// the holder is gone.
func TestStoppedHolder(t *testing.T) {
	ledger.InFile(t)
	for _, how := range []string{"lock", "sqlite", "turn"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			h := newHeldLedger(t)
			p := startProcess(t, "grip", part{Dir: h.dir, Grip: how, Token: "token of atlas"}, nil)
			p.line(t)
			if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			var settled, ended, goOn sync.WaitGroup
			settled.Go(func() {
				if out, err := h.Settle(t.Context(), h.hold.ID, ledger.Settlement{How: ledger.Settled, Cost: 7}); err != nil || out.Cost != 7 {
					t.Errorf("settled %+v, %v", out, err)
				}
			})
			goOn.Go(func() { h.refusedToAll(t, p.Process.Pid) })
			h.readable(t)
			goOn.Wait()
			if n := h.told.Load(); n != 1 {
				t.Errorf("told %d times", n)
			}
			if err := p.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			settled.Wait()
			ended.Go(func() {
				if _, err := h.EndRun(t.Context(), h.run.ID, ledger.RunEnd{Outcome: "exited"}); err != nil {
					t.Error(err)
				}
			})
			ended.Wait()
			if a, err := h.Agent(t.Context(), "atlas"); err != nil || a.Account.Spent != 7 || a.Account.Reserved != 0 {
				t.Errorf("%+v, %v", a.Account, err)
			}
			verify(t, h.Ledger)
		})
	}
}

// heldLedger is a ledger with a run and an open hold.
type heldLedger struct {
	*ledger.Ledger
	dir  string
	told atomic.Int32
	run  ledger.Run
	hold ledger.Hold
}

func newHeldLedger(t *testing.T) *heldLedger {
	h := &heldLedger{dir: t.TempDir()}
	var err error
	h.Ledger, err = ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(h.dir, "aex.db"), Home: h.dir, Held: func(*ledger.Holder) { h.told.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	agent(t, h.Ledger, ledger.NewAgent{Name: "atlas", Budget: usd(t, "1")})
	h.run, err = h.OpenRun(t.Context(), ledger.NewRun{Agent: "atlas", Program: "bot", Token: ledger.HashToken("r"), Expires: time.Now().Add(time.Hour), Metered: true})
	if err != nil {
		t.Fatal(err)
	}
	var no *ledger.Refusal
	if h.hold, no, err = h.Admit(t.Context(), ledger.Admission{Token: ledger.HashToken("r"), Least: 100, Most: 100}); no != nil || err != nil {
		t.Fatal(no, err)
	}
	return h
}

// refusedToAll: a call, a change and a new command are told who holds it.
func (h *heldLedger) refusedToAll(t *testing.T, pid int) {
	var all sync.WaitGroup
	defer all.Wait()
	for what, try := range map[string]func() error{
		"a call": func() error {
			_, _, err := h.Admit(t.Context(), ledger.Admission{Token: ledger.HashToken("r"), Least: 1, Most: 1})
			return err
		},
		"a change": func() error {
			_, err := h.TopUpAgent(t.Context(), "atlas", 5)
			return err
		},
		"a new command": func() error {
			l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(h.dir, "aex.db"), Home: h.dir})
			if err == nil {
				defer l.Close()
				_, err = l.TopUpAgent(t.Context(), "atlas", 5)
			}
			return err
		},
	} {
		all.Go(func() {
			err := try()
			var holder *ledger.Holder
			if !errors.As(err, &holder) || !errors.Is(err, ledger.ErrHeld) {
				t.Errorf("%s: %v", what, err)
				return
			}
			if named := holder.PID == pid && holder.Stopped && holder.Name != "" && holder.Host == ""; !named {
				t.Errorf("%s: held by %+v, not by %d", what, holder, pid)
			}
		})
	}
}

// readable: who only reads needs no turn.
func (h *heldLedger) readable(t *testing.T) {
	t.Helper()
	l, err := ledger.OpenReadOnly(t.Context(), ledger.Options{Path: filepath.Join(h.dir, "aex.db"), Home: h.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err := l.Agent(t.Context(), "atlas"); err != nil || a.Account.Reserved != 100 {
		t.Errorf("%+v, %v", a.Account, err)
	}
	verify(t, l)
}

// TestRestBetweenTurns: who is about to be stopped finishes its turn, and takes
// no other one while it rests.
func TestRestBetweenTurns(t *testing.T) {
	ledger.InFile(t)
	h := newHeldLedger(t)
	inside, finish := make(chan struct{}), make(chan struct{})
	var calls sync.WaitGroup
	calls.Go(func() {
		_, no, err := h.Admit(t.Context(), ledger.Admission{Token: ledger.HashToken("r"), Least: 1, Most: 2, Share: func(ledger.Micros) ledger.Micros {
			close(inside)
			<-finish
			return 2
		}})
		if no != nil || err != nil {
			t.Error(no, err)
		}
	})
	<-inside
	rested := make(chan func())
	go func() { rested <- h.Rest() }()
	close(finish)
	wake := <-rested
	calls.Go(func() {
		if _, err := h.Settle(t.Context(), h.hold.ID, ledger.Settlement{How: ledger.Settled, Cost: 7}); err != nil {
			t.Error(err)
		}
	})
	other := open(t, h.dir)
	if a, err := other.Agent(t.Context(), "atlas"); err != nil || a.Account.Reserved != 102 {
		t.Errorf("while it rests: %+v, %v", a.Account, err)
	}
	if _, err := other.TopUpAgent(t.Context(), "atlas", 5); err != nil {
		t.Error(err)
	}
	wake()
	calls.Wait()
	if a, err := other.Agent(t.Context(), "atlas"); err != nil || a.Account.Reserved != 2 || a.Account.Spent != 7 {
		t.Errorf("awake: %+v, %v", a.Account, err)
	}
}

// TestStoppedWriterOfTheHead: who is stopped while it writes the head keeps no
// other from ending.
func TestStoppedWriterOfTheHead(t *testing.T) {
	ledger.InFile(t)
	dir := t.TempDir()
	l := open(t, dir)
	agent(t, l, ledger.NewAgent{Name: "atlas", Budget: usd(t, "1")})
	f, err := os.OpenFile(filepath.Join(dir, "head.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
