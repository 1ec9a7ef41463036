//go:build linux || darwin

package process

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// monitorProcess is the monitor as aex sees it.
type monitorProcess struct {
	*link
	process *os.Process   // once it is forked, if that succeeded
	forked  chan struct{} // closed when it is known whether it did
	failed  error         // why not
	spawn   *spawn        // how it is to start the child
	asked   bool          // it was told to start the child, and has not answered
	ended   chan struct{} // closed when it has ended and is reaped
	asking  sync.Mutex    // one question at a time
	swept   chan swept    // the answer
	have    sandbox.Have
	inside  net.Listener  // of the gateway in a full sandbox
	emptied chan struct{} // closed when nothing but it is left in there
	empty   sync.Once     // closes emptied
}

// startMonitor starts the monitor, which then waits for the order to start the child. It does not wait until the kernel
// has it running, which awaitFork does.
func startMonitor(c Command, t *terminals, have sandbox.Have) (*monitorProcess, error) {
	program, err := executable()
	if err != nil {
		return nil, fmt.Errorf("finding aex's own program for the monitor: %w", err)
	}
	passed, err := c.passed()
	if err != nil {
		return nil, err
	}
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	m := &monitorProcess{link: newLink(ours), spawn: &spawn{Inherited: passed}, forked: make(chan struct{}), ended: make(chan struct{}), have: have, emptied: make(chan struct{}), swept: make(chan swept, 1)}
	base := freeRun(m.spawn.Inherited, fdCount)
	attr := &syscall.ProcAttr{
		Env: []string{monitorEnv}, Files: m.files(c, t, base, theirs), Sys: monitorAttr(t.inner != nil, base+fdTerminal),
	}
	argv := []string{"aex", monitorArg, strconv.Itoa(base)}
	if m.contained() {
		argv = append(argv, insideArg)
		err = sandbox.Attr(attr.Sys)
	}
	if err != nil {
		theirs.Close()
		ours.Close()
		return nil, fmt.Errorf("starting the monitor: %w", err)
	}
	go m.attend(theirs, program, argv, attr)
	if m.contained() {
		if err := m.awaitFork(); err != nil {
			ours.Close()
			return nil, err // the kernel refuses the namespaces
		}
	}
	t.link = m.link
	return m, nil
}

// attend forks the monitor and waits for its end. Its thread lives as long as the monitor: the parent-death signal
// follows the thread.
func (m *monitorProcess) attend(theirs *os.File, program string, argv []string, attr *syscall.ProcAttr) {
	runtime.LockOSThread()
	defer close(m.ended)
	pid, err := syscall.ForkExec(program, argv, attr)
	theirs.Close() // otherwise the monitor's death would not be seen
	if err == nil {
		monitors.add(pid)
		m.process, err = os.FindProcess(pid)
	}
	m.failed = err
	close(m.forked)
	if err == nil {
		m.process.Wait()
	}
}

// awaitFork waits until the monitor runs, or could not be started.
func (m *monitorProcess) awaitFork() error {
	<-m.forked
	if m.failed != nil {
		return fmt.Errorf("starting the monitor: %w", m.failed)
	}
	return nil
}

// files lays out the monitor's descriptors: the child's 0 to 2, what the caller passed on, and its own. What was passed on
// beyond those goes with it anyhow: to list it would fail where its number is above the limit that is set now.
func (m *monitorProcess) files(c Command, t *terminals, base int, control *os.File) []uintptr {
	const none = ^uintptr(0)
	s := m.spawn
	files := make([]uintptr, base+fdCount)
	for i := range files {
		files[i] = none
	}
	for i, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr} {
		files[i] = f.Fd()
		if t.plan.slave[i] {
			files[i] = t.inner.Fd()
		}
	}
	for _, fd := range s.Inherited {
		if fd < len(files) {
			files[fd] = uintptr(fd)
		}
	}
	files[base+fdControl] = control.Fd()
	if t.user != nil {
		files[base+fdUser], s.User = uintptr(t.user.fd), true
		if t.inner == nil {
			files[base+fdTerminal], s.Terminal = uintptr(t.user.fd), true
		}
	}
	if t.inner != nil {
		files[base+fdTerminal], s.Terminal = t.inner.Fd(), true
	}
	return files
}

// freeRun is the lowest number above 2 from which n descriptors are not among taken, which is sorted or not.
func freeRun(taken []int, n int) int {
	used := map[int]bool{}
	for _, fd := range taken {
		used[fd] = true
	}
	for base := 3; ; base++ {
		free := true
		for i := range n {
			free = free && !used[base+i]
		}
		if free {
			return base
		}
	}
}

// gone tells whether the monitor has ended and is reaped.
func (m *monitorProcess) gone() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

// awaitEnd waits for the monitor, which was told to go.
func (m *monitorProcess) awaitEnd() {
	const atMost = 2 * time.Second
	select {
	case <-m.ended:
	case <-time.After(atMost):
		m.process.Kill() // stopped by its own children, or worse
		<-m.ended
	}
}

// wake continues a monitor that something below it has stopped: otherwise nobody would hear of the child any more. The
// kernel tells aex of a stop in the same way as of an end.
func (m *monitorProcess) wake() {
	if m.awaitFork() != nil {
		return
	}
	var table processTable
	if p, err := table.lookup(m.process.Pid); err == nil && p.state == 'T' {
		m.process.Signal(unix.SIGCONT)
	}
}

// sweep has the monitor signal its children. One that does not answer is killed: its children then are aex's own.
func (m *monitorProcess) sweep(s unix.Signal) (found swept, known bool) {
	m.asking.Lock()
	defer m.asking.Unlock()
	select {
	case <-m.swept: // of a question that was given up
	default:
	}
	if m.gone() {
		return swept{}, false
	}
	number := int(s)
	if m.send(order{Sweep: &number}) == nil {
		select {
		case found = <-m.swept:
			return found, knowsChildless
		case <-m.ended:
			return swept{}, false
		case <-time.After(sendLimit):
		}
	}
	m.process.Kill()
	<-m.ended
	return swept{}, false
}
