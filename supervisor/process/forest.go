//go:build linux || darwin

package process

import (
	"cmp"
	"os"
	"slices"

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

// alive is false for a zombie. A process of which only the first thread has ended looks like one, but is alive.
func (p Proc) alive() bool { return p.state != 'Z' && p.state != 'X' || p.threads > 1 }

type identity struct {
	pid   int
	start uint64
}

// forest is the part of the process table that descends from some roots. The roots themselves (aex, the monitor) are
// not part of it.
type forest struct {
	table  processTable
	roots  func() (pids []int, spare map[int]bool) // spare and its descendants are not part of the forest
	cgroup *cgroup                                 // nil: none
	reap   func()                                  // reaps what this process has to reap; nil: nothing

	// sweep signals the children of the process that reaps the tree, as sweepChildren does; known is false when it
	// cannot. nil: there is nobody.
	sweep func(s unix.Signal) (found swept, known bool)
}

// reapDead takes the forest's dead out of the process table, where this process has to do that.
func (f *forest) reapDead() {
	if f.reap != nil {
		f.reap()
	}
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
