package proxy

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/Auro-rium/aex/v3/ledger"
)

// A call that goes by way of another aex on the same ledger takes a hold in each. The
// first aex sends holdHeader: by it the second one's hold joins the first, and charges
// only the accounts that the first does not. The second aex knows the provider, and tells
// in the trailer costTrailer what the call cost.
const (
	holdHeader  = "X-Aex-Hold"
	costTrailer = "X-Aex-Cost"
)

// meetAex finds out whether the provider is an aex on this ledger: then the key that is
// sent to it is one of the ledger's tokens. For such a provider it makes a secret.
func (c *call) meetAex(ctx context.Context) {
	if c.key == "" || c.secret != "" || c.model.Provider.Builtin() {
		return
	}
	if is, err := c.g.ledger.HasToken(ctx, ledger.HashToken(c.key)); err != nil || !is {
		return
	}
	c.secret = ledger.NewSecret(ledger.SecretOfRun)
}

// joint is the hash of the secret by which an aex upstream may join the hold.
func (c *call) joint() (h ledger.TokenHash) {
	if c.secret != "" {
		h = ledger.HashToken(c.secret)
	}
	return h
}

// joins is the hold of the aex that the call came from, if it came from one.
func (c *call) joins() (j ledger.Join) {
	if hold, secret, ok := strings.Cut(c.r.Header.Get(holdHeader), " "); ok {
		j = ledger.Join{Hold: ledger.HoldID(hold), Secret: ledger.HashToken(secret)}
	}
	return j
}

// fromAex tells whether the call came from an aex, which waits to be told its cost.
func (c *call) fromAex() bool { return c.r != nil && c.r.Header.Get(holdHeader) != "" }

// announce says that a trailer will follow. It needs an answer without a length.
func (c *call) announce() {
	if c.fromAex() {
		c.w.Header().Set("Trailer", costTrailer)
		c.w.Header().Del("Content-Length")
	}
}

// tellAex sends the trailer to an aex that the call came from.
func (c *call) tellAex(how ledger.How, cost ledger.Micros) {
	if c.fromAex() && c.w.Header().Get("Trailer") != "" {
		c.w.Header().Set(costTrailer, fmt.Sprintf("%s %d", how, cost))
	}
}

// toldByAex is what an aex upstream says that the call cost. A call that it refused was
// never made.
func (c *call) toldByAex(e ending) (how ledger.How, cost ledger.Micros, ok bool) {
	if c.secret == "" || e.resp == nil || e.err != nil {
		return "", 0, false
	}
	if n, err := fmt.Sscanf(e.resp.Trailer.Get(costTrailer), "%s %d", &how, &cost); err == nil && n == 2 && cost >= 0 &&
		(how == ledger.Settled || how == ledger.Estimated || how == ledger.Cancelled) {
		return how, cost, true
	}
	if e.resp.StatusCode >= http.StatusBadRequest && e.resp.Header.Get("X-Aex-Code") != "" {
		return ledger.Cancelled, 0, true
	}
	return "", 0, false
}
