//go:build linux || darwin

package process

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// loop is the one goroutine that knows who has the terminal. It ends with Close.
func (p *Process) loop(reports <-chan report) {
	defer close(p.loopDone)
	stopped := false // a stop was asked for
	var first os.Signal
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
				stopped, first = true, s
				p.askedToStop(s)
			} else if s != unix.SIGHUP || first != unix.SIGHUP {
				// The kernel and the shell both hang up a job when its terminal goes: that is one event.
				p.stopNow(s)
			}
		}
	}
}

func isStop(s os.Signal) bool {
	for _, stop := range stopSignals {
		if s == stop {
			return true
		}
	}
	return false
}

// askedToStop passes on the first signal. When the terminal itself is gone, closing the child's hangs that up too.
func (p *Process) askedToStop(s os.Signal) {
	if s == unix.SIGHUP && p.relay != nil && p.plan.user != nil && p.plan.user.gone() {
		p.hangUp()
		if !p.front {
			p.forward(s)
		}
	} else {
		p.forward(s)
	}
	p.interrupted <- s
	if p.cmd.OnSignal != nil {
		p.cmd.OnSignal(s, false)
	}
}

func (p *Process) stopNow(s os.Signal) {
	if p.cmd.OnSignal != nil {
		p.cmd.OnSignal(s, true)
	}
	p.kills.Go(func() { p.End(Ending{}) })
}

func (p *Process) forward(s os.Signal) {
	if number, ok := s.(syscall.Signal); ok {
		p.link.send(order{Signal: int(number)})
	}
}

func (p *Process) handle(s os.Signal) {
	switch s {
	case unix.SIGWINCH:
		if changed := p.copySize(); changed && !p.front {
			p.forward(s) // the kernel tells the foreground group only
		}
	case unix.SIGCHLD:
		if os.Getpid() == 1 {
			reapAdopted()
		}
	default: // USR1, USR2, and TSTP: whether that stops the child is the child's to say, and a stop comes back as a report
		p.forward(s)
	}
}

func (p *Process) reported(r report) {
	switch {
	case r.Ended != nil:
		p.mu.Lock()
		p.alone = r.Alone
		p.mu.Unlock()
		p.finish(*r.Ended)
	case r.Stopped != 0:
		p.childStopped(syscall.Signal(r.Stopped))
	}
}

func (p *Process) finish(s Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended, p.status = true, s
		close(p.done)
	}
}

// monitorLost is the end of the control socket. The kernel closes a dying process's files before it gives its
// children away: only when it is reaped are they aex's.
func (p *Process) monitorLost() {
	select {
	case <-p.monitorDone:
	case <-p.closing:
		return
	}
	p.finish(Status{Code: 125, Lost: true})
}

// childStopped follows a child that stopped. A job control shell above aex is shown what it would have seen without
// aex: the whole job stops.
func (p *Process) childStopped(s syscall.Signal) {
	p.mu.Lock()
	ending := p.endings > 0
	p.mu.Unlock()
	asks := s == unix.SIGTTIN || s == unix.SIGTTOU
	switch {
	case ending:
	case p.plan.user == nil:
		// No terminal, no job control: the kernel itself drops these in such a place. A SIGSTOP stays.
		if s != unix.SIGSTOP {
			p.link.send(order{Resume: &resume{Foreground: asks && p.relay != nil}})
		}
	case asks && p.plan.user.foreground():
		p.wants = true
		p.resume(false)
	default:
		if asks {
			p.wants = true
		}
		p.suspend(s)
	}
}

// suspend gives the terminal back, stops the whole job, and goes on when it is continued. In an orphaned group the
// kernel drops the stop: then nobody could continue the job either, and the child goes on at once.
func (p *Process) suspend(s syscall.Signal) {
	p.mu.Lock()
	p.since = time.Now()
	p.mu.Unlock()
	if p.relay != nil {
		p.relay.allowInput(false)
		p.relay.settle(50 * time.Millisecond)
		p.plan.user.restore()
		p.tellRestore()
	}
	p.front = false
	select {
	case <-p.signals.continued:
	default:
	}
	with := s
	if with == unix.SIGSTOP {
		with = unix.SIGTSTP // SIGSTOP would stop aex also where nobody can continue it
	}
	stopped := p.stopJob(with)
	p.mu.Lock()
	p.suspended += time.Since(p.since)
	p.since = time.Time{}
	p.mu.Unlock()
	if stopped || s != unix.SIGSTOP {
		p.resume(true)
	}
}

