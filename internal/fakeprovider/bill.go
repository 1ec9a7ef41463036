package fakeprovider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// Usage is what a request is billed for, in tokens of classes that do not
// overlap. It converts to the gateway's own usage, field by field.
type Usage struct {
	Input        int64 `json:"input"`
	CacheRead    int64 `json:"cache_read"`
	CacheWrite5m int64 `json:"cache_write_5m"`
	CacheWrite1h int64 `json:"cache_write_1h"`
	Output       int64 `json:"output"` // reasoning included
	AudioIn      int64 `json:"audio_in"`
	AudioOut     int64 `json:"audio_out"`
	Searches     int64 `json:"searches"`
}

// States of an entry.
const (
	Open    = "open"    // being answered
	Hanging = "hanging" // in a hang or a cut's last moment
	Done    = "done"    // settled
)

// Entry is one request on the bill.
type Entry struct {
	ID        int64     `json:"id"`
	RequestID string    `json:"request_id"`
	Wire      string    `json:"wire"`
	Asked     string    `json:"asked"` // model named in the request
	Model     string    `json:"model"` // model billed
	Tier      string    `json:"tier"`  // service tier billed; "": the standard one
	Stream    bool      `json:"stream"`
	Usage     Usage     `json:"usage"`
	Charged   bool      `json:"charged"`   // a refusal is not
	Calls     int64     `json:"calls"`     // 1; in a lean bill, how many alike
	Sent      int64     `json:"sent"`      // output tokens written to the client so far
	Generated int64     `json:"generated"` // output tokens generated, sent or not
	Gone      bool      `json:"gone"`      // the client hung up
	State     string    `json:"state"`
	Status    int       `json:"status"` // of the answer; 0: none was given
	Arrived   time.Time `json:"arrived"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Query     string    `json:"query,omitempty"` // without the key

	// Header is what came, with "sha256:..." for values that authenticate.
	Header http.Header `json:"header,omitempty"`
	// Body is what came, Answered the headers and Response the body that went
	// out, byte for byte. Kept in memory only, and not in a lean bill.
	Body     []byte      `json:"body,omitempty"`
	Answered http.Header `json:"answered,omitempty"`
	Response []byte      `json:"response,omitempty"`
}

// Price is what a model costs here: pico-US-dollars a token, a call, a search.
type Price struct {
	Input, CacheRead, CacheWrite5m, CacheWrite1h, Output, AudioIn, AudioOut int64
	PerCall, PerSearch                                                      int64
}

// ErrNoPrice is a charged model without a price.
var ErrNoPrice = errors.New("no price for a billed model")

// Micros is the price of one call in micro-US-dollars: summed exactly, rounded
// up once.
func (p Price) Micros(u Usage) int64 {
	sum := new(big.Int)
	for _, part := range [...][2]int64{
		{p.Input, u.Input}, {p.CacheRead, u.CacheRead}, {p.CacheWrite5m, u.CacheWrite5m},
		{p.CacheWrite1h, u.CacheWrite1h}, {p.Output, u.Output}, {p.AudioIn, u.AudioIn},
		{p.AudioOut, u.AudioOut}, {p.PerCall, 1}, {p.PerSearch, u.Searches},
	} {
		sum.Add(sum, new(big.Int).Mul(big.NewInt(part[0]), big.NewInt(part[1])))
	}
	million := big.NewInt(1_000_000)
	up, rest := new(big.Int).QuoRem(sum, million, new(big.Int))
	if rest.Sign() > 0 {
		up.Add(up, big.NewInt(1))
	}
	return up.Int64()
}

// ParsePrice reads MODEL=IN/OUT[/CACHED[/WRITE5M[/WRITE1H]]] in dollars per
// million tokens. What is left out costs as input does.
func ParsePrice(s string) (model string, p Price, err error) {
	model, figures, ok := strings.Cut(s, "=")
	parts := strings.Split(figures, "/")
	if !ok || model == "" || len(parts) < 2 || len(parts) > 5 {
		return "", p, fmt.Errorf("price %q is not MODEL=IN/OUT", s)
	}
	var pico [5]int64
	for i := range pico {
		if i >= len(parts) {
			pico[i] = pico[0]
			continue
		}
		r, ok := new(big.Rat).SetString(parts[i])
		if !ok || r.Sign() < 0 {
			return "", p, fmt.Errorf("price %q: %q is no amount", s, parts[i])
		}
		r.Mul(r, big.NewRat(1_000_000, 1)) // dollars a million tokens are this many pico-dollars a token
		if !r.IsInt() || !r.Num().IsInt64() {
			return "", p, fmt.Errorf("price %q: %q has too many digits", s, parts[i])
		}
		pico[i] = r.Num().Int64()
	}
	return model, Price{Input: pico[0], Output: pico[1], CacheRead: pico[2], CacheWrite5m: pico[3],
		CacheWrite1h: pico[4], AudioIn: pico[0], AudioOut: pico[1]}, nil
}

// Bill is a copy of every entry, in order of arrival. A lean bill has one
// entry for all calls that are alike.
func (p *Provider) Bill() []Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.copyBill()
}

func (p *Provider) copyBill() []Entry {
	out := make([]Entry, 0, len(p.entries)+len(p.lean))
	for _, e := range p.entries {
		out = append(out, *e)
	}
	for k, n := range p.lean {
		out = append(out, Entry{Wire: k.wire, Asked: k.model, Model: k.model, Tier: k.tier, Usage: k.usage,
			Generated: k.usage.Output, Charged: k.charged, Calls: n, State: Done})
	}
	return out
}

// Total is the bill in micro-US-dollars, each call rounded up once. Prices go
// by the model billed; "*" prices those that are not named.
func (p *Provider) Total(prices map[string]Price) (int64, error) {
	var total int64
	for _, e := range p.Bill() {
		if !e.Charged {
			continue
		}
		price, ok := prices[e.Model]
		if !ok {
			price, ok = prices["*"]
		}
		if !ok {
			return 0, fmt.Errorf("%w: %s", ErrNoPrice, e.Model)
		}
		total += price.Micros(e.Usage) * e.Calls
	}
	return total, nil
}

// Await returns when the condition holds for the bill, or with ctx's error. It
// looks again at every change, so that a test waits for what it means.
func (p *Provider) Await(ctx context.Context, cond func(bill []Entry) bool) error {
	for {
		p.mu.Lock()
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed, bill := p.changed, p.copyBill()
		p.mu.Unlock()
		if cond(bill) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("awaiting the bill: %w", context.Cause(ctx))
		}
	}
}

// Wait returns when n requests have been answered to their end and billed.
func (p *Provider) Wait(ctx context.Context, n int) error {
	return p.Await(ctx, func(bill []Entry) bool {
		var done int64
		for _, e := range bill {
			if e.State == Done {
				done += e.Calls
			}
		}
		return done >= int64(n)
	})
}

// Hung returns when n requests are hanging at their fault.
func (p *Provider) Hung(ctx context.Context, n int) error {
	return p.Await(ctx, func(bill []Entry) bool {
		hanging := 0
		for _, e := range bill {
			if e.State == Hanging {
				hanging++
			}
		}
		return hanging >= n
	})
}

// leanKey is what makes calls alike.
type leanKey struct {
	wire, model, tier string
	usage             Usage
	charged           bool
}

// notify wakes those who await the bill. The caller holds p.mu.
func (p *Provider) notify() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// enter puts a request on the bill.
func (p *Provider) enter(e *Entry) {
	if p.opt.Lean {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entries = append(p.entries, e)
	p.notify()
}

// amend changes an entry in the sight of those who await the bill.
func (p *Provider) amend(e *Entry, change func(*Entry)) {
	if p.opt.Lean {
		change(e)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	change(e)
	p.notify()
}

// settle ends an entry.
func (p *Provider) settle(e *Entry, sent *bytes.Buffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.State = Done
	if p.opt.Lean {
		p.lean[leanKey{e.Wire, e.Model, e.Tier, e.Usage, e.Charged}]++
	} else {
		e.Response = sent.Bytes()
	}
	p.notify()
}
