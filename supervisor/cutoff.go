package supervisor

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrCutOff reports a run that did not come to its end in time after somebody
// had insisted on that.
var ErrCutOff = errors.New("cut off")

// cutOffAfter is how long a run may take to end, its grace apart, after a
// second signal has asked for that: the kill of its tree has 5 s of it.
const cutOffAfter = 9 * time.Second

// progress is what a run is at, for whoever has to say what was cut off.
type progress struct {
	mu    sync.Mutex
	run   string // its id, once it has one
	doing string
}

func (p *progress) at(doing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing = doing
}

func (p *progress) is(run string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run = run
}

// bounded waits for a run, and no longer than allowed once insisted is closed.
// What hangs then ends with this process: the monitor ends the tree and
// restores the terminal when aex is gone, and holds that are open are settled
// in full by the next aex that opens the ledger.
func (r *session) bounded(insisted <-chan struct{}, run func() error) (*Report, error) {
	over := make(chan error, 1)
	go func() { over <- run() }()
	select {
	case err := <-over:
		return r.report, err
	case <-insisted:
	}
	late := time.NewTimer(r.Grace + cutOffAfter)
	defer late.Stop()
	select {
	case err := <-over:
		return r.report, err
	case <-late.C:
	}
	r.progress.mu.Lock()
	defer r.progress.mu.Unlock()
	// The report is the hanging run's to write.
	rep := &Report{RunID: r.progress.run, Agent: r.Agent, Program: program(r.Spec), Outcome: "cut off", ExitCode: ExitInternal, Unknown: true}
	return rep, fmt.Errorf("%w %s after the second signal, while %s", ErrCutOff, r.Grace+cutOffAfter, r.progress.doing)
}
