package proxy

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/bound"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// findOpened looks the route up in models.yaml. A path that is not in its
// simplest form could lead elsewhere than it reads.
func (c *call) findOpened() bool {
	p := c.r.URL.Path
	if path.Clean(p) != p || !plainPath(c.r.URL.EscapedPath()) {
		return false
	}
	opened, ok := c.g.registry.Load().Route(c.r.Method, p)
	if !ok {
		return false
	}
	c.opened = &opened
	at := c.r.URL.EscapedPath()
	if opened.Provider.Type == "openai_compatible" {
		at = strings.TrimPrefix(at, "/v1") // its base URL has the version
	}
	c.route = route{wire: wire.Opened(at)}
	price := policy.Pico(opened.Micros * 1_000_000)
	c.model = policy.Model{Name: p, Sent: p, Provider: opened.Provider}
	c.model.Price.PerRequest = &price
	c.model.Price.Source, c.model.Price.Version = "models.yaml", "models.yaml routes"
	return true
}

// plainPath tells whether a path means the same to every server: one behind
// this may undo escapes a second time, take a backslash for a slash, or leave
// out what follows a semicolon.
func plainPath(escaped string) bool {
	once, err := url.PathUnescape(escaped)
	return err == nil && !strings.ContainsAny(once, `\%;`) && !strings.Contains(once, "//")
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
	caps, err := capabilities(c.id)
	if err != nil {
		return refusal.New("policy_denied", "the policy of agent %s cannot be read: %v", c.id.Agent, err)
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
	(&relay{call: c}).copyHeader(resp)
	c.w.WriteHeader(resp.StatusCode)
	_, err = io.Copy(c.w, resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // half an answer is not to be taken for a whole one
	}
	return nil
}
