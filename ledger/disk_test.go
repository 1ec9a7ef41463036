package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// fillDisk calls until the file may not grow any more, and tells how it found out.
func fillDisk(p part) error {
	signal.Ignore(syscall.SIGXFSZ)
	l, err := p.open()
	if err != nil {
		return err
	}
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		return err
	}
	limit := was
	limit.Cur = p.Limit
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	ctx := context.Background()
	for {
		h, no, err := l.Admit(ctx, ledger.Admission{Token: ledger.HashToken(p.Token), Least: 10, Most: 10})
		if no != nil {
			return fmt.Errorf("refused: %+v", *no)
		}
		if err == nil {
			_, err = l.Settle(ctx, h.ID, ledger.Settlement{How: ledger.Settled, Cost: 10})
		}
		if err == nil {
			fmt.Println("settled")
			continue
		}
		if !errors.Is(err, ledger.ErrBroken) {
			return fmt.Errorf("not told as broken: %w", err)
		}
		<-l.Broken()
		if _, _, err := l.Admit(ctx, ledger.Admission{Token: ledger.HashToken(p.Token), Most: 1}); !errors.Is(err, ledger.ErrBroken) {
			return fmt.Errorf("served past the end: %w", err)
		}
		fmt.Println("broken")
		return nil
	}
}

// TestDiskFull lets the disk fill up under a process: it must stop, and what
// it had told to be booked must be booked.
func TestDiskFull(t *testing.T) {
	ledger.InFile(t)
	for _, limit := range []uint64{150_000, 400_001, 786_432} {
		dir := t.TempDir()
		func() {
			l, err := part{Dir: dir}.open()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			agent(t, l, ledger.NewAgent{Name: "shared", Budget: usd(t, "1")})
		}()
		p := startProcess(t, "fill", part{Dir: dir, Token: "token of shared", Limit: limit}, nil)
		settled := ledger.Micros(0)
		for p.line(t) == "settled" {
			settled++
		}
		if err := p.Wait(); err != nil {
			t.Fatal(err)
		}
		l := open(t, dir)
		verify(t, l)
		a, err := l.Agent(t.Context(), "shared")
		if err != nil || a.Account.Spent < 10*settled || a.Account.Spent > 10*settled+10 || a.Account.Reserved != 0 {
			t.Fatalf("%d calls were told as settled, the ledger has %+v, %v", settled, a.Account, err)
		}
		t.Logf("limit %d: %d calls, then broken", limit, settled)
	}
}
