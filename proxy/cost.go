package proxy

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/bound"
)

// The rows of the table of endings: how a call that was admitted can go. The event of
// the call names its row.
const (
	rowNotSent    = "not_sent"    // there was no connection to the provider
	rowNoAnswer   = "no_answer"   // the request went out, and no answer came
	rowRefused    = "refused"     // the answer's status is 300 or above
	rowComplete   = "complete"    // the answer told its usage to the end
	rowErrorEvent = "error_event" // an error came in place of the answer, or within it
	rowEarlyEnd   = "early_end"   // the answer ended without its own end
	rowNoUsage    = "no_usage"    // the answer came to its end and told no usage
	rowCut        = "cut"         // the connection was lost within the answer, or aex could not hold the answer
	rowClientGone = "client_gone" // the client left, and the rest was not read
	rowOverCap    = "over_cap"    // aex ended a stream that went on beyond its cap
	rowDeniedTool = "denied_tool" // aex ended a stream that called a tool which the policy denies
	rowPanic      = "panic"       // forward did not return
)

// ending is how a call that was admitted went.
type ending struct {
	row    string
	resp   *http.Response
	err    error
	closed bool // aex closed the connection upstream, not the provider
	abort  bool // the client's connection is aborted, so that half an answer is not taken for a whole one
}

// cost is the table of endings: what a call costs that ended so, and how sure that is.
// What the answer told comes first, then the row. Unknown is not zero: a call that no
// rule makes cheaper costs its hold.
func (c *call) cost(e ending) (ledger.How, ledger.Micros) {
	status := 0
	if e.resp != nil {
		status = e.resp.StatusCode
	}
	switch {
	case e.row == rowNotSent:
		return ledger.Cancelled, 0
	case c.reading.Known:
		return c.told()
	case e.row == rowRefused && c.freeRefusal(status) && !c.toldSome():
		return ledger.Cancelled, 0
	case e.row == rowRefused:
		return ledger.Estimated, c.most()
	case c.fruitless():
		switch {
		case !c.toldSome():
			return ledger.Cancelled, 0
		case c.reading.Unclear != "":
			return ledger.Estimated, c.most()
		}
		return ledger.Estimated, c.between(c.estimate(c.reading.Outputs))
	}
	output := c.broken(e).Output()
	switch {
	case c.reading.Unclear != "":
		return ledger.Estimated, c.most()
	case output < 0:
		return ledger.Estimated, c.most()
	case e.row == rowOverCap: // what goes beyond the hold is an overrun
		return ledger.Estimated, max(c.estimate(output), c.most())
	}
	return ledger.Estimated, c.between(c.estimate(output))
}

// between keeps an estimate between what is clear and the most that it may be.
func (c *call) between(estimate ledger.Micros) ledger.Micros {
	return max(c.clear(), min(estimate, c.most()))
}

// toldSome tells whether an answer says that something was used or charged.
func (c *call) toldSome() bool {
	return c.reading.Input != nil || c.reading.Unclear != "" || c.clear() > 0
}

// most is the most that an estimate may be: the hold, and what was told beyond it.
func (c *call) most() ledger.Micros { return max(c.hold.Amount, c.clear()) }

// told is the cost of an answer whose usage is known. At least the provider's own bill
// is booked. Of a host that is known to send a bill, it covers the fees, too, and what
// aex cannot price. Where the usage is unclear, the cost is at least the hold, and at
// least the price of what is clear.
func (c *call) told() (ledger.How, ledger.Micros) {
	price, used, own := c.price(), c.reading.Usage, int64(0)
	host := c.model.Provider.Host()
	if c.reading.Cost != nil {
		own = *c.reading.Cost
	}
	billed := c.reading.Cost != nil && host.OwnCost != ""
	if billed {
		price.PerRequest, used.Searches = nil, 0
	} else if host.SearchFee && price.PerRequest != nil {
		used.Searches = 0 // the fee of the call is for all of them
	}
	micros, err := policy.Cost(price, used, c.tier())
	clear := policy.Clear(price, used, c.tier()) + c.others()
	switch {
	case err == nil && c.reading.Unclear == "" && (billed || !c.asked.UnpricedSearch(c.model)):
		return ledger.Settled, ledger.Micros(max(micros, own))
	case billed:
		return ledger.Settled, ledger.Micros(max(clear, own))
	}
	return ledger.Estimated, max(c.hold.Amount, ledger.Micros(max(clear, own)))
}

// clear is the price of all in an answer's usage that has one, and at least the
// provider's own bill. The fee for each call is only due where something was used.
func (c *call) clear() ledger.Micros {
	var clear int64
	if c.reading.Usage != (policy.Usage{}) {
		clear = policy.Clear(c.price(), c.reading.Usage, c.tier())
	}
	clear += c.others()
	if c.reading.Cost != nil {
		clear = max(clear, *c.reading.Cost)
	}
	return ledger.Micros(clear)
}

// others is the price of what other models used within the answer.
func (c *call) others() (micros int64) {
	for _, turn := range c.reading.Others {
		price := c.g.registry.Load().Served(c.model, turn.Model).InGeo(cmp.Or(c.reading.Geo, c.asked.Geo))
		micros += policy.Clear(price, turn.Usage, c.tier())
	}
	return micros
}

// tier is the service tier to bill: the one that the answer names, else a dearer one
// that was asked for.
func (c *call) tier() string {
	switch asked := strings.ToLower(c.asked.Tier); {
	case c.reading.Tier != "":
	case asked == "priority", asked == policy.TierFast, asked == "ultrafast":
		return asked
	}
	return c.reading.Tier
}

// fruitless tells whether the host itself sent an error in place of an answer. It does
// not charge for output that it did not make, only for input that it says it has read.
func (c *call) fruitless() bool {
	return c.reading.Failed && c.reading.Own && c.reading.Seen == 0 && len(c.reading.Tools) == 0
}

