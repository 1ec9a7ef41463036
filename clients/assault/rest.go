package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// ends waits for a command, which has to end.
func (p *place) ends(cmd *exec.Cmd) {
	late := time.AfterFunc(patient, func() {
		p.row.add(&p.row.hangs, 1)
		_ = cmd.Process.Kill() // it may have ended
	})
	defer late.Stop()
	_ = cmd.Wait() // how is asked elsewhere
}

// disks fill up, by a limit on the size of files, and homes vanish: a run says
// so and ends, and what is on the disk is right.
func (a *attacker) disks(r *row) error {
	return a.apart(r, a.sizes.disks, perPlace{1, 3}, plainly(10), func(b *batch) error {
		r.add(&r.tried, 1)
		if out, code := b.do("agent", "create", "x", "1000.00", "none"); code != 0 {
			return errors.New(out)
		}
		if b.first%2 == 0 {
			b.full(200 + 100*b.random.IntN(8))
		} else {
			b.vanishing(time.Duration(b.random.IntN(600)) * time.Millisecond)
		}
		b.survivors(20 * time.Second)
		return nil
	})
}

// full runs with so many KiB for a file.
func (p *place) full(kib int) {
	words := append([]string{"-c", fmt.Sprintf(`ulimit -f %d; trap "" XFSZ; exec "$@"`, kib), "bash", p.a.binary}, withPrices("run", "--agent", "x", "--budget", "1000", "--grace", "100ms", "--timeout", "20s", "--")...)
	cmd := p.aex()
	cmd.Path, cmd.Args = "/bin/bash", append(append([]string{"bash"}, words...), bot("loop", "8")...)
	if out, code := p.finish(cmd, patient); code != 125 && code != 124 && code != 121 {
		p.row.fault("a full disk: exit %d: %.300s", code, out)
	}
	p.do("agent", "create", "next", "1.00", "none") // settles what was held
	p.books("x", 1000_000_000)
}

// vanishing takes the home away in the middle of a run.
func (p *place) vanishing(after time.Duration) {
	cmd := p.aex(append(withPrices("run", "--agent", "x", "--budget", "1000", "--grace", "100ms", "--timeout", "20s", "--"), bot("loop", "4")...)...)
	gone := p.home + ".gone"
	timer := time.AfterFunc(after+300*time.Millisecond, func() { _ = os.Rename(p.home, gone) })
	out, code := p.finish(cmd, patient)
	timer.Stop()
	if code != 125 {
		p.row.fault("a home that vanished: exit %d: %.300s", code, out)
	}
	_ = os.RemoveAll(p.home) // what was made in its place
	if err := os.Rename(gone, p.home); err != nil {
		p.row.fault("putting the home back: %v", err)
		return
	}
	p.do("agent", "create", "next", "1.00", "none")
	p.books("x", 1000_000_000)
}

// clocks jump by years, forwards and back, under a ledger with windows.
func (a *attacker) clocks(r *row) error {
	home := filepath.Join(a.dir, "clocks")
	random := a.random(-6)
	now := time.Now()
	l, err := ledger.Open(a.ctx, ledger.Options{Path: filepath.Join(home, "aex.db"), Home: home, Now: func() time.Time { return now }})
	if err != nil {
		return err
	}
	defer l.Close()
	budget := ledger.Micros(50_000)
	if _, err := l.CreateAgent(a.ctx, ledger.NewAgent{Name: "x", Budget: &budget, Window: ledger.Daily}); err != nil {
		return err
	}
	hash := ledger.HashToken("assault")
	if err := l.AddToken(a.ctx, ledger.NewToken{Hash: hash, Agent: "x", Scope: ledger.Execution}); err != nil {
		return err
	}
	for range a.sizes.clocks {
		if a.over() {
			break
		}
		r.add(&r.tried, 1)
		now = now.Add(time.Duration(random.Int64N(int64(20000*time.Hour))) - 10000*time.Hour)
		hold, no, err := l.Admit(a.ctx, ledger.Admission{Token: hash, Least: 100, Most: 3000})
		if err != nil {
			return err
		}
		if no != nil {
			continue
		}
		now = now.Add(time.Duration(random.Int64N(int64(200*time.Hour))) - 100*time.Hour)
		if _, err := l.Settle(a.ctx, hold.ID, ledger.Settlement{How: ledger.Settled, Cost: ledger.Micros(random.Int64N(3000))}); err != nil {
			return err
		}
	}
	result, err := l.Verify(context.WithoutCancel(a.ctx), nil)
	if err != nil {
		return err
	}
	for _, check := range result.Checks {
		if !check.OK {
			r.fault("audit: %s: %s", check.Name, check.Detail)
		}
	}
	ag, err := l.Agent(a.ctx, "x")
	if err == nil {
		r.add(&r.overspent, int64(ag.Account.Overrun)+max(0, int64(ag.Account.Spent+ag.Account.Reserved-budget)))
	}
	return err
}
