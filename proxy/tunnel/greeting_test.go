package tunnel

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
)

// greetingOf is a ClientHello in its record, as a client sends it.
func greetingOf(t testing.TB, name string) []byte {
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		defer client.Close()
		_ = tls.Client(client, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake() // nobody answers
	}()
	head := make([]byte, header)
	if _, err := io.ReadFull(server, head); err != nil {
		t.Fatal(err)
	}
	rest := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(server, rest); err != nil {
		t.Fatal(err)
	}
	return append(head, rest...)
}

// split puts the message of a record into records of n bytes.
func split(record []byte, n int) []byte {
	var all []byte
	for message := record[header:]; len(message) > 0; message = message[min(n, len(message)):] {
		part := message[:min(n, len(message))]
		all = append(append(all, handshake, 3, 1, 0, byte(len(part))), part...)
	}
	return all
}

// record is one of some kind.
func record(kind byte, text ...byte) []byte {
	return append([]byte{kind, 3, 3, byte(len(text) >> 8), byte(len(text))}, text...)
}

// hear reads all that the first who comes says.
func hear(l net.Listener) chan []byte {
	heard := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		all, _ := io.ReadAll(c) // a refusal cuts it
		heard <- all
	}()
	return heard
}

// A server may ask for a second greeting; whatever comes before it, its name is looked at too, and no byte of it is passed
// on before that.
func TestEveryGreetingIsLookedAt(t *testing.T) {
	good, other, provider := greetingOf(t, "example.com"), greetingOf(t, "example.net"), greetingOf(t, "api.openai.com")
	together := record(handshake, append(bytes.Clone(good[header:]), provider[header:]...)...)
	for _, c := range []struct {
		what string
		said [][]byte
		code string
	}{
		{"one", [][]byte{good}, ""},
		{"one in small records", [][]byte{split(good, 3)}, ""},
		{"the same again", [][]byte{good, record(20, 1), good}, ""},
		{"data behind", [][]byte{good, record(20, 1), record(23, 1, 2, 3), record(21, 1, 0)}, ""},
		{"the rest of an older handshake", [][]byte{good, record(handshake, 16, 0, 0, 1, 7), record(20, 1), record(handshake, 1, 200, 3, 4)}, ""},
		{"something else at once", [][]byte{record(23, 1, 2, 3), good}, "not_tls"},
		{"a provider next", [][]byte{good, provider}, "provider_host"},
		{"another next", [][]byte{good, other}, "name_mismatch"},
		{"a provider behind the word of a change", [][]byte{good, record(20, 1), provider}, "provider_host"},
		{"a provider behind early data", [][]byte{good, record(23, 9, 9, 9), provider}, "provider_host"},
		{"a provider behind an alert", [][]byte{good, record(21, 1, 90), provider}, "provider_host"},
		{"a provider in small records", [][]byte{good, split(provider, 1)}, "provider_host"},
		{"a provider in the same record", [][]byte{together}, "provider_host"},
		{"a greeting that is broken off by others", [][]byte{good, split(provider, 100)[:105], record(23, 1)}, "not_tls"},
	} {
		w := newWorld(t, "*")
		w.names["example.com"] = []string{"93.184.216.34"}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		w.servers["93.184.216.34:443"] = l.Addr().String()
		heard := hear(l)
		conn, _, answer := w.connect("example.com:443")
		if answer.StatusCode != 200 {
			t.Fatal(answer.Status)
		}
		all := bytes.Join(c.said, nil)
		_, _ = conn.Write(all) // a refusal cuts it
		conn.(*net.TCPConn).CloseWrite()
		got := <-heard
		if c.code == "" && !bytes.Equal(got, all) {
			t.Errorf("%s: %d of %d bytes came", c.what, len(got), len(all))
		}
		if !bytes.HasPrefix(all, got) || bytes.Contains(got, []byte("api.openai.com")) {
			t.Errorf("%s: %d bytes came out, with what has to stay", c.what, len(got))
		}
		conn.Close()
		if codes := strings.Join(w.codes(), " "); codes != c.code {
			t.Errorf("%s: refused as %q, not %q", c.what, codes, c.code)
		}
	}
}
