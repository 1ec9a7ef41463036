package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/tunnel"
)

// authenticate is the first step: the request is one that this gateway serves,
// and its token lets the caller ask for it.
func (c *call) authenticate(ctx context.Context) (err error) {
	if err := c.g.local(c.r); err != nil {
		return err
	}
	if err := c.findRoute(); err != nil {
		c.id, c.hash, _ = c.g.identify(ctx, c.r) // so that the caller's run has the refusal in its trail
		return err
	}
	if c.route.free == freeHello || c.route.free == freeToken {
		return nil
	}
	if c.id, c.hash, err = c.g.identify(ctx, c.r); err != nil {
		return err
	}
	c.inner = c.g.inner.Find(c.id.Run)
	if c.id.Scope == ledger.Runs && c.route.free != "runs" && c.route.free != "budget" {
		return refusal.New("runs_only_token", "this token opens runs, and calls no models: AEX_TOKEN is for aex run")
	}
	if c.id.Scope == ledger.ReadOnly && !c.route.reads() {
		return refusal.New("read_only_token", "this token may read models, budget and usage, not call models")
	}
	return nil
}

// identify finds who is calling. The ledger compares hashes and checks
// again when it admits.
func (g *Gateway) identify(ctx context.Context, r *http.Request) (ledger.Identity, ledger.TokenHash, error) {
	t := Token(r)
	if t == "" {
		return ledger.Identity{}, ledger.TokenHash{}, refusal.New("invalid_token", "no token: send the one in AEX_AGENT_TOKEN as the API key")
	}
	hash := ledger.HashToken(t)
	id, err := g.ledger.Authenticate(ctx, hash)
	if errors.Is(err, ledger.ErrExpired) && g.o.Extend != nil {
		switch no := g.o.Extend(ctx, hash); {
		case no == nil:
			id, err = g.ledger.Authenticate(ctx, hash)
		case errors.Is(no, ledger.ErrHeld):
			err = no
		}
	}
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return id, hash, refusal.New("invalid_token", "the token is not one of this gateway's; is a key of the provider set instead of the run's token?")
	case errors.Is(err, ledger.ErrExpired):
		return id, hash, refusal.New("invalid_token", "the token has expired; mint another with: aex agent token %s", id.Agent)
	case err != nil:
		return id, hash, refusal.Unreadable(err)
	}
	return id, hash, nil
}

// local refuses what a web page could send: a Host that is not ours and any
// browser Origin.
func (g *Gateway) local(r *http.Request) error {
	if !g.hosts.Ours(r.Host) {
		return refusal.New("host_refused", "requests for the host %q are refused; allow it with --allow-host", plain.Clip(r.Host, 80))
	}
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Mode") == "no-cors" {
		return refusal.New("origin_refused", "requests from web pages are refused")
	}
	return nil
}

// Hosts are the names, beside loopback, by which a server may be called.
type Hosts map[string]bool

// NewHosts takes the names as the operator gave them.
func NewHosts(names []string) Hosts {
	h := Hosts{}
	for _, name := range names {
		h[strings.ToLower(name)] = true
	}
	return h
}

// Ours tells whether a Host header names this server: loopback, or a name that was
// allowed. Any other name that leads here is that of somebody else's web page (DNS
// rebinding).
func (h Hosts) Ours(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback() || h[host]
}

// ForOutside tells whether a request is one to a proxy, for another host. A request to
// a proxy for this gateway itself, as some clients send, is none.
func ForOutside(r *http.Request) bool {
	if !tunnel.Wants(r) {
		return false
	}
	own, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return r.Method == http.MethodConnect || !ok || r.URL.Host != own.String()
}
