package proxy

import (
	"net"
	"strings"
)

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

// Ours tells whether a Host header names this server: loopback, or a name that
// was allowed. Any other that leads here is somebody else's page (DNS
// rebinding).
func (h Hosts) Ours(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback() || h[host]
}
