package remote

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/inner"
)

// place is the gateway that has the run, and how often the run has moved by now.
type place struct {
	base   string
	move   int
	client *http.Client
	left   context.Context // over when the run has gone from it to another because it was silent
}

// ready waits until a gateway has the run. It returns an error when the run is over or no
// gateway took it in time.
func (g *Gateways) ready(ctx context.Context) (place, error) {
	for {
		g.mu.Lock()
		switch {
		case g.gone != nil:
			defer g.mu.Unlock()
			return place{}, g.gone
		case g.lost.IsZero():
			defer g.mu.Unlock()
			return place{g.o.URLs[g.at], g.moves, g.client, g.left}, nil
		case g.search == nil:
			g.search = make(chan struct{})
			g.owners.Go(g.findAnother)
		}
		over := g.search
		g.mu.Unlock()
		select {
		case <-over:
		case <-ctx.Done():
			return place{}, ctx.Err()
		}
	}
}

// lose is told of a gateway that does not answer for the run, or at all. News about a
// gateway that the run has already left is ignored.
func (g *Gateways) lose(at place, silent bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.moves == at.move && g.lost.IsZero() {
		g.lost, g.silent = time.Now(), silent
		g.afresh()
	}
}

// findAnother asks each gateway in turn to take the run, the one that was lost
// first: it may only have been started again.
func (g *Gateways) findAnother() {
	g.mu.Lock()
	ctx, done := context.WithDeadline(g.ctx, g.lost.Add(g.o.Within))
	at, run, over := g.at, g.run, g.search
	g.mu.Unlock()
	defer done()
	defer close(over)
	var last error
	for {
		for i := range g.o.URLs {
			n := (at + i) % len(g.o.URLs)
			s, err := g.attach(ctx, g.o.URLs[n], run)
			if g.attached(n, s, err) {
				return
			}
			if ctx.Err() == nil || last == nil {
				last = fmt.Errorf("%s: %w", g.o.URLs[n], whyAway(err))
			}
		}
		select {
		case <-ctx.Done():
			g.giveUp(last)
			return
		case <-time.After(betweenIt):
		}
	}
}

func (g *Gateways) attach(ctx context.Context, base string, run ledger.RunID) (s inner.Status, err error) {
	ctx, done := context.WithTimeout(ctx, patience)
	defer done()
	return s, g.asAgent(ctx, base, "/runs/"+url.PathEscape(string(run))+"/attach", &s)
}

// attached notes the result of an attempt, and tells whether the search is over.
func (g *Gateways) attached(at int, s inner.Status, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.afresh()
		return false
	}
	g.search = nil
	if s.State == string(ledger.RunEnded) {
		g.final = &s
		g.gone = &Refused{"run_not_found", "the run was ended"}
		if s.Outcome == inner.Lost {
			g.gone = ErrUnheard
		}
		return true
	}
	if at != g.at && g.silent { // its connections may never tell that it is gone
		g.leave()
		g.left, g.leave = context.WithCancel(g.ctx)
	}
	g.at, g.lost = at, time.Time{}
	g.moves++
	return true
}

func (g *Gateways) giveUp(last error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.search = nil
	if g.gone == nil {
		g.gone = fmt.Errorf("%w, for %s: %w", ErrLost, g.o.Within, last)
	}
}
