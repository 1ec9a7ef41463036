//go:build linux || darwin

package process

import (
	"cmp"
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Proc is a process of the tree.
type Proc struct {
	PID    int    `json:"pid"`
	Name   string `json:"name"`             // of the program, without its arguments: those may hold what must not be written anywhere
	Reason string `json:"reason,omitempty"` // why a survivor could not be ended

	parent  int
	start   uint64 // distinguishes it from another process that gets the same number later
	state   byte   // as in /proc: R, S, D, T, Z ...
	threads int
	group   int
}

// alive is false for a zombie. A process whose first thread alone has ended looks like one, and is not.
func (p Proc) alive() bool { return p.state != 'Z' && p.state != 'X' || p.threads > 1 }

// Ending says how a tree is ended.
type Ending struct {
	// Grace is the time between TERM and KILL. Zero: KILL at once.
	Grace time.Duration
}

// Ended is what an ending did.
type Ended struct {
	Ended     []Proc // was part of the tree when the ending began, or came to it later, and is gone; oldest first
	Survivors []Proc // could not be ended, each with the reason
}

// killLimit bounds the rounds of KILL. What survives it cannot be killed: it is named.
const killLimit = 5 * time.Second

// forest is the part of the process table that descends from some roots, and knows how to end it. The roots
// themselves (aex, the monitor) are not part of it.
type forest struct {
	table  processTable
	roots  func() (pids []int, spare map[int]bool) // spare: not part of it, nor what descends from them
	cgroup *cgroup                                 // nil: none
	settle func()                                  // reaps what this process has to reap; may be nil
}

// list returns the tree's living processes. A thorough list reads the whole process table and not only the lists of
// children, which may miss a process while its siblings exit.
func (f *forest) list(thorough bool) []Proc {
	roots, spare := f.roots()
	found := map[int]Proc{}
	f.table.descend(roots, spare, thorough, found)
	if f.cgroup != nil {
		for _, pid := range f.cgroup.processes() {
			if p, err := f.table.lookup(pid); err == nil && found[pid].PID == 0 && mayBeSignalled(pid) {
				found[pid] = p
			}
		}
	}
	var out []Proc
	for pid, p := range found {
		if p.alive() && mayBeSignalled(pid) && !spare[pid] {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, older)
	return out
}

// older sorts by age, so that the child comes before its children.
func older(a, b Proc) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.PID, b.PID)) }

// mayBeSignalled guards against the numbers that mean everybody, a group, init, or aex itself and its caller.
func mayBeSignalled(pid int) bool { return pid > 1 && pid != os.Getpid() && pid != os.Getppid() }

type identity struct {
	pid   int
	start uint64
}

// end sends TERM and CONT to the tree, waits for grace, and then KILLs until two looks in a row, one of them thorough, find it
// empty, or the limit is reached.
func (f *forest) end(grace time.Duration) Ended {
	seen := map[identity]Proc{}
	quiet := 0 // looks in a row that found nothing; one of them at least is thorough
	sure := grace > 0 && f.terminate(grace, seen)
	if sure {
		quiet = 1
	}
	refused := map[identity]error{}
	deadline := time.Now().Add(killLimit)
	var left []Proc
	for pause := time.Millisecond; quiet < 2; {
		if f.settle != nil {
			f.settle()
		}
		left = f.list(quiet > 0 && !sure)
		if len(left) == 0 {
			quiet++
			continue
		}
		quiet, sure = 0, false
		if time.Now().After(deadline) {
			break
		}
		if f.cgroup != nil {
			f.cgroup.kill()
		}
		for _, p := range left {
			seen[identity{p.PID, p.start}] = p
			if err := f.table.signal(p, unix.SIGKILL); err != nil {
				refused[identity{p.PID, p.start}] = err
			}
		}
		<-time.After(pause)
		pause = min(2*pause, 50*time.Millisecond)
	}
	var done Ended
	for _, p := range left {
		id := identity{p.PID, p.start}
		delete(seen, id)
		p.Reason = "it does not die"
		switch {
		case errors.Is(refused[id], unix.EPERM):
			p.Reason = "it runs as another user"
		case p.state == 'D':
			p.Reason = "it is in an uninterruptible wait"
		}
		done.Survivors = append(done.Survivors, p)
	}
	done.Ended = slices.SortedFunc(maps.Values(seen), older)
	return done
}

// terminate asks politely. A stopped process takes TERM only when it is continued. What a process starts to clean up
// after itself is not told: only the first looks, which catch what was being forked meanwhile, send TERM. It reports
// whether a thorough look found nothing any more.
func (f *forest) terminate(grace time.Duration, seen map[identity]Proc) (empty bool) {
	deadline := time.Now().Add(grace)
	const looks = 3
	for look, pause := 0, time.Millisecond; ; look++ {
		if f.settle != nil {
			f.settle()
		}
		live := f.list(false)
		if len(live) == 0 {
			if live = f.list(true); len(live) == 0 {
				return true
			}
		}
		if time.Now().After(deadline) {
			return false
		}
		for _, p := range live {
			id := identity{p.PID, p.start}
			if _, told := seen[id]; !told && look < looks {
				f.table.signal(p, unix.SIGTERM)
				f.table.signal(p, unix.SIGCONT)
			}
			seen[id] = p
		}
		<-time.After(min(pause, time.Until(deadline)))
		pause = min(2*pause, 25*time.Millisecond)
	}
}
