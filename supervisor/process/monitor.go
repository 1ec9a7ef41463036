//go:build linux || darwin

package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// monitor is the process between aex and the child. It leads the session of the child's terminal, so that the child
// is an ordinary job that Ctrl-Z can stop (a session leader's own group is orphaned, and its stops are dropped); it
// adopts what the child's tree orphans; and it outlives an aex that was killed just long enough to end that tree.
type monitor struct {
	base    int // number of its first own descriptor
	link    *link
	parent  int
	child   int // 0 before the start and after the child was reaped
	spawn   *spawn
	restore restore
	undo    string
	cgroup  *cgroup
	signals chan os.Signal
	inside  *sandbox.Inside // nil: it is not the init of a full sandbox
}

// MonitorMain runs the monitor when this process was re-executed as one, and returns its exit code and true. Every
// program that calls [Prepare] must call it first thing in main:
//
//	if code, ok := process.MonitorMain(os.Args); ok {
//		os.Exit(code)
//	}
func MonitorMain(args []string) (code int, ok bool) {
	if len(args) < 2 || args[1] != monitorArg {
		return 0, false
	}
	base := 0
	if len(args) >= 3 {
		base, _ = strconv.Atoi(args[2])
	}
	var st unix.Stat_t
	if base < 3 || unix.Fstat(base, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		fmt.Fprintln(os.Stderr, "aex: "+monitorArg+" is aex's own: it is not to be called by hand")
		return 125, true
	}
	// The child's parent-death signal follows this thread, which must therefore last as long as the process.
	runtime.LockOSThread()
	m := &monitor{base: base, parent: os.Getppid()}
	for i := range fdCount {
		unix.CloseOnExec(base + i)
	}
	m.link = newLink(os.NewFile(uintptr(base+fdControl), "aex"))
	if len(args) == 4 && args[3] == insideArg && m.enter() != nil {
		return 125, true
	}
	return m.run(), true
}

func (m *monitor) run() int {
	signals := make(chan os.Signal, 64)
	m.signals = signals
	signal.Notify(signals, unix.SIGCHLD, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2)
	// A signal that the caller ignores stays ignored, here and in the child; Notify would undo that.
	for _, s := range []os.Signal{unix.SIGHUP, unix.SIGINT} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	runtime.GOMAXPROCS(2) // it waits for most of its life, and each more may take a thread
	reserveThreads(monitorThreads)
	if err := becomeSubreaper(); err != nil {
		m.link.send(report{Failed: int(syscall.EPERM)})
		return 125
	}
	var first order
	if err := m.link.receive(&first); err != nil || first.Spawn == nil {
		return 125 // aex died before there was a child
	}
	m.spawn = first.Spawn
	if m.spawn.IgnoreQuit {
		signal.Ignore(unix.SIGQUIT)
	} else {
		signal.Notify(signals, unix.SIGQUIT)
	}
	if m.spawn.Cgroup != "" {
		m.cgroup = &cgroup{dir: m.spawn.Cgroup}
	}
	local, err := m.furnish()
	if err != nil {
		m.link.send(report{Refused: err.Error()})
		return 125
	}
	start := m.start
	if m.spawn.Sandbox != nil {
		start = m.startConfined
	}
	pid, err := start()
	m.detach()
	if errors.Is(err, errConfined) {
		m.link.send(report{Refused: err.Error()})
		return 125
	}
	if err != nil {
		var errno syscall.Errno
		if !errors.As(err, &errno) {
			errno = syscall.EIO
		}
		m.link.send(report{Failed: int(errno)})
		return 125
	}
	m.child = pid
	m.link.sendFiles(report{Started: pid}, local...)
	for _, f := range local {
		f.Close()
	}
	return m.watch(signals)
}

// start forks the child: inside the run's cgroup from its first instruction where the kernel allows that. What the caller
// passed on above descriptor 2 is not close-on-exec, so it goes with the child without being listed, whatever the limit.
func (m *monitor) start() (int, error) {
	s := m.spawn
	path, argv := string(s.Path), toStrings(s.Argv)
	pid, err := m.fork(path, argv)
	if err == syscall.ENOEXEC && textual(path) {
		// A script without a first line is run by the shell, as execvp(3) has it.
		pid, err = m.fork(standardShell, append([]string{standardShell, path}, argv[1:]...))
	}
	return pid, err
}

const standardShell = "/bin/sh"

// textual tells whether a file can be a script. A program for another machine
// is none, and a shell that reads it as one does whatever its bytes happen to say.
func textual(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe would wait for a writer
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := f.Read(head)
	return (err == nil || err == io.EOF) && bytes.IndexByte(head[:n], 0) < 0
}

func (m *monitor) fork(path string, argv []string) (int, error) {
	s := m.spawn
	attr := &syscall.ProcAttr{Dir: string(s.Dir), Env: toStrings(s.Env), Files: []uintptr{0, 1, 2}}
	attempt := func(cgroup *os.File) (int, error) {
		attr.Sys = childAttr(s.Terminal && s.Foreground, m.base+fdTerminal)
		if cgroup != nil {
			enterCgroup(attr.Sys, int(cgroup.Fd()))
		}
		return syscall.ForkExec(path, argv, attr)
	}
	if m.cgroup != nil {
		if dir, err := m.cgroup.open(); err == nil {
			defer dir.Close()
			// clone3 may be refused (an old seccomp filter, a cgroup that may not be entered): then without.
			if pid, err := attempt(dir); err == nil || err == syscall.ENOENT || err == syscall.ENOEXEC {
				return pid, err
			}
		}
	}
	return attempt(nil)
}

