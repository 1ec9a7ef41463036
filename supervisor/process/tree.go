//go:build linux || darwin

package process

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// tree is all that descends from one monitor: where to look for it, and what was done to end it.
type tree struct {
	monitor   *monitorProcess
	cgroup    *cgroup // nil: the run has none
	strangers []Proc  // children that this process had before, from a shell that became aex by exec

	endings atomic.Int32 // calls of end under way: then aex is not suspended when the child stops
	polite  sync.Mutex   // held by a call of end that grants a grace: one at a time

	mu  sync.Mutex
	sum Ended // what all calls of end did
}

// strangers lists the children that this process has already.
func strangers() (list []Proc) {
	var table processTable
	for _, pid := range table.children(os.Getpid()) {
		if s, err := table.lookup(pid); err == nil {
			list = append(list, s)
		}
	}
	return list
}

// forest is this run's part of the process table. The monitor adopts the tree's orphans while it lives; when it has been
// killed, aex does.
func (t *tree) forest() *forest {
	roots := func() ([]int, map[int]bool) {
		if !t.monitor.gone() {
			return []int{t.monitor.process.Pid}, nil
		}
		spare := monitors.snapshot()
		var table processTable
		for _, s := range t.strangers {
			if now, err := table.lookup(s.PID); err == nil && now.start == s.start {
				spare[s.PID] = true
			}
		}
		return []int{os.Getpid()}, spare
	}
	reap := func() {
		if t.monitor.gone() {
			reapAdopted()
		}
	}
	sweep := func(s unix.Signal) (swept, bool) {
		if found, known := t.monitor.sweep(s); known {
			return found, true
		}
		_, spare := roots()
		found := sweepChildren(s, reapAdopted, spare)
		return found, knowsChildless && (found.Empty || len(found.Left) > 0) // with spared children the kernel never says that there are none
	}
	return &forest{roots: roots, cgroup: t.cgroup, reap: reap, sweep: sweep}
}

// end ends the tree, and answers what all its calls together did. In a full sandbox the kernel ends the tree (walls.go);
// any other is ended process by process (kill.go).
func (t *tree) end(grace time.Duration) Ended {
	t.endings.Add(1)
	defer t.endings.Add(-1)
	if grace > 0 {
		t.polite.Lock()
		defer t.polite.Unlock()
	}
	if t.monitor.contained() {
		return t.addUp(t.endContained(grace))
	}
	t.monitor.process.Signal(unix.SIGCONT) // the child may have stopped it
	return t.addUp(t.forest().end(grace))
}

// addUp adds what a call of end did to what all calls did.
func (t *tree) addUp(did Ended) Ended {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := map[identity]bool{}
	for _, q := range t.sum.Ended {
		known[identity{q.PID, q.start}] = true
	}
	for _, q := range did.Ended {
		if !known[identity{q.PID, q.start}] {
			t.sum.Ended = append(t.sum.Ended, q)
		}
	}
	t.sum.Survivors = did.Survivors
	return t.sum
}

// killed tells whether aex ended anything, so that the child may have left the screen in disorder.
func (t *tree) killed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sum.Ended) > 0
}

// removeCgroup removes the run's cgroup. What cannot be removed is swept by the next aex.
func (t *tree) removeCgroup() {
	if t.cgroup != nil {
		t.cgroup.remove()
	}
}
