//go:build linux || darwin

package supervisor

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// startLimit bounds what lies between aex and a running child: a fork, an exec, and a few messages.
const startLimit = 30 * time.Second

// Start starts a program below a monitor. Its error wraps ErrNotFound or ErrNotExecutable when the program is the
// reason; then, as after any error, nothing is left running and the terminal is as it was. The caller must Close the
// Process. There is one Process at a time in a program; it owns the program's signals.
func Start(c Command) (*Process, error) {
	if os.Getenv("AEX_MONITOR") != "" {
		return nil, errors.New("a monitor may not supervise: main has to call supervisor.MonitorMain first")
	}
	c.Stdin, c.Stdout, c.Stderr = orStandard(c.Stdin, os.Stdin), orStandard(c.Stdout, os.Stdout), orStandard(c.Stderr, os.Stderr)
	if len(c.Argv) == 0 {
		return nil, fmt.Errorf("%w: no program is given", ErrNotFound)
	}
	path, err := lookPath(c.Argv[0], c.Dir, c.Env)
	if err != nil {
		return nil, err
	}
	if err := becomeSubreaper(); err != nil {
		return nil, fmt.Errorf("becoming the reaper of the tree: %w", err)
	}
	p := &Process{
		cmd: c, plan: planTerminal(c.TTY, [3]*os.File{c.Stdin, c.Stdout, c.Stderr}),
		done: make(chan struct{}), monitorDone: make(chan struct{}), closing: make(chan struct{}), loopDone: make(chan struct{}),
		interrupted: make(chan os.Signal, 1),
	}
	p.signals = catchSignals()
	if err := p.launch(path); err != nil {
		p.abort()
		return nil, err
	}
	return p, nil
}

func orStandard(f, standard *os.File) *os.File {
	if f == nil {
		return standard
	}
	return f
}

// launch starts monitor and child, and everything that serves them.
func (p *Process) launch(path string) error {
	slave, err := p.openTerminals()
	if err != nil {
		return err
	}
	if slave != nil {
		// Open until the child runs: some kernels report an end of file on a master whose slave nobody has open.
		defer slave.Close()
	}
	p.cgroup = makeCgroup(p.cmd.RunID)
	reports, err := p.spawnMonitor(path, slave)
	if err != nil {
		return err
	}
	if p.cmd.DieWithParent {
		p.owned.Go(func() {
			if awaitParent(p.closing) {
				p.signals.all <- unix.SIGTERM
			}
		})
	}
	if p.relay != nil {
		go p.relay.output()
		if p.plan.user != nil {
			go p.relay.input()
		}
		p.relay.allowInput(p.front)
	}
	go p.loop(reports)
	return nil
}

// openTerminals makes the child's terminal and the caller's raw, as planned.
func (p *Process) openTerminals() (slave *os.File, err error) {
	p.wants = p.plan.foreground
	if p.plan.pty {
		var master *os.File
		if master, slave, err = openPty(); err != nil {
			if p.cmd.TTY == TTYForce {
				return nil, err
			}
			// No pty can be had: the child gets the descriptors as they are.
			p.plan.pty, p.plan.slave = false, [3]bool{}
		} else {
			p.master = master
			p.relay = newRelay(master, p.plan.user, p.cmd.Stdout)
			p.relay.gone = p.hangUp
			p.relay.changed = p.tellUndo
		}
	}
	p.front = p.wants && (p.plan.user == nil || p.plan.user.foreground())
	if p.relay == nil {
		p.plan.slave = [3]bool{}
		return slave, nil
	}
	if p.plan.user == nil {
		p.dressTerminal()
		return slave, nil
	}
	p.copySettings()
	p.copySize()
	if p.front {
		if err := p.plan.user.makeRaw(p.plan.keepOutput); err != nil {
			p.front = false
		}
	}
	return slave, nil
}

