package policy

import (
	"regexp"
	"sync"
)

// expression is a regular expression that is compiled when it is first used.
// Every start of aex, and of its monitor, would wait for those of this package.
func expression(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
