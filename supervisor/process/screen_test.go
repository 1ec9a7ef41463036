//go:build linux || darwin

package process

import "testing"

func TestScreenUndo(t *testing.T) {
	for text, want := range map[string]string{
		"plain text\r\n":                           "",
		"\x1b[1;31mred\x1b[0m":                     "",
		"\x1b[1;31mred\x1b[m":                      "",
		"\x1b[1;31mred":                            "\x1b[m",
		"\x1b[0;31mred":                            "\x1b[m",
		"\x1b[?1049h\x1b[?25l":                     "\x1b[?1049l\x1b[?25h",
		"\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l": "",
		"\x1b[?1000;1006h":                         "\x1b[?1000l\x1b[?1006l",
		"\x1b[>1u\x1b[>3u\x1b[<u":                  "\x1b[<1u",
		"\x1b=":                                    "\x1b>",
		"\x1b(0":                                   "\x1b(B",
		"\x1b[?1049h\x1bc":                         "",
		"\x1b]2;title":                             "\x1b\\",
		"\x1b]2;\x1b[31m\a":                        "\x1b[m",
		"\x1b[3":                                   "\x18",
		"\x1b[?2026h":                              "\x1b[?2026l",
		"\x1b[?99999999999999999999h":              "",
		"\x1b[>4;2m":                               "",
	} {
		// In one piece and byte by byte.
		var whole, pieces screen
		whole.feed([]byte(text))
		for i := range len(text) {
			pieces.feed([]byte(text[i : i+1]))
		}
		if got := whole.undo(); got != want || pieces.undo() != want {
			t.Errorf("%q: %q and %q, want %q", text, got, pieces.undo(), want)
		}
	}
}

func TestScreenIsClean(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "abc": true, "é": true, "\xc3": false, "\xf0\x9f\x98": false, "😀": true, "\xff": true,
		"\x1b": false, "\x1b[": false, "\x1b[31": false, "\x1b[31m": true, "\x1b]0;x": false, "\x1b]0;x\a": true,
		"\x1b]0;x\x1b": false, "\x1b]0;x\x1b\\": true, "\x1bPq...": false, "\x1bPq\x1b\\": true, "\x1b(": false, "\x1b(B": true,
	} {
		var s screen
		s.feed([]byte(text))
		if s.clean() != want {
			t.Errorf("%q: %v", text, s.clean())
		}
	}
}
