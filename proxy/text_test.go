package proxy

import (
	"fmt"
	"strings"
	"testing"
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
	if _, _, _, err := w.post("/v1/files", "{}"); err == nil {
		t.Error("a handler that panicked answered")
	}
	select {
	case line := <-said:
		if !strings.Contains(line, "panic serving") || !strings.Contains(line, "evil") {
			t.Errorf("the log has %q", line)
		}
	case <-t.Context().Done():
	}
}
