//go:build linux || darwin

package process

import (
	"maps"
	"os"
	"sync"
	"syscall"
)

// monitors are the children of this process that are not part of any tree: something else waits for them.
var monitors = family{members: map[int]bool{}}

type family struct {
	mu      sync.Mutex
	members map[int]bool
}

func (f *family) add(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members[pid] = true
}

func (f *family) remove(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.members, pid)
}

func (f *family) snapshot() map[int]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.members)
}

// reapAdopted reaps the dead that this process inherited: as pid 1 of a container, or after its monitor was killed. It
// waits for each by number and not for just any child, which would steal a monitor's status from its owner.
func reapAdopted() {
	spare := monitors.snapshot()
	var table processTable
	for _, pid := range table.children(os.Getpid()) {
		if p, err := table.lookup(pid); err == nil && !p.alive() && !spare[pid] {
			syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}
