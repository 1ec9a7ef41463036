package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/bound"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// offer works out what a call can cost. by is what bounds its prompt.
func (c *call) offer(asked policy.Call, by string) (*bound.Offer, error) {
	o, err := bound.New(asked, c.model, by, !c.g.o.NoClamp)
	if err != nil {
		return nil, err
	}
	switch by {
	case bound.ByPaid, bound.ByCount:
		o.Wrong = func() bool { return c.g.paid.Distrusts(c.counter()) }
	case bound.ByVocabulary:
		o.Wrong = func() bool { return c.g.paid.Misreads(c.counter()) || c.g.paid.Distrusts(c.counter()) }
	}
	return o, nil
}

// steps are the ways to bound a call more tightly, in the order in which they are tried.
// Each is given the last offer, and returns nil where it has no lower one.
var steps = []func(*call, context.Context, *bound.Offer, ledger.Refusal) *bound.Offer{(*call).byPaid, (*call).byCount, (*call).byTier}

// tighter is the next lower offer, and the step after the one that made it. Where there
// is none it is the same offer.
func (c *call) tighter(ctx context.Context, o *bound.Offer, step int, short ledger.Refusal) (*bound.Offer, int) {
	for ; step < len(steps); step++ {
		if better := steps[step](c, ctx, o, short); better != nil {
			return better, step + 1
		}
	}
	return o, step
}

// better is the offer of a call that more is known about, nil where it is not lower.
func (c *call) better(o *bound.Offer, asked policy.Call, by string) *bound.Offer {
	n, err := c.offer(asked, by)
	if err != nil || n.Most() >= o.Most() && n.Least().LeastMicros() >= o.Least().LeastMicros() {
		return nil
	}
	return n
}

// byPaid bounds the prompt by what the caller has paid for before.
func (c *call) byPaid(_ context.Context, o *bound.Offer, _ ledger.Refusal) *bound.Offer {
	tokens := c.g.paid.Bound(c.known())
	if tokens == 0 {
		return nil
	}
	asked := o.Asked
	asked.Prompt = tokens
	return c.better(o, asked, bound.ByPaid)
}

// byTier names the standard tier where the hold would otherwise be for a dearer one.
func (c *call) byTier(_ context.Context, o *bound.Offer, short ledger.Refusal) *bound.Offer {
	if o.Most() <= int64(short.Left) { // tokens a minute are short, which no tier has more of
		return nil
	}
	return c.better(o, c.standardTier(o.Asked), o.By)
}

// standardTier is the call in the standard tier, where that may be asked for
// and the provider keeps to it.
func (c *call) standardTier(asked policy.Call) policy.Call {
	standard := c.model.Provider.Own().Standard
	if standard != "" && c.route.wire.Fields["service_tier"] && // which the wire's requests name
		(asked.Tier == "" || asked.Tier == "auto") && !c.g.paid.Dearer(c.counter()) {
		asked.Tier = standard
	}
	return asked
}

const (
	// countPatience is how long a call waits for its prompt to be counted.
	countPatience = time.Second
	// countPause is how long a provider that gave no count is not asked again.
	countPause = 30 * time.Second
	// shortPrompt is the size of a body, in bytes, up to which most of it is JSON: a
	// low count of its tokens says nothing against the provider that counted.
	shortPrompt = 2 << 10
	// maxCount bounds the answer of a count, bytes.
	maxCount = 64 << 10
)

// counts knows which providers are not asked to count prompts for now.
type counts struct {
	mu    sync.Mutex
	after map[string]time.Time // by base URL
}

func (n *counts) paused(base string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return now.Before(n.after[base])
}

func (n *counts) pause(base string, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.after == nil {
		n.after = map[string]time.Time{}
	}
	n.after[base] = now.Add(countPause)
}

// byCount bounds the prompt by a count: the provider's own where that is free, else one
// by the model's vocabulary. It counts only where that can change something.
func (c *call) byCount(ctx context.Context, o *bound.Offer, short ledger.Refusal) *bound.Offer {
	hidden := c.asked.Hidden
	if !c.known().Grows() || len(hidden) > 0 && !c.coversHidden() || !c.decides(o, short) {
		return nil
	}
	if c.g.paid.Distrusts(c.counter()) {
		return nil
	}
	by, tokens := bound.ByCount, c.counted(ctx)
	if tokens == 0 && len(hidden) == 0 {
		by, tokens = bound.ByVocabulary, c.tokenized(ctx)
	}
	if tokens == 0 || o.Asked.Prompt > 0 && o.Asked.Prompt <= tokens {
		return nil
	}
	asked := o.Asked
	asked.Prompt = tokens
	return c.better(o, asked, by)
}

