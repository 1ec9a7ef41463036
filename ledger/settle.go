package ledger

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"
)

// How a hold ended.
type How string

const (
	Settled   How = "settled"   // by the provider's usage
	Estimated How = "estimated" // the provider's usage is not known
	Cancelled How = "cancelled" // the provider cannot have charged
)

// Usage counts tokens in classes that do not overlap.
type Usage struct {
	Input        int64 `json:"input,omitempty"`
	CacheRead    int64 `json:"cache_read,omitempty"`
	CacheWrite5m int64 `json:"cache_write_5m,omitempty"`
	CacheWrite1h int64 `json:"cache_write_1h,omitempty"`
	Output       int64 `json:"output,omitempty"` // reasoning included
	AudioIn      int64 `json:"audio_in,omitempty"`
	AudioOut     int64 `json:"audio_out,omitempty"`
	Searches     int64 `json:"searches,omitempty"` // counted fees: web searches
}

// maxTokens is more than any call uses. What a provider reports beyond it is
// kept as this: it is no figure to add others to.
const maxTokens = 1 << 40

// bound keeps every figure within 0 and maxTokens.
func (u *Usage) bound() {
	for _, n := range []*int64{&u.Input, &u.CacheRead, &u.CacheWrite5m, &u.CacheWrite1h, &u.Output, &u.AudioIn, &u.AudioOut, &u.Searches} {
		*n = min(max(*n, 0), maxTokens)
	}
}

// Total is the number of tokens of all classes.
func (u Usage) Total() int64 {
	return u.Input + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h + u.Output + u.AudioIn + u.AudioOut
}

// Settlement says what a call cost and how it went. Cost is ignored for
// Cancelled. It never holds content.
type Settlement struct {
	How         How
	Cost        Micros
	Usage       Usage
	ModelServed string
	Tier        string // the service tier billed, "" for standard
	Price       string // the rate billed, as text, with its version
	Status      int    // HTTP status of the provider; 0: none came
	Ending      string // row of the table of endings, for example "complete", "cut", "client_gone"
	RequestID   string // the provider's request id
	Clamped     int64  // output cap sent upstream where aex lowered it, else 0
	Changed     string // what else was changed in the request to bound it, for people
	FirstToken  time.Duration
	Latency     time.Duration
	// Asks: the provider is asked for the real cost of what is estimated here. A
	// second Settle of the hold then books the difference.
	Asks bool
}

// Outcome tells what a settlement did.
type Outcome struct {
	Cost    Micros
	Overrun Micros // of Cost, what no budget could take
	RunEnds bool   // an account of the run's path is overrun: the run was marked exhausted
	Late    bool   // the hold had been booked before; only the difference was booked now
	Was     Micros // Late: what it had been booked with
}

// Settle ends a hold by compare and swap, in the transaction of its event. Call it
// with context.WithoutCancel: the call has been made, and must be booked. A second
// Settle of the same hold is ErrHoldEnded, unless its real cost was still to come:
// the hold was recovered, or the first Settlement said Asks.
func (l *Ledger) Settle(ctx context.Context, id HoldID, s Settlement) (Outcome, error) {
	out := new(Outcome)
	o, err := settling(id, s, out)
	if err == nil {
		err = l.do(ctx, o)
	}
	return *out, err
}

// SettleLater is Settle for a caller that has other work meanwhile. The settlement
// comes before every operation that begins after SettleLater has returned. It is on
// disk when the function that SettleLater returns has returned, and that function
// must be called.
func (l *Ledger) SettleLater(ctx context.Context, id HoldID, s Settlement) func() (Outcome, error) {
	out := new(Outcome)
	o, err := settling(id, s, out)
	if err == nil {
		o.lazy = true
		err = l.enqueue(ctx, o)
	}
	return func() (Outcome, error) {
		if err == nil {
			err = l.await(ctx, o)
		}
		return *out, err
	}
}

// settling is the operation of a settlement; out is filled when it is done.
func settling(id HoldID, s Settlement, out *Outcome) (*op, error) {
	key, ok := parseHoldID(id)
	if !ok {
		return nil, fmt.Errorf("hold %q: %w", id, ErrNotFound)
	}
	if s.How == Cancelled {
		s.Cost = 0
	}
	if s.How != Settled && s.How != Estimated && s.How != Cancelled || s.Cost < 0 || s.Cost > maxAmount {
		return nil, fmt.Errorf("%w: hold %s cannot end %q at %d micro-dollars", ErrInvalid, id, s.How, s.Cost)
	}
	s.Usage.bound()
	return &op{patient: true, hold: key, do: func(g *commitGroup) (err error) {
		*out, err = g.settle(key, s)
		return err
	}}, nil
}

