// Package fakeprovider is the model provider that tests, the demo and the
// benchmarks talk to. It speaks the providers' dialects as they publish them,
// adds the hidden prompt tokens that they add, fails in the ways that they
// fail, and keeps a bill of its own that owes nothing to the gateway's code:
// what the ledger says is checked against it.
package fakeprovider

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what a provider is from its start. The zero value is a provider
// that takes any key and any model, and hides prompt tokens as real ones do.
type Options struct {
	// Key is the API key it takes; "" takes any request. It must be sent where
	// the wire's real provider looks for it.
	Key string
	// Models it lists. With Strict, any other is refused as not found.
	Models []string
	Strict bool
	// Behaviour is how it answers until Set says otherwise.
	Behaviour Behaviour
	// Draw says how each request is answered, one by one, in place of Behaviour
	// and Set. It is called for one request at a time.
	Draw func() Behaviour
	// Hidden replaces every wire's hidden prompt tokens when it is not nil; the
	// zero Hidden adds none.
	Hidden *Hidden
	// BytesPerToken is how many bytes of a prompt make a token, rounded up per
	// text; 0 is 4. With 1 a gateway that bounds tokens by bytes is tight.
	BytesPerToken int64
	// Seed moves the words of every answer.
	Seed int64
	// Lean keeps no bodies, headers or single entries: the bill is kept summed
	// by what was used. For benchmarks.
	Lean bool
	// Now is the clock; nil is time.Now. It only dates answers and entries.
	Now func() time.Time
	// Pass is told how long output takes that is made at a Behaviour's Pace: a
	// clock that the test moves.
	Pass func(time.Duration)
	// Read returns when so many bytes of an answer's body have been read. A reset
	// takes back what has not: what no real stream, which is slow, has much of.
	Read func(sent int64)
}

// DefaultModels are listed when Options.Models is empty.
var DefaultModels = []string{
	"gpt-4o-mini", "gpt-4o", "gpt-5", "gpt-5-mini", "text-embedding-3-small", "gpt-3.5-turbo-instruct",
	"claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5", "gemini-2.5-flash", "gemini-2.5-pro",
}

// Provider is an http.Handler. It is safe for concurrent use.
type Provider struct {
	opt Options
	seq atomic.Int64

	mu      sync.Mutex
	set     Behaviour
	models  map[string]Behaviour
	next    []Behaviour
	entries []*Entry
	caches  map[cacheKey]cacheEntry
	lean    map[leanKey]int64
	conns   map[string]int64 // requests read per client connection
	release chan struct{}    // closed to let go of what hangs
	memos   map[memoKey]memo // of a lean provider
	turn    int64            // counts changes of the behaviours
	asked   int64            // counts requests to models
	changed chan struct{}    // closed at the next change of the bill; nil: nobody waits
	stored  map[string]stored
}

// New makes a provider with an empty bill.
func New(opt Options) *Provider {
	if len(opt.Models) == 0 {
		opt.Models = DefaultModels
	}
	if opt.BytesPerToken <= 0 {
		opt.BytesPerToken = 4
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	p := &Provider{opt: opt}
	p.Reset()
	return p
}

// Reset forgets the bill and every behaviour but the one in Options, and lets
// go of what hangs. Requests still being answered stay off the new bill.
func (p *Provider) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set, p.models, p.next = p.opt.Behaviour, map[string]Behaviour{}, nil
	p.entries, p.lean, p.stored = nil, map[leanKey]int64{}, map[string]stored{}
	p.conns, p.memos = map[string]int64{}, map[memoKey]memo{}
	p.turn++
	if p.release != nil {
		close(p.release)
	}
	p.release = make(chan struct{})
	p.notify()
}

// ServeHTTP answers one request: route, read, choose how to behave, check the
// key, understand, plan, answer, bill.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isControl(r.URL.Path) {
		p.control(w, r)
		return
	}
	x, ok := p.open(w, r)
	if !ok {
		return
	}
	defer x.close()
	x.answer()
}

// Release lets everything that hangs now go on.
func (p *Provider) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.release)
	p.release = make(chan struct{})
}

// Serve answers on the listener until ctx ends, then closes every connection.
func (p *Provider) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: p, ReadHeaderTimeout: 30 * time.Second, ErrorLog: quiet()}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		p.Release()
		err := srv.Close()
		<-ended
		return err
	}
}
