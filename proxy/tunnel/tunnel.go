// Package tunnel is the way out of a sandbox to hosts that were allowed: CONNECT for TLS, and plain HTTP. Names are looked
// up here, outside, and only addresses that were checked are dialled. The host that a program then names in TLS or HTTP has
// to be the one that it asked for, because one server may stand for many hosts, model providers among them.
package tunnel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a Tunnel works with. Only Provider is required.
type Options struct {
	Rules []Rule
	// Provider tells whether a host (a name or an address) and port are a model provider's: never let through.
	Provider func(host string, port uint16) bool
	// Providers are the hosts, as HOST:PORT, of the providers that aex itself goes to; nil: none.
	Providers func() []string
	// Canonical is the name that a name is an alias of, "" for none; nil: the system's way.
	Canonical func(ctx context.Context, host string) string
	// Own tells whether an address is this machine's; nil: the system's way.
	Own func(netip.Addr) bool
	// Resolve looks up a name; nil: the system's way.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects; nil: the system's way.
	Dial func(ctx context.Context, at netip.AddrPort) (net.Conn, error)
	// Parent is the proxy through which a host is reached, nil for none; nil itself: none.
	Parent func(host string, port uint16) (*url.URL, error)
	// Watch is told of each connection when it ends, and of each refusal. It must not block. Nil: nobody is.
	Watch func(Notice)
}

// Notice tells of a connection that has ended or was refused.
type Notice struct {
	Host           string
	Port           uint16
	Refused        string // the code of a refusal; "" for a connection
	Sent, Received int64  // bytes, from the program's side
}

// Limits of what a program may keep waiting.
const (
	dialLimit  = 15 * time.Second
	firstLimit = 30 * time.Second // for the first bytes in a tunnel
)

// Tunnel lets programs out. Its zero value is of no use: New makes one.
type Tunnel struct {
	o   Options
	ctx context.Context
	end context.CancelFunc

	mu      sync.Mutex
	closing bool
	open    map[io.Closer]bool
	served  sync.WaitGroup
	taken   map[netip.AddrPort]bool // of providers, as they were at a time
	takenAt time.Time
	pool    *http.Transport
}

// New makes a Tunnel. Close ends it.
func New(o Options) *Tunnel {
	if o.Canonical == nil {
		o.Canonical = canonical
	}
	if o.Resolve == nil {
		o.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", at.String())
		}
	}
	if o.Providers == nil {
		o.Providers = func() []string { return nil }
	}
	if o.Own == nil {
		o.Own = ownAddress
	}
	if o.Parent == nil {
		o.Parent = func(string, uint16) (*url.URL, error) { return nil, nil }
	}
	if o.Watch == nil {
		o.Watch = func(Notice) {}
	}
	t := &Tunnel{o: o, open: map[io.Closer]bool{}}
	t.ctx, t.end = context.WithCancel(context.Background())
	t.pool = t.transport(nil)
	return t
}

// Wants tells whether a request is one to a proxy, for another host.
func Wants(r *http.Request) bool { return r.Method == http.MethodConnect || r.URL.IsAbs() }

// ServeHTTP answers a request for which Wants is true.
func (t *Tunnel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !t.enter() {
		http.Error(w, "aex: the run is ending", http.StatusServiceUnavailable)
		return
	}
	defer t.served.Done()
	if r.Method == http.MethodConnect {
		t.connect(w, r)
		return
	}
	t.forward(w, r)
}

func (t *Tunnel) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return false
	}
	t.served.Add(1)
	return true
}

// hold has Close close c, too, until done is called.
func (t *Tunnel) hold(c io.Closer) (done func()) {
	t.mu.Lock()
	if t.open[c] = true; t.closing {
		defer c.Close()
	}
	t.mu.Unlock()
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.open, c)
	}
}

// Close cuts every connection, and returns when Watch was told of all of them.
func (t *Tunnel) Close() {
	t.mu.Lock()
	t.closing = true
	open := slices.Collect(maps.Keys(t.open))
	t.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	t.end()
	t.pool.CloseIdleConnections()
	t.served.Wait()
	t.pool.CloseIdleConnections()
}

