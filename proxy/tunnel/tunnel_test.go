package tunnel

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestRules(t *testing.T) {
	for _, good := range []string{
		"example.org", "EXAMPLE.org.", "*.example.org", "*", "example.org:8443", "10.1.2.3", "10.0.0.0/8", "[::1]:5432", "::1", "fe80::/10",
		"example.org,ech", "github.com:22,raw", "a.example,name=b.example,ech", "localhost:3000", "my_host.example",
	} {
		if _, err := ParseRule(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"", "https://example.org", "example.org/", "example.org:", "example.org:0", "example.org:65536", "example.org:+80", "*.", "a*.example.org", "*.*", "127.1",
		"0x7f000001", "2130706433", "[::1", "[::1]8", "[::1]:", "example.org,", "example.org,all", "example.org,name=", "exa mple.org", "ex\x00ample.org", "-a.example", "a..b", "*:x",
	} {
		if r, err := ParseRule(bad); err == nil {
			t.Errorf("%q is taken for %+v", bad, r)
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"1.1.1.1": true, "8.8.8.8": true, "2606:4700:4700::1111": true, "64:ff9b::101:101": true,
		"127.0.0.1": false, "127.9.9.9": false, "10.1.1.1": false, "172.31.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.100.100.200": false,
		"168.63.129.16": false, "0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "::": false, "::1": false, "::ffff:127.0.0.1": false, "::127.0.0.1": false,
		"fe80::1": false, "fd00:ec2::254": false, "64:ff9b::a9fe:a9fe": false, "2002:7f00:1::": false, "2001:0:1:2:3:4:5:6": false, "ff02::1": false,
		"::ffff:0:127.0.0.1": false, "64:ff9b:1::1": false, "4000::1": false, "::2": false, "2a00::1": true,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("public(%s) = %v", text, got)
		}
	}
}

// world is a proxy whose names and addresses are the test's, in front of real servers on loopback.
type world struct {
	t       *testing.T
	names   map[string][]string // what a name leads to
	servers map[string]string   // what listens at an address, as ADDR:PORT
	proxy   *httptest.Server
	tunnel  *Tunnel

	mu      sync.Mutex
	notices []Notice
	dialled []string
}

func newWorld(t *testing.T, rules ...string) *world {
	w := &world{t: t, names: map[string][]string{"llm.example": {"198.41.0.4"}, "llm.inner.example": {"10.1.2.9"}, "0.0.0.0": {"0.0.0.0"}}, servers: map[string]string{}}
	o := Options{
		Provider: func(host string, port uint16) bool {
			return host == "api.openai.com" || host == "9.9.9.9" || host == "127.0.0.1" && port == 1234
		},
		Resolve: func(_ context.Context, host string) (out []netip.Addr, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, a := range w.names[host] {
				out = append(out, netip.MustParseAddr(a))
			}
			if out == nil {
				return nil, errors.New("no such host")
			}
			return out, nil
		},
		Dial: func(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
			w.mu.Lock()
			w.dialled = append(w.dialled, at.String())
			real, ok := w.servers[at.String()]
			w.mu.Unlock()
			if !ok {
				return nil, errors.New("connection refused")
			}
			return net.Dial("tcp", real)
		},
		Canonical: func(_ context.Context, host string) string {
			return map[string]string{"cname.example": "API.openai.com."}[host]
		},
		Providers: func() []string { return []string{"llm.example:443", "llm.inner.example:8443", "0.0.0.0:8123"} },
		Own:       func(addr netip.Addr) bool { return addr == netip.MustParseAddr("198.41.0.5") },
		Watch: func(n Notice) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.notices = append(w.notices, n)
		},
	}
	for _, r := range rules {
		rule, err := ParseRule(r)
		if err != nil {
			t.Fatal(err)
		}
		o.Rules = append(o.Rules, rule)
	}
	w.tunnel = New(o)
	w.proxy = httptest.NewServer(w.tunnel)
	t.Cleanup(func() { w.proxy.Close(); w.tunnel.Close() })
	return w
}

// serve lets a server answer at an address.
func (w *world) serve(at string, h http.Handler, secure bool) {
	s := httptest.NewUnstartedServer(h)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	w.t.Cleanup(s.Close)
	w.servers[at] = s.Listener.Addr().String()
}

// connect asks for a tunnel and returns it with the answer's status.
func (w *world) connect(authority string) (net.Conn, *bufio.Reader, *http.Response) {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.proxy.Listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", authority, authority)
	r := bufio.NewReader(conn)
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		w.t.Fatal(err)
	}
	return conn, r, answer
}

// codes are what was refused, in order.
func (w *world) codes() (codes []string) {
	w.proxy.CloseClientConnections()
	w.tunnel.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.notices {
		if n.Refused != "" {
			codes = append(codes, n.Refused)
		}
	}
	return codes
}

