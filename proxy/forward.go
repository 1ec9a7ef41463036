package proxy

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// forward is the fifth step: it makes the call, and leaves in c.ended how that
// went.
func (c *call) forward() {
	c.progress.call = c
	c.g.live.add(&c.progress)
	c.plan()
	c.ended = c.exchange()
}

// exchange sends the call and relays its answer. It returns how that ended,
// whatever happened, and never an error beside it.
func (c *call) exchange() ending {
	ctx, cancel := context.WithCancelCause(c.below())
	defer cancel(nil)
	rl := &relay{call: c, meter: c.route.wire.Meter(c.edit), cancel: cancel}
	rl.watched = slices.ContainsFunc(c.caps, func(cp policy.Capabilities) bool {
		return !policy.AllowsToolCall(cp, "") // some name is not allowed
	})
	rl.stops.Store(rl.closes())
	rl.held = c.edit.Usage || c.edit.Masked != "" || rl.watched
	// The upstream request outlives the client's connection by choice.
	defer rl.listen()()

	resp, sent, err := c.send(ctx)
	if err != nil {
		left := rl.gone.Load()
		if !left {
			c.refuse(c.unreachable(err))
		}
		if !sent {
			return ending{row: "not_sent"}
		}
		return ending{row: "no_answer", err: err, closed: left}
	}
	defer resp.Body.Close()
	body := decoded(resp)
	rl.copyHeader(resp)
	if isStream(resp) {
		return rl.stream(resp, body)
	}
	return rl.whole(resp, body)
}

// send makes the one request of this hold. sent is false where nothing can
// have reached the provider. The response's body ends when ctx does.
func (c *call) send(ctx context.Context) (resp *http.Response, sent bool, err error) {
	body := c.form // is sent as it came
	if body == nil {
		body = wire.Apply(c.body.Doc, c.route.wire.Edit(c.body, c.edit))
	}
	// Nothing is written before there is a connection, proxy and TLS included.
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	base, path := c.upstreamPath()
	req, err := c.requestAt(httptrace.WithClientTrace(ctx, trace), base, path, body)
	if err != nil {
		return nil, false, err
	}
	transport, err := c.g.upstream.to(c.model.Provider)
	if err != nil {
		return nil, false, err
	}
	c.sent = c.g.o.Now()
	resp, err = roundTrip(transport, req)
	return resp, connected.Load(), err
}

// request builds what goes upstream to path below the provider's base URL.
func (c *call) request(ctx context.Context, path string, body []byte) (*http.Request, error) {
	return c.requestAt(ctx, strings.TrimSuffix(c.model.Provider.BaseURL, "/"), path, body)
}

// requestAt builds what goes upstream to path, which is escaped, with body.
func (c *call) requestAt(ctx context.Context, base, path string, body []byte) (*http.Request, error) {
	p := c.model.Provider
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("the base URL of provider %s: %w", p.Name, err)
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, refusal.New("invalid_request", "the path is not well escaped: %v", err)
	}
	u.Path, u.RawPath = u.Path+plain, u.EscapedPath()+path
	if c.r.URL.RawQuery != "" {
		q := u.Query()
		for name, values := range c.r.URL.Query() {
			if slices.Contains(query, name) || (c.opened != nil || c.route.free == wire.Relayed) && name != "key" {
				q[name] = values
			}
		}
		u.RawQuery = q.Encode()
	}
	// The body has no GetBody, by which Go's transport would silently repeat a
	// POST that carries an Idempotency-Key: each request has its own hold.
	req, err := http.NewRequestWithContext(ctx, c.r.Method, "", io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		return nil, err
	}
	req.URL, req.ContentLength = u, int64(len(body))
	for name, values := range c.r.Header {
		if forwards(name) {
			req.Header[name] = values
		}
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "aex")
	}
	req.Header.Set("Accept-Encoding", "identity")
	for name, value := range p.Headers {
		req.Header.Set(name, value)
	}
	c.authorize(req.Header)
	if c.secret != "" {
		req.Header.Set(holdHeader, string(c.hold.ID)+" "+c.secret)
	}
	return req, nil
}

// unreachable says what stood between aex and the provider.
func (c *call) unreachable(err error) *refusal.Refusal {
	p := c.model.Provider
	way := ""
	if p.Proxy != "" {
		way = " through the proxy of models.yaml"
	} else if u, perr := url.Parse(p.BaseURL); perr == nil {
		if proxy, _ := http.ProxyFromEnvironment(&http.Request{URL: u}); proxy != nil {
			way = fmt.Sprintf(" through the proxy %s of the environment", proxy.Host)
		}
	}
	if file := cmp.Or(p.CAFile, c.g.o.CAFile); file != "" {
		way += " with the certificates of " + file
	}
	return refusal.New("upstream_unreachable", "provider %s at %s cannot be reached%s: %v", p.Name, p.BaseURL, way, scrub(err, c.key))
}

// scrub keeps a key out of an error's text.
func scrub(err error, key string) string {
	if key == "" {
		return err.Error()
	}
	return strings.ReplaceAll(err.Error(), key, "***")
}

// below is what the call's way upstream ends with: the gateway, or the run.
func (c *call) below() context.Context {
	if c.inner != nil {
		return c.inner.Ctx
	}
	return c.g.ctx
}
