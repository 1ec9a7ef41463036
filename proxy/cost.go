package proxy

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"syscall"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/bound"
)

// panicked is the row of a call that did not come to its end.
const panicked = "panic"

// ending is how a call that was admitted went. The rows of the table, which the event
// of the call names, are:
//
//	not_sent     there was no connection to the provider
//	no_answer    the request went out, and no answer came
//	refused      the answer's status is 300 or above
//	complete     the answer told its usage to the end
//	error_event  an error came in place of the answer, or within it
//	early_end    the answer ended without its own end
//	no_usage     the answer came to its end and told no usage
//	cut          the connection was lost within the answer, or aex could not hold it
//	client_gone  the client left, and the rest was not read
//	over_cap     aex ended a stream that went on beyond its cap
//	denied_tool  aex ended a stream that called a tool which the policy denies
//	panic        forward did not return
type ending struct {
	row  string
	resp *http.Response
	err  error
	// closed: aex ended it, not the peer.
	closed bool
	abort  bool // the client's connection is aborted, so that half an answer is not taken for a whole one
}

// cost is the table of endings: what a call that ended so costs, and how sure
// that is. What the answer told goes first, then the row. Unknown is not zero: what
// no rule makes cheaper costs the hold.
func (c *call) cost(e ending) (ledger.How, ledger.Micros) {
	status := 0
	if e.resp != nil {
		status = e.resp.StatusCode
	}
	switch {
	case e.row == "not_sent":
		return ledger.Cancelled, 0
	case c.reading.Known:
		return c.told()
	case e.row == "refused" && c.freeRefusal(status) && !c.toldSome():
		return ledger.Cancelled, 0
	case e.row == "refused":
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
	case e.row == "over_cap": // what goes beyond the hold is an overrun
		return ledger.Estimated, max(c.estimate(output), c.most())
	}
	return ledger.Estimated, c.between(c.estimate(output))
}

// between keeps an estimate within what was told and the most that it may be.
func (c *call) between(estimate ledger.Micros) ledger.Micros {
	return max(c.clear(), min(estimate, c.most()))
}

// toldSome tells whether an answer says that something was used, or paid for.
func (c *call) toldSome() bool {
	return c.reading.Input != nil || c.reading.Unclear != "" || c.clear() > 0
}

// most is the most that an estimate may be: the hold, and what was told beyond it.
func (c *call) most() ledger.Micros { return max(c.hold.Amount, c.clear()) }

// told is the cost of an answer whose usage is known. The provider's own bill
// is the least that is booked, and where its host is known to send one it has
// the fees, too, and what aex cannot price. What is unclear costs the hold at
// least, and not less than what of it is clear.
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

// clear is what of an answer's usage can be priced, and the provider's own bill
// where it told one. The fee of a call is for one that used something.
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

// tier is the service tier to bill: the one served, and where the answer names
// none the dearer one that was asked for.
func (c *call) tier() string {
	switch asked := c.asked.Tier; {
	case c.reading.Tier != "":
	case asked == "priority", asked == "ultrafast":
		return asked
	}
	return c.reading.Tier
}

// fruitless tells of an error of the host's own in place of an answer: it makes
// no charge for what it did not give, but for input that it says it has read.
func (c *call) fruitless() bool {
	return c.reading.Failed && c.reading.Own && c.reading.Seen == 0 && len(c.reading.Tools) == 0
}

// freeRefusal tells whether a complete answer that carries no usage proves
// that nothing was charged: the provider's own error, or a status by which
// whoever sent it says that the request was never worked on.
func (c *call) freeRefusal(status int) bool {
	host := c.model.Provider.Host()
	switch {
	case slices.Contains(host.Charged, c.reading.Code), status == http.StatusRequestTimeout, status == 499:
		return false // it may have been worked on
	case c.reading.Refused && host.Name != "" && host.Port == "":
		return true // a row states what its errors look like, and nothing of the user's stands before it
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout, status >= 520 && status <= 527:
		return false // of something between: the provider may be at work, and charge
	}
	return c.reading.Refused || status < 500
}

// shown tells whether the answer should be a stream that shows all the output
// that the provider makes.
func (c *call) shown() bool {
	return c.asked.Stream && !c.hides() && len(c.asked.Hosted) == 0
}

// hides tells whether the model may make output that does not pass: by what is
// known of it and asked, or because an answer of it has shown that it does. Of a
// picture's tokens none does.
func (c *call) hides() bool {
	return c.asked.Wire == policy.Images || c.model.Thinks.Hides(c.asked) || c.g.reasons.Has(c.model)
}

// broken is what is known of an answer without its usage.
func (c *call) broken(e ending) policy.Broken {
	host := c.model.Provider.Host()
	stops := host.StopsServing(c.reading.By)
	// The connection was lost, not by aex; or the answer seems to have ended.
	lost := e.err != nil && !e.closed || e.row == "early_end"
	b := policy.Broken{
		Call: c.asked, Model: c.model, Cap: c.sentCap(),
		Shown: c.reading.Seen, Reported: c.reading.Outputs, Hidden: c.reading.Hidden || c.hides(), Took: c.g.o.Now().Sub(c.sent),
		WentOn:  lost && (host.GoesOn || len(host.StopsFor) > 0 && !stops) || e.closed && host.Name != "" && !stops && !c.model.Provider.Local,
		Stopped: c.asked.Stream && stops && (e.closed || lost && errors.Is(e.err, syscall.ECONNRESET) && c.direct()),
	}
	if !c.flows || !c.asked.Stream {
		b.WentOn = true // of what has not begun to come nobody knows how far it is
	}
	if e.row == "over_cap" {
		b.Cap = 0
	}
	return b
}

// sentCap is the output cap of each output that the provider was told, or has
// by itself.
func (c *call) sentCap() int64 {
	switch {
	case c.edit.Cap > 0:
		return c.edit.Cap
	case c.asked.OutputCap != nil && *c.asked.OutputCap > 0:
		return *c.asked.OutputCap
	}
	return c.ceiling.Asked
}

// direct tells whether nothing stands between aex and the host that could reset
// the connection and leave the host at work.
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

// price is that of the model served, where it was served.
func (c *call) price() policy.Price {
	return c.g.registry.Load().Served(c.model, c.reading.Model).InGeo(cmp.Or(c.reading.Geo, c.asked.Geo))
}

// begun is the ceiling of what had begun. Streams of these wires show each use of
// the provider's own tools as it begins: of one that shows none, one at most had.
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

// estimate is the cost of so much output, of all outputs together: with the
// input as the provider reported it, else its bound.
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

// known is what is known of the call's prompt, once it is decided on.
func (c *call) known() *bound.Prompt {
	if c.prompt == nil {
		c.prompt = &bound.Prompt{
			Buyer: buyer(c.id), Asked: &c.asked, Model: &c.model, Body: c.body, Key: c.key, Header: c.r.Header, Opened: c.opened != nil,
		}
	}
	return c.prompt
}

// buyer is who pays for a call, and so may ask for its answer again and is bounded by
// what it paid before: the caller's run, or its agent where it is in none.
func buyer(id ledger.Identity) string {
	if id.Run != "" {
		return "run " + string(id.Run)
	}
	return "agent " + string(id.AgentID)
}