func (g *commitGroup) settle(key holdKey, s Settlement) (Outcome, error) {
	h := g.hold(key)
	switch {
	case g.err != nil:
		return Outcome{}, g.err
	case h == nil && key.owner == g.w.l.owner.id() && key.n > g.w.holds:
		return Outcome{}, fmt.Errorf("hold %s: %w", key.id(), ErrNotFound)
	case h == nil || h.ended:
		return Outcome{}, fmt.Errorf("hold %s: %w", key.id(), ErrHoldEnded)
	}
	cost, held, was := s.Cost, h.amount, Micros(0)
	if h.recovered { // booked already, by recovery or by keep: only the difference is left
		cost, held, was = s.Cost-h.amount, 0, h.amount
	}
	asks := s.Asks && s.How == Estimated && !h.recovered
	path := g.holdPath(h)
	out, over := Outcome{Cost: s.Cost, Late: h.recovered, Was: was}, overruns{}
	for _, acc := range path {
		g.touch(acc)
		o, err := acc.settle(held, cost)
		g.fail(err)
		over.add(acc, o)
	}
	if !asks {
		g.end(h)
	}
	g.correctPace(h, s)
	out.Overrun = over.most
	ag, r := g.holder(h)
	g.event(s.action(h.recovered), ag, r.name(), func(e *line) {
		e.cost(cost, h, path)
		s.describe(e, h)
	})
	g.book(r, cost)
	switch in := doubtOf(s, h, was, cost); {
	case h.recovered: // counted as a call when it was booked first
		g.tallyCall(h, s, 0, cost, in)
	case s.How != Cancelled:
		g.tallyCall(h, s, 1, cost, in)
	}
	if asks {
		g.keep(h, cost)
	}
	out.RunEnds = g.overrun(ag, r, key, over)
	return out, g.err
}

// end takes a hold from the table. It is the swap of promise 3: flush checks that
// as many rows went as it asked for.
func (g *commitGroup) end(h *hold) {
	if !h.recovered && g.rows.open != nil {
		g.rows.open[h.agent]--
	}
	h.ended = true
	g.ended = append(g.ended, h)
}

// keep books a hold with cost and leaves its row, in the state of a recovered one,
// because its real cost may still come. It is the same swap as end's.
func (g *commitGroup) keep(h *hold, cost Micros) {
	if g.err != nil {
		return
	}
	if g.rows.open != nil {
		g.rows.open[h.agent]--
	}
	h.recovered, h.amount = true, cost
	g.wrote = true
	if err := g.w.engine.execRows(`UPDATE hold SET state = 'recovered', amount_micro = ? WHERE owner = ? AND n = ? AND state = 'open'`,
		[]any{int64(cost), int64(h.key.owner), h.key.n}, 1); err != nil {
		g.fail(fmt.Errorf("booking hold %s: %w", h.key.id(), err))
	}
}

// holder is the agent and the run of a hold; the run may be nil.
func (g *commitGroup) holder(h *hold) (*agent, *run) {
	var r *run
	if h.run != 0 {
		r = g.run(h.run)
	}
	return g.agentByID(h.agent), r
}

func (r *run) name() RunID {
	if r == nil {
		return ""
	}
	return r.id
}

// overruns collects what the accounts of a path could not take.
type overruns struct {
	accounts []int64
	amounts  []int64
	most     Micros
	standing bool // an account of the path is overrun, by this call or by an earlier one
}

func (o *overruns) add(a *account, over Micros) {
	if a.overrun > 0 {
		o.standing = true
	}
	if over > 0 {
		o.accounts = append(o.accounts, a.id)
		o.amounts = append(o.amounts, int64(over))
		o.most = max(o.most, over)
	}
}

// overrun tells of cost that did not fit and ends the run for it.
func (g *commitGroup) overrun(ag *agent, r *run, key holdKey, over overruns) (runEnds bool) {
	if over.most > 0 {
		g.event("usage.overrun", ag, r.name(), func(e *line) {
			e.text("hold", string(key.id()))
			e.numbers("overrun_accounts", over.accounts)
			e.numbers("overrun_micro", over.amounts)
		})
	}
	if !over.standing || r == nil {
		return false
	}
	if r.state == RunOpen {
		g.setRunState(r, RunExhausted)
	}
	return true
}

func (s Settlement) action(late bool) string {
	switch {
	case late:
		return "usage.late"
	case s.How == Cancelled:
		return "usage.cancel"
	}
	return "usage.commit"
}

func (s Settlement) model(h *hold) string {
	return cmp.Or(s.ModelServed, h.call.ModelSent, h.call.ModelAsked)
}

// describe adds what a settlement and its hold know of the call to an event.
func (s Settlement) describe(e *line, h *hold) {
	e.text("hold", string(h.key.id()))
	e.number("held_micro", int64(h.amount))
	e.number("held_at", h.at)
	e.text("how", string(s.How))
	e.call(h.call)
	e.text("model_served", s.ModelServed)
	e.text("tier", s.Tier)
	e.text("price", s.Price)
	e.usage(s.Usage)
	e.number("status", int64(s.Status))
	e.text("ending", s.Ending)
	e.text("request_id", s.RequestID)
	e.number("clamped", s.Clamped)
	e.text("changed", s.Changed)
	e.duration("first_token_ms", s.FirstToken)
	e.duration("latency_ms", s.Latency)
}

// cost tells what was charged, and to which accounts.
func (e *line) cost(cost Micros, h *hold, path []*account) {
	if len(path) == 0 {
		cost = 0 // the hold that this one is within charges all of it
	}
	e.key("cost_micro")
	e.b = strconv.AppendInt(e.b, int64(cost), 10)
	e.accounts(path)
	e.text("within", string(h.within))
}

func (e *line) accounts(path []*account) {
	e.key("accounts")
	e.b = append(e.b, '[')
	for i, a := range path {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.b = strconv.AppendInt(e.b, a.id, 10)
	}
	e.b = append(e.b, ']')
}
