package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

// TestExchanges drives every wire, whole and streamed, through every way that
// an exchange can go: the real gateway and ledger in front of a provider whose
// bill owes nothing to their code. See exchange.check for what holds of each.
func TestExchanges(t *testing.T) {
	patient := newWorld(t, exchangeWorld(time.Hour))
	hasty := newWorld(t, exchangeWorld(time.Millisecond))
	cells := 0
	for _, s := range scenes {
		for _, d := range dialects {
			for _, stream := range []bool{false, true} {
				for _, model := range s.models() {
					if s.lacks(d, stream) {
						continue
					}
					cells++
					t.Run(fmt.Sprintf("%s/%s/stream=%t/%s", s.name, d.wire, stream, model), func(t *testing.T) {
						w := patient
						if s.hasty {
							w = hasty
						}
						x := &exchange{T: t, w: w.in(t), scene: s, dialect: d, stream: stream, model: model}
						x.run()
					})
				}
			}
		}
	}
	if cells < 700 {
		t.Errorf("only %d exchanges were tried", cells)
	}
	patient.checkTrail()
	hasty.checkTrail()
}

// exchangePrices make every class of tokens tell: no sum of few of them is a
// whole number of micro-dollars.
const exchangePrices = "0.37/2.03/0.11/0.53/0.91"

// exchangeModels: seen shows all its output, unseen may reason out of sight,
// house is seen under another name.
const exchangeModels = `version: 1
models:
  seen:         {provider: openai, pricing: PRICES, capabilities: {reasoning: false}}
  unseen:       {provider: openai, pricing: PRICES}
  house:        {provider: openai, provider_model: seen, pricing: PRICES, capabilities: {reasoning: false}}
  seen-claude:  {provider: anthropic, pricing: PRICES, capabilities: {reasoning: false}}
  unseen-claude: {provider: anthropic, pricing: PRICES}
  house-claude: {provider: anthropic, provider_model: seen-claude, pricing: PRICES, capabilities: {reasoning: false}}
  seen-gemini:  {provider: google, pricing: PRICES, capabilities: {reasoning: false}}
  unseen-gemini: {provider: google, pricing: PRICES}
  house-gemini: {provider: google, provider_model: seen-gemini, pricing: PRICES, capabilities: {reasoning: false}}
`

func exchangeWorld(linger time.Duration) setup {
	figures := strings.Split(exchangePrices, "/")
	names := []string{"input", "output", "cache_read", "cache_write_5m", "cache_write_1h"}
	var pricing []string
	for i, name := range names {
		pricing = append(pricing, fmt.Sprintf("%s_usd_per_mtok: %q", name, figures[i]))
	}
	return setup{
		models: strings.ReplaceAll(exchangeModels, "PRICES", "{"+strings.Join(pricing, ", ")+"}"),
		change: func(o *Options) { o.Linger = linger },
	}
}

// in is the world for a subtest.
func (w *world) in(t *testing.T) *world {
	sub := *w
	sub.t = t
	return &sub
}

// checkTrail: every hold of the world ended exactly once, and none is left.
func (w *world) checkTrail() {
	w.t.Helper()
	calls, err := bookedCalls(w.t.Context(), w.ledger, w.run, 10_000)
	must(w.t, err)
	ended := map[ledger.HoldID]int{}
	var sum ledger.Micros
	for _, c := range calls {
		ended[c.Hold]++
		sum += c.Cost
		if ended[c.Hold] > 1 {
			w.t.Errorf("hold %s ended twice", c.Hold)
		}
	}
	if n, amount, err := w.ledger.HoldCount(w.t.Context()); err != nil || n != 0 {
		w.t.Errorf("%d holds of %s are left (%v)", n, amount, err)
	}
	run, err := w.ledger.Run(w.t.Context(), string(w.run))
	must(w.t, err)
	if run.Account.Spent != sum || run.Account.Reserved != 0 || run.Account.Overrun != 0 {
		w.t.Errorf("spent %s, reserved %s, overrun %s; the calls cost %s", run.Account.Spent, run.Account.Reserved, run.Account.Overrun, sum)
	}
}

// exchange is one cell of the table.
type exchange struct {
	*testing.T
	w       *world
	scene   scene
	dialect dialect
	stream  bool
	model   string

	sent     string // the client's request
	status   int
	header   http.Header
	received string
	readErr  error
}

func (x *exchange) run() {
	ctx, cancel := context.WithTimeout(x.Context(), time.Minute)
	defer cancel()
	before, err := x.w.ledger.Run(ctx, string(x.w.run))
	must(x.T, err)
	x.w.provider.Next(x.scene.how)
	billed := len(x.w.provider.Bill())
	x.call(ctx)
	run := x.w.booked(1)
	must(x.T, x.w.provider.Await(ctx, func(bill []fakeprovider.Entry) bool {
		return len(bill) == billed+1 && bill[billed].State == fakeprovider.Done
	}))
	calls, err := bookedCalls(ctx, x.w.ledger, x.w.run, 1)
	must(x.T, err)
	if run.Account.Reserved != 0 || run.Account.Overrun != 0 || run.Account.Spent-before.Account.Spent != calls[0].Cost {
		x.Errorf("reserved %s, overrun %s, spent %s more for a call of %s", run.Account.Reserved, run.Account.Overrun,
			run.Account.Spent-before.Account.Spent, calls[0].Cost)
	}
	x.check(x.w.provider.Bill()[billed], calls[0])
}