// stopJob stops aex's own process group and reports, when it runs again, whether it was stopped at all.
func (p *Process) stopJob(s syscall.Signal) (stopped bool) {
	group := unix.Getpgrp()
	if group <= 1 {
		return false
	}
	withDefault(s, func() {
		unix.Kill(-group, s)
		// The stop is asynchronous: this runs on for a moment. What ends it is SIGCONT, or nothing.
		for range 2 {
			select {
			case <-p.signals.continued:
				stopped = true
				return
			case <-time.After(250 * time.Millisecond):
			}
		}
	})
	return stopped
}

// resume looks at the terminal afresh and continues the child: as its terminal's foreground group if aex is in the
// foreground and the child wants that.
func (p *Process) resume(redraw bool) {
	was := p.front
	changed := false
	p.front = p.wants && (p.plan.user == nil || p.plan.user.foreground())
	if p.relay != nil && p.plan.user != nil {
		if !was {
			p.plan.user.saved = nil
		}
		if p.front {
			if err := p.takeTerminal(was); err != nil {
				p.front = false
			}
		}
		changed = p.copySize()
		p.tellRestore()
		p.relay.allowInput(p.front)
	}
	p.link.send(order{Resume: &resume{Foreground: p.front, Winch: redraw && p.relay != nil && !changed}})
}

// takeTerminal makes the caller's terminal raw and gives the child's the same settings.
func (p *Process) takeTerminal(was bool) error {
	user := p.plan.user
	if was && user.raw != nil {
		if now, err := getTermios(user.fd); err == nil && *now == *user.raw {
			return nil // continued without having been stopped
		}
	}
	p.copySettings()
	return user.makeRaw(p.plan.keepOutput)
}

// copySettings gives the child's terminal the caller's settings.
func (p *Process) copySettings() {
	if settings, err := getTermios(p.plan.user.fd); err == nil {
		p.onMaster(func(fd int) { setTermios(fd, settings) })
	}
}

// dressTerminal prepares a terminal that nobody sees: no newline becomes two bytes in a log.
func (p *Process) dressTerminal() {
	p.onMaster(func(fd int) {
		if t, err := getTermios(fd); err == nil {
			t.Oflag &^= unix.ONLCR
			setTermios(fd, t)
		}
		unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	})
}

// copySize gives the child's terminal the size of the caller's, and reports whether it changed.
func (p *Process) copySize() (changed bool) {
	if p.relay == nil || p.plan.user == nil {
		return false
	}
	size, err := unix.IoctlGetWinsize(p.plan.user.fd, unix.TIOCGWINSZ)
	if err != nil || *size == p.size {
		return false
	}
	p.size = *size
	p.onMaster(func(fd int) { unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size) })
	return true
}

func (p *Process) onMaster(f func(fd int)) {
	if c, err := p.master.SyscallConn(); err == nil {
		c.Control(func(fd uintptr) { f(int(fd)) })
	}
}

// hangUp closes the child's terminal because the caller's is gone. The kernel tells the child as it would have.
func (p *Process) hangUp() { p.master.Close() }

// tellUndo and tellRestore keep the monitor able to restore the terminal, should aex die now.
func (p *Process) tellUndo(undo string) { p.link.send(order{Undo: &undo}) }

func (p *Process) tellRestore() {
	if user := p.plan.user; user != nil {
		p.link.send(order{Restore: &restore{Saved: user.saved, Raw: user.raw}})
	}
}

// giveTerminalBack leaves the caller's terminal as it was found.
func (p *Process) giveTerminalBack() {
	user := p.plan.user
	switch {
	case user == nil:
	case p.relay != nil:
		user.restore()
	default:
		if pgrp, err := unix.IoctlGetInt(user.fd, unix.TIOCGPGRP); err == nil && pgrp == p.child {
			setForeground(user.fd, unix.Getpgrp())
		}
	}
}