func hi(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hi from %s", r.Host) }

func TestTunnelToAllowedHost(t *testing.T) {
	w := newWorld(t, "example.com")
	w.names["example.com"] = []string{"93.184.216.34"}
	w.serve("93.184.216.34:443", http.HandlerFunc(hi), true)
	proxy, _ := url.Parse(w.proxy.URL)
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := client.Get("https://example.com/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "hi from example.com" {
		t.Errorf("%s", body)
	}
	if codes := w.codes(); len(codes) > 0 || len(w.notices) != 1 || w.notices[0].Host != "example.com" || w.notices[0].Sent == 0 || w.notices[0].Received < 100 {
		t.Errorf("%+v", w.notices)
	}
}

func TestConnectIsRefused(t *testing.T) {
	for _, c := range []struct {
		authority, code string
		rules           []string
	}{
		{"example.com:443", "host_not_allowed", nil},
		{"example.com:25", "host_not_allowed", []string{"example.com"}},
		{"sub.example.com:443", "host_not_allowed", []string{"example.com"}},
		{"example.com:443", "host_not_allowed", []string{"*.example.com"}},
		{"notexample.com:443", "host_not_allowed", []string{"*.example.com", "example.com"}},
		{"api.openai.com:443", "provider_host", []string{"*", "api.openai.com"}},
		{"API.OpenAI.com.:443", "provider_host", []string{"*"}},
		{"alias.example:443", "provider_host", []string{"*"}},
		{"9.9.9.9:443", "provider_host", []string{"*", "9.9.9.9"}},
		{"127.0.0.1:443", "host_not_allowed", []string{"*"}},
		{"127.0.0.1:1234", "provider_host", []string{"127.0.0.1:1234"}},
		{"[::1]:443", "host_not_allowed", []string{"*"}},
		{"[::ffff:127.0.0.1]:443", "host_not_allowed", []string{"*"}},
		{"[::ffff:169.254.169.254]:80", "host_not_allowed", []string{"*"}},
		{"169.254.169.254:80", "host_not_allowed", []string{"*"}},
		{"metadata.example:80", "private_address", []string{"*"}},
		{"rebinds.example:443", "private_address", []string{"*"}},
		{"six.example:443", "private_address", []string{"*"}},
		{"127.1:443", "malformed", []string{"*"}},
		{"2130706433:443", "malformed", []string{"*"}},
		{"0x7f.0.0.1:443", "malformed", []string{"*"}},
		{"017700000001:443", "malformed", []string{"*"}},
		{"cname.example:443", "provider_host", []string{"*", "cname.example"}},
		{"ours.example:443", "provider_host", []string{"*"}},
		{"198.41.0.4:443", "provider_host", []string{"198.41.0.4"}},
		{"[::ffff:198.41.0.4]:443", "provider_host", []string{"*"}},
		{"inner.example:8443", "provider_host", []string{"inner.example:8443", "10.0.0.0/8:8443"}},
		{"10.1.2.9:8443", "provider_host", []string{"10.1.2.9:8443"}},
		{"198.41.0.5:1234", "provider_host", []string{"198.41.0.5:1234"}},
		{"127.0.0.2:8123", "provider_host", []string{"127.0.0.0/8:8123"}},
		{"198.41.0.5:8123", "provider_host", []string{"198.41.0.5:8123"}},
		{"198.41.0.5:80", "private_address", []string{"*"}},
		{"[::ffff:0:127.0.0.1]:80", "host_not_allowed", []string{"*"}},
		{"example.com", "malformed", []string{"*"}},
		{"user@example.com:443", "malformed", []string{"*"}},
		{"example.com:99999", "malformed", []string{"*"}},
	} {
		w := newWorld(t, c.rules...)
		w.names["alias.example"], w.names["metadata.example"] = []string{"9.9.9.9"}, []string{"169.254.169.254"}
		w.names["cname.example"], w.names["ours.example"], w.names["inner.example"] = []string{"93.184.216.34"}, []string{"198.41.0.4"}, []string{"10.1.2.9"}
		w.names["rebinds.example"], w.names["six.example"] = []string{"127.0.0.1", "10.0.0.1"}, []string{"::1"}
		_, _, answer := w.connect(c.authority)
		if got := answer.Header.Get("X-Aex-Code"); got != c.code && !(c.code == "malformed" && answer.StatusCode == 400) {
			t.Errorf("CONNECT %s with %q: %d %s, not %s", c.authority, c.rules, answer.StatusCode, got, c.code)
		}
		if len(w.dialled) > 0 {
			t.Errorf("CONNECT %s dialled %s", c.authority, w.dialled)
		}
	}
}

func TestProviderOfThisMachine(t *testing.T) {
	w := newWorld(t)
	for port, want := range map[uint16]bool{1234: true, 8123: true, 8124: false} {
		if got := w.tunnel.ServedHere(t.Context(), port); got != want {
			t.Errorf("port %d: %v", port, got)
		}
	}
}

// A private address is reached by its own name alone, also when a name that is allowed leads there.
func TestPrivateAddressListed(t *testing.T) {
	w := newWorld(t, "db.example:8443", "10.1.2.3:8443")
	w.names["db.example"] = []string{"127.0.0.1", "10.1.2.3"}
	w.serve("10.1.2.3:8443", http.HandlerFunc(hi), true)
	conn, _, answer := w.connect("db.example:8443")
	if answer.StatusCode != 200 {
		t.Fatal(answer.Status)
	}
	secure := tls.Client(conn, &tls.Config{ServerName: "db.example", InsecureSkipVerify: true})
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.dialled, []string{"10.1.2.3:8443"}) {
		t.Errorf("dialled %s", w.dialled)
	}
	secure.Close()
}

