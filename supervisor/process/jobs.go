//go:build linux || darwin

package process

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// childStopped follows a child that stopped. A job control shell above aex is shown what it would have seen without
// aex: the whole job stops.
func (p *Process) childStopped(s syscall.Signal) {
	t := p.terminals
	asks := s == unix.SIGTTIN || s == unix.SIGTTOU
	switch {
	case p.tree.endings.Load() > 0:
	case t.user == nil:
		// Without a terminal there is no job control, and the kernel itself would drop these. A SIGSTOP stays.
		if s != unix.SIGSTOP {
			p.monitor.send(order{Resume: &resume{Foreground: asks && t.relay != nil}})
		}
	case asks && t.user.foreground():
		t.wants = true
		p.resume(false)
	default:
		if asks {
			t.wants = true
		}
		p.suspend(s)
	}
}

// suspend gives the terminal back, stops the whole job, and goes on when it is continued. In an orphaned group the
// kernel drops the stop: then nobody could continue the job either, and the child goes on at once.
func (p *Process) suspend(s syscall.Signal) {
	p.pauses.begin()
	p.terminals.suspend()
	select {
	case <-p.signals.continued:
	default:
	}
	with := s
	if with == unix.SIGSTOP {
		with = unix.SIGTSTP // SIGSTOP would stop aex also where nobody can continue it
	}
	stopped := p.stopJob(with)
	p.pauses.end()
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
	if p.cmd.Rest != nil {
		defer p.cmd.Rest()()
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

// resume continues the child: as its terminal's foreground group if aex is in the foreground and the child wants that.
func (p *Process) resume(redraw bool) {
	resized := p.terminals.resume()
	winch := redraw && p.terminals.relay != nil && !resized
	p.monitor.send(order{Resume: &resume{Foreground: p.terminals.front, Winch: winch}})
}

// StopBetween has Ctrl-Z stop this process, which supervises nothing, only when rest has returned, and calls what that
// returned when the process goes on, until release is called.
func StopBetween(rest func() (wake func())) (release func()) {
	if !catchesStops || ignored()[unix.SIGTSTP] {
		return func() {}
	}
	stops, continued := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(stops, unix.SIGTSTP)
	signal.Notify(continued, unix.SIGCONT)
	over := make(chan struct{})
	var owner sync.WaitGroup
	owner.Go(func() {
		for {
			select {
			case <-stops:
				wake := rest()
				withDefault(unix.SIGTSTP, func() {
					unix.Kill(os.Getpid(), unix.SIGTSTP)
					select {
					case <-continued:
					case <-time.After(500 * time.Millisecond): // the kernel drops the stop of a group that nobody continues
					}
				})
				wake()
			case <-continued:
			case <-over:
				return
			}
		}
	})
	return func() {
		signal.Stop(stops)
		signal.Stop(continued)
		close(over)
		owner.Wait()
	}
}
