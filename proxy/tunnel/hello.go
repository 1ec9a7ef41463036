package tunnel

import (
	"bufio"
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

// maxHello bounds what is read for a greeting: a record layer's worth with room for large keys.
const maxHello = 64 << 10

// hello is a TLS greeting.
type hello struct {
	name      string // the server name; "": none
	encrypted bool
	bytes     []byte // all that was read for it, to be sent on
}

var (
	errGreeted = errors.New("the greeting is read")
	errLong    = errors.New("the greeting is too long")
	errNoHello = errors.New("this is no greeting")
)

// readHello reads a ClientHello, over however many packets and records it is spread. It answers nothing.
func readHello(r io.Reader) (hello, error) {
	var h hello
	listen := &listener{r: r}
	server := tls.Server(listen, &tls.Config{
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			h.name = strings.ToLower(strings.TrimSuffix(info.ServerName, "."))
			h.encrypted = slices.Contains(info.Extensions, encryptedHello)
			return nil, errGreeted
		},
	})
	err := server.HandshakeContext(context.Background())
	h.bytes = listen.heard
	if errors.Is(err, errGreeted) {
		return h, nil
	}
	return h, err
}

// listener is a connection that keeps what it reads and says nothing.
type listener struct {
	r     io.Reader
	heard []byte
}

func (l *listener) Read(p []byte) (int, error) {
	if len(l.heard) > maxHello {
		return 0, errLong
	}
	n, err := l.r.Read(p)
	l.heard = append(l.heard, p[:n]...)
	return n, err
}

func (l *listener) Write(p []byte) (int, error)      { return len(p), nil }
func (l *listener) Close() error                     { return nil }
func (l *listener) LocalAddr() net.Addr              { return nil }
func (l *listener) RemoteAddr() net.Addr             { return nil }
func (l *listener) SetDeadline(time.Time) error      { return nil }
func (l *listener) SetReadDeadline(time.Time) error  { return nil }
func (l *listener) SetWriteDeadline(time.Time) error { return nil }

// checkHello compares a greeting with what was asked for.
func (t *Tunnel) checkHello(h hello, to target, rule Rule) error {
	switch {
	case h.encrypted && !rule.ech:
		return refusal("name_encrypted", "the server name for %s is encrypted (ECH), so that it cannot be checked: aex run --allow-host %s,ech", to, to.name())
	case h.name != "" && t.o.Provider(h.name, to.port):
		return refusal("provider_host", "the server name for %s is %s, a model provider: that is reached through aex alone", to, printed(h.name))
	case slices.Contains(rule.names, h.name), h.name == to.host:
		return nil // of an address: no name
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

// replayed is a connection of which something was read before.
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
