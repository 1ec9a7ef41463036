package plain

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// A text that is cut stays in its bound and valid, whatever stands at the cut.
func TestClipKeepsItsBound(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("x", 300), strings.Repeat("é", 300), strings.Repeat("\U0001f600", 300), strings.Repeat("\x9b", 300), strings.Repeat("\u202e\x00", 300)} {
		for n := 3; n < 60; n++ {
			for _, got := range []string{Clip(s, n), Text(s, n)} {
				if len(got) > n || !utf8.ValidString(got) {
					t.Errorf("%.20q in %d bytes is %q, %d bytes", s, n, got, len(got))
				}
			}
		}
	}
	if got := Clip("abcdef", 5); got != "ab…" {
		t.Errorf("abcdef in 5 bytes is %q", got)
	}
	if got := Text("a\x1b[31m\u202eb\n", 40); got != "a\ufffd[31m\ufffdb\ufffd" {
		t.Errorf("cleaned: %q", got)
	}
}
