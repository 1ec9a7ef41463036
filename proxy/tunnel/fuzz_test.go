package tunnel

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
)

func FuzzHello(f *testing.F) {
	client, server := net.Pipe()
	go func() {
		tls.Client(client, &tls.Config{ServerName: "example.com", InsecureSkipVerify: true}).Handshake()
	}()
	buf := make([]byte, 4096)
	n, _ := server.Read(buf)
	f.Add(buf[:n])
	server.Close()
	f.Add([]byte{22, 3, 1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := readHello(strings.NewReader(string(data)))
		if err == nil && !strings.HasPrefix(string(data), string(h.bytes)) {
			t.Errorf("what was read is not what is sent on")
		}
	})
}

func FuzzRule(f *testing.F) {
	f.Add("*.example.org:443,ech,name=a.b")
	f.Add("[::1]:8080,raw")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := ParseRule(text); err == nil && (r.host == "") == !r.net.IsValid() {
			t.Errorf("%q is neither a name nor an address, or both: %+v", text, r)
		}
	})
}
