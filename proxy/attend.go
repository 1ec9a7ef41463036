package proxy

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// endInnerRuns ends what is left when the gateway closes: the aex of each is
// gone with the tree of the run around it. Remote runs go on elsewhere.
func (g *Gateway) endInnerRuns() (errs error) {
	for _, in := range g.inner.inside("") {
		switch outer := g.inner.find(in.parent); {
		case in.remote && outer == nil:
			errs = errors.Join(errs, g.ledger.ReleaseRun(context.Background(), in.id))
		case outer == nil:
			_, err := g.end(in, ledger.RunEnd{Outcome: "lost"})
			errs = errors.Join(errs, err)
		}
	}
	return errs
}

// attendLooks is how often within its patience the gateway looks whether a run
// is attended. Looks are counted, not time: a gateway that was itself stopped
// must not take that for the others' silence.
const attendLooks = 12

// attend extends the tokens of runs whose aex is there, and ends those whose
// aex is not.
func (g *Gateway) attend() {
	tick := time.NewTicker(cmp.Or(g.o.Patience/attendLooks, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case now := <-tick.C:
			for _, in := range g.inner.inside("") {
				g.checkAttended(in, now)
			}
		}
	}
}

// checkAttended extends the token of a run whose aex is there, and ends one whose
// aex has been away too often. An end that was not possible is tried again.
func (g *Gateway) checkAttended(in *innerRun, now time.Time) {
	in.mu.Lock()
	there := in.attended > 0
	if !there {
		in.missed++
	}
	lost := in.missed >= attendLooks && in.ends == nil
	again := in.ends != nil && in.ending == 0
	due := there && in.ends == nil && now.Sub(in.extended) > innerTokenLife/3
	if due {
		in.extended = now
	}
	in.mu.Unlock()
	var err error
	switch {
	case in.remote && !there && g.leftUs(in):
	case lost:
		g.o.Logf("run %.4s: its aex is gone", in.id)
		_, err = g.end(in, ledger.RunEnd{Outcome: "lost"})
	case again:
		_, err = g.end(in, ledger.RunEnd{Outcome: "lost"})
	case due:
		err = g.ledger.ExtendRun(context.WithoutCancel(g.ctx), in.id, now.Add(innerTokenLife))
	}
	if err != nil && !errors.Is(err, ledger.ErrHeld) && !errors.Is(err, ledger.ErrUnsettled) && !errors.Is(err, ledger.ErrElsewhere) && !errors.Is(err, errAnew) {
		g.fail(err)
	}
}

// leftUs tells whether another gateway has taken a run over. Its calls that are
// under way here go on, unless the run is ended there.
func (g *Gateway) leftUs(in *innerRun) bool {
	g.inner.moving.Lock() // or it comes back between the look and what follows from it
	state, has, err := g.ledger.HasRun(g.ctx, in.id)
	gone := err == nil && !has
	over := gone && (in.idle() || state == ledger.RunEnding || state == ledger.RunEnded)
	if over {
		g.inner.forget(in)
	}
	g.inner.moving.Unlock()
	if over {
		in.shut(ledger.RunEnd{Outcome: "lost"})
	}
	return gone
}
