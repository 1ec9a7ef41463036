//go:build linux || darwin

package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// startLimit bounds what lies between aex and a running child: a fork, an exec, and a few messages.
const startLimit = 30 * time.Second

// startedBy is the parent of this process, asked before that could die unseen.
var startedBy = os.Getppid()

// Launcher is a monitor that waits for its program. It comes up while its caller reads settings and opens a ledger, which
// makes `aex run -- true` 5.9 ms quicker: 25.6 ms against 31.5, the medians of 150 alternating runs on two busy cores.
type Launcher struct {
	Command // Argv, Env, Dir and RunID count at Launch, the rest at Prepare

	p   *Process // nil: there is none, or no longer
	err error    // why there is no monitor
}

// Prepare starts the monitor of a program that Launch will start. Until then a signal that asks aex to stop ends it, and
// the terminal is left alone. What goes wrong is told by Err and by Launch. The caller must Launch or Close what it
// returns.
func Prepare(c Command) *Launcher {
	l := &Launcher{Command: c.withStandard()}
	l.p, l.err = prepare(l.Command)
	return l
}

func prepare(c Command) (*Process, error) {
	if os.Getenv("AEX_MONITOR") != "" {
		return nil, errors.New("a monitor may not supervise: main has to call process.MonitorMain first")
	}
	if err := becomeSubreaper(); err != nil {
		return nil, fmt.Errorf("becoming the reaper of the tree: %w", err)
	}
	t, err := openTerminals(c)
	if err != nil {
		return nil, err
	}
	before := strangers()
	m, err := startAt(c, t)
	if err != nil {
		t.abandon()
		return nil, err
	}
	p := &Process{
		monitor: m, terminals: t, tree: &tree{monitor: m, strangers: before}, signals: catchSignals(m), end: childEnd{done: make(chan struct{})},
		interrupted: make(chan os.Signal, 1), closing: make(chan struct{}), looped: make(chan struct{}), restored: make(chan struct{}),
	}
	p.close = sync.OnceValue(p.closed)
	return p, nil
}

// startAt starts a monitor for the best level of a sandbox that the machine does not refuse at once.
func startAt(c Command, t *terminals) (*monitorProcess, error) {
	if c.Sandbox == "" || c.Sandbox == sandbox.Off {
		return startMonitor(c, t, sandbox.Have{})
	}
	m, err := startMonitor(c, t, sandbox.Have{Level: sandbox.Full})
	if err == nil {
		return m, nil
	}
	why := lesser(sandbox.Explain(&sandbox.StepError{Step: sandbox.StepStart, Err: err}))
	if c.Sandbox == sandbox.Require {
		return nil, notFull(why)
	}
	return startMonitor(c, t, why)
}

// Err is why there is no monitor; nil, as far as is known, when there is one.
func (l *Launcher) Err() error { return l.err }

// Insisted is closed when a second signal has asked aex to stop, also after Launch. nil: there is no monitor.
func (l *Launcher) Insisted() <-chan struct{} {
	if l.p == nil {
		return nil
	}
	return l.p.signals.insisted
}

// Close lets a monitor go that was not used. After Launch it does nothing.
func (l *Launcher) Close() {
	if l.p != nil {
		l.p.abort()
		l.p = nil
	}
}

// Launch starts the program below its monitor. Its error wraps ErrNotFound or ErrNotExecutable when the program is the
// reason; then, as after any error, nothing is left running and the terminal is as it was. The caller must Close the
// Process. There is one Process at a time in a program; it owns the program's signals.
func (l *Launcher) Launch() (*Process, error) {
	switch {
	case l.err != nil:
		return nil, l.err
	case l.p == nil:
		return nil, errors.New("the monitor was let go")
	}
	if _, _, err := l.Sandbox(); err != nil {
		l.Close()
		return nil, err
	}
	p := l.p
	p.cmd = l.Command
	if err := p.launch(); err != nil {
		l.Close()
		return nil, err
	}
	l.p = nil
	return p, nil
}

