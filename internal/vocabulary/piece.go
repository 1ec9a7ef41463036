package vocabulary

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Tokens never reach across the pieces that a text is cut into first: words with
// what stands before them, up to three figures, punctuation, white space. The
// rules, in their order, are those of o200k_base.

// pieceEnd is where the first piece of a text ends.
func pieceEnd(s string) int {
	first, size := utf8.DecodeRuneInString(s)
	starts := []int{0}
	if first != '\r' && first != '\n' && !unicode.IsLetter(first) && !unicode.IsNumber(first) {
		starts = []int{size, 0} // one sign may belong to the word after it
	}
	for _, word := range [...]func(string) int{lowerWord, upperWord} {
		for _, start := range starts {
			if n := word(s[start:]); n > 0 {
				return start + n + contraction(s[start+n:])
			}
		}
	}
	switch {
	case unicode.IsNumber(first):
		return figures(s)
	case first == ' ' && len(s) > 1 && signs(s[1:]) > 0:
		return 1 + signsEnd(s[1:])
	case signs(s) > 0:
		return signsEnd(s)
	}
	return spaces(s)
}

// run is how long the beginning of s is of which every character is of a kind.
func run(s string, kind func(rune) bool) int {
	for i, r := range s {
		if !kind(r) {
			return i
		}
	}
	return len(s)
}

func either(r rune) bool { return unicode.In(r, unicode.Lm, unicode.Lo, unicode.M) }
func upper(r rune) bool  { return unicode.In(r, unicode.Lu, unicode.Lt) || either(r) }
func lower(r rune) bool  { return unicode.Is(unicode.Ll, r) || either(r) }
func sign(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.IsLetter(r) && !unicode.IsNumber(r)
}

// lowerWord is capitals, if any, and then small letters.
func lowerWord(s string) int {
	capitals := run(s, upper)
	if small := run(s[capitals:], lower); small > 0 {
		return capitals + small
	}
	for end := capitals; end > 0; { // of letters that are both the last may be the small one
		r, size := utf8.DecodeLastRuneInString(s[:end])
		if either(r) {
			return end
		}
		end -= size
	}
	return 0
}

// upperWord is capitals without small letters.
func upperWord(s string) int { return run(s, upper) }

// contraction is the length of an 's, 't, 're, 've, 'm, 'll or 'd.
func contraction(s string) int {
	if s == "" || s[0] != '\'' {
		return 0
	}
	for _, end := range [...]string{"s", "t", "re", "ve", "m", "ll", "d"} {
		if len(s) > len(end) && strings.EqualFold(s[1:1+len(end)], end) {
			return 1 + len(end)
		}
	}
	return 0
}

func figures(s string) int {
	end, most := 0, 3
	for i, r := range s {
		if most == 0 || !unicode.IsNumber(r) {
			return i
		}
		most--
		end = i + utf8.RuneLen(r)
	}
	return end
}

func signs(s string) int { return run(s, sign) }

// signsEnd is signs, and the ends of lines and slashes after them.
func signsEnd(s string) int {
	n := signs(s)
	return n + run(s[n:], func(r rune) bool { return r == '\r' || r == '\n' || r == '/' })
}

// spaces is white space up to the last end of a line in it, else all but the
// last of it, which belongs to what comes after.
func spaces(s string) int {
	n := run(s, unicode.IsSpace)
	if line := strings.LastIndexAny(s[:n], "\r\n"); line >= 0 {
		return line + 1
	}
	_, last := utf8.DecodeLastRuneInString(s[:n])
	if n < len(s) && n > last {
		return n - last
	}
	return max(n, 1)
}
