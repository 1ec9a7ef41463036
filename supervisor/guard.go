package supervisor

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Auro-rium/aex/v3/proxy/watch"
	"github.com/Auro-rium/aex/v3/supervisor/process"
)

// Bounds that no sane program exceeds.
const (
	loopWindow = time.Minute
	loopLimit  = 100 // times the same request, to no effect, within loopWindow
	loopWarn   = 20  // such requests until the user is warned
	stormLimit = 50  // refusals after the one that said that the money is gone
	noesLimit  = 500 // refusals within loopWindow without an answer in between
)

// GuardSpec says what ends a run before its budget does. Zero durations and
// limits mean never.
type GuardSpec struct {
	Timeout        time.Duration // of the whole run; time suspended does not count
	Idle           time.Duration // without a call under way or made
	Loop           LoopMode
	LoopLimit      int // 0: 100
	RequireMetered bool
}

// LoopMode is what the loop guard does about a program that repeats itself.
type LoopMode string

const (
	LoopOff  LoopMode = "off"
	LoopWarn LoopMode = "warn" // warn early, kill for what no sane program does
	LoopKill LoopMode = "kill" // kill at the limit
)

// errCallLimit ends a run at its --max-calls.
var errCallLimit = fmt.Errorf("%w: as many calls as --max-calls allows", ErrGuard)

// guard watches a run's calls and its clock. To compare requests it keeps their hashes, in
// memory and for this run only.
type guard struct {
	GuardSpec
	stop func(error)
	say  func(string, ...any)

	mu      sync.Mutex
	active  time.Time                // of the last call
	repeats map[[32]byte][]time.Time // when each fruitless request was made, within loopWindow
	warned  bool
	final   bool         // a call was refused because the money is gone: the grace has begun
	refused int          // calls that were refused after that
	noes    []time.Time  // when calls were refused since the last answer, within loopWindow
	metered atomic.Int64 // calls that were answered, without those of local models
	free    atomic.Int64 // calls of local models that metered has all the same, because another aex counts
}

func newGuard(s GuardSpec, stop context.CancelCauseFunc, say func(string, ...any)) *guard {
	if s.LoopLimit == 0 {
		s.LoopLimit = loopLimit
	}
	return &guard{GuardSpec: s, stop: stop, say: say, active: time.Now(), repeats: map[[32]byte][]time.Time{}}
}

// noticed looks at one answered call. The first refusal that says that the money is gone
// ends nothing here: then the program has its grace, which the guard cuts short only if it
// goes on calling.
func (g *guard) noticed(n watch.Notice) {
	if n.Code == "ledger_busy" { // it passes, and the program can do nothing about it
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active = time.Now()
	switch {
	case n.Code != "":
	case n.Local: // it cost nothing, so it proves no metering
	default:
		g.metered.Add(1)
	}
	switch {
	case n.Code == "call_limit":
		g.stop(errCallLimit)
	case n.Code != "" && g.final:
		if g.refused++; g.refused >= stormLimit {
			g.stop(fmt.Errorf("%w: %d calls after it was gone", ErrBudget, g.refused)) // no more grace
		}
	case n.Ends:
		g.final = true
	}
	if n.Code == "" {
		g.noes = nil
	} else if g.noes = recent(append(g.noes, g.active)); len(g.noes) >= noesLimit {
		g.stop(fmt.Errorf("%w: %d calls refused in a minute, and none answered", ErrGuard, len(g.noes)))
	}
	if g.Loop != LoopOff && (n.Fruitless || n.Code != "") {
		g.repeated(n)
	} else {
		delete(g.repeats, n.Body)
	}
}

// repeated counts how often the same request was made to no effect: its answer was empty,
// had no end or was a refusal.
func (g *guard) repeated(n watch.Notice) {
	if len(g.repeats) > 10_000 { // a program with so many different requests does not loop
		clear(g.repeats)
	}
	times := recent(append(g.repeats[n.Body], time.Now()))
	g.repeats[n.Body] = times
	switch {
	case len(times) >= g.LoopLimit:
		g.stop(fmt.Errorf("%w: the same request %d times in a minute, to no effect", ErrGuard, len(times)))
	case len(times) == min(loopWarn, g.LoopLimit) && !g.warned:
		g.warned = true
		g.say("the program repeats the same request to no effect (%d times in a minute)", len(times))
	}
}

// recent are those of the times that are no more than loopWindow before the last one.
func recent(times []time.Time) []time.Time {
	last := times[len(times)-1]
	for last.Sub(times[0]) > loopWindow {
		times = times[1:]
	}
	return times
}

// watch ends the run when its time is over. It returns when ctx ends.
func (g *guard) watch(ctx context.Context, p *process.Process, open func() int) {
	if g.Timeout == 0 && g.Idle == 0 {
		return
	}
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-timer.C:
			suspended := p.Suspended()
			next := time.Hour
			if g.Timeout > 0 {
				left := g.left(began, now, suspended)
				if left <= 0 {
					g.stop(fmt.Errorf("%w after %s", ErrTimeout, g.Timeout))
					return
				}
				next = min(next, left)
			}
			if g.Idle > 0 {
				left := g.Idle - g.idle(now, open) + suspended
				if left <= 0 {
					g.stop(fmt.Errorf("%w: no call for %s", ErrTimeout, g.Idle))
					return
				}
				next = min(next, left)
			}
			timer.Reset(max(next, time.Millisecond))
		}
	}
}

// left is what --timeout leaves of the time of a run, without the time that it was
// suspended.
func (g *guard) left(began, now time.Time, suspended time.Duration) time.Duration {
	return g.Timeout - (now.Sub(began) - suspended)
}

// caughtUp takes over the count of calls that the gateway around keeps, and tells how many
// are new.
func (g *guard) caughtUp(calls int64) (fresh int) {
	return int(calls - g.metered.Swap(calls))
}

// calls is the number of calls that a provider answered for money.
func (g *guard) calls() int64 {
	return g.metered.Load() - g.free.Load()
}

// idle is how long there has been no call.
func (g *guard) idle(now time.Time, open func() int) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if open() > 0 {
		g.active = now
	}
	return now.Sub(g.active)
}
