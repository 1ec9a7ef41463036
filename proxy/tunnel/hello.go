package tunnel

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// encryptedHello is the extension of a ClientHello whose true server name is encrypted (RFC 9849, encrypted_client_hello).
// One that is sent for show cannot be told from a real one: that is what it is for.
const encryptedHello = 0xfe0d

// hello is a TLS greeting.
type hello struct {
	name      string // the server name; "": none
	encrypted bool
}

var errGreeted = errors.New("the greeting is read")

// parseHello reads a ClientHello, as the message that it is in the handshake. It answers nothing.
func parseHello(message []byte) (hello, error) {
	var h hello
	server := tls.Server(&recited{r: bytes.NewReader(framed(message))}, &tls.Config{
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			h.name = strings.ToLower(strings.TrimSuffix(info.ServerName, "."))
			h.encrypted = slices.Contains(info.Extensions, encryptedHello)
			return nil, errGreeted
		},
	})
	if err := server.HandshakeContext(context.Background()); !errors.Is(err, errGreeted) {
		return h, errNoHello
	}
	return h, nil
}

// framed puts a message into records.
func framed(message []byte) []byte {
	var all []byte
	for part := range slices.Chunk(message, 16<<10) {
		all = append(all, handshake, 3, 1, byte(len(part)>>8), byte(len(part)))
		all = append(all, part...)
	}
	return all
}

// recited is a connection from which only what was read before can be read, and which answers nothing.
type recited struct{ r io.Reader }

func (c *recited) Read(p []byte) (int, error)       { return c.r.Read(p) }
func (c *recited) Write(p []byte) (int, error)      { return len(p), nil }
func (c *recited) Close() error                     { return nil }
func (c *recited) LocalAddr() net.Addr              { return nil }
func (c *recited) RemoteAddr() net.Addr             { return nil }
func (c *recited) SetDeadline(time.Time) error      { return nil }
func (c *recited) SetReadDeadline(time.Time) error  { return nil }
func (c *recited) SetWriteDeadline(time.Time) error { return nil }

// checkHello compares a greeting with what was asked for.
func (t *Tunnel) checkHello(h hello, to target, rule Rule) error {
	switch {
	case h.encrypted && !rule.ech:
		return refusal("name_encrypted", "the server name for %s is encrypted (ECH), so that it cannot be checked: aex run --allow-host %s,ech", to, to.name())
	case h.name != "" && t.o.Provider(h.name, to.port):
		return refusal("provider_host", "the server name for %s is %s, a model provider: that is reached through aex alone", to, printed(h.name))
	case slices.Contains(rule.names, h.name), h.name == to.host && (h.name != "" || rule.host != "*"):
		return nil // of an address that is listed as such: no name
	case h.name == "":
		return refusal("name_mismatch", "the TLS greeting for %s names no server, so that it cannot be checked", to)
	case to.host == "" && t.named(h.name, to.port):
		return nil
	}
	return refusal("name_mismatch", "the server name for %s is %s: aex run --allow-host %s,name=%s", to, printed(h.name), to.name(), h.name)
}

// named tells whether a rule lists a name itself.
func (t *Tunnel) named(host string, port uint16) bool {
	return slices.ContainsFunc(t.o.Rules, func(r Rule) bool { return r.host != "*" && r.ports(port) && r.matchesName(host) })
}

// replayed is a connection that begins with what was read from it before.
type replayed struct {
	net.Conn
	first *bufio.Reader
}

func (c *replayed) Read(p []byte) (int, error) {
	if c.first != nil {
		if c.first.Buffered() > 0 {
			return c.first.Read(p)
		}
		c.first = nil
	}
	return c.Conn.Read(p)
}

// CloseWrite passes an end of file on.
func (c *replayed) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
