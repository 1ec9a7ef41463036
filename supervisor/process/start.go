//go:build linux || darwin

package process

import (
	"errors"
	"fmt"
	"os"
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
	return Prepare(c).Launch()
}

// startedBy is the parent of this process, asked before that could die unseen.
var startedBy = os.Getppid()

// Launcher is a monitor that waits for its program. A new process takes about as long to come up as a ledger takes to
// open, and nobody has to wait for the one before doing the other.
type Launcher struct {
	Command // Argv, Env, Dir and RunID count at Launch, the rest at Prepare

	p     *Process
	slave *os.File // of the child's terminal, if it gets one
	err   error    // why there is no monitor
}

// Prepare starts the monitor of a program that Launch will start. Until then a signal that asks aex to stop ends it, and
// the terminal is left alone. What goes wrong is told by Err and by Launch. The caller must Launch or Close what it
// returns.
func Prepare(c Command) *Launcher {
	l := &Launcher{Command: c}
	if l.err = l.prepare(); l.err != nil {
		l.Close()
	}
	return l
}

func (l *Launcher) prepare() (err error) {
	if os.Getenv("AEX_MONITOR") != "" {
		return errors.New("a monitor may not supervise: main has to call supervisor.MonitorMain first")
	}
	c := &l.Command
	c.Stdin, c.Stdout, c.Stderr = orStandard(c.Stdin, os.Stdin), orStandard(c.Stdout, os.Stdout), orStandard(c.Stderr, os.Stderr)
	if err := becomeSubreaper(); err != nil {
		return fmt.Errorf("becoming the reaper of the tree: %w", err)
	}
	l.p = &Process{
		cmd: *c, plan: planTerminal(c.TTY, [3]*os.File{c.Stdin, c.Stdout, c.Stderr}),
		launching: make(chan struct{}), caught: make(chan *signals, 1),
		done: make(chan struct{}), forked: make(chan struct{}), monitorDone: make(chan struct{}), closing: make(chan struct{}), loopDone: make(chan struct{}),
		interrupted: make(chan os.Signal, 1),
	}
	var table processTable
	for _, pid := range table.children(os.Getpid()) {
		if s, err := table.lookup(pid); err == nil {
			l.p.strangers = append(l.p.strangers, s)
		}
	}
	if l.slave, err = l.p.openPty(); err != nil {
		return err
	}
	if err := l.p.spawnMonitor(l.slave); err != nil {
		return err
	}
	go l.p.catchSignals()
	return nil
}

// Err is why there is no monitor; nil, as far as is known, when there is one.
func (l *Launcher) Err() error { return l.err }

// Close lets a monitor go that was not used. After Launch it does nothing.
func (l *Launcher) Close() {
	if l.p == nil {
		return
	}
	l.p.abort()
	if l.slave != nil {
		l.slave.Close()
	}
	l.p = nil
}

// Launch starts the program, as Start says.
func (l *Launcher) Launch() (*Process, error) {
	p := l.p
	switch {
	case l.err != nil:
		return nil, l.err
	case p == nil:
		return nil, errors.New("the monitor was let go")
	}
	p.cmd = l.Command
	err := p.launch()
	if err != nil {
		l.Close()
		return nil, err
	}
	// Open until the child runs: some kernels report an end of file on a master whose slave nobody has open.
	if l.slave != nil {
		l.slave.Close()
	}
	l.p = nil
	return p, nil
}

// catchSignals takes its time, a trip through another thread for each signal, while the caller does something else.
func (p *Process) catchSignals() {
	s := catchSignals()
	s.obey(p.launching)
	p.caught <- s
}

// takeSignals ends what catchSignals does, which Prepare starts as soon as nothing can fail any more.
func (p *Process) takeSignals() {
	if p.signals == nil {
		close(p.launching)
		p.signals = <-p.caught
	}
}

func orStandard(f, standard *os.File) *os.File {
	if f == nil {
		return standard
	}
	return f
}

