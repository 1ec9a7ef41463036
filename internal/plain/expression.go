package plain

import (
	"regexp"
	"sync"
)

// Expression is a regular expression that is compiled when it is first used.
// Every start of aex, and of its monitor, would wait for all of them.
func Expression(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