// refuse answers with a refusal or a failure, before anything was let through.
func (t *Tunnel) refuse(w http.ResponseWriter, to target, err error) {
	var no *Refusal
	if !errors.As(err, &no) {
		w.Header().Set("X-Aex-Code", "host_unreachable")
		http.Error(w, fmt.Sprintf("aex: %s cannot be reached: %v", to, err), http.StatusBadGateway)
		return
	}
	t.notify(to, no)
	w.Header().Set("X-Aex-Code", no.Code)
	status := http.StatusForbidden
	if no.Code == "malformed" {
		status = http.StatusBadRequest
	}
	http.Error(w, "aex: "+no.Reason, status)
}

// notify informs the watcher of a request, and of its refusal if there was one.
func (t *Tunnel) notify(to target, no *Refusal) {
	t.o.Watch(Notice{Host: to.name(), Port: to.port, Refused: no.Code})
}

// connect makes a tunnel: refuse, or connect; then look at what the program says first.
func (t *Tunnel) connect(w http.ResponseWriter, r *http.Request) {
	to, err := parseTarget(r.Host, 0)
	if err == nil && (r.URL.Path != "" || r.ContentLength != 0 || len(r.TransferEncoding) > 0) {
		err = refusal("malformed", "CONNECT has a host and a port, and no body")
	}
	var rule Rule
	if err == nil {
		rule, err = t.allowed(to)
	}
	var server net.Conn
	if err == nil {
		server, err = t.dial(r.Context(), to)
	}
	if err != nil {
		t.refuse(w, to, err)
		return
	}
	counted := &counter{Conn: server}
	defer counted.Close()
	defer t.hold(counted)()
	raw, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "aex: this connection cannot become a tunnel", http.StatusHTTPVersionNotSupported)
		return
	}
	defer raw.Close()
	defer t.hold(raw)()
	if _, err := io.WriteString(raw, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	client := &replayed{Conn: raw, first: buffered.Reader}
	if err := t.pass(client, counted, to, rule); err != nil {
		var no *Refusal
		if errors.As(err, &no) {
			t.notify(to, no)
			return
		}
	}
	t.o.Watch(Notice{Host: to.name(), Port: to.port, Sent: counted.out.Load(), Received: counted.in.Load()})
}

// accessDenied is the alert by which TLS refuses (RFC 8446, section 6).
var accessDenied = []byte{21, 3, 3, 0, 2, 2, 49}

// pass lets through what may pass, until both sides have ended.
func (t *Tunnel) pass(client *replayed, server *counter, to target, rule Rule) error {
	if rule.raw {
		_ = splice(client, server, func() error {
			_, err := io.Copy(server, client)
			return err
		})
		return nil
	}
	client.SetReadDeadline(time.Now().Add(firstLimit))
	in := bufio.NewReader(client)
	first, err := in.Peek(1)
	client.SetReadDeadline(time.Time{})
	switch {
	case err != nil:
		return nil // it said nothing: so does the tunnel
	case first[0] >= 'A' && first[0] <= 'Z':
		t.passPlain(client, in, server, to)
		return nil
	}
	said := &greeting{in: in, judge: func(h hello) error { return t.checkHello(h, to, rule) }}
	client.SetReadDeadline(time.Now().Add(firstLimit))
	flight, err := said.first()
	client.SetReadDeadline(time.Time{})
	var no *Refusal
	switch {
	case err == nil:
		err = splice(client, server, func() error {
			if _, err := server.Write(flight); err != nil {
				return err
			}
			return said.rest(server)
		})
		if errors.Is(err, errNoHello) {
			err = notTLS(to)
		}
		if !errors.As(err, &no) {
			return nil // the connection's end
		}
	case !errors.As(err, &no):
		err = notTLS(to)
	}
	_, _ = client.Write(accessDenied) // a client that does not understand it sees the end
	return err
}

func notTLS(to target) error {
	return refusal("not_tls", "what was said to %s is no TLS greeting", to)
}

// splice copies both ways; send copies to the server. An end of file on one side is passed on; the other goes on until
// its own.
func splice(client *replayed, server *counter, send func() error) error {
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client.Conn, server)
		_ = client.CloseWrite()
	})
	err := send()
	if err != nil {
		server.Close()
	} else {
		_ = server.CloseWrite()
	}
	back.Wait()
	return err
}

// counter counts what goes through a connection to the outside.
type counter struct {
	net.Conn
	in, out atomic.Int64
	closed  sync.Once
	onClose func()
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.in.Add(int64(n))
	return n, err
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.out.Add(int64(n))
	return n, err
}

func (c *counter) Close() error {
	err := c.Conn.Close()
	if c.onClose != nil {
		c.closed.Do(c.onClose)
	}
	return err
}

func (c *counter) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
