package tunnel

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestPlainHTTP(t *testing.T) {
	w := newWorld(t, "example.com", "go.example")
	w.names["example.com"], w.names["go.example"] = []string{"93.184.216.34"}, []string{"93.184.216.35"}
	w.serve("93.184.216.34:80", http.HandlerFunc(hi), false)
	w.serve("93.184.216.35:80", http.RedirectHandler("http://api.openai.com/v1", http.StatusTemporaryRedirect), false)
	proxy, _ := url.Parse(w.proxy.URL)
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	for address, want := range map[string]string{
		"http://example.com/x": "hi from example.com", "http://go.example/": "provider_host", "http://other.example/": "host_not_allowed", "http://api.openai.com/": "provider_host",
	} {
		resp, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != want && resp.Header.Get("X-Aex-Code") != want {
			t.Errorf("%s: %s", address, body)
		}
	}
}

// Requests behind the first in a tunnel are looked at too.
func TestPlainHTTPInTunnel(t *testing.T) {
	w := newWorld(t, "example.com")
	w.names["example.com"] = []string{"93.184.216.34"}
	w.serve("93.184.216.34:80", http.HandlerFunc(hi), false)
	for _, c := range []struct{ second, want string }{
		{"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "hi from example.com"},
		{"GET / HTTP/1.1\r\nHost: api.openai.com\r\n\r\n", "name_mismatch"},
		{"GET http://api.openai.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", "malformed"},
		{"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", "malformed"},
		{"GET / HTTP/1.1\r\nHost: example.com\r\nHost: api.openai.com\r\n\r\n", "400"},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "4"},
	} {
		conn, r, _ := w.connect("example.com:80")
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"+c.second)
		for i, want := range []string{"hi from example.com", c.want} {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				if i == 1 && c.want == "4" {
					break
				}
				t.Fatalf("%q: %v", c.second, err)
			}
			body, _ := io.ReadAll(resp.Body)
			if string(body) != want && resp.Header.Get("X-Aex-Code") != want && !strings.HasPrefix(resp.Status, want) {
				t.Errorf("%q: %s %s", c.second, resp.Status, body)
			}
		}
		conn.Close()
	}
}

func TestOtherProtocolsNeedRaw(t *testing.T) {
	for rule, want := range map[string]string{"example.com:22": "", "example.com:22,raw": "echo"} {
		w := newWorld(t, rule)
		w.names["example.com"] = []string{"93.184.216.34"}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		w.servers["93.184.216.34:22"] = l.Addr().String()
		go func() {
			c, err := l.Accept()
			if err == nil {
				io.Copy(c, io.LimitReader(c, 4))
				c.Close()
			}
		}()
		conn, r, _ := w.connect("example.com:22")
		io.WriteString(conn, "echo")
		got := make([]byte, 4)
		n, _ := io.ReadFull(r, got)
		if s := string(got[:n]); s != want && want != "" || want == "" && s == "echo" {
			t.Errorf("%s: %q", rule, s)
		}
		conn.Close()
	}
}
