package process

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// macOS has no subreaper, no parent-death signal, no cgroups and no /proc: what it cannot do, docs/supervision.md says.

func executable() (string, error) { return os.Executable() }

func becomeSubreaper() error { return nil }

// childless is never known: what is orphaned here does not come to the monitor.
func childless() bool { return false }

const knowsChildless = false

func limitForks(int) (before unix.Rlimit, err error) { return before, unix.ENOSYS }

func limitsDoNotBind() bool { return true }

func becomeUndumpable() error { return nil }

func monitorAttr(session bool, terminal int) *syscall.SysProcAttr {
	if session {
		return &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: terminal}
	}
	return &syscall.SysProcAttr{Setpgid: true}
}

func childAttr(foreground bool, terminal int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Foreground: foreground, Ctty: terminal}
}

func enterCgroup(*syscall.SysProcAttr, int) {}

// closeOnExec: no descriptors are received here.
const closeOnExec = 0

func replaceDescriptor(from, to int) error { return unix.Dup2(from, to) }

// withoutTTOU ignores SIGTTOU while f runs: macOS gives Go no mask of a thread. No child is started meanwhile.
func withoutTTOU(f func() error) error {
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	if !signal.Ignored(unix.SIGTTOU) {
		signal.Ignore(unix.SIGTTOU)
		defer signal.Reset(unix.SIGTTOU)
	}
	return f()
}

func getTermios(fd int) (*unix.Termios, error) { return unix.IoctlGetTermios(fd, unix.TIOCGETA) }

func setTermios(fd int, t *unix.Termios) error {
	return withoutTTOU(func() error { return unix.IoctlSetTermios(fd, unix.TIOCSETA, t) })
}

func setForeground(fd, pgrp int) error {
	return withoutTTOU(func() error { return unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, pgrp) })
}

func ignored() map[syscall.Signal]bool {
	return map[syscall.Signal]bool{
		unix.SIGHUP: signal.Ignored(unix.SIGHUP), unix.SIGINT: signal.Ignored(unix.SIGINT), unix.SIGQUIT: signal.Ignored(unix.SIGINT),
	}
}

// inheritedDescriptors looks at the low numbers only: /dev/fd cannot be read without opening another.
func inheritedDescriptors() []int {
	var out []int
	for fd := 3; fd < 256; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			out = append(out, fd)
		}
	}
	return out
}

// catchesStops: once Go has caught SIGTSTP, only a raw system call gives it back, and macOS promises none.
const catchesStops = false

func withDefault(_ syscall.Signal, f func()) { f() }

func dieOf(s syscall.Signal) {
	signal.Reset(s)
	unix.Kill(os.Getpid(), s)
	<-time.After(time.Second)
}

// awaitParent returns when parent, which started aex, has died, or quit is closed.
func awaitParent(parent int, quit <-chan struct{}) (died bool) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for parent > 1 {
		select {
		case <-quit:
			return false
		case <-tick.C:
			if os.Getppid() != parent {
				return true
			}
		}
	}
	return false
}
