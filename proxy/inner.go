package proxy

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// innerRuns are the runs inside this gateway's that have not ended.
type innerRuns struct {
	mu   sync.Mutex
	runs map[ledger.RunID]*innerRun

	moving sync.RWMutex // held by who lets a run go that left; shared by those who take one over
}

// innerRun is one of them. Its calls run below ctx.
type innerRun struct {
	id, parent ledger.RunID // parent of a remote run: none
	remote     bool         // it, or the run around it, is of another machine
	asks       time.Duration
	ctx        context.Context
	stop       context.CancelFunc
	over       chan struct{} // closed when a limit of its own, or around it, ended it

	mu       sync.Mutex
	limit    string         // why over is closed: Exhausted, Limited
	ends     *ledger.RunEnd // how it is to end; it takes no call any more. Nil: it is open
	ending   int            // who is about to
	open     int64
	calls    sync.WaitGroup // Add only under mu while ends is nil
	attended int            // GETs under way
	missed   int            // looks at it since somebody attended
	extended time.Time      // when its token last was
	clamped  int64
	leastCap int64
	local    int64
	doubt    ledger.Micros // estimates, of calls that ended without their usage
	doubtful int64
	short    *ledger.Refusal // of the last call, where money refused it
	last     time.Time       // when it came in

	held int    // calls that wait for a top-up
	line string // what for
	news chan struct{}
}

// find is a run inside this gateway's; nil: it is none, or has ended.
func (s *innerRuns) find(id ledger.RunID) *innerRun {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs[id]
}

// outermost is the run that all others around id are inside of.
func (s *innerRuns) outermost(id ledger.RunID) ledger.RunID {
	for in := s.find(id); in != nil && in.parent != ""; in = s.find(id) {
		id = in.parent
	}
	return id
}

// add knows a run, whose calls run below ctx.
func (s *innerRuns) add(ctx context.Context, in *innerRun) {
	in.ctx, in.stop = context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs == nil {
		s.runs = map[ledger.RunID]*innerRun{}
	}
	s.runs[in.id] = in
}

// forget is the end of a run here, unless it was taken over anew meanwhile.
func (s *innerRuns) forget(in *innerRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs[in.id] == in {
		delete(s.runs, in.id)
	}
}

// count is how many there are.
func (s *innerRuns) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.runs)
}

// below is how many are inside the outermost run around id.
func (s *innerRuns) below(id ledger.RunID) (n int) {
	top := s.outermost(id)
	for _, in := range s.inside("") {
		if in.id != top && s.outermost(in.id) == top {
			n++
		}
	}
	return n
}

// inside lists the runs directly inside id; of "", all.
func (s *innerRuns) inside(id ledger.RunID) (list []*innerRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.runs {
		if id == "" || in.parent == id {
			list = append(list, in)
		}
	}
	return list
}

// noticed keeps what only the gateway knows of the runs around a call, and ends
// those that a limit is over for.
func (s *innerRuns) noticed(n Notice) {
	reached := n.Owner == ""
	for in := s.find(n.Run); in != nil; in = s.find(in.parent) {
		limit := ""
		switch {
		case reached:
		case n.Code == "call_limit":
			limit = Limited
		case n.Ends && (n.Code != "" || in.asks == 0): // an overrun is asked about at the next call
			limit = Exhausted
		}
		if reached { // the limit is that of a run inside this one
			n.Money = nil
		}
		in.noticed(n, limit)
		reached = reached || in.id == n.Owner
	}
}

func (in *innerRun) noticed(n Notice, limit string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !n.Late && !n.Began.Before(in.last) {
		in.last, in.short = n.Began, n.Money
	}
	if n.Local {
		in.local++
	}
	switch {
	case n.Doubt:
		in.doubt += n.Cost
		in.doubtful++
	case n.Late:
		in.doubt -= n.Was
		in.doubtful--
	}
	if n.Clamped > 0 {
		in.clamped++
		if in.leastCap == 0 || n.Clamped < in.leastCap {
			in.leastCap = n.Clamped
		}
	}
	if limit != "" && in.limit == "" {
		in.limit = limit
		close(in.over)
	}
}

// enter counts a call of the run, unless the run is ending.
func (in *innerRun) enter() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ends != nil {
		return false
	}
	in.open++
	in.calls.Add(1)
	return true
}

