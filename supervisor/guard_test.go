package supervisor

import (
	"errors"
	"strconv"
	"testing"

	"github.com/Auro-rium/aex/v3/proxy/watch"
)

// notice is of a refusal with code, or of an answer without, to the n-th body.
func notice(code string, n int) watch.Notice {
	return watch.Notice{Code: code, Body: [32]byte([]byte(strconv.Itoa(n) + "................................"))}
}

// A program that only ever gets noes is ended, whatever it varies; one answer
// between them lets it go on.
func TestGuardEndsARefusedProgram(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answered int // after so many noes comes an answer
		ends     bool
	}{{"noes only", 0, true}, {"an answer between", noesLimit - 1, false}} {
		var stopped error
		g := newGuard(GuardSpec{Loop: LoopWarn}, func(err error) { stopped = err }, t.Logf)
		for n := 1; n < 2*noesLimit-1 && stopped == nil; n++ {
			g.noticed(notice("model_not_priced", n))
			if n < noesLimit && stopped != nil {
				t.Errorf("%s: ended after %d", tt.name, n)
			}
			if n == tt.answered {
				g.noticed(notice("", n))
			}
		}
		if errors.Is(stopped, ErrGuard) != tt.ends {
			t.Errorf("%s: %v", tt.name, stopped)
		}
	}
}
