//go:build linux || darwin

package process

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// TTY says when the child gets a pseudo-terminal.
type TTY string

const (
	TTYAuto  TTY = "auto"  // when aex has a controlling terminal; the zero value means the same
	TTYForce TTY = "force" // always; without a terminal the child's output and errors become it, and go to aex's output
	TTYNever TTY = "never" // not at all: the child has aex's descriptors as they are
)

// Command is a program to supervise.
type Command struct {
	Argv []string // the program and its arguments; looked up in the PATH of Env
	Env  []string // all of the child's environment
	Dir  string   // where it starts; "": here
	TTY  TTY

	Stdin, Stdout, Stderr *os.File // nil: aex's own

	// RunID names the run's cgroup, aex-<RunID>, where one can be made. "": none is.
	RunID string
	// Title lets SetTitle change the terminal's title.
	Title bool
	// DieWithParent ends the run as SIGTERM would when the process that started aex dies.
	DieWithParent bool
	// Sensitive hides aex's memory and environment from the user's other processes once the child runs.
	Sensitive bool
	// OnSignal, if set, is told of TERM, INT, HUP and QUIT to aex, from a goroutine of the Process, and must not
	// block. second means that the tree is being killed at once.
	OnSignal func(s os.Signal, second bool)
}

var (
	// ErrNotFound reports that there is no such program.
	ErrNotFound = errors.New("command not found")
	// ErrNotExecutable reports that there is one, and it cannot be run.
	ErrNotExecutable = errors.New("command cannot be executed")
)

// Status is how the child ended.
type Status struct {
	Code   int            // its exit code; 128 + Signal if a signal ended it
	Signal syscall.Signal // 0: it exited
	Lost   bool           // the monitor was killed, and with it the knowledge of how the child ended; Code is 125
}

// Process is a supervised child with all that descends from it.
type Process struct {
	cmd     Command
	plan    plan
	master  *os.File // nil: the child has no terminal of its own
	relay   *relay   // nil likewise
	link    *link
	monitor *os.Process
	child   int
	spawn   *spawn // how the monitor is to start the child
	cgroup  *cgroup
	signals *signals // from takeSignals on

	launching   chan struct{} // signals are the child's from now on
	caught      chan *signals // what takeSignals takes
	done        chan struct{} // the child has ended
	forked      chan struct{} // the monitor is there, or forkErr says why not
	forkErr     error
	asked       bool          // the monitor was told to start the child, and has not answered
	strangers   []Proc        // children that this process had before: a shell's, which then became aex
	monitorDone chan struct{} // the monitor has ended and is reaped
	interrupted chan os.Signal
	closing     chan struct{}
	loopDone    chan struct{}
	owned       sync.WaitGroup
	kills       sync.WaitGroup
	closeOnce   sync.Once
	closeErr    error

	mu        sync.Mutex
	status    Status
	ended     bool // status is final
	alone     bool // the child was the last of the tree
	forced    bool // End has killed, so the screen may need help
	closed    bool
	endings   int           // calls of End under way: a stopped child is then no reason to suspend aex
	suspended time.Duration // in all, so far
	since     time.Time     // of the suspension under way; zero: none

	endMu sync.Mutex // one End at a time
	sum   Ended      // what all of them did

	front bool // the child is its terminal's foreground group; only the loop uses it
	wants bool // it is to be, whenever aex is in the foreground; likewise
	size  unix.Winsize
}

// Done is closed when the child itself has ended, or the monitor was lost. Its descendants may still run.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID is the child's process id.
func (p *Process) PID() int { return p.child }

// Status tells how the child ended. It is meaningful once Done is closed.
func (p *Process) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// Interrupted yields the first TERM, INT, HUP or QUIT that aex got. The child's group has got it too; when the child
// has to be gone is the caller's to decide. A second one kills the tree at once, without the caller. Ctrl-C in a
// terminal that the child has goes to the child alone and does not appear here.
func (p *Process) Interrupted() <-chan os.Signal { return p.interrupted }

// Suspended is how long the run has been stopped by job control, in all. That time is not the child's.
func (p *Process) Suspended() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		return p.suspended
	}
	return p.suspended + time.Since(p.since)
}

// forest is this run's part of the process table. While the monitor lives, all that the tree orphans is adopted by
// it; when it has been killed, by aex.
func (p *Process) forest() *forest {
	roots := func() ([]int, map[int]bool) {
		select {
		case <-p.monitorDone:
			spare := monitors.snapshot()
			var table processTable
			for _, s := range p.strangers {
				if now, err := table.lookup(s.PID); err == nil && now.start == s.start {
					spare[s.PID] = true
				}
			}
			return []int{os.Getpid()}, spare
		default:
			return []int{p.monitor.Pid}, nil
		}
	}
	return &forest{roots: roots, cgroup: p.cgroup, settle: p.settle}
}

func (p *Process) settle() {
	select {
	case <-p.monitorDone:
		reapAdopted()
	default:
	}
}

// Tree lists the living processes of the tree, the child among them, oldest first.
func (p *Process) Tree() []Proc {
	if p.over() {
		return nil
	}
	return p.forest().list(true)
}

