//go:build linux || darwin

package process

import (
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// swept is what a sweep found.
type swept struct {
	Empty bool  `json:"empty,omitempty"` // nothing descends from the reaper any more, and nothing can
	Left  []int `json:"left,omitempty"`  // its children
}

// sweepTime bounds one sweep, so that the monitor hears what else it is asked to do.
const sweepTime = 20 * time.Millisecond

// sweepChildren signals all of this process's own children but the spared ones, until there are none or its time is
// over; signal 0 only looks. A process that forks and dies faster than its number can be looked up still has children
// that come to the tree's reaper, and so does one that the process table hides. A child keeps its number until it is
// reaped, which is only done here, so that no second look is needed.
func sweepChildren(s unix.Signal, reap func(), spare map[int]bool) (found swept) {
	var table processTable
	until := time.Now().Add(sweepTime)
	for {
		reap()
		if childless() {
			return swept{Empty: true}
		}
		before := found.Left
		found.Left = slices.DeleteFunc(table.children(os.Getpid()), func(pid int) bool { return spare[pid] })
		if s == 0 || time.Now().After(until) {
			return found
		}
		for _, pid := range found.Left {
			limitForks(pid)
			unix.Kill(pid, s)
		}
		if slices.Equal(before, found.Left) {
			if s == unix.SIGSTOP {
				return found
			}
			<-time.After(time.Millisecond)
		}
	}
}