// launch has the monitor start the child, and starts everything that serves them.
func (p *Process) launch() error {
	if len(p.cmd.Argv) == 0 {
		return fmt.Errorf("%w: no program is given", ErrNotFound)
	}
	path, err := lookPath(p.cmd.Argv[0], p.cmd.Dir, p.cmd.Env)
	if err != nil {
		return err
	}
	if <-p.forked; p.forkErr != nil {
		return fmt.Errorf("starting the monitor: %w", p.forkErr)
	}
	p.takeSignals()
	p.signals.catchStop()
	p.dressTerminals()
	p.cgroup = makeCgroup(p.cmd.RunID)
	p.spawn.Path, p.spawn.Dir, p.spawn.Argv, p.spawn.Env = []byte(path), []byte(p.cmd.Dir), toBytes(p.cmd.Argv), toBytes(p.cmd.Env)
	p.spawn.Foreground, p.spawn.IgnoreQuit = p.front, p.signals.ignored[unix.SIGQUIT]
	if p.cgroup != nil {
		p.spawn.Cgroup = p.cgroup.dir
	}
	reports, err := p.greet()
	if err != nil {
		return err
	}
	if p.cmd.DieWithParent {
		p.owned.Go(func() {
			if awaitParent(startedBy, p.closing) {
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

// openPty makes the child's terminal, as planned.
func (p *Process) openPty() (slave *os.File, err error) {
	p.wants = p.plan.foreground
	if p.plan.pty {
		var master *os.File
		if master, slave, err = openPty(); err != nil {
			if p.cmd.TTY == TTYForce {
				return nil, err
			}
			// No pty can be had: the child gets the descriptors as they are.
			p.plan.pty = false
		} else {
			p.master = master
			p.relay = newRelay(master, p.plan.user, p.cmd.Stdout)
			p.relay.gone = p.hangUp
			p.relay.changed = p.tellUndo
		}
	}
	if p.relay == nil {
		p.plan.slave = [3]bool{}
	}
	return slave, nil
}

// dressTerminals gives the child's terminal the looks of the caller's, and makes that raw.
func (p *Process) dressTerminals() {
	p.front = p.wants && (p.plan.user == nil || p.plan.user.foreground())
	switch {
	case p.relay == nil:
		return
	case p.plan.user == nil:
		p.dressTerminal()
		return
	}
	p.copySettings()
	p.copySize()
	if p.front {
		if err := p.plan.user.makeRaw(p.plan.keepOutput); err != nil {
			p.front = false
		}
	}
}

// greet sends the child's description and waits for it to run.
func (p *Process) greet() (<-chan report, error) {
	if p.cmd.Sensitive {
		// Not before the monitor is there: a process that cannot be dumped may not set up what that needs. Not
		// after the program is: it would read aex's environment in between.
		if err := becomeUndumpable(); err != nil {
			return nil, fmt.Errorf("hiding aex's memory: %w", err)
		}
	}
	p.link.f.SetDeadline(time.Now().Add(startLimit))
	p.asked = true
	if err := p.link.send(order{Spawn: p.spawn}); err != nil {
		return nil, fmt.Errorf("talking to the monitor: %w", err)
	}
	p.tellRestore()
	var first report
	if err := p.link.receive(&first); err != nil {
		return nil, fmt.Errorf("the monitor did not start the program: %w", err)
	}
	p.asked = false
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
	if p.spawn != nil {
		<-p.forked // it needs the files that are closed now
		p.takeSignals()
	}
	if p.plan.user != nil {
		p.plan.user.restore()
		p.plan.user.f.Close()
	}
	if p.link != nil {
		p.link.f.Close() // the monitor exits, with whatever it has started
	}
	if p.monitor != nil {
		p.awaitMonitor()
		if p.asked {
			// A monitor that was killed before it could tell of the child has ended nothing.
			p.forest().end(0)
		}
		monitors.remove(p.monitor.Pid)
	}
	if p.master != nil {
		p.master.Close()
	}
	if p.cgroup != nil {
		p.cgroup.remove()
	}
	if p.signals != nil {
		p.signals.close()
	}
}
