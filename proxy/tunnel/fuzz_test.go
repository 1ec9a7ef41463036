package tunnel

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
)

// FuzzGreeting passes on what a program says, and has another reader, a server of TLS, look at what came through: it
// never meets another name first.
func FuzzGreeting(f *testing.F) {
	good, bad := greetingOf(f, "example.com"), greetingOf(f, "api.openai.com")
	for _, seed := range [][]byte{
		good, bad, append(bytes.Clone(good), bad...), append(bytes.Clone(bad), good...), {22, 3, 1, 0, 0}, {22, 3, 1, 0, 1, 1, 22, 3, 1},
		append(append(bytes.Clone(good), 20, 3, 3, 0, 1, 1), bad...), append(bytes.Clone(good), 23, 3, 3, 0, 2, 1, 1), split(good, 7),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		var passed bytes.Buffer
		g := &greeting{in: bufio.NewReader(bytes.NewReader(said)), judge: func(h hello) error {
			if h.name != "example.com" {
				return errors.New("another name")
			}
			return nil
		}}
		first, err := g.first()
		if err != nil {
			return
		}
		passed.Write(first)
		_ = g.rest(&passed) // what it refused is not in passed
		if !bytes.HasPrefix(said, passed.Bytes()) {
			t.Errorf("what was said is not what is sent on")
		}
		name := ""
		server := tls.Server(&recited{r: &passed}, &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			name = info.ServerName
			return nil, errGreeted
		}})
		if err := server.HandshakeContext(context.Background()); errors.Is(err, errGreeted) && !strings.EqualFold(name, "example.com") {
			t.Errorf("a server hears %q", name)
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

// FuzzTarget: a host that is taken for a name is not what other programs take for an address.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"example.org:443", "[::ffff:127.0.0.1%lo]:443", "127.1:80", "0x7f.1:80", "a.0177:80", "example.org.:443", "user@host:1", "[::1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, authority string) {
		to, err := parseTarget(authority, 80)
		if err != nil {
			return
		}
		if again, err := parseTarget(to.String(), 0); err != nil || again != to {
			t.Errorf("%q is %+v, and that is %+v (%v)", authority, to, again, err)
		}
		if last := to.host[strings.LastIndexByte(to.host, '.')+1:]; to.host != "" && strings.Trim(last, "0123456789") == "" {
			t.Errorf("%q is taken for the name %q", authority, to.host)
		}
	})
}
