package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/bound"
	"github.com/Auro-rium/aex/v3/proxy/watch"
)

// settle is the last step: it books the call. It is deferred before the call is made,
// so that the call is booked also when forward panics. The ledger has the settlement
// before the connection takes another request, but nobody waits until it is on disk:
// until then the hold covers the call, and the gateway closes only afterwards. Only a
// panic, and the abort of a broken answer, wait for the booking.
func (c *call) settle() {
	booked := c.book(c.ended)
	switch {
	case c.ended.abort:
		booked()
		panic(http.ErrAbortHandler)
	case c.ended.row == rowPanic:
		booked()
	default:
		c.g.calls.Go(booked)
	}
}

// book gives the ledger the settlement that ends the hold. It returns a function that
// waits until that is on disk, and then tells the watcher. Nothing cancels either: the
// call has been made.
func (c *call) book(e ending) (booked func()) {
	if c.reading.Hidden && !c.model.Thinks.Hides(c.asked) {
		c.g.reasons.Add(c.model)
	}
	how, cost, ok := c.toldByAex(e)
	if !ok {
		how, cost = c.cost(e)
	}
	c.tellAex(how, cost)
	if c.reading.ID != "" {
		c.g.kept.note(buyer(c.id), c.reading.ID, c.model.Provider.Name)
	}
	s := c.settlement(how, cost, e.row)
	s.Clamped, s.Changed = c.clamped, plain.Text(strings.Join(c.changed, "; "), 300)
	s.FirstToken, s.Latency = c.firstToken, c.g.o.Now().Sub(c.began)
	if e.resp != nil {
		s.Status = e.resp.StatusCode
		s.RequestID = plain.Stored(c.keyless(requestID(e.resp.Header)))
	}
	if how != ledger.Settled && c.reading.Input == nil {
		s.Usage = ledger.Usage{}
	}
	c.learn(how, cost)
	at := c.asksLater(e, how)
	s.Asks = at != nil && c.g.later.enter()
	settled := c.g.ledger.SettleLater(context.WithoutCancel(c.g.ctx), c.hold.ID, s)
	return func() {
		if c.inner != nil {
			defer c.inner.Leave()
		}
		asks := s.Asks
		defer func() {
			if asks {
				c.g.later.leave()
			}
			if p := recover(); p != nil { // this may run in a goroutine of its own, which nothing else recovers
				c.g.fail(fmt.Errorf("booking call %s: panic: %v", c.hold.ID, p))
			}
		}()
		out, err := settled()
		c.g.live.remove(&c.progress)
		if err != nil {
			c.notBooked(err)
		}
		n := c.notice(e, cost, out.RunEnds)
		n.Doubt = how == ledger.Estimated
		c.g.watch(n)
		if asks && err == nil {
			asks = false
			c.askAbout(at, cost)
		}
	}
}

// learn keeps what the call teaches about the cost of the caller's next ones.
func (c *call) learn(how ledger.How, cost ledger.Micros) {
	if !c.hold.Limited || c.offered == nil {
		return
	}
	b := bound.Booked{How: how, Cost: cost, Held: c.hold.Amount, Offer: c.offered, Loose: c.loose, Reading: &c.reading}
	if cost > b.Held {
		b.Price = c.price()
	}
	c.g.paid.Learn(c.known(), b)
}

// askAbout has the provider asked, in a goroutine, what the call really cost. A run
// inside another does not end before that is over.
func (c *call) askAbout(at *url.URL, booked ledger.Micros) {
	done := func() {}
	if c.inner != nil {
		done = c.inner.Follows()
	}
	go func() {
		defer c.g.later.leave()
		defer done()
		c.askLater(at, booked)
	}()
}

// notice is what a watcher is told of a call that was booked.
func (c *call) notice(e ending, cost ledger.Micros, ends bool) watch.Notice {
	n := watch.Notice{
		Agent: c.id.Agent, Run: c.id.Run, Model: c.modelAsked(), Cost: cost, Ends: ends, Clamped: c.clamped, Changed: c.changed, Began: c.began,
		Body: c.bodyHash(), Local: c.model.Provider.Local, Tools: c.reading.Tools,
	}
	silent := c.route.wire.Silent // such an answer is not empty for having no text
	if e.resp != nil && e.resp.StatusCode < 300 {
		n.Fruitless = !c.reading.Finished || !silent && c.reading.Seen == 0 && len(c.reading.Tools) == 0
	}
	if c.answered != nil {
		n.Code = c.answered.Code
	}
	switch {
	case n.Ends:
		n.Owner = c.g.inner.ShortOf(context.WithoutCancel(c.g.ctx), c.caller())
	case e.resp != nil:
		c.heedUpstream(e.resp, &n)
	}
	return n
}

// heedUpstream notes that the provider is another aex, which has refused the call for
// want of money. The same rule applies as for a budget here: the run ends when the
// budget there is used up, or when three calls in a row were too dear for what is left
// of it. A provider with a well-known host is no aex, whatever its answer says.
func (c *call) heedUpstream(resp *http.Response, n *watch.Notice) {
	code := resp.Header.Get("X-Aex-Code")
	switch {
	case resp.StatusCode < 400:
		c.g.upstream.tooDear.Store(0)
		return
	case code != "budget_exceeded" && code != "call_exceeds_budget" || c.model.Provider.Builtin():
		return
	case code == "call_exceeds_budget" && c.g.upstream.tooDear.Add(1) < 3:
		n.Code = code
		return
	}
	n.Code, n.Ends, n.Upstream, n.Owner = "budget_exceeded", true, true, c.g.inner.Outermost(c.id.Run)
}

// requestID is the provider's name for the call.
func requestID(h http.Header) string {
	for _, name := range []string{"X-Request-Id", "Request-Id"} {
		if v := h.Get(name); v != "" {
			return v
		}
	}
	return ""
}

// keptMax bounds the answers that are remembered; the oldest are forgotten.
const keptMax = 10_000

// keptAnswers remembers who bought an answer that its provider keeps, and which
// provider that is. It is in memory only: a gateway that is started again knows none.
type keptAnswers struct {
	mu    sync.Mutex
	from  map[[2]string]string // buyer and id -> provider
	order [][2]string
}

func (k *keptAnswers) note(buyer, id, provider string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.from == nil {
		k.from = map[[2]string]string{}
	}
	key := [2]string{buyer, id}
	if _, known := k.from[key]; known {
		return
	}
	if len(k.order) >= keptMax {
		delete(k.from, k.order[0])
		k.order = k.order[1:]
	}
	k.from[key], k.order = provider, append(k.order, key)
}

func (k *keptAnswers) of(buyer, id string) (provider string, found bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	provider, found = k.from[[2]string{buyer, id}]
	return provider, found
}
