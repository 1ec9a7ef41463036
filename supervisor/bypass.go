package supervisor

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/supervisor/process"
)

// bypassEvery is how often the run's connections are looked at.
const bypassEvery = 2 * time.Second

// bypass looks for connections of a run's processes to known providers: calls
// that go past the gateway. It sees addresses only, and only those that are
// open when it looks; what it finds is a reason to look closer, not a proof.
type bypass struct {
	connected func() []netip.AddrPort
	resolve   func(ctx context.Context, host string) []netip.Addr

	mu    sync.Mutex
	found string // the provider's host, "" for none
}

func newBypass(p *process.Process) *bypass {
	return &bypass{connected: p.ConnectedTo, resolve: func(ctx context.Context, host string) []netip.Addr {
		addrs, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		return addrs
	}}
}

// watch looks until ctx ends or something was found. No name is looked up
// before a process has a connection to the outside that could be one.
func (b *bypass) watch(ctx context.Context) {
	tick := time.NewTicker(bypassEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if b.check(ctx) {
				return
			}
		}
	}
}

// check tells whether the tree is connected to a known provider now.
func (b *bypass) check(ctx context.Context) bool {
	outside := map[netip.Addr]bool{}
	for _, to := range b.connected() {
		if addr := to.Addr().Unmap(); to.Port() == 443 && !addr.IsLoopback() && !addr.IsPrivate() {
			outside[addr] = true
		}
	}
	if len(outside) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, bypassEvery)
	defer cancel()
	for _, p := range policy.BuiltinProviders() {
		u, err := url.Parse(p.BaseURL)
		if err != nil {
			continue
		}
		for _, addr := range b.resolve(ctx, u.Hostname()) {
			if outside[addr.Unmap()] {
				b.mu.Lock()
				b.found = u.Hostname()
				b.mu.Unlock()
				return true
			}
		}
	}
	return false
}

// host is the provider that was talked to without aex, "" for none.
func (b *bypass) host() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.found
}
