package supervisor

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrCutOff reports a run that did not end in time after somebody had insisted on its end
// with a second signal.
var ErrCutOff = errors.New("cut off")

// cutOffAfter is how long, beside its grace, a run may take to end after a second signal.
// The kill of its tree may take 5 s of that.
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

// bounded waits for a run, but not longer than allowed once insisted is closed. Whatever
// hangs then ends with this process: when aex is gone, the monitor ends the tree and
// restores the terminal, and the next aex that opens the ledger settles open holds in full.
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
	// The hanging run may still write to the report.
	rep := &Report{RunID: r.progress.run, Agent: r.Agent, Program: program(r.Spec), Outcome: "cut off", ExitCode: ExitInternal, Unknown: true}
	return rep, fmt.Errorf("%w %s after the second signal, while %s", ErrCutOff, r.Grace+cutOffAfter, r.progress.doing)
}
