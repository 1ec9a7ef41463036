package proxy

import (
	"github.com/Auro-rium/aex/v3/internal/plain"
	"net/http"
	"strconv"
	"strings"

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

func (rl *relay) copyHeader(resp *http.Response) {
	h := rl.w.Header()
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
	h.Set("X-Aex-Call", string(rl.hold.ID))
	if rl.clamped > 0 {
		h.Set("X-Aex-Clamped-Max-Tokens", strconv.FormatInt(rl.clamped, 10))
	}
	if len(rl.changed) > 0 {
		h.Set("X-Aex-Changed", plain.Text(strings.Join(rl.changed, "; "), 300))
	}
}

// authorize adds the real key as the provider wants it: as the call's wire says,
// and on a route that is not read, as any wire of that provider does.
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
