//go:build linux || darwin

package process

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// signals are those that aex handles. What its caller told it to ignore (nohup, a shell's &) it does not catch:
// catching would make the child lose that too.
type signals struct {
	all       chan os.Signal
	continued chan os.Signal
	ignored   map[syscall.Signal]bool

	child   chan struct{} // closed by handOver: there is a child for the signals
	obeying sync.WaitGroup
}

// stopSignals ask aex to stop.
var stopSignals = []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT}

// catchSignals catches all but the stop of job control. Until handOver those that ask aex to stop do so.
func catchSignals() *signals {
	s := &signals{all: make(chan os.Signal, 64), continued: make(chan os.Signal, 1), ignored: ignored(), child: make(chan struct{})}
	for _, sig := range append([]syscall.Signal{unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGCHLD}, stopSignals...) {
		if !s.ignored[sig] {
			signal.Notify(s.all, sig)
		}
	}
	signal.Notify(s.continued, unix.SIGCONT)
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE) // a reader of aex's output that went away is no reason to die
	s.obeying.Go(s.obey)
	return s
}

// obey lets the signals that ask aex to stop do so, until there is a program to pass them on to. The others mean nothing
// yet.
func (s *signals) obey() {
	for {
		select {
		case sig := <-s.all:
			if isStop(sig) {
				die(sig.(syscall.Signal))
				os.Exit(128 + int(sig.(syscall.Signal))) // number 1 does not die of it
			}
		case <-s.continued:
		case <-s.child:
			return
		}
	}
}

// handOver makes the signals the child's from now on, with the stop of job control among them.
func (s *signals) handOver() {
	select {
	case <-s.child:
		return
	default:
	}
	close(s.child)
	s.obeying.Wait()
	if catchesStops && !s.ignored[unix.SIGTSTP] {
		signal.Notify(s.all, unix.SIGTSTP)
	}
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
	keep := make(chan os.Signal, 1)
	for _, sig := range stopSignals {
		if !s.ignored[sig] {
			signal.Notify(keep, sig)
		}
	}
	signal.Stop(s.all)
	signal.Stop(s.continued)
}

// ExitLike ends this process as the child ended: by the same signal, without a core file, where that is a signal that
// callers look for (a shell ends its loop only when Ctrl-C ended the command). It returns, for the exit code to be
// used, when the child exited or the signal does not end this process, as for SIGKILL, which only others use, and for
// pid 1. Only main calls it.
func ExitLike(s Status) {
	if s.Signal != 0 && s.Signal != unix.SIGKILL {
		die(s.Signal)
	}
}
