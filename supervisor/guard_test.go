package supervisor

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"github.com/Auro-rium/aex/v3/proxy"
)

// notice is of a refusal with code, or of an answer without, to the n-th body.
func notice(code string, n int) proxy.Notice {
	return proxy.Notice{Code: code, Body: [32]byte([]byte(strconv.Itoa(n) + "................................"))}
}

// A program that only ever gets noes is ended, whatever it varies; one answer
// between them lets it go on.
func TestGuardEndsARefusedProgram(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answered int // after so many noes comes an answer
		ends     bool
	}{{"noes only", 0, true}, {"an answer between", noLimit - 1, false}} {
		var stopped error
		g := newGuard(GuardSpec{Loop: LoopWarn}, func(err error) { stopped = err }, t.Logf)
		for n := 1; n < 2*noLimit-1 && stopped == nil; n++ {
			g.noticed(notice("model_not_priced", n))
			if n < noLimit && stopped != nil {
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

// No variable that has a provider's key reaches the program, those that
// models.yaml names included.
func TestKeysOfAnyProviderAreTaken(t *testing.T) {
	caller := []string{"CORP_SECRET=a", "OPENAI_API_KEY=b", "OTHER_API_KEY=c", "PLAIN=d"}
	env, removed := childEnv(caller, []string{"OTHER_API_KEY"}, []string{"CORP_SECRET", "OTHER_API_KEY"}, "http://127.0.0.1:1", "token", "run")
	for entry, want := range map[string]bool{"CORP_SECRET=a": false, "OPENAI_API_KEY=b": false, "OTHER_API_KEY=c": true, "PLAIN=d": true} {
		if slices.Contains(env, entry) != want {
			t.Errorf("%s passed: %v", entry, !want)
		}
	}
	if want := []string{"CORP_SECRET", "OPENAI_API_KEY"}; !slices.Equal(removed, want) {
		t.Errorf("removed %v", removed)
	}
	if !passesKey([]string{"OTHER_API_KEY"}, []string{"OTHER_API_KEY"}) || passesKey([]string{"PLAIN"}, []string{"OTHER_API_KEY"}) {
		t.Error("what makes a run unmetered")
	}
}
