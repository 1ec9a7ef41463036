package process

import (
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// executable is this program, also when its file was replaced meanwhile.
func executable() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err != nil {
		return "", err
	}
	return self, nil
}

// becomeSubreaper asks that what is orphaned below this process comes to it. Every kernel since 3.4 does that; an
// emulator of single programs (qemu-user) does not, and there it is as on macOS.
func becomeSubreaper() error {
	err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	if err == unix.EINVAL {
		knowsChildless = false
		return nil
	}
	return err
}

// childless tells a subreaper whether nothing at all descends from it: a process is given to it before the parent that
// dies can be waited for, so that no children of any kind means no descendants.
func childless() bool {
	if !knowsChildless {
		return false
	}
	err := unix.EINTR
	for err == unix.EINTR {
		err, _ = unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil).(syscall.Errno)
	}
	return err == unix.ECHILD
}

// knowsChildless: childless can be relied upon, here where what is orphaned comes to the monitor.
var knowsChildless = true

// limitForks keeps a process, and what it has still forked, from forking. That does not bind root.
func limitForks(pid int) (before unix.Rlimit, err error) {
	err = unix.Prlimit(pid, unix.RLIMIT_NPROC, &unix.Rlimit{}, &before)
	return before, err
}

func limitsDoNotBind() bool { return os.Geteuid() == 0 }

// becomeUndumpable hides this process's memory and environment from other processes of the same user.
func becomeUndumpable() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// monitorAttr starts the monitor: leader of the session of its terminal when it has one of its own, else of a group.
// Its parent-death signal is one it can catch, since its end is work, not death.
func monitorAttr(session bool, terminal int) *syscall.SysProcAttr {
	if session {
		return &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: terminal, Pdeathsig: unix.SIGTERM}
	}
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGTERM}
}

// childAttr starts the child in a group of its own, the terminal's foreground group if it is to be. The parent-death
// signal is the second layer, for when aex and the monitor are killed together.
func childAttr(foreground bool, terminal int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Foreground: foreground, Ctty: terminal, Pdeathsig: unix.SIGKILL}
}

func enterCgroup(attr *syscall.SysProcAttr, fd int) {
	attr.UseCgroupFD, attr.CgroupFD = true, fd
}

// closeOnExec is the flag of recvmsg for descriptors that no program is to inherit.
const closeOnExec = unix.MSG_CMSG_CLOEXEC

func replaceDescriptor(from, to int) error { return unix.Dup3(from, to, 0) }

// withoutTTOU runs f, an ioctl on a terminal of which this process may not be the foreground group, on a thread that
// blocks SIGTTOU. Ignoring the signal instead would be inherited by the child.
func withoutTTOU(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, old unix.Sigset_t
	block.Val[0] = 1 << (uint(unix.SIGTTOU) - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &block, &old); err != nil {
		return err
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	return f()
}

func getTermios(fd int) (*unix.Termios, error) { return unix.IoctlGetTermios(fd, unix.TCGETS) }

// setTermios does not wait for pending output: a terminal that is stopped or unread would never let it return.
func setTermios(fd int, t *unix.Termios) error {
	return withoutTTOU(func() error { return unix.IoctlSetTermios(fd, unix.TCSETS, t) })
}

func setForeground(fd, pgrp int) error {
	return withoutTTOU(func() error { return unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, pgrp) })
}

// ignored reports the signals that the caller of this process ignores. The Go runtime leaves the job control signals,
// SIGHUP and SIGINT as it found them and takes over the others, whose inherited state is lost; shells ignore SIGQUIT
// together with SIGINT, so it follows that one.
func ignored() map[syscall.Signal]bool {
	set := map[syscall.Signal]bool{}
	for _, s := range []syscall.Signal{unix.SIGHUP, unix.SIGINT} {
		set[s] = signal.Ignored(s)
	}
	set[unix.SIGQUIT] = set[unix.SIGINT]
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return set
	}
	for line := range strings.Lines(string(status)) {
		if hex, ok := strings.CutPrefix(line, "SigIgn:"); ok {
			mask, _ := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			for _, s := range []syscall.Signal{unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU} {
				set[s] = mask&(1<<(uint(s)-1)) != 0
			}
		}
	}
	return set
}

// inheritedDescriptors lists the descriptors above 2 that the caller passed on. All that this process opened itself
// is close-on-exec.
func inheritedDescriptors() []int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var out []int
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < 3 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			out = append(out, fd)
		}
	}
	return out
}

// catchesStops: SIGTSTP to aex alone becomes the child's, and aex stops when the child has.
const catchesStops = true

// action is the kernel's sigaction: handler (SIG_DFL is 0), flags, restorer, mask.
type action [4]uint64

// withDefault runs f while a signal has its default action, which the runtime does not give back: its own default is
// to drop SIGTSTP, and to dump stacks at SIGQUIT.
func withDefault(s syscall.Signal, f func()) {
	var standard, old action
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&standard)), uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	f()
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&old)), 0, 8, 0, 0)
}

// dieOf raises a signal with its default action.
func dieOf(s syscall.Signal) {
	withDefault(s, func() {
		unix.Kill(os.Getpid(), s)
		<-time.After(time.Second) // another thread may be the one that takes it
	})
}

// awaitParent returns when parent, which started aex, has died, or quit is closed.
func awaitParent(parent int, quit <-chan struct{}) (died bool) {
	if parent <= 1 {
		return false
	}
	fd, err := unix.PidfdOpen(parent, unix.PIDFD_NONBLOCK)
	if err != nil {
		return os.Getppid() != parent
	}
	f := os.NewFile(uintptr(fd), "parent")
	defer f.Close()
	if os.Getppid() != parent {
		return true
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := f.SyscallConn()
		if err != nil {
			return
		}
		c.Read(func(fd uintptr) bool {
			set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(set, 0)
			died = err == nil && n > 0
			return died
		})
	}()
	select {
	case <-quit:
		f.SetReadDeadline(time.Unix(1, 0))
		<-done
		return false
	case <-done:
		return died
	}
}
