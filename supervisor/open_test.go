package supervisor

import (
	"errors"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// TestMayStart: a run is not started where its agent, or a group around it, has
// used its budget up. What calls of other runs hold they may leave: that is no
// reason against it.
func TestMayStart(t *testing.T) {
	budget := ledger.Micros(100)
	for _, kind := range []ledger.AccountKind{ledger.AgentAccount, ledger.WindowAccount, ledger.GroupAccount} {
		for _, tt := range []struct {
			name string
			a    ledger.Account
			want error
		}{
			{"with some left", ledger.Account{Spent: 99}, nil},
			{"held by others", ledger.Account{Spent: 40, Reserved: 60}, nil},
			{"spent", ledger.Account{Spent: 100}, ErrNoMoney},
			{"overrun", ledger.Account{Spent: 90, Overrun: 1}, ErrNoMoney},
		} {
			tt.a.Kind, tt.a.Name, tt.a.Budget = kind, "x", &budget
			if err := (&session{}).may([]ledger.Account{{Kind: ledger.AgentAccount, Name: "y"}, tt.a}); !errors.Is(err, tt.want) {
				t.Errorf("%s %s: %v", kind, tt.name, err)
			}
		}
	}
	if err := (&session{}).may([]ledger.Account{{Kind: ledger.AgentAccount, Name: "y"}}); !errors.Is(err, ErrNoBudget) {
		t.Errorf("no limit, which nobody asked for: %v", err)
	}
}