// freeRefusal tells whether a complete answer without usage proves that nothing was
// charged: it is the provider's own error, or its status says that nobody worked on the
// request.
func (c *call) freeRefusal(status int) bool {
	host := c.model.Provider.Host()
	switch {
	case slices.Contains(host.Charged, c.reading.Code), status == http.StatusRequestTimeout, status == 499:
		return false // somebody may have worked on it
	case c.reading.Refused && host.Name != "" && host.Port == "":
		return true // the host's errors are known, and no proxy of the user's stands before it
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout, status >= 520 && status <= 527:
		return false // from something in between: the provider may be at work, and charge
	}
	return c.reading.Refused || status < 500
}

// shown tells whether the answer should be a stream that shows all the output that the
// provider makes.
func (c *call) shown() bool {
	return c.asked.Stream && !c.hides() && len(c.asked.Hosted) == 0
}

// hides tells whether the model may make output that its answers do not show: what is
// known of it and what is asked say so, or an answer of it has shown it. The tokens of
// a picture are never shown.
func (c *call) hides() bool {
	return c.asked.Wire == policy.Images || c.model.Thinks.Hides(c.asked) || c.g.reasons.Has(c.model)
}

// broken is what is known of an answer that ended without its usage.
func (c *call) broken(e ending) policy.Broken {
	host := c.model.Provider.Host()
	stops := host.StopsServing(c.reading.By)
	// The connection was lost, and not closed by aex, or the answer seems to have ended.
	lost := e.err != nil && !e.closed || e.row == rowEarlyEnd
	b := policy.Broken{
		Call: c.asked, Model: c.model, Cap: c.sentCap(),
		Shown: c.reading.Seen, Reported: c.reading.Outputs, Hidden: c.reading.Hidden || c.hides(), Took: c.g.o.Now().Sub(c.sent),
		WentOn:  lost && (host.GoesOn || len(host.StopsFor) > 0 && !stops) || e.closed && host.Name != "" && !stops && !c.model.Provider.Local,
		Stopped: c.asked.Stream && stops && (e.closed || lost && errors.Is(e.err, syscall.ECONNRESET) && c.direct()),
	}
	if !c.flows || !c.asked.Stream {
		b.WentOn = true // nothing has come that would tell how far the provider is
	}
	if e.row == rowOverCap {
		b.Cap = 0
	}
	return b
}

// sentCap is the output cap, for each output, that the provider was told or has by
// itself.
func (c *call) sentCap() int64 {
	switch {
	case c.edit.Cap > 0:
		return c.edit.Cap
	case c.asked.OutputCap != nil && *c.asked.OutputCap > 0:
		return *c.asked.OutputCap
	}
	return c.ceiling.Asked
}

// direct tells whether there is no proxy between aex and the host, which could reset the
// connection while the host is still at work.
func (c *call) direct() bool {
	p := c.model.Provider
	if p.Proxy != "" {
		return false
	}
	u, err := url.Parse(p.BaseURL)
	if err != nil {
		return false
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	return proxy == nil && err == nil
}

// price is the price of the model that was served, in the region where it was.
func (c *call) price() policy.Price {
	return c.g.registry.Load().Served(c.model, c.reading.Model).InGeo(cmp.Or(c.reading.Geo, c.asked.Geo))
}

// begun is the ceiling of what the provider can have begun when a stream broke. Streams of
// these two wires show each use of the provider's own tools as it begins: where none was
// shown, at most one had begun.
func (c *call) begun() policy.Ceiling {
	shows := c.asked.Wire == policy.Responses || c.asked.Wire == policy.Messages
	if host := c.model.Provider.Host(); !shows || c.offered == nil || len(c.asked.Hosted) == 0 || !c.asked.Stream || !c.flows || c.reading.Beyond || host.GoesOn {
		return c.ceiling
	}
	ceiling, err := policy.Bound(c.offered.Asked.WithUses(1), c.model, !c.g.o.NoClamp)
	if err != nil {
		return c.ceiling
	}
	return ceiling
}

// estimate is the cost of so much output, all outputs together, with the input as the
// provider reported it, else its bound.
func (c *call) estimate(output int64) ledger.Micros {
	if c.reading.Input == nil {
		ceiling := c.begun()
		if micros, err := ceiling.Estimate(output, c.asked.Outputs); err == nil {
			return ledger.Micros(micros)
		}
		return c.most()
	}
	u := c.reading.Usage
	u.Output, u.AudioOut = output, 0
	micros, err := policy.Cost(c.price(), u, c.tier())
	if c.asked.AudioOut && err == nil {
		var spoken int64
		u.Output, u.AudioOut = 0, output
		spoken, err = policy.Cost(c.price(), u, c.tier())
		micros = max(micros, spoken)
	}
	if err != nil {
		return c.most()
	}
	return ledger.Micros(micros)
}

// counter is who counts the call's tokens.
func (c *call) counter() bound.Counter { return bound.CounterOf(c.model) }

// known is what is known of the call's prompt. It may be called once the call is decided
// on.
func (c *call) known() *bound.Prompt {
	if c.prompt == nil {
		c.prompt = &bound.Prompt{
			Buyer: buyer(c.id), Asked: &c.asked, Model: &c.model, Body: c.body, Key: c.key, Header: c.r.Header, Opened: c.opened != nil,
		}
	}
	return c.prompt
}

// buyer is who pays for a call: the caller's run, or its agent where it is in none. It
// may ask for the answer again, and its next prompts are bounded by what it has paid for.
func buyer(id ledger.Identity) string {
	if id.Run != "" {
		return "run " + string(id.Run)
	}
	return "agent " + string(id.AgentID)
}
