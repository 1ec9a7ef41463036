//go:build linux || darwin

package process

import (
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// What aex and its monitor have of threads before the program is there: more than either uses in a busy run, 11 and 9 on
// two processors. Go ends the whole process where it needs one more and the system has none to give, as when the program
// has started all the processes that its user (ulimit -u) or its container may have.
const (
	aexThreads     = 6 // and one for each processor
	monitorThreads = 8
)

// ReserveThreads is for whoever is to last while others take what there is of processes: it makes the threads that aex
// will need, where so few processes are allowed that a program may take all of them.
func ReserveThreads() { reserveThreads(aexThreads + runtime.GOMAXPROCS(0)) }

// What aex, its monitor and a small program get along with. They reserve no threads where they are allowed less, and of
// the processes at most half of what is allowed beyond: otherwise they would take the last one themselves, where few are
// allowed, or where a container has more processors than processes. Where very many are allowed memory is gone before
// them, and a start is a tenth shorter without.
const (
	enoughProcesses = 40      // with threads
	fewProcesses    = 10_000  // likewise
	enoughSpace     = 2 << 30 // bytes of addresses, of which each thread takes some
)

// roomForThreads is how many threads may be reserved, where so many bytes of addresses and so many processes are allowed.
func roomForThreads(space, processes uint64) int {
	if space < enoughSpace || processes < enoughProcesses || processes > fewProcesses {
		return 0
	}
	return int(processes-enoughProcesses) / 2
}

// limits are the limits of this process and of its container, as far as they are known.
func limits() (space, processes uint64) {
	space, processes = math.MaxUint64, math.MaxUint64
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &l) == nil {
		space = l.Cur
	}
	if unix.Getrlimit(unix.RLIMIT_NPROC, &l) == nil {
		processes = l.Cur
	}
	for _, name := range []string{"/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"} {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // there is no such limit
		}
		if most, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil { // else it is "max"
			processes = min(processes, most)
		}
	}
	return space, processes
}

// reserveThreads makes so many threads, or as many as there is room for. They are kept, and are there when Go needs one.
func reserveThreads(n int) {
	n = min(n, roomForThreads(limits()))
	var made, over sync.WaitGroup
	made.Add(n)
	enough := make(chan struct{})
	for range n {
		over.Go(func() {
			runtime.LockOSThread() // one thread for each, as long as all wait
			defer runtime.UnlockOSThread()
			made.Done()
			<-enough
		})
	}
	made.Wait()
	close(enough)
	over.Wait()
}