func TestServerNameHasToBeTheHost(t *testing.T) {
	for _, c := range []struct {
		what, connect, name, code string
		rules                     []string
	}{
		{"the host", "example.com:443", "example.com", "", []string{"example.com"}},
		{"capitals", "example.com:443", "EXAMPLE.com", "", []string{"example.com"}},
		{"another", "example.com:443", "api.openai.com", "provider_host", []string{"*"}},
		{"another allowed one", "example.com:443", "example.net", "name_mismatch", []string{"*"}},
		{"another that is listed as such", "example.com:443", "example.net", "", []string{"example.com,name=example.net"}},
		{"none", "example.com:443", "", "name_mismatch", []string{"*"}},
		{"none for an address", "93.184.216.34:443", "", "", []string{"93.184.216.34"}},
		{"none for an address that is not listed itself", "93.184.216.34:443", "", "name_mismatch", []string{"*"}},
		{"a provider for an address", "93.184.216.34:443", "api.openai.com", "provider_host", []string{"93.184.216.34"}},
		{"some name for an address", "93.184.216.34:443", "example.com", "name_mismatch", []string{"93.184.216.34"}},
		{"a listed name for an address", "93.184.216.34:443", "example.com", "", []string{"93.184.216.34", "example.com"}},
	} {
		w := newWorld(t, c.rules...)
		w.names["example.com"] = []string{"93.184.216.34"}
		w.serve("93.184.216.34:443", http.HandlerFunc(hi), true)
		conn, _, answer := w.connect(c.connect)
		if answer.StatusCode != 200 {
			t.Fatal(answer.Status)
		}
		// One byte a packet, so that the name comes in pieces.
		secure := tls.Client(slow{conn}, &tls.Config{ServerName: c.name, InsecureSkipVerify: true})
		err := secure.Handshake()
		if (err == nil) != (c.code == "") {
			t.Errorf("%s: %v", c.what, err)
		}
		conn.Close()
		if codes := strings.Join(w.codes(), " "); codes != c.code {
			t.Errorf("%s: refused as %q, not %q", c.what, codes, c.code)
		}
	}
}

// slow writes byte by byte.
type slow struct{ net.Conn }

func (s slow) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := s.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func TestEncryptedNameIsRefused(t *testing.T) {
	for rule, want := range map[string]string{"example.com": "name_encrypted", "example.com,ech": ""} {
		w := newWorld(t, rule)
		w.names["example.com"] = []string{"93.184.216.34"}
		w.serve("93.184.216.34:443", http.HandlerFunc(hi), true)
		conn, _, _ := w.connect("example.com:443")
		secure := tls.Client(conn, &tls.Config{ServerName: "secret.example", MinVersion: tls.VersionTLS13, EncryptedClientHelloConfigList: echConfig(t, "example.com")})
		_ = secure.Handshake() // the server has no such key, whoever lets it through
		conn.Close()
		if codes := strings.Join(w.codes(), " "); codes != want {
			t.Errorf("with %s: %q, not %q", rule, codes, want)
		}
	}
}

// echConfig is a list of one configuration (RFC 9849, section 4) whose key nobody has.
func echConfig(t *testing.T, public string) []byte {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub := key.PublicKey().Bytes()
	body := []byte{7, 0, 0x20}
	body = binary.BigEndian.AppendUint16(body, uint16(len(pub)))
	body = append(body, pub...)
	body = append(body, 0, 4, 0, 1, 0, 1, 32, byte(len(public)))
	body = append(body, public...)
	body = append(body, 0, 0)
	config := binary.BigEndian.AppendUint16([]byte{0xfe, 0x0d}, uint16(len(body)))
	config = append(config, body...)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(config))), config...)
}
