package proxy

import (
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Auro-rium/aex/v3/internal/whole"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/memory"
)

// upstreams keeps one transport for each way out: proxy and CA.
type upstreams struct {
	caFile  string // for providers without one of their own
	mu      sync.Mutex
	way     map[[2]string]*http.Transport
	dial    func(ctx context.Context, network, addr string) (net.Conn, error) // nil: net.Dialer's
	tooDear atomic.Int32                                                      // calls in a row that were too dear for an aex upstream
}

func newUpstreams(caFile string) *upstreams {
	return &upstreams{caFile: caFile, way: map[[2]string]*http.Transport{}}
}

// to is the transport for a provider.
func (u *upstreams) to(p policy.Provider) (*http.Transport, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	way := [2]string{p.Proxy, p.CAFile}
	if t := u.way[way]; t != nil {
		return t, nil
	}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{
			Timeout: 30 * time.Second, KeepAlive: 30 * time.Second,
		}).DialContext,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true, // a compressed answer cannot be metered as it passes
		MaxIdleConnsPerHost: 256,
		TLSHandshakeTimeout: 30 * time.Second,
		// Shorter than any provider's own: a request written to a connection
		// that the provider is closing has to be booked as if it had been read.
		IdleConnTimeout: 20 * time.Second,
	}
	if u.dial != nil {
		t.DialContext = u.dial
	}
	if p.Proxy != "" {
		proxy, err := url.Parse(p.Proxy)
		if err != nil {
			return nil, fmt.Errorf("the proxy of provider %s: %w", p.Name, err)
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	if file := cmp.Or(p.CAFile, u.caFile); file != "" {
		roots, err := withCA(file)
		if err != nil {
			return nil, fmt.Errorf("the certificates for provider %s: %w", p.Name, err)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	u.way[way] = t
	return t, nil
}

const maxCertificates = 16 << 20

// withCA is the system's roots and those of a file.
func withCA(file string) (*x509.CertPool, error) {
	pem, err := whole.Read(file, maxCertificates)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return roots, nil
}

func (u *upstreams) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, t := range u.way {
		t.CloseIdleConnections()
	}
}

// roundTrip makes one request. It takes no status below 200 for an answer. A switch to
// another protocol, which nobody asked for, would give a connection that does not end
// with the request and cannot be metered; a status below 100 cannot be passed on.
func roundTrip(t *http.Transport, req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTrip(req)
	if err == nil && resp.StatusCode < http.StatusOK {
		_ = resp.Body.Close() // the connection is of no further use
		return nil, fmt.Errorf("the answer has the status %d, which ends no request", resp.StatusCode)
	}
	return resp, err
}

// decoded undoes a compression that was not asked for.
func decoded(resp *http.Response) io.Reader {
	if !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return resp.Body
	}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength = -1
	packed := memory.Pack(resp.Body)
	return packed.Unpacked(&lazyGzip{from: packed})
}

// lazyGzip opens the gzip stream at the first read, not before: its header may
// come late.
type lazyGzip struct {
	from io.Reader
	z    *gzip.Reader
}

func (l *lazyGzip) Read(p []byte) (int, error) {
	if l.z == nil {
		z, err := gzip.NewReader(l.from)
		if err != nil {
			return 0, err
		}
		l.z = z
	}
	return l.z.Read(p)
}
