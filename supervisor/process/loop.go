//go:build linux || darwin

package process

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// loop is the one goroutine that knows who has the terminal. It ends with Close.
func (p *Process) loop(reports <-chan report) {
	defer close(p.looped)
	stopped := false // a stop was asked for
	insisted := p.signals.insisted
	for {
		select {
		case <-p.closing:
			return
		case r, ok := <-reports:
			if !ok {
				reports = nil
				p.monitorLost()
				continue
			}
			p.reported(r)
		case <-p.signals.continued:
			p.resume(true)
		case s := <-p.signals.all:
			if !isStop(s) {
				p.handle(s)
				continue
			}
			if !stopped {
				stopped = true
				p.askedToStop(s)
			}
		case <-insisted:
			insisted = nil
			p.stopNow()
		}
	}
}

// askedToStop passes on the first signal. When the terminal itself is gone, closing the child's hangs that up too.
func (p *Process) askedToStop(s os.Signal) {
	if t := p.terminals; s == unix.SIGHUP && t.relay != nil && t.user != nil && t.user.gone() {
		t.hangUp()
		if !t.front {
			p.forward(s)
		}
	} else {
		p.forward(s)
	}
	p.interrupted <- s
}

func (p *Process) stopNow() {
	p.kills.Go(func() { p.End(Ending{}) })
}

func (p *Process) handle(s os.Signal) {
	switch s {
	case unix.SIGWINCH:
		if changed := p.terminals.copySize(); changed && !p.terminals.front {
			p.forward(s) // the kernel tells the foreground group only
		}
	case unix.SIGCHLD:
		if os.Getpid() == 1 {
			reapAdopted()
		}
	default: // USR1, USR2 and TSTP: the child decides whether TSTP stops it, and a stop comes back as a report
		p.forward(s)
	}
}

func (p *Process) reported(r report) {
	switch {
	case r.Ended != nil:
		p.end.keep(*r.Ended, r.Alone)
	case r.Stopped != 0:
		p.childStopped(syscall.Signal(r.Stopped))
	}
}

// monitorLost is told of the end of the control socket. The kernel closes a dying process's files before it gives its
// children away: they come to aex only when the monitor has been reaped.
func (p *Process) monitorLost() {
	select {
	case <-p.monitor.ended:
	case <-p.closing:
		return
	}
	p.end.keep(Status{Code: 125, Lost: true}, false)
}
