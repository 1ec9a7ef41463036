// Package plain makes text that somebody else chose harmless to show and to
// keep: no control characters, nothing that turns the direction of writing, no
// NUL, no end of line, of bearable length. It knows nothing of HTML or CSV;
// escaping for those is done where they are written. Word quotes for a shell.
package plain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// NameMax is how much of a name is shown, and StoredMax how much of a foreign
// text the ledger keeps; in bytes.
const (
	NameMax   = 120
	StoredMax = 200
)

// Name is a name in at most NameMax bytes.
func Name(s string) string { return Text(s, NameMax) }

// Stored is a text in at most StoredMax bytes. What the ledger keeps of clients
// and providers goes through it: its trail is read as it stands.
func Stored(s string) string { return Text(s, StoredMax) }

// Text is s in at most n bytes, with a replacement for each rune that is not
// printable.
func Text(s string, n int) string { return Clip(Line(Clip(s, n)), n) }

// Line is s, of any length, with a replacement for each rune that is not
// printable.
func Line(s string) string {
	return strings.Map(func(r rune) rune {
		if Printable(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// Printable tells whether a rune shows as itself and changes nothing beside it.
func Printable(r rune) bool {
	if r < utf8.RuneSelf { // as a rule it is, and tables need not be searched
		return r >= ' ' && r != 0x7f
	}
	return unicode.IsPrint(r) && !unicode.Is(unicode.Bidi_Control, r)
}

// Clip is s in at most n bytes of valid UTF-8; an ellipsis stands for the rest.
func Clip(s string, n int) string {
	const rest = "…"
	if len(s) > n {
		return strings.ToValidUTF8(s[:max(0, n-len(rest))], "") + rest
	}
	return strings.ToValidUTF8(s, "")
}

// Word is a text as a shell reads it as one word: quoted where it would read
// more into it. It makes nothing harmless to show.
func Word(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
