//go:build linux || darwin

package process

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// insideArg is the monitor's last argument when it is the init of a full sandbox.
const insideArg = "inside"

// emptying ends all processes of the namespace.
type emptying struct {
	Grace time.Duration // between TERM and KILL
}

// enter makes the inside, where the gateway's listener is made too: a socket belongs to the namespace that it was made
// in, whoever accepts on it.
func (m *monitor) enter() error {
	var err error
	if m.inside, err = sandbox.Enter(); err != nil {
		r := ready{Failed: sandbox.StepStart, Why: err.Error()}
		var step *sandbox.StepError
		if errors.As(err, &step) {
			r.Failed = step.Step
		}
		var errno syscall.Errno
		if errors.As(err, &errno) {
			r.Errno = int(errno)
		}
		m.link.send(report{Ready: &r})
		return err
	}
	gateway, _, err := sandbox.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		m.link.send(report{Ready: &ready{Failed: sandbox.StepLoopback, Why: err.Error()}})
		return err
	}
	defer gateway.Close()
	return m.link.sendFiles(report{Ready: &ready{Missing: m.inside.Missing}}, gateway)
}

// furnish covers what is to be covered and makes the listeners of the host's services.
func (m *monitor) furnish() (local []*os.File, err error) {
	s := m.spawn.Sandbox
	if m.inside == nil || s == nil {
		return nil, nil
	}
	for _, port := range s.Local {
		for _, addr := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
			f, _, err := sandbox.Listen(netip.AddrPortFrom(addr, port))
			if err != nil && addr.Is4() {
				return local, err
			}
			if err == nil {
				local = append(local, f)
			}
		}
	}
	covers := make([]sandbox.Cover, 0, len(s.Covers))
	for _, c := range s.Covers {
		covers = append(covers, sandbox.Cover{Path: string(c.Path), Text: c.Text, Must: c.Must, Keep: toStrings(c.Keep)})
	}
	if err := m.inside.Cover(covers); err != nil {
		return local, err
	}
	if err := m.inside.Start(string(m.spawn.Dir)); err != nil {
		return local, err
	}
	return local, becomeUndumpable()
}

// errConfined reports a child that was not started because it could not be confined.
var errConfined = errors.New("sandbox")

// startConfined forks the child from a thread of its own, which alone is confined, and which lasts as long as the
// monitor: the child's parent-death signal follows it.
func (m *monitor) startConfined() (pid int, err error) {
	s := m.spawn.Sandbox
	forked := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		bounds := sandbox.Bounds{Level: s.Level, Ports: s.Ports, NoCgroups: m.inside != nil && m.inside.NoCgroups}
		if err = sandbox.Confine(bounds); err != nil {
			err = fmt.Errorf("%w: %w", errConfined, err)
		} else {
			pid, err = m.start()
		}
		close(forked)
		select {}
	}()
	<-forked
	return pid, err
}

// empty ends everything in the namespace but its init: TERM and CONT, KILL when the grace is over. What is killed cannot
// fork any more, so that one signal to all is enough.
func (m *monitor) empty(grace time.Duration) {
	const everyone = -1
	if grace > 0 {
		unix.Kill(everyone, unix.SIGTERM)
		unix.Kill(everyone, unix.SIGCONT)
	}
	over := time.After(grace)
	for killed := false; ; {
		m.reap()
		if childless() {
			return
		}
		select {
		case <-over:
			unix.Kill(everyone, unix.SIGKILL)
			if killed {
				return // it hangs in the kernel, or runs as a user that may not be signalled: the end of init ends it
			}
			killed, over = true, time.After(time.Second)
		case <-m.signals: // SIGCHLD, for one
		}
	}
}
