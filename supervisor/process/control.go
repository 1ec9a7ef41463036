//go:build linux || darwin

package process

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The control socket joins aex to its monitor. Each end reads end of file the instant the other dies, whatever
// killed it: that, and not a pid or a heartbeat, is how each knows that it has to end the tree alone.

// monitorArg is the first argument of a process that was re-executed as a monitor; the second is the number of its
// first own descriptor.
const monitorArg = "__monitor"

// monitorEnv is the monitor's whole environment: it holds no key, and marks the process so that a program which
// forgot to call MonitorMain cannot start monitors of monitors without end.
const monitorEnv = "AEX_MONITOR=1"

// The monitor's own descriptors, counted from its base. They lie where the caller's inherited descriptors do not.
const (
	fdControl  = iota // the socket
	fdTerminal        // the child's terminal: the pty's slave, or the caller's own
	fdUser            // the caller's terminal, to be restored if aex dies
	fdCount
)

// order is what aex tells the monitor. Exactly one field is set.
type order struct {
	Spawn   *spawn    `json:"spawn,omitempty"`
	Resume  *resume   `json:"resume,omitempty"`
	Restore *restore  `json:"restore,omitempty"`
	Undo    *string   `json:"undo,omitempty"`    // ends the screen modes that the child has on now
	Sweep   *int      `json:"sweep,omitempty"`   // send this signal to all of the monitor's children; 0: only look
	Signal  int       `json:"signal,omitempty"`  // to the child's process group, while the child is not reaped
	Release bool      `json:"release,omitempty"` // leave what is left of the tree alone, and exit
	Empty   *emptying `json:"empty,omitempty"`   // end all of a full sandbox
}

// spawn describes the child. Strings of the operating system are bytes: JSON would replace what is not UTF-8.
type spawn struct {
	Path, Dir  []byte
	Argv, Env  [][]byte
	Inherited  []int      // descriptors above 2 that the child gets under their own numbers
	Terminal   bool       // fdTerminal is there
	Foreground bool       // the child starts as the terminal's foreground group
	User       bool       // fdUser is there
	Cgroup     string     // the directory of the run's cgroup; "": it has none
	IgnoreQuit bool       // the caller ignored SIGQUIT
	Sandbox    *sandboxed // nil: none
}

// resume continues a stopped child.
type resume struct {
	Foreground bool // make it the terminal's foreground group first
	Winch      bool // and have it redraw
}

// restore is what the monitor does to the caller's terminal if aex dies without having done it.
type restore struct {
	Saved *unix.Termios // nil: nothing to restore
	Raw   *unix.Termios // what aex set; another state is somebody else's by now, and stays
}

// report is what the monitor tells aex. Exactly one field is set, besides Alone.
type report struct {
	Started int     `json:"started,omitempty"` // the child's process id
	Failed  int     `json:"failed,omitempty"`  // errno of a child that did not start
	Refused string  `json:"refused,omitempty"` // why the sandbox was not made, and no child started
	Ready   *ready  `json:"ready,omitempty"`   // first of all, of a full sandbox
	Emptied bool    `json:"emptied,omitempty"` // nothing but the monitor is left in a full sandbox
	Stopped int     `json:"stopped,omitempty"` // signal that stopped the child
	Ended   *Status `json:"ended,omitempty"`
	Swept   *swept  `json:"swept,omitempty"`
	Alone   bool    `json:"alone,omitempty"` // with Ended: nothing else descends from the monitor, and nothing can any more
}

// socketpair returns the two ends of a control socket, close-on-exec; the first is non-blocking.
func socketpair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), "monitor"), os.NewFile(uintptr(fds[1]), "aex"), nil
}

// sendLimit is how long the monitor may take nothing.
const sendLimit = 3 * time.Second

// link is one end of the control socket. Only one goroutine at a time may receive.
type link struct {
	f     *os.File
	dec   *json.Decoder
	files []*os.File // that came with what was received
}

func newLink(f *os.File) *link {
	l := &link{f: f}
	l.dec = json.NewDecoder(l)
	return l
}

// Read reads from the socket, and keeps the files that come with the bytes.
func (l *link) Read(p []byte) (n int, err error) {
	var fds []int
	raw, err := l.f.SyscallConn()
	if err != nil {
		return 0, err
	}
	did := raw.Read(func(fd uintptr) bool {
		n, fds, err = receiveRights(int(fd), p)
		return err != unix.EAGAIN
	})
	for _, fd := range fds {
		l.files = append(l.files, os.NewFile(uintptr(fd), "inside"))
	}
	switch {
	case did != nil:
		return 0, did
	case err != nil:
		return 0, os.NewSyscallError("recvmsg", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// receiveRights is recvmsg, with the descriptors that come with the bytes.
func receiveRights(fd int, p []byte) (n int, fds []int, err error) {
	rights := make([]byte, unix.CmsgSpace(16*4))
	n, size, _, _, err := unix.Recvmsg(fd, p, rights, closeOnExec)
	for err == unix.EINTR {
		n, size, _, _, err = unix.Recvmsg(fd, p, rights, closeOnExec)
	}
	if err != nil || size == 0 {
		return n, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:size])
	if err != nil {
		return n, nil, err
	}
	for _, m := range messages {
		more, err := unix.ParseUnixRights(&m)
		if err != nil {
			return n, fds, err
		}
		fds = append(fds, more...)
	}
	return n, fds, nil
}

// takeFiles hands over the files that came so far.
func (l *link) takeFiles() []*os.File {
	files := l.files
	l.files = nil
	return files
}

// sendFiles sends a message together with open files.
func (l *link) sendFiles(message any, files ...*os.File) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	return os.NewSyscallError("sendmsg", unix.Sendmsg(int(l.f.Fd()), append(text, '\n'), rights, nil, 0))
}

// send writes one message in one write, so that concurrent senders do not mix. An aex whose monitor takes nothing any
// more is not to hang with it; the monitor's own end has no deadline.
func (l *link) send(message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	l.f.SetWriteDeadline(time.Now().Add(sendLimit))
	_, err = l.f.Write(append(text, '\n'))
	return err
}

func (l *link) receive(message any) error { return l.dec.Decode(message) }

func toBytes(texts []string) [][]byte {
	out := make([][]byte, len(texts))
	for i, s := range texts {
		out[i] = []byte(s)
	}
	return out
}

func toStrings(texts [][]byte) []string {
	out := make([]string, len(texts))
	for i, b := range texts {
		out[i] = string(b)
	}
	return out
}
