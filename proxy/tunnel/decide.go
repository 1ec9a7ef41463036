package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// Refusal is why a connection is not made.
type Refusal struct {
	Code   string // host_not_allowed, provider_host, private_address, name_mismatch, name_encrypted, not_tls, malformed
	Reason string // in words, with what to do
}

func (r *Refusal) Error() string { return r.Reason }

func refusal(code, format string, args ...any) *Refusal {
	return &Refusal{code, fmt.Sprintf(format, args...)}
}

// target is what a program asked for.
type target struct {
	host string // a name, or ""
	addr netip.Addr
	port uint16
}

func (t target) String() string {
	if t.host != "" {
		return fmt.Sprintf("%s:%d", t.host, t.port)
	}
	return netip.AddrPortFrom(t.addr, t.port).String()
}

// name is the host as people write it.
func (t target) name() string {
	if t.host != "" {
		return t.host
	}
	return t.addr.String()
}

// parseTarget reads HOST:PORT; without a port it is the one given.
func parseTarget(authority string, port uint16) (target, error) {
	host, p, err := splitPort(authority)
	if err != nil {
		return target{}, refusal("malformed", "%s: %v", printed(authority), err)
	}
	if p != 0 {
		port = p
	}
	if port == 0 {
		return target{}, refusal("malformed", "%s: the port is missing", printed(authority))
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return target{addr: addr.Unmap().WithZone(""), port: port}, nil
	}
	name, ok := hostName(host)
	if !ok {
		return target{}, refusal("malformed", "%s is not a host: a name, or an address in its usual form", printed(host))
	}
	return target{host: name, port: port}, nil
}

// printed bounds and quotes what a program sent.
func printed(s string) string { return fmt.Sprintf("%q", s[:min(len(s), 100)]) }

// allowed finds the rule that lists a target.
func (t *Tunnel) allowed(to target) (Rule, error) {
	if t.o.Provider(to.name(), to.port) {
		return Rule{}, refusal("provider_host", "%s is a model provider: it is reached through aex alone, at $OPENAI_BASE_URL and the like", to.name())
	}
	for _, r := range t.o.Rules {
		if r.ports(to.port) && (to.host != "" && r.matchesName(to.host) || to.host == "" && (r.matchesAddr(to.addr) || r.host == "*" && public(to.addr))) {
			return r, nil
		}
	}
	suggest := to.name()
	if to.port != 443 && to.port != 80 {
		suggest = to.String()
	}
	return Rule{}, refusal("host_not_allowed", "the sandbox does not allow %s: aex run --allow-host %s", to, suggest)
}

// listed tells whether a rule names an address itself.
func (t *Tunnel) listed(at netip.AddrPort) bool {
	return slices.ContainsFunc(t.o.Rules, func(r Rule) bool { return r.ports(at.Port()) && r.matchesAddr(at.Addr()) })
}

// special are the blocks of addresses that are not the public network's (the registries of RFC 6890), with those of
// clouds' metadata services that lie elsewhere. Of version 6 public is what is given out: 2000::/3 less these.
var special = func() (all []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"168.63.129.16/32", // Azure's host
		"2001::/23", "2001:db8::/32", "3fff::/20",
	} {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}()

// Blocks of version 6: of those given out, and those whose addresses carry one of version 4: at byte 12 by NAT64 (RFC 6052), at byte 2 by 6to4 (RFC 3056).
var (
	global  = netip.MustParsePrefix("2000::/3")
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
	sixToV4 = netip.MustParsePrefix("2002::/16")
)

// public tells whether an address belongs to the public network.
func public(addr netip.Addr) bool {
	addr = addr.Unmap()
	b := addr.As16()
	switch {
	case nat64.Contains(addr):
		addr = netip.AddrFrom4([4]byte(b[12:16]))
	case sixToV4.Contains(addr):
		addr = netip.AddrFrom4([4]byte(b[2:6]))
	case addr.Is6() && !global.Contains(addr):
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// dial connects to a target: to the addresses that were checked, or through the proxy that stands between this machine and
// the network.
func (t *Tunnel) dial(ctx context.Context, to target) (net.Conn, error) {
	parent, err := t.o.Parent(to.name(), to.port)
	if err != nil {
		return nil, fmt.Errorf("reading the proxy's URL: %w", err)
	}
	addrs, err := t.addresses(ctx, to)
	var no *Refusal
	switch {
	case errors.As(err, &no):
		return nil, err
	case parent != nil:
		// Behind a proxy names of the outside often have no address here; what has one was checked.
		return dialThrough(ctx, parent, to)
	case err != nil:
		return nil, err
	}
	var last error
	for _, at := range addrs {
		one, cancel := context.WithTimeout(ctx, dialLimit)
		conn, err := t.o.Dial(one, at)
		cancel()
		if err == nil {
			return conn, nil
		}
		last = err
		if ctx.Err() != nil {
			break
		}
	}
	return nil, last
}