// coversHidden tells whether the provider's count includes what the request brings in by
// name alone: an earlier response, a conversation, what was cached.
func (c *call) coversHidden() bool {
	ask := c.route.wire.Count
	return ask != nil && ask.Covers(c.asked.Hidden)
}

// decides tells whether a count can change what becomes of a call: with it all of the
// call may fit, or without it the call would get less than every call may count on.
// Where tokens a minute are short, and not money, it always can.
func (c *call) decides(o *bound.Offer, short ledger.Refusal) bool {
	room := int64(short.Left)
	if o.Most() <= room {
		return true
	}
	best, now := c.standardTier(o.Asked), c.standardTier(o.Asked)
	best.Prompt = policy.Sparsest(best)
	if now.HostedRule == policy.HostedAuto {
		best, now = best.WithUses(1), now.WithUses(1)
	}
	lowest, err := policy.Bound(best, c.model, !c.g.o.NoClamp)
	if err != nil || lowest.LeastMicros() > int64(short.Unspent) {
		return false
	}
	held, err := policy.Bound(now, c.model, !c.g.o.NoClamp)
	return err != nil || held.FloorMicros() > room || lowest.MostMicros() <= room
}

// counted asks the provider how many tokens the prompt has; 0: it gave no count.
func (c *call) counted(ctx context.Context) int64 {
	ask, p := c.route.wire.Count, c.model.Provider
	if ask == nil || p.Own().Count != ask.Route || c.g.counts.paused(p.BaseURL, c.g.o.Now()) {
		return 0
	}
	tokens, err := c.count(ctx, ask)
	if err == nil && tokens > 0 && c.asked.BodyBytes <= shortPrompt && !policy.Believable(c.asked, tokens) {
		return 0
	}
	if err == nil && !c.plausible(tokens) {
		err = fmt.Errorf("%d tokens for %d bytes", tokens, c.asked.BodyBytes)
	}
	if err != nil {
		if ctx.Err() == nil { // the client still waits, so the fault is the provider's
			c.g.counts.pause(p.BaseURL, c.g.o.Now())
			c.g.o.Logf("provider %s gave no count of a prompt, and is asked for none for %s: %s", p.Name, countPause, scrub(err, c.key))
		}
		return 0
	}
	return tokens + policy.CountMargin
}

// plausible tells whether the prompt can have so many tokens.
func (c *call) plausible(tokens int64) bool {
	return policy.Believable(c.asked, tokens) && tokens <= c.loose.Ceiling().InputTk
}

// count makes one request to the provider's counting route, with the same key, by the
// same way and to the same host as the call itself. It costs nothing, so it needs no
// hold.
func (c *call) count(ctx context.Context, ask *wire.Counting) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.g.o.countPatience)
	defer cancel()
	rest, body := ask.Ask(c.body, c.model, c.route.rest)
	req, err := c.request(ctx, c.route.wire.Path(c.model, rest), body)
	if err != nil {
		return 0, err
	}
	q := req.URL.Query()
	q.Del("alt") // it is no stream
	req.URL.RawQuery = q.Encode()
	transport, err := c.g.upstream.to(c.model.Provider)
	if err != nil {
		return 0, err
	}
	resp, err := roundTrip(transport, req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxCount))
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d", resp.StatusCode)
	}
	doc, err := wire.Parse(answer)
	if err != nil {
		return 0, err
	}
	var fault error
	tokens := ask.Read(doc.Object(&fault))
	if fault != nil || tokens == nil {
		return 0, errors.Join(errors.New("an answer without a count"), fault)
	}
	return *tokens, nil
}

// tokenized counts the prompt by the model's vocabulary; 0 where that is not possible.
func (c *call) tokenized(ctx context.Context) int64 {
	if c.g.o.noVocabulary || c.g.paid.Misreads(c.counter()) {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, c.g.o.countPatience)
	defer cancel()
	return c.known().Tokenized(ctx)
}
