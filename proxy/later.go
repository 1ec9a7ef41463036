package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/watch"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// How a provider is asked for the real cost of a call that was estimated.
const (
	laterFirst   = time.Second      // before the first question; each later wait is twice as long
	laterLongest = time.Minute      // between two questions
	laterTries   = 60               // about an hour: no provider needs that long
	laterLast    = 2 * time.Second  // for the last question, when the run or the gateway ends
	laterAnswer  = 20 * time.Second // for any other
	laterPending = 1000             // calls that are asked about at a time
	laterBytes   = 16 << 20         // of an answer
)

// later asks providers what a call really cost whose answer ended without its usage,
// where the provider can tell. It owns the goroutines that ask, one for each call.
type later struct {
	mu      sync.Mutex
	pending int
	asking  sync.WaitGroup // Add only while the call in question is open
}

// asksLater is the URL at which the cost of a call can be asked for afterwards,
// nil for none.
func (c *call) asksLater(e ending, how ledger.How) *url.URL {
	host := c.model.Provider.Host()
	if how != ledger.Estimated || host.Later == "" {
		return nil
	}
	base := strings.TrimSuffix(c.model.Provider.BaseURL, "/")
	switch at, id := "", c.reading.Answer; host.Later {
	case policy.LaterResponse:
		if id == "" || c.asked.Wire != policy.Responses || c.body.Get("store").Kind() == 'f' {
			return nil
		}
		at = base + c.route.wire.Path(c.model, "") + "/" + url.PathEscape(id)
		u, _ := url.Parse(at)
		return u
	case policy.LaterGeneration:
		if e.resp != nil {
			id = cmp.Or(plain.Clip(e.resp.Header.Get("X-Generation-Id"), 200), id)
		}
		if id == "" {
			return nil
		}
		at = base + "/generation"
		if c.model.Provider.Type == policy.TypeAnthropic { // its base URL has no version
			at = base + "/v1/generation"
		}
		u, _ := url.Parse(at + "?id=" + url.QueryEscape(id))
		return u
	}
	return nil
}

// enter counts a call as asked about; false when there are too many.
func (l *later) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending >= laterPending {
		return false
	}
	l.pending++
	l.asking.Add(1)
	return true
}

func (l *later) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending--
	l.asking.Done()
}

// askLater asks until the provider knows, and once more when the run or the
// gateway ends. The call is over: nothing else uses it any more.
func (c *call) askLater(at *url.URL, booked ledger.Micros) {
	c.w, c.body, c.prompt, c.answered = nil, wire.Object{}, nil, nil
	c.reading = wire.Reading{}
	wait := cmp.Or(c.g.o.laterFirst, laterFirst)
	for range laterTries {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.below().Done():
			timer.Stop()
			c.hear(context.WithoutCancel(c.below()), laterLast, at, booked)
			return
		}
		if c.hear(c.below(), laterAnswer, at, booked) {
			return
		}
		wait = min(2*wait, laterLongest)
	}
}

// hear asks once, and books what it is told. It reports whether to ask no more.
func (c *call) hear(ctx context.Context, limit time.Duration, at *url.URL, booked ledger.Micros) (over bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	over, err := c.askOnce(ctx, at)
	if err != nil {
		c.g.o.Logf("asking what call %s cost: %s", c.hold.ID, scrub(err, c.key))
	}
	if !c.reading.Known {
		return over
	}
	how, cost := c.told()
	if how != ledger.Settled {
		return true // it told of something that aex cannot price: the estimate stands
	}
	out, err := c.g.ledger.Settle(context.WithoutCancel(ctx), c.hold.ID, c.settlement(how, cost, "asked"))
	if err != nil {
		c.notBooked(err)
		return true
	}
	n := watch.Notice{Agent: c.id.Agent, Run: c.id.Run, Model: c.modelAsked(), Late: true, Cost: cost - booked, Was: booked, Ends: out.RunEnds, Began: c.began}
	if n.Ends {
		n.Owner = c.g.inner.ShortOf(context.WithoutCancel(ctx), c.caller())
	}
	c.g.watch(n)
	return true
}

// askOnce makes the request, by the same way and with the same key as the call itself,
// and reads the answer into c.reading. over tells that the cost will never be known.
func (c *call) askOnce(ctx context.Context, at *url.URL) (over bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return true, err
	}
	req.Header.Set("User-Agent", "aex")
	req.Header.Set("Accept-Encoding", "identity")
	for name, value := range c.model.Provider.Headers {
		req.Header.Set(name, value)
	}
	c.authorize(req.Header)
	transport, err := c.g.upstream.to(c.model.Provider)
	if err != nil {
		return true, err
	}
	resp, err := roundTrip(transport, req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(decoded(resp), laterBytes))
	switch {
	case err != nil:
		return false, err
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode >= 500:
		return false, nil // it does not know yet
	case resp.StatusCode != http.StatusOK:
		return true, fmt.Errorf("the provider answers with the status %d", resp.StatusCode)
	}
	c.reading = wire.Reading{}
	if c.model.Provider.Host().Later == policy.LaterGeneration {
		wire.Generation(body, &c.reading)
		return false, nil
	}
	c.route.wire.Meter(c.edit).Whole(resp.StatusCode, body, &c.reading)
	return c.reading.Finished, nil
}

// notBooked reports a settlement that could not be written. Where the ledger's server was
// away for too long, sweep books the hold in full when it is back. Any other reason ends
// the gateway.
func (c *call) notBooked(err error) {
	c.g.o.Logf("booking call %s: %v", c.hold.ID, err)
	if !errors.Is(err, ledger.ErrHeld) {
		c.g.fail(err)
	}
}
