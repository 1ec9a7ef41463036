package proxy

import (
	"context"
	"io"
	"net/http"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/bound"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// serveRelayed passes on, as it is, a request that costs nothing. One about an answer
// that the provider keeps is only for the caller that has bought it.
func (c *call) serveRelayed(ctx context.Context) error {
	at, whose := c.route.at, buyer(c.id)
	if id := c.route.id; id != "" {
		from, own := c.g.kept.of(whose, id)
		if !own {
			return refusal.New("response_not_found", "there is no response %q of this run at this gateway", plain.Clip(id, 100))
		}
		at = from
	}
	provider, err := c.g.registry.Load().ProviderAt(c.route.wire.Dialect, at)
	if err != nil {
		return refusal.New("model_not_priced", "%v", err)
	}
	c.model = policy.Model{Provider: provider}
	caps, err := c.permitted()
	if err != nil {
		return err
	}
	if err := c.providerKey(caps); err != nil {
		return err
	}
	body, err := c.readBody(ctx)
	if err != nil {
		return err
	}
	return c.relayTo(ctx, c.route.wire.Path(c.model, c.route.rest), body)
}

// serveOpened relays a call of an opened route, under a hold where it costs.
func (c *call) serveOpened(ctx context.Context) error {
	body, err := c.readBody(ctx)
	if err != nil {
		return err
	}
	c.body = wire.Object{Span: wire.Span{Doc: append([]byte{}, body...)}}
	c.asked, _ = c.route.wire.Read(nil, c.body, "")
	c.asked.Model = c.opened.Path
	caps, err := c.permitted()
	if err != nil {
		return err
	}
	for _, cp := range caps {
		if cp.Strict {
			return refusal.New("policy_denied", "agent %s is strict: a route that is not read is not passed on (strict_mode)", c.id.Agent)
		}
	}
	if err := c.providerKey(caps); err != nil {
		return err
	}
	if c.opened.Micros == 0 {
		return c.relayTo(ctx, c.route.wire.Path(c.model, c.route.rest), c.body.Doc)
	}
	c.loose = bound.Priced(*c.model.Price.PerRequest)
	if err := c.admit(ctx); err != nil {
		return err
	}
	defer c.settle()
	c.forward()
	return nil
}

// relayTo makes a request that takes no hold, because it costs nothing.
func (c *call) relayTo(ctx context.Context, at string, body []byte) error {
	req, err := c.request(ctx, at, body)
	if err != nil {
		return err
	}
	transport, err := c.g.upstream.to(c.model.Provider)
	if err != nil {
		return err
	}
	resp, err := roundTrip(transport, req)
	if err != nil {
		return c.unreachable(err)
	}
	defer resp.Body.Close()
	c.copyHeader(resp)
	c.w.WriteHeader(resp.StatusCode)
	_, err = io.Copy(c.w, resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // half an answer must not be taken for a whole one
	}
	return nil
}