// call makes the call, and gives up where the scene says so.
func (x *exchange) call(ctx context.Context) {
	ctx, hangUp := context.WithCancel(ctx)
	defer hangUp()
	path := x.dialect.path(x.model, x.stream)
	if x.scene.path != "" {
		path = strings.Replace(path, "/v1beta/", x.scene.path, 1)
	}
	x.sent = x.dialect.request(x.model, x.stream, x.scene.extra[x.dialect.wire])
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.w.url+path, strings.NewReader(x.sent))
	must(x.T, err)
	req.Header.Set("Authorization", "Bearer "+x.w.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	gone := make(chan struct{})
	if x.scene.leaves != "" {
		go func() {
			defer close(gone)
			if err := x.w.provider.Hung(ctx, 1); err != nil {
				x.Error(err)
			}
			hangUp()
			if x.scene.leaves == "and the answer comes" {
				x.w.provider.Release()
			}
		}()
	} else {
		close(gone)
	}
	if resp, err := client.Do(req); err != nil {
		x.readErr = err
	} else {
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		x.status, x.header, x.received, x.readErr = resp.StatusCode, resp.Header, string(answer), err
	}
	<-gone
}

// check is what holds of every exchange.
func (x *exchange) check(e fakeprovider.Entry, c bookedCall) {
	how, cost := x.scene.want(x), x.bill(e)
	if c.How != string(how) {
		x.Errorf("the hold was %s (%s), want %s", c.How, c.Ending, how)
	}
	switch how {
	case ledger.Settled:
		if c.Cost != cost || c.Usage != ledger.Usage(e.Usage) {
			x.Errorf("booked %s for %+v; the bill is %s for %+v", c.Cost, c.Usage, cost, e.Usage)
		}
	case ledger.Cancelled:
		if c.Cost != 0 || e.Charged {
			x.Errorf("booked %s; charged: %t", c.Cost, e.Charged)
		}
	case ledger.Estimated:
		if x.scene.ahead {
			e.Usage.Output = min(e.Usage.Output, e.Sent+256)
			cost = x.bill(e)
		}
		if c.Cost > c.Amount || c.Cost < cost {
			x.Errorf("estimated %s, with a hold of %s and a bill of %s", c.Cost, c.Amount, cost)
		}
		// Anthropic and Google tell the input before the output.
		told := x.stream && (x.dialect.wire == policy.Messages || x.dialect.wire == policy.Gemini)
		if blind := !x.stream || x.model != "seen"; blind && !told && c.Cost != c.Amount {
			x.Errorf("an answer that does not show its cost was booked at %s of %s", c.Cost, c.Amount)
		}
	}
	if cost > c.Amount {
		x.Errorf("the bill of %s exceeds the hold of %s", cost, c.Amount)
	}
	if want := x.dialect.upstream(x.sent, x.model, x.stream); string(e.Body) != want {
		x.Errorf("the provider got\n%s\nwant\n%s", e.Body, want)
	}
	if x.scene.path != "" && !strings.HasPrefix(e.Path, x.scene.path) {
		x.Errorf("the provider was asked at %s", e.Path)
	}
	x.checkAnswer(e, c)
}

// checkAnswer: the client has the provider's answer, but for the edits that the
// design names.
func (x *exchange) checkAnswer(e fakeprovider.Entry, c bookedCall) {
	if x.header == nil {
		if x.scene.leaves == "" && e.Status != 0 {
			x.Errorf("the client got no answer: %v", x.readErr)
		}
		return
	}
	if e.Status == 0 { // nothing came: aex answers itself
		if x.status != http.StatusBadGateway || x.header.Get("X-Aex-Code") != "upstream_unreachable" {
			x.Errorf("a call without an answer got %d %s", x.status, x.header.Get("X-Aex-Code"))
		}
		return
	}
	if x.status != e.Status || c.Status != e.Status {
		x.Errorf("status %d, in the ledger %d; the provider sent %d", x.status, c.Status, e.Status)
	}
	for name, want := range e.Answered {
		if got := x.header[name]; name != "Content-Length" && name != "Content-Encoding" && !slices.Equal(got, want) {
			x.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	if x.header.Get("Content-Encoding") != "" || x.header.Get("X-Aex-Call") != string(c.Hold) {
		x.Errorf("headers %v of call %s", x.header, c.Hold)
	}
	if id := requestID(e.Answered); c.RequestID != id {
		x.Errorf("the ledger has request id %q, the provider's is %q", c.RequestID, id)
	}
	broken := x.scene.breaks && e.Status == http.StatusOK
	want := string(e.Response)
	if !broken || x.stream { // half a whole answer passes as it is
		want = x.dialect.downstream(want, x.sent, x.model, x.stream)
	}
	switch {
	case x.scene.leaves != "", broken && x.scene.how.Fault == fakeprovider.FaultReset: // what was under way is lost
		if !strings.HasPrefix(want, x.received) {
			x.Errorf("the client got\n%q\nwhich does not begin\n%q", x.received, want)
		}
	case x.scene.garbled: // so it cannot take out what it asked for
		if len(x.received) < len(want) || len(x.received) > len(e.Response) {
			x.Errorf("the client got %d bytes of %d", len(x.received), len(e.Response))
		}
	case x.received != want:
		x.Errorf("the client got\n%q\nwant\n%q", x.received, want)
	}
	if x.scene.leaves == "" && (x.readErr != nil) != x.scene.breaks {
		x.Errorf("reading ended with %v; a broken answer: %t", x.readErr, x.scene.breaks)
	}
}

// bill is what the provider charges for the call.
func (x *exchange) bill(e fakeprovider.Entry) ledger.Micros {
	if !e.Charged {
		return 0
	}
	_, price, err := fakeprovider.ParsePrice("m=" + exchangePrices)
	must(x.T, err)
	return ledger.Micros(price.Micros(e.Usage))
}
