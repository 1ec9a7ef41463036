package process

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// processTable reads the kernel's process table. A process that leaves its parent belongs to launchd at once; of those
// only the ones that stayed in a listed process's group are still found.
type processTable struct{}

var errGone = errors.New("process is gone")

func fromKinfo(k *unix.KinfoProc) Proc {
	state := byte('R')
	switch k.Proc.P_stat {
	case 4: // SSTOP
		state = 'T'
	case 5: // SZOMB
		state = 'Z'
	}
	return Proc{
		PID: int(k.Proc.P_pid), Name: unix.ByteSliceToString(k.Proc.P_comm[:]), parent: int(k.Eproc.Ppid),
		start: uint64(k.Proc.P_starttime.Sec)*1e6 + uint64(k.Proc.P_starttime.Usec), state: state, threads: 1, group: int(k.Eproc.Pgid),
	}
}

func (t processTable) lookup(pid int) (Proc, error) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid {
		return Proc{}, errGone
	}
	return fromKinfo(k), nil
}

func (t processTable) descend(roots []int, spare map[int]bool, _ bool, found map[int]Proc) {
	all, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return
	}
	byParent, byGroup := map[int][]Proc{}, map[int][]Proc{}
	for i := range all {
		p := fromKinfo(&all[i])
		byParent[p.parent] = append(byParent[p.parent], p)
		byGroup[p.group] = append(byGroup[p.group], p)
	}
	isRoot := map[int]bool{}
	for _, pid := range roots {
		isRoot[pid] = true
	}
	queue := append([]int(nil), roots...)
	for len(queue) > 0 {
		pid := queue[0]
		queue = queue[1:]
		next := byParent[pid]
		if !isRoot[pid] {
			next = append(next, byGroup[pid]...)
		}
		for _, p := range next {
			if _, known := found[p.PID]; !known && !spare[p.PID] && !isRoot[p.PID] {
				found[p.PID] = p
				queue = append(queue, p.PID)
			}
		}
	}
}

func (t processTable) children(pid int) []int {
	found := map[int]Proc{}
	t.descend([]int{pid}, nil, false, found)
	var out []int
	for _, p := range found {
		if p.parent == pid {
			out = append(out, p.PID)
		}
	}
	return out
}

func (t processTable) signal(p Proc, s unix.Signal) error {
	if !mayBeSignalled(p.PID) {
		return fmt.Errorf("process %d is not to be signalled", p.PID)
	}
	if now, err := t.lookup(p.PID); err != nil || now.start != p.start {
		return errGone
	}
	return unix.Kill(p.PID, s)
}

func (t processTable) limitForks(Proc) {}

// outside: there are no other numbers here.
func (t *tree) outside(inside int) int { return inside }
