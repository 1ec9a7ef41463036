package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// TestTreeOfAnyDepth: a call is charged to every group above its agent, also to a
// thousand, and refused by the uppermost where that has no room.
func TestTreeOfAnyDepth(t *testing.T) {
	l := open(t, t.TempDir())
	name := ""
	for range 1000 {
		name += "/g"
		n := ledger.NewGroup{Name: name[1:]}
		if name == "/g" {
			n.Budgets = map[ledger.Window]ledger.Micros{ledger.Total: 1000}
		}
		if _, err := l.CreateGroup(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	token := agent(t, l, ledger.NewAgent{Name: "x", Group: name[1:]})
	h, _ := admit(t, l, ledger.Admission{Token: token, Most: 900})
	if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: 900}); err != nil {
		t.Fatal(err)
	}
	if _, no := admit(t, l, ledger.Admission{Token: token, Most: 900}); no == nil || no.Account != ledger.GroupAccount || no.Name != "g" {
		t.Errorf("%+v", no)
	}
	verify(t, l)
	for _, odd := range []string{name[1:] + "/g", strings.Repeat("x", 101), "g/" + strings.Repeat("x", 101)} {
		if _, err := l.CreateGroup(t.Context(), ledger.NewGroup{Name: odd}); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("%d bytes: %v", len(odd), err)
		}
	}
}
