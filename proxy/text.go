package proxy

import (
	"log"
	"strings"
	"unicode"
)

// nameMax is how much of a name a page shows, in bytes, and storedMax how much
// of a text that others chose the ledger keeps.
const (
	nameMax   = 120
	storedMax = 200
)

// cleanName makes a name that somebody else chose harmless to show: no control
// characters, nothing that turns the direction of writing, no NUL, no end of
// line, of bearable length. Escaping for HTML is the template's.
func cleanName(s string) string { return cleanText(s, nameMax) }

// cleanText is the same with another bound. What the ledger keeps of clients
// and providers goes through it too: its trail is read as it stands.
func cleanText(s string, most int) string {
	return clip(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && !unicode.Is(unicode.Bidi_Control, r) {
			return r
		}
		return unicode.ReplacementChar
	}, clip(s, most)), most)
}

// clip is s in at most n bytes of valid UTF-8; an ellipsis stands for the rest.
func clip(s string, n int) string {
	const rest = "…"
	if len(s) > n {
		return strings.ToValidUTF8(s[:max(0, n-len(rest))], "") + rest
	}
	return strings.ToValidUTF8(s, "")
}

// ServerLog takes what net/http has to say of connections to the log of
// aex, which keeps others' text in it from acting on a terminal.
func ServerLog(logf func(string, ...any)) *log.Logger {
	return log.New(logWriter(logf), "", 0)
}

type logWriter func(string, ...any)

func (w logWriter) Write(b []byte) (int, error) {
	w("%s", strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}
