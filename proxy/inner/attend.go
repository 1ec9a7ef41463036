package inner

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// Close ends what is left when the gateway closes: the aex of each is
// gone with the tree of the run around it. Remote runs go on elsewhere.
func (s *Runs) Close() (errs error) {
	for _, in := range s.inside("") {
		switch outer := s.Find(in.Parent); {
		case in.Remote && outer == nil:
			errs = errors.Join(errs, s.ledger.ReleaseRun(context.Background(), in.ID))
		case outer == nil:
			_, err := s.End(in, ledger.RunEnd{Outcome: Lost})
			errs = errors.Join(errs, err)
		}
	}
	return errs
}

// attendLooks is how often, within its patience, the gateway looks whether a run is
// attended. It counts looks and not time: a gateway that was itself stopped must not take
// that time for the others' silence.
const attendLooks = 12

// Attend extends the tokens of runs whose aex is there, and ends those whose
// aex is not.
func (s *Runs) Attend() {
	tick := time.NewTicker(cmp.Or(s.patience/attendLooks, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			for _, in := range s.inside("") {
				if !s.checkAttended(in, now) {
					break // it would not answer for the others either
				}
			}
		}
	}
}

// checkAttended extends the token of a run whose aex is there, and ends a run whose aex was
// missing at too many looks. An end that failed is tried again. It returns false while the
// ledger does not answer: then nobody who attends a run can be let in, so that nobody is
// taken to be missing.
func (s *Runs) checkAttended(in *Run, now time.Time) bool {
	there := in.Attended()
	if in.Remote && !there {
		if gone, err := s.leftUs(in); gone || errors.Is(err, ledger.ErrHeld) {
			return gone
		}
	}
	in.mu.Lock()
	if !there {
		in.missed++
	}
	lost := in.missed >= attendLooks && in.ends == nil
	again := in.ends != nil && in.ending == 0
	due := there && in.ends == nil && now.Sub(in.extended) > tokenLife/3
	if due {
		in.extended = now
	}
	in.mu.Unlock()
	var err error
	switch {
	case lost:
		s.logf("run %.4s: its aex is gone", in.ID)
		_, err = s.End(in, ledger.RunEnd{Outcome: Lost})
	case again:
		_, err = s.End(in, ledger.RunEnd{Outcome: Lost})
	case due:
		err = s.ledger.ExtendRun(context.WithoutCancel(s.ctx), in.ID, now.Add(tokenLife))
	}
	if err != nil && !errors.Is(err, ledger.ErrHeld) && !errors.Is(err, ledger.ErrUnsettled) && !errors.Is(err, ledger.ErrElsewhere) && !errors.Is(err, ErrAnew) {
		s.fail(err)
	}
	return true
}

// leftUs tells whether another gateway has taken over a run. Its calls that are under way
// here go on, unless that gateway ends the run.
func (s *Runs) leftUs(in *Run) (gone bool, err error) {
	s.moving.Lock() // so that the run cannot come back before it is let go
	state, has, err := s.ledger.HasRun(s.ctx, in.ID)
	gone = err == nil && !has
	over := gone && (in.Idle() || state == ledger.RunEnding || state == ledger.RunEnded)
	if over {
		s.Forget(in)
	}
	s.moving.Unlock()
	if over {
		in.shut(ledger.RunEnd{Outcome: Lost})
	}
	return gone, err
}
