package tunnel

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Rule is one entry of the list of hosts that may be reached:
//
//	example.org          its ports 443 and 80
//	example.org:8443     one port
//	*.example.org        whatever is below it, not itself
//	*                    every host that is not refused for what it is
//	10.1.2.3, 10.0.0.0/8, [::1]:5432
//	                     addresses; those of this machine, of private networks and
//	                     of clouds' metadata are reached in this way alone
//
// After a comma an entry says what else is let through to it: ech is a TLS greeting whose server name is encrypted;
// name=HOST is another server name; raw is anything other than TLS and HTTP, in which aex sees no name at all.
type Rule struct {
	text  string
	host  string       // lower case; "*" and "*.": what Rule says; "": an address
	net   netip.Prefix // of an address
	port  uint16       // 0: 443 and 80
	ech   bool
	raw   bool
	names []string
}

func (r Rule) String() string { return r.text }

// ParseRule reads an entry as it is typed.
func ParseRule(text string) (Rule, error) {
	r := Rule{text: text}
	place, options, more := strings.Cut(strings.TrimSpace(text), ",")
	bad := func(format string, args ...any) (Rule, error) {
		return Rule{}, fmt.Errorf("%q: %s", text, fmt.Sprintf(format, args...))
	}
	if strings.Contains(place, "://") || strings.HasSuffix(place, "/") {
		return bad("write the host alone, without https:// and without a path")
	}
	if more {
		for option := range strings.SplitSeq(options, ",") {
			name, isName := strings.CutPrefix(option, "name=")
			switch {
			case option == "ech":
				r.ech = true
			case option == "raw":
				r.raw = true
			case isName:
				host, ok := hostName(name)
				if !ok {
					return bad("%q is not the name of a host", name)
				}
				r.names = append(r.names, host)
			default:
				return bad("behind the comma stands ech, raw or name=HOST, not %q", option)
			}
		}
	}
	host, port, err := splitPort(place)
	if err != nil {
		return bad("%v", err)
	}
	r.port = port
	if prefix, err := netip.ParsePrefix(host); err == nil {
		r.net = prefix.Masked()
		return r, nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap().WithZone("")
		r.net = netip.PrefixFrom(addr, addr.BitLen())
		return r, nil
	}
	if host == "*" {
		r.host = host
		return r, nil
	}
	below, wild := strings.CutPrefix(host, "*.")
	name, ok := hostName(below)
	if !ok {
		return bad("this is not the name of a host; write one like example.org, *.example.org, 10.1.2.3 or example.org:8443")
	}
	r.host = name
	if wild {
		r.host = "*." + name
	}
	return r, nil
}

// splitPort takes the port off HOST, HOST:PORT, [ADDRESS]:PORT or an IPv6 address.
func splitPort(place string) (host string, port uint16, err error) {
	host = place
	digits := ""
	switch {
	case strings.HasPrefix(place, "["):
		end := strings.IndexByte(place, ']')
		if end < 0 {
			return "", 0, fmt.Errorf("the ] is missing")
		}
		host, digits = place[1:end], place[end+1:]
		if digits != "" && digits[0] != ':' {
			return "", 0, fmt.Errorf("behind the ] stands :PORT")
		}
		digits = strings.TrimPrefix(digits, ":")
		if digits == "" && strings.HasSuffix(place, ":") {
			return "", 0, fmt.Errorf("the port is missing")
		}
	case strings.Count(place, ":") == 1:
		host, digits, _ = strings.Cut(place, ":")
		if digits == "" {
			return "", 0, fmt.Errorf("the port is missing")
		}
	}
	if digits == "" {
		return host, 0, nil
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 || digits[0] < '0' || digits[0] > '9' {
		return "", 0, fmt.Errorf("%q is not a port", digits)
	}
	return host, uint16(n), nil
}

// hostName is a name in lower case without the dot at its end. A name whose last part is a number is none: some programs
// take 127.1 and 0x7f000001 for addresses.
func hostName(name string) (string, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || len(name) > 253 {
		return "", false
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for i := range len(label) {
			c := label[i]
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return "", false
			}
		}
		last = label
	}
	if _, err := strconv.ParseUint(last, 0, 64); err == nil || strings.Trim(last, "0123456789") == "" {
		return "", false
	}
	return name, true
}

// ports tells whether the rule is about a port.
func (r Rule) ports(port uint16) bool {
	return r.port == port || r.port == 0 && (port == 443 || port == 80)
}

// matchesName tells whether the rule lists a name, whatever the port.
func (r Rule) matchesName(host string) bool {
	switch {
	case r.host == "":
		return false
	case r.host == "*":
		return true
	case strings.HasPrefix(r.host, "*."):
		return strings.HasSuffix(host, r.host[1:])
	}
	return host == r.host
}

func (r Rule) matchesAddr(addr netip.Addr) bool { return r.host == "" && r.net.Contains(addr) }
