package supervisor

import (
	"context"
	"net/netip"
	"testing"
)

func TestBypassIsSeen(t *testing.T) {
	api := netip.MustParseAddr("203.0.113.7")
	for _, tt := range []struct {
		name  string
		to    string
		found string
	}{
		{"a provider", "203.0.113.7:443", "api.openai.com"},
		{"a provider, as a mapped address", "[::ffff:203.0.113.7]:443", "api.openai.com"},
		{"the gateway", "127.0.0.1:443", ""},
		{"a package registry", "198.51.100.9:443", ""},
		{"another port", "203.0.113.7:22", ""},
	} {
		asked := 0
		b := &bypass{
			connected: func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort(tt.to)} },
			resolve: func(_ context.Context, host string) []netip.Addr {
				asked++
				if host == "api.openai.com" {
					return []netip.Addr{api}
				}
				return nil
			},
		}
		if b.check(t.Context()) != (tt.found != "") || b.host() != tt.found {
			t.Errorf("%s: found %q", tt.name, b.host())
		}
		if tt.name == "the gateway" && asked > 0 {
			t.Errorf("%s: %d names were looked up", tt.name, asked)
		}
	}
}
