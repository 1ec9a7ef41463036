//go:build linux || darwin

package process

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// Walls are what is known of a sandbox when its program is launched.
type Walls struct {
	Covers []sandbox.Cover
	// Ports are those that the network level lets the program connect to.
	Ports []uint16
	// Local are ports of the host's loopback that appear inside. Process.Local has a listener for each.
	Local []uint16
}

// sandboxed says what the monitor is to make of its inside, in the order that starts the child.
type sandboxed struct {
	Level  sandbox.Level
	Covers []cover
	Ports  []uint16
	Local  []uint16
}

// cover is a sandbox.Cover whose path is bytes.
type cover struct {
	Path, Text []byte
	Must       bool
	Keep       [][]byte
}

// ready is what the monitor tells when it has made the inside of a full sandbox. The gateway's listener comes with it.
type ready struct {
	Missing []sandbox.Missing
	Failed  string // the step that was refused; "": none
	Why     string
	Errno   int
}

// Sandbox returns the level that was had, and the listener that a program inside reaches at the listener's address; it is
// nil but for the full level. It waits for the monitor. Without a full one it starts a monitor of its own for the next
// level, unless the full one is required.
func (l *Launcher) Sandbox() (sandbox.Have, net.Listener, error) {
	if l.err != nil || l.p == nil || l.Command.Sandbox == sandbox.Off || l.Command.Sandbox == "" {
		return sandbox.Have{}, nil, l.err
	}
	m := l.p.monitor
	if m.have.Level == sandbox.Full && m.inside == nil {
		if err := m.awaitInside(l.Command.Within); err != nil {
			if err := l.fallBack(sandbox.Explain(err)); err != nil {
				return sandbox.Have{}, nil, err
			}
		}
	}
	m = l.p.monitor
	if l.Command.Sandbox == sandbox.Require && (m.have.Level != sandbox.Full || len(m.have.Missing) > 0) {
		return m.have, nil, notFull(m.have)
	}
	return m.have, m.inside, nil
}

func notFull(h sandbox.Have) error {
	return fmt.Errorf("%w: %w", sandbox.ErrNotFull, h.Missing[0])
}

// awaitInside waits for the inside of a full sandbox.
func (m *monitorProcess) awaitInside(within bool) error {
	m.f.SetDeadline(time.Now().Add(startLimit))
	defer m.f.SetDeadline(time.Time{})
	var first report
	if err := m.receive(&first); err != nil || first.Ready == nil {
		return &sandbox.StepError{Step: sandbox.StepStart, Err: errors.Join(err, errors.New("the monitor does not answer"))}
	}
	r := first.Ready
	if r.Failed != "" {
		why := error(errors.New(r.Why))
		if r.Errno != 0 {
			why = unix.Errno(r.Errno)
		}
		return &sandbox.StepError{Step: r.Failed, Err: why}
	}
	if !within {
		m.have.Missing = r.Missing
	}
	files := m.takeFiles()
	if len(files) != 1 {
		return errors.New("the monitor sent no listener")
	}
	l, err := net.FileListener(files[0])
	files[0].Close()
	if err != nil {
		return fmt.Errorf("taking the listener of the inside: %w", err)
	}
	m.inside = l
	return nil
}

// fallBack replaces a monitor whose full sandbox was refused by one outside of namespaces.
func (l *Launcher) fallBack(why sandbox.Missing) error {
	p := l.p
	p.monitor.f.Close()
	p.monitor.awaitEnd()
	monitors.remove(p.monitor.process.Pid)
	m, err := startMonitor(l.Command, p.terminals, lesser(why))
	if err != nil {
		return err
	}
	p.monitor, p.tree.monitor = m, m
	p.signals.monitor.Store(m)
	return nil
}

// lesser is the best level without namespaces.
func lesser(why sandbox.Missing) sandbox.Have {
	h := sandbox.Have{Level: sandbox.Network, Missing: []sandbox.Missing{why}}
	open, err := sandbox.NetworkLevel()
	if err != nil {
		h.Level = sandbox.None
		h.Missing = append(h.Missing, sandbox.Missing{What: err.Error(), Remedy: "use Linux 6.7 or later with Landlock on (lsm=landlock,...)"})
	}
	h.Open = open
	return h
}

// Local are the listeners of Walls.Local in its order, two for each port: of IPv4, and of IPv6 where there is one.
func (p *Process) Local() []net.Listener { return p.local }

// walls completes the order that starts the child.
func (p *Process) walls() {
	m := p.monitor
	if m.have.Level == sandbox.None {
		return
	}
	s := &sandboxed{Level: m.have.Level, Ports: p.cmd.Walls.Ports, Local: p.cmd.Walls.Local}
	for _, c := range p.cmd.Walls.Covers {
		s.Covers = append(s.Covers, cover{Path: []byte(c.Path), Text: c.Text, Must: c.Must, Keep: toBytes(c.Keep)})
	}
	m.spawn.Sandbox = s
}

// entered takes what comes with a child that runs inside: listeners, and its number as it is known out here.
func (p *Process) entered() error {
	if p.monitor.have.Level != sandbox.Full {
		return nil
	}
	p.child = p.tree.outside(p.child)
	for _, f := range p.monitor.takeFiles() {
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("taking a listener of the inside: %w", err)
		}
		p.local = append(p.local, l)
	}
	return nil
}

// contained tells whether the tree ends with its monitor, by the kernel's hand.
func (m *monitorProcess) contained() bool { return m.have.Level == sandbox.Full }

// endContained ends a tree that is a pid namespace: its init, the monitor, signals all of it at once, and when it is not
// empty by then, is killed, which the namespace does not survive. It looks at the tree only to name it.
func (t *tree) endContained(grace time.Duration) Ended {
	m := t.monitor
	seen := t.forest().list(true)
	m.send(order{Empty: &emptying{Grace: grace}})
	select {
	case <-m.emptied:
	case <-m.ended:
	case <-time.After(grace + killLimit):
		m.process.Kill()
		select {
		case <-m.ended:
		case <-time.After(killLimit): // something in it hangs in the kernel
		}
	}
	var done Ended
	left := t.forest().list(true)
	for _, p := range seen {
		if i := slices.IndexFunc(left, func(q Proc) bool { return q.PID == p.PID && q.start == p.start }); i < 0 {
			done.Ended = append(done.Ended, p)
		}
	}
	for _, p := range left {
		p.Reason = "it is in an uninterruptible wait"
		done.Survivors = append(done.Survivors, p)
	}
	return done
}

// passed are the descriptors that the child gets: all that the caller passed on, or of a sandbox those that were named. The
// others end with this process: a monitor would have them too, whatever is laid out for it.
func (c Command) passed() ([]int, error) {
	all := inheritedDescriptors()
	if c.Sandbox == "" || c.Sandbox == sandbox.Off {
		return all, nil
	}
	for _, fd := range c.PassFD {
		if !slices.Contains(all, fd) {
			return nil, fmt.Errorf("passing on descriptor %d: it is not open", fd)
		}
	}
	for _, fd := range all {
		if !slices.Contains(c.PassFD, fd) {
			unix.CloseOnExec(fd)
		}
	}
	return c.PassFD, nil
}

// closeInside closes listeners that nobody took.
func (m *monitorProcess) closeInside() {
	if m.inside != nil {
		m.inside.Close()
	}
	for _, f := range m.takeFiles() {
		f.Close()
	}
}
