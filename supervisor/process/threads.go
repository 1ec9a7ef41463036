//go:build linux || darwin

package process

import (
	"runtime"
	"sync"
)

// What aex and its monitor have of threads before the program is there: more than either uses in a busy run, 11 and 9 on
// two processors. Go ends the whole process where it needs one more and the system has none to give, as when the program
// has started all the processes that its user (ulimit -u) or its container may have.
const (
	aexThreads     = 6 // and one for each processor
	monitorThreads = 8
)

// ReserveThreads is for whoever is to last while others take what there is of processes: it makes the threads that aex
// will need.
func ReserveThreads() { reserveThreads(aexThreads + runtime.GOMAXPROCS(0)) }

// reserveThreads makes so many threads. They are kept, and are there when Go needs one.
func reserveThreads(n int) {
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