// spawnMonitor starts the monitor, has it start the child, and returns what it reports from then on.
func (p *Process) spawnMonitor(path string, slave *os.File) (<-chan report, error) {
	program, err := executable()
	if err != nil {
		return nil, fmt.Errorf("finding aex's own program for the monitor: %w", err)
	}
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	p.link = newLink(ours)
	inherited := inheritedDescriptors()
	base := freeRun(inherited, fdCount)
	s := &spawn{
		Path: []byte(path), Dir: []byte(p.cmd.Dir), Argv: toBytes(p.cmd.Argv), Env: toBytes(p.cmd.Env), Inherited: inherited,
		Foreground: p.front, IgnoreQuit: p.signals.ignored[unix.SIGQUIT],
	}
	files := p.monitorFiles(s, base, inherited, slave, theirs)
	attr := &syscall.ProcAttr{
		Env: []string{monitorEnv}, Files: files, Sys: monitorAttr(slave != nil, base+fdTerminal),
	}
	if p.cgroup != nil {
		if dir, err := p.cgroup.open(); err == nil {
			defer dir.Close()
			files[base+fdCgroup], s.InCgroup, s.Cgroup = dir.Fd(), true, p.cgroup.dir
		}
	}
	if err := p.forkMonitor(program, []string{"aex", monitorArg, strconv.Itoa(base)}, attr); err != nil {
		return nil, fmt.Errorf("starting the monitor: %w", err)
	}
	theirs.Close() // else its death would not be seen
	return p.greet(s)
}

// monitorFiles lays out the monitor's descriptors: the child's 0 to 2, what the caller passed on, and its own.
func (p *Process) monitorFiles(s *spawn, base int, inherited []int, slave, control *os.File) []uintptr {
	const none = ^uintptr(0)
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

// forkMonitor forks from a thread that lives as long as the monitor: its parent-death signal follows the thread.
func (p *Process) forkMonitor(program string, argv []string, attr *syscall.ProcAttr) error {
	forked := make(chan error)
	go func() {
		runtime.LockOSThread()
		pid, err := syscall.ForkExec(program, argv, attr)
		if err == nil {
			monitors.add(pid)
			p.monitor, err = os.FindProcess(pid)
		}
		forked <- err
		if err == nil {
			p.monitor.Wait()
			close(p.monitorDone)
		}
	}()
	return <-forked
}

// greet sends the child's description and waits for it to run.
func (p *Process) greet(s *spawn) (<-chan report, error) {
	if p.cmd.Sensitive {
		// Not before the monitor is there: a process that cannot be dumped may not set up what that needs. Not
		// after the program is: it would read aex's environment in between.
		if err := becomeUndumpable(); err != nil {
			return nil, fmt.Errorf("hiding aex's memory: %w", err)
		}
	}
	p.link.f.SetDeadline(time.Now().Add(startLimit))
	if err := p.link.send(order{Spawn: s}); err != nil {
		return nil, fmt.Errorf("talking to the monitor: %w", err)
	}
	p.tellRestore()
	var first report
	if err := p.link.receive(&first); err != nil {
		return nil, fmt.Errorf("the monitor did not start the program: %w", err)
	}
	p.link.f.SetDeadline(time.Time{})
	if first.Started == 0 {
		return nil, startError(syscall.Errno(first.Failed), p.cmd.Argv[0])
	}
	p.child = first.Started
	reports := make(chan report)
	p.owned.Go(func() {
		defer close(reports)
		for {
			var r report
			if p.link.receive(&r) != nil {
				return
			}
			select {
			case reports <- r:
			case <-p.closing:
				return
			}
		}
	})
	return reports, nil
}

func startError(errno syscall.Errno, name string) error {
	switch {
	case errors.Is(errno, syscall.ENOENT), errors.Is(errno, syscall.ENOTDIR):
		return fmt.Errorf("%w: %s: it, or what its first line names, is not there", ErrNotFound, name)
	case errors.Is(errno, syscall.EAGAIN), errors.Is(errno, syscall.ENOMEM):
		return fmt.Errorf("starting %s: %w", name, errno)
	default:
		return fmt.Errorf("%w: %s: %w", ErrNotExecutable, name, errno)
	}
}

// abort undoes a launch that did not come about.
func (p *Process) abort() {
	if p.plan.user != nil {
		p.plan.user.restore()
		p.plan.user.f.Close()
	}
	if p.link != nil {
		p.link.f.Close() // the monitor exits, with whatever it has started
	}
	if p.monitor != nil {
		p.awaitMonitor()
		// A monitor that was killed before it could tell of the child has ended nothing.
		p.forest().end(0)
		monitors.remove(p.monitor.Pid)
	}
	if p.master != nil {
		p.master.Close()
	}
	if p.cgroup != nil {
		p.cgroup.remove()
	}
	p.signals.close()
}