// detach lets go of everything that is the child's, so that readers see its end of file when the child's tree
// closes it. The child's terminal stays: the monitor sets its foreground group.
func (m *monitor) detach() {
	if null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
		for fd := range 3 {
			replaceDescriptor(null, fd)
		}
		unix.Close(null)
	}
	for _, fd := range m.spawn.Inherited {
		unix.Close(fd)
	}
}

// watch serves until aex releases it or dies.
func (m *monitor) watch(signals <-chan os.Signal) int {
	orders := make(chan order)
	go func() {
		defer close(orders)
		for {
			var o order
			if m.link.receive(&o) != nil {
				return
			}
			orders <- o
		}
	}()
	var orphaned <-chan time.Time
	for {
		select {
		case s := <-signals:
			if s == unix.SIGCHLD {
				m.reap()
			} else if os.Getppid() != m.parent && orphaned == nil {
				// What aex last said is still to be read, up to the end of file; should that not come, then without.
				orphaned = time.After(200 * time.Millisecond)
			}
			// Any other signal comes from the tree itself (kill -1) and is not for the monitor.
		case <-orphaned:
			return m.abandoned()
		case o, ok := <-orders:
			switch {
			case !ok:
				return m.abandoned()
			case o.Release:
				m.takeTerminal()
				unix.Close(m.base + fdTerminal) // whoever waits for the terminal's end need not wait for the monitor's
				return 0
			case o.Empty != nil:
				m.empty(o.Empty.Grace)
				m.link.send(report{Emptied: true})
			default:
				m.obey(o)
			}
		}
	}
}

func (m *monitor) obey(o order) {
	switch {
	case o.Restore != nil:
		m.restore = *o.Restore
	case o.Undo != nil:
		m.undo = *o.Undo
	case o.Sweep != nil:
		found := sweepChildren(unix.Signal(*o.Sweep), m.reap, nil)
		m.link.send(report{Swept: &found})
	case o.Signal != 0:
		m.signalChild(unix.Signal(o.Signal))
	case o.Resume != nil:
		if o.Resume.Foreground && m.spawn.Terminal && m.child > 1 {
			setForeground(m.base+fdTerminal, m.child)
		}
		m.signalChild(unix.SIGCONT)
		if o.Resume.Winch {
			m.signalChild(unix.SIGWINCH)
		}
	}
}

// signalChild signals the child's process group. While the child is not reaped, nobody else can have its number.
func (m *monitor) signalChild(s unix.Signal) {
	if m.child > 1 {
		unix.Kill(-m.child, s)
	}
}

// reap collects every dead descendant, and reports what became of the child: its end last, when it is known whether
// anything else is left.
func (m *monitor) reap() {
	var ended *Status
	defer func() {
		if ended != nil {
			m.link.send(report{Ended: ended, Alone: childless()})
		}
	}()
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG|syscall.WUNTRACED, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if pid != m.child {
			continue
		}
		switch {
		case ws.Stopped():
			m.link.send(report{Stopped: int(ws.StopSignal())})
		case ws.Exited():
			m.child = 0
			ended = &Status{Code: ws.ExitStatus()}
		case ws.Signaled():
			m.child = 0
			ended = &Status{Code: 128 + int(ws.Signal()), Signal: ws.Signal()}
		}
	}
}

// takeTerminal makes the monitor the foreground group of its session's terminal: when its leader exits, the kernel
// hangs up the foreground group, and survivors that were left alone on purpose must not get that.
func (m *monitor) takeTerminal() {
	if leader, err := unix.Getsid(0); err == nil && leader == os.Getpid() && m.spawn.Terminal {
		setForeground(m.base+fdTerminal, unix.Getpgrp())
	}
}

// abandoned is the end when aex died without a word: the terminal first, before the shell has looked at it, then the
// whole tree.
func (m *monitor) abandoned() int {
	if m.spawn.User {
		m.restoreTerminal()
	}
	if m.inside != nil {
		m.empty(abandonedGrace) // what it leaves ends with this process
		return 125
	}
	f := forest{
		roots: func() ([]int, map[int]bool) { return []int{os.Getpid()}, nil }, cgroup: m.cgroup, reap: m.reap,
		sweep: func(s unix.Signal) (swept, bool) { return sweepChildren(s, m.reap, nil), knowsChildless },
	}
	f.end(abandonedGrace)
	if m.cgroup != nil {
		m.cgroup.remove()
	}
	return 125
}

// abandonedGrace is what the tree of an aex that was killed has between TERM and KILL.
const abandonedGrace = 2 * time.Second

func (m *monitor) restoreTerminal() {
	fd := m.base + fdUser
	r := m.restore
	if r.Saved != nil {
		if now, err := getTermios(fd); err == nil && (r.Raw == nil || *now == *r.Raw) {
			setTermios(fd, r.Saved)
		}
	}
	if m.undo != "" {
		unix.Write(fd, []byte(m.undo)) // aex opened it non-blocking
	}
}
