package proxy

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// Headers and URL parameters pass by allow-list on the way up; on the way down
// all pass but those of the one connection and credentials.

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

// withheld are the answer's headers that stay here: those of the one
// connection they came by, and credentials.
var withheld = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Alt-Svc": true, "Strict-Transport-Security": true,
	"Set-Cookie": true, "Content-Length": true,
}

func (c *call) copyHeader(resp *http.Response) {
	h := c.w.Header()
	for name, values := range resp.Header {
		if !withheld[name] {
			h[name] = values
		}
	}
	for _, field := range resp.Header.Values("Connection") {
		for name := range strings.SplitSeq(field, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	h.Set("X-Aex-Call", string(c.hold.ID))
	if c.clamped > 0 {
		h.Set("X-Aex-Clamped-Max-Tokens", strconv.FormatInt(c.clamped, 10))
	}
	if len(c.changed) > 0 {
		h.Set("X-Aex-Changed", plain.Text(strings.Join(c.changed, "; "), 300))
	}
}

// authorize adds the real key as the provider wants it: as the call's wire says, or on a
// route that is not read, as any wire of that provider does.
func (c *call) authorize(h http.Header) {
	if c.key == "" {
		return
	}
	host := c.model.Provider.Host()
	if host.KeyHeader != "" {
		h.Set(host.KeyHeader, c.key)
		return
	}
	for _, w := range append([]*wire.Wire{c.route.wire}, c.g.wires...) {
		if w.Authorize != nil && (w == c.route.wire || w.Type == c.model.Provider.Type) {
			w.Authorize(h, c.key)
			break
		}
	}
	if host.Bearer {
		h.Set("Authorization", "Bearer "+c.key)
	}
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
	if c.form == nil && c.opened == nil && c.route.free != wire.Relayed && !saysJSON(req.Header["Content-Type"]) {
		req.Header.Set("Content-Type", "application/json")
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

// saysJSON tells whether the header calls the body what it was read as. By another type,
// or in another charset, a provider might read another model's name in it.
func saysJSON(contentTypes []string) bool {
	if len(contentTypes) != 1 {
		return false
	}
	if contentTypes[0] == "application/json" { // as nearly every program has it
		return true
	}
	kind, params, err := mime.ParseMediaType(contentTypes[0])
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json")) &&
		(len(params) == 0 || len(params) == 1 && strings.EqualFold(params["charset"], "utf-8"))
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

// keyless is a text by the provider, without the key that it was sent and without the
// caller's token, which it may have got in some other place.
func (c *call) keyless(text string) string {
	for _, secret := range []string{c.key, Token(c.r)} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, plain.Hidden)
		}
	}
	return text
}
