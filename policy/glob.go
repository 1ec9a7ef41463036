package policy

import (
	"slices"
	"strings"
)

// glob reports whether a pattern matches all of a name, without regard to
// case. A star is any number of any characters, a question mark is one; there
// is nothing else. It takes time in proportion to both lengths multiplied.
func glob(pattern, name string) bool {
	p, n := []rune(strings.ToLower(pattern)), []rune(strings.ToLower(name))
	i, j := 0, 0
	star, from := -1, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// anyGlob reports whether any pattern matches any of the names.
func anyGlob(patterns []string, names ...string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return glob(p, n) })
	})
}

// Matches reports whether any pattern matches the name, as aex matches the
// models and tools of an agent; without patterns every name does.
func Matches(patterns []string, name string) bool {
	return len(patterns) == 0 || anyGlob(patterns, name)
}
