package proxy

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// A text that is cut stays in its bound and valid, whatever stands at the cut.
func TestClipKeepsItsBound(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("x", 300), strings.Repeat("é", 300), strings.Repeat("\U0001f600", 300), strings.Repeat("\x9b", 300), strings.Repeat("\u202e\x00", 300)} {
		for n := 3; n < 60; n++ {
			for _, got := range []string{clip(s, n), cleanText(s, n)} {
				if len(got) > n || !utf8.ValidString(got) {
					t.Errorf("%.20q in %d bytes is %q, %d bytes", s, n, got, len(got))
				}
			}
		}
	}
	if got := clip("abcdef", 5); got != "ab…" {
		t.Errorf("abcdef in 5 bytes is %q", got)
	}
	if got := cleanText("a\x1b[31m\u202eb\n", 40); got != "a\ufffd[31m\ufffdb\ufffd" {
		t.Errorf("cleaned: %q", got)
	}
}

// What net/http says of a handler's panic goes to the gateway's log, not past
// it to the standard error.
func TestPanicsGoToTheLog(t *testing.T) {
	said := make(chan string, 10)
	w := newWorld(t, setup{change: func(o *Options) {
		o.Watch = func(Notice) { panic("evil \x1b[31m") }
		o.Logf = func(format string, args ...any) { said <- fmt.Sprintf(format, args...) }
	}})
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	w.url = "http://" + l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- w.gateway.Serve(l) }()
	_, _, _, _ = w.post("/v1/files", "{}") // the answer may have gone before the panic
	select {
	case line := <-said:
		if !strings.Contains(line, "panic serving") || !strings.Contains(line, "evil") {
			t.Errorf("the log has %q", line)
		}
	case err := <-served:
		t.Fatalf("the gateway ended: %v", err)
	case <-time.After(10 * time.Second):
		t.Error("the log was told nothing")
	}
}
