//go:build linux || darwin

package process

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

// Process is a supervised child with all that descends from it. Its loop is the one goroutine that follows signals and
// the monitor's reports.
type Process struct {
	cmd       Command
	child     int // its process id
	monitor   *monitorProcess
	terminals *terminals
	signals   *signals
	tree      *tree
	local     []net.Listener // listeners inside a sandbox for ports of the host
	end       childEnd
	pauses    pauses

	interrupted chan os.Signal
	closing     chan struct{}  // closed by Release: the loop is to end
	looped      chan struct{}  // closed when the loop has ended
	owned       sync.WaitGroup // the other goroutines
	kills       sync.WaitGroup // the goroutines that end the tree

	release  sync.Once
	mu       sync.Mutex
	released bool          // from now on nothing is written through the relay
	restored chan struct{} // closed when the terminal is as it was found
	close    func() error
}

// childEnd is how the child ended, once that is known.
type childEnd struct {
	done chan struct{} // closed when it is known

	mu     sync.Mutex
	status Status
	known  bool
	alone  bool // nothing else was left of the tree
}

// keep notes how the child ended; the first answer stands.
func (e *childEnd) keep(s Status, alone bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.known {
		e.known, e.status, e.alone = true, s, alone
		close(e.done)
	}
}

// wholeTree tells whether the whole tree has ended with the child, so that nothing is left to look for.
func (e *childEnd) wholeTree() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.known && e.alone
}

// Done is closed when the child itself has ended, or the monitor was lost. Its descendants may still run.
func (p *Process) Done() <-chan struct{} { return p.end.done }

// Status tells how the child ended. It is meaningful once Done is closed.
func (p *Process) Status() Status {
	p.end.mu.Lock()
	defer p.end.mu.Unlock()
	return p.end.status
}

// Interrupted yields the first TERM, INT, HUP or QUIT that aex got. The child's group has got it too, and the caller
// decides when the child has to be gone. A second signal kills the tree at once, without the caller. A Ctrl-C in a
// terminal of the child's own goes to the child alone and does not appear here.
func (p *Process) Interrupted() <-chan os.Signal { return p.interrupted }

// Suspended is how long the run has been stopped by job control in all. It does not count as the child's time.
func (p *Process) Suspended() time.Duration { return p.pauses.sum() }

// Tree lists the living processes of the tree, the child among them, oldest first.
func (p *Process) Tree() []Proc {
	if p.end.wholeTree() {
		return nil
	}
	return p.tree.forest().list(true)
}

// Orphans lists what is left of the tree, once the child has ended.
func (p *Process) Orphans() []Proc { return p.Tree() }

// End ends the whole tree: TERM and CONT to every process, and after the grace KILL until none is left, for at most five
// seconds; then it names the survivors. It may be called again, and always answers what all calls together did.
func (p *Process) End(e Ending) Ended {
	if p.end.wholeTree() {
		return p.tree.addUp(Ended{})
	}
	ended := p.tree.end(e.Grace)
	select { // the monitor may still have to report the child's end
	case <-p.Done():
	case <-time.After(killLimit):
	}
	return ended
}

// SetTitle sets the title of the caller's terminal, until the child sets one itself or the run ends.
func (p *Process) SetTitle(title string) {
	if r := p.terminals.relay; p.cmd.Title && r != nil && p.terminals.user != nil {
		r.setTitle(plain.Line(title))
	}
}

// Ring rings the caller's terminal, if there is one.
func (p *Process) Ring() {
	p.mu.Lock()
	released := p.released
	p.mu.Unlock()
	switch r := p.terminals.relay; {
	case !released && r != nil && p.terminals.user != nil:
		r.ring()
	case term.IsTerminal(int(p.cmd.Stderr.Fd())):
		p.cmd.Stderr.WriteString("\a")
	}
}

// Notice writes a line to the user: through the relay where a terminal is raw, so that it comes between the child's
// own lines; to aex's stderr otherwise. On a full screen it waits.
func (p *Process) Notice(line string) {
	t := p.terminals
	p.mu.Lock()
	if !p.released && t.relay != nil && t.user != nil && t.slave[2] {
		t.relay.queue(plain.Line(line))
		p.mu.Unlock()
		t.relay.flush()
		return
	}
	end := "\n"
	if !p.released && t.relay != nil && t.user != nil && controls(int(p.cmd.Stderr.Fd())) {
		end = "\r\n" // a terminal in raw mode needs the carriage return, and an open one does not mind it
	}
	released := p.released
	p.mu.Unlock()
	if released {
		<-p.restored
	}
	p.cmd.Stderr.WriteString(line + end)
}

// Release gives the terminal back as it was found and lets the monitor end; then aex may print. It leaves the rest of
// the tree alone, unless the child itself still runs: then it ends the tree. The monitor takes a few milliseconds to end,
// for which only Close waits. TERM, INT, HUP and QUIT stay caught, because the accounts are still to be settled.
func (p *Process) Release() {
	p.release.Do(func() {
		select {
		case <-p.Done():
		default:
			p.End(Ending{})
		}
		p.mu.Lock()
		p.released = true
		p.mu.Unlock()
		close(p.closing)
		<-p.looped
		p.kills.Wait()
		p.monitor.send(order{Release: true})
		status := p.Status()
		p.terminals.close(p.tree.killed(), status.Signal != 0 || status.Lost)
		p.terminals.giveBack(p.child, status.Signal, p.signals)
		close(p.restored)
	})
}

// Close releases the process, waits for the monitor, and removes what the run had in the kernel.
func (p *Process) Close() error {
	p.Release()
	return p.close()
}

// closed is what Close does once.
func (p *Process) closed() error {
	p.monitor.awaitEnd()
	err := p.monitor.f.Close()
	p.owned.Wait()
	if user := p.terminals.user; user != nil {
		err = errors.Join(err, user.f.Close())
	}
	p.signals.close()
	p.tree.removeCgroup()
	for _, l := range p.local {
		l.Close()
	}
	monitors.remove(p.monitor.process.Pid)
	return err
}

// forward passes a signal on to the child's group.
func (p *Process) forward(s os.Signal) {
	if number, ok := s.(unix.Signal); ok {
		p.monitor.send(order{Signal: int(number)})
	}
}