func (in *innerRun) leave() {
	in.mu.Lock()
	in.open--
	in.mu.Unlock()
	in.calls.Done()
}

// below is what the call's way upstream ends with: the gateway, or the run.
func (c *call) below() context.Context {
	if c.inner != nil {
		return c.inner.ctx
	}
	return c.g.ctx
}

// runOver refuses a call of a run that is ending.
func (c *call) runOver() error {
	return refusal.Of(&ledger.Refusal{Cause: ledger.CauseRunEnded, Account: ledger.RunAccount, Name: string(c.id.Run)})
}

func (in *innerRun) attend(by int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.attended += by
	in.missed = 0
}

// status tells how a run is.
func (g *Gateway) status(ctx context.Context, in *innerRun) (RunStatus, error) {
	row, err := g.ledger.Run(ctx, string(in.id))
	if err != nil {
		return RunStatus{}, err
	}
	return in.status(row), nil
}

func (in *innerRun) status(row ledger.Run) RunStatus {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := RunStatus{
		State: string(row.State), Exhausted: row.State == ledger.RunExhausted, Calls: row.Calls, Refused: row.Refused, Open: in.open,
		Spent: row.Account.Spent, Overrun: row.Account.Overrun, Clamped: in.clamped, LeastCap: in.leastCap, Local: in.local, Doubt: in.doubt, Doubtful: in.doubtful, Short: in.short, Started: row.Started,
	}
	switch {
	case row.State == ledger.RunEnded:
		s.Ended = &row.Ended
	case row.State == ledger.RunEnding:
	case in.limit != "":
		s.State = in.limit
	case in.line != "":
		s.State, s.Asks = fmt.Sprintf("%s %08x", Asking, crc32.ChecksumIEEE([]byte(in.line))), in.line
	default:
		s.State = string(ledger.RunOpen) // a call may be held for a top-up
	}
	return s
}

func (in *innerRun) idle() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.open == 0
}

// isOver tells whether the run takes no call any more.
func (in *innerRun) isOver() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.ends != nil
}

// shut lets no more calls in, cuts those under way and waits until they are
// booked. How the run ends is what was said first.
func (in *innerRun) shut(how ledger.RunEnd) ledger.RunEnd {
	in.mu.Lock()
	if in.ends == nil {
		in.ends = &how
	}
	how = *in.ends
	in.mu.Unlock()
	in.stop()
	in.calls.Wait()
	return how
}

func (in *innerRun) isEnding(by int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ending += by
}

// errAnew reports that a run was taken over anew while it was about to be ended.
var errAnew = errors.New("the run was taken over meanwhile")

// end ends a run and those inside it: no more calls, those under way are cut
// and booked, then the end is. What began is not cancelled. While a gateway that
// had the run before has calls of it under way, it is ledger.ErrUnsettled: that
// gateway is told by the run's state, and attend tries again here.
func (g *Gateway) end(in *innerRun, how ledger.RunEnd) (RunStatus, error) {
	ctx := context.WithoutCancel(g.ctx)
	in.isEnding(1)
	defer in.isEnding(-1)
	how = in.shut(how)
	var errs error
	for _, deeper := range g.inner.inside(in.id) {
		_, err := g.end(deeper, ledger.RunEnd{Outcome: "lost"})
		if !errors.Is(err, ledger.ErrElsewhere) { // then this one is, too
			errs = errors.Join(errs, err)
		}
	}
	if errs != nil {
		return RunStatus{}, errs
	}
	if now := g.inner.find(in.id); now != nil && now != in {
		return RunStatus{}, errAnew
	}
	how.Own = in.remote
	end, err := g.ledger.EndRun(ctx, in.id, how)
	switch {
	case errors.Is(err, ledger.ErrUnsettled) && in.remote:
		return RunStatus{}, errors.Join(err, g.ledger.SetRunState(ctx, in.id, ledger.RunEnding))
	case errors.Is(err, ledger.ErrElsewhere): // its end is there
		g.inner.forget(in)
		return RunStatus{}, err
	case err != nil:
		return RunStatus{}, err
	}
	g.inner.forget(in)
	s := in.status(end.Run)
	s.Exhausted = end.Was == ledger.RunExhausted
	return s, nil
}
