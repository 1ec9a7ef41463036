package inner

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/watch"
)

// Runs are the runs inside this gateway's that have not ended.
type Runs struct {
	ledger   *ledger.Ledger
	ctx      context.Context // of the gateway
	draining <-chan struct{}
	patience time.Duration
	now      func() time.Time
	logf     func(format string, args ...any)
	fail     func(error)
	openings Openings

	mu   sync.Mutex
	runs map[ledger.RunID]*Run

	moving sync.RWMutex // locked to let a run go that another gateway has; shared by those who take one over
}

// Options are what runs are kept with. All are required.
type Options struct {
	Ledger   *ledger.Ledger
	Draining <-chan struct{} // closed when the gateway lets no new call in
	Patience time.Duration   // how long a run may go unattended before it is ended
	Now      func() time.Time
	Logf     func(format string, args ...any)
	Fail     func(error) // is told of what could not be booked
}

// New keeps runs, none yet, whose calls run below ctx. Watch them with Attend.
func New(ctx context.Context, o Options) *Runs {
	return &Runs{ledger: o.Ledger, ctx: ctx, draining: o.Draining, patience: o.Patience, now: o.Now, logf: o.Logf, fail: o.Fail, runs: map[ledger.RunID]*Run{}}
}

// Find is a run inside this gateway's; nil: it is none, or has ended.
func (s *Runs) Find(id ledger.RunID) *Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs[id]
}

// Outermost is the run that all others around id are inside of.
func (s *Runs) Outermost(id ledger.RunID) ledger.RunID {
	for in := s.Find(id); in != nil && in.Parent != ""; in = s.Find(id) {
		id = in.Parent
	}
	return id
}

// add knows a run, whose calls run below ctx.
func (s *Runs) add(ctx context.Context, in *Run) {
	in.Ctx, in.stop = context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs[in.ID] = in
}

// Forget is the end of a run here, unless it was taken over anew meanwhile.
func (s *Runs) Forget(in *Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs[in.ID] == in {
		delete(s.runs, in.ID)
	}
}

// Count is how many there are.
func (s *Runs) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.runs)
}

// below is how many are inside the outermost run around id.
func (s *Runs) below(id ledger.RunID) (n int) {
	top := s.Outermost(id)
	for _, in := range s.inside("") {
		if in.ID != top && s.Outermost(in.ID) == top {
			n++
		}
	}
	return n
}

// inside lists the runs directly inside id; of "", all.
func (s *Runs) inside(id ledger.RunID) (list []*Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.runs {
		if id == "" || in.Parent == id {
			list = append(list, in)
		}
	}
	return list
}

// Noticed keeps what only the gateway knows about the runs around a call, and ends those
// whose limit has been reached.
func (s *Runs) Noticed(n watch.Notice) {
	reached := n.Owner == ""
	for in := s.Find(n.Run); in != nil; in = s.Find(in.Parent) {
		limit := ""
		switch {
		case reached:
		case n.Code == "call_limit":
			limit = Limited
		case n.Ends && (n.Code != "" || in.Asks == 0): // an overrun is asked about at the next call
			limit = Exhausted
		}
		if reached { // the limit is that of a run inside this one
			n.Money = nil
		}
		in.noticed(n, limit)
		reached = reached || in.ID == n.Owner
	}
}

// status tells how a run is.
func (s *Runs) status(ctx context.Context, in *Run) (Status, error) {
	row, err := s.ledger.Run(ctx, string(in.ID))
	if err != nil {
		return Status{}, err
	}
	return in.status(row), nil
}

// ErrAnew reports that a run was taken over again while it was about to be ended.
var ErrAnew = errors.New("the run was taken over meanwhile")

// End ends a run and those inside it: no more calls are let in, calls under way are cut and
// booked, then the run's end is booked. Once it has begun it is not cancelled. While a
// gateway that had the run before has calls of it under way, it is ledger.ErrUnsettled: the
// run's state tells that gateway to cut them, and Attend tries again here.
func (s *Runs) End(in *Run, how ledger.RunEnd) (Status, error) {
	ctx := context.WithoutCancel(s.ctx)
	in.isEnding(1)
	defer in.isEnding(-1)
	how = in.shut(how)
	var errs error
	for _, deeper := range s.inside(in.ID) {
		_, err := s.End(deeper, ledger.RunEnd{Outcome: Lost})
		if !errors.Is(err, ledger.ErrElsewhere) { // then this one is, too
			errs = errors.Join(errs, err)
		}
	}
	if errs != nil {
		return Status{}, errs
	}
	if now := s.Find(in.ID); now != nil && now != in {
		return Status{}, ErrAnew
	}
	how.Own = in.Remote
	end, err := s.ledger.EndRun(ctx, in.ID, how)
	switch {
	case errors.Is(err, ledger.ErrUnsettled) && in.Remote:
		return Status{}, errors.Join(err, s.ledger.SetRunState(ctx, in.ID, ledger.RunEnding))
	case errors.Is(err, ledger.ErrElsewhere): // its end is there
		s.Forget(in)
		return Status{}, err
	case err != nil:
		return Status{}, err
	}
	s.Forget(in)
	ended := in.status(end.Run)
	ended.Exhausted = end.Was == ledger.RunExhausted
	return ended, nil
}

// Owner is the run whose limit a refusal of the caller's is for: the caller's, or
// one around it; the outermost where the limit is the agent's.
func (s *Runs) Owner(ctx context.Context, by Caller, refused *ledger.Refusal) ledger.RunID {
	switch {
	case by.Run == nil:
		return by.ID.Run
	case refused.Cause == ledger.CauseExhausted:
		// A run stays exhausted whatever emptied it: the accounts tell.
		return s.ShortOf(context.WithoutCancel(ctx), by)
	case refused.Account == ledger.RunAccount:
		return ledger.RunID(refused.Name)
	}
	return s.Outermost(by.ID.Run)
}

// ShortOf is the run on the caller's path whose account has the least left.
func (s *Runs) ShortOf(ctx context.Context, by Caller) ledger.RunID {
	if by.Run == nil {
		return by.ID.Run
	}
	path, err := s.ledger.Path(ctx, by.Hash)
	if err != nil {
		return by.ID.Run
	}
	short := ledger.Shortest(path)
	if short != nil && short.Kind == ledger.RunAccount {
		return ledger.RunID(short.Name)
	}
	return s.Outermost(by.ID.Run)
}
