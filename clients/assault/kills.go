package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	fake "github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// kills end aex, its monitor, the provider's connections, or all of them at
// random instants of a busy run.
func (a *attacker) kills(r *row) error {
	return a.apart(r, a.sizes.kills, perPlace{25, 3}, plainly(30), func(b *batch) error {
		if out, code := b.do("agent", "create", "x", richly, "none"); code != 0 {
			return fmt.Errorf("%s", out)
		}
		for range b.n {
			if a.over() {
				break
			}
			r.add(&r.tried, 1)
			if err := b.killed(b.random); err != nil {
				return err
			}
			b.survivors(20 * time.Second)
		}
		// The next aex that opens the ledger settles what was held.
		b.do("agent", "create", "next", "1.00", "none")
		b.books("x", allOfIt)
		return nil
	})
}

func (p *place) killed(random *rand.Rand) error {
	cmd := p.aex(append(withPrices("run", "--agent", "x", "--budget", "none", "--grace", "100ms", "--"), bot("loop", "4")...)...)
	if err := cmd.Start(); err != nil {
		return err
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = cmd.Wait() // it was killed
	}()
	time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
	who := random.IntN(4)
	monitors := monitorsOf(cmd.Process.Pid)
	if who == 0 || who == 3 || len(monitors) == 0 {
		_ = cmd.Process.Kill() // it may have ended
	}
	if who == 1 || who == 3 {
		for _, pid := range monitors {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if who == 2 || who == 3 {
		p.server.CloseClientConnections()
	}
	if who == 2 {
		time.Sleep(50 * time.Millisecond)
		_ = cmd.Process.Kill()
	}
	late := time.NewTimer(patient)
	defer late.Stop()
	select {
	case <-over:
	case <-late.C:
		p.row.add(&p.row.hangs, 1)
		_ = cmd.Process.Kill()
		<-over
	}
	return nil
}

// monitorsOf are the children of an aex.
func monitorsOf(aex int) (pids []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", aex))
	for _, task := range tasks {
		b, _ := os.ReadFile(task) // it may have ended
		for _, word := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// lastCent has callers in eight processes on what is left of one agent.
func (a *attacker) lastCent(r *row) error {
	const processes, budget = 8, "0.01"
	p, err := a.place(r, fake.Options{Behaviour: fake.Behaviour{OutputTokens: 10}})
	if err != nil {
		return err
	}
	defer p.leave()
	if out, code := p.do("agent", "create", "x", budget, "none"); code != 0 {
		return fmt.Errorf("%s", out)
	}
	var all sync.WaitGroup
	for i := range processes {
		all.Go(func() {
			n := a.sizes.callers*(i+1)/processes - a.sizes.callers*i/processes
			r.add(&r.tried, int64(n))
			cmd := p.aex(append(withPrices("run", "--agent", "x", "--budget", budget, "--grace", "100ms", "--"), bot("loop", strconv.Itoa(n))...)...)
			if out, code := p.finish(cmd, 3*time.Minute); code != 121 {
				r.fault("exit %d: %.300s", code, out)
			}
		})
	}
	all.Wait()
	p.survivors(20 * time.Second)
	p.books("x", 10_000)
	return nil
}

// trees are programs that fork, leave the session, ignore what asks them to
// end, and stop their monitor; the money runs out, or time.
func (a *attacker) trees(r *row) error {
	ways := []string{"hop", "forks", "deaf", "stops"}
	return a.apart(r, a.sizes.trees, perPlace{len(ways), 3}, plainly(16), func(b *batch) error {
		for i := range b.n {
			if a.over() {
				break
			}
			r.add(&r.tried, 1)
			way := ways[i%len(ways)]
			cmd := b.aex(append(withPrices("run", "--agent", "x", "--budget", "1.00", "--timeout", "400ms", "--grace", "50ms", "--orphans", "kill", "--"), bot(way)...)...)
			if out, code := b.finish(cmd, patient); code != 124 && code != 125 && code != 0 {
				r.fault("%s: exit %d: %.300s", way, code, out)
			}
			b.survivors(time.Second)
		}
		if !a.over() { // else there may be no such agent yet
			b.books("x", 1<<60)
		}
		return nil
	})
}
