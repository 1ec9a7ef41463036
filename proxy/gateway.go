// Package proxy is the gateway between programs and model providers: it lets a
// call through only with a hold on disk, relays it byte for byte, and books what
// it cost.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/bound"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/memory"
	"github.com/Auro-rium/aex/v3/proxy/oidc"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/watch"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// Options are what a gateway works with. Ledger and Registry are required.
type Options struct {
	Ledger   *ledger.Ledger
	Registry *policy.Registry

	// Key is the real key for a provider, "" for none. It is asked on every
	// call, so that a reload takes effect.
	Key func(policy.Provider) string

	// Extend gives the token of this gateway's own run more time when it has
	// expired, as after a night of suspension; for any other it is
	// ledger.ErrNotFound. Nil: an expired token stays so.
	Extend func(context.Context, ledger.TokenHash) error
	// Alone is the one run that the gateway serves: a request whose caller is not
	// known is booked as a refusal of that run. Empty: it serves many.
	Alone ledger.Identity
	// KeyHint is what else to say where a provider's key is missing; may be nil.
	KeyHint func(policy.Provider) string

	NoClamp bool          // refuse rather than lower a call's output cap
	Wait    time.Duration // how long a call waits for money in flight; 0: 20 s
	Linger  time.Duration // how long an answer is still read for its usage after the client left; 0: 60 s
	Memory  int64         // that bodies and answers may take while they are held; 0: memory.Default
	Hosts   []string      // host names accepted beside loopback
	CAFile  string        // certificates trusted upstream beside the system's; a provider's own goes first

	// Watch is told of every answer, after it was flushed to the client and
	// booked. It must not block.
	Watch func(watch.Notice)
	// Broken is called once when a call could not be booked. The gateway
	// admits nothing from then on.
	Broken func(error)
	// Outside answers CONNECT and requests for other hosts, the way out of a
	// sandbox. Nil: they are refused as any other route.
	Outside http.Handler
	// Logf is told of faults that no client sees. It never gets content.
	Logf func(format string, args ...any)

	// Ask keeps a call waiting that money or a pause keeps back, until it may be
	// tried again. Nil: such calls are refused at once.
	Ask func(context.Context, watch.Question) watch.Answer
	// Asks tells that calls of the outermost run may wait so, too. A run inside it
	// says by itself whether its calls may.
	Asks bool
	// Exchange tells which agent a CI's token is for, and whose it is. Nil: no such
	// token is taken.
	Exchange func(ctx context.Context, token string) (oidc.Rule, string, error)
	// Patience is how long a run inside this one may go unattended before it
	// is ended; 0: a minute.
	Patience time.Duration

	countPatience time.Duration // how long a call waits for a count; 0: 1 s
	noVocabulary  bool          // the provider counts in another way than any vocabulary

	// Wires are the dialects that the gateway speaks. Nil: wire.Served().
	Wires []*wire.Wire

	Now func() time.Time // nil: time.Now

	sweepEvery time.Duration                                                     // how often the ledger is asked for holds that no call owns; 0: 1 min
	dial       func(ctx context.Context, network, addr string) (net.Conn, error) // nil: net.Dialer's
	grace      time.Duration                                                     // of an upload; 0: memory.UploadGrace
	readWithin time.Duration                                                     // with a client that does not read; 0: as memory has it
	laterFirst time.Duration                                                     // before a provider is asked what a call cost; 0: 1 s
}

// Gateway serves calls for the tokens of one ledger.
type Gateway struct {
	o        Options
	ledger   *ledger.Ledger
	registry atomic.Pointer[policy.Registry]
	wires    []*wire.Wire
	upstream *upstreams
	hosts    Hosts

	// Calls run below ctx, not below their client's connection: what was sent
	// has to be read and booked also when nobody listens.
	ctx  context.Context
	stop context.CancelCauseFunc

	draining    chan struct{} // closed when no new call is let in
	mu          sync.Mutex
	closing     bool
	calls       sync.WaitGroup // Add only under mu while not closing
	open        atomic.Int64   // calls under way
	sweeper     sync.WaitGroup // sweep, and the watch over inner
	live        liveCalls      // calls under way that have a hold
	paid        bound.Paid     // what callers have paid for, which bounds their next prompts
	counts      counts         // providers that are not asked to count prompts for now
	permissions permissions    // what callers may do
	kept        keptAnswers    // answers that providers keep, by who bought them
	reasons     bound.Reasons  // models that turned out to reason
	later       later          // asks providers afterwards what a call of estimated cost really cost
	inner       *inner.Runs    // runs inside the one that this gateway is for, and those of other machines
	exchanged   inner.Openings // how often each CI's token was exchanged of late
	memory      *memory.Budget
	broken      sync.Once
	failed      atomic.Bool
	server      *http.Server
}

