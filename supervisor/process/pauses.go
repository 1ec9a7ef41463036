//go:build linux || darwin

package process

import (
	"sync"
	"time"
)

// pauses is the time that a run was stopped by job control.
type pauses struct {
	mu    sync.Mutex
	past  time.Duration // of those that are over
	since time.Time     // of the one under way; zero: none
}

func (p *pauses) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Now()
}

func (p *pauses) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.past += time.Since(p.since)
	p.since = time.Time{}
}

func (p *pauses) sum() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		return p.past
	}
	return p.past + time.Since(p.since)
}
