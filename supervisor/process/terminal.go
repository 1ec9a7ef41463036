//go:build linux || darwin

package process

import (
	"fmt"
	"os"
	"strconv"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// terminal is the caller's terminal, opened anew: making the caller's own descriptors non-blocking would make them so
// for the shell too.
type terminal struct {
	f     *os.File
	fd    int
	saved *unix.Termios // its state before aex changed it; nil: aex has not
	raw   *unix.Termios
}

// openTerminal opens the controlling terminal; descriptors are those of the caller that are that terminal. It returns
// nil when there is none.
func openTerminal(descriptors []int) *terminal {
	paths := []string{"/dev/tty"}
	for _, fd := range descriptors {
		paths = append(paths, "/proc/self/fd/"+strconv.Itoa(fd))
	}
	for _, path := range paths {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		if !controls(fd) {
			unix.Close(fd)
			continue
		}
		return &terminal{f: os.NewFile(uintptr(fd), path), fd: fd}
	}
	return nil
}

// controls reports whether fd is this process's controlling terminal. Another terminal is passed to the child like
// any file: aex could not follow its foreground group.
func controls(fd int) bool {
	if _, err := getTermios(fd); err != nil {
		return false
	}
	_, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == nil
}

// foreground reports whether aex's job has the terminal.
func (t *terminal) foreground() bool {
	pgrp, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	return err == nil && pgrp == unix.Getpgrp()
}

// gone reports whether the terminal was hung up.
func (t *terminal) gone() bool {
	_, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	return err != nil
}

// makeRaw passes every key through. What it found is what restore puts back; it looks each time, because a job that
// started in the background found the shell's line editor's state. keepOutput leaves newlines as they are for other
// members of a pipeline.
func (t *terminal) makeRaw(keepOutput bool) error {
	now, err := getTermios(t.fd)
	if err != nil {
		return err
	}
	raw := *now
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag &^= unix.CSIZE | unix.PARENB
	raw.Cflag |= unix.CS8
	if !keepOutput {
		raw.Oflag &^= unix.OPOST
	}
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := setTermios(t.fd, &raw); err != nil {
		return err
	}
	t.saved, t.raw = now, &raw
	if set, err := getTermios(t.fd); err == nil {
		t.raw = set
	}
	return nil
}

// restore puts back what makeRaw found, if the terminal is still this job's.
func (t *terminal) restore() {
	if t.saved != nil && t.foreground() {
		setTermios(t.fd, t.saved)
	}
	t.saved, t.raw = nil, nil
}

// signalKeys are the signals of job control, other than the stop, that a terminal with these settings makes of keys.
func signalKeys(keys []byte, settings *unix.Termios) (found []unix.Signal) {
	const disabled = 0 // _POSIX_VDISABLE
	if settings.Lflag&unix.ISIG == 0 {
		return nil
	}
	literal := false // the key before said so
	for _, key := range keys {
		switch {
		case literal, key == disabled:
			literal = false
		case key == settings.Cc[unix.VINTR]:
			found = append(found, unix.SIGINT)
		case key == settings.Cc[unix.VQUIT]:
			found = append(found, unix.SIGQUIT)
		case key == settings.Cc[unix.VLNEXT] && settings.Lflag&unix.IEXTEN != 0:
			literal = true
		}
	}
	return found
}

// openPty returns both ends of a new pseudo-terminal. The master is re-opened non-blocking: as creack/pty returns it,
// closing it does not end a Read, and deadlines never fire.
func openPty() (master, slave *os.File, err error) {
	m, slave, err := pty.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("opening a pseudo-terminal: %w", err)
	}
	defer m.Close()
	fd, err := unix.FcntlInt(m.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		slave.Close()
		return nil, nil, fmt.Errorf("opening a pseudo-terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), "ptmx"), slave, nil
}

// plan is what Prepare makes of the descriptors and --tty.
type plan struct {
	user       *terminal // nil: there is nobody's terminal to relay
	pty        bool      // the child gets a terminal of its own
	slave      [3]bool   // this descriptor of the child is that terminal; others are passed through
	foreground bool      // the child has the terminal from the start, not only when it asks for it
	keepOutput bool
}

func planTerminal(mode TTY, std [3]*os.File) plan {
	var p plan
	var own []int
	for i, f := range std {
		if fd := int(f.Fd()); controls(fd) {
			p.slave[i] = true
			own = append(own, fd)
		}
	}
	p.user = openTerminal(own)
	p.pty = mode != TTYNever && p.user != nil || mode == TTYForce
	if mode == TTYForce && p.user == nil {
		// Nobody's terminal: what the child writes goes where aex's output goes, as in a recorded session.
		p.slave = [3]bool{false, true, true}
		p.foreground = true
		return p
	}
	// Another member of a pipeline may be reading the terminal: the child takes it when it asks for it.
	piped := isPipe(std[1])
	p.keepOutput = piped || isPipe(std[2])
	// Unless it cannot: below a shell's $(...) the stop by which a program asks is ignored, and its read fails at once.
	p.foreground = p.slave[0] && !piped || ignored()[unix.SIGTTIN]
	return p
}

func isPipe(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0
}
