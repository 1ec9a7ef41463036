//go:build linux || darwin

package process

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
)

// spawnMonitor starts the monitor, which then waits for the order to start the child.
func (p *Process) spawnMonitor(slave *os.File) error {
	program, err := executable()
	if err != nil {
		return fmt.Errorf("finding aex's own program for the monitor: %w", err)
	}
	ours, theirs, err := socketpair()
	if err != nil {
		return err
	}
	p.link = newLink(ours)
	p.spawn = &spawn{Inherited: inheritedDescriptors()}
	base := freeRun(p.spawn.Inherited, fdCount)
	attr := &syscall.ProcAttr{
		Env: []string{monitorEnv}, Files: p.monitorFiles(base, slave, theirs), Sys: monitorAttr(slave != nil, base+fdTerminal),
	}
	go p.forkMonitor(program, []string{"aex", monitorArg, strconv.Itoa(base)}, attr, theirs)
	return nil
}

// monitorFiles lays out the monitor's descriptors: the child's 0 to 2, what the caller passed on, and its own.
func (p *Process) monitorFiles(base int, slave, control *os.File) []uintptr {
	const none = ^uintptr(0)
	s, inherited := p.spawn, p.spawn.Inherited
	last := base + fdCount - 1
	for _, fd := range inherited {
		last = max(last, fd)
	}
	files := make([]uintptr, last+1)
	for i := range files {
		files[i] = none
	}
	for i, f := range []*os.File{p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr} {
		files[i] = f.Fd()
		if p.plan.slave[i] {
			files[i] = slave.Fd()
		}
	}
	for _, fd := range inherited {
		files[fd] = uintptr(fd)
	}
	files[base+fdControl] = control.Fd()
	if user := p.plan.user; user != nil {
		files[base+fdUser], s.User = uintptr(user.fd), true
		if slave == nil {
			files[base+fdTerminal], s.Terminal = uintptr(user.fd), true
		}
	}
	if slave != nil {
		files[base+fdTerminal], s.Terminal = slave.Fd(), true
	}
	return files
}

// freeRun is the lowest number above 2 from which n descriptors are not among taken, which is sorted or not.
func freeRun(taken []int, n int) int {
	used := map[int]bool{}
	for _, fd := range taken {
		used[fd] = true
	}
	for base := 3; ; base++ {
		free := true
		for i := range n {
			free = free && !used[base+i]
		}
		if free {
			return base
		}
	}
}

// forkMonitor forks, closes forked, and waits for the monitor's end. Its thread lives as long as the monitor: the
// parent-death signal follows the thread.
func (p *Process) forkMonitor(program string, argv []string, attr *syscall.ProcAttr, theirs *os.File) {
	runtime.LockOSThread()
	pid, err := syscall.ForkExec(program, argv, attr)
	theirs.Close() // else its death would not be seen
	if err == nil {
		monitors.add(pid)
		p.monitor, err = os.FindProcess(pid)
	}
	p.forkErr = err
	close(p.forked)
	ownCgroup() // soon to be asked for
	if err == nil {
		p.monitor.Wait()
		close(p.monitorDone)
	}
}