// over tells that the whole tree has ended by itself, which needs no looking for.
func (p *Process) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended && p.alone
}

// Orphans lists what is left of the tree. It means that once the child has ended.
func (p *Process) Orphans() []Proc { return p.Tree() }

// End ends the whole tree: TERM and CONT to every process, KILL after the grace until none is left, for at most five
// seconds, and then it names the survivors. It returns when that is over. Calling it again is harmless; the answer
// is the sum of all calls.
func (p *Process) End(e Ending) Ended {
	if p.over() {
		return p.addUp(Ended{})
	}
	p.mu.Lock()
	p.endings++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.endings--
		p.mu.Unlock()
	}()
	if e.Grace > 0 {
		p.endMu.Lock()
		defer p.endMu.Unlock()
	}
	// The child may have stopped its monitor.
	p.monitor.Signal(unix.SIGCONT)
	did := p.forest().end(e.Grace)
	if len(did.Ended) > 0 {
		p.mu.Lock()
		p.forced = true
		p.mu.Unlock()
	}
	p.awaitEnd()
	return p.addUp(did)
}

func (p *Process) addUp(did Ended) Ended {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := map[identity]bool{}
	for _, q := range p.sum.Ended {
		known[identity{q.PID, q.start}] = true
	}
	for _, q := range did.Ended {
		if !known[identity{q.PID, q.start}] {
			p.sum.Ended = append(p.sum.Ended, q)
		}
	}
	p.sum.Survivors = did.Survivors
	return p.sum
}

// awaitEnd gives the monitor the time to report the child whose end was just seen.
func (p *Process) awaitEnd() {
	select {
	case <-p.done:
	case <-time.After(killLimit):
	}
}

// SetTitle sets the title of the caller's terminal, until the child sets one itself or the run ends.
func (p *Process) SetTitle(title string) {
	if p.cmd.Title && p.relay != nil && p.plan.user != nil {
		p.relay.setTitle(Printable(title))
	}
}

// Ring rings the caller's terminal, if there is one.
func (p *Process) Ring() {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	switch {
	case !closed && p.relay != nil && p.plan.user != nil:
		p.relay.ring()
	case term.IsTerminal(int(p.cmd.Stderr.Fd())):
		p.cmd.Stderr.WriteString("\a")
	}
}

// Notice writes a line to the user: through the relay where a terminal is raw, so that it comes between the child's
// own lines; to aex's stderr otherwise. On a full screen it waits.
func (p *Process) Notice(line string) {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if !closed && p.relay != nil && p.plan.user != nil && p.plan.slave[2] {
		p.relay.notice(Printable(line))
		return
	}
	// A terminal in raw mode needs the carriage return, and an open one does not mind it.
	end := "\n"
	if !closed && p.plan.user != nil && p.relay != nil && controls(int(p.cmd.Stderr.Fd())) {
		end = "\r\n"
	}
	p.cmd.Stderr.WriteString(line + end)
}

// printable removes what would end or extend an escape sequence, or turn a line around.
func Printable(s string) string {
	out := []rune(s)
	for i, c := range out {
		if c < 0x20 || c >= 0x7f && c < 0xa0 || unicode.Is(unicode.Bidi_Control, c) {
			out[i] = ' '
		}
	}
	return string(out)
}

// Close ends the relay, gives the terminal back as it was found, and lets the monitor go; then aex may print. What is
// left of the tree when Close is called is left alone, unless the child itself still runs: that is killed. TERM, INT,
// HUP and QUIT stay caught, since what follows is the settling of accounts.
func (p *Process) Close() error {
	p.closeOnce.Do(func() { p.closeErr = p.close() })
	return p.closeErr
}

func (p *Process) close() error {
	select {
	case <-p.done:
	default:
		p.End(Ending{})
	}
	close(p.closing)
	<-p.loopDone
	p.kills.Wait()
	p.link.send(order{Release: true})
	p.awaitMonitor()
	if p.relay != nil {
		p.closeRelay()
	}
	p.giveTerminalBack()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.link.f.Close()
	p.owned.Wait()
	if p.plan.user != nil {
		err = errors.Join(err, p.plan.user.f.Close())
	}
	p.signals.close()
	if p.cgroup != nil {
		p.cgroup.remove() // what cannot be removed is swept by the next aex
	}
	monitors.remove(p.monitor.Pid)
	return err
}

func (p *Process) awaitMonitor() {
	const patience = 2 * time.Second
	select {
	case <-p.monitorDone:
	case <-time.After(patience):
		p.monitor.Kill() // stopped by its own children, or worse
		<-p.monitorDone
	}
}

// Drains: a survivor may keep the child's terminal open, and nobody may be reading the caller's.
const (
	drainIdle   = 200 * time.Millisecond
	drainStall  = 10 * time.Second
	drainForced = 300 * time.Millisecond
)

func (p *Process) closeRelay() {
	p.mu.Lock()
	killed := p.forced || p.status.Signal != 0 || p.status.Lost
	stall := drainStall
	if p.forced {
		stall = drainForced
	}
	p.mu.Unlock()
	p.relay.close(drainIdle, stall)
	p.relay.finish(killed)
}
