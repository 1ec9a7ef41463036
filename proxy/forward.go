package proxy

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// upstreams keeps one transport for each way out: proxy and CA.
type upstreams struct {
	caFile string // for providers without one of their own
	mu     sync.Mutex
	way    map[[2]string]*http.Transport
	dear   atomic.Int32 // calls too dear for an aex upstream, since one was not
}

func newUpstreams(caFile string) *upstreams {
	return &upstreams{caFile: caFile, way: map[[2]string]*http.Transport{}}
}

// to is the transport for a provider.
func (u *upstreams) to(p policy.Provider) (*http.Transport, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	way := [2]string{p.Proxy, p.CAFile}
	if t := u.way[way]; t != nil {
		return t, nil
	}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{
			Timeout: 30 * time.Second, KeepAlive: 30 * time.Second,
		}).DialContext,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true, // a compressed answer cannot be metered as it passes
		MaxIdleConnsPerHost: 256,
		TLSHandshakeTimeout: 30 * time.Second,
		// Shorter than any provider's own: a request written to a connection
		// that the provider is closing has to be booked as if it had been read.
		IdleConnTimeout: 20 * time.Second,
	}
	if p.Proxy != "" {
		proxy, err := url.Parse(p.Proxy)
		if err != nil {
			return nil, fmt.Errorf("the proxy of provider %s: %w", p.Name, err)
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	if file := cmp.Or(p.CAFile, u.caFile); file != "" {
		roots, err := withCA(file)
		if err != nil {
			return nil, fmt.Errorf("the certificates for provider %s: %w", p.Name, err)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	u.way[way] = t
	return t, nil
}

// withCA is the system's roots and those of a file.
func withCA(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return roots, nil
}

func (u *upstreams) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, t := range u.way {
		t.CloseIdleConnections()
	}
}

// forwarded are the request headers that reach a provider, by name or, ending
// in -, by their beginning.
var forwarded = []string{
	"Content-Type", "Accept", "Accept-Language", "User-Agent", "Idempotency-Key", "Originator", "Session-Id", "Thread-Id",
	"Http-Referer", "Referer", "X-Title", "X-App", "X-Request-Id", "X-Client-Request-Id", "X-Session-Id", "Conversation-Id",
	"Version", "Openai-", "Anthropic-", "X-Stainless-", "X-Claude-Code-", "X-Codex-", "X-Goog-Api-Client", "X-Goog-User-Project",
}

func forwards(name string) bool {
	for _, f := range forwarded {
		if name == f || strings.HasSuffix(f, "-") && strings.HasPrefix(name, f) {
			return true
		}
	}
	return false
}

// query are the URL parameters that reach a provider. A key in the URL is the
// run's token: it ends here.
var query = []string{"beta", "alt", "api-version"}

// request builds what goes upstream to path, which is escaped, with body.
func (c *call) request(ctx context.Context, path string, body []byte) (*http.Request, error) {
	p := c.model.Provider
	u, err := url.Parse(strings.TrimSuffix(p.BaseURL, "/"))
	if err != nil {
		return nil, fmt.Errorf("the base URL of provider %s: %w", p.Name, err)
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, refusef("invalid_request", "the path is not well escaped: %v", err)
	}
	u.Path, u.RawPath = u.Path+plain, u.EscapedPath()+path
	q := u.Query()
	for name, values := range c.r.URL.Query() {
		if slices.Contains(query, name) || c.opened != nil && name != "key" {
			q[name] = values
		}
	}
	u.RawQuery = q.Encode()
	// The body has no GetBody, by which Go's transport would silently repeat a
	// POST that carries an Idempotency-Key: each request has its own hold.
	req, err := http.NewRequestWithContext(ctx, c.r.Method, u.String(), io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		return nil, err
	}
	req.ContentLength = int64(len(body))
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
	return req, nil
}

// authorize adds the real key as the provider wants it.
func (c *call) authorize(h http.Header) {
	if c.key == "" {
		return
	}
	for _, w := range c.g.wires {
		if w.Type == c.model.Provider.Type {
			w.Authorize(h, c.key)
			return
		}
	}
}

// send makes the one request of this hold. sent is false where nothing can
// have reached the provider. The response's body ends when ctx does.
func (c *call) send(ctx context.Context) (resp *http.Response, sent bool, err error) {
	body := wire.Apply(c.body.Doc, c.route.wire.Edit(c.body, c.edit))
	req, err := c.request(ctx, c.route.wire.Path(c.model, c.route.rest), body)
	if err != nil {
		return nil, false, err
	}
	transport, err := c.g.upstream.to(c.model.Provider)
	if err != nil {
		return nil, false, err
	}
	// Nothing is written before there is a connection, proxy and TLS included.
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	resp, err = transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	return resp, connected.Load(), err
}

// unreachable says what stood between aex and the provider.
func (c *call) unreachable(err error) *refusal {
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
	return refusef("upstream_unreachable", "provider %s at %s cannot be reached%s: %v", p.Name, p.BaseURL, way, scrub(err, c.key))
}

// scrub keeps a key out of an error's text.
func scrub(err error, key string) string {
	if key == "" {
		return err.Error()
	}
	return strings.ReplaceAll(err.Error(), key, "***")
}
