package proxy

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

// LiveCall is a call on its way: what an operator sees before it is booked.
type LiveCall struct {
	ID     ledger.HoldID
	Agent  string
	Run    ledger.RunID
	Wire   string
	Model  string
	Stream bool
	Began  time.Time
	Hold   ledger.Micros
	Output int64         // tokens so far: as reported, else a guess from the bytes that passed
	Cost   ledger.Micros // so far, by that guess; never above Hold
}

// progress is what is known of a call while its answer is relayed.
type progress struct {
	call    *call
	seen    atomic.Int64 // bytes of output that passed
	outputs atomic.Int64 // output tokens that the provider reported
}

// guessBytes is a guess of how many bytes of output make a token. It is only shown: what
// is booked never depends on it.
const guessBytes = 4

// liveCalls are the calls that hold money now.
type liveCalls struct {
	mu   sync.Mutex
	open map[*progress]struct{}
	left chan struct{} // closed when the next call leaves
}

func (l *liveCalls) add(p *progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[*progress]struct{}{}
	}
	l.open[p] = struct{}{}
}

func (l *liveCalls) remove(p *progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, p)
	if l.left != nil {
		close(l.left)
		l.left = nil
	}
}

// next is closed when the next call leaves. It is nil while there is none.
func (l *liveCalls) next() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) == 0 {
		return nil
	}
	if l.left == nil {
		l.left = make(chan struct{})
	}
	return l.left
}

// owns tells whether a call on its way holds id.
func (l *liveCalls) owns(id ledger.HoldID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.open {
		if p.call.hold.ID == id {
			return true
		}
	}
	return false
}

// Holding is how many calls are on their way and hold money.
func (g *Gateway) Holding() int {
	g.live.mu.Lock()
	defer g.live.mu.Unlock()
	return len(g.live.open)
}

// Live lists the calls on their way, oldest first.
func (g *Gateway) Live() []LiveCall {
	g.live.mu.Lock()
	defer g.live.mu.Unlock()
	list := make([]LiveCall, 0, len(g.live.open))
	for p := range g.live.open {
		list = append(list, p.show())
	}
	slices.SortFunc(list, func(a, b LiveCall) int {
		return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID))
	})
	return list
}

func (p *progress) show() LiveCall {
	c := p.call
	output := max(p.outputs.Load(), p.seen.Load()/guessBytes)
	cost := c.hold.Amount
	if micros, err := policy.Cost(c.model.Price, policy.Usage{Input: c.ceiling.InputTk, Output: output}, ""); err == nil {
		cost = min(cost, ledger.Micros(micros))
	}
	return LiveCall{
		ID: c.hold.ID, Agent: c.id.Agent, Run: c.id.Run, Wire: c.asked.Wire, Model: c.modelAsked(), Stream: c.asked.Stream,
		Began: c.began, Hold: c.hold.Amount, Output: output, Cost: cost,
	}
}