// launch has the monitor start the child, and starts everything that serves them.
func (p *Process) launch() error {
	if len(p.cmd.Argv) == 0 {
		return fmt.Errorf("%w: no program is given", ErrNotFound)
	}
	if err := p.monitor.awaitFork(); err != nil {
		return err
	}
	path, err := lookPath(p.cmd.Argv[0], p.cmd.Dir, p.cmd.Env)
	if err != nil {
		return err
	}
	p.signals.handOver()
	ReserveThreads()
	p.terminals.dress()
	p.walls()
	if !p.monitor.contained() {
		p.tree.cgroup = makeCgroup(p.cmd.RunID)
	}
	s := p.monitor.spawn
	s.Path, s.Dir, s.Argv, s.Env = []byte(path), []byte(p.cmd.Dir), toBytes(p.cmd.Argv), toBytes(p.cmd.Env)
	s.Foreground, s.IgnoreQuit = p.terminals.front, p.signals.ignored[unix.SIGQUIT]
	if p.tree.cgroup != nil {
		s.Cgroup = p.tree.cgroup.dir
	}
	if err := p.greet(); err != nil {
		return err
	}
	if p.cmd.DieWithParent {
		p.owned.Go(func() {
			if awaitParent(startedBy, p.closing) {
				p.signals.all <- unix.SIGTERM
			}
		})
	}
	p.terminals.start(p.child, p.signals)
	reports := make(chan report)
	p.owned.Go(func() { p.receive(reports) })
	go p.loop(reports)
	return nil
}

// greet sends the child's description and waits for it to run.
func (p *Process) greet() error {
	if p.cmd.Sensitive {
		// Not before the monitor is there: a process that cannot be dumped may not set up what that needs. Not
		// after the program is: it would read aex's environment in between.
		if err := becomeUndumpable(); err != nil {
			return fmt.Errorf("hiding aex's memory: %w", err)
		}
	}
	m := p.monitor
	m.f.SetDeadline(time.Now().Add(startLimit))
	m.asked = true
	if err := m.send(order{Spawn: m.spawn}); err != nil {
		return fmt.Errorf("talking to the monitor: %w", err)
	}
	p.terminals.sendRestore()
	var first report
	if err := m.link.receive(&first); err != nil {
		return fmt.Errorf("the monitor did not start the program: %w", err)
	}
	m.asked = false
	m.f.SetDeadline(time.Time{})
	if first.Refused != "" {
		return errors.New(first.Refused)
	}
	if first.Started == 0 {
		return p.startError(syscall.Errno(first.Failed))
	}
	p.child = first.Started
	return p.entered()
}

// receive hands the monitor's reports to the loop, until the monitor ends or the loop does.
func (p *Process) receive(reports chan<- report) {
	defer close(reports)
	for {
		var r report
		if p.monitor.receive(&r) != nil {
			return
		}
		if r.Emptied {
			p.monitor.empty.Do(func() { close(p.monitor.emptied) })
			continue
		}
		if r.Swept != nil {
			p.monitor.swept <- *r.Swept // it has room: there is one question at a time
			continue
		}
		select {
		case reports <- r:
		case <-p.closing:
			return
		}
	}
}

// startError tells why the kernel did not start a program that is there.
func (p *Process) startError(errno syscall.Errno) error {
	name, path := p.cmd.Argv[0], string(p.monitor.spawn.Path)
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.cmd.Dir, path)
	}
	_, gone := os.Stat(path)
	by := interpreter(path)
	switch {
	case errno == syscall.ENOENT && gone == nil && by != "":
		return noInterpreter{name, "its first line names the interpreter " + by + ", which is not there"}
	case errno == syscall.ENOENT && gone == nil:
		return noInterpreter{name, "the loader that it was built for is not there"}
	case errors.Is(errno, syscall.ENOENT), errors.Is(errno, syscall.ENOTDIR):
		return fmt.Errorf("%w: %s: it, or the directory to start it in, is not there", ErrNotFound, name)
	case errors.Is(errno, syscall.EACCES) && by != "":
		return fmt.Errorf("%w: %s: it, or its interpreter %s, may not be executed", ErrNotExecutable, name, by)
	case errors.Is(errno, syscall.EAGAIN), errors.Is(errno, syscall.ENOMEM):
		return fmt.Errorf("starting %s: %w", name, errno)
	default:
		return fmt.Errorf("%w: %s: %w", ErrNotExecutable, name, errno)
	}
}

// noInterpreter is ErrNoInterpreter, and says which.
type noInterpreter struct{ program, why string }

func (e noInterpreter) Error() string { return e.program + ": " + e.why }
func (e noInterpreter) Is(target error) bool {
	return target == ErrNotFound || target == ErrNoInterpreter
}

// abort undoes a launch that did not come about.
func (p *Process) abort() {
	noMonitor := p.monitor.awaitFork() != nil
	p.signals.handOver()
	p.terminals.closeSlave()
	p.monitor.closeInside()
	p.monitor.f.Close() // the monitor exits, with whatever it has started
	p.monitor.awaitEnd()
	if p.monitor.asked {
		// A monitor that was killed before it could tell of the child has ended nothing.
		p.tree.forest().end(0)
	}
	p.terminals.abandon()
	p.tree.removeCgroup()
	if !noMonitor {
		monitors.remove(p.monitor.process.Pid)
	}
	p.signals.close()
}
