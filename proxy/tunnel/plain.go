package tunnel

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// forward answers a request for plain HTTP in the form that proxies get, with the whole URL.
func (t *Tunnel) forward(w http.ResponseWriter, r *http.Request) {
	to, err := parseTarget(r.URL.Host, 80)
	if err == nil && r.URL.Scheme != "http" {
		err = refusal("malformed", "%s is asked for by CONNECT", r.URL.Scheme)
	}
	t.exchange(w, r, to, err, t.pool)
}

// passPlain serves plain HTTP in a tunnel. Each request is looked at, not only the first: they need not be for one host.
func (t *Tunnel) passPlain(client *replayed, in *bufio.Reader, server *counter, to target) {
	once := newOnce(&replayed{Conn: client, first: in})
	pool := t.transport(server)
	var handlers sync.WaitGroup
	srv := &http.Server{
		ReadHeaderTimeout: firstLimit, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 256 << 10, ConnState: once.follow,
		ErrorLog: log.New(io.Discard, "", 0), // what a program sends is no fault of aex's
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handlers.Add(1)
			defer handlers.Done()
			at, err := parseTarget(r.Host, 80)
			switch {
			case err != nil:
			case Wants(r) || r.Method == "PRI":
				err = refusal("malformed", "a tunnel is not a proxy: %s %s", r.Method, to)
			case at != to && (at.port != 80 || at.name() != to.name()):
				err = refusal("name_mismatch", "the Host header in a tunnel to %s is %s", to, printed(r.Host))
			}
			t.exchange(w, r, to, err, pool)
		}),
	}
	stop := context.AfterFunc(t.ctx, func() { srv.Close() })
	defer stop()
	_ = srv.Serve(once) // its end is the connection's
	handlers.Wait()     // of what became a web socket
	pool.CloseIdleConnections()
}

// exchange sends one request on and its answer back.
func (t *Tunnel) exchange(w http.ResponseWriter, r *http.Request, to target, err error, pool http.RoundTripper) {
	if err == nil {
		_, err = t.allowed(to)
	}
	if err != nil {
		w.Header().Set("Connection", "close")
		t.refuse(w, to, err)
		return
	}
	through := &httputil.ReverseProxy{
		Transport: pool,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: to.String()})
			p.Out.URL.Path, p.Out.URL.RawPath, p.Out.URL.RawQuery = r.URL.Path, r.URL.RawPath, r.URL.RawQuery
			p.Out.Host = r.Host
			if up := p.Out.Header.Get("Upgrade"); up != "" && !strings.EqualFold(up, "websocket") {
				// Another protocol could name another host.
				p.Out.Header.Del("Upgrade")
				p.Out.Header.Del("Connection")
			}
			if _, ok := p.Out.Header["User-Agent"]; !ok {
				p.Out.Header.Set("User-Agent", "")
			}
		},
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, err error) { t.refuse(w, to, err) },
	}
	through.ServeHTTP(w, r)
}

// transport connects for plain HTTP. A connection that there is already is used first.
func (t *Tunnel) transport(ready *counter) *http.Transport {
	var mu sync.Mutex
	return &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: 10 * time.Minute,
		Protocols: http1(),
		DialContext: func(ctx context.Context, _, authority string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			if ready != nil {
				conn := ready
				ready = nil
				return conn, nil
			}
			to, err := parseTarget(authority, 80)
			if err != nil {
				return nil, err
			}
			conn, err := t.dial(ctx, to)
			if err != nil {
				return nil, err
			}
			c := &counter{Conn: conn}
			done := t.hold(c)
			c.onClose = func() {
				done()
				t.o.Watch(Notice{Host: to.name(), Port: to.port, Sent: c.out.Load(), Received: c.in.Load()})
			}
			return c, nil
		},
	}
}

func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// once is a listener with one connection that was made before. It ends with that.
type once struct {
	conn chan net.Conn
	gone chan struct{}
	end  sync.Once
	addr net.Addr
}

func newOnce(c net.Conn) *once {
	o := &once{conn: make(chan net.Conn, 1), gone: make(chan struct{}), addr: c.LocalAddr()}
	o.conn <- c
	return o
}

func (o *once) Accept() (net.Conn, error) {
	select {
	case c := <-o.conn:
		return c, nil
	case <-o.gone:
		return nil, errors.New("the connection has ended")
	}
}

// follow ends the listener when the connection does. One that became something else (a web socket) is served by then.
func (o *once) follow(_ net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		o.end.Do(func() { close(o.gone) })
	}
}

func (o *once) Close() error   { return nil }
func (o *once) Addr() net.Addr { return o.addr }
