//go:build linux || darwin

package process

import (
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// signals are those that aex handles. What its caller told it to ignore (nohup, a shell's &) it does not catch:
// catching would make the child lose that too.
type signals struct {
	caught    chan os.Signal
	all       chan os.Signal // those for the child and the loop, in their order
	continued chan os.Signal
	ignored   map[syscall.Signal]bool
	own       map[syscall.Signal]*atomic.Bool // signals that aex sent to its own group and must not obey itself

	monitor  atomic.Pointer[monitorProcess] // is woken when a child of aex has ended or was stopped
	insisted chan struct{}                  // closed by a second signal that asks aex to stop
	child    chan struct{}                  // closed by handOver: there is a child for the signals
	closing  chan struct{}
	catching sync.WaitGroup
	sorting  sync.WaitGroup
}

// stopSignals ask aex to stop.
var stopSignals = []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT}

func isStop(s os.Signal) bool {
	number, ok := s.(syscall.Signal)
	return ok && slices.Contains(stopSignals, number)
}

// catchSignals catches all but the stop of job control. Until handOver those that ask aex to stop do so.
func catchSignals(m *monitorProcess) *signals {
	s := &signals{
		caught: make(chan os.Signal, 64), all: make(chan os.Signal, 64), continued: make(chan os.Signal, 1), ignored: ignored(),
		own:      map[syscall.Signal]*atomic.Bool{unix.SIGINT: {}, unix.SIGQUIT: {}},
		insisted: make(chan struct{}), child: make(chan struct{}), closing: make(chan struct{}),
	}
	s.monitor.Store(m)
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE) // a reader of aex's output that went away is no reason to die
	s.catch(stopSignals...)
	s.catching.Go(func() {
		s.catch(unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGCHLD)
		signal.Notify(s.continued, unix.SIGCONT)
	})
	s.sorting.Go(s.sort)
	return s
}

// catch catches those that are not ignored, and ignores the others. All ten take 0.9 ms, and 2.4 ms on a busy machine.
// So the five that nobody sends before there is a child are caught while the settings are read.
func (s *signals) catch(list ...syscall.Signal) {
	for _, sig := range list {
		if s.ignored[sig] {
			signal.Ignore(sig) // the runtime has taken QUIT over, and would print all stacks and exit
			continue
		}
		signal.Notify(s.caught, sig)
	}
}

// sort takes the signals as they come, from the first to Close, also when the loop is busy or over.
func (s *signals) sort() {
	var first os.Signal // that asked aex to stop
	insisted := false
	for {
		select {
		case sig := <-s.caught:
			number, _ := sig.(syscall.Signal)
			if own := s.own[number]; own != nil && own.CompareAndSwap(true, false) {
				continue
			}
			if isStop(sig) {
				s.obey(number)
				// The kernel and the shell both hang up a job when its terminal goes: that is one event.
				if again := first != nil && (sig != unix.SIGHUP || first != unix.SIGHUP); again && !insisted {
					insisted = true
					close(s.insisted)
				}
				if first == nil {
					first = sig
				}
			}
			if sig == unix.SIGCHLD {
				s.monitor.Load().wake()
			}
			select {
			case s.all <- sig:
			default: // nobody has read the last 64
			}
		case <-s.closing:
			return
		}
	}
}

// obey ends aex, while there is no program to pass the signal on to.
func (s *signals) obey(sig syscall.Signal) {
	select {
	case <-s.child:
	default:
		die(sig)
		os.Exit(128 + int(sig)) // number 1 does not die of it
	}
}

// handOver makes the signals the child's from now on, with the stop of job control among them.
func (s *signals) handOver() {
	select {
	case <-s.child:
		return
	default:
	}
	s.catching.Wait()
	close(s.child)
	if catchesStops && !s.ignored[unix.SIGTSTP] {
		signal.Notify(s.caught, unix.SIGTSTP)
	}
}

// signalOwnGroup sends aex's own process group a signal that the caller's terminal would have sent to it, and has aex
// itself not obey it.
func (s *signals) signalOwnGroup(sig syscall.Signal) {
	if s.ignored[sig] || unix.Getpgrp() <= 1 {
		return
	}
	s.own[sig].Store(true)
	unix.Kill(0, sig)
}

// die ends this process by a signal, and leaves no core file: that would hold keys. It returns for number 1.
func die(sig syscall.Signal) {
	if os.Getpid() == 1 {
		return
	}
	none := unix.Rlimit{}
	if unix.Getrlimit(unix.RLIMIT_CORE, &none) == nil {
		none.Cur = 0
		unix.Setrlimit(unix.RLIMIT_CORE, &none)
	}
	dieOf(sig)
}

// close lets the signals go that concern a child. Those that ask aex to stop stay caught, and now do nothing: aex is
// about to exit, and to die in the middle of that would lose the report.
func (s *signals) close() {
	s.catching.Wait()
	keep := make(chan os.Signal, 1)
	for _, sig := range stopSignals {
		if !s.ignored[sig] {
			signal.Notify(keep, sig)
		}
	}
	signal.Stop(s.caught)
	signal.Stop(s.continued)
	close(s.closing)
	s.sorting.Wait()
}

// ExitLike ends this process as the child ended: by the same signal, without a core file. Callers look for some signals:
// a shell ends its loop only when Ctrl-C ended the command. It returns, and the exit code is to be used, when the child
// exited by itself, when the signal was SIGKILL, and for pid 1, which signals do not end. Only main calls it.
func ExitLike(s Status) {
	if s.Signal != 0 && s.Signal != unix.SIGKILL {
		die(s.Signal)
	}
}
