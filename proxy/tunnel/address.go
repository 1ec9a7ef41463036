package tunnel

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// addresses are those addresses of a target that may be dialled. A name that leads to a private address is refused unless
// the address is listed, too: otherwise whoever answers for the name would choose what is reached.
func (t *Tunnel) addresses(ctx context.Context, to target) ([]netip.AddrPort, error) {
	found, err := t.lookUp(ctx, to)
	if err != nil {
		return nil, err
	}
	var good []netip.AddrPort
	var no error
	for _, addr := range found {
		at := netip.AddrPortFrom(addr.Unmap().WithZone(""), to.port)
		if err := t.mayDial(ctx, at, to); err != nil {
			no = err
			continue
		}
		good = append(good, at)
	}
	switch {
	case len(good) > 0:
		return good, nil
	case no != nil:
		return nil, no
	}
	return nil, fmt.Errorf("looking up %s: it has no address", to.name())
}

// lookUp finds the addresses of a target, and refuses an alias of a provider's name.
func (t *Tunnel) lookUp(ctx context.Context, to target) ([]netip.Addr, error) {
	if to.host == "" {
		return []netip.Addr{to.addr}, nil
	}
	var alias string
	var asked sync.WaitGroup
	asked.Go(func() { alias, _ = hostName(t.o.Canonical(ctx, to.host)) })
	found, err := t.o.Resolve(ctx, to.host)
	asked.Wait()
	switch {
	case err != nil:
		return nil, fmt.Errorf("looking up %s: %w", to.host, err)
	case alias != "" && t.o.Provider(alias, to.port):
		return nil, leadsToProvider(to)
	}
	return found, nil
}

func leadsToProvider(to target) error {
	return refusal("provider_host", "%s leads to a model provider: that is reached through aex alone", to)
}

// mayDial judges one address of a target. A public host whose own name is listed may share an address with a provider,
// because one server may stand for many hosts: it is recognized by the name in its greeting. Any other name that leads to a
// provider's address is taken for the provider.
func (t *Tunnel) mayDial(ctx context.Context, at netip.AddrPort, to target) error {
	addr := at.Addr()
	outside := public(addr) && !t.own(addr)
	switch {
	case t.o.Provider(addr.String(), to.port), t.own(addr) && t.o.Provider(loopback.String(), to.port):
		return leadsToProvider(to)
	case !(outside && t.knownByName(to)) && t.providersAt(ctx)[t.plain(at)]:
		return leadsToProvider(to)
	case !outside && !t.listed(at):
		return refusal("private_address", "%s is at %s, which is no public address: aex run --allow-host %s", to, addr, at)
	}
	return nil
}

// ServedHere tells whether a provider that aex itself goes to answers at a port of this machine.
func (t *Tunnel) ServedHere(ctx context.Context, port uint16) bool {
	return t.o.Provider(loopback.String(), port) || t.providersAt(ctx)[netip.AddrPortFrom(loopback, port)]
}

// loopback stands for all addresses of this machine.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func (t *Tunnel) own(addr netip.Addr) bool {
	return addr.IsLoopback() || addr.IsUnspecified() || t.o.Own(addr)
}

// plain is an address in the form in which two are compared.
func (t *Tunnel) plain(at netip.AddrPort) netip.AddrPort {
	addr := at.Addr().Unmap().WithZone("")
	if t.own(addr) {
		addr = loopback
	}
	return netip.AddrPortFrom(addr, at.Port())
}

// knownByName tells whether a rule lists the target's own name, which the program then has to name in what it says.
func (t *Tunnel) knownByName(to target) bool {
	return to.host != "" && slices.ContainsFunc(t.o.Rules, func(r Rule) bool {
		return r.host != "*" && !r.raw && !r.ech && r.ports(to.port) && r.matchesName(to.host)
	})
}

const (
	takenLimit = 5 * time.Second // for looking up all providers
	takenKept  = time.Minute
)

// providersAt are the addresses of the providers that aex itself goes to.
func (t *Tunnel) providersAt(ctx context.Context) map[netip.AddrPort]bool {
	t.mu.Lock()
	taken := t.taken
	if time.Since(t.takenAt) > takenKept {
		taken = nil
	}
	t.mu.Unlock()
	if taken != nil {
		return taken
	}
	ctx, cancel := context.WithTimeout(ctx, takenLimit)
	defer cancel()
	taken = map[netip.AddrPort]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, p := range t.o.Providers() {
		host, port, err := splitPort(p)
		if err != nil || port == 0 {
			continue
		}
		all.Go(func() {
			found, _ := t.o.Resolve(ctx, host) // a provider without an address cannot be reached
			mu.Lock()
			defer mu.Unlock()
			for _, addr := range found {
				taken[t.plain(netip.AddrPortFrom(addr, port))] = true
			}
		})
	}
	all.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken, t.takenAt = taken, time.Now()
	return taken
}

// canonical asks the system's resolver.
func canonical(ctx context.Context, host string) string {
	name, err := net.DefaultResolver.LookupCNAME(ctx, host)
	if err != nil {
		return ""
	}
	return name
}

// ownAddress tells whether an address is one of this machine's interfaces: what is served there is meant for this machine
// and its neighbours, whatever kind of address it is.
func ownAddress(addr netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		if !ok {
			return false
		}
		own, ok := netip.AddrFromSlice(n.IP)
		return ok && own.Unmap() == addr
	})
}
