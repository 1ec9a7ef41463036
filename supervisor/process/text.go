package process

import "unicode"

// Printable removes what would end or extend an escape sequence, or turn a line around.
func Printable(s string) string {
	out := []rune(s)
	for i, c := range out {
		if c < 0x20 || c >= 0x7f && c < 0xa0 || unicode.Is(unicode.Bidi_Control, c) {
			out[i] = ' '
		}
	}
	return string(out)
}
