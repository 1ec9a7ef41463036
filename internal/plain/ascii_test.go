package plain

import (
	"testing"
	"unicode"
)

// What is told of ASCII without a table is what the tables say.
func TestPrintableASCII(t *testing.T) {
	for r := range rune(0x100) {
		if want := unicode.IsPrint(r) && !unicode.Is(unicode.Bidi_Control, r); Printable(r) != want {
			t.Errorf("%U printable: %v", r, !want)
		}
	}
}