// New makes a gateway. Serve or ServeHTTP put it to work; Shutdown ends it.
func New(o Options) *Gateway {
	if o.Wait == 0 {
		o.Wait = 20 * time.Second
	}
	if o.Linger == 0 {
		o.Linger = time.Minute
	}
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	if o.Memory == 0 {
		o.Memory = memory.Default
	}
	if o.sweepEvery == 0 {
		o.sweepEvery = time.Minute
	}
	if o.countPatience == 0 {
		o.countPatience = countPatience
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wires == nil {
		o.Wires = wire.Served()
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	g := &Gateway{o: o, ledger: o.Ledger, wires: o.Wires, upstream: newUpstreams(o.CAFile), hosts: NewHosts(o.Hosts)}
	g.upstream.dial = o.dial
	g.memory = memory.New(o.Memory, o.grace, o.readWithin)
	g.registry.Store(o.Registry)
	g.ctx, g.stop = context.WithCancelCause(context.Background())
	g.draining = make(chan struct{})
	g.inner = inner.New(g.ctx, inner.Options{Ledger: o.Ledger, Draining: g.draining, Patience: o.Patience, Now: o.Now, Logf: o.Logf, Fail: g.fail})
	g.sweeper.Go(g.sweep)
	g.sweeper.Go(g.inner.Attend)
	g.server = &http.Server{
		Handler:           g,
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       15 * time.Minute,
		MaxHeaderBytes:    256 << 10,
		ErrorLog:          plain.ServerLog(o.Logf),
	}
	return g
}

// Serve answers connections of l until Shutdown.
func (g *Gateway) Serve(l net.Listener) error {
	if err := g.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	}
	return nil
}

// SetRegistry makes later calls use r.
func (g *Gateway) SetRegistry(r *policy.Registry) { g.registry.Store(r) }

// Shutdown refuses new calls, gives open ones until ctx ends, then cancels
// them, and returns when every one is booked and every connection closed.
func (g *Gateway) Shutdown(ctx context.Context) error {
	g.mu.Lock()
	if !g.closing {
		g.closing = true
		close(g.draining)
	}
	g.mu.Unlock()
	booked := make(chan struct{})
	go func() { g.calls.Wait(); close(booked) }()
	select {
	case <-booked:
	case <-ctx.Done():
		// A client that neither sends nor reads would delay its call for ever: its
		// connection is closed, too.
		if n := g.Open(); n > 0 {
			g.o.Logf("%d calls were cut off, and are booked at what they may have cost", n)
		}
		g.stop(context.Cause(ctx))
		_ = g.server.Close()
		<-booked
	}
	g.stop(http.ErrServerClosed)
	g.sweeper.Wait()
	g.later.asking.Wait()
	g.upstream.close()
	lost := g.inner.Close()
	// An answer to what is no call may still be on its way, as the one to the
	// operator who asked for the end.
	polite, cancel := context.WithTimeout(context.Background(), lastAnswer)
	defer cancel()
	if err := g.server.Shutdown(polite); err == nil {
		return lost
	}
	return errors.Join(lost, g.server.Close())
}

// lastAnswer is how long answers that are no calls get when the gateway closes.
const lastAnswer = 500 * time.Millisecond

// sweep settles in full what a call of this gateway has left behind, which only a
// mistake in aex can cause. What cannot be booked ends the gateway.
func (g *Gateway) sweep() {
	tick := time.NewTicker(g.o.sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-tick.C:
		}
		swept, err := g.ledger.Sweep(g.ctx, g.live.owns)
		if err != nil && g.ctx.Err() == nil && !errors.Is(err, ledger.ErrHeld) {
			g.fail(err)
		}
		for _, s := range swept {
			g.o.Logf("settled %s in full: no call owns hold %s", s.Amount, s.Hold)
		}
	}
}

// enter counts a call as open, unless the gateway is closing.
func (g *Gateway) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		return false
	}
	g.calls.Add(1)
	g.open.Add(1)
	return true
}

// leave is the end of a call.
func (g *Gateway) leave() {
	g.open.Add(-1)
	g.calls.Done()
}

// Open is the number of calls under way.
func (g *Gateway) Open() int { return int(g.open.Load()) }

// ServeHTTP is the way of a call: authenticate, read, decide, admit, forward
// and meter, settle. Whatever fails on the way is refused in the caller's
// dialect.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.o.Outside != nil && ForOutside(r) {
		g.o.Outside.ServeHTTP(w, r)
		return
	}
	c := &call{g: g, w: w, r: r, began: g.o.Now(), ended: ending{row: rowPanic}, memory: g.memory.Share()}
	defer c.memory.Release()
	defer c.memory.Unhurry(w)
	if !g.enter() {
		c.refuse(refusal.New("shutting_down", "the gateway is closing; no further call is made"))
		return
	}
	defer g.leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()
	if err := c.serve(ctx); err != nil {
		c.refuse(refusal.As(err))
		c.notify()
	}
}
